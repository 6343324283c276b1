//! 下書き: what somebody wrote when their seat was gone, until they sit again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;
use super::access::Standing;
use super::auth::{Caller, Path};
use super::error::{Code, Problem};
use crate::store::Id;
use crate::store::minutes::Draft;
use crate::store::sessions::Scope;

/// Lists the caller's own drafts of a meeting, the oldest first; each is taken up by sending it as an edit.
#[utoipa::path(get, path = "/v1/meetings/{id}/drafts", tag = "minutes", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<Draft>), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<Draft>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    Ok(Json(app.store.drafts(id, caller.user.id).await?))
}

/// Throws one of the caller's own drafts away.
#[utoipa::path(delete, path = "/v1/meetings/{id}/drafts/{draft}", tag = "minutes",
    params(("id" = Id, Path), ("draft" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn discard(
    State(app): State<Shared>,
    caller: Caller,
    Path((id, draft)): Path<(Id, Id)>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Read).await?;
    if !app.store.discard_draft(id, draft, &caller.actor, app.now()).await? {
        return Err(Code::NotFound.into());
    }
    Ok(StatusCode::NO_CONTENT)
}
