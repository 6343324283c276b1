//! What the sending half of a microphone hears and does: the words of `capture_cases.json`.

use serde::{Deserialize, Serialize};

use crate::audio::record::{ClientSays, ServerSays};

/// When something happened, and the luck of that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds of a clock that never jumps; meaningful only beside another.
    pub ms: u64,
    /// Luck in thousandths, 0–999: spreads what many microphones would do at the same moment.
    pub luck: u16,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Input {
    /// Nothing but time; due when [`super::Sender::wake_in_ms`] is over.
    Wake,
    /// Sound was kept on this side.
    Recorded {
        /// Samples of the whole recording, from its beginning.
        samples: u64,
    },
    /// The microphone gave nothing for a while, and silence was put in its place. Comes before the sound behind it.
    Hole {
        /// The first sample behind it.
        at: u64,
    },
    /// The microphone is closed: nothing more is recorded.
    Finish,
    /// The socket stands.
    Opened,
    /// The socket broke, or could not be opened.
    Closed,
    /// The server refused the socket for a reason that a person has to remove.
    Refused,
    /// The server said something.
    Heard {
        /// What it said.
        says: ServerSays,
    },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Output {
    /// Open the socket; a former one is over.
    Connect,
    /// Close the socket, or give up opening it.
    Close,
    /// Say this on the socket.
    Say {
        /// What to say.
        message: ClientSays,
    },
    /// Send these samples as one frame.
    Send {
        /// The number of the frame.
        number: u32,
        /// Place of its first sample.
        first_sample: u64,
        /// How many.
        samples: u32,
        /// Its flag.
        hole_before: bool,
    },
    /// The server has it on its disk: what lies before may be deleted here. Nothing else ever may.
    Forget {
        /// The first sample that must be kept.
        before: u64,
    },
    /// The recording is closed at the server. There is nothing more to do.
    Over {
        /// The server has everything; else the rest is still here and stays.
        whole: bool,
    },
}
