//! Weights from one published form to the other.
//!
//! - **In**: a CTranslate2 container and its `tokenizer.json`, as bytes; or a ggml file; or a checkpoint of torch.
//! - **Out**: a ggml file on a writer; its sizes, vocabulary and tensors, borrowed; a tokenizer; a safetensors file.
//! - **Never**: opens a file, trusts a size it has read, allocates by it, or repairs what does not fit.
//!
//! ```text
//! model.bin ─ctranslate2─► Container ─┐
//! tokenizer.json ─tokenizer─► tokens ─┼─layout─► quant ─► ggml::Writer ─► file
//!                   mel (computed) ───┘                                    │
//!                                        tokenizer, engine ◄─ ggml::Model ─┘
//! ```

pub mod checkpoint;
pub mod ctranslate2;
mod cursor;
pub mod ggml;
pub mod layout;
pub mod mel;
mod pickle;
pub mod quant;
pub mod synthetic;
pub mod tensors;
pub mod tokenizer;

#[cfg(test)]
mod tests;

use std::io::Write;

use ctranslate2::{Container, ENCODER_POSITIONS, Stored, Variable};
use layout::{Dims, Origin, TensorSpec};
use quant::Format;

/// Values converted at a time; a multiple of every block format's length.
const CHUNK_VALUES: usize = 16_384;

/// How far stored encoder positions may lie from the formula: bf16 rounds by up to 2^-9.
const POSITIONS_ERROR_MAX: f32 = 0.004;

/// How an imported model stores its matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision; only for comparisons.
    F32,
    /// Half precision: the source's own, exact.
    F16,
    /// The upper half of a single: fastest where the processor multiplies it, the default.
    Bf16,
    /// Eight bits with a scale per 32: half the memory of the others.
    #[serde(rename = "q8_0")]
    Q8_0,
}

impl Precision {
    /// Returns the format of the matrices.
    pub fn format(self) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 => Format::F16,
            Self::Bf16 => Format::Bf16,
            Self::Q8_0 => Format::Q8_0,
        }
    }
}

/// Why weights were refused. Nothing is retried: the file must be replaced.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The input ends too early: a download or copy was cut short.
    #[error("the file ends inside {what}, after {offset} bytes")]
    Cut {
        /// What was being read.
        what: &'static str,
        /// The input's length in bytes.
        offset: usize,
    },
    /// The input goes on behind its end.
    #[error("{bytes} bytes follow the end of the model")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A checkpoint whose description of itself is not one this program reads.
    #[error("not a checkpoint that can be read: {0}")]
    Pickle(String),
    /// Not a ggml file.
    #[error("not a ggml model: it begins with {found:#010x}")]
    Magic {
        /// The first four bytes.
        found: u32,
    },
    /// A ggml file in a format not known here.
    #[error("ggml file type {found} is not known: f32, f16, bf16, q4_0, q4_1, q5_0, q5_1 and q8_0 are")]
    FileType {
        /// The header's number.
        found: u32,
    },
    /// A file whisper.cpp would abort on: convert again with another precision.
    #[error("f32 models cannot run: take f16, bf16 or q8_0")]
    SinglePrecision,
    /// Not a container, or one of another version.
    #[error("CTranslate2 container version {found} is not known: 6 is")]
    ContainerVersion {
        /// The first four bytes.
        found: u32,
    },
    /// A container of another kind of model.
    #[error("the container holds a {found:?}, not a WhisperSpec")]
    Specification {
        /// The name it carries.
        found: String,
    },
    /// A container of another revision.
    #[error("revision {found} of WhisperSpec is not known: 3 is")]
    Revision {
        /// The number it carries.
        found: u32,
    },
    /// A count above its limit.
    #[error("{found} {what}: at most {max} are allowed")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The count found.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A text that is not UTF-8 or has no end.
    #[error("{what} is not a readable text")]
    Text {
        /// Which text.
        what: &'static str,
    },
    /// Two entries of one name.
    #[error("{name:?} appears twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Integer weights, which cannot be converted without loss.
    #[error(
        "{name:?} holds integer (int8 or int16) weights: take the f16, bf16 or f32 conversion of this model"
    )]
    Quantised {
        /// The first such tensor.
        name: String,
    },
    /// A number format that is unknown, or not the one this tensor must have.
    #[error("{name:?} has number format {found}, which it cannot have")]
    DataType {
        /// The tensor.
        name: String,
        /// The format's number.
        found: u32,
    },
    /// A tensor or setting that must be there.
    #[error("{name:?} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor no Whisper model has.
    #[error("{name:?} belongs to no Whisper model")]
    Unexpected {
        /// Its name.
        name: String,
    },
    /// A tensor with another number of sizes.
    #[error("{name:?} has shape {found:?}, not {expected} sizes")]
    Rank {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many sizes it must have.
        expected: usize,
    },
    /// A tensor of another shape.
    #[error("{name:?} has shape {found:?}, not {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it must have.
        expected: Vec<usize>,
    },
    /// A byte count that contradicts the shape.
    #[error("{name:?} has {found} bytes, which shape {shape:?} does not explain")]
    Length {
        /// The tensor.
        name: String,
        /// The byte count found.
        found: usize,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A setting that makes another model of it.
    #[error("setting {name:?} is {found:?}, not {expected}")]
    Setting {
        /// The setting.
        name: String,
        /// Its value, if it is a number.
        found: Option<i64>,
        /// The value it must have.
        expected: i64,
    },
    /// A size no multilingual Whisper model has.
    #[error("{what}: {found}, expected {expected}")]
    Size {
        /// Which size.
        what: &'static str,
        /// Its value.
        found: usize,
        /// What is allowed, in words.
        expected: &'static str,
    },
    /// A bias of attention keys: Whisper has none, and the ggml file no place for it.
    #[error("{name:?} has a key bias of {largest}, where Whisper has none")]
    KeyBias {
        /// The fused bias.
        name: String,
        /// The largest magnitude found.
        largest: f32,
    },
    /// Encoder positions that are not Whisper's sine table.
    #[error("encoder positions differ from Whisper's by {largest}")]
    Positions {
        /// The largest difference.
        largest: f32,
    },
    /// A weight that is infinite or no number, or becomes so in the format asked for.
    #[error("{name:?} holds values that are not finite in this precision")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// A vocabulary that is not Whisper's.
    #[error("vocabulary: {0}")]
    Vocabulary(String),
    /// The output failed: disk full, for instance. The input is not to blame.
    #[error("the model could not be written")]
    Write(#[source] std::io::Error),
}

/// Converts a CTranslate2 Whisper model to a ggml file.
///
/// Shape: everything is checked before the first byte is written, but for [`ModelError::NotFinite`].
/// Range: the same input gives the same bytes on every machine.
/// Errors: see [`ModelError`]; the output is worthless after any of them.
pub fn import(
    container: &[u8],
    tokenizer_json: &[u8],
    precision: Precision,
    out: impl Write,
) -> Result<Dims, ModelError> {
    let container = Container::read(container)?;
    refuse_key_biases(&container)?;
    refuse_other_positions(&container)?;
    let vocabulary = tokenizer::vocabulary_from_json(tokenizer_json)?;
    let mut writer = ggml::Writer::start(out, container.dims, precision, &vocabulary)?;
    for spec in layout::tensors(container.dims) {
        let format = writer.tensor(&spec)?;
        match &spec.origin {
            Origin::Sinusoids => writer.data(&single_bytes(&sinusoids(container.dims)))?,
            Origin::Rows { variable, part, parts } => {
                let (stored, bytes) = rows(container.variable(variable)?, *part, *parts);
                copy_weights(&mut writer, &spec, (stored, bytes), format)?;
            }
        }
    }
    writer.finish()?;
    Ok(container.dims)
}

fn refuse_key_biases(container: &Container<'_>) -> Result<(), ModelError> {
    for (name, part, parts) in layout::key_biases(container.dims) {
        let (stored, bytes) = rows(container.variable(&name)?, part, parts);
        let mut values = Vec::new();
        stored.decode(bytes, &mut values);
        // Not a number must not slip through: `max` would ignore it.
        let largest = values.iter().map(|value| value.abs()).max_by(f32::total_cmp).unwrap_or_default();
        if largest != 0.0 {
            return Err(ModelError::KeyBias { name, largest });
        }
    }
    Ok(())
}

fn refuse_other_positions(container: &Container<'_>) -> Result<(), ModelError> {
    let (stored, bytes) = rows(container.variable(ENCODER_POSITIONS)?, 0, 1);
    let mut values = Vec::new();
    stored.decode(bytes, &mut values);
    let computed = sinusoids(container.dims);
    let differences = values.iter().zip(&computed).map(|(stored, computed)| (stored - computed).abs());
    let largest = differences.max_by(f32::total_cmp).unwrap_or_default();
    // Written so that a NaN is refused too.
    if largest <= POSITIONS_ERROR_MAX { Ok(()) } else { Err(ModelError::Positions { largest }) }
}

/// Borrows one of `parts` equal runs of rows; the container has checked that they exist.
fn rows<'a>(variable: &Variable<'a>, part: usize, parts: usize) -> (Format, &'a [u8]) {
    let Stored::Float(format) = variable.stored else {
        unreachable!("Container::read refuses integer tensors")
    };
    let length = variable.data.len() / parts;
    (format, &variable.data[part * length..(part + 1) * length])
}

fn copy_weights(
    writer: &mut ggml::Writer<impl Write>,
    spec: &TensorSpec,
    (stored, bytes): (Format, &[u8]),
    format: Format,
) -> Result<(), ModelError> {
    let chunk_bytes = stored.bytes(CHUNK_VALUES).expect("a chunk is small");
    let (mut values, mut encoded, mut back) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in bytes.chunks(chunk_bytes) {
        values.clear();
        encoded.clear();
        back.clear();
        stored.decode(chunk, &mut values);
        format.encode(&values, &mut encoded);
        format.decode(&encoded, &mut back);
        // Read back what was written: half precision overflows at 65,520 where the source may not.
        if values.iter().chain(&back).any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite { name: spec.name.clone() });
        }
        writer.data(&encoded)?;
    }
    Ok(())
}

/// Computes the encoder's positions: sines in the left half of the columns, cosines in the right.
///
/// Source: Whisper, `sinusoids()`: wave lengths in geometric progression from 2π to 20,000π. Computed in
/// double precision, so that every machine rounds to the same single.
fn sinusoids(dims: Dims) -> Vec<f32> {
    let half = dims.state / 2;
    let step = 10_000_f64.ln() / (half - 1) as f64;
    let mut table = Vec::with_capacity(dims.audio_ctx * dims.state);
    for position in 0..dims.audio_ctx {
        let angle = |column: usize| position as f64 * (-step * column as f64).exp();
        table.extend((0..half).map(|column| angle(column).sin() as f32));
        table.extend((0..half).map(|column| angle(column).cos() as f32));
    }
    table
}

fn single_bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * 4);
    Format::F32.encode(values, &mut bytes);
    bytes
}
