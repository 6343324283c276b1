//! When a sample was spoken, on the clock of the machine.

use crate::clock::Mono;

/// How much the clock of a microphone may be slow against ours, parts of a thousand: sound cards stay below 0.2.
const DRIFT_PER_MILLE: i64 = 1;

/// Ties a recording to the clock: a sample was spoken when it came at the earliest.
///
/// Sound that comes late, after a cut of the network, does not move the tie; a slow sound card does, slowly.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeline {
    tie: Option<Tie>,
}

#[derive(Debug, Clone, Copy)]
struct Tie {
    /// When the recording began, milliseconds of the clock; before its zero for a recording that is older.
    origin_ms: i64,
    /// When that was last held against the clock.
    at_ms: i64,
}

impl Timeline {
    /// Learns that all sound before `sample` has come by now.
    pub fn heard(&mut self, sample: u64, now: Mono) {
        let now_ms = clock_ms(now);
        let origin_ms = now_ms - media_ms(sample);
        let tie = self.tie.map_or(Tie { origin_ms, at_ms: now_ms }, |tie| {
            let slow_ms = (now_ms - tie.at_ms) * DRIFT_PER_MILLE / 1_000;
            // Less than a millisecond is kept for later.
            let at_ms = if slow_ms > 0 { now_ms } else { tie.at_ms };
            Tie { origin_ms: origin_ms.min(tie.origin_ms + slow_ms), at_ms }
        });
        self.tie = Some(tie);
    }

    /// Returns when a sample was spoken.
    pub fn time_of(&self, sample: u64) -> Mono {
        let origin_ms = self.tie.map_or(0, |tie| tie.origin_ms);
        Mono::from_ms(u64::try_from(origin_ms + media_ms(sample)).unwrap_or(0))
    }
}

fn media_ms(sample: u64) -> i64 {
    i64::try_from(sample / 16).unwrap_or(i64::MAX)
}

fn clock_ms(now: Mono) -> i64 {
    i64::try_from(now.since(Mono::from_ms(0)).as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_that_comes_late_was_spoken_when_it_was_spoken() {
        let mut timeline = Timeline::default();
        timeline.heard(16_000, Mono::from_ms(101_000));
        // A cut of 50 s, then everything at once.
        timeline.heard(52 * 16_000, Mono::from_ms(152_040));
        let late = timeline.time_of(32_000).since(Mono::from_ms(102_000));
        assert!(late.as_millis() <= 60, "{late:?}");
    }

    #[test]
    fn a_sound_card_that_is_slow_never_looks_like_lag() {
        let mut timeline = Timeline::default();
        // 0.2 per mille slow, eight hours.
        for second in 0..28_800_u64 {
            timeline.heard(second * 16_000, Mono::from_ms(1_000 + second * 1_000 + second / 5));
        }
        let end = 28_799_u64;
        let now = Mono::from_ms(1_000 + end * 1_000 + end / 5);
        let behind = now.since(timeline.time_of(end * 16_000));
        assert!(behind.as_millis() <= 6, "{behind:?}");
    }
}
