//! What somebody who waits does: shows that they are still there, asks a holder to give way, leaves.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::Shared;
use super::super::auth::{Body, Caller, Path};
use super::super::error::{Code, Problem};
use super::words::{LeaseAnswer, PlaceAnswer, answered};
use super::{admit, same};
use crate::seats::{LeaseId, Request, TicketId};
use crate::store::sessions::Scope;

/// A sign of life of somebody who waits.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct WaitInput {
    /// Whether the page is visible and was used; a free seat is then taken at once, without a question
    #[serde(default)]
    attentive: bool,
}

/// Whom to ask to give way.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AskInput {
    /// Whose seat, a decimal string
    #[schema(value_type = String)]
    lease: LeaseId,
    /// Whether the holder is told who asks
    #[serde(default)]
    named: bool,
}

/// Shows that the caller still waits; answers with the place, or with the lease if it was served.
#[utoipa::path(put, path = "/v1/seats/line/{ticket}", tag = "seats_line", params(("ticket" = String, Path)),
    request_body = WaitInput,
    responses((status = 200, body = LeaseAnswer), (status = 202, body = PlaceAnswer),
        (status = 404, body = Problem), (status = 412, body = Problem)))]
pub async fn beat(
    State(app): State<Shared>,
    caller: Caller,
    Path(ticket): Path<String>,
    Body(input): Body<WaitInput>,
) -> Result<Response, Problem> {
    admit(&app, &caller)?;
    let ticket = own_ticket(&app, &caller, &ticket)?;
    let request = Request::BeatWaiting { ticket, attentive: input.attentive };
    let reply = app.seats.ask(request).await?;
    answered(&app, &caller, reply)
}

/// Leaves the line; whatever the place is now, there is nothing more to do.
#[utoipa::path(delete, path = "/v1/seats/line/{ticket}", tag = "seats_line", params(("ticket" = String, Path)),
    responses((status = 204)))]
pub async fn leave(
    State(app): State<Shared>,
    caller: Caller,
    Path(ticket): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    app.limits.about_seat(caller.user.id)?;
    if let Ok(ticket) = own_ticket(&app, &caller, &ticket) {
        app.seats.ask(Request::Leave { ticket }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Asks a holder to give way (席をゆずるよう依頼).
#[utoipa::path(post, path = "/v1/seats/line/{ticket}/ask-yield", tag = "seats_line",
    params(("ticket" = String, Path)), request_body = AskInput,
    responses((status = 204), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub async fn ask_yield(
    State(app): State<Shared>,
    caller: Caller,
    Path(ticket): Path<String>,
    Body(input): Body<AskInput>,
) -> Result<Response, Problem> {
    admit(&app, &caller)?;
    let ticket = own_ticket(&app, &caller, &ticket)?;
    let name = input.named.then(|| caller.user.name.clone());
    let reply = app.seats.ask(Request::AskYield { ticket, lease: input.lease, name }).await?;
    answered(&app, &caller, reply)
}

/// Returns the caller's place; one that is over is the engine's to explain, with the lease only to its holder.
fn own_ticket(app: &Shared, caller: &Caller, text: &str) -> Result<TicketId, Problem> {
    let ticket: TicketId = text.parse().map_err(|_| Problem::from(Code::NotFound))?;
    let is_foreign = app
        .seats
        .look(|pools, _| pools.ticket(ticket).is_some_and(|found| !same(found.applicant.holder, caller)));
    if is_foreign { Err(Code::NotFound.into()) } else { Ok(ticket) }
}
