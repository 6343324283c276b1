//! What will be erased, and the proof of what was.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::access::{self, Standing};
use super::auth::{Caller, Path};
use super::error::{Code, Problem};
use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::audit::csv::told_in_japan;
use crate::store::retention::{Certificate, Due, What};
use crate::store::sessions::Scope;
use crate::store::users::Role;

/// Most entries that are told.
const DUE_MAX: u32 = 1000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What will be erased.
#[derive(Serialize, ToSchema)]
pub struct Foreseen {
    /// Within 7 days, or overdue because a job works on it.
    in_7_days: Vec<Due>,
    /// After that, within 30 days.
    in_30_days: Vec<Due>,
}

/// Tells what will be erased in the next 7 and 30 days; what is under 法的保留 is not among it.
#[utoipa::path(get, path = "/v1/retention/due", tag = "retention",
    responses((status = 200, body = Foreseen), (status = 403, body = Problem)))]
pub async fn due(State(app): State<Shared>, caller: Caller) -> Result<Json<Foreseen>, Problem> {
    caller.require(&[Role::Administrator, Role::Auditor])?;
    let now = app.now();
    let due = app.store.due(now.plus(30 * DAY), DUE_MAX).await?;
    let (in_7_days, in_30_days) = due.into_iter().partition(|due| due.at <= now.plus(7 * DAY));
    Ok(Json(Foreseen { in_7_days, in_30_days }))
}

/// Lists the erasures of the whole office, newest first, at most 1,000.
#[utoipa::path(get, path = "/v1/erasures", tag = "retention",
    responses((status = 200, body = Vec<Certificate>), (status = 403, body = Problem)))]
pub async fn newest(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<Certificate>>, Problem> {
    caller.require(&[Role::Administrator, Role::Auditor])?;
    Ok(Json(app.store.newest_erasures(DUE_MAX).await?))
}

/// Lists the erasures of a meeting, oldest first.
#[utoipa::path(get, path = "/v1/meetings/{id}/erasures", tag = "retention", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<Certificate>), (status = 404, body = Problem)))]
pub async fn erasures(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<Certificate>>, Problem> {
    require_known(&app, &caller, id).await?;
    Ok(Json(app.store.erasures(id).await?))
}

/// Shows a 消去証明書.
#[utoipa::path(get, path = "/v1/erasures/{id}", tag = "retention", params(("id" = Id, Path)),
    responses((status = 200, body = Certificate), (status = 404, body = Problem)))]
pub async fn erasure(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Certificate>, Problem> {
    known_erasure(&app, &caller, id).await.map(Json)
}

/// Shows a 消去証明書 as a text to be printed.
#[utoipa::path(get, path = "/v1/erasures/{id}/text", tag = "retention", params(("id" = Id, Path)),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub async fn erasure_text(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<impl IntoResponse, Problem> {
    let certificate = known_erasure(&app, &caller, id).await?;
    let by = match certificate.by {
        Some(user) => app.store.user(user).await?.map_or_else(|| user.to_string(), |user| user.name),
        None => "サーバー(期日による自動消去)".to_owned(),
    };
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text(&certificate, &by)?))
}

async fn known_erasure(app: &Shared, caller: &Caller, id: Id) -> Result<Certificate, Problem> {
    let certificate = app.store.erasure(id).await?.ok_or(Code::NotFound)?;
    require_known(app, caller, certificate.meeting).await?;
    Ok(certificate)
}

/// Lets through who may know of the meeting; the proof outlives it, for those who answer for it.
async fn require_known(app: &Shared, caller: &Caller, meeting: Id) -> Result<(), Problem> {
    caller.require_scope(Scope::Read)?;
    if access::may_audit(&caller.user) {
        return Ok(());
    }
    caller.meeting(app, meeting, Standing::Known).await.map(drop)
}

/// Writes a certificate for a person.
fn text(certificate: &Certificate, by: &str) -> Result<String, Problem> {
    let (count, bytes) = certificate.totals();
    let what = match certificate.what {
        What::Audio => "録音",
        What::Minutes => "文字起こしと議事録",
        What::Everything => "会議のすべて(録音、文字起こし、議事録)",
    };
    let date = |at: Option<UnixMs>| at.map_or_else(|| "処理中".to_owned(), told_in_japan);
    let entry = certificate.audit_seq.map_or_else(|| "処理中".to_owned(), |seq| format!("{seq} 行目"));
    let mut lines = vec![
        "消去証明書".to_owned(),
        String::new(),
        format!("管理番号: {}", certificate.id),
        format!("会議名: {}", certificate.title),
        format!("会議ID: {}", certificate.meeting),
        format!("対象: {what} {count} 件 {bytes} バイト"),
        format!("方式: {}", certificate.method),
        format!("開始日時: {}", told_in_japan(certificate.begun_at)),
        format!("完了日時: {}", date(certificate.erased_at)),
        format!("実施者: {by}"),
        format!("立会者: {}", certificate.witness.as_deref().unwrap_or("なし")),
        format!("監査記録: {entry}"),
        format!("この記録の sha256: {}", certificate.sha256()?),
        String::new(),
        "消去したもの".to_owned(),
    ];
    lines.extend(certificate.items.iter().map(|item| {
        let name = item.name.as_deref().unwrap_or("-");
        format!("{} {name} {} 件 {} バイト sha256 {}", item.kind, item.count, item.bytes, item.sha256)
    }));
    lines.push(String::new());
    Ok(lines.join("\n"))
}
