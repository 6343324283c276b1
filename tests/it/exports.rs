//! Files by HTTP: what they hold, how they are called, who gets them.

use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, Person};
use crate::papers::{edit, id, meeting, meeting_with, whole};

const SPOKEN: [(u64, &str); 2] = [(1, "ただいまから会議を開きます。"), (2, "𠮷野家の件です。")];

async fn text(person: &Person, path: &str) -> String {
    let file = person.get(path).await;
    assert_eq!(file.status, 200, "{:?}", file.json);
    String::from_utf8(file.bytes).expect("it is UTF-8")
}

#[tokio::test]
async fn every_format_is_handed_out_under_a_name_of_its_own() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let begins: [(&str, &[u8]); 9] = [
        ("docx", b"PK"),
        ("xlsx", b"PK"),
        ("pdf", b"%PDF"),
        ("csv", b"\xef\xbb\xbf"),
        ("txt", b"\xef\xbb\xbf"),
        ("md", b"#"),
        ("srt", b""),
        ("vtt", b"WEBVTT"),
        ("json", b"{"),
    ];
    for (format, begin) in begins {
        let file = owner.get(&format!("{path}/export?as={format}")).await;
        assert_eq!(file.status, 200, "{format}: {:?}", file.json);
        assert!(file.bytes.starts_with(begin), "{format}");
        let name = file.headers["content-disposition"].to_str().expect("it is ASCII");
        let plain =
            format!("attachment; filename=\"gijiroku.{format}\"; filename*=UTF-8''%E5%AE%9A%E4%BE%8B");
        assert!(name.starts_with(&plain) && name.ends_with(&format!(".{format}")), "{name}");
        assert!(file.headers.contains_key("x-gijiroku-warnings"), "{format}");
    }
    assert_eq!(owner.get(&format!("{path}/export?as=exe")).await.status, 422);
    assert_eq!(owner.get(&format!("{path}/export?as=txt&colour=red")).await.status, 422);
}

#[tokio::test]
async fn a_file_holds_the_edited_text_and_nothing_that_is_hidden() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let ops = json!([
        { "op": "splice", "block": 1, "at": 0, "remove": "ただいま", "insert": "これ" },
        { "op": "set_hidden", "block": 2, "reason": "person" }
    ]);
    assert_eq!(edit(&owner, &path, 1, "a", ops).await.status, 200);
    let now = text(&owner, &format!("{path}/export?as=txt")).await;
    assert!(now.contains("これから会議を開きます。") && !now.contains("ただいま"), "{now}");
    assert!(!now.contains("野家"), "{now}");
    let first = text(&owner, &format!("{path}/export?as=txt&state=1")).await;
    assert!(first.contains("ただいまから会議を開きます。"), "{first}");
    assert_eq!(owner.get(&format!("{path}/export?as=txt&state=final")).await.status, 404);
    let step = async |action: &str| {
        owner.post(&format!("{path}/minutes/state"), json!({ "action": action })).await.status.as_u16()
    };
    assert_eq!((step("request_approval").await, step("finalise").await), (200, 200));
    let last = owner.get(&format!("{path}/export?as=txt&state=final")).await;
    assert_eq!(String::from_utf8(last.bytes).ok(), Some(now));
    let name = last.headers["content-disposition"].to_str().expect("it is ASCII");
    assert!(name.contains("%E7%A2%BA%E5%AE%9A%E7%89%88"), "確定版: {name}");
}

#[tokio::test]
async fn what_cp932_lacks_is_told_before_and_counted_after() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let told = owner.post(&format!("{path}/export/check?as=csv&encoding=cp932"), json!(null)).await.json;
    assert_eq!(
        (&told["warnings"][0]["kind"], &told["warnings"][0]["count"]),
        (&json!("unencodable"), &json!(1))
    );
    assert!(told["warnings"][0]["message"].as_str().is_some_and(|message| message.contains("CP932")));
    let file = owner.get(&format!("{path}/export?as=csv&encoding=cp932")).await;
    assert_eq!(file.headers["x-gijiroku-warnings"], "1");
    assert_eq!(file.headers["content-type"], "text/csv; charset=Windows-31J");
    let (read, _, damaged) = encoding_rs::SHIFT_JIS.decode(&file.bytes);
    assert!(!damaged && read.contains("〓野家の件です。"), "{read}");
    assert_eq!(owner.get(&format!("{path}/export?as=csv")).await.headers["x-gijiroku-warnings"], "0");
}

#[tokio::test]
async fn what_is_masked_is_in_no_published_copy_and_stays_in_the_original() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &[(1, "𠮷野家の件は佐藤一郎さんから。"), (2, "佐藤さん。")]).await;
    let before = owner.get(&format!("{path}/masks")).await.json;
    assert_eq!(before["masks"], json!([]));
    let list = json!({ "masks": [{ "text": "佐藤一郎", "with": "住民Ａ" }, { "text": "佐藤" }] });
    let kept = owner.put(&format!("{path}/masks"), list.clone()).await;
    assert_eq!(kept.status, 200, "{:?}", kept.json);
    let counts: Vec<_> =
        kept.json["masks"].as_array().expect("a list").iter().map(|one| &one["count"]).collect();
    assert_eq!(counts, [&json!(1), &json!(1)]);
    for format in ["txt", "md", "csv", "srt", "vtt"] {
        let copy = text(&owner, &format!("{path}/export?as={format}&public_names=true")).await;
        assert!(
            !copy.contains("佐藤") && copy.contains("住民Ａ") && copy.contains("■■■"),
            "{format}: {copy}"
        );
        let original = text(&owner, &format!("{path}/export?as={format}")).await;
        assert!(original.contains("佐藤一郎"), "{format}: {original}");
    }
    let table = text(&owner, &format!("{path}/masks.csv")).await;
    assert_eq!(table, "\u{feff}元の表記,公開用の表記,件数\r\n佐藤一郎,住民Ａ,1\r\n佐藤,■■■,1\r\n");
    let twice = json!({ "masks": [{ "text": "佐藤" }, { "text": "佐藤" }] });
    assert_eq!(owner.put(&format!("{path}/masks"), twice).await.status, 422);
    let reader = office.person("reader", Role::Staff, owner.department()).await;
    assert_eq!(reader.get(&format!("{path}/masks")).await.status, 200);
    assert_eq!(reader.put(&format!("{path}/masks"), list).await.status, 403);
    let lines = office.store.audit_lines(0, 1_000, None).await.expect("the log can be read");
    let told = lines.iter().filter(|line| line.event == "minutes.masks").count();
    assert_eq!(told, 1);
    assert!(lines.iter().all(|line| !format!("{line:?}").contains("佐藤")), "the log holds no content");
}

#[tokio::test]
async fn a_published_copy_knows_roles_and_is_never_json() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let path = meeting_with(&owner, &SPOKEN).await;
    let copy = text(&owner, &format!("{path}/export?as=txt&public_names=true")).await;
    assert!(copy.contains("会長") && !copy.contains("山田") && !copy.contains("鈴木"), "{copy}");
    let refused = owner.get(&format!("{path}/export?as=json&public_names=true")).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (422, &json!("export_refused")));
}

#[tokio::test]
async fn what_nobody_chose_is_as_the_template_says() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let template = json!({ "template": { "name": "様式", "fields": ["title"], "required": [],
        "speaker_layout": "space" } });
    let made = owner.post("/v1/templates", template).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    let word = format!("/v1/templates/{}/word", made.json["id"].as_str().expect("it has a name"));
    let request = owner.request(Method::PUT, &word).body(crate::export::own_template());
    assert_eq!(owner.send(request).await.status, 200);
    let path = meeting(&owner, json!({ "title": "定例会", "template": made.json["id"] })).await;
    assert_eq!(owner.post(&format!("{path}/minutes"), whole(&SPOKEN)).await.status, 201);
    let usual = text(&owner, &format!("{path}/export?as=txt")).await;
    assert!(!usual.contains("開催日"), "{usual}");
    assert!(usual.contains("会長　ただいまから") || usual.contains("山田　ただいまから"), "{usual}");
    let chosen = text(&owner, &format!("{path}/export?as=txt&header=title,held_on&era=western")).await;
    assert!(chosen.contains("2026年"), "{chosen}");
    let own = document(&owner.get(&format!("{path}/export?as=docx")).await.bytes);
    assert!(own.contains("様式第１号") && own.contains("定例会") && own.contains("開きます"), "{own}");
    let plain = document(&owner.get(&format!("{path}/export?as=docx&own_word=false")).await.bytes);
    assert!(!plain.contains("様式第１号"), "{plain}");
}

fn document(docx: &[u8]) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(docx)).expect("it is an archive");
    let entry = archive.by_name("word/document.xml").expect("it is a Word file");
    std::io::read_to_string(entry).expect("it is text")
}

#[tokio::test]
async fn an_export_is_in_the_audit_log_without_a_word_of_it() {
    let office = Office::open().await;
    let owner = office.administrator().await;
    let reader = office.person("reader", Role::Staff, owner.department()).await;
    let tax = office.department("税務課").await;
    let stranger = office.person("stranger", Role::Staff, tax).await;
    let path = meeting_with(&owner, &SPOKEN).await;
    assert_eq!(reader.get(&format!("{path}/export?as=md&public_names=true")).await.status, 200);
    assert_eq!(stranger.get(&format!("{path}/export?as=md")).await.status, 404);
    reader.post(&format!("{path}/export/check?as=md"), json!(null)).await;
    let lines = office.store.audit_lines(0, 1_000, Some(id(&path))).await.expect("the store answers");
    let exports: Vec<_> = lines.iter().filter(|line| line.event == "minutes.export").collect();
    assert_eq!(exports.len(), 1, "neither a refusal nor a check hands anything out");
    assert_eq!(exports[0].actor, Some(reader.id()));
    let facts: &Value = &exports[0].detail;
    assert_eq!(
        (&facts["format"], &facts["public"], &facts["state"]),
        (&json!("md"), &json!(true), &json!("current"))
    );
    assert!(!lines.iter().any(|line| line.detail.to_string().contains("会議を開きます")));
}
