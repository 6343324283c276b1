//! Minutes for tests: taken in from a file, or drafted by a job that has finished.

use std::time::Duration;

use gijiroku::minutes::draft::draft;
use gijiroku::speech::transcript::Transcript;
use gijiroku::store::Id;
use gijiroku::store::audit::Actor;
use gijiroku::store::jobs::{Finished, NewJob, Priority, Settings};
use gijiroku::store::recordings::NewRecording;
use serde_json::{Value, json};

use crate::office::{Office, Person};

/// Returns a file of minutes: one utterance every five seconds, spoken by 会長 (1) and 事務局 (2).
pub fn whole(spoken: &[(u64, &str)]) -> Value {
    let blocks: Vec<Value> = (0_u64..)
        .zip(spoken)
        .map(|(index, (speaker, text))| {
            let (start_ms, end_ms) = (index * 5_000, index * 5_000 + 4_000);
            let word = json!({ "start_ms": start_ms, "end_ms": end_ms, "text": text, "confidence": 0.9 });
            json!({ "kind": "utterance", "id": index + 1, "speaker": speaker, "start_ms": start_ms,
                "end_ms": end_ms, "text": text, "words": [word], "confidence": 0.9 })
        })
        .collect();
    let speakers = json!([{ "id": 1, "name": "山田", "role": "会長", "public_name": "会長" },
        { "id": 2, "name": "鈴木", "role": "事務局" }]);
    let header = json!({ "title": "定例会", "held_on": "2026-11-22" });
    json!({ "format": "gijiroku-minutes", "version": 1, "minutes": {
        "version": 1, "header": header, "speakers": speakers, "blocks": blocks, "items": [] } })
}

/// Makes a meeting without minutes and returns its path.
pub async fn meeting(person: &Person, body: Value) -> String {
    let made = person.post("/v1/meetings", body).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    format!("/v1/meetings/{}", made.json["id"].as_str().expect("it has a name"))
}

/// Makes a meeting with minutes and returns its path.
pub async fn meeting_with(person: &Person, spoken: &[(u64, &str)]) -> String {
    let path = meeting(person, json!({ "title": "定例会", "held_on": "2026-11-22" })).await;
    let taken = person.post(&format!("{path}/minutes"), whole(spoken)).await;
    assert_eq!((taken.status.as_u16(), &taken.json["revision"]), (201, &json!(1)), "{:?}", taken.json);
    path
}

/// Returns the meeting's name out of its path.
pub fn id(path: &str) -> Id {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("the path ends with a name")
}

/// Returns the texts of the minutes as they are now.
pub async fn texts(person: &Person, path: &str) -> Vec<String> {
    let answer = person.get(&format!("{path}/minutes")).await;
    let blocks = answer.json["minutes"]["blocks"].as_array().expect("minutes have blocks");
    blocks.iter().map(|block| block["text"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Sends an edit.
pub async fn edit(
    person: &Person,
    path: &str,
    base: u64,
    request: &str,
    ops: Value,
) -> crate::office::Answer {
    let body = json!({ "base_revision": base, "request_id": request, "ops": ops });
    person.patch(&format!("{path}/minutes"), body).await
}

/// Lets a job end that heard these texts, one every five seconds; returns the recording.
pub async fn heard(
    office: &Office,
    person: &Person,
    path: &str,
    recording: Option<Id>,
    texts: &[&str],
) -> Id {
    heard_as(office, person, path, (recording, Settings::default()), texts).await
}

/// The same for a recognition that was asked for otherwise than usual.
pub async fn heard_as(
    office: &Office,
    person: &Person,
    path: &str,
    (recording, settings): (Option<Id>, Settings),
    texts: &[&str],
) -> Id {
    let (store, now, meeting) = (&office.store, office.now(), Some(id(path)));
    let recording = match recording {
        Some(recording) => recording,
        None => store.add_recording(&recorded(meeting, person.id()), now).await.expect("it is kept"),
    };
    let priority = Priority::Normal;
    let job = NewJob { meeting, recording, user: person.id(), settings, priority };
    let actor = Actor { user: Some(person.id()), address: "127.0.0.1".to_owned() };
    store.enqueue(&job, &actor, now).await.expect("it is kept");
    let claimed = store.claim_job("test", Duration::from_secs(60), now).await.expect("the store answers");
    let transcript = transcript(texts);
    let template = store.template_of_meeting(id(path)).await.expect("the store answers").unwrap_or_default();
    let draft = draft(&transcript, &template);
    let finished = Finished { transcript: &transcript, draft: &draft, speed_ms: None };
    let lease = claimed.expect("a job waits").lease;
    let kept = store.finish_job(lease, finished, now).await.expect("the store answers");
    assert!(kept.is_some(), "the lease is held");
    recording
}

fn recorded(meeting: Option<Id>, user: Id) -> NewRecording {
    NewRecording {
        meeting,
        user,
        upload: None,
        blob: "none".to_owned(),
        bytes: 1,
        sha256: "0".repeat(64),
        file_name: "録音.wav".to_owned(),
        mime: "audio/wav".to_owned(),
    }
}

fn transcript(texts: &[&str]) -> Transcript {
    let segment = |(index, text): (u64, &&str)| {
        let (start_ms, end_ms) = (index * 5_000, index * 5_000 + 4_000);
        json!({ "start_ms": start_ms, "end_ms": end_ms, "text": text, "confidence": 0.9, "words": [
            { "start_ms": start_ms, "end_ms": end_ms, "text": text, "confidence": 0.9 }] })
    };
    let segments: Vec<Value> = (0_u64..).zip(texts).map(segment).collect();
    let duration_ms = 5_000 * segments.len();
    let document = json!({ "version": 1, "language": "ja", "duration_ms": duration_ms, "model": "test",
        "segments": segments, "gaps": [], "removed": [] });
    Transcript::from_json(&document.to_string()).expect("it is a transcript")
}
