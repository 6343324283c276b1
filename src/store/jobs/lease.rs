//! A worker's side of the queue: claim, renew, keep, give back. Each write carries the number of the lease.

use std::time::Duration;

use super::line::{LIVE_SINCE, queue};
use super::{ATTEMPTS_MAX, Failure, Hindrance, Job, State, backoff, on, select_job};
use crate::clock::UnixMs;
use crate::speech::longform::Outcome;
use crate::store::audit::{Actor, Entry};
use crate::store::dialect::{Tx, values};
use crate::store::seats::Fence;
use crate::store::windows::Question;
use crate::store::{Id, Store, StoreError};

/// Jobs given up in one claim because the server died of them, before one is found that can be tried.
const GIVEN_UP_MAX: usize = 16;
/// Most windows of one job that are read back: twelve hours in windows of two seconds.
const WINDOWS_MAX: u32 = 21_600;

/// The right to work on a job until somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: Id,
    /// The number of the claim; a later claim has a greater one.
    pub token: i64,
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The job, running now.
    pub job: Job,
    /// The right to work on it.
    pub lease: Lease,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Everything before this is settled, milliseconds.
    pub settled_ms: u64,
    /// Length of the recording, as far as it is known, milliseconds.
    pub expected_ms: Option<u64>,
}

/// Whether a worker still has its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Go on.
    Held,
    /// Stop soon, then say so: somebody wants it cancelled.
    CancelAsked,
    /// Stop now and write nothing: another worker has it, or it has ended.
    Lost,
    /// Stop now and write nothing: the seat it was worked on with is somebody else's.
    Unseated,
}

/// How a job leaves its worker.
#[derive(Default)]
struct Leaving {
    state: &'static str,
    not_before: UnixMs,
    hindrance: Option<Hindrance>,
    attempts: i64,
    failure: Option<(Failure, Option<String>)>,
    finished_at: Option<UnixMs>,
}

impl Leaving {
    fn waiting(not_before: UnixMs, attempts: u32) -> Self {
        Self { state: State::Waiting.word(), not_before, attempts: attempts.into(), ..Self::default() }
    }

    fn ended(state: State, attempts: u32, now: UnixMs) -> Self {
        let (state, attempts) = (state.word(), attempts.into());
        Self { state, not_before: now, attempts, finished_at: Some(now), ..Self::default() }
    }
}

/// What is looked at when a job is left: read under a lock on its row.
struct Held {
    meeting: Option<Id>,
    attempts: u32,
    cancel_asked: bool,
}

impl Store {
    /// Claims the job whose turn it is, for `duration`; `None` if there is nothing to do.
    ///
    /// A job whose lease has lapsed counts a setback; after [`ATTEMPTS_MAX`] in a row without progress it has failed.
    pub async fn claim_job(
        &self,
        owner: &str,
        duration: Duration,
        now: UnixMs,
    ) -> Result<Option<Claimed>, StoreError> {
        let sql = "SELECT 1 FROM jobs WHERE (state = 'waiting' AND not_before <= $1) \
                   OR (state = 'running' AND lease_until <= $1) LIMIT 1";
        if self.database.row(sql, values![now]).await?.is_none() {
            return Ok(None);
        }
        let mut tx = self.write().await?;
        let sql = "UPDATE jobs SET state = 'cancelled', finished_at = $1, lease_owner = NULL, lease_until = NULL \
                   WHERE state = 'running' AND cancel_asked = 1 AND lease_until <= $1";
        tx.run(sql, values![now]).await?;
        let mut claimed = None;
        for _ in 0..GIVEN_UP_MAX {
            let Some((id, attempts)) = tx.next_in_line(now).await? else { break };
            if attempts >= ATTEMPTS_MAX {
                tx.give_up(id, now).await?;
                continue;
            }
            claimed = Some(tx.take(id, attempts, owner, now.plus(duration), now).await?);
            break;
        }
        tx.commit().await?;
        claimed.iter().for_each(|claimed: &Claimed| self.notices.tell(claimed.job.id));
        Ok(claimed)
    }

    /// Lets go of what a node of this name held before it ended: a restarted server goes on at once.
    ///
    /// Range: only for a name that no living node has; returns how many jobs it held.
    pub async fn free_leases(&self, owner: &str, now: UnixMs) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE jobs SET lease_until = $2 WHERE state = 'running' AND lease_owner = $1 AND lease_until > $2";
        let freed = tx.run(sql, values![owner, now]).await?;
        tx.commit().await?;
        Ok(freed)
    }

    /// Says how far a job has come and keeps it for another `duration`. Progress never goes back.
    pub async fn renew_lease(
        &self,
        lease: Lease,
        reached: Reached,
        duration: Duration,
        now: UnixMs,
    ) -> Result<Hold, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE jobs SET lease_until = $3, \
                   attempts = CASE WHEN $4 > settled_ms THEN 0 ELSE attempts END, \
                   settled_ms = CASE WHEN $4 > settled_ms THEN $4 ELSE settled_ms END, \
                   expected_ms = COALESCE($5, expected_ms) \
                   WHERE id = $1 AND lease_token = $2 AND state = 'running'";
        let expected_ms = reached.expected_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let until = now.plus(duration);
        tx.run(sql, values![lease.job, lease.token, until, reached.settled_ms, expected_ms]).await?;
        let hold = tx.hold(lease).await?;
        tx.commit().await?;
        self.notices.tell(lease.job);
        Ok(hold)
    }

    /// Keeps a window that was settled; it is durable when this returns. The same window twice is kept once.
    pub async fn keep_window(
        &self,
        lease: Lease,
        seat: Fence,
        question: &Question,
        outcome: &Outcome,
    ) -> Result<Hold, StoreError> {
        let text = |error| StoreError::Damaged { what: format!("a window to be kept: {error}") };
        let document = serde_json::to_string(outcome).map_err(text)?;
        let key = serde_json::to_string(&outcome.key).map_err(text)?;
        let mut tx = self.write().await?;
        let Some(held) = tx.lock(lease).await? else { return Ok(Hold::Lost) };
        if !tx.is_seated(seat).await? {
            return Ok(Hold::Unseated);
        }
        tx.run(
            "INSERT INTO windows (job_id, key, question, until_ms, outcome) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (job_id, key) DO UPDATE SET question = $3, until_ms = $4, outcome = $5",
            values![lease.job, key, serde_json::json!(question).to_string(), outcome.until_ms, document],
        )
        .await?;
        // A window more is a step forward: whatever went wrong before is forgiven.
        tx.run("UPDATE jobs SET attempts = 0 WHERE id = $1 AND attempts > 0", values![lease.job]).await?;
        tx.commit().await?;
        Ok(if held.cancel_asked { Hold::CancelAsked } else { Hold::Held })
    }

    /// Returns the windows kept for a job that answer the same question, in the order of time.
    pub async fn kept_windows(&self, job: Id, question: &Question) -> Result<Vec<Outcome>, StoreError> {
        let sql =
            "SELECT outcome FROM windows WHERE job_id = $1 AND question = $2 ORDER BY until_ms, key LIMIT $3";
        let question = serde_json::json!(question).to_string();
        let rows = self.database.rows(sql, values![job, question, WINDOWS_MAX]).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }

    /// Returns what of a running job is settled after a point of the recording, in the order of time.
    pub async fn settled_windows(&self, job: Id, after_ms: u64) -> Result<Vec<Outcome>, StoreError> {
        let sql = "SELECT w.outcome FROM windows w JOIN jobs j ON j.id = w.job_id WHERE w.job_id = $1 AND \
                   w.until_ms > $2 AND w.until_ms <= j.settled_ms ORDER BY w.until_ms, w.key LIMIT $3";
        let rows = self.database.rows(sql, values![job, after_ms, WINDOWS_MAX]).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }

    /// Gives a job back as it is, so that another worker or a later start of this one goes on at once.
    pub async fn release_job(&self, lease: Lease, now: UnixMs) -> Result<Hold, StoreError> {
        self.leave(lease, now, |held| Leaving::waiting(now, held.attempts)).await
    }

    /// Gives a job back until something outside of it is mended; this counts as no setback.
    pub async fn hinder_job(
        &self,
        lease: Lease,
        hindrance: Hindrance,
        until: UnixMs,
        now: UnixMs,
    ) -> Result<Hold, StoreError> {
        let hindrance = Some(hindrance);
        self.leave(lease, now, |held| Leaving { hindrance, ..Leaving::waiting(until, held.attempts) }).await
    }

    /// Gives a job back after a setback, to be tried again after a pause that grows; after [`ATTEMPTS_MAX`] setbacks in
    /// a row it has failed, and `failure` says of what.
    pub async fn back_off_job(
        &self,
        lease: Lease,
        hindrance: Hindrance,
        failure: Failure,
        now: UnixMs,
    ) -> Result<Hold, StoreError> {
        self.leave(lease, now, |held| {
            let attempts = held.attempts + 1;
            if attempts >= ATTEMPTS_MAX {
                let failure = Some((failure, None));
                return Leaving { failure, ..Leaving::ended(State::Failed, attempts, now) };
            }
            let waiting = Leaving::waiting(now.plus(backoff(attempts)), attempts);
            Leaving { hindrance: Some(hindrance), ..waiting }
        })
        .await
    }

    /// Says that a job cannot be done. The recording and all windows stay; a person may have it tried again.
    pub async fn fail_job(
        &self,
        lease: Lease,
        failure: Failure,
        detail: Option<String>,
        now: UnixMs,
    ) -> Result<Hold, StoreError> {
        self.leave(lease, now, |held| {
            let ended = Leaving::ended(State::Failed, held.attempts, now);
            Leaving { failure: Some((failure, detail)), ..ended }
        })
        .await
    }

    /// Says that a job stopped because somebody wanted it cancelled. Its windows stay for a retry.
    pub async fn drop_job(&self, lease: Lease, now: UnixMs) -> Result<Hold, StoreError> {
        self.leave(lease, now, |held| Leaving::ended(State::Cancelled, held.attempts, now)).await
    }

    /// Writes how a job leaves its worker; one that somebody wants cancelled never waits again.
    async fn leave(
        &self,
        lease: Lease,
        now: UnixMs,
        how: impl FnOnce(&Held) -> Leaving,
    ) -> Result<Hold, StoreError> {
        let mut tx = self.write().await?;
        let Some(held) = tx.lock(lease).await? else { return Ok(Hold::Lost) };
        let mut leaving = how(&held);
        if held.cancel_asked && leaving.state == State::Waiting.word() {
            leaving = Leaving::ended(State::Cancelled, held.attempts, now);
        }
        tx.write_leaving(lease.job, held.meeting, leaving, now).await?;
        tx.commit().await?;
        self.notices.tell(lease.job);
        Ok(Hold::Held)
    }
}

impl Tx {
    async fn next_in_line(&mut self, now: UnixMs) -> Result<Option<(Id, u32)>, StoreError> {
        let sql = self.either(
            queue!("SELECT j.id, j.state, j.attempts", "LIMIT 1"),
            queue!("SELECT j.id, j.state, j.attempts", "LIMIT 1 FOR UPDATE OF j SKIP LOCKED"),
        );
        let Some(row) = self.row(sql, values![now, now.minus(LIVE_SINCE)]).await? else { return Ok(None) };
        let lapsed = row.text(1)? == State::Running.word();
        let attempts = u32::try_from(row.count(2)?).unwrap_or(u32::MAX);
        Ok(Some((row.id(0)?, attempts.saturating_add(u32::from(lapsed)))))
    }

    async fn take(
        &mut self,
        id: Id,
        attempts: u32,
        owner: &str,
        until: UnixMs,
        now: UnixMs,
    ) -> Result<Claimed, StoreError> {
        let sql = "UPDATE jobs SET state = 'running', attempts = $2, lease_owner = $3, \
                   lease_token = lease_token + 1, lease_until = $4, claimed_at = $5, resumed_ms = settled_ms, \
                   started_at = COALESCE(started_at, $5), hindrance = NULL WHERE id = $1";
        self.run(sql, values![id, attempts, owner, until, now]).await?;
        let gone = || StoreError::Damaged { what: "a job just claimed is gone".to_owned() };
        let row = self.row(select_job!("WHERE id = $1"), values![id]).await?.ok_or_else(gone)?;
        let job = Job::from_row(&row)?;
        let row = self.row("SELECT lease_token FROM jobs WHERE id = $1", values![id]).await?;
        let token = row.ok_or_else(gone)?.int(0)?;
        Ok(Claimed { job, lease: Lease { job: id, token } })
    }

    /// Ends a job during which the server died again and again.
    async fn give_up(&mut self, id: Id, now: UnixMs) -> Result<(), StoreError> {
        let meeting = self.meeting_of_job(id).await?;
        let ended = Leaving::ended(State::Failed, ATTEMPTS_MAX, now);
        let leaving = Leaving { failure: Some((Failure::Crashed, None)), ..ended };
        self.write_leaving(id, meeting, leaving, now).await
    }

    async fn write_leaving(
        &mut self,
        id: Id,
        meeting: Option<Id>,
        leaving: Leaving,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (failure, detail) = leaving.failure.unzip();
        self.run(
            "UPDATE jobs SET state = $2, not_before = $3, hindrance = $4, attempts = $5, failure = $6, \
             failure_detail = $7, finished_at = $8, lease_owner = NULL, lease_until = NULL WHERE id = $1",
            values![
                id,
                leaving.state,
                leaving.not_before,
                leaving.hindrance.map(Hindrance::word),
                leaving.attempts,
                failure.map(Failure::word),
                detail.flatten(),
                leaving.finished_at
            ],
        )
        .await?;
        let Some(failure) = failure else { return Ok(()) };
        let server = Actor::server();
        let detail = serde_json::json!({ "failure": failure });
        self.audit(on(Entry::done(&server, now, "job.fail", id).with(detail), meeting)).await
    }

    async fn hold(&mut self, lease: Lease) -> Result<Hold, StoreError> {
        let sql = "SELECT cancel_asked FROM jobs WHERE id = $1 AND lease_token = $2 AND state = 'running'";
        Ok(match self.row(sql, values![lease.job, lease.token]).await? {
            None => Hold::Lost,
            Some(row) if row.flag(0)? => Hold::CancelAsked,
            Some(_) => Hold::Held,
        })
    }

    /// Locks the row of a job that this lease still holds: no claim comes between now and the commit.
    pub(super) async fn lock_lease(&mut self, lease: Lease) -> Result<Option<Option<Id>>, StoreError> {
        Ok(self.lock(lease).await?.map(|held| held.meeting))
    }

    async fn lock(&mut self, lease: Lease) -> Result<Option<Held>, StoreError> {
        let sql = self.either(
            "SELECT meeting_id, attempts, cancel_asked FROM jobs \
             WHERE id = $1 AND lease_token = $2 AND state = 'running'",
            "SELECT meeting_id, attempts, cancel_asked FROM jobs \
             WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR UPDATE",
        );
        let row = self.row(sql, values![lease.job, lease.token]).await?;
        row.map(|row| {
            let attempts = u32::try_from(row.count(1)?).unwrap_or(u32::MAX);
            Ok(Held { meeting: row.id_or_none(0)?, attempts, cancel_asked: row.flag(2)? })
        })
        .transpose()
    }
}
