//! 会議テンプレート: what a department's meetings begin with, and the Word file they are written into.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Body, Caller, Path};
use super::error::{Code, Problem};
use super::{Shared, access, exports, heavy};
use crate::minutes::Minutes;
use crate::minutes::export::{self, Assets, Format, Options};
use crate::minutes::template::Template;
use crate::store::Id;
use crate::store::sessions::Scope;
use crate::store::templates::{KeptTemplate, TEMPLATES_MAX};
use crate::store::users::Role;

/// Largest Word file that is looked at; the room that fills it in allows no more either.
const WORD_BYTES_MAX: usize = 8 << 20;

/// A template to be kept.
#[derive(Deserialize, ToSchema)]
pub struct TemplateInput {
    /// The department it is for; the whole office if absent.
    department: Option<Id>,
    /// The template.
    template: Template,
}

/// A Word file that is kept.
#[derive(Serialize, ToSchema)]
pub struct WordAnswer {
    /// What a person should know about it, in sentences.
    warnings: Vec<String>,
}

/// Lists the templates of the caller's department and of the office; for administrators those of every department.
#[utoipa::path(get, path = "/v1/templates", tag = "templates",
    responses((status = 200, body = Vec<KeptTemplate>), (status = 401, body = Problem)))]
pub async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<KeptTemplate>>, Problem> {
    caller.require_scope(Scope::Read)?;
    Ok(Json(app.store.templates(reach(&caller)).await?))
}

/// Returns the department whose shared things somebody sees beside the office's; nothing for those who see all.
pub(super) fn reach(caller: &Caller) -> Option<Id> {
    match caller.user.role {
        Role::Administrator | Role::Auditor => None,
        Role::Staff | Role::DepartmentAdministrator => Some(caller.user.department),
    }
}

/// Keeps a new template.
#[utoipa::path(post, path = "/v1/templates", tag = "templates", request_body = TemplateInput,
    responses((status = 201, body = KeptTemplate), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn add(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<TemplateInput>,
) -> Result<(StatusCode, Json<KeptTemplate>), Problem> {
    caller.require_scope(Scope::Administer)?;
    if !access::may_keep_shared(&caller.user, input.department) {
        return Err(Code::NotAllowed.into());
    }
    known_department(&app, input.department).await?;
    checked(&input.template)?;
    if app.store.templates(None).await?.len() >= TEMPLATES_MAX {
        return Err(Problem::new(Code::Invalid).about(format!("テンプレートは {TEMPLATES_MAX} 件まで")));
    }
    let kept = app.store.add_template(input.department, &input.template, &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(kept)))
}

/// Passes a department that exists, or none.
pub(super) async fn known_department(app: &Shared, department: Option<Id>) -> Result<(), Problem> {
    let Some(department) = department else { return Ok(()) };
    let is_known = app.store.departments().await?.iter().any(|known| known.id == department);
    if is_known { Ok(()) } else { Err(Problem::new(Code::Invalid).about("department")) }
}

fn checked(template: &Template) -> Result<(), Problem> {
    template.check().map_err(|error| Problem::new(Code::Invalid).about(error))
}

/// Shows a template, also one that is offered no more.
#[utoipa::path(get, path = "/v1/templates/{id}", tag = "templates", params(("id" = Id, Path)),
    responses((status = 200, body = KeptTemplate), (status = 404, body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<KeptTemplate>, Problem> {
    caller.require_scope(Scope::Read)?;
    seen(&app, &caller, id).await.map(Json)
}

async fn seen(app: &Shared, caller: &Caller, id: Id) -> Result<KeptTemplate, Problem> {
    let kept = app.store.template(id).await?.ok_or(Code::NotFound)?;
    if access::may_see_shared(&caller.user, kept.department) { Ok(kept) } else { Err(Code::NotFound.into()) }
}

/// Lets through who may change the template.
async fn own(app: &Shared, caller: &Caller, id: Id) -> Result<KeptTemplate, Problem> {
    caller.require_scope(Scope::Administer)?;
    let kept = seen(app, caller, id).await?;
    if !access::may_keep_shared(&caller.user, kept.department) {
        return Err(Code::NotAllowed.into());
    }
    if kept.removed_at.is_some() { Err(Code::NotFound.into()) } else { Ok(kept) }
}

/// Writes a template anew; meetings made before keep the text they began with.
#[utoipa::path(put, path = "/v1/templates/{id}", tag = "templates", request_body = Template,
    params(("id" = Id, Path)),
    responses((status = 200, body = KeptTemplate), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn change(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(template): Body<Template>,
) -> Result<Json<KeptTemplate>, Problem> {
    own(&app, &caller, id).await?;
    checked(&template)?;
    if !app.store.change_template(id, &template, &caller.actor, app.now()).await? {
        return Err(Code::NotFound.into());
    }
    seen(&app, &caller, id).await.map(Json)
}

/// Offers a template no more; meetings that were made from it go on with it.
#[utoipa::path(delete, path = "/v1/templates/{id}", tag = "templates", params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    own(&app, &caller, id).await?;
    app.store.remove_template(id, &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a Word file into which the minutes are written, after it was tried.
#[utoipa::path(put, path = "/v1/templates/{id}/word", tag = "templates", params(("id" = Id, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = WordAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem)))]
pub async fn set_word(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<WordAnswer>, Problem> {
    own(&app, &caller, id).await?;
    let word = body?;
    if word.len() > WORD_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge).about(format!("{} MB まで", WORD_BYTES_MAX >> 20)));
    }
    let tried = word.clone();
    let warnings = heavy::apart(move || tried_out(&tried)).await??;
    app.store.set_template_word(id, Some(&word), &caller.actor, app.now()).await?;
    Ok(Json(WordAnswer { warnings }))
}

/// Writes empty minutes into a Word file and returns what a person should know about it.
fn tried_out(word: &[u8]) -> Result<Vec<String>, Problem> {
    let options = Options { format: Format::Docx, ..Options::default() };
    let assets = Assets { template: Some(word), ..Assets::default() };
    match export::export(&Minutes::default(), &options, &assets) {
        Ok(file) => Ok(file.warnings.iter().map(export::Warning::told).collect()),
        Err(error) => Err(Problem::new(Code::FileRefused).about(error.told())),
    }
}

/// Hands the Word file of a template out.
#[utoipa::path(get, path = "/v1/templates/{id}/word", tag = "templates", params(("id" = Id, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = Problem)))]
pub async fn word(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    let kept = seen(&app, &caller, id).await?;
    let bytes = app.store.template_word(id).await?.ok_or(Code::NotFound)?;
    let mime = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    Ok(exports::attachment(&format!("{}.docx", exports::plain_name(&kept.template.name)), mime, bytes, 0))
}

/// Takes the Word file of a template away.
#[utoipa::path(delete, path = "/v1/templates/{id}/word", tag = "templates", params(("id" = Id, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn remove_word(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    own(&app, &caller, id).await?;
    app.store.set_template_word(id, None, &caller.actor, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the title of a meeting that the caller may make from a template: their own, or the template's.
pub(super) async fn title(
    app: &Shared,
    caller: &Caller,
    id: Id,
    title: String,
    held_on: &str,
) -> Result<String, Problem> {
    let kept = app.store.template(id).await?;
    let offered = |kept: &KeptTemplate| {
        kept.removed_at.is_none() && access::may_see_shared(&caller.user, kept.department)
    };
    let kept = kept.filter(offered).ok_or_else(|| Problem::new(Code::Invalid).about("template"))?;
    Ok(if title.trim().is_empty() { kept.template.title_on(held_on) } else { title })
}
