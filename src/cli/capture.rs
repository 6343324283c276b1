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
mod spool;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use self::link::{Link, Sent};
use self::meter::Meter;
use self::microphone::{Began, Limits, Microphone, Shown, left};
use self::office::{Office, Setback};
use self::spool::{Extent, Kept, Recording, RecordingFolder, Spool};
use super::{EXIT_KEPT, files, logging};
use crate::clock::UnixMs;
use crate::config::{self, Config, Secret};

/// Microphones of one recording.
const MICROPHONES_MAX: usize = 16;
/// The variable that holds the token.
const TOKEN_VARIABLE: &str = "GIJIROKU_CAPTURE_TOKEN";
/// How often the terminal is written.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// Pauses between tries to begin the session.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The pause after a refusal: somebody has to do something first.
const REFUSED: Duration = Duration::from_secs(60);
/// How long a sound system may take to let a device go.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// A run that died less long ago is gone on with.
const GO_ON_WITHIN: Duration = Duration::from_secs(600);
/// What was heard after somebody ended the recording at the server belongs to no meeting.
const TAIL_SECONDS_MAX: u64 = 10;

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
    anyhow::ensure!(args.devices.len() <= MICROPHONES_MAX, "マイクは {MICROPHONES_MAX} 本までです");
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
    let mut room = Room::open(args, office, begun);
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

/// How the way of one microphone ended.
struct Outcome {
    kept: Kept,
    result: anyhow::Result<bool>,
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

/// Waits for every way to end, and tells how many brought everything to the server.
async fn settle_all(ways: &mut JoinSet<Outcome>) -> usize {
    let mut whole = 0;
    while let Some(outcome) = ways.join_next().await {
        whole += usize::from(outcome.is_ok_and(|outcome| settle(&outcome)));
    }
    whole
}

/// Deletes what the server has, and sets aside what it does not take; true if nothing is left to send.
fn settle(Outcome { kept, result }: &Outcome) -> bool {
    let done = match result {
        Ok(true) => kept.remove().map(|()| true),
        Ok(false) => {
            tracing::warn!(folder = %kept.path().display(), "ended at the server; the rest stays here");
            kept.set_aside().map(|()| false)
        }
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    done.unwrap_or_else(|error| {
        let error = format!("{error:#}");
        tracing::error!(folder = %kept.path().display(), error, "the recording stays on this machine");
        false
    })
}

/// Carries one microphone, as soon as the server has a name for its recording.
async fn carry(
    office: Office,
    mut live: watch::Receiver<Option<String>>,
    (kept, extent): (Kept, Extent),
    progress: watch::Receiver<link::Progress>,
    sent: Arc<Sent>,
) -> Outcome {
    let result = async {
        let named = live.wait_for(Option::is_some).await.context("the session was given up")?.clone();
        let live = named.context("it was waited for")?;
        Link::new((office, live), (kept.clone(), &extent), progress, sent).run().await
    };
    Outcome { result: result.await, kept }
}

/// Begins the session at the server, however long that takes, and keeps its name.
async fn begin_session(
    office: Office,
    folder: RecordingFolder,
    mut recording: Recording,
    live: watch::Sender<Option<String>>,
) {
    let (mut pause, mut told) = (TRY_AGAIN.0, None);
    while recording.live.is_none() {
        let setback = match office.begin(&recording).await {
            Ok(name) => {
                recording.live = Some(name.clone());
                if let Err(error) = folder.keep(&recording) {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the name of the session could not be kept");
                }
                tracing::info!(live.id = name, "the server records");
                live.send_replace(Some(name));
                return;
            }
            Err(setback) => setback,
        };
        let text = setback.to_string();
        if told.as_ref() != Some(&text) {
            tracing::warn!(error = text, "the session could not be begun; sound is kept here");
            told = Some(text);
        }
        pause = match setback {
            Setback::Away(_) => (pause * 2).min(TRY_AGAIN.1),
            Setback::Refused { .. } => REFUSED,
        };
        let luck = pause / 2 * rand::random_range(0..1000) / 1000;
        tokio::time::sleep(pause / 2 + luck).await;
    }
}

/// The microphones of the recording that goes on.
struct Room {
    office: Office,
    live: watch::Receiver<Option<String>>,
    session: JoinHandle<()>,
    /// Dropped, they stop the microphones.
    stops: Vec<SyncSender<()>>,
    microphones: JoinSet<anyhow::Result<()>>,
    began: mpsc::Receiver<Began>,
    shown: Vec<watch::Receiver<Shown>>,
    ways: JoinSet<Outcome>,
    sent: Vec<Option<Arc<Sent>>>,
    /// Ways that ended while microphones were still open.
    over: Vec<Outcome>,
    meter: Meter,
}

impl Room {
    fn open(args: &Args, office: &Office, Begun { folder, recording, mut streams }: Begun) -> Self {
        let limits = Limits { spool_bytes_max: args.spool_max, free_bytes_min: args.keep_free };
        let devices = devices(args);
        let (began, receiver) = mpsc::channel(devices.len());
        let (sender, live) = watch::channel(recording.live.clone());
        let session = tokio::spawn(begin_session(office.clone(), folder.clone(), recording, sender));
        let mut room = Self {
            office: office.clone(),
            live,
            session,
            stops: Vec::new(),
            microphones: JoinSet::new(),
            began: receiver,
            shown: Vec::new(),
            ways: JoinSet::new(),
            sent: vec![None; devices.len()],
            over: Vec::new(),
            meter: Meter::new(devices.len()),
        };
        for (number, device) in devices.into_iter().enumerate() {
            let (stop, stopped) = sync_channel(0);
            let (shown, receiver) = watch::channel(Shown::default());
            let (recording, began) = (folder.clone(), began.clone());
            let before = streams.iter().position(|kept| kept.stream.number == number);
            let before = before.map(|place| streams.swap_remove(place));
            let microphone = Microphone { number, device, before, recording, limits, began, shown };
            room.microphones.spawn_blocking(move || microphone.run(&stopped));
            room.stops.push(stop);
            room.shown.push(receiver);
        }
        room
    }

    /// Goes on until somebody wishes to stop, here or at the server.
    async fn watch(&mut self, stop: &mut Stop, leftovers: &mut JoinSet<Outcome>) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(SHOW_EVERY);
        loop {
            tokio::select! {
                () = stop.wished() => return Ok(()),
                Some(began) = self.began.recv() => self.begin(began),
                Some(ended) = self.microphones.join_next() => return ended.context("a microphone failed")?,
                Some(outcome) = self.ways.join_next() => {
                    self.over.extend(outcome);
                    if self.over.len() == self.stops.len() {
                        return Ok(());
                    }
                }
                Some(Ok(outcome)) = leftovers.join_next() => drop(settle(&outcome)),
                _ = tick.tick() => self.show(),
            }
        }
    }

    fn begin(&mut self, Began { kept, extent, progress, sent }: Began) {
        self.sent[kept.stream.number] = Some(Arc::clone(&sent));
        self.ways.spawn(carry(self.office.clone(), self.live.clone(), (kept, extent), progress, sent));
    }

    fn show(&self) {
        for (number, shown) in self.shown.iter().enumerate() {
            self.meter.show(number, &shown.borrow(), self.sent[number].as_ref());
        }
    }

    /// Closes the microphones and waits a while for the rest to be sent; true if the server has everything.
    async fn close(
        &mut self,
        stop: &mut Stop,
        leftovers: &mut JoinSet<Outcome>,
        linger: Duration,
    ) -> anyhow::Result<bool> {
        self.stops.clear();
        let closing = async {
            while let Some(ended) = self.microphones.join_next().await {
                ended.context("a microphone failed")??;
            }
            anyhow::Ok(())
        };
        if let Ok(closed) = tokio::time::timeout(CLOSE_WITHIN, closing).await {
            closed?;
        }
        while let Ok(began) = self.began.try_recv() {
            self.begin(began);
        }
        let over = &mut self.over;
        let rest = async {
            while let Some(outcome) = self.ways.join_next().await {
                over.extend(outcome);
            }
            settle_all(leftovers).await;
        };
        let is_in_time = tokio::select! {
            () = rest => true,
            () = stop.wished() => false,
            () = tokio::time::sleep(linger) => false,
        };
        self.session.abort();
        self.meter.end();
        let mut whole = is_in_time;
        for mut outcome in std::mem::take(&mut self.over) {
            if matches!(outcome.result, Ok(false)) && self.is_tail(&outcome.kept) {
                outcome.result = Ok(true);
            }
            whole &= settle(&outcome);
        }
        Ok(whole)
    }

    /// Tells whether all that the server has not is what was heard after somebody ended the recording there.
    fn is_tail(&self, kept: &Kept) -> bool {
        let number = kept.stream.number;
        let stored = self.sent[number].as_ref().map_or(0, |sent| sent.stored.load(Ordering::Relaxed));
        let unsent = self.shown[number].borrow().recorded.saturating_sub(stored);
        unsent <= TAIL_SECONDS_MAX * u64::from(kept.stream.rate_hz)
    }
}
