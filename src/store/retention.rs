//! Retention: what is erased when, and the proof that it was.
//!
//! An erasure is begun (its row says what will go, recordings are closed to readers), then the recordings are
//! destroyed, then the rows; the proof is complete with the last step. Whoever was interrupted does the rest again:
//! destroying twice is harmless. 法的保留 stops every step; a job that works on the meeting postpones it.
//!
//! ```text
//! due ─begin─► begun ─recordings destroyed─► ─finish─► 消去証明書
//! ```

mod due;
mod periods;
mod staged;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::audit::{Actor, Entry, hex};
use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

pub use due::Due;
pub(super) use periods::InForce;
pub use periods::{NOTICE, Periods};
pub use staged::Staged;

/// How long a meeting stays in the bin.
pub const BIN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most recordings of one erasure; a meeting with more is erased in several.
const RECORDINGS_MAX: i64 = 1000;
/// How recordings and rows are destroyed, as the certificate says it.
const METHOD: &str = "保存先からの削除とデータベースの上書き消去";
/// What stands in the place of an erased meeting's title.
const ERASED_TITLE: &str = "(消去済み)";

/// What is erased of a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Its recordings.
    Audio,
    /// What was recognised and written.
    Minutes,
    /// All of it: it was in the bin.
    Everything,
}

impl What {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Minutes, Self::Everything];

    const fn word(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Minutes => "minutes",
            Self::Everything => "everything",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|what| what.word() == word);
        found.ok_or_else(|| StoreError::Damaged { what: format!("the erasure of {word}") })
    }

    const fn has_audio(self) -> bool {
        matches!(self, Self::Audio | Self::Everything)
    }

    const fn has_minutes(self) -> bool {
        matches!(self, Self::Minutes | Self::Everything)
    }
}

/// Something that was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ErasedItem)]
pub struct Item {
    /// What kind: `recording`, `transcripts`, `snapshots` and so on.
    pub kind: String,
    /// Which one, if it is one.
    pub name: Option<String>,
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// sha256 of the bytes; of several, of all of them in their order.
    pub sha256: String,
}

/// 消去証明書
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// 管理番号
    pub id: Id,
    /// The meeting.
    pub meeting: Id,
    /// 会議名
    pub title: String,
    /// What was erased of it.
    pub what: What,
    /// 対象
    pub items: Vec<Item>,
    /// 方式
    pub method: String,
    /// 実施者; none if the server did it on its date.
    pub by: Option<Id>,
    /// 立会者
    pub witness: Option<String>,
    /// When it was begun.
    #[schema(value_type = i64)]
    pub begun_at: UnixMs,
    /// When it was complete; none while it is under way.
    #[schema(value_type = Option<i64>)]
    pub erased_at: Option<UnixMs>,
    /// Number of the line of the audit log that says so; the line carries the sha256 of this record.
    #[serde(default)]
    pub audit_seq: Option<u64>,
    /// Keys of the recordings to be destroyed.
    #[serde(default)]
    pub blobs: Vec<String>,
}

impl Certificate {
    /// Returns how many things were erased, and their bytes.
    pub fn totals(&self) -> (u64, u64) {
        self.items.iter().fold((0, 0), |(count, bytes), item| (count + item.count, bytes + item.bytes))
    }

    /// Returns the sha256 that the line of the audit log carries: of the record without that line's number.
    pub fn sha256(&self) -> Result<String, StoreError> {
        let bare = Self { audit_seq: None, ..self.clone() };
        Ok(hex(&Sha256::digest(json(&bare)?.as_bytes())))
    }
}

fn json(certificate: &Certificate) -> Result<String, StoreError> {
    serde_json::to_string(certificate).map_err(|error| StoreError::Database(Box::new(error)))
}

impl Store {
    /// Begins an erasure that is due; `None` if it is not, if 法的保留 forbids it, or if a job works on the meeting.
    pub async fn begin_erasure(
        &self,
        meeting: Id,
        what: What,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Option<Certificate>, StoreError> {
        let mut tx = self.write().await?;
        let Some(title) = tx.lock_for_erasure(meeting).await? else { return Ok(None) };
        if !tx.due_of(meeting, &self.periods, now).await?.iter().any(|due| due.what == what) {
            return Ok(None);
        }
        let (mut items, mut blobs) = (Vec::new(), Vec::new());
        if what.has_audio() {
            (items, blobs) = tx.close_recordings(meeting, now).await?;
        }
        let certificate = Certificate {
            id: Id::new(),
            meeting,
            title,
            what,
            items,
            method: METHOD.to_owned(),
            by: actor.user,
            witness: None,
            begun_at: now,
            erased_at: None,
            audit_seq: None,
            blobs,
        };
        tx.run(
            "INSERT INTO erasures (id, meeting_id, what, record, begun_at) VALUES ($1, $2, $3, $4, $5)",
            values![certificate.id, meeting, what.word(), json(&certificate)?, now],
        )
        .await?;
        let detail = serde_json::json!({ "what": what, "recordings": certificate.items.len() });
        let entry = Entry::done(actor, now, "erasure.begin", certificate.id);
        tx.audit(entry.on(meeting).with(detail)).await?;
        tx.commit().await?;
        Ok(Some(certificate))
    }

    /// Returns the erasures that were begun and are not complete, unless 法的保留 or a job stops them now.
    pub async fn unfinished_erasures(&self) -> Result<Vec<Certificate>, StoreError> {
        let sql = "SELECT e.record, e.audit_seq FROM erasures e JOIN meetings m ON m.id = e.meeting_id WHERE \
                   e.erased_at IS NULL AND m.legal_hold = 0 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.meeting_id = \
                   m.id AND j.finished_at IS NULL) ORDER BY e.begun_at LIMIT 1000";
        let rows = self.database.rows(sql, &[]).await?;
        rows.iter().map(certificate).collect()
    }

    /// Completes an erasure whose recordings are destroyed: the rows go, the proof is written. `None` if 法的保留 or a
    /// job stops it, or if it is complete already.
    pub async fn finish_erasure(
        &self,
        id: Id,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Option<Certificate>, StoreError> {
        let mut tx = self.write().await?;
        let sql = "SELECT record, audit_seq FROM erasures WHERE id = $1 AND erased_at IS NULL";
        let Some(row) = tx.row(sql, values![id]).await? else { return Ok(None) };
        let mut record = certificate(&row)?;
        if tx.lock_for_erasure(record.meeting).await?.is_none() {
            return Ok(None);
        }
        if record.what.has_minutes() {
            record.items.extend(tx.erase_minutes(record.meeting).await?);
        }
        match record.what {
            What::Audio => {}
            What::Minutes => tx.index_title(record.meeting, &record.title).await?,
            What::Everything => tx.erase_the_rest(record.meeting).await?,
        }
        record.erased_at = Some(now);
        let (count, bytes) = record.totals();
        let detail = serde_json::json!({
            "what": record.what, "count": count, "bytes": bytes, "record_sha256": record.sha256()?
        });
        let entry = Entry::done(actor, now, "erasure.done", id).on(record.meeting).with(detail);
        let seq = tx.audit_numbered(entry).await?;
        record.audit_seq = Some(seq);
        let done = tx
            .run(
                "UPDATE erasures SET record = $2, erased_at = $3, audit_seq = $4 WHERE id = $1 AND erased_at IS NULL",
                values![id, json(&record)?, now, seq],
            )
            .await?;
        if done == 0 {
            return Ok(None);
        }
        tx.commit().await?;
        self.documents.forget(record.meeting);
        self.notices.tell(record.meeting);
        self.database.tidy().await?;
        Ok(Some(record))
    }

    /// Returns the erasures of a meeting, oldest first.
    pub async fn erasures(&self, meeting: Id) -> Result<Vec<Certificate>, StoreError> {
        let sql =
            "SELECT record, audit_seq FROM erasures WHERE meeting_id = $1 ORDER BY begun_at, id LIMIT 1000";
        let rows = self.database.rows(sql, values![meeting]).await?;
        rows.iter().map(certificate).collect()
    }

    /// Returns at most `limit` erasures of all meetings, newest first.
    pub async fn newest_erasures(&self, limit: u32) -> Result<Vec<Certificate>, StoreError> {
        let sql = "SELECT record, audit_seq FROM erasures ORDER BY begun_at DESC, id DESC LIMIT $1";
        self.database.rows(sql, values![limit]).await?.iter().map(certificate).collect()
    }

    /// Returns an erasure.
    pub async fn erasure(&self, id: Id) -> Result<Option<Certificate>, StoreError> {
        let row =
            self.database.row("SELECT record, audit_seq FROM erasures WHERE id = $1", values![id]).await?;
        row.as_ref().map(certificate).transpose()
    }

    /// Tells whether any recording is known at all: where none is, the folder belongs to another database.
    pub async fn has_recordings(&self) -> Result<bool, StoreError> {
        Ok(self.database.row("SELECT 1 FROM recordings LIMIT 1", &[]).await?.is_some())
    }

    /// Tells whether anything refers to a blob: a recording, or an erasure that is not complete and may be held.
    pub async fn is_blob_known(&self, key: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM recordings r WHERE r.blob = $1 AND (r.erased_at IS NULL OR EXISTS (SELECT 1 FROM \
                   erasures e WHERE e.meeting_id = r.meeting_id AND e.erased_at IS NULL))";
        Ok(self.database.row(sql, values![key]).await?.is_some())
    }

    /// Tells whether a file's name, up to its first dot, is that of an upload.
    pub async fn is_upload_known(&self, file_name: &str) -> Result<bool, StoreError> {
        let id = file_name.split('.').next().unwrap_or_default();
        Ok(self.database.row("SELECT 1 FROM uploads WHERE id = $1", values![id]).await?.is_some())
    }
}

fn certificate(row: &Row) -> Result<Certificate, StoreError> {
    row.json(0)
}

/// What was recognised and written of a meeting: its kind, how it is read for the proof, how it goes.
const OF_MEETING: [(&str, &str, &str); 9] = [
    (
        "windows",
        "SELECT w.outcome FROM windows w JOIN jobs j ON j.id = w.job_id WHERE j.meeting_id = $1 ORDER BY \
         w.job_id, w.until_ms, w.key",
        "DELETE FROM windows WHERE job_id IN (SELECT id FROM jobs WHERE meeting_id = $1)",
    ),
    (
        "transcripts",
        "SELECT document FROM transcripts WHERE meeting_id = $1 ORDER BY version, id",
        "DELETE FROM transcripts WHERE meeting_id = $1",
    ),
    (
        "snapshots",
        "SELECT document FROM snapshots WHERE meeting_id = $1 ORDER BY revision",
        "DELETE FROM snapshots WHERE meeting_id = $1",
    ),
    (
        "revisions",
        "SELECT ops || undo FROM revisions WHERE meeting_id = $1 ORDER BY revision",
        "DELETE FROM revisions WHERE meeting_id = $1",
    ),
    (
        "live_lines",
        "SELECT n.text || COALESCE(n.corrected, '') FROM live_lines n JOIN lives l ON l.id = n.live_id WHERE \
         l.meeting_id = $1 ORDER BY n.live_id, n.line",
        "DELETE FROM live_lines WHERE live_id IN (SELECT id FROM lives WHERE meeting_id = $1)",
    ),
    (
        "live_notes",
        "SELECT n.text FROM live_notes n JOIN lives l ON l.id = n.live_id WHERE l.meeting_id = $1 ORDER BY \
         n.at_ms, n.id",
        "DELETE FROM live_notes WHERE live_id IN (SELECT id FROM lives WHERE meeting_id = $1)",
    ),
    (
        "drafts",
        "SELECT ops FROM drafts WHERE meeting_id = $1 ORDER BY kept_at, id",
        "DELETE FROM drafts WHERE meeting_id = $1",
    ),
    (
        "editions",
        "SELECT document FROM editions WHERE meeting_id = $1 ORDER BY created_at, id",
        "DELETE FROM editions WHERE meeting_id = $1",
    ),
    (
        "masks",
        "SELECT masks FROM meetings WHERE id = $1 AND masks IS NOT NULL",
        "UPDATE meetings SET masks = NULL WHERE id = $1",
    ),
];

impl Tx {
    /// Holds a meeting until the end of the transaction and returns its title; `None` if it must not be erased now.
    async fn lock_for_erasure(&mut self, meeting: Id) -> Result<Option<String>, StoreError> {
        // On PostgreSQL a job that is being added refers to the meeting and has to wait for this lock, or this for it.
        let sql = self.either(
            "SELECT title, legal_hold FROM meetings WHERE id = $1",
            "SELECT title, legal_hold FROM meetings WHERE id = $1 FOR UPDATE",
        );
        let Some(row) = self.row(sql, values![meeting]).await? else { return Ok(None) };
        let sql = "SELECT 1 FROM jobs WHERE meeting_id = $1 AND finished_at IS NULL";
        let is_busy = self.row(sql, values![meeting]).await?.is_some();
        if row.flag(1)? || is_busy { Ok(None) } else { row.text(0).map(Some) }
    }

    /// Closes recordings to readers, and returns them with the keys that nothing else refers to.
    async fn close_recordings(
        &mut self,
        meeting: Id,
        now: UnixMs,
    ) -> Result<(Vec<Item>, Vec<String>), StoreError> {
        let sql = "SELECT id, bytes, sha256, blob FROM recordings WHERE meeting_id = $1 AND erased_at IS NULL ORDER BY \
                   id LIMIT $2";
        let rows = self.rows(sql, values![meeting, RECORDINGS_MAX]).await?;
        let (mut items, mut blobs) = (Vec::new(), Vec::new());
        for row in rows {
            let (id, blob) = (row.text(0)?, row.text(3)?);
            let sql = "UPDATE recordings SET erased_at = $2, outline = NULL WHERE id = $1";
            self.run(sql, values![&id, now]).await?;
            let sql = "SELECT 1 FROM recordings WHERE blob = $1 AND erased_at IS NULL";
            if self.row(sql, values![&blob]).await?.is_none() {
                blobs.push(blob);
            }
            let (bytes, sha256) = (row.count(1)?, row.text(2)?);
            items.push(Item { kind: "recording".to_owned(), name: Some(id), count: 1, bytes, sha256 });
        }
        Ok((items, blobs))
    }

    /// Removes what was recognised and written, and returns what that was.
    async fn erase_minutes(&mut self, meeting: Id) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for (kind, select, delete) in OF_MEETING {
            let (mut count, mut bytes, mut hasher) = (0, 0, Sha256::new());
            self.each_text(select, values![meeting], |text| {
                count += 1;
                bytes += text.len() as u64;
                hasher.update(text.as_bytes());
                Ok::<(), StoreError>(())
            })
            .await?;
            self.run(delete, values![meeting]).await?;
            if count > 0 {
                let sha256 = hex(&hasher.finalize());
                items.push(Item { kind: kind.to_owned(), name: None, count, bytes, sha256 });
            }
        }
        self.run("DELETE FROM minutes WHERE meeting_id = $1", values![meeting]).await?;
        self.unindex(meeting).await?;
        Ok(items)
    }

    /// Removes what else names people or things of a meeting; its row and its figures stay, without a title.
    async fn erase_the_rest(&mut self, meeting: Id) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM words WHERE group_id IN (SELECT id FROM word_groups WHERE meeting_id = $1)",
            "DELETE FROM word_groups WHERE meeting_id = $1",
            "DELETE FROM word_choices WHERE meeting_id = $1",
            "DELETE FROM members WHERE meeting_id = $1",
            "DELETE FROM uploads WHERE meeting_id = $1",
            "UPDATE recordings SET file_name = '' WHERE meeting_id = $1",
        ] {
            self.run(sql, values![meeting]).await?;
        }
        let sql = "UPDATE meetings SET title = $2, held_on = '' WHERE id = $1";
        self.run(sql, values![meeting, ERASED_TITLE]).await.map(drop)
    }
}
