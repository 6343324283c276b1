//! What must hold after every step of a server, told in true time.

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::seats::holder::Message;
use gijiroku::seats::lease::EndReason;
use gijiroku::seats::request::Held;
use gijiroku::seats::restart::Trust;
use gijiroku::seats::{At, Event, Happened, LeaseId, LeaseState, Now, Reply, TicketId};

use crate::checker::Change;
use crate::server::{Life, Mutant, Server, person_of};

/// A machine may be this much slower or faster than true time: a hundredth, and a step of the clock.
fn slower(ms: u64) -> u64 {
    ms + ms / 90 + 20
}

fn faster(ms: u64) -> u64 {
    ms - ms / 90 - 20
}

impl Server {
    /// I1, I3, I6 and I9, event by event.
    pub fn note_events(&mut self, now_ms: u64, events: &[Event]) -> Result<(), String> {
        for event in events {
            if let Some(story) = &mut self.story {
                let (at, cause) = (event.at.ms(), &event.cause);
                let (lease, ticket, token) = (cause.lease, cause.ticket, cause.token);
                let what = format!("{:?}", event.what).chars().take(160).collect::<String>();
                story.push(format!("{at:>19} lease {lease:?} ticket {ticket:?} token {token:?}: {what}"));
            }
            match self.ledger.note(event)? {
                Change::None => {}
                Change::Given(lease, token) | Change::Renewed(lease, token) => {
                    // An adopted lease keeps the token of its receipt.
                    let is_adopted = matches!(event.what, Happened::Adopted { .. });
                    if !is_adopted && self.newest.is_some_and(|newest| token <= newest) {
                        return Err(format!("I3: token {token} after {:?}", self.newest));
                    }
                    self.newest = self.newest.max(Some(token));
                    self.live_sign(now_ms, lease);
                    self.adopted += usize::from(is_adopted);
                    let is_new = matches!(
                        event.what,
                        Happened::Granted { .. } | Happened::Offered { .. } | Happened::Served { .. }
                    );
                    if is_new {
                        self.check_capacity()?;
                        self.check_recovery(now_ms)?;
                    }
                }
                Change::Accepted(lease) => self.live_sign(now_ms, lease),
                Change::Ended(lease, reason, seen) => {
                    if reason == EndReason::Lapsed && !seen.is_closed {
                        self.check_loss(now_ms, lease)?;
                    }
                    self.life.remove(&lease);
                }
            }
            if matches!(event.what, Happened::Conflict { .. }) {
                self.conflicts += 1;
            }
        }
        Ok(())
    }

    /// I19: a state that may be old grants nothing new for T + G.
    fn check_recovery(&self, now_ms: u64) -> Result<(), String> {
        let least_ms = faster(self.limits.ttl_ms + self.limits.grace_ms);
        match self.old_since {
            Some(since) if now_ms - since.at < least_ms => {
                Err(format!("I19: an old copy granted a seat after {} ms", now_ms - since.at))
            }
            _ => Ok(()),
        }
    }

    /// Returns the line as the engine sees it.
    pub fn places(&mut self) -> Vec<(TicketId, At)> {
        let Some(pools) = &self.pools else { return Vec::new() };
        let state = pools.state();
        let Some(pool) = state.pools.get(&Self::pool()) else { return Vec::new() };
        let now = Now { mono: Mono::from_ms(self.clocks.shown().mono_ms), office: UnixMs::from_ms(0) };
        let places = pools.places(&Self::pool(), now);
        let since = |ticket: TicketId| pool.waiting.get(&ticket).map(|waits| (ticket, waits.since));
        places.iter().filter_map(|(_, place)| since(place.ticket)).collect()
    }

    /// I13: who waited before the crash waits in the same order, and has waited as long.
    pub fn check_order(&mut self, trust: Trust) -> Result<(), String> {
        let (after, mut before) = (self.places(), std::mem::take(&mut self.line));
        if trust == Trust::MayBeOld {
            return Ok(());
        }
        let is_durable = |ticket: &TicketId| self.ledger.waiting.contains_key(ticket);
        before.retain(|(ticket, _)| is_durable(ticket));
        let kept: Vec<(TicketId, At)> = after
            .iter()
            .filter(|place| before.iter().any(|(ticket, _)| *ticket == place.0))
            .copied()
            .collect();
        if kept == before && after.len() == self.ledger.waiting.len() {
            Ok(())
        } else {
            Err(format!("I13: the line was {before:?} and is {after:?}"))
        }
    }

    fn check_capacity(&self) -> Result<(), String> {
        let live = self.ledger.live.len();
        if live > self.capacity {
            return Err(format!("I1: {live} leases live, {} seats", self.capacity));
        }
        let mut people: Vec<u64> = self.ledger.live.values().map(|seen| person_of(seen.holder)).collect();
        people.sort_unstable();
        people.dedup();
        if people.len() != live {
            return Err("I9: one person holds two seats".into());
        }
        Ok(())
    }

    /// I6: a lease that lapses was silent for T + G while the server ran.
    fn check_loss(&self, now_ms: u64, lease: LeaseId) -> Result<(), String> {
        let Some(life) = self.life.get(&lease) else { return Ok(()) };
        // A sign that the crash took with it was never answered: its sender goes on giving signs.
        if !life.is_sure {
            return Ok(());
        }
        let silent_ms = (now_ms - life.at).saturating_sub(self.given_ms - life.given_ms);
        let least_ms = faster(self.limits.ttl_ms + self.limits.grace_ms);
        if silent_ms < least_ms {
            return Err(format!("I6: lease {lease} lapsed after {silent_ms} ms of silence"));
        }
        Ok(())
    }

    fn live_sign(&mut self, now_ms: u64, lease: LeaseId) {
        let sign = self.sign(now_ms);
        self.life.insert(lease, sign);
    }

    pub fn sign(&self, now_ms: u64) -> Life {
        Life {
            at: now_ms,
            excused_ms: self.excused_ms,
            given_ms: self.given_ms,
            restarts: self.restarts,
            is_sure: true,
        }
    }

    pub fn note_life(&mut self, now_ms: u64, held: Option<Held>, reply: &Reply, message: &Message) {
        let Some(held) = held else { return };
        // A request that is answered again may be an old copy of it: no sign of life.
        let is_life = match (reply, message) {
            (Reply::Beating { state, .. }, _) => state.is_usable(),
            (Reply::Done, Message::Sleep { .. }) => {
                self.ledger.live.get(&held.lease).is_some_and(|seen| seen.token == held.token)
            }
            _ => false,
        };
        if is_life {
            self.live_sign(now_ms, held.lease);
        }
    }

    /// I5 and I12: while somebody waits, no seat is free and nobody dead keeps one.
    pub fn check_line(&mut self, now_ms: u64) -> Result<(), String> {
        let recovery_ms = slower(self.limits.ttl_ms + self.limits.grace_ms) + 2_000;
        let is_recovering = self.old_since.is_some_and(|since| {
            now_ms - since.at.max(self.booted_at) < recovery_ms + self.excused_ms - since.excused_ms
        });
        let sign = self.sign(now_ms);
        if self.ledger.waiting.is_empty() {
            self.waiting_since = None;
        }
        if self.ledger.waiting.is_empty() || is_recovering || self.conflicts > 0 || self.pools.is_none() {
            return Ok(());
        }
        let live = self.ledger.live.len();
        if live < self.capacity {
            return Err(format!("I12: somebody waits and {live} of {} seats are in use", self.capacity));
        }
        if live > self.capacity {
            // Adopted leases: ending one would give nobody a seat.
            return Ok(());
        }
        let safe_ms = self.limits.ttl_ms + self.limits.grace_ms;
        // Nobody had to take a dead holder's seat while nobody waited.
        let waits = *self.waiting_since.get_or_insert(sign);
        for (lease, seen) in &self.ledger.live {
            if seen.is_parked {
                return Err(format!("I12: somebody waits and lease {lease} is parked"));
            }
            let Some(life) = self.life.get(lease) else { continue };
            let held_ms = if seen.is_offer { self.limits.offer_ms } else { safe_ms };
            let late_ms =
                self.later_than(now_ms, *life, held_ms).min(self.later_than(now_ms, waits, safe_ms));
            if late_ms > 0 {
                let (silent_ms, restarts) = (now_ms - life.at, self.restarts - life.restarts);
                return Err(format!(
                    "I5: lease {lease} silent for {silent_ms} ms, {late_ms} ms too long, {restarts} restarts"
                ));
            }
        }
        Ok(())
    }

    /// Returns by how much the time since a sign is longer than `held_ms`, one more T + G for restarts, a second for
    /// each of them, a tick, and what the server could not help.
    fn later_than(&self, now_ms: u64, sign: Life, held_ms: u64) -> u64 {
        let restarts = self.restarts - sign.restarts;
        let safe_ms = self.limits.ttl_ms + self.limits.grace_ms;
        let again_ms = if restarts == 0 { 0 } else { safe_ms + restarts * 1_100 };
        let bound_ms = slower(held_ms + again_ms) + 1_100 + self.excused_ms - sign.excused_ms;
        (now_ms - sign.at).saturating_sub(bound_ms)
    }

    /// I10: the engine's map is what its events say.
    pub fn check_map(&mut self, now_ms: u64) -> Result<(), String> {
        let now = self.now(now_ms);
        let Some(pools) = &self.pools else { return Ok(()) };
        let map = pools.map(&Self::pool(), now);
        let is_same = map.len() == self.ledger.live.len()
            && map.iter().all(|(lease, state)| {
                self.ledger.live.get(&lease.id).is_some_and(|seen| {
                    seen.token == lease.token && seen.is_offer == (*state == LeaseState::Offered)
                })
            });
        if is_same { Ok(()) } else { Err(format!("I10: map {map:?}, events {:?}", self.ledger.live)) }
    }

    /// I2: what was acknowledged survived.
    pub fn check_acked(&mut self) -> Result<(), String> {
        if self.trust == Trust::MayBeOld {
            self.acked.clear();
        }
        self.acked.retain(|lease, _| !self.ledger.ended.contains_key(lease));
        for (lease, token) in &self.acked {
            if self.ledger.live.get(lease).is_none_or(|seen| seen.token < *token) {
                return Err(format!("I2: the acknowledged lease {lease} is lost"));
            }
        }
        // What the crash took from memory was never told to anybody.
        self.life.retain(|lease, _| self.ledger.live.contains_key(lease));
        Ok(())
    }

    /// I8: whoever works was heard less than T ago.
    pub fn check_belief(&self, now_ms: u64, held: Held) -> Result<(), String> {
        if self.ledger.ended.get(&held.lease) == Some(&(EndReason::Lapsed, false)) {
            return Err(format!("I8: {held:?} works after it lapsed"));
        }
        let Some(life) = self.life.get(&held.lease) else { return Ok(()) };
        if self.ledger.live.get(&held.lease).is_none_or(|seen| seen.token != held.token) {
            return Ok(());
        }
        // A restart gives time of its own.
        let heard_at = if self.restarts > life.restarts { self.booted_at.max(life.at) } else { life.at };
        let silent_ms = now_ms - heard_at;
        if silent_ms > slower(self.limits.ttl_ms - 2_000) && self.mutant != Mutant::WallClock {
            return Err(format!("I8: {held:?} works {silent_ms} ms after it was heard last"));
        }
        Ok(())
    }

    /// I10: the events, folded again, are the state.
    pub fn check_replay(&self) -> Result<(), String> {
        let Some(pools) = &self.pools else { return Ok(()) };
        let events = self.disk.iter().chain(self.pending_events());
        if gijiroku::seats::Pools::replay(Default::default(), events) == pools.state() {
            Ok(())
        } else {
            Err("I10: the replayed events are not the state".into())
        }
    }
}
