//! Operation: the audit log, backups, retention, figures and log lines, as an administrator meets them.

mod backups;
mod monitoring;
mod nightly;
mod remote;
mod sweeping;

use std::io::Write as _;
use std::path::Path;

use gijiroku::store::blobs::{BlobKey, Blobs, Settings};
use gijiroku::store::{Id, folder};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, SqliteConnection};

use crate::office::{Office, Person};
use crate::support::{gijiroku, text};

/// Runs a statement in the office's own file, as another program would.
async fn sql(data: &Path, statement: &str, values: &[&str]) {
    let url = format!("sqlite://{}", folder::database_in(data).display());
    let mut connection = SqliteConnection::connect(&url).await.expect("the file is a database");
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
    for value in values {
        query = query.bind(*value);
    }
    query.execute(&mut connection).await.expect("the statement fits the tables");
    connection.close().await.expect("the file can be closed");
}

/// Returns the office's recordings.
async fn blobs(data: &Path) -> Blobs {
    let settings = Settings::Local { folder: folder::audio_in(data) };
    Blobs::open(settings).await.expect("the folder can be made")
}

/// Keeps a recording of a meeting, as a finished upload would be.
async fn recording(data: &Path, person: &Person, meeting: &str, bytes: &[u8]) -> BlobKey {
    recording_in(&blobs(data).await, data, person, meeting, bytes).await
}

/// Keeps a recording in a store.
async fn recording_in(blobs: &Blobs, data: &Path, person: &Person, meeting: &str, bytes: &[u8]) -> BlobKey {
    let mut staged = tempfile::NamedTempFile::new_in(data).expect("there is room");
    staged.write_all(bytes).expect("there is room");
    let id = Id::new().to_string();
    let key: BlobKey = format!("audio/{id}").parse().expect("it is a key");
    let path = staged.into_temp_path();
    blobs.seal(&path, &key, None).await.expect("it can be sealed");
    let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let statement = format!(
        "INSERT INTO recordings (id, meeting_id, user_id, blob, bytes, sha256, file_name, mime, created_at) VALUES \
         (?, ?, ?, ?, {}, ?, 'a.wav', 'audio/wav', 1)",
        bytes.len()
    );
    sql(data, &statement, &[&id, meeting, &person.id().to_string(), key.as_str(), &sha256]).await;
    key
}

/// Makes a meeting and returns its name inside the product.
async fn meeting(person: &Person, title: &str) -> String {
    let answer = person.post("/v1/meetings", json!({ "title": title })).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json);
    answer.json["id"].as_str().expect("a meeting has a name").to_owned()
}

#[tokio::test]
async fn the_audit_log_is_read_by_administrators_and_auditors_only() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let id = meeting(&administrator, "定例会").await;
    let department = administrator.department();
    let auditor = office.person("kansa", gijiroku::store::users::Role::Auditor, department).await;
    let staff = office.person("sato", gijiroku::store::users::Role::Staff, department).await;
    for path in [
        "/v1/audit",
        "/v1/audit/verify",
        "/v1/audit.csv",
        "/v1/audit/find",
        "/v1/retention/due",
        "/v1/erasures",
    ] {
        assert_eq!(staff.get(path).await.status, 403, "{path}");
        assert_eq!(auditor.get(path).await.status, 200, "{path}");
    }
    let all = administrator.get("/v1/audit?limit=2").await.json;
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let next = administrator.get("/v1/audit?after=2&limit=1").await.json;
    assert_eq!(next[0]["seq"], 3);
    let of_meeting = administrator.get(&format!("/v1/audit?meeting={id}")).await.json;
    assert_eq!(of_meeting[0]["event"], "meeting.create");
    let verified = administrator.get("/v1/audit/verify").await.json;
    assert_eq!(verified["verdict"], "whole");
    let anchor = verified["last"].as_str().expect("a whole log has a last hash");
    let again = administrator.get(&format!("/v1/audit/verify?anchor={anchor}")).await.json;
    assert_eq!(again["verdict"], "whole");
    assert_eq!(administrator.get("/v1/audit/verify?anchor=x").await.status, 422);
}

#[tokio::test]
async fn the_audit_log_is_searched_newest_first() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let (first, second) = (meeting(&administrator, "定例会").await, meeting(&administrator, "本会議").await);
    // What the administrator did: the sample meeting was there before.
    let me = administrator.id();
    let found = async |query: String| {
        let answer = administrator.get(&format!("/v1/audit/find?actor={me}&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {:?}", answer.json);
        let lines = answer.json.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["meeting"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("event=meeting.create".into()).await, [second.clone(), first.clone()]);
    assert_eq!(found("event=meeting".into()).await, [second.clone(), first.clone()], "a kind of events");
    assert!(found("event=meet".into()).await.is_empty(), "half a word is no kind");
    assert_eq!(found(format!("event=meeting&meeting={first}")).await, std::slice::from_ref(&first));
    assert_eq!(found("event=meeting&limit=1".into()).await, [second]);
    assert!(found("event=meeting&result=refused".into()).await.is_empty());
    assert_eq!(found("event=meeting&result=done".into()).await.len(), 2);
    assert!(found("event=meeting&to=1".into()).await.is_empty());
    assert_eq!(found("event=meeting&from=1".into()).await.len(), 2);
    let newest = administrator.get(&format!("/v1/audit/find?actor={me}&event=meeting&limit=1")).await.json;
    let before = newest[0]["seq"].as_u64().expect("a line has a number");
    assert_eq!(found(format!("event=meeting&before={before}")).await, [first]);
}

#[tokio::test]
async fn the_log_is_taken_away_as_a_table_without_a_title_in_it() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    meeting(&administrator, "極秘の会議").await;
    let answer = administrator.get("/v1/audit.csv").await;
    let table = String::from_utf8(answer.bytes).expect("it is UTF-8");
    assert!(table.starts_with('\u{feff}') && table.ends_with("\r\n"));
    assert!(table.contains("meeting.create") && table.contains("audit.export"));
    assert!(!table.contains("極秘"));
}

#[tokio::test]
async fn the_command_line_tells_a_whole_log_from_a_broken_one() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    meeting(&administrator, "定例会").await;
    let data = office.folder.path();
    let whole = gijiroku(&["audit", "verify", "--data", text(data)]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let table = data.join("audit.csv");
    let exported = gijiroku(&["audit", "export", "--data", text(data), "--to", text(&table)]);
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    assert!(std::fs::read_to_string(&table).expect("it was written").contains("audit.verify"));
    let missing = gijiroku(&["audit", "verify", "--data", text(data), "--anchor", &"0a".repeat(32)]);
    assert_eq!(missing.status.code(), Some(6), "{missing:?}");
    sql(data, "DROP TRIGGER audit_is_never_changed", &[]).await;
    sql(data, "UPDATE audit SET address = '192.0.2.9' WHERE seq = 2", &[]).await;
    let broken = gijiroku(&["audit", "verify", "--data", text(data)]);
    assert_eq!(broken.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&broken.stdout).contains("2 行目"), "{broken:?}");
}
