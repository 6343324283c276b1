//! Search over everything the caller may read.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::auth::{Caller, Query};
use super::error::{Code, Problem};
use crate::store::meetings::Viewer;
use crate::store::search::{Hit, QUERY_CHARS_MAX};
use crate::store::sessions::Scope;

/// Most places in one answer.
const HITS_MAX: u32 = 200;

/// What is looked for.
#[derive(Deserialize, IntoParams)]
pub struct SearchQuery {
    /// The words, at most 100 characters; several must all be there.
    q: String,
    /// Most places, at most 200.
    limit: Option<u32>,
}

/// Finds places in titles and minutes, with the second at which they are heard.
#[utoipa::path(get, path = "/v1/search", tag = "search", params(SearchQuery),
    responses((status = 200, body = Vec<Hit>), (status = 422, body = Problem)))]
pub async fn search(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<SearchQuery>,
) -> Result<Json<Vec<Hit>>, Problem> {
    caller.require_scope(Scope::Read)?;
    if query.q.chars().count() > QUERY_CHARS_MAX {
        return Err(Problem::new(Code::Invalid).about("q: 100 文字まで"));
    }
    let viewer = Viewer { user: caller.user.id, department: caller.user.department, role: caller.user.role };
    let limit = query.limit.unwrap_or(50).clamp(1, HITS_MAX);
    Ok(Json(app.store.search(viewer, &query.q, limit).await?))
}
