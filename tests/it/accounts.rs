//! Accounts, sessions and what they may do.

use std::time::Duration;

use gijiroku::store::users::Role;
use serde_json::json;

use crate::office::{Office, PASSWORD};

#[tokio::test]
async fn the_setup_link_makes_the_first_administrator_once() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    assert_eq!(administrator.get("/v1/session").await.json["user"]["role"], "administrator");
    let again = json!({
        "secret": "0", "department": "別", "login": "other", "name": "別", "password": PASSWORD
    });
    assert_eq!(office.stranger().post("/v1/setup", again).await.status, 410);
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let office = Office::open().await;
    let answer = office.stranger().get("/v1/meetings").await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (401, Some("sign_in_needed")));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn an_account_is_locked_after_five_wrong_passwords_and_opens_again() {
    let office = Office::open().await;
    let department = office.department("税務課").await;
    office.person("sato", Role::Staff, department).await;
    let mut person = office.stranger();
    for _ in 0..5 {
        assert_eq!(person.sign_in("sato", "wrong").await.status, 401);
    }
    let locked = person.sign_in("sato", PASSWORD).await;
    assert_eq!((locked.status.as_u16(), locked.json["number"].as_str()), (429, Some("G-1003")));
    assert!(locked.headers.contains_key("retry-after"));
    office.pass(Duration::from_secs(16 * 60));
    assert_eq!(person.sign_in("sato", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_changing_request_without_the_csrf_token_changes_nothing() {
    let office = Office::open().await;
    let mut person = office.administrator().await;
    person.without_csrf();
    let answer = person.post("/v1/meetings", json!({ "title": "定例会" })).await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (403, Some("csrf_missing")));
    assert_eq!(person.get("/v1/meetings").await.json.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_newcomer_finds_a_sample_meeting_with_minutes() {
    let office = Office::open().await;
    let person = office.administrator().await;
    let meetings = person.get("/v1/meetings").await.json;
    assert_eq!((&meetings[0]["sample"], &meetings[0]["held_on"]), (&json!(true), &json!("2026-10-09")));
    let path = format!("/v1/meetings/{}/minutes", meetings[0]["id"].as_str().expect("it has a name"));
    let minutes = person.get(&path).await.json;
    assert_eq!(minutes["revision"], 1);
    assert!(minutes["minutes"]["blocks"].as_array().is_some_and(|blocks| blocks.len() > 50));
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_at_the_latest_after_a_day() {
    let office = Office::open().await;
    let person = office.administrator().await;
    office.pass(Duration::from_secs(7 * 3600));
    assert_eq!(person.get("/v1/session").await.status, 200);
    office.pass(Duration::from_secs(7 * 3600));
    assert_eq!(person.get("/v1/session").await.status, 200);
    office.pass(Duration::from_secs(9 * 3600));
    assert_eq!(person.get("/v1/session").await.status, 401);
}

#[tokio::test]
async fn what_a_browser_holds_is_changed_every_hour_and_goes_on_working() {
    let office = Office::open().await;
    let person = office.administrator().await;
    office.pass(Duration::from_secs(2 * 3600));
    let rotated = person.get("/v1/session").await;
    assert!(rotated.headers.contains_key("set-cookie"));
    assert_eq!(person.get("/v1/session").await.status, 200);
}

#[tokio::test]
async fn a_new_person_must_change_the_first_password() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let body = json!({
        "login": "Suzuki", "name": "鈴木", "department": administrator.department(), "role": "staff",
        "password": "a first password"
    });
    assert_eq!(administrator.post("/v1/users", body).await.status, 201);
    let mut person = office.stranger();
    assert_eq!(person.sign_in("suzuki", "a first password").await.status, 201);
    assert_eq!(person.get("/v1/meetings").await.json["code"], "password_expired");
    let change = json!({ "current": "a first password", "new": PASSWORD });
    assert_eq!(person.put("/v1/session/password", change).await.status, 204);
    assert_eq!(person.get("/v1/meetings").await.status, 200);
}

#[tokio::test]
async fn a_disabled_person_is_out_at_once() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let person = office.person("tanaka", Role::Staff, administrator.department()).await;
    let path = format!("/v1/users/{}", person.id());
    assert_eq!(administrator.patch(&path, json!({ "disabled": true })).await.status, 200);
    assert_eq!(person.get("/v1/meetings").await.status, 401);
}

#[tokio::test]
async fn a_restricted_meeting_is_not_even_found_by_colleagues() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let owner = office.person("owner", Role::Staff, administrator.department()).await;
    let colleague = office.person("colleague", Role::Staff, administrator.department()).await;
    let made = owner.post("/v1/meetings", json!({ "title": "人事", "sensitivity": "restricted" })).await;
    assert_eq!(made.status, 201);
    let path = format!("/v1/meetings/{}", made.json["id"].as_str().expect("it has a name"));
    assert_eq!(colleague.get(&path).await.status, 404);
    let found = colleague.get("/v1/meetings").await.json;
    assert!(found.as_array().expect("a list").iter().all(|meeting| meeting["sample"] == true));
    let members = json!([{ "user": colleague.id(), "can_edit": false }]);
    assert_eq!(owner.put(&format!("{path}/members"), members).await.status, 204);
    assert_eq!(colleague.get(&path).await.json["may"], "read");
    assert_eq!(colleague.patch(&path, json!({ "title": "別" })).await.status, 403);
    assert_eq!(administrator.get(&path).await.json["may"], "know");
}
