//! Bytes become sound, and sound becomes spans of speech.
//!
//! - **In**: any container or codec an office meets, as a byte source (`Read + Seek`).
//! - **Out**: 16 kHz mono samples and the spans in which somebody speaks; live sound as checked frames on the wire.
//! - **Never**: opens a file, knows a recogniser, holds a whole meeting in memory, or panics on hostile input.
//!
//! ```text
//! bytes ─decode─► Block (native rate) ─resample─► 16 kHz mono ─vad─► [MediaSpan]
//! ```

pub mod decode;
pub mod frames;
pub mod health;
pub mod outline;
pub mod reader;
pub mod record;
pub mod resample;
pub mod rf64;
pub mod sender;
pub mod time;
pub mod timeline;
pub mod vad;
pub mod wav;

pub use time::{MediaSpan, MediaTime, SAMPLE_RATE_HZ};

/// A run of frames as the decoder delivered them.
///
/// Shape: interleaved samples in [-1, 1], `channels` per frame, at most one second.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Interleaved samples, a whole number of frames.
    pub samples: Vec<f32>,
    /// Frames per second, 1,000 to 768,000.
    pub rate_hz: u32,
    /// Samples per frame, at least 1.
    pub channels: u16,
}
