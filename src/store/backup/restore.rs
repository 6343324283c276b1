//! From a backup back to a working server: into an empty place, all of it or nothing.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;

use super::archive::{ArchiveReader, FlawKind, Manifest, Part};
use super::tables::{self, Import};
use super::{BackupError, Key, is_plain, open};
use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry, Verdict, hex};
use crate::store::blobs::{BlobKey, Blobs};
use crate::store::dialect::{Tx, values};
use crate::store::{Location, Store, StoreError, folder, instance};

/// Where to restore to.
pub struct Target<'a> {
    /// The data folder: not there yet, or empty.
    pub data: &'a Path,
    /// The database; a SQLite file in the data folder if absent. Its tables must be empty.
    pub database: Option<Location>,
    /// Where recordings go, empty too; into the data folder if absent.
    pub blobs: Option<&'a Blobs>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
    /// Lines of the audit log, whose chain was verified.
    pub audit_lines: u64,
}

/// Restores a backup. Everything is written beside the target and checked before it gets its name.
///
/// Errors: [`BackupError::NotEmpty`], and what is wrong with the file; the target is then as it was before.
pub async fn restore(
    from: &Path,
    key: &Key,
    target: &Target<'_>,
    actor: &Actor,
    now: UnixMs,
) -> Result<Restored, BackupError> {
    require_empty(target.data)?;
    if let Some(blobs) = target.blobs {
        require_bare(blobs).await?;
    }
    // The file is read twice: a damaged one is refused before anything is made of it.
    super::verify(from, key)?;
    let mut sent = Vec::new();
    let restored = attempt(from, key, target, &mut sent, actor, now).await;
    if let (Err(_), Some(blobs)) = (&restored, target.blobs) {
        for key in &sent {
            if let Err(error) = blobs.delete(key).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, %key, "a recording of a restore that failed is left in the store");
            }
        }
    }
    restored
}

/// Does the restoring; recordings that went to a store elsewhere, and are to go again if it fails, are told in `sent`.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
async fn attempt(
    from: &Path,
    key: &Key,
    target: &Target<'_>,
    sent: &mut Vec<BlobKey>,
    actor: &Actor,
    now: UnixMs,
) -> Result<Restored, BackupError> {
    let parent = target.data.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let file = |error| BackupError::file(parent, error);
    fs::create_dir_all(parent).map_err(file)?;
    let staging = tempfile::Builder::new().prefix(".restore-").tempdir_in(parent).map_err(file)?;
    let sqlite = Location::File(folder::database_in(staging.path()));
    let store = Store::open(target.database.as_ref().unwrap_or(&sqlite)).await?;
    let mut into = Destination { store: &store, folder: staging.path(), blobs: target.blobs, sent };
    let filled = fill(from, key, &mut into, actor, now).await;
    let (restored, tx) = match filled {
        Ok(filled) => filled,
        Err(error) => {
            store.close().await;
            return Err(error);
        }
    };
    if target.database.is_none() {
        // The file is complete before its folder gets its name.
        tx.commit().await?;
        check(&store, &restored).await?;
        store.close().await;
        adopt(staging, target.data)?;
        return Ok(restored);
    }
    adopt(staging, target.data)?;
    if let Err(error) = tx.commit().await {
        store.close().await;
        fs::remove_dir_all(target.data).map_err(|error| BackupError::file(target.data, error))?;
        return Err(error.into());
    }
    // What is committed refers to them from now on.
    sent.clear();
    let checked = check(&store, &restored).await;
    store.close().await;
    checked.map(|()| restored)
}

#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn require_empty(data: &Path) -> Result<(), BackupError> {
    match fs::read_dir(data) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(BackupError::NotEmpty { place: data.display().to_string() }),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::file(data, error)),
    }
}

async fn require_bare(blobs: &Blobs) -> Result<(), BackupError> {
    match blobs.list().next().await.transpose()? {
        Some(found) => Err(BackupError::NotEmpty { place: format!("録音の保存先({})", found.key) }),
        None => Ok(()),
    }
}

/// Where the parts of a backup go.
struct Destination<'a> {
    store: &'a Store,
    folder: &'a Path,
    blobs: Option<&'a Blobs>,
    sent: &'a mut Vec<BlobKey>,
}

impl Destination<'_> {
    /// Writes a recording, and returns its sha256.
    async fn recording<R: Read>(
        &mut self,
        key: &BlobKey,
        archive: &mut ArchiveReader<R>,
    ) -> Result<String, BackupError> {
        let path = folder::audio_in(self.folder).join(key.as_str());
        let sha256 = write_file(&path, archive)?;
        if let Some(blobs) = self.blobs {
            self.sent.push(key.clone());
            let sealed = blobs.seal(&path, key, None).await?;
            if hex(&sealed.sha256) != sha256 {
                return Err(BackupError::Unequal { what: key.to_string() });
            }
        }
        Ok(sha256)
    }
}

/// Gives the finished folder its name.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn adopt(staging: tempfile::TempDir, data: &Path) -> Result<(), BackupError> {
    let file = |error| BackupError::file(data, error);
    File::open(staging.path()).and_then(|folder| folder.sync_all()).map_err(file)?;
    // A folder takes the place of an empty one; of one that was filled meanwhile it does not.
    fs::rename(staging.path(), data).map_err(file)?;
    let _ = staging.keep();
    Ok(())
}

/// Reads the backup into the folder and into a transaction that is not committed yet.
async fn fill(
    from: &Path,
    key: &Key,
    into: &mut Destination<'_>,
    actor: &Actor,
    now: UnixMs,
) -> Result<(Restored, Tx), BackupError> {
    let (mut archive, tables, product) = open(from, key)?;
    let mut tx = into.store.write().await?;
    if tables::version(&mut tx).await? != tables {
        return Err(BackupError::OtherVersion { product });
    }
    if let Some(table) = tables::first_filled(&mut tx).await? {
        return Err(BackupError::NotEmpty { place: format!("データベース(表 {table})") });
    }
    let mut blobs = BTreeMap::new();
    loop {
        match archive.begin()? {
            Part::Start { .. } => return Err(BackupError::Strange { what: "a second beginning".to_owned() }),
            Part::Table { name, columns } => {
                let mut import = Import::new(&mut tx, &name, &columns).await?;
                while let Some(row) = archive.frame()? {
                    import.row(&mut tx, row).await?;
                }
                import.finish(&mut tx).await?;
            }
            Part::Blob { key } => {
                let sha256 = into.recording(&key.parse()?, &mut archive).await?;
                blobs.insert(key, sha256);
            }
            Part::Upload { name } if is_plain(&name) => {
                write_file(&folder::uploads_in(into.folder).join(&name), &mut archive)?;
            }
            Part::Upload { name } => return Err(BackupError::Strange { what: name }),
            Part::Instance => drop(write_file(&instance::key_in(into.folder), &mut archive)?),
            Part::Manifest => break,
        }
    }
    let manifest = archive.finish()?;
    let audit_lines = manifest.audit_lines;
    settle(&mut tx, &manifest, &blobs, now).await?;
    // Holders may have newer receipts than this copy of the seats knows.
    tx.mark_restored().await?;
    let detail = serde_json::json!({ "audit_lines": audit_lines, "audit_last": manifest.audit_last });
    tx.audit(Entry::done(actor, now, "backup.restore", "").with(detail)).await?;
    let restored = Restored { manifest, audit_lines };
    Ok((restored, tx))
}

/// Compares rows with recordings, and notes what the server has to know.
async fn settle(
    tx: &mut Tx,
    manifest: &Manifest,
    blobs: &BTreeMap<String, String>,
    now: UnixMs,
) -> Result<(), BackupError> {
    for flaw in &manifest.flaws {
        if flaw.kind == FlawKind::Erased {
            tx.run("UPDATE recordings SET erased_at = $2 WHERE blob = $1", values![&flaw.key, now]).await?;
        }
    }
    for (key, sha256) in super::recordings(tx).await? {
        let is_known = manifest.flaws.iter().any(|flaw| flaw.key == key);
        if !is_known && blobs.get(&key) != Some(&sha256) {
            return Err(BackupError::Unequal { what: key });
        }
    }
    let last = tx.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &[]).await?;
    let last =
        last.map_or(Ok((0, String::new())), |row| Ok::<_, StoreError>((row.count(0)?, row.text(1)?)))?;
    if last != (manifest.audit_lines, manifest.audit_last.clone()) {
        return Err(BackupError::Unequal { what: "audit".to_owned() });
    }
    Ok(())
}

/// Verifies the audit log, and makes the search index from the minutes.
async fn check(store: &Store, restored: &Restored) -> Result<(), BackupError> {
    if let Verdict::Broken { seq, .. } = store.audit_verify(Some(&restored.manifest.audit_last)).await? {
        // A log that was broken when it was backed up is restored as it was: hiding it would be worse.
        tracing::warn!(seq, "the restored audit log was broken when it was backed up");
    }
    let mut after = String::new();
    loop {
        let sql = "SELECT id, title FROM meetings WHERE id > $1 ORDER BY id LIMIT 100";
        let meetings = store.database.rows(sql, values![&after]).await?;
        let Some(last) = meetings.last() else { return Ok(()) };
        after = last.text(0)?;
        for row in &meetings {
            let document = store.document(row.id(0)?).await?;
            let mut tx = store.write().await?;
            tx.index_title(row.id(0)?, &row.text(1)?).await?;
            if let Some(document) = document {
                tx.index(row.id(0)?, None, &document.minutes).await?;
            }
            tx.commit().await?;
        }
    }
}

/// Writes the frames of a part into a new file, and returns their sha256.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn write_file<R: Read>(path: &PathBuf, archive: &mut ArchiveReader<R>) -> Result<String, BackupError> {
    let failed = |error| BackupError::file(path, error);
    let parent = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    while let Some(frame) = archive.frame()? {
        file.write_all(frame).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    Ok(archive.last_sha256().to_owned())
}
