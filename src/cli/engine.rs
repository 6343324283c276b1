//! `gijiroku engine`: the child that recognises. Speaks frames on stdin and stdout; started by the parent only.

use std::fs::File;
use std::io::{stderr, stdin, stdout};
use std::process::ExitCode;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::bench;
use crate::speech::engine::child::{End, Loaded, serve};
use crate::speech::engine::frame::Hello;
use crate::speech::native::{Native, NativeSettings};
use crate::speech::whisper::{self, Whisper};
use crate::speech::{Answer, Backend, RecognizeError, Recognizer, Request};

/// Threads that work on the same windows; more wait for each other longer than they compute.
const TEAM_MAX: u16 = 4;

/// How far behind the server's own work the scheduler puts recognition.
const NICE: i32 = 10;

/// Recognises on behalf of a parent process.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Die of a window with exactly this many samples: for tests of the parent
    #[arg(long, hide = true, value_name = "SAMPLES")]
    die_of: Option<usize>,
}

/// Serves until the parent stops or is gone.
///
/// Errors: standard output cannot be taken over.
#[expect(
    clippy::disallowed_methods,
    reason = "a child without a parent leaves at once, whatever its threads do"
)]
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    prefer_me_when_memory_runs_out();
    // People who read and edit come first: an answer of theirs takes a millisecond, a window takes hundreds.
    rustix::process::nice(NICE)?;
    // A stray print of a C library must not break a frame: it goes to standard error from here on.
    let frames = File::from(rustix::io::dup(stdout())?);
    rustix::stdio::dup2_stdout(stderr())?;
    let end = serve(stdin().lock(), frames, |hello| load(hello, args.die_of));
    match end {
        End::Stopped => Ok(ExitCode::SUCCESS),
        // Workers may be deep in an encode that nothing can interrupt: leave without waiting for them.
        End::Gone => std::process::exit(0),
        End::Garbled(error) => {
            eprintln!("{error}");
            std::process::exit(1)
        }
    }
}

fn load(hello: &Hello, die_of: Option<usize>) -> Result<Loaded<Doomed>, String> {
    let weights = checked_weights(hello)?;
    let (backend, workers): (String, Vec<Box<dyn Recognizer>>) = match hello.backend {
        Backend::Native => native(hello, &weights)?,
        Backend::Whisper => {
            drop(weights);
            whisper(hello)?
        }
    };
    Ok((backend, workers.into_iter().map(|worker| Doomed { worker, die_of }).collect()))
}

fn native(hello: &Hello, weights: &[u8]) -> Result<Loaded<Box<dyn Recognizer>>, String> {
    let teams = hello.threads.div_ceil(TEAM_MAX).max(1);
    let threads = usize::from(hello.threads.div_ceil(teams));
    let settings = native_settings().map_err(|error| format!("{error:#}"))?;
    let settings = NativeSettings { threads, ..settings };
    let native = Native::load(weights, settings).map_err(|error| error.to_string())?;
    let workers = (0..teams).map(|_| Box::new(native.worker()) as Box<dyn Recognizer>).collect();
    let NativeSettings { level, precision, .. } = settings;
    Ok((format!("native, {}, {precision:?}, {teams} × {threads} threads", level.name()), workers))
}

/// The best this machine has, unless the environment asks for less: for diagnosis and for measurements.
///
/// Errors: a value nobody knows, or instructions this machine lacks.
fn native_settings() -> anyhow::Result<NativeSettings> {
    let mut settings = NativeSettings::default();
    if let Some(name) = forced("GIJIROKU_LEVEL")? {
        settings = NativeSettings::of(bench::level(&name).context("GIJIROKU_LEVEL")?);
    }
    if let Some(name) = forced("GIJIROKU_PRECISION")? {
        settings.precision = bench::precision(&name).context("GIJIROKU_PRECISION")?;
    }
    Ok(settings)
}

#[expect(clippy::disallowed_methods, reason = "a wish for this child alone, which its parent need not know")]
fn forced(variable: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(variable) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error @ std::env::VarError::NotUnicode(_)) => Err(error).context(variable.to_owned()),
    }
}

fn whisper(hello: &Hello) -> Result<Loaded<Box<dyn Recognizer>>, String> {
    if !whisper::has_fast_kernels() {
        eprintln!(
            "this build lacks the fast matrix kernels (GGML_LLAMAFILE): recognition takes twice as long"
        );
    }
    let whisper = Whisper::load(&hello.model, 1).map_err(|error| error.to_string())?;
    let worker = |_| whisper.worker().map(|worker| Box::new(worker) as Box<dyn Recognizer>);
    let workers: Result<Vec<_>, _> = (0..hello.threads).map(worker).collect();
    Ok((whisper::system_info().to_owned(), workers.map_err(|error| error.to_string())?))
}

/// Reads the weights and makes sure that they are the ones that were imported.
#[expect(clippy::disallowed_methods, reason = "the sub-command is where the weights are opened")]
fn checked_weights(hello: &Hello) -> Result<Vec<u8>, String> {
    let weights = match std::fs::read(&hello.model) {
        Ok(weights) => weights,
        Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => starved(),
        Err(error) => return Err(format!("{}: {error}", hello.model.display())),
    };
    let found: String = Sha256::digest(&weights).iter().map(|byte| format!("{byte:02x}")).collect();
    if found == hello.sha256 {
        return Ok(weights);
    }
    Err(format!("{} is not the file that was imported: its sha256 is {found}", hello.model.display()))
}

/// Dies of hunger: that says nothing about the model, and a child started later may find the memory.
#[expect(
    clippy::disallowed_methods,
    reason = "an allocation that fails elsewhere ends the child just as suddenly"
)]
fn starved() -> ! {
    eprintln!("there is not enough memory for the model");
    std::process::exit(1)
}

/// The out-of-memory killer is to take the engine, which can be started again, not the server.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel about this very process")]
fn prefer_me_when_memory_runs_out() {
    // Where the file is missing or closed to us nothing is lost but the preference.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// A worker that can be told to die of a certain window, as whisper.cpp's assertions do.
struct Doomed {
    worker: Box<dyn Recognizer>,
    die_of: Option<usize>,
}

impl Recognizer for Doomed {
    fn has_room(&self, request: &Request) -> bool {
        self.worker.has_room(request)
    }

    fn join(&mut self, id: u64, request: Request) -> Result<(), RecognizeError> {
        if self.die_of == Some(request.samples.len()) {
            std::process::abort();
        }
        self.worker.join(id, request)
    }

    fn leave(&mut self, id: u64) -> bool {
        self.worker.leave(id)
    }

    fn is_idle(&self) -> bool {
        self.worker.is_idle()
    }

    fn advance(&mut self) -> Vec<Answer> {
        self.worker.advance()
    }
}
