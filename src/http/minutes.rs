//! Minutes: read, edit, undo, follow what others do, compare, move on their way to 確定.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Standing;
use super::auth::{Body, Caller, Path, Query};
use super::error::{Code, Problem};
use super::rendered::Rendered;
use super::seated::{Proven, Seat};
use super::{App, Shared};
use crate::minutes::Minutes;
use crate::minutes::difference::{Difference, difference};
use crate::minutes::edit::Op;
use crate::minutes::workflow::{self, Action};
use crate::store::minutes::{Cause, Document, Done, Edit, Edited, Edition, Revision, redoable, undoable};
use crate::store::sessions::Scope;
use crate::store::{Id, Store};

/// Longest name of an attempt.
const REQUEST_CHARS_MAX: usize = 64;
/// Most revisions in one answer.
const REVISIONS_MAX: u32 = 500;
/// How often who follows looks by itself: other nodes send no notices.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a person did, on the revision they saw.
#[derive(Deserialize, ToSchema)]
pub struct EditInput {
    /// The revision they saw.
    base_revision: u64,
    /// Names the attempt, 1 to 64 characters: sent twice, it is carried out once.
    request_id: String,
    /// What they did.
    ops: Vec<Op>,
}

/// Which step to take back.
#[derive(Deserialize, ToSchema)]
pub struct StepInput {
    /// Names the attempt, 1 to 64 characters.
    request_id: String,
}

/// An edit that is kept.
#[derive(Serialize, ToSchema)]
pub struct EditAnswer {
    /// The revision it made.
    revision: u64,
    /// What others did since the revision the person saw; it comes before `ops`.
    since: Vec<Op>,
    /// The edit as it was kept, carried over what others did.
    ops: Vec<Op>,
}

/// Minutes at a revision.
#[derive(Serialize, ToSchema)]
pub struct MinutesView {
    /// The revision.
    revision: u64,
    /// The document.
    minutes: Minutes,
}

/// What to leave out.
#[derive(Deserialize, IntoParams)]
pub struct ReadQuery {
    /// A revision of the past; the present one if absent.
    revision: Option<u64>,
    /// Whether the recognised words with their times are wanted, `true` if absent.
    words: Option<bool>,
}

/// Where a list of revisions begins.
#[derive(Deserialize, IntoParams)]
pub struct RevisionsQuery {
    /// The revision after which it begins.
    #[serde(default)]
    after: u64,
    /// Most revisions in it, at most 500.
    limit: Option<u32>,
}

/// What is compared: `current`, `recognised`, `final`, a revision's number, or an edition's name.
#[derive(Deserialize, IntoParams)]
pub struct CompareQuery {
    /// The earlier one.
    from: String,
    /// The later one.
    to: String,
}

/// Where the minutes stand now.
#[derive(Serialize, ToSchema)]
pub struct StateAnswer {
    /// The state.
    state: workflow::State,
    /// The word on screen.
    label: &'static str,
    /// The edition that was made, if the step made one.
    edition: Option<Edition>,
}

/// Shows the minutes.
#[utoipa::path(get, path = "/v1/meetings/{id}/minutes", tag = "minutes", params(("id" = Id, Path), ReadQuery),
    responses((status = 200, body = MinutesView), (status = 304), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<ReadQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let document = match query.revision {
        Some(revision) => app.store.document_at(id, revision).await?,
        None => app.store.document(id).await?,
    };
    let document = document.ok_or(Code::NoMinutes)?;
    let words = query.words.unwrap_or(true);
    let etag = format!("\"{}-{}\"", document.revision, u8::from(words));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let zipped = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accepted| accepted.contains("gzip"));
    let rendered = rendered(&app, id, document, words).await?;
    Ok(rendered.answer(etag, zipped))
}

async fn rendered(app: &Shared, id: Id, document: Document, words: bool) -> Result<Arc<Rendered>, Problem> {
    let latest = app.rendered.get(&(id, words));
    if let Some(found) = latest.as_ref().filter(|found| found.revision() == document.revision) {
        return Ok(Arc::clone(found));
    }
    let is_newer = latest.as_ref().is_none_or(|latest| latest.revision() < document.revision);
    let make = move || Arc::new(Rendered::of(&document, words, latest.as_deref()));
    let made = tokio::task::spawn_blocking(make).await.map_err(|_| Problem::new(Code::Internal))?;
    // Who reads the past leaves the present where it is.
    if is_newer {
        app.rendered.insert((id, words), Arc::clone(&made));
    }
    Ok(made)
}

/// Carries out what a person did; what others did since is taken into account where both can be.
#[utoipa::path(patch, path = "/v1/meetings/{id}/minutes", tag = "minutes", request_body = EditInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = EditAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn edit(
    State(app): State<Shared>,
    caller: Caller,
    seat: Seat,
    Path(id): Path<Id>,
    Body(input): Body<EditInput>,
) -> Result<Json<EditAnswer>, Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Edit).await?;
    let request = checked_request(&input.request_id)?;
    if input.ops.is_empty() {
        return Err(Problem::new(Code::Invalid).about("ops: 空です"));
    }
    let attempt = Attempt { request, base: input.base_revision, ops: &input.ops, cause: Cause::Edit };
    carry_out(&app, (&caller, &seat), id, attempt).await.map(Json)
}

/// Undoes the caller's last change.
#[utoipa::path(post, path = "/v1/meetings/{id}/minutes/undo", tag = "minutes", request_body = StepInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = EditAnswer), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn undo(
    State(app): State<Shared>,
    caller: Caller,
    seat: Seat,
    Path(id): Path<Id>,
    Body(input): Body<StepInput>,
) -> Result<Json<EditAnswer>, Problem> {
    step_back(&app, (&caller, &seat), id, &input, undoable, |revision| Cause::Undo { revision }).await
}

/// Takes the caller's last undo back.
#[utoipa::path(post, path = "/v1/meetings/{id}/minutes/redo", tag = "minutes", request_body = StepInput,
    params(("id" = Id, Path)),
    responses((status = 200, body = EditAnswer), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn redo(
    State(app): State<Shared>,
    caller: Caller,
    seat: Seat,
    Path(id): Path<Id>,
    Body(input): Body<StepInput>,
) -> Result<Json<EditAnswer>, Problem> {
    step_back(&app, (&caller, &seat), id, &input, redoable, |revision| Cause::Redo { revision }).await
}

async fn step_back(
    app: &Shared,
    (caller, seat): (&Caller, &Seat),
    id: Id,
    input: &StepInput,
    choose: fn(&[crate::store::minutes::Step]) -> Option<u64>,
    cause: fn(u64) -> Cause,
) -> Result<Json<EditAnswer>, Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(app, id, Standing::Edit).await?;
    let request = checked_request(&input.request_id)?;
    let steps = app.store.steps(id, caller.user.id).await?;
    let revision = choose(&steps).ok_or(Code::NothingToUndo)?;
    let ops = app.store.undo_ops(id, revision).await?.ok_or(Code::NothingToUndo)?;
    let attempt = Attempt { request, base: revision, ops: &ops, cause: cause(revision) };
    carry_out(app, (caller, seat), id, attempt).await.map(Json)
}

/// What a person tries, before it is known whether they have a seat.
pub(super) struct Attempt<'a> {
    /// Its name.
    pub request: &'a str,
    /// The revision the person saw.
    pub base: u64,
    /// What they did.
    pub ops: &'a [Op],
    /// Why.
    pub cause: Cause,
}

/// Carries out an edit and says what became of it.
pub(super) async fn carry_out(
    app: &App,
    (caller, seat): (&Caller, &Seat),
    id: Id,
    attempt: Attempt<'_>,
) -> Result<EditAnswer, Problem> {
    let proven = seat.proven(app, caller)?;
    let Attempt { request, base, ops, cause } = attempt;
    let edit = Edit { request, base, ops, cause, seat: proven.fence() };
    match app.store.edit(id, edit, &caller.actor, app.now()).await? {
        Edited::Done(Done { document, since, ops }) => {
            seat.worked(app).await;
            Ok(EditAnswer { revision: document.revision, since, ops })
        }
        Edited::Conflict { conflict, now } => {
            let facts = serde_json::json!({ "conflict": conflict, "revision": now.revision,
                "current": about(&now, &conflict.thing) });
            Err(Problem::new(Code::EditConflict).about(&conflict).with(facts))
        }
        Edited::Refused { error, now } => {
            let facts = serde_json::json!({ "error": error, "revision": now.revision });
            Err(Problem::new(Code::EditRefused).about(&error).with(facts))
        }
        Edited::Behind { revision } => {
            Err(Problem::new(Code::EditBehind).with(serde_json::json!({ "revision": revision })))
        }
        Edited::Frozen => Err(Code::MinutesFrozen.into()),
        Edited::Missing => Err(Code::NoMinutes.into()),
        Edited::SeatLost => {
            let refusal = match proven {
                Proven::Lost(refusal) => refusal,
                Proven::Seated(_) => seat.lost(app, caller),
            };
            // Losing a seat loses no work: what was written stays here until its writer sits again.
            let draft = app.store.keep_draft(id, caller.user.id, (request, base, ops), app.now()).await?;
            Err(Problem::from(refusal).also(serde_json::json!({ "draft": draft })))
        }
    }
}

/// Returns what both edits are about, as it is now, so that a person can see both texts.
fn about(now: &Document, thing: &crate::minutes::edit::Thing) -> serde_json::Value {
    use crate::minutes::edit::Thing;
    match thing {
        Thing::Header { field } => serde_json::json!(now.minutes.header.get(field)),
        Thing::Block { block } => serde_json::json!(now.minutes.block(*block)),
        Thing::Speaker { speaker } => serde_json::json!(now.minutes.speaker(*speaker)),
        Thing::Item { item } => {
            serde_json::json!(now.minutes.items.iter().find(|found| found.id == *item))
        }
    }
}

/// Passes the name of an attempt.
pub(super) fn checked_request(request: &str) -> Result<&str, Problem> {
    let chars = request.chars().count();
    if chars == 0 || chars > REQUEST_CHARS_MAX {
        return Err(Problem::new(Code::Invalid).about("request_id: 1 文字から 64 文字まで"));
    }
    Ok(request)
}

/// Lists what was done, oldest first.
#[utoipa::path(get, path = "/v1/meetings/{id}/minutes/revisions", tag = "minutes",
    params(("id" = Id, Path), RevisionsQuery),
    responses((status = 200, body = Vec<Revision>), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn revisions(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<RevisionsQuery>,
) -> Result<Json<Vec<Revision>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let limit = query.limit.unwrap_or(100).clamp(1, REVISIONS_MAX);
    Ok(Json(app.store.revisions(id, query.after, limit).await?))
}

/// Tells of every further revision as it is made: server-sent events named `revision`, each a revision as JSON.
#[utoipa::path(get, path = "/v1/meetings/{id}/minutes/events", tag = "minutes",
    params(("id" = Id, Path), RevisionsQuery),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub async fn events(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<RevisionsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let follower = Follower {
        listener: app.store.notices.listen(),
        store: app.store.clone(),
        meeting: id,
        seen: query.after,
        pending: Vec::new(),
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Somebody who follows the revisions of a meeting.
struct Follower {
    listener: crate::store::notices::Listener,
    store: Store,
    meeting: Id,
    seen: u64,
    /// Read, not told yet; the next one last.
    pending: Vec<Revision>,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(revision) = self.pending.pop() {
                self.seen = revision.revision;
                let event = Event::default().event("revision").id(revision.revision.to_string());
                return event.json_data(&revision).ok();
            }
            self.pending = self.store.revisions(self.meeting, self.seen, REVISIONS_MAX).await.ok()?;
            self.pending.reverse();
            if self.pending.is_empty() {
                let heard = self.listener.hear(self.meeting);
                // A notice or the look every two seconds: what comes first.
                tokio::time::timeout(LOOK_EVERY, heard).await.ok();
            }
        }
    }
}

/// Lists the named states: 認識結果, 編集後, 確定版.
#[utoipa::path(get, path = "/v1/meetings/{id}/minutes/editions", tag = "minutes", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<Edition>), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn editions(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<Edition>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    Ok(Json(app.store.editions(id).await?))
}

/// Keeps the minutes as they are now under a name.
#[utoipa::path(post, path = "/v1/meetings/{id}/minutes/editions", tag = "minutes", params(("id" = Id, Path)),
    responses((status = 201, body = Edition), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn keep_edition(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<(StatusCode, Json<Edition>), Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Edit).await?;
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    let edition = app.store.keep_edition(id, &document, &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(edition)))
}

/// Compares any two states.
#[utoipa::path(get, path = "/v1/meetings/{id}/minutes/differences", tag = "minutes",
    params(("id" = Id, Path), CompareQuery),
    responses((status = 200, body = Difference), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn differences(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<CompareQuery>,
) -> Result<Json<Difference>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let (from, to) = (state_of(&app, id, &query.from).await?, state_of(&app, id, &query.to).await?);
    let compared = tokio::task::spawn_blocking(move || difference(&from, &to)).await;
    compared.map(Json).map_err(|_| Code::Internal.into())
}

/// Returns one of the states that can be compared.
pub(super) async fn state_of(app: &App, meeting: Id, name: &str) -> Result<Arc<Minutes>, Problem> {
    use crate::store::minutes::EditionKind;
    if name == "current" {
        return Ok(app.store.document(meeting).await?.ok_or(Code::NoMinutes)?.minutes);
    }
    if let Ok(revision) = name.parse::<u64>() {
        return Ok(app.store.document_at(meeting, revision).await?.ok_or(Code::NotFound)?.minutes);
    }
    let wanted = match name {
        "recognised" => Some(EditionKind::Recognised),
        "final" => Some(EditionKind::Final),
        _ => None,
    };
    let editions = app.store.editions(meeting).await?;
    let edition = editions.iter().rev().find(|edition| match wanted {
        Some(kind) => edition.kind == kind,
        None => edition.id.to_string() == name,
    });
    let edition = edition.ok_or(Code::NotFound)?;
    Ok(Arc::new(app.store.edition(meeting, edition.id).await?.ok_or(Code::NotFound)?))
}

/// Moves the minutes on or back: 確認依頼, 修正, 決裁依頼, 差戻し, 確定, 公開, 確定解除.
#[utoipa::path(post, path = "/v1/meetings/{id}/minutes/state", tag = "minutes", request_body = Action,
    params(("id" = Id, Path)),
    responses((status = 200, body = StateAnswer), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn step(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(action): Body<Action>,
) -> Result<Json<StateAnswer>, Problem> {
    caller.require_scope(Scope::Write)?;
    let needed = match action {
        Action::Finalise | Action::Publish | Action::Reopen { .. } => Standing::Manage,
        Action::RequestReview | Action::Revise | Action::RequestApproval | Action::SendBack { .. } => {
            Standing::Edit
        }
    };
    caller.meeting(&app, id, needed).await?;
    let document = app.store.document(id).await?.ok_or(Code::NoMinutes)?;
    let stepped = app.store.step_minutes(id, &document, &action, &caller.actor, app.now()).await?;
    match stepped {
        Ok((state, edition)) => Ok(Json(StateAnswer { state, label: state.label(), edition })),
        Err(error) => Err(Problem::new(Code::StepRefused).about(error)),
    }
}
