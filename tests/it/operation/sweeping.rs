//! Retention: what is due goes, what is held or worked on stays, and there is proof.

use std::time::Duration;

use gijiroku::clock::UnixMs;
use gijiroku::jobs::sweep::{Sweep, Swept};
use gijiroku::store::audit::Actor;
use gijiroku::store::blobs::BlobKey;
use gijiroku::store::folder;
use gijiroku::store::retention::{Periods, What};
use gijiroku::store::staging::Staging;
use serde_json::json;

use super::{blobs, meeting, recording, sql};
use crate::office::{Office, Person};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SPOKEN: &str = "予算案の秘密の発言";

/// An office with one meeting that has a recording and a transcript.
struct Set {
    office: Office,
    person: Person,
    meeting: String,
    key: BlobKey,
}

impl Set {
    async fn new() -> Self {
        let office = Office::open().await;
        let person = office.administrator().await;
        let data = office.folder.path();
        std::fs::create_dir_all(folder::uploads_in(data)).expect("there is room");
        let meeting = meeting(&person, "定例会").await;
        let key = recording(data, &person, &meeting, b"sound").await;
        let (id, user) = (meeting.as_str(), person.id().to_string());
        let job = "INSERT INTO jobs (id, kind, meeting_id, recording_id, user_id, settings, state, priority, not_before, \
                   queued_at, created_at, finished_at) SELECT 'job', 'batch', ?, id, ?, '{}', 'done', 0, 1, 1, 1, 2 FROM \
                   recordings WHERE blob = ?";
        sql(data, job, &[id, &user, key.as_str()]).await;
        let transcript = "INSERT INTO transcripts (id, meeting_id, job_id, version, document, created_at) VALUES \
                          ('t', ?, 'job', 1, ?, 1)";
        sql(data, transcript, &[id, SPOKEN]).await;
        sql(data, "INSERT INTO windows VALUES ('job', 'key', 'question', 1, ?)", &[SPOKEN]).await;
        Self { office, person, meeting, key }
    }

    async fn pass(&self, now: UnixMs) -> Swept {
        let blobs = blobs(self.office.folder.path()).await;
        let staging = Staging::open(&folder::uploads_in(self.office.folder.path())).expect("it is there");
        let sweep = Sweep { store: self.office.store.clone(), blobs, staging, unfinished: 7 * DAY };
        sweep.pass(now).await.expect("a pass ends")
    }

    async fn has_blob(&self) -> bool {
        blobs(self.office.folder.path()).await.size(&self.key).await.is_ok()
    }

    async fn change(&self, change: serde_json::Value) {
        let answer = self.person.patch(&format!("/v1/meetings/{}", self.meeting), change).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
    }

    /// Starts the server with these settings, as often as somebody does.
    async fn keep_for(&self, audio_days: u32, minutes_days: u32, now: UnixMs) {
        let set = self.office.store.set_periods(Periods { audio_days, minutes_days }, now).await;
        set.expect("the database answers");
    }

    fn after(&self, days: u32) -> UnixMs {
        self.office.now().plus(days * DAY)
    }

    /// Tells whether a text is anywhere in the office's database, in free pages or the journal too.
    fn database_has(&self, text: &str) -> bool {
        ["", "-wal"].iter().any(|end| {
            let path = format!("{}{end}", folder::database_in(self.office.folder.path()).display());
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    }
}

#[tokio::test]
async fn a_recording_goes_on_its_date_and_leaves_a_certificate() {
    let set = Set::new().await;
    set.change(json!({ "audio_until": set.after(5).ms() })).await;
    let foreseen = set.person.get("/v1/retention/due").await.json;
    assert_eq!(foreseen["in_7_days"][0]["what"], "audio", "{foreseen}");
    assert_eq!(set.pass(set.after(4)).await, Swept::default());
    assert!(set.has_blob().await);
    assert_eq!(set.pass(set.after(6)).await.erased, 1);
    assert!(!set.has_blob().await);
    assert_eq!(set.pass(set.after(7)).await, Swept::default(), "once is enough");
    let erasures = set.person.get(&format!("/v1/meetings/{}/erasures", set.meeting)).await.json;
    let id = erasures[0]["id"].as_str().expect("there is one");
    let certificate = set.person.get(&format!("/v1/erasures/{id}")).await.json;
    assert_eq!((&certificate["items"][0]["bytes"], &certificate["title"]), (&json!(5), &json!("定例会")));
    let seq = certificate["audit_seq"].as_u64().expect("it is complete");
    let line = set.person.get(&format!("/v1/audit?after={}&limit=1", seq - 1)).await.json;
    assert_eq!(line[0]["event"], "erasure.done");
    let text = set.person.get(&format!("/v1/erasures/{id}/text")).await;
    let text = String::from_utf8(text.bytes).expect("it is text");
    let sha256 = line[0]["detail"]["record_sha256"].as_str().expect("the line carries it");
    assert!(text.contains(sha256) && text.contains("消去証明書"), "{text}");
    assert!(set.database_has(SPOKEN), "what was recognised has a date of its own");
}

#[tokio::test]
async fn what_was_recognised_goes_on_its_date_from_every_page_of_the_file() {
    let set = Set::new().await;
    set.change(json!({ "minutes_until": set.after(1).ms() })).await;
    assert!(set.database_has(SPOKEN));
    assert_eq!(set.pass(set.after(2)).await.erased, 1);
    assert!(!set.database_has(SPOKEN));
    assert!(set.has_blob().await, "the recording has a date of its own");
}

#[tokio::test]
async fn a_meeting_goes_after_thirty_days_in_the_bin_and_not_before() {
    let set = Set::new().await;
    let gone = set.person.delete(&format!("/v1/meetings/{}", set.meeting)).await;
    assert_eq!(gone.status, 204);
    assert_eq!(set.pass(set.after(29)).await, Swept::default());
    assert_eq!(set.pass(set.after(31)).await.erased, 1);
    assert!(!set.has_blob().await && !set.database_has(SPOKEN));
    assert_eq!(set.pass(set.after(32)).await, Swept::default());
    let verdict = set.person.get("/v1/audit/verify").await.json;
    assert_eq!(verdict["seats"]["verdict"], "whole");
    assert_eq!(verdict["verdict"], "whole");
}

#[tokio::test]
async fn a_legal_hold_stops_everything_and_a_job_postpones_it() {
    let set = Set::new().await;
    let at = set.after(1).ms();
    set.change(json!({ "audio_until": at, "minutes_until": at, "legal_hold": true })).await;
    assert_eq!(set.pass(set.after(100)).await, Swept::default());
    set.change(json!({ "legal_hold": false })).await;
    sql(set.office.folder.path(), "UPDATE jobs SET finished_at = NULL", &[]).await;
    let waiting = set.pass(set.after(100)).await;
    assert_eq!((waiting.erased, waiting.postponed), (0, 2));
    assert!(set.has_blob().await && set.database_has(SPOKEN));
    sql(set.office.folder.path(), "UPDATE jobs SET finished_at = 3", &[]).await;
    let first = set.pass(set.after(100)).await;
    let second = set.pass(set.after(100)).await;
    assert_eq!(first.erased + second.erased, 2);
    assert!(!set.has_blob().await && !set.database_has(SPOKEN));
}

#[tokio::test]
async fn an_erasure_that_was_interrupted_is_carried_on_unless_a_hold_came() {
    let set = Set::new().await;
    set.change(json!({ "audio_until": set.after(1).ms() })).await;
    let meeting = set.meeting.parse().expect("it is a name");
    let (server, late) = (Actor::server(), set.after(2));
    let begun = set.office.store.begin_erasure(meeting, What::Audio, &server, late).await;
    let begun = begun.expect("the database answers").expect("it is due");
    set.change(json!({ "legal_hold": true })).await;
    assert_eq!(set.pass(late).await, Swept::default());
    assert!(set.has_blob().await);
    set.change(json!({ "legal_hold": false })).await;
    // The recording is destroyed, and the power fails before the rows go.
    blobs(set.office.folder.path()).await.delete(&set.key).await.expect("it is there");
    assert_eq!(set.pass(late).await.erased, 1);
    let certificate = set.office.store.erasure(begun.id).await.expect("the database answers");
    assert!(certificate.is_some_and(|certificate| certificate.erased_at == Some(late)));
}

#[tokio::test]
async fn what_nothing_refers_to_is_removed_after_a_day_and_nothing_else_ever() {
    let set = Set::new().await;
    let data = set.office.folder.path();
    let staged = folder::uploads_in(data).join("0199c0de-8b5e-7c3a-9a41-2f6d1e0b7c55");
    std::fs::write(&staged, b"half").expect("there is room");
    let lost = recording(data, &set.person, &set.meeting, b"lost").await;
    sql(data, "DELETE FROM recordings WHERE blob = ?", &[lost.as_str()]).await;
    assert_eq!(set.pass(UnixMs::now()).await.orphans, 0, "it may be on its way");
    assert_eq!(set.pass(UnixMs::now().plus(2 * DAY)).await.orphans, 2);
    assert!(!staged.exists() && blobs(data).await.size(&lost).await.is_err());
    assert!(set.has_blob().await, "what is referred to stays");
}

#[tokio::test]
async fn recordings_of_another_database_are_left_alone() {
    let set = Set::new().await;
    let data = set.office.folder.path();
    for sql_text in
        ["DELETE FROM windows", "DELETE FROM transcripts", "DELETE FROM jobs", "DELETE FROM recordings"]
    {
        sql(data, sql_text, &[]).await;
    }
    assert_eq!(set.pass(UnixMs::now().plus(2 * DAY)).await.orphans, 0);
    assert!(set.has_blob().await);
}

#[tokio::test]
async fn a_meeting_without_dates_goes_after_the_offices_periods_counted_from_its_last_change() {
    let set = Set::new().await;
    assert_eq!(set.pass(set.after(20_000)).await, Swept::default(), "for ever, if nobody set anything");
    set.keep_for(30, 60, set.after(0)).await;
    let foreseen = set.person.get("/v1/retention/due").await.json;
    assert_eq!(foreseen["in_30_days"][0]["what"], "audio", "{foreseen}");
    sql(
        set.office.folder.path(),
        "UPDATE meetings SET updated_at = updated_at - 20 * 86400000 WHERE sample = 0",
        &[],
    )
    .await;
    let foreseen = set.person.get("/v1/retention/due").await.json;
    assert_eq!(foreseen["in_30_days"][0]["at"], set.after(10).ms(), "{foreseen}");
    set.change(json!({ "title": "定例会(訂正)" })).await;
    assert_eq!(set.pass(set.after(29)).await, Swept::default());
    assert_eq!(set.pass(set.after(31)).await.erased, 1);
    assert!(!set.has_blob().await && set.database_has(SPOKEN));
    assert_eq!(set.pass(set.after(59)).await, Swept::default());
    assert_eq!(set.pass(set.after(61)).await.erased, 1);
    assert!(!set.database_has(SPOKEN));
}

#[tokio::test]
async fn the_offices_periods_touch_no_own_date_no_hold_no_sample_and_nothing_in_the_bin() {
    let set = Set::new().await;
    let data = set.office.folder.path();
    set.keep_for(10, 10, set.after(0)).await;
    let own = set.after(1_000).ms();
    set.change(json!({ "audio_until": own, "minutes_until": own })).await;
    assert_eq!(set.pass(set.after(999)).await, Swept::default());
    set.change(json!({ "audio_until": 0, "minutes_until": 0, "legal_hold": true })).await;
    assert_eq!(set.pass(set.after(999)).await, Swept::default());
    set.change(json!({ "legal_hold": false })).await;
    sql(data, "UPDATE meetings SET sample = 1 WHERE id = ?", &[&set.meeting]).await;
    assert_eq!(set.pass(set.after(999)).await, Swept::default());
    sql(data, "UPDATE meetings SET sample = 0 WHERE id = ?", &[&set.meeting]).await;
    let gone = set.person.delete(&format!("/v1/meetings/{}", set.meeting)).await;
    assert_eq!(gone.status, 204);
    assert_eq!(set.pass(set.after(29)).await, Swept::default(), "it can still be brought back");
    let back = set.person.post(&format!("/v1/meetings/{}/restore", set.meeting), json!({})).await;
    assert_eq!(back.status, 200);
    assert!(set.has_blob().await && set.database_has(SPOKEN));
    let (first, second) = (set.pass(set.after(11)).await, set.pass(set.after(11)).await);
    assert_eq!(first.erased + second.erased, 2, "and is due again when it is back");
}

#[tokio::test]
async fn other_periods_erase_nothing_in_their_first_week_and_are_in_the_audit_log_once() {
    let set = Set::new().await;
    set.keep_for(1_000, 0, set.after(0)).await;
    let late = set.after(500);
    set.keep_for(100, 0, late).await;
    set.keep_for(100, 0, late.plus(3 * DAY)).await;
    let foreseen = set.office.store.due(late.plus(7 * DAY), 10).await.expect("the database answers");
    assert_eq!(foreseen.first().map(|due| due.at), Some(late.plus(7 * DAY)));
    assert_eq!(set.pass(late.plus(6 * DAY)).await, Swept::default());
    assert_eq!(set.pass(late.plus(7 * DAY)).await.erased, 1);
    let log = set.person.get("/v1/audit.csv").await;
    let log = String::from_utf8(log.bytes).expect("it is text");
    assert_eq!(log.matches("retention.periods").count(), 2, "a restart with the same settings is no change");
}

#[tokio::test]
async fn the_offices_periods_wait_for_a_job() {
    let set = Set::new().await;
    set.keep_for(10, 0, set.after(0)).await;
    sql(set.office.folder.path(), "UPDATE jobs SET finished_at = NULL", &[]).await;
    assert_eq!(set.pass(set.after(11)).await, Swept { postponed: 1, ..Swept::default() });
    assert!(set.has_blob().await);
}

#[tokio::test]
async fn an_upload_that_rested_for_long_is_given_up_without_a_restart_and_a_younger_one_is_kept() {
    let set = Set::new().await;
    let path = crate::uploads::begin(&set.person, 10, &[("filename", "会議.mp3")]).await;
    let part = crate::uploads::part(&set.person, &path, 0, "01234");
    assert_eq!(set.person.send(part).await.status, 204);
    let listed = || async { set.person.get("/v1/uploads").await.json["uploads"].as_array().map(Vec::len) };
    assert_eq!(set.pass(set.after(96)).await.rested, 0);
    assert_eq!(listed().await, Some(1), "it is shown as 期限切れ and can be gone on with");
    assert_eq!(set.pass(set.after(98)).await.rested, 1);
    assert_eq!(listed().await, Some(0));
    let staged = std::fs::read_dir(folder::uploads_in(set.office.folder.path())).expect("it is there");
    assert_eq!(staged.count(), 0);
    assert_eq!(set.pass(set.after(99)).await, Swept::default());
}
