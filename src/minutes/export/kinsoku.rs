//! Where a line may end: never before 、 or a closing mark, never after an opening one.

use std::ops::Range;

/// Marks that may hang over the end of a line rather than begin the next.
///
/// Source: JIS X 4051, hanging of full stops and commas.
const HANGING: &str = "、。，．";

/// The room that lines have, in the units of the widths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// The first line's.
    pub(super) first: f32,
    /// Every further line's.
    pub(super) rest: f32,
}

/// Returns where a line may end inside a text.
///
/// Units: bytes from the beginning; neither the beginning nor the end is among them.
/// Source: Unicode annex 14, whose default treats small kana and the long-vowel mark strictly.
pub(super) fn breaks(text: &str) -> impl Iterator<Item = usize> + '_ {
    unicode_linebreak::linebreaks(text).map(|(at, _)| at).filter(|at| *at < text.len())
}

/// Divides a text into lines, given by where they stand in it.
///
/// Shape: at least one line; a word longer than a line is cut where it must be. Spaces at the end of lines are left out.
pub(super) fn wrap(text: &str, room: Room, width: impl Fn(char) -> f32) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    let line = |begin: usize, end: usize| begin..begin + text[begin..end].trim_end().len();
    let mut allowed = breaks(text).peekable();
    let (mut begin, mut used, mut cut) = (0, 0.0, None);
    for (at, character) in text.char_indices() {
        if allowed.next_if_eq(&at).is_some() {
            cut = Some(at);
        }
        let wide = width(character);
        let room_of = |lines: &Vec<Range<usize>>| if lines.is_empty() { room.first } else { room.rest };
        let hangs = HANGING.contains(character) && used <= room_of(&lines);
        while at > begin && used + wide > room_of(&lines) + 0.01 && !hangs && !character.is_whitespace() {
            let end = cut.take().unwrap_or(at);
            lines.push(line(begin, end));
            begin = end;
            used = text[begin..at].chars().map(&width).sum();
        }
        used += wide;
    }
    lines.push(line(begin, text.len()));
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn width(character: char) -> f32 {
        if character.is_ascii() { 0.5 } else { 1.0 }
    }

    fn ems(room: f32) -> Room {
        Room { first: room, rest: room }
    }

    fn wrapped(text: &str, room: Room) -> Vec<&str> {
        wrap(text, room, width).into_iter().map(|line| &text[line]).collect()
    }

    #[test]
    fn lines_neither_begin_nor_end_with_what_must_not() {
        let cases: [(&str, f32, &[&str]); 8] = [
            ("あいうえお", 5.0, &["あいうえお"]),
            ("あいうえおか", 5.0, &["あいうえお", "か"]),
            ("あいうえお。か", 5.0, &["あいうえお。", "か"]),
            ("あいうえおー", 5.0, &["あいうえ", "おー"]),
            ("あいうえ「お」", 5.0, &["あいうえ", "「お」"]),
            ("あいうえきゃ", 5.0, &["あいうえ", "きゃ"]),
            ("ABCDEFGHIJKL", 3.0, &["ABCDEF", "GHIJKL"]),
            ("", 5.0, &[""]),
        ];
        for (text, room, expected) in cases {
            assert_eq!(wrapped(text, ems(room)), expected, "{text}");
        }
    }

    #[test]
    fn further_lines_may_have_less_room() {
        let room = Room { first: 4.0, rest: 2.0 };
        assert_eq!(wrapped("一二三四五六七", room), ["一二三四", "五六", "七"]);
    }

    proptest! {
        #[test]
        fn no_character_is_lost(text in "[ あ-んァ-ヶ一-龠、。「」ーa-z0-9]{0,200}", room in 1.0_f32..40.0) {
            let lines = wrapped(&text, ems(room));
            let kept: String = lines.concat().split_whitespace().collect();
            prop_assert_eq!(kept, text.split_whitespace().collect::<String>());
            for line in lines {
                let used: f32 = line.chars().map(width).sum();
                prop_assert!(used <= room.max(1.0) + 1.02, "{} in {}", line, room);
            }
        }
    }
}
