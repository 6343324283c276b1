//! Who may work now, over the wire: seats asked for, kept, given back, seen and administered.
//!
//! ```text
//! POST   /v1/seats {request_id, device, use, mode}   ┐
//! PUT    /v1/seats/{lease} {token}   beat            ├─ words (what is said) ─► calls ─► store::seats ─► words ─► answer
//! DELETE /v1/seats/{lease} {token}   give back       ┘
//! GET    /v1/seats/live   WebSocket: pongs are signs of life; offers, warnings and losses are pushed
//! ```
//!
//! Who asks is known from the session or the token alone, and what they are from the office's directory; nothing that
//! a client states about itself counts. Identities of leases and tokens are decimal strings, and only durations
//! cross the wire where a decision hangs on them.

pub mod administer;
pub mod calls;
pub mod explain;
pub mod forecast;
pub mod line;
pub mod live;
pub mod map;
pub mod mine;
pub mod reports;
pub mod rules;
pub mod words;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::error::{Code, Problem};
use super::{Shared, access};
use crate::seats::request::Held;
use crate::seats::{Applicant, Holder, LeaseId, PoolId, Refusal, Token, refusal::Lost};
use crate::store::sessions::Scope;

/// Longest body of a call.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Longest list of rules or reservations.
const LIST_BYTES_MAX: usize = 2 << 20;

/// Everything about seats.
pub fn routes() -> OpenApiRouter<Shared> {
    let lists = OpenApiRouter::new()
        .routes(routes!(rules::rules, rules::set_rules))
        .routes(routes!(rules::reservations, rules::set_reservations))
        .layer(DefaultBodyLimit::max(LIST_BYTES_MAX));
    let calls = OpenApiRouter::new()
        .routes(routes!(calls::acquire, map::map))
        .routes(routes!(calls::beat, calls::release))
        .routes(routes!(calls::accept))
        .routes(routes!(calls::decline))
        .routes(routes!(calls::park))
        .routes(routes!(calls::give_way))
        .routes(routes!(calls::hand_over))
        .routes(routes!(line::beat, line::leave))
        .routes(routes!(line::ask_yield))
        .routes(routes!(mine::mine))
        .routes(routes!(mine::badge))
        .routes(routes!(forecast::ahead))
        .routes(routes!(explain::explain))
        .routes(routes!(live::live))
        .routes(routes!(reports::report))
        .routes(routes!(reports::report_table))
        .routes(routes!(reports::report_minutes))
        .routes(routes!(reports::report_denials))
        .routes(routes!(reports::suppose))
        .routes(routes!(administer::revoke))
        .routes(routes!(administer::end_recording))
        .routes(routes!(administer::open_burst))
        .routes(routes!(administer::close_burst))
        .routes(routes!(administer::clear_conflict))
        .routes(routes!(administer::confirm_date))
        .routes(routes!(rules::limits, rules::set_limits))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    calls.merge(lists)
}

/// Lets through who may use a seat at all, as often as that may be asked.
fn admit(app: &Shared, caller: &Caller) -> Result<(), Problem> {
    caller.require_scope(Scope::Write)?;
    if !access::may_sit(&caller.user) {
        return Err(Code::NotAllowed.into());
    }
    app.limits.about_seat(caller.user.id)
}

/// Returns who asks, as the directory describes them today.
async fn applicant(app: &Shared, caller: &Caller) -> Result<Applicant, Problem> {
    app.store.applicant(caller.user.id).await?.ok_or_else(|| Code::SignInNeeded.into())
}

/// Returns who asks.
const fn holder(caller: &Caller) -> Holder {
    let id = caller.user.id.uuid();
    if caller.user.room { Holder::Room(id) } else { Holder::Person(id) }
}

/// Returns the lease a caller means, if it is or was theirs.
///
/// Errors: [`Code::NotFound`] for somebody else's; the refusal for one that ended and whose token they do not know.
fn own(app: &Shared, caller: &Caller, lease: LeaseId, token: Token) -> Result<Held, Problem> {
    app.seats.look(|pools, now| match pools.lease(lease, now) {
        Some((found, _)) if same(found.applicant.holder, caller) => Ok(Held { lease, token }),
        Some(_) => Err(Code::NotFound.into()),
        None if pools.ended(lease).is_some_and(|ended| ended.token != token) => {
            Err(Refusal::SeatLost { why: Lost::Unknown }.into())
        }
        None => Ok(Held { lease, token }),
    })
}

/// Tells whether a holder is the caller, be it as a person or, before that was changed, as a room.
fn same(found: Holder, caller: &Caller) -> bool {
    let (Holder::Person(id) | Holder::Room(id)) = found;
    id == caller.user.id.uuid()
}

/// Reads the name of a lease in a path.
fn lease_id(text: &str) -> Result<LeaseId, Problem> {
    text.parse().map_err(|_| Code::NotFound.into())
}

/// Returns a pool that exists, the usual one if none is named.
fn pool(app: &Shared, name: Option<&str>) -> Result<PoolId, Problem> {
    let pool = name.map_or_else(PoolId::standard, |name| PoolId(name.to_owned()));
    let is_known = app.seats.look(|pools, _| pools.names().any(|known| *known == pool));
    if is_known || name.is_none() { Ok(pool) } else { Err(Problem::new(Code::Invalid).about("pool")) }
}
