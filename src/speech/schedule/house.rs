//! Rooms that share one engine: who may have captions, whose question is next, what is left out. Pure.
//!
//! ```text
//! sessions ─ask─► finals by deadline ──────┐
//!                 one guess a room, the    ├─► next ─► engine ─► answered ─► costs ─► admit
//!                 room's turn and credit ──┘                        │
//!                                                    late? ─► ladder ─► level of all sessions
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::cost::Costs;
use super::ladder::{Ladder, Level};
use super::{Due, Urgency};
use crate::clock::Mono;
use crate::speech::live::{Ask, AskId};
use crate::speech::{Backend, Request};

/// Guesses a room may owe, engine seconds: a burst of them is fine, a stream is not.
const CREDIT_S_MAX: f64 = 1.0;
/// Share of the engine that guesses of all rooms together may take when all want them.
const PARTIAL_SHARE: f64 = 0.6;
/// A lateness that has passed is remembered this long, so that the ladder sees it.
const LATE_REMEMBERED: Duration = Duration::from_secs(2);
/// Batch windows while a room is live, where the engine cannot leave one on the way.
const BATCH_SPAN_MS_BESIDE: u64 = 10_000;

/// Names a room of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u64);

/// Names a question at the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Whether a room gets captions. Its sound is recorded in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Captions begin now.
    Captions,
    /// 録音のみ: the recording is made, its text comes later.
    RecordingOnly(Refusal),
}

/// Why a room gets no captions now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The machine has no room for one more: ask again when a room has ended.
    Full {
        /// Rooms that have captions.
        rooms: usize,
        /// Rooms the machine can serve, as measured.
        rooms_max: usize,
    },
    /// The recogniser does not work now: ask again later.
    EngineAway,
}

/// What the owner of the engine does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Hand this to the engine.
    Submit(Ticket, Request),
    /// Nobody will compute this guess: tell its session, which asks afresh.
    Dropped(RoomId, AskId),
}

/// What batch work may do beside the rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchLeave {
    /// It may go on; windows at most this long, if there is a limit.
    Runs {
        /// Longest window, milliseconds.
        span_ms_max: Option<u64>,
    },
    /// It waits.
    Waits,
}

/// The engine that rooms share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Questions it may have at once.
    pub slots: usize,
    /// It leaves less urgent work on the way when something more urgent comes (our own does, whisper.cpp cannot).
    pub yields: bool,
}

/// Questions of rooms that our own engine steps together on one thread: more make each of them slower.
const NATIVE_SLOTS_PER_THREAD: usize = 4;

impl Engine {
    /// Returns what an engine of this kind can do with so many threads.
    pub fn of(backend: Backend, threads: u16) -> Self {
        let threads = usize::from(threads.max(1));
        match backend {
            Backend::Native => Self { slots: NATIVE_SLOTS_PER_THREAD * threads, yields: true },
            Backend::Whisper => Self { slots: threads, yields: false },
        }
    }
}

/// All rooms that share one engine.
#[derive(Debug)]
pub struct House {
    engine: Engine,
    works: bool,
    rooms: BTreeMap<RoomId, Room>,
    flying: BTreeMap<Ticket, Flight>,
    costs: Costs,
    ladder: Ladder,
    late_at: Option<Mono>,
    tickets: u64,
    /// Counts turns, so that who was served longest ago comes first.
    turns: u64,
}

#[derive(Debug)]
struct Room {
    finals: VecDeque<Ask>,
    partial: Option<Ask>,
    /// Engine seconds it may still spend on guesses.
    credit_s: f64,
    credit_at: Mono,
    served: u64,
}

#[derive(Debug)]
struct Flight {
    room: RoomId,
    ask: AskId,
    due: Due,
    sound_s: f64,
    since: Mono,
    beside: usize,
}

impl House {
    /// Begins with no rooms.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            works: true,
            rooms: BTreeMap::new(),
            flying: BTreeMap::new(),
            costs: Costs::default(),
            ladder: Ladder::default(),
            late_at: None,
            tickets: 0,
            turns: 0,
        }
    }

    /// Lets a room in if the machine has room for it; ask again when that may have changed.
    pub fn open(&mut self, room: RoomId, now: Mono) -> Admission {
        if self.rooms.contains_key(&room) {
            return Admission::Captions;
        }
        let (rooms, rooms_max) = (self.rooms.len(), self.costs.rooms_max());
        if !self.works {
            return Admission::RecordingOnly(Refusal::EngineAway);
        }
        if rooms >= rooms_max || (rooms > 0 && self.ladder.level() >= Level::RarePartials) {
            return Admission::RecordingOnly(Refusal::Full { rooms, rooms_max });
        }
        let (finals, served) = (VecDeque::new(), self.turns);
        let fresh = Room { finals, partial: None, credit_s: CREDIT_S_MAX, credit_at: now, served };
        self.rooms.insert(room, fresh);
        Admission::Captions
    }

    /// Forgets a room; returns what the engine is to cancel.
    pub fn close(&mut self, room: RoomId) -> Vec<Ticket> {
        self.rooms.remove(&room);
        let its = self.flying.iter().filter(|(_, flight)| flight.room == room);
        its.map(|(ticket, _)| *ticket).collect()
    }

    /// Learns whether the engine works.
    pub fn engine_works(&mut self, works: bool) {
        self.works = works;
    }

    /// Takes a question; returns the guess of this room that it replaces, to be told as dropped.
    ///
    /// Range: a question of an unknown room is dropped itself.
    pub fn ask(&mut self, room: RoomId, ask: Ask) -> Option<AskId> {
        let Some(waiting) = self.rooms.get_mut(&room) else { return Some(ask.id) };
        match ask.urgency() {
            Urgency::Final => {
                waiting.finals.push_back(ask);
                None
            }
            Urgency::Partial | Urgency::Batch => waiting.partial.replace(ask).map(|old| old.id),
        }
    }

    /// Forgets a question; returns its ticket if the engine has it.
    pub fn cancel(&mut self, room: RoomId, ask: AskId) -> Option<Ticket> {
        if let Some(waiting) = self.rooms.get_mut(&room) {
            waiting.finals.retain(|waiting| waiting.id != ask);
            waiting.partial.take_if(|waiting| waiting.id == ask);
        }
        self.flying
            .iter()
            .find(|(_, flight)| flight.room == room && flight.ask == ask)
            .map(|(ticket, _)| *ticket)
    }

    /// Returns what to do next; call it until it returns nothing.
    pub fn next(&mut self, now: Mono) -> Option<Next> {
        if let Some((room, ask)) = self.overdue_partial(now) {
            self.late_at = Some(now);
            return Some(Next::Dropped(room, ask));
        }
        if !self.works || self.flying.len() >= self.engine.slots {
            return None;
        }
        let (room, ask) = self.next_final().or_else(|| self.next_partial(now))?;
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let flight = Flight {
            room,
            ask: ask.id,
            due: ask.request.due,
            sound_s: ask.request.samples.len() as f64 / 16_000.0,
            since: now,
            beside: self.flying.len(),
        };
        self.flying.insert(ticket, flight);
        Some(Next::Submit(ticket, ask.request))
    }

    /// Learns that the engine answered; returns whose question it was, while that room is open.
    pub fn answered(&mut self, ticket: Ticket, computed: bool, now: Mono) -> Option<(RoomId, AskId)> {
        let flight = self.flying.remove(&ticket)?;
        if computed {
            self.learn(&flight, now);
        }
        self.rooms.contains_key(&flight.room).then_some((flight.room, flight.ask))
    }

    /// Learns what hearing the voice of a sentence took, in engine seconds.
    pub fn heard_voice(&mut self, took: Duration, sound_s: f64) {
        self.costs.learn_voice(took, sound_s);
    }

    /// Tells whether there is time for what captions can do without: nothing is left out, and no final was late just now.
    pub fn is_at_ease(&self, now: Mono) -> bool {
        self.ladder.level() == Level::Full && !self.is_late(now)
    }

    /// Looks whether there is more to do than can be done; tells the new level for all sessions if that changes it.
    pub fn observe(&mut self, now: Mono) -> Option<Level> {
        self.ladder.observe(self.is_late(now), now)
    }

    /// Tells whether a final is late, or was a moment ago.
    fn is_late(&self, now: Mono) -> bool {
        let is_late = |due: Due| due.urgency == Urgency::Final && Due::at(Urgency::Final, now) > due;
        let waiting = self.rooms.values().flat_map(|room| &room.finals).any(|ask| is_late(ask.request.due));
        let flying = self.flying.values().any(|flight| is_late(flight.due));
        let was = self.late_at.is_some_and(|at| now.since(at) < LATE_REMEMBERED);
        waiting || flying || was
    }

    /// Returns how much is left out now.
    pub fn level(&self) -> Level {
        self.ladder.level()
    }

    /// Returns what recognition costs, as measured.
    pub fn costs(&self) -> Costs {
        self.costs
    }

    /// Returns how many rooms have captions.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Tells what batch work may do now.
    pub fn batch(&self) -> BatchLeave {
        let waits = self.rooms.values().any(|room| !room.finals.is_empty() || room.partial.is_some());
        match (self.rooms.is_empty(), self.engine.yields) {
            (true, _) => BatchLeave::Runs { span_ms_max: None },
            _ if !self.ladder.level().batch_runs() => BatchLeave::Waits,
            (false, true) => BatchLeave::Runs { span_ms_max: None },
            (false, false) if waits || !self.flying.is_empty() => BatchLeave::Waits,
            (false, false) => BatchLeave::Runs { span_ms_max: Some(BATCH_SPAN_MS_BESIDE) },
        }
    }

    /// Follows what an answer cost, charges it to its room, and remembers whether it was late.
    fn learn(&mut self, flight: &Flight, now: Mono) {
        let took = now.since(flight.since);
        match flight.due.urgency {
            Urgency::Final => {
                self.costs.learn_final(took, flight.sound_s, flight.beside);
                if Due::at(Urgency::Final, now) > flight.due {
                    self.late_at = Some(now);
                }
            }
            Urgency::Partial | Urgency::Batch => {
                self.costs.learn_partial(took, flight.beside);
                if let Some(room) = self.rooms.get_mut(&flight.room) {
                    room.credit_s -= took.as_secs_f64() / (flight.beside + 1) as f64;
                }
            }
        }
    }

    /// Takes out a guess that would come too late to be of use.
    fn overdue_partial(&mut self, now: Mono) -> Option<(RoomId, AskId)> {
        let overdue = |room: &Room| room.partial.as_ref().is_some_and(|ask| now > ask.due);
        let (id, room) = self.rooms.iter_mut().find(|(_, room)| overdue(room))?;
        room.partial.take().map(|ask| (*id, ask.id))
    }

    /// The final that is due first.
    fn next_final(&mut self) -> Option<(RoomId, Ask)> {
        let first = |room: &Room| room.finals.iter().map(|ask| ask.request.due).min();
        let (id, room) = self
            .rooms
            .iter_mut()
            .filter(|(_, room)| !room.finals.is_empty())
            .min_by_key(|(_, room)| (first(room), room.served))?;
        let due = first(room);
        let index = room.finals.iter().position(|ask| Some(ask.request.due) == due)?;
        let ask = room.finals.remove(index)?;
        room.served = self.turns;
        self.turns += 1;
        Some((*id, ask))
    }

    /// The guess of the room that was served longest ago, of those with credit; without credit only an idle engine helps.
    fn next_partial(&mut self, now: Mono) -> Option<(RoomId, Ask)> {
        let partials = self.flying.values().filter(|flight| flight.due.urgency == Urgency::Partial).count();
        // A final that comes now must find a place, where guesses cannot be left on the way.
        if !self.engine.yields && partials + 1 >= self.engine.slots.max(2) {
            return None;
        }
        let share = PARTIAL_SHARE / self.rooms.len().max(1) as f64;
        for room in self.rooms.values_mut() {
            let earned = now.since(room.credit_at).as_secs_f64() * share;
            room.credit_s = (room.credit_s + earned).min(CREDIT_S_MAX);
            room.credit_at = now;
        }
        let idle = self.flying.is_empty();
        let (id, room) = self
            .rooms
            .iter_mut()
            .filter(|(_, room)| room.partial.is_some() && (idle || room.credit_s > 0.0))
            .min_by_key(|(_, room)| (room.credit_s <= 0.0, room.served))?;
        let ask = room.partial.take()?;
        room.served = self.turns;
        self.turns += 1;
        Some((*id, ask))
    }
}

#[cfg(test)]
mod tests;
