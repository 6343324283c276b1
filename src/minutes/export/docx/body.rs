//! What is read, as paragraphs and tables.

use super::styles;
use super::xml::{Column, Table, Writer};
use crate::minutes::export::dates;
use crate::minutes::export::options::{FontChoice, Options, SpeakerLayout};
use crate::minutes::export::view::{ItemRow, Piece, Speech, View};

const fn label(width: u32) -> Column {
    Column { width, label: true }
}

const fn plain(width: u32) -> Column {
    Column { width, label: false }
}

/// The width of the text is 9070: A4 with margins of 25 mm.
const HEADER: [Column; 2] = [label(2300), plain(6770)];
const ITEMS: [Column; 4] = [plain(900), plain(4470), plain(1500), plain(2200)];
const SPEECHES: [Column; 2] = [plain(1900), plain(7170)];
const TIMED_SPEECHES: [Column; 3] = [plain(1100), plain(1800), plain(6170)];

/// Paragraphs and tables, in their order.
pub(super) struct Body {
    writer: Writer,
    xml: String,
}

impl Body {
    /// Returns an empty body; without a font it takes the one of the document it is put into.
    pub(super) fn new(font: Option<FontChoice>) -> Self {
        Self { writer: Writer::new(font), xml: String::new() }
    }

    pub(super) fn into_xml(self) -> String {
        self.xml
    }

    pub(super) fn headline(&mut self, text: &str) {
        self.text(styles::TITLE, text);
    }

    /// Adds the table of the header.
    pub(super) fn header(&mut self, view: &View) {
        if view.rows.is_empty() {
            return;
        }
        let mut table = Table::new(&HEADER);
        for row in &view.rows {
            table.row(&[self.cell(styles::LABEL, row.label), self.cell(styles::CELL, &row.value)]);
        }
        self.table(table);
    }

    /// Adds what is read.
    pub(super) fn pieces(&mut self, view: &View, options: &Options) {
        let mut open: Option<Table<'static>> = None;
        for piece in &view.pieces {
            if let (Piece::Speech(speech), SpeakerLayout::Table) = (piece, options.layout) {
                let cells = self.speech_cells(speech, options);
                open.get_or_insert_with(|| self.speech_table(options)).row(&cells);
                continue;
            }
            if let Some(table) = open.take() {
                self.table(table);
            }
            match piece {
                Piece::Heading { level, text } => {
                    let style = styles::HEADINGS[usize::from(level.clamp(&1, &3) - 1)];
                    self.text(style, text);
                }
                Piece::Gap { text } => self.text(styles::NOTE, text),
                Piece::Speech(speech) => self.speech(speech, options),
            }
        }
        if let Some(table) = open {
            self.table(table);
        }
    }

    /// Adds what stands behind the text.
    pub(super) fn end(&mut self, view: &View, options: &Options) {
        if !view.items.is_empty() {
            self.text(styles::HEADINGS[0], "決定・ToDo");
            self.items(view);
        }
        if options.hidden_count {
            self.text(styles::NOTE, &format!("非表示の発言：{}件", view.hidden_count));
        }
        self.signatures(options);
    }

    /// Adds the table of decisions, issues and to-dos.
    pub(super) fn items(&mut self, view: &View) {
        if view.items.is_empty() {
            return;
        }
        let mut table = Table::new(&ITEMS);
        table.head(&["種別", "内容", "担当", "期限"].map(|name| self.cell(styles::LABEL, name)));
        for item in &view.items {
            let cells = [item.kind.to_owned(), item_text(item), item.assignee.clone(), item.due.clone()];
            table.row(&cells.map(|cell| self.cell(styles::CELL, &cell)));
        }
        self.table(table);
    }

    /// Adds the fields for signatures.
    pub(super) fn signatures(&mut self, options: &Options) {
        for title in &options.signatures {
            let tab = "<w:r><w:tab/></w:r>";
            let runs = format!("{}{tab}{tab}", self.writer.run(title, None));
            self.xml.push_str(&self.writer.paragraph(styles::SIGNATURE, &runs));
        }
    }

    fn text(&mut self, style: &str, text: &str) {
        self.xml.push_str(&self.writer.paragraphs(style, text));
    }

    fn cell(&self, style: &str, text: &str) -> String {
        self.writer.paragraphs(style, text)
    }

    /// Adds a table and a low line behind it: without one Word would join two tables, or refuse one at the end of a cell.
    fn table(&mut self, table: Table) {
        self.xml.push_str(&table.into_xml());
        self.xml.push_str(&self.writer.paragraph(styles::AFTER_TABLE, ""));
    }

    fn speech(&mut self, speech: &Speech, options: &Options) {
        let time = if options.times { dates::place(speech.start_ms) } else { String::new() };
        let name = self.writer.run(&speech.head, Some(styles::NAME));
        let gap = if speech.head.is_empty() || time.is_empty() { "" } else { "　" };
        let time = self.writer.run(&format!("{gap}{time}"), Some(styles::TIME));
        let head = format!("{name}{time}");
        let mut paragraphs = speech.paragraphs().into_iter();
        if options.layout == SpeakerLayout::Space {
            let first = paragraphs.next().unwrap_or_default();
            let gap = if head.is_empty() { "" } else { "　" };
            let runs = format!("{head}{}", self.writer.run(&format!("{gap}{first}"), None));
            self.xml.push_str(&self.writer.paragraph(styles::RUN_IN, &runs));
            paragraphs.for_each(|paragraph| self.text(styles::FURTHER, &paragraph));
        } else {
            if !head.is_empty() {
                self.xml.push_str(&self.writer.paragraph(styles::SPEAKER, &head));
            }
            paragraphs.for_each(|paragraph| self.text(styles::SPEECH, &paragraph));
        }
    }

    fn speech_table(&self, options: &Options) -> Table<'static> {
        let (columns, names): (&'static [Column], &[&str]) = if options.times {
            (&TIMED_SPEECHES, &["時刻", "話者", "発言"])
        } else {
            (&SPEECHES, &["話者", "発言"])
        };
        let mut table = Table::new(columns);
        let cells: Vec<String> = names.iter().map(|name| self.cell(styles::LABEL, name)).collect();
        table.head(&cells);
        table
    }

    fn speech_cells(&self, speech: &Speech, options: &Options) -> Vec<String> {
        let time = options.times.then(|| {
            let run = self.writer.run(&dates::place(speech.start_ms), Some(styles::TIME));
            self.writer.paragraph(styles::CELL, &run)
        });
        let said = self.cell(styles::CELL, &speech.paragraphs().join("\n"));
        time.into_iter().chain([self.cell(styles::LABEL, &speech.label), said]).collect()
    }
}

/// Returns the text of an item, with 済 where it is done.
pub(super) fn item_text(item: &ItemRow) -> String {
    if item.done { format!("{}（済）", item.text) } else { item.text.clone() }
}
