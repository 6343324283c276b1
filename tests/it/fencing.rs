//! Whoever has lost their seat saves nothing any more, and loses nothing of what they wrote.

use gijiroku::seats::request::Act;
use gijiroku::seats::{LeaseId, Reply, Request};
use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Answer, Office, Person};
use crate::papers::{id, meeting_with};

/// Somebody with a meeting whose minutes they edit.
struct Desk {
    office: Office,
    person: Person,
    /// The path of the meeting.
    meeting: String,
}

impl Desk {
    async fn open() -> Self {
        let office = Office::open().await;
        let person = office.administrator().await;
        let meeting = meeting_with(&person, &[(1, "ただいまから会議を開きます。")]).await;
        Self { office, person, meeting }
    }

    fn path(&self) -> String {
        format!("{}/minutes", self.meeting)
    }

    /// Sends one edit under a seat, exactly as it is.
    async fn edit(&self, who: &Person, seat: Option<&str>, name: &str) -> Answer {
        let minutes = who.get(&self.path()).await.json;
        let block = &minutes["minutes"]["blocks"][0]["id"];
        let body = json!({ "base_revision": minutes["revision"], "request_id": name,
            "ops": [{ "op": "set_text", "block": block, "text": format!("{name}と書いた。") }] });
        let request = who.request(Method::PATCH, &self.path()).json(&body);
        who.send_once(seat.into_iter().fold(request, |request, seat| request.header("seat", seat))).await
    }

    /// Lets the office be open for some seconds: a server that is not asleep ticks in each.
    fn seconds(&self, count: u32) {
        for _ in 0..count {
            self.office.pass(std::time::Duration::from_secs(1));
            self.office.seats.tick();
        }
    }

    async fn sit(&self) -> String {
        self.person.take_seat(&id(&self.meeting).to_string()).await
    }

    async fn text(&self) -> Value {
        self.person.get(&self.path()).await.json["minutes"]["blocks"][0]["text"].clone()
    }

    async fn drafts(&self) -> Value {
        self.person.get(&format!("{}/drafts", self.meeting)).await.json
    }

    async fn revoke(&self, seat: &str) {
        let lease: LeaseId =
            seat.split('.').next().and_then(|lease| lease.parse().ok()).expect("a seat is two numbers");
        let act = Act { by: "管理者".to_owned(), text: "退庁後の使用".to_owned() };
        let reply =
            self.office.seats.ask(Request::Revoke { lease, act }).await.expect("the seats are served");
        assert_eq!(reply, Reply::Done);
    }
}

#[tokio::test]
async fn an_edit_that_names_no_seat_changes_nothing() {
    let desk = Desk::open().await;
    let before = desk.text().await;
    let answer = desk.edit(&desk.person, None, "a").await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (428, Some("seat_needed")));
    assert_eq!(desk.edit(&desk.person, Some("nonsense"), "b").await.status, 422);
    assert_eq!(desk.text().await, before);
    assert_eq!(desk.drafts().await, json!([]));
}

#[tokio::test]
async fn i17_a_seat_taken_back_stops_the_next_edit_and_keeps_the_work_as_a_draft() {
    let desk = Desk::open().await;
    let seat = desk.sit().await;
    assert_eq!(desk.edit(&desk.person, Some(&seat), "先").await.status, 200);
    desk.revoke(&seat).await;
    let refused = desk.edit(&desk.person, Some(&seat), "後").await;
    assert_eq!(
        (refused.status.as_u16(), refused.json["code"].as_str()),
        (412, Some("seat_lost")),
        "{:?}",
        refused.json
    );
    let sentence = refused.json["title"].as_str().expect("a sentence");
    assert!(sentence.contains("退庁後の使用"), "{sentence}");
    assert_eq!(desk.text().await, "先と書いた。", "nobody writes without a seat");
    let drafts = desk.drafts().await;
    assert_eq!(drafts[0]["id"], refused.json["facts"]["draft"]);
    assert_eq!(drafts[0]["ops"][0]["text"], "後と書いた。");
    // The same attempt is kept once; who sits again sends it as what it was.
    desk.edit(&desk.person, Some(&seat), "後").await;
    assert_eq!(desk.drafts().await.as_array().map(Vec::len), Some(1));
    let body = json!({ "base_revision": drafts[0]["base_revision"], "request_id": "again", "ops": drafts[0]["ops"] });
    assert_eq!(desk.person.patch(&desk.path(), body).await.status, 200);
    assert_eq!(desk.text().await, "後と書いた。");
    let draft = format!("{}/drafts/{}", desk.meeting, drafts[0]["id"].as_str().expect("a name"));
    assert_eq!(desk.person.delete(&draft).await.status, 204);
    assert_eq!(desk.drafts().await, json!([]));
}

#[tokio::test]
async fn an_attempt_that_was_carried_out_is_answered_although_the_seat_is_gone() {
    let desk = Desk::open().await;
    let seat = desk.sit().await;
    let first = desk.edit(&desk.person, Some(&seat), "一度").await;
    desk.revoke(&seat).await;
    let again = desk.edit(&desk.person, Some(&seat), "一度").await;
    assert_eq!((again.status.as_u16(), &again.json["revision"]), (200, &first.json["revision"]));
    assert_eq!(desk.drafts().await, json!([]));
}

#[tokio::test]
async fn the_seat_of_somebody_else_is_none() {
    let desk = Desk::open().await;
    let colleague = desk.office.person("suzuki", Role::Staff, desk.person.department()).await;
    let members = json!([{ "user": colleague.id(), "can_edit": true }]);
    assert_eq!(desk.person.put(&format!("{}/members", desk.meeting), members).await.status, 204);
    let theirs = colleague.take_seat(&id(&desk.meeting).to_string()).await;
    let answer = desk.edit(&desk.person, Some(&theirs), "a").await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (412, Some("seat_lost")));
    let drafts = colleague.get(&format!("{}/drafts", desk.meeting)).await;
    assert!(drafts.status == 403 || drafts.json == json!([]), "a draft is its writer's alone");
}

#[tokio::test]
async fn silence_loses_the_seat_only_when_the_time_is_over_and_work_is_a_sign_of_life() {
    let desk = Desk::open().await;
    let seat = desk.sit().await;
    for turn in 0..4 {
        // Whoever only edits, as a script may, keeps their seat by it.
        desk.seconds(50);
        assert_eq!(desk.edit(&desk.person, Some(&seat), &format!("{turn}")).await.status, 200, "{turn}");
    }
    desk.seconds(61);
    let lost = desk.edit(&desk.person, Some(&seat), "late").await;
    assert!([410, 412].contains(&lost.status.as_u16()), "{:?}", lost.json);
    assert_eq!(desk.drafts().await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_draft_nobody_came_back_for_is_forgotten_after_its_time_and_not_before() {
    let desk = Desk::open().await;
    let seat = desk.sit().await;
    desk.revoke(&seat).await;
    desk.edit(&desk.person, Some(&seat), "後").await;
    let kept_at = desk.office.now();
    assert_eq!(desk.office.store.forget_drafts(kept_at).await.expect("the database answers"), 0);
    assert_eq!(desk.drafts().await.as_array().map(Vec::len), Some(1));
    let later = kept_at.plus(std::time::Duration::from_millis(1));
    assert_eq!(desk.office.store.forget_drafts(later).await.expect("the database answers"), 1);
    assert_eq!(desk.drafts().await, json!([]));
}
