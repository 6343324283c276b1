//! Live meetings over the wire: begin, look, pause, go on, end.
//!
//! A recording always begins, also without a free seat: then it is a recording only, and its text comes later.

mod captions;
mod console;
mod public;
mod record;
mod viewer;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::access::Standing;
use super::auth::{Body, Caller, Path};
use super::error::{Code, Problem};
use super::meetings::{MeetingInput, checked_new};
use super::secret;
use crate::clock::UnixMs;
use crate::seats::{Device, DeviceId, DeviceKind, MeetingId, Use};
use crate::store::Id;
use crate::store::live::event::{Phase, Recognition, Status};
use crate::store::live::{Begun, CaptionWish, NewLive, Room, Stream};
use crate::store::meetings::Meeting;
use crate::store::seats::{HeldSeat, NoSeat};
use crate::store::sessions::Scope;
use crate::store::words::Choice;

/// Longest name of a room.
const ROOM_CHARS_MAX: usize = 100;
/// Seconds by which screens may hold captions back.
const DELAYS_S: [u32; 2] = [0, 3];

/// A live meeting to be begun.
#[derive(Deserialize, ToSchema)]
pub struct LiveInput {
    /// A UUID of the caller's own: the same wish again, whose answer was lost, finds the same live meeting.
    request_id: Option<Id>,
    /// The meeting that is there; a new one is made if absent.
    meeting_id: Option<Id>,
    /// The new meeting.
    #[serde(flatten)]
    new: MeetingInput,
    /// The name of the room.
    #[serde(default)]
    room: String,
    /// The groups of words to listen for; those of the meeting if absent.
    groups: Option<Vec<Id>>,
    /// What is wished for its captions.
    #[serde(default)]
    captions: CaptionWish,
}

/// A live meeting as those who take part see it.
#[derive(Serialize, ToSchema)]
pub struct LiveView {
    /// Its name.
    live: Id,
    /// The meeting that is recorded.
    meeting: Id,
    /// 会議名
    title: String,
    /// The name of the room.
    room: String,
    /// When it was begun.
    #[schema(value_type = i64)]
    began_at: UnixMs,
    /// How it is.
    status: Status,
    /// What is wished for its captions.
    captions: CaptionWish,
    /// How long the recording is, milliseconds.
    recorded_ms: u64,
    /// Its microphones.
    streams: Vec<StreamView>,
    /// The path of the caption page that needs no account, if there is one.
    link: Option<String>,
    /// How many read its captions now.
    viewers: usize,
}

/// A microphone of a live meeting.
#[derive(Serialize, ToSchema)]
pub struct StreamView {
    /// Its number in the meeting.
    stream: u32,
    /// As it names itself.
    microphone: Id,
    /// Samples per second.
    rate_hz: u32,
    /// Samples on the server's disk.
    stored: u64,
    /// Whether it is connected.
    connected: bool,
}

/// The table of contents of these files.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, begin))
        .routes(routes!(read))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(end))
        .routes(routes!(console::mark))
        .routes(routes!(console::agenda))
        .routes(routes!(console::correct))
        .routes(routes!(console::message))
        .routes(routes!(console::words))
        .routes(routes!(console::read_link, console::link))
        .routes(routes!(console::lines))
        .routes(routes!(record::record))
        .routes(routes!(captions::socket))
        .routes(routes!(captions::events))
        .routes(routes!(public::read))
        .routes(routes!(public::socket))
        .routes(routes!(public::events))
}

fn view(room: &Room, meeting: Option<&Meeting>, now: UnixMs) -> LiveView {
    let stream = |stream: &Arc<Stream>| {
        let (origin, progress) = (&stream.origin, stream.progress());
        StreamView {
            stream: origin.number,
            microphone: origin.microphone,
            rate_hz: origin.rate_hz,
            stored: progress.durable,
            connected: progress.connected,
        }
    };
    LiveView {
        live: room.kind.id,
        meeting: room.kind.meeting,
        title: meeting.map_or_else(String::new, |meeting| meeting.title.clone()),
        room: room.kind.room.clone(),
        began_at: room.kind.began_at,
        status: room.status(),
        captions: room.kind.wish,
        recorded_ms: room.ms_at(now),
        streams: room.streams().iter().map(stream).collect(),
        link: room.code().map(|code| public::page(&code)),
        viewers: room.listeners(),
    }
}

/// Lets through who may do so much with the meeting of a live meeting that is known here.
async fn admitted(
    app: &Shared,
    caller: &Caller,
    live: Id,
    needed: Standing,
) -> Result<(Arc<Room>, Meeting), Problem> {
    let room = app.live.room(live).filter(|room| !room.kind.is_door).ok_or(Code::NotFound)?;
    let (meeting, _) = caller.meeting(app, room.kind.meeting, needed).await?;
    Ok((room, meeting))
}

/// Lists the live meetings that the caller may read, the newest first.
#[utoipa::path(get, path = "/v1/live", tag = "live",
    responses((status = 200, body = Vec<LiveView>), (status = 401, body = Problem)))]
pub async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<LiveView>>, Problem> {
    caller.require_scope(Scope::Read)?;
    let mut views = Vec::new();
    for room in app.live.rooms().iter().filter(|room| room.phase() != Phase::Sealed && !room.kind.is_door) {
        if let Ok((meeting, _)) = caller.meeting(&app, room.kind.meeting, Standing::Read).await {
            views.push(view(room, Some(&meeting), app.now()));
        }
    }
    Ok(Json(views))
}

/// Begins to record a meeting: one that is there, or a new one.
///
/// It begins in any case; `status` says whether there are captions, and if not, why. A meeting that is being recorded
/// already, and a wish that was fulfilled before, also if that has ended since, are answered with 200.
#[utoipa::path(post, path = "/v1/live", tag = "live", request_body = LiveInput,
    responses((status = 200, body = LiveView), (status = 201, body = LiveView), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn begin(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<LiveInput>,
) -> Result<(StatusCode, Json<LiveView>), Problem> {
    caller.require_scope(Scope::Write)?;
    let room = checked_room(&input.room)?;
    if !DELAYS_S.contains(&input.captions.delay_s) {
        return Err(Problem::new(Code::Invalid).about("captions.delay_s: 0, 3"));
    }
    let _once = app.live.one_wish().await;
    if let Some(known) = known(&app, &caller, input.request_id).await? {
        return Ok((StatusCode::OK, known));
    }
    let (meeting, _) = match input.meeting_id {
        Some(id) => caller.meeting(&app, id, Standing::Edit).await?,
        None => {
            let new = checked_new(&app, &caller, input.new).await?;
            (app.store.add_meeting(&new, &caller.actor, app.now()).await?, Standing::Manage)
        }
    };
    if let Some(groups) = input.groups {
        console::choose(&app, &caller, &meeting, Choice { groups: Some(groups) }).await?;
    }
    let new = NewLive {
        id: input.request_id.unwrap_or_else(Id::new),
        meeting: meeting.id,
        user: caller.user.id,
        room,
        wish: input.captions,
        code: input.captions.link.then(code),
    };
    let (status, room) = match app.live.begin(&new, &caller.actor, app.now()).await? {
        Begun::New(room) => (StatusCode::CREATED, room),
        Begun::Known(room) => (StatusCode::OK, room),
        Begun::TooMany => return Err(Code::TooManyLives.into()),
    };
    if status == StatusCode::CREATED {
        look_for_seat(&app, &room).await?;
    }
    Ok((status, Json(view(&room, Some(&meeting), app.now()))))
}

/// Returns the live meeting that a wish has begun before.
async fn known(app: &Shared, caller: &Caller, wish: Option<Id>) -> Result<Option<Json<LiveView>>, Problem> {
    let Some(id) = wish else { return Ok(None) };
    let Some(room) = app.live.find(id, app.now()).await? else { return Ok(None) };
    if room.kind.user != caller.user.id || room.kind.is_door {
        return Err(Problem::new(Code::Invalid).about("request_id: 別の要求で使われています"));
    }
    let (meeting, _) = caller.meeting(app, room.kind.meeting, Standing::Edit).await?;
    Ok(Some(Json(view(&room, Some(&meeting), app.now()))))
}

/// Says at once whether there is a seat; whoever looks after live meetings keeps it, or goes on asking.
async fn look_for_seat(app: &Shared, room: &Room) -> Result<(), Problem> {
    let Some(applicant) = app.store.applicant(room.kind.user).await? else { return Ok(()) };
    let device =
        Device { id: DeviceId(room.kind.id.uuid()), kind: DeviceKind::Job, name: room.kind.room.clone() };
    let used_for = Use::Record(MeetingId(room.kind.meeting.uuid()));
    match HeldSeat::take(&app.seats, applicant, device, used_for).await {
        Ok(_) => {}
        Err(NoSeat::Waiting) => room.is_recognised(Recognition::NoSeat, 0, "full"),
        Err(NoSeat::Refused) => room.is_recognised(Recognition::SeatRefused, 0, "full"),
    }
    Ok(())
}

/// Shows a live meeting, also for a while after it was ended.
#[utoipa::path(get, path = "/v1/live/{id}", tag = "live", params(("id" = Id, Path)),
    responses((status = 200, body = LiveView), (status = 404, body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<LiveView>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (room, meeting) = admitted(&app, &caller, id, Standing::Read).await?;
    Ok(Json(view(&room, Some(&meeting), app.now())))
}

/// Pauses the recording: microphones send what they heard before, and nothing more.
#[utoipa::path(post, path = "/v1/live/{id}/pause", tag = "live", params(("id" = Id, Path)),
    responses((status = 200, body = LiveView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn pause(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<LiveView>, Problem> {
    step(&app, &caller, id, Phase::Paused).await
}

/// Goes on with a recording that was paused.
#[utoipa::path(post, path = "/v1/live/{id}/resume", tag = "live", params(("id" = Id, Path)),
    responses((status = 200, body = LiveView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn resume(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<LiveView>, Problem> {
    step(&app, &caller, id, Phase::Recording).await
}

/// Ends the recording: what was heard until now still comes in, then it is an ordinary recording with its job.
#[utoipa::path(post, path = "/v1/live/{id}/end", tag = "live", params(("id" = Id, Path)),
    responses((status = 200, body = LiveView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn end(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<LiveView>, Problem> {
    step(&app, &caller, id, Phase::Ended).await
}

async fn step(app: &Shared, caller: &Caller, id: Id, phase: Phase) -> Result<Json<LiveView>, Problem> {
    caller.require_scope(Scope::Write)?;
    let (room, meeting) = admitted(app, caller, id, Standing::Edit).await?;
    if !app.live.set_phase(&room, phase, &caller.actor, app.now()).await? {
        return Err(Code::LiveEnded.into());
    }
    Ok(Json(view(&room, Some(&meeting), app.now())))
}

fn checked_room(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.chars().count() > ROOM_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Problem::new(Code::Invalid).about(format!("room: {ROOM_CHARS_MAX} 文字まで")));
    }
    Ok(name.to_owned())
}

/// Makes the secret part of a caption link: short enough for a QR code on a wall, too long to be guessed.
fn code() -> String {
    secret::random().chars().take(public::CODE_CHARS).collect()
}
