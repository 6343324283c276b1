//! A seat that the server holds on somebody's behalf: theirs, shared if they have one already.

use uuid::Uuid;

use super::{Fence, Seats};
use crate::seats::request::Held;
use crate::seats::{
    Acquire, Applicant, Device, DeviceId, LeaseReply, Mode, PoolId, Reply, Request, RequestId, Use,
};

/// Why there is no seat now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSeat {
    /// None is free: ask again soon, the place in the line is kept by that.
    Waiting,
    /// They may have none: asking again helps only when somebody has changed a rule.
    Refused,
}

/// A seat while the server works on it.
#[derive(Debug, Clone, Copy)]
pub struct HeldSeat {
    held: Held,
    device: DeviceId,
    used_for: Use,
}

impl HeldSeat {
    /// Takes a seat, or a place in the line; whoever has one shares it.
    ///
    /// Errors: why there is none.
    pub async fn take(
        seats: &Seats,
        applicant: Applicant,
        device: Device,
        used_for: Use,
    ) -> Result<Self, NoSeat> {
        let id = device.id;
        let acquire = Acquire {
            request_id: RequestId(Uuid::now_v7()),
            pool: PoolId::standard(),
            applicant,
            device,
            used_for,
            mode: Mode::Wait,
        };
        match seats.ask(Request::Acquire(acquire)).await {
            Ok(Reply::Granted(lease) | Reply::Attached(lease)) if lease.state.is_usable() => {
                let LeaseReply { lease, token, .. } = lease;
                Ok(Self { held: Held { lease, token }, device: id, used_for })
            }
            Ok(Reply::Queued { place, .. }) => {
                // Nobody sits before the server: its place is kept for as long as it is asked after.
                let ticket = place.ticket;
                seats.ask(Request::BeatWaiting { ticket, attentive: true }).await.ok();
                Err(NoSeat::Waiting)
            }
            Ok(Reply::Refused(refusal)) if refusal.status() == 403 => Err(NoSeat::Refused),
            Ok(_) | Err(_) => Err(NoSeat::Waiting),
        }
    }

    /// Returns what work is kept with.
    pub const fn fence(&self) -> Fence {
        Fence { lease: self.held.lease, token: self.held.token }
    }

    /// Gives a sign of life and says whether the seat is still held.
    pub async fn beat(&self, seats: &Seats) -> bool {
        match seats.ask(Request::Activity(self.held)).await {
            Ok(Reply::Refused(_)) => return false,
            // The seats start anew: whose seat it is will be known soon.
            Err(_) => return true,
            Ok(_) => {}
        }
        match seats.ask(Request::Beat(self.held)).await {
            Ok(Reply::Beating { state, .. }) => state.is_usable(),
            Ok(Reply::Refused(_)) => false,
            Ok(_) | Err(_) => true,
        }
    }

    /// Gives the seat back, unless its owner uses it for something else.
    pub async fn give_back(self, seats: &Seats) {
        let Self { held, used_for, device } = self;
        // If it cannot be said now, the seat lapses by itself.
        seats.ask(Request::EndUse { held, used_for, device }).await.ok();
    }
}
