//! Starting and killing the engine child: the only place that does.

use std::io::{self, BufRead, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Most bytes of the child's messages kept for the next report of a death.
const LAST_WORDS_BYTES_MAX: usize = 2_000;

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// The pipes of a child that was just started.
#[derive(Debug)]
pub struct Pipes {
    /// Frames to it.
    pub input: ChildStdin,
    /// Frames from it.
    pub output: ChildStdout,
    /// What the C library and panics print; never words spoken.
    pub messages: LastWords,
}

/// Reads the child's standard error to its end and remembers the last of it.
#[derive(Debug)]
pub struct LastWords {
    stderr: std::process::ChildStderr,
}

impl Process {
    /// Starts `program engine` with pipes on all three streams.
    ///
    /// The child leads a process group of its own: Ctrl-C reaches the parent alone, which then decides.
    /// Errors: those of the operating system.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts a process")]
    pub fn start(program: &Path, arguments: &[String]) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(program);
        command.arg("engine").args(arguments).process_group(0);
        // Buffers go from thread to thread: with a heap for each, glibc keeps what one of them freed from the others, and
        // the child grows by a third over hours. Source: own bench, 25 minutes: 649 MB and growing, with one heap 511 MB.
        command.env("MALLOC_ARENA_MAX", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().expect("stdin was asked for as a pipe");
        let output = child.stdout.take().expect("stdout was asked for as a pipe");
        let stderr = child.stderr.take().expect("stderr was asked for as a pipe");
        Ok((Self { child }, Pipes { input, output, messages: LastWords { stderr } }))
    }

    /// Returns the number the operating system gave it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and waits until it is gone, so that no zombie stays. Harmless if it has ended.
    pub fn kill(&mut self) {
        // It has ended already, or it cannot be ended: neither can be helped here, and waiting tells which.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl LastWords {
    /// Blocks until the child closes its standard error; returns its last lines.
    pub fn collect(self) -> String {
        let mut last = String::new();
        let mut lines = BufReader::new(self.stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut lines).take(LAST_WORDS_BYTES_MAX as u64).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return last,
                Ok(_) => last.push_str(&String::from_utf8_lossy(&line)),
            }
            if last.len() > LAST_WORDS_BYTES_MAX {
                let from = last.ceil_char_boundary(last.len() - LAST_WORDS_BYTES_MAX);
                last.drain(..from);
            }
        }
    }
}
