//! A meeting that goes on becomes captions: one session a room, no clock, thread, socket or recogniser inside.
//!
//! - **In**: 16 kHz mono samples in order, answers of a recogniser, the time.
//! - **Out**: questions for a recogniser, captions, what is left out under load, by how much captions are behind.
//! - **Never**: reads a clock, changes committed text inside an utterance, changes a final, drops an utterance, keeps more
//!   than a minute of sound.
//!
//! ```text
//! push ─► ears (detector, a minute of sound) ─► utterance: onset … pauses … end
//!                                                 │ every 0.8 s      │ 200 ms pause   │ end
//!                                                 ▼                  ▼                ▼
//! poll ◄─ Recognise ◄────────────────────────── partial           guess ───────────► final
//! answered ─► two partials agree ─► Tentative                         └─ adopted ─► Final, in order, immutable
//! ```
//!
//! The owner's loop: push what came, [`Session::poll`] until it returns nothing, hand every answer to
//! [`Session::answered`], poll again; wake up at [`Session::wake_at`]. With a recogniser that answers at once the captions
//! depend on the sound alone, not on the pieces it came in.

mod agree;
mod caption;
mod ears;
mod ending;
mod finals;
mod settings;
mod timeline;
mod utterance;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use caption::{Ask, AskId, CaptionEvent, Final, Output, Tentative, Trouble, UtteranceId};
pub use settings::{Delays, LiveSettings};

use super::detect::{collapse_loops, is_impossible_speed, is_punctuation};
use super::schedule::{Due, Level, Urgency};
use super::vocabulary::Vocabulary;
use super::window::Window;
use super::{Effort, Language, Recognition, Request};
use crate::audio::vad::Silero;
use crate::clock::Mono;
use ears::{Ears, Frame};
use ending::Ending;
use finals::{Finals, Waiting};
use timeline::Timeline;
use utterance::{Guess, PROBABILITY_ON, SAMPLES_PER_MS, Turn, Utterance};

/// Most sound that may wait to be looked at: 30 s.
const UNHEARD_MAX: u64 = 480_000;
/// Sound kept besides the open utterance: its pre-roll, and the frames that led to it.
const KEPT: u64 = 16_000;
/// Guesses at sound that is older than this help nobody: the room is catching up.
const GUESS_AGE_MAX: Duration = Duration::from_secs(2);
/// Captions behind by less are not worth a word.
const LAG_TOLD_MIN: Duration = Duration::from_secs(3);

/// Characters at the end of a guess that are not shown while somebody speaks; of a short guess all are shown, so that the
/// first word is not late.
const EDGE_CHARS: usize = 2;
const EDGE_BEYOND: usize = 5;

/// Where a session begins; all zero for a new recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// Number in the recording of the first sample that will be pushed.
    pub sample: u64,
    /// Name of the first utterance: one more than the last one told.
    pub utterance: u64,
}

/// Listens to one room.
#[derive(Debug)]
pub struct Session {
    settings: LiveSettings,
    level: Level,
    ears: Ears,
    timeline: Timeline,
    /// Frames that may turn out to be an onset: the last three while nobody speaks.
    silent: VecDeque<Frame>,
    utterance: Option<Utterance>,
    /// Behind the sound of the last utterance.
    taken_until: u64,
    finals: Finals,
    outbox: VecDeque<Output>,
    next_utterance: u64,
    next_ask: u64,
    /// Whole seconds of lag told last.
    lag_told_s: u64,
    ended: bool,
}

impl Session {
    /// Begins to listen; the detector's network may be shared with other rooms.
    pub fn new(net: Arc<Silero>, settings: LiveSettings, start: Start) -> Self {
        Self {
            settings,
            level: Level::Full,
            ears: Ears::new(net, start.sample),
            timeline: Timeline::default(),
            silent: VecDeque::new(),
            utterance: None,
            taken_until: 0,
            finals: Finals::default(),
            outbox: VecDeque::new(),
            next_utterance: start.utterance,
            next_ask: 0,
            lag_told_s: 0,
            ended: false,
        }
    }

    /// Takes the next samples of the recording and returns how many it took; the rest comes later, from the journal.
    ///
    /// Units: 16 kHz mono, full scale ±1. It takes none while [`Session::wants_sound`] is false.
    #[must_use]
    pub fn push(&mut self, samples: &[f32], now: Mono) -> usize {
        let room = if self.wants_sound() { UNHEARD_MAX - self.ears.waiting() } else { 0 };
        let taken = samples.len().min(room as usize);
        self.ears.push(&samples[..taken]);
        self.timeline.heard(self.ears.end(), now);
        taken
    }

    /// Learns that the next samples of the recording do not exist: the microphone lost them.
    pub fn hole(&mut self, samples: u64, now: Mono) {
        self.ears.hole(samples);
        self.timeline.heard(self.ears.end(), now);
    }

    /// Tells whether sound may be pushed now; if not, poll and answer first.
    pub fn wants_sound(&self) -> bool {
        !self.ended && !self.finals.is_full() && self.ears.waiting() < UNHEARD_MAX
    }

    /// Ends the recording: what was said until now becomes final.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.ears.finish();
        }
    }

    /// Tells whether the recording has ended and every utterance has been told.
    pub fn is_over(&self) -> bool {
        let heard = self.ears.waiting() == 0 && self.utterance.is_none();
        self.ended && heard && self.finals.is_empty() && self.outbox.is_empty()
    }

    /// Returns the number in the recording of the sample behind the last one taken.
    pub fn heard_until(&self) -> u64 {
        self.ears.end()
    }

    /// Takes the house's decision on how much is left out.
    pub fn set_level(&mut self, level: Level) {
        if level != self.level {
            self.level = level;
            self.outbox.push_back(Output::Degraded(level));
        }
    }

    /// Takes another list of words, for what is asked from now on.
    pub fn set_vocabulary(&mut self, prompt: Vec<u32>, vocabulary: Arc<Vocabulary>) {
        self.settings.prompt = prompt;
        self.settings.vocabulary = vocabulary;
    }

    /// Takes the answer to a question.
    ///
    /// Range: one that nobody waits for any more is passed over.
    pub fn answered(&mut self, id: AskId, answer: Result<Recognition, Trouble>, now: Mono) {
        if let Some(waiting) = self.finals.asked(id) {
            match answer {
                Ok(recognition) => {
                    let hurry = now >= waiting.due || !self.level.careful_finals();
                    waiting.heard(recognition, hurry);
                }
                Err(trouble) => waiting.failed(trouble, now),
            }
            return;
        }
        let Some(utterance) = &mut self.utterance else { return };
        if let Some((_, end)) = utterance.partial.take_if(|(ask, _)| *ask == id) {
            if let Ok(recognition) = &answer {
                show(utterance, recognition, end, &mut self.outbox);
            }
        } else if utterance.guess.as_ref().is_some_and(|guess| guess.ask == id) {
            guessed(utterance, answer.ok(), &mut self.outbox);
        }
    }

    /// Returns what there is to do next; call it until it returns nothing.
    pub fn poll(&mut self, now: Mono) -> Option<Output> {
        loop {
            if let Some(output) = self.outbox.pop_front() {
                return Some(output);
            }
            if let Some(event) = self.finals.pop(&self.settings) {
                return Some(Output::Caption(event));
            }
            if let Some(ask) = self.ask_final(now) {
                return Some(Output::Recognise(ask));
            }
            if self.finals.is_full() || !self.hear_next(now) {
                return self.lag(now);
            }
        }
    }

    /// Returns when [`Session::poll`] has something to do although nothing was pushed or answered.
    pub fn wake_at(&self) -> Option<Mono> {
        self.finals.wake_at()
    }

    /// Looks at the next frame; tells whether there was one, or something to end.
    fn hear_next(&mut self, now: Mono) -> bool {
        match self.ears.next() {
            Some(frame) => {
                self.hear(&frame, now);
                self.forget();
                true
            }
            None if self.ended && self.utterance.is_some() => {
                self.close(None);
                true
            }
            None => false,
        }
    }

    fn hear(&mut self, frame: &Frame, now: Mono) {
        let Some(utterance) = &mut self.utterance else { return self.wait_for_onset(frame, now) };
        match utterance.hear(frame, endpoint_ms(utterance, &self.settings.delays), &self.settings.delays) {
            Turn::GoesOn => self.guess_partial(now),
            Turn::Resumes => {
                if let Some(guess) = utterance.guess.take() {
                    self.cancel(&guess);
                }
                self.guess_partial(now);
            }
            Turn::Pauses => self.guess_final(),
            Turn::Ends => self.close(None),
            Turn::Cut { at } => self.close(Some(at)),
        }
    }

    /// Two of three frames of speech begin an utterance.
    fn wait_for_onset(&mut self, frame: &Frame, now: Mono) {
        self.silent.push_back(*frame);
        if self.silent.len() > 3 {
            self.silent.pop_front();
        }
        let speaks = |frame: &&Frame| frame.probability >= PROBABILITY_ON;
        if self.silent.iter().filter(speaks).count() < 2 {
            return;
        }
        let Some(onset) = self.silent.iter().position(|frame| speaks(&frame)) else { return };
        let frames: Vec<Frame> = self.silent.drain(..).skip(onset).collect();
        self.utterance = Some(Utterance::begin(self.name(), &frames[0], self.taken_until));
        for frame in &frames {
            self.hear(frame, now);
        }
    }

    /// Asks what was said so far, if it is time to.
    fn guess_partial(&mut self, now: Mono) {
        let Some(every) = self.level.partial_every() else { return };
        let Some(utterance) = &mut self.utterance else { return };
        let end = utterance.end();
        let wait = if utterance.guessed_until == utterance.onset {
            self.settings.delays.first_partial_ms * SAMPLES_PER_MS
        } else {
            every.as_millis() as u64 * SAMPLES_PER_MS
        };
        let age = now.since(self.timeline.time_of(end + utterance.place.shift));
        let is_time = utterance.is_spoken_now() && end >= utterance.guessed_until + wait;
        if utterance.partial.is_some() || !is_time || age > GUESS_AGE_MAX {
            return;
        }
        let (sound, place) = (utterance.start..end, utterance.place);
        let due = self.timeline.time_of(end + place.shift) + every;
        let effort = self.settings.effort((sound.end - sound.start) as usize, 1);
        let id = self.next_ask();
        if let Some(utterance) = &mut self.utterance {
            utterance.partial = Some((id, end));
            utterance.guessed_until = end;
        }
        let request =
            self.request(self.ears.sound(&sound), (self.settings.language, effort), (Urgency::Partial, due));
        let ask = Ask { id, request, span: place.span(&sound), due, speculative: true };
        self.outbox.push_back(Output::Recognise(ask));
    }

    /// Asks for the final text before it is certain that the utterance has ended.
    fn guess_final(&mut self) {
        let Some(utterance) = &self.utterance else { return };
        if !self.level.guesses_in_pauses() || utterance.is_noise() {
            return;
        }
        let (sound, place) = (utterance.sound(), utterance.place);
        let due = self.due(utterance.speech_end() + place.shift);
        let effort = self.settings.effort((sound.end - sound.start) as usize, self.settings.beam);
        let id = self.next_ask();
        let request =
            self.request(self.ears.sound(&sound), (self.settings.language, effort), (Urgency::Final, due));
        let ask = Ask { id, request, span: place.span(&sound), due, speculative: true };
        if let Some(utterance) = &mut self.utterance {
            utterance.guess = Some(Guess { ask: id, sound, answer: None });
        }
        self.outbox.push_back(Output::Recognise(ask));
    }

    /// Ends the open utterance, at a cut through it or where its speech ended.
    fn close(&mut self, cut: Option<u64>) {
        let Some(mut utterance) = self.utterance.take() else { return };
        if let Some((id, _)) = utterance.partial.take() {
            self.outbox.push_back(Output::Cancel(id));
        }
        let sound = match cut {
            Some(at) => {
                let rest = utterance.rest(self.name(), at);
                self.utterance = Some(rest);
                utterance.sound_before(at)
            }
            None => utterance.sound(),
        };
        self.taken_until = sound.end;
        if cut.is_none() && utterance.is_noise() {
            return self.withdraw(&utterance);
        }
        self.await_final(utterance, &sound);
    }

    fn withdraw(&mut self, utterance: &Utterance) {
        if let Some(guess) = &utterance.guess {
            self.cancel(guess);
        }
        if utterance.shown {
            let event = CaptionEvent::Withdrawn { utterance: utterance.id, removed: Vec::new() };
            self.outbox.push_back(Output::Caption(event));
        }
    }

    /// Lets an utterance wait for its text: the guess at it counts if it heard the same sound.
    fn await_final(&mut self, mut utterance: Utterance, sound: &Range<u64>) {
        let place = utterance.place;
        let span = |span: &Range<u64>| place.span(span);
        let window = Window {
            span: span(sound),
            samples: self.ears.sound(sound),
            speech: utterance.speech_in(sound).iter().map(span).collect(),
            speech_probability: utterance.speech_probability(),
            overlaps_previous: utterance.overlaps_previous,
        };
        let speech_end = utterance.speech_end().min(sound.end) + place.shift;
        let times = (self.timeline.time_of(speech_end), self.due(speech_end));
        let beam = if self.level.careful_finals() { self.settings.beam } else { 1 };
        let mut waiting = Waiting::new(utterance.id, window, times, &self.settings, beam);
        match utterance.guess.take() {
            Some(guess) if guess.sound == *sound => match guess.answer {
                Some(recognition) => waiting.heard(recognition, !self.level.careful_finals()),
                None => waiting.asked(guess.ask),
            },
            Some(guess) => self.cancel(&guess),
            None => {}
        }
        self.finals.push(waiting);
    }

    /// Asks for the earliest final that is to be asked.
    fn ask_final(&mut self, now: Mono) -> Option<Ask> {
        let id = AskId(self.next_ask);
        let waiting = self.finals.next_to_ask(now)?;
        waiting.asked(id);
        let (question, due, is_again) = (waiting.question(), waiting.due, waiting.is_again());
        let (samples, span) = (waiting.window.samples.clone(), waiting.window.span);
        self.next_ask += 1;
        let mut request = self.request(samples, question, (Urgency::Final, due));
        if is_again {
            request.prompt.clone_from(&self.settings.prompt);
        }
        Some(Ask { id, request, span, due, speculative: false })
    }

    fn request(
        &self,
        samples: Vec<f32>,
        (language, effort): (Language, Effort),
        (urgency, due): (Urgency, Mono),
    ) -> Request {
        let due = Due::at(urgency, due);
        let context = self.finals.context(self.settings.context_tokens);
        let prompt = [&self.settings.prompt, context].concat();
        Request { samples, language, prompt, effort, due }
    }

    fn cancel(&mut self, guess: &Guess) {
        if guess.answer.is_none() {
            self.outbox.push_back(Output::Cancel(guess.ask));
        }
    }

    fn due(&self, speech_end: u64) -> Mono {
        self.timeline.time_of(speech_end) + Duration::from_millis(self.settings.delays.final_due_ms)
    }

    fn forget(&mut self) {
        let open = self.utterance.as_ref().map_or(u64::MAX, |utterance| utterance.start);
        self.ears.forget(open.min(self.ears.looked_at().saturating_sub(KEPT)));
    }

    /// Says by how much captions are behind, when that changes by a second.
    fn lag(&mut self, now: Mono) -> Option<Output> {
        let behind = self.finals.oldest().map_or(Duration::ZERO, |oldest| now.since(oldest.spoken));
        let seconds = if behind < LAG_TOLD_MIN { 0 } else { behind.as_secs() };
        if seconds == std::mem::replace(&mut self.lag_told_s, seconds) {
            return None;
        }
        Some(Output::Lag { ms: seconds * 1_000 })
    }

    fn name(&mut self) -> UtteranceId {
        self.next_utterance += 1;
        UtteranceId(self.next_utterance - 1)
    }

    fn next_ask(&mut self) -> AskId {
        self.next_ask += 1;
        AskId(self.next_ask - 1)
    }
}

/// Returns the pause that ends an utterance: the guess at its text says whether more is to come.
fn endpoint_ms(utterance: &Utterance, delays: &Delays) -> u64 {
    let answer = utterance.guess.as_ref().and_then(|guess| guess.answer.as_ref());
    match answer.map(|answer| Ending::of(&answer.text())) {
        Some(Ending::Sentence) => delays.endpoint_sentence_ms,
        Some(Ending::Open) => delays.endpoint_open_ms,
        Some(Ending::Plain) | None => delays.endpoint_ms,
    }
}

/// Takes the answer to a guess at the final text; without one the final is asked for when the utterance ends.
fn guessed(utterance: &mut Utterance, answer: Option<Recognition>, outbox: &mut VecDeque<Output>) {
    let end = utterance.guess.as_ref().map_or(utterance.onset, |guess| guess.sound.end);
    match answer {
        Some(recognition) => {
            show(utterance, &recognition, end, outbox);
            if let Some(guess) = &mut utterance.guess {
                guess.answer = Some(recognition);
            }
        }
        None => utterance.guess = None,
    }
}

/// Puts a guess on the screen, unless it cannot be true.
fn show(utterance: &mut Utterance, recognition: &Recognition, end: u64, outbox: &mut VecDeque<Output>) {
    let text = recognition.text();
    let sound = utterance.start..end;
    let speech: u64 = utterance.speech_in(&sound).iter().map(|span| span.end - span.start).sum();
    let speech_ms = speech / SAMPLES_PER_MS;
    let is_doubtful = collapse_loops(&text).is_some() || is_impossible_speed(&text, speech_ms);
    let shown = if utterance.is_spoken_now() { without_edge(&text) } else { text.trim().to_owned() };
    if is_doubtful || !utterance.agreement.hear(&shown) {
        return;
    }
    let span = utterance.place.span(&sound);
    utterance.shown = true;
    outbox.push_back(Output::Caption(CaptionEvent::Tentative(Tentative {
        utterance: utterance.id,
        start_ms: span.start().ms(),
        end_ms: span.end().ms(),
        committed: utterance.agreement.committed().to_owned(),
        tail: utterance.agreement.tail().to_owned(),
    })));
}

/// Leaves out what the next guess is likely to take back: a full stop in the middle of speech, and the last characters,
/// which the model wrote from half of their sound.
fn without_edge(text: &str) -> String {
    let spoken = text.trim().trim_end_matches(is_punctuation);
    let count = spoken.chars().count();
    let shown = if count > EDGE_BEYOND { count - EDGE_CHARS } else { count };
    spoken.chars().take(shown).collect()
}

#[cfg(test)]
mod tests;
