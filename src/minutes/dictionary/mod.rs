//! 単語登録: the words of an office, of a department and of a meeting.
//!
//! - **In**: entries as people register them or import them, minutes, the people and the agenda of a meeting.
//! - **Out**: replacements as proposals, words for the recogniser's hint, words that no rule touches, CSV files.
//! - **Never**: changes a text by itself, or drops an entry without saying so.

mod choose;
mod csv;
mod repair;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use choose::{Meeting, hint, vocabulary_text};
pub use csv::{CsvError, Imported, LineProblem, export, import};
pub use repair::{candidates, propose};

pub use super::csv::{Charset, Exported};
use super::passage::Protected;
use crate::clock::UnixMs;

/// Most entries of one list.
pub const ENTRIES_MAX: usize = 20_000;
/// Longest 表記, よみ or 置換元, in characters; the recogniser takes no longer ones.
pub const WORD_CHARS_MAX: usize = 100;
/// Longest メモ, in characters.
pub const NOTE_CHARS_MAX: usize = 500;
/// Most 置換元 of one entry.
pub const SOURCES_MAX: usize = 50;

/// A day of the calendar, written `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct Day(jiff::civil::Date);

/// What is no day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no day of the calendar: {0}")]
pub struct NoDay(String);

impl Day {
    /// Reads `2026-11-22` or `2026/11/22`, with one or two digits for month and day.
    ///
    /// Errors: [`NoDay`] with the text.
    pub fn parse(text: &str) -> Result<Self, NoDay> {
        let wrong = || NoDay(text.to_owned());
        let parts: Vec<&str> = text.trim().split(['-', '/']).collect();
        let [year, month, day] = parts[..] else { return Err(wrong()) };
        let year: i16 = year.parse().map_err(|_| wrong())?;
        let month: i8 = month.parse().map_err(|_| wrong())?;
        let day: i8 = day.parse().map_err(|_| wrong())?;
        jiff::civil::Date::new(year, month, day).map(Self).map_err(|_| wrong())
    }

    /// Returns the day that it is in Japan at a moment.
    ///
    /// Range: moments outside of the calendar's years count as its first day.
    pub fn in_japan(at: UnixMs) -> Self {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
        Self(jiff::Timestamp::from_millisecond(at.ms()).unwrap_or_default().to_zoned(zone).date())
    }

    /// Returns the moment at which the day ends in Japan, `days` days later.
    ///
    /// Range: nothing past the end of the calendar.
    pub fn end_in_japan(self, days: u32) -> Option<UnixMs> {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
        let last = self.0.checked_add(jiff::ToSpan::days(i64::from(days) + 1)).ok()?;
        let end = last.to_zoned(zone).ok()?;
        Some(UnixMs::from_ms(end.timestamp().as_millisecond()))
    }
}

impl TryFrom<String> for Day {
    type Error = NoDay;

    fn try_from(text: String) -> Result<Self, NoDay> {
        Self::parse(&text)
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0.to_string()
    }
}

/// 種別
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 人名
    Person,
    /// 地名
    Place,
    /// 組織
    Organisation,
    /// 用語
    #[default]
    Term,
}

impl Kind {
    /// Every kind, in the order of the screen.
    pub const ALL: [Self; 4] = [Self::Person, Self::Place, Self::Organisation, Self::Term];

    /// Returns the word on screen and in files.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Person => "人名",
            Self::Place => "地名",
            Self::Organisation => "組織",
            Self::Term => "用語",
        }
    }
}

/// A registered word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// 表記: how it is written.
    pub written: String,
    /// よみ, in hiragana; empty if nobody gave one.
    #[serde(default)]
    pub reading: String,
    /// 種別
    #[serde(default)]
    pub kind: Kind,
    /// 置換元: what the recogniser writes instead.
    #[serde(default)]
    pub sources: Vec<String>,
    /// メモ
    #[serde(default)]
    pub note: String,
    /// 有効期間: first day; from ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub valid_from: Option<Day>,
    /// 有効期間: last day; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub valid_until: Option<Day>,
}

impl Entry {
    /// Tells whether the entry holds on a day.
    pub fn is_valid_on(&self, day: Day) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_until.is_none_or(|until| day <= until)
    }

    /// Says, in a sentence for a person, why the entry cannot be registered.
    pub fn problem(&self) -> Option<String> {
        let too_long = |text: &str, most: usize| text.chars().count() > most;
        let words = || std::iter::once(&self.written).chain([&self.reading]).chain(&self.sources);
        if self.written.trim().is_empty() {
            return Some("表記が空です。".to_owned());
        }
        if let Some(word) = words().find(|word| too_long(word, WORD_CHARS_MAX)) {
            return Some(format!("「{word}」は{WORD_CHARS_MAX}文字を超えています。"));
        }
        if words().any(|word| word.contains(['\n', '\r']))
            || self.sources.iter().any(|source| source.trim().is_empty())
        {
            return Some("空の置換元、または改行を含む語があります。".to_owned());
        }
        if too_long(&self.note, NOTE_CHARS_MAX) {
            return Some(format!("メモが{NOTE_CHARS_MAX}文字を超えています。"));
        }
        if self.sources.len() > SOURCES_MAX {
            return Some(format!("置換元が{SOURCES_MAX}件を超えています。"));
        }
        if self.sources.contains(&self.written) {
            return Some(format!("置換元「{}」が表記と同じです。", self.written));
        }
        let is_reversed = self.valid_from.zip(self.valid_until).is_some_and(|(from, until)| until < from);
        is_reversed.then(|| "有効期間の終わりが始まりより前です。".to_owned())
    }
}

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WordScope)]
pub enum Scope {
    /// 会議
    Meeting,
    /// 部署
    Department,
    /// 全庁
    Office,
}

/// 単語グループ
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name on screen.
    pub name: String,
    /// Whose words they are.
    pub scope: Scope,
    /// The words, the most recent first.
    pub entries: Vec<Entry>,
}

/// Lists the entries that hold on a day: the meeting's before the department's before the office's.
///
/// Shape: of entries with the same 表記 only the nearest is listed.
/// Range: at most [`ENTRIES_MAX`]; the farthest are left out.
pub fn in_force(groups: &[Group], day: Day) -> Vec<&Entry> {
    let mut nearest: Vec<&Group> = groups.iter().collect();
    nearest.sort_by_key(|group| group.scope);
    let mut seen = std::collections::HashSet::new();
    let valid = nearest.into_iter().flat_map(|group| &group.entries).filter(|entry| entry.is_valid_on(day));
    valid.filter(|entry| seen.insert(entry.written.as_str())).take(ENTRIES_MAX).collect()
}

/// Returns the words that no rule touches.
pub fn protected(entries: &[&Entry]) -> Protected {
    Protected::words(entries.iter().map(|entry| entry.written.as_str()))
}

#[cfg(test)]
mod tests;
