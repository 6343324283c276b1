//! How weight files are read, hashed and put in place; the only functions of the model store that touch a disk.

use std::fs::{self, File, TryLockError};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::StoreError;
use super::ModelStoreError;

/// How the names of unfinished files begin; a leftover of a killed import is removed by the next one.
const TEMP_PREFIX: &str = ".import-";

/// Bytes hashed at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A file's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// Lower-case hexadecimal.
    pub(super) sha256: String,
    /// Size of the file.
    pub(super) bytes: u64,
}

impl Fingerprint {
    /// Computes it for bytes in memory.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { sha256: hex(&Sha256::digest(bytes)), bytes: bytes.len() as u64 }
    }

    /// Computes it for a file; `None` if there is none.
    #[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
    pub(super) fn of_file(path: &Path) -> Result<Option<Self>, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(path, error)),
        };
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut bytes = 0;
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(Some(Self { sha256: hex(&digest.finalize()), bytes })),
                Ok(read) => {
                    digest.update(&chunk[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::io(path, error)),
            }
        }
    }
}

/// Reads the first bytes of a file, fewer if it is shorter.
#[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
pub(super) fn read_head(path: &Path, bytes: u64) -> Result<Vec<u8>, StoreError> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes).read_to_end(&mut head));
    read.map(|_| head).map_err(|error| StoreError::io(path, error))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a whole file; `None` if there is none.
///
/// Errors: [`ModelStoreError::TooLarge`] above `bytes_max`, before anything is read.
#[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, ModelStoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path, error).into()),
    };
    let bytes = file.metadata().map_err(|error| StoreError::io(path, error))?.len();
    if bytes > bytes_max {
        return Err(ModelStoreError::TooLarge { path: path.to_owned(), bytes, bytes_max });
    }
    let mut content = Vec::with_capacity(bytes as usize);
    // A file that grows meanwhile is read to the limit only; its hash or its end will be wrong.
    let read = (&mut file).take(bytes_max).read_to_end(&mut content);
    read.map_err(|error| StoreError::io(path, error))?;
    Ok(Some(content))
}

/// Tells whether a file is there.
#[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
pub(super) fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}

/// Finds the one absolute path of a file.
#[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
pub(super) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    fs::canonicalize(path).map_err(|error| StoreError::io(path, error))
}

/// The right to change the folder of weights; ends when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, locks it and removes what a killed import has left.
    ///
    /// Errors: [`StoreError::Busy`] if another import is running.
    #[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
    pub(super) fn lock(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(".lock");
        fs::create_dir_all(dir).map_err(|error| StoreError::io(dir, error))?;
        let lock = File::create(&path).map_err(|error| StoreError::io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { path: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, error)),
        }
        let folder = Self { dir: dir.to_owned(), _lock: lock };
        folder.sweep().map_err(|error| StoreError::io(dir, error))?;
        Ok(folder)
    }

    #[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
    fn sweep(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes a file under another name, has it checked as it lies on the disk, and only then gives it its name.
    ///
    /// Errors: those of `write` and `check`, and [`StoreError::Io`]; nothing is left behind after any of them, and a
    /// file that was there before is unchanged.
    pub(super) fn install(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ModelStoreError>,
        check: impl FnOnce(&[u8]) -> Result<(), ModelStoreError>,
    ) -> Result<PathBuf, ModelStoreError> {
        let target = self.dir.join(name);
        let io = |error| ModelStoreError::from(StoreError::io(&target, error));
        // Readable by the account the server runs under, whoever imports; the umask may take more away.
        let everyone_reads = fs::Permissions::from_mode(0o644);
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX).permissions(everyone_reads);
        let temp = builder.tempfile_in(&self.dir).map_err(io)?;
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, temp.as_file());
        write(&mut out)?;
        out.flush().map_err(io)?;
        drop(out);
        temp.as_file().sync_all().map_err(io)?;
        check(&read(temp.path(), u64::MAX)?.unwrap_or_default())?;
        temp.persist(&target).map_err(|error| io(error.error))?;
        self.sync().map_err(io)?;
        Ok(target)
    }

    /// Makes names durable: a renamed file survives a power cut only after this.
    #[expect(clippy::disallowed_methods, reason = "weights are files of the store")]
    fn sync(&self) -> std::io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}
