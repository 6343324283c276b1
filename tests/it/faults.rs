//! Nothing that was acknowledged is ever lost: by a kill of the server or its engine, a power cut, a full disk, or a
//! calendar that jumps.
//!
//! `FAULT_POINTS` says at how many points a server dies (two thirds by kills, the rest by power cuts), `FAULT_SEED`
//! from which number its choices follow; the same cuts of the same log leave the same disk.

mod disk;
mod ledger;
pub mod served;
mod story;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;

use crate::office::Person;
use crate::support::repository;
use crate::uploads::{begin, noise, offset, part, sha256};
use disk::{Disk, Record};
use ledger::{Broken, Ledger, Told};
use served::{Served, Start, Watched};
use story::{Office, pause};

/// Points at which a server dies, unless the environment says otherwise.
const POINTS: usize = 18;
/// Power cuts that are taken from one day in an office.
const CUTS_OF_A_DAY: usize = 40;
/// Sound that may be recognised twice after a server died, in milliseconds.
const REDONE_MS_MAX: u64 = 30_000;
/// Uploads and recognitions that are looked at after every kill; all are at the end.
const NEWEST: usize = 30;
/// Longest wait for the last recognition.
const PATIENCE: Duration = Duration::from_secs(600);

/// Reads a setting.
pub fn from_environment<T: std::str::FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn random_pause(rng: &mut StdRng, range_ms: std::ops::Range<u64>) -> impl Future<Output = ()> {
    pause(Duration::from_millis(rng.random_range(range_ms)))
}

/// Makes the folder of a server, and returns its path without links.
pub fn data_in(folder: &Path) -> PathBuf {
    let data = folder.canonicalize().expect("it is there").join("data");
    std::fs::create_dir(&data).expect("there is room");
    data
}

fn weights() -> PathBuf {
    repository("models/weights")
}

/// Starts a server for people who are there already.
fn again(data: &Path, port: u16, watched: Option<&Watched>) -> Served {
    let start = Start { data, port, models: Some(&weights()), watched };
    Served::start(&start).expect("a server starts on what another has left").0
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_wherever_a_server_dies() {
    let (points, seed) =
        (from_environment("FAULT_POINTS", POINTS), from_environment("FAULT_SEED", rand::random()));
    println!("FAULT_SEED={seed}");
    let kills = points * 2 / 3;
    let mut broken = killed(seed, kills).await;
    let mut left = points - kills;
    for day in 0.. {
        let cuts = left.min(CUTS_OF_A_DAY);
        if cuts == 0 {
            break;
        }
        broken.add(cut_off(seed + day, cuts).await);
        left -= cuts;
    }
    println!(
        "faults points={points} lost={} unreadable={} redone_ms_max={}",
        broken.lost.len(),
        broken.unreadable.len(),
        broken.redone_ms_max
    );
    assert!(broken.lost.is_empty() && broken.unreadable.is_empty(), "{broken:#?}");
    assert!(broken.redone_ms_max <= REDONE_MS_MAX, "{broken:#?}");
}

/// Kills the server, or its engine, so often while people work; then lets everything come to its end.
async fn killed(seed: u64, kills: usize) -> Broken {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let (data, mut rng) = (data_in(folder.path()), StdRng::seed_from_u64(seed));
    let first = Start { data: &data, port: 0, models: Some(&weights()), watched: None };
    let (mut served, secret) = Served::start(&first).expect("a server starts in an empty folder");
    let port = served.port();
    let person = Arc::new(served.person(secret.as_deref()).await.expect("the setup link works"));
    let office = Arc::new(Office::new(Ledger::default(), seed));
    office.meet(&person).await;
    let mut broken = Broken::default();
    for _ in 0..kills {
        let work = tokio::spawn(Arc::clone(&office).work(Arc::clone(&person)));
        random_pause(&mut rng, 50..4_000).await;
        match rng.random_range(0..3) {
            0 => {
                served.engines().into_iter().for_each(|engine| served::signal("KILL", engine));
                random_pause(&mut rng, 0..1_000).await;
                work.abort();
                work.await.ok();
            }
            kind => {
                if kind == 1 {
                    served.signal("STOP");
                    random_pause(&mut rng, 0..300).await;
                }
                served.signal("KILL");
                served.buried();
                work.await.expect("people notice that nobody answers");
                served = again(&data, port, None);
            }
        }
        broken.add(office.ledger.look(&person, &data, usize::MAX, NEWEST).await);
        broken.redone_ms_max = broken.redone_ms_max.max(office.ledger.redone_ms_max(&data).await);
    }
    tokio::time::timeout(PATIENCE, office.finish(&person)).await.expect("every recognition comes to its end");
    broken.add(office.ledger.look(&person, &data, usize::MAX, usize::MAX).await);
    broken.lost.extend(office.odd());
    println!("{kills} kills, {} acknowledgements", office.ledger.count());
    broken
}

/// Lets people work for a day, and cuts the power at so many moments of it.
async fn cut_off(seed: u64, cuts: usize) -> Broken {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let (data, mut rng) = (data_in(folder.path()), StdRng::seed_from_u64(seed));
    let watched = Watched::build(folder.path());
    let first = Start { data: &data, port: 0, models: Some(&weights()), watched: Some(&watched) };
    let (mut served, secret) = Served::start(&first).expect("a server starts in an empty folder");
    let port = served.port();
    let person = Arc::new(served.person(secret.as_deref()).await.expect("the setup link works"));
    let office = Arc::new(Office::new(Ledger::in_log(&watched.log), seed));
    office.meet(&person).await;
    for _ in 0..2 {
        let work = tokio::spawn(Arc::clone(&office).work(Arc::clone(&person)));
        random_pause(&mut rng, 3_000..6_000).await;
        served.signal("KILL");
        served.buried();
        work.await.expect("people notice that nobody answers");
        served = again(&data, port, Some(&watched));
    }
    drop(served);
    let records = disk::read_log(&watched.log);
    let begin = records.iter().position(|record| matches!(record, Record::Told)).expect("people were told");
    let mut points: Vec<_> = (0..cuts).map(|_| rng.random_range(begin + 1..=records.len())).collect();
    points.sort_unstable();
    let (mut disk, mut told, mut done, mut broken) = (Disk::new(&data), 0, 0, Broken::default());
    for point in points {
        for record in &records[done..point] {
            disk.replay(record);
            told += usize::from(matches!(record, Record::Told));
        }
        done = point;
        let what = format!("seed {seed}, record {point} of {}", records.len());
        broken.add(after_a_cut(&disk, &mut rng, &office.ledger, told, &what).await);
    }
    records[done..].iter().for_each(|record| disk.replay(record));
    assert_eq!(disk.missed(), Vec::<String>::new(), "the log tells everything that was done to the disk");
    broken.lost.extend(office.odd());
    println!("{cuts} cuts in {} records, {} acknowledgements", records.len(), office.ledger.count());
    broken
}

/// Starts a server on what a disk may hold, and looks whether what was told so far still holds.
async fn after_a_cut(disk: &Disk, rng: &mut StdRng, ledger: &Ledger, told: usize, what: &str) -> Broken {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let data = data_in(folder.path());
    disk.after_a_cut(rng, &data);
    served::mark_known(&data);
    let start = Start { data: &data, port: 0, models: None, watched: None };
    let mut broken = Broken::default();
    match Served::start(&start) {
        None => {
            let why = std::fs::read_to_string(data.with_extension("stderr")).unwrap_or_default();
            broken.unreadable.push(format!("no server starts: {why}"));
        }
        Some((served, _)) => match served.person(None).await {
            None => broken.lost.push("nobody can sign in".to_owned()),
            Some(person) => broken = ledger.look(&person, &data, told, usize::MAX).await,
        },
    }
    for problem in broken.lost.iter_mut().chain(&mut broken.unreadable) {
        problem.insert_str(0, &format!("{what}: "));
    }
    broken
}

/// An office under the eyes of the library that can fill its disk and turn its calendar.
struct Watch {
    _folder: tempfile::TempDir,
    data: PathBuf,
    watched: Watched,
    served: Served,
    person: Person,
    office: Office,
}

impl Watch {
    async fn open(models: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let data = data_in(folder.path());
        let watched = Watched::build(folder.path());
        let start = Start { data: &data, port: 0, models, watched: Some(&watched) };
        let (served, secret) = Served::start(&start).expect("a server starts in an empty folder");
        let person = served.person(secret.as_deref()).await.expect("the setup link works");
        let office = Office::new(Ledger::default(), 1);
        office.meet(&person).await;
        Self { _folder: folder, data, watched, served, person, office }
    }

    async fn look(&self, person: &Person) {
        let broken = self.office.ledger.look(person, &self.data, usize::MAX, usize::MAX).await;
        assert_eq!(broken, Broken::default());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_was_acknowledged() {
    let watch = Watch::open(None).await;
    let (person, office) = (&watch.person, &watch.office);
    office.edit(person).await.expect("there is room");
    let sound = noise(300_000);
    let path = begin(person, 300_000, &[]).await;
    assert_eq!(person.send(part(person, &path, 0, sound[..100_000].to_vec())).await.status, 204);
    office.ledger.note(Told::Offset { path: path.clone(), bytes: 100_000 });

    watch.watched.control(0, true);
    let refused = person.send(part(person, &path, 100_000, sound[100_000..200_000].to_vec())).await;
    assert_eq!((refused.status.as_u16(), refused.json["code"].as_str()), (507, Some("storage_full")));
    office.edit(person).await.expect_err("nothing can be kept");
    let odd = office.odd();
    assert!(
        odd.len() == 1 && odd[0].starts_with("an edit: 507") && odd[0].contains("storage_full"),
        "{odd:?}"
    );
    watch.look(person).await;

    watch.watched.control(0, false);
    office.edit(person).await.expect("there is room again");
    let kept = offset(person, &path).await;
    assert!(kept >= 100_000);
    assert_eq!(person.send(part(person, &path, kept, sound[kept as usize..].to_vec())).await.status, 204);
    office.ledger.note(Told::Recorded { path, sha256: sha256(&sound) });
    watch.look(person).await;
}

#[tokio::test]
async fn a_calendar_that_jumps_by_ten_years_loses_nothing_and_recognises_once() {
    let watch = Watch::open(Some(&weights())).await;
    let office = &watch.office;
    office.edit(&watch.person).await.expect("it answers");
    office.upload(&watch.person).await.expect("it answers");
    let years = 10 * 365 * 24 * 3600;
    for seconds in [years, -years, 0] {
        watch.watched.control(seconds, false);
        let person = watch.served.person(None).await.expect("whoever is signed out signs in again");
        office.edit(&person).await.expect("it answers");
        watch.look(&person).await;
    }
    let person = watch.served.person(None).await.expect("people sign in");
    tokio::time::timeout(PATIENCE, office.finish(&person)).await.expect("the recognition comes to its end");
    watch.look(&person).await;
    let meetings = person.get("/v1/meetings").await.json;
    let recognised = meetings.as_array().expect("a list").iter().filter(|meeting| meeting["sample"] == false);
    for meeting in recognised {
        let jobs = format!("/v1/meetings/{}/jobs", meeting["id"].as_str().expect("it has a name"));
        let jobs = person.send(person.request(Method::GET, &jobs)).await.json;
        assert_eq!((jobs.as_array().map(Vec::len), &jobs[0]["state"]), (Some(1), &"done".into()));
    }
    assert_eq!(office.odd(), Vec::<String>::new());
}
