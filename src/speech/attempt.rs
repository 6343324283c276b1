//! One try at a window, and which of several tries to believe.

use super::assemble::mean_log_prob;
use super::detect::{Evidence, Suspicion, suspicions};
use super::window::Window;
use super::{Piece, Recognition};

/// A finished try.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was heard.
    pub recognition: Recognition,
    doubts: Vec<Suspicion>,
    mean_log_prob: f32,
}

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
        Self { recognition, doubts, mean_log_prob }
    }

    /// Tells whether to try again: on a loop, lost or surplus text, or a model that was unsure.
    ///
    /// Doubts about silence are no reason: the same sound would give the same doubt.
    pub fn verdict(&self) -> Verdict {
        let again = [Suspicion::Loop, Suspicion::LowConfidence, Suspicion::Speed, Suspicion::CutOff]
            .map(|s| self.has(s));
        if again.contains(&true) { Verdict::Suspect } else { Verdict::Good }
    }

    /// Returns the try to believe: one without loop and lost text before one with, then the likeliest.
    pub fn best(attempts: &[Self]) -> Option<&Self> {
        attempts.iter().max_by(|a, b| {
            let order = |attempt: &Self| !attempt.has(Suspicion::Loop) && !attempt.has(Suspicion::Speed);
            order(a).cmp(&order(b)).then(a.mean_log_prob.total_cmp(&b.mean_log_prob))
        })
    }

    fn has(&self, suspicion: Suspicion) -> bool {
        self.doubts.contains(&suspicion)
    }
}

fn text(pieces: &[Piece]) -> String {
    let bytes: Vec<u8> =
        pieces.iter().flat_map(|piece| &piece.tokens).flat_map(|token| token.bytes.iter().copied()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
