use sqlx::{Connection as _, SqliteConnection};

use super::*;
use crate::store::Location;

const LINES: u64 = 6;

/// A store whose log has six lines, in a folder of its own.
async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let location = Location::File(folder.path().join("gijiroku.sqlite"));
    let store = Store::open(&location).await.expect("a new database can be made");
    let actor = Actor { user: Some(Id::new()), address: "192.0.2.1".to_owned() };
    for number in 0..LINES {
        let at = UnixMs::from_ms(number as i64);
        let entry = Entry::done(&actor, at, "test.line", number).with(serde_json::json!({ "n": number }));
        store.note(entry).await.expect("a line can be written");
    }
    (folder, store)
}

/// Runs statements as somebody would who has the file and another program.
async fn tamper(folder: &tempfile::TempDir, sql: &'static str) -> Result<(), sqlx::Error> {
    let url = format!("sqlite://{}", folder.path().join("gijiroku.sqlite").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::raw_sql(sql).execute(&mut connection).await?;
    connection.close().await
}

async fn verdict_after(sql: &'static str) -> Verdict {
    let (folder, store) = store().await;
    let unlock = "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted;";
    tamper(&folder, unlock).await.expect("who has the file can do anything");
    tamper(&folder, sql).await.expect("who has the file can do anything");
    store.audit_verify(None).await.expect("the database answers")
}

#[tokio::test]
async fn an_untouched_log_is_whole_and_says_its_last_hash() {
    let (_folder, store) = store().await;
    let lines = store.audit_lines(0, 100, None).await.expect("the database answers");
    let last = lines.last().expect("there are lines").hash.clone();
    assert_eq!(store.audit_verify(None).await.expect("it answers"), Verdict::Whole { lines: LINES, last });
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_remove_a_line() {
    let (folder, _store) = store().await;
    assert!(tamper(&folder, "UPDATE audit SET event = 'x' WHERE seq = 2").await.is_err());
    assert!(tamper(&folder, "DELETE FROM audit WHERE seq = 2").await.is_err());
}

#[tokio::test]
async fn a_changed_line_is_found_whatever_was_changed_of_it() {
    for sql in [
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET actor_id = NULL WHERE seq = 3",
        "UPDATE audit SET address = '192.0.2.2' WHERE seq = 3",
        "UPDATE audit SET event = 'other' WHERE seq = 3",
        "UPDATE audit SET meeting_id = actor_id WHERE seq = 3",
        "UPDATE audit SET subject = 'other' WHERE seq = 3",
        "UPDATE audit SET detail = '{\"n\":9}' WHERE seq = 3",
        "UPDATE audit SET result = 'refused' WHERE seq = 3",
        "UPDATE audit SET hash = previous WHERE seq = 3",
    ] {
        assert_eq!(verdict_after(sql).await, Verdict::Broken { seq: 3, reason: Misfit::Changed }, "{sql}");
    }
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_found_and_no_failure() {
    for sql in [
        "UPDATE audit SET detail = '{' WHERE seq = 3",
        "UPDATE audit SET actor_id = 'nobody' WHERE seq = 3",
        "UPDATE audit SET result = 'fine' WHERE seq = 3",
    ] {
        assert_eq!(verdict_after(sql).await, Verdict::Broken { seq: 3, reason: Misfit::Unreadable }, "{sql}");
    }
}

#[tokio::test]
async fn a_removed_line_is_found_with_and_without_its_gap() {
    let removed = verdict_after("DELETE FROM audit WHERE seq = 3").await;
    assert_eq!(removed, Verdict::Broken { seq: 3, reason: Misfit::Missing });
    let closed = "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3;";
    assert_eq!(verdict_after(closed).await, Verdict::Broken { seq: 3, reason: Misfit::Previous });
    let first = "DELETE FROM audit WHERE seq = 1";
    assert_eq!(verdict_after(first).await, Verdict::Broken { seq: 1, reason: Misfit::Missing });
}

#[tokio::test]
async fn an_inserted_line_is_found() {
    let inserted = "UPDATE audit SET seq = seq + 100 WHERE seq > 3; UPDATE audit SET seq = seq - 99 WHERE seq > 100; \
                    INSERT INTO audit SELECT 4, at, actor_id, address, event, meeting_id, subject, detail, result, hash, \
                    hash FROM audit WHERE seq = 3;";
    assert_eq!(verdict_after(inserted).await, Verdict::Broken { seq: 4, reason: Misfit::Changed });
}

#[tokio::test]
async fn lines_in_another_order_are_found() {
    let swapped = "UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET \
                   seq = 4 WHERE seq = 100;";
    assert_eq!(verdict_after(swapped).await, Verdict::Broken { seq: 3, reason: Misfit::Previous });
}

#[tokio::test]
async fn lines_cut_off_the_end_are_found_by_the_anchor_only() {
    let (folder, store) = store().await;
    let lines = store.audit_lines(0, 100, None).await.expect("the database answers");
    let anchor = &lines.last().expect("there are lines").hash;
    tamper(&folder, "DROP TRIGGER audit_is_never_deleted; DELETE FROM audit WHERE seq > 4;")
        .await
        .expect("who has the file can do anything");
    assert!(matches!(store.audit_verify(None).await, Ok(Verdict::Whole { lines: 4, .. })));
    assert_eq!(
        store.audit_verify(Some(anchor)).await.expect("the database answers"),
        Verdict::Broken { seq: 5, reason: Misfit::AnchorMissing }
    );
    let earlier = &lines[2].hash;
    assert!(matches!(store.audit_verify(Some(earlier)).await, Ok(Verdict::Whole { lines: 4, .. })));
}
