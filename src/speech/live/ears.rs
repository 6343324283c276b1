//! Sound as it comes: numbered, judged by the speech detector, kept as long as an utterance may need it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::audio::MediaSpan;
use crate::audio::vad::{FRAME_SAMPLES, Silero, Stream};

/// Silence that stands for a hole before the recording jumps: longer than any pause inside an utterance.
const HOLE_FRAMES: u64 = 31;

/// One judgement of the speech detector, on 32 ms of sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// First sample, counted over what was really heard.
    pub start: u64,
    /// First sample behind.
    pub end: u64,
    /// How likely somebody speaks.
    pub probability: f32,
    /// Where it lies in the recording.
    pub place: Place,
}

/// Where a run of sound lies in the recording: holes make both counts differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// First sample of the run, counted over what was heard.
    pub floor: u64,
    /// What to add for the sample's number in the recording.
    pub shift: u64,
}

impl Place {
    /// Returns a stretch of what was heard as a stretch of the recording.
    pub fn span(self, heard: &Range<u64>) -> MediaSpan {
        MediaSpan::from_samples(heard.start + self.shift..heard.end + self.shift)
    }
}

/// Hears one microphone.
#[derive(Debug)]
pub struct Ears {
    net: Arc<Silero>,
    stream: Stream,
    place: Place,
    sound: VecDeque<f32>,
    /// Number of the first sample kept.
    first: u64,
    /// Behind the last sample heard.
    heard: u64,
    /// Behind the last frame judged.
    judged: u64,
    frames: VecDeque<Frame>,
}

impl Ears {
    /// Begins at a sample of the recording.
    pub fn new(net: Arc<Silero>, at: u64) -> Self {
        Self {
            net,
            stream: Stream::new(),
            place: Place { floor: 0, shift: at },
            sound: VecDeque::new(),
            first: 0,
            heard: 0,
            judged: 0,
            frames: VecDeque::new(),
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.sound.extend(samples);
        self.heard += samples.len() as u64;
        let mut probabilities = Vec::new();
        self.stream.push(&self.net, samples, &mut probabilities);
        self.judge(&probabilities);
    }

    /// Learns that the next samples do not exist: a second of silence, then the recording jumps.
    pub fn hole(&mut self, samples: u64) {
        let open = (self.heard - self.judged) % FRAME_SAMPLES as u64;
        let quiet = HOLE_FRAMES * FRAME_SAMPLES as u64 - open;
        self.push(&vec![0.0; samples.min(quiet) as usize]);
        if samples > quiet {
            self.place = Place { floor: self.heard, shift: self.place.shift + samples - quiet };
        }
    }

    /// Ends the recording: a last short frame is judged too.
    pub fn finish(&mut self) {
        let mut probabilities = Vec::new();
        self.stream.finish(&self.net, &mut probabilities);
        self.judge(&probabilities);
    }

    /// Returns the next judgement.
    pub fn next(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// Returns the sample behind the last judgement taken.
    pub fn looked_at(&self) -> u64 {
        self.frames.front().map_or(self.judged, |frame| frame.start)
    }

    /// Returns how many samples were heard whose judgement nobody has taken.
    pub fn waiting(&self) -> u64 {
        self.heard - self.looked_at()
    }

    /// Returns the number in the recording of the sample behind the last one heard.
    pub fn end(&self) -> u64 {
        self.heard + self.place.shift
    }

    /// Returns a stretch of sound.
    ///
    /// Range: what was forgotten or not yet heard is left out.
    pub fn sound(&self, heard: &Range<u64>) -> Vec<f32> {
        let index = |sample: u64| sample.clamp(self.first, self.heard) - self.first;
        self.sound.range(index(heard.start) as usize..index(heard.end) as usize).copied().collect()
    }

    /// Forgets all sound before a sample.
    pub fn forget(&mut self, before: u64) {
        let count = before.clamp(self.first, self.heard) - self.first;
        self.sound.drain(..count as usize);
        self.first += count;
    }

    fn judge(&mut self, probabilities: &[f32]) {
        for probability in probabilities {
            let start = self.judged;
            let end = (start + FRAME_SAMPLES as u64).min(self.heard);
            self.frames.push_back(Frame { start, end, probability: *probability, place: self.place });
            self.judged = end;
        }
    }
}
