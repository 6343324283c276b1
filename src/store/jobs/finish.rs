//! The end of a job: transcript, first minutes, state and audit become true together, or nothing does.

use super::{Lease, State, on};
use crate::clock::UnixMs;
use crate::minutes::Minutes;
use crate::minutes::template::Template;
use crate::speech::transcript::Transcript;
use crate::store::audit::{Actor, Entry};
use crate::store::dialect::{Tx, values};
use crate::store::minutes::EditionKind;
use crate::store::{Id, Store, StoreError};

/// What a job has made.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// What was heard.
    pub transcript: &'a Transcript,
    /// The first draft, for a meeting that has no minutes yet.
    pub draft: &'a Minutes,
    /// Sound recognised in a second of this run, milliseconds; none if the run was too short to tell.
    pub speed_ms: Option<u64>,
}

/// What was written at the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The version of the transcript.
    pub version: u64,
    /// Whether it became the first minutes; otherwise it is a proposal, and no edit was touched.
    pub is_first: bool,
}

impl Store {
    /// Returns the template that the minutes of a meeting begin with; none if it was made without one.
    ///
    /// Errors: [`StoreError::Damaged`] if what is stored is no template.
    pub async fn template_of_meeting(&self, meeting: Id) -> Result<Option<Template>, StoreError> {
        let sql =
            "SELECT t.document FROM meetings m JOIN templates t ON t.id = m.template_id WHERE m.id = $1";
        let row = self.database.row(sql, values![meeting]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    /// Ends a job with its result; `None` if another worker has it or it has ended, and then nothing is written.
    ///
    /// A wish to cancel that comes after the work was done is too late: the result is kept.
    pub async fn finish_job(
        &self,
        lease: Lease,
        finished: Finished<'_>,
        now: UnixMs,
    ) -> Result<Option<Kept>, StoreError> {
        let mut tx = self.write().await?;
        let Some(meeting) = tx.lock_lease(lease).await? else { return Ok(None) };
        if let Some(meeting) = meeting {
            // The meeting's row is held, so that two jobs never write the same version.
            let sql = "UPDATE meetings SET updated_at = $2 WHERE id = $1";
            tx.run(sql, values![meeting, now]).await?;
        }
        let version = tx.add_transcript(meeting, lease.job, finished.transcript, now).await?;
        let is_first = match meeting {
            Some(meeting) => {
                let actor = Actor { user: tx.asker(lease.job).await?, ..Actor::server() };
                let at = (finished.draft, EditionKind::Recognised);
                tx.begin_minutes(meeting, at, &actor, now).await?
            }
            None => false,
        };
        tx.close_job(lease.job, finished, now).await?;
        let gaps = finished.transcript.gaps.len();
        let detail = serde_json::json!({ "version": version, "first": is_first, "gaps": gaps });
        let server = Actor::server();
        tx.audit(on(Entry::done(&server, now, "job.done", lease.job).with(detail), meeting)).await?;
        tx.commit().await?;
        meeting.into_iter().chain([lease.job]).for_each(|changed| self.notices.tell(changed));
        Ok(Some(Kept { version, is_first }))
    }
}

impl Tx {
    /// Returns who asked for a job.
    async fn asker(&mut self, job: Id) -> Result<Option<Id>, StoreError> {
        let row = self.row("SELECT user_id FROM jobs WHERE id = $1", values![job]).await?;
        row.map(|row| row.id(0)).transpose()
    }

    async fn close_job(&mut self, job: Id, finished: Finished<'_>, now: UnixMs) -> Result<(), StoreError> {
        let transcript = finished.transcript;
        let state = if transcript.gaps.is_empty() { State::Done } else { State::DoneWithGaps };
        let speed_ms = finished.speed_ms.map(|speed| i64::try_from(speed).unwrap_or(i64::MAX));
        self.run(
            "UPDATE jobs SET state = $2, settled_ms = $3, expected_ms = $3, finished_at = $4, speed_ms = $5, \
             lease_owner = NULL, lease_until = NULL, hindrance = NULL, cancel_asked = 0, attempts = 0 WHERE id = $1",
            values![job, state.word(), transcript.duration_ms, now, speed_ms],
        )
        .await?;
        let sql = "UPDATE recordings SET duration_ms = $2 \
                   WHERE id = (SELECT recording_id FROM jobs WHERE id = $1)";
        self.run(sql, values![job, transcript.duration_ms]).await?;
        self.run("DELETE FROM windows WHERE job_id = $1", values![job]).await.map(drop)
    }
}
