//! Numbers written with digits: width, commas, large units, か所 and か月.

use super::Digits;
use crate::minutes::passage::{Edit, is_kanji, stands};
use crate::minutes::proposal::Rule;

/// What certainly counts something: only before these a figure is an amount, no code and no year.
const AMOUNTS: [&str; 44] = [
    "円",
    "人",
    "名",
    "件",
    "万",
    "億",
    "兆",
    "トン",
    "平方",
    "立方",
    "世帯",
    "戸",
    "台",
    "部",
    "冊",
    "枚",
    "本",
    "個",
    "か所",
    "カ所",
    "ヶ所",
    "ケ所",
    "箇所",
    "回",
    "票",
    "点",
    "時間",
    "社",
    "校",
    "ヘクタール",
    "キロ",
    "メートル",
    "ｋｍ",
    "km",
    "㎡",
    "％",
    "パーセント",
    "リットル",
    "ドル",
    "隻",
    "頭",
    "羽",
    "匹",
    "食",
];

/// A run of digits, commas and a decimal point included.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The digits before the point, as `3500`.
    pub(super) digits: String,
    has_comma: bool,
    has_point: bool,
}

pub(super) fn digit(ch: char) -> Option<char> {
    match ch {
        '0'..='9' => Some(ch),
        '０'..='９' => char::from_digit(u32::from(ch) - u32::from('０'), 10),
        _ => None,
    }
}

/// Lists the numbers of a text.
pub(super) fn numbers(chars: &[char]) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if digit(chars[at]).is_some() {
            let number = read(chars, at);
            at = number.end;
            found.push(number);
        } else {
            at += 1;
        }
    }
    found
}

fn read(chars: &[char], start: usize) -> Number {
    let mut number = Number { start, end: start, digits: String::new(), has_comma: false, has_point: false };
    let run = |from: usize| chars[from..].iter().take_while(|ch| digit(**ch).is_some()).count();
    let mut end = start + run(start);
    number.digits.extend(chars[start..end].iter().copied().filter_map(digit));
    while end - start <= 24
        && chars.get(end).is_some_and(|ch| matches!(ch, ',' | '，'))
        && run(end + 1) == 3
        && number.digits.len() <= 15
    {
        number.has_comma = true;
        number.digits.extend(chars[end + 1..end + 4].iter().copied().filter_map(digit));
        end += 4;
    }
    if chars.get(end).is_some_and(|ch| matches!(ch, '.' | '．')) && end + 1 < chars.len() && run(end + 1) > 0
    {
        number.has_point = true;
        end += 1 + run(end + 1);
    }
    number.end = end;
    number
}

/// Tells a telephone number, a product, a document's number or a time from an amount.
fn is_code(chars: &[char], number: &Number) -> bool {
    let before = number.start.checked_sub(1).map(|at| chars[at]);
    let after = chars.get(number.end).copied();
    let is_joint = |ch: char| "-‐‑–—−－ー:：/／.．@_＃#".contains(ch);
    let is_digit_at =
        |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|ch| digit(*ch).is_some());
    let is_latin = |ch: char| ch.is_ascii_alphabetic() || ('Ａ'..='ｚ').contains(&ch);
    let is_capital = |ch: char| ch.is_ascii_uppercase() || ('Ａ'..='Ｚ').contains(&ch);
    before.is_some_and(is_latin)
        || after.is_some_and(is_capital)
        || (before.is_some_and(is_joint) && is_digit_at(number.start.checked_sub(2)))
        || (after.is_some_and(is_joint) && is_digit_at(Some(number.end + 1)))
        || (before == Some('第') && after == Some('号'))
        || matches!(before, Some('（' | '(')) && matches!(after, Some('）' | ')'))
}

fn counts(chars: &[char], at: usize) -> bool {
    AMOUNTS.iter().any(|amount| stands(chars, at, amount))
        && !stands(chars, at, "部屋")
        && !stands(chars, at, "回線")
}

/// 1234567 → 1,234,567 before a counter; never years, codes or article numbers.
pub(super) fn thousands(chars: &[char]) -> Vec<Edit> {
    let is_plain = |number: &Number| {
        !number.has_comma
            && !number.has_point
            && number.digits.len() >= 4
            && !number.digits.starts_with('0')
            && number.start.checked_sub(1).is_none_or(|at| chars[at] != '第')
            && counts(chars, number.end)
            && !is_code(chars, number)
    };
    let commas = |number: Number| {
        Edit::new(number.start..number.end, with_commas(&number.digits), Rule::ThousandsComma)
    };
    numbers(chars).into_iter().filter(is_plain).map(commas).collect()
}

pub(super) fn with_commas(digits: &str) -> String {
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, ch) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(ch);
    }
    text
}

/// 340000000円 → 3億4,000万円: only whole ten thousands, so that no figure is lost.
pub(super) fn large_units(chars: &[char]) -> Vec<Edit> {
    let rewritten = |number: Number| {
        let is_amount = counts(chars, number.end)
            && !["万", "億", "兆"].iter().any(|unit| stands(chars, number.end, unit))
            && !is_code(chars, &number);
        let value: u64 = number.digits.parse().ok()?;
        let is_whole =
            value > 0 && value.is_multiple_of(10_000) && !number.has_point && !number.digits.starts_with('0');
        (is_amount && is_whole)
            .then(|| Edit::new(number.start..number.end, with_units(value), Rule::LargeUnit))
    };
    numbers(chars).into_iter().filter_map(rewritten).collect()
}

/// Writes a number with 兆, 億 and 万, each part with its commas.
pub(super) fn with_units(value: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1_000_000_000_000, "兆"), (100_000_000, "億"), (10_000, "万"), (1, "")];
    let mut text = String::new();
    let mut rest = value;
    for (size, unit) in UNITS {
        let part = rest / size;
        rest %= size;
        if part > 0 {
            text.push_str(&with_commas(&part.to_string()));
            text.push_str(unit);
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// 3ヶ所 → 3か所, 6カ月 → 6か月; 何ヶ所 → 何箇所. Names such as 関ヶ原 have no digit before.
pub(super) fn counters(chars: &[char]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for at in 1..chars.len().saturating_sub(1) {
        let is_small_ka = matches!(chars[at], 'ヶ' | 'ヵ' | 'カ' | 'ケ' | '箇' | '個' | 'か');
        let is_counted = match chars[at + 1] {
            '所' => true,
            '月' | '国' | '年' => chars[at] != '個',
            _ => false,
        };
        if !is_small_ka || !is_counted {
            continue;
        }
        let written = match chars[at - 1] {
            ch if digit(ch).is_some() => 'か',
            '何' | '数' if at < 2 || !is_kanji(chars[at - 2]) => '箇',
            _ => continue,
        };
        if chars[at] != written {
            edits.push(Edit::new(at..at + 1, written, Rule::Counter));
        }
    }
    edits
}

/// One width for digits; a number with a point or a comma is narrow unless all are wide.
pub(super) fn widths(chars: &[char], digits: Digits) -> Vec<Edit> {
    let mut edits = Vec::new();
    for number in numbers(chars).iter().filter(|number| !is_code(chars, number)) {
        let is_wide = match digits {
            Digits::OneWide => number.end - number.start == 1,
            Digits::Narrow => false,
            Digits::Wide => true,
        };
        let now = &chars[number.start..number.end];
        let after: String = now.iter().map(|ch| if is_wide { wide(*ch) } else { narrow(*ch) }).collect();
        if !now.iter().copied().eq(after.chars()) {
            edits.push(Edit::new(number.start..number.end, after, Rule::DigitWidth));
        }
    }
    edits
}

fn wide(ch: char) -> char {
    match ch {
        '0'..='9' | ',' | '.' => char::from_u32(u32::from(ch) + 0xfee0).unwrap_or(ch),
        _ => ch,
    }
}

fn narrow(ch: char) -> char {
    match ch {
        '，' => ',',
        '．' => '.',
        _ => digit(ch).unwrap_or(ch),
    }
}
