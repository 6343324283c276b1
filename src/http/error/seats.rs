//! Refusals of the seats as answers: their own codes and sentences, with their numbers as facts.

use serde_json::{Value, json};

use super::{Code, Problem};
use crate::seats::Refusal;
use crate::store::seats::SeatsError;

/// When to ask again where only time helps, and nobody can say how much. Units: seconds.
const A_WHILE_S: u64 = 30;

/// The numbers that a person tells the support centre, in the order of [`number`].
#[rustfmt::skip]
pub(super) const NUMBERS: [&str; 21] = [
    "G-2400", "G-2401", "G-2402", "G-2403", "G-2404", "G-2405", "G-2406", "G-2407",
    "G-2408", "G-2409", "G-2410", "G-2411", "G-2412", "G-2413", "G-2414", "G-2415",
    "G-2416", "G-2417", "G-2418", "G-2419", "G-2420",
];

/// Returns the number of a refusal; one that was given once stays what it was.
const fn number(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Queued { .. } => NUMBERS[0],
        Refusal::NoFreeSeat { .. } => NUMBERS[1],
        Refusal::QuotaGroup { .. } => NUMBERS[2],
        Refusal::Reserved { .. } => NUMBERS[3],
        Refusal::TooManyDevices { .. } => NUMBERS[4],
        Refusal::RecordingRuns { .. } => NUMBERS[5],
        Refusal::OverBooked { .. } => NUMBERS[6],
        Refusal::Excluded { .. } => NUMBERS[7],
        Refusal::LicenceEnded { .. } => NUMBERS[8],
        Refusal::LicenceNotStarted { .. } => NUMBERS[9],
        Refusal::LicenceNone => NUMBERS[10],
        Refusal::HostUnbound { .. } => NUMBERS[11],
        Refusal::BurstUnavailable { .. } => NUMBERS[12],
        Refusal::LeaseLapsed { .. } => NUMBERS[13],
        Refusal::OfferExpired { .. } => NUMBERS[14],
        Refusal::SeatLost { .. } => NUMBERS[15],
        Refusal::Recovering { .. } => NUMBERS[16],
        Refusal::InstanceConflict { .. } => NUMBERS[17],
        Refusal::QueueFull { .. } => NUMBERS[18],
        Refusal::BadRequest { .. } => NUMBERS[19],
        Refusal::TooManyRequests { .. } => NUMBERS[20],
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let row = (refusal.status(), refusal.code(), number(&refusal));
        let problem = Self::of(row, refusal.japanese(), refusal.english()).with(facts(&refusal));
        match refusal {
            Refusal::Recovering { retry_ms } | Refusal::TooManyRequests { retry_ms } => {
                problem.retry_after(retry_ms.div_ceil(1_000))
            }
            Refusal::QueueFull { .. } => problem.retry_after(A_WHILE_S),
            _ => problem,
        }
    }
}

/// Returns the numbers behind a refusal's sentence.
fn facts(refusal: &Refusal) -> Value {
    let mut facts = serde_json::to_value(refusal).unwrap_or_else(|_| json!({}));
    if let Some(all) = facts.as_object_mut() {
        // It stands beside the sentence already.
        all.remove("code");
    }
    facts
}

impl From<SeatsError> for Problem {
    fn from(error: SeatsError) -> Self {
        match error {
            SeatsError::Full | SeatsError::Away => Self::new(Code::Unavailable).retry_after(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: Refusal) -> (Value, Option<u32>) {
        let problem = Problem::from(refusal);
        (serde_json::to_value(&problem).expect("a problem is JSON"), problem.retry_after_s)
    }

    #[test]
    fn a_refusal_tells_its_own_sentence_and_the_numbers_behind_it() {
        let (json, retry) = told(Refusal::NoFreeSeat { used: 50, seats: 50, eta: None });
        assert_eq!((json["status"].as_u64(), json["code"].as_str()), (Some(409), Some("no_free_seat")));
        assert!(json["title"].as_str().is_some_and(|title| title.starts_with("満席です(50席中50席)")));
        assert_eq!((json["facts"]["used"].as_u64(), json["facts"]["code"].as_str()), (Some(50), None));
        assert_eq!(retry, None);
    }

    #[test]
    fn who_is_told_when_to_ask_again_is_told_in_the_header_too() {
        let (json, retry) = told(Refusal::Recovering { retry_ms: 40_001 });
        assert_eq!((json["number"].as_str(), retry), (Some("G-2416"), Some(41)));
    }
}
