//! The segmentation with the real weights, against what the reference network says; and on the sample meeting.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gijiroku::audio::MediaSpan;
use gijiroku::audio::reader::MonoReader;
use gijiroku::speech::native::Level;
use gijiroku::speech::score::turns::{NamedTurn, SpeakerTime, compare};
use gijiroku::speech::segmentation::{
    Activity, CLASSES, FRAMES, SPEAKERS, Segmenter, WINDOW_SAMPLES, frame_centre, frames_within,
};
use gijiroku::store::models::{ModelStore, ModelStoreError};

use crate::jobs::weights;
use crate::speakers::truth;

const GOLDEN: &str = include_str!("../fixtures/voice/segmentation.json");
const REFERENCE: &[u8] = include_bytes!("../fixtures/audio/reference.wav");
const SPEECH_LOW: &[u8] = include_bytes!("../fixtures/vad/speech_low.wav");
const SPEECH_HIGH: &[u8] = include_bytes!("../fixtures/vad/speech_high.wav");
const MEETING: &[u8] = include_bytes!("../fixtures/audio/sample_meeting.ogg");

static STORE: LazyLock<ModelStore> =
    LazyLock::new(|| ModelStore::open(&weights()).expect("the folder of weights can be read"));

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let read = STORE.read_segmentation("segmentation-3");
    read.unwrap_or_else(|error| panic!("{error}; run `make model` first"))
});

static NETWORK: LazyLock<Segmenter> =
    LazyLock::new(|| Segmenter::open(&BYTES).expect("the published weights are accepted"));

/// Some frames of what the reference network says of a sound, by their number.
type Golden = BTreeMap<usize, [f32; CLASSES]>;

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(GOLDEN).expect("the fixture is complete")
}

fn recorded(wav: &[u8]) -> Vec<f32> {
    let samples = hound::WavReader::new(wav).expect("the fixture is a WAV file").into_samples::<i16>();
    samples.map(|sample| f32::from(sample.expect("the fixture is complete")) / 32768.0).collect()
}

/// Returns numbers from -0.5 to 0.5, as `make_segmentation.py` does.
fn noise() -> impl Iterator<Item = f64> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(next(&1), next).map(|state| f64::from(state) / 4_294_967_296.0 - 0.5)
}

fn chirp() -> Vec<f32> {
    let tone = |(at, noise): (usize, f64)| {
        let time = at as f64 / 16_000.0;
        let phase = std::f64::consts::TAU * (100.0 * time + 150.0 * time * time);
        (0.3 * phase.sin() + 0.1 * noise) as f32
    };
    noise().take(WINDOW_SAMPLES).enumerate().map(tone).collect()
}

fn talk() -> Vec<f32> {
    let mut window = vec![0.0; WINDOW_SAMPLES];
    for (first, wav) in [(8_000, SPEECH_LOW), (32_000, SPEECH_HIGH), (88_000, REFERENCE)] {
        let clip = recorded(wav);
        window[first..][..clip.len()].iter_mut().zip(clip).for_each(|(place, sample)| *place += sample);
    }
    window
}

fn sound(name: &str) -> Vec<f32> {
    match name {
        "chirp" => chirp(),
        "noise" => noise().take(WINDOW_SAMPLES).map(|noise| (0.2 * noise) as f32).collect(),
        "talk" => talk(),
        "short" => recorded(REFERENCE),
        unknown => panic!("segmentation.json has an unknown sound {unknown}"),
    }
}

fn largest_difference(found: &Activity, golden: &Golden) -> f32 {
    let heard = golden.iter().filter(|(frame, _)| **frame < found.frames.len());
    let pairs = heard.flat_map(|(frame, wanted)| found.frames[*frame].iter().zip(wanted));
    pairs.map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f32::max)
}

#[test]
fn what_is_heard_is_what_the_reference_network_hears_on_every_processor() {
    for level in Level::available() {
        let network = Segmenter::open_for(&BYTES, level).expect("the published weights are accepted");
        for (name, golden) in golden() {
            let sound = sound(&name);
            let found = network.window(&sound);
            assert_eq!(found.frames.len(), frames_within(sound.len()), "{name}");
            let difference = largest_difference(&found, &golden);
            assert!(difference <= 1e-3, "{name} at {}: {difference}", level.name());
        }
    }
}

#[test]
fn two_who_speak_at_once_are_both_heard() {
    let speakers = NETWORK.window(&talk()).speakers();
    let at_once = |from: usize, end: usize| {
        let heard =
            speakers.iter().enumerate().filter(|(frame, _)| (from..end).contains(&frame_centre(*frame)));
        let two =
            heard.clone().filter(|(_, speakers)| speakers.iter().filter(|it| **it).count() == 2).count();
        two as f64 / heard.count() as f64
    };
    // The first clip ends at 3.375 s, the second begins at 2 s; from 5.5 s on one person speaks.
    assert!(at_once(36_000, 48_000) > 0.5, "{}", at_once(36_000, 48_000));
    assert!(at_once(88_000, 152_000) < 0.1, "{}", at_once(88_000, 152_000));
}

#[test]
fn a_window_is_heard_the_same_alone_and_among_others_of_other_lengths() {
    let sounds = ["talk", "short", "chirp", "talk", "noise"].map(sound);
    let windows: Vec<&[f32]> = sounds.iter().cycle().take(14).map(Vec::as_slice).collect();
    for (window, among) in windows.iter().zip(NETWORK.windows(&windows)) {
        let alone = NETWORK.window(window);
        assert_eq!(alone.frames.len(), among.frames.len());
        for (alone, among) in alone.frames.iter().flatten().zip(among.frames.iter().flatten()) {
            assert!((alone - among).abs() <= 1e-3, "{alone} {among}");
        }
    }
    assert_eq!(NETWORK.windows(&[]), []);
}

#[test]
fn silence_and_broken_sound_have_probabilities_all_the_same() {
    assert_eq!(NETWORK.window(&[]).frames.len(), 0);
    for sound in [vec![0.0; 40_000], vec![f32::NAN; 40_000], vec![1e30; 40_000], vec![0.1; 200_000]] {
        let found = NETWORK.window(&sound);
        assert_eq!(found.frames.len(), frames_within(sound.len()));
        for frame in &found.frames {
            let sum: f32 = frame.iter().map(|log| log.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{frame:?}");
        }
    }
    let silent = NETWORK.window(&[0.0; WINDOW_SAMPLES]);
    assert!(silent.speakers().iter().all(|speakers| *speakers == [false; SPEAKERS]));
}

#[test]
fn weights_that_are_cut_off_changed_or_of_another_network_are_refused() {
    assert!(Segmenter::open(&BYTES[..BYTES.len() - 1]).is_err());
    let mut broken = BYTES.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(Segmenter::open(&broken).is_err());
    let other = STORE.read_speaker("campplus").expect("it is imported with the others");
    assert!(Segmenter::open(&other).is_err());
    assert!(matches!(STORE.read_speaker("segmentation-3"), Err(ModelStoreError::OtherKind { .. })));
}

/// Returns whose turn each run of frames is, in milliseconds of the meeting.
fn turns(window: usize, activity: &Activity) -> Vec<NamedTurn> {
    let tracks = activity.speakers();
    let step = |frame: usize| (window * WINDOW_SAMPLES + frame * 270 + 360) as u64 / 16;
    let spoken = tracks.iter().enumerate().flat_map(|(frame, speakers)| {
        let speaking = (0..SPEAKERS).filter(|track| speakers[*track]);
        speaking.map(move |track| (frame, track))
    });
    let turn = |(frame, track): (usize, usize)| NamedTurn {
        span: MediaSpan::from_ms(step(frame), step(frame + 1)),
        speaker: track.to_string(),
    };
    spoken.map(turn).collect()
}

/// Returns what is true within a window.
fn true_turns(window: usize) -> Vec<NamedTurn> {
    let (from, end) = (window as u64 * 10_000, window as u64 * 10_000 + 10_000);
    let within = |turn: NamedTurn| {
        let (first, last) = (turn.span.start().ms().max(from), turn.span.end().ms().min(end));
        (first < last).then(|| NamedTurn { span: MediaSpan::from_ms(first, last), ..turn })
    };
    truth().into_iter().filter_map(within).collect()
}

#[test]
fn within_ten_seconds_of_the_sample_meeting_it_is_clear_who_speaks() {
    let mut reader = MonoReader::open(Box::new(std::io::Cursor::new(MEETING))).expect("it is a recording");
    let mut samples = Vec::new();
    while reader.read(&mut samples).expect("it is whole") {}
    let windows: Vec<&[f32]> = samples.chunks_exact(WINDOW_SAMPLES).collect();
    let mut errors = SpeakerTime::default();
    for (index, activity) in NETWORK.windows(&windows).iter().enumerate() {
        assert_eq!(activity.frames.len(), FRAMES);
        let found = compare(&true_turns(index), &turns(index, activity)).expect("there are few speakers");
        errors.total_ms += found.total_ms;
        errors.missed_ms += found.missed_ms;
        errors.false_alarm_ms += found.false_alarm_ms;
        errors.confused_ms += found.confused_ms;
    }
    // Most of it is pauses within a sentence, which the truth counts as speech.
    let rate = errors.rate().expect("people speak");
    assert!(rate <= 0.2, "{rate} {errors:?}");
    assert!(errors.confused_ms * 50 <= errors.total_ms, "{errors:?}");
}
