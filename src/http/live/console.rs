//! What people do while a meeting goes on: marks, agenda, corrections, messages, words, the caption link.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Shared;
use super::super::access::Standing;
use super::super::auth::{Body, Caller, Path, Query};
use super::super::error::{Code, Problem};
use super::super::words as word_groups;
use super::{admitted, code, public};
use crate::minutes::Mark;
use crate::store::Id;
use crate::store::live::event::{AGENDA, Event, Line, Note};
use crate::store::meetings::Meeting;
use crate::store::sessions::Scope;
use crate::store::words::Choice;

/// Longest text of a correction, a message or a heading.
const TEXT_CHARS_MAX: usize = 1_000;
/// Longest word about a mark.
const NOTE_CHARS_MAX: usize = 200;
/// Most sentences on a page.
const PAGE_MAX: usize = 500;

/// A mark.
#[derive(Deserialize, ToSchema)]
pub struct MarkInput {
    /// What it marks.
    mark: Mark,
    /// A word about it.
    #[serde(default)]
    text: String,
}

/// A text.
#[derive(Deserialize, ToSchema)]
pub struct TextInput {
    /// The text.
    text: String,
}

/// A correction.
#[derive(Deserialize, ToSchema)]
pub struct CorrectionInput {
    /// The number of the sentence.
    line: u64,
    /// What it is from now on.
    text: String,
}

/// The wish for a caption link.
#[derive(Deserialize, ToSchema)]
pub struct LinkInput {
    /// `true` for a new one, `false` for none; the old one stops working in both cases.
    open: bool,
}

/// A caption link.
#[derive(Serialize, ToSchema)]
pub struct LinkView {
    /// Where the page is; none if nobody may look without an account.
    url: Option<String>,
    /// The same as a QR code, an SVG picture.
    qr: Option<String>,
}

/// Which sentences.
#[derive(Deserialize, IntoParams)]
pub struct LinesQuery {
    /// The number of a sentence; those before it are told.
    before: Option<u64>,
    /// How many, at most 500.
    limit: Option<usize>,
}

/// Sets a mark where the recording is now.
#[utoipa::path(post, path = "/v1/live/{id}/marks", tag = "live", params(("id" = Id, Path)), request_body = MarkInput,
    responses((status = 201, body = Note), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn mark(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<MarkInput>,
) -> Result<(StatusCode, Json<Note>), Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Edit).await?;
    let text = checked(&input.text, "text", 0..=NOTE_CHARS_MAX)?;
    let word = serde_json::to_value(input.mark).ok();
    let word = word.as_ref().and_then(|word| word.as_str()).ok_or(Code::Internal)?;
    let note = app.live.note(&room, (word, text), &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// Goes on to the next item of the agenda: a heading where the recording is now.
#[utoipa::path(post, path = "/v1/live/{id}/agenda", tag = "live", params(("id" = Id, Path)), request_body = TextInput,
    responses((status = 201, body = Note), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn agenda(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<TextInput>,
) -> Result<(StatusCode, Json<Note>), Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Edit).await?;
    let text = checked(&input.text, "text", 1..=NOTE_CHARS_MAX)?;
    let note = app.live.note(&room, (AGENDA, text), &caller.actor, app.now()).await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// Corrects a sentence where it stands.
#[utoipa::path(post, path = "/v1/live/{id}/corrections", tag = "live", params(("id" = Id, Path)),
    request_body = CorrectionInput,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn correct(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<CorrectionInput>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Edit).await?;
    let text = checked(&input.text, "text", 0..=TEXT_CHARS_MAX)?;
    if !app.live.correct(&room, (input.line, text), &caller.actor, app.now()).await? {
        return Err(Code::NotFound.into());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Writes to everybody who reads captions: a prepared line, （拍手）, what somebody cannot say aloud. It is not kept.
#[utoipa::path(post, path = "/v1/live/{id}/messages", tag = "live", params(("id" = Id, Path)),
    request_body = TextInput,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn message(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<TextInput>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Edit).await?;
    room.tell(Event::Message { text: checked(&input.text, "text", 1..=TEXT_CHARS_MAX)? });
    Ok(StatusCode::NO_CONTENT)
}

/// Listens for other groups of words from now on.
#[utoipa::path(post, path = "/v1/live/{id}/words", tag = "live", params(("id" = Id, Path)), request_body = Choice,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn words(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(choice): Body<Choice>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, meeting) = admitted(&app, &caller, id, Standing::Edit).await?;
    choose(&app, &caller, &meeting, choice).await?;
    room.new_words();
    Ok(StatusCode::NO_CONTENT)
}

/// Chooses the groups of words of a meeting.
pub(super) async fn choose(
    app: &Shared,
    caller: &Caller,
    meeting: &Meeting,
    choice: Choice,
) -> Result<(), Problem> {
    word_groups::check_choice(app, meeting, &choice).await?;
    Ok(app.store.choose_words(meeting.id, &choice, &caller.actor, app.now()).await?)
}

/// Makes a new caption link for people without an account, or takes it away.
#[utoipa::path(post, path = "/v1/live/{id}/link", tag = "live", params(("id" = Id, Path)), request_body = LinkInput,
    responses((status = 200, body = LinkView), (status = 404, body = Problem)))]
pub async fn link(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    headers: HeaderMap,
    Body(input): Body<LinkInput>,
) -> Result<Json<LinkView>, Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Edit).await?;
    let code = input.open.then(code);
    app.live.set_code(&room, code.clone(), &caller.actor, app.now()).await?;
    Ok(Json(link_view(&app, &headers, code.as_deref())))
}

/// Shows the caption link for people without an account, with its picture, if there is one.
#[utoipa::path(get, path = "/v1/live/{id}/link", tag = "live", params(("id" = Id, Path)),
    responses((status = 200, body = LinkView), (status = 404, body = Problem)))]
pub async fn read_link(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    headers: HeaderMap,
) -> Result<Json<LinkView>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Read).await?;
    Ok(Json(link_view(&app, &headers, room.code().as_deref())))
}

fn link_view(app: &Shared, headers: &HeaderMap, code: Option<&str>) -> LinkView {
    let scheme = if app.settings.secure { "https" } else { "http" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = code.map(|code| format!("{scheme}://{host}{}", public::page(code)));
    let qr = url.as_deref().and_then(public::qr);
    LinkView { url, qr }
}

/// Lists sentences, the newest first, for those who correct them.
#[utoipa::path(get, path = "/v1/live/{id}/lines", tag = "live", params(("id" = Id, Path), LinesQuery),
    responses((status = 200, body = Vec<Line>), (status = 404, body = Problem)))]
pub async fn lines(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<Vec<Line>>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (room, _) = admitted(&app, &caller, id, Standing::Read).await?;
    let limit = query.limit.unwrap_or(100).clamp(1, PAGE_MAX);
    Ok(Json(room.lines_before(query.before.unwrap_or(u64::MAX), limit)))
}

fn checked(text: &str, name: &str, chars: std::ops::RangeInclusive<usize>) -> Result<String, Problem> {
    let text = text.trim();
    if !chars.contains(&text.chars().count()) || text.chars().any(char::is_control) {
        let (least, most) = (chars.start(), chars.end());
        return Err(Problem::new(Code::Invalid).about(format!("{name}: {least} 文字から {most} 文字まで")));
    }
    Ok(text.to_owned())
}
