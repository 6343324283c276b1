//! Networks made of numbers, so that tests need no file: random ones for arithmetic, one that hears loudness.

use std::collections::HashMap;
use std::f64::consts::TAU;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::silero::Silero;
use super::weights::TENSORS;

/// Numbers that look random and are the same on every machine (a linear congruential generator).
pub(super) struct Random(pub u64);

impl Random {
    /// Returns the next number in [-1, 1).
    pub fn number(&mut self) -> f32 {
        // Multiplier and increment of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Returns the next `count` numbers.
    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }
}

/// Tensors by name, to be spoiled by a test before they are written.
pub(super) type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns tensors of the right names and shapes: random, with a true Fourier basis.
pub(super) fn random_tensors() -> Tensors {
    let mut random = Random(6);
    let tensor = |(name, shape): (&str, &[usize])| {
        let count: usize = shape.iter().product();
        // About one over the square root of the inputs keeps the layers' values in a natural range.
        let scale = (shape[0] as f32 / count as f32).sqrt() * 2.0;
        let values = random.numbers(count).iter().map(|number| number * scale).collect();
        (name.to_owned(), (shape.to_vec(), values))
    };
    let mut tensors: Tensors = TENSORS.into_iter().map(tensor).collect();
    tensors.insert("stft_conv.weight".to_owned(), (vec![258, 1, 256], fourier_basis()));
    tensors
}

/// Returns cosine rows, then sine rows, under a Hann window; exactly symmetric, as in the published file.
fn fourier_basis() -> Vec<f32> {
    let value = |row: usize, sample: usize| {
        let turn = if row < 129 { row * sample } else { (row - 129) * sample + 192 };
        (0.5 - 0.5 * cosine(sample)) * cosine(turn)
    };
    (0..258).flat_map(|row| (0..256).map(move |sample| value(row, sample))).collect()
}

/// Returns the cosine of `turn` / 256 of a circle, computed in the first quadrant so that mirrored angles agree.
fn cosine(turn: usize) -> f32 {
    let turn = turn % 256;
    let half = turn.min(256 - turn);
    let quarter = half.min(128 - half);
    let cosine = if quarter == 64 { 0.0 } else { (TAU * quarter as f64 / 256.0).cos() as f32 };
    if half > 64 { -cosine } else { cosine }
}

/// Writes tensors as a safetensors file.
pub(super) fn file_of(tensors: &Tensors, dtype: Dtype) -> Vec<u8> {
    let bytes: HashMap<&str, Vec<u8>> =
        tensors.iter().map(|(name, (_, values))| (name.as_str(), bytes_of(values, dtype))).collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(dtype, shape.clone(), &bytes[name.as_str()]);
        (name.as_str(), view.expect("shape and values belong together"))
    });
    safetensors::serialize(views, None).expect("the tensors can be written")
}

fn bytes_of(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => vec![0; values.len() * dtype.bitsize() / 8],
    }
}

/// Returns the network of [`random_tensors`].
pub(super) fn random_net() -> Silero {
    Silero::from_safetensors(&file_of(&random_tensors(), Dtype::F32)).expect("names and shapes are right")
}

/// Returns a network that takes loud sound for speech (probability 0.89) and silence for none (0.02).
pub(crate) fn loudness_net() -> Silero {
    let mut tensors = random_tensors();
    for (name, (_, values)) in &mut tensors {
        if name != "stft_conv.weight" {
            values.fill(0.0);
        }
    }
    let mut set = |name: &str, range: std::ops::Range<usize>, step: usize, value: f32| {
        let values = &mut tensors.get_mut(name).expect("a tensor of the list").1;
        range.step_by(step).for_each(|index| values[index] = value);
    };
    // The first channel sums all bins of a frame and goes on as it is.
    set("conv1.weight", 1..129 * 3, 3, 1.0);
    for conv in ["conv2.weight", "conv3.weight", "conv4.weight"] {
        set(conv, 1..2, 1, 1.0);
    }
    // Gates in the order input, forget, cell, output: take everything, remember nothing.
    set("lstm_cell.weight_ih", 256 * 128..256 * 128 + 1, 1, 1.0);
    set("lstm_cell.bias_ih", 0..128, 1, 20.0);
    set("lstm_cell.bias_ih", 128..256, 1, -20.0);
    set("lstm_cell.bias_ih", 384..512, 1, 20.0);
    set("final_conv.weight", 0..1, 1, 8.0);
    set("final_conv.bias", 0..1, 1, -4.0);
    Silero::from_safetensors(&file_of(&tensors, Dtype::F32)).expect("names and shapes are right")
}
