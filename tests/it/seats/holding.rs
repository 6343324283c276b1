//! What a holder meets: a seat, the line, an offer, two terminals, silence, a restart.

use std::time::Duration;

use gijiroku::http::Settings;
use gijiroku::store::Id;
use serde_json::json;

use super::*;

#[tokio::test]
async fn whoever_finds_no_seat_is_told_how_many_are_in_use_and_where_they_stand() {
    let (office, administrator) = office_with(2).await;
    let department = administrator.department();
    let clerks = [
        Clerk::of(&office, "a", department).await,
        Clerk::of(&office, "b", department).await,
        Clerk::of(&office, "c", department).await,
    ];
    let first = clerks[0].ask(edit(), "nowait").await;
    assert_eq!(first.status, 201, "{:?}", first.json);
    assert_eq!((first.json["state"].as_str(), first.json["ttl_ms"].as_u64()), (Some("active"), Some(45_000)));
    assert!(first.json["receipt"].as_str().is_some_and(|receipt| receipt.split('.').count() == 3));
    clerks[1].sit().await;
    let refused = clerks[2].ask(edit(), "nowait").await;
    assert_eq!(code(&refused), (409, "no_free_seat"));
    assert!(title(&refused).starts_with("満席です(2席中2席)。"), "{}", title(&refused));
    assert_eq!(
        (refused.json["facts"]["used"].as_u64(), refused.json["number"].as_str()),
        (Some(2), Some("G-2401"))
    );
    let queued = clerks[2].ask(edit(), "wait").await;
    assert_eq!(code(&queued), (202, "queued"));
    let sentence = queued.json["sentence"].as_str().expect("there is one");
    assert!(sentence.starts_with("満席です(2席中2席が利用中)。順番は1番目、"), "{sentence}");
    let mine = clerks[2].person.get("/v1/seats/mine").await;
    assert_eq!(mine.json["place"]["position"], 1);
    assert_eq!(mine.json["colleagues"].as_array().map(Vec::len), Some(2));
    let badge = clerks[2].person.get("/v1/seats/badge").await;
    assert_eq!(badge.json[0]["sentence"], "2席中2席");
}

#[tokio::test]
async fn a_seat_given_back_is_offered_to_the_next_and_accepted() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let held = a.sit().await;
    let ticket = b.wait().await;
    assert_eq!(b.still_waits(&ticket).await.status, 202);
    assert_eq!(a.still_waits(&ticket).await.status, 404, "a place is its owner's");
    assert_eq!(a.release(&held).await.status, 204);
    let offered = b.still_waits(&ticket).await;
    assert_eq!((offered.status.as_u16(), offered.json["state"].as_str()), (200, Some("offered")));
    let offer = Proof::of(&offered);
    assert_eq!(a.act(&offer, "accept").await.status, 404, "an offer is its receiver's");
    let accepted = b.act(&offer, "accept").await;
    assert_eq!((accepted.status.as_u16(), accepted.json["state"].as_str()), (200, Some("active")));
    assert_eq!(a.release(&held).await.status, 204, "giving back twice is nothing");
}

#[tokio::test]
async fn an_offer_that_nobody_takes_goes_to_the_next_after_a_minute() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let c = Clerk::of(&office, "c", administrator.department()).await;
    let held = a.sit().await;
    let (first, second) = (b.wait().await, c.wait().await);
    a.release(&held).await;
    let offer = Proof::of(&b.still_waits(&first).await);
    for _ in 0..3 {
        pass(&office, 21);
        assert_ne!(c.still_waits(&second).await.status, 412);
    }
    let late = b.act(&offer, "accept").await;
    assert_eq!(code(&late), (410, "offer_expired"));
    assert_eq!(title(&late), "60秒以内に開始されなかったため、次の方に席を渡しました。");
    let offered = c.still_waits(&second).await;
    assert_eq!(offered.json["state"], "offered", "{:?}", offered.json);
    assert_eq!(c.act(&Proof::of(&offered), "decline").await.status, 204);
}

#[tokio::test]
async fn one_person_on_two_terminals_has_one_seat_and_a_third_terminal_is_refused() {
    let (office, administrator) = office_with(2).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let first = a.ask(record(), "nowait").await;
    let second = a.ask_at(Id::new(), edit(), "nowait").await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(Proof::of(&first), Proof::of(&second), "a recording is joined, not moved");
    let third = a.ask_at(Id::new(), edit(), "nowait").await;
    assert_eq!(code(&third), (409, "too_many_devices"));
    assert_eq!(title(&third), "2台の端末で利用中です。別の端末の利用を終了できます。");
    assert_eq!(a.person.get("/v1/seats/mine").await.json["devices"].as_array().map(Vec::len), Some(2));
    let badge = a.person.get("/v1/seats/badge").await;
    assert_eq!(badge.json[0]["used"], 1);
}

#[tokio::test]
async fn a_seat_that_moved_leaves_the_old_terminal_with_a_reason() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let held = a.sit().await;
    let body =
        json!({ "request_id": Id::new(), "device": { "id": Id::new(), "kind": "tablet", "name": "机" } });
    let moved = a.person.post("/v1/seats/handover", body).await;
    assert_eq!(moved.status, 200, "{:?}", moved.json);
    assert_eq!(moved.json["lease"].as_str(), Some(held.lease.as_str()));
    let old = a.beat(&held).await;
    assert_eq!(code(&old), (412, "seat_lost"));
    assert_eq!(title(&old), "別の端末に移りました。");
    assert_eq!(a.beat(&Proof::of(&moved)).await.status, 200);
}

#[tokio::test]
async fn a_parked_seat_is_kept_until_somebody_needs_it() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let held = a.sit().await;
    assert_eq!(a.act(&held, "park").await.status, 204);
    let back = a.ask(edit(), "nowait").await;
    assert_eq!(back.status, 200, "nobody needed it");
    let held = Proof::of(&back);
    assert_eq!(a.act(&held, "park").await.status, 204);
    assert_eq!(b.ask(edit(), "nowait").await.status, 201);
    let lost = a.beat(&held).await;
    assert_eq!(code(&lost), (412, "seat_lost"));
    assert_eq!(title(&lost), "離席中に、待っている方に席を渡しました。");
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_another_body_is_refused() {
    let (office, administrator) = office_with(2).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let body = |id: Id, name: &str| json!({ "request_id": id, "use": { "edit": a.device }, "device": { "id": a.device, "kind": "browser", "name": name } });
    let id = Id::new();
    let first = a.person.post("/v1/seats", body(id, "PC")).await;
    let again = a.person.post("/v1/seats", body(id, "PC")).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(Proof::of(&first), Proof::of(&again));
    assert_eq!(code(&a.person.post("/v1/seats", body(id, "別の名前")).await), (422, "bad_request"));
    let four = "0b3c2a10-6f8e-4a51-9d0c-1f2e3d4c5b6a".parse().expect("it is a UUID of version 4");
    assert_eq!(code(&a.person.post("/v1/seats", body(four, "PC")).await), (422, "bad_request"));
}

#[tokio::test]
async fn nobody_touches_a_seat_that_is_somebody_elses() {
    let (office, administrator) = office_with(2).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let held = a.sit().await;
    assert_eq!(b.beat(&held).await.status, 404);
    for what in ["accept", "decline", "park", "yield"] {
        assert_eq!(b.act(&held, what).await.status, 404, "{what}");
    }
    assert_eq!(b.release(&held).await.status, 204, "giving back says nothing about whose it is");
    assert_eq!(a.beat(&held).await.status, 200, "and did nothing");
}

#[tokio::test]
async fn a_beat_never_revives_a_seat_that_lapsed() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let held = a.sit().await;
    pass(&office, 59);
    assert_eq!(a.beat(&held).await.status, 200, "within T and G it is theirs");
    pass(&office, 61);
    let late = a.beat(&held).await;
    assert_eq!(code(&late), (410, "lease_lapsed"));
    assert!(title(&late).starts_with("接続が切れたため席を返却しました。"));
    assert_eq!(b.ask(edit(), "nowait").await.status, 201);
}

#[tokio::test]
async fn a_restart_keeps_leases_tokens_and_the_line() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let held = a.sit().await;
    let ticket = b.wait().await;
    let office = office.restart(Settings::default()).await;
    let mut again = Clerk { person: office.stranger(), device: a.device };
    again.person.sign_in("a", crate::office::PASSWORD).await;
    let mut waiter = Clerk { person: office.stranger(), device: b.device };
    waiter.person.sign_in("b", crate::office::PASSWORD).await;
    assert_eq!(again.beat(&held).await.status, 200);
    let badge = again.person.get("/v1/seats/badge").await;
    assert_eq!(badge.json[0]["used"], 1, "no seat doubled");
    assert_eq!(again.release(&held).await.status, 204);
    office.pass(Duration::from_secs(1));
    let served = waiter.still_waits(&ticket).await;
    assert_eq!(served.status, 200, "{:?}", served.json);
}
