//! Windows whose speakers are known become turns: cut where the speaker changes, joined over short pauses.

use super::{SpeakerId, Turn, Voiced};
use crate::audio::{MediaSpan, MediaTime};

/// Length of the moments that each get one speaker.
const MOMENT_MS: u64 = 100;

/// Half of a window: from its middle on, what it heard counts less and less.
const REACH_MS: f64 = 800.0;

/// What a change of speaker costs, in logarithms of odds over moments; less after a pause.
///
/// Source: own bench; see benches/README.md.
const CHANGE_COST: f64 = 3.0;

/// How strongly a moment insists on its speaker.
const INSISTENCE: f64 = 2.0;

/// After a pause of this length a change costs a third.
const PAUSE_MS: f64 = 300.0;

/// Pauses of a speaker up to this length belong to the turn.
///
/// Source: own bench; the truth of meetings is written so, too.
const BRIDGE_MS: u64 = 1_000;

/// A speaker is believed by so much at most; somebody else is possible always.
const SURE: f64 = 0.95;

/// Cuts the spans of speech into turns; `believed` holds for each window the probability of each speaker.
///
/// Shape: turns in the order of their starts, numbered by first appearance.
pub(super) fn turns(spans: &[MediaSpan], windows: &[Voiced], believed: &[Vec<f64>]) -> Vec<Turn> {
    let moments: Vec<MediaSpan> = spans.iter().flat_map(|span| moments(*span)).collect();
    let speakers = believed.first().map_or(0, Vec::len);
    if moments.is_empty() || speakers == 0 {
        return Vec::new();
    }
    let odds: Vec<Vec<f64>> = odds(&moments, windows, believed, speakers);
    let path = path(&moments, &odds, speakers);
    numbered(joined(&moments, &path))
}

fn moments(span: MediaSpan) -> impl Iterator<Item = MediaSpan> {
    let (start, end) = (span.start().ms(), span.end().ms());
    (start..end).step_by(MOMENT_MS as usize).map(move |from| {
        MediaSpan::new(MediaTime::from_ms(from), MediaTime::from_ms((from + MOMENT_MS).min(end)))
    })
}

fn middle_ms(span: MediaSpan) -> f64 {
    (span.start().ms() + span.end().ms()) as f64 / 2.0
}

/// Returns for each moment how likely each speaker is, as logarithms: the mean of the windows around it.
fn odds(moments: &[MediaSpan], windows: &[Voiced], believed: &[Vec<f64>], speakers: usize) -> Vec<Vec<f64>> {
    let (mut from, mut rows) = (0, Vec::with_capacity(moments.len()));
    for moment in moments {
        let at = middle_ms(*moment);
        while windows.get(from).is_some_and(|window| middle_ms(window.span) < at - REACH_MS) {
            from += 1;
        }
        let near = windows.iter().zip(believed).skip(from);
        let near = near.take_while(|(window, _)| middle_ms(window.span) < at + REACH_MS);
        let (mut row, mut sum) = (vec![0.0; speakers], 0.0);
        for (window, believed) in near {
            let weight = 1.0 - (middle_ms(window.span) - at).abs() / REACH_MS;
            row.iter_mut().zip(believed).for_each(|(value, believed)| *value += weight * believed);
            sum += weight;
        }
        if sum < 1e-3 {
            row = nearest(at, from, windows, believed).cloned().unwrap_or(row);
            sum = 1.0;
        }
        let floor = (1.0 - SURE) / speakers as f64;
        rows.push(row.iter().map(|value| INSISTENCE * (SURE * value / sum + floor).ln()).collect());
    }
    rows
}

fn nearest<'a>(at: f64, from: usize, windows: &[Voiced], believed: &'a [Vec<f64>]) -> Option<&'a Vec<f64>> {
    let distance = |index: &usize| (middle_ms(windows[*index].span) - at).abs();
    let around = from.saturating_sub(1)..windows.len().min(from + 1);
    around.min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|index| &believed[index])
}

/// Returns the speaker of each moment: the best path, on which changes cost.
///
/// Source: Viterbi.
fn path(moments: &[MediaSpan], odds: &[Vec<f64>], speakers: usize) -> Vec<usize> {
    let mut best = odds[0].clone();
    let mut came: Vec<Vec<usize>> = vec![(0..speakers).collect()];
    for index in 1..moments.len() {
        let pause_ms = moments[index].start().ms().saturating_sub(moments[index - 1].end().ms());
        let cost = CHANGE_COST * (-(pause_ms as f64) / PAUSE_MS).exp();
        let leader = likeliest(&best);
        let change = best[leader] - cost;
        let from = |speaker: usize| if best[speaker] >= change { speaker } else { leader };
        came.push((0..speakers).map(from).collect());
        best = (0..speakers).map(|speaker| best[speaker].max(change) + odds[index][speaker]).collect();
    }
    let mut path = vec![likeliest(&best)];
    for index in (1..moments.len()).rev() {
        path.push(came[index][path[path.len() - 1]]);
    }
    path.reverse();
    path
}

fn likeliest(values: &[f64]) -> usize {
    values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(index, _)| index)
}

/// Joins the moments of one speaker, over short pauses too.
fn joined(moments: &[MediaSpan], path: &[usize]) -> Vec<(MediaSpan, usize)> {
    let mut joined: Vec<(MediaSpan, usize)> = Vec::new();
    for (moment, speaker) in moments.iter().zip(path) {
        match joined.last_mut() {
            Some((span, last))
                if last == speaker && moment.start().ms().saturating_sub(span.end().ms()) <= BRIDGE_MS =>
            {
                *span = MediaSpan::new(span.start(), moment.end());
            }
            _ => joined.push((*moment, *speaker)),
        }
    }
    joined
}

/// Numbers the speakers in the order in which they first speak.
pub(super) fn numbered(turns: Vec<(MediaSpan, usize)>) -> Vec<Turn> {
    let mut order: Vec<usize> = Vec::new();
    let number = |(span, speaker): (MediaSpan, usize)| {
        let place = order.iter().position(|known| *known == speaker).unwrap_or_else(|| {
            order.push(speaker);
            order.len() - 1
        });
        Turn { span, speaker: SpeakerId(place as u16 + 1), overlap: false }
    };
    turns.into_iter().map(number).collect()
}
