//! The wire format between a parent and its engine child. Pure: bytes in, frames out, and back.
//!
//! ```text
//! len u32 LE │ kind u8 │ id u64 LE │ payload          len counts kind, id and payload
//! ```
//!
//! Payloads are JSON, but for the sound of a request: its samples follow the JSON as f32 LE.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::speech::schedule::Due;
use crate::speech::{Backend, Effort, Language, Recognition, RecognizeError, Request};

/// Number of this protocol; both sides must have the same.
pub const PROTOCOL: u32 = 2;
/// Longest frame: 30 s of f32 are 1.92 MB.
pub const FRAME_BYTES_MAX: usize = 2 << 20;
/// Bytes of kind and id.
const HEAD_BYTES: usize = 9;

/// What a parent says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Must be [`PROTOCOL`].
    pub protocol: u32,
    /// Path of the ggml file.
    pub model: std::path::PathBuf,
    /// What its bytes must hash to, lower-case hexadecimal.
    pub sha256: String,
    /// Which recogniser to use.
    pub backend: Backend,
    /// Threads that compute.
    pub threads: u16,
}

impl Hello {
    /// Returns how many windows of one urgency the child may have at once.
    pub fn slots(&self) -> usize {
        usize::from(self.threads) * usize::from(self.backend.windows_per_thread())
    }

    /// Returns how many windows the child may have at once, of all three urgencies.
    pub fn windows_max(&self) -> usize {
        3 * self.slots()
    }
}

/// What a child answers when its model is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Must be [`PROTOCOL`].
    pub protocol: u32,
    /// What computes, and on which instructions.
    pub backend: String,
}

/// Something one side tells the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Parent: begin.
    Hello(Hello),
    /// Child: the model is loaded.
    Ready(Ready),
    /// Child: it cannot be loaded; the child ends.
    Unfit(String),
    /// Parent: recognise.
    Recognize(u64, Request),
    /// Child: here is the answer.
    Done(u64, Recognition),
    /// Child: there is none.
    Failed(u64, RecognizeError),
    /// Parent: nobody wants this window any more; it is answered with [`RecognizeError::Cancelled`], if at all.
    Cancel(u64),
    /// Parent: are you there?
    Ping(u64),
    /// Child: yes. It proves the pipe, not the workers.
    Pong(u64),
    /// Parent: end when the current work is done.
    Stop,
}

/// Why bytes are no frame; whoever reads one ends the conversation.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`FRAME_BYTES_MAX`] or shorter than its head.
    #[error("a frame of {0} bytes")]
    Length(usize),
    /// A kind nobody knows.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// The payload is not what the kind promises.
    #[error("a frame of kind {kind} with a bad payload: {problem}")]
    Payload {
        /// The kind.
        kind: u8,
        /// What is wrong.
        problem: String,
    },
    /// The pipe broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
struct Question {
    language: Language,
    prompt: Vec<u32>,
    effort: Effort,
    due: Due,
    samples: usize,
}

/// Writes a frame and flushes.
///
/// Errors: those of the writer.
pub fn write(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let bytes = encode(frame);
    out.write_all(&bytes)?;
    out.flush()
}

/// Reads the next frame; `None` at the end of the stream.
///
/// Errors: see [`FrameError`]; the stream cannot be used after one.
pub fn read(input: &mut impl Read) -> Result<Option<Frame>, FrameError> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if !(HEAD_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    decode(&body).map(Some)
}

fn encode(frame: &Frame) -> Vec<u8> {
    let (kind, id, payload) = match frame {
        Frame::Hello(hello) => (1, 0, json(hello)),
        Frame::Ready(ready) => (2, 0, json(ready)),
        Frame::Unfit(reason) => (3, 0, json(reason)),
        Frame::Recognize(id, request) => (4, *id, question(request)),
        Frame::Done(id, recognition) => (5, *id, json(recognition)),
        Frame::Failed(id, error) => (6, *id, json(error)),
        Frame::Ping(id) => (7, *id, Vec::new()),
        Frame::Pong(id) => (8, *id, Vec::new()),
        Frame::Stop => (9, 0, Vec::new()),
        Frame::Cancel(id) => (10, *id, Vec::new()),
    };
    let mut bytes = Vec::with_capacity(4 + HEAD_BYTES + payload.len());
    bytes.extend(((HEAD_BYTES + payload.len()) as u32).to_le_bytes());
    bytes.push(kind);
    bytes.extend(u64::to_le_bytes(id));
    bytes.extend(payload);
    bytes
}

fn decode(body: &[u8]) -> Result<Frame, FrameError> {
    let (head, payload) = body.split_at(HEAD_BYTES);
    let kind = head[0];
    let id = u64::from_le_bytes(head[1..].try_into().expect("the head holds eight bytes of id"));
    match kind {
        1 => parsed(kind, payload).map(Frame::Hello),
        2 => parsed(kind, payload).map(Frame::Ready),
        3 => parsed(kind, payload).map(Frame::Unfit),
        4 => request(payload).map(|request| Frame::Recognize(id, request)),
        5 => parsed(kind, payload).map(|recognition| Frame::Done(id, recognition)),
        6 => parsed(kind, payload).map(|error| Frame::Failed(id, error)),
        7 => Ok(Frame::Ping(id)),
        8 => Ok(Frame::Pong(id)),
        9 => Ok(Frame::Stop),
        10 => Ok(Frame::Cancel(id)),
        unknown => Err(FrameError::Kind(unknown)),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs of text and numbers are always JSON")
}

fn parsed<'a, T: Deserialize<'a>>(kind: u8, payload: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(payload).map_err(|error| bad(kind, error))
}

fn bad(kind: u8, problem: impl ToString) -> FrameError {
    FrameError::Payload { kind, problem: problem.to_string() }
}

fn question(request: &Request) -> Vec<u8> {
    let mut payload = json(&Question {
        language: request.language,
        prompt: request.prompt.clone(),
        effort: request.effort,
        due: request.due,
        samples: request.samples.len(),
    });
    payload.push(b'\n');
    payload.extend(request.samples.iter().flat_map(|sample| sample.to_le_bytes()));
    payload
}

fn request(payload: &[u8]) -> Result<Request, FrameError> {
    let end = payload.iter().position(|byte| *byte == b'\n').ok_or_else(|| bad(4, "no line feed"))?;
    let question: Question = parsed(4, &payload[..end])?;
    let sound = &payload[end + 1..];
    if question.samples.checked_mul(4) != Some(sound.len()) {
        return Err(bad(4, format!("{} samples in {} bytes", question.samples, sound.len())));
    }
    let samples =
        sound.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect();
    let Question { language, prompt, effort, due, .. } = question;
    Ok(Request { samples, language, prompt, effort, due })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::speech::schedule::Urgency;

    fn frames() -> Vec<Frame> {
        let effort = Effort { beam: 5, temperature: 0.25, audio_ctx: 640, tokens_max: 96 };
        let request = Request {
            samples: vec![0.5, -0.25, 1e-9],
            language: Language::Ja,
            prompt: vec![1, 50_000],
            effort,
            due: Due { urgency: Urgency::Final, by_ms: 1_500 },
        };
        vec![
            Frame::Hello(Hello {
                protocol: 1,
                model: "m.bin".into(),
                sha256: "ab".into(),
                backend: Backend::Native,
                threads: 2,
            }),
            Frame::Ready(Ready { protocol: 1, backend: "AVX2 = 1".into() }),
            Frame::Unfit("no such file".into()),
            Frame::Recognize(7, request),
            Frame::Done(7, Recognition { language: "ja".into(), pieces: vec![], passes: 1 }),
            Frame::Failed(8, RecognizeError::Failed("code -6".into())),
            Frame::Ping(u64::MAX),
            Frame::Pong(0),
            Frame::Stop,
            Frame::Cancel(7),
        ]
    }

    #[test]
    fn every_frame_comes_back_as_it_was_sent() {
        let mut pipe = Vec::new();
        for frame in frames() {
            write(&mut pipe, &frame).expect("memory is never full");
        }
        let mut input = pipe.as_slice();
        for frame in frames() {
            assert_eq!(read(&mut input).expect("well formed"), Some(frame));
        }
        assert_eq!(read(&mut input).expect("the end"), None);
    }

    #[test]
    fn a_frame_that_claims_to_be_huge_is_refused_before_memory_is_taken() {
        let claim = [0xff, 0xff, 0xff, 0x7f, 1];
        assert!(matches!(read(&mut claim.as_slice()), Err(FrameError::Length(_))));
    }

    #[test]
    fn a_request_with_missing_sound_is_refused() {
        let mut bytes = encode(&frames()[3]);
        bytes.truncate(bytes.len() - 4);
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(read(&mut bytes.as_slice()), Err(FrameError::Payload { kind: 4, .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut input = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut input) {}
        }

        #[test]
        fn a_flipped_byte_never_makes_the_reader_panic(at in 0usize..200, value in any::<u8>()) {
            let mut bytes: Vec<u8> = frames().iter().flat_map(encode).collect();
            let index = at % bytes.len();
            bytes[index] = value;
            let mut input = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut input) {}
        }
    }
}
