//! `gijiroku model bench`: how fast this machine is, which model it can carry, and for how many rooms.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::{EXIT_MODEL, files, report};
use crate::clock::Mono;
use crate::speech::capacity::{self, BATCH, Batch, FINAL_CTX, FINAL_S, FINAL_TOKENS, Machine, Measured};
use crate::speech::model::layout::Dims;
use crate::speech::model::{Precision as Stored, ggml, synthetic};
use crate::speech::native::{Level, Native, NativeSettings, Precision, machine};
use crate::speech::{Due, Effort, Language, Recognizer as _, Request};
use crate::store::models::{ModelStore, ModelStoreError};

/// How long one figure is measured, at least.
const PATIENCE: Duration = Duration::from_millis(600);
/// Bytes read to measure the memory: more than the caches of common processors hold.
const MEMORY_BYTES: usize = 1 << 30;
/// Memory that must stay free while it is measured.
const MEMORY_FREE_BYTES: f64 = 6e9;
/// Steps of the decoder in one measurement.
const STEPS: u32 = 24;

/// Measures what this machine can do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model to measure: a name, or the path of an imported one. Its weights are not needed for known names: time
    /// depends on a model's sizes alone
    #[arg(long, value_name = "NAME|PATH", conflicts_with = "shape")]
    model: Option<String>,
    /// Sizes to measure: base, small, medium or large-v3-turbo
    #[arg(long, value_name = "NAME", value_parser = shape_names())]
    shape: Option<String>,
    /// Instructions to use; the best this machine has if absent
    #[arg(long, value_parser = level_names())]
    level: Option<String>,
    /// Number format to compute with; the one recordings are recognised with if absent
    #[arg(long, value_parser = precision_names())]
    precision: Option<String>,
    /// Threads; one a core if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Sentences for an administrator, then the numbers
    Text,
    /// For scripts
    Json,
}

fn shape_names() -> clap::builder::PossibleValuesParser {
    capacity::SHAPES.map(|shape| shape.name).into()
}

fn level_names() -> clap::builder::PossibleValuesParser {
    Level::ALL.map(Level::name).into()
}

fn precision_names() -> clap::builder::PossibleValuesParser {
    PRECISIONS.map(|(name, _)| name).into()
}

/// Names of the number formats.
const PRECISIONS: [(&str, Precision); 4] = [
    ("f32", Precision::F32),
    ("bf16", Precision::Bf16),
    ("weights8", Precision::Weights8),
    ("int8", Precision::Int8),
];

/// Finds a level by its name, if this machine has it.
///
/// Errors: no such level, or not here.
pub fn level(name: &str) -> anyhow::Result<Level> {
    let level = Level::ALL.into_iter().find(|level| level.name() == name);
    let level = level.with_context(|| format!("there is no level {name:?}"))?;
    anyhow::ensure!(level.is_available(), "this machine has no {name}");
    Ok(level)
}

/// Finds a number format by its name.
///
/// Errors: no such format.
pub fn precision(name: &str) -> anyhow::Result<Precision> {
    let found = PRECISIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, precision)| *precision).with_context(|| format!("there is no number format {name:?}"))
}

fn value_bytes(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 4.0,
        Precision::Bf16 => 2.0,
        Precision::Weights8 | Precision::Int8 => 1.0,
    }
}

fn name_of(precision: Precision) -> &'static str {
    PRECISIONS.iter().find(|(_, known)| *known == precision).map_or("", |(name, _)| name)
}

/// Everything that was measured; times in seconds, speeds per second.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What was measured.
    pub model: String,
    /// Its sizes.
    pub dims: Dims,
    /// Instructions used.
    pub level: Level,
    /// Number format used.
    pub precision: String,
    /// Bytes of a value of the decoder in that format.
    pub value_bytes: f64,
    /// Threads used.
    pub threads: usize,
    /// Operations per second of the encoder's instruction alone, on one thread and on all.
    pub peak: [f64; 2],
    /// Bytes per second read from memory by all threads.
    pub read: f64,
    /// One window of 30 s through the encoder, all threads.
    pub encoder_s: f64,
    /// One step of a lone greedy text, one thread.
    pub step_alone_s: f64,
    /// One step of [`BATCH`], all threads.
    pub step_s: f64,
    /// One utterance of [`FINAL_S`] from sound to text, one thread.
    pub final_s: f64,
    /// What the machine has.
    pub machine: Machine,
}

/// Runs the sub-command.
///
/// Errors: the machine lacks the level asked for, or the kernel does not tell how much memory is free.
pub fn run(dir: &Path, args: &Args) -> anyhow::Result<ExitCode> {
    let level = args.level.as_deref().map_or(Ok(Level::best()), level)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = args.threads.map_or(cores.min(64), usize::from);
    let (model, dims) = match named(dir, args) {
        Err(error) if error.is::<ModelStoreError>() => {
            eprintln!("gijiroku: {error:#}");
            return Ok(ExitCode::from(EXIT_MODEL));
        }
        named => named?,
    };
    let machine = Machine { cores, memory_bytes: memory_bytes()? };
    let settings = match &args.precision {
        Some(name) => NativeSettings { precision: precision(name)?, ..NativeSettings::of(level) },
        None => NativeSettings::of(level),
    };
    let figures = measure(model, dims, settings, threads, machine)?;
    match args.format {
        Format::Text => print!("{}", report::text(&figures)),
        Format::Json => println!("{}", report::json(&figures)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns name and sizes of what is to be measured.
fn named(dir: &Path, args: &Args) -> anyhow::Result<(String, Dims)> {
    let name = args.shape.as_deref().or(args.model.as_deref()).unwrap_or("base");
    if let Some(shape) = capacity::SHAPES.iter().find(|shape| shape.name == name) {
        return Ok((name.to_owned(), shape.dims));
    }
    let verified = ModelStore::open(dir)?.resolve(name)?;
    let weights = files::read(&verified.path)?;
    let dims = ggml::Model::read(&weights)?.dims;
    Ok((verified.id, dims))
}

fn measure(
    model: String,
    dims: Dims,
    settings: NativeSettings,
    threads: usize,
    machine: Machine,
) -> anyhow::Result<Figures> {
    let NativeSettings { level, precision, .. } = settings;
    let peak = [peak(level, 1), peak(level, threads)];
    let read = memory_speed(threads, machine);
    let native = Native::load(&synthetic::file(dims, Stored::Bf16), settings)?;
    let mut probe = native.probe(threads);
    let mel = probe.frames(&hum(30.0), dims.audio_ctx);
    let (encoder_s, heard) = best_of(|| probe.hear(&mel));
    let alone = Batch { windows: 1, hypotheses: 1 };
    let step_alone_s = step_s(&mut native.probe(1), &heard, alone)?;
    let step_s = step_s(&mut probe, &heard, BATCH)?;
    drop(heard);
    Ok(Figures {
        model,
        dims,
        level,
        precision: name_of(precision).to_owned(),
        value_bytes: value_bytes(precision),
        threads,
        peak,
        read,
        encoder_s,
        step_alone_s,
        step_s,
        final_s: final_s(&native)?,
        machine,
    })
}

/// Repeats a piece of work until [`PATIENCE`] is over, twice at least; returns the shortest time and the last result.
fn best_of<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let begin = Mono::now();
    let mut best = Duration::MAX;
    let mut turns = 0;
    loop {
        let start = Mono::now();
        let result = work();
        let now = Mono::now();
        best = best.min(now.since(start));
        turns += 1;
        if turns >= 2 && now.since(begin) >= PATIENCE {
            return (best.as_secs_f64(), result);
        }
    }
}

/// Measures the processor's instruction; rounds grow until one measurement takes long enough.
fn peak(level: Level, threads: usize) -> f64 {
    let mut rounds = 1 << 12;
    loop {
        let start = Mono::now();
        machine::multiply(level, threads, rounds);
        if Mono::now().since(start) >= PATIENCE / 8 {
            break;
        }
        rounds *= 2;
    }
    let mut operations = 0.0;
    let (seconds, ()) = best_of(|| operations = machine::multiply(level, threads, rounds));
    operations / seconds
}

fn memory_speed(threads: usize, machine: Machine) -> f64 {
    let share = if machine.memory_bytes < MEMORY_FREE_BYTES { 8 } else { 1 };
    let values = vec![1_u64; MEMORY_BYTES / share / size_of::<u64>()];
    let (seconds, bytes) = best_of(|| machine::read(threads, &values));
    bytes / seconds
}

/// Measures one step of the decoder, its search included, at the middle of [`STEPS`].
fn step_s(
    probe: &mut crate::speech::native::probe::Probe,
    heard: &crate::speech::native::encoder::Heard,
    batch: Batch,
) -> anyhow::Result<f64> {
    let mut texts = probe.texts(heard, batch.windows, batch.hypotheses);
    // The prompt, and steps in which beams are still few.
    (0..4).for_each(|_| probe.write(&mut texts));
    let mut times = Vec::new();
    for _ in 0..STEPS {
        let start = Mono::now();
        probe.write(&mut texts);
        times.push(Mono::now().since(start).as_secs_f64());
    }
    anyhow::ensure!(texts.all_go_on(), "the made-up texts ended before they were measured");
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Measures one utterance from sound to text on one thread, as a live room asks for it.
fn final_s(native: &Native) -> anyhow::Result<f64> {
    let effort =
        Effort { beam: 1, temperature: 0.0, audio_ctx: FINAL_CTX as u16, tokens_max: FINAL_TOKENS as u16 };
    let request = Request {
        samples: hum(FINAL_S),
        language: Language::Ja,
        prompt: Vec::new(),
        effort,
        due: Due::BATCH,
    };
    let mut worker = native.worker();
    let (seconds, recognition) = best_of(|| worker.recognize(&request));
    recognition.context("an utterance of ordinary size was refused")?;
    Ok(seconds)
}

/// Makes sound: two tones that swell and fade. What it is changes nothing about the time.
fn hum(seconds: f64) -> Vec<f32> {
    let value = |index: usize| {
        let time = index as f64 / 16_000.0;
        let turn = std::f64::consts::TAU * time;
        let swell = 0.5 + 0.5 * (0.7 * turn).sin();
        (0.2 * swell * ((180.0 * turn).sin() + 0.5 * (420.0 * turn).sin())) as f32
    };
    (0..(seconds * 16_000.0) as usize).map(value).collect()
}

/// Asks the kernel how much memory is free, the file cache it would give up included.
fn memory_bytes() -> anyhow::Result<f64> {
    let told = files::read_text(Path::new("/proc/meminfo"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(1024.0 * kibibytes.context("/proc/meminfo does not tell MemAvailable")?)
}

impl Figures {
    /// Returns the part that the estimates need.
    pub fn measured(&self) -> Measured {
        Measured { dims: self.dims, encoder_s: self.encoder_s, step_s: self.step_s, final_s: self.final_s }
    }
}
