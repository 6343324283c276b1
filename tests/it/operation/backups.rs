//! Backups: made while people work, restored whole or not at all.

use std::path::{Path, PathBuf};
use std::process::Output;

use gijiroku::store::audit::{Actor, Verdict};
use gijiroku::store::backup::{self, BackupError, Key, SealFault, Source, Target};
use gijiroku::store::meetings::{NewMeeting, Sensitivity};
use gijiroku::store::{Location, Store, folder};

use super::{blobs, meeting, recording};
use crate::office::{Office, Person};
use crate::postgres;
use crate::support::{PROGRAM, gijiroku, text, told};

/// An office with two recordings, an unfinished upload, and a key.
struct Set {
    office: Office,
    person: Person,
    key: Key,
    place: tempfile::TempDir,
}

const UPLOAD: &str = "0199c0de-8b5e-7c3a-9a41-2f6d1e0b7c55";

impl Set {
    async fn new() -> Self {
        let office = Office::open().await;
        let person = office.administrator().await;
        let place = tempfile::tempdir().expect("temporary folders can be made");
        let data = office.folder.path();
        std::fs::create_dir_all(folder::uploads_in(data)).expect("there is room");
        std::fs::write(folder::uploads_in(data).join(UPLOAD), b"half of it").expect("there is room");
        let id = meeting(&person, "定例会").await;
        recording(data, &person, &id, &vec![7; 3 << 20]).await;
        recording(data, &person, &id, b"short").await;
        Self { office, person, key: Key::generate(), place }
    }

    fn data(&self) -> &Path {
        self.office.folder.path()
    }

    fn file(&self) -> PathBuf {
        self.place.path().join("office.backup")
    }

    async fn back_up(&self) -> Result<backup::Manifest, BackupError> {
        let blobs = blobs(self.data()).await;
        let source = Source { store: &self.office.store, blobs: &blobs, data: self.data() };
        backup::backup(&source, &self.file(), &self.key, &Actor::server(), self.office.now()).await
    }

    async fn restore(&self, database: Option<Location>) -> Result<PathBuf, BackupError> {
        let data = self.place.path().join("restored");
        let target = Target { data: &data, database, blobs: None };
        let now = self.office.now();
        backup::restore(&self.file(), &self.key, &target, &Actor::server(), now).await?;
        Ok(data)
    }

    /// Names of everything in the place of backups.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.place.path()).expect("the folder is there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is text"))
            .collect();
        names.sort();
        names
    }
}

fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).expect("it can be read")));
        }
    }
    found.sort();
    found
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    files_below(folder).into_iter().map(|(_, bytes)| bytes).collect()
}

async fn titles(store: &Store, person: &Person) -> Vec<String> {
    let viewer = gijiroku::store::meetings::Viewer {
        user: person.id(),
        department: person.department(),
        role: gijiroku::store::users::Role::Administrator,
    };
    let meetings = store.meetings(viewer, None, 1000).await.expect("the database answers");
    meetings.into_iter().map(|meeting| meeting.title).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_before_a_backup_is_in_it_while_others_go_on_writing() {
    let set = Set::new().await;
    let (store, stop) = (set.office.store.clone(), tokio_util::sync::CancellationToken::new());
    let (department, owner, now) = (set.person.department(), set.person.id(), set.office.now());
    let (ended, acknowledged) = (stop.clone(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
    let kept = std::sync::Arc::clone(&acknowledged);
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while !ended.is_cancelled() {
            let title = format!("会議 {number}");
            let (sensitivity, held_on) = (Sensitivity::Internal, String::new());
            let new =
                NewMeeting { title, department, owner, sensitivity, held_on, template: None, sample: false };
            let made = store.add_meeting(&new, &Actor::server(), now).await.expect("it is kept");
            kept.lock().expect("nobody panicked").push(made.title);
            number += 1;
        }
    });
    while acknowledged.lock().expect("nobody panicked").len() < 20 {
        tokio::task::yield_now().await;
    }
    let before = acknowledged.lock().expect("nobody panicked").clone();
    let manifest = set.back_up().await.expect("a backup can be made");
    stop.cancel();
    writer.await.expect("the writer ends");
    assert_eq!(manifest.flaws, []);
    let data = set.restore(None).await.expect("it can be restored");
    let store = Store::open(&Location::File(folder::database_in(&data))).await.expect("it is a database");
    let restored = titles(&store, &set.person).await;
    for title in before.iter().map(String::as_str).chain(["定例会"]) {
        assert!(restored.iter().any(|found| found == title), "{title} of {}", restored.len());
    }
    assert!(matches!(store.audit_verify(Some(&manifest.audit_last)).await, Ok(Verdict::Whole { .. })));
    store.close().await;
    assert_eq!(contents(&folder::audio_in(&data)), contents(&folder::audio_in(set.data())));
    assert_eq!(contents(&folder::uploads_in(&data)), [b"half of it".to_vec()]);
}

#[tokio::test]
async fn what_sqlite_held_is_taken_over_by_postgresql_and_back() {
    let set = Set::new().await;
    let server = Actor::server();
    let child = set.office.store.add_department("子の課", None, &server, set.office.now()).await;
    let mut child = child.expect("the name is free");
    // A department that refers to a later one: rows come back in another order than they were made.
    child.parent = Some(set.office.department("親の部").await);
    set.office.store.change_department(&child, &server, set.office.now()).await.expect("it is kept");
    set.back_up().await.expect("a backup can be made");
    let database = postgres::database();
    let data = set.restore(Some(database.clone())).await.expect("it can be restored");
    let store = Store::open(&database).await.expect("it is a database");
    assert_eq!(titles(&store, &set.person).await, titles(&set.office.store, &set.person).await);
    assert!(matches!(store.audit_verify(None).await, Ok(Verdict::Whole { .. })));
    let (back, blobs) = (set.place.path().join("back.backup"), blobs(&data).await);
    let source = Source { store: &store, blobs: &blobs, data: &data };
    backup::backup(&source, &back, &set.key, &Actor::server(), set.office.now())
        .await
        .expect("it can be made");
    let place = set.place.path().join("again");
    let target = Target { data: &place, database: None, blobs: None };
    let restored = backup::restore(&back, &set.key, &target, &Actor::server(), set.office.now()).await;
    restored.expect("it can be restored");
    let again = Store::open(&Location::File(folder::database_in(&place))).await.expect("it is a database");
    assert_eq!(titles(&again, &set.person).await, titles(&set.office.store, &set.person).await);
    let departments = again.departments().await.expect("the database answers");
    assert_eq!(departments, set.office.store.departments().await.expect("the database answers"));
    let filled = backup::restore(
        &back,
        &set.key,
        &Target { data: &set.place.path().join("third"), database: Some(database), blobs: None },
        &Actor::server(),
        set.office.now(),
    )
    .await;
    assert!(matches!(filled, Err(BackupError::NotEmpty { .. })), "{filled:?}");
    assert!(!set.place.path().join("third").exists());
}

#[tokio::test]
async fn a_damaged_truncated_or_foreign_backup_is_refused_and_leaves_nothing() {
    let set = Set::new().await;
    set.back_up().await.expect("a backup can be made");
    let whole = std::fs::read(set.file()).expect("it was written");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cut = whole[..whole.len() / 2].to_vec();
    for (bytes, expected) in
        [(flipped, SealFault::Damaged), (cut, SealFault::Damaged), (b"PK".to_vec(), SealFault::Foreign)]
    {
        std::fs::write(set.file(), bytes).expect("there is room");
        let refused = set.restore(None).await;
        assert!(matches!(&refused, Err(BackupError::Sealed(fault)) if *fault == expected), "{refused:?}");
        assert_eq!(set.names(), ["office.backup"]);
    }
    std::fs::write(set.file(), &whole).expect("there is room");
    let other = Set { key: Key::generate(), ..set };
    let refused = other.restore(None).await;
    assert!(matches!(refused, Err(BackupError::Sealed(SealFault::OtherKey))), "{refused:?}");
    assert_eq!(other.names(), ["office.backup"]);
}

#[tokio::test]
async fn a_restore_never_goes_into_a_folder_with_something_in_it() {
    let set = Set::new().await;
    set.back_up().await.expect("a backup can be made");
    let data = set.place.path().join("restored");
    std::fs::create_dir(&data).expect("there is room");
    std::fs::write(data.join("mine"), b"x").expect("there is room");
    assert!(matches!(set.restore(None).await, Err(BackupError::NotEmpty { .. })));
    assert_eq!(set.names(), ["office.backup", "restored"]);
    std::fs::remove_file(data.join("mine")).expect("it is there");
    set.restore(None).await.expect("an empty folder is filled");
}

#[tokio::test]
async fn a_recording_that_is_gone_is_told_and_one_erased_on_its_date_is_no_loss() {
    let set = Set::new().await;
    let audio = files_below(&folder::audio_in(set.data()));
    std::fs::remove_file(&audio[0].0).expect("it is there");
    let manifest = set.back_up().await.expect("the rest is backed up");
    assert_eq!(manifest.flaws.len(), 1);
    assert_eq!(manifest.flaws[0].kind, backup::FlawKind::Missing);
    set.restore(None).await.expect("the rest is restored");
}

fn shell(script: &str) -> Output {
    std::process::Command::new("sh").args(["-c", script]).output().expect("a shell can be started")
}

#[tokio::test]
async fn the_command_line_backs_up_a_running_office_and_a_full_disk_leaves_no_file() {
    let set = Set::new().await;
    let (place, data) = (set.place.path(), text(set.data()));
    let (key, file) = (place.join("key"), place.join("a.backup"));
    let (key, file) = (text(&key), text(&file));
    assert_eq!(gijiroku(&["backup", "keygen", "--to", key]).status.code(), Some(0));
    let again = gijiroku(&["backup", "keygen", "--to", key]);
    assert_eq!(again.status.code(), Some(1), "a key is never overwritten");
    // A limit on the length of a file stands for a full disk; the backup is longer.
    let full = shell(&format!(
        "trap '' XFSZ; ulimit -f 512; exec '{PROGRAM}' backup --data '{data}' --to '{file}' --key '{key}'"
    ));
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    assert!(told(&full).contains("空き容量が足りません"), "{}", told(&full));
    assert_eq!(set.names(), ["key"]);
    let made = gijiroku(&["backup", "--data", data, "--to", file, "--key", key]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let twice = gijiroku(&["backup", "--data", data, "--to", file, "--key", key]);
    assert_eq!(twice.status.code(), Some(1), "a backup is never overwritten");
    let verified = gijiroku(&["backup", "verify", "--from", file, "--key", key]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let target = place.join("new");
    let restored = gijiroku(&["restore", "--from", file, "--key", key, "--data", text(&target)]);
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    let whole = gijiroku(&["audit", "verify", "--data", text(&target)]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let other = place.join("other");
    assert_eq!(gijiroku(&["backup", "keygen", "--to", text(&other)]).status.code(), Some(0));
    let refused = gijiroku(&["backup", "verify", "--from", file, "--key", text(&other)]);
    assert_eq!(refused.status.code(), Some(6));
    assert!(told(&refused).contains("鍵が違います"), "{}", told(&refused));
}
