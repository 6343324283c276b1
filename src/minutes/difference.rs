//! What differs between two versions of one document: 認識結果, 編集後, 確定版.
//!
//! Blocks are matched by name, so both sides must descend from one draft; two recognitions of one recording are
//! compared by time instead, see [`proposal()`].

mod passages;
mod proposal;
mod runs;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BlockId, HeaderField, Item, Minutes, Speaker};

pub use proposal::{OFFERS_MAX, Offer, proposal};
pub use runs::{Run, RunKind, runs};

/// Everything that differs between two versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Fields of the header that differ.
    pub header: Vec<HeaderChange>,
    /// Speakers that were added, changed or taken away.
    pub speakers: Vec<SpeakerChange>,
    /// The blocks of both versions in reading order, equal ones included.
    pub passages: Vec<Passage>,
    /// Items that were added, changed or taken away.
    pub items: Vec<ItemChange>,
}

impl Difference {
    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let same = |passage: &Passage| passage.change == Change::Same;
        self.header.is_empty()
            && self.speakers.is_empty()
            && self.items.is_empty()
            && self.passages.iter().all(same)
    }
}

/// A field of the header that differs; empty where it is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeaderChange {
    /// Which one.
    pub field: HeaderField,
    /// What it held.
    pub old: String,
    /// What it holds.
    pub new: String,
}

/// A speaker that differs; one side is absent if the other side alone has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpeakerChange {
    /// As it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Speaker>,
    /// As it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Speaker>,
}

/// An item that differs; one side is absent if the other side alone has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemChange {
    /// As it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Item>,
    /// As it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Item>,
}

/// Blocks of both versions that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Passage {
    /// What happened.
    pub change: Change,
    /// The blocks of the old version.
    pub old: Vec<BlockId>,
    /// The blocks of the new version.
    pub new: Vec<BlockId>,
    /// The text of both, in pieces; one kept piece if it is equal, none if there is no text.
    pub runs: Vec<Run>,
    /// What differs beside the text.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub aspects: BTreeSet<Aspect>,
    /// Whether it stands at another place among its neighbours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
}

/// What happened to a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing.
    Same,
    /// Its text, its place or something beside the text differs.
    Changed,
    /// One utterance became several.
    Split,
    /// Several utterances became one.
    Joined,
    /// It is new.
    Added,
    /// It is not there any more.
    Gone,
}

/// What can differ between two blocks beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Who spoke.
    Speaker,
    /// What people marked it with.
    Marks,
    /// Whether it is shown.
    Hidden,
    /// The depth of a heading.
    Level,
    /// When it was said.
    Time,
    /// What kind of block it is.
    Kind,
}

/// Compares two versions of one document.
///
/// Range: any two minutes that keep their bounds; memory grows with their text, time at worst with the square of the
/// longest passage, which is bounded.
pub fn difference(old: &Minutes, new: &Minutes) -> Difference {
    Difference {
        header: header(old, new),
        speakers: speakers(old, new),
        passages: passages::passages(old, new),
        items: items(old, new),
    }
}

fn header(old: &Minutes, new: &Minutes) -> Vec<HeaderChange> {
    let value = |minutes: &Minutes, field| minutes.header.get(&field).cloned().unwrap_or_default();
    let change = |field| HeaderChange { field, old: value(old, field), new: value(new, field) };
    HeaderField::ALL.into_iter().map(change).filter(|change| change.old != change.new).collect()
}

fn speakers(old: &Minutes, new: &Minutes) -> Vec<SpeakerChange> {
    let kept = new
        .speakers
        .iter()
        .map(|speaker| SpeakerChange { old: old.speaker(speaker.id).cloned(), new: Some(speaker.clone()) });
    let gone = old.speakers.iter().filter(|speaker| new.speaker(speaker.id).is_none());
    let gone = gone.map(|speaker| SpeakerChange { old: Some(speaker.clone()), new: None });
    kept.chain(gone).filter(|change| change.old != change.new).collect()
}

fn items(old: &Minutes, new: &Minutes) -> Vec<ItemChange> {
    let find =
        |minutes: &Minutes, item: &Item| minutes.items.iter().find(|known| known.id == item.id).cloned();
    let kept = new.items.iter().map(|item| ItemChange { old: find(old, item), new: Some(item.clone()) });
    let gone = old.items.iter().filter(|item| find(new, item).is_none());
    let gone = gone.map(|item| ItemChange { old: Some(item.clone()), new: None });
    kept.chain(gone).filter(|change| change.old != change.new).collect()
}

#[cfg(test)]
mod tests;
