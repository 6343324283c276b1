//! Voices that a department remembers: what it allows, who is remembered, taking and erasing them, names by voice.

mod consent;
mod ear;
mod enrol;
mod naming;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Body, Caller, Path};
use super::error::{Code, Problem};
use super::{App, Shared, access};
use crate::store::Id;
use crate::store::sessions::Scope;
use crate::store::users::Role;
use crate::store::voices::{KEEP_DAYS_MAX, Voice, VoiceErasure, VoiceRules};

pub use consent::{TEXT, WORDING};
pub use ear::Ears;

/// Longest sample that is taken: two minutes of uncompressed stereo sound.
const SAMPLE_BYTES_MAX: usize = 32 << 20;

/// The table of contents of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    let samples = OpenApiRouter::new()
        .routes(routes!(list, enrol::enrol))
        .routes(routes!(enrol::renew))
        .layer(DefaultBodyLimit::max(SAMPLE_BYTES_MAX));
    OpenApiRouter::new()
        .merge(samples)
        .routes(routes!(rules, set_rules))
        .routes(routes!(erasures))
        .routes(routes!(consent::consent))
        .routes(routes!(enrol::enrol_from_meeting))
        .routes(routes!(erase))
        .routes(routes!(naming::name_speakers))
}

/// Shows what a department allows about voices.
#[utoipa::path(get, path = "/v1/departments/{id}/voice-rules", tag = "voices", params(("id" = Id, Path)),
    responses((status = 200, body = VoiceRules), (status = 404, body = Problem)))]
pub async fn rules(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<VoiceRules>, Problem> {
    caller.require_scope(Scope::Read)?;
    known(&app, &caller, id).await?;
    Ok(Json(app.store.voice_rules(id).await?))
}

/// Says what a department allows about voices; off until an administrator says otherwise. Switched off, voices are
/// erased after 30 days.
#[utoipa::path(put, path = "/v1/departments/{id}/voice-rules", tag = "voices", request_body = VoiceRules,
    params(("id" = Id, Path)),
    responses((status = 200, body = VoiceRules), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn set_rules(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(rules): Body<VoiceRules>,
) -> Result<Json<VoiceRules>, Problem> {
    caller.require(&[Role::Administrator])?;
    known(&app, &caller, id).await?;
    if !(1..=KEEP_DAYS_MAX).contains(&rules.keep_days) {
        let told = format!("keep_days: 1 日から {KEEP_DAYS_MAX} 日まで");
        return Err(Problem::new(Code::Invalid).about(told));
    }
    app.store.set_voice_rules(id, rules, &caller.actor, app.now()).await?;
    Ok(Json(rules))
}

/// Lists whose voices a department remembers, for those who answer for it; for everybody else their own.
#[utoipa::path(get, path = "/v1/departments/{id}/voices", tag = "voices", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<Voice>), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<Voice>>, Problem> {
    caller.require_scope(Scope::Read)?;
    known(&app, &caller, id).await?;
    let mut voices = app.store.voices(id).await?;
    if !access::may_see_voices(&caller.user, id) {
        voices.retain(|voice| voice.user == Some(caller.user.id));
    }
    Ok(Json(voices))
}

/// Erases a voice: for the person themselves, and for those who answer for the department. The answer is the proof.
#[utoipa::path(delete, path = "/v1/voices/{id}", tag = "voices", params(("id" = Id, Path)),
    responses((status = 200, body = VoiceErasure), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn erase(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<VoiceErasure>, Problem> {
    caller.require_scope(Scope::Write)?;
    let voice = own(&app, &caller, id).await?;
    let erased = app.store.erase_voice(voice.id, &caller.actor, app.now()).await?;
    erased.map(Json).ok_or_else(|| Code::NotFound.into())
}

/// Lists the proofs of erased voices, the newest first.
#[utoipa::path(get, path = "/v1/departments/{id}/voice-erasures", tag = "voices", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<VoiceErasure>), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub async fn erasures(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<VoiceErasure>>, Problem> {
    caller.require_scope(Scope::Read)?;
    known(&app, &caller, id).await?;
    let mut erasures = app.store.voice_erasures(id).await?;
    if !access::may_see_voices(&caller.user, id) {
        erasures.retain(|erasure| erasure.user == Some(caller.user.id));
    }
    Ok(Json(erasures))
}

/// Lets through who may know of a department's shared things.
async fn known(app: &App, caller: &Caller, department: Id) -> Result<(), Problem> {
    let exists = app.store.departments().await?.iter().any(|known| known.id == department);
    let may = access::may_see_shared(&caller.user, Some(department));
    if exists && may { Ok(()) } else { Err(Code::NotFound.into()) }
}

/// Returns a voice that is the caller's own, or that they answer for.
async fn own(app: &App, caller: &Caller, id: Id) -> Result<Voice, Problem> {
    let voice = app.store.voice(id).await?.ok_or(Code::NotFound)?;
    let is_own = voice.user == Some(caller.user.id);
    if is_own || access::may_manage_people(&caller.user, voice.department) {
        return Ok(voice);
    }
    let sees = access::may_see_voices(&caller.user, voice.department);
    Err(if sees { Code::NotAllowed.into() } else { Code::NotFound.into() })
}
