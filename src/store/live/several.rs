//! Whether several microphones of a meeting stood side by side, one a person, or took over from each other. Pure.

use super::stream::Origin;
use crate::clock::UnixMs;
use crate::store::Id;

/// When a microphone heard the meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    /// Which one.
    pub microphone: Id,
    /// When its first sample was heard.
    pub began_at: UnixMs,
    /// How long it heard from there on, milliseconds.
    pub length_ms: u64,
}

impl Heard {
    /// Says when a microphone heard what it heard up to a place; nothing if it never heard anything.
    pub fn of(origin: &Origin, end: u64, began_at: Option<UnixMs>) -> Option<Self> {
        let samples = end.saturating_sub(origin.first_sample);
        let length_ms = samples.saturating_mul(1_000) / u64::from(origin.rate_hz.max(1));
        Some(Self { microphone: origin.microphone, began_at: began_at?, length_ms })
    }

    /// Returns how long both heard at once, milliseconds.
    fn beside(&self, other: &Self) -> u64 {
        let length = |heard: &Self| i64::try_from(heard.length_ms).unwrap_or(i64::MAX);
        let end = |heard: &Self| heard.began_at.ms().saturating_add(length(heard));
        let from = self.began_at.ms().max(other.began_at.ms());
        u64::try_from(end(self).min(end(other)).saturating_sub(from)).unwrap_or(0)
    }
}

/// Tells whether there is one microphone a person: each of them heard most of the time beside another one.
///
/// One that went on where another was closed, a page that was opened again, makes no further person: then it is by the
/// voice.
pub(super) fn is_one_a_person(all: &[Heard]) -> bool {
    let all: Vec<&Heard> = all.iter().filter(|heard| heard.length_ms > 0).collect();
    let has_neighbour = |one: &Heard| {
        all.iter().any(|other| {
            let shorter = one.length_ms.min(other.length_ms);
            other.microphone != one.microphone && 2 * one.beside(other) >= shorter
        })
    };
    !all.is_empty() && all.iter().all(|one| has_neighbour(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn heard(microphone: Id, from_min: i64, minutes: u64) -> Heard {
        let began_at = UnixMs::from_ms(1_790_000_000_000 + from_min * 60_000);
        Heard { microphone, began_at, length_ms: minutes * MINUTE }
    }

    #[test]
    fn microphones_that_hear_at_once_are_one_a_person_also_if_one_comes_late_or_was_away() {
        let (first, second) = (Id::new(), Id::new());
        assert!(is_one_a_person(&[heard(first, 0, 60), heard(second, 0, 61)]));
        assert!(is_one_a_person(&[heard(first, 0, 60), heard(second, 50, 10)]));
        assert!(is_one_a_person(&[heard(first, 0, 60), heard(second, 0, 20), heard(second, 40, 20)]));
    }

    #[test]
    fn a_microphone_that_took_over_from_another_is_no_further_person() {
        let (first, second) = (Id::new(), Id::new());
        assert!(!is_one_a_person(&[heard(first, 0, 30), heard(second, 30, 30)]));
        assert!(!is_one_a_person(&[heard(first, 0, 30), heard(second, 29, 30)]));
    }

    #[test]
    fn one_microphone_hears_everybody() {
        let only = Id::new();
        assert!(!is_one_a_person(&[heard(only, 0, 60)]));
        assert!(
            !is_one_a_person(&[heard(only, 0, 60), heard(Id::new(), 0, 0)]),
            "the other never heard anything"
        );
        assert!(!is_one_a_person(&[heard(only, 0, 60), heard(only, 30, 10)]), "both are the same one");
        assert!(!is_one_a_person(&[]));
    }
}
