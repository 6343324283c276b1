//! The outside view: folds the events by rules of its own and watches what true time shows.

use std::collections::BTreeMap;

use gijiroku::seats::lease::EndReason;
use gijiroku::seats::{Event, Happened, Holder, LeaseId, TicketId, Token};

/// What the events say who holds what, by plain counting.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub live: BTreeMap<LeaseId, Seen>,
    pub waiting: BTreeMap<TicketId, Holder>,
    /// Why leases ended, and whether their page was closed: then the device itself gave it back.
    pub ended: BTreeMap<LeaseId, (EndReason, bool)>,
    pub grants: u64,
}

/// A live lease as the events tell it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub holder: Holder,
    pub token: Token,
    pub is_offer: bool,
    pub is_parked: bool,
    pub is_closed: bool,
}

/// What one event did to the ledger.
pub enum Change {
    None,
    /// A seat was given, now or as an offer.
    Given(LeaseId, Token),
    /// The lease has a new token.
    Renewed(LeaseId, Token),
    /// An offer was accepted, or a device joined.
    Accepted(LeaseId),
    Ended(LeaseId, EndReason, Seen),
}

impl Ledger {
    /// Returns the ledger of a whole log.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, String> {
        let mut ledger = Self::default();
        for event in events {
            ledger.note(event)?;
        }
        Ok(ledger)
    }

    /// Notes one event; an event that cannot be is the engine's fault.
    pub fn note(&mut self, event: &Event) -> Result<Change, String> {
        let of_lease = || event.cause.lease.ok_or_else(|| format!("no lease is named: {event:?}"));
        match &event.what {
            Happened::Granted { lease, .. } | Happened::Adopted { lease } => self.give(lease, false),
            Happened::Offered { lease, .. } => self.give(lease, true),
            Happened::Served { lease, .. } => {
                if let Some(ticket) = event.cause.ticket {
                    self.waiting.remove(&ticket);
                }
                if let Some(lease) = lease {
                    return self.give(lease, false);
                }
                let id = of_lease()?;
                self.change(id, |seen| seen.is_offer = false)?;
                Ok(Change::Accepted(id))
            }
            Happened::Reattached { token, .. } | Happened::Moved { token, .. } => {
                let (id, token) = (of_lease()?, *token);
                self.change(id, |seen| {
                    (seen.token, seen.is_parked, seen.is_closed) = (token, false, false);
                })?;
                Ok(Change::Renewed(id, token))
            }
            Happened::Queued { ticket } => {
                self.waiting.insert(ticket.id, ticket.applicant.holder);
                Ok(Change::None)
            }
            Happened::Left { .. } | Happened::TimedOut { .. } => {
                if let Some(ticket) = event.cause.ticket {
                    self.waiting.remove(&ticket);
                }
                Ok(Change::None)
            }
            Happened::Joined { .. } => Ok(Change::Accepted(of_lease()?)),
            Happened::Parked => self.change(of_lease()?, |seen| seen.is_parked = true),
            Happened::Closed => self.change(of_lease()?, |seen| seen.is_closed = true),
            Happened::Confirmed => self.change(of_lease()?, |seen| seen.is_closed = false),
            Happened::Ended { reason, .. } => {
                let id = of_lease()?;
                let Some(seen) = self.live.remove(&id) else {
                    return Err(format!("I10: lease {id} ended without living"));
                };
                self.ended.insert(id, (reason.clone(), seen.is_closed));
                Ok(Change::Ended(id, reason.clone(), seen))
            }
            _ => Ok(Change::None),
        }
    }

    fn give(&mut self, lease: &gijiroku::seats::lease::Lease, is_offer: bool) -> Result<Change, String> {
        let holder = lease.applicant.holder;
        if self.live.values().any(|seen| seen.holder == holder) {
            return Err(format!("I9: {holder:?} was given a second seat"));
        }
        let seen = Seen { holder, token: lease.token, is_offer, is_parked: false, is_closed: false };
        // A copy that knows an older token of the lease lets that one go and adopts the newer.
        let is_over = self.ended.remove(&lease.id).is_some_and(|(reason, _)| reason != EndReason::Superseded);
        if self.live.insert(lease.id, seen).is_some() || is_over {
            return Err(format!("I10: lease {} was given twice", lease.id));
        }
        if let Some(ticket) = lease.ticket {
            self.waiting.remove(&ticket);
        }
        self.grants += 1;
        Ok(Change::Given(lease.id, lease.token))
    }

    fn change(&mut self, id: LeaseId, with: impl FnOnce(&mut Seen)) -> Result<Change, String> {
        let seen = self.live.get_mut(&id).ok_or_else(|| format!("I10: lease {id} does not live"))?;
        with(seen);
        Ok(Change::None)
    }
}

/// When protected calls of each lease were accepted, in true time.
///
/// A restored copy may know a lease that was given back since: each copy counts for itself.
#[derive(Default)]
pub struct Accepted {
    spans: BTreeMap<(u64, LeaseId), (u64, u64)>,
}

impl Accepted {
    pub fn note(&mut self, copy: u64, lease: LeaseId, now_ms: u64) {
        let span = self.spans.entry((copy, lease)).or_insert((now_ms, now_ms));
        span.1 = now_ms;
    }

    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// Returns the most leases whose calls were accepted around one moment, and that moment.
    pub fn most_at_once(&self) -> (usize, u64) {
        let starts = self.spans.values().map(|span| span.0);
        let at =
            |moment: u64| self.spans.values().filter(|span| span.0 <= moment && moment <= span.1).count();
        // The number can only grow where a span begins.
        starts.map(|moment| (at(moment), moment)).max().unwrap_or_default()
    }
}
