//! The whole batch pipeline, top to bottom: a recording goes in, outcomes and at the end a transcript come out.
//!
//! ```text
//!        ┌──────► ear: whose voice is it? ──► speakers, at the end
//! reader ─► vad ─► long form ─► engine (child process)
//!                      ├─► window settled, in any order ─► keep (durable)
//!                      └─► outcome, in order ─► progress
//! ```
//!
//! After a sudden end nothing is asked twice but windows in flight and those whose answer was not yet kept: one is
//! kept before the next answer is taken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::speakers::Ear;
use crate::audio::decode::DecodeError;
use crate::audio::reader::{AudioReport, MonoReader};
use crate::audio::vad::{Heard, Vad, VadEvent};
use crate::audio::{MediaSpan, MediaTime};
use crate::speech::diarize::Diarization;
use crate::speech::engine::{EngineError, Handle, Health};
use crate::speech::longform::{LongForm, Outcome};
use crate::speech::transcript::{AudioNote, Transcript};
use crate::speech::vocabulary::Vocabulary;
use crate::speech::window;
use crate::store::StoreError;

/// How often the wish to stop is looked at while nothing else happens.
const STOP_POLL: Duration = Duration::from_millis(100);

/// What a transcription needs.
pub struct Job<'a> {
    /// The recording.
    pub reader: MonoReader,
    /// The speech detector, at its beginning.
    pub vad: Vad,
    /// The long form, at its beginning, with what was done before.
    pub long_form: LongForm,
    /// Whoever listens for voices.
    pub ear: Ear,
    /// The recogniser.
    pub engine: &'a mut Handle,
    /// Words that are always written otherwise.
    pub vocabulary: &'a Vocabulary,
    /// Name of the model, for the transcript.
    pub model: String,
    /// Set to stop soon; what is settled by then has been kept.
    pub stop: &'a AtomicBool,
    /// Set while nothing new is to be asked: somebody more urgent needs all of the engine.
    pub waits: &'a AtomicBool,
}

/// How far a transcription has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Everything before this is settled.
    pub settled: MediaTime,
    /// Length of the recording, as far as it is known.
    pub expected: Option<MediaTime>,
}

/// Why a transcription ended without a transcript. Outcomes that were kept stay kept.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// Nothing could be read, or reading broke off: see the cause.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An outcome could not be kept: make room, then resume.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recogniser does not work at all: check model and memory, then resume.
    #[error("the recogniser does not work: {0}")]
    Engine(String),
    /// The caller asked to stop: resume when it suits.
    #[error("stopped before the end")]
    Stopped,
}

/// What a whole recording gave.
#[derive(Debug)]
pub struct Transcribed {
    /// What was said.
    pub transcript: Transcript,
    /// Who spoke when; empty if nobody listened for it, or it could not be told.
    pub speakers: Diarization,
}

/// Transcribes a recording; each window newly settled is handed to `keep` before it counts, in the order of answers,
/// and `progress` is told after.
///
/// Errors: see [`TranscribeError`].
pub fn transcribe(
    job: Job<'_>,
    keep: &mut dyn FnMut(&Outcome) -> Result<(), StoreError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Transcribed, TranscribeError> {
    let Job { mut reader, mut vad, mut long_form, mut ear, engine, vocabulary, model, stop, waits } = job;
    let mut desk = Desk { engine, stop, waits };
    let mut ears = Ears::default();
    let mut done = Done { outcomes: Vec::new(), expected: reader.expected(), keep, progress };
    let mut samples = Vec::new();
    let mut more = true;
    while more {
        samples.clear();
        more = reader.read_beside(&mut samples, &mut |block| ear.hear_block(block))?;
        let heard = vad.push(&samples);
        ear.hear(&samples, &heard.probabilities);
        ears.hear(&mut long_form, &samples, heard);
        exchange(&mut long_form, &mut desk, &mut done, Duration::ZERO)?;
        while !long_form.wants_sound() {
            exchange(&mut long_form, &mut desk, &mut done, STOP_POLL)?;
        }
    }
    let heard = vad.finish();
    let last_probabilities = heard.probabilities.clone();
    ears.hear(&mut long_form, &[], heard);
    long_form.finish();
    while !long_form.is_idle() {
        exchange(&mut long_form, &mut desk, &mut done, STOP_POLL)?;
    }
    let mut transcript = transcript(model, done.outcomes, vocabulary, &reader.report());
    let speakers = ear.finish(&last_probabilities, &mut transcript);
    Ok(Transcribed { transcript, speakers })
}

/// Turns what the detector says into what the long form wants to hear.
#[derive(Default)]
struct Ears {
    open_since: Option<MediaTime>,
}

impl Ears {
    fn hear(&mut self, long_form: &mut LongForm, samples: &[f32], heard: Heard) {
        let mut spans = Vec::new();
        for event in heard.events {
            match event {
                VadEvent::SpeechStart(start) => self.open_since = Some(start),
                VadEvent::SpeechEnd(end) => {
                    spans.extend(self.open_since.take().map(|start| MediaSpan::new(start, end)));
                }
            }
        }
        let probabilities = &heard.probabilities;
        long_form.push(window::Heard { samples, probabilities, spans: &spans, open_since: self.open_since });
    }
}

/// Where windows are asked, and what others want of it.
struct Desk<'a> {
    engine: &'a mut Handle,
    stop: &'a AtomicBool,
    waits: &'a AtomicBool,
}

/// What is settled so far, and who is told.
struct Done<'a> {
    outcomes: Vec<Outcome>,
    expected: Option<MediaTime>,
    keep: &'a mut dyn FnMut(&Outcome) -> Result<(), StoreError>,
    progress: &'a mut dyn FnMut(Progress),
}

/// Gives the engine what it can take, takes the answers that come within `patience`, and keeps what is settled.
fn exchange(
    long_form: &mut LongForm,
    desk: &mut Desk<'_>,
    done: &mut Done<'_>,
    patience: Duration,
) -> Result<(), TranscribeError> {
    if desk.stop.load(Ordering::Relaxed) {
        return Err(TranscribeError::Stopped);
    }
    submit(long_form, desk)?;
    let mut patience = patience;
    while let Some((id, answer)) = desk.engine.receive(patience) {
        match answer {
            Ok(recognition) => long_form.answer(id, Some(recognition)),
            Err(EngineError::Refused(_) | EngineError::Poisoned { .. }) => long_form.answer(id, None),
            Err(error @ (EngineError::Busy | EngineError::Over { .. })) => {
                return Err(TranscribeError::Engine(error.to_string()));
            }
        }
        while let Some(outcome) = long_form.take_fresh() {
            (done.keep)(&outcome)?;
        }
        submit(long_form, desk)?;
        patience = Duration::ZERO;
    }
    while let Some(outcome) = long_form.pop() {
        done.take(outcome);
    }
    match desk.engine.health() {
        Health::Starting | Health::Up => Ok(()),
        Health::Degraded { cause } | Health::Over { cause } => Err(TranscribeError::Engine(cause)),
    }
}

fn submit(long_form: &mut LongForm, desk: &mut Desk<'_>) -> Result<(), TranscribeError> {
    let engine = &mut *desk.engine;
    while engine.unanswered() < engine.capacity() && !desk.waits.load(Ordering::Relaxed) {
        let Some(task) = long_form.next_task() else { return Ok(()) };
        if let Err((error, _)) = engine.try_submit(task.id, task.request) {
            return Err(TranscribeError::Engine(error.to_string()));
        }
    }
    Ok(())
}

impl Done<'_> {
    fn take(&mut self, outcome: Outcome) {
        let settled = MediaTime::from_ms(outcome.until_ms);
        self.outcomes.push(outcome);
        (self.progress)(Progress { settled, expected: self.expected });
    }
}

fn transcript(
    model: String,
    outcomes: Vec<Outcome>,
    vocabulary: &Vocabulary,
    report: &AudioReport,
) -> Transcript {
    let language = outcomes.iter().find_map(|outcome| outcome.language.clone());
    let mut transcript = Transcript {
        language,
        duration_ms: report.duration.ms(),
        model,
        audio: note(report),
        ..Transcript::default()
    };
    for outcome in outcomes {
        transcript.segments.extend(outcome.segments);
        transcript.gaps.extend(outcome.gaps);
        transcript.removed.extend(outcome.removed);
    }
    for segment in &mut transcript.segments {
        vocabulary.correct(segment);
    }
    transcript.segments.retain(|segment| !segment.text.is_empty());
    transcript
}

/// Says what was wrong with the sound, for a person; nothing if nothing was.
fn note(report: &AudioReport) -> Option<AudioNote> {
    let (missing_ms, damaged_packets) = (report.missing_ms, report.damaged_packets);
    if missing_ms == 0 && damaged_packets == 0 {
        return None;
    }
    let mut note = String::new();
    if missing_ms > 0 {
        note += &format!("録音の終わりの約 {} 秒がファイルにありません。", missing_ms.div_ceil(1000));
    }
    if damaged_packets > 0 {
        note += &format!("壊れていた {damaged_packets} か所は無音として扱いました。");
    }
    note += "残りの音声はすべて認識しました。";
    Some(AudioNote { damaged_packets, missing_ms, note })
}
