//! Minutes by HTTP: reading, two people at once, undo, the way to 確定, search.

use std::io::Read as _;

use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, Person};
use crate::papers::{edit, heard, meeting, meeting_with, texts, whole};

const SPOKEN: [(u64, &str); 3] =
    [(1, "ただいまから会議を開きます。"), (2, "予算について説明します。"), (1, "質問はありますか。")];

fn splice(block: u64, at: u64, remove: &str, insert: &str) -> Value {
    json!([{ "op": "splice", "block": block, "at": at, "remove": remove, "insert": insert }])
}

/// Returns the owner of a meeting with minutes, a colleague who may edit it, and the meeting's path.
async fn two_people(office: &Office) -> (Person, Person, String) {
    let owner = office.administrator().await;
    let colleague = office.person("colleague", Role::Staff, owner.department()).await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let members = json!([{ "user": colleague.id(), "can_edit": true }]);
    assert_eq!(owner.put(&format!("{path}/members"), members).await.status, 204);
    (owner, colleague, path)
}

#[tokio::test]
async fn unchanged_minutes_are_not_sent_twice() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = format!("{}/minutes", meeting_with(&owner, &SPOKEN).await);
    let first = owner.get(&path).await;
    assert_eq!(first.json["revision"], 1);
    let etag = first.headers["etag"].to_str().expect("it is ASCII").to_owned();
    let again = owner.request(Method::GET, &path).header("if-none-match", &etag);
    let again = owner.send(again).await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    let bare = owner.get(&format!("{path}?words=false")).await;
    assert!(bare.json["minutes"]["blocks"][0].get("words").is_none());
    assert_ne!(bare.headers["etag"], first.headers["etag"]);
}

#[tokio::test]
async fn who_takes_gzip_gets_the_same_minutes_compressed_once() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = format!("{}/minutes", meeting_with(&owner, &SPOKEN).await);
    let plain = owner.get(&path).await;
    let zipped = owner.request(Method::GET, &path).header("accept-encoding", "gzip");
    let zipped = owner.send(zipped).await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(zipped.bytes.as_slice()).read_to_end(&mut unpacked).expect("it is gzip");
    assert_eq!(unpacked, plain.bytes);
}

#[tokio::test]
async fn two_edits_of_one_utterance_at_the_same_time_are_both_kept() {
    let office = Office::open().await;
    let (owner, colleague, path) = two_people(&office).await;
    let first = edit(&owner, &path, 1, "a", splice(1, 0, "ただいま", "それでは、ただいま")).await;
    assert_eq!(first.json["revision"], 2, "{:?}", first.json);
    let second = edit(&colleague, &path, 1, "b", splice(1, 9, "開きます", "始めます")).await;
    assert_eq!(second.json["revision"], 3, "{:?}", second.json);
    assert_eq!(second.json["since"], first.json["ops"]);
    assert_eq!(second.json["ops"][0]["at"], 14);
    assert_eq!(texts(&owner, &path).await[0], "それでは、ただいまから会議を始めます。");
}

#[tokio::test]
async fn two_texts_for_one_place_are_a_conflict_that_loses_neither() {
    let office = Office::open().await;
    let (owner, colleague, path) = two_people(&office).await;
    assert_eq!(edit(&owner, &path, 1, "a", splice(2, 0, "予算", "決算")).await.status, 200);
    let refused = edit(&colleague, &path, 1, "b", splice(2, 0, "予算", "補正予算")).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (409, &json!("edit_conflict")));
    let facts = &refused.json["facts"];
    assert_eq!(facts["current"]["text"], "決算について説明します。");
    assert_eq!((&facts["revision"], &facts["conflict"]["thing"]["block"]), (&json!(2), &json!(2)));
    assert_eq!(texts(&owner, &path).await[1], "決算について説明します。");
    let again = edit(&colleague, &path, 2, "b", splice(2, 0, "決算", "補正予算")).await;
    assert_eq!(again.status, 200, "the refused attempt left nothing behind");
}

#[tokio::test]
async fn an_attempt_that_is_sent_twice_is_carried_out_once() {
    let office = Office::open().await;
    let (owner, colleague, path) = two_people(&office).await;
    let ops = splice(1, 0, "", "えー、");
    let first = edit(&owner, &path, 1, "once", ops.clone()).await;
    assert_eq!(edit(&colleague, &path, 2, "other", splice(2, 0, "", "では、")).await.status, 200);
    let second = edit(&owner, &path, 1, "once", ops).await;
    assert_eq!(second.json, first.json);
    assert_eq!(texts(&owner, &path).await[0], "えー、ただいまから会議を開きます。");
}

#[tokio::test]
async fn what_a_colleague_did_and_took_back_stands_in_nobodys_way() {
    let office = Office::open().await;
    let (owner, colleague, path) = two_people(&office).await;
    let step = async |person: &Person, request: &str| {
        person.post(&format!("{path}/minutes/undo"), json!({ "request_id": request })).await
    };
    edit(&owner, &path, 1, "a", splice(1, 0, "ただいま", "いま")).await;
    edit(&colleague, &path, 2, "b", splice(1, 0, "いま", "今")).await;
    edit(&owner, &path, 3, "c", splice(2, 0, "予算", "決算")).await;
    assert_eq!(step(&owner, "d").await.status, 200, "the last one is about another text");
    let stands = step(&owner, "e").await;
    assert_eq!(stands.status, 409, "the colleague built upon it: {:?}", stands.json);
    assert_eq!(step(&colleague, "f").await.status, 200);
    assert_eq!(step(&owner, "g").await.status, 200);
    assert_eq!(texts(&owner, &path).await[..2], ["ただいまから会議を開きます。", "予算について説明します。"]);
    let late = edit(&colleague, &path, 2, "h", splice(1, 0, "いま", "居間")).await;
    assert_eq!(late.status, 409, "what was seen then is gone");
    assert_eq!(texts(&owner, &path).await[0], "ただいまから会議を開きます。");
}

#[tokio::test]
async fn each_person_undoes_their_own_edits_only() {
    let office = Office::open().await;
    let (owner, colleague, path) = two_people(&office).await;
    edit(&owner, &path, 1, "a", splice(1, 0, "ただいま", "いま")).await;
    edit(&colleague, &path, 2, "b", splice(1, 4, "会議", "定例会")).await;
    edit(&owner, &path, 3, "c", splice(2, 0, "予算", "決算")).await;
    let step = async |person: &Person, what: &str, request: &str| {
        person.post(&format!("{path}/minutes/{what}"), json!({ "request_id": request })).await
    };
    assert_eq!(step(&colleague, "undo", "d").await.status, 200);
    assert_eq!(texts(&owner, &path).await[..2], ["いまから会議を開きます。", "決算について説明します。"]);
    assert_eq!(step(&owner, "undo", "e").await.status, 200);
    assert_eq!(step(&owner, "undo", "f").await.status, 200);
    assert_eq!(texts(&owner, &path).await[..2], ["ただいまから会議を開きます。", "予算について説明します。"]);
    assert_eq!(step(&owner, "undo", "g").await.json["code"], "nothing_to_undo");
    assert_eq!(step(&owner, "redo", "h").await.status, 200);
    assert_eq!(step(&owner, "redo", "i").await.status, 200);
    assert_eq!(texts(&owner, &path).await[..2], ["いまから会議を開きます。", "決算について説明します。"]);
    assert_eq!(step(&colleague, "redo", "j").await.status, 200);
    assert_eq!(texts(&owner, &path).await[0], "いまから定例会を開きます。");
}

#[tokio::test]
async fn minutes_in_review_and_final_ones_take_no_edit() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let step = async |action: Value| owner.post(&format!("{path}/minutes/state"), action).await;
    assert_eq!(step(json!({ "action": "request_review" })).await.json["state"], "in_review");
    let refused = edit(&owner, &path, 1, "a", splice(2, 0, "予算", "決算")).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (409, &json!("minutes_frozen")));
    let back = json!({ "action": "send_back", "reason": "誤字があります" });
    assert_eq!(step(back).await.json["state"], "drafting");
    assert_eq!(edit(&owner, &path, 1, "b", splice(2, 0, "予算", "決算")).await.status, 200);
    assert_eq!(step(json!({ "action": "finalise" })).await.json["code"], "step_refused");
    assert_eq!(step(json!({ "action": "request_approval" })).await.status, 200);
    let done = step(json!({ "action": "finalise" })).await;
    assert_eq!((&done.json["state"], &done.json["edition"]["kind"]), (&json!("final"), &json!("final")));
    assert_eq!(
        edit(&owner, &path, 2, "c", splice(2, 0, "決算", "予算")).await.json["code"],
        "minutes_frozen"
    );
    let open = json!({ "action": "reopen", "reason": "数字の誤りが見つかったため" });
    assert_eq!(step(open).await.status, 200);
    assert_eq!(edit(&owner, &path, 2, "d", splice(2, 0, "決算", "予算")).await.status, 200);
    let compared = owner.get(&format!("{path}/minutes/differences?from=final&to=current")).await;
    assert_eq!(changed(&compared.json), 1, "{:?}", compared.json);
}

#[tokio::test]
async fn who_follows_is_told_of_every_revision_in_order() {
    let office = Office::open().await;
    let (owner, colleague, path) = two_people(&office).await;
    edit(&owner, &path, 1, "a", splice(1, 0, "", "では、")).await;
    let request = colleague.request(Method::GET, &format!("{path}/minutes/events?after=1"));
    let mut events = request.send().await.expect("the server answers");
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut told = String::new();
    edit(&owner, &path, 2, "b", splice(2, 0, "予算", "決算")).await;
    while told.matches("event: revision").count() < 2 || !told.ends_with("\n\n") {
        let chunk = events.chunk().await.expect("the stream goes on").expect("the stream goes on");
        told.push_str(std::str::from_utf8(&chunk).expect("events are text"));
    }
    let revisions: Vec<Value> = told
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).expect("events are JSON"))
        .collect();
    let numbers: Vec<&Value> = revisions.iter().map(|revision| &revision["revision"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(3)]);
    assert_eq!(revisions[1]["ops"][0]["insert"], "決算");
}

/// Counts the passages of a comparison that are not the same on both sides.
fn changed(compared: &Value) -> usize {
    let passages = compared["passages"].as_array().expect("a comparison has passages");
    passages.iter().filter(|passage| passage["change"] != "same").count()
}

#[tokio::test]
async fn what_was_recognised_kept_and_made_final_can_be_compared() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting(&owner, json!({ "title": "定例会" })).await;
    heard(&office, &owner, &path, None, &["会議を開きます。", "予算を説明します。"]).await;
    edit(&owner, &path, 1, "a", splice(1, 0, "会議", "定例会")).await;
    let kept = owner.post(&format!("{path}/minutes/editions"), json!(null)).await;
    assert_eq!((kept.status.as_u16(), &kept.json["kind"]), (201, &json!("kept")));
    edit(&owner, &path, 2, "b", splice(2, 0, "予算", "決算")).await;
    let name = kept.json["id"].as_str().expect("it has a name").to_owned();
    let passages = async |from: &str, to: &str| {
        let answer = owner.get(&format!("{path}/minutes/differences?from={from}&to={to}")).await;
        changed(&answer.json)
    };
    assert_eq!(passages("recognised", "recognised").await, 0);
    assert_eq!(passages("recognised", &name).await, 1);
    assert_eq!(passages("recognised", "current").await, 2);
    assert_eq!(passages("1", &name).await, 1);
    let missing = owner.get(&format!("{path}/minutes/differences?from=final&to=current")).await;
    assert_eq!(missing.status, 404, "nothing is final yet");
}

#[tokio::test]
async fn search_finds_the_edited_text_and_shows_it_to_no_one_else() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let other = office.department("税務課").await;
    let stranger = office.person("stranger", Role::Staff, other).await;
    let path = meeting_with(&owner, &SPOKEN).await;
    edit(&owner, &path, 1, "a", splice(2, 0, "予算", "補正")).await;
    let found = async |person: &Person, query: &str| {
        let hits = person.get_with("/v1/search", &[("q", query)]).await;
        hits.json.as_array().map_or(99, Vec::len)
    };
    assert_eq!(found(&owner, "補正について").await, 1);
    assert_eq!(found(&owner, "予算について").await, 0);
    assert_eq!(found(&stranger, "補正について").await, 0);
    assert_eq!(stranger.get(&format!("{path}/minutes")).await.status, 404);
    let hide = json!([{ "op": "set_hidden", "block": 2, "reason": "person" }]);
    assert_eq!(edit(&owner, &path, 2, "b", hide).await.status, 200);
    assert_eq!(found(&owner, "補正について").await, 0, "what is hidden is not found");
}

#[tokio::test]
async fn who_may_read_may_not_edit() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let colleague = office.person("colleague", Role::Staff, owner.department()).await;
    let path = meeting_with(&owner, &SPOKEN).await;
    assert_eq!(texts(&colleague, &path).await.len(), 3);
    let refused = edit(&colleague, &path, 1, "a", splice(2, 0, "予算", "決算")).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (403, &json!("not_allowed")));
    assert_eq!(texts(&owner, &path).await[1], SPOKEN[1].1);
}

#[tokio::test]
async fn minutes_are_taken_in_once_and_only_as_they_were_exported() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let again = owner.post(&format!("{path}/minutes"), whole(&SPOKEN)).await;
    assert_eq!((again.status.as_u16(), &again.json["code"]), (409, &json!("minutes_exist")));
    let file = owner.get(&format!("{path}/export?as=json")).await;
    let copy = meeting(&owner, json!({ "title": "写し" })).await;
    let mut forged = file.json.clone();
    forged["minutes"]["blocks"][0]["text"] = json!("言っていないこと。");
    let refused = owner.post(&format!("{copy}/minutes"), forged).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (422, &json!("file_refused")));
    assert_eq!(owner.get(&format!("{copy}/minutes")).await.json["code"], "no_minutes");
    assert_eq!(owner.post(&format!("{copy}/minutes"), file.json).await.status, 201);
    assert_eq!(texts(&owner, &copy).await, texts(&owner, &path).await);
}
