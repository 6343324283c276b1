//! One window's search for its text: greedy, by beam, or sampled. Pure: logits in, branches out.
//!
//! Source: Whisper's `BeamSearchDecoder` with patience 1 and `MaximumLikelihoodRanker` without length penalty.

use super::rules::{Candidate, Rules};

/// A text on its way: what was written after the prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hypothesis {
    /// Tokens in order, timestamps included, the end mark not.
    pub tokens: Vec<u32>,
    /// Natural logarithm of each token's probability.
    pub log_probs: Vec<f32>,
    /// Sum over all of them and over the end mark.
    pub sum: f32,
}

impl Hypothesis {
    /// Returns the mean logarithm per token, the end mark counted.
    pub fn mean_log_prob(&self) -> f32 {
        self.sum / (self.tokens.len() + 1) as f32
    }

    fn score(&self) -> f32 {
        self.sum / self.tokens.len().max(1) as f32
    }

    fn with(&self, candidate: Candidate) -> Self {
        let mut longer = self.clone();
        longer.tokens.push(candidate.id);
        longer.log_probs.push(candidate.log_prob);
        longer.sum += candidate.log_prob;
        longer
    }
}

/// How one window is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Hypotheses side by side, at least 1.
    pub beam: usize,
    /// 0 = always the likeliest; above, one hypothesis is sampled.
    pub temperature: f32,
    /// Most tokens to write.
    pub tokens_max: usize,
    /// Timestamp before which no text ends, 0 for none.
    pub end: u32,
    /// Start of the random numbers.
    pub seed: u64,
}

/// What the decoder feeds next: hypothesis `parent` of the step before, continued by `token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Index of the row whose past it shares.
    pub parent: usize,
    /// The token to feed.
    pub token: u32,
}

/// The state of one window's search.
#[derive(Debug, Clone)]
pub struct Search {
    plan: Plan,
    random: SplitMix64,
    open: Vec<Hypothesis>,
    done: Vec<Hypothesis>,
}

impl Search {
    /// Begins with nothing written.
    pub fn new(plan: Plan) -> Self {
        let beam = if plan.temperature > 0.0 { 1 } else { plan.beam.max(1) };
        let plan = Plan { beam, ..plan };
        Self { plan, random: SplitMix64(plan.seed), open: vec![Hypothesis::default()], done: Vec::new() }
    }

    /// Returns the hypotheses that wait for logits, in the order of the last branches.
    pub fn open(&self) -> &[Hypothesis] {
        &self.open
    }

    /// Takes one row of logits for each open hypothesis and returns what to feed next; nothing = the end.
    ///
    /// Shape: `rows` holds as many rows as there are open hypotheses, all of one length.
    pub fn advance(&mut self, rules: &Rules, rows: &mut [f32]) -> Vec<Branch> {
        let width = rows.len() / self.open.len().max(1);
        let mut choices = Vec::new();
        for (parent, row) in rows.chunks_exact_mut(width).enumerate() {
            let log_sum = rules.restrict(&self.open[parent].tokens, self.plan.end, row);
            for candidate in self.candidates(row, log_sum) {
                choices.push(Choice { sum: self.open[parent].sum + candidate.log_prob, parent, candidate });
            }
        }
        // Stable: among equals the earlier hypothesis and the lower id come first.
        choices.sort_by(|a, b| b.sum.total_cmp(&a.sum));
        self.keep(&choices, rules.specials().eot)
    }

    fn candidates(&mut self, row: &[f32], log_sum: f32) -> Vec<Candidate> {
        if self.plan.temperature > 0.0 {
            vec![Rules::sample(row, log_sum, self.plan.temperature, self.random.unit())]
        } else {
            Rules::likeliest(row, log_sum, self.plan.beam + 1)
        }
    }

    /// Moves ended choices aside and keeps the best others, until there are as many as the beam is wide.
    fn keep(&mut self, choices: &[Choice], eot: u32) -> Vec<Branch> {
        let mut next = Vec::with_capacity(self.plan.beam);
        let mut branches = Vec::with_capacity(self.plan.beam);
        for choice in choices {
            let parent = &self.open[choice.parent];
            if choice.candidate.id == eot {
                if self.done.len() < self.plan.beam {
                    let (tokens, log_probs) = (parent.tokens.clone(), parent.log_probs.clone());
                    self.done.push(Hypothesis { tokens, log_probs, sum: choice.sum });
                }
                continue;
            }
            next.push(parent.with(choice.candidate));
            branches.push(Branch { parent: choice.parent, token: choice.candidate.id });
            if next.len() == self.plan.beam {
                break;
            }
        }
        self.open = next;
        let full = self.open.first().is_none_or(|longest| longest.tokens.len() >= self.plan.tokens_max);
        if self.done.len() >= self.plan.beam || full {
            branches.clear();
        }
        branches
    }

    /// Returns the best text: ended ones, filled up with the best open ones if there are too few.
    pub fn best(mut self) -> Hypothesis {
        let room = self.plan.beam.saturating_sub(self.done.len());
        self.done.extend(self.open.drain(..).take(room));
        let ranked =
            self.done.into_iter().reduce(|best, next| if next.score() > best.score() { next } else { best });
        ranked.unwrap_or_default()
    }
}

/// A hypothesis continued by one token, not yet kept.
#[derive(Debug, Clone, Copy)]
struct Choice {
    sum: f32,
    parent: usize,
    candidate: Candidate,
}

/// Random numbers that depend on their seed only.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone)]
struct SplitMix64(u64);

impl SplitMix64 {
    /// Returns a number in [0, 1).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::testing;
    use super::*;

    const PLAN: Plan = Plan { beam: 1, temperature: 0.0, tokens_max: 20, end: 0, seed: 7 };

    /// Follows a script: for each text so far, the wanted next tokens with their logits; all others lie far below.
    fn run(plan: Plan, script: impl Fn(&[u32]) -> Vec<(u32, f32)>) -> Hypothesis {
        let rules = testing::rules();
        let mut search = Search::new(plan);
        loop {
            let mut rows = Vec::new();
            for hypothesis in search.open() {
                let mut row = vec![-30.0; testing::VOCABULARY];
                for (id, logit) in script(&hypothesis.tokens) {
                    row[id as usize] = logit;
                }
                rows.extend(row);
            }
            if search.advance(&rules, &mut rows).is_empty() {
                return search.best();
            }
        }
    }

    const START: u32 = testing::FIRST_STAMP;
    const EOT: u32 = testing::EOT;

    /// Greedy falls for `A`, whose continuations are all unlikely; `B` is the better text.
    fn garden_path(tokens: &[u32]) -> Vec<(u32, f32)> {
        match tokens {
            [] => vec![(START, 0.0)],
            [_] => vec![(1_000, 1.0), (1_001, 0.9)],
            [_, 1_000] => (2_000..2_020).map(|id| (id, 0.0)).collect(),
            [_, 1_001] => vec![(3_000, 5.0)],
            _ => vec![(EOT, 10.0)],
        }
    }

    #[test]
    fn greedy_takes_the_likeliest_token_each_time() {
        assert_eq!(run(PLAN, garden_path).tokens, [START, 1_000, 2_000]);
    }

    #[test]
    fn a_beam_finds_the_likelier_text() {
        let text = run(Plan { beam: 3, ..PLAN }, garden_path);
        assert_eq!(text.tokens, [START, 1_001, 3_000]);
        assert_eq!(text.tokens.len(), text.log_probs.len());
        assert!(text.log_probs.iter().sum::<f32>() >= text.sum);
    }

    #[test]
    fn a_text_that_never_ends_stops_at_the_limit() {
        for beam in [1, 4] {
            let text = run(Plan { beam, ..PLAN }, |tokens| {
                vec![(if tokens.is_empty() { START } else { 1_000 }, 9.0)]
            });
            assert_eq!(text.tokens.len(), 20);
        }
    }

    #[test]
    fn sampling_repeats_itself_with_the_same_seed_and_varies_with_another() {
        let uniform = |tokens: &[u32]| match tokens.len() {
            0 => vec![(START, 0.0)],
            1..10 => (1_000..1_500).map(|id| (id, 0.0)).collect(),
            _ => vec![(EOT, 20.0)],
        };
        let plan = Plan { temperature: 0.8, ..PLAN };
        assert_eq!(run(plan, uniform), run(plan, uniform));
        assert_ne!(run(plan, uniform), run(Plan { seed: 8, ..plan }, uniform));
    }

    #[test]
    fn a_text_may_not_end_behind_a_timestamp_long_before_the_end() {
        let script = |tokens: &[u32]| match tokens {
            [] => vec![(START, 0.0)],
            [_] => vec![(1_000, 5.0)],
            [.., 1_000] => vec![(START + 100, 5.0)],
            [.., 1_001] => vec![(START + 400, 5.0)],
            [.., a, b] if a == b => vec![(1_001, 5.0), (EOT, 6.0)],
            _ => vec![(EOT, 6.0), (tokens[tokens.len() - 1], 0.0)],
        };
        let stamp = START + 100;
        assert_eq!(run(PLAN, script).tokens, [START, 1_000, stamp]);
        let longer = run(Plan { end: START + 350, ..PLAN }, script);
        assert_eq!(longer.tokens, [START, 1_000, stamp, stamp, 1_001, START + 400]);
    }
}
