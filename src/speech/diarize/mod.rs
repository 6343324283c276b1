//! Voices become speakers: who spoke when.
//!
//! - **In**: sound with the spans in which somebody speaks; a [`Voice`](crate::speech::voice::Voice) to hear with.
//! - **Out**: turns, each with a speaker; the middle of each speaker's voice; marks where two speak at once.
//! - **Never**: knows a name, keeps a voice, opens a file, or stands in the way of the text: without turns a
//!   transcript is as good as before.
//!
//! ```text
//! sound ─scene─► who of three speaks, timbres ─near, bayes─► speakers ─overlap─► turns ─attribute─► segments
//! sound + spans ─listen─► voices, for names ┄ without a scene's weights: ─cluster, bayes─► speakers ─► turns
//!                                  channel by channel ─channels─────────────────────► turns
//!                                     finals, one by one ─online─► provisional speakers
//! ```

mod alike;
mod attribute;
mod bayes;
pub mod channels;
mod cluster;
mod decide;
mod listen;
mod matrix;
mod near;
mod online;
mod overlap;
#[cfg(feature = "diarize-pack")]
pub mod pack;
mod scene;
mod space;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turns;
mod wanted;

pub use attribute::{OVERLAP_FLAG, attribute};
pub use channels::Channels;
pub use decide::{diarize, together, voices_of};
pub use listen::{Listener, Voices};
pub use online::Online;
pub use scene::{Networks, Scene, Seen};
pub use wanted::{UnknownWish, Wanted};

use crate::audio::MediaSpan;
use crate::speech::voice::Embedding;

/// Most speakers that can be asked for.
pub const SPEAKERS_MAX: u8 = 20;

/// A speaker of one recording, counted from 1 in the order in which they first speak: 話者1, 話者2 …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SpeakerId(pub u16);

/// How many speakers there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speakers {
    /// As many as are heard.
    #[default]
    Auto,
    /// So many, 1 to [`SPEAKERS_MAX`]; fewer if fewer voices are heard.
    Given(u8),
}

/// How speakers are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Settings {
    /// How many there are.
    pub speakers: Speakers,
}

/// A stretch in which one speaker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When.
    pub span: MediaSpan,
    /// Who.
    pub speaker: SpeakerId,
    /// Whether somebody else speaks, too, as far as can be heard.
    pub overlap: bool,
}

/// A window of sound and the voice in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Voiced<V = Embedding> {
    /// The part of the recording that was heard.
    pub span: MediaSpan,
    /// The voice.
    pub voice: V,
    /// The number of the stretch of speech it lies in: between two stretches is a pause.
    pub stretch: u32,
}

/// One speaker's voice in a recording: what a name can be looked up by.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    /// Who.
    pub id: SpeakerId,
    /// The middle of all their windows.
    pub voice: Embedding,
    /// How long they speak in all.
    pub speech_ms: u64,
}

/// Who spoke when in a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diarization {
    /// The turns in the order of their starts; two may overlap.
    pub turns: Vec<Turn>,
    /// The speakers in the order of their numbers.
    pub speakers: Vec<Speaker>,
}
