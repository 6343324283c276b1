//! Uploads outlive what happens to a server: restarts, kill -9, a full disk, and every way a line can break.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use gijiroku::http::Settings;
use gijiroku::http::limits::{Rate, Rates};
use proptest::collection::vec;
use proptest::prelude::*;
use reqwest::{Body, Method};
use sha2::{Digest as _, Sha256};

use crate::office::{Office, PASSWORD, Person};
use crate::support::{PROGRAM, text};
use crate::uploads::{begin, header, noise, offset, part, sha256, shown, tus};

/// The real program at work on a folder; killed without a word when it is dropped.
struct Served {
    child: Child,
    root: String,
    secret: Option<String>,
}

impl Served {
    /// Starts the program, with no file longer than `blocks` of 512 or 1,024 bytes.
    fn start(folder: &Path, blocks: &str) -> Self {
        let config = folder.join("settings.toml");
        std::fs::write(&config, "[uploads]\ndisk_free_bytes_min = 0\n").expect("there is room");
        // Whoever ignores the signal is told of the limit by an error, as of a full disk.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script, PROGRAM, "serve", "--listen", "127.0.0.1:0", "--config", text(&config)])
            .args(["--data", text(&folder.join("data"))])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let told = child.stdout.take().expect("its output is ours");
        let mut lines = BufReader::new(told).lines().map_while(Result::ok);
        let root = lines.next().expect("it tells where it listens");
        let root = root.split_once("http://").expect("it is an address").1.trim_end_matches('/').to_owned();
        let fresh = !folder.join("known").exists();
        let secret = fresh.then(|| lines.next().expect("it tells the setup link"));
        let secret = secret.map(|line| line.split_once('#').expect("it has a secret").1.to_owned());
        std::fs::write(folder.join("known"), "").expect("there is room");
        Self { child, root: format!("http://{root}"), secret }
    }

    async fn person(&self) -> Person {
        let mut person = Person::at(self.root.clone());
        match &self.secret {
            Some(secret) => person.set_up(secret).await,
            None => assert_eq!(person.sign_in("admin", PASSWORD).await.status, 201),
        }
        person
    }

    /// Returns the most memory it ever held, in KiB.
    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }
}

/// A body that sends these bytes and then says nothing more.
fn stalling(bytes: Vec<u8>) -> Body {
    let pieces: Vec<_> = bytes.chunks(1 << 16).map(Bytes::copy_from_slice).collect();
    let sent = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    Body::wrap_stream(futures_util::StreamExt::chain(sent, stream::pending()))
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_part_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let sound = noise(40 << 20);
    let served = Served::start(folder.path(), "unlimited");
    let person = served.person().await;
    let path = begin(&person, sound.len() as u64, &[("filename", "長い会議.wav")]).await;
    let under_way = tokio::spawn(part(&person, &path, 0, stalling(sound[..30 << 20].to_vec())).send());
    shown(&person, &path, |upload| upload["bytes_stored"].as_u64() >= Some(16 << 20)).await;
    drop(served);
    assert!(under_way.await.expect("the task ends").is_err());
    let served = Served::start(folder.path(), "unlimited");
    let person = served.person().await;
    let kept = offset(&person, &path).await;
    let file = folder.path().join("data/uploads").join(&path["/v1/uploads/".len()..]);
    let there = std::fs::metadata(file).expect("it is there").len();
    assert!((16 << 20..=there).contains(&kept), "{kept} of {there}");
    let rest = sound[kept as usize..].to_vec();
    assert_eq!(person.send(part(&person, &path, kept, rest)).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(&sound));
}

#[tokio::test]
async fn a_full_disk_stops_an_upload_that_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let sound = noise(40 << 20);
    let served = Served::start(folder.path(), "20000");
    let person = served.person().await;
    let path = begin(&person, sound.len() as u64, &[]).await;
    // Parts of a megabyte: whoever still sends much when the answer comes may lose it with the connection.
    let (mut at, mut refused) = (0, None);
    while refused.is_none() {
        let answer = person.send(part(&person, &path, at as u64, sound[at..at + (1 << 20)].to_vec())).await;
        at += 1 << 20;
        refused = (answer.status != 204).then_some(answer);
    }
    let refused = refused.expect("the disk holds less than the recording");
    assert_eq!((refused.status.as_u16(), refused.json["code"].as_str()), (507, Some("storage_full")));
    let kept = offset(&person, &path).await;
    assert!(kept > 0 && refused.json["facts"]["offset"] == kept);
    drop(served);
    let served = Served::start(folder.path(), "unlimited");
    let person = served.person().await;
    assert_eq!(offset(&person, &path).await, kept);
    let rest = sound[kept as usize..].to_vec();
    assert_eq!(person.send(part(&person, &path, kept, rest)).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(&sound));
}

#[tokio::test]
async fn the_longest_recording_takes_no_memory() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let served = Served::start(folder.path(), "unlimited");
    let person = served.person().await;
    let path = begin(&person, 20 << 30, &[]).await;
    person.send(part(&person, &path, 0, noise(1 << 20))).await;
    let before = served.memory_kib();
    assert_eq!(person.send(part(&person, &path, 1 << 20, vec![7; 160 << 20])).await.status, 204);
    let grown = served.memory_kib() - before;
    assert!(grown < 64 << 10, "{grown} KiB");
    assert_eq!(offset(&person, &path).await, 161 << 20);
}

#[tokio::test]
async fn an_upload_goes_on_at_a_server_opened_again() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 6, &[("title", "定例会")]).await;
    person.send(part(&person, &path, 0, "abc")).await;
    // More lies in the file than was promised: a write that was not counted any more.
    let file = office.folder.path().join("uploads").join(&path["/v1/uploads/".len()..]);
    std::fs::write(&file, "abcXYZXYZ").expect("there is room");
    let office = office.restart(Settings::default()).await;
    let mut person = office.stranger();
    person.sign_in("admin", PASSWORD).await;
    assert_eq!(offset(&person, &path).await, 3);
    assert_eq!(person.send(part(&person, &path, 3, "def")).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(b"abcdef"));
}

#[tokio::test]
async fn bytes_that_the_disk_lost_are_asked_for_again() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 6, &[]).await;
    person.send(part(&person, &path, 0, "abcde")).await;
    std::fs::write(office.folder.path().join("uploads").join(&path["/v1/uploads/".len()..]), "ab")
        .expect("there is room");
    assert_eq!(person.send(part(&person, &path, 5, "f")).await.status, 409);
    assert_eq!(offset(&person, &path).await, 2);
    assert_eq!(person.send(part(&person, &path, 2, "cdef")).await.status, 204);
    assert_eq!(person.get(&path).await.json["recorded"]["sha256"], sha256(b"abcdef"));
}

#[tokio::test]
async fn a_whole_upload_is_sealed_at_the_next_start_if_it_was_interrupted() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let path = begin(&person, 6, &[("title", "定例会")]).await;
    // In the way of the store of audio: a folder cannot be made where a file is.
    let audio = office.folder.path().join("audio/audio");
    std::fs::write(&audio, "").expect("there is room");
    assert!(person.send(part(&person, &path, 0, "abcdef")).await.status.is_server_error());
    let whole = person.get(&path).await.json;
    assert_eq!((whole["state"].as_str(), whole["bytes_stored"].as_u64()), (Some("sealing"), Some(6)));
    std::fs::remove_file(&audio).expect("it is there");
    let office = office.restart(Settings::default()).await;
    let mut person = office.stranger();
    person.sign_in("admin", PASSWORD).await;
    let done = person.get(&path).await.json;
    assert_eq!(
        (done["state"].as_str(), &done["recorded"]["sha256"]),
        (Some("done"), &sha256(b"abcdef").into())
    );
    assert_eq!(person.get("/v1/meetings").await.json.to_string().matches("定例会").count(), 1);
}

/// What a client does next.
#[derive(Debug, Clone)]
enum Move {
    /// Sends so many bytes.
    Part(usize),
    /// Sends so many bytes with a checksum, which may be wrong.
    Checked(usize, bool),
    /// Announces all of the rest, and breaks off after so many bytes.
    Broken(usize),
    /// Sends bytes for another place.
    Elsewhere(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (1_usize..30_000).prop_map(Move::Part),
        ((1_usize..30_000), any::<bool>()).prop_map(|(bytes, right)| Move::Checked(bytes, right)),
        (0_usize..30_000).prop_map(Move::Broken),
        (1_usize..30_000).prop_map(Move::Elsewhere),
    ];
    vec(one, 0..12)
}

/// Does what a client would, whatever happens, until every byte has arrived.
async fn upload(person: &Person, sound: &[u8], moves: Vec<Move>) -> String {
    let path = begin(person, sound.len() as u64, &[]).await;
    for next in moves {
        let at = offset(person, &path).await as usize;
        if at == sound.len() {
            break;
        }
        let rest = &sound[at..];
        match next {
            Move::Part(bytes) => {
                let sent = rest[..bytes.min(rest.len())].to_vec();
                let expected = (at + sent.len()).to_string();
                let answer = person.send(part(person, &path, at as u64, sent)).await;
                assert_eq!((answer.status.as_u16(), header(&answer, "upload-offset")), (204, &*expected));
            }
            Move::Checked(bytes, right) => {
                let sent = rest[..bytes.min(rest.len())].to_vec();
                let hashed = if right { Sha256::digest(&sent) } else { Sha256::digest(b"other") };
                let request = part(person, &path, at as u64, sent);
                let request =
                    request.header("Upload-Checksum", format!("sha256 {}", STANDARD.encode(hashed)));
                let answer = person.send(request).await;
                assert_eq!(answer.status, if right { 204 } else { 460 });
            }
            Move::Broken(bytes) => {
                let sent = Bytes::copy_from_slice(&rest[..bytes.min(rest.len() - 1)]);
                let broken = stream::iter([Ok(sent), Err(std::io::Error::other("the cable was pulled"))]);
                part(person, &path, at as u64, Body::wrap_stream(broken)).send().await.ok();
            }
            Move::Elsewhere(bytes) => {
                let sent = vec![0; bytes.min(rest.len())];
                let answer = person.send(part(person, &path, at as u64 + 1, sent)).await;
                assert!(answer.status == 409, "{:?}", answer.json);
            }
        }
    }
    let at = offset(person, &path).await;
    if at < sound.len() as u64 {
        let rest = sound[at as usize..].to_vec();
        assert_eq!(person.send(part(person, &path, at, rest)).await.status, 204);
    }
    assert_eq!(person.send(tus(person, Method::HEAD, &path)).await.status, 200);
    let done = person.get(&path).await.json;
    done["recorded"]["sha256"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn however_the_line_breaks_the_recording_is_what_was_sent() {
    let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
    let (_office, person) = runtime.block_on(async {
        // One person stands for many here; the office's clock stands still, so that no limit would ever refill.
        let rate = Rate::new(1_000_000, 1_000_000);
        let rates = Rates { address: rate, login: rate, account: rate, seat: rate, seat_calls: rate };
        let office = Office::open_with(Settings { rates, ..Settings::default() }).await;
        let person = office.administrator().await;
        (office, person)
    });
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(moves in moves(), bytes in 1_usize..100_000)| {
        let sound = noise(bytes);
        let told = runtime.block_on(upload(&person, &sound, moves));
        prop_assert_eq!(told, sha256(&sound));
    });
}
