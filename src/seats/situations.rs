//! Situations of an office day: devices, idleness, recordings, groups, meetings, disasters.

use uuid::Uuid;

use super::calendar::{JstDay, TrustedDate, WallClock, clock_text, month_and_day};
use super::policy::{Evidence, Rule, Rules, SeatFrom, Verdict, What, Who};
use super::reservation::{Reservation, ReservationId};
use super::testing::{Desk, MORNING, code, device, editing, held, lease, licence, now, person, recording};
use super::*;

const MINUTE: u64 = 60_000;

fn pool() -> PoolId {
    PoolId::standard()
}

fn act() -> Act {
    Act { by: "kanri".into(), text: "退庁後の使用".into() }
}

fn rule(id: &str, who: Who, what: What) -> Rule {
    Rule { id: id.into(), pool: pool(), who, what }
}

fn set_rules(desk: &mut Desk, list: Vec<Rule>) {
    let rules = Rules { list, contact: "情報担当(内線1234)".into() };
    assert_eq!(desk.ask(0, Request::SetRules(rules)), Reply::Done);
}

/// Keeps a holder alive and the engine ticking until a minute.
fn live_on(desk: &mut Desk, from_ms: u64, to_ms: u64, held: &[Held], waiting: &[TicketId]) {
    for ms in (from_ms..=to_ms).step_by(4_000) {
        for held in held {
            desk.events.extend(desk.pools.step(now(ms), Request::Beat(*held)).events);
        }
        for ticket in waiting {
            let beat = Request::BeatWaiting { ticket: *ticket, attentive: false };
            desk.events.extend(desk.pools.step(now(ms), beat).events);
        }
        desk.events.extend(desk.pools.step(now(ms), Request::Tick).events);
    }
    desk.assert_sound();
}

fn meeting(from_minutes: u64, seats: u32) -> Reservation {
    let from = crate::clock::UnixMs::from_ms(MORNING + (from_minutes * MINUTE) as i64);
    Reservation {
        id: ReservationId(Uuid::from_u128(u128::from(from_minutes))),
        meeting: MeetingId(Uuid::from_u128(500)),
        room: Some(Holder::Room(Uuid::from_u128(77))),
        organiser: person(50),
        from,
        to: from.plus(std::time::Duration::from_secs(3_600)),
        seats,
        attended: false,
        freed: false,
        overrun_told: false,
    }
}

fn reserve(desk: &mut Desk, list: Vec<Reservation>) -> Reply {
    desk.ask(0, Request::SetReservations { pool: pool(), list })
}

#[test]
fn a_second_device_takes_the_seat_over_unless_a_recording_runs() {
    let mut desk = Desk::with_seats(2);
    let first = desk.seat(0, 1);
    let mut other = desk.request(1, editing(1), Mode::Nowait);
    other.device = device(101);
    let step = desk.step(1, Request::Acquire(other));
    let moved = held(&step.reply);
    assert_eq!(moved.lease, first.lease);
    assert!(desk.pools.proof(first, now(2)).is_err());
    let pushed: Vec<_> = step.events.iter().flat_map(Event::pushes).map(|push| push.what).collect();
    assert!(pushed.contains(&Pushed::Moved { lease: first.lease }));
    desk.ask(2, Request::AddUse { held: moved, used_for: recording(9) });
    let join = |desk: &mut Desk, number: u128| {
        let mut request = desk.request(1, editing(1), Mode::Nowait);
        request.device = device(number);
        desk.ask(3, Request::Acquire(request))
    };
    assert_eq!(held(&join(&mut desk, 102)), moved);
    assert_eq!(code(&join(&mut desk, 103)), "too_many_devices");
    assert!(desk.pools.proof(moved, now(4)).is_ok());
}

#[test]
fn a_job_shares_its_owners_seat_and_keeps_it_when_the_page_is_closed() {
    let mut desk = Desk::with_seats(1);
    let page = desk.seat(0, 1);
    let job_use = Use::Recognise(JobId(Uuid::from_u128(3)));
    let mut job = desk.request(1, job_use, Mode::Nowait);
    job.device = Device { kind: DeviceKind::Job, ..device(900) };
    assert_eq!(held(&desk.ask(1, Request::Acquire(job))), page);
    desk.ask(2, Request::Release { held: page, device: device(1).id });
    assert!(desk.pools.proof(page, now(3)).is_ok());
    desk.ask(3, Request::EndUse { held: page, used_for: job_use, device: device(900).id });
    assert_eq!(desk.pools.counts(&pool()).live, 0);
}

#[test]
fn who_parks_or_yields_while_a_job_runs_leaves_the_seat_to_the_job() {
    let mut desk = Desk::with_seats(1);
    let page = desk.seat(0, 1);
    let mut job = desk.request(1, Use::Recognise(JobId(Uuid::from_u128(3))), Mode::Nowait);
    job.device = Device { kind: DeviceKind::Job, ..device(900) };
    desk.ask(1, Request::Acquire(job));
    desk.wait(2, 2);
    desk.ask(3, Request::Yield(page));
    assert!(desk.pools.proof(page, now(4)).is_ok());
    desk.ask(5, Request::Release { held: page, device: device(900).id });
    assert!(desk.pools.mine(&pool(), person(2), now(6)).is_some());
}

#[test]
fn i15_working_on_something_else_in_the_morning_is_not_coming_to_the_meeting() {
    let mut desk = Desk::with_seats(1);
    reserve(&mut desk, vec![meeting(120, 1)]);
    let mut early = desk.request(50, editing(9), Mode::Nowait);
    early.applicant.holder = person(50);
    let reply = desk.ask(0, Request::Acquire(early));
    let mine = held(&reply);
    desk.ask(10 * MINUTE, Request::Release { held: mine, device: device(50).id });
    let step = desk.step(131 * MINUTE, Request::Tick);
    assert!(
        step.events.iter().any(|event| matches!(event.what, Happened::NoShow { .. })),
        "{:?}",
        step.events
    );
}

#[test]
fn a_closed_page_may_be_reloaded_and_is_taken_after_a_second() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    desk.ask(1_000, Request::SocketClosed { held: mine, device: device(1).id });
    let again = desk.seat(1_500, 1);
    assert_eq!(again, mine);
    desk.ask(2_000, Request::SocketClosed { held: mine, device: device(1).id });
    assert_eq!(code(&desk.acquire(2_900, 2, Mode::Nowait)), "no_free_seat");
    desk.seat(3_000, 2);
}

#[test]
fn an_idle_holder_is_warned_and_reclaimed_only_while_somebody_waits() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    live_on(&mut desk, 0, 60 * MINUTE, &[mine], &[]);
    assert!(!desk.events.iter().any(|event| matches!(event.what, Happened::Warned { .. })));
    let ticket = desk.wait(60 * MINUTE, 2);
    assert!(desk.events.iter().any(|event| matches!(event.what, Happened::Warned { in_ms: 300_000, .. })));
    live_on(&mut desk, 60 * MINUTE, 64 * MINUTE + 56_000, &[mine], &[ticket]);
    assert!(desk.pools.proof(mine, now(64 * MINUTE + 56_000)).is_ok());
    live_on(&mut desk, 65 * MINUTE, 65 * MINUTE, &[], &[ticket]);
    let refusal = desk.pools.proof(mine, now(65 * MINUTE)).expect_err("it was reclaimed");
    assert_eq!(refusal.japanese(), "操作がなかったため、待っている方に渡しました。");
}

#[test]
fn a_warned_holder_who_does_something_keeps_the_seat() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    let ticket = desk.wait(0, 2);
    live_on(&mut desk, 0, 11 * MINUTE, &[mine], &[ticket]);
    desk.ask(11 * MINUTE, Request::Activity(mine));
    live_on(&mut desk, 11 * MINUTE, 20 * MINUTE, &[mine], &[ticket]);
    assert!(desk.pools.proof(mine, now(20 * MINUTE)).is_ok());
}

#[test]
fn a_recording_is_never_reclaimed_yielded_parked_or_revoked_by_the_way() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    desk.ask(1, Request::AddUse { held: mine, used_for: recording(1) });
    let ticket = desk.wait(2, 2);
    live_on(&mut desk, 2, 40 * MINUTE, &[mine], &[ticket]);
    let at = 40 * MINUTE;
    for request in [
        Request::Yield(mine),
        Request::Park(mine),
        Request::Revoke { lease: mine.lease, act: act() },
        Request::AskYield { ticket, lease: mine.lease, name: None },
    ] {
        assert_eq!(code(&desk.ask(at, request)), "recording_runs");
    }
    desk.ask(at, Request::SocketClosed { held: mine, device: device(1).id });
    assert!(desk.pools.proof(mine, now(at + 30_000)).is_ok());
    desk.ask(at, Request::EndRecording { lease: mine.lease, act: act() });
    let refusal = desk.pools.proof(mine, now(at)).expect_err("the recording was ended");
    assert_eq!(
        refusal.japanese(),
        "管理者が録音を終了して席を返却しました(理由: 退庁後の使用)。音声は保存されています。"
    );
}

#[test]
fn parked_and_sleeping_seats_are_kept_until_somebody_needs_them() {
    let mut desk = Desk::with_seats(2);
    let parked = desk.seat(0, 1);
    let asleep = desk.seat(0, 2);
    desk.ask(1, Request::Park(parked));
    desk.ask(1, Request::Sleep(asleep));
    assert!(
        desk.pools
            .mine(&pool(), person(2), now(50_000))
            .is_some_and(|(_, state)| state == LeaseState::Parked)
    );
    desk.ask(5 * MINUTE, Request::Tick);
    let back = desk.seat(5 * MINUTE, 1);
    assert!(back.lease == parked.lease && back.token > parked.token);
    desk.seat(5 * MINUTE, 3);
    assert!(desk.pools.mine(&pool(), person(2), now(5 * MINUTE)).is_none());
}

#[test]
fn a_seat_that_is_yielded_goes_to_the_next_in_line() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    let first = desk.wait(1, 2);
    let second = desk.wait(2, 3);
    let step =
        desk.step(3, Request::AskYield { ticket: second, lease: mine.lease, name: Some("山田".into()) });
    assert!(matches!(&step.events[0].pushes()[0].what, Pushed::Warn { of: None, name: Some(_), .. }));
    desk.ask(4, Request::BeatWaiting { ticket: first, attentive: true });
    desk.ask(5, Request::Yield(mine));
    assert!(
        desk.pools.mine(&pool(), person(2), now(5)).is_some_and(|(_, state)| state == LeaseState::Active)
    );
}

#[test]
fn a_waiter_blocked_by_their_own_quota_is_skipped_and_not_passed() {
    let mut desk = Desk::with_seats(2);
    set_rules(&mut desk, vec![rule("q", Who::Department("課1".into()), What::Quota(1))]);
    desk.seat(0, 1);
    let other = desk.seat(0, 3);
    assert_eq!(code(&desk.acquire(1, 4, Mode::Nowait)), "quota_group");
    let blocked = desk.wait(1, 4);
    desk.wait(2, 2);
    desk.ask(3, Request::Release { held: other, device: device(3).id });
    assert!(desk.pools.mine(&pool(), person(2), now(3)).is_some());
    assert!(desk.pools.ticket(blocked).is_some_and(|ticket| ticket.overtaken == 0));
}

#[test]
fn a_lapsed_seat_of_a_full_quota_goes_to_its_own_group() {
    let mut desk = Desk::with_seats(5);
    set_rules(&mut desk, vec![rule("q", Who::Department("課1".into()), What::Quota(1))]);
    let dead = desk.seat(0, 1);
    let other = desk.seat(0, 2);
    live_on(&mut desk, 0, 56_000, &[other], &[]);
    assert_eq!(code(&desk.acquire(56_000, 4, Mode::Nowait)), "quota_group");
    live_on(&mut desk, 60_000, 60_000, &[other], &[]);
    desk.seat(60_000, 4);
    assert!(desk.pools.proof(dead, now(60_000)).is_err() && desk.pools.proof(other, now(60_000)).is_ok());
}

#[test]
fn i20_a_full_line_refuses_and_forgets_nobody() {
    let mut desk = Desk::with_seats(1);
    desk.ask(0, Request::SetLimits(Limits { waiting_max: 1, ..Limits::default() }));
    desk.seat(0, 1);
    let ticket = desk.wait(1, 2);
    assert_eq!(code(&desk.acquire(2, 3, Mode::Wait)), "queue_full");
    assert_eq!(desk.pools.place(ticket, now(3)).map(|place| place.position), Some(1));
}

#[test]
fn a_limit_outside_its_range_is_refused_by_its_name() {
    let mut desk = Desk::with_seats(1);
    let reply = desk.ask(0, Request::SetLimits(Limits { ttl_ms: 29_999, ..Limits::default() }));
    assert!(matches!(reply, Reply::Refused(Refusal::BadRequest { field }) if field == "ttl_ms"));
    assert_eq!(desk.pools.limits(), &Limits::default());
}

#[test]
fn a_guarantee_is_lent_while_idle_and_asked_back_when_its_group_comes() {
    let mut desk = Desk::with_seats(2);
    set_rules(&mut desk, vec![rule("g", Who::Department("課0".into()), What::Guarantee(1))]);
    let own = desk.seat(0, 1);
    let request = desk.request(2, editing(2), Mode::Nowait);
    assert_eq!(desk.pools.explain(&request, now(1)).verdict, Verdict::Grant(SeatFrom::Lent));
    let record = desk.request(2, recording(2), Mode::Nowait);
    assert_eq!(code(&desk.ask(1, Request::Acquire(record))), "reserved");
    let lent = held(&desk.ask(1, Request::Acquire(request)));
    assert_eq!(code(&desk.ask(2, Request::AddUse { held: lent, used_for: recording(2) })), "reserved");
    let ticket = desk.wait(3, 3);
    assert!(desk.events.iter().any(|event| matches!(event.what, Happened::Warned { of: Warning::Lent, .. })));
    live_on(&mut desk, 4, 5 * MINUTE + 4_000, &[own, lent], &[ticket]);
    assert!(desk.pools.mine(&pool(), person(3), now(5 * MINUTE + 4_000)).is_some());
    assert!(desk.pools.proof(own, now(5 * MINUTE + 4_000)).is_ok());
}

#[test]
fn i15_a_no_show_frees_the_seats_after_ten_minutes_and_tells_it() {
    let mut desk = Desk::with_seats(1);
    assert_eq!(reserve(&mut desk, vec![meeting(30, 1)]), Reply::Done);
    let record = desk.request(1, recording(1), Mode::Nowait);
    assert_eq!(code(&desk.ask(25 * MINUTE, Request::Acquire(record))), "reserved");
    let edit = desk.request(1, editing(1), Mode::Nowait);
    let reply = desk.ask(25 * MINUTE, Request::Acquire(edit));
    assert!(matches!(reply, Reply::Refused(Refusal::Reserved { until: None, .. })));
    let step = desk.step(40 * MINUTE, Request::Tick);
    assert!(step.events.iter().any(|event| matches!(event.what, Happened::NoShow { .. })));
    desk.seat(40 * MINUTE, 1);
}

#[test]
fn i15_the_meetings_room_gets_its_seat_and_fills_the_reservation() {
    let mut desk = Desk::with_seats(2);
    reserve(&mut desk, vec![meeting(30, 1)]);
    desk.seat(22 * MINUTE, 1);
    let mut room = desk.request(9, recording(500), Mode::Nowait);
    room.applicant.holder = Holder::Room(Uuid::from_u128(77));
    let reply = desk.ask(22 * MINUTE, Request::Acquire(room));
    let (found, _) = desk.pools.lease(lease(&reply).lease, now(22 * MINUTE)).expect("the room records");
    assert_eq!(found.fills, Some(meeting(30, 1).id));
    let step = desk.step(41 * MINUTE, Request::Tick);
    assert!(!step.events.iter().any(|event| matches!(event.what, Happened::NoShow { .. })));
}

#[test]
fn i15_more_seats_than_there_are_cannot_be_promised() {
    let mut desk = Desk::with_seats(3);
    assert_eq!(code(&reserve(&mut desk, vec![meeting(30, 2), meeting(60, 2)])), "over_booked");
    assert_eq!(reserve(&mut desk, vec![meeting(30, 2), meeting(100, 3)]), Reply::Done);
    assert_eq!(reserve(&mut desk, vec![meeting(30, 3), meeting(90, 3)]), Reply::Done, "one after the other");
    let list = vec![rule("g", Who::Everyone, What::Guarantee(1))];
    assert_eq!(code(&desk.ask(1, Request::SetRules(Rules { list, contact: String::new() }))), "over_booked");
}

#[test]
fn i18_a_burst_is_counted_in_days_of_japan_and_closing_evicts_nobody() {
    let mut desk = Desk::with_seats(1);
    desk.seat(0, 1);
    let open = || Request::OpenBurst { pool: pool(), act: act() };
    assert_eq!(desk.ask(1, open()), Reply::Done);
    let second = desk.seat(2, 2);
    desk.ask(3, Request::CloseBurst { pool: pool(), act: act() });
    assert!(desk.pools.proof(second, now(4)).is_ok());
    desk.ask(5, open());
    let day = 86_400_000;
    // It is 9:00: fifteen hours later a new day begins in Japan, at 15:00 UTC.
    desk.ask(15 * 60 * MINUTE - 1, Request::Tick);
    let days = |desk: &Desk| desk.pools.state().pools[&pool()].burst.days.len();
    assert_eq!(days(&desk), 1);
    desk.ask(15 * 60 * MINUTE, Request::Tick);
    assert_eq!(days(&desk), 2);
    desk.ask(day + 15 * 60 * MINUTE, Request::Tick);
    assert_eq!(desk.pools.counts(&pool()).capacity, 1);
    assert_eq!(code(&desk.ask(day + 15 * 60 * MINUTE, open())), "burst_unavailable");
}

#[test]
fn an_explanation_names_every_step_and_leaves_no_trace() {
    let mut desk = Desk::with_seats(1);
    set_rules(&mut desk, vec![rule("q", Who::Everyone, What::Quota(9))]);
    desk.seat(0, 1);
    let request = desk.request(2, editing(2), Mode::Wait);
    let before = desk.pools.state();
    let decision = desk.pools.explain(&request, now(1));
    assert_eq!(decision.verdict, Verdict::Queue);
    assert!(decision.evidence.contains(&Evidence::Quota { rule: "q".into(), used: 1, max: 9 }));
    assert!(decision.evidence.contains(&Evidence::Seats { live: 1, capacity: 1, held: 0 }));
    assert_eq!(desk.pools.state(), before);
}

#[test]
fn excluded_people_learn_whom_to_ask() {
    let mut desk = Desk::with_seats(1);
    set_rules(&mut desk, vec![rule("x", Who::Group("研修生".into()), What::Exclude)]);
    let mut request = desk.request(2, editing(2), Mode::Wait);
    request.applicant.groups.push("研修生".into());
    let Reply::Refused(refusal) = desk.ask(1, Request::Acquire(request)) else { panic!("should be refused") };
    assert_eq!(refusal.japanese(), "この席の種類は利用対象外です。問い合わせ先: 情報担当(内線1234)。");
}

#[test]
fn events_and_states_survive_being_written_as_text() {
    let mut desk = Desk::with_seats(1);
    let mine = desk.seat(0, 1);
    let ticket = desk.wait(1, 2);
    desk.ask(2, Request::BeatWaiting { ticket, attentive: true });
    desk.ask(3, Request::Revoke { lease: mine.lease, act: act() });
    desk.acquire(4, 3, Mode::Nowait);
    for event in &desk.events {
        let text = serde_json::to_string(event).expect("an event has only text keys");
        assert_eq!(&serde_json::from_str::<Event>(&text).expect("it was written by us"), event, "{text}");
    }
    let text = serde_json::to_string(&desk.pools.state()).expect("a state has only text keys");
    assert_eq!(serde_json::from_str::<State>(&text).expect("it was written by us"), desk.pools.state());
    let token = serde_json::to_string(&mine.token).expect("a token is a text");
    assert_eq!(token, format!("\"{}\"", mine.token.number()));
}

#[test]
fn the_days_of_japan_are_those_of_the_office() {
    let midnight = crate::clock::UnixMs::from_ms(1_806_505_200_000);
    assert_eq!(JstDay::of(midnight).start(), midnight);
    assert_eq!(month_and_day(midnight), (4, 1));
    assert_eq!(month_and_day(midnight.minus(std::time::Duration::from_millis(1))), (3, 31));
    assert_eq!(JstDay::of(midnight).fiscal_year(), 2027);
    assert_eq!(JstDay(JstDay::of(midnight).0 - 1).fiscal_year(), 2026);
    assert_eq!(clock_text(crate::clock::UnixMs::from_ms(MORNING)), "9:00");
    assert!(!JstDay::of(midnight).is_weekend() && JstDay(JstDay::of(midnight).0 + 2).is_weekend());
}

#[test]
fn i18_the_trusted_calendar_neither_goes_back_nor_jumps() {
    let wall = |ms: i64| crate::clock::UnixMs::from_ms(MORNING + ms);
    let mono = crate::clock::Mono::from_ms;
    let (hour, day) = (3_600_000_u64, 86_400_000_u64);
    let mut trusted = TrustedDate::start(None, wall(0), mono(0));
    assert_eq!(trusted.look(wall(-86_400_000), mono(hour)), WallClock::Behind { by_ms: day + hour });
    assert_eq!(trusted.now(mono(hour)), wall(hour as i64));
    let ahead = |ms: u64| wall((ms + 30 * day) as i64);
    assert!(matches!(trusted.look(ahead(2 * hour), mono(2 * hour)), WallClock::Ahead { .. }));
    assert!(matches!(trusted.look(ahead(7 * day), mono(7 * day)), WallClock::Ahead { .. }));
    assert_eq!(trusted.now(mono(7 * day)), wall(7 * day as i64));
    assert_eq!(trusted.look(ahead(7 * day + 2 * hour), mono(7 * day + 2 * hour)), WallClock::Agrees);
    let restarted = TrustedDate::start(Some(wall(0)), wall(-5), mono(9));
    assert_eq!(restarted.now(mono(9)), wall(0));
    assert_eq!(TrustedDate::start(Some(wall(0)), ahead(0), mono(9)).now(mono(9)), wall(0));
}

#[test]
fn an_estimate_is_told_only_after_enough_working_days() {
    let mut desk = Desk::with_seats(2);
    let mut now_ms = 0;
    for day in 0..9_u64 {
        for who in 1..=4 {
            now_ms = day * 86_400_000 + who as u64 * 1_000;
            let mine = desk.seat(now_ms, who);
            desk.ask(now_ms, Request::Release { held: mine, device: device(who).id });
        }
    }
    desk.seat(now_ms, 8);
    desk.seat(now_ms, 9);
    let Reply::Queued { place, refusal } = desk.acquire(now_ms, 5, Mode::Wait) else { panic!("should wait") };
    let eta = place.eta.expect("there were six working days");
    assert_eq!(eta.median_ms, 3_600_000 / 4);
    assert!(refusal.japanese().contains("あと約15〜15分の見込み"));
    let early = Desk::with_seats(0).acquire(0, 1, Mode::Wait);
    assert!(matches!(early, Reply::Queued { refusal, .. } if refusal.japanese().contains("不明")));
}

#[test]
fn a_licence_of_nothing_grants_nothing() {
    let mut desk = Desk::with_seats(1);
    desk.ask(0, Request::SetLicence(policy::Licence { pools: Vec::new(), ..licence(1) }));
    assert_eq!(code(&desk.acquire(1, 1, Mode::Wait)), "licence_none");
}
