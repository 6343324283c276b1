//! A recording of any length becomes segments: which window next, which result to believe, in the order of time.
//!
//! No clock, thread, file or recogniser inside. The owner pushes sound, takes [`Task`]s to any recogniser, in any
//! order and as many at once as it likes, gives the answers back, and pops outcomes.
//!
//! ```text
//! push ─► windows ─► Task ─► (recogniser) ─► answer ─► suspect? ─no──────────► Outcome ─► pop, in order
//!                      ▲                                  │ yes, within budget
//!                      └── halves, cut at a pause ◄───────┤ first
//!                      └── the whole, with a beam ◄───────┘ second
//! ```

mod settings;

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::assemble::assemble;
use super::attempt::{Attempt, Verdict};
use super::schedule::Due;
use super::transcript::{GapRecord, Removed, Segment};
use super::window::{Heard, Window, WindowBuilder};
use super::{Effort, GapReason, Language, Recognition, Request, settle};
use crate::audio::MediaSpan;
use settings::FITTING_SHORT_MS_MAX;

pub use settings::{Context, LongFormSettings, Preset};

/// Windows held at once; sound beyond it must wait. 24 × 28 s of f32 are 43 MB.
pub const WINDOWS_MAX: usize = 24;
/// Sound that may be recognised again, as a share of the sound recognised so far.
const RERUN_SHARE_MAX: f64 = 0.25;
/// Sound that may be recognised again in any recording, so that short ones can be repaired too, milliseconds.
const RERUN_MS_FREE: u64 = 60_000;
/// Hypotheses of the second attempt at a suspect window.
const RERUN_BEAM: u8 = 5;
/// Softmax temperature of the second attempt where the first already had a beam. Source: Whisper's third step.
const RERUN_TEMPERATURE: f32 = 0.4;
/// Encoder frames of 20 ms in a full window; 1500 is no multiple of 16 and misses the fast kernels. (SPEECH: measured.)
const FULL_CTX: u64 = 1_472;
/// Speech heard in one language after which nobody asks any more which it is, milliseconds.
const LANGUAGE_MS_MIN: u64 = 5_000;

/// Names a window by what it holds, for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowKey(String);

impl WindowKey {
    /// Hashes place, sound and prompt of a window: equal keys mean an equal question.
    fn of(window: &Window, settings: &LongFormSettings) -> Self {
        let mut hash = Sha256::new();
        hash.update(window.span.start().ms().to_le_bytes());
        hash.update([u8::from(window.overlaps_previous), settings.beam]);
        hash.update(format!(
            "{:?}{:?}{:?}{:?}",
            settings.context, settings.language, settings.prompt, window.speech
        ));
        for sample in &window.samples {
            hash.update(sample.to_le_bytes());
        }
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What became of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which window.
    pub key: WindowKey,
    /// Up to where the recording is done, milliseconds.
    pub until_ms: u64,
    /// Two-letter code of the language heard; none if nothing was.
    pub language: Option<String>,
    /// Its text.
    pub segments: Vec<Segment>,
    /// Stretches without text.
    pub gaps: Vec<GapRecord>,
    /// Text not shown.
    pub removed: Vec<Removed>,
    /// How often it was recognised again.
    pub reruns: u32,
    /// Its sound begins with the end of the window before.
    pub overlaps_previous: bool,
}

/// Names a task until it is answered.
pub type TaskId = u64;

/// One call of a recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// To be given back with the answer.
    pub id: TaskId,
    /// The question.
    pub request: Request,
}

/// A recording being recognised.
#[derive(Debug)]
pub struct LongForm {
    settings: LongFormSettings,
    builder: WindowBuilder,
    done_before: HashMap<WindowKey, Outcome>,
    language: Language,
    /// Milliseconds of speech heard in Japanese and in English, while nobody named the language.
    heard_ms: [u64; 2],
    works: BTreeMap<u64, Work>,
    windows_seen: u64,
    ready: VecDeque<Task>,
    owners: HashMap<TaskId, u64>,
    tasks_made: TaskId,
    recognised_ms: u64,
    rerun_ms: u64,
    last_text: String,
}

/// A window on its way.
#[derive(Debug)]
enum Work {
    Running(Box<Running>),
    Done {
        outcome: Box<Outcome>,
        /// Nobody has kept it yet.
        fresh: bool,
    },
}

#[derive(Debug)]
struct Running {
    key: WindowKey,
    window: Window,
    /// Attempts finished, the first one first.
    attempts: Vec<Attempt>,
    /// Parts of the attempt under way, by their place in the window.
    parts: Vec<Part>,
    failed: bool,
    reruns: u32,
    /// It was heard in a language that is not spoken here, and asked again with the likely one.
    told_language: bool,
}

#[derive(Debug)]
struct Part {
    task: TaskId,
    /// Where the part begins inside the window.
    offset_ms: u64,
    answer: Option<Recognition>,
}

impl LongForm {
    /// Begins a recording; windows among `done_before` are not recognised again.
    pub fn new(settings: LongFormSettings, done_before: Vec<Outcome>) -> Self {
        Self {
            builder: WindowBuilder::new(settings.window),
            done_before: done_before.into_iter().map(|outcome| (outcome.key.clone(), outcome)).collect(),
            language: settings.language,
            settings,
            heard_ms: [0; 2],
            works: BTreeMap::new(),
            windows_seen: 0,
            ready: VecDeque::new(),
            owners: HashMap::new(),
            tasks_made: 0,
            recognised_ms: 0,
            rerun_ms: 0,
            last_text: String::new(),
        }
    }

    /// Tells whether more sound may be pushed now; if not, answer tasks and pop outcomes first.
    pub fn wants_sound(&self) -> bool {
        self.works.len() < WINDOWS_MAX
    }

    /// Takes what was heard next.
    pub fn push(&mut self, heard: Heard<'_>) {
        let mut windows = Vec::new();
        self.builder.push(heard, &mut windows);
        self.accept(windows);
    }

    /// Ends the recording.
    pub fn finish(&mut self) {
        let mut windows = Vec::new();
        self.builder.finish(&mut windows);
        self.accept(windows);
    }

    /// Returns a call to make, the earliest window first.
    pub fn next_task(&mut self) -> Option<Task> {
        self.ready.pop_front()
    }

    /// Gives a task back that could not be submitted now; it is the next one again.
    pub fn untake(&mut self, task: Task) {
        self.ready.push_front(task);
    }

    /// Tells whether every window pushed so far has been popped.
    pub fn is_idle(&self) -> bool {
        self.works.is_empty()
    }

    /// Takes the answer to a task; `None` if the recogniser gave up on it for good.
    ///
    /// Range: an unknown id is passed over: its window was settled already.
    pub fn answer(&mut self, id: TaskId, answer: Option<Recognition>) {
        let Some(index) = self.owners.remove(&id) else { return };
        let Some(Work::Running(running)) = self.works.get_mut(&index) else { return };
        match answer {
            Some(recognition) => running.part(id).answer = Some(recognition),
            None => running.failed = true,
        }
        let waiting =
            running.parts.iter().any(|part| part.answer.is_none() && self.owners.contains_key(&part.task));
        if !waiting {
            self.conclude(index);
        }
    }

    /// Returns a window just settled, as it is to be kept: in the order of answers, and once each.
    ///
    /// Windows wait for earlier ones before they are popped; kept from here, none of them is ever recognised twice.
    /// What it repeats of the window before is still in it: that is taken away whenever it is popped.
    pub fn take_fresh(&mut self) -> Option<Outcome> {
        self.works.values_mut().find_map(|work| match work {
            Work::Done { outcome, fresh } => std::mem::take(fresh).then(|| (**outcome).clone()),
            Work::Running(_) => None,
        })
    }

    /// Returns the next outcome in the order of time.
    pub fn pop(&mut self) -> Option<Outcome> {
        let entry = self.works.first_entry()?;
        if !matches!(entry.get(), Work::Done { .. }) {
            return None;
        }
        let Work::Done { mut outcome, .. } = entry.remove() else { return None };
        settle::join_overlap(&self.last_text, outcome.overlaps_previous, &mut outcome.segments);
        if let Some(last) = outcome.segments.last() {
            self.last_text.clone_from(&last.text);
        }
        Some(*outcome)
    }

    fn accept(&mut self, windows: Vec<Window>) {
        for window in windows {
            let index = self.windows_seen;
            self.windows_seen += 1;
            let key = WindowKey::of(&window, &self.settings);
            if let Some(outcome) = self.done_before.remove(&key) {
                self.works.insert(index, Work::Done { outcome: Box::new(outcome), fresh: false });
                continue;
            }
            self.recognised_ms += window.span.len_ms();
            let effort = self.effort(window.span.len_ms(), self.settings.beam, self.settings.context);
            let part = self.submit(index, window.samples.clone(), 0, effort);
            let running = Running {
                key,
                window,
                attempts: vec![],
                parts: vec![part],
                failed: false,
                reruns: 0,
                told_language: false,
            };
            self.works.insert(index, Work::Running(Box::new(running)));
        }
    }

    fn submit(&mut self, index: u64, samples: Vec<f32>, offset_ms: u64, effort: Effort) -> Part {
        let task = self.tasks_made;
        self.tasks_made += 1;
        self.owners.insert(task, index);
        let request = Request {
            samples,
            language: self.language,
            prompt: self.settings.prompt.clone(),
            effort,
            due: Due::BATCH,
        };
        self.ready.push_back(Task { id: task, request });
        Part { task, offset_ms, answer: None }
    }

    fn effort(&self, length_ms: u64, beam: u8, context: Context) -> Effort {
        let frames = length_ms.div_ceil(20);
        let fitting = frames.div_ceil(64) * 64 + 64;
        let full = if frames > FULL_CTX { 1_500 } else { FULL_CTX };
        let audio_ctx = match context {
            Context::FittingShort if length_ms <= FITTING_SHORT_MS_MAX => fitting,
            Context::Fitting => fitting.min(1_500),
            Context::Full | Context::FittingShort => full,
        };
        Effort {
            beam,
            temperature: 0.0,
            audio_ctx: audio_ctx as u16,
            // Dense Japanese needs 8 tokens a second (SPEECH: measured); a loop is stopped there.
            tokens_max: (8 * length_ms / 1000 + 16).min(224) as u16,
        }
    }

    /// Judges the attempt that just ended: believe one, or try again.
    fn conclude(&mut self, index: u64) {
        let Some(Work::Running(mut running)) = self.works.remove(&index) else { return };
        let parts = std::mem::take(&mut running.parts);
        let heard = joined(parts);
        if !running.failed && !running.told_language && is_foreign(&heard.language) {
            running.told_language = true;
            running.parts = vec![self.again(index, running.window.samples.clone(), 0, self.settings.beam)];
            self.works.insert(index, Work::Running(running));
            return;
        }
        if !running.failed {
            running.attempts.push(Attempt::of(&running.window, heard));
        }
        let again = !running.failed && self.next_attempt(index, &mut running);
        let work = match again {
            true => Work::Running(running),
            false => Work::Done { outcome: Box::new(self.outcome(*running)), fresh: true },
        };
        self.works.insert(index, work);
    }

    /// Submits the next attempt if the last one is suspect and the budget allows; tells whether it did.
    fn next_attempt(&mut self, index: u64, running: &mut Running) -> bool {
        let best = Attempt::best(&running.attempts);
        let suspect = best.is_some_and(|attempt| attempt.verdict() == Verdict::Suspect);
        let budget_ms = RERUN_MS_FREE + (self.recognised_ms as f64 * RERUN_SHARE_MAX) as u64;
        let length_ms = running.window.span.len_ms();
        if !suspect || running.reruns == 2 || self.rerun_ms + length_ms > budget_ms {
            return false;
        }
        running.reruns += 1;
        self.rerun_ms += length_ms;
        let halves = if running.reruns == 1 { halves(&running.window) } else { None };
        running.parts = match halves {
            Some(halves) => halves
                .map(|(offset_ms, samples)| self.again(index, samples, offset_ms, self.settings.beam))
                .into(),
            None => {
                running.reruns = 2;
                vec![self.harder(index, running.window.samples.clone())]
            }
        };
        true
    }

    /// Asks again, now in the likely language if nobody named it.
    fn again(&mut self, index: u64, samples: Vec<f32>, offset_ms: u64, beam: u8) -> Part {
        let length_ms = MediaSpan::from_samples(0..samples.len() as u64).len_ms();
        let context = match self.settings.context {
            Context::Fitting => Context::Fitting,
            Context::Full | Context::FittingShort => Context::Full,
        };
        let effort = self.effort(length_ms, beam, context);
        let part = self.submit(index, samples, offset_ms, effort);
        let language = self.likely_language();
        if let Some(task) = self.ready.back_mut() {
            task.request.language = language;
        }
        part
    }

    /// Asks in another way than the first time: with a beam, or if that was tried, with some chance.
    fn harder(&mut self, index: u64, samples: Vec<f32>) -> Part {
        let part = self.again(index, samples, 0, RERUN_BEAM);
        if let Some(task) = self.ready.back_mut().filter(|_| self.settings.beam >= RERUN_BEAM) {
            task.request.effort = Effort { beam: 1, temperature: RERUN_TEMPERATURE, ..task.request.effort };
        }
        part
    }

    fn outcome(&mut self, running: Running) -> Outcome {
        let Running { key, window, attempts, reruns, .. } = running;
        let mut outcome = Outcome {
            key,
            until_ms: window.span.end().ms(),
            language: None,
            segments: vec![],
            gaps: vec![],
            removed: vec![],
            reruns,
            overlaps_previous: window.overlaps_previous,
        };
        match Attempt::best(&attempts) {
            Some(best) => {
                self.learn_language(&best.recognition.language, &window);
                outcome.language = Some(best.recognition.language.clone());
                let drafts = assemble(&window, &best.recognition);
                (outcome.segments, outcome.removed) = settle::sort_out(drafts);
            }
            None => outcome.gaps.push(gap(window.span)),
        }
        outcome
    }

    /// Settles on a language once enough was heard in it: a short window is easily misheard.
    fn learn_language(&mut self, heard: &str, window: &Window) {
        let speech_ms: u64 = window.speech.iter().map(|span| span.len_ms()).sum();
        match heard {
            "ja" => self.heard_ms[0] += speech_ms,
            "en" => self.heard_ms[1] += speech_ms,
            _ => {}
        }
        if self.language == Language::Auto && self.heard_ms.iter().any(|ms| *ms >= LANGUAGE_MS_MIN) {
            self.language = self.likely_language();
        }
    }

    fn likely_language(&self) -> Language {
        match self.language {
            Language::Auto if self.heard_ms[1] > self.heard_ms[0] => Language::En,
            Language::Auto => Language::Ja,
            named @ (Language::Ja | Language::En) => named,
        }
    }
}

/// Tells whether a language is none of those the product is made for.
fn is_foreign(code: &str) -> bool {
    !matches!(code, "ja" | "en" | "")
}

impl Running {
    fn part(&mut self, task: TaskId) -> &mut Part {
        self.parts.iter_mut().find(|part| part.task == task).expect("an owner of a task has its part")
    }
}

fn gap(span: MediaSpan) -> GapRecord {
    let reason = match GapReason::RecognizerFailed {
        GapReason::RecognizerFailed => "recognizer_failed",
    };
    GapRecord { start_ms: span.start().ms(), end_ms: span.end().ms(), reason: reason.into() }
}

/// Puts the answers of all parts on the window's time line.
fn joined(parts: Vec<Part>) -> Recognition {
    let mut whole = Recognition { language: String::new(), pieces: vec![], passes: 0 };
    for part in parts {
        let Some(answer) = part.answer else { continue };
        whole.language = answer.language;
        whole.passes += answer.passes;
        whole.pieces.extend(answer.pieces.into_iter().map(|mut piece| {
            piece.start_ms += part.offset_ms;
            piece.end_ms += part.offset_ms;
            piece
        }));
    }
    whole
}

/// Cuts a window in two in the middle of its longest pause; `None` if it has none.
///
/// Shape: for each half, where it begins inside the window in milliseconds, and its samples.
fn halves(window: &Window) -> Option<[(u64, Vec<f32>); 2]> {
    let longest = window.speech.windows(2).max_by_key(|pair| pair[1].start().ms() - pair[0].end().ms())?;
    let middle_ms = (longest[0].end().ms() + longest[1].start().ms()) / 2 - window.span.start().ms();
    let at = ((middle_ms * 16) as usize).min(window.samples.len());
    let (left, right) = window.samples.split_at(at);
    Some([(0, left.to_vec()), (middle_ms, right.to_vec())])
}

#[cfg(test)]
mod tests;
