//! A lease: the loan of one seat to one holder, and how it ends.

use serde::{Deserialize, Serialize};

use super::reservation::ReservationId;
use super::{Applicant, At, Device, DeviceKind, LeaseId, PoolId, TicketId, Token, Use};
use crate::clock::UnixMs;

/// The loan of one seat to one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// Which kind of seat.
    pub pool: PoolId,
    /// Whose it is, as the directory described them at the grant.
    pub applicant: Applicant,
    /// The one token that proves it.
    pub token: Token,
    /// Where it is used; never empty, jobs included.
    pub devices: Vec<Device>,
    /// What it is used for; may be empty for a moment.
    pub uses: Vec<Use>,
    /// Since when it is in this hand.
    pub since: At,
    /// The same for the calendar.
    pub since_office: UnixMs,
    /// What was done with it on purpose.
    pub phase: Phase,
    /// What is doubtful about its holder's being alive.
    pub doubt: Doubt,
    /// If the seat is somebody else's and only lent.
    pub lent: Option<Lent>,
    /// The reservation whose seat it takes up.
    pub fills: Option<ReservationId>,
    /// When its holder was warned of being idle; gone once they do something.
    pub warned: Option<At>,
    /// The place in the line it was offered for.
    pub ticket: Option<TicketId>,
}

impl Lease {
    /// Tells whether a recording runs on it: nothing but its own end or an administrator's named step ends it.
    pub fn is_recording(&self) -> bool {
        self.uses.iter().any(|used| used.is_recording())
    }

    /// Tells whether the server itself works on it.
    pub fn has_job(&self) -> bool {
        self.devices.iter().any(|device| device.kind == DeviceKind::Job)
    }
}

/// What was done with a lease on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Held for the first in line until then.
    Offered {
        /// When the next one gets it.
        until: At,
    },
    /// Accepted and used.
    Seated,
    /// Left on purpose, or asleep.
    Parked {
        /// Since when.
        since: At,
    },
    /// The page was closed; a reload has a moment to come back.
    Closed {
        /// When it was closed.
        since: At,
    },
}

/// What is doubtful about a holder's being alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Nothing.
    None,
    /// Silent for T when somebody looked.
    Silent,
    /// Not heard of since a restart; given time once, until then.
    Restarted {
        /// When the seat may be taken unless a sign of life comes.
        until: At,
    },
}

/// A seat that belongs to a reservation or a guarantee, lent while they do not need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// Who it belongs to.
    pub owner: LentBy,
    /// When it has to be given back, if that is known at the loan.
    pub back: Option<UnixMs>,
    /// When its holder was told to give it back.
    pub recalled: Option<At>,
}

/// Who a lent seat belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LentBy {
    /// A meeting.
    Reservation(ReservationId),
    /// A group with a guarantee (確保枠), by its rule.
    Guarantee(String),
}

/// Why a lease ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum EndReason {
    /// Its holder gave it back.
    Released,
    /// Its holder gave it to whoever waits.
    Yielded,
    /// No sign of life came, and somebody needed it or ten minutes passed.
    Lapsed,
    /// It was parked, and somebody needed it or the limit passed.
    ParkedTaken,
    /// Its holder did nothing while somebody waited.
    Idle,
    /// Nobody accepted the offer in time.
    OfferExpired,
    /// The offer was declined.
    Declined,
    /// A lent seat went back to its owner.
    LentBack,
    /// A restored copy remembered it, and its holder showed a newer one, which is theirs now.
    Superseded,
    /// An administrator took it.
    Revoked {
        /// Who.
        by: String,
        /// Why.
        text: String,
    },
    /// An administrator ended the recording and took it; the audio is kept.
    RecordingEnded {
        /// Who.
        by: String,
        /// Why.
        text: String,
    },
}

impl EndReason {
    /// Returns the stable word of the reason for rows and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Yielded => "yielded",
            Self::Lapsed => "lapsed",
            Self::ParkedTaken => "parked",
            Self::Idle => "idle",
            Self::OfferExpired => "offer_expired",
            Self::Declined => "declined",
            Self::LentBack => "lent_back",
            Self::Superseded => "superseded",
            Self::Revoked { .. } => "revoked",
            Self::RecordingEnded { .. } => "recording_ended",
        }
    }
}

/// What is remembered of an ended lease, so that a late caller learns why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its last token.
    pub token: Token,
    /// Why it ended.
    pub reason: EndReason,
    /// When, for the calendar.
    pub office: UnixMs,
}
