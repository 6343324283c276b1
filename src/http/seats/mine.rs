//! What everybody may see: how many seats are in use, one's own seat, and who of the own department has one.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Shared;
use super::super::auth::{Caller, Query};
use super::super::error::Problem;
use super::words::{DeviceView, LeaseAnswer, PlaceAnswer, UseView};
use super::{applicant, pool};
use crate::seats::{Lease, LeaseId, Now, PoolId, Pools};
use crate::store::Id;
use crate::store::sessions::Scope;

/// Most colleagues that are told.
const COLLEAGUES_MAX: usize = 100;

/// Which kind of seat.
#[derive(Deserialize, IntoParams)]
pub struct PoolQuery {
    /// Which kind of seat; `standard` if absent
    pub(super) pool: Option<String>,
}

/// How many seats of a kind there are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Badge {
    /// Which kind
    pool: String,
    /// In use
    used: u32,
    /// Of so many
    seats: u32,
    /// Not in use
    free: u32,
    /// How many wait
    waiting: u32,
    /// The same for a person: 50席中42席
    sentence: String,
}

/// One's own seat.
#[derive(Debug, Serialize, ToSchema)]
pub struct Mine {
    /// The lease, if there is one
    lease: Option<LeaseAnswer>,
    /// The terminals it is used at
    devices: Vec<DeviceView>,
    /// For how long it is in this hand, in milliseconds
    held_ms: Option<u64>,
    /// The place in the line, if there is one
    place: Option<PlaceAnswer>,
    /// Who of the own department has a seat, and may be asked to give way
    colleagues: Vec<Colleague>,
}

/// Somebody of the own department who has a seat.
#[derive(Debug, Serialize, ToSchema)]
pub struct Colleague {
    /// Their lease, a decimal string
    #[schema(value_type = String)]
    lease: LeaseId,
    /// 氏名
    name: String,
    /// What it is used for
    uses: Vec<UseView>,
    /// For how long they did nothing, in milliseconds
    idle_ms: Option<u64>,
}

/// Tells how many seats are in use; free for everybody.
#[utoipa::path(get, path = "/v1/seats/badge", tag = "seats",
    responses((status = 200, body = Vec<Badge>), (status = 401, body = Problem)))]
pub async fn badge(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<Badge>>, Problem> {
    caller.require_scope(Scope::Read)?;
    Ok(Json(app.seats.look(|pools, _| pools.names().map(|name| badge_of(pools, name)).collect())))
}

fn badge_of(pools: &Pools, pool: &PoolId) -> Badge {
    let counts = pools.counts(pool);
    Badge {
        pool: pool.0.clone(),
        used: counts.live,
        seats: counts.capacity,
        free: counts.capacity.saturating_sub(counts.live),
        waiting: counts.waiting,
        sentence: format!("{}席中{}席", counts.capacity, counts.live),
    }
}

/// Tells of one's own seat, its terminals, one's place in the line, and the colleagues who have a seat.
#[utoipa::path(get, path = "/v1/seats/mine", tag = "seats", params(PoolQuery),
    responses((status = 200, body = Mine), (status = 401, body = Problem)))]
pub async fn mine(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<PoolQuery>,
) -> Result<Json<Mine>, Problem> {
    caller.require_scope(Scope::Read)?;
    app.limits.about_seat(caller.user.id)?;
    let pool = pool(&app, query.pool.as_deref())?;
    let me = applicant(&app, &caller).await?;
    let (mut mine, others) = app.seats.look(|pools, now| {
        let own = pools.mine(&pool, me.holder, now).map(|(lease, _)| lease);
        let told = own.and_then(|lease| pools.told(lease.id, now));
        let place = pools.waiting(&pool, me.holder).and_then(|ticket| pools.place(ticket, now));
        let counts = pools.counts(&pool);
        let map = pools.map(&pool, now);
        let is_colleague = |lease: &&Lease| {
            lease.applicant.department == me.department && lease.applicant.holder != me.holder
        };
        let others = map.iter().map(|(lease, _)| *lease).filter(is_colleague).take(COLLEAGUES_MAX);
        let others: Vec<_> = others.map(|lease| other(pools, lease, now)).collect();
        let mine = Mine {
            lease: told.map(|reply| LeaseAnswer::of(&app, &pool, me.holder, reply)),
            devices: own.map_or_else(Vec::new, |lease| lease.devices.iter().map(DeviceView::from).collect()),
            held_ms: own.map(|lease| millis(pools.at(now).since(lease.since))),
            place: place.map(|place| PlaceAnswer::of(&place, (counts.live, counts.capacity))),
            colleagues: Vec::new(),
        };
        (mine, others)
    });
    for (who, mut colleague) in others {
        if let Some(user) = app.store.user(who).await? {
            colleague.name = user.name;
            mine.colleagues.push(colleague);
        }
    }
    Ok(Json(mine))
}

fn other(pools: &Pools, lease: &Lease, now: Now) -> (Id, Colleague) {
    let (crate::seats::Holder::Person(id) | crate::seats::Holder::Room(id)) = lease.applicant.holder;
    let uses = lease.uses.iter().copied().map(UseView::from).collect();
    let idle_ms = pools.idle(lease.id, now).map(millis);
    (Id::from(id), Colleague { lease: lease.id, name: String::new(), uses, idle_ms })
}

/// Writes a duration as it crosses the wire.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
