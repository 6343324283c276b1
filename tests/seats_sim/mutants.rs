//! Real bugs of others, put in on purpose: a check that cannot see them proves nothing.

use crate::histories::run;
use crate::server::Mutant;

/// Runs histories until one breaks; the error must name one of the invariants.
fn assert_caught(mutant: Mutant, within: u64, invariants: &[&str]) {
    for seed in 1..=within {
        let Err(broken) = run(seed, mutant) else { continue };
        let told = broken.lines().last().unwrap_or_default().to_owned();
        let is_expected = invariants.iter().any(|name| told.contains(&format!(": {name}: ")));
        assert!(is_expected, "{mutant:?} is caught by another check than {invariants:?}: {told}");
        println!("{mutant:?} is caught by history {seed}: {told}");
        return;
    }
    panic!("{within} histories do not see {mutant:?}");
}

#[test]
fn m1_leases_on_the_calendar_are_caught() {
    assert_caught(Mutant::WallClock, 1_000, &["I5", "I6", "I12"]);
}

#[test]
fn m2_an_end_computed_after_the_commit_is_caught() {
    assert_caught(Mutant::LateEnd, 20_000, &["I8"]);
}

#[test]
fn m3_the_whole_time_again_at_each_restart_is_caught() {
    assert_caught(Mutant::FullTimeEachRestart, 10_000, &["I5"]);
}

#[test]
fn m4_a_second_seat_for_a_reconnect_is_caught() {
    assert_caught(Mutant::SecondSeat, 500, &["I9"]);
}

#[test]
fn i4_without_fencing_a_stopped_holder_writes_after_the_seat_was_given_on() {
    assert_caught(Mutant::NoFence, 5_000, &["I4"]);
}
