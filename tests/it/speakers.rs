//! Voices with the real weights, against what the reference package computes; and who speaks when in the sample meeting.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gijiroku::audio::MediaSpan;
use gijiroku::audio::reader::MonoReader;
use gijiroku::audio::vad::{Silero, Vad, VadSettings};
use gijiroku::speech::diarize::{Diarization, Listener, Settings, Speakers, Voices, diarize};
use gijiroku::speech::native::Level;
use gijiroku::speech::score::turns::{NamedTurn, SpeakerTime, compare};
use gijiroku::speech::voice::{BANDS, Voice, WINDOW_FRAMES};
use serde_json::{Value, json};

use crate::jobs::{Desk, weights as model_folder};
use crate::support::sample_meeting;

const REFERENCE: &[u8] = include_bytes!("../fixtures/audio/reference.wav");
const SPEECH_LOW: &[u8] = include_bytes!("../fixtures/vad/speech_low.wav");
const SPEECH_HIGH: &[u8] = include_bytes!("../fixtures/vad/speech_high.wav");
const VOICES: &str = include_str!("../fixtures/voice/voices.json");
const MEETING: &[u8] = include_bytes!("../fixtures/audio/sample_meeting.ogg");
const TRUTH: &str = include_str!("../fixtures/audio/sample_meeting.json");

#[expect(clippy::disallowed_methods, reason = "the weights are a file that is not in the repository")]
fn weights(file: &str) -> Vec<u8> {
    let path = format!("{}/models/weights/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; run `make model` first"))
}

static VOICE: LazyLock<Arc<Voice>> = LazyLock::new(|| {
    Arc::new(Voice::load(&weights("ge2e.safetensors")).expect("the published weights are accepted"))
});

/// What the reference package computes for a clip.
#[derive(serde::Deserialize)]
struct Golden {
    frames: usize,
    mel: BTreeMap<usize, Vec<f32>>,
    voices: BTreeMap<usize, Vec<f32>>,
}

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(VOICES).expect("the fixture is complete")
}

fn clip(name: &str) -> Vec<f32> {
    let wav = match name {
        "reference" => REFERENCE,
        "speech_low" => SPEECH_LOW,
        "speech_high" => SPEECH_HIGH,
        unknown => panic!("voices.json has an unknown clip {unknown}"),
    };
    let samples = hound::WavReader::new(wav).expect("the fixture is a WAV file").into_samples::<i16>();
    samples.map(|sample| f32::from(sample.expect("the fixture is complete")) / 32768.0).collect()
}

#[test]
fn mel_frames_are_those_of_the_reference_package() {
    for (name, golden) in golden() {
        let frames = VOICE.frames(&clip(&name));
        assert_eq!(frames.len(), golden.frames * BANDS, "{name}");
        for (frame, row) in golden.mel {
            for (band, wanted) in row.iter().enumerate() {
                let found = frames[frame * BANDS + band];
                assert!(
                    (found - wanted).abs() <= 1e-4,
                    "{name}, frame {frame}, band {band}: {found} {wanted}"
                );
            }
        }
    }
}

#[test]
fn voices_are_those_of_the_reference_package_on_every_processor() {
    for level in Level::available() {
        let bytes = weights("ge2e.safetensors");
        let voice = Voice::load_for(&bytes, level).expect("the published weights are accepted");
        for (name, golden) in golden() {
            let frames = voice.frames(&clip(&name));
            let windows: Vec<&[f32]> = golden
                .voices
                .keys()
                .map(|start| &frames[start * BANDS..(start + WINDOW_FRAMES) * BANDS])
                .collect();
            for ((start, wanted), found) in golden.voices.iter().zip(voice.voices(&windows)) {
                let found = found.expect("somebody speaks");
                let cosine: f32 = found.values().iter().zip(wanted).map(|(a, b)| a * b).sum();
                assert!(cosine >= 0.9999, "{name} from frame {start} at {}: {cosine}", level.name());
            }
        }
    }
}

#[test]
fn a_window_has_the_same_voice_alone_and_among_others() {
    let heard = VOICE.embed(&clip("reference"));
    assert_eq!(heard.first().map(|(span, _)| *span), Some(MediaSpan::from_ms(0, 1_600)));
    assert_eq!(heard.last().map(|(span, _)| span.end().ms()), Some(4_000));
    let frames = VOICE.frames(&clip("reference"));
    let alone = VOICE.voices(&[&frames[..WINDOW_FRAMES * BANDS]]);
    let alone = alone[0].as_ref().expect("somebody speaks");
    assert!(alone.cosine(&heard[0].1) > 0.999_999);
}

#[test]
fn silence_and_broken_sound_have_no_voice_or_a_sound_one() {
    assert!(VOICE.embed(&[]).len() <= 1);
    for sound in [vec![0.0; 40_000], vec![f32::NAN; 40_000], vec![1e30; 40_000], vec![0.1; 700]] {
        for (_, voice) in VOICE.embed(&sound) {
            assert!(voice.values().iter().all(|value| value.is_finite()));
        }
    }
}

#[derive(serde::Deserialize)]
struct Truth {
    segments: Vec<TrueSegment>,
}

#[derive(serde::Deserialize)]
struct TrueSegment {
    speaker: String,
    start: f64,
    end: f64,
}

/// Returns who speaks when in the sample meeting.
pub fn truth() -> Vec<NamedTurn> {
    let truth: Truth = serde_json::from_str(TRUTH).expect("the fixture is complete");
    let ms = |seconds: f64| (seconds * 1000.0).round() as u64;
    let turn = |one: TrueSegment| NamedTurn {
        span: MediaSpan::from_ms(ms(one.start), ms(one.end)),
        speaker: one.speaker,
    };
    truth.segments.into_iter().map(turn).collect()
}

/// Hears the meeting in pieces as a job does.
static HEARD: LazyLock<Voices> = LazyLock::new(|| {
    let detector = Silero::from_safetensors(&weights("silero_vad_16k.safetensors"));
    let detector = Arc::new(detector.expect("the published weights are accepted"));
    let mut reader = MonoReader::open(Box::new(std::io::Cursor::new(MEETING))).expect("it is a recording");
    let mut vad = Vad::new(detector, VadSettings::default());
    let mut listener = Listener::new(Arc::clone(&VOICE));
    let (mut samples, mut more) = (Vec::new(), true);
    while more {
        samples.clear();
        more = reader.read(&mut samples).expect("it is whole");
        listener.push(&samples, &vad.push(&samples).probabilities);
    }
    listener.finish(&vad.finish().probabilities)
});

fn errors(found: &Diarization) -> SpeakerTime {
    let turn = |turn: &gijiroku::speech::diarize::Turn| NamedTurn {
        span: turn.span,
        speaker: turn.speaker.0.to_string(),
    };
    let turns: Vec<NamedTurn> = found.turns.iter().map(turn).collect();
    compare(&truth(), &turns).expect("there are few speakers")
}

#[test]
fn the_five_speakers_of_the_sample_meeting_are_found_without_being_counted() {
    let found = diarize(&HEARD, &Settings { speakers: Speakers::Auto });
    let rate = errors(&found).rate().expect("people speak");
    assert!(rate <= 0.12, "{rate} {:?}", errors(&found));
    assert_eq!(found.speakers.len(), 5);
}

#[test]
fn the_sample_meeting_is_told_apart_when_its_five_speakers_were_counted() {
    let found = diarize(&HEARD, &Settings { speakers: Speakers::Given(5) });
    let rate = errors(&found).rate().expect("people speak");
    assert!(rate <= 0.12, "{rate} {:?}", errors(&found));
}

#[test]
fn as_many_speakers_as_were_counted_are_told_apart_even_if_that_is_wrong() {
    for count in [1, 2, 3, 8] {
        let found = diarize(&HEARD, &Settings { speakers: Speakers::Given(count) });
        assert!(found.speakers.len() <= usize::from(count), "{count}");
        assert!(count > 5 || found.speakers.len() == usize::from(count), "{count}");
    }
}

/// Returns the speakers of the minutes, and how many utterances have one and how many have none.
async fn speakers_of(desk: &Desk) -> (Vec<String>, usize, usize) {
    let minutes = desk.owner.get(&format!("/v1/meetings/{}/minutes", desk.meeting)).await.json;
    let document = &minutes["minutes"];
    let names = document["speakers"].as_array().expect("minutes list their speakers").iter();
    let names = names.map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect();
    let blocks = document["blocks"].as_array().expect("minutes have blocks").iter();
    let said: Vec<&Value> = blocks.filter(|block| block["kind"] == "utterance").collect();
    let with = said.iter().filter(|said| said["speaker"].is_u64()).count();
    (names, with, said.len() - with)
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_have_the_speakers_and_telling_them_apart_again_offers_what_would_change() {
    let desk = Desk::open().await;
    desk.bring(&sample_meeting(), "sound").await;
    let recognitions = format!("/v1/meetings/{}/recognitions", desk.meeting);
    let asked = json!({ "speakers": "5", "preset": "fast" });
    let job = desk.owner.post(&recognitions, asked).await.json;
    assert_eq!(job["speakers"], "5");
    let (stop, running) = desk.start(&model_folder(), 2);
    desk.seen(&job, |job| job["state"] == "done").await;
    let (names, with, without) = speakers_of(&desk).await;
    assert_eq!(names, ["話者1", "話者2", "話者3", "話者4", "話者5"]);
    assert!(with > 30 && without == 0, "{with} utterances with a speaker, {without} without");

    let again = json!({ "speakers": "1", "only_speakers": true });
    let job = desk.owner.post(&recognitions, again).await.json;
    desk.seen(&job, |job| job["state"] == "done").await;
    stop.cancel();
    running.await.expect("the worker ends politely");
    assert_eq!(speakers_of(&desk).await.0, names, "nothing changes before somebody takes it over");
    let offers = desk.owner.get(&format!("/v1/meetings/{}/offers", desk.meeting)).await.json;
    assert_eq!(offers["transcript"], 2);
    let ops = offers["speakers"].as_array().expect("a list of operations");
    assert!(matches!(ops.as_slice(), [op] if op["op"] == "set_speaker"), "{ops:?}");
    assert_eq!(offers["offers"], json!([]), "no word was heard differently");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_nobody_can_fulfil_is_refused() {
    let desk = Desk::open().await;
    desk.bring(&sample_meeting(), "sound").await;
    let recognitions = format!("/v1/meetings/{}/recognitions", desk.meeting);
    for speakers in ["0", "21", "all"] {
        let answer = desk.owner.post(&recognitions, json!({ "speakers": speakers })).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{speakers}: {:?}", answer.json);
    }
}
