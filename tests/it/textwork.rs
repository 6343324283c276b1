//! Work on text by HTTP: templates, registered words, proposals, find and replace, offers of a second recognition.

use std::collections::BTreeSet;

use gijiroku::minutes::dictionary::Day;
use gijiroku::speech::vocabulary::Vocabulary;
use gijiroku::store::jobs::{Settings, Stretch};
use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Answer, Office, Person};
use crate::papers::{edit, heard, heard_as, id, meeting, meeting_with, texts};

/// Sends bytes that are no JSON.
async fn send(person: &Person, method: Method, path: &str, bytes: Vec<u8>) -> Answer {
    person.send(person.request(method, path).body(bytes)).await
}

async fn group(person: &Person, body: Value) -> String {
    let made = person.post("/v1/word-groups", body).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    format!("/v1/word-groups/{}", made.json["id"].as_str().expect("it has a name"))
}

fn texts_of(words: &Value) -> Vec<&str> {
    words.as_array().expect("it is a list").iter().filter_map(|word| word["written"].as_str()).collect()
}

#[tokio::test]
async fn a_department_keeps_its_templates_and_sees_no_others() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let tax = office.department("税務課").await;
    let chief = office.person("chief", Role::DepartmentAdministrator, tax).await;
    let staff = office.person("staff", Role::Staff, tax).await;
    let other = office.person("other", Role::Staff, administrator.department()).await;
    let for_office = json!({ "template": { "name": "部長会" } });
    assert_eq!(administrator.post("/v1/templates", for_office.clone()).await.status, 201);
    assert_eq!(chief.post("/v1/templates", for_office).await.status, 403);
    let own = json!({ "department": tax, "template": { "name": "税務協議" } });
    assert_eq!(staff.post("/v1/templates", own.clone()).await.status, 403);
    let made = chief.post("/v1/templates", own).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    let path = format!("/v1/templates/{}", made.json["id"].as_str().expect("it has a name"));
    let count =
        async |person: &Person| person.get("/v1/templates").await.json.as_array().map_or(99, Vec::len);
    assert_eq!((count(&staff).await, count(&other).await, count(&administrator).await), (2, 1, 2));
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.post("/v1/meetings", json!({ "template": made.json["id"] })).await.status, 422);
    let wrong = json!({ "name": "税務協議", "due_days": 999_999 });
    let refused = chief.put(&path, wrong).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (422, &json!("invalid")));
    assert!(refused.json["detail"].as_str().is_some_and(|detail| detail.starts_with("due_days")));
    let changed = chief.put(&path, json!({ "name": "税務協議会" })).await;
    assert_eq!(changed.json["template"]["name"], "税務協議会");
    assert_eq!(chief.delete(&path).await.status, 204);
    assert_eq!(count(&staff).await, 1);
}

#[tokio::test]
async fn a_meeting_begins_as_its_template_says_and_keeps_it() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let words = group(&owner, json!({ "name": "議会用語" })).await;
    group(&owner, json!({ "name": "その他" })).await;
    let template = json!({ "template": {
        "name": "部長会", "title": "{年}年{月}月 部長会", "retention_days": 30, "word_groups": ["議会用語"],
        "header": { "place": "第１会議室" }, "segmentation": { "pause_ms": 1000, "long_ms": 1000,
        "sentence_pause_ms": 400, "length_ms_max": 20000 } } });
    let made = owner.post("/v1/templates", template).await;
    let path = meeting(&owner, json!({ "template": made.json["id"], "held_on": "2026-11-22" })).await;
    let known = owner.get(&path).await.json;
    assert_eq!(known["title"], "2026年11月 部長会");
    assert_eq!(known["audio_until"], 1_797_951_600_000_i64, "midnight in Japan, 30 days after the day");
    let chosen = owner.get(&format!("{path}/word-groups")).await.json;
    assert_eq!(chosen["groups"], json!([words.rsplit('/').next()]));
    let gone = format!("/v1/templates/{}", made.json["id"].as_str().expect("it has a name"));
    assert_eq!(owner.delete(&gone).await.status, 204);
    heard(&office, &owner, &path, None, &["会議を開きます。"]).await;
    let minutes = owner.get(&format!("{path}/minutes")).await.json;
    assert_eq!(minutes["minutes"]["header"]["place"], "第１会議室");
}

#[tokio::test]
async fn a_word_file_is_tried_before_it_is_kept() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let made = owner.post("/v1/templates", json!({ "template": { "name": "様式" } })).await;
    let path = format!("/v1/templates/{}/word", made.json["id"].as_str().expect("it has a name"));
    let refused = send(&owner, Method::PUT, &path, b"no Word file".to_vec()).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (422, &json!("file_refused")));
    assert_eq!(owner.get(&path).await.status, 404);
    let own = crate::export::own_template();
    let kept = send(&owner, Method::PUT, &path, own.clone()).await;
    assert_eq!((kept.status.as_u16(), &kept.json["warnings"]), (200, &json!([])), "{:?}", kept.json);
    assert_eq!(owner.get(&path).await.bytes, own);
    let huge = send(&owner, Method::PUT, &path, vec![0; 9 << 20]).await;
    assert_eq!(huge.status, 413);
    assert_eq!(owner.get(&path).await.bytes, own, "what was refused changed nothing");
}

#[tokio::test]
async fn colleagues_register_words_and_only_administrators_keep_the_list() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let tax = office.department("税務課").await;
    let chief = office.person("chief", Role::DepartmentAdministrator, tax).await;
    let staff = office.person("staff", Role::Staff, tax).await;
    let other = office.person("other", Role::Staff, administrator.department()).await;
    let path = group(&chief, json!({ "name": "税務用語", "department": tax })).await;
    let words = format!("{path}/words");
    let word = json!({ "written": "賦課", "reading": "ふか", "sources": ["付加"] });
    let added = staff.post(&words, word.clone()).await;
    assert_eq!(added.status, 201, "{:?}", added.json);
    assert_eq!(staff.post(&words, word.clone()).await.json["code"], "taken");
    assert_eq!(staff.put(&words, json!({ "entries": [] })).await.status, 403);
    assert_eq!(staff.delete(&path).await.status, 403);
    assert_eq!(other.get(&words).await.status, 404);
    assert_eq!(other.post(&words, word).await.status, 404);
    let own = format!("{words}/{}", added.json["id"].as_str().expect("it has a name"));
    let wrong = json!({ "written": "賦課", "sources": ["賦課"] });
    assert_eq!(staff.patch(&own, wrong).await.status, 422);
    assert_eq!(staff.patch(&own, json!({ "written": "賦課徴収" })).await.json["written"], "賦課徴収");
    assert_eq!(staff.delete(&own).await.status, 204);
    assert_eq!(staff.delete(&own).await.status, 404);
    assert_eq!(staff.post("/v1/word-groups", json!({ "name": "全庁" })).await.status, 403);
    assert_eq!(chief.delete(&path).await.status, 204);
}

#[tokio::test]
async fn ten_thousand_words_are_kept_and_read_page_by_page() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = format!("{}/words", group(&owner, json!({ "name": "全庁用語" })).await);
    let entries: Vec<Value> = (0..10_000).map(|n| json!({ "written": format!("用語{n:05}") })).collect();
    let put = owner.put(&path, json!({ "entries": entries })).await;
    assert_eq!(put.json["added"], 10_000, "{:?}", put.json);
    let first = owner.get(&format!("{path}?limit=1000")).await.json;
    let last = texts_of(&first).last().map(|word| (*word).to_owned()).expect("the page is full");
    let second = owner.get_with(&path, &[("after", last.as_str()), ("limit", "1000")]).await.json;
    let all: BTreeSet<&str> = texts_of(&first).into_iter().chain(texts_of(&second)).collect();
    assert_eq!(all.len(), 2_000, "no word stands on two pages");
    let put = owner.put(&path, json!({ "entries": entries[..10] })).await;
    let expected = json!({ "added": 0, "changed": 0, "unchanged": 10, "removed": 9_990 });
    assert_eq!(put.json, expected);
}

#[tokio::test]
async fn a_csv_file_is_tried_first_and_its_lines_are_told() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = format!("{}/words", group(&owner, json!({ "name": "人名" })).await);
    owner.post(&path, json!({ "written": "高橋" })).await;
    let csv = "表記,よみ,種別,置換元\r\n高橋,たかはし,人名,\r\n齋藤,さいとう,人名,斎藤;斉藤\r\n齋藤,,,\r\n山田,,魚,\r\n";
    let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(csv);
    let tried = send(&owner, Method::POST, &format!("{path}/import?dry_run=true"), cp932.to_vec()).await.json;
    assert_eq!(tried["kept"], false);
    assert_eq!((&tried["problems"][0]["line"], &tried["duplicates"][0]["line"]), (&json!(5), &json!(4)));
    assert_eq!(texts_of(&owner.get(&path).await.json), ["高橋"]);
    let kept = send(&owner, Method::POST, &format!("{path}/import"), csv.as_bytes().to_vec()).await.json;
    assert_eq!((&kept["kept"], &kept["change"]), (&json!(true), &tried["change"]));
    assert_eq!(kept["change"], json!({ "added": 1, "changed": 1, "unchanged": 0, "removed": 0 }));
    let file = owner.get(&format!("{path}/export?charset=cp932")).await;
    assert!(file.headers["content-disposition"].to_str().is_ok_and(|name| name.contains("UTF-8''")));
    let again = send(&owner, Method::POST, &format!("{path}/import?replace=true"), file.bytes).await.json;
    assert_eq!(again["change"], json!({ "added": 0, "changed": 0, "unchanged": 2, "removed": 0 }));
    let bad = send(&owner, Method::POST, &format!("{path}/import"), b"a,b\r\n1,2\r\n".to_vec()).await;
    assert_eq!(bad.json["code"], "file_refused");
}

#[tokio::test]
async fn the_nearest_word_holds_on_the_day_of_the_meeting() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting(&owner, json!({ "title": "齋藤杯", "held_on": "2026-11-22" })).await;
    let all = group(&owner, json!({ "name": "全庁" })).await;
    let own = group(&owner, json!({ "name": "この会議", "meeting": id(&path) })).await;
    let add = async |group: &str, word: Value| {
        assert_eq!(owner.post(&format!("{group}/words"), word).await.status, 201);
    };
    add(&all, json!({ "written": "齋藤", "reading": "さいとう", "sources": ["斎藤"], "note": "全庁" })).await;
    add(&all, json!({ "written": "旧町名", "valid_until": "2026-03-31" })).await;
    add(&own, json!({ "written": "齋藤", "reading": "さいとう", "sources": ["斉藤"], "note": "会議" })).await;
    add(&own, json!({ "written": "西東", "reading": "さいとう" })).await;
    let day = Day::parse("2026-11-22").expect("there is such a day");
    let words = office.store.words_of_meeting(id(&path), day).await.expect("the store answers");
    let mut found: Vec<(&str, &str)> =
        words.iter().map(|word| (word.written.as_str(), word.note.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [("西東", ""), ("齋藤", "会議")]);
    let list = office.store.vocabulary_of_meeting(id(&path), day).await.expect("the store answers");
    assert_eq!(list, "齋藤\n西東\n斉藤 => 齋藤", "what the title names comes first");
    assert!(Vocabulary::parse(&list).is_ok());
    let candidates = owner.get_with(&format!("{path}/words/candidates"), &[("selected", "斉藤")]).await;
    assert_eq!(candidates.json, json!(["齋藤"]));
    assert_eq!(owner.put(&format!("{path}/word-groups"), json!({ "groups": [] })).await.status, 204);
    let words = office.store.words_of_meeting(id(&path), day).await.expect("the store answers");
    assert_eq!(words.len(), 2, "a meeting's own words are always its own");
}

#[tokio::test]
async fn a_meeting_chooses_among_its_own_groups_only() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let tax = office.department("税務課").await;
    let path = meeting(&administrator, json!({ "title": "定例会" })).await;
    let foreign = group(&administrator, json!({ "name": "税務", "department": tax })).await;
    let foreign = foreign.rsplit('/').next().expect("the path ends with a name");
    let refused = administrator.put(&format!("{path}/word-groups"), json!({ "groups": [foreign] })).await;
    assert_eq!(refused.status, 422);
    let view = administrator.get(&format!("{path}/word-groups")).await.json;
    assert_eq!((&view["groups"], &view["available"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn rules_propose_and_only_a_person_changes_the_text() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let reader = office.person("reader", Role::Staff, owner.department()).await;
    let spoken = [(1, "えーと、それでは、あの、斎藤委員の質問です。"), (2, "予算は三百五十万円です。")];
    let path = meeting_with(&owner, &spoken).await;
    let words = group(&owner, json!({ "name": "人名" })).await;
    owner.post(&format!("{words}/words"), json!({ "written": "齋藤", "sources": ["斎藤"] })).await;
    let proposals = format!("{path}/proposals");
    let cleaned = reader.post(&proposals, json!({ "pass": "clean" })).await;
    assert_eq!((cleaned.status.as_u16(), &cleaned.json["revision"]), (200, &json!(1)), "{:?}", cleaned.json);
    assert_eq!(cleaned.json["rules"][0]["label"], "フィラーの除去");
    let verbatim = owner.post(&proposals, json!({ "pass": "clean", "level": "verbatim" })).await;
    assert_eq!(verbatim.json["count"], 0);
    let only = owner.post(&proposals, json!({ "pass": "notation", "rules": [] })).await;
    assert_eq!(only.json["count"], 0);
    let numbers = owner.post(&proposals, json!({ "pass": "notation", "digits": "narrow" })).await.json;
    assert!(numbers["count"].as_u64().is_some_and(|count| count > 0), "{numbers:?}");
    assert_eq!(owner.post(&proposals, json!({ "pass": "punctuation", "marks": "comma" })).await.status, 200);
    let known = owner.post(&proposals, json!({ "pass": "dictionary" })).await.json;
    assert_eq!(known["rules"], json!([{ "rule": "dictionary", "label": "単語登録による置換", "count": 1 }]));
    assert_eq!(owner.post(&proposals, json!({ "pass": "guess" })).await.status, 422);
    assert_eq!(texts(&owner, &path).await[0], spoken[0].1, "looking changes nothing");
    let taken = |proposals: &Value, request: &str| json!({ "base_revision": 1, "request_id": request, "proposals": proposals });
    let body = taken(&known["proposals"], "a");
    assert_eq!(reader.post(&format!("{proposals}/accept"), body.clone()).await.status, 403);
    let first = owner.post(&format!("{proposals}/accept"), body.clone()).await;
    assert_eq!((first.status.as_u16(), &first.json["revision"]), (200, &json!(2)), "{:?}", first.json);
    assert_eq!(owner.post(&format!("{proposals}/accept"), body).await.json, first.json);
    let second = owner.post(&format!("{proposals}/accept"), taken(&cleaned.json["proposals"], "b")).await;
    assert_eq!(second.json["revision"], 3, "the older proposals are carried over: {:?}", second.json);
    let text = texts(&owner, &path).await.swap_remove(0);
    assert!(text.contains("齋藤委員") && !text.contains("えーと"), "{text}");
    owner.post(&format!("{path}/minutes/undo"), json!({ "request_id": "c" })).await;
    owner.post(&format!("{path}/minutes/undo"), json!({ "request_id": "d" })).await;
    assert_eq!(texts(&owner, &path).await[0], spoken[0].1);
}

#[tokio::test]
async fn a_proposal_for_a_text_that_is_gone_is_refused() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &[(1, "えーと、始めます。")]).await;
    let found = owner.post(&format!("{path}/proposals"), json!({ "pass": "clean" })).await.json;
    let ops = json!([{ "op": "set_text", "block": 1, "text": "開会します。" }]);
    assert_eq!(edit(&owner, &path, 1, "a", ops).await.status, 200);
    let body = json!({ "base_revision": 1, "request_id": "b", "proposals": found["proposals"] });
    let refused = owner.post(&format!("{path}/proposals/accept"), body).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (409, &json!("edit_conflict")));
    let none = json!({ "base_revision": 2, "request_id": "c", "proposals": [] });
    assert_eq!(owner.post(&format!("{path}/proposals/accept"), none).await.status, 422);
    assert_eq!(texts(&owner, &path).await[0], "開会します。");
}

#[tokio::test]
async fn find_and_replace_is_one_step_that_is_seen_before() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &[(1, "ＤＸ推進とDX研修。"), (2, "dxの話です。")]).await;
    let find = format!("{path}/find");
    let exact = owner.post(&find, json!({ "query": "DX" })).await.json;
    assert_eq!((&exact["count"], exact.get("proposals")), (&json!(1), None));
    let folding = json!({ "width": true, "case": true });
    let body = json!({ "query": "DX", "folding": folding, "replace_with": "デジタル" });
    let found = owner.post(&find, body).await.json;
    assert_eq!((&found["count"], &found["hits"][1]["left"]), (&json!(3), &json!("ＤＸ推進と")));
    let body = json!({ "base_revision": 1, "request_id": "a", "proposals": found["proposals"] });
    let done = owner.post(&format!("{path}/proposals/accept"), body).await;
    assert_eq!(done.json["revision"], 2, "{:?}", done.json);
    assert_eq!(texts(&owner, &path).await, ["デジタル推進とデジタル研修。", "デジタルの話です。"]);
    owner.post(&format!("{path}/minutes/undo"), json!({ "request_id": "b" })).await;
    assert_eq!(texts(&owner, &path).await[1], "dxの話です。");
    assert_eq!(owner.post(&find, json!({ "query": "" })).await.status, 422);
}

#[tokio::test]
async fn what_is_written_in_two_ways_is_told() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(
        &owner,
        &[(1, "予算は25人分です。"), (2, "２５人分，確かにあります。"), (1, "はい、そうです。")],
    )
    .await;
    let answer = owner.get(&format!("{path}/consistency")).await.json;
    let labels: Vec<&str> = answer["findings"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|finding| finding["label"].as_str())
        .collect();
    assert!(labels.contains(&"数字の全角・半角の混在"), "{answer:?}");
    assert!(labels.contains(&"読点（、／，）の混在"), "{answer:?}");
}

#[tokio::test]
async fn a_second_recognition_never_overwrites_an_edit() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting(&owner, json!({ "title": "定例会" })).await;
    let recording =
        heard(&office, &owner, &path, None, &["会議を開きます。", "余産について。", "以上です。"]).await;
    let ops = json!([{ "op": "splice", "block": 2, "at": 0, "remove": "余産", "insert": "決算" }]);
    assert_eq!(edit(&owner, &path, 1, "a", ops).await.status, 200);
    let renewed = ["会議を開きます。", "予算について。", "以上でした。"];
    heard(&office, &owner, &path, Some(recording), &renewed).await;
    let expected = ["会議を開きます。", "決算について。", "以上です。"];
    assert_eq!(texts(&owner, &path).await, expected, "a recognition alone changes nothing");
    let offers = owner.get(&format!("{path}/offers")).await.json;
    assert_eq!((&offers["revision"], &offers["transcript"]), (&json!(2), &json!(2)), "{offers:?}");
    let offered: Vec<(&Value, &Value)> = offers["offers"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|offer| (&offer["new"], &offer["edited"]))
        .collect();
    let (edited, plain) = (json!(true), json!(false));
    assert_eq!(offered, [(&json!("予算について。"), &edited), (&json!("以上でした。"), &plain)]);
    let taken = edit(&owner, &path, 2, "b", offers["offers"][1]["ops"].clone()).await;
    assert_eq!(taken.status, 200, "{:?}", taken.json);
    assert_eq!(texts(&owner, &path).await[1], "決算について。");
    let left = owner.get(&format!("{path}/offers?transcript=2")).await.json;
    assert_eq!(left["offers"].as_array().map(Vec::len), Some(1), "{left:?}");
    assert_eq!(owner.get(&format!("{path}/offers?transcript=9")).await.status, 404);
}

#[tokio::test]
async fn a_stretch_that_was_recognised_again_offers_nothing_about_the_rest() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting(&owner, json!({ "title": "定例会" })).await;
    let asked = json!({ "stretch": { "from_ms": 10_000, "until_ms": 14_000 } });
    let recognitions = format!("{path}/recognitions");
    assert_eq!(owner.post(&recognitions, asked.clone()).await.json["code"], "no_recording");
    let recording =
        heard(&office, &owner, &path, None, &["会議を開きます。", "余産について。", "以上です。"]).await;
    let ops = json!([{ "op": "splice", "block": 2, "at": 0, "remove": "余産", "insert": "決算" }]);
    assert_eq!(edit(&owner, &path, 1, "a", ops).await.status, 200);
    let stretch = Some(Stretch { from_ms: 10_000, until_ms: 14_000 });
    let settings = Settings { stretch, ..Settings::default() };
    let renewed = ["会議を開きます。", "余産について。", "以上でした。"];
    heard_as(&office, &owner, &path, (Some(recording), settings), &renewed).await;
    let offers = owner.get(&format!("{path}/offers")).await.json;
    let offered: Vec<&Value> =
        offers["offers"].as_array().expect("it is a list").iter().map(|offer| &offer["new"]).collect();
    assert_eq!(offered, [&json!("以上でした。")], "what was edited elsewhere is not asked about: {offers:?}");
    assert_eq!(offers["speakers"], json!([]));

    let again = owner.post(&recognitions, asked).await;
    assert_eq!(again.status, 201, "{:?}", again.json);
    assert_eq!(
        (&again.json["stretch"]["until_ms"], &again.json["expected_ms"]),
        (&json!(14_000), &json!(4_000))
    );
    for refused in [
        json!({ "stretch": { "from_ms": 5, "until_ms": 5 } }),
        json!({ "stretch": { "from_ms": 0, "until_ms": 299 } }),
        json!({ "stretch": { "from_ms": 9_000_000, "until_ms": 9_001_000 } }),
        json!({ "stretch": { "from_ms": 0, "until_ms": 5_000 }, "only_speakers": true }),
    ] {
        assert_eq!(owner.post(&recognitions, refused.clone()).await.status, 422, "{refused}");
    }
}

#[tokio::test]
async fn a_recognition_of_another_recording_is_no_offer() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting(&owner, json!({ "title": "定例会" })).await;
    heard(&office, &owner, &path, None, &["会議を開きます。"]).await;
    heard(&office, &owner, &path, None, &["別の会議です。"]).await;
    assert_eq!(owner.get(&format!("{path}/offers")).await.status, 422);
}
