use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::*;
use crate::seats::policy::{Licence, Licensed};
use crate::seats::request::Held;
use crate::seats::{
    Acquire, Applicant, Class, Device, DeviceId, DeviceKind, Holder, LeaseReply, MeetingId, Mode, PoolId,
    RequestId, Use,
};
use crate::store::Location;
use crate::store::audit::{Misfit, Verdict};

/// An office whose clocks the tests turn.
struct Desk {
    location: Location,
    ms: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let location = Location::File(folder.path().join("gijiroku.sqlite"));
        Self { location, ms: Arc::new(AtomicU64::new(1_000_000)), _folder: folder }
    }

    async fn store(&self) -> Store {
        Store::open(&self.location).await.expect("the database can be opened")
    }

    async fn open(&self, store: &Store) -> Seats {
        let ms = Arc::clone(&self.ms);
        let clocks: Clocks = Arc::new(move || {
            let ms = ms.load(Ordering::SeqCst);
            (Mono::from_ms(ms), UnixMs::from_ms(1_800_000_000_000 + ms as i64))
        });
        Seats::open(store, clocks).await.expect("the seats can be opened")
    }

    fn pass(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::SeqCst);
    }
}

async fn license(seats: &Seats, count: u32) {
    let pool = Licensed { pool: PoolId::standard(), seats: count, burst: None };
    let licence = Licence { pools: vec![pool], bar: None };
    assert_eq!(seats.ask(Request::SetLicence(licence)).await.expect("served"), Reply::Done);
}

fn acquire(person: u128) -> Request {
    let holder = Uuid::from_u128(person);
    Request::Acquire(Acquire {
        request_id: RequestId(Uuid::now_v7()),
        pool: PoolId::standard(),
        applicant: Applicant {
            holder: Holder::Person(holder),
            department: "総務課".to_owned(),
            groups: Vec::new(),
            class: Class::Normal,
        },
        device: Device { id: DeviceId(holder), kind: DeviceKind::Browser, name: "PC".to_owned() },
        used_for: Use::Edit(MeetingId(Uuid::from_u128(1))),
        mode: Mode::Nowait,
    })
}

async fn granted(seats: &Seats, person: u128) -> LeaseReply {
    match seats.ask(acquire(person)).await.expect("served") {
        Reply::Granted(lease) | Reply::Attached(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn held(lease: &LeaseReply) -> Held {
    Held { lease: lease.lease, token: lease.token }
}

async fn is_seated(store: &Store, lease: &LeaseReply) -> bool {
    let mut tx = store.write().await.expect("the database answers");
    tx.is_seated(Fence { lease: lease.lease, token: lease.token }).await.expect("the database answers")
}

#[tokio::test]
async fn what_was_granted_is_still_there_after_a_sudden_end() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 2).await;
    let (one, two) = (granted(&seats, 1).await, granted(&seats, 2).await);
    // Nobody says goodbye: the engine is simply gone, and another one starts on the same log.
    let again = desk.open(&store).await;
    for lease in [&one, &two] {
        assert!(again.look(|pools, now| pools.proof(held(lease), now).is_ok()));
        assert!(is_seated(&store, lease).await);
    }
    let refused = again.ask(acquire(3)).await.expect("served");
    assert!(matches!(refused, Reply::Refused(Refusal::NoFreeSeat { used: 2, seats: 2, .. })), "{refused:?}");
    again
        .ask(Request::Release { held: held(&one), device: DeviceId(Uuid::from_u128(1)) })
        .await
        .expect("served");
    assert!(!is_seated(&store, &one).await, "whoever gave it back saves nothing any more");
    let three = granted(&again, 3).await;
    assert!(three.token > one.token && three.token > two.token);
}

#[tokio::test]
async fn a_deposed_server_grants_nothing_and_its_successor_knows_all() {
    let desk = Desk::new();
    let store = desk.store().await;
    let old = desk.open(&store).await;
    license(&old, 5).await;
    let lease = granted(&old, 1).await;
    let new = desk.open(&store).await;
    let mut epochs = Vec::new();
    epochs.push(new.look(|pools, _| pools.epoch()));
    // The old one writes, is refused, and starts anew: now the other one is deposed.
    assert!(old.ask(acquire(2)).await.is_err(), "nobody is told of a seat that is not on the disk");
    assert!(is_seated(&store, &lease).await);
    let served = async {
        loop {
            match old.ask(acquire(2)).await {
                Ok(reply) => break reply,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert!(matches!(served.await, Reply::Granted(_)));
    epochs.push(old.look(|pools, _| pools.epoch()));
    assert!(epochs[1] > epochs[0]);
    assert!(matches!(store.seat_verify().await.expect("answers"), Verdict::Whole { lines, .. } if lines > 3));
}

#[tokio::test]
async fn relay_r13_hundreds_at_once_share_a_few_transactions_and_never_exceed_the_licence() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 50).await;
    let asked: Vec<_> = (0..400)
        .map(|person| {
            let seats = seats.clone();
            tokio::spawn(async move { seats.ask(acquire(person)).await.expect("served") })
        })
        .collect();
    let mut grants = 0;
    for reply in asked {
        match reply.await.expect("no task panics") {
            Reply::Granted(_) => grants += 1,
            Reply::Refused(Refusal::NoFreeSeat { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(grants, 50);
    let kept = store.database.row("SELECT COUNT(*) FROM seat_lease", &[]).await.expect("answers");
    assert_eq!(kept.map(|row| row.count(0).expect("a number")), Some(50));
}

#[tokio::test]
async fn i2_nobody_who_waits_is_told_of_a_seat_before_it_is_on_the_disk() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 1).await;
    let lease = granted(&seats, 1).await;
    let Request::Acquire(acquire) = acquire(2) else { panic!("it is a request for a seat") };
    let waiting = seats.ask(Request::Acquire(Acquire { mode: Mode::Wait, ..acquire })).await.expect("served");
    let Reply::Queued { place, .. } = waiting else { panic!("{waiting:?}") };
    let slow_disk = store.write().await.expect("answers");
    let asked = |request| {
        let seats = seats.clone();
        tokio::spawn(async move { seats.ask(request).await })
    };
    let device = DeviceId(Uuid::from_u128(1));
    let release = asked(Request::Release { held: held(&lease), device });
    while seats.look(|pools, _| pools.ticket(place.ticket).is_some()) {
        tokio::task::yield_now().await;
    }
    let beat = asked(Request::BeatWaiting { ticket: place.ticket, attentive: true });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!beat.is_finished() && !release.is_finished());
    drop(slow_disk);
    let told = beat.await.expect("no task panics").expect("served");
    let Reply::Attached(lease) = told else { panic!("{told:?}") };
    assert!(is_seated(&store, &lease).await);
}

#[tokio::test]
async fn a_beat_writes_nothing() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 1).await;
    let lease = granted(&seats, 1).await;
    let rows = || async {
        let row = store.database.row("SELECT COUNT(*) FROM seat_event", &[]).await.expect("answers");
        row.expect("a count has a row").count(0).expect("a number")
    };
    let before = rows().await;
    for _ in 0..100 {
        desk.pass(10_000);
        seats.tick();
        let reply = seats.ask(Request::Beat(held(&lease))).await.expect("served");
        assert!(matches!(reply, Reply::Beating { .. }), "{reply:?}");
    }
    assert_eq!(rows().await, before);
}

#[tokio::test]
async fn the_log_after_a_snapshot_gives_the_same_state_as_the_whole_log() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 3).await;
    for round in 0..4 {
        for person in 0..5 {
            if let Reply::Granted(lease) = seats.ask(acquire(person)).await.expect("served") {
                let device = DeviceId(Uuid::from_u128(person));
                if round % 2 == 0 {
                    seats.ask(Request::Release { held: held(&lease), device }).await.expect("served");
                }
            }
            desk.pass(500);
        }
    }
    let snapshot = log::find(&store.database).await.expect("answers");
    let mut tx = store.write().await.expect("answers");
    tx.run("DELETE FROM seat_snapshot", &[]).await.expect("answers");
    tx.commit().await.expect("answers");
    let whole = log::find(&store.database).await.expect("answers");
    assert_eq!((snapshot.state, snapshot.tail), (whole.state, whole.tail));
}

#[tokio::test]
async fn a_row_that_was_changed_is_found() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 1).await;
    granted(&seats, 1).await;
    let mut tx = store.write().await.expect("answers");
    let sql = "UPDATE seat_event SET body = REPLACE(body, '総務課', '財政課') WHERE kind = 'granted'";
    assert_eq!(tx.run(sql, &[]).await.expect("answers"), 1);
    tx.commit().await.expect("answers");
    let verdict = store.seat_verify().await.expect("answers");
    assert!(matches!(verdict, Verdict::Broken { reason: Misfit::Changed, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_restored_copy_grants_nothing_until_every_receipt_could_be_shown() {
    let desk = Desk::new();
    let store = desk.store().await;
    let first = desk.open(&store).await;
    license(&first, 5).await;
    let epoch = first.look(|pools, _| pools.epoch());
    drop(first);
    let mut tx = store.write().await.expect("answers");
    tx.mark_restored().await.expect("answers");
    tx.commit().await.expect("answers");
    let seats = desk.open(&store).await;
    let refused = seats.ask(acquire(1)).await.expect("served");
    assert!(matches!(refused, Reply::Refused(Refusal::Recovering { .. })), "{refused:?}");
    for _ in 0..70 {
        desk.pass(1_000);
        seats.tick();
    }
    // The tick's epoch goes through the disk.
    let served = async {
        loop {
            match seats.ask(acquire(1)).await.expect("served") {
                Reply::Granted(lease) => break lease,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    assert!(served.await.token.epoch().number() > epoch.number() + 1_000);
}

/// Asks every connection that may be open at once.
async fn pragmas(store: &Store, sql: &'static str) -> Vec<i64> {
    let Database::Lite { write, read } = &store.database else { panic!("these tests use SQLite") };
    let mut open = vec![write.acquire().await.expect("the database answers")];
    for _ in 0..read.options().get_max_connections() {
        open.push(read.acquire().await.expect("the database answers"));
    }
    let mut found = Vec::new();
    for connection in &mut open {
        found.push(sqlx::query_scalar(sql).fetch_one(&mut **connection).await.expect("it is a number"));
    }
    found
}

#[tokio::test]
async fn relay_r1_a_granted_lease_is_in_what_a_power_cut_leaves() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 1).await;
    // 2 is FULL: the disk has it before the commit returns, and the reply comes after the commit.
    assert_eq!(pragmas(&store, "PRAGMA synchronous").await[0], 2);
    let lease = granted(&seats, 1).await;
    let (Location::File(file), after) = (&desk.location, Desk::new()) else { panic!("a file") };
    let Location::File(copy) = &after.location else { panic!("a file") };
    for end in ["", "-wal"] {
        let name = |path: &std::path::Path| format!("{}{end}", path.display());
        copied(&name(file), &name(copy));
    }
    let left = after.store().await;
    assert!(is_seated(&left, &lease).await);
    let again = after.open(&left).await;
    assert!(again.look(|pools, now| pools.proof(held(&lease), now).is_ok()));
}

#[expect(clippy::disallowed_methods, reason = "a power cut leaves files")]
fn copied(from: &str, to: &str) {
    std::fs::copy(from, to).expect("there is room");
}

/// Tells how much of SQLite's log there is, what is in it, and puts a piece of it somewhere else.
#[expect(clippy::disallowed_methods, reason = "a power cut leaves files")]
mod wal {
    pub fn length(path: &str) -> usize {
        read(path).len()
    }

    pub fn read(path: &str) -> Vec<u8> {
        std::fs::read(path).expect("the log is there")
    }

    pub fn write(path: &str, bytes: &[u8]) {
        std::fs::write(path, bytes).expect("there is room");
    }
}

#[tokio::test]
async fn i2_cut_after_any_frame_the_log_is_whole_up_to_a_commit_and_nothing_acknowledged_is_missing() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 3).await;
    pragmas(&store, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let Location::File(file) = &desk.location else { panic!("a file") };
    let (file, log) = (file.display().to_string(), format!("{}-wal", file.display()));
    let mut acknowledged = Vec::new();
    for person in 1..=3 {
        let lease = granted(&seats, person).await;
        acknowledged.push((wal::length(&log), lease));
    }
    let bytes = wal::read(&log);
    // A header of 32 bytes, then frames of 24 bytes and a page each (SQLite file format, 4.1).
    let page = u32::from_be_bytes(bytes[8..12].try_into().expect("four bytes")) as usize;
    let (mut end, mut cuts, mut seen) = (32, 0, std::collections::BTreeSet::new());
    while end <= bytes.len() {
        let after = Desk::new();
        let Location::File(copy) = &after.location else { panic!("a file") };
        copied(&file, &copy.display().to_string());
        wal::write(&format!("{}-wal", copy.display()), &bytes[..end]);
        let left = after.store().await;
        let verdict = left.seat_verify().await.expect("answers");
        assert!(matches!(verdict, Verdict::Whole { .. }), "{end} bytes: {verdict:?}");
        let mut kept = 0;
        for (durable_at, lease) in &acknowledged {
            let is_kept = is_seated(&left, lease).await;
            assert!(is_kept || end < *durable_at, "acknowledged at {durable_at} bytes, lost with {end}");
            kept += u32::from(is_kept);
        }
        let again = after.open(&left).await;
        assert_eq!(again.look(|pools, _| pools.counts(&PoolId::standard()).live), kept, "{end} bytes");
        seen.insert(kept);
        (end, cuts) = (end + 24 + page, cuts + 1);
    }
    assert!(cuts > 9 && seen.len() == 4, "{cuts} cuts, {seen:?} seats kept");
}

#[tokio::test]
async fn relay_r9_every_connection_keeps_the_same_rules() {
    let desk = Desk::new();
    let store = desk.store().await;
    let found = pragmas(&store, "PRAGMA foreign_keys").await;
    assert!(found.len() > 1 && found.iter().all(|on| *on == 1), "{found:?}");
    let found = pragmas(&store, "PRAGMA synchronous").await;
    assert!(found.iter().all(|level| *level == 2), "{found:?}");
    let found = pragmas(&store, "PRAGMA busy_timeout").await;
    assert!(found.iter().all(|ms| *ms > 0), "{found:?}");
}

#[tokio::test]
async fn relay_r10_whoever_asks_while_the_database_is_gone_is_told_so_at_once() {
    let desk = Desk::new();
    let store = desk.store().await;
    let seats = desk.open(&store).await;
    license(&seats, 2).await;
    let lease = granted(&seats, 1).await;
    store.close().await;
    let told = tokio::time::timeout(Duration::from_secs(20), seats.ask(acquire(2))).await;
    assert!(matches!(told, Ok(Err(SeatsError::Away))), "{told:?}");
    assert!(seats.is_away(), "health says it, too");
    // Whoever holds a seat is not thrown out by it: the next start finds them.
    let store = desk.store().await;
    assert!(desk.open(&store).await.look(|pools, now| pools.proof(held(&lease), now).is_ok()));
}
