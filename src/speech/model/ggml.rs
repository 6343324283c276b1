//! Writes and reads Whisper models in the ggml file that whisper.cpp loads.
//!
//! The C++ loader trusts its input, so a file may reach it only after [`Model::read`] has accepted the file.

use std::collections::HashMap;
use std::io::Write;

use super::cursor::Cursor;
use super::layout::{self, Class, Dims, TensorSpec};
use super::tokenizer::Tokenizer;
use super::{ModelError, Precision, mel, quant::Format};

/// First four bytes of the file, as a little-endian number.
pub const MAGIC: u32 = 0x6767_6d6c;

/// The file's type is this times the version of quantisation, plus the format.
const QUANTISATION_FACTOR: u32 = 1_000;

/// The only version of quantisation in which the block formats have the sizes known here.
const QUANTISATION_VERSION: u32 = 2;

/// Most bytes of one vocabulary entry: the longest token of Whisper has 33.
const TOKEN_BYTES_MAX: usize = 256;

/// Most bytes of a tensor's name.
const NAME_BYTES_MAX: usize = 64;

/// Writes a model from front to back.
///
/// Example: header and vocabulary by [`Writer::start`], then one [`Writer::tensor`] for each of
/// [`layout::tensors`], each followed by its values through [`Writer::data`].
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    precision: Precision,
}

impl<W: Write> Writer<W> {
    /// Writes everything in front of the tensors.
    ///
    /// Shape: `vocabulary` in the order of ids, text tokens only.
    /// Errors: [`ModelError::Write`].
    pub fn start(
        out: W,
        dims: Dims,
        precision: Precision,
        vocabulary: &[Vec<u8>],
    ) -> Result<Self, ModelError> {
        let mut writer = Self { out, precision };
        writer.numbers(&[MAGIC as usize])?;
        writer.numbers(&[dims.vocab, dims.audio_ctx, dims.state, dims.heads(), dims.audio_layers])?;
        writer.numbers(&[dims.text_ctx, dims.state, dims.heads(), dims.text_layers, dims.mels])?;
        writer.numbers(&[file_type(precision), dims.mels, mel::BINS])?;
        for weight in mel::filterbank(dims.mels) {
            writer.data(&weight.to_le_bytes())?;
        }
        writer.numbers(&[vocabulary.len()])?;
        for token in vocabulary {
            writer.numbers(&[token.len()])?;
            writer.data(token)?;
        }
        Ok(writer)
    }

    /// Writes the head of a tensor; its values must follow.
    ///
    /// Errors: [`ModelError::Write`].
    pub fn tensor(&mut self, spec: &TensorSpec) -> Result<Format, ModelError> {
        let format = spec.class.format(self.precision);
        self.numbers(&[spec.shape.len(), spec.name.len(), type_code(format) as usize])?;
        let innermost_first: Vec<usize> = spec.shape.iter().rev().copied().collect();
        self.numbers(&innermost_first)?;
        self.data(spec.name.as_bytes())?;
        Ok(format)
    }

    /// Writes values of the tensor begun last.
    ///
    /// Errors: [`ModelError::Write`].
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.out.write_all(bytes).map_err(ModelError::Write)
    }

    /// Hands on what the output still holds back.
    ///
    /// Errors: [`ModelError::Write`].
    pub fn finish(mut self) -> Result<(), ModelError> {
        self.out.flush().map_err(ModelError::Write)
    }

    fn numbers(&mut self, numbers: &[usize]) -> Result<(), ModelError> {
        for number in numbers {
            let number = u32::try_from(*number).expect("checked sizes stay far below 2^32");
            self.data(&number.to_le_bytes())?;
        }
        Ok(())
    }
}

/// One tensor of a file, borrowed from its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// How the values are stored.
    pub format: Format,
    /// The values, exactly as many bytes as the layout says.
    pub data: &'a [u8],
}

impl Tensor<'_> {
    /// Widens all values to single precision.
    ///
    /// Errors: `None` for the q4 and q5 formats.
    pub fn values(&self) -> Option<Vec<f32>> {
        let mut values = Vec::new();
        self.format.decode(self.data, &mut values).then_some(values)
    }
}

/// A whole model file that has been checked to its last byte.
#[derive(Debug, Clone)]
pub struct Model<'a> {
    /// The model's sizes.
    pub dims: Dims,
    /// How the matrices are stored.
    pub format: Format,
    /// From power spectrum to mel bands, `dims.mels` × [`mel::BINS`], row-major.
    pub filters: Vec<f32>,
    /// Bytes of each text token, by id.
    pub vocabulary: Vec<&'a [u8]>,
    tensors: HashMap<String, Tensor<'a>>,
}

impl<'a> Model<'a> {
    /// Reads a file and checks everything whisper.cpp takes on trust: counts, sizes, names, types, the end.
    ///
    /// Errors: each kind of damage has its own [`ModelError`].
    /// Source: whisper.cpp 1.8.3, `whisper_model_load`.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let mut cursor = Cursor::new(bytes);
        let (dims, format) = read_header(&mut cursor)?;
        let filters = read_filters(&mut cursor, dims)?;
        let vocabulary = read_vocabulary(&mut cursor, dims)?;
        let tensors = read_tensors(&mut cursor, dims, format)?;
        Ok(Self { dims, format, filters, vocabulary, tensors })
    }

    /// Passes files that whisper.cpp can compute with.
    ///
    /// Errors: [`ModelError::SinglePrecision`]: whisper.cpp 1.8.3 loads such a file and then aborts, because its
    /// convolution takes f16 kernels only.
    pub fn check_for_whisper_cpp(&self) -> Result<(), ModelError> {
        match self.format {
            Format::F32 => Err(ModelError::SinglePrecision),
            Format::F16 | Format::Bf16 | Format::Q8_0 => Ok(()),
            Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 => Ok(()),
        }
    }

    /// Borrows a tensor.
    ///
    /// Errors: [`ModelError::Missing`] if `name` is not in [`layout::tensors`].
    pub fn tensor(&self, name: &str) -> Result<Tensor<'a>, ModelError> {
        self.tensors.get(name).copied().ok_or_else(|| ModelError::Missing { name: name.to_owned() })
    }
}

/// First bytes of a file that hold its text tokens for certain: sizes and filters take 128 kB, tokens some 800 kB.
pub const TOKENS_BYTES: u64 = 8 << 20;

/// Makes the tokenizer of a model from the first [`TOKENS_BYTES`] of its file, whatever its size.
///
/// Errors: [`ModelError`] if they are no head of a model.
pub fn tokenizer(head: &[u8]) -> Result<Tokenizer, ModelError> {
    let mut cursor = Cursor::new(head);
    let (dims, _) = read_header(&mut cursor)?;
    read_filters(&mut cursor, dims)?;
    Tokenizer::new(&read_vocabulary(&mut cursor, dims)?, dims.vocab)
}

fn read_header(cursor: &mut Cursor<'_>) -> Result<(Dims, Format), ModelError> {
    let found = cursor.u32("the magic number")?;
    if found != MAGIC {
        return Err(ModelError::Magic { found });
    }
    let mut header = [0; 11];
    for number in &mut header {
        *number = cursor.u32("the header")? as usize;
    }
    let [
        vocab,
        audio_ctx,
        state,
        heads,
        audio_layers,
        text_ctx,
        text_state,
        text_heads,
        text_layers,
        mels,
        kind,
    ] = header;
    let dims = Dims { vocab, audio_ctx, state, audio_layers, text_ctx, text_layers, mels }.checked()?;
    let same = [("encoder heads", heads), ("decoder width", text_state), ("decoder heads", text_heads)];
    for ((what, found), expected) in same.into_iter().zip([dims.heads(), dims.state, dims.heads()]) {
        if found != expected {
            return Err(ModelError::Size { what, found, expected: "what follows from the encoder's width" });
        }
    }
    Ok((dims, file_format(kind as u32)?))
}

fn read_filters(cursor: &mut Cursor<'_>, dims: Dims) -> Result<Vec<f32>, ModelError> {
    let rows = cursor.u32("the filter bank's rows")? as usize;
    let columns = cursor.u32("the filter bank's columns")? as usize;
    if [rows, columns] != [dims.mels, mel::BINS] {
        let (found, expected) = (vec![rows, columns], vec![dims.mels, mel::BINS]);
        return Err(ModelError::Shape { name: "mel filter bank".to_owned(), found, expected });
    }
    let bytes = cursor.take(rows * columns * 4, "the filter bank")?;
    let mut filters = Vec::with_capacity(rows * columns);
    Format::F32.decode(bytes, &mut filters);
    if filters.iter().any(|weight| !weight.is_finite()) {
        return Err(ModelError::NotFinite { name: "mel filter bank".to_owned() });
    }
    Ok(filters)
}

fn read_vocabulary<'a>(cursor: &mut Cursor<'a>, dims: Dims) -> Result<Vec<&'a [u8]>, ModelError> {
    let count = cursor.count("vocabulary entries", dims.vocab)?;
    let mut vocabulary = Vec::new();
    for _ in 0..count {
        let length = cursor.count("bytes of a token", TOKEN_BYTES_MAX)?;
        vocabulary.push(cursor.take(length, "a token")?);
    }
    Ok(vocabulary)
}

/// Reads tensors in any order until the end of the file; each must be expected, and none missing.
fn read_tensors<'a>(
    cursor: &mut Cursor<'a>,
    dims: Dims,
    matrices: Format,
) -> Result<HashMap<String, Tensor<'a>>, ModelError> {
    let expected = layout::tensors(dims);
    let by_name: HashMap<&str, &TensorSpec> =
        expected.iter().map(|spec| (spec.name.as_str(), spec)).collect();
    let mut tensors = HashMap::new();
    while cursor.left() > 0 {
        let head = read_tensor_head(cursor)?;
        let name = head.name.to_owned();
        let Some(spec) = by_name.get(head.name) else { return Err(ModelError::Unexpected { name }) };
        let tensor = read_tensor(cursor, &head, spec, matrices)?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(ModelError::Duplicate { name });
        }
    }
    match expected.iter().find(|spec| !tensors.contains_key(&spec.name)) {
        Some(missing) => Err(ModelError::Missing { name: missing.name.clone() }),
        None => Ok(tensors),
    }
}

struct TensorHead<'a> {
    name: &'a str,
    /// Outermost first.
    shape: Vec<usize>,
    type_code: u32,
}

fn read_tensor_head<'a>(cursor: &mut Cursor<'a>) -> Result<TensorHead<'a>, ModelError> {
    const WHAT: &str = "a tensor's head";
    let rank = cursor.count("sizes of a tensor", 3)?;
    let length = cursor.count("bytes of a tensor's name", NAME_BYTES_MAX)?;
    let type_code = cursor.u32(WHAT)?;
    let mut shape = Vec::with_capacity(rank);
    for _ in 0..rank {
        shape.insert(0, cursor.u32(WHAT)? as usize);
    }
    let name =
        std::str::from_utf8(cursor.take(length, WHAT)?).map_err(|_| ModelError::Text { what: WHAT })?;
    Ok(TensorHead { name, shape, type_code })
}

fn read_tensor<'a>(
    cursor: &mut Cursor<'a>,
    head: &TensorHead<'_>,
    spec: &TensorSpec,
    matrices: Format,
) -> Result<Tensor<'a>, ModelError> {
    let name = || head.name.to_owned();
    if head.shape != spec.shape {
        return Err(ModelError::Shape {
            name: name(),
            found: head.shape.clone(),
            expected: spec.shape.clone(),
        });
    }
    let format = spec.class.format_beside(matrices);
    if head.type_code != type_code(format) {
        return Err(ModelError::DataType { name: name(), found: head.type_code });
    }
    let bytes = format.bytes(spec.values()).expect("checked widths are multiples of 64 and sizes below 2^32");
    let data = cursor.take(bytes, "a tensor's values")?;
    if spec.class == Class::Plain
        && data.as_chunks().0.iter().any(|four| !f32::from_le_bytes(*four).is_finite())
    {
        return Err(ModelError::NotFinite { name: name() });
    }
    Ok(Tensor { format, data })
}

/// Bytes of a file that [`is_decodable`] looks at: magic and eleven numbers.
pub const HEAD_BYTES: u64 = 48;

/// Tells from a file's first [`HEAD_BYTES`] whether its values can be widened by [`Tensor::values`].
pub fn is_decodable(head: &[u8]) -> bool {
    let Some(Ok(file_type)) = head.get(44..48).map(<[u8; 4]>::try_from) else { return false };
    match file_format(u32::from_le_bytes(file_type)) {
        Ok(Format::F32 | Format::F16 | Format::Bf16 | Format::Q8_0) => true,
        Ok(Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1) | Err(_) => false,
    }
}

/// Returns the number of a format inside a tensor's head. Source: `enum ggml_type`.
fn type_code(format: Format) -> u32 {
    match format {
        Format::F32 => 0,
        Format::F16 => 1,
        Format::Q4_0 => 2,
        Format::Q4_1 => 3,
        Format::Q5_0 => 6,
        Format::Q5_1 => 7,
        Format::Q8_0 => 8,
        Format::Bf16 => 30,
    }
}

/// Returns the file's type as the header names it. Source: `enum ggml_ftype`.
fn file_type(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 0,
        Precision::F16 => 1,
        Precision::Bf16 => 24,
        Precision::Q8_0 => (QUANTISATION_VERSION * QUANTISATION_FACTOR) as usize + 7,
    }
}

/// Reads the header's type. Source: `enum ggml_ftype`.
fn file_format(found: u32) -> Result<Format, ModelError> {
    let refused = ModelError::FileType { found };
    let (version, kind) = (found / QUANTISATION_FACTOR, found % QUANTISATION_FACTOR);
    let format = match kind {
        0 => Format::F32,
        1 => Format::F16,
        2 => Format::Q4_0,
        3 => Format::Q4_1,
        7 => Format::Q8_0,
        8 => Format::Q5_0,
        9 => Format::Q5_1,
        24 => Format::Bf16,
        _ => return Err(refused),
    };
    let in_blocks = format.bytes(1).is_none();
    match version {
        QUANTISATION_VERSION => Ok(format),
        // The published half-precision files carry no version.
        0 if !in_blocks => Ok(format),
        _ => Err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIMS, imported, made_up};
    use super::*;

    /// Bytes of a file before its vocabulary: magic, header, filter bank.
    const VOCABULARY_AT: usize = 4 + 44 + 8 + 80 * 201 * 4;

    fn file(precision: Precision) -> Vec<u8> {
        imported(&made_up(Format::F16), precision).expect("the made-up model is whole")
    }

    fn refusal(bytes: &[u8]) -> ModelError {
        Model::read(bytes).expect_err("a changed file must be refused")
    }

    /// Finds where each tensor's head begins, and the end of the file.
    fn tensor_starts(bytes: &[u8]) -> Vec<usize> {
        let behind = layout::tensors(DIMS).iter().rev().fold(vec![bytes.len()], |mut starts, spec| {
            let values = spec.class.format(Precision::Bf16).bytes(spec.values()).expect("whole values");
            let head = 12 + 4 * spec.shape.len() + spec.name.len();
            starts.push(starts[starts.len() - 1] - values - head);
            starts
        });
        behind.into_iter().rev().collect()
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let bytes = file(Precision::Bf16);
        let starts = tensor_starts(&bytes);
        let near_starts = starts.iter().flat_map(|start| start - 3..(start + 4).min(bytes.len()));
        let steps = (0..bytes.len()).step_by(104_729);
        for length in (0..100).chain(VOCABULARY_AT - 2..VOCABULARY_AT + 9).chain(steps).chain(near_starts) {
            let found = refusal(&bytes[..length]);
            assert!(
                matches!(found, ModelError::Cut { .. } | ModelError::Missing { .. }),
                "{length}: {found}"
            );
        }
    }

    #[test]
    fn every_byte_of_header_and_tensor_heads_is_checked() {
        let mut bytes = file(Precision::Bf16);
        let starts = tensor_starts(&bytes);
        let heads = starts[..starts.len() - 1].iter().flat_map(|start| *start..start + 30);
        for place in (0..56).chain(heads) {
            bytes[place] ^= 0x55;
            assert!(Model::read(&bytes).is_err(), "byte {place}");
            bytes[place] ^= 0x55;
        }
        assert!(Model::read(&bytes).is_ok());
    }

    #[test]
    fn lengths_in_the_vocabulary_are_bounded() {
        let mut bytes = file(Precision::Bf16);
        bytes[VOCABULARY_AT + 3] = 0x7f;
        assert!(matches!(refusal(&bytes), ModelError::TooMany { what: "vocabulary entries", .. }));
        bytes[VOCABULARY_AT + 3] = 0;
        bytes[VOCABULARY_AT + 6] = 0xff;
        assert!(matches!(refusal(&bytes), ModelError::TooMany { what: "bytes of a token", .. }));
    }

    #[test]
    fn a_tensor_twice_or_bytes_behind_the_last_are_refused() {
        let bytes = file(Precision::Bf16);
        let starts = tensor_starts(&bytes);
        let again = [&bytes, &bytes[starts[1]..starts[2]]].concat();
        assert!(matches!(refusal(&again), ModelError::Duplicate { name } if name == "encoder.conv1.bias"));
        assert!(matches!(refusal(&[bytes.as_slice(), &[0]].concat()), ModelError::Cut { .. }));
    }

    #[test]
    fn tensors_may_come_in_any_order() {
        let bytes = file(Precision::Bf16);
        let starts = tensor_starts(&bytes);
        let turned = [&bytes[..starts[0]], &bytes[starts[9]..], &bytes[starts[0]..starts[9]]].concat();
        assert_eq!(Model::read(&turned).expect("the same tensors").dims, DIMS);
    }

    #[test]
    fn a_norm_that_is_no_number_is_refused() {
        let mut bytes = file(Precision::Bf16);
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(refusal(&bytes), ModelError::NotFinite { name } if name == "decoder.ln.bias"));
    }

    #[test]
    fn a_single_precision_file_is_kept_from_whisper_cpp() {
        let [single, half] = [Precision::F32, Precision::F16].map(file);
        let check = |bytes: &[u8]| Model::read(bytes).expect("whole").check_for_whisper_cpp();
        assert!(matches!(check(&single), Err(ModelError::SinglePrecision)));
        assert!(check(&half).is_ok());
    }

    #[test]
    fn block_formats_need_their_version() {
        for (found, expected) in
            [(2_007, Format::Q8_0), (2_008, Format::Q5_0), (1, Format::F16), (24, Format::Bf16)]
        {
            assert_eq!(file_format(found).expect("a known type"), expected);
        }
        for found in [7, 1_007, 3_007, 2_010, 25, u32::MAX] {
            assert!(matches!(file_format(found), Err(ModelError::FileType { .. })), "{found}");
        }
    }
}
