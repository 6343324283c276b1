//! Accounts, sessions and what they may do.

use std::time::Duration;

use gijiroku::http::Settings;
use gijiroku::http::limits::{Rate, Rates};
use gijiroku::store::folder::{DataFolder, database_in};
use gijiroku::store::users::Role;
use gijiroku::store::{Location, Store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, PASSWORD, Person};

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

#[tokio::test]
async fn somebody_without_a_password_signs_in_only_after_the_link_and_the_link_works_once() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let body = json!({
        "login": "mori", "name": "森", "department": administrator.department(), "role": "staff"
    });
    let made = administrator.post("/v1/users", body).await;
    assert_eq!(made.status, 201);
    let mut person = office.stranger();
    assert_eq!(person.sign_in("mori", "").await.status, 401);
    assert_eq!(person.sign_in("mori", PASSWORD).await.status, 401);
    let link = link_for(&administrator, made.json["id"].as_str().expect("it has a name")).await;
    let (path, secret) = (link["path"].as_str(), link["secret"].as_str().expect("it is shown once"));
    assert_eq!(path, Some(format!("/password#{secret}").as_str()));
    let weak = person.post("/v1/password", json!({ "secret": secret, "new": "mori" })).await;
    assert_eq!(weak.json["code"], "password_weak");
    let set = json!({ "secret": secret, "new": PASSWORD });
    assert_eq!(person.post("/v1/password", set.clone()).await.status, 204);
    assert_eq!(person.post("/v1/password", set).await.json["code"], "link_used");
    assert_eq!(person.sign_in("mori", PASSWORD).await.status, 201);
    assert_eq!(person.get("/v1/meetings").await.status, 200);
}

async fn link_for(administrator: &Person, user: &str) -> Value {
    let answer = administrator.post(&format!("/v1/users/{user}/password-link"), json!({})).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json);
    answer.json
}

#[tokio::test]
async fn a_password_set_by_a_link_ends_every_session_and_an_older_or_lapsed_link_does_nothing() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let person = office.person("sato", Role::Staff, administrator.department()).await;
    let id = person.id().to_string();
    let older = link_for(&administrator, &id).await;
    let lapsed = link_for(&administrator, &id).await;
    let set = |link: &Value| json!({ "secret": link["secret"], "new": "another long password" });
    assert_eq!(office.stranger().post("/v1/password", set(&older)).await.status, 410);
    office.pass(Duration::from_secs(3 * 24 * 3600));
    assert_eq!(office.stranger().post("/v1/password", set(&lapsed)).await.status, 410);
    let mut person = office.stranger();
    assert_eq!(person.sign_in("sato", PASSWORD).await.status, 201, "nothing was changed");
    let mut administrator = office.stranger();
    assert_eq!(administrator.sign_in("admin", PASSWORD).await.status, 201);
    let link = link_for(&administrator, &id).await;
    assert_eq!(person.get("/v1/session").await.status, 200, "a link alone ends nothing");
    assert_eq!(office.stranger().post("/v1/password", set(&link)).await.status, 204);
    assert_eq!(person.get("/v1/session").await.status, 401);
    assert_eq!(administrator.get("/v1/session").await.status, 200);
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_until_it_ends_or_is_revoked() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let person = office.person("sato", Role::Staff, administrator.department()).await;
    let soon = office.now().plus(Duration::from_secs(3600)).ms();
    let input = json!({ "name": "連携", "scopes": ["read", "write"], "expires_at": soon });
    let made = person.post("/v1/tokens", input.clone()).await;
    assert_eq!(made.status, 201);
    let secret = made.json["secret"].as_str().expect("it is shown once");
    assert!(secret.starts_with("gjr_"));
    let program = person.with_token(secret);
    assert_eq!(program.post("/v1/meetings", json!({ "title": "定例会" })).await.status, 201);
    assert_eq!(program.post("/v1/tokens", input.clone()).await.json["code"], "scope_missing");
    let listed = person.get("/v1/tokens").await;
    assert_eq!(listed.json[0]["name"], "連携");
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(secret), "the secret is shown once");
    let path = format!("/v1/tokens/{}", made.json["id"].as_str().expect("it has a name"));
    assert_eq!(administrator.delete(&path).await.status, 404, "it is somebody else's");
    assert_eq!(person.delete(&path).await.status, 204);
    assert_eq!(person.delete(&path).await.status, 404);
    assert_eq!(program.get("/v1/meetings").await.status, 401);
    let made = person.post("/v1/tokens", input).await;
    let program = person.with_token(made.json["secret"].as_str().expect("it is shown once"));
    assert_eq!(program.get("/v1/meetings").await.status, 200);
    office.pass(Duration::from_secs(3600));
    assert_eq!(program.get("/v1/meetings").await.status, 401);
}

#[tokio::test]
async fn a_token_has_an_end_a_scope_and_no_more_rights_than_its_person() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let person = office.person("sato", Role::Staff, administrator.department()).await;
    let days = |days: u64| office.now().plus(Duration::from_secs(days * 24 * 3600)).ms();
    let input = |scopes: &[&str], expires_at: i64| json!({ "name": "連携", "scopes": scopes, "expires_at": expires_at });
    for wrong in [
        input(&["read"], days(401)),
        input(&["read"], office.now().ms()),
        input(&[], days(1)),
        input(&["everything"], days(1)),
        json!({ "name": "連携", "scopes": ["read"] }),
        json!({ "name": "", "scopes": ["read"], "expires_at": days(1) }),
    ] {
        assert_eq!(person.post("/v1/tokens", wrong.clone()).await.status, 422, "{wrong}");
    }
    assert_eq!(person.post("/v1/tokens", input(&["administer"], days(1))).await.status, 403);
    let made = administrator.post("/v1/tokens", input(&["administer"], days(400))).await;
    let program = administrator.with_token(made.json["secret"].as_str().expect("it is shown once"));
    assert_eq!(program.get("/v1/users").await.status, 200);
    assert_eq!(program.get("/v1/meetings").await.json["code"], "scope_missing");
    for _ in 0..20 {
        assert_eq!(person.post("/v1/tokens", input(&["read"], days(1))).await.status, 201);
    }
    let refused = person.post("/v1/tokens", input(&["read"], days(1))).await;
    assert_eq!((refused.status.as_u16(), refused.json["code"].as_str()), (409, Some("too_many_tokens")));
    office.pass(Duration::from_secs(24 * 3600));
    let mut person = office.stranger();
    person.sign_in("sato", PASSWORD).await;
    let again = person.post("/v1/tokens", input(&["read"], days(1))).await;
    assert_eq!(again.status, 201, "tokens that ended do not count");
}

#[tokio::test]
async fn the_tokens_of_somebody_who_left_stay_dead_when_the_account_opens_again() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let person = office.person("sato", Role::Staff, administrator.department()).await;
    let soon = office.now().plus(Duration::from_secs(3600)).ms();
    let input = json!({ "name": "連携", "scopes": ["read"], "expires_at": soon });
    let made = person.post("/v1/tokens", input).await;
    let program = person.with_token(made.json["secret"].as_str().expect("it is shown once"));
    let path = format!("/v1/users/{}", person.id());
    assert_eq!(administrator.patch(&path, json!({ "disabled": true })).await.status, 200);
    assert_eq!(administrator.patch(&path, json!({ "disabled": false })).await.status, 200);
    assert_eq!(program.get("/v1/meetings").await.status, 401);
}

#[tokio::test]
async fn sign_ins_are_slowed_down_by_login_and_by_address() {
    let rates = Rates { login: Rate::new(1, 2), address: Rate::new(1, 4), ..Rates::default() };
    let office = Office::open_with(Settings { rates, ..Settings::default() }).await;
    let mut person = office.stranger();
    for _ in 0..2 {
        assert_eq!(person.sign_in("sato", "wrong").await.status, 401);
    }
    let slowed = person.sign_in(" SATO", "wrong").await;
    assert_eq!((slowed.status.as_u16(), slowed.json["code"].as_str()), (429, Some("too_many_requests")));
    let wait: u64 = slowed.headers["retry-after"].to_str().expect("digits").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(person.sign_in("suzuki", "wrong").await.status, 401, "somebody else is not held up");
    assert_eq!(person.sign_in("tanaka", "wrong").await.status, 429, "the address is");
    let set = json!({ "secret": "0", "new": PASSWORD });
    assert_eq!(person.post("/v1/password", set).await.status, 429);
}

#[tokio::test]
async fn requests_are_slowed_down_by_account_and_by_token_but_pieces_of_uploads_are_not() {
    let rates = Rates { account: Rate::new(1, 3), ..Rates::default() };
    let office = Office::open_with(Settings { rates, ..Settings::default() }).await;
    let administrator = office.administrator().await;
    let soon = office.now().plus(Duration::from_secs(3600)).ms();
    let input = json!({ "name": "連携", "scopes": ["read"], "expires_at": soon });
    let made = administrator.post("/v1/tokens", input).await;
    let program = administrator.with_token(made.json["secret"].as_str().expect("it is shown once"));
    for _ in 0..2 {
        assert_eq!(administrator.get("/v1/meetings").await.status, 200);
    }
    let slowed = administrator.get("/v1/meetings").await;
    assert_eq!((slowed.status.as_u16(), slowed.json["code"].as_str()), (429, Some("too_many_requests")));
    assert!(slowed.headers.contains_key("retry-after"));
    assert_eq!(program.get("/v1/meetings").await.status, 200, "a token counts by itself");
    let piece = administrator.request(Method::PATCH, "/v1/uploads/0");
    assert_ne!(administrator.send(piece).await.status, 429);
}

#[test]
fn the_machine_itself_adds_lists_and_closes_accounts_beside_a_running_server() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let (folder, server) = runtime.block_on(async {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let location = Location::File(database_in(folder.path()));
        let held = DataFolder::open(folder.path()).expect("the server holds the folder");
        (folder, (held, Store::open(&location).await.expect("the server holds the database")))
    });
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gijiroku"));
        let output = command.arg("user").args(arguments).arg("--data").arg(folder.path()).output();
        let output = output.expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (done, told, wrong) = run(&["add", "Rescue", "--name", "救援", "--department", "情報課"]);
    assert!(done && told.contains("/password#"), "{told}{wrong}");
    assert!(!run(&["add", "rescue", "--name", "救援", "--department", "情報課"]).0, "the login is taken");
    assert_eq!(run(&["list"]).1, "rescue\t救援\t情報課\t管理者\t在職\n");
    assert!(run(&["disable", "rescue"]).0);
    assert!(run(&["list"]).1.ends_with("停止\n"));
    assert!(run(&["reset-link", "rescue"]).1.contains("/password#"));
    assert!(run(&["list"]).1.ends_with("在職\n"));
    assert!(!run(&["reset-link", "nobody"]).0);
    runtime.block_on(async {
        let lines = server.1.audit_lines(0, 100, None).await.expect("the log can be read");
        let events: Vec<_> = lines.iter().map(|line| (line.event.as_str(), line.address.as_str())).collect();
        assert!(events.contains(&("user.create", "local")) && events.contains(&("link.create", "local")));
        server.1.close().await;
    });
    let elsewhere = tempfile::tempdir().expect("temporary folders can be made");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gijiroku"));
    let output = command.args(["user", "list", "--data"]).arg(elsewhere.path()).output();
    assert!(!output.expect("the program starts").status.success(), "no database is made by mistake");
    assert!(!database_in(elsewhere.path()).exists());
}
