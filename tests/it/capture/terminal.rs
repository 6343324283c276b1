//! The client on a room's machine, and the folder it keeps its sound in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::pulse::Pulse;
use crate::support::{PROGRAM, text};

/// A running client; killed without a word when it is dropped.
pub struct Client {
    child: Child,
    log: PathBuf,
}

/// Where a client keeps its sound, and what it says.
pub struct Terminal {
    /// Its home.
    pub folder: tempfile::TempDir,
}

impl Terminal {
    /// Makes one with a token.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        std::fs::write(folder.path().join("token"), "gjr_room\n").expect("there is room");
        Self { folder }
    }

    /// Returns where it keeps sound.
    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// Prepares a run.
    pub fn command(&self, server: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (token, spool) = (self.folder.path().join("token"), self.spool());
        command.args(["capture", "--server", server, "--token-file", text(&token), "--spool", text(&spool)]);
        command.args(arguments).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command
    }

    /// Starts a run.
    pub fn start(&self, mut command: Command) -> Client {
        let log = self.folder.path().join("log");
        let file = std::fs::File::create(&log).expect("there is room");
        let child = command.stderr(file).stdout(Stdio::null()).spawn().expect("the program can be started");
        Client { child, log }
    }

    /// Records a device of the sound server.
    pub fn record(&self, pulse: &Pulse, server: &str, arguments: &[&str]) -> Client {
        let mut command = self.command(server, arguments);
        command.env("PULSE_SERVER", pulse.address());
        self.start(command)
    }

    /// Returns the samples that are kept here.
    pub fn kept(&self) -> u64 {
        bytes_below(&self.spool(), "s16") / 2
    }
}

fn bytes_below(folder: &Path, extension: &str) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |path: PathBuf| match path.is_dir() {
        true => bytes_below(&path, extension),
        false if path.extension().is_some_and(|found| found == extension) => {
            path.metadata().map(|metadata| metadata.len()).unwrap_or(0)
        }
        false => 0,
    };
    entries.flatten().map(|entry| size(entry.path())).sum()
}

impl Client {
    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Asks it to end, and returns its exit code.
    pub fn end(self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until it ends by itself, and returns its exit code.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("it can be waited for").code()
    }

    /// Kills it without a word.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Returns what it told.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
