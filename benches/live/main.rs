//! Live captions, measured: meetings are replayed into sessions that share one engine, and what screens would show is
//! timed. Prints one line of JSON; writes what each room was told for the scorer.
//!
//! `LIVE_MODE=real` (default): in real time, in frames of 100 ms, with the house's scheduler and the engine child.
//! `LIVE_MODE=ideal`: the clock stands still while the engine computes: what the rules alone cost.
//! `LIVE_MODE=hours`: as ideal, a meeting over and over; sound that was recognised before gets the same answer again.
//! `LIVE_MODE=variations`: writes the first recording in worse rooms.
//!
//! Environment: LIVE_AUDIO (paths, `:` between), LIVE_ROOMS (1), LIVE_S (0 = as long as the first recording),
//! LIVE_OUT (folder), LIVE_ENGINE (native, whisper), LIVE_HOG_S (`from-until`: other work takes the machine meanwhile),
//! LIVE_HOURS (8).
#![expect(clippy::disallowed_methods, reason = "a bench reads files, settings and the clock")]

mod house;
mod ideal;
mod tally;
mod variations;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gijiroku::audio::reader::MonoReader;
use gijiroku::audio::vad::Silero;
use gijiroku::clock::Mono;
use gijiroku::speech::engine::{EngineSettings, Handle, Patience};
use gijiroku::speech::live::LiveSettings;
use gijiroku::speech::{Backend, Due, Effort, Language, Request};
use gijiroku::store::models::ModelStore;

/// Samples a second.
pub const RATE: usize = 16_000;

/// What every measurement needs.
pub struct Bench {
    /// The detector's network.
    pub net: Arc<Silero>,
    /// The engine that all rooms share.
    pub engine: Handle,
    /// Which recogniser it runs.
    pub backend: Backend,
    /// Its threads.
    pub threads: u16,
    /// The recordings, 16 kHz mono.
    pub sounds: Vec<Vec<f32>>,
}

impl Bench {
    /// Returns how rooms are listened to; LIVE_BEAM, LIVE_CONTEXT and LIVE_ENDPOINT_MS change what is measured against the defaults.
    pub fn settings(&self) -> LiveSettings {
        let mut settings = LiveSettings::of(self.backend, Language::Ja);
        settings.beam = number("LIVE_BEAM", settings.beam.into()) as u8;
        settings.context_tokens = number("LIVE_CONTEXT", settings.context_tokens as u64) as usize;
        settings.delays.endpoint_ms = number("LIVE_ENDPOINT_MS", settings.delays.endpoint_ms);
        settings.delays.endpoint_sentence_ms =
            number("LIVE_SENTENCE_MS", settings.delays.endpoint_sentence_ms);
        settings.delays.endpoint_open_ms = number("LIVE_OPEN_MS", settings.delays.endpoint_open_ms);
        settings
    }
}

/// Returns a setting of the environment.
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns a number of the environment.
pub fn number(name: &str, default: u64) -> u64 {
    text(name).and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Resident memory of a process, KiB. Source: proc(5).
pub fn memory_kib(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// CPU seconds of a process so far. Source: proc(5), fields 14 and 15 of /proc/PID/stat, ticks of 10 ms.
pub fn cpu_s(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn sound_of(path: &str) -> Vec<f32> {
    let file = std::fs::File::open(path).expect("LIVE_AUDIO names recordings");
    let mut reader = MonoReader::open(Box::new(file)).expect("the recording can be read");
    let mut sound = Vec::new();
    while reader.read(&mut sound).expect("the recording is whole") {}
    sound
}

/// Starts the real engine and waits until it has answered once.
fn engine(store: &ModelStore, backend: Backend, threads: u16) -> Handle {
    let model = store.resolve("base").expect("run `make model` first");
    let settings = EngineSettings {
        program: env!("CARGO_BIN_EXE_gijiroku").into(),
        arguments: Vec::new(),
        model: model.path,
        sha256: model.sha256,
        backend,
        threads,
        patience: Patience::default(),
    };
    let mut engine = Handle::start(settings, Mono::now);
    let effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 320, tokens_max: 8 };
    let samples = vec![0.0; 5 * RATE];
    let request = Request { samples, language: Language::Ja, prompt: Vec::new(), effort, due: Due::BATCH };
    engine.try_submit(u64::MAX, request).expect("nothing else was submitted");
    engine
        .receive(Duration::from_secs(120))
        .expect("the engine answers")
        .1
        .expect("silence can be recognised");
    engine
}

fn main() {
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/models/weights");
    let store = ModelStore::open(Path::new(weights)).expect("run `make model` first");
    let net = store.read_vad("silero-v6").expect("run `make model` first");
    let net = Arc::new(Silero::from_safetensors(&net).expect("the published weights are accepted"));
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/sample_meeting.ogg");
    let paths = text("LIVE_AUDIO").unwrap_or_else(|| sample.to_owned());
    let sounds: Vec<Vec<f32>> = paths.split(':').map(sound_of).collect();
    let backend = match text("LIVE_ENGINE").as_deref() {
        Some("whisper") => Backend::Whisper,
        _ => Backend::Native,
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(64) as u16;
    let engine = engine(&store, backend, threads);
    let bench = Bench { net, engine, backend, threads, sounds };
    let told = match text("LIVE_MODE").as_deref() {
        Some("ideal") => ideal::once(bench),
        Some("hours") => ideal::hours(bench),
        Some("variations") => variations::write(bench),
        _ => house::real(bench),
    };
    println!("{told}");
}
