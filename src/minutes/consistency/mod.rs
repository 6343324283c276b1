//! 整合性チェック: what is written in two ways in one document, and what is missing or cannot be.
//!
//! - **In**: minutes, the words of the dictionary.
//! - **Out**: findings, each with its places and a suggestion in words.
//! - **Never**: changes anything, or decides which way is right.

mod items;
mod names;
mod near;

pub use names::name_key;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::passage::{stands_before, text_of};
use super::{BlockId, Minutes};

/// Most places that one finding lists.
pub const PLACES_MAX: usize = 200;
/// Most findings of one kind.
pub const FINDINGS_MAX: usize = 200;

/// What a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// 異体字: 斉藤 and 齋藤
    VariantCharacter,
    /// 数字の全角と半角
    DigitWidth,
    /// だ・である and です・ます
    Style,
    /// 、 and ，
    CommaStyle,
    /// Names of speakers
    SpeakerName,
    /// A word one character away from a registered one
    NearDictionary,
    /// A to-do without a person or a day
    OpenItem,
    /// What was decided and stands in no list
    Decision,
    /// Times that cannot be
    Times,
}

impl FindingKind {
    /// Returns the words on screen.
    pub const fn label(self) -> &'static str {
        match self {
            Self::VariantCharacter => "異体字の混在",
            Self::DigitWidth => "数字の全角・半角の混在",
            Self::Style => "文体（だ・である／です・ます）の混在",
            Self::CommaStyle => "読点（、／，）の混在",
            Self::SpeakerName => "話者名の確認",
            Self::NearDictionary => "登録語に近い表記",
            Self::OpenItem => "担当・期限の不足",
            Self::Decision => "決定の記載漏れ",
            Self::Times => "日時の確認",
        }
    }
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// Whose text.
    pub block: BlockId,
    /// Where it begins, in characters.
    pub at: u32,
    /// What stands there.
    pub text: String,
}

/// Something for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// A sentence for a person, with counts.
    pub message: String,
    /// What the text could be; empty if only a person knows.
    pub suggestion: String,
    /// The places of the rarer way, or of what the suggestion would change.
    ///
    /// Range: the first [`PLACES_MAX`]; none for what stands in no text.
    pub places: Vec<Place>,
}

/// A block's text as characters.
struct Text {
    block: BlockId,
    chars: Vec<char>,
}

impl Text {
    fn place(&self, at: usize, end: usize) -> Place {
        let at_told = u32::try_from(at).unwrap_or(u32::MAX);
        Place { block: self.block, at: at_told, text: self.chars[at..end].iter().collect() }
    }
}

/// Looks through the document; `words` are the 表記 of the dictionary.
pub fn check(minutes: &Minutes, words: &[&str]) -> Vec<Finding> {
    let texts: Vec<Text> = minutes
        .blocks
        .iter()
        .filter_map(|block| {
            text_of(block).map(|text| Text { block: block.id(), chars: text.chars().collect() })
        })
        .collect();
    let mut findings = names::variants(&texts, minutes, words);
    findings.extend(digit_widths(&texts));
    findings.extend(style(&texts));
    findings.extend(commas(&texts));
    findings.extend(names::speakers(minutes));
    findings.extend(near::find(&texts, words));
    findings.extend(items::open(minutes));
    findings.extend(items::decisions(minutes));
    findings.extend(items::times(minutes));
    findings
}

/// Compares two ways of writing and tells the places of the rarer one; of equal counts, of the second.
fn rarer(
    kind: FindingKind,
    (first_name, first): (&str, Vec<Place>),
    (second_name, second): (&str, Vec<Place>),
) -> Option<Finding> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let message = format!(
        "{}があります（{first_name} {} 件、{second_name} {} 件）。",
        kind.label(),
        first.len(),
        second.len()
    );
    let (suggestion, mut places) =
        if first.len() >= second.len() { (first_name, second) } else { (second_name, first) };
    places.truncate(PLACES_MAX);
    Some(Finding { kind, message, suggestion: suggestion.to_owned(), places })
}

/// Looks at numbers of one digit and of more apart: 「１桁は全角、２桁以上は半角」 is one way.
fn digit_widths(texts: &[Text]) -> Vec<Finding> {
    let mut lists: [Vec<Place>; 4] = Default::default();
    for text in texts {
        let mut at = 0;
        while at < text.chars.len() {
            let is_digit = |ch: &char| ch.is_ascii_digit() || ('０'..='９').contains(ch);
            let length = text.chars[at..].iter().take_while(|ch| is_digit(ch)).count();
            if length > 0 {
                let is_wide = !text.chars[at].is_ascii_digit();
                lists[usize::from(length > 1) * 2 + usize::from(is_wide)].push(text.place(at, at + length));
            }
            at += length.max(1);
        }
    }
    let [one, one_wide, more, more_wide] = lists;
    let kind = FindingKind::DigitWidth;
    let single = rarer(kind, ("１桁の全角", one_wide), ("１桁の半角", one));
    let several = rarer(kind, ("２桁以上の半角", more), ("２桁以上の全角", more_wide));
    single.into_iter().chain(several).collect()
}

/// Counts the ends of sentences; a heading or a sentence that ends with a noun is neither.
fn style(texts: &[Text]) -> Option<Finding> {
    const POLITE: [&str; 8] =
        ["です", "ます", "でした", "ました", "ません", "でしょう", "ましょう", "ください"];
    const PLAIN: [&str; 6] = ["である", "だった", "であった", "ではない", "だ", "であろう"];
    let (mut polite, mut plain) = (Vec::new(), Vec::new());
    for text in texts {
        for (at, _) in text.chars.iter().enumerate().filter(|(_, ch)| **ch == '。') {
            let ends = |forms: &[&'static str]| {
                forms
                    .iter()
                    .copied()
                    .filter(|form| stands_before(&text.chars, at, form))
                    .max_by_key(|form| form.len())
            };
            if let Some(form) = ends(&POLITE) {
                polite.push(text.place(at - form.chars().count(), at));
            } else if let Some(form) = ends(&PLAIN) {
                plain.push(text.place(at - form.chars().count(), at));
            }
        }
    }
    rarer(FindingKind::Style, ("です・ます", polite), ("だ・である", plain))
}

fn commas(texts: &[Text]) -> Option<Finding> {
    let (mut ten, mut comma) = (Vec::new(), Vec::new());
    for text in texts {
        for (at, ch) in text.chars.iter().enumerate() {
            let is_digit = |at: usize| text.chars.get(at).is_some_and(|ch| ch.is_numeric());
            match ch {
                '、' => ten.push(text.place(at, at + 1)),
                '，' if !(at > 0 && is_digit(at - 1) && is_digit(at + 1)) => {
                    comma.push(text.place(at, at + 1))
                }
                _ => {}
            }
        }
    }
    rarer(FindingKind::CommaStyle, ("「、」", ten), ("「，」", comma))
}

#[cfg(test)]
mod tests;
