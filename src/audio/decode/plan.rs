//! What a closer look at a container's header says before the demuxer starts.

use super::source::{Piece, Recording};

/// How a recording is shown to the demuxer, and what the demuxer does not find out by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// The bytes to show.
    pub(super) pieces: Vec<Piece>,
    /// The length the header promises, where the demuxer would take it from what is left. Units: microseconds.
    pub(super) promised_us: Option<i64>,
    /// What of each track is to be heard; by track number.
    pub(super) edits: Vec<Edit>,
    /// Why a container has no sound track that can be decoded, if it has one that cannot.
    pub(super) unusable: Option<Unusable>,
}

/// What of a track is to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) track: u32,
    /// Silence before the first sound. Units: microseconds.
    pub(super) lead_us: i64,
    /// The track's time at which the sound begins; what is before it is not heard. Units: microseconds.
    pub(super) start_us: i64,
    /// Where the sound ends, counted from the beginning of the recording. Units: microseconds.
    pub(super) end_us: Option<i64>,
}

/// A sound track that the demuxer will not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is locked.
    Encrypted(&'static str),
    /// Its codec is not supported; the name.
    Codec(String),
}

impl Plan {
    /// Shows all bytes as they are.
    pub(super) fn whole(recording: &Recording) -> Self {
        Self { pieces: vec![Piece::Range(0..recording.len())], ..Self::default() }
    }

    /// Returns what of a track is to be heard: all of it, where nothing is said.
    pub(super) fn edit(&self, track: u32) -> Edit {
        let all = Edit { track, lead_us: 0, start_us: 0, end_us: None };
        self.edits.iter().find(|edit| edit.track == track || edit.track == Edit::ANY).copied().unwrap_or(all)
    }
}

impl Edit {
    /// Stands for the only track of a container that does not number them.
    pub(super) const ANY: u32 = u32::MAX;
}
