//! Figures and log lines: enough to run the service, nothing of what people do in it.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};

use gijiroku::cli::logging;
use gijiroku::config::{Log, LogFormat};
use gijiroku::http::Settings;
use gijiroku::store::users::Role;
use reqwest::Method;
use serde_json::{Value, json};
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::fmt::MakeWriter;

use super::meeting;
use crate::office::{Office, PASSWORD};

#[tokio::test]
async fn figures_are_read_on_this_machine_or_by_administrators_and_name_nobody() {
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let staff = office.person("sato", Role::Staff, administrator.department()).await;
    meeting(&administrator, "極秘の会議").await;
    let id = meeting(&administrator, "別の会議").await;
    administrator.get(&format!("/v1/meetings/{id}")).await;
    administrator.get("/no/such/path?q=極秘").await;
    let answer = office.stranger().get("/metrics").await;
    let text = String::from_utf8(answer.bytes).expect("it is text");
    for name in [
        "gijiroku_http_requests_total{",
        "gijiroku_http_request_duration_seconds_bucket{",
        "gijiroku_queue_oldest_wait_seconds",
        "gijiroku_database_latency_seconds",
        "gijiroku_disk_free_bytes",
        "gijiroku_sessions",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(text.contains("route=\"/v1/meetings/{id}\""), "{text}");
    for secret in ["極秘", &id, "sato", "such", PASSWORD] {
        assert!(!text.contains(secret), "{secret}");
    }
    let through_proxy = |person: &crate::office::Person| {
        person.request(Method::GET, "/metrics").header("x-forwarded-for", "203.0.113.9")
    };
    let stranger = office.stranger();
    assert_eq!(stranger.send(through_proxy(&stranger)).await.status, 401);
    assert_eq!(staff.send(through_proxy(&staff)).await.status, 403);
    assert_eq!(administrator.send(through_proxy(&administrator)).await.status, 200);
}

#[tokio::test]
async fn the_free_space_of_the_data_folder_is_told_on_postgresql_too() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let office = Office::open_at(folder, &crate::postgres::database(), Settings::default()).await;
    let answer = office.stranger().get("/metrics").await;
    let text = String::from_utf8(answer.bytes).expect("it is text");
    let told = text.lines().find_map(|line| line.strip_prefix("gijiroku_disk_free_bytes "));
    assert!(told.and_then(|told| told.parse::<f64>().ok()).is_some_and(|bytes| bytes > 0.0), "{text}");
}

/// Where a test's log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A second listener, so that tracing asks all of them whether a line is wanted. With one alone it asks only the thread
/// that comes to a line first, and what another test's thread, which has none, answers is kept for everybody.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Plays a small story and returns what was logged of it at the most talkative setting.
async fn logged(format: LogFormat) -> String {
    LazyLock::force(&SECOND);
    let lines = Lines::default();
    let log = Log { format, filter: "trace".to_owned() };
    let subscriber = logging::lines(&log, lines.clone()).expect("the filter is one");
    // The test's runtime has one thread, which also runs the server.
    let _guard = tracing::subscriber::set_default(subscriber);
    let office = Office::open().await;
    let administrator = office.administrator().await;
    let id = meeting(&administrator, "極秘の会議").await;
    administrator.get("/v1/meetings?limit=1&word=発言の中身").await;
    administrator.patch(&format!("/v1/meetings/{id}"), json!({ "title": "発言の中身" })).await;
    office.stranger().sign_in("admin", "wrong secret words").await;
    let with_id = administrator.request(Method::GET, "/v1/meetings").header("x-request-id", "yamada");
    administrator.send(with_id).await;
    let token = administrator.with_token("very-secret-token");
    assert_eq!(token.get("/v1/meetings").await.status, 401);
    let bytes = lines.0.lock().expect("nobody panicked").clone();
    String::from_utf8(bytes).expect("log lines are text")
}

#[tokio::test]
async fn a_log_line_tells_the_request_and_nothing_of_its_content() {
    let text = logged(LogFormat::Text).await;
    assert!(text.contains("/v1/meetings/{id}") && text.contains("PATCH"), "{text}");
    for secret in [
        PASSWORD,
        "wrong secret words",
        "very-secret-token",
        "極秘",
        "発言の中身",
        "%E7%99%BA",
        "管理 太郎",
        "yamada",
        "limit=1",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn log_lines_for_collectors_are_json_with_the_same_fields() {
    let text = logged(LogFormat::Json).await;
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert!(answered.len() >= 5, "{text}");
    for line in answered {
        for field in ["method", "route", "status", "duration_ms", "request.id", "timestamp", "level"] {
            assert!(!line[field].is_null(), "{field} in {line}");
        }
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let log = Log { format: LogFormat::Text, filter: "gijiroku=loud".to_owned() };
    assert!(logging::lines(&log, io::stderr).is_err());
}
