//! Blobs as files of one folder.
//!
//! A blob appears by one rename, after its bytes are on the disk; the folder is synced before anybody is told.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::task::spawn_blocking;
use tokio_util::io::ReaderStream;

use super::{BlobError, BlobKey, Listed, Sealed, Sha256Bytes};

/// Bytes hashed or copied at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes a reader gets at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Folders are for this account alone: secret meetings are among the recordings.
const FOLDER_MODE: u32 = 0o700;
/// So are files.
const FILE_MODE: u32 = 0o600;
/// How the name of an unfinished copy begins; no part of a key begins so.
const COPY_PREFIX: &str = ".copy-";

/// The folder of blobs.
#[derive(Debug, Clone)]
pub(super) struct Local {
    folder: PathBuf,
}

impl Local {
    pub(super) async fn open(folder: PathBuf) -> Result<Self, BlobError> {
        on_disk(move || {
            make_folder(&folder).map_err(|error| BlobError::io(&folder, error))?;
            Ok(Self { folder })
        })
        .await
    }

    pub(super) fn path(&self, key: &BlobKey) -> PathBuf {
        self.folder.join(key.as_str())
    }

    pub(super) async fn seal(
        &self,
        staged: PathBuf,
        key: BlobKey,
        known: Option<Sha256Bytes>,
    ) -> Result<Sealed, BlobError> {
        let target = self.path(&key);
        on_disk(move || Sealing { staged, target, key, known }.run()).await
    }

    pub(super) async fn read(
        &self,
        key: &BlobKey,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, BlobError>>, BlobError> {
        let path = self.path(key);
        let missing = |error: io::Error| missing_or_io(key, &path, error);
        let mut file = tokio::fs::File::open(&path).await.map_err(missing)?;
        file.seek(io::SeekFrom::Start(range.start)).await.map_err(missing)?;
        let bytes = file.take(range.end - range.start);
        let pieces = ReaderStream::with_capacity(bytes, PIECE_BYTES);
        Ok(pieces.map_err(move |error| BlobError::io(&path, error)).boxed())
    }

    pub(super) async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        let path = self.path(key);
        on_disk(move || {
            let io = |error| BlobError::io(&path, error);
            match remove(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                other => other.map_err(io)?,
            }
            sync_folder_of(&path).map_err(io)
        })
        .await
    }

    pub(super) async fn size(&self, key: &BlobKey) -> Result<u64, BlobError> {
        let (path, key) = (self.path(key), key.clone());
        on_disk(move || match file_bytes(&path) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(BlobError::Missing { key }),
            Err(error) => Err(BlobError::io(&path, error)),
        })
        .await
    }

    /// Reads one folder at a time; as deep as a key is long, and no link is followed.
    pub(super) fn list(&self) -> BoxStream<'static, Result<Listed, BlobError>> {
        let root = self.folder.clone();
        let folders = stream::try_unfold(vec![root.clone()], move |mut waiting| {
            let root = root.clone();
            async move {
                let Some(folder) = waiting.pop() else { return Ok(None) };
                let found = on_disk(move || entries(&root, &folder)).await?;
                waiting.extend(found.folders);
                Ok(Some((stream::iter(found.blobs.into_iter().map(Ok)), waiting)))
            }
        });
        folders.try_flatten().boxed()
    }

    pub(super) fn free_bytes(&self) -> Result<u64, BlobError> {
        let disk = statvfs(&self.folder).map_err(|errno| BlobError::io(&self.folder, errno.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    spawn_blocking(work).await.map_err(BlobError::stopped)?
}

/// One file on its way into the folder.
struct Sealing {
    staged: PathBuf,
    target: PathBuf,
    key: BlobKey,
    known: Option<Sha256Bytes>,
}

impl Sealing {
    fn run(self) -> Result<Sealed, BlobError> {
        let staged = match open(&self.staged) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return self.already_sealed(),
            Err(error) => return Err(BlobError::io(&self.staged, error)),
        };
        let bytes = staged.metadata().map_err(|error| BlobError::io(&self.staged, error))?.len();
        if let Some(found) = file_bytes(&self.target).map_err(|error| BlobError::io(&self.target, error))? {
            return self.repeated(staged, bytes, found);
        }
        let folder = self.target.parent().unwrap_or(Path::new("."));
        make_folder(folder).map_err(|error| BlobError::io(folder, error))?;
        self.move_in(staged, bytes)
    }

    /// The run before was interrupted after its rename.
    fn already_sealed(&self) -> Result<Sealed, BlobError> {
        let io = |error| BlobError::io(&self.target, error);
        let Some(bytes) = file_bytes(&self.target).map_err(io)? else {
            return Err(BlobError::StagedMissing { path: self.staged.clone() });
        };
        let mut target = open(&self.target).map_err(io)?;
        let sha256 = self.checked(hashed(&mut target, None).map_err(io)?)?;
        // It may have been interrupted before this.
        sync_folder_of(&self.target).map_err(io)?;
        Ok(Sealed { bytes, sha256 })
    }

    /// The run before was interrupted between copy and removal.
    fn repeated(&self, mut staged: File, bytes: u64, found: u64) -> Result<Sealed, BlobError> {
        if found != bytes {
            return Err(BlobError::Taken { key: self.key.clone(), bytes: found });
        }
        let read = hashed(&mut staged, None).map_err(|error| BlobError::io(&self.staged, error))?;
        let sha256 = self.checked(read)?;
        let mut target = open(&self.target).map_err(|error| BlobError::io(&self.target, error))?;
        let there = hashed(&mut target, None).map_err(|error| BlobError::io(&self.target, error))?;
        if there != sha256 {
            return Err(BlobError::Taken { key: self.key.clone(), bytes: found });
        }
        self.settle()?;
        self.remove_staged()?;
        Ok(Sealed { bytes, sha256 })
    }

    fn move_in(&self, mut staged: File, bytes: u64) -> Result<Sealed, BlobError> {
        let io = |error| BlobError::io(&self.staged, error);
        let known = match self.known {
            Some(known) => known,
            None => hashed(&mut staged, None).map_err(io)?,
        };
        staged.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(io)?;
        staged.sync_all().map_err(io)?;
        match rename_to_free(&self.staged, &self.target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::CrossesDevices => return self.copy_in(bytes, known),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(BlobError::Busy { key: self.key.clone() });
            }
            Err(error) => return Err(BlobError::io(&self.target, error)),
        }
        self.settle()?;
        sync_folder_of(&self.staged).map_err(io)?;
        Ok(Sealed { bytes, sha256: known })
    }

    /// The staged file lies on another disk.
    fn copy_in(&self, bytes: u64, known: Sha256Bytes) -> Result<Sealed, BlobError> {
        let name = format!("{COPY_PREFIX}{}", self.key.as_str().replace('/', "-"));
        let path = self.target.with_file_name(name);
        let io = |error| BlobError::io(&path, error);
        let mut copy = create(&path).map_err(io)?;
        match copy.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BlobError::Busy { key: self.key.clone() }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let copied = self.fill(&mut copy, &path, known);
        let moved = copied.and_then(|()| rename_to_free(&path, &self.target).map_err(io));
        if let Err(error) = moved {
            // What cannot be removed now is overwritten by the next attempt.
            let _ = remove(&path);
            return Err(error);
        }
        self.settle()?;
        self.remove_staged()?;
        Ok(Sealed { bytes, sha256: known })
    }

    fn fill(&self, copy: &mut File, path: &Path, known: Sha256Bytes) -> Result<(), BlobError> {
        let io = |error| BlobError::io(path, error);
        copy.set_len(0).map_err(io)?;
        let mut staged = open(&self.staged).map_err(|error| BlobError::io(&self.staged, error))?;
        let sha256 = hashed(&mut staged, Some(copy)).map_err(io)?;
        if sha256 != known {
            return Err(BlobError::Damaged { what: self.staged.display().to_string() });
        }
        copy.sync_all().map_err(io)
    }

    fn checked(&self, sha256: Sha256Bytes) -> Result<Sha256Bytes, BlobError> {
        match self.known {
            Some(known) if known != sha256 => {
                Err(BlobError::Damaged { what: self.staged.display().to_string() })
            }
            _ => Ok(sha256),
        }
    }

    /// Makes the blob's name durable.
    fn settle(&self) -> Result<(), BlobError> {
        sync_folder_of(&self.target).map_err(|error| BlobError::io(&self.target, error))
    }

    fn remove_staged(&self) -> Result<(), BlobError> {
        let removed = remove(&self.staged).and_then(|()| sync_folder_of(&self.staged));
        removed.map_err(|error| BlobError::io(&self.staged, error))
    }
}

/// Hashes what is left of a file, and copies it if asked to.
fn hashed(file: &mut File, mut copy: Option<&mut File>) -> io::Result<Sha256Bytes> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(read) => {
                digest.update(&chunk[..read]);
                if let Some(copy) = copy.as_mut() {
                    copy.write_all(&chunk[..read])?;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives a file its name, but never one that is taken.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems know no such rename: a second name is not given where there is one already.
        Err(Errno::INVAL | Errno::NOSYS) => link_and_remove(from, to),
        other => other.map_err(io::Error::from),
    }
}

#[expect(clippy::disallowed_methods, reason = "blobs are files of the store")]
fn link_and_remove(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[expect(clippy::disallowed_methods, reason = "blobs are files of the store")]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[expect(clippy::disallowed_methods, reason = "blobs are files of the store")]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)
}

#[expect(clippy::disallowed_methods, reason = "blobs are files of the store")]
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Returns the size of a file; `None` if there is none.
#[expect(clippy::disallowed_methods, reason = "blobs are files of the store")]
fn file_bytes(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found.len())),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "is no file")),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder and those above it, each durable.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Ok(()) => sync_folder_of(folder),
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A name survives a power cut only after this.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn missing_or_io(key: &BlobKey, path: &Path, error: io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::NotFound => BlobError::Missing { key: key.clone() },
        _ => BlobError::io(path, error),
    }
}

#[derive(Default)]
struct Entries {
    folders: Vec<PathBuf>,
    blobs: Vec<Listed>,
}

#[expect(clippy::disallowed_methods, reason = "blobs are files of the store")]
fn entries(root: &Path, folder: &Path) -> Result<Entries, BlobError> {
    let io = |error| BlobError::io(folder, error);
    let mut found = Entries::default();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        // What cannot be a key's beginning is not ours; a link is neither folder nor file here.
        let name = path.strip_prefix(root).ok().and_then(Path::to_str);
        let Some(key) = name.and_then(|name| name.parse::<BlobKey>().ok()) else { continue };
        let kind = entry.file_type().map_err(io)?;
        if kind.is_dir() {
            found.folders.push(path);
        } else if kind.is_file() {
            let Ok(metadata) = entry.metadata() else { continue };
            found.blobs.push(Listed {
                key,
                bytes: metadata.len(),
                sealed_unix_ms: changed_unix_ms(&metadata),
            });
        }
    }
    Ok(found)
}

/// Returns when the file got its name: a rename changes the inode, not the content.
fn changed_unix_ms(metadata: &fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.ctime().saturating_mul(1_000).saturating_add(metadata.ctime_nsec() / 1_000_000)
}
