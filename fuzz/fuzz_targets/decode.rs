//! Hostile bytes against the recording reader.

#![no_main]

use std::io::Cursor;
use std::sync::Once;

use gijiroku::audio::reader::MonoReader;
use libfuzzer_sys::fuzz_target;

/// A small file may claim an hour of silence; that is decided elsewhere and only slow here. Units: samples.
const SAMPLES_MAX: usize = 16_000 * 600;

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // The fuzzer's hook aborts at once; panics that the reader catches are part of its promise.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Ok(mut reader) = MonoReader::open(Box::new(Cursor::new(bytes.to_vec()))) else { return };
    let (mut samples, mut total) = (Vec::new(), 0);
    while reader.read(&mut samples).unwrap_or(false) && total < SAMPLES_MAX {
        assert!(samples.iter().all(|sample| sample.abs() <= 4.0), "samples are sound");
        total += samples.len();
        samples.clear();
    }
});
