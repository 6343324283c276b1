use super::super::frame::Ready;
use super::*;
use crate::speech::schedule::Due;
use crate::speech::{Backend, Effort, Language, Urgency};

const SECOND: Duration = Duration::from_secs(1);

fn at(ms: u64) -> Mono {
    Mono::from_ms(ms)
}

fn request() -> Request {
    let effort = Effort { beam: 1, temperature: 0.0, audio_ctx: 1_472, tokens_max: 100 };
    Request { samples: vec![0.0; 16_000], language: Language::Ja, prompt: vec![], effort, due: Due::BATCH }
}

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        model: "m.bin".into(),
        sha256: String::new(),
        backend: Backend::Whisper,
        threads: 2,
    }
}

fn ready() -> Frame {
    Frame::Ready(Ready { protocol: PROTOCOL, backend: String::new() })
}

fn done(id: u64) -> Frame {
    Frame::Done(id, Recognition { language: "ja".into(), pieces: vec![], passes: 1 })
}

/// A child that is up with the given windows submitted at 0.
fn up(ids: &[u64]) -> Supervisor {
    let (mut supervisor, actions) = Supervisor::start(hello(), Patience::default(), at(0));
    assert_eq!(actions, [Action::Spawn, Action::Send(Frame::Hello(hello()))]);
    for id in ids {
        assert_eq!(supervisor.submit(at(0), *id, request()), [], "nothing is sent before the child is ready");
    }
    supervisor.hear(at(0), ready());
    supervisor
}

fn sent(actions: &[Action]) -> Vec<u64> {
    let id = |action: &Action| match action {
        Action::Send(Frame::Recognize(id, _)) => Some(*id),
        _ => None,
    };
    actions.iter().filter_map(id).collect()
}

fn replied(actions: &[Action]) -> Vec<(u64, bool)> {
    let reply = |action: &Action| match action {
        Action::Reply(id, answer) => Some((*id, answer.is_ok())),
        _ => None,
    };
    actions.iter().filter_map(reply).collect()
}

#[test]
fn no_more_windows_fly_than_there_are_slots() {
    let (mut supervisor, _) = Supervisor::start(hello(), Patience::default(), at(0));
    for id in 0..4 {
        supervisor.submit(at(0), id, request());
    }
    assert_eq!(sent(&supervisor.hear(at(10), ready())), [0, 1]);
    let actions = supervisor.hear(at(20), done(1));
    assert_eq!((replied(&actions), sent(&actions)), (vec![(1, true)], vec![2]));
}

#[test]
fn after_a_death_the_windows_in_flight_are_tried_one_at_a_time() {
    let mut supervisor = up(&[0, 1, 2]);
    let actions = supervisor.child_died(at(100), "killed");
    assert!(actions.contains(&Action::Spawn), "the first death is followed by a start at once");
    assert_eq!(replied(&actions), []);
    assert_eq!(sent(&supervisor.hear(at(200), ready())), [0]);
    assert_eq!(sent(&supervisor.hear(at(300), done(0))), [1]);
    assert_eq!(sent(&supervisor.hear(at(400), done(1))), [2], "then work goes on as before");
}

#[test]
fn a_window_that_kills_the_child_twice_more_is_given_up_and_the_others_go_on() {
    let mut supervisor = up(&[0, 1]);
    supervisor.child_died(at(100), "killed");
    supervisor.hear(at(200), ready());
    assert_eq!(replied(&supervisor.child_died(at(300), "killed")), []);
    let spawn_at = supervisor.next_due().expect("a start is due");
    supervisor.tick(spawn_at);
    assert_eq!(sent(&supervisor.hear(spawn_at, ready())), [1], "the other suspect has its turn");
    assert_eq!(sent(&supervisor.hear(spawn_at, done(1))), [0]);
    let actions = supervisor.child_died(spawn_at, "killed");
    let poisoned = Action::Reply(0, Err(EngineError::Poisoned { cause: "killed".into() }));
    assert!(actions.contains(&poisoned), "{actions:?}");
    assert_eq!(supervisor.flying.len() + supervisor.suspects.len() + supervisor.waiting.len(), 0);
}

#[test]
fn a_window_that_takes_too_long_kills_the_child() {
    let mut supervisor = up(&[0]);
    let due = supervisor.flying[&0].until;
    assert_eq!(due, at(0) + Patience::default().window + 4 * SECOND);
    assert_eq!(supervisor.tick(at(13_999)), []);
    assert_eq!(supervisor.tick(due).first(), Some(&Action::Kill));
}

#[test]
fn a_child_that_does_not_answer_a_ping_is_killed() {
    let mut supervisor = up(&[]);
    assert_eq!(supervisor.tick(at(15_000)), [Action::Send(Frame::Ping(0))]);
    assert_eq!(supervisor.tick(at(29_999)), []);
    assert_eq!(supervisor.tick(at(30_000)).first(), Some(&Action::Kill));
}

#[test]
fn a_pong_buys_time() {
    let mut supervisor = up(&[]);
    supervisor.tick(at(15_000));
    supervisor.hear(at(16_000), Frame::Pong(0));
    assert_eq!(supervisor.tick(at(30_000)), []);
}

#[test]
fn a_model_that_is_not_ready_in_time_is_started_again() {
    let (mut supervisor, _) = Supervisor::start(hello(), Patience::default(), at(0));
    let actions = supervisor.tick(at(60_000));
    assert_eq!(actions.first(), Some(&Action::Kill));
    assert!(actions.contains(&Action::Spawn));
}

#[test]
fn an_unfit_child_answers_everybody_and_is_not_started_again() {
    let mut supervisor = up(&[0, 1, 2]);
    let actions = supervisor.hear(at(10), Frame::Unfit("wrong sha256".into()));
    assert_eq!(replied(&actions), [(0, false), (1, false), (2, false)]);
    assert_eq!(supervisor.next_due(), None);
    assert_eq!(replied(&supervisor.submit(at(20), 3, request())), [(3, false)]);
}

/// Lets a child die as soon as it is started, so many times; returns the waits in seconds and the time after them.
fn die_at_once(supervisor: &mut Supervisor, times: usize) -> (Vec<u64>, Mono) {
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..times {
        supervisor.child_died(now, "no memory");
        let due = match supervisor.state {
            State::Backoff { until } => until,
            State::Starting { .. } | State::Up { .. } | State::Over { .. } => now,
        };
        waits.push(due.since(now).as_secs());
        now = due;
        supervisor.tick(now);
    }
    (waits, now)
}

#[test]
fn waits_grow_while_the_child_keeps_dying_and_five_deaths_are_told() {
    let (mut supervisor, _) = Supervisor::start(hello(), Patience::default(), at(0));
    die_at_once(&mut supervisor, 4);
    assert_eq!(supervisor.health(), Health::Starting, "four deaths can be bad luck");
    let (mut supervisor, _) = Supervisor::start(hello(), Patience::default(), at(0));
    assert_eq!(die_at_once(&mut supervisor, 9).0, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(supervisor.health(), Health::Degraded { cause: "no memory".into() });
}

#[test]
fn a_broken_engine_stays_degraded_until_it_answers_and_remembers_only_the_latest_deaths() {
    let (mut supervisor, _) = Supervisor::start(hello(), Patience::default(), at(0));
    let (_, now) = die_at_once(&mut supervisor, 100);
    assert_eq!(supervisor.health(), Health::Degraded { cause: "no memory".into() });
    assert_eq!(supervisor.deaths.len(), DEGRADED_DEATHS);
    supervisor.submit(now, 0, request());
    supervisor.hear(now, ready());
    supervisor.hear(now, done(0));
    assert_eq!(supervisor.health(), Health::Up);
}

#[test]
fn five_deaths_far_apart_are_no_broken_engine() {
    let (mut supervisor, _) = Supervisor::start(hello(), Patience::default(), at(0));
    for hour in 0..5 {
        supervisor.child_died(at(hour * 3_600_000), "killed");
    }
    assert_eq!(supervisor.health(), Health::Starting);
}

#[test]
fn an_answer_forgives_earlier_deaths() {
    let mut supervisor = up(&[0]);
    supervisor.child_died(at(100), "killed");
    supervisor.hear(at(200), ready());
    supervisor.hear(at(300), done(0));
    assert_eq!(supervisor.deaths.len(), 0);
    assert_eq!(supervisor.health(), Health::Up);
}

#[test]
fn every_window_is_answered_once_whatever_happens() {
    // A small pseudo-random walk: submissions, answers, deaths and time in any order.
    let mut supervisor = up(&[]);
    let (mut now, mut seed, mut answers) = (0, 1_u64, vec![0; 200]);
    let (mut next, mut starting) = (0, false);
    for _ in 0..5_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        now += 50;
        let flying: Vec<u64> = supervisor.flying.keys().copied().collect();
        let actions = match (seed >> 33) % 10 {
            0..=2 if next < 200 => {
                next += 1;
                supervisor.submit(at(now), next - 1, request())
            }
            3 => supervisor.child_died(at(now), "killed"),
            4..=7 if !flying.is_empty() => supervisor.hear(at(now), done(flying[0])),
            _ if starting => supervisor.hear(at(now), ready()),
            _ => supervisor.tick(at(now)),
        };
        starting = matches!(supervisor.state, State::Starting { .. });
        for (id, _) in replied(&actions) {
            answers[id as usize] += 1;
        }
    }
    for action in supervisor.stop() {
        if let Action::Reply(id, _) = action {
            answers[id as usize] += 1;
        }
    }
    assert!(answers[..next as usize].iter().all(|count| *count == 1), "{answers:?}");
}

fn due(urgency: Urgency, by_ms: u64) -> Request {
    Request { due: Due { urgency, by_ms }, ..request() }
}

#[test]
fn a_final_flies_although_every_slot_for_batch_work_is_taken() {
    let mut supervisor = up(&[0, 1, 2]);
    assert_eq!(sent(&supervisor.submit(at(10), 3, due(Urgency::Final, 500))), [3]);
    assert!(sent(&supervisor.submit(at(10), 4, due(Urgency::Batch, 0))).is_empty());
}

#[test]
fn what_waits_flies_in_the_order_it_is_due() {
    let mut supervisor = up(&[]);
    for (id, by_ms) in [(0, 0), (1, 0), (2, 900), (3, 400)] {
        supervisor.submit(at(0), id, due(Urgency::Partial, by_ms));
    }
    assert_eq!(sent(&supervisor.hear(at(10), done(0))), [3]);
    assert_eq!(sent(&supervisor.hear(at(20), done(1))), [2]);
}

#[test]
fn a_cancelled_window_is_answered_at_once_if_it_waits_and_by_the_child_if_it_flies() {
    let mut supervisor = up(&[0, 1, 2]);
    let cancelled = Err(EngineError::Refused(RecognizeError::Cancelled));
    assert_eq!(supervisor.cancel(2), [Action::Reply(2, cancelled.clone())]);
    assert_eq!(supervisor.cancel(0), [Action::Send(Frame::Cancel(0))]);
    assert_eq!(supervisor.cancel(9), [], "nobody knows it");
    let actions = supervisor.hear(at(10), Frame::Failed(0, RecognizeError::Cancelled));
    assert_eq!(actions, [Action::Reply(0, cancelled)]);
}

#[test]
fn a_batch_window_is_not_blamed_for_the_time_it_stood_still_for_a_final() {
    let mut supervisor = up(&[0]);
    let due_before = supervisor.next_due();
    supervisor.submit(at(1_000), 1, due(Urgency::Final, 0));
    supervisor.hear(at(4_000), done(1));
    let limit = supervisor.flying[&0].until;
    assert_eq!(limit.since(due_before.expect("a window flies")), 3 * SECOND);
}
