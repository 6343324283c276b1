//! A private PostgreSQL cluster: made once for a run of the tests, reached through a socket in its own folder, ended
//! with the tests however they end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use gijiroku::store::Location;

use crate::support::text;

/// The account that runs the server when the tests are root, whom it refuses.
const SERVER_ACCOUNT: &str = "postgres";

struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// Waits for the end of this process, whose pipe it holds; then stops the server and removes its folder.
    _watcher: Child,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Returns an empty database of one's own.
pub fn database() -> Location {
    let cluster = CLUSTER.get_or_init(Cluster::start);
    let name = format!("office_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let socket = text(&cluster.folder).to_owned();
    let made = Command::new(cluster.programs.join("psql"))
        .args(["-q", "-h", &socket, "-U", SERVER_ACCOUNT, "-d", "postgres"])
        .args(["-c", &format!("CREATE DATABASE {name}")])
        .output()
        .expect("psql comes with the server");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let url = format!("postgres://{SERVER_ACCOUNT}@localhost/{name}?host={socket}");
    Location::Postgres { url, connections_max: 4 }
}

impl Cluster {
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("gijiroku-pg-").tempdir();
        let folder = folder.expect("temporary folders can be made").keep();
        let as_server = |program: &str| as_server(&programs.join(program), &folder);
        let data = text(&folder.join("data")).to_owned();
        run(as_server("initdb").args(["-D", &data, "-U", SERVER_ACCOUNT, "-A", "trust"]).args([
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]));
        let options = format!("-c listen_addresses='' -k {} -c fsync=off", text(&folder));
        let log = text(&folder.join("log")).to_owned();
        run(as_server("pg_ctl").args(["-D", &data, "-w", "-t", "60", "-l", &log, "-o", &options, "start"]));
        let mut stop = as_server("pg_ctl");
        stop.args(["-D", &data, "-m", "immediate", "stop"]);
        let words: Vec<String> = std::iter::once(stop.get_program())
            .chain(stop.get_args())
            .map(|word| format!("'{}'", word.to_str().expect("the test's words are UTF-8")))
            .collect();
        // The pipe closes with this process, also when it is killed.
        let script = format!("trap '' INT; cat >/dev/null; {}; rm -rf '{}'", words.join(" "), text(&folder));
        let watcher = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        Self { folder, programs, _watcher: watcher }
    }
}

/// Prepares a program of the server under the account that it wants.
fn as_server(program: &Path, folder: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    run(Command::new("chown").args([SERVER_ACCOUNT, text(folder)]));
    let mut command = Command::new("runuser");
    command.args(["-u", SERVER_ACCOUNT, "--", text(program)]);
    command
}

fn run(command: &mut Command) {
    let output = command.current_dir("/").stdin(Stdio::null()).output().expect("the program can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Finds the server's programs: where Debian puts them, or on the path.
fn programs() -> PathBuf {
    let debian = Path::new("/usr/lib/postgresql");
    let versions = std::fs::read_dir(debian).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").exists());
    found.sort();
    let installed = found.pop();
    installed.unwrap_or_else(|| panic!("no PostgreSQL server is installed: run ./.ci/setup.sh test"))
}
