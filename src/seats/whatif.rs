//! What if: the recorded demand again, by the same engine, with other seats and other rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{Event, Happened};
use super::policy::{Licence, Licensed, Rules};
use super::report::{TRUE_DENIAL_MS, held, is_denied, percentile};
use super::request::{Acquire, Held, Request};
use super::restart::Trust;
use super::{
    Applicant, Device, DeviceId, DeviceKind, Epoch, Holder, LeaseId, Limits, MeetingId, Mode, Now, PoolId,
    Pools, Reply, RequestId, State, TicketId, Use,
};
use crate::clock::{Mono, UnixMs};

/// The life signs of the replayed people, well within T.
const BEAT_MS: i64 = 20_000;

/// What is asked: the demand of a pool with so many seats and these rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The pool whose demand is replayed.
    pub pool: PoolId,
    /// N.
    pub seats: u32,
    /// The rules.
    pub rules: Rules,
}

/// A number that depends on how long refused people would have stayed: with a short, the usual and a long stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// If they had stayed as briefly as a quarter of their department does.
    pub low: u64,
    /// If they had stayed for their department's median.
    pub median: u64,
    /// If they had stayed as long as a quarter of their department does.
    pub high: u64,
}

/// What would have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Requests in all.
    pub requests: u64,
    /// Of them, those whose length is a guess, for they were refused.
    pub guessed: u64,
    /// Requests refused or given up.
    pub denied: Range,
    /// 19 of 20 of those served would have waited at most this long.
    pub wait_p95_ms: Range,
    /// The most seats in use at one time.
    pub peak: Range,
}

/// One recorded wish: who, when, and for how long if that is known.
#[derive(Debug, Clone)]
struct Wish {
    at: i64,
    applicant: Applicant,
    recording: bool,
    waits: bool,
    /// How long they wait before they give up.
    patience_ms: i64,
    held_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Outcome {
    denied: u64,
    waits: Vec<u64>,
    peak: u64,
}

/// Replays recorded demand.
///
/// Range: the events of one office in their order; what was still live at the end counts as held until then.
pub fn what_if<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    until: UnixMs,
    question: &Question,
) -> Answer {
    let events: Vec<&Event> =
        events.into_iter().filter(|event| event.cause.pool.as_ref() == Some(&question.pool)).collect();
    let lengths = lengths(&events, until);
    let wishes = wishes(&events, until);
    let run = |percent| {
        let mut outcome = replay(&wishes, &lengths, percent, question);
        outcome.waits.sort_unstable();
        outcome
    };
    let (low, median, high) = (run(25), run(50), run(75));
    let range = |of: fn(&Outcome) -> u64| Range { low: of(&low), median: of(&median), high: of(&high) };
    Answer {
        requests: wishes.len() as u64,
        guessed: wishes.iter().filter(|wish| wish.held_ms.is_none()).count() as u64,
        denied: range(|outcome| outcome.denied),
        wait_p95_ms: range(|outcome| percentile(&outcome.waits, 95)),
        peak: range(|outcome| outcome.peak),
    }
}

/// Returns how long each department's people stay, sorted; the whole office's under the empty name.
fn lengths(events: &[&Event], until: UnixMs) -> BTreeMap<String, Vec<u64>> {
    let mut lengths: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for held in held(events, until) {
        let length = (held.to - held.from) as u64;
        lengths.entry(held.department).or_default().push(length);
        lengths.entry(String::new()).or_default().push(length);
    }
    lengths.values_mut().for_each(|known| known.sort_unstable());
    lengths
}

fn wishes(events: &[&Event], until: UnixMs) -> Vec<Wish> {
    let mut ends: BTreeMap<LeaseId, i64> = BTreeMap::new();
    for event in events.iter().filter(|event| matches!(event.what, Happened::Ended { .. })) {
        ends.extend(event.cause.lease.map(|lease| (lease, event.office.ms())));
    }
    let mut found: Vec<Wish> = Vec::new();
    let mut places: BTreeMap<TicketId, usize> = BTreeMap::new();
    for event in events {
        let at = event.office.ms();
        let stays = |lease: LeaseId| Some((ends.get(&lease).copied().unwrap_or(until.ms()) - at).max(1));
        match &event.what {
            Happened::Granted { lease, .. } => found.push(Wish {
                recording: lease.is_recording(),
                held_ms: stays(lease.id),
                ..wish(at, lease.applicant.clone())
            }),
            Happened::Queued { ticket } => {
                places.insert(ticket.id, found.len());
                let recording = ticket.uses.iter().any(|used| used.is_recording());
                found.push(Wish { recording, waits: true, ..wish(at, ticket.applicant.clone()) });
            }
            Happened::Served { .. } => {
                let place = event.cause.ticket.and_then(|ticket| places.get(&ticket));
                if let (Some(place), Some(lease)) = (place, event.cause.lease) {
                    found[*place].held_ms = stays(lease);
                }
            }
            Happened::Left { waited_ms } | Happened::TimedOut { waited_ms } => {
                if let Some(place) = event.cause.ticket.and_then(|ticket| places.get(&ticket)) {
                    found[*place].patience_ms = i64::try_from(*waited_ms).unwrap_or(i64::MAX).max(1);
                }
            }
            Happened::Denied { applicant, used_for, .. } if is_denied(event) => {
                let recording = used_for.is_some_and(|used_for| used_for.is_recording());
                found.push(Wish { recording, ..wish(at, (**applicant).clone()) });
            }
            _ => {}
        }
    }
    found
}

fn wish(at: i64, applicant: Applicant) -> Wish {
    // Who was served in the end would have waited at least as long as a true denial takes.
    Wish { at, applicant, recording: false, waits: false, patience_ms: TRUE_DENIAL_MS, held_ms: None }
}

/// One replay while it runs.
struct Replay<'a> {
    pools: Pools,
    pool: &'a PoolId,
    start: i64,
    /// When whom to release.
    ends: BTreeSet<(i64, usize)>,
    /// When who gives up.
    patience: BTreeSet<(i64, usize)>,
    live: BTreeMap<usize, Held>,
    waiting: BTreeMap<usize, (TicketId, i64)>,
    stays: Vec<i64>,
    by_ticket: BTreeMap<TicketId, usize>,
    heard: i64,
    outcome: Outcome,
}

fn replay(
    wishes: &[Wish],
    lengths: &BTreeMap<String, Vec<u64>>,
    percent: usize,
    question: &Question,
) -> Outcome {
    let Some(first) = wishes.first() else { return Outcome::default() };
    let stay = |wish: &Wish| {
        let known = lengths.get(&wish.applicant.department).or_else(|| lengths.get(""));
        let guess = || known.map_or(1, |known| percentile(known, percent)) as i64;
        wish.held_ms.unwrap_or_else(guess).max(1)
    };
    let mut replay = Replay::new(question, first.at, wishes.iter().map(stay).collect());
    for (index, wish) in wishes.iter().enumerate() {
        replay.run_until(wish.at);
        replay.ask(index, wish);
    }
    replay.run_until(i64::MAX);
    replay.outcome
}

impl<'a> Replay<'a> {
    fn new(question: &'a Question, start: i64, stays: Vec<i64>) -> Self {
        let now = Now { mono: Mono::from_ms(0), office: UnixMs::from_ms(start) };
        let (pools, _) = Pools::restart(State::default(), None, Epoch::new(1), Trust::Current, now);
        let mut replay = Self {
            pools,
            pool: &question.pool,
            start,
            ends: BTreeSet::new(),
            patience: BTreeSet::new(),
            live: BTreeMap::new(),
            waiting: BTreeMap::new(),
            stays,
            by_ticket: BTreeMap::new(),
            heard: start,
            outcome: Outcome::default(),
        };
        let seats = Licensed { pool: question.pool.clone(), seats: question.seats, burst: None };
        replay.step(start, Request::SetLimits(Limits::default()));
        replay.step(start, Request::SetLicence(Licence { pools: vec![seats], bar: None }));
        replay.step(start, Request::SetRules(question.rules.clone()));
        replay
    }

    /// Carries out a step, and notes who was served by it.
    fn step(&mut self, at: i64, request: Request) -> Reply {
        let mono = Mono::from_ms(u64::try_from(at - self.start).unwrap_or(0));
        let step = self.pools.step(Now { mono, office: UnixMs::from_ms(at) }, request);
        for event in &step.events {
            if let (Happened::Served { waited_ms, .. }, Some(ticket)) = (&event.what, event.cause.ticket)
                && let Some(index) = self.by_ticket.remove(&ticket)
                && let (Some(lease), Some(token)) = (event.cause.lease, event.cause.token)
            {
                self.outcome.waits.push(*waited_ms);
                self.sit(at, index, Held { lease, token });
            }
        }
        let live = u64::from(self.pools.counts(self.pool).live);
        self.outcome.peak = self.outcome.peak.max(live);
        step.reply
    }

    fn sit(&mut self, at: i64, index: usize, held: Held) {
        if let Some((_, gives_up)) = self.waiting.remove(&index) {
            self.patience.remove(&(gives_up, index));
        }
        self.live.insert(index, held);
        self.ends.insert((at + self.stays[index], index));
    }

    fn ask(&mut self, index: usize, wish: &Wish) {
        // Somebody who came twice in the record is two people here: the engine would give them one seat.
        let holder = Holder::Person(Uuid::from_u128(index as u128));
        let applicant = Applicant { holder, ..wish.applicant.clone() };
        let meeting = MeetingId(Uuid::from_u128(index as u128));
        let acquire = Acquire {
            request_id: RequestId(Uuid::from_u128(index as u128)),
            pool: self.pool.clone(),
            applicant,
            device: device(index),
            used_for: if wish.recording { Use::Record(meeting) } else { Use::Edit(meeting) },
            mode: if wish.waits { Mode::Wait } else { Mode::Nowait },
        };
        match self.step(wish.at, Request::Acquire(acquire)) {
            Reply::Granted(lease) => {
                self.outcome.waits.push(0);
                self.sit(wish.at, index, Held { lease: lease.lease, token: lease.token });
            }
            Reply::Queued { place, .. } => {
                let gives_up = wish.at.saturating_add(wish.patience_ms);
                self.waiting.insert(index, (place.ticket, gives_up));
                self.by_ticket.insert(place.ticket, index);
                self.patience.insert((gives_up, index));
                self.step(wish.at, Request::BeatWaiting { ticket: place.ticket, attentive: true });
            }
            Reply::Refused(_) => self.outcome.denied += 1,
            Reply::Attached(_) | Reply::Beating { .. } | Reply::Done => {}
        }
    }

    /// Lets time pass: people leave, give up, and show that they are there.
    fn run_until(&mut self, until: i64) {
        loop {
            let end = self.ends.first().map_or(i64::MAX, |(at, _)| *at);
            let gives_up = self.patience.first().map_or(i64::MAX, |(at, _)| *at);
            let is_quiet = self.live.is_empty() && self.waiting.is_empty();
            let beat = if is_quiet { i64::MAX } else { self.heard + BEAT_MS };
            let next = end.min(gives_up).min(beat);
            if next > until || next == i64::MAX {
                // Nobody is there to be heard: the next beat counts from the next arrival.
                self.heard = if is_quiet && until < i64::MAX { until } else { self.heard };
                return;
            }
            if next == end {
                self.leave(next);
            } else if next == gives_up {
                self.give_up(next);
            } else {
                self.hear_everyone(next);
            }
        }
    }

    fn leave(&mut self, at: i64) {
        let Some((_, index)) = self.ends.pop_first() else { return };
        if let Some(held) = self.live.remove(&index) {
            self.step(at, Request::Release { held, device: device(index).id });
        }
    }

    fn give_up(&mut self, at: i64) {
        let Some((_, index)) = self.patience.pop_first() else { return };
        if let Some((ticket, _)) = self.waiting.remove(&index) {
            self.by_ticket.remove(&ticket);
            self.outcome.denied += 1;
            self.step(at, Request::Leave { ticket });
        }
    }

    fn hear_everyone(&mut self, at: i64) {
        self.heard = at;
        let live: Vec<Held> = self.live.values().copied().collect();
        for held in live {
            self.step(at, Request::Beat(held));
            self.step(at, Request::Activity(held));
        }
        let waiting: Vec<TicketId> = self.waiting.values().map(|(ticket, _)| *ticket).collect();
        for ticket in waiting {
            self.step(at, Request::BeatWaiting { ticket, attentive: true });
        }
    }
}

fn device(index: usize) -> Device {
    let id = DeviceId(Uuid::from_u128(index as u128));
    Device { id, kind: DeviceKind::Browser, name: String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Period, Scope, figures, minutes};
    use super::super::testing::{Desk, MORNING, device as page, now};
    use super::*;

    /// Two seats; person 3 is refused at minute 10, person 4 waits from minute 20 to 30.
    fn morning() -> Desk {
        let mut desk = Desk::with_seats(2);
        let minute = 60_000;
        let first = desk.seat(0, 1);
        let second = desk.seat(0, 2);
        let mut ticket = None;
        for ms in (0..60 * minute).step_by(20_000) {
            if ms < 30 * minute {
                desk.ask(ms, Request::Beat(first));
                desk.ask(ms, Request::Activity(first));
            }
            desk.ask(ms, Request::Beat(second));
            desk.ask(ms, Request::Activity(second));
            match ms / minute {
                10 if ms % minute == 0 => {
                    desk.acquire(ms, 3, Mode::Nowait);
                }
                20 if ms % minute == 0 => ticket = Some(desk.wait(ms, 4)),
                30 if ms % minute == 0 => {
                    desk.ask(ms, Request::Release { held: first, device: page(1).id });
                }
                _ => {}
            }
            if let Some(ticket) = ticket {
                desk.ask(ms, Request::BeatWaiting { ticket, attentive: true });
            }
            if let Some(mine) = desk.pools.token_of(4, ms) {
                desk.ask(ms, Request::Beat(mine));
            }
        }
        desk
    }

    impl Pools {
        fn token_of(&self, who: u128, ms: u64) -> Option<Held> {
            let holder = Holder::Person(Uuid::from_u128(who));
            let (lease, _) = self.mine(&PoolId::standard(), holder, now(ms))?;
            Some(Held { lease: lease.id, token: lease.token })
        }
    }

    fn until(minutes: i64) -> UnixMs {
        UnixMs::from_ms(MORNING + minutes * 60_000)
    }

    #[test]
    fn the_figures_of_a_month_count_seats_waits_and_true_denials() {
        let desk = morning();
        let figures = figures(&desk.events, until(60));
        let year = Scope { pool: PoolId::standard(), department: None, period: Period::FiscalYear(2027) };
        let all = figures[&year];
        assert_eq!((all.peak, all.served, all.denied, all.true_denials), (2, 3, 1, 1));
        assert_eq!(all.seat_ms, 120 * 60_000);
        assert_eq!((all.wait_p50_ms, all.wait_p95_ms), (0, 600_000));
        let department = Scope { department: Some("課1".into()), ..year };
        assert_eq!((figures[&department].peak, figures[&department].seat_ms), (1, 60 * 60_000));
    }

    #[test]
    fn each_minute_has_its_peak_its_waiters_and_its_refusals() {
        let desk = morning();
        let minutes = minutes(&desk.events, &PoolId::standard(), until(60));
        let at = |minute: i64| minutes[&(MORNING / 60_000 + minute)];
        assert_eq!((at(10).peak, at(10).denied, at(10).average_milli), (2, 1, 2_000));
        assert_eq!((at(25).waiting, at(35).waiting), (1, 0));
    }

    #[test]
    fn one_seat_more_would_have_refused_nobody() {
        let desk = morning();
        let ask = |seats| {
            let question = Question { pool: PoolId::standard(), seats, rules: Rules::default() };
            what_if(&desk.events, until(60), &question)
        };
        let (two, four) = (ask(2), ask(4));
        assert_eq!((two.requests, two.guessed), (4, 1));
        assert_eq!((two.denied.median, two.wait_p95_ms.median), (1, 600_000));
        assert_eq!((four.denied.high, four.wait_p95_ms.high), (0, 0));
        assert!(ask(1).denied.low > two.denied.high);
    }

    #[test]
    fn nothing_recorded_is_nothing_told() {
        let question = Question { pool: PoolId::standard(), seats: 1, rules: Rules::default() };
        assert_eq!(what_if(&[], until(0), &question), Answer::default());
        assert!(figures(&[], until(0)).is_empty());
    }
}
