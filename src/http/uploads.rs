//! Uploads that survive broken connections, closed browsers and restarted servers: tus 1.0.
//!
//! ```text
//! POST ─► 201 + Location ─PATCH*─► last byte ─► sealed: recording, meeting, job
//!              HEAD: where to go on (and whoever still writes lets go) · DELETE: give it up
//! ```
//!
//! A part is received by a task of its own: when a connection breaks, what arrived is still brought onto the disk.

mod desk;
mod wish;

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::auth::{Caller, Path};
use super::error::{Code, Problem};
use super::tus::{self, Checksum, Length, Metadata, Offset};
use crate::clock::UnixMs;
use crate::store::Id;
use crate::store::sessions::Scope;
use crate::store::uploads::{Recorded, State as Stand, Upload};

pub use desk::resume;
pub(super) use desk::{admit, begin, refuse, sealed};
pub(super) use wish::{Wish, wished};

/// How long whoever still writes may take to let go of an upload.
const LET_GO: Duration = Duration::from_secs(5);
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");

/// How much may be uploaded.
#[derive(Debug, Clone)]
pub struct Uploads {
    /// Longest file, in bytes.
    pub bytes_max: u64,
    /// Longest recording, in hours of sound.
    pub hours_max: u32,
    /// What one person may hold, recordings and unfinished uploads together, in bytes; 0 is no limit.
    pub per_user_bytes_max: u64,
    /// How long an upload may rest before it is shown as 期限切れ; it is not removed for that.
    pub unfinished: Duration,
    /// Free bytes below which no upload begins; 0 begins every one and sees how far the disk goes.
    pub disk_free_bytes_min: u64,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            bytes_max: 20 << 30,
            hours_max: 12,
            per_user_bytes_max: 0,
            unfinished: Duration::from_secs(7 * 24 * 3600),
            disk_free_bytes_min: 2 << 30,
        }
    }
}

/// An upload as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct UploadView {
    /// Its name inside the product.
    id: Id,
    /// What the file is called.
    file_name: String,
    /// 会議名 of the meeting to be made.
    title: String,
    /// The meeting it is for, once there is one.
    meeting: Option<Id>,
    /// Bytes announced.
    bytes_total: u64,
    /// Bytes on the disk.
    bytes_stored: u64,
    /// Where it stands.
    state: Stand,
    /// 期限切れ: it rested for long, and can still be gone on with.
    expired: bool,
    /// When it was begun.
    #[schema(value_type = i64)]
    created_at: UnixMs,
    /// When a byte last came.
    #[schema(value_type = i64)]
    touched_at: UnixMs,
    /// From when on it is shown as 期限切れ.
    #[schema(value_type = i64)]
    expires_at: UnixMs,
    /// What it has become, once it is done.
    recorded: Option<Recorded>,
}

/// A person's uploads that are not finished, and how much more may come.
#[derive(Serialize, ToSchema)]
pub struct UploadList {
    /// The uploads, the newest first.
    uploads: Vec<UploadView>,
    /// Longest file, in bytes.
    bytes_max: u64,
    /// Longest recording, in hours of sound.
    hours_max: u32,
    /// What the person holds, in bytes.
    bytes_used: u64,
    /// What the person may hold, in bytes; 0 is no limit.
    per_user_bytes_max: u64,
}

/// The table of contents of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(options, create, list))
        .routes(routes!(offset, append, remove, show, overridden))
        .layer(middleware::from_fn(speak_tus))
}

/// Every answer names the version; every request of the protocol must.
async fn speak_tus(request: Request, next: Next) -> Response {
    let spoken = match *request.method() {
        Method::OPTIONS | Method::GET => Ok(()),
        _ => tus::check_version(text(request.headers(), "tus-resumable")),
    };
    let mut response = match spoken {
        Ok(()) => next.run(request).await,
        Err(error) => ([("tus-version", tus::VERSION)], Problem::from(error)).into_response(),
    };
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(tus::VERSION));
    response
}

/// Tells what of the protocol is spoken here.
#[utoipa::path(options, path = "/v1/uploads", tag = "uploads", security(()), responses((status = 204)))]
pub async fn options(State(app): State<Shared>) -> Response {
    let words = tus::capabilities(app.settings.uploads.bytes_max);
    (StatusCode::NO_CONTENT, axum::response::AppendHeaders(words)).into_response()
}

/// Begins an upload; the body may already bring its first part.
///
/// `Upload-Metadata`: `filename`, `filetype`, `meeting` (one that is there) or `title`, `department`, `sensitivity`,
/// `held_on`, `template` (a new one), `language` (`ja`, `en`, `auto`), `preset` (`accurate`, `fast`),
/// `speakers` (`auto`, `off`, `channels` or their number, `1` to `20`).
#[utoipa::path(post, path = "/v1/uploads", tag = "uploads",
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 201), (status = 400, body = Problem), (status = 412, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 507, body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Write)?;
    let headers = request.headers().clone();
    let said = text(&headers, "upload-length");
    let deferred = text(&headers, "upload-defer-length");
    let length = Length::parse(said, deferred, app.settings.uploads.bytes_max)?;
    if length.bytes() == 0 {
        return Err(Problem::new(Code::Invalid).about("Upload-Length: 0"));
    }
    let raw = text(&headers, "upload-metadata");
    let wish = wished(&app, &caller, &Metadata::parse(raw)?).await?;
    let brings =
        headers.contains_key(header::CONTENT_TYPE) || part_bytes(&headers).is_some_and(|bytes| bytes > 0);
    let checksum = Checksum::parse(text(&headers, "upload-checksum"))?;
    if brings {
        tus::check_part_media_type(text(&headers, "content-type"))?;
        Offset::parse(Some("0"))?.check_part(0, part_bytes(&headers), length)?;
    }
    admit(&app, length.bytes()).await?;
    let metadata = raw.unwrap_or_default().to_owned();
    let upload = begin(&app, &caller, wish, length.bytes(), metadata, false).await?;
    let location = format!("/v1/uploads/{}", upload.id);
    let mut answer = HeaderMap::new();
    answer.insert(header::LOCATION, number(&location));
    if !brings {
        answer.insert(UPLOAD_EXPIRES, number(tus::expires(upload.expires_at.ms())));
        return Ok((StatusCode::CREATED, answer).into_response());
    }
    let hold = app.staging.hold(upload.id).ok_or(Code::UploadLocked)?;
    let received = desk::receive(&app, &caller, hold, upload, request.into_body(), checksum).await;
    Ok(match received {
        Ok(rest) => {
            answer.extend(rest);
            (StatusCode::CREATED, answer).into_response()
        }
        // The upload is there, and can be gone on with.
        Err(problem) => (answer, problem).into_response(),
    })
}

/// Lists the caller's unfinished uploads: a closed browser goes on from here.
#[utoipa::path(get, path = "/v1/uploads", tag = "uploads",
    responses((status = 200, body = UploadList), (status = 401, body = Problem)))]
pub async fn list(State(app): State<Shared>, caller: Caller) -> Result<Json<UploadList>, Problem> {
    caller.require_scope(Scope::Read)?;
    let (now, limits) = (app.now(), &app.settings.uploads);
    let uploads = app.store.unfinished_uploads(caller.user.id).await?;
    Ok(Json(UploadList {
        uploads: uploads.into_iter().map(|upload| view(upload, None, now)).collect(),
        bytes_max: limits.bytes_max,
        hours_max: limits.hours_max,
        bytes_used: app.store.bytes_used(caller.user.id, now).await?,
        per_user_bytes_max: limits.per_user_bytes_max,
    }))
}

/// Shows an upload, and what it has become.
#[utoipa::path(get, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Id, Path)),
    responses((status = 200, body = UploadView), (status = 404, body = Problem)))]
pub async fn show(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<UploadView>, Problem> {
    caller.require_scope(Scope::Read)?;
    let upload = own(&app, &caller, id).await?;
    desk::go_on_sealing(&app, &caller, &upload);
    let recorded = app.store.recorded(id).await?;
    Ok(Json(view(upload, recorded, app.now())))
}

/// Tells where to go on; whoever still writes lets go.
#[utoipa::path(head, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Id, Path)),
    responses((status = 200), (status = 404), (status = 410), (status = 412), (status = 423)))]
pub async fn offset(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Write)?;
    let mut upload = own(&app, &caller, id).await?;
    if upload.state == Stand::Receiving {
        let hold = app.staging.take_over(id, LET_GO).await;
        // Whoever does not let go may be sealing what has become whole.
        upload = own(&app, &caller, id).await?;
        upload = match hold {
            Some(hold) => desk::true_offset(&app, &hold, upload).await?,
            None if upload.state == Stand::Receiving => return Err(Code::UploadLocked.into()),
            None => upload,
        };
    }
    match upload.state {
        Stand::Removed => return Err(Code::UploadRemoved.into()),
        Stand::AtOnce => return Err(Code::UploadLocked.into()),
        Stand::Receiving | Stand::Sealing | Stand::Done => {}
    }
    desk::go_on_sealing(&app, &caller, &upload);
    let mut answer = HeaderMap::new();
    answer.insert(UPLOAD_OFFSET, number(upload.bytes_stored));
    answer.insert(UPLOAD_LENGTH, number(upload.bytes_total));
    if !upload.metadata.is_empty() {
        answer.insert(UPLOAD_METADATA, number(&upload.metadata));
    }
    if upload.state == Stand::Receiving {
        answer.insert(UPLOAD_EXPIRES, number(tus::expires(upload.expires_at.ms())));
    }
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::OK, answer).into_response())
}

/// Brings a part; the last one makes the recording.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Id, Path)),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem), (status = 412, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 423, body = Problem),
        (status = 460, body = Problem), (status = 507, body = Problem)))]
pub async fn append(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Write)?;
    let headers = request.headers();
    tus::check_part_media_type(text(headers, "content-type"))?;
    let begins = Offset::parse(text(headers, "upload-offset"))?;
    let checksum = Checksum::parse(text(headers, "upload-checksum"))?;
    let announced = part_bytes(headers);
    own(&app, &caller, id).await?;
    let hold = app.staging.hold(id).ok_or(Code::UploadLocked)?;
    let upload = desk::true_offset(&app, &hold, own(&app, &caller, id).await?).await?;
    let length = Length::accepted(upload.bytes_total);
    match upload.state {
        Stand::Removed => return Err(Code::UploadRemoved.into()),
        Stand::AtOnce => return Err(Code::UploadLocked.into()),
        Stand::Receiving | Stand::Sealing | Stand::Done => {}
    }
    begins.check_part(upload.bytes_stored, announced, length)?;
    if let Some(meeting) = upload.meeting {
        caller.meeting(&app, meeting, super::access::Standing::Edit).await?;
    }
    let answer = match upload.state {
        Stand::Receiving => desk::receive(&app, &caller, hold, upload, request.into_body(), checksum).await?,
        // Every byte is here: an empty part asks to have it sealed.
        _ => {
            sealed(&app, &caller, hold).await?;
            HeaderMap::from_iter([(UPLOAD_OFFSET, number(upload.bytes_stored))])
        }
    };
    Ok((StatusCode::NO_CONTENT, answer).into_response())
}

/// Gives up an upload that is not whole; its bytes are removed.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Id, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 412, body = Problem), (status = 423, body = Problem)))]
pub async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<StatusCode, Problem> {
    caller.require_scope(Scope::Write)?;
    match own(&app, &caller, id).await?.state {
        Stand::Receiving => {}
        Stand::AtOnce => return Err(Code::UploadLocked.into()),
        Stand::Sealing | Stand::Done => return Err(Code::UploadWhole.into()),
        Stand::Removed => return Err(Code::UploadRemoved.into()),
    }
    let hold = app.staging.take_over(id, LET_GO).await.ok_or(Code::UploadLocked)?;
    if !app.store.remove_upload(id, &caller.actor, app.now()).await? {
        return Err(Code::UploadWhole.into());
    }
    app.staging.remove(&hold).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Does what `X-HTTP-Method-Override` says, for networks that let only GET and POST through.
#[utoipa::path(post, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Id, Path)),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 200), (status = 204), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 405, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 412, body = Problem), (status = 423, body = Problem), (status = 460, body = Problem),
        (status = 507, body = Problem)))]
pub async fn overridden(
    state: State<Shared>,
    caller: Caller,
    path: Path<Id>,
    request: Request,
) -> Result<Response, Problem> {
    match text(request.headers(), "x-http-method-override") {
        Some("PATCH") => append(state, caller, path, request).await,
        Some("DELETE") => remove(state, caller, path).await.map(|status| status.into_response()),
        Some("HEAD") => offset(state, caller, path).await,
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

/// Returns an upload of the caller; others' do not exist for them.
async fn own(app: &Shared, caller: &Caller, id: Id) -> Result<Upload, Problem> {
    let upload = app.store.upload(id).await?;
    Ok(upload.filter(|upload| upload.user == caller.user.id).ok_or(Code::NotFound)?)
}

fn view(upload: Upload, recorded: Option<Recorded>, now: UnixMs) -> UploadView {
    UploadView {
        id: upload.id,
        expired: upload.state == Stand::Receiving && upload.expires_at <= now,
        file_name: upload.file_name,
        title: upload.plan.title,
        meeting: upload.meeting,
        bytes_total: upload.bytes_total,
        bytes_stored: upload.bytes_stored,
        state: upload.state,
        created_at: upload.created_at,
        touched_at: upload.touched_at,
        expires_at: upload.expires_at,
        recorded,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // What is no text is no valid value of these headers either.
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

/// Returns how many bytes the request announces.
fn part_bytes(headers: &HeaderMap) -> Option<u64> {
    text(headers, "content-length")?.parse().ok()
}

fn number(value: impl ToString) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).unwrap_or(HeaderValue::from_static(""))
}
