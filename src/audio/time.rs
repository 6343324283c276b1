//! Media time: where in a recording something happens. The only place that converts units.

use std::ops::Range;

/// Samples per second of all sound inside the product.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Samples in one millisecond at [`SAMPLE_RATE_HZ`].
const SAMPLES_PER_MS: u64 = 16;

/// A point in a recording.
///
/// Units: milliseconds since the recording began; never wall-clock time.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The first instant of every recording.
    pub const ZERO: Self = Self(0);

    /// Takes milliseconds since the recording began.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Takes the index of a 16 kHz sample; the part of a millisecond is dropped.
    pub const fn from_sample(index: u64) -> Self {
        Self(index / SAMPLES_PER_MS)
    }

    /// Takes centiseconds, the unit of Whisper's timestamps as whisper.cpp reports them.
    pub const fn from_cs(cs: u64) -> Self {
        Self(cs * 10)
    }

    /// Returns milliseconds since the recording began.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Returns seconds, for a person to read.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Returns the index of the 16 kHz sample heard at this time.
    pub const fn sample(self) -> u64 {
        self.0 * SAMPLES_PER_MS
    }

    /// Returns the time `ms` later.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0 + ms)
    }

    /// Returns the time `ms` earlier, but never before the recording began.
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

/// A half-open stretch `[start, end)` of a recording.
///
/// Range: `start <= end`; an empty span is allowed and contains nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaSpan {
    start: MediaTime,
    end: MediaTime,
}

impl MediaSpan {
    /// Takes both ends; an end before the start is moved to the start.
    pub fn new(start: MediaTime, end: MediaTime) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Takes both ends in milliseconds since the recording began.
    pub fn from_ms(start_ms: u64, end_ms: u64) -> Self {
        Self::new(MediaTime::from_ms(start_ms), MediaTime::from_ms(end_ms))
    }

    /// Takes a half-open range of 16 kHz sample indexes.
    pub fn from_samples(samples: Range<u64>) -> Self {
        Self::new(MediaTime::from_sample(samples.start), MediaTime::from_sample(samples.end))
    }

    /// Returns the first instant inside.
    pub const fn start(self) -> MediaTime {
        self.start
    }

    /// Returns the first instant behind.
    pub const fn end(self) -> MediaTime {
        self.end
    }

    /// Returns the length in milliseconds.
    pub const fn len_ms(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Tells whether nothing fits inside.
    pub const fn is_empty(self) -> bool {
        self.end.0 == self.start.0
    }

    /// Returns how many milliseconds both spans share.
    pub fn overlap_ms(self, other: Self) -> u64 {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        end.0.saturating_sub(start.0)
    }

    /// Returns the range of 16 kHz samples of this span.
    pub const fn samples(self) -> Range<u64> {
        self.start.sample()..self.end.sample()
    }
}
