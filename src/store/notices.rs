//! Word inside one process that something changed, so that whoever waits asks the database again at once.
//!
//! A notice may be missed: what is true stands in the database, and who waits looks there now and then anyway.

use tokio::sync::broadcast;

use super::Id;

/// Notices that a slow listener may fall behind.
const BEHIND_MAX: usize = 1_024;

/// Where notices are told and heard.
#[derive(Debug, Clone)]
pub struct Notices(broadcast::Sender<Id>);

impl Default for Notices {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND_MAX).0)
    }
}

/// Somebody who waits.
pub struct Listener(broadcast::Receiver<Id>);

impl Notices {
    /// Tells that something about a meeting, a job or an upload changed.
    pub fn tell(&self, about: Id) {
        // Nobody listening is no error.
        self.0.send(about).ok();
    }

    /// Begins to listen.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Listener {
    /// Waits for a notice about one thing; a listener that fell behind is told, too, for it may have missed one.
    pub async fn hear(&mut self, about: Id) {
        loop {
            match self.0.recv().await {
                Ok(told) if told != about => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
