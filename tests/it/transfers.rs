//! 人事異動: lists of people over HTTP, and changes that wait for their day.

use std::time::Duration;

use gijiroku::clock::UnixMs;
use gijiroku::store::Id;
use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Answer, Office, PASSWORD, Person};

const HEADER: &str = "利用者名,氏名,部署,役割,発令日,状態\r\n";

async fn import(person: &Person, query: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = person.request(Method::POST, &format!("/v1/users/import?{query}"));
    person.send(request.header("content-type", "text/csv").body(body)).await
}

async fn lines(person: &Person, query: &str, lines: &str) -> Answer {
    import(person, query, format!("{HEADER}{lines}")).await
}

async fn users(person: &Person) -> Vec<Value> {
    person.get("/v1/users").await.json.as_array().expect("a list").clone()
}

fn of<'a>(users: &'a [Value], login: &str) -> &'a Value {
    users.iter().find(|user| user["login"] == login).expect("the login is there")
}

/// Returns a day so many days from the office's today, as a list says it and as the clock does.
fn day(office: &Office, days: i64) -> (String, UnixMs) {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
    let now = jiff::Timestamp::from_millisecond(office.now().ms()).expect("the clock is near today");
    let day = now.to_zoned(zone.clone()).date().checked_add(jiff::Span::new().days(days));
    let day = day.expect("it is a day");
    let at = day.to_zoned(zone).expect("the day begins").timestamp().as_millisecond();
    (day.to_string(), UnixMs::from_ms(at))
}

#[tokio::test]
async fn the_list_of_april_is_tried_first_and_then_taken_whole() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let sato = office.person("sato", Role::Staff, administrator.department()).await;
    let gone = office.person("gone", Role::Staff, administrator.department()).await;
    gone.post("/v1/meetings", json!({ "title": "引継ぎ", "sensitivity": "public" })).await;
    let (april, at) = day(&office, 7);
    let list = format!(
        "new1,新 一,税務課,職員,,\r\nnew2,新 二,総務課,部署管理者,,在職\r\nsato,佐藤,税務課,職員,{april},\r\n\
         gone,,,,,退職\r\n"
    );
    let expected = json!({
        "created": 2, "changed": 1, "scheduled": 1, "closed": 1, "departments": 1, "warnings": []
    });
    for (query, dry_run) in [("dry_run=true", true), ("dry_run=false", false)] {
        let answer = lines(&administrator, &format!("{query}&create_departments=true"), &list).await;
        let mut expected = expected.clone();
        expected["dry_run"] = json!(dry_run);
        assert_eq!(answer.json, expected);
        let count = users(&administrator).await.len();
        assert_eq!(count, if dry_run { 3 } else { 5 }, "trying changes nothing");
    }
    assert_eq!(gone.get("/v1/session").await.status, 401, "who left is out at once");
    assert_eq!(sato.get("/v1/meetings").await.json[0]["title"], "引継ぎ", "the history stays");
    let waiting = administrator.get("/v1/transfers").await.json;
    assert_eq!(
        (waiting[0]["login"].as_str(), waiting[0]["effective_at"].as_i64()),
        (Some("sato"), Some(at.ms()))
    );
    let before = of(&users(&administrator).await, "sato").clone();
    assert_eq!(
        (before["name"].as_str(), before["department"].clone()),
        (Some("佐藤"), json!(sato.department()))
    );
    let early = UnixMs::from_ms(at.ms() - 1);
    assert_eq!(office.store.apply_transfers(early).await.expect("it works"), 0);
    assert_eq!(office.store.apply_transfers(at).await.expect("it works"), 1);
    assert_eq!(office.store.apply_transfers(at).await.expect("it works"), 0, "once is once");
    let all = users(&administrator).await;
    assert_eq!(of(&all, "sato")["department"], of(&all, "new1")["department"]);
    assert_eq!(administrator.get("/v1/transfers").await.json, json!([]));
}

#[tokio::test]
async fn a_list_with_one_fault_changes_nothing_and_tells_all_faults() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let list =
        "ok,名,総務課,職員,,\r\nbad,名,無い課,職員,,\r\nok,名,総務課,職員,,\r\nworse,名,総務課,部長,,\r\n";
    let answer = lines(&administrator, "dry_run=false", list).await;
    assert_eq!((answer.status.as_u16(), answer.json["code"].as_str()), (422, Some("people_faulty")));
    let facts = &answer.json["facts"];
    assert_eq!(facts["count"], 3);
    let told: Vec<_> = (0..3).map(|index| facts["lines"][index]["line"].as_u64()).collect();
    assert_eq!(told, [Some(3), Some(4), Some(5)]);
    assert!(
        facts["lines"][0]["message"].as_str().is_some_and(|text| text.starts_with("3行目：部署「無い課」"))
    );
    assert_eq!(users(&administrator).await.len(), 1);
    assert_eq!(administrator.get("/v1/departments").await.json.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_no_list_is_refused_by_what_it_is() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let json = administrator.post("/v1/users/import", json!([])).await;
    assert_eq!(json.json["code"], "unsupported_media");
    assert_eq!(import(&administrator, "", vec![b'a'; (10 << 20) + 1]).await.json["code"], "too_large");
    let person = office.person("sato", Role::Staff, administrator.department()).await;
    assert_eq!(lines(&person, "", "").await.json["code"], "not_allowed");
}

#[tokio::test]
async fn a_change_that_waits_is_seen_replaced_and_given_up() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let tax = office.department("税務課").await;
    office.person("sato", Role::Staff, administrator.department()).await;
    let head = office.person("head", Role::DepartmentAdministrator, tax).await;
    let (april, at) = day(&office, 30);
    for role in ["職員", "部署管理者"] {
        let list = format!("sato,佐藤,税務課,{role},{april},\r\n");
        assert_eq!(lines(&administrator, "", &list).await.json["scheduled"], 1);
    }
    let waiting = administrator.get("/v1/transfers").await.json;
    assert_eq!(
        (waiting.as_array().map(Vec::len), waiting[0]["role"].as_str()),
        (Some(1), Some("department_administrator"))
    );
    let path = format!("/v1/transfers/{}", waiting[0]["id"].as_str().expect("it has a name"));
    assert_eq!(head.get("/v1/transfers").await.json, json!([]), "the person is not in that department yet");
    assert_eq!(head.delete(&path).await.status, 404);
    assert_eq!(administrator.delete(&path).await.status, 204);
    assert_eq!(administrator.delete(&path).await.status, 404);
    assert_eq!(office.store.apply_transfers(at).await.expect("it works"), 0);
    assert_eq!(of(&users(&administrator).await, "sato")["role"], "staff");
}

#[tokio::test]
async fn who_leaves_on_a_day_to_come_works_until_then_and_moves_no_more_after_it() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let tax = office.department("税務課").await;
    let sato = office.person("sato", Role::Staff, administrator.department()).await;
    let (first, leaves) = day(&office, 1);
    let (second, moves) = day(&office, 2);
    lines(&administrator, "", &format!("sato,,,,{first},退職\r\n")).await;
    lines(&administrator, "", &format!("sato,佐藤,税務課,職員,{second},\r\n")).await;
    assert_eq!(sato.get("/v1/session").await.status, 200);
    assert_eq!(office.store.apply_transfers(moves.max(leaves)).await.expect("it works"), 1);
    assert_eq!(sato.get("/v1/session").await.status, 401);
    let sato = of(&users(&administrator).await, "sato").clone();
    assert!(sato["disabled_at"].is_i64() && sato["department"] != json!(tax));
}

#[tokio::test]
async fn the_administrator_of_a_department_lists_and_moves_only_its_own_people() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let tax = office.department("税務課").await;
    let head = office.person("head", Role::DepartmentAdministrator, tax).await;
    office.person("aoki", Role::Staff, administrator.department()).await;
    let list = lines(&head, "", "own,名,税務課,職員,,\r\n").await;
    assert_eq!(list.json["created"], 1);
    let answer = lines(&head, "create_departments=true", "x,名,新設課,職員,,\r\naoki,,,,,退職\r\n").await;
    assert_eq!(answer.json["facts"]["count"], 2);
    let page = head.get("/v1/users?limit=2").await.json;
    let logins: Vec<_> = page.as_array().into_iter().flatten().map(|user| user["login"].clone()).collect();
    assert_eq!(logins, ["head", "own"], "a page is full of people one may see");
    let file = head.get("/v1/users.csv").await;
    let text = String::from_utf8(file.bytes).expect("it is UTF-8");
    assert!(text.contains("\r\nown,名,税務課,職員,,在職,\r\n") && !text.contains("aoki"));
}

#[tokio::test]
async fn the_file_that_was_written_is_taken_back_in_either_charset_and_changes_nothing() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    lines(&administrator, "", "sato,髙﨑 =①,総務課,監査者,,\r\ntoku,𠮷田,総務課,職員,,\r\n").await;
    let utf8 = administrator.get("/v1/users.csv").await;
    assert!(utf8.bytes.starts_with(b"\xef\xbb\xbf") && utf8.headers["x-unmapped-count"] == "0");
    let answer = import(&administrator, "", utf8.bytes).await;
    assert_eq!((answer.json["changed"].as_u64(), answer.json["created"].as_u64()), (Some(0), Some(0)));
    let cp932 = administrator.get("/v1/users.csv?charset=cp932").await;
    assert_eq!(cp932.headers["content-type"], "text/csv; charset=shift_jis");
    assert_eq!(cp932.headers["x-unmapped-count"], "1", "the charset lacks 𠮷, and that is told");
    let answer = import(&administrator, "dry_run=true", cp932.bytes).await;
    assert_eq!((answer.status.as_u16(), answer.json["changed"].as_u64()), (200, Some(1)));
}

#[tokio::test]
async fn somebody_from_a_list_gets_in_by_a_link() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    lines(&administrator, "", "new,新 人,総務課,職員,,\r\n").await;
    let id: Id =
        of(&users(&administrator).await, "new")["id"].as_str().expect("a name").parse().expect("a UUID");
    let link = administrator.post(&format!("/v1/users/{id}/password-link"), json!({})).await.json;
    let set = json!({ "secret": link["secret"], "new": PASSWORD });
    assert_eq!(office.stranger().post("/v1/password", set).await.status, 204);
    let mut person = office.stranger();
    assert_eq!(person.sign_in("new", PASSWORD).await.status, 201);
    office.pass(Duration::from_secs(60));
    assert_eq!(person.get("/v1/meetings").await.status, 200);
}

#[tokio::test]
async fn a_list_of_the_largest_office_is_taken_whole() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let list: String =
        (0..20_000).map(|number| format!("p{number},職員 {number},総務課,職員,,\r\n")).collect();
    let answer = lines(&administrator, "", &list).await;
    assert_eq!((answer.status.as_u16(), answer.json["created"].as_u64()), (200, Some(20_000)));
    let one_more = format!("{list}last,名,総務課,職員,,\r\n");
    assert_eq!(lines(&administrator, "", &one_more).await.json["facts"]["count"], 1);
}
