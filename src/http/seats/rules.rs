//! What the office sets about its seats: rules, reservations, limits. Each is read and written as a whole.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::Shared;
use super::super::auth::{Body, Caller, Query};
use super::super::error::{Code, Problem};
use super::administer::carry_out;
use super::mine::PoolQuery;
use super::pool;
use crate::clock::UnixMs;
use crate::seats::policy::{Rule, Rules, What, Who};
use crate::seats::reservation::{Reservation, ReservationId};
use crate::seats::{Holder, Limits, MeetingId, PoolId, Request};
use crate::store::audit::Entry;
use crate::store::users::Role;

/// Longest name of a rule, a department or a group, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Who may look at reservations.
const ADMINISTRATORS: [Role; 2] = [Role::Administrator, Role::DepartmentAdministrator];

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum WhoView {
    /// Everyone
    Everyone,
    /// One person
    Person {
        /// The account
        id: Uuid,
    },
    /// One meeting room
    Room {
        /// The account
        id: Uuid,
    },
    /// A department (所属)
    Department {
        /// Its name
        name: String,
    },
    /// A department and all below it
    Group {
        /// The name of the one above
        name: String,
    },
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum WhatView {
    /// They may not use this kind of seat (対象外)
    Exclude,
    /// 上限: together they may use so many
    Quota {
        /// How many
        seats: u32,
    },
    /// 確保枠: so many are kept for them, and lent while they do not need them
    Guarantee {
        /// How many
        seats: u32,
    },
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleView {
    /// Its name, 1 to 100 characters, shown as evidence
    id: String,
    /// For which kind of seat; `standard` if absent
    #[serde(default = "standard")]
    pool: String,
    /// About whom
    who: WhoView,
    /// What it says
    what: WhatView,
}

/// The rules of the office, at most 4,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RulesView {
    /// The rules; exclusion wins, and each quota counts
    list: Vec<RuleView>,
    /// Whom a refused person may ask, such as 情報担当(内線1234)
    #[serde(default)]
    contact: String,
}

/// Seats kept for a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationView {
    /// Its name, a UUID
    id: Uuid,
    /// The meeting
    meeting: Uuid,
    /// The room's account that may use the seats, whatever it records
    room: Option<Uuid>,
    /// The account of who may, and who gets the notices
    organiser: Uuid,
    /// When the meeting begins
    #[schema(value_type = i64)]
    from: UnixMs,
    /// When it ends
    #[schema(value_type = i64)]
    to: UnixMs,
    /// How many seats, at least 1
    seats: u32,
    /// Whether somebody came; kept by the server
    #[serde(default, skip_deserializing)]
    attended: bool,
    /// Whether nobody came and the seats are everyone's; kept by the server
    #[serde(default, skip_deserializing)]
    freed: bool,
}

fn standard() -> String {
    PoolId::standard().0
}

impl From<&Rule> for RuleView {
    fn from(rule: &Rule) -> Self {
        let who = match &rule.who {
            Who::Everyone => WhoView::Everyone,
            Who::Holder(Holder::Person(id)) => WhoView::Person { id: *id },
            Who::Holder(Holder::Room(id)) => WhoView::Room { id: *id },
            Who::Department(name) => WhoView::Department { name: name.clone() },
            Who::Group(name) => WhoView::Group { name: name.clone() },
        };
        let what = match rule.what {
            What::Exclude => WhatView::Exclude,
            What::Quota(seats) => WhatView::Quota { seats },
            What::Guarantee(seats) => WhatView::Guarantee { seats },
        };
        Self { id: rule.id.clone(), pool: rule.pool.0.clone(), who, what }
    }
}

impl From<RuleView> for Rule {
    fn from(view: RuleView) -> Self {
        let who = match view.who {
            WhoView::Everyone => Who::Everyone,
            WhoView::Person { id } => Who::Holder(Holder::Person(id)),
            WhoView::Room { id } => Who::Holder(Holder::Room(id)),
            WhoView::Department { name } => Who::Department(name),
            WhoView::Group { name } => Who::Group(name),
        };
        let what = match view.what {
            WhatView::Exclude => What::Exclude,
            WhatView::Quota { seats } => What::Quota(seats),
            WhatView::Guarantee { seats } => What::Guarantee(seats),
        };
        Self { id: view.id, pool: PoolId(view.pool), who, what }
    }
}

impl From<&Reservation> for ReservationView {
    fn from(known: &Reservation) -> Self {
        let account = |(Holder::Person(id) | Holder::Room(id)): Holder| id;
        Self {
            id: known.id.0,
            meeting: known.meeting.0,
            room: known.room.map(account),
            organiser: account(known.organiser),
            from: known.from,
            to: known.to,
            seats: known.seats,
            attended: known.attended,
            freed: known.freed,
        }
    }
}

impl From<ReservationView> for Reservation {
    fn from(view: ReservationView) -> Self {
        Self {
            id: ReservationId(view.id),
            meeting: MeetingId(view.meeting),
            room: view.room.map(Holder::Room),
            organiser: Holder::Person(view.organiser),
            from: view.from,
            to: view.to,
            seats: view.seats,
            attended: false,
            freed: false,
            overrun_told: false,
        }
    }
}

/// Returns the rules in force.
#[utoipa::path(get, path = "/v1/seats/rules", tag = "seats",
    responses((status = 200, body = RulesView), (status = 403, body = Problem)))]
pub async fn rules(State(app): State<Shared>, caller: Caller) -> Result<Json<RulesView>, Problem> {
    caller.require(&[Role::Administrator])?;
    let view = |rules: &Rules| RulesView {
        list: rules.list.iter().map(RuleView::from).collect(),
        contact: rules.contact.clone(),
    };
    Ok(Json(app.seats.look(|pools, _| view(pools.rules()))))
}

/// Sets the rules; nobody loses a seat by it.
#[utoipa::path(put, path = "/v1/seats/rules", tag = "seats", request_body = RulesView,
    responses((status = 204), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn set_rules(
    State(app): State<Shared>,
    caller: Caller,
    Body(input): Body<RulesView>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Role::Administrator])?;
    checked("contact", &input.contact, 0)?;
    for rule in &input.list {
        checked("id", &rule.id, 1)?;
        if let WhoView::Department { name } | WhoView::Group { name } = &rule.who {
            checked("name", name, 1)?;
        }
        pool(&app, Some(&rule.pool))?;
    }
    let detail = json!({ "rules": input.list.len() });
    let rules = Rules { list: input.list.into_iter().map(Rule::from).collect(), contact: input.contact };
    let entry = Entry::done(&caller.actor, app.now(), "seat.rules", "").with(detail);
    carry_out(&app, Request::SetRules(rules), entry).await
}

fn checked(field: &str, text: &str, chars_min: usize) -> Result<(), Problem> {
    let chars = text.chars().count();
    if (chars_min..=NAME_CHARS_MAX).contains(&chars) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(Code::Invalid).about(format!("{field}: {chars_min}文字から{NAME_CHARS_MAX}文字まで")))
}

/// Returns the reservations of a kind of seat, in the order of their beginning.
#[utoipa::path(get, path = "/v1/seats/reservations", tag = "seats", params(PoolQuery),
    responses((status = 200, body = Vec<ReservationView>), (status = 403, body = Problem)))]
pub async fn reservations(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<PoolQuery>,
) -> Result<Json<Vec<ReservationView>>, Problem> {
    caller.require(&ADMINISTRATORS)?;
    let pool = pool(&app, query.pool.as_deref())?;
    let views = app
        .seats
        .look(|pools, _| pools.reservations(&pool).iter().map(ReservationView::from).collect::<Vec<_>>());
    Ok(Json(views))
}

/// Sets the reservations of a kind of seat; more than there are seats at any moment are refused.
#[utoipa::path(put, path = "/v1/seats/reservations", tag = "seats", params(PoolQuery),
    request_body = Vec<ReservationView>,
    responses((status = 204), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn set_reservations(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<PoolQuery>,
    Body(input): Body<Vec<ReservationView>>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Role::Administrator])?;
    let pool = pool(&app, query.pool.as_deref())?;
    let detail = json!({ "reservations": input.len() });
    let entry = Entry::done(&caller.actor, app.now(), "seat.reservations", &pool).with(detail);
    let list = input.into_iter().map(Reservation::from).collect();
    carry_out(&app, Request::SetReservations { pool, list }, entry).await
}

/// Returns the limits in force: how long things last, and how many there may be.
#[utoipa::path(get, path = "/v1/seats/limits", tag = "seats",
    responses((status = 200, body = Object), (status = 403, body = Problem)))]
pub async fn limits(State(app): State<Shared>, caller: Caller) -> Result<Json<Limits>, Problem> {
    caller.require(&[Role::Administrator])?;
    Ok(Json(app.seats.look(|pools, _| *pools.limits())))
}

/// Sets the limits; what is absent becomes its default, and one out of its range is refused by name.
#[utoipa::path(put, path = "/v1/seats/limits", tag = "seats", request_body = Object,
    responses((status = 204), (status = 403, body = Problem)))]
pub async fn set_limits(
    State(app): State<Shared>,
    caller: Caller,
    Body(limits): Body<Limits>,
) -> Result<StatusCode, Problem> {
    caller.require(&[Role::Administrator])?;
    limits.check().map_err(|error| Problem::new(Code::Invalid).about(error))?;
    let entry = Entry::done(&caller.actor, app.now(), "seat.limits", "").with(json!(limits));
    carry_out(&app, Request::SetLimits(limits), entry).await
}
