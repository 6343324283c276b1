//! One history: a server, its clients, the cables between them and everything that can go wrong, in true time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use gijiroku::seats::holder::{Answer, Holding, Input, Message, Output, Passed};
use gijiroku::seats::request::Held;
use gijiroku::seats::restart::Trust;

use crate::checker::Accepted;
use crate::clocks::{Clocks, Shown};
use crate::faults::{Fault, Plan};
use crate::random::Luck;
use crate::server::{Caller, Mutant, Server};

/// What a history came to.
#[derive(Default)]
pub struct Summary {
    pub events: u64,
    pub grants: u64,
    pub saves: usize,
}

/// What happens at a moment.
#[derive(Clone, Debug)]
pub enum Happening {
    Tick,
    Commit,
    Boot(Trust),
    /// A message reaches the server.
    Heard(usize, Message, u64),
    /// A protected call reaches the server.
    Saving(Held),
    /// An answer reaches a client.
    Told(usize, Answer),
    Wake(usize),
    Input(usize, Input),
    /// A client comes back from being stopped or asleep.
    Back(usize),
    /// A client works, if it believes that it may.
    Work(usize),
    /// A person does something.
    Person(usize),
    Fault(Fault),
}

struct Entry {
    at: u64,
    seq: u64,
    what: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    // The heap gives the greatest: the earliest has to be that.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

/// A device and its person.
pub struct Client {
    pub caller: Caller,
    pub holding: Holding,
    pub clocks: Clocks,
    last: Shown,
    wake_at: u64,
    /// Until when it does nothing; for ever once it is dead.
    pub stopped_until: u64,
    pub cut_until: u64,
    inbox: Vec<Answer>,
}

pub struct World {
    pub now_ms: u64,
    pub luck: Luck,
    heap: BinaryHeap<Entry>,
    seq: u64,
    pub server: Server,
    pub clients: Vec<Client>,
    accepted: Accepted,
    plan: Plan,
    commit_at: Option<u64>,
    pub paused_until: u64,
    /// What is done to the server's calendar at each tick, over and over.
    pub wall_jumps: Vec<i64>,
}

impl World {
    pub fn new(seed: u64, mutant: Mutant) -> Self {
        let mut luck = Luck::new(seed);
        let plan = Plan::draw(&mut luck);
        let drift = |luck: &mut Luck| luck.within(0, 20) as i64 - 10;
        let clocks = Clocks::new(drift(&mut luck), 1_800_000_000_000);
        let server = Server::new(plan.limits, plan.seats, clocks, mutant);
        let clients = (0..plan.people.len()).map(|index| {
            let caller = Caller {
                client: index,
                person: plan.people[index],
                session: 0,
                is_recording: luck.percent(30),
            };
            let clocks = Clocks::new(drift(&mut luck), 1_800_000_000_000);
            let last = clocks.shown();
            Client {
                caller,
                holding: Holding::default(),
                clocks,
                last,
                wake_at: 0,
                stopped_until: 0,
                cut_until: 0,
                inbox: Vec::new(),
            }
        });
        let clients: Vec<Client> = clients.collect();
        Self {
            now_ms: 0,
            luck,
            heap: BinaryHeap::new(),
            seq: 0,
            server,
            clients,
            accepted: Accepted::default(),
            plan,
            commit_at: None,
            paused_until: 0,
            wall_jumps: Vec::new(),
        }
    }

    /// Runs the whole history; the error names the broken invariant.
    pub fn run(&mut self) -> Result<Summary, String> {
        self.server.callers = self.clients.iter().map(|client| client.caller).collect();
        self.after(0, Happening::Boot(Trust::Current));
        self.after(1_000, Happening::Tick);
        for index in 0..self.clients.len() {
            let (want, work, person) =
                (self.luck.within(0, 15_000), self.luck.within(500, 5_000), self.luck.within(5_000, 60_000));
            self.after(want, Happening::Input(index, Input::Want));
            self.after(work, Happening::Work(index));
            self.after(person, Happening::Person(index));
        }
        for (at, fault) in std::mem::take(&mut self.plan.faults) {
            self.after(at, Happening::Fault(fault));
        }
        let mut events = 0;
        while let Some(entry) = self.heap.pop() {
            if entry.at > self.plan.length_ms {
                break;
            }
            self.now_ms = entry.at;
            events += 1;
            if let Some(story) = &mut self.server.story {
                story.push(format!("{:>9} {:?}", entry.at, entry.what));
            }
            self.happen(entry.what)?;
            self.plan_commit();
        }
        self.server.check_replay()?;
        let (most, at) = self.accepted.most_at_once();
        if most > self.server.capacity_max + self.server.adopted {
            return Err(format!("I4: calls of {most} leases were accepted around {at} ms"));
        }
        Ok(Summary { events, grants: self.server.ledger.grants, saves: self.accepted.count() })
    }

    pub fn after(&mut self, delay_ms: u64, what: Happening) {
        self.seq += 1;
        self.heap.push(Entry { at: self.now_ms + delay_ms, seq: self.seq, what });
    }

    fn plan_commit(&mut self) {
        if let Some(at) = self.server.next_commit_at()
            && self.commit_at.is_none_or(|planned| at < planned)
        {
            self.commit_at = Some(at);
            self.after(at.saturating_sub(self.now_ms), Happening::Commit);
        }
    }

    fn happen(&mut self, what: Happening) -> Result<(), String> {
        let is_paused = self.now_ms < self.paused_until;
        match what {
            // A machine that stands still does all this when it goes on.
            Happening::Tick | Happening::Commit | Happening::Heard(..) | Happening::Saving(..)
                if is_paused =>
            {
                self.after(self.paused_until - self.now_ms, what);
            }
            Happening::Tick => {
                self.after(1_000, Happening::Tick);
                if !self.wall_jumps.is_empty() {
                    let turn = (self.now_ms / 1_000) as usize % self.wall_jumps.len();
                    self.server.clocks.set_wall(self.wall_jumps[turn]);
                }
                if self.server.pools.is_some() {
                    self.server.tick(self.now_ms)?;
                }
                self.check_beliefs()?;
            }
            Happening::Commit => {
                self.commit_at = None;
                for (client, answer) in self.server.commit(self.now_ms) {
                    self.carry(client, |_| Happening::Told(client, answer.clone()));
                }
            }
            Happening::Boot(trust) => {
                self.server.boot(self.now_ms, trust)?;
                // At once, so that a pause right behind the start is seen as one.
                self.server.tick(self.now_ms)?;
            }
            Happening::Heard(index, message, asked_at) => {
                let caller = self.clients[index].caller;
                self.server.hear(self.now_ms, caller, message, asked_at)?;
            }
            Happening::Saving(held) => {
                if self.server.accepts(self.now_ms, held) {
                    self.accepted.note(self.server.restores, held.lease, self.now_ms);
                }
            }
            Happening::Told(index, answer) => self.told(index, answer),
            Happening::Wake(index) => {
                if self.clients[index].wake_at == self.now_ms {
                    self.drive(index, Input::Wake);
                }
            }
            Happening::Input(index, input) => self.drive(index, input),
            Happening::Back(index) => self.back(index),
            Happening::Work(index) => self.work(index)?,
            Happening::Person(index) => self.person(index),
            Happening::Fault(fault) => self.break_something(fault)?,
        }
        Ok(())
    }

    fn told(&mut self, index: usize, answer: Answer) {
        if self.now_ms < self.clients[index].stopped_until {
            self.clients[index].inbox.push(answer);
        } else {
            self.drive(index, Input::Heard { answer });
        }
    }

    fn back(&mut self, index: usize) {
        if self.now_ms < self.clients[index].stopped_until {
            return;
        }
        let client = &mut self.clients[index];
        client.clocks.advance(self.now_ms);
        let was_asleep = std::mem::take(&mut client.clocks.is_asleep);
        let inbox = std::mem::take(&mut client.inbox);
        self.drive(index, if was_asleep { Input::Woke } else { Input::Wake });
        for answer in inbox {
            self.drive(index, Input::Heard { answer });
        }
    }

    /// Lets a device take one input and does what it says.
    pub fn drive(&mut self, index: usize, input: Input) {
        let client = &mut self.clients[index];
        if self.now_ms < client.stopped_until {
            return;
        }
        let passed = client.passed(self.now_ms, (self.luck.next() % 1000) as u16);
        client.last = client.clocks.shown();
        let outputs = client.holding.step(passed, input);
        let wake_in = client.holding.wake_in();
        for output in outputs {
            match output {
                Output::Send { message } => self.say(index, message),
                Output::Connect => self.connect(index),
                Output::AskOffer { .. } => {
                    let input = if self.luck.percent(70) { Input::Accept } else { Input::Decline };
                    let thinking = self.luck.within(1_000, 70_000);
                    self.after(thinking, Happening::Input(index, input));
                }
                Output::Work { .. }
                | Output::ReadOnly
                | Output::KeepDraft
                | Output::ShowPlace { .. }
                | Output::OfferOver
                | Output::ShowRefusal { .. }
                | Output::ShowLoss { .. } => {}
            }
        }
        if let Some(wake_in) = wake_in {
            let wake_ms = u64::try_from(wake_in.as_millis()).expect("no timer is that long");
            let late = self.luck.within(1, 40);
            let delay = self.clients[index].clocks.true_ms(wake_ms) + late;
            self.clients[index].wake_at = self.now_ms + delay;
            self.after(delay, Happening::Wake(index));
        }
    }

    fn say(&mut self, index: usize, message: Message) {
        self.carry(index, |now_ms| Happening::Heard(index, message.clone(), now_ms));
    }

    fn connect(&mut self, index: usize) {
        let can = self.now_ms >= self.clients[index].cut_until && self.server.pools.is_some();
        if can {
            self.clients[index].caller.session += 1;
            self.server.callers[index].session += 1;
            let delay = self.luck.within(10, 200);
            self.after(delay, Happening::Input(index, Input::SocketOpen));
        } else {
            let delay = self.luck.within(500, 4_000);
            self.after(delay, Happening::Input(index, Input::SocketClosed));
        }
    }

    /// Carries something over a client's cable: lost, doubled, late, in any order.
    fn carry(&mut self, index: usize, what: impl Fn(u64) -> Happening) {
        let weather = self.plan.weather;
        let copies = if self.luck.percent(weather.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let is_lost = self.now_ms < self.clients[index].cut_until || self.luck.percent(weather.lost);
            if is_lost {
                continue;
            }
            let delay = match self.luck.index(100) {
                sort if sort < 90 => self.luck.within(2, 200),
                sort if sort < 98 => self.luck.within(200, 3_000),
                _ => self.luck.within(3_000, weather.late_ms),
            };
            self.after(delay, what(self.now_ms));
        }
    }

    fn work(&mut self, index: usize) -> Result<(), String> {
        let next = self.luck.within(800, 5_000);
        self.after(next, Happening::Work(index));
        if let Some(held) = self.belief(index) {
            self.server.check_belief(self.now_ms, held)?;
            self.carry(index, |_| Happening::Saving(held));
        }
        Ok(())
    }

    /// Returns what a client would work with now; nothing while it is stopped.
    fn belief(&mut self, index: usize) -> Option<Held> {
        let client = &mut self.clients[index];
        if self.now_ms < client.stopped_until {
            return None;
        }
        let passed = client.passed(self.now_ms, 0);
        client.holding.proof(passed)
    }

    /// I8 at one moment: whoever believes was heard lately.
    fn check_beliefs(&mut self) -> Result<(), String> {
        for index in 0..self.clients.len() {
            if let Some(held) = self.belief(index) {
                self.server.check_belief(self.now_ms, held)?;
            }
        }
        Ok(())
    }

    fn person(&mut self, index: usize) {
        let next = self.luck.within(5_000, 60_000);
        self.after(next, Happening::Person(index));
        let input = match self.luck.index(100) {
            0..50 => Input::Want,
            50..62 => Input::Done,
            62..70 => Input::Park,
            70..80 => Input::Hidden,
            80..92 => Input::Shown,
            _ => Input::Leave,
        };
        self.drive(index, input);
    }
}

impl Client {
    /// Returns what this device's clocks did since its last step.
    fn passed(&mut self, now_ms: u64, luck: u16) -> Passed {
        self.clocks.advance(now_ms);
        let shown = self.clocks.shown();
        let mono_ms = shown.mono_ms - self.last.mono_ms;
        Passed { mono_ms, wall_ms: shown.wall_ms - self.last.wall_ms, luck }
    }
}
