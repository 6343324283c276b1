//! A microphone of the tests: it has heard everything already, and sends it as well or badly as it is told.

use futures_util::{SinkExt as _, StreamExt as _};
use gijiroku::audio::frames::Frame;
use gijiroku::store::Id;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use std::time::Duration;

/// How long anything may take that comes at once.
const SOON: Duration = Duration::from_secs(30);

/// A socket with a token.
pub struct Line(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Line {
    /// Opens a socket, or tells the status it was refused with; 0 if the line broke before.
    pub async fn open(root: &str, path: &str, token: Option<&str>) -> Result<Self, u16> {
        let url = format!("{}{path}", root.replace("http://", "ws://"));
        let mut request = url.into_client_request().expect("it is an address");
        if let Some(token) = token {
            let header = format!("Bearer {token}").parse().expect("it is a header");
            request.headers_mut().insert("authorization", header);
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    /// Says something.
    pub async fn say(&mut self, message: Value) {
        // A line that broke is found by who listens.
        self.0.send(Message::text(message.to_string())).await.ok();
    }

    /// Returns the next message; nothing once the line is closed or broken.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads until a message that fits comes.
    pub async fn hear(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        self.hear_within(SOON, fits).await
    }

    /// Reads until a message that fits comes, for so long.
    pub async fn hear_within(&mut self, patience: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let value = self.next().await.expect("the line is open");
                if fits(&value) {
                    return value;
                }
            }
        };
        tokio::time::timeout(patience, found).await.expect("it comes soon")
    }

    /// Reads until a message of a type comes.
    pub async fn hear_type(&mut self, kind: &str) -> Value {
        self.hear(|value| value["type"] == kind).await
    }
}

/// A microphone on the line.
pub struct Microphone {
    /// The line.
    pub line: Line,
    /// Samples a second.
    pub rate_hz: u32,
    /// Samples the server had when it said welcome.
    pub stored: u64,
    number: u32,
}

impl Microphone {
    /// Connects.
    pub async fn connect(root: &str, live: &str, token: &str, who: (Id, u32)) -> Self {
        Self::on(root, &format!("/v1/live/{live}/record"), token, who).await
    }

    /// Connects by a path of its own choice.
    pub async fn on(root: &str, path: &str, token: &str, (name, rate_hz): (Id, u32)) -> Self {
        let mut line = Line::open(root, path, Some(token)).await.expect("the microphone may connect");
        line.say(json!({ "type": "hello", "stream": name, "rate_hz": rate_hz, "protocol": 1 })).await;
        let welcome = line.hear_type("welcome").await;
        let stored = welcome["stored"].as_u64().expect("a number");
        Self { line, rate_hz, stored, number: 0 }
    }

    /// Writes the bytes of a frame: a tenth of a second from a place on, or less at the end.
    pub fn frame(&mut self, sound: &[i16], from: u64) -> Vec<u8> {
        let from_index = usize::try_from(from).expect("tests are short");
        let until = (from_index + self.rate_hz as usize / 10).min(sound.len());
        let samples = sound[from_index..until].to_vec();
        let frame = Frame { number: self.number, first_sample: from, hole_before: false, samples };
        self.number += 1;
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes
    }

    /// Sends bytes; whether they arrive is another matter.
    pub async fn send(&mut self, bytes: Vec<u8>) {
        self.line.0.send(Message::binary(bytes)).await.ok();
    }

    /// Sends everything from a place up to another.
    pub async fn send_all(&mut self, sound: &[i16], from: u64, until: u64) {
        let mut place = from;
        while place < until {
            let frame = self.frame(&sound[..usize::try_from(until).expect("tests are short")], place);
            self.send(frame).await;
            place += u64::from(self.rate_hz) / 10;
        }
    }

    /// Waits until so much is on the server's disk.
    pub async fn stored(&mut self, samples: u64) {
        let fits = |value: &Value| value["type"] == "stored" && value["samples"].as_u64() >= Some(samples);
        self.line.hear(fits).await;
    }

    /// Says that this was all, and waits until all of it is on the server's disk.
    pub async fn end(&mut self, samples: u64) {
        self.line.say(json!({ "type": "end", "samples": samples })).await;
        self.line.hear_type("ended").await;
    }
}

/// Makes sound that differs in every place: no two stretches of it can be mistaken for each other.
pub fn noise(samples: usize) -> Vec<i16> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 48) as i16 / 4
    };
    (0..samples).map(step).collect()
}
