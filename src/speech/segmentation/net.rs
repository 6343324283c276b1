//! The whole network: windows of sound to who speaks in them.

use super::front::{self, Front, leak};
use super::lstm::{self, Layer};
use super::weights::{CHANNELS, LAYERS, UNITS, parse};
use super::{Activity, CLASSES, FRAMES, SegmentationError, frames_within};
use crate::speech::model::tensors::Tensors;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear, log_sum_exp};

/// Most windows computed side by side.
///
/// Source: own bench; from 8 on nothing is gained, and all rows of the kernels' blocks are used.
const BATCH_WINDOWS: usize = 12;

/// The segmentation network; shared by whoever listens.
#[derive(Debug)]
pub struct Segmenter {
    front: Front,
    layers: Vec<Layer>,
    hidden: [Linear; 2],
    classifier: Linear,
}

#[derive(Debug)]
struct Linear {
    matrix: Packed,
    bias: Vec<f32>,
}

impl Segmenter {
    /// Reads the bytes of `segmentation-3.safetensors`; computes with the best instructions this machine has.
    ///
    /// Errors: [`SegmentationError::Weights`].
    pub fn open(weights: &[u8]) -> Result<Self, SegmentationError> {
        Self::open_for(weights, Level::best())
    }

    /// Reads the weights for given instructions, which the machine must have.
    ///
    /// Errors: [`SegmentationError::Weights`].
    pub fn open_for(weights: &[u8], level: Level) -> Result<Self, SegmentationError> {
        let weights = parse(weights)?;
        let layer = |index| {
            let inputs = if index == 0 { CHANNELS[2] } else { 2 * UNITS };
            Layer::new(&weights, index, inputs, level)
        };
        Ok(Self {
            front: Front::new(&weights, level),
            layers: (0..LAYERS).map(layer).collect(),
            hidden: [
                Linear::new(&weights, "linear.0", (2 * UNITS, UNITS), level),
                Linear::new(&weights, "linear.1", (UNITS, UNITS), level),
            ],
            classifier: Linear::new(&weights, "classifier", (UNITS, CLASSES), level),
        })
    }

    /// Tells who speaks in one window.
    ///
    /// Shape: of the sound at most [`super::WINDOW_SAMPLES`] count; a shorter window is heard as if silence followed, and
    /// has no frames behind its end.
    /// Units: 16 kHz mono, full scale ±1; loudness hardly matters, but for sound below -50 dB, which is taken for quieter.
    pub fn window(&self, samples: &[f32]) -> Activity {
        let mut activities = self.windows(&[samples]);
        activities.pop().expect("as many come out as went in")
    }

    /// Tells who speaks in each of several windows, in their order: side by side, so that each costs less.
    pub fn windows(&self, windows: &[&[f32]]) -> Vec<Activity> {
        let mut work = Work::default();
        windows.chunks(BATCH_WINDOWS).flat_map(|batch| self.batch(batch, &mut work)).collect()
    }

    fn batch(&self, windows: &[&[f32]], work: &mut Work) -> Vec<Activity> {
        let Work { front, memory, here, next } = work;
        here.clear();
        here.resize(FRAMES * windows.len() * CHANNELS[2], 0.0);
        for (index, samples) in windows.iter().enumerate() {
            let rows = self.front.run(samples, front).chunks_exact(CHANNELS[2]);
            let places = here.chunks_exact_mut(CHANNELS[2]).skip(index).step_by(windows.len());
            places.zip(rows).for_each(|(place, row)| place.copy_from_slice(row));
        }
        for layer in &self.layers {
            layer.run(here, windows.len(), next, memory);
            std::mem::swap(here, next);
        }
        for linear in &self.hidden {
            linear.run(here, next, &mut memory.scratch);
            leak(next);
            std::mem::swap(here, next);
        }
        self.classifier.run(here, next, &mut memory.scratch);
        let (scores, _) = next.as_chunks::<CLASSES>();
        let activity = |(index, samples): (usize, &&[f32])| {
            let frames = scores.iter().skip(index).step_by(windows.len()).take(frames_within(samples.len()));
            Activity { frames: frames.map(log_probabilities).collect() }
        };
        windows.iter().enumerate().map(activity).collect()
    }
}

/// Memory of a batch.
#[derive(Debug, Default)]
struct Work {
    front: front::Work,
    memory: lstm::Work,
    here: Vec<f32>,
    next: Vec<f32>,
}

impl Linear {
    fn new(weights: &Tensors, name: &str, (inputs, outputs): (usize, usize), level: Level) -> Self {
        let matrix = weights.get(&format!("{name}.weight"));
        Self {
            matrix: Packed::pack(level, Precision::F32, outputs, inputs, matrix),
            bias: weights.get(&format!("{name}.bias")).to_vec(),
        }
    }

    fn run(&self, x: &[f32], out: &mut Vec<f32>, scratch: &mut Scratch) {
        let rows = x.len() / self.matrix.k();
        out.resize(rows * self.matrix.n(), 0.0);
        linear(x, rows, &self.matrix, Some(&self.bias), Tail::None, out, scratch);
    }
}

fn log_probabilities(scores: &[f32; CLASSES]) -> [f32; CLASSES] {
    let sum = log_sum_exp(scores);
    scores.map(|score| score - sum)
}
