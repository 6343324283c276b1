//! How often speakers get their name by voice, another's, or one although nobody remembers them: over variations of
//! noise, band, level, room and people. The thresholds of `speech::naming` and `speech::enrol` come from here.
//!
//! `cargo bench --bench naming` takes the sample meeting; `-- A.wav A.rttm B.wav B.rttm` adds other recordings with
//! their turns; `--trials` prints every comparison, `--halves` what tells one voice in a sample from two, `--figure`
//! how much of the sample meeting is named rightly by the whole way.

mod figure;
mod people;
mod sounds;

use std::collections::BTreeMap;
use std::sync::Arc;

use gijiroku::audio::vad::Silero;
use gijiroku::speech::enrol::second_voice;
use gijiroku::speech::naming::{Heard, evidence, name};
use gijiroku::speech::voice::{Embedding, Voice};

use people::{Person, people};
use sounds::VARIATIONS;

/// Speech of a sample, and of a speaker in the meeting, in samples.
const SAMPLE: usize = 20 * 16_000;
const MEETING: usize = 60 * 16_000;

/// Somebody with a sample and with what they say later.
struct Cast {
    recording: usize,
    sample: Vec<f32>,
    later: Vec<f32>,
}

/// Time by what became of it, milliseconds.
#[derive(Default, Clone, Copy)]
struct Tally {
    right: u64,
    wrong: u64,
    unnamed: u64,
    strangers_named: u64,
    strangers: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let network = Voice::load(&weights("ge2e")).expect("the published weights are accepted");
    if has("--figure") {
        let detector = Silero::from_safetensors(&weights("silero_vad_16k"));
        return figure::print(
            Arc::new(network),
            Arc::new(detector.expect("the published weights are accepted")),
        );
    }
    let people = people(&arguments);
    if has("--halves") {
        return halves(&people, &network);
    }
    let cast: Vec<Cast> = people.iter().filter_map(cast).collect();
    println!("{} people", cast.len());
    let mut totals: BTreeMap<&str, Tally> = BTreeMap::new();
    for (taken_name, taken) in VARIATIONS {
        let prints: Vec<Embedding> = cast.iter().map(|one| middle(&network, &taken(&one.sample))).collect();
        for (met_name, met) in VARIATIONS {
            let heard: Vec<Heard> = cast
                .iter()
                .map(|one| Heard {
                    voice: middle(&network, &met(&one.later)),
                    speech_ms: one.later.len() as u64 / 16,
                })
                .collect();
            let label = format!("sample {taken_name}, meeting {met_name}");
            scenarios(&label, &cast, (&prints, &heard), &mut totals, has("--trials"));
        }
    }
    for (scenario, tally) in totals {
        tally.print(&format!("ALL · {scenario}"));
    }
}

/// Goes through who may be remembered: everybody, everybody but one, the people of other recordings only.
fn scenarios(
    label: &str,
    cast: &[Cast],
    (prints, heard): (&[Embedding], &[Heard]),
    totals: &mut BTreeMap<&'static str, Tally>,
    trials: bool,
) {
    let recordings = cast.iter().map(|one| one.recording).max().unwrap_or(0) + 1;
    let mut sums: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for recording in 0..recordings {
        let present: Vec<usize> = (0..cast.len()).filter(|one| cast[*one].recording == recording).collect();
        let absent: Vec<usize> = (0..cast.len()).filter(|one| cast[*one].recording != recording).collect();
        let mut try_with = |scenario: &'static str, remembered: &[usize]| {
            let tally = tally((prints, heard), &present, remembered, trials);
            sums.entry(scenario).or_default().add(tally);
            totals.entry(scenario).or_default().add(tally);
        };
        try_with("all remembered", &present);
        try_with("all remembered and others, too", &[present.clone(), absent.clone()].concat());
        try_with("only others remembered", &absent);
        for out in &present {
            let others: Vec<usize> = present.iter().filter(|one| *one != out).copied().collect();
            try_with("one is a stranger", &others);
            try_with("one is remembered", &[*out]);
        }
    }
    for (scenario, sum) in sums {
        sum.print(&format!("{label} · {scenario}"));
    }
}

fn tally(
    (prints, heard): (&[Embedding], &[Heard]),
    present: &[usize],
    remembered: &[usize],
    trials: bool,
) -> Tally {
    let known: Vec<Embedding> = remembered.iter().map(|one| prints[*one].clone()).collect();
    let speakers: Vec<Heard> = present.iter().map(|one| heard[*one].clone()).collect();
    let named = name(&speakers, &known);
    let mut tally = Tally::default();
    for (index, who) in present.iter().enumerate() {
        let ms = speakers[index].speech_ms;
        let is_known = remembered.contains(who);
        let found = named.iter().find(|named| named.heard == index).map(|named| remembered[named.known]);
        match found {
            _ if !is_known => {
                tally.strangers += ms;
                tally.strangers_named += if found.is_some() { ms } else { 0 };
            }
            Some(found) if found == *who => tally.right += ms,
            Some(_) => tally.wrong += ms,
            None => tally.unnamed += ms,
        }
        if trials {
            for (column, person) in remembered.iter().enumerate() {
                let (likeness, margin) = evidence(&speakers, &known, (index, column));
                println!("trial {likeness:.4} {margin:.4} {ms} {}", u8::from(person == who));
            }
        }
    }
    tally
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.unnamed += other.unnamed;
        self.strangers_named += other.strangers_named;
        self.strangers += other.strangers;
    }

    fn print(&self, label: &str) {
        let known = (self.right + self.wrong + self.unnamed).max(1) as f64 / 100.0;
        println!(
            "{label}: right {:.1} %, wrong {:.1} %, unnamed {:.1} %, strangers named {:.1} %",
            self.right as f64 / known,
            self.wrong as f64 / known,
            self.unnamed as f64 / known,
            self.strangers_named as f64 * 100.0 / self.strangers.max(1) as f64
        );
    }
}

/// Gives a person a sample and a meeting: of little speech, half each.
fn cast(person: &Person) -> Option<Cast> {
    let sample = SAMPLE.min(person.speech.len() / 2);
    let later = &person.speech[sample..];
    // Three seconds are the least that names are given for.
    (later.len() >= 48_000).then(|| Cast {
        recording: person.recording,
        sample: person.speech[..sample].to_vec(),
        later: later[..later.len().min(MEETING)].to_vec(),
    })
}

fn middle(network: &Voice, samples: &[f32]) -> Embedding {
    let windows: Vec<Embedding> = network.embed(samples).into_iter().map(|(_, voice)| voice).collect();
    Embedding::middle(&windows).expect("speech has a voice")
}

/// Prints how alike the two most different parts of samples are: of one voice, and of two voices of one recording.
fn halves(people: &[Person], network: &Voice) {
    let windows = |samples: &[f32]| -> Vec<Embedding> {
        network.embed(samples).into_iter().map(|(_, voice)| voice).collect()
    };
    let long: Vec<&Person> = people.iter().filter(|person| person.speech.len() >= SAMPLE / 2).collect();
    for (name, variation) in VARIATIONS {
        for one in &long {
            let own = variation(&one.speech[..one.speech.len().min(SAMPLE)]);
            println!("halves {name} one {:.4}", second_voice(&windows(&own)).unwrap_or(1.0));
            for other in long.iter().filter(|other| other.id != one.id && other.recording == one.recording) {
                let half = SAMPLE / 2;
                let both = [&one.speech[..half], &other.speech[..half.min(other.speech.len())]].concat();
                println!("halves {name} two {:.4}", second_voice(&windows(&variation(&both))).unwrap_or(1.0));
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the weights are a file that is not in the repository")]
fn weights(name: &str) -> Vec<u8> {
    let path = format!("{}/models/weights/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; run `make model` first"))
}
