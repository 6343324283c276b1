//! A backup: everything a server keeps at one moment, in one encrypted file, made while the server runs.
//!
//! The rows come from one snapshot of the database; the recordings they name are never changed, so they are copied
//! after it. The file has rows in a form that both databases read: what SQLite held, PostgreSQL can take over.
//!
//! ```text
//! snapshot ─rows─┐
//! uploads ───────┼─► parts ─► sealed pieces ─► FILE.part ─sync, rename─► FILE
//! recordings ────┘
//! ```

mod archive;
mod restore;
mod sealed;
mod shelf;
mod tables;

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use zeroize::Zeroizing;

use super::audit::{Actor, Entry};
use super::blobs::{BlobError, BlobKey, Blobs};
use super::dialect::{Tx, values};
use super::{Store, StoreError, folder, instance};
use crate::clock::UnixMs;

pub use archive::{Flaw, FlawKind, Manifest};
pub use restore::{Restored, Target, restore};
pub use sealed::{Key, SealFault};
pub use shelf::{Board, Shelf, Shelved, Told};

use archive::{ArchiveReader, ArchiveWriter, FORMAT, Part};
use sealed::{SealedReader, SealedWriter};

/// How the name of a backup begins that is being written.
const PART_BEGINS: &str = ".gijiroku-";
/// How it ends.
const PART_ENDS: &str = ".part";
/// Longest key file that is read.
const KEY_FILE_BYTES_MAX: u64 = 4096;
/// Bytes of a file read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Why a backup could not be made or used; the target is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be used: see what it says.
    #[error(transparent)]
    Sealed(#[from] SealFault),
    /// The file is genuine, but its content is none this version can read.
    #[error("バックアップの内容を読み取れません({what})")]
    Strange {
        /// What was found.
        what: String,
    },
    /// The file was made by another version: use that one, then update.
    #[error(
        "このバックアップは別の版の gijiroku({product})で作られています。その版で復元してから更新してください"
    )]
    OtherVersion {
        /// The version.
        product: String,
    },
    /// Something is at the target already: choose an empty place.
    #[error("{place} は空ではありません。何も変更していません。空の場所を指定してください")]
    NotEmpty {
        /// The file, folder or table.
        place: String,
    },
    /// There is more than a backup can hold.
    #[error("1 つのバックアップに入れられる数({parts_max})を超えています")]
    TooMany {
        /// How many parts one holds.
        parts_max: usize,
    },
    /// What was restored is not what was backed up; it was removed again.
    #[error("復元した内容がバックアップと一致しません({what})。何も残していません")]
    Unequal {
        /// What differs.
        what: String,
    },
    /// The file holds no key: name another one, or make one.
    #[error("{} は鍵ファイルではありません。gijiroku backup keygen で作れます", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Somebody asked it to stop: do it again later.
    #[error("止めるように求められました。途中のファイルは残していません")]
    Stopped,
    /// The disk is full: make room, then do it again.
    #[error("空き容量が足りません。途中のファイルは残していません")]
    Full,
    /// The disk refused.
    #[error("{} を読み書きできません", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Reading or writing broke off.
    #[error("読み書きが途中で止まりました")]
    Io(#[source] io::Error),
    /// The database did not give or take it.
    #[error("データベースが応答しません")]
    Store(#[from] StoreError),
    /// The store of recordings did not give or take it.
    #[error("録音の保存先が応答しません")]
    Blob(#[from] BlobError),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, UnexpectedEof};
        match error.downcast::<SealFault>() {
            Ok(fault) => Self::Sealed(fault),
            Err(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) => Self::Full,
            Err(error) if error.kind() == UnexpectedEof => Self::Strange { what: error.to_string() },
            Err(error) => Self::Io(error),
        }
    }
}

impl BackupError {
    fn file(path: &Path, error: io::Error) -> Self {
        match Self::from(error) {
            Self::Io(source) => Self::File { path: path.to_owned(), source },
            other => other,
        }
    }
}

impl Key {
    /// Reads a key file.
    ///
    /// Errors: [`BackupError::NoKey`] if it holds none; [`BackupError::File`] if it cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let file = |error| BackupError::file(path, error);
        let mut text = Zeroizing::new(Vec::new());
        File::open(path).map_err(file)?.take(KEY_FILE_BYTES_MAX).read_to_end(&mut text).map_err(file)?;
        let key = std::str::from_utf8(&text).ok().and_then(Self::from_text);
        key.ok_or_else(|| BackupError::NoKey { path: path.to_owned() })
    }
}

/// What to back up.
pub struct Source<'a> {
    /// The tables.
    pub store: &'a Store,
    /// The recordings.
    pub blobs: &'a Blobs,
    /// The data folder, with the unfinished uploads and the key of this installation.
    pub data: &'a Path,
}

/// Makes a backup; a file of this name appears only when all of it is on the disk.
///
/// Errors: [`BackupError::NotEmpty`] if there is a file of this name; every other error leaves none behind.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub async fn backup(
    source: &Source<'_>,
    to: &Path,
    key: &Key,
    actor: &Actor,
    now: UnixMs,
) -> Result<Manifest, BackupError> {
    if fs::exists(to).map_err(|error| BackupError::file(to, error))? {
        return Err(BackupError::NotEmpty { place: to.display().to_string() });
    }
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made for this account alone, and gone unless it is given its name.
    let file = tempfile::Builder::new().prefix(PART_BEGINS).suffix(PART_ENDS).tempfile_in(folder);
    let file = file.map_err(|error| BackupError::file(folder, error))?;
    let out = BufWriter::with_capacity(PIECE_BYTES, file.as_file());
    let (manifest, out) = write(source, SealedWriter::new(out, key, rand::random())?, now).await?;
    out.finish()?.into_inner().map_err(|error| BackupError::from(error.into_error()))?;
    file.as_file().sync_all()?;
    file.persist_noclobber(to).map_err(|error| BackupError::file(to, error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all())?;
    let detail = serde_json::json!({ "parts": manifest.parts.len(), "audit_lines": manifest.audit_lines });
    source.store.note(Entry::done(actor, now, "backup.create", "").with(detail)).await?;
    Ok(manifest)
}

async fn write<W: Write>(source: &Source<'_>, out: W, now: UnixMs) -> Result<(Manifest, W), BackupError> {
    let mut archive = ArchiveWriter::new(out);
    let mut tx = source.store.database.snapshot().await?;
    let tables = tables::version(&mut tx).await?;
    let product = env!("CARGO_PKG_VERSION").to_owned();
    archive.begin(Part::Start { format: FORMAT, tables, product, at: now })?;
    archive.end()?;
    for table in tables::KEPT {
        tables::export(&mut tx, table, &mut archive).await?;
    }
    let audit = tx.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &[]).await?;
    let audit =
        audit.map_or(Ok((0, String::new())), |row| Ok::<_, StoreError>((row.count(0)?, row.text(1)?)))?;
    let recordings = recordings(&mut tx).await?;
    tx.commit().await?;
    write_instance(source.data, &mut archive)?;
    write_uploads(&folder::uploads_in(source.data), &mut archive)?;
    let mut flaws = Vec::new();
    for (key, sha256) in recordings {
        flaws.extend(write_blob(source, &key, &sha256, &mut archive).await?);
    }
    archive.finish(flaws, audit)
}

/// Returns keys and hashes of the recordings that are not erased.
async fn recordings(tx: &mut Tx) -> Result<Vec<(String, String)>, StoreError> {
    let sql = "SELECT blob, MIN(sha256) FROM recordings WHERE erased_at IS NULL GROUP BY blob ORDER BY blob";
    let rows = tx.rows(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

async fn write_blob<W: Write>(
    source: &Source<'_>,
    key: &str,
    sha256: &str,
    archive: &mut ArchiveWriter<W>,
) -> Result<Option<Flaw>, BackupError> {
    let flaw = |kind| Some(Flaw { key: key.to_owned(), kind });
    let reading = match source.blobs.read(&key.parse::<BlobKey>()?, None).await {
        Ok(reading) => reading,
        Err(BlobError::Missing { .. }) => {
            let sql = "SELECT 1 FROM recordings WHERE blob = $1 AND erased_at IS NULL";
            let is_kept = source.store.database.row(sql, values![key]).await?.is_some();
            return Ok(flaw(if is_kept { FlawKind::Missing } else { FlawKind::Erased }));
        }
        Err(error) => return Err(error.into()),
    };
    archive.begin(Part::Blob { key: key.to_owned() })?;
    let mut pieces = reading.pieces;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if !piece.is_empty() {
            archive.frame(&piece)?;
        }
    }
    let is_whole = archive.end()?.is_some_and(|digest| digest.sha256 == sha256);
    Ok(if is_whole { None } else { flaw(FlawKind::Damaged) })
}

/// Writes the key of this installation, if it has one: without it no receipt of a seat could be read again.
fn write_instance<W: Write>(data: &Path, archive: &mut ArchiveWriter<W>) -> Result<(), BackupError> {
    let key = match instance::key(data) {
        // Everything else is worth keeping all the same.
        Err(StoreError::Damaged { what }) => {
            tracing::warn!(file = what, "the key of this installation cannot be read and is not backed up");
            None
        }
        other => other?,
    };
    let Some(key) = key else { return Ok(()) };
    archive.begin(Part::Instance)?;
    archive.frame(key.file_text().as_bytes())?;
    archive.end()?;
    Ok(())
}

/// Writes what was uploaded so far; what is appended meanwhile is left to the next backup.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn write_uploads<W: Write>(folder: &Path, archive: &mut ArchiveWriter<W>) -> Result<(), BackupError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| BackupError::file(folder, error))? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if is_plain(&name) && entry.file_type()?.is_file() {
            names.push(name);
        }
    }
    names.sort();
    let mut piece = vec![0; PIECE_BYTES];
    for name in names {
        // An upload that has just been finished is a recording now, or will be with the next backup.
        let Ok(file) = File::open(folder.join(&name)) else { continue };
        let bytes = file.metadata()?.len();
        let mut file = file.take(bytes);
        archive.begin(Part::Upload { name })?;
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            archive.frame(&piece[..read])?;
        }
        archive.end()?;
    }
    Ok(())
}

/// Tells a plain file's name from one that is hidden or leads elsewhere.
fn is_plain(name: &str) -> bool {
    let is_fine = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(is_fine)
}

/// A backup that is being read.
type Archive = ArchiveReader<SealedReader<BufReader<File>>>;

/// Opens a backup and reads what it is to be read with.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn open(from: &Path, key: &Key) -> Result<(Archive, i64, String), BackupError> {
    let file = File::open(from).map_err(|error| BackupError::file(from, error))?;
    let reader = SealedReader::new(BufReader::with_capacity(PIECE_BYTES, file), key)?;
    let mut archive = ArchiveReader::new(reader);
    let Part::Start { format, tables, product, .. } = archive.begin()? else {
        return Err(BackupError::Strange { what: "no beginning".to_owned() });
    };
    if format != FORMAT {
        return Err(BackupError::OtherVersion { product });
    }
    archive.skip()?;
    Ok((archive, tables, product))
}

/// Reads a backup to its end and checks every part, without restoring anything.
///
/// Errors: what is wrong with it.
pub fn verify(from: &Path, key: &Key) -> Result<Manifest, BackupError> {
    read_through(from, key, || false)
}

/// Does what [`verify`] does, and looks between two parts whether it should stop.
fn read_through(from: &Path, key: &Key, is_stopped: impl Fn() -> bool) -> Result<Manifest, BackupError> {
    let (mut archive, ..) = open(from, key)?;
    while archive.begin()? != Part::Manifest {
        if is_stopped() {
            return Err(BackupError::Stopped);
        }
        archive.skip()?;
    }
    archive.finish()
}
