//! Starting anew: what is still certain, and what gets time to show itself.

use serde::{Deserialize, Serialize};

use super::{At, Epoch, Holder, LeaseId, PoolId, Token};

/// How far the stored state can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It is what this server wrote last.
    Current,
    /// It is a copy, or the database's timeline changed: somebody may hold a newer receipt.
    MayBeOld,
}

/// What is written each second while leases are unconfirmed, so that a crash loop cannot keep a dead holder alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// How far the engine's own time had come.
    pub at: At,
}

/// What a holder can show of a lease; the shell has checked its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The lease.
    pub lease: LeaseId,
    /// Whose.
    pub holder: Holder,
    /// Of which pool.
    pub pool: PoolId,
    /// Its token then; the epoch is in it.
    pub token: Token,
}
