//! Characters become bytes, and what does not fit is told.

use serde::Serialize;
use utoipa::ToSchema;

use super::Warning;
use super::options::Encoding;

/// Most places that a warning lists; the count goes on.
const MISFITS_LISTED_MAX: usize = 100;

/// Stands for a character that does not fit.
pub(super) const MISSING: char = '〓';

/// A character that an encoding or a font does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = UnfitCharacter)]
pub struct Misfit {
    /// The character.
    pub character: char,
    /// Its line in the file, from 1.
    pub line: usize,
    /// Its place in the line, from 1.
    pub column: usize,
}

/// Turns text into bytes; only CP932 can leave something out.
pub(super) fn encode(text: &str, encoding: Encoding) -> (Vec<u8>, Option<Warning>) {
    match encoding {
        Encoding::Utf8 => (text.as_bytes().to_vec(), None),
        Encoding::Utf8Bom => ([b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
        Encoding::Cp932 => cp932(text),
    }
}

/// Takes the near relatives that Windows has for characters it lacks.
///
/// Source: the differences between JIS X 0208 and Windows-31J. The yen sign and the overline are among them because the
/// encoder would write them as backslash and tilde without a word.
const fn fold(character: char) -> char {
    match character {
        '〜' => '～',
        '−' => '－',
        '—' => '―',
        '‖' => '∥',
        '¢' => '￠',
        '£' => '￡',
        '¬' => '￢',
        '¥' => '￥',
        '‾' => '￣',
        _ => character,
    }
}

fn cp932(text: &str) -> (Vec<u8>, Option<Warning>) {
    let mut fitting = String::with_capacity(text.len());
    let (mut misfits, mut count) = (Vec::new(), 0);
    let (mut line, mut column) = (1, 0);
    for character in text.chars() {
        column += 1;
        let folded = fold(character);
        if fits(folded) {
            fitting.push(folded);
        } else {
            fitting.push(MISSING);
            count += 1;
            if misfits.len() < MISFITS_LISTED_MAX {
                misfits.push(Misfit { character, line, column });
            }
        }
        if character == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode(&fitting);
    let warning = (count > 0).then_some(Warning::Unencodable { count, misfits });
    (bytes.into_owned(), warning)
}

fn fits(character: char) -> bool {
    if character.is_ascii() {
        return true;
    }
    let mut utf8 = [0; 4];
    // U+0080 has a byte in the standard's table and none in Windows.
    character != '\u{80}' && !encoding_rs::SHIFT_JIS.encode(character.encode_utf8(&mut utf8)).2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(bytes: &[u8]) -> String {
        encoding_rs::SHIFT_JIS.decode_without_bom_handling(bytes).0.into_owned()
    }

    #[test]
    fn near_relatives_are_taken_without_a_warning() {
        let (bytes, warning) = encode("〜−—‖ ①髙﨑㈱ ¥‾", Encoding::Cp932);
        assert_eq!(read_back(&bytes), "～－―∥ ①髙﨑㈱ ￥￣");
        assert_eq!(warning, None);
    }

    #[test]
    fn what_does_not_fit_is_replaced_and_listed() {
        let (bytes, warning) = encode("一行目\r\n𠮷田さん😀\u{80}", Encoding::Cp932);
        assert_eq!(read_back(&bytes), "一行目\r\n〓田さん〓〓");
        let Some(Warning::Unencodable { count: 3, misfits }) = warning else { panic!("{warning:?}") };
        assert_eq!(misfits[0], Misfit { character: '𠮷', line: 2, column: 1 });
        assert_eq!(misfits[1], Misfit { character: '😀', line: 2, column: 5 });
    }

    #[test]
    fn the_list_is_bounded_and_the_count_is_not() {
        let (_, warning) = encode(&"😀".repeat(1000), Encoding::Cp932);
        let Some(Warning::Unencodable { count: 1000, misfits }) = warning else { panic!("{warning:?}") };
        assert_eq!(misfits.len(), MISFITS_LISTED_MAX);
    }

    #[test]
    fn utf8_can_begin_with_a_mark() {
        assert_eq!(encode("あ", Encoding::Utf8Bom).0, "\u{feff}あ".as_bytes());
        assert_eq!(encode("あ", Encoding::Utf8).0, "あ".as_bytes());
    }
}
