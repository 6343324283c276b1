//! Dates and times as an office writes them.

use jiff::civil::{Date, Time, Weekday};

use super::options::{Clock, Era};

/// The days on which eras began, newest first.
///
/// Source: 元号法 and the cabinet orders under it; earlier days are written 西暦.
const ERAS: [(&str, (i16, i8, i8)); 4] =
    [("令和", (2019, 5, 1)), ("平成", (1989, 1, 8)), ("昭和", (1926, 12, 25)), ("大正", (1912, 7, 30))];

/// Returns a number as running text has it: one digit full width, more digits half width.
///
/// Source: the habit of 公用文, which MINUTES.md makes the default.
pub(super) fn number(value: i64) -> String {
    match u32::try_from(value) {
        Ok(digit @ 0..=9) => char::from_u32('０' as u32 + digit).map_or_else(String::new, String::from),
        _ => value.to_string(),
    }
}

/// Writes a stored date such as `2026-11-22` with its weekday; anything else stays as it is.
pub(super) fn date(stored: &str, era: Era) -> String {
    let Ok(date) = stored.trim().parse::<Date>() else { return stored.to_owned() };
    let (month, day) = (number(date.month().into()), number(date.day().into()));
    format!("{}{month}月{day}日({})", year(date, era), weekday(date))
}

fn year(date: Date, era: Era) -> String {
    let western = format!("{}年", date.year());
    match era {
        Era::Western => western,
        Era::Japanese => {
            let begun = |(_, (year, month, day)): &&(&str, (i16, i8, i8))| {
                (date.year(), date.month(), date.day()) >= (*year, *month, *day)
            };
            ERAS.iter().find(begun).map_or(western, |(name, (first, _, _))| match date.year() - first + 1 {
                1 => format!("{name}元年"),
                count => format!("{name}{}年", number(count.into())),
            })
        }
    }
}

fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "月",
        Weekday::Tuesday => "火",
        Weekday::Wednesday => "水",
        Weekday::Thursday => "木",
        Weekday::Friday => "金",
        Weekday::Saturday => "土",
        Weekday::Sunday => "日",
    }
}

/// Writes a stored time such as `13:30`; anything else stays as it is.
pub(super) fn time(stored: &str, clock: Clock) -> String {
    let Ok(time) = Time::strptime("%H:%M", stored.trim()) else { return stored.to_owned() };
    let (hour, minute) = (i64::from(time.hour()), i64::from(time.minute()));
    match clock {
        Clock::Day => format!("{hour}:{minute:02}"),
        Clock::Halves => {
            let half = if hour < 12 { "午前" } else { "午後" };
            let minutes = if minute == 0 { String::new() } else { format!("{}分", number(minute)) };
            format!("{half}{}時{minutes}", number(hour % 12))
        }
    }
}

/// Joins date, start and end into 開催日時; what is missing is left out.
pub(super) fn held(date: &str, starts: &str, ends: &str) -> String {
    let span = match (starts.is_empty(), ends.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("{starts}から"),
        (true, false) => format!("{ends}まで"),
        (false, false) => format!("{starts}から{ends}まで"),
    };
    let gap = if date.is_empty() || span.is_empty() { "" } else { "　" };
    format!("{date}{gap}{span}")
}

/// Returns the eight digits of a stored date for a file's name; nothing for anything else.
pub(super) fn digits(stored: &str) -> String {
    let Ok(date) = stored.trim().parse::<Date>() else { return String::new() };
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

/// Writes a place in the recording as `01:02:03`.
pub(super) fn place(at_ms: u64) -> String {
    let seconds = at_ms / 1000;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_in_both_calendars() {
        let cases = [
            ("2026-11-22", Era::Japanese, "令和８年11月22日(日)"),
            ("2028-01-05", Era::Japanese, "令和10年１月５日(水)"),
            ("2019-05-01", Era::Japanese, "令和元年５月１日(水)"),
            ("2019-04-30", Era::Japanese, "平成31年４月30日(火)"),
            ("1989-01-08", Era::Japanese, "平成元年１月８日(日)"),
            ("1989-01-07", Era::Japanese, "昭和64年１月７日(土)"),
            ("1900-01-01", Era::Japanese, "1900年１月１日(月)"),
            ("2026-11-22", Era::Western, "2026年11月22日(日)"),
            ("来週の月曜日", Era::Japanese, "来週の月曜日"),
            ("2026-02-30", Era::Japanese, "2026-02-30"),
        ];
        for (stored, era, written) in cases {
            assert_eq!(date(stored, era), written, "{stored}");
        }
    }

    #[test]
    fn times_are_written_by_both_clocks() {
        let cases = [
            ("13:30", Clock::Halves, "午後１時30分"),
            ("15:00", Clock::Halves, "午後３時"),
            ("09:05", Clock::Halves, "午前９時５分"),
            ("00:00", Clock::Halves, "午前０時"),
            ("12:00", Clock::Halves, "午後０時"),
            ("22:10", Clock::Halves, "午後10時10分"),
            ("09:05", Clock::Day, "9:05"),
            ("未定", Clock::Day, "未定"),
        ];
        for (stored, clock, written) in cases {
            assert_eq!(time(stored, clock), written, "{stored}");
        }
    }

    #[test]
    fn what_is_missing_is_not_written() {
        assert_eq!(held("令和８年", "午後１時", "午後３時"), "令和８年　午後１時から午後３時まで");
        assert_eq!(held("令和８年", "", ""), "令和８年");
        assert_eq!(held("", "午後１時", ""), "午後１時から");
        assert_eq!(held("", "", ""), "");
    }

    #[test]
    fn a_place_in_the_recording_has_hours() {
        assert_eq!(place(3_723_999), "01:02:03");
        assert_eq!(digits("2026-11-22"), "20261122");
        assert_eq!(digits("?"), "");
    }
}
