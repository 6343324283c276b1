//! 会議テンプレート: what minutes of one kind of meeting look like before anybody spoke.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::draft::Segmentation;
use super::edit::{Refusal, bounds};
use super::{Header, HeaderField, Minutes, Speaker};

/// Most vocabulary groups of one template.
pub const WORD_GROUPS_MAX: usize = 100;
/// Most days until something is due: ten years.
pub const DUE_DAYS_MAX: u32 = 3_660;
/// Most days that something is kept: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_600;
/// Silences and lengths of utterances lie below this many milliseconds: ten minutes.
pub const SEGMENTATION_MS_MAX: u64 = 600_000;

/// What kind of minutes is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MinutesKind {
    /// 全文記録
    #[default]
    Verbatim,
    /// 要点筆記
    Points,
    /// 発言要旨
    Gist,
    /// 会議概要
    Overview,
}

impl MinutesKind {
    /// Returns the word on screen and on paper.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Verbatim => "全文記録",
            Self::Points => "要点筆記",
            Self::Gist => "発言要旨",
            Self::Overview => "会議概要",
        }
    }
}

/// How minutes of one kind of meeting are set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// What people choose it by.
    pub name: String,
    /// What kind of minutes is written.
    pub kind: MinutesKind,
    /// The title of a meeting; `{年}`, `{月}` and `{日}` stand for the day.
    pub title: String,
    /// The fields of the header that are shown, in their order.
    pub fields: Vec<HeaderField>,
    /// The fields that must not be empty before 確認依頼.
    pub required: BTreeSet<HeaderField>,
    /// What the header holds from the start.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub header: Header,
    /// Who is expected to speak, in the order of the keys that assign them.
    pub attendees: Vec<Speaker>,
    /// Where a new utterance begins.
    pub segmentation: Segmentation,
    /// The vocabulary groups that help the recogniser, by name.
    pub word_groups: Vec<String>,
    /// 期限: days from the meeting until the minutes are to be final; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_days: Option<u32>,
    /// 保存期間: days from the meeting until the sound may be erased; kept if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// The layout of speaker and utterance on paper, by its stable word.
    pub speaker_layout: String,
    /// Whether a new meeting begins with it; of several the department's own comes before the office's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preselected: bool,
}

impl Default for Template {
    fn default() -> Self {
        use HeaderField as F;
        Self {
            name: "標準".into(),
            kind: MinutesKind::Verbatim,
            title: String::new(),
            fields: HeaderField::ALL.to_vec(),
            // The least that public rules on minutes ask for; who spoke and what was said stands in the blocks.
            required: [F::Title, F::HeldOn, F::Place, F::Present, F::Agenda].into(),
            header: Header::from([(F::Policy, MinutesKind::Verbatim.label().into())]),
            attendees: Vec::new(),
            segmentation: Segmentation::default(),
            word_groups: Vec::new(),
            due_days: Some(45),
            retention_days: None,
            speaker_layout: "line_break".into(),
            preselected: false,
        }
    }
}

/// A value of a template that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TemplateError {
    /// The path of the value, as `attendees[3]`.
    pub place: String,
    /// What is wrong, with the value.
    pub problem: String,
}

impl Template {
    /// Passes a template that minutes can be made from.
    ///
    /// Errors: the first value that cannot be.
    pub fn check(&self) -> Result<(), TemplateError> {
        self.check_texts()?;
        self.check_header()?;
        self.check_attendees()?;
        let days = [
            ("due_days", self.due_days, DUE_DAYS_MAX),
            ("retention_days", self.retention_days, RETENTION_DAYS_MAX),
        ];
        for (place, days, days_max) in days {
            if let Some(days) = days.filter(|days| *days > days_max) {
                return Err(wrong(place, format!("{days} days are more than {days_max}")));
            }
        }
        self.segmentation.check().map_err(|problem| wrong("segmentation", problem))
    }

    /// Returns the title of a meeting on a day, as `2026-11-22`; without a day its places stay as they are.
    pub fn title_on(&self, held_on: &str) -> String {
        if !bounds::is_date(held_on) {
            return self.title.clone();
        }
        let mut title = self.title.replace("{年}", &held_on[..4]);
        for (place, digits) in [("{月}", &held_on[5..7]), ("{日}", &held_on[8..])] {
            title = title.replace(place, digits.trim_start_matches('0'));
        }
        title
    }

    fn check_texts(&self) -> Result<(), TemplateError> {
        if self.name.trim().is_empty() {
            return Err(wrong("name", "is empty"));
        }
        kept("name", bounds::text("name", &self.name, bounds::NAME_CHARS_MAX))?;
        kept("title", bounds::text("title", &self.title, bounds::NAME_CHARS_MAX))?;
        kept("speaker_layout", bounds::stable_word("speaker_layout", &self.speaker_layout))?;
        kept("word_groups", bounds::count("word_groups", self.word_groups.len(), WORD_GROUPS_MAX))?;
        for (index, group) in self.word_groups.iter().enumerate() {
            let place = format!("word_groups[{index}]");
            kept(&place, bounds::text("word_group", group, bounds::NAME_CHARS_MAX))?;
        }
        Ok(())
    }

    fn check_header(&self) -> Result<(), TemplateError> {
        let mut shown = HashSet::new();
        if let Some(twice) = self.fields.iter().find(|field| !shown.insert(**field)) {
            return Err(wrong("fields", format!("{twice:?} is there twice")));
        }
        // A field that must be filled and cannot be seen would never be filled.
        if let Some(unseen) = self.required.iter().find(|field| !shown.contains(field)) {
            return Err(wrong("required", format!("{unseen:?} is not shown")));
        }
        for (field, value) in &self.header {
            kept(&format!("header.{field:?}"), bounds::header(*field, value))?;
        }
        Ok(())
    }

    fn check_attendees(&self) -> Result<(), TemplateError> {
        kept("attendees", bounds::count("attendees", self.attendees.len(), bounds::SPEAKERS_MAX))?;
        let mut seen = HashSet::new();
        for (index, attendee) in self.attendees.iter().enumerate() {
            let place = format!("attendees[{index}]");
            kept(&place, bounds::speaker(attendee))?;
            if !seen.insert(attendee.id) {
                return Err(wrong(&place, format!("the name {} is there twice", attendee.id.0)));
            }
        }
        Ok(())
    }
}

/// Returns the fields that must be filled before 確認依頼 and are not, in the order in which they are shown.
pub fn missing_required(minutes: &Minutes, template: &Template) -> Vec<HeaderField> {
    let is_empty =
        |field: &&HeaderField| minutes.header.get(field).is_none_or(|value| value.trim().is_empty());
    let required = template.fields.iter().filter(|field| template.required.contains(field));
    required.filter(is_empty).copied().collect()
}

fn kept(place: &str, checked: Result<(), Refusal>) -> Result<(), TemplateError> {
    checked.map_err(|refusal| wrong(place, refusal.to_string()))
}

fn wrong(place: &str, problem: impl Into<String>) -> TemplateError {
    TemplateError { place: place.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minutes::SpeakerId;

    fn speaker(id: u64, name: &str) -> Speaker {
        Speaker::new(SpeakerId(id), name)
    }

    fn place_of_error(change: impl FnOnce(&mut Template)) -> String {
        let mut template = Template::default();
        change(&mut template);
        template.check().expect_err("the template is wrong").place
    }

    #[test]
    fn the_built_in_template_is_sound_and_read_back_as_written() {
        let template = Template::default();
        assert_eq!(template.check(), Ok(()));
        let json = serde_json::to_string(&template).expect("a template has string keys only");
        assert_eq!(serde_json::from_str::<Template>(&json).expect("it was just written"), template);
    }

    #[test]
    fn what_a_stored_template_leaves_out_is_as_built_in() {
        let template: Template = serde_json::from_str(r#"{"name": "部長会"}"#).expect("a name is enough");
        assert_eq!(template, Template { name: "部長会".into(), ..Template::default() });
    }

    #[test]
    fn every_wrong_value_is_named_by_its_place() {
        assert_eq!(place_of_error(|t| t.name = "　".into()), "name");
        assert_eq!(place_of_error(|t| t.title = "あ".repeat(201)), "title");
        assert_eq!(place_of_error(|t| t.speaker_layout.clear()), "speaker_layout");
        assert_eq!(place_of_error(|t| t.fields.push(HeaderField::Title)), "fields");
        assert_eq!(place_of_error(|t| t.fields.clear()), "required");
        assert_eq!(place_of_error(|t| t.due_days = Some(DUE_DAYS_MAX + 1)), "due_days");
        assert_eq!(place_of_error(|t| t.retention_days = Some(u32::MAX)), "retention_days");
        assert_eq!(place_of_error(|t| t.segmentation.pause_ms = 0), "segmentation");
        assert_eq!(
            place_of_error(|t| t.attendees = vec![speaker(1, "山田"), speaker(1, "鈴木")]),
            "attendees[1]"
        );
        assert_eq!(place_of_error(|t| t.word_groups = vec!["議会".into(); 101]), "word_groups");
        let bad_date = |t: &mut Template| drop(t.header.insert(HeaderField::HeldOn, "いつか".into()));
        assert_eq!(place_of_error(bad_date), "header.HeldOn");
    }

    #[test]
    fn the_title_takes_the_day_and_stays_as_it_is_without_one() {
        let template = Template { title: "{年}年{月}月{日}日 部長会".into(), ..Template::default() };
        assert_eq!(template.title_on("2026-04-01"), "2026年4月1日 部長会");
        assert_eq!(template.title_on(""), "{年}年{月}月{日}日 部長会");
    }

    #[test]
    fn required_fields_are_missing_until_they_hold_more_than_blanks() {
        let template = Template::default();
        let mut minutes = Minutes::default();
        minutes.header.insert(HeaderField::Title, "部長会".into());
        minutes.header.insert(HeaderField::Place, "　".into());
        let missing = missing_required(&minutes, &template);
        assert_eq!(
            missing,
            [HeaderField::HeldOn, HeaderField::Place, HeaderField::Present, HeaderField::Agenda]
        );
    }
}
