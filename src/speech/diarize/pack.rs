//! The high-accuracy pack: speakers told apart by the crate `speakrs`, which also hears two at once.
//!
//! Its weights are not part of the product: an administrator lays them into a folder, and they are loaded by path.

use std::path::Path;

use speakrs::{ExecutionMode, OwnedDiarizationPipeline};

use super::channels::marked;
use super::{SpeakerId, Turn};
use crate::audio::MediaSpan;

/// Longest recording that is held in memory for the pack: four hours are 0.9 GB.
pub const SAMPLES_MAX: usize = 4 * 3_600 * 16_000;

/// Why the pack cannot be used; the built-in way takes its place.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Its weights are missing or damaged: lay them into the folder and import them again.
    #[error("the weights of the speaker pack cannot be used: {0}")]
    Weights(String),
    /// It failed on this recording.
    #[error("the speaker pack failed: {0}")]
    Failed(String),
}

/// The pack, loaded.
pub struct Pack(OwnedDiarizationPipeline);

impl Pack {
    /// Loads the weights of a folder, whose files the caller has verified.
    ///
    /// Errors: [`PackError::Weights`].
    pub fn load(folder: &Path) -> Result<Self, PackError> {
        let pipeline = OwnedDiarizationPipeline::from_dir(folder, ExecutionMode::Cpu);
        pipeline.map(Self).map_err(|error| PackError::Weights(error.to_string()))
    }

    /// Tells who speaks when; the pack counts the speakers itself.
    ///
    /// Units: 16 kHz mono, a whole recording of at most [`SAMPLES_MAX`].
    /// Errors: [`PackError::Failed`].
    pub fn turns(&mut self, samples: &[f32]) -> Result<Vec<Turn>, PackError> {
        let found = self.0.run(samples).map_err(|error| PackError::Failed(error.to_string()))?;
        let mut segments = found.discrete_diarization.to_segments();
        segments.sort_by(|a, b| a.start.total_cmp(&b.start));
        let mut order: Vec<String> = Vec::new();
        let ms = |seconds: f64| (seconds.max(0.0) * 1000.0).round() as u64;
        let turn = |segment: &speakrs::Segment| {
            let known = order.iter().position(|name| *name == segment.speaker);
            let place = known.unwrap_or_else(|| {
                order.push(segment.speaker.clone());
                order.len() - 1
            });
            let span = MediaSpan::from_ms(ms(segment.start), ms(segment.end));
            Turn { span, speaker: SpeakerId(place as u16 + 1), overlap: false }
        };
        let turns: Vec<Turn> = segments.iter().map(turn).collect();
        Ok(marked(&turns))
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pack")
    }
}
