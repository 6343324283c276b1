//! A second recognition becomes offers beside the edits: what was edited is never overwritten.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Run, runs};
use crate::minutes::edit::{Op, bounds};
use crate::minutes::{Block, BlockId, Minutes, Utterance, tie};

/// Most offers of one recognition.
pub const OFFERS_MAX: usize = 20_000;

/// Utterances of two recognitions belong together if they share at least this much time: their borders differ by
/// some tenths of a second even where the text is equal.
const SHARED_MS_MIN: u64 = 300;

/// Why an utterance is hidden that a second recognition does not have.
const NOT_HEARD_AGAIN: &str = "not_heard_again";

/// What a second recognition heard differently, with the operations that take it over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    /// Start of the stretch, in milliseconds since the recording began.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// The blocks of the minutes it is about; none where nothing stands yet.
    pub blocks: Vec<BlockId>,
    /// The text as it is.
    pub old: String,
    /// The text as it was heard again.
    pub new: String,
    /// Both texts in pieces.
    pub runs: Vec<Run>,
    /// Whether a person edited the text that would go.
    pub edited: bool,
    /// What takes it over, made for the minutes as they are now. Nothing does so by itself.
    pub ops: Vec<Op>,
}

/// Blocks of the minutes and utterances of the second recognition that share a stretch of time.
struct Stretch<'a> {
    start_ms: u64,
    end_ms: u64,
    /// Places of blocks in the minutes, rising.
    old: Vec<usize>,
    new: Vec<&'a Utterance>,
}

/// Compares minutes with the draft of a second recognition of the same recording.
///
/// Shape: offers in the order of time; equal stretches, hidden utterances and headings are passed over. Offers may be
/// taken over one after the other; one that does not fit any more is refused by `apply`.
/// Range: the first [`OFFERS_MAX`] offers.
pub fn proposal(minutes: &Minutes, renewed: &Minutes) -> Vec<Offer> {
    let mut names = Names::beside(minutes);
    let stretches = stretches(minutes, renewed);
    stretches.iter().filter_map(|stretch| offer(minutes, stretch, &mut names)).take(OFFERS_MAX).collect()
}

fn stretches<'a>(minutes: &Minutes, renewed: &'a Minutes) -> Vec<Stretch<'a>> {
    let old = minutes.blocks.iter().enumerate().filter_map(|(at, block)| {
        let (start_ms, end_ms) = shown_span(block)?;
        Some(Stretch { start_ms, end_ms, old: vec![at], new: Vec::new() })
    });
    let new = renewed.utterances().filter(|utterance| utterance.hidden.is_none()).map(|utterance| Stretch {
        start_ms: utterance.start_ms,
        end_ms: utterance.end_ms,
        old: Vec::new(),
        new: vec![utterance],
    });
    let mut all: Vec<Stretch> = old.chain(new).collect();
    all.sort_by_key(|stretch| (stretch.start_ms, stretch.end_ms));
    let mut out: Vec<Stretch> = Vec::with_capacity(all.len());
    for mut next in all {
        match out.last_mut().filter(|before| belong_together(before, &next)) {
            Some(before) => {
                before.end_ms = before.end_ms.max(next.end_ms);
                before.old.append(&mut next.old);
                before.new.append(&mut next.new);
            }
            None => out.push(next),
        }
    }
    out.iter_mut().for_each(|stretch| stretch.old.sort_unstable());
    out
}

/// Returns the time of a block that a second recognition can say something about.
fn shown_span(block: &Block) -> Option<(u64, u64)> {
    match block {
        Block::Utterance(said) => said.hidden.is_none().then_some((said.start_ms, said.end_ms)),
        Block::Gap(gap) => Some((gap.start_ms, gap.end_ms)),
        Block::Heading(_) => None,
    }
}

/// Tells whether a stretch continues one that began before it.
fn belong_together(before: &Stretch, next: &Stretch) -> bool {
    let shared_ms = before.end_ms.min(next.end_ms).saturating_sub(next.start_ms);
    let shorter_ms = (before.end_ms - before.start_ms).min(next.end_ms - next.start_ms);
    shared_ms > 0 && shared_ms >= SHARED_MS_MIN.min(shorter_ms / 2)
}

fn offer(minutes: &Minutes, stretch: &Stretch, names: &mut Names) -> Option<Offer> {
    let blocks: Vec<&Block> = stretch.old.iter().map(|at| &*minutes.blocks[*at]).collect();
    let old = joined(blocks.iter().filter_map(|block| block.utterance()));
    let new = joined(stretch.new.iter().copied());
    if old == new {
        return None;
    }
    Some(Offer {
        start_ms: stretch.start_ms,
        end_ms: stretch.end_ms,
        blocks: blocks.iter().map(|block| block.id()).collect(),
        runs: runs(&old, &new),
        edited: blocks.iter().any(|block| block.utterance().is_some_and(|said| said.edited)),
        ops: ops(minutes, stretch, names),
        old,
        new,
    })
}

fn joined<'a>(utterances: impl Iterator<Item = &'a Utterance>) -> String {
    let mut out = String::new();
    for utterance in utterances {
        out.push_str(tie::joint(&out, &utterance.text));
        out.push_str(&utterance.text);
    }
    out
}

/// Returns what takes a stretch over: each run of neighbours is replaced by what shares most time with it, so that
/// nothing wanders over a heading.
fn ops(minutes: &Minutes, stretch: &Stretch, names: &mut Names) -> Vec<Op> {
    let neighbours: Vec<&[usize]> = stretch.old.chunk_by(|a, b| a + 1 == *b).collect();
    if neighbours.is_empty() {
        return vec![addition(minutes, stretch, names)];
    }
    let mut parts: Vec<Vec<&Utterance>> = vec![Vec::new(); neighbours.len()];
    for said in &stretch.new {
        let shared = |run: &usize| {
            neighbours[*run].iter().map(|at| shared_ms(&minutes.blocks[*at], said)).sum::<u64>()
        };
        // Of equals the first: `max_by_key` alone would take the last.
        let best = (0..neighbours.len()).rev().max_by_key(shared).unwrap_or(0);
        parts[best].push(said);
    }
    let each = neighbours.iter().zip(parts);
    each.flat_map(|(run, part)| replacement(minutes, run, &part, names)).collect()
}

fn addition(minutes: &Minutes, stretch: &Stretch, names: &mut Names) -> Op {
    let put =
        stretch.new.iter().map(|said| Block::Utterance(Utterance { id: names.fresh(), ..renewed(said) }));
    let is_later =
        |block: &&std::sync::Arc<Block>| shown_span(block).is_some_and(|(start, _)| start >= stretch.end_ms);
    let before = minutes.blocks.iter().find(is_later).map(|block| block.id());
    Op::PutBlocks { remove: Vec::new(), put: put.collect(), before }
}

fn replacement(minutes: &Minutes, run: &[usize], part: &[&Utterance], names: &mut Names) -> Vec<Op> {
    let old: Vec<&Block> = run.iter().map(|at| &*minutes.blocks[*at]).collect();
    if part.is_empty() {
        let said = old.iter().filter_map(|block| block.utterance());
        let hide = |said: &Utterance| Op::SetHidden { block: said.id, reason: Some(NOT_HEARD_AGAIN.into()) };
        return said.map(hide).collect();
    }
    let mut put = Vec::with_capacity(part.len());
    for (index, said) in part.iter().enumerate() {
        let id = old.get(index).map_or_else(|| names.fresh(), |block| block.id());
        let (speaker, speaker_automatic) = speaker_of(&old, said);
        put.push(Utterance { id, speaker, speaker_automatic, ..renewed(said) });
    }
    let marks = old.iter().filter_map(|block| block.utterance()).flat_map(|said| said.marks.iter().copied());
    put[0].marks = marks.collect();
    // Items must not lose their source: they go to the first block, which stays under its name.
    let leaving: HashSet<BlockId> = old.iter().skip(part.len()).map(|block| block.id()).collect();
    let tied = minutes.items.iter().filter(|item| leaving.contains(&item.source)).map(|item| {
        let mut item = item.clone();
        item.source = old[0].id();
        Op::PutItem { item }
    });
    let remove = old.iter().map(|block| block.id()).collect();
    let put = put.into_iter().map(Block::Utterance).collect();
    tied.chain([Op::PutBlocks { remove, put, before: None }]).collect()
}

/// Returns an utterance of a second recognition without what belongs to its own document.
fn renewed(said: &Utterance) -> Utterance {
    let marks = Default::default();
    Utterance { speaker: None, speaker_automatic: false, marks, edited: false, ..said.clone() }
}

/// Returns who spoke longest while something was said, and whether only the recogniser said so.
fn speaker_of(old: &[&Block], said: &Utterance) -> (Option<crate::minutes::SpeakerId>, bool) {
    let known = old.iter().filter(|block| block.utterance().is_some_and(|old| old.speaker.is_some()));
    let longest = known.max_by_key(|block| shared_ms(block, said)).and_then(|block| block.utterance());
    longest.map_or((None, false), |old| (old.speaker, old.speaker_automatic))
}

fn shared_ms(block: &Block, said: &Utterance) -> u64 {
    shown_span(block).map_or(0, |(start, end)| end.min(said.end_ms).saturating_sub(start.max(said.start_ms)))
}

/// Names that no block of the minutes has.
struct Names {
    taken: HashSet<BlockId>,
    next: u64,
}

impl Names {
    fn beside(minutes: &Minutes) -> Self {
        let taken: HashSet<BlockId> = minutes.blocks.iter().map(|block| block.id()).collect();
        let largest = taken.iter().map(|id| id.0).max().unwrap_or(0);
        // Names that people's browsers chose may lie close to the largest one: then the free ones from 1 on.
        let has_room = largest + (bounds::BLOCKS_MAX as u64) < bounds::ID_MAX;
        Self { taken, next: if has_room { largest + 1 } else { 1 } }
    }

    fn fresh(&mut self) -> BlockId {
        while !self.taken.insert(BlockId(self.next)) {
            self.next += 1;
        }
        BlockId(self.next)
    }
}
