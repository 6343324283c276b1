//! The door that other programs know: `POST /v1/audio/transcriptions`, as OpenAI's clients call it.
//!
//! The recording is kept as a meeting of the caller, 関係者限り unless said otherwise: nothing is lost if the line
//! breaks while the answer is awaited, and the minutes can be edited afterwards.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::error::{Code, Problem};
use super::{Shared, recordings};
use crate::speech::render;
use crate::speech::transcript::Transcript;
use crate::store::Id;
use crate::store::jobs::{Job, State as JobState};
use crate::store::sessions::Scope;

/// How often a job is looked at although nobody told of a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How the answer may be asked for.
const FORMATS: [&str; 5] = ["json", "text", "srt", "vtt", "verbose_json"];

/// A form as OpenAI's clients send it.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form in the document of the API")]
pub struct TranscriptionForm {
    /// Any name: the office's own model is used.
    model: Option<String>,
    /// `ja`, `en` or `auto`; Japanese if absent.
    language: Option<String>,
    /// `json`, `text`, `srt`, `vtt` or `verbose_json`.
    response_format: Option<String>,
    /// `true` for events while it is recognised.
    stream: Option<String>,
    /// The recording.
    file: Vec<u8>,
}

/// The table of contents of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(create)).layer(DefaultBodyLimit::disable())
}

/// Recognises a recording and answers with its text when it is done.
#[utoipa::path(post, path = "/v1/audio/transcriptions", tag = "recordings",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    responses((status = 200, content((Object = "application/json"), (String = "text/plain"), (String = "text/vtt"),
            (String = "text/event-stream"))), (status = 400, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem), (status = 507, body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Write)?;
    let (recorded, said) = recordings::receive(&app, caller, &headers, form?).await?;
    let format = said.value("response_format").unwrap_or("json").to_owned();
    let job = recorded.job.ok_or(Code::Internal)?;
    if said.value("stream").is_some_and(|stream| matches!(stream, "true" | "True" | "1")) {
        return Ok(events(app, job).into_response());
    }
    let transcript = awaited(&app, job).await?;
    Ok(answer(&format, &transcript))
}

/// Refuses what the form may not say, before the file is read.
pub(super) fn check(said: &super::tus::Metadata) -> Result<(), Problem> {
    let format = said.value("response_format").unwrap_or("json");
    if FORMATS.contains(&format) {
        return Ok(());
    }
    Err(Problem::new(Code::Invalid).about(format!("response_format: {}", FORMATS.join(", "))))
}

/// Waits until a job has ended.
///
/// Errors: it failed or was cancelled; the recording is kept.
async fn awaited(app: &Shared, job: Id) -> Result<Transcript, Problem> {
    let mut listener = app.store.notices.listen();
    loop {
        if let Some(transcript) = ended(app, job).await? {
            return Ok(transcript);
        }
        timeout(LOOK_EVERY, listener.hear(job)).await.ok();
    }
}

/// Returns the transcript of a job that has ended; nothing while it goes on.
async fn ended(app: &Shared, job: Id) -> Result<Option<Transcript>, Problem> {
    let found: Job = app.store.job(job).await?.ok_or(Code::NotFound)?;
    match found.state {
        JobState::Waiting | JobState::Running => Ok(None),
        JobState::Done | JobState::DoneWithGaps => {
            Ok(Some(app.store.transcript_of_job(job).await?.ok_or(Code::NotFound)?))
        }
        JobState::Failed | JobState::Cancelled => {
            Err(Problem::new(Code::RecognitionFailed).with(json!({ "job": job, "state": found.state })))
        }
    }
}

fn answer(format: &str, transcript: &Transcript) -> Response {
    let plain = |text: String, kind: &'static str| ([(header::CONTENT_TYPE, kind)], text).into_response();
    match format {
        "text" => plain(whole(transcript) + "\n", "text/plain; charset=utf-8"),
        "srt" => plain(render::srt(transcript), "text/plain; charset=utf-8"),
        "vtt" => plain(render::vtt(transcript), "text/vtt; charset=utf-8"),
        "verbose_json" => Json(verbose(transcript)).into_response(),
        _ => Json(json!({ "text": whole(transcript) })).into_response(),
    }
}

/// Returns the text in one piece: Japanese needs nothing between its sentences.
fn whole(transcript: &Transcript) -> String {
    transcript.segments.iter().map(|segment| segment.text.as_str()).collect()
}

fn verbose(transcript: &Transcript) -> Value {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let segments: Vec<Value> = transcript
        .segments
        .iter()
        .enumerate()
        .map(|(id, segment)| {
            json!({
                "id": id, "seek": 0, "start": seconds(segment.start_ms), "end": seconds(segment.end_ms),
                "text": segment.text, "tokens": [], "temperature": 0.0,
                // What clients of this form know is the mean of logarithms; ours is the probability itself.
                "avg_logprob": f64::from(segment.confidence.max(1e-6)).ln(),
                "compression_ratio": 1.0, "no_speech_prob": 0.0,
            })
        })
        .collect();
    let words: Vec<Value> = transcript
        .segments
        .iter()
        .flat_map(|segment| &segment.words)
        .map(
            |word| json!({ "word": word.text, "start": seconds(word.start_ms), "end": seconds(word.end_ms) }),
        )
        .collect();
    json!({
        "task": "transcribe", "language": transcript.language.as_deref().unwrap_or("ja"),
        "duration": seconds(transcript.duration_ms), "text": whole(transcript),
        "segments": segments, "words": words,
    })
}

/// Tells the text while it is recognised: `transcript.text.delta` as windows are settled, then `transcript.text.done`.
fn events(app: Shared, job: Id) -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
    let listener = app.store.notices.listen();
    let follower = Follower { app, job, listener, told: String::new(), until_ms: 0, over: false };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(Event::default().data(event.to_string())), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

struct Follower {
    app: Shared,
    job: Id,
    listener: crate::store::notices::Listener,
    /// What was told so far.
    told: String,
    /// Up to where.
    until_ms: u64,
    over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Value> {
        if self.over {
            return None;
        }
        loop {
            let windows = self.app.store.settled_windows(self.job, self.until_ms).await.ok()?;
            if let Some(last) = windows.last() {
                self.until_ms = last.until_ms;
                let texts = windows.iter().flat_map(|window| &window.segments);
                let delta: String = texts.map(|segment| segment.text.as_str()).collect();
                if !delta.is_empty() {
                    self.told.push_str(&delta);
                    return Some(json!({ "type": "transcript.text.delta", "delta": delta }));
                }
            }
            match ended(&self.app, self.job).await {
                Ok(Some(transcript)) => return Some(self.done(&whole(&transcript))),
                Ok(None) => {}
                Err(problem) => {
                    self.over = true;
                    return Some(json!({ "type": "error", "error": problem }));
                }
            }
            timeout(LOOK_EVERY, self.listener.hear(self.job)).await.ok();
        }
    }

    /// Tells what was not told yet, then the whole.
    fn done(&mut self, text: &str) -> Value {
        if let Some(rest) = text.strip_prefix(&self.told).filter(|rest| !rest.is_empty()) {
            let delta = rest.to_owned();
            self.told = text.to_owned();
            return json!({ "type": "transcript.text.delta", "delta": delta });
        }
        self.over = true;
        json!({ "type": "transcript.text.done", "text": text })
    }
}
