//! Files of rows and cells: UTF-8 or CP932, CRLF, quotes as in RFC 4180, cells that no spreadsheet computes.

use encoding_rs::{SHIFT_JIS, UTF_8};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most cells of a row; what comes behind is part of the last one.
const CELLS_MAX: usize = 256;

/// What is neither UTF-8 nor CP932: save it as one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is neither UTF-8 nor CP932")]
pub struct NoText {
    /// The first such line, counted from 1.
    pub line: usize,
}

/// How a file's characters are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Charset {
    /// UTF-8 with a byte order mark
    #[default]
    Utf8Bom,
    /// CP932
    Cp932,
}

/// A file and what did not fit into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// Characters the charset lacks, with their line; 〓 stands in the file.
    pub unmapped: Vec<(usize, char)>,
}

/// Reads the text of a file: UTF-8 with or without a byte order mark, else CP932.
///
/// Errors: [`NoText`] with the first line that is neither.
pub fn decoded(bytes: &[u8]) -> Result<String, NoText> {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (text, is_damaged) = UTF_8.decode_without_bom_handling(bare);
    if !is_damaged {
        return Ok(text.into_owned());
    }
    let mut text = String::with_capacity(bytes.len());
    // No character of CP932 has a line feed as its second byte.
    for (index, line) in bare.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (decoded, is_damaged) = SHIFT_JIS.decode_without_bom_handling(line);
        if is_damaged {
            return Err(NoText { line: index + 1 });
        }
        text.push_str(&decoded);
    }
    Ok(text)
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// Its cells, without their quotes.
    pub cells: Vec<String>,
    /// Whether a quote in it was never closed.
    pub is_open: bool,
}

impl Row {
    /// Tells whether nothing is written in it.
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// Cuts text into rows; a quoted cell may hold commas, quotes (doubled) and line breaks.
///
/// Range: at most `rows_max` and one, which tells that there are more. A line break behind the last row begins none.
pub fn rows(text: &str, rows_max: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row { line: 1, cells: vec![String::new()], is_open: false };
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        let is_break = ch == '\n' || (ch == '\r' && chars.peek() != Some(&'\n'));
        line += usize::from(is_break);
        let has_place = row.cells.len() < CELLS_MAX;
        let cell = row.cells.last_mut().expect("a row has a cell from its beginning");
        match ch {
            '"' if row.is_open && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if row.is_open => row.is_open = false,
            _ if row.is_open => cell.push(ch),
            '"' if cell.is_empty() => row.is_open = true,
            ',' if has_place => row.cells.push(String::new()),
            '\r' if !is_break => {}
            _ if is_break => {
                rows.push(std::mem::replace(
                    &mut row,
                    Row { line, cells: vec![String::new()], is_open: false },
                ));
                if rows.len() > rows_max {
                    return rows;
                }
            }
            _ => cell.push(ch),
        }
    }
    if row.is_open || row.cells.len() > 1 || !row.cells[0].is_empty() {
        rows.push(row);
    }
    rows
}

impl Exported {
    /// Writes a file.
    ///
    /// Shape: CRLF behind each row. In CP932, 〜 − — ‖ are folded first, and what it lacks becomes 〓.
    pub fn of<const COLUMNS: usize>(rows: impl Iterator<Item = [String; COLUMNS]>, charset: Charset) -> Self {
        let mut exported = Self { bytes: Vec::new(), unmapped: Vec::new() };
        if charset == Charset::Utf8Bom {
            exported.bytes.extend(b"\xef\xbb\xbf");
        }
        for (index, cells) in rows.enumerate() {
            let row = cells.map(|cell| quoted(&guarded(&cell))).join(",") + "\r\n";
            match charset {
                Charset::Utf8Bom => exported.bytes.extend(row.as_bytes()),
                Charset::Cp932 => exported.push_cp932(&row, index + 1),
            }
        }
        exported
    }

    fn push_cp932(&mut self, row: &str, line: usize) {
        for ch in row.chars() {
            let folded = match ch {
                '〜' => '～',
                '−' => '－',
                '—' => '―',
                '‖' => '∥',
                _ => ch,
            };
            let mut buffer = [0; 4];
            let (bytes, _, is_missing) = SHIFT_JIS.encode(folded.encode_utf8(&mut buffer));
            if is_missing {
                self.unmapped.push((line, ch));
                self.bytes.extend(SHIFT_JIS.encode("〓").0.iter());
            } else {
                self.bytes.extend(bytes.iter());
            }
        }
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])
}

/// A spreadsheet computes a cell that begins like a formula; a leading ' makes it text.
fn guarded(cell: &str) -> String {
    if is_formula(cell.trim_start_matches('\'')) { format!("'{cell}") } else { cell.to_owned() }
}

/// Takes the ' away that keeps a spreadsheet from computing a cell.
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(bare) if is_formula(bare.trim_start_matches('\'')) => bare,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        rows(text, 10).into_iter().map(|row| row.cells).collect()
    }

    #[test]
    fn a_quoted_cell_holds_commas_quotes_and_line_breaks() {
        assert_eq!(cells("a,\"b,\"\"c\"\"\r\nd\"\r\ne"), [vec!["a", "b,\"c\"\r\nd"], vec!["e"]]);
    }

    #[test]
    fn a_break_behind_the_last_row_begins_none() {
        assert_eq!(cells("a,b\r\n"), [["a", "b"]]);
        assert!(cells("").is_empty());
    }

    #[test]
    fn rows_and_cells_without_end_take_no_memory_without_end() {
        assert_eq!(rows(&"\n".repeat(1000), 10).len(), 11);
        assert_eq!(rows(&",".repeat(1000), 10)[0].cells.len(), CELLS_MAX);
    }

    #[test]
    fn a_cell_that_looks_like_a_formula_comes_back_as_it_was() {
        let file = Exported::of([["=1+1".to_owned(), "'=x".to_owned()]].into_iter(), Charset::Utf8Bom);
        let text = decoded(&file.bytes).expect("it is UTF-8");
        assert_eq!(text, "'=1+1,''=x\r\n");
        let row = &rows(&text, 1)[0];
        assert_eq!([unguarded(&row.cells[0]), unguarded(&row.cells[1])], ["=1+1", "'=x"]);
    }
}
