//! One try at a window, and which of several tries to believe.

use super::assemble::mean_log_prob;
use super::detect::{Evidence, Suspicion, suspicions};
use super::window::Window;
use super::{Piece, Recognition};
use crate::audio::MediaSpan;

/// A finished try.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was heard.
    pub recognition: Recognition,
    doubts: Vec<Suspicion>,
    mean_log_prob: f32,
    /// Longest stretch of speech in a row that no text claims, milliseconds.
    missed_ms: u64,
}

/// Speech without text from which on something was left out; a hesitation or a cough is shorter.
const MISSED_MS_MAX: u64 = 1_200;

/// Whether a try can be believed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Good,
    /// Worth another try.
    Suspect,
}

impl Attempt {
    /// Judges what was heard in the whole of a window.
    pub fn of(window: &Window, recognition: Recognition) -> Self {
        let mean_log_prob = mean_log_prob(&recognition.pieces);
        let evidence = Evidence {
            span_ms: window.span.len_ms(),
            speech_ms: window.speech.iter().map(|span| span.len_ms()).sum(),
            speech_probability: window.speech_probability,
            mean_log_prob,
            window_tokens: recognition.tokens_per_pass(),
        };
        let doubts = suspicions(&text(&recognition.pieces), &evidence);
        let missed_ms = missed_ms(window, &recognition.pieces);
        Self { recognition, doubts, mean_log_prob, missed_ms }
    }

    /// Tells whether to try again: on a loop, lost or surplus text, or a model that was unsure.
    ///
    /// Doubts about silence are no reason: the same sound would give the same doubt.
    pub fn verdict(&self) -> Verdict {
        let again = [Suspicion::Loop, Suspicion::LowConfidence, Suspicion::Speed, Suspicion::CutOff]
            .map(|s| self.has(s));
        if again.contains(&true) || self.has_missed() { Verdict::Suspect } else { Verdict::Good }
    }

    /// Returns the try to believe: one without loop and lost text before one with, then the likeliest.
    pub fn best(attempts: &[Self]) -> Option<&Self> {
        attempts.iter().max_by(|a, b| {
            let order = |attempt: &Self| {
                !attempt.has(Suspicion::Loop) && !attempt.has(Suspicion::Speed) && !attempt.has_missed()
            };
            order(a).cmp(&order(b)).then(a.mean_log_prob.total_cmp(&b.mean_log_prob))
        })
    }

    fn has_missed(&self) -> bool {
        self.missed_ms > MISSED_MS_MAX
    }

    fn has(&self, suspicion: Suspicion) -> bool {
        self.doubts.contains(&suspicion)
    }
}

/// Returns the longest part of a span of speech that lies before, between or behind all pieces.
fn missed_ms(window: &Window, pieces: &[Piece]) -> u64 {
    let start = window.span.start();
    let mut at = start;
    let mut holes = Vec::new();
    for piece in pieces {
        holes.push(MediaSpan::new(at, start.plus_ms(piece.start_ms)));
        at = at.max(start.plus_ms(piece.end_ms));
    }
    holes.push(MediaSpan::new(at, window.span.end()));
    let spoken = |hole: &MediaSpan| window.speech.iter().map(|speech| speech.overlap_ms(*hole)).max();
    holes.iter().filter_map(spoken).max().unwrap_or(0)
}

fn text(pieces: &[Piece]) -> String {
    let bytes: Vec<u8> =
        pieces.iter().flat_map(|piece| &piece.tokens).flat_map(|token| token.bytes.iter().copied()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Token;

    fn window() -> Window {
        Window {
            span: MediaSpan::from_ms(10_000, 20_000),
            samples: Vec::new(),
            speech: vec![MediaSpan::from_ms(10_200, 14_000), MediaSpan::from_ms(15_000, 19_800)],
            speech_probability: 0.9,
            overlaps_previous: false,
        }
    }

    fn heard(pieces: &[(u64, u64)]) -> Recognition {
        let texts = ["これは最初の議題です。", "次の議題に移りたいと思います。"];
        let piece = |((start_ms, end_ms), text): (&(u64, u64), &str)| {
            let tokens = vec![Token { id: 1, bytes: text.as_bytes().to_vec(), log_prob: -0.1 }];
            Piece { start_ms: *start_ms, end_ms: *end_ms, tokens }
        };
        Recognition {
            language: "ja".into(),
            pieces: pieces.iter().zip(texts).map(piece).collect(),
            passes: 1,
        }
    }

    #[test]
    fn text_for_all_speech_is_believed() {
        let attempt = Attempt::of(&window(), heard(&[(0, 4_100), (4_900, 9_900)]));
        assert_eq!((attempt.verdict(), attempt.missed_ms), (Verdict::Good, 0));
    }

    #[test]
    fn speech_that_no_text_claims_is_a_reason_to_try_again() {
        for pieces in
            [[(0, 4_100), (4_900, 7_000)], [(0, 2_000), (4_900, 9_900)], [(2_000, 4_100), (4_900, 9_900)]]
        {
            assert_eq!(Attempt::of(&window(), heard(&pieces)).verdict(), Verdict::Suspect, "{pieces:?}");
        }
    }

    #[test]
    fn the_try_that_left_nothing_out_is_believed_before_a_surer_one() {
        let mut surer = heard(&[(0, 4_100)]);
        surer.pieces[0].tokens[0].log_prob = -0.01;
        let attempts =
            [Attempt::of(&window(), surer), Attempt::of(&window(), heard(&[(0, 4_100), (4_900, 9_900)]))];
        assert_eq!(Attempt::best(&attempts), Some(&attempts[1]));
    }
}
