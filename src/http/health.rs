//! Whether the service works.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::clock::Mono;
use crate::speech::engine;

/// How the service is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Whether everything works.
    ok: bool,
    /// Whether the database answers.
    database: bool,
    /// Whether the seats are served.
    seats: bool,
    /// How the recogniser of this node is.
    recogniser: Recogniser,
    /// The product's version.
    version: &'static str,
}

/// How a recogniser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recogniser {
    /// Nothing was asked of it yet.
    Idle,
    /// It is loading its model.
    Starting,
    /// It works.
    Up,
    /// It keeps dying: recordings wait, nothing is lost.
    Degraded,
    /// A job has not moved for longer than any deadline allows.
    Wedged,
}

/// Tells whether the service works, for monitors; nobody needs to be signed in.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn health(State(app): State<Shared>) -> (StatusCode, Json<Health>) {
    let database = app.store.ping().await.is_ok();
    let condition = app.store.pulse().condition(Mono::now());
    let recogniser = match (&condition.engine, condition.is_wedged) {
        (_, true) => Recogniser::Wedged,
        (None, false) => Recogniser::Idle,
        (Some(engine::Health::Starting), false) => Recogniser::Starting,
        (Some(engine::Health::Up), false) => Recogniser::Up,
        (Some(engine::Health::Degraded { .. } | engine::Health::Over { .. }), false) => Recogniser::Degraded,
    };
    let seats = !app.seats.is_away();
    let ok = database && seats && !matches!(recogniser, Recogniser::Wedged | Recogniser::Degraded);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ok, database, seats, recogniser, version: env!("CARGO_PKG_VERSION") }))
}
