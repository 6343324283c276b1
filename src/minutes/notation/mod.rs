//! 公用文の表記: one way of writing throughout, step by step, each step for a person to look at.
//!
//! - **In**: minutes, the choices of an office, the words that nobody touches.
//! - **Out**: proposals, each with its rule; none once they were taken.
//! - **Never**: touches quotations, laws, addresses, telephone or document numbers, or a word it is not sure of.

mod era;
mod kanji_number;
mod letters;
mod number;
mod okurigana;
mod words;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::passage::{Edit, Protected, Rewrite, text_of};
use super::proposal::{Proposal, Rule};
use super::{Block, Minutes};

/// Most times the steps run over one block; the second time usually finds nothing.
const ROUNDS_MAX: usize = 4;

/// How wide digits are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// １桁は全角, ２桁以上は半角
    #[default]
    OneWide,
    /// すべて半角
    Narrow,
    /// すべて全角
    Wide,
}

/// How years are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Years {
    /// As they were said.
    #[default]
    AsSaid,
    /// 和暦
    Wareki,
    /// 西暦
    Seireki,
}

/// The choices of an office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Choices {
    /// How wide digits are.
    pub digits: Digits,
    /// How years are written.
    pub years: Years,
    /// The rules that are on.
    pub rules: BTreeSet<Rule>,
}

impl Default for Choices {
    fn default() -> Self {
        Self { digits: Digits::default(), years: Years::default(), rules: RULES.into() }
    }
}

/// The rules of this pass, in the order in which they run.
pub const RULES: [Rule; 10] = {
    let mut rules = [Rule::ExclamationMark; 10];
    let mut at = 0;
    while at < rules.len() {
        rules[at] = STEPS[at].0;
        at += 1;
    }
    rules
};

type Step = fn(&[char], &Choices, bool) -> Vec<Edit>;

/// Each rule's step; the last argument tells a heading.
const STEPS: [(Rule, Step); 10] = [
    (Rule::ExclamationMark, |chars, _, is_heading| letters::exclamations(chars, is_heading)),
    (Rule::KanjiNumeral, |chars, _, _| kanji_number::find(chars)),
    (Rule::Era, |chars, choices, _| era::find(chars, choices.years)),
    (Rule::LargeUnit, |chars, _, _| number::large_units(chars)),
    (Rule::ThousandsComma, |chars, _, _| number::thousands(chars)),
    (Rule::Counter, |chars, _, _| number::counters(chars)),
    (Rule::DigitWidth, |chars, choices, _| number::widths(chars, choices.digits)),
    (Rule::LatinWidth, |chars, _, _| letters::latin(chars)),
    (Rule::KanaWord, |chars, _, _| words::find(chars)),
    (Rule::Okurigana, |chars, _, _| okurigana::find(chars)),
];

/// Proposes what the notation of the office would change.
///
/// Shape: in the order of the blocks, sorted and disjoint within a block; steps that change the same characters are
/// one proposal, under the name of the first.
pub fn propose(minutes: &Minutes, protected: &Protected, choices: &Choices) -> Vec<Proposal> {
    minutes.blocks.iter().flat_map(|block| propose_one(block, protected, choices)).collect()
}

fn propose_one(block: &Block, protected: &Protected, choices: &Choices) -> Vec<Proposal> {
    let Some(text) = text_of(block) else { return Vec::new() };
    let mut rewrite = Rewrite::new(text);
    for _ in 0..ROUNDS_MAX {
        let mut has_changed = false;
        for (_, step) in STEPS.iter().filter(|(rule, _)| choices.rules.contains(rule)) {
            let chars = rewrite.chars();
            let mut edits = step(&chars, choices, matches!(block, Block::Heading(_)));
            let mask = protected.mask(&chars);
            edits.retain(|edit| edit.is_free(&mask));
            has_changed |= !edits.is_empty();
            rewrite.apply(edits);
        }
        if !has_changed {
            break;
        }
    }
    rewrite.into_proposals(block.id())
}

#[cfg(test)]
mod tests;
