//! Beliefs about windows become turns of which two may overlap: who speaks at each moment, and who speaks, too.

use super::channels::marked;
use super::scene::{Seen, Track, edge, frame_start};
use super::turns::numbered;
use super::{Turn, Voiced};
use crate::audio::MediaSpan;
use crate::speech::segmentation::{CLASSES, SPEAKERS, speakers_of};
use crate::speech::voice::campplus::Timbre;

/// Half of a window: from its middle on, what it heard counts less and less, milliseconds.
const REACH_MS: f64 = 800.0;

/// How strongly a frame insists on its speaker: as moments of 0.1 s do in `turns.rs`.
const INSISTENCE: f64 = 2.0 * 16.875 / 100.0;

/// What a change of speaker costs, in logarithms of odds; less after a pause, and where the segmentation hears a change.
///
/// Source: own bench; see benches/README.md.
const CHANGE_COST: f64 = 3.0;

/// Share of the cost that a change which the segmentation hears saves.
const HEARD_CHANGE: f64 = 0.9;

/// Frames before and behind that are compared to hear a change: 0.2 s.
const CHANGE_FRAMES: usize = 12;

/// After a pause of this length a change costs a third.
const PAUSE_MS: f64 = 300.0;

/// A speaker is believed by so much at most; somebody else is possible always.
const SURE: f64 = 0.95;

/// Pauses of a speaker up to this length belong to the turn.
const BRIDGE_MS: u64 = 500;

/// Frames that a local speaker must share with nobody's speech before it counts as half known: 0.3 s.
const UNKNOWN_FRAMES: f32 = 20.0;

/// How much it counts, beside what the segmentation hears, that somebody speaks close by; and that they sound so.
const NEAR: f32 = 0.3;
const SOUND: f32 = 0.5;

/// Time in which somebody close by becomes a third as close, in frames: 2 s.
const NEAR_FRAMES: f32 = 118.5;

/// Tells who speaks when; `believed` holds for each window the probability of each speaker.
///
/// Shape: turns in the order of their starts, numbered by first appearance, marked where two overlap.
pub(super) fn turns(seen: &Seen, windows: &[Voiced<Timbre>], believed: &[Vec<f64>]) -> Vec<Turn> {
    let speakers = believed.first().map_or(1, Vec::len).max(1);
    let speech: Vec<usize> = (0..seen.held.len()).filter(|frame| seen.held[*frame].speech).collect();
    if speech.is_empty() {
        return Vec::new();
    }
    let sounds = sounds(&speech, windows, believed, speakers);
    let changes = changes(seen);
    let mut first: Vec<Option<usize>> = vec![None; seen.held.len()];
    for (frame, speaker) in speech.iter().zip(path(&speech, &sounds, &changes, speakers)) {
        first[*frame] = Some(speaker);
    }
    let second = second(seen, &first, &speech, &sounds, speakers);
    ordered((0..speakers).flat_map(|speaker| spans(&first, &second, speaker)).collect())
}

fn middle_ms(frame: usize) -> f64 {
    frame_start(frame).ms() as f64 + 8.4
}

/// Returns for each frame of speech how much each speaker sounds like it: the mean of the windows around it.
///
/// Shape: rows of `speakers`.
fn sounds(speech: &[usize], windows: &[Voiced<Timbre>], believed: &[Vec<f64>], speakers: usize) -> Vec<f32> {
    let middle = |window: &Voiced<Timbre>| (window.span.start().ms() + window.span.end().ms()) as f64 / 2.0;
    let (mut from, mut rows) = (0, Vec::with_capacity(speech.len() * speakers));
    for frame in speech {
        let at = middle_ms(*frame);
        while windows.get(from).is_some_and(|window| middle(window) < at - REACH_MS) {
            from += 1;
        }
        let (mut row, mut sum) = (vec![0.0; speakers], 0.0);
        for (window, believed) in windows.iter().zip(believed).skip(from) {
            let weight = 1.0 - (middle(window) - at).abs() / REACH_MS;
            if weight <= 0.0 {
                break;
            }
            row.iter_mut().zip(believed).for_each(|(value, believed)| *value += weight * believed);
            sum += weight;
        }
        if sum < 1e-3 {
            let around = from.saturating_sub(1)..windows.len().min(from + 1);
            let by = |a: &usize, b: &usize| {
                let far = |index: usize| (middle(&windows[index]) - at).abs();
                far(*a).total_cmp(&far(*b))
            };
            row = around.min_by(by).map_or_else(|| vec![1.0; speakers], |index| believed[index].clone());
            sum = row.iter().sum();
        }
        rows.extend(row.iter().map(|value| (value / sum.max(1e-300)) as f32));
    }
    rows
}

/// Returns for each frame how surely the segmentation hears another speaker behind it than before it, 0 to 1.
fn changes(seen: &Seen) -> Vec<f32> {
    let mut sums = vec![(0.0_f32, 0.0_f32); seen.held.len()];
    for track in &seen.tracks {
        let shares: Vec<[f32; SPEAKERS]> = tracks(track).map(shared).collect();
        let mut before = vec![[0.0_f32; SPEAKERS]];
        for share in &shares {
            let last = before[before.len() - 1];
            before.push(std::array::from_fn(|speaker| last[speaker] + share[speaker]));
        }
        let mean = |from: usize, to: usize, speaker: usize| {
            (before[to][speaker] - before[from][speaker]) / (to - from).max(1) as f32
        };
        for index in 0..shares.len() {
            let from = if index == 0 { 0 } else { index.saturating_sub(CHANGE_FRAMES) };
            let (middle, to) = (index.max(1), shares.len().min(index + CHANGE_FRAMES));
            let differs = |speaker: usize| (mean(from, middle, speaker) - mean(index, to, speaker)).abs();
            let change = 0.5 * (0..SPEAKERS).map(differs).sum::<f32>();
            if let Some((sum, weight)) = sums.get_mut(track.first + index) {
                *sum += edge(index) * change;
                *weight += edge(index);
            }
        }
    }
    sums.iter().map(|(sum, weight)| sum / weight.max(1e-9)).collect()
}

/// Returns how likely each local speaker speaks in each frame.
fn tracks(track: &Track) -> impl Iterator<Item = [f32; SPEAKERS]> + '_ {
    track.likely.iter().map(|classes| {
        let mut speaks = [0.0; SPEAKERS];
        for (class, likely) in classes.iter().enumerate() {
            for (speaks, is_in) in speaks.iter_mut().zip(speakers_of(class)) {
                *speaks += if is_in { f32::from(*likely) / 255.0 } else { 0.0 };
            }
        }
        speaks
    })
}

fn shared(speaks: [f32; SPEAKERS]) -> [f32; SPEAKERS] {
    let sum = speaks.iter().sum::<f32>().max(1e-6);
    speaks.map(|value| value / sum)
}

/// Returns the speaker of each frame of speech: the best path, on which changes cost.
///
/// Source: Viterbi.
fn path(speech: &[usize], sounds: &[f32], changes: &[f32], speakers: usize) -> Vec<usize> {
    let floor = (1.0 - SURE) / speakers as f64;
    let odds = |row: &[f32]| -> Vec<f64> {
        row.iter().map(|value| INSISTENCE * (SURE * f64::from(*value) + floor).ln()).collect()
    };
    let mut best = odds(&sounds[..speakers]);
    // Speakers are at most twenty.
    let mut came: Vec<u8> = Vec::with_capacity(speech.len() * speakers);
    for index in 1..speech.len() {
        let pause_ms = (speech[index] - speech[index - 1] - 1) as f64 * 16.875;
        let heard = f64::from(changes[speech[index]]);
        let cost = CHANGE_COST * (-pause_ms / PAUSE_MS).exp() * (1.0 - HEARD_CHANGE * heard);
        let leader = likeliest(&best);
        let change = best[leader] - cost;
        came.extend((0..speakers).map(|own| if best[own] >= change { own as u8 } else { leader as u8 }));
        let here = odds(&sounds[index * speakers..(index + 1) * speakers]);
        best.iter_mut().zip(here).for_each(|(best, here)| *best = best.max(change) + here);
    }
    let mut path = vec![likeliest(&best)];
    for index in (0..speech.len() - 1).rev() {
        path.push(usize::from(came[index * speakers + path[path.len() - 1]]));
    }
    path.reverse();
    path
}

fn likeliest(values: &[f64]) -> usize {
    values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(index, _)| index)
}

/// Returns who speaks, too, in the frames in which two do.
fn second(
    seen: &Seen,
    first: &[Option<usize>],
    speech: &[usize],
    sounds: &[f32],
    speakers: usize,
) -> Vec<Option<usize>> {
    let mut second = vec![None; first.len()];
    if speakers < 2 {
        return second;
    }
    let mut scores = vec![0.0_f32; speech.len() * speakers];
    for track in &seen.tracks {
        let known = known(track, first, speakers);
        let behind = speech.partition_point(|frame| *frame < track.first);
        let inside = (behind..speech.len()).take_while(|at| speech[*at] < track.first + track.likely.len());
        let speaks: Vec<[f32; SPEAKERS]> = tracks(track).collect();
        for at in inside.filter(|at| seen.held[speech[*at]].overlap) {
            let index = speech[at] - track.first;
            for (local, known) in known.iter().enumerate() {
                let weight = edge(index) * speaks[index][local];
                let row = &mut scores[at * speakers..(at + 1) * speakers];
                row.iter_mut().zip(known).for_each(|(score, known)| *score += weight * known);
            }
        }
    }
    let close = close(first, speakers);
    for (at, frame) in speech.iter().enumerate().filter(|(_, frame)| seen.held[**frame].overlap) {
        let score = |speaker: usize| {
            scores[at * speakers + speaker]
                + NEAR * (-f32::from(close[frame * speakers + speaker]) / NEAR_FRAMES).exp()
                + SOUND * sounds[at * speakers + speaker]
        };
        let others = (0..speakers).filter(|speaker| Some(*speaker) != first[*frame]);
        second[*frame] = others.max_by(|a, b| score(*a).total_cmp(&score(*b)));
    }
    second
}

/// Returns how surely each local speaker of a window is each speaker: by whom the frames have in which they speak alone.
fn known(track: &Track, first: &[Option<usize>], speakers: usize) -> Vec<Vec<f32>> {
    let mut alone = vec![vec![0.0; speakers]; SPEAKERS];
    for (classes, speaker) in track.likely.iter().zip(&first[track.first.min(first.len())..]) {
        if let Some(speaker) = speaker {
            for (local, alone) in alone.iter_mut().enumerate() {
                // The first class is nobody, the next ones are single speakers.
                alone[*speaker] += f32::from(classes[(local + 1) % CLASSES]) / 255.0;
            }
        }
    }
    for row in &mut alone {
        let sum = row.iter().sum::<f32>() + UNKNOWN_FRAMES;
        row.iter_mut().for_each(|value| *value /= sum);
    }
    alone
}

/// Returns for each frame how many frames away each speaker speaks next or spoke last.
fn close(first: &[Option<usize>], speakers: usize) -> Vec<u16> {
    let mut close = vec![u16::MAX; first.len() * speakers];
    let mut pass = |frames: &mut dyn Iterator<Item = usize>| {
        let mut away = vec![u16::MAX; speakers];
        for frame in frames {
            away.iter_mut().for_each(|away| *away = away.saturating_add(1));
            if let Some(speaker) = first[frame] {
                away[speaker] = 0;
            }
            let row = &mut close[frame * speakers..(frame + 1) * speakers];
            row.iter_mut().zip(&away).for_each(|(close, away)| *close = (*close).min(*away));
        }
    };
    pass(&mut (0..first.len()));
    pass(&mut (0..first.len()).rev());
    close
}

/// Returns when a speaker speaks, first or second.
fn spans(first: &[Option<usize>], second: &[Option<usize>], speaker: usize) -> Vec<(MediaSpan, usize)> {
    let mut spans: Vec<(MediaSpan, usize)> = Vec::new();
    let own =
        (0..first.len()).filter(|frame| first[*frame] == Some(speaker) || second[*frame] == Some(speaker));
    for frame in own {
        let (start, end) = (frame_start(frame), frame_start(frame + 1));
        match spans.last_mut() {
            Some((span, _)) if start.ms().saturating_sub(span.end().ms()) <= BRIDGE_MS => {
                *span = MediaSpan::new(span.start(), end);
            }
            _ => spans.push((MediaSpan::new(start, end), speaker)),
        }
    }
    spans
}

/// Numbers the speakers in the order in which they first speak, and marks where two overlap.
fn ordered(mut spans: Vec<(MediaSpan, usize)>) -> Vec<Turn> {
    spans.sort_by_key(|(span, speaker)| (span.start(), *speaker));
    marked(&numbered(spans))
}
