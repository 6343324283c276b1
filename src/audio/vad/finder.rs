//! From probabilities to spans of speech: a state machine that never looks at sound.

use super::silero::FRAME_SAMPLES;
use crate::audio::time::{MediaSpan, MediaTime, SAMPLE_RATE_HZ};

/// Length of the frame that one probability stands for.
pub const FRAME_MS: u64 = FRAME_SAMPLES as u64 * 1000 / SAMPLE_RATE_HZ as u64;

/// Longest time a setting can ask for.
pub const SETTING_MS_MAX: u64 = 60_000;

/// When a row of probabilities counts as speech.
///
/// Range: any values are safe; times count as at most [`SETTING_MS_MAX`].
/// Source: start values; the probabilities are those silero-vad 6.2.3 uses itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VadSettings {
    /// Probability from which on a frame begins or continues speech.
    pub probability_on: f32,
    /// Probability below which a frame begins a pause; between the two, what was goes on.
    pub probability_off: f32,
    /// Shorter speech is a noise and is dropped, in milliseconds.
    pub speech_ms_min: u64,
    /// A shorter pause does not end a span, in milliseconds.
    pub silence_ms_min: u64,
    /// How far a span reaches beyond the speech on either side, in milliseconds.
    ///
    /// Two spans closer than twice this meet in the middle of their pause.
    pub pad_ms: u64,
}

impl Default for VadSettings {
    fn default() -> Self {
        Self {
            probability_on: 0.5,
            probability_off: 0.35,
            speech_ms_min: 250,
            silence_ms_min: 160,
            pad_ms: 200,
        }
    }
}

impl VadSettings {
    /// Returns the settings with every time inside its range.
    fn bounded(self) -> Self {
        Self {
            speech_ms_min: self.speech_ms_min.min(SETTING_MS_MAX),
            silence_ms_min: self.silence_ms_min.min(SETTING_MS_MAX),
            pad_ms: self.pad_ms.min(SETTING_MS_MAX),
            ..self
        }
    }

    /// Returns after which silence the end of a span no longer depends on what follows.
    ///
    /// One frame behind the padded end at least: the last frame of a recording may be cut short.
    fn settled_ms(&self) -> u64 {
        (2 * self.pad_ms).max(self.pad_ms + FRAME_MS)
    }
}

/// An edge of a span, told as soon as nothing heard later can move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VadEvent {
    /// A span begins here. It may be endless: [`SpeechFinder::certain_until`] says how far it has come.
    SpeechStart(MediaTime),
    /// The span that began last ends here.
    SpeechEnd(MediaTime),
}

impl VadEvent {
    /// Returns where the edge lies.
    pub fn time(self) -> MediaTime {
        match self {
            Self::SpeechStart(time) | Self::SpeechEnd(time) => time,
        }
    }
}

/// Finds spans of speech in a stream of probabilities, in constant memory.
///
/// ```text
///            ≥ on                    speech_ms_min reached
/// silence ─────────► maybe speech ───────────────────────────► speech  → SpeechStart
///    ▲                     │                                      │
///    └── silence_ms_min ◄──┴──────────────────────────────────────┘    → SpeechEnd, once its pad is certain
/// ```
#[derive(Debug, Clone)]
pub struct SpeechFinder {
    settings: VadSettings,
    /// End of the last frame pushed.
    now: MediaTime,
    /// Speech that goes on, or a pause too short to end it.
    run: Option<Run>,
    /// End of the last speech, as long as the end of its span still depends on what follows.
    unpadded_end: Option<MediaTime>,
    /// End of the last span announced.
    last_end: MediaTime,
    /// End of the last speech announced, without its pad.
    spoken_until: MediaTime,
}

/// Speech that has begun and not ended.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: MediaTime,
    /// Start of the pause the run is in.
    pause: Option<MediaTime>,
    /// Whether it is long enough to be speech, and was told.
    announced: bool,
}

impl SpeechFinder {
    /// Starts at the beginning of a recording.
    pub fn new(settings: VadSettings) -> Self {
        let settings = settings.bounded();
        Self {
            settings,
            now: MediaTime::ZERO,
            run: None,
            unpadded_end: None,
            last_end: MediaTime::ZERO,
            spoken_until: MediaTime::ZERO,
        }
    }

    /// Takes the probability of the next frame and appends the edges that are now certain.
    ///
    /// Shape: starts and ends alternate, and their times never decrease.
    /// Units: one frame is [`FRAME_MS`].
    pub fn push(&mut self, probability: f32, events: &mut Vec<VadEvent>) {
        let frame_start = self.now;
        self.now = self.now.plus_ms(FRAME_MS);
        self.follow(probability, frame_start);
        self.announce(events);
        if let Some(Run { announced: true, pause, .. }) = self.run {
            self.spoken_until = pause.unwrap_or(self.now);
        }
        self.close();
        self.settle(events);
    }

    /// Ends the recording at `end` and appends the edges that were still open.
    ///
    /// Range: `end` is where the sound really ends, which may be inside the last frame.
    pub fn finish(mut self, end: MediaTime, events: &mut Vec<VadEvent>) {
        let announced = self.run.filter(|run| run.announced);
        let unpadded_end = announced.map(|run| run.pause.unwrap_or(end)).or(self.unpadded_end);
        if let Some(unpadded_end) = unpadded_end {
            self.end_span(unpadded_end.plus_ms(self.settings.pad_ms).min(end), events);
        }
    }

    /// Returns the time before which everything is decided.
    ///
    /// Every instant before it is either inside a span already begun or silence, and no later event lies before it.
    /// A consumer may therefore drop silent samples and cut an endless span up to here.
    pub fn certain_until(&self) -> MediaTime {
        let next_start = self.next_start();
        match (self.run, self.unpadded_end) {
            (Some(Run { announced: true, pause: None, .. }), _) => self.now,
            (Some(Run { announced: true, pause: Some(pause), .. }), _) => self.end_before(pause, self.now),
            (_, Some(unpadded_end)) => self.end_before(unpadded_end, next_start),
            (_, None) => next_start.minus_ms(self.settings.pad_ms).max(self.last_end),
        }
    }

    /// Returns for how long nobody has spoken.
    ///
    /// Units: milliseconds up to the last frame pushed. Live captions end an utterance by it, long before the end of
    /// the span is certain.
    pub fn pause_ms(&self) -> u64 {
        self.now.ms() - self.spoken_until.ms()
    }

    /// Lets the run begin, go on or pause.
    fn follow(&mut self, probability: f32, frame_start: MediaTime) {
        let speaks = probability >= self.settings.probability_on;
        match &mut self.run {
            None if speaks => self.run = Some(Run { start: frame_start, pause: None, announced: false }),
            None => {}
            Some(run) if speaks => run.pause = None,
            Some(run) if probability < self.settings.probability_off => {
                run.pause.get_or_insert(frame_start);
            }
            Some(_) => {}
        }
    }

    /// Tells the start of a run that is long enough to be speech, and the end of the span before it.
    fn announce(&mut self, events: &mut Vec<VadEvent>) {
        let long_enough = |run: &Run| self.now.ms() - run.start.ms() >= self.settings.speech_ms_min;
        let Some(run) = self.run.filter(|run| !run.announced && run.pause.is_none() && long_enough(run))
        else {
            return;
        };
        if let Some(unpadded_end) = self.unpadded_end {
            self.end_span(self.end_before(unpadded_end, run.start), events);
        }
        let start = run.start.minus_ms(self.settings.pad_ms).max(self.last_end);
        events.push(VadEvent::SpeechStart(start));
        self.run = Some(Run { announced: true, ..run });
    }

    /// Ends a run whose pause is long enough; a run that never became speech is forgotten.
    fn close(&mut self) {
        let Some(Run { pause: Some(pause), announced, .. }) = self.run else {
            return;
        };
        if self.now.ms() - pause.ms() >= self.settings.silence_ms_min {
            self.run = None;
            if announced {
                self.unpadded_end = Some(pause);
            }
        }
    }

    /// Tells the end of the last span once no later speech can shorten its pad.
    fn settle(&mut self, events: &mut Vec<VadEvent>) {
        let Some(unpadded_end) = self.unpadded_end else {
            return;
        };
        if self.next_start() >= unpadded_end.plus_ms(self.settings.settled_ms()) {
            self.end_span(unpadded_end.plus_ms(self.settings.pad_ms), events);
        }
    }

    fn end_span(&mut self, end: MediaTime, events: &mut Vec<VadEvent>) {
        events.push(VadEvent::SpeechEnd(end));
        self.last_end = end;
        self.unpadded_end = None;
    }

    /// Returns where a span ends when the next speech begins at `next_start`, or at the earliest then.
    fn end_before(&self, unpadded_end: MediaTime, next_start: MediaTime) -> MediaTime {
        let middle_ms = unpadded_end.ms().midpoint(next_start.ms());
        unpadded_end.plus_ms(self.settings.pad_ms).min(MediaTime::from_ms(middle_ms))
    }

    /// Returns the earliest time at which speech not yet announced can begin.
    fn next_start(&self) -> MediaTime {
        self.run.map_or(self.now, |run| run.start)
    }
}

/// Joins the edges of whole spans.
///
/// Shape: sorted and disjoint; spans may touch.
pub fn spans(events: &[VadEvent]) -> Vec<MediaSpan> {
    let mut spans = Vec::new();
    let mut start = MediaTime::ZERO;
    for event in events {
        match event {
            VadEvent::SpeechStart(time) => start = *time,
            VadEvent::SpeechEnd(time) => spans.push(MediaSpan::new(start, *time)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::VadEvent::{SpeechEnd, SpeechStart};
    use super::*;

    /// No pad and round numbers of frames: 256 ms of speech, 160 ms of silence.
    const BARE: VadSettings = VadSettings {
        probability_on: 0.5,
        probability_off: 0.35,
        speech_ms_min: 256,
        silence_ms_min: 160,
        pad_ms: 0,
    };

    fn padded(pad_ms: u64) -> VadSettings {
        VadSettings { pad_ms, ..BARE }
    }

    /// Returns the spans of runs of `(frames, probability)`, in milliseconds.
    fn found(settings: VadSettings, runs: &[(usize, f32)]) -> Vec<(u64, u64)> {
        let frames: usize = runs.iter().map(|(count, _)| count).sum();
        found_until(settings, runs, frames as u64 * FRAME_MS)
    }

    fn found_until(settings: VadSettings, runs: &[(usize, f32)], end_ms: u64) -> Vec<(u64, u64)> {
        let (mut finder, mut events) = (SpeechFinder::new(settings), Vec::new());
        for (count, probability) in runs {
            (0..*count).for_each(|_| finder.push(*probability, &mut events));
        }
        finder.finish(MediaTime::from_ms(end_ms), &mut events);
        spans(&events).into_iter().map(|span| (span.start().ms(), span.end().ms())).collect()
    }

    const SILENCE: f32 = 0.1;
    const SPEECH: f32 = 0.9;

    #[test]
    fn silence_has_no_spans() {
        assert_eq!(found(BARE, &[(500, SILENCE)]), []);
        assert_eq!(found(BARE, &[]), []);
    }

    #[test]
    fn speech_between_silences_is_one_span() {
        assert_eq!(found(BARE, &[(10, SILENCE), (20, SPEECH), (30, SILENCE)]), [(320, 960)]);
    }

    #[test]
    fn speech_shorter_than_the_minimum_is_ignored() {
        assert_eq!(found(BARE, &[(10, SILENCE), (7, SPEECH), (30, SILENCE)]), []);
        assert_eq!(found(BARE, &[(10, SILENCE), (8, SPEECH), (30, SILENCE)]), [(320, 576)]);
    }

    #[test]
    fn a_pause_shorter_than_the_minimum_is_bridged() {
        assert_eq!(found(BARE, &[(10, SPEECH), (4, SILENCE), (10, SPEECH)]), [(0, 768)]);
        assert_eq!(found(BARE, &[(10, SPEECH), (5, SILENCE), (10, SPEECH)]), [(0, 320), (480, 800)]);
    }

    #[test]
    fn doubtful_frames_continue_what_was_there() {
        assert_eq!(found(BARE, &[(10, 0.4), (10, SPEECH), (50, 0.4), (10, SILENCE)]), [(320, 2240)]);
        assert_eq!(found(BARE, &[(10, SPEECH), (1, SILENCE), (50, 0.4)]), [(0, 320)]);
    }

    #[test]
    fn the_thresholds_themselves_are_speech_and_no_pause() {
        assert_eq!(found(BARE, &[(10, 0.5), (10, 0.35), (10, 0.34)]), [(0, 640)]);
    }

    #[test]
    fn a_span_reaches_beyond_the_speech_by_the_pad() {
        assert_eq!(found(padded(200), &[(20, SILENCE), (20, SPEECH), (20, SILENCE)]), [(440, 1480)]);
    }

    #[test]
    fn pads_stay_inside_the_recording() {
        assert_eq!(found(padded(200), &[(2, SILENCE), (10, SPEECH), (2, SILENCE)]), [(0, 448)]);
        assert_eq!(found_until(padded(200), &[(2, SILENCE), (10, SPEECH), (2, SILENCE)], 433), [(0, 433)]);
    }

    #[test]
    fn the_pads_of_neighbours_meet_in_the_middle_of_a_short_pause() {
        assert_eq!(found(padded(200), &[(10, SPEECH), (10, SILENCE), (10, SPEECH)]), [(0, 480), (480, 960)]);
        assert_eq!(found(padded(200), &[(10, SPEECH), (14, SILENCE), (10, SPEECH)]), [(0, 520), (568, 1088)]);
    }

    #[test]
    fn a_short_noise_in_a_pause_does_not_shorten_the_pad() {
        let noise = [(10, SPEECH), (6, SILENCE), (2, SPEECH), (40, SILENCE)];
        assert_eq!(found(padded(200), &noise), [(0, 520)]);
    }

    #[test]
    fn the_end_of_the_recording_ends_an_open_span() {
        assert_eq!(found(padded(200), &[(10, SILENCE), (20, SPEECH)]), [(120, 960)]);
        assert_eq!(found_until(padded(200), &[(10, SILENCE), (20, SPEECH)], 950), [(120, 950)]);
    }

    #[test]
    fn an_endless_span_is_told_at_its_start_and_stays_certain_up_to_now() {
        let (mut finder, mut events) = (SpeechFinder::new(padded(200)), Vec::new());
        for _ in 0..8 {
            assert_eq!(events, []);
            finder.push(SPEECH, &mut events);
        }
        for frame in 9..100_000 {
            finder.push(SPEECH, &mut events);
            assert_eq!(finder.certain_until().ms(), frame * FRAME_MS);
        }
        assert_eq!(events, [SpeechStart(MediaTime::ZERO)]);
    }

    #[test]
    fn in_silence_all_but_the_next_pad_is_certain() {
        let (mut finder, mut events) = (SpeechFinder::new(padded(200)), Vec::new());
        (0..100).for_each(|_| finder.push(SILENCE, &mut events));
        assert_eq!(finder.certain_until().ms(), 100 * FRAME_MS - 200);
    }

    #[test]
    fn the_end_is_told_when_no_speech_can_share_the_pause_any_more() {
        let (mut finder, mut events) = (SpeechFinder::new(padded(200)), Vec::new());
        (0..10).for_each(|_| finder.push(SPEECH, &mut events));
        (0..12).for_each(|_| finder.push(SILENCE, &mut events));
        assert_eq!(events, [SpeechStart(MediaTime::ZERO)]);
        finder.push(SILENCE, &mut events);
        assert_eq!(events.last(), Some(&SpeechEnd(MediaTime::from_ms(520))));
    }

    #[test]
    fn the_pause_is_counted_from_the_end_of_the_speech() {
        let (mut finder, mut events) = (SpeechFinder::new(padded(200)), Vec::new());
        (0..10).for_each(|_| finder.push(SPEECH, &mut events));
        assert_eq!(finder.pause_ms(), 0);
        (0..2).for_each(|_| finder.push(SILENCE, &mut events));
        assert_eq!(finder.pause_ms(), 64);
        (0..100).for_each(|_| finder.push(SILENCE, &mut events));
        assert_eq!(finder.pause_ms(), 102 * FRAME_MS);
    }

    fn any_settings() -> impl Strategy<Value = VadSettings> {
        let time = || prop_oneof![Just(0_u64), 0_u64..700, Just(u64::MAX)];
        (0.0_f32..1.0, 0.0_f32..1.0, time(), time(), time()).prop_map(
            |(probability_on, probability_off, speech_ms_min, silence_ms_min, pad_ms)| VadSettings {
                probability_on,
                probability_off,
                speech_ms_min,
                silence_ms_min,
                pad_ms,
            },
        )
    }

    fn any_probabilities() -> impl Strategy<Value = Vec<f32>> {
        let run = (1_usize..40, prop_oneof![0.0_f32..1.0, Just(f32::NAN)]);
        prop::collection::vec(run, 0..60)
            .prop_map(|runs| runs.into_iter().flat_map(|(count, p)| vec![p; count]).collect())
    }

    proptest! {
        #[test]
        fn edges_alternate_and_never_lie_before_what_was_certain(
            settings in any_settings(),
            probabilities in any_probabilities(),
            cut_ms in 0..FRAME_MS,
        ) {
            let (mut finder, mut events, mut certain) = (SpeechFinder::new(settings), Vec::new(), MediaTime::ZERO);
            for probability in &probabilities {
                let known = events.len();
                finder.push(*probability, &mut events);
                let late = events[known..].iter().find(|event| event.time() < certain);
                prop_assert_eq!(late, None);
                prop_assert!(finder.certain_until() >= certain, "certainty went backwards");
                certain = finder.certain_until();
            }
            let end = MediaTime::from_ms((probabilities.len() as u64 * FRAME_MS).saturating_sub(cut_ms));
            finder.finish(end, &mut events);

            let mut last = MediaTime::ZERO;
            for (i, event) in events.iter().enumerate() {
                let at = event.time();
                prop_assert_eq!(matches!(event, SpeechStart(_)), i % 2 == 0);
                prop_assert!(at >= last && at <= end, "{:?} of {:?}, which end at {:?}", event, events, end);
                last = at;
            }
            prop_assert_eq!(events.len() % 2, 0, "a span stayed open");
        }
    }
}
