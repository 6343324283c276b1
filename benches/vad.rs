//! How fast the speech detector listens, on one core: a whole minute at once, and frame by frame as in live use.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gijiroku::audio::vad::{FRAME_SAMPLES, Silero, Stream};

const MINUTE_SAMPLES: usize = 60 * 16_000;

#[expect(clippy::disallowed_methods, reason = "the weights are a file that is not in the repository")]
fn weights() -> Silero {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/weights/silero_vad_16k.safetensors");
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}; run `make model` first"));
    Silero::from_safetensors(&bytes).expect("the published weights are accepted")
}

/// Returns noise; the time the network takes does not depend on what it hears.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 48) as f32 - 32768.0) / 65536.0
    };
    (0..count).map(|_| next()).collect()
}

fn listen(criterion: &mut Criterion) {
    let (net, samples) = (weights(), noise(MINUTE_SAMPLES));
    let mut group = criterion.benchmark_group("vad");
    group.throughput(Throughput::Elements(MINUTE_SAMPLES as u64));
    for (name, piece) in [("a minute at once", MINUTE_SAMPLES), ("a minute frame by frame", FRAME_SAMPLES)] {
        group.bench_function(name, |bencher| {
            let (mut stream, mut out) = (Stream::new(), Vec::new());
            bencher.iter(|| {
                out.clear();
                for samples in samples.chunks(piece) {
                    stream.push(&net, black_box(samples), &mut out);
                }
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, listen);
criterion_main!(benches);
