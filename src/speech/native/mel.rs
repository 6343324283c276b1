//! Sound to log-mel frames, the encoder's input.

use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use crate::speech::model::mel::BINS;

/// Points of one transform: 25 ms.
pub const FFT_POINTS: usize = 400;
/// Samples from one frame to the next: 10 ms.
pub const HOP: usize = 160;
/// Smallest power whose logarithm is taken.
const POWER_MIN: f32 = 1e-10;
/// How far below the loudest band of the call others may lie, in powers of ten.
const RANGE: f32 = 8.0;

/// Distance of a loud frame from the loudest: 30 dB, three powers of ten, in scaled values.
const LOUD: f32 = 3.0 / 4.0;

/// One triangular filter: its first bin and its weights.
#[derive(Debug)]
struct Band {
    first: usize,
    weights: Vec<f32>,
}

/// Log-mel frames of one window.
///
/// Shape: time-major with one frame of zeros before and after, so that a convolution over three frames reads
/// one run of values; `frames + 2` rows of `bands`.
#[derive(Debug, Clone)]
pub struct Mel {
    /// All rows.
    pub values: Vec<f32>,
    /// Frames of 10 ms, without the two of padding.
    pub frames: usize,
    /// Values per frame, 80 or 128.
    pub bands: usize,
}

impl Mel {
    /// Returns the frame behind which only `frames` frames are loud, 0 if there are fewer.
    ///
    /// A frame is loud if its loudest band lies within 30 dB of the loudest of all.
    pub fn end_without(&self, frames: usize) -> usize {
        let rows = || self.values.chunks_exact(self.bands).skip(1).take(self.frames);
        let peak = |row: &[f32]| row.iter().copied().fold(f32::MIN, f32::max);
        let bar = rows().map(peak).fold(f32::MIN, f32::max) - LOUD;
        let mut loud = rows().enumerate().filter(|(_, row)| peak(row) > bar).map(|(frame, _)| frame);
        loud.nth_back(frames).unwrap_or(0)
    }
}

/// Computes [`Mel`]: everything that does not depend on the sound is prepared once.
pub struct FrontEnd {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    bands: Vec<Band>,
}

impl FrontEnd {
    /// Takes a filter bank of [`BINS`] columns, row-major.
    pub fn new(filters: &[f32]) -> Self {
        let step = 2.0 * std::f64::consts::PI / FFT_POINTS as f64;
        let window = (0..FFT_POINTS).map(|point| (0.5 - 0.5 * (step * point as f64).cos()) as f32).collect();
        let bands = filters.chunks_exact(BINS).map(Band::of_row).collect();
        Self { fft: FftPlanner::new().plan_fft_forward(FFT_POINTS), window, bands }
    }

    /// Returns the first `frames` frames of `samples` followed by silence.
    ///
    /// Range: the loudest band of the call sets the floor of all others, as in Whisper.
    /// Source: Whisper's `log_mel_spectrogram`: periodic Hann window, centred frames, reflected start.
    pub fn frames(&self, samples: &[f32], frames: usize) -> Mel {
        let bands = self.bands.len();
        let mut values = vec![POWER_MIN.log10(); (frames + 2) * bands];
        let body = &mut values[bands..(frames + 1) * bands];
        // A frame reaches 200 samples to both sides of its centre: what lies behind is silence.
        let sounding = frames.min((samples.len() + FFT_POINTS / 2).div_ceil(HOP));
        let padded = reflected(samples, sounding);
        let body_sounding = &mut body[..sounding * bands];
        self.powers(&padded, body_sounding);
        body_sounding.iter_mut().for_each(|value| *value = value.max(POWER_MIN).log10());
        compress(body);
        values[..bands].fill(0.0);
        values[(frames + 1) * bands..].fill(0.0);
        Mel { values, frames, bands }
    }

    /// Writes the power in each band, without a logarithm, as many frames as `rows` holds.
    ///
    /// Shape: frame `i` lies over the [`FFT_POINTS`] samples from `i` × [`HOP`] on; one more frame must be there than
    /// is asked for.
    pub fn powers(&self, samples: &[f32], rows: &mut [f32]) {
        let bands = self.bands.len();
        let mut work = Work::new(self.fft.get_inplace_scratch_len());
        for (pair, rows) in rows.chunks_mut(2 * bands).enumerate() {
            self.pair(&samples[2 * pair * HOP..], rows, &mut work);
        }
    }

    /// Computes two frames with one complex transform: one in the real part, one in the imaginary part.
    fn pair(&self, samples: &[f32], rows: &mut [f32], work: &mut Work) {
        for (point, slot) in work.points.iter_mut().enumerate() {
            let weight = self.window[point];
            *slot = Complex32::new(samples[point] * weight, samples[point + HOP] * weight);
        }
        self.fft.process_with_scratch(&mut work.points, &mut work.scratch);
        for bin in 0..BINS {
            let (here, mirror) = (work.points[bin], work.points[(FFT_POINTS - bin) % FFT_POINTS].conj());
            // The halves carry a factor 1/2 each, the power therefore 1/4.
            work.power[0][bin] = 0.25 * (here + mirror).norm_sqr();
            work.power[1][bin] = 0.25 * (here - mirror).norm_sqr();
        }
        for (row, power) in rows.chunks_exact_mut(self.bands.len()).zip(&work.power) {
            for (value, band) in row.iter_mut().zip(&self.bands) {
                *value = band.sum(power);
            }
        }
    }
}

impl Band {
    fn of_row(row: &[f32]) -> Self {
        let first = row.iter().position(|weight| *weight != 0.0).unwrap_or(0);
        let end = row.iter().rposition(|weight| *weight != 0.0).map_or(first, |last| last + 1);
        Self { first, weights: row[first..end].to_vec() }
    }

    fn sum(&self, power: &[f32]) -> f32 {
        self.weights.iter().zip(&power[self.first..]).map(|(weight, power)| weight * power).sum()
    }
}

/// Buffers of one call.
struct Work {
    points: Vec<Complex32>,
    scratch: Vec<Complex32>,
    power: [Vec<f32>; 2],
}

impl Work {
    fn new(scratch: usize) -> Self {
        let zero = Complex32::default();
        let power = || vec![0.0; BINS];
        Self { points: vec![zero; FFT_POINTS], scratch: vec![zero; scratch], power: [power(), power()] }
    }
}

/// Lays the sound out so that frame `i` begins at `i * HOP`: half a frame mirrored in front, silence behind.
fn reflected(samples: &[f32], frames: usize) -> Vec<f32> {
    let half = FFT_POINTS / 2;
    let mut padded = Vec::with_capacity((frames + 1) * HOP + FFT_POINTS);
    padded.extend((1..=half).rev().map(|index| samples.get(index).copied().unwrap_or(0.0)));
    padded.extend_from_slice(samples);
    padded.resize((frames + 1) * HOP + FFT_POINTS, 0.0);
    padded
}

/// Bounds the range below the loudest value and scales to about [-1, 1].
fn compress(values: &mut [f32]) {
    let floor = values.iter().copied().fold(f32::MIN, f32::max) - RANGE;
    for value in values {
        *value = (value.max(floor) + 4.0) / 4.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::model::mel::filterbank;

    /// Computes one frame by the definition, in double precision.
    fn defined_log_mel(samples: &[f32], frame: usize, filters: &[f32]) -> Vec<f64> {
        let sample =
            |index: i64| f64::from(samples.get(index.unsigned_abs() as usize).copied().unwrap_or(0.0));
        let turn = 2.0 * std::f64::consts::PI / FFT_POINTS as f64;
        let power = |bin: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for point in 0..FFT_POINTS {
                let value = sample(frame as i64 * 160 + point as i64 - 200)
                    * (0.5 - 0.5 * (turn * point as f64).cos());
                re += value * (turn * (point * bin) as f64).cos();
                im += value * (turn * (point * bin) as f64).sin();
            }
            re * re + im * im
        };
        let powers: Vec<f64> = (0..BINS).map(power).collect();
        let sum = |row: &[f32]| {
            row.iter().zip(&powers).map(|(weight, power)| f64::from(*weight) * power).sum::<f64>()
        };
        filters.chunks_exact(BINS).map(|row| sum(row).max(1e-10).log10()).collect()
    }

    fn chirp(length: usize) -> Vec<f32> {
        (0..length).map(|index| (index as f32 * index as f32 * 1e-5).sin() * 0.3).collect()
    }

    #[test]
    fn frames_equal_the_definition_whether_their_number_is_even_or_odd() {
        let filters = filterbank(80);
        let samples = chirp(4_000);
        for frames in [3, 4, 40] {
            let mel = FrontEnd::new(&filters).frames(&samples, frames);
            let raw: Vec<Vec<f64>> =
                (0..frames).map(|frame| defined_log_mel(&samples, frame, &filters)).collect();
            let floor = raw.iter().flatten().copied().fold(f64::MIN, f64::max) - 8.0;
            for (frame, row) in raw.iter().enumerate() {
                for (band, value) in row.iter().enumerate() {
                    let found = f64::from(mel.values[(frame + 1) * 80 + band]);
                    assert!(
                        (found - (value.max(floor) + 4.0) / 4.0).abs() < 1e-3,
                        "frame {frame}, band {band}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_end_of_the_sound_is_found_in_front_of_silence() {
        let mut samples = chirp(32_000);
        samples.resize(80_000, 0.001);
        let mel = FrontEnd::new(&filterbank(80)).frames(&samples, 500);
        assert!((99..=100).contains(&mel.end_without(100)), "{}", mel.end_without(100));
        assert_eq!(mel.end_without(400), 0);
    }

    #[test]
    fn silence_and_very_short_sound_give_finite_frames() {
        for samples in [vec![], vec![0.5], vec![0.0; 16_000]] {
            let mel = FrontEnd::new(&filterbank(128)).frames(&samples, 100);
            assert_eq!(mel.values.len(), 102 * 128);
            assert!(mel.values.iter().all(|value| value.is_finite()));
        }
    }
}
