//! Free seats meet waiters: who is next is served, what may be taken is taken, what is lent comes back.

use std::time::Duration;

use super::calendar::JstDay;
use super::decide::{Board, Seat, next_waiter, to_be_cleared, wanting};
use super::event::{Cause, Happened, Warning};
use super::lease::{Doubt, EndReason, Lease, Phase};
use super::pool::{Pool, Pools, Turn};
use super::queue::Ticket;
use super::state::Office;
use super::{Applicant, At, Device, DeviceKind, LeaseId, PoolId, TicketId, Token, Use};

/// Idle holders that are looked at in one step for one to be taken.
const IDLE_LOOKED_AT: usize = 8;

/// What a new lease is made of.
pub(super) struct Grant<'a> {
    pub applicant: &'a Applicant,
    pub devices: Vec<Device>,
    pub uses: Vec<Use>,
    pub seat: &'a Seat,
    pub phase: Phase,
    pub ticket: Option<TicketId>,
}

impl Pool {
    /// Returns how many leases whoever is next may take.
    pub(super) fn takeable(&self, office: &Office, at: At) -> u32 {
        let idle = self.idle_to_take(office, at).count();
        (self.memory.lapsed.len() + self.memory.parked.len() + idle) as u32
    }

    /// Tells whether whoever is next may take a lease.
    pub(super) fn can_be_taken(&self, lease: LeaseId, office: &Office, at: At) -> bool {
        let Some(found) = self.kept.leases.get(&lease) else { return false };
        matches!(found.phase, Phase::Parked { .. })
            || self.memory.lapsed.iter().any(|(_, known)| *known == lease)
            || self.idle_to_take(office, at).any(|known| known == lease)
    }

    /// Returns the leases whose holders did nothing, were warned, and had their notice; the longest idle first.
    fn idle_to_take(&self, office: &Office, at: At) -> impl Iterator<Item = LeaseId> {
        let limits = &office.limits;
        let before = at.minus(Duration::from_millis(limits.idle_take_ms));
        let due = self.memory.idle.iter().take_while(move |(activity, _)| *activity <= before);
        due.take(IDLE_LOOKED_AT).map(|(_, lease)| *lease).filter(move |lease| {
            let is_idle = self.memory.lives.get(lease).is_some_and(|life| life.activity <= before);
            let warned = self.kept.leases.get(lease).and_then(|found| found.warned);
            let had_notice = |warned| at.since(warned).as_millis() as u64 >= limits.idle_notice_ms;
            is_idle && at >= At::from_ms(limits.idle_take_ms) && warned.is_some_and(had_notice)
        })
    }

    /// Returns what is taken first: lapsed, then parked, then idle; the oldest of each.
    fn first_to_take(&self, office: &Office, at: At) -> Option<(LeaseId, EndReason)> {
        let lapsed = self.memory.lapsed.first().map(|(_, lease)| (*lease, EndReason::Lapsed));
        let parked = || self.memory.parked.first().map(|(_, lease)| (*lease, EndReason::ParkedTaken));
        let idle = || self.idle_to_take(office, at).next().map(|lease| (lease, EndReason::Idle));
        lapsed.or_else(parked).or_else(idle)
    }
}

impl Pools {
    /// Serves every waiter who can be served.
    pub(super) fn serve(&mut self, turn: &mut Turn, is_tick: bool) {
        let waits = |pool: &Pool| !pool.kept.waiting.is_empty() || !pool.memory.lent.is_empty();
        let ids = self.pools.iter().filter(|(_, pool)| waits(pool)).map(|(id, _)| id.clone());
        for id in ids.collect::<Vec<_>>() {
            self.take_lent_back(turn, &id);
            if self.barred(turn.at).is_some() {
                continue;
            }
            while self.serve_next(turn, &id) {}
            // Holders are warned by the second, and at once when somebody joins the line.
            if is_tick || turn.events.iter().any(|event| matches!(event.what, Happened::Queued { .. })) {
                self.ask_for_seats(turn, &id);
            }
        }
    }

    fn serve_next(&mut self, turn: &mut Turn, id: &PoolId) -> bool {
        let pool = &self.pools[id];
        let capacity = pool.kept.capacity(self.office.licensed(id));
        let live = pool.kept.leases.len() as u32;
        if pool.kept.waiting.is_empty() || live >= capacity + pool.takeable(&self.office, turn.at) {
            return false;
        }
        let board = Board::of(pool, &self.office, id, turn.at, turn.office);
        let Some((ticket, seat)) = next_waiter(pool, &self.office, &board, turn.office) else {
            return false;
        };
        // What was taken may have changed what is kept for whom: the next round looks again.
        let claim = pool.memory.claim_of(ticket);
        if let Some(rule) = claim.and_then(|claim| to_be_cleared(&pool.memory, &self.office.rules, claim)) {
            return self.take_of(turn, id, rule);
        }
        if live >= capacity {
            return self.take_one(turn, id);
        }
        let Some(ticket) = pool.kept.waiting.get(&ticket).cloned() else { return false };
        let seen = pool.memory.seen.get(&ticket.id).and_then(|seen| seen.attentive);
        let attentive = Duration::from_millis(self.office.limits.attentive_ms);
        let accepts = ticket.device.kind == DeviceKind::Job
            || seen.is_some_and(|seen| turn.at.since(seen) <= attentive);
        self.give(turn, &ticket, &seat, accepts);
        true
    }

    /// Ends the lease that is taken first; tells whether there was one.
    pub(super) fn take_one(&mut self, turn: &mut Turn, id: &PoolId) -> bool {
        let Some((lease, reason)) = self.pools[id].first_to_take(&self.office, turn.at) else { return false };
        self.end(turn, lease, reason);
        true
    }

    /// Ends the lease of a full quota that is taken first; tells whether there was one.
    pub(super) fn take_of(&mut self, turn: &mut Turn, id: &PoolId, rule: u32) -> bool {
        let pool = &self.pools[id];
        let lapsed = pool.memory.lapsed.iter().map(|(_, lease)| (*lease, EndReason::Lapsed));
        let parked = pool.memory.parked.iter().map(|(_, lease)| (*lease, EndReason::ParkedTaken));
        let mut taken = lapsed.chain(parked);
        let is_counted = |(lease, _): &(LeaseId, EndReason)| {
            let found = pool.kept.leases.get(lease);
            found.is_some_and(|found| pool.memory.book.about(&found.applicant).contains(&rule))
        };
        let Some((lease, reason)) = taken.find(is_counted) else { return false };
        self.end(turn, lease, reason);
        true
    }

    fn give(&mut self, turn: &mut Turn, ticket: &Ticket, seat: &Seat, accepts: bool) {
        let hold = Duration::from_millis(self.office.limits.offer_ms);
        let phase = if accepts { Phase::Seated } else { Phase::Offered { until: turn.at.plus(hold) } };
        let grant = Grant {
            applicant: &ticket.applicant,
            devices: vec![ticket.device.clone()],
            uses: ticket.uses.clone(),
            seat,
            phase,
            ticket: Some(ticket.id),
        };
        let lease = self.new_lease(turn, &ticket.pool, grant);
        let cause = Cause { request_id: ticket.requests.first().copied(), ..Cause::about(&lease) };
        let waited_ms = turn.at.since(ticket.since).as_millis() as u64;
        let what = if accepts {
            Happened::Served { lease: Some(lease), waited_ms }
        } else {
            Happened::Offered { lease, from: seat.from }
        };
        self.record(turn, cause, what);
    }

    /// Draws a lease; it exists once its event is applied.
    pub(super) fn new_lease(&self, turn: &Turn, pool: &PoolId, grant: Grant<'_>) -> Box<Lease> {
        let (epoch, first) = self.office.next_number(1);
        Box::new(Lease {
            id: LeaseId::new(epoch, first),
            pool: pool.clone(),
            applicant: grant.applicant.clone(),
            token: Token::new(epoch, first + 1),
            devices: grant.devices,
            uses: grant.uses,
            since: turn.at,
            since_office: turn.office,
            phase: grant.phase,
            doubt: Doubt::None,
            lent: grant.seat.lent.clone(),
            fills: grant.seat.fills,
            warned: None,
            ticket: grant.ticket,
        })
    }

    /// Warns idle holders while somebody waits whom only seats keep from being served.
    fn ask_for_seats(&mut self, turn: &mut Turn, id: &PoolId) {
        let limits = self.office.limits;
        let at = turn.at;
        let Some(pool) = self.pools.get_mut(id) else { return };
        let before = at.minus(Duration::from_millis(limits.idle_warn_ms));
        let is_first_due = pool.memory.idle.first().is_some_and(|(activity, _)| *activity <= before);
        if pool.kept.waiting.is_empty() || at < At::from_ms(limits.idle_warn_ms) || !is_first_due {
            return;
        }
        let due: Vec<(At, LeaseId)> =
            pool.memory.idle.iter().take_while(|(activity, _)| *activity <= before).copied().collect();
        let mut to_warn = Vec::new();
        for (_, lease) in due {
            let Some(found) = pool.kept.leases.get(&lease) else { continue };
            let activity = pool.memory.lives.get(&lease).map_or(at, |life| life.activity);
            if activity > before {
                // The index is corrected when it is read, so that noting activity stays cheap.
                pool.memory.arrange(found, &limits, at);
            } else if found.warned.is_none() {
                to_warn.push((lease, activity));
            }
        }
        let wanted = wanting(pool, &self.office, to_warn.len(), |_| true);
        for (lease, activity) in to_warn.into_iter().take(wanted) {
            let left = limits.idle_take_ms.saturating_sub(at.since(activity).as_millis() as u64);
            self.warn(turn, lease, Warning::Idle, left.max(limits.idle_notice_ms));
        }
    }

    fn warn(&mut self, turn: &mut Turn, lease: LeaseId, of: Warning, in_ms: u64) {
        let Some(cause) = self.find(lease).map(Cause::about) else { return };
        self.record(turn, cause, Happened::Warned { of, in_ms });
    }

    /// Asks lent seats back in time, and takes back those that had their notice.
    fn take_lent_back(&mut self, turn: &mut Turn, id: &PoolId) {
        let notice_ms = self.office.limits.lent_notice_ms;
        let notice = Duration::from_millis(notice_ms);
        let lent: Vec<LeaseId> = self.pools[id].memory.lent.iter().copied().collect();
        let mut demanded = if lent.is_empty() { 0 } else { self.demanded(turn, id) };
        for lease in lent {
            let Some(loan) = self.find(lease).and_then(|found| found.lent.clone()) else { continue };
            let is_ending = loan.back.is_some_and(|back| turn.office >= back.minus(notice));
            match loan.recalled {
                Some(recalled) if turn.at.since(recalled) >= notice => {
                    if !self.keep(turn, lease) {
                        self.end(turn, lease, EndReason::LentBack);
                    }
                    demanded = demanded.saturating_sub(1);
                }
                Some(_) => demanded = demanded.saturating_sub(1),
                None if is_ending || demanded > 0 => {
                    demanded = demanded.saturating_sub(1);
                    if !is_ending || !self.keep(turn, lease) {
                        self.warn(turn, lease, Warning::Lent, notice_ms);
                    }
                }
                None => {}
            }
        }
    }

    /// Returns how many waiters would have a seat if lent ones came back.
    fn demanded(&self, turn: &Turn, id: &PoolId) -> usize {
        let pool = &self.pools[id];
        let board = Board::of(pool, &self.office, id, turn.at, turn.office);
        if board.within_reach() > 0 {
            return 0;
        }
        wanting(pool, &self.office, pool.memory.lent.len(), |claim| board.is_open_to(claim))
    }

    /// Makes a lent seat its holder's own if another one is open to them; tells whether it did.
    pub(super) fn keep(&mut self, turn: &mut Turn, lease: LeaseId) -> bool {
        let Some(found) = self.find(lease) else { return false };
        let Some(pool) = self.pools.get(&found.pool) else { return false };
        let board = Board::of(pool, &self.office, &found.pool, turn.at, turn.office);
        let claim = pool.memory.claim(&found.applicant, &found.uses, &pool.kept.reservations);
        if !board.is_open_to(&claim) {
            return false;
        }
        let cause = Cause::about(found);
        self.record(turn, cause, Happened::Kept);
        true
    }

    /// Finds a live lease.
    pub(super) fn find(&self, lease: LeaseId) -> Option<&Lease> {
        self.pools.values().find_map(|pool| pool.kept.leases.get(&lease))
    }

    /// Does what the calendar has done: nobody came, the meeting before runs over, a further day of a burst.
    pub(super) fn settle_calendar(&mut self, turn: &mut Turn, id: &PoolId) {
        let cause = Cause { pool: Some(id.clone()), ..Cause::default() };
        for what in self.calendar_events(turn, id) {
            self.record(turn, cause.clone(), what);
        }
        let burst = &self.pools[id].kept.burst;
        let today = JstDay::of(turn.office);
        if burst.open && !burst.days.contains(&today) {
            let terms = self.office.licensed(id).and_then(|licensed| licensed.burst);
            let used = burst.days.iter().filter(|day| day.fiscal_year() == today.fiscal_year()).count();
            let what = match terms {
                Some(terms) if used < terms.days as usize => Happened::BurstDay { day: today.0 },
                Some(_) | None => Happened::BurstClosed,
            };
            self.record(turn, cause, what);
        }
    }

    fn calendar_events(&self, turn: &Turn, id: &PoolId) -> Vec<Happened> {
        let pool = &self.pools[id];
        let limits = &self.office.limits;
        let mut found = Vec::new();
        for reservation in &pool.kept.reservations {
            let opens = reservation.from.minus(Duration::from_millis(limits.reserve_before_ms));
            if opens > turn.office {
                break;
            }
            if reservation.freed || turn.office >= reservation.to {
                continue;
            }
            let judged = reservation.from.plus(Duration::from_millis(limits.no_show_ms));
            let has_come =
                reservation.attended || pool.memory.filled.get(&reservation.id).is_some_and(|n| *n > 0);
            if !has_come && turn.office >= judged {
                found.push(Happened::NoShow { reservation: reservation.id });
            } else if !has_come && !reservation.overrun_told && self.runs_over(turn, pool) {
                let (next, organiser) = (reservation.id, reservation.organiser);
                found.push(Happened::Overrun { next, organiser });
            }
        }
        found
    }

    /// Tells whether a meeting holds reserved seats beyond its end while none is free.
    fn runs_over(&self, turn: &Turn, pool: &Pool) -> bool {
        let is_over = |reservation: &super::reservation::Reservation| {
            reservation.to <= turn.office && pool.memory.filled.get(&reservation.id).is_some_and(|n| *n > 0)
        };
        pool.kept.reservations.iter().any(is_over)
    }
}
