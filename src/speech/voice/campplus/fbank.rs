//! Sound to the frames the network is shown: logarithms of 80 mel bands.

use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

/// Values of a frame.
pub const BANDS: usize = 80;

/// Samples of a frame: 25 ms.
pub const FRAME_SAMPLES: usize = 400;

/// Samples from one frame to the next: 10 ms.
pub const HOP_SAMPLES: usize = 160;

/// Points of one transform.
const POINTS: usize = 512;

/// Bins below half of the sample rate.
const BINS: usize = POINTS / 2;

/// Lowest frequency of the bank.
const LOW_HZ: f64 = 20.0;

/// Highest frequency of the bank.
const HIGH_HZ: f64 = 8_000.0;

/// How much of the sample before is taken away.
const EMPHASIS: f32 = 0.97;

/// Smallest power whose logarithm is taken.
const POWER_MIN: f32 = f32::EPSILON;

/// Computes frames; what does not depend on the sound is prepared once.
///
/// Source: Kaldi's `fbank` as 3D-Speaker calls it: no dither, mean of a frame taken away, emphasis 0.97, Povey's window,
/// 512 points, power, 80 triangles on O'Shaughnessy's mel scale from 20 Hz to 8 kHz, natural logarithm.
pub(super) struct Fbank {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    bands: Vec<(usize, Vec<f32>)>,
}

impl Fbank {
    /// Prepares window and filters.
    pub fn new() -> Self {
        let turn = std::f64::consts::TAU / (FRAME_SAMPLES - 1) as f64;
        // Povey's window is Hann's to the power of 0.85.
        let weight = |at: usize| (0.5 - 0.5 * (turn * at as f64).cos()).powf(0.85) as f32;
        Self {
            fft: FftPlanner::new().plan_fft_forward(POINTS),
            window: (0..FRAME_SAMPLES).map(weight).collect(),
            bands: (0..BANDS).map(band).collect(),
        }
    }

    /// Returns the frames that lie wholly within a sound; frame `i` begins at sample `i` × [`HOP_SAMPLES`].
    ///
    /// Shape: rows of [`BANDS`].
    pub fn frames(&self, samples: &[f32]) -> Vec<f32> {
        let count = (samples.len() + HOP_SAMPLES).saturating_sub(FRAME_SAMPLES) / HOP_SAMPLES;
        let mut rows = vec![0.0; count * BANDS];
        let mut points = vec![Complex32::default(); POINTS];
        let mut scratch = vec![Complex32::default(); self.fft.get_inplace_scratch_len()];
        let mut power = [0.0; BINS];
        // Two frames share a transform: one is its real part, one its imaginary part.
        for (pair, rows) in rows.chunks_mut(2 * BANDS).enumerate() {
            points.fill(Complex32::default());
            let frame = |index: usize| samples.get((2 * pair + index) * HOP_SAMPLES..)?.get(..FRAME_SAMPLES);
            self.lay(frame(0), &mut points, |point, value| point.re = value);
            self.lay(frame(1), &mut points, |point, value| point.im = value);
            self.fft.process_with_scratch(&mut points, &mut scratch);
            for (half, row) in rows.chunks_exact_mut(BANDS).enumerate() {
                for (bin, power) in power.iter_mut().enumerate() {
                    let (here, mirror) = (points[bin], points[(POINTS - bin) % POINTS].conj());
                    let whole = if half == 0 { here + mirror } else { here - mirror };
                    *power = 0.25 * whole.norm_sqr();
                }
                for (value, (first, weights)) in row.iter_mut().zip(&self.bands) {
                    let sum: f32 = weights.iter().zip(&power[*first..]).map(|(w, p)| w * p).sum();
                    *value = sum.max(POWER_MIN).ln();
                }
            }
        }
        rows
    }

    fn lay(&self, frame: Option<&[f32]>, points: &mut [Complex32], set: impl Fn(&mut Complex32, f32)) {
        let Some(frame) = frame else { return };
        let mean = frame.iter().sum::<f32>() / FRAME_SAMPLES as f32;
        let mut before = frame[0] - mean;
        for ((point, sample), weight) in points.iter_mut().zip(frame).zip(&self.window) {
            let here = sample - mean;
            set(point, (here - EMPHASIS * before) * weight);
            before = here;
        }
    }
}

impl std::fmt::Debug for Fbank {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Fbank")
    }
}

/// Returns the first bin of a band and the weights of its bins.
fn band(index: usize) -> (usize, Vec<f32>) {
    let (low, high) = (mel(LOW_HZ), mel(HIGH_HZ));
    let edge = |place: usize| low + (high - low) * place as f64 / (BANDS + 1) as f64;
    let (left, middle, right) = (edge(index), edge(index + 1), edge(index + 2));
    let weight = |bin: usize| {
        let at = mel(bin as f64 * 16_000.0 / POINTS as f64);
        ((at - left) / (middle - left)).min((right - at) / (right - middle)).max(0.0) as f32
    };
    let weights: Vec<f32> = (0..BINS).map(weight).collect();
    let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
    let end = weights.iter().rposition(|weight| *weight > 0.0).map_or(first, |last| last + 1);
    (first, weights[first..end].to_vec())
}

fn mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_loudest_in_the_band_around_it_and_ten_times_as_loud_by_ln_100() {
        let tone = |level: f32| -> Vec<f32> {
            (0..1_600).map(|at| level * (at as f32 * std::f32::consts::TAU / 16.0).sin()).collect()
        };
        let (quiet, loud) = (Fbank::new().frames(&tone(0.01)), Fbank::new().frames(&tone(0.1)));
        assert_eq!(loud.len(), 8 * BANDS);
        let row = &loud[3 * BANDS..4 * BANDS];
        let peak = (0..BANDS).max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("there are bands");
        let centre = mel(LOW_HZ) + (mel(HIGH_HZ) - mel(LOW_HZ)) * (peak + 1) as f64 / 81.0;
        assert!((centre - mel(1_000.0)).abs() < 35.0, "band {peak}");
        assert!((row[peak] - quiet[3 * BANDS + peak] - 100.0_f32.ln()).abs() < 1e-3);
    }

    #[test]
    fn silence_has_the_smallest_power_and_a_sound_shorter_than_a_frame_has_no_frame() {
        let silence = Fbank::new().frames(&[0.0; FRAME_SAMPLES]);
        assert_eq!(silence, [POWER_MIN.ln(); BANDS]);
        assert!(Fbank::new().frames(&[0.0; FRAME_SAMPLES - 1]).is_empty());
    }
}
