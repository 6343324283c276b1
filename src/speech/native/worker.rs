//! One worker: takes windows in, listens to them, steps them together, hands texts out.

use std::ops::Range;
use std::sync::Arc;

use crate::audio::MediaTime;
use crate::speech::model::tokenizer::Specials;
use crate::speech::schedule::{Due, Urgency};
use crate::speech::{Answer, Language, Recognition, RecognizeError, Recognizer, Request};

use super::Shared;
use super::align::{self, Head};
use super::decoder::Work;
use super::encoder::{Heard, Hearing};
use super::kernels::Scratch;
use super::limits;
use super::pieces::pieces;
use super::search::Plan;
use super::session::{self, Outcome, Task, Window};
use super::team::Team;

/// Hypotheses stepped together on one thread: two blocks of rows of the fastest kernels; more make a step no cheaper
/// per row.
const ROWS_MAX: usize = 32;

/// Most windows on their way on one thread: each holds its keys and values, up to 18 MB with base.
const WINDOWS_MAX: usize = 12;

/// Most loud frames of 10 ms a text may leave behind its last timestamp: with fewer it may end, with more it goes on.
///
/// Source: own bench, base, reference recording in windows of up to 28 s: CER 6.6 % with this rule, 10.1 % without.
const LOST_FRAMES_MAX: usize = 150;

/// When a hint was said, in positions of 20 ms of the window before: its last two seconds.
const HINT_POSITIONS: Range<u32> = 1_400..1_500;

/// Start of the random numbers of a sampled request: equal requests get equal answers.
const SEED: u64 = 0x6769_6a69_726f_6b75;

/// A window on its way, and what its result needs.
struct Guest {
    id: u64,
    due: Due,
    rows: usize,
    end_ms: u64,
    stage: Stage,
}

enum Stage {
    /// Samples wait for the encoder, or are inside it.
    Hearing { hearing: Hearing, task: Task },
    /// Text is being written.
    Writing(Box<Window>),
}

/// What came of one window, with what the model itself thought of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The text.
    pub recognition: Recognition,
    /// Every token as written, timestamps included.
    pub tokens: Vec<u32>,
    /// Mean natural logarithm of the tokens' probabilities.
    pub mean_log_prob: f32,
    /// Probability that nobody speaks.
    pub no_speech: f32,
    /// When each text token begins, milliseconds within the request; empty unless asked for in the settings.
    pub begins_ms: Vec<u64>,
}

/// Recognises windows side by side, those of the highest urgency first.
///
/// A window of higher urgency that joins is not kept waiting: less urgent ones stand still between two layers of the
/// encoder or two tokens, and lose nothing.
pub struct Worker {
    shared: Arc<Shared>,
    team: Team,
    works: Vec<Work>,
    guests: Vec<Guest>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, threads: usize) -> Self {
        let team = Team::new(threads);
        let works = (0..team.threads()).map(|_| Work::default()).collect();
        Self { shared, team, works, guests: Vec::new() }
    }

    /// Takes the most urgent windows a little further: one layer of the encoder for one of them, or one token for all.
    ///
    /// Shape: those that have ended, in the order they joined.
    pub fn step(&mut self) -> Vec<(u64, Reading)> {
        let Some(urgency) = self.guests.iter().map(|guest| guest.due.urgency).min() else {
            return Vec::new();
        };
        let hearing =
            |guest: &&mut Guest| guest.due.urgency == urgency && matches!(guest.stage, Stage::Hearing { .. });
        match self.guests.iter_mut().filter(hearing).min_by_key(|guest| guest.due) {
            Some(guest) => guest.hear(&self.shared, &mut self.team),
            None => self.write(urgency),
        }
        let ended: Vec<Guest> = self.guests.extract_if(.., |guest| guest.has_ended()).collect();
        let scratch = self.team.scratch();
        ended.into_iter().filter_map(|guest| guest.leave(&self.shared, scratch)).collect()
    }

    /// Takes every text of one urgency one token further, a share of them on each thread.
    fn write(&mut self, urgency: Urgency) {
        let mut windows: Vec<&mut Window> =
            self.guests.iter_mut().filter_map(|guest| guest.writing(urgency)).collect();
        let Shared { decoder, rules, .. } = &*self.shared;
        session::step_shared(&mut windows, decoder, rules, &mut self.works, &mut self.team);
    }
}

impl Recognizer for Worker {
    fn has_room(&self, request: &Request) -> bool {
        // Less urgent windows stand still meanwhile: they take no room but memory.
        let beside = || self.guests.iter().filter(|guest| guest.due.urgency == request.due.urgency);
        let rows = beside().map(|guest| guest.rows).sum::<usize>() + rows(request);
        let threads = self.team.threads();
        self.guests.is_empty() || (rows <= ROWS_MAX * threads && beside().count() < WINDOWS_MAX * threads)
    }

    fn join(&mut self, id: u64, request: Request) -> Result<(), RecognizeError> {
        let shared = &self.shared;
        limits::check(&request, shared.audio_ctx_max, shared.rules.specials())?;
        let mel = shared.front.frames(&request.samples, 2 * usize::from(request.effort.audio_ctx));
        // Timestamps count positions, two frames each.
        let end = shared.rules.specials().first_timestamp + mel.end_without(LOST_FRAMES_MAX) as u32 / 2;
        let stage = Stage::Hearing { hearing: Hearing::new(mel), task: task(&request, shared, end) };
        let end_ms = MediaTime::from_sample(request.samples.len() as u64).ms();
        self.guests.push(Guest { id, due: request.due, rows: rows(&request), end_ms, stage });
        Ok(())
    }

    fn leave(&mut self, id: u64) -> bool {
        let before = self.guests.len();
        self.guests.retain(|guest| guest.id != id);
        self.guests.len() < before
    }

    fn is_idle(&self) -> bool {
        self.guests.is_empty()
    }

    fn advance(&mut self) -> Vec<Answer> {
        self.step().into_iter().map(|(id, reading)| (id, Ok(reading.recognition))).collect()
    }
}

impl Guest {
    fn has_ended(&self) -> bool {
        matches!(&self.stage, Stage::Writing(window) if window.has_ended())
    }

    /// Returns its text on the way, if it has one and the urgency asked for.
    fn writing(&mut self, urgency: Urgency) -> Option<&mut Window> {
        match &mut self.stage {
            Stage::Writing(window) if self.due.urgency == urgency => Some(window),
            Stage::Writing(_) | Stage::Hearing { .. } => None,
        }
    }

    fn hear(&mut self, shared: &Shared, team: &mut Team) {
        let Stage::Hearing { hearing, task } = &mut self.stage else { return };
        if let Some(heard) = shared.encoder.advance(hearing, team) {
            let window = Window::new(heard, task.clone(), &shared.rules, &shared.decoder);
            self.stage = Stage::Writing(Box::new(window));
        }
    }

    fn leave(self, shared: &Shared, scratch: &mut Scratch) -> Option<(u64, Reading)> {
        match self.stage {
            Stage::Writing(window) => Some((self.id, reading(*window, self.end_ms, shared, scratch))),
            Stage::Hearing { .. } => None,
        }
    }
}

/// Hypotheses a request keeps side by side.
fn rows(request: &Request) -> usize {
    if request.effort.temperature > 0.0 { 1 } else { usize::from(request.effort.beam) }
}

fn task(request: &Request, shared: &Shared, end: u32) -> Task {
    let code = match request.language {
        Language::Ja => Some("ja"),
        Language::En => Some("en"),
        Language::Auto => None,
    };
    let plan = Plan {
        beam: usize::from(request.effort.beam),
        temperature: request.effort.temperature,
        tokens_max: usize::from(request.effort.tokens_max),
        end,
        seed: SEED,
    };
    let language = code.and_then(|code| shared.rules.specials().language(code));
    Task { language, previous: previous(&request.prompt, shared.rules.specials()), plan }
}

/// Gives bare text as what was said in the two seconds before: after text without times the model leaves text out.
///
/// Source: own bench, base, three meetings, a sentence as hint: 13.6 to 18.1 % of characters wrong without times, 6.9 to
/// 7.2 % with them, 7.4 % without a hint.
fn previous(prompt: &[u32], specials: Specials) -> Vec<u32> {
    if prompt.is_empty() || prompt.iter().any(|id| *id >= specials.first_timestamp) {
        return prompt.to_vec();
    }
    let stamp = |position| specials.first_timestamp + position;
    [&[stamp(HINT_POSITIONS.start)], prompt, &[stamp(HINT_POSITIONS.end)]].concat()
}

fn reading(window: Window, end_ms: u64, shared: &Shared, scratch: &mut Scratch) -> Reading {
    let (heard, Outcome { language, text, no_speech }) = window.finish();
    let begins_ms = match &shared.alignment {
        Some(heads) => begins_ms(&heard, language, &text.tokens, end_ms, heads, (shared, scratch)),
        None => Vec::new(),
    };
    let language = shared.rules.specials().language_code(language).unwrap_or("ja").to_owned();
    let recognition = Recognition { language, pieces: pieces(&text, &shared.tokenizer, end_ms), passes: 1 };
    Reading { recognition, mean_log_prob: text.mean_log_prob(), tokens: text.tokens, no_speech, begins_ms }
}

/// Reads the text tokens once more, all at once, and follows the heads that follow the sound.
fn begins_ms(
    heard: &Heard,
    language: u32,
    tokens: &[u32],
    end_ms: u64,
    heads: &[Head],
    (shared, scratch): (&Shared, &mut Scratch),
) -> Vec<u64> {
    let end_of_text = shared.rules.specials().eot;
    let text: Vec<u32> = tokens.iter().copied().filter(|id| *id < end_of_text).collect();
    let (reading, first) = shared.rules.reading(language, &text);
    let positions = end_ms.div_ceil(align::POSITION_MS) as usize;
    let glances = shared.decoder.glances(heard, &reading, heads, positions, scratch);
    let mut begins = align::begins_ms(glances, first);
    begins.truncate(text.len());
    begins.into_iter().map(|begin| begin.min(end_ms)).collect()
}
