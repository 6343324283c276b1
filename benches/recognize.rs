//! How long one window takes on one thread, model loaded: the first 10 s of the sample meeting, and a full window.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use gijiroku::audio::reader::MonoReader;
use gijiroku::speech::whisper::Whisper;
use gijiroku::speech::{Due, Effort, Language, Recognizer as _, Request};

#[expect(clippy::disallowed_methods, reason = "a bench reads the sample meeting")]
fn sound(seconds: usize) -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/sample_meeting.ogg");
    let file = std::fs::File::open(path).expect("the sample meeting is in the repository");
    let mut reader = MonoReader::open(Box::new(file)).expect("the sample meeting can be read");
    let mut sound = Vec::new();
    while sound.len() < seconds * 16_000 && reader.read(&mut sound).expect("the sample meeting is whole") {}
    sound.truncate(seconds * 16_000);
    sound
}

fn windows(criterion: &mut Criterion) {
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/models/weights/ggml-whisper-base-bf16.bin");
    let whisper = Whisper::load(Path::new(weights), 1).expect("run `make model` first");
    let mut worker = whisper.worker().expect("there is memory for one worker");
    let mut group = criterion.benchmark_group("recognize");
    group.sample_size(10);
    for (name, seconds, audio_ctx) in [("10 s, reduced context", 10, 576), ("24 s, full context", 24, 1_472)]
    {
        let effort = Effort { beam: 1, temperature: 0.0, audio_ctx, tokens_max: 200 };
        let request = Request {
            samples: sound(seconds),
            language: Language::Ja,
            prompt: Vec::new(),
            effort,
            due: Due::BATCH,
        };
        group.bench_function(name, |bencher| bencher.iter(|| black_box(worker.recognize(&request))));
    }
    group.finish();
}

criterion_group!(benches, windows);
criterion_main!(benches);
