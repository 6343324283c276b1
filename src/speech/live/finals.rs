//! Utterances that are over and wait for their text: judged, tried once more if suspect, told in order.

use std::collections::VecDeque;
use std::time::Duration;

use super::caption::{AskId, CaptionEvent, Final, Trouble, UtteranceId};
use super::settings::LiveSettings;
use crate::clock::Mono;
use crate::speech::assemble::assemble;
use crate::speech::attempt::{Attempt, Verdict};
use crate::speech::transcript::{GapRecord, Removed, Segment};
use crate::speech::window::Window;
use crate::speech::{Effort, Language, Recognition, settle};

/// Utterances that may wait for their text: 32 × 12 s of f32 are 25 MB a room.
pub const WAITING_MAX: usize = 32;
/// How often a recogniser may fail on an utterance.
const FAILURES_MAX: u32 = 2;
/// Hypotheses of the second attempt, where the first was greedy.
const AGAIN_BEAM: u8 = 5;
/// Softmax temperature of the second attempt, where the first had a beam. Source: Whisper's third step.
const AGAIN_TEMPERATURE: f32 = 0.4;
/// Before a question that nobody took is asked again.
const DROPPED_WAIT: Duration = Duration::from_millis(100);
/// Before an engine that does not work is asked again.
const AWAY_WAIT: Duration = Duration::from_secs(1);

/// An utterance that waits for its text.
#[derive(Debug)]
pub struct Waiting {
    /// Which utterance.
    pub id: UtteranceId,
    /// Its sound.
    pub window: Window,
    /// When its speech ended.
    pub spoken: Mono,
    /// By when its text is due.
    pub due: Mono,
    /// How hard the next question tries.
    effort: Effort,
    language: Language,
    state: State,
    attempts: Vec<Attempt>,
    failures: u32,
}

#[derive(Debug)]
enum State {
    /// To be asked, but not before this time.
    Ask { not_before: Option<Mono> },
    /// Asked.
    Asked(AskId),
    /// Settled.
    Settled(Box<Settled>),
}

/// What an utterance came to.
#[derive(Debug)]
struct Settled {
    segments: Vec<Segment>,
    removed: Vec<Removed>,
    gap: Option<GapRecord>,
    /// The text as the model wrote it; none where there is reason to doubt it.
    clean: Vec<u32>,
}

impl Waiting {
    /// Begins with a question under way, or with none.
    pub fn new(
        id: UtteranceId,
        window: Window,
        (spoken, due): (Mono, Mono),
        settings: &LiveSettings,
        beam: u8,
    ) -> Self {
        let effort = settings.effort(window.samples.len(), beam);
        Self {
            id,
            window,
            spoken,
            due,
            effort,
            language: settings.language,
            state: State::Ask { not_before: None },
            attempts: Vec::new(),
            failures: 0,
        }
    }

    /// Notes that the question was asked already, on suspicion.
    pub fn asked(&mut self, ask: AskId) {
        self.state = State::Asked(ask);
    }

    /// Returns how to ask: language and effort.
    pub fn question(&self) -> (Language, Effort) {
        (self.language, self.effort)
    }

    /// Tells whether this is another try: what was said before may have led the first one astray.
    pub fn is_again(&self) -> bool {
        !self.attempts.is_empty() || self.failures > 0
    }

    /// Takes what was heard; `hurry` forbids a second attempt.
    pub fn heard(&mut self, recognition: Recognition, hurry: bool) {
        let is_foreign = !matches!(recognition.language.as_str(), "ja" | "en" | "");
        self.attempts.push(Attempt::of(&self.window, recognition));
        let suspect = self.attempts.iter().all(|attempt| attempt.verdict() == Verdict::Suspect);
        if (suspect || is_foreign) && self.attempts.len() == 1 && !hurry {
            if is_foreign {
                self.attempts.clear();
                self.language = Language::Ja;
            }
            self.again();
        } else {
            self.settle();
        }
    }

    /// Learns that there is no answer.
    pub fn failed(&mut self, trouble: Trouble, now: Mono) {
        match trouble {
            Trouble::Dropped => self.state = State::Ask { not_before: Some(now + DROPPED_WAIT) },
            Trouble::Away => self.state = State::Ask { not_before: Some(now + AWAY_WAIT) },
            Trouble::Failed => {
                self.failures += 1;
                if self.failures < FAILURES_MAX && self.attempts.is_empty() {
                    self.again();
                } else {
                    self.settle();
                }
            }
        }
    }

    /// Asks in another way: with a beam, or if that was tried, with some chance.
    fn again(&mut self) {
        let effort = self.effort;
        self.effort = match effort.beam {
            AGAIN_BEAM.. => Effort { beam: 1, temperature: AGAIN_TEMPERATURE, ..effort },
            _ => Effort { beam: AGAIN_BEAM, ..effort },
        };
        self.state = State::Ask { not_before: None };
    }

    fn settle(&mut self) {
        let settled = match Attempt::best(&self.attempts) {
            Some(best) => {
                let (segments, removed) = settle::sort_out(assemble(&self.window, &best.recognition));
                let is_clean = best.verdict() == Verdict::Good && removed.is_empty();
                let tokens = best.recognition.pieces.iter().flat_map(|piece| &piece.tokens);
                let clean = tokens.filter(|_| is_clean).map(|token| token.id).collect();
                Settled { segments, removed, gap: None, clean }
            }
            None => {
                let (start_ms, end_ms) = (self.window.span.start().ms(), self.window.span.end().ms());
                let gap = Some(GapRecord { start_ms, end_ms, reason: "recognizer_failed".to_owned() });
                Settled { segments: Vec::new(), removed: Vec::new(), gap, clean: Vec::new() }
            }
        };
        self.state = State::Settled(Box::new(settled));
    }
}

/// All utterances of a room that wait, in order.
#[derive(Debug, Default)]
pub struct Finals {
    queue: VecDeque<Waiting>,
    /// The text told last, for the seam behind a cut.
    last_text: String,
    /// The same as the model wrote it, unless it is doubtful: a loop would spread.
    context: Vec<u32>,
}

impl Finals {
    /// Adds the next utterance.
    pub fn push(&mut self, waiting: Waiting) {
        self.queue.push_back(waiting);
    }

    /// Tells whether no more may wait.
    pub fn is_full(&self) -> bool {
        self.queue.len() >= WAITING_MAX
    }

    /// Tells whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns the earliest one that waits.
    pub fn oldest(&self) -> Option<&Waiting> {
        self.queue.front()
    }

    /// Returns at most so many tokens of the end of the text told last; none of a doubtful one.
    pub fn context(&self, tokens_max: usize) -> &[u32] {
        &self.context[self.context.len().saturating_sub(tokens_max)..]
    }

    /// Returns the one that was asked under this name.
    pub fn asked(&mut self, id: AskId) -> Option<&mut Waiting> {
        self.queue.iter_mut().find(|waiting| matches!(waiting.state, State::Asked(asked) if asked == id))
    }

    /// Returns the earliest one that is to be asked now.
    pub fn next_to_ask(&mut self, now: Mono) -> Option<&mut Waiting> {
        self.queue.iter_mut().find(|waiting| match waiting.state {
            State::Ask { not_before } => not_before.is_none_or(|at| now >= at),
            State::Asked(_) | State::Settled(_) => false,
        })
    }

    /// Returns when the next one is to be asked again.
    pub fn wake_at(&self) -> Option<Mono> {
        let due = |waiting: &Waiting| match waiting.state {
            State::Ask { not_before } => not_before,
            State::Asked(_) | State::Settled(_) => None,
        };
        self.queue.iter().filter_map(due).min()
    }

    /// Returns what there is to tell of the earliest one, if it is settled.
    pub fn pop(&mut self, settings: &LiveSettings) -> Option<CaptionEvent> {
        let waiting = self.queue.pop_front_if(|waiting| matches!(waiting.state, State::Settled(_)))?;
        let State::Settled(settled) = waiting.state else { return None };
        let Settled { mut segments, removed, gap, clean } = *settled;
        self.context = clean;
        settle::join_overlap(&self.last_text, waiting.window.overlaps_previous, &mut segments);
        for segment in &mut segments {
            settings.vocabulary.correct(segment);
        }
        segments.retain(|segment| !segment.text.is_empty());
        if let Some(last) = segments.last() {
            self.last_text.clone_from(&last.text);
        }
        let utterance = waiting.id;
        if segments.is_empty() && gap.is_none() {
            return Some(CaptionEvent::Withdrawn { utterance, removed });
        }
        let (start_ms, end_ms) = (waiting.window.span.start().ms(), waiting.window.span.end().ms());
        Some(CaptionEvent::Final(Final { utterance, start_ms, end_ms, segments, gap, removed }))
    }
}
