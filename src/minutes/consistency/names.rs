//! Names written with different forms of one character, and names of speakers.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization as _;

use super::{FINDINGS_MAX, Finding, FindingKind, PLACES_MAX, Place, Text};
use crate::minutes::passage::is_kanji;
use crate::minutes::{HeaderField, Minutes};

/// Forms of one character that names are written with; the first stands for the group.
const VARIANTS: [&str; 34] = [
    "斉齊斎齋",
    "辺邊邉",
    "高髙",
    "崎﨑嵜",
    "島嶋嶌",
    "沢澤",
    "浜濱濵",
    "国國",
    "広廣",
    "桜櫻",
    "富冨",
    "吉𠮷",
    "滝瀧",
    "竜龍",
    "栄榮",
    "関關",
    "実實",
    "真眞",
    "万萬",
    "礼禮",
    "寿壽",
    "徳德",
    "豊豐",
    "沖冲",
    "条條",
    "黒黑",
    "郎郞",
    "槙槇",
    "峰峯",
    "遥遙",
    "恵惠",
    "静靜",
    "曽曾",
    "館舘",
];

/// Returns the character that stands for a group of forms.
fn folded(ch: char, groups: &HashMap<char, char>) -> char {
    groups.get(&ch).copied().unwrap_or(ch)
}

fn groups() -> HashMap<char, char> {
    let all = VARIANTS.iter();
    all.flat_map(|group| {
        let first = group.chars().next();
        group.chars().filter_map(move |ch| first.map(|first| (ch, first)))
    })
    .collect()
}

/// Finds pairs of characters that are written in two forms: 斉藤 and 齋藤, 渡辺 and 渡邉.
pub(super) fn variants(texts: &[Text], minutes: &Minutes, words: &[&str]) -> Vec<Finding> {
    let groups = groups();
    let mut by_pair: BTreeMap<[char; 2], BTreeMap<String, Vec<Place>>> = BTreeMap::new();
    for text in texts {
        for at in 1..text.chars.len() {
            let pair = [text.chars[at - 1], text.chars[at]];
            let has_forms = pair.iter().any(|ch| groups.contains_key(ch));
            if has_forms && pair.iter().all(|ch| is_kanji(*ch)) {
                let key = pair.map(|ch| folded(ch, &groups));
                let place = text.place(at - 1, at + 1);
                by_pair.entry(key).or_default().entry(place.text.clone()).or_default().push(place);
            }
        }
    }
    let known = known_names(minutes, words);
    let mixed = by_pair.into_values().filter(|forms| forms.len() > 1);
    mixed.take(FINDINGS_MAX).map(|forms| finding(forms, &known)).collect()
}

/// Names that somebody wrote with care: attendees, speakers, the dictionary.
fn known_names(minutes: &Minutes, words: &[&str]) -> String {
    let speakers = minutes.speakers.iter().map(|speaker| speaker.name.as_str());
    let lists = [HeaderField::Present, HeaderField::Absent, HeaderField::Staff];
    let header = lists.iter().filter_map(|field| minutes.header.get(field)).map(String::as_str);
    let mut all = String::new();
    for name in speakers.chain(header).chain(words.iter().copied()) {
        all.push_str(name);
        all.push('\n');
    }
    all
}

fn finding(forms: BTreeMap<String, Vec<Place>>, known: &str) -> Finding {
    let told: Vec<String> =
        forms.iter().map(|(form, places)| format!("「{form}」{} 件", places.len())).collect();
    let registered = forms.keys().find(|form| known.contains(form.as_str()));
    let commonest = forms.iter().max_by_key(|(_, places)| places.len()).map(|(form, _)| form);
    let suggestion = registered.or(commonest).cloned().unwrap_or_default();
    let others = forms.into_iter().filter(|(form, _)| *form != suggestion);
    Finding {
        kind: FindingKind::VariantCharacter,
        message: format!(
            "字体の異なる表記があります（{}）。同じ方かどうか確認してください。",
            told.join("、")
        ),
        places: others.flat_map(|(_, places)| places).take(PLACES_MAX).collect(),
        suggestion,
    }
}

/// Returns what stays of a person's name without blanks, titles of the width of letters and forms of characters: two
/// names with the same are believed to be one person's.
pub fn name_key(name: &str) -> String {
    let groups = groups();
    name.nfkc().filter(|ch| !ch.is_whitespace()).map(|ch| folded(ch, &groups)).collect()
}

/// Finds speakers whose names differ only in blanks or forms of characters, speakers without a name, and names that
/// only the voice speaks for.
pub(super) fn speakers(minutes: &Minutes) -> Vec<Finding> {
    let mut by_key: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for speaker in &minutes.speakers {
        by_key.entry(name_key(&speaker.name)).or_default().push(&speaker.name);
    }
    let told = |message: String, suggestion: &str| Finding {
        kind: FindingKind::SpeakerName,
        message,
        suggestion: suggestion.to_owned(),
        places: Vec::new(),
    };
    let doubled = by_key
        .values()
        .filter(|names| names.len() > 1)
        .map(|names| told(format!("同じ方と思われる話者があります（{}）。", names.join("、")), names[0]));
    let is_unnamed = |name: &str| {
        name.is_empty() || name.strip_prefix("話者").is_some_and(|rest| rest.chars().all(char::is_numeric))
    };
    let unnamed = minutes.speakers.iter().filter(|speaker| is_unnamed(&speaker.name));
    let unnamed = unnamed.map(|speaker| told(format!("「{}」の氏名が入っていません。", speaker.name), ""));
    let suggested = minutes.speakers.iter().filter(|speaker| !speaker.named_by.is_hand());
    let suggested = suggested
        .map(|speaker| told(format!("「{}」は声から推定した氏名です。確認してください。", speaker.name), ""));
    doubled.chain(unnamed).chain(suggested).take(FINDINGS_MAX).collect()
}
