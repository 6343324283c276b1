//! Voices that are remembered give names to the speakers of a meeting: a name with its confidence, or nobody.
//!
//! - **In**: the voice of each speaker of this meeting, and the voices of those who may have taken part.
//! - **Out**: at most one name for each speaker, and each name at most once.
//! - **Never**: names somebody because nobody else is left: empty is better than invented.

use super::voice::Embedding;

/// Below this confidence a speaker stays without a name.
///
/// Source: windows of the reference encoder over the sample meeting (as it is, noisy, reverberant, quiet), other synthetic
/// voices and human excerpts, samples and meetings of other variations against each other, clusters up to 30 % impure: 0.5 %
/// of strangers' time got a name, 0.0 to 0.3 % of the time of those remembered a wrong one, and 45 to 48 % the right one; where
/// sample and meeting sound alike, as in the sample meeting with its true turns, all five people got theirs.
pub const CONFIDENCE_MIN: f32 = 0.5;
/// Speech of a speaker below which nothing is believed, milliseconds.
pub const SPEECH_MS_MIN: u64 = 3_000;
/// How alike strangers are on average: stands for rivals where there are none.
///
/// Source: the mean that was measured on pairs of true segments of the sample meeting, 0.68, and a little caution.
const STRANGER: f32 = 0.70;

/// Nearer than this to a rival nobody is named: the two may change places on another day.
const MARGIN_MIN: f32 = 0.04;

/// How confidence follows from likeness: the logistic of `bias + likeness · s + margin · m`, with s the cosine to the
/// person's voice and m its distance to the nearest rival on either side.
struct Logistic {
    bias: f32,
    likeness: f32,
    margin: f32,
}

/// Set on the cautious side: a wrong name costs more than none; see [`CONFIDENCE_MIN`] for what it gives.
const FITTED: Logistic = Logistic { bias: -34.0, likeness: 36.0, margin: 40.0 };

/// A speaker of this meeting.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The voice, over all that the speaker said.
    pub voice: Embedding,
    /// How much that was, milliseconds.
    pub speech_ms: u64,
}

/// A speaker who is believed to be somebody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Named {
    /// Which speaker, as an index into those heard.
    pub heard: usize,
    /// Who, as an index into those known.
    pub known: usize,
    /// How sure that is, [`CONFIDENCE_MIN`] to 1.
    pub confidence: f32,
}

/// Names the speakers of a meeting, the surest first.
///
/// Shape: no speaker and nobody known is in two of them.
pub fn name(heard: &[Heard], known: &[Embedding]) -> Vec<Named> {
    let alike: Vec<Vec<f32>> =
        heard.iter().map(|heard| known.iter().map(|known| heard.voice.cosine(known)).collect()).collect();
    let mut pairs = Vec::new();
    for (speaker, heard) in heard.iter().enumerate().filter(|(_, heard)| heard.speech_ms >= SPEECH_MS_MIN) {
        for (person, likeness) in alike[speaker].iter().enumerate() {
            let margin = likeness - rival(&alike, speaker, person);
            let confidence = FITTED.confidence(*likeness, margin) * trust(heard.speech_ms);
            if margin >= MARGIN_MIN {
                pairs.push(Named { heard: speaker, known: person, confidence });
            }
        }
    }
    pairs.retain(|pair| pair.confidence >= CONFIDENCE_MIN);
    pairs.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut named: Vec<Named> = Vec::new();
    for pair in pairs {
        if !named.iter().any(|taken| taken.heard == pair.heard || taken.known == pair.known) {
            named.push(pair);
        }
    }
    named
}

/// Returns the likeness of a speaker to a person, and by how much it exceeds that of the nearest rival.
pub fn evidence(heard: &[Heard], known: &[Embedding], pair: (usize, usize)) -> (f32, f32) {
    let alike: Vec<Vec<f32>> =
        heard.iter().map(|heard| known.iter().map(|known| heard.voice.cosine(known)).collect()).collect();
    let likeness = alike[pair.0][pair.1];
    (likeness, likeness - rival(&alike, pair.0, pair.1))
}

/// Returns how alike the nearest rival is: another person for this speaker, or another speaker for this person.
fn rival(alike: &[Vec<f32>], speaker: usize, person: usize) -> f32 {
    let persons = alike[speaker].iter().enumerate().filter(|(other, _)| *other != person);
    let speakers = alike.iter().enumerate().filter(|(other, _)| *other != speaker);
    let rivals = persons.map(|(_, likeness)| *likeness).chain(speakers.map(|(_, row)| row[person]));
    rivals.fold(STRANGER, f32::max)
}

/// Returns how far a voice can be believed that was heard so long: wholly from ten seconds on.
fn trust(speech_ms: u64) -> f32 {
    const WHOLE_MS: f32 = 10_000.0;
    (speech_ms as f32 / WHOLE_MS).min(1.0).sqrt()
}

impl Logistic {
    fn confidence(&self, likeness: f32, margin: f32) -> f32 {
        1.0 / (1.0 + (-(self.bias + self.likeness * likeness + self.margin * margin)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::voice::DIMENSIONS;

    /// A voice between two axes: `likeness` is its cosine to the first one.
    fn voice(axis: usize, likeness: f32) -> Embedding {
        let mut values = [0.0; DIMENSIONS];
        values[axis] = likeness;
        values[DIMENSIONS - 1 - axis] = (1.0 - likeness * likeness).sqrt();
        Embedding::new(&values).expect("it is a direction")
    }

    fn heard(axis: usize, likeness: f32, speech_ms: u64) -> Heard {
        Heard { voice: voice(axis, likeness), speech_ms }
    }

    #[test]
    fn a_speaker_with_a_remembered_voice_gets_the_name_and_a_stranger_gets_none() {
        let known = [voice(0, 1.0), voice(1, 1.0)];
        let speakers = [heard(1, 0.97, 60_000), heard(2, 1.0, 60_000)];
        let named = name(&speakers, &known);
        assert_eq!(named.iter().map(|named| (named.heard, named.known)).collect::<Vec<_>>(), [(0, 1)]);
        assert!(named[0].confidence >= 0.9);
    }

    #[test]
    fn nobody_is_two_speakers_and_no_speaker_is_two_people() {
        let known = [voice(0, 1.0), voice(0, 0.999)];
        let speakers = [heard(0, 0.99, 60_000), heard(0, 0.98, 60_000)];
        let named = name(&speakers, &known);
        assert!(named.len() <= 2);
        if let [one, other] = named[..] {
            assert!(one.heard != other.heard && one.known != other.known);
        }
    }

    #[test]
    fn of_two_people_who_sound_alike_neither_is_named() {
        let known = [voice(0, 1.0), voice(0, 0.995)];
        assert_eq!(name(&[heard(0, 0.9, 60_000)], &known), []);
    }

    #[test]
    fn a_word_is_too_little_to_know_somebody_by() {
        let known = [voice(0, 1.0)];
        assert_eq!(name(&[heard(0, 1.0, SPEECH_MS_MIN - 1)], &known), []);
        let brief = name(&[heard(0, 1.0, 4_000)], &known)[0].confidence;
        let long = name(&[heard(0, 1.0, 40_000)], &known)[0].confidence;
        assert!(brief < long);
    }

    #[test]
    fn without_anybody_known_nobody_is_named() {
        assert_eq!(name(&[heard(0, 1.0, 60_000)], &[]), []);
        assert_eq!(name(&[], &[voice(0, 1.0)]), []);
    }
}
