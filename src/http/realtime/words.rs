//! What OpenAI's realtime clients say about sound, and what they are told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// Samples a second of `audio/pcm`, the only sound there is.
pub const RATE_HZ: u32 = 24_000;

/// What a client says; everything else is answered with an error.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub enum Said {
    /// How to listen.
    #[serde(rename = "session.update", alias = "transcription_session.update")]
    Update {
        /// What is to be otherwise.
        session: Value,
    },
    /// More sound.
    #[serde(rename = "input_audio_buffer.append")]
    Append {
        /// 16-bit little-endian mono in base64.
        audio: String,
    },
    /// What came until now is one item.
    #[serde(rename = "input_audio_buffer.commit")]
    Commit,
    /// What came since the last item is to be forgotten.
    #[serde(rename = "input_audio_buffer.clear")]
    Clear,
}

/// How a client wants to be listened to.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its name.
    pub id: String,
    /// Whether the server finds out where somebody stops.
    pub finds_turns: bool,
    /// What was said about transcription, told back.
    pub transcription: Value,
}

impl Session {
    /// Begins as the protocol says: the server finds the turns.
    pub fn new(id: String) -> Self {
        Self { id, finds_turns: true, transcription: json!({ "language": "ja" }) }
    }

    /// Takes what is to be otherwise.
    ///
    /// Errors: the value that cannot be.
    pub fn update(&mut self, session: &Value) -> Result<(), String> {
        let input = session.pointer("/audio/input").unwrap_or(session);
        let format = input.get("format").or_else(|| input.get("input_audio_format"));
        let (kind, rate) = match format {
            None | Some(Value::Null) => ("audio/pcm", RATE_HZ.into()),
            Some(Value::String(kind)) => (kind.as_str(), RATE_HZ.into()),
            Some(format) => {
                let kind = format.get("type").and_then(Value::as_str).unwrap_or("audio/pcm");
                (kind, format.get("rate").and_then(Value::as_u64).unwrap_or(RATE_HZ.into()))
            }
        };
        if !matches!(kind, "audio/pcm" | "pcm16") || rate != u64::from(RATE_HZ) {
            return Err(format!("format: audio/pcm, {RATE_HZ} Hz"));
        }
        if let Some(said) = input.get("transcription").or_else(|| input.get("input_audio_transcription")) {
            self.transcription.clone_from(said);
        }
        if let Some(turns) = input.get("turn_detection") {
            self.finds_turns = !turns.is_null();
        }
        Ok(())
    }

    /// Returns the session as it is told.
    pub fn told(&self) -> Value {
        let turns = if self.finds_turns { json!({ "type": "server_vad" }) } else { Value::Null };
        let input = json!({
            "format": { "type": "audio/pcm", "rate": RATE_HZ },
            "transcription": self.transcription,
            "turn_detection": turns,
        });
        json!({ "id": self.id, "object": "realtime.transcription_session", "type": "transcription",
            "audio": { "input": input } })
    }
}

/// Reads 16-bit samples in base64; nothing if that is not what the text is.
pub fn samples(text: &str) -> Option<Vec<i16>> {
    let bytes = STANDARD.decode(text).ok()?;
    let whole = bytes.len().is_multiple_of(2);
    whole.then(|| bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// Makes the name of an event, which no other of the session has.
pub fn event_id(number: u64) -> String {
    format!("event_{number:08}")
}

/// Says that something cannot be done.
pub fn error(code: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": "invalid_request_error", "code": code, "message": message } })
}

/// Says what was heard of an item.
pub fn completed(item: &str, transcript: &str, seconds: f64) -> Value {
    json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": item, "content_index": 0,
        "transcript": transcript, "usage": { "type": "duration", "seconds": seconds } })
}

/// Says what was heard more of an item.
pub fn delta(item: &str, text: &str) -> Value {
    json!({ "type": "conversation.item.input_audio_transcription.delta", "item_id": item, "content_index": 0,
        "delta": text })
}

/// Says that an item is whole, and that it is there.
pub fn committed(item: &str, previous: Option<&str>) -> [Value; 2] {
    let content = json!([{ "type": "input_audio", "transcript": null }]);
    let added = json!({ "id": item, "object": "realtime.item", "type": "message", "status": "completed",
        "role": "user", "content": content });
    [
        json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous }),
        json!({ "type": "conversation.item.added", "previous_item_id": previous, "item": added }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_out_of_base64_as_they_went_in() {
        assert_eq!(samples("AQD+/w=="), Some(vec![1, -2]));
        assert_eq!(samples(""), Some(Vec::new()));
        for wrong in ["AQD", "AQ==", "A Q=", "AQD+/x=="] {
            assert_eq!(samples(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn both_ways_to_say_how_to_listen_are_understood() {
        let mut session = Session::new("a".to_owned());
        let new = json!({ "type": "transcription", "audio": { "input": { "turn_detection": null,
            "format": { "type": "audio/pcm", "rate": 24_000 }, "transcription": { "model": "base" } } } });
        assert_eq!(session.update(&new), Ok(()));
        assert!(!session.finds_turns && session.transcription["model"] == "base");
        let old = json!({ "input_audio_format": "pcm16", "turn_detection": { "type": "server_vad" } });
        assert_eq!(session.update(&old), Ok(()));
        assert!(session.finds_turns);
        let phone = json!({ "audio": { "input": { "format": { "type": "audio/pcmu" } } } });
        assert!(session.update(&phone).is_err());
    }
}
