//! Any sample rate becomes 16 kHz. The only file that names the resampling library.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::SAMPLE_RATE_HZ;

/// The lowest rate that is resampled. Units: Hz.
pub const RATE_HZ_MIN: u32 = 1_000;
/// The highest rate that is resampled. Units: Hz.
pub const RATE_HZ_MAX: u32 = 768_000;

/// Transform blocks per second of input.
///
/// 62.5 ms make the filter long enough that a tone at 7.6 kHz passes unchanged and one at 8.4 kHz is gone
/// (tests below), and keep the delay of live captions at 31 ms.
const BLOCKS_PER_SECOND: u32 = 16;

/// Shortest block, which is what low rates get: the filter needs its length. Units: input samples.
const BLOCK_SAMPLES_MIN: u32 = 512;

/// A rate outside [`RATE_HZ_MIN`]..=[`RATE_HZ_MAX`]; the caller names it and refuses the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample rate of {rate_hz} Hz cannot be resampled")]
pub struct UnusableRate {
    /// The rate asked for.
    pub rate_hz: u32,
}

/// Turns a stream of mono samples at one rate into 16 kHz.
///
/// Shape: *n* samples in give exactly round(*n* × 16000 / rate) out, undelayed: what is heard at *t* stays at *t*.
/// The result does not depend on how the input was cut into pieces; at 16 kHz it is the input.
/// Samples that are no number become silence.
pub struct Resampler {
    rate_hz: u32,
    engine: Option<Engine>,
    taken: u64,
    given: u64,
}

struct Engine {
    fft: Fft<f32>,
    /// Input waiting for a whole block; its length is fixed.
    input: Vec<f32>,
    filled: usize,
    output: Vec<f32>,
    /// Output samples still to be dropped: the filter's delay.
    delay: usize,
}

impl Resampler {
    /// Prepares the conversion from `rate_hz` to 16 kHz.
    ///
    /// Errors: [`UnusableRate`] outside 1,000 to 768,000 Hz.
    pub fn new(rate_hz: u32) -> Result<Self, UnusableRate> {
        if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
            return Err(UnusableRate { rate_hz });
        }
        let engine = if rate_hz == SAMPLE_RATE_HZ { None } else { Some(Engine::new(rate_hz)?) };
        Ok(Self { rate_hz, engine, taken: 0, given: 0 })
    }

    /// Returns the input's rate. Units: Hz.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Takes samples and appends what is ready to `out`.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.taken += samples.len() as u64;
        let before = out.len();
        match &mut self.engine {
            None => out.extend(samples.iter().map(|&sample| audible(sample))),
            Some(engine) => engine.push(samples, out),
        }
        self.given += (out.len() - before) as u64;
    }

    /// Appends what is still inside and starts anew.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(engine) = &mut self.engine {
            let owed = output_len(self.taken, self.rate_hz) - self.given;
            let end = out.len() + usize::try_from(owed).expect("less than two blocks are inside");
            while out.len() < end {
                engine.push_silence(out);
            }
            out.truncate(end);
            engine.reset();
        }
        self.taken = 0;
        self.given = 0;
    }
}

/// Returns how many 16 kHz samples `samples` at `rate_hz` become.
pub fn output_len(samples: u64, rate_hz: u32) -> u64 {
    let rate = u128::from(rate_hz);
    let scaled = u128::from(samples) * u128::from(SAMPLE_RATE_HZ);
    u64::try_from((scaled + rate / 2) / rate).expect("at most 16 times a count that fits into memory or time")
}

/// Returns the length of a block: one that both rates divide, and even, as half of it is the filter's delay.
fn block_len(rate_hz: u32) -> usize {
    let unit = rate_hz / greatest_common_divisor(rate_hz, SAMPLE_RATE_HZ);
    let units = rate_hz.div_ceil(BLOCKS_PER_SECOND).max(BLOCK_SAMPLES_MIN).div_ceil(unit);
    let units = if unit % 2 == 1 { units.next_multiple_of(2) } else { units };
    (units * unit) as usize
}

fn greatest_common_divisor(left: u32, right: u32) -> u32 {
    if right == 0 { left } else { greatest_common_divisor(right, left % right) }
}

fn audible(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

impl Engine {
    fn new(rate_hz: u32) -> Result<Self, UnusableRate> {
        let fft = Fft::new_custom(
            rate_hz as usize,
            SAMPLE_RATE_HZ as usize,
            block_len(rate_hz),
            1,
            1,
            rubato::WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|_| UnusableRate { rate_hz })?;
        let (input, output) = (vec![0.0; fft.input_frames_max()], vec![0.0; fft.output_frames_max()]);
        let delay = fft.output_delay();
        Ok(Self { fft, input, filled: 0, output, delay })
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.filled = 0;
        self.delay = self.fft.output_delay();
    }

    fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        while !samples.is_empty() {
            let count = samples.len().min(self.input.len() - self.filled);
            let (now, later) = samples.split_at(count);
            for (slot, &sample) in self.input[self.filled..].iter_mut().zip(now) {
                *slot = audible(sample);
            }
            self.filled += count;
            samples = later;
            if self.filled == self.input.len() {
                self.run(out);
            }
        }
    }

    fn push_silence(&mut self, out: &mut Vec<f32>) {
        self.input[self.filled..].fill(0.0);
        self.filled = self.input.len();
        self.run(out);
    }

    /// Converts one full block.
    fn run(&mut self, out: &mut Vec<f32>) {
        let frames_max = self.output.len();
        let input = InterleavedSlice::new(&self.input, 1, self.filled).expect("one channel of this length");
        let mut output =
            InterleavedSlice::new_mut(&mut self.output, 1, frames_max).expect("one channel of this length");
        let (_, made) = self
            .fft
            .process_into_buffer(&input, &mut output, None::<&Indexing>)
            .expect("both buffers have the sizes the resampler asked for");
        self.filled = 0;
        let dropped = self.delay.min(made);
        self.delay -= dropped;
        out.extend_from_slice(&self.output[dropped..made]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    const RATES_HZ: [u32; 12] =
        [1_000, 8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000, 768_000];

    fn tone(rate_hz: u32, frequency_hz: f64, seconds: f64) -> Vec<f32> {
        let samples = (f64::from(rate_hz) * seconds) as usize;
        (0..samples)
            .map(|index| (0.5 * (TAU * frequency_hz * index as f64 / f64::from(rate_hz)).sin()) as f32)
            .collect()
    }

    fn resampled(rate_hz: u32, samples: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        let mut resampler = Resampler::new(rate_hz).expect("a usable rate");
        resampler.push(samples, &mut out);
        resampler.finish(&mut out);
        out
    }

    /// Largest distance from the tone itself, away from both ends.
    fn error_of(out: &[f32], frequency_hz: f64) -> f64 {
        let expected = tone(SAMPLE_RATE_HZ, frequency_hz, out.len() as f64 / 16_000.0 + 0.001);
        let inside = 1_600..out.len() - 1_600;
        inside.map(|index| f64::from((out[index] - expected[index]).abs())).fold(0.0, f64::max)
    }

    #[test]
    fn a_tone_keeps_frequency_level_and_phase_from_every_rate() {
        for rate_hz in RATES_HZ {
            let highest_hz = (f64::from(rate_hz) * 0.45).min(7_500.0);
            for frequency_hz in [highest_hz / 20.0, highest_hz / 2.0, highest_hz] {
                let out = resampled(rate_hz, &tone(rate_hz, frequency_hz, 1.0));
                let error = error_of(&out, frequency_hz);
                assert!(error < 0.005, "{rate_hz} Hz, tone of {frequency_hz} Hz: off by {error}");
            }
        }
    }

    #[test]
    fn tones_above_8_khz_do_not_come_back_as_others() {
        for rate_hz in RATES_HZ.into_iter().filter(|&rate_hz| rate_hz >= 22_050) {
            for frequency_hz in [8_500.0, 10_000.0] {
                let out = resampled(rate_hz, &tone(rate_hz, frequency_hz, 1.0));
                let loudest = out[1_600..out.len() - 1_600]
                    .iter()
                    .fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
                // −66 dB of the tone's level.
                assert!(loudest < 0.000_25, "{rate_hz} Hz, tone of {frequency_hz} Hz: {loudest} left");
            }
        }
    }

    #[test]
    fn an_impulse_stays_where_it_is() {
        for rate_hz in RATES_HZ {
            let mut samples = vec![0.0; rate_hz as usize];
            samples[rate_hz as usize / 2] = 1.0;
            let out = resampled(rate_hz, &samples);
            let by_level = |left: &(usize, &f32), right: &(usize, &f32)| left.1.total_cmp(right.1);
            let (loudest, _) = out.iter().enumerate().max_by(by_level).expect("one second");
            assert!(loudest.abs_diff(8_000) <= 1, "{rate_hz} Hz: {loudest}");
        }
    }

    #[test]
    fn the_length_is_exact_for_short_and_long_recordings() {
        for rate_hz in RATES_HZ.into_iter().chain([16_000, 44_099]) {
            for samples in [0, 1, 2, 441, 9_999, 44_100] {
                let out = resampled(rate_hz, &vec![0.1; samples]);
                let expected = (samples as f64 * 16_000.0 / f64::from(rate_hz)).round() as usize;
                assert_eq!(out.len(), expected, "{samples} samples at {rate_hz} Hz");
            }
        }
    }

    #[test]
    fn at_16_khz_the_input_comes_out_unchanged_but_for_what_is_no_number() {
        let out = resampled(16_000, &[0.5, f32::NAN, -0.25, f32::INFINITY]);
        assert_eq!(out, [0.5, 0.0, -0.25, 0.0]);
    }

    #[test]
    fn what_is_no_number_leaves_the_rest_alone() {
        let mut samples = tone(48_000, 440.0, 0.5);
        samples[100] = f32::NAN;
        samples[200] = f32::NEG_INFINITY;
        assert!(resampled(48_000, &samples).iter().all(|sample| sample.is_finite()));
    }

    #[test]
    fn after_the_end_it_starts_anew() {
        let samples = tone(44_100, 700.0, 0.3);
        let mut resampler = Resampler::new(44_100).expect("a usable rate");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        resampler.push(&samples, &mut first);
        resampler.finish(&mut first);
        resampler.push(&samples, &mut second);
        resampler.finish(&mut second);
        assert_eq!(first, second);
    }

    #[test]
    fn rates_that_no_recording_has_are_refused() {
        for rate_hz in [0, 999, 768_001, u32::MAX] {
            assert_eq!(Resampler::new(rate_hz).err(), Some(UnusableRate { rate_hz }));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn cutting_the_input_into_pieces_changes_nothing(
            rate in 0..RATES_HZ.len(),
            cuts in prop::collection::vec(1_usize..5_000, 1..30),
        ) {
            let rate_hz = RATES_HZ[rate];
            let samples = tone(rate_hz, f64::from(rate_hz) / 9.0, cuts.iter().sum::<usize>() as f64 / f64::from(rate_hz));
            let mut resampler = Resampler::new(rate_hz).expect("a usable rate");
            let (mut out, mut rest) = (Vec::new(), samples.as_slice());
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                resampler.push(piece, &mut out);
                rest = behind;
            }
            resampler.push(rest, &mut out);
            resampler.finish(&mut out);
            prop_assert_eq!(out, resampled(rate_hz, &samples));
        }
    }
}
