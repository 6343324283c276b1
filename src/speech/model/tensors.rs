//! A safetensors file that must hold exactly the tensors a network needs.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};

/// The tensors of a network, checked.
#[derive(Debug)]
pub struct Tensors(HashMap<String, Vec<f32>>);

impl Tensors {
    /// Parses the bytes of a file: single floats, `expected` by name and shape and nothing else.
    ///
    /// Range: every value is finite and at most `abs_max` away from 0.
    /// Errors: says in words which tensor differs from what the network needs.
    pub fn parse(bytes: &[u8], expected: &[(String, Vec<usize>)], abs_max: f32) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        if file.len() != expected.len() {
            return Err(format!("{} tensors instead of {}", file.len(), expected.len()));
        }
        let read =
            |(name, shape): &(String, Vec<usize>)| Ok((name.clone(), values(&file, name, shape, abs_max)?));
        expected.iter().map(read).collect::<Result<_, String>>().map(Self)
    }

    /// Returns the values of a tensor, the last dimension running fastest.
    ///
    /// Range: panics if the tensor was not among the expected ones.
    pub fn get(&self, name: &str) -> &[f32] {
        self.0.get(name).expect("only tensors of the list are asked for")
    }
}

fn values(file: &SafeTensors, name: &str, shape: &[usize], abs_max: f32) -> Result<Vec<f32>, String> {
    let tensor = file.tensor(name).map_err(|error| error.to_string())?;
    if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
        let (dtype, found) = (tensor.dtype(), tensor.shape());
        return Err(format!("{name} is {dtype:?} {found:?} instead of F32 {shape:?}"));
    }
    let (numbers, _) = tensor.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().find(|value| !value.is_finite() || value.abs() > abs_max) {
        Some(value) => Err(format!("{name} contains {value}")),
        None => Ok(values),
    }
}
