//! Many histories, each checked from outside after every step.

use crate::server::Mutant;
use crate::world::{Summary, World};

/// Histories of an ordinary run.
const HISTORIES: u64 = 100_000;

/// Seeds that once found something; they run first.
const REGRESSIONS: [u64; 16] =
    [0, 70, 513, 1332, 1540, 2030, 5305, 7666, 11238, 14431, 45221, 191388, 297149, 326132, 683657, 722466];

#[expect(clippy::disallowed_methods, reason = "a nightly run asks for more")]
fn histories() -> u64 {
    std::env::var("SEATS_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(HISTORIES)
}

/// Runs one history; a failing one is run again to tell its story.
pub fn run(seed: u64, mutant: Mutant) -> Result<Summary, String> {
    let mut world = World::new(seed, mutant);
    world.run().map_err(|broken| {
        let mut again = World::new(seed, mutant);
        again.server.story = Some(Vec::new());
        let _ = again.run();
        let trace = again.server.story.unwrap_or_default().join("\n");
        format!("seed {seed}: {broken}\n{trace}\nseed {seed}: {broken}")
    })
}

#[test]
fn i1_i2_i3_i4_i5_i6_i8_i9_i10_i12_i13_i19_hold_in_every_history() {
    let count = histories();
    let (mut events, mut grants, mut saves) = (0, 0, 0);
    for seed in REGRESSIONS.into_iter().chain(1..=count) {
        let summary = run(seed, Mutant::None).unwrap_or_else(|broken| panic!("{broken}"));
        events += summary.events;
        grants += summary.grants;
        saves += summary.saves;
    }
    println!(
        "{count} histories, seeds 1 to {count}: {events} events, {grants} grants, {saves} leases worked with"
    );
    assert!(grants > count, "{grants} grants: the histories are empty");
}

/// Plays the history that `SEATS_SEED` names, for whoever looks for its fault.
#[test]
#[expect(clippy::disallowed_methods, reason = "a seed is given by hand")]
fn the_history_that_is_asked_for_holds() {
    let seed = std::env::var("SEATS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    run(seed, Mutant::None).unwrap_or_else(|broken| panic!("{broken}"));
}
