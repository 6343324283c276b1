//! The engine against a reference model that knows only who lives, who waits, and since when.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::seats::lease::EndReason;
use crate::seats::policy::{Verdict, aged};
use crate::seats::reservation::{Reservation, ReservationId};
use crate::seats::restart::Trust;
use crate::seats::testing::{Desk, MORNING, device, editing, now, person, recording};
use crate::seats::*;

const SAFE: u64 = 60_000;

#[derive(Debug, Clone)]
enum Op {
    Acquire { who: u128, class: Class, waits: bool, from: u128 },
    Beat(u128),
    BeatWaiting(u128),
    Release(u128),
    Park(u128),
    Close(u128),
    Accept(u128),
    Leave(u128),
    Record(u128),
    Job(u128),
    Sleep(u128),
    Repeat,
    Tick,
    Pass(u64),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let who = 1..9_u128;
    let class =
        prop_oneof![Just(Class::Batch), Just(Class::Normal), Just(Class::Normal), Just(Class::Disaster)];
    prop_oneof![
        6 => (who.clone(), class, any::<bool>(), 0..2_u128)
            .prop_map(|(who, class, waits, from)| Op::Acquire { who, class, waits, from }),
        3 => who.clone().prop_map(Op::Beat),
        4 => who.clone().prop_map(Op::BeatWaiting),
        2 => who.clone().prop_map(Op::Release),
        1 => who.clone().prop_map(Op::Park),
        1 => who.clone().prop_map(Op::Close),
        2 => who.clone().prop_map(Op::Accept),
        1 => who.clone().prop_map(Op::Record),
        1 => who.clone().prop_map(Op::Job),
        1 => who.clone().prop_map(Op::Sleep),
        1 => who.prop_map(Op::Leave),
        1 => Just(Op::Repeat),
        2 => Just(Op::Tick),
        6 => prop_oneof![1..2_000_u64, 10_000..30_000_u64, 44_000..62_000_u64].prop_map(Op::Pass),
        1 => Just(Op::Restart),
    ]
}

/// What the events say, told without the engine's own fold.
#[derive(Default)]
struct Model {
    seats: usize,
    /// How many of 課1 may have a seat.
    quota: Option<usize>,
    /// Live leases: the holder, and the last sign of life on the engine's time.
    live: BTreeMap<LeaseId, (Holder, u64)>,
    left: BTreeSet<LeaseId>,
    recording: BTreeSet<LeaseId>,
    line: BTreeMap<TicketId, (Class, u64, u32)>,
    /// Who of the line is of 課1.
    counted: BTreeSet<TicketId>,
    waits: BTreeMap<TicketId, usize>,
    outcomes: BTreeMap<RequestId, usize>,
    highest: Option<Token>,
}

impl Model {
    fn fold(&mut self, event: &Event) {
        let at = event.at.ms();
        match &event.what {
            Happened::Granted { lease, .. } => {
                assert!(
                    self.line.keys().all(|ticket| self.is_blocked(*ticket)),
                    "I11: nobody passes the line"
                );
                self.begin(lease, at);
            }
            Happened::Offered { lease, .. } | Happened::Served { lease: Some(lease), .. } => {
                self.next(lease.ticket.expect("it was waited for"), at);
                self.begin(lease, at);
            }
            Happened::Queued { ticket } => {
                self.line.insert(ticket.id, (ticket.class, at, 0));
                self.waits.insert(ticket.id, 0);
                if is_counted(ticket.applicant.holder) {
                    self.counted.insert(ticket.id);
                }
            }
            Happened::Left { .. } | Happened::TimedOut { .. } => {
                self.line.remove(&event.cause.ticket.expect("it names its place"));
            }
            Happened::Ended { reason, .. } => {
                self.end(event.cause.lease.expect("it names its lease"), reason, at)
            }
            Happened::UseAdded { used_for } if used_for.is_recording() => {
                self.recording.insert(event.cause.lease.expect("it names its lease"));
            }
            Happened::Parked | Happened::Closed => {
                self.left.insert(event.cause.lease.expect("it names its lease"));
            }
            Happened::Reattached { token, .. } | Happened::Moved { token, .. } => self.draw(*token),
            _ => {}
        }
        match event.outcome() {
            Some(Outcome::Granted | Outcome::Queued | Outcome::Denied) => {
                let request = event.cause.request_id.expect("it names its request");
                *self.outcomes.entry(request).or_default() += 1;
            }
            Some(Outcome::Served | Outcome::Left | Outcome::TimedOut) => {
                *self.waits.get_mut(&event.cause.ticket.expect("it names its place")).expect("it waited") +=
                    1;
            }
            None => {}
        }
    }

    fn is_blocked(&self, ticket: TicketId) -> bool {
        let used = self.live.values().filter(|(holder, _)| is_counted(*holder)).count();
        self.counted.contains(&ticket) && self.quota.is_some_and(|quota| used >= quota)
    }

    fn begin(&mut self, lease: &Lease, at: u64) {
        let holder = lease.applicant.holder;
        assert!(self.live.values().all(|(known, _)| *known != holder), "I9: one holder, one seat");
        self.live.insert(lease.id, (holder, at));
        assert!(self.live.len() <= self.seats, "I1");
        self.draw(lease.token);
    }

    fn draw(&mut self, token: Token) {
        assert!(self.highest.is_none_or(|highest| token > highest), "I3");
        self.highest = Some(token);
    }

    fn next(&mut self, ticket: TicketId, at: u64) {
        let blocked: BTreeSet<TicketId> =
            self.line.keys().copied().filter(|id| self.is_blocked(*id)).collect();
        let open = || self.line.iter().filter(|(id, _)| !blocked.contains(id));
        let passed = open().find(|(_, (_, _, passed))| *passed >= 10).map(|(id, _)| *id);
        let class = |(class, since, _): &(Class, u64, u32)| aged(*class, (at - since) / 600_000);
        let first = open().max_by_key(|(id, waiter)| (class(waiter), std::cmp::Reverse(**id)));
        assert_eq!(passed.or(first.map(|(id, _)| *id)), Some(ticket), "I11");
        self.line.remove(&ticket);
        for (_, (_, _, passed)) in self.line.range_mut(..ticket).filter(|(id, _)| !blocked.contains(id)) {
            *passed += 1;
            assert!(*passed <= 10, "I11");
        }
    }

    fn end(&mut self, lease: LeaseId, reason: &EndReason, at: u64) {
        let (_, sign) = self.live.remove(&lease).expect("I10: only what lives ends");
        let was_left = self.left.remove(&lease);
        if self.recording.remove(&lease) {
            assert!(
                matches!(reason, EndReason::Lapsed | EndReason::Released),
                "a recording ended: {reason:?}"
            );
        }
        if matches!(reason, EndReason::Lapsed) && !was_left {
            assert!(at >= sign + SAFE, "I6: {at} {sign}");
        }
    }

    fn heard(&mut self, lease: LeaseId, at: u64) {
        self.live.get_mut(&lease).into_iter().for_each(|(_, sign)| *sign = at);
        self.left.remove(&lease);
    }
}

/// Tells who is of 課1, as the desk's people are.
fn is_counted(holder: Holder) -> bool {
    matches!(holder, Holder::Person(who) if who.as_u128() % 3 == 1)
}

/// A run: the engine, the model, and what the people know.
struct Run {
    desk: Desk,
    model: Model,
    ms: u64,
    epoch: u32,
    held: BTreeMap<u128, Held>,
    last: Option<Acquire>,
}

impl Run {
    fn new(seats: u32, quota: Option<u32>) -> Self {
        let quota = quota.filter(|quota| *quota > 0);
        let model =
            Model { seats: seats as usize, quota: quota.map(|quota| quota as usize), ..Model::default() };
        let mut desk = Desk::with_seats(seats);
        let rule = |quota| policy::Rule {
            id: "q".into(),
            pool: PoolId::standard(),
            who: policy::Who::Department("課1".into()),
            what: policy::What::Quota(quota),
        };
        let list = quota.map(rule).into_iter().collect();
        desk.ask(0, Request::SetRules(policy::Rules { list, contact: String::new() }));
        Self { desk, model, ms: 0, epoch: 1, held: BTreeMap::new(), last: None }
    }

    fn step(&mut self, request: Request) -> Reply {
        let step = self.desk.pools.step(now(self.ms), request);
        for event in &step.events {
            self.model.fold(event);
        }
        self.desk.events.extend(step.events);
        self.check();
        step.reply
    }

    fn check(&self) {
        let pool = PoolId::standard();
        let counts = self.desk.pools.counts(&pool);
        assert_eq!(counts.live as usize, self.model.live.len(), "I10");
        assert_eq!(counts.waiting as usize, self.model.line.len(), "I13");
        assert!(counts.live <= counts.capacity, "I1");
        let map = self.desk.pools.map(&pool, now(self.ms));
        let is_free =
            |(_, state): &(&Lease, LeaseState)| matches!(state, LeaseState::Reclaimable | LeaseState::Parked);
        if self.model.line.keys().any(|ticket| !self.model.is_blocked(*ticket)) {
            assert!(counts.live == counts.capacity && !map.iter().any(is_free), "I12");
        }
    }

    fn acquire(&mut self, acquire: Acquire, who: u128) {
        let is_new = self.last.as_ref() != Some(&acquire);
        let told = self.desk.pools.explain(&acquire, now(self.ms)).verdict;
        let is_waiting = self.model.line.keys().any(|ticket| {
            self.desk
                .pools
                .ticket(*ticket)
                .is_some_and(|found| found.applicant.holder == acquire.applicant.holder)
        });
        self.last = Some(acquire.clone());
        let reply = self.step(Request::Acquire(acquire));
        if let Reply::Granted(lease) | Reply::Attached(lease) = &reply {
            self.held.insert(who, Held { lease: lease.lease, token: lease.token });
        }
        if is_new && let Reply::Attached(lease) = &reply {
            let at = self.desk.pools.at(now(self.ms)).ms();
            self.model.heard(lease.lease, at);
        }
        // What settled first may have changed the picture; a grant that was told is kept all the same.
        if is_new && !is_waiting && matches!(told, Verdict::Grant(_)) {
            assert!(matches!(reply, Reply::Granted(_)), "I14: {told:?} {reply:?}");
        }
    }

    fn carry_out(&mut self, op: Op) {
        match op {
            Op::Acquire { who, class, waits, from } => {
                let mode = if waits { Mode::Wait } else { Mode::Nowait };
                let mut acquire = self.desk.request(who, editing(who), mode);
                acquire.applicant.class = class;
                acquire.device = device(who + 100 * from);
                self.acquire(acquire, who);
            }
            Op::Repeat => {
                if let Some(last) = self.last.clone() {
                    let Holder::Person(who) = last.applicant.holder else { return };
                    self.acquire(last, who.as_u128());
                }
            }
            Op::Beat(who) => {
                let Some(held) = self.held.get(&who).copied() else { return };
                let reply = self.step(Request::Beat(held));
                if matches!(reply, Reply::Beating { state: LeaseState::Active, .. }) {
                    let at = self.desk.pools.at(now(self.ms)).ms();
                    self.model.heard(held.lease, at);
                }
            }
            Op::BeatWaiting(who) => {
                self.waiting(who, |ticket| Request::BeatWaiting { ticket, attentive: who % 2 == 0 })
            }
            Op::Leave(who) => self.waiting(who, |ticket| Request::Leave { ticket }),
            Op::Release(who) => self.holding(who, |held| Request::Release { held, device: device(who).id }),
            Op::Record(who) => self.holding(who, |held| Request::AddUse { held, used_for: recording(who) }),
            Op::Sleep(who) => self.sleep(who),
            Op::Job(who) => {
                let mut acquire =
                    self.desk.request(who, Use::Recognise(JobId(uuid::Uuid::from_u128(who))), Mode::Wait);
                acquire.device = Device { kind: DeviceKind::Job, ..device(who + 1_000) };
                self.acquire(acquire, who);
            }
            Op::Park(who) => self.holding(who, Request::Park),
            Op::Close(who) => {
                self.holding(who, |held| Request::SocketClosed { held, device: device(who).id })
            }
            Op::Accept(who) => {
                let mine = self.desk.pools.mine(&PoolId::standard(), person(who), now(self.ms));
                let Some((lease, LeaseState::Offered)) = mine else { return };
                let held = Held { lease: lease.id, token: lease.token };
                if matches!(self.step(Request::Accept(held)), Reply::Attached(_)) {
                    self.held.insert(who, held);
                    let at = self.desk.pools.at(now(self.ms)).ms();
                    self.model.heard(held.lease, at);
                }
            }
            Op::Tick => {
                self.step(Request::Tick);
            }
            Op::Pass(ms) => {
                self.ms += ms;
                // The room's promises are made for a step; the tick of a real server comes each second.
                self.step(Request::Leave { ticket: TicketId::new(Epoch::new(0), 0) });
            }
            Op::Restart => {
                self.epoch += 1;
                self.desk.restart(self.ms, self.epoch, Trust::Current);
                // Beats are not written down: the engine's time goes on from the last event.
                let at = self.desk.pools.at(now(self.ms)).ms();
                self.model.live.values_mut().for_each(|(_, sign)| *sign = at.min(*sign));
                self.check();
            }
        }
    }

    fn sleep(&mut self, who: u128) {
        let Some(held) = self.held.get(&who).copied() else { return };
        if matches!(self.step(Request::Sleep(held)), Reply::Done) {
            let at = self.desk.pools.at(now(self.ms)).ms();
            self.model.heard(held.lease, at);
        }
    }

    fn waiting(&mut self, who: u128, request: impl Fn(TicketId) -> Request) {
        let line = self.desk.pools.places(&PoolId::standard(), now(self.ms));
        if let Some((_, place)) = line.iter().find(|(holder, _)| *holder == person(who)) {
            self.step(request(place.ticket));
        }
    }

    fn holding(&mut self, who: u128, request: impl Fn(Held) -> Request) {
        if let Some(held) = self.held.get(&who).copied() {
            self.step(request(held));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i1_i9_i10_i11_i12_i14_i16_hold_after_every_step(
        seats in 1..4_u32,
        quota in prop::option::of(1..3_u32),
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let mut run = Run::new(seats, quota);
        for op in ops {
            run.carry_out(op);
        }
        run.desk.assert_sound();
        prop_assert!(run.model.outcomes.values().all(|times| *times == 1), "I16");
        for (ticket, resolved) in &run.model.waits {
            let map = run.desk.pools.map(&PoolId::standard(), now(run.ms));
            let is_open = run.model.line.contains_key(ticket)
                || map.iter().any(|(lease, state)| *state == LeaseState::Offered && lease.ticket == Some(*ticket));
            prop_assert_eq!(*resolved, usize::from(!is_open), "I16");
        }
    }

    #[test]
    fn i15_outsiders_hold_the_last_reserved_seats_only_on_loan(
        seats in 2..6_u32,
        reserved in 1..3_u32,
        // From the evening of the 31st of March on.
        from_minutes in 20..300_u64,
        acts in prop::collection::vec((1..9_u128, 0..4_u8, 1..20_u64), 1..80),
    ) {
        let start = from_minutes * 60_000;
        let mut desk = Desk::with_seats(seats);
        let meeting = Reservation {
            id: ReservationId(uuid::Uuid::from_u128(1)),
            meeting: MeetingId(uuid::Uuid::from_u128(500)),
            room: None,
            organiser: person(50),
            from: crate::clock::UnixMs::from_ms(MORNING + start as i64),
            to: crate::clock::UnixMs::from_ms(MORNING + start as i64 + 3_600_000),
            seats: reserved,
            attended: false,
            freed: false,
            overrun_told: false,
        };
        let list = vec![meeting];
        // The property ticks each 20 s.
        desk.ask(0, Request::SetLimits(Limits { pause_ms: 60_000, ..Limits::default() }));
        desk.ask(0, Request::SetReservations { pool: PoolId::standard(), list });
        let mut ms = 0;
        for (who, act, minutes) in acts {
            for _ in 0..minutes {
                for _ in 0..3 {
                    ms += 20_000;
                    let all: Vec<Held> = desk.pools.map(&PoolId::standard(), now(ms)).iter()
                        .map(|(lease, _)| Held { lease: lease.id, token: lease.token }).collect();
                    for request in all.into_iter().map(Request::Beat).chain([Request::Tick]) {
                        desk.events.extend(desk.pools.step(now(ms), request).events);
                    }
                }
                let own = desk.pools.map(&PoolId::standard(), now(ms));
                let outsiders = own.iter().filter(|(lease, _)| lease.lent.is_none() && lease.fills.is_none());
                if ms >= start - 600_000 && ms < start + 600_000 {
                    prop_assert!(outsiders.count() as u32 <= seats - reserved, "I15");
                    let lent = own.iter().filter(|(lease, _)| lease.lent.is_some()).count();
                    prop_assert!(lent == 0 || ms < start - 600_000 + 360_000, "I15: lent seats come back");
                }
                if ms >= start + 700_000 && ms < start + 3_600_000 && act == 3 {
                    break;
                }
            }
            let used_for = match act {
                0 => recording(who),
                1 => recording(500),
                _ => editing(who),
            };
            let mut request = desk.request(who, used_for, Mode::Nowait);
            if act == 1 {
                request.applicant.holder = person(50 + who);
            }
            desk.ask(ms, Request::Acquire(request));
        }
    }

    #[test]
    fn i14_one_more_exclusion_never_grants_more_and_the_same_input_decides_the_same(
        who in 1..6_u128,
        excluded in 0..3_u8,
        taken in 0..4_u128,
    ) {
        let mut desk = Desk::with_seats(3);
        for other in 0..taken {
            desk.seat(0, 100 + other);
        }
        let request = desk.request(who, editing(who), Mode::Nowait);
        let before = desk.pools.explain(&request, now(1));
        prop_assert_eq!(&before, &desk.pools.explain(&request, now(1)));
        let rule = policy::Rule {
            id: "r".into(),
            pool: PoolId::standard(),
            who: policy::Who::Department(format!("課{excluded}")),
            what: policy::What::Exclude,
        };
        desk.ask(1, Request::SetRules(policy::Rules { list: vec![rule], contact: "1234".into() }));
        let after = desk.pools.explain(&request, now(1));
        let grants = |decision: &policy::Decision| matches!(decision.verdict, Verdict::Grant(_));
        prop_assert!(!grants(&after) || grants(&before));
        prop_assert_eq!(grants(&after), grants(&before) && u128::from(excluded) != who % 3);
    }
}
