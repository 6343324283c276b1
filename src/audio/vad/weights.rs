//! Reads and checks the detector's safetensors file: name, shape and number type of every tensor.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};

use super::VadError;

/// The tensors of Silero v6 for 16 kHz.
///
/// Source: header of `silero_vad_16k.safetensors` in the Python package silero-vad 6.2.3.
pub(super) const TENSORS: [(&str, &[usize]); 15] = [
    ("stft_conv.weight", &[258, 1, 256]),
    ("conv1.weight", &[128, 129, 3]),
    ("conv1.bias", &[128]),
    ("conv2.weight", &[64, 128, 3]),
    ("conv2.bias", &[64]),
    ("conv3.weight", &[64, 64, 3]),
    ("conv3.bias", &[64]),
    ("conv4.weight", &[128, 64, 3]),
    ("conv4.bias", &[128]),
    ("lstm_cell.weight_ih", &[512, 128]),
    ("lstm_cell.weight_hh", &[512, 128]),
    ("lstm_cell.bias_ih", &[512]),
    ("lstm_cell.bias_hh", &[512]),
    ("final_conv.weight", &[1, 128, 1]),
    ("final_conv.bias", &[1]),
];

/// Largest weight that is believed; the published ones stay below 40.
///
/// With it and the limit on samples, no sum of the network can overflow.
const WEIGHT_ABS_MAX: f32 = 1000.0;

/// All tensors of the file, checked.
pub(super) struct Weights(HashMap<&'static str, Vec<f32>>);

impl Weights {
    /// Parses the bytes of a safetensors file.
    ///
    /// Errors: [`VadError::Weights`] says which tensor differs from what the network needs.
    pub fn parse(bytes: &[u8]) -> Result<Self, VadError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| VadError::Weights(error.to_string()))?;
        if file.len() != TENSORS.len() {
            return Err(VadError::Weights(format!("{} tensors instead of {}", file.len(), TENSORS.len())));
        }
        let mut tensors = HashMap::new();
        for (name, shape) in TENSORS {
            tensors.insert(name, values(&file, name, shape)?);
        }
        Ok(Self(tensors))
    }

    /// Returns the values of a tensor, the last dimension running fastest.
    pub fn tensor(&self, name: &str) -> &[f32] {
        self.0.get(name).expect("only tensors of the list are asked for")
    }
}

/// Returns the values of one tensor once its shape and number type are right.
fn values(file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, VadError> {
    let tensor = file.tensor(name).map_err(|error| VadError::Weights(error.to_string()))?;
    if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
        let (dtype, found) = (tensor.dtype(), tensor.shape());
        return Err(VadError::Weights(format!("{name} is {dtype:?} {found:?} instead of F32 {shape:?}")));
    }
    let (numbers, _) = tensor.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().find(|value| !value.is_finite() || value.abs() > WEIGHT_ABS_MAX) {
        Some(value) => Err(VadError::Weights(format!("{name} contains {value}"))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file_of, random_tensors};
    use super::*;

    fn error_of(bytes: &[u8]) -> String {
        match Weights::parse(bytes) {
            Err(VadError::Weights(error)) => error,
            Ok(_) => panic!("the file was accepted"),
        }
    }

    #[test]
    fn a_complete_file_is_read() {
        let weights =
            Weights::parse(&file_of(&random_tensors(), Dtype::F32)).expect("names and shapes are right");
        assert_eq!(weights.tensor("final_conv.bias").len(), 1);
        assert_eq!(weights.tensor("conv1.weight"), random_tensors()["conv1.weight"].1);
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        let file = file_of(&random_tensors(), Dtype::F32);
        for length in [0, 7, 100, file.len() - 1] {
            assert!(Weights::parse(&file[..length]).is_err(), "the first {length} bytes were accepted");
        }
    }

    #[test]
    fn a_missing_and_an_unknown_tensor_are_refused() {
        let mut tensors = random_tensors();
        let bias = tensors.remove("conv3.bias").expect("the tensor is there");
        assert_eq!(error_of(&file_of(&tensors, Dtype::F32)), "14 tensors instead of 15");
        tensors.insert("conv5.bias".to_owned(), bias);
        assert!(error_of(&file_of(&tensors, Dtype::F32)).contains("conv3.bias"));
    }

    #[test]
    fn a_tensor_of_another_shape_or_number_type_is_refused() {
        let mut tensors = random_tensors();
        assert!(error_of(&file_of(&tensors, Dtype::F16)).contains("is F16 [258, 1, 256]"));
        tensors.insert("conv4.bias".to_owned(), (vec![64, 2], vec![0.0; 128]));
        let error = error_of(&file_of(&tensors, Dtype::F32));
        assert_eq!(error, "conv4.bias is F32 [64, 2] instead of F32 [128]");
    }

    #[test]
    fn a_weight_that_is_no_number_or_too_large_is_refused() {
        for weight in [f32::NAN, f32::INFINITY, -1001.0] {
            let mut tensors = random_tensors();
            tensors.insert("conv2.bias".to_owned(), (vec![64], vec![weight; 64]));
            assert_eq!(error_of(&file_of(&tensors, Dtype::F32)), format!("conv2.bias contains {weight}"));
        }
    }
}
