//! The two clocks of a machine that is not ours: they drift, stand still, sleep and are set by hand.

/// Ten years, the jump of a battery that ran empty.
pub const TEN_YEARS_MS: i64 = 315_576_000_000;

/// A machine's clocks as true time passes.
///
/// Units: microseconds inside, so that a drift of thousandths is exact.
#[derive(Clone)]
pub struct Clocks {
    seen_ms: u64,
    mono_us: u64,
    wall_us: i64,
    /// Thousandths faster than true time, at most 10 either way.
    drift: i64,
    pub is_asleep: bool,
}

/// What both clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub mono_ms: u64,
    pub wall_ms: i64,
}

impl Clocks {
    pub fn new(drift: i64, wall_ms: i64) -> Self {
        Self { seen_ms: 0, mono_us: 0, wall_us: wall_ms * 1000, drift, is_asleep: false }
    }

    /// Lets true time pass.
    pub fn advance(&mut self, now_ms: u64) {
        let passed_us = (now_ms - self.seen_ms) * u64::try_from(1000 + self.drift).expect("drift is small");
        self.seen_ms = now_ms;
        if !self.is_asleep {
            self.mono_us += passed_us;
        }
        self.wall_us += passed_us as i64;
    }

    pub fn shown(&self) -> Shown {
        Shown { mono_ms: self.mono_us / 1000, wall_ms: self.wall_us / 1000 }
    }

    /// Somebody, or a time server, sets the calendar.
    pub fn set_wall(&mut self, by_ms: i64) {
        self.wall_us += by_ms * 1000;
    }

    /// The machine boots: the steady clock begins anew.
    pub fn boot(&mut self) {
        self.mono_us = 0;
    }

    /// Returns how much true time passes until the steady clock has counted `ms`.
    pub fn true_ms(&self, ms: u64) -> u64 {
        (ms * 1000).div_ceil(u64::try_from(1000 + self.drift).expect("drift is small"))
    }
}
