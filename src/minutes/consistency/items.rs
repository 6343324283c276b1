//! What is missing beside the text: who does it until when, decisions nobody marked, times that cannot be.

use std::collections::BTreeSet;

use super::{FINDINGS_MAX, Finding, FindingKind, PLACES_MAX, Place};
use crate::minutes::{BlockId, HeaderField, ItemKind, Mark, Minutes};

/// Said where something is decided; 決定 alone is also said of what others decided long ago.
const DECIDED: [&str; 8] = [
    "決定しました",
    "決定いたしました",
    "可決しました",
    "可決されました",
    "可決いたしました",
    "承認されました",
    "了承されました",
    "異議なしと認め",
];
/// Most characters of a text that a sentence quotes.
const QUOTED_CHARS_MAX: usize = 20;

/// Finds to-dos without a person or a day.
pub(super) fn open(minutes: &Minutes) -> Vec<Finding> {
    let is_open = |kind, done: bool| kind == ItemKind::Todo && !done;
    let todos = minutes.items.iter().filter(|item| is_open(item.kind, item.done));
    let lacking = todos.filter_map(|item| {
        let lack = match (item.assignee.trim().is_empty(), item.due.is_empty()) {
            (true, true) => "担当と期限",
            (true, false) => "担当",
            (false, true) => "期限",
            (false, false) => return None,
        };
        let message = format!("ToDo「{}」の{lack}が入っていません。", quoted(&item.text));
        Some(finding(FindingKind::OpenItem, message, vec![at(item.source)]))
    });
    lacking.take(FINDINGS_MAX).collect()
}

/// Finds what was said to be decided and stands in no list of decisions.
pub(super) fn decisions(minutes: &Minutes) -> Option<Finding> {
    let listed = minutes.items.iter().filter(|item| item.kind == ItemKind::Decision);
    let listed: BTreeSet<BlockId> = listed.map(|item| item.source).collect();
    let said = minutes.utterances().filter(|said| said.hidden.is_none() && !listed.contains(&said.id));
    let places: Vec<Place> = said
        .filter_map(|said| {
            let found = DECIDED.iter().filter_map(|word| Some((said.text.find(word)?, *word))).min()?;
            let at = u32::try_from(said.text[..found.0].chars().count()).unwrap_or(u32::MAX);
            Some(Place { block: said.id, at, text: found.1.to_owned() })
        })
        .collect();
    let marked = minutes.utterances().filter(|said| said.marks.contains(&Mark::Decision)).count();
    let message = format!(
        "決定の一覧にない、決定と思われる発言が {} 件あります（決定の印 {marked} 件）。",
        places.len()
    );
    let places: Vec<Place> = places.into_iter().take(PLACES_MAX).collect();
    (!places.is_empty()).then(|| finding(FindingKind::Decision, message, places))
}

/// Finds an end before the beginning, and days that are over before the meeting.
pub(super) fn times(minutes: &Minutes) -> Vec<Finding> {
    let value = |field| minutes.header.get(&field).map_or("", |value| value.trim());
    let (starts, ends) = (minute_of(value(HeaderField::StartsAt)), minute_of(value(HeaderField::EndsAt)));
    let mut found = Vec::new();
    if let (Some(starts), Some(ends)) = (starts, ends)
        && ends <= starts
    {
        let message = format!(
            "終了時刻（{}）が開始時刻（{}）より前です。",
            value(HeaderField::EndsAt),
            value(HeaderField::StartsAt)
        );
        found.push(finding(FindingKind::Times, message, Vec::new()));
    }
    // Written as 2026-11-22, days are compared as texts.
    let held_on = value(HeaderField::HeldOn);
    let is_over = |due: &str| !due.is_empty() && !held_on.is_empty() && due < held_on;
    let late = minutes.items.iter().filter(|item| is_over(&item.due));
    found.extend(late.take(FINDINGS_MAX).map(|item| {
        let message = format!("「{}」の期限（{}）が開催日より前です。", quoted(&item.text), item.due);
        finding(FindingKind::Times, message, vec![at(item.source)])
    }));
    found
}

fn finding(kind: FindingKind, message: String, places: Vec<Place>) -> Finding {
    Finding { kind, message, suggestion: String::new(), places }
}

fn at(block: BlockId) -> Place {
    Place { block, at: 0, text: String::new() }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

/// Returns the minute of the day of a time written as 14:05.
fn minute_of(time: &str) -> Option<u32> {
    let (hour, minute) = time.split_once(':')?;
    Some(hour.parse::<u32>().ok()? * 60 + minute.get(..2)?.parse::<u32>().ok()?)
}
