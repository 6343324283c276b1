//! Meetings that are recorded as they happen.
//!
//! ```text
//! begin ─► recording ◄─► paused ─end─► ended ─every microphone is done─► sealed: recording, job
//!             │ frames ─► journal (synced each second) ─► recogniser reads it as it grows
//!             └ captions, marks, corrections: told at once, durable where they are kept
//! ```
//!
//! What was acknowledged to a microphone is on the disk. After any end of the server a live meeting is there again with
//! everything in its journals, and its microphones go on. Sound that comes after a recording was sealed becomes a
//! further recording of the same meeting: nothing that a microphone kept is refused.

mod console;
mod door;
mod drift;
pub mod event;
mod history;
mod journal;
mod room;
mod rows;
mod seal;
mod several;
mod stream;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::audit::{Actor, Entry};
use super::dialect::values;
use super::{Id, Store, StoreError, staging};
use crate::clock::UnixMs;
use event::Phase;
use history::History;
use stream::Origin;

pub use console::Carried;
pub use door::Door;
pub use journal::Reader;
pub use room::{CaptionWish, Kind, Room};
pub use stream::{Pen, Progress, Stream, Taken};

/// Most live meetings at once.
pub const ROOMS_MAX: usize = 64;
/// Most microphones of one meeting.
pub const STREAMS_MAX: usize = 8;
/// How long the captions of a meeting can be read after it was sealed.
const SHOWN_AFTER: Duration = Duration::from_secs(3600);
/// How long it is known where a microphone was to end that was not waited for.
const LATE_MAX: Duration = Duration::from_secs(24 * 3600);
/// What the names of journals end in.
const JOURNAL: &str = "journal";
/// Those of sound that is kept nowhere.
const DOOR: &str = "door";
/// Those of files on their way to the store of audio.
const WAV: &str = "wav";
/// Event numbers that are reserved at a time.
const NUMBERS: u64 = 100_000;

/// The live meetings of this server; clones share them.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    folder: PathBuf,
    rooms: Mutex<HashMap<Id, Arc<Room>>>,
    /// Told when there is something new to listen to or to seal.
    news: Notify,
    /// Lets one at a time add a microphone or change where a meeting stands.
    changing: tokio::sync::Mutex<()>,
    /// Lets one at a time wish for a live meeting.
    wishing: tokio::sync::Mutex<()>,
}

/// A live meeting to be begun.
#[derive(Debug, Clone)]
pub struct NewLive {
    /// Its name: the same wish has the same one, however often it is made.
    pub id: Id,
    /// The meeting that is recorded.
    pub meeting: Id,
    /// Who begins it.
    pub user: Id,
    /// The name of the room; empty if none was said.
    pub room: String,
    /// What is wished for its captions.
    pub wish: CaptionWish,
    /// The secret part of the caption link, if there is to be one.
    pub code: Option<String>,
}

/// What came of the wish to record a meeting.
#[derive(Debug, Clone)]
pub enum Begun {
    /// It is recorded from now on.
    New(Arc<Room>),
    /// It is being recorded already.
    Known(Arc<Room>),
    /// As many are recorded as this server can follow.
    TooMany,
}

/// What came of the wish to connect a microphone.
#[derive(Debug, Clone)]
pub enum Connected {
    /// Its stream.
    Stream(Arc<Stream>),
    /// The meeting has as many as may be.
    TooMany,
    /// It is known with another rate.
    OtherRate,
}

impl Live {
    /// Opens the folder of journals, and takes up what was being recorded when the server ended.
    ///
    /// Errors: the database or the disk.
    pub async fn open(store: &Store, folder: &Path) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        let made = folder.clone();
        staging::on_disk(move || staging::make_folder(&made)).await?;
        let (rooms, news) = (Mutex::default(), Notify::new());
        let live = Self(Arc::new(Inner {
            store: store.clone(),
            folder,
            rooms,
            news,
            changing: tokio::sync::Mutex::default(),
            wishing: tokio::sync::Mutex::default(),
        }));
        for row in store.open_lives().await? {
            let room = live.room_of(row).await?;
            for (origin, end, began_at) in store.live_streams(room.kind.id, false).await? {
                let path = live.journal(origin.id);
                let stream = Arc::new(Stream::new(origin, path, end, began_at));
                stream.look().await?;
                room.add_stream(stream);
            }
            live.rooms_mut().insert(room.kind.id, room);
        }
        live.clear().await?;
        Ok(live)
    }

    /// Removes what an interrupted run has left: journals of sealed streams, files on their way to the store of audio,
    /// and sound that was to be kept nowhere.
    async fn clear(&self) -> Result<(), StoreError> {
        let folder = self.0.folder.clone();
        let files = staging::on_disk(move || staging::files(&folder)).await?;
        let rooms = self.rooms();
        let streams: Vec<_> = rooms.iter().flat_map(|room| room.streams()).collect();
        for path in files {
            let name =
                path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse::<Id>().ok());
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            match (name, kind) {
                (Some(_), _) if streams.iter().any(|stream| stream.path() == path) => {}
                (Some(_), DOOR | WAV) => staging::on_disk(move || staging::remove(&path)).await?,
                (Some(stream), JOURNAL) if self.0.store.is_sealed_stream(stream).await? => {
                    staging::on_disk(move || staging::remove(&path)).await?;
                }
                (Some(_) | None, _) => {
                    tracing::warn!(path = %path.display(), "a file belongs to no live meeting; it is left alone");
                }
            }
        }
        Ok(())
    }

    async fn room_of(&self, row: rows::LiveRow) -> Result<Arc<Room>, StoreError> {
        let store = &self.0.store;
        let (id, phase) = (row.kind.id, row.phase);
        let (lines, notes) = (store.live_lines(id).await?, store.live_notes(id).await?);
        let status = event::Status::new(phase, event::Recognition::Starting);
        let history = History::new(row.numbers_until, lines, notes, status);
        let room = Room::new(row.kind, phase, row.code, history, row.numbers_until);
        if let Some(ended_at) = row.ended_at {
            room.ended_before(ended_at);
        }
        self.reserve(&room).await?;
        Ok(Arc::new(room))
    }

    /// Lets nobody else wish for a live meeting while this is held: the same wish twice at once must find the first one
    /// whole.
    pub async fn one_wish(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.wishing.lock().await
    }

    /// Begins to record a meeting.
    ///
    /// Errors: [`StoreError::Taken`] if another one has its name; the database.
    pub async fn begin(&self, new: &NewLive, actor: &Actor, now: UnixMs) -> Result<Begun, StoreError> {
        let _one = self.0.changing.lock().await;
        let is_this = |room: &Arc<Room>| room.kind.meeting == new.meeting && room.phase().is_open();
        if let Some(room) = self.rooms().into_iter().find(is_this) {
            return Ok(Begun::Known(room));
        }
        let is_open = |room: &&Arc<Room>| room.phase().is_open() && !room.kind.is_door;
        if self.rooms().iter().filter(is_open).count() >= ROOMS_MAX {
            return Ok(Begun::TooMany);
        }
        let row = self.0.store.add_live(new, actor, now).await?;
        let room = self.room_of(row).await?;
        self.rooms_mut().insert(room.kind.id, Arc::clone(&room));
        self.0.news.notify_waiters();
        Ok(Begun::New(room))
    }

    /// Returns a live meeting, also for a while after it was sealed.
    pub fn room(&self, id: Id) -> Option<Arc<Room>> {
        self.rooms_mut().get(&id).cloned()
    }

    /// Returns a live meeting, also one that was sealed long ago: a microphone that was away may still have sound of it.
    ///
    /// Errors: the database.
    pub async fn find(&self, id: Id, now: UnixMs) -> Result<Option<Arc<Room>>, StoreError> {
        let _one = self.0.changing.lock().await;
        if let Some(room) = self.room(id) {
            return Ok(Some(room));
        }
        let Some(row) = self.0.store.live(id).await? else { return Ok(None) };
        let room = self.room_of(row).await?;
        room.hears(now);
        self.rooms_mut().insert(id, Arc::clone(&room));
        Ok(Some(room))
    }

    /// Returns the live meeting whose captions the link leads to.
    pub fn room_by_code(&self, code: &str) -> Option<Arc<Room>> {
        self.rooms().into_iter().find(|room| room.code().as_deref() == Some(code))
    }

    /// Returns every live meeting, the newest first.
    pub fn rooms(&self) -> Vec<Arc<Room>> {
        let mut rooms: Vec<_> = self.rooms_mut().values().cloned().collect();
        rooms.sort_by_key(|room| std::cmp::Reverse(room.kind.id));
        rooms
    }

    /// Waits until there may be something new to listen to or to seal.
    pub async fn news(&self) {
        self.0.news.notified().await;
    }

    /// Tells that there is something new.
    pub fn nudge(&self) {
        self.0.news.notify_waiters();
    }

    /// Returns how many bytes the disk of the journals still takes.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        staging::free_bytes(&self.0.folder)
    }

    /// Returns the stream of a microphone, a new one if it is not known.
    ///
    /// It gets the number that is wished for, or if another microphone has that, or none was wished for, the next free one.
    /// Sound that comes after a stream was sealed begins a further part, where the sealed one ended; it ends where the
    /// meeting was ended. The stream counts as
    /// connected from now on, so that an ended meeting is not sealed without it; who connected says when that is over.
    /// Errors: the database or the disk.
    pub async fn connect(
        &self,
        room: &Arc<Room>,
        microphone: Id,
        (wished, rate_hz): (Option<u32>, u32),
    ) -> Result<Connected, StoreError> {
        let _one = self.0.changing.lock().await;
        let known = room.streams().into_iter().find(|stream| stream.origin.microphone == microphone);
        if let Some(stream) = known {
            let is_same = stream.origin.rate_hz == rate_hz;
            stream.connected(is_same || stream.progress().connected);
            return Ok(if is_same { Connected::Stream(stream) } else { Connected::OtherRate });
        }
        if room.streams().len() >= STREAMS_MAX {
            return Ok(Connected::TooMany);
        }
        let first_sample = self.0.store.live_stream_end(room.kind.id, microphone).await?;
        let id = Id::new();
        let number = number(room, wished);
        let origin = Origin { id, number, microphone, rate_hz, first_sample };
        self.0.store.add_live_stream(room.kind.id, &origin).await?;
        let end = room.end_of(microphone).filter(|end| *end > first_sample);
        let stream = Arc::new(Stream::new(origin, self.journal(id), end, None));
        if end.is_some() {
            self.keep_stream(&stream, end).await?;
        }
        stream.connected(true);
        room.add_stream(Arc::clone(&stream));
        self.0.news.notify_waiters();
        Ok(Connected::Stream(stream))
    }

    /// Keeps what a microphone has told of itself: when its sound began, and where it ends.
    ///
    /// Errors: the database.
    pub async fn keep_stream(&self, stream: &Stream, end: Option<u64>) -> Result<(), StoreError> {
        let mut tx = self.0.store.write().await?;
        let sql = "UPDATE live_streams SET began_at = $2, samples_end = $3 WHERE id = $1 AND sealed = 0";
        let end = end.or(stream.progress().end);
        let end_value = end.and_then(|end| i64::try_from(end).ok());
        tx.run(sql, values![stream.origin.id, stream.progress().began_at, end_value]).await?;
        tx.commit().await?;
        if let Some(end) = end {
            stream.set_end(end);
            self.0.news.notify_waiters();
        }
        Ok(())
    }

    /// Pauses a recording, goes on with it, or ends it; false if it has ended before.
    ///
    /// Errors: the database.
    pub async fn set_phase(
        &self,
        room: &Arc<Room>,
        phase: Phase,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let _one = self.0.changing.lock().await;
        if !room.phase().is_open() {
            return Ok(false);
        }
        if room.phase() == phase {
            return Ok(true);
        }
        let event = match phase {
            Phase::Recording => "live.resume",
            Phase::Paused => "live.pause",
            Phase::Ended | Phase::Sealed => "live.end",
        };
        let mut tx = self.0.store.write().await?;
        let ended_at = (!phase.is_open()).then_some(now);
        let sql = "UPDATE lives SET phase = $2, ended_at = $3 WHERE id = $1";
        tx.run(sql, values![room.kind.id, phase.word(), ended_at]).await?;
        tx.audit(Entry::done(actor, now, event, room.kind.id).on(room.kind.meeting)).await?;
        tx.commit().await?;
        room.set_phase(phase, now);
        if phase == Phase::Ended {
            for stream in room.streams() {
                self.keep_stream(&stream, None).await?;
            }
        }
        self.0.news.notify_waiters();
        Ok(true)
    }

    /// Gives a meeting another caption link, or none; who has the old one sees nothing more.
    ///
    /// Errors: the database.
    pub async fn set_code(
        &self,
        room: &Room,
        code: Option<String>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.store.write().await?;
        let sql = "UPDATE lives SET code = $2 WHERE id = $1";
        tx.run(sql, values![room.kind.id, code.as_deref()]).await?;
        let detail = serde_json::json!({ "open": code.is_some() });
        tx.audit(Entry::done(actor, now, "live.link", room.kind.id).on(room.kind.meeting).with(detail))
            .await?;
        tx.commit().await?;
        room.set_code(code);
        Ok(())
    }

    /// Keeps numbers of events in reserve, and forgets what was sealed long ago; to be called now and then.
    ///
    /// Errors: the database.
    pub async fn tidy(&self, now: UnixMs) -> Result<(), StoreError> {
        for room in self.rooms() {
            if room.kind.is_door {
                continue;
            }
            if room.phase() == Phase::Sealed {
                let known = if room.lacks_sound() { LATE_MAX } else { SHOWN_AFTER };
                let is_quiet = now.since(room.heard_at()) > known;
                if is_quiet && room.streams().is_empty() && room.listeners() == 0 {
                    self.rooms_mut().remove(&room.kind.id);
                }
                continue;
            }
            self.reserve(&room).await?;
        }
        Ok(())
    }

    async fn reserve(&self, room: &Room) -> Result<(), StoreError> {
        let (left, until) = room.numbers();
        if left > NUMBERS / 2 {
            return Ok(());
        }
        let until = until + NUMBERS;
        let mut tx = self.0.store.write().await?;
        tx.run("UPDATE lives SET numbers_until = $2 WHERE id = $1", values![room.kind.id, until]).await?;
        tx.commit().await?;
        room.reserve(until);
        Ok(())
    }

    fn journal(&self, stream: Id) -> PathBuf {
        self.0.folder.join(format!("{stream}.{JOURNAL}"))
    }

    fn rooms_mut(&self) -> MutexGuard<'_, HashMap<Id, Arc<Room>>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a number that no microphone of a meeting has. Programs of several rooms each count their own from 0.
fn number(room: &Room, wished: Option<u32>) -> u32 {
    let taken: Vec<u32> = room.streams().iter().map(|stream| stream.origin.number).collect();
    let next = taken.iter().max().map_or(0, |last| last.saturating_add(1));
    wished.filter(|number| !taken.contains(number)).unwrap_or(next)
}
