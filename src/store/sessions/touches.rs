//! When sessions and tokens were last used: whoever comes while others write is written down with the next.
//!
//! A thousand people who open their pages in the same second would otherwise make a thousand transactions, and everything
//! else that is to be kept would wait behind them.

use std::sync::{Mutex, PoisonError};

use crate::clock::UnixMs;
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// Something that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Touch {
    /// A session, by its hash.
    Session(String),
    /// A token.
    Token(Id),
}

/// What was used and is not written down yet; never more than there are requests under way.
#[derive(Debug, Default)]
pub(in crate::store) struct Touches {
    waiting: Mutex<Vec<(Touch, UnixMs)>>,
    /// Whoever has it writes down everything that waits.
    door: tokio::sync::Mutex<()>,
}

impl Store {
    /// Remembers that a session was used.
    pub async fn touch_session(&self, sha256: &str, now: UnixMs) -> Result<(), StoreError> {
        self.touch(Touch::Session(sha256.to_owned()), now).await
    }

    /// Remembers that a token was used.
    pub async fn touch_token(&self, id: Id, now: UnixMs) -> Result<(), StoreError> {
        self.touch(Touch::Token(id), now).await
    }

    async fn touch(&self, touch: Touch, now: UnixMs) -> Result<(), StoreError> {
        self.touches.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((touch, now));
        let _door = self.touches.door.lock().await;
        let all = std::mem::take(&mut *self.touches.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if all.is_empty() {
            // Whoever went before has written this one, too.
            return Ok(());
        }
        let mut tx = self.write().await?;
        for (touch, at) in all {
            match touch {
                Touch::Session(sha256) => {
                    tx.run("UPDATE sessions SET seen_at = $2 WHERE sha256 = $1", values![sha256, at]).await?
                }
                Touch::Token(id) => {
                    tx.run("UPDATE tokens SET used_at = $2 WHERE id = $1", values![id, at]).await?
                }
            };
        }
        tx.commit().await
    }
}
