//! PDF files: A4, tagged, with the glyphs they show.
//!
//! - **In**: what is shown, what a person chose, two fonts.
//! - **Out**: pages that look alike everywhere, whose text can be searched and read aloud.
//! - **Never**: shows an empty box for a character the fonts lack; it shows 〓 and says so.

mod draw;
mod face;
mod flow;
#[cfg(test)]
mod tests;

use super::options::{Options, SpeakerLayout};
use super::view::{Piece, Speech, View};
use super::{Assets, ExportError, Warning, dates};
use flow::{Cell, Flow, Look, Run, SIZE, WIDTH};

/// Widths of columns in points; a table is as wide as the text.
const HEADER: [f32; 2] = [115.0, WIDTH - 115.0];
const ITEMS: [f32; 4] = [45.0, WIDTH - 45.0 - 75.0 - 115.0, 75.0, 115.0];
const SPEECHES: [f32; 2] = [95.0, WIDTH - 95.0];
const TIMED_SPEECHES: [f32; 3] = [55.0, 90.0, WIDTH - 145.0];

const TITLE: Look = Look { size: 16.0, pitch: 24.0, after: 12.0, centred: true, ..Look::HEADING };
/// A heading asks for more room than the one below it does, so that a chain of them stays together.
const HEADINGS: [Look; 3] = [
    Look { size: 13.0, pitch: 20.0, before: 18.0, level: 2, keep_lines: 7, ..Look::HEADING },
    Look { size: 11.5, before: 14.0, level: 3, keep_lines: 5, ..Look::HEADING },
    Look { before: 10.0, level: 4, keep_lines: 3, ..Look::HEADING },
];
const SPEAKER: Look = Look { before: 8.0, keep_lines: 1, ..Look::TEXT };
const SPEECH: Look = Look { indent: SIZE, first: SIZE, ..Look::TEXT };
const RUN_IN: Look = Look { before: 6.0, indent: SIZE, first: -SIZE, ..Look::TEXT };
const NOTE: Look = Look { before: 6.0, ..Look::TEXT };
const SIGNATURE: Look = Look { before: 18.0, indent: 170.0, ..Look::TEXT };

/// Writes the document.
pub(super) fn document(
    view: &View,
    options: &Options,
    assets: &Assets,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<u8>, ExportError> {
    let faces = draw::Faces::read(assets)?;
    let mut flow = Flow::new(&faces);
    flow.paragraph(&TITLE, &[Run::bold(&view.headline())]);
    for row in &view.rows {
        flow.row(&HEADER, &[Cell::label(row.label), Cell::text(&row.value)]);
    }
    flow.end_table();
    pieces(&mut flow, view, options);
    if !view.items.is_empty() {
        flow.paragraph(&HEADINGS[0], &[Run::bold("決定・ToDo")]);
        flow.head(&ITEMS, &["種別", "内容", "担当", "期限"]);
        for item in &view.items {
            let text = if item.done { format!("{}（済）", item.text) } else { item.text.clone() };
            let cells = [item.kind, &text, &item.assignee, &item.due].map(Cell::text);
            flow.row(&ITEMS, &cells);
        }
        flow.end_table();
    }
    if options.hidden_count {
        let told = format!("非表示の発言：{}件", view.hidden_count);
        flow.paragraph(&NOTE, &[Run::plain(&told)]);
    }
    for title in &options.signatures {
        flow.signature(&SIGNATURE, title);
    }
    let (pages, leaves, missing) = flow.finish();
    warnings.extend(missing);
    draw::draw(&pages, leaves, &faces, &view.headline())
}

fn pieces(flow: &mut Flow, view: &View, options: &Options) {
    for piece in &view.pieces {
        match piece {
            Piece::Speech(speech) if options.layout == SpeakerLayout::Table => {
                speech_row(flow, speech, options);
                continue;
            }
            Piece::Heading { .. } | Piece::Gap { .. } | Piece::Speech(_) => flow.end_table(),
        }
        match piece {
            Piece::Heading { level, text } => {
                flow.paragraph(&HEADINGS[usize::from(level.clamp(&1, &3) - 1)], &[Run::bold(text)]);
            }
            Piece::Gap { text } => flow.paragraph(&NOTE, &[Run::plain(text)]),
            Piece::Speech(speech) => speech_text(flow, speech, options),
        }
    }
    flow.end_table();
}

fn speech_text(flow: &mut Flow, speech: &Speech, options: &Options) {
    let time = if options.times { dates::place(speech.start_ms) } else { String::new() };
    let gap = if speech.head.is_empty() || time.is_empty() { "" } else { "　" };
    let time = format!("{gap}{time}");
    let mut head = vec![Run::bold(&speech.head), Run::grey(&time)];
    head.retain(|run| !run.text.is_empty());
    let paragraphs = speech.paragraphs();
    let mut rest = paragraphs.as_slice();
    if options.layout == SpeakerLayout::Space {
        let gap = if head.is_empty() { "" } else { "　" };
        let first = format!("{gap}{}", rest[0]);
        head.push(Run::plain(&first));
        flow.paragraph(&RUN_IN, &head);
        rest = &rest[1..];
    } else if !head.is_empty() {
        flow.paragraph(&SPEAKER, &head);
    }
    for paragraph in rest {
        flow.paragraph(&SPEECH, &[Run::plain(paragraph)]);
    }
}

fn speech_row(flow: &mut Flow, speech: &Speech, options: &Options) {
    let said = speech.paragraphs().join("\n");
    let (label, said) = (Cell::strong(&speech.label), Cell::text(&said));
    if options.times {
        let time = dates::place(speech.start_ms);
        flow.head(&TIMED_SPEECHES, &["時刻", "話者", "発言"]);
        flow.row(&TIMED_SPEECHES, &[Cell::text(&time), label, said]);
    } else {
        flow.head(&SPEECHES, &["話者", "発言"]);
        flow.row(&SPEECHES, &[label, said]);
    }
}
