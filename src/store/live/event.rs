//! What is told about a live meeting while it goes on: to those who read captions and to those who record.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Id, StoreError};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the stable word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words! {
    /// Where a live meeting stands.
    Phase {
        /// 録音中
        Recording = "recording",
        /// 一時停止中
        Paused = "paused",
        /// 終了: what microphones still hold comes in, then the recording is closed.
        Ended = "ended",
        /// 完了: it is an ordinary recording.
        Sealed = "sealed",
    }
}

impl Phase {
    pub(super) fn from_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.iter().copied().find(|phase| phase.word() == word);
        found.ok_or_else(|| StoreError::Damaged { what: format!("{word} is no phase of a live meeting") })
    }

    /// Tells whether it goes on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Recording | Self::Paused)
    }
}

words! {
    /// Whether there are captions, and if not, why: the sound is recorded in any case.
    Recognition {
        /// 字幕あり
        Running = "running",
        /// The model is being loaded.
        Starting = "starting",
        /// Waits for a seat.
        NoSeat = "no_seat",
        /// The owner may have no seat.
        SeatRefused = "seat_refused",
        /// The machine has as many rooms as it can follow.
        NoRoom = "no_room",
        /// The recogniser does not work now.
        EngineDown = "engine_down",
        /// A model is missing.
        ModelMissing = "model_missing",
        /// Nobody speaks into it: paused or ended.
        Resting = "resting",
    }
}

impl Recognition {
    /// Returns what the people in the room are shown.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Running => "録音中です。字幕を表示しています。",
            Self::Starting => "録音中です。字幕の準備をしています。",
            Self::NoSeat => {
                "録音のみ行っています。席が空いていないため字幕は出ません。席が空くと始まり、文字起こしは終了後に行います。"
            }
            Self::SeatRefused => {
                "録音のみ行っています。この利用者は席を使えないため字幕は出ません。録音は保存されています。"
            }
            Self::NoRoom => {
                "録音のみ行っています。同時に字幕を出せる部屋の数に達しています。空くと始まり、文字起こしは終了後に行います。"
            }
            Self::EngineDown => {
                "録音のみ行っています。音声認識が止まっています。録音は保存されており、復旧すると字幕も再開します。"
            }
            Self::ModelMissing => {
                "録音のみ行っています。音声認識のモデルがありません。録音は保存されています。情報担当へ連絡してください。"
            }
            Self::Resting => "録音していません。ここまでの録音は保存されています。",
        }
    }
}

/// How a live meeting is, as those who take part are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// Where it stands.
    pub phase: Phase,
    /// Whether there are captions.
    pub recognition: Recognition,
    /// What people are shown about both.
    pub sentence: String,
    /// By how much the captions are behind; 0 while that is not worth a word.
    pub lag_ms: u64,
    /// How much of the captions is left out, because the machine has more to do than it can; `full` if nothing.
    pub level: String,
}

impl Default for Status {
    fn default() -> Self {
        Self::new(Phase::Recording, Recognition::Starting)
    }
}

impl Status {
    /// Says how it is while captions are not behind.
    pub fn new(phase: Phase, recognition: Recognition) -> Self {
        let sentence = recognition.sentence().to_owned();
        Self { phase, recognition, sentence, lag_ms: 0, level: "full".to_owned() }
    }
}

/// A sentence that is being spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tentative {
    /// Its number; the sentence that replaces it has the same.
    pub line: u64,
    /// The microphone.
    pub stream: u32,
    /// Where it begins, milliseconds since the recording began.
    pub start_ms: u64,
    /// Up to where it was heard.
    pub end_ms: u64,
    /// What stays as it is, and only grows.
    pub committed: String,
    /// The rest: pale, may change.
    pub tail: String,
}

/// A sentence as it stays, unless a person corrects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Line {
    /// Its number: grows from sentence to sentence.
    pub line: u64,
    /// The microphone.
    pub stream: u32,
    /// Where it begins, milliseconds since the recording began.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// The text as it is shown now.
    pub text: String,
    /// Who speaks, as far as it can be told while people speak: 1 is 話者1. The minutes are told apart anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<u16>,
    /// What was shown before a person corrected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
}

/// A mark or a heading, set while people spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Note {
    /// Its name.
    pub id: Id,
    /// `agenda`, or what it marks, as in minutes: `decision`, `issue`, `todo`, `important`, `check`.
    pub what: String,
    /// Where, milliseconds since the recording began.
    pub at_ms: u64,
    /// The heading, or a word about the mark.
    pub text: String,
}

/// What a note of the agenda is called.
pub const AGENDA: &str = "agenda";

/// Everything at once, for whoever comes in or was away for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Snapshot {
    /// The latest sentences in their order.
    pub lines: Vec<Line>,
    /// What is being spoken now.
    pub tentative: Vec<Tentative>,
    /// Marks and headings.
    pub notes: Vec<Note>,
    /// How it is.
    pub status: Status,
}

/// What happens in a live meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = CaptionEvent)]
pub enum Event {
    /// A sentence grows; it replaces what was told of the same line.
    Tentative(Tentative),
    /// A sentence is over; it replaces what was told of the same line.
    Final(Line),
    /// There was no sentence after all.
    Withdrawn {
        /// Its line.
        line: u64,
    },
    /// A person corrected a sentence: it changes where it stands.
    Corrected {
        /// Its line.
        line: u64,
        /// What is shown from now on.
        text: String,
    },
    /// A person set a mark.
    Mark(Note),
    /// A person went on to the next item of the agenda.
    Agenda(Note),
    /// A person writes to everybody who reads captions.
    Message {
        /// What is shown.
        text: String,
    },
    /// How it is has changed.
    State(Status),
    /// Everything at once: it replaces all that was told before.
    Snapshot(Snapshot),
}

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NumberedCaptionEvent)]
pub struct Numbered {
    /// Grows from event to event; whoever comes back says the last one they have seen.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
