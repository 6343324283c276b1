//! The product's own recogniser: Whisper on the processor, many windows at a time.
//!
//! - **In**: a ggml file as bytes, then requests.
//! - **Out**: the tokens of one decoding pass over each request, as pieces between the model's timestamps.
//! - **Never**: opens a file, carries text from one request to the next, falls back to other settings by itself,
//!   lets one window's text depend on the windows decoded beside it.
//!
//! ```text
//! samples ─mel─► frames ─encoder─► Heard ─┐            ┌─► pieces
//!                                         ▼            │
//!                 session: windows ─► decoder ─logits─► search (rules)
//!                             ▲       one step for all      │
//!                             └──────── next tokens ◄───────┘
//! ```

pub mod align;
pub mod decoder;
pub mod encoder;
pub mod kernels;
mod limits;
pub mod machine;
pub mod mel;
pub mod numbers;
mod pieces;
pub mod probe;
pub mod rules;
pub mod search;
pub mod session;
pub mod team;
mod weights;
mod worker;

pub use kernels::{Level, Precision};
pub use worker::{Reading, Worker};

use std::sync::Arc;

use crate::speech::model::ModelError;
use crate::speech::model::ggml;
use crate::speech::model::tokenizer::Tokenizer;

use decoder::Decoder;
use encoder::Encoder;
use mel::FrontEnd;
use rules::Rules;
use team::Team;
use weights::Source;

/// Why a model could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is damaged or no Whisper model: choose another file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file is sound, but in a number format that is not computed with here: use whisper.cpp.
    #[error("{0:?} has a number format this engine does not read")]
    Format(String),
    /// The machine lacks the instructions asked for: choose another level.
    #[error("this machine has no {0}")]
    Level(&'static str),
}

/// How the engine computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeSettings {
    /// Instructions to use; [`Level::best`] unless something is measured.
    pub level: Level,
    /// Number format of products and caches.
    pub precision: Precision,
    /// Threads per worker, 1 being the fastest per core.
    pub threads: usize,
    /// Whether to find out when each token was spoken; costs one more reading of the text, a few per cent.
    pub token_times: bool,
}

impl NativeSettings {
    /// Returns what is fastest on a level, of the number formats that cost no accuracy.
    ///
    /// Source: own bench, base, seven meetings: 7.84 % of characters are wrong with bf16, with weights of 8 bits, and
    /// with 8 bits for activations too. Without tiles integers of 8 bits are twice as fast as anything else.
    pub fn of(level: Level) -> Self {
        let precision = match level {
            Level::Amx | Level::Portable => Precision::Weights8,
            Level::Avx2 | Level::Avx512 => Precision::Int8,
        };
        Self { level, precision, threads: 1, token_times: false }
    }
}

impl Default for NativeSettings {
    fn default() -> Self {
        Self::of(Level::best())
    }
}

/// Number format of each part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Precisions {
    /// The two convolutions.
    pub convolution: Precision,
    /// Linear layers of the encoder.
    pub encoder: Precision,
    /// Keys and values inside the encoder.
    pub attention: Precision,
    /// Keys and values of the sound, read by every step of the decoder.
    pub cross: Precision,
    /// Linear layers of the decoder.
    pub decoder: Precision,
    /// Keys and values of the text so far.
    pub past: Precision,
    /// The product with the token table at the end.
    pub head: Precision,
}

impl Precisions {
    fn of(precision: Precision) -> Self {
        let all = |it| Self {
            convolution: it,
            encoder: it,
            attention: it,
            cross: it,
            decoder: it,
            past: it,
            head: it,
        };
        match precision {
            Precision::F32 | Precision::Bf16 => all(precision),
            Precision::Weights8 => {
                Self { cross: Precision::Int8, decoder: precision, head: precision, ..all(Precision::Bf16) }
            }
            Precision::Int8 => {
                let (wide, narrow) = (Precision::Bf16, Precision::Int8);
                Self { encoder: narrow, cross: narrow, decoder: narrow, head: narrow, ..all(wide) }
            }
        }
    }
}

/// One loaded model, shared by its workers.
pub struct Native {
    pub(super) shared: Arc<Shared>,
    threads: usize,
}

/// What all workers read and none changes.
pub(super) struct Shared {
    pub front: FrontEnd,
    pub encoder: Encoder,
    pub decoder: Decoder,
    pub rules: Rules,
    pub tokenizer: Tokenizer,
    pub audio_ctx_max: usize,
    /// Heads that follow the sound, if token times are wanted.
    pub alignment: Option<Vec<align::Head>>,
}

impl Native {
    /// Loads a ggml file and packs its weights for the machine.
    ///
    /// Errors: see [`LoadError`].
    pub fn load(bytes: &[u8], settings: NativeSettings) -> Result<Self, LoadError> {
        if !Level::available().contains(&settings.level) {
            return Err(LoadError::Level(settings.level.name()));
        }
        let model = ggml::Model::read(bytes)?;
        let precisions = Precisions::of(settings.precision);
        let source = Source { model: &model, level: settings.level };
        let tokenizer = Tokenizer::new(&model.vocabulary, model.dims.vocab)?;
        let (mut encoder, mut layers, mut head) = (None, None, None);
        // Unpacking and packing is half of the time until the first text: each thread takes a part.
        let parts: [Box<dyn FnOnce() + Send>; 3] = [
            Box::new(|| encoder = Some(Encoder::read(&source, precisions))),
            Box::new(|| head = Some(Decoder::read_head(&source, precisions.head))),
            Box::new(|| layers = Some(Decoder::read_layers(&source, precisions))),
        ];
        Team::new(settings.threads).share(parts, |part, _| part());
        let shared = Shared {
            front: FrontEnd::new(&model.filters),
            encoder: read(encoder)?,
            decoder: Decoder::read(&source, precisions, read(layers)?, read(head)?)?,
            rules: Rules::new(&tokenizer),
            tokenizer,
            audio_ctx_max: model.dims.audio_ctx,
            alignment: settings.token_times.then(|| align::heads(model.dims)),
        };
        Ok(Self { shared: Arc::new(shared), threads: settings.threads })
    }

    /// Makes one worker; workers share the weights and nothing else.
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.shared), self.threads)
    }
}

/// What a part of the loading came to.
fn read<T>(part: Option<Result<T, LoadError>>) -> Result<T, LoadError> {
    part.unwrap_or_else(|| unreachable!("every part is shared out"))
}
