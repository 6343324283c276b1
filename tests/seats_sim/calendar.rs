//! I7: two offices that differ in nothing but what the server's calendar shows.

use std::mem::{Discriminant, discriminant};

use gijiroku::seats::{At, Cause, Happened};

use crate::clocks::TEN_YEARS_MS;
use crate::random::Luck;
use crate::server::Mutant;
use crate::world::World;

/// What an event says without the calendar.
type Shape = (At, Cause, Discriminant<Happened>);

/// Runs a history and returns its events; `jumps` lets the server's calendar leap about.
fn shapes(seed: u64, jumps: bool, mutant: Mutant) -> Vec<Shape> {
    let mut world = World::new(seed, mutant);
    if jumps {
        let mut luck = Luck::new(seed ^ 0xCA1E);
        world.wall_jumps =
            (0..20).map(|_| [TEN_YEARS_MS, -TEN_YEARS_MS, 60_000, -60_000][luck.index(4)]).collect();
    }
    // A mutant may break an invariant on the way; here only the traces are compared.
    let _ = world.run();
    let server = &world.server;
    let events = server.disk.iter().chain(server.pending_events());
    events.map(|event| (event.at, event.cause.clone(), discriminant(&event.what))).collect()
}

#[test]
fn i7_the_calendar_changes_no_grant_and_no_end() {
    for seed in 1..=2_000 {
        let (still, jumping) = (shapes(seed, false, Mutant::None), shapes(seed, true, Mutant::None));
        assert!(still == jumping, "seed {seed}: the calendar changed what happened");
    }
}

#[test]
fn i7_leases_on_the_calendar_are_told_apart() {
    let differs = |seed| shapes(seed, false, Mutant::WallClock) != shapes(seed, true, Mutant::WallClock);
    assert!((1..=20).any(differs), "twenty histories do not see leases on the calendar");
}
