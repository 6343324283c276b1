//! What is durable: the fold of the events, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::calendar::{JstDay, hour_of};
use super::lease::{Ended, Lease};
use super::policy::{Licence, Licensed, Rules};
use super::queue::{Eta, Ticket};
use super::reservation::Reservation;
use super::token::Counter;
use super::{At, Epoch, LeaseId, Limits, PoolId, Refusal, RequestId, TicketId, Token};
use crate::clock::UnixMs;

/// Ends that are remembered, so that a late caller learns why.
const ENDED_MAX: usize = 20_000;

/// Days of observed releases that an estimate rests on, and the fewest it needs.
const OBSERVED_DAYS: usize = 20;
const OBSERVED_DAYS_MIN: usize = 5;

/// What is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What is common to all pools.
    pub office: Office,
    /// Each pool.
    pub pools: BTreeMap<PoolId, PoolState>,
}

/// What is common to all pools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Office {
    /// How far the engine's own time had come.
    pub at: At,
    /// Where numbers are drawn.
    pub counter: Counter,
    /// The limits.
    pub limits: Limits,
    /// The licence.
    pub licence: Licence,
    /// The rules.
    pub rules: Rules,
    /// The state may be old: nothing new is granted yet.
    pub recovery: Option<Recovery>,
    /// The epoch of a receipt that this server cannot have given.
    pub conflict: Option<Epoch>,
    /// What was answered to requests.
    pub answers: Answers,
    /// What ended lately.
    pub ended: EndedLately,
}

/// A state that may be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Until when receipts are adopted and nothing new is granted.
    pub until: At,
    /// The highest epoch seen so far.
    pub seen: Epoch,
}

/// One pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// The live leases.
    pub leases: BTreeMap<LeaseId, Lease>,
    /// The line, in the order of coming.
    pub waiting: BTreeMap<TicketId, Ticket>,
    /// The places whose seat is offered and not accepted.
    pub offered: BTreeMap<LeaseId, Ticket>,
    /// The reservations, in the order of their beginning.
    pub reservations: Vec<Reservation>,
    /// The extra seats of a disaster.
    pub burst: Burst,
    /// What was observed of releases.
    pub releases: Releases,
    /// How many leases ever began here.
    pub begun: u64,
    /// How many ended.
    pub over: u64,
}

/// The extra seats of a disaster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// They are open.
    pub open: bool,
    /// The days they were open on, in JST.
    pub days: BTreeSet<JstDay>,
}

impl Office {
    /// Returns what the licence allows of a pool.
    pub fn licensed(&self, pool: &PoolId) -> Option<&Licensed> {
        self.licence.pools.iter().find(|licensed| licensed.pool == *pool)
    }
}

impl PoolState {
    /// Returns N + B: the seats of the licence and of an open burst.
    pub fn capacity(&self, licensed: Option<&Licensed>) -> u32 {
        let Some(licensed) = licensed else { return 0 };
        let times = licensed.burst.filter(|_| self.burst.open).map_or(1, |terms| terms.times.max(1));
        licensed.seats.saturating_mul(times)
    }
}

/// What was answered, by the request's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    by_request: BTreeMap<RequestId, Answer>,
    order: VecDeque<(At, RequestId)>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The fingerprint of the request.
    pub body: u64,
    /// What it came to.
    pub came_to: CameTo,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameTo {
    /// A lease, with the token it had then.
    Lease(LeaseId, Token),
    /// A place in the line.
    Ticket(TicketId),
    /// A place in the line that was left or lost.
    Gone,
    /// A refusal.
    Refused(Box<Refusal>),
}

impl Answers {
    /// Returns what was answered.
    pub fn find(&self, request: RequestId) -> Option<&Answer> {
        self.by_request.get(&request)
    }

    /// Remembers an answer and forgets what is too old.
    pub(super) fn remember(&mut self, at: At, request: RequestId, answer: Answer, limits: &Limits) {
        if self.by_request.insert(request, answer).is_none() {
            self.order.push_back((at, request));
        }
        while let Some((then, oldest)) = self.order.front().copied() {
            let is_kept = self.order.len() <= limits.answers_max as usize
                && (at.since(then).as_millis() as u64) < limits.answers_ms;
            if is_kept {
                break;
            }
            self.order.pop_front();
            self.by_request.remove(&oldest);
        }
    }

    /// Says what became of requests that waited.
    pub(super) fn settle(&mut self, requests: &[RequestId], came_to: &CameTo) {
        for request in requests {
            if let Some(answer) = self.by_request.get_mut(request) {
                answer.came_to = came_to.clone();
            }
        }
    }
}

/// What ended lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLately {
    by_lease: BTreeMap<LeaseId, Ended>,
    order: VecDeque<(At, LeaseId)>,
}

impl EndedLately {
    /// Returns how a lease ended.
    pub fn find(&self, lease: LeaseId) -> Option<&Ended> {
        self.by_lease.get(&lease)
    }

    /// Remembers an end and forgets what is too old.
    pub(super) fn remember(&mut self, at: At, lease: LeaseId, ended: Ended, kept_ms: u64) {
        self.by_lease.insert(lease, ended);
        self.order.push_back((at, lease));
        while let Some((then, oldest)) = self.order.front().copied() {
            if self.order.len() <= ENDED_MAX && (at.since(then).as_millis() as u64) < kept_ms {
                break;
            }
            self.order.pop_front();
            self.by_lease.remove(&oldest);
        }
    }
}

/// How many seats came free in each hour of the last working days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    days: VecDeque<(JstDay, [u16; 24])>,
}

impl Releases {
    /// Notes that a seat came free. Weekends would make a working day look slow and are left out.
    pub(super) fn note(&mut self, office: UnixMs) {
        let day = JstDay::of(office);
        if day.is_weekend() {
            return;
        }
        if self.days.back().is_none_or(|(last, _)| *last < day) {
            self.days.push_back((day, [0; 24]));
        }
        while self.days.len() > OBSERVED_DAYS + 1 {
            self.days.pop_front();
        }
        if let Some((_, hours)) = self.days.iter_mut().rev().find(|(known, _)| *known == day) {
            let hour = &mut hours[hour_of(office)];
            *hour = hour.saturating_add(1);
        }
    }

    /// Estimates how long until `position` seats have come free; none if too little was observed to say.
    pub fn eta(&self, office: UnixMs, position: u32) -> Option<Eta> {
        let (today, hour) = (JstDay::of(office), hour_of(office));
        let past = self.days.iter().filter(|(day, _)| *day < today);
        let mut counts: Vec<u64> = past.map(|(_, hours)| u64::from(hours[hour])).collect();
        if counts.len() < OBSERVED_DAYS_MIN {
            return None;
        }
        counts.sort_unstable();
        let last = counts.len() - 1;
        // The day on which few came free gives the long wait.
        let wait = |count: u64| (count > 0).then(|| u64::from(position) * 3_600_000 / count);
        Some(Eta {
            low_ms: wait(counts[last * 3 / 4])?,
            median_ms: wait(counts[last / 2])?,
            high_ms: wait(counts[last / 4])?,
        })
    }
}
