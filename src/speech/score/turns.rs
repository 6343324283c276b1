//! Who spoke when, compared with the truth: the diarization error rate.
//!
//! Every millisecond counts, the ones around a change of speaker and those in which several speak at once too: no
//! collar, overlap included. The speakers of both sides are paired so that the most time agrees.

use std::collections::BTreeMap;

use crate::audio::{MediaSpan, MediaTime};

/// Most speakers of one side; the pairing takes the cube of it.
pub const SPEAKERS_MAX: usize = 200;

/// Most turns of one file.
const TURNS_MAX: usize = 200_000;

/// One speaker's turn, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTurn {
    /// When.
    pub span: MediaSpan,
    /// Who.
    pub speaker: String,
}

/// Time of speech that is right and wrong, milliseconds; where several speak at once each of them counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpeakerTime {
    /// Speech in the truth.
    pub total_ms: u64,
    /// Speech of the truth that nobody was given to.
    pub missed_ms: u64,
    /// Speech that nobody spoke.
    pub false_alarm_ms: u64,
    /// Speech that was given to somebody else.
    pub confused_ms: u64,
}

/// Why a list of turns could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TurnsError {
    /// A line has too few fields, or no number where one must be.
    #[error("line {line} is no turn of RTTM: {text:?}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// There are more than can be compared.
    #[error("more than {TURNS_MAX} turns or {SPEAKERS_MAX} speakers")]
    TooMany,
}

impl SpeakerTime {
    /// Returns the share of speech that is wrong; nothing without speech.
    pub fn rate(&self) -> Option<f64> {
        let wrong = self.missed_ms + self.false_alarm_ms + self.confused_ms;
        (self.total_ms > 0).then(|| wrong as f64 / self.total_ms as f64)
    }
}

/// Compares turns with the truth.
///
/// Shape: turns in any order; a speaker who overlaps with themselves counts once.
/// Errors: [`TurnsError::TooMany`] speakers.
/// Source: as `pyannote.metrics.diarization.DiarizationErrorRate(collar=0, skip_overlap=False)` counts.
pub fn compare(truth: &[NamedTurn], heard: &[NamedTurn]) -> Result<SpeakerTime, TurnsError> {
    let (truth, heard) = (Lanes::of(truth)?, Lanes::of(heard)?);
    let mut time = SpeakerTime::default();
    let mut together = vec![vec![0_u64; heard.count]; truth.count];
    let mut both_ms = 0;
    for (span, speaking, given) in moments(&truth, &heard) {
        let (length, wanted, found) = (span.len_ms(), speaking.len() as u64, given.len() as u64);
        time.total_ms += length * wanted;
        time.missed_ms += length * wanted.saturating_sub(found);
        time.false_alarm_ms += length * found.saturating_sub(wanted);
        both_ms += length * wanted.min(found);
        for speaker in &speaking {
            for other in &given {
                together[*speaker][*other] += length;
            }
        }
    }
    time.confused_ms = both_ms - most_agreement(&together);
    Ok(time)
}

/// Turns with speakers as numbers.
struct Lanes {
    turns: Vec<(MediaSpan, usize)>,
    count: usize,
}

impl Lanes {
    fn of(turns: &[NamedTurn]) -> Result<Self, TurnsError> {
        let mut numbers = BTreeMap::new();
        let mut lanes = Vec::with_capacity(turns.len());
        for turn in turns.iter().filter(|turn| !turn.span.is_empty()) {
            let next = numbers.len();
            lanes.push((turn.span, *numbers.entry(turn.speaker.as_str()).or_insert(next)));
        }
        match numbers.len() {
            count @ ..=SPEAKERS_MAX => Ok(Self { turns: lanes, count }),
            _ => Err(TurnsError::TooMany),
        }
    }
}

/// Returns the stretches in which nobody begins or ends, and who speaks in each on both sides.
fn moments(truth: &Lanes, heard: &Lanes) -> Vec<(MediaSpan, Vec<usize>, Vec<usize>)> {
    /// How many turns each speaker has begun more than ended, for both sides.
    struct Open([Vec<i32>; 2]);
    let mut edges: Vec<(MediaTime, usize, usize, i32)> = Vec::new();
    for (side, lanes) in [truth, heard].into_iter().enumerate() {
        for (span, speaker) in &lanes.turns {
            edges.push((span.start(), side, *speaker, 1));
            edges.push((span.end(), side, *speaker, -1));
        }
    }
    edges.sort_by_key(|edge| edge.0);
    let mut open = Open([vec![0; truth.count], vec![0; heard.count]]);
    let mut found = Vec::new();
    for (index, (time, side, speaker, change)) in edges.iter().enumerate() {
        open.0[*side][*speaker] += change;
        let next = edges.get(index + 1).map_or(*time, |edge| edge.0);
        if next > *time {
            let speaking =
                |side: usize| (0..open.0[side].len()).filter(|speaker| open.0[side][*speaker] > 0).collect();
            found.push((MediaSpan::new(*time, next), speaking(0), speaking(1)));
        }
    }
    found
}

/// Returns the most time on which both sides can agree, each speaker being paired with one of the other side at most.
///
/// Source: the Hungarian method with potentials, shortest augmenting paths; cubic in the number of speakers.
fn most_agreement(together: &[Vec<u64>]) -> u64 {
    let size = together.len().max(together.first().map_or(0, Vec::len));
    let gain = |row: usize, column: usize| {
        together.get(row).and_then(|row| row.get(column)).map_or(0, |gain| gain.cast_signed())
    };
    // Index 0 stands for nobody; rows and columns count from 1.
    let (mut row_price, mut column_price) = (vec![0_i64; size + 1], vec![0_i64; size + 1]);
    let mut row_of = vec![0_usize; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let (mut least, mut before) = (vec![i64::MAX; size + 1], vec![0_usize; size + 1]);
        let mut used = vec![false; size + 1];
        let mut column = 0;
        loop {
            used[column] = true;
            let (from, mut step, mut next) = (row_of[column], i64::MAX, 0);
            for to in (1..=size).filter(|to| !used[*to]) {
                let cost = -gain(from - 1, to - 1) - row_price[from] - column_price[to];
                if cost < least[to] {
                    (least[to], before[to]) = (cost, column);
                }
                if least[to] < step {
                    (step, next) = (least[to], to);
                }
            }
            for to in 0..=size {
                if used[to] {
                    row_price[row_of[to]] += step;
                    column_price[to] -= step;
                } else {
                    least[to] = least[to].saturating_sub(step);
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    (1..=size).map(|column| gain(row_of[column] - 1, column - 1)).sum::<i64>().cast_unsigned()
}

/// Reads the turns of a file in RTTM.
///
/// Shape: lines `SPEAKER file channel start length <NA> <NA> speaker …`, seconds; other lines are passed over.
/// Errors: see [`TurnsError`].
pub fn from_rttm(text: &str) -> Result<Vec<NamedTurn>, TurnsError> {
    let mut turns = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first() != Some(&"SPEAKER") {
            continue;
        }
        let refused =
            || TurnsError::Line { line: index + 1, text: line.chars().take(80).collect::<String>() };
        let (start_ms, length_ms) = (milliseconds(&fields, 3), milliseconds(&fields, 4));
        let (Some(start_ms), Some(length_ms), Some(speaker)) = (start_ms, length_ms, fields.get(7)) else {
            return Err(refused());
        };
        if turns.len() == TURNS_MAX {
            return Err(TurnsError::TooMany);
        }
        let span = MediaSpan::from_ms(start_ms, start_ms + length_ms);
        turns.push(NamedTurn { span, speaker: (*speaker).to_owned() });
    }
    Ok(turns)
}

/// Writes turns as RTTM; `file` is the name of the recording.
pub fn to_rttm(turns: &[NamedTurn], file: &str) -> String {
    let word = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("_");
    let line = |turn: &NamedTurn| {
        let (start, length) = (turn.span.start().seconds(), turn.span.len_ms() as f64 / 1000.0);
        let (file, speaker) = (word(file), word(&turn.speaker));
        format!("SPEAKER {file} 1 {start:.3} {length:.3} <NA> <NA> {speaker} <NA> <NA>\n")
    };
    turns.iter().map(line).collect()
}

fn milliseconds(fields: &[&str], index: usize) -> Option<u64> {
    /// A year: no recording is longer.
    const SECONDS_MAX: f64 = 31_536_000.0;
    let seconds: f64 = fields.get(index)?.parse().ok()?;
    (0.0..=SECONDS_MAX).contains(&seconds).then(|| (seconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        truth: Vec<(u64, u64, String)>,
        heard: Vec<(u64, u64, String)>,
        total_ms: u64,
        missed_ms: u64,
        false_alarm_ms: u64,
        confused_ms: u64,
    }

    fn turns(list: &[(u64, u64, String)]) -> Vec<NamedTurn> {
        let turn = |(start, end, speaker): &(u64, u64, String)| NamedTurn {
            span: MediaSpan::from_ms(*start, *end),
            speaker: speaker.clone(),
        };
        list.iter().map(turn).collect()
    }

    #[test]
    fn the_errors_are_those_that_pyannote_metrics_counts() {
        let cases = include_str!("../../../tests/fixtures/voice/turns.json");
        let cases: Vec<Case> = serde_json::from_str(cases).expect("the fixture is complete");
        assert!(cases.len() > 20);
        for (index, case) in cases.iter().enumerate() {
            let time = compare(&turns(&case.truth), &turns(&case.heard)).expect("few speakers");
            let wanted = SpeakerTime {
                total_ms: case.total_ms,
                missed_ms: case.missed_ms,
                false_alarm_ms: case.false_alarm_ms,
                confused_ms: case.confused_ms,
            };
            assert_eq!(time, wanted, "case {index}");
        }
    }

    #[test]
    fn turns_survive_the_way_through_rttm() {
        let turns = turns(&[(1_440, 13_312, "MEE009".into()), (13_000, 16_922, "話者 2".into())]);
        let text = to_rttm(&turns, "a meeting");
        assert!(text.starts_with("SPEAKER a_meeting 1 1.440 11.872 <NA> <NA> MEE009 <NA> <NA>\n"), "{text}");
        let read = from_rttm(&text).expect("it was just written");
        assert_eq!((read[0].clone(), read[1].span), (turns[0].clone(), turns[1].span));
        assert_eq!(read[1].speaker, "話者_2");
    }

    #[test]
    fn a_line_that_is_no_turn_is_named_and_other_lines_are_passed_over() {
        let text = "SPKR-INFO x 1 <NA>\nSPEAKER x 1 0.5 soon <NA> <NA> a\n";
        assert!(matches!(from_rttm(text), Err(TurnsError::Line { line: 2, .. })));
        assert_eq!(from_rttm(";; nothing\n"), Ok(Vec::new()));
    }

    #[test]
    fn nothing_said_has_no_rate_and_silence_heard_as_speech_counts() {
        assert_eq!(compare(&[], &[]).map(|time| time.rate()), Ok(None));
        let time = compare(&[], &turns(&[(0, 500, "x".into())])).expect("one speaker");
        assert_eq!((time.false_alarm_ms, time.rate()), (500, None));
    }

    #[test]
    fn too_many_speakers_are_refused() {
        let many: Vec<_> = (0..=SPEAKERS_MAX as u64).map(|one| (one, one + 1, one.to_string())).collect();
        assert_eq!(compare(&turns(&many), &[]), Err(TurnsError::TooMany));
    }
}
