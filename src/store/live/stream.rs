//! One microphone of a live meeting: its journal, who writes it, and how far it is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

use super::drift::Drift;
use super::journal::{Journal, Reader};
use super::several::Heard;
use crate::audio::frames::Frame;
use crate::clock::UnixMs;
use crate::store::{Id, StoreError};

/// How long the connection before may take to let go of the pen.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a stream is, for as long as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name inside the product.
    pub id: Id,
    /// Its number in the meeting, from 0.
    pub number: u32,
    /// The microphone, as it names itself.
    pub microphone: Id,
    /// Samples per second.
    pub rate_hz: u32,
    /// The place of its first sample in what the microphone recorded.
    pub first_sample: u64,
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The place behind the last sample that can be read.
    pub written: u64,
    /// The place behind the last sample that survives a power cut.
    pub durable: u64,
    /// Where the recording ends, once the microphone has said it.
    pub end: Option<u64>,
    /// When its first sample was heard, as well as that is known: never later than any frame allows.
    pub began_at: Option<UnixMs>,
    /// The same since the last pause, in which no time passes for the recording.
    anchor: Option<UnixMs>,
    /// How long it was when it was paused, with what was still on its way, in milliseconds.
    reach_ms: u64,
    /// Whether its beginning is settled: a pause was made.
    settled: bool,
    /// Whether a microphone is connected.
    pub connected: bool,
    /// Whether all that was said into it has been told as captions.
    pub is_told: bool,
}

/// One microphone of a live meeting.
#[derive(Debug)]
pub struct Stream {
    /// What it is.
    pub origin: Origin,
    path: PathBuf,
    pen: Arc<tokio::sync::Mutex<Option<Journal>>>,
    /// Tells whoever writes that somebody else wants to go on.
    wish: Mutex<CancellationToken>,
    progress: watch::Sender<Progress>,
    /// How its clock runs against the server's, since the server's start.
    drift: Mutex<Drift>,
}

/// The right to write a stream, until it is dropped.
pub struct Pen {
    stream: Arc<Stream>,
    journal: OwnedMutexGuard<Option<Journal>>,
    wish: CancellationToken,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in the journal.
    Kept,
    /// Every sample of it was there before.
    Known,
    /// Sound before it is missing: it is to be sent from this place on.
    Missing {
        /// The place.
        from: u64,
    },
}

impl Stream {
    /// Makes a stream whose journal is at `path`.
    pub(super) fn new(origin: Origin, path: PathBuf, end: Option<u64>, began_at: Option<UnixMs>) -> Self {
        let start = origin.first_sample;
        let progress = Progress { written: start, durable: start, end, began_at, ..Progress::default() };
        Self {
            origin,
            path,
            pen: Arc::default(),
            wish: Mutex::default(),
            progress: watch::Sender::new(progress),
            drift: Mutex::default(),
        }
    }

    /// Returns where its journal is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how far it is.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Returns where it is told how far it is.
    pub fn follow(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Opens the journal to read it from its beginning.
    ///
    /// Errors: [`StoreError::Io`] as long as nothing was written.
    pub fn read(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// Returns when it heard what it has heard so far; nothing if that is nothing.
    pub(super) fn heard_when(&self) -> Option<Heard> {
        let Progress { written, began_at, .. } = self.progress();
        Heard::of(&self.origin, written, began_at)
    }

    /// Returns how long it is so far, in milliseconds.
    pub fn length_ms(&self) -> u64 {
        self.ms(self.progress().written)
    }

    /// Returns how long after its first sample a place is, in milliseconds.
    pub fn ms(&self, place: u64) -> u64 {
        let samples = place.saturating_sub(self.origin.first_sample);
        samples.saturating_mul(1_000) / u64::from(self.origin.rate_hz.max(1))
    }

    /// Returns how long after its first sample a moment is: also one whose sound is still on its way.
    pub fn ms_at(&self, now: UnixMs) -> u64 {
        let progress = self.progress();
        let reach_ms = progress.anchor.map_or(progress.reach_ms, |anchor| {
            u64::try_from(now.since(anchor).as_millis()).unwrap_or(u64::MAX)
        });
        reach_ms.max(self.length_ms())
    }

    /// Returns by how much its clock errs, as far as that can be told.
    ///
    /// Units: millionths, positive when it is slow.
    pub(super) fn drift_ppm(&self) -> Option<i64> {
        self.drift().ppm()
    }

    fn drift(&self) -> MutexGuard<'_, Drift> {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that no time passes for the recording until the next sound comes.
    pub(super) fn rest(&self, now: UnixMs) {
        self.drift().rest();
        let reach_ms = self.ms_at(now);
        self.progress.send_modify(|progress| {
            progress.reach_ms = reach_ms;
            progress.anchor = None;
            progress.settled = progress.began_at.is_some();
        });
    }

    /// Says that the recording ends now: what was heard until now and is still on its way belongs to it.
    pub(super) fn stop(&self, now: UnixMs) {
        if self.progress().end.is_some() {
            // The microphone has said it.
            return self.rest(now);
        }
        let samples = self.ms_at(now).saturating_mul(u64::from(self.origin.rate_hz)) / 1_000;
        let end = (self.origin.first_sample + samples).max(self.progress().written);
        self.rest(now);
        self.set_end(end);
    }

    /// Reads how much is there, before anybody writes.
    pub(super) async fn look(self: &Arc<Self>) -> Result<(), StoreError> {
        if std::path::Path::new(&self.path).exists() {
            self.take_pen().await.map(drop)?;
        }
        Ok(())
    }

    /// Takes the right to write over from whoever has it: a connection that broke without a word is noticed in no other
    /// way, its client comes again.
    ///
    /// Errors: [`StoreError::Busy`] if it does not let go in time; what [`Journal::open`] says.
    pub async fn take_pen(self: &Arc<Self>) -> Result<Pen, StoreError> {
        self.wish().cancel();
        let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&self.pen).lock_owned()).await;
        let mut journal = waiting.map_err(|_| StoreError::Busy { path: self.path.clone() })?;
        let wish = CancellationToken::new();
        *self.wish() = wish.clone();
        if journal.is_none() {
            let Origin { rate_hz, first_sample, .. } = self.origin;
            let opened = Journal::open(&self.path, rate_hz, first_sample).await?;
            self.progress.send_modify(|progress| {
                (progress.written, progress.durable) = (opened.end(), opened.durable());
            });
            *journal = Some(opened);
        }
        Ok(Pen { stream: Arc::clone(self), journal, wish })
    }

    /// Says whether a microphone is connected.
    pub fn connected(&self, connected: bool) {
        self.progress.send_modify(|progress| progress.connected = connected);
    }

    /// Says that all that was said into it has been told as captions.
    pub fn is_told(&self) {
        self.progress.send_modify(|progress| progress.is_told = true);
    }

    /// Says where the recording ends.
    pub(super) fn set_end(&self, end: u64) {
        self.progress.send_modify(|progress| progress.end = Some(end));
    }

    fn wish(&self) -> MutexGuard<'_, CancellationToken> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from a frame that came at `now` when the recording began: sound never comes before it was heard.
    fn heard(&self, frame: &Frame, now: UnixMs) {
        let end_ms = self.ms(frame.end());
        self.drift().hear(end_ms, now);
        let began = now.minus(Duration::from_millis(end_ms));
        self.progress.send_modify(|progress| {
            progress.written = frame.end();
            progress.anchor = Some(progress.anchor.map_or(began, |anchor| anchor.min(began)));
            if !progress.settled {
                progress.began_at = Some(progress.began_at.map_or(began, |known| known.min(began)));
            }
        });
    }
}

impl Pen {
    /// Ends when somebody else wants to go on with the stream.
    pub async fn wanted(&self) {
        self.wish.cancelled().await;
    }

    /// Returns the place behind the last sample that can be read.
    pub fn written(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::end)
    }

    /// Returns the place behind the last sample that survives a power cut.
    pub fn durable(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::durable)
    }

    /// Writes what is new of a frame that came at `now`.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`]; what was written before is still there.
    pub async fn take(&mut self, frame: Frame, now: UnixMs) -> Result<Taken, StoreError> {
        let written = self.written();
        if frame.end() <= written {
            return Ok(Taken::Known);
        }
        if frame.first_sample > written {
            return Ok(Taken::Missing { from: written });
        }
        let frame = behind(frame, written);
        let Some(journal) = self.journal.as_mut() else { return Ok(Taken::Missing { from: written }) };
        journal.append(&frame).await?;
        self.stream.heard(&frame, now);
        Ok(Taken::Kept)
    }

    /// Brings everything written onto the disk, and returns the place behind it.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`]; what was durable before still is.
    pub async fn sync(&mut self) -> Result<u64, StoreError> {
        let Some(journal) = self.journal.as_mut() else { return Ok(0) };
        journal.sync().await?;
        let durable = journal.durable();
        self.stream.progress.send_if_modified(|progress| {
            let is_news = progress.durable != durable;
            progress.durable = durable;
            is_news
        });
        Ok(durable)
    }
}

/// Cuts off what stands before a place.
fn behind(frame: Frame, place: u64) -> Frame {
    let known = usize::try_from(place.saturating_sub(frame.first_sample)).unwrap_or(usize::MAX);
    if known == 0 {
        return frame;
    }
    let samples = frame.samples.get(known..).unwrap_or_default().to_vec();
    Frame { first_sample: place, hole_before: false, samples, ..frame }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(folder: &Path) -> Arc<Stream> {
        let (id, microphone) = (Id::new(), Id::new());
        let origin = Origin { id, number: 0, microphone, rate_hz: 1_000, first_sample: 0 };
        Arc::new(Stream::new(origin, folder.join("journal"), None, None))
    }

    fn frame(first_sample: u64, samples: Vec<i16>) -> Frame {
        Frame { number: 0, first_sample, hole_before: false, samples }
    }

    fn at(ms: i64) -> UnixMs {
        UnixMs::from_ms(1_000_000 + ms)
    }

    fn samples_of(stream: &Stream) -> Vec<i16> {
        let mut reader = stream.read().expect("it is a journal");
        let mut all = Vec::new();
        while let Some(frame) = reader.next_frame().expect("it can be read") {
            all.extend(frame.samples);
        }
        all
    }

    #[tokio::test]
    async fn duplicates_are_dropped_overlaps_are_cut_and_gaps_are_asked_for() {
        let folder = tempfile::tempdir().expect("there is room");
        let stream = stream(folder.path());
        let mut pen = stream.take_pen().await.expect("it is free");
        let story = [
            (frame(0, vec![0, 1, 2]), Taken::Kept),
            (frame(0, vec![0, 1, 2]), Taken::Known),
            (frame(4, vec![4]), Taken::Missing { from: 3 }),
            (frame(1, vec![1, 2, 3, 4]), Taken::Kept),
            (frame(5, vec![5]), Taken::Kept),
        ];
        for (frame, expected) in story {
            assert_eq!(pen.take(frame, at(9)).await.expect("there is room"), expected);
        }
        assert_eq!((pen.durable(), pen.sync().await.expect("there is room")), (0, 6));
        assert_eq!(samples_of(&stream), [0, 1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn who_comes_again_takes_the_pen_from_the_connection_that_broke() {
        let folder = tempfile::tempdir().expect("there is room");
        let stream = stream(folder.path());
        let mut first = stream.take_pen().await.expect("it is free");
        first.take(frame(0, vec![1; 10]), at(10)).await.expect("there is room");
        let again = tokio::spawn({
            let stream = Arc::clone(&stream);
            async move { stream.take_pen().await }
        });
        first.wanted().await;
        drop(first);
        let second = again.await.expect("it does not panic").expect("the first let go");
        assert_eq!(second.written(), 10);
    }

    #[tokio::test]
    async fn a_moment_has_its_place_in_the_recording_although_its_sound_is_late() {
        let folder = tempfile::tempdir().expect("there is room");
        let stream = stream(folder.path());
        let mut pen = stream.take_pen().await.expect("it is free");
        // A second of sound that came two seconds late, then one that came at once.
        pen.take(frame(0, vec![0; 1_000]), at(3_000)).await.expect("there is room");
        pen.take(frame(1_000, vec![0; 1_000]), at(3_500)).await.expect("there is room");
        pen.take(frame(2_000, vec![0; 1_000]), at(3_500)).await.expect("there is room");
        assert_eq!(stream.progress().began_at, Some(at(500)));
        assert_eq!((stream.ms_at(at(4_500)), stream.length_ms()), (4_000, 3_000));
        // In a pause of a minute the recording does not go on.
        stream.rest(at(3_500));
        assert_eq!(stream.ms_at(at(60_000)), 3_000);
        pen.take(frame(3_000, vec![0; 1_000]), at(64_500)).await.expect("there is room");
        assert_eq!((stream.ms_at(at(65_000)), stream.progress().began_at), (4_500, Some(at(500))));
        // What was heard before the end belongs to it, although it is not here yet.
        stream.stop(at(65_500));
        assert_eq!(stream.progress().end, Some(5_000));
    }
}
