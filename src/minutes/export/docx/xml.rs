//! The few pieces of WordprocessingML that minutes need.

use crate::minutes::export::options::FontChoice;

/// The namespace of WordprocessingML.
pub(super) const NAMESPACE: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

/// Takes the meaning from marks of XML; what XML cannot hold was taken out when the text was cleaned.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(character),
        }
    }
    safe
}

/// Returns what names a font for Latin and Japanese characters alike.
///
/// The hint settles characters that both scripts have, as ① and ：, for which Word would take a Latin font.
pub(super) fn fonts(font: Option<FontChoice>) -> String {
    match font.map(FontChoice::family) {
        Some(name) => format!(
            r#"<w:rFonts w:ascii="{name}" w:hAnsi="{name}" w:eastAsia="{name}" w:cs="{name}" w:hint="eastAsia"/>"#
        ),
        None => r#"<w:rFonts w:hint="eastAsia"/>"#.to_owned(),
    }
}

/// Writes runs and paragraphs that name their font.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    fonts: String,
}

impl Writer {
    pub(super) fn new(font: Option<FontChoice>) -> Self {
        Self { fonts: fonts(font) }
    }

    /// Returns a run; lines of the text become line breaks.
    pub(super) fn run(&self, text: &str, style: Option<&str>) -> String {
        if text.is_empty() {
            return String::new();
        }
        let style = style.map_or_else(String::new, |style| format!(r#"<w:rStyle w:val="{style}"/>"#));
        format!("<w:r><w:rPr>{style}{}</w:rPr>{}</w:r>", self.fonts, lines(text))
    }

    /// Returns a paragraph of runs that are already written.
    pub(super) fn paragraph(&self, style: &str, runs: &str) -> String {
        format!(r#"<w:p><w:pPr><w:pStyle w:val="{style}"/><w:rPr>{}</w:rPr></w:pPr>{runs}</w:p>"#, self.fonts)
    }

    /// Returns one paragraph a line of the text.
    pub(super) fn paragraphs(&self, style: &str, text: &str) -> String {
        if text.is_empty() {
            return self.paragraph(style, "");
        }
        text.lines().map(|line| self.paragraph(style, &self.run(line, None))).collect()
    }
}

/// Returns text with its line breaks, to stand inside a run.
///
/// The tab before a break keeps Word from spreading the line over the whole width of a justified paragraph.
pub(super) fn lines(text: &str) -> String {
    let line = |line: &str| format!(r#"<w:t xml:space="preserve">{}</w:t>"#, escaped(line));
    text.split('\n').map(line).collect::<Vec<_>>().join("<w:tab/><w:br/>")
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Units: twentieths of a point.
    pub(super) width: u32,
    /// Whether its cells are labels.
    pub(super) label: bool,
}

/// A table with a line around each cell.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [Column],
    rows: String,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a [Column]) -> Self {
        Self { columns, rows: String::new() }
    }

    /// Adds a row that is repeated at the top of each page.
    pub(super) fn head(&mut self, cells: &[String]) {
        let cells: String =
            self.columns.iter().zip(cells).map(|(column, cell)| cell_of(column.width, true, cell)).collect();
        self.rows.push_str(&format!("<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>{cells}</w:tr>"));
    }

    /// Adds a row; its cells are paragraphs that are already written.
    pub(super) fn row(&mut self, cells: &[String]) {
        let cells: String = self
            .columns
            .iter()
            .zip(cells)
            .map(|(column, cell)| cell_of(column.width, column.label, cell))
            .collect();
        self.rows.push_str(&format!("<w:tr>{cells}</w:tr>"));
    }

    pub(super) fn into_xml(self) -> String {
        let total: u32 = self.columns.iter().map(|column| column.width).sum();
        let grid: String =
            self.columns.iter().map(|column| format!(r#"<w:gridCol w:w="{}"/>"#, column.width)).collect();
        let borders: String = ["top", "left", "bottom", "right", "insideH", "insideV"]
            .iter()
            .map(|side| format!(r#"<w:{side} w:val="single" w:sz="4" w:space="0" w:color="404040"/>"#))
            .collect();
        let margins = r#"<w:tblCellMar><w:top w:w="40" w:type="dxa"/><w:left w:w="100" w:type="dxa"/><w:bottom w:w="40" w:type="dxa"/><w:right w:w="100" w:type="dxa"/></w:tblCellMar>"#;
        format!(
            r#"<w:tbl><w:tblPr><w:tblW w:w="{total}" w:type="dxa"/><w:tblBorders>{borders}</w:tblBorders><w:tblLayout w:type="fixed"/>{margins}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{}</w:tbl>"#,
            self.rows
        )
    }
}

fn cell_of(width: u32, label: bool, paragraphs: &str) -> String {
    let shade = if label { r#"<w:shd w:val="clear" w:color="auto" w:fill="EDEDED"/>"# } else { "" };
    format!(r#"<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{shade}</w:tcPr>{paragraphs}</w:tc>"#)
}
