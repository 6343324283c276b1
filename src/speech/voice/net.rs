//! The whole network: mel frames of many windows to their embeddings.

use super::lstm::{Layer, State, Work};
use super::mel::{BANDS, HOP_SAMPLES, Mels};
use super::weights::{UNITS, Weights};
use super::{DIMENSIONS, Embedding, FRAME_MS, VoiceError, raised};
use crate::audio::MediaSpan;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// Frames of a window, as the network was trained: 1.6 s.
pub const WINDOW_FRAMES: usize = 160;

/// Most windows computed side by side.
///
/// Source: own bench; from 48 on nothing is gained.
const BATCH_WINDOWS: usize = 64;

/// Frames that go through all layers before the next ones do, so that what lies between them stays in cache.
const STRIDE_FRAMES: usize = 16;

/// Frames from one window to the next in [`Voice::embed`]: 0.4 s.
const STEP_FRAMES: usize = 40;

/// Loudest sample the network is shown.
const SAMPLE_ABS_MAX: f32 = 4.0;

/// The speaker encoder; shared by whoever listens.
#[derive(Debug)]
pub struct Voice {
    mels: Mels,
    layers: [Layer; 3],
    linear: Packed,
    bias: Vec<f32>,
}

impl Voice {
    /// Reads the bytes of `ge2e.safetensors`; computes with the best instructions this machine has.
    ///
    /// Errors: [`VoiceError::Weights`].
    pub fn load(bytes: &[u8]) -> Result<Self, VoiceError> {
        Self::load_for(bytes, Level::best())
    }

    /// Reads the weights for given instructions, which the machine must have.
    ///
    /// Errors: [`VoiceError::Weights`].
    pub fn load_for(bytes: &[u8], level: Level) -> Result<Self, VoiceError> {
        let weights = Weights::parse(bytes)?;
        let matrix = weights.tensor("linear.weight");
        Ok(Self {
            mels: Mels::new(),
            layers: [
                Layer::new(&weights, 0, BANDS, level),
                Layer::new(&weights, 1, UNITS, level),
                Layer::new(&weights, 2, UNITS, level),
            ],
            linear: Packed::pack(level, Precision::F32, DIMENSIONS, UNITS, matrix),
            bias: weights.tensor("linear.bias").to_vec(),
        })
    }

    /// Hears a stretch of one or more voices, without long pauses: one embedding every 0.4 s.
    ///
    /// Shape: windows of 1.6 s, the last one ending with the sound; one shorter window if the sound is shorter.
    /// Silence has no voice, and no embedding.
    /// Units: 16 kHz mono, full scale ±1; spans in milliseconds since the stretch began.
    pub fn embed(&self, samples: &[f32]) -> Vec<(MediaSpan, Embedding)> {
        let frames = self.frames(samples);
        let count = frames.len() / BANDS;
        let starts = starts(count, STEP_FRAMES);
        let windows: Vec<&[f32]> = starts.iter().map(|start| window(&frames, *start)).collect();
        let spans = starts.iter().map(|start| {
            let end_ms = (((start + WINDOW_FRAMES) * HOP_SAMPLES).min(samples.len()) / 16) as u64;
            MediaSpan::from_ms(*start as u64 * FRAME_MS, end_ms)
        });
        let heard = spans.zip(self.voices(&windows));
        heard.filter_map(|(span, voice)| Some((span, voice?))).collect()
    }

    /// Returns the mel frames of a stretch, raised to the level the network knows.
    pub fn frames(&self, samples: &[f32]) -> Vec<f32> {
        let believable = |sample: f32| {
            if sample.is_nan() { 0.0 } else { sample.clamp(-SAMPLE_ABS_MAX, SAMPLE_ABS_MAX) }
        };
        let mut samples: Vec<f32> = samples.iter().map(|sample| believable(*sample)).collect();
        let factor = raised(&samples);
        samples.iter_mut().for_each(|sample| *sample *= factor);
        self.mels.frames(&samples)
    }

    /// Returns the voice in each window, in their order; nothing where there is none.
    ///
    /// Shape: a window holds whole frames of [`BANDS`] values, at most [`WINDOW_FRAMES`] count.
    pub fn voices(&self, windows: &[&[f32]]) -> Vec<Option<Embedding>> {
        let mut voices: Vec<Option<Embedding>> = vec![None; windows.len()];
        let mut order: Vec<usize> = (0..windows.len()).collect();
        // Windows of one length are computed side by side.
        order.sort_by_key(|index| windows[*index].len());
        let mut work = Work::default();
        for same in order.chunk_by(|a, b| windows[*a].len() == windows[*b].len()) {
            for batch in same.chunks(BATCH_WINDOWS) {
                let heard: Vec<&[f32]> = batch.iter().map(|index| windows[*index]).collect();
                for (index, voice) in batch.iter().zip(self.batch(&heard, &mut work)) {
                    voices[*index] = voice;
                }
            }
        }
        voices
    }

    /// Computes windows of equal length.
    fn batch(&self, windows: &[&[f32]], work: &mut Work) -> Vec<Option<Embedding>> {
        let frames = windows.first().map_or(0, |window| window.len() / BANDS).min(WINDOW_FRAMES);
        let mut states = [State::new(windows.len()), State::new(windows.len()), State::new(windows.len())];
        let (mut layer_in, mut layer_out) = (Vec::new(), Vec::new());
        for first in (0..frames).step_by(STRIDE_FRAMES) {
            layer_in.clear();
            for frame in first..frames.min(first + STRIDE_FRAMES) {
                for window in windows {
                    layer_in.extend_from_slice(&window[frame * BANDS..][..BANDS]);
                }
            }
            for (layer, state) in self.layers.iter().zip(&mut states) {
                layer.advance(&layer_in, state, &mut layer_out, work);
                std::mem::swap(&mut layer_in, &mut layer_out);
            }
        }
        let mut directions = vec![0.0; windows.len() * DIMENSIONS];
        let (hidden, bias) = (states[2].hidden(), Some(self.bias.as_slice()));
        linear(hidden, windows.len(), &self.linear, bias, Tail::None, &mut directions, &mut Scratch::new());
        directions.iter_mut().for_each(|value| *value = value.max(0.0));
        directions.chunks_exact(DIMENSIONS).map(Embedding::new).collect()
    }
}

/// Returns where windows begin among `count` frames: every `step`, and one that ends with the last frame.
fn starts(count: usize, step: usize) -> Vec<usize> {
    let Some(last) = count.checked_sub(WINDOW_FRAMES) else { return vec![0] };
    let mut starts: Vec<usize> = (0..last).step_by(step).collect();
    // A window that begins a few frames before the last one says nothing new.
    if starts.len() > 1 && starts.last().is_some_and(|start| last - start < step / 2) {
        starts.pop();
    }
    starts.push(last);
    starts
}

fn window(frames: &[f32], start: usize) -> &[f32] {
    let end = frames.len().min((start + WINDOW_FRAMES) * BANDS);
    &frames[start * BANDS..end]
}
