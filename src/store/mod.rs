//! What is remembered.
//!
//! - **In**: finished work of the core rooms.
//! - **Out**: the same, after a crash, a power cut or another day; weights whose sha256 was checked.
//! - **Never**: decides what a result means, or says something is kept before it is on the disk.

pub mod blobs;
pub mod models;
pub mod windows;

use std::path::{Path, PathBuf};

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process works on the same thing: wait for it, or end it.
    #[error("{} is in use by another process", path.display())]
    Busy {
        /// The file both want.
        path: PathBuf,
    },
    /// The disk refused: look at free space and permissions.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file it was about.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl StoreError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
