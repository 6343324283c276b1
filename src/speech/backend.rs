//! Which of the two recognisers computes, and which is the better one here.

use super::model::ggml;
use super::native::Level;

/// Which recogniser computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Our own, made for processors with vector instructions: many windows at a time.
    Native,
    /// whisper.cpp: any processor, one window at a time.
    Whisper,
}

impl Backend {
    /// Returns the faster recogniser that can read the model with these first bytes on this machine.
    ///
    /// Our own wins on every level but the portable one (benches/README.md), and reads no 4 and 5 bit weights.
    pub fn fastest(head: &[u8]) -> Self {
        match Level::best() {
            Level::Portable => Self::Whisper,
            Level::Avx2 | Level::Avx512 | Level::Amx if ggml::is_decodable(head) => Self::Native,
            Level::Avx2 | Level::Avx512 | Level::Amx => Self::Whisper,
        }
    }

    /// Returns how many windows of one urgency a thread may have on their way, waiting ones included.
    pub const fn windows_per_thread(self) -> u16 {
        match self {
            Self::Native => 12,
            Self::Whisper => 1,
        }
    }
}
