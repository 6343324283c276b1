//! Seats for those who record, and the end of recordings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Allowed, Settings};
use crate::clock::UnixMs;
use crate::seats::{Device, DeviceId, DeviceKind, MeetingId, Use};
use crate::store::live::Room;
use crate::store::live::event::{Phase, Recognition};
use crate::store::seats::{HeldSeat, NoSeat};
use crate::store::{Id, Store};

/// How often it is looked after everybody.
const EVERY: Duration = Duration::from_secs(1);
/// How often a seat gives a sign of life, and one is asked for again.
const SEAT_EVERY: Duration = Duration::from_secs(5);
/// The pause after a recording could not be sealed.
const SEAL_PAUSE: Duration = Duration::from_secs(30);

/// What is known of a room.
#[derive(Default)]
struct Kept {
    seat: Option<HeldSeat>,
    asked_at: Option<UnixMs>,
    sealed_at: Option<UnixMs>,
}

/// Looks after rooms.
pub(super) struct Keeper {
    store: Store,
    settings: Settings,
    allowed: Allowed,
    rooms: HashMap<Id, Kept>,
}

impl Keeper {
    pub fn new(store: Store, settings: Settings, allowed: Allowed) -> Self {
        Self { store, settings, allowed, rooms: HashMap::new() }
    }

    /// Works until `stop`; the seats lapse by themselves, for whoever records goes on.
    pub async fn run(mut self, stop: &CancellationToken, clock: fn() -> UnixMs) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.settings.live.news() => {}
            }
            self.look(clock()).await;
        }
    }

    async fn look(&mut self, now: UnixMs) {
        let rooms = self.settings.live.rooms();
        for room in &rooms {
            let id = room.kind.id;
            let mut kept = self.rooms.remove(&id).unwrap_or_default();
            match room.phase() {
                Phase::Recording | Phase::Paused => self.seat(room, &mut kept, now).await,
                Phase::Ended | Phase::Sealed => {
                    if let Some(seat) = kept.seat.take() {
                        seat.give_back(&self.settings.seats).await;
                    }
                    self.seal(room, &mut kept, now).await;
                }
            }
            self.rooms.insert(id, kept);
        }
        let gone: Vec<Id> =
            self.rooms.keys().filter(|id| !rooms.iter().any(|room| room.kind.id == **id)).copied().collect();
        for id in gone {
            if let Some(seat) = self.rooms.remove(&id).and_then(|kept| kept.seat) {
                seat.give_back(&self.settings.seats).await;
            }
        }
        self.allowed.forget(|id| self.rooms.contains_key(id));
        if let Err(error) = self.settings.live.tidy(now).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the numbers of caption events cannot be reserved now");
        }
    }

    /// Takes a seat for whoever records, or gives a sign of life. The recording goes on in any case.
    async fn seat(&self, room: &Arc<Room>, kept: &mut Kept, now: UnixMs) {
        if kept.asked_at.is_some_and(|at| now.since(at) < SEAT_EVERY) {
            return;
        }
        kept.asked_at = Some(now);
        if let Some(seat) = kept.seat {
            if seat.beat(&self.settings.seats).await {
                return;
            }
            kept.seat = None;
            tracing::warn!(live = %room.kind.id, "a live meeting has lost its seat; the recording goes on");
        }
        let taken = self.take(room).await;
        self.allowed.set(room.kind.id, taken.map(drop));
        kept.seat = taken.ok();
    }

    async fn take(&self, room: &Room) -> Result<HeldSeat, Recognition> {
        let applicant = match self.store.applicant(room.kind.user).await {
            Ok(applicant) => applicant.ok_or(Recognition::SeatRefused)?,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "who records cannot be looked up");
                return Err(Recognition::NoSeat);
            }
        };
        let name = room.kind.room.clone();
        let device = Device { id: DeviceId(room.kind.id.uuid()), kind: DeviceKind::Job, name };
        let used_for = Use::Record(MeetingId(room.kind.meeting.uuid()));
        HeldSeat::take(&self.settings.seats, applicant, device, used_for).await.map_err(|no| match no {
            NoSeat::Waiting => Recognition::NoSeat,
            NoSeat::Refused => Recognition::SeatRefused,
        })
    }

    async fn seal(&self, room: &Arc<Room>, kept: &mut Kept, now: UnixMs) {
        if kept.sealed_at.is_some_and(|at| now.since(at) < SEAL_PAUSE) {
            return;
        }
        match self.settings.live.seal(room, &self.settings.blobs, now).await {
            Ok(recorded) => {
                for recorded in recorded {
                    tracing::info!(
                        live = %room.kind.id, recording = %recorded.recording,
                        "a live meeting has become a recording"
                    );
                    if let Some(meeting) = recorded.meeting {
                        self.store.notices.tell(meeting);
                    }
                }
            }
            Err(error) => {
                kept.sealed_at = Some(now);
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    live = %room.kind.id, error,
                    "a live meeting cannot become a recording now; its sound is kept"
                );
            }
        }
    }
}
