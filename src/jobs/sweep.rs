//! Once an hour: what is due is erased, and what nothing refers to is removed. Correctness never depends on it.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry};
use crate::store::blobs::{BlobError, BlobKey, Blobs};
use crate::store::minutes::DRAFT_LIFE;
use crate::store::retention::{Certificate, Staged};
use crate::store::staging::Staging;
use crate::store::{Store, StoreError};

/// How often.
const EVERY: Duration = Duration::from_secs(3600);
/// How old something must be before it can be an orphan: its row may be on its way.
pub const ORPHAN_AGE_MIN: Duration = Duration::from_secs(24 * 3600);
/// How long an unfinished upload is kept after it is shown as 期限切れ.
pub const RESTED_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// Most erasures of one pass.
const ERASURES_MAX: u32 = 100;
/// Most orphans removed in one pass: many at once would mean that something else is wrong.
const ORPHANS_MAX: usize = 100;

/// What a pass works on.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The tables.
    pub store: Store,
    /// The recordings.
    pub blobs: Blobs,
    /// Where unfinished uploads grow; shared with whoever receives them.
    pub staging: Staging,
    /// How long an upload may rest before it is shown as 期限切れ.
    pub unfinished: Duration,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Erasures completed.
    pub erased: u32,
    /// Erasures that wait: for a job, or for the end of 法的保留.
    pub postponed: u32,
    /// Erasures that failed; the next pass does them again.
    pub failed: u32,
    /// Recordings and unfinished uploads that nothing referred to, removed.
    pub orphans: u32,
    /// Unfinished uploads that were given up: nobody went on with them for long.
    pub rested: u64,
}

/// Why something could not be swept; the next pass tries again.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The database refused.
    #[error("the database refused")]
    Store(#[from] StoreError),
    /// The store of recordings refused.
    #[error("the store of recordings refused")]
    Blob(#[from] BlobError),
}

impl Sweep {
    /// Does one pass.
    ///
    /// Errors: the database or the store of recordings does not answer; an erasure that fails alone is counted.
    pub async fn pass(&self, now: UnixMs) -> Result<Swept, SweepError> {
        let (mut swept, server) = (Swept::default(), Actor::server());
        let transferred = self.store.apply_transfers(now).await?;
        if transferred > 0 {
            tracing::info!(transferred, "made the transfers whose day has come");
        }
        self.store.forget_drafts(now.minus(DRAFT_LIFE)).await?;
        let voices = self.store.erase_due_voices(now).await?;
        if voices > 0 {
            tracing::info!(voices, "erased the voices that were due");
        }
        for begun in self.store.unfinished_erasures().await? {
            self.settle(&begun, &server, now, &mut swept).await;
        }
        for due in self.store.due(now, ERASURES_MAX).await? {
            if due.busy {
                swept.postponed += 1;
                continue;
            }
            match self.store.begin_erasure(due.meeting, due.what, &server, now).await? {
                Some(begun) => self.settle(&begun, &server, now, &mut swept).await,
                None => swept.postponed += 1,
            }
        }
        let rested_since = now.minus(self.unfinished).minus(RESTED_KEPT);
        swept.rested = self.store.remove_rested_uploads(&self.staging, rested_since, now).await?;
        swept.orphans = self.remove_orphans(&server, now).await?;
        Ok(swept)
    }

    async fn settle(&self, begun: &Certificate, actor: &Actor, now: UnixMs, swept: &mut Swept) {
        match self.destroy(begun, actor, now).await {
            Ok(true) => swept.erased += 1,
            Ok(false) => swept.postponed += 1,
            Err(error) => {
                swept.failed += 1;
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, erasure.id = %begun.id, "an erasure is not complete and will be tried again");
            }
        }
    }

    async fn destroy(&self, begun: &Certificate, actor: &Actor, now: UnixMs) -> Result<bool, SweepError> {
        for blob in &begun.blobs {
            self.blobs.delete(&blob.parse::<BlobKey>()?).await?;
        }
        Ok(self.store.finish_erasure(begun.id, actor, now).await?.is_some())
    }

    async fn remove_orphans(&self, actor: &Actor, now: UnixMs) -> Result<u32, SweepError> {
        let before = now.minus(ORPHAN_AGE_MIN);
        let mut orphans = Vec::new();
        let mut listed = self.blobs.list();
        while let Some(found) = listed.next().await {
            let found = found?;
            let is_young = UnixMs::from_ms(found.sealed_unix_ms) > before;
            if orphans.len() <= ORPHANS_MAX
                && !is_young
                && !self.store.is_blob_known(found.key.as_str()).await?
            {
                orphans.push(found.key);
            }
        }
        // Recordings, and not one row: the database is new or another one, and the recordings are somebody's.
        if !orphans.is_empty() && !self.store.has_recordings().await? {
            tracing::warn!(
                count = orphans.len(),
                "recordings without a database that knows them are left alone"
            );
            orphans.clear();
        }
        if orphans.len() > ORPHANS_MAX {
            tracing::warn!(count = orphans.len(), "many recordings have no row; only some are removed now");
            orphans.truncate(ORPHANS_MAX);
        }
        let mut removed = 0;
        for key in orphans {
            self.blobs.delete(&key).await?;
            self.store.note(Entry::done(actor, now, "orphan.remove", key)).await?;
            removed += 1;
        }
        for name in (Staged { folder: self.staging.folder(), before, limit: ORPHANS_MAX }).names()? {
            if !self.store.is_upload_known(&name).await? {
                Staged::remove(self.staging.folder(), &name)?;
                self.store.note(Entry::done(actor, now, "orphan.remove", name)).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Does a pass now and once an hour, until told to stop; a pass under way is finished first.
pub async fn run(sweep: Sweep, clock: impl Fn() -> UnixMs, stop: CancellationToken) {
    let mut hours = tokio::time::interval(EVERY);
    hours.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(hours.tick()).await.is_some() {
        match sweep.pass(clock()).await {
            Ok(Swept { erased, postponed, failed, orphans, rested }) => {
                tracing::info!(erased, postponed, failed, orphans, rested, "swept what was due");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the sweep broke off and will be tried again");
            }
        }
    }
}
