//! The seat a recognition is worked on with: its owner's, shared if they have one already.

use crate::seats::{Applicant, Class, Device, DeviceId, DeviceKind, JobId, Use};
use crate::store::jobs::{Hindrance, Job};
use crate::store::seats::{HeldSeat, NoSeat, Seats};

/// Takes a seat for a job, or a place in the line for its owner; whoever has one shares it with the job.
///
/// Errors: why the job has to wait.
pub async fn take(seats: &Seats, job: &Job, applicant: Applicant) -> Result<HeldSeat, Hindrance> {
    let (device, used_for) = (DeviceId(job.id.uuid()), Use::Recognise(JobId(job.id.uuid())));
    let device = Device { id: device, kind: DeviceKind::Job, name: String::new() };
    let applicant = Applicant { class: Class::Batch, ..applicant };
    HeldSeat::take(seats, applicant, device, used_for).await.map_err(|no| match no {
        NoSeat::Waiting => Hindrance::SeatNeeded,
        NoSeat::Refused => Hindrance::SeatRefused,
    })
}
