//! Ties an edited text to the words it came from, and so to the sound.

use crate::speech::score::align;
use crate::speech::transcript::Word;

/// Most characters of text and words together that are aligned; beyond, places are found by proportion.
const ALIGNED_CHARS_MAX: usize = 100_000;

/// Returns for each word where it begins in the text, in characters.
///
/// Shape: as many places as words, never falling, the first one 0. Characters that no word has stay with the word
/// before them, so that a 。 put in by a person does not begin the next word.
pub fn word_starts(text: &str, words: &[Word]) -> Vec<usize> {
    let chars: Vec<char> = text.chars().collect();
    let heard: Vec<char> = words.iter().flat_map(|word| word.text.chars()).collect();
    let firsts = firsts(words);
    if chars == heard {
        return firsts;
    }
    if chars.len() + heard.len() > ALIGNED_CHARS_MAX || heard.is_empty() {
        let scale = |first: usize| first * chars.len() / heard.len().max(1);
        return firsts.into_iter().map(scale).collect();
    }
    let mut at = vec![chars.len(); heard.len() + 1];
    let mut place = 0;
    for (in_text, in_heard) in align(&chars, &heard) {
        if let Some(index) = in_heard {
            at[index] = place;
        }
        place += usize::from(in_text.is_some());
    }
    let mut starts: Vec<usize> = firsts.into_iter().map(|first| at[first]).collect();
    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    starts
}

/// Returns for each word how many characters of words stand before it.
fn firsts(words: &[Word]) -> Vec<usize> {
    let mut sum = 0;
    let step = |word: &Word| {
        let first = sum;
        sum += word.text.chars().count();
        first
    };
    words.iter().map(step).collect()
}

/// Returns how sure words are as a whole, weighted by their characters.
///
/// Range: absent if no word has a character.
pub fn confidence(words: &[Word]) -> Option<f32> {
    weighted(words.iter().map(|word| (word.text.chars().count(), word.confidence)))
}

/// Returns the mean of values, each with its weight; absent without weight.
pub fn weighted(values: impl Iterator<Item = (usize, f32)>) -> Option<f32> {
    let (mut weight, mut sum) = (0_usize, 0.0_f64);
    for (chars, confidence) in values {
        weight += chars;
        sum += chars as f64 * f64::from(confidence);
    }
    (weight > 0).then(|| (sum / weight as f64).clamp(0.0, 1.0) as f32)
}

/// Returns what stands between two texts that become one: a space between Latin words, nothing in Japanese.
pub fn joint(left: &str, right: &str) -> &'static str {
    let ends_word = left
        .ends_with(|ch: char| ch.is_ascii_alphabetic() || matches!(ch, '.' | ',' | '!' | '?' | ';' | ':'));
    let begins_word = right.starts_with(|ch: char| ch.is_ascii_alphabetic());
    if ends_word && begins_word { " " } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<Word> {
        let word = |(index, text): (usize, &&str)| Word {
            start_ms: index as u64 * 100,
            end_ms: index as u64 * 100 + 100,
            text: (*text).into(),
            confidence: 0.5,
        };
        texts.iter().enumerate().map(word).collect()
    }

    #[test]
    fn an_unedited_text_is_tied_exactly() {
        assert_eq!(word_starts("本日の議題です", &words(&["本日", "の", "議題", "です"])), [0, 2, 3, 5]);
    }

    #[test]
    fn an_added_full_stop_stays_with_the_word_before_it() {
        assert_eq!(word_starts("始めます。次に", &words(&["始め", "ます", "次に"])), [0, 2, 5]);
    }

    #[test]
    fn a_corrected_word_keeps_its_neighbours_in_place() {
        assert_eq!(word_starts("来週の会議", &words(&["来習", "の", "会議"])), [0, 2, 3]);
    }

    #[test]
    fn a_removed_word_takes_no_room() {
        assert_eq!(word_starts("会議です", &words(&["えーと", "会議", "です"])), [0, 0, 2]);
    }

    #[test]
    fn nothing_is_tied_without_words_or_text() {
        assert!(word_starts("会議", &[]).is_empty());
        assert_eq!(word_starts("", &words(&["会議", "です"])), [0, 0]);
    }

    #[test]
    fn latin_words_get_a_space_and_japanese_gets_none() {
        assert_eq!(joint("Open", "data"), " ");
        assert_eq!(joint("会議", "です"), "");
        assert_eq!(joint("10", "20人"), "");
        assert_eq!(joint("", "data"), "");
    }
}
