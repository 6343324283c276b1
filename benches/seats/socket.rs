//! The client's side of a WebSocket, as small as a load needs it: text, pings and an orderly close.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Bytes kept of what has arrived; messages are short.
const BUFFER_BYTES: usize = 512;
/// Longest answer to the opening.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// A key that is always the same: whether a proxy stands between is not what is measured.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open socket.
pub struct Socket(BufReader<TcpStream>);

fn odd(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}

impl Socket {
    /// Opens the socket of the seats for whoever has the token.
    pub async fn open(address: &str, secret: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        let asked = format!(
            "GET /v1/seats/live HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {secret}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        stream.write_all(asked.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
            if head.len() > HEAD_BYTES_MAX {
                return Err(odd("an endless answer"));
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let first = head.lines().next().unwrap_or_default();
        if first.contains(" 101 ") { Ok(Self(stream)) } else { Err(odd(first)) }
    }

    /// Says something.
    pub async fn say(&mut self, text: &str) -> Result<(), Error> {
        self.send(TEXT, text.as_bytes()).await
    }

    /// Says goodbye in order.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.send(CLOSE, &1000_u16.to_be_bytes()).await
    }

    async fn send(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                let length = u16::try_from(payload.len()).map_err(|_| odd("too long"))?;
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        // A mask of zeros changes nothing and is one.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).await
    }

    /// Waits for the next text; pings before it are answered.
    ///
    /// Errors: the server closed the socket; its words are the error.
    pub async fn hear(&mut self) -> Result<String, Error> {
        loop {
            let kind = self.0.read_u8().await? & 0x0f;
            let length = match self.0.read_u8().await? & 0x7f {
                126 => usize::from(self.0.read_u16().await?),
                127 => return Err(odd("a message beyond all measure")),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await?;
            match kind {
                TEXT => return String::from_utf8(payload).map_err(|_| odd("no text")),
                PING => self.send(PONG, &payload).await?,
                CLOSE => return Err(odd(format!("closed: {}", String::from_utf8_lossy(&payload)))),
                _ => {}
            }
        }
    }
}
