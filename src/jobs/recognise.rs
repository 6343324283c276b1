//! One job on the recogniser: its tools, what it goes on from, and what an interruption means for it. Blocking.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::speakers::{Ear, Encoders};
use super::transcribe::{Job, Progress, TranscribeError, Transcribed, transcribe};
use crate::audio::decode::DecodeError;
use crate::audio::reader::MonoReader;
use crate::audio::vad::{Silero, Vad, VadSettings};
use crate::audio::{MediaSpan, MediaTime};
use crate::clock::Mono;
use crate::speech::Backend;
use crate::speech::diarize::{Diarization, Wanted};
use crate::speech::engine::{EngineSettings, Handle, Health, Patience};
use crate::speech::longform::{LongForm, LongFormSettings, Outcome};
use crate::speech::model::ggml;
use crate::speech::model::tokenizer::Tokenizer;
use crate::speech::splice::spliced;
use crate::speech::transcript::Transcript;
use crate::speech::vocabulary::Vocabulary;
use crate::speech::voice::Voice;
use crate::store::StoreError;
use crate::store::jobs::{self, Failure, Hindrance, Reached};
use crate::store::models::{Located, ModelStore, ModelStoreError};
use crate::store::recordings;
use crate::store::windows::Question;

/// Name of the speech detector's weights in the manifest.
const VAD_MODEL: &str = "silero-v6";
/// Less sound than this tells nothing about a machine's speed, milliseconds.
const SPEED_MS_MIN: u64 = 20_000;

/// What the recogniser of a node is made of.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// The folder of weights.
    pub models: PathBuf,
    /// Name of the model, or its path.
    pub model: String,
    /// The program that understands `engine`: usually this one.
    pub program: PathBuf,
    /// Which recogniser to use; the faster one here if none.
    pub backend: Option<Backend>,
    /// Threads that compute for one job.
    pub threads: u16,
    /// How long the engine may take.
    pub patience: Patience,
    /// Longest recording that is recognised.
    pub longest: MediaTime,
    /// The engine that everybody here shares.
    pub bench: Bench,
}

/// Where the tools lie that everybody on this node shares: one engine holds the weights once, and does what is most
/// urgent first, whether a room or a recording asks.
#[derive(Debug, Clone, Default)]
pub struct Bench(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    tools: Mutex<Option<Tools>>,
    /// Rooms need all of the engine: recordings wait.
    recordings_wait: AtomicBool,
}

impl Bench {
    /// Says whether recordings wait, because rooms need all of the engine.
    pub fn let_recordings_wait(&self, wait: bool) {
        self.0.recordings_wait.store(wait, Ordering::Relaxed);
    }

    /// Returns where it is said that recordings wait.
    pub fn recordings_wait(&self) -> &AtomicBool {
        &self.0.recordings_wait
    }
}

/// What one job after the other uses.
#[derive(Debug)]
pub struct Tools {
    model: Located,
    pub(super) backend: Backend,
    pub(super) detector: Arc<Silero>,
    /// What voices are told apart with.
    encoders: Encoders,
    /// Turns words into the model's tokens; made when a job first has words.
    tokenizer: Option<Tokenizer>,
    pub(super) engine: Handle,
}

/// What others want of a running job, and see of it.
#[derive(Debug, Default)]
pub struct Signals {
    /// Stop soon.
    pub stop: AtomicBool,
    /// Somebody wants it cancelled.
    pub cancel: AtomicBool,
    /// Another worker has it: write nothing more.
    pub lost: AtomicBool,
    /// Its seat is somebody else's: write nothing more, and wait for another one.
    pub unseated: AtomicBool,
    reached: Mutex<Reached>,
}

impl Signals {
    /// Returns how far the job has come.
    pub fn reached(&self) -> Reached {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the store said about the lease.
    pub fn heed(&self, hold: jobs::Hold) {
        match hold {
            jobs::Hold::Held => return,
            jobs::Hold::CancelAsked => self.cancel.store(true, Ordering::Relaxed),
            jobs::Hold::Lost => self.lost.store(true, Ordering::Relaxed),
            jobs::Hold::Unseated => self.unseated.store(true, Ordering::Relaxed),
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    fn tell(&self, progress: Progress) {
        let expected_ms = progress.expected.map(|length| length.ms());
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) =
            Reached { settled_ms: progress.settled.ms(), expected_ms };
    }
}

/// Why a run gave no transcript, by what happens next. What is settled is kept in every case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    /// It never will: a person has to do something about the recording.
    Hopeless {
        /// Why.
        failure: Failure,
        /// What it is about, as the name of a codec.
        detail: Option<String>,
    },
    /// It goes on as soon as something outside of it is mended.
    Hindered(Hindrance),
    /// It is tried again after a pause, so often.
    Again {
        /// Why it pauses.
        hindrance: Hindrance,
        /// Why it has failed if that never helps.
        failure: Failure,
    },
    /// It was asked to stop.
    Stopped,
}

/// A recording to be recognised.
pub struct Task<'a> {
    /// Where its bytes are.
    pub audio: &'a Path,
    /// How to recognise it.
    pub settings: jobs::Settings,
    /// The office's words for this meeting, as [`Vocabulary::parse`] reads them.
    pub words: &'a str,
    /// The transcript whose words stay, if only the speakers are asked for; around the stretch, if one is.
    pub basis: Option<&'a Transcript>,
    /// What is kept so far, by the question it answers.
    pub kept: &'a dyn Fn(&Question) -> Result<Vec<Outcome>, StoreError>,
    /// Keeps a window.
    pub keep: &'a dyn Fn(&Question, &Outcome) -> Result<(), StoreError>,
    /// Is told whenever the job has moved.
    pub moved: &'a dyn Fn(&Health),
    /// What others want of it, and see of it.
    pub signals: &'a Signals,
}

/// What a whole run has made.
#[derive(Debug)]
pub struct Heard {
    /// What was heard.
    pub transcript: Transcript,
    /// Who spoke when, and with which voice.
    pub speakers: Diarization,
    /// Sound recognised in a second of this run, milliseconds; none if the run was too short to tell.
    pub speed_ms: Option<u64>,
}

/// Recognises a recording with the tools of the job before, if they are still good, and leaves them for the next.
///
/// Errors: see [`Setback`].
pub fn recognise(
    workshop: &Workshop,
    tools: &mut Option<Tools>,
    task: &Task<'_>,
    clock: fn() -> Mono,
) -> Result<Heard, Setback> {
    // First what costs nothing: a file that is no recording should not wait for a model.
    let file = recordings::open_audio(task.audio).map_err(|error| setback_of_store(&error))?;
    let reader = MonoReader::open(Box::new(file)).map_err(|error| setback_of_decoding(&error))?;
    let reader = reader.limited(workshop.longest);
    let (reader, part) = match (task.basis, task.settings.stretch) {
        (Some(basis), None) => return tell_speakers(workshop, task, reader, basis.clone()),
        (Some(basis), Some(stretch)) => {
            let span = MediaSpan::from_ms(stretch.from_ms, stretch.until_ms);
            (reader.only(span), Some((basis, span)))
        }
        (None, _) => (reader, None),
    };
    let mut now = workshop.tools(tools.take(), clock)?;
    let question =
        Question { model_sha256: now.model.sha256.clone(), product: env!("CARGO_PKG_VERSION").to_owned() };
    let kept = (task.kept)(&question).map_err(|error| setback_of_store(&error))?;
    let resumed_ms = kept.iter().map(|outcome| outcome.until_ms).max().unwrap_or(0);
    let (vocabulary, prompt) = now.words(task.words)?;
    let long_form = LongFormSettings::of(task.settings.preset, now.backend, task.settings.language, prompt);
    let mut health = now.engine.health();
    (task.moved)(&health);
    let job = Job {
        reader,
        vad: Vad::new(Arc::clone(&now.detector), VadSettings { pad_ms: 0, ..VadSettings::default() }),
        long_form: LongForm::new(long_form, kept),
        // Nobody can be told from others by a few words.
        ear: Ear::of(part.map_or(task.settings.speakers, |_| Wanted::Off), &now.encoders, &now.detector),
        engine: &mut now.engine,
        vocabulary: &vocabulary,
        model: now.model.id.clone(),
        stop: &task.signals.stop,
        waits: workshop.bench.recordings_wait(),
    };
    let mut keep = |outcome: &Outcome| {
        // An answer came, so the engine is up, whatever it was when the job began.
        health = Health::Up;
        (task.moved)(&health);
        (task.keep)(&question, outcome)
    };
    let since = clock();
    let result = transcribe(job, &mut keep, &mut |progress| task.signals.tell(progress));
    let Transcribed { transcript, speakers } = result.map_err(|error| {
        (task.moved)(&now.engine.health());
        setback(&error)
    })?;
    let heard_ms = transcript.duration_ms.saturating_sub(resumed_ms);
    let speed_ms = speed(heard_ms, clock().since(since));
    // Only after a whole run nothing is unanswered; after any other what is still asked for goes with the handle.
    if now.engine.unanswered() == 0 {
        *tools = Some(now);
    }
    let transcript = match part {
        Some((basis, span)) => spliced(basis.clone(), span, transcript),
        None => transcript,
    };
    Ok(Heard { transcript, speakers, speed_ms })
}

/// Tells the speakers of a recording apart again; the words of its transcript stay.
fn tell_speakers(
    workshop: &Workshop,
    task: &Task<'_>,
    mut reader: MonoReader,
    mut transcript: Transcript,
) -> Result<Heard, Setback> {
    let store = ModelStore::open(&workshop.models).map_err(|error| no_model(&error))?;
    let detector = detector(&store)?;
    let mut ear = Ear::of(task.settings.speakers, &Encoders::of(&store), &detector);
    let mut vad = Vad::new(detector, VadSettings::default());
    let (expected, mut samples, mut at, mut more) = (reader.expected(), Vec::new(), 0, true);
    while more {
        if task.signals.stop.load(Ordering::Relaxed) {
            return Err(Setback::Stopped);
        }
        samples.clear();
        let read = reader.read_beside(&mut samples, &mut |block| ear.hear_block(block));
        more = read.map_err(|error| setback_of_decoding(&error))?;
        ear.hear(&samples, &vad.push(&samples).probabilities);
        at += samples.len() as u64;
        task.signals.tell(Progress { settled: MediaTime::from_sample(at), expected });
    }
    let speakers = ear.finish(&vad.finish().probabilities, &mut transcript);
    Ok(Heard { transcript, speakers, speed_ms: None })
}

fn detector(store: &ModelStore) -> Result<Arc<Silero>, Setback> {
    let weights = store.read_vad(VAD_MODEL).map_err(|error| no_model(&error))?;
    let detector = Silero::from_safetensors(&weights).map_err(|error| {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "the speech detector cannot be used");
        Setback::Hindered(Hindrance::ModelMissing)
    })?;
    Ok(Arc::new(detector))
}

fn speed(heard_ms: u64, took: Duration) -> Option<u64> {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    (heard_ms >= SPEED_MS_MIN).then(|| heard_ms.saturating_mul(1000) / took_ms)
}

impl Workshop {
    /// Returns the tools of before if they still fit, else those on the bench, else new ones.
    ///
    /// Errors: see [`Setback`].
    pub fn tools(&self, before: Option<Tools>, clock: fn() -> Mono) -> Result<Tools, Setback> {
        let store = ModelStore::open(&self.models).map_err(|error| no_model(&error))?;
        let model = store.resolve(&self.model).map_err(|error| no_model(&error))?;
        let fits = |tools: &Tools| {
            tools.model == model && matches!(tools.engine.health(), Health::Up | Health::Starting)
        };
        if let Some(tools) = before.filter(fits) {
            return Ok(tools);
        }
        let mut bench = self.bench.0.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tools) = bench.as_ref().filter(|tools| fits(tools)) {
            return Ok(tools.share());
        }
        let tools = self.new_tools(&store, model, clock)?;
        *bench = Some(tools.share());
        Ok(tools)
    }

    fn new_tools(&self, store: &ModelStore, model: Located, clock: fn() -> Mono) -> Result<Tools, Setback> {
        let detector = detector(store)?;
        let backend = match self.backend {
            Some(backend) => backend,
            None => {
                let head = model.read_head(ggml::HEAD_BYTES).map_err(|error| no_model(&error.into()))?;
                Backend::fastest(&head)
            }
        };
        let settings = EngineSettings {
            program: self.program.clone(),
            arguments: Vec::new(),
            model: model.path.clone(),
            sha256: model.sha256.clone(),
            backend,
            threads: self.threads,
            patience: self.patience,
        };
        let engine = Handle::start(settings, clock);
        let encoders = Encoders::of(store);
        Ok(Tools { model, backend, detector, encoders, tokenizer: None, engine })
    }
}

impl Tools {
    /// Returns tools that share the engine.
    fn share(&self) -> Self {
        Self {
            model: self.model.clone(),
            backend: self.backend,
            detector: Arc::clone(&self.detector),
            encoders: self.encoders.clone(),
            tokenizer: None,
            engine: self.engine.share(),
        }
    }

    /// Returns what voices are told apart with, if its weights are there.
    pub(super) fn voice(&self) -> Option<Arc<Voice>> {
        self.encoders.voice()
    }

    /// Reads the office's words and makes hints of them. Words that cannot be read help nobody, but stop nothing.
    pub(super) fn words(&mut self, text: &str) -> Result<(Vocabulary, Vec<u32>), Setback> {
        if text.is_empty() {
            return Ok((Vocabulary::default(), Vec::new()));
        }
        let vocabulary = Vocabulary::parse(text).unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the words of a meeting cannot be used");
            Vocabulary::default()
        });
        if self.tokenizer.is_none() {
            let head = self.model.read_head(ggml::TOKENS_BYTES).map_err(|error| no_model(&error.into()))?;
            self.tokenizer = ggml::tokenizer(&head).ok();
        }
        let prompt = self.tokenizer.as_ref().map_or_else(Vec::new, |tokenizer| vocabulary.prompt(tokenizer));
        Ok((vocabulary, prompt))
    }
}

fn no_model(error: &ModelStoreError) -> Setback {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, "the model cannot be used");
    Setback::Hindered(Hindrance::ModelMissing)
}

fn setback(error: &TranscribeError) -> Setback {
    match error {
        TranscribeError::Decode(error) => setback_of_decoding(error),
        TranscribeError::Store(error) => setback_of_store(error),
        TranscribeError::Engine(cause) => {
            tracing::error!(cause, "the recogniser does not work");
            Setback::Again { hindrance: Hindrance::EngineDown, failure: Failure::EngineFailed }
        }
        TranscribeError::Stopped => Setback::Stopped,
    }
}

fn setback_of_store(error: &StoreError) -> Setback {
    let told: &dyn std::error::Error = error;
    tracing::error!(error = told, "a job cannot go on");
    match error {
        StoreError::Full => Setback::Hindered(Hindrance::StorageFull),
        StoreError::Unreachable(_) | StoreError::Busy { .. } => Setback::Hindered(Hindrance::DatabaseDown),
        StoreError::Io { .. } => {
            Setback::Again { hindrance: Hindrance::AudioUnreachable, failure: Failure::AudioMissing }
        }
        StoreError::Erased => Setback::Hopeless { failure: Failure::AudioMissing, detail: None },
        StoreError::Taken | StoreError::Damaged { .. } | StoreError::Database(_) => {
            Setback::Again { hindrance: Hindrance::DatabaseDown, failure: Failure::Crashed }
        }
    }
}

fn setback_of_decoding(error: &DecodeError) -> Setback {
    let (failure, detail) = match error {
        DecodeError::Empty => (Failure::Empty, None),
        DecodeError::NotAudio { looks_like } => (Failure::NotAudio, Some((*looks_like).to_owned())),
        DecodeError::Encrypted { scheme } => (Failure::Encrypted, Some((*scheme).to_owned())),
        DecodeError::UnsupportedCodec { codec } => (Failure::UnsupportedCodec, Some(codec.clone())),
        DecodeError::NoAudioTrack { container } => (Failure::NoAudioTrack, Some((*container).to_owned())),
        DecodeError::NoSound { .. } => (Failure::NoSound, None),
        DecodeError::Unfinished => (Failure::Unfinished, None),
        DecodeError::AbsurdHeader { .. } | DecodeError::Damaged { .. } => (Failure::Damaged, None),
        DecodeError::TooLong { longest } => (Failure::TooLong, Some(told(*longest))),
        DecodeError::Read(error) => {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, "the audio cannot be read");
            let (hindrance, failure) = (Hindrance::AudioUnreachable, Failure::AudioMissing);
            return Setback::Again { hindrance, failure };
        }
    };
    Setback::Hopeless { failure, detail }
}

/// Writes a limit for a person; limits are whole minutes.
fn told(longest: MediaTime) -> String {
    let minutes = longest.ms() / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("上限 {minutes}分"),
        (hours, 0) => format!("上限 {hours}時間"),
        (hours, minutes) => format!("上限 {hours}時間{minutes}分"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_decoded_is_hopeless_and_an_engine_that_dies_is_not() {
        let codec = "WMA".to_owned();
        let hopeless = Setback::Hopeless { failure: Failure::UnsupportedCodec, detail: Some(codec.clone()) };
        assert_eq!(setback(&TranscribeError::Decode(DecodeError::UnsupportedCodec { codec })), hopeless);
        let again = Setback::Again { hindrance: Hindrance::EngineDown, failure: Failure::EngineFailed };
        assert_eq!(setback(&TranscribeError::Engine("died".to_owned())), again);
    }

    #[test]
    fn a_recording_that_is_too_long_says_how_long_one_may_be() {
        let longest = MediaTime::from_ms(12 * 3_600_000);
        let (failure, detail) = (Failure::TooLong, Some("上限 12時間".to_owned()));
        let setback = setback(&TranscribeError::Decode(DecodeError::TooLong { longest }));
        assert_eq!(setback, Setback::Hopeless { failure, detail });
        assert_eq!(told(MediaTime::from_ms(80 * 60_000)), "上限 1時間20分");
    }

    #[test]
    fn a_full_disk_and_a_silent_database_count_as_no_setback() {
        let full = setback(&TranscribeError::Store(StoreError::Full));
        assert_eq!(full, Setback::Hindered(Hindrance::StorageFull));
        let silent = StoreError::Unreachable(Box::new(sqlx::Error::PoolTimedOut));
        let silent = setback(&TranscribeError::Store(silent));
        assert_eq!(silent, Setback::Hindered(Hindrance::DatabaseDown));
    }

    #[test]
    fn a_run_too_short_to_tell_gives_no_speed() {
        assert_eq!(speed(SPEED_MS_MIN - 1, Duration::from_secs(1)), None);
        assert_eq!(speed(60_000, Duration::from_secs(10)), Some(6_000));
    }
}
