//! The invariants, one by one.

use super::restart::Trust;
use super::testing::{Desk, code, device, held, lease, licence, now, person, recording};
use super::*;

const T: u64 = 45_000;
const SAFE: u64 = 60_000;
const H: u64 = 60_000;

fn pool() -> PoolId {
    PoolId::standard()
}

fn kinds(step: &Step) -> Vec<Outcome> {
    step.events.iter().filter_map(Event::outcome).collect()
}

#[test]
fn i1_no_over_issue_while_silence_parks_and_waits_mix() {
    let mut desk = Desk::with_seats(2);
    let first = desk.seat(0, 1);
    desk.seat(0, 2);
    assert_eq!(code(&desk.acquire(1_000, 3, Mode::Nowait)), "no_free_seat");
    desk.ask(2_000, Request::Park(first));
    desk.seat(3_000, 3);
    assert_eq!(desk.pools.counts(&pool()).live, 2);
    assert!(desk.pools.proof(first, now(3_000)).is_err());
}

#[test]
fn i3_tokens_only_grow_over_restarts() {
    let mut desk = Desk::with_seats(1);
    let first = desk.seat(0, 1);
    desk.ask(10, Request::Release { held: first, device: device(1).id });
    let second = desk.seat(20, 2);
    desk.restart(0, 2, Trust::Current);
    desk.ask(10, Request::Release { held: second, device: device(2).id });
    let third = desk.seat(20, 3);
    assert!(first.token < second.token && second.token < third.token);
    assert_eq!(third.token.epoch(), Epoch::new(2));
    // An epoch that the shell forgot to raise must not give numbers twice.
    desk.restart(0, 1, Trust::Current);
    desk.ask(10, Request::Release { held: third, device: device(3).id });
    assert!(desk.seat(20, 4).token > third.token);
}

#[test]
fn i3_a_full_counter_asks_for_an_epoch_and_grants_nothing_before() {
    let mut desk = Desk::with_seats(2);
    desk.seat(0, 1);
    let mut state = desk.pools.state();
    state.office.counter.drawn = (1 << 40) - 10;
    let (mut pools, _) = Pools::restart(state, None, Epoch::new(1), Trust::Current, now(0));
    let request = desk.request(2, testing::editing(2), Mode::Nowait);
    let step = pools.step(now(10), Request::Acquire(request));
    assert_eq!(step.epoch_wanted, Some(Epoch::new(2)));
    assert_eq!(code(&step.reply), "recovering");
    assert_eq!(pools.step(now(20), Request::OpenEpoch { epoch: Epoch::new(2) }).epoch_wanted, None);
    let request = desk.request(3, testing::editing(3), Mode::Nowait);
    let step = pools.step(now(30), Request::Acquire(request));
    assert_eq!(held(&step.reply).token.epoch(), Epoch::new(2));
}

#[test]
fn i4_only_the_current_token_of_a_usable_lease_passes() {
    let mut desk = Desk::with_seats(1);
    let old = desk.seat(0, 1);
    assert!(desk.pools.proof(old, now(SAFE - 1)).is_ok());
    assert!(desk.pools.proof(old, now(SAFE)).is_err());
    let new = desk.seat(2 * T, 2);
    assert_eq!(
        desk.pools.proof(old, now(2 * T)).map_err(|refusal| refusal.code()).err(),
        Some("lease_lapsed")
    );
    assert!(desk.pools.proof(new, now(2 * T)).is_ok());
}

#[test]
fn i5_a_dead_holders_seat_reaches_the_waiter_within_a_tick() {
    let mut desk = Desk::with_seats(1);
    desk.seat(0, 1);
    let ticket = desk.wait(1_000, 2);
    for second in 2..61 {
        desk.ask(second * 1_000, Request::BeatWaiting { ticket, attentive: true });
        if second < 60 {
            assert!(desk.pools.mine(&pool(), person(2), now(second * 1_000)).is_none());
        }
    }
    assert!(desk.pools.mine(&pool(), person(2), now(60_000)).is_some());
}

#[test]
fn i5_a_crash_loop_does_not_keep_a_dead_holder_alive() {
    let mut desk = Desk::with_seats(1);
    desk.seat(0, 1);
    let mut at_ms = 0;
    for epoch in 2..40 {
        let checkpoint = desk.pools.checkpoint(now(at_ms + 5_000));
        let state = desk.pools.state();
        let (pools, events) =
            Pools::restart(state, checkpoint, Epoch::new(epoch), Trust::Current, now(at_ms + 5_000));
        (desk.pools, at_ms) = (pools, at_ms + 5_000);
        desk.events.extend(events);
        let request = desk.request(2, testing::editing(2), Mode::Nowait);
        let reply = desk.pools.step(now(at_ms), Request::Acquire(request));
        desk.events.extend(reply.events);
        if !matches!(reply.reply, Reply::Refused(_)) {
            assert!(at_ms <= 2 * SAFE + 10_000, "{at_ms}");
            return;
        }
    }
    panic!("the dead holder kept the seat");
}

#[test]
fn i6_signs_of_life_at_half_the_time_never_lose_a_seat_over_restarts_and_pauses() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    let ticket = desk.wait(10, 2);
    let mut ms = 0;
    for round in 1..60 {
        ms += T / 2;
        if round % 7 == 0 {
            desk.restart(ms, 1 + round, Trust::Current);
        }
        if round % 5 == 0 {
            desk.ask(ms, Request::Tick);
            ms += 300_000;
        }
        assert!(matches!(desk.ask(ms, Request::Beat(mine)), Reply::Beating { .. }), "{ms}");
        desk.ask(ms, Request::BeatWaiting { ticket, attentive: false });
        desk.ask(ms, Request::Activity(mine));
    }
}

#[test]
fn i7_the_calendar_decides_nothing_about_leases() {
    let run = |wall: fn(u64) -> i64| {
        let mut desk = Desk::with_seats(1);
        let mut replies = Vec::new();
        for ms in [0, 10_000, 50_000, 61_000, 100_000, 130_000] {
            let request = desk.request(u128::from(ms), testing::editing(1), Mode::Wait);
            let now = Now { mono: now(ms).mono, office: crate::clock::UnixMs::from_ms(wall(ms)) };
            let step = desk.pools.step(now, Request::Acquire(request));
            let what: Vec<_> = step.events.iter().map(|event| (event.at, event.cause.clone())).collect();
            replies.push((step.reply, what));
        }
        replies
    };
    assert_eq!(run(|ms| ms as i64), run(|ms| 9_000_000_000_000 - 40 * ms as i64));
}

#[test]
fn i8_the_time_told_ends_before_the_seat_is_free() {
    let mut desk = Desk::with_seats(1);
    let reply = desk.acquire(0, 1, Mode::Nowait);
    let told = lease(&reply).ttl_ms;
    assert_eq!(told, T);
    // A repetition that was answered late tells what is left, not the whole.
    let again = desk.request(1, testing::editing(1), Mode::Nowait);
    desk.ask(10_000, Request::Acquire(again.clone()));
    let reply = desk.ask(40_000, Request::Acquire(again));
    assert_eq!(lease(&reply).ttl_ms, T - 30_000);
}

#[test]
fn i9_the_same_request_gives_the_same_lease_and_another_body_is_refused() {
    let mut desk = Desk::with_seats(5);
    let request = desk.request(1, testing::editing(1), Mode::Nowait);
    let first = desk.ask(0, Request::Acquire(request.clone()));
    let again = desk.ask(5, Request::Acquire(request.clone()));
    assert_eq!(held(&first), held(&again));
    let other = Acquire { used_for: recording(7), ..request };
    assert_eq!(code(&desk.ask(6, Request::Acquire(other))), "bad_request");
    assert_eq!(desk.pools.counts(&pool()).live, 1);
}

#[test]
fn i9_the_cable_is_out_for_three_minutes_and_the_holder_takes_no_second_seat() {
    let mut desk = Desk::with_seats(3);
    let first = desk.seat(0, 1);
    let again = desk.seat(180_000, 1);
    assert_eq!(first.lease, again.lease);
    assert!(again.token > first.token);
    assert_eq!(desk.pools.counts(&pool()).live, 1);
    assert_eq!(desk.ask(180_001, Request::Release { held: first, device: device(1).id }), Reply::Done);
    assert!(desk.pools.proof(again, now(180_001)).is_ok());
}

#[test]
fn i9_a_repetition_after_the_release_takes_no_seat() {
    let mut desk = Desk::with_seats(1);
    let request = desk.request(1, testing::editing(1), Mode::Nowait);
    let mine = held(&desk.ask(0, Request::Acquire(request.clone())));
    desk.ask(1, Request::Release { held: mine, device: device(1).id });
    assert_eq!(code(&desk.ask(2, Request::Acquire(request))), "seat_lost");
    assert_eq!(desk.pools.counts(&pool()).live, 0);
}

#[test]
fn a_late_beat_never_revives_a_lapsed_lease() {
    let mut desk = Desk::with_seats(2);
    let mine = desk.seat(0, 1);
    assert_eq!(code(&desk.ask(SAFE, Request::Beat(mine))), "lease_lapsed");
    assert_eq!(code(&desk.ask(SAFE + 1, Request::Beat(mine))), "lease_lapsed");
}

#[test]
fn i11_the_line_is_served_in_turn_and_urgent_work_passes_at_most_ten_times() {
    let mut desk = Desk::with_seats(1);
    let mut holder = desk.seat(0, 1);
    let patient = desk.wait(1, 2);
    for urgent in 0..40_u128 {
        let ms = 10 + urgent as u64 * 10;
        let mut request = desk.request(100 + urgent, testing::editing(1), Mode::Wait);
        request.applicant.class = Class::Disaster;
        desk.ask(ms, Request::Acquire(request));
        let next = desk.pools.places(&pool(), now(ms + 1))[0].0;
        desk.ask(ms + 1, Request::Release { held: holder, device: owner(&desk, holder, ms) });
        let (lease, _) =
            desk.pools.mine(&pool(), next, now(ms + 1)).expect("the first in line was offered the seat");
        holder = Held { lease: lease.id, token: lease.token };
        desk.ask(ms + 2, Request::Accept(holder));
        if next == person(2) {
            assert_eq!(urgent, 10, "passed ten times, then served");
            assert!(desk.pools.ticket(patient).is_none());
            return;
        }
    }
    panic!("the patient one starved");
}

fn owner(desk: &Desk, held: Held, ms: u64) -> DeviceId {
    let (lease, _) = desk.pools.lease(held.lease, now(ms)).expect("the lease is live");
    lease.devices[0].id
}

#[test]
fn i11_a_newcomer_does_not_pass_the_line_for_a_free_seat() {
    let mut desk = Desk::with_seats(1);
    let first = desk.seat(0, 1);
    desk.wait(1, 2);
    desk.ask(2, Request::Release { held: first, device: device(1).id });
    assert_eq!(code(&desk.acquire(3, 3, Mode::Nowait)), "no_free_seat");
    assert!(desk.pools.mine(&pool(), person(2), now(3)).is_some());
}

#[test]
fn i12_an_unclaimed_offer_goes_to_the_next_and_who_vanished_leaves_the_line() {
    let mut desk = Desk::with_seats(1);
    let first = desk.seat(0, 1);
    let second = desk.wait(1, 2);
    let third = desk.wait(2, 3);
    desk.ask(3, Request::Release { held: first, device: device(1).id });
    let (offer, state) = desk.pools.mine(&pool(), person(2), now(4)).expect("offered");
    assert_eq!(state, LeaseState::Offered);
    let offered = Held { lease: offer.id, token: offer.token };
    for second in 1..=6 {
        desk.ask(3 + second * 10_000, Request::BeatWaiting { ticket: third, attentive: false });
    }
    assert_eq!(code(&desk.ask(3 + H, Request::Accept(offered))), "offer_expired");
    assert!(desk.pools.mine(&pool(), person(3), now(3 + H)).is_some());
    let fourth = desk.wait(3 + H, 4);
    desk.ask(3 + H + T, Request::Tick);
    assert!(desk.pools.ticket(fourth).is_none() && desk.pools.ticket(second).is_none());
}

#[test]
fn i13_the_line_and_the_time_waited_survive_a_restart() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    let tickets: Vec<_> = (2..6).map(|who| desk.wait(who as u64 * 100, who)).collect();
    for ms in (10_000..1_000_000).step_by(10_000) {
        desk.ask(ms, Request::Beat(mine));
        desk.ask(ms, Request::Activity(mine));
        for ticket in &tickets {
            desk.ask(ms, Request::BeatWaiting { ticket: *ticket, attentive: false });
        }
    }
    let before = desk.pools.places(&pool(), now(990_000));
    desk.restart(500, 2, Trust::Current);
    assert_eq!(desk.pools.places(&pool(), now(500)), before);
    let mut late = desk.request(9, testing::editing(9), Mode::Wait);
    late.applicant.class = Class::Normal;
    desk.ask(600, Request::Acquire(late));
    desk.ask(700, Request::Release { held: mine, device: device(1).id });
    assert!(desk.pools.mine(&pool(), person(2), now(700)).is_some());
}

#[test]
fn i16_each_request_ends_once_and_each_wait_is_resolved_once() {
    let mut desk = Desk::with_seats(1);
    let request = desk.request(1, testing::editing(1), Mode::Wait);
    assert_eq!(kinds(&desk.step(0, Request::Acquire(request))), [Outcome::Granted]);
    let request = desk.request(2, testing::editing(2), Mode::Nowait);
    assert_eq!(kinds(&desk.step(1, Request::Acquire(request.clone()))), [Outcome::Denied]);
    assert_eq!(kinds(&desk.step(2, Request::Acquire(request))), []);
    let request = desk.request(2, testing::editing(2), Mode::Wait);
    assert_eq!(kinds(&desk.step(3, Request::Acquire(request))), [Outcome::Queued]);
    let ticket = desk.pools.places(&pool(), now(4))[0].1.ticket;
    assert_eq!(kinds(&desk.step(5, Request::Leave { ticket })), [Outcome::Left]);
    assert_eq!(kinds(&desk.step(6, Request::Leave { ticket })), []);
}

#[test]
fn i10_free_and_live_seats_add_up_and_the_replayed_events_are_the_state() {
    let mut desk = Desk::with_seats(3);
    let first = desk.seat(0, 1);
    desk.seat(10, 2);
    desk.seat(20, 3);
    desk.wait(30, 4);
    // Given back and given on: one end, one grant, and no seat more or less.
    desk.ask(40, Request::Release { held: first, device: device(1).id });
    desk.ask(50, Request::SetLicence(licence(2)));
    for ms in [1_000, SAFE, SAFE + 1_000, SAFE + H + 2_000] {
        desk.ask(ms, Request::Tick);
    }
    desk.restart(5, 2, Trust::Current);
    let counts = desk.pools.counts(&pool());
    assert_eq!((counts.begun, counts.live), (4, (counts.begun - counts.over) as u32));
    assert_eq!(counts.live as usize, desk.pools.map(&pool(), now(5)).len());
    assert_eq!(Pools::replay(State::default(), &desk.events), desk.pools.state());
    let first_half = Pools::replay(State::default(), &desk.events[..6]);
    assert_eq!(Pools::replay(first_half, &desk.events[6..]), desk.pools.state(), "from any snapshot on");
}

#[test]
fn i18_fewer_seats_and_an_ended_licence_evict_nobody() {
    let mut desk = Desk::with_seats(3);
    let all = [desk.seat(0, 1), desk.seat(0, 2), desk.seat(0, 3)];
    desk.ask(1, Request::SetLicence(licence(1)));
    assert!(all.iter().all(|held| desk.pools.proof(*held, now(2)).is_ok()));
    assert_eq!(code(&desk.acquire(3, 4, Mode::Nowait)), "no_free_seat");
    let bar = Some(policy::Bar::Ended { file: "7".into(), to: crate::clock::UnixMs::from_ms(0) });
    desk.ask(4, Request::SetLicence(policy::Licence { bar, ..licence(3) }));
    desk.ask(5, Request::Release { held: all[0], device: device(1).id });
    assert_eq!(code(&desk.acquire(6, 4, Mode::Nowait)), "licence_ended");
    assert!(desk.pools.proof(all[1], now(7)).is_ok());
}

#[test]
fn i19_a_state_that_may_be_old_adopts_receipts_and_grants_nothing() {
    let mut desk = Desk::with_seats(2);
    let stale = desk.seat(0, 1);
    let backup = desk.pools.state();
    let (mut later, _) = Pools::restart(backup.clone(), None, Epoch::new(5), Trust::Current, now(0));
    let request = desk.request(2, testing::editing(2), Mode::Nowait);
    let newer = held(&later.step(now(10), Request::Acquire(request)).reply);
    let (mut restored, _) = Pools::restart(backup, None, Epoch::new(2), Trust::MayBeOld, now(0));
    let request = desk.request(3, testing::editing(3), Mode::Nowait);
    assert_eq!(code(&restored.step(now(10), Request::Acquire(request)).reply), "recovering");
    let receipt =
        restart::Receipt { lease: newer.lease, holder: person(2), pool: pool(), token: newer.token };
    let show = |receipt: &restart::Receipt| {
        let applicant = Applicant {
            holder: receipt.holder,
            department: String::new(),
            groups: vec![],
            class: Class::Normal,
        };
        Request::Adopt {
            receipt: receipt.clone(),
            applicant,
            device: device(2),
            used_for: testing::editing(2),
        }
    };
    assert_eq!(held(&restored.step(now(20), show(&receipt)).reply), newer);
    assert!(restored.proof(newer, now(30)).is_ok());
    restored.step(now(20_000), Request::Beat(stale));
    restored.step(now(50_000), Request::Beat(newer));
    let step = restored.step(now(60_000), Request::Tick);
    assert_eq!(step.epoch_wanted, Some(Epoch::new(6)));
    assert_eq!(
        code(&restored.step(now(60_001), Request::OpenEpoch { epoch: Epoch::new(5) }).reply),
        "bad_request"
    );
    restored.step(now(60_002), Request::OpenEpoch { epoch: Epoch::new(6) });
    let late = restart::Receipt { token: Token::new(Epoch::new(9), 1), ..receipt };
    assert_eq!(code(&restored.step(now(60_003), show(&late)).reply), "instance_conflict");
    let request = desk.request(4, testing::editing(4), Mode::Nowait);
    assert_eq!(code(&restored.step(now(60_004), Request::Acquire(request)).reply), "instance_conflict");
    assert!(restored.proof(newer, now(60_005)).is_ok());
}
