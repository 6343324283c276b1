//! Live rooms in real time: the sample meeting is spoken in several rooms at once, from different places on, while a
//! batch transcription runs in the same engine; how long after its end is an utterance text?
//!
//! Environment: ROOMS (3), ROOMS_S (120, how long is spoken), ROOMS_BATCH (1; 0 = nothing runs beside).
//! Latency = moment of the answer − moment the last sample of speech was spoken: the detector's pause is part of it.
#![expect(clippy::disallowed_methods, reason = "a bench reads files, settings and the clock")]

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gijiroku::audio::reader::MonoReader;
use gijiroku::audio::vad::{Silero, Vad, VadEvent, VadSettings};
use gijiroku::clock::Mono;
use gijiroku::speech::engine::{EngineSettings, Handle, Patience};
use gijiroku::speech::{Backend, Due, Effort, Language, Request, Urgency};
use gijiroku::store::models::ModelStore;

/// Samples a second.
const RATE: usize = 16_000;
/// How often a room hears what was spoken meanwhile.
const TICK: Duration = Duration::from_millis(32);
/// An utterance that goes on is closed here.
const FINAL_SAMPLES_MAX: usize = 10 * RATE;
/// Sound taken along on either side of the speech.
const PAD_SAMPLES: usize = RATE / 5;
/// A pause of this length ends an utterance, milliseconds.
const PAUSE_MS: u64 = 400;
/// Windows of the batch transcription that are with the engine at a time, and their length.
const BATCH_WINDOWS: usize = 4;
const BATCH_SAMPLES: usize = 24 * RATE;
/// Ids of the batch's windows begin here.
const BATCH_IDS: u64 = 1 << 32;
/// How long is waited for the last answers.
const LAST_WAIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Final,
    Batch,
}

fn request(sound: &[f32], kind: Kind) -> Request {
    let frames = sound.len().div_ceil(RATE / 50);
    let effort = Effort {
        beam: if kind == Kind::Final { 1 } else { 5 },
        temperature: 0.0,
        audio_ctx: (frames.div_ceil(64) * 64 + 64).min(1_500) as u16,
        tokens_max: (8 * sound.len() / RATE + 16).min(224) as u16,
    };
    let urgency = if kind == Kind::Final { Urgency::Final } else { Urgency::Batch };
    let due = Due { urgency, by_ms: 0 };
    Request { samples: sound.to_vec(), language: Language::Ja, prompt: Vec::new(), effort, due }
}

/// One room: what was spoken so far, and the utterance that is open.
struct Room {
    offset: usize,
    spoken: usize,
    vad: Vad,
    open: Option<usize>,
}

/// An utterance: its sound, and how many samples the room had spoken at the end of its speech.
struct Utterance {
    sound: Vec<f32>,
    end: usize,
}

impl Room {
    /// Speaks until `until` and returns the utterances that are complete.
    fn speak(&mut self, meeting: &[f32], until: usize) -> Vec<Utterance> {
        let at = |index: usize| meeting[(self.offset + index) % meeting.len()];
        let new: Vec<f32> = (self.spoken..until).map(at).collect();
        self.spoken = until.max(self.spoken);
        let mut done = Vec::new();
        for event in self.vad.push(&new).events {
            match event {
                VadEvent::SpeechStart(start) => self.open = Some(start.sample() as usize),
                VadEvent::SpeechEnd(end) => {
                    let end = end.sample() as usize;
                    done.extend(self.open.take().and_then(|start| self.cut(meeting, start, end)));
                }
            }
        }
        while let Some(start) = self.open.filter(|start| self.spoken >= start + FINAL_SAMPLES_MAX) {
            let end = start + FINAL_SAMPLES_MAX;
            done.extend(self.cut(meeting, start, end));
            self.open = Some(end);
        }
        done
    }

    fn cut(&self, meeting: &[f32], start: usize, end: usize) -> Option<Utterance> {
        let from = start.saturating_sub(PAD_SAMPLES);
        let until = (end + PAD_SAMPLES).min(self.spoken);
        let sound = (from..until).map(|index| meeting[(self.offset + index) % meeting.len()]).collect();
        (end > start + RATE / 10).then_some(Utterance { sound, end })
    }
}

/// Everything between the rooms and the engine.
struct Desk {
    engine: Handle,
    begin: Mono,
    waiting: VecDeque<(u64, Request)>,
    /// Moment the speech of an unanswered utterance ended.
    ends: HashMap<u64, Mono>,
    latencies: Vec<f64>,
    lost: usize,
    asked: u64,
    batch_open: usize,
    batch_asked: u64,
    batch_done: usize,
}

impl Desk {
    fn ask(&mut self, utterance: Utterance) {
        let spoken = Duration::from_secs_f64(utterance.end as f64 / RATE as f64);
        self.ends.insert(self.asked, self.begin + spoken);
        self.waiting.push_back((self.asked, request(&utterance.sound, Kind::Final)));
        self.asked += 1;
    }

    /// Hands over what waits; what the engine cannot take now waits on.
    fn submit(&mut self) {
        while let Some((id, request)) = self.waiting.pop_front() {
            if let Err((_, request)) = self.engine.try_submit(id, request) {
                return self.waiting.push_front((id, request));
            }
        }
    }

    fn submit_batch(&mut self, meeting: &[f32]) {
        while self.batch_open < BATCH_WINDOWS {
            let windows = meeting.len() / BATCH_SAMPLES;
            let from = self.batch_asked as usize % windows * BATCH_SAMPLES;
            let request = request(&meeting[from..from + BATCH_SAMPLES], Kind::Batch);
            if self.engine.try_submit(BATCH_IDS + self.batch_asked, request).is_err() {
                return;
            }
            self.batch_asked += 1;
            self.batch_open += 1;
        }
    }

    fn receive(&mut self, patience: Duration) {
        let Some((id, answer)) = self.engine.receive(patience) else { return };
        let now = Mono::now();
        match self.ends.remove(&id) {
            None => {
                self.batch_open -= 1;
                self.batch_done += usize::from(answer.is_ok());
            }
            Some(end) if answer.is_ok() => self.latencies.push(now.since(end).as_secs_f64()),
            Some(_) => self.lost += 1,
        }
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn meeting() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/sample_meeting.ogg");
    let file = std::fs::File::open(path).expect("the sample meeting is in the repository");
    let mut reader = MonoReader::open(Box::new(file)).expect("the sample meeting can be read");
    let mut sound = Vec::new();
    while reader.read(&mut sound).expect("the sample meeting is whole") {}
    sound
}

/// Starts the real engine and waits until it has answered once.
fn engine(store: &ModelStore, sound: &[f32]) -> Handle {
    let model = store.resolve("base").expect("run `make model` first");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let settings = EngineSettings {
        program: env!("CARGO_BIN_EXE_gijiroku").into(),
        arguments: Vec::new(),
        model: model.path,
        sha256: model.sha256,
        backend: Backend::Native,
        threads: cores.min(64) as u16,
        patience: Patience::default(),
    };
    let mut engine = Handle::start(settings, Mono::now);
    engine.try_submit(0, request(&sound[..5 * RATE], Kind::Final)).expect("nothing else was submitted");
    let (_, answer) = engine.receive(LAST_WAIT).expect("the engine answers");
    answer.expect("five seconds of sound are recognised");
    engine
}

/// CPU seconds of a process so far. Source: proc(5), fields 14 and 15 of /proc/PID/stat, ticks of 10 ms.
fn cpu_s(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn main() {
    let (count, seconds) = (setting("ROOMS", 3).max(1), setting("ROOMS_S", 120));
    let with_batch = setting("ROOMS_BATCH", 1) != 0;
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/models/weights");
    let store = ModelStore::open(Path::new(weights)).expect("run `make model` first");
    let net = store.read_vad("silero-v6").expect("run `make model` first");
    let net = Arc::new(Silero::from_safetensors(&net).expect("the published weights are accepted"));
    let sound = meeting();
    let engine = engine(&store, &sound);
    let process = engine.process_id().map_or_else(String::new, |id| id.to_string());
    let before = [cpu_s(&process), cpu_s("self")];
    let settings = VadSettings { pad_ms: 0, silence_ms_min: PAUSE_MS, ..VadSettings::default() };
    let room = |index: usize| Room {
        offset: index * sound.len() / count,
        spoken: 0,
        vad: Vad::new(Arc::clone(&net), settings),
        open: None,
    };
    let mut rooms: Vec<Room> = (0..count).map(room).collect();
    let begin = Mono::now();
    let mut desk = Desk {
        engine,
        begin,
        waiting: VecDeque::new(),
        ends: HashMap::new(),
        latencies: Vec::new(),
        lost: 0,
        asked: 0,
        batch_open: 0,
        batch_asked: 0,
        batch_done: 0,
    };
    live(&mut desk, &mut rooms, &sound, Duration::from_secs(seconds as u64), with_batch);
    let wall_s = Mono::now().since(begin).as_secs_f64();
    let cpu = [cpu_s(&process) - before[0], cpu_s("self") - before[1]];
    tell(&desk, count, wall_s, cpu);
}

/// Speaks in all rooms for `length`, then waits for what is unanswered.
fn live(desk: &mut Desk, rooms: &mut [Room], sound: &[f32], length: Duration, with_batch: bool) {
    let mut next = desk.begin;
    loop {
        let now = Mono::now();
        let spoken = now.since(desk.begin).min(length);
        if now >= next {
            let until = (spoken.as_secs_f64() * RATE as f64) as usize;
            for utterance in rooms.iter_mut().flat_map(|room| room.speak(sound, until)) {
                desk.ask(utterance);
            }
            next = next + TICK;
        }
        desk.submit();
        if with_batch && spoken < length {
            desk.submit_batch(sound);
        }
        desk.receive(next.since(Mono::now()));
        let is_over = spoken >= length && desk.ends.is_empty();
        if is_over || now.since(desk.begin) > length + LAST_WAIT {
            return;
        }
    }
}

fn tell(desk: &Desk, rooms: usize, wall_s: f64, [engine_cpu_s, own_cpu_s]: [f64; 2]) {
    let mut sorted = desk.latencies.clone();
    sorted.sort_by(f64::total_cmp);
    println!(
        "rooms count={rooms} finals={} lost={} p50_s={:.2} p95_s={:.2} max_s={:.2} batch_windows={} wall_s={wall_s:.1} \
         engine_cpu_s={engine_cpu_s:.1} own_cpu_s={own_cpu_s:.1}",
        desk.asked,
        desk.lost + desk.ends.len(),
        percentile(&sorted, 0.5),
        percentile(&sorted, 0.95),
        percentile(&sorted, 1.0),
        desk.batch_done,
    );
}
