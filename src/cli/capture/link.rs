//! Carries one microphone's sound to the server: [`Sender`] decides, this does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::OptionFuture;
use futures_util::{SinkExt as _, StreamExt};
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::office::{Office, Setback, Socket};
use super::spool::{Extent, Kept};
use crate::audio::frames::Frame;
use crate::audio::record::ServerSays;
use crate::audio::sender::{Input, Moment, Output, Sender};
use crate::clock::Mono;

/// How long the line may refuse to take one frame.
const SEND_WITHIN: Duration = Duration::from_secs(20);

/// The server's word for a meeting that somebody paused.
const PAUSED: &str = "paused";

/// What is recorded, as the recording side tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Samples, from the beginning.
    pub recorded: u64,
    /// First samples behind holes, in order.
    pub holes: Vec<u64>,
    /// There will be no more.
    pub finished: bool,
}

/// How far it went, for whoever shows it.
#[derive(Debug, Default)]
pub struct Sent {
    /// Samples on the server's disk.
    pub stored: AtomicU64,
    /// The server is there.
    pub connected: AtomicBool,
    /// Somebody paused the meeting: nothing is recorded.
    pub paused: AtomicBool,
}

/// Carries one microphone.
pub struct Link {
    office: Office,
    live: String,
    kept: Kept,
    sender: Sender,
    progress: watch::Receiver<Progress>,
    holes_seen: usize,
    sent: Arc<Sent>,
    socket: Option<Socket>,
    opening: Option<JoinHandle<Result<Socket, Setback>>>,
    /// The last setback that was told; the same is not told again.
    told: Option<String>,
    samples: Vec<i16>,
    bytes: Vec<u8>,
}

/// What wakes the link.
enum Event {
    Progress,
    Time,
    Opened(Box<Result<Socket, Setback>>),
    Heard(Option<Result<Message, Error>>),
}

impl Link {
    /// Prepares to carry what is kept of a microphone, and what is still to come.
    pub fn new(
        (office, live): (Office, String),
        (kept, extent): (Kept, &Extent),
        progress: watch::Receiver<Progress>,
        sent: Arc<Sent>,
    ) -> Self {
        let stream = &kept.stream;
        let sender = Sender::resume(stream.name.clone(), stream.rate_hz, extent.from, extent.until);
        sent.stored.store(extent.from, Ordering::Relaxed);
        Self {
            office,
            live,
            kept,
            sender,
            progress,
            holes_seen: 0,
            sent,
            socket: None,
            opening: None,
            told: None,
            samples: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Carries until the server has closed the recording; true if it has everything.
    ///
    /// Errors: what is kept on this machine cannot be read.
    pub async fn run(mut self) -> anyhow::Result<bool> {
        let mut over = self.look_at_progress().await?;
        while over.is_none() {
            over = match self.wait().await {
                Event::Progress => self.look_at_progress().await?,
                Event::Time => self.step(Input::Wake).await?,
                Event::Opened(result) => self.opened(*result).await?,
                Event::Heard(heard) => self.hear(heard).await?,
            };
        }
        self.close().await;
        Ok(over.unwrap_or(false))
    }

    async fn wait(&mut self) -> Event {
        let wake_in = self.sender.wake_in_ms(now_ms()).map(Duration::from_millis);
        let opening = OptionFuture::from(self.opening.as_mut());
        let heard = OptionFuture::from(self.socket.as_mut().map(StreamExt::next));
        tokio::select! {
            // The recording side may be gone; then nothing more comes from there.
            Ok(()) = self.progress.changed() => Event::Progress,
            Some(result) = opening => {
                let broken = |error: tokio::task::JoinError| Err(Setback::Away(error.into()));
                Event::Opened(Box::new(result.unwrap_or_else(broken)))
            }
            Some(heard) = heard => Event::Heard(heard),
            () = tokio::time::sleep(wake_in.unwrap_or(Duration::from_secs(3600))) => Event::Time,
        }
    }

    async fn look_at_progress(&mut self) -> anyhow::Result<Option<bool>> {
        let (holes, samples, finished) = {
            let progress = self.progress.borrow_and_update();
            let new = progress.holes.get(self.holes_seen..).unwrap_or_default().to_vec();
            (new, progress.recorded, progress.finished)
        };
        self.holes_seen += holes.len();
        for at in holes {
            self.step(Input::Hole { at }).await?;
        }
        let mut over = self.step(Input::Recorded { samples }).await?;
        if finished && over.is_none() {
            over = self.step(Input::Finish).await?;
        }
        Ok(over)
    }

    async fn opened(&mut self, result: Result<Socket, Setback>) -> anyhow::Result<Option<bool>> {
        self.opening = None;
        match result {
            Ok(socket) => {
                self.socket = Some(socket);
                self.told = None;
                self.step(Input::Opened).await
            }
            Err(setback) => {
                self.tell(&setback);
                let input = match setback {
                    Setback::Away(_) => Input::Closed,
                    Setback::Refused { .. } => Input::Refused,
                };
                self.step(input).await
            }
        }
    }

    async fn hear(&mut self, heard: Option<Result<Message, Error>>) -> anyhow::Result<Option<bool>> {
        match heard {
            Some(Ok(Message::Text(text))) => {
                let says = serde_json::from_str::<ServerSays>(&text).unwrap_or(ServerSays::Unknown);
                if let ServerSays::State { state } = &says {
                    self.sent.paused.store(state == PAUSED, Ordering::Relaxed);
                }
                self.step(Input::Heard { says }).await
            }
            // A ping is answered by the library; a server that sends sound is not ours.
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                Ok(None)
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                self.socket = None;
                self.tell(&Setback::Away(anyhow::anyhow!("接続が切れました")));
                self.step(Input::Closed).await
            }
        }
    }

    /// Takes one input and does what is to be done; returns how it ended, if it did.
    async fn step(&mut self, input: Input) -> anyhow::Result<Option<bool>> {
        let mut over = None;
        let mut input = Some(input);
        while let Some(next) = input.take() {
            let now = Moment { ms: now_ms(), luck: rand::random_range(0..1000) };
            for output in self.sender.step(now, next) {
                if let Output::Over { whole } = output {
                    over = Some(whole);
                } else if !self.obey(output).await? {
                    self.socket = None;
                    input = Some(Input::Closed);
                    break;
                }
            }
        }
        self.sent.connected.store(self.sender.is_connected(), Ordering::Relaxed);
        Ok(over)
    }

    /// Does what is to be done; false if the line broke.
    async fn obey(&mut self, output: Output) -> anyhow::Result<bool> {
        match output {
            Output::Connect => {
                let (office, live) = (self.office.clone(), self.live.clone());
                let number = self.kept.stream.number;
                self.opening = Some(tokio::spawn(async move { office.connect(&live, number).await }));
            }
            Output::Close => self.close().await,
            Output::Say { message } => {
                let text = serde_json::to_string(&message).context("a message is plain")?;
                return Ok(self.send(Message::text(text)).await);
            }
            Output::Send { number, first_sample, samples, hole_before } => {
                block_in_place(|| self.kept.read(first_sample, samples, &mut self.samples))
                    .with_context(|| format!("{} を読めません", self.kept.path().display()))?;
                let samples = std::mem::take(&mut self.samples);
                let frame = Frame { number, first_sample, hole_before, samples };
                frame.encode(&mut self.bytes);
                self.samples = frame.samples;
                let message = Message::binary(self.bytes.clone());
                return Ok(self.send(message).await);
            }
            Output::Forget { before } => {
                self.sent.stored.store(before, Ordering::Relaxed);
                block_in_place(|| self.kept.forget(before))
                    .with_context(|| format!("{} を消せません", self.kept.path().display()))?;
            }
            // Told to the caller of `step`.
            Output::Over { .. } => {}
        }
        Ok(true)
    }

    async fn send(&mut self, message: Message) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        matches!(tokio::time::timeout(SEND_WITHIN, socket.send(message)).await, Ok(Ok(())))
    }

    async fn close(&mut self) {
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
        if let Some(mut socket) = self.socket.take() {
            // Polite, but nothing depends on it.
            tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await.ok();
        }
    }

    fn tell(&mut self, setback: &Setback) {
        let (text, stream) = (setback.to_string(), self.kept.stream.number);
        if self.told.as_ref() == Some(&text) {
            return;
        }
        tracing::warn!(stream, error = text, "sound is kept here until the server takes it");
        self.told = Some(text);
    }
}

fn now_ms() -> u64 {
    Mono::now().since(Mono::from_ms(0)).as_millis() as u64
}
