//! Provisional speakers while a meeting goes on: each final gets the nearest voice heard so far, or a new one.
//!
//! What is said here is not taken back; when the meeting has ended, [`diarize`](super::diarize) looks at all of it and
//! labels anew.

use super::{SPEAKERS_MAX, SpeakerId};
use crate::speech::voice::Embedding;

/// A voice less like every speaker's than this is somebody new.
///
/// Source: own bench, 36 recordings: between 0.83 and 0.88 the fewest seconds are wrong; see benches/README.md.
const SAME_VOICE: f32 = 0.85;

/// So much of a new voice must be heard before it becomes a speaker, milliseconds.
const NEW_MS_MIN: u64 = 2_000;

/// What one speaker said is remembered as if it were at most so long: a voice may change over a meeting.
const WEIGHT_MS_MAX: f32 = 120_000.0;

/// The speakers of a meeting that goes on.
///
/// State: at most [`SPEAKERS_MAX`] voices; nothing of what was said.
#[derive(Debug, Clone, Default)]
pub struct Online {
    speakers: Vec<Known>,
}

/// A speaker heard so far.
#[derive(Debug, Clone)]
struct Known {
    middle: Embedding,
    weight_ms: f32,
}

impl Online {
    /// Starts a meeting in which nobody has spoken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns who speaks in a final, and learns from it; nobody if it is too short to tell and nobody spoke before.
    ///
    /// Shape: the voices of the windows of one final, by one speaker; `speech_ms` is how long it is.
    pub fn label(&mut self, voices: &[Embedding], speech_ms: u64) -> Option<SpeakerId> {
        let voice = Embedding::middle(voices)?;
        let likeness = |known: &Known| known.middle.cosine(&voice);
        let by = |a: &usize, b: &usize| likeness(&self.speakers[*a]).total_cmp(&likeness(&self.speakers[*b]));
        let nearest = (0..self.speakers.len()).max_by(by);
        let is_known = nearest.is_some_and(|index| likeness(&self.speakers[index]) >= SAME_VOICE);
        let may_be_new = speech_ms >= NEW_MS_MIN && self.speakers.len() < usize::from(SPEAKERS_MAX);
        if is_known && let Some(index) = nearest {
            self.speakers[index].learn(&voice, speech_ms);
            return Some(number(index));
        }
        if may_be_new {
            self.speakers.push(Known { middle: voice, weight_ms: speech_ms as f32 });
            return Some(number(self.speakers.len() - 1));
        }
        // A short word says too little of a voice to learn from it.
        nearest.map(number)
    }

    /// Returns how many speakers were heard.
    pub fn speakers(&self) -> usize {
        self.speakers.len()
    }
}

impl Known {
    fn learn(&mut self, voice: &Embedding, speech_ms: u64) {
        let weight = speech_ms as f32;
        let before = self.weight_ms.min(WEIGHT_MS_MAX);
        if let Some(middle) = Embedding::weighted([(&self.middle, before), (voice, weight)]) {
            self.middle = middle;
        }
        self.weight_ms = before + weight;
    }
}

fn number(index: usize) -> SpeakerId {
    SpeakerId(index as u16 + 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::voice;
    use super::*;

    fn said(speaker: usize, seed: u64) -> Vec<Embedding> {
        (0..5).map(|index| voice(speaker, seed * 10 + index, 0.2)).collect()
    }

    #[test]
    fn everybody_gets_a_number_when_they_first_speak_and_keeps_it() {
        let mut online = Online::new();
        let order = [4, 4, 1, 4, 2, 1, 2];
        let labels: Vec<Option<u16>> = order
            .iter()
            .zip(0..)
            .map(|(speaker, seed)| online.label(&said(*speaker, seed), 3_000).map(|id| id.0))
            .collect();
        assert_eq!(labels, [1, 1, 2, 1, 3, 2, 3].map(Some));
        assert_eq!(online.speakers(), 3);
    }

    #[test]
    fn a_short_word_makes_no_new_speaker() {
        let mut online = Online::new();
        assert_eq!(online.label(&said(0, 1), 900), None);
        assert_eq!(online.label(&said(0, 2), 2_000), Some(SpeakerId(1)));
        assert_eq!(online.label(&said(3, 3), 900), Some(SpeakerId(1)));
        assert_eq!(online.label(&said(3, 4), 2_500), Some(SpeakerId(2)));
    }

    #[test]
    fn a_final_without_a_voice_has_no_speaker_and_changes_nothing() {
        let mut online = Online::new();
        assert_eq!(online.label(&[], 5_000), None);
        assert_eq!(online.speakers(), 0);
    }

    #[test]
    fn no_more_speakers_are_made_than_there_may_be() {
        let mut online = Online::new();
        for index in 0..40 {
            let mut values = [0.01; crate::speech::voice::DIMENSIONS];
            values[index * 3] = 1.0;
            let voice = Embedding::new(&values).expect("it is a direction");
            assert!(online.label(&[voice], 5_000).is_some());
        }
        assert_eq!(online.speakers(), usize::from(SPEAKERS_MAX));
    }
}
