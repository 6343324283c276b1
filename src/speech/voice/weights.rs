//! The network's tensors: which there are, and how a file of them is read.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};

use super::VoiceError;

/// Units of each layer of memory.
pub const UNITS: usize = 256;

/// Gates of a layer: input, forget, candidate and output of every unit, in this order.
pub const GATES: usize = 4 * UNITS;

/// The tensors of the network, by name and shape.
///
/// Source: `pretrained.pt` of the Python package Resemblyzer 0.1.4.
pub const TENSORS: [(&str, &[usize]); 14] = [
    ("lstm.weight_ih_l0", &[GATES, 40]),
    ("lstm.weight_hh_l0", &[GATES, UNITS]),
    ("lstm.bias_ih_l0", &[GATES]),
    ("lstm.bias_hh_l0", &[GATES]),
    ("lstm.weight_ih_l1", &[GATES, UNITS]),
    ("lstm.weight_hh_l1", &[GATES, UNITS]),
    ("lstm.bias_ih_l1", &[GATES]),
    ("lstm.bias_hh_l1", &[GATES]),
    ("lstm.weight_ih_l2", &[GATES, UNITS]),
    ("lstm.weight_hh_l2", &[GATES, UNITS]),
    ("lstm.bias_ih_l2", &[GATES]),
    ("lstm.bias_hh_l2", &[GATES]),
    ("linear.weight", &[super::DIMENSIONS, UNITS]),
    ("linear.bias", &[super::DIMENSIONS]),
];

/// Largest weight that is believed; the published ones stay below 71.
const WEIGHT_ABS_MAX: f32 = 1000.0;

/// All tensors, checked.
pub(super) struct Weights(HashMap<&'static str, Vec<f32>>);

impl Weights {
    /// Parses the bytes of a safetensors file.
    ///
    /// Errors: [`VoiceError::Weights`] says which tensor differs from what the network needs.
    pub fn parse(bytes: &[u8]) -> Result<Self, VoiceError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| VoiceError::Weights(error.to_string()))?;
        if file.len() != TENSORS.len() {
            return Err(VoiceError::Weights(format!("{} tensors instead of {}", file.len(), TENSORS.len())));
        }
        let read = |(name, shape)| Ok((name, values(&file, name, shape)?));
        TENSORS.into_iter().map(read).collect::<Result<_, VoiceError>>().map(Self)
    }

    /// Returns the values of a tensor, the last dimension running fastest.
    pub fn tensor(&self, name: &str) -> &[f32] {
        self.0.get(name).expect("only tensors of the list are asked for")
    }
}

fn values(file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, VoiceError> {
    let tensor = file.tensor(name).map_err(|error| VoiceError::Weights(error.to_string()))?;
    if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
        let (dtype, found) = (tensor.dtype(), tensor.shape());
        return Err(VoiceError::Weights(format!("{name} is {dtype:?} {found:?} instead of F32 {shape:?}")));
    }
    let values: Vec<f32> =
        tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().find(|value| !value.is_finite() || value.abs() > WEIGHT_ABS_MAX) {
        Some(value) => Err(VoiceError::Weights(format!("{name} contains {value}"))),
        None => Ok(values),
    }
}
