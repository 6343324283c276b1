//! Replacements over minutes, and other words of the same sound.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::Entry;
use crate::minutes::Minutes;
use crate::minutes::passage::{char_at, indexed, text_of};
use crate::minutes::proposal::{Effect, Proposal, Rule};

/// Most words that are looked for at once; the nearest entries come first.
const PATTERNS_MAX: usize = 100_000;
/// Most candidates for one word.
const CANDIDATES_MAX: usize = 20;

/// Proposes 表記 wherever a 置換元 stands; the longest wins, and what is already written right stays.
///
/// Range: of two entries with the same 置換元 the first in the list holds.
pub fn propose(minutes: &Minutes, entries: &[&Entry]) -> Vec<Proposal> {
    let (patterns, written) = patterns(entries);
    if patterns.is_empty() {
        return Vec::new();
    }
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns);
    let finder = finder.expect("100,000 words of 100 characters stay below the automaton's limits");
    let mut proposals = Vec::new();
    for block in &minutes.blocks {
        let Some(text) = text_of(block) else { continue };
        let mut starts = None;
        for hit in finder.find_iter(text) {
            let Some(after) = written[hit.pattern().as_usize()] else { continue };
            let starts = starts.get_or_insert_with(|| indexed(&text.chars().collect::<Vec<char>>()).1);
            proposals.push(Proposal {
                block: block.id(),
                rule: Rule::Dictionary,
                at: u32::try_from(char_at(starts, hit.start())).unwrap_or(u32::MAX),
                before: text[hit.range()].to_owned(),
                after: after.to_owned(),
                effect: Effect::Rewrite,
            });
        }
    }
    proposals
}

/// Lists what to look for, each with what is written instead; a 表記 is found too, so that it is passed over whole.
fn patterns<'a>(entries: &[&'a Entry]) -> (Vec<&'a str>, Vec<Option<&'a str>>) {
    let mut by_word: HashMap<&str, Option<&str>> = HashMap::new();
    let mut order = Vec::new();
    for entry in entries {
        if !entry.written.is_empty() && by_word.insert(&entry.written, None).is_none() {
            order.push(entry.written.as_str());
        }
    }
    for entry in entries {
        for source in entry.sources.iter().filter(|source| !source.is_empty()) {
            by_word.entry(source).or_insert_with(|| {
                order.push(source);
                Some(&entry.written)
            });
        }
    }
    order.truncate(PATTERNS_MAX);
    let written = order.iter().map(|word| by_word[word]).collect();
    (order, written)
}

/// Lists how a selected word may be meant: the entries it is a 置換元 of, then those of the same よみ.
///
/// Shape: 表記 without the selected word itself, each once.
/// Range: at most 20.
pub fn candidates<'a>(entries: &[&'a Entry], selected: &str) -> Vec<&'a str> {
    let own = entries.iter().filter(|entry| entry.written == selected).map(|entry| reading(&entry.reading));
    let readings: Vec<String> = own.chain([reading(selected)]).filter(|text| !text.is_empty()).collect();
    let named = entries.iter().filter(|entry| entry.sources.iter().any(|source| source == selected));
    let sounds = entries.iter().filter(|entry| readings.contains(&reading(&entry.reading)));
    let mut found: Vec<&str> = Vec::new();
    for entry in named.chain(sounds) {
        if entry.written != selected
            && !found.contains(&entry.written.as_str())
            && found.len() < CANDIDATES_MAX
        {
            found.push(&entry.written);
        }
    }
    found
}

/// Katakana and hiragana sound the same.
fn reading(text: &str) -> String {
    let folded = |ch: char| match ch {
        'ァ'..='ヶ' => char::from_u32(u32::from(ch) - 0x60).unwrap_or(ch),
        _ => ch,
    };
    text.chars().filter(|ch| !ch.is_whitespace()).map(folded).collect()
}
