//! Reservations: seats for a meeting, by the office's calendar.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Holder, MeetingId};
use crate::clock::UnixMs;

/// Names a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReservationId(pub Uuid);

/// Seats kept for a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its name.
    pub id: ReservationId,
    /// The meeting whose recording or minutes may use the seats.
    pub meeting: MeetingId,
    /// The room that may, whatever it records.
    pub room: Option<Holder>,
    /// The person who may, and who gets the notices.
    pub organiser: Holder,
    /// When the meeting begins.
    pub from: UnixMs,
    /// When it ends.
    pub to: UnixMs,
    /// How many seats, at least 1.
    pub seats: u32,
    /// Somebody came.
    #[serde(default)]
    pub attended: bool,
    /// Nobody came: its seats are everyone's.
    #[serde(default)]
    pub freed: bool,
    /// Its organiser was told that the meeting before runs over.
    #[serde(default)]
    pub overrun_told: bool,
}

/// How many reservations of one pool are known at a time.
pub const RESERVATIONS_MAX: usize = 2_000;
