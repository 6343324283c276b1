use proptest::prelude::*;

use super::super::tests::{any_licence, bound, day, host, id, installed, next_year, pool, year};
use super::super::{Burst, PoolTerms};
use super::*;
use crate::clock::UnixMs;

fn seats(licences: &[Licence], on: &str) -> u32 {
    let seats = seats_on(day(on), &installed(licences), "standard");
    let standing = standing(day(on), &installed(licences), &[]);
    let shown = standing.pool("standard").map_or(0, |pool| pool.seats);
    let is_evaluation = licences.iter().all(|licence| licence.first() > day(on));
    assert_eq!(shown, if is_evaluation { 5 } else { seats });
    seats
}

#[test]
fn i18_seats_count_from_the_first_day_in_japan_to_the_end_of_the_grace() {
    let of_year = [year()];
    for (on, expected) in [
        ("2027-03-31", 0),
        ("2027-04-01", 50),
        ("2028-03-31", 50),
        ("2028-04-01", 50),
        ("2028-04-14", 50),
        ("2028-04-15", 0),
    ] {
        assert_eq!(seats(&of_year, on), expected, "{on}");
    }
    // Midnight of 1 April in Japan is 15:00 of 31 March in UTC.
    let midnight = day("2027-04-01").begins_at();
    let before = UnixMs::from_ms(midnight.ms() - 1);
    assert_eq!(seats_on(Day::in_japan(midnight), &installed(&of_year), "standard"), 50);
    assert_eq!(seats_on(Day::in_japan(before), &installed(&of_year), "standard"), 0);
}

#[test]
fn i18_next_year_installed_early_takes_over_on_its_day_and_is_never_added_to_the_grace() {
    let both = [year(), Licence { pools: vec![pool(60)], ..next_year() }];
    for (on, expected) in
        [("2027-04-01", 50), ("2028-03-31", 50), ("2028-04-01", 60), ("2028-04-14", 60), ("2028-04-15", 60)]
    {
        assert_eq!(seats(&both, on), expected, "{on}");
    }
    let fewer = [year(), Licence { pools: vec![pool(20)], ..next_year() }];
    assert_eq!(seats(&fewer, "2028-04-14"), 50, "the grace of the larger file");
    assert_eq!(seats(&fewer, "2028-04-15"), 20);
    let replacing = [year(), Licence { pools: vec![pool(20)], supersedes: vec![id("y2027")], ..next_year() }];
    assert_eq!(seats(&replacing, "2028-03-31"), 50, "it begins on its own day only");
    assert_eq!(seats(&replacing, "2028-04-01"), 20, "what is replaced has no grace");
}

#[test]
fn i18_overlapping_files_are_summed_unless_one_replaces_the_other() {
    let extra = Licence {
        id: id("extra"),
        seq: 8,
        pools: vec![pool(10)],
        valid: [day("2027-10-01"), day("2028-09-30")],
        ..year()
    };
    let summed = [year(), extra.clone()];
    assert_eq!(seats(&summed, "2027-09-30"), 50);
    assert_eq!(seats(&summed, "2027-10-01"), 60);
    assert_eq!(seats(&summed, "2028-04-10"), 60, "grace keeps what was in force on the last day");
    assert_eq!(seats(&summed, "2028-04-15"), 10);
    let replacing = [year(), Licence { supersedes: vec![id("y2027")], ..extra.clone() }];
    assert_eq!(seats(&replacing, "2027-10-01"), 10);
    let backwards = [Licence { supersedes: vec![id("extra")], ..year() }, extra];
    assert_eq!(seats(&backwards, "2027-10-01"), 60, "an older file replaces no newer one");
    let anew = [year(), Licence { seq: 9, pools: vec![pool(70)], ..year() }];
    assert_eq!(seats(&anew, "2027-05-01"), 70, "the highest number of one name wins");
}

#[test]
fn i18_bursts_are_summed_and_open_on_the_fewest_days_that_any_file_allows() {
    let burst = |x, days| Some(Burst { x, days });
    let first = Licence { pools: vec![PoolTerms { burst: burst(2, 14), ..pool(50) }], ..year() };
    let second = Licence { id: id("b"), pools: vec![PoolTerms { burst: burst(3, 7), ..pool(10) }], ..year() };
    let today = standing(day("2027-05-01"), &installed(&[first, second]), &[]);
    let pool = today.pool("standard").expect("there are such seats");
    assert_eq!((pool.seats, pool.burst), (60, Some(BurstTerms { seats: 70, days: 7 })));
}

#[test]
fn i18_without_a_file_there_are_five_seats_for_ever_and_a_file_for_later_takes_none_away() {
    for (on, files) in [("2027-03-31", vec![]), ("9999-12-31", vec![]), ("2027-03-31", vec![year()])] {
        let today = standing(day(on), &installed(&files), &[]);
        assert_eq!(today.kind, Kind::Evaluation);
        assert_eq!(today.pool("standard").map(|pool| pool.seats), Some(5));
        assert_eq!(today.may_grant("standard"), Ok(()));
        assert_eq!(today.may_grant("other"), Err(GrantRefusal::None));
        assert_eq!(today.notices, []);
    }
    let other = Licence { pools: vec![PoolTerms { feature: "other".into(), ..pool(3) }], ..year() };
    let today = standing(day("2027-03-31"), &installed(&[other]), &[]);
    assert_eq!(today.may_grant("other"), Err(GrantRefusal::NotStarted { from: day("2027-04-01") }));
    assert_eq!(today.may_grant("standard"), Ok(()));
}

#[test]
fn i18_after_the_grace_no_new_seat_is_given_and_the_reason_names_the_day() {
    let today = standing(day("2028-04-15"), &installed(&[year()]), &[]);
    let refusal = today.may_grant("standard").expect_err("it is over");
    assert_eq!(refusal, GrantRefusal::Ended { last: day("2028-03-31") });
    assert_eq!(
        refusal.sentence(),
        "ライセンスの期限(2028年3月31日)が過ぎたため新しく開始できません。利用中の作業は続けられます。"
    );
    assert_eq!(today.kind, Kind::Contract, "an office whose contract ended is no trial");
    let gap = Licence { valid: [day("2028-06-01"), day("2029-03-31")], ..next_year() };
    let today = standing(day("2028-04-15"), &installed(&[year(), gap]), &[]);
    assert_eq!(today.may_grant("standard"), Err(GrantRefusal::NotStarted { from: day("2028-06-01") }));
}

#[test]
fn i18_a_changed_host_has_thirty_days_of_full_service_then_no_new_seats() {
    let since = day("2027-06-01");
    let files = [Installed { licence: bound(), unbound_since: Some(since) }];
    let mut changed = host(2);
    changed[..2].copy_from_slice(&host(1)[..2]);
    let found = Match { matched: 2, k: 3, n: 5 };
    let first = standing(since, &files, &changed);
    assert_eq!(first.notices, [Notice::HostChanged { host: found, days_left: 30 }]);
    let last = standing(day("2027-06-30"), &files, &changed);
    assert_eq!(last.may_grant("standard"), Ok(()));
    assert_eq!(last.notices, [Notice::HostChanged { host: found, days_left: 1 }]);
    let over = standing(day("2027-07-01"), &files, &changed);
    assert_eq!(over.may_grant("standard"), Err(GrantRefusal::HostUnbound(found)));
    assert_eq!(over.notices, [Notice::HostChanged { host: found, days_left: 0 }]);
    let mut three = host(2);
    three[..3].copy_from_slice(&host(1)[..3]);
    let fits = standing(day("2027-07-01"), &files, &three);
    assert_eq!((fits.may_grant("standard"), fits.notices.len()), (Ok(()), 0));
}

#[test]
fn people_are_told_sixty_thirty_and_seven_days_before_and_on_the_last_day() {
    let stage = |on: &str, files: &[Licence]| {
        let notices = standing(day(on), &installed(files), &[]).notices;
        let Some(Notice::EndsSoon { days_left, stage, .. }) = notices.first() else { return None };
        Some((*days_left, *stage))
    };
    let alone = [year()];
    assert_eq!(stage("2028-01-30", &alone), None);
    assert_eq!(stage("2028-01-31", &alone), Some((60, 60)));
    assert_eq!(stage("2028-03-01", &alone), Some((30, 30)));
    assert_eq!(stage("2028-03-24", &alone), Some((7, 7)));
    assert_eq!(stage("2028-03-31", &alone), Some((0, 7)));
    let renewed = [year(), next_year()];
    assert_eq!(stage("2028-03-31", &renewed), None, "the next one follows");
    let smaller = [year(), Licence { pools: vec![pool(40)], ..next_year() }];
    assert_eq!(stage("2028-03-31", &smaller), Some((0, 7)), "ten seats go");
    let notices = |files: &[Licence]| standing(day("2028-04-02"), &installed(files), &[]).notices;
    let in_grace = Notice::InGrace { last: day("2028-03-31"), until: day("2028-04-14") };
    assert_eq!(notices(&alone), [in_grace]);
    assert_eq!(notices(&renewed), []);
}

#[test]
fn every_file_says_whether_it_counts_and_why_not() {
    let old = Licence { id: id("old"), seq: 1, valid: [day("2026-04-01"), day("2027-03-31")], ..year() };
    let replaced = Licence { id: id("gone"), seq: 2, ..year() };
    let now = Licence { supersedes: vec![id("gone")], ..year() };
    let today = standing(day("2027-05-01"), &installed(&[next_year(), now, old, replaced]), &[]);
    let statuses: Vec<Status> = today.files.into_iter().map(|file| file.status).collect();
    assert_eq!(
        statuses,
        [
            Status::Ended { last: day("2027-03-31") },
            Status::Replaced { by: id("y2027") },
            Status::Counts,
            Status::NotStarted { from: day("2028-04-01") },
        ]
    );
}

proptest! {
    #[test]
    fn i18_seats_never_exceed_what_valid_files_gave_at_one_time(
        licences in proptest::collection::vec(any_licence(), 0..6), offset in 0_u32..1_600,
    ) {
        let today = day("2027-01-01").plus(offset);
        let alive = |licence: &&Licence| licence.first() <= today && today <= licence.grace_until();
        let valid_on = |day: Day| -> u32 {
            let valid = licences.iter().filter(alive).filter(|one| one.first() <= day && day <= one.last());
            valid.map(|licence| licence.pools[0].seats).sum()
        };
        let most = (0..=40).map(|back| valid_on(today.minus(back))).max().unwrap_or(0);
        prop_assert!(seats_on(today, &installed(&licences), "standard") <= most);
    }

    #[test]
    fn i18_a_newer_file_never_lets_an_older_one_of_its_name_count(
        licences in proptest::collection::vec(any_licence(), 0..6), offset in 0_u32..1_600,
    ) {
        let today = day("2027-01-01").plus(offset);
        let standing = standing(today, &installed(&licences), &[]);
        let mut sorted = licences;
        sorted.sort_by(|left, right| (left.seq, &left.id).cmp(&(right.seq, &right.id)));
        for (licence, file) in sorted.iter().zip(&standing.files) {
            let is_replaced = sorted.iter().any(|other| other.replaces(licence, today));
            prop_assert_eq!(matches!(file.status, Status::Replaced { .. }), is_replaced);
        }
        let seats: u32 = standing.pools.iter().map(|pool| pool.seats).sum();
        let granted = standing.may_grant("standard").is_ok();
        prop_assert_eq!(granted, seats > 0);
    }

    #[test]
    fn i18_both_ends_of_the_validity_are_whole_days_of_japan(licence in any_licence(), ms in 0_i64..86_400_000) {
        let of = |begins: UnixMs, ms: i64| {
            Day::in_japan(UnixMs::from_ms(begins.ms() + ms))
        };
        let files = installed(std::slice::from_ref(&licence));
        let seats = licence.pools[0].seats;
        prop_assert_eq!(seats_on(of(licence.first().begins_at(), ms), &files, "standard"), seats);
        prop_assert_eq!(seats_on(of(licence.grace_until().begins_at(), ms), &files, "standard"), seats);
        prop_assert_eq!(seats_on(of(licence.first().begins_at(), -1 - ms), &files, "standard"), 0);
        let after = licence.grace_until().plus(1).begins_at();
        prop_assert_eq!(seats_on(of(after, ms), &files, "standard"), 0);
    }

}
