//! 単語登録 as CSV.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Day, ENTRIES_MAX, Entry, Kind};
use crate::minutes::csv::{Charset, Exported, NoText, Row, decoded, rows, unguarded};

/// Longest file that is read.
const BYTES_MAX: usize = 16 << 20;
/// Most rows that are read, blank ones too.
const ROWS_MAX: usize = 2 * ENTRIES_MAX;
/// Most problems that are told; the first ones help.
const PROBLEMS_MAX: usize = 200;
const COLUMNS: [&str; 7] = ["表記", "よみ", "種別", "置換元", "メモ", "有効開始日", "有効終了日"];
/// Parts 置換元 in a cell; none of these can be part of one.
const SOURCE_MARKS: [char; 4] = [';', '；', '|', '｜'];

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

/// Reads a file: UTF-8 with or without a byte order mark, else CP932.
///
/// Errors: [`CsvError`] for a file that is none; what is wrong with single lines is told in [`Imported`].
pub fn import(bytes: &[u8]) -> Result<Imported, CsvError> {
    if bytes.len() > BYTES_MAX {
        return Err(CsvError::TooLong { bytes: bytes.len() });
    }
    let text = decoded(bytes).map_err(|NoText { line }| CsvError::Undecodable { line })?;
    let rows = rows(&text, ROWS_MAX);
    if rows.len() > ROWS_MAX {
        return Err(CsvError::TooMany);
    }
    let mut rows = rows.into_iter();
    let header = rows.next().map(|row| row.cells).unwrap_or_default();
    let column = |name: &str| header.iter().position(|cell| cell.trim() == name);
    let columns: Vec<Option<usize>> = COLUMNS.iter().map(|name| column(name)).collect();
    if columns[0].is_none() {
        return Err(CsvError::NoHeader);
    }
    let mut imported = Imported::default();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for row in rows.filter(|row| !row.is_blank()) {
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
    let header = COLUMNS.map(str::to_owned);
    Exported::of(std::iter::once(header).chain(entries.iter().map(cells)), charset)
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
