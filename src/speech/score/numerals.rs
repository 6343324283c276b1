//! Kanji and Arabic numerals, written as one: 百二十八, 128 and 1百28 all become 128.
//!
//! Works on NFKC text with its punctuation still in place: 二、三 must not be read as twenty-three.

use super::normalise::TracedChar;

/// Most digits that are computed with; a longer run keeps its digits as they are.
const DIGITS_MAX: usize = 15;

/// Where a unit ends a number: 万 multiplies what is below ten thousand.
const SECTION_END: u128 = 10_000;

/// Names and words whose first character is no number although it could be one.
const NO_NUMBER: [[char; 2]; 6] =
    [['千', '葉'], ['千', '代'], ['千', '歳'], ['千', '早'], ['百', '合'], ['百', '貨']];

/// Rewrites every number in Arabic digits without separators; a decimal point becomes 点, as it is spoken.
///
/// Range: units up to 兆; 京 is left alone because of 東京, and a unit 万 億 兆 without a number before it (万が一) stays.
/// A kanji numeral inside a word (一般) is rewritten too: both sides of a comparison are.
pub(super) fn unify(chars: &[TracedChar]) -> Vec<TracedChar> {
    let reader = Reader { text: chars.iter().map(|c| c.ch).collect() };
    let mut out = Vec::with_capacity(chars.len());
    let mut index = 0;
    while index < chars.len() {
        if let Some(number) = reader.number(index) {
            out.extend(traced(&number.digits, &chars[index..number.end]));
            index = number.end;
        } else {
            let ch = if reader.is_point(index) { '点' } else { chars[index].ch };
            out.push(TracedChar { ch, source: chars[index].source });
            index += 1;
        }
    }
    out
}

/// Spreads the digits over the characters they were written with.
fn traced(digits: &str, from: &[TracedChar]) -> Vec<TracedChar> {
    let count = digits.len();
    digits
        .chars()
        .enumerate()
        .map(|(k, ch)| TracedChar { ch, source: from[k * from.len() / count].source })
        .collect()
}

fn kanji_digit(ch: char) -> Option<char> {
    let value = match ch {
        '〇' | '零' => '0',
        '一' => '1',
        '二' => '2',
        '三' => '3',
        '四' => '4',
        '五' => '5',
        '六' => '6',
        '七' => '7',
        '八' => '8',
        '九' => '9',
        _ => return None,
    };
    Some(value)
}

fn is_digit(ch: char) -> bool {
    ch.is_ascii_digit() || kanji_digit(ch).is_some()
}

fn small_unit(ch: char) -> Option<u128> {
    match ch {
        '十' => Some(10),
        '百' => Some(100),
        '千' => Some(1_000),
        _ => None,
    }
}

fn big_unit(ch: char) -> Option<u128> {
    match ch {
        '万' => Some(SECTION_END),
        '億' => Some(100_000_000),
        '兆' => Some(1_000_000_000_000),
        _ => None,
    }
}

/// A number as it will be written, and the index behind it.
struct Number {
    digits: String,
    end: usize,
}

/// Digits in a row: what stands before or between units.
struct Digits {
    text: String,
    /// How many of the digits stand behind a decimal point.
    decimals: u32,
    end: usize,
}

impl Digits {
    fn value(&self) -> Option<u128> {
        if self.text.len() > DIGITS_MAX { None } else { self.text.parse().ok() }
    }

    /// Multiplies with a unit, if that gives a whole number.
    fn times(&self, unit: u128) -> Option<u128> {
        let divisor = 10_u128.checked_pow(self.decimals)?;
        let product = self.value()? * unit;
        product.is_multiple_of(divisor).then(|| product / divisor)
    }
}

/// What stands before 万, 億 or 兆, or at the end of a number.
struct Section {
    value: u128,
    /// The digits as written, if no unit stands among them: 007 stays 007.
    plain: Option<String>,
    end: usize,
}

struct Reader {
    text: Vec<char>,
}

impl Reader {
    fn at(&self, index: usize) -> Option<char> {
        self.text.get(index).copied()
    }

    /// Reads the longest number that starts here.
    fn number(&self, start: usize) -> Option<Number> {
        if NO_NUMBER.iter().any(|word| self.text[start..].starts_with(word)) {
            return None;
        }
        let (mut total, mut end, mut unit_before) = (0, start, u128::MAX);
        while let Some((value, after, unit)) = self.big_part(end, unit_before) {
            (total, end, unit_before) = (total + value, after, unit);
        }
        let has_units = end > start;
        match self.section(end) {
            None if !has_units => self.long_digits(start),
            Some(Section { plain: Some(digits), end, .. }) if !has_units => Some(Number { digits, end }),
            Some(tail) if tail.value < unit_before && !self.is_big_unit(tail.end, has_units) => {
                Some(Number { digits: (total + tail.value).to_string(), end: tail.end })
            }
            Some(_) | None => Some(Number { digits: total.to_string(), end }),
        }
    }

    /// Tells whether the section behind 万 belongs to the next number: 三万二億 are two.
    fn is_big_unit(&self, index: usize, has_units: bool) -> bool {
        has_units && self.at(index).and_then(big_unit).is_some()
    }

    /// Reads a section with its 万, 億 or 兆, which must be smaller than the one before.
    fn big_part(&self, start: usize, unit_before: u128) -> Option<(u128, usize, u128)> {
        if let Some(digits) = self.decimal(start)
            && let Some(unit) = self.at(digits.end).and_then(big_unit).filter(|&unit| unit < unit_before)
            && let Some(value) = digits.times(unit)
        {
            return Some((value, digits.end + 1, unit));
        }
        let section = self.section(start)?;
        let unit = self.at(section.end).and_then(big_unit).filter(|&unit| unit < unit_before)?;
        Some((section.value * unit, section.end + 1, unit))
    }

    /// Reads thousands, hundreds, tens and ones, each smaller than the one before.
    fn section(&self, start: usize) -> Option<Section> {
        let (mut value, mut end, mut unit_before) = (0, start, SECTION_END);
        while let Some((part, after, unit)) = self.small_part(end, unit_before) {
            (value, end, unit_before) = (value + part, after, unit);
        }
        let has_units = end > start;
        match self.ones(end, has_units) {
            Some((_, digits)) if !has_units => {
                Some(Section { value: digits.value()?, end: digits.end, plain: Some(digits.text) })
            }
            Some((ones, digits))
                if ones < unit_before && self.at(digits.end).and_then(small_unit).is_none() =>
            {
                Some(Section { value: value + ones, plain: None, end: digits.end })
            }
            Some(_) | None => has_units.then_some(Section { value, plain: None, end }),
        }
    }

    /// Reads 三百, 3百, 1.5千 or a bare 百.
    fn small_part(&self, start: usize, unit_before: u128) -> Option<(u128, usize, u128)> {
        let fitting = |index| self.at(index).and_then(small_unit).filter(|&unit| unit < unit_before);
        if let Some(unit) = fitting(start) {
            return Some((unit, start + 1, unit));
        }
        for digits in [self.decimal(start), self.digits(start)].into_iter().flatten() {
            // 二三百 means two or three hundred: of several kanji digits only the last would belong to the unit.
            let is_one_number =
                digits.end - start == 1 || self.at(start).is_some_and(|ch| ch.is_ascii_digit());
            if is_one_number && let Some(unit) = fitting(digits.end) {
                return Some((digits.times(unit)?, digits.end + 1, unit));
            }
        }
        None
    }

    /// Reads digits that no small unit follows; of several kanji digits behind a unit only the first (二十二三人).
    fn ones(&self, start: usize, after_unit: bool) -> Option<(u128, Digits)> {
        let mut digits = self.digits(start)?;
        let is_kanji = self.at(start).and_then(kanji_digit).is_some();
        let unit_follows = self.at(digits.end).and_then(small_unit).is_some();
        if is_kanji && digits.text.len() > 1 && (after_unit || unit_follows) {
            digits.text.truncate(1);
            digits.end = start + 1;
        }
        Some((digits.value()?, digits))
    }

    /// Reads a run of digits too long to compute with.
    fn long_digits(&self, start: usize) -> Option<Number> {
        self.digits(start).map(|digits| Number { digits: digits.text, end: digits.end })
    }

    /// Reads digits of one kind: Arabic with commas before each three, or kanji by position (二〇二六).
    fn digits(&self, start: usize) -> Option<Digits> {
        if !self.at(start)?.is_ascii_digit() {
            let text: String = self.text[start..].iter().map_while(|&ch| kanji_digit(ch)).collect();
            let end = start + text.len();
            return (!text.is_empty()).then_some(Digits { text, decimals: 0, end });
        }
        let mut text: String = self.text[start..].iter().take_while(|ch| ch.is_ascii_digit()).collect();
        let mut end = start + text.len();
        if text.len() <= 3 {
            while self.is_group_of_three(end) {
                text.extend(&self.text[end + 1..end + 4]);
                end += 4;
            }
        }
        Some(Digits { text, decimals: 0, end })
    }

    fn is_group_of_three(&self, comma: usize) -> bool {
        let is_arabic = |index| self.at(index).is_some_and(|ch| ch.is_ascii_digit());
        self.at(comma) == Some(',') && (1..=3).all(|k| is_arabic(comma + k)) && !is_arabic(comma + 4)
    }

    /// Reads digits, a decimal point and digits.
    fn decimal(&self, start: usize) -> Option<Digits> {
        let whole = self.digits(start)?;
        if !self.is_point(whole.end) && self.at(whole.end) != Some('点') {
            return None;
        }
        let part = self.digits(whole.end + 1)?;
        let decimals = u32::try_from(part.text.len()).ok()?;
        Some(Digits { text: whole.text + &part.text, decimals, end: part.end })
    }

    /// Tells a decimal point from a full stop, a date (2026.11.22) and a list (一・二・三).
    fn is_point(&self, index: usize) -> bool {
        let is_mark = |ch: char| ch == '.' || ch == '・';
        let digits_after = self.text[index.saturating_add(1).min(self.text.len())..].iter();
        let after = digits_after.take_while(|&&ch| is_digit(ch)).count();
        let before =
            self.text[..index.min(self.text.len())].iter().rev().take_while(|&&ch| is_digit(ch)).count();
        let has_unit_before = index > 0 && self.at(index - 1).and_then(small_unit).is_some();
        let mark_before = index > before && self.at(index - before - 1).is_some_and(is_mark);
        let mark_after = self.at(index + after + 1).is_some_and(is_mark)
            && self.at(index + after + 2).is_some_and(is_digit);
        self.at(index).is_some_and(is_mark)
            && after > 0
            && (before > 0 || has_unit_before)
            && !(mark_before && before > 0)
            && !mark_after
    }
}
