//! Stored minutes read back: older versions are carried over one step at a time, damaged ones are refused.

use std::collections::HashSet;

use serde_json::Value;

use super::document::MINUTES_VERSION;
use super::edit::{Refusal, bounds};
use super::{BlockId, ItemId, Minutes, SpeakerId};

/// Why stored minutes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The text is no JSON, or a field is missing or of another kind: restore a backup.
    #[error("not minutes: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A newer program wrote it: update this one.
    #[error("minutes version {found} is unknown, this program reads up to {MINUTES_VERSION}")]
    Newer {
        /// The version in the document.
        found: u64,
    },
    /// A value cannot be: the document was damaged or its writer has a defect.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// A value that cannot be, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Damage {
    /// The path of the value, as `blocks[3]`.
    pub place: String,
    /// What is wrong, with the value.
    pub problem: String,
}

/// Carries a document from one version to the next.
type Step = fn(Value) -> Result<Value, Damage>;

/// The steps: the first one leads from version 1 to version 2, and so on. Version 1 is the first and only one yet.
const STEPS: [Step; MINUTES_VERSION as usize - 1] = [];

/// Reads stored minutes of any version.
///
/// Errors: see [`MigrateError`]; the first wrong value is named by its place.
pub fn read(json: &str) -> Result<Minutes, MigrateError> {
    let mut document: Value = serde_json::from_str(json)?;
    let found = document.get("version").and_then(Value::as_u64).unwrap_or(0);
    if found > u64::from(MINUTES_VERSION) {
        return Err(MigrateError::Newer { found });
    }
    let Some(done) = found.checked_sub(1) else {
        return Err(damage("version", "is missing or no number from 1 on").into());
    };
    for step in STEPS.iter().skip(usize::try_from(done).unwrap_or(usize::MAX)) {
        document = step(document)?;
    }
    let minutes: Minutes = serde_json::from_value(document)?;
    check(&minutes)?;
    Ok(minutes)
}

/// Tells whether every value keeps the promises of the format, as a writer should before it writes.
///
/// Errors: the first value that does not.
pub fn check(minutes: &Minutes) -> Result<(), Damage> {
    if minutes.version != MINUTES_VERSION {
        return Err(damage("version", format!("{} instead of {MINUTES_VERSION}", minutes.version)));
    }
    for (field, value) in &minutes.header {
        let place = || format!("header.{field:?}");
        refused(place, bounds::header(*field, value))?;
        if value.is_empty() {
            return Err(damage(place(), "is there, but empty"));
        }
    }
    let speakers = check_speakers(minutes)?;
    let blocks = check_blocks(minutes, &speakers)?;
    check_items(minutes, &blocks)
}

fn check_speakers(minutes: &Minutes) -> Result<HashSet<SpeakerId>, Damage> {
    refused(|| "speakers".into(), bounds::count("speakers", minutes.speakers.len(), bounds::SPEAKERS_MAX))?;
    let mut seen = HashSet::new();
    for (index, speaker) in minutes.speakers.iter().enumerate() {
        let place = || format!("speakers[{index}]");
        refused(place, bounds::speaker(speaker))?;
        if !seen.insert(speaker.id) {
            return Err(damage(place(), format!("the name {} is there twice", speaker.id.0)));
        }
    }
    Ok(seen)
}

fn check_blocks(minutes: &Minutes, speakers: &HashSet<SpeakerId>) -> Result<HashSet<BlockId>, Damage> {
    refused(|| "blocks".into(), bounds::count("blocks", minutes.blocks.len(), bounds::BLOCKS_MAX))?;
    let mut seen = HashSet::new();
    for (index, block) in minutes.blocks.iter().enumerate() {
        let place = || format!("blocks[{index}]");
        refused(place, bounds::block(block))?;
        if !seen.insert(block.id()) {
            return Err(damage(place(), format!("the name {} is there twice", block.id().0)));
        }
        let speaker = block.utterance().and_then(|utterance| utterance.speaker);
        if let Some(unknown) = speaker.filter(|speaker| !speakers.contains(speaker)) {
            return Err(damage(place(), format!("speaker {} does not exist", unknown.0)));
        }
    }
    Ok(seen)
}

fn check_items(minutes: &Minutes, blocks: &HashSet<BlockId>) -> Result<(), Damage> {
    refused(|| "items".into(), bounds::count("items", minutes.items.len(), bounds::ITEMS_MAX))?;
    let mut seen: HashSet<ItemId> = HashSet::new();
    for (index, item) in minutes.items.iter().enumerate() {
        let place = || format!("items[{index}]");
        refused(place, bounds::item(item))?;
        if !seen.insert(item.id) {
            return Err(damage(place(), format!("the name {} is there twice", item.id.0)));
        }
        if !blocks.contains(&item.source) {
            return Err(damage(place(), format!("its source, block {}, does not exist", item.source.0)));
        }
    }
    Ok(())
}

fn refused(place: impl Fn() -> String, checked: Result<(), Refusal>) -> Result<(), Damage> {
    checked.map_err(|refusal| damage(place(), refusal.to_string()))
}

fn damage(place: impl Into<String>, problem: impl Into<String>) -> Damage {
    Damage { place: place.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    const V1: &str = include_str!("../../tests/fixtures/minutes/v1.json");

    fn v1() -> Value {
        serde_json::from_str(V1).expect("the fixture is JSON")
    }

    fn problem_of(document: &Value) -> String {
        read(&document.to_string()).expect_err("the document is damaged").to_string()
    }

    #[test]
    fn minutes_of_version_1_are_read_and_written_back_unchanged() {
        let minutes = read(V1).expect("version 1 is read for ever");
        assert_eq!(minutes.blocks.len(), 6);
        assert_eq!(serde_json::to_value(&minutes).expect("minutes have string keys only"), v1());
    }

    #[test]
    fn a_newer_version_is_named_even_when_its_shape_is_unknown() {
        let error = read(r#"{"version": 2, "rows": []}"#).expect_err("version 2 is unknown");
        assert_eq!(error.to_string(), "minutes version 2 is unknown, this program reads up to 1");
    }

    #[test]
    fn a_document_without_a_version_or_of_another_kind_is_refused() {
        assert!(matches!(read("{}"), Err(MigrateError::Damaged(_))));
        assert!(matches!(read(r#"{"version": 0}"#), Err(MigrateError::Damaged(_))));
        assert!(matches!(read(r#"{"version": 1}"#), Err(MigrateError::Malformed(_))));
        assert!(matches!(read("[1"), Err(MigrateError::Malformed(_))));
    }

    #[test]
    fn every_damage_is_told_with_its_place() {
        let cases: [(&str, Value, &str); 11] = [
            ("/speakers/1/id", json!(1), "speakers[1]: the name 1 is there twice"),
            ("/speakers/0/name", json!(" "), "speakers[0]: name cannot be \" \""),
            ("/blocks/1/speaker", json!(9), "blocks[1]: speaker 9 does not exist"),
            ("/blocks/2/id", json!(2), "blocks[2]: the name 2 is there twice"),
            ("/blocks/1/id", json!(0), "blocks[1]: block cannot be \"0\""),
            ("/blocks/1/end_ms", json!(5), "blocks[1]: time cannot be \"1000 to 5 ms\""),
            ("/blocks/1/confidence", json!(1.5), "blocks[1]: confidence cannot be \"1.5\""),
            ("/blocks/0/level", json!(4), "blocks[0]: level cannot be \"4\""),
            ("/items/0/source", json!(99), "items[0]: its source, block 99, does not exist"),
            ("/items/0/due", json!("明日"), "items[0]: due cannot be \"明日\""),
            ("/header/held_on", json!("2026-02-30"), "header.HeldOn: header cannot be \"2026-02-30\""),
        ];
        for (place, value, expected) in cases {
            let mut document = v1();
            *document.pointer_mut(place).expect("the fixture has the place") = value;
            assert_eq!(problem_of(&document), expected);
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_told_with_its_length() {
        let mut document = v1();
        document["blocks"][1]["text"] = json!("あ".repeat(bounds::TEXT_CHARS_MAX + 1));
        assert_eq!(problem_of(&document), "blocks[1]: text of 20001 characters is longer than 20000");
    }

    #[test]
    fn too_many_blocks_are_refused_before_they_are_written() {
        let mut minutes = read(V1).expect("the fixture is sound");
        let block = Arc::clone(&minutes.blocks[0]);
        minutes.blocks = vec![block; bounds::BLOCKS_MAX + 1];
        assert_eq!(check(&minutes).expect_err("one too many").place, "blocks");
    }
}
