//! Words that official text writes in kana, each with the surroundings in which it is that word.

use std::sync::LazyLock;

use crate::minutes::passage::{Edit, WordTable, is_hiragana, is_mark, stands, stands_before};
use crate::minutes::proposal::Rule;

/// What must stand behind.
#[derive(Debug, Clone, Copy)]
enum Behind {
    Any,
    /// A particle, です, a mark or the end: no longer word goes on.
    Particle,
    /// One of these.
    One(&'static [&'static str]),
    /// None of these.
    NoneOf(&'static [&'static str]),
}

/// A word, how it is written, and where.
#[derive(Debug, Clone, Copy)]
struct Case {
    written: &'static str,
    /// One of these stands before; anything may if empty.
    before: &'static [&'static str],
    /// None of these stands before.
    never: &'static [&'static str],
    behind: Behind,
}

const VERBS_AND_NO: &[&str] = &[
    "る", "た", "う", "く", "す", "つ", "ぬ", "む", "ぶ", "ぐ", "ない", "たい", "な", "の", "んだ", "その",
    "この", "あの", "どの", "いう",
];
const TE: &[&str] = &["て", "で"];
const CLAUSE: &[&str] = &["", "。", "、", "，", "\n", "　"];

const fn case(written: &'static str, before: &'static [&'static str], behind: Behind) -> Case {
    Case { written, before, never: &[], behind }
}

const fn except(
    written: &'static str,
    before: &'static [&'static str],
    never: &'static [&'static str],
    behind: Behind,
) -> Case {
    Case { written, before, never, behind }
}

static CASES: LazyLock<WordTable<Case>> =
    LazyLock::new(|| WordTable::new(NOUNS.into_iter().chain(VERB_FORMS).chain(LINKS).chain(WORDS)));

/// Formal nouns.
const NOUNS: [(&str, Case); 15] = [
    ("事", case("こと", VERBS_AND_NO, Behind::Particle)),
    ("時", case("とき", &["る", "た", "ない", "の", "な"], Behind::Particle)),
    ("所", case("ところ", &["た"], Behind::One(&["、", "，", "です", "であ", "でし"]))),
    ("所", case("ところ", &["今の", "現在の", "いる", "おる"], Behind::Particle)),
    (
        "物",
        case(
            "もの",
            &["る", "た", "ない", "な"],
            Behind::One(&["とする", "とし", "である", "です", "と考え", "と思", "と認め", "と存じ"]),
        ),
    ),
    (
        "為",
        case(
            "ため",
            &["る", "た", "ない", "の", "この", "その"],
            Behind::NoneOf(&["替", "政", "す", "し", "さ", "る"]),
        ),
    ),
    (
        "訳",
        except(
            "わけ",
            &["る", "た", "ない", "いう", "な", "う"],
            &["言い", "申し"],
            Behind::One(&["で", "に", "が", "は", "も", "です"]),
        ),
    ),
    (
        "通り",
        case(
            "とおり",
            &["次の", "以下の", "その", "この", "上記の", "指摘の", "説明の", "質問の", "従来の", "る", "た"],
            Behind::One(&["で", "に", "、", "。", "，", "と", "の"]),
        ),
    ),
    (
        "様",
        case(
            "よう",
            &["の", "る", "た", "ない", "この", "その", "どの", "う"],
            Behind::One(&["な", "に", "で"]),
        ),
    ),
    ("毎に", case("ごとに", &[], Behind::Any)),
    (
        "程",
        case(
            "ほど",
            &["る", "これ", "それ", "あれ", "どれ", "名", "人", "件", "回", "円", "分", "先", "後"],
            Behind::NoneOf(&["度", "な"]),
        ),
    ),
    (
        "等",
        case("など", &["る", "た", "い"], Behind::NoneOf(&["し", "級", "分", "身", "価", "質", "号", "間"])),
    ),
    ("迄", case("まで", &[], Behind::Any)),
    ("中で", case("なかで", &["そうした", "こうした", "そういう", "こういう"], Behind::Any)),
    ("内に", case("うちに", &["その", "ない", "いる"], Behind::NoneOf(&["部"]))),
];

/// Verbs that only help another one.
const VERB_FORMS: [(&str, Case); 25] = [
    ("下さい", case("ください", TE, Behind::Any)),
    ("下さる", case("くださる", TE, Behind::Any)),
    ("下さり", case("くださり", TE, Behind::Any)),
    ("下さっ", case("くださっ", TE, Behind::Any)),
    ("頂く", case("いただく", TE, Behind::Any)),
    ("頂き", case("いただき", TE, Behind::Any)),
    ("頂い", case("いただい", TE, Behind::Any)),
    ("頂け", case("いただけ", TE, Behind::Any)),
    ("頂こ", case("いただこ", TE, Behind::Any)),
    ("頂か", case("いただか", TE, Behind::Any)),
    (
        "致しま",
        case(
            "いたしま",
            &["い", "し", "り", "願", "明", "告", "付", "知", "介", "内", "待", "討", "案"],
            Behind::Any,
        ),
    ),
    ("出来る", case("できる", &[], Behind::Any)),
    ("出来ま", case("できま", &[], Behind::Any)),
    ("出来な", case("できな", &[], Behind::Any)),
    ("出来て", except("できて", &[], &["上"], Behind::Any)),
    ("出来ず", case("できず", &[], Behind::Any)),
    ("出来れば", case("できれば", &[], Behind::Any)),
    ("出来た", except("できた", &[], &["上"], Behind::Any)),
    ("御座い", case("ござい", &[], Behind::Any)),
    ("有難う", case("ありがとう", &[], Behind::Any)),
    ("有り難う", case("ありがとう", &[], Behind::Any)),
    ("宜しく", case("よろしく", &[], Behind::Any)),
    ("宜しい", case("よろしい", &[], Behind::Any)),
    ("無い", case("ない", &["では", "て", "で", "く"], Behind::NoneOf(&["無"]))),
    ("参りま", case("まいりま", TE, Behind::Any)),
];

/// Words that link clauses.
const LINKS: [(&str, Case); 20] = [
    ("に就いて", case("について", &[], Behind::Any)),
    ("に於いて", case("において", &[], Behind::Any)),
    ("に於ける", case("における", &[], Behind::Any)),
    ("に亘って", case("にわたって", &[], Behind::Any)),
    ("に亘り", case("にわたり", &[], Behind::Any)),
    (
        "に渡って",
        case(
            "にわたって",
            &["間", "年", "日", "回", "多岐", "全般", "長期", "範囲", "分野", "度"],
            Behind::Any,
        ),
    ),
    (
        "に渡り",
        case(
            "にわたり",
            &["間", "年", "日", "回", "多岐", "全般", "長期", "範囲", "分野", "度"],
            Behind::Any,
        ),
    ),
    ("に依って", case("によって", &[], Behind::Any)),
    ("に依り", case("により", &[], Behind::Any)),
    ("と共に", case("とともに", &[], Behind::Any)),
    ("又、", case("また、", CLAUSE, Behind::Any)),
    ("又，", case("また，", CLAUSE, Behind::Any)),
    ("但し", case("ただし", CLAUSE, Behind::Any)),
    ("尚、", case("なお、", CLAUSE, Behind::Any)),
    ("尚，", case("なお，", CLAUSE, Behind::Any)),
    ("従って、", case("したがって、", CLAUSE, Behind::Any)),
    ("従って，", case("したがって，", CLAUSE, Behind::Any)),
    ("即ち", case("すなわち", &[], Behind::Any)),
    ("或いは", case("あるいは", &[], Behind::Any)),
    ("故に", except("ゆえに", &[], &["事", "縁", "何"], Behind::Any)),
];

/// Other words.
const WORDS: [(&str, Case); 12] = [
    ("且つ", case("かつ", &[], Behind::Any)),
    ("其の", case("その", &[], Behind::Any)),
    ("此の", case("この", &[], Behind::Any)),
    ("殆ど", case("ほとんど", &[], Behind::Any)),
    ("色々", case("いろいろ", &[], Behind::Any)),
    ("沢山", except("たくさん", &[], &["内"], Behind::One(&["の", "あ", "い", "、", "お", "ご"]))),
    ("丁度", case("ちょうど", &[], Behind::Any)),
    ("予め", case("あらかじめ", &[], Behind::Any)),
    ("何卒", case("なにとぞ", &[], Behind::Any)),
    ("暫く", case("しばらく", &[], Behind::Any)),
    ("易い", case("やすい", &["し", "き", "み", "り", "い", "け", "べ"], Behind::Any)),
    ("更に、", case("さらに、", CLAUSE, Behind::Any)),
];

/// Finds words in kanji that are written in kana.
pub(super) fn find(chars: &[char]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for at in 0..chars.len() {
        if is_hiragana(chars[at]) && !matches!(chars[at], 'に' | 'と') {
            continue;
        }
        let hit = CASES.at(chars, at).find(|(length, case)| fits(chars, at, at + length, case));
        if let Some((length, case)) = hit {
            edits.push(Edit::new(at..at + length, case.written, Rule::KanaWord));
        }
    }
    edits
}

fn fits(chars: &[char], at: usize, end: usize, case: &Case) -> bool {
    let stands_here = |word: &&str| if word.is_empty() { at == 0 } else { stands_before(chars, at, word) };
    let follows = |words: &[&str]| words.iter().any(|word| stands(chars, end, word));
    let is_behind = match case.behind {
        Behind::Any => true,
        Behind::Particle => {
            chars.get(end).is_none_or(|ch| is_mark(*ch) || "がをはにもでとのだなかへやよねさ".contains(*ch))
        }
        Behind::One(words) => follows(words),
        Behind::NoneOf(words) => !follows(words),
    };
    is_behind
        && (case.before.is_empty() || case.before.iter().any(stands_here))
        && !case.never.iter().any(stands_here)
}
