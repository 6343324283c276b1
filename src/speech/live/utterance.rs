//! One utterance from its onset on: where somebody speaks in it, and when it is over. Pure: frames in, decisions out.

use std::collections::VecDeque;
use std::ops::Range;

use super::agree::Agreement;
use super::caption::{AskId, UtteranceId};
use super::ears::{Frame, Place};
use super::settings::Delays;
use crate::speech::Recognition;

/// Samples in a millisecond.
pub const SAMPLES_PER_MS: u64 = 16;
/// Probability from which on a frame is speech.
pub const PROBABILITY_ON: f32 = 0.5;
/// Probability below which a frame begins a pause; between the two, what was goes on.
const PROBABILITY_OFF: f32 = 0.35;
/// Sound taken along before the onset.
const PRE_ROLL: u64 = 300 * SAMPLES_PER_MS;
/// Sound taken along behind the speech.
const POST_ROLL: u64 = 200 * SAMPLES_PER_MS;
/// From this length on the shortest pause ends an utterance.
const SOFT_END: u64 = 10_000 * SAMPLES_PER_MS;
/// That pause.
const SOFT_PAUSE: u64 = 96 * SAMPLES_PER_MS;
/// Longest utterance: the model's text gets worse with less context than its sound needs, and captions must not wait.
const LENGTH_MAX: u64 = 12_000 * SAMPLES_PER_MS;
/// Where the cut of a longer one is looked for: this long before its end.
const CUT_WITHIN: u64 = 3_000 * SAMPLES_PER_MS;
/// Sound that both sides of such a cut hear.
const OVERLAP: u64 = 300 * SAMPLES_PER_MS;
/// Less speech than this is a noise: a short はい has more.
const SPEECH_MIN: u64 = 160 * SAMPLES_PER_MS;

/// A final text asked for before it was certain that the utterance had ended.
#[derive(Debug)]
pub struct Guess {
    /// The question.
    pub ask: AskId,
    /// Its sound.
    pub sound: Range<u64>,
    /// The answer, once there is one.
    pub answer: Option<Recognition>,
}

/// What an utterance comes to with one more frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing new.
    GoesOn,
    /// The speaker went on after a pause: a guess at the end was wrong.
    Resumes,
    /// A pause long enough for a guess at the end.
    Pauses,
    /// It is over.
    Ends,
    /// It is too long: it ends before this sample, and the next one begins there.
    Cut {
        /// Where.
        at: u64,
    },
}

/// An utterance that is being spoken.
#[derive(Debug)]
pub struct Utterance {
    /// Its name.
    pub id: UtteranceId,
    /// Where it lies in the recording.
    pub place: Place,
    /// First sample of its sound.
    pub start: u64,
    /// Where somebody began to speak.
    pub onset: u64,
    /// Its sound begins with sound of the one before.
    pub overlaps_previous: bool,
    /// What stands on the screen.
    pub agreement: Agreement,
    /// Whether the screen has been told of it.
    pub shown: bool,
    /// The guess under way at what was said so far, and the sound it hears.
    pub partial: Option<(AskId, u64)>,
    /// Up to where the last such guess heard; the onset if there was none.
    pub guessed_until: u64,
    /// The final text asked for on suspicion, in the present pause.
    pub guess: Option<Guess>,
    /// The present pause has been told: whether there is a guess at it or not, there is no second one.
    pause_told: bool,
    /// Frames of the last [`CUT_WITHIN`].
    recent: VecDeque<Frame>,
    /// Speech that is over.
    spans: Vec<Range<u64>>,
    /// Start of the speech that goes on.
    open: Option<u64>,
    /// Behind the last frame heard.
    end: u64,
    probability_sum: f64,
    speech_frames: u32,
}

impl Utterance {
    /// Begins with the frame in which somebody began to speak; sound before `earliest` belongs to others.
    pub fn begin(id: UtteranceId, onset: &Frame, earliest: u64) -> Self {
        let start = onset.start.saturating_sub(PRE_ROLL).max(earliest).max(onset.place.floor);
        Self::new(id, onset.place, start.min(onset.start), onset.start)
    }

    fn new(id: UtteranceId, place: Place, start: u64, onset: u64) -> Self {
        Self {
            id,
            place,
            start,
            onset,
            overlaps_previous: false,
            agreement: Agreement::default(),
            shown: false,
            partial: None,
            guessed_until: onset,
            guess: None,
            pause_told: false,
            recent: VecDeque::new(),
            spans: Vec::new(),
            open: Some(onset),
            end: onset,
            probability_sum: 0.0,
            speech_frames: 0,
        }
    }

    /// Returns the utterance that goes on behind a cut through this one.
    pub fn rest(&self, id: UtteranceId, at: u64) -> Self {
        let mut rest = Self::new(id, self.place, at.saturating_sub(OVERLAP).max(self.start), at);
        rest.overlaps_previous = true;
        for frame in self.recent.iter().filter(|frame| frame.start >= at) {
            rest.follow(frame);
        }
        rest
    }

    /// Takes the next frame; `endpoint_ms` is the pause that ends it as far as its text is known.
    pub fn hear(&mut self, frame: &Frame, endpoint_ms: u64, delays: &Delays) -> Turn {
        let paused = self.silence() > 0;
        self.follow(frame);
        let silence = self.silence();
        if silence >= self.endpoint(endpoint_ms) {
            return Turn::Ends;
        }
        if self.end - self.start >= LENGTH_MAX {
            return Turn::Cut { at: self.lowest_dip() };
        }
        if silence == 0 && paused {
            self.pause_told = false;
            return Turn::Resumes;
        }
        if !self.pause_told && silence >= delays.speculate_ms * SAMPLES_PER_MS {
            self.pause_told = true;
            return Turn::Pauses;
        }
        Turn::GoesOn
    }

    /// Returns the sound of the whole utterance as it is now.
    pub fn sound(&self) -> Range<u64> {
        self.start..self.end.min(self.speech_end() + POST_ROLL)
    }

    /// Returns the sound before a cut.
    pub fn sound_before(&self, cut: u64) -> Range<u64> {
        self.start..cut.min(self.end)
    }

    /// Returns where the last speech ends.
    pub fn speech_end(&self) -> u64 {
        if self.open.is_some() { self.end } else { self.spans.last().map_or(self.onset, |span| span.end) }
    }

    /// Tells whether somebody speaks in the last frame.
    pub fn is_spoken_now(&self) -> bool {
        self.open.is_some()
    }

    /// Behind the last frame heard.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Tells whether there is too little speech for a word.
    pub fn is_noise(&self) -> bool {
        let over: u64 = self.spans.iter().map(|span| span.end - span.start).sum();
        over + self.open.map_or(0, |start| self.end - start) < SPEECH_MIN
    }

    /// Returns where somebody speaks within `sound`.
    pub fn speech_in(&self, sound: &Range<u64>) -> Vec<Range<u64>> {
        let open = self.open.map(|start| start..self.end);
        let cut = |span: Range<u64>| span.start.max(sound.start)..span.end.min(sound.end);
        self.spans.iter().cloned().chain(open).map(cut).filter(|span| span.start < span.end).collect()
    }

    /// Returns the mean probability of speech where somebody speaks.
    pub fn speech_probability(&self) -> f32 {
        (self.probability_sum / f64::from(self.speech_frames.max(1))) as f32
    }

    fn endpoint(&self, endpoint_ms: u64) -> u64 {
        let usual = endpoint_ms * SAMPLES_PER_MS;
        if self.end - self.start >= SOFT_END { usual.min(SOFT_PAUSE) } else { usual }
    }

    /// How long nobody has spoken.
    fn silence(&self) -> u64 {
        self.end - self.speech_end()
    }

    fn follow(&mut self, frame: &Frame) {
        let speaks = match frame.probability {
            p if p >= PROBABILITY_ON => true,
            p if p < PROBABILITY_OFF => false,
            _ => self.open.is_some(),
        };
        if speaks {
            self.open.get_or_insert(frame.start);
            self.probability_sum += f64::from(frame.probability);
            self.speech_frames += 1;
        } else if let Some(start) = self.open.take() {
            self.spans.push(start..frame.start.max(start));
        }
        self.end = frame.end;
        self.recent.push_back(*frame);
        while self.recent.front().is_some_and(|oldest| oldest.end + CUT_WITHIN < frame.end) {
            self.recent.pop_front();
        }
    }

    /// Returns the middle of the three frames in a row that are least like speech.
    fn lowest_dip(&self) -> u64 {
        let frames: Vec<&Frame> = self.recent.iter().collect();
        let sum = |three: &[&Frame]| three.iter().map(|frame| frame.probability).sum::<f32>();
        let lowest = frames.windows(3).min_by(|a, b| sum(a).total_cmp(&sum(b)));
        lowest.map_or(self.end, |three| three[1].start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(index: u64, probability: f32) -> Frame {
        let start = index * 512;
        Frame { start, end: start + 512, probability, place: Place::default() }
    }

    /// Speaks runs of `(frames, probability)`; returns the turns besides going on, with the frame they came at.
    fn turns(runs: &[(u64, f32)], endpoint_ms: u64) -> Vec<(u64, Turn)> {
        let mut utterance = Utterance::begin(UtteranceId(1), &frame(0, 0.9), 0);
        let probabilities = runs.iter().flat_map(|(count, probability)| vec![*probability; *count as usize]);
        let mut turns = Vec::new();
        for (index, probability) in probabilities.enumerate() {
            let turn = utterance.hear(&frame(index as u64, probability), endpoint_ms, &Delays::default());
            if turn != Turn::GoesOn {
                turns.push((index as u64, turn));
            }
            if matches!(turn, Turn::Ends | Turn::Cut { .. }) {
                break;
            }
        }
        turns
    }

    #[test]
    fn a_pause_is_guessed_at_after_200_ms_and_ends_the_utterance_after_500() {
        assert_eq!(turns(&[(40, 0.9), (40, 0.1)], 500), [(46, Turn::Pauses), (55, Turn::Ends)]);
    }

    #[test]
    fn the_text_may_shorten_and_lengthen_the_pause() {
        assert_eq!(turns(&[(40, 0.9), (40, 0.1)], 300).last(), Some(&(49, Turn::Ends)));
        assert_eq!(turns(&[(40, 0.9), (40, 0.1)], 800).last(), Some(&(64, Turn::Ends)));
    }

    #[test]
    fn speech_behind_a_short_pause_resumes_the_utterance() {
        let found = turns(&[(40, 0.9), (9, 0.1), (20, 0.9)], 500);
        assert_eq!(found, [(46, Turn::Pauses), (49, Turn::Resumes)]);
    }

    #[test]
    fn after_ten_seconds_a_short_pause_is_enough() {
        let found = turns(&[(320, 0.9), (40, 0.1)], 500);
        assert_eq!(found, [(322, Turn::Ends)]);
    }

    #[test]
    fn speech_without_a_pause_is_cut_at_the_lowest_dip_of_the_last_three_seconds() {
        let found = turns(&[(200, 0.9), (3, 0.36), (110, 0.9), (3, 0.4), (200, 0.9)], 500);
        assert_eq!(found, [(374, Turn::Cut { at: 314 * 512 })]);
    }

    #[test]
    fn behind_a_cut_the_utterance_goes_on_with_a_little_of_the_same_sound() {
        let mut utterance = Utterance::begin(UtteranceId(1), &frame(0, 0.9), 0);
        for index in 0..375 {
            let probability = if index == 314 { 0.4 } else { 0.9 };
            utterance.hear(&frame(index, probability), 500, &Delays::default());
        }
        let cut = 314 * 512;
        let rest = utterance.rest(UtteranceId(2), cut);
        assert_eq!((rest.start, rest.onset, rest.end()), (cut - OVERLAP, cut, 375 * 512));
        assert!(rest.overlaps_previous && rest.is_spoken_now());
        assert_eq!(utterance.sound_before(cut), 0..cut);
    }

    #[test]
    fn a_knock_is_no_utterance_and_a_short_yes_is_one() {
        for (frames, is_noise) in [(3, true), (6, false)] {
            let mut utterance = Utterance::begin(UtteranceId(1), &frame(0, 0.9), 0);
            for index in 0..40 {
                let probability = if index < frames { 0.9 } else { 0.1 };
                utterance.hear(&frame(index, probability), 5_000, &Delays::default());
            }
            assert_eq!(utterance.is_noise(), is_noise, "{frames} frames");
        }
    }
}
