//! The whole way: a sample of 20 s from everybody, the recording with its speakers told apart by ear, names for them.

use std::sync::Arc;

use gijiroku::audio::vad::{Silero, Vad, VadSettings};
use gijiroku::speech::diarize::{Diarization, Listener, Settings, Speakers, diarize};
use gijiroku::speech::enrol;
use gijiroku::speech::naming::{Heard, name};
use gijiroku::speech::voice::{Embedding, Voice};

use crate::people::{Turn, sample_meeting};

/// Speech of a sample, seconds.
const SAMPLE_S: f64 = 20.0;
/// What must be reached, percent of the time in which somebody speaks who is remembered.
const BAR: f64 = 90.0;

/// Prints how much of the sample meeting has the right name: with the number of speakers given, and without.
pub fn print(network: Arc<Voice>, detector: Arc<Silero>) {
    let (sound, turns) = sample_meeting();
    let (names, prints) = remembered(&sound, &turns, (&network, &detector));
    for (way, speakers) in [("", Speakers::Given(5)), ("_number_unknown", Speakers::Auto)] {
        let found = told_apart(&sound, (&network, &detector), speakers);
        let heard: Vec<Heard> = found
            .speakers
            .iter()
            .map(|speaker| Heard { voice: speaker.voice.clone(), speech_ms: speaker.speech_ms })
            .collect();
        let named = name(&heard, &prints);
        let who = |ms: u64| {
            let turn =
                found.turns.iter().find(|turn| turn.span.start().ms() <= ms && ms < turn.span.end().ms());
            let index =
                found.speakers.iter().position(|speaker| Some(speaker.id) == turn.map(|turn| turn.speaker));
            named.iter().find(|named| Some(named.heard) == index).map(|named| names[named.known].as_str())
        };
        let (right, all) = score(&turns, who);
        let value = 100.0 * right as f64 / all.max(1) as f64;
        let judged = if value >= BAR { "ok" } else { "short" };
        println!("figure speakers.naming_after_20s_enrolment{way} {value:.1} % {BAR} {judged}");
    }
}

/// Counts hundredths of a second behind the samples: those with the right name, and all.
fn score<'a>(turns: &[Turn], who: impl Fn(u64) -> Option<&'a str>) -> (u64, u64) {
    let (mut right, mut all) = (0, 0);
    for (speaker, start, end) in later(turns) {
        for ms in ((start * 1000.0) as u64..(end * 1000.0) as u64).step_by(10) {
            all += 1;
            right += u64::from(who(ms) == Some(speaker.as_str()));
        }
    }
    (right, all)
}

/// Returns the turns without what was taken for samples.
fn later(turns: &[Turn]) -> Vec<Turn> {
    let mut used: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
    let mut out = Vec::new();
    for (speaker, start, end) in turns {
        let used = used.entry(speaker).or_default();
        let taken = (SAMPLE_S - *used).clamp(0.0, end - start);
        *used += taken;
        out.push((speaker.clone(), start + taken, *end));
    }
    out
}

fn remembered(
    sound: &[f32],
    turns: &[Turn],
    (network, detector): (&Voice, &Silero),
) -> (Vec<String>, Vec<Embedding>) {
    let mut names: Vec<String> = turns.iter().map(|(speaker, ..)| speaker.clone()).collect();
    names.sort();
    names.dedup();
    let print = |name: &String| {
        let own = turns.iter().filter(|(speaker, ..)| speaker == name);
        let mut sample: Vec<f32> = own
            .flat_map(|(_, start, end)| &sound[(start * 16_000.0) as usize..(end * 16_000.0) as usize])
            .copied()
            .collect();
        sample.truncate((SAMPLE_S * 16_000.0) as usize);
        match enrol::sample(&sample, detector, network) {
            Ok(piece) => piece.voice,
            Err(fault) => {
                println!("the sample of {name} would be refused: {fault:?}");
                crate::middle(network, &sample)
            }
        }
    };
    let prints = names.iter().map(print).collect();
    (names, prints)
}

fn told_apart(
    sound: &[f32],
    (network, detector): (&Arc<Voice>, &Arc<Silero>),
    speakers: Speakers,
) -> Diarization {
    let mut vad = Vad::new(Arc::clone(detector), VadSettings::default());
    let mut listener = Listener::new(Arc::clone(network));
    for piece in sound.chunks(16_000) {
        let probabilities = vad.push(piece).probabilities;
        listener.push(piece, &probabilities);
    }
    let voices = listener.finish(&vad.finish().probabilities);
    diarize(&voices, &Settings { speakers })
}
