//! Whether the service works.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;

/// How the service is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Whether everything works.
    ok: bool,
    /// Whether the database answers.
    database: bool,
    /// The product's version.
    version: &'static str,
}

/// Tells whether the service works, for monitors; nobody needs to be signed in.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn health(State(app): State<Shared>) -> (StatusCode, Json<Health>) {
    let database = app.store.ping().await.is_ok();
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ok: database, database, version: env!("CARGO_PKG_VERSION") }))
}
