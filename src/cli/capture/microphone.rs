//! One microphone, on a thread of its own: from the ring to the disk, whatever happens to the device, the disk or the line.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::device::{self, Ear};
use super::link::{Progress, Sent};
use super::spool::{Extent, Kept, RecordingFolder, Spool, Stream, Writer};
use crate::audio::health::{Advice, Health, Level, SILENCE_DBFS};
use crate::audio::timeline::{Delivery, Placement, Timeline};
use crate::clock::{Mono, UnixMs};

/// How often the ring is emptied.
const EMPTY_EVERY: Duration = Duration::from_millis(40);
/// How often a device that is not there is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A device that gives nothing for so long is opened anew. Source: a sound system may pause a device without a word.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// How often the disk is made to keep what it was given: what a loss of power may cost.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Unsent sound that is kept even when the disk is nearly full: it is on its way.
const UNDER_WAY_SECONDS: u64 = 120;
/// How often a disk that fills is told of.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How much of the disk sound may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of unsent sound, of one microphone.
    pub spool_bytes_max: u64,
    /// Bytes that stay free for others.
    pub free_bytes_min: u64,
}

/// What is known of a microphone at this moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The device is there.
    pub hears: bool,
    /// Its level.
    pub level: Level,
    /// What to do about it.
    pub advice: Option<Advice>,
    /// Half a minute was nothing but zeros.
    pub is_mute: bool,
    /// The disk is full: sound is lost.
    pub is_full: bool,
    /// Samples, from the beginning.
    pub recorded: u64,
    /// Samples per second; 0 before the device was there.
    pub rate_hz: u32,
    /// By how much its clock errs, in millionths.
    pub drift_ppm: i64,
    /// Holes so far.
    pub holes: usize,
}

/// A microphone that began to be kept.
#[derive(Debug)]
pub struct Began {
    /// Where.
    pub kept: Kept,
    /// What was there before.
    pub extent: Extent,
    /// What of it.
    pub progress: watch::Receiver<Progress>,
    /// To tell back how far it was sent.
    pub sent: Arc<Sent>,
}

/// What a microphone is to do.
pub struct Microphone {
    /// Its place among the microphones of the recording.
    pub number: usize,
    /// The device; none takes the one the system uses.
    pub device: Option<String>,
    /// What a run that died left of it, to go on with.
    pub before: Option<Kept>,
    /// Where its recording is kept.
    pub recording: RecordingFolder,
    /// How much may be kept.
    pub limits: Limits,
    /// Who is told once it begins.
    pub began: mpsc::Sender<Began>,
    /// Who is shown how it goes.
    pub shown: watch::Sender<Shown>,
}

impl Default for Shown {
    fn default() -> Self {
        let level = Level { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS };
        Self {
            hears: false,
            level,
            advice: None,
            is_mute: false,
            is_full: false,
            recorded: 0,
            rate_hz: 0,
            drift_ppm: 0,
            holes: 0,
        }
    }
}

impl Microphone {
    /// Hears until it is told to stop: until the other end of `stop` is gone.
    ///
    /// Errors: the folder cannot be made. Whatever comes later is told, and recording goes on.
    pub fn run(mut self, stop: &Receiver<()>) -> anyhow::Result<()> {
        let mut tape: Option<Tape> = None;
        let mut told = false;
        loop {
            // A recording has one rate, whatever device comes back.
            let kept = tape.as_ref().map(|tape| &tape.kept).or(self.before.as_ref());
            let rate_hz = kept.map(|kept| kept.stream.rate_hz);
            match device::open(self.device.as_deref(), rate_hz) {
                Ok(mut ear) => {
                    tracing::info!(stream = self.number, device = ear.name, rate_hz = ear.rate_hz, "hears");
                    let tape = match &mut tape {
                        Some(tape) => tape,
                        empty @ None => empty.insert(self.begin(&ear)?),
                    };
                    told = false;
                    if tape.hear(&mut ear, stop, &self.shown) == Ended::Stopped {
                        break;
                    }
                    tracing::warn!(stream = self.number, "the device is gone; waiting for it");
                }
                Err(error) if !told => {
                    told = true;
                    let error = format!("{error:#}");
                    tracing::warn!(stream = self.number, error, "no device to hear; waiting for it");
                }
                Err(_) => {}
            }
            if let Some(tape) = &mut tape {
                tape.be_away(&self.shown);
            }
            if stop.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        tape.map_or(Ok(()), Tape::finish)
    }

    fn begin(&mut self, ear: &Ear) -> anyhow::Result<Tape> {
        let (kept, extent, writer, lost) = match self.before.take() {
            Some(kept) => {
                let lost = kept.written_at()?.map_or(Duration::ZERO, |at| UnixMs::now().since(at));
                let (extent, writer) = kept.reopen()?;
                (kept, extent, writer, lost)
            }
            None => {
                let stream = Stream {
                    name: uuid::Uuid::new_v4().to_string(),
                    rate_hz: ear.rate_hz,
                    device: ear.name.clone(),
                    wanted: self.device.clone(),
                    number: self.number,
                };
                let (kept, writer) = Kept::begin(&self.recording, stream)?;
                (kept, Extent::default(), writer, Duration::ZERO)
            }
        };
        let sent = Arc::new(Sent::default());
        let progress = Progress { recorded: extent.until, holes: extent.holes.clone(), finished: false };
        let (told, progress) = watch::channel(progress);
        let began = Began { kept: kept.clone(), extent, progress, sent: Arc::clone(&sent) };
        // Nobody listens only when the program ends.
        self.began.blocking_send(began).ok();
        Ok(Tape::new((kept, writer), self.limits, (told, sent), lost))
    }
}

/// Why hearing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Stopped,
    Gone,
}

/// What is heard, on its way to the disk.
struct Tape {
    kept: Kept,
    writer: Writer,
    folder: PathBuf,
    limits: Limits,
    timeline: Timeline,
    health: Health,
    told: watch::Sender<Progress>,
    sent: Arc<Sent>,
    /// How long the recording must be; the disk may lag behind it when it is full.
    due: u64,
    hole_pending: bool,
    is_full: bool,
    is_paused: bool,
    advice: Option<Advice>,
    synced_at: Mono,
    warned_at: Option<Mono>,
    /// The last error of the disk that was told.
    trouble: Option<String>,
}

impl Tape {
    fn new(
        (kept, writer): (Kept, Writer),
        limits: Limits,
        (told, sent): (watch::Sender<Progress>, Arc<Sent>),
        lost: Duration,
    ) -> Self {
        let rate_hz = kept.stream.rate_hz;
        let lost = lost.as_millis() as u64 * u64::from(rate_hz) / 1000;
        Self {
            folder: kept.path().to_owned(),
            due: writer.recorded() + lost,
            hole_pending: writer.recorded() > 0,
            kept,
            writer,
            limits,
            timeline: Timeline::new(rate_hz),
            health: Health::new(rate_hz),
            told,
            sent,
            is_full: false,
            is_paused: false,
            advice: None,
            synced_at: Mono::now(),
            warned_at: None,
            trouble: None,
        }
    }

    /// Empties the ring until the device goes away or the end comes.
    fn hear(&mut self, ear: &mut Ear, stop: &Receiver<()>, shown: &watch::Sender<Shown>) -> Ended {
        let mut samples = Vec::new();
        let mut heard_at = Mono::now();
        loop {
            let ended = stop.recv_timeout(EMPTY_EVERY) != Err(RecvTimeoutError::Timeout);
            while let Some(delivery) = ear.next(&mut samples) {
                heard_at = delivery.at;
                self.take(delivery, &mut samples);
            }
            self.tell();
            self.look_after(shown, true);
            if ended {
                return Ended::Stopped;
            }
            if ear.is_gone() || Mono::now().since(heard_at) > SILENT_MAX {
                return Ended::Gone;
            }
        }
    }

    fn take(&mut self, delivery: Delivery, samples: &mut Vec<i16>) {
        if self.sent.paused.load(Ordering::Relaxed) {
            self.health.hear(samples);
            self.is_paused = true;
            return;
        }
        if std::mem::take(&mut self.is_paused) {
            // A pause takes no time of the recording, but its place is marked.
            self.timeline = Timeline::new(self.kept.stream.rate_hz);
            self.hole_pending = true;
        }
        let Placement { silence, hole, correction } = self.timeline.arrive(delivery);
        match correction {
            1 => samples.extend(samples.last().copied()),
            -1 => drop(samples.pop()),
            _ => {}
        }
        self.health.hear(samples);
        self.hole_pending |= hole;
        self.due += silence;
        if hole {
            let missing_ms = silence * 1000 / u64::from(self.kept.stream.rate_hz);
            tracing::warn!(stream = self.kept.stream.number, missing_ms, "the microphone had a hole");
        }
        self.write(samples);
    }

    /// Puts samples behind everything that is due; what the disk does not take becomes a hole.
    fn write(&mut self, samples: &[i16]) {
        let end = self.due + samples.len() as u64;
        let written = self.fill().and_then(|()| {
            if self.is_full || samples.is_empty() {
                return Ok(());
            }
            if self.hole_pending {
                self.writer.mark_hole()?;
                let at = self.writer.recorded();
                self.told.send_if_modified(|progress| {
                    progress.holes.push(at);
                    false
                });
                self.hole_pending = false;
            }
            self.writer.append(samples)
        });
        self.due = end;
        if self.writer.recorded() < end {
            self.hole_pending = true;
        }
        self.judge(written);
    }

    /// Puts silence where something is missing.
    fn fill(&mut self) -> anyhow::Result<()> {
        let missing = self.due.saturating_sub(self.writer.recorded());
        if missing > 0 { self.writer.append_silence(missing) } else { Ok(()) }
    }

    /// Lets silence stand for the time in which there is no device.
    fn be_away(&mut self, shown: &watch::Sender<Shown>) {
        if !self.is_paused {
            self.due += self.timeline.absent(Mono::now());
        }
        self.hole_pending = true;
        let filled = self.fill();
        self.judge(filled);
        self.tell();
        self.look_after(shown, false);
    }

    /// Tells an error of the disk once.
    fn judge(&mut self, result: anyhow::Result<()>) {
        match result {
            Ok(()) => self.trouble = None,
            Err(error) => {
                let text = format!("{error:#}");
                if self.trouble.as_ref() != Some(&text) {
                    tracing::error!(
                        stream = self.kept.stream.number,
                        error = text,
                        "the disk takes no sound"
                    );
                    self.trouble = Some(text);
                }
            }
        }
    }

    fn tell(&self) {
        let recorded = self.writer.recorded();
        self.told.send_if_modified(|progress| {
            let is_new = progress.recorded != recorded;
            progress.recorded = recorded;
            is_new
        });
    }

    /// Once a second: the disk keeps what it was given, its room is looked at, and people are shown how it goes.
    fn look_after(&mut self, shown: &watch::Sender<Shown>, hears: bool) {
        let now = Mono::now();
        if now.since(self.synced_at) >= SYNC_EVERY {
            self.synced_at = now;
            let synced = self.writer.sync();
            self.judge(synced);
            self.look_at_room(now);
        }
        if self.health.advice() != self.advice {
            self.advice = self.health.advice();
            let advice = self.advice.map_or("", Advice::word);
            tracing::info!(stream = self.kept.stream.number, advice, "the level changed");
        }
        shown.send_replace(Shown {
            hears,
            level: self.health.level(),
            advice: self.health.advice(),
            is_mute: self.health.is_mute(),
            is_full: self.is_full,
            recorded: self.writer.recorded(),
            rate_hz: self.kept.stream.rate_hz,
            drift_ppm: self.timeline.drift_ppm(),
            holes: self.told.borrow().holes.len(),
        });
    }

    fn look_at_room(&mut self, now: Mono) {
        let unsent = 2 * self.writer.recorded().saturating_sub(self.sent.stored.load(Ordering::Relaxed));
        let under_way = 2 * UNDER_WAY_SECONDS * u64::from(self.kept.stream.rate_hz);
        let free = Spool::free_bytes(&self.folder).unwrap_or(u64::MAX);
        let Limits { spool_bytes_max, free_bytes_min } = self.limits;
        let was_full = self.is_full;
        self.is_full = unsent > spool_bytes_max || (free < free_bytes_min && unsent > under_way);
        let is_near = unsent > spool_bytes_max / 5 * 4 || free < free_bytes_min.saturating_mul(2);
        let is_due = self.warned_at.is_none_or(|at| now.since(at) >= WARN_EVERY);
        if (self.is_full && !was_full) || (is_near && is_due) {
            self.warned_at = Some(now);
            let stream = self.kept.stream.number;
            if self.is_full {
                tracing::error!(
                    stream,
                    unsent_bytes = unsent,
                    free_bytes = free,
                    "no room: new sound is lost"
                );
            } else {
                tracing::warn!(stream, unsent_bytes = unsent, free_bytes = free, "room for sound runs out");
            }
        }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let filled = self.fill();
        self.judge(filled);
        let drift_ppm = self.timeline.drift_ppm();
        let holes = self.told.borrow().holes.len();
        let recorded = self.writer.finish()?;
        tracing::info!(stream = self.kept.stream.number, samples = recorded, holes, drift_ppm, "closed");
        self.told.send_modify(|progress| {
            progress.recorded = recorded;
            progress.finished = true;
        });
        Ok(())
    }
}

/// Makes the progress of a recording that nobody adds to any more.
pub fn left(extent: &Extent) -> watch::Receiver<Progress> {
    let progress = Progress { recorded: extent.until, holes: extent.holes.clone(), finished: true };
    watch::channel(progress).1
}
