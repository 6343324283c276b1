//! The calendar that can be trusted: a mark that only rises, and the days of JST.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Mono, UnixMs};

/// Japan has had no summer time since 1952: the offset is a constant.
const JST_MS: i64 = 9 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// A wall clock further off than this is reported.
const SUSPECT_MS: u64 = 600_000;

/// How long a wall clock has to stay ahead before it is believed.
const STEADY: Duration = Duration::from_secs(7 * 86_400);

/// How long a server may have been off for its wall clock to be believed at the start.
const ORDINARY_STOP: Duration = Duration::from_secs(4 * 86_400);

/// A day in Japan.
///
/// Units: days since 1970-01-01 JST.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JstDay(pub i32);

/// A month of the calendar in Japan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JstMonth {
    /// The year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
}

impl JstDay {
    /// Returns the day of a moment.
    pub const fn of(office: UnixMs) -> Self {
        Self((office.ms() + JST_MS).div_euclid(DAY_MS) as i32)
    }

    /// Returns the first moment of the day.
    pub const fn start(self) -> UnixMs {
        UnixMs::from_ms(self.0 as i64 * DAY_MS - JST_MS)
    }

    /// Tells Saturdays and Sundays; holidays are not known here.
    pub const fn is_weekend(self) -> bool {
        // 1970-01-01 was a Thursday.
        matches!((self.0 + 3).rem_euclid(7), 5 | 6)
    }

    /// Returns the month.
    ///
    /// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    pub const fn month(self) -> JstMonth {
        let days = self.0 as i64 + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        JstMonth { year: year as i32, month: month as u32 }
    }

    /// Returns the fiscal year (年度), which begins on the first of April.
    pub const fn fiscal_year(self) -> i32 {
        let month = self.month();
        if month.month >= 4 { month.year } else { month.year - 1 }
    }
}

/// Returns the hour of the day in Japan, 0 to 23.
pub const fn hour_of(office: UnixMs) -> usize {
    ((office.ms() + JST_MS).rem_euclid(DAY_MS) / 3_600_000) as usize
}

/// Returns the time of day in Japan as people write it, such as 14:05.
pub fn clock_text(office: UnixMs) -> String {
    let minutes = (office.ms() + JST_MS).rem_euclid(DAY_MS) / 60_000;
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

/// Returns the month and day in Japan, 1 to 12 and 1 to 31.
pub const fn month_and_day(office: UnixMs) -> (u32, u32) {
    let day = JstDay::of(office);
    let month = day.month();
    let mut first = day.0;
    while JstDay(first - 1).month().month == month.month {
        first -= 1;
    }
    (month.month, (day.0 - first + 1) as u32)
}

/// The trusted calendar: a stored mark, carried on by the clock that never jumps.
///
/// The wall clock is asked, not obeyed: one that is behind never turns it back, one that is ahead counts when an
/// administrator says so or once it has stayed ahead by the same for seven days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedDate {
    base: UnixMs,
    mono: Mono,
    ahead: Option<Ahead>,
}

/// A wall clock that is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ahead {
    since: Mono,
    by_ms: u64,
}

/// What the wall clock says about the trusted calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WallClock {
    /// They agree within ten minutes.
    Agrees,
    /// The wall clock is behind by so much: 時計の確認.
    Behind {
        /// By how much.
        by_ms: u64,
    },
    /// The wall clock is ahead by so much: 時計の確認.
    Ahead {
        /// By how much.
        by_ms: u64,
    },
}

impl TrustedDate {
    /// Starts from the mark stored last; the very first start believes the wall clock.
    pub fn start(mark: Option<UnixMs>, wall: UnixMs, mono: Mono) -> Self {
        let base = match mark {
            None => wall,
            // A server that stood still over a long weekend is the usual case, not a clock that was set.
            Some(mark) if wall >= mark && wall.since(mark) <= ORDINARY_STOP => wall,
            Some(mark) => mark,
        };
        Self { base, mono, ahead: None }
    }

    /// Returns the trusted moment; also what to store as the mark each hour.
    pub fn now(&self, mono: Mono) -> UnixMs {
        self.base.plus(mono.since(self.mono))
    }

    /// Looks at the wall clock, and follows it where that is safe.
    pub fn look(&mut self, wall: UnixMs, mono: Mono) -> WallClock {
        let trusted = self.now(mono);
        if wall < trusted {
            self.ahead = None;
            let by_ms = trusted.since(wall).as_millis() as u64;
            return if by_ms > SUSPECT_MS { WallClock::Behind { by_ms } } else { WallClock::Agrees };
        }
        let by_ms = wall.since(trusted).as_millis() as u64;
        if by_ms <= SUSPECT_MS {
            // Crystals differ: small differences are taken over, so that the mark does not fall behind for years.
            (self.base, self.mono, self.ahead) = (wall, mono, None);
            return WallClock::Agrees;
        }
        let ahead = match self.ahead {
            Some(ahead) if ahead.by_ms.abs_diff(by_ms) <= SUSPECT_MS => ahead,
            _ => Ahead { since: mono, by_ms },
        };
        self.ahead = Some(ahead);
        if mono.since(ahead.since) >= STEADY {
            self.confirm(wall, mono);
            return WallClock::Agrees;
        }
        WallClock::Ahead { by_ms }
    }

    /// Believes the wall clock, for an administrator has looked at it; a clock that is behind changes nothing.
    pub fn confirm(&mut self, wall: UnixMs, mono: Mono) {
        if wall > self.now(mono) {
            (self.base, self.mono, self.ahead) = (wall, mono, None);
        }
    }
}
