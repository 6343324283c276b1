//! What is only known while the process lives: signs of life, and the indexes that make a step short.

use std::collections::{BTreeMap, BTreeSet};

use super::lease::{Doubt, Lease, Phase};
use super::policy::{Rules, What, Who};
use super::queue::{Line, Row, Ticket};
use super::reservation::{Reservation, ReservationId};
use super::state::PoolState;
use super::{
    Applicant, At, Class, DeviceKind, Holder, LeaseId, LeaseState, Limits, MeetingId, PoolId, TicketId,
};

/// What becomes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Something about a lease.
    Lease(LeaseId),
    /// A waiter's silence.
    Ticket(TicketId),
    /// A waiter's next class.
    Raise(TicketId),
}

/// What is known of a holder's being alive, and under which keys the lease is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub sign: At,
    pub activity: At,
    pub asleep: bool,
    due: At,
    lapsed: Option<At>,
    parked: Option<At>,
    idle: Option<At>,
}

/// What is known of a waiter's being there.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub sign: At,
    pub attentive: Option<At>,
    due: At,
    raise: At,
    row: Row,
    claim: Claim,
}

/// What decides which seats somebody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// The rules about them, as places in the list.
    pub rules: Vec<u32>,
    /// The reservations that are theirs.
    pub own: Vec<ReservationId>,
    /// They record, and so cannot have a lent seat.
    pub recording: bool,
}

/// The rules of one pool, found by whom they are about.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    by_who: BTreeMap<Who, Vec<u32>>,
    /// How many live leases each rule counts.
    pub used: Vec<u32>,
    /// How many of them whoever is next may take: they keep nobody out.
    pub slack: Vec<u32>,
    /// The guarantees.
    pub guarantees: Vec<(u32, u32)>,
}

/// What is known of one pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub lives: BTreeMap<LeaseId, Life>,
    pub holders: BTreeMap<Holder, LeaseId>,
    pub waiters: BTreeMap<Holder, TicketId>,
    pub seen: BTreeMap<TicketId, Seen>,
    pub due: BTreeSet<(At, Due)>,
    pub lapsed: BTreeSet<(At, LeaseId)>,
    pub parked: BTreeSet<(At, LeaseId)>,
    pub idle: BTreeSet<(At, LeaseId)>,
    pub lent: BTreeSet<LeaseId>,
    pub filled: BTreeMap<ReservationId, u32>,
    pub line: Line,
    pub book: Book,
}

/// Returns until when a lease is active, and until when it is safe, going by signs of life alone.
pub(super) fn alive_until(lease: &Lease, life: &Life, limits: &Limits) -> (At, At) {
    match lease.doubt {
        Doubt::Restarted { until } => (until.minus(limits.grace()), until),
        Doubt::None | Doubt::Silent => (life.sign.plus(limits.ttl()), life.sign.plus(limits.safe())),
    }
}

/// Returns where a lease stands at a moment: a function of the time and what is known, swept or not.
pub(super) fn standing(lease: &Lease, life: &Life, limits: &Limits, at: At) -> LeaseState {
    match lease.phase {
        Phase::Offered { .. } => LeaseState::Offered,
        Phase::Parked { .. } => LeaseState::Parked,
        Phase::Closed { since } if at.since(since).as_millis() as u64 >= limits.closed_ms => {
            LeaseState::Reclaimable
        }
        Phase::Closed { .. } => LeaseState::Stale,
        Phase::Seated => {
            let (active, safe) = alive_until(lease, life, limits);
            match at {
                _ if at < active => LeaseState::Active,
                _ if life.asleep && !lease.is_recording() => LeaseState::Parked,
                _ if at < safe => LeaseState::Stale,
                _ => LeaseState::Reclaimable,
            }
        }
    }
}

impl Life {
    /// Tells whether whoever is next may take the lease, idle holders apart.
    pub fn can_be_taken(&self) -> bool {
        self.lapsed.is_some() || self.parked.is_some()
    }

    fn new(at: At) -> Self {
        Self { sign: at, activity: at, asleep: false, due: at, lapsed: None, parked: None, idle: None }
    }
}

impl Book {
    fn new(pool: &PoolId, rules: &Rules) -> Self {
        let none = vec![0; rules.list.len()];
        let mut book = Self { used: none.clone(), slack: none, ..Self::default() };
        for (index, rule) in rules.list.iter().enumerate().filter(|(_, rule)| rule.pool == *pool) {
            book.by_who.entry(rule.who.clone()).or_default().push(index as u32);
            if let What::Guarantee(seats) = rule.what {
                book.guarantees.push((index as u32, seats));
            }
        }
        book
    }

    /// Returns the rules that are about somebody, in the order of the list.
    pub fn about(&self, applicant: &Applicant) -> Vec<u32> {
        if self.by_who.is_empty() {
            return Vec::new();
        }
        let mut whos = vec![Who::Everyone, Who::Holder(applicant.holder)];
        whos.push(Who::Department(applicant.department.clone()));
        whos.extend(applicant.groups.iter().cloned().map(Who::Group));
        let mut found: Vec<u32> =
            whos.iter().filter_map(|who| self.by_who.get(who)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns how many leases a rule counts that nobody may take.
    pub fn firm(&self, rule: u32) -> u32 {
        self.used[rule as usize].saturating_sub(self.slack[rule as usize])
    }

    fn count(&mut self, applicant: &Applicant, up: bool) {
        for rule in self.about(applicant) {
            step(&mut self.used[rule as usize], up);
        }
    }

    fn count_slack(&mut self, applicant: &Applicant, up: bool) {
        for rule in self.about(applicant) {
            step(&mut self.slack[rule as usize], up);
        }
    }
}

impl Memory {
    /// Builds the memory of a pool as if every holder and waiter had just been heard.
    pub fn of(pool: &PoolId, kept: &PoolState, rules: &Rules, limits: &Limits, at: At) -> Self {
        let mut memory = Self { book: Book::new(pool, rules), ..Self::default() };
        for lease in kept.leases.values() {
            memory.begin(lease, limits, at);
        }
        for ticket in kept.waiting.values() {
            memory.join(ticket, &kept.reservations, limits, at);
        }
        memory
    }

    /// Takes new limits in: what is due may be due earlier.
    pub fn set_limits(&mut self, kept: &PoolState, limits: &Limits, at: At) {
        for lease in kept.leases.values() {
            self.arrange(lease, limits, at);
        }
        for ticket in kept.waiting.values() {
            self.stand(ticket, limits, at);
            self.look_again(ticket.id, at);
        }
    }

    /// Takes new rules in.
    pub fn set_rules(&mut self, pool: &PoolId, kept: &PoolState, rules: &Rules) {
        self.book = Book::new(pool, rules);
        for lease in kept.leases.values() {
            self.book.count(&lease.applicant, true);
            if self.lives.get(&lease.id).is_some_and(Life::can_be_taken) {
                self.book.count_slack(&lease.applicant, true);
            }
        }
        self.set_reservations(kept);
    }

    /// Sorts the waiters anew, for what they may have has changed.
    pub fn set_reservations(&mut self, kept: &PoolState) {
        for ticket in kept.waiting.values() {
            let claim = self.claim(&ticket.applicant, &ticket.uses, &kept.reservations);
            if let Some(seen) = self.seen.get_mut(&ticket.id) {
                seen.claim = claim;
            }
        }
    }

    /// Works out what decides which seats somebody may have.
    pub fn claim(&self, applicant: &Applicant, uses: &[super::Use], reservations: &[Reservation]) -> Claim {
        let meetings: Vec<MeetingId> = uses.iter().filter_map(|used| used.meeting()).collect();
        let own = reservations.iter().filter(|reservation| {
            reservation.organiser == applicant.holder
                || reservation.room == Some(applicant.holder)
                || meetings.contains(&reservation.meeting)
        });
        Claim {
            rules: self.book.about(applicant),
            own: own.map(|reservation| reservation.id).collect(),
            recording: uses.iter().any(|used| used.is_recording()),
        }
    }

    /// Takes a lease in.
    pub fn begin(&mut self, lease: &Lease, limits: &Limits, at: At) {
        self.holders.insert(lease.applicant.holder, lease.id);
        self.book.count(&lease.applicant, true);
        if let Some(reservation) = lease.fills {
            *self.filled.entry(reservation).or_default() += 1;
        }
        self.lives.insert(lease.id, Life::new(at));
        self.due.insert((at, Due::Lease(lease.id)));
        self.arrange(lease, limits, at);
    }

    /// Lets a lease go.
    pub fn end(&mut self, lease: &Lease) {
        self.holders.remove(&lease.applicant.holder);
        self.book.count(&lease.applicant, false);
        if let Some(filled) = lease.fills.and_then(|reservation| self.filled.get_mut(&reservation)) {
            *filled = filled.saturating_sub(1);
        }
        self.lent.remove(&lease.id);
        if let Some(life) = self.lives.remove(&lease.id) {
            self.due.remove(&(life.due, Due::Lease(lease.id)));
            if life.can_be_taken() {
                self.book.count_slack(&lease.applicant, false);
            }
            life.lapsed.map(|key| self.lapsed.remove(&(key, lease.id)));
            life.parked.map(|key| self.parked.remove(&(key, lease.id)));
            life.idle.map(|key| self.idle.remove(&(key, lease.id)));
        }
    }

    /// Notes a sign of life of a holder. The index is corrected when it becomes due: a beat stays cheap.
    pub fn hear(&mut self, lease: LeaseId, at: At) {
        if let Some(life) = self.lives.get_mut(&lease) {
            life.sign = life.sign.max(at);
            life.asleep = false;
        }
    }

    /// Files a lease under the keys that its state at `at` asks for.
    pub fn arrange(&mut self, lease: &Lease, limits: &Limits, at: At) {
        let Some(mut life) = self.lives.get(&lease.id).copied() else { return };
        let (due, lapsed) = next_due(lease, &life, limits, at);
        let parked = match lease.phase {
            Phase::Parked { since } => Some(since),
            Phase::Offered { .. } | Phase::Seated | Phase::Closed { .. } => None,
        };
        let can_idle = lease.phase == Phase::Seated && !lease.is_recording() && !lease.has_job();
        let idle = (can_idle && lapsed.is_none()).then_some(life.activity);
        let could_be_taken = life.can_be_taken();
        refile(&mut self.lapsed, lease.id, life.lapsed, lapsed);
        refile(&mut self.parked, lease.id, life.parked, parked);
        refile(&mut self.idle, lease.id, life.idle, idle);
        self.due.remove(&(life.due, Due::Lease(lease.id)));
        self.due.insert((due, Due::Lease(lease.id)));
        (life.due, life.lapsed, life.parked, life.idle) = (due, lapsed, parked, idle);
        if life.can_be_taken() != could_be_taken {
            self.book.count_slack(&lease.applicant, life.can_be_taken());
        }
        self.lives.insert(lease.id, life);
        if lease.lent.is_some() {
            self.lent.insert(lease.id);
        } else {
            self.lent.remove(&lease.id);
        }
    }

    /// Takes a waiter in, or sorts one anew.
    pub fn join(&mut self, ticket: &Ticket, reservations: &[Reservation], limits: &Limits, at: At) {
        let attentive = self.seen.get(&ticket.id).and_then(|seen| seen.attentive);
        self.part(ticket);
        let claim = self.claim(&ticket.applicant, &ticket.uses, reservations);
        let due = at.plus(limits.ttl());
        self.waiters.insert(ticket.applicant.holder, ticket.id);
        // The server's own job table remembers its jobs: they cannot vanish.
        if ticket.device.kind != DeviceKind::Job {
            self.due.insert((due, Due::Ticket(ticket.id)));
        }
        let row = Row::of(ticket, limits, at);
        let raise = At::from_ms(u64::MAX);
        self.seen.insert(ticket.id, Seen { sign: at, attentive, due, raise, row, claim });
        self.line.insert(row, ticket.id);
        self.stand(ticket, limits, at);
    }

    /// Puts a waiter where the time waited and the times passed have brought them.
    pub fn stand(&mut self, ticket: &Ticket, limits: &Limits, at: At) {
        let Some(seen) = self.seen.get_mut(&ticket.id) else { return };
        let row = Row::of(ticket, limits, at);
        self.line.remove(seen.row, ticket.id);
        self.line.insert(row, ticket.id);
        seen.row = row;
        self.due.remove(&(seen.raise, Due::Raise(ticket.id)));
        if !matches!(row, Row::Passed | Row::Class(Class::Disaster)) {
            let aging = limits.aging_ms.max(1);
            let periods = at.since(ticket.since).as_millis() as u64 / aging;
            seen.raise = ticket.since.plus(std::time::Duration::from_millis((periods + 1) * aging));
            self.due.insert((seen.raise, Due::Raise(ticket.id)));
        }
    }

    /// Lets a waiter go.
    pub fn part(&mut self, ticket: &Ticket) {
        self.waiters.remove(&ticket.applicant.holder);
        let Some(seen) = self.seen.remove(&ticket.id) else { return };
        self.due.remove(&(seen.due, Due::Ticket(ticket.id)));
        self.due.remove(&(seen.raise, Due::Raise(ticket.id)));
        self.line.remove(seen.row, ticket.id);
    }

    /// Looks at a waiter's silence again at `due`; whoever is not looked at now never is.
    pub fn look_again(&mut self, ticket: TicketId, due: At) {
        if let Some(seen) = self.seen.get_mut(&ticket)
            && self.due.remove(&(seen.due, Due::Ticket(ticket)))
        {
            seen.due = due;
            self.due.insert((due, Due::Ticket(ticket)));
        }
    }

    /// Returns the claim of somebody who waits.
    pub fn claim_of(&self, ticket: TicketId) -> Option<&Claim> {
        self.seen.get(&ticket).map(|seen| &seen.claim)
    }
}

fn step(count: &mut u32, up: bool) {
    *count = if up { *count + 1 } else { count.saturating_sub(1) };
}

fn refile(index: &mut BTreeSet<(At, LeaseId)>, lease: LeaseId, old: Option<At>, new: Option<At>) {
    if old != new {
        old.map(|key| index.remove(&(key, lease)));
        new.map(|key| index.insert((key, lease)));
    }
}

/// Returns when to look at a lease again, and since when it may be taken, if it may.
fn next_due(lease: &Lease, life: &Life, limits: &Limits, at: At) -> (At, Option<At>) {
    let kept = std::time::Duration::from_millis(limits.reclaimable_ms);
    match lease.phase {
        Phase::Offered { until } => (until, None),
        Phase::Parked { since } => (since.plus(std::time::Duration::from_millis(limits.parked_ms)), None),
        Phase::Closed { since } => {
            let open = since.plus(std::time::Duration::from_millis(limits.closed_ms));
            if at < open { (open, None) } else { (open.plus(kept), Some(open)) }
        }
        Phase::Seated => {
            let (active, safe) = alive_until(lease, life, limits);
            match at {
                _ if at < active => (active, None),
                _ if at < safe => (safe, None),
                _ => (safe.plus(kept), Some(safe)),
            }
        }
    }
}
