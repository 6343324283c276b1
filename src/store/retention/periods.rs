//! How long things are kept that nobody gave a date of their own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry};
use crate::store::{Store, StoreError};

/// For how long a new setting erases nothing: a slip of the pen shows in the list of what is due before it costs a
/// recording.
pub const NOTICE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Days after the last change of a meeting, for one whose own dates nobody set; 0 keeps for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods {
    /// For its recordings.
    pub audio_days: u32,
    /// For what was recognised and written.
    pub minutes_days: u32,
}

/// Periods that hold for this process, until others are set. Nothing is due by them at first.
#[derive(Debug, Default)]
pub(in crate::store) struct InForce(Mutex<(Periods, UnixMs)>);

impl InForce {
    /// Returns the periods, and the moment before which they make nothing due.
    pub(super) fn read(&self) -> (Periods, UnixMs) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Periods {
    /// Returns both in milliseconds.
    pub(super) fn ms(self) -> [i64; 2] {
        [self.audio_days, self.minutes_days].map(|days| i64::from(days) * 24 * 3600 * 1000)
    }
}

const LAST: &str = "SELECT detail, at FROM audit WHERE event = 'retention.periods' ORDER BY seq DESC LIMIT 1";

impl Store {
    /// Sets how long things are kept that have no date of their own; other periods than at the last start are written
    /// into the audit log and erase nothing in their first seven days.
    ///
    /// Errors: the database does not answer; what held before still holds.
    pub async fn set_periods(&self, periods: Periods, now: UnixMs) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let last = match tx.row(LAST, &[]).await? {
            Some(row) => Some((row.json::<Periods>(0)?, row.at(1)?)),
            None => None,
        };
        let since = match last {
            Some((known, since)) if known == periods => since,
            // Nothing was ever set, and nothing is: there is nothing to tell.
            None if periods == Periods::default() => now,
            Some(_) | None => {
                let server = Actor::server();
                let detail = serde_json::json!(periods);
                tx.audit(Entry::done(&server, now, "retention.periods", "").with(detail)).await?;
                now
            }
        };
        tx.commit().await?;
        *self.periods.0.lock().unwrap_or_else(PoisonError::into_inner) = (periods, since.plus(NOTICE));
        Ok(())
    }
}
