//! ケバ取り and light 整文: what was said becomes what is read.
//!
//! - **In**: minutes, a level or a choice of rules, the words that nobody touches.
//! - **Out**: proposals, each with its rule; none once they were taken.
//! - **Never**: writes a word for somebody, changes a figure, an order or a name, or removes an answer.

mod filler;
mod polish;
mod repeat;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::passage::{Edit, Protected, Rewrite, is_comma, is_mark, is_stop, pauses_ms};
use super::proposal::{Effect, Proposal, Rule};
use super::{Minutes, Utterance};

/// Most times the rules look at one utterance: each look sees what the last one left.
const ROUNDS_MAX: usize = 32;
/// How long a question waits for its answer.
const ANSWER_MS_MAX: u64 = 5_000;
/// How long after a speech its last words can be echoed.
const ECHO_MS_MAX: u64 = 3_000;
/// Longest echo, in characters.
const ECHO_CHARS_MAX: usize = 15;

/// How far the text goes from what was said (MINUTES.md, section 5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 素起こし
    Verbatim,
    /// ケバ取り
    #[default]
    Cleaned,
    /// 整文（軽）
    Polished,
}

const CLEANED: [Rule; 7] = [
    Rule::Filler,
    Rule::HesitantPronoun,
    Rule::BackChannel,
    Rule::ClauseParticle,
    Rule::Repeat,
    Rule::Restart,
    Rule::NumberCorrection,
];
const POLISHED: [Rule; 5] =
    [Rule::PlainWord, Rule::ExplanatoryNo, Rule::DroppedI, Rule::DroppedRa, Rule::DoubleHonorific];

impl Level {
    /// Returns the words on screen.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Verbatim => "素起こし",
            Self::Cleaned => "ケバ取り",
            Self::Polished => "整文（軽）",
        }
    }

    /// Returns the rules that are on unless somebody switches them.
    ///
    /// Shape: without [`Rule::Echo`] and [`Rule::Softener`], which change more than sound and are switched on by hand.
    pub fn rules(self) -> BTreeSet<Rule> {
        match self {
            Self::Verbatim => BTreeSet::new(),
            Self::Cleaned => CLEANED.into(),
            Self::Polished => CLEANED.into_iter().chain(POLISHED).collect(),
        }
    }
}

/// What a rule sees of one utterance.
struct Sight<'a> {
    chars: &'a [char],
    mask: &'a [bool],
    pauses: &'a [u64],
    /// Somebody else asked something in the 5 s before.
    is_asked: bool,
    /// Somebody else answers right after.
    is_answered: bool,
}

impl Sight<'_> {
    /// Tells whether a clause can begin at a place.
    fn opens(&self, at: usize) -> bool {
        at == 0 || is_mark(self.chars[at - 1])
    }

    /// Tells whether a clause can end before a place.
    fn closes(&self, at: usize) -> bool {
        at >= self.chars.len() || is_mark(self.chars[at])
    }
}

/// Proposes what the rules would change.
///
/// Shape: in the order of the blocks, sorted and disjoint within a block. Hidden utterances and headings are passed over.
pub fn propose(minutes: &Minutes, protected: &Protected, rules: &BTreeSet<Rule>) -> Vec<Proposal> {
    let utterances: Vec<&Utterance> = minutes.utterances().collect();
    let mut texts: Vec<String> = Vec::with_capacity(utterances.len());
    let mut proposals = Vec::new();
    for (index, utterance) in utterances.iter().enumerate() {
        let context = Context {
            is_asked: is_asked(&utterances[..index], &texts, utterance),
            is_answered: utterances.get(index + 1).is_some_and(|next| answers(next, utterance)),
        };
        let (found, text) = if utterance.hidden.is_some() {
            (Vec::new(), utterance.text.clone())
        } else if rules.contains(&Rule::Echo)
            && index > 0
            && is_echo(utterance, utterances[index - 1], &texts[index - 1])
        {
            (vec![hiding(utterance, Rule::Echo)], utterance.text.clone())
        } else {
            propose_one(utterance, context, protected, rules)
        };
        proposals.extend(found);
        texts.push(text);
    }
    proposals
}

#[derive(Debug, Clone, Copy)]
struct Context {
    is_asked: bool,
    is_answered: bool,
}

/// Returns the proposals for one utterance and its text once they are taken.
fn propose_one(
    utterance: &Utterance,
    context: Context,
    protected: &Protected,
    rules: &BTreeSet<Rule>,
) -> (Vec<Proposal>, String) {
    let mut rewrite = Rewrite::new(&utterance.text);
    let is_said = |chars: &[char]| chars.iter().any(|ch| !is_mark(*ch));
    let was_said = is_said(&rewrite.chars());
    for _ in 0..ROUNDS_MAX {
        let chars = rewrite.chars();
        let edits = look(&chars, utterance, context, protected, rules);
        if edits.is_empty() {
            break;
        }
        let first = edits[0].rule;
        rewrite.apply(edits);
        if was_said && !is_said(&rewrite.chars()) {
            return (vec![hiding(utterance, first)], utterance.text.clone());
        }
    }
    let cleaned: String = rewrite.chars().into_iter().collect();
    let mut proposals = rewrite.into_proposals(utterance.id);
    if rules.contains(&Rule::NumberCorrection) && !utterance.marks.contains(&super::Mark::Check) {
        proposals.extend(repeat::number_correction(utterance, &cleaned));
    }
    (proposals, cleaned)
}

fn hiding(utterance: &Utterance, rule: Rule) -> Proposal {
    let (before, after) = (utterance.text.clone(), String::new());
    Proposal { block: utterance.id, rule, at: 0, before, after, effect: Effect::Hide }
}

/// Lets every rule look once; removals that stand side by side become one.
fn look(
    chars: &[char],
    utterance: &Utterance,
    context: Context,
    protected: &Protected,
    rules: &BTreeSet<Rule>,
) -> Vec<Edit> {
    let mask = protected.mask(chars);
    let needs_pauses = rules.contains(&Rule::HesitantPronoun) && filler::has_bare_pronoun(chars);
    let pauses = if needs_pauses { pauses_ms(chars, &utterance.words) } else { vec![0; chars.len()] };
    let Context { is_asked, is_answered } = context;
    let sight = Sight { chars, mask: &mask, pauses: &pauses, is_asked, is_answered };
    let mut removals = filler::find(&sight, rules);
    removals.extend(repeat::find(&sight, rules));
    removals.retain(|edit| edit.is_free(&mask));
    let mut edits = joined(chars, removals);
    edits.extend(polish::find(&sight, rules).into_iter().filter(|edit| edit.is_free(&mask)));
    edits.sort_by_key(|edit| edit.range.start);
    edits
}

/// Merges neighbouring removals and settles the comma at each cut, so that no two words are joined.
fn joined(chars: &[char], mut removals: Vec<Edit>) -> Vec<Edit> {
    removals.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    let mut merged: Vec<Edit> = Vec::new();
    for edit in removals {
        match merged.last_mut() {
            Some(last) if edit.range.start < last.range.end => {}
            Some(last) if chars[last.range.end..edit.range.start].iter().all(|ch| is_comma(*ch)) => {
                last.range.end = edit.range.end;
            }
            _ => merged.push(edit),
        }
    }
    merged.into_iter().map(|edit| settled(chars, edit)).collect()
}

fn settled(chars: &[char], edit: Edit) -> Edit {
    let (mut start, mut end) = (edit.range.start, edit.range.end);
    let is_gap = |ch: char| is_comma(ch) || ch == '…' || (ch.is_whitespace() && ch != '\n');
    let opens = start == 0 || (is_mark(chars[start - 1]) && !matches!(chars[start - 1], '」' | '』' | '）'));
    if opens {
        while end < chars.len() && is_gap(chars[end]) {
            end += 1;
        }
    }
    let at_end = end >= chars.len() || is_stop(chars[end]);
    if at_end {
        while start > 0 && is_comma(chars[start - 1]) {
            start -= 1;
        }
        // A sentence that is nothing but the removal loses its stop too.
        if (start == 0 || is_stop(chars[start - 1])) && end < chars.len() && chars[end] != '\n' {
            end += 1;
        }
    }
    let glues = !opens && !at_end && !is_mark(chars[end]);
    Edit::new(start..end, if glues { "、" } else { "" }, edit.rule)
}

/// Tells whether somebody else, or somebody unknown, asked something in the 5 s before.
fn is_asked(before: &[&Utterance], texts: &[String], utterance: &Utterance) -> bool {
    let recent = before.iter().zip(texts).rev().take(20);
    recent
        .filter(|(asker, _)| asker.end_ms + ANSWER_MS_MAX >= utterance.start_ms && is_other(asker, utterance))
        .any(|(_, text)| asks(text))
}

fn is_other(one: &Utterance, other: &Utterance) -> bool {
    one.speaker.is_none() || one.speaker != other.speaker
}

/// Tells whether a text wants an answer: a question, a vote, a name that is called.
///
/// Called names are short: 「山田委員。」 is a call, 「副市長の説明です。」 is none.
fn asks(text: &str) -> bool {
    const ENDS: [&str; 5] = ["か", "ね", "の", "かな", "かしら"];
    const WORDS: [&str; 9] = ["？", "?", "ですか", "ますか", "でしょうか", "異議", "賛成", "挙手", "起立"];
    const CALLS: [&str; 11] =
        ["委員", "議員", "さん", "君", "番", "部長", "課長", "局長", "市長", "室長", "事務局"];
    let bare = text.trim_end_matches(is_mark);
    ENDS.iter().any(|end| bare.ends_with(end))
        || WORDS.iter().any(|word| text.contains(word))
        || (bare.chars().count() <= 12 && CALLS.iter().any(|call| bare.ends_with(call)))
}

/// Tells whether an utterance answers the one before: then ね at its end was a question.
fn answers(next: &Utterance, asked: &Utterance) -> bool {
    const ANSWERS: [&str; 6] = ["はい", "ええ", "うん", "そう", "いいえ", "いや"];
    is_other(asked, next)
        && asked.end_ms + ANSWER_MS_MAX >= next.start_ms
        && ANSWERS.iter().any(|answer| next.text.starts_with(answer))
}

/// Tells whether somebody only repeats the end of what another one just said; figures and votes are never echoes.
fn is_echo(utterance: &Utterance, before: &Utterance, said: &str) -> bool {
    let bare = utterance.text.trim_matches(is_mark);
    let length = bare.chars().count();
    let is_figure = bare.chars().any(|ch| ch.is_numeric() || "一二三四五六七八九十百千万".contains(ch));
    utterance.speaker.is_some()
        && before.speaker.is_some()
        && utterance.speaker != before.speaker
        && before.end_ms + ECHO_MS_MAX >= utterance.start_ms
        && (2..=ECHO_CHARS_MAX).contains(&length)
        && !is_figure
        && !asks(&utterance.text)
        && !repeat::is_kept(bare)
        && !bare.ends_with("です")
        && !bare.ends_with("ます")
        && said.trim_end_matches(is_mark).ends_with(bare)
        && said.trim_matches(is_mark) != bare
}

#[cfg(test)]
mod tests;
