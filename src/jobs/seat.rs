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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::clock::{Mono, UnixMs};
    use crate::seats::policy::{Licence, Licensed};
    use crate::seats::request::Held;
    use crate::seats::{Acquire, MeetingId, Mode, PoolId, Reply, Request, RequestId};
    use crate::store::jobs::{Settings, State};
    use crate::store::{Id, Location, Store};

    fn applicant(who: Id) -> Applicant {
        let holder = crate::seats::Holder::Person(who.uuid());
        Applicant { holder, department: String::new(), groups: Vec::new(), class: Class::Normal }
    }

    fn job(user: Id) -> Job {
        Job {
            id: Id::new(),
            meeting: None,
            recording: Id::new(),
            user,
            settings: Settings::default(),
            state: State::Waiting,
            attempts: 0,
            not_before: UnixMs::from_ms(0),
            hindrance: None,
            cancel_asked: false,
            settled_ms: 0,
            expected_ms: None,
            failure: None,
            failure_detail: None,
            created_at: UnixMs::from_ms(0),
            started_at: None,
            finished_at: None,
        }
    }

    async fn office_with_one_seat(folder: &std::path::Path) -> Seats {
        let location = Location::File(folder.join("gijiroku.sqlite"));
        let store = Store::open(&location).await.expect("a fresh database can be opened");
        let still = || (Mono::from_ms(1_000), UnixMs::from_ms(1_800_000_000_000));
        let seats = Seats::open(&store, Arc::new(still)).await.expect("the seats can be opened");
        let pool = Licensed { pool: PoolId::standard(), seats: 1, burst: None };
        let licence = Licence { pools: vec![pool], bar: None };
        seats.ask(Request::SetLicence(licence)).await.expect("the seats are served");
        seats
    }

    async fn sit(seats: &Seats, who: Id) -> (Held, DeviceId) {
        let device = DeviceId(who.uuid());
        let acquire = Acquire {
            request_id: RequestId(Uuid::now_v7()),
            pool: PoolId::standard(),
            applicant: applicant(who),
            device: Device { id: device, kind: DeviceKind::Browser, name: String::new() },
            used_for: Use::Edit(MeetingId(Uuid::now_v7())),
            mode: Mode::Nowait,
        };
        match seats.ask(Request::Acquire(acquire)).await.expect("the seats are served") {
            Reply::Granted(lease) => (Held { lease: lease.lease, token: lease.token }, device),
            other => panic!("no seat: {other:?}"),
        }
    }

    #[tokio::test]
    async fn what_was_recorded_without_a_seat_waits_in_line_and_is_recognised_when_one_frees() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let seats = office_with_one_seat(folder.path()).await;
        let (clerk, owner) = (Id::new(), Id::new());
        let (held, device) = sit(&seats, clerk).await;
        let job = job(owner);
        for _ in 0..3 {
            let waits = take(&seats, &job, applicant(owner)).await;
            assert!(matches!(waits, Err(Hindrance::SeatNeeded)), "{waits:?}");
        }
        let places = seats.look(|pools, now| pools.places(&PoolId::standard(), now).len());
        assert_eq!(places, 1, "asking again keeps the one place");
        seats.ask(Request::Release { held, device }).await.expect("the seats are served");
        let seat = take(&seats, &job, applicant(owner)).await.expect("its turn has come");
        assert!(seat.beat(&seats).await);
        assert_eq!(seats.look(|pools, _| pools.counts(&PoolId::standard()).live), 1);
        seat.give_back(&seats).await;
        assert_eq!(
            seats.look(|pools, _| pools.counts(&PoolId::standard()).live),
            0,
            "between files it is free"
        );
    }

    #[tokio::test]
    async fn whoever_has_a_seat_shares_it_with_their_own_recognition() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let seats = office_with_one_seat(folder.path()).await;
        let owner = Id::new();
        let (held, _) = sit(&seats, owner).await;
        let seat = take(&seats, &job(owner), applicant(owner)).await.expect("it is their own");
        assert_eq!(seat.fence().lease, held.lease);
        seat.give_back(&seats).await;
        let kept = seats.look(|pools, now| pools.proof(held, now).is_ok());
        assert!(kept, "the person works on");
    }
}
