//! What an administrator does: takes a seat back, opens the extra seats of a disaster, settles an alarm.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::auth::{Body, Caller, Path};
use super::super::error::{Code, Problem};
use super::super::{Shared, access};
use super::{applicant, lease_id, pool};
use crate::clock::UnixMs;
use crate::seats::request::Act;
use crate::seats::{LeaseId, Reply, Request};
use crate::store::audit::Entry;
use crate::store::users::Role;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;
/// Who may act on single seats.
const ADMINISTRATORS: [Role; 2] = [Role::Administrator, Role::DepartmentAdministrator];

/// Why something is done.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ReasonInput {
    /// 理由: 1 to 200 characters; whoever loses a seat reads it
    reason: String,
}

/// Why something is done, and with which seats.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PoolReasonInput {
    /// 理由: 1 to 200 characters
    reason: String,
    /// Which kind of seat; `standard` if absent
    pool: Option<String>,
}

/// The date that is believed now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirmed {
    /// The trusted date
    #[schema(value_type = i64)]
    trusted_at: UnixMs,
}

/// Takes a seat back (強制返却); refused while a recording runs.
#[utoipa::path(post, path = "/v1/seats/{lease}/revoke", tag = "seats", params(("lease" = String, Path)),
    request_body = ReasonInput,
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn revoke(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ReasonInput>,
) -> Result<StatusCode, Problem> {
    let lease = in_scope(&app, &caller, &lease).await?;
    let act = act(&caller, &input.reason)?;
    let entry = Entry::done(&caller.actor, app.now(), "seat.revoke", lease);
    let entry = entry.with(json!({ "reason": act.text }));
    carry_out(&app, Request::Revoke { lease, act }, entry).await
}

/// Ends the recording that runs on a seat and takes it back (録音を終了して返却); the audio is kept.
#[utoipa::path(post, path = "/v1/seats/{lease}/end-recording", tag = "seats", params(("lease" = String, Path)),
    request_body = ReasonInput,
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem)))]
pub async fn end_recording(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ReasonInput>,
) -> Result<StatusCode, Problem> {
    let lease = in_scope(&app, &caller, &lease).await?;
    let act = act(&caller, &input.reason)?;
    let entry = Entry::done(&caller.actor, app.now(), "seat.end_recording", lease);
    let entry = entry.with(json!({ "reason": act.text }));
    carry_out(&app, Request::EndRecording { lease, act }, entry).await
}

/// Opens the extra seats of a disaster (災害時の増席); each day counts.
#[utoipa::path(post, path = "/v1/seats/burst/open", tag = "seats", request_body = PoolReasonInput,
    responses((status = 204), (status = 403, body = Problem)))]
pub async fn open_burst(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<PoolReasonInput>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Role::Administrator])?;
    let (pool, act) = (pool(&app, input.pool.as_deref())?, act(&caller, &input.reason)?);
    let entry = Entry::done(&caller.actor, app.now(), "seat.burst_open", &pool);
    let entry = entry.with(json!({ "reason": act.text }));
    carry_out(&app, Request::OpenBurst { pool, act }, entry).await
}

/// Closes the extra seats; nobody loses theirs by it.
#[utoipa::path(post, path = "/v1/seats/burst/close", tag = "seats", request_body = PoolReasonInput,
    responses((status = 204), (status = 403, body = Problem)))]
pub async fn close_burst(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<PoolReasonInput>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Role::Administrator])?;
    let (pool, act) = (pool(&app, input.pool.as_deref())?, act(&caller, &input.reason)?);
    let entry = Entry::done(&caller.actor, app.now(), "seat.burst_close", &pool);
    let entry = entry.with(json!({ "reason": act.text }));
    carry_out(&app, Request::CloseBurst { pool, act }, entry).await
}

/// Says that only one server runs, after an alarm.
#[utoipa::path(post, path = "/v1/seats/conflict/clear", tag = "seats", request_body = ReasonInput,
    responses((status = 204), (status = 403, body = Problem)))]
pub async fn clear_conflict(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<ReasonInput>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Role::Administrator])?;
    let act = act(&caller, &input.reason)?;
    let entry = Entry::done(&caller.actor, app.now(), "seat.conflict_clear", "");
    let entry = entry.with(json!({ "reason": act.text }));
    carry_out(&app, Request::ClearConflict(act), entry).await
}

/// Believes the wall clock, because somebody has looked at it (時計の確認).
#[utoipa::path(post, path = "/v1/seats/date/confirm", tag = "seats", request_body = ReasonInput,
    responses((status = 200, body = Confirmed), (status = 403, body = Problem)))]
pub async fn confirm_date(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<ReasonInput>,
) -> Result<Json<Confirmed>, Problem> {
    caller.require(&[Role::Administrator])?;
    let act = act(&caller, &input.reason)?;
    let entry = Entry::done(&caller.actor, app.now(), "seat.date_confirm", "");
    app.store.note(entry.with(json!({ "reason": act.text }))).await?;
    app.seats.confirm_date();
    // What is licensed may be something else on the day that is believed now.
    app.store.apply_licence(&app.site, &app.seats, app.now()).await?;
    Ok(Json(Confirmed { trusted_at: app.seats.look(|_, now| now.office) }))
}

/// Returns a lease that the caller may see and free.
async fn in_scope(app: &Shared, caller: &Caller, text: &str) -> Result<LeaseId, Problem> {
    caller.require(&ADMINISTRATORS)?;
    let lease = lease_id(text)?;
    let own = applicant(app, caller).await?.department;
    let department = app
        .seats
        .look(|pools, now| pools.lease(lease, now).map(|(found, _)| found.applicant.department.clone()));
    match department {
        Some(department) if access::may_free_seat(&caller.user, &own, &department) => Ok(lease),
        Some(_) | None => Err(Code::NotFound.into()),
    }
}

/// Writes who acts and why.
fn act(caller: &Caller, reason: &str) -> Result<Act, Problem> {
    let reason = reason.trim();
    let chars = reason.chars().count();
    if !(1..=REASON_CHARS_MAX).contains(&chars) || reason.chars().any(char::is_control) {
        return Err(Problem::new(Code::Invalid).about("reason: 1文字から200文字までにしてください"));
    }
    Ok(Act { by: caller.user.id.to_string(), text: reason.to_owned() })
}

/// Does something and writes it into the log of the office, refused or done.
pub(super) async fn carry_out(
    app: &Shared,
    request: Request,
    entry: Entry<'_>,
) -> Result<StatusCode, Problem> {
    match app.seats.ask(request).await? {
        Reply::Refused(refusal) => {
            app.store.note(entry.refused()).await?;
            Err(refusal.into())
        }
        _ => {
            app.store.note(entry).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
