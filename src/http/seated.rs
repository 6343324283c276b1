//! The proof that whoever edits has a seat, and what becomes of an edit that comes without one.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::auth::Caller;
use super::error::{Code, Problem};
use super::{App, Shared};
use crate::seats::refusal::Lost;
use crate::seats::request::Held;
use crate::seats::{Holder, Refusal, Request};
use crate::store::seats::Fence;

/// The header of every protected call: `Seat: <lease>.<token>`.
pub const SEAT: &str = "seat";

/// What a request says about its seat; proven only after it is known what the caller may do at all.
pub struct Seat(Result<Held, Code>);

impl FromRequestParts<Shared> for Seat {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        let Some(text) = parts.headers.get(SEAT) else { return Ok(Self(Err(Code::SeatNeeded))) };
        let halves = text.to_str().ok().and_then(|text| text.split_once('.'));
        let held = halves
            .and_then(|(lease, token)| Some(Held { lease: lease.parse().ok()?, token: token.parse().ok()? }));
        Ok(Self(held.ok_or(Code::Invalid)))
    }
}

/// A seat as far as it could be proven before anything is saved.
pub enum Proven {
    /// It is the caller's now; the saving transaction looks once more.
    Seated(Fence),
    /// It is not, any more.
    Lost(Refusal),
}

impl Proven {
    /// Returns what the saving transaction checks; none saves nothing.
    pub const fn fence(&self) -> Option<Fence> {
        match self {
            Self::Seated(fence) => Some(*fence),
            Self::Lost(_) => None,
        }
    }
}

impl Seat {
    /// Tells whether the seat is the caller's now.
    ///
    /// Errors: [`Code::SeatNeeded`] and [`Code::Invalid`] for a request that states none; a seat that was lost is no
    /// error yet, for the same attempt may have been carried out while it was still there.
    pub fn proven(&self, app: &App, caller: &Caller) -> Result<Proven, Problem> {
        let held = match &self.0 {
            Ok(held) => *held,
            Err(Code::Invalid) => return Err(Problem::new(Code::Invalid).about("Seat")),
            Err(code) => return Err((*code).into()),
        };
        let Held { lease, token } = held;
        let holder = |found: Holder| matches!(found, Holder::Person(id) | Holder::Room(id) if id == caller.user.id.uuid());
        Ok(app.seats.look(|pools, now| match pools.proof(held, now) {
            Ok(found) if holder(found.applicant.holder) => Proven::Seated(Fence { lease, token }),
            Ok(_) => Proven::Lost(Refusal::SeatLost { why: Lost::Unknown }),
            Err(refusal) => Proven::Lost(refusal),
        }))
    }

    /// Says that its holder works: an accepted edit is a sign of life, and nobody who gives one is idle.
    pub async fn worked(&self, app: &App) {
        let Ok(held) = self.0 else { return };
        for request in [Request::Beat(held), Request::Activity(held)] {
            // Whatever became of the seat since, the edit is kept.
            app.seats.ask(request).await.ok();
        }
    }

    /// Says why the seat is lost now.
    pub fn lost(&self, app: &App, caller: &Caller) -> Refusal {
        match self.proven(app, caller) {
            Ok(Proven::Lost(refusal)) => refusal,
            Ok(Proven::Seated(_)) | Err(_) => Refusal::SeatLost { why: Lost::Unknown },
        }
    }
}
