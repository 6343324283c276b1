//! 検索と一括置換 over a whole document.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use utoipa::ToSchema;

use super::passage::text_of;
use super::proposal::{Effect, Proposal, Rule};
use super::{BlockId, Minutes};

/// Longest text to look for, in characters.
pub const QUERY_CHARS_MAX: usize = 200;
/// Most places that are listed.
pub const HITS_MAX: usize = 20_000;
/// How much text is shown on each side of a place, in characters.
const AROUND_CHARS: usize = 20;

/// What counts as the same character while searching.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Folding {
    /// 全角と半角を区別しない; ㈱ and ① are found by （株） and 1.
    #[serde(default)]
    pub width: bool,
    /// ひらがなとカタカナを区別しない
    #[serde(default)]
    pub kana: bool,
    /// 大文字と小文字を区別しない
    #[serde(default)]
    pub case: bool,
}

/// A place where the text stands.
///
/// Units: characters of the text as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FoundPlace)]
pub struct Hit {
    /// Whose text.
    pub block: BlockId,
    /// Where it begins.
    pub at: u32,
    /// What stands there.
    pub found: String,
    /// The text right before.
    pub left: String,
    /// The text right behind.
    pub right: String,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hits {
    /// The places, in the order of the document, disjoint.
    pub hits: Vec<Hit>,
    /// How many places there are, those past [`HITS_MAX`] included.
    pub count: usize,
}

/// Finds a text in every utterance that is shown and in every heading.
///
/// Range: an empty text, or one longer than [`QUERY_CHARS_MAX`], is found nowhere.
pub fn find(minutes: &Minutes, query: &str, folding: Folding) -> Hits {
    let wanted = Folded::new(&query.chars().collect::<Vec<char>>(), folding).chars;
    let mut found = Hits::default();
    if wanted.is_empty() || query.chars().count() > QUERY_CHARS_MAX {
        return found;
    }
    for block in &minutes.blocks {
        let Some(text) = text_of(block) else { continue };
        let chars: Vec<char> = text.chars().collect();
        for (from, to) in places(&Folded::new(&chars, folding), &wanted) {
            found.count += 1;
            if found.hits.len() < HITS_MAX {
                found.hits.push(hit(block.id(), &chars, from, to));
            }
        }
    }
    found
}

/// Turns places into proposals that put another text there.
pub fn propose(hits: &[Hit], with: &str) -> Vec<Proposal> {
    let changed = hits.iter().filter(|hit| hit.found != with);
    let proposal = |hit: &Hit| Proposal {
        block: hit.block,
        rule: Rule::FindReplace,
        at: hit.at,
        before: hit.found.clone(),
        after: with.to_owned(),
        effect: Effect::Rewrite,
    };
    changed.map(proposal).collect()
}

fn hit(block: BlockId, chars: &[char], from: usize, to: usize) -> Hit {
    let text = |chars: &[char]| chars.iter().collect::<String>();
    Hit {
        block,
        at: u32::try_from(from).unwrap_or(u32::MAX),
        found: text(&chars[from..to]),
        left: text(&chars[from.saturating_sub(AROUND_CHARS)..from]),
        right: text(&chars[to..chars.len().min(to + AROUND_CHARS)]),
    }
}

/// A text as it is compared, which remembers the character each part came from.
struct Folded {
    chars: Vec<char>,
    /// For each compared character its place in the text; the length of the text at the end.
    origins: Vec<usize>,
}

impl Folded {
    fn new(text: &[char], folding: Folding) -> Self {
        let mut folded =
            Self { chars: Vec::with_capacity(text.len()), origins: Vec::with_capacity(text.len() + 1) };
        for (at, ch) in text.iter().enumerate() {
            folded.push(*ch, at, folding);
        }
        folded.origins.push(text.len());
        folded
    }

    fn push(&mut self, ch: char, at: usize, folding: Folding) {
        let is_plain =
            !folding.width || matches!(ch, 'ぁ'..='ん' | '一'..='鿿' | ' '..='~') && !is_voiced(ch);
        if is_plain {
            return self.push_folded(ch, at, folding);
        }
        // Decomposed, so that ｶﾞ and ガ are compared part by part and each part keeps its place.
        for part in std::iter::once(ch).nfkd() {
            self.push_folded(part, at, folding);
        }
    }

    fn push_folded(&mut self, ch: char, at: usize, folding: Folding) {
        let ch = match ch {
            'ァ'..='ヶ' if folding.kana => char::from_u32(u32::from(ch) - 0x60).unwrap_or(ch),
            // 〜 and ～, − and － are one key on most keyboards.
            '〜' | '～' if folding.width => '~',
            '−' if folding.width => '-',
            _ => ch,
        };
        let mut lower = ch.to_lowercase();
        if folding.case && lower.len() == 1 {
            self.chars.extend(lower.next());
        } else {
            self.chars.push(ch);
        }
        self.origins.push(at);
    }

    /// Tells whether a character of the text begins here, with no voicing mark of the one before.
    fn is_edge(&self, at: usize) -> bool {
        let is_start = at == 0 || self.origins[at] != self.origins[at - 1];
        is_start && !self.chars.get(at).is_some_and(|ch| is_combining_mark(*ch))
    }
}

/// Kana with a voicing mark in one character; they are taken apart, as ｶﾞ is.
fn is_voiced(ch: char) -> bool {
    std::iter::once(ch).nfd().count() > 1
}

/// Lists where the wanted characters stand, in places of the text; a part of a character is no place.
fn places(text: &Folded, wanted: &[char]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= text.chars.len() {
        let end = at + wanted.len();
        if text.chars[at] == wanted[0]
            && text.chars[at..end] == *wanted
            && text.is_edge(at)
            && text.is_edge(end)
        {
            found.push((text.origins[at], text.origins[end]));
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::minutes::testing::{accepted, four_hours, minutes_of, quick, said};

    const ALL: Folding = Folding { width: true, kana: true, case: true };
    const NONE: Folding = Folding { width: false, kana: false, case: false };
    const WIDTH: Folding = Folding { width: true, ..NONE };
    const KANA: Folding = Folding { kana: true, ..NONE };

    fn found(text: &str, query: &str, folding: Folding) -> Vec<(u32, String)> {
        let minutes = minutes_of(vec![said(1, None, 0, 1000, text)]);
        find(&minutes, query, folding).hits.into_iter().map(|hit| (hit.at, hit.found)).collect()
    }

    #[test]
    fn what_is_folded_is_found_where_it_stands() {
        for (text, query, folding, expected) in [
            ("予算と予算案", "予算", NONE, vec![(0, "予算"), (3, "予算")]),
            ("ＵＳＢキー", "USBキー", WIDTH, vec![(0, "ＵＳＢキー")]),
            ("ＵＳＢキー", "USBキー", NONE, vec![]),
            ("ﾃﾞｰﾀを", "データ", WIDTH, vec![(0, "ﾃﾞｰﾀ")]),
            ("データを", "ﾃﾞｰﾀ", WIDTH, vec![(0, "データ")]),
            ("さいとう", "サイトウ", KANA, vec![(0, "さいとう")]),
            ("サイトウ", "さいとう", KANA, vec![(0, "サイトウ")]),
            ("サイトウ", "さいとう", WIDTH, vec![]),
            ("㈱山田商店", "(株)", WIDTH, vec![(0, "㈱")]),
            ("㈱山田商店", "（株）", WIDTH, vec![(0, "㈱")]),
            ("①の件", "1", WIDTH, vec![(0, "①")]),
            ("髙橋委員", "髙橋", WIDTH, vec![(0, "髙橋")]),
            ("Usb", "uSB", Folding { case: true, ..NONE }, vec![(0, "Usb")]),
            ("Ｕｓｂとｕｓｂ", "USB", ALL, vec![(0, "Ｕｓｂ"), (4, "ｕｓｂ")]),
            ("ああああ", "ああ", NONE, vec![(0, "ああ"), (2, "ああ")]),
            ("10時～12時", "10時〜12時", WIDTH, vec![(0, "10時～12時")]),
            // What must not be found.
            ("㈱山田", "株", WIDTH, vec![]),
            ("ガス", "カ", WIDTH, vec![]),
            ("ｶﾞｽ", "カ", WIDTH, vec![]),
            ("ｶﾞｽ", "ﾞ", WIDTH, vec![]),
            ("髙橋", "高橋", ALL, vec![]),
            ("がっこう", "かっこう", ALL, vec![]),
            ("⑫", "1", WIDTH, vec![]),
            ("予算", "", ALL, vec![]),
        ] {
            let expected: Vec<(u32, String)> =
                expected.into_iter().map(|(at, text)| (at, text.to_owned())).collect();
            assert_eq!(found(text, query, folding), expected, "{query} in {text}");
        }
    }

    #[test]
    fn everything_found_is_replaced_and_the_rest_stays() {
        let mut minutes = minutes_of(vec![said(1, None, 0, 1000, "㈱山田のＵＳＢとUSBキー①")]);
        let hits = find(&minutes, "usb", ALL);
        assert_eq!(
            (hits.count, hits.hits[0].left.as_str(), hits.hits[0].right.as_str()),
            (2, "㈱山田の", "とUSBキー①")
        );
        accepted(&mut minutes, &propose(&hits.hits, "USB"));
        let text: Vec<&str> = minutes.utterances().map(|utterance| utterance.text.as_str()).collect();
        assert_eq!(text, ["㈱山田のUSBとUSBキー①"]);
        assert_eq!(propose(&find(&minutes, "USB", NONE).hits, "USB"), []);
    }

    #[test]
    fn hidden_text_is_not_found_and_a_query_without_end_neither() {
        let mut hidden = said(1, None, 0, 1000, "予算");
        hidden.hidden = Some("kebatori".to_owned());
        assert_eq!(find(&minutes_of(vec![hidden]), "予算", NONE).count, 0);
        assert_eq!(found(&"予".repeat(300), &"予".repeat(201), NONE), []);
    }

    #[test]
    fn four_hours_are_searched_at_once() {
        let minutes = four_hours("ＵＳＢキーの更新予算を計上しております");
        let hits = quick("find", || find(&minutes, "usb", ALL));
        assert_eq!(hits.count, 4000);
    }

    /// Folds a whole text by itself, and tries every stretch.
    fn naive(text: &[char], query: &[char], folding: Folding) -> Vec<(usize, usize)> {
        let fold = |chars: &[char]| Folded::new(chars, folding).chars;
        let wanted = fold(query);
        let is_mark = |at: usize| {
            text.get(at).is_some_and(|ch| fold(&[*ch]).first().is_some_and(|ch| is_combining_mark(*ch)))
        };
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = (at + 1..=text.len()).find(|end| fold(&text[at..*end]) == wanted);
            match end.filter(|end| !is_mark(at) && !is_mark(*end)) {
                Some(end) => {
                    found.push((at, end));
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    proptest! {
        #[test]
        fn a_search_finds_what_trying_every_stretch_finds(
            text in "[あアかガｶﾞ㈱①1１aＡ株（(髙]{0,20}",
            query in "[あアかガｶﾞ㈱1aＡ株（(]{1,3}",
            width: bool, kana: bool, case: bool,
        ) {
            let folding = Folding { width, kana, case };
            let (text, query): (Vec<char>, Vec<char>) = (text.chars().collect(), query.chars().collect());
            let wanted = Folded::new(&query, folding).chars;
            prop_assert_eq!(places(&Folded::new(&text, folding), &wanted), naive(&text, &query, folding));
        }
    }
}
