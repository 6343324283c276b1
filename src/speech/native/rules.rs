//! Which token may follow which: Whisper's decoding rules, as pure functions on one row of logits.
//!
//! Source: Whisper's `decoding.py` and `tokenizer.py`: suppressed tokens, blank at the start, timestamp pairs.

use crate::speech::model::tokenizer::{Specials, Tokenizer};

use super::numbers;

/// Latest first timestamp: 1.0 s in steps of 20 ms.
const FIRST_STAMP_STEPS_MAX: u32 = 50;

/// Most tokens of earlier text in front of a transcript: half the decoder's positions, without the mark.
pub(super) const PREVIOUS_TOKENS_MAX: usize = 223;

/// Signs that are written but never spoken; alone or with a space in front.
const UNSPOKEN: [&str; 44] = [
    "\"", "#", "(", ")", "*", "+", "/", ":", ";", "<", "=", ">", "@", "[", "\\", "]", "^", "_", "`", "{",
    "|", "}", "~", "「", "」", "『", "』", "<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", "(\"",
    "((", "))", "(((", ")))", "[[", "]]", "{{",
];

/// The rest of [`UNSPOKEN`].
const UNSPOKEN_MORE: [&str; 3] = ["}}", "♪♪", "♪♪♪"];

/// Notes of music: no token is exactly one of them, so the first of their bytes is suppressed.
const MUSIC: [&str; 7] = ["♩", "♪", "♫", "♬", "♭", "♮", "♯"];

/// One choice for the next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Natural logarithm of its probability among the allowed tokens.
    pub log_prob: f32,
}

/// The rules of one model.
#[derive(Debug, Clone)]
pub struct Rules {
    specials: Specials,
    suppressed: Vec<u32>,
    blank: u32,
}

impl Rules {
    /// Derives the rules from the vocabulary.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let blank = tokenizer.encode(" ")[0];
        Self { specials: tokenizer.specials(), suppressed: suppressed(tokenizer), blank }
    }

    /// Returns the ids that are no text.
    pub fn specials(&self) -> Specials {
        self.specials
    }

    /// Returns the tokens that are never written, ascending.
    pub fn suppressed_ids(&self) -> &[u32] {
        &self.suppressed
    }

    /// Returns what the decoder reads before it writes: earlier text, if any, then language and task.
    ///
    /// Range: only the last 223 tokens of `previous` are kept.
    pub fn prompt(&self, language: u32, previous: &[u32]) -> Vec<u32> {
        let mut tokens = Vec::with_capacity(previous.len() + 4);
        if !previous.is_empty() {
            tokens.push(self.specials.start_of_prev);
            tokens.extend(&previous[previous.len().saturating_sub(PREVIOUS_TOKENS_MAX)..]);
        }
        tokens.extend([self.specials.sot, language, self.specials.transcribe]);
        tokens
    }

    /// Returns a whole text as it is read to find out when its tokens were spoken, and the index of its first token.
    pub fn reading(&self, language: u32, text: &[u32]) -> (Vec<u32>, usize) {
        let mut tokens = self.prompt(language, &[]);
        tokens.push(self.specials.no_timestamps);
        let first = tokens.len();
        tokens.extend(text);
        tokens.push(self.specials.eot);
        (tokens, first)
    }

    /// Returns the likeliest language; `logits` is the row behind a lone start mark.
    pub fn language(&self, logits: &[f32]) -> u32 {
        let first = self.specials.sot + 1;
        let ids = first..first + self.specials.languages;
        let ranked = ids.max_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize]).then(b.cmp(a)));
        ranked.expect("every model knows a language")
    }

    /// Returns the probability that nobody speaks; `logits` is the row behind the start mark.
    pub fn no_speech(&self, logits: &[f32]) -> f32 {
        (logits[self.specials.no_speech as usize] - numbers::log_sum_exp(logits)).exp()
    }

    /// Makes everything impossible that may not follow `written`, and returns the logarithm of the rest's sum.
    ///
    /// Shape: `logits` is one row over the whole vocabulary; `written` is what came after the prompt.
    /// Range: `end` is the timestamp before which a text may not end, 0 for no such rule: where somebody speaks until
    /// the end of the sound, a text that ends early would be lost.
    pub fn restrict(&self, written: &[u32], end: u32, logits: &mut [f32]) -> f32 {
        for &id in &self.suppressed {
            logits[id as usize] = f32::NEG_INFINITY;
        }
        if written.is_empty() {
            self.restrict_start(logits);
        } else {
            self.restrict_stamps(written, logits);
            self.restrict_end(written, end, logits);
        }
        self.prefer_stamps(logits)
    }

    /// The first token is a timestamp not later than 1 s.
    fn restrict_start(&self, logits: &mut [f32]) {
        let first = self.specials.first_timestamp as usize;
        logits[self.blank as usize] = f32::NEG_INFINITY;
        logits[..first].fill(f32::NEG_INFINITY);
        logits[first + FIRST_STAMP_STEPS_MAX as usize + 1..].fill(f32::NEG_INFINITY);
    }

    /// Timestamps come in pairs, never go back, and a piece never has length zero.
    fn restrict_stamps(&self, written: &[u32], logits: &mut [f32]) {
        let first = self.specials.first_timestamp;
        let is_stamp =
            |back: usize| written.len().checked_sub(back).is_none_or(|index| written[index] >= first);
        let (last, before) = (is_stamp(1), is_stamp(2));
        if last && before {
            logits[first as usize..].fill(f32::NEG_INFINITY);
        } else if last {
            logits[..self.specials.eot as usize].fill(f32::NEG_INFINITY);
        }
        if let Some(&latest) = written.iter().rev().find(|id| **id >= first) {
            let allowed = if last && !before { latest } else { latest + 1 };
            let end = (allowed as usize).min(logits.len());
            logits[first as usize..end].fill(f32::NEG_INFINITY);
        }
    }

    /// Behind a timestamp far before the end of the sound the text goes on.
    fn restrict_end(&self, written: &[u32], end: u32, logits: &mut [f32]) {
        let is_early = |id: &u32| (self.specials.first_timestamp..end).contains(id);
        if written.last().is_some_and(is_early) {
            logits[self.specials.eot as usize] = f32::NEG_INFINITY;
        }
    }

    /// If all timestamps together are likelier than the likeliest text token, text becomes impossible.
    fn prefer_stamps(&self, logits: &mut [f32]) -> f32 {
        logits[self.specials.no_timestamps as usize] = f32::NEG_INFINITY;
        let (text, stamps) = logits.split_at_mut(self.specials.first_timestamp as usize);
        let stamps_sum = numbers::log_sum_exp(stamps);
        if stamps_sum > numbers::largest(text) {
            text.fill(f32::NEG_INFINITY);
            return stamps_sum;
        }
        numbers::log_sum_exp(logits)
    }

    /// Returns the `count` likeliest tokens, the likeliest first; equal ones in the order of ids.
    pub fn likeliest(logits: &[f32], log_sum: f32, count: usize) -> Vec<Candidate> {
        let best = numbers::largest_indices(logits, count);
        best.into_iter()
            .map(|id| Candidate { id: id as u32, log_prob: (logits[id] - log_sum).min(0.0) })
            .collect()
    }

    /// Draws one token; `draw` is uniform in [0, 1).
    ///
    /// Range: the temperature is above 0; the logarithm returned is that of the untempered probability.
    pub fn sample(logits: &[f32], log_sum: f32, temperature: f32, draw: f64) -> Candidate {
        let top = numbers::largest(logits);
        let weight = |logit: f32| f64::from((logit - top) / temperature).exp();
        let total: f64 = logits.iter().map(|logit| weight(*logit)).sum();
        let mut left = draw * total;
        let mut chosen = 0;
        for (id, &logit) in logits.iter().enumerate().filter(|(_, logit)| **logit > f32::NEG_INFINITY) {
            chosen = id;
            left -= weight(logit);
            if left < 0.0 {
                break;
            }
        }
        Candidate { id: chosen as u32, log_prob: (logits[chosen] - log_sum).min(0.0) }
    }
}

/// Lists what is never written: signs nobody speaks, and special tokens that start something.
fn suppressed(tokenizer: &Tokenizer) -> Vec<u32> {
    let specials = tokenizer.specials();
    let mut ids = vec![tokenizer.encode(" -")[0], tokenizer.encode(" '")[0]];
    for sign in UNSPOKEN.iter().chain(&UNSPOKEN_MORE) {
        for tokens in [tokenizer.encode(sign), tokenizer.encode(&format!(" {sign}"))] {
            if let [only] = tokens[..] {
                ids.push(only);
            }
        }
    }
    for sign in MUSIC {
        ids.extend([tokenizer.encode(sign)[0], tokenizer.encode(&format!(" {sign}"))[0]]);
    }
    ids.extend([specials.sot, specials.translate, specials.transcribe]);
    ids.extend([specials.start_of_lm, specials.start_of_prev, specials.no_speech]);
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
pub(super) mod testing {
    //! A small stand-in for the vocabulary: bytes only, no text file needed.

    use super::*;
    use crate::speech::model::tokenizer::TEXT_TOKENS;

    pub const VOCABULARY: usize = 51_865;
    pub const EOT: u32 = 50_257;
    pub const FIRST_STAMP: u32 = 50_364;

    /// Rules over a vocabulary of the 256 bytes, in the order of GPT-2, and distinct fillers.
    pub fn rules() -> Rules {
        let filler = |id: usize| format!("filler {id}").into_bytes();
        let token = |id: usize| if id < 256 { vec![id as u8] } else { filler(id) };
        let tokens: Vec<Vec<u8>> = (0..TEXT_TOKENS).map(token).collect();
        Rules::new(&Tokenizer::new(&tokens, VOCABULARY).expect("every byte has a token"))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{EOT, FIRST_STAMP, VOCABULARY, rules};
    use super::*;

    const TEXT: u32 = 1_000;

    /// Returns which ids are still possible, of a few interesting ones.
    fn possible(written: &[u32], logits: &[(u32, f32)]) -> Vec<u32> {
        let mut row = vec![-20.0; VOCABULARY];
        for (id, logit) in logits {
            row[*id as usize] = *logit;
        }
        rules().restrict(written, 0, &mut row);
        let ids = [TEXT, EOT, FIRST_STAMP, FIRST_STAMP + 50, FIRST_STAMP + 51, FIRST_STAMP + 1_500];
        ids.into_iter().filter(|id| row[*id as usize] > f32::NEG_INFINITY).collect()
    }

    #[test]
    fn a_text_begins_with_a_timestamp_of_at_most_one_second() {
        assert_eq!(possible(&[], &[(TEXT, 9.0)]), [FIRST_STAMP, FIRST_STAMP + 50]);
    }

    #[test]
    fn behind_an_opening_timestamp_only_text_or_the_end_may_come() {
        assert_eq!(possible(&[FIRST_STAMP], &[]), [TEXT, EOT]);
        assert_eq!(possible(&[FIRST_STAMP, TEXT, FIRST_STAMP + 9, FIRST_STAMP + 9], &[]), [TEXT, EOT]);
    }

    #[test]
    fn behind_a_closing_timestamp_only_a_timestamp_not_before_it_or_the_end_may_come() {
        let written = [FIRST_STAMP, TEXT, FIRST_STAMP + 51];
        assert_eq!(possible(&written, &[(EOT, 9.0)]), [EOT, FIRST_STAMP + 51, FIRST_STAMP + 1_500]);
    }

    #[test]
    fn a_piece_of_text_never_has_length_zero() {
        let written = [FIRST_STAMP + 50, TEXT];
        assert_eq!(possible(&written, &[(TEXT, 9.0)]), [TEXT, EOT, FIRST_STAMP + 51, FIRST_STAMP + 1_500]);
    }

    #[test]
    fn timestamps_win_when_they_are_likelier_together() {
        // 1,449 timestamps at 0 outweigh one text token at 7 (ln 1,449 = 7.28), but not one at 7.5.
        let mut logits: Vec<(u32, f32)> = (FIRST_STAMP..FIRST_STAMP + 1_501).map(|id| (id, 0.0)).collect();
        let written = [FIRST_STAMP + 51, TEXT];
        logits.push((TEXT, 7.0));
        assert_eq!(possible(&written, &logits), [FIRST_STAMP + 1_500]);
        logits.push((TEXT, 7.5));
        assert_eq!(possible(&written, &logits), [TEXT, EOT, FIRST_STAMP + 1_500]);
    }

    #[test]
    fn signs_nobody_speaks_and_starting_marks_are_impossible() {
        let rules = rules();
        let mut row = vec![0.0; VOCABULARY];
        rules.restrict(&[FIRST_STAMP], 0, &mut row);
        let specials = rules.specials();
        for id in [u32::from(b'#'), u32::from(b'['), specials.sot, specials.transcribe, specials.no_speech] {
            assert_eq!(row[id as usize], f32::NEG_INFINITY, "{id}");
        }
        for id in [u32::from(b'a'), u32::from(b'.'), specials.eot] {
            assert!(row[id as usize] > f32::NEG_INFINITY, "{id}");
        }
    }

    #[test]
    fn the_prompt_keeps_the_last_tokens_of_earlier_text() {
        let rules = rules();
        let specials = rules.specials();
        let ja = specials.language("ja").expect("Japanese is known");
        assert_eq!(rules.prompt(ja, &[]), [specials.sot, ja, specials.transcribe]);
        let previous: Vec<u32> = (0..300).collect();
        let prompt = rules.prompt(ja, &previous);
        assert_eq!(prompt.len(), 1 + 223 + 3);
        assert_eq!(prompt[..2], [specials.start_of_prev, 77]);
    }

    #[test]
    fn the_language_is_the_likeliest_of_the_languages() {
        let rules = rules();
        let mut row = vec![0.0; VOCABULARY];
        row[TEXT as usize] = 9.0;
        row[50_266] = 1.0;
        assert_eq!(rules.language(&row), 50_266);
    }

    #[test]
    fn sampling_follows_the_distribution_and_its_edges() {
        let logits = [f32::NEG_INFINITY, 0.0, (3.0_f32).ln(), f32::NEG_INFINITY];
        let log_sum = numbers::log_sum_exp(&logits);
        let draw = |draw| Rules::sample(&logits, log_sum, 1.0, draw).id;
        assert_eq!([draw(0.0), draw(0.24), draw(0.26), draw(0.999_999_999)], [1, 1, 2, 2]);
        let chosen = Rules::sample(&logits, log_sum, 0.5, 0.5);
        assert!((chosen.log_prob - 0.75_f32.ln()).abs() < 1e-6);
    }
}
