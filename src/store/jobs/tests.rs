use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::minutes::Minutes;
use crate::seats::{Epoch, LeaseId, Token};
use crate::speech::longform::{Outcome, WindowKey};
use crate::speech::transcript::{GapRecord, Transcript};
use crate::store::Location;
use crate::store::audit::Verdict;
use crate::store::meetings::{NewMeeting, Sensitivity};
use crate::store::recordings::NewRecording;
use crate::store::seats::Fence;
use crate::store::users::{NewUser, Role};
use crate::store::windows::Question;

mod model;

pub const MINUTE: Duration = Duration::from_secs(60);

pub fn at(seconds: i64) -> UnixMs {
    UnixMs::from_ms(1_000_000_000 + seconds * 1000)
}

/// The seat that everybody here works on.
pub fn seat() -> Fence {
    let epoch = Epoch::new(1);
    Fence { lease: LeaseId::new(epoch, 1), token: Token::new(epoch, 2) }
}

/// An office with people who bring recordings.
pub struct Desk {
    pub store: Store,
    pub people: Vec<Id>,
    department: Id,
    brought: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Desk {
    pub async fn open(people: usize) -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let location = Location::File(folder.path().join("gijiroku.sqlite"));
        let store = Store::open(&location).await.expect("a fresh database can be opened");
        let server = Actor::server();
        let department = store.add_department("総務課", None, &server, at(0)).await;
        let department = department.expect("the name is free").id;
        let mut ids = Vec::new();
        for number in 0..people {
            let new = NewUser {
                login: format!("person{number}"),
                name: format!("職員 {number}"),
                department,
                role: Role::Staff,
                password: None,
                password_expired: false,
                room: false,
            };
            ids.push(store.add_user(&new, &server, at(0)).await.expect("the login is free").id);
        }
        let mut tx = store.write().await.expect("the database answers");
        let Fence { lease, token } = seat();
        let sql = "INSERT INTO seat_lease (lease, token) VALUES ($1, $2)";
        tx.run(sql, values![lease.number(), token.number()]).await.expect("there is room");
        tx.commit().await.expect("there is room");
        Self { store, people: ids, department, brought: AtomicU64::new(0), _folder: folder }
    }

    pub async fn meeting(&self, person: usize) -> Id {
        let new = NewMeeting {
            title: "定例会".to_owned(),
            department: self.department,
            owner: self.people[person],
            sensitivity: Sensitivity::Internal,
            held_on: String::new(),
            template: None,
            sample: false,
        };
        self.store.add_meeting(&new, &Actor::server(), at(0)).await.expect("a meeting can be made").id
    }

    /// Brings a recording and returns the job for it, not queued yet.
    pub async fn bring(&self, person: usize, meeting: Option<Id>) -> NewJob {
        let number = self.brought.fetch_add(1, Ordering::Relaxed);
        let new = NewRecording {
            meeting,
            user: self.people[person],
            upload: None,
            blob: format!("blob{number}"),
            bytes: 1,
            sha256: "00".repeat(32),
            file_name: "会議.mp3".to_owned(),
            mime: "audio/mpeg".to_owned(),
        };
        let recording = self.store.add_recording(&new, at(0)).await.expect("there is room");
        let (user, settings, priority) = (self.people[person], Settings::default(), Priority::Normal);
        NewJob { meeting, recording, user, settings, priority }
    }

    pub async fn queue(&self, new: &NewJob, now: UnixMs) -> Id {
        self.store.enqueue(new, &Actor::server(), now).await.expect("the recording is in no other job")
    }

    /// Brings a recording and queues it.
    pub async fn enqueue(&self, person: usize, now: UnixMs) -> Id {
        let new = self.bring(person, None).await;
        self.queue(&new, now).await
    }

    pub async fn claim(&self, now: UnixMs) -> Option<Claimed> {
        self.store.claim_job("node", MINUTE, now).await.expect("the database answers")
    }

    pub async fn job(&self, id: Id) -> Job {
        self.store.job(id).await.expect("the database answers").expect("the job was made")
    }

    async fn claimed(&self, now: UnixMs) -> (Id, Lease) {
        let claimed = self.claim(now).await.expect("a job waits");
        (claimed.job.id, claimed.lease)
    }

    async fn finish(&self, lease: Lease, transcript: &Transcript, now: UnixMs) -> Option<Kept> {
        let draft = Minutes::default();
        let finished = Finished { transcript, draft: &draft, speed_ms: Some(6_000) };
        self.store.finish_job(lease, finished, now).await.expect("the database answers")
    }

    async fn number(&self, sql: &'static str) -> i64 {
        let row = self.store.database.row(sql, &[]).await.expect("the database answers");
        row.expect("a count has a row").int(0).expect("a count is a number")
    }
}

pub fn question(model: &str) -> Question {
    Question { model_sha256: model.to_owned(), product: "0".to_owned() }
}

pub fn outcome(until_ms: u64) -> Outcome {
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

#[test]
fn each_setback_doubles_the_pause_up_to_half_an_hour() {
    let pauses: Vec<u64> = (1..=ATTEMPTS_MAX).map(|attempts| backoff(attempts).as_secs()).collect();
    assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1800, 1800]);
    assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
}

#[tokio::test]
async fn the_first_job_of_a_colleague_goes_before_the_second_of_somebody_who_brought_ten() {
    let desk = Desk::open(3).await;
    let mut many = Vec::new();
    for second in 0..10 {
        many.push(desk.enqueue(0, at(second)).await);
    }
    let (one, other) = (desk.enqueue(1, at(20)).await, desk.enqueue(2, at(21)).await);
    let line = desk.store.line(at(22)).await.expect("the database answers");
    let order: Vec<_> = line.waiting.iter().map(|waiting| waiting.job).collect();
    assert_eq!(order[..4], [many[0], one, other, many[1]]);
    assert_eq!(line.place(other), Some(3));
    let mut begun = Vec::new();
    for second in 0..5 {
        begun.push(desk.claimed(at(22 + second)).await.0);
    }
    assert_eq!(begun, [many[0], one, other, many[1], many[2]]);
}

#[tokio::test]
async fn a_turn_taken_counts_for_an_hour_and_then_no_more() {
    let desk = Desk::open(2).await;
    let first = desk.enqueue(0, at(0)).await;
    let (begun, lease) = desk.claimed(at(0)).await;
    assert_eq!(begun, first);
    desk.finish(lease, &Transcript::default(), at(60)).await.expect("held");
    let second = desk.enqueue(0, at(61)).await;
    let newcomer = desk.enqueue(1, at(62)).await;
    let first_in_line = async |now| desk.store.line(now).await.expect("answers").waiting[0].job;
    assert_eq!(first_in_line(at(63)).await, newcomer);
    assert_eq!(first_in_line(at(3600)).await, second, "the one who has waited longer");
}

#[tokio::test]
async fn priority_is_asked_before_fairness() {
    let desk = Desk::open(2).await;
    let low = NewJob { priority: Priority::Low, ..desk.bring(0, None).await };
    let low = desk.queue(&low, at(0)).await;
    let usual = desk.enqueue(1, at(1)).await;
    let high = NewJob { priority: Priority::High, ..desk.bring(1, None).await };
    let high = desk.queue(&high, at(2)).await;
    let order = [desk.claimed(at(3)).await.0, desk.claimed(at(3)).await.0, desk.claimed(at(3)).await.0];
    assert_eq!(order, [high, usual, low]);
    assert_eq!(desk.claim(at(3)).await, None);
}

#[tokio::test]
async fn a_worker_believed_dead_changes_nothing_when_it_comes_back() {
    let desk = Desk::open(1).await;
    let id = desk.enqueue(0, at(0)).await;
    let (_, stale) = desk.claimed(at(0)).await;
    assert_eq!(desk.claim(at(59)).await, None, "the lease holds");
    let (again, fresh) = desk.claimed(at(60)).await;
    assert_eq!((again, fresh.token), (id, stale.token + 1));
    let before = desk.job(id).await;
    let (store, now, asked) = (&desk.store, at(61), question("a"));
    let reached = Reached { settled_ms: 5_000, expected_ms: None };
    let refused = [
        store.renew_lease(stale, reached, MINUTE, now).await,
        store.keep_window(stale, seat(), &asked, &outcome(1)).await,
        store.release_job(stale, now).await,
        store.hinder_job(stale, Hindrance::StorageFull, now, now).await,
        store.back_off_job(stale, Hindrance::EngineDown, Failure::EngineFailed, now).await,
        store.fail_job(stale, Failure::Damaged, None, now).await,
        store.drop_job(stale, now).await,
    ];
    for answer in refused {
        assert_eq!(answer.expect("the database answers"), Hold::Lost);
    }
    assert_eq!(desk.finish(stale, &Transcript::default(), now).await, None);
    assert_eq!(desk.job(id).await, before);
    assert_eq!(desk.number("SELECT COUNT(*) FROM transcripts").await, 0);
    assert_eq!(store.kept_windows(id, &asked).await.expect("answers"), []);
    let held = store.renew_lease(fresh, reached, MINUTE, now).await;
    assert_eq!(held.expect("the database answers"), Hold::Held);
}

#[tokio::test]
async fn after_a_sudden_end_the_next_worker_finds_every_window_that_was_kept() {
    let desk = Desk::open(1).await;
    let id = desk.enqueue(0, at(0)).await;
    let (_, lease) = desk.claimed(at(0)).await;
    for until_ms in [56_000, 28_000, 28_000] {
        let kept = desk.store.keep_window(lease, seat(), &question("a"), &outcome(until_ms)).await;
        assert_eq!(kept.expect("the database answers"), Hold::Held);
    }
    assert_eq!(desk.claim(at(30)).await, None);
    assert_eq!(desk.store.free_leases("another node", at(30)).await.expect("answers"), 0);
    assert_eq!(desk.store.free_leases("node", at(30)).await.expect("answers"), 1);
    assert_eq!(desk.claimed(at(30)).await.0, id, "a restarted node does not wait for its own lease");
    let kept = desk.store.kept_windows(id, &question("a")).await.expect("the database answers");
    assert_eq!(kept, [outcome(28_000), outcome(56_000)]);
    let other = desk.store.kept_windows(id, &question("b")).await.expect("the database answers");
    assert_eq!(other, [], "another model gets no old answer");
}

#[tokio::test]
async fn a_job_of_which_the_server_dies_again_and_again_has_failed_unless_it_moves() {
    let desk = Desk::open(1).await;
    let id = desk.enqueue(0, at(0)).await;
    for death in 0..i64::from(ATTEMPTS_MAX) {
        let (_, lease) = desk.claimed(at(death * 100)).await;
        if death == 0 {
            let kept = desk.store.keep_window(lease, seat(), &question("a"), &outcome(28_000)).await;
            kept.expect("the database answers");
        }
    }
    assert_eq!(desk.job(id).await.attempts, ATTEMPTS_MAX - 1);
    assert_eq!(desk.claim(at(900)).await, None);
    let job = desk.job(id).await;
    assert_eq!((job.state, job.failure), (State::Failed, Some(Failure::Crashed)));
    assert!(desk.store.retry_job(id, &Actor::server(), at(901)).await.expect("answers"));
    let (_, lease) = desk.claimed(at(901)).await;
    let kept = desk.store.kept_windows(id, &question("a")).await.expect("the database answers");
    assert_eq!(kept, [outcome(28_000)], "a failure keeps what was settled");
    let reached = Reached { settled_ms: 28_000, expected_ms: Some(60_000) };
    desk.store.renew_lease(lease, reached, MINUTE, at(902)).await.expect("answers");
    let reached = Reached { settled_ms: 1_000, expected_ms: None };
    desk.store.renew_lease(lease, reached, MINUTE, at(903)).await.expect("answers");
    let job = desk.job(id).await;
    assert_eq!((job.settled_ms, job.expected_ms), (28_000, Some(60_000)), "progress never goes back");
}

#[tokio::test]
async fn setbacks_pause_longer_and_longer_and_a_hindrance_counts_as_none() {
    let desk = Desk::open(1).await;
    let id = desk.enqueue(0, at(0)).await;
    let mut now = at(0);
    for attempts in 1..ATTEMPTS_MAX {
        let (_, lease) = desk.claimed(now).await;
        let (down, failed) = (Hindrance::EngineDown, Failure::EngineFailed);
        desk.store.back_off_job(lease, down, failed, now).await.expect("answers");
        let job = desk.job(id).await;
        assert_eq!((job.state, job.attempts, job.hindrance), (State::Waiting, attempts, Some(down)));
        assert_eq!(desk.claim(now.plus(backoff(attempts)).minus(Duration::from_millis(1))).await, None);
        now = now.plus(backoff(attempts));
    }
    let (_, lease) = desk.claimed(now).await;
    let until = now.plus(MINUTE);
    desk.store.hinder_job(lease, Hindrance::StorageFull, until, now).await.expect("answers");
    assert_eq!(desk.job(id).await.attempts, ATTEMPTS_MAX - 1);
    let (_, lease) = desk.claimed(until).await;
    assert_eq!(desk.job(id).await.hindrance, None);
    let last = desk.store.back_off_job(lease, Hindrance::EngineDown, Failure::EngineFailed, until).await;
    last.expect("answers");
    let job = desk.job(id).await;
    assert_eq!((job.state, job.failure), (State::Failed, Some(Failure::EngineFailed)));
}

#[tokio::test]
async fn a_running_job_is_asked_to_stop_and_never_waits_again() {
    let desk = Desk::open(1).await;
    let id = desk.enqueue(0, at(0)).await;
    let (_, lease) = desk.claimed(at(0)).await;
    let server = Actor::server();
    let asked = desk.store.cancel_job(id, &server, at(1)).await.expect("answers");
    assert_eq!((asked, desk.job(id).await.state), (Cancelled::Asked, State::Running));
    let heard = desk.store.renew_lease(lease, Reached::default(), MINUTE, at(2)).await;
    assert_eq!(heard.expect("answers"), Hold::CancelAsked);
    desk.store.release_job(lease, at(3)).await.expect("answers");
    assert_eq!(desk.job(id).await.state, State::Cancelled);
    let late = desk.store.cancel_job(id, &server, at(4)).await.expect("answers");
    assert_eq!((late, desk.claim(at(500)).await), (Cancelled::TooLate, None));
}

#[tokio::test]
async fn a_job_whose_worker_died_after_it_was_cancelled_ends_cancelled() {
    let desk = Desk::open(1).await;
    let id = desk.enqueue(0, at(0)).await;
    desk.claimed(at(0)).await;
    desk.store.cancel_job(id, &Actor::server(), at(1)).await.expect("answers");
    assert_eq!(desk.claim(at(61)).await, None);
    assert_eq!(desk.job(id).await.state, State::Cancelled);
}

#[tokio::test]
async fn a_recording_is_in_one_open_job_at_a_time() {
    let desk = Desk::open(1).await;
    let (new, server) = (desk.bring(0, None).await, Actor::server());
    let first = desk.queue(&new, at(0)).await;
    assert!(matches!(desk.store.enqueue(&new, &server, at(1)).await, Err(StoreError::Taken)));
    desk.store.cancel_job(first, &server, at(2)).await.expect("answers");
    desk.queue(&new, at(3)).await;
    assert!(matches!(desk.store.retry_job(first, &server, at(4)).await, Err(StoreError::Taken)));
    assert_eq!(desk.job(first).await.state, State::Cancelled);
}

#[tokio::test]
async fn the_first_result_becomes_minutes_and_a_later_one_only_a_further_version() {
    let desk = Desk::open(1).await;
    let meeting = desk.meeting(0).await;
    let new = desk.bring(0, Some(meeting)).await;
    desk.queue(&new, at(0)).await;
    let (_, lease) = desk.claimed(at(0)).await;
    desk.store.keep_window(lease, seat(), &question("a"), &outcome(1)).await.expect("answers");
    let whole = Transcript { duration_ms: 60_000, ..Transcript::default() };
    let kept = desk.finish(lease, &whole, at(10)).await;
    assert_eq!(kept, Some(Kept { version: 1, is_first: true }));
    assert_eq!(desk.finish(lease, &whole, at(11)).await, None, "a job ends once");
    assert_eq!(desk.number("SELECT COUNT(*) FROM windows").await, 0);

    // Somebody has edited since.
    let mut tx = desk.store.write().await.expect("answers");
    tx.run("UPDATE minutes SET revision = 7", &[]).await.expect("answers");
    tx.commit().await.expect("answers");
    let again = desk.queue(&new, at(20)).await;
    assert_eq!(desk.job(again).await.expected_ms, Some(60_000), "the length is known by now");
    let (_, lease) = desk.claimed(at(20)).await;
    let gap = GapRecord { start_ms: 0, end_ms: 9, reason: "recognizer_failed".to_owned() };
    let holed = Transcript { gaps: vec![gap], ..whole.clone() };
    let kept = desk.finish(lease, &holed, at(30)).await;
    assert_eq!(kept, Some(Kept { version: 2, is_first: false }));
    assert_eq!(desk.job(again).await.state, State::DoneWithGaps);
    assert_eq!(desk.number("SELECT revision FROM minutes").await, 7);
    for sql in ["SELECT COUNT(*) FROM snapshots", "SELECT COUNT(*) FROM editions"] {
        assert_eq!(desk.number(sql).await, 1, "{sql}");
    }
    let versions = desk.store.transcripts(meeting).await.expect("answers");
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(desk.store.transcript(meeting, 2).await.expect("answers"), Some(holed));
    assert_eq!(desk.store.transcript(meeting, 3).await.expect("answers"), None);
    assert_eq!(desk.store.line(at(31)).await.expect("answers").speed_ms, Some(6_000));
    assert!(matches!(desk.store.audit_verify(None).await.expect("answers"), Verdict::Whole { .. }));
}

#[tokio::test]
async fn workers_that_ask_at_the_same_moment_never_get_the_same_job() {
    let desk = Desk::open(2).await;
    for second in 0..4 {
        desk.enqueue(usize::try_from(second % 2).expect("0 or 1"), at(second)).await;
    }
    let (a, b, c, d, e) = tokio::join!(
        desk.claim(at(9)),
        desk.claim(at(9)),
        desk.claim(at(9)),
        desk.claim(at(9)),
        desk.claim(at(9))
    );
    let claimed: std::collections::BTreeSet<_> =
        [a, b, c, d, e].into_iter().flatten().map(|claimed| claimed.job.id).collect();
    assert_eq!(claimed.len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_a_simple_model_of_it_does(
        steps in prop::collection::vec(model::step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(model::compare(&steps));
    }
}
