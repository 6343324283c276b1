//! Uploads: how far each has come, and what becomes of it when it is whole.
//!
//! ```text
//! add ─► receiving ─last byte─► sealing ─one transaction─► done: recording, meeting, job
//!           │   (HEAD, PATCH: go on)  └─crash: again at the next start, never twice
//!           └─remove─► removed         an unfinished one only gets the mark 期限切れ
//! ```
//!
//! The number of bytes stored here is never more than what the disk holds. What is whole is never removed.

mod receive;
mod seal;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::jobs::Settings;
use super::meetings::Sensitivity;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

pub use receive::{Digest, End, Received};
pub use seal::{Recorded, SealError};

/// Most uploads of one person that are not finished.
pub const UNFINISHED_MAX: u32 = 200;
/// How long an upload that rests keeps its whole length reserved; afterwards it counts as much as it holds.
const RESERVED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UploadState)]
pub enum State {
    /// 取込中: bytes come, or came and may go on.
    Receiving,
    /// 取込中, in one request that cannot be gone on with.
    AtOnce,
    /// 保存中: every byte is here.
    Sealing,
    /// 完了: it is a recording.
    Done,
    /// 取消済み
    Removed,
}

impl State {
    const ALL: [Self; 5] = [Self::Receiving, Self::AtOnce, Self::Sealing, Self::Done, Self::Removed];

    const fn word(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::AtOnce => "at_once",
            Self::Sealing => "sealing",
            Self::Done => "done",
            Self::Removed => "removed",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| StoreError::Damaged { what: format!("the state {word} of an upload") })
    }
}

/// What becomes of an upload when it is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// 会議名 of the new meeting; unused if the meeting is there.
    pub title: String,
    /// The new meeting's department.
    pub department: Id,
    /// 機密区分 of the new meeting.
    pub sensitivity: Sensitivity,
    /// 開催日 of the new meeting; empty if unknown.
    pub held_on: String,
    /// The template of the new meeting.
    pub template: Option<Id>,
    /// How it is recognised.
    pub settings: Settings,
}

/// An upload as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name inside the product.
    pub id: Id,
    /// Whose it is.
    pub user: Id,
    /// The meeting it is for; none if one is made when it is whole.
    pub meeting: Option<Id>,
    /// Bytes announced.
    pub bytes_total: u64,
    /// Bytes on the disk.
    pub bytes_stored: u64,
    /// What the file is called; empty if nothing was said.
    pub file_name: String,
    /// What kind of file it is said to be; empty if nothing was said.
    pub mime: String,
    /// `Upload-Metadata` as it came.
    pub metadata: String,
    /// What becomes of it.
    pub plan: Plan,
    /// Where it stands.
    pub state: State,
    /// When it was begun.
    pub created_at: UnixMs,
    /// When a byte last came.
    pub touched_at: UnixMs,
    /// From when on it is shown as 期限切れ.
    pub expires_at: UnixMs,
}

/// An upload to be begun.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Whose it is.
    pub user: Id,
    /// The meeting it is for; none if one is to be made.
    pub meeting: Option<Id>,
    /// Bytes announced.
    pub bytes_total: u64,
    /// What the file is called.
    pub file_name: String,
    /// What kind of file it is said to be.
    pub mime: String,
    /// `Upload-Metadata` as it came.
    pub metadata: String,
    /// What becomes of it.
    pub plan: Plan,
    /// Whether it comes in one request that cannot be gone on with.
    pub at_once: bool,
    /// When it is shown as 期限切れ if nothing more comes.
    pub expires_at: UnixMs,
}

/// What became of the wish to begin an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It may come.
    Upload(Box<Upload>),
    /// The person has no room left.
    OverQuota {
        /// Bytes they hold already, recordings and unfinished uploads together.
        bytes_used: u64,
    },
    /// The person has too many unfinished ones.
    TooMany,
}

macro_rules! select_upload {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, meeting_id, bytes_total, bytes_stored, file_name, mime, metadata, plan, state, \
             created_at, touched_at, expires_at FROM uploads ",
            $rest
        )
    };
}

const UPLOAD: &str = select_upload!("WHERE id = $1");
/// A recording counts until its audio is erased, the sample never; an upload that rests counts as much as it holds.
const USED: &str = "SELECT (SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM recordings \
     WHERE user_id = $1 AND erased_at IS NULL AND NOT EXISTS \
     (SELECT 1 FROM meetings m WHERE m.id = meeting_id AND m.sample = 1)) + \
     (SELECT CAST(COALESCE(SUM(CASE WHEN touched_at > $2 THEN bytes_total ELSE bytes_stored END), 0) AS BIGINT) \
     FROM uploads WHERE user_id = $1 AND state IN ('receiving', 'at_once', 'sealing'))";

impl Upload {
    /// Tells whether it comes in one request that cannot be gone on with.
    pub fn is_at_once(&self) -> bool {
        self.state == State::AtOnce
    }

    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            user: row.id(1)?,
            meeting: row.id_or_none(2)?,
            bytes_total: row.count(3)?,
            bytes_stored: row.count(4)?,
            file_name: row.text(5)?,
            mime: row.text(6)?,
            metadata: row.text(7)?,
            plan: row.json(8)?,
            state: State::from_word(&row.text(9)?)?,
            created_at: row.at(10)?,
            touched_at: row.at(11)?,
            expires_at: row.at(12)?,
        })
    }
}

impl Tx {
    async fn insert_upload(&mut self, id: Id, new: &NewUpload, now: UnixMs) -> Result<(), StoreError> {
        let state = if new.at_once { State::AtOnce } else { State::Receiving };
        self.run(
            "INSERT INTO uploads (id, user_id, meeting_id, bytes_total, bytes_stored, file_name, mime, metadata, \
             plan, state, created_at, touched_at, expires_at) \
             VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $10, $11)",
            values![
                id,
                new.user,
                new.meeting,
                new.bytes_total,
                &new.file_name,
                &new.mime,
                &new.metadata,
                serde_json::json!(new.plan).to_string(),
                state.word(),
                now,
                new.expires_at
            ],
        )
        .await
        .map(drop)
    }
}

impl Store {
    /// Begins an upload, if the person has room for all of it.
    ///
    /// `per_user_bytes_max` counts recordings and unfinished uploads together; 0 is no limit.
    pub async fn add_upload(
        &self,
        new: &NewUpload,
        per_user_bytes_max: u64,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Begun, StoreError> {
        let id = Id::new();
        let mut tx = self.write().await?;
        // Two requests of one person at the same moment: the second one counts the first.
        let lock =
            tx.either("SELECT id FROM users WHERE id = $1", "SELECT id FROM users WHERE id = $1 FOR UPDATE");
        tx.row(lock, values![new.user]).await?;
        let sql = "SELECT COUNT(*) FROM uploads WHERE user_id = $1 AND state IN ('receiving', 'at_once', 'sealing')";
        let unfinished = tx.row(sql, values![new.user]).await?;
        if unfinished.map_or(Ok(0), |row| row.count(0))? >= u64::from(UNFINISHED_MAX) {
            return Ok(Begun::TooMany);
        }
        let used = tx.row(USED, values![new.user, now.minus(RESERVED_FOR)]).await?;
        let bytes_used = used.map_or(Ok(0), |row| row.count(0))?;
        if per_user_bytes_max > 0 && bytes_used.saturating_add(new.bytes_total) > per_user_bytes_max {
            return Ok(Begun::OverQuota { bytes_used });
        }
        tx.insert_upload(id, new, now).await?;
        let detail = serde_json::json!({ "bytes": new.bytes_total });
        let entry = Entry::done(actor, now, "upload.create", id).with(detail);
        tx.audit(new.meeting.map_or(entry.clone(), |meeting| entry.on(meeting))).await?;
        tx.commit().await?;
        let upload = self.upload(id).await?;
        let gone = || StoreError::Damaged { what: "an upload just begun is gone".to_owned() };
        Ok(Begun::Upload(Box::new(upload.ok_or_else(gone)?)))
    }

    /// Returns an upload, also one that is done or removed.
    pub async fn upload(&self, id: Id) -> Result<Option<Upload>, StoreError> {
        let row = self.database.row(UPLOAD, values![id]).await?;
        row.map(|row| Upload::from_row(&row)).transpose()
    }

    /// Returns a person's uploads that are not finished, the newest first.
    pub async fn unfinished_uploads(&self, user: Id) -> Result<Vec<Upload>, StoreError> {
        let sql = select_upload!(
            "WHERE user_id = $1 AND state IN ('receiving', 'at_once', 'sealing') ORDER BY id DESC LIMIT $2"
        );
        let rows = self.database.rows(sql, values![user, UNFINISHED_MAX]).await?;
        rows.iter().map(Upload::from_row).collect()
    }

    /// Returns how many bytes a person holds, recordings and unfinished uploads together.
    pub async fn bytes_used(&self, user: Id, now: UnixMs) -> Result<u64, StoreError> {
        let row = self.database.row(USED, values![user, now.minus(RESERVED_FOR)]).await?;
        row.map_or(Ok(0), |row| row.count(0))
    }

    /// Returns how many bytes are still to come of uploads that moved since `since`.
    pub async fn bytes_to_come(&self, since: UnixMs) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(COALESCE(SUM(bytes_total - bytes_stored), 0) AS BIGINT) FROM uploads \
                   WHERE state IN ('receiving', 'at_once') AND touched_at > $1";
        let row = self.database.row(sql, values![since]).await?;
        row.map_or(Ok(0), |row| row.count(0))
    }

    /// Stores how many bytes are durable; with the last one the upload is to be sealed.
    ///
    /// False if the upload takes no bytes any more.
    pub async fn set_upload_offset(
        &self,
        id: Id,
        bytes_stored: u64,
        expires_at: UnixMs,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE uploads SET bytes_stored = $2, touched_at = $3, expires_at = $4, \
                   state = CASE WHEN bytes_total = $2 THEN 'sealing' ELSE state END \
                   WHERE id = $1 AND state = 'receiving' AND bytes_total >= $2";
        let changed = tx.run(sql, values![id, bytes_stored, now, expires_at]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Says that an upload that came in one request is whole and durable.
    ///
    /// False if it is not such a one.
    pub async fn complete_upload(
        &self,
        id: Id,
        bytes: u64,
        (meeting, plan): (Option<Id>, &Plan),
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE uploads SET bytes_total = $2, bytes_stored = $2, touched_at = $3, meeting_id = $4, \
                   plan = $5, state = 'sealing' WHERE id = $1 AND state = 'at_once'";
        let plan = serde_json::json!(plan).to_string();
        let changed = tx.run(sql, values![id, bytes, now, meeting, plan]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Gives up an upload that is not whole; its file may then be removed. False for one that is whole.
    pub async fn remove_upload(&self, id: Id, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE uploads SET state = 'removed', touched_at = $2 \
                   WHERE id = $1 AND state IN ('receiving', 'at_once')";
        if tx.run(sql, values![id, now]).await? == 0 {
            return Ok(false);
        }
        tx.audit(Entry::done(actor, now, "upload.remove", id)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns the uploads that are whole but not yet sealed, the oldest first.
    pub async fn unsealed_uploads(&self) -> Result<Vec<Upload>, StoreError> {
        self.uploads_in(State::Sealing, UnixMs::from_ms(i64::MAX)).await
    }

    /// Returns at most 1,000 uploads in a state that were last touched before a moment, the oldest first.
    pub async fn uploads_in(&self, state: State, before: UnixMs) -> Result<Vec<Upload>, StoreError> {
        let sql = select_upload!("WHERE state = $1 AND touched_at < $2 ORDER BY touched_at, id LIMIT 1000");
        let rows = self.database.rows(sql, values![state.word(), before]).await?;
        rows.iter().map(Upload::from_row).collect()
    }
}
