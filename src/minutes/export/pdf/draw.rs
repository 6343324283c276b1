//! Pages become a PDF.

use std::num::NonZeroU16;

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagTree,
};
use krilla::text::{GlyphId, KrillaGlyph};
use krilla::{Document, SerializeSettings};

use super::face::Face;
use super::flow::{Leaf, Mark, PAGE_HEIGHT, PAGE_WIDTH};
use crate::minutes::export::options::Format;
use crate::minutes::export::{Assets, ExportError};

/// The distance of a page number from the lower edge, in points.
const NUMBER_ABOVE_EDGE: f32 = 40.0;
const NUMBER_SIZE: f32 = 10.0;

/// The two fonts; they have the same characters of the same widths.
pub(super) struct Faces {
    regular: Face,
    bold: Face,
}

impl Faces {
    pub(super) fn read(assets: &Assets) -> Result<Self, ExportError> {
        Ok(Self { regular: Face::read(assets.regular)?, bold: Face::read(assets.bold)? })
    }

    /// Returns whether both fonts can show a character.
    pub(super) fn has(&self, character: char) -> bool {
        self.regular.glyph(character).is_some() && self.bold.glyph(character).is_some()
    }

    /// Returns how wide a character is, in ems.
    pub(super) fn width(&self, character: char) -> f32 {
        self.regular.width(character)
    }
}

/// Draws the pages and says what stands on them.
pub(super) fn draw(
    pages: &[Vec<Mark>],
    leaves: Vec<Leaf>,
    faces: &Faces,
    title: &str,
) -> Result<Vec<u8>, ExportError> {
    let refused = |why: String| ExportError::Writer { format: Format::Pdf, why };
    let mut document = Document::new_with(SerializeSettings { enable_tagging: true, ..Default::default() });
    let mut spoken: Vec<Vec<Identifier>> = leaves.iter().map(|_| Vec::new()).collect();
    for (index, marks) in pages.iter().enumerate() {
        let settings = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT)
            .ok_or_else(|| refused("the size of the page is none".to_owned()))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for mark in marks {
            draw_mark(&mut surface, mark, faces, &mut spoken);
        }
        page_number(&mut surface, index + 1, faces);
        surface.finish();
        page.finish();
    }
    document.set_tag_tree(tree(&leaves, spoken));
    let metadata = Metadata::new().title(title.to_owned()).language("ja-JP".to_owned());
    document.set_metadata(metadata.creator("gijiroku".to_owned()));
    document.finish().map_err(|error| refused(format!("{error:?}")))
}

fn draw_mark(surface: &mut Surface, mark: &Mark, faces: &Faces, spoken: &mut [Vec<Identifier>]) {
    match mark {
        Mark::Text { x, baseline, size, bold, grey, text, leaf } => {
            let identifier = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
            paint(surface, if *grey { 89 } else { 0 });
            let face = if *bold { &faces.bold } else { &faces.regular };
            show(surface, (*x, *baseline), *size, face, text);
            surface.end_tagged();
            spoken[*leaf].push(identifier);
        }
        Mark::Line { from, to } => {
            let mut path = PathBuilder::new();
            path.move_to(from.0, from.1);
            path.line_to(to.0, to.1);
            surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
            surface.set_fill(None);
            let paint = rgb::Color::new(64, 64, 64).into();
            surface.set_stroke(Some(Stroke { paint, width: 0.5, ..Stroke::default() }));
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
            surface.end_tagged();
        }
        Mark::Shade { x, y, width, height } => {
            surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
            paint(surface, 237);
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                path.push_rect(rect);
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
            surface.end_tagged();
        }
    }
}

fn page_number(surface: &mut Surface, number: usize, faces: &Faces) {
    let text = format!("- {number} -");
    let wide: f32 = text.chars().map(|character| faces.width(character) * NUMBER_SIZE).sum();
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::PageNumber)));
    paint(surface, 0);
    let place = ((PAGE_WIDTH - wide) / 2.0, PAGE_HEIGHT - NUMBER_ABOVE_EDGE);
    show(surface, place, NUMBER_SIZE, &faces.regular, &text);
    surface.end_tagged();
}

fn paint(surface: &mut Surface, grey: u8) {
    let paint = rgb::Color::new(grey, grey, grey).into();
    surface.set_fill(Some(Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::NonZero }));
    surface.set_stroke(None);
}

fn show(surface: &mut Surface, (x, y): (f32, f32), size: f32, face: &Face, text: &str) {
    let glyph = |(at, character): (usize, char)| {
        let glyph = face.glyph(character).unwrap_or(0);
        let range = at..at + character.len_utf8();
        KrillaGlyph::new(GlyphId::new(glyph), face.advance(glyph), 0.0, 0.0, 0.0, range, None)
    };
    let glyphs: Vec<KrillaGlyph> = text.char_indices().map(glyph).collect();
    surface.draw_glyphs(Point::from_xy(x, y), &glyphs, face.font.clone(), text, size, false);
}

/// Returns the order in which the texts are read aloud: headings, paragraphs, tables with rows and cells.
fn tree(leaves: &[Leaf], spoken: Vec<Vec<Identifier>>) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some("ja-JP".to_owned()));
    let mut open: Option<OpenTable> = None;
    for (leaf, identifiers) in leaves.iter().zip(spoken) {
        let children: Vec<Node> = identifiers.into_iter().map(Node::from).collect();
        match *leaf {
            Leaf::Cell { table, row, head } => {
                let group = if head {
                    TagGroup::with_children(Tag::TH(TableHeaderScope::Both), children)
                } else {
                    TagGroup::with_children(Tag::TD, children)
                };
                if open.as_ref().is_some_and(|open| open.table != table) {
                    close(&mut tree, &mut open);
                }
                let open = open.get_or_insert_with(|| OpenTable { table, row, rows: Vec::new() });
                if open.rows.is_empty() || open.row != row {
                    open.rows.push(TagGroup::new(Tag::TR));
                    open.row = row;
                }
                if let Some(last) = open.rows.last_mut() {
                    last.push(group);
                }
            }
            Leaf::Heading(level) => {
                close(&mut tree, &mut open);
                let level = NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
                tree.push(TagGroup::with_children(Tag::Hn(level, None), children));
            }
            Leaf::Paragraph => {
                close(&mut tree, &mut open);
                tree.push(TagGroup::with_children(Tag::P, children));
            }
        }
    }
    close(&mut tree, &mut open);
    tree
}

struct OpenTable {
    table: usize,
    row: usize,
    rows: Vec<TagGroup>,
}

fn close(tree: &mut TagTree, open: &mut Option<OpenTable>) {
    if let Some(table) = open.take() {
        let rows: Vec<Node> = table.rows.into_iter().map(Node::from).collect();
        tree.push(TagGroup::with_children(Tag::Table, rows));
    }
}
