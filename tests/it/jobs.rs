//! The queue on both databases, and the worker with the real model: a recording goes in, minutes come out.

mod asked;
mod part;

use std::path::Path;
use std::time::Duration;

use gijiroku::audio::MediaTime;
use gijiroku::clock::UnixMs;
use gijiroku::jobs::recognise::{Bench, Workshop};
use gijiroku::jobs::worker;
use gijiroku::minutes::Minutes;
use gijiroku::speech::engine::Patience;
use gijiroku::speech::longform::{Outcome, WindowKey};
use gijiroku::speech::transcript::Transcript;
use gijiroku::store::audit::Actor;
use gijiroku::store::blobs::{self, Blobs};
use gijiroku::store::jobs::{
    Cancelled, Claimed, Failure, Finished, Hindrance, Hold, Kept, NewJob, Priority, Reached, Settings, State,
    backoff,
};
use gijiroku::store::meetings::{NewMeeting, Sensitivity};
use gijiroku::store::recordings::NewRecording;
use gijiroku::store::seats::{self, Seats};
use gijiroku::store::users::{NewUser, Role};
use gijiroku::store::windows::Question;
use gijiroku::store::{Id, Location, Store};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::office::{Office, Person};
use crate::seating::seated;
use crate::support::{PROGRAM, meeting_sound, repository, sample_meeting, write_wav};

const LEASE: Duration = Duration::from_secs(60);
/// Longest wait for a job on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn new_recording(meeting: Id, user: Id, blob: &str) -> NewRecording {
    NewRecording {
        meeting: Some(meeting),
        user,
        upload: None,
        blob: blob.to_owned(),
        bytes: 1,
        sha256: "00".repeat(32),
        file_name: "会議.mp3".to_owned(),
        mime: "audio/mpeg".to_owned(),
    }
}

fn new_job(meeting: Id, user: Id, recording: Id) -> NewJob {
    let (settings, priority) = (Settings::default(), Priority::Normal);
    NewJob { meeting: Some(meeting), recording, user, settings, priority }
}

fn window(until_ms: u64) -> Outcome {
    let key: WindowKey = serde_json::from_str(&format!("\"{until_ms}\"")).expect("a key is a text");
    Outcome {
        key,
        until_ms,
        language: None,
        segments: vec![],
        gaps: vec![],
        removed: vec![],
        reruns: 0,
        overlaps_previous: false,
    }
}

/// Two people with a meeting each, for the story below.
struct Cast {
    meetings: [Id; 2],
    people: [Id; 2],
}

async fn cast(store: &Store, now: UnixMs) -> Cast {
    let server = Actor::server();
    let department =
        store.add_department("待ち行列課", None, &server, now).await.expect("the name is free").id;
    let (mut meetings, mut people) = (Vec::new(), Vec::new());
    for login in ["queue-one", "queue-two"] {
        let new = NewUser {
            login: login.to_owned(),
            name: login.to_owned(),
            department,
            role: Role::Staff,
            password: None,
            password_expired: false,
            room: false,
        };
        let owner = store.add_user(&new, &server, now).await.expect("the login is free").id;
        let new = NewMeeting {
            title: "定例会".to_owned(),
            department,
            owner,
            sensitivity: Sensitivity::Internal,
            held_on: String::new(),
            template: None,
            sample: false,
        };
        people.push(owner);
        meetings.push(store.add_meeting(&new, &server, now).await.expect("a meeting can be made").id);
    }
    Cast { meetings: [meetings[0], meetings[1]], people: [people[0], people[1]] }
}

/// What a queue must do, told once for both databases; the queue is empty when it begins and when it ends.
pub async fn queue_story(store: &Store) {
    let start = UnixMs::from_ms(2_000_000_000_000);
    let at = |seconds| start.plus(Duration::from_secs(seconds));
    let claim = async |now| store.claim_job("node", LEASE, now).await.expect("the database answers");
    let (cast, server) = (cast(store, start).await, Actor::server());
    let mut jobs = Vec::new();
    for (person, blob) in [(0, "a"), (0, "b"), (1, "c")] {
        let (meeting, user) = (cast.meetings[person], cast.people[person]);
        let recording = store.add_recording(&new_recording(meeting, user, blob), start).await;
        let new = new_job(meeting, user, recording.expect("there is room"));
        jobs.push(store.enqueue(&new, &server, at(jobs.len() as u64)).await.expect("it is in no job"));
        assert!(store.enqueue(&new, &server, at(9)).await.is_err(), "one open job a recording");
    }
    let line = store.line(at(10)).await.expect("the database answers");
    let places: Vec<_> = jobs.iter().map(|job| line.place(*job)).collect();
    assert_eq!(places, [Some(1), Some(3), Some(2)], "the first job of a colleague before one's second");

    let (first, other) = tokio::join!(claim(at(10)), claim(at(10)));
    let mut claimed = [first.expect("three wait").job.id, other.expect("three wait").job.id];
    claimed.sort();
    assert_eq!(claimed, [jobs[0], jobs[2]], "two workers at once get two jobs");
    assert_eq!(store.line(at(10)).await.expect("answers").working.len(), 2);
    lapse_and_resume(store, jobs[0], at(100)).await;
    first_and_second_result(store, &cast, jobs[0], at(300)).await;
    setback_cancel_and_retry(store, jobs[1], at(3_000)).await;

    while let Some(Claimed { lease, .. }) = claim(at(9_000)).await {
        store
            .fail_job(lease, Failure::NotAudio, Some("a picture".to_owned()), at(9_000))
            .await
            .expect("answers");
    }
    let failed = store.job(jobs[2]).await.expect("answers").expect("the job was made");
    assert_eq!((failed.state, failed.failure), (State::Failed, Some(Failure::NotAudio)));
    assert_eq!(store.line(at(9_001)).await.expect("answers").waiting, []);
}

/// A worker dies; the next finds its windows, and the first one, coming back, changes nothing.
async fn lapse_and_resume(store: &Store, job: Id, now: UnixMs) {
    let question = Question { model_sha256: "aa".to_owned(), product: "1".to_owned() };
    let seats = Seats::open(store, seats::clocks()).await.expect("the database answers");
    let seat = seated(&seats, Id::new()).await;
    let mut leases = Vec::new();
    for seconds in [0, 61] {
        let now = now.plus(Duration::from_secs(seconds));
        loop {
            // The other job's lease has lapsed, too; it goes on with whoever claims it.
            let claimed =
                store.claim_job("node", LEASE, now).await.expect("answers").expect("two have lapsed");
            if claimed.job.id == job {
                leases.push(claimed.lease);
                break;
            }
        }
        let kept = store.keep_window(leases[leases.len() - 1], seat, &question, &window(seconds + 1)).await;
        assert_eq!(kept.expect("answers"), Hold::Held);
    }
    let stale = store.keep_window(leases[0], seat, &question, &window(99)).await.expect("answers");
    assert_eq!(stale, Hold::Lost);
    let reached = Reached { settled_ms: 500, expected_ms: Some(1_000) };
    assert_eq!(store.renew_lease(leases[0], reached, LEASE, now).await.expect("answers"), Hold::Lost);
    let kept = store.kept_windows(job, &question).await.expect("answers");
    assert_eq!(kept, [window(1), window(62)]);
    let later = now.plus(Duration::from_secs(62));
    assert_eq!(store.renew_lease(leases[1], reached, LEASE, later).await.expect("answers"), Hold::Held);
    assert_eq!(store.release_job(leases[1], later).await.expect("answers"), Hold::Held);
    assert_eq!(store.release_job(leases[1], later).await.expect("answers"), Hold::Lost, "given back once");
    assert!(store.free_leases("node", later).await.is_ok());
}

/// The first result becomes minutes; a second recognition is only a further version.
async fn first_and_second_result(store: &Store, cast: &Cast, job: Id, now: UnixMs) {
    let (transcript, draft) =
        (Transcript { duration_ms: 1_000, ..Transcript::default() }, Minutes::default());
    let finished = Finished { transcript: &transcript, draft: &draft, speed_ms: Some(5_000) };
    let mut results = Vec::new();
    let recording = store.job(job).await.expect("answers").expect("the job was made").recording;
    for round in 0..2 {
        let lease = loop {
            let claimed = store.claim_job("node", LEASE, now).await.expect("answers").expect("it waits");
            if claimed.job.recording == recording {
                break claimed.lease;
            }
        };
        results.push(store.finish_job(lease, finished, now).await.expect("answers"));
        assert_eq!(store.finish_job(lease, finished, now).await.expect("answers"), None, "a job ends once");
        if round == 0 {
            let again = new_job(cast.meetings[0], cast.people[0], recording);
            let again = NewJob { priority: Priority::High, ..again };
            store.enqueue(&again, &Actor::server(), now).await.expect("the first job has ended");
        }
    }
    let kept = |version, is_first| Some(Kept { version, is_first });
    assert_eq!(results, [kept(1, true), kept(2, false)]);
    assert_eq!(store.transcripts(cast.meetings[0]).await.expect("answers").len(), 2);
    assert_eq!(store.transcript(cast.meetings[0], 2).await.expect("answers"), Some(transcript.clone()));
    let found = store.recording(recording).await.expect("answers").expect("it was added");
    assert_eq!(found.duration_ms, Some(1_000));
    assert_eq!(store.jobs_of_meeting(cast.meetings[0]).await.expect("answers").len(), 3);
    assert_eq!(store.line(now).await.expect("answers").speed_ms, Some(5_000));
    store.set_recording_duration(recording, 2_000).await.expect("answers");
    assert_eq!(store.recordings(cast.meetings[0]).await.expect("answers")[0].duration_ms, Some(2_000));
    assert_eq!(store.template_of_meeting(cast.meetings[0]).await.expect("answers"), None);
}

async fn setback_cancel_and_retry(store: &Store, job: Id, now: UnixMs) {
    let server = Actor::server();
    let claim = async |now| loop {
        let claimed = store.claim_job("node", LEASE, now).await.expect("answers").expect("it waits");
        if claimed.job.id == job {
            return claimed.lease;
        }
    };
    let lease = claim(now).await;
    let (down, failed) = (Hindrance::EngineDown, Failure::EngineFailed);
    assert_eq!(store.back_off_job(lease, down, failed, now).await.expect("answers"), Hold::Held);
    let waiting = store.job(job).await.expect("answers").expect("the job was made");
    let pause = backoff(waiting.attempts);
    assert_eq!((waiting.not_before, waiting.hindrance), (now.plus(pause), Some(down)));
    let now = now.plus(pause);
    let lease = claim(now).await;
    let until = now.plus(LEASE);
    assert_eq!(
        store.hinder_job(lease, Hindrance::ModelMissing, until, now).await.expect("answers"),
        Hold::Held
    );
    assert_eq!(store.cancel_job(job, &server, now).await.expect("answers"), Cancelled::AtOnce);
    assert_eq!(store.cancel_job(job, &server, now).await.expect("answers"), Cancelled::TooLate);
    assert!(store.retry_job(job, &server, now).await.expect("answers"));
    assert!(!store.retry_job(job, &server, now).await.expect("answers"), "it waits already");
    let lease = claim(now).await;
    assert_eq!(store.cancel_job(job, &server, now).await.expect("answers"), Cancelled::Asked);
    let heard = store.renew_lease(lease, Reached::default(), LEASE, now).await.expect("answers");
    assert_eq!(heard, Hold::CancelAsked);
    assert_eq!(store.drop_job(lease, now).await.expect("answers"), Hold::Held);
    let ended = store.job(job).await.expect("answers").expect("the job was made");
    assert_eq!(ended.state, State::Cancelled);
}

#[tokio::test]
async fn the_story_of_the_queue_on_sqlite() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let location = Location::File(folder.path().join("gijiroku.sqlite"));
    let store = Store::open(&location).await.expect("a fresh database can be opened");
    queue_story(&store).await;
}

#[tokio::test]
async fn the_queue_does_the_same_on_postgresql() {
    let store = Store::open(&crate::postgres::database()).await.expect("a fresh database can be opened");
    queue_story(&store).await;
}

/// An office with a worker's desk: audio, a meeting, and its owner.
pub struct Desk {
    office: Office,
    pub owner: Person,
    pub meeting: Id,
    blobs: Blobs,
}

impl Desk {
    pub async fn open() -> Self {
        let office = Office::open().await;
        let department = office.department("議会事務局").await;
        let owner = office.person("suzuki", Role::Staff, department).await;
        let made =
            owner.post("/v1/meetings", json!({ "title": "総務委員会", "held_on": "2026-11-22" })).await;
        let meeting = made.json["id"].as_str().expect("a meeting has a name").parse().expect("a UUID");
        let folder = office.folder.path().join("audio");
        let blobs = Blobs::open(blobs::Settings::Local { folder }).await.expect("the folder can be made");
        Self { office, owner, meeting, blobs }
    }

    /// Brings a recording; nothing recognises it yet.
    pub async fn bring(&self, file: &Path, blob: &str) {
        let staged = self.office.folder.path().join("staged");
        std::fs::copy(file, &staged).expect("there is room");
        let key = blob.parse().expect("a word is a key");
        self.blobs.seal(&staged, &key, None).await.expect("there is room");
        let new = new_recording(self.meeting, self.owner.id(), blob);
        self.office.store.add_recording(&new, self.office.now()).await.expect("there is room");
    }

    /// Asks for a recognition as the browser does.
    pub async fn recognise(&self) -> Value {
        let answer = self.owner.post(&format!("/v1/meetings/{}/recognitions", self.meeting), json!({})).await;
        assert_eq!(answer.status, 201, "{:?}", answer.json);
        answer.json
    }

    pub fn start(&self, models: &Path, threads: u16) -> (CancellationToken, JoinHandle<()>) {
        self.start_with(models, threads, MediaTime::from_ms(12 * 3_600_000))
    }

    pub fn start_with(
        &self,
        models: &Path,
        threads: u16,
        longest: MediaTime,
    ) -> (CancellationToken, JoinHandle<()>) {
        let workshop = Workshop {
            models: models.to_owned(),
            model: "base".to_owned(),
            program: PROGRAM.into(),
            backend: None,
            threads,
            patience: Patience::default(),
            longest,
            bench: Bench::default(),
        };
        let settings = worker::Settings {
            node: "node".to_owned(),
            workshop,
            jobs_at_once: 1,
            blobs: self.blobs.clone(),
            scratch: self.office.folder.path().to_owned(),
            seats: self.office.seats.clone(),
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(worker::run(self.office.store.clone(), settings, stop.clone()));
        (stop, running)
    }

    /// Looks at a job until it is as wanted: durable state, not passed time, is what the tests need.
    pub async fn seen(&self, job: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/jobs/{}", job["id"].as_str().expect("a job has a name"));
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let found = async {
            loop {
                looks.tick().await;
                let answer = self.owner.get(&path).await;
                assert_eq!(answer.status, 200, "{:?}", answer.json);
                if wanted(&answer.json) {
                    return answer.json;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the worker works")
    }
}

pub fn weights() -> std::path::PathBuf {
    repository("models/weights")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_from_the_queue_to_minutes_and_is_told_step_by_step() {
    let desk = Desk::open().await;
    let file = desk.office.folder.path().join("sound.wav");
    write_wav(&file, &meeting_sound(90));
    desk.bring(&file, "sound").await;
    let job = desk.recognise().await;
    assert_eq!((job["state"].as_str(), job["place"].as_u64()), (Some("waiting"), Some(1)));
    assert!(job["sentence"].as_str().is_some_and(|told| told.starts_with("待機中(1番目")), "{job}");
    let twice = desk.owner.post(&format!("/v1/meetings/{}/recognitions", desk.meeting), json!({})).await;
    assert_eq!((twice.status.as_u16(), twice.json["code"].as_str()), (409, Some("recognition_open")));

    let (stop, running) = desk.start(&weights(), 2);
    let events = desk.owner.get(&format!("/v1/jobs/{}/events", job["id"].as_str().expect("a name"))).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let told = String::from_utf8(events.bytes).expect("events are text");
    let last = told.lines().filter_map(|line| line.strip_prefix("data:")).next_back().expect("an event");
    let last: Value = serde_json::from_str(last.trim()).expect("the data is JSON");
    assert!(told.contains("event: progress") || told.contains("event:progress"), "{told}");
    assert_eq!((last["state"].as_str(), last["percent"].as_u64()), (Some("done"), Some(100)), "{told}");

    let store = &desk.office.store;
    let document = store.document(desk.meeting).await.expect("answers").expect("there are minutes");
    assert_eq!(document.revision, 1);
    let text: String =
        document.minutes.utterances().map(|utterance| utterance.text.as_str()).collect::<Vec<_>>().concat();
    assert!(text.chars().count() > 200, "{text}");
    assert!(document.minutes.header.values().any(|value| value == "総務委員会"));
    assert_eq!(store.editions(desk.meeting).await.expect("answers").len(), 1);
    assert!(
        store.line(desk.office.now()).await.expect("answers").speed_ms.is_some_and(|speed| speed > 1_000)
    );
    assert_eq!(store.pulse().condition(gijiroku::clock::Mono::now()).running, []);
    stop.cancel();
    running.await.expect("the worker ends politely");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_gives_its_job_back_at_once_and_the_next_goes_on_with_what_was_kept() {
    let desk = Desk::open().await;
    desk.bring(&sample_meeting(), "sound").await;
    let job = desk.recognise().await;
    let (stop, running) = desk.start(&weights(), 1);
    desk.seen(&job, |job| job["settled_ms"].as_u64() > Some(0) || job["state"] == "done").await;
    stop.cancel();
    running.await.expect("the worker ends politely");
    // The office's clock stands still, the worker's does not: without this the job would be put off into the future.
    desk.office.pass(Duration::from_secs(60));
    let given_back = desk.seen(&job, |_| true).await;
    assert_eq!((given_back["state"].as_str(), given_back["place"].as_u64()), (Some("waiting"), Some(1)));
    let settled_ms = given_back["settled_ms"].as_u64();

    let (stop, running) = desk.start(&weights(), 2);
    let done = desk.seen(&job, |job| job["state"] != "waiting" && job["state"] != "running").await;
    assert_eq!(done["state"], "done");
    assert!(settled_ms > Some(0) && done["settled_ms"].as_u64() > settled_ms);
    stop.cancel();
    running.await.expect("the worker ends politely");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_recognition_can_be_cancelled_and_retried() {
    let desk = Desk::open().await;
    desk.bring(&sample_meeting(), "sound").await;
    let job = desk.recognise().await;
    let (stop, running) = desk.start(&weights(), 1);
    desk.seen(&job, |job| job["state"] == "running").await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("a name"));
    assert_eq!(desk.owner.delete(&path).await.status, 200);
    desk.seen(&job, |job| job["state"] == "cancelled").await;
    assert_eq!(desk.owner.delete(&path).await.json["code"], "job_ended");
    let again = desk.owner.post(&format!("{path}/retry"), json!({})).await;
    assert_eq!(again.status, 200, "{:?}", again.json);
    desk.seen(&job, |job| job["state"] == "done").await;
    let too_late = desk.owner.post(&format!("{path}/retry"), json!({})).await;
    assert_eq!(too_late.json["code"], "job_not_ended");
    stop.cancel();
    running.await.expect("the worker ends politely");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_recording_fails_for_good_and_says_what_to_do() {
    let desk = Desk::open().await;
    desk.bring(&repository("README.md"), "text").await;
    let job = desk.recognise().await;
    let (stop, running) = desk.start(&desk.office.folder.path().join("no-models"), 1);
    let failed = desk.seen(&job, |job| job["state"] == "failed").await;
    assert_eq!(failed["sentence"], "失敗(録音は保存済み)");
    assert_eq!(
        (failed["reason"]["code"].as_str(), failed["reason"]["number"].as_str()),
        (Some("not_audio"), Some("G-2302"))
    );
    stop.cancel();
    running.await.expect("the worker ends politely");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_longer_than_the_office_allows_fails_and_says_so() {
    let desk = Desk::open().await;
    let file = desk.office.folder.path().join("sound.wav");
    write_wav(&file, &meeting_sound(90));
    desk.bring(&file, "sound").await;
    let job = desk.recognise().await;
    let (stop, running) = desk.start_with(&weights(), 2, MediaTime::from_ms(60_000));
    let failed = desk.seen(&job, |job| job["finished_at"].is_i64()).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(failed["reason"]["code"], "too_long");
    assert_eq!(failed["reason"]["detail"], "上限 1分");
    stop.cancel();
    running.await.expect("the worker ends politely");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_a_recording_waits_and_the_reason_is_shown() {
    let desk = Desk::open().await;
    desk.bring(&sample_meeting(), "sound").await;
    let job = desk.recognise().await;
    let (stop, running) = desk.start(&desk.office.folder.path().join("no-models"), 1);
    let waits = desk.seen(&job, |job| job["reason"].is_object()).await;
    assert_eq!(
        (waits["state"].as_str(), waits["reason"]["code"].as_str()),
        (Some("waiting"), Some("model_missing"))
    );
    stop.cancel();
    running.await.expect("the worker ends politely");
}
