//! The real program at work on a folder, and the many ways it can end.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::office::{PASSWORD, Person};
use crate::support::{PROGRAM, repository, text};

/// A running server; killed without a word when it is dropped.
pub struct Served {
    child: Child,
    /// Where it answers.
    pub root: String,
}

/// How a server is started.
pub struct Start<'a> {
    /// Its data folder.
    pub data: &'a Path,
    /// Where it listens: a port, or 0 for a free one.
    pub port: u16,
    /// The folder of weights; without it nothing is recognised.
    pub models: Option<&'a Path>,
    /// What is told to the library that is loaded before it.
    pub watched: Option<&'a Watched>,
}

/// The library that writes down what a program does to its folder.
pub struct Watched {
    library: PathBuf,
    /// Where it writes.
    pub log: PathBuf,
    /// By which it is told to be without space or to have another calendar.
    control: PathBuf,
}

impl Watched {
    /// Compiles the library.
    pub fn build(folder: &Path) -> Self {
        let (library, source) = (folder.join("powercut.so"), repository("tests/faults/powercut.c"));
        let arguments = ["-shared", "-fPIC", "-O1", "-o", text(&library), text(&source)];
        let built = Command::new("cc").args(arguments).status().expect("a C compiler is needed to build");
        assert!(built.success());
        let watched = Self { library, log: folder.join("log"), control: folder.join("control") };
        watched.control(0, false);
        watched
    }

    /// Turns the calendar by so many seconds, and fills or frees the disk.
    pub fn control(&self, seconds: i64, full: bool) {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
        bytes[8] = u8::from(full);
        let open = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&self.control);
        open.and_then(|file| file.write_all_at(&bytes, 0)).expect("there is room");
    }
}

impl Served {
    /// Starts the program; nothing if it ends before it tells where it listens.
    pub fn start(how: &Start<'_>) -> Option<(Self, Option<String>)> {
        let config = how.data.with_extension("toml");
        std::fs::write(&config, "[uploads]\ndisk_free_bytes_min = 0\n").expect("there is room");
        let mut command = Command::new(PROGRAM);
        let listen = format!("127.0.0.1:{}", how.port);
        command.args(["serve", "--listen", &listen, "--config", text(&config), "--data", text(how.data)]);
        let nothing = how.data.with_extension("no-models");
        command.args(["--models", text(how.models.unwrap_or(&nothing))]);
        if let Some(watched) = how.watched {
            command.env("LD_PRELOAD", &watched.library).env("POWERCUT_FOLDER", how.data);
            command.env("POWERCUT_LOG", &watched.log).env("POWERCUT_CONTROL", &watched.control);
        }
        let told = std::fs::File::create(how.data.with_extension("stderr")).expect("there is room");
        let mut child =
            command.stdout(Stdio::piped()).stderr(told).spawn().expect("the program can be started");
        let output = child.stdout.take().expect("its output is ours");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let Some(line) = lines.next() else {
            child.wait().expect("it can be waited for");
            return None;
        };
        let root = line.split_once("http://").expect("it is an address").1.trim_end_matches('/').to_owned();
        let secret = (!known(how.data)).then(|| {
            let line = lines.next().expect("it tells the setup link");
            line.split_once('#').expect("it has a secret").1.to_owned()
        });
        std::fs::write(how.data.with_extension("known"), "").expect("there is room");
        Some((Self { child, root: format!("http://{root}") }, secret))
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.root.rsplit_once(':').expect("it has a port").1.parse().expect("a port is a number")
    }

    /// Signs somebody in: the first administrator by the secret, or the same one again.
    pub async fn person(&self, secret: Option<&str>) -> Option<Person> {
        let mut person = Person::at(self.root.clone());
        match secret {
            Some(secret) => person.set_up(secret).await,
            None if person.sign_in("admin", PASSWORD).await.status == 201 => {}
            None => return None,
        }
        Some(person)
    }

    /// Sends a signal to the program.
    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Returns the processes the program has started.
    pub fn engines(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").expect("Linux tells of processes").flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers.filter(|process| parent(*process) == Some(self.child.id())).collect()
    }

    /// Waits for the end of a program that was killed.
    pub fn buried(mut self) {
        self.child.wait().expect("it can be waited for");
    }
}

fn known(data: &Path) -> bool {
    data.with_extension("known").exists()
}

/// Says that the folder is one a server has worked on.
pub fn mark_known(data: &Path) {
    std::fs::write(data.with_extension("known"), "").expect("there is room");
}

/// Sends a signal.
pub fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).stderr(Stdio::null()).status();
    // Whoever has ended meanwhile needs no signal.
    sent.expect("there is a kill");
}

fn parent(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of a program may hold anything, parentheses too.
    let after_name = status.rsplit_once(") ")?.1;
    after_name.split(' ').nth(1)?.parse().ok()
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
