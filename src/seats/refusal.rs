//! Why a request is refused: one enum, each code with its status and its sentences.

use serde::{Deserialize, Serialize};

use super::queue::Eta;
use super::reservation::ReservationId;
use super::{EndReason, Epoch, LeaseId};
use crate::clock::UnixMs;

/// Why there is no seat, or no longer; with the numbers a person needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Refusal {
    /// 202: wait; recording can begin now.
    #[error("queued at {position}")]
    Queued {
        /// In use.
        used: u32,
        /// Of so many.
        seats: u32,
        /// The place in the line.
        position: u32,
        /// How long it may take.
        eta: Option<Eta>,
    },
    /// 409: none is free; the caller may wait.
    #[error("{used} of {seats} seats are in use")]
    NoFreeSeat {
        /// In use.
        used: u32,
        /// Of so many.
        seats: u32,
        /// How long a wait may take.
        eta: Option<Eta>,
    },
    /// 409: the group's quota is used up.
    #[error("the quota {rule} of {max} seats is used up")]
    QuotaGroup {
        /// The rule.
        rule: String,
        /// Whose quota.
        group: String,
        /// How many.
        max: u32,
    },
    /// 409: what is free is kept for a meeting or a group.
    #[error("{seats} free seats are kept for others")]
    Reserved {
        /// How many are free and kept.
        seats: u32,
        /// For which meeting; none if for a group's guarantee.
        reservation: Option<ReservationId>,
        /// When that meeting begins.
        from: Option<UnixMs>,
        /// Until when a lent one could be used, if one can be lent.
        until: Option<UnixMs>,
    },
    /// 409: they use it at so many devices already.
    #[error("{devices} devices are in use")]
    TooManyDevices {
        /// How many.
        devices: u32,
    },
    /// 409: a recording runs, and nothing may interrupt it.
    #[error("a recording runs on lease {lease}")]
    RecordingRuns {
        /// On which lease.
        lease: LeaseId,
    },
    /// 409: more seats are promised than there are.
    #[error("{promised} seats are promised, there are {seats}")]
    OverBooked {
        /// At the fullest moment.
        promised: u32,
        /// N.
        seats: u32,
        /// That moment.
        at: UnixMs,
    },
    /// 403: a rule excludes them.
    #[error("the rule {rule} excludes them")]
    Excluded {
        /// The rule.
        rule: String,
        /// Whom to ask.
        contact: String,
    },
    /// 403: the licence is over.
    #[error("licence {file} ended")]
    LicenceEnded {
        /// The file.
        file: String,
        /// Its last moment.
        to: UnixMs,
    },
    /// 403: the licence has not begun.
    #[error("licence {file} has not begun")]
    LicenceNotStarted {
        /// The file.
        file: String,
        /// Its first moment.
        from: UnixMs,
    },
    /// 403: there is no licence, or not for this kind of seat.
    #[error("no licence")]
    LicenceNone,
    /// 403: the server is not the one the licence is for.
    #[error("{matched} of {needed} parts of the host match")]
    HostUnbound {
        /// How many match.
        matched: u32,
        /// How many have to.
        needed: u32,
    },
    /// 403: the extra seats of a disaster cannot be opened.
    #[error("no burst: {used} of {days} days are used")]
    BurstUnavailable {
        /// Days used this fiscal year.
        used: u32,
        /// Days allowed.
        days: u32,
    },
    /// 410: nothing was heard for too long.
    #[error("silent for {silent_ms} ms")]
    LeaseLapsed {
        /// How long.
        silent_ms: u64,
    },
    /// 410: the offer was not accepted in time.
    #[error("not accepted within {offer_ms} ms")]
    OfferExpired {
        /// H.
        offer_ms: u64,
    },
    /// 412: the seat is no longer theirs.
    #[error("the seat is lost")]
    SeatLost {
        /// Why.
        why: Lost,
    },
    /// 503: the server makes sure of its state first.
    #[error("recovering for another {retry_ms} ms")]
    Recovering {
        /// When to try again.
        retry_ms: u64,
    },
    /// 503: two servers may be running.
    #[error("another server is at epoch {seen}, this one at {own}")]
    InstanceConflict {
        /// The epoch of a receipt.
        seen: Epoch,
        /// Ours.
        own: Epoch,
    },
    /// 503: the line is full.
    #[error("{waiting} wait already")]
    QueueFull {
        /// How many.
        waiting: u32,
    },
    /// 422: the request cannot be right.
    #[error("{field} is wrong")]
    BadRequest {
        /// What is wrong.
        field: String,
    },
    /// 429: too often; raised by the shell.
    #[error("try again in {retry_ms} ms")]
    TooManyRequests {
        /// When.
        retry_ms: u64,
    },
}

/// Why a seat is no longer its caller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Lost {
    /// No such lease is known: it is long over.
    Unknown,
    /// It is at another device now.
    Moved,
    /// It is held for its first in line, not accepted.
    NotAccepted,
    /// It is parked: attach again.
    Parked,
    /// It ended.
    Ended {
        /// Why.
        reason: EndReason,
        /// When.
        office: UnixMs,
    },
}

impl Refusal {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::NoFreeSeat { .. } => "no_free_seat",
            Self::QuotaGroup { .. } => "quota_group",
            Self::Reserved { .. } => "reserved",
            Self::TooManyDevices { .. } => "too_many_devices",
            Self::RecordingRuns { .. } => "recording_runs",
            Self::OverBooked { .. } => "over_booked",
            Self::Excluded { .. } => "excluded",
            Self::LicenceEnded { .. } => "licence_ended",
            Self::LicenceNotStarted { .. } => "licence_not_started",
            Self::LicenceNone => "licence_none",
            Self::HostUnbound { .. } => "host_unbound",
            Self::BurstUnavailable { .. } => "burst_unavailable",
            Self::LeaseLapsed { .. } => "lease_lapsed",
            Self::OfferExpired { .. } => "offer_expired",
            Self::SeatLost { .. } => "seat_lost",
            Self::Recovering { .. } => "recovering",
            Self::InstanceConflict { .. } => "instance_conflict",
            Self::QueueFull { .. } => "queue_full",
            Self::BadRequest { .. } => "bad_request",
            Self::TooManyRequests { .. } => "too_many_requests",
        }
    }

    /// Returns the number the protocol gives it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Queued { .. } => 202,
            Self::NoFreeSeat { .. }
            | Self::QuotaGroup { .. }
            | Self::Reserved { .. }
            | Self::TooManyDevices { .. }
            | Self::RecordingRuns { .. }
            | Self::OverBooked { .. } => 409,
            Self::Excluded { .. }
            | Self::LicenceEnded { .. }
            | Self::LicenceNotStarted { .. }
            | Self::LicenceNone
            | Self::HostUnbound { .. }
            | Self::BurstUnavailable { .. } => 403,
            Self::LeaseLapsed { .. } | Self::OfferExpired { .. } => 410,
            Self::SeatLost { .. } => 412,
            Self::Recovering { .. } | Self::InstanceConflict { .. } | Self::QueueFull { .. } => 503,
            Self::BadRequest { .. } => 422,
            Self::TooManyRequests { .. } => 429,
        }
    }
}
