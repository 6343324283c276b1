//! The rows of reports, as JSON and as a table.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::By;
use crate::clock::UnixMs;
use crate::minutes::csv::{Charset, Exported};
use crate::seats::Holder;
use crate::seats::denials::Denial;
use crate::seats::report::{Figures, Minute, Period, Scope};
use crate::seats::whatif::{Answer, Range};

const HEAD: [&str; 14] = [
    "席の種類",
    "所属",
    "期間",
    "最大同時利用",
    "利用時間(席・時)",
    "利用開始",
    "利用できなかった件数",
    "満席による利用不可",
    "待ち時間の中央値(秒)",
    "待ち時間の95%値(秒)",
    "操作なしの時間(席・時)",
    "貸出",
    "予約の不使用",
    "期間の種類",
];

/// Figures of a kind of seat, a department and a time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Row {
    /// Which kind of seat
    pool: String,
    /// 所属; absent for the whole office
    department: Option<String>,
    /// `2027-04`, or `2027` for a 年度
    period: String,
    /// The same for a person: 2027年4月, 2027年度
    label: String,
    /// For which time it is counted
    by: By,
    /// The most seats in use at one time
    peak: u32,
    /// Time seats were in use, in milliseconds
    seat_ms: u64,
    /// Requests served, at once or after waiting
    served: u64,
    /// Requests refused, and waits given up
    denied: u64,
    /// Of these, not served within ten minutes either (満席による利用不可)
    true_denials: u64,
    /// Half of those served waited at most this long, in milliseconds
    wait_p50_ms: u64,
    /// 19 of 20 of those served waited at most this long, in milliseconds
    wait_p95_ms: u64,
    /// Time seats were held at the end without anything being done, in milliseconds
    idle_ms: u64,
    /// Seats lent to others
    lent: u64,
    /// Reservations nobody came to
    no_shows: u64,
}

impl Row {
    /// Writes a row, if it is of the kind of time that was asked for.
    pub fn of(scope: &Scope, figures: &Figures, by: By) -> Option<Self> {
        let (period, label) = match (scope.period, by) {
            (Period::Month(month), By::Month) => {
                (format!("{}-{:02}", month.year, month.month), format!("{}年{}月", month.year, month.month))
            }
            (Period::FiscalYear(year), By::FiscalYear) => (year.to_string(), format!("{year}年度")),
            (Period::Month(_), By::FiscalYear) | (Period::FiscalYear(_), By::Month) => return None,
        };
        Some(Self {
            pool: scope.pool.0.clone(),
            department: scope.department.clone(),
            period,
            label,
            by,
            peak: figures.peak,
            seat_ms: figures.seat_ms,
            served: figures.served,
            denied: figures.denied,
            true_denials: figures.true_denials,
            wait_p50_ms: figures.wait_p50_ms,
            wait_p95_ms: figures.wait_p95_ms,
            idle_ms: figures.idle_ms,
            lent: figures.lent,
            no_shows: figures.no_shows,
        })
    }

    /// Tells whether who may read about one department may read this.
    pub fn is_of(&self, own: &Option<String>) -> bool {
        own.is_none() || self.department == *own
    }

    fn cells(&self) -> [String; 14] {
        let hours = |ms: u64| {
            let tenths = ms / 360_000;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let seconds = |ms: u64| ms.div_ceil(1_000).to_string();
        let kind = match self.by {
            By::Month => "月",
            By::FiscalYear => "年度",
        };
        [
            self.pool.clone(),
            self.department.clone().unwrap_or_else(|| "全体".to_owned()),
            self.label.clone(),
            self.peak.to_string(),
            hours(self.seat_ms),
            self.served.to_string(),
            self.denied.to_string(),
            self.true_denials.to_string(),
            seconds(self.wait_p50_ms),
            seconds(self.wait_p95_ms),
            hours(self.idle_ms),
            self.lent.to_string(),
            self.no_shows.to_string(),
            kind.to_owned(),
        ]
    }
}

/// Writes rows as a file for a spreadsheet.
pub fn csv(rows: &[Row], charset: Charset) -> Exported {
    Exported::of(std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(Row::cells)), charset)
}

/// One minute in which something happened.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct MinuteRow {
    /// When it begins
    #[schema(value_type = i64)]
    at: UnixMs,
    /// The most seats in use at one time
    peak: u32,
    /// Seats in use on average, in thousandths
    average_milli: u32,
    /// Requests refused
    denied: u32,
    /// The most who waited at one time
    waiting: u32,
}

impl MinuteRow {
    /// Writes a minute, counted since 1970.
    pub const fn of(minute: i64, figures: &Minute) -> Self {
        Self {
            at: UnixMs::from_ms(minute * 60_000),
            peak: figures.peak,
            average_milli: figures.average_milli,
            denied: figures.denied,
            waiting: figures.waiting,
        }
    }
}

/// Somebody who was refused, or waited in vain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DenialRow {
    /// When
    #[schema(value_type = i64)]
    at: UnixMs,
    /// Which kind of seat
    pool: String,
    /// The account
    holder: Option<Uuid>,
    /// 所属, as it was then
    department: String,
    /// The stable word of the reason
    reason: &'static str,
    /// When they were served after all, if that was within ten minutes
    #[schema(value_type = Option<i64>)]
    served_at: Option<UnixMs>,
    /// The outcome for a person
    outcome: &'static str,
}

impl DenialRow {
    /// Writes a denial.
    pub fn of(denial: &Denial) -> Self {
        Self {
            at: denial.at,
            pool: denial.pool.0.clone(),
            holder: denial.holder.map(|(Holder::Person(id) | Holder::Room(id))| id),
            department: denial.department.clone(),
            reason: denial.reason,
            served_at: denial.served,
            outcome: if denial.served.is_some() {
                "10分以内に利用開始"
            } else {
                "利用できなかった"
            },
        }
    }

    /// Tells whether who may read about one department may read this.
    pub fn is_of(&self, own: &Option<String>) -> bool {
        own.as_ref().is_none_or(|own| *own == self.department)
    }
}

/// A number that depends on how long those who were refused would have stayed.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct RangeView {
    /// If they had stayed as briefly as a quarter of their department does
    low: u64,
    /// If they had stayed for their department's median
    median: u64,
    /// If they had stayed as long as a quarter of their department does
    high: u64,
}

impl From<Range> for RangeView {
    fn from(range: Range) -> Self {
        Self { low: range.low, median: range.median, high: range.high }
    }
}

/// What would have been.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WhatIf {
    /// With so many seats
    seats: u32,
    /// In so many days
    days: u32,
    /// Requests in all
    requests: u64,
    /// Of them, those whose length is a guess, for they were refused
    guessed: u64,
    /// Requests refused or given up
    denied: RangeView,
    /// 19 of 20 of those served would have waited at most this long, in milliseconds
    wait_p95_ms: RangeView,
    /// The most seats in use at one time
    peak: RangeView,
    /// The same for a person
    sentence: String,
}

impl WhatIf {
    /// Writes an answer.
    pub fn of(seats: u32, days: u32, answer: &Answer) -> Self {
        Self {
            seats,
            days,
            requests: answer.requests,
            guessed: answer.guessed,
            denied: answer.denied.into(),
            wait_p95_ms: answer.wait_p95_ms.into(),
            peak: answer.peak.into(),
            sentence: sentence(seats, days, answer),
        }
    }
}

fn sentence(seats: u32, days: u32, answer: &Answer) -> String {
    if answer.requests == 0 {
        return format!("直近{days}日間に利用の記録がないため、試算できません。");
    }
    let percent = |denied: u64| denied.saturating_mul(100).div_ceil(answer.requests);
    let (low, high) = (percent(answer.denied.low), percent(answer.denied.high));
    let share = match (low, high) {
        (_, 0) => "ありません".to_owned(),
        (_, 1) => "1%以下です".to_owned(),
        (low, high) if low == high => format!("約{high}%です"),
        (low, high) => format!("約{low}〜{high}%です"),
    };
    let mut text = format!("直近{days}日間と同じ使い方では、{seats}席のとき利用不可は{share}。");
    if answer.guessed > 0 {
        text += &format!("利用できなかった{}件の長さは、所属ごとの実績からの推定です。", answer.guessed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(requests: u64, denied: (u64, u64), guessed: u64) -> Answer {
        let denied = Range { low: denied.0, median: denied.0, high: denied.1 };
        Answer { requests, guessed, denied, ..Answer::default() }
    }

    #[test]
    fn a_supposition_says_its_range_and_what_is_a_guess() {
        assert!(sentence(58, 90, &answer(1_000, (0, 0), 0)).ends_with("58席のとき利用不可はありません。"));
        assert!(sentence(58, 90, &answer(1_000, (1, 9), 0)).ends_with("利用不可は1%以下です。"));
        let guess = sentence(40, 90, &answer(1_000, (20, 45), 7));
        assert!(guess.contains("約2〜5%です") && guess.contains("7件の長さは"), "{guess}");
        assert!(sentence(40, 90, &answer(0, (0, 0), 0)).contains("試算できません"));
    }
}
