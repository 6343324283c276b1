//! Reads the CTranslate2 container, version 6, as it holds a Whisper model.

use std::collections::{BTreeMap, BTreeSet};

use super::cursor::Cursor;
use super::layout::{self, Dims, LAYERS_MAX, Origin};
use super::{ModelError, quant::Format};

/// The only container version this reader knows.
const VERSION: u32 = 6;

/// Name of Whisper's model specification inside the container.
const SPEC: &str = "WhisperSpec";

/// The only revision of [`SPEC`] this reader knows.
const REVISION: u32 = 3;

/// Most variables and most aliases: large-v3 has about 1,000 variables and one alias.
const ENTRIES_MAX: usize = 4_096;

/// Most sizes of one variable: a convolution kernel has three.
const RANK_MAX: u8 = 4;

/// Settings that change what a model computes, with the value Whisper has. Source: CTranslate2's WhisperSpec;
/// activation 3 is GELU.
const SETTINGS: [(&str, i64); 5] = [
    ("decoder/activation", 3),
    ("decoder/pre_norm", 1),
    ("decoder/alibi", 0),
    ("decoder/scale_embeddings", 0),
    ("decoder/start_from_zero_embedding", 0),
];

/// Name of the stored encoder positions, which the importer computes anew.
pub(super) const ENCODER_POSITIONS: &str = "encoder/position_encodings/encodings";

/// Tells a container from a ggml file by its first bytes.
pub fn is_container(bytes: &[u8]) -> bool {
    bytes.starts_with(&VERSION.to_le_bytes())
}

/// One named value of the container, borrowed from its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable<'a> {
    /// Sizes, outermost first; empty for a single setting.
    pub shape: Vec<usize>,
    /// How its values are stored.
    pub stored: Stored,
    /// The values, exactly as many bytes as shape and storage need.
    pub data: &'a [u8],
}

/// How the container stores values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Weights in a format the importer reads.
    Float(Format),
    /// Signed integers of this many bytes: settings, or quantised weights, which are refused.
    Integer(usize),
}

impl Stored {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Float(Format::F32),
            1 => Self::Integer(1),
            2 => Self::Integer(2),
            3 => Self::Integer(4),
            4 => Self::Float(Format::F16),
            5 => Self::Float(Format::Bf16),
            _ => return None,
        })
    }

    fn bytes(self, values: usize) -> Option<usize> {
        match self {
            Self::Float(format) => format.bytes(values),
            Self::Integer(width) => values.checked_mul(width),
        }
    }
}

/// A Whisper model in a container whose every tensor has been checked.
#[derive(Debug, Clone)]
pub struct Container<'a> {
    /// The model's sizes.
    pub dims: Dims,
    variables: BTreeMap<&'a str, Variable<'a>>,
}

impl<'a> Container<'a> {
    /// Reads and checks a whole container; weights stay where they are.
    ///
    /// Errors: each kind of damage has its own [`ModelError`]; quantised weights are [`ModelError::Quantised`].
    /// Source: layout as written by CTranslate2 3 and 4, all numbers little-endian.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let variables = read_variables(bytes)?;
        refuse_quantised(&variables)?;
        let dims = dims(&variables)?;
        check_settings(&variables, dims)?;
        check_tensors(&variables, dims)?;
        Ok(Self { dims, variables })
    }

    /// Borrows a variable.
    ///
    /// Errors: [`ModelError::Missing`].
    pub fn variable(&self, name: &str) -> Result<&Variable<'a>, ModelError> {
        find(&self.variables, name)
    }
}

/// Reads the container's shell: every variable, and aliases, which must point to one of them.
fn read_variables(bytes: &[u8]) -> Result<BTreeMap<&str, Variable<'_>>, ModelError> {
    let mut cursor = Cursor::new(bytes);
    read_header(&mut cursor)?;
    let mut variables = BTreeMap::new();
    for _ in 0..cursor.count("container variables", ENTRIES_MAX)? {
        let name = read_text(&mut cursor, "a variable's name")?;
        let variable = read_variable(&mut cursor, name)?;
        if variables.insert(name, variable).is_some() {
            return Err(ModelError::Duplicate { name: name.to_owned() });
        }
    }
    for _ in 0..cursor.count("container aliases", ENTRIES_MAX)? {
        let alias = read_text(&mut cursor, "an alias")?;
        let target = read_text(&mut cursor, "an alias's target")?;
        if variables.contains_key(alias) {
            return Err(ModelError::Duplicate { name: alias.to_owned() });
        }
        find(&variables, target)?;
    }
    cursor.finish()?;
    Ok(variables)
}

fn read_header(cursor: &mut Cursor<'_>) -> Result<(), ModelError> {
    let found = cursor.u32("the container's version")?;
    if found != VERSION {
        return Err(ModelError::ContainerVersion { found });
    }
    let found = read_text(cursor, "the specification's name")?;
    if found != SPEC {
        return Err(ModelError::Specification { found: found.to_owned() });
    }
    let found = cursor.u32("the specification's revision")?;
    if found != REVISION {
        return Err(ModelError::Revision { found });
    }
    Ok(())
}

/// Reads a length that counts a closing NUL, then the text.
fn read_text<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<&'a str, ModelError> {
    let length = cursor.u16(what)?;
    let bytes = cursor.take(usize::from(length), what)?;
    let text = bytes.strip_suffix(&[0]).ok_or(ModelError::Text { what })?;
    std::str::from_utf8(text).map_err(|_| ModelError::Text { what })
}

fn read_variable<'a>(cursor: &mut Cursor<'a>, name: &str) -> Result<Variable<'a>, ModelError> {
    let rank = cursor.u8("a variable's rank")?;
    if rank > RANK_MAX {
        return Err(ModelError::TooMany {
            what: "sizes of a variable",
            found: rank.into(),
            max: RANK_MAX.into(),
        });
    }
    let mut shape = Vec::with_capacity(rank.into());
    for _ in 0..rank {
        shape.push(cursor.u32("a variable's sizes")? as usize);
    }
    let code = cursor.u8("a variable's type")?;
    let stored = Stored::from_code(code)
        .ok_or_else(|| ModelError::DataType { name: name.to_owned(), found: code.into() })?;
    let found = cursor.u32("a variable's length")? as usize;
    let values = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if values.and_then(|values| stored.bytes(values)) != Some(found) {
        return Err(ModelError::Length { name: name.to_owned(), found, shape });
    }
    let data = cursor.take(found, "a variable's values")?;
    Ok(Variable { shape, stored, data })
}

fn find<'m, 'a>(
    variables: &'m BTreeMap<&'a str, Variable<'a>>,
    name: &str,
) -> Result<&'m Variable<'a>, ModelError> {
    variables.get(name).ok_or_else(|| ModelError::Missing { name: name.to_owned() })
}

fn refuse_quantised(variables: &BTreeMap<&str, Variable<'_>>) -> Result<(), ModelError> {
    let quantised = |(name, variable): &(&&str, &Variable<'_>)| {
        let integers = matches!(variable.stored, Stored::Integer(_)) && variable.shape.len() > 1;
        integers && !name.ends_with("alignment_heads") || name.ends_with("weight_scale")
    };
    match variables.iter().find(quantised) {
        Some((name, _)) => Err(ModelError::Quantised { name: (*name).to_owned() }),
        None => Ok(()),
    }
}

/// Derives the sizes from the shapes of four tensors and the number of layers.
fn dims(variables: &BTreeMap<&str, Variable<'_>>) -> Result<Dims, ModelError> {
    let [state, mels, _] = sizes(variables, "encoder/conv1/weight")?;
    let [audio_ctx, _] = sizes(variables, ENCODER_POSITIONS)?;
    let [vocab, _] = sizes(variables, "decoder/embeddings/weight")?;
    let [text_ctx, _] = sizes(variables, "decoder/position_encodings/encodings")?;
    let layers = |side: &str| {
        let exists = |layer: &usize| {
            variables.contains_key(format!("{side}/layer_{layer}/ffn/linear_0/weight").as_str())
        };
        // One above the limit is enough to be refused.
        (0..=LAYERS_MAX).take_while(exists).count()
    };
    let (audio_layers, text_layers) = (layers("encoder"), layers("decoder"));
    Dims { vocab, audio_ctx, state, audio_layers, text_ctx, text_layers, mels }.checked()
}

fn sizes<const N: usize>(
    variables: &BTreeMap<&str, Variable<'_>>,
    name: &str,
) -> Result<[usize; N], ModelError> {
    let found = find(variables, name)?.shape.as_slice();
    found.try_into().map_err(|_| ModelError::Rank {
        name: name.to_owned(),
        found: found.to_vec(),
        expected: N,
    })
}

fn check_settings(variables: &BTreeMap<&str, Variable<'_>>, dims: Dims) -> Result<(), ModelError> {
    for side in ["encoder", "decoder"] {
        let name = format!("{side}/num_heads");
        check_setting(&name, find(variables, &name)?, dims.heads() as i64)?;
    }
    for (name, expected) in SETTINGS {
        // Older conversions leave out settings that have their usual value.
        if let Some(variable) = variables.get(name) {
            check_setting(name, variable, expected)?;
        }
    }
    Ok(())
}

fn check_setting(name: &str, variable: &Variable<'_>, expected: i64) -> Result<(), ModelError> {
    let found = match *variable.data {
        [byte] => Some(i64::from(byte.cast_signed())),
        [low, high] => Some(i64::from(i16::from_le_bytes([low, high]))),
        [a, b, c, d] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        _ => None,
    };
    if found != Some(expected) || matches!(variable.stored, Stored::Float(_)) {
        return Err(ModelError::Setting { name: name.to_owned(), found, expected });
    }
    Ok(())
}

/// Checks that exactly the tensors of Whisper are there, each a float of the right shape.
fn check_tensors(variables: &BTreeMap<&str, Variable<'_>>, dims: Dims) -> Result<(), ModelError> {
    let mut known = BTreeSet::from([ENCODER_POSITIONS.to_owned(), "decoder/alignment_heads".to_owned()]);
    check_shape(variables, ENCODER_POSITIONS, &[dims.audio_ctx, dims.state])?;
    for tensor in layout::tensors(dims) {
        let Origin::Rows { variable, parts, .. } = tensor.origin else { continue };
        let mut shape = tensor.shape;
        shape[0] *= parts;
        if shape.len() == 2 && shape[1] == 1 {
            shape.pop();
        }
        check_shape(variables, &variable, &shape)?;
        known.insert(variable);
    }
    let stray =
        variables.iter().find(|(name, variable)| !variable.shape.is_empty() && !known.contains(**name));
    match stray {
        Some((name, _)) => Err(ModelError::Unexpected { name: (*name).to_owned() }),
        None => Ok(()),
    }
}

fn check_shape(
    variables: &BTreeMap<&str, Variable<'_>>,
    name: &str,
    expected: &[usize],
) -> Result<(), ModelError> {
    let variable = find(variables, name)?;
    if let Stored::Integer(_) = variable.stored {
        return Err(ModelError::Quantised { name: name.to_owned() });
    }
    if variable.shape != expected {
        let (found, expected) = (variable.shape.clone(), expected.to_vec());
        return Err(ModelError::Shape { name: name.to_owned(), found, expected });
    }
    Ok(())
}
