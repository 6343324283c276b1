//! Rooms in real time: each hears its meeting in frames of 100 ms, all share one engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gijiroku::clock::Mono;
use gijiroku::speech::engine::EngineError;
use gijiroku::speech::live::{CaptionEvent, Output, Session, Start, Trouble};
use gijiroku::speech::schedule::house::{Engine, Next, RoomId, Ticket};
use gijiroku::speech::schedule::{House, Level};
use gijiroku::speech::{Recognition, Urgency};
use serde_json::{Value, json};

use crate::tally::Tally;
use crate::{Bench, RATE, cpu_s, memory_kib, number, text};

/// Frames as a browser sends them.
const FRAME_MS: u64 = 100;
/// How long is waited for the last finals.
const LAST_WAIT_MS: u64 = 60_000;
/// Threads of the work that takes the machine away, and their place behind the server, as the engine's.
const HOGS: usize = 16;

struct Room {
    session: Session,
    sound: Vec<f32>,
    /// Samples spoken before it began: rooms do not breathe in step.
    offset: usize,
    pushed: usize,
    next_ms: u64,
    tally: Tally,
    finals_ms: Vec<u64>,
    asked: [u64; 2],
    lag_ms_max: u64,
    ended: bool,
}

struct Office {
    bench: Bench,
    house: House,
    rooms: BTreeMap<RoomId, Room>,
    begin: Mono,
    levels: Vec<(u64, Level)>,
    dropped: u64,
}

/// Runs rooms in real time and returns the figures.
pub fn real(bench: Bench) -> Value {
    let count = number("LIVE_ROOMS", 1);
    let length_ms = match number("LIVE_S", 0) {
        0 => bench.sounds[0].len() as u64 / 16,
        seconds => seconds * 1_000,
    };
    let mut house = House::new(Engine::of(bench.backend, bench.threads));
    let begin = Mono::now();
    let mut rooms = BTreeMap::new();
    for index in 0..count {
        let _ = house.open(RoomId(index), begin);
        let sound = bench.sounds[index as usize % bench.sounds.len()].clone();
        let session = Session::new(Arc::clone(&bench.net), bench.settings(), Start::default());
        // The first room hears its recording from the beginning, as the scorer expects.
        let offset = if (index as usize) < bench.sounds.len() {
            0
        } else {
            index as usize * sound.len() / count as usize
        };
        let room = Room {
            session,
            sound,
            offset,
            pushed: 0,
            next_ms: FRAME_MS + index * 37 % FRAME_MS,
            tally: Tally::default(),
            finals_ms: Vec::new(),
            asked: [0; 2],
            lag_ms_max: 0,
            ended: false,
        };
        rooms.insert(RoomId(index), room);
    }
    let process = bench.engine.process_id().map_or_else(String::new, |id| id.to_string());
    let before = [cpu_s(&process), cpu_s("self")];
    let mut office = Office { bench, house, rooms, begin, levels: Vec::new(), dropped: 0 };
    office.live(length_ms);
    let cpu = [cpu_s(&process) - before[0], cpu_s("self") - before[1]];
    office.write_out();
    office.figures(length_ms, cpu, memory_kib(&process))
}

impl Office {
    fn now_ms(&self) -> u64 {
        Mono::now().since(self.begin).as_millis() as u64
    }

    fn live(&mut self, length_ms: u64) {
        let hog = hog_s();
        let stop = Arc::new(AtomicBool::new(false));
        let mut hogs = Vec::new();
        loop {
            let now_ms = self.now_ms();
            if hog.is_some_and(|(from_ms, until_ms)| (from_ms..until_ms).contains(&now_ms)) && hogs.is_empty()
            {
                hogs = (0..HOGS).map(|_| take_the_machine(Arc::clone(&stop))).collect();
            }
            if hog.is_some_and(|(_, until_ms)| now_ms >= until_ms) {
                stop.store(true, Ordering::Relaxed);
            }
            self.speak(now_ms, length_ms);
            self.drain();
            self.submit();
            let over = self.rooms.values().all(|room| room.session.is_over());
            if over || now_ms > length_ms + LAST_WAIT_MS {
                break;
            }
            let next_ms = self.rooms.values().filter(|room| !room.ended).map(|room| room.next_ms).min();
            let wait_ms = next_ms.map_or(50, |next_ms| next_ms.saturating_sub(self.now_ms()).min(50));
            self.receive(Duration::from_millis(wait_ms));
        }
        stop.store(true, Ordering::Relaxed);
    }

    /// Lets every room hear the frames that have been spoken by now.
    fn speak(&mut self, now_ms: u64, length_ms: u64) {
        let now = Mono::now();
        for room in self.rooms.values_mut().filter(|room| !room.ended) {
            while room.next_ms <= now_ms && room.next_ms <= length_ms {
                let until = room.next_ms as usize * RATE / 1_000;
                let at = |index: usize| room.sound[(room.offset + index) % room.sound.len()];
                let frame: Vec<f32> = (room.pushed..until).map(at).collect();
                room.pushed += room.session.push(&frame, now);
                room.next_ms += FRAME_MS;
            }
            if room.next_ms > length_ms {
                room.session.end();
                room.ended = true;
            }
        }
    }

    /// Carries out what the sessions want.
    fn drain(&mut self) {
        let now = Mono::now();
        let at_ms = now.since(self.begin).as_millis() as u64;
        for (id, room) in &mut self.rooms {
            while let Some(output) = room.session.poll(now) {
                match output {
                    Output::Recognise(ask) => {
                        room.asked[usize::from(ask.urgency() == Urgency::Final)] += 1;
                        if let Some(old) = self.house.ask(*id, ask) {
                            room.session.answered(old, Err(Trouble::Dropped), now);
                        }
                    }
                    Output::Cancel(ask) => {
                        if let Some(ticket) = self.house.cancel(*id, ask) {
                            self.bench.engine.cancel(ticket.0);
                        }
                    }
                    Output::Caption(event) => {
                        room.tally.take(at_ms, &event);
                        if let CaptionEvent::Final(_) = event {
                            room.finals_ms.push(at_ms);
                        }
                    }
                    Output::Lag { ms } => room.lag_ms_max = room.lag_ms_max.max(ms),
                    Output::Degraded(_) => {}
                }
            }
        }
        if let Some(level) = self.house.observe(now) {
            self.levels.push((at_ms, level));
            self.rooms.values_mut().for_each(|room| room.session.set_level(level));
        }
    }

    /// Hands over what the engine can take.
    fn submit(&mut self) {
        let now = Mono::now();
        while let Some(next) = self.house.next(now) {
            match next {
                Next::Submit(ticket, request) => {
                    if let Err((error, _)) = self.bench.engine.try_submit(ticket.0, request) {
                        self.answer(ticket, Err(error));
                    }
                }
                Next::Dropped(room, ask) => {
                    self.dropped += 1;
                    if let Some(room) = self.rooms.get_mut(&room) {
                        room.session.answered(ask, Err(Trouble::Dropped), now);
                    }
                }
            }
        }
    }

    fn receive(&mut self, wait: Duration) {
        if let Some((id, answer)) = self.bench.engine.receive(wait) {
            self.answer(Ticket(id), answer);
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Recognition, EngineError>) {
        let now = Mono::now();
        let Some((room, ask)) = self.house.answered(ticket, answer.is_ok(), now) else { return };
        if let Some(room) = self.rooms.get_mut(&room) {
            room.session.answered(ask, answer.map_err(|error| Trouble::from(&error)), now);
        }
    }

    fn write_out(&self) {
        let Some(folder) = text("LIVE_OUT") else { return };
        for (id, room) in &self.rooms {
            let path = Path::new(&folder).join(format!("room{}.json", id.0));
            std::fs::write(path, room.tally.listed().to_string()).expect("LIVE_OUT is a folder");
            let path = Path::new(&folder).join(format!("room{}.screen.json", id.0));
            std::fs::write(path, room.tally.screen().to_string()).expect("LIVE_OUT is a folder");
        }
    }

    fn figures(&self, length_ms: u64, [engine_cpu_s, own_cpu_s]: [f64; 2], engine_kib: u64) -> Value {
        let room = |room: &Room| {
            let mut figures = room.tally.figures(&room.finals_ms);
            figures["asked_partials"] = room.asked[0].into();
            figures["asked_finals"] = room.asked[1].into();
            figures["lag_ms_max"] = room.lag_ms_max.into();
            figures
        };
        let costs = self.house.costs();
        json!({
            "length_ms": length_ms,
            "rooms": self.rooms.values().map(room).collect::<Vec<_>>(),
            "levels": self.levels.iter().map(|(at, level)| json!([at, level])).collect::<Vec<_>>(),
            "dropped_partials": self.dropped,
            "engine_cpu_s": engine_cpu_s, "own_cpu_s": own_cpu_s, "engine_kib": engine_kib,
            "final_cost_per_s": costs.final_per_s, "partial_cost_s": costs.partial_s,
            "rooms_max": costs.rooms_max(),
        })
    }
}

/// When other work takes the machine, milliseconds.
fn hog_s() -> Option<(u64, u64)> {
    let span = text("LIVE_HOG_S")?;
    let (from, until) = span.split_once('-')?;
    Some((from.parse::<u64>().ok()? * 1_000, until.parse::<u64>().ok()? * 1_000))
}

/// Computes for nothing until told to stop, as urgently as the engine.
fn take_the_machine(stop: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        // Only this thread: on Linux a thread has a place of its own.
        let _ = rustix::process::setpriority_process(None, 10);
        let mut count = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            count = std::hint::black_box(count.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        count
    })
}
