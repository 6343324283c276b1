//! Seats through HTTP: asked for, kept, lost and administered, with a clock that the tests turn.

mod holding;
mod reports;
mod ruling;
mod socket;
mod stores;

use std::time::Duration;

use gijiroku::store::Id;
use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Answer, Office, Person};
use crate::seating::license;

/// Somebody at a terminal, with what proves their seat.
struct Clerk {
    person: Person,
    device: Id,
}

/// What proves a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Proof {
    lease: String,
    token: String,
}

impl Proof {
    fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.json[name].as_str().expect("numbers are decimal strings").to_owned();
        Self { lease: text("lease"), token: text("token") }
    }
}

impl Clerk {
    /// Signs in somebody of a department.
    async fn of(office: &Office, login: &str, department: Id) -> Self {
        let person = office.person(login, Role::Staff, department).await;
        Self { person, device: Id::new() }
    }

    async fn ask(&self, used_for: Value, mode: &str) -> Answer {
        self.ask_at(self.device, used_for, mode).await
    }

    async fn ask_at(&self, device: Id, used_for: Value, mode: &str) -> Answer {
        let body = json!({
            "request_id": Id::new(), "mode": mode, "use": used_for,
            "device": { "id": device, "kind": "browser", "name": "PC" },
        });
        self.person.post("/v1/seats", body).await
    }

    /// Takes a seat that is free.
    async fn sit(&self) -> Proof {
        let answer = self.ask(edit(), "nowait").await;
        assert_eq!(answer.status, 201, "{:?}", answer.json);
        Proof::of(&answer)
    }

    /// Joins the line; returns the place's name.
    async fn wait(&self) -> String {
        let answer = self.ask(edit(), "wait").await;
        assert_eq!(answer.status, 202, "{:?}", answer.json);
        answer.json["ticket"].as_str().expect("a place has a name").to_owned()
    }

    async fn still_waits(&self, ticket: &str) -> Answer {
        self.person.put(&format!("/v1/seats/line/{ticket}"), json!({})).await
    }

    async fn beat(&self, proof: &Proof) -> Answer {
        self.person.put(&format!("/v1/seats/{}", proof.lease), json!({ "token": proof.token })).await
    }

    async fn act(&self, proof: &Proof, what: &str) -> Answer {
        let path = format!("/v1/seats/{}/{what}", proof.lease);
        self.person.post(&path, json!({ "token": proof.token })).await
    }

    async fn release(&self, proof: &Proof) -> Answer {
        let body = json!({ "token": proof.token, "device": self.device });
        let request = self.person.request(Method::DELETE, &format!("/v1/seats/{}", proof.lease));
        self.person.send_once(request.json(&body)).await
    }
}

fn edit() -> Value {
    json!({ "edit": Id::new() })
}

fn record() -> Value {
    json!({ "record": Id::new() })
}

/// Opens an office with so many seats; returns its administrator, too.
async fn office_with(seats: u32) -> (Office, Person) {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    license(&office.seats, seats).await;
    (office, administrator)
}

/// Lets a while pass, as the server notices it.
fn pass(office: &Office, seconds: u64) {
    for _ in 0..seconds {
        office.pass(Duration::from_secs(1));
        office.seats.tick();
    }
}

fn title(answer: &Answer) -> &str {
    answer.json["title"].as_str().expect("a refusal has a sentence")
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.json["code"].as_str().unwrap_or_default())
}
