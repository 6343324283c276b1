//! What a holder does with a lease: beats, parks, gives it back, works with it; and what an administrator may do.

use super::event::{Cause, Happened};
use super::lease::{Doubt, EndReason, Lease, Phase};
use super::memory::alive_until;
use super::pool::{Pools, Turn};
use super::refusal::Lost;
use super::request::{Act, Held, Request};
use super::{At, DeviceId, DeviceKind, LeaseId, LeaseState, Now, Refusal, Reply, TicketId, Use};

/// Characters that are kept of an administrator's reason.
const TEXT_CHARS_MAX: usize = 200;

impl Pools {
    /// Answers a request.
    pub(super) fn answer(&mut self, turn: &mut Turn, request: Request) -> Reply {
        match request {
            Request::Acquire(acquire) => self.acquire(turn, acquire),
            Request::HandOver { request_id, pool, holder, device } => {
                self.hand_over(turn, request_id, &pool, holder, device)
            }
            Request::Accept(held) => self.accept(turn, held),
            Request::Decline(held) => self.decline(turn, held),
            Request::Beat(held) => self.beat(turn, held),
            Request::BeatWaiting { ticket, attentive } => self.beat_waiting(turn, ticket, attentive),
            Request::Activity(held) => self.activity(turn, held),
            Request::Sleep(held) => self.sleep(turn, held),
            Request::Park(held) => self.park(turn, held),
            Request::AskYield { ticket, lease, name } => self.ask_yield(turn, ticket, lease, name),
            Request::Yield(held) => self.give_way(turn, held),
            Request::Release { held, device } => self.release(turn, held, device),
            Request::SocketClosed { held, device } => self.socket_closed(turn, held, device),
            Request::Leave { ticket } => self.leave(turn, ticket),
            Request::AddUse { held, used_for } => self.add_use(turn, held, used_for),
            Request::EndUse { held, used_for, device } => self.end_use(turn, held, used_for, device),
            Request::Revoke { lease, act } => self.revoke(turn, lease, act, false),
            Request::EndRecording { lease, act } => self.revoke(turn, lease, act, true),
            Request::Tick => Reply::Done,
            other => self.administer(turn, other),
        }
    }

    /// Proves that a protected call may go on; changes nothing.
    ///
    /// Errors: the refusal to answer with.
    pub fn proof(&self, held: Held, now: Now) -> Result<&Lease, Refusal> {
        let at = self.at(now);
        self.usable(held, at).map(|(lease, _)| lease)
    }

    /// Returns the caller's lease if it may be worked with.
    fn usable(&self, held: Held, at: At) -> Result<(&Lease, LeaseState), Refusal> {
        let (lease, state) = self.theirs(held, at)?;
        if state.is_usable() { Ok((lease, state)) } else { Err(self.lost(held.lease, at)) }
    }

    /// Returns the caller's lease if the token is the current one.
    fn theirs(&self, held: Held, at: At) -> Result<(&Lease, LeaseState), Refusal> {
        match self.with_state(held.lease, at) {
            Some((lease, state)) if lease.token == held.token => Ok((lease, state)),
            Some(_) => Err(Refusal::SeatLost { why: Lost::Moved }),
            None => Err(self.lost(held.lease, at)),
        }
    }

    /// Says why a lease may not be worked with.
    pub(super) fn lost(&self, lease: LeaseId, at: At) -> Refusal {
        if let Some((found, state)) = self.with_state(lease, at) {
            let why = match state {
                LeaseState::Reclaimable => {
                    return Refusal::LeaseLapsed { silent_ms: self.silent_ms(found, at) };
                }
                LeaseState::Offered => Lost::NotAccepted,
                LeaseState::Parked => Lost::Parked,
                LeaseState::Active | LeaseState::Stale => Lost::Moved,
            };
            return Refusal::SeatLost { why };
        }
        match self.office.ended.find(lease) {
            Some(ended) => match &ended.reason {
                EndReason::OfferExpired => Refusal::OfferExpired { offer_ms: self.office.limits.offer_ms },
                EndReason::Lapsed => {
                    let limits = &self.office.limits;
                    Refusal::LeaseLapsed { silent_ms: limits.ttl_ms + limits.grace_ms }
                }
                reason => {
                    let (reason, office) = (reason.clone(), ended.office);
                    Refusal::SeatLost { why: Lost::Ended { reason, office } }
                }
            },
            None => Refusal::SeatLost { why: Lost::Unknown },
        }
    }

    fn silent_ms(&self, lease: &Lease, at: At) -> u64 {
        let life = self.pools.get(&lease.pool).and_then(|pool| pool.memory.lives.get(&lease.id));
        life.map_or(0, |life| at.since(life.sign).as_millis() as u64)
    }

    /// Returns how long a lease is its holder's without another sign of life.
    pub(super) fn ttl_ms(&self, lease: &Lease, state: LeaseState, at: At) -> u64 {
        let Some(pool) = self.pools.get(&lease.pool) else { return 0 };
        let Some(life) = pool.memory.lives.get(&lease.id) else { return 0 };
        match (state, lease.phase) {
            (_, Phase::Offered { until }) => until.since(at).as_millis() as u64,
            (LeaseState::Active, _) => {
                let (active, _) = alive_until(lease, life, &self.office.limits);
                active.since(at).as_millis() as u64
            }
            _ => 0,
        }
    }

    fn beat(&mut self, turn: &mut Turn, held: Held) -> Reply {
        let (lease, state) = match self.theirs(held, turn.at) {
            Ok(found) => found,
            Err(refusal) => return Reply::Refused(refusal),
        };
        match state {
            LeaseState::Active | LeaseState::Stale => {}
            LeaseState::Reclaimable => return Reply::Refused(self.lost(held.lease, turn.at)),
            LeaseState::Offered | LeaseState::Parked => {
                return Reply::Beating { ttl_ms: self.ttl_ms(lease, state, turn.at), state };
            }
        }
        // A closed page that beats has another tab: it is alive.
        if lease.doubt != Doubt::None || matches!(lease.phase, Phase::Closed { .. }) {
            let cause = Cause::about(lease);
            self.record(turn, cause, Happened::Confirmed);
        } else {
            let pool = self.pools.values_mut().find(|pool| pool.memory.lives.contains_key(&held.lease));
            pool.into_iter().for_each(|pool| pool.memory.hear(held.lease, turn.at));
        }
        Reply::Beating { ttl_ms: self.office.limits.ttl_ms, state: LeaseState::Active }
    }

    fn beat_waiting(&mut self, turn: &Turn, ticket: TicketId, attentive: bool) -> Reply {
        let pool = self.pools.values_mut().find(|pool| pool.memory.seen.contains_key(&ticket));
        if let Some(seen) = pool.and_then(|pool| pool.memory.seen.get_mut(&ticket)) {
            seen.sign = turn.at;
            if attentive {
                seen.attentive = Some(turn.at);
            }
        }
        self.queued(ticket, turn.at, turn.office)
    }

    fn activity(&mut self, turn: &mut Turn, held: Held) -> Reply {
        let lease = match self.usable(held, turn.at) {
            Ok((lease, _)) => lease,
            Err(refusal) => return Reply::Refused(refusal),
        };
        if lease.warned.is_some() {
            let cause = Cause::about(lease);
            self.record(turn, cause, Happened::Unwarned);
        }
        let pool = self.pools.values_mut().find(|pool| pool.memory.lives.contains_key(&held.lease));
        if let Some(life) = pool.and_then(|pool| pool.memory.lives.get_mut(&held.lease)) {
            life.activity = turn.at;
        }
        Reply::Done
    }

    fn sleep(&mut self, turn: &mut Turn, held: Held) -> Reply {
        if let Err(refusal) = self.usable(held, turn.at) {
            return Reply::Refused(refusal);
        }
        // Whoever announces silence is alive; the silence counts from now.
        self.beat(turn, held);
        let pool = self.pools.values_mut().find(|pool| pool.memory.lives.contains_key(&held.lease));
        if let Some(life) = pool.and_then(|pool| pool.memory.lives.get_mut(&held.lease)) {
            life.asleep = true;
        }
        Reply::Done
    }

    fn accept(&mut self, turn: &mut Turn, held: Held) -> Reply {
        let state = match self.theirs(held, turn.at) {
            Ok((_, state)) => state,
            Err(refusal) => return Reply::Refused(refusal),
        };
        if state != LeaseState::Offered && !state.is_usable() {
            return Reply::Refused(self.lost(held.lease, turn.at));
        }
        if state == LeaseState::Offered {
            self.offer_over(turn, held.lease, |waited_ms| Happened::Served { lease: None, waited_ms });
        }
        match self.find(held.lease) {
            Some(lease) => Reply::Attached(self.lease_reply(lease, turn.at, turn.office)),
            None => Reply::Refused(self.lost(held.lease, turn.at)),
        }
    }

    fn decline(&mut self, turn: &mut Turn, held: Held) -> Reply {
        match self.theirs(held, turn.at) {
            Ok((_, LeaseState::Offered)) => {
                self.offer_over(turn, held.lease, |waited_ms| Happened::Left { waited_ms });
                self.end(turn, held.lease, EndReason::Declined);
                Reply::Done
            }
            Ok(_) | Err(_) => Reply::Done,
        }
    }

    fn park(&mut self, turn: &mut Turn, held: Held) -> Reply {
        let (lease, state) = match self.theirs(held, turn.at) {
            Ok(found) => found,
            Err(refusal) => return Reply::Refused(refusal),
        };
        if state == LeaseState::Parked {
            return Reply::Done;
        }
        if !state.is_usable() {
            return Reply::Refused(self.lost(held.lease, turn.at));
        }
        if lease.is_recording() {
            return Reply::Refused(Refusal::RecordingRuns { lease: held.lease });
        }
        if lease.has_job() {
            return self.leave_to_job(turn, held.lease);
        }
        let cause = Cause::about(lease);
        self.record(turn, cause, Happened::Parked);
        Reply::Done
    }

    /// Lets the person go and the job finish its file; the seat goes back when it has.
    fn leave_to_job(&mut self, turn: &mut Turn, lease: LeaseId) -> Reply {
        let Some(found) = self.find(lease) else { return Reply::Done };
        let people = found.devices.iter().filter(|known| known.kind != DeviceKind::Job);
        let people: Vec<DeviceId> = people.map(|known| known.id).collect();
        for left in people {
            let cause = self.find(lease).map(Cause::about).unwrap_or_default();
            self.record(turn, Cause { device: Some(left), ..cause }, Happened::DeviceLeft { left });
        }
        Reply::Done
    }

    fn ask_yield(
        &mut self,
        turn: &mut Turn,
        ticket: TicketId,
        lease: LeaseId,
        name: Option<String>,
    ) -> Reply {
        let waits = self.pools.values().any(|pool| pool.kept.waiting.contains_key(&ticket));
        let Some(found) = self.find(lease).filter(|_| waits) else { return Reply::Done };
        if found.is_recording() {
            return Reply::Refused(Refusal::RecordingRuns { lease });
        }
        let cause = Cause { ticket: Some(ticket), ..Cause::about(found) };
        let name = name.map(|name| name.chars().take(TEXT_CHARS_MAX).collect());
        self.record(turn, cause, Happened::YieldAsked { name });
        Reply::Done
    }

    fn give_way(&mut self, turn: &mut Turn, held: Held) -> Reply {
        match self.theirs(held, turn.at) {
            Ok((lease, _)) if lease.is_recording() => {
                Reply::Refused(Refusal::RecordingRuns { lease: held.lease })
            }
            Ok((_, LeaseState::Offered)) => self.decline(turn, held),
            Ok((lease, _)) if lease.has_job() => self.leave_to_job(turn, held.lease),
            Ok(_) => {
                self.end(turn, held.lease, EndReason::Yielded);
                Reply::Done
            }
            Err(_) => Reply::Done,
        }
    }

    fn release(&mut self, turn: &mut Turn, held: Held, device: DeviceId) -> Reply {
        let Ok((lease, state)) = self.theirs(held, turn.at) else { return Reply::Done };
        if state == LeaseState::Offered {
            return self.decline(turn, held);
        }
        if lease.devices.iter().any(|known| known.id != device) {
            let cause = Cause { device: Some(device), ..Cause::about(lease) };
            if lease.devices.iter().any(|known| known.id == device) {
                self.record(turn, cause, Happened::DeviceLeft { left: device });
            }
            return Reply::Done;
        }
        self.end(turn, held.lease, EndReason::Released);
        Reply::Done
    }

    fn socket_closed(&mut self, turn: &mut Turn, held: Held, device: DeviceId) -> Reply {
        let Ok((lease, state)) = self.theirs(held, turn.at) else { return Reply::Done };
        let is_only = lease.devices.iter().all(|known| known.id == device);
        // A recording's page that reloads must find its seat: only silence ends it.
        if !is_only || !state.is_usable() || lease.is_recording() {
            return Reply::Done;
        }
        if !matches!(lease.phase, Phase::Closed { .. }) {
            let cause = Cause::about(lease);
            self.record(turn, cause, Happened::Closed);
        }
        Reply::Done
    }

    fn leave(&mut self, turn: &mut Turn, ticket: TicketId) -> Reply {
        let found = self.pools.values().find_map(|pool| pool.kept.waiting.get(&ticket));
        if let Some(found) = found {
            let waited_ms = turn.at.since(found.since).as_millis() as u64;
            let cause = Cause::waiting(found);
            self.record(turn, cause, Happened::Left { waited_ms });
        }
        Reply::Done
    }

    fn add_use(&mut self, turn: &mut Turn, held: Held, used_for: Use) -> Reply {
        let lease = match self.usable(held, turn.at) {
            Ok((lease, _)) => lease,
            Err(refusal) => return Reply::Refused(refusal),
        };
        if lease.uses.contains(&used_for) {
            return Reply::Done;
        }
        if lease.uses.len() >= self.office.limits.uses_max as usize {
            return Reply::Refused(Refusal::BadRequest { field: "use".into() });
        }
        if used_for.is_recording() && lease.lent.is_some() {
            if let Some(refusal) = self.cannot_keep(lease, turn) {
                return Reply::Refused(refusal);
            }
            self.keep(turn, held.lease);
        }
        if let Some(cause) = self.find(held.lease).map(Cause::about) {
            self.record(turn, cause, Happened::UseAdded { used_for });
        }
        Reply::Done
    }

    fn end_use(&mut self, turn: &mut Turn, held: Held, used_for: Use, device: DeviceId) -> Reply {
        let Ok((lease, _)) = self.theirs(held, turn.at) else { return Reply::Done };
        let cause = Cause { device: Some(device), ..Cause::about(lease) };
        let is_job = |id| lease.devices.iter().any(|known| known.id == id && known.kind == DeviceKind::Job);
        let leaves = is_job(device)
            && !lease.uses.iter().any(|known| *known != used_for && matches!(known, Use::Recognise(_)));
        let is_last = leaves && lease.devices.iter().all(|known| known.id == device);
        if lease.uses.contains(&used_for) {
            self.record(turn, cause.clone(), Happened::UseEnded { used_for });
        }
        if is_last {
            self.end(turn, held.lease, EndReason::Released);
        } else if leaves {
            self.record(turn, cause, Happened::DeviceLeft { left: device });
        }
        Reply::Done
    }

    fn revoke(&mut self, turn: &mut Turn, lease: LeaseId, act: Act, ends_recording: bool) -> Reply {
        let Some(found) = self.find(lease) else { return Reply::Done };
        let Act { by, text } = act;
        let text = text.chars().take(TEXT_CHARS_MAX).collect();
        let reason = match (ends_recording, found.is_recording()) {
            (false, true) => return Reply::Refused(Refusal::RecordingRuns { lease }),
            (true, true) => EndReason::RecordingEnded { by, text },
            (_, false) => EndReason::Revoked { by, text },
        };
        self.offer_over(turn, lease, |waited_ms| Happened::TimedOut { waited_ms });
        self.end(turn, lease, reason);
        Reply::Done
    }
}
