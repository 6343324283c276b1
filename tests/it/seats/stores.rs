//! I21: a database remembers what the engine decided and has no say in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::seats::policy::{Licence, Licensed};
use gijiroku::seats::restart::Trust;
use gijiroku::seats::{
    Acquire, Act, Applicant, Class, Device, DeviceId, DeviceKind, Epoch, Event, Held, Holder, MeetingId,
    Mode, Now, PoolId, Pools, Reply, Request, RequestId, State, TicketId, Use,
};
use gijiroku::store::seats::{Clocks, Seats};
use gijiroku::store::{Location, Store};
use uuid::Uuid;

/// Steps of the trace: several batches, some minutes, every kind of request many times.
const STEPS: u64 = 400;

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_ms(ms), office: UnixMs::from_ms(1_800_000_000_000 + ms as i64) }
}

/// Six people, two seats, and what each knows; the trace depends on the replies alone.
struct Morning {
    luck: u64,
    held: [Option<Held>; 6],
    tickets: [Option<TicketId>; 6],
}

impl Morning {
    fn new() -> Self {
        Self { luck: 21, held: [None; 6], tickets: [None; 6] }
    }

    /// Knuth's MMIX generator: the same trace everywhere.
    fn draw(&mut self, below: u64) -> u64 {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.luck >> 33) % below
    }

    fn acquire(who: usize, step: u64, mode: Mode) -> Request {
        let name = Uuid::from_u128(who as u128 + 1);
        Request::Acquire(Acquire {
            request_id: RequestId(Uuid::from_u128(1_000 + u128::from(step))),
            pool: PoolId::standard(),
            applicant: Applicant {
                holder: Holder::Person(name),
                department: format!("課{}", who % 2),
                groups: Vec::new(),
                class: Class::Normal,
            },
            device: Device { id: DeviceId(name), kind: DeviceKind::Browser, name: String::new() },
            used_for: Use::Edit(MeetingId(name)),
            mode,
        })
    }

    /// Returns who asks for what, and how long after the step before.
    fn next(&mut self, step: u64) -> (usize, u64, Request) {
        let pause = [5, 400, 1_000, 4_000][self.draw(4) as usize];
        let who = self.draw(6) as usize;
        let mode = if self.draw(3) == 0 { Mode::Nowait } else { Mode::Wait };
        let device = DeviceId(Uuid::from_u128(who as u128 + 1));
        let request = match (self.held[who], self.tickets[who], self.draw(10)) {
            (_, _, 0) => Request::Tick,
            (Some(held), _, 1..=4) => Request::Beat(held),
            (Some(held), _, 5) => Request::Release { held, device },
            (Some(held), _, 6) => Request::Park(held),
            (Some(held), _, 7) => Request::Yield(held),
            (Some(held), _, 8) => Request::Revoke {
                lease: held.lease,
                act: Act { by: "管理者".into(), text: "点検".into() },
            },
            (_, Some(ticket), 1..=6) => Request::BeatWaiting { ticket, attentive: step.is_multiple_of(2) },
            (_, Some(ticket), 7) => Request::Leave { ticket },
            _ => Self::acquire(who, step, mode),
        };
        (who, pause, request)
    }

    fn hear(&mut self, who: usize, reply: &Reply) {
        match reply {
            Reply::Granted(lease) | Reply::Attached(lease) => {
                self.held[who] = Some(Held { lease: lease.lease, token: lease.token });
                self.tickets[who] = None;
            }
            Reply::Queued { place, .. } => self.tickets[who] = Some(place.ticket),
            // Whoever is refused begins anew.
            Reply::Refused(_) => (self.held[who], self.tickets[who]) = (None, None),
            Reply::Beating { .. } | Reply::Done => {}
        }
    }
}

fn licence() -> Request {
    let pool = Licensed { pool: PoolId::standard(), seats: 2, burst: None };
    Request::SetLicence(Licence { pools: vec![pool], bar: None })
}

/// Plays the morning over nothing but memory.
fn in_memory() -> (Vec<Reply>, Vec<Event>) {
    let (mut pools, mut events) =
        Pools::restart(State::default(), None, Epoch::new(1), Trust::Current, now(1_000));
    events.extend(pools.step(now(1_000), Request::Tick).events);
    events.extend(pools.step(now(1_000), licence()).events);
    let (mut morning, mut ms, mut replies) = (Morning::new(), 1_000, Vec::new());
    for step in 0..STEPS {
        let (who, pause, request) = morning.next(step);
        ms += pause;
        let done = pools.step(now(ms), request);
        morning.hear(who, &done.reply);
        replies.push(done.reply);
        events.extend(done.events);
    }
    (replies, events)
}

/// Plays it over a database.
async fn over(location: &Location) -> (Vec<Reply>, Vec<Event>) {
    let store = Store::open(location).await.expect("a fresh database can be opened");
    let ms = Arc::new(AtomicU64::new(1_000));
    let clocks: Clocks = Arc::new({
        let ms = Arc::clone(&ms);
        move || {
            let now = now(ms.load(Ordering::SeqCst));
            (now.mono, now.office)
        }
    });
    let seats = Seats::open(&store, clocks).await.expect("the seats can be opened");
    seats.ask(licence()).await.expect("the seats are served");
    let (mut morning, mut replies) = (Morning::new(), Vec::new());
    for step in 0..STEPS {
        let (who, pause, request) = morning.next(step);
        ms.fetch_add(pause, Ordering::SeqCst);
        let reply = seats.ask(request).await.expect("the seats are served");
        morning.hear(who, &reply);
        replies.push(reply);
    }
    let ever = (UnixMs::from_ms(0), UnixMs::from_ms(i64::MAX));
    let rows = store.seat_events(ever, 0, 10_000).await.expect("the database answers");
    (replies, rows.into_iter().map(|(_, event)| event).collect())
}

#[tokio::test]
async fn i21_the_same_requests_decide_the_same_over_memory_sqlite_and_postgresql() {
    let (replies, events) = in_memory();
    let count = |is: fn(&Reply) -> bool| replies.iter().filter(|reply| is(reply)).count();
    assert!(
        count(|reply| matches!(reply, Reply::Granted(_) | Reply::Attached(_))) > 10,
        "seats go from hand to hand"
    );
    assert!(count(|reply| matches!(reply, Reply::Queued { .. })) > 10, "people wait");
    assert!(count(|reply| matches!(reply, Reply::Refused(_))) > 10, "people are refused");
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let lite = Location::File(folder.path().join("gijiroku.sqlite"));
    for location in [lite, crate::postgres::database()] {
        let (stored_replies, stored_events) = over(&location).await;
        assert_eq!(stored_replies, replies, "{location:?}");
        assert_eq!(stored_events, events, "{location:?}");
    }
}
