//! What a published copy perhaps should not say: names that are known, and what looks like a way to reach somebody.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{counts, shown};
use crate::minutes::{HeaderField, Minutes, Speaker};

/// Most suggestions.
pub const SUGGESTIONS_MAX: usize = 200;
/// Shorter names are found inside of too many other words.
const NAME_CHARS_MIN: usize = 2;
/// Digits of a telephone number in Japan, with its leading 0.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 10..=11;

/// Why something is suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaskReason {
    /// A speaker is called so.
    Speaker,
    /// It stands in the list of those who were there or were not.
    Attendee,
    /// It is registered as the name of a person.
    Dictionary,
    /// It looks like a telephone number.
    Phone,
    /// It looks like an address of electronic mail.
    Mail,
}

/// Something that a published copy perhaps should not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MaskSuggestion {
    /// What stands there.
    pub text: String,
    /// What could stand there instead: how a published copy calls the person; empty for ■■■.
    pub with: String,
    /// Why.
    pub reason: MaskReason,
    /// How often it stands there.
    pub count: usize,
}

/// Looks for names that are known, `people` being those of the dictionary, and for numbers and addresses.
///
/// Shape: only what stands in what a copy shows, by reason, each once.
pub fn suggestions(minutes: &Minutes, people: &[&str]) -> Vec<MaskSuggestion> {
    let mut found: BTreeMap<String, (MaskReason, String)> = BTreeMap::new();
    let mut add = |text: &str, reason: MaskReason, with: &str| {
        let text = text.trim();
        if text.chars().count() >= NAME_CHARS_MIN && text.chars().count() <= super::MASK_CHARS_MAX {
            found.entry(text.to_owned()).or_insert_with(|| (reason, with.trim().to_owned()));
        }
    };
    for speaker in minutes.speakers.iter().filter(|speaker| is_name(&speaker.name)) {
        let with = called(speaker);
        spellings(&speaker.name).for_each(|name| add(&name, MaskReason::Speaker, with));
    }
    for field in [HeaderField::Present, HeaderField::Absent, HeaderField::Staff] {
        let list = minutes.header.get(&field).map_or("", String::as_str);
        for line in list.lines().flat_map(|line| line.split(['、', '，', ','])) {
            // 会長　山田太郎: the name stands last.
            let mut parts = line.split_whitespace().rev();
            let name = parts.next().unwrap_or_default();
            add(name, MaskReason::Attendee, parts.next().unwrap_or_default());
        }
    }
    for person in people {
        spellings(person).for_each(|name| add(&name, MaskReason::Dictionary, ""));
    }
    for text in shown(minutes) {
        phones(text).for_each(|number| add(number, MaskReason::Phone, ""));
        mails(text).for_each(|address| add(address, MaskReason::Mail, ""));
    }
    let counted = counts(minutes, found.keys().map(String::as_str).collect::<Vec<_>>().into_iter());
    let all = found.into_iter().zip(counted).filter(|(_, count)| *count > 0);
    let mut all: Vec<MaskSuggestion> = all
        .map(|((text, (reason, with)), count)| {
            // A word that brings its own text back would hide nothing.
            let with = if with.contains(&text) { String::new() } else { with };
            MaskSuggestion { text, with, reason, count }
        })
        .collect();
    all.sort_by(|a, b| (a.reason, &a.text).cmp(&(b.reason, &b.text)));
    all.truncate(SUGGESTIONS_MAX);
    all
}

/// Tells a name from 話者1.
fn is_name(name: &str) -> bool {
    !name.strip_prefix("話者").is_some_and(|rest| rest.chars().all(char::is_numeric))
}

fn called(speaker: &Speaker) -> &str {
    if speaker.public_name.trim().is_empty() { &speaker.role } else { &speaker.public_name }
}

/// Returns a name as it is, without its blank, and the family name alone.
fn spellings(name: &str) -> impl Iterator<Item = String> {
    let parts: Vec<&str> = name.split_whitespace().collect();
    let family = (parts.len() > 1).then(|| parts[0].to_owned());
    [name.trim().to_owned(), parts.concat()].into_iter().chain(family)
}

/// Finds runs of digits and the marks between them that have as many digits as a telephone number.
fn phones(text: &str) -> impl Iterator<Item = &str> {
    let is_part =
        |ch: char| ch.is_ascii_digit() || ('０'..='９').contains(&ch) || "-－‐−ー()（）".contains(ch);
    text.split(move |ch| !is_part(ch))
        .map(|run| run.trim_matches(|ch: char| "-－‐−ー(（)）".contains(ch)))
        .filter(|run| {
            let digits: Vec<char> = run.chars().filter(|ch| ch.is_numeric()).collect();
            PHONE_DIGITS.contains(&digits.len()) && matches!(digits[0], '0' | '０')
        })
}

/// Finds what has letters, a sign and a name with a dot behind it.
fn mails(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |ch: char| ch.is_ascii_alphanumeric() || "._%+-@".contains(ch);
    text.split(move |ch| !is_part(ch)).map(|run| run.trim_matches('.')).filter(|run| {
        run.split_once('@').is_some_and(|(who, place)| {
            !who.is_empty()
                && !place.contains('@')
                && place.split('.').count() > 1
                && place.split('.').all(|part| !part.is_empty())
        })
    })
}
