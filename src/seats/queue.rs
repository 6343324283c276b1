//! The line: who waits, and whose turn it is.

use serde::{Deserialize, Serialize};

use super::policy::aged;
use super::{Applicant, At, Class, Device, Limits, PoolId, RequestId, TicketId, Use};
use crate::clock::UnixMs;

/// A place in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its name; the earlier comer has the lower one.
    pub id: TicketId,
    /// Which kind of seat is wanted.
    pub pool: PoolId,
    /// Who waits.
    pub applicant: Applicant,
    /// From where.
    pub device: Device,
    /// What for.
    pub uses: Vec<Use>,
    /// The class it started in.
    pub class: Class,
    /// Since when.
    pub since: At,
    /// The same for the calendar.
    pub since_office: UnixMs,
    /// How often somebody who came later was served first.
    pub overtaken: u32,
    /// The requests that wait here; the first one opened the place.
    pub requests: Vec<RequestId>,
}

/// How long a wait may take, from what was observed; unknown (不明) when that is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eta {
    /// After this a quarter of such waits were over.
    pub low_ms: u64,
    /// After this half of them were.
    pub median_ms: u64,
    /// After this three quarters of them were.
    pub high_ms: u64,
}

/// Where somebody stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The place's name.
    pub ticket: TicketId,
    /// 1 is the next to be served, as things stand.
    pub position: u32,
    /// How many wait in all.
    pub waiting: u32,
    /// How long it may take; none is 不明.
    pub eta: Option<Eta>,
}

/// The order of the line: who was passed too often first, then by class, then by coming.
///
/// Shape: each row is sorted, so that a place is found without counting.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    passed: Vec<TicketId>,
    /// The most urgent class first.
    classes: [Vec<TicketId>; 4],
}

/// Where in the line somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Passed,
    Class(Class),
}

impl Row {
    /// Returns the row of a ticket at a moment.
    pub fn of(ticket: &Ticket, limits: &Limits, at: At) -> Self {
        if ticket.overtaken >= limits.overtakes_max {
            return Self::Passed;
        }
        let periods = at.since(ticket.since).as_millis() as u64 / limits.aging_ms.max(1);
        Self::Class(aged(ticket.class, periods))
    }
}

impl Line {
    fn row(&mut self, row: Row) -> &mut Vec<TicketId> {
        match row {
            Row::Passed => &mut self.passed,
            Row::Class(class) => &mut self.classes[Class::Disaster as usize - class as usize],
        }
    }

    pub fn insert(&mut self, row: Row, ticket: TicketId) {
        let row = self.row(row);
        if let Err(place) = row.binary_search(&ticket) {
            row.insert(place, ticket);
        }
    }

    pub fn remove(&mut self, row: Row, ticket: TicketId) {
        let row = self.row(row);
        if let Ok(place) = row.binary_search(&ticket) {
            row.remove(place);
        }
    }

    /// Returns everyone, the next first.
    pub fn iter(&self) -> impl Iterator<Item = TicketId> {
        self.rows().flatten().copied()
    }

    /// Returns how many stand before somebody, and them.
    pub fn position(&self, ticket: TicketId) -> Option<u32> {
        let mut before = 0;
        for row in self.rows() {
            match row.binary_search(&ticket) {
                Ok(place) => return Some((before + place + 1) as u32),
                Err(_) => before += row.len(),
            }
        }
        None
    }

    fn rows(&self) -> impl Iterator<Item = &Vec<TicketId>> {
        std::iter::once(&self.passed).chain(&self.classes)
    }
}
