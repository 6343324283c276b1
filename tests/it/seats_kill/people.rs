//! People who want one of too few seats, and who do not give up when nobody answers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::http::secret;
use gijiroku::store::audit::Actor;
use gijiroku::store::folder::database_in;
use gijiroku::store::sessions::{Scope, Token};
use gijiroku::store::users::{NewUser, Role};
use gijiroku::store::{Id, Location, Store};
use rand::RngExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::book::{Book, Call, Seat};
use crate::office::Person;

/// Pieces of work that somebody does under one seat.
const WORK_MAX: u64 = 25;
/// How long somebody waits until they ask again when nobody answers.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long somebody stays away after a refusal; the server lets a person ask once a second.
const REFUSED: Duration = Duration::from_millis(1_100);

/// A day in the office.
pub struct Day {
    /// What people saw.
    pub book: Book,
    meeting: String,
    is_over: AtomicBool,
}

/// One person at work.
struct Worker<'a> {
    day: &'a Day,
    who: u64,
    person: Person,
    device: Id,
    revision: u64,
    edits: u64,
    /// Since when they surely had no seat.
    free_since: Mono,
}

async fn pause(time: Duration) {
    tokio::time::timeout(time, std::future::pending::<()>()).await.ok();
}

/// Makes people who may edit the office's meetings, each with a token, while the server runs.
pub async fn add_people(data: &Path, administrator: &Person, count: u64) -> Vec<Person> {
    let store = Store::open(&Location::File(database_in(data))).await.expect("the database can be opened");
    let (now, server, mut people) = (UnixMs::now(), Actor::server(), Vec::new());
    for number in 0..count {
        let new = NewUser {
            login: format!("seat-{number}"),
            name: format!("職員 {number}"),
            department: administrator.department(),
            role: Role::DepartmentAdministrator,
            password: None,
            password_expired: false,
            room: false,
        };
        let id = store.add_user(&new, &server, now).await.expect("the login is free").id;
        let (secret, scopes) = (secret::random(), vec![Scope::Read, Scope::Write]);
        let expires_at = Some(now.plus(Duration::from_secs(86_400)));
        let token = Token {
            id: Id::new(),
            name: "day".to_owned(),
            scopes,
            created_at: now,
            expires_at,
            used_at: None,
        };
        let made = store.add_token(id, &token, &secret::digest(&secret), 1, &server, now).await;
        assert!(made.expect("the database answers"));
        people.push(administrator.with_token(&secret));
    }
    store.close().await;
    people
}

impl Day {
    /// Begins a day with one meeting to edit.
    pub fn new(meeting: String) -> Self {
        Self { book: Book::default(), meeting, is_over: AtomicBool::new(false) }
    }

    /// Lets everybody finish what they do.
    pub fn evening(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Takes seats, works and gives them back until the evening.
    pub async fn work(self: std::sync::Arc<Self>, who: u64, person: Person) {
        let mut worker = Worker {
            day: &self,
            who,
            person,
            device: Id::new(),
            revision: 1,
            edits: 0,
            free_since: Mono::now(),
        };
        while !self.is_over() {
            let Some(seat) = worker.take().await else { continue };
            let kept = worker.edit_much(&seat).await;
            self.book.returning(who);
            if kept {
                worker.give_back(&seat).await;
                worker.free_since = Mono::now();
            }
        }
    }
}

impl Worker<'_> {
    /// Asks once; nothing if nobody answers.
    async fn ask(
        &self,
        (method, path): (Method, &str),
        seat: Option<&Seat>,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let mut request = self.person.request(method, path).json(body).timeout(Duration::from_secs(20));
        if let Some(seat) = seat {
            request = request.header("seat", format!("{}.{}", seat.lease, seat.token));
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Asks until somebody answers who is not overwhelmed.
    async fn insist(&self, call: (Method, &str), seat: Option<&Seat>, body: &Value) -> (u16, Value, Call) {
        let began = Mono::now();
        loop {
            let answer = self.ask(call.clone(), seat, body).await;
            let ended = Mono::now();
            match answer {
                Some((status, answer)) if status != 429 && status != 503 => {
                    return (status, answer, Call { began, ended });
                }
                _ => pause(PATIENCE).await,
            }
        }
    }

    /// Asks for a seat, every second person ready to wait for it.
    ///
    /// The grant falls between the last seat's return and the answer: a seat that was given while the server died is
    /// found by the next request.
    async fn take(&self) -> Option<Seat> {
        let mode = if self.who.is_multiple_of(2) { "wait" } else { "nowait" };
        let body = json!({
            "request_id": uuid::Uuid::now_v7(), "mode": mode, "use": { "edit": self.meeting_name() },
            "device": { "id": self.device, "kind": "browser", "name": "PC" }
        });
        let (mut status, mut answer, mut call) = self.insist((Method::POST, "/v1/seats"), None, &body).await;
        while status == 202 {
            let path = format!("/v1/seats/line/{}", answer["ticket"].as_str().expect("a place has a name"));
            if self.day.is_over() {
                self.insist((Method::DELETE, &path), None, &json!({})).await;
                return None;
            }
            pause(Duration::from_millis(250)).await;
            let seen;
            (status, answer, seen) =
                self.insist((Method::PUT, &path), None, &json!({ "attentive": true })).await;
            call.ended = seen.ended;
        }
        if answer["state"] == "offered" {
            let path = format!("/v1/seats/{}/accept", answer["lease"].as_str().expect("a lease has a name"));
            let seen;
            (status, answer, seen) =
                self.insist((Method::POST, &path), None, &json!({ "token": answer["token"] })).await;
            call.ended = seen.ended;
        }
        if status != 200 && status != 201 {
            assert!([404, 409, 410, 412].contains(&status), "{status} {answer}");
            pause(REFUSED).await;
            return None;
        }
        let text = |name: &str| answer[name].as_str().expect("a lease has it").to_owned();
        assert_eq!(answer["state"], "active", "{answer}");
        let seat = Seat { lease: text("lease"), token: text("token").parse().expect("it is a number") };
        call.began = self.free_since;
        self.day.book.granted(self.who, &seat, call);
        Some(seat)
    }

    fn meeting_name(&self) -> &str {
        self.day.meeting.rsplit_once('/').expect("it is a path").1
    }

    /// Works under a seat; tells whether it was the person's until the end.
    async fn edit_much(&mut self, seat: &Seat) -> bool {
        let count = rand::rng().random_range(3..WORK_MAX);
        for number in 0..count {
            if !self.edit(seat).await || (number % 4 == 3 && !self.beat(seat).await) {
                return false;
            }
            let rest_ms = rand::rng().random_range(5..60);
            pause(Duration::from_millis(rest_ms)).await;
        }
        true
    }

    async fn edit(&mut self, seat: &Seat) -> bool {
        self.edits += 1;
        let name = format!("{}-{}", self.who, self.edits);
        let op = json!({ "op": "set_text", "block": self.who + 1, "text": format!("{name}回目です。") });
        let path = format!("{}/minutes", self.day.meeting);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let body = json!({
                "base_revision": self.revision, "request_id": format!("{name}-{attempt}"), "ops": [op]
            });
            let (status, answer, call) = self.insist((Method::PATCH, &path), Some(seat), &body).await;
            match status {
                200 => {
                    self.revision = answer["revision"].as_u64().expect("minutes have a revision");
                    self.day.book.accepted(self.who, seat, call);
                    return true;
                }
                // Others were faster.
                409 if answer["facts"]["revision"].is_u64() => {
                    self.revision = answer["facts"]["revision"].as_u64().unwrap_or(0);
                }
                _ => return self.lost(seat, "an edit", status, &answer),
            }
        }
    }

    async fn beat(&self, seat: &Seat) -> bool {
        let (path, body) = (format!("/v1/seats/{}", seat.lease), json!({ "token": seat.token.to_string() }));
        let (status, answer, _) = self.insist((Method::PUT, &path), None, &body).await;
        status == 200 || self.lost(seat, "a beat", status, &answer)
    }

    fn lost(&self, seat: &Seat, what: &str, status: u16, answer: &Value) -> bool {
        self.day.book.lost(format!("{what} of {} with {seat:?}: {status} {answer}", self.who));
        false
    }

    async fn give_back(&self, seat: &Seat) {
        let body = json!({ "token": seat.token.to_string(), "device": self.device });
        let path = format!("/v1/seats/{}", seat.lease);
        let (status, answer, _) = self.insist((Method::DELETE, &path), None, &body).await;
        assert_eq!(status, 204, "{answer}");
    }
}
