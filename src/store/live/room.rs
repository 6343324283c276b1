//! A live meeting in memory: its microphones, its captions, and who listens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::event::{Event, Line, Phase, Recognition, Snapshot, Status};
use super::history::History;
use super::several::is_one_a_person;
use super::stream::Stream;
use crate::clock::UnixMs;
use crate::store::Id;

/// What is wished for the captions of a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CaptionWish {
    /// 保存しない: the text of captions is in memory only, and gone with the meeting.
    pub no_store: bool,
    /// Whether who has the link may look without an account.
    pub link: bool,
    /// Seconds by which screens hold captions back, 0 or 3, so that helpers can correct them before.
    pub delay_s: u32,
}

/// What a live meeting is, for as long as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its name inside the product.
    pub id: Id,
    /// The meeting that is recorded.
    pub meeting: Id,
    /// Who began it: the seat is theirs.
    pub user: Id,
    /// The name of the room; empty if none was said.
    pub room: String,
    /// What is wished for its captions.
    pub wish: CaptionWish,
    /// When it was begun.
    pub began_at: UnixMs,
    /// Whether it is a program's stream of sound and no meeting: nothing of it is kept.
    pub is_door: bool,
}

#[derive(Debug)]
struct Changing {
    phase: Phase,
    ended_at: Option<UnixMs>,
    /// When the last microphone said something.
    heard_at: UnixMs,
    /// Whether it was known before this start of the server, and nobody has waited for its microphones since.
    is_old: bool,
    /// Where microphones that were not waited for were to end.
    cut_short: BTreeMap<Id, u64>,
    code: Option<String>,
    /// Counts how often the words to listen for have changed.
    words: u64,
    streams: BTreeMap<Id, Arc<Stream>>,
    /// Event numbers below this one are reserved.
    numbers_until: u64,
}

/// A live meeting.
#[derive(Debug)]
pub struct Room {
    /// What it is.
    pub kind: Kind,
    changing: Mutex<Changing>,
    history: Mutex<History>,
    /// The number of the next sentence.
    next_line: AtomicU64,
    latest: watch::Sender<u64>,
}

impl Room {
    pub(super) fn new(kind: Kind, phase: Phase, code: Option<String>, history: History, until: u64) -> Self {
        let latest = watch::Sender::new(history.next() - 1);
        let changing = Changing {
            phase,
            ended_at: None,
            heard_at: kind.began_at,
            is_old: false,
            cut_short: BTreeMap::new(),
            code,
            words: 0,
            streams: BTreeMap::new(),
            numbers_until: until,
        };
        let next_line = AtomicU64::new(history.next_line());
        Self { kind, changing: Mutex::new(changing), history: Mutex::new(history), next_line, latest }
    }

    /// Returns where it stands.
    pub fn phase(&self) -> Phase {
        self.changing().phase
    }

    /// Returns when it was ended.
    pub fn ended_at(&self) -> Option<UnixMs> {
        self.changing().ended_at
    }

    /// Returns when a microphone last said something.
    pub fn heard_at(&self) -> UnixMs {
        self.changing().heard_at
    }

    /// Says that a microphone said something.
    pub fn hears(&self, now: UnixMs) {
        self.changing().heard_at = now;
    }

    /// Says that its microphones are waited for: after a new start of the server none has had the time to come back.
    pub(super) fn waits(&self, now: UnixMs) {
        let mut changing = self.changing();
        if std::mem::take(&mut changing.is_old) {
            changing.heard_at = now;
        }
    }

    /// Says that a microphone was not waited for up to where it was to end.
    pub(super) fn is_cut_short(&self, microphone: Id, end: u64) {
        self.changing().cut_short.insert(microphone, end);
    }

    /// Returns where a microphone that was not waited for was to end: later sound is not wanted from it either.
    pub(super) fn end_of(&self, microphone: Id) -> Option<u64> {
        self.changing().cut_short.get(&microphone).copied()
    }

    /// Tells whether sound of the meeting may still lie at a microphone.
    pub(super) fn lacks_sound(&self) -> bool {
        !self.changing().cut_short.is_empty()
    }

    /// Returns the secret part of the caption link, if there is one.
    pub fn code(&self) -> Option<String> {
        self.changing().code.clone()
    }

    /// Returns how often the words to listen for have changed.
    pub fn words(&self) -> u64 {
        self.changing().words
    }

    /// Says that other words are to be listened for from now on.
    pub fn new_words(&self) {
        self.changing().words += 1;
    }

    /// Returns its microphones, by their numbers.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        let mut streams: Vec<_> = self.changing().streams.values().cloned().collect();
        streams.sort_by_key(|stream| (stream.origin.number, stream.origin.id));
        streams
    }

    /// Tells whether there is one microphone a person, as far as that can be told now.
    pub fn is_one_a_person(&self) -> bool {
        is_one_a_person(&self.streams().iter().filter_map(|stream| stream.heard_when()).collect::<Vec<_>>())
    }

    /// Returns how long the recording is at a moment, in milliseconds; also if its sound is still on its way.
    pub fn ms_at(&self, now: UnixMs) -> u64 {
        let streams = self.streams();
        let base = base(&streams);
        let places = streams.iter().map(|stream| offset_ms(stream, base) + stream.ms_at(now));
        places.max().unwrap_or(0)
    }

    /// Returns how long after the recording began a microphone was switched on, in milliseconds.
    pub fn offset_ms(&self, stream: &Stream) -> u64 {
        offset_ms(stream, base(&self.streams()))
    }

    /// Tells everybody what happened.
    pub fn tell(&self, event: Event) -> u64 {
        let seq = self.history().tell(event);
        self.latest.send_replace(seq);
        seq
    }

    /// Says how captions are; told only if it is news. The phase is known here.
    pub fn is_recognised(&self, recognition: Recognition, lag_ms: u64, level: &str) {
        let phase = self.phase();
        let recognition = if phase == Phase::Recording { recognition } else { Recognition::Resting };
        let status = Status { lag_ms, level: level.to_owned(), ..Status::new(phase, recognition) };
        if *self.history().status() != status {
            self.tell(Event::State(status));
        }
    }

    /// Returns what was told behind the event `after`, or everything at once.
    pub fn since(&self, after: Option<u64>) -> Vec<(u64, Arc<str>)> {
        self.history().since(after)
    }

    /// Returns where the number of the newest event is told.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Returns how many listen to its captions.
    pub fn listeners(&self) -> usize {
        self.latest.receiver_count()
    }

    /// Returns everything at once.
    pub fn snapshot(&self) -> Snapshot {
        self.history().snapshot()
    }

    /// Returns how it is.
    pub fn status(&self) -> Status {
        self.history().status().clone()
    }

    /// Returns sentences before a line, the newest first.
    pub fn lines_before(&self, before: u64, most: usize) -> Vec<Line> {
        self.history().lines_before(before, most)
    }

    /// Returns a sentence.
    pub fn line(&self, line: u64) -> Option<Line> {
        self.history().line(line).cloned()
    }

    /// Returns the last sentence of a microphone.
    pub fn last_line(&self, stream: u32) -> Option<Line> {
        self.history().last_line(stream).cloned()
    }

    /// Gives away the number of a sentence.
    pub fn new_line(&self) -> u64 {
        self.next_line.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn set_phase(&self, phase: Phase, now: UnixMs) {
        let streams = {
            let mut changing = self.changing();
            changing.phase = phase;
            if phase == Phase::Ended {
                (changing.ended_at, changing.heard_at) = (Some(now), now);
            }
            changing.streams.values().cloned().collect::<Vec<_>>()
        };
        match phase {
            Phase::Recording | Phase::Sealed => {}
            Phase::Paused => streams.iter().for_each(|stream| stream.rest(now)),
            Phase::Ended => streams.iter().for_each(|stream| stream.stop(now)),
        }
        let recognition =
            if phase == Phase::Recording { Recognition::Starting } else { Recognition::Resting };
        self.tell(Event::State(Status::new(phase, recognition)));
    }

    /// Says that nobody speaks into it any more, and nothing is kept.
    pub(super) fn close(&self) {
        self.changing().phase = Phase::Sealed;
    }

    pub(super) fn ended_before(&self, ended_at: UnixMs) {
        let mut changing = self.changing();
        (changing.ended_at, changing.is_old) = (Some(ended_at), true);
    }

    pub(super) fn set_code(&self, code: Option<String>) {
        self.changing().code = code;
        // Who came by the old link looks up and sees that it is gone.
        self.latest.send_modify(|_| ());
    }

    pub(super) fn add_stream(&self, stream: Arc<Stream>) {
        self.changing().streams.insert(stream.origin.id, stream);
    }

    pub(super) fn forget_stream(&self, stream: Id) {
        self.changing().streams.remove(&stream);
    }

    /// Returns how many event numbers are still reserved, and up to where.
    pub(super) fn numbers(&self) -> (u64, u64) {
        let (until, next) = (self.changing().numbers_until, self.history().next());
        (until.saturating_sub(next), until)
    }

    pub(super) fn reserve(&self, until: u64) {
        self.changing().numbers_until = until;
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns when the recording began: with its first microphone.
pub(super) fn base(streams: &[Arc<Stream>]) -> Option<UnixMs> {
    streams.iter().filter_map(|stream| stream.progress().began_at).min()
}

/// Returns how long after the recording a stream began, in milliseconds.
pub(super) fn offset_ms(stream: &Stream, base: Option<UnixMs>) -> u64 {
    let offset = base.zip(stream.progress().began_at).map_or(Duration::ZERO, |(base, at)| at.since(base));
    u64::try_from(offset.as_millis()).unwrap_or(u64::MAX)
}
