//! The header of a WAVE file: checked, and put right where a recorder never finished it.
//!
//! The sizes in it are the weak point: zero or all ones while recording, too large after a cut, wrapped around
//! beyond 4 GiB. The demuxer is shown a new header with sizes that fit what is there.
//! Source: Multimedia Programming Interface 1.0 (RIFF), EBU Tech 3306 (RF64).

use super::DecodeError;
use super::open::{check_channels, check_rate};
use super::plan::{Edit, Plan};
use super::source::{Piece, Recording};

/// Most chunks before the sound.
const CHUNKS_MAX: u32 = 1_000;
/// Largest format chunk that is copied; the longest known one has 50 bytes. Units: bytes.
const FORMAT_BYTES_MAX: u64 = 1_024;
/// Sizes from here on are what a recorder writes that cannot go back to the header. Units: bytes.
const SIZE_UNKNOWN_MIN: u64 = 0x7FFF_0000;
/// Padding that a codec of whole blocks adds at the end is shorter than this. Units: microseconds.
const PADDING_US_MAX: i64 = 500_000;

const PCM: u16 = 0x0001;
const ADPCM_MS: u16 = 0x0002;
const FLOAT: u16 = 0x0003;
const A_LAW: u16 = 0x0006;
const MU_LAW: u16 = 0x0007;
const ADPCM_IMA: u16 = 0x0011;
const MP3: u16 = 0x0055;
const EXTENSIBLE: u16 = 0xFFFE;

/// The format chunk, checked.
struct Format {
    chunk: Vec<u8>,
    tag: u16,
    rate_hz: u32,
    /// Bytes that stand for `unit_frames` frames, always together.
    unit_bytes: u64,
    unit_frames: u64,
}

/// What was found on the way to the sound.
#[derive(Default)]
struct Found {
    format: Option<Format>,
    /// Frames by the fact chunk.
    frames: Option<u64>,
    /// Size of the sound by the 64-bit header.
    long_size: Option<u64>,
}

/// Where the sound is, by the header and in truth.
struct Extent {
    /// What the header says, if it says.
    declared: Option<u64>,
    present: u64,
}

/// Checks the header of a WAVE file and plans how to show it.
///
/// Errors: an absurd field, an unsupported codec, or no sound in the file.
pub(super) fn inspect(recording: &Recording) -> Result<Plan, DecodeError> {
    let mut found = Found::default();
    let mut pos = 12;
    for _ in 0..CHUNKS_MAX {
        let header = read(recording, pos, 8)?;
        let (Some(kind), Some(size)) = (header.get(..4), u32_at(&header, 4)) else { break };
        let content = pos + 8;
        if kind == b"data" {
            return found.plan(recording, content, u64::from(size));
        }
        found.note(recording, kind, content, u64::from(size))?;
        pos = content + u64::from(size) + u64::from(size % 2);
    }
    Err(DecodeError::Damaged { cause: "the wave file has no sound chunk".to_owned() })
}

impl Found {
    fn note(&mut self, recording: &Recording, kind: &[u8], pos: u64, size: u64) -> Result<(), DecodeError> {
        match kind {
            b"fmt " => self.format = Some(Format::parse(read(recording, pos, size.min(FORMAT_BYTES_MAX))?)?),
            b"fact" => self.frames = u32_at(&read(recording, pos, 4)?, 0).map(u64::from),
            b"ds64" => self.long_size = u64_at(&read(recording, pos, 16)?, 8),
            _ => {}
        }
        Ok(())
    }

    fn plan(self, recording: &Recording, start: u64, size: u64) -> Result<Plan, DecodeError> {
        let cause = "the wave file has sound but no format".to_owned();
        let format = self.format.ok_or(DecodeError::Damaged { cause })?;
        let declared = self.long_size.filter(|_| size == u64::from(u32::MAX)).unwrap_or(size);
        let extent = Extent::new(recording, start, declared)?;
        let sound = Piece::Range(start..start + extent.present);
        // Several voice recorders wrap MP3 into WAVE; without the wrapping it is plain MP3.
        if format.tag == MP3 {
            return Ok(Plan { pieces: vec![sound], ..Plan::default() });
        }
        let promised_us = extent.declared.and_then(|bytes| format.length_us(bytes));
        let edits = Vec::from_iter(self.frames.and_then(|frames| format.trimmed(frames, promised_us)));
        let pieces = vec![Piece::Bytes(format.header(extent.present)), sound];
        Ok(Plan { pieces, promised_us, edits, ..Plan::default() })
    }
}

impl Extent {
    fn new(recording: &Recording, start: u64, declared: u64) -> Result<Self, DecodeError> {
        let available = recording.len().saturating_sub(start);
        let riff_size = u32_at(&read(recording, 4, 4)?, 0).map_or(0, u64::from);
        let finished = riff_size + 8 == recording.len();
        if available == 0 || (declared == 0 && finished) {
            return Err(DecodeError::NoSound { damaged: 0 });
        }
        let unknown = declared == 0 || (declared >= SIZE_UNKNOWN_MIN && declared > available);
        if unknown {
            return Ok(Self { declared: None, present: available });
        }
        Ok(Self { declared: Some(declared), present: declared.min(available) })
    }
}

impl Format {
    /// Refuses what no recording can be, and what cannot be decoded.
    fn parse(mut chunk: Vec<u8>) -> Result<Self, DecodeError> {
        let short = || DecodeError::Damaged { cause: "the wave file's format is cut off".to_owned() };
        let field = |at| u16_at(&chunk, at).ok_or_else(short);
        let (tag, channels, align, bits) = (field(0)?, field(2)?, field(12)?, field(14)?);
        let rate_hz = u32_at(&chunk, 4).ok_or_else(short)?;
        check_channels(usize::from(channels))?;
        check_rate(rate_hz)?;
        if align == 0 {
            return Err(DecodeError::AbsurdHeader { field: "bytes per frame", value: 0 });
        }
        let frame_bytes = u64::from(channels) * u64::from(bits / 8);
        if matches!(tag, PCM | FLOAT | EXTENSIBLE) && (frame_bytes == 0 || bits > 64) {
            return Err(DecodeError::AbsurdHeader { field: "bits per sample", value: u64::from(bits) });
        }
        check_codec(tag)?;
        let in_blocks = matches!(tag, ADPCM_MS | ADPCM_IMA);
        let unit_frames = if in_blocks { u64::from(u16_at(&chunk, 18).unwrap_or(0)) } else { 1 };
        let unit_bytes = if in_blocks { u64::from(align) } else { frame_bytes };
        normalise(tag, &mut chunk);
        Ok(Self { chunk, tag, rate_hz, unit_bytes, unit_frames })
    }

    /// Returns how long so many bytes of sound are. Units: microseconds.
    fn length_us(&self, bytes: u64) -> Option<i64> {
        let frames = bytes.checked_div(self.unit_bytes)?.checked_mul(self.unit_frames)?;
        i64::try_from(u128::from(frames) * 1_000_000 / u128::from(self.rate_hz)).ok()
    }

    /// Ends the sound where the fact chunk says, if only padding is behind.
    fn trimmed(&self, frames: u64, promised_us: Option<i64>) -> Option<Edit> {
        let end_us = i64::try_from(u128::from(frames) * 1_000_000 / u128::from(self.rate_hz)).ok()?;
        let padding_us = promised_us? - end_us;
        (0..PADDING_US_MAX).contains(&padding_us).then_some(Edit {
            track: Edit::ANY,
            lead_us: 0,
            start_us: 0,
            end_us: Some(end_us),
        })
    }

    /// Writes a header for `bytes` of sound; more than fits is left open.
    fn header(&self, bytes: u64) -> Vec<u8> {
        let size = u32::try_from(bytes).unwrap_or(u32::MAX);
        let format_size = u32::try_from(self.chunk.len()).expect("at most FORMAT_BYTES_MAX");
        let mut header = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt ".to_vec();
        header.extend_from_slice(&format_size.to_le_bytes());
        header.extend_from_slice(&self.chunk);
        header.resize(header.len().next_multiple_of(2), 0);
        header.extend_from_slice(b"data");
        header.extend_from_slice(&size.to_le_bytes());
        header
    }
}

/// Gives the plain formats the one length that the demuxer accepts; recorders write 16, 18, 20 or 40 bytes.
fn normalise(tag: u16, chunk: &mut Vec<u8>) {
    match tag {
        PCM | FLOAT => chunk.truncate(16),
        A_LAW | MU_LAW => {
            chunk.truncate(16);
            chunk.extend_from_slice(&[0, 0]);
        }
        _ => {}
    }
}

/// Source: the registry of RFC 2361 and mmreg.h.
fn check_codec(tag: u16) -> Result<(), DecodeError> {
    let name = match tag {
        PCM | ADPCM_MS | FLOAT | A_LAW | MU_LAW | ADPCM_IMA | MP3 | EXTENSIBLE => return Ok(()),
        0x0022 => "TrueSpeech".to_owned(),
        0x0031 => "GSM 6.10".to_owned(),
        0x0040 | 0x0045 | 0x0064 => "G.726 ADPCM".to_owned(),
        0x0050 => "MP2 in a WAVE file".to_owned(),
        0x00FF | 0x1610 => "AAC in a WAVE file".to_owned(),
        0x0160..=0x0163 => "WMA in a WAVE file".to_owned(),
        0x2000 => "AC-3 in a WAVE file".to_owned(),
        other => format!("WAVE format {other:#06x}"),
    };
    Err(DecodeError::UnsupportedCodec { codec: name })
}

fn read(recording: &Recording, pos: u64, len: u64) -> Result<Vec<u8>, DecodeError> {
    let len = usize::try_from(len.min(FORMAT_BYTES_MAX)).expect("at most FORMAT_BYTES_MAX");
    recording.bytes(pos, len).map_err(DecodeError::Read)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
