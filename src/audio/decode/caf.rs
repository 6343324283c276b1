//! The one thing a CAF needs: a cut-off or unfinished one does not open, as the demuxer looks behind the sound.
//!
//! Source: Apple Core Audio Format Specification 1.0, chunks desc and data.

use super::DecodeError;
use super::plan::Plan;
use super::source::{Piece, Recording};

/// Most chunks before the sound.
const CHUNKS_MAX: u32 = 1_000;
/// Bytes in front of a chunk's content.
const CHUNK_HEADER_BYTES: u64 = 12;
/// Largest description that is read.
const DESCRIPTION_BYTES: usize = 32;

/// Makes a sound chunk as long as what is there.
///
/// Errors: those of the source.
pub(super) fn inspect(recording: &Recording) -> Result<Plan, DecodeError> {
    let mut description = Vec::new();
    let mut pos = 8;
    for _ in 0..CHUNKS_MAX {
        let header = recording.bytes(pos, CHUNK_HEADER_BYTES as usize).map_err(DecodeError::Read)?;
        let (Some(kind), Some(size)) = (header.get(..4), number_at(&header, 4)) else { break };
        let (content, size) = (pos + CHUNK_HEADER_BYTES, i64::from_be_bytes(size));
        if kind == b"desc" {
            description = recording.bytes(content, DESCRIPTION_BYTES).map_err(DecodeError::Read)?;
        }
        let available = recording.len().saturating_sub(content);
        // −1 is what a recorder writes until it comes back to the header.
        let declared = u64::try_from(size).ok();
        if kind == b"data" && declared.is_none_or(|declared| declared > available) {
            let promised_us = declared.and_then(|declared| length_us(&description, declared));
            return Ok(shortened(recording, pos, promised_us));
        }
        let Some(declared) = declared else { break };
        pos = content.saturating_add(declared);
    }
    Ok(Plan::whole(recording))
}

/// Shows the sound chunk at `sound` as long as it is.
fn shortened(recording: &Recording, sound: u64, promised_us: Option<i64>) -> Plan {
    let rest = sound + CHUNK_HEADER_BYTES..recording.len();
    let header = [b"data".as_slice(), &(rest.end - rest.start).to_be_bytes()].concat();
    let pieces = vec![Piece::Range(0..sound), Piece::Bytes(header), Piece::Range(rest)];
    Plan { pieces, promised_us, ..Plan::default() }
}

/// Returns how long so many bytes are, where all packets have one size. Units: microseconds.
fn length_us(description: &[u8], bytes: u64) -> Option<i64> {
    let rate_hz = f64::from_be_bytes(number_at(description, 0)?);
    let packet_bytes = u64::from(u32::from_be_bytes(number_at(description, 16)?));
    let packet_frames = u64::from(u32::from_be_bytes(number_at(description, 20)?));
    let frames = bytes.checked_div(packet_bytes)?.checked_mul(packet_frames)?;
    let us = frames as f64 / rate_hz * 1e6;
    (us.is_finite() && us > 0.0).then_some(us as i64)
}

fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
