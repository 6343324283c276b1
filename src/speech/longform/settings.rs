//! How a recording is recognised, and what the two presets mean.

use serde::{Deserialize, Serialize};

use super::RERUN_BEAM;
use crate::speech::window::{WINDOW_MS_MAX, WindowSettings};
use crate::speech::{Backend, Language};

/// The longest sound that may be given a reduced context; beyond it text is lost (CER 14–15 %, measured).
pub(super) const FITTING_SHORT_MS_MAX: u64 = 10_000;

/// How a recording is recognised. Changing any of it makes old checkpoints useless, and they are not used.
#[derive(Debug, Clone, PartialEq)]
pub struct LongFormSettings {
    /// How sound is cut.
    pub window: WindowSettings,
    /// The language spoken.
    pub language: Language,
    /// Words likely to be said, as tokens.
    pub prompt: Vec<u32>,
    /// Hypotheses kept at the first attempt, 1 = greedy.
    pub beam: u8,
    /// How much of the encoder is computed.
    pub context: Context,
}

/// How much of the encoder is computed for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// All of it, as the model was trained.
    Full,
    /// What the window needs, up to 10 s: beyond it whisper.cpp loses text (CER 14–15 %, measured).
    FittingShort,
    /// What the window needs; our own engine reads no stale rows behind it.
    Fitting,
}

/// How hard a recording is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The fewest errors: long windows, and hypotheses side by side where the engine can afford them.
    Accurate,
    /// About two thirds of the work, a few more errors.
    Fast,
}

impl LongFormSettings {
    /// Returns what a preset means.
    pub fn of(preset: Preset, backend: Backend, language: Language, prompt: Vec<u32>) -> Self {
        let (window_ms_max, beam, context) = match (backend, preset) {
            (Backend::Native, Preset::Accurate) => (WINDOW_MS_MAX, RERUN_BEAM, Context::Fitting),
            (Backend::Native, Preset::Fast) => (WINDOW_MS_MAX, 1, Context::Fitting),
            (Backend::Whisper, Preset::Accurate) => (WINDOW_MS_MAX, 1, Context::Full),
            (Backend::Whisper, Preset::Fast) => (FITTING_SHORT_MS_MAX, 1, Context::FittingShort),
        };
        // Pauses up to 2.5 s stay inside: the model needs the context, and nothing is invented in so little.
        // Source: own bench, seven meetings with noise and echo: CER 8.0 %, with 24 s and pauses of 1.5 s 8.9 %.
        let window =
            WindowSettings { window_ms_max, inner_silence_ms_max: 2_500, overlap_ms: 300, pad_ms: 400 };
        Self { window, language, prompt, beam, context }
    }
}
