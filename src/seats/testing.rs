//! What the tests of this room share: an office with one pool, and people who ask.

use uuid::Uuid;

use super::policy::{BurstTerms, Licence, Licensed};
use super::request::{Acquire, Held};
use super::restart::Trust;
use super::{
    Applicant, Class, Device, DeviceId, DeviceKind, Epoch, Event, Holder, LeaseReply, MeetingId, Mode, Now,
    PoolId, Pools, Reply, Request, RequestId, State, Step, Use,
};
use crate::clock::{Mono, UnixMs};

/// 2027-04-01 09:00 JST, a Thursday.
pub(super) const MORNING: i64 = 1_806_537_600_000;

/// An office under test: its engine, and every event so far.
pub(super) struct Desk {
    pub pools: Pools,
    pub events: Vec<Event>,
    pub requests: u128,
}

pub(super) fn now(ms: u64) -> Now {
    Now { mono: Mono::from_ms(ms), office: UnixMs::from_ms(MORNING + ms as i64) }
}

pub(super) fn person(number: u128) -> Holder {
    Holder::Person(Uuid::from_u128(number))
}

pub(super) fn device(number: u128) -> Device {
    Device { id: DeviceId(Uuid::from_u128(number)), kind: DeviceKind::Browser, name: "PC".into() }
}

pub(super) fn editing(number: u128) -> Use {
    Use::Edit(MeetingId(Uuid::from_u128(number)))
}

pub(super) fn recording(number: u128) -> Use {
    Use::Record(MeetingId(Uuid::from_u128(number)))
}

pub(super) fn licence(seats: u32) -> Licence {
    let burst = Some(BurstTerms { times: 2, days: 2 });
    Licence { pools: vec![Licensed { pool: PoolId::standard(), seats, burst }], bar: None }
}

impl Desk {
    /// Opens an office with so many seats.
    pub fn with_seats(seats: u32) -> Self {
        let (pools, events) = Pools::restart(State::default(), None, Epoch::new(1), Trust::Current, now(0));
        let mut desk = Self { pools, events, requests: 0 };
        desk.ask(0, Request::SetLicence(licence(seats)));
        desk
    }

    /// Asks at a moment, and checks what holds after every step.
    pub fn ask(&mut self, ms: u64, request: Request) -> Reply {
        self.step(ms, request).reply
    }

    pub fn step(&mut self, ms: u64, request: Request) -> Step {
        let step = self.pools.step(now(ms), request);
        self.events.extend(step.events.iter().cloned());
        self.assert_sound();
        step
    }

    /// Asserts I10: the numbers add up and the events are the state.
    pub fn assert_sound(&self) {
        let counts = self.pools.counts(&PoolId::standard());
        assert_eq!(counts.begun - counts.over, u64::from(counts.live));
        assert_eq!(Pools::replay(State::default(), &self.events), self.pools.state());
    }

    pub fn request(&mut self, who: u128, used_for: Use, mode: Mode) -> Acquire {
        self.requests += 1;
        Acquire {
            request_id: RequestId(Uuid::from_u128(self.requests)),
            pool: PoolId::standard(),
            applicant: Applicant {
                holder: person(who),
                department: format!("課{}", who % 3),
                groups: Vec::new(),
                class: Class::Normal,
            },
            device: device(who),
            used_for,
            mode,
        }
    }

    pub fn acquire(&mut self, ms: u64, who: u128, mode: Mode) -> Reply {
        let request = self.request(who, editing(who), mode);
        self.ask(ms, Request::Acquire(request))
    }

    /// Takes a seat that must be free.
    pub fn seat(&mut self, ms: u64, who: u128) -> Held {
        held(&self.acquire(ms, who, Mode::Nowait))
    }

    pub fn wait(&mut self, ms: u64, who: u128) -> super::TicketId {
        match self.acquire(ms, who, Mode::Wait) {
            Reply::Queued { place, .. } => place.ticket,
            reply => panic!("should wait: {reply:?}"),
        }
    }

    /// Starts the server anew at a moment of a new machine clock.
    pub fn restart(&mut self, ms: u64, epoch: u32, trust: Trust) {
        let state = Pools::replay(State::default(), &self.events);
        let (pools, events) = Pools::restart(state, None, Epoch::new(epoch), trust, now(ms));
        self.pools = pools;
        self.events.extend(events);
        self.assert_sound();
    }
}

pub(super) fn lease(reply: &Reply) -> &LeaseReply {
    match reply {
        Reply::Granted(lease) | Reply::Attached(lease) => lease,
        reply => panic!("should be a lease: {reply:?}"),
    }
}

pub(super) fn held(reply: &Reply) -> Held {
    let lease = lease(reply);
    Held { lease: lease.lease, token: lease.token }
}

pub(super) fn code(reply: &Reply) -> &'static str {
    match reply {
        Reply::Refused(refusal) => refusal.code(),
        reply => panic!("should be refused: {reply:?}"),
    }
}
