use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;

use super::words::{Answer, Message};
use super::{Holding, Input, Number, Output, Passed, STOP};
use crate::seats::request::Held;
use crate::seats::{Epoch, LeaseId, TicketId, Token};

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    passed: Passed,
    input: Input,
    expect: Vec<Output>,
    works: bool,
    wake_ms: Option<u64>,
}

fn cases() -> Vec<Case> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/seats/holder_cases.json"));
    serde_json::from_str(text).expect("the case file is ours")
}

#[test]
fn every_shared_case_gives_what_is_written() {
    let cases = cases();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    for case in cases {
        let mut holding = Holding::default();
        for (index, step) in case.steps.into_iter().enumerate() {
            let at = format!("{}, step {index}", case.name);
            assert_eq!(holding.step(step.passed, step.input), step.expect, "{at}");
            assert_eq!(holding.proof(Passed::default()).is_some(), step.works, "{at}: works");
            assert_eq!(holding.wake_in(), step.wake_ms.map(Duration::from_millis), "{at}: wake");
        }
    }
}

const TTL_MS: u64 = 45_000;

fn token(counter: u64) -> Token {
    Token::new(Epoch::new(1), counter)
}

fn held(counter: u64) -> Held {
    Held { lease: LeaseId::new(Epoch::new(1), 1), token: token(counter) }
}

fn inputs() -> impl Strategy<Value = Input> {
    let number = 1_u64..30;
    let answers = prop_oneof![
        (number.clone(), 1_u64..6).prop_map(|(number, counter)| Answer::Granted {
            number: Some(number),
            held: held(counter),
            ttl_ms: TTL_MS,
        }),
        number.clone().prop_map(|number| Answer::Alive { number, ttl_ms: TTL_MS }),
        number.clone().prop_map(|number| Answer::Lapsed { number }),
        (number.clone(), 1_u32..9).prop_map(|(number, position)| Answer::Queued {
            number,
            ticket: TicketId::new(Epoch::new(1), 1),
            position,
        }),
        (number, 0_u64..9000).prop_map(|(number, retry_ms)| Answer::Later { number, retry_ms }),
        (1_u64..6).prop_map(|counter| Answer::Lost { token: token(counter), reason: "revoked".into() }),
        (1_u64..6).prop_map(|counter| Answer::Offered { held: held(counter), hold_ms: 60_000 }),
    ];
    prop_oneof![
        4 => Just(Input::Wake),
        3 => Just(Input::Want),
        6 => answers.prop_map(|answer| Input::Heard { answer }),
        1 => prop_oneof![
            Just(Input::Done), Just(Input::Park), Just(Input::Accept), Just(Input::Decline),
            Just(Input::Shown), Just(Input::Hidden), Just(Input::Sleep), Just(Input::Woke),
            Just(Input::Leave), Just(Input::SocketOpen), Just(Input::SocketClosed),
        ],
    ]
}

fn passed() -> impl Strategy<Value = Passed> {
    let clocks = prop_oneof![
        4 => (0_u64..20_000).prop_map(|ms| (ms, ms as i64)),
        1 => (0_u64..60_000).prop_map(|ms| (0, ms as i64)),
        1 => (0_u64..60_000).prop_map(|ms| (ms, -315_576_000_000)),
    ];
    (clocks, 0_u16..1000).prop_map(|((mono_ms, wall_ms), luck)| Passed { mono_ms, wall_ms, luck })
}

/// Returns the number of what was sent, if its answer may prove the seat.
fn asked(output: &Output) -> Option<Number> {
    let Output::Send { message } = output else { return None };
    match message {
        Message::Acquire { number }
        | Message::Accept { number, .. }
        | Message::Beat { number, .. }
        | Message::Renew { number, .. } => Some(*number),
        _ => None,
    }
}

proptest! {
    #[test]
    fn i8_work_needs_an_answer_to_something_asked_less_than_the_ttl_ago(
        steps in prop::collection::vec((passed(), inputs()), 1..60),
    ) {
        let (mut holding, mut age) = (Holding::default(), Duration::ZERO);
        let mut asked_at = vec![None; 1000];
        let mut proven_until = Duration::ZERO;
        for (passed, input) in steps {
            age += passed.longest();
            let answered = match &input {
                Input::Heard { answer: Answer::Granted { number, .. } } => *number,
                Input::Heard { answer: Answer::Alive { number, .. } } => Some(*number),
                _ => None,
            };
            if let Some(at) = answered.and_then(|number| asked_at[number as usize]) {
                proven_until = proven_until.max(at + Duration::from_millis(TTL_MS));
            }
            let outputs = holding.step(passed, input);
            prop_assert!(outputs.len() <= 8, "{outputs:?}");
            for number in outputs.iter().filter_map(asked) {
                asked_at[number as usize].get_or_insert(age);
            }
            let may_work = holding.proof(Passed::default()).is_some();
            prop_assert!(!may_work || age + STOP < proven_until, "works at {age:?}, proven {proven_until:?}");
            let late = Passed { mono_ms: TTL_MS, wall_ms: 0, luck: 0 };
            prop_assert!(holding.proof(late).is_none(), "a step that comes too late lengthens nothing");
        }
    }

    #[test]
    fn i9_a_token_that_is_over_never_works_again(
        steps in prop::collection::vec((passed(), inputs()), 1..60),
    ) {
        let (mut holding, mut newest) = (Holding::default(), None);
        for (passed, input) in steps {
            // Tokens only grow: no server answers with one that is older than another it gave.
            if let Input::Heard { answer: Answer::Granted { held, .. } | Answer::Offered { held, .. } } = &input
                && Some(held.token) < newest
            {
                continue;
            }
            holding.step(passed, input);
            if let Some(Held { token, .. }) = holding.proof(Passed::default()) {
                prop_assert!(Some(token) >= newest, "{token} after {newest:?}");
                newest = Some(token);
            }
        }
    }
}
