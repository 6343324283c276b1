//! 漢数字 to digits, where value and counter are certain.

use super::number::with_units;
use crate::minutes::passage::{Edit, is_kanji, stands, stands_before};
use crate::minutes::proposal::Rule;

const NUMERALS: &str = "〇一二三四五六七八九十百千万億兆";

/// Counters that are certain behind any number of two or more.
const COUNTERS: [&str; 33] = [
    "円",
    "人",
    "名",
    "件",
    "回",
    "台",
    "冊",
    "枚",
    "個",
    "票",
    "歳",
    "世帯",
    "戸",
    "か所",
    "ヶ所",
    "カ所",
    "ケ所",
    "ヵ所",
    "箇所",
    "か月",
    "ヶ月",
    "カ月",
    "ケ月",
    "ヵ月",
    "箇月",
    "パーセント",
    "％",
    "年度",
    "時間",
    "分間",
    "日間",
    "週間",
    "年間",
];
/// Counters that are certain behind 一 too.
const SINGLE: [&str; 20] = [
    "名", "件", "台", "冊", "枚", "個", "票", "か所", "ヶ所", "カ所", "箇所", "か月", "ヶ月", "カ月", "年間",
    "日間", "時間", "週間", "億円", "万円",
];
/// Words that keep their numerals although they look like amounts (公用文作成の考え方).
const KEPT: [&str; 20] = [
    "二人三脚",
    "百人一首",
    "一人一人",
    "一人ひとり",
    "千人針",
    "一件落着",
    "三人寄",
    "四日市",
    "八日市",
    "五日市",
    "六日町",
    "三日坊主",
    "三日月",
    "十日町",
    "八百屋",
    "二日酔",
    "一日も",
    "三日三晩",
    "二十日",
    "一回り",
];

/// Finds numbers that can be written with digits.
///
/// 第二十三条, 数十人, 二十余人, 四、五人, 一部分 and names stay: they are no figures, or quoted ones.
pub(super) fn find(chars: &[char]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|ch| NUMERALS.contains(**ch)).count();
        if length > 0 {
            let text = &chars[at..at + length];
            if let Some(value) = value(text).filter(|value| is_certain(chars, at, length, *value)) {
                let is_year = text.contains(&'〇') && length == 4;
                let after = if is_year { value.to_string() } else { with_units(value) };
                edits.push(Edit::new(at..at + length, after, Rule::KanjiNumeral));
            }
        }
        at += length.max(1);
    }
    edits
}

fn is_certain(chars: &[char], at: usize, length: usize, value: u64) -> bool {
    let end = at + length;
    let before = at.checked_sub(1).map(|place| chars[place]);
    let follows = |words: &[&str]| words.iter().any(|word| stands(chars, end, word));
    let is_vague = before.is_some_and(|ch| "数何幾約半".contains(ch) && ch != '約')
        || follows(&["数", "余", "何"])
        || is_one_of_several(chars, at, end);
    let is_only_a_unit = length == 1 && "百千万億兆".contains(chars[at]);
    if is_vague || is_only_a_unit || KEPT.iter().any(|word| stands(chars, at, word)) {
        return false;
    }
    if before == Some('第') {
        return stands(chars, end, "回");
    }
    if stands_before(chars, at, "令和")
        || stands_before(chars, at, "平成")
        || stands_before(chars, at, "昭和")
    {
        return stands(chars, end, "年");
    }
    if before.is_some_and(|ch| is_kanji(ch) && !"約計各全月年日時分後前各毎の".contains(ch)) {
        return false;
    }
    is_date_or_time(chars, at, end, value)
        || (value == 1 && follows(&SINGLE))
        || (value >= 2
            && follows(&COUNTERS)
            && !(value == 2 && follows(&["人"]))
            && !follows(&["人前", "円卓", "人称"]))
        || (length == 4 && chars[at..end].contains(&'〇') && follows(&["年"]))
}

/// 四、五人 and 二、三日 are about so many.
fn is_one_of_several(chars: &[char], at: usize, end: usize) -> bool {
    let is_numeral = |place: Option<usize>| {
        place.and_then(|place| chars.get(place)).is_some_and(|ch| NUMERALS.contains(*ch))
    };
    let is_comma = |place: Option<usize>| {
        place.and_then(|place| chars.get(place)).is_some_and(|ch| "、，・".contains(*ch))
    };
    (is_comma(at.checked_sub(1)) && is_numeral(at.checked_sub(2)))
        || (is_comma(Some(end)) && is_numeral(Some(end + 1)))
}

/// 三月十五日, 午後一時三十分; 十分 and 一時 alone are other words.
fn is_date_or_time(chars: &[char], at: usize, end: usize, value: u64) -> bool {
    let before = |words: &[&str]| words.iter().any(|word| stands_before(chars, at, word));
    let is_number_at = |place: usize| {
        chars.get(place).is_some_and(|ch| NUMERALS.contains(*ch) || super::number::digit(*ch).is_some())
    };
    match chars.get(end) {
        Some('月') => {
            (1..=12).contains(&value)
                && !["月議会", "月定例"].iter().any(|word| value == 1 && stands(chars, end, word))
                && (value >= 2 || is_number_at(end + 1) || before(&["年"]))
        }
        Some('日') => (1..=31).contains(&value) && before(&["月"]),
        Some('時') => {
            value <= 24
                && (before(&["午前", "午後"])
                    || (is_number_at(end + 1) && value >= 1)
                    || stands(chars, end, "時半"))
        }
        Some('分') => value <= 59 && before(&["時"]),
        Some('秒') => value <= 59 && before(&["分"]),
        _ => false,
    }
}

/// Reads a number; `None` for what is none, as 三二 or 十十.
fn value(text: &[char]) -> Option<u64> {
    if text.contains(&'〇') {
        let is_year = text.len() == 4 && text[0] != '〇' && text.iter().all(|ch| ones(*ch).is_some());
        return is_year.then(|| text.iter().filter_map(|ch| ones(*ch)).fold(0, |sum, one| sum * 10 + one));
    }
    let (mut total, mut part, mut one) = (0_u64, 0_u64, None);
    let (mut last_small, mut last_large) = (u64::MAX, u64::MAX);
    for ch in text {
        if let Some(digit) = ones(*ch) {
            if one.replace(digit).is_some() {
                return None;
            }
            continue;
        }
        let size = unit(*ch)?;
        if size < 10_000 {
            if size >= last_small {
                return None;
            }
            part += one.take().unwrap_or(1) * size;
            last_small = size;
        } else {
            part += one.take().unwrap_or(0);
            if size >= last_large || part == 0 {
                return None;
            }
            total = total.checked_add(part.checked_mul(size)?)?;
            (part, last_small, last_large) = (0, u64::MAX, size);
        }
    }
    total.checked_add(part + one.unwrap_or(0))
}

fn ones(ch: char) -> Option<u64> {
    "〇一二三四五六七八九".chars().position(|numeral| numeral == ch).map(|at| at as u64)
}

fn unit(ch: char) -> Option<u64> {
    match ch {
        '十' => Some(10),
        '百' => Some(100),
        '千' => Some(1_000),
        '万' => Some(10_000),
        '億' => Some(100_000_000),
        '兆' => Some(1_000_000_000_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_none_is_refused() {
        let read = |text: &str| value(&text.chars().collect::<Vec<char>>());
        for (text, expected) in [
            ("三百二十", Some(320)),
            ("一億二千万", Some(120_000_000)),
            ("二〇二六", Some(2026)),
            ("十", Some(10)),
            ("千五", Some(1005)),
            ("二三", None),
            ("十十", None),
            ("万", None),
            ("十百", None),
            ("〇一", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
