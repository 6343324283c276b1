//! Seats for people of the tests: as many as anybody wants, taken as a browser takes them.

use gijiroku::seats::licence::keys::{KeyRing, SigningKey};
use gijiroku::seats::policy::{Licence, Licensed};
use gijiroku::seats::{
    Acquire, Applicant, Class, Device, DeviceId, DeviceKind, Holder, MeetingId, Mode, PoolId, Reply, Request,
    RequestId, Use,
};
use gijiroku::store::Id;
use gijiroku::store::licences::LicenceSite;
use gijiroku::store::seats::{Fence, Seats};
use uuid::Uuid;

/// Seats of an office where nobody has to wait.
pub const PLENTY: u32 = 1_000;

/// Returns the key whose licences the offices of the tests believe.
pub fn vendor() -> SigningKey {
    SigningKey::from_seed(&[8; 32])
}

/// Returns what the offices of the tests judge licences by.
pub fn site() -> LicenceSite {
    let keys = KeyRing::default().with([vendor().public()]).expect("one key is allowed");
    LicenceSite { keys, host: Vec::new() }
}

/// Gives the office a licence.
pub async fn license(seats: &Seats, count: u32) {
    let pool = Licensed { pool: PoolId::standard(), seats: count, burst: None };
    let licence = Licence { pools: vec![pool], bar: None };
    let reply = seats.ask(Request::SetLicence(licence)).await.expect("the seats are served");
    assert_eq!(reply, Reply::Done);
}

/// Seats somebody who edits.
pub async fn seated(seats: &Seats, person: Id) -> Fence {
    license(seats, PLENTY).await;
    let (request_id, device) = (RequestId(Uuid::now_v7()), DeviceId(person.uuid()));
    let acquire = Acquire {
        request_id,
        pool: PoolId::standard(),
        applicant: Applicant {
            holder: Holder::Person(person.uuid()),
            department: String::new(),
            groups: Vec::new(),
            class: Class::Normal,
        },
        device: Device { id: device, kind: DeviceKind::Browser, name: "PC".to_owned() },
        used_for: Use::Edit(MeetingId(Uuid::now_v7())),
        mode: Mode::Nowait,
    };
    match seats.ask(Request::Acquire(acquire)).await.expect("the seats are served") {
        Reply::Granted(lease) | Reply::Attached(lease) => Fence { lease: lease.lease, token: lease.token },
        other => panic!("{other:?}"),
    }
}
