//! Light 整文: spoken forms become written ones; the meaning, the order and the names stay.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Sight;
use crate::minutes::passage::{Edit, WordTable, is_hiragana, is_mark, stands, stands_before};
use crate::minutes::proposal::Rule;

/// Verbs whose possible form loses ら in speech, without their ending れる.
const RA_STEMS: [&str; 34] = [
    "食べ", "見", "来", "出", "決め", "考え", "着", "起き", "寝", "受け", "続け", "変え", "得", "借り",
    "降り", "逃げ", "信じ", "感じ", "伝え", "答え", "見せ", "集め", "進め", "認め", "避け", "投げ", "調べ",
    "比べ", "止め", "始め", "加え", "入れ", "定め", "支え",
];

/// Spoken and written forms of double honorifics.
const HONORIFICS: [(&str, &str); 17] = [
    ("おっしゃられま", "おっしゃいま"),
    ("おっしゃられる", "おっしゃる"),
    ("おっしゃられた", "おっしゃった"),
    ("おっしゃられて", "おっしゃって"),
    ("ご覧になられま", "ご覧になりま"),
    ("ご覧になられた", "ご覧になった"),
    ("ご覧になられて", "ご覧になって"),
    ("ご覧になられる", "ご覧になる"),
    ("お見えになられま", "お見えになりま"),
    ("お見えになられた", "お見えになった"),
    ("お見えになられて", "お見えになって"),
    ("お話しになられま", "お話しになりま"),
    ("お話しになられた", "お話しになった"),
    ("お帰りになられま", "お帰りになりま"),
    ("お決めになられま", "お決めになりま"),
    ("お聞きになられま", "お聞きになりま"),
    ("お越しになられま", "お越しになりま"),
];

static PLAIN: LazyLock<WordTable<&'static str>> = LazyLock::new(|| {
    WordTable::new([
        ("やっぱり", "やはり"),
        ("やっぱし", "やはり"),
        ("いろんな", "いろいろな"),
        ("じゃあ", "では"),
        ("っていう", "という"),
        ("けども", "けれども"),
        ("けど", "けれども"),
    ])
});
static HONORIFIC: LazyLock<WordTable<&'static str>> = LazyLock::new(|| WordTable::new(HONORIFICS));
static RA: LazyLock<WordTable<()>> = LazyLock::new(|| WordTable::new(RA_STEMS.map(|stem| (stem, ()))));

pub(super) fn find(sight: &Sight, rules: &BTreeSet<Rule>) -> Vec<Edit> {
    type Find = fn(&Sight, usize) -> Option<Edit>;
    const FINDS: [(Rule, Find); 6] = [
        (Rule::PlainWord, plain_word),
        (Rule::ExplanatoryNo, explanatory_no),
        (Rule::Softener, softener),
        (Rule::DroppedI, dropped_i),
        (Rule::DroppedRa, dropped_ra),
        (Rule::DoubleHonorific, double_honorific),
    ];
    let on: Vec<Find> =
        FINDS.iter().filter(|(rule, _)| rules.contains(rule)).map(|(_, find)| *find).collect();
    (0..sight.chars.len()).flat_map(|at| on.iter().find_map(|find| find(sight, at))).collect()
}

fn plain_word(sight: &Sight, at: usize) -> Option<Edit> {
    let chars = sight.chars;
    let (length, written) = PLAIN.at(chars, at).next()?;
    let end = at + length;
    let fits = match chars[at] {
        // 「負けども」「かけどころ」 are other words.
        'け' => {
            let follows = ["です", "ます", "だ", "た", "い", "る", "ん", "う"]
                .iter()
                .any(|end| stands_before(chars, at, end));
            let is_polite =
                ["です", "ます", "ました", "でした", "だ"].iter().any(|end| stands_before(chars, at, end));
            follows && (is_polite || sight.closes(end)) && !stands(chars, end, "け")
        }
        'じ' => sight.opens(at) || stands_before(chars, at, "それ"),
        'っ' => !sight.opens(at) && chars.get(end) != Some(&'か'),
        'い' => sight.opens(at) || !"なたかまし".contains(chars[at - 1]),
        _ => true,
    };
    fits.then(|| Edit::new(at..end, written, Rule::PlainWord))
}

/// んです behind a verb, an adjective or な; 「みなさんです」 and 「それはなんですか」 stay.
fn explanatory_no(sight: &Sight, at: usize) -> Option<Edit> {
    let chars = sight.chars;
    if at == 0 || !["んです", "んでしょう", "んでした"].iter().any(|form| stands(chars, at, form))
    {
        return None;
    }
    let fits = match chars[at - 1] {
        'る' | 'た' | 'い' | 'く' | 'す' | 'つ' | 'ぬ' | 'む' | 'ぶ' | 'う' | 'だ' => at >= 2,
        'な' => at >= 2 && !"はがをもにでと".contains(chars[at - 2]) && !is_mark(chars[at - 2]),
        _ => false,
    };
    let is_two_words =
        ["たくさ", "いくぶ", "ずいぶ", "うん"].iter().any(|word| stands_before(chars, at, word));
    (fits && !is_two_words).then(|| Edit::new(at..at + 1, "の", Rule::ExplanatoryNo))
}

fn softener(sight: &Sight, at: usize) -> Option<Edit> {
    let fits = stands(sight.chars, at, "ちょっと") && !stands(sight.chars, at + 4, "した");
    fits.then(|| Edit::new(at..at + 4, "少し", Rule::Softener))
}

/// てます, てました, てません, てる, てた, てない behind a sound that only a te-form has.
///
/// 立てます, 捨てます and 当てます are whole verbs: a kanji before て says nothing.
fn dropped_i(sight: &Sight, at: usize) -> Option<Edit> {
    let chars = sight.chars;
    let is_te = chars[at] == 'て' && at > 0 && "っしいきけれえせべめげねり".contains(chars[at - 1]);
    let is_de = chars[at] == 'で' && at > 1 && chars[at - 1] == 'ん' && !is_hiragana(chars[at - 2]);
    if !(is_te || is_de) || stands_before(chars, at, "として") {
        return None;
    }
    let goes_on = |forms: &[&str]| forms.iter().any(|form| stands(chars, at + 1, form));
    let is_past = chars.get(at + 1) == Some(&'た')
        && (sight.closes(at + 2)
            || ["が", "の", "ん", "と", "こ", "か", "け", "わ"]
                .iter()
                .any(|next| stands(chars, at + 2, next)));
    let is_now = chars.get(at + 1) == Some(&'る') && is_te;
    let fits = goes_on(&["ます", "ました", "ません"])
        || (is_te && goes_on(&["ない", "なかった"]) && chars[at - 1] != 'い' && chars[at - 1] != 'け')
        || is_past
        || is_now;
    (fits && !is_other_verb(chars, at)).then(|| Edit::new(at + 1..at + 1, "い", Rule::DroppedI))
}

/// Verbs in kana that end in てる by themselves, and 「してますます」.
fn is_other_verb(chars: &[char], at: usize) -> bool {
    stands(chars, at + 1, "ますます") || ["くわだ", "へだ"].iter().any(|stem| stands_before(chars, at, stem))
}

/// 食べれる, never 見れば (a condition) and never a verb of another row.
fn dropped_ra(sight: &Sight, at: usize) -> Option<Edit> {
    let chars = sight.chars;
    let (length, ()) = RA.at(chars, at).next()?;
    let end = at + length;
    let next = chars.get(end + 1)?;
    let is_possible = chars[end..].first() == Some(&'れ') && "るたてなま".contains(*next);
    let is_inside = at > 0 && crate::minutes::passage::is_kanji(chars[at - 1]) && length == 1;
    (is_possible && !is_inside).then(|| Edit::new(end..end, "ら", Rule::DroppedRa))
}

fn double_honorific(sight: &Sight, at: usize) -> Option<Edit> {
    let (length, written) = HONORIFIC.at(sight.chars, at).next()?;
    Some(Edit::new(at..at + length, written, Rule::DoubleHonorific))
}
