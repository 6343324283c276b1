//! Figures for a monitor, in the text format of Prometheus, and one log line a request.
//!
//! Who may read them: a program on the same machine that no proxy speaks for, and administrators and auditors.
//! No label holds a name, a title or a word spoken; every label has few values.

mod live;
mod seats;

use std::net::SocketAddr;
use std::sync::OnceLock;

use axum::extract::{ConnectInfo, FromRequestParts as _, MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::Shared;
use super::auth::Caller;
use super::error::{Code, Problem};
use crate::clock::Mono;
use crate::speech::engine::Health;
use crate::store::users::Role;

/// Durations in seconds up to which requests are counted together.
const BUCKETS_S: [f64; 9] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// What stands for a path that is no route.
const OTHER: &str = "other";
/// Longest request id that is written down.
const REQUEST_ID_CHARS_MAX: usize = 64;

const REQUESTS: &str = "gijiroku_http_requests_total";
const DURATION: &str = "gijiroku_http_request_duration_seconds";
const JOBS: &str = "gijiroku_jobs";
const WAIT: &str = "gijiroku_queue_oldest_wait_seconds";
const SPEED: &str = "gijiroku_real_time_factor";
const ENGINE: &str = "gijiroku_engine_up";
const LATENCY: &str = "gijiroku_database_latency_seconds";
const DISK: &str = "gijiroku_disk_free_bytes";
const BACKUP_AGE: &str = "gijiroku_backup_age_seconds";
const BACKUP_FAILING: &str = "gijiroku_backup_failing";
const SESSIONS: &str = "gijiroku_sessions";

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count, once a process; `None` if something else counts already.
pub fn install() -> Option<&'static PrometheusHandle> {
    let begin = || {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS_S).ok()?;
        let handle = builder.install_recorder().ok()?;
        metrics::describe_counter!(REQUESTS, "Requests by method, route and class of status");
        metrics::describe_histogram!(DURATION, "Seconds until a request was answered");
        metrics::describe_gauge!(JOBS, "Jobs by state");
        metrics::describe_gauge!(WAIT, "Seconds the first job of the queue has been waiting");
        metrics::describe_gauge!(SPEED, "Seconds of work per second of sound, jobs of the last day");
        metrics::describe_gauge!(ENGINE, "Whether the recogniser works");
        metrics::describe_gauge!(LATENCY, "Seconds the database took to answer a trivial question");
        metrics::describe_gauge!(DISK, "Bytes free where the data folder is");
        metrics::describe_gauge!(BACKUP_AGE, "Seconds since the last whole nightly backup was begun");
        metrics::describe_gauge!(
            BACKUP_FAILING,
            "Whether the last try of a nightly backup failed or left gaps"
        );
        metrics::describe_gauge!(SESSIONS, "Sessions that have not ended");
        seats::describe();
        live::describe();
        Some(handle)
    };
    HANDLE.get_or_init(begin).as_ref()
}

/// Returns the figures as text.
#[utoipa::path(get, path = "/metrics", tag = "operation", security(()),
    responses((status = 200, content_type = "text/plain", body = String), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub async fn figures(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    if !is_from_here(&parts) {
        let caller = Caller::from_request_parts(&mut parts, &app).await?;
        caller.require(&[Role::Administrator, Role::Auditor])?;
    }
    let handle = install().ok_or(Code::Unavailable)?;
    let asked = Mono::now();
    app.store.ping().await?;
    metrics::gauge!(LATENCY).set((Mono::now() - asked).as_secs_f64());
    let figures = app.store.figures(app.now()).await?;
    for (state, count) in figures.jobs {
        metrics::gauge!(JOBS, "state" => state).set(count as f64);
    }
    metrics::gauge!(WAIT).set(figures.oldest_wait.as_secs_f64());
    metrics::gauge!(SESSIONS).set(figures.sessions as f64);
    if let Some(factor) = figures.real_time_factor {
        metrics::gauge!(SPEED).set(factor);
    }
    metrics::gauge!(DISK).set(app.staging.free_bytes()? as f64);
    if let Some(age) = figures.backup_age {
        metrics::gauge!(BACKUP_AGE).set(age.as_secs_f64());
    }
    if let Some(is_failing) = figures.is_backup_failing {
        metrics::gauge!(BACKUP_FAILING).set(f64::from(u8::from(is_failing)));
    }
    if let Some(is_up) = engine_works(&app) {
        metrics::gauge!(ENGINE).set(f64::from(u8::from(is_up)));
    }
    seats::tell(&app).await?;
    live::tell(&app);
    handle.run_upkeep();
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response())
}

/// Tells whether this node's recogniser works; `None` before its first job.
fn engine_works(app: &Shared) -> Option<bool> {
    let condition = app.store.pulse().condition(Mono::now());
    let health = condition.engine?;
    Some(matches!(health, Health::Starting | Health::Up) && !condition.is_wedged)
}

/// Tells a program on this machine. What a proxy passes on comes from this machine too, and says for whom.
fn is_from_here(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let is_passed_on = ["x-forwarded-for", "forwarded", "via", "x-real-ip"]
        .iter()
        .any(|name| parts.headers.contains_key(*name));
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && !is_passed_on
}

/// Counts a request and writes its log line: never a query, a body, a name, a token or a word spoken.
pub async fn observe(request: Request, next: Next) -> Response {
    install();
    let begun = Mono::now();
    let method = method_word(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| OTHER.to_owned());
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let id = id.filter(|id| is_plain(id)).unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let (status, took) = (response.status(), Mono::now() - begun);
    metrics::counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => class(status))
        .increment(1);
    metrics::histogram!(DURATION, "method" => method, "route" => route.clone()).record(took.as_secs_f64());
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if matches!(route.as_str(), "/healthz" | "/metrics") {
        tracing::debug!(method, route, status, duration_ms, request.id = id, "answered a monitor");
    } else {
        tracing::info!(method, route, status, duration_ms, request.id = id, "answered");
    }
    response
}

/// Returns a method as one of few words.
fn method_word(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// A client may choose its request's id, but not write into our log with it.
fn is_plain(id: &str) -> bool {
    id.len() <= REQUEST_ID_CHARS_MAX && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(peer: Option<[u8; 4]>, header: Option<&'static str>) -> Parts {
        let mut request = axum::http::Request::new(());
        if let Some(ip) = peer {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from((ip, 1))));
        }
        if let Some(name) = header {
            request.headers_mut().insert(name, axum::http::HeaderValue::from_static("203.0.113.9"));
        }
        request.into_parts().0
    }

    #[test]
    fn only_this_machine_itself_reads_the_figures_without_signing_in() {
        assert!(is_from_here(&parts(Some([127, 0, 0, 1]), None)));
        assert!(!is_from_here(&parts(Some([192, 0, 2, 1]), None)));
        assert!(!is_from_here(&parts(Some([127, 0, 0, 1]), Some("x-forwarded-for"))));
        assert!(!is_from_here(&parts(None, None)));
    }

    #[test]
    fn labels_and_ids_take_few_forms_whatever_a_client_sends() {
        let odd = Method::from_bytes(b"YAMADA").expect("any word is a method");
        assert_eq!(method_word(&odd), OTHER);
        assert!(is_plain("0199c0de-8b5e-7c3a-9a41-2f6d1e0b7c55"));
        assert!(!is_plain("山田") && !is_plain("secret words") && !is_plain(&"a".repeat(65)));
    }
}
