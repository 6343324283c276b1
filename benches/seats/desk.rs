//! The engine with its log, without a server before it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gijiroku::clock::Mono;
use gijiroku::seats::policy::{Licence, Licensed};
use gijiroku::seats::{
    Acquire, Applicant, Class, Device, DeviceId, DeviceKind, Held, Holder, LeaseReply, MeetingId, Mode,
    PoolId, Reply, Request, RequestId, Use,
};
use gijiroku::store::seats::{Seats, SeatsError, clocks};
use gijiroku::store::{Location, Store, folder};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::people;
use crate::{setting, text, told};

/// Live leases beside which things are measured.
pub const HOLDERS: u64 = 500;

struct Desk {
    store: Store,
    seats: Seats,
}

impl Desk {
    async fn open() -> Self {
        let path = text("SEATS_FOLDER");
        std::fs::create_dir_all(&path).expect("there is room");
        let location = Location::File(folder::database_in(Path::new(&path)));
        let store = Store::open(&location).await.expect("the database can be opened");
        let seats = Seats::open(&store, clocks()).await.expect("the seats can be opened");
        let pool = Licensed { pool: PoolId::standard(), seats: 2_000, burst: None };
        let licence = Licence { pools: vec![pool], bar: None };
        assert_eq!(ask(&seats, Request::SetLicence(licence)).await, Reply::Done);
        Self { store, seats }
    }

    async fn close(self) {
        drop(self.seats);
        self.store.close().await;
    }
}

/// Returns the person of a number.
fn person(number: u64) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))
}

fn acquire(number: u64, who: Uuid) -> Request {
    Request::Acquire(Acquire {
        request_id: RequestId(Uuid::now_v7()),
        pool: PoolId::standard(),
        applicant: Applicant {
            holder: Holder::Person(who),
            department: format!("第{}課", number % 40),
            groups: Vec::new(),
            class: Class::Normal,
        },
        device: Device { id: DeviceId(who), kind: DeviceKind::Browser, name: "PC".to_owned() },
        used_for: Use::Edit(MeetingId(person(number % 7))),
        mode: Mode::Nowait,
    })
}

/// Asks as a client does: again, if too many wait already.
async fn ask(seats: &Seats, request: Request) -> Reply {
    loop {
        match seats.ask(request.clone()).await {
            Ok(reply) => return reply,
            Err(SeatsError::Full) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn seated(seats: &Seats, number: u64, who: Uuid) -> LeaseReply {
    match ask(seats, acquire(number, who)).await {
        Reply::Granted(lease) | Reply::Attached(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn held(lease: &LeaseReply) -> Held {
    Held { lease: lease.lease, token: lease.token }
}

async fn give_back(seats: &Seats, who: Uuid, lease: &LeaseReply) {
    let device = DeviceId(who);
    assert_eq!(ask(seats, Request::Release { held: held(lease), device }).await, Reply::Done);
}

/// Lets a second pass each second, as the server does.
fn ticking(seats: &Seats) -> tokio::task::JoinHandle<()> {
    let seats = seats.clone();
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        loop {
            clock.tick().await;
            seats.tick();
        }
    })
}

async fn holders(seats: &Seats, people: &[Uuid]) -> Arc<Vec<LeaseReply>> {
    let mut leases = Vec::new();
    for (number, who) in (0..).zip(people) {
        leases.push(seated(seats, number, *who).await);
    }
    Arc::new(leases)
}

fn anybody() -> Vec<Uuid> {
    (0..HOLDERS).map(person).collect()
}

/// Takes seats and gives them back, many at a time, beside holders who keep theirs.
pub async fn grants() -> Value {
    let desk = Desk::open().await;
    let (tasks, seconds) = (setting("SEATS_TASKS", 256), setting("SEATS_S", 10));
    holders(&desk.seats, &anybody()).await;
    let ticker = ticking(&desk.seats);
    let (began, mut working) = (Mono::now(), JoinSet::new());
    for task in 0..tasks {
        let seats = desk.seats.clone();
        let (number, who) = (task, person(HOLDERS + task));
        working.spawn(async move {
            let (mut grants_us, mut returns_us) = (Vec::new(), Vec::new());
            while Mono::now().since(began) < Duration::from_secs(seconds) {
                let asked = Mono::now();
                let lease = seated(&seats, number, who).await;
                let granted = Mono::now();
                give_back(&seats, who, &lease).await;
                grants_us.push(granted.since(asked).as_micros() as u64);
                returns_us.push(Mono::now().since(granted).as_micros() as u64);
            }
            (grants_us, returns_us)
        });
    }
    let (mut grants_us, mut returns_us) = (Vec::new(), Vec::new());
    while let Some(done) = working.join_next().await {
        let (grants, returns) = done.expect("no task fails");
        grants_us.extend(grants);
        returns_us.extend(returns);
    }
    let took = Mono::now().since(began).as_secs_f64();
    ticker.abort();
    let pairs = grants_us.len();
    desk.close().await;
    json!({
        "tasks": tasks, "pairs": pairs, "per_s": pairs as f64 / took,
        "grant_ms": told(grants_us), "return_ms": told(returns_us)
    })
}

/// Gives signs of life for holders; nothing of it reaches the disk.
pub async fn beats() -> Value {
    let desk = Desk::open().await;
    let (tasks, seconds) = (setting("SEATS_TASKS", 8), setting("SEATS_S", 5));
    let leases = holders(&desk.seats, &anybody()).await;
    let ticker = ticking(&desk.seats);
    let (began, mut working) = (Mono::now(), JoinSet::new());
    for task in 0..tasks as usize {
        let (seats, leases) = (desk.seats.clone(), Arc::clone(&leases));
        working.spawn(async move {
            let (mut count, mut times_us) = (0_u64, Vec::new());
            while Mono::now().since(began) < Duration::from_secs(seconds) {
                let asked = Mono::now();
                for (index, lease) in leases.iter().enumerate() {
                    if index % 8 == task % 8 {
                        let reply = ask(&seats, Request::Beat(held(lease))).await;
                        assert!(matches!(reply, Reply::Beating { .. }), "{reply:?}");
                        count += 1;
                    }
                }
                times_us.push(Mono::now().since(asked).as_micros() as u64);
                tokio::task::yield_now().await;
            }
            (count, times_us)
        });
    }
    let (mut count, mut times_us) = (0, Vec::new());
    while let Some(done) = working.join_next().await {
        let (beats, times) = done.expect("no task fails");
        count += beats;
        times_us.extend(times);
    }
    let took = Mono::now().since(began).as_secs_f64();
    ticker.abort();
    desk.close().await;
    json!({ "beats": count, "per_s": count as f64 / took, "rounds_ms": told(times_us) })
}

/// Writes a long log with 500 live leases at its end.
pub async fn fill() -> Value {
    let desk = Desk::open().await;
    let (began, events) = (Mono::now(), setting("SEATS_EVENTS", 1_000_000));
    let people = people::add(&desk.store, HOLDERS).await;
    let holding: Vec<Uuid> = people.iter().map(|person| person.id.uuid()).collect();
    let leases = holders(&desk.seats, &holding).await;
    let ticker = ticking(&desk.seats);
    // Whoever falls silent for a minute loses the seat, also while a log is made.
    let (seats, kept) = (desk.seats.clone(), Arc::clone(&leases));
    let beating = tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_secs(10));
        loop {
            clock.tick().await;
            for lease in kept.iter() {
                ask(&seats, Request::Beat(held(lease))).await;
            }
        }
    });
    let tasks = 256;
    let mut working = JoinSet::new();
    for task in 0..tasks {
        let (seats, number, who) = (desk.seats.clone(), task, person(HOLDERS + task));
        working.spawn(async move {
            // A grant and an end are two.
            for _ in 0..events / tasks / 2 {
                let lease = seated(&seats, number, who).await;
                give_back(&seats, who, &lease).await;
            }
        });
    }
    while let Some(done) = working.join_next().await {
        done.expect("no task fails");
    }
    ticker.abort();
    beating.abort();
    let shown: Vec<Value> = people.iter().zip(leases.iter()).map(shown).collect();
    std::fs::write(text("SEATS_TOKENS"), json!(shown).to_string()).expect("there is room");
    desk.close().await;
    json!({ "events": events, "seconds": Mono::now().since(began).as_secs_f64() })
}

fn shown((person, lease): (&people::Person, &LeaseReply)) -> Value {
    json!({ "id": person.id, "secret": person.secret, "lease": lease.lease, "token": lease.token })
}
