//! Keeps media time true: what the container's clock says against what was decoded so far. Pure.

/// Shortest hole that is filled: MediaRecorder's stamps wander by some ten milliseconds without any loss.
const HOLE_US_MIN: i64 = 100_000;
/// Longest hole that is believed without asking the next packet.
const HOLE_US_PLAIN: i64 = 2_000_000;
/// Longest hole that is filled at all; a recorder that paused for longer is joined without a gap.
const HOLE_US_MAX: i64 = 3_600_000_000;
/// Longest silence before the first sound; a stream that was joined late starts anywhere.
const LEAD_IN_US_MAX: i64 = 60_000_000;
/// All filled holes together.
const HOLES_US_MAX: i64 = 12 * 3_600_000_000;
/// A clock that falls back by more than this was set anew.
const BACKWARDS_US_MAX: i64 = 1_000_000;

/// How a packet's stamp fits to the sound decoded before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It continues; or the sound is ahead of its stamps, by padding or a fast clock: nothing heard is ever dropped.
    OnTime,
    /// Something is missing before it: so many microseconds.
    Hole(i64),
    /// So many microseconds are missing, if the packet behind it says so too.
    Doubtful(i64),
    /// Its clock has nothing to do with the one before.
    OtherClock,
}

/// The position behind the last decoded frame, and what the container's clock must be shifted by to agree.
#[derive(Debug)]
pub(super) struct Timeline {
    base_us: i64,
    frames: u64,
    rate_hz: u32,
    shift_us: i64,
    filled_us: i64,
}

impl Timeline {
    /// Starts at zero; what the container's clock shows is moved by `shift_us`.
    pub(super) fn new(rate_hz: u32, shift_us: i64) -> Self {
        Self { base_us: 0, frames: 0, rate_hz, shift_us, filled_us: 0 }
    }

    /// Returns the position behind the last frame. Units: microseconds.
    pub(super) fn now_us(&self) -> i64 {
        let ran_us = u128::from(self.frames) * 1_000_000 / u128::from(self.rate_hz);
        self.base_us.saturating_add(i64::try_from(ran_us).unwrap_or(i64::MAX))
    }

    /// Moves on by decoded or silent frames at `rate_hz`.
    pub(super) fn advance(&mut self, frames: u64, rate_hz: u32) {
        if rate_hz != self.rate_hz {
            self.base_us = self.now_us();
            self.frames = 0;
            self.rate_hz = rate_hz;
        }
        self.frames += frames;
    }

    /// Returns how many frames at `rate_hz` fit before `end_us`.
    pub(super) fn frames_until(&self, end_us: i64, rate_hz: u32) -> u64 {
        let left_us = u128::try_from(end_us.saturating_sub(self.now_us())).unwrap_or(0);
        u64::try_from((left_us * u128::from(rate_hz) + 500_000) / 1_000_000).unwrap_or(u64::MAX)
    }

    /// Compares a packet's stamp with the position.
    pub(super) fn arrival(&self, stamp_us: i64) -> Arrival {
        let ahead_us = self.ahead_us(stamp_us);
        let longest_us = if self.now_us() == 0 { LEAD_IN_US_MAX } else { HOLE_US_MAX };
        if ahead_us < -BACKWARDS_US_MAX || ahead_us > longest_us {
            Arrival::OtherClock
        } else if ahead_us < HOLE_US_MIN || self.filled_us.saturating_add(ahead_us) > HOLES_US_MAX {
            Arrival::OnTime
        } else if ahead_us <= HOLE_US_PLAIN {
            Arrival::Hole(ahead_us)
        } else {
            Arrival::Doubtful(ahead_us)
        }
    }

    /// Notes that `hole_us` were filled with silence, so that the sum stays bounded.
    pub(super) fn note_filled(&mut self, hole_us: i64) {
        self.filled_us = self.filled_us.saturating_add(hole_us);
    }

    /// Sets the container's clock anew: `stamp_us` is now.
    pub(super) fn adopt(&mut self, stamp_us: i64) {
        self.shift_us = self.now_us().saturating_sub(stamp_us);
    }

    fn ahead_us(&self, stamp_us: i64) -> i64 {
        stamp_us.saturating_add(self.shift_us).saturating_sub(self.now_us())
    }
}

/// Tells whether two stamps that follow each other belong to one run.
pub(super) fn continues(stamp_us: i64, next_us: i64) -> bool {
    (0..=HOLE_US_PLAIN).contains(&next_us.saturating_sub(stamp_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_one_second() -> Timeline {
        let mut timeline = Timeline::new(48_000, 0);
        timeline.advance(48_000, 48_000);
        timeline
    }

    #[test]
    fn small_wandering_of_stamps_is_no_hole() {
        for stamp_us in [950_000, 1_000_000, 1_099_999] {
            assert_eq!(after_one_second().arrival(stamp_us), Arrival::OnTime, "{stamp_us}");
        }
    }

    #[test]
    fn a_missing_half_second_is_a_hole_of_that_length() {
        assert_eq!(after_one_second().arrival(1_500_000), Arrival::Hole(500_000));
    }

    #[test]
    fn a_long_hole_needs_a_second_witness() {
        assert_eq!(after_one_second().arrival(600_000_000), Arrival::Doubtful(599_000_000));
        assert!(continues(600_000_000, 600_020_000));
        assert!(!continues(600_000_000, 1_020_000));
    }

    #[test]
    fn a_clock_set_anew_is_adopted_and_then_continues() {
        let mut timeline = after_one_second();
        assert_eq!(timeline.arrival(-5_000_000), Arrival::OtherClock);
        timeline.adopt(-5_000_000);
        assert_eq!(timeline.arrival(-5_000_000), Arrival::OnTime);
    }

    #[test]
    fn a_stream_joined_after_hours_does_not_begin_with_hours_of_silence() {
        assert_eq!(Timeline::new(48_000, 0).arrival(7_200_000_000), Arrival::OtherClock);
    }

    #[test]
    fn the_position_survives_a_change_of_rate() {
        let mut timeline = after_one_second();
        timeline.advance(8_000, 8_000);
        assert_eq!(timeline.now_us(), 2_000_000);
    }

    #[test]
    fn filled_holes_have_a_sum_that_ends() {
        let mut timeline = after_one_second();
        timeline.note_filled(HOLES_US_MAX);
        assert_eq!(timeline.arrival(1_500_000), Arrival::OnTime);
    }
}
