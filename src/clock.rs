//! The clock: the only caller of now().

use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point on the clock that never jumps and counts time spent in suspend.
///
/// Units: nanoseconds since the machine started; meaningless on another machine or after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// Reads the clock.
    ///
    /// Source: CLOCK_BOOTTIME; the standard library's `Instant` stands still while a machine sleeps.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        Self(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    /// Makes a point for a test or a simulation.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    /// Returns how long ago `earlier` was; zero if it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Mono {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A moment of the calendar: for dates, records and deadlines that outlive the process.
///
/// Units: milliseconds since 1970-01-01 00:00 UTC. May jump when somebody sets the clock; leases of seats never use it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(i64);

impl UnixMs {
    /// Reads the clock.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Realtime);
        Self(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }

    /// Takes milliseconds since 1970.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Returns milliseconds since 1970.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Returns the moment `later` after this one.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the moment `earlier` before this one.
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns how long ago `earlier` was; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let first = Mono::now();
        assert!(Mono::now() >= first);
    }

    #[test]
    fn a_deadline_far_away_is_never_reached_instead_of_wrapping() {
        assert!(Mono::from_ms(5) + Duration::MAX > Mono::from_ms(u64::MAX / 2_000_000));
    }
}
