//! What a second recognition heard differently: offered beside the edits, never written over them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Standing;
use super::auth::{Caller, Path, Query};
use super::error::{Code, Problem};
use super::{Shared, heavy};
use crate::minutes::difference::{self, Offer};
use crate::minutes::draft::draft;
use crate::minutes::edit::Op;
use crate::minutes::relabel::relabelled;
use crate::store::Id;
use crate::store::jobs::Stretch;
use crate::store::sessions::Scope;

/// Which recognition is compared.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OffersQuery {
    /// The version of the transcript; the newest if absent.
    transcript: Option<u64>,
}

/// What could be taken over.
#[derive(Serialize, ToSchema)]
pub struct OffersAnswer {
    /// The revision the operations are made for.
    revision: u64,
    /// The version of the transcript.
    transcript: u64,
    /// What was heard differently, in the order of time; taken over by sending its operations as an edit.
    offers: Vec<Offer>,
    /// The operations that give utterances the speakers this recognition tells apart; whom somebody assigned by hand stays.
    speakers: Vec<Op>,
}

/// Compares a recognition with the minutes as they are now and offers what it heard differently.
#[utoipa::path(get, path = "/v1/meetings/{id}/offers", tag = "minutes", params(("id" = Id, Path), OffersQuery),
    responses((status = 200, body = OffersAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn offers(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<OffersQuery>,
) -> Result<Json<OffersAnswer>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    let versions = app.store.transcripts(id).await?;
    let wanted = match query.transcript {
        Some(number) => versions.iter().find(|version| version.version == number),
        None => versions.first(),
    };
    let wanted = wanted.ok_or(Code::NotFound)?;
    // Times of another recording mean other moments: every stretch would look as if it were heard differently.
    if versions.last().is_some_and(|first| first.recording != wanted.recording) {
        return Err(Problem::new(Code::Invalid).about("transcript: 別の録音の認識結果です"));
    }
    let job = app.store.job(wanted.job).await?;
    let stretch = job.and_then(|job| job.settings.stretch);
    let transcript = app.store.transcript(id, wanted.version).await?.ok_or(Code::NotFound)?;
    let template = app.store.template_of_meeting(id).await?.unwrap_or_default();
    let (revision, minutes) = (document.revision, document.minutes);
    let compare = move || {
        let mut offers = difference::proposal(&minutes, &draft(&transcript, &template));
        let Some(stretch) = stretch else { return (offers, relabelled(&minutes, &transcript)) };
        // What was not asked again is as it was: what differs there is what people wrote since.
        offers.retain(|offer| is_about(offer, stretch));
        (offers, Vec::new())
    };
    let (offers, speakers) = heavy::apart(compare).await?;
    Ok(Json(OffersAnswer { revision, transcript: wanted.version, offers, speakers }))
}

/// Tells whether at least half of what is offered lies in the stretch that was asked for.
fn is_about(offer: &Offer, stretch: Stretch) -> bool {
    let shared_ms = offer.end_ms.min(stretch.until_ms).saturating_sub(offer.start_ms.max(stretch.from_ms));
    shared_ms > 0 && shared_ms * 2 >= offer.end_ms - offer.start_ms
}
