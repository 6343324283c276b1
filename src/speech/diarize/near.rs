//! Speakers of a short recording: timbres that are near each other, measured by how near one voice is to itself.

use super::cluster::{Linkage, Tree};
use super::{SPEAKERS_MAX, Speakers, Voiced};
use crate::speech::voice::campplus::Timbre;

/// Fewer windows than this are of one speaker.
const WINDOWS_MIN: usize = 3;

/// Two windows so far apart share at most half of their sound, and are mostly of one speaker, milliseconds.
const MOMENT_MS: std::ops::RangeInclusive<u64> = 800..=2_000;

/// Share of such pairs that is left out because they differ most: there the speaker changes.
const CHANGES: f32 = 0.2;

/// What is taken for a voice's likeness to itself when fewer than five pairs tell.
const LIKENESS: f32 = 0.5;

/// Range in which a voice's likeness to itself is believed.
const LIKENESS_RANGE: std::ops::RangeInclusive<f32> = 0.3..=0.75;

/// Groups less alike than this share of a voice's likeness to itself are two speakers.
///
/// Source: own bench; see benches/README.md.
const SHARE: f32 = 0.65;

/// Who is heard for less is nobody of their own, milliseconds.
///
/// Source: own bench; see benches/README.md.
const SPEECH_MS_MIN: u64 = 4_000;

/// What one window counts at most, when the next one is far.
const WINDOW_MS_MAX: u64 = 800;

/// Rounds of asking whose middle each window is nearest to.
const ROUNDS: usize = 3;

/// How much more likely a nearer speaker is: cosines over this, times the likeness, are logarithms of odds.
const SOFTNESS: f32 = 0.2;

/// Returns for each window the probability of each speaker.
pub(super) fn near(windows: &[Voiced<Timbre>], speakers: Speakers) -> Vec<Vec<f64>> {
    if windows.len() < WINDOWS_MIN || speakers == Speakers::Given(1) {
        return vec![vec![1.0]; windows.len()];
    }
    let voices: Vec<&Timbre> = windows.iter().map(|window| &window.voice).collect();
    let likeness = likeness(windows);
    let lengths = lengths(windows);
    let tree = Tree::of(&voices, Linkage::Average);
    let groups = match speakers {
        Speakers::Auto => tree.apart(1.0 - SHARE * likeness),
        Speakers::Given(count) => counted(&tree, usize::from(count), &lengths),
    };
    let most = match speakers {
        Speakers::Auto => usize::from(SPEAKERS_MAX),
        Speakers::Given(count) => usize::from(count),
    };
    let kept = kept(&groups, &lengths, most, speakers == Speakers::Auto);
    let mut middles: Vec<Timbre> = kept
        .iter()
        .filter_map(|group| {
            let own = voices.iter().zip(&groups).filter(|(_, its)| *its == group);
            Timbre::weighted(own.map(|(voice, _)| (*voice, 1.0)))
        })
        .collect();
    for _ in 0..ROUNDS {
        middles = moved(&voices, middles);
    }
    voices.iter().map(|voice| odds(voice, &middles, SOFTNESS * likeness)).collect()
}

/// Returns how alike windows a moment apart are: the median of those within a voice.
fn likeness(windows: &[Voiced<Timbre>]) -> f32 {
    let mut cosines = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        for other in &windows[index + 1..] {
            let apart_ms = other.span.start().ms().saturating_sub(window.span.start().ms());
            if apart_ms > *MOMENT_MS.end() {
                break;
            }
            if MOMENT_MS.contains(&apart_ms) && other.stretch == window.stretch {
                cosines.push(window.voice.cosine(&other.voice));
            }
        }
    }
    if cosines.len() < 5 {
        return LIKENESS;
    }
    cosines.sort_by(f32::total_cmp);
    let within = &cosines[(cosines.len() as f32 * CHANGES) as usize..];
    within[within.len() / 2].clamp(*LIKENESS_RANGE.start(), *LIKENESS_RANGE.end())
}

/// Returns how much speech each window stands for.
fn lengths(windows: &[Voiced<Timbre>]) -> Vec<u64> {
    let starts = windows.iter().map(|window| window.span.start().ms());
    let next = starts.clone().skip(1).chain([u64::MAX]);
    starts.zip(next).map(|(start, next)| next.saturating_sub(start).min(WINDOW_MS_MAX)).collect()
}

/// Returns how long each group is heard, the number of the group being its place.
fn heard_ms(groups: &[usize], lengths: &[u64]) -> Vec<u64> {
    let mut heard = vec![0; groups.iter().max().map_or(0, |last| last + 1)];
    groups.iter().zip(lengths).for_each(|(group, length)| heard[*group] += length);
    heard
}

/// Cuts the tree where as many groups as were counted are heard long enough; at the count if there is no such place.
fn counted(tree: &Tree, count: usize, lengths: &[u64]) -> Vec<usize> {
    let cuts = (count..lengths.len().min(6 * count + 10)).map(|cut| tree.groups(cut));
    let is_enough = |groups: &Vec<usize>| {
        heard_ms(groups, lengths).iter().filter(|heard| **heard >= SPEECH_MS_MIN).count() >= count
    };
    let mut cuts = cuts;
    cuts.find(is_enough).unwrap_or_else(|| tree.groups(count))
}

/// Returns the groups that are speakers: those heard longest, at most `most`, and at least one.
fn kept(groups: &[usize], lengths: &[u64], most: usize, only_long: bool) -> Vec<usize> {
    let heard = heard_ms(groups, lengths);
    let mut order: Vec<usize> = (0..heard.len()).collect();
    order.sort_by_key(|group| std::cmp::Reverse(heard[*group]));
    order.truncate(most.max(1));
    let long = order.iter().filter(|group| heard[**group] >= SPEECH_MS_MIN).count();
    if only_long {
        order.truncate(long.max(1));
    }
    order
}

/// Moves each middle to where the windows are that are nearest to it.
fn moved(voices: &[&Timbre], middles: Vec<Timbre>) -> Vec<Timbre> {
    let nearest = |voice: &Timbre| {
        let by = |a: &usize, b: &usize| middles[*a].cosine(voice).total_cmp(&middles[*b].cosine(voice));
        (0..middles.len()).max_by(by).unwrap_or(0)
    };
    let whose: Vec<usize> = voices.iter().map(|voice| nearest(voice)).collect();
    let place = |(index, middle): (usize, &Timbre)| {
        let own = voices.iter().zip(&whose).filter(move |(_, its)| **its == index);
        Timbre::weighted(own.map(|(voice, _)| (*voice, 1.0))).unwrap_or_else(|| middle.clone())
    };
    middles.iter().enumerate().map(place).collect()
}

fn odds(voice: &Timbre, middles: &[Timbre], softness: f32) -> Vec<f64> {
    let cosines: Vec<f64> = middles.iter().map(|middle| f64::from(middle.cosine(voice) / softness)).collect();
    let best = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let likely: Vec<f64> = cosines.iter().map(|cosine| (cosine - best).exp()).collect();
    let sum: f64 = likely.iter().sum();
    likely.iter().map(|value| value / sum.max(1e-300)).collect()
}
