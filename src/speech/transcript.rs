//! The transcript as a file: what was heard, when, how surely, and what is missing.

use serde::{Deserialize, Serialize};

use super::diarize::SpeakerId;

/// The version of the format that this program writes and reads.
pub const TRANSCRIPT_VERSION: u32 = 1;

/// Most bytes of a transcript that are read: 12 hours of speech with words are below a third of it.
pub const TRANSCRIPT_BYTES_MAX: usize = 128 << 20;

/// Why a transcript could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// The text is no JSON, or a field is missing or of another kind.
    #[error("not a transcript: {0}")]
    Malformed(serde_json::Error),
    /// A newer program wrote it: update this one.
    #[error("transcript version {found} is unknown, this program reads version {TRANSCRIPT_VERSION}")]
    UnknownVersion {
        /// The version in the file.
        found: u64,
    },
    /// A value cannot be: the file was damaged or its writer has a defect.
    #[error("{place}: {problem}")]
    Invalid {
        /// The path of the value, as `segments[3].words[0]`.
        place: String,
        /// What is wrong, with the value.
        problem: String,
    },
    /// The file is longer than [`TRANSCRIPT_BYTES_MAX`].
    #[error("transcript of {bytes} bytes is longer than {TRANSCRIPT_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// The number of the format; has one value, so a transcript in memory always has the right one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatVersion;

impl Serialize for FormatVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(TRANSCRIPT_VERSION)
    }
}

/// What was heard in one recording.
///
/// Shape: segments, gaps and removed text each sorted by start.
/// Units: milliseconds since the recording began.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Transcript {
    /// The number of the format.
    pub version: FormatVersion,
    /// Two-letter code of the language that was recognised, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Length of the recording.
    pub duration_ms: u64,
    /// Name of the model that wrote the text.
    pub model: String,
    /// What was wrong with the sound; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioNote>,
    /// The text.
    pub segments: Vec<Segment>,
    /// Stretches that have no text although they may hold speech.
    pub gaps: Vec<GapRecord>,
    /// Text that is not shown, kept so that a person can bring it back.
    pub removed: Vec<Removed>,
}

/// What was wrong with the sound of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioNote {
    /// Packets that could not be decoded.
    #[serde(default)]
    pub damaged_packets: u64,
    /// How much of the declared length is not there, in milliseconds.
    #[serde(default)]
    pub missing_ms: u64,
    /// A sentence for a person.
    #[serde(default)]
    pub note: String,
}

/// A run of speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Start.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// The text as it is shown.
    pub text: String,
    /// How sure the recogniser is, 0 to 1.
    pub confidence: f32,
    /// Who said it, as far as voices can be told apart; counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<SpeakerId>,
    /// Why a person should look at it (要確認), as stable words; empty if nothing is suspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Its words, inside its times and sorted by start.
    #[serde(default)]
    pub words: Vec<Word>,
}

/// A word, or the few characters that a recogniser writes in one go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Word {
    /// Start.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// The text.
    pub text: String,
    /// How sure the recogniser is, 0 to 1.
    pub confidence: f32,
}

/// A stretch that nobody could recognise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRecord {
    /// Start.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// Why, as a stable word; a reader shows the gap whether or not it knows the word.
    pub reason: String,
}

/// Text that is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Start.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// The text as the recogniser wrote it.
    pub text: String,
    /// Why, as a stable word.
    pub reason: String,
}

/// The number of the format alone, so that a newer file is told from a broken one.
#[derive(Deserialize)]
struct Head {
    version: u64,
}

/// A transcript as read, before its values are checked.
#[derive(Deserialize)]
struct Unchecked {
    language: Option<String>,
    duration_ms: u64,
    model: String,
    audio: Option<AudioNote>,
    segments: Vec<Segment>,
    #[serde(default)]
    gaps: Vec<GapRecord>,
    #[serde(default)]
    removed: Vec<Removed>,
}

impl Transcript {
    /// Reads a transcript; fields that this version does not know are passed over.
    ///
    /// Errors: see [`TranscriptError`]; the first wrong value is named by its path.
    pub fn from_json(json: &str) -> Result<Self, TranscriptError> {
        if json.len() > TRANSCRIPT_BYTES_MAX {
            return Err(TranscriptError::TooLong { bytes: json.len() });
        }
        let Head { version } = serde_json::from_str(json).map_err(TranscriptError::Malformed)?;
        if version != u64::from(TRANSCRIPT_VERSION) {
            return Err(TranscriptError::UnknownVersion { found: version });
        }
        let read: Unchecked = serde_json::from_str(json).map_err(TranscriptError::Malformed)?;
        let transcript = Self {
            version: FormatVersion,
            language: read.language,
            duration_ms: read.duration_ms,
            model: read.model,
            audio: read.audio,
            segments: read.segments,
            gaps: read.gaps,
            removed: read.removed,
        };
        transcript.check()?;
        Ok(transcript)
    }

    /// Tells whether every value keeps the promises of the format, as a writer should before it writes.
    ///
    /// Errors: [`TranscriptError::Invalid`] with the first value that does not.
    pub fn check(&self) -> Result<(), TranscriptError> {
        check_order("segments", self.segments.iter().map(|s| (s.start_ms, s.end_ms)))?;
        check_order("gaps", self.gaps.iter().map(|g| (g.start_ms, g.end_ms)))?;
        check_order("removed", self.removed.iter().map(|r| (r.start_ms, r.end_ms)))?;
        for (index, segment) in self.segments.iter().enumerate() {
            check_segment(&format!("segments[{index}]"), segment)?;
        }
        Ok(())
    }
}

fn check_segment(place: &str, segment: &Segment) -> Result<(), TranscriptError> {
    check_confidence(place, segment.confidence)?;
    check_order(&format!("{place}.words"), segment.words.iter().map(|w| (w.start_ms, w.end_ms)))?;
    for (index, word) in segment.words.iter().enumerate() {
        let place = || format!("{place}.words[{index}]");
        check_confidence(&place(), word.confidence)?;
        if word.start_ms < segment.start_ms || word.end_ms > segment.end_ms {
            let problem = format!(
                "{} to {} ms lies outside its segment of {} to {} ms",
                word.start_ms, word.end_ms, segment.start_ms, segment.end_ms
            );
            return Err(TranscriptError::Invalid { place: place(), problem });
        }
    }
    Ok(())
}

fn check_confidence(place: &str, confidence: f32) -> Result<(), TranscriptError> {
    if !(0.0..=1.0).contains(&confidence) {
        let problem = format!("confidence {confidence} is not within 0 to 1");
        return Err(TranscriptError::Invalid { place: place.into(), problem });
    }
    Ok(())
}

fn check_order(list: &str, times: impl Iterator<Item = (u64, u64)>) -> Result<(), TranscriptError> {
    let invalid =
        |index: usize, problem| Err(TranscriptError::Invalid { place: format!("{list}[{index}]"), problem });
    let mut start_before_ms = 0;
    for (index, (start_ms, end_ms)) in times.enumerate() {
        if end_ms < start_ms {
            return invalid(index, format!("ends at {end_ms} ms before its start at {start_ms} ms"));
        }
        if start_ms < start_before_ms {
            return invalid(
                index,
                format!("starts at {start_ms} ms before the one above at {start_before_ms} ms"),
            );
        }
        start_before_ms = start_ms;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(start_ms: u64, end_ms: u64, text: &str) -> Word {
        Word { start_ms, end_ms, text: text.into(), confidence: 0.5 }
    }

    fn sound() -> Transcript {
        let words = vec![word(1_000, 1_500, "会議"), word(1_500, 2_000, "です。")];
        Transcript {
            duration_ms: 60_000,
            model: "whisper-base".into(),
            segments: vec![Segment {
                start_ms: 1_000,
                end_ms: 2_000,
                text: "会議です。".into(),
                confidence: 0.5,
                speaker: None,
                flags: Vec::new(),
                words,
            }],
            gaps: vec![GapRecord { start_ms: 3_000, end_ms: 4_000, reason: "recognizer_failed".into() }],
            removed: vec![Removed {
                start_ms: 5_000,
                end_ms: 6_000,
                text: "ご視聴".into(),
                reason: "silence".into(),
            }],
            ..Transcript::default()
        }
    }

    fn json(transcript: &Transcript) -> String {
        serde_json::to_string(transcript).expect("a transcript has string keys only")
    }

    fn problem_of(transcript: &Transcript) -> String {
        Transcript::from_json(&json(transcript)).expect_err("the transcript is broken").to_string()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut transcript = sound();
        transcript.segments[0].flags = vec!["speed".into()];
        transcript.language = Some("ja".into());
        transcript.audio = Some(AudioNote { damaged_packets: 2, missing_ms: 40, note: "2 packets".into() });
        assert_eq!(Transcript::from_json(&json(&transcript)).expect("it is sound"), transcript);
    }

    #[test]
    fn the_written_form_is_the_agreed_one_and_omits_what_is_empty() {
        let expected = concat!(
            r#"{"version":1,"duration_ms":60000,"model":"whisper-base","segments":[{"start_ms":1000,"end_ms":2000,"#,
            r#""text":"会議です。","confidence":0.5,"words":[{"start_ms":1000,"end_ms":1500,"text":"会議","#,
            r#""confidence":0.5},{"start_ms":1500,"end_ms":2000,"text":"です。","confidence":0.5}]}],"#,
            r#""gaps":[{"start_ms":3000,"end_ms":4000,"reason":"recognizer_failed"}],"#,
            r#""removed":[{"start_ms":5000,"end_ms":6000,"text":"ご視聴","reason":"silence"}]}"#,
        );
        assert_eq!(json(&sound()), expected);
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        let text = r#"{"colour": "red", "version": 1, "duration_ms": 5, "model": "m", "segments": []}"#;
        assert_eq!(Transcript::from_json(text).expect("unknown fields do not matter").duration_ms, 5);
    }

    #[test]
    fn a_newer_version_is_named_even_when_its_shape_is_unknown() {
        let error = Transcript::from_json(r#"{"rows": [], "version": 2}"#).expect_err("version 2 is unknown");
        assert_eq!(error.to_string(), "transcript version 2 is unknown, this program reads version 1");
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = Transcript::from_json(r#"{"version": 1, "duration_ms": 5}"#).expect_err("no model");
        assert!(error.to_string().starts_with("not a transcript: missing field `model`"));
    }

    #[test]
    fn a_word_that_ends_before_it_starts_is_named() {
        let mut transcript = sound();
        transcript.segments[0].words[1].end_ms = 1_400;
        assert_eq!(
            problem_of(&transcript),
            "segments[0].words[1]: ends at 1400 ms before its start at 1500 ms"
        );
    }

    #[test]
    fn words_outside_their_segment_are_named() {
        let mut transcript = sound();
        transcript.segments[0].end_ms = 1_900;
        assert_eq!(
            problem_of(&transcript),
            "segments[0].words[1]: 1500 to 2000 ms lies outside its segment of 1000 to 1900 ms"
        );
    }

    #[test]
    fn segments_out_of_order_are_named() {
        let mut transcript = sound();
        let mut early = transcript.segments[0].clone();
        early.start_ms = 500;
        early.words.clear();
        transcript.segments.push(early);
        assert_eq!(problem_of(&transcript), "segments[1]: starts at 500 ms before the one above at 1000 ms");
    }

    #[test]
    fn a_confidence_above_one_is_named() {
        let mut transcript = sound();
        transcript.segments[0].words[0].confidence = 1.25;
        assert_eq!(problem_of(&transcript), "segments[0].words[0]: confidence 1.25 is not within 0 to 1");
    }

    #[test]
    fn a_confidence_that_is_no_number_fails_the_check_before_writing() {
        let mut transcript = sound();
        transcript.segments[0].confidence = f32::NAN;
        assert!(transcript.check().is_err());
    }
}
