//! The seats of the office, durable: one engine in memory, one log on the disk, and nothing said before it is there.
//!
//! ```text
//! ask ─lock─► engine.step(now, request) ─► (events, reply) in order ─┐         beats that change nothing
//! ask ─lock─► …                                                      ├─► writer: one transaction for all that
//! ask ─lock─► …                                                      ┘   waits ─► on the disk ─► replies, pushes
//! ```
//!
//! If the disk refuses, nobody was told anything: the engine is made anew from the log, as after a crash.

mod applicant;
mod held;
mod log;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, oneshot};
use tokio::task::JoinHandle;

use super::dialect::{Database, Tx, values};
use super::{Store, StoreError};
use crate::clock::{Mono, UnixMs};
use crate::seats::calendar::{TrustedDate, WallClock};
use crate::seats::restart::Trust;
use crate::seats::{Epoch, Event, LeaseId, Now, Pools, Push, Refusal, Reply, Request, Step, Token};
pub use held::{HeldSeat, NoSeat};
use log::{Proof, Tail};
pub use tally::Tally;

/// Requests that wait for the disk; more are refused, beats are not.
const WAITING_MAX: usize = 1_024;
/// Events of one transaction, as long as one more request does not go beyond.
const BATCH_MAX: usize = 256;
/// Events between two snapshots.
const SNAPSHOT_EVERY: u64 = 10_000;
/// Pushes that a slow listener may fall behind.
const BEHIND_MAX: usize = 4_096;
/// Epochs that are left out after a restored copy.
const RESTORED_EPOCHS: u32 = 1_000;
/// How long the writer rests before it asks a database again that does not answer.
const REST: Duration = Duration::from_secs(1);
/// How often the date is kept.
const DATE_EVERY: Duration = Duration::from_secs(3_600);

/// Where the time comes from: the clock that never jumps, and the one on the wall.
pub type Clocks = Arc<dyn Fn() -> (Mono, UnixMs) + Send + Sync>;

/// Returns the machine's own clocks.
pub fn clocks() -> Clocks {
    Arc::new(|| (Mono::now(), UnixMs::now()))
}

/// Why a request could not even be asked.
#[derive(Debug, thiserror::Error)]
pub enum SeatsError {
    /// Too many wait for the disk: ask again in a moment.
    #[error("{WAITING_MAX} requests wait already")]
    Full,
    /// The seats start anew, or the disk refuses: ask again in a moment; nobody lost a seat by it.
    #[error("the seats are not served now")]
    Away,
}

impl SeatsError {
    /// Returns the refusal that a caller is told.
    pub fn refusal(&self) -> Refusal {
        Refusal::Recovering { retry_ms: 1_000 }
    }
}

/// The seats of the office.
#[derive(Clone)]
pub struct Seats(Arc<Desk>);

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seats")
    }
}

struct Desk {
    database: Database,
    clocks: Clocks,
    engine: Mutex<Engine>,
    wake: Notify,
    pushes: broadcast::Sender<Arc<Push>>,
    tally: Mutex<Tally>,
}

struct Engine {
    pools: Pools,
    date: TrustedDate,
    wall: WallClock,
    /// What waits for the disk, in the order of the steps.
    posts: Vec<Post>,
    /// The writer is at the disk with what came before.
    is_writing: bool,
    /// An epoch to be made durable before anything more is granted.
    epoch_wanted: Option<Epoch>,
    /// The log does not follow: nothing is answered.
    is_away: bool,
}

/// A reply on its way: through the disk.
struct Post {
    events: Vec<Event>,
    proofs: Vec<Proof>,
    reply: Reply,
    answer: Option<oneshot::Sender<Reply>>,
}

/// What the writer takes to the disk at once.
struct Batch {
    posts: Vec<Post>,
    epoch: Epoch,
    epoch_wanted: Option<Epoch>,
    snapshot: Option<crate::seats::State>,
}

impl Seats {
    /// Takes over the seats in a new epoch and serves them by a task of the runtime.
    ///
    /// Errors: the database does not answer, or its log is damaged.
    pub async fn open(store: &Store, clocks: Clocks) -> Result<Self, StoreError> {
        let database = store.database.clone();
        let (engine, tail) = Engine::start(&database, &clocks).await?;
        let (pushes, wake) = (broadcast::channel(BEHIND_MAX).0, Notify::new());
        let desk = Arc::new(Desk {
            database,
            clocks,
            engine: Mutex::new(engine),
            wake,
            pushes,
            tally: Mutex::default(),
        });
        // The writer lives as long as somebody holds the seats.
        let snapshot_seq = tail.seq;
        let writer = Writer { desk: Arc::downgrade(&desk), tail, snapshot_seq, dated: None, keeping: None };
        tokio::spawn(writer.run());
        Ok(Self(desk))
    }

    /// Carries out a request; the reply comes once what it says is on the disk.
    ///
    /// Errors: nothing was done, or it is not known whether it was: ask again with the same name.
    pub async fn ask(&self, request: Request) -> Result<Reply, SeatsError> {
        let waiting = {
            let mut engine = self.0.lock();
            let is_beat =
                matches!(request, Request::Beat(_) | Request::BeatWaiting { .. } | Request::Activity(_));
            let is_waiting = matches!(request, Request::BeatWaiting { .. });
            if engine.is_away {
                return Err(SeatsError::Away);
            }
            if engine.posts.len() >= WAITING_MAX && !is_beat {
                return Err(SeatsError::Full);
            }
            let now = engine.now((self.0.clocks)());
            let step = engine.pools.step(now, request);
            let is_behind = engine.is_writing || !engine.posts.is_empty();
            // What a beat says was on the disk before its token was known to anybody; but who waits may hear of a
            // seat that somebody gave back a moment ago, and nobody is told of a seat that a crash could take away.
            let is_known = is_beat && (!is_waiting || matches!(step.reply, Reply::Queued { .. }));
            if step.events.is_empty() && (is_known || !is_behind) {
                return Ok(step.reply);
            }
            let (answer, waiting) = oneshot::channel();
            engine.post(step, Some(answer));
            waiting
        };
        self.0.wake.notify_one();
        waiting.await.map_err(|_| SeatsError::Away)
    }

    /// Lets a second pass: time is looked at, and whoever waits is served.
    pub fn tick(&self) {
        let mut engine = self.0.lock();
        if engine.is_away {
            return;
        }
        let clocks = (self.0.clocks)();
        engine.wall = engine.date.look(clocks.1, clocks.0);
        let now = engine.now(clocks);
        let step = engine.pools.step(now, Request::Tick);
        engine.post(step, None);
        drop(engine);
        self.0.wake.notify_one();
    }

    /// Looks at the engine without changing anything.
    pub fn look<T>(&self, look: impl FnOnce(&Pools, Now) -> T) -> T {
        let engine = self.0.lock();
        look(&engine.pools, engine.now((self.0.clocks)()))
    }

    /// Tells whether nothing is answered, because the disk refuses or the log is read anew.
    pub fn is_away(&self) -> bool {
        self.0.lock().is_away
    }

    /// Returns what was counted since the start.
    pub fn tally(&self) -> Tally {
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what the wall clock says about the trusted date.
    pub fn wall_clock(&self) -> WallClock {
        self.0.lock().wall
    }

    /// Believes the wall clock, because an administrator has looked at it.
    pub fn confirm_date(&self) {
        let mut engine = self.0.lock();
        let (mono, wall) = (self.0.clocks)();
        engine.date.confirm(wall, mono);
    }

    /// Begins to hear what holders are to be told at once.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Push>> {
        self.0.pushes.subscribe()
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Engine> {
        // A step that panicked left no half state behind that the next start would not find in the log.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Takes over what is on the disk: a higher epoch, the state, and what the engine makes of it.
    async fn start(database: &Database, clocks: &Clocks) -> Result<(Self, Tail), StoreError> {
        let (mono, wall) = clocks();
        let mut tx = database.write().await?;
        let mut epoch = tx.begin_epoch(Epoch::new(1), wall).await?;
        tx.commit().await?;
        let found = log::find(database).await?;
        if found.trust == Trust::MayBeOld {
            // The lost server may have started many times since the copy: none of its epochs may come again.
            let mut tx = database.write().await?;
            epoch = tx.begin_epoch(Epoch::new(epoch.number() + RESTORED_EPOCHS), wall).await?;
            tx.commit().await?;
        }
        let date = TrustedDate::start(found.date, wall, mono);
        let now = Now { mono, office: date.now(mono) };
        let (mut pools, mut events) = Pools::restart(found.state, found.checkpoint, epoch, found.trust, now);
        // From its first moment the engine gives pauses of the machine back.
        events.extend(pools.step(now, Request::Tick).events);
        let mut tx = database.write().await?;
        tx.lead_seats(epoch).await?;
        let tail = tx.append_seat_events(&found.tail, events.iter()).await?;
        tx.reset_proofs(&pools).await?;
        tx.mark_date(now.office).await?;
        tx.mark_checkpoint(pools.checkpoint(now)).await?;
        if found.trust == Trust::MayBeOld {
            tx.unmark_restored().await?;
        }
        let state = log::written(&pools.state())?;
        tx.keep_snapshot(tail.seq, &state).await?;
        tx.commit().await?;
        let wall = WallClock::Agrees;
        let engine = Self {
            pools,
            date,
            wall,
            posts: Vec::new(),
            is_writing: false,
            epoch_wanted: None,
            is_away: false,
        };
        Ok((engine, tail))
    }

    fn now(&self, (mono, _): (Mono, UnixMs)) -> Now {
        Now { mono, office: self.date.now(mono) }
    }

    fn post(&mut self, step: Step, answer: Option<oneshot::Sender<Reply>>) {
        self.epoch_wanted = step.epoch_wanted;
        let mut leases: Vec<LeaseId> = step.events.iter().filter_map(|event| event.cause.lease).collect();
        leases.sort_unstable();
        leases.dedup();
        let proof = |lease: LeaseId| Proof { lease, token: self.pools.token(lease) };
        let proofs = leases.into_iter().map(proof).collect();
        self.posts.push(Post { events: step.events, proofs, reply: step.reply, answer });
    }

    /// Takes what waits, in order, as much as fits into one transaction.
    fn take(&mut self, wants_snapshot: bool) -> Batch {
        let mut events = 0;
        let count = self.posts.iter().take_while(|post| {
            events += post.events.len();
            events <= BATCH_MAX
        });
        // One request alone may come to more.
        let count = count.count().max(1).min(self.posts.len());
        // A state fits the log only where nothing waits behind it.
        let snapshot = (wants_snapshot && count == self.posts.len()).then(|| self.pools.state());
        let posts = self.posts.drain(..count).collect();
        self.is_writing = true;
        Batch { posts, epoch: self.pools.epoch(), epoch_wanted: self.epoch_wanted.take(), snapshot }
    }
}

/// The one task that writes.
struct Writer {
    desk: std::sync::Weak<Desk>,
    tail: Tail,
    snapshot_seq: u64,
    /// When the date was last kept.
    dated: Option<Mono>,
    /// A snapshot on its way to the disk.
    keeping: Option<JoinHandle<()>>,
}

impl Writer {
    async fn run(mut self) {
        while let Some(desk) = self.desk.upgrade() {
            let is_idle = desk.lock().posts.is_empty();
            if is_idle {
                // The desk may go away meanwhile: it is looked at again now and then.
                tokio::time::timeout(REST, desk.wake.notified()).await.ok();
                continue;
            }
            let is_keeping = self.keeping.as_ref().is_some_and(|keeping| !keeping.is_finished());
            let wants_snapshot = self.tail.seq >= self.snapshot_seq + SNAPSHOT_EVERY && !is_keeping;
            let mut batch = desk.lock().take(wants_snapshot);
            match self.write(&desk, &batch).await {
                Ok(tail) => {
                    self.tail = tail;
                    if let Some(state) = batch.snapshot.take() {
                        self.snapshot_seq = self.tail.seq;
                        let database = desk.database.clone();
                        self.keeping = Some(tokio::spawn(keep(database, batch.epoch, self.tail.seq, state)));
                    }
                    desk.settled(batch);
                }
                Err(error) => {
                    // Whoever waits is told now, however long the disk is away.
                    drop(batch);
                    self.start_anew(&desk, error).await;
                }
            }
        }
    }

    async fn write(&mut self, desk: &Desk, batch: &Batch) -> Result<Tail, StoreError> {
        let (mono, wall) = (desk.clocks)();
        let (checkpoint, office) = {
            let engine = desk.lock();
            let now = engine.now((mono, wall));
            (engine.pools.checkpoint(now), now.office)
        };
        let mut tx = desk.database.write().await?;
        tx.lead_seats(batch.epoch).await?;
        let events = batch.posts.iter().flat_map(|post| &post.events);
        let tail = tx.append_seat_events(&self.tail, events).await?;
        let mut proofs: Vec<Proof> =
            batch.posts.iter().flat_map(|post| post.proofs.iter().copied()).collect();
        // The last word about each lease is the one that counts.
        let mut seen = std::collections::HashSet::new();
        proofs.reverse();
        proofs.retain(|proof| seen.insert(proof.lease));
        tx.keep_proofs(&proofs).await?;
        if let Some(epoch) = batch.epoch_wanted {
            tx.begin_epoch(epoch, office).await?;
        }
        // Written with every batch: a tick makes one each second, and what it costs is one row.
        tx.mark_checkpoint(checkpoint).await?;
        if self.dated.is_none_or(|dated| mono.since(dated) >= DATE_EVERY) {
            tx.mark_date(office).await?;
            self.dated = Some(mono);
        }
        tx.commit().await?;
        Ok(tail)
    }

    /// Forgets everything that was not answered, and begins again from the log until it can.
    async fn start_anew(&mut self, desk: &Desk, error: StoreError) {
        tell(&error, "the seats could not be written and start anew from the log");
        {
            let mut engine = desk.lock();
            engine.is_away = true;
            // Whoever waits hears that it is not known what became of the request.
            engine.posts.clear();
        }
        loop {
            match Engine::start(&desk.database, &desk.clocks).await {
                Ok((engine, tail)) => {
                    (self.tail, self.snapshot_seq) = (tail.clone(), tail.seq);
                    *desk.lock() = engine;
                    return;
                }
                Err(error) => {
                    tell(&error, "the seats cannot be served yet");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

/// Keeps a state whose events are on the disk already.
///
/// Nobody waits for it: after a day of many requests it has 20 MB, which takes longer to write down than a hundred
/// grants. A start that does not find it only has more events to fold.
async fn keep(database: Database, epoch: Epoch, seq: u64, state: crate::seats::State) {
    let kept = async {
        let written = tokio::task::spawn_blocking(move || log::written(&state)).await;
        let written =
            written.map_err(|_| StoreError::Damaged { what: "the state of the seats".into() })??;
        let mut tx = database.write().await?;
        tx.lead_seats(epoch).await?;
        tx.keep_snapshot(seq, &written).await?;
        tx.commit().await
    };
    if let Err(error) = kept.await {
        tell(&error, "a snapshot of the seats could not be kept; the log has everything");
    }
}

fn tell(error: &StoreError, what: &str) {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, "{what}");
}

impl Desk {
    /// Answers and tells what is on the disk now.
    fn settled(&self, batch: Batch) {
        {
            let mut engine = self.lock();
            engine.is_writing = false;
            if let Some(epoch) = batch.epoch_wanted {
                let now = engine.now((self.clocks)());
                let step = engine.pools.step(now, Request::OpenEpoch { epoch });
                engine.post(step, None);
            }
        }
        {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            batch.posts.iter().flat_map(|post| &post.events).for_each(|event| tally.count(event));
        }
        for post in batch.posts {
            for push in post.events.iter().flat_map(Event::pushes) {
                // Nobody listening is no error.
                self.pushes.send(Arc::new(push)).ok();
            }
            if let Some(answer) = post.answer {
                answer.send(post.reply).ok();
            }
        }
    }
}

/// A lease as the holder of a protected call states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The lease.
    pub lease: LeaseId,
    /// The token it must still have.
    pub token: Token,
}

impl Tx {
    /// Checks inside the transaction that saves protected work that the seat is still the caller's: whoever is given
    /// it next is written down in the same database.
    pub(super) async fn is_seated(&mut self, fence: Fence) -> Result<bool, StoreError> {
        let sql = self.either(
            "SELECT token FROM seat_lease WHERE lease = $1",
            "SELECT token FROM seat_lease WHERE lease = $1 FOR SHARE",
        );
        let row = self.row(sql, values![fence.lease.number()]).await?;
        let token = row.map(|row| row.int(0)).transpose()?;
        Ok(token == Some(fence.token.number()))
    }
}
