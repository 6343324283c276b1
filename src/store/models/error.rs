//! What can go wrong with weight files, and what to do then.

use std::path::PathBuf;

use crate::speech::model::ModelError;
use crate::store::StoreError;

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelStoreError {
    /// Neither the manifest nor `local.toml` has the name, and no file is called so: choose another.
    #[error("no model is called {name:?}; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// A known model whose file is not here: fetch or import it.
    #[error("model {id:?} is not here: {} is missing; {remedy}", path.display())]
    Missing {
        /// The model.
        id: String,
        /// The file looked for.
        path: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// A file that is not what it should be: delete it, then fetch or import it again.
    #[error("{} is damaged: its sha256 is {found}, not {expected}; delete it and fetch or import it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its sha256.
        found: String,
        /// The sha256 it should have.
        expected: String,
    },
    /// A file nobody has checked: import it first.
    #[error(
        "{} was never checked (sha256 {sha256}); do so first: gijiroku model import {}",
        path.display(), path.display()
    )]
    NotImported {
        /// The file.
        path: PathBuf,
        /// Its sha256.
        sha256: String,
    },
    /// A model for another purpose.
    #[error("model {id:?} does not recognise speech but finds it, or the other way round")]
    OtherKind {
        /// The model.
        id: String,
    },
    /// A name that a model must not have, or that is taken: choose another.
    #[error("{id:?} cannot be a model's name: {reason}")]
    BadName {
        /// The name.
        id: String,
        /// Why not, in words.
        reason: &'static str,
    },
    /// A file that cannot be what it claims to be.
    #[error("{} has {bytes} bytes, at most {bytes_max} are allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Weights that were read and refused.
    #[error("{} cannot be used", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// The list of dropped-in models cannot be read: mend or delete it, then import them again.
    #[error("{}: {reason}", path.display())]
    LocalList {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk refused, or another import is running.
    #[error(transparent)]
    Store(#[from] StoreError),
}
