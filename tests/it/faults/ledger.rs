//! What people were told, in the order in which they were, and whether it still holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gijiroku::store::{Location, Store};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::disk;
use super::story::pause;
use crate::office::{Answer, Person};
use crate::support::{gijiroku, text};
use crate::uploads::{header, sha256, tus};

/// What somebody was told.
#[derive(Debug, Clone)]
pub enum Told {
    /// The first administrator is one, and has the sample meeting.
    Ready { sample: String },
    /// An upload has begun.
    Upload { path: String },
    /// So many bytes of it are kept.
    Offset { path: String, bytes: u64 },
    /// It is a recording; these are its bytes.
    Recorded { path: String, sha256: String },
    /// An edit is kept.
    Revision { number: u64, ops: Value },
    /// A recognition has come so far.
    Job { path: String, settled_ms: u64, state: String },
}

/// All that was told; a log of the disk, if there is one, holds the moments.
#[derive(Default)]
pub struct Ledger {
    told: Mutex<Vec<Told>>,
    log: Option<File>,
}

/// What was told about one upload.
#[derive(Debug, Default, Clone)]
struct Upload {
    bytes: u64,
    sha256: Option<String>,
}

/// What must hold after everything that was told.
#[derive(Debug, Default)]
struct Promises {
    sample: Option<String>,
    uploads: BTreeMap<String, Upload>,
    revisions: BTreeMap<u64, Value>,
    jobs: BTreeMap<String, (u64, String)>,
}

/// What did not hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// What was told and is not so any more.
    pub lost: Vec<String>,
    /// What cannot be read.
    pub unreadable: Vec<String>,
    /// Sound that was settled and has to be recognised once more, at most, in milliseconds.
    pub redone_ms_max: u64,
}

impl Broken {
    /// Adds what another look found.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.unreadable.extend(other.unreadable);
        self.redone_ms_max = self.redone_ms_max.max(other.redone_ms_max);
    }
}

impl Ledger {
    /// Begins a ledger whose moments are in the log of a disk.
    pub fn in_log(log: &Path) -> Self {
        let open = File::options().append(true).create(true).open(log);
        Self { told: Mutex::default(), log: Some(open.expect("there is room")) }
    }

    /// Notes that somebody was told something.
    pub fn note(&self, told: Told) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut log) = self.log.as_ref() {
            log.write_all(&disk::told()).expect("there is room");
        }
        all.push(told);
    }

    /// Returns how much was told.
    pub fn count(&self) -> usize {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns the recognitions somebody was told of, and how they stood.
    pub fn jobs(&self) -> BTreeMap<String, (u64, String)> {
        self.promises(usize::MAX).jobs
    }

    fn promises(&self, count: usize) -> Promises {
        let mut promises = Promises::default();
        for told in self.told.lock().unwrap_or_else(PoisonError::into_inner).iter().take(count) {
            match told.clone() {
                Told::Ready { sample } => promises.sample = Some(sample),
                Told::Upload { path } => drop(promises.uploads.insert(path, Upload::default())),
                Told::Offset { path, bytes } => promises.uploads.entry(path).or_default().bytes = bytes,
                Told::Recorded { path, sha256 } => {
                    promises.uploads.entry(path).or_default().sha256 = Some(sha256);
                }
                Told::Revision { number, ops } => drop(promises.revisions.insert(number, ops)),
                Told::Job { path, settled_ms, state } => {
                    promises.jobs.insert(path, (settled_ms, state));
                }
            }
        }
        promises
    }

    /// Looks whether the first `count` things that were told still hold, of uploads and recognitions the newest `most`.
    pub async fn look(&self, person: &Person, data: &Path, count: usize, most: usize) -> Broken {
        let promises = self.promises(count);
        let mut broken = Broken::default();
        for (path, upload) in promises.uploads.iter().rev().take(most) {
            if let Err(why) = look_at_upload(person, path, upload).await {
                broken.lost.push(format!("{path}: {why}"));
            }
        }
        if let Some(sample) = &promises.sample {
            look_at_revisions(person, sample, &promises.revisions, &mut broken).await;
        }
        look_at_meetings(person, &mut broken).await;
        look_at_jobs(person, promises.jobs.iter().rev().take(most), &mut broken).await;
        let verified = gijiroku(&["audit", "verify", "--data", text(data)]);
        if !verified.status.success() {
            broken.lost.push(format!("the audit log: {}", String::from_utf8_lossy(&verified.stdout)));
        }
        broken
    }

    /// Measures how much settled sound has no window kept.
    pub async fn redone_ms_max(&self, data: &Path) -> u64 {
        let location = Location::File(gijiroku::store::folder::database_in(data));
        let store = Store::open(&location).await.expect("the database can be opened");
        let mut most = 0;
        for path in self.jobs().keys() {
            let id = path.rsplit_once('/').expect("it is a path").1.parse().expect("names are UUIDs");
            let kept = store.settled_windows(id, 0).await.expect("the database answers");
            let Some(job) = store.job(id).await.expect("the database answers") else { continue };
            if !job.state.is_final() {
                let until_ms = kept.iter().map(|window| window.until_ms).max().unwrap_or(0);
                most = most.max(job.settled_ms.saturating_sub(until_ms));
            }
        }
        store.close().await;
        most
    }
}

async fn look_at_upload(person: &Person, path: &str, upload: &Upload) -> Result<(), String> {
    let head = patient(person, || tus(person, Method::HEAD, path)).await;
    if head.status != 200 {
        return Err(format!("HEAD answers {}", head.status));
    }
    let kept: u64 = header(&head, "upload-offset").parse().map_err(|_| "no offset")?;
    if kept < upload.bytes {
        return Err(format!("{kept} bytes are kept, {} were told", upload.bytes));
    }
    let Some(expected) = &upload.sha256 else { return Ok(()) };
    let shown = get(person, path).await.json;
    let recorded = &shown["recorded"];
    if recorded["sha256"] != **expected {
        return Err(format!("it was recorded as {expected}: {shown}"));
    }
    let recording = recorded["recording"].as_str().unwrap_or_default();
    let audio = format!("/v1/recordings/{recording}/audio");
    let played = get(person, &audio).await;
    if played.status != 200 || sha256(&played.bytes) != *expected {
        return Err(format!("the sound is {} with {} bytes", played.status, played.bytes.len()));
    }
    let piece = patient(person, || person.request(Method::GET, &audio).header("range", "bytes=0-3")).await;
    if piece.status != 206 || piece.bytes != played.bytes[..4] {
        return Err(format!("a piece of the sound is {}", piece.status));
    }
    Ok(())
}

async fn look_at_revisions(person: &Person, sample: &str, told: &BTreeMap<u64, Value>, broken: &mut Broken) {
    let mut found = BTreeMap::new();
    loop {
        let after = found.keys().next_back().copied().unwrap_or(0_u64);
        let page = get(person, &format!("{sample}/minutes/revisions?after={after}&limit=500")).await.json;
        let Some(page) = page.as_array().filter(|page| !page.is_empty()) else { break };
        found.extend(page.iter().map(|one| (one["revision"].as_u64().unwrap_or(0), one["ops"].clone())));
    }
    for (number, ops) in told {
        if found.get(number) != Some(ops) {
            broken.lost.push(format!("revision {number}: {ops} became {:?}", found.get(number)));
        }
    }
    // What others did before this is the same for everybody: numbers without gaps.
    let (first, last) = (found.keys().next(), found.keys().next_back());
    if let (Some(first), Some(last)) = (first, last)
        && last - first + 1 != found.len() as u64
    {
        broken.lost.push(format!("{} revisions from {first} to {last}", found.len()));
    }
    let (from, to) = (found.keys().next().copied().unwrap_or(1), "current");
    let compared = get(person, &format!("{sample}/minutes/differences?from={from}&to={to}")).await;
    if compared.status != 200 {
        broken.unreadable.push(format!("differences of {sample}: {}", shown(&compared)));
    }
}

async fn look_at_meetings(person: &Person, broken: &mut Broken) {
    let list = get(person, "/v1/meetings").await;
    let meetings = list.json["meetings"].as_array().or(list.json.as_array()).cloned();
    let Some(meetings) = meetings else {
        broken.unreadable.push(format!("the list of meetings: {}", shown(&list)));
        return;
    };
    for meeting in meetings {
        let path = format!("/v1/meetings/{}", meeting["id"].as_str().unwrap_or_default());
        let read = get(person, &path).await;
        let minutes = get(person, &format!("{path}/minutes")).await;
        let has_none = minutes.status == 404 && minutes.json["code"] == "no_minutes";
        if read.status != 200 || (minutes.status != 200 && !has_none) {
            broken.unreadable.push(format!("{path}: {} {}", shown(&read), shown(&minutes)));
        }
    }
}

async fn look_at_jobs<'a>(
    person: &Person,
    told: impl Iterator<Item = (&'a String, &'a (u64, String))>,
    broken: &mut Broken,
) {
    for (path, (settled_ms, state)) in told {
        let job = get(person, path).await;
        let now_ms = job.json["settled_ms"].as_u64().unwrap_or(0);
        if job.status != 200 || now_ms < *settled_ms {
            broken.lost.push(format!("{path}: {settled_ms} ms were settled: {}", shown(&job)));
        }
        if state == "done" && job.json["state"] != "done" {
            broken.lost.push(format!("{path}: it was done: {}", shown(&job)));
        }
        let minutes = format!("/v1/meetings/{}/minutes", job.json["meeting"].as_str().unwrap_or_default());
        if state == "done" && get(person, &minutes).await.status != 200 {
            broken.unreadable.push(minutes);
        }
    }
}

async fn get(person: &Person, path: &str) -> Answer {
    patient(person, || person.request(Method::GET, path)).await
}

/// Asks until the server does not find it too often.
async fn patient(person: &Person, request: impl Fn() -> RequestBuilder) -> Answer {
    loop {
        let answer = person.send(request()).await;
        if answer.status != 429 {
            return answer;
        }
        pause(Duration::from_millis(300)).await;
    }
}

fn shown(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.json)
}
