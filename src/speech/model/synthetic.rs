//! Model files of any size with made-up weights: for measuring a machine, and for tests, where no weights are at hand.

use super::ggml::Writer;
use super::layout::{self, Class, Dims, TensorSpec};
use super::tokenizer::TEXT_TOKENS;
use super::{ModelError, Origin, Precision, single_bytes, sinusoids};

/// Values made at a time; a multiple of every block format's length.
const CHUNK_VALUES: usize = 16_384;

/// Writes the bytes of a ggml file whose weights are pseudo-random.
///
/// Shape: a whole file, as [`super::ggml::Model::read`] accepts it; what such a model writes is meaningless.
/// Range: the same sizes give the same bytes on every machine. Numbers stay within what a trained model has, so that
/// the arithmetic takes as long as with real weights. `dims` has passed [`Dims::checked`].
pub fn file(dims: Dims, precision: Precision) -> Vec<u8> {
    let values: usize = layout::tensors(dims).iter().map(TensorSpec::values).sum();
    let mut bytes = Vec::with_capacity(precision.format().bytes(values).unwrap_or(0) + (4 << 20));
    write(dims, precision, &mut bytes).expect("memory takes every byte");
    bytes
}

fn write(dims: Dims, precision: Precision, out: &mut Vec<u8>) -> Result<(), ModelError> {
    let mut writer = Writer::start(out, dims, precision, &vocabulary())?;
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let (mut values, mut encoded) = (Vec::new(), Vec::new());
    for spec in layout::tensors(dims) {
        let format = writer.tensor(&spec)?;
        if spec.origin == Origin::Sinusoids {
            writer.data(&single_bytes(&sinusoids(dims)))?;
            continue;
        }
        let (middle, spread) = scale(&spec);
        let mut left = spec.values();
        while left > 0 {
            let count = left.min(CHUNK_VALUES);
            values.clear();
            encoded.clear();
            values.extend((0..count).map(|_| middle + spread * noise.next()));
            format.encode(&values, &mut encoded);
            writer.data(&encoded)?;
            left -= count;
        }
    }
    writer.finish()
}

/// One token for each byte, then names; the last is empty, as in every multilingual model.
fn vocabulary() -> Vec<Vec<u8>> {
    let token = |id: usize| match u8::try_from(id) {
        Ok(byte) => vec![byte],
        Err(_) if id + 1 == TEXT_TOKENS => Vec::new(),
        Err(_) => format!("<{id}>").into_bytes(),
    };
    (0..TEXT_TOKENS).map(token).collect()
}

/// Returns the middle and half the width of a tensor's values.
///
/// A row of a matrix keeps the size of what it is multiplied with: its values have variance 1 / columns.
fn scale(spec: &TensorSpec) -> (f32, f32) {
    let columns: usize = spec.shape.iter().skip(1).product();
    let is_norm = spec.name.contains("ln") && spec.name.ends_with(".weight");
    match spec.class {
        Class::Matrix | Class::Conv => (0.0, (3.0 / columns.max(1) as f32).sqrt()),
        Class::Plain if is_norm => (1.0, 0.1),
        Class::Plain => (0.0, 0.02),
    }
}

/// Pseudo-random numbers. Source: Marsaglia, "Xorshift RNGs", 2003, with a multiplication behind it (xorshift64*).
struct Noise(u64);

impl Noise {
    /// Returns a number in [-1, 1).
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as i32;
        (high - (1 << 23)) as f32 / (1 << 23) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::super::ggml::Model;
    use super::super::tests::DIMS;
    use super::*;

    #[test]
    fn a_made_up_file_is_accepted_in_every_precision() {
        for precision in [Precision::F32, Precision::F16, Precision::Bf16, Precision::Q8_0] {
            let bytes = file(DIMS, precision);
            let model = Model::read(&bytes).expect("the file is whole");
            assert_eq!(model.dims, DIMS);
            assert_eq!(model.format, precision.format());
        }
    }

    #[test]
    fn the_newest_shape_has_128_bands_and_one_more_language() {
        let dims = Dims { vocab: 51_866, mels: 128, ..DIMS };
        let bytes = file(dims, Precision::Bf16);
        assert_eq!(Model::read(&bytes).expect("the file is whole").dims, dims);
    }

    #[test]
    fn the_same_sizes_give_the_same_bytes_and_weights_of_the_right_size() {
        let bytes = file(DIMS, Precision::F32);
        assert_eq!(bytes, file(DIMS, Precision::F32));
        let model = Model::read(&bytes).expect("the file is whole");
        let table = model.tensor("decoder.token_embedding.weight").expect("every model has it");
        let values = table.values().expect("f32 can be read");
        let power: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        let variance = power / values.len() as f64 * DIMS.state as f64;
        assert!((variance - 1.0).abs() < 0.01, "{variance}");
    }
}
