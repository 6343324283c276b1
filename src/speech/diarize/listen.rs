//! Sound with its probabilities of speech becomes windows of voices, while it streams by.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Voiced;
use crate::audio::vad::{SpeechFinder, VadEvent, VadSettings};
use crate::audio::{MediaSpan, MediaTime};
use crate::speech::voice::{Voice, WINDOW_MS};

/// Where somebody speaks, for turns: shorter and tighter than for recognition, since nothing is lost by a missed word.
///
/// Source: own bench; see benches/README.md.
const SPEECH: VadSettings = VadSettings {
    probability_on: 0.5,
    probability_off: 0.35,
    speech_ms_min: 100,
    silence_ms_min: 160,
    pad_ms: 60,
};

/// Pauses up to this length are heard together with the speech around them: a breath is no change of speaker.
const PAUSE_MS_MAX: u64 = 400;

/// Longest stretch heard in one go.
const STRETCH_MS_MAX: u64 = 20_000;

/// Most windows kept: 24 hours of uninterrupted speech; what follows has no speaker.
const WINDOWS_MAX: usize = 216_000;

/// What was heard of the voices of a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Voices {
    /// Where somebody speaks, in order.
    pub spans: Vec<MediaSpan>,
    /// Windows in the order of their starts.
    pub windows: Vec<Voiced>,
}

/// Hears the voices of one recording.
///
/// State: the sound of one stretch and a window before it, and what the detector is undecided about.
#[derive(Debug)]
pub struct Listener {
    voice: Arc<Voice>,
    finder: SpeechFinder,
    samples: VecDeque<f32>,
    /// Index of the first sample kept.
    first: u64,
    open_since: Option<MediaTime>,
    /// Spans that are not heard yet: one stretch.
    waiting: Vec<MediaSpan>,
    stretches: u32,
    voices: Voices,
}

impl Listener {
    /// Starts at the beginning of a recording.
    pub fn new(voice: Arc<Voice>) -> Self {
        Self {
            voice,
            finder: SpeechFinder::new(SPEECH),
            samples: VecDeque::new(),
            first: 0,
            open_since: None,
            waiting: Vec::new(),
            stretches: 0,
            voices: Voices::default(),
        }
    }

    /// Takes the next samples, and the probabilities of speech of the frames that became known with them.
    pub fn push(&mut self, samples: &[f32], probabilities: &[f32]) {
        self.samples.extend(samples);
        let mut events = Vec::new();
        for probability in probabilities {
            self.finder.push(*probability, &mut events);
        }
        self.take(&events, self.finder.certain_until());
    }

    /// Ends the recording; `probabilities` are those of its last frames.
    pub fn finish(mut self, probabilities: &[f32]) -> Voices {
        self.push(&[], probabilities);
        let (end, mut events) = (self.end(), Vec::new());
        self.finder.clone().finish(end, &mut events);
        self.take(&events, end);
        self.hear();
        self.voices
    }

    fn end(&self) -> MediaTime {
        MediaTime::from_sample(self.first + self.samples.len() as u64)
    }

    fn take(&mut self, events: &[VadEvent], certain_until: MediaTime) {
        for event in events {
            match event {
                VadEvent::SpeechStart(start) => self.open_since = Some(*start),
                VadEvent::SpeechEnd(end) => {
                    if let Some(start) = self.open_since.take() {
                        self.add(MediaSpan::new(start, *end));
                    }
                }
            }
        }
        if let Some(start) = self.open_since
            && certain_until.ms().saturating_sub(start.ms()) >= STRETCH_MS_MAX
        {
            self.add(MediaSpan::new(start, certain_until));
            self.open_since = Some(certain_until);
        }
        let next = self.open_since.unwrap_or(certain_until);
        let quiet_since = self.waiting.last().map(|span| span.end());
        if quiet_since.is_some_and(|end| next.ms().saturating_sub(end.ms()) > PAUSE_MS_MAX) {
            self.hear();
        }
        self.forget(next);
    }

    fn add(&mut self, span: MediaSpan) {
        if let (Some(first), Some(last)) = (self.waiting.first(), self.waiting.last()) {
            let is_far = span.start().ms().saturating_sub(last.end().ms()) > PAUSE_MS_MAX;
            let is_long = span.end().ms().saturating_sub(first.start().ms()) > STRETCH_MS_MAX;
            if is_far || is_long {
                self.hear();
            }
        }
        self.waiting.push(span);
    }

    /// Hears the stretch that waits.
    fn hear(&mut self) {
        let spans = std::mem::take(&mut self.waiting);
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        let heard = self.reaching(MediaSpan::new(first.start(), last.end()));
        let room = WINDOWS_MAX.saturating_sub(self.voices.windows.len());
        let (from_ms, stretch) = (heard.start().ms(), self.stretches);
        let windows = self.voice.embed(&self.sound(heard)).into_iter().take(room);
        self.voices.windows.extend(windows.map(|(span, voice)| {
            let span = MediaSpan::from_ms(from_ms + span.start().ms(), from_ms + span.end().ms());
            Voiced { span, voice, stretch }
        }));
        self.stretches += 1;
        self.voices.spans.extend(spans);
    }

    /// Lets a stretch shorter than a window reach into what lies around it, as far as that is kept.
    fn reaching(&self, stretch: MediaSpan) -> MediaSpan {
        let lacks_ms = WINDOW_MS.saturating_sub(stretch.len_ms());
        let end = stretch.end().plus_ms(lacks_ms.div_ceil(2)).min(self.end()).max(stretch.end());
        let start = end.minus_ms(WINDOW_MS).min(stretch.start()).max(MediaTime::from_sample(self.first));
        MediaSpan::new(start.min(stretch.start()), end)
    }

    /// Returns the sound of a stretch, as far as it is kept.
    fn sound(&self, stretch: MediaSpan) -> Vec<f32> {
        let kept = stretch.samples();
        let place = |sample: u64| {
            let place = usize::try_from(sample.saturating_sub(self.first)).unwrap_or(usize::MAX);
            place.min(self.samples.len())
        };
        let (from, to) = (place(kept.start), place(kept.end));
        self.samples.range(from..to.max(from)).copied().collect()
    }

    /// Drops the sound that no stretch will reach.
    fn forget(&mut self, next: MediaTime) {
        let from = self.waiting.first().map_or(next, |span| span.start().min(next)).minus_ms(WINDOW_MS);
        let count = from.sample().saturating_sub(self.first).min(self.samples.len() as u64);
        self.samples.drain(..count as usize);
        self.first += count;
    }
}
