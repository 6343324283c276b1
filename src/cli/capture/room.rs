//! The microphones of one recording, and their ways to the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::link::{Link, Progress, Sent};
use super::meter::Meter;
use super::microphone::{Began, Limits, Microphone, Shown};
use super::office::{Office, Setback};
use super::spool::{Extent, Kept, Recording, RecordingFolder};
use super::{Begun, Stop};

/// How often the terminal is written.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// Pauses between tries to begin the session.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The pause after a refusal: somebody has to do something first.
const REFUSED: Duration = Duration::from_secs(60);
/// How long a sound system may take to let a device go.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// What was heard after somebody ended the recording at the server belongs to no meeting.
const TAIL_SECONDS_MAX: u64 = 10;

/// How the way of one microphone ended.
pub struct Outcome {
    /// What is here.
    pub kept: Kept,
    /// True if the server has everything.
    pub result: anyhow::Result<bool>,
}

/// Waits for every way to end, and tells how many brought everything to the server.
pub async fn settle_all(ways: &mut JoinSet<Outcome>) -> usize {
    let mut whole = 0;
    while let Some(outcome) = ways.join_next().await {
        whole += usize::from(outcome.is_ok_and(|outcome| settle(&outcome)));
    }
    whole
}

/// Deletes what the server has, and sets aside what it does not take; true if nothing is left to send.
pub fn settle(Outcome { kept, result }: &Outcome) -> bool {
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
pub async fn carry(
    office: Office,
    mut live: watch::Receiver<Option<String>>,
    (kept, extent): (Kept, Extent),
    progress: watch::Receiver<Progress>,
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
pub async fn begin_session(
    office: Office,
    folder: RecordingFolder,
    mut recording: Recording,
    live: watch::Sender<Option<String>>,
) {
    let (mut pause, mut told) = (TRY_AGAIN.0, None);
    while recording.live.is_none() {
        let setback = match office.begin(&recording, folder.name()).await {
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
pub struct Room {
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
    /// Opens the devices, and begins the session.
    pub fn open(
        office: &Office,
        Begun { folder, recording, mut streams }: Begun,
        devices: Vec<Option<String>>,
        limits: Limits,
    ) -> Self {
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
    pub async fn watch(&mut self, stop: &mut Stop, leftovers: &mut JoinSet<Outcome>) -> anyhow::Result<()> {
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
    pub async fn close(
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
