//! An office in virtual time without faults of cables: people, one server, a disk that never forgets.

use std::collections::BTreeMap;

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::seats::policy::{BurstTerms, Licence, Licensed, Rules};
use gijiroku::seats::request::{Acquire, Held};
use gijiroku::seats::restart::{Checkpoint, Trust};
use gijiroku::seats::state::State;
use gijiroku::seats::{
    Applicant, Class, Device, DeviceId, DeviceKind, Epoch, Event, Holder, LeaseState, Limits, MeetingId,
    Mode, Now, PoolId, Pools, Reply, Request, RequestId, TicketId, Use,
};
use uuid::Uuid;

/// Monday, 5 April 2027, 09:00 in Japan.
pub const MORNING: UnixMs = UnixMs::from_ms(1_806_883_200_000);

/// Between two signs of life.
const BEAT_MS: u64 = 10_000;

/// Somebody of the office, with what their device remembers.
#[derive(Clone)]
pub struct Person {
    pub applicant: Applicant,
    /// The device that speaks; a second one is another number.
    pub device: Device,
    pub held: Option<Held>,
    /// What the device held before.
    pub old: Option<Held>,
    pub ticket: Option<TicketId>,
    pub is_connected: bool,
    pub is_typing: bool,
}

pub struct Office {
    pools: Pools,
    pub log: Vec<Event>,
    checkpoint: Option<Checkpoint>,
    epoch: Epoch,
    pub now_ms: u64,
    /// The steady clock began anew at this moment.
    booted_at: u64,
    pub office_jump_ms: i64,
    pub people: BTreeMap<String, Person>,
    holders: BTreeMap<String, u128>,
    requests: u128,
    pub burst: Option<BurstTerms>,
    pub seats: u32,
    pub rules: Rules,
    /// An old copy of the disk.
    copy: Vec<Event>,
}

impl Office {
    pub fn new(seats: u32) -> Self {
        let now = Now { mono: Mono::from_ms(0), office: MORNING };
        let epoch = Epoch::new(1);
        let (pools, log) = Pools::restart(State::default(), None, epoch, Trust::Current, now);
        let mut office = Self {
            pools,
            log,
            checkpoint: None,
            epoch,
            now_ms: 0,
            booted_at: 0,
            office_jump_ms: 0,
            people: BTreeMap::new(),
            holders: BTreeMap::new(),
            requests: 0,
            burst: None,
            seats,
            rules: Rules::default(),
            copy: Vec::new(),
        };
        office.ask(Request::SetLimits(Limits::default()));
        office.set_licence();
        office
    }

    pub fn set_licence(&mut self) {
        let licensed = Licensed { pool: PoolId::standard(), seats: self.seats, burst: self.burst };
        self.ask(Request::SetLicence(Licence { pools: vec![licensed], bar: None }));
    }

    pub fn now(&self) -> Now {
        let office = UnixMs::from_ms(MORNING.ms() + self.now_ms as i64 + self.office_jump_ms);
        Now { mono: Mono::from_ms(self.now_ms - self.booted_at), office }
    }

    pub fn ask(&mut self, request: Request) -> Reply {
        let now = self.now();
        let step = self.pools.step(now, request);
        self.log.extend(step.events);
        if let Some(epoch) = step.epoch_wanted {
            self.epoch = self.epoch.max(epoch);
            self.ask(Request::OpenEpoch { epoch });
        }
        step.reply
    }

    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Lets time pass: everyone who is connected is heard, the engine ticks each second.
    pub fn pass_until(&mut self, now_ms: u64) {
        while self.now_ms < now_ms {
            let next = (self.now_ms / 1000 + 1) * 1000;
            self.now_ms = next.min(now_ms);
            if self.now_ms != next {
                break;
            }
            self.ask(Request::Tick);
            self.checkpoint = self.pools.checkpoint(self.now()).or(self.checkpoint);
            if self.now_ms.is_multiple_of(BEAT_MS) {
                self.beat_everyone();
            }
        }
    }

    fn beat_everyone(&mut self) {
        let names: Vec<String> = self.people.keys().cloned().collect();
        for name in names {
            self.look(&name);
            let person = self.people[&name].clone();
            if !person.is_connected {
                continue;
            }
            if let Some(held) = person.held {
                self.ask(Request::Beat(held));
                if person.is_typing {
                    self.ask(Request::Activity(held));
                }
            } else if let Some(ticket) = person.ticket {
                self.ask(Request::BeatWaiting { ticket, attentive: person.is_typing });
            }
        }
    }

    /// Lets a connected person's device learn what the server would push to it.
    pub fn look(&mut self, name: &str) {
        let (pool, now) = (PoolId::standard(), self.now());
        let Some(person) = self.people.get_mut(name) else { return };
        if !person.is_connected || person.ticket.is_none() {
            return;
        }
        if let Some((lease, _)) = self.pools.mine(&pool, person.applicant.holder, now) {
            person.held = Some(Held { lease: lease.id, token: lease.token });
            person.ticket = None;
        }
    }

    /// Returns the person of that name, who comes to work now if they have not yet; `tanaka@tablet` is a further
    /// device of tanaka.
    pub fn person(&mut self, name: &str) -> &mut Person {
        let base = name.split('@').next().unwrap_or(name);
        let next = self.holders.len() as u128 + 1;
        let number = *self.holders.entry(base.to_owned()).or_insert(next);
        let devices = self.people.len() as u32 + 1;
        self.people.entry(name.to_owned()).or_insert_with(|| Person {
            applicant: Applicant {
                holder: Holder::Person(Uuid::from_u128(number)),
                department: String::new(),
                groups: Vec::new(),
                class: Class::Normal,
            },
            device: device(number, devices),
            held: None,
            old: None,
            ticket: None,
            is_connected: true,
            is_typing: true,
        })
    }

    pub fn acquire(&mut self, name: &str, is_recording: bool, mode: Mode) -> Reply {
        self.requests += 1;
        let request_id = RequestId(Uuid::from_u128(self.requests));
        let person = self.person(name).clone();
        let meeting = MeetingId(person.device.id.0);
        let used_for = if is_recording { Use::Record(meeting) } else { Use::Edit(meeting) };
        let (applicant, device) = (person.applicant, person.device);
        let acquire = Acquire { request_id, pool: PoolId::standard(), applicant, device, used_for, mode };
        let reply = self.ask(Request::Acquire(acquire));
        let person = self.person(name);
        match &reply {
            Reply::Granted(lease) | Reply::Attached(lease) => {
                let held = Some(Held { lease: lease.lease, token: lease.token });
                if person.held != held {
                    person.old = person.held;
                }
                (person.held, person.ticket, person.is_connected) = (held, None, true);
            }
            Reply::Queued { place, .. } => {
                (person.held, person.ticket, person.is_connected) = (None, Some(place.ticket), true);
                let (ticket, attentive) = (place.ticket, person.is_typing);
                self.ask(Request::BeatWaiting { ticket, attentive });
            }
            Reply::Beating { .. } | Reply::Done | Reply::Refused(_) => {}
        }
        reply
    }

    /// Returns where somebody's lease stands.
    pub fn state_of(&mut self, name: &str) -> Option<LeaseState> {
        let holder = self.person(name).applicant.holder;
        self.pools.mine(&PoolId::standard(), holder, self.now()).map(|(_, state)| state)
    }

    pub fn live(&self) -> usize {
        self.pools.map(&PoolId::standard(), self.now()).len()
    }

    /// Returns what somebody edits.
    pub fn edits(person: &Person) -> Use {
        Use::Edit(MeetingId(person.device.id.0))
    }

    /// Returns a second office that runs on a copy of this one's disk, beside it.
    pub fn cloned_from_backup(&self) -> Self {
        let mut office = Self::new(self.seats);
        (office.people, office.holders) = (self.people.clone(), self.holders.clone());
        (office.copy, office.now_ms) = (self.log.clone(), self.now_ms);
        office.requests = self.requests + 1_000_000;
        // Whoever works with the first does not speak with the second.
        office.people.values_mut().for_each(|person| person.is_connected = false);
        office.restart(0, true);
        office
    }

    pub fn copy_disk(&mut self) {
        self.copy = self.log.clone();
    }

    /// The server's process dies and comes back after a while.
    pub fn restart(&mut self, down_ms: u64, is_old_copy: bool) {
        self.now_ms += down_ms;
        let trust = if is_old_copy { Trust::MayBeOld } else { Trust::Current };
        if is_old_copy {
            self.log = self.copy.clone();
            self.checkpoint = None;
            self.epoch = self.log.iter().map(|event| event.epoch).max().unwrap_or_default();
        }
        self.epoch = self.epoch.next().expect("a scenario is short");
        self.booted_at = self.now_ms;
        let state = Pools::replay(State::default(), &self.log);
        let (pools, events) = Pools::restart(state, self.checkpoint, self.epoch, trust, self.now());
        self.pools = pools;
        self.log.extend(events);
    }
}

fn device(person: u128, number: u32) -> Device {
    let id = DeviceId(Uuid::from_u128(person << 32 | u128::from(number)));
    Device { id, kind: DeviceKind::Browser, name: format!("{number}") }
}
