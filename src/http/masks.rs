//! 公開用: what a published copy must not say. The list is kept with the meeting, so that every copy hides the same.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Standing;
use super::auth::{Body, Caller, Path, Query};
use super::error::{Code, Problem};
use super::words::in_force;
use super::{Shared, exports, heavy};
use crate::minutes::csv::{Charset, Exported};
use crate::minutes::dictionary::Kind;
use crate::minutes::mask::{self, Mask, MaskSuggestion};
use crate::store::Id;
use crate::store::audit::Entry;
use crate::store::sessions::Scope;

/// The list, and what it might lack.
#[derive(Serialize, ToSchema)]
pub struct MasksAnswer {
    /// What a published copy must not say.
    masks: Vec<CountedMask>,
    /// What it perhaps should not say, and does.
    suggestions: Vec<MaskSuggestion>,
}

/// A line of the list, with how often its text stands in the minutes as they are now.
#[derive(Serialize, ToSchema)]
pub struct CountedMask {
    /// The line.
    #[serde(flatten)]
    mask: Mask,
    /// How often it is hidden.
    count: usize,
}

/// The list as it shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MasksInput {
    /// All of its lines, at most 500.
    masks: Vec<Mask>,
}

/// How the characters of a file are written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TableQuery {
    /// `utf8_bom` (as if absent) or `cp932`
    #[serde(default)]
    #[param(inline)]
    charset: Charset,
}

/// Lists what a published copy must not say, and suggests what it perhaps should not.
#[utoipa::path(get, path = "/v1/meetings/{id}/masks", tag = "exports", params(("id" = Id, Path)),
    responses((status = 200, body = MasksAnswer), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn masks(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<MasksAnswer>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    answer(&app, id).await.map(Json)
}

async fn answer(app: &Shared, id: Id) -> Result<MasksAnswer, Problem> {
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    let masks = app.store.masks(id).await?;
    let meeting = app.store.meeting(id).await?.ok_or(Code::NotFound)?;
    let words = in_force(app, &meeting).await?;
    let look = move || {
        let counts = mask::counts(&document.minutes, masks.iter().map(|mask| mask.text.as_str()));
        let people = words.iter().filter(|word| word.kind == Kind::Person);
        let people: Vec<&str> = people.map(|word| word.written.as_str()).collect();
        let mut suggestions = mask::suggestions(&document.minutes, &people);
        suggestions.retain(|found| masks.iter().all(|mask| mask.text != found.text));
        let counted = |(mask, count)| CountedMask { mask, count };
        MasksAnswer { masks: masks.into_iter().zip(counts).map(counted).collect(), suggestions }
    };
    heavy::apart(look).await
}

/// Writes the list anew.
#[utoipa::path(put, path = "/v1/meetings/{id}/masks", tag = "exports", request_body = MasksInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = MasksAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn set_masks(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<MasksInput>,
) -> Result<Json<MasksAnswer>, Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Edit).await?;
    mask::check(&input.masks).map_err(|why| Problem::new(Code::Invalid).about(why))?;
    app.store.set_masks(id, &input.masks, &caller.actor, app.now()).await?;
    answer(&app, id).await.map(Json)
}

/// Writes マスキング一覧 as a table, for whoever approves the copy.
#[utoipa::path(get, path = "/v1/meetings/{id}/masks.csv", tag = "exports", params(("id" = Id, Path), TableQuery),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub async fn masks_table(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<TableQuery>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    let (meeting, _) = caller.meeting(&app, id, Standing::Read).await?;
    let answer = answer(&app, id).await?;
    let facts = serde_json::json!({ "format": "csv", "masks": answer.masks.len() });
    app.store.note(Entry::done(&caller.actor, app.now(), "minutes.export", id).on(id).with(facts)).await?;
    let head = ["元の表記", "公開用の表記", "件数"].map(str::to_owned);
    let row = |one: &CountedMask| [one.mask.text.clone(), one.mask.shown().to_owned(), one.count.to_string()];
    let file = Exported::of(std::iter::once(head).chain(answer.masks.iter().map(row)), query.charset);
    let mime = match query.charset {
        Charset::Utf8Bom => "text/csv; charset=utf-8",
        Charset::Cp932 => "text/csv; charset=Windows-31J",
    };
    let name = format!("{}_マスキング一覧.csv", exports::plain_name(&meeting.title));
    Ok(exports::attachment(&name, mime, file.bytes, file.unmapped.len()))
}
