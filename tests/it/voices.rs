//! Voices that are remembered: off at first, by consent, sealed, erasable; and the names they give.

use std::path::Path;
use std::time::Duration;

use gijiroku::jobs::learn::Lessons;
use gijiroku::minutes::draft::draft;
use gijiroku::minutes::template::Template;
use gijiroku::speech::transcript::Transcript;
use gijiroku::speech::voice::Embedding;
use gijiroku::speech::voiceprint::{Origin, Piece, Voiceprint};
use gijiroku::store::audit::Actor;
use gijiroku::store::blobs::{self, Blobs};
use gijiroku::store::jobs::Finished;
use gijiroku::store::users::Role;
use gijiroku::store::voices::{Consent, ConsentWay, Enrolled, NewVoice, VOICE_MODEL, Voice, VoiceRules};
use gijiroku::store::{Id, Location, Store};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::office::{Answer, Office, Person};
use crate::papers;
use crate::support::{meeting_sound, repository, sample_meeting, write_wav};

/// The people of the sample meeting, by the letters of its truth.
const PEOPLE: [(&str, &str); 5] =
    [("A", "山田 太郎"), ("B", "鈴木 花子"), ("C", "佐藤 次郎"), ("D", "田中 三郎"), ("E", "高橋 良子")];
/// Speech in a sample, seconds.
const SAMPLE_S: f64 = 20.0;

/// Something said in the sample meeting.
#[derive(Clone)]
struct Said {
    speaker: usize,
    start_s: f64,
    end_s: f64,
}

fn truth() -> Vec<Said> {
    let text = std::fs::read_to_string(repository("tests/fixtures/audio/sample_meeting.json"));
    let truth: Value =
        serde_json::from_str(&text.expect("the truth is in the repository")).expect("it is JSON");
    let said = |segment: &Value| Said {
        speaker: PEOPLE
            .iter()
            .position(|(letter, _)| segment["speaker"] == *letter)
            .expect("five people speak"),
        start_s: segment["start"].as_f64().expect("a number"),
        end_s: segment["end"].as_f64().expect("a number"),
    };
    truth["segments"].as_array().expect("a list").iter().map(said).collect()
}

/// Returns what a person says first, so many seconds of it.
fn sample_of(sound: &[f32], person: usize, seconds: f64) -> Vec<f32> {
    let mut out = Vec::new();
    for said in truth().iter().filter(|said| said.speaker == person) {
        out.extend_from_slice(&sound[(said.start_s * 16_000.0) as usize..(said.end_s * 16_000.0) as usize]);
    }
    out.truncate((seconds * 16_000.0) as usize);
    out
}

fn wav(sound: &[f32]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("temporary files can be made");
    write_wav(file.path(), sound);
    std::fs::read(file.path()).expect("it was just written")
}

async fn wording(person: &Person) -> String {
    let words = person.get("/v1/voices/consent").await;
    assert!(words.json["text"].as_str().is_some_and(|text| text.contains("消去")));
    words.json["wording"].as_str().expect("it has a version").to_owned()
}

async fn switch(person: &Person, department: Id, rules: Value) -> Answer {
    person.put(&format!("/v1/departments/{department}/voice-rules"), rules).await
}

async fn send_sample(person: &Person, path: &str, fields: &[(&'static str, &str)], sound: &[f32]) -> Answer {
    let form = fields.iter().fold(Form::new(), |form, (key, value)| form.text(*key, (*value).to_owned()));
    let form = form.part("file", Part::bytes(wav(sound)).file_name("声.wav"));
    person.send(person.request(Method::POST, path).multipart(form)).await
}

/// Has a person without an account remembered, on signed paper.
async fn enrol(person: &Person, name: &str, sound: &[f32]) -> Answer {
    let path = format!("/v1/departments/{}/voices", person.department());
    let wording = wording(person).await;
    send_sample(person, &path, &[("name", name), ("way", "paper"), ("wording", &wording)], sound).await
}

async fn office_with_voices() -> (Office, Person) {
    let office = Office::open().await;
    let head = office.administrator().await;
    let on = switch(&head, head.department(), json!({ "enabled": true, "learning": true })).await;
    assert_eq!(on.status, 200, "{:?}", on.json);
    (office, head)
}

fn listed(answer: &Answer) -> usize {
    answer.json.as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_department_remembers_nobody_until_an_administrator_says_so() {
    let office = Office::open().await;
    let head = office.administrator().await;
    let department = head.department();
    let staff = office.person("staff", Role::DepartmentAdministrator, department).await;
    let rules = staff.get(&format!("/v1/departments/{department}/voice-rules")).await;
    assert_eq!(rules.json, json!({ "enabled": false, "learning": false, "keep_days": 365 }));
    let refused = enrol(&staff, "山田 太郎", &sample_of(&meeting_sound(352), 0, SAMPLE_S)).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (409, &json!("voices_off")));
    let on = json!({ "enabled": true });
    assert_eq!(switch(&staff, department, on.clone()).await.status, 403);
    assert_eq!(switch(&head, department, json!({ "enabled": true, "keep_days": 0 })).await.status, 422);
    assert_eq!(switch(&head, department, on).await.status, 200);
}

#[tokio::test]
async fn a_voice_is_taken_listed_for_those_who_answer_for_it_and_erased_with_a_proof() {
    let (office, head) = office_with_voices().await;
    let made = enrol(&head, "山田 太郎", &sample_of(&meeting_sound(352), 0, SAMPLE_S)).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    let id = made.json["id"].as_str().expect("it has a name").to_owned();
    let key = office.folder.path().join(format!("voices/{id}.key"));
    assert!(key.exists());
    let again = enrol(&head, "山田太郎", &sample_of(&meeting_sound(352), 0, SAMPLE_S)).await;
    assert_eq!(again.status, 409, "the same person twice");

    let list = format!("/v1/departments/{}/voices", head.department());
    let colleague = office.person("colleague", Role::Staff, head.department()).await;
    assert_eq!(listed(&head.get(&list).await), 1);
    assert_eq!(listed(&colleague.get(&list).await), 0, "a colleague sees their own only");
    assert_eq!(colleague.delete(&format!("/v1/voices/{id}")).await.status, 404);

    let proof = head.delete(&format!("/v1/voices/{id}")).await;
    assert_eq!((proof.status.as_u16(), &proof.json["because"]), (200, &json!("asked")));
    assert!(proof.json["erased_at"].is_i64() && proof.json["audit_seq"].is_u64(), "{:?}", proof.json);
    assert!(!key.exists());
    assert_eq!(listed(&head.get(&list).await), 0);
    let proofs = head.get(&format!("/v1/departments/{}/voice-erasures", head.department())).await;
    assert_eq!(proofs.json[0]["id"], proof.json["id"]);
    let lines = office.store.audit_lines(0, 1000, None).await.expect("the database answers");
    let events: Vec<&str> = lines.iter().map(|line| line.event.as_str()).collect();
    for event in ["voice.rules", "voice.enrol", "voice.erase"] {
        assert!(events.contains(&event), "{event} is not in {events:?}");
    }
    let told = serde_json::to_string(&lines).expect("lines are JSON");
    assert!(!told.contains("山田"), "the log names nobody");
}

#[tokio::test]
async fn consent_is_the_persons_own_or_on_paper_and_to_the_words_of_today() {
    let (office, head) = office_with_voices().await;
    let staff = office.person("staff", Role::Staff, head.department()).await;
    let sound = sample_of(&meeting_sound(352), 1, SAMPLE_S);
    let (path, words) = (format!("/v1/departments/{}/voices", head.department()), wording(&staff).await);
    let old = send_sample(&staff, &path, &[("wording", "2020-01")], &sound).await;
    assert_eq!((old.status.as_u16(), &old.json["code"]), (409, &json!("consent_outdated")));
    let for_another = [("name", "鈴木 花子"), ("way", "paper"), ("wording", words.as_str())];
    assert_eq!(send_sample(&staff, &path, &for_another, &sound).await.status, 403);
    let other = head.id().to_string();
    let in_the_name = [("user", other.as_str()), ("wording", words.as_str())];
    assert_eq!(send_sample(&staff, &path, &in_the_name, &sound).await.status, 403);
    let own = send_sample(&staff, &path, &[("wording", &words)], &sound).await;
    assert_eq!(own.status, 201, "{:?}", own.json);
    assert_eq!(own.json["consent"]["way"], "in_person");
    assert_eq!(own.json["consent"]["recorded_by"], json!(staff.id()));
    let renew = format!("/v1/voices/{}/sample", own.json["id"].as_str().expect("it has a name"));
    assert_eq!(send_sample(&staff, &renew, &[("wording", &words)], &sound).await.status, 200);
}

#[tokio::test]
async fn a_bad_sample_is_refused_with_what_to_do_and_nothing_is_kept() {
    let (office, head) = office_with_voices().await;
    let sound = meeting_sound(352);
    let good = sample_of(&sound, 0, SAMPLE_S);
    let quiet: Vec<f32> = good.iter().map(|sample| sample * 0.003).collect();
    let loud: Vec<f32> = good.iter().map(|sample| (sample * 20.0).clamp(-1.0, 1.0)).collect();
    let two = [sample_of(&sound, 0, 10.0), sample_of(&sound, 2, 10.0)].concat();
    for (code, sample) in [
        ("sample_too_short", sample_of(&sound, 0, 8.0)),
        ("sample_too_quiet", quiet),
        ("sample_clipped", loud),
        ("sample_several_speakers", two),
    ] {
        let refused = enrol(&head, "山田 太郎", &sample).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json["code"]),
            (422, &json!(code)),
            "{:?}",
            refused.json
        );
    }
    assert_eq!(office.store.voices(head.department()).await.expect("the database answers"), []);
    let keys = std::fs::read_dir(office.folder.path().join("voices")).expect("the folder is there");
    assert_eq!(keys.count(), 0);
}

#[tokio::test]
async fn a_closed_account_takes_its_voice_along() {
    let (office, head) = office_with_voices().await;
    let staff = office.person("staff", Role::Staff, head.department()).await;
    let path = format!("/v1/departments/{}/voices", head.department());
    let sound = sample_of(&meeting_sound(352), 1, SAMPLE_S);
    let made = send_sample(&staff, &path, &[("wording", &wording(&staff).await)], &sound).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    let closed = head.patch(&format!("/v1/users/{}", staff.id()), json!({ "disabled": true })).await;
    assert_eq!(closed.status, 200);
    assert_eq!(listed(&head.get(&path).await), 0);
    let proofs = head.get(&format!("/v1/departments/{}/voice-erasures", head.department())).await;
    assert_eq!(proofs.json[0]["because"], "left");
    assert!(proofs.json[0]["erased_at"].is_i64());
}

/// A voice that only tests need to tell apart.
fn print(axis: usize) -> Voiceprint {
    let mut values = [0.0; 256];
    values[axis] = 1.0;
    let voice = Embedding::new(&values).expect("an axis is a direction");
    Voiceprint::new(Piece { origin: Origin::Sample, speech_ms: 20_000, voice })
}

async fn remember(office: &Office, person: &Person, name: &str, axis: usize) -> Voice {
    let now = office.now();
    let consent =
        Consent { wording: "1".to_owned(), way: ConsentWay::Paper, recorded_by: person.id(), at: now };
    let (department, print) = (person.department(), print(axis));
    let new = NewVoice { department, user: None, name, consent, model: VOICE_MODEL, print: &print };
    match office.store.add_voice(&new, &Actor::server(), now).await.expect("the database answers") {
        Enrolled::Done(voice) => voice,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn voices_leave_on_their_day_and_a_month_after_the_department_was_switched_off() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let (office, head) = office_with_voices().await;
    let (store, department) = (&office.store, head.department());
    remember(&office, &head, "山田 太郎", 0).await;
    assert_eq!(store.erase_due_voices(office.now().plus(364 * DAY)).await.expect("answers"), 0);
    assert_eq!(store.erase_due_voices(office.now().plus(365 * DAY)).await.expect("answers"), 1);
    remember(&office, &head, "鈴木 花子", 1).await;
    let off = VoiceRules { enabled: false, ..VoiceRules::default() };
    store.set_voice_rules(department, off, &Actor::server(), office.now()).await.expect("it is kept");
    let compared = store.voiceprints(department, VOICE_MODEL, office.now()).await.expect("answers");
    assert!(compared.is_empty(), "switched off means not compared, at once");
    assert_eq!(store.erase_due_voices(office.now().plus(29 * DAY)).await.expect("answers"), 0);
    assert_eq!(store.erase_due_voices(office.now().plus(31 * DAY)).await.expect("answers"), 1);
    let proofs = store.voice_erasures(department).await.expect("answers");
    let because: Vec<String> = proofs.iter().map(|proof| format!("{:?}", proof.because)).collect();
    assert_eq!(because.len(), 2);
    assert!(because.contains(&"Expired".to_owned()) && because.contains(&"SwitchedOff".to_owned()));
}

#[tokio::test]
async fn without_its_key_a_voice_from_an_old_backup_cannot_be_read() {
    let (office, head) = office_with_voices().await;
    let voice = remember(&office, &head, "山田 太郎", 0).await;
    remember(&office, &head, "鈴木 花子", 1).await;
    let count = |store: &Store| {
        let (store, department, now) = (store.clone(), head.department(), office.now());
        async move { store.voiceprints(department, VOICE_MODEL, now).await.expect("answers").len() }
    };
    assert_eq!(count(&office.store).await, 2);
    // What a backup of yesterday brings back: the row, and no key.
    std::fs::remove_file(office.folder.path().join(format!("voices/{}.key", voice.id))).expect("it is there");
    assert_eq!(count(&office.store).await, 1);
}

/// Makes a meeting of the sample recording whose minutes tell who spoke as the truth does, under numbers; returns its
/// path.
async fn numbered_meeting(office: &Office, owner: &Person) -> String {
    let form = Form::new().text("title", "業務改革推進会議");
    let sound = std::fs::read(sample_meeting()).expect("the sample meeting is in the repository");
    let form = form.part("file", Part::bytes(sound).file_name("会議.ogg"));
    let brought = owner.send(owner.request(Method::POST, "/v1/recordings").multipart(form)).await;
    assert_eq!(brought.status, 201, "{:?}", brought.json);
    let store = &office.store;
    let claimed = store.claim_job("test", Duration::from_secs(60), office.now()).await;
    let lease = claimed.expect("the store answers").expect("the job waits").lease;
    let segment = |said: &Said| {
        let (start_ms, end_ms) = ((said.start_s * 1000.0) as u64, (said.end_s * 1000.0) as u64);
        json!({ "start_ms": start_ms, "end_ms": end_ms, "text": "はい。", "confidence": 0.9,
            "speaker": said.speaker + 1, "words": [
            { "start_ms": start_ms, "end_ms": end_ms, "text": "はい。", "confidence": 0.9 }] })
    };
    let said = truth();
    let document = json!({ "version": 1, "language": "ja", "duration_ms": 351_372, "model": "test",
        "segments": said.iter().map(segment).collect::<Vec<_>>(), "gaps": [], "removed": [] });
    let transcript = Transcript::from_json(&document.to_string()).expect("it is a transcript");
    let minutes = draft(&transcript, &Template::default());
    let finished = Finished { transcript: &transcript, draft: &minutes, speed_ms: None };
    let kept = store.finish_job(lease, finished, office.now()).await.expect("the store answers");
    assert!(kept.is_some_and(|kept| kept.is_first));
    format!("/v1/meetings/{}", brought.json["meeting"].as_str().expect("it has a name"))
}

async fn names(person: &Person, path: &str) -> Vec<(String, bool)> {
    let minutes = person.get(&format!("{path}/minutes")).await;
    let speakers = minutes.json["minutes"]["speakers"].as_array().expect("a list").clone();
    let one = |speaker: &Value| {
        let name = speaker["name"].as_str().expect("it has a name").to_owned();
        (name, speaker["named_by"] == "automatic")
    };
    speakers.iter().map(one).collect()
}

#[tokio::test]
async fn speakers_are_named_by_voice_as_a_suggestion_and_strangers_stay_numbers() {
    let (office, head) = office_with_voices().await;
    let sound = meeting_sound(352);
    for person in [0, 1, 4] {
        let made = enrol(&head, PEOPLE[person].1, &sample_of(&sound, person, SAMPLE_S)).await;
        assert_eq!(made.status, 201, "{:?}", made.json);
    }
    let path = numbered_meeting(&office, &head).await;
    let ops = json!([{ "op": "put_speaker", "speaker": { "id": 2, "name": "鈴木 花子" } }]);
    assert_eq!(papers::edit(&head, &path, 1, "by-hand", ops).await.status, 200);
    let seat = head.take_seat(&papers::id(&path).to_string()).await;
    let ask = |request: &str| {
        head.request(Method::POST, &format!("{path}/speakers/name"))
            .header("seat", &seat)
            .json(&json!({ "request_id": request }))
    };
    let answer = head.send_once(ask("1")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    assert_eq!((&answer.json["named"], &answer.json["unnamed"]), (&json!(2), &json!(2)));
    let expected =
        [("山田 太郎", true), ("鈴木 花子", false), ("話者3", false), ("話者4", false), ("高橋 良子", true)];
    assert_eq!(names(&head, &path).await, expected.map(|(name, automatic)| (name.to_owned(), automatic)));
    let undone = head.post(&format!("{path}/minutes/undo"), json!({ "request_id": "2" })).await;
    assert_eq!(undone.status, 200, "{:?}", undone.json);
    assert_eq!(names(&head, &path).await[0], ("話者1".to_owned(), false));
}

#[tokio::test]
async fn a_corrected_meeting_teaches_voices_where_that_is_allowed_and_once() {
    let (office, head) = office_with_voices().await;
    let sound = meeting_sound(352);
    for person in [0, 1] {
        assert_eq!(enrol(&head, PEOPLE[person].1, &sample_of(&sound, person, SAMPLE_S)).await.status, 201);
    }
    let path = numbered_meeting(&office, &head).await;
    // 話者2 is named rightly, 話者3 wrongly: what does not sound like 山田 teaches nothing about 山田.
    let ops = json!([
        { "op": "put_speaker", "speaker": { "id": 2, "name": "鈴木花子" } },
        { "op": "put_speaker", "speaker": { "id": 3, "name": "山田 太郎" } },
    ]);
    assert_eq!(papers::edit(&head, &path, 1, "by-hand", ops).await.status, 200);
    let lessons = lessons(&office).await;
    assert_eq!(lessons.pass(office.now()).await.expect("answers"), 0, "the minutes are not final yet");
    let mut meeting = office.store.meeting(papers::id(&path)).await.expect("answers").expect("it is there");
    meeting.state = "final".to_owned();
    let server = Actor::server();
    office.store.change_meeting(&meeting, "test", &server, office.now()).await.expect("it is kept");
    assert_eq!(lessons.pass(office.now()).await.expect("answers"), 1);
    assert_eq!(lessons.pass(office.now()).await.expect("answers"), 0, "a meeting teaches once");
    let voices = office.store.voices(head.department()).await.expect("answers");
    let pieces: Vec<_> = voices.iter().map(|voice| (voice.name.as_str(), voice.pieces)).collect();
    assert!(pieces.contains(&("鈴木 花子", 2)) && pieces.contains(&("山田 太郎", 1)), "{pieces:?}");
}

async fn lessons(office: &Office) -> Lessons {
    let audio = office.folder.path().join("audio");
    let blobs = Blobs::open(blobs::Settings::Local { folder: audio }).await.expect("the folder is there");
    let scratch = office.folder.path().join("uploads");
    Lessons { store: office.store.clone(), blobs, models: repository("models/weights"), scratch }
}

#[tokio::test]
async fn a_voice_is_taken_from_a_meeting_that_people_corrected() {
    let (office, head) = office_with_voices().await;
    let path = numbered_meeting(&office, &head).await;
    let ops = json!([{ "op": "put_speaker", "speaker": { "id": 1, "name": "山田 太郎" } }]);
    assert_eq!(papers::edit(&head, &path, 1, "by-hand", ops).await.status, 200);
    let from = format!("/v1/departments/{}/voices/from-meeting", head.department());
    let body = json!({ "meeting": papers::id(&path), "speaker": 1, "way": "paper", "wording": wording(&head).await });
    let made = head.post(&from, body).await;
    assert_eq!((made.status.as_u16(), &made.json["name"]), (201, &json!("山田 太郎")), "{:?}", made.json);
    let unknown = json!({ "meeting": papers::id(&path), "speaker": 9, "way": "paper", "wording": wording(&head).await });
    assert_eq!(head.post(&from, unknown).await.status, 422);
}

#[test]
fn the_weights_of_the_voice_network_are_there() {
    let folder: &Path = &repository("models/weights");
    let models = gijiroku::store::models::ModelStore::open(folder).expect("the folder of weights is there");
    let weights = models.read_speaker(VOICE_MODEL);
    assert!(weights.is_ok(), "{:?}; run `make model` first", weights.err());
}

#[tokio::test]
async fn a_voice_in_the_row_of_another_does_not_open() {
    let (office, head) = office_with_voices().await;
    let Location::File(database) = &office.location else { return };
    let (one, other) =
        (remember(&office, &head, "山田 太郎", 0).await, remember(&office, &head, "鈴木 花子", 1).await);
    let url = format!("sqlite://{}", database.display());
    let mut connection =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("the file is there");
    let swap = format!(
        "UPDATE voices SET sealed = (SELECT sealed FROM voices WHERE id = '{}') WHERE id = '{}'",
        one.id, other.id
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(swap)).execute(&mut connection).await.expect("it is written");
    let opened =
        office.store.voiceprints(head.department(), VOICE_MODEL, office.now()).await.expect("answers");
    assert_eq!(opened.iter().map(|(voice, _)| voice.id).collect::<Vec<_>>(), [one.id]);
}
