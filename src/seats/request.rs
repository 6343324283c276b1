//! What may be asked, and what is answered.

use serde::{Deserialize, Serialize};

use super::policy::{Licence, Rules};
use super::queue::Place;
use super::reservation::Reservation;
use super::restart::Receipt;
use super::{
    Applicant, Device, DeviceId, Epoch, Event, Holder, LeaseId, LeaseState, Limits, Mode, PoolId, Refusal,
    RequestId, TicketId, Token, Use,
};

/// A request for a seat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acquire {
    /// Its name; the same again gives the same answer.
    pub request_id: RequestId,
    /// Of which kind.
    pub pool: PoolId,
    /// For whom.
    pub applicant: Applicant,
    /// Where.
    pub device: Device,
    /// What for.
    pub used_for: Use,
    /// What to do when none is free.
    pub mode: Mode,
}

/// Which lease a caller means, and the proof that it is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held {
    /// The lease.
    pub lease: LeaseId,
    /// Its token, as far as the caller knows.
    pub token: Token,
}

/// An act of somebody who administers the seats.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Act {
    /// Who acts, as the audit names them.
    pub by: String,
    /// Why, in their words; at most 200 characters are kept.
    pub text: String,
}

/// What may be asked of the engine. The shell has checked who asks and that the holder is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    /// A seat, please.
    Acquire(Acquire),
    /// Takes the offered seat.
    Accept(Held),
    /// Leaves the offered seat to the next.
    Decline(Held),
    /// A sign of life of a holder: of one of the devices, or of the job that works on the lease.
    Beat(Held),
    /// A sign of life of somebody who waits.
    BeatWaiting {
        /// The place in the line.
        ticket: TicketId,
        /// Whether the page is visible and was used.
        attentive: bool,
    },
    /// The server saw input, sound, playback or a job's progress.
    Activity(Held),
    /// The device says that it will be silent.
    Sleep(Held),
    /// Away on purpose.
    Park(Held),
    /// Moves the holder's seat to this device.
    HandOver {
        /// The request's name.
        request_id: RequestId,
        /// The pool.
        pool: PoolId,
        /// Whose seat.
        holder: Holder,
        /// To where.
        device: Device,
    },
    /// Asks a holder to give way.
    AskYield {
        /// Who waits.
        ticket: TicketId,
        /// Whose seat is asked for.
        lease: LeaseId,
        /// The asker's name, if they want it told.
        name: Option<String>,
    },
    /// Gives the seat to whoever is next.
    Yield(Held),
    /// Gives the seat back; with several devices, only this one leaves.
    Release {
        /// Which.
        held: Held,
        /// From where.
        device: DeviceId,
    },
    /// The last connection of a device was closed in order; another tab of it would still be there.
    SocketClosed {
        /// Which.
        held: Held,
        /// From where.
        device: DeviceId,
    },
    /// Leaves the line.
    Leave {
        /// The place.
        ticket: TicketId,
    },
    /// One more use of the seat: a job that shares it, a recording that begins.
    AddUse {
        /// Which.
        held: Held,
        /// What for.
        used_for: Use,
    },
    /// One use less; the seat goes back when only jobs used it and the last one ended.
    EndUse {
        /// Which.
        held: Held,
        /// What for.
        used_for: Use,
        /// From where.
        device: DeviceId,
    },
    /// An administrator takes the seat; refused while a recording runs.
    Revoke {
        /// Which.
        lease: LeaseId,
        /// Who and why.
        act: Act,
    },
    /// 録音を終了して返却: the separate, named step.
    EndRecording {
        /// Which.
        lease: LeaseId,
        /// Who and why.
        act: Act,
    },
    /// A second has passed.
    Tick,
    /// What the licence allows now.
    SetLicence(Licence),
    /// The rules from now on.
    SetRules(Rules),
    /// The reservations of a pool from now on.
    SetReservations {
        /// The pool.
        pool: PoolId,
        /// All of them, at most [`super::reservation::RESERVATIONS_MAX`].
        list: Vec<Reservation>,
    },
    /// The limits from now on.
    SetLimits(Limits),
    /// Opens the extra seats of a disaster.
    OpenBurst {
        /// The pool.
        pool: PoolId,
        /// Who and why.
        act: Act,
    },
    /// Closes them; nobody is evicted.
    CloseBurst {
        /// The pool.
        pool: PoolId,
        /// Who and why.
        act: Act,
    },
    /// A receipt that a holder shows after a restart.
    Adopt {
        /// What was signed.
        receipt: Receipt,
        /// Who shows it.
        applicant: Applicant,
        /// Where.
        device: Device,
        /// What for.
        used_for: Use,
    },
    /// The epoch asked for by [`Step::epoch_wanted`] is on the disk.
    OpenEpoch {
        /// Which.
        epoch: Epoch,
    },
    /// An administrator has made sure that only one server runs.
    ClearConflict(Act),
}

/// What a holder is told of their lease; durations only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseReply {
    /// The lease.
    pub lease: LeaseId,
    /// Its token.
    pub token: Token,
    /// How long it is theirs without another sign of life, counted from before they asked.
    pub ttl_ms: u64,
    /// Where it stands.
    pub state: LeaseState,
    /// What it is used for.
    pub uses: Vec<Use>,
    /// How long until a lent seat has to go back.
    pub lent_ms: Option<u64>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    /// 201: a new lease.
    Granted(LeaseReply),
    /// 200: the lease they have: re-attached, joined, moved, accepted, or the answer to a repeated request.
    Attached(LeaseReply),
    /// 202: a place in the line.
    Queued {
        /// Where.
        place: Place,
        /// What it looks like to a person.
        refusal: Refusal,
    },
    /// 200: heard; the time counts from before the beat was sent.
    Beating {
        /// How long the lease is theirs without another sign.
        ttl_ms: u64,
        /// Where it stands; only active and stale may be worked with.
        state: LeaseState,
    },
    /// 204: done, or nothing to do.
    Done,
    /// Refused, with everything a person needs.
    Refused(Refusal),
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The answer; to be sent only once the events are on the disk.
    pub reply: Reply,
    /// What happened: one row of the audit each, in this order.
    pub events: Vec<Event>,
    /// An epoch to make durable and hand back with [`Request::OpenEpoch`]; nothing new is granted before.
    pub epoch_wanted: Option<Epoch>,
}
