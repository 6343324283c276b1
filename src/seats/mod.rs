//! Who may work now: N seats, lent one at a time, taken back by rules that can be read.
//!
//! - **In**: requests of people, rooms and jobs; licence, rules, reservations and limits; the time, as an argument.
//! - **Out**: a reply and the events that are both the state and the audit; proofs that a seat is still somebody's.
//! - **Never**: reads a clock, draws a number, writes a file, ends a recording by itself, or lets calendar time end a lease.
//!
//! ```text
//! request ─► settle what time has done ─► decide ─► events ─apply─► state          replay(events) == state
//!                                                     └─► one row each in the audit, and the pushes to holders
//!
//!            accept                T without life         T + G
//! Offered ───────────► Active ────────────────────► Stale ─────► Reclaimable ──taken, or 10 min──► ended
//!    │ hold, decline     │ ▲ ◄────── beat ──────────┘                │
//!    ▼                   │ └──────── re-attach (new token) ──────────┤
//!  ended                 └── park, slept ──► Parked ── re-attach ────┘   ended: taken on demand, or 30 min
//! ```
//!
//! What always holds, each with a test of its name:
//! - **I1** Live leases never exceed the seats and the open burst; a shrunken licence and adopted receipts are the only
//!   exceptions, and then nothing is granted until the number is below.
//! - **I2** Nothing is acknowledged before it is durable: the shell answers only after the events are on the disk.
//! - **I3** A token only grows: over restarts, leaders, restored copies and a full counter.
//! - **I4** Only the current token of a usable lease passes a protected call.
//! - **I5** A dead holder's seat is offered within T + G + one tick; restarts give T + G once, not each time.
//! - **I6** Signs of life at least every T/2 never lose a seat, whatever clocks, pauses and restarts do.
//! - **I7** The calendar changes no grant and no end of a lease, reservations and licence dates apart.
//! - **I8** The client believes its seat lost before the server frees it.
//! - **I9** The same request gives the same lease; an old token's release does nothing; one holder, one seat.
//! - **I10** Free and live seats add up; grants less ends are the live leases; the replayed events are the state.
//! - **I11** Nobody passes in the line: in turn within a class, overtaken at most K times, raised while waiting.
//! - **I12** A free seat and somebody who may have it meet in the same step; who vanished leaves the line.
//! - **I13** The line and the time waited survive a restart.
//! - **I14** Every decision has a reason; the same input decides the same; one more exclusion never grants more.
//! - **I15** In a reservation's window others hold its seats only on loan, and give them back within W.
//! - **I16** Each request ends as granted, queued or denied; each queued one as served, left or timed out.
//! - **I17** Losing a seat loses no work: the reply names the reason, the rest is the editor's.
//! - **I18** A licence that ends or shrinks evicts nobody.
//! - **I19** A state that may be old grants nothing for T + G; a receipt from the future raises the alarm.
//! - **I20** Overload loses no lease: every list here has a limit and an answer at it.
//! - **I21** The same requests decide the same over every store: this room knows none.
//!
//! The rules behind them:
//! - **R1** A lease is safe while `now < last sign of life + T + G`; after that whoever asks gets the seat in that step.
//! - **R2** One person is one seat on all devices. **R3** A beat never revives a lapsed lease.
//! - **R4** Giving back is idempotent, old tokens included. **R5** A restart gives T + G once.
//! - **R6** Leases run on the engine's own time; durations cross the wire.
//! - **R7** The client counts from before sending, the server from receiving.
//! - **R8** A token is the epoch and a counter. **R9** The events are the audit.

mod acquire;
mod apply;
pub mod calendar;
mod decide;
pub mod denials;
mod desk;
pub mod event;
pub mod forecast;
pub mod holder;
mod holding;
pub mod lease;
pub mod licence;
pub mod limits;
mod memory;
mod office;
pub mod policy;
pub mod pool;
pub mod queue;
pub mod refusal;
pub mod report;
pub mod request;
pub mod reservation;
pub mod restart;
mod serve;
pub mod state;
pub mod token;
pub mod views;
pub mod whatif;
mod wording;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Mono, UnixMs};

pub use event::{Cause, Event, Happened, Outcome, Push, Pushed, Warning};
pub use lease::{EndReason, Lease};
pub use limits::Limits;
pub use pool::Pools;
pub use queue::Ticket;
pub use refusal::Refusal;
pub use request::{Acquire, Act, Held, LeaseReply, Reply, Request, Step};
pub use state::State;
pub use token::{Epoch, LeaseId, TicketId, Token};

/// The time of a step: two clocks that never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What leases, offers and waiting run on.
    pub mono: Mono,
    /// The trusted calendar: reservations, licence days, the stamps of reports; never a lease.
    pub office: UnixMs,
}

/// A moment on the engine's own time, which goes on after a restart where it had stopped.
///
/// Units: milliseconds the engine has been awake since its first start. Downtime and pauses do not count, so no age
/// has to be translated when the machine's clock starts anew.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct At(u64);

impl At {
    /// Takes milliseconds since the engine's first start.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns milliseconds since the engine's first start.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Returns the moment `later` after this one.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns the moment `earlier` before this one; the first start if there was none.
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(earlier.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns how long ago `earlier` was; zero if it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Names one kind of seat; an office usually has one, `standard`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(pub String);

impl PoolId {
    /// The pool of an office that has one.
    pub fn standard() -> Self {
        Self("standard".into())
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who holds a seat or waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A person, on all devices together.
    Person(Uuid),
    /// A meeting room; whoever sits at its terminal takes no seat for it.
    Room(Uuid),
}

impl Holder {
    /// Tells whether this is a room's account.
    pub const fn is_room(self) -> bool {
        matches!(self, Self::Room(_))
    }
}

/// How urgent a request is; the later, the further ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 一括処理: files, and meetings recorded without a seat.
    Batch,
    /// 通常.
    #[default]
    Normal,
    /// 議会・本会議.
    Assembly,
    /// 災害.
    Disaster,
}

/// Who asks, with what the office's directory says about them today.
///
/// Range: at most 32 groups; the shell fills this from the login session, never from what a client states.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Applicant {
    /// The person or the room.
    pub holder: Holder,
    /// The department (所属) they belong to today; empty if none.
    pub department: String,
    /// The groups they are in today.
    pub groups: Vec<String>,
    /// How urgent their work is.
    pub class: Class,
}

impl Applicant {
    /// Tells whether this is a room's account.
    pub const fn is_room(&self) -> bool {
        self.holder.is_room()
    }
}

/// Names a terminal, or a job that works on its owner's behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub Uuid);

/// What a device is, for the screens, and because a job is never handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A page in a browser.
    Browser,
    /// A tablet.
    Tablet,
    /// A meeting room's terminal, or the recorder running there.
    Room,
    /// The server itself, recognising a file.
    Job,
}

/// A terminal somebody works at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Its name for us.
    pub id: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// Its name for people; at most 100 characters are kept.
    pub name: String,
}

/// Names a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeetingId(pub Uuid);

/// Names a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

/// Names a request; whoever repeats one repeats its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

/// What a seat is used for; nothing else takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// A recording runs, its live recognition included.
    Record(MeetingId),
    /// A file is being recognised.
    Recognise(JobId),
    /// Minutes are being edited.
    Edit(MeetingId),
}

impl Use {
    /// Tells whether a recording runs: it is never interrupted.
    pub const fn is_recording(self) -> bool {
        matches!(self, Self::Record(_))
    }

    /// Returns the meeting it is about, unless it is a job.
    pub const fn meeting(self) -> Option<MeetingId> {
        match self {
            Self::Record(meeting) | Self::Edit(meeting) => Some(meeting),
            Self::Recognise(_) => None,
        }
    }
}

/// What to do when no seat is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Join the line.
    Wait,
    /// Say no.
    Nowait,
}

/// Where a lease stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    /// A free seat is held for the first in line.
    Offered,
    /// In use.
    Active,
    /// No sign of life for T; still in use.
    Stale,
    /// No sign of life for T + G, or closed: the holder's until somebody needs it, but nothing may be done with it.
    Reclaimable,
    /// The holder is away on purpose: kept until somebody needs it.
    Parked,
}

impl LeaseState {
    /// Tells whether protected calls are accepted.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Active | Self::Stale)
    }
}

#[cfg(test)]
mod situations;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
