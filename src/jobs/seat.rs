//! The seat a recognition is worked on with: its owner's, shared if they have one already.

use uuid::Uuid;

use crate::seats::request::Held;
use crate::seats::{
    Acquire, Applicant, Class, Device, DeviceId, DeviceKind, JobId, LeaseReply, Mode, PoolId, Reply, Request,
    RequestId, Use,
};
use crate::store::jobs::{Hindrance, Job};
use crate::store::seats::{Fence, Seats};

/// A seat while a job runs on it.
#[derive(Debug, Clone, Copy)]
pub struct JobSeat {
    held: Held,
    device: DeviceId,
    used_for: Use,
}

impl JobSeat {
    /// Takes a seat for a job, or a place in the line for its owner; whoever has one shares it with the job.
    ///
    /// Errors: why the job has to wait.
    pub async fn take(seats: &Seats, job: &Job, applicant: Applicant) -> Result<Self, Hindrance> {
        let (device, used_for) = (DeviceId(job.id.uuid()), Use::Recognise(JobId(job.id.uuid())));
        let acquire = Acquire {
            request_id: RequestId(Uuid::now_v7()),
            pool: PoolId::standard(),
            applicant: Applicant { class: Class::Batch, ..applicant },
            device: Device { id: device, kind: DeviceKind::Job, name: String::new() },
            used_for,
            mode: Mode::Wait,
        };
        match seats.ask(Request::Acquire(acquire)).await {
            Ok(Reply::Granted(lease) | Reply::Attached(lease)) if lease.state.is_usable() => {
                let LeaseReply { lease, token, .. } = lease;
                Ok(Self { held: Held { lease, token }, device, used_for })
            }
            Ok(Reply::Queued { place, .. }) => {
                // Nobody sits before a job: its place is kept for as long as it is asked after.
                let ticket = place.ticket;
                seats.ask(Request::BeatWaiting { ticket, attentive: true }).await.ok();
                Err(Hindrance::SeatNeeded)
            }
            Ok(Reply::Refused(refusal)) if refusal.status() == 403 => Err(Hindrance::SeatRefused),
            Ok(_) | Err(_) => Err(Hindrance::SeatNeeded),
        }
    }

    /// Returns what every window is kept with.
    pub const fn fence(&self) -> Fence {
        Fence { lease: self.held.lease, token: self.held.token }
    }

    /// Gives a sign of life and says whether the seat is still the job's.
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
