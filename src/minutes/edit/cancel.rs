//! What was done and taken back again stands in nobody's way.
//!
//! [`rebase`](super::rebase()) walks over every operation since, also over one that an undo has cancelled: an edit of
//! the same text then conflicts with something that is not there any more. Here such pairs are left out first. Whether what is left
//! really leads to the document as it is now is not argued but tried: if it does not, the answer is none.

use super::apply::apply_undo;
use super::{Op, rebase};
use crate::minutes::Minutes;

/// Most operations since in which pairs are looked for: they are looked for while others wait to write.
const SINCE_OPS_MAX: usize = 5_000;
/// Most pairs that are left out.
const PAIRS_MAX: usize = 50;

/// A revision that somebody made since.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its number.
    pub revision: u64,
    /// The revision it took back, if it is an undo or a redo.
    pub takes_back: Option<u64>,
    /// What was done.
    pub ops: Vec<Op>,
    /// What undoes it.
    pub undo: Vec<Op>,
}

/// Carries operations over revisions of which some cancel each other, without those that do.
///
/// Shape: `mine` were made on `base`, `past` leads from there to `now`; what comes back follows on `now`.
/// Range: at most 5,000 operations since and 50 pairs; beyond it nothing is left out.
/// Errors: none; `None` if [`rebase`](super::rebase()) does no worse: nothing cancels, or what is left conflicts.
pub fn rebase_settled(base: &Minutes, now: &Minutes, past: &[Past], mine: &[Op]) -> Option<Vec<Op>> {
    let left = settled(past)?;
    let tried = apply_undo(base, &left).ok()?;
    if tried.minutes != *now {
        return None;
    }
    rebase(mine, &left).ok()
}

/// Returns what is left of revisions without those that were taken back; `None` if none was.
fn settled(past: &[Past]) -> Option<Vec<Op>> {
    if past.iter().map(|past| past.ops.len()).sum::<usize>() > SINCE_OPS_MAX {
        return None;
    }
    let (mut left, mut pairs): (Vec<Past>, usize) = (Vec::new(), 0);
    for next in past {
        match next.takes_back.and_then(|revision| without(&left, revision)) {
            Some(fewer) if pairs < PAIRS_MAX => {
                left = fewer;
                pairs += 1;
            }
            Some(_) | None => left.push(next.clone()),
        }
    }
    (pairs > 0).then(|| left.into_iter().flat_map(|past| past.ops).collect())
}

/// Leaves a revision out: what came after it is carried over its undo. `None` if it is not there, or built upon.
fn without(left: &[Past], revision: u64) -> Option<Vec<Past>> {
    let at = left.iter().position(|past| past.revision == revision)?;
    let mut fewer = left[..at].to_vec();
    let mut undo = left[at].undo.clone();
    for later in &left[at + 1..] {
        let ops = rebase(&later.ops, &undo).ok()?;
        undo = rebase(&undo, &later.ops).ok()?;
        fewer.push(Past { ops, ..later.clone() });
    }
    Some(fewer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{documents, edits, seeds, splice};
    use super::super::{Applied, apply, undo_of};
    use super::*;
    use crate::minutes::{Block, BlockId, migrate};

    /// Revisions as they are made, one after the other; the first document is revision 1.
    struct Story {
        documents: Vec<Minutes>,
        past: Vec<Past>,
    }

    impl Story {
        fn new(base: Minutes) -> Self {
            Self { documents: vec![base], past: Vec::new() }
        }

        fn now(&self) -> &Minutes {
            self.documents.last().expect("there is always one")
        }

        fn goes_on(&mut self, takes_back: Option<u64>, ops: Vec<Op>, applied: Applied) -> u64 {
            let revision = self.documents.len() as u64 + 1;
            self.past.push(Past { revision, takes_back, ops, undo: applied.undo });
            self.documents.push(applied.minutes);
            revision
        }

        fn edit(&mut self, ops: Vec<Op>) -> u64 {
            let applied = apply(self.now(), &ops).expect("the operations fit");
            self.goes_on(None, ops, applied)
        }

        /// Takes a revision back as the store does; false if something stands on it.
        fn take_back(&mut self, revision: u64) -> bool {
            let at = revision as usize - 1;
            let (undo, past) = (self.past[at - 1].undo.clone(), &self.past[at..]);
            let ops = rebase_settled(&self.documents[at], self.now(), past, &undo);
            let ops = ops.or_else(|| undo_of(&undo, &all(past)).ok());
            let Some(ops) = ops else { return false };
            let Ok(applied) = apply_undo(self.now(), &ops) else { return false };
            self.goes_on(Some(revision), ops, applied);
            true
        }

        fn carried(&self, mine: &[Op]) -> Option<Vec<Op>> {
            rebase_settled(&self.documents[0], self.now(), &self.past, mine)
        }
    }

    fn all(past: &[Past]) -> Vec<Op> {
        past.iter().flat_map(|past| past.ops.clone()).collect()
    }

    fn text_of(minutes: &Minutes) -> &str {
        &minutes.block(BlockId(1)).and_then(Block::utterance).expect("an utterance of the test").text
    }

    fn one_text(text: &str) -> Minutes {
        let json = serde_json::json!({
            "id": 1, "kind": "utterance", "start_ms": 0, "end_ms": 900, "text": text, "words": [],
            "confidence": 0.5, "flags": [], "edited": true
        });
        let block: Block = serde_json::from_value(json).expect("a block of the test");
        Minutes { blocks: vec![std::sync::Arc::new(block)], ..Minutes::default() }
    }

    fn replaced(at: u32, remove: &str, insert: &str) -> Vec<Op> {
        vec![Op::Splice { block: BlockId(1), at, remove: remove.into(), insert: insert.into() }]
    }

    #[test]
    fn an_edit_is_undone_although_somebody_changed_the_same_text_and_took_that_back() {
        let first = apply(&one_text("会議です"), &replaced(0, "会議", "委員会")).expect("it fits");
        let mut story = Story::new(first.minutes);
        let theirs = story.edit(replaced(0, "委員", "審議"));
        assert!(story.take_back(theirs));
        undo_of(&first.undo, &all(&story.past)).expect_err("operation by operation it conflicts");
        let undo = story.carried(&first.undo).expect("nothing is left of what stood in the way");
        assert_eq!(text_of(&apply_undo(story.now(), &undo).expect("it fits").minutes), "会議です");
    }

    #[test]
    fn what_was_done_again_stands_in_the_way_again() {
        let first = apply(&one_text("会議です"), &replaced(0, "会議", "委員会")).expect("it fits");
        let mut story = Story::new(first.minutes);
        let theirs = story.edit(replaced(0, "委員", "審議"));
        assert!(story.take_back(theirs));
        assert!(story.take_back(3), "a redo takes the undo back");
        assert_eq!(text_of(story.now()), "審議会です");
        assert_eq!(story.carried(&first.undo), None);
    }

    #[test]
    fn what_others_did_between_an_edit_and_its_undo_is_kept() {
        let first = apply(&one_text("会議です"), &replaced(0, "会議", "委員会")).expect("it fits");
        let mut story = Story::new(first.minutes);
        let theirs = story.edit(replaced(0, "委員", "臨時の審議"));
        story.edit(replaced(8, "", "。以上"));
        assert!(story.take_back(theirs));
        assert_eq!(text_of(story.now()), "委員会です。以上");
        let undo = story.carried(&first.undo).expect("the two lie apart");
        assert_eq!(text_of(&apply_undo(story.now(), &undo).expect("it fits").minutes), "会議です。以上");
    }

    #[test]
    fn a_story_that_does_not_lead_to_the_document_is_not_believed() {
        let mut story = Story::new(one_text("会議です"));
        let theirs = story.edit(replaced(0, "会議", "委員会"));
        assert!(story.take_back(theirs));
        story.documents.push(one_text("別の会議です"));
        assert_eq!(story.carried(&replaced(0, "会", "協")), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn whatever_somebody_did_and_took_back_an_undo_leads_back_exactly(
            base in documents(), mine in seeds(5), theirs in seeds(5), more in seeds(3),
        ) {
            let first = apply(&base, &edits(&base, &mine, 100)).expect("made edits fit");
            let mut story = Story::new(first.minutes);
            let one = story.edit(edits(&story.now().clone(), &theirs, 200));
            let other = story.edit(edits(&story.now().clone(), &more, 300));
            prop_assert!(story.take_back(other) && story.take_back(one));
            let undo = story.carried(&first.undo).expect("nothing is left");
            prop_assert_eq!(apply_undo(story.now(), &undo).expect("it fits").minutes, base);
        }

        #[test]
        fn what_is_carried_fits_and_leaves_a_sound_document(
            base in documents(), mine in seeds(4), theirs in seeds(4), between in seeds(4),
        ) {
            let mine = edits(&base, &mine, 100);
            let mut story = Story::new(base);
            let revision = story.edit(edits(&story.now().clone(), &theirs, 200));
            story.edit(edits(&story.now().clone(), &between, 300));
            if story.take_back(revision) && let Some(carried) = story.carried(&mine)
                && let Ok(both) = apply_undo(story.now(), &carried)
            {
                prop_assert_eq!(migrate::check(&both.minutes), Ok(()));
            }
        }

        #[test]
        fn no_text_is_lost(
            text in "[会議予算報告]{1,20}",
            mine in (any::<u16>(), "[甲乙]{0,3}"),
            theirs in (any::<u16>(), "[丙]{0,3}"),
            between in (any::<u16>(), "[丁]{1,3}"),
        ) {
            let base = one_text(&text);
            let inserted = |minutes: &Minutes, (place, insert): &(u16, String)| {
                // Nothing is removed: then everything must still be there.
                vec![splice(minutes, BlockId(1), usize::from(place % 16), insert.clone())]
            };
            let first = apply(&base, &inserted(&base, &mine)).expect("it fits");
            let mut story = Story::new(first.minutes);
            let revision = story.edit(inserted(&story.now().clone(), &theirs));
            story.edit(inserted(&story.now().clone(), &between));
            if story.take_back(revision) && let Some(undo) = story.carried(&first.undo) {
                let end = apply_undo(story.now(), &undo).expect("the places are known").minutes;
                let left: String = text_of(&end).chars().filter(|ch| *ch != '丁').collect();
                prop_assert_eq!(&left, &text);
                prop_assert_eq!(text_of(&end).chars().count() - left.chars().count(), between.1.chars().count());
            }
        }
    }
}
