//! What the licence files amount to, as the engine of the seats takes it.

use super::standing::{GrantRefusal, PoolStanding, Standing, Status};
use crate::clock::UnixMs;
use crate::seats::PoolId;
use crate::seats::policy::{Bar, BurstTerms, Licence, Licensed};

/// Returns what the engine may grant.
///
/// Range: the engine has one bar for all kinds of seats, so it is set only where none may be granted; a kind that is
/// refused alone is left out. Extra seats are whole multiples to the engine: what several files allow is rounded down.
pub fn terms(standing: &Standing) -> Licence {
    let refusals = || standing.pools.iter().map(|pool| pool.refusal);
    let granting = refusals().any(|refusal| refusal.is_none());
    let bar = if granting { None } else { Some(bar(standing, refusals().flatten().next())) };
    let counted = standing.pools.iter().filter(|pool| !granting || pool.refusal.is_none());
    Licence { pools: counted.map(licensed).collect(), bar }
}

fn licensed(pool: &PoolStanding) -> Licensed {
    let times = |seats: u32| 1 + seats.checked_div(pool.seats).unwrap_or(0);
    let burst = pool.burst.map(|burst| BurstTerms { times: times(burst.seats), days: burst.days });
    Licensed {
        pool: PoolId(pool.feature.clone()),
        seats: pool.seats,
        burst: burst.filter(|burst| burst.times > 1),
    }
}

fn bar(standing: &Standing, refusal: Option<GrantRefusal>) -> Bar {
    let file = |fits: &dyn Fn(&Status) -> bool| {
        let found = standing.files.iter().rev().find(|file| fits(&file.status));
        found.map(|file| file.id.to_string()).unwrap_or_default()
    };
    match refusal {
        None | Some(GrantRefusal::None) => Bar::None,
        Some(GrantRefusal::NotStarted { from }) => {
            let file = file(&|status| matches!(status, Status::NotStarted { .. }));
            Bar::NotStarted { file, from: from.begins_at() }
        }
        Some(GrantRefusal::Ended { last }) => {
            let file = file(&|status| matches!(status, Status::Ended { .. }));
            // The last moment of its last day.
            Bar::Ended { file, to: UnixMs::from_ms(last.plus(1).begins_at().ms() - 1) }
        }
        Some(GrantRefusal::HostUnbound(host)) => {
            Bar::HostUnbound { matched: host.matched.into(), needed: host.k.into() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seats::licence::day::Day;
    use crate::seats::licence::standing::{BurstTerms as Extra, standing};

    fn day(text: &str) -> Day {
        Day::parse(text).expect("it is a day")
    }

    fn pool(feature: &str, seats: u32, refusal: Option<GrantRefusal>) -> PoolStanding {
        PoolStanding { feature: feature.into(), seats, burst: None, refusal }
    }

    fn with(pools: Vec<PoolStanding>) -> Standing {
        Standing { pools, ..standing(day("2027-04-01"), &[], &[]) }
    }

    #[test]
    fn without_a_file_there_are_five_seats_and_no_bar() {
        let terms = terms(&standing(day("2027-04-01"), &[], &[]));
        assert_eq!(terms.bar, None);
        assert_eq!(terms.pools, [Licensed { pool: PoolId::standard(), seats: 5, burst: None }]);
    }

    #[test]
    fn the_bar_names_the_last_moment_of_a_contract() {
        let ended = GrantRefusal::Ended { last: day("2027-03-31") };
        let terms = terms(&with(vec![pool("standard", 0, Some(ended))]));
        let Some(Bar::Ended { to, .. }) = terms.bar else { panic!("{terms:?}") };
        assert_eq!(to.ms() + 1, day("2027-04-01").begins_at().ms());
        assert_eq!(terms.pools.len(), 1, "the pool stays, so that those in use go on");
    }

    #[test]
    fn one_kind_that_is_refused_does_not_bar_the_others() {
        let terms = terms(&with(vec![pool("live", 0, Some(GrantRefusal::None)), pool("standard", 50, None)]));
        assert_eq!((terms.bar, terms.pools.len()), (None, 1));
    }

    #[test]
    fn extra_seats_are_counted_in_whole_multiples() {
        let burst =
            |seats| PoolStanding { burst: Some(Extra { seats, days: 14 }), ..pool("standard", 50, None) };
        let times = |seats| terms(&with(vec![burst(seats)])).pools[0].burst.map(|burst| burst.times);
        assert_eq!([times(50), times(75), times(30)], [Some(2), Some(2), None]);
    }
}
