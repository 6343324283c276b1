//! What is left out, step by step, when there is more to do than the machine can. Pure.
//!
//! Finals and audio are never left out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Mono;

/// Overload that lasts this long costs one more step.
const STEP_DOWN: Duration = Duration::from_secs(5);
/// Ease that lasts this long gives one step back.
const STEP_UP: Duration = Duration::from_secs(30);

/// How much is left out; each level leaves out what those before it do, and more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing: a guess every 0.8 s.
    #[default]
    Full,
    /// No guesses while a speaker pauses, and none at a final before the pause is certain.
    NoGuessesInPauses,
    /// A guess every 1.5 s.
    SlowPartials,
    /// A guess every 3 s.
    RarePartials,
    /// No guesses: text appears when a sentence has ended.
    FinalsOnly,
    /// Finals are tried less hard.
    QuickFinals,
    /// Batch work stands still altogether.
    BatchPaused,
    /// Captions come late, and say by how much.
    Delayed,
}

impl Level {
    /// All levels, from nothing left out on.
    pub const ALL: [Self; 8] = [
        Self::Full,
        Self::NoGuessesInPauses,
        Self::SlowPartials,
        Self::RarePartials,
        Self::FinalsOnly,
        Self::QuickFinals,
        Self::BatchPaused,
        Self::Delayed,
    ];

    /// Returns the time between two guesses; `None` = none are made.
    pub fn partial_every(self) -> Option<Duration> {
        match self {
            Self::Full | Self::NoGuessesInPauses => Some(Duration::from_millis(800)),
            Self::SlowPartials => Some(Duration::from_millis(1_500)),
            Self::RarePartials => Some(Duration::from_millis(3_000)),
            Self::FinalsOnly | Self::QuickFinals | Self::BatchPaused | Self::Delayed => None,
        }
    }

    /// Tells whether work may be done on suspicion while a speaker pauses.
    pub fn guesses_in_pauses(self) -> bool {
        self < Self::NoGuessesInPauses
    }

    /// Tells whether finals get the full effort.
    pub fn careful_finals(self) -> bool {
        self < Self::QuickFinals
    }

    /// Tells whether batch work may run beside.
    pub fn batch_runs(self) -> bool {
        self < Self::BatchPaused
    }

    fn step(self, by: isize) -> Self {
        let index = (self as isize + by).clamp(0, Self::ALL.len() as isize - 1);
        Self::ALL[index as usize]
    }
}

/// Decides when to take a step.
#[derive(Debug, Clone, Default)]
pub struct Ladder {
    level: Level,
    /// Since when it has been as it is now without a change, and whether that is overload.
    since: Option<(Mono, bool)>,
}

impl Ladder {
    /// Returns the present level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Learns whether there is more to do than can be done; tells the new level if that changes it.
    pub fn observe(&mut self, overloaded: bool, now: Mono) -> Option<Level> {
        let (since, was) = *self.since.get_or_insert((now, overloaded));
        if was != overloaded {
            self.since = Some((now, overloaded));
            return None;
        }
        let (patience, by) = if overloaded { (STEP_DOWN, 1) } else { (STEP_UP, -1) };
        let next = self.level.step(by);
        if now.since(since) < patience || next == self.level {
            return None;
        }
        self.level = next;
        self.since = Some((now, overloaded));
        Some(next)
    }

    /// Returns when observing can change the level, if things stay as they are.
    pub fn wake_at(&self) -> Option<Mono> {
        let (since, overloaded) = self.since?;
        let (patience, by) = if overloaded { (STEP_DOWN, 1) } else { (STEP_UP, -1) };
        (self.level.step(by) != self.level).then(|| since + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_overload_changes_nothing() {
        let mut ladder = Ladder::default();
        for ms in (0..60_000).step_by(1_000) {
            assert_eq!(ladder.observe(ms % 5_000 != 4_000, Mono::from_ms(ms)), None, "{ms}");
        }
    }

    #[test]
    fn each_five_seconds_of_overload_cost_one_step_and_each_thirty_of_ease_give_one_back() {
        let mut ladder = Ladder::default();
        let mut told = Vec::new();
        for ms in (0..12_000).step_by(100) {
            told.extend(ladder.observe(true, Mono::from_ms(ms)).map(|level| (ms, level)));
        }
        assert_eq!(told, [(5_000, Level::NoGuessesInPauses), (10_000, Level::SlowPartials)]);
        told.clear();
        for ms in (12_000..80_000).step_by(100) {
            told.extend(ladder.observe(false, Mono::from_ms(ms)).map(|level| (ms, level)));
        }
        assert_eq!(told, [(42_000, Level::NoGuessesInPauses), (72_000, Level::Full)]);
    }

    #[test]
    fn the_ladder_ends_where_captions_are_late_and_begins_where_nothing_is_left_out() {
        let mut ladder = Ladder::default();
        for second in 0..600 {
            ladder.observe(true, Mono::from_ms(second * 1_000));
        }
        assert_eq!((ladder.level(), ladder.wake_at()), (Level::Delayed, None));
        for second in 600..1_200 {
            ladder.observe(false, Mono::from_ms(second * 1_000));
        }
        assert_eq!((ladder.level(), ladder.wake_at()), (Level::Full, None));
    }

    #[test]
    fn each_level_leaves_out_no_less_than_the_one_before() {
        let every = |level: Level| level.partial_every().unwrap_or(Duration::MAX);
        for pair in Level::ALL.windows(2) {
            assert!(pair[0] < pair[1] && every(pair[0]) <= every(pair[1]));
        }
        assert_eq!(Level::ALL.map(|level| level as usize), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
