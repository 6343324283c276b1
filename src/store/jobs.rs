//! The queue of what is to be recognised: durable, fair, and done once.
//!
//! ```text
//!              ┌──────── released, hindered, backed off ◄────────┐
//! enqueue ─► waiting ─claim─► running ─finish─► done | done_with_gaps
//!              ▲ └─cancel─► cancelled ◄─────────┤ └─fail─► failed
//!              └─────────── retry ◄─────────────┴───────────┘
//! ```
//!
//! Whoever claims gets a lease with a number that only grows. Every later write carries it: a worker that was believed
//! dead and comes back with an old number changes nothing. A lease that has lapsed can be claimed by anybody; until
//! somebody does, its holder may still renew it, so that a pause of the machine costs no work.

mod finish;
mod lease;
mod line;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::speech::Language;
use crate::speech::diarize::Wanted;
use crate::speech::longform::Preset;

pub use finish::{Finished, Kept};
pub use lease::{Claimed, Hold, Lease, Reached};
pub use line::{Line, Waiting, Working};

/// Setbacks in a row, without any window settled between them, after which a job has failed.
pub const ATTEMPTS_MAX: u32 = 8;
/// The pause after the first setback; each further one doubles it.
const BACKOFF_FIRST: Duration = Duration::from_secs(30);
/// The longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(30 * 60);
/// Most jobs of one meeting that are listed.
const LIST_MAX: u32 = 100;

/// Returns the pause after so many setbacks in a row: 30 s, doubled by each, at most 30 minutes.
pub fn backoff(attempts: u32) -> Duration {
    let doubled = attempts.saturating_sub(1).min(16);
    (BACKOFF_FIRST * (1 << doubled)).min(BACKOFF_MAX)
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the stable word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn from_word(word: &str) -> Result<Self, StoreError> {
                let found = Self::ALL.iter().copied().find(|known| known.word() == word);
                found.ok_or_else(|| StoreError::Damaged { what: format!("{word} in a job") })
            }
        }
    };
}

words! {
    /// Where a job stands.
    State {
        /// 待機中
        Waiting = "waiting",
        /// 処理中
        Running = "running",
        /// 完了
        Done = "done",
        /// 一部未認識
        DoneWithGaps = "done_with_gaps",
        /// 失敗(録音は保存済み)
        Failed = "failed",
        /// 取消済み
        Cancelled = "cancelled",
    }
}

impl State {
    /// Tells whether nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Done | Self::DoneWithGaps | Self::Failed | Self::Cancelled => true,
        }
    }
}

words! {
    /// Why a job failed for good. The recording and every window settled are kept.
    Failure {
        /// The file has no bytes.
        Empty = "empty",
        /// The file is no recording.
        NotAudio = "not_audio",
        /// The sound is protected against copying.
        Encrypted = "encrypted",
        /// The sound is written in a way this product cannot read.
        UnsupportedCodec = "unsupported_codec",
        /// The file has no sound track.
        NoAudioTrack = "no_audio_track",
        /// Nothing in the sound track can be heard.
        NoSound = "no_sound",
        /// The recorder never finished the file.
        Unfinished = "unfinished",
        /// The file is damaged.
        Damaged = "damaged",
        /// The recording is longer than any meeting.
        TooLong = "too_long",
        /// The audio is not there any more.
        AudioMissing = "audio_missing",
        /// The recogniser did not work, again and again.
        EngineFailed = "engine_failed",
        /// The server ended during it, again and again.
        Crashed = "crashed",
    }
}

words! {
    /// Why a job waits although it could be its turn.
    Hindrance {
        /// The recogniser does not work at present.
        EngineDown = "engine_down",
        /// The disk is full.
        StorageFull = "storage_full",
        /// The model, or the speech detector, is missing or damaged.
        ModelMissing = "model_missing",
        /// The audio cannot be read at present.
        AudioUnreachable = "audio_unreachable",
        /// The database did not take the result.
        DatabaseDown = "database_down",
        /// Every seat is taken.
        SeatNeeded = "seat_needed",
        /// The licence, or a rule, gives its owner no seat.
        SeatRefused = "seat_refused",
    }
}

/// Who is served before whom, before fairness is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// When nothing else is to be done.
    Low,
    /// In the order of fairness.
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    const fn rank(self) -> i64 {
        match self {
            Self::Low => -1,
            Self::Normal => 0,
            Self::High => 1,
        }
    }
}

/// A stretch of a recording that alone is recognised again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stretch {
    /// Where it begins, in milliseconds since the recording began.
    pub from_ms: u64,
    /// Where it ends.
    pub until_ms: u64,
}

impl Stretch {
    /// Returns how long it is.
    pub const fn len_ms(self) -> u64 {
        self.until_ms.saturating_sub(self.from_ms)
    }
}

/// How a recording is to be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How hard to try.
    pub preset: Preset,
    /// The language spoken.
    pub language: Language,
    /// Whether speakers are told apart, and how; jobs of earlier versions were not asked.
    #[serde(default)]
    pub speakers: Wanted,
    /// Whether nothing but the speakers is asked for: the newest transcript keeps its words.
    #[serde(default)]
    pub only_speakers: bool,
    /// The stretch that is asked for; around it the newest transcript keeps its words. Everything if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preset: Preset::Accurate,
            language: Language::Ja,
            speakers: Wanted::Auto,
            only_speakers: false,
            stretch: None,
        }
    }
}

/// A job to be queued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The meeting whose minutes it is for.
    pub meeting: Option<Id>,
    /// The recording.
    pub recording: Id,
    /// For whom: fairness counts by this.
    pub user: Id,
    /// How.
    pub settings: Settings,
    /// Before whom.
    pub priority: Priority,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name inside the product.
    pub id: Id,
    /// The meeting whose minutes it is for.
    pub meeting: Option<Id>,
    /// The recording.
    pub recording: Id,
    /// For whom.
    pub user: Id,
    /// How.
    pub settings: Settings,
    /// Where it stands.
    pub state: State,
    /// Setbacks in a row.
    pub attempts: u32,
    /// Not begun before.
    pub not_before: UnixMs,
    /// Why it waits although it could be its turn.
    pub hindrance: Option<Hindrance>,
    /// Whether somebody asked to stop it while it runs.
    pub cancel_asked: bool,
    /// Everything before this is recognised, milliseconds.
    pub settled_ms: u64,
    /// Length of the recording, as far as it is known, milliseconds.
    pub expected_ms: Option<u64>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What the failure is about, as the name of a codec.
    pub failure_detail: Option<String>,
    /// When it was asked for.
    pub created_at: UnixMs,
    /// When it was first begun.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub finished_at: Option<UnixMs>,
}

macro_rules! select_job {
    ($rest:literal) => {
        concat!(
            "SELECT id, meeting_id, recording_id, user_id, settings, state, attempts, not_before, hindrance, \
             cancel_asked, settled_ms, expected_ms, failure, failure_detail, created_at, started_at, finished_at \
             FROM jobs ",
            $rest
        )
    };
}
use select_job;

impl Job {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            meeting: row.id_or_none(1)?,
            recording: row.id(2)?,
            user: row.id(3)?,
            settings: row.json(4)?,
            state: State::from_word(&row.text(5)?)?,
            attempts: u32::try_from(row.count(6)?).unwrap_or(u32::MAX),
            not_before: row.at(7)?,
            hindrance: row.text_or_none(8)?.map(|word| Hindrance::from_word(&word)).transpose()?,
            cancel_asked: row.flag(9)?,
            settled_ms: row.count(10)?,
            expected_ms: row.int_or_none(11)?.map(|ms| u64::try_from(ms).unwrap_or(0)),
            failure: row.text_or_none(12)?.map(|word| Failure::from_word(&word)).transpose()?,
            failure_detail: row.text_or_none(13)?,
            created_at: row.at(14)?,
            started_at: row.at_or_none(15)?,
            finished_at: row.at_or_none(16)?,
        })
    }
}

/// What became of the wish to cancel a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun, and never will.
    AtOnce,
    /// Its worker was asked to stop.
    Asked,
    /// It had ended already, or there is none.
    TooLate,
}

impl Tx {
    /// Queues a job.
    ///
    /// Errors: [`StoreError::Taken`] if the recording is waiting for recognition or being recognised already,
    /// [`StoreError::Erased`] if its audio was erased; the transaction is then of no use any more.
    pub(super) async fn enqueue(
        &mut self,
        new: &NewJob,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Id, StoreError> {
        let id = Id::new();
        let settings = serde_json::json!(new.settings);
        let expected_ms = new.settings.stretch.map(|stretch| stretch.len_ms() as i64);
        self.run(
            "INSERT INTO jobs (id, kind, meeting_id, recording_id, user_id, settings, state, priority, not_before, \
             queued_at, created_at, expected_ms) VALUES ($1, 'recognise', $2, $3, $4, $5, 'waiting', $6, $7, $7, $7, \
             COALESCE($8, (SELECT duration_ms FROM recordings WHERE id = $3)))",
            values![
                id,
                new.meeting,
                new.recording,
                new.user,
                settings.to_string(),
                new.priority.rank(),
                now,
                expected_ms
            ],
        )
        .await?;
        // After the row: on PostgreSQL it had to wait for an erasure of the meeting under way, which is seen here.
        self.require_audio(new.recording).await?;
        let detail = serde_json::json!({ "recording": new.recording, "settings": settings });
        let entry = Entry::done(actor, now, "job.enqueue", id).with(detail);
        self.audit(on(entry, new.meeting)).await?;
        Ok(id)
    }
}

/// Says on which meeting something was done, if on one.
fn on(entry: Entry<'_>, meeting: Option<Id>) -> Entry<'_> {
    match meeting {
        Some(meeting) => entry.on(meeting),
        None => entry,
    }
}

impl Store {
    /// Queues a job.
    ///
    /// Errors: [`StoreError::Taken`] if the recording is waiting for recognition or being recognised already,
    /// [`StoreError::Erased`] if its audio was erased.
    pub async fn enqueue(&self, new: &NewJob, actor: &Actor, now: UnixMs) -> Result<Id, StoreError> {
        let mut tx = self.write().await?;
        let id = tx.enqueue(new, actor, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Returns a job.
    pub async fn job(&self, id: Id) -> Result<Option<Job>, StoreError> {
        let row = self.database.row(select_job!("WHERE id = $1"), values![id]).await?;
        row.map(|row| Job::from_row(&row)).transpose()
    }

    /// Returns the jobs of a meeting, the newest first; at most 100.
    pub async fn jobs_of_meeting(&self, meeting: Id) -> Result<Vec<Job>, StoreError> {
        let sql = select_job!("WHERE meeting_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2");
        let rows = self.database.rows(sql, values![meeting, LIST_MAX]).await?;
        rows.iter().map(Job::from_row).collect()
    }

    /// Cancels a job that waits, or asks the worker of a running one to stop. What is settled stays kept.
    pub async fn cancel_job(&self, id: Id, actor: &Actor, now: UnixMs) -> Result<Cancelled, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE jobs SET state = 'cancelled', finished_at = $2, cancel_asked = 1, hindrance = NULL \
                   WHERE id = $1 AND state = 'waiting'";
        let at_once = tx.run(sql, values![id, now]).await? > 0;
        let sql = "UPDATE jobs SET cancel_asked = 1 WHERE id = $1 AND state = 'running'";
        let cancelled = match at_once {
            true => Cancelled::AtOnce,
            false if tx.run(sql, values![id]).await? > 0 => Cancelled::Asked,
            false => return Ok(Cancelled::TooLate),
        };
        let meeting = tx.meeting_of_job(id).await?;
        tx.audit(on(Entry::done(actor, now, "job.cancel", id), meeting)).await?;
        tx.commit().await?;
        self.notices.tell(id);
        Ok(cancelled)
    }

    /// Queues a job again that failed or was cancelled; it goes on from what is settled. False for any other.
    ///
    /// Errors: [`StoreError::Taken`] if another job recognises the same recording now, [`StoreError::Erased`] if its
    /// audio was erased.
    pub async fn retry_job(&self, id: Id, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        // An erasure under way on PostgreSQL ends first, and is then seen; one that begins now waits, and sees the job.
        let meeting = tx.meeting_of_job(id).await?;
        let lock = tx.either("SELECT 1 WHERE $1 = ''", "SELECT 1 FROM meetings WHERE id = $1 FOR UPDATE");
        tx.row(lock, values![meeting]).await?;
        let sql = "UPDATE jobs SET state = 'waiting', attempts = 0, not_before = $2, queued_at = $2, failure = NULL, \
                   failure_detail = NULL, hindrance = NULL, cancel_asked = 0, finished_at = NULL \
                   WHERE id = $1 AND state IN ('failed', 'cancelled')";
        if tx.run(sql, values![id, now]).await? == 0 {
            return Ok(false);
        }
        tx.require_audio_of_job(id).await?;
        tx.audit(on(Entry::done(actor, now, "job.retry", id), meeting)).await?;
        tx.commit().await?;
        self.notices.tell(id);
        Ok(true)
    }
}

impl Tx {
    async fn require_audio(&mut self, recording: Id) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM recordings WHERE id = $1 AND erased_at IS NULL";
        self.row(sql, values![recording]).await?.map(drop).ok_or(StoreError::Erased)
    }

    async fn require_audio_of_job(&mut self, id: Id) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM jobs j JOIN recordings r ON r.id = j.recording_id WHERE j.id = $1 AND r.erased_at IS \
                   NULL";
        self.row(sql, values![id]).await?.map(drop).ok_or(StoreError::Erased)
    }

    async fn meeting_of_job(&mut self, id: Id) -> Result<Option<Id>, StoreError> {
        let row = self.row("SELECT meeting_id FROM jobs WHERE id = $1", values![id]).await?;
        row.map_or(Ok(None), |row| row.id_or_none(0))
    }
}

#[cfg(test)]
mod tests;
