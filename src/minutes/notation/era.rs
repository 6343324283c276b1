//! 和暦 and 西暦, where the era is certain.

use super::Years;
use super::number::{Number, digit, numbers};
use crate::minutes::passage::{Edit, stands, stands_before};
use crate::minutes::proposal::Rule;

/// Eras and the year before their first; the years in which an era changes are written only with a month.
const ERAS: [(&str, u32, u32); 3] = [("令和", 2018, 2020), ("平成", 1988, 1990), ("昭和", 1925, 1927)];

pub(super) fn find(chars: &[char], years: Years) -> Vec<Edit> {
    match years {
        Years::AsSaid => Vec::new(),
        Years::Wareki => numbers(chars).iter().filter_map(|number| wareki(chars, number)).collect(),
        Years::Seireki => (0..chars.len()).filter_map(|at| seireki(chars, at)).collect(),
    }
}

fn wareki(chars: &[char], number: &Number) -> Option<Edit> {
    let year: u32 = number.digits.parse().ok().filter(|_| number.end - number.start == 4)?;
    if !stands(chars, number.end, "年") || is_fixed(chars, number.start, number.end + 1) {
        return None;
    }
    let (name, zero) = era_of(year, month_behind(chars, number.end + 1))?;
    let count = year - zero;
    let told = if count == 1 { "元".to_owned() } else { count.to_string() };
    let start = if stands_before(chars, number.start, "西暦") { number.start - 2 } else { number.start };
    Some(Edit::new(start..number.end, format!("{name}{told}"), Rule::Era))
}

/// 2019 is 平成 until April and 令和 from May; without a month nobody knows.
fn era_of(year: u32, month: Option<u32>) -> Option<(&'static str, u32)> {
    if year == 2019 {
        return month.map(|month| if month >= 5 { ("令和", 2018) } else { ("平成", 1988) });
    }
    let ends = |name: &str| match name {
        "平成" => 2018,
        "昭和" => 1988,
        _ => 2099,
    };
    let era = ERAS.iter().find(|(name, _, first)| (*first..=ends(name)).contains(&year));
    era.map(|(name, zero, _)| (*name, *zero))
}

fn month_behind(chars: &[char], at: usize) -> Option<u32> {
    let text: String = chars.get(at..)?.iter().copied().map_while(digit).take(2).collect();
    let is_month = stands(chars, at + text.len(), "月");
    text.parse().ok().filter(|month| is_month && (1..=12).contains(month))
}

fn seireki(chars: &[char], at: usize) -> Option<Edit> {
    let (_, zero, _) = ERAS.iter().find(|(name, _, _)| stands(chars, at, name))?;
    let start = at + 2;
    let text: String = chars[start..].iter().copied().map_while(digit).take(3).collect();
    let is_first = chars.get(start) == Some(&'元');
    let end = start + if is_first { 1 } else { text.len() };
    let count: u32 = if is_first { 1 } else { text.parse().ok().filter(|count| (1..=64).contains(count))? };
    let is_year = stands(chars, end, "年") && !is_fixed(chars, at, end + 1);
    is_year.then(|| Edit::new(at..end, (zero + count).to_string(), Rule::Era))
}

/// Laws and documents are cited as they are; a year that gives both eras already stays.
fn is_fixed(chars: &[char], start: usize, end: usize) -> bool {
    const CITED: [&str; 7] = ["法律", "政令", "省令", "条例", "告示", "規則", "訓令"];
    let rest = &chars[end.min(chars.len())..];
    let follows =
        |word: &str| stands(rest, 0, word) || stands(rest, usize::from(rest.first() == Some(&'度')), word);
    let is_bracketed = follows("（") || follows("(") || (start > 0 && matches!(chars[start - 1], '（' | '('));
    is_bracketed || CITED.iter().any(|word| follows(word))
}
