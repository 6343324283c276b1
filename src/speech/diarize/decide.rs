//! From the voices that were heard to who spoke when.

use super::alike::Alike;
use super::bayes::{Belief, Keep, believe};
use super::cluster::{Linkage, groups};
use super::listen::Voices;
use super::near::near;
use super::overlap;
use super::scene::Seen;
use super::space::Points;
use super::turns::turns;
use super::{Diarization, SPEAKERS_MAX, Settings, Speaker, SpeakerId, Speakers, Turn, Voiced};
use crate::speech::voice::Embedding;
use crate::speech::voice::campplus::Timbre;

/// Most windows that are grouped with each other for a first guess; of more, evenly spread ones are, and the others
/// follow the nearest group. 64 MB of distances.
const GROUPED_MAX: usize = 4_000;

/// Fewer windows than this a group say nothing about how many groups there are.
const WINDOWS_PER_GROUP: usize = 3;

/// Fewer windows than this are of one speaker.
const WINDOWS_MIN: usize = 3;

/// Speakers looked for beyond those counted: somebody who speaks little is found beside one who speaks much.
const SPARE_SPEAKERS: usize = 2;

/// Speakers whose voices are more alike than this are one, unless somebody counted them.
///
/// Source: own bench: halves of one voice lie from 0.94 on, voices of two people mostly below 0.94.
const SAME_VOICE: f32 = 0.95;

/// How much sound counts for a speaker's voice in which somebody else speaks, too.
const OVERLAP_WEIGHT: f32 = 0.1;

/// The same for the timbres of a scene.
///
/// Source: own bench: halves of one voice lie from 0.94 on where minutes of it are heard.
const SAME_TIMBRE: f32 = 0.9;

/// Distance of the windows of which a space is learned, milliseconds.
const COARSE_MS: u64 = 800;

/// Fewer windows than this, two minutes of speech, are too little to learn a space from.
///
/// Source: own bench: with less the learned space is worse than the network's own.
const LEARNED_WINDOWS_MIN: usize = 150;

/// Tells who spoke when.
///
/// Range: up to [`SPEAKERS_MAX`] speakers; without windows nobody. Time grows with the number of windows.
pub fn diarize(voices: &Voices, settings: &Settings) -> Diarization {
    let windows = voices.windows.as_slice();
    if windows.is_empty() {
        return Diarization::default();
    }
    let believed = match Points::of(windows) {
        Some(points) if windows.len() >= WINDOWS_MIN => {
            decided(windows, &points, settings.speakers, SAME_VOICE)
        }
        Some(_) | None => vec![vec![1.0]; windows.len()],
    };
    let turns = turns(&voices.spans, windows, &believed);
    let speakers = speakers(windows, &turns);
    Diarization { turns, speakers }
}

/// Tells who speaks when, also where two do, from what a [`Scene`](super::Scene) saw.
///
/// Range: up to [`SPEAKERS_MAX`] speakers. A space of its own is learned from a recording in which much is heard; in a
/// short one voices are grouped as the network hears them.
pub fn together(seen: &Seen, settings: &Settings) -> Vec<Turn> {
    let coarse: Vec<Voiced<Timbre>> = seen
        .windows
        .iter()
        .filter(|window| window.span.start().ms().is_multiple_of(COARSE_MS))
        .cloned()
        .collect();
    if coarse.len() >= LEARNED_WINDOWS_MIN
        && let Some(points) = Points::of(&coarse)
    {
        let believed = decided(&coarse, &points, settings.speakers, SAME_TIMBRE);
        return overlap::turns(seen, &coarse, &believed);
    }
    let believed = near(&seen.windows, settings.speakers);
    overlap::turns(seen, &seen.windows, &believed)
}

fn decided<V: Alike>(windows: &[Voiced<V>], points: &Points, speakers: Speakers, same: f32) -> Vec<Vec<f64>> {
    let most = (windows.len() / WINDOWS_PER_GROUP).max(1);
    match speakers {
        Speakers::Auto => {
            let count = usize::from(SPEAKERS_MAX).min(most);
            merged(windows, best(windows, points, count, Keep::Needed).windows, same, 1)
        }
        Speakers::Given(1) => vec![vec![1.0]; windows.len()],
        Speakers::Given(count) => {
            let count = usize::from(count.clamp(1, SPEAKERS_MAX)).min(most);
            counted(windows, points, count)
        }
    }
}

/// Finds as many speakers as somebody counted: a few more first, of whom the most alike become one.
fn counted<V: Alike>(windows: &[Voiced<V>], points: &Points, count: usize) -> Vec<Vec<f64>> {
    let more = believe(points, &guess(windows, Linkage::Ward, count + SPARE_SPEAKERS), Keep::Needed);
    let believed = merged(windows, more.windows, -1.0, count);
    if believed.first().map_or(0, Vec::len) < count {
        return best(windows, points, count, Keep::All).windows;
    }
    let guess: Vec<usize> = believed.iter().map(|row| likeliest(row)).collect();
    believe(points, &guess, Keep::All).windows
}

/// Makes one of speakers whose voices are more alike than `same`, the most alike first, until `least` are left.
fn merged<V: Alike>(
    windows: &[Voiced<V>],
    believed: Vec<Vec<f64>>,
    same: f32,
    least: usize,
) -> Vec<Vec<f64>> {
    let mut believed = with_windows(believed);
    loop {
        let likeliest: Vec<usize> = believed.iter().map(|row| likeliest(row)).collect();
        let count = believed.first().map_or(0, Vec::len);
        if count <= least {
            return believed;
        }
        let of = |speaker: usize| {
            let own = windows.iter().zip(&likeliest).filter(move |(_, its)| **its == speaker);
            V::weighted(own.map(|(window, _)| (&window.voice, 1.0)))
        };
        let middles: Vec<Option<V>> = (0..count).map(of).collect();
        let pairs = (0..count).flat_map(|one| (0..one).map(move |other| (other, one)));
        let likeness = |(one, other): (usize, usize)| {
            Some((middles[one].as_ref()?.cosine(middles[other].as_ref()?), one, other))
        };
        let best = pairs.filter_map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, one, other)) = best.filter(|(cosine, ..)| *cosine > same) else { return believed };
        for row in &mut believed {
            row[one] += row[other];
            row.remove(other);
        }
    }
}

/// Leaves out the speakers who are the likeliest in no window.
fn with_windows(believed: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut kept: Vec<usize> = believed.iter().map(|row| likeliest(row)).collect();
    kept.sort_unstable();
    kept.dedup();
    let narrowed = |row: &Vec<f64>| {
        let sum: f64 = kept.iter().map(|speaker| row[*speaker]).sum();
        kept.iter().map(|speaker| row[*speaker] / sum.max(1e-300)).collect()
    };
    believed.iter().map(narrowed).collect()
}

fn likeliest(row: &[f64]) -> usize {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(index, _)| index)
}

/// Begins with both ways of grouping and takes what explains the recording better.
fn best<V: Alike>(windows: &[Voiced<V>], points: &Points, count: usize, keep: Keep) -> Belief {
    let from = |linkage| believe(points, &guess(windows, linkage, count), keep);
    let (ward, average) = (from(Linkage::Ward), from(Linkage::Average));
    if average.evidence > ward.evidence { average } else { ward }
}

/// Guesses the group of every window.
fn guess<V: Alike>(windows: &[Voiced<V>], linkage: Linkage, count: usize) -> Vec<usize> {
    let every = windows.len().div_ceil(GROUPED_MAX).max(1);
    let grouped: Vec<&V> = windows.iter().step_by(every).map(|window| &window.voice).collect();
    let groups = groups(&grouped, linkage, count);
    if every == 1 {
        return groups;
    }
    let count = groups.iter().max().map_or(1, |last| last + 1);
    let of = |group: usize| grouped.iter().zip(&groups).filter(move |(_, its)| **its == group);
    let middles: Vec<Option<V>> =
        (0..count).map(|group| V::weighted(of(group).map(|(voice, _)| (*voice, 1.0)))).collect();
    let likeness =
        |voice: &V, group: usize| middles[group].as_ref().map_or(-1.0, |middle| voice.cosine(middle));
    let nearest = |window: &Voiced<V>| {
        let by = |a: &usize, b: &usize| likeness(&window.voice, *a).total_cmp(&likeness(&window.voice, *b));
        (0..count).max_by(by).unwrap_or(0)
    };
    windows.iter().map(nearest).collect()
}

/// Returns the speakers of turns that were found in another way, with the voices heard in them.
pub fn voices_of(voices: &Voices, turns: Vec<Turn>) -> Diarization {
    Diarization { speakers: speakers(&voices.windows, &turns), turns }
}

/// Returns the middle of each speaker's voice: of the windows that lie in their turns alone.
fn speakers(windows: &[Voiced], turns: &[Turn]) -> Vec<Speaker> {
    let count = turns.iter().map(|turn| turn.speaker.0).max().unwrap_or(0);
    let of = |id: SpeakerId| {
        let own = turns.iter().filter(move |turn| turn.speaker == id);
        let speech_ms = own.clone().map(|turn| turn.span.len_ms()).sum();
        let weighted = own.flat_map(|turn| {
            let behind = windows.partition_point(|window| window.span.start() < turn.span.end());
            let share = if turn.overlap { OVERLAP_WEIGHT } else { 1.0 };
            let shared = move |window: &Voiced| share * window.span.overlap_ms(turn.span) as f32;
            // No window is longer than two seconds, so earlier ones do not reach the turn.
            let near = windows[..behind].iter().rev();
            let near = near.take_while(move |w| w.span.start().plus_ms(2_000) > turn.span.start());
            near.map(move |window| (&window.voice, shared(window)))
        });
        let voice = Embedding::weighted(weighted)?;
        Some(Speaker { id, voice, speech_ms })
    };
    (1..=count).filter_map(|number| of(SpeakerId(number))).collect()
}
