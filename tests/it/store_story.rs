//! One story, told to SQLite and to PostgreSQL: what can be observed must be the same, word for word.
//!
//! Every public method of the store is part of it; a test sees to that.

mod voices;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use gijiroku::clock::UnixMs;
use gijiroku::store::audit::{Actor, Entry};
use gijiroku::store::meetings::{Meeting, Member, NewMeeting, Sensitivity, Viewer};
use gijiroku::store::minutes::{Cause, Edit};
use gijiroku::store::retention::{Periods, What};
use gijiroku::store::sessions::{Scope, Session, Token};
use gijiroku::store::staging::Staging;
use gijiroku::store::transfers::{Move, Plan, Present, Run, Step};
use gijiroku::store::users::{Department, NewUser, Purpose, Role, User};
use gijiroku::store::{Id, Location, Store, StoreError};

use crate::postgres;
use crate::support::repository;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Public methods that are not called in the story: where they are told on both databases, or why they need not be.
const ELSEWHERE: [(&str, &str); 6] = [
    ("give_back", "every job and every live meeting of a served office gives its seat back at its end"),
    ("news", "it is told inside one process, without a database"),
    ("unsealed_uploads", "`resume_sealing` asks it, which every office calls at its start"),
    ("uploads_in", "`resume_sealing` asks it, too"),
    ("open", "`both_databases_tell_the_same_story` opens both, twice"),
    ("hear", "a notice is told inside one process, without a database"),
];

/// Public methods whose story is SQLite's alone so far. This list may only shrink.
const ON_ONE_DATABASE: [&str; 0] = [];

/// What was observed, in order, with names and hashes replaced by their number.
#[derive(Default)]
struct Observed {
    lines: Vec<String>,
    known: BTreeMap<String, usize>,
}

impl Observed {
    fn note(&mut self, what: &str, found: impl Debug) {
        let text = format!("{found:?}");
        let mut line = format!("{what}: ");
        let is_digit = |ch: char| ch.is_ascii_hexdigit() || ch == '-';
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let end = rest.find(|ch| !is_digit(ch)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(rest.chars().next().map_or(1, char::len_utf8)));
            if end == 36 || end == 64 {
                let next = self.known.len();
                line += &format!("#{}", self.known.entry(word.to_owned()).or_insert(next));
            } else {
                line += word;
            }
            rest = after;
        }
        self.lines.push(line);
    }
}

fn at(seconds: i64) -> UnixMs {
    UnixMs::from_ms(1_790_000_000_000 + seconds * 1000)
}

/// The people of the story.
struct People {
    admin: User,
    staff: User,
    actor: Actor,
}

/// Tells the story and returns what was observed.
async fn story(store: &Store) -> Vec<String> {
    let mut seen = Observed::default();
    seen.note("ping", store.ping().await);
    let people = people(store, &mut seen).await;
    passwords(store, &people, &mut seen).await;
    sessions(store, &people, &mut seen).await;
    tokens(store, &people, &mut seen).await;
    transfers(store, &people, &mut seen).await;
    let (meeting, aired) = meetings(store, &people, &mut seen).await;
    minutes(store, &people, meeting.id, &mut seen).await;
    jobs(store, &people, meeting.id, &mut seen).await;
    for (what, found) in crate::rooms::stored::tell(store, (people.staff.id, &people.actor), aired).await {
        seen.note(what, found);
    }
    let about = meeting.id;
    retention(store, &people, meeting, &mut seen).await;
    voices::tell(store, &people, about, &mut seen).await;
    audit(store, &people, &mut seen).await;
    seen.lines
}

async fn people(store: &Store, seen: &mut Observed) -> People {
    let server = Actor::server();
    seen.note("nobody yet", store.has_users().await);
    let link = store.add_link("setup-hash", Purpose::Setup, None, at(100), &server, at(0)).await;
    seen.note("link", link);
    seen.note("too late", store.use_link("setup-hash", Purpose::Setup, at(100)).await);
    seen.note("other purpose", store.use_link("setup-hash", Purpose::Password, at(1)).await);
    seen.note("used", store.use_link("setup-hash", Purpose::Setup, at(1)).await);
    seen.note("used twice", store.use_link("setup-hash", Purpose::Setup, at(2)).await);
    let office = store.add_department("総務課", None, &server, at(1)).await.expect("the name is free");
    let taken = store.add_department("総務課", None, &server, at(1)).await;
    seen.note("department taken", taken.map_err(|error| error.to_string()));
    let mut tax = store.add_department("税務課", Some(office.id), &server, at(1)).await.expect("it is free");
    tax.closed_at = Some(at(3));
    seen.note("change department", store.change_department(&tax, &server, at(3)).await);
    seen.note("departments", store.departments().await);
    let new = |login: &str, role| NewUser {
        login: login.to_owned(),
        name: format!("職員 {login}"),
        department: office.id,
        role,
        password: Some("$argon2id$hash".to_owned()),
        password_expired: false,
        room: false,
    };
    let admin = store.add_user(&new("admin", Role::Administrator), &server, at(4)).await.expect("it is free");
    let mut staff = store.add_user(&new("sato", Role::Staff), &server, at(4)).await.expect("it is free");
    let again = store.add_user(&new("sato", Role::Staff), &server, at(4)).await;
    seen.note("login taken", again.map_err(|error| error.to_string()));
    staff.name = "佐藤 花子".to_owned();
    let actor = Actor { user: Some(admin.id), address: "192.0.2.7".to_owned() };
    seen.note("change user", store.change_user(&staff, &actor, at(5)).await);
    seen.note("user", store.user(staff.id).await);
    seen.note("no user", store.user(Id::LAST).await);
    seen.note("users", store.users("", 10, None).await);
    seen.note("users after", store.users("admin", 1, None).await);
    seen.note("users of nowhere", store.users("", 10, Some(Id::LAST)).await);
    seen.note("somebody", store.has_users().await);
    People { admin, staff, actor }
}

async fn passwords(store: &Store, people: &People, seen: &mut Observed) {
    for _ in 0..3 {
        let failed = store.sign_in_failed(people.staff.id, 3, at(900), &people.actor, at(6)).await;
        seen.note("failed", failed);
    }
    seen.note("locked", store.credentials("sato").await);
    seen.note("unknown", store.credentials("nobody").await);
    let set = store.set_password(people.staff.id, "$argon2id$other", None, &people.actor, at(7)).await;
    seen.note("set password", set);
    seen.note("open again", store.credentials("sato").await);
    let staff = people.staff.id;
    let link = store.add_link("link-hash", Purpose::Password, Some(staff), at(100), &people.actor, at(7));
    seen.note("password link", link.await);
    seen.note("whose link", store.link_user("link-hash", at(8)).await);
    for _ in 0..2 {
        let set =
            store.set_password_by_link("link-hash", staff, "$argon2id$third", &people.actor, at(8)).await;
        seen.note("set by link", set);
    }
    seen.note("nobody's link", store.link_user("link-hash", at(8)).await);
}

async fn sessions(store: &Store, people: &People, seen: &mut Observed) {
    let session = Session {
        sha256: "session-hash".to_owned(),
        user: people.staff.clone(),
        csrf: "csrf".to_owned(),
        seen_at: at(8),
        rotated_at: at(8),
        expires_at: at(10_000),
    };
    seen.note("begin", store.begin_session(&session, &people.actor, at(8)).await);
    seen.note("touch", store.touch_session("session-hash", at(70)).await);
    seen.note("rotate", store.rotate_session("session-hash", "new-hash", at(200), at(100)).await);
    seen.note("old", store.session("session-hash").await);
    seen.note("new", store.session("new-hash").await);
    seen.note("end", store.end_session(&session, &people.actor, at(101)).await);
    seen.note("ended", store.session("new-hash").await);
    seen.note("begin again", store.begin_session(&session, &people.actor, at(102)).await);
    let mut gone = people.staff.clone();
    gone.disabled_at = Some(at(103));
    seen.note("disable", store.change_user(&gone, &people.actor, at(103)).await);
    seen.note("signed out", store.session("session-hash").await);
    seen.note("enable", store.change_user(&people.staff, &people.actor, at(104)).await);
}

async fn tokens(store: &Store, people: &People, seen: &mut Observed) {
    let token = Token::new("連携", vec![Scope::Read, Scope::Write], Some(at(9_000)), at(110));
    let added = store.add_token(people.staff.id, &token, "token-hash", 1, &people.actor, at(110)).await;
    seen.note("token", added);
    let more = Token::new("別", vec![Scope::Read], Some(at(9_000)), at(110));
    let refused = store.add_token(people.staff.id, &more, "other-hash", 1, &people.actor, at(110)).await;
    seen.note("one token too many", refused);
    seen.note("use", store.touch_token(token.id, at(111)).await);
    seen.note("found", store.token("token-hash").await);
    seen.note("tokens", store.tokens(people.staff.id).await);
    seen.note("not theirs", store.revoke_token(people.admin.id, token.id, &people.actor, at(112)).await);
    seen.note("revoke", store.revoke_token(people.staff.id, token.id, &people.actor, at(112)).await);
    seen.note("revoked", store.token("token-hash").await);
}

async fn transfers(store: &Store, people: &People, seen: &mut Observed) {
    let (user, effective_at) = (people.staff.id, at(10_000));
    let to = Move::To { department: people.staff.department, role: Role::Auditor };
    for (run, change) in [(Run::Dry, Move::Leave), (Run::Real, Move::Leave), (Run::Real, to)] {
        let plan = |present: &Present| -> Result<Plan, StoreError> {
            let department =
                Department { id: Id::new(), name: "新設課".to_owned(), parent: None, closed_at: None };
            let is_known = present.departments.iter().any(|known| known.name == department.name);
            let departments = if is_known { Vec::new() } else { vec![department] };
            Ok(Plan { departments, steps: vec![Step::Schedule { user, change, effective_at }] })
        };
        let planned = store.reorganise(plan, run, &people.actor, at(115)).await;
        seen.note(
            "reorganise",
            planned.map(|plan| plan.departments.len()).map_err(|error| error.to_string()),
        );
        seen.note("waiting", store.transfers().await);
    }
    let waiting = store.transfers().await.expect("they can be read")[0].id;
    seen.note("one", store.transfer(waiting).await);
    seen.note("not yet", store.apply_transfers(at(9_999)).await);
    seen.note("due", store.apply_transfers(at(10_000)).await);
    seen.note("transferred", store.user(user).await);
    seen.note("too late to give up", store.cancel_transfer(waiting, &people.actor, at(10_001)).await);
    seen.note("back", store.change_user(&people.staff, &people.actor, at(116)).await);
}

async fn meetings(store: &Store, people: &People, seen: &mut Observed) -> (Meeting, Id) {
    let mut made = Vec::new();
    for (number, sensitivity) in Sensitivity::ALL.into_iter().enumerate() {
        let new = NewMeeting {
            title: format!("第{number}回 定例会"),
            department: people.admin.department,
            owner: people.admin.id,
            sensitivity,
            held_on: "2026-11-22".to_owned(),
            template: None,
            sample: number == 0,
        };
        made.push(store.add_meeting(&new, &people.actor, at(120 + number as i64)).await.expect("it is kept"));
    }
    let restricted = made.pop().expect("three were made");
    let aired = made.pop().expect("two are left").id;
    for role in Role::ALL {
        let viewer = Viewer { user: people.staff.id, department: people.staff.department, role };
        seen.note("visible", store.meetings(viewer, None, 10).await);
        seen.note("page", store.meetings(viewer, Some((at(121), Id::LAST)), 1).await);
    }
    let members = [Member { user: people.staff.id, can_edit: true }];
    let set = store.set_members(restricted.id, &members, &people.actor, at(130)).await;
    seen.note("set members", set);
    seen.note("members", store.members(restricted.id).await);
    seen.note("membership", store.membership(restricted.id, people.staff.id).await);
    seen.note("no membership", store.membership(restricted.id, people.admin.id).await);
    let viewer = Viewer { user: people.staff.id, department: Id::LAST, role: Role::Staff };
    seen.note("visible to a member", store.meetings(viewer, None, 10).await);
    let mut changed = restricted;
    changed.title = "臨時会".to_owned();
    changed.audio_until = Some(at(1000));
    let change = store.change_meeting(&changed, "meeting.change", &people.actor, at(131)).await;
    seen.note("change", change);
    seen.note("changed", store.meeting(changed.id).await);
    (changed, aired)
}

async fn minutes(store: &Store, people: &People, meeting: Id, seen: &mut Observed) {
    seen.note("no document", store.document(meeting).await.map(|found| found.is_none()));
    let missing = store.document_at(meeting, 1).await.map(|found| found.is_none());
    seen.note("no revision", missing.map_err(|error| error.to_string()));
    let edit = Edit { request: "request", base: 1, ops: &[], cause: Cause::Draft, seat: None };
    let edited = store.edit(meeting, edit, &people.actor, at(140)).await;
    seen.note("nothing to edit", edited);
    seen.note("revisions", store.revisions(meeting, 0, 10).await);
    seen.note("undo", store.undo_ops(meeting, 1).await);
    seen.note("steps", store.steps(meeting, people.admin.id).await);
    seen.note("editions", store.editions(meeting).await);
    seen.note("edition", store.edition(meeting, Id::LAST).await.map(|found| found.is_none()));
    let viewer = Viewer { user: people.staff.id, department: people.staff.department, role: Role::Staff };
    seen.note("found by title", store.search(viewer, "臨時会", 10).await);
    seen.note("not found", store.search(viewer, "予算", 10).await);
}

async fn jobs(store: &Store, people: &People, meeting: Id, seen: &mut Observed) {
    seen.note("recording", store.recording(Id::LAST).await);
    seen.note("recordings", store.recordings(meeting).await);
    seen.note("duration", store.set_recording_duration(Id::LAST, 5).await);
    seen.note("job", store.job(Id::LAST).await);
    seen.note("jobs", store.jobs_of_meeting(meeting).await);
    seen.note("cancel", store.cancel_job(Id::LAST, &people.actor, at(150)).await);
    seen.note("retry", store.retry_job(Id::LAST, &people.actor, at(150)).await);
    seen.note("free", store.free_leases("node", at(150)).await);
    seen.note("line", store.line(at(150)).await);
    seen.note("transcripts", store.transcripts(meeting).await);
    seen.note("transcript", store.transcript(meeting, 1).await.map(|found| found.is_none()));
    seen.note("template", store.template_of_meeting(meeting).await.map(|found| found.is_none()));
}

async fn retention(store: &Store, people: &People, mut meeting: Meeting, seen: &mut Observed) {
    let periods = Periods { audio_days: 1, minutes_days: 2 };
    seen.note("periods", store.set_periods(periods, at(199)).await);
    seen.note("nothing has a recording", store.due(at(2000).plus(31 * DAY), 10).await);
    meeting.deleted_at = Some(at(200));
    meeting.legal_hold = true;
    let binned = store.change_meeting(&meeting, "meeting.delete", &people.actor, at(200)).await;
    seen.note("bin", binned);
    let late = at(200).plus(31 * DAY);
    seen.note("held", store.due(late, 10).await);
    let refused = store.begin_erasure(meeting.id, What::Everything, &people.actor, late).await;
    seen.note("hold refuses", refused);
    meeting.legal_hold = false;
    let released = store.change_meeting(&meeting, "meeting.change", &people.actor, at(201)).await;
    seen.note("release", released);
    seen.note("not yet", store.due(at(202), 10).await);
    seen.note("due", store.due(late, 10).await);
    let early = store.begin_erasure(meeting.id, What::Everything, &people.actor, at(202)).await;
    seen.note("too early", early);
    let begun = store.begin_erasure(meeting.id, What::Everything, &people.actor, late).await;
    let begun = begun.expect("the database answers").expect("it is due");
    seen.note("begun", &begun);
    seen.note("begun twice", store.begin_erasure(meeting.id, What::Everything, &people.actor, late).await);
    seen.note("unfinished", store.unfinished_erasures().await);
    seen.note("finish", store.finish_erasure(begun.id, &people.actor, late).await);
    seen.note("finish twice", store.finish_erasure(begun.id, &people.actor, late).await);
    seen.note("erasure", store.erasure(begun.id).await);
    seen.note("erasures", store.erasures(meeting.id).await);
    seen.note("erased", store.meeting(meeting.id).await);
    seen.note("nothing left", store.due(late, 10).await);
    seen.note("recordings", store.has_recordings().await);
    seen.note("blob", store.is_blob_known("audio/none").await);
    seen.note("upload", store.is_upload_known("none.part").await);
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let staging = Staging::open(folder.path()).expect("a fresh folder can hold uploads");
    seen.note("rested", store.remove_rested_uploads(&staging, at(300), at(300)).await);
}

async fn audit(store: &Store, people: &People, seen: &mut Observed) {
    let entry = Entry::done(&people.actor, at(300), "story.end", "x").refused();
    seen.note("note", store.note(entry.with(serde_json::json!({ "half": 0.5 }))).await);
    let figures = store.figures(at(300)).await.expect("the database answers");
    seen.note("figures", figures);
    let lines = store.audit_lines(0, 1000, None).await.expect("the database answers");
    let bare = lines.iter().map(|line| (line.seq, &line.event, line.meeting, &line.subject, line.result));
    seen.note("audit", bare.collect::<Vec<_>>());
    let meeting = lines.iter().find_map(|line| line.meeting);
    let of_meeting = store.audit_lines(0, 3, meeting).await.expect("the database answers");
    seen.note("of a meeting", of_meeting.iter().map(|line| line.seq).collect::<Vec<_>>());
    let anchor = &lines[3].hash;
    let verdict = store.audit_verify(Some(anchor)).await.expect("the database answers");
    assert!(matches!(&verdict, gijiroku::store::audit::Verdict::Whole { .. }), "{verdict:?}");
    seen.note("whole", verdict);
}

#[tokio::test]
async fn both_databases_tell_the_same_story() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let lite = Location::File(folder.path().join("gijiroku.sqlite"));
    let mut told = Vec::new();
    for location in [lite, postgres::database()] {
        let store = Store::open(&location).await.expect("a fresh database can be opened");
        told.push(story(&store).await);
        store.close().await;
        let again = Store::open(&location).await.expect("what was closed opens again");
        assert!(again.has_users().await.expect("the database answers"));
        again.close().await;
    }
    let failed: Vec<_> = told[0].iter().filter(|line| line.contains("Err(Database")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for (lite, pg) in told[0].iter().zip(&told[1]) {
        assert_eq!(lite, pg);
    }
    assert_eq!(told[0].len(), told[1].len());
}

#[tokio::test]
async fn on_both_databases_nobody_changes_or_removes_a_line_of_the_audit_log() {
    let Location::Postgres { url, connections_max } = postgres::database() else {
        unreachable!("the cluster is PostgreSQL")
    };
    let location = Location::Postgres { url: url.clone(), connections_max };
    let store = Store::open(&location).await.expect("a fresh database can be opened");
    let (server, now) = (Actor::server(), at(0));
    store.note(Entry::done(&server, now, "test.line", "x")).await.expect("a line can be written");
    let mut connection =
        <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.expect("the cluster runs");
    for sql in ["UPDATE audit SET event = 'x'", "DELETE FROM audit", "TRUNCATE audit"] {
        let refused = sqlx::raw_sql(sql).execute(&mut connection).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{sql}");
    }
    store.close().await;
}

/// Returns the names of the store's public methods, with the file of each.
fn public_methods() -> Vec<(String, String)> {
    let folder = repository("src/store");
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are here") {
            let path = entry.expect("the sources can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for path in files {
        let name = path.display().to_string();
        // Recordings and backups are no tables: they have tests of their own. Tests are no methods.
        if ["/blobs", "/backup", "/models", "/staging", "/testing", "/tests"]
            .iter()
            .any(|part| name.contains(part))
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the sources can be read");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("    pub async fn ") {
                let method = rest.split(['(', '<']).next().unwrap_or_default();
                found.push((method.to_owned(), name.clone()));
            }
        }
    }
    found
}

/// Returns the text of every source below a folder.
fn texts_below(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("the sources are here") {
        let path = entry.expect("the sources can be read").path();
        if path.is_dir() {
            text += &texts_below(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text += &std::fs::read_to_string(&path).expect("the sources can be read");
        }
    }
    text
}

#[test]
fn every_public_method_of_the_store_is_part_of_a_story() {
    // Every test that opens an office runs on both databases, and so does what the handlers call.
    let told = ["tests/it", "src/http"].map(|folder| texts_below(&repository(folder))).concat();
    let methods = public_methods();
    assert!(methods.len() > 30, "the sources were not found");
    let named = ELSEWHERE.iter().map(|(named, _)| *named).chain(ON_ONE_DATABASE);
    let is_elsewhere = |method: &str| named.clone().any(|named| named == method);
    let untold: Vec<_> = methods
        .iter()
        .filter(|(method, _)| !told.contains(&format!(".{method}(")) && !is_elsewhere(method))
        .collect();
    assert!(untold.is_empty(), "not told on both databases: {untold:#?}");
    let gone = named.clone().find(|named| !methods.iter().any(|(method, _)| method == named));
    assert_eq!(gone, None, "no method any more");
}
