//! A request for a seat: the order of the decision, and what is done about it.

use std::hash::{Hash, Hasher};

use super::decide::{Board, Seat, blocking, next_waiter, to_be_cleared};
use super::event::{Cause, Happened};
use super::lease::{Lease, Phase};
use super::memory::{Claim, standing};
use super::policy::{Decision, Evidence, Verdict};
use super::pool::{Pools, Turn};
use super::queue::Ticket;
use super::request::{Acquire, LeaseReply};
use super::serve::Grant;
use super::state::CameTo;
use super::{
    At, Device, DeviceKind, Holder, LeaseId, LeaseState, Mode, PoolId, Refusal, Reply, RequestId, TicketId,
    Token, Use,
};
use crate::clock::UnixMs;

/// Groups of one applicant, characters of a device's name.
const GROUPS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 100;

/// Who comes back to a lease they have, from where, and what for.
struct Return<'a> {
    lease: LeaseId,
    device: &'a Device,
    used_for: Option<Use>,
    request_id: RequestId,
    body: u64,
}

/// FNV-1a: a fingerprint that is the same in every process, which the standard library does not promise of its own.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn fingerprint(body: &impl Hash) -> u64 {
    let mut hasher = Fingerprint(0xcbf2_9ce4_8422_2325);
    body.hash(&mut hasher);
    hasher.finish()
}

impl Pools {
    /// Answers a request for a seat.
    pub(super) fn acquire(&mut self, turn: &mut Turn, mut acquire: Acquire) -> Reply {
        let body = fingerprint(&acquire);
        if let Some(reply) = self.repeated(turn, acquire.request_id, body) {
            return reply;
        }
        shorten(&mut acquire.device);
        if acquire.applicant.groups.len() > GROUPS_MAX {
            let refusal = Refusal::BadRequest { field: "groups".into() };
            return self.deny(turn, &acquire, body, refusal);
        }
        if self.lease_of(&acquire.pool, acquire.applicant.holder).is_none()
            && let Some(ticket) = self.ticket_of(&acquire.pool, acquire.applicant.holder)
        {
            return self.waits_already(turn, &acquire, body, ticket);
        }
        let decision = self.decide(&acquire, turn.at, turn.office, false);
        match decision.verdict {
            Verdict::Has => {
                let Some(lease) = self.lease_of(&acquire.pool, acquire.applicant.holder) else {
                    return Reply::Refused(Refusal::LicenceNone);
                };
                let used_for = Some(acquire.used_for);
                let (request_id, device) = (acquire.request_id, &acquire.device);
                self.come_back(turn, &Return { lease, device, used_for, request_id, body })
            }
            Verdict::Grant(_) => self.grant(turn, &acquire, body),
            Verdict::Queue => self.join_line(turn, &acquire, body),
            Verdict::Deny(refusal) => self.deny(turn, &acquire, body, *refusal),
        }
    }

    /// Moves a holder's seat to another device.
    pub(super) fn hand_over(
        &mut self,
        turn: &mut Turn,
        request_id: RequestId,
        pool: &PoolId,
        holder: Holder,
        mut device: Device,
    ) -> Reply {
        let body = fingerprint(&(pool, holder, &device));
        if let Some(reply) = self.repeated(turn, request_id, body) {
            return reply;
        }
        shorten(&mut device);
        match self.lease_of(pool, holder) {
            None => Reply::Refused(Refusal::SeatLost { why: super::refusal::Lost::Unknown }),
            Some(lease) => {
                self.come_back(turn, &Return { lease, device: &device, used_for: None, request_id, body })
            }
        }
    }

    /// Returns the answer to a request that was answered before.
    fn repeated(&self, turn: &Turn, request: RequestId, body: u64) -> Option<Reply> {
        let known = self.office.answers.find(request)?;
        if known.body != body {
            return Some(Reply::Refused(Refusal::BadRequest { field: "request_id".into() }));
        }
        self.answered(request, turn.at, turn.office)
    }

    /// Returns what a request came to, as things stand now; a repetition is no sign of life.
    pub(super) fn answered(&self, request: RequestId, at: At, office: UnixMs) -> Option<Reply> {
        let answer = self.office.answers.find(request)?;
        Some(match &answer.came_to {
            CameTo::Refused(refusal) => Reply::Refused((**refusal).clone()),
            CameTo::Gone => Reply::Refused(Refusal::SeatLost { why: super::refusal::Lost::Unknown }),
            CameTo::Ticket(ticket) => self.queued(*ticket, at, office),
            CameTo::Lease(lease, token) => match self.find(*lease) {
                Some(found) if found.token == *token => self.attached(found, at, office),
                _ => Reply::Refused(self.lost(*lease, at)),
            },
        })
    }

    /// Goes through the order of the decision.
    pub(super) fn decide(&self, acquire: &Acquire, at: At, now: UnixMs, is_told: bool) -> Decision {
        let mut evidence = Vec::new();
        let found = self.lease_of(&acquire.pool, acquire.applicant.holder).is_some();
        evidence.push(Evidence::SameHolder { found });
        if found {
            return Decision { verdict: Verdict::Has, evidence };
        }
        let deny = |refusal| Verdict::Deny(Box::new(refusal));
        let barred = self.barred(at);
        evidence.push(Evidence::Licence { allows: barred.is_none() });
        if let Some(refusal) = barred {
            return Decision { verdict: deny(refusal), evidence };
        }
        let licensed = self.office.licensed(&acquire.pool).is_some();
        let Some(pool) = self.pools.get(&acquire.pool).filter(|_| licensed) else {
            return Decision { verdict: deny(Refusal::LicenceNone), evidence };
        };
        let applicant = &acquire.applicant;
        let uses = [acquire.used_for];
        let claim = pool.memory.claim(applicant, &uses, &pool.kept.reservations);
        if is_told {
            self.tell_rules(&claim, pool, &mut evidence);
        }
        let blocked = blocking(&pool.memory, &self.office.rules, &claim);
        if let Some(refusal) = blocked {
            let may_wait = matches!(refusal, Refusal::QuotaGroup { .. });
            let verdict = if may_wait { self.wait_or(acquire, pool, refusal) } else { deny(refusal) };
            return Decision { verdict, evidence };
        }
        let board = Board::of(pool, &self.office, &acquire.pool, at, now);
        let ahead = !pool.kept.waiting.is_empty() && next_waiter(pool, &self.office, &board, now).is_some();
        let seat = board.seat_for(&claim, &self.office.rules, &self.office.limits, now);
        if is_told {
            evidence.push(Evidence::Line { ahead: if ahead { pool.kept.waiting.len() as u32 } else { 0 } });
            evidence.extend(board.evidence(&claim, &self.office.rules));
            evidence.push(Evidence::Takeable { seats: board.takeable });
        }
        let verdict = match seat {
            Some(seat) if !ahead => Verdict::Grant(seat.from),
            _ => self.wait_or(acquire, pool, board.refusal(&claim, pool, now)),
        };
        Decision { verdict, evidence }
    }

    fn tell_rules(&self, claim: &Claim, pool: &super::pool::Pool, evidence: &mut Vec<Evidence>) {
        for index in &claim.rules {
            let Some(rule) = self.office.rules.list.get(*index as usize) else { continue };
            let (id, used) = (rule.id.clone(), pool.memory.book.used[*index as usize]);
            match rule.what {
                super::policy::What::Exclude => evidence.push(Evidence::Excluded { rule: id }),
                super::policy::What::Quota(max) => evidence.push(Evidence::Quota { rule: id, used, max }),
                super::policy::What::Guarantee(_) => {}
            }
        }
    }

    fn wait_or(&self, acquire: &Acquire, pool: &super::pool::Pool, refusal: Refusal) -> Verdict {
        let waiting = pool.kept.waiting.len() as u32;
        match acquire.mode {
            Mode::Nowait => Verdict::Deny(Box::new(refusal)),
            Mode::Wait if waiting >= self.office.limits.waiting_max => {
                Verdict::Deny(Box::new(Refusal::QueueFull { waiting }))
            }
            Mode::Wait => Verdict::Queue,
        }
    }

    fn grant(&mut self, turn: &mut Turn, acquire: &Acquire, body: u64) -> Reply {
        let mut seat = self.seat_now(turn, acquire);
        while seat.is_some() && self.must_take(turn, acquire) {
            seat = self.seat_now(turn, acquire);
        }
        seat = seat.filter(|_| self.has_free(&acquire.pool));
        let Some(seat) = seat else {
            return match acquire.mode {
                Mode::Wait => self.join_line(turn, acquire, body),
                Mode::Nowait => self.deny(turn, acquire, body, self.full(&acquire.pool, turn.office)),
            };
        };
        let grant = Grant {
            applicant: &acquire.applicant,
            devices: vec![acquire.device.clone()],
            uses: vec![acquire.used_for],
            seat: &seat,
            phase: Phase::Seated,
            ticket: None,
        };
        let lease = self.new_lease(turn, &acquire.pool, grant);
        let (id, from) = (lease.id, seat.from);
        let cause = Cause { request_id: Some(acquire.request_id), body: Some(body), ..Cause::about(&lease) };
        self.record(turn, cause, Happened::Granted { lease, from });
        match self.find(id) {
            Some(lease) => Reply::Granted(self.lease_reply(lease, turn.at, turn.office)),
            None => Reply::Refused(self.lost(id, turn.at)),
        }
    }

    /// Takes a lease that is in the way of a grant; tells whether there was one.
    fn must_take(&mut self, turn: &mut Turn, acquire: &Acquire) -> bool {
        let id = &acquire.pool;
        let Some(pool) = self.pools.get(id) else { return false };
        let claim = pool.memory.claim(&acquire.applicant, &[acquire.used_for], &pool.kept.reservations);
        if let Some(rule) = to_be_cleared(&pool.memory, &self.office.rules, &claim) {
            return self.take_of(turn, id, rule);
        }
        !self.has_free(id) && self.take_one(turn, id)
    }

    fn seat_now(&self, turn: &Turn, acquire: &Acquire) -> Option<Seat> {
        let pool = self.pools.get(&acquire.pool)?;
        let applicant = &acquire.applicant;
        let claim = pool.memory.claim(applicant, &[acquire.used_for], &pool.kept.reservations);
        let board = Board::of(pool, &self.office, &acquire.pool, turn.at, turn.office);
        board.seat_for(&claim, &self.office.rules, &self.office.limits, turn.office)
    }

    fn full(&self, id: &PoolId, office: UnixMs) -> Refusal {
        let counts = self.counts(id);
        let eta = self.pools.get(id).and_then(|pool| pool.kept.releases.eta(office, counts.waiting + 1));
        Refusal::NoFreeSeat { used: counts.live, seats: counts.capacity, eta }
    }

    fn has_free(&self, id: &PoolId) -> bool {
        let Some(pool) = self.pools.get(id) else { return false };
        (pool.kept.leases.len() as u32) < pool.kept.capacity(self.office.licensed(id))
    }

    fn join_line(&mut self, turn: &mut Turn, acquire: &Acquire, body: u64) -> Reply {
        let (epoch, number) = self.office.next_number(1);
        let ticket = Box::new(Ticket {
            id: TicketId::new(epoch, number),
            pool: acquire.pool.clone(),
            applicant: acquire.applicant.clone(),
            device: acquire.device.clone(),
            uses: vec![acquire.used_for],
            class: acquire.applicant.class,
            since: turn.at,
            since_office: turn.office,
            overtaken: 0,
            requests: vec![acquire.request_id],
        });
        let id = ticket.id;
        let cause = Cause { body: Some(body), ..Cause::waiting(&ticket) };
        self.record(turn, cause, Happened::Queued { ticket });
        self.queued(id, turn.at, turn.office)
    }

    fn waits_already(&mut self, turn: &mut Turn, acquire: &Acquire, body: u64, id: TicketId) -> Reply {
        let Some(ticket) = self.pools.get(&acquire.pool).and_then(|pool| pool.kept.waiting.get(&id)) else {
            return Reply::Refused(Refusal::SeatLost { why: super::refusal::Lost::Unknown });
        };
        let request_id = Some(acquire.request_id);
        let cause = Cause { request_id, body: Some(body), ..Cause::waiting(ticket) };
        let what = Happened::QueuedAgain { device: acquire.device.clone(), used_for: acquire.used_for };
        self.record(turn, cause, what);
        self.queued(id, turn.at, turn.office)
    }

    fn deny(&mut self, turn: &mut Turn, acquire: &Acquire, body: u64, refusal: Refusal) -> Reply {
        let cause = Cause {
            pool: self.pools.contains_key(&acquire.pool).then(|| acquire.pool.clone()),
            holder: Some(acquire.applicant.holder),
            department: Some(acquire.applicant.department.clone()),
            device: Some(acquire.device.id),
            request_id: Some(acquire.request_id),
            body: Some(body),
            reason: Some(refusal.code().into()),
            ..Cause::default()
        };
        let what = Happened::Denied {
            refusal: Box::new(refusal.clone()),
            applicant: Box::new(acquire.applicant.clone()),
            used_for: Some(acquire.used_for),
        };
        self.record(turn, cause, what);
        Reply::Refused(refusal)
    }

    /// Lets a holder come back to the lease they have.
    fn come_back(&mut self, turn: &mut Turn, back: &Return<'_>) -> Reply {
        let Some((lease, state)) = self.with_state(back.lease, turn.at) else {
            return Reply::Refused(self.lost(back.lease, turn.at));
        };
        if let Some(refusal) = self.cannot_come_back(turn, back) {
            return self.deny_return(turn, back, refusal);
        }
        let is_joining = joins(lease, state, back.device);
        let left: Vec<_> = lease.devices.iter().filter(|known| known.kind != DeviceKind::Job).collect();
        let left: Vec<_> = left.iter().map(|known| known.id).filter(|id| *id != back.device.id).collect();
        if state == LeaseState::Offered {
            self.offer_over(turn, back.lease, |waited_ms| Happened::Served { lease: None, waited_ms });
        }
        let is_lent_recording = back.used_for.is_some_and(|used_for| used_for.is_recording());
        if is_lent_recording && self.find(back.lease).is_some_and(|lease| lease.lent.is_some()) {
            self.keep(turn, back.lease);
        }
        let Some(lease) = self.find(back.lease) else {
            return Reply::Refused(self.lost(back.lease, turn.at));
        };
        let (device, used_for) = (back.device.clone(), back.used_for);
        let (epoch, number) = self.office.next_number(1);
        let token = Token::new(epoch, number);
        let (token, what) = match state {
            _ if is_joining => (lease.token, Happened::Joined { device, used_for }),
            LeaseState::Active | LeaseState::Stale => {
                (token, Happened::Moved { token, device, left, used_for })
            }
            LeaseState::Offered | LeaseState::Reclaimable | LeaseState::Parked => {
                (token, Happened::Reattached { token, device, used_for })
            }
        };
        let cause = Cause {
            token: Some(token),
            device: Some(back.device.id),
            request_id: Some(back.request_id),
            body: Some(back.body),
            ..Cause::about(lease)
        };
        self.record(turn, cause, what);
        match self.find(back.lease) {
            Some(lease) => self.attached(lease, turn.at, turn.office),
            None => Reply::Refused(self.lost(back.lease, turn.at)),
        }
    }

    fn cannot_come_back(&self, turn: &Turn, back: &Return<'_>) -> Option<Refusal> {
        let (lease, state) = self.with_state(back.lease, turn.at)?;
        let is_joining = joins(lease, state, back.device);
        let people = lease.devices.iter().filter(|known| known.kind != DeviceKind::Job);
        let others = people.filter(|known| known.id != back.device.id).count() as u32;
        let is_person = back.device.kind != DeviceKind::Job;
        if is_joining && is_person && others >= self.office.limits.devices_max {
            return Some(Refusal::TooManyDevices { devices: others });
        }
        let is_new = back.used_for.is_some_and(|used_for| !lease.uses.contains(&used_for));
        if is_new && lease.uses.len() >= self.office.limits.uses_max as usize {
            return Some(Refusal::BadRequest { field: "use".into() });
        }
        // A new token of an epoch that may turn out too low could come twice.
        if !is_joining && (self.office.recovery.is_some() || self.office.counter.is_used_up()) {
            return self.barred(turn.at);
        }
        let records = back.used_for.is_some_and(|used_for| used_for.is_recording());
        if records && lease.lent.is_some() {
            return self.cannot_keep(lease, turn);
        }
        None
    }

    /// Says why a lent seat cannot become its holder's own; none if it can.
    pub(super) fn cannot_keep(&self, lease: &Lease, turn: &Turn) -> Option<Refusal> {
        let pool = self.pools.get(&lease.pool)?;
        let board = Board::of(pool, &self.office, &lease.pool, turn.at, turn.office);
        let claim = pool.memory.claim(&lease.applicant, &lease.uses, &pool.kept.reservations);
        if board.is_open_to(&claim) {
            return None;
        }
        let lent = lease.lent.as_ref()?;
        let reservation = match lent.owner {
            super::lease::LentBy::Reservation(id) => Some(id),
            super::lease::LentBy::Guarantee(_) => None,
        };
        let known = pool.kept.reservations.iter().find(|known| Some(known.id) == reservation);
        let from = known.map(|known| known.from);
        Some(Refusal::Reserved { seats: 1, reservation, from, until: lent.back })
    }

    fn deny_return(&mut self, turn: &mut Turn, back: &Return<'_>, refusal: Refusal) -> Reply {
        if let Some(lease) = self.find(back.lease) {
            let cause = Cause {
                device: Some(back.device.id),
                request_id: Some(back.request_id),
                body: Some(back.body),
                reason: Some(refusal.code().into()),
                ..Cause::about(lease)
            };
            let applicant = Box::new(lease.applicant.clone());
            let (why, used_for) = (Box::new(refusal.clone()), back.used_for);
            self.record(turn, cause, Happened::Denied { refusal: why, applicant, used_for });
        }
        Reply::Refused(refusal)
    }

    /// Finds a live lease and where it stands.
    pub(super) fn with_state(&self, lease: LeaseId, at: At) -> Option<(&Lease, LeaseState)> {
        let (pool, found) =
            self.pools.values().find_map(|pool| Some((pool, pool.kept.leases.get(&lease)?)))?;
        let life = pool.memory.lives.get(&lease)?;
        Some((found, standing(found, life, &self.office.limits, at)))
    }

    pub(super) fn lease_of(&self, pool: &PoolId, holder: Holder) -> Option<LeaseId> {
        self.pools.get(pool)?.memory.holders.get(&holder).copied()
    }

    fn ticket_of(&self, pool: &PoolId, holder: Holder) -> Option<TicketId> {
        self.pools.get(pool)?.memory.waiters.get(&holder).copied()
    }

    fn attached(&self, lease: &Lease, at: At, office: UnixMs) -> Reply {
        Reply::Attached(self.lease_reply(lease, at, office))
    }

    /// Tells a holder of their lease.
    pub(super) fn lease_reply(&self, lease: &Lease, at: At, office: UnixMs) -> LeaseReply {
        let state = self.with_state(lease.id, at).map_or(LeaseState::Reclaimable, |(_, state)| state);
        let lent = lease.lent.as_ref().and_then(|lent| lent.back);
        LeaseReply {
            lease: lease.id,
            token: lease.token,
            ttl_ms: self.ttl_ms(lease, state, at),
            state,
            uses: lease.uses.clone(),
            lent_ms: lent.map(|back| back.since(office).as_millis() as u64),
        }
    }
}

/// Tells whether a device joins what is in use, rather than taking it over from another.
fn joins(lease: &Lease, state: LeaseState, device: &Device) -> bool {
    let is_known = lease.devices.iter().any(|known| known.id == device.id);
    let only_jobs = lease.devices.iter().all(|known| known.kind == DeviceKind::Job);
    state.is_usable() && (is_known || only_jobs || device.kind == DeviceKind::Job || lease.is_recording())
}

fn shorten(device: &mut Device) {
    if let Some((end, _)) = device.name.char_indices().nth(NAME_CHARS_MAX) {
        device.name.truncate(end);
    }
}
