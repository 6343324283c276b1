//! Sound becomes timed words.
//!
//! - **In**: 16 kHz mono samples and the spans in which somebody speaks.
//! - **Out**: segments of words with times and confidence; gaps and removed text, always said.
//! - **Never**: opens a file (weights come as bytes, but for `whisper.rs`), reads a clock, drops text silently.

pub mod assemble;
pub mod attempt;
mod backend;
pub mod capacity;
pub mod detect;
pub mod diarize;
pub mod engine;
pub mod enrol;
pub mod live;
pub mod longform;
pub mod model;
pub mod naming;
pub mod native;
pub mod render;
pub mod schedule;
pub mod score;
pub mod segmentation;
pub mod settle;
pub mod transcript;
pub mod vocabulary;
pub mod voice;
pub mod voiceprint;
pub mod whisper;
pub mod window;

pub use backend::Backend;
pub use schedule::{Due, Level, Urgency};

/// Most samples one request may carry: 30 s, the span of Whisper's encoder.
pub const REQUEST_SAMPLES_MAX: usize = 480_000;

/// Most prompt tokens one request may carry.
pub const PROMPT_TOKENS_MAX: usize = 224;

/// A spoken language the product can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
    /// Whatever the model hears in this window.
    Auto,
}

/// How hard the recogniser tries.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Effort {
    /// Hypotheses kept side by side, 1 (greedy) to 8.
    pub beam: u8,
    /// Softmax temperature: 0 = always the likeliest token, at most 1.
    pub temperature: f32,
    /// Encoder frames of 20 ms to compute, 64 to 1500; the sound must fit: `samples <= 320 * audio_ctx`.
    pub audio_ctx: u16,
    /// Most tokens to write before giving up, 1 to 224.
    pub tokens_max: u16,
}

/// Most hypotheses side by side (`WHISPER_MAX_DECODERS`).
const BEAM_MAX: u8 = 8;
/// Most tokens one pass may be asked for: half of the model's text positions.
const TOKENS_MAX: u16 = 224;

impl Effort {
    /// Passes what every recogniser can do; whether the sound fits `audio_ctx` is for each to say.
    ///
    /// Errors: [`RecognizeError::BadRequest`] with the first value outside its range.
    pub fn check(&self) -> Result<(), RecognizeError> {
        let refuse = |what: String| Err(RecognizeError::BadRequest(what));
        if !(1..=BEAM_MAX).contains(&self.beam) {
            return refuse(format!("beam {}, 1 to {BEAM_MAX} allowed", self.beam));
        }
        if !(0.0..=1.0).contains(&self.temperature) {
            return refuse(format!("temperature {}, 0 to 1 allowed", self.temperature));
        }
        if !(1..=TOKENS_MAX).contains(&self.tokens_max) {
            return refuse(format!("tokens_max {}, 1 to {TOKENS_MAX} allowed", self.tokens_max));
        }
        Ok(())
    }
}

/// One call of a recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// 16 kHz mono in [-1, 1], at most [`REQUEST_SAMPLES_MAX`].
    pub samples: Vec<f32>,
    /// The language spoken.
    pub language: Language,
    /// What was said or is likely to be said, as tokens of the model; at most [`PROMPT_TOKENS_MAX`].
    pub prompt: Vec<u32>,
    /// How hard to try.
    pub effort: Effort,
    /// How soon it is wanted.
    pub due: Due,
}

/// One text token as the model wrote it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Token {
    /// Number in the model's vocabulary.
    pub id: u32,
    /// Bytes it stands for: not always whole UTF-8 characters.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability, at most 0.
    pub log_prob: f32,
}

/// A run of tokens between two timestamps of the model.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Piece {
    /// Start within the request, milliseconds.
    pub start_ms: u64,
    /// End within the request, milliseconds; never before `start_ms`.
    pub end_ms: u64,
    /// Its text tokens in order, without timestamps and specials.
    pub tokens: Vec<Token>,
}

/// What a recogniser heard in one request.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recognition {
    /// The language used; the one heard if the request said [`Language::Auto`] (two-letter code).
    pub language: String,
    /// Pieces in the order of time.
    pub pieces: Vec<Piece>,
    /// How often the encoder ran for this request: the larger part of its cost.
    pub passes: u32,
}

impl Recognition {
    /// Returns all text as written; bytes that are no UTF-8 are halves of characters at a cut and are left out.
    pub fn text(&self) -> String {
        let tokens = self.pieces.iter().flat_map(|piece| &piece.tokens);
        let bytes: Vec<u8> = tokens.flat_map(|token| token.bytes.iter().copied()).collect();
        bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
    }

    /// Returns how many text tokens were written in one pass, on average: what the decoder's limit applies to.
    pub fn tokens_per_pass(&self) -> usize {
        let tokens: usize = self.pieces.iter().map(|piece| piece.tokens.len()).sum();
        tokens / self.passes.max(1) as usize
    }
}

/// Why a request gave no recognition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "detail")]
pub enum RecognizeError {
    /// The request breaks a limit of [`Request`]: the caller has a defect; do not retry.
    #[error("request refused: {0}")]
    BadRequest(String),
    /// The recogniser failed on this sound: retry once with other effort, then mark a gap.
    #[error("recogniser failed: {0}")]
    Failed(String),
    /// The caller asked to stop.
    #[error("recognition was cancelled")]
    Cancelled,
}

/// One answer: the number its request joined with, and what was heard.
pub type Answer = (u64, Result<Recognition, RecognizeError>);

/// Turns windows of sound into pieces of text. Two homes: whisper.cpp and our own engine.
///
/// State: requests join, [`Recognizer::advance`] takes them on bit by bit, and each leaves with its answer. Nothing
/// else is kept from one request to the next, and no answer depends on the requests beside it.
pub trait Recognizer: Send {
    /// Tells whether a request like this may join now; when idle, always.
    fn has_room(&self, request: &Request) -> bool;

    /// Lets a request join; `id` names its answer. Cheap.
    ///
    /// Errors: [`RecognizeError::BadRequest`]; nothing joined then.
    fn join(&mut self, id: u64, request: Request) -> Result<(), RecognizeError>;

    /// Sends a request away without an answer; tells whether it was here.
    fn leave(&mut self, id: u64) -> bool;

    /// Tells whether nothing has joined.
    fn is_idle(&self) -> bool;

    /// Does a little of the most urgent work, then returns, so that whoever is more urgent may join.
    ///
    /// Errors, in the answers: see [`RecognizeError`]; the recogniser stays usable after each of them.
    fn advance(&mut self) -> Vec<Answer>;

    /// Recognises several requests side by side; one answer a request, in their order.
    fn recognize_all(&mut self, requests: &[Request]) -> Vec<Result<Recognition, RecognizeError>> {
        let mut answers: Vec<_> = requests.iter().map(|_| Err(RecognizeError::Cancelled)).collect();
        let mut waiting = requests.iter().zip(0..).peekable();
        loop {
            while let Some((request, id)) = waiting.next_if(|(request, _)| self.has_room(request)) {
                if let Err(error) = self.join(id, request.clone()) {
                    answers[id as usize] = Err(error);
                }
            }
            if self.is_idle() && waiting.peek().is_none() {
                return answers;
            }
            for (id, answer) in self.advance() {
                answers[id as usize] = answer;
            }
        }
    }

    /// Recognises one request; blocks for as long as it takes.
    fn recognize(&mut self, request: &Request) -> Result<Recognition, RecognizeError> {
        self.recognize_all(std::slice::from_ref(request)).pop().unwrap_or(Err(RecognizeError::Cancelled))
    }
}

/// Why a stretch has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The recogniser crashed, hung or failed on it, twice more when retried alone.
    RecognizerFailed,
}
