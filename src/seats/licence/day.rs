//! Days of Japan: licences begin and end with them, and nothing of a licence is finer.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;

/// Length of a day; Japan has no summer time. Units: milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;
/// How far Japan is ahead of UTC. Units: milliseconds.
const JAPAN_MS: i64 = 9 * 3_600_000;
/// 2000-01-01 and 9999-12-31, counted from 1970-01-01.
const RANGE: std::ops::RangeInclusive<i32> = 10_957..=2_932_896;

/// A day of Japan's calendar, from 2000 to 9999, written `2027-03-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i32);

/// What is no day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no day of the calendar: {0:?}")]
pub struct NoDay(String);

impl Day {
    /// Reads `2027-03-31` and nothing else.
    ///
    /// Errors: [`NoDay`] with the text.
    pub fn parse(text: &str) -> Result<Self, NoDay> {
        let wrong = || NoDay(text.chars().take(20).collect());
        let is_form = text.len() == 10
            && text.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !is_form {
            return Err(wrong());
        }
        let part = |range: std::ops::Range<usize>| text[range].parse::<i16>().map_err(|_| wrong());
        let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
        let small = |number: i16| i8::try_from(number).map_err(|_| wrong());
        let date = Date::new(year, small(month)?, small(day)?).map_err(|_| wrong())?;
        let days = (date - epoch()).get_days();
        if RANGE.contains(&days) { Ok(Self(days)) } else { Err(wrong()) }
    }

    /// Returns the day that it is in Japan at a moment.
    ///
    /// Range: moments outside of the calendar's years count as its first or last day.
    pub fn in_japan(at: UnixMs) -> Self {
        let days = at.ms().saturating_add(JAPAN_MS).div_euclid(DAY_MS);
        Self::numbered(days)
    }

    /// Returns the moment at which the day begins: midnight in Japan.
    pub fn begins_at(self) -> UnixMs {
        UnixMs::from_ms(i64::from(self.0) * DAY_MS - JAPAN_MS)
    }

    /// Returns the day this many days later; the calendar's last one if there is none.
    pub fn plus(self, days: u32) -> Self {
        Self::numbered(i64::from(self.0) + i64::from(days))
    }

    /// Returns the day this many days earlier; the calendar's first one if there is none.
    pub fn minus(self, days: u32) -> Self {
        Self::numbered(i64::from(self.0) - i64::from(days))
    }

    /// Returns how many days later another day is; negative if it is earlier.
    pub fn days_until(self, other: Self) -> i32 {
        other.0 - self.0
    }

    /// Returns the day as people write it: `2027年3月31日`.
    pub fn in_words(self) -> String {
        let date = self.date();
        format!("{}年{}月{}日", date.year(), date.month(), date.day())
    }

    fn numbered(days: i64) -> Self {
        let days = days.clamp(i64::from(*RANGE.start()), i64::from(*RANGE.end()));
        Self(i32::try_from(days).expect("the calendar's days are few"))
    }

    fn date(self) -> Date {
        let span = jiff::Span::new().days(self.0);
        epoch().checked_add(span).expect("every day of the range is in the calendar")
    }
}

const fn epoch() -> Date {
    Date::constant(1970, 1, 1)
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

impl TryFrom<String> for Day {
    type Error = NoDay;

    fn try_from(text: String) -> Result<Self, NoDay> {
        Self::parse(&text)
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("the test's days are in the calendar")
    }

    #[test]
    fn the_first_of_april_begins_at_midnight_in_japan_not_at_nine() {
        // 2027-03-31 15:00 UTC is 2027-04-01 00:00 in Japan.
        let midnight = UnixMs::from_ms(1_806_505_200_000);
        assert_eq!(Day::in_japan(midnight), day("2027-04-01"));
        assert_eq!(Day::in_japan(UnixMs::from_ms(midnight.ms() - 1)), day("2027-03-31"));
        assert_eq!(day("2027-04-01").begins_at(), midnight);
    }

    #[test]
    fn only_days_of_the_calendar_are_read() {
        for text in [
            "",
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-4-1",
            "2027/04/01",
            " 2027-04-01",
            "1999-12-31",
            "2027-04-01T00",
            "+027-04-01",
            "２027-04-0",
        ] {
            assert!(Day::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(day("2028-02-29").plus(1), day("2028-03-01"));
        assert_eq!(day("9999-12-31").plus(5), day("9999-12-31"));
        assert_eq!(day("2000-01-01").minus(5), day("2000-01-01"));
    }

    #[test]
    fn a_day_is_written_for_files_and_for_people() {
        assert_eq!(day("2027-03-31").to_string(), "2027-03-31");
        assert_eq!(day("2027-03-31").in_words(), "2027年3月31日");
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_the_day_it_is_said_to(ms in 946_652_400_000_i64..253_370_732_400_000) {
            let day = Day::in_japan(UnixMs::from_ms(ms));
            prop_assert!(day.begins_at().ms() <= ms && ms < day.plus(1).begins_at().ms());
            prop_assert_eq!(Day::parse(&day.to_string()), Ok(day));
        }

        #[test]
        fn counting_forth_and_back_meets(number in 11_000_i32..2_000_000, days in 0_u32..4_000) {
            let day = Day(number);
            prop_assert_eq!(day.plus(days).minus(days), day);
            prop_assert_eq!(day.days_until(day.plus(days)), i32::try_from(days).expect("it is small"));
            prop_assert_eq!(day.plus(days) > day, days > 0);
        }

        #[test]
        fn no_text_and_no_moment_is_a_panic(text in ".{0,12}", ms: i64) {
            let _ = Day::parse(&text);
            let _ = Day::in_japan(UnixMs::from_ms(ms)).plus(u32::MAX).minus(u32::MAX).in_words();
        }
    }
}
