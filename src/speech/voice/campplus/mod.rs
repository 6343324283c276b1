//! A second encoder, for telling speakers apart within a recording: finer than GE2E, and of any length of sound.
//!
//! - **In**: 16 kHz mono samples, and the bytes of the network's weights.
//! - **Out**: a [`Timbre`] for any frames of a sound.
//! - **Never**: opens a file, prints a voice, or leaves a recording: names are looked up by
//!   [`Embedding`](super::Embedding) alone.
//!
//! ```text
//! frames of 80 ─minus their mean─► convolutions ─► 52 dense layers under masks ─► mean, spread ─► direction of 192
//! ```
//!
//! Source: Wang and others, "CAM++: a fast and efficient network for speaker verification using context-aware masking",
//! Interspeech 2023; weights of 3D-Speaker's `speech_campplus_sv_zh_en_16k-common_advanced` (Apache-2.0).

mod dense;
mod fbank;
mod head;
pub mod weights;

pub use fbank::{BANDS, FRAME_SAMPLES, HOP_SAMPLES};

use dense::{Dense, statistics};
use fbank::Fbank;
use head::Head;
use weights::{DIMENSIONS, LAST, Norm, parse};

use super::VoiceError;
use super::embedding::Direction;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// A voice within one recording.
pub type Timbre = Direction<DIMENSIONS>;

/// Fewest frames in which there is a voice: 0.1 s.
pub const FRAMES_MIN: usize = 10;

/// Loudest sample the network is shown.
const SAMPLE_ABS_MAX: f32 = 4.0;

/// The encoder; shared by whoever listens.
#[derive(Debug)]
pub struct Campplus {
    fbank: Fbank,
    head: Head,
    dense: Dense,
    last: Packed,
    bias: Vec<f32>,
}

/// Memory of [`Campplus::timbre`], kept between calls.
#[derive(Debug, Default)]
pub struct Work {
    head: head::Work,
    dense: dense::Work,
    centred: Vec<f32>,
    planes: Vec<f32>,
    rows: Vec<f32>,
    scratch: Scratch,
}

impl Campplus {
    /// Reads the bytes of `campplus.safetensors`; computes with the best instructions this machine has.
    ///
    /// Errors: [`VoiceError::Weights`].
    pub fn load(bytes: &[u8]) -> Result<Self, VoiceError> {
        Self::load_for(bytes, Level::best())
    }

    /// Reads the weights for given instructions, which the machine must have.
    ///
    /// Errors: [`VoiceError::Weights`].
    pub fn load_for(bytes: &[u8], level: Level) -> Result<Self, VoiceError> {
        let weights = parse(bytes)?;
        let rows = weights.get("xvector.dense.linear.weight").to_vec();
        let (rows, bias) = Norm::plain(&weights, "xvector.dense.nonlinear.batchnorm").into_rows(rows);
        Ok(Self {
            fbank: Fbank::new(),
            head: Head::new(&weights, level),
            dense: Dense::new(&weights, level),
            last: Packed::pack(level, Precision::F32, DIMENSIONS, 2 * LAST, &rows),
            bias,
        })
    }

    /// Returns the frames that lie wholly within a sound; frame `i` begins at sample `i` × [`HOP_SAMPLES`].
    ///
    /// Shape: rows of [`BANDS`].
    /// Units: 16 kHz mono, full scale ±1.
    pub fn frames(&self, samples: &[f32]) -> Vec<f32> {
        let believable = |sample: &f32| {
            if sample.is_nan() { 0.0 } else { sample.clamp(-SAMPLE_ABS_MAX, SAMPLE_ABS_MAX) }
        };
        self.fbank.frames(&samples.iter().map(believable).collect::<Vec<f32>>())
    }

    /// Returns the voice in some frames, which need not follow each other; nothing in fewer than [`FRAMES_MIN`].
    ///
    /// Shape: rows of [`BANDS`].
    pub fn timbre(&self, frames: &[f32], work: &mut Work) -> Option<Timbre> {
        if frames.len() < FRAMES_MIN * BANDS {
            return None;
        }
        let Work { head, dense, centred, planes, rows, scratch } = work;
        centre(frames, centred);
        self.head.run(centred, planes, head);
        self.dense.run(planes, rows, dense);
        let mut direction = [0.0; DIMENSIONS];
        let statistics = statistics(rows);
        linear(&statistics, 1, &self.last, Some(&self.bias), Tail::None, &mut direction, scratch);
        Timbre::new(&direction)
    }
}

/// Takes the mean of each band away, and with it what the room and the microphone do to all of the sound.
fn centre(frames: &[f32], out: &mut Vec<f32>) {
    let mut means = [0.0; BANDS];
    for frame in frames.chunks_exact(BANDS) {
        means.iter_mut().zip(frame).for_each(|(mean, value)| *mean += value);
    }
    let count = (frames.len() / BANDS).max(1) as f32;
    out.clear();
    for frame in frames.chunks_exact(BANDS) {
        out.extend(frame.iter().zip(&means).map(|(value, sum)| value - sum / count));
    }
}
