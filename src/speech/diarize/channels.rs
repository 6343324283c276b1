//! One microphone a person: who speaks is the channel that speaks; what a microphone hears of its neighbours does not count.

use std::sync::Arc;

use super::{SpeakerId, Turn};
use crate::audio::resample::Resampler;
use crate::audio::vad::{FRAME_MS, FRAME_SAMPLES, Silero, SpeechFinder, Stream, VadEvent, VadSettings};
use crate::audio::{Block, MediaSpan, MediaTime};

/// Most channels that are taken for people's microphones.
pub const CHANNELS_MAX: usize = 32;

/// A microphone that hears its neighbour hears them by so much more quietly than their own one does, decibels.
///
/// Source: two people a metre apart, each 30 cm from their microphone: 20·log₁₀(100/30) = 10; half of it is a safe line.
const CROSSTALK_DB: f32 = 6.0;

/// Loudness is compared over so many frames around, so that a loud syllable does not hide a quiet one beside it.
const SMOOTHED_FRAMES: usize = 4;

/// Pauses of a speaker up to this length belong to the turn.
const BRIDGE_MS: u64 = 1_000;

/// A shorter turn is a noise at a microphone.
const TURN_MS_MIN: u64 = 200;

/// What one microphone heard.
///
/// Shape: a frame is [`FRAME_MS`] long; both lists have one value a frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Microphone {
    /// How likely somebody speaks.
    pub probabilities: Vec<f32>,
    /// How loud it is, as mean power.
    pub powers: Vec<f32>,
}

/// Hears the channels of one recording, each for itself.
pub struct Channels {
    detector: Arc<Silero>,
    lanes: Vec<Lane>,
}

/// One channel on its way.
struct Lane {
    resampler: Resampler,
    stream: Stream,
    pending: Vec<f32>,
    heard: Microphone,
}

impl Channels {
    /// Starts at the beginning of a recording.
    pub fn new(detector: Arc<Silero>) -> Self {
        Self { detector, lanes: Vec::new() }
    }

    /// Takes what was decoded; channels behind the first [`CHANNELS_MAX`] are nobody's.
    pub fn push(&mut self, block: &Block) {
        let channels = usize::from(block.channels);
        while self.lanes.len() < channels.min(CHANNELS_MAX) {
            let Some(lane) = Lane::new(block.rate_hz) else { return };
            self.lanes.push(lane);
        }
        for (channel, lane) in self.lanes.iter_mut().enumerate().take(channels) {
            let samples: Vec<f32> = block.samples.iter().skip(channel).step_by(channels).copied().collect();
            lane.push(&samples, block.rate_hz, &self.detector);
        }
    }

    /// Ends the recording and tells who spoke when: speaker *n* is the *n*th channel on which somebody speaks.
    pub fn finish(mut self) -> Vec<Turn> {
        self.lanes.iter_mut().for_each(|lane| lane.finish(&self.detector));
        let heard: Vec<Microphone> = self.lanes.into_iter().map(|lane| lane.heard).collect();
        turns(&heard)
    }
}

impl Lane {
    fn new(rate_hz: u32) -> Option<Self> {
        let resampler = Resampler::new(rate_hz).ok()?;
        Some(Self { resampler, stream: Stream::new(), pending: Vec::new(), heard: Microphone::default() })
    }

    fn push(&mut self, samples: &[f32], rate_hz: u32, detector: &Silero) {
        let mut at_16k = Vec::new();
        if rate_hz != self.resampler.rate_hz()
            && let Ok(resampler) = Resampler::new(rate_hz)
        {
            self.resampler.finish(&mut at_16k);
            self.resampler = resampler;
        }
        self.resampler.push(samples, &mut at_16k);
        self.take(&at_16k, detector);
    }

    fn take(&mut self, samples: &[f32], detector: &Silero) {
        self.stream.push(detector, samples, &mut self.heard.probabilities);
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() - self.pending.len() % FRAME_SAMPLES;
        self.heard.powers.extend(self.pending[..whole].chunks_exact(FRAME_SAMPLES).map(power));
        self.pending.drain(..whole);
    }

    fn finish(&mut self, detector: &Silero) {
        let mut rest = Vec::new();
        self.resampler.finish(&mut rest);
        self.take(&rest, detector);
        self.stream.finish(detector, &mut self.heard.probabilities);
        if !self.pending.is_empty() {
            self.heard.powers.push(power(&self.pending));
            self.pending.clear();
        }
    }
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

/// Tells who spoke when from what several microphones heard of the same time, also of several recordings of a meeting.
///
/// Shape: turns in the order of their starts, marked where two speak at once; numbered in the order of the microphones
/// on which somebody speaks.
pub fn turns(microphones: &[Microphone]) -> Vec<Turn> {
    let loud: Vec<Vec<f32>> = microphones.iter().map(|one| smoothed(&one.powers)).collect();
    let mut turns: Vec<Turn> = Vec::new();
    let mut speaker = 0;
    for (index, microphone) in microphones.iter().enumerate() {
        let spans = own_spans(index, microphone, &loud);
        if spans.is_empty() {
            continue;
        }
        speaker += 1;
        turns.extend(spans.into_iter().map(|span| Turn {
            span,
            speaker: SpeakerId(speaker),
            overlap: false,
        }));
    }
    turns.sort_by_key(|turn| (turn.span.start(), turn.speaker));
    marked(&turns)
}

/// Returns when somebody speaks into this microphone, and not only into another one.
fn own_spans(index: usize, microphone: &Microphone, loud: &[Vec<f32>]) -> Vec<MediaSpan> {
    let ratio = 10_f32.powf(-CROSSTALK_DB / 10.0);
    let loudest = |frame: usize| {
        let others = loud.iter().map(|powers| powers.get(frame).copied().unwrap_or(0.0));
        others.fold(0.0, f32::max)
    };
    let own = |(frame, probability): (usize, &f32)| {
        let mine = loud[index].get(frame).copied().unwrap_or(0.0);
        if mine >= ratio * loudest(frame) { *probability } else { 0.0 }
    };
    let settings = VadSettings { pad_ms: 60, speech_ms_min: TURN_MS_MIN, ..VadSettings::default() };
    let (mut finder, mut events) = (SpeechFinder::new(settings), Vec::new());
    microphone.probabilities.iter().enumerate().map(own).for_each(|one| finder.push(one, &mut events));
    let end = MediaTime::from_ms(microphone.probabilities.len() as u64 * FRAME_MS);
    finder.finish(end, &mut events);
    bridged(&events)
}

fn bridged(events: &[VadEvent]) -> Vec<MediaSpan> {
    let mut spans: Vec<MediaSpan> = Vec::new();
    for span in crate::audio::vad::spans(events) {
        match spans.last_mut() {
            Some(last) if span.start().ms().saturating_sub(last.end().ms()) <= BRIDGE_MS => {
                *last = MediaSpan::new(last.start(), span.end());
            }
            Some(_) | None => spans.push(span),
        }
    }
    spans
}

/// Returns the mean power around each frame.
fn smoothed(powers: &[f32]) -> Vec<f32> {
    let around = |frame: usize| {
        let near =
            &powers[frame.saturating_sub(SMOOTHED_FRAMES)..powers.len().min(frame + SMOOTHED_FRAMES + 1)];
        near.iter().sum::<f32>() / near.len() as f32
    };
    (0..powers.len()).map(around).collect()
}

/// Cuts turns where another one begins or ends inside them, and marks what overlaps.
pub(super) fn marked(turns: &[Turn]) -> Vec<Turn> {
    let mut marked: Vec<Turn> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        // Turns of one speaker never touch, so whoever overlaps is somebody else; only neighbours can.
        let before = turns[..index].iter().rev().take(CHANNELS_MAX * 4);
        let behind = turns[index + 1..].iter().take_while(|other| other.span.start() < turn.span.end());
        let others: Vec<MediaSpan> = before
            .chain(behind)
            .map(|other| other.span)
            .filter(|span| span.overlap_ms(turn.span) > 0)
            .collect();
        let mut edges: Vec<MediaTime> = vec![turn.span.start(), turn.span.end()];
        edges.extend(others.iter().flat_map(|span| [span.start(), span.end()]));
        edges.retain(|edge| (turn.span.start()..=turn.span.end()).contains(edge));
        edges.sort_unstable();
        edges.dedup();
        for pair in edges.windows(2) {
            let span = MediaSpan::new(pair[0], pair[1]);
            let overlap = others.iter().any(|other| other.overlap_ms(span) > 0);
            match marked.last_mut() {
                Some(last)
                    if last.speaker == turn.speaker
                        && last.overlap == overlap
                        && last.span.end() == span.start() =>
                {
                    last.span = MediaSpan::new(last.span.start(), span.end());
                }
                Some(_) | None => marked.push(Turn { span, overlap, ..*turn }),
            }
        }
    }
    marked.sort_by_key(|turn| (turn.span.start(), turn.speaker));
    marked
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    /// Returns what a microphone hears that is spoken into in some frames, and hears a neighbour in others.
    fn microphone(frames: usize, own: Range<usize>, neighbours: Range<usize>) -> Microphone {
        let loud = |frame| {
            if own.contains(&frame) {
                1e-2
            } else if neighbours.contains(&frame) {
                1e-3
            } else {
                1e-7
            }
        };
        let powers: Vec<f32> = (0..frames).map(loud).collect();
        Microphone { probabilities: powers.iter().map(|power| f32::from(*power > 1e-5)).collect(), powers }
    }

    #[test]
    fn the_neighbour_who_is_heard_through_a_microphone_is_not_its_speaker() {
        let heard = [microphone(400, 50..100, 200..300), microphone(400, 200..300, 50..100)];
        let turns = turns(&heard);
        assert_eq!(turns.iter().map(|turn| turn.speaker.0).collect::<Vec<_>>(), [1, 2]);
        assert!(turns.iter().all(|turn| !turn.overlap));
        assert!(turns[0].span.start().ms().abs_diff(50 * FRAME_MS) <= 200, "{turns:?}");
        assert!(turns[1].span.end().ms().abs_diff(300 * FRAME_MS) <= 200, "{turns:?}");
    }

    #[test]
    fn two_who_speak_at_once_are_both_there_and_marked() {
        let heard = [microphone(400, 50..200, 0..0), microphone(400, 120..300, 0..0)];
        let marks: Vec<(u16, bool)> =
            turns(&heard).iter().map(|turn| (turn.speaker.0, turn.overlap)).collect();
        assert_eq!(marks, [(1, false), (1, true), (2, true), (2, false)]);
    }

    #[test]
    fn a_microphone_nobody_speaks_into_has_no_number() {
        let heard = [microphone(200, 0..0, 50..150), microphone(200, 50..150, 0..0)];
        assert_eq!(turns(&heard).iter().map(|turn| turn.speaker.0).collect::<Vec<_>>(), [1]);
        assert!(turns(&[]).is_empty());
    }
}
