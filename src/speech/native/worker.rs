//! One worker: takes windows in, steps them together, hands texts out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::audio::MediaTime;
use crate::speech::{Language, Recognition, RecognizeError, Recognizer, Request};

use super::Shared;
use super::align::{self, Head};
use super::decoder::Work;
use super::encoder::Heard;
use super::kernels::Scratch;
use super::limits;
use super::pieces::pieces;
use super::search::Plan;
use super::session::{self, Outcome, Task, Window};
use super::team::Team;

/// Most windows stepped together by [`Worker::recognize_batch`]: more no longer makes a step cheaper per window.
const WINDOWS_MAX: usize = 8;

/// Most loud frames of 10 ms a text may leave behind its last timestamp: with fewer it may end, with more it goes on.
///
/// Source: own bench, base, reference recording in windows of up to 28 s: CER 6.6 % with this rule, 10.1 % without.
const LOST_FRAMES_MAX: usize = 150;

/// Start of the random numbers of a sampled request: equal requests get equal answers.
const SEED: u64 = 0x6769_6a69_726f_6b75;

/// A window on its way, and what its result needs.
struct Guest {
    ticket: u64,
    window: Window,
    end_ms: u64,
    passes: u32,
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

/// Recognises requests, alone or several together.
///
/// State: windows [join](Worker::join), are taken on by each [step](Worker::step), and leave when they have ended.
/// Nothing else is kept from one request to the next.
pub struct Worker {
    shared: Arc<Shared>,
    team: Team,
    works: Vec<Work>,
    guests: Vec<Guest>,
    cancel: Arc<AtomicBool>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, threads: usize) -> Self {
        let team = Team::new(threads);
        let works = (0..team.threads()).map(|_| Work::default()).collect();
        Self { shared, team, works, guests: Vec::new(), cancel: Arc::new(AtomicBool::new(false)) }
    }

    /// Returns the flag that ends all requests of this worker early once set; whoever sets it also clears it.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancel)
    }

    /// Returns how many windows are on their way.
    pub fn joined(&self) -> usize {
        self.guests.len()
    }

    /// Listens to a request and lets its window join; `ticket` names it when it leaves.
    ///
    /// Blocks for one run of the encoder. Errors: see [`RecognizeError`]; other windows are not touched.
    pub fn join(&mut self, ticket: u64, request: &Request) -> Result<(), RecognizeError> {
        let shared = Arc::clone(&self.shared);
        limits::check(request, shared.audio_ctx_max, shared.rules.specials())?;
        let mel = shared.front.frames(&request.samples, 2 * usize::from(request.effort.audio_ctx));
        let heard = shared.encoder.hear(&mel, &mut self.team, &self.cancel);
        let heard = heard.map_err(|_| RecognizeError::Cancelled)?;
        // Timestamps count positions, two frames each.
        let end = shared.rules.specials().first_timestamp + mel.end_without(LOST_FRAMES_MAX) as u32 / 2;
        let window = Window::new(heard, task(request, &shared, end), &shared.rules, &shared.decoder);
        let end_ms = MediaTime::from_sample(request.samples.len() as u64).ms();
        self.guests.push(Guest { ticket, window, end_ms, passes: 1 });
        Ok(())
    }

    /// Drops one window without a result.
    pub fn leave(&mut self, ticket: u64) {
        self.guests.retain(|guest| guest.ticket != ticket);
    }

    /// Takes every window one token further and returns those that have ended, in the order they joined.
    ///
    /// Errors: after a set [cancel flag](Worker::cancel_flag) every window leaves with [`RecognizeError::Cancelled`].
    pub fn step(&mut self) -> Vec<(u64, Result<Reading, RecognizeError>)> {
        if self.cancel.load(Ordering::Relaxed) {
            let cancelled = |guest: Guest| (guest.ticket, Err(RecognizeError::Cancelled));
            return self.guests.drain(..).map(cancelled).collect();
        }
        let share = self.guests.len().div_ceil(self.team.threads()).max(1);
        let shared = &self.shared;
        let parts = self.guests.chunks_mut(share).zip(&mut self.works);
        self.team.share(parts, |(guests, work), scratch| {
            let mut windows: Vec<&mut Window> = guests.iter_mut().map(|guest| &mut guest.window).collect();
            session::step(&mut windows, &shared.decoder, &shared.rules, work, scratch);
        });
        let ended: Vec<Guest> = self.guests.extract_if(.., |guest| guest.window.has_ended()).collect();
        let scratch = self.team.scratch();
        ended.into_iter().map(|guest| (guest.ticket, Ok(reading(guest, shared, scratch)))).collect()
    }

    /// Reads several requests, up to 8 at a time side by side; one result per request, in their order.
    ///
    /// Range: each result is the same as if its request had come alone.
    pub fn read_batch(&mut self, requests: &[Request]) -> Vec<Result<Reading, RecognizeError>> {
        let mut results: Vec<_> = requests.iter().map(|_| Err(RecognizeError::Cancelled)).collect();
        let mut waiting = requests.iter().enumerate();
        loop {
            while self.joined() < WINDOWS_MAX {
                let Some((index, request)) = waiting.next() else { break };
                if let Err(error) = self.join(index as u64, request) {
                    results[index] = Err(error);
                }
            }
            if self.joined() == 0 {
                return results;
            }
            for (ticket, result) in self.step() {
                results[ticket as usize] = result;
            }
        }
    }

    /// Recognises several requests; see [`Worker::read_batch`].
    pub fn recognize_batch(&mut self, requests: &[Request]) -> Vec<Result<Recognition, RecognizeError>> {
        let readings = self.read_batch(requests).into_iter();
        readings.map(|reading| reading.map(|reading| reading.recognition)).collect()
    }
}

impl Recognizer for Worker {
    fn recognize(&mut self, request: &Request) -> Result<Recognition, RecognizeError> {
        let mut results = self.recognize_batch(std::slice::from_ref(request));
        results.pop().expect("one request gives one result")
    }
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
    Task { language, previous: request.prompt.clone(), plan }
}

fn reading(guest: Guest, shared: &Shared, scratch: &mut Scratch) -> Reading {
    let Guest { window, end_ms, passes, .. } = guest;
    let (heard, Outcome { language, text, no_speech }) = window.finish();
    let begins_ms = match &shared.alignment {
        Some(heads) => begins_ms(&heard, language, &text.tokens, end_ms, heads, (shared, scratch)),
        None => Vec::new(),
    };
    let language = shared.rules.specials().language_code(language).unwrap_or("ja").to_owned();
    let recognition = Recognition { language, pieces: pieces(&text, &shared.tokenizer, end_ms), passes };
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
