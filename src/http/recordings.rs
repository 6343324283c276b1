//! Recordings: bring one in a single request, list, play, download.

mod range;

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartRejection};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::access::Standing;
use super::auth::{Caller, Path, Query};
use super::error::{Code, Problem};
use super::tus::Metadata;
use super::uploads::{self, Wish};
use crate::store::Id;
use crate::store::audit::{Actor, Entry};
use crate::store::blobs::BlobKey;
use crate::store::recordings::Recording;
use crate::store::sessions::Scope;
use crate::store::staging::Hold;
use crate::store::uploads::{Recorded, Upload};

use range::{Asked, asked, disposition};

/// Most that the other fields and the borders between them take of a request.
const FRAME_BYTES_MAX: u64 = 64 << 10;

/// How a recording is handed out.
#[derive(Deserialize, IntoParams)]
pub struct Handing {
    /// `true` to keep it as a file.
    #[serde(default)]
    download: bool,
}

/// A form as it is sent: the fields of `Upload-Metadata` as text, then the file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form in the document of the API")]
pub struct RecordingForm {
    /// The meeting that is there.
    meeting: Option<Id>,
    /// 会議名 of the new meeting.
    title: Option<String>,
    /// The recording.
    file: Vec<u8>,
}

/// The table of contents of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    let bring = OpenApiRouter::new().routes(routes!(add)).layer(DefaultBodyLimit::disable());
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(audio)).merge(bring)
}

/// Brings a recording in one request, for scripts: text fields and the field `file`.
///
/// Fields: as in `Upload-Metadata` of an upload; `filename` and `filetype` are those of the file unless given.
#[utoipa::path(post, path = "/v1/recordings", tag = "recordings",
    request_body(content = RecordingForm, content_type = "multipart/form-data"),
    responses((status = 201, body = Recorded), (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 507, body = Problem)))]
pub async fn add(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<Recorded>), Problem> {
    caller.require_scope(Scope::Write)?;
    let (recorded, _) = receive(&app, caller, &headers, form?).await?;
    Ok((StatusCode::CREATED, Json(recorded)))
}

/// Takes a form in: what it said, and what its file has become.
pub(super) async fn receive(
    app: &Shared,
    caller: Caller,
    headers: &HeaderMap,
    form: Multipart,
) -> Result<(Recorded, Metadata), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length: u64 = length.ok_or_else(|| Problem::new(Code::Malformed).about("Content-Length"))?;
    let bytes_max = app.settings.uploads.bytes_max;
    if length > bytes_max.saturating_add(FRAME_BYTES_MAX) {
        return Err(Problem::new(Code::UploadTooLarge).about(format!("{bytes_max} バイトまで")));
    }
    // A task of its own: what was promised to the disk and the database is done although the client goes away.
    let taking = tokio::spawn(take(Shared::clone(app), caller, form, length.min(bytes_max)));
    taking.await.map_err(|_| Problem::new(Code::Internal))?
}

async fn take(
    app: Shared,
    caller: Caller,
    mut form: Multipart,
    bytes_max: u64,
) -> Result<(Recorded, Metadata), Problem> {
    let unread = |_| Problem::new(Code::Malformed);
    let invalid = |reason: &str| Problem::new(Code::Invalid).about(reason);
    let mut said = Metadata::default();
    while let Some(field) = form.next_field().await.map_err(unread)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            put(&mut said, &name, short_text(field).await?)?;
            continue;
        }
        for (key, value) in [("filename", field.file_name()), ("filetype", field.content_type())] {
            if let (None, Some(value)) = (said.value(key), value) {
                said.insert(key, value.to_owned()).map_err(invalid)?;
            }
        }
        super::transcriptions::check(&said)?;
        let wish = uploads::wished(&app, &caller, &said).await?;
        uploads::admit(&app, bytes_max).await?;
        let upload = uploads::begin(&app, &caller, wish, bytes_max, String::new(), true).await?;
        let hold = app.staging.hold(upload.id).ok_or(Code::UploadLocked)?;
        let stored = store(&app, &hold, &upload, field).await;
        let whole = match stored {
            Ok(bytes) => settled(&app, &caller, &mut form, &mut said).await.map(|wish| (bytes, wish)),
            Err(problem) => Err(problem),
        };
        let (bytes, wish) = match whole {
            Ok(whole) => whole,
            Err(problem) => {
                app.store.remove_upload(upload.id, &caller.actor, app.now()).await?;
                app.staging.remove(&hold).await?;
                return Err(problem);
            }
        };
        app.store.complete_upload(upload.id, bytes, (wish.meeting, &wish.plan), app.now()).await?;
        return Ok((uploads::sealed(&app, &caller, hold).await?, said));
    }
    Err(invalid("file"))
}

/// Reads the fields behind the file, and what is wished for then: many programs send the file first.
async fn settled(
    app: &Shared,
    caller: &Caller,
    form: &mut Multipart,
    said: &mut Metadata,
) -> Result<Wish, Problem> {
    let invalid = |reason: &str| Problem::new(Code::Invalid).about(reason);
    while let Some(field) = form.next_field().await.map_err(|_| Problem::new(Code::Malformed))? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            return Err(invalid("file: 一度に一つだけ送ってください"));
        }
        put(said, &name, short_text(field).await?)?;
    }
    super::transcriptions::check(said)?;
    uploads::wished(app, caller, said).await
}

/// Keeps a text field. A list comes as a field `name[]` for each of its values; the first stands for it.
fn put(said: &mut Metadata, name: &str, text: String) -> Result<(), Problem> {
    if name.ends_with("[]") && said.value(name).is_some() {
        return Ok(());
    }
    said.insert(name, text).map_err(|reason| Problem::new(Code::Invalid).about(format!("{name}: {reason}")))
}

async fn store(app: &Shared, hold: &Hold, upload: &Upload, file: Field<'_>) -> Result<u64, Problem> {
    let time = || (app.now(), upload.expires_at);
    let received = app.store.receive(&app.staging, hold, upload, file, None, time).await?;
    uploads::refuse(received)?;
    if received.offset == 0 {
        return Err(Problem::new(Code::Invalid).about("file: 空のファイルです"));
    }
    Ok(received.offset)
}

/// Reads a text field, as long as such a field may be.
async fn short_text(mut field: Field<'_>) -> Result<String, Problem> {
    let unread = |_| Problem::new(Code::Malformed);
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(unread)? {
        if (bytes.len() + piece.len()) as u64 > FRAME_BYTES_MAX {
            return Err(Code::TooLarge.into());
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::Malformed))
}

/// Lists the recordings of a meeting, the oldest first.
#[utoipa::path(get, path = "/v1/meetings/{id}/recordings", tag = "recordings", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<Recording>), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<Recording>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    Ok(Json(app.store.recordings(id).await?))
}

/// Plays a recording, or a range of its bytes.
#[utoipa::path(get, path = "/v1/recordings/{id}/audio", tag = "recordings", params(("id" = Id, Path), Handing),
    responses((status = 200, content(("audio/*"), ("video/*"), ("application/octet-stream"))),
        (status = 206, content(("audio/*"), ("video/*"), ("application/octet-stream"))), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 410, body = Problem), (status = 416, body = Problem)))]
pub async fn audio(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(handing): Query<Handing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    let recording = playable(&app, &caller, id).await?;
    let key: BlobKey = recording.blob.parse()?;
    let etag = format!("\"{}\"", recording.sha256);
    let wanted = asked(&headers, &etag, recording.bytes);
    let range = match &wanted {
        Asked::Whole => None,
        Asked::Part(range) => Some(range.clone()),
        Asked::Outside => {
            let total = format!("bytes */{}", recording.bytes);
            return Ok(
                ([(header::CONTENT_RANGE, total)], Problem::new(Code::RangeUnsatisfiable)).into_response()
            );
        }
    };
    let reading = app.blobs.read(&key, range).await?;
    if reading.range.start == 0 {
        note(&app, &caller.actor, &recording, handing.download).await?;
    }
    let mut answer = HeaderMap::new();
    let mut say = |name: HeaderName, value: String| {
        answer.insert(name, HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("")));
    };
    say(header::CONTENT_TYPE, recording.mime.clone());
    say(header::CONTENT_LENGTH, (reading.range.end - reading.range.start).to_string());
    say(header::CONTENT_DISPOSITION, disposition(&recording.file_name, handing.download));
    say(header::ETAG, etag);
    say(header::ACCEPT_RANGES, "bytes".to_owned());
    // A browser's own cache would outlive sign-out and erasure.
    say(header::CACHE_CONTROL, "private, no-store".to_owned());
    let status = match wanted {
        Asked::Part(_) => {
            let (first, last) = (reading.range.start, reading.range.end.saturating_sub(1));
            say(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", reading.bytes_total));
            StatusCode::PARTIAL_CONTENT
        }
        Asked::Whole | Asked::Outside => StatusCode::OK,
    };
    Ok((status, answer, Body::from_stream(reading.pieces)).into_response())
}

/// Returns a recording that the caller may hear.
pub(super) async fn playable(app: &Shared, caller: &Caller, id: Id) -> Result<Recording, Problem> {
    let recording = app.store.recording(id).await?.ok_or(Code::NotFound)?;
    match recording.meeting {
        Some(meeting) => drop(caller.meeting(app, meeting, Standing::Read).await?),
        None if recording.user == caller.user.id => {}
        None => return Err(Code::NotFound.into()),
    }
    if recording.erased_at.is_some() { Err(Code::AudioErased.into()) } else { Ok(recording) }
}

/// Writes down who heard what: once when it begins, not at every jump.
async fn note(app: &Shared, actor: &Actor, recording: &Recording, download: bool) -> Result<(), Problem> {
    let event = if download { "recording.download" } else { "recording.play" };
    let entry = Entry::done(actor, app.now(), event, recording.id);
    let entry = recording.meeting.map_or(entry.clone(), |meeting| entry.on(meeting));
    Ok(app.store.note(entry).await?)
}
