//! Errors of time: text where nobody speaks, and words that start too early or too late.

use super::{Hypothesis, Pair, Truth, align, hypothesis, normalise};

/// How far speech may spill over the written edges of a truth segment before text there counts as invented.
const EDGE_MS: u64 = 500;

/// Text that was written where nobody speaks.
///
/// Shape: characters after normalisation whose time lies wholly outside every truth segment widened by 500 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Invented {
    /// Characters in segments that the recogniser marked as doubtful.
    pub flagged_chars: usize,
    /// Characters in segments that look as good as any other.
    pub unflagged_chars: usize,
    /// How long nobody speaks, in milliseconds, by the same rule.
    pub silence_ms: u64,
}

/// How far the starts of utterances are off.
///
/// Shape: absolute differences between the start of a truth segment and the start of the word that holds its first
/// character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct StartErrors {
    /// Truth segments whose first character was found in the text, at least 1.
    pub count: usize,
    /// Half of the errors are at most this, in milliseconds.
    pub median_ms: u64,
    /// Nine in ten errors are at most this, in milliseconds.
    pub p90_ms: u64,
}

/// Counts what was written where nobody speaks. A truth without segments makes all of it invented.
pub fn invented(truth: &Truth, heard: &Hypothesis) -> Invented {
    invented_in(truth, heard, &Text::of_hypothesis(heard))
}

/// Measures how far the starts of utterances are off; none if no first character was found.
pub fn start_errors(truth: &Truth, heard: &Hypothesis) -> Option<StartErrors> {
    let (reference, hypothesis) = (Text::of_truth(truth), Text::of_hypothesis(heard));
    let pairs = align(&reference.chars, &hypothesis.chars);
    start_errors_of(truth, &reference, &hypothesis, &pairs)
}

/// A normalised text of which each character knows its segment and its time.
pub(super) struct Text {
    pub(super) chars: Vec<char>,
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    segment: usize,
    /// Start of the word.
    word_start_ms: u64,
    /// The character's own share of the word's time.
    start_ms: u64,
    end_ms: u64,
}

impl Text {
    pub(super) fn of_truth(truth: &Truth) -> Self {
        let mut source = Source::default();
        for (index, segment) in truth.segments.iter().enumerate() {
            let (start_ms, end_ms, text) = (segment.start_ms, segment.end_ms, segment.text.clone());
            source.push_word(index, &hypothesis::TimedText { start_ms, end_ms, text });
            source.end_segment();
        }
        source.normalised()
    }

    pub(super) fn of_hypothesis(heard: &Hypothesis) -> Self {
        let mut source = Source::default();
        for (index, segment) in heard.segments.iter().enumerate() {
            for word in &segment.words {
                source.push_word(index, word);
            }
            source.end_segment();
        }
        source.normalised()
    }
}

/// The joined text before normalisation: a number may reach over several words.
#[derive(Default)]
struct Source {
    text: String,
    places: Vec<Place>,
}

impl Source {
    fn push_word(&mut self, segment: usize, word: &hypothesis::TimedText) {
        self.text.push_str(&word.text);
        for part in hypothesis::characters(word) {
            let (start_ms, end_ms) = (part.start_ms, part.end_ms);
            self.places.push(Place { segment, word_start_ms: word.start_ms, start_ms, end_ms });
        }
    }

    /// Puts a line break behind a segment, so that numbers of two segments never join.
    fn end_segment(&mut self) {
        self.text.push('\n');
        self.places.push(Place { segment: 0, word_start_ms: 0, start_ms: 0, end_ms: 0 });
    }

    fn normalised(self) -> Text {
        let traced = normalise::trace(&self.text);
        Text {
            chars: traced.iter().map(|c| c.ch).collect(),
            places: traced.iter().map(|c| self.places[c.source]).collect(),
        }
    }
}

pub(super) fn invented_in(truth: &Truth, heard: &Hypothesis, text: &Text) -> Invented {
    let speech = widened(truth);
    let speech_ms: u64 =
        speech.iter().map(|(start, end)| end.min(&truth.duration_ms).saturating_sub(*start)).sum();
    let silence_ms = truth.duration_ms.saturating_sub(speech_ms);
    let mut counts = Invented { flagged_chars: 0, unflagged_chars: 0, silence_ms };
    for place in text.places.iter().filter(|place| is_outside(&speech, place)) {
        if heard.segments[place.segment].flagged {
            counts.flagged_chars += 1;
        } else {
            counts.unflagged_chars += 1;
        }
    }
    counts
}

/// Returns the stretches with speech, widened, sorted and disjoint.
fn widened(truth: &Truth) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for segment in &truth.segments {
        let (start, end) = (segment.start_ms.saturating_sub(EDGE_MS), segment.end_ms + EDGE_MS);
        match spans.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            Some(_) | None => spans.push((start, end)),
        }
    }
    spans
}

fn is_outside(speech: &[(u64, u64)], place: &Place) -> bool {
    let next = speech.partition_point(|&(_, end)| end <= place.start_ms);
    speech.get(next).is_none_or(|&(start, _)| place.end_ms <= start)
}

pub(super) fn start_errors_of(
    truth: &Truth,
    reference: &Text,
    hypothesis: &Text,
    pairs: &[Pair],
) -> Option<StartErrors> {
    let mut errors_ms = Vec::with_capacity(truth.segments.len());
    let mut segment_before = None;
    for &(r, h) in pairs {
        let Some(r) = r else { continue };
        let segment = reference.places[r].segment;
        let is_first = segment_before.replace(segment) != Some(segment);
        if let (true, Some(h)) = (is_first, h) {
            let word_start_ms = hypothesis.places[h].word_start_ms;
            errors_ms.push(word_start_ms.abs_diff(truth.segments[segment].start_ms));
        }
    }
    errors_ms.sort_unstable();
    let (median_ms, p90_ms) = (quantile(&errors_ms, 50)?, quantile(&errors_ms, 90)?);
    Some(StartErrors { count: errors_ms.len(), median_ms, p90_ms })
}

/// Returns the smallest value that at least `percent` of the sorted values do not exceed.
fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::score::{HeardSegment, TimedText, TruthSegment};

    fn truth(segments: &[(u64, u64, &str)]) -> Truth {
        let segments = segments
            .iter()
            .map(|&(start_ms, end_ms, text)| TruthSegment {
                speaker: None,
                start_ms,
                end_ms,
                text: text.into(),
            })
            .collect();
        Truth { duration_ms: 20_000, segments }
    }

    fn timed(start_ms: u64, end_ms: u64, text: &str) -> TimedText {
        TimedText { start_ms, end_ms, text: text.into() }
    }

    fn heard(words: Vec<TimedText>) -> Hypothesis {
        let text = words.iter().map(|w| w.text.as_str()).collect();
        Hypothesis { segments: vec![HeardSegment { text, words, flagged: false }] }
    }

    #[test]
    fn text_inside_speech_or_within_half_a_second_of_it_is_not_invented() {
        let truth = truth(&[(5_000, 8_000, "はい")]);
        let heard = heard(vec![timed(4_400, 4_800, "は"), timed(8_300, 8_700, "い")]);
        assert_eq!(invented(&truth, &heard).unflagged_chars, 0);
    }

    #[test]
    fn text_wholly_in_silence_is_invented_and_punctuation_does_not_count() {
        let truth = truth(&[(5_000, 8_000, "はい")]);
        let heard = heard(vec![timed(5_000, 6_000, "はい。"), timed(8_500, 10_000, "ご視聴、")]);
        assert_eq!(invented(&truth, &heard).unflagged_chars, 3);
        assert_eq!(invented(&truth, &heard).silence_ms, 16_000);
    }

    #[test]
    fn of_a_word_that_begins_in_speech_only_the_part_in_silence_is_invented() {
        let truth = truth(&[(0, 1_500, "はい")]);
        let heard = heard(vec![timed(0, 4_000, "いろはに")]);
        assert_eq!(invented(&truth, &heard).unflagged_chars, 2);
    }

    #[test]
    fn doubted_text_in_silence_is_counted_apart() {
        let mut heard = heard(vec![timed(100, 2_000, "字幕")]);
        heard.segments[0].flagged = true;
        let counts = invented(&Truth::silence(5_000), &heard);
        assert_eq!((counts.flagged_chars, counts.unflagged_chars, counts.silence_ms), (2, 0, 5_000));
    }

    #[test]
    fn a_start_error_is_measured_at_the_word_that_holds_the_first_character() {
        let truth = truth(&[(1_000, 3_000, "会議です。"), (5_000, 7_000, "はい、三つ。")]);
        let heard = heard(vec![
            timed(1_040, 1_500, "会議"),
            timed(1_500, 3_000, "です。"),
            timed(4_700, 5_200, "はい、"),
            timed(5_200, 7_000, "3つ"),
        ]);
        let errors = start_errors(&truth, &heard).expect("both starts are found");
        assert_eq!(errors, StartErrors { count: 2, median_ms: 40, p90_ms: 300 });
    }

    #[test]
    fn an_utterance_that_was_not_written_has_no_start_error() {
        let truth = truth(&[(1_000, 3_000, "会議です。"), (5_000, 7_000, "はい。")]);
        let heard = heard(vec![timed(1_000, 3_000, "会議です。")]);
        assert_eq!(start_errors(&truth, &heard).map(|errors| errors.count), Some(1));
        assert_eq!(start_errors(&truth, &Hypothesis::default()), None);
    }

    #[test]
    fn overlapping_speech_is_not_counted_twice() {
        let truth = truth(&[(1_000, 6_000, "あ"), (2_000, 3_000, "い"), (6_200, 7_000, "う")]);
        assert_eq!(widened(&truth), [(500, 7_500)]);
    }
}
