use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::minutes::edit::testing::{documents, edits, seeds, speaker};
use crate::minutes::edit::{Op, apply};
use crate::minutes::{Block, Gap, HeaderField, Heading, ItemId, ItemKind, Mark, SpeakerId, Utterance};

fn said(id: u64, start_ms: u64, end_ms: u64, text: &str) -> Block {
    Block::Utterance(Utterance {
        id: BlockId(id),
        speaker: None,
        speaker_automatic: false,
        start_ms,
        end_ms,
        text: text.into(),
        words: Vec::new(),
        confidence: 0.5,
        flags: Vec::new(),
        marks: Default::default(),
        hidden: None,
        edited: false,
    })
}

fn minutes(blocks: Vec<Block>) -> Minutes {
    Minutes { blocks: blocks.into_iter().map(Arc::new).collect(), ..Minutes::default() }
}

fn meeting() -> Minutes {
    minutes(vec![
        said(1, 0, 4_000, "会議を始めます。"),
        said(2, 5_000, 9_000, "議題は二つです。"),
        said(3, 10_000, 14_000, "以上です。"),
    ])
}

fn edited(minutes: &Minutes, ops: &[Op]) -> Minutes {
    apply(minutes, ops).expect("the operations fit").minutes
}

fn changes(old: &Minutes, new: &Minutes) -> Vec<(Change, Vec<u64>, Vec<u64>)> {
    let ids = |ids: &[BlockId]| ids.iter().map(|id| id.0).collect();
    let told = |passage: &Passage| (passage.change, ids(&passage.old), ids(&passage.new));
    difference(old, new).passages.iter().map(told).collect()
}

#[test]
fn nothing_differs_from_itself() {
    assert!(difference(&meeting(), &meeting()).is_empty());
}

#[test]
fn a_changed_text_is_told_by_its_characters_and_its_neighbours_are_the_same() {
    let new = edited(&meeting(), &[Op::SetText { block: BlockId(2), text: "議題は三つです。".into() }]);
    let found = difference(&meeting(), &new);
    assert_eq!(found.passages.iter().filter(|passage| passage.change == Change::Same).count(), 2);
    let texts: Vec<&str> = found.passages[1].runs.iter().map(|run| run.text.as_str()).collect();
    assert_eq!(texts, ["議題は", "二", "三", "つです。"]);
    assert!(!found.is_empty());
}

#[test]
fn a_split_and_a_join_are_told_as_such_and_not_as_new_text() {
    let new = edited(&meeting(), &[Op::Split { block: BlockId(1), at: 3, new: BlockId(20) }]);
    assert_eq!(changes(&meeting(), &new)[0], (Change::Split, vec![1], vec![1, 20]));
    assert_eq!(changes(&new, &meeting())[0], (Change::Joined, vec![1, 20], vec![1]));
    assert_eq!(difference(&meeting(), &new).passages[0].runs.len(), 1, "the text is the same");
    let joined = edited(&meeting(), &[Op::Join { block: BlockId(1), next: BlockId(2) }]);
    assert_eq!(changes(&meeting(), &joined)[0], (Change::Joined, vec![1, 2], vec![1]));
}

#[test]
fn what_was_added_and_what_went_stand_where_they_stood() {
    let heading =
        Op::AddHeading { id: BlockId(20), level: 1, text: "議題".into(), before: Some(BlockId(2)) };
    let removal = Op::PutBlocks { remove: vec![BlockId(3)], put: Vec::new(), before: None };
    let new = edited(&meeting(), &[heading, removal]);
    let told = changes(&meeting(), &new);
    assert_eq!(told[1], (Change::Added, vec![], vec![20]));
    assert_eq!(told[3], (Change::Gone, vec![3], vec![]));
    let first_gone = Op::PutBlocks { remove: vec![BlockId(1)], put: Vec::new(), before: None };
    assert_eq!(changes(&meeting(), &edited(&meeting(), &[first_gone]))[0], (Change::Gone, vec![1], vec![]));
}

#[test]
fn a_block_at_another_place_is_told_as_moved_and_the_others_are_not() {
    let mut new = meeting();
    new.blocks.rotate_left(1);
    let found = difference(&meeting(), &new);
    let moved: Vec<u64> =
        found.passages.iter().filter(|passage| passage.moved).map(|passage| passage.new[0].0).collect();
    assert_eq!(moved, [1]);
}

#[test]
fn what_differs_beside_the_text_is_told_by_its_name() {
    let mut base = meeting();
    base.speakers = vec![speaker(1)];
    let ops = [
        Op::SetSpeaker { blocks: vec![BlockId(1)], speaker: Some(SpeakerId(1)), automatic: false },
        Op::SetMark { block: BlockId(1), mark: Mark::Decision, on: true },
        Op::SetHidden { block: BlockId(1), reason: Some("requested".into()) },
    ];
    let found = difference(&base, &edited(&base, &ops));
    assert_eq!(found.passages[0].change, Change::Changed);
    assert_eq!(found.passages[0].aspects, [Aspect::Speaker, Aspect::Marks, Aspect::Hidden].into());
}

#[test]
fn header_speakers_and_items_are_told_with_both_sides() {
    let item = Item {
        id: ItemId(1),
        kind: ItemKind::Todo,
        text: "資料".into(),
        source: BlockId(1),
        assignee: String::new(),
        due: String::new(),
        done: false,
    };
    let ops = [
        Op::SetHeader { field: HeaderField::Title, value: "部長会".into() },
        Op::PutSpeaker { speaker: speaker(1) },
        Op::PutItem { item: item.clone() },
    ];
    let new = edited(&meeting(), &ops);
    let there = difference(&meeting(), &new);
    assert_eq!(there.header[0].new, "部長会");
    assert_eq!(there.speakers, [SpeakerChange { old: None, new: Some(speaker(1)) }]);
    assert_eq!(there.items, [ItemChange { old: None, new: Some(item.clone()) }]);
    let back = difference(&new, &meeting());
    assert_eq!(back.speakers, [SpeakerChange { old: Some(speaker(1)), new: None }]);
    assert_eq!(back.items, [ItemChange { old: Some(item), new: None }]);
}

fn taken_over(minutes: &Minutes, offers: &[Offer]) -> Minutes {
    offers.iter().fold(minutes.clone(), |minutes, offer| edited(&minutes, &offer.ops))
}

#[test]
fn a_second_recognition_is_offered_where_it_differs_and_changes_nothing_by_itself() {
    let base = edited(&meeting(), &[Op::SetText { block: BlockId(2), text: "議題は一つです。".into() }]);
    let renewed = minutes(vec![
        said(1, 100, 4_100, "会議を始めます。"),
        said(2, 5_000, 7_000, "議題は"),
        said(3, 7_100, 9_000, "三つです。"),
        said(4, 10_000, 14_000, "以上ですか。"),
    ]);
    let offers = proposal(&base, &renewed);
    let told: Vec<(&str, &str, bool)> =
        offers.iter().map(|offer| (offer.old.as_str(), offer.new.as_str(), offer.edited)).collect();
    let expected = [("議題は一つです。", "議題は三つです。", true), ("以上です。", "以上ですか。", false)];
    assert_eq!(told, expected);
    assert_eq!(offers[0].blocks, [BlockId(2)]);
    let after = taken_over(&base, &offers);
    let texts: Vec<&str> = after.utterances().map(|said| said.text.as_str()).collect();
    assert_eq!(texts, ["会議を始めます。", "議題は", "三つです。", "以上ですか。"]);
    assert_eq!(proposal(&after, &renewed), [], "nothing is left to offer");
}

#[test]
fn an_offer_keeps_speaker_marks_and_the_sources_of_items() {
    let mut base = minutes(vec![said(1, 0, 2_000, "予算は"), said(2, 2_000, 4_000, "可決する")]);
    base.speakers = vec![speaker(1)];
    let base = edited(
        &base,
        &[
            Op::SetSpeaker {
                blocks: vec![BlockId(1), BlockId(2)],
                speaker: Some(SpeakerId(1)),
                automatic: false,
            },
            Op::SetMark { block: BlockId(2), mark: Mark::Decision, on: true },
            Op::PutItem {
                item: Item {
                    id: ItemId(1),
                    kind: ItemKind::Decision,
                    text: "可決".into(),
                    source: BlockId(2),
                    assignee: String::new(),
                    due: String::new(),
                    done: false,
                },
            },
        ],
    );
    let after = taken_over(&base, &proposal(&base, &minutes(vec![said(9, 0, 4_000, "予算案は可決する")])));
    let said = after.utterances().next().expect("one utterance");
    assert_eq!((said.id, said.speaker), (BlockId(1), Some(SpeakerId(1))));
    assert!(said.marks.contains(&Mark::Decision));
    assert_eq!(after.items[0].source, BlockId(1));
    assert_eq!(after.blocks.len(), 1);
}

#[test]
fn a_gap_that_was_recognised_is_offered_and_text_not_heard_again_is_hidden_only() {
    let gap =
        Block::Gap(Gap { id: BlockId(1), start_ms: 0, end_ms: 4_000, reason: "recognizer_failed".into() });
    let base = minutes(vec![gap, said(2, 5_000, 6_000, "ええと")]);
    let after = taken_over(&base, &proposal(&base, &minutes(vec![said(1, 500, 3_500, "聞こえます。")])));
    assert_eq!(after.block(BlockId(1)).and_then(Block::utterance).expect("said").text, "聞こえます。");
    let hidden = after.block(BlockId(2)).and_then(Block::utterance).expect("still there");
    assert_eq!(hidden.hidden.as_deref(), Some("not_heard_again"));
}

#[test]
fn text_where_nothing_stood_is_offered_before_what_follows() {
    let renewed = minutes(vec![said(1, 4_200, 4_800, "はい。")]);
    let base = minutes(vec![said(1, 0, 4_000, "一"), said(2, 5_000, 9_000, "二")]);
    let offers = proposal(&base, &renewed);
    let added = offers.iter().find(|offer| offer.blocks.is_empty()).expect("the new text is offered");
    let after = edited(&base, &added.ops);
    assert_eq!(after.blocks.iter().map(|block| block.id().0).collect::<Vec<_>>(), [1, 3, 2]);
}

#[test]
fn no_text_wanders_over_a_heading() {
    let heading = Block::Heading(Heading { id: BlockId(2), level: 1, text: "議題".into(), at_ms: None });
    let base = minutes(vec![said(1, 0, 2_000, "甲"), heading, said(3, 2_000, 4_000, "乙")]);
    let renewed = minutes(vec![said(1, 0, 2_500, "申"), said(2, 2_500, 4_000, "己")]);
    let after = taken_over(&base, &proposal(&base, &renewed));
    let texts: Vec<&str> = after.utterances().map(|said| said.text.as_str()).collect();
    assert_eq!(texts, ["申", "己"]);
    assert!(matches!(&*after.blocks[1], Block::Heading(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_block_of_both_versions_is_told_once(base in documents(), seeds in seeds(8)) {
        let new = edited(&base, &edits(&base, &seeds, 100));
        let found = difference(&base, &new);
        let sorted = |mut ids: Vec<BlockId>| { ids.sort_unstable(); ids };
        let of = |minutes: &Minutes| sorted(minutes.blocks.iter().map(|block| block.id()).collect());
        let old_ids = found.passages.iter().flat_map(|passage| passage.old.clone()).collect();
        let new_ids = found.passages.iter().flat_map(|passage| passage.new.clone()).collect();
        prop_assert_eq!(sorted(old_ids), of(&base));
        prop_assert_eq!(sorted(new_ids), of(&new));
    }

    #[test]
    fn every_offer_fits_on_the_minutes_it_was_made_for(base in documents(), renewed in documents()) {
        for offer in proposal(&base, &renewed) {
            let after = edited(&base, &offer.ops);
            prop_assert_eq!(crate::minutes::migrate::check(&after), Ok(()));
        }
    }
}
