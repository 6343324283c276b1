//! `gijiroku capture`: the microphones of a meeting room, recorded and sent to the office's server.
//!
//! ```text
//! sound system ─► ring ─► disk of this machine ─► server ─► deleted here
//!  its thread     a thread a microphone            a task a microphone
//! ```

mod device;
mod link;
mod meter;
mod microphone;
mod office;
mod room;
mod spool;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::link::Sent;
use self::microphone::{Limits, left};
use self::office::Office;
use self::room::{Outcome, Room, begin_session, carry, settle_all};
use self::spool::{Kept, Recording, RecordingFolder, Spool};
use super::{EXIT_KEPT, files, logging};
use crate::clock::UnixMs;
use crate::config::{self, Config, Secret};
use crate::store::live::STREAMS_MAX;

/// The variable that holds the token.
const TOKEN_VARIABLE: &str = "GIJIROKU_CAPTURE_TOKEN";
/// A run that died less long ago is gone on with.
const GO_ON_WITHIN: Duration = Duration::from_secs(600);

/// Records the microphones of a meeting room and sends them to the server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// List the devices that hear, monitors of loudspeakers included
    #[arg(long)]
    list: bool,
    /// The server, such as https://gijiroku.example.lg.jp
    #[arg(long, value_name = "URL", required_unless_present = "list")]
    server: Option<String>,
    /// A file that holds the API token; else the variable GIJIROKU_CAPTURE_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) of the authority that signed the server's; else what this machine trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A device of --list; several make as many streams of one recording. The system's own if absent
    #[arg(long = "device", value_name = "NAME")]
    devices: Vec<String>,
    /// The title of the meeting
    #[arg(long, default_value = "会議室の録音")]
    title: String,
    /// The meeting that is recorded; a new one if absent
    #[arg(long, value_name = "ID")]
    meeting: Option<String>,
    /// The name of the room
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    room: String,
    /// Where sound is kept until the server has it; the state folder of the service or the user if absent
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// The most unsent sound that is kept of one microphone. Without it the disk is the limit
    #[arg(long, value_name = "BYTES", default_value_t = u64::MAX, hide_default_value = true)]
    spool_max: u64,
    /// What stays free on the disk for others
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    keep_free: u64,
    /// Only send what earlier runs left, then end
    #[arg(long)]
    send_spool: bool,
    /// How long the end waits for the server, in seconds, before the rest is left for the next start
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    linger: u64,
}

/// Runs the sub-command.
///
/// Errors: the arguments are wrong, the folder is in use. Devices, server and network may come and go.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        return list();
    }
    anyhow::ensure!(args.devices.len() <= STREAMS_MAX, "マイクは {STREAMS_MAX} 本までです");
    logging::init(&Config::load(None)?.config.log)?;
    let address = args.server.as_deref().context("--server がありません")?;
    let office = Office::new(address, token(args.token_file.as_deref())?, args.ca.as_deref())?;
    let spool = Spool::open(&spool_folder(args.spool.as_deref())?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let code = runtime.block_on(work(args, address, &office, &spool));
    // A sound system that hangs must not keep the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

#[expect(clippy::unnecessary_wraps, reason = "a way for a sub-command to end")]
fn list() -> anyhow::Result<ExitCode> {
    let devices = device::list();
    for device in &devices {
        let usual = if device.is_usual { "  (指定しないときに使われます)" } else { "" };
        println!("{}\t{}{usual}", device.name, device.description);
    }
    if devices.is_empty() {
        eprintln!("マイクが見つかりません。PulseAudio か ALSA の設定を確認してください");
        return Ok(ExitCode::from(super::EXIT_INPUT));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the token where no other user of the machine can see it.
fn token(file: Option<&Path>) -> anyhow::Result<Secret> {
    let text = match file {
        Some(file) => files::read_text(file)?,
        None => config::variable(TOKEN_VARIABLE).with_context(|| {
            format!("API トークンがありません: --token-file か環境変数 {TOKEN_VARIABLE} で渡してください")
        })?,
    };
    let text = text.trim();
    let is_plain = !text.is_empty() && text.chars().all(|sign| sign.is_ascii_graphic());
    anyhow::ensure!(is_plain, "API トークンの形式が正しくありません");
    Ok(Secret::new(text.to_owned()))
}

fn spool_folder(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = chosen {
        return Ok(folder.to_owned());
    }
    // systemd names the folder that it made for the service; more than one are separated by colons.
    if let Some(folder) = config::variable("STATE_DIRECTORY") {
        return Ok(PathBuf::from(folder.split(':').next().unwrap_or_default()));
    }
    let state = config::variable("XDG_STATE_HOME").map(PathBuf::from);
    let home = || config::variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = state.or_else(home).context("一時保存フォルダーを --spool で指定してください")?;
    Ok(state.join("gijiroku/capture"))
}

async fn work(args: &Args, address: &str, office: &Office, spool: &Spool) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new()?;
    let wish = Recording {
        server: address.to_owned(),
        title: args.title.clone(),
        meeting: args.meeting.clone(),
        room: args.room.clone(),
        began_at: UnixMs::now(),
        live: None,
    };
    let died = if args.send_spool { None } else { died(spool, &wish, &devices(args))? };
    let mut leftovers = leftovers(office, spool, died.as_ref().map(|died| &died.folder))?;
    if args.send_spool {
        let all = leftovers.len();
        let sent = tokio::select! {
            sent = settle_all(&mut leftovers) => sent,
            () = stop.wished() => 0,
        };
        println!("以前の録音 {all} 件のうち {sent} 件をサーバーに保存しました");
        return Ok(if sent == all { ExitCode::SUCCESS } else { ExitCode::from(EXIT_KEPT) });
    }
    let begun = match died {
        Some(died) => died,
        None => Begun { folder: spool.begin(&wish)?, recording: wish, streams: Vec::new() },
    };
    let folder = begun.folder.clone();
    tracing::info!(folder = %folder.path().display(), goes_on = !begun.streams.is_empty(), "records");
    let mut room = Room::open(office, begun, devices(args), limits(args));
    room.watch(&mut stop, &mut leftovers).await?;
    let whole = room.close(&mut stop, &mut leftovers, Duration::from_secs(args.linger)).await?;
    folder.remove_if_empty()?;
    if whole {
        println!("録音はすべてサーバーに保存されました");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "サーバーにまだ届いていない録音をこの端末に残しました。次に起動したとき、または gijiroku capture --send-spool で送られます"
    );
    Ok(ExitCode::from(EXIT_KEPT))
}

fn devices(args: &Args) -> Vec<Option<String>> {
    match args.devices.is_empty() {
        true => vec![None],
        false => args.devices.iter().cloned().map(Some).collect(),
    }
}

fn limits(args: &Args) -> Limits {
    Limits { spool_bytes_max: args.spool_max, free_bytes_min: args.keep_free }
}

/// A recording to begin, or to go on with.
struct Begun {
    folder: RecordingFolder,
    recording: Recording,
    /// What a run that died left.
    streams: Vec<Kept>,
}

/// Finds the recording of a run that was told the same and died a moment ago, in the middle of it.
fn died(spool: &Spool, wish: &Recording, devices: &[Option<String>]) -> anyhow::Result<Option<Begun>> {
    let Some((folder, recording)) = spool.recordings()?.pop() else { return Ok(None) };
    let told = Recording { began_at: wish.began_at, live: None, ..recording.clone() };
    let streams = folder.streams()?;
    let mut is_open = told == *wish && !streams.is_empty();
    for kept in &streams {
        let is_recent = kept.written_at()?.is_some_and(|at| UnixMs::now().since(at) < GO_ON_WITHIN);
        let is_same = devices.get(kept.stream.number) == Some(&kept.stream.wanted);
        is_open &= is_recent && is_same && !kept.extent()?.ended && !kept.is_set_aside()?;
    }
    Ok(is_open.then_some(Begun { folder, recording, streams }))
}

/// The wish to stop: by a person, or by the system.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wished(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Sends what earlier runs left, each microphone by itself.
fn leftovers(
    office: &Office,
    spool: &Spool,
    but: Option<&RecordingFolder>,
) -> anyhow::Result<JoinSet<Outcome>> {
    let mut tasks = JoinSet::new();
    for (folder, recording) in spool.recordings()? {
        if Some(&folder) == but || folder.remove_if_empty()? {
            continue;
        }
        let (live, known) = watch::channel(recording.live.clone());
        let mut is_needed = false;
        for kept in folder.streams()? {
            if kept.is_set_aside()? {
                tracing::warn!(folder = %kept.path().display(), "the server takes nothing more of this recording");
                continue;
            }
            let extent = kept.extent()?;
            let seconds = (extent.until - extent.from) / u64::from(kept.stream.rate_hz);
            tracing::info!(folder = %kept.path().display(), seconds, "sends what an earlier run left");
            is_needed = true;
            let progress = left(&extent);
            let way =
                carry(office.clone(), known.clone(), (kept, extent), progress, Arc::new(Sent::default()));
            tasks.spawn(way);
        }
        if is_needed && recording.live.is_none() {
            tokio::spawn(begin_session(office.clone(), folder, recording, live));
        }
    }
    Ok(tasks)
}
