//! 混雑予報: what the same weekday was like in the weeks before, hour by hour.

use std::collections::BTreeMap;

use super::calendar::{JstDay, hour_of};
use super::report::Minute;
use crate::clock::UnixMs;

/// Weeks that are looked back at: long enough to see a habit, short enough to follow one that changes.
pub const WEEKS: i32 = 8;
/// Fewer days tell nothing about the next one.
pub const DAYS_MIN: usize = 2;

/// The hours of one day that has passed; an hour in which nothing happened is all zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayPast([HourPast; 24]);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct HourPast {
    peak: u32,
    /// Somebody waited or was refused.
    is_short: bool,
}

/// What an hour of the day is expected to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourAhead {
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The most seats in use at one time, as on the middle one of the days looked at.
    pub peak: u32,
    /// Whether on at least half of the days every seat was in use, or somebody waited or was refused.
    pub is_crowded: bool,
}

impl DayPast {
    /// Folds the minutes of a day; none if no seat was used on it, as on holidays and before the office began.
    pub fn of(minutes: &BTreeMap<i64, Minute>, day: JstDay) -> Option<Self> {
        let mut past = Self::default();
        for (minute, figures) in minutes {
            let at = UnixMs::from_ms(minute * 60_000);
            if JstDay::of(at) != day {
                continue;
            }
            let hour = &mut past.0[hour_of(at)];
            hour.peak = hour.peak.max(figures.peak);
            hour.is_short |= figures.waiting > 0 || figures.denied > 0;
        }
        (past != Self::default()).then_some(past)
    }
}

/// Returns the days whose minutes a forecast for `day` is made from, the latest first.
pub fn days_before(day: JstDay) -> impl Iterator<Item = JstDay> {
    (1..=WEEKS).map(move |weeks| JstDay(day.0 - 7 * weeks))
}

/// Tells what a day is expected to be like, with so many seats.
///
/// Shape: the hours in which a seat is expected to be in use, rising; none from fewer than [`DAYS_MIN`] days.
pub fn forecast(days: &[DayPast], seats: u32) -> Vec<HourAhead> {
    if days.len() < DAYS_MIN {
        return Vec::new();
    }
    let hour = |hour: usize| {
        let mut peaks: Vec<u32> = days.iter().map(|day| day.0[hour].peak).collect();
        peaks.sort_unstable();
        let is_full = |day: &&DayPast| day.0[hour].is_short || day.0[hour].peak >= seats.max(1);
        let is_crowded = days.iter().filter(is_full).count() * 2 >= days.len();
        HourAhead { hour: hour as u8, peak: peaks[peaks.len() / 2], is_crowded }
    };
    (0..24).map(hour).filter(|ahead| ahead.peak > 0 || ahead.is_crowded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30, a Monday.
    const DAY: JstDay = JstDay(20_787);

    /// A day on which these hours had so many seats in use and so many waiting.
    fn past(hours: &[(i64, u32, u32)]) -> Option<DayPast> {
        let first = DAY.start().ms() / 60_000;
        let minute = |(hour, peak, waiting): &(i64, u32, u32)| {
            let figures = Minute { peak: *peak, waiting: *waiting, ..Minute::default() };
            (first + hour * 60 + 59, figures)
        };
        DayPast::of(&hours.iter().map(minute).collect(), DAY)
    }

    fn days(all: &[&[(i64, u32, u32)]]) -> Vec<DayPast> {
        all.iter().filter_map(|hours| past(hours)).collect()
    }

    #[test]
    fn an_hour_that_was_full_on_half_of_the_days_is_crowded() {
        let days =
            days(&[&[(10, 2, 0), (15, 5, 0)], &[(10, 1, 0), (15, 5, 0)], &[(10, 3, 0)], &[(10, 2, 0)]]);
        let ahead = |hour, peak, is_crowded| HourAhead { hour, peak, is_crowded };
        assert_eq!(forecast(&days, 5), [ahead(10, 2, false), ahead(15, 5, true)]);
        assert_eq!(
            forecast(&days, 6),
            [ahead(10, 2, false), ahead(15, 5, false)],
            "with more seats it is not"
        );
    }

    #[test]
    fn somebody_who_waited_makes_an_hour_crowded_although_seats_were_kept_free_for_others() {
        let days = days(&[&[(9, 1, 2)], &[(9, 1, 1)], &[(9, 1, 0)]]);
        assert!(forecast(&days, 5)[0].is_crowded);
    }

    #[test]
    fn one_day_tells_nothing_and_an_empty_day_does_not_count() {
        assert_eq!(past(&[]), None);
        assert_eq!(forecast(&days(&[&[(9, 5, 3)], &[], &[]]), 5), []);
    }

    #[test]
    fn minutes_of_the_day_before_and_after_are_not_this_day_s() {
        assert_eq!(past(&[(-1, 4, 0), (24, 4, 0)]), None);
    }

    #[test]
    fn eight_days_of_the_same_weekday_are_looked_at() {
        let found: Vec<i32> = days_before(DAY).map(|day| DAY.0 - day.0).collect();
        assert_eq!(found, [7, 14, 21, 28, 35, 42, 49, 56]);
    }
}
