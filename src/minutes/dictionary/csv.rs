//! 単語登録 as CSV: UTF-8 or CP932, CRLF, quotes as in RFC 4180, cells that no spreadsheet computes.

use std::collections::HashMap;

use encoding_rs::{SHIFT_JIS, UTF_8};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Day, ENTRIES_MAX, Entry, Kind};

/// Longest file that is read.
const BYTES_MAX: usize = 16 << 20;
/// Most problems that are told; the first ones help.
const PROBLEMS_MAX: usize = 200;
const COLUMNS: [&str; 7] = ["表記", "よみ", "種別", "置換元", "メモ", "有効開始日", "有効終了日"];
/// Parts 置換元 in a cell; none of these can be part of one.
const SOURCE_MARKS: [char; 4] = [';', '；', '|', '｜'];

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

/// Why a file cannot be read at all; nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// Split the file.
    #[error("a file of {bytes} bytes is longer than {BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Save it as UTF-8 or CP932.
    #[error("line {line} is neither UTF-8 nor CP932")]
    Undecodable {
        /// The first such line, counted from 1.
        line: usize,
    },
    /// Add the first row.
    #[error("no column is named {}", COLUMNS[0])]
    NoHeader,
    /// Split the list.
    #[error("the list has more than {ENTRIES_MAX} entries")]
    TooMany,
}

/// What a line of a file says wrongly, in a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineProblem {
    /// Line, counted from 1.
    pub line: usize,
    /// The sentence, with the line.
    pub message: String,
}

/// What a file held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The good lines, in their order.
    pub entries: Vec<Entry>,
    /// Lines that were not taken.
    ///
    /// Range: the first 200 are told.
    pub problems: Vec<LineProblem>,
    /// Lines whose 表記 stood above already; only the first was taken.
    ///
    /// Range: the first 200 are told.
    pub duplicates: Vec<LineProblem>,
    /// How many lines were not taken, duplicates included.
    pub left_out_count: usize,
}

/// A file and what did not fit into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// Characters the charset lacks, with their line; 〓 stands in the file.
    pub unmapped: Vec<(usize, char)>,
}

/// Reads a file: UTF-8 with or without a byte order mark, else CP932.
///
/// Errors: [`CsvError`] for a file that is none; what is wrong with single lines is told in [`Imported`].
pub fn import(bytes: &[u8]) -> Result<Imported, CsvError> {
    if bytes.len() > BYTES_MAX {
        return Err(CsvError::TooLong { bytes: bytes.len() });
    }
    let text = decoded(bytes)?;
    let mut rows = rows(&text).into_iter();
    let header = rows.next().map(|row| row.cells).unwrap_or_default();
    let column = |name: &str| header.iter().position(|cell| cell.trim() == name);
    let columns: Vec<Option<usize>> = COLUMNS.iter().map(|name| column(name)).collect();
    if columns[0].is_none() {
        return Err(CsvError::NoHeader);
    }
    let mut imported = Imported::default();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for row in rows.filter(|row| row.cells.iter().any(|cell| !cell.trim().is_empty())) {
        let line = row.line;
        let cell = |index: usize| columns[index].and_then(|at| row.cells.get(at)).map_or("", String::as_str);
        match entry(&row, cell) {
            Err(problem) => imported.leave_out(|list| &mut list.problems, line, &problem),
            Ok(entry) => match seen.get(&entry.written) {
                Some(first) => {
                    let told = format!("表記「{}」は{first}行目にもあります。", entry.written);
                    imported.leave_out(|list| &mut list.duplicates, line, &told);
                }
                None => {
                    seen.insert(entry.written.clone(), line);
                    imported.entries.push(entry);
                }
            },
        }
        if imported.entries.len() > ENTRIES_MAX {
            return Err(CsvError::TooMany);
        }
    }
    Ok(imported)
}

impl Imported {
    fn leave_out(&mut self, list: impl Fn(&mut Self) -> &mut Vec<LineProblem>, line: usize, problem: &str) {
        self.left_out_count += 1;
        let list = list(self);
        if list.len() < PROBLEMS_MAX {
            list.push(LineProblem { line, message: format!("{line}行目：{problem}") });
        }
    }
}

fn decoded(bytes: &[u8]) -> Result<String, CsvError> {
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
            return Err(CsvError::Undecodable { line: index + 1 });
        }
        text.push_str(&decoded);
    }
    Ok(text)
}

struct Row {
    line: usize,
    cells: Vec<String>,
    is_open: bool,
}

/// Cuts text into rows; a quoted cell may hold commas, quotes (doubled) and line breaks.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row { line: 1, cells: vec![String::new()], is_open: false };
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        let is_break = ch == '\n' || (ch == '\r' && chars.peek() != Some(&'\n'));
        line += usize::from(is_break);
        let cell = row.cells.last_mut().expect("a row has a cell from its beginning");
        match ch {
            '"' if row.is_open && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if row.is_open => row.is_open = false,
            _ if row.is_open => cell.push(ch),
            '"' if cell.is_empty() => row.is_open = true,
            ',' => row.cells.push(String::new()),
            '\r' if !is_break => {}
            _ if is_break => {
                rows.push(std::mem::replace(
                    &mut row,
                    Row { line, cells: vec![String::new()], is_open: false },
                ));
            }
            _ => cell.push(ch),
        }
    }
    rows.push(row);
    rows
}

fn entry<'a>(row: &Row, cell: impl Fn(usize) -> &'a str) -> Result<Entry, String> {
    if row.is_open {
        return Err("引用符「\"」が閉じていません。".to_owned());
    }
    let text = |index: usize| unguarded(cell(index).trim()).to_owned();
    let kind = match cell(2).trim() {
        "" => Kind::Term,
        label => *Kind::ALL.iter().find(|kind| kind.label() == label).ok_or_else(|| {
            format!("種別「{label}」は使えません。人名、地名、組織、用語のどれかにしてください。")
        })?,
    };
    let day = |index: usize| match cell(index).trim() {
        "" => Ok(None),
        text => Day::parse(text).map(Some).map_err(|_| {
            format!("{}「{text}」を日付として読めません。2026-04-01 の形にしてください。", COLUMNS[index])
        }),
    };
    let sources = text(3);
    let sources = sources.split(SOURCE_MARKS).map(str::trim).filter(|source| !source.is_empty());
    let entry = Entry {
        written: text(0),
        reading: text(1),
        kind,
        sources: sources.map(str::to_owned).collect(),
        note: text(4),
        valid_from: day(5)?,
        valid_until: day(6)?,
    };
    match entry.problem() {
        Some(problem) => Err(problem),
        None => Ok(entry),
    }
}

/// Writes a file that [`import`] reads back.
///
/// Shape: a header row, CRLF behind each row. In CP932, 〜 − — ‖ are folded first, and what it lacks becomes 〓.
pub fn export(entries: &[Entry], charset: Charset) -> Exported {
    let mut exported = Exported { bytes: Vec::new(), unmapped: Vec::new() };
    if charset == Charset::Utf8Bom {
        exported.bytes.extend(b"\xef\xbb\xbf");
    }
    let header = COLUMNS.map(str::to_owned);
    for (index, cells) in std::iter::once(header).chain(entries.iter().map(cells)).enumerate() {
        let row = cells.map(|cell| quoted(&guarded(&cell))).join(",") + "\r\n";
        match charset {
            Charset::Utf8Bom => exported.bytes.extend(row.as_bytes()),
            Charset::Cp932 => exported.push_cp932(&row, index + 1),
        }
    }
    exported
}

fn cells(entry: &Entry) -> [String; 7] {
    let day = |day: Option<Day>| day.map(String::from).unwrap_or_default();
    [
        entry.written.clone(),
        entry.reading.clone(),
        entry.kind.label().to_owned(),
        entry.sources.join(";"),
        entry.note.clone(),
        day(entry.valid_from),
        day(entry.valid_until),
    ]
}

impl Exported {
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

fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(bare) if is_formula(bare.trim_start_matches('\'')) => bare,
        _ => cell,
    }
}
