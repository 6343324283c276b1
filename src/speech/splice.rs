//! A stretch that was recognised again takes its place in the transcript of the whole recording.

use super::diarize::SpeakerId;
use super::transcript::{GapRecord, Removed, Segment, Transcript, Word};
use crate::audio::MediaSpan;

/// Puts what was heard again in `span` in place of what a transcript had there; everything else stays.
///
/// Shape: `again` counts from the start of the span. A segment that reaches over an edge is cut between two words, a
/// word belonging where its middle lies. Speakers are not asked again: whoever spoke longest in the old text meanwhile
/// is believed to have said the new one.
pub fn spliced(mut whole: Transcript, span: MediaSpan, again: Transcript) -> Transcript {
    let old = whole.segments.clone();
    whole.segments = whole.segments.into_iter().flat_map(|segment| outside(segment, span)).collect();
    whole.segments.extend(again.segments.into_iter().map(|segment| {
        let segment = moved(segment, span);
        Segment { speaker: speaker_of(&old, &segment), ..segment }
    }));
    whole.segments.sort_by_key(|segment| (segment.start_ms, segment.end_ms));
    whole.gaps = whole.gaps.into_iter().flat_map(|gap| gap_outside(&gap, span)).collect();
    whole.gaps.extend(again.gaps.into_iter().map(|gap| GapRecord {
        start_ms: on(span, gap.start_ms),
        end_ms: on(span, gap.end_ms),
        ..gap
    }));
    whole.gaps.sort_by_key(|gap| gap.start_ms);
    whole.removed.retain(|text| !is_inside(span, text.start_ms, text.end_ms));
    whole.removed.extend(again.removed.into_iter().map(|text| Removed {
        start_ms: on(span, text.start_ms),
        end_ms: on(span, text.end_ms),
        ..text
    }));
    whole.removed.sort_by_key(|text| text.start_ms);
    whole
}

/// Returns the place in the recording of a place in the stretch, never behind its end.
fn on(span: MediaSpan, ms: u64) -> u64 {
    span.start().plus_ms(ms).min(span.end()).ms()
}

fn moved(segment: Segment, span: MediaSpan) -> Segment {
    let word = |word: Word| Word { start_ms: on(span, word.start_ms), end_ms: on(span, word.end_ms), ..word };
    Segment {
        start_ms: on(span, segment.start_ms),
        end_ms: on(span, segment.end_ms),
        words: segment.words.into_iter().map(word).collect(),
        ..segment
    }
}

/// Tells whether the middle of something lies in the span.
fn is_inside(span: MediaSpan, start_ms: u64, end_ms: u64) -> bool {
    let middle_ms = start_ms.midpoint(end_ms);
    (span.start().ms()..span.end().ms()).contains(&middle_ms)
}

/// Returns what of a segment lies outside of the span: all of it, nothing, or its first and its last words.
fn outside(segment: Segment, span: MediaSpan) -> Vec<Segment> {
    let written: String = segment.words.iter().map(|word| word.text.as_str()).collect();
    if segment.words.is_empty() || written.trim_end() != segment.text.trim_end() {
        // Without its words nobody knows where to cut it.
        let stays = !is_inside(span, segment.start_ms, segment.end_ms);
        return stays.then_some(segment).into_iter().collect();
    }
    if !segment.words.iter().any(|word| is_inside(span, word.start_ms, word.end_ms)) {
        return vec![segment];
    }
    let is_before = |word: &Word| word.start_ms.midpoint(word.end_ms) < span.start().ms();
    let (before, rest): (Vec<Word>, Vec<Word>) = segment.words.iter().cloned().partition(is_before);
    let is_after = |word: &Word| !is_inside(span, word.start_ms, word.end_ms);
    let after: Vec<Word> = rest.into_iter().filter(is_after).collect();
    [before, after]
        .into_iter()
        .filter(|words| !words.is_empty())
        .map(|words| of_words(&segment, words))
        .collect()
}

fn of_words(segment: &Segment, words: Vec<Word>) -> Segment {
    let text: String = words.iter().map(|word| word.text.as_str()).collect();
    Segment {
        start_ms: words.first().map_or(segment.start_ms, |word| word.start_ms),
        end_ms: words.iter().map(|word| word.end_ms).max().unwrap_or(segment.end_ms),
        text: text.trim_end().to_owned(),
        words,
        ..segment.clone()
    }
}

fn gap_outside(gap: &GapRecord, span: MediaSpan) -> Vec<GapRecord> {
    let (start_ms, end_ms) = (span.start().ms(), span.end().ms());
    if gap.end_ms <= start_ms || gap.start_ms >= end_ms {
        return vec![gap.clone()];
    }
    let left = GapRecord { end_ms: start_ms, ..gap.clone() };
    let right = GapRecord { start_ms: end_ms, ..gap.clone() };
    let reaches_out = [(left, gap.start_ms < start_ms), (right, gap.end_ms > end_ms)];
    reaches_out.into_iter().filter_map(|(part, is_there)| is_there.then_some(part)).collect()
}

/// Returns who spoke longest in the old text while the new segment was said.
fn speaker_of(old: &[Segment], segment: &Segment) -> Option<SpeakerId> {
    let said = MediaSpan::from_ms(segment.start_ms, segment.end_ms);
    let shared = |old: &&Segment| MediaSpan::from_ms(old.start_ms, old.end_ms).overlap_ms(said);
    old.iter().filter(|old| old.speaker.is_some() && shared(old) > 0).max_by_key(shared)?.speaker
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of words of half a second each, one a character, beginning at a time.
    fn heard(segments: &[(u64, &str, Option<u16>)]) -> Transcript {
        let segment = |(start_ms, text, speaker): &(u64, &str, Option<u16>)| {
            let word = |(index, ch): (u64, char)| Word {
                start_ms: start_ms + index * 500,
                end_ms: start_ms + index * 500 + 500,
                text: ch.into(),
                confidence: 0.9,
            };
            let words: Vec<Word> = (0..).zip(text.chars()).map(word).collect();
            Segment {
                start_ms: *start_ms,
                end_ms: words.last().map_or(*start_ms, |word| word.end_ms),
                text: (*text).to_owned(),
                confidence: 0.9,
                speaker: speaker.map(SpeakerId),
                flags: Vec::new(),
                words,
            }
        };
        Transcript {
            duration_ms: 60_000,
            segments: segments.iter().map(segment).collect(),
            ..Transcript::default()
        }
    }

    fn told(transcript: &Transcript) -> Vec<(u64, &str, Option<u16>)> {
        transcript.check().expect("the promises of the format are kept");
        let told = |segment: &'_ Segment| (segment.start_ms, segment.speaker.map(|speaker| speaker.0));
        let texts = transcript.segments.iter().map(|segment| segment.text.as_str());
        let places = transcript.segments.iter().map(told);
        places.zip(texts).map(|((start, speaker), text)| (start, text, speaker)).collect()
    }

    #[test]
    fn only_the_stretch_is_replaced_and_segments_are_cut_between_words() {
        let whole =
            heard(&[(0, "あいうえ", Some(1)), (2_000, "かきくけ", Some(2)), (4_000, "さし", Some(1))]);
        let again = heard(&[(0, "ウエカ", None)]);
        let made = spliced(whole, MediaSpan::from_ms(1_000, 2_500), again);
        let expected = [
            (0, "あい", Some(1)),
            (1_000, "ウエカ", Some(1)),
            (2_500, "きくけ", Some(2)),
            (4_000, "さし", Some(1)),
        ];
        assert_eq!(told(&made), expected);
        assert_eq!(made.duration_ms, 60_000);
    }

    #[test]
    fn a_segment_around_the_stretch_stays_on_both_sides_of_it() {
        let made =
            spliced(heard(&[(0, "あいうえお", Some(3))]), MediaSpan::from_ms(1_000, 1_500), heard(&[]));
        assert_eq!(told(&made), [(0, "あい", Some(3)), (1_500, "えお", Some(3))]);
    }

    #[test]
    fn a_text_whose_words_are_not_known_is_never_cut() {
        let mut whole = heard(&[(0, "あいうえ", None), (10_000, "かき", None)]);
        whole.segments[0].words.clear();
        let (none, left) = (heard(&[]), MediaSpan::from_ms(0, 500));
        assert_eq!(told(&spliced(whole.clone(), left, none.clone())).len(), 2, "its middle lies elsewhere");
        assert_eq!(told(&spliced(whole, MediaSpan::from_ms(500, 1_500), none)), [(10_000, "かき", None)]);
    }

    #[test]
    fn gaps_and_texts_kept_aside_change_in_the_stretch_alone() {
        let gap = |start_ms, end_ms| GapRecord { start_ms, end_ms, reason: "engine".to_owned() };
        let removed = |start_ms, text: &str| {
            let (text, reason) = (text.to_owned(), "loop".to_owned());
            Removed { start_ms, end_ms: start_ms + 100, text, reason }
        };
        let whole = Transcript {
            gaps: vec![gap(0, 10_000), gap(20_000, 21_000)],
            removed: vec![removed(4_500, "旧"), removed(9_000, "残")],
            ..heard(&[])
        };
        let again = Transcript { gaps: vec![gap(500, 700)], removed: vec![removed(0, "新")], ..heard(&[]) };
        let made = spliced(whole, MediaSpan::from_ms(4_000, 6_000), again);
        assert_eq!(made.gaps, [gap(0, 4_000), gap(4_500, 4_700), gap(6_000, 10_000), gap(20_000, 21_000)]);
        assert_eq!(made.removed, [removed(4_000, "新"), removed(9_000, "残")]);
    }

    #[test]
    fn a_time_behind_the_end_of_the_stretch_is_its_end() {
        let made = spliced(heard(&[]), MediaSpan::from_ms(1_000, 1_700), heard(&[(0, "あい", None)]));
        assert_eq!((made.segments[0].end_ms, made.segments[0].words[1].end_ms), (1_700, 1_700));
        made.check().expect("the promises of the format are kept");
    }
}
