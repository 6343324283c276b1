//! Sound becomes who of up to three people speaks at each moment, also where two speak at once.
//!
//! - **In**: windows of 10 s, 16 kHz mono, and the bytes of the network's weights.
//! - **Out**: an [`Activity`] for each window: log-probabilities of the seven combinations of speakers, every 17 ms.
//! - **Never**: opens a file, starts a thread, or says that the first speaker of one window is the first of another.
//!
//! ```text
//! samples ─norm─► ─80 band-passes, convolutions, pools─► 589 frames of 60 ─4 × LSTM, both ways─► ─3 × linear─► 7
//! ```
//!
//! Source: network "PyanNet" and weights of pyannote segmentation-3.0 (MIT); Bredin, "pyannote.audio 2.1 speaker
//! diarization pipeline", and Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker
//! diarization", both Interspeech 2023; filters after Ravanelli and Bengio, "Speaker recognition from raw waveform
//! with SincNet", 2018.

mod activity;
mod filters;
mod front;
mod lstm;
mod net;
pub mod weights;

pub use activity::{Activity, CLASSES, SPEAKERS, speakers_of};
pub use net::Segmenter;

/// Samples that the network hears at once: 10 s.
pub const WINDOW_SAMPLES: usize = 160_000;

/// Frames of a whole window.
pub const FRAMES: usize = 589;

/// Samples from one frame to the next.
pub const FRAME_STEP_SAMPLES: usize = 270;

/// Samples that the convolutions see for one frame; the first frame begins with the window.
pub const FRAME_SAMPLES: usize = 991;

/// Returns the sample of the window in the middle of a frame.
pub fn frame_centre(frame: usize) -> usize {
    frame * FRAME_STEP_SAMPLES + FRAME_SAMPLES / 2
}

/// Returns how many frames have their middle within the first `samples` of a window, at most [`FRAMES`].
pub fn frames_within(samples: usize) -> usize {
    samples.saturating_sub(FRAME_SAMPLES / 2).div_ceil(FRAME_STEP_SAMPLES).min(FRAMES)
}

/// Why no network can be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SegmentationError {
    /// The weights are not those of the segmentation network, or are damaged: import them again.
    #[error("the weights of the segmentation are unusable: {0}")]
    Weights(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_whose_middle_lies_behind_the_sound_do_not_count() {
        assert_eq!(frames_within(WINDOW_SAMPLES), FRAMES);
        assert_eq!(frames_within(0), 0);
        assert_eq!(frames_within(frame_centre(0)), 0);
        for frame in [0, 1, 100, FRAMES - 1] {
            assert_eq!(frames_within(frame_centre(frame) + 1), frame + 1);
        }
    }

    #[test]
    fn the_last_frame_ends_within_the_window() {
        assert!((FRAMES - 1) * FRAME_STEP_SAMPLES + FRAME_SAMPLES <= WINDOW_SAMPLES);
    }
}
