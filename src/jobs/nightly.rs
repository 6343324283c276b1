//! A backup every night, by the server itself. One that fails is told and tried again; it never stops anything else.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::UnixMs;
use crate::store::Store;
use crate::store::backup::{BackupError, Key, Shelf, Shelved, Source, Told};
use crate::store::blobs::Blobs;

/// 2:00 in Japan, as milliseconds of a day in UTC: the day's work is done, the next one's has not begun.
const NIGHT_MS: i64 = 17 * 3600 * 1000;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// How long after a failure it is tried again: a full disk is not read through every few minutes.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// Tells whether a backup is due: 2:00 in Japan has come since the last one, or there is none.
///
/// One from the future counts for nothing: the clock was wrong, and waiting for it could take years.
pub fn due(last: Option<UnixMs>, now: UnixMs) -> bool {
    let night = now.ms() - (now.ms() - NIGHT_MS).rem_euclid(DAY_MS);
    last.is_none_or(|last| last.ms() < night || last > now)
}

/// What is backed up, and where to.
#[derive(Debug, Clone)]
pub struct Nightly {
    /// The tables.
    pub store: Store,
    /// The recordings.
    pub blobs: Blobs,
    /// The data folder.
    pub data: PathBuf,
    /// Where backups stand.
    pub shelf: Shelf,
    /// The file with the key; read anew each night.
    pub key_file: PathBuf,
}

impl Nightly {
    /// Makes a backup if one is due, and tells on the store's board how backups go.
    ///
    /// Errors: why none could be made; what stood there before still does.
    pub async fn pass(&self, now: UnixMs, stop: &CancellationToken) -> Result<Option<Shelved>, BackupError> {
        let (work, stop, handle) = (self.clone(), stop.clone(), Handle::current());
        // Hours of hashing and encrypting: not on the threads that answer browsers.
        let making = spawn_blocking(move || handle.block_on(work.make(now, &stop)));
        let made = making.await.unwrap_or_else(|error| Err(BackupError::Io(std::io::Error::other(error))));
        self.tell(&made, now);
        made
    }

    async fn make(&self, now: UnixMs, stop: &CancellationToken) -> Result<Option<Shelved>, BackupError> {
        if !due(last(&self.shelf.list()?, now).map(|backup| backup.at), now) {
            return Ok(None);
        }
        let key = Key::read(&self.key_file)?;
        let source = Source { store: &self.store, blobs: &self.blobs, data: &self.data };
        self.shelf.add(&source, &key, now, stop).await.map(Some)
    }

    fn tell(&self, made: &Result<Option<Shelved>, BackupError>, now: UnixMs) {
        // A folder that cannot be read is a failure by itself: `made` has told it.
        let mut there = self.shelf.list().unwrap_or_default();
        let is_failing = made.is_err() || last(&there, now).is_none_or(|backup| !backup.is_whole);
        there.retain(|backup| backup.is_whole);
        let last_whole = last(&there, now).map(|backup| backup.at);
        let known = self.store.backups().told().and_then(|told| told.last_whole);
        self.store.backups().tell(Told { last_whole: last_whole.or(known), is_failing });
    }
}

/// Returns the newest that is not from the future.
fn last(backups: &[Shelved], now: UnixMs) -> Option<&Shelved> {
    backups.iter().filter(|backup| backup.at <= now).max_by_key(|backup| backup.at)
}

/// Makes a backup every night, until told to stop; one under way is then given up.
pub async fn run(nightly: Nightly, clock: impl Fn() -> UnixMs, stop: CancellationToken) {
    loop {
        let pause = match nightly.pass(clock(), &stop).await {
            Ok(None) => LOOK_EVERY,
            Ok(Some(made)) if made.is_whole => {
                tracing::info!(backup = made.name(), "made the nightly backup");
                LOOK_EVERY
            }
            Ok(Some(made)) => {
                tracing::error!(
                    backup = made.name(),
                    "the nightly backup lacks recordings that are damaged or gone"
                );
                LOOK_EVERY
            }
            Err(_) if stop.is_cancelled() => return,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the nightly backup failed and will be tried again in an hour");
                AFTER_FAILURE
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-22 02:00 in Japan.
    const NIGHT: UnixMs = UnixMs::from_ms(1_795_280_400_000);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_backup_is_due_at_two_in_japan_and_then_not_before_the_next_night() {
        let day = Duration::from_secs(24 * 3600);
        let last = NIGHT.minus(day).plus(MINUTE);
        assert!(!due(Some(last), NIGHT.minus(MINUTE)));
        assert!(due(Some(last), NIGHT));
        assert!(!due(Some(NIGHT), NIGHT.plus(day).minus(MINUTE)));
        assert!(due(Some(NIGHT), NIGHT.plus(day)));
    }

    #[test]
    fn a_server_that_slept_at_night_makes_up_for_it_once() {
        let noon = NIGHT.plus(600 * MINUTE);
        assert!(due(Some(NIGHT.minus(MINUTE)), noon));
        assert!(!due(Some(noon), noon.plus(MINUTE)));
        assert!(due(None, noon), "the first one is not waited for");
    }

    #[test]
    fn a_backup_from_the_future_does_not_put_off_the_next_one() {
        assert!(due(Some(NIGHT.plus(MINUTE)), NIGHT));
    }

    proptest! {
        #[test]
        fn within_a_day_after_a_backup_one_is_due_and_after_it_none_at_once(at in 0_i64..1 << 45, later in 0..DAY_MS) {
            let (at, then) = (UnixMs::from_ms(at), UnixMs::from_ms(at + later));
            prop_assert!(!due(Some(at), at));
            prop_assert!(due(Some(at), at.plus(Duration::from_secs(24 * 3600))));
            prop_assert!(!due(Some(then), then));
        }
    }
}
