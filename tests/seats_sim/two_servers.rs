//! I19 and I20: a second server from one backup, and a morning on which everyone comes at once.

use gijiroku::seats::lease::EndReason;
use gijiroku::seats::refusal::Lost;
use gijiroku::seats::request::{Act, Held};
use gijiroku::seats::restart::Receipt;
use gijiroku::seats::{Happened, Limits, Mode, PoolId, Refusal, Reply, Request};

use crate::office::Office;
use crate::random::Luck;

fn held(reply: &Reply) -> Held {
    match reply {
        Reply::Granted(lease) | Reply::Attached(lease) => Held { lease: lease.lease, token: lease.token },
        other => panic!("no seat: {other:?}"),
    }
}

/// Shows what somebody holds, from whichever server, to an office.
fn show(office: &mut Office, name: &str, held: Held) -> Reply {
    let person = office.person(name).clone();
    let receipt = Receipt {
        lease: held.lease,
        holder: person.applicant.holder,
        pool: PoolId::standard(),
        token: held.token,
    };
    let used_for = Office::edits(&person);
    office.ask(Request::Adopt { receipt, applicant: person.applicant, device: person.device, used_for })
}

#[test]
fn i19_a_second_server_from_one_backup_waits_and_the_first_raises_the_alarm() {
    for seed in 0..200 {
        let mut luck = Luck::new(seed);
        let mut first = Office::new(2);
        let tanaka = held(&first.acquire("tanaka", false, Mode::Wait));
        first.pass_until(luck.within(1_000, 20_000));
        let mut second = first.cloned_from_backup();
        // The copy grants nothing while somebody may still work with the first.
        for _ in 0..5 {
            second.pass_until(second.now_ms + luck.within(500, 11_000));
            let reply = second.acquire("sato", false, Mode::Nowait);
            assert!(matches!(reply, Reply::Refused(Refusal::Recovering { .. })), "seed {seed}: {reply:?}");
        }
        second.pass_until(second.now_ms + 62_000);
        let sato = held(&second.acquire("sato", false, Mode::Wait));
        first.pass_until(second.now_ms);
        assert!(sato.token.epoch() > tanaka.token.epoch());

        show(&mut first, "sato", sato);
        let alarms = first.log.iter().filter(|event| matches!(event.what, Happened::Conflict { .. }));
        assert_eq!(alarms.count(), 1, "seed {seed}");
        let reply = first.acquire("suzuki", false, Mode::Nowait);
        assert!(matches!(reply, Reply::Refused(Refusal::InstanceConflict { .. })), "seed {seed}: {reply:?}");
        assert!(first.pools().proof(tanaka, first.now()).is_ok(), "seed {seed}: who works, works on");
        assert!(first.pools().proof(sato, first.now()).is_err(), "seed {seed}: its seat is not ours");

        first.ask(Request::ClearConflict(Act { by: "kanri".into(), text: "the copy is off".into() }));
        let reply = first.acquire("suzuki", false, Mode::Nowait);
        assert!(matches!(reply, Reply::Granted(_)), "seed {seed}: {reply:?}");
    }
}

/// Seed 683657: the copy still knows a seat that ended since; one device comes back to it, another shows the newer one.
#[test]
fn i8_a_device_that_a_newer_receipt_overtakes_is_told_that_its_person_works_elsewhere() {
    let mut first = Office::new(2);
    let old = held(&first.acquire("tanaka", true, Mode::Wait));
    first.pass_until(10_000);
    let mut copy = first.cloned_from_backup();
    let device = first.person("tanaka").device.id;
    first.ask(Request::Release { held: old, device });
    let new = held(&first.acquire("tanaka", true, Mode::Wait));

    copy.pass_until(15_000);
    assert!(matches!(copy.ask(Request::Beat(old)), Reply::Beating { .. }), "the copy takes it for alive");
    assert!(matches!(show(&mut copy, "tanaka", new), Reply::Attached(_)));
    assert_eq!(copy.live(), 1, "one person, one seat");
    let reply = copy.ask(Request::Beat(old));
    let Reply::Refused(Refusal::SeatLost { why: Lost::Ended { reason, .. } }) = &reply else {
        panic!("no silence ended it: {reply:?}");
    };
    assert_eq!(*reason, EndReason::Superseded);
    assert!(copy.pools().proof(old, copy.now()).is_err(), "fenced at once");
    assert!(copy.pools().proof(new, copy.now()).is_ok());
}

#[test]
fn i19_a_seat_that_was_handed_over_after_the_backup_is_known_by_its_newer_token_only() {
    let mut first = Office::new(2);
    let old = held(&first.acquire("tanaka", false, Mode::Wait));
    first.pass_until(10_000);
    let mut copy = first.cloned_from_backup();
    first.person("tanaka").is_connected = false;
    first.pass_until(80_000);
    let new = held(&first.acquire("tanaka", false, Mode::Wait));
    assert_eq!((new.lease, new.token > old.token), (old.lease, true));

    copy.pass_until(15_000);
    assert!(matches!(show(&mut copy, "tanaka", new), Reply::Attached(_)));
    assert!(
        matches!(show(&mut copy, "tanaka", new), Reply::Beating { .. }),
        "shown again, it is a sign of life"
    );
    let reply = show(&mut copy, "tanaka", old);
    assert!(matches!(reply, Reply::Refused(Refusal::SeatLost { why: Lost::Moved })), "{reply:?}");
    assert_eq!(copy.live(), 1);
}

#[test]
fn i20_ten_thousand_reconnects_in_five_seconds_lose_no_lease() {
    let (seats, everyone) = (500, 10_000);
    let mut office = Office::new(seats);
    let names: Vec<String> = (0..everyone).map(|number| format!("person{number}")).collect();
    for name in &names {
        office.person(name);
    }
    let before: Vec<Held> =
        names[..500].iter().map(|name| held(&office.acquire(name, false, Mode::Wait))).collect();
    office.pass_until(10_000);
    office.restart(20_000, false);
    // Everyone comes back within five seconds, in any order, whoever had a seat among them.
    let mut order: Vec<usize> = (0..names.len()).collect();
    let mut luck = Luck::new(20);
    for index in (1..order.len()).rev() {
        order.swap(index, luck.index(index + 1));
    }
    let mut refused = 0;
    for (count, index) in order.into_iter().enumerate() {
        if count % 2_000 == 0 {
            office.now_ms += 1_000;
            office.ask(Request::Tick);
        }
        match office.acquire(&names[index], false, Mode::Wait) {
            Reply::Granted(_) => panic!("no seat was free"),
            Reply::Refused(Refusal::QueueFull { .. }) => refused += 1,
            Reply::Attached(_) | Reply::Queued { .. } => {}
            other => panic!("{}: {other:?}", names[index]),
        }
    }
    let now = office.now();
    for (name, seat) in names.iter().zip(&before) {
        let holder = office.person(name).applicant.holder;
        let mine = office.pools().mine(&PoolId::standard(), holder, now);
        assert_eq!(mine.map(|(lease, _)| lease.id), Some(seat.lease), "{name} lost their seat");
    }
    let waiting = office.pools().places(&PoolId::standard(), now).len();
    assert_eq!(waiting, Limits::default().waiting_max as usize, "the line has an end");
    assert_eq!(waiting + refused + 500, names.len(), "everyone had an answer");
    assert_eq!(office.live(), 500);
}
