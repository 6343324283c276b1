//! The shell around the engine: a disk that forgets what was not committed, a clock that is not ours, four bugs on demand.

use std::collections::{BTreeMap, VecDeque};

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::seats::holder::{Answer, Message, Number};
use gijiroku::seats::policy::{Licence, Licensed};
use gijiroku::seats::request::{Acquire, Held};
use gijiroku::seats::restart::{Checkpoint, Receipt, Trust};
use gijiroku::seats::state::State;
use gijiroku::seats::{
    Applicant, At, Class, Device, DeviceId, DeviceKind, Epoch, Event, Holder, LeaseId, Limits, MeetingId,
    Mode, Now, PoolId, Pools, Reply, Request, RequestId, TicketId, Token, Use,
};
use uuid::Uuid;

use crate::answers::{answer_of, count_from, pushes};
use crate::checker::Ledger;
use crate::clocks::Clocks;

/// A bug of others, put in on purpose: the checks must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    None,
    /// M1: leases run on the calendar.
    WallClock,
    /// M2: the end told to the client is computed after the commit.
    LateEnd,
    /// M3: every restart gives the whole time again.
    FullTimeEachRestart,
    /// M4: a reconnect takes a second seat.
    SecondSeat,
    /// I4 switched off: a save is accepted whatever its token.
    NoFence,
}

/// Who stands at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub client: usize,
    pub person: u64,
    /// Counts reconnects; a sound server does not care.
    pub session: u64,
    pub is_recording: bool,
}

impl Caller {
    pub fn holder(&self, mutant: Mutant) -> Holder {
        let session = if mutant == Mutant::SecondSeat { u128::from(self.session) << 64 } else { 0 };
        Holder::Person(Uuid::from_u128(session | u128::from(self.person)))
    }

    pub fn device(&self) -> Device {
        let id = DeviceId(Uuid::from_u128(1000 + self.client as u128));
        Device { id, kind: DeviceKind::Browser, name: String::new() }
    }

    fn applicant(&self, mutant: Mutant) -> Applicant {
        let holder = self.holder(mutant);
        Applicant { holder, department: String::new(), groups: Vec::new(), class: Class::Normal }
    }

    fn used_for(&self) -> Use {
        let meeting = MeetingId(Uuid::from_u128(5000 + self.client as u128));
        if self.is_recording { Use::Record(meeting) } else { Use::Edit(meeting) }
    }
}

/// Returns the person behind a holder, whatever session it was.
pub fn person_of(holder: Holder) -> u64 {
    match holder {
        Holder::Person(id) | Holder::Room(id) => id.as_u64_pair().1,
    }
}

/// What leaves the server after a commit.
pub type Outbox = Vec<(usize, Answer)>;

/// Steps that wait for the disk.
struct Batch {
    made_at: u64,
    commit_at: u64,
    events: Vec<Event>,
    checkpoint: Option<Checkpoint>,
    outbox: Outbox,
    /// True times at which the answered messages were sent, for the second mutant.
    asked_at: Option<u64>,
}

/// When a sign of life was heard last, and what excuses a delay since.
#[derive(Clone, Copy)]
pub struct Life {
    pub at: u64,
    pub excused_ms: u64,
    pub given_ms: u64,
    pub restarts: u64,
    /// No crash has taken it back.
    pub is_sure: bool,
}

pub struct Server {
    pub pools: Option<Pools>,
    pub disk: Vec<Event>,
    checkpoint: Option<Checkpoint>,
    epoch: Epoch,
    pub trust: Trust,
    /// A restored copy is marked as one until the start that knows of it is on the disk.
    marked: Option<Epoch>,
    pending: VecDeque<Batch>,
    pub clocks: Clocks,
    pub ledger: Ledger,
    pub limits: Limits,
    pub capacity: usize,
    /// The most there ever was.
    pub capacity_max: usize,
    pub seats: u32,
    pub mutant: Mutant,
    pub life: BTreeMap<LeaseId, Life>,
    copy: Vec<Event>,
    /// How often a copy took the place of the disk.
    pub restores: u64,
    /// When an old copy took over last.
    pub old_since: Option<Life>,
    /// Leases adopted from receipts: they alone may exceed the seats.
    pub adopted: usize,
    /// The line before a crash: places, and since when they wait.
    pub line: Vec<(TicketId, At)>,
    /// Since when somebody waits without a break.
    pub waiting_since: Option<Life>,
    pub newest: Option<Token>,
    /// Grants whose answers left: no crash may lose them.
    pub acked: BTreeMap<LeaseId, Token>,
    /// True time in which it could not work, all in all.
    pub excused_ms: u64,
    /// The part of it that the engine gives back for certain.
    pub given_ms: u64,
    pub restarts: u64,
    pub down_since: u64,
    pub booted_at: u64,
    pub stall_until: u64,
    /// Everyone who may be told something.
    pub callers: Vec<Caller>,
    pub conflicts: u64,
    /// What happened, if somebody wants to read it.
    pub story: Option<Vec<String>>,
}

impl Server {
    pub fn new(limits: Limits, seats: u32, clocks: Clocks, mutant: Mutant) -> Self {
        Self {
            pools: None,
            disk: Vec::new(),
            checkpoint: None,
            epoch: Epoch::default(),
            trust: Trust::Current,
            marked: None,
            pending: VecDeque::new(),
            clocks,
            ledger: Ledger::default(),
            limits,
            capacity: seats as usize,
            capacity_max: seats as usize,
            seats,
            mutant,
            life: BTreeMap::new(),
            copy: Vec::new(),
            restores: 0,
            old_since: None,
            adopted: 0,
            line: Vec::new(),
            waiting_since: None,
            newest: None,
            acked: BTreeMap::new(),
            excused_ms: 0,
            given_ms: 0,
            restarts: 0,
            down_since: 0,
            booted_at: 0,
            stall_until: 0,
            callers: Vec::new(),
            conflicts: 0,
            story: None,
        }
    }

    pub fn pool() -> PoolId {
        PoolId::standard()
    }

    pub fn now(&mut self, now_ms: u64) -> Now {
        self.clocks.advance(now_ms);
        let shown = self.clocks.shown();
        let mono_ms = match self.mutant {
            Mutant::WallClock => u64::try_from(shown.wall_ms).unwrap_or(0),
            _ => shown.mono_ms,
        };
        Now { mono: Mono::from_ms(mono_ms), office: UnixMs::from_ms(shown.wall_ms) }
    }

    /// Starts from what the disk holds; the first start sets licence and limits.
    pub fn boot(&mut self, now_ms: u64, trust: Trust) -> Result<(), String> {
        let now = self.now(now_ms);
        self.epoch = self.epoch.next().expect("a history is short");
        let trust = self.marked_trust(trust);
        self.trust = trust;
        let checkpoint = self.checkpoint.filter(|_| self.mutant != Mutant::FullTimeEachRestart);
        let state = Pools::replay(State::default(), &self.disk);
        let is_new = self.disk.is_empty();
        let (pools, events) = Pools::restart(state, checkpoint, self.epoch, trust, now);
        self.pools = Some(pools);
        self.ledger = Ledger::of(&self.disk)?;
        if !is_new {
            self.excused_ms += now_ms - self.down_since;
            self.given_ms += now_ms - self.down_since;
            self.restarts += 1;
        }
        self.booted_at = now_ms;
        if trust == Trust::MayBeOld {
            self.old_since = Some(self.sign(now_ms));
        }
        self.check_acked()?;
        self.check_order(trust)?;
        self.note_events(now_ms, &events)?;
        self.keep(now_ms, events, Vec::new(), None);
        if is_new {
            self.request(now_ms, Request::SetLimits(self.limits))?;
        }
        // The shell reads the licence at every start: a copy may know an older one.
        self.set_seats(now_ms, self.seats)?;
        self.check_map(now_ms)
    }

    /// A crash before the commit of a start leaves the mark of a restored copy where it was.
    fn marked_trust(&mut self, trust: Trust) -> Trust {
        let is_known = |epoch| self.disk.iter().any(|event| event.epoch == epoch);
        self.marked = self.marked.filter(|epoch| !is_known(*epoch));
        let trust = if self.marked.is_some() { Trust::MayBeOld } else { trust };
        if trust == Trust::MayBeOld {
            self.marked = Some(self.epoch);
        }
        trust
    }

    /// Installs a licence for so many seats; who has one keeps it.
    pub fn set_seats(&mut self, now_ms: u64, seats: u32) -> Result<(), String> {
        (self.seats, self.capacity) = (seats, seats as usize);
        self.capacity_max = self.capacity_max.max(self.capacity);
        let licensed = Licensed { pool: Self::pool(), seats, burst: None };
        self.request(now_ms, Request::SetLicence(Licence { pools: vec![licensed], bar: None }))?;
        Ok(())
    }

    /// Power is cut: what was not committed is gone.
    pub fn crash(&mut self, now_ms: u64) {
        self.line = self.places();
        self.pools = None;
        if let Some(lost) = self.pending.front() {
            for life in self.life.values_mut().filter(|life| life.at >= lost.made_at) {
                life.is_sure = false;
            }
        }
        self.pending.clear();
        self.down_since = now_ms;
        self.stall_until = 0;
    }

    /// Copies what the disk holds.
    pub fn back_up(&mut self) {
        self.copy = self.disk.clone();
    }

    /// Puts the copy in the place of the disk.
    ///
    /// The lost server may have opened epochs that the copy does not know: a wide step goes past them, or a token of a
    /// lost grant could be drawn a second time.
    pub fn restore(&mut self) {
        self.disk = self.copy.clone();
        self.restores += 1;
        self.checkpoint = None;
        let last = self.disk.iter().map(|event| event.epoch.number()).max().unwrap_or_default();
        self.epoch = Epoch::new(last + 1_000);
    }

    /// Carries out one request, in memory; its events wait for the disk.
    pub fn request(&mut self, now_ms: u64, request: Request) -> Result<Reply, String> {
        let now = self.now(now_ms);
        let Some(pools) = &mut self.pools else { return Ok(Reply::Done) };
        let step = pools.step(now, request);
        self.note_events(now_ms, &step.events)?;
        let pushes = pushes(&step.events, self.mutant, &self.callers, &self.limits);
        self.keep(now_ms, step.events, pushes, None);
        if let Some(epoch) = step.epoch_wanted {
            self.epoch = self.epoch.max(epoch);
            self.request(now_ms, Request::OpenEpoch { epoch })?;
        }
        Ok(step.reply)
    }

    fn keep(&mut self, now_ms: u64, events: Vec<Event>, outbox: Outbox, asked_at: Option<u64>) {
        let commit_at = (now_ms + 3).max(self.stall_until);
        let commit_at = self.pending.back().map_or(commit_at, |last| commit_at.max(last.commit_at));
        self.pending.push_back(Batch {
            made_at: now_ms,
            commit_at,
            events,
            checkpoint: None,
            outbox,
            asked_at,
        });
    }

    pub fn pending_events(&self) -> impl Iterator<Item = &Event> {
        self.pending.iter().flat_map(|batch| &batch.events)
    }

    pub fn next_commit_at(&self) -> Option<u64> {
        self.pending.front().map(|batch| batch.commit_at)
    }

    /// The disk has it: events stay, answers leave.
    pub fn commit(&mut self, now_ms: u64) -> Outbox {
        let mut leaving = Vec::new();
        while let Some(batch) = self.pending.pop_front_if(|batch| batch.commit_at <= now_ms) {
            self.disk.extend(batch.events);
            self.checkpoint = batch.checkpoint.or(self.checkpoint);
            for (client, mut answer) in batch.outbox {
                if let Answer::Granted { held, .. } = &answer {
                    self.acked.insert(held.lease, held.token);
                }
                if let (Mutant::LateEnd, Some(asked_at)) = (self.mutant, batch.asked_at) {
                    count_from(&mut answer, now_ms - asked_at);
                }
                leaving.push((client, answer));
            }
        }
        leaving
    }

    /// A second has passed.
    pub fn tick(&mut self, now_ms: u64) -> Result<(), String> {
        self.request(now_ms, Request::Tick)?;
        let now = self.now(now_ms);
        let checkpoint = self.pools.as_ref().and_then(|pools| pools.checkpoint(now));
        if let Some(last) = self.pending.back_mut() {
            last.checkpoint = checkpoint;
        }
        self.check_line(now_ms)?;
        self.check_map(now_ms)
    }

    /// Asks whether a protected call may go on.
    pub fn accepts(&mut self, now_ms: u64, held: Held) -> bool {
        let now = self.now(now_ms);
        let Some(pools) = &self.pools else { return false };
        self.mutant == Mutant::NoFence || pools.proof(held, now).is_ok()
    }

    /// Takes one message of a client; the answer waits for the disk.
    pub fn hear(
        &mut self,
        now_ms: u64,
        caller: Caller,
        message: Message,
        asked_at: u64,
    ) -> Result<(), String> {
        if self.pools.is_none() {
            return Ok(());
        }
        let Some((request, number, held)) = self.translate(caller, &message) else { return Ok(()) };
        if let (Some(_), Some(held), Message::Beat { .. } | Message::Renew { .. }) =
            (self.old_since, held, &message)
        {
            self.adopt(now_ms, caller, held)?;
        }
        if let (Request::Release { held, .. } | Request::Decline(held), Some(seen)) =
            (&request, held.and_then(|held| self.ledger.live.get(&held.lease)))
            && held.token < seen.token
        {
            let (lease, live) = (held.lease, self.ledger.live.len());
            self.request(now_ms, request)?;
            let is_kept = self.ledger.live.contains_key(&lease) || self.ledger.live.len() != live - 1;
            return if is_kept { Ok(()) } else { Err(format!("I9: an old token ended lease {lease}")) };
        }
        let reply = self.request(now_ms, request)?;
        self.note_life(now_ms, held, &reply, &message);
        if let Some(answer) = answer_of(&reply, number, held, &message) {
            self.keep(now_ms, Vec::new(), vec![(caller.client, answer)], Some(asked_at));
        }
        Ok(())
    }

    fn adopt(&mut self, now_ms: u64, caller: Caller, held: Held) -> Result<(), String> {
        let holder = caller.holder(self.mutant);
        let receipt = Receipt { lease: held.lease, holder, pool: Self::pool(), token: held.token };
        let applicant = caller.applicant(self.mutant);
        let (device, used_for) = (caller.device(), caller.used_for());
        self.request(now_ms, Request::Adopt { receipt, applicant, device, used_for })?;
        Ok(())
    }

    fn translate(&self, caller: Caller, message: &Message) -> Option<(Request, Number, Option<Held>)> {
        let device = caller.device().id;
        Some(match message.clone() {
            Message::Acquire { number } => {
                let id =
                    u128::from(caller.session) << 96 | (caller.client as u128) << 64 | u128::from(number);
                let acquire = Acquire {
                    request_id: RequestId(Uuid::from_u128(id)),
                    pool: Self::pool(),
                    applicant: caller.applicant(self.mutant),
                    device: caller.device(),
                    used_for: caller.used_for(),
                    mode: Mode::Wait,
                };
                (Request::Acquire(acquire), number, None)
            }
            Message::Accept { number, held } => (Request::Accept(held), number, Some(held)),
            Message::Decline { held } => (Request::Decline(held), 0, Some(held)),
            Message::Beat { number, held } | Message::Renew { number, held } => {
                (Request::Beat(held), number, Some(held))
            }
            Message::BeatWaiting { number, ticket, attentive } => {
                (Request::BeatWaiting { ticket, attentive }, number, None)
            }
            Message::GiveUp { ticket } => (Request::Leave { ticket }, 0, None),
            Message::Park { held } => (Request::Park(held), 0, Some(held)),
            Message::Sleep { held } => (Request::Sleep(held), 0, Some(held)),
            Message::Release { held } => (Request::Release { held, device }, 0, Some(held)),
            Message::Bye { held: Some(held) } => (Request::SocketClosed { held, device }, 0, Some(held)),
            Message::Hello { .. } | Message::Bye { held: None } => return None,
        })
    }
}
