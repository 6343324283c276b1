//! Words one character away from a registered one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{FINDINGS_MAX, Finding, FindingKind, PLACES_MAX, Place, Text};
use crate::minutes::passage::{is_kanji, is_katakana};

/// Shorter words are one character away from too many others.
const CHARS_MIN: usize = 4;
const CHARS_MAX: usize = 12;
/// Most registered words that are compared.
const WORDS_MAX: usize = 20_000;
/// Characters that tell one thing from its neighbour: 第一 and 第二, 北 and 南.
const TELLING: &str =
    "一二三四五六七八九十東西南北上下左右大中小新旧前後内外男女正副国府県市町村部課係長春夏秋冬年月日";

type Wanted = [char; CHARS_MAX];

/// Finds what differs in one character from a registered word, unless that character tells two things apart.
pub(super) fn find(texts: &[Text], words: &[&str]) -> Vec<Finding> {
    let words: Vec<Vec<char>> = words
        .iter()
        .take(WORDS_MAX)
        .map(|word| word.chars().collect::<Vec<char>>())
        .filter(|word| (CHARS_MIN..=CHARS_MAX).contains(&word.len()) && word.iter().all(|ch| is_solid(*ch)))
        .collect();
    let known: HashSet<&[char]> = words.iter().map(Vec::as_slice).collect();
    let mut by_pattern: HashMap<Wanted, usize> = HashMap::new();
    for (index, word) in words.iter().enumerate() {
        for gap in 0..word.len() {
            by_pattern.entry(pattern(word, gap)).or_insert(index);
        }
    }
    let lengths: Vec<usize> =
        (CHARS_MIN..=CHARS_MAX).filter(|length| words.iter().any(|word| word.len() == *length)).collect();
    let mut found: BTreeMap<(usize, String), Vec<Place>> = BTreeMap::new();
    for text in texts {
        for (at, length) in windows(&text.chars, &lengths) {
            let window = &text.chars[at..at + length];
            if known.contains(window) {
                continue;
            }
            if let Some(index) = (0..length).find_map(|gap| near(&words, &by_pattern, window, gap)) {
                let place = text.place(at, at + length);
                found.entry((index, place.text.clone())).or_default().push(place);
            }
        }
    }
    found
        .into_iter()
        .take(FINDINGS_MAX)
        .map(|((index, text), places)| told(&words[index], &text, places))
        .collect()
}

/// Kanji and katakana: a window of these is a word more often than not.
fn is_solid(ch: char) -> bool {
    is_kanji(ch) || is_katakana(ch)
}

/// Lists the windows that hold only kanji and katakana, with their lengths.
fn windows<'a>(chars: &'a [char], lengths: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut solid_until = vec![0; chars.len() + 1];
    for at in (0..chars.len()).rev() {
        solid_until[at] = if is_solid(chars[at]) { solid_until[at + 1].max(at + 1) } else { at };
    }
    (0..chars.len()).flat_map(move |at| {
        let solid = solid_until[at] - at;
        lengths.iter().filter(move |length| **length <= solid).map(move |length| (at, *length))
    })
}

fn pattern(word: &[char], gap: usize) -> Wanted {
    let mut pattern = ['\0'; CHARS_MAX];
    pattern[..word.len()].copy_from_slice(word);
    pattern[gap] = '＊';
    pattern
}

fn near(
    words: &[Vec<char>],
    by_pattern: &HashMap<Wanted, usize>,
    window: &[char],
    gap: usize,
) -> Option<usize> {
    let index = *by_pattern.get(&pattern(window, gap))?;
    let tells = TELLING.contains(window[gap]) && TELLING.contains(words[index][gap]);
    (!tells).then_some(index)
}

fn told(word: &[char], text: &str, places: Vec<Place>) -> Finding {
    let word: String = word.iter().collect();
    Finding {
        kind: FindingKind::NearDictionary,
        message: format!("「{text}」（{} 件）は登録語「{word}」の誤りかもしれません。", places.len()),
        suggestion: word,
        places: places.into_iter().take(PLACES_MAX).collect(),
    }
}
