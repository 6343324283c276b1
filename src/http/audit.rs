//! The audit log: read, verified and taken away by administrators and auditors; nobody changes it.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::{Caller, Query};
use super::error::{Code, Problem};
use crate::clock::UnixMs;
use crate::store::audit::find::Wanted;
use crate::store::audit::{Entry, Line, Outcome, Verdict, csv};
use crate::store::users::Role;
use crate::store::{Id, StoreError};

/// Who reads the log.
const READERS: [Role; 2] = [Role::Administrator, Role::Auditor];
/// Most lines of a page.
const PAGE_MAX: u32 = 1000;

/// A page of the log.
#[derive(Deserialize, IntoParams)]
pub struct AuditPage {
    /// The number of the line after which the page begins; 0 for the first.
    after: Option<u64>,
    /// Most lines on it, at most 1000.
    limit: Option<u32>,
    /// Only what concerns this meeting.
    meeting: Option<Id>,
}

/// What is looked for in the log; what is absent is not asked.
#[derive(Deserialize, IntoParams)]
pub struct AuditFind {
    /// Only lines before the one with this number: the next page.
    before: Option<u64>,
    /// Most lines, at most 1000.
    limit: Option<u32>,
    /// An event, or a kind of events such as `meeting`.
    event: Option<String>,
    /// Who did it.
    actor: Option<Id>,
    /// On which meeting.
    meeting: Option<Id>,
    /// How it ended.
    result: Option<Outcome>,
    /// Not earlier, in milliseconds since 1970.
    #[param(value_type = Option<i64>)]
    from: Option<UnixMs>,
    /// Earlier than this, in milliseconds since 1970.
    #[param(value_type = Option<i64>)]
    to: Option<UnixMs>,
}

/// What to compare with.
#[derive(Deserialize, IntoParams)]
pub struct AuditAnchor {
    /// A last hash that was written down earlier: it must still be there.
    anchor: Option<String>,
}

/// What verifying found.
#[derive(Serialize, ToSchema)]
pub struct Verified {
    /// Whether every line fits.
    #[serde(flatten)]
    verdict: Verdict,
    /// The same as a sentence.
    sentence: String,
    /// The same of the log of seats.
    seats: Verdict,
}

/// Lists lines of the audit log, oldest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditPage),
    responses((status = 200, body = Vec<Line>), (status = 403, body = Problem)))]
pub async fn lines(
    State(app): State<Shared>,
    caller: Caller,
    Query(page): Query<AuditPage>,
) -> Result<Json<Vec<Line>>, Problem> {
    caller.require(&READERS)?;
    let limit = page.limit.unwrap_or(100).clamp(1, PAGE_MAX);
    Ok(Json(app.store.audit_lines(page.after.unwrap_or(0), limit, page.meeting).await?))
}

/// Finds lines of the audit log, newest first.
#[utoipa::path(get, path = "/v1/audit/find", tag = "audit", params(AuditFind),
    responses((status = 200, body = Vec<Line>), (status = 403, body = Problem)))]
pub async fn find(
    State(app): State<Shared>,
    caller: Caller,
    Query(find): Query<AuditFind>,
) -> Result<Json<Vec<Line>>, Problem> {
    caller.require(&READERS)?;
    let limit = find.limit.unwrap_or(100).clamp(1, PAGE_MAX);
    let AuditFind { before, event, actor, meeting, result, from, to, .. } = find;
    let wanted = Wanted { before, event, actor, meeting, result, from, to };
    Ok(Json(app.store.find_audit_lines(&wanted, limit).await?))
}

/// Recomputes every hash of the log.
#[utoipa::path(get, path = "/v1/audit/verify", tag = "audit", params(AuditAnchor),
    responses((status = 200, body = Verified), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn verify(
    State(app): State<Shared>,
    caller: Caller,
    Query(AuditAnchor { anchor }): Query<AuditAnchor>,
) -> Result<Json<Verified>, Problem> {
    caller.require(&READERS)?;
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let anchor = anchor.map(|text| text.trim().to_lowercase());
    if anchor.as_deref().is_some_and(|text| !is_hash(text)) {
        return Err(Problem::new(Code::Invalid).about("anchor: 16 進数 64 文字"));
    }
    let verdict = app.store.audit_verify(anchor.as_deref()).await?;
    let entry = Entry::done(&caller.actor, app.now(), "audit.verify", "");
    app.store.note(entry.with(serde_json::json!(verdict))).await?;
    let sentence = match &verdict {
        Verdict::Whole { lines, .. } => format!("監査記録 {lines} 行はすべて記録されたときのままです。"),
        Verdict::Broken { seq, reason } => format!("監査記録の {seq} 行目: {}", reason.sentence()),
    };
    let seats = app.store.seat_verify().await?;
    let sentence = match &seats {
        Verdict::Whole { lines, .. } => format!("{sentence}席の記録 {lines} 行も同様です。"),
        Verdict::Broken { seq, reason } => format!("{sentence}席の記録の {seq} 行目: {}", reason.sentence()),
    };
    Ok(Json(Verified { verdict, sentence, seats }))
}

/// Takes the whole log away as a table.
#[utoipa::path(get, path = "/v1/audit.csv", tag = "audit",
    responses((status = 200, content_type = "text/csv", body = String), (status = 403, body = Problem)))]
pub async fn table(State(app): State<Shared>, caller: Caller) -> Result<Response, Problem> {
    caller.require(&READERS)?;
    app.store.note(Entry::done(&caller.actor, app.now(), "audit.export", "")).await?;
    // The table is sent page by page: a log of years never lies in memory.
    let pages = stream::try_unfold(None, move |after: Option<u64>| {
        let app = Shared::clone(&app);
        async move {
            let Some(after) = after else { return Ok(Some((Bytes::from(csv::head()), Some(0)))) };
            let lines = app.store.audit_lines(after, PAGE_MAX, None).await?;
            let Some(last) = lines.last() else { return Ok(None) };
            let next = Some(last.seq);
            let text: String = lines.iter().map(csv::row).collect();
            Ok::<_, StoreError>(Some((Bytes::from(text), next)))
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}
