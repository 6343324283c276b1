//! Utterances cut in two and put together.

use crate::minutes::{BlockId, Utterance, tie};

/// Returns the byte at which a character begins; the end of the text is a place too.
pub(super) fn byte_of(text: &str, at: u32) -> Option<usize> {
    let ends = std::iter::once(text.len());
    text.char_indices().map(|(byte, _)| byte).chain(ends).nth(at as usize)
}

/// Cuts an utterance before a character; its words and its time are cut at the border of words nearest to it.
///
/// Shape: both keep speaker, marks, flags and whether they are shown. Absent if a side would have no text.
pub(super) fn split(whole: &Utterance, at: u32, new: BlockId) -> Option<(Utterance, Utterance)> {
    let byte = byte_of(&whole.text, at).filter(|byte| (1..whole.text.len()).contains(byte))?;
    let cut = nearest_border(whole, at as usize);
    let (mut first, mut second) = (whole.clone(), whole.clone());
    second.id = new;
    second.text = first.text.split_off(byte);
    second.words = first.words.split_off(cut);
    (first.end_ms, second.start_ms) = border_ms(whole, &first, &second);
    first.confidence = tie::confidence(&first.words).unwrap_or(whole.confidence);
    second.confidence = tie::confidence(&second.words).unwrap_or(whole.confidence);
    Some((first, second))
}

/// Returns how many words go to the first side: at least one to each if there are two or more.
fn nearest_border(whole: &Utterance, at: usize) -> usize {
    let count = whole.words.len();
    if count < 2 {
        let chars = whole.text.chars().count();
        return if at * 2 >= chars { count } else { 0 };
    }
    let starts = tie::word_starts(&whole.text, &whole.words);
    (1..count).min_by_key(|&index| starts[index].abs_diff(at)).unwrap_or(count)
}

/// Returns when the first side ends and when the second begins, within the whole.
fn border_ms(whole: &Utterance, first: &Utterance, second: &Utterance) -> (u64, u64) {
    let within = |ms: u64| ms.clamp(whole.start_ms, whole.end_ms);
    if let (Some(last), Some(next)) = (first.words.last(), second.words.first()) {
        return (within(last.end_ms), within(next.start_ms));
    }
    let (chars, all) = (first.text.chars().count() as u64, whole.text.chars().count() as u64);
    let ms = whole.start_ms + (whole.end_ms - whole.start_ms) * chars / all.max(1);
    (ms, ms)
}

/// Puts two utterances together; the first one keeps its name, and its speaker if it has one.
pub(super) fn join(first: &Utterance, second: &Utterance) -> Utterance {
    let mut joined = first.clone();
    let joint = tie::joint(&first.text, &second.text);
    joined.text = [&first.text, joint, &second.text].concat();
    joined.words.extend_from_slice(&second.words);
    if first.speaker.is_none() {
        (joined.speaker, joined.speaker_automatic) = (second.speaker, second.speaker_automatic);
    }
    joined.start_ms = first.start_ms.min(second.start_ms);
    joined.end_ms = first.end_ms.max(second.end_ms);
    let weight = |side: &Utterance| (side.text.chars().count(), side.confidence);
    joined.confidence =
        tie::weighted([weight(first), weight(second)].into_iter()).unwrap_or(first.confidence);
    joined.marks.extend(second.marks.iter().copied());
    let new_flags = second.flags.iter().filter(|flag| !first.flags.contains(flag));
    joined.flags.extend(new_flags.cloned());
    joined.edited = first.edited || second.edited;
    joined
}
