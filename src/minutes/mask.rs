//! マスキング一覧: what a published copy must not say, and what stands there instead.
//!
//! The copy is made of minutes in which the texts are gone already: whatever file is written from them, none of its parts
//! can hold one.

mod find;

use std::collections::HashSet;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Block, Item, Minutes, Speaker};

pub use find::{MaskReason, MaskSuggestion, SUGGESTIONS_MAX, suggestions};

/// Most masks of one meeting.
pub const MASKS_MAX: usize = 500;
/// Most characters of what is masked, and of what stands there instead.
pub const MASK_CHARS_MAX: usize = 100;
/// What stands in place of a text if nothing else is wished for.
pub const BLACK: &str = "■■■";

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// What must not be read.
    pub text: String,
    /// What stands there instead; ■■■ if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub with: String,
}

impl Mask {
    /// Returns what stands in place of the text.
    pub fn shown(&self) -> &str {
        if self.with.is_empty() { BLACK } else { &self.with }
    }
}

/// Passes a list that can be carried out.
///
/// Errors: a sentence about the first line that cannot be.
pub fn check(masks: &[Mask]) -> Result<(), String> {
    if masks.len() > MASKS_MAX {
        return Err(format!("masks: {MASKS_MAX} 件まで"));
    }
    let mut seen = HashSet::new();
    for (index, Mask { text, with }) in masks.iter().enumerate() {
        let is_long = |text: &str| text.chars().count() > MASK_CHARS_MAX;
        if text.trim().is_empty() || is_long(text) || is_long(with) {
            return Err(format!("masks[{index}]: 1 文字から {MASK_CHARS_MAX} 文字まで"));
        }
        if text.chars().chain(with.chars()).any(char::is_control) {
            return Err(format!("masks[{index}]: 改行などは使えません"));
        }
        if !seen.insert(text) {
            return Err(format!("masks[{index}]: 同じ言葉が二度あります"));
        }
        // A mask that brings its own text back hides nothing.
        if with.contains(text.as_str()) {
            return Err(format!("masks[{index}]: 置き換えた後にも同じ言葉が残ります"));
        }
    }
    Ok(())
}

fn finder<'a>(texts: impl Iterator<Item = &'a str>) -> AhoCorasick {
    let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts);
    builder.expect("500 texts of 100 characters stay far below the automaton's limits")
}

/// Returns the minutes without the texts.
///
/// Shape: of texts that lie in each other the longest counts. Recognised words go where the text changed, for they hold
/// it, too. A speaker whom a published copy calls by a role or another name keeps the name it is found by.
pub fn masked(minutes: &Minutes, masks: &[Mask]) -> Minutes {
    if masks.is_empty() {
        return minutes.clone();
    }
    let finder = finder(masks.iter().map(|mask| mask.text.as_str()));
    let with: Vec<&str> = masks.iter().map(Mask::shown).collect();
    let hide = |text: &str| finder.replace_all(text, &with);
    let mut copy = minutes.clone();
    copy.header.values_mut().for_each(|value| *value = hide(value));
    for speaker in &mut copy.speakers {
        if is_shown_by_name(speaker) {
            speaker.name = hide(&speaker.name);
        }
        speaker.role = hide(&speaker.role);
        speaker.public_name = hide(&speaker.public_name);
    }
    for block in copy.blocks.iter_mut().filter(|block| finder.is_match(text_of(block))) {
        match Arc::make_mut(block) {
            Block::Utterance(said) => {
                said.text = hide(&said.text);
                said.words.clear();
            }
            Block::Heading(heading) => heading.text = hide(&heading.text),
            Block::Gap(_) => {}
        }
    }
    for item in &mut copy.items {
        item.text = hide(&item.text);
        if !is_called_otherwise(minutes, item) {
            item.assignee = hide(&item.assignee);
        }
    }
    copy
}

fn is_shown_by_name(speaker: &Speaker) -> bool {
    speaker.public_name.trim().is_empty() && speaker.role.trim().is_empty()
}

/// Tells whether a published copy names somebody responsible by a role or another name: by the name it finds them.
fn is_called_otherwise(minutes: &Minutes, item: &Item) -> bool {
    let is_same = |speaker: &&Speaker| speaker.name.trim() == item.assignee.trim();
    minutes.speakers.iter().find(is_same).is_some_and(|speaker| !is_shown_by_name(speaker))
}

fn text_of(block: &Block) -> &str {
    match block {
        Block::Utterance(said) => &said.text,
        Block::Heading(heading) => &heading.text,
        Block::Gap(_) => "",
    }
}

/// Walks over the texts that a copy shows.
fn shown(minutes: &Minutes) -> impl Iterator<Item = &str> {
    let is_shown = |block: &&Arc<Block>| block.utterance().is_none_or(|said| said.hidden.is_none());
    let blocks = minutes.blocks.iter().filter(is_shown).map(|block| text_of(block));
    let items = minutes.items.iter().map(|item| item.text.as_str());
    let assignees = minutes.items.iter().filter(|item| !is_called_otherwise(minutes, item));
    let names = minutes.speakers.iter().filter(|speaker| is_shown_by_name(speaker));
    let header = minutes.header.values().map(String::as_str);
    header
        .chain(names.map(|speaker| speaker.name.as_str()))
        .chain(blocks)
        .chain(items)
        .chain(assignees.map(|item| item.assignee.as_str()))
}

/// Counts how often each text stands in what a copy shows, as it is replaced.
pub fn counts<'a>(minutes: &Minutes, texts: impl ExactSizeIterator<Item = &'a str>) -> Vec<usize> {
    let mut counts = vec![0; texts.len()];
    if counts.is_empty() {
        return counts;
    }
    let finder = finder(texts);
    for text in shown(minutes) {
        for found in finder.find_iter(text) {
            counts[found.pattern().as_usize()] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests;
