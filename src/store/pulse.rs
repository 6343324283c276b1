//! Whether the recogniser of this node lives: the worker writes it, the health page reads it. In memory only.
//!
//! ```text
//! idle ─began─► running ─moved…─► running ─ended─► idle
//!                  └─ silent for longer than the engine's own deadlines ─► wedged
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Id;
use crate::clock::Mono;
use crate::speech::engine::Health;

/// How the recogniser of this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How its engine is; none before the first job.
    pub engine: Option<Health>,
    /// The jobs that run here, with the time since each last moved.
    pub running: Vec<(Id, Duration)>,
    /// Whether one of them has not moved for longer than any deadline of the engine allows.
    pub is_wedged: bool,
}

/// A board on which the worker leaves signs of life.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Signs>);

#[derive(Debug, Default)]
struct Signs {
    engine: Option<Health>,
    moved: BTreeMap<Id, Mono>,
    silence_max: Option<Duration>,
}

impl Pulse {
    /// Says that a job runs from now on, and how long it may at most be silent.
    pub fn began(&self, job: Id, silence_max: Duration, now: Mono) {
        let mut signs = self.signs();
        signs.silence_max = Some(silence_max);
        signs.moved.insert(job, now);
    }

    /// Says that a running job has come further; one that does not run is passed over.
    pub fn moved(&self, job: Id, now: Mono) {
        if let Some(moved) = self.signs().moved.get_mut(&job) {
            *moved = now;
        }
    }

    /// Says that a job runs here no more.
    pub fn ended(&self, job: Id) {
        self.signs().moved.remove(&job);
    }

    /// Says how the engine is.
    pub fn engine(&self, health: Health) {
        self.signs().engine = Some(health);
    }

    /// Tells how the recogniser of this node is.
    pub fn condition(&self, now: Mono) -> Condition {
        let signs = self.signs();
        let running: Vec<_> = signs.moved.iter().map(|(job, moved)| (*job, now.since(*moved))).collect();
        let is_wedged =
            signs.silence_max.is_some_and(|most| running.iter().any(|(_, silence)| *silence > most));
        Condition { engine: signs.engine.clone(), running, is_wedged }
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: u64) -> Mono {
        Mono::from_ms(minutes * 60_000)
    }

    #[test]
    fn a_job_that_does_not_move_for_too_long_is_wedged_and_one_that_moves_is_not() {
        let (pulse, job) = (Pulse::default(), Id::new());
        pulse.began(job, 10 * MINUTE, at(0));
        assert!(!pulse.condition(at(10)).is_wedged);
        assert!(pulse.condition(at(11)).is_wedged);
        pulse.moved(job, at(11));
        assert_eq!(pulse.condition(at(12)).running, [(job, MINUTE)]);
        assert!(!pulse.condition(at(20)).is_wedged);
    }

    #[test]
    fn an_idle_recogniser_is_never_wedged() {
        let (pulse, job) = (Pulse::default(), Id::new());
        pulse.began(job, MINUTE, at(0));
        pulse.ended(job);
        pulse.moved(job, at(1));
        assert_eq!(pulse.condition(at(500)), Condition { engine: None, running: vec![], is_wedged: false });
    }
}
