//! A table that Excel opens without asking and without calculating.

use super::dates;
use super::options::Options;
use super::view::{Piece, Speech, View};

/// Characters at the beginning of a cell that a spreadsheet takes for a formula or a command.
///
/// Source: MINUTES.md section 12.
const FORMULA: &str = "=+-@\t\r＝＋－＠";

/// Writes what was said, one row a speech.
///
/// Shape: RFC 4180; lines end as on Windows.
pub(super) fn table(view: &View, options: &Options) -> String {
    let mut text = line(columns(options).into_iter().map(str::to_owned));
    let speeches = view.pieces.iter().filter_map(|piece| match piece {
        Piece::Speech(speech) => Some(speech),
        Piece::Heading { .. } | Piece::Gap { .. } => None,
    });
    for (index, speech) in speeches.enumerate() {
        text.push_str(&line(cells(index + 1, speech, options).into_iter()));
    }
    text
}

/// Returns the names of the columns.
pub(super) fn columns(options: &Options) -> Vec<&'static str> {
    let mut columns = vec!["No"];
    if options.times {
        columns.extend(["開始", "終了"]);
    }
    columns.push("話者");
    if !options.public_names {
        columns.push("役職");
    }
    columns.push("発言");
    if options.marks {
        columns.push("マーク");
    }
    // How sure a machine was is nothing for a published copy.
    if !options.public_names {
        columns.push("確信度");
    }
    columns
}

/// Returns the cells of a row, in the order of [`columns`].
pub(super) fn cells(number: usize, speech: &Speech, options: &Options) -> Vec<String> {
    let mut cells = vec![number.to_string()];
    if options.times {
        cells.extend([dates::place(speech.start_ms), dates::place(speech.end_ms)]);
    }
    cells.push(speech.label.clone());
    if !options.public_names {
        cells.push(speech.role.clone());
    }
    cells.push(speech.text.clone());
    if options.marks {
        cells.push(speech.marks.iter().map(|mark| mark.label()).collect::<Vec<_>>().join("・"));
    }
    if !options.public_names {
        cells.push(format!("{:.2}", speech.confidence));
    }
    cells
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.map(|cell| quoted(&guarded(&cell))).collect::<Vec<_>>().join(",") + "\r\n"
}

/// Keeps a spreadsheet from calculating what somebody said.
fn guarded(cell: &str) -> String {
    if cell.starts_with(|first| FORMULA.contains(first)) { format!("'{cell}") } else { cell.to_owned() }
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\"").replace('\n', "\r\n"))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for first in FORMULA.chars() {
            assert_eq!(guarded(&format!("{first}1+1")), format!("'{first}1+1"));
        }
        assert_eq!(guarded("1+1"), "1+1");
        assert_eq!(guarded(""), "");
    }

    #[test]
    fn quotes_follow_the_standard() {
        let cases = [("a", "a"), ("a,b", "\"a,b\""), ("「\"」", "\"「\"\"」\""), ("a\nb", "\"a\r\nb\"")];
        for (cell, expected) in cases {
            assert_eq!(quoted(cell), expected);
        }
    }
}
