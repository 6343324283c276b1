//! What can go wrong with a blob, and what to do then.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::BlobKey;

/// Why a blob could not be sealed, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob: the row that names it is older than its removal, or wrong.
    #[error("there is no blob {key}")]
    Missing {
        /// Its key.
        key: BlobKey,
    },
    /// Neither the staged file nor the blob is there: the upload has to be made again.
    #[error("the staged file {} is gone and its blob is not there", path.display())]
    StagedMissing {
        /// The file.
        path: PathBuf,
    },
    /// No space left: make room, then do the same again.
    #[error("no space is left for {}", path.display())]
    Full {
        /// What was written.
        path: PathBuf,
    },
    /// The store does not answer: do the same again later.
    #[error("the store of audio cannot be reached")]
    Unreachable {
        /// What was said on the way.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store answers but does not let us: look at bucket, key and rights.
    #[error("the store of audio refuses: look at bucket, keys and rights")]
    Refused {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was written is not what was said to be: nothing was sealed.
    #[error("{what} is not what it should be: its size or sha256 differs")]
    Damaged {
        /// The file or key.
        what: String,
    },
    /// The key holds another blob: take a new key.
    #[error("blob {key} exists with {bytes} bytes")]
    Taken {
        /// The key.
        key: BlobKey,
        /// Size of what is there.
        bytes: u64,
    },
    /// Somebody else seals the same key at this moment: do the same again later.
    #[error("blob {key} is being sealed")]
    Busy {
        /// The key.
        key: BlobKey,
    },
    /// No byte of the blob is in the range.
    #[error("blob {key} has {bytes_total} bytes: the range is outside of it")]
    OutOfRange {
        /// The key.
        key: BlobKey,
        /// Size of the whole blob.
        bytes_total: u64,
    },
    /// A text that is no key.
    #[error("{text:?} is no key of a blob")]
    BadKey {
        /// The beginning of the text.
        text: String,
    },
    /// Settings no store can be opened with: correct them.
    #[error("the settings of the store of audio cannot be used")]
    Settings {
        /// What is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The disk refused: look at permissions and hardware.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl BlobError {
    /// Tells the disk's errors apart.
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            // ENOSPC, EDQUOT and EFBIG: with more room the same write succeeds.
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { path }
            }
            _ => Self::Io { path, source },
        }
    }

    /// Tells the store's errors apart; `key` is what was asked for.
    pub(super) fn remote(key: &BlobKey, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing { key: key.clone() },
            other => Self::store(other),
        }
    }

    /// Tells the store's errors apart where no blob was asked for: what is not found then is the bucket.
    pub(super) fn store(error: object_store::Error) -> Self {
        use object_store::Error as Store;
        match &error {
            Store::NotFound { .. }
            | Store::PermissionDenied { .. }
            | Store::Unauthenticated { .. }
            | Store::UnknownConfigurationKey { .. }
            | Store::NotSupported { .. }
            | Store::NotImplemented { .. }
            | Store::InvalidPath { .. } => Self::Refused { source: error.into() },
            other if is_refusal(other) => Self::Refused { source: error.into() },
            // The rest is what passes: no connection, a timeout, a server that is starting or overloaded.
            _ => Self::Unreachable { source: error.into() },
        }
    }

    /// A task that ended without an answer: the server is stopping, or the task has panicked.
    pub(super) fn stopped(error: tokio::task::JoinError) -> Self {
        Self::Unreachable { source: error.into() }
    }
}

/// Tells whether the store answered that the request itself is wrong: asking again does not help.
///
/// The object store names a type for this only where one object was asked for; for a listing there is but the text,
/// and a test against a server notices if it changes.
fn is_refusal(error: &object_store::Error) -> bool {
    const MARK: &str = "non-2xx status code: ";
    let mut cause = error.source();
    while let Some(found) = cause {
        let text = found.to_string();
        if let Some(status) = text.split_once(MARK).and_then(|(_, rest)| rest.get(..3)) {
            // Request Timeout and Too Many Requests pass.
            return status.starts_with('4') && !matches!(status, "408" | "429");
        }
        cause = found.source();
    }
    false
}
