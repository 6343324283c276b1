//! Speakers of minutes get names by their voices, as an edit like every other: seen, undone and refused alike.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ear::{Ear, ear};
use super::enrol::hear_speakers;
use crate::http::access::Standing;
use crate::http::auth::{Body, Caller, Path};
use crate::http::error::voices::VoiceRefusal;
use crate::http::error::{Code, Problem};
use crate::http::minutes::{Attempt, EditAnswer, carry_out, checked_request};
use crate::http::seated::Seat;
use crate::http::{App, Shared};
use crate::minutes::voices::{Suggestion, may_be_named, naming, to_be_named};
use crate::minutes::{Minutes, SpeakerId};
use crate::speech::naming;
use crate::speech::voice::Embedding;
use crate::store::Id;
use crate::store::meetings::Meeting;
use crate::store::minutes::Cause;
use crate::store::sessions::Scope;

/// A wish to have speakers named.
#[derive(Deserialize, ToSchema)]
pub struct NameInput {
    /// Names the attempt, 1 to 64 characters: sent twice, it is carried out once.
    request_id: String,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub struct NameAnswer {
    /// How many speakers have a name by their voice now.
    named: usize,
    /// How many speakers are without one: empty is better than invented.
    unnamed: usize,
    /// The edit that was made; none if nobody was recognised.
    edit: Option<EditAnswer>,
}

/// Names speakers by the voices that the department remembers: only those whom nobody has named by hand.
#[utoipa::path(post, path = "/v1/meetings/{id}/speakers/name", tag = "voices", request_body = NameInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = NameAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn name_speakers(
    State(app): State<Shared>,
    caller: Caller,
    seat: Seat,
    Path(id): Path<Id>,
    Body(input): Body<NameInput>,
) -> Result<Json<NameAnswer>, Problem> {
    caller.require_scope(Scope::Write)?;
    let (meeting, _) = caller.meeting(&app, id, Standing::Edit).await?;
    let request = checked_request(&input.request_id)?;
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    if !app.store.voice_rules(meeting.department).await?.enabled {
        return Err(VoiceRefusal::Off.into());
    }
    let ear = ear(&app).await?;
    let open = to_be_named(&document.minutes);
    let suggestions = suggestions(&app, &ear, &meeting, (&document.minutes, &open)).await?;
    let ops = naming(&document.minutes, &suggestions);
    let (named, unnamed) = (suggestions.len(), open.len() - suggestions.len());
    if ops.is_empty() {
        return Ok(Json(NameAnswer { named, unnamed, edit: None }));
    }
    let attempt = Attempt { request, base: document.revision, ops: &ops, cause: Cause::Edit };
    let edit = carry_out(&app, (&caller, &seat), id, attempt).await?;
    Ok(Json(NameAnswer { named, unnamed, edit: Some(edit) }))
}

/// Compares the voices of speakers with those that may be in the meeting.
async fn suggestions(
    app: &App,
    ear: &std::sync::Arc<Ear>,
    meeting: &Meeting,
    (minutes, open): (&Minutes, &[SpeakerId]),
) -> Result<Vec<Suggestion>, Problem> {
    let template = app.store.template_of_meeting(meeting.id).await?.unwrap_or_default();
    let mut known = app.store.voiceprints(meeting.department, ear.model, app.now()).await?;
    known.retain(|(voice, _)| may_be_named(&voice.name, &template.attendees, minutes));
    if known.is_empty() || open.is_empty() {
        return Ok(Vec::new());
    }
    let heard = hear_speakers(app, ear, meeting.id, (minutes, open.to_vec())).await?;
    let heard = open.iter().zip(heard).filter_map(|(speaker, piece)| Some((*speaker, piece?)));
    let (speakers, voices): (Vec<SpeakerId>, Vec<naming::Heard>) = heard
        .map(|(speaker, piece)| (speaker, naming::Heard { voice: piece.voice, speech_ms: piece.speech_ms }))
        .unzip();
    let prints: Vec<Embedding> = known.iter().map(|(_, print)| print.voice()).collect();
    let named = naming::name(&voices, &prints);
    let compared: Vec<Id> = known.iter().map(|(voice, _)| voice.id).collect();
    app.store.voices_compared(meeting.id, &compared, named.len(), app.now()).await?;
    let suggestion = |named: &naming::Named| Suggestion {
        speaker: speakers[named.heard],
        name: known[named.known].0.name.clone(),
        confidence: named.confidence,
    };
    Ok(named.iter().map(suggestion).collect())
}
