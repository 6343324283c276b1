//! What an operation relies on and what it changes: what decides whether two operations can meet.

use super::Op;
use crate::minutes::{Block, BlockId, HeaderField, ItemId, Mark, SpeakerId};

/// One thing of a document that an operation can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Facet {
    Header(HeaderField),
    Block(BlockId),
    /// The seam before a block: blocks that must stay neighbours do not like what is put there.
    Seam(BlockId),
    Text(BlockId),
    Level(BlockId),
    Hidden(BlockId),
    Speaks(BlockId),
    Mark(BlockId, Mark),
    Speaker(SpeakerId),
    SpeakerValues(SpeakerId),
    SpeakerPlace(SpeakerId),
    Item(ItemId),
    ItemValues(ItemId),
    ItemPlace(ItemId),
}

/// What an operation does with a facet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Access {
    /// Needs it to be there, and as it is.
    Reads,
    /// Puts something there beside what others put there.
    Adds,
    /// Gives it a value.
    Writes,
    /// Lets it come into being.
    Makes,
    /// Takes it away.
    Ends,
}

impl Access {
    /// Tells whether two accesses to one facet do not disturb each other, in either order.
    pub(super) fn goes_with(self, other: Self) -> bool {
        self == other && matches!(self, Self::Reads | Self::Adds)
    }
}

/// A facet and what is done with it.
pub(super) type Touch = (Facet, Access);

/// Returns what an operation touches, sorted, each facet once.
pub(super) fn touches(op: &Op) -> Vec<Touch> {
    let mut out = listed(op);
    out.sort_unstable();
    // What is taken away and put back under its name counts as changed.
    out.dedup_by(|later, first| {
        later.0 == first.0 && {
            if first.1 != later.1 {
                first.1 = Access::Writes;
            }
            true
        }
    });
    out
}

/// Returns the facets that two sorted lists share, with both accesses.
pub(super) fn shared(a: &[Touch], b: &[Touch]) -> Option<Vec<(Facet, Access, Access)>> {
    let mut out = Vec::new();
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    for &(facet, access) in few {
        if let Ok(found) = many.binary_search_by_key(&facet, |touch| touch.0) {
            let other = many[found].1;
            out.push(if a.len() <= b.len() { (facet, access, other) } else { (facet, other, access) });
        }
    }
    (!out.is_empty()).then_some(out)
}

fn listed(op: &Op) -> Vec<Touch> {
    use Access::{Adds, Ends, Makes, Reads, Writes};
    use Facet as F;
    let exists = |block: &BlockId| (F::Block(*block), Reads);
    match op {
        Op::SetHeader { field, .. } => vec![(F::Header(*field), Writes)],
        Op::Splice { block, .. } | Op::SetText { block, .. } | Op::SetEdited { block, .. } => {
            vec![exists(block), (F::Text(*block), Writes)]
        }
        Op::Split { block, new, .. } => {
            vec![
                exists(block),
                (F::Text(*block), Writes),
                (F::Hidden(*block), Reads),
                (F::Block(*new), Makes),
            ]
        }
        Op::Join { block, next } => vec![
            exists(block),
            (F::Text(*block), Writes),
            (F::Hidden(*block), Reads),
            (F::Block(*next), Ends),
            (F::Seam(*next), Reads),
        ],
        Op::AddHeading { id, before, .. } => {
            let mut out = vec![(F::Block(*id), Makes)];
            out.extend(before.iter().flat_map(|next| [exists(next), (F::Seam(*next), Adds)]));
            out
        }
        Op::SetLevel { block, .. } => vec![exists(block), (F::Level(*block), Writes)],
        Op::RemoveHeading { block } => vec![(F::Block(*block), Ends)],
        Op::SetSpeaker { blocks, speaker, .. } => {
            let each = blocks.iter().flat_map(|block| [exists(block), (F::Speaks(*block), Writes)]);
            each.chain(speaker.map(|speaker| (F::Speaker(speaker), Reads))).collect()
        }
        Op::PutSpeaker { speaker } => {
            vec![(F::Speaker(speaker.id), Reads), (F::SpeakerValues(speaker.id), Writes)]
        }
        Op::MergeSpeakers { from, into } => vec![(F::Speaker(*from), Ends), (F::Speaker(*into), Reads)],
        Op::RemoveSpeaker { speaker } => vec![(F::Speaker(*speaker), Ends)],
        Op::MoveSpeaker { speaker, before } => {
            let own = [(F::Speaker(*speaker), Reads), (F::SpeakerPlace(*speaker), Writes)];
            own.into_iter().chain(before.map(|next| (F::Speaker(next), Reads))).collect()
        }
        Op::SetMark { block, mark, .. } => vec![exists(block), (F::Mark(*block, *mark), Writes)],
        Op::SetHidden { block, .. } => vec![exists(block), (F::Hidden(*block), Writes)],
        Op::PutItem { item } => {
            vec![exists(&item.source), (F::Item(item.id), Reads), (F::ItemValues(item.id), Writes)]
        }
        Op::RemoveItem { id } => vec![(F::Item(*id), Ends)],
        Op::MoveItem { id, before } => {
            let own = [(F::Item(*id), Reads), (F::ItemPlace(*id), Writes)];
            own.into_iter().chain(before.map(|next| (F::Item(next), Reads))).collect()
        }
        Op::PutBlocks { remove, put, before } => of_put_blocks(remove, put, *before),
    }
}

fn of_put_blocks(remove: &[BlockId], put: &[Block], before: Option<BlockId>) -> Vec<Touch> {
    let mut out: Vec<Touch> = remove.iter().map(|block| (Facet::Block(*block), Access::Ends)).collect();
    out.extend(remove.iter().skip(1).map(|block| (Facet::Seam(*block), Access::Reads)));
    for block in put {
        out.push((Facet::Block(block.id()), Access::Makes));
        let speaker = block.utterance().and_then(|utterance| utterance.speaker);
        out.extend(speaker.map(|speaker| (Facet::Speaker(speaker), Access::Reads)));
    }
    let seam = |next| [(Facet::Block(next), Access::Reads), (Facet::Seam(next), Access::Adds)];
    out.extend(before.into_iter().flat_map(seam));
    out
}
