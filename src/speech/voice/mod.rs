//! Sound becomes voices: what tells one speaker from another, as a direction in a space.
//!
//! - **In**: 16 kHz mono samples of speech, and the bytes of the network's weights.
//! - **Out**: an [`Embedding`] for each window of 1.6 s.
//! - **Never**: opens a file, starts a thread, knows who a voice belongs to, or prints a voice: it is personal data.
//!
//! ```text
//! samples ─level─► ─mel (40 bands, power)─► frames of 10 ms ─windows of 160─► 3 × LSTM ─linear, ReLU─► direction
//! ```
//!
//! Source: GE2E speaker encoder, network and weights of the Python package Resemblyzer 0.1.4 (Apache-2.0).

pub mod campplus;
mod embedding;
mod level;
mod lstm;
mod mel;
mod net;
pub mod weights;

pub use embedding::{DIMENSIONS, Direction, Embedding};
pub use level::{LEVEL_DBFS, raised};
pub use mel::{BANDS, HOP_SAMPLES, Mels};
pub use net::{Voice, WINDOW_FRAMES};

/// Milliseconds from one frame of the spectrum to the next.
pub const FRAME_MS: u64 = 10;

/// Milliseconds that the network hears at once.
pub const WINDOW_MS: u64 = WINDOW_FRAMES as u64 * FRAME_MS;

/// Why no network can be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VoiceError {
    /// The weights are not those of the speaker encoder, or are damaged: import them again.
    #[error("the weights of the speaker encoder are unusable: {0}")]
    Weights(String),
}
