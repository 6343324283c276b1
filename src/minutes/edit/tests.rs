use std::sync::Arc;

use proptest::prelude::*;

use super::testing::{documents, edits, seeds, splice};
use super::*;
use crate::minutes::{Block, BlockId, Minutes, Utterance, migrate};

fn utterance(id: u64, text: &str) -> Utterance {
    Utterance {
        id: BlockId(id),
        speaker: None,
        speaker_automatic: false,
        start_ms: id * 1_000,
        end_ms: id * 1_000 + 900,
        text: text.into(),
        words: Vec::new(),
        confidence: 0.5,
        flags: Vec::new(),
        marks: Default::default(),
        hidden: None,
        edited: false,
    }
}

fn minutes(texts: &[&str]) -> Minutes {
    let block = |(index, text): (usize, &&str)| Arc::new(Block::Utterance(utterance(index as u64 + 1, text)));
    Minutes { blocks: texts.iter().enumerate().map(block).collect(), ..Minutes::default() }
}

fn inserted(block: u64, at: u32, insert: &str) -> Op {
    Op::Splice { block: BlockId(block), at, remove: String::new(), insert: insert.into() }
}

fn text_of(minutes: &Minutes, block: u64) -> &str {
    &minutes.block(BlockId(block)).and_then(Block::utterance).expect("an utterance of the test").text
}

fn done(minutes: &Minutes, ops: &[Op]) -> Applied {
    apply(minutes, ops).expect("the operations fit")
}

#[test]
fn an_earlier_edit_is_undone_below_a_later_one_and_redone() {
    let base = minutes(&["会議です"]);
    let first = done(&base, &[inserted(1, 0, "本日の")]);
    let second = done(&first.minutes, &[inserted(1, 7, "。")]);

    let undo = undo_of(&first.undo, &[inserted(1, 7, "。")]).expect("the edits lie apart");
    let undone = apply_undo(&second.minutes, &undo).expect("the text is as expected");
    assert_eq!(text_of(&undone.minutes, 1), "会議です。");
    assert!(undone.minutes.utterances().all(|said| said.edited), "the later edit is still there");

    let redo = undo_of(&undone.undo, &[]).expect("nothing came after");
    let redone = apply_undo(&undone.minutes, &redo).expect("the text is as expected");
    assert_eq!(redone.minutes, second.minutes);

    let again = apply_undo(&redone.minutes, &redone.undo).expect("an undo of a redo");
    assert_eq!(again.minutes, undone.minutes);
}

#[test]
fn an_edit_that_somebody_built_on_is_not_undone() {
    let base = minutes(&["会議です"]);
    let first = done(&base, &[inserted(1, 0, "本日の")]);
    let later = [Op::Splice { block: BlockId(1), at: 0, remove: "本日".into(), insert: "昨日".into() }];
    done(&first.minutes, &later);
    let conflict = undo_of(&first.undo, &later).expect_err("the later edit stands on the first one");
    assert_eq!(conflict.clash, Clash::Text);
}

#[test]
fn a_revision_shares_what_it_does_not_change() {
    let base = minutes(&["一", "二", "三"]);
    let next = done(&base, &[inserted(2, 0, "第")]).minutes;
    assert!(Arc::ptr_eq(&base.blocks[0], &next.blocks[0]));
    assert!(Arc::ptr_eq(&base.blocks[2], &next.blocks[2]));
    assert_eq!(text_of(&base, 2), "二", "the earlier revision stays as it was");
}

#[test]
fn ten_thousand_corrections_are_carried_out_and_undone_in_one_list() {
    let base = minutes(&["会議"; 10_000]);
    let ops: Vec<Op> = (1..=10_000).map(|block| inserted(block, 2, "。")).collect();
    let applied = done(&base, &ops);
    assert_eq!(applied.undo.len(), 20_000);
    assert_eq!(apply_undo(&applied.minutes, &applied.undo).expect("it fits").minutes, base);
    assert_eq!(rebase(&ops, &ops).expect("insertions side by side").len(), 10_000);
}

#[test]
fn no_list_makes_more_speakers_than_there_may_be() {
    let put = |id| Op::PutSpeaker { speaker: testing::speaker(id) };
    let ops: Vec<Op> = (1..=bounds::SPEAKERS_MAX as u64 + 1).map(put).collect();
    let error = apply(&Minutes::default(), &ops).expect_err("one too many");
    assert_eq!(error.op, bounds::SPEAKERS_MAX);
    assert!(matches!(error.refusal, Refusal::TooMany { count: 201, count_max: 200, .. }));
}

#[test]
fn no_list_makes_more_blocks_than_there_may_be() {
    let mut base = minutes(&["会議です"; bounds::BLOCKS_MAX]);
    let split = Op::Split { block: BlockId(1), at: 2, new: BlockId(90_000) };
    let error = apply(&base, std::slice::from_ref(&split)).expect_err("one too many");
    assert!(matches!(error.refusal, Refusal::TooMany { .. }), "{error}");
    base.blocks.pop();
    done(&base, &[split]);
}

/// Tells a refusal that only the document could have foreseen, see the known limit of `rebase`.
fn needs_the_document(error: &EditError) -> bool {
    matches!(
        error.refusal,
        Refusal::NotNeighbours { .. } | Refusal::OutsideText { .. } | Refusal::HiddenDiffers { .. }
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_done_is_undone_and_redone_exactly(base in documents(), seeds in seeds(12)) {
        let ops = edits(&base, &seeds, 100);
        let applied = done(&base, &ops);
        prop_assert_eq!(migrate::check(&applied.minutes), Ok(()));
        let undone = apply_undo(&applied.minutes, &applied.undo).expect("an undo always fits");
        prop_assert_eq!(&undone.minutes, &base);
        let redone = apply_undo(&undone.minutes, &undone.undo).expect("a redo always fits");
        prop_assert_eq!(&redone.minutes, &applied.minutes);
    }

    #[test]
    fn what_is_rebased_fits_on_what_others_did(base in documents(), mine in seeds(6), since in seeds(6)) {
        let (mine, since) = (edits(&base, &mine, 100), edits(&base, &since, 200));
        if let Ok(rebased) = rebase(&mine, &since) {
            let theirs = done(&base, &since).minutes;
            match apply(&theirs, &rebased) {
                Ok(both) => prop_assert_eq!(migrate::check(&both.minutes), Ok(())),
                Err(error) => prop_assert!(needs_the_document(&error), "{} of {:?} on {:?}", error, rebased, since),
            }
        }
    }

    #[test]
    fn an_undo_fits_on_what_others_did_or_conflicts(base in documents(), mine in seeds(4), since in seeds(4)) {
        let first = done(&base, &edits(&base, &mine, 100));
        let later = edits(&first.minutes, &since, 200);
        let head = done(&first.minutes, &later).minutes;
        if let Ok(undo) = undo_of(&first.undo, &later) {
            match apply_undo(&head, &undo) {
                Ok(undone) => prop_assert_eq!(migrate::check(&undone.minutes), Ok(())),
                Err(error) => prop_assert!(needs_the_document(&error), "{} of {:?} on {:?}", error, undo, later),
            }
        }
    }

    #[test]
    fn texts_converge_whoever_comes_first(
        text in "[会議予算報告]{1,20}",
        mine in proptest::collection::vec((any::<u16>(), "[甲乙]{0,3}"), 1..4),
        since in proptest::collection::vec((any::<u16>(), "[丙丁]{0,3}"), 1..4),
    ) {
        let base = minutes(&[&text]);
        let made = |seeds: &[(u16, String)]| {
            let (mut at, mut out) = (base.clone(), Vec::new());
            for (place, insert) in seeds {
                out.push(splice(&at, BlockId(1), *place as usize, insert.clone()));
                at = done(&at, &out[out.len() - 1..]).minutes;
            }
            (out, at)
        };
        let ((mine, after_mine), (since, after_since)) = (made(&mine), made(&since));
        if let (Ok(over_since), Ok(over_mine)) = (rebase(&mine, &since), rebase(&since, &mine)) {
            let one = done(&after_since, &over_since).minutes;
            let other = done(&after_mine, &over_mine).minutes;
            let sorted = |minutes: &Minutes| {
                let mut chars: Vec<char> = text_of(minutes, 1).chars().collect();
                chars.sort_unstable();
                chars
            };
            prop_assert_eq!(sorted(&one), sorted(&other));
            if !has_tie(&mine, &since) {
                prop_assert_eq!(one, other);
            }
        }
    }
}

/// Tells whether two insertions may meet at one place, where the order of the revisions decides.
fn has_tie(mine: &[Op], since: &[Op]) -> bool {
    let two = |ops: &[Op]| ops.len() > 1;
    let pure = |ops: &[Op]| ops.iter().any(|op| matches!(op, Op::Splice { remove, .. } if remove.is_empty()));
    // After several operations of one person equal places are no longer seen by their numbers alone.
    two(mine) || two(since) || pure(mine) && pure(since)
}
