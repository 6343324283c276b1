//! The audit log as a table for a spreadsheet. Pure.
//!
//! Shape: UTF-8 with a byte order mark, lines end in CRLF; a cell that a spreadsheet would compute is made plain text.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::{Line, Outcome};
use crate::clock::UnixMs;

/// What stands before everything, so that spreadsheets know the encoding.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Japan has one time, without summer time.
const JST: Offset = Offset::constant(9);

/// Returns the first line, with what stands before it.
pub fn head() -> String {
    let columns = [
        "番号",
        "日時(UTC)",
        "日時(日本時間)",
        "利用者ID",
        "接続元",
        "操作",
        "会議ID",
        "対象",
        "詳細",
        "結果",
        "前の行のハッシュ",
        "この行のハッシュ",
    ];
    format!("{BYTE_ORDER_MARK}{}", joined(&columns.map(str::to_owned)))
}

/// Returns one line of the log as one line of the table.
pub fn row(line: &Line) -> String {
    let named = |id: Option<super::Id>| id.map_or_else(String::new, |id| id.to_string());
    let detail = if line.detail.is_null() { String::new() } else { line.detail.to_string() };
    let result = match line.result {
        Outcome::Done => "実施",
        Outcome::Refused => "拒否",
        Outcome::Failed => "失敗",
    };
    joined(&[
        line.seq.to_string(),
        told_at(line.at, TimeZone::UTC),
        told_at(line.at, JST.to_time_zone()),
        named(line.actor),
        line.address.clone(),
        line.event.clone(),
        named(line.meeting),
        line.subject.clone(),
        detail,
        result.to_owned(),
        line.previous.clone(),
        line.hash.clone(),
    ])
}

/// Writes a moment as `2026-11-22 18:45:03`; as its number if the calendar does not reach so far.
pub fn told_at(at: UnixMs, zone: TimeZone) -> String {
    let Ok(moment) = Timestamp::from_millisecond(at.ms()) else { return at.ms().to_string() };
    moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Writes a moment in Japan's time.
pub fn told_in_japan(at: UnixMs) -> String {
    told_at(at, JST.to_time_zone())
}

fn joined(cells: &[String]) -> String {
    let mut line = cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// Makes a cell that is shown as it is: quoted where CSV asks for it, and never computed.
fn quoted(cell: &str) -> String {
    // Source: OWASP, "CSV Injection": what begins so is a formula to a spreadsheet.
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_compute_becomes_text() {
        for cell in ["=1+1", "+81", "-1", "@SUM(A1)", "\tx"] {
            assert!(quoted(cell).trim_start_matches('"').starts_with('\''), "{cell}");
        }
        assert_eq!(quoted("session.begin"), "session.begin");
        assert_eq!(quoted("a\"b,c"), "\"a\"\"b,c\"");
        assert_eq!(quoted("=\"x\""), "\"'=\"\"x\"\"\"");
    }

    #[test]
    fn the_table_begins_with_the_mark_and_every_line_ends_for_a_spreadsheet() {
        assert!(head().starts_with('\u{feff}') && head().ends_with("\r\n"));
    }

    #[test]
    fn a_moment_is_told_in_both_times() {
        let at = UnixMs::from_ms(1_795_340_703_000);
        assert_eq!(told_at(at, TimeZone::UTC), "2026-11-22 09:45:03");
        assert_eq!(told_in_japan(at), "2026-11-22 18:45:03");
    }
}
