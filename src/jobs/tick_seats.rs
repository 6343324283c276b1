//! One tick a second for the seats: it wakes whoever waits. Correctness never depends on it.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::store::seats::Seats;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Ticks until the server stops.
pub async fn run(seats: Seats, stop: CancellationToken) {
    let mut clock = tokio::time::interval(EVERY);
    // What was missed needs no catching up: one look at the time settles all of it.
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = clock.tick() => seats.tick(),
            () = stop.cancelled() => return,
        }
    }
}
