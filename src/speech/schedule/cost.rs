//! What recognition costs on this machine, followed as it is measured, and how many rooms that leaves room for. Pure.

use std::time::Duration;

/// Share of the time in which somebody speaks. Start value.
const SPEECH_SHARE: f64 = 0.7;
/// Share of the engine that rooms may plan for; the rest is for the moments in which all speak.
const PLANNED_MAX: f64 = 0.70;
/// Time between two guesses that rooms plan for.
const PARTIAL_EVERY_S: f64 = 0.8;
/// Before anything was measured: engine seconds a second of sound of a final, and of a guess. Five rooms.
const FINAL_START: f64 = 0.05;
const PARTIAL_START_S: f64 = 0.12;
/// Weight of a new measurement, upwards and downwards: a machine is trusted slowly.
const LEARN_UP: f64 = 0.2;
const LEARN_DOWN: f64 = 0.05;

/// Engine seconds, by what they are spent on; the engine with all its threads gives one a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// A second of sound of a final.
    pub final_per_s: f64,
    /// A guess.
    pub partial_s: f64,
    /// A second of sound whose voice is heard; nothing where speakers are not told apart.
    pub voice_per_s: f64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { final_per_s: FINAL_START, partial_s: PARTIAL_START_S, voice_per_s: 0.0 }
    }
}

impl Costs {
    /// Learns what a final of this much sound took, beside `beside` others.
    pub fn learn_final(&mut self, took: Duration, sound_s: f64, beside: usize) {
        follow(&mut self.final_per_s, alone(took, beside) / sound_s.max(1.0));
    }

    /// Learns what a guess took.
    pub fn learn_partial(&mut self, took: Duration, beside: usize) {
        follow(&mut self.partial_s, alone(took, beside));
    }

    /// Learns what hearing the voice in this much sound took.
    pub fn learn_voice(&mut self, took: Duration, sound_s: f64) {
        follow(&mut self.voice_per_s, took.as_secs_f64() / sound_s.max(1.0));
    }

    /// Returns the share of the engine that one room needs.
    pub fn room_share(&self) -> f64 {
        SPEECH_SHARE * (self.final_per_s + self.voice_per_s + self.partial_s / PARTIAL_EVERY_S)
    }

    /// Returns how many rooms can have captions at once; one always.
    pub fn rooms_max(&self) -> usize {
        ((PLANNED_MAX / self.room_share()) as usize).max(1)
    }
}

/// Windows that ran side by side shared the engine.
fn alone(took: Duration, beside: usize) -> f64 {
    took.as_secs_f64() / (beside + 1) as f64
}

fn follow(value: &mut f64, measured: f64) {
    let share = if measured > *value { LEARN_UP } else { LEARN_DOWN };
    *value += share * (measured - *value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_rooms_are_planned_for_before_anything_was_measured() {
        assert_eq!(Costs::default().rooms_max(), 5);
    }

    #[test]
    fn a_slow_machine_has_fewer_rooms_and_a_fast_one_more_but_one_is_always_tried() {
        let after = |took_ms: u64| {
            let mut costs = Costs::default();
            for _ in 0..200 {
                costs.learn_final(Duration::from_millis(took_ms), 5.0, 0);
                costs.learn_partial(Duration::from_millis(took_ms / 2), 0);
            }
            costs.rooms_max()
        };
        assert!(after(2_000) == 1 && after(20_000) == 1);
        assert!(after(100) > 8, "{}", after(100));
    }

    #[test]
    fn a_machine_that_hears_voices_slowly_has_fewer_rooms() {
        let mut costs = Costs::default();
        let before = costs.rooms_max();
        for _ in 0..50 {
            costs.learn_voice(Duration::from_millis(500), 5.0);
        }
        assert!(costs.rooms_max() < before, "{costs:?}");
    }

    #[test]
    fn what_runs_side_by_side_shares_the_time() {
        let (mut alone, mut beside) = (Costs::default(), Costs::default());
        alone.learn_partial(Duration::from_millis(200), 0);
        beside.learn_partial(Duration::from_millis(400), 1);
        assert_eq!(alone, beside);
    }
}
