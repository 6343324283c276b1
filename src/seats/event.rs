//! What happened: one event is one row of the audit, and the events together are the state.

use serde::{Deserialize, Serialize};

use super::lease::{EndReason, Lease};
use super::policy::{Licence, Rules, SeatFrom};
use super::queue::Ticket;
use super::reservation::{Reservation, ReservationId};
use super::restart::Trust;
use super::{
    Applicant, At, Device, DeviceId, Epoch, Holder, LeaseId, Limits, PoolId, Refusal, RequestId, TicketId,
    Token, Use,
};
use crate::clock::UnixMs;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The server start it happened in.
    pub epoch: Epoch,
    /// When, on the engine's own time.
    pub at: At,
    /// When, for the calendar.
    pub office: UnixMs,
    /// Whom it is about, as far as that applies.
    #[serde(flatten)]
    pub cause: Cause,
    /// What it was.
    pub what: Happened,
}

/// Whom an event is about: the columns of its row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The pool.
    pub pool: Option<PoolId>,
    /// The lease.
    pub lease: Option<LeaseId>,
    /// The place in the line.
    pub ticket: Option<TicketId>,
    /// The token it was done with, or that it gave.
    pub token: Option<Token>,
    /// The person or room.
    pub holder: Option<Holder>,
    /// Their department then.
    pub department: Option<String>,
    /// The device.
    pub device: Option<DeviceId>,
    /// The request it answers.
    pub request_id: Option<RequestId>,
    /// A fingerprint of that request, to tell a repetition from another request of the same name.
    pub body: Option<u64>,
    /// Who did it, if an administrator did.
    pub by: Option<String>,
    /// The stable word of the reason, or theirs.
    pub reason: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Happened {
    /// The server started, or another one took over.
    Started {
        /// In which epoch.
        epoch: Epoch,
        /// How far its state can be trusted.
        trust: Trust,
    },
    /// Another epoch began, and the recovery is over if there was one.
    EpochOpened {
        /// Which.
        epoch: Epoch,
    },
    /// A receipt came from an epoch that this server has not seen.
    Conflict {
        /// That epoch.
        seen: Epoch,
    },
    /// An administrator made sure that only one server runs.
    ConflictCleared,
    /// The limits changed.
    LimitsSet(Limits),
    /// The licence allows something else than before.
    LicenceSet(Licence),
    /// The rules changed.
    RulesSet(Rules),
    /// The reservations of the pool changed.
    ReservationsSet {
        /// All of them.
        list: Vec<Reservation>,
    },
    /// Nobody came to a meeting: its seats are everyone's.
    NoShow {
        /// Whose.
        reservation: ReservationId,
    },
    /// A meeting runs over, and another one needs the seats: its organiser is told, nobody is cut.
    Overrun {
        /// The one that needs them.
        next: ReservationId,
        /// Who is told.
        organiser: Holder,
    },
    /// The extra seats of a disaster were opened.
    BurstOpened,
    /// They were open on a further day.
    BurstDay {
        /// Days since 1970 in JST.
        day: i32,
    },
    /// They were closed.
    BurstClosed,
    /// A request was given a seat at once.
    Granted {
        /// The lease.
        lease: Box<Lease>,
        /// Which seat.
        from: SeatFrom,
    },
    /// A holder came back to the lease they have, with a new token.
    Reattached {
        /// The new token.
        token: Token,
        /// Where.
        device: Device,
        /// What for.
        used_for: Option<Use>,
    },
    /// A further device or use joined a lease; the token stays.
    Joined {
        /// Where.
        device: Device,
        /// What for.
        used_for: Option<Use>,
    },
    /// A lease moved to another device of its holder, with a new token.
    Moved {
        /// The new token.
        token: Token,
        /// To where.
        device: Device,
        /// From where.
        left: Vec<DeviceId>,
        /// What for.
        used_for: Option<Use>,
    },
    /// A lease was adopted from its holder's receipt.
    Adopted {
        /// The lease.
        lease: Box<Lease>,
    },
    /// A request was refused.
    Denied {
        /// Why.
        refusal: Box<Refusal>,
        /// Who asked, for a replay of the demand.
        applicant: Box<Applicant>,
        /// What for.
        used_for: Option<Use>,
    },
    /// A request joined the line.
    Queued {
        /// The place.
        ticket: Box<Ticket>,
    },
    /// A further request of somebody who waits already.
    QueuedAgain {
        /// From where.
        device: Device,
        /// What for.
        used_for: Use,
    },
    /// A seat is held for the first in line.
    Offered {
        /// The lease.
        lease: Box<Lease>,
        /// Which seat.
        from: SeatFrom,
    },
    /// Somebody who waited has their seat.
    Served {
        /// The lease, if it was accepted by itself; otherwise it was offered before.
        lease: Option<Box<Lease>>,
        /// How long they waited.
        waited_ms: u64,
    },
    /// Somebody who waited left the line, or declined.
    Left {
        /// How long they waited.
        waited_ms: u64,
    },
    /// Somebody who waited vanished, or did not accept in time.
    TimedOut {
        /// How long they waited.
        waited_ms: u64,
    },
    /// One use more.
    UseAdded {
        /// Which.
        used_for: Use,
    },
    /// One use less.
    UseEnded {
        /// Which.
        used_for: Use,
    },
    /// One device less; the lease goes on.
    DeviceLeft {
        /// Which.
        left: DeviceId,
    },
    /// No sign of life for T.
    WentStale,
    /// A sign of life after a doubt.
    Confirmed,
    /// Away on purpose, or asleep.
    Parked,
    /// The connection was closed in order.
    Closed,
    /// A holder was warned.
    Warned {
        /// Of what.
        of: Warning,
        /// How long they have.
        in_ms: u64,
    },
    /// An idle holder who was warned did something.
    Unwarned,
    /// A lent seat became the holder's own, for another one was free.
    Kept,
    /// A waiter asked the holder to give way.
    YieldAsked {
        /// Who, if they want it told.
        name: Option<String>,
    },
    /// A lease ended.
    Ended {
        /// Why.
        reason: EndReason,
        /// How long it was held.
        held_ms: u64,
        /// How long its holder had done nothing at the end.
        idle_ms: u64,
    },
}

/// What a holder is warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// They do nothing, and somebody waits.
    Idle,
    /// A lent seat has to go back.
    Lent,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With a seat.
    Granted,
    /// In the line.
    Queued,
    /// Refused.
    Denied,
    /// After waiting, with a seat.
    Served,
    /// Left the line.
    Left,
    /// Vanished, or did not accept in time.
    TimedOut,
}

/// Something to be told at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Whom; none is everyone who waits in the pool.
    pub to: Option<Holder>,
    /// In which pool.
    pub pool: PoolId,
    /// At which devices; empty is all of theirs.
    pub devices: Vec<DeviceId>,
    /// What.
    pub what: Pushed,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "push")]
pub enum Pushed {
    /// A seat is held for you.
    Offer {
        /// The lease.
        lease: LeaseId,
        /// Its token.
        token: Token,
        /// It is yours already; otherwise it is held for H and has to be accepted.
        accepted: bool,
    },
    /// Something will happen to your seat.
    Warn {
        /// The lease.
        lease: LeaseId,
        /// What; none if somebody asks you to give way.
        of: Option<Warning>,
        /// How long you have.
        in_ms: Option<u64>,
        /// Who asks, if they want it told.
        name: Option<String>,
    },
    /// Your seat is gone.
    Revoked {
        /// The lease.
        lease: LeaseId,
        /// Why.
        reason: EndReason,
    },
    /// Your seat is at another device now.
    Moved {
        /// The lease.
        lease: LeaseId,
    },
    /// Your seat goes on with this token.
    Resume {
        /// The lease.
        lease: LeaseId,
        /// Its token.
        token: Token,
    },
    /// Your place in the line may have changed: ask for it.
    Queue,
    /// A meeting's seats: freed for want of people, or needed by the next one.
    Reservation {
        /// Which.
        reservation: ReservationId,
        /// Nobody came; otherwise the meeting before runs over.
        freed: bool,
    },
}

impl Event {
    /// Returns how a request ended with this event; none if the event ends no request.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.what {
            Happened::Granted { .. } => Some(Outcome::Granted),
            // A hand-over or a job that joins without a request's name ends no request.
            Happened::Reattached { .. } | Happened::Joined { .. } | Happened::Moved { .. } => {
                if self.cause.request_id.is_some() { Some(Outcome::Granted) } else { None }
            }
            Happened::Queued { .. } | Happened::QueuedAgain { .. } => Some(Outcome::Queued),
            Happened::Denied { .. } => Some(Outcome::Denied),
            Happened::Served { .. } => Some(Outcome::Served),
            Happened::Left { .. } => Some(Outcome::Left),
            Happened::TimedOut { .. } => Some(Outcome::TimedOut),
            _ => None,
        }
    }
}

impl Event {
    /// Returns what is to be told at once because of this event.
    pub fn pushes(&self) -> Vec<Push> {
        let cause = &self.cause;
        let Some(pool) = &cause.pool else { return Vec::new() };
        let to = |to, what| Push { to, pool: pool.clone(), devices: Vec::new(), what };
        let line = || to(None, Pushed::Queue);
        let holder = cause.holder;
        let Some(lease) = cause.lease else {
            return match &self.what {
                Happened::Left { .. } | Happened::TimedOut { .. } => vec![line()],
                Happened::NoShow { reservation } => {
                    vec![to(None, Pushed::Reservation { reservation: *reservation, freed: true })]
                }
                Happened::Overrun { next, organiser } => {
                    vec![to(Some(*organiser), Pushed::Reservation { reservation: *next, freed: false })]
                }
                _ => Vec::new(),
            };
        };
        match &self.what {
            Happened::Offered { lease, .. } => vec![to(holder, offer(lease, false)), line()],
            Happened::Served { lease: Some(lease), .. } => vec![to(holder, offer(lease, true)), line()],
            Happened::Warned { of, in_ms } => {
                let (of, in_ms) = (Some(*of), Some(*in_ms));
                vec![to(holder, Pushed::Warn { lease, of, in_ms, name: None })]
            }
            Happened::YieldAsked { name } => {
                vec![to(holder, Pushed::Warn { lease, of: None, in_ms: None, name: name.clone() })]
            }
            Happened::Moved { token, left, device, .. } => {
                let at = |devices, what| Push { devices, ..to(holder, what) };
                vec![
                    at(left.clone(), Pushed::Moved { lease }),
                    at(vec![device.id], Pushed::Resume { lease, token: *token }),
                ]
            }
            Happened::Reattached { token, .. } => vec![to(holder, Pushed::Resume { lease, token: *token })],
            // Who gave it back knows; a superseded one may be told about under the name of the lease that took its place.
            Happened::Ended {
                reason: EndReason::Released | EndReason::Declined | EndReason::Superseded,
                ..
            } => Vec::new(),
            Happened::Ended { reason, .. } => {
                vec![to(holder, Pushed::Revoked { lease, reason: reason.clone() })]
            }
            _ => Vec::new(),
        }
    }
}

fn offer(lease: &Lease, accepted: bool) -> Pushed {
    Pushed::Offer { lease: lease.id, token: lease.token, accepted }
}
