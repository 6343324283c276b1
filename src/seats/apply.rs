//! The fold: each event changes the state here and nowhere else.

use super::event::{Event, Happened};
use super::lease::{Doubt, Ended, Lease, Phase};
use super::memory::Memory;
use super::pool::{Pool, Pools};
use super::queue::Ticket;
use super::restart::Trust;
use super::state::{Answer, CameTo, Office, Recovery};
use super::token::Counter;
use super::{At, Device, DeviceKind, Epoch, LeaseId, PoolId, Token, Use};

/// Requests of one place in the line that are remembered by name.
const REQUESTS_MAX: usize = 8;

impl Pools {
    /// Changes the state as an event says.
    pub(super) fn apply(&mut self, event: &Event) {
        self.office.at = self.office.at.max(event.at);
        self.answer_of(event);
        match &event.what {
            Happened::Started { epoch, trust } => self.started(*epoch, *trust),
            Happened::EpochOpened { epoch } => {
                self.office.recovery = None;
                enter(&mut self.office.counter, *epoch);
            }
            Happened::Conflict { seen } => self.office.conflict = Some(*seen),
            Happened::ConflictCleared => self.office.conflict = None,
            Happened::LimitsSet(limits) => {
                self.office.limits = *limits;
                for pool in self.pools.values_mut() {
                    pool.memory.set_limits(&pool.kept, limits, event.at);
                }
            }
            Happened::LicenceSet(licence) => self.office.licence = licence.clone(),
            Happened::RulesSet(rules) => {
                self.office.rules = rules.clone();
                for (id, pool) in &mut self.pools {
                    pool.memory.set_rules(id, &pool.kept, rules);
                }
            }
            _ => {}
        }
        let Some(id) = &event.cause.pool else { return };
        if !self.pools.contains_key(id) {
            let memory =
                Memory::of(id, &Default::default(), &self.office.rules, &self.office.limits, event.at);
            self.pools.insert(id.clone(), Pool { kept: Default::default(), memory });
        }
        let Some(pool) = self.pools.get_mut(id) else { return };
        pool.apply(&mut self.office, event);
    }

    fn started(&mut self, epoch: Epoch, trust: Trust) {
        let at = self.office.at;
        let limits = self.office.limits;
        let mut seen = self.office.counter.epoch.max(epoch);
        for pool in self.pools.values_mut() {
            for lease in pool.kept.leases.values_mut() {
                seen = seen.max(lease.token.epoch());
                give_time_once(lease, at, &limits);
            }
        }
        enter(&mut self.office.counter, epoch);
        self.office.recovery = match trust {
            Trust::Current => self.office.recovery,
            Trust::MayBeOld => Some(Recovery { until: at.plus(limits.safe()), seen }),
        };
        for (id, pool) in &mut self.pools {
            pool.memory = Memory::of(id, &pool.kept, &self.office.rules, &limits, at);
        }
    }

    fn answer_of(&mut self, event: &Event) {
        let cause = &event.cause;
        let (Some(request), Some(body)) = (cause.request_id, cause.body) else { return };
        let came_to = match (&event.what, cause.lease, cause.token, cause.ticket) {
            (Happened::Denied { refusal, .. }, ..) => CameTo::Refused(refusal.clone()),
            (Happened::Queued { .. } | Happened::QueuedAgain { .. }, _, _, Some(ticket)) => {
                CameTo::Ticket(ticket)
            }
            (_, Some(lease), Some(token), _) => CameTo::Lease(lease, token),
            _ => return,
        };
        let limits = self.office.limits;
        self.office.answers.remember(event.at, request, Answer { body, came_to }, &limits);
    }
}

/// Begins to draw in an epoch; one that is not higher changes nothing, so that no number comes twice.
fn enter(counter: &mut Counter, epoch: Epoch) {
    if epoch > counter.epoch {
        *counter = Counter::in_epoch(epoch);
    }
}

/// Gives a lease the time to show itself after a restart, once until it has.
fn give_time_once(lease: &mut Lease, at: At, limits: &super::Limits) {
    let until = match (lease.phase, lease.doubt) {
        (Phase::Parked { .. } | Phase::Closed { .. }, _) | (_, Doubt::Restarted { .. }) => return,
        (Phase::Offered { .. }, _) => {
            let until = at.plus(std::time::Duration::from_millis(limits.offer_ms));
            lease.phase = Phase::Offered { until };
            until
        }
        (Phase::Seated, Doubt::None) => at.plus(limits.safe()),
        (Phase::Seated, Doubt::Silent) => at.plus(limits.grace()),
    };
    lease.doubt = Doubt::Restarted { until };
}

impl Pool {
    fn apply(&mut self, office: &mut Office, event: &Event) {
        match &event.what {
            Happened::ReservationsSet { list } => {
                self.kept.reservations = list.clone();
                self.memory.set_reservations(&self.kept);
            }
            Happened::NoShow { reservation } => {
                let found = self.kept.reservations.iter_mut().find(|known| known.id == *reservation);
                found.into_iter().for_each(|known| known.freed = true);
            }
            Happened::Overrun { next, .. } => {
                let found = self.kept.reservations.iter_mut().find(|known| known.id == *next);
                found.into_iter().for_each(|known| known.overrun_told = true);
            }
            Happened::BurstOpened => self.kept.burst.open = true,
            Happened::BurstDay { day } => {
                self.kept.burst.days.insert(super::calendar::JstDay(*day));
            }
            Happened::BurstClosed => self.kept.burst.open = false,
            Happened::Granted { lease, .. } => self.begin(office, lease, event),
            Happened::Adopted { lease } => {
                let seen = lease.token.epoch();
                office.recovery.iter_mut().for_each(|recovery| recovery.seen = recovery.seen.max(seen));
                self.begin(office, lease, event);
            }
            Happened::Offered { lease, .. } => self.serve(office, lease, event, true),
            Happened::Served { lease: Some(lease), .. } => self.serve(office, lease, event, false),
            Happened::Served { lease: None, .. } => self.accepted(office, event),
            Happened::Queued { ticket } => self.queue(office, ticket, event.at),
            Happened::QueuedAgain { device, used_for } => self.queue_again(office, event, device, *used_for),
            Happened::Left { .. } | Happened::TimedOut { .. } => self.resolve(office, event),
            Happened::Ended { reason, .. } => self.end(office, event, reason.clone()),
            Happened::Reattached { token, device, used_for } => {
                self.moved(office, event, *token, device, *used_for);
            }
            Happened::Moved { token, device, used_for, .. } => {
                self.moved(office, event, *token, device, *used_for);
            }
            _ => self.change(office, event),
        }
    }

    fn begin(&mut self, office: &mut Office, lease: &Lease, event: &Event) {
        office.counter.note(lease.id.number() as u64);
        office.counter.note(lease.token.number() as u64);
        if let Some(fills) = lease.fills {
            let before = std::time::Duration::from_millis(office.limits.reserve_before_ms);
            let found = self.kept.reservations.iter_mut().find(|known| known.id == fills);
            // Whoever works on something else in the morning has not come to the meeting of the afternoon.
            let open = found.filter(|known| event.office >= known.from.minus(before));
            open.into_iter().for_each(|known| known.attended = true);
        }
        self.kept.begun += 1;
        self.kept.leases.insert(lease.id, lease.clone());
        self.memory.begin(lease, &office.limits, event.at);
    }

    /// Takes the first out of the line and gives them the lease; who came before them was passed once more.
    fn serve(&mut self, office: &mut Office, lease: &Lease, event: &Event, is_offer: bool) {
        let Some(id) = lease.ticket else { return };
        let Some(ticket) = self.kept.waiting.remove(&id) else { return };
        let came_to = CameTo::Lease(lease.id, lease.token);
        office.answers.settle(&ticket.requests, &came_to);
        self.memory.part(&ticket);
        self.pass_those_before(office, &ticket, lease, event.at);
        if is_offer {
            self.kept.offered.insert(lease.id, ticket);
        }
        self.begin(office, lease, event);
    }

    fn pass_those_before(&mut self, office: &Office, served: &Ticket, lease: &Lease, at: At) {
        // Who takes a seat kept for them takes nothing from those before.
        if lease.fills.is_some() {
            return;
        }
        let memory = &self.memory;
        let mut passed = Vec::new();
        for (id, ticket) in self.kept.waiting.range_mut(..served.id) {
            let claim = memory.claim_of(*id);
            // Counted by what the events say alone: whose quota is full was not passed, but skipped.
            let is_open = |claim| super::decide::to_be_cleared(memory, &office.rules, claim).is_none();
            if claim.is_some_and(is_open) {
                ticket.overtaken = ticket.overtaken.saturating_add(1);
                if ticket.overtaken >= office.limits.overtakes_max {
                    passed.push(ticket.clone());
                }
            }
        }
        for ticket in passed {
            self.memory.stand(&ticket, &office.limits, at);
        }
    }

    fn accepted(&mut self, office: &Office, event: &Event) {
        let Some(lease) = event.cause.lease else { return };
        self.kept.offered.remove(&lease);
        self.alter(office, lease, event.at, |lease| {
            lease.phase = Phase::Seated;
            lease.doubt = Doubt::None;
        });
        self.memory.hear(lease, event.at);
        self.active(office, lease, event.at);
    }

    fn queue(&mut self, office: &mut Office, ticket: &Ticket, at: At) {
        office.counter.note(ticket.id.number() as u64);
        self.kept.waiting.insert(ticket.id, ticket.clone());
        self.memory.join(ticket, &self.kept.reservations, &office.limits, at);
    }

    fn queue_again(&mut self, office: &Office, event: &Event, device: &Device, used_for: Use) {
        let Some(id) = event.cause.ticket else { return };
        let Some(ticket) = self.kept.waiting.get_mut(&id) else { return };
        if device.kind != DeviceKind::Job {
            ticket.device = device.clone();
        }
        if !ticket.uses.contains(&used_for) && ticket.uses.len() < office.limits.uses_max as usize {
            ticket.uses.push(used_for);
        }
        if let Some(request) = event.cause.request_id
            && ticket.requests.len() < REQUESTS_MAX
        {
            ticket.requests.push(request);
        }
        let ticket = ticket.clone();
        self.memory.join(&ticket, &self.kept.reservations, &office.limits, event.at);
    }

    fn resolve(&mut self, office: &mut Office, event: &Event) {
        if let Some(ticket) = event.cause.ticket.and_then(|id| self.kept.waiting.remove(&id)) {
            office.answers.settle(&ticket.requests, &CameTo::Gone);
            self.memory.part(&ticket);
        }
        if let Some(lease) = event.cause.lease {
            self.kept.offered.remove(&lease);
        }
    }

    fn end(&mut self, office: &mut Office, event: &Event, reason: super::EndReason) {
        let Some(lease) = event.cause.lease.and_then(|id| self.kept.leases.remove(&id)) else { return };
        self.memory.end(&lease);
        self.kept.over += 1;
        if matches!(lease.phase, Phase::Seated | Phase::Closed { .. } | Phase::Parked { .. }) {
            self.kept.releases.note(event.office);
        }
        let ended = Ended { token: lease.token, reason, office: event.office };
        office.ended.remember(event.at, lease.id, ended, office.limits.answers_ms);
    }

    /// Gives a lease a new token at a device; jobs stay and fetch the new token.
    fn moved(
        &mut self,
        office: &mut Office,
        event: &Event,
        token: Token,
        device: &Device,
        used_for: Option<Use>,
    ) {
        let Some(id) = event.cause.lease else { return };
        office.counter.note(token.number() as u64);
        self.memory.hear(id, event.at);
        self.alter(office, id, event.at, |lease| {
            lease.token = token;
            lease.phase = Phase::Seated;
            lease.doubt = Doubt::None;
            lease.devices.retain(|known| known.kind == DeviceKind::Job && known.id != device.id);
            lease.devices.push(device.clone());
            add_use(lease, used_for);
        });
        self.active(office, id, event.at);
    }

    /// The smaller changes of one lease.
    fn change(&mut self, office: &Office, event: &Event) {
        let Some(id) = event.cause.lease else { return };
        let at = event.at;
        if matches!(event.what, Happened::Joined { .. } | Happened::Confirmed) {
            self.memory.hear(id, at);
        }
        self.alter(office, id, at, |lease| match &event.what {
            Happened::Joined { device, used_for } => {
                lease.phase = Phase::Seated;
                lease.doubt = Doubt::None;
                lease.devices.retain(|known| known.id != device.id);
                lease.devices.push(device.clone());
                add_use(lease, *used_for);
            }
            Happened::UseAdded { used_for } => add_use(lease, Some(*used_for)),
            Happened::UseEnded { used_for } => lease.uses.retain(|known| known != used_for),
            Happened::DeviceLeft { left } => lease.devices.retain(|known| known.id != *left),
            Happened::WentStale => lease.doubt = Doubt::Silent,
            Happened::Confirmed => {
                lease.doubt = Doubt::None;
                lease.phase = Phase::Seated;
            }
            Happened::Parked => lease.phase = Phase::Parked { since: at },
            Happened::Closed => lease.phase = Phase::Closed { since: at },
            Happened::Warned { of: super::event::Warning::Idle, .. } => lease.warned = Some(at),
            Happened::Warned { of: super::event::Warning::Lent, .. } => {
                lease.lent.iter_mut().for_each(|lent| lent.recalled = Some(at));
            }
            Happened::Unwarned => lease.warned = None,
            Happened::Kept => lease.lent = None,
            _ => {}
        });
        if matches!(
            event.what,
            Happened::Joined { .. } | Happened::UseAdded { .. } | Happened::UseEnded { .. }
        ) {
            self.active(office, id, at);
        }
    }

    /// Notes that a holder does something.
    pub(super) fn active(&mut self, office: &Office, id: LeaseId, at: At) {
        if let Some(life) = self.memory.lives.get_mut(&id) {
            life.activity = life.activity.max(at);
        }
        self.alter(office, id, at, |lease| lease.warned = None);
    }

    fn alter(&mut self, office: &Office, id: LeaseId, at: At, change: impl FnOnce(&mut Lease)) {
        let Some(lease) = self.kept.leases.get_mut(&id) else { return };
        change(lease);
        self.memory.arrange(lease, &office.limits, at);
    }
}

fn add_use(lease: &mut Lease, used_for: Option<Use>) {
    if let Some(used_for) = used_for.filter(|used_for| !lease.uses.contains(used_for)) {
        lease.uses.push(used_for);
    }
}

impl Office {
    /// Returns the number that lies `ahead` of the last one drawn, and its epoch; it is drawn once its event is applied.
    pub(super) fn next_number(&self, ahead: u64) -> (Epoch, u64) {
        (self.counter.epoch, self.counter.peek(ahead))
    }
}

/// Finds the pool of a lease; an office has few pools.
pub(super) fn pool_of(pools: &std::collections::BTreeMap<PoolId, Pool>, lease: LeaseId) -> Option<&PoolId> {
    pools.iter().find(|(_, pool)| pool.kept.leases.contains_key(&lease)).map(|(id, _)| id)
}
