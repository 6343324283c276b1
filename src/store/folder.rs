//! The data folder: one server at a time works in it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

/// The folder that holds everything a server keeps, locked for as long as this value lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, makes what is missing, and locks it.
    ///
    /// Errors: [`StoreError::Busy`] if another server works in it; [`StoreError::Io`] if the disk refuses.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let make = |folder: &Path| fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, error));
        make(path)?;
        let lock_path = path.join("lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let lock = open.map_err(|error| StoreError::io(&lock_path, error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Busy { path: lock_path }),
            Err(error) => return Err(StoreError::io(&lock_path, error.into())),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        make(&folder.uploads())?;
        make(&folder.audio())?;
        Ok(folder)
    }

    /// Returns where the SQLite database is.
    pub fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// Returns where unfinished uploads grow.
    pub fn uploads(&self) -> PathBuf {
        uploads_in(&self.path)
    }

    /// Returns where audio is kept, unless it is kept in an object store.
    pub fn audio(&self) -> PathBuf {
        audio_in(&self.path)
    }

    /// Returns where live meetings are recorded.
    pub fn live(&self) -> PathBuf {
        self.path.join("live")
    }

    /// Returns where the keys of voices are; no backup takes them.
    pub fn voices(&self) -> PathBuf {
        self.path.join("voices")
    }

    /// Returns the folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns where the SQLite database of a data folder is.
pub fn database_in(data: &Path) -> PathBuf {
    data.join("gijiroku.sqlite")
}

/// Returns where unfinished uploads of a data folder grow.
pub fn uploads_in(data: &Path) -> PathBuf {
    data.join("uploads")
}

/// Returns where a data folder keeps audio.
pub fn audio_in(data: &Path) -> PathBuf {
    data.join("audio")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let first = DataFolder::open(folder.path()).expect("the first one may work");
        assert!(matches!(DataFolder::open(folder.path()), Err(StoreError::Busy { .. })));
        drop(first);
        assert!(DataFolder::open(folder.path()).is_ok());
    }
}
