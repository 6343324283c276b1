//! What the demuxer does not tell about an MP4: edit lists, locks, the names of codecs it does not know.
//!
//! Without the edit list every AAC recording starts 20 to 50 ms late, by the encoder's warm-up.
//! Source: ISO/IEC 14496-12, boxes moov, trak, elst, stsd.

use std::ops::Range;

use super::DecodeError;
use super::plan::{Edit, Plan, Unusable};
use super::source::Recording;

/// Most boxes looked at on one level; a fragmented recording has two a second, but its index comes first.
const BOXES_MAX: u32 = 100_000;
/// Most bytes read of one box. Units: bytes.
const BOX_BYTES_MAX: u64 = 4_096;
/// Most edits read of one track.
const EDITS_MAX: usize = 64;

/// One box: its type and where its content is.
struct Found {
    kind: [u8; 4],
    content: Range<u64>,
}

#[derive(Default)]
struct TrackNotes {
    id: u32,
    is_sound: bool,
    timescale: u32,
    codec: [u8; 4],
    edits: Vec<RawEdit>,
}

/// An entry of the edit list: length in the film's clock, start in the track's.
struct RawEdit {
    length: u64,
    start: i64,
}

/// Reads what the demuxer leaves out.
///
/// Errors: [`DecodeError::Unfinished`] without an index, [`DecodeError::Encrypted`] for a locked audio book.
pub(super) fn inspect(recording: &Recording) -> Result<Plan, DecodeError> {
    let top = Walker { recording };
    let brand = recording.bytes(8, 4).map_err(DecodeError::Read)?;
    if brand == b"aax " || brand == b"aaxc" {
        return Err(DecodeError::Encrypted { scheme: "the lock of an audio book shop" });
    }
    let film = top.find(0..recording.len(), *b"moov")?.ok_or(DecodeError::Unfinished)?;
    let (timescale, fragmented) = (top.film_timescale(&film)?, top.find(film.clone(), *b"mvex")?.is_some());
    let mut sound = Vec::new();
    for track in top.children(film)?.iter().filter(|found| found.kind == *b"trak") {
        let notes = top.track(track.content.clone())?;
        if notes.is_sound {
            sound.push(notes);
        }
    }
    let edits = sound.iter().filter_map(|track| track.edit(timescale, fragmented)).collect();
    Ok(Plan { edits, unusable: unusable(&sound), ..Plan::whole(recording) })
}

/// Explains a film whose sound tracks the demuxer will not list.
fn unusable(sound: &[TrackNotes]) -> Option<Unusable> {
    let first = sound.first()?;
    Some(match &first.codec {
        b"enca" => Unusable::Encrypted("common encryption (CENC)"),
        b"drms" => Unusable::Encrypted("a shop's lock (DRM)"),
        b"samr" => Unusable::Codec("AMR".to_owned()),
        b"sawb" => Unusable::Codec("AMR-WB".to_owned()),
        b"ac-3" => Unusable::Codec("AC-3".to_owned()),
        b"ec-3" => Unusable::Codec("E-AC-3".to_owned()),
        other => Unusable::Codec(other.escape_ascii().to_string()),
    })
}

impl TrackNotes {
    /// Turns the edit list into what is heard; nothing if there is none.
    fn edit(&self, film_timescale: u32, fragmented: bool) -> Option<Edit> {
        let lead: u64 = self.edits.iter().take_while(|edit| edit.start < 0).map(|edit| edit.length).sum();
        let mut heard = self.edits.iter().filter(|edit| edit.start >= 0);
        let first = heard.next()?;
        let lead_us = to_us(lead, film_timescale)?;
        let start_us = to_us(u64::try_from(first.start).ok()?, self.timescale)?;
        // While fragments are still to come the length is that of none or of the first.
        let whole = heard.next().is_none() && !fragmented && first.length > 0;
        let end_us = to_us(first.length, film_timescale)?.checked_add(lead_us).filter(|_| whole);
        Some(Edit { track: self.id, lead_us, start_us, end_us })
    }
}

fn to_us(ticks: u64, timescale: u32) -> Option<i64> {
    let us = (u128::from(ticks) * 1_000_000).checked_div(u128::from(timescale))?;
    i64::try_from(us).ok()
}

struct Walker<'a> {
    recording: &'a Recording,
}

impl Walker<'_> {
    fn track(&self, track: Range<u64>) -> Result<TrackNotes, DecodeError> {
        let mut notes = TrackNotes::default();
        for found in self.children(track)? {
            match &found.kind {
                b"tkhd" => notes.id = self.versioned(&found, 12, 20)?,
                b"edts" => {
                    if let Some(list) = self.find(found.content, *b"elst")? {
                        notes.edits = self.edits(list)?;
                    }
                }
                b"mdia" => self.media(found.content, &mut notes)?,
                _ => {}
            }
        }
        Ok(notes)
    }

    fn media(&self, media: Range<u64>, notes: &mut TrackNotes) -> Result<(), DecodeError> {
        for found in self.children(media)? {
            match &found.kind {
                b"mdhd" => notes.timescale = self.versioned(&found, 12, 20)?,
                b"hdlr" => notes.is_sound = self.bytes(&found.content)?.get(8..12) == Some(b"soun"),
                b"minf" => {
                    let table = self.find(found.content, *b"stbl")?.unwrap_or(0..0);
                    let described = self.find(table, *b"stsd")?.unwrap_or(0..0);
                    let bytes = self.bytes(&described)?;
                    notes.codec = chunk_at(&bytes, 12).unwrap_or_default();
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn film_timescale(&self, film: &Range<u64>) -> Result<u32, DecodeError> {
        let found = self.children(film.clone())?.into_iter().find(|found| found.kind == *b"mvhd");
        found.map_or(Ok(0), |found| self.versioned(&found, 12, 20))
    }

    fn edits(&self, list: Range<u64>) -> Result<Vec<RawEdit>, DecodeError> {
        let bytes = self.bytes(&list)?;
        let long = bytes.first() == Some(&1);
        let count = chunk_at(&bytes, 4).map_or(0, u32::from_be_bytes) as usize;
        let size = if long { 20 } else { 12 };
        let entries = bytes.get(8..).unwrap_or_default().chunks_exact(size);
        Ok(entries.take(count.min(EDITS_MAX)).filter_map(|entry| RawEdit::parse(entry, long)).collect())
    }

    /// Reads a number that stands at one of two places, by the box's version.
    fn versioned(&self, found: &Found, short_at: usize, long_at: usize) -> Result<u32, DecodeError> {
        let bytes = self.bytes(&found.content)?;
        let at = if bytes.first() == Some(&1) { long_at } else { short_at };
        Ok(chunk_at(&bytes, at).map_or(0, u32::from_be_bytes))
    }

    fn find(&self, inside: Range<u64>, kind: [u8; 4]) -> Result<Option<Range<u64>>, DecodeError> {
        let mut pos = inside.start;
        for _ in 0..BOXES_MAX {
            let Some(found) = self.at(pos, inside.end)? else { return Ok(None) };
            if found.kind == kind {
                return Ok(Some(found.content));
            }
            pos = found.content.end;
        }
        Ok(None)
    }

    fn children(&self, inside: Range<u64>) -> Result<Vec<Found>, DecodeError> {
        let mut children = Vec::new();
        let mut pos = inside.start;
        while let Some(found) = self.at(pos, inside.end)? {
            pos = found.content.end;
            children.push(found);
            // A film has some ten boxes on each level below the first.
            if children.len() >= 1_000 {
                break;
            }
        }
        Ok(children)
    }

    /// Reads the box at `pos`; nothing at the end or where no box fits.
    fn at(&self, pos: u64, end: u64) -> Result<Option<Found>, DecodeError> {
        let header = self.recording.bytes(pos, 16).map_err(DecodeError::Read)?;
        let (Some(short), Some(kind)) = (chunk_at(&header, 0), chunk_at(&header, 4)) else { return Ok(None) };
        let (head_len, len) = match u32::from_be_bytes(short) {
            0 => (8, end.saturating_sub(pos)),
            1 => (16, chunk_at(&header, 8).map_or(0, u64::from_be_bytes)),
            len => (8, u64::from(len)),
        };
        let content_end = pos.checked_add(len).filter(|&content_end| len >= head_len && content_end <= end);
        Ok(content_end.map(|content_end| Found { kind, content: pos + head_len..content_end }))
    }

    fn bytes(&self, content: &Range<u64>) -> Result<Vec<u8>, DecodeError> {
        let len = (content.end - content.start).min(BOX_BYTES_MAX);
        self.recording.bytes(content.start, len as usize).map_err(DecodeError::Read)
    }
}

impl RawEdit {
    fn parse(entry: &[u8], long: bool) -> Option<Self> {
        Some(if long {
            let (length, start) = (chunk_at(entry, 0)?, chunk_at(entry, 8)?);
            Self { length: u64::from_be_bytes(length), start: i64::from_be_bytes(start) }
        } else {
            let (length, start) = (chunk_at(entry, 0)?, chunk_at(entry, 4)?);
            Self {
                length: u64::from(u32::from_be_bytes(length)),
                start: i64::from(i32::from_be_bytes(start)),
            }
        })
    }
}

fn chunk_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
