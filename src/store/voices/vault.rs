//! The keys of voiceprints: one file each in the data folder, never in the database and never in a backup.
//!
//! Whoever destroys a key makes every copy of the voiceprint unreadable, those in old backups too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::store::{Id, StoreError};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Random bytes before what is encrypted.
const NONCE_BYTES: usize = 24;
/// What follows a voice's name in the name of its key's file.
const ENDING: &str = ".key";

/// The folder of keys.
#[derive(Debug)]
pub(in crate::store) struct Vault {
    folder: PathBuf,
}

/// The key of one voiceprint.
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// Encrypts a voiceprint; `bound` must be the same when it is opened.
    ///
    /// Shape: 24 random bytes, then XChaCha20-Poly1305 with 16 bytes more than the text.
    pub(super) fn seal(&self, text: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), Payload { msg: text, aad: bound }).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts a voiceprint; `None` if the key is another one, or a bit of it or of `bound` was changed.
    pub(super) fn open(&self, sealed: &[u8], bound: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: bound };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.0).into())
    }
}

impl Vault {
    /// Opens the folder, made if it is not there; only this account may look into it.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| StoreError::io(folder, error))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Makes the key of a voice; it is on the disk before this returns.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub(super) fn make(&self, voice: Id) -> Result<Key, StoreError> {
        let path = self.path(voice);
        let io = |error| StoreError::io(&path, error);
        let key = Key(Zeroizing::new(rand::random()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        file.write_all(&*key.0).and_then(|()| file.sync_all()).map_err(io)?;
        self.sync()?;
        Ok(key)
    }

    /// Returns the key of a voice; `None` if it was destroyed, or stayed behind when a backup was restored.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub(super) fn key(&self, voice: Id) -> Result<Option<Key>, StoreError> {
        let path = self.path(voice);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        let mut key = Key(Zeroizing::new([0; KEY_BYTES]));
        match file.read_exact(&mut *key.0) {
            Ok(()) => Ok(Some(key)),
            // A power cut while it was destroyed.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// Destroys the key of a voice: overwritten, then removed, and on the disk so before this returns. Once more is
    /// harmless.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub(super) fn destroy(&self, voice: Id) -> Result<(), StoreError> {
        let path = self.path(voice);
        let io = |error| StoreError::io(&path, error);
        let mut file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io(error)),
        };
        file.rewind()
            .and_then(|()| file.write_all(&[0; KEY_BYTES]))
            .and_then(|()| file.sync_all())
            .map_err(io)?;
        fs::remove_file(&path).map_err(io)?;
        self.sync()
    }

    fn path(&self, voice: Id) -> PathBuf {
        self.folder.join(format!("{voice}{ENDING}"))
    }

    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| StoreError::io(&self.folder, error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let vault = Vault::open(&folder.path().join("voices")).expect("the folder can be made");
        (folder, vault)
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_and_for_what_it_is_bound_to_only() {
        let (_folder, vault) = vault();
        let (voice, other) = (Id::new(), Id::new());
        let sealed =
            vault.make(voice).expect("a key can be made").seal(b"voice", b"of A").expect("it is short");
        assert!(!sealed.windows(5).any(|part| part == b"voice"));
        let key = vault.key(voice).expect("the folder can be read").expect("the key is there");
        assert_eq!(key.open(&sealed, b"of A").as_deref().map(Vec::as_slice), Some(b"voice".as_slice()));
        assert!(key.open(&sealed, b"of B").is_none());
        assert!(vault.make(other).expect("a key can be made").open(&sealed, b"of A").is_none());
        let mut changed = sealed;
        changed[30] ^= 1;
        assert!(key.open(&changed, b"of A").is_none());
    }

    #[test]
    fn a_destroyed_key_is_gone_and_only_the_owner_could_ever_read_it() {
        let (_folder, vault) = vault();
        let voice = Id::new();
        vault.make(voice).expect("a key can be made");
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&vault.folder), mode(&vault.path(voice))), (0o700, 0o600));
        vault.destroy(voice).expect("the folder can be written");
        vault.destroy(voice).expect("once more is harmless");
        assert!(vault.key(voice).expect("the folder can be read").is_none());
    }
}
