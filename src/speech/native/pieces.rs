//! From a stream of tokens to pieces of text between timestamps.

use crate::speech::model::tokenizer::Tokenizer;
use crate::speech::{Piece, Token};

use super::search::Hypothesis;

/// Milliseconds per step of a timestamp token.
const STAMP_MS: u64 = 20;

/// Cuts a text at its timestamps; what stands behind the last one ends with the sound.
///
/// Range: times never go back and never pass `end_ms`; marks other than timestamps are left out.
pub fn pieces(text: &Hypothesis, tokenizer: &Tokenizer, end_ms: u64) -> Vec<Piece> {
    let first_stamp = tokenizer.specials().first_timestamp;
    let mut pieces = Pieces { done: Vec::new(), start_ms: 0, tokens: Vec::new() };
    for (&id, &log_prob) in text.tokens.iter().zip(&text.log_probs) {
        if let Some(steps) = id.checked_sub(first_stamp) {
            pieces.close((u64::from(steps) * STAMP_MS).min(end_ms));
        } else if let Some(bytes) = tokenizer.bytes(id) {
            pieces.tokens.push(Token { id, bytes: bytes.to_vec(), log_prob });
        }
    }
    pieces.close(end_ms);
    pieces.done
}

/// Pieces while they are being cut.
struct Pieces {
    done: Vec<Piece>,
    start_ms: u64,
    tokens: Vec<Token>,
}

impl Pieces {
    /// Ends the open piece at `at_ms`, or at its own start if that is later.
    fn close(&mut self, at_ms: u64) {
        let end_ms = at_ms.max(self.start_ms);
        if !self.tokens.is_empty() {
            let tokens = std::mem::take(&mut self.tokens);
            self.done.push(Piece { start_ms: self.start_ms, end_ms, tokens });
        }
        self.start_ms = end_ms;
    }
}
