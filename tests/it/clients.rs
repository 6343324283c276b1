//! Programs that others wrote for the protocols we speak: OpenAI's client and the one of tus, from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::faults::served::{Served, Start};
use crate::office::Person;
use crate::support::{meeting_sound, repository, text, write_wav};
use crate::uploads::sha256;

const PACKAGES: [&str; 2] = ["openai[realtime]==3.54.0", "tuspy==1.1.0"];

/// A Python that has the clients; made once, beside what the build made. Tests that run at the same time share it.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let (python, done) = (folder.join("bin/python"), folder.join(PACKAGES.join("+")));
    if !done.exists() {
        let run = |program: &Path, arguments: &[&str]| {
            let ended = Command::new(program).args(arguments).status().expect("Python can be started");
            assert!(ended.success(), "{arguments:?}");
        };
        run(Path::new("python3"), &["-m", "venv", "--clear", text(&folder)]);
        run(
            &python,
            &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGES[0], PACKAGES[1]],
        );
        std::fs::write(done, "").expect("there is room");
    }
    python
});

/// Lets a script talk to the server; what it told.
async fn talk(script: &str, served: &Served, token: &str, recording: &Path) -> Value {
    let (script, root, token) = (repository(script), served.root.clone(), token.to_owned());
    let recording = recording.to_owned();
    // Off this thread, which also runs what else the test does: the first call makes the Python.
    let ended = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(&*PYTHON);
        command.arg(script).arg(root).arg(token).arg(recording).env("NO_PROXY", "*").output()
    });
    let ended = ended.await.expect("it does not panic");
    let ended = ended.expect("Python can be started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("the script tells JSON")
}

async fn office(folder: &Path) -> (Served, Person, String) {
    let (data, models) = (folder.join("data"), repository("models/weights"));
    let start = Start { data: &data, port: 0, models: Some(&models), watched: None };
    let (served, secret) = Served::start(&start).expect("a new folder can be served");
    let person = served.person(secret.as_deref()).await.expect("the link is good");
    let expires_at = gijiroku::clock::UnixMs::now().ms() + 86_400_000;
    let wish = json!({ "name": "client", "scopes": ["read", "write"], "expires_at": expires_at });
    let made = person.post("/v1/tokens", wish).await;
    let token = made.json["secret"].as_str().expect("a token has a secret").to_owned();
    (served, person, token)
}

#[tokio::test]
async fn the_official_client_of_openai_reads_every_format_and_the_stream() {
    let folder = tempfile::tempdir().expect("there is room");
    let (served, _, token) = office(folder.path()).await;
    let recording = folder.path().join("meeting.wav");
    write_wav(&recording, &meeting_sound(12));
    let told = talk("tests/clients/with_openai.py", &served, &token, &recording).await;
    let whole = told["json"].as_str().expect("a text");
    assert!(whole.chars().count() > 20, "{whole}");
    assert_eq!(told["text"].as_str().map(str::trim_end), Some(whole));
    assert!(told["srt"].as_str().is_some_and(|srt| srt.contains("00:00:") && srt.contains(" --> ")));
    assert!(told["vtt"].as_str().is_some_and(|vtt| vtt.starts_with("WEBVTT")));
    assert_eq!((&told["verbose"]["text"], &told["verbose"]["language"]), (&json!(whole), &json!("ja")));
    assert!(told["verbose"]["duration"].as_f64().is_some_and(|seconds| (seconds - 12.0).abs() < 0.1));
    for part in ["segments", "words"] {
        let parts = told["verbose"][part].as_array().expect("a list");
        assert!(!parts.is_empty() && parts.iter().all(|part| part[0].as_f64() <= part[1].as_f64()), "{part}");
    }
    let events = told["stream"].as_array().expect("a list");
    let (last, deltas) = events.split_last().expect("there are events");
    assert_eq!(last, &json!(["transcript.text.done", whole]));
    let heard: String = deltas.iter().filter_map(|event| event[1].as_str()).collect();
    assert!(deltas.iter().all(|event| event[0] == "transcript.text.delta") && heard == whole, "{heard}");
    assert_eq!(told["refused"]["format"]["code"], "invalid");
}

#[tokio::test]
async fn the_official_client_of_tus_goes_on_where_it_was_cut_off() {
    let folder = tempfile::tempdir().expect("there is room");
    let (served, person, token) = office(folder.path()).await;
    let recording = folder.path().join("meeting.wav");
    write_wav(&recording, &meeting_sound(8));
    let told = talk("tests/clients/with_tus.py", &served, &token, &recording).await;
    assert_eq!(told["stored"], told["resumed_at"], "the server says what it has");
    assert!(told["resumed_at"].as_u64() < told["size"].as_u64() && told["offset"] == told["size"]);
    let meetings = person.get("/v1/meetings").await;
    let found = meetings.json.as_array().expect("a list").iter().find(|one| one["title"] == "途切れた取込");
    let meeting = found.and_then(|one| one["id"].as_str()).expect("the upload made a meeting").to_owned();
    let recordings = person.get(&format!("/v1/meetings/{meeting}/recordings")).await;
    let bytes = std::fs::read(&recording).expect("it is there");
    assert_eq!(recordings.json[0]["sha256"], sha256(&bytes));
}

#[tokio::test]
async fn the_official_client_of_openai_streams_sound_and_reads_what_was_said() {
    let folder = tempfile::tempdir().expect("there is room");
    let (served, _, token) = office(folder.path()).await;
    let recording = folder.path().join("meeting.wav");
    write_24k(&recording, &meeting_sound(20));
    let told = talk("tests/clients/realtime_with_openai.py", &served, &token, &recording).await;
    let types: Vec<&str> =
        told["turns"]["types"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let place = |kind: &str| {
        types.iter().position(|found| *found == kind).unwrap_or_else(|| panic!("{kind}: {types:?}"))
    };
    assert!(place("session.created") < place("session.updated"));
    assert!(place("input_audio_buffer.speech_started") < place("input_audio_buffer.speech_stopped"));
    assert!(
        place("input_audio_buffer.committed")
            < place("conversation.item.input_audio_transcription.completed")
    );
    let transcripts = told["turns"]["transcripts"].as_array().expect("a list");
    assert!(transcripts.len() >= 2 && transcripts.iter().all(|text| text.as_str().is_some()));
    let (item, heard) = (&told["item"]["transcripts"][0], told["item"]["delta"].as_str().expect("a text"));
    assert!(heard.chars().count() > 20, "{told}");
    assert_eq!(item.as_str(), Some(heard), "the parts are the whole");
}

/// Writes 16 kHz sound as a WAV of 24 kHz: straight lines between samples are sound enough for a recogniser.
fn write_24k(path: &Path, sound: &[f32]) {
    let at = |index: usize| {
        let place = index as f32 * 2.0 / 3.0;
        let (left, share) = (place as usize, place.fract());
        let right = sound.get(left + 1).copied().unwrap_or(0.0);
        ((sound[left] * (1.0 - share) + right * share) * 32_767.0) as i16
    };
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 24_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("there is room for the test's sound");
    for index in 0..sound.len() / 2 * 3 {
        writer.write_sample(at(index)).expect("there is room for the test's sound");
    }
    writer.finalize().expect("there is room for the test's sound");
}
