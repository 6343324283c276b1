//! The outline of a recording for the waveform: made once by reading the recording, then kept beside it.
//!
//! Reading an hour takes seconds, so nobody waits for it inside a request: who asks too early is told to come again.
//! What was drawn once is there at once, also after a restart; it goes when the audio is erased.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use moka::sync::Cache;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Caller, Path};
use super::error::{Code, Problem};
use super::{Shared, heavy, recordings};
use crate::audio::outline::Outline;
use crate::audio::reader::MonoReader;
use crate::store::Id;
use crate::store::recordings::{Recording, open_audio};
use crate::store::sessions::Scope;

/// Outlines that are remembered; each has at most 8 KiB.
const REMEMBERED_MAX: u64 = 1_000;
/// How long a request waits for an outline that is being made.
const WAIT_MAX: Duration = Duration::from_millis(1_500);
/// When to ask again. Units: seconds.
const AGAIN_S: u16 = 2;

/// What a waveform is drawn from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Drawn {
    /// For each stretch of the recording its lowest and its highest sample, −127 to 127; all stretches are equally long.
    peaks: Vec<i8>,
}

/// Outlines that are there, and those that are being made.
#[derive(Clone)]
pub struct Outlines {
    made: Cache<Id, Arc<Drawn>>,
    under_way: Arc<Mutex<HashSet<Id>>>,
}

impl Default for Outlines {
    fn default() -> Self {
        Self { made: Cache::new(REMEMBERED_MAX), under_way: Arc::default() }
    }
}

impl Outlines {
    /// Tells whether the caller is the one who makes it.
    fn begin(&self, id: Id) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }

    fn remember(&self, id: Id, peaks: Vec<i8>) -> Arc<Drawn> {
        let drawn = Arc::new(Drawn { peaks });
        self.made.insert(id, Arc::clone(&drawn));
        drawn
    }

    fn end(&self, id: Id) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Returns the outline of a recording, or 202 while it is being made.
#[utoipa::path(get, path = "/v1/recordings/{id}/peaks", tag = "recordings", params(("id" = Id, Path)),
    responses((status = 200, body = Drawn), (status = 202, description = "It is being made; ask again soon"),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub async fn peaks(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    let recording = recordings::playable(&app, &caller, id).await?;
    if let Some(drawn) = app.outlines.made.get(&id) {
        return Ok(answer(&drawn));
    }
    if let Some(peaks) = app.store.outline(id).await? {
        return Ok(answer(&app.outlines.remember(id, peaks)));
    }
    if app.outlines.begin(id) {
        let app = Shared::clone(&app);
        // A task of its own: it is finished although the client goes away.
        let making = tokio::spawn(async move {
            let made = make(&app, &recording).await;
            app.outlines.end(id);
            made
        });
        if let Ok(made) = tokio::time::timeout(WAIT_MAX, making).await {
            return made.map_err(|_| Problem::new(Code::Internal))?.map(|drawn| answer(&drawn));
        }
    }
    Ok((StatusCode::ACCEPTED, [(header::RETRY_AFTER, HeaderValue::from(AGAIN_S))]).into_response())
}

fn answer(drawn: &Arc<Drawn>) -> Response {
    // The same recording always has the same outline, but it must not outlive the sign-out.
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"))];
    (private, Json(drawn.as_ref())).into_response()
}

async fn make(app: &Shared, recording: &Recording) -> Result<Arc<Drawn>, Problem> {
    let file = app.blobs.fetch(&recording.blob.parse()?, app.staging.folder()).await?;
    let peaks = heavy::apart(move || {
        let opened = open_audio(file.path()).map_err(Problem::from)?;
        // What cannot be read any further is drawn as far as it goes.
        Ok::<_, Problem>(MonoReader::open(Box::new(opened)).map_or_else(|_| Vec::new(), drawn_from))
    })
    .await??;
    // A picture that cannot be kept is drawn again after the next restart.
    if let Err(error) = app.store.keep_outline(recording.id, &peaks).await {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, recording.id = %recording.id, "the outline of a recording is not kept");
    }
    Ok(app.outlines.remember(recording.id, peaks))
}

fn drawn_from(mut reader: MonoReader) -> Vec<i8> {
    let (mut outline, mut samples) = (Outline::default(), Vec::new());
    loop {
        samples.clear();
        let more = reader.read(&mut samples).unwrap_or(false);
        outline.push(&samples);
        if !more {
            return outline.finish();
        }
    }
}
