//! Hostile bytes against the frames of live sound, and frames against their own reader.

#![no_main]

use gijiroku::audio::frames::{Frame, HEADER_BYTES};
use libfuzzer_sys::fuzz_target;

const RATE_HZ: u32 = 48_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::decode(bytes, RATE_HZ) {
        assert!((1..=RATE_HZ as usize).contains(&frame.samples.len()), "a frame is one sample to one second");
        assert_eq!(bytes.len(), HEADER_BYTES + 2 * frame.samples.len(), "a frame is as long as its bytes");
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(again, bytes, "there is one way to write a frame");
    }
    // The fuzzer finds no checksum by itself: the same bytes as sound, and then with one of them changed.
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    if samples.is_empty() || samples.len() > RATE_HZ as usize {
        return;
    }
    let first_sample = u64::from(samples[0].unsigned_abs()) << 20;
    let frame = Frame { number: bytes.len() as u32, first_sample, hole_before: bytes[0] & 1 == 1, samples };
    let mut sent = Vec::new();
    frame.encode(&mut sent);
    assert_eq!(Frame::decode(&sent, RATE_HZ), Ok(frame));
    let place = usize::from(bytes[0]) % sent.len();
    sent[place] ^= 1 << (bytes[bytes.len() - 1] % 8);
    assert!(Frame::decode(&sent, RATE_HZ).is_err(), "one changed bit is noticed");
});
