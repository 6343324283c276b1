//! Reports about the seats: how many were in use, who was refused, and how it would have been with another number.
//!
//! Everything is folded from the recorded events; nothing is counted twice, and nothing is kept for reports alone.

mod table;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

use super::super::auth::{Caller, Query};
use super::super::error::{Code, Problem};
use super::super::{Shared, access, heavy};
use super::{applicant, pool};
use crate::clock::UnixMs;
use crate::minutes::csv::Charset;
use crate::seats::calendar::JstDay;
use crate::seats::denials::denials;
use crate::seats::licence::day::Day;
use crate::seats::report::{figures, minutes};
use crate::seats::whatif::{Question, what_if};
use crate::seats::{Event, Happened};
use crate::store::audit::Entry;
use crate::store::sessions::Scope;
use crate::store::users::Role;
use table::{DenialRow, MinuteRow, Row, WhatIf};

/// Events read from the log at a time.
const PAGE: u32 = 2_000;
/// Most events of one report: some years of a large office, some hundred megabytes.
const EVENTS_MAX: usize = 400_000;
/// Longest time a report is about.
const DAYS_MAX: i32 = 366 * 5;
/// Most denials told one by one.
const DENIALS_MAX: usize = 1_000;
/// Longest time that is replayed.
const REPLAY_DAYS_MAX: u32 = 120;
/// Most seats that are asked about.
const SEATS_MAX: u32 = 100_000;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Says how many characters of a CP932 file are 〓 because the charset lacks them.
const UNMAPPED_HEADER: HeaderName = HeaderName::from_static("x-unmapped-count");

/// One report at a time: each may hold its events in memory.
static REPORT: Semaphore = Semaphore::const_new(1);

/// For which time rows are counted together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Months
    #[default]
    Month,
    /// 年度
    FiscalYear,
}

/// What a report is about.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct ReportQuery {
    /// The first day, `2027-04-01`; the first of the present fiscal year if absent
    from: Option<String>,
    /// The last day; today if absent
    to: Option<String>,
    /// `month` (as if absent) or `fiscal_year`
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// How the characters of a file are written: `utf8_bom` (as if absent) or `cp932`
    #[serde(default)]
    #[param(inline)]
    charset: Charset,
}

/// Which day.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct DayQuery {
    /// The day, `2027-04-01`; today if absent
    day: Option<String>,
    /// Which kind of seat; `standard` if absent
    pool: Option<String>,
}

/// What is supposed.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct WhatIfQuery {
    /// How many seats
    seats: u32,
    /// How many days are replayed, up to now; 90 if absent, at most 120
    days: Option<u32>,
    /// Which kind of seat; `standard` if absent
    pool: Option<String>,
}

/// Counts seats, waits and refusals by kind of seat, department and time.
#[utoipa::path(get, path = "/v1/seats/reports", tag = "seats", params(ReportQuery),
    responses((status = 200, body = Vec<Row>), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn report(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ReportQuery>,
) -> Result<Json<Vec<Row>>, Problem> {
    rows(&app, &caller, &query).await.map(Json)
}

/// Writes the same as a table for a spreadsheet.
#[utoipa::path(get, path = "/v1/seats/reports.csv", tag = "seats", params(ReportQuery),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 403, body = Problem)))]
pub async fn report_table(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ReportQuery>,
) -> Result<impl IntoResponse, Problem> {
    let rows = rows(&app, &caller, &query).await?;
    app.store.note(Entry::done(&caller.actor, app.now(), "seat.report", "")).await?;
    let file = table::csv(&rows, query.charset);
    let kind = match query.charset {
        Charset::Utf8Bom => "text/csv; charset=utf-8",
        Charset::Cp932 => "text/csv; charset=shift_jis",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"seats.csv\"")),
        (UNMAPPED_HEADER, HeaderValue::from(file.unmapped.len())),
    ];
    Ok((headers, file.bytes))
}

async fn rows(app: &Shared, caller: &Caller, query: &ReportQuery) -> Result<Vec<Row>, Problem> {
    let own = reader(app, caller).await?;
    let (from, to) = span(app, query.from.as_deref(), query.to.as_deref())?;
    let by = query.by;
    let _place = REPORT.acquire().await.expect("the place is never closed");
    let events = events(app, (from, to)).await?;
    heavy::apart(move || {
        let figures = figures(&events, to).into_iter();
        figures
            .filter_map(|(scope, figures)| Row::of(&scope, &figures, by))
            .filter(|row| row.is_of(&own))
            .collect()
    })
    .await
}

/// Tells each minute of a day: the most seats in use, the most who waited, who was refused.
#[utoipa::path(get, path = "/v1/seats/reports/minutes", tag = "seats", params(DayQuery),
    responses((status = 200, body = Vec<MinuteRow>), (status = 403, body = Problem)))]
pub async fn report_minutes(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<DayQuery>,
) -> Result<Json<Vec<MinuteRow>>, Problem> {
    whole_office(&caller)?;
    let pool = pool(&app, query.pool.as_deref())?;
    let (from, to) = span(&app, query.day.as_deref().or(Some("today")), query.day.as_deref())?;
    let _place = REPORT.acquire().await.expect("the place is never closed");
    // A seat that is in use at midnight was taken the day before.
    let events = events(&app, (from.minus(DAY), to)).await?;
    let rows = heavy::apart(move || {
        let first = from.ms().div_euclid(60_000);
        let minutes = minutes(&events, &pool, to);
        minutes.range(first..).map(|(minute, figures)| MinuteRow::of(*minute, figures)).collect()
    });
    rows.await.map(Json)
}

/// Lists who was refused or waited in vain, and what became of it; the latest 1,000.
#[utoipa::path(get, path = "/v1/seats/reports/denials", tag = "seats", params(ReportQuery),
    responses((status = 200, body = Vec<DenialRow>), (status = 403, body = Problem)))]
pub async fn report_denials(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ReportQuery>,
) -> Result<Json<Vec<DenialRow>>, Problem> {
    let own = reader(&app, &caller).await?;
    let span = span(&app, query.from.as_deref(), query.to.as_deref())?;
    let _place = REPORT.acquire().await.expect("the place is never closed");
    let events = events(&app, span).await?;
    let rows = heavy::apart(move || {
        let mut rows: Vec<_> =
            denials(&events).iter().map(DenialRow::of).filter(|row| row.is_of(&own)).collect();
        rows.drain(..rows.len().saturating_sub(DENIALS_MAX));
        rows
    });
    rows.await.map(Json)
}

/// Replays the recorded demand with another number of seats (必要な席数の試算).
#[utoipa::path(get, path = "/v1/seats/what-if", tag = "seats", params(WhatIfQuery),
    responses((status = 200, body = WhatIf), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn suppose(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<WhatIfQuery>,
) -> Result<Json<WhatIf>, Problem> {
    whole_office(&caller)?;
    let (seats, days) = (query.seats, query.days.unwrap_or(90));
    if !(1..=SEATS_MAX).contains(&seats) {
        return Err(Problem::new(Code::Invalid).about("seats"));
    }
    if !(1..=REPLAY_DAYS_MAX).contains(&days) {
        return Err(Problem::new(Code::Invalid).about(format!("days: 1から{REPLAY_DAYS_MAX}まで")));
    }
    let pool = pool(&app, query.pool.as_deref())?;
    let (rules, now) = app.seats.look(|pools, now| (pools.rules().clone(), now.office));
    let _place = REPORT.acquire().await.expect("the place is never closed");
    let events = events(&app, (now.minus(DAY * days), now)).await?;
    let question = Question { pool, seats, rules };
    let answer = heavy::apart(move || what_if(&events, now, &question)).await?;
    Ok(Json(WhatIf::of(seats, days, &answer)))
}

/// Lets through who reads reports; returns the one department they read about, none if it is all of them.
async fn reader(app: &Shared, caller: &Caller) -> Result<Option<String>, Problem> {
    caller.require_scope(Scope::Administer)?;
    if !access::reads_seat_reports(&caller.user) {
        return Err(Code::NotAllowed.into());
    }
    match caller.user.role {
        Role::Administrator | Role::Auditor => Ok(None),
        Role::DepartmentAdministrator | Role::Staff => {
            applicant(app, caller).await.map(|me| Some(me.department))
        }
    }
}

fn whole_office(caller: &Caller) -> Result<(), Problem> {
    caller.require(&[Role::Administrator, Role::Auditor])
}

/// Returns the moments between which a report is: whole days in Japan, up to now.
fn span(app: &Shared, from: Option<&str>, to: Option<&str>) -> Result<(UnixMs, UnixMs), Problem> {
    let now = app.seats.look(|_, now| now.office);
    let today = JstDay::of(now);
    let read = |text: &str| {
        let day = Day::parse(text).map_err(|error| Problem::new(Code::Invalid).about(error))?;
        Ok::<_, Problem>(JstDay::of(day.begins_at()))
    };
    let first = match from {
        Some("today") => today,
        Some(text) => read(text)?,
        None => first_of_fiscal_year(today),
    };
    let last = to.map_or(Ok(today), read)?;
    if last < first || last.0 - first.0 >= DAYS_MAX {
        return Err(Problem::new(Code::Invalid).about("from, to"));
    }
    Ok((first.start(), JstDay(last.0 + 1).start().min(now.plus(Duration::from_millis(1)))))
}

fn first_of_fiscal_year(today: JstDay) -> JstDay {
    let days = (0..366).map(|back| JstDay(today.0 - back));
    days.take_while(|day| day.fiscal_year() == today.fiscal_year()).last().unwrap_or(today)
}

/// Reads the events that reports are folded from.
///
/// Errors: [`Code::Invalid`] if there are more than fit: a shorter time is asked for.
pub(super) async fn events(app: &Shared, span: (UnixMs, UnixMs)) -> Result<Vec<Event>, Problem> {
    let (mut kept, mut after) = (Vec::new(), 0);
    loop {
        let page = app.store.seat_events(span, after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(kept) };
        after = *last;
        kept.extend(page.into_iter().map(|(_, event)| event).filter(counts));
        if kept.len() > EVENTS_MAX {
            let facts = json!({ "events_max": EVENTS_MAX });
            return Err(Problem::new(Code::Invalid).about("期間を短くしてください").with(facts));
        }
    }
}

/// Tells what reports count; the rest says how a seat was held, and would only take memory.
const fn counts(event: &Event) -> bool {
    matches!(
        event.what,
        Happened::Granted { .. }
            | Happened::Adopted { .. }
            | Happened::Reattached { .. }
            | Happened::Denied { .. }
            | Happened::Queued { .. }
            | Happened::Offered { .. }
            | Happened::Served { .. }
            | Happened::Left { .. }
            | Happened::TimedOut { .. }
            | Happened::NoShow { .. }
            | Happened::Ended { .. }
    )
}
