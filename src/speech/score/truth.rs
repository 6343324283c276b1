//! What people really said, as someone wrote it down.

use super::ScoreError;

/// What was said in a recording.
///
/// Shape: segments sorted by start; they may overlap, as people do.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Length of the recording in milliseconds.
    pub duration_ms: u64,
    /// What was said; empty if nobody speaks.
    pub segments: Vec<TruthSegment>,
}

/// What one person said in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthSegment {
    /// Who spoke, if that is known.
    pub speaker: Option<String>,
    /// Start in milliseconds since the recording began.
    pub start_ms: u64,
    /// End in milliseconds, never before the start.
    pub end_ms: u64,
    /// The words, spelt as the writer liked.
    pub text: String,
}

#[derive(serde::Deserialize)]
struct TruthFile {
    duration: f64,
    segments: Vec<TruthFileSegment>,
}

#[derive(serde::Deserialize)]
struct TruthFileSegment {
    speaker: Option<String>,
    start: f64,
    end: f64,
    text: String,
}

impl Truth {
    /// Describes a recording in which nobody speaks.
    pub fn silence(duration_ms: u64) -> Self {
        Self { duration_ms, segments: Vec::new() }
    }

    /// Reads `{"duration", "segments": [{"speaker", "start", "end", "text"}]}` with times in seconds.
    ///
    /// Errors: [`ScoreError::Malformed`] for another shape, [`ScoreError::Invalid`] for times that cannot be.
    pub fn from_json(json: &str) -> Result<Self, ScoreError> {
        let file: TruthFile =
            serde_json::from_str(json).map_err(|reason| ScoreError::Malformed { what: "truth", reason })?;
        let duration_ms = ms("duration", file.duration)?;
        let mut segments = Vec::with_capacity(file.segments.len());
        for (index, segment) in file.segments.into_iter().enumerate() {
            let (start_ms, end_ms) = times(index, segment.start, segment.end)?;
            segments.push(TruthSegment { speaker: segment.speaker, start_ms, end_ms, text: segment.text });
        }
        segments.sort_by_key(|segment| segment.start_ms);
        Ok(Self { duration_ms, segments })
    }
}

/// Takes the times of `segments[index]` from seconds to milliseconds.
pub(super) fn times(index: usize, start: f64, end: f64) -> Result<(u64, u64), ScoreError> {
    let place = format!("segments[{index}]");
    let (start_ms, end_ms) = (ms(&place, start)?, ms(&place, end)?);
    if end_ms < start_ms {
        return Err(ScoreError::Invalid {
            place,
            problem: format!("ends at {end} s before its start at {start} s"),
        });
    }
    Ok((start_ms, end_ms))
}

fn ms(place: &str, seconds: f64) -> Result<u64, ScoreError> {
    if !(seconds.is_finite() && seconds >= 0.0) {
        let problem = format!("{seconds} is no time in seconds");
        return Err(ScoreError::Invalid { place: place.into(), problem });
    }
    Ok((seconds * 1_000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds_and_segments_are_sorted() {
        let json = r#"{"duration": 9.5, "segments": [
            {"speaker": "B", "start": 4.0, "end": 5.001, "text": "はい。"},
            {"speaker": "A", "start": 1.0, "end": 3.25, "text": "始めます。"}]}"#;
        let truth = Truth::from_json(json).expect("the file is sound");
        assert_eq!(truth.duration_ms, 9_500);
        assert_eq!(truth.segments[0].text, "始めます。");
        assert_eq!((truth.segments[1].start_ms, truth.segments[1].end_ms), (4_000, 5_001));
    }

    #[test]
    fn a_segment_that_ends_before_it_starts_is_refused_by_name() {
        let json = r#"{"duration": 9, "segments": [{"start": 4.0, "end": 3.0, "text": ""}]}"#;
        let error = Truth::from_json(json).expect_err("the times are reversed");
        assert_eq!(error.to_string(), "segments[0]: ends at 3 s before its start at 4 s");
    }

    #[test]
    fn a_negative_duration_is_refused() {
        let error = Truth::from_json(r#"{"duration": -1, "segments": []}"#).expect_err("no such duration");
        assert_eq!(error.to_string(), "duration: -1 is no time in seconds");
    }
}
