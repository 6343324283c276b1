//! What administrators meet: the map, forced returns, rules and their explanation, the licence, figures.

use gijiroku::clock::UnixMs;
use gijiroku::seats::licence::day::Day;
use gijiroku::seats::licence::{Kind, Licence, LicenceId, PoolTerms, Zone};
use gijiroku::store::users::Role;
use serde_json::json;

use super::*;
use crate::seating::{site, vendor};

#[tokio::test]
async fn a_forced_return_holds_at_once_and_says_why() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let held = a.sit().await;
    let revoke = format!("/v1/seats/{}/revoke", held.lease);
    assert_eq!(administrator.post(&revoke, json!({ "reason": " " })).await.status, 422);
    assert_eq!(a.person.post(&revoke, json!({ "reason": "ほしい" })).await.status, 403);
    assert_eq!(administrator.post(&revoke, json!({ "reason": "退庁後の使用" })).await.status, 204);
    let lost = a.beat(&held).await;
    assert_eq!(code(&lost), (412, "seat_lost"));
    assert_eq!(title(&lost), "管理者が席を返却しました(理由: 退庁後の使用)。");
    assert_eq!(lost.json["number"], "G-2415");
    let audit = administrator.get("/v1/audit?limit=1000").await;
    let lines = audit.json.as_array().expect("lines are a list");
    assert!(lines.iter().any(|line| line["event"] == "seat.revoke" && line["result"] == "done"));
}

#[tokio::test]
async fn a_recording_is_ended_only_by_its_own_named_step() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let held = Proof::of(&a.ask(record(), "nowait").await);
    let reason = || json!({ "reason": "閉庁" });
    let refused = administrator.post(&format!("/v1/seats/{}/revoke", held.lease), reason()).await;
    assert_eq!(code(&refused), (409, "recording_runs"));
    assert_eq!(a.beat(&held).await.status, 200);
    let ended = administrator.post(&format!("/v1/seats/{}/end-recording", held.lease), reason()).await;
    assert_eq!(ended.status, 204);
    assert!(title(&a.beat(&held).await).contains("音声は保存されています"));
}

#[tokio::test]
async fn a_department_administrator_sees_and_frees_the_own_department_only() {
    let (office, administrator) = office_with(5).await;
    let tax = office.department("税務課").await;
    let head = office.person("head", Role::DepartmentAdministrator, tax).await;
    let own = Clerk::of(&office, "own", tax).await;
    let other = Clerk::of(&office, "other", administrator.department()).await;
    let (own_seat, other_seat) = (own.sit().await, other.sit().await);
    let seen = head.get("/v1/seats").await;
    let leases = seen.json["leases"].as_array().expect("leases are a list");
    assert_eq!((leases.len(), leases[0]["holder"]["name"].as_str()), (1, Some("職員 own")));
    assert!(seen.json["condition"].is_null());
    assert_eq!(administrator.get("/v1/seats").await.json["leases"].as_array().map(Vec::len), Some(2));
    assert_eq!(own.person.get("/v1/seats").await.status, 403);
    let revoke = |proof: &Proof| format!("/v1/seats/{}/revoke", proof.lease);
    assert_eq!(head.post(&revoke(&other_seat), json!({ "reason": "a" })).await.status, 404);
    assert_eq!(head.post(&revoke(&own_seat), json!({ "reason": "a" })).await.status, 204);
    assert_eq!(other.beat(&other_seat).await.status, 200);
}

#[tokio::test]
async fn a_quota_is_refused_with_its_group_and_explained_with_its_evidence() {
    let (office, administrator) = office_with(5).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let rules = json!({
        "list": [{ "id": "総務課の上限", "who": { "kind": "department", "name": "総務課" }, "what": { "kind": "quota", "seats": 1 } }],
        "contact": "情報担当(内線1234)",
    });
    assert_eq!(administrator.put("/v1/seats/rules", rules).await.status, 204);
    let kept = administrator.get("/v1/seats/rules").await;
    assert_eq!(kept.json["list"][0]["what"], json!({ "kind": "quota", "seats": 1 }));
    a.sit().await;
    let refused = b.ask(edit(), "nowait").await;
    assert_eq!(code(&refused), (409, "quota_group"));
    assert!(title(&refused).starts_with("総務課の上限1席をすべて利用中です。"), "{}", title(&refused));
    let explained = administrator.get(&format!("/v1/seats/explain?user={}", b.person.id())).await;
    assert_eq!(explained.json["verdict"], "queue", "{:?}", explained.json);
    let evidence = explained.json["evidence"].as_array().expect("evidence is a list");
    let told = |text: &str| evidence.iter().any(|line| line.as_str().is_some_and(|line| line.contains(text)));
    assert!(told("規則「総務課の上限」: 上限1席のうち1席を利用中です。"), "{evidence:?}");
    assert_eq!(administrator.get("/v1/seats/badge").await.json[0]["waiting"], 0, "nothing was changed");
}

#[tokio::test]
async fn reserved_seats_are_not_for_whoever_names_the_meeting() {
    let (office, administrator) = office_with(1).await;
    let stranger = Clerk::of(&office, "a", office.department("税務課").await).await;
    let meeting =
        administrator.post("/v1/meetings", json!({ "title": "本会議", "sensitivity": "restricted" })).await;
    let meeting = meeting.json["id"].clone();
    let (from, hour) = (office.now().ms(), 3_600_000);
    let list = json!([{
        "id": Id::new(), "meeting": meeting, "organiser": administrator.id(), "from": from, "to": from + hour, "seats": 1
    }]);
    assert_eq!(administrator.put("/v1/seats/reservations", list).await.status, 204);
    let claimed = stranger.ask(json!({ "record": meeting }), "nowait").await;
    assert_eq!(claimed.status, 404, "{:?}", claimed.json);
    let refused = stranger.ask(record(), "nowait").await;
    assert_eq!(code(&refused), (409, "reserved"), "{:?}", refused.json);
    let twice = json!([
        { "id": Id::new(), "meeting": meeting, "organiser": administrator.id(), "from": from, "to": from + hour, "seats": 2 }
    ]);
    assert_eq!(code(&administrator.put("/v1/seats/reservations", twice).await), (409, "over_booked"));
}

#[tokio::test]
async fn a_rooms_account_holds_the_rooms_seat() {
    let (office, administrator) = office_with(2).await;
    let room = Clerk::of(&office, "kaigi", administrator.department()).await;
    let path = format!("/v1/users/{}", room.person.id());
    let changed = administrator.patch(&path, json!({ "room": true })).await;
    assert_eq!(changed.json["room"], true, "{:?}", changed.json);
    room.ask(record(), "nowait").await;
    let map = administrator.get("/v1/seats").await;
    let kind = |map: &serde_json::Value| map["leases"][0]["holder"]["kind"].clone();
    assert_eq!(kind(&map.json), "room");
    let list = administrator.get("/v1/users.csv").await;
    assert!(
        String::from_utf8(list.bytes).is_ok_and(|text| text.contains("kaigi,職員 kaigi,総務課,職員,,在職,○"))
    );
}

fn signed(seats: u32, seq: u32, today: Day) -> String {
    let licence = Licence {
        id: LicenceId::try_from("L-1".to_owned()).expect("it is a name"),
        customer: "○○県".to_owned(),
        seq,
        issued: today,
        kind: Kind::Contract,
        pools: vec![PoolTerms { feature: "standard".to_owned(), seats, burst: None }],
        valid: [today, today.plus(20)],
        tz: Zone::Tokyo,
        grace_days: 14,
        bind: None,
        hosts: 1,
        supersedes: Vec::new(),
    };
    licence.issue(&vendor()).expect("it is a licence")
}

#[tokio::test]
async fn without_a_licence_there_are_five_seats_for_evaluation_and_a_file_brings_its_own() {
    let (office, administrator) = office_with(1).await;
    office.store.apply_licence(&site(), &office.seats, office.now()).await.expect("the database answers");
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let trial = a.person.get("/v1/licence").await;
    assert_eq!(
        (trial.json["label"].as_str(), trial.json["pools"][0]["seats"].as_u64()),
        (Some("評価用"), Some(5))
    );
    assert_eq!(a.person.get("/v1/seats/badge").await.json[0]["sentence"], "5席中0席");

    let today = Day::in_japan(UnixMs::from_ms(office.now().ms()));
    let upload = async |path: &str, text: String| {
        let request = administrator.request(Method::POST, path).header("content-type", "text/plain");
        administrator.send_once(request.body(text)).await
    };
    let inspected = upload("/v1/licence/inspect", signed(50, 1, today)).await;
    assert_eq!(inspected.json["acceptable"], true, "{:?}", inspected.json);
    assert!(inspected.json["contents"].as_str().is_some_and(|text| text.contains("standard 50席")));
    let installed = upload("/v1/licence", signed(50, 1, today)).await;
    assert_eq!((installed.status.as_u16(), installed.json["label"].as_str()), (201, Some("契約")));
    assert_eq!(installed.json["notices"][0]["days_left"], 20);
    assert_eq!(a.person.get("/v1/seats/badge").await.json[0]["sentence"], "50席中0席");
    let old = upload("/v1/licence", signed(90, 1, today)).await;
    assert_eq!(code(&old), (422, "licence_refused"));
    assert_eq!(code(&upload("/v1/licence", "x".to_owned()).await), (422, "licence_refused"));
    assert_eq!(a.person.get("/v1/seats/badge").await.json[0]["sentence"], "50席中0席", "nothing was changed");
}

#[tokio::test]
async fn limits_are_set_within_their_ranges_only() {
    let (_office, administrator) = office_with(1).await;
    let mut limits = administrator.get("/v1/seats/limits").await.json;
    limits["ttl_ms"] = json!(60_000);
    assert_eq!(administrator.put("/v1/seats/limits", limits.clone()).await.status, 204);
    limits["ttl_ms"] = json!(1_000);
    assert_eq!(administrator.put("/v1/seats/limits", limits).await.status, 422);
    assert_eq!(administrator.get("/v1/seats/limits").await.json["ttl_ms"], 60_000);
}

#[tokio::test]
async fn a_monitor_sees_seats_refusals_and_whether_they_are_served() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    a.sit().await;
    b.ask(edit(), "nowait").await;
    let figures = office.stranger().get("/metrics").await;
    let text = String::from_utf8(figures.bytes).expect("figures are text");
    for name in [
        "gijiroku_seats_live{pool=\"standard\"}",
        "gijiroku_seat_epoch",
        "gijiroku_licence_days_left",
        "gijiroku_seat_denials_total{reason=\"no_free_seat\"}",
    ] {
        assert!(text.contains(name), "{name} is missing");
    }
    let health = office.stranger().get("/healthz").await;
    assert_eq!((health.status.as_u16(), health.json["seats"].as_bool()), (200, Some(true)));
}

#[tokio::test]
async fn asking_too_often_is_slowed_down_by_person() {
    let (office, administrator) = office_with(3).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let mut last = a.ask(edit(), "nowait").await;
    for _ in 0..9 {
        last = a.ask(edit(), "nowait").await;
    }
    assert_eq!(code(&last), (429, "too_many_requests"));
    assert!(last.headers.contains_key("retry-after"));
    assert_eq!(b.ask(edit(), "nowait").await.status, 201);
}
