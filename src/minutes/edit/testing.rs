//! Made-up documents and edits for tests of the whole room.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Op, apply};
use crate::minutes::{
    Block, BlockId, Gap, HeaderField, Heading, Item, ItemId, ItemKind, Mark, Minutes, Speaker, SpeakerId,
    Utterance,
};
use crate::speech::transcript::Word;

/// What one edit is made from; the document it meets decides what it becomes.
pub(crate) type Seed = (u8, u16, u16, String);

pub(crate) fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    proptest::collection::vec((0_u8..22, any::<u16>(), any::<u16>(), "[会議、a ]{0,4}"), 0..most)
}

pub(crate) fn documents() -> impl Strategy<Value = Minutes> {
    let block = (0_u8..8, "[会議予算。ab]{1,12}", 1_usize..5);
    let items = proptest::collection::vec(any::<u16>(), 0..3);
    (proptest::collection::vec(block, 1..9), items).prop_map(|(blocks, sources)| {
        let made = |(index, (kind, text, cut)): (usize, &(u8, String, usize))| {
            Arc::new(block_of(index, *kind, text, *cut))
        };
        let blocks: Vec<Arc<Block>> = blocks.iter().enumerate().map(made).collect();
        let item = |(index, source): (usize, &u16)| {
            item(index as u64 + 1, blocks[*source as usize % blocks.len()].id())
        };
        let items = sources.iter().enumerate().map(item).collect();
        Minutes { speakers: (1..=3).map(speaker).collect(), items, blocks, ..Minutes::default() }
    })
}

fn block_of(index: usize, kind: u8, text: &str, cut: usize) -> Block {
    let (id, start_ms) = (BlockId(index as u64 + 1), index as u64 * 1_000);
    match kind {
        0 => Block::Heading(Heading { id, level: 1, text: text.into(), at_ms: Some(start_ms) }),
        1 => Block::Gap(Gap { id, start_ms, end_ms: start_ms + 900, reason: "recognizer_failed".into() }),
        _ => Block::Utterance(Utterance {
            id,
            speaker: (kind > 2).then(|| SpeakerId(u64::from(kind) % 2 + 1)),
            speaker_automatic: kind > 3,
            start_ms,
            end_ms: start_ms + 900,
            text: text.into(),
            words: words(text, cut, start_ms),
            confidence: 0.5,
            flags: Vec::new(),
            marks: if kind == 4 { BTreeSet::from([Mark::Check]) } else { BTreeSet::new() },
            hidden: (kind == 3).then(|| "silence".into()),
            edited: kind == 5,
        }),
    }
}

fn words(text: &str, cut: usize, start_ms: u64) -> Vec<Word> {
    let chars: Vec<char> = text.chars().collect();
    let word = |(index, piece): (usize, &[char])| Word {
        start_ms: start_ms + index as u64 * 50,
        end_ms: start_ms + index as u64 * 50 + 40,
        text: piece.iter().collect(),
        confidence: 0.25 * (index % 4) as f32,
    };
    chars.chunks(cut).enumerate().map(word).collect()
}

pub(crate) fn speaker(id: u64) -> Speaker {
    Speaker::new(SpeakerId(id), format!("話者{id}"))
}

fn item(id: u64, source: BlockId) -> Item {
    let (text, due, assignee) = ("資料を出す".into(), String::new(), String::new());
    Item { id: ItemId(id), kind: ItemKind::Todo, text, source, assignee, due, done: false }
}

/// Makes a list of edits that can be carried out one after the other; new things get names from `first` on.
pub(crate) fn edits(minutes: &Minutes, seeds: &[Seed], first: u64) -> Vec<Op> {
    let (mut minutes, mut out) = (minutes.clone(), Vec::new());
    for (index, seed) in seeds.iter().enumerate() {
        let op = op_of(seed, &minutes, first + index as u64);
        if let Ok(applied) = apply(&minutes, std::slice::from_ref(&op)) {
            minutes = applied.minutes;
            out.push(op);
        }
    }
    out
}

fn op_of((kind, a, b, text): &Seed, minutes: &Minutes, new: u64) -> Op {
    let (a, b) = (*a as usize, *b as usize);
    let at_block =
        |n: usize| minutes.blocks.get(n % minutes.blocks.len().max(1)).map_or(BlockId(1), |block| block.id());
    let who =
        |n: usize| minutes.speakers.get(n % minutes.speakers.len().max(1)).map_or(SpeakerId(1), |one| one.id);
    let what = |n: usize| minutes.items.get(n % minutes.items.len().max(1)).map_or(ItemId(1), |one| one.id);
    let (block, next, text) = (at_block(a), at_block(a + 1), text.clone());
    let mark = [Mark::Decision, Mark::Check, Mark::Todo][b % 3];
    match kind {
        0..=4 => splice(minutes, block, b, text),
        5 => Op::SetText { block, text },
        6 | 7 => Op::Split { block, at: b as u32 % 8, new: BlockId(new) },
        8 | 9 => Op::Join { block, next },
        10 => Op::AddHeading {
            id: BlockId(new),
            level: b as u8 % 3 + 1,
            text,
            before: (b % 4 > 0).then_some(block),
        },
        11 => Op::SetLevel { block, level: b as u8 % 3 + 1 },
        12 => Op::RemoveHeading { block },
        13 => Op::SetSpeaker {
            blocks: vec![block, at_block(b)],
            speaker: (b % 3 > 0).then(|| who(b)),
            automatic: b % 2 == 0,
        },
        14 if b % 2 == 0 => Op::PutSpeaker { speaker: Speaker { role: text, ..speaker(who(a).0) } },
        14 => Op::PutSpeaker { speaker: speaker(new) },
        15 if b % 2 == 0 => Op::MergeSpeakers { from: who(a), into: who(b) },
        15 => Op::RemoveSpeaker { speaker: who(a) },
        16 => Op::MoveSpeaker { speaker: who(a), before: (b % 3 > 0).then(|| who(b)) },
        17 => Op::SetMark { block, mark, on: b % 2 == 0 },
        18 => Op::SetHidden { block, reason: (b % 2 == 0).then(|| "requested".into()) },
        19 if b % 3 == 0 => Op::RemoveItem { id: what(a) },
        19 if b % 3 == 1 => Op::MoveItem { id: what(a), before: (b % 2 > 0).then(|| what(b)) },
        19 => Op::PutItem { item: item(if b % 2 == 0 { new } else { what(b).0 }, block) },
        20 => Op::PutBlocks {
            remove: if b % 3 == 0 { vec![block] } else { vec![block, next] },
            put: vec![block_of(new as usize, 5, "会議。", 2)],
            before: None,
        },
        _ => Op::SetHeader { field: HeaderField::ALL[b % 2 * 4], value: text },
    }
}

pub(crate) fn splice(minutes: &Minutes, block: BlockId, place: usize, insert: String) -> Op {
    let chars: Vec<char> = match minutes.block(block) {
        Some(Block::Utterance(utterance)) => utterance.text.chars().collect(),
        Some(Block::Heading(heading)) => heading.text.chars().collect(),
        Some(Block::Gap(_)) | None => Vec::new(),
    };
    let at = place % (chars.len() + 1);
    let end = (at + place / 16 % 3).min(chars.len());
    Op::Splice { block, at: at as u32, remove: chars[at..end].iter().collect(), insert }
}
