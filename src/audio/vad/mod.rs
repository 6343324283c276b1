//! Sound becomes spans in which somebody speaks.
//!
//! - **In**: 16 kHz mono samples in pieces of any size, and the bytes of the detector's weights.
//! - **Out**: a probability of speech every 32 ms, and the edges of spans as soon as they are certain.
//! - **Never**: opens a file, keeps anything proportional to the recording, or gives another result because the
//!   same sound came in other pieces.
//!
//! ```text
//! samples ─Stream (Silero v6)─► probability per frame ─SpeechFinder─► SpeechStart, SpeechEnd
//!                                       └─────────────► the quietest place inside an endless span
//! ```
//!
//! A consumer with bounded memory keeps the samples from [`Vad::certain_until`] or its own last cut on, whichever is
//! earlier. Silence before that time can be dropped; inside a span that has started and not ended, it may cut
//! anywhere up to that time, best where the probabilities are lowest.

mod conv;
mod finder;
mod gemm;
mod lstm;
mod silero;
mod spectrum;
#[cfg(test)]
pub(crate) mod testing;
mod weights;

use std::sync::Arc;

pub use finder::{FRAME_MS, SETTING_MS_MAX, SpeechFinder, VadEvent, VadSettings, spans};
pub use lstm::{sigmoid, tanh};
pub use silero::{FRAME_SAMPLES, Silero, Stream};

use super::time::{MediaSpan, MediaTime};

/// Why no detector can be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VadError {
    /// The weights are not those of Silero v6 for 16 kHz, or are damaged: fetch the file again.
    #[error("the weights of the speech detector are unusable: {0}")]
    Weights(String),
}

/// Listens to one recording or one microphone.
#[derive(Debug, Clone)]
pub struct Vad {
    net: Arc<Silero>,
    stream: Stream,
    finder: SpeechFinder,
    samples_heard: u64,
}

/// What one piece of sound made known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// Edges of spans that became certain, in order of time.
    pub events: Vec<VadEvent>,
    /// Probability of speech of each new frame; frame `i` of the recording begins at `i` × [`FRAME_MS`].
    pub probabilities: Vec<f32>,
}

impl Vad {
    /// Starts at the beginning of a recording; the network may be shared with other listeners.
    pub fn new(net: Arc<Silero>, settings: VadSettings) -> Self {
        Self { net, stream: Stream::new(), finder: SpeechFinder::new(settings), samples_heard: 0 }
    }

    /// Takes the next samples, in pieces of any size.
    ///
    /// Units: 16 kHz mono, full scale ±1.
    pub fn push(&mut self, samples: &[f32]) -> Heard {
        let mut heard = Heard::default();
        self.samples_heard += samples.len() as u64;
        self.stream.push(&self.net, samples, &mut heard.probabilities);
        self.find(&mut heard);
        heard
    }

    /// Ends the recording: a last short frame is judged too, and an open span ends with the sound.
    pub fn finish(mut self) -> Heard {
        let mut heard = Heard::default();
        self.stream.finish(&self.net, &mut heard.probabilities);
        self.find(&mut heard);
        self.finder.finish(MediaTime::from_sample(self.samples_heard), &mut heard.events);
        heard
    }

    /// Returns the time before which everything is decided, see [`SpeechFinder::certain_until`].
    pub fn certain_until(&self) -> MediaTime {
        self.finder.certain_until()
    }

    /// Returns for how long nobody has spoken, see [`SpeechFinder::pause_ms`].
    pub fn pause_ms(&self) -> u64 {
        self.finder.pause_ms()
    }

    fn find(&mut self, heard: &mut Heard) {
        for probability in &heard.probabilities {
            self.finder.push(*probability, &mut heard.events);
        }
    }
}

/// Finds the stretches of a whole recording in which somebody speaks.
///
/// Shape: spans are sorted, disjoint and inside the recording; two that touch are separated by a pause.
/// Units: 16 kHz mono samples, full scale ±1.
pub fn speech_spans(samples: &[f32], net: &Silero, settings: &VadSettings) -> Vec<MediaSpan> {
    let (mut stream, mut probabilities) = (Stream::new(), Vec::new());
    stream.push(net, samples, &mut probabilities);
    stream.finish(net, &mut probabilities);

    let (mut finder, mut events) = (SpeechFinder::new(*settings), Vec::new());
    for probability in probabilities {
        finder.push(probability, &mut events);
    }
    finder.finish(MediaTime::from_sample(samples.len() as u64), &mut events);
    spans(&events)
}

#[cfg(test)]
mod tests {
    use super::testing::{Random, random_net};
    use super::*;

    /// Returns settings under which half of the frames count as speech, whatever random weights say.
    fn with_many_spans(samples: &[f32], net: &Silero) -> VadSettings {
        let mut probabilities = Vec::new();
        Stream::new().push(net, samples, &mut probabilities);
        probabilities.sort_by(f32::total_cmp);
        let median = probabilities[probabilities.len() / 2];
        VadSettings {
            probability_on: median,
            probability_off: median,
            speech_ms_min: 64,
            silence_ms_min: 32,
            pad_ms: 20,
        }
    }

    #[test]
    fn a_listener_finds_the_same_spans_in_pieces_as_in_the_whole() {
        let net = Arc::new(random_net());
        let samples = Random(8).numbers(200_123);
        let settings = with_many_spans(&samples, &net);
        let whole = speech_spans(&samples, &net, &settings);
        assert!(whole.len() > 3, "{} spans are too few to compare", whole.len());

        let mut vad = Vad::new(net, settings);
        let mut events = Vec::new();
        for piece in samples.chunks(777) {
            events.extend(vad.push(piece).events);
        }
        events.extend(vad.finish().events);
        assert_eq!(spans(&events), whole);
    }

    #[test]
    fn every_frame_has_its_probability_and_the_last_may_be_short() {
        let mut vad = Vad::new(Arc::new(random_net()), VadSettings::default());
        assert_eq!(vad.push(&[0.0; 3 * FRAME_SAMPLES + 1]).probabilities.len(), 3);
        assert_eq!(vad.finish().probabilities.len(), 1);
    }
}
