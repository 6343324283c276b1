//! Where uploads grow: one file each, named by the upload's own name, held by one request at a time.
//!
//! The file may be longer than what was promised to the client, never shorter: bytes are on the disk before their
//! number is stored, and what lies behind the stored number is cut off before more is written.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::statvfs;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{Id, StoreError};

/// Folders are for this account alone: secret meetings are among the uploads.
const FOLDER_MODE: u32 = 0o700;
/// So are files.
const FILE_MODE: u32 = 0o600;

/// The folder where uploads grow; clones share it.
#[derive(Debug, Clone)]
pub struct Staging {
    folder: PathBuf,
    desks: Desks,
}

type Desks = Arc<Mutex<HashMap<Id, Arc<Desk>>>>;

/// Where the requests of one upload meet.
#[derive(Debug, Default)]
struct Desk {
    seat: Arc<tokio::sync::Mutex<()>>,
    /// Tells whoever is seated that somebody else wants to go on.
    wish: Mutex<CancellationToken>,
}

/// The right to write one upload, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    id: Id,
    /// Keeps the desk in the list.
    _desk: Arc<Desk>,
    wish: CancellationToken,
    _seat: OwnedMutexGuard<()>,
}

impl Hold {
    /// Returns whose right it is.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Ends when somebody else wants to go on with the upload.
    pub async fn wanted(&self) {
        self.wish.cancelled().await;
    }
}

impl Staging {
    /// Opens the folder, and makes it if need be.
    ///
    /// Errors: [`StoreError::Io`] if the disk refuses.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let folder = fs::canonicalize(folder).map_err(|error| StoreError::io(folder, error))?;
        Ok(Self { folder, desks: Desks::default() })
    }

    /// Returns the folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how many bytes the disk still takes.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        free_bytes(&self.folder)
    }

    /// Returns where an upload grows. The name is ours: what the file was called at home never becomes a path.
    pub fn path(&self, id: Id) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Takes the right to write an upload; nothing if somebody else has it.
    pub fn hold(&self, id: Id) -> Option<Hold> {
        let desk = self.desk(id);
        let seat = Arc::clone(&desk.seat).try_lock_owned().ok()?;
        Some(seated(id, desk, seat))
    }

    /// Takes the right to write an upload over from whoever has it; nothing if they do not let go in time.
    ///
    /// A connection that broke without a word can be noticed in no other way: its client comes again and asks.
    pub async fn take_over(&self, id: Id, patience: Duration) -> Option<Hold> {
        let desk = self.desk(id);
        if let Ok(seat) = Arc::clone(&desk.seat).try_lock_owned() {
            return Some(seated(id, desk, seat));
        }
        desk.wish.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        let seat = tokio::time::timeout(patience, Arc::clone(&desk.seat).lock_owned()).await.ok()?;
        Some(seated(id, desk, seat))
    }

    fn desk(&self, id: Id) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        desks.retain(|_, desk| Arc::strong_count(desk) > 1);
        Arc::clone(desks.entry(id).or_default())
    }

    /// Returns how many bytes of an upload are in its file; none if there is no file.
    ///
    /// Errors: [`StoreError::Io`].
    pub async fn bytes(&self, id: Id) -> Result<u64, StoreError> {
        let path = self.path(id);
        on_disk(move || {
            #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
            match fs::symlink_metadata(&path) {
                Ok(found) => Ok(found.len()),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
                Err(error) => Err(StoreError::io(&path, error)),
            }
        })
        .await
    }

    /// Opens an upload's file to go on at `offset`; what lies behind it is cut off.
    ///
    /// Errors: [`StoreError::Damaged`] if the file is shorter; [`StoreError::Io`], [`StoreError::Full`].
    pub async fn append(&self, hold: &Hold, offset: u64) -> Result<Part, StoreError> {
        let path = self.path(hold.id);
        on_disk(move || {
            let io = |error| StoreError::io(&path, error);
            let (file, bytes) = open(&path).map_err(io)?;
            if bytes < offset {
                let what = format!("{} has {bytes} bytes, not {offset}", path.display());
                return Err(StoreError::Damaged { what });
            }
            if bytes > offset {
                file.set_len(offset).map_err(io)?;
            }
            Ok(Part { file: Arc::new(file), path, bytes: offset, durable: offset })
        })
        .await
    }

    /// Removes an upload's file; one that is not there is removed already.
    ///
    /// Errors: [`StoreError::Io`].
    pub async fn remove(&self, hold: &Hold) -> Result<(), StoreError> {
        let path = self.path(hold.id);
        on_disk(move || remove(&path)).await
    }

    /// Lists the uploads that have a file; what is named otherwise is not ours.
    ///
    /// Errors: [`StoreError::Io`].
    pub async fn list(&self) -> Result<Vec<Id>, StoreError> {
        let folder = self.folder.clone();
        on_disk(move || {
            let io = |error| StoreError::io(&folder, error);
            #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
            let entries = fs::read_dir(&folder).map_err(io)?;
            let mut found = Vec::new();
            for entry in entries {
                let name = entry.map_err(io)?.file_name();
                found.extend(name.to_str().and_then(|name| name.parse::<Id>().ok()));
            }
            Ok(found)
        })
        .await
    }
}

fn seated(id: Id, desk: Arc<Desk>, seat: OwnedMutexGuard<()>) -> Hold {
    let wish = CancellationToken::new();
    *desk.wish.lock().unwrap_or_else(PoisonError::into_inner) = wish.clone();
    Hold { id, _desk: desk, wish, _seat: seat }
}

/// A file that grows.
///
/// Bounds: holds nothing in memory but what one [`Part::write`] brings.
#[derive(Debug)]
pub struct Part {
    file: Arc<File>,
    path: PathBuf,
    bytes: u64,
    durable: u64,
}

impl Part {
    /// Returns how many bytes are in the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many of them survive a power cut.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Writes at the end, and hands the buffer back empty.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`]; what was written before is still there.
    pub async fn write(&mut self, mut bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let (file, path, at) = (Arc::clone(&self.file), self.path.clone(), self.bytes);
        let (bytes, written) = on_disk(move || {
            file.write_all_at(&bytes, at).map_err(|error| StoreError::io(&path, error))?;
            let written = bytes.len() as u64;
            bytes.clear();
            Ok((bytes, written))
        })
        .await?;
        self.bytes += written;
        Ok(bytes)
    }

    /// Brings everything written onto the disk.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`]; what was durable before still is.
    pub async fn sync(&mut self) -> Result<(), StoreError> {
        if self.durable == self.bytes {
            return Ok(());
        }
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        on_disk(move || file.sync_data().map_err(|error| StoreError::io(&path, error))).await?;
        self.durable = self.bytes;
        Ok(())
    }

    /// Cuts the file down to `bytes`.
    ///
    /// Errors: [`StoreError::Io`].
    pub async fn cut(&mut self, bytes: u64) -> Result<(), StoreError> {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        on_disk(move || file.set_len(bytes).map_err(|error| StoreError::io(&path, error))).await?;
        self.bytes = bytes;
        self.durable = self.durable.min(bytes);
        Ok(())
    }
}

/// Makes a folder for this account alone, if need be.
pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE);
    builder.create(folder).map_err(|error| StoreError::io(folder, error))
}

/// Returns how many bytes the disk under a folder still takes.
pub(super) fn free_bytes(folder: &Path) -> Result<u64, StoreError> {
    let disk = statvfs(folder).map_err(|errno| StoreError::io(folder, errno.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Lists the files of a folder.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let io = |error| StoreError::io(folder, error);
    fs::read_dir(folder).map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

/// Removes a file; one that is not there is removed already.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path).map_err(|error| StoreError::io(path, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

/// Opens a file to write; a new one has its name on the disk before it has its first byte.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub(super) fn open(path: &Path) -> std::io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.write(true).mode(FILE_MODE).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    match options.open(path) {
        Ok(file) => {
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let file = options.create_new(true).open(path)?;
            sync_folder_of(path)?;
            Ok((file, 0))
        }
        Err(error) => Err(error),
    }
}

/// A name survives a power cut only after this.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub(super) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Does work on the disk, off the threads that answer.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await;
    done.map_err(|_| StoreError::Damaged { what: "a write to the disk was broken off".to_owned() })?
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at files, as the world does")]
mod tests {
    use super::*;

    fn staging() -> (tempfile::TempDir, Staging) {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let staging = Staging::open(&folder.path().join("uploads")).expect("a folder can be made");
        (folder, staging)
    }

    #[tokio::test]
    async fn what_lies_behind_the_stored_number_is_cut_off() {
        let (_folder, staging) = staging();
        let hold = staging.hold(Id::new()).expect("nobody has it");
        let mut part = staging.append(&hold, 0).await.expect("a new file");
        part.write(b"0123456789".to_vec()).await.expect("there is room");
        part.sync().await.expect("there is room");
        let mut part = staging.append(&hold, 4).await.expect("a shorter beginning");
        part.write(b"ab".to_vec()).await.expect("there is room");
        assert_eq!(std::fs::read(staging.path(hold.id())).expect("it is there"), b"0123ab");
    }

    #[tokio::test]
    async fn a_file_shorter_than_promised_is_told_as_damage() {
        let (_folder, staging) = staging();
        let hold = staging.hold(Id::new()).expect("nobody has it");
        assert!(matches!(staging.append(&hold, 1).await, Err(StoreError::Damaged { .. })));
    }

    #[tokio::test]
    async fn one_request_at_a_time_holds_an_upload_and_lets_go_when_asked() {
        let (_folder, staging) = staging();
        let id = Id::new();
        let first = staging.hold(id).expect("nobody has it");
        assert!(staging.hold(id).is_none());
        assert!(staging.hold(Id::new()).is_some());
        let seated = tokio::spawn(async move {
            first.wanted().await;
            drop(first);
        });
        assert!(staging.take_over(id, Duration::from_secs(60)).await.is_some());
        seated.await.expect("the first one let go");
        assert!(staging.hold(id).is_some());
        let listed = staging.desks.lock().expect("nobody panicked").len();
        assert!(listed <= 1, "{listed} desks are kept for nobody");
    }
}
