//! An Excel workbook: three sheets, every cell typed.

use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};

use super::csv;
use super::options::Options;
use super::view::{Piece, Speech, View};
use super::{ExportError, options};

/// Most characters of a cell; longer text goes on in the row below.
///
/// Source: the limits of Excel (32,767), less room for what it counts twice.
const CELL_CHARACTERS_MAX: usize = 16_000;

/// Writes the workbook.
pub(super) fn workbook(view: &View, options: &Options) -> Result<Vec<u8>, ExportError> {
    written(view, options)
        .map_err(|error| ExportError::Writer { format: options::Format::Xlsx, why: error.to_string() })
}

struct Looks {
    head: Format,
    text: Format,
    number: Format,
}

impl Looks {
    fn new() -> Self {
        let base = Format::new().set_font_name("游ゴシック").set_font_size(11).set_align(FormatAlign::Top);
        let base = base.set_border(FormatBorder::Thin).set_border_color("#A6A6A6");
        // "@" is Excel's format for text: what is typed over a cell later stays text too.
        Self {
            head: base.clone().set_bold().set_background_color("#EDEDED").set_num_format("@"),
            text: base.clone().set_text_wrap().set_num_format("@"),
            number: base,
        }
    }
}

fn written(view: &View, options: &Options) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    // A workbook must tell a day; with the day of its making the same input would give other bytes.
    let day = ExcelDateTime::from_ymd(2000, 1, 1)?;
    workbook.set_properties(&DocProperties::new().set_title(view.headline()).set_creation_datetime(&day));
    let looks = Looks::new();
    meeting(workbook.add_worksheet(), view, options, &looks)?;
    speeches(workbook.add_worksheet(), view, options, &looks)?;
    items(workbook.add_worksheet(), view, &looks)?;
    workbook.save_to_buffer()
}

fn meeting(sheet: &mut Worksheet, view: &View, options: &Options, looks: &Looks) -> Result<(), XlsxError> {
    sheet.set_name("会議情報")?;
    head(sheet, &[("項目", 22.0), ("内容", 80.0)], looks)?;
    let mut rows: Vec<(&str, String)> = view.rows.iter().map(|row| (row.label, row.value.clone())).collect();
    rows.push(("版", options.edition().to_owned()));
    if options.hidden_count {
        rows.push(("非表示の発言", format!("{}件", view.hidden_count)));
    }
    let mut at = 1;
    for (label, value) in &rows {
        for part in parts(value) {
            sheet.write_string_with_format(at, 0, *label, &looks.head)?;
            sheet.write_string_with_format(at, 1, part, &looks.text)?;
            at += 1;
        }
    }
    Ok(())
}

fn speeches(sheet: &mut Worksheet, view: &View, options: &Options, looks: &Looks) -> Result<(), XlsxError> {
    sheet.set_name("発言")?;
    let columns = csv::columns(options);
    let widths: Vec<(&str, f64)> = columns.iter().map(|name| (*name, width(name))).collect();
    head(sheet, &widths, looks)?;
    let spoken = view.pieces.iter().filter_map(|piece| match piece {
        Piece::Speech(speech) => Some(speech),
        Piece::Heading { .. } | Piece::Gap { .. } => None,
    });
    let mut at = 1;
    for (index, speech) in spoken.enumerate() {
        at = speech_rows(sheet, at, (index + 1, speech), (&columns, options, looks))?;
    }
    let last = u16::try_from(columns.len() - 1).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, at.max(2) - 1, last)?;
    Ok(())
}

fn speech_rows(
    sheet: &mut Worksheet,
    first: u32,
    (number, speech): (usize, &Speech),
    (columns, options, looks): (&[&str], &Options, &Looks),
) -> Result<u32, XlsxError> {
    let cells = csv::cells(number, speech, options);
    let text = columns.iter().position(|name| *name == "発言").unwrap_or(0);
    let mut at = first;
    for part in parts(&speech.text) {
        for (column, (name, cell)) in (0_u16..).zip(columns.iter().zip(&cells)) {
            match (*name, usize::from(column) == text) {
                ("No", _) => sheet.write_number_with_format(at, column, number as f64, &looks.number)?,
                ("確信度", _) => {
                    let rounded = (f64::from(speech.confidence) * 100.0).round() / 100.0;
                    sheet.write_number_with_format(at, column, rounded, &looks.number)?
                }
                (_, true) => sheet.write_string_with_format(at, column, part.clone(), &looks.text)?,
                (_, false) => sheet.write_string_with_format(at, column, cell.as_str(), &looks.text)?,
            };
        }
        at += 1;
    }
    Ok(at)
}

fn items(sheet: &mut Worksheet, view: &View, looks: &Looks) -> Result<(), XlsxError> {
    sheet.set_name("決定・ToDo")?;
    let columns =
        [("No", 6.0), ("種別", 10.0), ("内容", 70.0), ("担当", 18.0), ("期限", 22.0), ("状態", 8.0)];
    head(sheet, &columns, looks)?;
    let mut at = 1;
    for (number, item) in view.items.iter().enumerate() {
        let done = if item.done { "済" } else { "" };
        for part in parts(&item.text) {
            sheet.write_number_with_format(at, 0, (number + 1) as f64, &looks.number)?;
            let cells = [item.kind, part.as_str(), item.assignee.as_str(), item.due.as_str(), done];
            for (column, cell) in (1..).zip(cells) {
                sheet.write_string_with_format(at, column, cell, &looks.text)?;
            }
            at += 1;
        }
    }
    sheet.autofilter(0, 0, at.max(2) - 1, 5)?;
    Ok(())
}

/// Writes the names of the columns, which stay when the sheet is rolled and stand on every printed page.
fn head(sheet: &mut Worksheet, columns: &[(&str, f64)], looks: &Looks) -> Result<(), XlsxError> {
    for (column, (name, width)) in (0..).zip(columns) {
        sheet.write_string_with_format(0, column, *name, &looks.head)?;
        sheet.set_column_width(column, *width)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    // 9 is A4; one page wide, as many high as it takes.
    sheet.set_paper_size(9).set_landscape().set_print_fit_to_pages(1, 0);
    Ok(())
}

fn width(column: &str) -> f64 {
    match column {
        "No" | "確信度" => 8.0,
        "開始" | "終了" => 11.0,
        "発言" => 80.0,
        _ => 18.0,
    }
}

fn parts(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return vec![String::new()];
    }
    characters.chunks(CELL_CHARACTERS_MAX).map(|part| part.iter().collect()).collect()
}
