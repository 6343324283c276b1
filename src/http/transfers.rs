//! 人事異動: lists of people in and out, and the changes that wait for their day.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Path, Query};
use super::error::{Code, Problem};
use super::import::{self, Faults, Outcome, Terms, Unknown};
use super::{Shared, access};
use crate::minutes::csv::Charset;
use crate::minutes::dictionary::LineProblem;
use crate::store::transfers::{PEOPLE_MAX, Plan, Run, Transfer};
use crate::store::users::Role;
use crate::store::{Id, StoreError};

/// Who may bring lists and see them.
const ADMINISTRATORS: [Role; 2] = [Role::Administrator, Role::DepartmentAdministrator];
/// Says how many characters of a CP932 file are 〓 because the charset lacks them.
const UNMAPPED_HEADER: HeaderName = HeaderName::from_static("x-unmapped-count");

/// How a list is taken.
#[derive(Deserialize, IntoParams)]
pub struct ImportQuery {
    /// Whether it is only tried: everything is judged and told, nothing changed.
    #[serde(default)]
    dry_run: bool,
    /// Whether departments that nobody knows are made; only administrators may.
    #[serde(default)]
    create_departments: bool,
}

/// How a list is written.
#[derive(Deserialize, IntoParams)]
pub struct ExportQuery {
    /// How its characters are written: `utf8_bom` (as if absent) or `cp932`.
    #[serde(default)]
    #[param(inline)]
    charset: Charset,
}

/// What a list did, or would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportAnswer {
    /// Whether it was only tried.
    dry_run: bool,
    /// How many accounts were made.
    created: usize,
    /// How many were changed at once.
    changed: usize,
    /// How many changes wait for their day.
    scheduled: usize,
    /// How many accounts were closed at once.
    closed: usize,
    /// How many departments were made.
    departments: usize,
    /// What was done, but is worth a look; the first 1,000.
    warnings: Vec<LineProblem>,
}

/// Why a list was not taken.
enum Refusal {
    Store(StoreError),
    Faults(Faults),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Faults(faults) => {
                let facts = json!({ "lines": faults.told, "count": faults.count });
                Self::new(Code::PeopleFaulty).about(format!("誤り {} 件", faults.count)).with(facts)
            }
        }
    }
}

/// Takes a list of people (CSV, UTF-8 or CP932): makes, changes, transfers and closes accounts, all or none.
///
/// Columns: 利用者名, 氏名, 部署, 役割; as needed 発令日 (a later day waits for it), 状態 (在職, 退職) and 会議室 (○ for a
/// meeting room's account).
#[utoipa::path(post, path = "/v1/users/import", tag = "people", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportAnswer), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem)))]
pub async fn import_people(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ImportAnswer>, Problem> {
    caller.require(&ADMINISTRATORS)?;
    if !is_csv(&headers) {
        return Err(Problem::new(Code::UnsupportedMedia).about("Content-Type: text/csv"));
    }
    let body = body.ok().filter(|body| body.len() <= import::BYTES_MAX);
    let too_large = || Problem::new(Code::TooLarge).with(json!({ "bytes_max": import::BYTES_MAX }));
    let body = body.ok_or_else(too_large)?;
    let departments = if query.create_departments { Unknown::Made } else { Unknown::Refused };
    let terms = Terms { caller: &caller.user, departments, now: app.now() };
    let run = if query.dry_run { Run::Dry } else { Run::Real };
    let mut outcome = Outcome::default();
    let plan = |present: &_| -> Result<Plan, Refusal> {
        outcome = import::plan(&body, present, terms).map_err(Refusal::Faults)?;
        Ok(std::mem::take(&mut outcome.plan))
    };
    let done = app.store.reorganise(plan, run, &caller.actor, app.now()).await?;
    Ok(Json(ImportAnswer {
        dry_run: query.dry_run,
        created: outcome.created,
        changed: outcome.changed,
        scheduled: outcome.scheduled,
        closed: outcome.closed,
        departments: done.departments.len(),
        warnings: outcome.warnings,
    }))
}

fn is_csv(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/csv"))
}

/// Writes the list of people that the import takes: all for administrators, the own department for its administrator.
///
/// In CP932, `X-Unmapped-Count` tells how many characters the charset lacks; 〓 stands for them.
#[utoipa::path(get, path = "/v1/users.csv", tag = "people", params(ExportQuery),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 403, body = Problem)))]
pub async fn export_people(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<impl IntoResponse, Problem> {
    caller.require(&ADMINISTRATORS)?;
    let users = app.store.users("", PEOPLE_MAX, access::people_reach(&caller.user)).await?;
    let list = import::export(&users, &app.store.departments().await?, query.charset);
    let kind = match query.charset {
        Charset::Utf8Bom => "text/csv; charset=utf-8",
        Charset::Cp932 => "text/csv; charset=shift_jis",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"users.csv\"")),
        (UNMAPPED_HEADER, HeaderValue::from(list.unmapped.len())),
    ];
    Ok((headers, list.bytes))
}

/// Lists the changes that wait for their day, the next one first.
#[utoipa::path(get, path = "/v1/transfers", tag = "people",
    responses((status = 200, body = Vec<Transfer>), (status = 403, body = Problem)))]
pub async fn transfers(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<Transfer>>, Problem> {
    caller.require(&ADMINISTRATORS)?;
    let mut transfers = app.store.transfers().await?;
    transfers.retain(|transfer| access::may_manage_people(&caller.user, transfer.from));
    Ok(Json(transfers))
}

/// Gives up a change that waits for its day.
#[utoipa::path(delete, path = "/v1/transfers/{id}", tag = "people", params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    caller.require(&ADMINISTRATORS)?;
    let transfer = app.store.transfer(id).await?.ok_or(Code::NotFound)?;
    if !access::may_manage_people(&caller.user, transfer.from) {
        return Err(Code::NotFound.into());
    }
    if !app.store.cancel_transfer(id, &caller.actor, app.now()).await? {
        return Err(Code::NotFound.into());
    }
    Ok(StatusCode::NO_CONTENT)
}
