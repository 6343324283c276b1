//! Silero v6 for 16 kHz: how likely somebody speaks, every 32 ms.
//!
//! ```text
//! 64 samples kept + 512 new + 64 mirrored
//!   ─spectrum, every 128─► 4 × 129 ─conv1─► 4 × 128 ─conv2, every 2nd─► 2 × 64 ─conv3, every 2nd─► 64 ─conv4─► 128
//!   ─LSTM─► 128 ─ReLU, weighted sum, sigmoid─► probability
//! ```
//!
//! Source: network and weights of the Python package silero-vad 6.2.3 (MIT).

use super::VadError;
use super::conv::{Conv, Frames};
use super::lstm::{Lstm, LstmState, UNITS, sigmoid};
use super::spectrum::{BINS, FRAMES, Folds, STEP_SAMPLES, Spectrum, bin_at};
use super::weights::Weights;

/// Samples one probability stands for: 32 ms.
pub const FRAME_SAMPLES: usize = 512;

/// Samples of the frame before that the network sees again.
const CONTEXT_SAMPLES: usize = 64;

/// Most frames computed as one matrix product.
///
/// Source: own bench (benches/vad.rs); 16 to 128 are equally fast, and 32 keep the working memory under 1 MB.
const BATCH_FRAMES: usize = 32;

/// Loudest sample the network is shown; louder ones are cut to it.
///
/// Full scale is 1; the margin keeps wrongly scaled sound (16-bit numbers) working and every sum finite.
const SAMPLE_ABS_MAX: f32 = 32_768.0;

/// The network's weights, laid out for computing; shared by all streams.
#[derive(Debug, Clone)]
pub struct Silero {
    spectrum: Spectrum,
    convs: [(Conv, Frames); 4],
    lstm: Lstm,
    output_weights: [f32; UNITS],
    output_bias: f32,
}

/// One recording on its way through the network.
///
/// Neither state nor memory depends on how the recording is cut into pieces: the probabilities are equal to the bit.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// The context, then the samples that wait for a probability. Empty before the first sample.
    pending: Vec<f32>,
    state: LstmState,
    scratch: Scratch,
}

/// Working memory of one batch, kept so that a stream allocates only once.
#[derive(Debug, Clone, Default)]
struct Scratch {
    steps: Vec<[f32; STEP_SAMPLES]>,
    folds: Folds,
    layer: Vec<f32>,
    next_layer: Vec<f32>,
}

impl Silero {
    /// Reads the bytes of `silero_vad_16k.safetensors`.
    ///
    /// Errors: [`VadError::Weights`] if a tensor is missing, unknown, of another shape or number type, or damaged.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, VadError> {
        let weights = Weights::parse(bytes)?;
        let conv = |name| Conv::new(&weights, name, |channel| channel);
        let mut output_weights = [0.0; UNITS];
        output_weights.copy_from_slice(weights.tensor("final_conv.weight"));
        Ok(Self {
            spectrum: Spectrum::new(weights.tensor("stft_conv.weight"))?,
            convs: [
                (Conv::new(&weights, "conv1", bin_at), Frames { count: FRAMES, stride: 1 }),
                (conv("conv2"), Frames { count: FRAMES, stride: 2 }),
                (conv("conv3"), Frames { count: 2, stride: 2 }),
                (conv("conv4"), Frames { count: 1, stride: 1 }),
            ],
            lstm: Lstm::new(&weights),
            output_weights,
            output_bias: weights.tensor("final_conv.bias")[0],
        })
    }

    /// Appends the probability of every step in the scratch to `out`.
    ///
    /// Only the cell's own product has to wait for the step before; all else is computed for the whole batch.
    fn run(&self, scratch: &mut Scratch, state: &mut LstmState, out: &mut Vec<f32>) {
        let Scratch { steps, folds, layer, next_layer } = scratch;
        layer.resize(steps.len() * FRAMES * BINS, 0.0);
        self.spectrum.magnitudes(steps, folds, layer);
        for (conv, frames) in &self.convs {
            conv.run(layer, *frames, next_layer);
            std::mem::swap(layer, next_layer);
        }
        self.lstm.prepare(layer, next_layer);
        for gates in next_layer.as_chunks_mut().0 {
            let hidden = self.lstm.step(gates, state);
            out.push(self.probability(hidden));
        }
    }

    fn probability(&self, hidden: &[f32; UNITS]) -> f32 {
        let weighted =
            hidden.iter().zip(&self.output_weights).map(|(hidden, weight)| hidden.max(0.0) * weight);
        sigmoid(self.output_bias + weighted.sum::<f32>())
    }
}

impl Stream {
    /// Starts at the beginning of a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next samples and appends one probability for every whole frame that is now known.
    ///
    /// Units: 16 kHz mono, full scale ±1; a probability stands for [`FRAME_SAMPLES`].
    /// Range: samples beyond ±32,768 are cut, samples that are not a number count as silence.
    pub fn push(&mut self, net: &Silero, samples: &[f32], out: &mut Vec<f32>) {
        self.begin();
        let batch = CONTEXT_SAMPLES + BATCH_FRAMES * FRAME_SAMPLES;
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(batch - self.pending.len()));
            self.pending.extend(now.iter().map(|sample| believable(*sample)));
            self.run(net, out);
            rest = later;
        }
    }

    /// Ends the recording: a last short frame is filled up with silence. The stream can then take another recording.
    pub fn finish(&mut self, net: &Silero, out: &mut Vec<f32>) {
        if self.pending.len() > CONTEXT_SAMPLES {
            self.pending.resize(CONTEXT_SAMPLES + FRAME_SAMPLES, 0.0);
            self.run(net, out);
        }
        self.reset();
    }

    /// Forgets everything heard so far, as at the beginning of a recording.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.state = LstmState::default();
    }

    /// Puts the silence before the recording in front.
    fn begin(&mut self) {
        if self.pending.is_empty() {
            self.pending.resize(CONTEXT_SAMPLES, 0.0);
        }
    }

    /// Runs the whole frames that wait and keeps the context of the next.
    fn run(&mut self, net: &Silero, out: &mut Vec<f32>) {
        let frames = (self.pending.len() - CONTEXT_SAMPLES) / FRAME_SAMPLES;
        if frames == 0 {
            return;
        }
        let windows = self.pending.windows(CONTEXT_SAMPLES + FRAME_SAMPLES).step_by(FRAME_SAMPLES);
        self.scratch.steps.clear();
        self.scratch.steps.extend(windows.map(mirrored));
        net.run(&mut self.scratch, &mut self.state, out);
        self.pending.drain(..frames * FRAME_SAMPLES);
    }
}

/// Returns a sample the network can compute with.
fn believable(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-SAMPLE_ABS_MAX, SAMPLE_ABS_MAX) }
}

/// Returns context and frame, followed by their own end in reverse; the last sample itself is not repeated.
fn mirrored(window: &[f32]) -> [f32; STEP_SAMPLES] {
    let mut step = [0.0; STEP_SAMPLES];
    let (heard, mirror) = step.split_at_mut(window.len());
    heard.copy_from_slice(window);
    for (mirrored, sample) in mirror.iter_mut().zip(window.iter().rev().skip(1)) {
        *mirrored = *sample;
    }
    step
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::testing::{Random, random_net};
    use super::*;

    static NET: LazyLock<Silero> = LazyLock::new(random_net);

    /// Returns the bits of all probabilities when the samples come in pieces of these sizes, then the rest.
    fn heard(samples: &[f32], pieces: &[usize]) -> Vec<u32> {
        let (mut stream, mut out, mut rest) = (Stream::new(), Vec::new(), samples);
        for piece in pieces {
            let (now, later) = rest.split_at(rest.len().min(*piece));
            stream.push(&NET, now, &mut out);
            rest = later;
        }
        stream.push(&NET, rest, &mut out);
        stream.finish(&NET, &mut out);
        out.into_iter().map(f32::to_bits).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_pieces_give_the_same_bits_as_the_whole_recording(
            seed: u64,
            length in 0_usize..90_000,
            pieces in prop::collection::vec(prop_oneof![0_usize..40, 400_usize..1100, 0_usize..40_000], 0..40),
        ) {
            let samples = Random(seed).numbers(length);
            let whole = heard(&samples, &[]);
            prop_assert_eq!(whole.len(), length.div_ceil(FRAME_SAMPLES));
            prop_assert_eq!(heard(&samples, &pieces), whole);
        }
    }

    #[test]
    fn a_probability_comes_with_the_last_sample_of_its_frame_and_not_before() {
        let (mut stream, mut out) = (Stream::new(), Vec::new());
        stream.push(&NET, &[0.1; FRAME_SAMPLES - 1], &mut out);
        assert_eq!(out.len(), 0);
        stream.push(&NET, &[0.1], &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn the_network_hears_the_past() {
        let noise = Random(1).numbers(4 * FRAME_SAMPLES);
        let mut silence_first = vec![0.0; 2 * FRAME_SAMPLES];
        silence_first.extend(&noise[2 * FRAME_SAMPLES..]);
        assert_ne!(heard(&noise, &[])[3], heard(&silence_first, &[])[3]);
    }

    #[test]
    fn a_stream_that_was_finished_or_reset_starts_anew() {
        let noise = Random(2).numbers(5000);
        let fresh = heard(&noise, &[]);
        let (mut stream, mut out) = (Stream::new(), Vec::new());
        stream.push(&NET, &Random(3).numbers(7000), &mut out);
        stream.reset();
        for _ in 0..2 {
            out.clear();
            stream.push(&NET, &noise, &mut out);
            stream.finish(&NET, &mut out);
            assert_eq!(out.iter().map(|probability| probability.to_bits()).collect::<Vec<_>>(), fresh);
        }
    }

    #[test]
    fn a_last_short_frame_counts_as_filled_up_with_silence() {
        let mut noise = Random(4).numbers(2 * FRAME_SAMPLES + 100);
        let short = heard(&noise, &[]);
        noise.resize(3 * FRAME_SAMPLES, 0.0);
        assert_eq!(short, heard(&noise, &[]));
    }

    #[test]
    fn nothing_heard_gives_no_probability() {
        assert_eq!(heard(&[], &[]), Vec::<u32>::new());
    }

    #[test]
    fn samples_that_are_not_a_number_count_as_silence() {
        let mut noise = Random(5).numbers(2000);
        noise[700..900].fill(f32::NAN);
        let broken = heard(&noise, &[]);
        noise[700..900].fill(0.0);
        assert_eq!(broken, heard(&noise, &[]));
    }

    #[test]
    fn every_sound_gives_a_probability() {
        let alternating = |peak: f32| (0..4000).map(|i| if i % 7 < 3 { peak } else { -peak }).collect();
        let sounds: [Vec<f32>; 5] = [
            vec![0.0; 4000],
            alternating(1.0),
            alternating(f32::MAX),
            alternating(f32::INFINITY),
            vec![1e30; 4000],
        ];
        for (i, samples) in sounds.iter().enumerate() {
            let probable = |bits: &u32| (0.0..=1.0).contains(&f32::from_bits(*bits));
            assert!(heard(samples, &[]).iter().all(probable), "sound {i}");
        }
    }
}
