//! How the clock of a microphone runs against the server's: browsers count samples by the crystal of their sound card. Pure.
//!
//! Sound comes late, but never early, so the least lateness of a minute is what the crystal did; a line that was cut makes
//! whole minutes late, so it is the middle of the slopes between all minutes that counts.
//!
//! Source: the slope of Theil and Sen; three minutes of ten may be late without moving it.

use crate::clock::UnixMs;

/// One stretch. Units: milliseconds.
const STRETCH_MS: u64 = 60_000;
/// Stretches nearer to each other than this tell more of the line than of the clock.
const APART_MIN: u64 = 5;
/// Slopes that are needed.
const SLOPES_MIN: usize = 6;
/// Stretches that are kept: a day.
const STRETCHES_MAX: usize = 1_440;
/// Drift that is worth making up. Source: half of what lip movements go unnoticed to, as in `audio::timeline`.
const DRIFT_MS_MIN: u64 = 20;
/// No crystal errs by more. Units: millionths.
const PPM_MAX: f64 = 500.0;

/// Follows one microphone.
#[derive(Debug, Default)]
pub(super) struct Drift {
    stretches: Vec<Stretch>,
    /// Counts pauses, in which no time passes for the recording.
    run: u32,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    run: u32,
    number: u64,
    least_ms: i64,
}

impl Drift {
    /// Learns that sound up to `end_ms` of the microphone's own time was there at `now`.
    pub fn hear(&mut self, end_ms: u64, now: UnixMs) {
        let (number, late_ms) = (end_ms / STRETCH_MS, now.ms() - i64::try_from(end_ms).unwrap_or(i64::MAX));
        let (run, has_room) = (self.run, self.stretches.len() < STRETCHES_MAX);
        match self.stretches.last_mut() {
            Some(last) if (last.run, last.number) == (run, number) => {
                last.least_ms = last.least_ms.min(late_ms)
            }
            Some(_) | None if has_room => {
                self.stretches.push(Stretch { run, number, least_ms: late_ms });
            }
            Some(_) | None => {}
        }
    }

    /// Says that no time passes for the recording until the next sound comes.
    pub fn rest(&mut self) {
        self.run += 1;
    }

    /// Returns by how much the clock errs; nothing if too little was heard to tell.
    ///
    /// Units: millionths, positive when the microphone is slow. Range: -500 to 500.
    pub fn ppm(&self) -> Option<i64> {
        let mut slopes = Vec::new();
        for (index, one) in self.stretches.iter().enumerate() {
            let later = self.stretches[index + 1..].iter();
            let far = later
                .filter(|other| other.run == one.run && other.number.saturating_sub(one.number) >= APART_MIN);
            slopes.extend(far.map(|other| {
                let apart_ms = other.number.saturating_sub(one.number) * STRETCH_MS;
                (other.least_ms - one.least_ms) as f64 / apart_ms as f64 * 1e6
            }));
        }
        if slopes.len() < SLOPES_MIN {
            return None;
        }
        let middle = slopes.len() / 2;
        let ppm = *slopes.select_nth_unstable_by(middle, f64::total_cmp).1;
        (ppm.abs() <= PPM_MAX).then_some(ppm.round() as i64)
    }
}

/// Makes up for a clock that errs: now and then a sample comes twice, or not at all.
#[derive(Debug, Default)]
pub(super) struct Steady {
    /// Samples from one correction to the next; none if nothing is to be corrected.
    every: Option<u64>,
    is_slow: bool,
    /// A fast clock makes the beginning seem earlier than it was, by all that it gains.
    pub later_ms: u64,
    taken: u64,
}

impl Steady {
    /// Makes up for so much, over a recording of this length; for nothing if that is not worth it.
    pub fn new(drift_ppm: i64, length_ms: u64) -> Self {
        let drift_ms = length_ms.saturating_mul(drift_ppm.unsigned_abs()) / 1_000_000;
        if drift_ms < DRIFT_MS_MIN {
            return Self::default();
        }
        let is_slow = drift_ppm > 0;
        let later_ms = if is_slow { 0 } else { drift_ms };
        Self { every: Some(1_000_000 / drift_ppm.unsigned_abs()), is_slow, later_ms, taken: 0 }
    }

    /// Returns how many samples become of so many.
    pub fn length(&self, samples: u64) -> u64 {
        let corrections = self.every.map_or(0, |every| samples / every);
        if self.is_slow { samples + corrections } else { samples - corrections }
    }

    /// Takes the next samples.
    pub fn take(&mut self, samples: &[i16]) -> Vec<i16> {
        let Some(every) = self.every else { return samples.to_vec() };
        let mut out = Vec::with_capacity(samples.len() + 2);
        for sample in samples {
            self.taken += 1;
            let copies = match (self.taken.is_multiple_of(every), self.is_slow) {
                (false, _) => 1,
                (true, true) => 2,
                (true, false) => 0,
            };
            out.extend(std::iter::repeat_n(*sample, copies));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A microphone that errs by `ppm`, on a line that is late by up to 80 ms, and by whole minutes where it was cut.
    fn heard(ppm: i64, minutes: u64, cut: std::ops::Range<u64>) -> Drift {
        let mut drift = Drift::default();
        let mut chance = 1_u64;
        for second in 1..=minutes * 60 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let end_ms = second * 1_000;
            let real_ms = end_ms as i64 + end_ms as i64 * ppm / 1_000_000;
            let late_ms = if cut.contains(&(second / 60)) { 90_000 } else { (chance >> 40) as i64 % 80 };
            drift.hear(end_ms, UnixMs::from_ms(1_790_000_000_000 + real_ms + late_ms));
        }
        drift
    }

    #[test]
    fn a_crystal_that_errs_is_found_out_whatever_the_line_does() {
        for ppm in [-120, -20, 0, 35, 200] {
            for cut in [0..0, 20..28] {
                let found = heard(ppm, 60, cut).ppm().expect("an hour tells");
                assert!((found - ppm).abs() <= 8, "{found} of {ppm}");
            }
        }
    }

    #[test]
    fn a_few_minutes_tell_nothing_and_sound_that_comes_all_at_once_neither() {
        assert_eq!(heard(50, 4, 0..0).ppm(), None);
        let mut at_once = Drift::default();
        (1..3_600).for_each(|second| at_once.hear(second * 1_000, UnixMs::from_ms(1_790_000_000_000)));
        assert_eq!(at_once.ppm(), None, "no clock is that fast");
    }

    #[test]
    fn a_pause_is_no_error_of_the_clock() {
        let mut drift = Drift::default();
        for second in 1..=2_400_u64 {
            if second == 1_200 {
                drift.rest();
            }
            let pause_ms = if second < 1_200 { 0 } else { 600_000 };
            drift.hear(second * 1_000, UnixMs::from_ms(1_790_000_000_000 + second as i64 * 1_000 + pause_ms));
        }
        assert_eq!(drift.ppm(), Some(0));
    }

    #[test]
    fn a_slow_clock_gets_samples_and_a_fast_one_gives_some_away_whatever_the_pieces() {
        let hour_ms = 3_600_000;
        let sound: Vec<i16> = (0..30_000).map(|at| at as i16).collect();
        for (ppm, expected) in [(100, 30_003), (-100, 29_997), (0, 30_000)] {
            let mut steady = Steady::new(ppm, hour_ms);
            let out: Vec<i16> = sound.chunks(777).flat_map(|piece| steady.take(piece)).collect();
            assert_eq!((out.len() as u64, steady.length(30_000)), (expected, expected), "{ppm}");
        }
        assert_eq!(Steady::new(-100, hour_ms).later_ms, 360);
        assert_eq!(Steady::new(100, 60_000).length(960_000), 960_000, "a minute drifts by nothing worth it");
    }
}
