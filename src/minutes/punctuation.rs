//! 。 and 、 where the voice paused: nothing is moved, what stands there already is left.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::passage::{Edit, Protected, Rewrite, is_comma, is_mark, pauses_ms, stands, stands_before};
use super::proposal::{Proposal, Rule};
use super::{Block, Minutes, Utterance};

/// Shortest pause that takes a mark (MINUTES.md, section 6).
const PAUSE_MS_MIN: u64 = 350;

/// The pair of marks a document uses (公用文作成の考え方).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Marks {
    /// 「、。」
    #[default]
    Ten,
    /// 「，。」
    Comma,
}

impl Marks {
    const fn comma(self) -> char {
        match self {
            Self::Ten => '、',
            Self::Comma => '，',
        }
    }
}

/// The rules of this pass.
pub const RULES: [Rule; 3] = [Rule::SentenceEnd, Rule::ClauseComma, Rule::CommaStyle];

/// Forms that end a sentence wherever the voice pauses behind them.
const POLITE_ENDS: [&str; 18] = [
    "です",
    "ます",
    "でした",
    "ました",
    "ません",
    "でしょう",
    "ましょう",
    "ですか",
    "ますか",
    "でしょうか",
    "ましたか",
    "ませんか",
    "ですね",
    "ますね",
    "ですよ",
    "ますよ",
    "ください",
    "ございます",
];
/// Forms that end a sentence only where the utterance ends: elsewhere a noun may follow.
const PLAIN_ENDS: [&str; 10] = ["た", "だ", "か", "である", "ない", "よ", "ね", "う", "なし", "ん"];
/// What goes on with a sentence behind です and ます.
const GOES_ON: &str = "がのけからとしよねもば";
/// What a clause ends with.
const CLAUSE_ENDS: [&str; 24] = [
    "は",
    "が",
    "て",
    "で",
    "ので",
    "のに",
    "から",
    "けれども",
    "けど",
    "ば",
    "たら",
    "と",
    "も",
    "し",
    "ながら",
    "ため",
    "とき",
    "について",
    "まず",
    "また",
    "次に",
    "しかし",
    "なお",
    "つつ",
];

/// Proposes the marks that are missing.
///
/// Shape: insertions only, but for [`Rule::CommaStyle`] and doubled or narrow full stops at an utterance's end.
/// Headings, hidden utterances, quotations and protected words are left alone.
pub fn propose(
    minutes: &Minutes,
    protected: &Protected,
    marks: Marks,
    rules: &BTreeSet<Rule>,
) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for (index, block) in minutes.blocks.iter().enumerate() {
        let Some(utterance) = block.utterance().filter(|utterance| utterance.hidden.is_none()) else {
            continue;
        };
        let next = minutes.blocks.get(index + 1).map(AsRef::as_ref);
        let chars: Vec<char> = utterance.text.chars().collect();
        let mask = protected.mask(&chars);
        let mut edits = inside(&chars, &pauses_ms(&chars, &utterance.words), marks);
        edits.extend(at_end(&chars, ends_with_a_pause(utterance, next)));
        edits.extend(styled(&chars, marks));
        edits.retain(|edit| rules.contains(&edit.rule) && edit.is_free(&mask));
        let mut rewrite = Rewrite::new(&utterance.text);
        rewrite.apply(edits);
        proposals.extend(rewrite.into_proposals(utterance.id));
    }
    proposals
}

/// An utterance that was cut because it was long goes on in the next one.
fn ends_with_a_pause(utterance: &Utterance, next: Option<&Block>) -> bool {
    let Some(next) = next.and_then(Block::utterance) else { return true };
    let is_same = next.speaker.is_some() && next.speaker == utterance.speaker;
    !is_same || next.start_ms >= utterance.end_ms + PAUSE_MS_MIN
}

fn inside(chars: &[char], pauses: &[u64], marks: Marks) -> Vec<Edit> {
    let mut edits = Vec::new();
    for at in 1..chars.len() {
        if pauses[at - 1] < PAUSE_MS_MIN || is_mark(chars[at]) || is_mark(chars[at - 1]) {
            continue;
        }
        let follows = |forms: &[&str]| forms.iter().any(|form| stands_before(chars, at, form));
        if follows(&POLITE_ENDS) && !GOES_ON.contains(chars[at]) {
            edits.push(Edit::new(at..at, "。", Rule::SentenceEnd));
        } else if follows(&CLAUSE_ENDS) && !goes_on_with_the_word(chars, at) {
            edits.push(Edit::new(at..at, marks.comma(), Rule::ClauseComma));
        }
    }
    edits
}

/// A pause inside 「では」 or 「ことも」 is a hesitation, no edge: a particle still follows.
fn goes_on_with_the_word(chars: &[char], at: usize) -> bool {
    "はがをにもとのっー".contains(chars[at])
        || ["いる", "いた", "いま", "おり"].iter().any(|next| stands(chars, at, next))
}

fn at_end(chars: &[char], has_paused: bool) -> Vec<Edit> {
    let end = chars.len();
    let Some(last) = chars.last() else { return Vec::new() };
    if matches!(last, '｡' | '．') || (*last == '。' && end > 1 && chars[end - 2] == '。') {
        let stops = chars.iter().rev().take_while(|ch| matches!(ch, '。' | '｡' | '．')).count();
        return vec![Edit::new(end - stops..end, "。", Rule::SentenceEnd)];
    }
    let follows = |forms: &[&str]| forms.iter().any(|form| stands_before(chars, end, form));
    let is_sentence = !is_mark(*last) && has_paused && (follows(&POLITE_ENDS) || follows(&PLAIN_ENDS));
    if is_sentence { vec![Edit::new(end..end, "。", Rule::SentenceEnd)] } else { Vec::new() }
}

/// One pair of marks a document; a comma between digits is no 読点.
fn styled(chars: &[char], marks: Marks) -> Vec<Edit> {
    let is_digit = |at: usize| chars.get(at).is_some_and(|ch| ch.is_numeric());
    let is_wrong = |at: usize| is_comma(chars[at]) && chars[at] != marks.comma();
    let is_in_a_number = |at: usize| chars[at] == '，' && at > 0 && is_digit(at - 1) && is_digit(at + 1);
    (0..chars.len())
        .filter(|at| is_wrong(*at) && !is_in_a_number(*at))
        .map(|at| Edit::new(at..at + 1, marks.comma(), Rule::CommaStyle))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::minutes::testing::{accepted, four_hours, minutes_of, quick, said, with_words};

    fn all() -> BTreeSet<Rule> {
        RULES.into()
    }

    /// `|` stands for a pause of 0.4 s between words.
    fn restored(marked: &str, marks: Marks) -> String {
        let mut minutes = minutes_of(vec![with_words(marked)]);
        let proposals = propose(&minutes, &Protected::words(["議会だより"]), marks, &all());
        accepted(&mut minutes, &proposals);
        assert_eq!(propose(&minutes, &Protected::words(["議会だより"]), marks, &all()), [], "{marked}");
        minutes.utterances().map(|utterance| utterance.text.clone()).collect()
    }

    #[test]
    fn marks_are_restored_where_the_voice_paused() {
        for (marked, expected) in [
            ("開会します|本日の議題は", "開会します。本日の議題は"),
            ("予算については|後で説明します", "予算については、後で説明します。"),
            ("ご異議ありませんか", "ご異議ありませんか。"),
            ("異議なし", "異議なし。"),
            ("可決されました|次に|議案第三号です", "可決されました。次に、議案第三号です。"),
            ("検討しておりますが|時間がかかります", "検討しておりますが、時間がかかります。"),
            ("雨なので|中止でした", "雨なので、中止でした。"),
            ("以上で説明を終わります。", "以上で説明を終わります。"),
            ("確認して|回答してください", "確認して、回答してください。"),
            ("おはようございます|ただいまから", "おはようございます。ただいまから"),
            ("終わりです。。", "終わりです。"),
            ("終わりです｡", "終わりです。"),
            ("賛成が多数でしたので，可決です。", "賛成が多数でしたので、可決です。"),
            ("3，500円です", "3，500円です。"),
            // What stays.
            ("予算の|説明", "予算の説明"),
            ("説明します|が、反対です。", "説明しますが、反対です。"),
            ("進めて|いる事業です。", "進めている事業です。"),
            ("市長、|副市長", "市長、副市長"),
            ("議会だ|より", "議会だより"),
            ("「そうです|はい」と", "「そうですはい」と"),
            ("大阪|府庁", "大阪府庁"),
            ("本案について", "本案について"),
            ("", ""),
        ] {
            assert_eq!(restored(marked, Marks::Ten), expected, "{marked}");
        }
    }

    #[test]
    fn the_other_pair_of_marks_is_used_throughout() {
        assert_eq!(restored("本件は|可決、成立です", Marks::Comma), "本件は，可決，成立です。");
    }

    #[test]
    fn an_utterance_that_was_only_cut_gets_no_full_stop() {
        let first = said(1, Some(1), 0, 20_000, "御説明いたします");
        let next = said(2, Some(1), 20_050, 21_000, "資料の１ページです");
        let minutes = minutes_of(vec![first, next]);
        let blocks: Vec<u64> = propose(&minutes, &Protected::default(), Marks::Ten, &all())
            .iter()
            .map(|one| one.block.0)
            .collect();
        assert_eq!(blocks, [2]);
    }

    #[test]
    fn a_heading_gets_no_mark() {
        let mut minutes = minutes_of(vec![]);
        let text = "議案の説明です".to_owned();
        let heading = crate::minutes::Heading { id: crate::minutes::BlockId(9), level: 1, text, at_ms: None };
        minutes.blocks.push(std::sync::Arc::new(Block::Heading(heading)));
        assert_eq!(propose(&minutes, &Protected::default(), Marks::Ten, &all()), []);
    }

    #[test]
    fn four_hours_are_punctuated_at_once() {
        let minutes = four_hours("予算については|後で説明します|次の件は可決です");
        let proposals = quick("punctuation", || propose(&minutes, &Protected::default(), Marks::Ten, &all()));
        assert_eq!(proposals.len(), 12_000);
    }

    proptest! {
        #[test]
        fn what_was_taken_is_not_proposed_again_and_only_marks_change(
            marked in "(です|ます|か|は|が|て|予算|「|」|、|，|。|[|]|3|た){0,12}",
        ) {
            let mut minutes = minutes_of(vec![with_words(&marked)]);
            let letters = |minutes: &Minutes| -> String {
                minutes.utterances().flat_map(|one| one.text.chars()).filter(|ch| !is_mark(*ch)).collect()
            };
            let before = letters(&minutes);
            let proposals = propose(&minutes, &Protected::default(), Marks::Ten, &all());
            accepted(&mut minutes, &proposals);
            prop_assert_eq!(letters(&minutes), before);
            prop_assert_eq!(propose(&minutes, &Protected::default(), Marks::Ten, &all()), []);
        }
    }
}
