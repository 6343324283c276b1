//! What people did while a meeting went on finds its place in the minutes that were made afterwards.
//!
//! Headings stand where the item began, marks on what had just been said, corrections in the words they are about. A
//! correction that finds neither its wrong words nor its right ones is not lost: the place is marked 要確認.

use std::sync::Arc;

use super::document::{Block, BlockId, Heading, Item, ItemId, ItemKind, Mark, Minutes, Utterance};
use crate::speech::score::align::align;

/// How long after the chair went on somebody presses the key. Source: a person reacts to a sentence once it has ended.
const REACTION_MS: u64 = 2_000;
/// A mark is about something that was said at most so long before.
const MARKED_MS_MAX: u64 = 30_000;
/// Live captions and the later recognition cut sentences at other places.
const SLACK_MS: u64 = 3_000;
/// Characters on each side by which a wrong word is told from the same characters elsewhere.
const CONTEXT_CHARS: usize = 2;

/// A heading that was set while people spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveHeading {
    /// When, milliseconds since the recording began.
    pub at_ms: u64,
    /// The item of the agenda.
    pub text: String,
}

/// A mark that was set while people spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMark {
    /// When, milliseconds since the recording began.
    pub at_ms: u64,
    /// What it marks.
    pub mark: Mark,
    /// A word about it; empty if none.
    pub text: String,
}

/// A sentence that was corrected while people spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCorrection {
    /// Where it begins, milliseconds since the recording began.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// What was shown first.
    pub heard: String,
    /// What it was corrected to.
    pub corrected: String,
}

/// What people did while a meeting went on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveWork {
    /// Headings.
    pub headings: Vec<LiveHeading>,
    /// Marks.
    pub marks: Vec<LiveMark>,
    /// Corrections.
    pub corrections: Vec<LiveCorrection>,
}

/// Carries live work into a first draft.
///
/// Range: nothing that was said is removed; a draft without any utterance gets its headings only.
pub fn carry(minutes: &mut Minutes, work: &LiveWork) {
    for correction in &work.corrections {
        correct(minutes, correction);
    }
    for mark in &work.marks {
        set_mark(minutes, mark);
    }
    let mut headings: Vec<&LiveHeading> = work.headings.iter().collect();
    headings.sort_by_key(|heading| heading.at_ms);
    for heading in headings {
        set_heading(minutes, heading);
    }
}

/// Puts a heading where the item began: before the block whose beginning is nearest to when the key was pressed. Those
/// set before at the same place stand before it, for they are set in the order of time.
fn set_heading(minutes: &mut Minutes, heading: &LiveHeading) {
    let meant_ms = heading.at_ms.saturating_sub(REACTION_MS);
    let places = minutes.blocks.iter().enumerate();
    let begins = places.filter_map(|(index, block)| Some((start_ms(block)?.abs_diff(meant_ms), index)));
    let end = minutes.blocks.iter().filter_map(|block| end_ms(block)).max();
    let behind = end.map(|end| (end.abs_diff(meant_ms), minutes.blocks.len()));
    let index = begins.chain(behind).min().map_or(minutes.blocks.len(), |(_, index)| index);
    let id = next_block(minutes);
    let (text, at_ms) = (heading.text.clone(), Some(heading.at_ms));
    minutes.blocks.insert(index, Arc::new(Block::Heading(Heading { id, level: 1, text, at_ms })));
}

/// Marks what was being said, or had been said last; a word about it becomes an item.
fn set_mark(minutes: &mut Minutes, mark: &LiveMark) {
    let spoken = |block: &&Arc<Block>| block.utterance().is_some_and(|said| said.hidden.is_none());
    let begun = |block: &&Arc<Block>| start_ms(block).is_some_and(|start| start <= mark.at_ms);
    let last = minutes.blocks.iter().filter(spoken).filter(begun).max_by_key(|block| start_ms(block));
    let near =
        last.filter(|block| end_ms(block).is_some_and(|end| mark.at_ms.saturating_sub(end) <= MARKED_MS_MAX));
    let next = || minutes.blocks.iter().filter(spoken).find(|block| start_ms(block) > Some(mark.at_ms));
    let Some(source) = near.or_else(next).or(last).map(|block| block.id()) else { return };
    change(minutes, source, |said| {
        said.marks.insert(mark.mark);
    });
    let kind = match mark.mark {
        Mark::Decision => ItemKind::Decision,
        Mark::Issue => ItemKind::Issue,
        Mark::Todo => ItemKind::Todo,
        Mark::Important | Mark::Check | Mark::Inaudible => return,
    };
    if !mark.text.is_empty() {
        let id = ItemId(minutes.items.iter().map(|item| item.id.0).max().unwrap_or(0) + 1);
        let (text, assignee, due) = (mark.text.clone(), String::new(), String::new());
        minutes.items.push(Item { id, kind, text, source, assignee, due, done: false });
    }
}

/// Corrects the words a correction is about, wherever the later recognition has made the same mistakes.
fn correct(minutes: &mut Minutes, correction: &LiveCorrection) {
    let from_ms = correction.start_ms.saturating_sub(SLACK_MS);
    let until_ms = correction.end_ms.saturating_add(SLACK_MS);
    let near: Vec<BlockId> = minutes
        .blocks
        .iter()
        .filter(|block| start_ms(block) < Some(until_ms) && end_ms(block) > Some(from_ms))
        .filter(|block| block.utterance().is_some_and(|said| said.hidden.is_none()))
        .map(|block| block.id())
        .collect();
    for wrong in mistakes(&correction.heard, &correction.corrected) {
        if !near.iter().any(|id| mend(minutes, *id, &wrong)) {
            let middle = (correction.start_ms + correction.end_ms) / 2;
            let nearest = near.iter().min_by_key(|id| distance(minutes, **id, middle));
            if let Some(id) = nearest {
                change(minutes, *id, |said| {
                    said.marks.insert(Mark::Check);
                });
            }
        }
    }
}

/// A run of characters that was wrong, with a little on both sides.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    wrong: String,
    right: String,
}

/// Mends a mistake in an utterance; true if it is mended, or was not made there.
fn mend(minutes: &mut Minutes, id: BlockId, mistake: &Mistake) -> bool {
    let text = minutes.blocks.iter().find(|block| block.id() == id).and_then(|block| block.utterance());
    let Some(text) = text.map(|said| said.text.clone()) else { return false };
    if text.contains(&mistake.right) {
        return true;
    }
    if text.matches(&mistake.wrong).count() != 1 {
        return false;
    }
    change(minutes, id, |said| {
        said.text = text.replacen(&mistake.wrong, &mistake.right, 1);
        said.edited = true;
    });
    true
}

/// Returns where two texts differ, the nearest differences joined.
fn mistakes(heard: &str, corrected: &str) -> Vec<Mistake> {
    let (heard, corrected): (Vec<char>, Vec<char>) = (heard.chars().collect(), corrected.chars().collect());
    // Places in both texts behind each step of the alignment, and whether the step is a difference.
    let (mut in_heard, mut in_corrected) = (0, 0);
    let mut runs: Vec<[usize; 4]> = Vec::new();
    for (left, right) in align(&heard, &corrected) {
        let is_same = left.zip(right).is_some_and(|(left, right)| heard[left] == corrected[right]);
        let (from_heard, from_corrected) = (in_heard, in_corrected);
        in_heard += usize::from(left.is_some());
        in_corrected += usize::from(right.is_some());
        if is_same {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run[1] + 2 * CONTEXT_CHARS >= from_heard => {
                (run[1], run[3]) = (in_heard, in_corrected)
            }
            Some(_) | None => runs.push([from_heard, in_heard, from_corrected, in_corrected]),
        }
    }
    let around = |chars: &[char], from: usize, until: usize| -> String {
        let until = (until + CONTEXT_CHARS).min(chars.len());
        chars[from.saturating_sub(CONTEXT_CHARS)..until].iter().collect()
    };
    let mistake = |run: &[usize; 4]| Mistake {
        wrong: around(&heard, run[0], run[1]),
        right: around(&corrected, run[2], run[3]),
    };
    runs.iter().map(mistake).collect()
}

fn change(minutes: &mut Minutes, id: BlockId, how: impl FnOnce(&mut Utterance)) {
    let found = minutes.blocks.iter_mut().find(|block| block.id() == id);
    if let Some(Block::Utterance(said)) = found.map(Arc::make_mut) {
        how(said);
    }
}

fn distance(minutes: &Minutes, id: BlockId, at_ms: u64) -> u64 {
    let block = minutes.blocks.iter().find(|block| block.id() == id);
    let middle = block.and_then(|block| Some((start_ms(block)? + end_ms(block)?) / 2));
    middle.map_or(u64::MAX, |middle| middle.abs_diff(at_ms))
}

fn next_block(minutes: &Minutes) -> BlockId {
    BlockId(minutes.blocks.iter().map(|block| block.id().0).max().unwrap_or(0) + 1)
}

/// Returns where a block that was spoken begins.
fn start_ms(block: &Block) -> Option<u64> {
    match block {
        Block::Utterance(said) => Some(said.start_ms),
        Block::Gap(gap) => Some(gap.start_ms),
        Block::Heading(_) => None,
    }
}

/// Returns where a block that was spoken ends.
fn end_ms(block: &Block) -> Option<u64> {
    match block {
        Block::Utterance(said) => Some(said.end_ms),
        Block::Gap(gap) => Some(gap.end_ms),
        Block::Heading(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: u64, span_ms: (u64, u64), text: &str) -> Arc<Block> {
        Arc::new(Block::Utterance(Utterance {
            id: BlockId(id),
            speaker: None,
            speaker_automatic: false,
            start_ms: span_ms.0,
            end_ms: span_ms.1,
            text: text.to_owned(),
            words: Vec::new(),
            confidence: 1.0,
            flags: Vec::new(),
            marks: Default::default(),
            hidden: None,
            edited: false,
        }))
    }

    fn meeting() -> Minutes {
        let blocks = vec![
            said(1, (0, 9_000), "開会します。水道慮金について伺います。"),
            said(2, (10_000, 14_000), "それでは議題2に入ります。"),
            said(3, (15_000, 30_000), "予算は三億円です。"),
        ];
        Minutes { blocks, ..Minutes::default() }
    }

    fn carried(work: LiveWork) -> Minutes {
        let mut minutes = meeting();
        carry(&mut minutes, &work);
        minutes
    }

    fn heading(at_ms: u64) -> LiveWork {
        let headings = vec![LiveHeading { at_ms, text: "議題2".to_owned() }];
        LiveWork { headings, ..LiveWork::default() }
    }

    fn place_of_heading(minutes: &Minutes) -> usize {
        minutes.blocks.iter().position(|block| matches!(**block, Block::Heading(_))).expect("there is one")
    }

    #[test]
    fn a_heading_stands_before_the_words_by_which_the_chair_went_on() {
        for (at_ms, expected) in [(0, 0), (11_500, 1), (13_000, 1), (16_500, 2), (40_000, 3)] {
            assert_eq!(place_of_heading(&carried(heading(at_ms))), expected, "{at_ms}");
        }
        let ids: Vec<u64> = carried(heading(12_000)).blocks.iter().map(|block| block.id().0).collect();
        assert_eq!(ids, [1, 4, 2, 3]);
    }

    #[test]
    fn headings_at_the_same_place_keep_their_order() {
        let heading = |at_ms, text: &str| LiveHeading { at_ms, text: text.to_owned() };
        let headings = vec![heading(12_500, "議題2"), heading(12_000, "議題1")];
        let minutes = carried(LiveWork { headings, ..LiveWork::default() });
        let texts: Vec<&str> = minutes
            .blocks
            .iter()
            .filter_map(|block| match &**block {
                Block::Heading(heading) => Some(heading.text.as_str()),
                Block::Utterance(_) | Block::Gap(_) => None,
            })
            .collect();
        assert_eq!(texts, ["議題1", "議題2"]);
    }

    #[test]
    fn a_mark_is_about_what_was_said_and_its_word_becomes_an_item() {
        let mark = |at_ms| LiveWork {
            marks: vec![LiveMark { at_ms, mark: Mark::Decision, text: "三億円".to_owned() }],
            ..LiveWork::default()
        };
        for (at_ms, expected) in [(5_000, 1), (9_500, 1), (29_000, 3), (50_000, 3)] {
            let minutes = carried(mark(at_ms));
            let marked: Vec<u64> = minutes
                .blocks
                .iter()
                .filter(|block| block.utterance().is_some_and(|said| !said.marks.is_empty()))
                .map(|block| block.id().0)
                .collect();
            assert_eq!(marked, [expected], "{at_ms}");
            assert_eq!(
                (minutes.items[0].source, minutes.items[0].kind),
                (BlockId(expected), ItemKind::Decision)
            );
        }
    }

    fn correction(heard: &str, corrected: &str) -> LiveWork {
        let (heard, corrected) = (heard.to_owned(), corrected.to_owned());
        let corrections = vec![LiveCorrection { start_ms: 3_000, end_ms: 8_000, heard, corrected }];
        LiveWork { corrections, ..LiveWork::default() }
    }

    fn first(minutes: &Minutes) -> &Utterance {
        minutes.blocks[0].utterance().expect("somebody speaks")
    }

    #[test]
    fn a_mistake_that_was_made_again_is_corrected_again() {
        let minutes = carried(correction("水道慮金について", "水道料金について"));
        assert_eq!(first(&minutes).text, "開会します。水道料金について伺います。");
        assert!(first(&minutes).edited && first(&minutes).marks.is_empty());
    }

    #[test]
    fn a_mistake_that_was_not_made_again_changes_nothing() {
        let minutes = carried(correction("海会します。", "開会します。"));
        assert_eq!(minutes, meeting());
    }

    #[test]
    fn a_correction_that_fits_nowhere_asks_for_a_look_and_loses_no_word() {
        let minutes = carried(correction("ダム建設の件", "ガム検査の件"));
        assert_eq!(first(&minutes).text, first(&meeting()).text);
        assert_eq!(first(&minutes).marks.iter().collect::<Vec<_>>(), [&Mark::Check]);
    }

    #[test]
    fn far_away_the_same_mistake_is_left_alone() {
        let mut work = correction("三億円です", "二億円です");
        (work.corrections[0].start_ms, work.corrections[0].end_ms) = (0, 1_000);
        assert_eq!(carried(work).blocks[2], meeting().blocks[2]);
    }
}
