//! Minutes for tests of the text rules.

use std::sync::Arc;

use super::edit::Op;
use super::proposal::{Proposal, accept};
use super::{Block, BlockId, Minutes, SpeakerId, Utterance};
use crate::speech::transcript::Word;

/// Returns an utterance without words.
pub(super) fn said(id: u64, speaker: Option<u64>, start_ms: u64, end_ms: u64, text: &str) -> Utterance {
    Utterance {
        id: BlockId(id),
        speaker: speaker.map(SpeakerId),
        speaker_automatic: false,
        start_ms,
        end_ms,
        text: text.to_owned(),
        words: Vec::new(),
        confidence: 0.9,
        flags: Vec::new(),
        marks: std::collections::BTreeSet::new(),
        hidden: None,
        edited: false,
    }
}

/// Returns an utterance whose words are parted by `|`, each followed by a pause of 0.4 s.
pub(super) fn with_words(marked: &str) -> Utterance {
    let mut utterance = said(1, Some(1), 0, 0, &marked.replace('|', ""));
    let mut at_ms = 0;
    for piece in marked.split('|') {
        let end_ms = at_ms + 100 * piece.chars().count() as u64;
        utterance.words.push(Word { start_ms: at_ms, end_ms, text: piece.to_owned(), confidence: 0.9 });
        at_ms = end_ms + 400;
    }
    utterance.end_ms = at_ms - 400;
    utterance
}

pub(super) fn minutes_of(utterances: Vec<Utterance>) -> Minutes {
    let blocks = utterances.into_iter().map(|utterance| Arc::new(Block::Utterance(utterance))).collect();
    Minutes { blocks, ..Minutes::default() }
}

/// Returns 4,000 utterances of 20 characters: a meeting of four hours.
pub(super) fn four_hours(text: &str) -> Minutes {
    let one = |id: u64| {
        let mut utterance = with_words(text);
        (utterance.id, utterance.speaker) = (BlockId(id + 1), Some(SpeakerId(id % 3)));
        (utterance.start_ms, utterance.end_ms) = (id * 3600, id * 3600 + 2500);
        utterance
    };
    minutes_of((0..4000).map(one).collect())
}

/// Takes proposals, as the editor does; a splice must find what it says stands there.
pub(super) fn accepted(minutes: &mut Minutes, proposals: &[Proposal]) {
    for op in accept(proposals) {
        match op {
            Op::Splice { block, at, remove, insert } => splice(minutes, block, at as usize, &remove, &insert),
            Op::SetHidden { block, reason } => change(minutes, block, |utterance| utterance.hidden = reason),
            Op::SetMark { block, mark, .. } => change(minutes, block, |utterance| {
                utterance.marks.insert(mark);
            }),
            other => panic!("no rule may propose {other:?}"),
        }
    }
}

fn change(minutes: &mut Minutes, id: BlockId, change: impl FnOnce(&mut Utterance)) {
    let place = minutes.position(id).expect("the block exists");
    if let Block::Utterance(utterance) = Arc::make_mut(&mut minutes.blocks[place]) {
        change(utterance);
    }
}

fn splice(minutes: &mut Minutes, id: BlockId, at: usize, remove: &str, insert: &str) {
    let place = minutes.position(id).expect("the block exists");
    let text = match Arc::make_mut(&mut minutes.blocks[place]) {
        Block::Utterance(utterance) => &mut utterance.text,
        Block::Heading(heading) => &mut heading.text,
        Block::Gap(_) => panic!("a gap has no text"),
    };
    let mut chars: Vec<char> = text.chars().collect();
    let end = at + remove.chars().count();
    assert_eq!(chars[at..end].iter().collect::<String>(), remove);
    chars.splice(at..end, insert.chars());
    *text = chars.into_iter().collect();
}

/// Fails if a pass takes far longer than a person waits; the limit leaves room for a busy machine.
#[expect(clippy::disallowed_methods, reason = "a test of speed reads the clock")]
pub(super) fn quick<T>(name: &str, pass: impl FnOnce() -> T) -> T {
    let begun = std::time::Instant::now();
    let result = pass();
    let took_ms = begun.elapsed().as_millis();
    println!("{name}: {took_ms} ms for 4,000 utterances");
    assert!(took_ms < 1_000, "{name} took {took_ms} ms");
    result
}
