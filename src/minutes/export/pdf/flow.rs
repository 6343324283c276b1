//! Text flows down the pages: lines, tables that go on over a page's end, headings that never stand last.

use std::collections::BTreeSet;
use std::ops::Range;

use super::draw::Faces;
use crate::minutes::export::Warning;
use crate::minutes::export::encode::MISSING;
use crate::minutes::export::kinsoku::{Room, wrap};

/// A4 with margins of 25 mm, in points.
pub(super) const PAGE_WIDTH: f32 = 595.28;
pub(super) const PAGE_HEIGHT: f32 = 841.89;
const MARGIN: f32 = 70.87;

/// The width of the text: 43 characters.
pub(super) const WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
const BOTTOM: f32 = PAGE_HEIGHT - MARGIN;

/// The size of the text and of small text, and the distance of lines.
pub(super) const SIZE: f32 = 10.5;
const PITCH: f32 = 18.0;
const CELL_PITCH: f32 = 16.0;

/// Room between a cell's line and its text.
const PADDING: f32 = 5.0;

/// Most characters the fonts lack that a warning lists.
const MISSING_LISTED_MAX: usize = 100;

/// How a paragraph looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) size: f32,
    pub(super) pitch: f32,
    pub(super) before: f32,
    pub(super) after: f32,
    /// Where lines begin, and how much later the first does.
    pub(super) indent: f32,
    pub(super) first: f32,
    pub(super) centred: bool,
    /// How many lines of what follows must stand on the same page.
    pub(super) keep_lines: usize,
    /// The level of a heading, from 1; 0 for text.
    pub(super) level: u16,
}

impl Look {
    pub(super) const TEXT: Self = Self {
        size: SIZE,
        pitch: PITCH,
        before: 0.0,
        after: 0.0,
        indent: 0.0,
        first: 0.0,
        centred: false,
        keep_lines: 0,
        level: 0,
    };
    pub(super) const HEADING: Self = Self { keep_lines: 4, after: 2.0, level: 1, ..Self::TEXT };
}

/// Text of one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) text: &'a str,
    bold: bool,
    grey: bool,
}

impl<'a> Run<'a> {
    pub(super) const fn plain(text: &'a str) -> Self {
        Self { text, bold: false, grey: false }
    }
    pub(super) const fn bold(text: &'a str) -> Self {
        Self { text, bold: true, grey: false }
    }
    pub(super) const fn grey(text: &'a str) -> Self {
        Self { text, bold: false, grey: true }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    text: &'a str,
    bold: bool,
    shaded: bool,
}

impl<'a> Cell<'a> {
    pub(super) const fn text(text: &'a str) -> Self {
        Self { text, bold: false, shaded: false }
    }
    pub(super) const fn strong(text: &'a str) -> Self {
        Self { text, bold: true, shaded: false }
    }
    pub(super) const fn label(text: &'a str) -> Self {
        Self { text, bold: true, shaded: true }
    }
}

/// A mark on a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    Text { x: f32, baseline: f32, size: f32, bold: bool, grey: bool, text: String, leaf: usize },
    Line { from: (f32, f32), to: (f32, f32) },
    Shade { x: f32, y: f32, width: f32, height: f32 },
}

/// What a piece of text is for somebody who hears the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Heading(u16),
    Paragraph,
    Cell { table: usize, row: usize, head: bool },
}

/// The pages as far as they are filled.
pub(super) struct Flow<'a> {
    faces: &'a Faces,
    pages: Vec<Vec<Mark>>,
    y: f32,
    leaves: Vec<Leaf>,
    /// The table that is open: its number, its rows so far, what stands at its top on each page.
    table: Option<OpenTable>,
    tables: usize,
    missing: BTreeSet<char>,
    missing_count: usize,
}

struct OpenTable {
    rows: usize,
    head: Option<(Vec<f32>, Vec<&'static str>)>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(faces: &'a Faces) -> Self {
        Self {
            faces,
            pages: vec![Vec::new()],
            y: MARGIN,
            leaves: Vec::new(),
            table: None,
            tables: 0,
            missing: BTreeSet::new(),
            missing_count: 0,
        }
    }

    /// Returns the pages, what their texts are, and what the fonts lack.
    pub(super) fn finish(self) -> (Vec<Vec<Mark>>, Vec<Leaf>, Option<Warning>) {
        let missing = (self.missing_count > 0).then(|| Warning::NoGlyph {
            count: self.missing_count,
            characters: self.missing.iter().copied().take(MISSING_LISTED_MAX).collect(),
        });
        (self.pages, self.leaves, missing)
    }

    /// Adds a paragraph; its runs follow one another on the line.
    pub(super) fn paragraph(&mut self, look: &Look, runs: &[Run]) {
        let leaf = self.leaf(if look.level > 0 { Leaf::Heading(look.level) } else { Leaf::Paragraph });
        let texts: Vec<String> = runs.iter().map(|run| self.fitting(run.text)).collect();
        let joined = texts.concat();
        let width = WIDTH - look.indent;
        let lines = self.wrapped(&joined, look.size, Room { first: width - look.first, rest: width });
        if self.y > MARGIN {
            self.y += look.before;
        }
        // A heading or a speaker's name alone at the end of a page belongs to the next.
        let kept = if look.keep_lines > 0 { lines.len() + look.keep_lines } else { 1 };
        self.make_room(look.pitch * kept as f32);
        for (index, line) in lines.into_iter().enumerate() {
            self.make_room(look.pitch);
            let long: f32 = joined[line.clone()].chars().map(|c| self.faces.width(c) * look.size).sum();
            let first = if index == 0 { look.first } else { 0.0 };
            let x = MARGIN + if look.centred { (WIDTH - long) / 2.0 } else { look.indent + first };
            self.line(x, look, (runs, &texts), (line, leaf));
            self.y += look.pitch;
        }
        self.y += look.after;
    }

    /// Puts the runs' parts of one line on the page.
    fn line(
        &mut self,
        mut x: f32,
        look: &Look,
        (runs, texts): (&[Run], &[String]),
        (line, leaf): (Range<usize>, usize),
    ) {
        let baseline = self.y + (look.pitch - look.size) / 2.0 + 0.88 * look.size;
        let mut begin = 0;
        for (run, text) in runs.iter().zip(texts) {
            let (from, to) = (line.start.max(begin), line.end.min(begin + text.len()));
            if from < to {
                let part = text[from - begin..to - begin].to_owned();
                let wide: f32 = part.chars().map(|c| self.faces.width(c) * look.size).sum();
                let (bold, grey) = (run.bold, run.grey);
                self.mark(Mark::Text { x, baseline, size: look.size, bold, grey, text: part, leaf });
                x += wide;
            }
            begin += text.len();
        }
    }

    /// Adds a line to sign on.
    pub(super) fn signature(&mut self, look: &Look, title: &str) {
        self.paragraph(look, &[Run::plain(title)]);
        let y = self.y - 3.0;
        let from = MARGIN + look.indent + 100.0;
        self.mark(Mark::Line { from: (from, y), to: (MARGIN + WIDTH, y) });
    }

    /// Begins a table with names of its columns, unless it has begun.
    pub(super) fn head(&mut self, widths: &[f32], names: &[&'static str]) {
        if self.table.is_none() {
            self.y += 4.0;
            self.make_room(4.0 * CELL_PITCH);
            self.open_table().head = Some((widths.to_vec(), names.to_vec()));
            self.head_row();
        }
    }

    fn head_row(&mut self) {
        let Some((widths, names)) = self.table.as_ref().and_then(|table| table.head.clone()) else { return };
        let cells: Vec<Cell> = names.iter().map(|name| Cell::label(name)).collect();
        self.cells(&widths, &cells, true);
    }

    /// Adds a row; a long one goes on over the end of the page.
    pub(super) fn row(&mut self, widths: &[f32], cells: &[Cell]) {
        self.cells(widths, cells, false);
    }

    /// Ends the table that is open, if any.
    pub(super) fn end_table(&mut self) {
        if self.table.take().is_some() {
            self.tables += 1;
            self.y += 6.0;
        }
    }

    fn open_table(&mut self) -> &mut OpenTable {
        self.table.get_or_insert(OpenTable { rows: 0, head: None })
    }

    fn cells(&mut self, widths: &[f32], cells: &[Cell], head: bool) {
        let table = self.tables;
        let open = self.open_table();
        open.rows += 1;
        let row = open.rows;
        let texts: Vec<String> = cells.iter().map(|cell| self.fitting(cell.text)).collect();
        let lines: Vec<Vec<String>> =
            widths.iter().zip(&texts).map(|(width, text)| self.cell_lines(*width, text)).collect();
        let leaves: Vec<usize> = cells
            .iter()
            .map(|cell| self.leaf(Leaf::Cell { table, row, head: head || cell.shaded }))
            .collect();
        let count = lines.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let mut from = 0;
        while from < count {
            let room = ((BOTTOM - self.y - 2.0 * PADDING) / CELL_PITCH).floor().max(0.0) as usize;
            let rest = count - from;
            // One line alone, or a head without a row, is not worth its place.
            let least = if head { 3 } else { rest.min(2) };
            if room < least && self.y > MARGIN {
                self.new_page();
                if !head {
                    self.head_row();
                }
                continue;
            }
            let taken = rest.min(room.max(1));
            self.strip(widths, cells, (&lines, &leaves), from..from + taken);
            from += taken;
        }
    }

    fn cell_lines(&self, width: f32, text: &str) -> Vec<String> {
        let room = width - 2.0 * PADDING;
        let wrapped = |line: &str| -> Vec<String> {
            let lines = self.wrapped(line, SIZE, Room { first: room, rest: room });
            lines.into_iter().map(|range| line[range].to_owned()).collect()
        };
        text.lines().flat_map(wrapped).collect()
    }

    /// Draws some lines of a row, with the lines around its cells.
    fn strip(
        &mut self,
        widths: &[f32],
        cells: &[Cell],
        (lines, leaves): (&[Vec<String>], &[usize]),
        part: Range<usize>,
    ) {
        let height = part.len() as f32 * CELL_PITCH + 2.0 * PADDING;
        let (top, mut x) = (self.y, MARGIN);
        for (index, (width, cell)) in widths.iter().zip(cells).enumerate() {
            if cell.shaded {
                self.mark(Mark::Shade { x, y: top, width: *width, height });
            }
            let shown = lines[index].iter().skip(part.start).take(part.len());
            for (number, text) in shown.cloned().enumerate() {
                let y = top + PADDING + number as f32 * CELL_PITCH;
                let baseline = y + (CELL_PITCH - SIZE) / 2.0 + 0.88 * SIZE;
                let (bold, leaf) = (cell.bold, leaves[index]);
                let x = x + PADDING;
                self.mark(Mark::Text { x, baseline, size: SIZE, bold, grey: false, text, leaf });
            }
            self.mark(Mark::Line { from: (x, top), to: (x, top + height) });
            x += width;
        }
        self.mark(Mark::Line { from: (x, top), to: (x, top + height) });
        for y in [top, top + height] {
            self.mark(Mark::Line { from: (MARGIN, y), to: (x, y) });
        }
        self.y += height;
    }

    fn wrapped(&self, text: &str, size: f32, room: Room) -> Vec<Range<usize>> {
        wrap(text, room, |character| self.faces.width(character) * size)
    }

    /// Puts 〓 for what the fonts lack, and remembers it.
    fn fitting(&mut self, text: &str) -> String {
        let mut fitting = String::with_capacity(text.len());
        for character in text.chars() {
            if character == '\n' || self.faces.has(character) {
                fitting.push(character);
                continue;
            }
            self.missing_count += 1;
            if self.missing.len() < MISSING_LISTED_MAX {
                self.missing.insert(character);
            }
            fitting.push(MISSING);
        }
        fitting
    }

    fn leaf(&mut self, leaf: Leaf) -> usize {
        self.leaves.push(leaf);
        self.leaves.len() - 1
    }

    fn make_room(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.y > MARGIN {
            self.new_page();
        }
    }

    fn new_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = MARGIN;
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }
}
