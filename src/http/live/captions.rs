//! Captions for people with an account who may read the meeting. Reading them takes no seat.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::Shared;
use super::super::access::Standing;
use super::super::auth::{Caller, Path, Query};
use super::super::error::{Code, Problem};
use super::super::seats::live::is_same_origin;
use super::admitted;
use super::viewer::Viewer;
use crate::store::Id;
use crate::store::live::event::Numbered;
use crate::store::sessions::Scope;

/// Longest message of a reader, who has nothing to say.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 10;
/// The header in which a browser says the last event it has seen.
const LAST_EVENT: &str = "last-event-id";

/// From where on.
#[derive(Deserialize, IntoParams)]
pub struct AfterQuery {
    /// The number of the last event that was seen; everything at once if absent.
    pub(super) after: Option<u64>,
}

/// Tells captions through a socket: one JSON event a message, the first a snapshot unless `after` says what was seen.
#[utoipa::path(get, path = "/v1/live/{id}/captions", tag = "live", params(("id" = Id, Path), AfterQuery),
    responses((status = 101, description = "The socket is open"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 426, body = Problem), (status = 429, body = Problem)))]
pub async fn socket(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<AfterQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Read).await?;
    let upgrade = upgrade.map_err(|_| Code::NoSocket)?;
    if !is_same_origin(&headers, &caller.proof) {
        return Err(Code::OriginForeign.into());
    }
    let viewer = Viewer::new(room, query.after, None)?;
    Ok(upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(|socket| viewer.serve(socket)))
}

/// Tells captions as server-sent events: the same events, each with its number as `id`.
#[utoipa::path(get, path = "/v1/live/{id}/captions/events", tag = "live", params(("id" = Id, Path), AfterQuery),
    responses((status = 200, content_type = "text/event-stream", body = Numbered), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 429, body = Problem)))]
pub async fn events(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<AfterQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Read).await?;
    Ok(Viewer::new(room, seen(&headers, query.after), None)?.sse().into_response())
}

/// Returns the last event that was seen: a browser that comes back by itself says it in a header.
pub(super) fn seen(headers: &HeaderMap, after: Option<u64>) -> Option<u64> {
    let said = headers.get(LAST_EVENT).and_then(|value| value.to_str().ok());
    said.and_then(|text| text.parse().ok()).or(after)
}
