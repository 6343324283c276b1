//! Recordings: brought in one request, played, downloaded, and by whom.

use gijiroku::http::Settings;
use gijiroku::http::uploads::Uploads;
use gijiroku::store::Id;
use gijiroku::store::audit::Actor;
use gijiroku::store::retention::What;
use gijiroku::store::users::Role;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::office::{Answer, Office, Person};
use crate::uploads::{header, noise, sha256};

fn wav(bytes: usize) -> Vec<u8> {
    let mut sound = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt ".to_vec();
    sound.extend_from_slice(&noise(bytes));
    sound
}

async fn bring(person: &Person, fields: &[(&'static str, &str)], name: &str, sound: Vec<u8>) -> Answer {
    let form = fields.iter().fold(Form::new(), |form, (key, value)| form.text(*key, (*value).to_owned()));
    let form = form.part("file", Part::bytes(sound).file_name(name.to_owned()));
    person.send(person.request(Method::POST, "/v1/recordings").multipart(form)).await
}

fn path(recorded: &Value) -> String {
    format!("/v1/recordings/{}/audio", recorded["recording"].as_str().expect("it has a name"))
}

#[tokio::test]
async fn a_script_brings_a_recording_in_one_request() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let sound = wav(3_000_000);
    let answer = bring(&person, &[("title", "委員会")], "../../etc/passwd\\会議.wav", sound.clone()).await;
    assert_eq!((answer.status.as_u16(), &answer.json["sha256"]), (201, &json!(sha256(&sound))));
    assert!(answer.json["job"].is_string());
    let meeting = format!("/v1/meetings/{}", answer.json["meeting"].as_str().expect("it has a name"));
    assert_eq!(person.get(&meeting).await.json["title"], "委員会");
    let listed = person.get(&format!("{meeting}/recordings")).await.json;
    assert_eq!(
        (listed[0]["file_name"].as_str(), listed[0]["mime"].as_str()),
        (Some("会議.wav"), Some("audio/wav"))
    );
    let again = [("meeting", answer.json["meeting"].as_str().expect("it has a name"))];
    assert_eq!(bring(&person, &again, "b.wav", wav(10)).await.status, 201);
    assert_eq!(person.get(&format!("{meeting}/recordings")).await.json.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_recording_becomes_a_meeting_of_the_template_that_was_chosen() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let template =
        json!({ "template": { "name": "定例会", "title": "定例会 {年}年{月}月", "preselected": true } });
    let made = person.post("/v1/templates", template).await;
    assert_eq!((made.status.as_u16(), &made.json["template"]["preselected"]), (201, &json!(true)));
    let name = made.json["id"].as_str().expect("it has a name");
    let fields = [("template", name), ("held_on", "2026-11-22")];
    let recorded = bring(&person, &fields, "a.wav", wav(1_000)).await.json;
    let meeting = format!("/v1/meetings/{}", recorded["meeting"].as_str().expect("it has a name"));
    let meeting = person.get(&meeting).await.json;
    assert_eq!((&meeting["title"], &meeting["template"]), (&json!("定例会 2026年11月"), &json!(name)));

    let untitled = person.post("/v1/templates", json!({ "template": { "name": "無題" } })).await.json;
    let fields = [("template", untitled["id"].as_str().expect("it has a name"))];
    let recorded = bring(&person, &fields, "委員会.wav", wav(1_000)).await.json;
    let meeting = format!("/v1/meetings/{}", recorded["meeting"].as_str().expect("it has a name"));
    assert_eq!(
        person.get(&meeting).await.json["title"],
        "委員会",
        "the file's name, where nothing else has one"
    );

    let gone = format!("/v1/templates/{name}");
    assert_eq!(person.delete(&gone).await.status, 204);
    let refused = bring(&person, &[("template", name)], "a.wav", wav(1_000)).await;
    assert_eq!(refused.status, 422, "a template that is offered no more: {:?}", refused.json);
}

#[tokio::test]
async fn a_waveform_is_drawn_from_the_recording() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let sound = include_bytes!("../fixtures/audio/reference.wav").to_vec();
    let recorded = bring(&person, &[], "a.wav", sound).await.json;
    let drawn = person.get(&path(&recorded).replace("/audio", "/peaks")).await;
    assert_eq!(drawn.status, 200);
    let values = drawn.json["peaks"].as_array().expect("it is a list");
    let values: Vec<i64> = values.iter().map(|value| value.as_i64().expect("it is a number")).collect();
    assert_eq!(values.len(), 80, "two for each tenth of four seconds");
    // Silence, a tone from 0.2 s to 0.4 s, silence.
    assert_eq!(values[..4], [0, 0, 0, 0]);
    assert!(values[4] < -20 && values[7] > 20 && values[10..12] == [0, 0], "{values:?}");

    let id = recorded["recording"].as_str().expect("it has a name").parse().expect("a UUID");
    let kept = office.store.outline(id).await.expect("the store answers").expect("it is kept");
    assert_eq!(kept.into_iter().map(i64::from).collect::<Vec<_>>(), values);

    let recorded = bring(&person, &[], "b.wav", wav(1_000)).await.json;
    let id = recorded["recording"].as_str().expect("it has a name").parse().expect("a UUID");
    office.store.keep_outline(id, &[-127, 127, -1]).await.expect("the store answers");
    let drawn = person.get(&path(&recorded).replace("/audio", "/peaks")).await;
    assert_eq!(drawn.json["peaks"], json!([-127, 127, -1]), "what a run before has drawn is not drawn again");
}

#[tokio::test]
async fn the_outline_of_a_recording_goes_with_its_audio() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let sound = include_bytes!("../fixtures/audio/reference.wav").to_vec();
    let recorded = bring(&person, &[], "a.wav", sound).await.json;
    let named = |what: &str| recorded[what].as_str().expect("it has a name").parse::<Id>().expect("a UUID");
    let (id, meeting) = (named("recording"), named("meeting"));
    let peaks = path(&recorded).replace("/audio", "/peaks");
    assert_eq!(person.get(&peaks).await.status, 200);
    let job = recorded["job"].as_str().expect("it has a name");
    assert_eq!(person.delete(&format!("/v1/jobs/{job}")).await.status, 200);
    let dated = json!({ "audio_until": office.now().ms() });
    assert_eq!(person.patch(&format!("/v1/meetings/{meeting}"), dated).await.status, 200);
    let (server, now) = (Actor::server(), office.now());
    let begun = office.store.begin_erasure(meeting, What::Audio, &server, now).await;
    assert!(begun.expect("the store answers").is_some(), "it is due");
    assert_eq!(office.store.outline(id).await.expect("the store answers"), None);
    office.store.keep_outline(id, &[1, 2]).await.expect("the store answers");
    assert_eq!(
        office.store.outline(id).await.expect("the store answers"),
        None,
        "a drawing under way is late"
    );
    assert_eq!(person.get(&peaks).await.status, 410);
}

#[tokio::test]
async fn what_stands_behind_the_file_counts_as_well() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let form = Form::new().part("file", Part::bytes(wav(1_000)).file_name("a.wav")).text("title", "委員会");
    let answer = person.send(person.request(Method::POST, "/v1/recordings").multipart(form)).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json);
    let meeting = format!("/v1/meetings/{}", answer.json["meeting"].as_str().expect("it has a name"));
    assert_eq!(person.get(&meeting).await.json["title"], "委員会");
}

#[tokio::test]
async fn a_form_that_is_none_leaves_nothing_behind() {
    let limits = Uploads { bytes_max: 200_000, per_user_bytes_max: 150_000, ..Uploads::default() };
    let office = Office::open_with(Settings { uploads: limits, ..Settings::default() }).await;
    let person = office.administrator().await;
    let post = || person.request(Method::POST, "/v1/recordings");
    let file = || Part::bytes(noise(10)).file_name("a.wav");
    let cases = [
        (post().multipart(Form::new().text("title", "x")), 422),
        (post().multipart(Form::new().part("file", file()).text("preset", "x")), 422),
        (post().multipart(Form::new().part("file", file()).part("file", file())), 422),
        (post().multipart(Form::new().part("file", Part::bytes(Vec::new()).file_name("a.wav"))), 422),
        (post().multipart(Form::new().text("meeting", "x").part("file", file())), 422),
        (post().multipart(Form::new().text("preset", "x").part("file", file())), 422),
        (post().multipart(Form::new().part("file", Part::bytes(noise(160_000)))), 413),
        (post().body("no form"), 400),
    ];
    for (number, (request, status)) in cases.into_iter().enumerate() {
        let answer = person.send(request).await;
        assert_eq!(answer.status, status, "case {number}: {:?}", answer.json);
    }
    assert_eq!(person.get("/v1/uploads").await.json["uploads"], json!([]));
    let left = std::fs::read_dir(office.folder.path().join("uploads")).expect("it is there").count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_player_jumps_around_in_a_recording() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let sound = wav(100_000);
    let recorded = bring(&person, &[], "会議 1.wav", sound.clone()).await.json;
    let (path, total) = (path(&recorded), sound.len());
    let whole = person.get(&path).await;
    assert_eq!((whole.status.as_u16(), &whole.bytes), (200, &sound));
    assert_eq!(header(&whole, "content-type"), "audio/wav");
    assert_eq!(header(&whole, "content-length"), total.to_string());
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    assert_eq!(header(&whole, "cache-control"), "private, no-store");
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    let etag = header(&whole, "etag").to_owned();
    let ranged = |range: &str| person.request(Method::GET, &path).header("Range", range);
    let cases = [("bytes=10-19", 10..20), ("bytes=-5", total - 5..total), ("bytes=99990-", 99_990..total)];
    for (range, expected) in cases {
        let answer = person.send(ranged(range).header("If-Range", &etag)).await;
        assert_eq!((answer.status.as_u16(), &answer.bytes[..]), (206, &sound[expected.clone()]));
        let told = format!("bytes {}-{}/{total}", expected.start, expected.end - 1);
        assert_eq!(header(&answer, "content-range"), told);
    }
    let outside = person.send(ranged("bytes=200000-")).await;
    assert_eq!(
        (outside.status.as_u16(), header(&outside, "content-range")),
        (416, &*format!("bytes */{total}"))
    );
    assert_eq!(person.send(ranged("bytes=1-2").header("If-Range", "\"other\"")).await.status, 200);
    let kept = person.get(&format!("{path}?download=true")).await;
    assert_eq!(
        header(&kept, "content-disposition"),
        "attachment; filename=\"__ 1.wav\"; filename*=UTF-8''%E4%BC%9A%E8%AD%B0%201.wav"
    );
}

#[tokio::test]
async fn who_hears_a_recording_is_written_down_once_and_who_may_not_hears_nothing() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let owner = office.person("owner", Role::Staff, administrator.department()).await;
    let colleague = office.person("colleague", Role::Staff, administrator.department()).await;
    let fields = [("title", "人事"), ("sensitivity", "restricted")];
    let recorded = bring(&owner, &fields, "a.wav", wav(1_000)).await.json;
    let path = path(&recorded);
    assert_eq!(colleague.get(&path).await.status, 404);
    assert_eq!(administrator.get(&path).await.status, 403);
    assert_eq!(office.stranger().get(&path).await.status, 401);
    for range in ["bytes=0-9", "bytes=10-19", "bytes=20-"] {
        assert_eq!(owner.send(owner.request(Method::GET, &path).header("Range", range)).await.status, 206);
    }
    let lines = office.store.audit_lines(0, 1_000, None).await.expect("the log can be read");
    let played = lines.iter().filter(|line| line.event == "recording.play").count();
    assert_eq!(played, 1);
    assert!(lines.iter().any(|line| line.event == "recording.create" && line.meeting.is_some()));
}
