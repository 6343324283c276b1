//! Weights of a ggml file in the shapes the kernels read.

use crate::speech::model::ggml::{Model, Tensor};

use super::LoadError;
use super::kernels::{Level, Packed, Precision, Scratch, Tail, layer_norm, linear};

/// Reads tensors of one model for one instruction level.
pub(super) struct Source<'a> {
    pub model: &'a Model<'a>,
    pub level: Level,
}

/// A linear layer.
pub(super) struct Linear {
    pub weight: Packed,
    pub bias: Option<Vec<f32>>,
}

/// Scale and shift of a layer norm.
pub(super) struct Norm {
    level: Level,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    /// Normalises `rows` rows of `x` into `out`.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let width = self.scale.len();
        layer_norm(self.level, x, x.len() / width, width, &self.scale, &self.shift, out);
    }
}

impl Source<'_> {
    /// Widens one tensor to single precision.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        let mut values = Vec::new();
        self.append(name, &mut values)?;
        Ok(values)
    }

    fn append(&self, name: &str, out: &mut Vec<f32>) -> Result<(), LoadError> {
        let tensor: Tensor<'_> = self.model.tensor(name)?;
        let is_read = tensor.format.decode(tensor.data, out);
        is_read.then_some(()).ok_or_else(|| LoadError::Format(name.to_owned()))
    }

    /// Reads a layer norm.
    pub fn norm(&self, name: &str) -> Result<Norm, LoadError> {
        let (scale, shift) = (self.values(&format!("{name}.weight"))?, self.values(&format!("{name}.bias"))?);
        Ok(Norm { level: self.level, scale, shift })
    }

    /// Reads linear layers of one input as one: their outputs lie side by side. A missing bias counts as zeros.
    pub fn linear(&self, names: &[String], precision: Precision) -> Result<Linear, LoadError> {
        let width = self.model.dims.state;
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        let mut columns = width;
        for name in names {
            let before = weights.len();
            self.append(&format!("{name}.weight"), &mut weights)?;
            let part = self.values(&format!("{name}.bias"));
            let rows = part.as_ref().map_or(width, Vec::len);
            columns = (weights.len() - before) / rows;
            bias.extend(part.unwrap_or_else(|_| vec![0.0; rows]));
        }
        let weight = Packed::pack(self.level, precision, bias.len(), columns, &weights);
        Ok(Linear { weight, bias: Some(bias) })
    }

    /// Reads a convolution over three frames as a linear layer on three frames in a row.
    pub fn convolution(&self, name: &str, precision: Precision) -> Result<Linear, LoadError> {
        let values = self.values(&format!("{name}.weight"))?;
        let bias = self.values(&format!("{name}.bias"))?;
        let channels = values.len() / bias.len() / 3;
        let mut weights = Vec::with_capacity(values.len());
        for filter in values.chunks_exact(3 * channels) {
            // The file holds (channel, frame), the input has frame after frame.
            for frame in 0..3 {
                weights.extend((0..channels).map(|channel| filter[channel * 3 + frame]));
            }
        }
        let weight = Packed::pack(self.level, precision, bias.len(), 3 * channels, &weights);
        Ok(Linear { weight, bias: Some(bias) })
    }
}

impl Linear {
    /// Computes the layer for every row of `x`.
    pub fn apply(&self, x: &[f32], tail: Tail<'_>, out: &mut [f32], scratch: &mut Scratch) {
        linear(x, x.len() / self.weight.k(), &self.weight, self.bias.as_deref(), tail, out, scratch);
    }
}
