//! Operations made on an older revision, carried over what others did since.
//!
//! Two operations that are about different things do not disturb each other: the later one is kept as it is. Two that
//! are about one text are shifted where they do not overlap. Everything else is a conflict, told with both sides: a
//! person decides, not the program. Both lists are walked as a grid: each of mine is carried over each of theirs,
//! and theirs over mine, so that what follows meets it as it is by then.
//!
//! Known limit: operations alone do not tell how long a text is or what stands between two blocks. Where that would
//! be needed, a carried operation may still be refused by [`apply`](super::apply()), which changes nothing then.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Op;
use super::touch::{Access, Facet, Touch, shared, touches};
use crate::minutes::{BlockId, HeaderField, ItemId, SpeakerId};

/// Two people did what cannot both be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[error("operation {mine} conflicts with {since} of those made since: {clash:?} of {thing:?}")]
pub struct Conflict {
    /// Which of mine, counted from 0.
    pub mine: usize,
    /// Which of those made since, counted from 0.
    pub since: usize,
    /// What both are about.
    pub thing: Thing,
    /// How they clash.
    pub clash: Clash,
}

/// What a conflict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Thing {
    /// A field of the header.
    Header {
        /// Which one.
        field: HeaderField,
    },
    /// A block.
    Block {
        /// Which one.
        block: BlockId,
    },
    /// A speaker.
    Speaker {
        /// Who.
        speaker: SpeakerId,
    },
    /// A decision, an issue or a to-do.
    Item {
        /// Which one.
        item: ItemId,
    },
}

/// How two operations clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clash {
    /// Both changed the same stretch of text: show both.
    Text,
    /// Both gave one value a different content: show both.
    Value,
    /// What mine is about is gone, or was put anew.
    Gone,
    /// Mine takes away what the other one works on.
    InUse,
    /// Both chose the same name for a new thing: choose another one.
    NameTaken,
    /// Something was put between what must be neighbours.
    Order,
}

/// Carries operations of one person over those that others made since the revision they were made on.
///
/// Shape: `since` is one list in the order in which it was carried out; what comes back follows on it. What others
/// did likewise is left out, so the answer may be shorter.
/// Errors: [`Conflict`] with the first pair that cannot both be.
pub fn rebase(mine: &[Op], since: &[Op]) -> Result<Vec<Op>, Conflict> {
    let mut mine = Mine::new(mine);
    for (index, op) in since.iter().enumerate() {
        mine.pass(Kept::new(index, op.clone()))?;
    }
    Ok(mine.kept.into_iter().flatten().map(|kept| kept.op).collect())
}

/// Returns what undoes a revision after other revisions followed on it.
///
/// Shape: `undo` is the undo of the revision, `since` what was done after it; carry the answer out with
/// [`apply_undo`](super::apply_undo). A redo is the undo of that undo, in the same way.
/// Errors: [`Conflict`] if something later touched the same.
pub fn undo_of(undo: &[Op], since: &[Op]) -> Result<Vec<Op>, Conflict> {
    rebase(undo, since)
}

/// An operation on its way, with its number in its own list.
struct Kept {
    index: usize,
    op: Op,
    touches: Vec<Touch>,
}

impl Kept {
    fn new(index: usize, op: Op) -> Self {
        let touches = touches(&op);
        Self { index, op, touches }
    }

    fn facets(&self) -> impl Iterator<Item = Facet> {
        self.touches.iter().map(|touch| touch.0)
    }
}

/// My operations, and which of them touch a facet: most of theirs meet none or one of mine.
struct Mine {
    /// Absent where others did the same.
    kept: Vec<Option<Kept>>,
    places: HashMap<Facet, BTreeSet<usize>>,
}

impl Mine {
    fn new(ops: &[Op]) -> Self {
        let kept = ops.iter().enumerate().map(|(index, op)| Some(Kept::new(index, op.clone()))).collect();
        let mut mine = Self { kept, places: HashMap::new() };
        (0..ops.len()).for_each(|at| mine.note(at));
        mine
    }

    /// Carries all of mine over one of theirs, and theirs over each of mine on the way.
    fn pass(&mut self, mut theirs: Kept) -> Result<(), Conflict> {
        let mut waiting = self.meeting(&theirs, 0);
        while let Some(at) = waiting.pop_first() {
            let Some(own) = &self.kept[at] else { continue };
            if shared(&own.touches, &theirs.touches).is_none() {
                continue;
            }
            if own.op == theirs.op && !is_insertion(&own.op) {
                self.kept[at] = None;
                return Ok(());
            }
            let (mine, since) = (own.index, theirs.index);
            let told = |(thing, clash)| Conflict { mine, since, thing, clash };
            let carried = carry(&own.op, &theirs.op, Tie::Follows).map_err(told)?;
            let left = carry(&theirs.op, &own.op, Tie::Leads).map_err(told)?;
            self.kept[at] = carried.map(|op| Kept::new(mine, op));
            self.note(at);
            let Some(op) = left else { return Ok(()) };
            if op != theirs.op {
                theirs = Kept::new(since, op);
                waiting.extend(self.meeting(&theirs, at + 1));
            }
        }
        Ok(())
    }

    fn note(&mut self, at: usize) {
        for facet in self.kept[at].iter().flat_map(Kept::facets) {
            self.places.entry(facet).or_default().insert(at);
        }
    }

    fn meeting(&self, theirs: &Kept, from: usize) -> BTreeSet<usize> {
        let touched = theirs.facets().filter_map(|facet| self.places.get(&facet));
        touched.flat_map(|places| places.range(from..)).copied().collect()
    }
}

/// Tells whether doing something twice is more than doing it once.
fn is_insertion(op: &Op) -> bool {
    matches!(op, Op::Splice { remove, .. } if remove.is_empty())
}

/// Which of two insertions at one place comes first in the text.
#[derive(Clone, Copy, PartialEq)]
enum Tie {
    /// The one that is carried.
    Leads,
    /// The one that was there.
    Follows,
}

type Clashing = (Thing, Clash);

/// Returns an operation as it reads after another one; absent if nothing is left of it.
fn carry(op: &Op, past: &Op, tie: Tie) -> Result<Option<Op>, Clashing> {
    if let Some(carried) = on_one_text(op, past, tie).or_else(|| on_one_speaker(op, past)) {
        return carried.map(Some);
    }
    let clash = clash_of(op, past);
    match (op, past) {
        // A note that nobody changed the text gives way to whoever did.
        (Op::SetEdited { .. }, _) => Ok(clash.is_none().then(|| op.clone())),
        (_, Op::SetEdited { .. }) => Ok(Some(op.clone())),
        _ => clash.map_or_else(|| Ok(Some(op.clone())), Err),
    }
}

/// Carries operations on one text or one seam that can stand side by side.
fn on_one_text(op: &Op, past: &Op, tie: Tie) -> Option<Result<Op, Clashing>> {
    let same = || Some(Ok(op.clone()));
    match (op, past) {
        (Op::Splice { block: a, .. }, Op::Splice { block: b, .. }) if a == b => {
            Some(over_splice(op, past, tie).ok_or_else(|| text_clash(*a)))
        }
        (Op::Splice { block: a, .. }, Op::Split { block: b, .. }) if a == b => {
            Some(into_half(op, past).ok_or_else(|| text_clash(*a)))
        }
        (Op::Split { block: a, .. }, Op::Splice { block: b, .. }) if a == b => {
            Some(split_after(op, past).ok_or_else(|| text_clash(*a)))
        }
        // What is joined to a text stands behind it: places before stay where they are.
        (Op::Splice { block: a, .. } | Op::Split { block: a, .. }, Op::Join { block: b, .. })
        | (Op::Join { block: a, .. }, Op::Splice { block: b, .. })
            if a == b =>
        {
            same()
        }
        (Op::Join { block, next }, Op::Split { block: cut, new, .. }) if block == cut => {
            Some(Ok(Op::Join { block: *new, next: *next }))
        }
        (Op::SetMark { block, mark, on: true }, Op::Join { block: stays, next }) if block == next => {
            Some(Ok(Op::SetMark { block: *stays, mark: *mark, on: true }))
        }
        (Op::Join { next, .. }, Op::SetMark { block, .. }) if next == block => same(),
        (Op::PutItem { item }, Op::Join { block, next }) if item.source == *next => {
            let mut item = item.clone();
            item.source = *block;
            Some(Ok(Op::PutItem { item }))
        }
        (Op::Join { next, .. }, Op::PutItem { item }) if item.source == *next => same(),
        (Op::SetSpeaker { blocks, speaker, automatic }, Op::Split { block, new, .. })
            if blocks.contains(block) =>
        {
            let blocks = blocks.iter().chain([new]).copied().collect();
            Some(Ok(Op::SetSpeaker { blocks, speaker: *speaker, automatic: *automatic }))
        }
        _ => None,
    }
}

/// Carries operations on speakers and on the order of lists that can stand side by side.
fn on_one_speaker(op: &Op, past: &Op) -> Option<Result<Op, Clashing>> {
    let same = || Some(Ok(op.clone()));
    match (op, past) {
        (
            Op::SetSpeaker { speaker: a, automatic: by_a, .. },
            Op::SetSpeaker { speaker: b, automatic: by_b, .. },
        ) if a == b && by_a == by_b => same(),
        (Op::SetSpeaker { blocks, speaker: Some(who), automatic }, Op::MergeSpeakers { from, into })
            if who == from =>
        {
            Some(Ok(Op::SetSpeaker { blocks: blocks.clone(), speaker: Some(*into), automatic: *automatic }))
        }
        (Op::MergeSpeakers { from, .. }, Op::SetSpeaker { speaker: Some(who), .. }) if from == who => same(),
        (Op::MergeSpeakers { from, into }, Op::MergeSpeakers { from: gone, into: stays })
            if into == gone && from != stays =>
        {
            Some(Ok(Op::MergeSpeakers { from: *from, into: *stays }))
        }
        (Op::MergeSpeakers { from, into }, Op::MergeSpeakers { from: gone, into: stays })
            if from == stays && into != gone =>
        {
            same()
        }
        (
            Op::MoveSpeaker { speaker, before: Some(next) },
            Op::RemoveSpeaker { speaker: gone } | Op::MergeSpeakers { from: gone, .. },
        ) if next == gone && speaker != gone => Some(Ok(Op::MoveSpeaker { speaker: *speaker, before: None })),
        (
            Op::RemoveSpeaker { speaker: gone } | Op::MergeSpeakers { from: gone, .. },
            Op::MoveSpeaker { speaker, before: Some(next) },
        ) if next == gone && speaker != gone => same(),
        (Op::MoveItem { id, before: Some(next) }, Op::RemoveItem { id: gone })
            if next == gone && id != gone =>
        {
            Some(Ok(Op::MoveItem { id: *id, before: None }))
        }
        (Op::RemoveItem { id: gone }, Op::MoveItem { id, before: Some(next) })
            if next == gone && id != gone =>
        {
            same()
        }
        _ => None,
    }
}

/// Shifts a splice over another one of the same text; absent if they overlap.
fn over_splice(op: &Op, past: &Op, tie: Tie) -> Option<Op> {
    let (Op::Splice { block, at, remove, insert }, Op::Splice { at: other, remove: gone, insert: come, .. }) =
        (op, past)
    else {
        return None;
    };
    let end = at.checked_add(chars(remove))?;
    let other_end = other.checked_add(chars(gone))?;
    let tied = at == other && remove.is_empty() && gone.is_empty();
    let at = if tied && tie == Tie::Leads || !tied && end <= *other {
        *at
    } else if other_end <= *at {
        (at - chars(gone)).checked_add(chars(come))?
    } else {
        return None;
    };
    Some(Op::Splice { block: *block, at, remove: remove.clone(), insert: insert.clone() })
}

/// Moves a splice into the half of a split it belongs to; absent if it lies across the cut.
fn into_half(op: &Op, past: &Op) -> Option<Op> {
    let (Op::Splice { block, at, remove, insert }, Op::Split { at: cut, new, .. }) = (op, past) else {
        return None;
    };
    let (block, at) = if at >= cut { (*new, at - cut) } else { (*block, *at) };
    let is_across = block != *new && at.checked_add(chars(remove))? > *cut;
    (!is_across).then(|| Op::Splice { block, at, remove: remove.clone(), insert: insert.clone() })
}

/// Shifts a cut over a splice of the same text; absent if it lies inside or nothing is left before it.
fn split_after(op: &Op, past: &Op) -> Option<Op> {
    let (Op::Split { block, at, new }, Op::Splice { at: other, remove, insert, .. }) = (op, past) else {
        return None;
    };
    let at = if other >= at {
        *at
    } else if other.checked_add(chars(remove))? <= *at {
        (at - chars(remove)).checked_add(chars(insert))?
    } else {
        return None;
    };
    (at > 0).then_some(Op::Split { block: *block, at, new: *new })
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn text_clash(block: BlockId) -> Clashing {
    (Thing::Block { block }, Clash::Text)
}

/// Tells what two operations cannot share, if there is something.
fn clash_of(op: &Op, past: &Op) -> Option<Clashing> {
    let meeting = shared(&touches(op), &touches(past))?;
    let clashing = meeting.into_iter().filter(|(_, own, other)| !own.goes_with(*other));
    // What was put between neighbours says more than that one of them goes.
    let (facet, own, other) = clashing.min_by_key(|(facet, ..)| !matches!(facet, Facet::Seam(_)))?;
    let lasting = match (own, other) {
        (Access::Makes, Access::Makes) => Clash::NameTaken,
        (_, Access::Ends | Access::Makes) => Clash::Gone,
        (Access::Ends | Access::Makes, _) => Clash::InUse,
        (_, Access::Writes) => Clash::Gone,
        (Access::Reads | Access::Adds | Access::Writes, Access::Reads | Access::Adds) => Clash::InUse,
    };
    Some(match facet {
        Facet::Header(field) => (Thing::Header { field }, Clash::Value),
        Facet::Block(block) => (Thing::Block { block }, lasting),
        Facet::Seam(block) => (Thing::Block { block }, Clash::Order),
        Facet::Text(block) => text_clash(block),
        Facet::Level(block) | Facet::Hidden(block) | Facet::Speaks(block) | Facet::Mark(block, _) => {
            (Thing::Block { block }, Clash::Value)
        }
        Facet::Speaker(speaker) => (Thing::Speaker { speaker }, lasting),
        Facet::SpeakerValues(speaker) => (Thing::Speaker { speaker }, Clash::Value),
        Facet::SpeakerPlace(speaker) => (Thing::Speaker { speaker }, Clash::Order),
        Facet::Item(item) => (Thing::Item { item }, lasting),
        Facet::ItemValues(item) => (Thing::Item { item }, Clash::Value),
        Facet::ItemPlace(item) => (Thing::Item { item }, Clash::Order),
    })
}
