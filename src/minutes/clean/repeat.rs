//! Words said twice, words begun twice, figures corrected while they were said.

use std::collections::BTreeSet;

use super::Sight;
use crate::minutes::Utterance;
use crate::minutes::passage::{Edit, is_comma, is_hiragana, is_kanji, is_katakana, is_mark};
use crate::minutes::proposal::{Effect, Proposal, Rule};

/// Longest word that counts as said twice, in characters.
const REPEAT_CHARS_MAX: usize = 12;
/// Longest beginning of a word that counts as a false start, in characters.
const START_CHARS_MAX: usize = 3;

/// Words that people repeat on purpose: cries of the chamber, politeness, emphasis.
const KEPT: [&str; 34] = [
    "異議なし",
    "異議あり",
    "賛成",
    "反対",
    "議長",
    "委員長",
    "はい",
    "いいえ",
    "いや",
    "ええ",
    "うん",
    "そう",
    "そうそう",
    "どうぞ",
    "どうも",
    "よし",
    "ありがとうございました",
    "ありがとうございます",
    "お願いします",
    "お願いいたします",
    "よろしく",
    "とても",
    "もっと",
    "ずっと",
    "やっと",
    "きっと",
    "ほんと",
    "少し",
    "一つ",
    "ひとつ",
    "一人",
    "一歩",
    "だんだん",
    "まあ",
];
const PARTICLES: &str = "はがをにでとものて";
const NUMERALS: &str = "〇一二三四五六七八九十百千万億兆";

/// Tells whether a word is said again on purpose.
pub(super) fn is_kept(word: &str) -> bool {
    KEPT.contains(&word)
}

pub(super) fn find(sight: &Sight, rules: &BTreeSet<Rule>) -> Vec<Edit> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < sight.chars.len() {
        let repeat = || repeated(sight, at).map(|end| (end, Rule::Repeat));
        let restart = || restarted(sight, at).map(|end| (end, Rule::Restart));
        let hit = (if rules.contains(&Rule::Repeat) { repeat() } else { None })
            .or_else(|| if rules.contains(&Rule::Restart) { restart() } else { None });
        at = match hit {
            Some((end, rule)) => {
                found.push(Edit::new(at..end, "", rule));
                end
            }
            None => at + 1,
        };
    }
    found
}

/// Returns where the first of two equal words ends: 「令和、令和８年度」, 「これがこれが」.
fn repeated(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    if !sight.opens(at) || is_mark(chars[at]) {
        return None;
    }
    let until = chars[at..].iter().take(REPEAT_CHARS_MAX).position(|ch| is_mark(*ch));
    if let Some(length) = until
        && length >= 2
        && is_comma(chars[at + length])
        && is_same(sight, at, at + length + 1, length)
    {
        return Some(at + length + 1);
    }
    let longest = until.unwrap_or(REPEAT_CHARS_MAX);
    let doubled = (3..=longest).rev().find(|length| {
        chars.get(at + length - 1).is_some_and(|last| PARTICLES.contains(*last))
            && is_same(sight, at, at + length, *length)
    });
    doubled.map(|length| at + length)
}

/// Tells whether the same word, said in passing and no figure, stands at both places and ends there.
fn is_same(sight: &Sight, first: usize, second: usize, length: usize) -> bool {
    let chars = sight.chars;
    let (Some(word), Some(again)) = (chars.get(first..first + length), chars.get(second..second + length))
    else {
        return false;
    };
    let last = word[length - 1];
    let goes_on = chars.get(second + length).is_some_and(|next| {
        (is_kanji(last) && is_kanji(*next) && !NUMERALS.contains(*next))
            || (is_katakana(last) && is_katakana(*next))
    });
    let is_figure = word.iter().any(|ch| ch.is_numeric() || NUMERALS.contains(*ch));
    let text: String = word.iter().collect();
    word == again
        && !goes_on
        && !is_figure
        && !is_kept(&text)
        && !sight.mask[first..second + length].contains(&true)
}

/// Returns where a false start ends: 「よ、よさん」, 「デ、データ」.
fn restarted(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    if !sight.opens(at) {
        return None;
    }
    let length = chars[at..].iter().take(START_CHARS_MAX + 1).position(|ch| is_comma(*ch))?;
    let (start, rest) = (&chars[at..at + length], &chars[at + length + 1..]);
    let is_kana = length > 0 && start.iter().all(|ch| is_hiragana(*ch) || is_katakana(*ch));
    let goes_on = rest.get(length).is_some_and(|ch| is_hiragana(*ch) || is_katakana(*ch));
    let text: String = start.iter().collect();
    let fits = is_kana && goes_on && rest.starts_with(start) && !is_kept(&text) && !is_listed(start);
    fits.then_some(at + length + 1)
}

/// Letters of a list, as in 「ア、アの２」, and particles.
fn is_listed(start: &[char]) -> bool {
    start.len() == 1 && "アイウエオカキクケコをねがはも".contains(start[0])
}

/// Finds a figure that was corrected while it was said; it is for a person to check, never to cut.
///
/// The cleaned text decides, so that a text gives the same answer before and after it is cleaned.
pub(super) fn number_correction(utterance: &Utterance, cleaned: &str) -> Option<Proposal> {
    correction(cleaned)?;
    let (at, told) = correction(&utterance.text).unwrap_or_else(|| (0, utterance.text.clone()));
    Some(Proposal {
        block: utterance.id,
        rule: Rule::NumberCorrection,
        at: u32::try_from(at).unwrap_or(u32::MAX),
        before: told.clone(),
        after: told,
        effect: Effect::Check,
    })
}

/// Returns where the corrected figure begins, and the text as far as the new one.
fn correction(text: &str) -> Option<(usize, String)> {
    const CORRECTIONS: [&str; 8] =
        ["いや", "いえ", "もとい", "失礼", "じゃなくて", "ではなく", "じゃない", "訂正"];
    let chars: Vec<char> = text.chars().collect();
    let is_figure = |at: &usize| chars[*at].is_numeric() || NUMERALS.contains(chars[*at]);
    for correction in CORRECTIONS {
        for (byte, _) in text.match_indices(correction) {
            let at = text[..byte].chars().count();
            let end = at + correction.chars().count();
            let before = (at.saturating_sub(6)..at).rev().find(is_figure);
            let after = (end..chars.len().min(end + 8)).find(is_figure);
            if let (Some(before), Some(after)) = (before, after) {
                return Some((before, chars[before..=after].iter().collect()));
            }
        }
    }
    None
}
