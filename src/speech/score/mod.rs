//! Says how far a recogniser's text is from what people said.
//!
//! - **In**: the truth of a recording and what a recogniser wrote, both with times.
//! - **Out**: three character error rates, the commonest confusions, invented text, errors of start times.
//! - **Never**: changes a text that is kept; normalised characters live only for a comparison.
//!
//! The rates, and why there are three: spelling alone (第三回 or 第3回) moves the rate of Japanese by 3 to 5 points, so
//! figures of different normalisation must never be compared. Each text is compared as one run of characters:
//!
//! | rate | text of both sides |
//! |---|---|
//! | raw | NFC of every segment, white space at its ends cut off, joined with nothing between; inner spaces and marks stay |
//! | normalised | NFKC, lower case, kanji and Arabic numerals unified, then all but letters and digits removed |
//! | filler-free | normalised, minus えー えーと えっと ええと あのー うーん んー まあ |

pub mod align;
mod hypothesis;
pub mod normalise;
mod numerals;
mod timed;
mod truth;
pub mod turns;

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

pub use align::{Pair, align};
pub use hypothesis::{HeardSegment, Hypothesis, TimedText};
pub use timed::{Invented, StartErrors, invented, start_errors};
pub use truth::{Truth, TruthSegment};

/// Most characters a side may have: 12 hours of fast speech are about 260,000.
pub const CHARS_MAX: usize = 400_000;

/// How many confusions a report lists.
pub const CONFUSIONS_MAX: usize = 10;

/// Most steps of an alignment told as one confusion; a longer run of errors is told in pieces.
const CONFUSION_STEPS_MAX: usize = 8;

/// Why two texts could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file is not JSON of a known shape: the person gave a wrong file.
    #[error("not a readable {what}: {reason}")]
    Malformed {
        /// Which of the files.
        what: &'static str,
        /// Where and why reading stopped.
        reason: serde_json::Error,
    },
    /// A file has the right shape and an impossible value: the person must repair it.
    #[error("{place}: {problem}")]
    Invalid {
        /// The path of the value, as `segments[3]`.
        place: String,
        /// What is wrong, with the value.
        problem: String,
    },
    /// The transcript breaks the rules of its own format.
    #[error(transparent)]
    Transcript(#[from] crate::speech::transcript::TranscriptError),
    /// A text is longer than [`CHARS_MAX`]: score it in parts.
    #[error("text of {chars} characters is longer than {}", CHARS_MAX)]
    TooLong {
        /// Characters found.
        chars: usize,
    },
}

/// A character error rate with its parts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Cer {
    /// Characters written wrongly.
    pub substitutions: usize,
    /// Characters spoken and not written.
    pub deletions: usize,
    /// Characters written and not spoken.
    pub insertions: usize,
    /// Characters of the truth.
    pub reference_chars: usize,
    /// Errors by characters of the truth: 0 is perfect, above 1 is possible; none when nothing was said.
    pub rate: Option<f64>,
}

impl Cer {
    /// Counts the errors of an alignment of both texts.
    fn of(reference: &[char], hypothesis: &[char], pairs: &[Pair]) -> Self {
        let mut counts = [0_usize; 3];
        for pair in pairs {
            match *pair {
                (Some(r), Some(h)) if reference[r] == hypothesis[h] => {}
                (Some(_), Some(_)) => counts[0] += 1,
                (Some(_), None) => counts[1] += 1,
                (None, _) => counts[2] += 1,
            }
        }
        let [substitutions, deletions, insertions] = counts;
        let errors = substitutions + deletions + insertions;
        let rate = (!reference.is_empty()).then(|| errors as f64 / reference.len() as f64);
        Self { substitutions, deletions, insertions, reference_chars: reference.len(), rate }
    }

    /// Returns all errors together: the edit distance.
    pub fn errors(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }
}

/// A stretch that was written in place of another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Confusion {
    /// What was said, normalised; empty when the text was invented.
    pub expected: String,
    /// What was written, normalised; empty when the text is missing.
    pub heard: String,
    /// How often in this recording, at least 1.
    pub count: usize,
}

/// Everything a comparison says.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Rate with NFC only.
    pub raw: Cer,
    /// Rate of the normalised texts: the one to compare.
    pub normalised: Cer,
    /// Rate of the normalised texts without fillers.
    pub filler_free: Cer,
    /// The commonest confusions of the normalised texts, at most [`CONFUSIONS_MAX`], commonest first.
    pub confusions: Vec<Confusion>,
    /// Segments the recogniser marked as doubtful (要確認).
    pub flagged_segments: usize,
    /// Text written where nobody speaks.
    pub invented: Invented,
    /// Errors of start times; none when no truth segment could be found in the text.
    pub start_errors: Option<StartErrors>,
}

/// Compares what a recogniser wrote with the truth.
///
/// Errors: [`ScoreError::TooLong`] if a side has more than [`CHARS_MAX`] characters.
pub fn evaluate(truth: &Truth, heard: &Hypothesis) -> Result<Report, ScoreError> {
    let reference = timed::Text::of_truth(truth);
    let hypothesis = timed::Text::of_hypothesis(heard);
    let raw_reference = raw(truth.segments.iter().map(|s| s.text.as_str()));
    let raw_hypothesis = raw(heard.segments.iter().map(|s| s.text.as_str()));
    for chars in [reference.chars.len(), hypothesis.chars.len(), raw_reference.len(), raw_hypothesis.len()] {
        refuse_too_long(chars)?;
    }
    let pairs = align(&reference.chars, &hypothesis.chars);
    Ok(Report {
        raw: cer(&raw_reference, &raw_hypothesis),
        normalised: Cer::of(&reference.chars, &hypothesis.chars, &pairs),
        filler_free: cer(
            &normalise::without_fillers(&reference.chars),
            &normalise::without_fillers(&hypothesis.chars),
        ),
        confusions: confusions(&reference.chars, &hypothesis.chars, &pairs),
        flagged_segments: heard.segments.iter().filter(|segment| segment.flagged).count(),
        invented: timed::invented_in(truth, heard, &hypothesis),
        start_errors: timed::start_errors_of(truth, &reference, &hypothesis, &pairs),
    })
}

/// Returns the error rate of two runs of characters, as they stand.
pub fn cer(reference: &[char], hypothesis: &[char]) -> Cer {
    Cer::of(reference, hypothesis, &align(reference, hypothesis))
}

/// Returns the characters that the raw rate compares.
pub fn raw<'a>(segments: impl Iterator<Item = &'a str>) -> Vec<char> {
    segments.flat_map(|text| text.trim().nfc()).collect()
}

fn refuse_too_long(chars: usize) -> Result<(), ScoreError> {
    if chars > CHARS_MAX {
        return Err(ScoreError::TooLong { chars });
    }
    Ok(())
}

/// Counts runs of neighbouring errors: a person reads 定刻 → 低国, not two letters apart.
fn confusions(reference: &[char], hypothesis: &[char], pairs: &[Pair]) -> Vec<Confusion> {
    let is_error = |pair: &Pair| match *pair {
        (Some(r), Some(h)) => reference[r] != hypothesis[h],
        (Some(_), None) | (None, _) => true,
    };
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    for run in pairs.chunk_by(|a, b| is_error(a) == is_error(b)).filter(|run| is_error(&run[0])) {
        for piece in run.chunks(CONFUSION_STEPS_MAX) {
            let expected = piece.iter().filter_map(|pair| pair.0).map(|r| reference[r]).collect();
            let heard = piece.iter().filter_map(|pair| pair.1).map(|h| hypothesis[h]).collect();
            *counts.entry((expected, heard)).or_default() += 1;
        }
    }
    let mut all: Vec<Confusion> =
        counts.into_iter().map(|((expected, heard), count)| Confusion { expected, heard, count }).collect();
    all.sort_by(|a, b| {
        b.count.cmp(&a.count).then_with(|| (&a.expected, &a.heard).cmp(&(&b.expected, &b.heard)))
    });
    all.truncate(CONFUSIONS_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(text: &str) -> Truth {
        let segment = TruthSegment { speaker: None, start_ms: 1_000, end_ms: 5_000, text: text.into() };
        Truth { duration_ms: 10_000, segments: vec![segment] }
    }

    fn heard(text: &str) -> Hypothesis {
        Hypothesis::of_segments(vec![TimedText { start_ms: 1_000, end_ms: 5_000, text: text.into() }])
    }

    fn report(said: &str, written: &str) -> Report {
        evaluate(&truth(said), &heard(written)).expect("both texts are short")
    }

    #[test]
    fn a_perfect_text_has_no_errors_at_all() {
        let report = report("第三回の会議です。", "第三回の会議です。");
        assert_eq!((report.raw.errors(), report.normalised.errors(), report.filler_free.errors()), (0, 0, 0));
        assert_eq!(report.confusions, []);
        assert_eq!(report.raw.rate, Some(0.0));
    }

    #[test]
    fn spelling_costs_in_the_raw_rate_only() {
        let report = report("第三回の会議です。", "第３回の会議です");
        assert_eq!((report.raw.substitutions, report.raw.deletions), (1, 1));
        assert_eq!(report.normalised.errors(), 0);
    }

    #[test]
    fn a_filler_costs_in_all_but_the_filler_free_rate() {
        let report = report("えーと、始めます。", "始めます。");
        assert_eq!(report.normalised.deletions, 3);
        assert_eq!(report.filler_free.errors(), 0);
        assert_eq!(report.filler_free.reference_chars, 4);
    }

    #[test]
    fn substitutions_deletions_and_insertions_are_told_apart() {
        let got = cer(&['a', 'b', 'c', 'd'], &['a', 'x', 'c', 'd', 'e']);
        assert_eq!((got.substitutions, got.deletions, got.insertions, got.reference_chars), (1, 0, 1, 4));
        let got = cer(&['a', 'b', 'c'], &['a', 'c']);
        assert_eq!((got.substitutions, got.deletions, got.insertions), (0, 1, 0));
    }

    #[test]
    fn a_recording_without_speech_has_no_rate_but_counts_insertions() {
        let silence = Truth::silence(60_000);
        let report = evaluate(&silence, &heard("ご視聴")).expect("both texts are short");
        assert_eq!(report.normalised.rate, None);
        assert_eq!(report.normalised.insertions, 3);
        assert_eq!(report.invented.unflagged_chars, 3);
    }

    #[test]
    fn neighbouring_errors_are_one_confusion_and_the_commonest_comes_first() {
        let report = report("定刻です。五席、五席。", "低国です。御席、御席。");
        let told: Vec<_> =
            report.confusions.iter().map(|c| (c.expected.as_str(), c.heard.as_str(), c.count)).collect();
        assert_eq!(told, [("5", "御", 2), ("定刻", "低国", 1)]);
    }

    #[test]
    fn a_long_run_of_errors_is_told_in_pieces() {
        let report = report("あいうえおかきくけこ", "サシスセソタチツテト");
        assert_eq!(report.confusions.len(), 2);
        assert!(report.confusions.iter().all(|c| c.expected.chars().count() <= CONFUSION_STEPS_MAX));
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused_with_its_length() {
        let long = "あ".repeat(CHARS_MAX + 1);
        let error = evaluate(&truth(&long), &heard("")).expect_err("the truth is too long");
        assert!(matches!(error, ScoreError::TooLong { chars } if chars == CHARS_MAX + 1));
    }
}
