//! The speech detector with its real weights, against what the published network says about the same clips.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gijiroku::audio::MediaSpan;
use gijiroku::audio::vad::{Heard, Silero, Stream, Vad, VadSettings, spans, speech_spans};

/// Largest difference to the published network; sums in another order differ by about a hundredth of it.
const DIFFERENCE_MAX: f32 = 1e-4;

const SPEECH_LOW: &[u8] = include_bytes!("../fixtures/vad/speech_low.wav");
const SPEECH_HIGH: &[u8] = include_bytes!("../fixtures/vad/speech_high.wav");
const PROBABILITIES: &str = include_str!("../fixtures/vad/probabilities.json");

static NET: LazyLock<Arc<Silero>> = LazyLock::new(|| Arc::new(weights()));

#[expect(clippy::disallowed_methods, reason = "the weights are a file that is not in the repository")]
fn weights() -> Silero {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/weights/silero_vad_16k.safetensors");
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}; run `make model` first"));
    Silero::from_safetensors(&bytes).expect("the published weights are accepted")
}

fn recorded(wav: &[u8]) -> Vec<f32> {
    let reader = hound::WavReader::new(wav).expect("the fixture is a WAV file");
    let samples = reader.into_samples::<i16>();
    samples.map(|sample| f32::from(sample.expect("the fixture is complete")) / 32768.0).collect()
}

/// Returns a quarter of full scale of noise: the top bits of Knuth's MMIX generator, as in `make_probabilities.py`.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 48) as f32 - 32768.0) / 4.0 / 32768.0
    };
    (0..count).map(|_| next()).collect()
}

/// Returns a triangle of 444 Hz at half of full scale.
fn tone(count: usize) -> Vec<f32> {
    (0..count).map(|i| (((i % 36) as f32 - 18.0).abs() - 9.0) / 18.0).collect()
}

fn clip(name: &str) -> Vec<f32> {
    match name {
        "speech_low" => recorded(SPEECH_LOW),
        "speech_high" => recorded(SPEECH_HIGH),
        "clipped" => recorded(SPEECH_LOW).iter().map(|sample| (sample * 16.0).clamp(-1.0, 1.0)).collect(),
        "in_noise" => {
            let speech = recorded(SPEECH_LOW);
            speech.iter().zip(noise(speech.len())).map(|(speech, noise)| speech + noise * 0.25).collect()
        }
        "noise" => noise(40_000),
        "tone" => tone(40_000),
        "silence" => vec![0.0; 40_000],
        unknown => panic!("probabilities.json has an unknown clip {unknown}"),
    }
}

fn probabilities(samples: &[f32]) -> Vec<f32> {
    let (mut stream, mut out) = (Stream::new(), Vec::new());
    stream.push(&NET, samples, &mut out);
    stream.finish(&NET, &mut out);
    out
}

/// Listens in pieces of these sizes, over and over, and returns everything heard.
fn heard_in_pieces(samples: &[f32], sizes: &[usize]) -> Heard {
    let mut vad = Vad::new(Arc::clone(&NET), VadSettings::default());
    let (mut all, mut rest) = (Heard::default(), samples);
    let mut add = |heard: Heard| {
        all.events.extend(heard.events);
        all.probabilities.extend(heard.probabilities);
    };
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(rest.len().min(*size));
        add(vad.push(now));
        rest = later;
    }
    add(vad.finish());
    all
}

fn found(samples: &[f32]) -> Vec<MediaSpan> {
    speech_spans(samples, &NET, &VadSettings::default())
}

#[test]
fn every_probability_is_that_of_the_published_network() {
    let golden: BTreeMap<String, Vec<f32>> =
        serde_json::from_str(PROBABILITIES).expect("the fixture is JSON");
    assert_eq!(golden.len(), 7);
    for (name, expected) in golden {
        let ours = probabilities(&clip(&name));
        assert_eq!(ours.len(), expected.len(), "{name}");
        for (frame, (ours, expected)) in ours.iter().zip(expected).enumerate() {
            let difference = (ours - expected).abs();
            assert!(difference <= DIFFERENCE_MAX, "{name}, frame {frame}: {ours} instead of {expected}");
        }
    }
}

#[test]
fn a_listener_hears_the_same_bits_and_spans_as_the_whole_recording_gives() {
    let mut samples = clip("speech_low");
    samples.extend(clip("noise"));
    samples.extend(clip("speech_high"));
    for sizes in [&[512][..], &[160], &[1, 4000, 37], &[100_000]] {
        let heard = heard_in_pieces(&samples, sizes);
        let bits = |probabilities: &[f32]| probabilities.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&heard.probabilities), bits(&probabilities(&samples)), "pieces of {sizes:?}");
        assert_eq!(spans(&heard.events), found(&samples), "pieces of {sizes:?}");
    }
}

#[test]
fn speech_is_found_where_it_is() {
    let mut samples = vec![0.0; 32_000];
    samples.extend(clip("speech_high"));
    samples.extend(vec![0.0; 32_000]);
    let [.., last] = found(&samples)[..] else {
        panic!("no speech was found");
    };
    let first = found(&samples)[0];
    // The clip itself starts with 250 ms of silence and says its last word before 2,700 ms.
    assert!((2000..2350).contains(&first.start().ms()), "starts at {:?}", first.start());
    assert!((4300..5000).contains(&last.end().ms()), "ends at {:?}", last.end());
}

#[test]
fn noise_a_tone_and_silence_are_no_speech() {
    for name in ["noise", "tone", "silence"] {
        assert_eq!(found(&clip(name)), [], "{name}");
    }
}

#[test]
fn two_listeners_share_a_network_without_hearing_each_other() {
    let (low, high) = (clip("speech_low"), clip("speech_high"));
    let (mut left, mut right) = ((Stream::new(), Vec::new()), (Stream::new(), Vec::new()));
    for (low, high) in low.chunks(1000).zip(high.chunks(1000)) {
        left.0.push(&NET, low, &mut left.1);
        right.0.push(&NET, high, &mut right.1);
    }
    left.0.finish(&NET, &mut left.1);
    right.0.finish(&NET, &mut right.1);
    assert_eq!(left.1, probabilities(&low));
    assert_eq!(right.1, probabilities(&high));
}
