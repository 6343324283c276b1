//! The people of recordings with known turns: what each says alone.

use std::collections::BTreeMap;
use std::path::Path;

use gijiroku::audio::reader::MonoReader;

/// Somebody who speaks in a recording.
pub struct Person {
    /// A number of their own.
    pub id: usize,
    /// The number of the recording.
    pub recording: usize,
    /// What they say while nobody else speaks, one after the other.
    pub speech: Vec<f32>,
}

/// A turn: who, from when to when in seconds.
pub type Turn = (String, f64, f64);

/// Returns the sample meeting and its turns.
pub fn sample_meeting() -> (Vec<f32>, Vec<Turn>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    (decoded(&folder.join("sample_meeting.ogg")), turns_of(&folder.join("sample_meeting.json")))
}

/// Returns the people of the sample meeting and of the recordings that are named in pairs of sound and turns.
pub fn people(arguments: &[String]) -> Vec<Person> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    let mut recordings = vec![(folder.join("sample_meeting.ogg"), folder.join("sample_meeting.json"))];
    let files: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    recordings.extend(files.chunks_exact(2).map(|pair| (pair[0].into(), pair[1].into())));
    let mut people = Vec::new();
    for (recording, (sound, turns)) in recordings.iter().enumerate() {
        let sound = decoded(sound);
        for (_, speech) in alone(&sound, &turns_of(turns)) {
            people.push(Person { id: people.len(), recording, speech });
        }
    }
    people
}

fn alone(sound: &[f32], turns: &[Turn]) -> BTreeMap<String, Vec<f32>> {
    let mut out: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (who, start, end) in turns {
        let others = turns.iter().filter(|(other, ..)| other != who);
        // From the end of whoever spoke before to the start of whoever comes in.
        let (mut start, mut end) = (*start, *end);
        for (_, from, until) in others {
            if *from <= start && *until > start {
                start = *until;
            } else if *from > start && *from < end {
                end = *from;
            }
        }
        let index = |seconds: f64| ((seconds * 16_000.0) as usize).min(sound.len());
        if end - start >= 0.5 {
            out.entry(who.clone()).or_default().extend_from_slice(&sound[index(start)..index(end)]);
        }
    }
    out
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the files it is told")]
fn turns_of(path: &Path) -> Vec<Turn> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_some_and(|ending| ending == "json") {
        let truth: serde_json::Value = serde_json::from_str(&text).expect("the truth is JSON");
        let number = |segment: &serde_json::Value, name: &str| segment[name].as_f64().expect("seconds");
        let turn = |segment: &serde_json::Value| {
            let who = segment["speaker"].as_str().expect("a speaker").to_owned();
            (who, number(segment, "start"), number(segment, "end"))
        };
        return truth["segments"].as_array().expect("segments").iter().map(turn).collect();
    }
    let turn = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, length): (f64, f64) = (words.get(3)?.parse().ok()?, words.get(4)?.parse().ok()?);
        Some(((*words.get(7)?).to_owned(), start, start + length))
    };
    text.lines().filter_map(turn).collect()
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the files it is told")]
fn decoded(path: &Path) -> Vec<f32> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = MonoReader::open(Box::new(file)).expect("a recording");
    let mut samples = Vec::new();
    while reader.read(&mut samples).expect("a whole recording") {}
    samples
}
