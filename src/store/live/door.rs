//! Sound that a program streams to have it recognised, and nothing else: it is listened to as a room is, and nothing of
//! it is kept. Its journal is a file on the data folder until the program is gone, so that nothing long is in memory.

use std::sync::Arc;

use super::event::{Phase, Recognition, Status};
use super::history::History;
use super::room::{CaptionWish, Kind, Room};
use super::stream::{Origin, Stream};
use super::{DOOR, Live, staging};
use crate::clock::UnixMs;
use crate::store::{Id, StoreError};

/// Most programs at once.
const DOORS_MAX: usize = 16;

/// A program's stream of sound, until it is dropped.
#[derive(Debug)]
pub struct Door {
    live: Live,
    /// Where captions are told.
    pub room: Arc<Room>,
}

impl Live {
    /// Lets a program in; nothing if there are as many as may be.
    pub fn open_door(&self, user: Id, now: UnixMs) -> Option<Door> {
        let id = Id::new();
        let wish = CaptionWish { no_store: true, ..CaptionWish::default() };
        let kind = Kind { id, meeting: id, user, room: String::new(), wish, began_at: now, is_door: true };
        let status = Status::new(Phase::Recording, Recognition::Starting);
        let room = Room::new(
            kind,
            Phase::Recording,
            None,
            History::new(1, Vec::new(), Vec::new(), status),
            u64::MAX,
        );
        let room = Arc::new(room);
        let mut rooms = self.rooms_mut();
        if rooms.values().filter(|room| room.kind.is_door).count() >= DOORS_MAX {
            return None;
        }
        rooms.insert(id, Arc::clone(&room));
        drop(rooms);
        Some(Door { live: self.clone(), room })
    }
}

impl Door {
    /// Begins a stretch of sound that is recognised by itself.
    pub fn begin(&self, number: u32, rate_hz: u32) -> Arc<Stream> {
        let (id, microphone) = (Id::new(), Id::new());
        let origin = Origin { id, number, microphone, rate_hz, first_sample: 0 };
        let path = self.live.0.folder.join(format!("{id}.{DOOR}"));
        let stream = Arc::new(Stream::new(origin, path, None, None));
        self.room.add_stream(Arc::clone(&stream));
        self.live.nudge();
        stream
    }

    /// Says that nothing more comes of a stretch.
    pub fn end(&self, stream: &Stream) {
        stream.set_end(stream.progress().written);
        self.live.nudge();
    }

    /// Takes a stretch away that was told, with its sound.
    ///
    /// Errors: the disk.
    pub async fn forget(&self, stream: &Stream) -> Result<(), StoreError> {
        self.room.forget_stream(stream.origin.id);
        let path = stream.path().to_owned();
        staging::on_disk(move || staging::remove(&path)).await
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.live.rooms_mut().remove(&self.room.kind.id);
        self.room.close();
        for stream in self.room.streams() {
            // What cannot be removed now is removed at the next start.
            if let Err(error) = staging::remove(stream.path()) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "sound that was to be kept nowhere cannot be removed now");
            }
        }
        self.live.nudge();
    }
}
