//! 混雑予報: when the seats are expected to be short today, for everybody who may want one.
//!
//! The days before do not change any more: they are folded once a day and remembered, whoever asks.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::super::auth::{Caller, Query};
use super::super::error::Problem;
use super::super::{Shared, heavy};
use super::mine::PoolQuery;
use super::{pool, reports};
use crate::seats::PoolId;
use crate::seats::calendar::JstDay;
use crate::seats::forecast::{DayPast, HourAhead, days_before, forecast};
use crate::seats::report::minutes;
use crate::store::sessions::Scope;

/// On which day the days before were folded, and what they were like.
type Past = (JstDay, Arc<[DayPast]>);

/// The days before, of each kind of seat.
#[derive(Clone, Default)]
pub struct Folded(Arc<Mutex<HashMap<PoolId, Past>>>);

/// What today is expected to be like.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forecast {
    /// Days of the same weekday it is made from; fewer than two tell nothing.
    days: usize,
    /// The hours in which seats are expected to be in use, rising.
    hours: Vec<HourView>,
}

/// What an hour is expected to be like.
#[derive(Debug, Serialize, ToSchema)]
pub struct HourView {
    /// The hour of the day, 0 to 23.
    hour: u8,
    /// The most seats in use at one time.
    peak: u32,
    /// Whether every seat is expected to be in use.
    crowded: bool,
}

/// Tells in which hours of today the seats are expected to be short, by what the same weekday was like before.
#[utoipa::path(get, path = "/v1/seats/forecast", tag = "seats", params(PoolQuery),
    responses((status = 200, body = Forecast), (status = 401, body = Problem)))]
pub async fn ahead(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<PoolQuery>,
) -> Result<Json<Forecast>, Problem> {
    caller.require_scope(Scope::Read)?;
    let pool = pool(&app, query.pool.as_deref())?;
    let (today, seats) = app.seats.look(|pools, now| (JstDay::of(now.office), pools.counts(&pool).capacity));
    let days = folded(&app, &pool, today).await?;
    let view = |hour: HourAhead| HourView { hour: hour.hour, peak: hour.peak, crowded: hour.is_crowded };
    let hours = forecast(&days, seats).into_iter().map(view).collect();
    Ok(Json(Forecast { days: days.len(), hours }))
}

/// Returns the days a forecast of today is made from; the first who asks on a day has them folded, the others wait.
async fn folded(app: &Shared, pool: &PoolId, today: JstDay) -> Result<Arc<[DayPast]>, Problem> {
    let mut known = app.forecasts.0.lock().await;
    if let Some((_, days)) = known.get(pool).filter(|(day, _)| *day == today) {
        return Ok(Arc::clone(days));
    }
    let mut days = Vec::new();
    for day in days_before(today) {
        // A seat that is in use at midnight was taken the day before.
        let (from, until) = (JstDay(day.0 - 1).start(), JstDay(day.0 + 1).start());
        let events = reports::events(app, (from, until)).await?;
        let pool = pool.clone();
        days.extend(heavy::apart(move || DayPast::of(&minutes(&events, &pool, until), day)).await?);
    }
    let days: Arc<[DayPast]> = days.into();
    known.insert(pool.clone(), (today, Arc::clone(&days)));
    Ok(days)
}
