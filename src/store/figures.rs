//! Figures of the service for a monitor: counts and times, never names.

use std::time::Duration;

use super::dialect::values;
use super::{Store, StoreError};
use crate::clock::UnixMs;

/// How far back the speed of jobs is judged.
const LOOKING_BACK: Duration = Duration::from_secs(24 * 3600);

/// How the service is doing at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Jobs by their state.
    pub jobs: Vec<(String, u64)>,
    /// How long the job that waits longest has been waiting.
    pub oldest_wait: Duration,
    /// Seconds of work per second of sound, of the jobs that ended in the last day; `None` if none did.
    pub real_time_factor: Option<f64>,
    /// Sessions that have not ended.
    pub sessions: u64,
    /// How long ago the last nightly backup with every recording was begun; `None` if this process knows of none.
    pub backup_age: Option<Duration>,
    /// Whether the last try of a nightly backup gave none, or one with gaps; `None` where none are made.
    pub is_backup_failing: Option<bool>,
}

impl Store {
    /// Counts.
    pub async fn figures(&self, now: UnixMs) -> Result<Figures, StoreError> {
        let sql = "SELECT state, COUNT(*) FROM jobs GROUP BY state ORDER BY state LIMIT 20";
        let rows = self.database.rows(sql, &[]).await?;
        let jobs =
            rows.iter().map(|row| Ok((row.text(0)?, row.count(1)?))).collect::<Result<_, StoreError>>()?;
        let sql = "SELECT MIN(queued_at) FROM jobs WHERE state = 'waiting' AND not_before <= $1";
        let oldest = self.database.row(sql, values![now]).await?;
        let oldest = oldest.map_or(Ok(None), |row| row.at_or_none(0))?;
        let sql = "SELECT CAST(SUM(j.finished_at - j.started_at) AS BIGINT), CAST(SUM(r.duration_ms) AS BIGINT) FROM jobs \
                   j JOIN recordings r ON r.id = j.recording_id WHERE j.failure IS NULL AND j.started_at IS NOT NULL AND \
                   r.duration_ms > 0 AND j.finished_at > $1";
        let speed = self.database.row(sql, values![now.minus(LOOKING_BACK)]).await?;
        let real_time_factor = match speed {
            Some(row) => match (row.int_or_none(0)?, row.int_or_none(1)?) {
                (Some(work_ms), Some(sound_ms)) => Some(work_ms as f64 / sound_ms as f64),
                _ => None,
            },
            None => None,
        };
        let sql = "SELECT COUNT(*) FROM sessions WHERE expires_at > $1";
        let sessions = self.database.row(sql, values![now]).await?.map_or(Ok(0), |row| row.count(0))?;
        let oldest_wait = oldest.map_or(Duration::ZERO, |at| now.since(at));
        let backups = self.backups().told();
        let backup_age = backups.and_then(|told| told.last_whole).map(|at| now.since(at));
        let is_backup_failing = backups.map(|told| told.is_failing);
        Ok(Figures { jobs, oldest_wait, real_time_factor, sessions, backup_age, is_backup_failing })
    }
}
