//! Live meetings: their seats, their captions, and what becomes of them when they end.
//!
//! ```text
//! keeper, each second: a seat for whoever records ─► may listen       ended ─► sealed: recording, job
//! captions, a thread:  journals ─► sessions ─► house ─► the engine that recordings use, too ─► captions told
//! ```
//!
//! Nothing here is needed for the recording itself: it grows by what its microphones send.

mod captions;
mod ear;
mod keeper;
mod voices;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle as Runtime;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::recognise::Workshop;
use crate::clock::{Mono, UnixMs};
use crate::store::blobs::Blobs;
use crate::store::live::Live;
use crate::store::live::event::Recognition;
use crate::store::seats::Seats;
use crate::store::{Id, Store};
use captions::Captions;
use keeper::Keeper;

/// What live meetings are listened to with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The live meetings.
    pub live: Live,
    /// What the recogniser is made of.
    pub workshop: Workshop,
    /// Where recordings are kept.
    pub blobs: Blobs,
    /// Who may work now.
    pub seats: Seats,
    /// Whether sentences get provisional speakers.
    pub speakers: bool,
}

/// Which live meetings may be listened to, and why not the others.
#[derive(Debug, Clone, Default)]
struct Allowed(Arc<Mutex<HashMap<Id, Result<(), Recognition>>>>);

impl Allowed {
    fn set(&self, room: Id, allowed: Result<(), Recognition>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(room, allowed);
    }

    fn forget(&self, keep: impl Fn(&Id) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|room, _| keep(room));
    }

    fn get(&self, room: Id) -> Result<(), Recognition> {
        let allowed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.get(&room).copied().unwrap_or(Err(Recognition::Starting))
    }
}

/// Works until `stop`.
pub async fn run(store: Store, settings: Settings, stop: CancellationToken) {
    let allowed = Allowed::default();
    let mut captions = Captions::new(store.clone(), &settings, allowed.clone(), Runtime::current());
    let until = stop.clone();
    let listening = spawn_blocking(move || captions.run(&until, Mono::now));
    Keeper::new(store, settings, allowed).run(&stop, UnixMs::now).await;
    if listening.await.is_err() {
        tracing::error!("the captions ended by a defect; recordings went on");
    }
}
