//! One room on a clock that stands still while the engine computes: what the rules alone cost, and hours in minutes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gijiroku::clock::Mono;
use gijiroku::speech::live::{Ask, CaptionEvent, Output, Session, Start, Trouble};
use gijiroku::speech::{Recognition, Urgency};
use serde_json::{Value, json};

use crate::tally::Tally;
use crate::{Bench, RATE, memory_kib, number, text};

/// Samples pushed at a time: 100 ms.
const FRAME: usize = RATE / 10;
/// Of the answers known already, every this many is computed afresh all the same, so that the engine lives those hours too.
const AFRESH_EVERY: u64 = 40;
/// Most answers remembered.
const REMEMBERED_MAX: usize = 4_096;

struct Ideal {
    bench: Bench,
    session: Session,
    tally: Tally,
    finals_ms: Vec<u64>,
    asked: u64,
    computed: u64,
    /// Answers by the sound, the hint and how hard it was tried; empty where every question is computed.
    known: Option<HashMap<u64, Recognition>>,
}

impl Ideal {
    fn new(bench: Bench, remembers: bool) -> Self {
        let session = Session::new(Arc::clone(&bench.net), bench.settings(), Start::default());
        Self {
            bench,
            session,
            tally: Tally::default(),
            finals_ms: Vec::new(),
            asked: 0,
            computed: 0,
            known: remembers.then(HashMap::new),
        }
    }

    fn push(&mut self, samples: &[f32], now_ms: u64) {
        let now = Mono::from_ms(now_ms);
        assert_eq!(self.session.push(samples, now), samples.len(), "answers are at once: nothing waits");
        self.drain(now_ms);
    }

    fn drain(&mut self, now_ms: u64) {
        let now = Mono::from_ms(now_ms);
        while let Some(output) = self.session.poll(now) {
            match output {
                Output::Recognise(ask) => {
                    let answer = self.answer(&ask);
                    self.session.answered(ask.id, answer, now);
                }
                Output::Caption(event) => {
                    self.tally.take(now_ms, &event);
                    if let CaptionEvent::Final(_) = event {
                        self.finals_ms.push(now_ms);
                    }
                }
                Output::Cancel(_) | Output::Lag { .. } | Output::Degraded(_) => {}
            }
        }
    }

    fn answer(&mut self, ask: &Ask) -> Result<Recognition, Trouble> {
        self.asked += 1;
        let key = key(ask);
        let known = self.known.as_ref().and_then(|known| known.get(&key)).cloned();
        if let Some(known) = known.filter(|_| !self.asked.is_multiple_of(AFRESH_EVERY)) {
            return Ok(known);
        }
        self.computed += 1;
        let submitted = self.bench.engine.try_submit(self.asked, ask.request.clone());
        submitted.map_err(|(error, _)| Trouble::from(&error))?;
        let (_, answer) = self.bench.engine.receive(Duration::from_secs(120)).ok_or(Trouble::Away)?;
        let answer = answer.map_err(|error| Trouble::from(&error))?;
        if let Some(known) = self.known.as_mut().filter(|known| known.len() < REMEMBERED_MAX) {
            known.insert(key, answer.clone());
        }
        Ok(answer)
    }
}

fn key(ask: &Ask) -> u64 {
    let mut hasher = DefaultHasher::new();
    ask.request.samples.iter().for_each(|sample| sample.to_bits().hash(&mut hasher));
    (&ask.request.prompt, ask.request.effort.beam, ask.urgency() == Urgency::Final).hash(&mut hasher);
    hasher.finish()
}

/// Replays the first recording once.
pub fn once(bench: Bench) -> Value {
    let sound = bench.sounds[0].clone();
    let mut ideal = Ideal::new(bench, false);
    let mut now_ms = 0;
    for frame in sound.chunks(FRAME) {
        now_ms += frame.len() as u64 / 16;
        ideal.push(frame, now_ms);
    }
    ideal.session.end();
    ideal.drain(now_ms);
    if let Some(folder) = text("LIVE_OUT") {
        let path = Path::new(&folder).join("room0.json");
        std::fs::write(path, ideal.tally.listed().to_string()).expect("LIVE_OUT is a folder");
    }
    json!({"rooms": [ideal.tally.figures(&ideal.finals_ms)], "asked": ideal.asked})
}

/// Replays the first recording over and over, with a pause between, and holds every round against the second.
pub fn hours(bench: Bench) -> Value {
    let mut sound = bench.sounds[0].clone();
    // Whole frames of the detector, so that every round looks the same to it.
    let round = (sound.len() + 2 * RATE).next_multiple_of(512);
    sound.resize(round, 0.0);
    let round_ms = round as u64 / 16;
    let rounds = (number("LIVE_HOURS", 8) * 3_600_000).div_ceil(round_ms);
    let process = bench.engine.process_id().map_or_else(String::new, |id| id.to_string());
    let mut ideal = Ideal::new(bench, true);
    let (mut reference, mut drift_ms_max, mut unmatched, mut finals) = (Vec::new(), 0_u64, 0, 0);
    let mut memory = Vec::new();
    for index in 0..rounds {
        let begin_ms = index * round_ms;
        for (frame, count) in sound.chunks(FRAME).zip(1..) {
            ideal.push(frame, begin_ms + count * 100);
        }
        let starts: Vec<u64> =
            ideal.tally.finals().iter().map(|told| told.start_ms.saturating_sub(begin_ms)).collect();
        finals += starts.len();
        // The first round begins with a detector that has heard nothing.
        match index {
            0 => {}
            1 => reference = starts,
            _ => {
                for start in starts {
                    let distance =
                        reference.iter().map(|known| known.abs_diff(start)).min().unwrap_or(u64::MAX);
                    if distance > 1_000 { unmatched += 1 } else { drift_ms_max = drift_ms_max.max(distance) }
                }
            }
        }
        (ideal.tally, ideal.finals_ms) = (Tally::default(), Vec::new());
        memory.push(json!([(begin_ms + round_ms) / 1_000, memory_kib("self"), memory_kib(&process)]));
    }
    json!({
        "hours": (rounds * round_ms) as f64 / 3.6e6, "rounds": rounds, "finals": finals,
        "drift_ms_max": drift_ms_max, "unmatched": unmatched,
        "asked": ideal.asked, "computed": ideal.computed, "memory_s_own_engine_kib": memory,
    })
}
