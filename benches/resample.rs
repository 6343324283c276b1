//! What resampling costs: one minute of mono sound at each rate that recorders use.

use std::f32::consts::TAU;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gijiroku::audio::resample::Resampler;

const SECONDS: u32 = 60;
/// Length of the pieces, as a decoder delivers them.
const PIECE_SAMPLES: usize = 1_024;

fn resample(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resample_one_minute");
    for rate_hz in [8_000, 16_000, 44_100, 48_000, 96_000] {
        let samples = tone(rate_hz);
        // Elements are milliseconds of sound: elements a second, through 1,000, is the multiple of real time.
        group.throughput(Throughput::Elements(u64::from(SECONDS) * 1_000));
        group
            .bench_function(format!("{rate_hz}_hz"), |bencher| bencher.iter(|| resampled(rate_hz, &samples)));
    }
    group.finish();
}

fn tone(rate_hz: u32) -> Vec<f32> {
    (0..rate_hz * SECONDS).map(|index| 0.3 * (TAU * 440.0 * index as f32 / rate_hz as f32).sin()).collect()
}

fn resampled(rate_hz: u32, samples: &[f32]) -> usize {
    let mut resampler = Resampler::new(rate_hz).expect("a usable rate");
    let (mut out, mut total) = (Vec::new(), 0);
    for piece in samples.chunks(PIECE_SAMPLES) {
        resampler.push(black_box(piece), &mut out);
        total += out.len();
        out.clear();
    }
    resampler.finish(&mut out);
    total + out.len()
}

criterion_group!(benches, resample);
criterion_main!(benches);
