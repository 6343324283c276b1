//! The list of what is missing, kept short whatever the recording looks like. Pure.

use crate::audio::{MediaSpan, MediaTime};

/// Most losses that are listed one by one; later damage widens the last entry.
const LOSSES_MAX: usize = 1_000;
/// An end that comes earlier than promised by no more than this is no loss: padding differs. Units: microseconds.
const CUT_US_MIN: i64 = 500_000;

/// A part of the recording that is missing or could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// These packets could not be decoded; the span is silence.
    Damaged {
        /// Where the silence stands.
        span: MediaSpan,
        /// How many packets it replaces.
        packets: u64,
    },
    /// The recorder's clock ran on but nothing was recorded; the span is silence.
    Hole {
        /// Where the silence stands.
        span: MediaSpan,
    },
    /// The recording ends before its end.
    Cut {
        /// Where the sound ends.
        at: MediaTime,
        /// Where the header says it should end, if it says.
        promised: Option<MediaTime>,
    },
}

/// Losses in order of time.
#[derive(Debug, Default)]
pub(super) struct Losses {
    listed: Vec<Loss>,
    damaged: u64,
}

impl Losses {
    /// Returns the list.
    pub(super) fn listed(&self) -> &[Loss] {
        &self.listed
    }

    /// Returns how many packets could not be decoded.
    pub(super) fn damaged_packets(&self) -> u64 {
        self.damaged
    }

    /// Adds one packet that became silence; neighbours become one entry.
    pub(super) fn add_damage(&mut self, start_us: i64, end_us: i64) {
        self.damaged += 1;
        let (new, full) = (span(start_us, end_us), self.listed.len() >= LOSSES_MAX);
        match self.listed.last_mut() {
            Some(Loss::Damaged { span, packets }) if full || span.end() == new.start() => {
                *span = MediaSpan::new(span.start(), new.end());
                *packets += 1;
            }
            Some(Loss::Damaged { .. } | Loss::Hole { .. } | Loss::Cut { .. }) if full => {}
            Some(Loss::Damaged { .. } | Loss::Hole { .. } | Loss::Cut { .. }) | None => {
                self.listed.push(Loss::Damaged { span: new, packets: 1 });
            }
        }
    }

    /// Adds a hole that became silence.
    pub(super) fn add_hole(&mut self, start_us: i64, end_us: i64) {
        if self.listed.len() < LOSSES_MAX {
            self.listed.push(Loss::Hole { span: span(start_us, end_us) });
        }
    }

    /// Notes the end: before the promised one, or `torn` off where none is promised.
    pub(super) fn close(&mut self, end_us: i64, promised_us: Option<i64>, torn: bool) {
        let promised = promised_us.filter(|&promised_us| is_short(end_us, promised_us)).map(media_time);
        if promised.is_some() || (torn && promised_us.is_none()) {
            self.listed.push(Loss::Cut { at: media_time(end_us), promised });
        }
    }
}

/// Tells whether an end is earlier than promised.
pub(super) fn is_short(end_us: i64, promised_us: i64) -> bool {
    promised_us.saturating_sub(end_us) > CUT_US_MIN
}

/// Converts the decoder's clock. Range: what lies before zero is zero.
pub(super) fn media_time(us: i64) -> MediaTime {
    MediaTime::from_ms(u64::try_from(us / 1_000).unwrap_or(0))
}

fn span(start_us: i64, end_us: i64) -> MediaSpan {
    MediaSpan::new(media_time(start_us), media_time(end_us))
}
