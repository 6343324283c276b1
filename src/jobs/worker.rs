//! The worker: takes the job whose turn it is, has it recognised, writes the result; for as long as the server runs.
//!
//! ```text
//! claim ─► [blocking thread: recognise ─► window settled ─► keep] ─► finish │ back off │ fail │ release
//!   ▲            ▲ stop                       every 3 s: renew the lease, say how far it is
//!   └────────────┴──────────────────────────────────────────────────────────────┘
//! ```
//!
//! After a sudden end (a kill, a power cut) what is done twice is at most what was in flight inside the engine and
//! the answers that came while one was being written, a few milliseconds each: every window is durable before the next
//! answer is taken.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::carried::live_work;
use super::names;
use super::recognise::{Heard, Setback, Signals, Task, Tools, Workshop, recognise};
use super::seat;
use crate::clock::{Mono, UnixMs};
use crate::minutes::carry::carry;
use crate::minutes::dictionary::Day;
use crate::minutes::draft::draft;
use crate::minutes::{HeaderField, Minutes};
use crate::speech::diarize::Diarization;
use crate::speech::longform::Outcome;
use crate::speech::transcript::Transcript;
use crate::store::blobs::{BlobError, BlobKey, Blobs, Fetched};
use crate::store::jobs::{Claimed, Failure, Finished, Hindrance, Hold, Job, Lease};
use crate::store::seats::{HeldSeat, Seats};
use crate::store::windows::Question;
use crate::store::{Store, StoreError};

/// For how long a job is claimed; a node that is gone for so long has lost it.
const LEASE: Duration = Duration::from_secs(60);
/// How often the lease is renewed and progress is told.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often is asked for work when there is none.
const POLL: Duration = Duration::from_secs(1);
/// The pause after the database did not answer.
const STORE_PAUSE: Duration = Duration::from_secs(10);
/// The pause before something outside of a job is looked at again.
const HINDERED_PAUSE: Duration = Duration::from_secs(60);
/// The pause before a seat is asked for again: a place in the line is kept by asking after it.
const SEAT_PAUSE: Duration = Duration::from_secs(5);
/// A running job that does not move for so long is wedged: the engine's deadlines end everything that hangs long
/// before, and a recording of twelve silent hours is decoded in less.
const SILENCE_MAX: Duration = Duration::from_secs(10 * 60);
/// Most jobs at once: they share one engine, and each decodes and keeps its windows by itself.
const JOBS_AT_ONCE_MAX: u16 = 16;

/// How a node works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of this node, which no other has: after a restart it takes its jobs up at once.
    pub node: String,
    /// What the recogniser is made of; its threads are shared by the jobs at once.
    pub workshop: Workshop,
    /// Jobs worked on at the same time.
    pub jobs_at_once: u16,
    /// Where the audio is.
    pub blobs: Blobs,
    /// A folder for copies of audio that does not lie in files here.
    pub scratch: PathBuf,
    /// Who may work now.
    pub seats: Seats,
}

struct Node {
    store: Store,
    settings: Settings,
    stop: CancellationToken,
}

/// Works until `stop`; then running jobs go back to the line at once, with everything settled kept.
pub async fn run(store: Store, settings: Settings, stop: CancellationToken) {
    let at_once = settings.jobs_at_once.clamp(1, JOBS_AT_ONCE_MAX);
    let node = Arc::new(Node { store, settings, stop });
    match node.store.free_leases(&node.settings.node, UnixMs::now()).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "{jobs} jobs of the run before go on"),
        Err(error) => log(&error, "the jobs of the run before wait for their leases to lapse"),
    }
    let mut benches: JoinSet<()> = (0..at_once).map(|_| bench(Arc::clone(&node))).collect();
    while let Some(ended) = benches.join_next().await {
        if ended.is_err() {
            tracing::error!("a worker ended by a defect; its job is taken up when its lease lapses");
            if !node.stop.is_cancelled() {
                benches.spawn(bench(Arc::clone(&node)));
            }
        }
    }
}

/// Does one job after the other.
async fn bench(node: Arc<Node>) {
    let mut tools = None;
    while !node.stop.is_cancelled() {
        match node.store.claim_job(&node.settings.node, LEASE, UnixMs::now()).await {
            Ok(Some(claimed)) => tools = node.work(claimed, tools).await,
            Ok(None) => node.rest(POLL).await,
            Err(error) => {
                log(&error, "no job can be claimed now");
                node.rest(STORE_PAUSE).await;
            }
        }
    }
}

impl Node {
    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(pause) => {}
        }
    }

    /// Does a job to its end, whatever that is, and returns the tools for the next.
    async fn work(&self, claimed: Claimed, tools: Option<Tools>) -> Option<Tools> {
        let Claimed { job, lease } = claimed;
        tracing::info!(job.id = %job.id, token = lease.token, attempts = job.attempts, "begins job {}", job.id);
        self.store.pulse().began(job.id, SILENCE_MAX, Mono::now());
        let signals = Arc::new(Signals::default());
        let (result, tools) = match self.seat(&job).await {
            Ok(seat) => {
                let ended = self.recognise((&job, seat), lease, tools, &signals).await;
                seat.give_back(&self.settings.seats).await;
                ended
            }
            Err(hindrance) => (Err(Setback::Hindered(hindrance)), tools),
        };
        let written = match result {
            _ if signals.lost.load(Ordering::Relaxed) => Ok(Hold::Lost),
            _ if signals.unseated.load(Ordering::Relaxed) => {
                self.give_back(lease, Setback::Hindered(Hindrance::SeatNeeded), &signals).await
            }
            Ok(heard) => self.finish(&job, lease, heard).await,
            Err(setback) => self.give_back(lease, setback, &signals).await,
        };
        match written {
            Ok(Hold::Lost) => tracing::warn!(job.id = %job.id, "another worker has job {}", job.id),
            Ok(Hold::Held | Hold::CancelAsked | Hold::Unseated) => {}
            // Nothing settled is lost: the lease lapses, and the next run goes on from the windows kept.
            Err(error) => {
                log(&error, "the end of a job could not be written");
                self.rest(STORE_PAUSE).await;
            }
        }
        self.store.pulse().ended(job.id);
        tools
    }

    /// Takes a seat for a job.
    async fn seat(&self, job: &Job) -> Result<HeldSeat, Hindrance> {
        let applicant = self.store.applicant(job.user).await.map_err(|error| {
            log(&error, "the owner of a job cannot be looked up");
            Hindrance::DatabaseDown
        })?;
        seat::take(&self.settings.seats, job, applicant.ok_or(Hindrance::SeatRefused)?).await
    }

    /// Runs the recogniser, and renews the lease meanwhile.
    async fn recognise(
        &self,
        (job, seat): (&Job, HeldSeat),
        lease: Lease,
        tools: Option<Tools>,
        signals: &Arc<Signals>,
    ) -> (Result<Heard, Setback>, Option<Tools>) {
        let mut running = pin!(self.run((job, seat), lease, tools, signals));
        let mut beat = interval(RENEW_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reached = signals.reached();
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                () = self.stop.cancelled(), if !signals.stop.load(Ordering::Relaxed) => {
                    signals.stop.store(true, Ordering::Relaxed);
                }
                _ = beat.tick() => {
                    let now = signals.reached();
                    let waits = self.settings.workshop.bench.recordings_wait().load(Ordering::Relaxed);
                    if now != reached || waits {
                        reached = now;
                        self.store.pulse().moved(job.id, Mono::now());
                    }
                    self.renew(lease, signals).await;
                    if !seat.beat(&self.settings.seats).await {
                        signals.heed(Hold::Unseated);
                    }
                }
            }
        }
    }

    /// Gets the audio, then recognises it on a blocking thread.
    async fn run(
        &self,
        (job, seat): (&Job, HeldSeat),
        lease: Lease,
        tools: Option<Tools>,
        signals: &Arc<Signals>,
    ) -> (Result<Heard, Setback>, Option<Tools>) {
        let audio = match self.audio(job).await {
            Ok(audio) => audio,
            Err(setback) => return (Err(setback), tools),
        };
        let basis = match self.basis(job).await {
            Ok(basis) => basis,
            Err(setback) => return (Err(setback), tools),
        };
        let words = self.words(job).await;
        let (store, workshop) = (self.store.clone(), self.settings.workshop.clone());
        let (signals, settings, runtime) = (Arc::clone(signals), job.settings, Runtime::current());
        let running = spawn_blocking(move || {
            let mut tools = tools;
            let task = Task {
                audio: audio.path(),
                settings,
                words: &words,
                basis: basis.as_ref(),
                kept: &|question: &Question| runtime.block_on(store.kept_windows(lease.job, question)),
                keep: &|question: &Question, outcome: &Outcome| {
                    signals.heed(runtime.block_on(store.keep_window(
                        lease,
                        seat.fence(),
                        question,
                        outcome,
                    ))?);
                    Ok(())
                },
                moved: &|health| {
                    store.pulse().moved(lease.job, Mono::now());
                    store.pulse().engine(health.clone());
                },
                signals: &signals,
            };
            let result = recognise(&workshop, &mut tools, &task, Mono::now);
            (result, tools)
        });
        running.await.unwrap_or_else(|_| {
            tracing::error!(job.id = %job.id, "the recognition of job {} ended by a defect", job.id);
            let (hindrance, failure) = (Hindrance::EngineDown, Failure::Crashed);
            (Err(Setback::Again { hindrance, failure }), None)
        })
    }

    /// Returns the transcript whose words stay, if a job asks for nothing but the speakers or for a stretch; without one
    /// all is recognised.
    async fn basis(&self, job: &Job) -> Result<Option<Transcript>, Setback> {
        let is_part = job.settings.only_speakers || job.settings.stretch.is_some();
        let Some(meeting) = job.meeting.filter(|_| is_part) else { return Ok(None) };
        let looked = async {
            let versions = self.store.transcripts(meeting).await?;
            let newest = versions.iter().find(|version| version.recording == job.recording);
            let Some(newest) = newest else { return Ok(None) };
            self.store.transcript(meeting, newest.version).await
        };
        looked.await.map_err(|error: StoreError| {
            log(&error, "the transcript of a meeting cannot be looked up");
            Setback::Hindered(Hindrance::DatabaseDown)
        })
    }

    /// Returns the office's words for a job's meeting; none if they cannot be had now: the text does not wait for them.
    async fn words(&self, job: &Job) -> String {
        let Some(meeting) = job.meeting else { return String::new() };
        let today = Day::in_japan(UnixMs::now());
        self.store.vocabulary_of_meeting(meeting, today).await.unwrap_or_else(|error| {
            log(&error, "the words of a meeting cannot be looked up");
            String::new()
        })
    }

    /// Makes the audio of a job readable as a file.
    async fn audio(&self, job: &Job) -> Result<Fetched, Setback> {
        let gone = Setback::Hopeless { failure: Failure::AudioMissing, detail: None };
        let recording = self.store.recording(job.recording).await.map_err(|error| {
            log(&error, "a recording cannot be looked up");
            Setback::Hindered(Hindrance::DatabaseDown)
        })?;
        let Some(recording) = recording.filter(|recording| recording.erased_at.is_none()) else {
            return Err(gone);
        };
        let key: BlobKey = recording.blob.parse().map_err(|_| gone)?;
        self.settings.blobs.fetch(&key, &self.settings.scratch).await.map_err(|error| {
            let told: &dyn std::error::Error = &error;
            tracing::error!(error = told, "the audio of a job cannot be read");
            setback_of_blob(&error)
        })
    }

    async fn renew(&self, lease: Lease, signals: &Signals) {
        match self.store.renew_lease(lease, signals.reached(), LEASE, UnixMs::now()).await {
            Ok(hold) => signals.heed(hold),
            // The work goes on: if the lease lapses before the database answers again, the store says so.
            Err(error) => log(&error, "a lease cannot be renewed now"),
        }
    }

    async fn finish(&self, job: &Job, lease: Lease, heard: Heard) -> Result<Hold, StoreError> {
        let Heard { transcript, speakers, speed_ms } = heard;
        let draft = self.draft(job, &transcript, &speakers).await?;
        let finished = Finished { transcript: &transcript, draft: &draft, speed_ms };
        let Some(kept) = self.store.finish_job(lease, finished, UnixMs::now()).await? else {
            return Ok(Hold::Lost);
        };
        let duration_ms = transcript.duration_ms;
        tracing::info!(
            job.id = %job.id, duration_ms, gaps = transcript.gaps.len(), version = kept.version, speed_ms,
            "finished job {}", job.id
        );
        Ok(Hold::Held)
    }

    /// Makes the first draft, with the meeting's name and day in its header, and names for voices that are remembered.
    async fn draft(
        &self,
        job: &Job,
        transcript: &Transcript,
        heard: &Diarization,
    ) -> Result<Minutes, StoreError> {
        let Some(meeting) = job.meeting else { return Ok(Minutes::default()) };
        let template = self.store.template_of_meeting(meeting).await?.unwrap_or_default();
        let mut draft = draft(transcript, &template);
        if let Some(meeting) = self.store.meeting(meeting).await? {
            // A further recognition becomes an offer, and its speakers a wish of whoever edits.
            if self.store.document(meeting.id).await?.is_none() {
                draft = names::named(&self.store, &meeting, draft, &heard.speakers).await;
            }
            let known = [(HeaderField::Title, meeting.title), (HeaderField::HeldOn, meeting.held_on)];
            draft.header.extend(known.into_iter().filter(|(_, value)| !value.is_empty()));
        }
        carry(&mut draft, &live_work(self.store.carried(job.recording).await?));
        Ok(draft)
    }

    async fn give_back(&self, lease: Lease, setback: Setback, signals: &Signals) -> Result<Hold, StoreError> {
        let now = UnixMs::now();
        match setback {
            Setback::Hopeless { failure, detail } => self.store.fail_job(lease, failure, detail, now).await,
            Setback::Hindered(hindrance) => {
                let pause = if hindrance == Hindrance::SeatNeeded { SEAT_PAUSE } else { HINDERED_PAUSE };
                self.store.hinder_job(lease, hindrance, now.plus(pause), now).await
            }
            Setback::Again { hindrance, failure } => {
                self.store.back_off_job(lease, hindrance, failure, now).await
            }
            Setback::Stopped if signals.cancel.load(Ordering::Relaxed) => {
                self.store.drop_job(lease, now).await
            }
            Setback::Stopped => self.store.release_job(lease, now).await,
        }
    }
}

fn setback_of_blob(error: &BlobError) -> Setback {
    let (hindrance, failure) = (Hindrance::AudioUnreachable, Failure::AudioMissing);
    match error {
        BlobError::Missing { .. } | BlobError::BadKey { .. } => Setback::Hopeless { failure, detail: None },
        BlobError::Full { .. } => Setback::Hindered(Hindrance::StorageFull),
        BlobError::StagedMissing { .. }
        | BlobError::Unreachable { .. }
        | BlobError::Refused { .. }
        | BlobError::Damaged { .. }
        | BlobError::Taken { .. }
        | BlobError::Busy { .. }
        | BlobError::OutOfRange { .. }
        | BlobError::Settings { .. }
        | BlobError::Io { .. } => Setback::Again { hindrance, failure },
    }
}

fn log(error: &StoreError, what: &'static str) {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, "{what}");
}
