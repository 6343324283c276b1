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

/// Gives every segment its speaker, whatever it had; a segment in which the speaker changes becomes several.
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
    segment.flags.retain(|flag| flag != OVERLAP_FLAG);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn word(start_ms: u64, end_ms: u64, text: &str) -> Word {
        Word { start_ms, end_ms, text: text.into(), confidence: 0.5 }
    }

    fn segment(words: Vec<Word>) -> Segment {
        Segment {
            start_ms: words[0].start_ms,
            end_ms: words[words.len() - 1].end_ms,
            text: words.iter().map(|word| word.text.as_str()).collect(),
            confidence: 0.5,
            speaker: None,
            flags: Vec::new(),
            words,
        }
    }

    fn turn(start_ms: u64, end_ms: u64, speaker: u16) -> Turn {
        Turn { span: MediaSpan::from_ms(start_ms, end_ms), speaker: SpeakerId(speaker), overlap: false }
    }

    fn attributed(words: Vec<Word>, turns: &[Turn]) -> Vec<(Option<u16>, String)> {
        let mut transcript = Transcript { segments: vec![segment(words)], ..Transcript::default() };
        attribute(&mut transcript, turns);
        assert!(transcript.check().is_ok());
        transcript.segments.iter().map(|one| (one.speaker.map(|id| id.0), one.text.clone())).collect()
    }

    #[test]
    fn a_segment_is_split_where_the_speaker_changes() {
        let words = vec![
            word(0, 1_000, "終わります。"),
            word(1_100, 2_200, "質問が"),
            word(2_200, 3_000, "あります"),
        ];
        let parts = attributed(words, &[turn(0, 1_050, 1), turn(1_050, 3_000, 2)]);
        assert_eq!(parts, [(Some(1), "終わります。".into()), (Some(2), "質問があります".into())]);
    }

    #[test]
    fn the_change_is_moved_to_the_end_of_the_sentence_nearby() {
        let words = vec![
            word(0, 900, "以上です。"),
            word(900, 1_300, "では"),
            word(1_300, 2_300, "次に"),
            word(2_300, 3_300, "進みます"),
        ];
        // Heard a word too late.
        let parts = attributed(words, &[turn(0, 1_350, 1), turn(1_350, 3_300, 2)]);
        assert_eq!(parts, [(Some(1), "以上です。".into()), (Some(2), "では次に進みます".into())]);
    }

    #[test]
    fn a_change_back_and_forth_within_a_word_is_no_change() {
        let words =
            vec![word(0, 1_000, "今日の"), word(1_000, 1_500, "会議を"), word(1_500, 3_000, "始めます")];
        let parts = attributed(words, &[turn(0, 1_000, 1), turn(1_000, 1_500, 2), turn(1_500, 3_000, 1)]);
        assert_eq!(parts, [(Some(1), "今日の会議を始めます".into())]);
    }

    #[test]
    fn words_beside_a_turn_belong_to_it_and_words_far_from_all_to_nobody() {
        assert_eq!(attributed(vec![word(5_200, 5_900, "はい")], &[turn(0, 5_000, 3)])[0].0, Some(3));
        assert_eq!(attributed(vec![word(9_000, 9_900, "はい")], &[turn(0, 5_000, 3)])[0].0, None);
        assert_eq!(attributed(vec![word(0, 900, "はい")], &[])[0].0, None);
    }

    #[test]
    fn a_segment_without_words_has_one_speaker_and_overlap_is_marked() {
        let mut whole = segment(vec![word(0, 4_000, "あ")]);
        whole.words.clear();
        let mut transcript = Transcript { segments: vec![whole], ..Transcript::default() };
        let both = Turn { overlap: true, ..turn(1_000, 3_500, 2) };
        attribute(&mut transcript, &[turn(0, 1_000, 1), both]);
        assert_eq!(transcript.segments[0].speaker, Some(SpeakerId(2)));
        assert_eq!(transcript.segments[0].flags, [OVERLAP_FLAG]);
    }

    #[test]
    fn no_word_is_lost_whatever_the_turns_are() {
        let words: Vec<Word> = (0..40).map(|index| word(index * 300, index * 300 + 250, "語")).collect();
        for length in [200, 700, 900, 2_000] {
            let turns: Vec<Turn> = (0..30)
                .map(|index| turn(index * length, (index + 1) * length, index as u16 % 3 + 1))
                .collect();
            let parts = attributed(words.clone(), &turns);
            assert_eq!(parts.iter().map(|(_, text)| text.as_str()).collect::<String>(), "語".repeat(40));
        }
    }
}
