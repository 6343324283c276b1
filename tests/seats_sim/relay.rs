//! What keygen-relay gets wrong, by reading it: one test for each fault that is the engine's to avoid.

use gijiroku::seats::policy::{Bar, Licence, Licensed};
use gijiroku::seats::request::Held;
use gijiroku::seats::{Event, Happened, LeaseState, Mode, Outcome, PoolId, Refusal, Reply, Request};

use crate::clocks::TEN_YEARS_MS;
use crate::office::{MORNING, Office};

fn held(reply: &Reply) -> Held {
    match reply {
        Reply::Granted(lease) | Reply::Attached(lease) => Held { lease: lease.lease, token: lease.token },
        other => panic!("no seat: {other:?}"),
    }
}

fn outcomes(events: &[Event]) -> Vec<Outcome> {
    events.iter().filter_map(Event::outcome).collect()
}

#[test]
fn relay_r2_a_lease_does_not_run_on_the_wall_clock() {
    for jump in [TEN_YEARS_MS, -TEN_YEARS_MS] {
        let mut office = Office::new(1);
        let seat = held(&office.acquire("tanaka", false, Mode::Wait));
        office.pass_until(20_000);
        office.office_jump_ms = jump;
        office.pass_until(30_000);
        assert!(office.pools().proof(seat, office.now()).is_ok(), "jump {jump}: the seat is alive");
        office.person("tanaka").is_connected = false;
        office.acquire("suzuki", false, Mode::Wait);
        office.pass_until(92_000);
        assert_eq!(office.state_of("suzuki"), Some(LeaseState::Active), "jump {jump}: the dead one lapsed");
    }
}

#[test]
fn relay_r3_the_client_is_told_a_length_not_an_end_and_never_more_than_the_server_keeps() {
    let mut office = Office::new(1);
    let Reply::Granted(lease) = office.acquire("tanaka", false, Mode::Wait) else { panic!("a seat is free") };
    assert_eq!(lease.ttl_ms, 45_000, "T, counted from before asking; the server keeps T + G from hearing");
    office.pass_until(30_000);
    let seat = Held { lease: lease.lease, token: lease.token };
    let Reply::Beating { ttl_ms, .. } = office.ask(Request::Beat(seat)) else { panic!("alive") };
    assert_eq!(ttl_ms, 45_000);
}

#[test]
fn relay_r4_a_seat_is_given_back_by_its_current_token_only() {
    let mut office = Office::new(1);
    let old = held(&office.acquire("tanaka", false, Mode::Wait));
    office.person("tanaka").is_connected = false;
    office.pass_until(70_000);
    let new = held(&office.acquire("tanaka", false, Mode::Wait));
    assert!(new.token > old.token, "coming back draws a new token");
    let device = office.person("tanaka").device.id;
    assert_eq!(office.ask(Request::Release { held: old, device }), Reply::Done, "answered, and a no-op");
    assert!(office.pools().proof(new, office.now()).is_ok());
    assert_eq!(office.live(), 1);
}

#[test]
fn relay_r5_a_lapsed_seat_is_free_for_whoever_asks_without_a_sweep() {
    let mut office = Office::new(1);
    let dead = held(&office.acquire("tanaka", false, Mode::Wait));
    // No tick runs; steps that are not ticks keep the engine from taking the silence for its own pause.
    let watcher = office.person("suzuki").applicant.holder;
    for second in 1..=60 {
        office.now_ms = second * 1000;
        assert_eq!(office.live(), 1);
        let unknown = Held { lease: dead.lease, token: gijiroku::seats::Token::new(Default::default(), 0) };
        office.ask(Request::Beat(unknown));
    }
    office.now_ms = 60_001;
    assert!(office.pools().proof(dead, office.now()).is_err(), "the state is a function of now");
    let reply = office.acquire("suzuki", false, Mode::Wait);
    assert!(matches!(reply, Reply::Granted(_)), "{reply:?} for {watcher:?}");
    assert_eq!(office.live(), 1);
}

#[test]
fn relay_r6_every_refusal_is_an_event_with_its_reason() {
    let mut office = Office::new(1);
    office.acquire("tanaka", false, Mode::Wait);
    let before = office.log.len();
    let reply = office.acquire("suzuki", false, Mode::Nowait);
    assert!(matches!(reply, Reply::Refused(Refusal::NoFreeSeat { used: 1, seats: 1, .. })), "{reply:?}");
    let denied = office.log[before..].iter().filter(|event| {
        matches!(&event.what, Happened::Denied { refusal, .. } if matches!(**refusal, Refusal::NoFreeSeat { .. }))
    });
    assert_eq!(denied.count(), 1);
    assert_eq!(outcomes(&office.log[before..]), [Outcome::Denied]);
}

#[test]
fn relay_r7_the_audit_is_the_state_so_no_row_can_be_missing() {
    let mut office = Office::new(1);
    office.acquire("tanaka", false, Mode::Wait);
    office.acquire("suzuki", false, Mode::Wait);
    office.pass_until(30_000);
    office.person("tanaka").is_connected = false;
    office.pass_until(120_000);
    assert_eq!(office.state_of("suzuki"), Some(LeaseState::Active));
    let again = gijiroku::seats::Pools::replay(Default::default(), &office.log);
    assert_eq!(again, office.pools().state());
}

#[test]
fn relay_r8_a_heartbeat_writes_nothing() {
    let mut office = Office::new(1);
    let seat = held(&office.acquire("tanaka", false, Mode::Wait));
    let before = office.log.len();
    for second in 1..40 {
        office.now_ms = second * 1000;
        office.ask(Request::Beat(seat));
        office.ask(Request::Tick);
    }
    assert_eq!(office.log.len(), before, "{:?}", &office.log[before..]);
}

#[test]
fn relay_r11_a_licence_that_ends_stops_new_seats_and_evicts_nobody() {
    let mut office = Office::new(2);
    let seat = held(&office.acquire("tanaka", true, Mode::Wait));
    let licensed = Licensed { pool: PoolId::standard(), seats: 2, burst: None };
    let bar = Some(Bar::Ended { file: "7".into(), to: MORNING });
    office.ask(Request::SetLicence(Licence { pools: vec![licensed], bar }));
    let reply = office.acquire("suzuki", false, Mode::Wait);
    assert!(matches!(reply, Reply::Refused(Refusal::LicenceEnded { .. })), "{reply:?}");
    office.pass_until(600_000);
    assert!(office.pools().proof(seat, office.now()).is_ok(), "the recording runs on");
}

#[test]
fn relay_r12_a_refused_person_can_wait_and_is_served_in_turn() {
    let mut office = Office::new(1);
    let seat = held(&office.acquire("tanaka", false, Mode::Wait));
    let reply = office.acquire("suzuki", false, Mode::Wait);
    assert!(matches!(reply, Reply::Queued { place, .. } if place.position == 1), "{reply:?}");
    let before = office.log.len();
    let device = office.person("tanaka").device.id;
    office.ask(Request::Release { held: seat, device });
    assert_eq!(office.state_of("suzuki"), Some(LeaseState::Active), "in the same step");
    assert_eq!(outcomes(&office.log[before..]), [Outcome::Served]);
}
