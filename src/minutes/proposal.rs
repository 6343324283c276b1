//! Proposals: a change that a rule suggests and a person takes or leaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::minutes::edit::Op;
use crate::minutes::{BlockId, Mark};

/// The reason of an utterance that ケバ取り left empty.
pub const HIDDEN_BY_CLEANING: &str = "kebatori";

/// A change of one block that nobody has taken yet.
///
/// Shape: `before` stands in the block's text at `at`.
/// Units: places are counted in characters, as in [`Op::Splice`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// Whose text.
    pub block: BlockId,
    /// Which rule suggests it.
    pub rule: Rule,
    /// Where the stretch begins.
    pub at: u32,
    /// What stands there.
    pub before: String,
    /// What would stand there.
    pub after: String,
    /// What happens when it is taken.
    #[serde(default)]
    pub effect: Effect,
}

impl Proposal {
    fn end(&self) -> usize {
        self.at as usize + self.before.chars().count()
    }

    /// Tells whether both want to change the same characters, or to write at the same place.
    fn meets(&self, other: &Self) -> bool {
        let (start, end) = (self.at as usize, self.end());
        let (other_start, other_end) = (other.at as usize, other.end());
        (start < other_end && other_start < end)
            || (start == end && other_start == other_end && start == other_start)
    }
}

/// What happens when a proposal is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// `after` is written in the place of `before`.
    #[default]
    Rewrite,
    /// The utterance is hidden, its text stays.
    Hide,
    /// The utterance is marked 要確認, its text stays.
    Check,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// What suggests a change; the name is stable, since history keeps it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule, in the order in which screens list them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the words on screen.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

rules! {
    /// えー, あのー and the like.
    Filler => "フィラーの除去",
    /// その, この, あの before a pause.
    HesitantPronoun => "言いよどみ（その・この・あの）の除去",
    /// はい, ええ, うん, ああ, そうですね that answer nothing.
    BackChannel => "相づちの除去",
    /// まあ, ですね, ね, さー at the edge of a clause.
    ClauseParticle => "文中・文末の「まあ」「ですね」「ね」の除去",
    /// A word said twice.
    Repeat => "くり返しの除去",
    /// A word begun twice.
    Restart => "言い直しの除去",
    /// The end of what another person just said.
    Echo => "オウム返しの非表示",
    /// A figure that was corrected while it was said.
    NumberCorrection => "数字の言い直し（要確認）",
    /// やっぱり, いろんな, じゃあ, っていう, けど.
    PlainWord => "話し言葉の言い換え",
    /// んです.
    ExplanatoryNo => "「んです」を「のです」に",
    /// ちょっと.
    Softener => "「ちょっと」を「少し」に",
    /// てます.
    DroppedI => "い抜き言葉",
    /// 食べれる.
    DroppedRa => "ら抜き言葉",
    /// おっしゃられる.
    DoubleHonorific => "二重敬語",
    /// 。 that is missing.
    SentenceEnd => "句点の補い",
    /// 、 that is missing.
    ClauseComma => "読点の補い",
    /// 、 or ，.
    CommaStyle => "読点の統一",
    /// 漢数字.
    KanjiNumeral => "漢数字を算用数字に",
    /// 1 digit wide, more digits narrow.
    DigitWidth => "数字の全角・半角",
    /// 3,500.
    ThousandsComma => "３桁ごとのコンマ",
    /// 350万.
    LargeUnit => "万・億・兆の表記",
    /// か所, か月.
    Counter => "「か所」「か月」の表記",
    /// こと, とき, ため.
    KanaWord => "仮名で書く語",
    /// 申込み.
    Okurigana => "送り仮名",
    /// A, not Ａ.
    LatinWidth => "英字の半角",
    /// 和暦 or 西暦.
    Era => "年の表記",
    /// ！ and ？.
    ExclamationMark => "「！」「？」の除去",
    /// 置換元 of the dictionary.
    Dictionary => "単語登録による置換",
    /// A person's find and replace.
    FindReplace => "一括置換",
}

/// Counts proposals by rule, as in 「数字の表記 12 件」.
pub fn count_by_rule(proposals: &[Proposal]) -> BTreeMap<Rule, usize> {
    let mut counts = BTreeMap::new();
    for proposal in proposals {
        *counts.entry(proposal.rule).or_insert(0) += 1;
    }
    counts
}

/// Turns the proposals a person took into operations.
///
/// Shape: operations apply in the order given: blocks as they first appear, within a block from its end backwards, so
/// that no splice moves another one's place. Of proposals that change the same characters, or write at the same
/// place, the first of the list is taken and the others are left.
pub fn accept(chosen: &[Proposal]) -> Vec<Op> {
    let mut order: Vec<BlockId> = Vec::new();
    let mut by_block: BTreeMap<BlockId, Vec<&Proposal>> = BTreeMap::new();
    for proposal in chosen {
        let of_block = by_block.entry(proposal.block).or_insert_with(|| {
            order.push(proposal.block);
            Vec::new()
        });
        of_block.push(proposal);
    }
    order.iter().flat_map(|block| accept_block(*block, &by_block[block])).collect()
}

fn accept_block(block: BlockId, chosen: &[&Proposal]) -> Vec<Op> {
    let mut rewrites: Vec<(usize, &Proposal)> =
        chosen.iter().copied().enumerate().filter(|(_, one)| one.effect == Effect::Rewrite).collect();
    rewrites.sort_by_key(|(rank, one)| (one.at, one.end(), *rank));
    let taken = first_wins(&rewrites);
    let mut ops: Vec<Op> = taken
        .iter()
        .rev()
        .map(|one| Op::Splice { block, at: one.at, remove: one.before.clone(), insert: one.after.clone() })
        .collect();
    if chosen.iter().any(|one| one.effect == Effect::Check) {
        ops.push(Op::SetMark { block, mark: Mark::Check, on: true });
    }
    if chosen.iter().any(|one| one.effect == Effect::Hide) {
        ops.push(Op::SetHidden { block, reason: Some(HIDDEN_BY_CLEANING.to_owned()) });
    }
    ops
}

/// Returns the rewrites that stay, in their order in the text.
fn first_wins<'a>(sorted: &[(usize, &'a Proposal)]) -> Vec<&'a Proposal> {
    let mut by_rank: Vec<usize> = (0..sorted.len()).collect();
    by_rank.sort_by_key(|index| sorted[*index].0);
    let mut is_taken = vec![false; sorted.len()];
    for index in by_rank {
        let mine = sorted[index].1;
        let before = (0..index).rev().find(|other| is_taken[*other]);
        let after = (index + 1..sorted.len()).find(|other| is_taken[*other]);
        let is_free = |other: Option<usize>| other.is_none_or(|other| !sorted[other].1.meets(mine));
        is_taken[index] = is_free(before) && is_free(after);
    }
    sorted.iter().zip(is_taken).filter(|(_, taken)| *taken).map(|((_, one), _)| *one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(at: u32, before: &str, after: &str) -> Proposal {
        let (before, after) = (before.to_owned(), after.to_owned());
        Proposal { block: BlockId(1), rule: Rule::Filler, at, before, after, effect: Effect::Rewrite }
    }

    fn places(ops: &[Op]) -> Vec<u32> {
        ops.iter().filter_map(|op| if let Op::Splice { at, .. } = op { Some(*at) } else { None }).collect()
    }

    #[test]
    fn splices_of_one_block_go_from_its_end_backwards() {
        let ops = accept(&[proposal(0, "えー、", ""), proposal(9, "あのー", ""), proposal(5, "", "、")]);
        assert_eq!(places(&ops), [9, 5, 0]);
    }

    #[test]
    fn of_two_that_overlap_the_first_in_the_list_is_taken() {
        let ops = accept(&[proposal(3, "かきく", ""), proposal(1, "いうか", ""), proposal(6, "け", "")]);
        assert_eq!(places(&ops), [6, 3]);
        assert_eq!(places(&accept(&[proposal(4, "", "、"), proposal(4, "", "。")])), [4]);
    }

    #[test]
    fn hiding_and_marking_leave_the_text_alone() {
        let hide = Proposal { effect: Effect::Hide, ..proposal(0, "えーと。", "") };
        let reason = Some("kebatori".to_owned());
        assert_eq!(accept(&[hide]), [Op::SetHidden { block: BlockId(1), reason }]);
        let check = Proposal { effect: Effect::Check, ..proposal(0, "三、いや四", "三、いや四") };
        assert_eq!(accept(&[check]), [Op::SetMark { block: BlockId(1), mark: Mark::Check, on: true }]);
    }

    #[test]
    fn counts_and_stable_names_go_with_labels() {
        let counts = count_by_rule(&[proposal(0, "えー", ""), proposal(5, "えー", "")]);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(Rule::Filler, 2)]);
        assert_eq!(serde_json::to_string(&Rule::DroppedRa).ok().as_deref(), Some("\"dropped_ra\""));
        assert!(Rule::ALL.iter().all(|rule| !rule.label().is_empty()));
    }
}
