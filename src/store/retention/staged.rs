//! Files of unfinished uploads that no row knows.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::clock::UnixMs;
use crate::store::StoreError;

/// Files of unfinished uploads that nobody wrote to for long.
pub struct Staged<'a> {
    /// Where they are.
    pub folder: &'a Path,
    /// Since when nobody wrote to them.
    pub before: UnixMs,
    /// Most that are told.
    pub limit: usize,
}

impl Staged<'_> {
    /// Returns their names.
    ///
    /// Errors: the folder cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        let io = |error| StoreError::io(self.folder, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(self.folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let about = entry.metadata().map_err(io)?;
            let written = about.modified().map_err(io)?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let is_old = i64::try_from(written.as_millis()).is_ok_and(|ms| ms < self.before.ms());
            if let Ok(name) = entry.file_name().into_string()
                && about.is_file()
                && is_old
                && names.len() < self.limit
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Removes one of them.
    ///
    /// Errors: the disk refused.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub fn remove(folder: &Path, name: &str) -> Result<(), StoreError> {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(|error| StoreError::io(&path, error))
    }
}
