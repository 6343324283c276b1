//! Two texts compared character by character, told in pieces a person can read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::speech::score::align;

/// Beyond this many characters on one side, two texts are told as one whole that went and one that came.
const COMPARED_CHARS_MAX: usize = 40_000;

/// A kept stretch of at most this many characters between two changes reads worse than one larger change: in
/// Japanese a single equal kana in the middle of two different words is chance.
const CHANCE_CHARS_MAX: usize = 1;

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Which side has it.
    pub kind: RunKind,
    /// The text.
    pub text: String,
}

/// Which side has a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Both.
    Kept,
    /// The old one.
    Removed,
    /// The new one.
    Inserted,
}

/// A change between two kept stretches; both sides may be empty for the first and the last stretch.
#[derive(Default)]
struct Step {
    removed: Vec<char>,
    inserted: Vec<char>,
    /// What follows on it unchanged.
    kept: Vec<char>,
}

/// Tells the difference of two texts.
///
/// Shape: no piece is empty; kept and removed pieces make the old text, kept and inserted ones the new text; of a
/// change the removed piece comes first.
pub fn runs(old: &str, new: &str) -> Vec<Run> {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut steps = vec![Step { kept: old[..head].to_vec(), ..Step::default() }];
    steps.extend(changes(&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]));
    steps.push(Step { kept: old_rest[old_rest.len() - tail..].to_vec(), ..Step::default() });
    told(without_chance(steps))
}

fn changes(old: &[char], new: &[char]) -> Vec<Step> {
    if old.len().max(new.len()) > COMPARED_CHARS_MAX {
        return vec![Step { removed: old.to_vec(), inserted: new.to_vec(), kept: Vec::new() }];
    }
    let mut steps = vec![Step::default()];
    for (gone, come) in align(old, new) {
        let is_kept = matches!((gone, come), (Some(a), Some(b)) if old[a] == new[b]);
        if !is_kept && steps.last().is_none_or(|step| !step.kept.is_empty()) {
            steps.push(Step::default());
        }
        let Some(step) = steps.last_mut() else { continue };
        if is_kept {
            step.kept.extend(gone.map(|index| old[index]));
        } else {
            step.removed.extend(gone.map(|index| old[index]));
            step.inserted.extend(come.map(|index| new[index]));
        }
    }
    steps
}

/// Puts changes together between which only chance kept something.
fn without_chance(steps: Vec<Step>) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        let is_change = !(step.removed.is_empty() && step.inserted.is_empty());
        match out.last_mut() {
            Some(before) if !is_change || before.kept.is_empty() || is_chance(before, &step) => {
                let between = if is_change { std::mem::take(&mut before.kept) } else { Vec::new() };
                before.removed.extend(between.iter().chain(&step.removed));
                before.inserted.extend(between.iter().chain(&step.inserted));
                before.kept.extend(step.kept);
            }
            _ => out.push(step),
        }
    }
    out
}

fn is_chance(before: &Step, after: &Step) -> bool {
    let is_replacement = |step: &Step| !step.removed.is_empty() && !step.inserted.is_empty();
    before.kept.len() <= CHANCE_CHARS_MAX && is_replacement(before) && is_replacement(after)
}

fn told(steps: Vec<Step>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for step in steps {
        let pieces = [
            (RunKind::Removed, step.removed),
            (RunKind::Inserted, step.inserted),
            (RunKind::Kept, step.kept),
        ];
        for (kind, chars) in pieces.into_iter().filter(|(_, chars)| !chars.is_empty()) {
            match out.last_mut().filter(|run| run.kind == kind) {
                Some(run) => run.text.extend(chars),
                None => out.push(Run { kind, text: chars.into_iter().collect() }),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes a difference as one line: `[gone]` and `{come}`.
    fn line(old: &str, new: &str) -> String {
        let piece = |run: Run| match run.kind {
            RunKind::Kept => run.text,
            RunKind::Removed => format!("[{}]", run.text),
            RunKind::Inserted => format!("{{{}}}", run.text),
        };
        runs(old, new).into_iter().map(piece).collect()
    }

    #[test]
    fn a_correction_is_told_by_its_characters() {
        assert_eq!(line("来習の会議", "来週の会議"), "来[習]{週}の会議");
        assert_eq!(line("会議です", "会議です。"), "会議です{。}");
        assert_eq!(line("えーと、会議です", "会議です"), "[えーと、]会議です");
        assert_eq!(line("", "会議"), "{会議}");
        assert_eq!(line("会議", ""), "[会議]");
        assert_eq!(line("会議", "会議"), "会議");
        assert_eq!(line("", ""), "");
    }

    #[test]
    fn a_single_equal_character_between_two_replacements_is_no_island() {
        assert_eq!(line("記者の汽車で", "貴社の帰社で"), "[記者の汽車]{貴社の帰社}で");
        assert_eq!(line("三月の予算で", "五月の予算に"), "[三]{五}月の予算[で]{に}");
    }

    #[test]
    fn texts_beyond_the_limit_are_told_as_wholes() {
        let (old, new) = ("あ".repeat(COMPARED_CHARS_MAX + 1), "い".repeat(10));
        assert_eq!(runs(&old, &new).len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn both_texts_can_be_read_off_the_pieces(old in "[あい会、]{0,40}", new in "[あい会、]{0,40}") {
            let told = runs(&old, &new);
            let side = |other| -> String {
                told.iter().filter(|run| run.kind != other).map(|run| run.text.as_str()).collect()
            };
            prop_assert_eq!(side(RunKind::Inserted), old);
            prop_assert_eq!(side(RunKind::Removed), new);
            prop_assert!(told.iter().all(|run| !run.text.is_empty()));
            prop_assert!(told.windows(2).all(|pair| pair[0].kind != pair[1].kind));
        }
    }
}
