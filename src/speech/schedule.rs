//! Which window next: finals before partials before batch work, and among equals the one that is due first. Pure.
//!
//! The same order holds everywhere a window waits: before the engine, inside it, and between two steps of a worker.
//!
//! `house` shares an engine between live rooms, `cost` follows what recognition costs here, `ladder` says what is left out
//! when that is too much.

pub mod cost;
pub mod house;
pub mod ladder;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Mono;
pub use cost::Costs;
pub use house::House;
pub use ladder::Level;

/// Who waits for a window; the earlier here, the sooner computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// People in a room wait for the text of a sentence that has ended.
    Final,
    /// People in a room see a sentence grow; the next guess replaces this one.
    Partial,
    /// A recording that is done when it is done.
    Batch,
}

/// When a window is wanted: urgency first, then the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Due {
    /// Who waits.
    pub urgency: Urgency,
    /// Milliseconds on a clock of the asker's: only compared, never read.
    pub by_ms: u64,
}

impl Due {
    /// Whenever there is time, in the order of asking.
    pub const BATCH: Self = Self { urgency: Urgency::Batch, by_ms: 0 };

    /// By a moment of the clock.
    pub fn at(urgency: Urgency, moment: Mono) -> Self {
        let since: Duration = moment.since(Mono::from_ms(0));
        Self { urgency, by_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// Things that wait for their turn.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: BTreeMap<(Due, u64), T>,
    arrivals: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), arrivals: 0 }
    }
}

impl<T> Queue<T> {
    /// Adds one behind all that are due no later.
    pub fn push(&mut self, due: Due, item: T) {
        self.waiting.insert((due, self.arrivals), item);
        self.arrivals += 1;
    }

    /// Takes out the next of those that are `wanted`.
    pub fn take(&mut self, wanted: impl Fn(&Due, &T) -> bool) -> Option<T> {
        let key = self.waiting.iter().find(|((due, _), item)| wanted(due, item)).map(|(key, _)| *key)?;
        self.waiting.remove(&key)
    }

    /// Takes out everything, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.waiting).into_values()
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Tells whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(urgency: Urgency, by_ms: u64) -> Due {
        Due { urgency, by_ms }
    }

    fn order(pushed: &[(Due, &'static str)]) -> Vec<&'static str> {
        let mut queue = Queue::default();
        for (due, item) in pushed {
            queue.push(*due, *item);
        }
        std::iter::from_fn(|| queue.take(|_, _| true)).collect()
    }

    #[test]
    fn finals_come_before_partials_and_partials_before_batch_work_whatever_their_deadlines() {
        let pushed = [
            (due(Urgency::Batch, 0), "batch"),
            (due(Urgency::Partial, 5), "partial"),
            (due(Urgency::Final, 900), "final"),
        ];
        assert_eq!(order(&pushed), ["final", "partial", "batch"]);
    }

    #[test]
    fn among_finals_the_one_due_first_comes_first_and_equals_in_the_order_of_asking() {
        let pushed = [
            (due(Urgency::Final, 30), "late"),
            (due(Urgency::Final, 10), "first"),
            (due(Urgency::Final, 10), "second"),
        ];
        assert_eq!(order(&pushed), ["first", "second", "late"]);
    }

    #[test]
    fn who_is_not_wanted_now_keeps_the_place() {
        let mut queue = Queue::default();
        for (name, by_ms) in [("a", 1), ("b", 2), ("c", 3)] {
            queue.push(due(Urgency::Partial, by_ms), name);
        }
        assert_eq!(queue.take(|_, name| *name == "b"), Some("b"));
        assert_eq!(queue.take(|due, _| due.by_ms > 9), None);
        assert_eq!((queue.len(), queue.drain().collect::<Vec<_>>()), (2, vec!["a", "c"]));
        assert!(queue.is_empty());
    }
}
