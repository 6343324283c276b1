//! `gijiroku transcribe`: a recording becomes timed text.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;

use super::progress::Teller;
use super::{EXIT_FAILURE, EXIT_GAPS, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_MODEL, files};
use crate::audio::reader::MonoReader;
use crate::audio::vad::{Silero, Vad, VadSettings};
use crate::clock::Mono;
use crate::jobs::speakers::{Ear, Encoders};
use crate::jobs::transcribe::{Job, TranscribeError, transcribe};
use crate::speech::diarize::Wanted;
use crate::speech::engine::{EngineSettings, Handle, Patience};
use crate::speech::longform::{LongForm, LongFormSettings, Outcome, Preset};
use crate::speech::model::{ggml, tokenizer::Tokenizer};
use crate::speech::transcript::Transcript;
use crate::speech::vocabulary::Vocabulary;
use crate::speech::{Backend, Language, render};
use crate::store::models::{Located, ModelStore, ModelStoreError};
use crate::store::windows::{Checkpoint, Question};

/// Name of the speech detector's weights in the manifest.
const VAD_MODEL: &str = "silero-v6";

/// Turns a recording into timed text.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recording
    input: PathBuf,
    /// Name of a model, or the path of an imported one
    #[arg(long, value_name = "NAME|PATH", default_value = "base")]
    model: String,
    /// Language spoken
    #[arg(long, value_enum, default_value_t = Spoken::Ja)]
    language: Spoken,
    /// Words the office uses, one entry a line: 表記 or 表記,よみ or 誤り => 表記
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,
    /// How hard to try
    #[arg(long, value_enum, default_value_t = Trying::Accurate)]
    preset: Trying,
    /// Which recogniser; the faster one for this processor and model if absent
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Tell speakers apart: auto, off, channels (one microphone a person), or how many there are, 1 to 20
    #[arg(long, value_name = "auto|N|off|channels", default_value_t = Wanted::Auto)]
    speakers: Wanted,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Where to write it; standard output if absent
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Go on where an interrupted run with the same output stopped
    #[arg(long, requires = "output")]
    resume: bool,
    /// Threads that recognise; one a core if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
    /// Folder of weights; models/weights, here or where the program was built, if absent
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Print CPU seconds of this process and of its engine at the end
    #[arg(long, hide = true)]
    timings: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Spoken {
    Ja,
    En,
    Auto,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Trying {
    /// Several hypotheses side by side: the fewest errors
    Accurate,
    /// One hypothesis only: about two thirds of the time, a few more errors
    Fast,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Engine {
    /// Our own, for processors with AVX2 or better
    Native,
    /// whisper.cpp, for any processor
    Whisper,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Json,
    Txt,
    Srt,
    Vtt,
}

/// What ends a run early: its exit code and why.
struct Refusal(u8, anyhow::Error);

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self(EXIT_FAILURE, error)
    }
}

fn bad_model(error: impl Into<anyhow::Error>) -> Refusal {
    Refusal(EXIT_MODEL, error.into())
}

/// Runs the sub-command.
///
/// Errors: the transcript cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match transcribed(&args) {
        Ok(transcript) => {
            transcript.check().context("the transcript breaks its own format")?;
            files::write(args.output.as_deref(), &rendered(args.format, &transcript))?;
            args.output.as_deref().map_or(Ok(()), files::discard_checkpoint)?;
            if args.timings {
                files::tell_timings()?;
            }
            Ok(if transcript.gaps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_GAPS) })
        }
        Err(Refusal(code, error)) => {
            eprintln!("gijiroku: {error:#}");
            Ok(ExitCode::from(code))
        }
    }
}

fn transcribed(args: &Args) -> Result<Transcript, Refusal> {
    let store = ModelStore::open(&files::weights_folder(args.models.as_deref())).map_err(bad_model)?;
    let whisper = store.resolve(&args.model).map_err(bad_model)?;
    let detector = store.read_vad(VAD_MODEL).map_err(bad_model)?;
    let detector = Arc::new(Silero::from_safetensors(&detector).map_err(bad_model)?);
    let is_off = args.speakers == Wanted::Off;
    let encoders = if is_off { Encoders::default() } else { Encoders::of(&store) };
    let ear = Ear::of(args.speakers, &encoders, &detector);
    let reader = recording(args)?;
    let (vocabulary, prompt) = words(args, &whisper)?;
    let (mut checkpoint, done) = checkpoint(args, &whisper)?;
    let backend = backend(args, &whisper)?;
    let settings = LongFormSettings::of(args.preset.into(), backend, args.language.into(), prompt);
    let stop = files::stop_on_signals()?;
    let mut teller = Teller::new(args.quiet, done.len());
    let mut engine = Handle::start(engine_settings(args, &whisper, backend)?, Mono::now);
    let job = Job {
        reader,
        vad: Vad::new(detector, VadSettings { pad_ms: 0, ..VadSettings::default() }),
        long_form: LongForm::new(settings, done),
        ear,
        engine: &mut engine,
        vocabulary: &vocabulary,
        model: whisper.id.clone(),
        stop: &stop,
        // Nobody shares this engine.
        waits: &AtomicBool::new(false),
    };
    let mut keep = |outcome: &Outcome| {
        checkpoint.as_mut().map_or(Ok(()), |checkpoint: &mut Checkpoint| checkpoint.append(outcome))
    };
    let result = transcribe(job, &mut keep, &mut |progress| teller.tell(progress));
    teller.end();
    result.map(|done| done.transcript).map_err(|error| match &error {
        // The engine refuses a file that is not the one imported; here it is said what to do about it.
        TranscribeError::Engine(_) => match store.verify_known(&whisper.id) {
            Err(damaged @ ModelStoreError::Damaged { .. }) => bad_model(damaged),
            Ok(_) | Err(_) => refusal(args, error),
        },
        TranscribeError::Decode(_) | TranscribeError::Store(_) | TranscribeError::Stopped => {
            refusal(args, error)
        }
    })
}

fn recording(args: &Args) -> Result<MonoReader, Refusal> {
    let file = files::open(&args.input).map_err(|error| Refusal(EXIT_INPUT, error))?;
    let reader = MonoReader::open(Box::new(file)).with_context(|| args.input.display().to_string());
    reader.map_err(|error| Refusal(EXIT_INPUT, error))
}

/// Reads the vocabulary and turns its hints into tokens of the model.
fn words(args: &Args, whisper: &Located) -> Result<(Vocabulary, Vec<u32>), Refusal> {
    let Some(path) = &args.vocabulary else { return Ok((Vocabulary::default(), Vec::new())) };
    let vocabulary =
        Vocabulary::parse(&files::read_text(path)?).with_context(|| path.display().to_string())?;
    let weights = files::read(&whisper.path)?;
    let model = ggml::Model::read(&weights).map_err(bad_model)?;
    let tokenizer = Tokenizer::new(&model.vocabulary, model.dims.vocab).map_err(bad_model)?;
    let prompt = vocabulary.prompt(&tokenizer);
    Ok((vocabulary, prompt))
}

/// Opens the checkpoint beside the output; without an output file there is none.
fn checkpoint(args: &Args, whisper: &Located) -> Result<(Option<Checkpoint>, Vec<Outcome>), Refusal> {
    let Some(output) = &args.output else { return Ok((None, Vec::new())) };
    let path = files::checkpoint_path(output);
    let question =
        Question { model_sha256: whisper.sha256.clone(), product: env!("CARGO_PKG_VERSION").to_owned() };
    let opened = if args.resume {
        Checkpoint::resume(&path, &question)
    } else {
        Checkpoint::create(&path, &question).map(|checkpoint| (checkpoint, Vec::new()))
    };
    let (checkpoint, done) = opened.map_err(anyhow::Error::from)?;
    Ok((Some(checkpoint), done))
}

fn engine_settings(args: &Args, whisper: &Located, backend: Backend) -> anyhow::Result<EngineSettings> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64) as u8);
    Ok(EngineSettings {
        program: std::env::current_exe().context("cannot find this program itself")?,
        arguments: Vec::new(),
        model: whisper.path.clone(),
        sha256: whisper.sha256.clone(),
        backend,
        threads: u16::from(args.threads.unwrap_or(cores)),
        patience: Patience::default(),
    })
}

/// Returns the recogniser asked for, else the faster one that can read the model on this machine.
fn backend(args: &Args, whisper: &Located) -> anyhow::Result<Backend> {
    Ok(match args.engine {
        Some(Engine::Native) => Backend::Native,
        Some(Engine::Whisper) => Backend::Whisper,
        None => Backend::fastest(&files::read_head(&whisper.path, ggml::HEAD_BYTES)?),
    })
}

/// Says what happened, what was kept, and what to do.
fn refusal(args: &Args, error: TranscribeError) -> Refusal {
    let code = match &error {
        TranscribeError::Decode(_) => EXIT_INPUT,
        TranscribeError::Stopped => EXIT_INTERRUPTED,
        TranscribeError::Store(_) | TranscribeError::Engine(_) => EXIT_FAILURE,
    };
    let advice = match &args.output {
        Some(_) => "認識済みの区間は保存しました。同じコマンドに --resume を付けると続きから始めます",
        None => "出力先 (-o) がないため途中結果は保存していません",
    };
    Refusal(code, anyhow::Error::from(error).context(advice))
}

fn rendered(format: Format, transcript: &Transcript) -> String {
    match format {
        Format::Json => render::json(transcript),
        Format::Txt => render::txt(transcript),
        Format::Srt => render::srt(transcript),
        Format::Vtt => render::vtt(transcript),
    }
}

impl From<Spoken> for Language {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::Ja => Self::Ja,
            Spoken::En => Self::En,
            Spoken::Auto => Self::Auto,
        }
    }
}

impl From<Trying> for Preset {
    fn from(trying: Trying) -> Self {
        match trying {
            Trying::Accurate => Self::Accurate,
            Trying::Fast => Self::Fast,
        }
    }
}
