//! Uploads by tus and by plain requests: every rule of the protocol, rights and limits, and playing what came.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gijiroku::http::Settings;
use gijiroku::http::uploads::Uploads;
use gijiroku::store::users::Role;
use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::office::{Answer, Office, Person};
use crate::support::until;

const PART: &str = "application/offset+octet-stream";

/// Returns bytes that look like nothing, the same ones each time.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// Returns the hash as the server tells it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `Upload-Metadata`.
pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| format!("{key} {}", STANDARD.encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// Prepares a request of the protocol.
pub fn tus(person: &Person, method: Method, path: &str) -> RequestBuilder {
    person.request(method, path).header("Tus-Resumable", "1.0.0")
}

/// Prepares a part.
pub fn part(person: &Person, path: &str, offset: u64, body: impl Into<Body>) -> RequestBuilder {
    let request = tus(person, Method::PATCH, path);
    request.header("Content-Type", PART).header("Upload-Offset", offset).body(body)
}

/// Begins an upload and returns where it is.
pub async fn begin(person: &Person, bytes: u64, pairs: &[(&str, &str)]) -> String {
    let answer = person.send(creation(person, bytes, pairs)).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json);
    header(&answer, "location").to_owned()
}

fn creation(person: &Person, bytes: u64, pairs: &[(&str, &str)]) -> RequestBuilder {
    let request = tus(person, Method::POST, "/v1/uploads").header("Upload-Length", bytes);
    if pairs.is_empty() { request } else { request.header("Upload-Metadata", metadata(pairs)) }
}

/// Asks where to go on.
pub async fn offset(person: &Person, path: &str) -> u64 {
    let answer = person.send(tus(person, Method::HEAD, path)).await;
    assert_eq!(answer.status, 200);
    header(&answer, "upload-offset").parse().expect("an offset is a number")
}

/// Returns a header that must be there.
pub fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.headers.get(name).unwrap_or_else(|| panic!("{name} is missing: {answer:?}"));
    value.to_str().expect("headers of answers are text")
}

/// The body of a part whose connection breaks once the server has put some of it into its file.
fn breaking(bytes: &[u8], file: &Path) -> Body {
    let pieces: Vec<std::io::Result<Bytes>> =
        bytes.chunks(70_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let file = file.to_owned();
    let cut = stream::once(async move {
        until("the server puts bytes into the file", || file.metadata().is_ok_and(|file| file.len() > 0))
            .await;
        Err(std::io::Error::other("the cable was pulled"))
    });
    Body::wrap_stream(stream::iter(pieces).chain(cut))
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.json["code"].as_str().unwrap_or_default())
}

fn limited(uploads: Uploads) -> Settings {
    Settings { uploads, ..Settings::default() }
}

/// Waits until the server shows what is asked for; looks no oftener than an account may ask.
pub async fn shown(person: &Person, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..1_200 {
        looks.tick().await;
        let answer = person.get(path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
        if fits(&answer.json) {
            return answer.json;
        }
    }
    panic!("the upload does not get on")
}

#[tokio::test]
async fn a_recording_in_parts_becomes_a_meeting_with_a_job() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let sound = noise(100_000);
    let pairs = [("filename", "第1回 定例会.m4a"), ("sensitivity", "restricted"), ("preset", "fast")];
    let path = begin(&person, 100_000, &pairs).await;
    let first = person.send(part(&person, &path, 0, sound[..40_000].to_vec())).await;
    assert_eq!((first.status.as_u16(), header(&first, "upload-offset")), (204, "40000"));
    assert!(header(&first, "upload-expires").ends_with("GMT"));
    assert_eq!(person.get("/v1/uploads").await.json["uploads"][0]["bytes_stored"], 40_000);
    let last = person.send(part(&person, &path, 40_000, sound[40_000..].to_vec())).await;
    assert_eq!((last.status.as_u16(), header(&last, "upload-offset")), (204, "100000"));
    let done = person.get(&path).await.json;
    assert_eq!((done["state"].as_str(), &done["recorded"]["sha256"]), (Some("done"), &json!(sha256(&sound))));
    let meeting = format!("/v1/meetings/{}", done["recorded"]["meeting"].as_str().expect("it has a name"));
    let read = person.get(&meeting).await.json;
    assert_eq!(
        (read["title"].as_str(), read["sensitivity"].as_str()),
        (Some("第1回 定例会"), Some("restricted"))
    );
    assert!(done["recorded"]["job"].is_string());
    let recordings = person.get(&format!("{meeting}/recordings")).await.json;
    assert_eq!(recordings[0]["file_name"], "第1回 定例会.m4a");
    assert_eq!(person.get("/v1/uploads").await.json["uploads"], json!([]));
    // Asking again, as after a lost answer, makes no second recording.
    assert_eq!(offset(&person, &path).await, 100_000);
    assert_eq!(person.send(part(&person, &path, 100_000, "")).await.status, 204);
    assert_eq!(person.get(&format!("{meeting}/recordings")).await.json.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_server_tells_what_it_speaks() {
    let office = Office::open().await;
    let answer = office.stranger().send(office.stranger().request(Method::OPTIONS, "/v1/uploads")).await;
    assert_eq!(answer.status, 204);
    assert_eq!(header(&answer, "tus-version"), "1.0.0");
    assert_eq!(header(&answer, "tus-max-size"), (20_u64 << 30).to_string());
    assert_eq!(header(&answer, "tus-checksum-algorithm"), "sha1,sha256");
    for extension in ["creation", "creation-with-upload", "checksum", "termination", "expiration"] {
        assert!(header(&answer, "tus-extension").split(',').any(|told| told == extension), "{extension}");
    }
}

#[tokio::test]
async fn a_request_of_another_version_is_told_which_one_is_spoken() {
    let office = Office::open().await;
    let person = office.administrator().await;
    for request in [
        person.request(Method::POST, "/v1/uploads").header("Upload-Length", 1),
        person.request(Method::POST, "/v1/uploads").header("Tus-Resumable", "0.2.2"),
        person.request(Method::HEAD, "/v1/uploads/x"),
        person.request(Method::DELETE, "/v1/uploads/x"),
    ] {
        let answer = person.send(request).await;
        assert_eq!((answer.status.as_u16(), header(&answer, "tus-version")), (412, "1.0.0"));
        assert_eq!(header(&answer, "tus-resumable"), "1.0.0");
    }
    assert_eq!(person.get("/v1/uploads").await.json["uploads"], json!([]));
}

#[tokio::test]
async fn what_is_not_the_protocol_begins_nothing() {
    let office = Office::open_with(limited(Uploads { bytes_max: 1_000, ..Uploads::default() })).await;
    let person = office.administrator().await;
    let post = || tus(&person, Method::POST, "/v1/uploads");
    let sized = || post().header("Upload-Length", 10);
    let unknown = metadata(&[("meeting", "0199c0de-8b5e-7c3a-9a41-2f6d1e0b7c55")]);
    let cases = [
        (post(), 400),
        (post().header("Upload-Defer-Length", 1), 400),
        (post().header("Upload-Length", "-1"), 400),
        (post().header("Upload-Length", "0"), 422),
        (post().header("Upload-Length", 1_001), 413),
        (sized().header("Upload-Metadata", "title *"), 400),
        (sized().header("Upload-Metadata", unknown), 404),
        (sized().header("Upload-Metadata", metadata(&[("meeting", "../x")])), 422),
        (sized().header("Upload-Metadata", metadata(&[("language", "klingon")])), 422),
        (sized().header("Upload-Metadata", metadata(&[("held_on", "tomorrow")])), 422),
        (sized().header("Content-Type", "text/plain").body("abc"), 415),
        (sized().header("Content-Type", PART).body("longer than ten"), 413),
    ];
    for (number, (request, status)) in cases.into_iter().enumerate() {
        let answer = person.send(request).await;
        assert_eq!(answer.status, status, "case {number}: {:?}", answer.json);
        assert_eq!(header(&answer, "tus-resumable"), "1.0.0");
    }
    assert_eq!(person.get("/v1/uploads").await.json["uploads"], json!([]));
}

#[tokio::test]
async fn a_part_that_does_not_fit_changes_nothing() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 10, &[("filename", "a.wav")]).await;
    assert_eq!(person.send(part(&person, &path, 0, "abcd")).await.status, 204);
    let checked = |checksum: &str| part(&person, &path, 4, "efgh").header("Upload-Checksum", checksum);
    let wrong = format!("sha1 {}", STANDARD.encode(Sha1::digest(b"other")));
    let cases = [
        (part(&person, &path, 3, "x"), 409, "upload_offset"),
        (part(&person, &path, 5, "x"), 409, "upload_offset"),
        (part(&person, &path, 4, "longer than it"), 413, "upload_too_large"),
        (tus(&person, Method::PATCH, &path).header("Upload-Offset", 4).body("x"), 415, "unsupported_media"),
        (tus(&person, Method::PATCH, &path).header("Content-Type", PART).body("x"), 400, "malformed"),
        (person.request(Method::PATCH, &path).header("Tus-Resumable", "2"), 412, "tus_version"),
        (checked("md5 AAAA"), 400, "malformed"),
        (checked(&wrong), 460, "checksum_mismatch"),
        (part(&person, "/v1/uploads/nothing", 4, "x"), 404, "not_found"),
    ];
    for (request, status, expected) in cases {
        let answer = person.send(request).await;
        assert_eq!(code(&answer), (status, expected));
        assert_eq!(offset(&person, &path).await, 4, "{expected}");
    }
    let right = format!("sha1 {}", STANDARD.encode(Sha1::digest(b"efgh")));
    assert_eq!(person.send(checked(&right)).await.status, 204);
    let right = format!("sha256 {}", STANDARD.encode(Sha256::digest(b"ij")));
    let last = part(&person, &path, 8, "ij").header("Upload-Checksum", right);
    assert_eq!(person.send(last).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(b"abcdefghij"));
}

#[tokio::test]
async fn a_client_that_comes_again_is_told_everything_it_said() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let pairs = [("filename", "会議.wav"), ("title", "会議")];
    let path = begin(&person, 10, &pairs).await;
    let answer = person.send(tus(&person, Method::HEAD, &path)).await;
    assert_eq!(header(&answer, "upload-metadata"), metadata(&pairs));
    assert_eq!((header(&answer, "upload-length"), header(&answer, "upload-offset")), ("10", "0"));
    assert_eq!(header(&answer, "cache-control"), "no-store");
}

#[tokio::test]
async fn the_first_part_may_come_with_the_creation() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let request = creation(&person, 6, &[]).header("Content-Type", PART);
    let answer = person.send(request.body("abc")).await;
    assert_eq!((answer.status.as_u16(), header(&answer, "upload-offset")), (201, "3"));
    let path = header(&answer, "location").to_owned();
    // A network that lets only POST through.
    let rest = tus(&person, Method::POST, &path).header("X-HTTP-Method-Override", "PATCH");
    let rest = rest.header("Content-Type", PART).header("Upload-Offset", 3).body("def");
    assert_eq!(person.send(rest).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(b"abcdef"));
}

#[tokio::test]
async fn what_arrived_before_the_connection_broke_is_kept_unless_a_checksum_was_announced() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let sound = noise(4_000_000);
    let path = begin(&person, 4_000_000, &[]).await;
    let file = office.folder.path().join("uploads").join(&path["/v1/uploads/".len()..]);
    let checked = part(&person, &path, 0, breaking(&sound[..2_500_000], &file));
    let checksum = format!("sha256 {}", STANDARD.encode(Sha256::digest(&sound)));
    assert!(checked.header("Upload-Checksum", checksum).send().await.is_err());
    assert_eq!(offset(&person, &path).await, 0);
    assert!(part(&person, &path, 0, breaking(&sound[..2_500_000], &file)).send().await.is_err());
    let kept = shown(&person, &path, |upload| upload["bytes_stored"] != 0).await;
    let kept = kept["bytes_stored"].as_u64().expect("it is a number");
    assert!(kept <= 2_500_000 && offset(&person, &path).await == kept);
    let rest = sound[kept as usize..].to_vec();
    assert_eq!(person.send(part(&person, &path, kept, rest)).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(&sound));
}

#[tokio::test]
async fn of_two_parts_at_once_one_wins_and_whoever_asks_takes_over() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 10, &[]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(1);
    let waiting = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let slow = tokio::spawn(part(&person, &path, 0, Body::wrap_stream(waiting)).send());
    sender.send(Ok(Bytes::from_static(b"abcd"))).await.expect("the part is under way");
    sender.send(Ok(Bytes::new())).await.expect("the part is under way");
    // The file is there when the first part has the upload for itself.
    let file = office.folder.path().join("uploads").join(&path["/v1/uploads/".len()..]);
    shown(&person, &path, |_| file.exists()).await;
    let second = person.send(part(&person, &path, 0, "x")).await;
    assert_eq!(code(&second), (423, "upload_locked"));
    // A client whose connection is gone without the server knowing comes again and asks.
    let kept = offset(&person, &path).await;
    assert!(kept <= 4);
    let first = slow.await.expect("the task ends").expect("the server answers");
    assert_eq!(first.status(), 423);
    let rest = b"abcdefghij"[kept as usize..].to_vec();
    assert_eq!(person.send(part(&person, &path, kept, rest)).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(b"abcdefghij"));
}

#[tokio::test]
async fn an_upload_is_given_up_only_before_it_is_whole() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 10, &[]).await;
    person.send(part(&person, &path, 0, "abc")).await;
    let delete = |path: &str| tus(&person, Method::DELETE, path);
    assert_eq!(person.send(delete(&path)).await.status, 204);
    assert_eq!(person.send(tus(&person, Method::HEAD, &path)).await.status, 410);
    assert_eq!(code(&person.send(part(&person, &path, 3, "x")).await), (410, "upload_removed"));
    let left = std::fs::read_dir(office.folder.path().join("uploads")).expect("it is there").count();
    assert_eq!(left, 0);
    let whole = begin(&person, 3, &[]).await;
    person.send(part(&person, &whole, 0, "abc")).await;
    assert_eq!(code(&person.send(delete(&whole)).await), (409, "upload_whole"));
    assert_eq!(person.get(&whole).await.json["recorded"]["sha256"], sha256(b"abc"));
}

#[tokio::test]
async fn an_upload_that_rests_is_marked_and_goes_on_all_the_same() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 6, &[]).await;
    person.send(part(&person, &path, 0, "abc")).await;
    office.pass(Duration::from_secs(8 * 24 * 3600));
    let mut person = office.stranger();
    person.sign_in("admin", crate::office::PASSWORD).await;
    assert_eq!(person.get("/v1/uploads").await.json["uploads"][0]["expired"], true);
    assert_eq!(person.send(part(&person, &path, 3, "def")).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(b"abcdef"));
}

#[tokio::test]
async fn a_person_holds_no_more_than_they_may() {
    let office = Office::open_with(limited(Uploads { per_user_bytes_max: 100, ..Uploads::default() })).await;
    let administrator = office.administrator().await;
    let colleague = office.person("colleague", Role::Staff, administrator.department()).await;
    let first = begin(&administrator, 60, &[]).await;
    let refused = administrator.send(creation(&administrator, 41, &[])).await;
    assert_eq!(code(&refused), (413, "quota_reached"));
    assert_eq!(refused.json["facts"]["bytes_used"], 60);
    begin(&colleague, 100, &[]).await;
    administrator.send(part(&administrator, &first, 0, noise(60))).await;
    assert_eq!(administrator.send(creation(&administrator, 41, &[])).await.status, 413);
    let second = begin(&administrator, 40, &[]).await;
    administrator.send(tus(&administrator, Method::DELETE, &second)).await;
    begin(&administrator, 40, &[]).await;
}

#[tokio::test]
async fn nothing_begins_on_a_disk_without_room() {
    let office =
        Office::open_with(limited(Uploads { disk_free_bytes_min: 1 << 60, ..Uploads::default() })).await;
    let person = office.administrator().await;
    let answer = person.send(creation(&person, 10, &[])).await;
    assert_eq!(code(&answer), (507, "storage_full"));
    assert_eq!(person.get("/v1/uploads").await.json["uploads"], json!([]));
}

#[tokio::test]
async fn only_who_may_edit_a_meeting_brings_a_recording_to_it_and_uploads_are_ones_own() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let owner = office.person("owner", Role::Staff, administrator.department()).await;
    let reader = office.person("reader", Role::Staff, administrator.department()).await;
    let outsider = office.person("outsider", Role::Staff, office.department("税務課").await).await;
    let auditor = office.person("auditor", Role::Auditor, administrator.department()).await;
    let meeting = owner.post("/v1/meetings", json!({ "title": "定例会" })).await.json["id"].clone();
    let meeting = meeting.as_str().expect("it has a name");
    let to_it = [("meeting", meeting)];
    for (person, status) in [(&reader, 403), (&outsider, 404), (&auditor, 403)] {
        assert_eq!(person.send(creation(person, 3, &to_it)).await.status, status);
    }
    assert_eq!(auditor.send(creation(&auditor, 3, &[])).await.status, 403);
    let path = begin(&owner, 3, &to_it).await;
    for person in [&reader, &administrator] {
        assert_eq!(person.send(tus(person, Method::HEAD, &path)).await.status, 404);
        assert_eq!(person.send(part(person, &path, 0, "abc")).await.status, 404);
        assert_eq!(person.send(tus(person, Method::DELETE, &path)).await.status, 404);
        assert_eq!(person.get(&path).await.status, 404);
    }
    assert_eq!(owner.send(part(&owner, &path, 0, "abc")).await.status, 204);
    assert_eq!(owner.get(&path).await.json["recorded"]["meeting"], meeting);
    let found = owner.get("/v1/meetings").await.json.to_string();
    assert_eq!(found.matches("定例会").count(), 1);
}
