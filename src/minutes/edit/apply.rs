//! A list of operations carried out on minutes: all of them, or none.

use std::sync::Arc;

use super::{EditError, Op, Refusal, bounds};
use crate::minutes::{Block, BlockId, Minutes, SpeakerId, Utterance};

/// What a list of operations led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The next revision.
    pub minutes: Minutes,
    /// What leads back, to be carried out in this order by [`apply_undo`].
    pub undo: Vec<Op>,
}

/// Carries out what a person did.
///
/// Shape: `apply_undo(applied.minutes, applied.undo)` gives the minutes from before, to the last flag.
/// Range: at most [`bounds::OPS_MAX`] operations.
/// Errors: [`EditError`] with the first operation that cannot be; nothing is carried out then.
pub fn apply(minutes: &Minutes, ops: &[Op]) -> Result<Applied, EditError> {
    carry_out(minutes, ops, bounds::OPS_MAX)
}

/// Carries out what undoes a revision; its own undo is the redo.
///
/// Range: at most [`bounds::UNDO_OPS_MAX`] operations.
/// Errors: as of [`apply`].
pub fn apply_undo(minutes: &Minutes, ops: &[Op]) -> Result<Applied, EditError> {
    carry_out(minutes, ops, bounds::UNDO_OPS_MAX)
}

fn carry_out(minutes: &Minutes, ops: &[Op], ops_max: usize) -> Result<Applied, EditError> {
    bounds::count("operations", ops.len(), ops_max).map_err(|refusal| EditError { op: ops_max, refusal })?;
    let mut desk = Desk { minutes: minutes.clone(), near: 0 };
    let mut undo = Vec::new();
    for (op, performed) in ops.iter().enumerate() {
        let back = desk.perform(performed).map_err(|refusal| EditError { op, refusal })?;
        undo.extend(back.into_iter().rev());
        bounds::count("undo", undo.len(), bounds::UNDO_OPS_MAX)
            .map_err(|refusal| EditError { op, refusal })?;
    }
    undo.reverse();
    Ok(Applied { minutes: desk.minutes, undo })
}

/// What undoes one operation, in the order in which it is to be carried out.
pub(super) type Back = Result<Vec<Op>, Refusal>;

/// Minutes that are being worked on.
pub(super) struct Desk {
    pub(super) minutes: Minutes,
    /// Where the last block was found: the next one mostly stands close behind it.
    near: usize,
}

impl Desk {
    fn perform(&mut self, op: &Op) -> Back {
        match op {
            Op::SetHeader { field, value } => self.set_header(*field, value),
            Op::Splice { block, at, remove, insert } => self.splice(*block, *at, remove, insert),
            Op::SetText { block, text } => self.set_text(*block, text),
            Op::Split { block, at, new } => self.split(*block, *at, *new),
            Op::Join { block, next } => self.join(*block, *next),
            Op::AddHeading { id, level, text, before } => self.add_heading(*id, *level, text, *before),
            Op::SetLevel { block, level } => self.set_level(*block, *level),
            Op::RemoveHeading { block } => self.remove_heading(*block),
            Op::SetSpeaker { blocks, speaker, automatic } => self.set_speaker(blocks, (*speaker, *automatic)),
            Op::PutSpeaker { speaker } => self.put_speaker(speaker),
            Op::MergeSpeakers { from, into } => self.merge_speakers(*from, *into),
            Op::RemoveSpeaker { speaker } => self.remove_speaker(*speaker),
            Op::MoveSpeaker { speaker, before } => self.move_speaker(*speaker, *before),
            Op::SetMark { block, mark, on } => self.set_mark(*block, *mark, *on),
            Op::SetHidden { block, reason } => self.set_hidden(*block, reason.as_deref()),
            Op::SetEdited { block, on } => self.set_edited(*block, *on),
            Op::PutItem { item } => self.put_item(item),
            Op::RemoveItem { id } => self.remove_item(*id),
            Op::MoveItem { id, before } => self.move_item(*id, *before),
            Op::PutBlocks { remove, put, before } => self.put_blocks(remove, put, *before),
        }
    }

    /// Finds where a block stands.
    pub(super) fn position(&mut self, block: BlockId) -> Result<usize, Refusal> {
        let blocks = &self.minutes.blocks;
        let near = self.near.min(blocks.len());
        let is_it = |found: &Arc<Block>| found.id() == block;
        let ahead = blocks[near..].iter().position(is_it).map(|offset| near + offset);
        let index = ahead.or_else(|| blocks[..near].iter().position(is_it));
        self.near = index.ok_or(Refusal::UnknownBlock { block })?;
        Ok(self.near)
    }

    /// Finds where something stands that goes before a block, or at the end.
    pub(super) fn place(&mut self, before: Option<BlockId>) -> Result<usize, Refusal> {
        before.map_or(Ok(self.minutes.blocks.len()), |block| self.position(block))
    }

    /// Returns an utterance to read.
    pub(super) fn utterance(&mut self, block: BlockId) -> Result<&Utterance, Refusal> {
        let index = self.position(block)?;
        self.minutes.blocks[index].utterance().ok_or(Refusal::WrongKind { block })
    }

    /// Returns an utterance to write; it is copied if another revision holds it.
    pub(super) fn utterance_mut(&mut self, block: BlockId) -> Result<&mut Utterance, Refusal> {
        let index = self.position(block)?;
        match Arc::make_mut(&mut self.minutes.blocks[index]) {
            Block::Utterance(utterance) => Ok(utterance),
            Block::Heading(_) | Block::Gap(_) => Err(Refusal::WrongKind { block }),
        }
    }

    /// Returns the name of the block at a place, if there is one.
    pub(super) fn id_at(&self, index: usize) -> Option<BlockId> {
        self.minutes.blocks.get(index).map(|block| block.id())
    }

    /// Passes a name that a new block may have.
    pub(super) fn free_name(&self, id: BlockId) -> Result<(), Refusal> {
        bounds::id("block", id.0)?;
        if self.minutes.position(id).is_some() {
            return Err(Refusal::NameTaken { id });
        }
        Ok(())
    }

    /// Passes a number of blocks that may be added.
    pub(super) fn room_for(&self, more: usize) -> Result<(), Refusal> {
        bounds::count("blocks", self.minutes.blocks.len() + more, bounds::BLOCKS_MAX)
    }

    /// Passes a speaker that exists.
    pub(super) fn known_speaker(&self, speaker: SpeakerId) -> Result<(), Refusal> {
        self.minutes.speaker(speaker).map(|_| ()).ok_or(Refusal::UnknownSpeaker { speaker })
    }
}
