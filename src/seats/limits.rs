//! Every limit of the room, with the range it may be set to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long things last and how many there may be; the defaults are the tested ones.
///
/// Units: durations are kept in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// T: how long a holder may be silent. At least 30 s, at most 10 min.
    pub ttl_ms: u64,
    /// G: how much longer the seat is kept. 5 s to 5 min.
    pub grace_ms: u64,
    /// H: how long an offered seat waits for its first. 20 s to 10 min.
    pub offer_ms: u64,
    /// How long a reclaimable seat stays with its last holder while nobody needs it. 1 min to 1 h.
    pub reclaimable_ms: u64,
    /// How long a closed page may take to come back before its seat may be taken. 0 s to 10 s.
    pub closed_ms: u64,
    /// How long a parked seat is kept while nobody needs it. 1 min to 8 h.
    pub parked_ms: u64,
    /// When an idle holder is warned, if somebody waits. 1 min to 4 h.
    pub idle_warn_ms: u64,
    /// When an idle holder's seat is taken, if somebody waits. 5 min to 4 h.
    pub idle_take_ms: u64,
    /// What a warned holder has at least. 5 min to 1 h.
    pub idle_notice_ms: u64,
    /// How lately a waiter's page was used for its offer to be accepted by itself. 0 s to 5 min.
    pub attentive_ms: u64,
    /// How long it takes to wait one class up. 1 min to 2 h.
    pub aging_ms: u64,
    /// K: how often one waiter may be passed. 0 to 100.
    pub overtakes_max: u32,
    /// W: the notice before a lent seat is taken back. 1 min to 30 min.
    pub lent_notice_ms: u64,
    /// How long before its meeting a reservation holds its seats. 0 to 60 min.
    pub reserve_before_ms: u64,
    /// How long after its start a reservation nobody came to is freed. 1 min to 60 min.
    pub no_show_ms: u64,
    /// How long before a meeting its seats are only lent, not given. 10 min to 7 days.
    pub reserve_lead_ms: u64,
    /// A gap between two steps that means that the engine itself stood still. 2 s to 60 s.
    pub pause_ms: u64,
    /// Devices of one holder while a recording runs. 1 to 4.
    pub devices_max: u32,
    /// Uses of one lease. 1 to 64.
    pub uses_max: u32,
    /// Places in the line of one pool. 1 to 20,000.
    pub waiting_max: u32,
    /// How long a request's answer is remembered. 1 h to 72 h.
    pub answers_ms: u64,
    /// How many answers are remembered. 1,000 to 1,000,000.
    pub answers_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ttl_ms: 45_000,
            grace_ms: 15_000,
            offer_ms: 60_000,
            reclaimable_ms: 600_000,
            closed_ms: 1_000,
            parked_ms: 1_800_000,
            idle_warn_ms: 600_000,
            idle_take_ms: 900_000,
            idle_notice_ms: 300_000,
            attentive_ms: 60_000,
            aging_ms: 600_000,
            overtakes_max: 10,
            lent_notice_ms: 300_000,
            reserve_before_ms: 600_000,
            no_show_ms: 600_000,
            reserve_lead_ms: 86_400_000,
            pause_ms: 5_000,
            devices_max: 2,
            uses_max: 16,
            waiting_max: 5_000,
            answers_ms: 86_400_000,
            answers_max: 100_000,
        }
    }
}

/// A limit outside its range: correct the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}, not within {min} to {max}")]
pub struct LimitError {
    /// The setting.
    pub name: &'static str,
    /// What it was set to.
    pub value: u64,
    /// The least it may be.
    pub min: u64,
    /// The most it may be.
    pub max: u64,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl Limits {
    /// Checks every limit against its range.
    ///
    /// Errors: the first limit outside of its range.
    pub fn check(&self) -> Result<(), LimitError> {
        let ranges = [
            ("ttl_ms", self.ttl_ms, 30 * SECOND, 10 * MINUTE),
            ("grace_ms", self.grace_ms, 5 * SECOND, 5 * MINUTE),
            ("offer_ms", self.offer_ms, 20 * SECOND, 10 * MINUTE),
            ("reclaimable_ms", self.reclaimable_ms, MINUTE, HOUR),
            ("closed_ms", self.closed_ms, 0, 10 * SECOND),
            ("parked_ms", self.parked_ms, MINUTE, 8 * HOUR),
            ("idle_warn_ms", self.idle_warn_ms, MINUTE, 4 * HOUR),
            ("idle_take_ms", self.idle_take_ms, 5 * MINUTE, 4 * HOUR),
            ("idle_notice_ms", self.idle_notice_ms, 5 * MINUTE, HOUR),
            ("attentive_ms", self.attentive_ms, 0, 5 * MINUTE),
            ("aging_ms", self.aging_ms, MINUTE, 2 * HOUR),
            ("overtakes_max", self.overtakes_max.into(), 0, 100),
            ("lent_notice_ms", self.lent_notice_ms, MINUTE, 30 * MINUTE),
            ("reserve_before_ms", self.reserve_before_ms, 0, HOUR),
            ("no_show_ms", self.no_show_ms, MINUTE, HOUR),
            ("reserve_lead_ms", self.reserve_lead_ms, 10 * MINUTE, 168 * HOUR),
            ("pause_ms", self.pause_ms, 2 * SECOND, MINUTE),
            ("devices_max", self.devices_max.into(), 1, 4),
            ("uses_max", self.uses_max.into(), 1, 64),
            ("waiting_max", self.waiting_max.into(), 1, 20_000),
            ("answers_ms", self.answers_ms, HOUR, 72 * HOUR),
            ("answers_max", self.answers_max.into(), 1_000, 1_000_000),
        ];
        for (name, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(LimitError { name, value, min, max });
            }
        }
        Ok(())
    }

    /// Returns T.
    pub const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// Returns G.
    pub const fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    /// Returns T + G: how long a silent holder's seat is safe.
    pub const fn safe(&self) -> Duration {
        Duration::from_millis(self.ttl_ms + self.grace_ms)
    }
}
