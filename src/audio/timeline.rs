//! Where the samples of a live microphone belong in time: holes become silence, a crystal's drift is taken out.
//!
//! A sound card counts 48,000 samples in a second of its own, which is up to a few ten thousandths long or short. After
//! eight hours that is a second or two, and two microphones of one room drift apart. Deliveries come late but never
//! early, so the least lateness in a stretch of time is what the crystal did, and the rest is the machine being busy.
//!
//! ```text
//! lateness = what the clock says should be there − what is there
//! least of two seconds:  > 250 ms above the first ten ─► a hole nobody told of: silence, marked
//!                        beyond ± 20 ms               ─► one sample in 2,000 is put in or left out until it is made up
//! ```

use std::time::Duration;

use crate::clock::Mono;

/// The stretch in which the least lateness is sought.
const WINDOW: Duration = Duration::from_secs(2);
/// Stretches that tell how late this device is by nature.
const WINDOWS_TO_LEARN: u32 = 5;
/// Lateness that no crystal explains. Source: the worst ordinary crystal, 200 ppm, needs 20 minutes for it.
const HOLE: Duration = Duration::from_millis(250);
/// Drift that is made up. Source: half of what may ever be seen, see the tests; lip movements go unnoticed to 45 ms.
const DRIFT: Duration = Duration::from_millis(20);
/// One sample in so many may be put in or left out: 500 ppm, more than any crystal errs, too little to be heard.
const SPREAD: u64 = 2_000;

/// What a device delivered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Mono,
    /// How many samples.
    pub samples: u64,
    /// Samples just before that came but could not be taken.
    pub lost: u64,
    /// The device told of a break just before, of a length that it does not know.
    pub broke: bool,
}

/// What to do with a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placement {
    /// Samples of silence to put before it.
    pub silence: u64,
    /// Something is missing before it, even if no silence stands for it.
    pub hole: bool,
    /// 1: repeat its last sample. −1: leave its last sample out.
    pub correction: i8,
}

/// The time line of one microphone.
#[derive(Debug, Clone)]
pub struct Timeline {
    rate_hz: u32,
    /// When the first delivery came, and how much it was.
    first: Option<(Mono, u64)>,
    /// Samples in the recording.
    placed: u64,
    window_end: Option<Mono>,
    least: i64,
    learnt: u32,
    /// The lateness that is this device's nature. Units: samples, as everything below.
    nature: i64,
    debt: i64,
    since_correction: u64,
    corrected: i64,
    is_away: bool,
}

impl Timeline {
    /// Begins for a device with `rate_hz`.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            first: None,
            placed: 0,
            window_end: None,
            least: i64::MAX,
            learnt: 0,
            nature: i64::MAX,
            debt: 0,
            since_correction: 0,
            corrected: 0,
            is_away: false,
        }
    }

    /// Takes a delivery, in the order of time, and tells where it belongs.
    pub fn arrive(&mut self, delivery: Delivery) -> Placement {
        let hole = delivery.lost > 0 || delivery.broke;
        if self.first.is_none() {
            self.first = Some((delivery.at, delivery.samples));
            self.placed = delivery.samples;
            return Placement { hole, ..Placement::default() };
        }
        let mut placement = Placement { silence: delivery.lost, hole, correction: 0 };
        if self.is_away || delivery.broke {
            let missing = self.lateness(delivery.at) - delivery.samples as i64 - self.usual();
            placement.silence = placement.silence.max(u64::try_from(missing).unwrap_or(0));
            placement.hole = true;
            self.learn_anew();
        }
        self.is_away = false;
        self.placed += placement.silence + delivery.samples;
        self.watch(delivery.at, &mut placement);
        self.correct(delivery.samples, &mut placement);
        placement
    }

    /// Says that the device is gone, and returns the silence that stands for it until `at`.
    ///
    /// Range: nothing before the device was there for the first time.
    pub fn absent(&mut self, at: Mono) -> u64 {
        if self.first.is_none() {
            return 0;
        }
        self.is_away = true;
        let silence = u64::try_from(self.lateness(at)).unwrap_or(0);
        self.placed += silence;
        silence
    }

    /// Returns how far the recording is from the clock, without what is usual.
    ///
    /// Units: milliseconds, positive when sound is missing; nothing while the device is being learnt.
    pub fn offset_ms(&self) -> Option<i64> {
        let is_known = self.learnt >= WINDOWS_TO_LEARN && self.least != i64::MAX;
        is_known.then(|| (self.least - self.nature) * 1000 / i64::from(self.rate_hz))
    }

    /// Returns by how much the device's clock was found to err, as far as it was made up.
    ///
    /// Units: millionths; positive when the device is slow.
    pub fn drift_ppm(&self) -> i64 {
        self.corrected * 1_000_000 / i64::try_from(self.placed.max(1)).unwrap_or(i64::MAX)
    }

    fn samples_in(&self, time: Duration) -> i64 {
        (time.as_nanos() * u128::from(self.rate_hz) / 1_000_000_000) as i64
    }

    fn lateness(&self, at: Mono) -> i64 {
        let due = self.first.map_or(0, |(first, samples)| self.samples_in(at.since(first)) + samples as i64);
        due - self.placed as i64
    }

    fn usual(&self) -> i64 {
        if self.nature == i64::MAX { 0 } else { self.nature }
    }

    /// Another device, or the same with another buffer, may be late otherwise; where sound belongs does not change.
    fn learn_anew(&mut self) {
        self.window_end = None;
        self.least = i64::MAX;
        self.learnt = 0;
        self.nature = i64::MAX;
        self.debt = 0;
    }

    fn watch(&mut self, at: Mono, placement: &mut Placement) {
        self.least = self.least.min(self.lateness(at));
        let end = *self.window_end.get_or_insert(at + WINDOW);
        if at < end {
            return;
        }
        let least = std::mem::replace(&mut self.least, i64::MAX);
        self.window_end = Some(at + WINDOW);
        if self.learnt < WINDOWS_TO_LEARN {
            self.learnt += 1;
            self.nature = self.nature.min(least);
            return;
        }
        let excess = least - self.nature;
        if excess > self.samples_in(HOLE) {
            placement.silence += excess as u64;
            placement.hole = true;
            self.placed += excess as u64;
            self.debt = 0;
        } else if excess.abs() > self.samples_in(DRIFT) {
            self.debt = excess;
        }
    }

    fn correct(&mut self, samples: u64, placement: &mut Placement) {
        self.since_correction += samples;
        if self.debt == 0 || self.since_correction < SPREAD {
            return;
        }
        self.since_correction = 0;
        let sign = self.debt.signum();
        self.debt -= sign;
        self.corrected += sign;
        self.placed = self.placed.saturating_add_signed(sign);
        placement.correction = sign as i8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE_HZ: u32 = 48_000;

    fn us(micros: u64) -> Mono {
        Mono::from_ms(5_000) + Duration::from_micros(micros)
    }

    fn delivery(micros: u64, samples: u64) -> Delivery {
        Delivery { at: us(micros), samples, lost: 0, broke: false }
    }

    /// A sound card that errs by `ppm` and a machine that is late by up to `late_us`, differently each time.
    struct Card {
        ppm: i64,
        late_us: u64,
        delivered: u64,
        random: u64,
    }

    impl Card {
        fn new(ppm: i64, late_us: u64) -> Self {
            Self { ppm, late_us, delivered: 0, random: 1 }
        }

        fn next(&mut self) -> Delivery {
            self.delivered += 1_200;
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let late = if self.late_us == 0 { 0 } else { (self.random >> 33) % self.late_us };
            delivery((self.true_seconds() * 1e6) as u64 + late, 1_200)
        }

        /// What the clock says when a card that errs has delivered so much.
        fn true_seconds(&self) -> f64 {
            self.delivered as f64 / f64::from(RATE_HZ) / (1.0 + self.ppm as f64 / 1e6)
        }

        fn apart_seconds(&self, samples: u64) -> f64 {
            samples as f64 / f64::from(RATE_HZ) - self.true_seconds()
        }
    }

    /// Returns samples of the recording after `deliveries`, and the holes that were marked.
    fn play(timeline: &mut Timeline, card: &mut Card, deliveries: u32) -> (u64, u32) {
        let (mut samples, mut holes) = (0_u64, 0);
        for _ in 0..deliveries {
            let delivery = card.next();
            let placement = timeline.arrive(delivery);
            samples += placement.silence + delivery.samples;
            samples = samples.saturating_add_signed(i64::from(placement.correction));
            holes += u32::from(placement.hole);
        }
        (samples, holes)
    }

    #[test]
    fn eight_hours_of_a_bad_crystal_stay_within_a_twentieth_of_a_second() {
        let eight_hours = 8 * 3600 * 40;
        for ppm in [-180, -60, -3, 0, 3, 60, 180] {
            let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(ppm, 15_000));
            let (samples, holes) = play(&mut timeline, &mut card, eight_hours);
            let apart = card.apart_seconds(samples);
            assert!(apart.abs() < 0.05, "{ppm} ppm: {apart} s apart");
            assert_eq!(holes, 0, "{ppm} ppm");
            assert!((timeline.drift_ppm() + ppm).abs() <= 3, "{ppm} ppm, found {}", timeline.drift_ppm());
        }
    }

    #[test]
    fn a_good_card_on_a_busy_machine_is_left_as_it_is_to_the_sample() {
        let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(0, 200_000));
        let (samples, holes) = play(&mut timeline, &mut card, 40 * 600);
        assert_eq!((samples, holes), (card.delivered, 0));
    }

    #[test]
    fn what_could_not_be_taken_becomes_silence_of_that_length() {
        let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(0, 0));
        play(&mut timeline, &mut card, 400);
        card.delivered += 4_800;
        let lost = Delivery { lost: 4_800, ..card.next() };
        assert_eq!(timeline.arrive(lost), Placement { silence: 4_800, hole: true, correction: 0 });
        assert_eq!(play(&mut timeline, &mut card, 800), (800 * 1_200, 0));
    }

    #[test]
    fn a_break_of_unknown_length_is_measured_by_the_clock() {
        let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(0, 0));
        play(&mut timeline, &mut card, 800);
        card.delivered += 24_000;
        let broken = Delivery { broke: true, ..card.next() };
        let placement = timeline.arrive(broken);
        assert!(placement.hole && placement.silence.abs_diff(24_000) <= 1, "{placement:?}");
    }

    #[test]
    fn a_hole_that_nobody_told_of_is_found_and_marked() {
        let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(0, 5_000));
        play(&mut timeline, &mut card, 800);
        card.delivered += 48_000;
        let (samples, holes) = play(&mut timeline, &mut card, 400);
        assert_eq!(holes, 1);
        let silence = samples - 400 * 1_200;
        assert!(silence.abs_diff(48_000) < 500, "{silence} samples of silence for 48000");
    }

    #[test]
    fn sound_that_comes_late_all_at_once_is_no_hole() {
        let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(0, 0));
        play(&mut timeline, &mut card, 800);
        // A machine that stood still for three seconds gets everything in one go.
        let mut late: Vec<Delivery> = (0..120).map(|_| card.next()).collect();
        let end = late[119].at;
        late.iter_mut().for_each(|delivery| delivery.at = end);
        assert!(late.into_iter().all(|delivery| timeline.arrive(delivery) == Placement::default()));
        assert_eq!(play(&mut timeline, &mut card, 800), (800 * 1_200, 0));
    }

    #[test]
    fn a_device_that_was_gone_is_silence_for_as_long_as_it_was_gone() {
        let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(0, 0));
        assert_eq!(timeline.absent(us(0)), 0, "what never began is not missing");
        let (before, _) = play(&mut timeline, &mut card, 800);
        let unplugged = card.delivered;
        card.delivered += 480_000;
        let silence = timeline.absent(us((unplugged + 240_000) * 1_000_000 / 48_000));
        let back = timeline.arrive(card.next());
        let recorded = before + silence + back.silence + 1_200;
        assert!(back.hole && recorded.abs_diff(card.delivered) <= 1, "{recorded} of {}", card.delivered);
        assert_eq!(play(&mut timeline, &mut card, 800), (800 * 1_200, 0));
    }

    proptest! {
        #[test]
        fn a_recording_is_never_far_from_the_clock(ppm in -200_i64..200, late_us in 0_u64..60_000, minutes in 1_u32..30) {
            let (mut timeline, mut card) = (Timeline::new(RATE_HZ), Card::new(ppm, late_us));
            let (samples, _) = play(&mut timeline, &mut card, minutes * 2_400);
            let apart = card.apart_seconds(samples);
            prop_assert!(apart.abs() < 0.1, "{} s apart", apart);
        }
    }
}
