//! Magnitude spectrum of the detector's frames, as four small matrix products.
//!
//! The network's "STFT as convolution" is a Fourier basis under a symmetric window. Around the middle of the frame
//! its cosines are even and its sines odd, and bin `128 - k` is bin `k` with the sign of every other sample turned.
//! Folding the frame along both symmetries leaves a quarter of the multiplications.

use super::VadError;
use super::gemm::{Layout, Matrix, Rows};

/// Samples under one spectrum.
const FRAME_SAMPLES: usize = 256;

/// Samples from one spectrum to the next.
const HOP_SAMPLES: usize = 128;

/// Spectra of one step of the detector.
pub(super) const FRAMES: usize = 4;

/// Samples that the spectra of one step lie over.
pub(super) const STEP_SAMPLES: usize = FRAME_SAMPLES + (FRAMES - 1) * HOP_SAMPLES;

/// Magnitudes of one spectrum.
pub(super) const BINS: usize = FRAME_SAMPLES / 2 + 1;

/// Bins `0..=64`; the others mirror them.
const LOW_BINS: usize = 65;

/// Inputs of each folded product: pairs of samples at even (or at odd) places of the frame.
const FOLDED: usize = 64;

/// The four folded parts of a frame, in this order.
const PARTS: usize = 4;
const COSINE_EVEN: usize = 0;
const COSINE_ODD: usize = 1;
const SINE_EVEN: usize = 2;
const SINE_ODD: usize = 3;

const LANES: usize = 8;

/// Sums of one part: the low bins, filled up to whole panels.
const PART_WIDTH: usize = LOW_BINS.next_multiple_of(LANES);

/// The folded Fourier basis.
#[derive(Debug, Clone)]
pub(super) struct Spectrum {
    parts: [Matrix<LANES>; PARTS],
}

/// Working memory of [`Spectrum::magnitudes`], kept between calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Folds {
    folded: Vec<f32>,
    sums: Vec<f32>,
}

impl Spectrum {
    /// Takes the basis `(258, 1, 256)`: 129 real rows, then 129 imaginary rows.
    ///
    /// Errors: [`VadError::Weights`] if the basis lacks the symmetry that folding relies on.
    pub fn new(basis: &[f32]) -> Result<Self, VadError> {
        let basis = Basis(basis);
        if !basis.is_symmetric() {
            return Err(VadError::Weights("stft_conv.weight is no symmetric Fourier basis".to_owned()));
        }
        let cosine_even = |bin, i| basis.real(bin, even_sample(i));
        let cosine_odd = |bin, i| basis.real(bin, odd_sample(i));
        let sine_even = |bin, i| basis.imaginary(bin, even_sample(i));
        let sine_odd = |bin, i| basis.imaginary(bin, odd_sample(i));
        Ok(Self {
            parts: [
                Matrix::new(LOW_BINS, FOLDED, cosine_even),
                Matrix::new(LOW_BINS, FOLDED, cosine_odd),
                Matrix::new(LOW_BINS, FOLDED, sine_even),
                Matrix::new(LOW_BINS, FOLDED, sine_odd),
            ],
        })
    }

    /// Writes the magnitudes of every frame of every step, in the order of [`bin_at`].
    ///
    /// Shape: `magnitudes` holds [`FRAMES`] × [`BINS`] values for each step.
    pub fn magnitudes(&self, steps: &[[f32; STEP_SAMPLES]], folds: &mut Folds, magnitudes: &mut [f32]) {
        let count = steps.len() * FRAMES;
        folds.folded.resize(count * PARTS * FOLDED, 0.0);
        folds.sums.clear();
        folds.sums.resize(count * PARTS * PART_WIDTH, 0.0);
        let frames = steps.iter().flat_map(|step| step.windows(FRAME_SAMPLES).step_by(HOP_SAMPLES));
        for (frame, folded) in frames.zip(folds.folded.as_chunks_mut().0) {
            fold(frame, folded);
        }
        for (part, matrix) in self.parts.iter().enumerate() {
            let layout = Layout { first: part * FOLDED, stride: PARTS * FOLDED };
            let rows = Rows { data: &folds.folded, layout, count, inputs: 0..FOLDED };
            let out = Layout { first: part * PART_WIDTH, stride: PARTS * PART_WIDTH };
            matrix.add_product(&rows, &mut folds.sums, out);
        }
        let sums = folds.sums.as_chunks().0;
        for (sums, magnitudes) in sums.iter().zip(magnitudes.as_chunks_mut().0) {
            unfold(sums, magnitudes);
        }
    }
}

/// Returns which bin of the spectrum stands at a position of [`Spectrum::magnitudes`]: 0 … 64, then 128 … 65.
pub(super) fn bin_at(position: usize) -> usize {
    if position < LOW_BINS { position } else { BINS - 1 - (position - LOW_BINS) }
}

/// Returns the left sample of even pair `i`; the last pair is the middle of the frame alone.
const fn even_sample(i: usize) -> usize {
    2 * i + 2
}

/// Returns the left sample of odd pair `i`.
const fn odd_sample(i: usize) -> usize {
    2 * i + 1
}

/// Adds and subtracts the samples that lie at the same distance from the frame's middle.
///
/// Sample 0 has no partner and is left out: the window is zero there, which [`Basis::is_symmetric`] checks.
fn fold(frame: &[f32], folded: &mut [f32; PARTS * FOLDED]) {
    let frame = &frame[..FRAME_SAMPLES];
    for i in 0..FOLDED - 1 {
        let (left, right) = (frame[even_sample(i)], frame[FRAME_SAMPLES - even_sample(i)]);
        folded[COSINE_EVEN * FOLDED + i] = left + right;
        folded[SINE_EVEN * FOLDED + i] = left - right;
    }
    folded[COSINE_EVEN * FOLDED + FOLDED - 1] = frame[FRAME_SAMPLES / 2];
    folded[SINE_EVEN * FOLDED + FOLDED - 1] = 0.0;
    for i in 0..FOLDED {
        let (left, right) = (frame[odd_sample(i)], frame[FRAME_SAMPLES - odd_sample(i)]);
        folded[COSINE_ODD * FOLDED + i] = left + right;
        folded[SINE_ODD * FOLDED + i] = left - right;
    }
}

/// Turns the four sums of each low bin into the magnitudes of the bin and of its mirror.
fn unfold(sums: &[f32; PARTS * PART_WIDTH], magnitudes: &mut [f32; BINS]) {
    let part = |part: usize| &sums[part * PART_WIDTH..][..LOW_BINS];
    let cosines = part(COSINE_EVEN).iter().zip(part(COSINE_ODD));
    let sines = part(SINE_EVEN).iter().zip(part(SINE_ODD));
    let (low, high) = magnitudes.split_at_mut(LOW_BINS);
    for (((ce, co), (se, so)), low) in cosines.clone().zip(sines.clone()).zip(low) {
        *low = magnitude(ce + co, se + so);
    }
    for (((ce, co), (se, so)), high) in cosines.zip(sines).zip(high) {
        *high = magnitude(ce - co, so - se);
    }
}

fn magnitude(real: f32, imaginary: f32) -> f32 {
    (real * real + imaginary * imaginary).sqrt()
}

/// The basis as the file stores it.
struct Basis<'a>(&'a [f32]);

impl Basis<'_> {
    fn real(&self, bin: usize, sample: usize) -> f32 {
        self.0[bin * FRAME_SAMPLES + sample]
    }

    fn imaginary(&self, bin: usize, sample: usize) -> f32 {
        self.real(BINS + bin, sample)
    }

    /// Tells whether folding gives the same sums as the whole basis.
    fn is_symmetric(&self) -> bool {
        (0..BINS).all(|bin| {
            let starts_at_zero = self.real(bin, 0) == 0.0 && self.imaginary(bin, 0) == 0.0;
            starts_at_zero && (1..FRAME_SAMPLES).all(|sample| self.is_symmetric_at(bin, sample))
        })
    }

    fn is_symmetric_at(&self, bin: usize, sample: usize) -> bool {
        let (mirrored, partner) = (BINS - 1 - bin, FRAME_SAMPLES - sample);
        let alternate = if sample.is_multiple_of(2) { 1.0 } else { -1.0 };
        let (real, imaginary) = (self.real(bin, sample), self.imaginary(bin, sample));
        real == self.real(bin, partner)
            && imaginary == -self.imaginary(bin, partner)
            && real == alternate * self.real(mirrored, sample)
            && imaginary == -alternate * self.imaginary(mirrored, sample)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Random, random_tensors};
    use super::*;

    #[test]
    fn folding_gives_the_magnitudes_of_the_whole_basis() {
        let basis = random_tensors()["stft_conv.weight"].1.clone();
        let spectrum = Spectrum::new(&basis).expect("the basis is symmetric");
        let mut step = [0.0; STEP_SAMPLES];
        step.copy_from_slice(&Random(1).numbers(STEP_SAMPLES));
        let mut magnitudes = [0.0; FRAMES * BINS];
        spectrum.magnitudes(&[step], &mut Folds::default(), &mut magnitudes);

        let product = |row: usize, frame: usize| -> f64 {
            let samples =
                step[frame * HOP_SAMPLES..].iter().zip(&basis[row * FRAME_SAMPLES..][..FRAME_SAMPLES]);
            samples.map(|(sample, weight)| f64::from(sample * weight)).sum()
        };
        for (i, magnitude) in magnitudes.iter().enumerate() {
            let (frame, bin) = (i / BINS, bin_at(i % BINS));
            let whole = product(bin, frame).hypot(product(BINS + bin, frame));
            assert!(
                (f64::from(*magnitude) - whole).abs() < 1e-4,
                "bin {bin}: {magnitude} instead of {whole}"
            );
        }
    }

    #[test]
    fn a_basis_without_the_symmetry_is_refused() {
        for spoiled in [0, 300, 129 * FRAME_SAMPLES + 700, 258 * FRAME_SAMPLES - 1] {
            let mut basis = random_tensors()["stft_conv.weight"].1.clone();
            basis[spoiled] += 0.01;
            assert!(Spectrum::new(&basis).is_err(), "a change at {spoiled} was accepted");
        }
    }
}
