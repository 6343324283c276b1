//! What is said about seats over the wire, and how the engine's words become it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::auth::Caller;
use super::super::error::{Code, Problem};
use super::super::{App, Shared};
use crate::seats::licence::receipt::{self, Receipt};
use crate::seats::queue::{Eta, Place};
use crate::seats::{
    Device, DeviceId, DeviceKind, Holder, JobId, LeaseId, LeaseReply, LeaseState, MeetingId, Mode, PoolId,
    Refusal, Reply, RequestId, TicketId, Token, Use,
};

/// What a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Terminal {
    /// A page in a browser
    Browser,
    /// A tablet
    Tablet,
    /// A meeting room's terminal
    Room,
    /// The server itself, recognising a file
    #[serde(skip_deserializing)]
    Job,
}

/// A terminal somebody works at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// Its name for the server, chosen once and kept by the terminal
    pub id: Uuid,
    /// What it is
    pub kind: Terminal,
    /// Its name for people, at most 100 characters
    #[serde(default)]
    pub name: String,
}

impl From<DeviceView> for Device {
    fn from(view: DeviceView) -> Self {
        let kind = match view.kind {
            Terminal::Browser => DeviceKind::Browser,
            Terminal::Tablet => DeviceKind::Tablet,
            Terminal::Room => DeviceKind::Room,
            Terminal::Job => DeviceKind::Job,
        };
        Self { id: DeviceId(view.id), kind, name: view.name }
    }
}

impl From<&Device> for DeviceView {
    fn from(device: &Device) -> Self {
        let kind = match device.kind {
            DeviceKind::Browser => Terminal::Browser,
            DeviceKind::Tablet => Terminal::Tablet,
            DeviceKind::Room => Terminal::Room,
            DeviceKind::Job => Terminal::Job,
        };
        Self { id: device.id.0, kind, name: device.name.clone() }
    }
}

/// What a seat is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UseView {
    /// A meeting is being recorded
    Record(Uuid),
    /// A job recognises a file
    Recognise(Uuid),
    /// Minutes are being edited
    Edit(Uuid),
}

impl From<UseView> for Use {
    fn from(view: UseView) -> Self {
        match view {
            UseView::Record(meeting) => Self::Record(MeetingId(meeting)),
            UseView::Recognise(job) => Self::Recognise(JobId(job)),
            UseView::Edit(meeting) => Self::Edit(MeetingId(meeting)),
        }
    }
}

impl From<Use> for UseView {
    fn from(used_for: Use) -> Self {
        match used_for {
            Use::Record(meeting) => Self::Record(meeting.0),
            Use::Recognise(job) => Self::Recognise(job.0),
            Use::Edit(meeting) => Self::Edit(meeting.0),
        }
    }
}

/// What to do when no seat is free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Patience {
    /// Join the line
    #[default]
    Wait,
    /// Say no
    Nowait,
}

impl From<Patience> for Mode {
    fn from(patience: Patience) -> Self {
        match patience {
            Patience::Wait => Self::Wait,
            Patience::Nowait => Self::Nowait,
        }
    }
}

/// A request for a seat.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AcquireInput {
    /// Its name, a UUID of version 7; the same again gives the same answer
    pub request_id: Uuid,
    /// Which kind of seat; `standard` if absent
    pub pool: Option<String>,
    /// Where
    pub device: DeviceView,
    /// What for
    #[serde(rename = "use")]
    pub used_for: UseView,
    /// What to do when none is free; wait if absent
    #[serde(default)]
    pub mode: Patience,
}

/// A holder's proof.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ProofInput {
    /// The token, a decimal string
    #[schema(value_type = String)]
    pub token: Token,
}

/// A sign of life; with the receipt, a lease that a restored server does not know is taken over from it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct BeatInput {
    /// The token, a decimal string
    #[schema(value_type = String)]
    pub token: Token,
    /// The receipt of the lease, sent after the server was away
    pub receipt: Option<String>,
    /// Where, beside a receipt
    pub device: Option<DeviceView>,
    /// What for, beside a receipt
    #[serde(rename = "use")]
    pub used_for: Option<UseView>,
}

/// A seat given back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ReleaseInput {
    /// The token, a decimal string
    #[schema(value_type = String)]
    pub token: Token,
    /// From which terminal; with several in use, only this one leaves
    pub device: Uuid,
}

/// A seat moved here.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct HandOverInput {
    /// Its name, a UUID of version 7
    pub request_id: Uuid,
    /// Which kind of seat; `standard` if absent
    pub pool: Option<String>,
    /// The terminal the seat moves to
    pub device: DeviceView,
}

/// A lease as its holder is told of it; durations only.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LeaseAnswer {
    /// Its name, a decimal string
    #[schema(value_type = String)]
    pub lease: LeaseId,
    /// The proof for `Seat: <lease>.<token>`, a decimal string
    #[schema(value_type = String)]
    pub token: Token,
    /// How long it is theirs without another sign of life, in milliseconds from before they asked
    pub ttl_ms: u64,
    /// `offered`, `active`, `stale`, `reclaimable` or `parked`
    #[schema(value_type = String)]
    pub state: LeaseState,
    /// What it is used for
    pub uses: Vec<UseView>,
    /// How long until a lent seat has to go back, in milliseconds
    pub lent_ms: Option<u64>,
    /// What the server signed of it, to be shown after a restore
    pub receipt: Option<String>,
}

impl LeaseAnswer {
    /// Writes what a holder is told.
    pub fn of(app: &App, pool: &PoolId, holder: Holder, reply: LeaseReply) -> Self {
        Self {
            receipt: signed(app, pool, holder, &reply),
            lease: reply.lease,
            token: reply.token,
            ttl_ms: reply.ttl_ms,
            state: reply.state,
            uses: reply.uses.into_iter().map(UseView::from).collect(),
            lent_ms: reply.lent_ms,
        }
    }
}

/// Signs what was granted; none without the key of the installation.
fn signed(app: &App, pool: &PoolId, holder: Holder, reply: &LeaseReply) -> Option<String> {
    let (Holder::Person(id) | Holder::Room(id)) = holder;
    let receipt = Receipt {
        lease: reply.lease.to_string(),
        holder: id.to_string(),
        pool: pool.0.clone(),
        token: u64::try_from(reply.token.number()).ok()?,
        epoch: reply.token.epoch().number(),
    };
    receipt::sign(&receipt, app.instance.as_ref()?).ok()
}

/// How long a wait may take, as observed: a quarter, half and three quarters of such waits were over then.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct EtaView {
    /// In milliseconds
    pub low_ms: u64,
    /// In milliseconds
    pub median_ms: u64,
    /// In milliseconds
    pub high_ms: u64,
}

impl From<Eta> for EtaView {
    fn from(eta: Eta) -> Self {
        Self { low_ms: eta.low_ms, median_ms: eta.median_ms, high_ms: eta.high_ms }
    }
}

/// A place in the line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlaceAnswer {
    /// Always `queued`
    pub code: &'static str,
    /// Its name, a decimal string
    #[schema(value_type = String)]
    pub ticket: TicketId,
    /// 1 is the next to be served
    pub position: u32,
    /// How many wait in all
    pub waiting: u32,
    /// Seats in use
    pub used: u32,
    /// Of so many
    pub seats: u32,
    /// How long it may take; absent where too little was observed to say (不明)
    pub eta: Option<EtaView>,
    /// The same for a person
    pub sentence: String,
    /// The same in English
    pub sentence_en: String,
}

impl PlaceAnswer {
    /// Writes what somebody who waits is told.
    pub fn of(place: &Place, (used, seats): (u32, u32)) -> Self {
        let refusal = Refusal::Queued { used, seats, position: place.position, eta: place.eta };
        Self {
            code: refusal.code(),
            ticket: place.ticket,
            position: place.position,
            waiting: place.waiting,
            used,
            seats,
            eta: place.eta.map(EtaView::from),
            sentence: refusal.japanese(),
            sentence_en: refusal.english(),
        }
    }
}

/// An answer to a sign of life.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct BeatAnswer {
    /// How long the seat is theirs without another sign of life, in milliseconds from before the beat was sent
    pub ttl_ms: u64,
    /// `offered`, `active`, `stale`, `reclaimable` or `parked`
    #[schema(value_type = String)]
    pub state: LeaseState,
}

/// Answers with what the engine replied.
///
/// Errors: the engine's refusal; [`Code::NotFound`] if the reply is about somebody else's lease.
pub fn answered(app: &Shared, caller: &Caller, reply: Reply) -> Result<Response, Problem> {
    match reply {
        Reply::Granted(reply) => Ok((StatusCode::CREATED, Json(lease(app, caller, reply)?)).into_response()),
        Reply::Attached(reply) => Ok(Json(lease(app, caller, reply)?).into_response()),
        Reply::Queued { place, refusal } => {
            let numbers = match refusal {
                Refusal::Queued { used, seats, .. } => (used, seats),
                _ => (0, 0),
            };
            Ok((StatusCode::ACCEPTED, Json(PlaceAnswer::of(&place, numbers))).into_response())
        }
        Reply::Beating { ttl_ms, state } => Ok(Json(BeatAnswer { ttl_ms, state }).into_response()),
        Reply::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Refused(refusal) => Err(refusal.into()),
    }
}

/// Writes a lease for its holder, and for nobody else.
fn lease(app: &Shared, caller: &Caller, reply: LeaseReply) -> Result<LeaseAnswer, Problem> {
    let found = app.seats.look(|pools, now| {
        pools.lease(reply.lease, now).map(|(lease, _)| (lease.pool.clone(), lease.applicant.holder))
    });
    match found {
        Some((pool, holder)) if super::same(holder, caller) => Ok(LeaseAnswer::of(app, &pool, holder, reply)),
        // It ended between the reply and this look; the next call is told why.
        None => Ok(LeaseAnswer::of(app, &PoolId::standard(), super::holder(caller), reply)),
        Some(_) => Err(Code::NotFound.into()),
    }
}

/// Reads the name of a request, which orders requests by their time.
///
/// Errors: [`Refusal::BadRequest`] for a UUID of another version.
pub fn request_id(id: Uuid) -> Result<RequestId, Problem> {
    if id.get_version_num() == 7 {
        Ok(RequestId(id))
    } else {
        Err(Refusal::BadRequest { field: "request_id".into() }.into())
    }
}
