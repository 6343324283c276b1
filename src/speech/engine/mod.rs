//! The recogniser in a child process: it may crash, hang or be killed, and its parent goes on.
//!
//! - **In**: windows, never blocking; at most [`Handle::capacity`] unanswered at a time for each who asks.
//! - **Out**: for each window exactly one answer, in any order; how the engine is.
//! - **Never**: drops a window silently, waits for a child that hangs, leaves a child behind.
//!
//! ```text
//! try_submit ─► [events] ─► supervisor thread ─► [frames] ─► writer thread ─► child stdin
//! receive   ◄─ [answers] ◄─        │  ▲
//!                                  │  └──────── [events] ◄── reader thread ◄── child stdout
//!                                  └─► process: spawn, kill
//! ```

pub mod child;
mod clients;
pub mod frame;
pub mod process;
pub mod supervise;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::clients::{Answer, Clients};
use self::frame::{Frame, Hello, PROTOCOL};
use self::process::{LastWords, Process};
use self::supervise::{Action, Supervisor};
pub use self::supervise::{Health, Patience};
use super::{Backend, Recognition, RecognizeError, Request};
use crate::clock::Mono;

/// Frames for the child besides windows: cancellations and a ping. One that finds no room is not sent; a window that is
/// not cancelled is answered.
const CANCELS_MAX: usize = 16;

/// Windows that may wait besides those being recognised: 8 × 28 s of f32 are 14 MB.
const WAITING_MAX: usize = 8;

/// Why a window has no recognition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Too many windows are unanswered: receive an answer, then submit again.
    #[error("the engine is busy")]
    Busy,
    /// The recogniser answered that it cannot: mark a gap, or try other effort.
    #[error(transparent)]
    Refused(#[from] RecognizeError),
    /// The window killed the child again and again: mark a gap, never submit it again.
    #[error("the recogniser died of this window: {cause}")]
    Poisoned {
        /// What the last death was.
        cause: String,
    },
    /// The engine cannot work, or was stopped: nothing submitted to it will be answered.
    #[error("the engine does not work: {cause}")]
    Over {
        /// Why.
        cause: String,
    },
}

/// What the engine is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The program that understands `engine`: usually this one.
    pub program: PathBuf,
    /// More arguments for it.
    pub arguments: Vec<String>,
    /// Path of the ggml file.
    pub model: PathBuf,
    /// What its bytes must hash to, lower-case hexadecimal.
    pub sha256: String,
    /// Which recogniser to use.
    pub backend: Backend,
    /// Threads that compute.
    pub threads: u16,
    /// How long things may take.
    pub patience: Patience,
}

enum Event {
    Join { client: u64, outbox: SyncSender<Answer> },
    Leave { client: u64 },
    Submit { client: u64, id: u64, request: Request },
    Cancel { client: u64, id: u64 },
    Said { child: u64, frame: Frame },
    Died { child: u64, cause: String },
    Stop,
}

/// A running engine, as one of those who use it sees it.
#[derive(Debug)]
pub struct Handle {
    engine: Arc<Engine>,
    client: u64,
    answers: Receiver<Answer>,
    unanswered: usize,
}

/// What everybody who uses one engine shares; it ends with the last of them.
#[derive(Debug)]
struct Engine {
    events: SyncSender<Event>,
    capacity: usize,
    clients: AtomicU64,
    status: Arc<Mutex<Status>>,
    supervisor: Option<JoinHandle<()>>,
}

/// What others may see of the engine.
#[derive(Debug)]
struct Status {
    health: Health,
    process: Option<u32>,
}

impl Handle {
    /// Starts the child; windows may be submitted at once and wait until the model is loaded.
    pub fn start(settings: EngineSettings, clock: fn() -> Mono) -> Self {
        let hello = hello(&settings);
        let capacity = hello.windows_max() + WAITING_MAX;
        // Frames of a child are at most its answers, its ready and a pong; the rest is room to breathe.
        let (events, inbox) = sync_channel(2 * capacity + 8);
        let status = Arc::new(Mutex::new(Status { health: Health::Starting, process: None }));
        let keeper = Keeper {
            settings,
            hello,
            clock,
            events: events.clone(),
            clients: Clients::default(),
            status: Arc::clone(&status),
            child: None,
            children: 0,
        };
        let supervisor = Some(spawn(move || keeper.run(&inbox)));
        let clients = AtomicU64::new(0);
        Self::join(Arc::new(Engine { events, capacity, clients, status, supervisor }))
    }

    /// Returns another handle of the same engine, with windows and answers of its own: the weights are held once,
    /// and whoever is more urgent goes first.
    pub fn share(&self) -> Self {
        Self::join(Arc::clone(&self.engine))
    }

    fn join(engine: Arc<Engine>) -> Self {
        let client = engine.clients.fetch_add(1, Ordering::Relaxed);
        let (outbox, answers) = sync_channel(engine.capacity);
        // Without a supervisor nothing is answered any more, and `health` says so.
        let _ = engine.events.send(Event::Join { client, outbox });
        Self { engine, client, answers, unanswered: 0 }
    }

    /// Returns how many windows may be unanswered at once.
    pub fn capacity(&self) -> usize {
        self.engine.capacity
    }

    /// Returns how many windows are unanswered.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Submits a window; never blocks.
    ///
    /// Errors: [`EngineError::Busy`] at the limit, [`EngineError::Over`] when nothing will answer any more; the
    /// request comes back with them.
    pub fn try_submit(&mut self, id: u64, request: Request) -> Result<(), (EngineError, Request)> {
        if self.unanswered >= self.engine.capacity {
            return Err((EngineError::Busy, request));
        }
        match self.engine.events.send(Event::Submit { client: self.client, id, request }) {
            Ok(()) => {
                self.unanswered += 1;
                Ok(())
            }
            Err(refused) => match refused.0 {
                Event::Submit { request, .. } => Err((over("its supervisor is gone"), request)),
                Event::Join { .. }
                | Event::Leave { .. }
                | Event::Cancel { .. }
                | Event::Said { .. }
                | Event::Died { .. }
                | Event::Stop => unreachable!("a submission was sent"),
            },
        }
    }

    /// Says that nobody wants this window any more; it is answered all the same, at once or when it is done.
    pub fn cancel(&self, id: u64) {
        // Without a supervisor nothing is answered any more, and `health` says so.
        let _ = self.engine.events.send(Event::Cancel { client: self.client, id });
    }

    /// Waits for the next answer, at most `patience`; `None` if there was none.
    pub fn receive(&mut self, patience: Duration) -> Option<(u64, Result<Recognition, EngineError>)> {
        let answer = self.answers.recv_timeout(patience).ok()?;
        self.unanswered -= 1;
        Some(answer)
    }

    /// Tells how the engine is.
    pub fn health(&self) -> Health {
        self.engine.status.lock().unwrap_or_else(PoisonError::into_inner).health.clone()
    }

    /// Returns the process number of the present child, if there is one.
    pub fn process_id(&self) -> Option<u32> {
        self.engine.status.lock().unwrap_or_else(PoisonError::into_inner).process
    }
}

impl Drop for Handle {
    /// Cancels what is unanswered; the last handle takes the engine with it.
    fn drop(&mut self) {
        let _ = self.engine.events.send(Event::Leave { client: self.client });
    }
}

impl Drop for Engine {
    /// Kills the child; what is unanswered stays unanswered.
    fn drop(&mut self) {
        // If the supervisor is gone its child is too: it kills the child when it ends.
        let _ = self.events.send(Event::Stop);
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

fn hello(settings: &EngineSettings) -> Hello {
    Hello {
        protocol: PROTOCOL,
        model: settings.model.clone(),
        sha256: settings.sha256.clone(),
        backend: settings.backend,
        threads: settings.threads,
    }
}

fn over(cause: &str) -> EngineError {
    EngineError::Over { cause: cause.to_owned() }
}

/// The supervisor thread: carries out what [`Supervisor`] decides.
struct Keeper {
    settings: EngineSettings,
    hello: Hello,
    clock: fn() -> Mono,
    events: SyncSender<Event>,
    clients: Clients,
    status: Arc<Mutex<Status>>,
    child: Option<Living>,
    children: u64,
}

struct Living {
    process: Process,
    frames: SyncSender<Frame>,
}

impl Keeper {
    fn run(mut self, inbox: &Receiver<Event>) {
        let (mut supervisor, actions) =
            Supervisor::start(self.hello.clone(), self.settings.patience, (self.clock)());
        self.carry_out(&mut supervisor, actions);
        loop {
            let now = (self.clock)();
            let wait = supervisor.next_due().map_or(Duration::from_secs(3600), |due| due.since(now));
            let actions = match inbox.recv_timeout(wait) {
                Ok(Event::Join { client, outbox }) => {
                    self.clients.join(client, outbox);
                    Vec::new()
                }
                Ok(Event::Leave { client }) => {
                    let unwanted = self.clients.leave(client);
                    unwanted.into_iter().flat_map(|ticket| supervisor.cancel(ticket)).collect()
                }
                Ok(Event::Submit { client, id, request }) => {
                    let ticket = self.clients.take(client, id);
                    supervisor.submit((self.clock)(), ticket, request)
                }
                Ok(Event::Cancel { client, id }) => {
                    let ticket = self.clients.ticket(client, id);
                    ticket.map_or_else(Vec::new, |ticket| supervisor.cancel(ticket))
                }
                Ok(Event::Said { child, frame }) if child == self.children => {
                    supervisor.hear((self.clock)(), frame)
                }
                Ok(Event::Died { child, cause }) if child == self.children => {
                    self.bury();
                    supervisor.child_died((self.clock)(), &cause)
                }
                // A word from a child that was killed meanwhile.
                Ok(Event::Said { .. } | Event::Died { .. }) => Vec::new(),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return self.bury(),
                Err(RecvTimeoutError::Timeout) => supervisor.tick((self.clock)()),
            };
            self.carry_out(&mut supervisor, actions);
        }
    }

    fn carry_out(&mut self, supervisor: &mut Supervisor, actions: Vec<Action>) {
        // Whoever gets an answer may ask next how the engine is.
        self.publish(supervisor);
        let mut failed = None;
        for action in actions {
            match action {
                Action::Spawn => failed = self.spawn_child().err().map(|error| error.to_string()),
                Action::Send(frame) => self.send(frame),
                Action::Kill => self.bury(),
                Action::Reply(ticket, answer) => self.clients.answer(ticket, answer),
            }
        }
        self.publish(supervisor);
        if let Some(cause) = failed {
            let actions = supervisor.child_died((self.clock)(), &cause);
            self.carry_out(supervisor, actions);
        }
    }

    fn publish(&self, supervisor: &Supervisor) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.health = supervisor.health();
        status.process = self.child.as_ref().map(|living| living.process.id());
    }

    fn spawn_child(&mut self) -> std::io::Result<()> {
        self.bury();
        let (process, pipes) = Process::start(&self.settings.program, &self.settings.arguments)?;
        let (frames, to_write) = sync_channel(self.hello.windows_max() + CANCELS_MAX);
        let (child, events) = (self.children, self.events.clone());
        spawn(move || write_frames(pipes.input, &to_write));
        spawn(move || read_frames(pipes.output, pipes.messages, child, &events));
        self.child = Some(Living { process, frames });
        Ok(())
    }

    /// Hands a frame to the writer; a child that does not read is found out by its deadlines.
    fn send(&self, frame: Frame) {
        if let Some(living) = &self.child {
            let _ = living.frames.try_send(frame);
        }
    }

    /// Ends the present child, if any; whatever it still says is of the past.
    fn bury(&mut self) {
        self.children += 1;
        self.child = None;
    }
}

fn write_frames(mut input: impl std::io::Write, frames: &Receiver<Frame>) {
    while let Ok(frame) = frames.recv() {
        if frame::write(&mut input, &frame).is_err() {
            return;
        }
    }
}

fn read_frames(mut output: impl std::io::Read, messages: LastWords, child: u64, events: &SyncSender<Event>) {
    let words = spawn(move || messages.collect());
    let cause = loop {
        match frame::read(&mut output) {
            Ok(Some(frame)) => {
                if events.send(Event::Said { child, frame }).is_err() {
                    return;
                }
            }
            Ok(None) => break cause_of_death(&words.join().unwrap_or_default()),
            // It lives and talks nonsense: nobody waits for its last words.
            Err(error) => break error.to_string(),
        }
    };
    // Without a supervisor nobody wants to know.
    let _ = events.send(Event::Died { child, cause });
}

fn cause_of_death(words: &str) -> String {
    match words.lines().next_back() {
        Some(last) => format!("the recogniser's process ended: {last}"),
        None => "the recogniser's process ended".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "threads of the core live in the engine")]
fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(work)
}
