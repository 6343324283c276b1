//! Audio of users: sealed once under a key, read in pieces, on the local folder or in an S3-compatible store.
//!
//! A blob is never changed: it is sealed whole, or not there. Sealing again what is sealed succeeds, so whoever was
//! interrupted does the same once more. Uploads that broke off in an S3 store are ended here when the error is seen;
//! after a power cut their parts stay until the bucket's own rule for incomplete uploads removes them.
//!
//! ```text
//! staged file ─seal─► blob ─read─► pieces of at most 8 MiB
//!                       └──fetch─► a path: its own, or that of a copy
//! ```

mod error;
mod key;
mod local;
mod remote;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests write and damage files, as the world does")]
mod tests;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;

pub use error::BlobError;
pub use key::BlobKey;
pub use remote::S3Settings;

use local::Local;
use remote::Remote;

/// Bytes a reader gets at a time, at most.
const PIECE_BYTES: u64 = 8 << 20;

/// sha256 of a blob.
pub type Sha256Bytes = [u8; 32];

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub enum Settings {
    /// In this folder, which is made if need be.
    Local {
        /// The folder; nothing else should be in it.
        folder: PathBuf,
    },
    /// In an S3-compatible store.
    S3(S3Settings),
}

/// A blob that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Its size.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Sha256Bytes,
}

/// A blob on its way to a reader.
pub struct Reading {
    /// Its bytes in order, in pieces of at most 8 MiB; ends after the first error.
    pub pieces: BoxStream<'static, Result<Bytes, BlobError>>,
    /// Which bytes come.
    pub range: Range<u64>,
    /// Size of the whole blob.
    pub bytes_total: u64,
}

/// A blob as a file.
#[derive(Debug)]
pub enum Fetched {
    /// The blob itself: must not be changed.
    Path(PathBuf),
    /// A copy, deleted when this is dropped.
    Copied(TempPath),
}

impl Fetched {
    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Copied(path) => path,
        }
    }
}

/// A blob found by [`Blobs::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: BlobKey,
    /// Its size.
    pub bytes: u64,
    /// When it was sealed, milliseconds since 1970: a sweep passes over what is too young to have its row.
    pub sealed_unix_ms: i64,
}

/// The store of users' audio; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<Place>);

#[derive(Debug)]
enum Place {
    Local(Local),
    Remote(Remote),
}

impl Blobs {
    /// Opens the store. An S3 store is not asked yet: [`Blobs::probe`] does.
    ///
    /// Errors: [`BlobError::Settings`], or the folder cannot be made.
    pub async fn open(settings: Settings) -> Result<Self, BlobError> {
        let place = match settings {
            Settings::Local { folder } => Place::Local(Local::open(folder).await?),
            Settings::S3(settings) => Place::Remote(Remote::open(settings).await?),
        };
        Ok(Self(Arc::new(place)))
    }

    /// Moves a finished file into the store; the file is gone only when the blob is durable.
    ///
    /// `known` is the hash whoever wrote the file has computed. On the same disk the file is then not read again;
    /// everywhere else it is read once, hashed and compared. A blob that is already there in the same size is what an
    /// interrupted run has left: that is a success.
    ///
    /// Errors: [`BlobError::Damaged`] if the hash differs, [`BlobError::Taken`] if the key holds another blob,
    /// [`BlobError::StagedMissing`], [`BlobError::Full`], [`BlobError::Unreachable`]; the file is then still there.
    pub async fn seal(
        &self,
        staged: &Path,
        key: &BlobKey,
        known: Option<Sha256Bytes>,
    ) -> Result<Sealed, BlobError> {
        // A task of its own: a caller that goes away does not leave half an upload behind.
        let (place, staged, key) = (Arc::clone(&self.0), staged.to_owned(), key.clone());
        let sealing = tokio::spawn(async move {
            match &*place {
                Place::Local(local) => local.seal(staged, key, known).await,
                Place::Remote(remote) => remote.seal(&staged, &key, known).await,
            }
        });
        sealing.await.map_err(BlobError::stopped)?
    }

    /// Reads a blob, or the bytes of `range`; a range that reaches past the end is shortened.
    ///
    /// Errors: [`BlobError::Missing`]; [`BlobError::OutOfRange`] if the range is empty or begins past the end. Errors
    /// met on the way are in the stream.
    pub async fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<Reading, BlobError> {
        let bytes_total = self.size(key).await?;
        let range = match range {
            None => 0..bytes_total,
            Some(range) => range.start..range.end.min(bytes_total),
        };
        if range.is_empty() && bytes_total > 0 || range.end < range.start {
            return Err(BlobError::OutOfRange { key: key.clone(), bytes_total });
        }
        let pieces = match &*self.0 {
            Place::Local(local) => local.read(key, range.clone()).await?,
            Place::Remote(remote) => remote.read(key, range.clone()),
        };
        Ok(Reading { pieces, range, bytes_total })
    }

    /// Makes a blob readable as a file: the local store's own, or a copy in the folder `into`.
    ///
    /// Errors: [`BlobError::Missing`], [`BlobError::Full`], [`BlobError::Unreachable`]; no copy is left behind.
    pub async fn fetch(&self, key: &BlobKey, into: &Path) -> Result<Fetched, BlobError> {
        if let Place::Local(local) = &*self.0 {
            local.size(key).await?;
            return Ok(Fetched::Path(local.path(key)));
        }
        let io = |error| BlobError::io(into, error);
        let (file, path) = tempfile::NamedTempFile::new_in(into).map_err(io)?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let mut reading = self.read(key, None).await?;
        let mut bytes = 0;
        while let Some(piece) = reading.pieces.next().await {
            let piece = piece?;
            file.write_all(&piece).await.map_err(io)?;
            bytes += piece.len() as u64;
        }
        file.flush().await.map_err(io)?;
        if bytes != reading.bytes_total {
            return Err(BlobError::Damaged { what: key.to_string() });
        }
        Ok(Fetched::Copied(path))
    }

    /// Removes a blob; one that is not there is removed already.
    ///
    /// Errors: [`BlobError::Unreachable`], [`BlobError::Io`]; it may then still be there.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match &*self.0 {
            Place::Local(local) => local.delete(key).await,
            Place::Remote(remote) => remote.delete(key).await,
        }
    }

    /// Returns the size of a blob in bytes.
    ///
    /// Errors: [`BlobError::Missing`], [`BlobError::Unreachable`], [`BlobError::Io`].
    pub async fn size(&self, key: &BlobKey) -> Result<u64, BlobError> {
        match &*self.0 {
            Place::Local(local) => local.size(key).await,
            Place::Remote(remote) => remote.size(key).await,
        }
    }

    /// Lists all blobs, in no order and without holding them all; what is no blob of ours is passed over.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, BlobError>> {
        match &*self.0 {
            Place::Local(local) => local.list(),
            Place::Remote(remote) => remote.list(),
        }
    }

    /// Returns how many bytes may still be written; `None` for an S3 store, which does not tell.
    ///
    /// Errors: [`BlobError::Io`].
    pub fn free_bytes(&self) -> Result<Option<u64>, BlobError> {
        match &*self.0 {
            Place::Local(local) => local.free_bytes().map(Some),
            Place::Remote(_) => Ok(None),
        }
    }

    /// Asks the store whether it answers, and lets us in.
    ///
    /// Errors: [`BlobError::Unreachable`], [`BlobError::Refused`], [`BlobError::Io`].
    pub async fn probe(&self) -> Result<(), BlobError> {
        match &*self.0 {
            Place::Local(local) => local.free_bytes().map(drop),
            Place::Remote(remote) => remote.probe().await,
        }
    }
}
