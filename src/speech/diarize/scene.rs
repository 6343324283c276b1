//! Sound becomes what is needed to tell who speaks when, also where two do, while it streams by.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Voiced;
use crate::audio::{MediaSpan, MediaTime};
use crate::speech::segmentation::{
    Activity, CLASSES, FRAME_STEP_SAMPLES, FRAMES, Segmenter, WINDOW_SAMPLES, frame_centre,
};
use crate::speech::voice::campplus::{BANDS, Campplus, FRAME_SAMPLES, HOP_SAMPLES, Timbre, Work};

/// Samples from one window of the segmentation to the next: every moment is heard twice.
const STEP_SAMPLES: usize = WINDOW_SAMPLES / 2;

/// Windows of the segmentation computed side by side.
const BATCH: usize = 6;

/// Somebody speaks in a frame that is likelier to hold speech than this, and two do if two are likelier than this.
///
/// Source: own bench: of 0.2 to 0.5 the fewest seconds are missed or invented; see benches/README.md.
const LIKELY: f32 = 0.3;

/// Milliseconds from a window's edge on which it counts fully; towards the edge it knows less of what lies around.
const EDGE_MS: f32 = 500.0;

/// The least that a window counts at its edge.
const EDGE_MIN: f32 = 0.05;

/// Frames of a timbre's window: 1.6 s.
const TIMBRE_FRAMES: usize = 160;

/// Frames from one timbre's window to the next: 0.4 s.
const TIMBRE_STEP: usize = 40;

/// Fewest frames of speech, in a window, in which a timbre is heard.
const SPEECH_FRAMES_MIN: usize = 50;

/// So many windows are 0.4 s apart, two minutes of speech; then every second one is left out, since enough is heard.
const DENSE_WINDOWS: usize = 300;

/// Pauses longer than this, in frames of the segmentation, end a stretch: 0.4 s.
const PAUSE_FRAMES: usize = 24;

/// Longest recording that is looked at: what follows 24 hours has no speaker.
const WINDOWS_MAX: usize = 24 * 3_600 * 16_000 / STEP_SAMPLES;

/// What a scene is looked at with.
#[derive(Debug, Clone)]
pub struct Networks {
    /// Who of three speaks.
    pub segmenter: Arc<Segmenter>,
    /// How they sound.
    pub timbre: Arc<Campplus>,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Somebody speaks.
    pub speech: bool,
    /// Two speak.
    pub overlap: bool,
}

/// What the segmentation says of one window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    /// Number of its first frame in the recording.
    pub first: usize,
    /// How likely each combination of speakers is in each frame, of 255.
    pub likely: Vec<[u8; CLASSES]>,
}

/// What was seen of a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Frame after frame, [`FRAME_STEP_SAMPLES`] apart.
    pub(super) held: Vec<Held>,
    /// The windows of the segmentation in order.
    pub(super) tracks: Vec<Track>,
    /// Windows with their timbres in order.
    pub(super) windows: Vec<Voiced<Timbre>>,
}

/// Looks at one recording.
///
/// State: the sound of a batch of windows; a few bytes for each frame that went by.
#[derive(Debug)]
pub struct Scene {
    networks: Networks,
    samples: Vec<f32>,
    /// Number of the first sample kept.
    first: usize,
    /// Sums over windows for frames that are not decided: speech, overlap, weight.
    open: VecDeque<[f32; 3]>,
    /// Frames at which a stretch begins.
    stretches: Vec<usize>,
    /// Number of the next timbre's window.
    next_timbre: usize,
    seen: Seen,
    work: Box<Work>,
}

impl Scene {
    /// Starts at the beginning of a recording.
    pub fn new(networks: Networks) -> Self {
        Self {
            networks,
            samples: Vec::new(),
            first: 0,
            open: VecDeque::new(),
            stretches: Vec::new(),
            next_timbre: 0,
            seen: Seen::default(),
            work: Box::default(),
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples.extend_from_slice(samples);
        while self.end() >= self.next_window() + (BATCH - 1) * STEP_SAMPLES + WINDOW_SAMPLES {
            self.look(BATCH);
        }
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Seen {
        let left = self.end().saturating_sub(self.next_window());
        let covered = if self.seen.tracks.is_empty() { 0 } else { WINDOW_SAMPLES - STEP_SAMPLES };
        let count = left.saturating_sub(covered).div_ceil(STEP_SAMPLES);
        // A window reaches further than to the next one: the last may be one too many, and then says little.
        let count =
            if count > 1 && left <= (count - 2) * STEP_SAMPLES + WINDOW_SAMPLES { count - 1 } else { count };
        self.look(count);
        self.decide(usize::MAX);
        self.hear(true);
        self.seen
    }

    fn end(&self) -> usize {
        self.first + self.samples.len()
    }

    fn next_window(&self) -> usize {
        self.seen.tracks.len() * STEP_SAMPLES
    }

    /// Looks at the next windows, and hears what lies before the ones that follow.
    fn look(&mut self, count: usize) {
        let room = WINDOWS_MAX.saturating_sub(self.seen.tracks.len());
        let from = self.next_window();
        let starts: Vec<usize> = (0..count.min(room)).map(|index| from + index * STEP_SAMPLES).collect();
        let sound = |start: &usize| {
            let at = (start - self.first).min(self.samples.len());
            &self.samples[at..self.samples.len().min(at + WINDOW_SAMPLES)]
        };
        let windows: Vec<&[f32]> = starts.iter().map(sound).collect();
        let activities = self.networks.segmenter.windows(&windows);
        for (start, activity) in starts.iter().zip(&activities) {
            self.add(*start, activity);
        }
        self.decide(frame_at(self.next_window()));
        self.hear(false);
        self.forget();
    }

    fn add(&mut self, start: usize, activity: &Activity) {
        let first = frame_at(start);
        let decided = self.seen.held.len();
        let mut likely = Vec::with_capacity(activity.frames.len());
        for (index, frame) in activity.frames.iter().enumerate() {
            let classes = frame.map(f32::exp);
            likely.push(classes.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8));
            let place = first + index - decided;
            if place >= self.open.len() {
                self.open.resize(place + 1, [0.0; 3]);
            }
            let weight = edge(index);
            let both: f32 = classes[4..].iter().sum();
            for (sum, value) in self.open[place].iter_mut().zip([1.0 - classes[0], both, 1.0]) {
                *sum += weight * value;
            }
        }
        self.seen.tracks.push(Track { first, likely });
    }

    /// Decides what the frames before `until` hold.
    fn decide(&mut self, until: usize) {
        while self.seen.held.len() < until {
            let Some([speech, overlap, weight]) = self.open.pop_front() else { return };
            let is_likely = |sum: f32| weight > 0.0 && sum > LIKELY * weight;
            let held = Held { speech: is_likely(speech), overlap: is_likely(speech) && is_likely(overlap) };
            let before = &self.seen.held[self.seen.held.len().saturating_sub(PAUSE_FRAMES)..];
            if held.speech && !before.iter().any(|frame| frame.speech) {
                self.stretches.push(self.seen.held.len());
            }
            self.seen.held.push(held);
        }
    }

    /// Hears the timbres of the windows whose frames are all decided; at the end of shorter ones, too.
    fn hear(&mut self, is_end: bool) {
        let from = self.next_timbre * TIMBRE_STEP;
        let first = from * HOP_SAMPLES;
        if first >= self.end() {
            return;
        }
        // Behind what is decided nothing is heard yet.
        let decided = self.seen.held.len() * FRAME_STEP_SAMPLES + FRAME_SAMPLES;
        let until = if is_end {
            self.samples.len()
        } else {
            self.samples.len().min(decided.saturating_sub(self.first))
        };
        let sound = self.samples.get(first - self.first..until).unwrap_or_default();
        let frames = self.networks.timbre.frames(sound);
        let count = frames.len() / BANDS;
        let known = (0..count).map(|frame| self.held_at(from + frame));
        let known: Vec<Held> = known.map_while(|held| held.or(is_end.then(Held::default))).collect();
        loop {
            let at = self.next_timbre * TIMBRE_STEP - from;
            if at + TIMBRE_FRAMES > known.len() && !(is_end && at < known.len()) {
                return;
            }
            let end = known.len().min(at + TIMBRE_FRAMES);
            self.voice(from + at, &known[at..end], &frames[at * BANDS..end * BANDS]);
            self.next_timbre +=
                if self.seen.windows.len() < DENSE_WINDOWS { 1 } else { 2 - self.next_timbre % 2 };
        }
    }

    /// Hears one window: of its frames those in which one speaks alone, or those with speech if they are few.
    fn voice(&mut self, first: usize, held: &[Held], frames: &[f32]) {
        let chosen = |alone: bool| -> Vec<usize> {
            let is_wanted = |held: &Held| held.speech && !(alone && held.overlap);
            (0..held.len()).filter(|index| is_wanted(&held[*index])).collect()
        };
        let mut own = chosen(true);
        if own.len() < SPEECH_FRAMES_MIN {
            own = chosen(false);
        }
        if own.len() < SPEECH_FRAMES_MIN {
            return;
        }
        let rows: Vec<f32> =
            own.iter().flat_map(|index| &frames[index * BANDS..(index + 1) * BANDS]).copied().collect();
        let Some(voice) = self.networks.timbre.timbre(&rows, &mut self.work) else { return };
        let middle = place_of(first + own[own.len() / 2]);
        let stretch = self.stretches.partition_point(|start| *start <= middle) as u32;
        let start_ms = (first * HOP_SAMPLES / 16) as u64;
        let span = MediaSpan::from_ms(start_ms, start_ms + (TIMBRE_FRAMES * HOP_SAMPLES / 16) as u64);
        self.seen.windows.push(Voiced { span, voice, stretch });
    }

    /// Returns what the segmentation decided of a timbre's frame.
    fn held_at(&self, frame: usize) -> Option<Held> {
        self.seen.held.get(place_of(frame)).copied()
    }

    /// Drops the sound that nothing will look at again.
    fn forget(&mut self) {
        let needed = self.next_window().min(self.next_timbre * TIMBRE_STEP * HOP_SAMPLES);
        let count = needed.saturating_sub(self.first).min(self.samples.len());
        self.samples.drain(..count);
        self.first += count;
    }
}

/// Returns the frame that begins nearest to a sample.
fn frame_at(sample: usize) -> usize {
    (sample + FRAME_STEP_SAMPLES / 2) / FRAME_STEP_SAMPLES
}

/// Returns the frame of the segmentation whose middle is nearest to that of a timbre's frame.
fn place_of(frame: usize) -> usize {
    frame_at((frame * HOP_SAMPLES + FRAME_SAMPLES / 2).saturating_sub(frame_centre(0)))
}

/// Returns how much a window counts for one of its frames.
pub(super) fn edge(index: usize) -> f32 {
    let ms = |frames: usize| (frames * FRAME_STEP_SAMPLES) as f32 / 16.0;
    (ms(index).min(ms(FRAMES) - ms(index)) / EDGE_MS).clamp(EDGE_MIN, 1.0)
}

/// Returns the time at which a frame of the recording begins to be the nearest one.
pub(super) fn frame_start(frame: usize) -> MediaTime {
    MediaTime::from_sample((frame * FRAME_STEP_SAMPLES + frame_centre(0) - FRAME_STEP_SAMPLES / 2) as u64)
}
