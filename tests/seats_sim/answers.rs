//! What the edge makes of the engine's replies: the words that a device understands.

use gijiroku::seats::holder::{Answer, Message, Number};
use gijiroku::seats::lease::EndReason;
use gijiroku::seats::refusal::Lost;
use gijiroku::seats::request::{Held, LeaseReply};
use gijiroku::seats::{Event, Happened, LeaseState, Limits, Refusal, Reply};

use crate::server::{Caller, Mutant, Outbox};

/// Returns the answer to a message; none where the engine's reply says nothing new.
pub fn answer_of(reply: &Reply, number: Number, held: Option<Held>, message: &Message) -> Option<Answer> {
    match reply {
        Reply::Granted(lease) | Reply::Attached(lease) => Some(lease_answer(lease, number)),
        Reply::Queued { place, .. } => {
            Some(Answer::Queued { number, ticket: place.ticket, position: place.position })
        }
        Reply::Beating { ttl_ms, state } if state.is_usable() => {
            Some(Answer::Alive { number, ttl_ms: *ttl_ms })
        }
        Reply::Beating { .. } => Some(Answer::Lapsed { number }),
        Reply::Done => None,
        Reply::Refused(refusal) => Some(refusal_answer(refusal, number, held, message)),
    }
}

fn lease_answer(lease: &LeaseReply, number: Number) -> Answer {
    let held = Held { lease: lease.lease, token: lease.token };
    if lease.state == LeaseState::Offered {
        return Answer::Offered { held, hold_ms: lease.ttl_ms };
    }
    Answer::Granted { number: Some(number), held, ttl_ms: lease.ttl_ms }
}

fn refusal_answer(refusal: &Refusal, number: Number, held: Option<Held>, message: &Message) -> Answer {
    match (refusal, held, message) {
        (Refusal::Recovering { retry_ms } | Refusal::TooManyRequests { retry_ms }, ..) => {
            Answer::Later { number, retry_ms: *retry_ms }
        }
        (Refusal::QueueFull { .. }, ..) => Answer::Later { number, retry_ms: 5_000 },
        (_, Some(held), Message::Accept { .. }) => Answer::OfferExpired { token: held.token },
        (Refusal::SeatLost { why: Lost::Ended { reason, .. } }, Some(held), _) if is_final(reason) => {
            Answer::Lost { token: held.token, reason: reason.word().into() }
        }
        (Refusal::SeatLost { why: Lost::Moved }, Some(held), _) => {
            Answer::Lost { token: held.token, reason: "moved".into() }
        }
        (_, _, Message::Acquire { .. }) => Answer::Refused { number, code: format!("{refusal:?}") },
        _ => Answer::Lapsed { number },
    }
}

/// Tells whether somebody took the seat on purpose; then it is not asked for again unbidden.
fn is_final(reason: &EndReason) -> bool {
    match reason {
        // A release that this device did not mean is an old one of its own.
        EndReason::Lapsed
        | EndReason::ParkedTaken
        | EndReason::OfferExpired
        | EndReason::Declined
        | EndReason::Released => false,
        EndReason::Yielded
        | EndReason::Idle
        | EndReason::LentBack
        | EndReason::Superseded
        | EndReason::Revoked { .. }
        | EndReason::RecordingEnded { .. } => true,
    }
}

/// Counts the life of a seat from the commit: the second mutant.
pub fn count_from(answer: &mut Answer, late_ms: u64) {
    if let Answer::Granted { ttl_ms, .. } | Answer::Alive { ttl_ms, .. } = answer {
        *ttl_ms += late_ms;
    }
}

/// Returns what the events say to whom. A device that was moved away from learns it from its next sign of life.
pub fn pushes(events: &[Event], mutant: Mutant, callers: &[Caller], limits: &Limits) -> Outbox {
    let mut outbox = Vec::new();
    for event in events {
        let (Some(holder), Some(answer)) = (event.cause.holder, push(event, limits)) else { continue };
        let theirs = callers.iter().filter(|caller| caller.holder(mutant) == holder);
        outbox.extend(theirs.map(|caller| (caller.client, answer.clone())));
    }
    outbox
}

fn push(event: &Event, limits: &Limits) -> Option<Answer> {
    match &event.what {
        Happened::Offered { lease, .. } => {
            let held = Held { lease: lease.id, token: lease.token };
            Some(Answer::Offered { held, hold_ms: limits.offer_ms })
        }
        Happened::Served { lease: Some(lease), .. } => {
            let held = Held { lease: lease.id, token: lease.token };
            Some(Answer::Granted { number: None, held, ttl_ms: limits.ttl_ms })
        }
        Happened::Ended { reason, .. } if is_final(reason) && *reason != EndReason::Superseded => {
            let token = event.cause.token?;
            Some(Answer::Lost { token, reason: reason.word().into() })
        }
        _ => None,
    }
}
