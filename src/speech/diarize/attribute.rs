//! Turns meet words: every segment gets its speaker, and is split where the speaker changes.

use super::{SpeakerId, Turn};
use crate::audio::MediaSpan;
use crate::speech::transcript::{Segment, Transcript, Word};

/// A change of speaker back and forth within less is a mistake or no more than a word.
///
/// Source: the shortest utterances that are worth a line of their own, はい and 異議なし, last about so long.
const RUN_MS_MIN: u64 = 800;

/// A change is moved to the end of a sentence or to a pause if one is at most so far away.
const SNAP_MS: u64 = 700;

/// A pause between two words at which speakers may change.
const PAUSE_MS: u64 = 200;

/// Somebody who speaks no further away than this is taken for the speaker of words in a stretch without turns.
const NEAR_MS: u64 = 1_000;

/// The word by which a segment tells that two speak in it at once.
pub const OVERLAP_FLAG: &str = "overlap";

/// Share of a segment that must overlap before it is marked.
const OVERLAP_SHARE: f64 = 0.3;

/// Gives every segment its speaker; a segment in which the speaker changes becomes several.
///
/// Shape: `turns` in the order of their starts. The text stays as it is but for spaces at the ends of parts.
pub fn attribute(transcript: &mut Transcript, turns: &[Turn]) {
    let segments = std::mem::take(&mut transcript.segments);
    let mut parts: Vec<Segment> = segments.into_iter().flat_map(|segment| split(segment, turns)).collect();
    parts.sort_by_key(|part| part.start_ms);
    transcript.segments = parts;
}

fn split(mut segment: Segment, turns: &[Turn]) -> Vec<Segment> {
    let span = MediaSpan::from_ms(segment.start_ms, segment.end_ms);
    let wide = MediaSpan::new(span.start().minus_ms(NEAR_MS + 1), span.end().plus_ms(NEAR_MS + 1));
    let near: Vec<Turn> = turns.iter().filter(|turn| turn.span.overlap_ms(wide) > 0).copied().collect();
    let turns = near.as_slice();
    mark_overlap(&mut segment, turns);
    if segment.words.is_empty() {
        segment.speaker = speaker_of(span, turns);
        return vec![segment];
    }
    let mut runs = runs(&segment.words, turns);
    settle(&mut runs, &segment.words);
    if let [run] = runs.as_slice() {
        segment.speaker = run.speaker;
        return vec![segment];
    }
    for index in 1..runs.len() {
        let cut = snapped(&segment.words, &runs, index);
        (runs[index - 1].end, runs[index].start) = (cut, cut);
    }
    runs.iter().map(|run| part(&segment, run)).collect()
}

/// Words that follow each other, said by one speaker.
struct Run {
    start: usize,
    end: usize,
    speaker: Option<SpeakerId>,
}

impl Run {
    fn span(&self, words: &[Word]) -> MediaSpan {
        let words = &words[self.start..self.end];
        let end_ms = words.iter().map(|word| word.end_ms).max().unwrap_or(0);
        MediaSpan::from_ms(words.first().map_or(0, |word| word.start_ms), end_ms)
    }
}

fn runs(words: &[Word], turns: &[Turn]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let speaker = speaker_of(MediaSpan::from_ms(word.start_ms, word.end_ms), turns);
        match runs.last_mut() {
            Some(run) if run.speaker == speaker || speaker.is_none() => run.end = index + 1,
            _ => runs.push(Run { start: index, end: index + 1, speaker }),
        }
    }
    runs
}

/// Joins the shortest run to the longer of its neighbours until all are long enough.
fn settle(runs: &mut Vec<Run>, words: &[Word]) {
    while runs.len() > 1 {
        let lengths: Vec<u64> = runs.iter().map(|run| run.span(words).len_ms()).collect();
        let shortest = (0..runs.len()).min_by_key(|index| lengths[*index]).unwrap_or(0);
        let unknown = runs.iter().position(|run| run.speaker.is_none());
        let Some(index) = unknown.or((lengths[shortest] < RUN_MS_MIN).then_some(shortest)) else { return };
        let length = |index: usize| lengths.get(index).copied().unwrap_or(0);
        let before = index.checked_sub(1).map_or(0, length);
        let into = if index > 0 && before >= length(index + 1) { index - 1 } else { index + 1 };
        let run = runs.remove(index);
        let into = into - usize::from(into > index);
        runs[into].start = runs[into].start.min(run.start);
        runs[into].end = runs[into].end.max(run.end);
        join_equal(runs);
    }
}

fn join_equal(runs: &mut Vec<Run>) {
    let mut index = 1;
    while index < runs.len() {
        if runs[index].speaker == runs[index - 1].speaker {
            runs[index - 1].end = runs.remove(index).end;
        } else {
            index += 1;
        }
    }
}

/// Returns the word before which the speaker changes: at the best place near the change as it was heard.
fn snapped(words: &[Word], runs: &[Run], index: usize) -> usize {
    let heard = runs[index].start;
    let at_ms = words[heard].start_ms;
    let quality = |cut: usize| {
        let (before, after) = (&words[cut - 1], &words[cut]);
        if before.text.trim_end().ends_with(['。', '？', '！', '?', '!', '.']) {
            2
        } else {
            u8::from(after.start_ms.saturating_sub(before.end_ms) >= PAUSE_MS)
        }
    };
    let inside = runs[index - 1].start + 1..runs[index].end;
    let near = inside.filter(|cut| words[*cut].start_ms.abs_diff(at_ms) <= SNAP_MS);
    near.max_by_key(|cut| (quality(*cut), std::cmp::Reverse(words[*cut].start_ms.abs_diff(at_ms))))
        .unwrap_or(heard)
}

fn part(segment: &Segment, run: &Run) -> Segment {
    let words = segment.words[run.start..run.end].to_vec();
    let span = run.span(&segment.words);
    let text: String = words.iter().map(|word| word.text.as_str()).collect();
    let sure = words.iter().map(|word| word.confidence).sum::<f32>() / words.len().max(1) as f32;
    Segment {
        start_ms: span.start().ms(),
        end_ms: span.end().ms(),
        text: text.trim().to_owned(),
        confidence: sure.clamp(0.0, 1.0),
        speaker: run.speaker,
        flags: segment.flags.clone(),
        words,
    }
}

fn mark_overlap(segment: &mut Segment, turns: &[Turn]) {
    let span = MediaSpan::from_ms(segment.start_ms, segment.end_ms);
    let both = turns.iter().filter(|turn| turn.overlap).map(|turn| turn.span.overlap_ms(span));
    let both: u64 = both.sum();
    if both as f64 > OVERLAP_SHARE * span.len_ms() as f64 {
        segment.flags.push(OVERLAP_FLAG.to_owned());
    }
}

/// Returns who speaks most in a span; without anybody, the nearest; nobody if all are far.
fn speaker_of(span: MediaSpan, turns: &[Turn]) -> Option<SpeakerId> {
    let distance_ms = |turn: &Turn| {
        let (start, end) = (turn.span.start().ms(), turn.span.end().ms());
        span.start().ms().saturating_sub(end).max(start.saturating_sub(span.end().ms()))
    };
    let near = turns.iter().filter(|turn| distance_ms(turn) <= NEAR_MS);
    near.max_by_key(|turn| (turn.span.overlap_ms(span), std::cmp::Reverse(distance_ms(turn))))
        .map(|turn| turn.speaker)
}
