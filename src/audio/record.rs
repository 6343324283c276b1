//! What a microphone and the server tell each other beside the frames of [`super::frames`].
//!
//! ```text
//! WS /v1/live/{id}/record?stream=K
//! client: hello ─►            ◄─ welcome {stored}      sound is sent from there
//!         frame … ─►          ◄─ stored {samples}      on the server's disk: the client may forget it
//!                             ◄─ resend {from}         something came damaged or not at all
//!                             ◄─ advice, state         for the people in the room
//!         end {samples} ─►    ◄─ ended                 all of it is on the disk, the recording is closed
//! ```
//!
//! Both sides pass over messages of a `type` they do not know, so that either may be newer.

use serde::{Deserialize, Serialize};

use super::health::Advice;

/// The protocol that both sides speak.
pub const PROTOCOL: u32 = 1;
/// The longest text message either side takes. Units: bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// What the microphone's side says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientSays {
    /// First of all: who speaks.
    Hello {
        /// The microphone's own name in this recording, a UUID: the same after every reconnection.
        stream: String,
        /// Samples per second.
        rate_hz: u32,
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// The microphone is closed, and everything was sent.
    End {
        /// Samples of the whole recording.
        samples: u64,
    },
    /// Something a newer client says.
    #[serde(other)]
    Unknown,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerSays {
    /// The answer to hello.
    Welcome {
        /// Samples that are durably stored; the next frame begins there.
        stored: u64,
    },
    /// More is durable.
    Stored {
        /// Samples that are durably stored.
        samples: u64,
    },
    /// A frame was damaged or is missing.
    Resend {
        /// The next frame begins here.
        from: u64,
    },
    /// How the microphone is set.
    Advice {
        /// What the sound is like.
        level: Advice,
    },
    /// What the live session does, for those who show it.
    State {
        /// What the people in the room are shown; one of the server's words.
        #[serde(default)]
        state: String,
    },
    /// The recording is closed: after [`ClientSays::End`] whole, else by somebody at the console.
    Ended,
    /// Something a newer server says.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_of_the_protocol_are_these() {
        let hello = ClientSays::Hello { stream: "a".into(), rate_hz: 48_000, protocol: PROTOCOL };
        let said = json!({"type": "hello", "stream": "a", "rate_hz": 48_000, "protocol": 1});
        assert_eq!(serde_json::to_value(hello).expect("it is plain"), said);
        let end = serde_json::to_value(ClientSays::End { samples: 5 }).expect("it is plain");
        assert_eq!(end, json!({"type": "end", "samples": 5}));
        for (said, meant) in [
            (json!({"type": "welcome", "stored": 9}), ServerSays::Welcome { stored: 9 }),
            (json!({"type": "stored", "samples": 9}), ServerSays::Stored { samples: 9 }),
            (json!({"type": "resend", "from": 9}), ServerSays::Resend { from: 9 }),
            (json!({"type": "advice", "level": "too_low"}), ServerSays::Advice { level: Advice::TooLow }),
            (json!({"type": "ended"}), ServerSays::Ended),
        ] {
            assert_eq!(serde_json::from_value::<ServerSays>(said).expect("it is understood"), meant);
        }
    }

    #[test]
    fn what_a_newer_side_says_is_passed_over() {
        let new = json!({"type": "applause", "loud": true});
        assert_eq!(serde_json::from_value::<ServerSays>(new.clone()).ok(), Some(ServerSays::Unknown));
        assert_eq!(serde_json::from_value::<ClientSays>(new).ok(), Some(ClientSays::Unknown));
        let state = json!({"type": "state", "state": "recording", "rooms": 3});
        let meant = ServerSays::State { state: "recording".into() };
        assert_eq!(serde_json::from_value::<ServerSays>(state).ok(), Some(meant));
    }
}
