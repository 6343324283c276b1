//! Sound to mel frames, the network's input: power, without a logarithm.

use crate::speech::model::mel::filterbank;
use crate::speech::native::mel::{FFT_POINTS, FrontEnd, HOP};

/// Values of a frame.
pub const BANDS: usize = 40;

/// Samples from one frame to the next.
pub const HOP_SAMPLES: usize = HOP;

/// Computes mel frames; what does not depend on the sound is prepared once.
pub struct Mels(FrontEnd);

impl Mels {
    /// Prepares the filters.
    pub fn new() -> Self {
        Self(FrontEnd::new(&filterbank(BANDS)))
    }

    /// Returns all frames of a sound: frame `i` is centred on sample `i` × [`HOP_SAMPLES`], silence lies around.
    ///
    /// Shape: `samples / HOP_SAMPLES + 1` rows of [`BANDS`].
    /// Source: librosa's `melspectrogram` as the reference package calls it: 400-point periodic Hann window, hop 160,
    /// centred frames padded with zeros, squared magnitudes, Slaney's filters with area norm, 0 to 8 kHz.
    pub fn frames(&self, samples: &[f32]) -> Vec<f32> {
        let frames = samples.len() / HOP_SAMPLES + 1;
        let mut padded = vec![0.0; FFT_POINTS / 2];
        padded.extend_from_slice(samples);
        padded.resize((frames + 1) * HOP_SAMPLES + FFT_POINTS, 0.0);
        let mut rows = vec![0.0; frames * BANDS];
        self.0.powers(&padded, &mut rows);
        rows
    }
}

impl Default for Mels {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Mels {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Mels")
    }
}
