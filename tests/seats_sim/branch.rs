//! The state of the model check: the real engine, three desks, and what the network still carries.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::seats::policy::{Licence, Licensed};
use gijiroku::seats::request::{Acquire, Held};
use gijiroku::seats::restart::{Checkpoint, Trust};
use gijiroku::seats::{
    Applicant, Class, Device, DeviceId, DeviceKind, Epoch, Event, Holder, LeaseId, Limits, MeetingId, Mode,
    Now, PoolId, Pools, Reply, Request, RequestId, TicketId, Token, Use,
};
use uuid::Uuid;

use crate::checker::{Change, Ledger};
use crate::model::Bounds;

const TICK_MS: u64 = 15_000;
/// T + G in ticks.
const SAFE: u8 = 4;

/// One client, as simple as it can be: the rules of waiting in `holder` are checked elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Desk {
    pub held: Option<Held>,
    pub ticket: Option<TicketId>,
    /// Works before this tick.
    pub until: u8,
    pub requests: u8,
    /// A copy of its last message that is still on its way.
    pub copy: Option<Said>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    Acquire(u8),
    Beat(Held),
    Keep(TicketId),
    Accept(Held),
    Release(Held),
}

#[derive(Clone, Debug)]
pub struct Branch {
    pub pools: Pools,
    pub checkpoint: Option<Checkpoint>,
    pub epoch: Epoch,
    pub tick: u8,
    pub lag: u8,
    pub clients: Vec<Desk>,
    pub crashes: u8,
    pub leaders: u8,
    pub calls: u8,
    pub calls_in_all: u8,
    pub newest: Option<Token>,
    pub ledger: Ledger,
    /// The tick of the last sign of life, and the restarts before it.
    pub life: BTreeMap<LeaseId, (u8, u8)>,
    /// Since which tick somebody waits.
    pub waiting_since: Option<u8>,
    pub broken: Option<String>,
    /// A digest of everything above.
    pub digest: u64,
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Hash for Branch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

struct Digest(DefaultHasher);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Branch {
    pub fn new(bounds: &Bounds) -> Self {
        let epoch = Epoch::new(1);
        let start = Now { mono: Mono::from_ms(0), office: UnixMs::from_ms(0) };
        let (pools, events) = Pools::restart(Default::default(), None, epoch, Trust::Current, start);
        let mut office = Self {
            pools,
            checkpoint: None,
            epoch,
            tick: 0,
            lag: 0,
            clients: vec![Desk::default(); bounds.clients],
            crashes: 0,
            leaders: 0,
            calls: 0,
            calls_in_all: 0,
            newest: None,
            ledger: Ledger::default(),
            life: BTreeMap::new(),
            waiting_since: None,
            broken: None,
            digest: 0,
        };
        office.note(&events, bounds);
        // A tick of the model is longer than what the engine takes for a pause of the machine.
        let limits = Limits { pause_ms: 60_000, ..Limits::default() };
        office.ask(Request::SetLimits(limits), bounds);
        let licensed = Licensed { pool: PoolId::standard(), seats: bounds.seats, burst: None };
        office.ask(Request::SetLicence(Licence { pools: vec![licensed], bar: None }), bounds);
        office.sealed()
    }

    /// Takes the digest: durable and volatile part of the engine, clients and counters.
    pub fn sealed(mut self) -> Self {
        let mut digest = Digest(DefaultHasher::new());
        write!(digest, "{:?}", self.pools).expect("a digest takes everything");
        (&self.clients, self.tick, self.lag, self.crashes, self.leaders, self.calls, self.calls_in_all)
            .hash(&mut digest.0);
        (&self.life, self.waiting_since, &self.broken, self.checkpoint.map(|known| known.at))
            .hash(&mut digest.0);
        self.digest = digest.0.finish();
        self
    }

    pub fn now(&self) -> Now {
        let ticks = u64::from(self.tick - self.lag);
        Now { mono: Mono::from_ms(ticks * TICK_MS), office: UnixMs::from_ms(0) }
    }

    fn ask(&mut self, request: Request, bounds: &Bounds) -> Reply {
        let step = self.pools.step(self.now(), request);
        self.note(&step.events, bounds);
        step.reply
    }

    pub fn note(&mut self, events: &[Event], bounds: &Bounds) {
        for event in events {
            match self.ledger.note(event) {
                Err(wrong) => self.broken = Some(wrong),
                Ok(Change::Given(lease, token) | Change::Renewed(lease, token)) => {
                    if self.newest.is_some_and(|newest| token <= newest) {
                        self.broken = Some(format!("I3: token {token} after {:?}", self.newest));
                    }
                    self.newest = Some(token);
                    self.hear(lease);
                }
                Ok(Change::Accepted(lease)) => self.hear(lease),
                Ok(Change::Ended(lease, ..)) => {
                    self.life.remove(&lease);
                }
                Ok(Change::None) => {}
            }
        }
        if self.ledger.live.len() > bounds.seats as usize {
            self.broken = Some("I1: more leases than seats".into());
        }
    }

    fn hear(&mut self, lease: LeaseId) {
        self.life.insert(lease, (self.tick, self.crashes + self.leaders));
    }

    /// Lets a tick of true time pass.
    pub fn pass(&mut self, bounds: &Bounds) {
        self.tick += 1;
        self.calls = 0;
        self.ask(Request::Tick, bounds);
        self.checkpoint = self.pools.checkpoint(self.now()).or(self.checkpoint);
        self.watch(bounds);
    }

    /// Lets the engine take a message, as often as it arrives.
    pub fn arrive(&mut self, client: usize, said: Said, bounds: &Bounds) -> Reply {
        let request = match said {
            Said::Acquire(request) => Request::Acquire(acquire(client, request)),
            Said::Beat(held) => Request::Beat(held),
            Said::Keep(ticket) => Request::BeatWaiting { ticket, attentive: true },
            Said::Accept(held) => Request::Accept(held),
            Said::Release(held) => Request::Release { held, device: device(client).id },
        };
        let reply = self.ask(request, bounds);
        if let (Reply::Beating { state, .. }, Said::Beat(held)) = (&reply, said)
            && state.is_usable()
        {
            self.hear(held.lease);
        }
        reply
    }

    /// Lets a client learn the answer to what it said at this tick.
    pub fn learn(&mut self, client: usize, said: Said, reply: &Reply) {
        let tick = self.tick;
        let device = &mut self.clients[client];
        match reply {
            Reply::Granted(lease) | Reply::Attached(lease) => {
                let held = Held { lease: lease.lease, token: lease.token };
                (device.held, device.ticket) = (Some(held), None);
                device.until = if lease.state.is_usable() { tick + ticks(lease.ttl_ms) } else { tick };
            }
            Reply::Queued { place, .. } => (device.held, device.ticket) = (None, Some(place.ticket)),
            Reply::Beating { ttl_ms, state } if state.is_usable() => device.until = tick + ticks(*ttl_ms),
            Reply::Beating { .. } | Reply::Done | Reply::Refused(_) => {
                if !matches!(said, Said::Acquire(_)) {
                    (device.held, device.ticket) = (None, None);
                }
            }
        }
    }

    /// I5, I8 and I12 at the end of a tick of true time.
    fn watch(&mut self, bounds: &Bounds) {
        if self.ledger.waiting.is_empty() {
            self.waiting_since = None;
            return;
        }
        let since = *self.waiting_since.get_or_insert(self.tick);
        if self.ledger.live.len() < bounds.seats as usize {
            self.broken = Some("I12: a seat is free and somebody waits".into());
        }
        let restarts = self.crashes + self.leaders;
        for (lease, seen) in &self.ledger.live {
            let Some((heard, before)) = self.life.get(lease).copied() else { continue };
            // An offer is held for four ticks as well.
            let once_more = if restarts > before { SAFE } else { 0 };
            let bound = heard.max(since.min(heard + SAFE)) + SAFE + once_more + self.lag + 1;
            if self.tick > bound && !seen.is_parked {
                self.broken = Some(format!("I5: lease {lease} silent since tick {heard}, now {}", self.tick));
            }
        }
    }

    /// I8: a client that works is the holder of a lease that lives.
    pub fn belief_holds(&self) -> bool {
        self.clients.iter().filter(|client| self.tick < client.until).all(|client| {
            client.held.is_none_or(|held| {
                self.ledger.live.get(&held.lease).is_some_and(|seen| seen.token >= held.token)
            })
        })
    }
}

fn ticks(ms: u64) -> u8 {
    (ms / TICK_MS) as u8
}

fn device(client: usize) -> Device {
    let id = DeviceId(Uuid::from_u128(100 + client as u128));
    Device { id, kind: DeviceKind::Browser, name: String::new() }
}

fn acquire(client: usize, request: u8) -> Acquire {
    let number = (client as u128 + 1) * 1000 + u128::from(request);
    let applicant = Applicant {
        holder: Holder::Person(Uuid::from_u128(client as u128 + 1)),
        department: String::new(),
        groups: Vec::new(),
        class: Class::Normal,
    };
    Acquire {
        request_id: RequestId(Uuid::from_u128(number)),
        pool: PoolId::standard(),
        applicant,
        device: device(client),
        used_for: Use::Edit(MeetingId(Uuid::from_u128(7))),
        mode: Mode::Wait,
    }
}
