//! The licence: what holds today and why, plainly said; looked at and installed by upload.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Shared;
use super::auth::Caller;
use super::error::{Code, Problem};
use crate::seats::licence::day::Day;
use crate::seats::licence::request::Request;
use crate::seats::licence::standing::{FileStanding, Match, Notice, PoolStanding, Standing};
use crate::seats::licence::{Kind, LICENCE_BYTES_MAX, Licence, LicenceError, shown};
use crate::store::licences::{NewFile, believed};
use crate::store::sessions::Scope;
use crate::store::users::Role;

/// Seats of one kind today.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolAnswer {
    /// Which kind
    pool: String,
    /// How many
    seats: u32,
    /// Further ones in a disaster (災害時の増席)
    burst_seats: u32,
    /// On how many days a year these may be opened
    burst_days: u32,
    /// Why no new ones are given, as a stable word
    refusal: Option<&'static str>,
    /// The same for a person
    sentence: Option<String>,
}

/// What everybody should be told.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeAnswer {
    /// `ends_soon`, `in_grace` or `host_changed`
    kind: &'static str,
    /// Days left, where there is a count
    days_left: Option<u32>,
    /// The same for a person
    sentence: String,
}

/// One file and whether it counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileAnswer {
    /// Its name
    id: String,
    /// Its number
    seq: u32,
    /// Whether it counts, and why not otherwise
    sentence: String,
    /// Parts of this host that fit it; absent if it is bound to no host
    host_matched: Option<u8>,
    /// Parts that have to
    host_needed: Option<u8>,
}

/// What the licences amount to today.
#[derive(Debug, Serialize, ToSchema)]
pub struct LicenceAnswer {
    /// `evaluation` or `contract`
    #[schema(value_type = String)]
    kind: Kind,
    /// 評価用 or 契約
    label: &'static str,
    /// Whose licences they are
    customer: Option<String>,
    /// The trusted day
    #[schema(value_type = String)]
    today: Day,
    /// The same for a person, line by line
    sentence: String,
    /// Seats by kind
    pools: Vec<PoolAnswer>,
    /// What everybody should be told
    notices: Vec<NoticeAnswer>,
    /// Every file, for administrators
    files: Vec<FileAnswer>,
    /// Days until seats are fewer, if that is soon
    days_left: Option<u32>,
}

/// What a file grants and whether it would be accepted here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inspected {
    /// Whether it could be installed now
    acceptable: bool,
    /// Why not, as a stable word
    code: Option<&'static str>,
    /// What it grants, line by line; empty if that cannot be believed
    contents: String,
    /// The verdict for a person
    sentence: String,
}

/// Tells what is licensed today; without a file that is 評価用, and said so.
#[utoipa::path(get, path = "/v1/licence", tag = "licence",
    responses((status = 200, body = LicenceAnswer), (status = 401, body = Problem)))]
pub async fn standing(State(app): State<Shared>, caller: Caller) -> Result<Json<LicenceAnswer>, Problem> {
    caller.require_scope(Scope::Read)?;
    let today = today(&app);
    let standing = app.store.licence_standing(&app.site, today).await?;
    let with_files = caller.user.role == Role::Administrator;
    Ok(Json(told(&standing, today, with_files)))
}

/// Verifies a licence file, keeps it, and lets the seats know at once.
#[utoipa::path(post, path = "/v1/licence", tag = "licence",
    request_body(content = String, content_type = "text/plain"),
    responses((status = 201, body = LicenceAnswer), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn install(
    State(app): State<Shared>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<LicenceAnswer>), Problem> {
    caller.require(&[Role::Administrator])?;
    let (text, today) = (text(body)?, today(&app));
    let file = NewFile { text: &text, keys: &app.site.keys, host: &app.site.host, today };
    if let Err(error) = app.store.install_licence(file, &caller.actor, app.now()).await? {
        return Err(refused(&error));
    }
    let standing = app.store.apply_licence(&app.site, &app.seats, app.now()).await?;
    Ok((StatusCode::CREATED, Json(told(&standing, today, true))))
}

/// Says what a licence file grants and whether it would be accepted here; changes nothing.
#[utoipa::path(post, path = "/v1/licence/inspect", tag = "licence",
    request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = Inspected), (status = 403, body = Problem)))]
pub async fn inspect(
    State(app): State<Shared>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Inspected>, Problem> {
    caller.require(&[Role::Administrator])?;
    let text = text(body)?;
    let licence = match Licence::open(&text, &app.site.keys) {
        Ok(licence) => licence,
        Err(error) => {
            let contents = Request::open(&text).map(|request| shown::request(&request)).unwrap_or_default();
            let (code, sentence) = (Some(error.code()), error.sentence());
            return Ok(Json(Inspected { acceptable: false, code, contents, sentence }));
        }
    };
    let installed = believed(&app.store.licence_files().await?, &app.site.keys);
    let verdict = licence.accept(&installed, &app.site.host, today(&app));
    Ok(Json(Inspected {
        acceptable: verdict.is_ok(),
        code: verdict.as_ref().err().map(LicenceError::code),
        contents: shown::licence(&licence),
        sentence: verdict.map_or_else(|error| error.sentence(), |()| "受け付けられます。".to_owned()),
    }))
}

/// Returns the day that licences are judged by.
fn today(app: &Shared) -> Day {
    Day::in_japan(app.seats.look(|_, now| now.office))
}

/// Reads an upload as far as it can be a licence.
fn text(body: Result<Bytes, BytesRejection>) -> Result<String, Problem> {
    // Line breaks and spaces around it do no harm.
    const BYTES_MAX: usize = LICENCE_BYTES_MAX * 4;
    let bytes = body?;
    if bytes.len() > BYTES_MAX {
        return Err(Problem::new(Code::TooLarge).with(json!({ "bytes_max": BYTES_MAX })));
    }
    // What is no text is no licence either, and is refused as such.
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn refused(error: &LicenceError) -> Problem {
    Problem::new(Code::LicenceRefused).about(error.sentence()).with(json!({ "reason": error.code() }))
}

fn told(standing: &Standing, today: Day, with_files: bool) -> LicenceAnswer {
    let files = standing.files.iter().filter(|_| with_files);
    LicenceAnswer {
        kind: standing.kind,
        label: standing.kind.label(),
        customer: standing.customer.clone(),
        today,
        sentence: shown::standing(standing),
        pools: standing.pools.iter().map(pool).collect(),
        notices: standing.notices.iter().copied().map(notice).collect(),
        files: files.map(file).collect(),
        days_left: days_left(standing),
    }
}

/// Returns how many days are left until something ends, as far as people are told.
pub(super) fn days_left(standing: &Standing) -> Option<u32> {
    standing.notices.iter().filter_map(|known| notice(*known).days_left).min()
}

fn pool(pool: &PoolStanding) -> PoolAnswer {
    PoolAnswer {
        pool: pool.feature.clone(),
        seats: pool.seats,
        burst_seats: pool.burst.map_or(0, |burst| burst.seats),
        burst_days: pool.burst.map_or(0, |burst| burst.days),
        refusal: pool.refusal.map(|refusal| refusal.code()),
        sentence: pool.refusal.map(|refusal| refusal.sentence()),
    }
}

fn notice(notice: Notice) -> NoticeAnswer {
    let (kind, days_left) = match notice {
        Notice::EndsSoon { days_left, .. } => ("ends_soon", Some(days_left)),
        Notice::InGrace { .. } => ("in_grace", Some(0)),
        Notice::HostChanged { days_left, .. } => ("host_changed", Some(days_left)),
    };
    NoticeAnswer { kind, days_left, sentence: notice.sentence() }
}

fn file(file: &FileStanding) -> FileAnswer {
    FileAnswer {
        id: file.id.to_string(),
        seq: file.seq,
        sentence: shown::status(&file.status),
        host_matched: file.host.map(|Match { matched, .. }| matched),
        host_needed: file.host.map(|Match { k, .. }| k),
    }
}
