//! Spans of speech become windows: pieces of sound small enough for one recognition, cut where nobody speaks.
//!
//! ```text
//! samples ──► [ring ≤ 60 s] ──┐
//! speech spans ───────────────┴─► take as many spans as fit ─► cut at the longest pause of the last third ─► Window
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use crate::audio::{MediaSpan, MediaTime};

/// Longest window any preset may ask for; Whisper hears 30 s, and 220 tokens are reached near that.
pub const WINDOW_MS_MAX: u64 = 28_000;
/// Most sound kept while a window fills: the longest window, one frame of lookahead, and room for the detector's delay.
const RING_MS_MAX: u64 = 60_000;
/// One probability of the speech detector covers this much.
const FRAME_MS: u64 = 32;

/// How sound is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// Longest window, milliseconds, 2,000 to [`WINDOW_MS_MAX`].
    pub window_ms_max: u64,
    /// A pause longer than this always ends a window, milliseconds: nothing is invented in sound that is not sent.
    /// At least twice `pad_ms`.
    pub inner_silence_ms_max: u64,
    /// Shared sound where no pause was found and the cut goes through speech, milliseconds.
    pub overlap_ms: u64,
    /// Sound taken along on either side of the speech, but never past the middle of a pause, milliseconds.
    pub pad_ms: u64,
}

/// A piece of sound for one recognition.
///
/// Shape: `samples` are 16 kHz mono and start at `span.start()`; `speech` is sorted, disjoint and inside `span`.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Where in the recording.
    pub span: MediaSpan,
    /// The sound itself.
    pub samples: Vec<f32>,
    /// Where somebody speaks, without padding.
    pub speech: Vec<MediaSpan>,
    /// Mean probability of speech over `speech`, 0 to 1.
    pub speech_probability: f32,
    /// It begins with sound that ended the window before: the cut went through speech.
    pub overlaps_previous: bool,
}

/// What the speech detector said since the last call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard<'a> {
    /// New 16 kHz samples.
    pub samples: &'a [f32],
    /// New probabilities, one for each 32 ms since the recording began.
    pub probabilities: &'a [f32],
    /// Spans that ended, in order.
    pub spans: &'a [MediaSpan],
    /// Start of a span that has not ended yet.
    pub open_since: Option<MediaTime>,
}

/// Builds windows from a stream.
///
/// Range: keeps at most 60 s of sound, whatever the recording's length.
#[derive(Debug)]
pub struct WindowBuilder {
    settings: WindowSettings,
    ring: Ring,
    spans: VecDeque<MediaSpan>,
    open_since: Option<MediaTime>,
    overlaps_next: bool,
    /// Where the next window begins if the last cut went through speech.
    cut_at: MediaTime,
    /// Behind the sound of the window before.
    taken_until: MediaTime,
}

impl WindowBuilder {
    /// Begins a recording.
    pub fn new(settings: WindowSettings) -> Self {
        let spans = VecDeque::new();
        Self {
            settings,
            ring: Ring::default(),
            spans,
            open_since: None,
            overlaps_next: false,
            cut_at: MediaTime::ZERO,
            taken_until: MediaTime::ZERO,
        }
    }

    /// Takes what was heard next and appends the windows that are certain now to `out`.
    pub fn push(&mut self, heard: Heard<'_>, out: &mut Vec<Window>) {
        self.ring.push(heard.samples, heard.probabilities);
        // The detector does not know of cuts through speech: what was taken is not taken again.
        let rest = |start: MediaTime| start.max(self.cut_at);
        self.spans.extend(heard.spans.iter().map(|span| MediaSpan::new(rest(span.start()), span.end())));
        self.open_since = heard.open_since.map(rest);
        while let Some(window) = self.next(false) {
            out.push(window);
        }
        self.forget();
    }

    /// Ends the recording: appends the last windows to `out`.
    pub fn finish(&mut self, out: &mut Vec<Window>) {
        self.open_since = None;
        while let Some(window) = self.next(true) {
            out.push(window);
        }
    }

    /// Returns the next window if what follows can no longer change it.
    fn next(&mut self, ended: bool) -> Option<Window> {
        let first = self.spans.front().copied().or(self.open_span())?;
        let limit = first.start().plus_ms(self.speech_ms_max());
        let fitting = self.fitting(first, limit);
        if fitting == 0 {
            return self.cut_through_speech(first, limit);
        }
        let last = self.spans[fitting - 1];
        let full = match self.spans.get(fitting).copied().or(self.open_span()) {
            Some(next) if next.start().ms() > last.end().ms() + self.settings.inner_silence_ms_max => false,
            Some(next) if next.end() > limit => true,
            Some(_) => return None,
            None if ended || self.silent_since(last.end()) => false,
            None => return None,
        };
        let count = if full { self.best_cut(first, fitting) } else { fitting };
        Some(self.take(count))
    }

    /// Returns the longest stretch from the first to the last speech of a window.
    fn speech_ms_max(&self) -> u64 {
        self.settings.window_ms_max - 2 * self.settings.pad_ms
    }

    /// Counts the leading spans that end before `limit` with no long silence between them.
    fn fitting(&self, first: MediaSpan, limit: MediaTime) -> usize {
        let mut end = first.start();
        self.spans
            .iter()
            .take_while(|span| {
                let joins = span.start().ms() <= end.ms() + self.settings.inner_silence_ms_max;
                end = span.end();
                joins && span.end() <= limit
            })
            .count()
    }

    fn open_span(&self) -> Option<MediaSpan> {
        self.open_since.map(|start| MediaSpan::new(start, self.ring.end()))
    }

    fn silent_since(&self, end: MediaTime) -> bool {
        self.ring.end().ms() > end.ms() + self.settings.inner_silence_ms_max
    }

    /// Returns how many of the `fitting` spans to take so that the cut is the longest pause of the last third.
    fn best_cut(&self, first: MediaSpan, fitting: usize) -> usize {
        let earliest = first.start().plus_ms(self.speech_ms_max() * 2 / 3);
        let pause_after = |count: usize| {
            let next = self.spans.get(count).map(|span| span.start()).or(self.open_since);
            next.map_or(u64::MAX, |next| next.ms().saturating_sub(self.spans[count - 1].end().ms()))
        };
        (1..=fitting)
            .filter(|count| self.spans[count - 1].end() >= earliest)
            .max_by_key(|count| pause_after(*count))
            .unwrap_or(fitting)
    }

    fn take(&mut self, count: usize) -> Window {
        let speech: Vec<MediaSpan> = self.spans.drain(..count).collect();
        let overlaps = std::mem::take(&mut self.overlaps_next);
        let next = self.spans.front().map(|span| span.start()).or(self.open_since);
        self.window(speech, overlaps, next)
    }

    /// Cuts a span that alone is longer than a window where speech is least likely, once enough of it is known.
    fn cut_through_speech(&mut self, first: MediaSpan, limit: MediaTime) -> Option<Window> {
        if first.end() <= limit {
            return None;
        }
        let earliest = first.start().plus_ms(self.speech_ms_max() * 2 / 3);
        let cut = self.ring.least_likely(MediaSpan::new(earliest, limit));
        self.cut_at = cut.minus_ms(self.settings.overlap_ms);
        match self.spans.front_mut() {
            Some(span) => *span = MediaSpan::new(self.cut_at, span.end()),
            None => self.open_since = Some(self.cut_at),
        }
        let overlaps = std::mem::replace(&mut self.overlaps_next, true);
        Some(self.window(vec![MediaSpan::new(first.start(), cut)], overlaps, Some(cut)))
    }

    /// Makes the window of `speech`; `next` is where somebody is known to speak again.
    fn window(&mut self, speech: Vec<MediaSpan>, overlaps_previous: bool, next: Option<MediaTime>) -> Window {
        let first = speech.first().expect("a window holds at least one span").start();
        let last = speech.last().expect("a window holds at least one span").end();
        let pad_ms = self.settings.pad_ms;
        let start =
            if overlaps_previous { first } else { first.minus_ms(pad_ms).max(self.taken_until.min(first)) };
        let pause_ms = next.map_or(u64::MAX, |next| next.ms().saturating_sub(last.ms()));
        let end = last.plus_ms(pad_ms.min(pause_ms / 2)).min(self.ring.end());
        let span = MediaSpan::new(start, end.max(last));
        self.taken_until = span.end();
        let samples = self.ring.samples(span);
        let speech_probability = self.ring.mean_probability(&speech);
        Window { span, samples, speech, speech_probability, overlaps_previous }
    }

    /// Drops sound that no later window can need.
    fn forget(&mut self) {
        let needed = self.spans.front().map(|span| span.start()).or(self.open_since);
        let oldest = self.ring.end().minus_ms(RING_MS_MAX);
        // The detector reports a span late and reaches back by its padding: without a span, keep the last seconds.
        let keep_from = needed.unwrap_or(self.ring.end().minus_ms(5_000)).max(oldest);
        self.ring.forget_before(keep_from);
    }
}

/// The last seconds of sound and speech probability.
#[derive(Debug, Default)]
struct Ring {
    samples: VecDeque<f32>,
    first_sample: u64,
    probabilities: VecDeque<f32>,
    first_frame: u64,
}

impl Ring {
    fn push(&mut self, samples: &[f32], probabilities: &[f32]) {
        self.samples.extend(samples);
        self.probabilities.extend(probabilities);
    }

    fn end(&self) -> MediaTime {
        MediaTime::from_sample(self.first_sample + self.samples.len() as u64)
    }

    fn samples(&self, span: MediaSpan) -> Vec<f32> {
        let range = self.clamp(span.samples());
        self.samples.range(range).copied().collect()
    }

    fn clamp(&self, range: Range<u64>) -> Range<usize> {
        let index = |sample: u64| (sample.saturating_sub(self.first_sample) as usize).min(self.samples.len());
        index(range.start)..index(range.end)
    }

    fn frames(&self, span: MediaSpan) -> Range<usize> {
        let index = |ms: u64| {
            ((ms / FRAME_MS).saturating_sub(self.first_frame) as usize).min(self.probabilities.len())
        };
        index(span.start().ms())..index(span.end().ms())
    }

    fn mean_probability(&self, speech: &[MediaSpan]) -> f32 {
        let (sum, count) = speech.iter().fold((0.0, 0), |(sum, count), span| {
            let frames = self.probabilities.range(self.frames(*span));
            (sum + frames.clone().sum::<f32>(), count + frames.len())
        });
        if count == 0 { 0.0 } else { sum / count as f32 }
    }

    /// Returns the middle of the 96 ms inside `span` where speech is least likely; the end if nothing is known.
    fn least_likely(&self, span: MediaSpan) -> MediaTime {
        let frames = self.frames(span);
        let first = frames.start as u64 + self.first_frame;
        let known: Vec<f32> = self.probabilities.range(frames).copied().collect();
        let quietest = known
            .windows(3)
            .enumerate()
            .min_by(|(_, a), (_, b)| a.iter().sum::<f32>().total_cmp(&b.iter().sum::<f32>()));
        match quietest {
            Some((index, _)) => MediaTime::from_ms((first + index as u64) * FRAME_MS + FRAME_MS * 3 / 2),
            None => span.end(),
        }
    }

    fn forget_before(&mut self, time: MediaTime) {
        let samples = self.clamp(0..time.sample()).end;
        self.samples.drain(..samples);
        self.first_sample += samples as u64;
        let frames = self.frames(MediaSpan::new(MediaTime::ZERO, time)).end;
        self.probabilities.drain(..frames);
        self.first_frame += frames as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: WindowSettings =
        WindowSettings { window_ms_max: 10_000, inner_silence_ms_max: 1_500, overlap_ms: 300, pad_ms: 0 };

    /// Plays `length_ms` of sound in steps of 320 ms; each span is reported when it has ended.
    fn windows(length_ms: u64, spans: &[(u64, u64)]) -> Vec<Window> {
        windows_with(SETTINGS, length_ms, spans)
    }

    fn windows_with(settings: WindowSettings, length_ms: u64, spans: &[(u64, u64)]) -> Vec<Window> {
        let spans: Vec<MediaSpan> =
            spans.iter().map(|(start, end)| MediaSpan::from_ms(*start, *end)).collect();
        let mut builder = WindowBuilder::new(settings);
        let mut out = Vec::new();
        for start in (0..length_ms).step_by(320) {
            let end = start + 320;
            let samples: Vec<f32> = (start * 16..end * 16).map(|index| index as f32).collect();
            let probabilities = [0.9; 10].map(|high| if start == 7_040 { 0.2 } else { high });
            let ended: Vec<MediaSpan> =
                spans.iter().copied().filter(|s| (start..end).contains(&s.end().ms())).collect();
            let open = spans.iter().find(|s| s.start().ms() < end && s.end().ms() >= end);
            let heard = Heard {
                samples: &samples,
                probabilities: &probabilities,
                spans: &ended,
                open_since: open.map(|span| span.start()),
            };
            builder.push(heard, &mut out);
        }
        builder.finish(&mut out);
        out
    }

    fn spans_of(windows: &[Window]) -> Vec<(u64, u64)> {
        windows.iter().map(|w| (w.span.start().ms(), w.span.end().ms())).collect()
    }

    #[test]
    fn spans_with_short_pauses_share_a_window() {
        let windows = windows(12_800, &[(1_000, 3_000), (3_500, 6_000)]);
        assert_eq!(spans_of(&windows), [(1_000, 6_000)]);
        assert_eq!(windows[0].speech.len(), 2);
    }

    #[test]
    fn a_long_silence_is_never_inside_a_window() {
        let windows = windows(12_800, &[(1_000, 3_000), (5_000, 6_000)]);
        assert_eq!(spans_of(&windows), [(1_000, 3_000), (5_000, 6_000)]);
    }

    #[test]
    fn a_full_window_is_cut_at_the_longest_pause_of_its_last_third() {
        let spans = [(0, 5_000), (5_900, 7_000), (7_800, 8_500), (8_700, 9_500), (9_700, 12_000)];
        assert_eq!(spans_of(&windows(16_000, &spans)), [(0, 7_000), (7_800, 12_000)]);
    }

    #[test]
    fn speech_without_a_pause_is_cut_where_it_is_least_likely_and_overlaps() {
        let windows = windows(19_200, &[(0, 15_000)]);
        assert_eq!(windows.len(), 2);
        let cut = windows[0].span.end().ms();
        assert!((7_040..7_400).contains(&cut), "cut at {cut}");
        assert_eq!(windows[1].span.start().ms(), cut - 300);
        assert!(!windows[0].overlaps_previous);
        assert!(windows[1].overlaps_previous);
    }

    #[test]
    fn an_endless_monologue_gives_windows_while_it_goes_on() {
        let windows = windows(64_000, &[(0, 64_000)]);
        assert!(windows.len() >= 6, "{} windows", windows.len());
        assert!(windows.iter().all(|window| window.span.len_ms() <= SETTINGS.window_ms_max));
        let covered = windows.windows(2).all(|pair| pair[1].span.start() < pair[0].span.end());
        assert!(covered, "no sound between two windows is lost");
    }

    #[test]
    fn padding_never_reaches_past_the_middle_of_a_pause() {
        let settings = WindowSettings { pad_ms: 200, ..SETTINGS };
        let windows = windows_with(settings, 16_000, &[(1_000, 8_000), (8_300, 12_000)]);
        assert_eq!(spans_of(&windows), [(800, 8_150), (8_150, 12_200)]);
        assert_eq!(windows[1].speech, [MediaSpan::from_ms(8_300, 12_000)]);
    }

    #[test]
    fn samples_are_those_of_the_span() {
        let windows = windows(40_000, &[(30_000, 31_000)]);
        assert_eq!(windows[0].samples.first(), Some(&(30_000.0 * 16.0)));
        assert_eq!(windows[0].samples.len(), 16_000);
    }

    #[test]
    fn silence_gives_no_window_and_keeps_little_sound() {
        let mut builder = WindowBuilder::new(SETTINGS);
        let mut out = Vec::new();
        for _ in 0..3_000 {
            let heard = Heard { samples: &[0.0; 5_120], probabilities: &[0.0; 10], ..Heard::default() };
            builder.push(heard, &mut out);
        }
        assert!(out.is_empty());
        assert!(builder.ring.samples.len() <= 16 * RING_MS_MAX as usize);
    }
}
