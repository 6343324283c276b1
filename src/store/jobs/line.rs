//! Whose turn it is, how long the line is, and how fast it moves.
//!
//! Fair means: priority first; then whoever has had the least. A job ranks behind as many turns as its user has taken
//! within the last hour or is taking now, plus the user's own jobs before it in the line. So the first job of a
//! colleague goes before the second of somebody who brought ten. Among equals the earlier one goes first; an hour
//! after one's last turn nothing counts any more, so nobody waits for ever.

use std::time::Duration;

use crate::clock::UnixMs;
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// For how long a turn taken counts against its user.
pub const LIVE_SINCE: Duration = Duration::from_secs(3600);
/// Most places in the line that are counted.
const LINE_MAX: u32 = 1_000;
/// How many of the last jobs the speed is measured by.
const SPEEDS: u32 = 10;

/// Completes a statement about jobs `j` that can be claimed at `$1`, in their order; turns since `$2` count.
macro_rules! queue {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " FROM jobs j WHERE (j.state = 'waiting' AND j.not_before <= $1) \
             OR (j.state = 'running' AND j.lease_until <= $1) \
             ORDER BY j.priority DESC, \
             (SELECT COUNT(*) FROM jobs o WHERE o.user_id = j.user_id AND o.id <> j.id AND ( \
             (o.state = 'running' AND o.lease_until > $1) OR (o.state <> 'waiting' AND o.started_at > $2) OR \
             (o.state = 'waiting' AND o.not_before <= $1 AND o.priority >= j.priority AND \
             (o.queued_at < j.queued_at OR (o.queued_at = j.queued_at AND o.id < j.id))))), \
             j.queued_at, j.id ",
            $rest
        )
    };
}
pub(super) use queue;

/// A job in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The job.
    pub job: Id,
    /// Sound still to be recognised, if its length is known, milliseconds.
    pub remaining_ms: Option<u64>,
}

/// A job being worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Working {
    /// The job.
    pub job: Id,
    /// Sound still to be recognised, if its length is known, milliseconds.
    pub remaining_ms: Option<u64>,
    /// Sound recognised since it was claimed, milliseconds.
    pub advanced_ms: u64,
    /// Since when it is worked on.
    pub claimed_at: UnixMs,
}

/// The whole queue at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Jobs being worked on.
    pub working: Vec<Working>,
    /// Jobs that could be claimed now, whose turn it is first; at most 1,000.
    pub waiting: Vec<Waiting>,
    /// Sound recognised in a second by one worker, over the last jobs, milliseconds; none before the first.
    pub speed_ms: Option<u64>,
}

impl Line {
    /// Returns the place of a job in the line, the first being 1; none if it does not wait for its turn.
    pub fn place(&self, job: Id) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.job == job).map(|index| index + 1)
    }
}

impl Store {
    /// Returns the queue as it stands.
    pub async fn line(&self, now: UnixMs) -> Result<Line, StoreError> {
        let sql = queue!("SELECT j.id, j.expected_ms, j.settled_ms", "LIMIT $3");
        let rows = self.database.rows(sql, values![now, now.minus(LIVE_SINCE), LINE_MAX]).await?;
        let waiting = rows.iter().map(|row| {
            let remaining_ms = remaining(row.int_or_none(1)?, row.count(2)?);
            Ok(Waiting { job: row.id(0)?, remaining_ms })
        });
        let waiting = waiting.collect::<Result<_, StoreError>>()?;
        let sql = "SELECT id, expected_ms, settled_ms, resumed_ms, claimed_at FROM jobs \
                   WHERE state = 'running' AND lease_until > $1 AND claimed_at IS NOT NULL ORDER BY id LIMIT $2";
        let rows = self.database.rows(sql, values![now, LINE_MAX]).await?;
        let working = rows.iter().map(|row| {
            let settled_ms = row.count(2)?;
            Ok(Working {
                job: row.id(0)?,
                remaining_ms: remaining(row.int_or_none(1)?, settled_ms),
                advanced_ms: settled_ms.saturating_sub(row.count(3)?),
                claimed_at: row.at(4)?,
            })
        });
        let working = working.collect::<Result<_, StoreError>>()?;
        Ok(Line { working, waiting, speed_ms: self.speed().await? })
    }

    /// Returns the median speed of the last jobs: one odd job says nothing.
    async fn speed(&self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT speed_ms FROM jobs WHERE speed_ms IS NOT NULL ORDER BY finished_at DESC LIMIT $1";
        let rows = self.database.rows(sql, values![SPEEDS]).await?;
        let mut speeds = rows.iter().map(|row| row.count(0)).collect::<Result<Vec<_>, _>>()?;
        speeds.sort_unstable();
        Ok(speeds.get(speeds.len() / 2).copied())
    }
}

fn remaining(expected_ms: Option<i64>, settled_ms: u64) -> Option<u64> {
    expected_ms.map(|ms| u64::try_from(ms).unwrap_or(0).saturating_sub(settled_ms))
}
