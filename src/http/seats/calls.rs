//! What a holder does: asks for a seat, keeps it by signs of life, moves it, gives it back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Shared;
use super::super::access::Standing;
use super::super::auth::{Body, Caller, Path};
use super::super::error::Problem;
use super::words::{
    AcquireInput, BeatAnswer, BeatInput, HandOverInput, LeaseAnswer, PlaceAnswer, ProofInput, ReleaseInput,
    UseView, answered, request_id,
};
use super::{admit, applicant, holder, lease_id, own, pool};
use crate::seats::licence::receipt;
use crate::seats::request::Held;
use crate::seats::restart::Receipt;
use crate::seats::{Acquire, Device, DeviceId, LeaseId, PoolId, Refusal, Reply, Request, Use};
use crate::store::Id;
use crate::store::sessions::Scope;

/// Asks for a seat: a new lease (201), the one they have (200), or a place in the line (202).
#[utoipa::path(post, path = "/v1/seats", tag = "seats", request_body = AcquireInput,
    responses((status = 200, body = LeaseAnswer), (status = 201, body = LeaseAnswer),
        (status = 202, body = PlaceAnswer), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)))]
pub async fn acquire(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<AcquireInput>,
) -> Result<Response, Problem> {
    admit(&app, &caller)?;
    app.limits.for_seat(caller.user.id)?;
    let pool = pool(&app, input.pool.as_deref())?;
    may_claim(&app, &caller, &pool, input.used_for).await?;
    let acquire = Acquire {
        request_id: request_id(input.request_id)?,
        pool,
        applicant: applicant(&app, &caller).await?,
        device: input.device.into(),
        used_for: input.used_for.into(),
        mode: input.mode.into(),
    };
    let reply = app.seats.ask(Request::Acquire(acquire)).await?;
    answered(&app, &caller, reply)
}

/// Lets through who may edit a meeting that has reserved seats: they would be anybody's who names it otherwise.
async fn may_claim(app: &Shared, caller: &Caller, pool: &PoolId, used_for: UseView) -> Result<(), Problem> {
    let (UseView::Record(meeting) | UseView::Edit(meeting)) = used_for else { return Ok(()) };
    let is_reserved =
        app.seats.look(|pools, _| pools.reservations(pool).iter().any(|known| known.meeting.0 == meeting));
    if is_reserved { caller.meeting(app, Id::from(meeting), Standing::Edit).await.map(drop) } else { Ok(()) }
}

/// Takes the seat that is held for the caller.
#[utoipa::path(post, path = "/v1/seats/{lease}/accept", tag = "seats", params(("lease" = String, Path)),
    request_body = ProofInput,
    responses((status = 200, body = LeaseAnswer), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 412, body = Problem)))]
pub async fn accept(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ProofInput>,
) -> Result<Response, Problem> {
    carry_out(&app, &caller, (&lease, &input), Request::Accept).await
}

/// Leaves the offered seat to the next in line.
#[utoipa::path(post, path = "/v1/seats/{lease}/decline", tag = "seats", params(("lease" = String, Path)),
    request_body = ProofInput,
    responses((status = 204), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 412, body = Problem)))]
pub async fn decline(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ProofInput>,
) -> Result<Response, Problem> {
    carry_out(&app, &caller, (&lease, &input), Request::Decline).await
}

/// Leaves the seat on purpose: it is kept until somebody needs it (離席中).
#[utoipa::path(post, path = "/v1/seats/{lease}/park", tag = "seats", params(("lease" = String, Path)),
    request_body = ProofInput,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 412, body = Problem)))]
pub async fn park(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ProofInput>,
) -> Result<Response, Problem> {
    carry_out(&app, &caller, (&lease, &input), Request::Park).await
}

/// Gives the seat to whoever is next (席をゆずる).
#[utoipa::path(post, path = "/v1/seats/{lease}/yield", tag = "seats", params(("lease" = String, Path)),
    request_body = ProofInput,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 412, body = Problem)))]
pub async fn give_way(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ProofInput>,
) -> Result<Response, Problem> {
    carry_out(&app, &caller, (&lease, &input), Request::Yield).await
}

async fn carry_out(
    app: &Shared,
    caller: &Caller,
    (lease, input): (&str, &ProofInput),
    request: fn(Held) -> Request,
) -> Result<Response, Problem> {
    admit(app, caller)?;
    let held = own(app, caller, lease_id(lease)?, input.token)?;
    let reply = app.seats.ask(request(held)).await?;
    answered(app, caller, reply)
}

/// Moves the caller's seat to this terminal (この端末に移す); the other one is told.
#[utoipa::path(post, path = "/v1/seats/handover", tag = "seats", request_body = HandOverInput,
    responses((status = 200, body = LeaseAnswer), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn hand_over(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<HandOverInput>,
) -> Result<Response, Problem> {
    admit(&app, &caller)?;
    let request = Request::HandOver {
        request_id: request_id(input.request_id)?,
        pool: pool(&app, input.pool.as_deref())?,
        holder: holder(&caller),
        device: input.device.into(),
    };
    let reply = app.seats.ask(request).await?;
    answered(&app, &caller, reply)
}

/// Gives a sign of life.
#[utoipa::path(put, path = "/v1/seats/{lease}", tag = "seats", params(("lease" = String, Path)),
    request_body = BeatInput,
    responses((status = 200, body = BeatAnswer), (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 412, body = Problem)))]
pub async fn beat(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<BeatInput>,
) -> Result<Response, Problem> {
    admit(&app, &caller)?;
    let lease = lease_id(&lease)?;
    let is_known = app.seats.look(|pools, now| pools.lease(lease, now).is_some());
    if let (false, Some(text)) = (is_known, &input.receipt) {
        return adopt(&app, &caller, (lease, &input), text).await;
    }
    let held = own(&app, &caller, lease, input.token)?;
    let reply = app.seats.ask(Request::Beat(held)).await?;
    answered(&app, &caller, reply)
}

/// Takes a lease over from its receipt, or notices that another server gave it.
async fn adopt(
    app: &Shared,
    caller: &Caller,
    (lease, input): (LeaseId, &BeatInput),
    text: &str,
) -> Result<Response, Problem> {
    let wrong = || Problem::from(Refusal::BadRequest { field: "receipt".into() });
    let key = app.instance.as_ref().ok_or_else(wrong)?;
    let shown = receipt::verify(text, &key.public()).map_err(|_| wrong())?;
    let applicant = applicant(app, caller).await?;
    let is_theirs = shown.holder == caller.user.id.to_string()
        && shown.lease == lease.to_string()
        && shown.token.to_string() == input.token.to_string();
    let (true, Some(device), Some(used_for)) = (is_theirs, &input.device, input.used_for) else {
        return Err(wrong());
    };
    let receipt = Receipt { lease, holder: applicant.holder, pool: PoolId(shown.pool), token: input.token };
    let device = Device::from(device.clone());
    let request = Request::Adopt { receipt, applicant, device, used_for: Use::from(used_for) };
    let reply = app.seats.ask(request).await?;
    answered(app, caller, reply)
}

/// Gives the seat back; whatever it is now, there is nothing more to do.
#[utoipa::path(delete, path = "/v1/seats/{lease}", tag = "seats", params(("lease" = String, Path)),
    request_body = ReleaseInput, responses((status = 204)))]
pub async fn release(
    State(app): State<Shared>,
    caller: Caller,
    Path(lease): Path<String>,
    Body(input): Body<ReleaseInput>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    app.limits.about_seat(caller.user.id)?;
    let Ok(held) = lease_id(&lease).and_then(|lease| own(&app, &caller, lease, input.token)) else {
        return Ok(StatusCode::NO_CONTENT);
    };
    let device = DeviceId(input.device);
    match app.seats.ask(Request::Release { held, device }).await? {
        Reply::Refused(refusal) if refusal.status() == 503 => Err(refusal.into()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
