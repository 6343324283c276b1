//! The operations people edit with: what crosses the wire, what history keeps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::minutes::{Block, BlockId, HeaderField, Item, ItemId, Mark, Speaker, SpeakerId};

/// One thing a person does to minutes.
///
/// Units: places in a text are counted in characters (Unicode scalar values), not bytes and not UTF-16 units.
/// Names of new things are chosen by whoever sends the operation, so that it can go on before the answer comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Writes a field of the header; an empty value clears it.
    SetHeader {
        /// Which one.
        field: HeaderField,
        /// What it holds from now on.
        value: String,
    },
    /// Replaces a stretch of an utterance's or heading's text.
    Splice {
        /// Whose text.
        block: BlockId,
        /// Where the stretch begins.
        at: u32,
        /// What stands there now; the operation is refused if something else does.
        remove: String,
        /// What shall stand there.
        insert: String,
    },
    /// Writes an utterance's or heading's whole text anew.
    SetText {
        /// Whose text.
        block: BlockId,
        /// The text.
        text: String,
    },
    /// 発言の分割: everything from a place on becomes an utterance of its own.
    Split {
        /// Which utterance.
        block: BlockId,
        /// Where the second one begins; not at an end of the text.
        at: u32,
        /// The name of the second one.
        new: BlockId,
    },
    /// 発言の結合: an utterance takes in the utterance right after it.
    Join {
        /// Which one stays.
        block: BlockId,
        /// Which one goes.
        next: BlockId,
    },
    /// Puts a heading of the agenda before a block.
    AddHeading {
        /// The name of the heading.
        id: BlockId,
        /// Depth, 1 to 3.
        level: u8,
        /// The text.
        text: String,
        /// The block it stands before; at the end if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<BlockId>,
    },
    /// Makes a heading deeper or less deep.
    SetLevel {
        /// Which heading.
        block: BlockId,
        /// Depth, 1 to 3.
        level: u8,
    },
    /// Takes a heading away. Utterances are never taken away, only hidden.
    RemoveHeading {
        /// Which heading.
        block: BlockId,
    },
    /// Says who spoke.
    SetSpeaker {
        /// Which utterances.
        blocks: Vec<BlockId>,
        /// Who; nobody known if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        speaker: Option<SpeakerId>,
        /// Whether the recogniser says so and no person: how speakers are found again, and what undoing needs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        automatic: bool,
    },
    /// Adds a speaker, or writes name, role and public name of one anew: everywhere at once.
    PutSpeaker {
        /// The speaker.
        speaker: Speaker,
    },
    /// Two speakers were one person.
    MergeSpeakers {
        /// Who goes.
        from: SpeakerId,
        /// Who stays.
        into: SpeakerId,
    },
    /// Takes away a speaker to whom nothing is assigned.
    RemoveSpeaker {
        /// Who.
        speaker: SpeakerId,
    },
    /// Sets or clears a mark.
    SetMark {
        /// Of which utterance.
        block: BlockId,
        /// Which mark.
        mark: Mark,
        /// Whether it shall be there.
        on: bool,
    },
    /// Hides an utterance with a reason, or shows it again.
    SetHidden {
        /// Which utterance.
        block: BlockId,
        /// Why, as a stable word; shown if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Says whether a person changed the text since it was recognised: what undoing a first edit needs.
    SetEdited {
        /// Of which utterance.
        block: BlockId,
        /// Whether somebody did.
        on: bool,
    },
    /// Gives a speaker another place in the attendee list.
    MoveSpeaker {
        /// Who.
        speaker: SpeakerId,
        /// Whom the speaker stands before; at the end if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<SpeakerId>,
    },
    /// Adds a decision, an issue or a to-do, or writes one anew.
    PutItem {
        /// The item; its source must exist.
        item: Item,
    },
    /// Takes an item away.
    RemoveItem {
        /// Which one.
        id: ItemId,
    },
    /// Gives an item another place in the list.
    MoveItem {
        /// Which one.
        id: ItemId,
        /// The item it stands before; at the end if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<ItemId>,
    },
    /// Puts blocks in the place of neighbouring blocks: how a join, a gap's second recognition or a taken-over
    /// passage is made and unmade.
    PutBlocks {
        /// The blocks that go, neighbours in this order; none to only add.
        remove: Vec<BlockId>,
        /// The blocks that come.
        put: Vec<Block>,
        /// If nothing goes: the block they stand before; at the end if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<BlockId>,
    },
}
