//! The engine: requests in, events out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::apply::pool_of;
use super::event::{Cause, Event, Happened};
use super::lease::{Doubt, EndReason, Lease, Phase};
use super::memory::{Due, Memory, alive_until};
use super::queue::Ticket;
use super::restart::{Checkpoint, Trust};
use super::state::{Office, PoolState, State};
use super::{At, Epoch, LeaseId, Limits, Now, PoolId, Refusal, Reply, Request, Step, TicketId};
use crate::clock::{Mono, UnixMs};

/// Pools an office may have; each request names one, and an unknown one is refused.
pub const POOLS_MAX: usize = 16;

/// All pools of one office: what is durable, and what is only known while the process lives.
#[derive(Debug, Clone)]
pub struct Pools {
    pub(super) office: Office,
    pub(super) pools: BTreeMap<PoolId, Pool>,
    clock: Clock,
}

/// One pool.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub kept: PoolState,
    pub memory: Memory,
}

/// The engine's own time: the machine's clock, less what the engine slept through.
#[derive(Debug, Clone, Copy)]
struct Clock {
    mono: Mono,
    at: At,
    is_ticking: bool,
}

/// One step while it runs.
#[derive(Debug)]
pub(super) struct Turn {
    pub at: At,
    pub office: UnixMs,
    pub events: Vec<Event>,
}

impl Clock {
    /// Returns the engine's time at `mono`.
    ///
    /// A gap between two steps of a ticking engine means that it stood still, and that nobody could be granted a
    /// seat meanwhile: everything gets the gap back.
    fn at(&self, mono: Mono, limits: &Limits) -> At {
        let gap = mono.since(self.mono);
        if self.is_ticking && gap > Duration::from_millis(limits.pause_ms) {
            self.at
        } else {
            self.at.plus(gap)
        }
    }

    fn advance(&mut self, mono: Mono, limits: &Limits) -> At {
        let at = self.at(mono, limits);
        // What is below a millisecond stays for the next step, or time would run slow.
        let rest = mono.since(self.mono).subsec_nanos() % 1_000_000;
        if mono > self.mono {
            let whole = mono.since(self.mono) - Duration::from_nanos(rest.into());
            (self.mono, self.at) = (self.mono + whole, at);
        }
        at
    }
}

impl Pools {
    /// Takes over a state in a new epoch, which the shell has made durable before; a new office begins with
    /// `State::default()`. The events are to be stored before the first request is answered.
    pub fn restart(
        state: State,
        checkpoint: Option<Checkpoint>,
        epoch: Epoch,
        trust: Trust,
        now: Now,
    ) -> (Self, Vec<Event>) {
        let mut pools = Self::around(state, now.mono);
        if let Some(checkpoint) = checkpoint {
            pools.office.at = pools.office.at.max(checkpoint.at);
        }
        pools.clock.at = pools.office.at;
        let mut turn = Turn { at: pools.office.at, office: now.office, events: Vec::new() };
        // An epoch that was not made higher would give numbers twice.
        let epoch = epoch.max(pools.office.counter.epoch);
        pools.record(&mut turn, Cause::default(), Happened::Started { epoch, trust });
        (pools, turn.events)
    }

    fn around(state: State, mono: Mono) -> Self {
        let State { office, pools } = state;
        let memory =
            |id: &PoolId, kept: &PoolState| Memory::of(id, kept, &office.rules, &office.limits, office.at);
        let pools = pools.into_iter().map(|(id, kept)| {
            let memory = memory(&id, &kept);
            (id, Pool { kept, memory })
        });
        let pools = pools.collect();
        let clock = Clock { mono, at: office.at, is_ticking: false };
        Self { office, pools, clock }
    }

    /// Folds events into the state they left behind, from an older state or from none.
    pub fn replay<'a>(state: State, events: impl IntoIterator<Item = &'a Event>) -> State {
        let mut pools = Self::around(state, Mono::from_ms(0));
        for event in events {
            pools.apply(event);
        }
        pools.state()
    }

    /// Returns what is durable; a copy, for a snapshot.
    pub fn state(&self) -> State {
        let pools = self.pools.iter().map(|(id, pool)| (id.clone(), pool.kept.clone()));
        State { office: self.office.clone(), pools: pools.collect() }
    }

    /// Returns what to write each second while a lease is unconfirmed since the restart, so that it lapses in a crash
    /// loop, or while somebody waits, so that the time waited is not lost.
    pub fn checkpoint(&self, now: Now) -> Option<Checkpoint> {
        let leases = || self.pools.values().flat_map(|pool| pool.kept.leases.values());
        let somebody_waits = self.pools.values().any(|pool| !pool.kept.waiting.is_empty());
        let is_needed =
            somebody_waits || leases().any(|lease| matches!(lease.doubt, Doubt::Restarted { .. }));
        (is_needed || self.office.recovery.is_some())
            .then(|| Checkpoint { epoch: self.office.counter.epoch, at: self.at(now) })
    }

    /// Returns the engine's own time.
    pub fn at(&self, now: Now) -> At {
        self.clock.at(now.mono, &self.office.limits)
    }

    /// Carries out one request.
    pub fn step(&mut self, now: Now, request: Request) -> Step {
        let at = self.clock.advance(now.mono, &self.office.limits);
        let mut turn = Turn { at, office: now.office, events: Vec::new() };
        let is_tick = matches!(request, Request::Tick);
        self.clock.is_ticking |= is_tick;
        self.settle(&mut turn, is_tick);
        let asked = match &request {
            Request::Acquire(acquire) => Some(acquire.request_id),
            _ => None,
        };
        let mut reply = self.answer(&mut turn, request);
        self.serve(&mut turn, is_tick);
        // Whoever joined the line may have been served in the same step.
        if let (Reply::Queued { .. }, Some(request)) = (&reply, asked) {
            reply = self.answered(request, at, now.office).unwrap_or(reply);
        }
        Step { reply, events: turn.events, epoch_wanted: self.epoch_wanted(at) }
    }

    /// Writes an event down: it changes the state and becomes a row.
    pub(super) fn record(&mut self, turn: &mut Turn, cause: Cause, what: Happened) {
        let epoch = self.office.counter.epoch;
        let event = Event { epoch, at: turn.at, office: turn.office, cause, what };
        self.apply(&event);
        turn.events.push(event);
    }

    /// Does what time has done: silence, holds and limits that ran out.
    fn settle(&mut self, turn: &mut Turn, is_tick: bool) {
        let Self { pools, .. } = &*self;
        let due: Vec<PoolId> = pools
            .iter()
            .filter(|(_, pool)| is_tick || pool.memory.due.first().is_some_and(|(due, _)| *due <= turn.at))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            while let Some((_, next)) =
                self.pools[&id].memory.due.first().copied().filter(|(due, _)| *due <= turn.at)
            {
                match next {
                    Due::Lease(lease) => self.settle_lease(turn, &id, lease),
                    Due::Ticket(ticket) => self.settle_ticket(turn, &id, ticket),
                    Due::Raise(ticket) => self.raise(turn, &id, ticket),
                }
            }
            if is_tick {
                self.settle_calendar(turn, &id);
            }
        }
    }

    fn settle_lease(&mut self, turn: &mut Turn, id: &PoolId, lease: LeaseId) {
        let at = turn.at;
        let limits = self.office.limits;
        let Some(pool) = self.pools.get_mut(id) else { return };
        let (Some(found), Some(life)) =
            (pool.kept.leases.get(&lease), pool.memory.lives.get(&lease).copied())
        else {
            return;
        };
        let kept = Duration::from_millis(limits.reclaimable_ms);
        let over = match found.phase {
            Phase::Offered { until } if at >= until => return self.offer_expired(turn, lease),
            Phase::Parked { since } if at.since(since).as_millis() as u64 >= limits.parked_ms => {
                Some(EndReason::ParkedTaken)
            }
            Phase::Closed { since } => {
                let open = since.plus(Duration::from_millis(limits.closed_ms));
                (at >= open.plus(kept)).then_some(EndReason::Lapsed)
            }
            Phase::Seated => {
                let (active, safe) = alive_until(found, &life, &limits);
                if at >= active && life.asleep && !found.is_recording() {
                    let cause = Cause::about(found);
                    return self.record(turn, cause, Happened::Parked);
                }
                if at >= active && found.doubt == Doubt::None {
                    let cause = Cause::about(found);
                    return self.record(turn, cause, Happened::WentStale);
                }
                (at >= safe.plus(kept)).then_some(EndReason::Lapsed)
            }
            Phase::Offered { .. } | Phase::Parked { .. } => None,
        };
        match over {
            Some(reason) => self.end(turn, lease, reason),
            None => pool.memory.arrange(found, &limits, at),
        }
    }

    fn offer_expired(&mut self, turn: &mut Turn, lease: LeaseId) {
        self.offer_over(turn, lease, |waited_ms| Happened::TimedOut { waited_ms });
        self.end(turn, lease, EndReason::OfferExpired);
    }

    /// Writes down how the wait of an offered seat ended, if it is one.
    pub(super) fn offer_over(&mut self, turn: &mut Turn, lease: LeaseId, what: fn(u64) -> Happened) {
        let Some(pool) = pool_of(&self.pools, lease).and_then(|id| self.pools.get(id)) else { return };
        let (Some(found), Some(ticket)) = (pool.kept.leases.get(&lease), pool.kept.offered.get(&lease))
        else {
            return;
        };
        let cause = Cause { request_id: ticket.requests.first().copied(), ..Cause::about(found) };
        let waited_ms = turn.at.since(ticket.since).as_millis() as u64;
        self.record(turn, cause, what(waited_ms));
    }

    fn settle_ticket(&mut self, turn: &mut Turn, id: &PoolId, ticket: TicketId) {
        let Some(pool) = self.pools.get_mut(id) else { return };
        let (Some(seen), Some(found)) = (pool.memory.seen.get(&ticket), pool.kept.waiting.get(&ticket))
        else {
            return;
        };
        let vanishes = seen.sign.plus(self.office.limits.ttl());
        if turn.at < vanishes {
            return pool.memory.look_again(ticket, vanishes);
        }
        let waited_ms = turn.at.since(found.since).as_millis() as u64;
        let cause = Cause::waiting(found);
        self.record(turn, cause, Happened::TimedOut { waited_ms });
    }

    fn raise(&mut self, turn: &Turn, id: &PoolId, ticket: TicketId) {
        let limits = self.office.limits;
        let Some(pool) = self.pools.get_mut(id) else { return };
        if let Some(found) = pool.kept.waiting.get(&ticket) {
            pool.memory.stand(found, &limits, turn.at);
        }
    }

    /// Ends a lease.
    pub(super) fn end(&mut self, turn: &mut Turn, lease: LeaseId, reason: EndReason) {
        let Some(pool) = pool_of(&self.pools, lease).and_then(|id| self.pools.get(id)) else { return };
        let Some(found) = pool.kept.leases.get(&lease) else { return };
        let mut cause = Cause::about(found);
        cause.reason = Some(reason.word().into());
        if let EndReason::Revoked { by, .. } | EndReason::RecordingEnded { by, .. } = &reason {
            cause.by = Some(by.clone());
        }
        let held_ms = turn.at.since(found.since).as_millis() as u64;
        let activity = pool.memory.lives.get(&lease).map_or(turn.at, |life| life.activity);
        let idle_ms = turn.at.since(activity).as_millis() as u64;
        self.record(turn, cause, Happened::Ended { reason, held_ms, idle_ms });
    }

    fn epoch_wanted(&self, at: At) -> Option<Epoch> {
        let own = self.office.counter.epoch;
        match self.office.recovery {
            Some(recovery) if at >= recovery.until => recovery.seen.max(own).next(),
            Some(_) => None,
            None if self.office.counter.is_used_up() => own.next(),
            None => None,
        }
    }

    /// Says why nothing new may be granted now, whoever asks.
    pub(super) fn barred(&self, at: At) -> Option<Refusal> {
        let own = self.office.counter.epoch;
        if let Some(seen) = self.office.conflict {
            return Some(Refusal::InstanceConflict { seen, own });
        }
        if let Some(recovery) = self.office.recovery {
            let retry_ms = recovery.until.since(at).as_millis() as u64;
            return Some(Refusal::Recovering { retry_ms: retry_ms.max(1_000) });
        }
        if self.office.counter.is_used_up() {
            return Some(Refusal::Recovering { retry_ms: 1_000 });
        }
        self.office.licence.bar.as_ref().map(|bar| bar.refusal())
    }
}

impl Cause {
    /// Names a lease and its holder.
    pub(super) fn about(lease: &Lease) -> Self {
        Self {
            pool: Some(lease.pool.clone()),
            lease: Some(lease.id),
            ticket: lease.ticket,
            token: Some(lease.token),
            holder: Some(lease.applicant.holder),
            department: Some(lease.applicant.department.clone()),
            device: lease.devices.last().map(|device| device.id),
            ..Self::default()
        }
    }

    /// Names a place in the line and who waits there.
    pub(super) fn waiting(ticket: &Ticket) -> Self {
        Self {
            pool: Some(ticket.pool.clone()),
            ticket: Some(ticket.id),
            holder: Some(ticket.applicant.holder),
            department: Some(ticket.applicant.department.clone()),
            device: Some(ticket.device.id),
            request_id: ticket.requests.first().copied(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
