//! What is shown of a window's segments, and what is kept aside. Nothing is lost: each removal can be taken back.

use super::assemble::Draft;
use super::detect::{Suspicion, is_invented, is_punctuation};
use super::transcript::{Removed, Segment};

/// Segments with the same text in a row from which on they are one loop.
const SAME_SEGMENTS_MIN: usize = 4;
/// Most characters that sound shared by two windows can hold: 0.3 s of fast speech.
const OVERLAP_CHARS_MAX: usize = 8;
/// Fewer characters than this may be alike by chance.
const OVERLAP_CHARS_MIN: usize = 2;

/// Divides a window's drafts into text to show, with its flags, and text to keep aside.
pub fn sort_out(drafts: Vec<Draft>) -> (Vec<Segment>, Vec<Removed>) {
    let repeats = repeated_after(&drafts);
    let (mut segments, mut removed) = (Vec::new(), Vec::new());
    for (draft, is_repeat) in drafts.into_iter().zip(repeats) {
        let Draft { mut segment, raw_text, suspicions } = draft;
        if is_repeat {
            removed.push(aside(&segment, raw_text, Suspicion::Loop));
        } else if is_invented(&suspicions) {
            removed.push(aside(&segment, raw_text, reason(&suspicions)));
        } else {
            segment.flags = suspicions.iter().map(|suspicion| word(*suspicion).to_owned()).collect();
            if suspicions.contains(&Suspicion::Loop) {
                removed.push(aside(&segment, raw_text, Suspicion::Loop));
            }
            segments.push(segment);
        }
    }
    (segments, removed)
}

/// Takes away what `segments` repeat of the text before them, where two windows share sound.
///
/// Only a repetition right at the seam counts, and only of a few characters; a longer one was said twice.
pub fn join_overlap(before: &str, overlaps: bool, segments: &mut [Segment]) {
    let Some(first) = segments.first_mut().filter(|_| overlaps) else { return };
    let tail: Vec<char> = before.chars().filter(|c| !is_punctuation(*c)).collect();
    let head: Vec<char> = first.text.chars().collect();
    let longest = OVERLAP_CHARS_MAX.min(tail.len()).min(head.len());
    let shared =
        (OVERLAP_CHARS_MIN..=longest).rev().find(|count| tail[tail.len() - count..] == head[..*count]);
    if let Some(count) = shared {
        drop_chars(first, count);
    }
}

fn drop_chars(segment: &mut Segment, count: usize) {
    segment.text = segment.text.chars().skip(count).collect();
    let mut left = count;
    for word in &mut segment.words {
        let length = word.text.chars().count();
        word.text = word.text.chars().skip(left).collect();
        left = left.saturating_sub(length);
    }
    segment.words.retain(|word| !word.text.is_empty());
    if let Some(word) = segment.words.first() {
        segment.start_ms = word.start_ms;
    }
}

/// Tells for each draft whether it repeats the one before it in a run of at least [`SAME_SEGMENTS_MIN`].
fn repeated_after(drafts: &[Draft]) -> Vec<bool> {
    let mut repeats = vec![false; drafts.len()];
    let mut start = 0;
    for end in 1..=drafts.len() {
        let goes_on = end < drafts.len() && drafts[end].segment.text == drafts[start].segment.text;
        if !goes_on {
            if end - start >= SAME_SEGMENTS_MIN {
                repeats[start + 1..end].fill(true);
            }
            start = end;
        }
    }
    repeats
}

fn aside(segment: &Segment, text: String, reason: Suspicion) -> Removed {
    Removed { start_ms: segment.start_ms, end_ms: segment.end_ms, text, reason: word(reason).into() }
}

fn reason(suspicions: &[Suspicion]) -> Suspicion {
    let silence = suspicions.contains(&Suspicion::Silence);
    if silence { Suspicion::Silence } else { Suspicion::SubtitlePhrase }
}

/// The stable word of the transcript format.
fn word(suspicion: Suspicion) -> &'static str {
    match suspicion {
        Suspicion::Loop => "loop",
        Suspicion::LowConfidence => "low_confidence",
        Suspicion::Speed => "speed",
        Suspicion::CutOff => "cut_off",
        Suspicion::Silence => "silence",
        Suspicion::SubtitlePhrase => "subtitle_phrase",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::transcript::Word;

    fn segment(text: &str) -> Segment {
        let word = |(index, c): (usize, char)| Word {
            start_ms: index as u64 * 100,
            end_ms: index as u64 * 100 + 100,
            text: c.to_string(),
            confidence: 0.9,
        };
        let words: Vec<Word> = text.chars().enumerate().map(word).collect();
        let end_ms = words.len() as u64 * 100;
        Segment {
            start_ms: 0,
            end_ms,
            text: text.into(),
            confidence: 0.9,
            speaker: None,
            flags: vec![],
            words,
        }
    }

    fn draft(text: &str, suspicions: &[Suspicion]) -> Draft {
        Draft { segment: segment(text), raw_text: text.into(), suspicions: suspicions.to_vec() }
    }

    #[test]
    fn a_doubtful_segment_is_shown_with_its_flags() {
        let (segments, removed) = sort_out(vec![draft("予算です", &[Suspicion::LowConfidence])]);
        assert_eq!(segments[0].flags, ["low_confidence"]);
        assert_eq!(removed, []);
    }

    #[test]
    fn invented_text_is_kept_aside_with_its_reason() {
        let drafts =
            vec![draft("ご視聴ありがとうございました", &[Suspicion::Silence, Suspicion::SubtitlePhrase])];
        let (segments, removed) = sort_out(drafts);
        assert_eq!(segments, []);
        assert_eq!(
            (removed[0].text.as_str(), removed[0].reason.as_str()),
            ("ご視聴ありがとうございました", "silence")
        );
    }

    #[test]
    fn the_same_segment_four_times_is_one_and_the_rest_is_kept_aside() {
        let (segments, removed) = sort_out(vec![draft("はい、次です。", &[]); 5]);
        assert_eq!(segments.len(), 1);
        assert_eq!(removed.len(), 4);
    }

    #[test]
    fn three_answers_of_yes_stay() {
        let (segments, removed) = sort_out(vec![draft("はい。", &[]); 3]);
        assert_eq!((segments.len(), removed.len()), (3, 0));
    }

    #[test]
    fn characters_heard_in_both_windows_are_written_once() {
        let mut segments = [segment("会議を始めます")];
        join_overlap("それでは会議を", true, &mut segments);
        assert_eq!(segments[0].text, "始めます");
        assert_eq!(segments[0].start_ms, 300);
        assert_eq!(segments[0].words.len(), 4);
    }

    #[test]
    fn words_said_twice_stay_twice_where_windows_share_no_sound() {
        let mut segments = [segment("はいわかりました")];
        join_overlap("それははい", false, &mut segments);
        assert_eq!(segments[0].text, "はいわかりました");
    }
}
