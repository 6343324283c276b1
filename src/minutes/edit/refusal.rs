//! Why an edit is refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::minutes::{BlockId, ItemId, SpeakerId};

/// An operation that could not be carried out; nothing of its list was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[error("operation {op}: {refusal}")]
pub struct EditError {
    /// Which one of the list, counted from 0.
    pub op: usize,
    /// Why.
    pub refusal: Refusal,
}

/// Why one operation cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// No such block: load the minutes anew.
    #[error("block {} does not exist", block.0)]
    UnknownBlock {
        /// The block that was named.
        block: BlockId,
    },
    /// No such speaker: load the minutes anew.
    #[error("speaker {} does not exist", speaker.0)]
    UnknownSpeaker {
        /// The speaker that was named.
        speaker: SpeakerId,
    },
    /// No such item: load the minutes anew.
    #[error("item {} does not exist", item.0)]
    UnknownItem {
        /// The item that was named.
        item: ItemId,
    },
    /// The operation is for another kind of block: the sender has a defect.
    #[error("block {} is of another kind", block.0)]
    WrongKind {
        /// The block that was named.
        block: BlockId,
    },
    /// Something else stands there than the sender believed: show both texts to the person.
    #[error("the text of block {} differs from what was expected", block.0)]
    TextDiffers {
        /// Whose text.
        block: BlockId,
        /// The whole text as it is.
        found: String,
    },
    /// The place is no place of the text: the sender has a defect, or knows an older text.
    #[error("place {at} is not usable in the {chars} characters of block {}", block.0)]
    OutsideText {
        /// Whose text.
        block: BlockId,
        /// The place that was named.
        at: u32,
        /// How long the text is, in characters.
        chars: usize,
    },
    /// The blocks do not stand next to each other in this order: load the minutes anew.
    #[error("blocks {} and {} are not neighbours", block.0, next.0)]
    NotNeighbours {
        /// The one that was named first.
        block: BlockId,
        /// The one that was named after it.
        next: BlockId,
    },
    /// One utterance is hidden and one is shown: show or hide one of them first.
    #[error("only one of the utterances {} and {} is hidden", block.0, next.0)]
    HiddenDiffers {
        /// The one that would stay.
        block: BlockId,
        /// The one that would go.
        next: BlockId,
    },
    /// The name of a new block is in use: choose another one.
    #[error("the name {} is taken", id.0)]
    NameTaken {
        /// The name.
        id: BlockId,
    },
    /// An utterance has this speaker: assign another one first.
    #[error("speaker {} is in use by block {}", speaker.0, block.0)]
    SpeakerInUse {
        /// Who.
        speaker: SpeakerId,
        /// The first of the utterances.
        block: BlockId,
    },
    /// An item comes from this block: take the item away or tie it to another block first.
    #[error("block {} is the source of item {}", block.0, item.0)]
    BlockInUse {
        /// The block.
        block: BlockId,
        /// The first of the items.
        item: ItemId,
    },
    /// A text is too long: shorten it.
    #[error("{what} of {chars} characters is longer than {chars_max}")]
    TooLong {
        /// Which text, as a stable word.
        what: String,
        /// How long it would be.
        chars: usize,
        /// How long it may be.
        chars_max: usize,
    },
    /// There are too many of something: take some away first, or send fewer at once.
    #[error("{count} {what} are more than {count_max}")]
    TooMany {
        /// Of what, as a stable word.
        what: String,
        /// How many there would be.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// A value cannot be: correct it.
    #[error("{what} cannot be {value:?}")]
    BadValue {
        /// Which value, as a stable word.
        what: String,
        /// The value.
        value: String,
    },
}

impl Refusal {
    /// Says that a value cannot be.
    pub(crate) fn bad(what: &str, value: impl ToString) -> Self {
        Self::BadValue { what: what.into(), value: value.to_string() }
    }
}
