//! Sound to what the network's memory is shown: three convolutions, each with a pool and a norm.

use super::WINDOW_SAMPLES;
use super::filters::{FILTER_SAMPLES, filters};
use super::weights::{CHANNELS, TAPS};
use crate::speech::model::tensors::Tensors;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// Samples between two places of a filter.
const FILTER_STEP: usize = 10;

/// Frames of which the largest is kept.
const POOL: usize = 3;

/// Guard of the variances.
///
/// Source: PyTorch's default for instance norms.
const NORM_EPSILON: f64 = 1e-5;

/// What is left of a negative value.
///
/// Source: PyTorch's default for leaky rectifiers.
const LEAK: f32 = 0.01;

/// Pooled frames that are computed at once, so that their operands stay in cache.
const STRETCH: usize = 64;

/// The convolutions.
#[derive(Debug)]
pub(super) struct Front {
    norm: (f32, f32),
    stages: [Stage; 3],
}

/// Working memory of [`Front::run`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct Work {
    here: Vec<f32>,
    next: Vec<f32>,
    operands: Vec<f32>,
    sums: Vec<f32>,
    scratch: Scratch,
}

impl Front {
    /// Takes the tensors.
    pub fn new(weights: &Tensors, level: Level) -> Self {
        let first = |name: &str| weights.get(&format!("sincnet.wav_norm1d.{name}"))[0];
        Self {
            norm: (first("weight"), first("bias")),
            stages: [
                Stage::bands(weights, level),
                Stage::convolution(weights, level, 1),
                Stage::convolution(weights, level, 2),
            ],
        }
    }

    /// Returns the frames of a window; what is missing of it counts as silence.
    ///
    /// Shape: [`super::FRAMES`] rows of 60 channels.
    pub fn run<'a>(&self, samples: &[f32], work: &'a mut Work) -> &'a [f32] {
        let Work { here, next, operands, sums, scratch } = work;
        self.listen(samples, here);
        for stage in &self.stages {
            stage.run(here, next, (operands, sums, scratch));
            std::mem::swap(here, next);
        }
        here
    }

    fn listen(&self, samples: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(samples.iter().take(WINDOW_SAMPLES).map(|sample| believable(*sample)));
        out.resize(WINDOW_SAMPLES, 0.0);
        normalise(out, 1, &[self.norm.0], &[self.norm.1]);
    }
}

/// Loudest sample the network is shown.
const SAMPLE_ABS_MAX: f32 = 4.0;

fn believable(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-SAMPLE_ABS_MAX, SAMPLE_ABS_MAX) }
}

/// A convolution, the largest of three, a norm over the window, and a leaky rectifier.
#[derive(Debug)]
struct Stage {
    matrix: Packed,
    bias: Vec<f32>,
    /// Values from where one row of operands begins to where the next one does.
    step: usize,
    /// Whether the sign of the sums is dropped: a band-pass tells how much, not in which phase.
    is_magnitude: bool,
    gain: Vec<f32>,
    shift: Vec<f32>,
}

impl Stage {
    fn bands(weights: &Tensors, level: Level) -> Self {
        let matrix = Packed::pack(level, Precision::F32, CHANNELS[0], FILTER_SAMPLES, &filters(weights));
        Self::new(weights, 0, matrix, (vec![0.0; CHANNELS[0]], FILTER_STEP))
    }

    fn convolution(weights: &Tensors, level: Level, index: usize) -> Self {
        let (inputs, outputs) = (CHANNELS[index - 1], CHANNELS[index]);
        let tensor = |kind: &str| weights.get(&format!("sincnet.conv1d.{index}.{kind}"));
        // A row of operands is frame after frame, the stored weights are channel after channel.
        let stored = tensor("weight").chunks_exact(inputs * TAPS);
        let ordered: Vec<f32> = stored
            .flat_map(|row| (0..TAPS * inputs).map(|at| row[at % inputs * TAPS + at / inputs]))
            .collect();
        let matrix = Packed::pack(level, Precision::F32, outputs, inputs * TAPS, &ordered);
        Self::new(weights, index, matrix, (tensor("bias").to_vec(), inputs))
    }

    fn new(weights: &Tensors, index: usize, matrix: Packed, (bias, step): (Vec<f32>, usize)) -> Self {
        let norm = |kind: &str| weights.get(&format!("sincnet.norm1d.{index}.{kind}")).to_vec();
        Self { matrix, bias, step, is_magnitude: index == 0, gain: norm("weight"), shift: norm("bias") }
    }

    /// Computes the frames behind the pool.
    ///
    /// Shape: `x` holds frames of one channel (sound) or of as many as a step is long.
    fn run(&self, x: &[f32], out: &mut Vec<f32>, work: (&mut Vec<f32>, &mut Vec<f32>, &mut Scratch)) {
        let (operands, sums, scratch) = work;
        let (width, channels) = (self.matrix.k(), self.matrix.n());
        let pooled = ((x.len() - width) / self.step + 1) / POOL;
        out.resize(pooled * channels, 0.0);
        for (index, out) in out.chunks_mut(STRETCH * channels).enumerate() {
            let first = index * STRETCH * POOL;
            let rows = out.len() / channels * POOL;
            operands.clear();
            for row in first..first + rows {
                operands.extend_from_slice(&x[row * self.step..][..width]);
            }
            sums.resize(rows * channels, 0.0);
            linear(operands, rows, &self.matrix, Some(&self.bias), Tail::None, sums, scratch);
            if self.is_magnitude {
                sums.iter_mut().for_each(|sum| *sum = sum.abs());
            }
            pool(sums, channels, out);
        }
        normalise(out, channels, &self.gain, &self.shift);
        leak(out);
    }
}

fn pool(sums: &[f32], channels: usize, out: &mut [f32]) {
    for (sums, out) in sums.chunks_exact(POOL * channels).zip(out.chunks_exact_mut(channels)) {
        let (first, rest) = sums.split_at(channels);
        let (second, third) = rest.split_at(channels);
        for (out, ((first, second), third)) in out.iter_mut().zip(first.iter().zip(second).zip(third)) {
            *out = first.max(*second).max(*third);
        }
    }
}

/// Leaves one in a hundred of what is negative.
pub(super) fn leak(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0) + LEAK * value.min(0.0);
    }
}

/// Brings each channel to mean 0 and variance 1 over the window, then scales and shifts it.
fn normalise(x: &mut [f32], channels: usize, gain: &[f32], shift: &[f32]) {
    let frames = (x.len() / channels) as f64;
    let mut means = vec![0.0; channels];
    for frame in x.chunks_exact(channels) {
        for (mean, value) in means.iter_mut().zip(frame) {
            *mean += f64::from(*value);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= frames);
    let mut squares = vec![0.0; channels];
    for frame in x.chunks_exact(channels) {
        for ((square, mean), value) in squares.iter_mut().zip(&means).zip(frame) {
            let away = f64::from(*value) - mean;
            *square += away * away;
        }
    }
    let scales: Vec<f32> = squares
        .iter()
        .zip(gain)
        .map(|(square, gain)| (f64::from(*gain) / (square / frames + NORM_EPSILON).sqrt()) as f32)
        .collect();
    let means: Vec<f32> = means.iter().map(|mean| *mean as f32).collect();
    for frame in x.chunks_exact_mut(channels) {
        for (((value, mean), scale), shift) in frame.iter_mut().zip(&means).zip(&scales).zip(shift) {
            *value = (*value - mean) * scale + shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_brought_to_its_gain_and_shift_whatever_it_was() {
        let mut x = [1.0, -50.0, 3.0, 50.0, 5.0, -50.0, 7.0, 50.0];
        normalise(&mut x, 2, &[1.0, 2.0], &[0.0, 10.0]);
        let mean = |channel: usize| (0..4).map(|frame| x[frame * 2 + channel]).sum::<f32>() / 4.0;
        assert!(mean(0).abs() < 1e-6 && (mean(1) - 10.0).abs() < 1e-6, "{x:?}");
        assert!((x[3] - 12.0).abs() < 1e-4 && (x[0] + 3.0 / 5.0_f32.sqrt()).abs() < 1e-4, "{x:?}");
    }

    #[test]
    fn the_largest_of_three_frames_is_kept_for_each_channel() {
        let mut out = [0.0; 2];
        pool(&[1.0, -3.0, 2.0, -1.0, 0.0, -2.0], 2, &mut out);
        assert_eq!(out, [2.0, -1.0]);
        leak(&mut out);
        assert_eq!(out, [2.0, -0.01]);
    }
}
