//! What can be asked without changing anything: the map, one's own seat, the line, an explanation.

use super::lease::Lease;
use super::policy::Decision;
use super::pool::Pools;
use super::queue::{Place, Ticket};
use super::refusal::Lost;
use super::request::{Acquire, LeaseReply};
use super::{At, Holder, LeaseId, LeaseState, Limits, Now, PoolId, Refusal, Reply, TicketId, Token};
use crate::clock::UnixMs;

/// The numbers of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// N: seats of the licence.
    pub seats: u32,
    /// N + B: with an open burst.
    pub capacity: u32,
    /// Live leases.
    pub live: u32,
    /// Of these, offered and not accepted.
    pub offered: u32,
    /// Of these, lent.
    pub lent: u32,
    /// Waiting.
    pub waiting: u32,
    /// How many leases ever began.
    pub begun: u64,
    /// How many of them ended.
    pub over: u64,
}

impl Pools {
    /// Returns the pools there are.
    pub fn names(&self) -> impl Iterator<Item = &PoolId> {
        self.pools.keys()
    }

    /// Returns the numbers of a pool; zeros if there is none of that name.
    pub fn counts(&self, pool: &PoolId) -> Counts {
        let Some(found) = self.pools.get(pool) else { return Counts::default() };
        let licensed = self.office.licensed(pool);
        Counts {
            seats: licensed.map_or(0, |licensed| licensed.seats),
            capacity: found.kept.capacity(licensed),
            live: found.kept.leases.len() as u32,
            offered: found.kept.offered.len() as u32,
            lent: found.memory.lent.len() as u32,
            waiting: found.kept.waiting.len() as u32,
            begun: found.kept.begun,
            over: found.kept.over,
        }
    }

    /// Returns the limits in force.
    pub fn limits(&self) -> &Limits {
        &self.office.limits
    }

    /// Returns the epoch that numbers are drawn in.
    pub fn epoch(&self) -> super::Epoch {
        self.office.counter.epoch
    }

    /// Returns every live lease of a pool and where it stands, in the order of their beginning.
    pub fn map(&self, pool: &PoolId, now: Now) -> Vec<(&Lease, LeaseState)> {
        let at = self.at(now);
        let leases = self.pools.get(pool).into_iter().flat_map(|found| found.kept.leases.keys());
        leases.filter_map(|lease| self.with_state(*lease, at)).collect()
    }

    /// Returns a holder's lease and where it stands.
    pub fn mine(&self, pool: &PoolId, holder: Holder, now: Now) -> Option<(&Lease, LeaseState)> {
        self.with_state(self.lease_of(pool, holder)?, self.at(now))
    }

    /// Returns a lease and where it stands.
    pub fn lease(&self, lease: LeaseId, now: Now) -> Option<(&Lease, LeaseState)> {
        self.with_state(lease, self.at(now))
    }

    /// Returns what a holder is told of their lease.
    pub fn told(&self, lease: LeaseId, now: Now) -> Option<LeaseReply> {
        let found = self.find(lease)?;
        Some(self.lease_reply(found, self.at(now), now.office))
    }

    /// Returns the token to store beside a lease, for the check inside a saving transaction.
    pub fn token(&self, lease: LeaseId) -> Option<Token> {
        self.find(lease).map(|found| found.token)
    }

    /// Tells what would be decided, and why; leaves no trace.
    pub fn explain(&self, acquire: &Acquire, now: Now) -> Decision {
        self.decide(acquire, self.at(now), now.office, true)
    }

    /// Returns a place in the line.
    pub fn ticket(&self, ticket: TicketId) -> Option<&Ticket> {
        self.pools.values().find_map(|pool| pool.kept.waiting.get(&ticket))
    }

    /// Returns where a waiter stands.
    pub fn place(&self, ticket: TicketId, now: Now) -> Option<Place> {
        self.place_at(ticket, now.office)
    }

    /// Returns the line of a pool, the next first; whom a rule shuts out stands in it too, and is skipped.
    pub fn places(&self, pool: &PoolId, now: Now) -> Vec<(Holder, Place)> {
        let Some(found) = self.pools.get(pool) else { return Vec::new() };
        let waiting = found.kept.waiting.len() as u32;
        let order = found.memory.line.iter().filter_map(|id| found.kept.waiting.get(&id));
        let places = order.zip(1..).map(|(ticket, position)| {
            let eta = found.kept.releases.eta(now.office, position);
            (ticket.applicant.holder, Place { ticket: ticket.id, position, waiting, eta })
        });
        places.collect()
    }

    pub(super) fn place_at(&self, ticket: TicketId, office: UnixMs) -> Option<Place> {
        let pool = self.pools.values().find(|pool| pool.kept.waiting.contains_key(&ticket))?;
        let position = pool.memory.line.position(ticket)?;
        let eta = pool.kept.releases.eta(office, position);
        Some(Place { ticket, position, waiting: pool.kept.waiting.len() as u32, eta })
    }

    /// Tells somebody who waits where they stand.
    pub(super) fn queued(&self, ticket: TicketId, at: At, office: UnixMs) -> Reply {
        let Some(place) = self.place_at(ticket, office) else {
            return self.no_longer_waiting(ticket, at, office);
        };
        let pool = self.ticket(ticket).map(|found| found.pool.clone());
        let counts = pool.map(|pool| self.counts(&pool)).unwrap_or_default();
        let (used, seats) = (counts.live, counts.capacity);
        let refusal = Refusal::Queued { used, seats, position: place.position, eta: place.eta };
        Reply::Queued { place, refusal }
    }

    fn no_longer_waiting(&self, ticket: TicketId, at: At, office: UnixMs) -> Reply {
        let leases = self.pools.values().flat_map(|pool| pool.kept.leases.values());
        match leases.into_iter().find(|lease| lease.ticket == Some(ticket)) {
            Some(lease) => Reply::Attached(self.lease_reply(lease, at, office)),
            None => Reply::Refused(Refusal::SeatLost { why: Lost::Unknown }),
        }
    }
}
