//! The key of this installation: made on first need, kept in the data folder, readable by its owner only.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::seats::licence::keys::SigningKey;

/// Largest file believed.
const FILE_BYTES_MAX: u64 = 1_024;

/// Returns where the key of a data folder is.
pub fn key_in(data: &Path) -> PathBuf {
    data.join("instance.key")
}

/// Returns the key of a data folder, if it was made.
///
/// Errors: [`StoreError::Io`]; [`StoreError::Damaged`] if the file holds no key: it is never made anew over it.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub fn key(data: &Path) -> Result<Option<SigningKey>, StoreError> {
    let path = key_in(data);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&path, error)),
    };
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| StoreError::io(&path, error))?;
    let damaged = |_| StoreError::Damaged { what: path.display().to_string() };
    SigningKey::parse(&text).map(Some).map_err(damaged)
}

/// Returns the key of a data folder, made from `seed` if there is none; of two that make it at once one wins.
///
/// Errors: as [`key`].
pub fn key_or_new(data: &Path, seed: &[u8; 32]) -> Result<SigningKey, StoreError> {
    if let Some(key) = key(data)? {
        return Ok(key);
    }
    let made = SigningKey::from_seed(seed);
    match write_new(&key_in(data), &made.file_text()) {
        Ok(()) => {
            hand_over(data);
            Ok(made)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            key(data)?.ok_or_else(|| StoreError::io(&key_in(data), error))
        }
        Err(error) => Err(StoreError::io(&key_in(data), error)),
    }
}

/// Gives a key that the system's administrator made to the account that owns the data folder, as the server runs under
/// it; any other account owns the folder already, or may not give anything away.
fn hand_over(data: &Path) {
    if let Ok(about) = data.metadata() {
        std::os::unix::fs::chown(key_in(data), Some(about.uid()), Some(about.gid())).ok();
    }
}

/// Writes a file that only its owner may read; it is there whole or not at all, and never instead of another.
///
/// Errors: `AlreadyExists` if there is one; what the disk says.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(owner_only()).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn owner_only() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        assert!(key(folder.path()).expect("the folder can be read").is_none());
        let first = key_or_new(folder.path(), &[1; 32]).expect("the folder can be written");
        let again = key_or_new(folder.path(), &[2; 32]).expect("the folder can be read");
        assert_eq!(first.public(), again.public());
        let about = key_in(folder.path()).metadata().expect("the key is there");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_told_and_never_replaced() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        write_new(&key_in(folder.path()), "gijiroku-private-key:AAAA").expect("the folder can be written");
        assert!(matches!(key_or_new(folder.path(), &[1; 32]), Err(StoreError::Damaged { .. })));
    }
}
