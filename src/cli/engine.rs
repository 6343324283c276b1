//! `gijiroku engine`: the child that recognises. Speaks frames on stdin and stdout; started by the parent only.

use std::fs::File;
use std::io::{Read as _, stderr, stdin, stdout};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use crate::speech::engine::child::{End, Loaded, serve};
use crate::speech::engine::frame::Hello;
use crate::speech::whisper::{self, Whisper, Worker};
use crate::speech::{Recognition, RecognizeError, Recognizer, Request};

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
    check_sha256(hello)?;
    if !whisper::has_fast_kernels() {
        eprintln!(
            "this build lacks the fast matrix kernels (GGML_LLAMAFILE): recognition takes twice as long"
        );
    }
    let whisper = Whisper::load(&hello.model, 1).map_err(|error| error.to_string())?;
    let workers: Result<Vec<Doomed>, _> =
        (0..hello.slots).map(|_| whisper.worker().map(|worker| Doomed { worker, die_of })).collect();
    Ok((whisper::system_info().to_owned(), workers.map_err(|error| error.to_string())?))
}

#[expect(clippy::disallowed_methods, reason = "the sub-command is where the weights are opened")]
fn check_sha256(hello: &Hello) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", hello.model.display());
    let mut file = File::open(&hello.model).map_err(told)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk).map_err(told)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == hello.sha256 {
        return Ok(());
    }
    Err(format!("{} is not the file that was imported: its sha256 is {found}", hello.model.display()))
}

/// The out-of-memory killer is to take the engine, which can be started again, not the server.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel about this very process")]
fn prefer_me_when_memory_runs_out() {
    // Where the file is missing or closed to us nothing is lost but the preference.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// A worker that can be told to die of a certain window, as whisper.cpp's assertions do.
struct Doomed {
    worker: Worker,
    die_of: Option<usize>,
}

impl Recognizer for Doomed {
    fn recognize(&mut self, request: &Request) -> Result<Recognition, RecognizeError> {
        if self.die_of == Some(request.samples.len()) {
            std::process::abort();
        }
        self.worker.recognize(request)
    }
}
