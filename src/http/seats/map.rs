//! 席の一覧: who holds which seat now, and who waits.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::auth::{Caller, Query};
use super::super::error::Problem;
use super::super::{Shared, access};
use super::mine::{PoolQuery, millis};
use super::words::{DeviceView, EtaView, UseView};
use super::{applicant, pool};
use crate::clock::UnixMs;
use crate::seats::calendar::WallClock;
use crate::seats::lease::Lent;
use crate::seats::{Holder, Lease, LeaseId, LeaseState, Now, PoolId, Pools, TicketId};
use crate::store::Id;
use crate::store::users::Role;

/// What a holder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A person
    Person,
    /// A meeting room
    Room,
}

/// Somebody who holds a seat, or waits.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HolderView {
    /// The account
    id: Uuid,
    /// What it is
    kind: HolderKind,
    /// 氏名, or the room's name
    name: String,
    /// 所属, as it was when the lease began
    department: String,
}

/// A seat in use.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatView {
    /// The lease, a decimal string
    #[schema(value_type = String)]
    lease: LeaseId,
    /// Whose
    holder: HolderView,
    /// `offered`, `active`, `stale`, `reclaimable` or `parked`
    #[schema(value_type = String)]
    state: LeaseState,
    /// Where
    devices: Vec<DeviceView>,
    /// What for
    uses: Vec<UseView>,
    /// Whether a recording runs: nothing interrupts it but its own, named step
    recording: bool,
    /// Since when
    #[schema(value_type = i64)]
    since_at: UnixMs,
    /// For how long the holder did nothing, in milliseconds
    idle_ms: Option<u64>,
    /// Whether the seat is kept for others and only lent
    lent: bool,
    /// When a lent seat has to go back, if that is known
    #[schema(value_type = Option<i64>)]
    lent_until: Option<UnixMs>,
}

/// Somebody who waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaiterView {
    /// The place, a decimal string
    #[schema(value_type = String)]
    ticket: TicketId,
    /// Who
    holder: HolderView,
    /// 1 is the next
    position: u32,
    /// Since when
    #[schema(value_type = i64)]
    since_at: UnixMs,
    /// How long it may take
    eta: Option<EtaView>,
}

/// What an administrator should look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Condition {
    /// The number of this server start
    epoch: u32,
    /// Whether the state may be old, so that nothing new is granted yet
    recovering: bool,
    /// The epoch of another server that seems to run, if one does
    conflict: Option<u32>,
    /// Whether the extra seats of a disaster are open
    burst_open: bool,
    /// How far the wall clock is ahead of the trusted date, in milliseconds; negative if it is behind
    clock_off_ms: Option<i64>,
    /// The trusted date
    #[schema(value_type = i64)]
    trusted_at: UnixMs,
}

/// Every seat in the caller's scope.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatMap {
    /// Which kind of seat
    pool: String,
    /// In use, in the whole office
    used: u32,
    /// Of so many
    seats: u32,
    /// The seats in use
    leases: Vec<SeatView>,
    /// Who waits, the next first
    waiting: Vec<WaiterView>,
    /// For administrators
    condition: Option<Condition>,
}

/// Tells who holds which seat: the whole office for its administrators, the own department for its administrator.
#[utoipa::path(get, path = "/v1/seats", tag = "seats", params(PoolQuery),
    responses((status = 200, body = SeatMap), (status = 403, body = Problem)))]
pub async fn map(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<PoolQuery>,
) -> Result<Json<SeatMap>, Problem> {
    caller.require(&[Role::Administrator, Role::DepartmentAdministrator])?;
    let pool = pool(&app, query.pool.as_deref())?;
    let own = applicant(&app, &caller).await?.department;
    let is_seen = |department: &str| access::may_free_seat(&caller.user, &own, department);
    let clock = app.seats.wall_clock();
    let mut map = app.seats.look(|pools, now| {
        let counts = pools.counts(&pool);
        let seen = pools.map(&pool, now).into_iter();
        let seen = seen.filter(|(lease, _)| is_seen(&lease.applicant.department));
        let is_administrator = caller.user.role == Role::Administrator;
        SeatMap {
            pool: pool.0.clone(),
            used: counts.live,
            seats: counts.capacity,
            leases: seen.map(|(lease, state)| seat(pools, lease, state, now)).collect(),
            waiting: waiters(pools, &pool, now, is_seen),
            condition: is_administrator.then(|| condition(pools, &pool, now, clock)),
        }
    });
    let mut names = HashMap::new();
    for view in map.leases.iter_mut().map(|seat| &mut seat.holder) {
        name(&app, &mut names, view).await?;
    }
    for view in map.waiting.iter_mut().map(|waiter| &mut waiter.holder) {
        name(&app, &mut names, view).await?;
    }
    Ok(Json(map))
}

async fn name(app: &Shared, names: &mut HashMap<Uuid, String>, view: &mut HolderView) -> Result<(), Problem> {
    let known = match names.get(&view.id) {
        Some(known) => known.clone(),
        None => {
            let user = app.store.user(Id::from(view.id)).await?;
            let known = user.map(|user| user.name).unwrap_or_default();
            names.insert(view.id, known.clone());
            known
        }
    };
    view.name = known;
    Ok(())
}

fn holder(holder: Holder, department: &str) -> HolderView {
    let (id, kind) = match holder {
        Holder::Person(id) => (id, HolderKind::Person),
        Holder::Room(id) => (id, HolderKind::Room),
    };
    HolderView { id, kind, name: String::new(), department: department.to_owned() }
}

fn seat(pools: &Pools, lease: &Lease, state: LeaseState, now: Now) -> SeatView {
    SeatView {
        lease: lease.id,
        holder: holder(lease.applicant.holder, &lease.applicant.department),
        state,
        devices: lease.devices.iter().map(DeviceView::from).collect(),
        uses: lease.uses.iter().copied().map(UseView::from).collect(),
        recording: lease.is_recording(),
        since_at: lease.since_office,
        idle_ms: pools.idle(lease.id, now).map(millis),
        lent: lease.lent.is_some(),
        lent_until: lease.lent.as_ref().and_then(|Lent { back, .. }| *back),
    }
}

fn waiters(pools: &Pools, pool: &PoolId, now: Now, is_seen: impl Fn(&str) -> bool) -> Vec<WaiterView> {
    let places = pools.places(pool, now).into_iter().filter_map(|(who, place)| {
        let ticket = pools.ticket(place.ticket)?;
        let department = &ticket.applicant.department;
        is_seen(department).then(|| WaiterView {
            ticket: place.ticket,
            holder: holder(who, department),
            position: place.position,
            since_at: ticket.since_office,
            eta: place.eta.map(EtaView::from),
        })
    });
    places.collect()
}

fn condition(pools: &Pools, pool: &PoolId, now: Now, clock: WallClock) -> Condition {
    let off = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    Condition {
        epoch: pools.epoch().number(),
        recovering: pools.is_recovering(),
        conflict: pools.conflict().map(|epoch| epoch.number()),
        burst_open: pools.burst(pool).is_some_and(|burst| burst.open),
        clock_off_ms: match clock {
            WallClock::Agrees => None,
            WallClock::Behind { by_ms } => Some(-off(by_ms)),
            WallClock::Ahead { by_ms } => Some(off(by_ms)),
        },
        trusted_at: now.office,
    }
}
