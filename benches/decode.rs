//! What it costs to turn a recording into 16 kHz mono: the fixtures of every codec, and any file of one's own.
//!
//! `GIJIROKU_BENCH_AUDIO=meeting.m4a cargo bench --bench decode -- own` measures that file as well.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gijiroku::audio::reader::MonoReader;

/// One fixture of each codec; the first with six minutes, the others with four seconds.
const RECORDINGS: [&str; 9] = [
    "sample_meeting.ogg",
    "reference.wav",
    "ima_8k.wav",
    "cbr_44k_stereo.mp3",
    "index_last.m4a",
    "flac_22k.flac",
    "vorbis_44k_stereo.ogg",
    "browser.webm",
    "film.mp4",
];

fn decode(criterion: &mut Criterion) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    let mut recordings: Vec<(&str, PathBuf)> = RECORDINGS.map(|name| (name, fixtures.join(name))).to_vec();
    recordings.extend(own_recording().map(|path| ("own", path)));
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10);
    for (name, path) in recordings {
        let bytes = bytes_of(&path);
        // Elements are milliseconds of sound: elements a second, through 1,000, is the multiple of real time.
        group.throughput(Throughput::Elements(samples_in(&bytes) as u64 / 16));
        group.bench_function(name, |bencher| bencher.iter(|| samples_in(&bytes)));
    }
    group.finish();
}

fn samples_in(bytes: &[u8]) -> usize {
    let mut reader = MonoReader::open(Box::new(Cursor::new(bytes.to_vec()))).expect("a recording");
    let (mut out, mut total) = (Vec::new(), 0);
    while reader.read(&mut out).expect("an undamaged recording") {
        total += out.len();
        out.clear();
    }
    total + out.len()
}

#[expect(clippy::disallowed_methods, reason = "a bench is told its own input")]
fn own_recording() -> Option<PathBuf> {
    std::env::var_os("GIJIROKU_BENCH_AUDIO").map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "a bench reads its input")]
fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

criterion_group!(benches, decode);
criterion_main!(benches);
