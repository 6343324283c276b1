//! Live meetings: what is acknowledged is never lost, and a recording needs neither a seat nor a recogniser.

mod dictation;
mod late;
mod lossy;
mod microphone;
mod outage;
mod speakers;
pub mod stored;

use std::path::Path;
use std::time::Duration;

use gijiroku::store::Id;
use gijiroku::store::users::Role;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::faults::served::{Served, Start, Watched};
use crate::office::{Office, Person};
use crate::seating;
use crate::support::{meeting_sound, repository};
use lossy::Lossy;
use microphone::{Line, Microphone, noise};

/// How often something is looked at that takes its time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A server of its own with somebody who records there.
struct House {
    served: Served,
    person: Person,
    token: String,
    data: std::path::PathBuf,
    models: Option<std::path::PathBuf>,
}

impl House {
    async fn open(folder: &Path, models: bool) -> Self {
        Self::start(folder, models.then(|| repository("models/weights")), None).await
    }

    /// Opens one whose disk can be filled.
    async fn watched(folder: &Path, watched: &Watched) -> Self {
        Self::start(folder, None, Some(watched)).await
    }

    async fn start(folder: &Path, models: Option<std::path::PathBuf>, watched: Option<&Watched>) -> Self {
        let data = folder.join("data");
        let start = Start { data: &data, port: 0, models: models.as_deref(), watched };
        let (served, secret) = Served::start(&start).expect("a new folder can be served");
        let person = served.person(secret.as_deref()).await.expect("the link is good");
        let expires_at = gijiroku::clock::UnixMs::now().ms() + 86_400_000;
        let wish = json!({ "name": "room", "scopes": ["read", "write"], "expires_at": expires_at });
        let made = person.post("/v1/tokens", wish).await;
        let token = made.json["secret"].as_str().expect("a token has a secret").to_owned();
        Self { served, person, token, data, models }
    }

    /// Kills the server without a word and starts it again on the same port.
    async fn kill(self) -> Self {
        let Self { served, person, token, data, models } = self;
        let port = served.port();
        served.signal("KILL");
        served.buried();
        let start = Start { data: &data, port, models: models.as_deref(), watched: None };
        let (served, _) = Served::start(&start).expect("it starts again");
        Self { served, person, token, data, models }
    }

    async fn begin(&self, wish: Value) -> Value {
        let answer = self.person.post("/v1/live", wish).await;
        assert_eq!(answer.status, 201, "{:?}", answer.json);
        answer.json
    }

    async fn microphone(&self, live: &str, name: Id, rate_hz: u32) -> Microphone {
        Microphone::connect(&self.served.root, live, &self.token, (name, rate_hz)).await
    }

    /// Waits until a meeting has so many recordings, and returns their sound without the head of the file.
    async fn recordings(&self, meeting: &str, count: usize) -> Vec<Vec<u8>> {
        let path = format!("/v1/meetings/{meeting}/recordings");
        let found =
            wait(&path, &self.person, |list| list.as_array().is_some_and(|list| list.len() >= count)).await;
        let mut sounds = Vec::new();
        for recording in found.as_array().expect("a list") {
            let id = recording["id"].as_str().expect("a name");
            let answer = self.person.get(&format!("/v1/recordings/{id}/audio")).await;
            sounds.push(answer.bytes[44..].to_vec());
        }
        sounds
    }
}

async fn wait(path: &str, person: &Person, fits: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..900 {
        let answer = person.get(path).await;
        if fits(&answer.json) {
            return answer.json;
        }
        sleep(LOOK_EVERY).await;
    }
    panic!("{path} never became what was awaited");
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{value} has {name}")).to_owned()
}

fn bytes_of(sound: &[i16]) -> Vec<u8> {
    sound.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[tokio::test]
async fn whatever_happens_to_frames_on_their_way_the_recording_is_what_the_microphone_heard() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    assert_eq!(live["status"]["phase"], "recording", "without any model it is recorded all the same");
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(48_000 * 6));
    let name = Id::new();
    let mut microphone = house.microphone(&id, name, 48_000).await;
    assert_eq!(microphone.stored, 0);
    // A damaged frame, one twice, one too early.
    let mut damaged = microphone.frame(&sound, 0);
    damaged[40] ^= 1;
    microphone.send(damaged).await;
    assert_eq!(microphone.line.hear_type("resend").await["from"], 0);
    for from in [0, 4_800, 4_800, 0] {
        let frame = microphone.frame(&sound, from);
        microphone.send(frame).await;
    }
    let early = microphone.frame(&sound, 48_000);
    microphone.send(early).await;
    assert_eq!(microphone.line.hear_type("resend").await["from"], 9_600);
    microphone.send_all(&sound, 9_600, 96_000).await;
    microphone.stored(96_000).await;
    // The line breaks; the next one goes on, and the first is told so if it still listens.
    let mut again = house.microphone(&id, name, 48_000).await;
    assert_eq!(again.stored, 96_000);
    again.send_all(&sound, 90_000, 288_000).await;
    again.end(288_000).await;
    assert_eq!(house.person.post(&format!("/v1/live/{id}/end"), json!({})).await.status, 200);
    let sounds = house.recordings(&meeting, 1).await;
    assert!(sounds[0] == bytes_of(&sound), "every sample is the one that was heard");
    assert_eq!(house.person.post(&format!("/v1/live/{id}/pause"), json!({})).await.status, 409);
}

#[tokio::test]
async fn on_a_line_that_damages_doubles_swaps_and_cuts_no_sample_is_lost_and_none_comes_twice() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 40));
    let place = (house.served.root.as_str(), format!("/v1/live/{id}/record"), house.token.as_str());
    let faults = Lossy::new(place, &sound, 0x5EED).record().await;
    let happened = [faults.damaged, faults.doubled, faults.swapped, faults.cut];
    assert!(happened.iter().all(|times| *times > 0), "{faults:?}");
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    assert!(house.recordings(&meeting, 1).await[0] == bytes_of(&sound), "{faults:?}");
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_has_everything_it_acknowledged() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会", "room": "第一会議室" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 20));
    let (name, mut acknowledged) = (Id::new(), 0);
    for round in 1..=3_u64 {
        let mut microphone = house.microphone(&id, name, 16_000).await;
        assert!(microphone.stored >= acknowledged, "{} of {acknowledged}", microphone.stored);
        let (from, until) = (microphone.stored, 80_000 * round);
        microphone.send_all(&sound, from, until).await;
        let stored = microphone.line.hear_type("stored").await;
        acknowledged = stored["samples"].as_u64().expect("a number");
        house = house.kill().await;
        let again = house.person.get(&format!("/v1/live/{id}")).await;
        assert_eq!((again.status.as_u16(), &again.json["room"]), (200, &json!("第一会議室")));
    }
    let mut microphone = house.microphone(&id, name, 16_000).await;
    assert!(microphone.stored >= acknowledged);
    let from = microphone.stored;
    microphone.send_all(&sound, from, 320_000).await;
    microphone.end(320_000).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    let sounds = house.recordings(&meeting, 1).await;
    assert!(sounds[0] == bytes_of(&sound), "no hole, nothing twice");
}

#[tokio::test]
async fn sound_that_comes_after_the_end_becomes_a_further_recording() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 2));
    let name = Id::new();
    let mut microphone = house.microphone(&id, name, 16_000).await;
    microphone.send_all(&sound, 0, 16_000).await;
    microphone.end(16_000).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    house.recordings(&meeting, 1).await;
    // The microphone had more than it knew of.
    let mut microphone = house.microphone(&id, name, 16_000).await;
    assert_eq!(microphone.stored, 16_000);
    microphone.send_all(&sound, 16_000, 32_000).await;
    microphone.end(32_000).await;
    let sounds = house.recordings(&meeting, 2).await;
    assert!(sounds[0] == bytes_of(&sound[..16_000]) && sounds[1] == bytes_of(&sound[16_000..]));
}

#[tokio::test]
async fn without_a_free_seat_it_is_recorded_and_the_reason_is_told() {
    let office = Office::open().await;
    seating::license(&office.seats, 1).await;
    let administrator = office.administrator().await;
    let other = office.person("other", Role::Staff, administrator.department()).await;
    let meeting = other.post("/v1/meetings", json!({ "title": "編集中" })).await;
    other.take_seat(&text(&meeting.json, "id")).await;
    let begun = administrator.post("/v1/live", json!({ "title": "定例会" })).await;
    assert_eq!(begun.status, 201, "{:?}", begun.json);
    assert_eq!(
        (&begun.json["status"]["phase"], &begun.json["status"]["recognition"]),
        (&json!("recording"), &json!("no_seat"))
    );
    assert!(text(&begun.json["status"], "sentence").contains("録音のみ"));
    let again = json!({ "meeting_id": begun.json["meeting"] });
    let known = administrator.post("/v1/live", again).await;
    assert_eq!((known.status.as_u16(), &known.json["live"]), (200, &begun.json["live"]));
}

#[tokio::test]
async fn a_wish_that_is_made_again_finds_what_it_began_also_after_the_end() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let other = office.person("other", Role::Staff, administrator.department()).await;
    let wish = json!({ "title": "一度だけの会議", "request_id": Id::new() });
    // The first answer is still on its way when the wish is made again.
    let (first, second) = tokio::join!(
        administrator.post("/v1/live", wish.clone()),
        administrator.post("/v1/live", wish.clone())
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "{:?} {:?}", first.json, second.json);
    assert_eq!(
        (&first.json["live"], &first.json["meeting"]),
        (&second.json["live"], &second.json["meeting"])
    );
    let id = text(&first.json, "live");
    assert_eq!(administrator.post(&format!("/v1/live/{id}/end"), json!({})).await.status, 200);
    let late = administrator.post("/v1/live", wish.clone()).await;
    assert_eq!((late.status.as_u16(), text(&late.json, "live")), (200, id));
    let meetings = administrator.get("/v1/meetings").await.json.to_string();
    assert_eq!(meetings.matches("一度だけの会議").count(), 1, "{meetings}");
    assert_eq!(other.post("/v1/live", wish).await.status, 422, "it is somebody else's");
}

#[tokio::test]
async fn who_has_the_link_reads_captions_without_an_account_until_it_is_closed() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let begun =
        administrator.post("/v1/live", json!({ "title": "定例会", "captions": { "link": true } })).await;
    let (id, page) = (text(&begun.json, "live"), text(&begun.json, "link"));
    let (stranger, root) = (office.stranger(), format!("http://{}", office.address));
    let shown = administrator.get(&format!("/v1/live/{id}/link")).await.json;
    assert!(text(&shown, "url").ends_with(&page) && text(&shown, "qr").starts_with("<svg"), "{shown}");
    let code = page.strip_prefix("/captions/").expect("it is a page");
    let seen = stranger.get(&format!("/v1/captions/{code}")).await;
    assert_eq!((seen.status.as_u16(), &seen.json["title"]), (200, &json!("定例会")));
    let mut line = Line::open(&root, &format!("/v1/captions/{code}/live"), None).await.expect("it may look");
    assert_eq!(line.hear(|_| true).await["kind"], "snapshot");
    let heading = administrator.post(&format!("/v1/live/{id}/agenda"), json!({ "text": "議題1" })).await;
    assert_eq!(heading.status, 201, "{:?}", heading.json);
    let event = line.hear(|event| event["kind"] == "agenda").await;
    assert_eq!(event["text"], "議題1");
    administrator.post(&format!("/v1/live/{id}/messages"), json!({ "text": "（拍手）" })).await;
    let message = line.hear(|event| event["kind"] == "message").await;
    // Who comes back says what they have seen, and gets what they missed.
    let path = format!("/v1/captions/{code}/live?after={}", event["seq"]);
    let mut again = Line::open(&root, &path, None).await.expect("it may look");
    assert_eq!(again.hear(|_| true).await, message);
    let other = administrator.post(&format!("/v1/live/{id}/link"), json!({ "open": false })).await;
    assert_eq!(other.json["url"], Value::Null);
    assert_eq!(administrator.get(&format!("/v1/live/{id}/link")).await.json["url"], Value::Null);
    let end = tokio::time::timeout(Duration::from_secs(20), line.next()).await;
    assert_eq!(end.expect("it is told at once"), None);
    assert_eq!(stranger.get(&format!("/v1/captions/{code}")).await.status, 404);
}

#[tokio::test]
async fn a_colleague_reads_captions_and_only_who_may_edit_corrects_them() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let colleague = office.person("colleague", Role::Staff, administrator.department()).await;
    let other = office.person("stranger", Role::Staff, office.department("税務課").await).await;
    let begun = administrator.post("/v1/live", json!({ "title": "定例会" })).await;
    let id = text(&begun.json, "live");
    for (person, reads, writes) in [(&administrator, 200, 204), (&colleague, 200, 403), (&other, 404, 404)] {
        assert_eq!(person.get(&format!("/v1/live/{id}")).await.status, reads);
        let said = person.post(&format!("/v1/live/{id}/messages"), json!({ "text": "a" })).await;
        assert_eq!(said.status, writes);
    }
    let listed = |answer: crate::office::Answer| answer.json.as_array().map(Vec::len);
    assert_eq!(listed(colleague.get("/v1/live").await), Some(1));
    assert_eq!(listed(other.get("/v1/live").await), Some(0));
}

#[tokio::test]
async fn a_meeting_is_heard_corrected_marked_and_becomes_minutes() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), true).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting) = (text(&live, "live"), text(&live, "meeting"));
    let sound: Vec<i16> = meeting_sound(30).iter().map(|sample| (sample * 32_767.0) as i16).collect();
    let samples = sound.len() as u64;
    let path = format!("/v1/live/{id}/captions");
    let mut captions =
        Line::open(&house.served.root, &path, Some(&house.token)).await.expect("they may be read");
    let mut microphone = house.microphone(&id, Id::new(), 16_000).await;
    let is_listened_to =
        |event: &Value| event["recognition"] == "running" || event["status"]["recognition"] == "running";
    captions.hear_within(Duration::from_secs(120), is_listened_to).await;
    microphone.send_all(&sound, 0, samples).await;
    let first = captions.hear_within(Duration::from_secs(120), |event| event["kind"] == "final").await;
    assert!(text(&first, "text").chars().count() > 2, "{first}");
    let heading = house.person.post(&format!("/v1/live/{id}/agenda"), json!({ "text": "議題1 予算" })).await;
    assert_eq!(heading.status, 201);
    let mark = house.person.post(&format!("/v1/live/{id}/marks"), json!({ "mark": "decision" })).await;
    assert_eq!(mark.status, 201);
    let correction = json!({ "line": first["line"], "text": "開会します。" });
    let corrected = house.person.post(&format!("/v1/live/{id}/corrections"), correction).await;
    assert_eq!(corrected.status, 204);
    let event = captions.hear(|event| event["kind"] == "corrected").await;
    assert_eq!((&event["line"], &event["text"]), (&first["line"], &json!("開会します。")));
    microphone.end(samples).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    assert!(house.recordings(&meeting, 1).await[0] == bytes_of(&sound));
    let minutes = format!("/v1/meetings/{meeting}/minutes");
    let found = wait(&minutes, &house.person, |json| {
        json["minutes"]["blocks"].is_array() || json["blocks"].is_array()
    })
    .await;
    let told = found.to_string();
    assert!(told.contains("議題1 予算"), "{told}");
    assert!(told.contains("decision"), "{told}");
}
