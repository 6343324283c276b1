//! Sound of one person becomes what is remembered of their voice, if it is good enough for that.
//!
//! A bad sample would name the wrong person for a year, so it is refused with what to do better.

use super::voice::{Embedding, Voice};
use super::voiceprint::{Origin, Piece};
use crate::audio::decode::DecodeError;
use crate::audio::reader::MonoReader;
use crate::audio::vad::{Silero, VadSettings, speech_spans};
use crate::audio::{MediaSpan, SAMPLE_RATE_HZ};

/// Speech that a sample must have, milliseconds: of 20 s read aloud, pauses take a third at most.
pub const SPEECH_MS_MIN: u64 = 12_000;
/// Longest sample that is listened to, milliseconds.
pub const SAMPLE_MS_MAX: u64 = 120_000;
/// Most sound of one person taken from a meeting, milliseconds.
pub const EXCERPT_MS_MAX: u64 = 60_000;
/// Quietest sample that is believed, decibels below full scale: below it noise weighs as much as the voice.
const LEVEL_DBFS_MIN: f32 = -50.0;
/// A sample at or above this is cut off by the microphone.
const CLIPPED_FROM: f32 = 0.99;
/// Largest share of such samples: above it the distortion is heard.
const CLIPPED_SHARE_MAX: f32 = 0.01;
/// Windows put together before voices are compared: eight of 0.4 s.
const CHUNK_WINDOWS: usize = 8;
/// Two halves of a sample less alike than this are two people.
///
/// Source: `benches/naming.rs`, between the halves of one person and those of two.
const ONE_VOICE_MIN: f32 = 0.83;
/// Smallest share of a sample that counts as a second person: less is a word from aside.
const SECOND_VOICE_SHARE_MIN: f32 = 0.2;
/// A window of a meeting less like the speaker's own middle than this is somebody else, or noise.
const OWN_WINDOW_MIN: f32 = 0.75;

/// Why sound is no sample of somebody's voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleFault {
    /// Too little is spoken: record more.
    TooShort {
        /// How much is spoken, milliseconds.
        speech_ms: u64,
    },
    /// The speech is too quiet: come closer to the microphone.
    TooQuiet {
        /// How loud it is, decibels below full scale.
        level_dbfs: f32,
    },
    /// The speech is cut off at the loudest places: speak farther from the microphone.
    Clipped {
        /// The share of samples that are cut off.
        share: f32,
    },
    /// More than one person speaks: record one.
    SeveralSpeakers {
        /// How alike the two are.
        likeness: f32,
    },
}

/// Hears a sample that one person gave.
///
/// Units: 16 kHz mono, full scale ±1; what is longer than [`SAMPLE_MS_MAX`] is not listened to.
/// Errors: [`SampleFault`], the first one that a person should mend.
pub fn sample(samples: &[f32], detector: &Silero, network: &Voice) -> Result<Piece, SampleFault> {
    let samples = &samples[..samples.len().min(samples_in(SAMPLE_MS_MAX))];
    // Level first: in sound that is too quiet or distorted no speech may be found at all, and more of it would not help.
    let level_dbfs = level_dbfs(samples);
    if level_dbfs < LEVEL_DBFS_MIN {
        return Err(SampleFault::TooQuiet { level_dbfs });
    }
    let clipped = samples.iter().filter(|sample| sample.abs() >= CLIPPED_FROM).count();
    let share = clipped as f32 / samples.len().max(1) as f32;
    if share > CLIPPED_SHARE_MAX {
        return Err(SampleFault::Clipped { share });
    }
    let spans = speech_spans(samples, detector, &VadSettings { pad_ms: 0, ..VadSettings::default() });
    let speech: Vec<f32> = spans.iter().flat_map(|span| within(samples, *span)).copied().collect();
    let speech_ms = speech.len() as u64 * 1000 / u64::from(SAMPLE_RATE_HZ);
    if speech_ms < SPEECH_MS_MIN {
        return Err(SampleFault::TooShort { speech_ms });
    }
    let windows: Vec<Embedding> = network.embed(&speech).into_iter().map(|(_, voice)| voice).collect();
    if let Some(likeness) = second_voice(&windows).filter(|likeness| *likeness < ONE_VOICE_MIN) {
        return Err(SampleFault::SeveralSpeakers { likeness });
    }
    let voice = Embedding::middle(&windows).ok_or(SampleFault::TooQuiet { level_dbfs })?;
    Ok(Piece { origin: Origin::Sample, speech_ms, voice })
}

/// Hears what a speaker said in a meeting, as people assigned it; `None` if too little of it is one voice.
///
/// Shape: each stretch is what was said in one go. Stretches in which the voice is not the speaker's are left out.
pub fn excerpt(stretches: &[Vec<f32>], network: &Voice) -> Option<Piece> {
    let heard = stretches.iter().flat_map(|stretch| {
        let voices = network.embed(stretch).into_iter();
        voices.map(|(span, voice)| (span.len_ms(), voice))
    });
    let heard: Vec<(u64, Embedding)> = heard.collect();
    let middle = Embedding::middle(heard.iter().map(|(_, voice)| voice))?;
    let own: Vec<&Embedding> = heard
        .iter()
        .map(|(_, voice)| voice)
        .filter(|voice| voice.cosine(&middle) >= OWN_WINDOW_MIN)
        .collect();
    let whole_ms: u64 = stretches.iter().map(|stretch| stretch.len() as u64 / 16).sum();
    let speech_ms = whole_ms * own.len() as u64 / heard.len().max(1) as u64;
    let voice = Embedding::middle(own.iter().copied())?;
    (speech_ms >= SPEECH_MS_MIN).then_some(Piece { origin: Origin::Meeting, speech_ms, voice })
}

/// Hears several speakers of a recording in one pass, each in their clean stretches, as [`excerpt`] does.
///
/// Errors: the recording cannot be read.
pub fn speakers(
    reader: &mut MonoReader,
    wanted: &[Vec<MediaSpan>],
    network: &Voice,
) -> Result<Vec<Option<Piece>>, DecodeError> {
    let stretches = stretches(reader, wanted)?;
    Ok(stretches.iter().map(|stretches| excerpt(stretches, network)).collect())
}

/// Reads stretches of a recording, for several people at once, in one pass.
///
/// Shape: for each list of spans its samples, a stretch for each span; what lies behind the end is missing.
/// Errors: the recording cannot be read.
pub fn stretches(
    reader: &mut MonoReader,
    wanted: &[Vec<MediaSpan>],
) -> Result<Vec<Vec<Vec<f32>>>, DecodeError> {
    let mut out: Vec<Vec<Vec<f32>>> = wanted.iter().map(|spans| vec![Vec::new(); spans.len()]).collect();
    let last = wanted.iter().flatten().map(|span| span.end().sample()).max().unwrap_or(0);
    let (mut block, mut from) = (Vec::new(), 0_u64);
    while from < last {
        block.clear();
        let more = reader.read(&mut block)?;
        let until = from + block.len() as u64;
        for (spans, kept) in wanted.iter().zip(&mut out) {
            for (span, kept) in spans.iter().zip(kept) {
                let range = span.samples();
                let (start, end) = (range.start.clamp(from, until), range.end.clamp(from, until));
                kept.extend_from_slice(&block[(start - from) as usize..(end - from) as usize]);
            }
        }
        from = until;
        if !more {
            break;
        }
    }
    Ok(out)
}

/// Returns how alike the two most different parts of a sample are, if each is large enough to be a person's.
pub fn second_voice(windows: &[Embedding]) -> Option<f32> {
    let chunks: Vec<Embedding> = windows.chunks(CHUNK_WINDOWS).filter_map(Embedding::middle).collect();
    let pairs = (0..chunks.len()).flat_map(|a| (a + 1..chunks.len()).map(move |b| (a, b)));
    let (a, b) = pairs.min_by(|x, y| {
        let likeness = |pair: &(usize, usize)| chunks[pair.0].cosine(&chunks[pair.1]);
        likeness(x).total_cmp(&likeness(y))
    })?;
    let (mut one, mut other) = (chunks[a].clone(), chunks[b].clone());
    let mut sides: (Vec<&Embedding>, Vec<&Embedding>) = (Vec::new(), Vec::new());
    // Two middles settle within a few rounds; the chunks are some dozens.
    for _ in 0..8 {
        sides = chunks.iter().partition(|chunk| chunk.cosine(&one) >= chunk.cosine(&other));
        one = Embedding::middle(sides.0.iter().copied())?;
        other = Embedding::middle(sides.1.iter().copied())?;
    }
    let smaller = sides.0.len().min(sides.1.len()) as f32 / chunks.len() as f32;
    (smaller >= SECOND_VOICE_SHARE_MIN).then(|| one.cosine(&other))
}

fn samples_in(ms: u64) -> usize {
    usize::try_from(ms * 16).unwrap_or(usize::MAX)
}

fn within(samples: &[f32], span: MediaSpan) -> &[f32] {
    let range = span.samples();
    let index = |sample: u64| usize::try_from(sample).unwrap_or(usize::MAX).min(samples.len());
    &samples[index(range.start)..index(range.end)]
}

fn level_dbfs(samples: &[f32]) -> f32 {
    let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    (10.0 * (power / samples.len().max(1) as f64).max(1e-12).log10()) as f32
}
