//! CAM++ with the real weights, against what Kaldi and the reference network compute; and the whole scene of the sample
//! meeting.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gijiroku::audio::MediaSpan;
use gijiroku::audio::reader::MonoReader;
use gijiroku::speech::diarize::{Networks, Scene, Seen, Settings, Speakers, Turn, together};
use gijiroku::speech::native::Level;
use gijiroku::speech::score::turns::{NamedTurn, compare};
use gijiroku::speech::segmentation::Segmenter;
use gijiroku::speech::voice::campplus::{BANDS, Campplus, Timbre, Work};
use gijiroku::store::models::ModelStore;

use crate::jobs::weights;
use crate::speakers::truth;

const GOLDEN: &str = include_str!("../fixtures/voice/timbres.json");
const REFERENCE: &[u8] = include_bytes!("../fixtures/audio/reference.wav");
const SPEECH_LOW: &[u8] = include_bytes!("../fixtures/vad/speech_low.wav");
const SPEECH_HIGH: &[u8] = include_bytes!("../fixtures/vad/speech_high.wav");
const MEETING: &[u8] = include_bytes!("../fixtures/audio/sample_meeting.ogg");

static STORE: LazyLock<ModelStore> =
    LazyLock::new(|| ModelStore::open(&weights()).expect("the folder of weights can be read"));

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let read = STORE.read_speaker("campplus");
    read.unwrap_or_else(|error| panic!("{error}; run `make model` first"))
});

static TIMBRE: LazyLock<Arc<Campplus>> =
    LazyLock::new(|| Arc::new(Campplus::load(&BYTES).expect("the published weights are accepted")));

/// What Kaldi and the reference network compute for a clip.
#[derive(serde::Deserialize)]
struct Golden {
    frames: usize,
    fbank: BTreeMap<usize, Vec<f32>>,
    voices: Vec<Heard>,
}

/// The voice in some of the frames.
#[derive(serde::Deserialize)]
struct Heard {
    start: usize,
    end: usize,
    voice: Vec<f32>,
}

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(GOLDEN).expect("the fixture is complete")
}

fn clip(name: &str) -> Vec<f32> {
    let wav = match name {
        "reference" => REFERENCE,
        "speech_low" => SPEECH_LOW,
        "speech_high" => SPEECH_HIGH,
        unknown => panic!("timbres.json has an unknown clip {unknown}"),
    };
    let samples = hound::WavReader::new(wav).expect("the fixture is a WAV file").into_samples::<i16>();
    samples.map(|sample| f32::from(sample.expect("the fixture is complete")) / 32768.0).collect()
}

#[test]
fn frames_of_logarithms_are_those_of_kaldi() {
    for (name, golden) in golden() {
        let frames = TIMBRE.frames(&clip(&name));
        assert_eq!(frames.len(), golden.frames * BANDS, "{name}");
        for (frame, row) in golden.fbank {
            for (band, (found, wanted)) in frames[frame * BANDS..].iter().zip(row).enumerate() {
                assert!(
                    (found - wanted).abs() <= 2e-3,
                    "{name}, frame {frame}, band {band}: {found} {wanted}"
                );
            }
        }
    }
}

#[test]
fn timbres_are_those_of_the_reference_network_on_every_processor() {
    for level in Level::available() {
        let network = Campplus::load_for(&BYTES, level).expect("the published weights are accepted");
        let mut work = Work::default();
        for (name, golden) in golden() {
            let frames = network.frames(&clip(&name));
            for Heard { start, end, voice } in golden.voices {
                let found = network.timbre(&frames[start * BANDS..end * BANDS], &mut work);
                let cosine =
                    found.expect("somebody speaks").cosine(&Timbre::new(&voice).expect("a direction"));
                assert!(cosine >= 0.9999, "{name}, {start} to {end} at {}: {cosine}", level.name());
            }
        }
    }
}

#[test]
fn silence_and_broken_sound_have_no_timbre_or_a_sound_one() {
    for sound in [vec![], vec![0.0; 40_000], vec![f32::NAN; 40_000], vec![1e30; 40_000], vec![0.1; 700]] {
        let heard = TIMBRE.timbre(&TIMBRE.frames(&sound), &mut Work::default());
        assert!(heard.is_none_or(|voice| voice.values().iter().all(|value| value.is_finite())));
    }
}

#[test]
fn weights_that_are_cut_off_or_of_another_network_are_refused() {
    assert!(Campplus::load(&BYTES[..BYTES.len() - 1]).is_err());
    assert!(Campplus::load(&STORE.read_speaker("ge2e").expect("it is imported with the others")).is_err());
}

fn seen(pieces: usize, samples: &[f32]) -> Seen {
    let segmenter = STORE.read_segmentation("segmentation-3").expect("it is imported with the others");
    let segmenter = Arc::new(Segmenter::open(&segmenter).expect("the published weights are accepted"));
    let mut scene = Scene::new(Networks { segmenter, timbre: Arc::clone(&TIMBRE) });
    samples.chunks(pieces).for_each(|piece| scene.push(piece));
    scene.finish()
}

fn meeting() -> Vec<f32> {
    let mut reader = MonoReader::open(Box::new(std::io::Cursor::new(MEETING))).expect("it is a recording");
    let mut samples = Vec::new();
    while reader.read(&mut samples).expect("it is whole") {}
    samples
}

fn rate(turns: &[Turn]) -> f64 {
    let turn = |turn: &Turn| NamedTurn { span: turn.span, speaker: turn.speaker.0.to_string() };
    let found =
        compare(&truth(), &turns.iter().map(turn).collect::<Vec<_>>()).expect("there are few speakers");
    found.rate().expect("people speak")
}

#[test]
fn the_scene_of_the_sample_meeting_has_five_speakers_whether_they_were_counted_or_not() {
    let seen = seen(16_000, &meeting());
    for speakers in [Speakers::Auto, Speakers::Given(5)] {
        let turns = together(&seen, &Settings { speakers });
        assert_eq!(turns.iter().map(|turn| turn.speaker.0).max(), Some(5), "{speakers:?}");
        assert!(rate(&turns) <= 0.12, "{speakers:?}: {}", rate(&turns));
    }
}

#[test]
fn a_scene_is_the_same_in_whatever_pieces_it_comes_and_ends_with_the_sound() {
    let samples = meeting();
    let start = &samples[..41 * 16_000];
    let whole = seen(start.len(), start);
    assert_eq!(seen(7_777, start), whole);
    let end = MediaSpan::from_ms(0, 41_000).end();
    for seconds in [0, 1, 9, 11, 41] {
        let turns = together(&seen(16_000, &samples[..seconds * 16_000]), &Settings::default());
        assert!(turns.iter().all(|turn| turn.span.end() <= end), "{seconds} s: {turns:?}");
    }
}
