//! What was counted since the start, for a monitor.

use std::collections::BTreeMap;

use crate::seats::{Event, Happened};

/// Counts since the start of this process; a restart begins anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Seats offered to somebody who waited.
    pub offers: u64,
    /// Requests refused, by the stable word of the reason.
    pub denials: BTreeMap<&'static str, u64>,
    /// Leases that ended, by the stable word of the reason.
    pub ends: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        match &event.what {
            Happened::Offered { .. } | Happened::Served { lease: Some(_), .. } => self.offers += 1,
            Happened::Denied { refusal, .. } => *self.denials.entry(refusal.code()).or_default() += 1,
            Happened::Ended { reason, .. } => *self.ends.entry(reason.word()).or_default() += 1,
            _ => {}
        }
    }
}
