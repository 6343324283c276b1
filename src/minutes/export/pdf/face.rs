//! Which glyph a character has, and how wide it is.

use krilla::text::Font;

use crate::minutes::export::ExportError;

/// A font that was read.
pub(super) struct Face {
    pub(super) font: Font,
    /// First and last character of a run of glyphs, and the first glyph; sorted.
    groups: Vec<(u32, u32, u32)>,
    /// Widths by glyph, in ems; glyphs beyond have the last width.
    widths: Vec<f32>,
}

impl Face {
    /// Reads a TrueType font with a table of all of Unicode.
    ///
    /// Source: OpenType 1.9, tables cmap (format 12), head, hhea and hmtx.
    pub(super) fn read(data: &'static [u8]) -> Result<Self, ExportError> {
        let refused = || ExportError::Font { why: "a table is missing or cut off" };
        let groups = groups(data).ok_or_else(refused)?;
        let widths = widths(data).filter(|widths| !widths.is_empty()).ok_or_else(refused)?;
        let font = Font::new(data.into(), 0).ok_or(ExportError::Font { why: "it is no font" })?;
        Ok(Self { font, groups, widths })
    }

    /// Returns the glyph of a character, if there is one.
    pub(super) fn glyph(&self, character: char) -> Option<u32> {
        let code = u32::from(character);
        let at = self.groups.partition_point(|(_, last, _)| *last < code);
        let (first, _, glyph) = self.groups.get(at).filter(|(first, ..)| *first <= code)?;
        Some(glyph + (code - first)).filter(|glyph| *glyph != 0)
    }

    /// Returns how wide a character is, in ems; one without a glyph is as wide as a Japanese one.
    pub(super) fn width(&self, character: char) -> f32 {
        self.glyph(character).map_or(1.0, |glyph| self.advance(glyph))
    }

    /// Returns how wide a glyph is, in ems.
    pub(super) fn advance(&self, glyph: u32) -> f32 {
        let at = usize::try_from(glyph).unwrap_or(usize::MAX).min(self.widths.len() - 1);
        self.widths[at]
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn place_at(data: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(data, at)?).ok()
}

fn table<'a>(data: &'a [u8], tag: &[u8; 4]) -> Option<&'a [u8]> {
    let count = usize::from(u16_at(data, 4)?);
    let record = (0..count).map(|index| 12 + 16 * index).find(|at| data.get(*at..at + 4) == Some(tag))?;
    let (begin, length) = (place_at(data, record + 8)?, place_at(data, record + 12)?);
    data.get(begin..begin.checked_add(length)?)
}

fn groups(data: &[u8]) -> Option<Vec<(u32, u32, u32)>> {
    let map = table(data, b"cmap")?;
    let count = usize::from(u16_at(map, 2)?);
    let places = (0..count).filter_map(|index| place_at(map, 8 + 8 * index));
    let full = places.filter_map(|at| map.get(at..)).find(|table| u16_at(table, 0) == Some(12))?;
    let count = place_at(full, 12)?;
    let records = full.get(16..16_usize.checked_add(count.checked_mul(12)?)?)?;
    let group = |record: &[u8]| Some((u32_at(record, 0)?, u32_at(record, 4)?, u32_at(record, 8)?));
    records.chunks_exact(12).map(group).collect()
}

fn widths(data: &[u8]) -> Option<Vec<f32>> {
    let units = f32::from(u16_at(table(data, b"head")?, 18)?).max(1.0);
    let count = usize::from(u16_at(table(data, b"hhea")?, 34)?);
    let records = table(data, b"hmtx")?;
    (0..count).map(|index| Some(f32::from(u16_at(records, 4 * index)?) / units)).collect()
}
