//! Fillers, back-channel words and particles that only fill.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Sight;
use crate::minutes::passage::{Edit, WordTable, is_comma, is_kanji, is_katakana, stands, stands_before};
use crate::minutes::proposal::Rule;

/// A demonstrative followed by so long a pause is a hesitation.
const HESITATION_MS_MIN: u64 = 300;

/// How freely a filler is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Behind a particle too: 「予算はえー百万円」.
    Anywhere,
    /// Only where a clause begins.
    Clause,
    /// Only with a mark on each side.
    Alone,
}

static FILLERS: LazyLock<WordTable<Reach>> = LazyLock::new(|| {
    let anywhere = [
        "えー",
        "えーと",
        "えーっと",
        "ええと",
        "ええっと",
        "えっと",
        "えっとー",
        "あのー",
        "あのう",
        "そのー",
    ];
    let clause = [
        "このー",
        "あー",
        "んー",
        "うーん",
        "うーんと",
        "んーと",
        "なんというか",
        "何というか",
        "なんていうか",
    ];
    let alone = ["えと", "うー", "んと", "ああ", "まー", "さー"];
    let listed = anywhere.into_iter().map(|word| (word, Reach::Anywhere));
    let listed = listed.chain(clause.into_iter().map(|word| (word, Reach::Clause)));
    WordTable::new(listed.chain(alone.into_iter().map(|word| (word, Reach::Alone))))
});

/// Words that answer as well as fill.
const BACK_CHANNELS: [&str; 7] = ["はいはい", "はい", "ええ", "うんうん", "うん", "そうですね", "ああ"];

/// What may stand before ですね in the middle of a clause: particles and conjunctions, never a predicate.
const BEFORE_DESUNE: [&str; 27] = [
    "は",
    "が",
    "を",
    "に",
    "へ",
    "も",
    "て",
    "から",
    "まで",
    "より",
    "ので",
    "けれども",
    "けど",
    "れば",
    "たら",
    "ながら",
    "について",
    "として",
    "において",
    "と",
    "まず",
    "また",
    "次に",
    "それで",
    "では",
    "その",
    "この",
];
/// Predicates and nouns that end like a particle.
const NO_PARTICLES: [&str; 12] = [
    "こと",
    "もと",
    "ひと",
    "いかが",
    "こども",
    "わが",
    "もの",
    "だから",
    "ですから",
    "母",
    "まとも",
    "すなわち",
];

pub(super) fn find(sight: &Sight, rules: &BTreeSet<Rule>) -> Vec<Edit> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < sight.chars.len() {
        let hit = (rules.contains(&Rule::Filler).then(|| filler(sight, at)).flatten())
            .map(|end| (end, Rule::Filler))
            .or_else(|| one_of(rules, Rule::HesitantPronoun, || pronoun(sight, at)))
            .or_else(|| one_of(rules, Rule::BackChannel, || back_channel(sight, at)))
            .or_else(|| one_of(rules, Rule::ClauseParticle, || particle(sight, at)));
        match hit {
            Some((end, rule)) => {
                found.push(Edit::new(at..end, "", rule));
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

fn one_of(rules: &BTreeSet<Rule>, rule: Rule, find: impl FnOnce() -> Option<usize>) -> Option<(usize, Rule)> {
    if rules.contains(&rule) { find().map(|end| (end, rule)) } else { None }
}

/// Returns where the filler that begins here ends, drawn-out sounds and a ですね behind it included.
fn filler(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    let (length, reach) = FILLERS.at(chars, at).next()?;
    let mut end = at + length;
    while end < chars.len() && matches!(chars[end], 'ー' | '〜' | '～' | 'っ') {
        end += 1;
    }
    if reach != Reach::Alone && stands(chars, end, "ですね") {
        end += 3;
    }
    let fits = match reach {
        Reach::Anywhere => sight.opens(at) || follows_a_particle(chars, at),
        Reach::Clause => sight.opens(at),
        // An answer may be an ああ too.
        Reach::Alone => sight.opens(at) && sight.closes(end) && !(chars[at] == 'あ' && sight.is_asked),
    };
    fits.then_some(end)
}

/// Sounds that end a word: behind others, as in 考えー, the sound belongs to the word.
fn follows_a_particle(chars: &[char], at: usize) -> bool {
    "はがをにでとも".contains(chars[at - 1])
        || ["ます", "です", "した", "から", "まして", "して", "の"]
            .iter()
            .any(|end| stands_before(chars, at, end))
}

/// Tells whether その, この or あの stands here at all: only then the pauses are needed.
pub(super) fn has_bare_pronoun(chars: &[char]) -> bool {
    (0..chars.len()).any(|at| is_pronoun(chars, at))
}

fn is_pronoun(chars: &[char], at: usize) -> bool {
    ["その", "この", "あの"].iter().any(|word| stands(chars, at, word))
}

fn pronoun(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    let is_hesitation = is_pronoun(chars, at)
        && sight.pauses[at + 1] >= HESITATION_MS_MIN
        && (sight.opens(at) || "はがをにでも".contains(chars[at - 1]));
    is_hesitation.then_some(at + 2)
}

/// An answer is never removed; nor is a word that is all a person said.
fn back_channel(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    if sight.is_asked || !sight.opens(at) || follows_a_question(chars, at) {
        return None;
    }
    let word = BACK_CHANNELS.iter().find(|word| stands(chars, at, word))?;
    let end = at + word.chars().count();
    (sight.closes(end) && says_more(sight, at, end)).then_some(end)
}

fn follows_a_question(chars: &[char], at: usize) -> bool {
    let before = chars[..at].iter().rev().find(|ch| !is_comma(**ch) && **ch != '。');
    before.is_some_and(|ch| matches!(ch, 'か' | 'ね' | '？' | '?' | '」' | '』'))
}

/// Tells whether the utterance says anything beside words that could be answers.
fn says_more(sight: &Sight, at: usize, end: usize) -> bool {
    let rest: String = sight.chars[..at].iter().chain(&sight.chars[end..]).collect();
    let mut pieces = rest.split(crate::minutes::passage::is_mark).filter(|piece| !piece.is_empty());
    pieces.any(|piece| !BACK_CHANNELS.contains(&piece) && piece != "いいえ" && !is_only_a_filler(piece))
}

fn is_only_a_filler(piece: &str) -> bool {
    let chars: Vec<char> = piece.chars().collect();
    FILLERS.at(&chars, 0).any(|(length, _)| chars[length..].iter().all(|ch| matches!(ch, 'ー' | 'っ' | '～')))
}

fn particle(sight: &Sight, at: usize) -> Option<usize> {
    maa(sight, at)
        .or_else(|| desune(sight, at))
        .or_else(|| closing_ne(sight, at))
        .or_else(|| lone_ne(sight, at))
}

/// まあ at the edge of a clause; まあまあ is a judgement.
fn maa(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    let mut end = at + 2;
    if !stands(chars, at, "まあ") || stands_before(chars, at, "まあ") {
        return None;
    }
    while end < chars.len() && chars[end] == 'ー' {
        end += 1;
    }
    let next = chars.get(end).copied().unwrap_or('。');
    let is_edge = if sight.opens(at) {
        is_comma(next) || is_kanji(next) || is_katakana(next) || "そこあど".contains(next)
    } else {
        is_comma(next) && "はがをにでもとて".contains(chars[at - 1])
    };
    is_edge.then_some(end)
}

/// ですね behind a particle and before a comma.
fn desune(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    let end = at + 3;
    let is_inside = at > 0 && stands(chars, at, "ですね") && chars.get(end).is_some_and(|ch| is_comma(*ch));
    let follows = |words: &[&str]| words.iter().any(|word| stands_before(chars, at, word));
    (is_inside && follows(&BEFORE_DESUNE) && !follows(&NO_PARTICLES)).then_some(end)
}

/// ね at the end of a sentence that nobody answers and that asks nothing.
fn closing_ne(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    let follows = |words: &[&str]| words.iter().any(|word| stands_before(chars, at, word));
    let is_closing = chars[at] == 'ね'
        && (at + 1 >= chars.len() || chars[at + 1] == '。')
        && follows(&["です", "ます", "ました", "でした", "ません"])
        && !follows(&[
            "そうです",
            "よろしいです",
            "いいです",
            "ないです",
            "異議ありません",
            "大丈夫です",
            "結構です",
        ]);
    (is_closing && !(sight.is_answered && at + 2 >= chars.len())).then_some(at + 1)
}

/// ね and さー that stand at a comma: 「それでね、」.
fn lone_ne(sight: &Sight, at: usize) -> Option<usize> {
    let chars = sight.chars;
    let end = if stands(chars, at, "さー") { at + 2 } else { at + 1 };
    let fits = at > 0
        && (chars[at] == 'ね' || end == at + 2)
        && chars.get(end).is_some_and(|ch| is_comma(*ch))
        && ["それで", "だから", "ので", "けど", "けれども", "には", "では", "とは", "まず", "ても"]
            .iter()
            .any(|word| stands_before(chars, at, word));
    fits.then_some(end)
}
