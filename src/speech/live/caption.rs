//! What a room gets to see, and what its session asks for: the nouns of live captions.

use serde::{Deserialize, Serialize};

use crate::audio::MediaSpan;
use crate::clock::Mono;
use crate::speech::engine::EngineError;
use crate::speech::schedule::{Level, Urgency};
use crate::speech::transcript::{GapRecord, Removed, Segment};
use crate::speech::{RecognizeError, Request};

/// Names a question of one session until it is answered; never given twice by a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// Names an utterance of one recording: ascending, never given twice, and never changed once told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtteranceId(pub u64);

/// One question for a recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// To be given back with the answer.
    pub id: AskId,
    /// The question; `request.due` says how urgent, by when, on the clock of `due` in milliseconds.
    pub request: Request,
    /// Where in the recording its sound lies.
    pub span: MediaSpan,
    /// By when the answer is wanted: a late final is late, a late partial is worthless.
    pub due: Mono,
    /// A guess that may be of no use: a final asked before it is certain that the sentence has ended.
    pub speculative: bool,
}

impl Ask {
    /// Returns who waits for it.
    pub fn urgency(&self) -> Urgency {
        self.request.due.urgency
    }
}

/// Why a question has no answer, told by what the session does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody computed it; the session asks again if it still wants to know.
    Dropped,
    /// The recogniser cannot with this sound: the session tries once in another way, then marks a gap.
    Failed,
    /// The engine does not work now: the session keeps the sound and asks again a little later.
    Away,
}

impl From<&EngineError> for Trouble {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::Busy | EngineError::Refused(RecognizeError::Cancelled) => Self::Dropped,
            EngineError::Refused(RecognizeError::BadRequest(_) | RecognizeError::Failed(_)) => Self::Failed,
            EngineError::Poisoned { .. } => Self::Failed,
            EngineError::Over { .. } => Self::Away,
        }
    }
}

/// What a session wants its owner to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Ask a recogniser; the answer goes to [`super::Session::answered`].
    Recognise(Ask),
    /// Nobody wants this answer any more; one that comes all the same is passed over.
    Cancel(AskId),
    /// Show it.
    Caption(CaptionEvent),
    /// Say how much is left out, because the machine has more to do than it can.
    Degraded(Level),
    /// Say by how much the captions are behind; 0 = no longer worth a word.
    Lag {
        /// Whole seconds, told in milliseconds.
        ms: u64,
    },
}

impl Output {
    /// Returns what is to be shown, if it is that.
    pub fn caption(&self) -> Option<&CaptionEvent> {
        match self {
            Self::Caption(event) => Some(event),
            Self::Recognise(_) | Self::Cancel(_) | Self::Degraded(_) | Self::Lag { .. } => None,
        }
    }
}

/// What changes on the screens of a room. Times are milliseconds since the recording began.
///
/// Shape: for each utterance any number of `Tentative`, then exactly one `Final` or `Withdrawn`; the last ones come in the
/// order of utterances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CaptionEvent {
    /// An utterance that is being spoken.
    Tentative(Tentative),
    /// An utterance as it stays; it replaces its tentative text.
    Final(Final),
    /// There was no text after all: its tentative text leaves the screen.
    Withdrawn {
        /// Which utterance.
        utterance: UtteranceId,
        /// Text that was not shown, because nobody said it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<Removed>,
    },
}

impl CaptionEvent {
    /// Returns which utterance it is about.
    pub fn utterance(&self) -> UtteranceId {
        match self {
            Self::Tentative(Tentative { utterance, .. })
            | Self::Final(Final { utterance, .. })
            | Self::Withdrawn { utterance, .. } => *utterance,
        }
    }

    /// Returns the final text, if it is one.
    pub fn as_final(&self) -> Option<&Final> {
        match self {
            Self::Final(told) => Some(told),
            Self::Tentative(_) | Self::Withdrawn { .. } => None,
        }
    }
}

/// What was understood so far of an utterance that is being spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tentative {
    /// Which utterance.
    pub utterance: UtteranceId,
    /// Where it begins.
    pub start_ms: u64,
    /// Up to where it was heard.
    pub end_ms: u64,
    /// What two recognitions agreed on; within an utterance it only grows.
    pub committed: String,
    /// The rest: pale, may change.
    pub tail: String,
}

/// An utterance that is over. Nothing of it ever changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// Which utterance.
    pub utterance: UtteranceId,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// Its text, with words, times, confidence and flags; empty only if there is a gap.
    pub segments: Vec<Segment>,
    /// The stretch that could not be recognised; the recording has it, and the batch path tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<GapRecord>,
    /// Text that is not shown, because nobody said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
}

impl Final {
    /// Returns the text as it is shown.
    pub fn text(&self) -> String {
        self.segments.iter().map(|segment| segment.text.as_str()).collect()
    }
}
