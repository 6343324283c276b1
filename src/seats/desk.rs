//! What an administrator's screens and a holder's page ask, without changing anything.

use std::time::Duration;

use super::lease::Ended;
use super::policy::{Licence, Rules};
use super::pool::Pools;
use super::reservation::Reservation;
use super::state::Burst;
use super::{Epoch, Holder, LeaseId, Now, PoolId, TicketId};

impl Pools {
    /// Returns the rules in force.
    pub fn rules(&self) -> &Rules {
        &self.office.rules
    }

    /// Returns what the licence allows, as it was set last.
    pub fn licence(&self) -> &Licence {
        &self.office.licence
    }

    /// Returns the reservations of a pool, in the order of their beginning.
    pub fn reservations(&self, pool: &PoolId) -> &[Reservation] {
        self.pools.get(pool).map_or(&[], |found| &found.kept.reservations)
    }

    /// Returns the extra seats of a disaster, if there is such a pool.
    pub fn burst(&self, pool: &PoolId) -> Option<&Burst> {
        self.pools.get(pool).map(|found| &found.kept.burst)
    }

    /// Returns how a lease ended, as long as that is remembered.
    pub fn ended(&self, lease: LeaseId) -> Option<&Ended> {
        self.office.ended.find(lease)
    }

    /// Returns the place in the line that somebody has.
    pub fn waiting(&self, pool: &PoolId, holder: Holder) -> Option<TicketId> {
        self.pools.get(pool)?.memory.waiters.get(&holder).copied()
    }

    /// Returns how long a holder has done nothing that the server saw.
    pub fn idle(&self, lease: LeaseId, now: Now) -> Option<Duration> {
        let at = self.at(now);
        let life = self.pools.values().find_map(|pool| pool.memory.lives.get(&lease))?;
        Some(at.since(life.activity))
    }

    /// Tells whether the state may be old, so that nothing new is granted yet.
    pub fn is_recovering(&self) -> bool {
        self.office.recovery.is_some()
    }

    /// Returns the epoch of a receipt that this server cannot have given.
    pub fn conflict(&self) -> Option<Epoch> {
        self.office.conflict
    }
}
