//! How many speakers there are, and which window is whose: a hidden Markov model, judged by variational Bayes.
//!
//! Every speaker is a point that is likely to lie where voices lie, every window is one speaker's point and some
//! scatter, and who speaks now mostly speaks on. Speakers that explain nothing lose their windows and go.
//!
//! Source: Landini, Profant, Diez, Burget, "Bayesian HMM clustering of x-vector sequences (VBx)", 2022: the equations
//! and the meaning of both factors; here the space is learned from the recording, see `space.rs`.

use super::space::Points;

/// How much one window counts as evidence: neighbours share three quarters of their sound.
const EVIDENCE: f64 = 0.3;

/// How much it costs to tell one more speaker apart.
const SPEAKER_COST: f64 = 10.0;

/// How likely it is that who speaks in a window speaks in the next one, 0.4 s later.
const STAYS: f64 = 0.95;

/// Most rounds of guessing whose a window is and what the speakers are.
const ROUNDS_MAX: usize = 20;

/// A gain below which another round changes nothing.
const GAIN_MIN: f64 = 1e-3;

/// A speaker with a smaller share of the windows does not exist.
const SHARE_MIN: f64 = 1e-3;

/// How sure the first guess is that it is right, as a logarithm of odds.
const FIRST_ODDS: f64 = 5.0;

/// Whether speakers that explain nothing go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// They stay: somebody counted them.
    All,
    /// They go.
    Needed,
}

/// What a first guess became.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Belief {
    /// For each window the probability of each speaker.
    pub windows: Vec<Vec<f64>>,
    /// How well everything is explained; comparable between guesses about one recording.
    pub evidence: f64,
}

/// Improves a first guess of the speaker of every window, numbered from 0.
pub(super) fn believe(points: &Points, guess: &[usize], keep: Keep) -> Belief {
    let speakers = guess.iter().max().map_or(1, |last| last + 1);
    let other = 1.0 / (FIRST_ODDS.exp() + speakers as f64 - 1.0);
    let row = |speaker: &usize| {
        let mut row = vec![other; speakers];
        row[*speaker] = other * FIRST_ODDS.exp();
        row
    };
    let mut belief = Belief { windows: guess.iter().map(row).collect(), evidence: f64::NEG_INFINITY };
    let mut shares = shares(&belief.windows, speakers);
    for _ in 0..ROUNDS_MAX {
        let model = Model::of(points, &belief.windows, shares.len());
        let (next, next_shares) = model.judge(points, &shares);
        let gain = next.evidence - belief.evidence;
        (belief, shares) = (next, next_shares);
        let gone = keep == Keep::Needed && drop_unneeded(&mut belief, &mut shares);
        if gain.abs() < GAIN_MIN && !gone {
            break;
        }
    }
    belief
}

fn shares(windows: &[Vec<f64>], speakers: usize) -> Vec<f64> {
    let share = |speaker: usize| windows.iter().map(|row| row[speaker]).sum::<f64>() / windows.len() as f64;
    (0..speakers).map(share).collect()
}

/// Takes away the speakers who have hardly a window; tells whether there were any.
fn drop_unneeded(belief: &mut Belief, shares: &mut Vec<f64>) -> bool {
    let kept: Vec<usize> = (0..shares.len()).filter(|speaker| shares[*speaker] > SHARE_MIN).collect();
    if kept.len() == shares.len() || kept.is_empty() {
        return false;
    }
    let normalised = |row: &[f64]| -> Vec<f64> {
        let row: Vec<f64> = kept.iter().map(|speaker| row[*speaker]).collect();
        let sum = row.iter().sum::<f64>().max(1e-300);
        row.iter().map(|value| value / sum).collect()
    };
    *shares = normalised(shares);
    belief.windows.iter_mut().for_each(|row| *row = normalised(row));
    true
}

/// What is believed of the speakers: where each one's point lies, and how surely.
struct Model {
    middles: Vec<Vec<f64>>,
    spreads: Vec<Vec<f64>>,
}

impl Model {
    fn of(points: &Points, windows: &[Vec<f64>], speakers: usize) -> Self {
        let directions = points.between.len();
        let (mut middles, mut spreads) = (Vec::new(), Vec::new());
        for speaker in 0..speakers {
            let count: f64 = windows.iter().map(|row| row[speaker]).sum();
            let mut sum = vec![0.0; directions];
            for (row, point) in windows.iter().zip(&points.points) {
                sum.iter_mut().zip(point).for_each(|(sum, value)| *sum += row[speaker] * value);
            }
            let ratio = EVIDENCE / SPEAKER_COST;
            let spread: Vec<f64> =
                points.between.iter().map(|between| 1.0 / (1.0 + ratio * count * between)).collect();
            let place = |direction: usize| {
                ratio * spread[direction] * sum[direction] * points.between[direction].sqrt()
            };
            middles.push((0..directions).map(place).collect());
            spreads.push(spread);
        }
        Self { middles, spreads }
    }

    /// Returns how well each speaker explains a point, as a logarithm.
    fn likeness(&self, points: &Points, point: &[f64]) -> Vec<f64> {
        let own = -0.5 * point.iter().map(|value| value * value + std::f64::consts::TAU.ln()).sum::<f64>();
        let of = |(middle, spread): (&Vec<f64>, &Vec<f64>)| {
            let parts = middle.iter().zip(spread).zip(point.iter().zip(&points.between));
            let sum = parts.map(|((middle, spread), (value, between))| {
                value * between.sqrt() * middle - 0.5 * (spread + middle * middle) * between
            });
            EVIDENCE * (sum.sum::<f64>() + own)
        };
        self.middles.iter().zip(&self.spreads).map(of).collect()
    }

    /// Judges whose every window is, looking forwards and backwards; and the speakers' shares.
    fn judge(&self, points: &Points, shares: &[f64]) -> (Belief, Vec<f64>) {
        let speakers = shares.len();
        let (mut fits, mut evidence) = (Vec::new(), self.cost());
        for point in &points.points {
            let mut fit = self.likeness(points, point);
            let best = fit.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            evidence += best;
            fit.iter_mut().for_each(|value| *value = (*value - best).exp());
            fits.push(fit);
        }
        let (mut forward, mut sums) = (Vec::<Vec<f64>>::new(), Vec::new());
        for fit in &fits {
            let before = forward.last();
            let reach = |speaker: usize| {
                before.map_or(shares[speaker], |row| STAYS * row[speaker] + (1.0 - STAYS) * shares[speaker])
            };
            let mut row: Vec<f64> = (0..speakers).map(|speaker| reach(speaker) * fit[speaker]).collect();
            let sum = row.iter().sum::<f64>().max(1e-300);
            row.iter_mut().for_each(|value| *value /= sum);
            evidence += sum.ln();
            sums.push(sum);
            forward.push(row);
        }
        let mut backward = vec![1.0; speakers];
        let mut came = vec![0.0; speakers];
        for index in (0..fits.len()).rev() {
            let ahead: Vec<f64> =
                fits[index].iter().zip(&backward).map(|(fit, back)| fit * back / sums[index]).collect();
            forward[index].iter_mut().zip(&backward).for_each(|(value, back)| *value *= back);
            if index > 0 {
                came.iter_mut().zip(&ahead).for_each(|(sum, ahead)| *sum += ahead);
                let anybody: f64 = ahead.iter().zip(shares).map(|(ahead, share)| ahead * share).sum();
                backward = ahead.iter().map(|ahead| STAYS * ahead + (1.0 - STAYS) * anybody).collect();
            }
        }
        let first = forward.first().cloned().unwrap_or_else(|| vec![1.0; speakers]);
        let begun = |speaker: usize| first[speaker] + (1.0 - STAYS) * shares[speaker] * came[speaker];
        let begun: Vec<f64> = (0..speakers).map(begun).collect();
        let all = begun.iter().sum::<f64>().max(1e-300);
        (Belief { windows: forward, evidence }, begun.iter().map(|value| value / all).collect())
    }

    /// Returns what the speakers cost, as a part of the evidence.
    fn cost(&self) -> f64 {
        let values = self.middles.iter().flatten().zip(self.spreads.iter().flatten());
        0.5 * SPEAKER_COST
            * values.map(|(middle, spread)| spread.ln() - spread - middle * middle + 1.0).sum::<f64>()
    }
}
