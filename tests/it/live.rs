//! Rooms that hear the sample meeting, with the real detector, the real model and the real engine child.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gijiroku::audio::vad::Silero;
use gijiroku::clock::Mono;
use gijiroku::speech::engine::{EngineSettings, Handle, Patience};
use gijiroku::speech::live::{Ask, CaptionEvent, LiveSettings, Output, Session, Start, Trouble, UtteranceId};
use gijiroku::speech::{Backend, Language, Recognition};
use gijiroku::store::models::{Manifest, ModelStore};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PROGRAM, meeting_sound, repository};

/// Samples of a frame as browsers send them: 100 ms.
const FRAME: usize = 1_600;

fn engine(backend: Backend) -> Handle {
    let manifest = Manifest::shipped();
    let base = manifest.model("base").expect("the manifest knows the default model");
    let settings = EngineSettings {
        program: PROGRAM.into(),
        arguments: Vec::new(),
        model: repository("models/weights").join(&base.file),
        sha256: base.sha256.clone(),
        backend,
        threads: 2,
        patience: Patience::default(),
    };
    Handle::start(settings, Mono::now)
}

fn session(backend: Backend) -> Session {
    let store = ModelStore::open(&repository("models/weights")).expect("run `make model` first");
    let net = store.read_vad("silero-v6").expect("run `make model` first");
    let net = Arc::new(Silero::from_safetensors(&net).expect("the published weights are accepted"));
    Session::new(net, LiveSettings::of(backend, Language::Ja), Start::default())
}

/// Hears sound on a clock that stands still while the engine computes.
fn hear(
    session: &mut Session,
    sound: &[f32],
    mut answer: impl FnMut(Ask) -> Result<Recognition, Trouble>,
) -> Vec<CaptionEvent> {
    let mut told = Vec::new();
    let mut now = Mono::from_ms(0);
    let mut frames = sound.chunks(FRAME);
    while !session.is_over() {
        match frames.next() {
            Some(frame) => {
                now = now + Duration::from_millis(100);
                assert_eq!(session.push(frame, now), frame.len());
            }
            None => session.end(),
        }
        while let Some(output) = session.poll(now) {
            match output {
                Output::Recognise(ask) => {
                    let id = ask.id;
                    session.answered(id, answer(ask), now);
                }
                Output::Caption(event) => told.push(event),
                Output::Cancel(_) | Output::Degraded(_) | Output::Lag { .. } => {}
            }
        }
    }
    told
}

fn asked(engine: &mut Handle, ask: Ask) -> Result<Recognition, Trouble> {
    engine.try_submit(ask.id.0, ask.request).map_err(|(error, _)| Trouble::from(&error))?;
    let (_, answer) = engine.receive(Duration::from_secs(120)).ok_or(Trouble::Away)?;
    answer.map_err(|error| Trouble::from(&error))
}

fn text(told: &[CaptionEvent]) -> String {
    told.iter().filter_map(CaptionEvent::as_final).map(|told| told.text()).collect()
}

fn assert_nothing_retracted(told: &[CaptionEvent]) {
    let mut committed: BTreeMap<UtteranceId, String> = BTreeMap::new();
    for event in told {
        if let CaptionEvent::Tentative(now) = event {
            let before = committed.insert(now.utterance, now.committed.clone()).unwrap_or_default();
            assert!(now.committed.starts_with(&before), "{before} became {}", now.committed);
        }
    }
}

fn a_meeting_is_understood_live_by(backend: Backend) {
    let mut engine = engine(backend);
    let sound = meeting_sound(28);
    let told = hear(&mut session(backend), &sound, |ask| asked(&mut engine, ask));
    let text = text(&told);
    for said in ["会議を始めます", "議題", "タブレット", "予算", "鈴木です"] {
        assert!(text.contains(said), "{said} is missing: {text}");
    }
    assert!(told.iter().any(|event| matches!(event, CaptionEvent::Tentative(_))));
    assert_nothing_retracted(&told);
}

#[test]
fn our_own_engine_understands_a_meeting_while_it_goes_on() {
    a_meeting_is_understood_live_by(Backend::Native);
}

#[test]
fn whisper_cpp_understands_a_meeting_while_it_goes_on() {
    a_meeting_is_understood_live_by(Backend::Whisper);
}

#[test]
fn an_engine_that_is_killed_in_the_middle_costs_no_word() {
    let sound = meeting_sound(15);
    let mut engine = engine(Backend::Native);
    let undisturbed = text(&hear(&mut session(Backend::Native), &sound, |ask| asked(&mut engine, ask)));
    let mut questions = 0;
    let told = hear(&mut session(Backend::Native), &sound, |ask| {
        questions += 1;
        if questions % 4 == 3
            && let Some(process) = engine.process_id()
        {
            let pid = Pid::from_raw(process as i32).expect("a process number is positive");
            // It may just be starting again.
            let _ = kill_process(pid, Signal::KILL);
        }
        asked(&mut engine, ask)
    });
    assert_eq!(text(&told), undisturbed);
    assert!(questions > 6, "{questions}");
}

#[test]
fn ten_seconds_of_room_noise_have_no_captions() {
    let mut seed = 1_u32;
    let noise: Vec<f32> = (0..160_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 16_777_216.0 * 0.02 - 0.01
        })
        .collect();
    let mut engine = engine(Backend::Native);
    let told = hear(&mut session(Backend::Native), &noise, |ask| asked(&mut engine, ask));
    assert_eq!(text(&told), "");
}
