//! Recognitions: begin again, watch, cancel, retry.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Shared;
use super::access::Standing;
use super::auth::{Body, Caller, Path};
use super::error::{Code, Problem};
use super::outlook::{self, outlook};
use super::setbacks::{self, Reason};
use crate::clock::UnixMs;
use crate::speech::Language;
use crate::speech::diarize::Wanted;
use crate::speech::longform::Preset;
use crate::store::jobs::{self, Cancelled, Job, Line, NewJob, Priority, Stretch};
use crate::store::notices::Listener;
use crate::store::recordings::Recording;
use crate::store::sessions::Scope;
use crate::store::{Id, StoreError};

/// How often a watched job is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Looks at a job within one watch: ten minutes. Then the browser asks anew, and its rights are looked at again.
const LOOKS_MAX: u32 = 300;
/// How long a silent connection goes without a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a browser whose connection broke asks again.
const RECONNECT: Duration = Duration::from_secs(3);
/// Shortest stretch that is recognised again: one mora has a tenth of a second, and nobody wants less than a word.
const STRETCH_MS_MIN: u64 = 300;
/// Most watches at once; beyond it the list of jobs still tells.
const WATCHES_MAX: usize = 1_000;

static WATCHES: Semaphore = Semaphore::const_new(WATCHES_MAX);

/// How a meeting's recording is to be recognised again.
#[derive(Deserialize, ToSchema)]
pub struct RecognitionInput {
    /// The recording; the newest one of the meeting if absent
    recording: Option<Id>,
    /// `accurate` or `fast`; accurate if absent
    #[schema(value_type = Option<String>)]
    preset: Option<Preset>,
    /// `ja`, `en` or `auto`; Japanese if absent
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
    /// `auto`, `off`, `channels` (one microphone a person) or how many speakers there are, `1` to `20`; if absent
    /// `channels` where it was so before, else auto
    #[schema(value_type = Option<String>)]
    speakers: Option<Wanted>,
    /// Whether the words stay and only the speakers are told apart again; the offers then hold what would change
    #[serde(default)]
    only_speakers: bool,
    /// The stretch that is recognised again; the offers then are about nothing else. All of the recording if absent
    stretch: Option<Stretch>,
}

/// A recognition as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobView {
    /// Its name inside the product.
    id: Id,
    /// The meeting.
    meeting: Option<Id>,
    /// The recording.
    recording: Id,
    /// Where it stands, as a stable word.
    state: jobs::State,
    /// The same for a person, with the time at which it begins or ends if that can be said.
    sentence: String,
    /// `accurate` or `fast`
    #[schema(value_type = String)]
    preset: Preset,
    /// `ja`, `en` or `auto`
    #[schema(value_type = String)]
    language: Language,
    /// `auto`, `off`, `channels` or how many speakers there are
    #[schema(value_type = String)]
    speakers: Wanted,
    /// The stretch that alone is recognised again; all of the recording if absent.
    stretch: Option<Stretch>,
    /// How much is done, 0 to 100; absent while the length is unknown.
    percent: Option<u64>,
    /// Its place in the line, the first being 1.
    place: Option<usize>,
    /// When it begins, if that can be said.
    #[schema(value_type = Option<i64>)]
    starts_at: Option<UnixMs>,
    /// When it ends, if that can be said.
    #[schema(value_type = Option<i64>)]
    ends_at: Option<UnixMs>,
    /// Everything before this is recognised, in milliseconds.
    settled_ms: u64,
    /// Length of the recording in milliseconds, as far as it is known.
    expected_ms: Option<u64>,
    /// Whether its worker was asked to stop.
    cancel_asked: bool,
    /// Why it waits or has failed.
    reason: Option<Reason>,
    /// When it was asked for.
    #[schema(value_type = i64)]
    created_at: UnixMs,
    /// When it was first begun.
    #[schema(value_type = Option<i64>)]
    started_at: Option<UnixMs>,
    /// When it ended.
    #[schema(value_type = Option<i64>)]
    finished_at: Option<UnixMs>,
}

fn view(job: Job, line: &Line, now: UnixMs) -> JobView {
    let outlook = outlook(line, job.id, now);
    JobView {
        sentence: outlook::sentence(&job, &outlook, now, &TimeZone::system()),
        percent: outlook::percent(&job),
        reason: setbacks::reason(&job),
        id: job.id,
        meeting: job.meeting,
        recording: job.recording,
        state: job.state,
        preset: job.settings.preset,
        language: job.settings.language,
        speakers: job.settings.speakers,
        stretch: job.settings.stretch,
        place: outlook.place,
        starts_at: outlook.starts_at,
        ends_at: outlook.ends_at,
        settled_ms: job.settled_ms,
        expected_ms: job.expected_ms,
        cancel_asked: job.cancel_asked,
        created_at: job.created_at,
        started_at: job.started_at,
        finished_at: job.finished_at,
    }
}

async fn seen(app: &Shared, id: Id) -> Result<JobView, Problem> {
    let job = app.store.job(id).await?.ok_or(Code::NotFound)?;
    let now = app.now();
    // Who has ended has no place in the line.
    let line = if job.state.is_final() { Line::default() } else { app.store.line(now).await? };
    Ok(view(job, &line, now))
}

/// Lets through who may do this much with the job's meeting; without a meeting, the one it is for.
async fn allowed(app: &Shared, caller: &Caller, id: Id, needed: Standing) -> Result<Job, Problem> {
    let job = app.store.job(id).await?.ok_or(Code::NotFound)?;
    match job.meeting {
        Some(meeting) => drop(caller.meeting(app, meeting, needed).await?),
        None if job.user == caller.user.id => {}
        None => return Err(Code::NotFound.into()),
    }
    Ok(job)
}

/// Recognises a recording of a meeting again; the result becomes a further version, and no edit is touched.
#[utoipa::path(post, path = "/v1/meetings/{id}/recognitions", tag = "jobs", request_body = RecognitionInput,
    params(("id" = Id, Path)),
    responses((status = 201, body = JobView), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem)))]
pub async fn recognise(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Body(input): Body<RecognitionInput>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    caller.require_scope(Scope::Write)?;
    caller.meeting(&app, id, Standing::Edit).await?;
    let recordings = app.store.recordings(id).await?;
    let recording = chosen(&recordings, input.recording).ok_or(Code::NoRecording)?;
    if let Some(stretch) = input.stretch {
        let known = recordings.iter().find(|known| known.id == recording);
        let duration_ms = known.and_then(|recording| recording.duration_ms);
        checked_stretch(stretch, duration_ms).map_err(|why| Problem::new(Code::Invalid).about(why))?;
        let versions = app.store.transcripts(id).await?;
        if input.only_speakers || !versions.iter().any(|version| version.recording == recording) {
            return Err(Problem::new(Code::Invalid).about("stretch: 全体の文字起こしのあとで選べます"));
        }
    }
    let usual = usual(app.store.jobs_of_meeting(id).await?, recording);
    let new = NewJob {
        meeting: Some(id),
        recording,
        user: caller.user.id,
        settings: jobs::Settings {
            preset: input.preset.unwrap_or(usual.preset),
            language: input.language.unwrap_or(usual.language),
            speakers: input.speakers.unwrap_or(usual.speakers),
            only_speakers: input.only_speakers,
            stretch: input.stretch,
        },
        priority: Priority::Normal,
    };
    let job = app.store.enqueue(&new, &caller.actor, app.now()).await.map_err(open_already)?;
    Ok((StatusCode::CREATED, Json(seen(&app, job).await?)))
}

/// Passes a stretch that a word can be heard in.
fn checked_stretch(stretch: Stretch, duration_ms: Option<u64>) -> Result<(), &'static str> {
    if stretch.from_ms >= stretch.until_ms || stretch.len_ms() < STRETCH_MS_MIN {
        return Err("stretch: 0.3 秒以上の範囲を選んでください");
    }
    if duration_ms.is_some_and(|duration_ms| stretch.from_ms >= duration_ms) {
        return Err("stretch: 録音の終わりより後ろです");
    }
    Ok(())
}

/// Returns what is not said: of a recording with one microphone a person that stays so.
fn usual(before: Vec<Job>, recording: Id) -> jobs::Settings {
    let usual = jobs::Settings::default();
    let known = before.into_iter().find(|job| job.recording == recording).map(|job| job.settings.speakers);
    jobs::Settings {
        speakers: known.filter(|known| *known == Wanted::Channels).unwrap_or(usual.speakers),
        ..usual
    }
}

/// Returns the recording that is asked for: the named one, or the newest that can still be heard, if any can.
fn chosen(recordings: &[Recording], named: Option<Id>) -> Option<Id> {
    let mut asked: Vec<_> = recordings.iter().rev().collect();
    asked.retain(|recording| named.is_none_or(|named| named == recording.id));
    let heard = asked.iter().find(|recording| recording.erased_at.is_none());
    heard.or(asked.first()).map(|recording| recording.id)
}

fn open_already(error: StoreError) -> Problem {
    match error {
        StoreError::Taken => Code::RecognitionOpen.into(),
        other => other.into(),
    }
}

/// Lists the recognitions of a meeting, the newest first.
#[utoipa::path(get, path = "/v1/meetings/{id}/jobs", tag = "jobs", params(("id" = Id, Path)),
    responses((status = 200, body = Vec<JobView>), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<Vec<JobView>>, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let (jobs, now) = (app.store.jobs_of_meeting(id).await?, app.now());
    let line = app.store.line(now).await?;
    Ok(Json(jobs.into_iter().map(|job| view(job, &line, now)).collect()))
}

/// Shows a recognition.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = Id, Path)),
    responses((status = 200, body = JobView), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<JobView>, Problem> {
    caller.require_scope(Scope::Read)?;
    allowed(&app, &caller, id, Standing::Read).await?;
    Ok(Json(seen(&app, id).await?))
}

/// Cancels a recognition; what is recognised so far is kept for a retry.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = Id, Path)),
    responses((status = 200, body = JobView), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<JobView>, Problem> {
    caller.require_scope(Scope::Write)?;
    allowed(&app, &caller, id, Standing::Edit).await?;
    match app.store.cancel_job(id, &caller.actor, app.now()).await? {
        Cancelled::AtOnce | Cancelled::Asked => Ok(Json(seen(&app, id).await?)),
        Cancelled::TooLate => Err(Code::JobEnded.into()),
    }
}

/// Tries a recognition again that failed or was cancelled; it goes on from what is recognised.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = Id, Path)),
    responses((status = 200, body = JobView), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem)))]
pub async fn retry(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Json<JobView>, Problem> {
    caller.require_scope(Scope::Write)?;
    allowed(&app, &caller, id, Standing::Edit).await?;
    if !app.store.retry_job(id, &caller.actor, app.now()).await.map_err(open_already)? {
        return Err(Code::JobNotEnded.into());
    }
    Ok(Json(seen(&app, id).await?))
}

/// Tells how a recognition goes on: `progress` whenever something changed, `end` once with the final state.
///
/// Each event carries the whole state, so nothing is missed by a browser that connects again.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs", params(("id" = Id, Path)),
    responses((status = 200, body = JobView, content_type = "text/event-stream"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 429, body = Problem)))]
pub async fn events(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    caller.require_scope(Scope::Read)?;
    allowed(&app, &caller, id, Standing::Read).await?;
    let permit = WATCHES.try_acquire().map_err(|_| Problem::new(Code::TooManyRequests).retry_after(10))?;
    let listener = app.store.notices.listen();
    let watch = Watch { app, listener, id, looks_left: LOOKS_MAX, told: None, _permit: permit };
    let stream = unfold(Some(watch), |watch| async { watch?.next().await });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Somebody who looks at a job.
struct Watch {
    app: Shared,
    listener: Listener,
    id: Id,
    looks_left: u32,
    told: Option<JobView>,
    _permit: SemaphorePermit<'static>,
}

impl Watch {
    /// Waits for the next event; after the last one there is no watch any more.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Option<Self>)> {
        while self.looks_left > 0 {
            if self.told.is_some() || self.looks_left < LOOKS_MAX {
                // A notice tells at once of what happens on this node; the others, and the line, are looked at.
                let heard = self.listener.hear(self.id);
                timeout(WATCH_EVERY, heard).await.ok();
            }
            self.looks_left -= 1;
            // A database that does not answer now may do so at the next look; every node reads the same one.
            let Ok(view) = seen(&self.app, self.id).await else { continue };
            if self.told.as_ref() == Some(&view) {
                continue;
            }
            let is_final = view.state.is_final();
            let name = if is_final { "end" } else { "progress" };
            let Ok(event) = Event::default().event(name).retry(RECONNECT).json_data(&view) else { continue };
            self.told = Some(view);
            return Some((Ok(event), (!is_final).then_some(self)));
        }
        None
    }
}
