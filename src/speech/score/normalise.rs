//! One spelling for one thing: the text that error rates compare. Never stored, never shown as the transcript.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::numerals;

/// A normalised character that knows where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedChar {
    /// The character, normalised.
    pub ch: char,
    /// Index of the character of the source (counted in `char`s) it came from.
    pub source: usize,
}

/// Fillers, longest first where one begins with another. えーっと is えーと as people also spell it.
///
/// Source: the list that the filler-free rate is defined by; see the room's header.
const FILLERS: [&[char]; 9] = [
    &['え', 'ー', 'っ', 'と'],
    &['え', 'ー', 'と'],
    &['え', 'ー'],
    &['え', 'っ', 'と'],
    &['え', 'え', 'と'],
    &['あ', 'の', 'ー'],
    &['う', 'ー', 'ん'],
    &['ん', 'ー'],
    &['ま', 'あ'],
];

/// What follows まあ when it is no filler but the end of one word and the start of another: さまあります, ままある.
const NO_FILLER_BEFORE: [char; 4] = ['り', 'る', 'れ', 'っ'];

/// Returns the text that the normalised rate compares.
///
/// Shape: NFKC, lower case, kanji and Arabic numerals unified, then letters and digits only.
/// Example: `「第三回」の ＵＳＢ、１,２００円！` becomes `第3回のusb1200円`.
pub fn normalise(text: &str) -> String {
    trace(text).iter().map(|c| c.ch).collect()
}

/// Returns the normalised characters with their origin.
///
/// Shape: origins never fall.
pub fn trace(text: &str) -> Vec<TracedChar> {
    let mut chars = numerals::unify(&compose(text));
    chars.retain(|c| c.ch.is_alphanumeric());
    chars
}

/// Returns normalised characters without fillers.
pub fn without_fillers(chars: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len());
    let mut rest = chars;
    while let Some((&first, behind)) = rest.split_first() {
        let length = filler_len(rest);
        if length == 0 {
            out.push(first);
            rest = behind;
        } else {
            rest = &rest[length..];
        }
    }
    out
}

/// Returns the length of the filler at the start, its drawn-out end (えーーー) included; 0 if there is none.
fn filler_len(text: &[char]) -> usize {
    let Some(filler) = FILLERS.iter().find(|filler| text.starts_with(filler)) else {
        return 0;
    };
    let rest = &text[filler.len()..];
    if *filler == ['ま', 'あ'] && rest.first().is_some_and(|next| NO_FILLER_BEFORE.contains(next)) {
        return 0;
    }
    filler.len() + rest.iter().take_while(|&&ch| ch == 'ー').count()
}

/// Brings each character and the marks that belong to it to NFKC and lower case.
fn compose(text: &str) -> Vec<TracedChar> {
    let source: Vec<char> = text.chars().collect();
    let mut out = Vec::with_capacity(source.len());
    let mut start = 0;
    while start < source.len() {
        let marks = source[start + 1..].iter().take_while(|&&ch| joins_the_one_before(ch)).count();
        let end = start + 1 + marks;
        let composed = source[start..end].iter().copied().nfkc().flat_map(char::to_lowercase);
        out.extend(composed.map(|ch| TracedChar { ch, source: start }));
        start = end;
    }
    out
}

/// Tells whether NFKC may melt a character into the one before: marks, half-width ﾞ and ﾟ, Korean vowels and finals.
fn joins_the_one_before(ch: char) -> bool {
    is_combining_mark(ch) || matches!(ch, '\u{FF9E}' | '\u{FF9F}' | '\u{1160}'..='\u{11FF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        normalised: String,
        filler_free: Option<String>,
    }

    fn cases() -> Vec<Case> {
        let json = include_str!("../../../tests/fixtures/score/normalise_cases.json");
        serde_json::from_str(json).expect("the fixture is a list of cases")
    }

    fn filler_free(text: &str) -> String {
        let chars: Vec<char> = normalise(text).chars().collect();
        without_fillers(&chars).into_iter().collect()
    }

    #[test]
    fn every_golden_case_is_normalised_as_written_down() {
        for case in cases() {
            assert_eq!(normalise(&case.text), case.normalised, "of {}", case.text);
        }
    }

    #[test]
    fn every_golden_case_with_fillers_loses_them() {
        for case in cases() {
            if let Some(expected) = case.filler_free {
                assert_eq!(filler_free(&case.text), expected, "of {}", case.text);
            }
        }
    }

    #[test]
    fn each_digit_points_into_the_number_it_came_from() {
        let traced = trace("約百二十八件");
        let sources: Vec<_> = traced.iter().map(|c| (c.ch, c.source)).collect();
        assert_eq!(sources, [('約', 0), ('1', 1), ('2', 2), ('8', 3), ('件', 5)]);
    }

    #[test]
    fn a_composed_character_points_to_its_base() {
        let traced = trace("ｶﾞ株");
        assert_eq!(traced, [TracedChar { ch: 'ガ', source: 0 }, TracedChar { ch: '株', source: 2 }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_normalised_without_panic_and_in_order(text in "\\PC{0,60}") {
            let traced = trace(&text);
            prop_assert!(traced.windows(2).all(|pair| pair[0].source <= pair[1].source));
            prop_assert!(traced.iter().all(|c| c.source < text.chars().count()));
        }

        #[test]
        fn a_number_reads_the_same_in_kanji_and_in_digits(value in 0_u64..1_000_000_000_000_000) {
            prop_assert_eq!(normalise(&in_kanji(value)), value.to_string());
        }
    }

    fn in_kanji(value: u64) -> String {
        if value == 0 {
            return "零".into();
        }
        let mut out = String::new();
        for (unit, name) in [(1_000_000_000_000, "兆"), (100_000_000, "億"), (10_000, "万"), (1, "")] {
            let section = value / unit % 10_000;
            if section > 0 {
                out.push_str(&section_in_kanji(section));
                out.push_str(name);
            }
        }
        out
    }

    fn section_in_kanji(section: u64) -> String {
        let digits = ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
        let mut out = String::new();
        for (unit, name) in [(1_000, "千"), (100, "百"), (10, "十"), (1, "")] {
            let digit = (section / unit % 10) as usize;
            if digit > 1 || (digit == 1 && unit == 1) {
                out.push(digits[digit]);
            }
            if digit > 0 {
                out.push_str(name);
            }
        }
        out
    }
}
