//! Which blocks of two versions belong together.

use std::collections::{BTreeSet, HashMap};

use super::{Aspect, Change, Passage, runs};
use crate::minutes::{Block, BlockId, Minutes, Utterance, tie};

/// Blocks of both versions around one that both have.
#[derive(Default)]
struct Group<'a> {
    old: Vec<&'a Block>,
    new: Vec<&'a Block>,
}

/// Pairs the blocks of two versions, in the reading order of the new one; what is gone stands where it stood.
pub(super) fn passages(old: &Minutes, new: &Minutes) -> Vec<Passage> {
    let old_at: HashMap<BlockId, usize> = positions(old);
    let new_at: HashMap<BlockId, usize> = positions(new);
    let moved = moved(old, &new_at);
    let mut groups: Vec<Group> = new
        .blocks
        .iter()
        .map(|block| Group {
            old: old_at.get(&block.id()).map(|at| &*old.blocks[*at]).into_iter().collect(),
            new: vec![block],
        })
        .collect();
    let mut gone_before: HashMap<Option<BlockId>, Vec<&Block>> = HashMap::new();
    let mut anchor = None;
    for block in &old.blocks {
        if new_at.contains_key(&block.id()) {
            anchor = Some(block.id());
        } else if let Some(at) =
            anchor.and_then(|id| new_at.get(&id)).filter(|at| covers(&new.blocks[**at], block))
        {
            groups[*at].old.push(block);
        } else {
            gone_before.entry(anchor).or_default().push(block);
        }
    }
    let mut out: Vec<Passage> = gone_before.remove(&None).unwrap_or_default().into_iter().map(gone).collect();
    for group in with_parts(groups) {
        let id = group.new.first().map(|block| block.id());
        out.push(passage(&group, group.new.iter().any(|block| moved.contains(&block.id()))));
        let ids = group.new.iter().skip(1).map(|block| Some(block.id()));
        for id in [id].into_iter().chain(ids) {
            out.extend(gone_before.remove(&id).unwrap_or_default().into_iter().map(gone));
        }
    }
    out
}

fn positions(minutes: &Minutes) -> HashMap<BlockId, usize> {
    minutes.blocks.iter().enumerate().map(|(at, block)| (block.id(), at)).collect()
}

/// Tells whether an utterance lies within the time of another one, as what was cut off it does.
fn covers(whole: &Block, part: &Block) -> bool {
    let (Block::Utterance(whole), Block::Utterance(part)) = (whole, part) else { return false };
    whole.start_ms <= part.start_ms
        && part.end_ms <= whole.end_ms
        && whole.hidden.is_some() == part.hidden.is_some()
}

/// Gives utterances that are new to the one before them, if they were cut off it.
fn with_parts(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let mut out: Vec<Group> = Vec::with_capacity(groups.len());
    for mut group in groups {
        let whole = out.last().and_then(|before| before.old.first());
        let is_part = group.old.is_empty() && whole.is_some_and(|whole| covers(whole, group.new[0]));
        match out.last_mut().filter(|_| is_part) {
            Some(before) => before.new.append(&mut group.new),
            None => out.push(group),
        }
    }
    out
}

/// Returns the blocks of both versions that stand in another order than the others.
fn moved(old: &Minutes, new_at: &HashMap<BlockId, usize>) -> BTreeSet<BlockId> {
    let both: Vec<(BlockId, usize)> =
        old.blocks.iter().filter_map(|block| new_at.get(&block.id()).map(|at| (block.id(), *at))).collect();
    // The longest rising run of places keeps its order; the others moved. Patience sorting: `tails[n]` ends the
    // best run of n + 1 places.
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; both.len()];
    for (index, (_, place)) in both.iter().enumerate() {
        let length = tails.partition_point(|tail| both[*tail].1 < *place);
        before[index] = length.checked_sub(1).map(|shorter| tails[shorter]);
        if length == tails.len() { tails.push(index) } else { tails[length] = index }
    }
    let mut stay = BTreeSet::new();
    let mut last = tails.last().copied();
    while let Some(index) = last {
        stay.insert(both[index].0);
        last = before[index];
    }
    both.into_iter().map(|(id, _)| id).filter(|id| !stay.contains(id)).collect()
}

fn gone(block: &Block) -> Passage {
    passage(&Group { old: vec![block], new: Vec::new() }, false)
}

fn passage(group: &Group, moved: bool) -> Passage {
    let (old_text, new_text) = (text(&group.old), text(&group.new));
    let aspects = match (&group.old[..], &group.new[..]) {
        ([old, ..], [new, ..]) => aspects(old, new, group.old.len() == 1 && group.new.len() == 1),
        _ => BTreeSet::new(),
    };
    let is_same = old_text == new_text && aspects.is_empty() && !moved;
    let change = match (group.old.len(), group.new.len()) {
        (0, _) => Change::Added,
        (_, 0) => Change::Gone,
        (1, 1) if is_same => Change::Same,
        (1, 2..) => Change::Split,
        (2.., 1) => Change::Joined,
        _ => Change::Changed,
    };
    let ids = |blocks: &[&Block]| blocks.iter().map(|block| block.id()).collect();
    let (old, new) = (ids(&group.old), ids(&group.new));
    Passage { change, old, new, runs: runs(&old_text, &new_text), aspects, moved }
}

/// Puts the texts of blocks together as a join would.
fn text(blocks: &[&Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        let text = match block {
            Block::Utterance(utterance) => &utterance.text,
            Block::Heading(heading) => &heading.text,
            Block::Gap(gap) => &gap.reason,
        };
        out.push_str(tie::joint(&out, text));
        out.push_str(text);
    }
    out
}

fn aspects(old: &Block, new: &Block, is_whole: bool) -> BTreeSet<Aspect> {
    match (old, new) {
        (Block::Utterance(old), Block::Utterance(new)) => utterance_aspects(old, new, is_whole),
        (Block::Heading(old), Block::Heading(new)) => differing([(Aspect::Level, old.level != new.level)]),
        (Block::Gap(old), Block::Gap(new)) => {
            differing([(Aspect::Time, (old.start_ms, old.end_ms) != (new.start_ms, new.end_ms))])
        }
        (Block::Utterance(_) | Block::Heading(_) | Block::Gap(_), _) => differing([(Aspect::Kind, true)]),
    }
}

fn utterance_aspects(old: &Utterance, new: &Utterance, is_whole: bool) -> BTreeSet<Aspect> {
    differing([
        (Aspect::Speaker, old.speaker != new.speaker),
        (Aspect::Marks, old.marks != new.marks),
        (Aspect::Hidden, old.hidden != new.hidden),
        // Where utterances were cut or joined, other times are no news.
        (Aspect::Time, is_whole && (old.start_ms, old.end_ms) != (new.start_ms, new.end_ms)),
    ])
}

fn differing<const N: usize>(aspects: [(Aspect, bool); N]) -> BTreeSet<Aspect> {
    aspects.into_iter().filter(|(_, differs)| *differs).map(|(aspect, _)| aspect).collect()
}
