//! What a recogniser wrote: our own transcript, or the plain list of another tool.

use super::{ScoreError, normalise, truth};
use crate::speech::transcript::{Segment, Transcript, Word};

/// A text with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedText {
    /// Start in milliseconds since the recording began.
    pub start_ms: u64,
    /// End in milliseconds, never before the start.
    pub end_ms: u64,
    /// The text.
    pub text: String,
}

/// A segment as a recogniser wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardSegment {
    /// The whole text.
    pub text: String,
    /// Its words with their times; single characters at even distances if the recogniser gave no words.
    pub words: Vec<TimedText>,
    /// The recogniser itself doubts it (要確認).
    pub flagged: bool,
}

/// What a recogniser wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hypothesis {
    /// Segments in the order in which they are read.
    pub segments: Vec<HeardSegment>,
}

#[derive(serde::Deserialize)]
struct ListedSegment {
    start: f64,
    end: f64,
    text: String,
}

impl Hypothesis {
    /// Reads a transcript of this product, or a list `[{"start", "end", "text"}]` in seconds as other tools write it.
    ///
    /// Errors: [`ScoreError::Malformed`], [`ScoreError::Invalid`] or [`ScoreError::Transcript`], by what is wrong.
    pub fn from_json(json: &str) -> Result<Self, ScoreError> {
        if !json.trim_start().starts_with('[') {
            return Ok(Self::of_transcript(&Transcript::from_json(json)?));
        }
        let list: Vec<ListedSegment> = serde_json::from_str(json)
            .map_err(|reason| ScoreError::Malformed { what: "list of segments", reason })?;
        let mut segments = Vec::with_capacity(list.len());
        for (index, listed) in list.into_iter().enumerate() {
            let (start_ms, end_ms) = truth::times(index, listed.start, listed.end)?;
            segments.push(TimedText { start_ms, end_ms, text: listed.text });
        }
        Ok(Self::of_segments(segments))
    }

    /// Takes segments without words, none of them doubted.
    pub fn of_segments(segments: Vec<TimedText>) -> Self {
        let segments = segments
            .into_iter()
            .map(|timed| HeardSegment { words: characters(&timed), text: timed.text, flagged: false })
            .collect();
        Self { segments }
    }

    /// Takes what a transcript shows; text that was removed from it does not count as written.
    pub fn of_transcript(transcript: &Transcript) -> Self {
        Self { segments: transcript.segments.iter().map(heard).collect() }
    }
}

fn heard(segment: &Segment) -> HeardSegment {
    let joined: String = segment.words.iter().map(|word| word.text.as_str()).collect();
    let words = if normalise::normalise(&joined) == normalise::normalise(&segment.text) {
        let timed =
            |word: &Word| TimedText { start_ms: word.start_ms, end_ms: word.end_ms, text: word.text.clone() };
        segment.words.iter().map(timed).collect()
    } else {
        // The text was changed after its words were timed, or there are none: even distances are the best guess left.
        let (start_ms, end_ms) = (segment.start_ms, segment.end_ms);
        characters(&TimedText { start_ms, end_ms, text: segment.text.clone() })
    };
    HeardSegment { text: segment.text.clone(), words, flagged: !segment.flags.is_empty() }
}

/// Cuts a text into its characters, each with an even share of the time.
pub(super) fn characters(timed: &TimedText) -> Vec<TimedText> {
    let count = timed.text.chars().count() as u64;
    let length_ms = timed.end_ms.saturating_sub(timed.start_ms);
    let at = |k: u64| timed.start_ms + length_ms * k / count;
    (0..count)
        .zip(timed.text.chars())
        .map(|(k, ch)| TimedText { start_ms: at(k), end_ms: at(k + 1), text: ch.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_list_in_seconds_is_read() {
        let heard = Hypothesis::from_json(r#" [{"start": 1.0, "end": 2.0, "text": "はい", "id": 7}]"#)
            .expect("the list is sound");
        let times: Vec<_> = heard.segments[0].words.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(times, [(1_000, 1_500), (1_500, 2_000)]);
    }

    #[test]
    fn words_that_no_longer_give_the_text_are_not_trusted() {
        let json = r#"{"version": 1, "duration_ms": 9000, "model": "m", "gaps": [], "removed": [], "segments": [
            {"start_ms": 0, "end_ms": 3000, "text": "御席です", "confidence": 0.5, "flags": ["speed"],
             "words": [{"start_ms": 0, "end_ms": 900, "text": "五席", "confidence": 0.5}]}]}"#;
        let heard = Hypothesis::from_json(json).expect("the transcript is sound");
        assert_eq!(heard.segments[0].words.len(), 4);
        assert!(heard.segments[0].flagged);
    }

    #[test]
    fn words_that_differ_from_the_text_by_punctuation_only_are_kept() {
        let json = r#"{"version": 1, "duration_ms": 9000, "model": "m", "gaps": [], "removed": [], "segments": [
            {"start_ms": 0, "end_ms": 3000, "text": "五席。", "confidence": 0.5,
             "words": [{"start_ms": 100, "end_ms": 900, "text": "五席", "confidence": 0.5}]}]}"#;
        let heard = Hypothesis::from_json(json).expect("the transcript is sound");
        assert_eq!(heard.segments[0].words, [TimedText { start_ms: 100, end_ms: 900, text: "五席".into() }]);
    }

    #[test]
    fn a_file_of_another_shape_is_refused_with_the_place() {
        let error =
            Hypothesis::from_json(r#"[{"start": 1.0, "text": "はい"}]"#).expect_err("the end is missing");
        assert!(error.to_string().starts_with("not a readable list of segments: missing field `end`"));
    }
}
