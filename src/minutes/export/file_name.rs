//! The name under which a file arrives on somebody's desktop.

use super::dates;
use super::options::Options;
use crate::minutes::{HeaderField, Minutes};

/// Most characters of a file's name with its ending.
///
/// Source: MINUTES.md section 12; it leaves room below the 260 characters of a Windows path.
const NAME_CHARACTERS_MAX: usize = 100;

/// Names that Windows keeps for devices, whatever follows the dot.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Returns `会議名_YYYYMMDD_版.ext`.
///
/// Range: at most 100 characters, none of which Windows forbids.
pub(super) fn file_name(minutes: &Minutes, options: &Options) -> String {
    let field = |field| minutes.header.get(&field).map_or("", String::as_str);
    let date = dates::digits(field(HeaderField::HeldOn));
    let edition = allowed(options.edition());
    let mut end = String::new();
    for part in [date, edition] {
        if !part.is_empty() {
            end.push('_');
            end.push_str(&part);
        }
    }
    end.push('.');
    end.push_str(options.format.extension());
    let room = NAME_CHARACTERS_MAX - end.chars().count();
    let title: String = allowed(field(HeaderField::Title)).chars().take(room).collect();
    let title = match title.trim_end() {
        "" => "議事録",
        title => title,
    };
    format!("{title}{end}")
}

/// Replaces what Windows forbids in a name, and what would change the name unseen.
fn allowed(text: &str) -> String {
    let replaced = text.trim().chars().map(|character| match character {
        '\\' => '￥',
        '/' => '／',
        ':' => '：',
        '*' => '＊',
        '?' => '？',
        '"' => '”',
        '<' => '＜',
        '>' => '＞',
        '|' => '｜',
        _ if character.is_control() || is_unseen(character) => '_',
        _ => character,
    });
    let name: String = replaced.collect();
    let name = name.trim_start_matches('.').trim_end_matches(['.', ' ']);
    let stem = name.split('.').next().unwrap_or("").trim_end().to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|number| number.chars().count() == 1 && number != "0")
    });
    if numbered || DEVICES.contains(&stem.as_str()) { format!("＿{name}") } else { name.to_owned() }
}

/// Returns whether a character is not seen but changes what is: marks of direction, joiners and the byte order mark.
pub(super) fn is_unseen(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minutes::export::options::Format;

    fn named(title: &str, date: &str, edition: &str) -> String {
        let mut minutes = Minutes::default();
        minutes.header.insert(HeaderField::Title, title.to_owned());
        minutes.header.insert(HeaderField::HeldOn, date.to_owned());
        let edition = edition.to_owned();
        file_name(&minutes, &Options { format: Format::Txt, edition, ..Options::default() })
    }

    #[test]
    fn a_name_tells_meeting_day_and_edition() {
        let cases = [
            (("総務委員会", "2026-11-22", ""), "総務委員会_20261122_原本.txt"),
            (("総務委員会", "", "第2版"), "総務委員会_第2版.txt"),
            (("", "2026-11-22", ""), "議事録_20261122_原本.txt"),
            (("第1回 A/B:C*?\"<>|\\会", "", "x"), "第1回 A／B：C＊？”＜＞｜￥会_x.txt"),
            (("../../etc/passwd", "", "x"), "／..／etc／passwd_x.txt"),
            (("con", "", "x"), "＿con_x.txt"),
            (("COM1.会議", "", "x"), "＿COM1.会議_x.txt"),
            (("company", "", "x"), "company_x.txt"),
            (("会議\u{202e}\n名. ", "", "x"), "会議__名_x.txt"),
        ];
        for ((title, date, edition), name) in cases {
            assert_eq!(named(title, date, edition), name);
        }
    }

    #[test]
    fn a_long_title_keeps_the_end_of_the_name() {
        let name = named(&"会".repeat(300), "2026-11-22", "");
        assert_eq!(name.chars().count(), 100);
        assert!(name.ends_with("会_20261122_原本.txt"));
    }
}
