//! Nightly backups: one a night, old ones go, and nothing that fails costs an older one.

use std::path::PathBuf;
use std::time::Duration;

use gijiroku::clock::UnixMs;
use gijiroku::jobs::nightly::Nightly;
use gijiroku::store::audit::Actor;
use gijiroku::store::backup::{self, BackupError, Key, Shelf, Shelved, Target};
use gijiroku::store::blobs::BlobKey;
use tokio_util::sync::CancellationToken;

use super::{blobs, meeting, recording};
use crate::office::{Office, Person};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// 2026-11-22 02:00 in Japan.
const NIGHT: UnixMs = UnixMs::from_ms(1_795_280_400_000);

/// An office with a recording, a key, and a folder for backups.
struct Set {
    office: Office,
    person: Person,
    recording: BlobKey,
    place: tempfile::TempDir,
    nightly: Nightly,
    stop: CancellationToken,
}

impl Set {
    async fn new(keep: usize) -> Self {
        let office = Office::open().await;
        let person = office.administrator().await;
        let id = meeting(&person, "定例会").await;
        let recording = recording(office.folder.path(), &person, &id, b"sound").await;
        let place = tempfile::tempdir().expect("temporary folders can be made");
        let (shelf, key_file) = (place.path().join("shelf"), place.path().join("key"));
        std::fs::create_dir(&shelf).expect("there is room");
        std::fs::write(&key_file, Key::generate().to_text().as_bytes()).expect("there is room");
        let nightly = Nightly {
            store: office.store.clone(),
            blobs: blobs(office.folder.path()).await,
            data: office.folder.path().to_owned(),
            shelf: Shelf { folder: shelf, keep },
            key_file,
        };
        Self { office, person, recording, place, nightly, stop: CancellationToken::new() }
    }

    async fn pass(&self, now: UnixMs) -> Result<Option<Shelved>, BackupError> {
        self.nightly.pass(now, &self.stop).await
    }

    async fn made(&self, now: UnixMs) -> bool {
        self.pass(now).await.expect("nothing is in the way").is_some()
    }

    fn put(&self, name: &str) -> PathBuf {
        let path = self.nightly.shelf.folder.join(name);
        std::fs::write(&path, b"x").expect("there is room");
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.nightly.shelf.folder).expect("the folder is there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is text"))
            .collect();
        names.sort();
        names
    }

    fn is_failing(&self) -> Option<bool> {
        self.office.store.backups().told().map(|told| told.is_failing)
    }
}

fn night(number: u32) -> UnixMs {
    NIGHT.plus(number * DAY)
}

#[tokio::test]
async fn there_is_one_backup_a_night_the_newest_stay_and_each_can_be_restored() {
    let set = Set::new(2).await;
    set.put("notes.txt");
    set.put("office.backup");
    assert_eq!(set.is_failing(), None);
    for number in 0..3 {
        assert!(set.made(night(number)).await, "night {number}");
        assert!(!set.made(night(number).plus(DAY / 2)).await, "a restart at noon makes no other");
    }
    let (first, second) = ("gijiroku-20261123-020000.backup", "gijiroku-20261124-020000.backup");
    assert_eq!(set.names(), [first, second, "notes.txt", "office.backup"]);
    let (key, data) = (Key::read(&set.nightly.key_file).expect("it is a key"), set.place.path().join("new"));
    let target = Target { data: &data, database: None, blobs: None };
    let from = set.nightly.shelf.folder.join(second);
    let restored = backup::restore(&from, &key, &target, &Actor::server(), night(3)).await;
    assert_eq!(restored.expect("it can be restored").manifest.flaws, []);
    let log = set.person.get("/v1/audit.csv").await;
    let log = String::from_utf8(log.bytes).expect("it is text");
    assert_eq!((log.matches("backup.create").count(), log.matches("backup.remove").count()), (3, 1));
    assert_eq!(set.is_failing(), Some(false));
}

#[tokio::test]
async fn a_night_that_fails_costs_no_older_backup_and_is_told() {
    let set = Set::new(1).await;
    assert!(set.made(night(0)).await);
    let before = set.names();
    let lost = Nightly { key_file: set.place.path().join("none"), ..set.nightly.clone() };
    assert!(matches!(lost.pass(night(1), &set.stop).await, Err(BackupError::File { .. })));
    std::fs::write(&lost.key_file, b"no key").expect("there is room");
    assert!(matches!(lost.pass(night(1), &set.stop).await, Err(BackupError::NoKey { .. })));
    assert_eq!((set.names(), set.is_failing()), (before.clone(), Some(true)));
    let unmounted = Shelf { folder: set.place.path().join("none/there"), keep: 1 };
    let away = Nightly { shelf: unmounted, ..set.nightly.clone() };
    assert!(matches!(away.pass(night(1), &set.stop).await, Err(BackupError::File { .. })));
    assert!(!away.shelf.folder.exists(), "a disk that is not there is not made up");
    set.office.pass(Duration::from_secs(60));
    let figures = set.office.store.figures(night(1)).await.expect("the database answers");
    assert_eq!((figures.backup_age, figures.is_backup_failing), (Some(DAY), Some(true)));
    let text = String::from_utf8(set.office.stranger().get("/metrics").await.bytes).expect("it is text");
    assert!(
        text.contains("gijiroku_backup_age_seconds ") && text.contains("gijiroku_backup_failing 1"),
        "{text}"
    );
    assert!(set.made(night(1).plus(DAY / 4)).await, "the next try succeeds");
    assert_eq!((set.names().len(), set.is_failing()), (1, Some(false)));
    assert_ne!(set.names(), before);
}

#[tokio::test]
async fn a_backup_without_every_recording_is_named_so_and_never_displaces_the_last_whole_one() {
    let set = Set::new(1).await;
    assert!(set.made(night(0)).await);
    set.nightly.blobs.delete(&set.recording).await.expect("it is there");
    for number in 1..4 {
        assert!(set.made(night(number)).await);
        assert_eq!(set.is_failing(), Some(true));
    }
    assert_eq!(set.names(), ["gijiroku-20261122-020000.backup", "gijiroku-20261125-020000-gaps.backup"]);
    let told = set.office.store.backups().told().expect("something was told");
    assert_eq!(told.last_whole, Some(night(0)));
}

#[tokio::test]
async fn what_a_crash_left_is_no_backup_and_goes_when_it_is_old() {
    let set = Set::new(14).await;
    let unchecked = set.put("gijiroku-20261122-020000.backup.unchecked");
    let part = set.put(".gijiroku-abc.part");
    // Files are as old as the test: the office's clock is turned instead.
    let now = UnixMs::now();
    assert!(set.made(now).await, "half a backup is none");
    assert!(unchecked.exists() && part.exists(), "somebody may be writing them");
    assert!(set.made(now.plus(3 * DAY)).await);
    assert!(!unchecked.exists() && !part.exists());
    assert_eq!(set.names().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_leaves_no_half_backup() {
    let set = Set::new(14).await;
    set.stop.cancel();
    let stopped = set.pass(night(0)).await;
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert_eq!(set.names(), [""; 0]);
}
