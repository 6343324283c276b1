//! The network's tensors: which there are, and what a norm becomes once it is known.

use crate::speech::model::tensors::Tensors;
use crate::speech::voice::VoiceError;

/// Channels of the two-dimensional part.
pub const PLANES: usize = 32;

/// Values of a frame behind the two-dimensional part: its channels at each of the ten bands that are left.
pub const HEAD: usize = PLANES * 10;

/// Channels that a dense layer adds.
pub const GROWTH: usize = 32;

/// Channels inside a dense layer.
pub const NARROW: usize = 128;

/// Channels of the mask's hidden layer.
pub const MASK: usize = NARROW / 2;

/// Frames that the first one-dimensional convolution sees.
pub const TAPS: usize = 5;

/// Dense layers of each block, and how far apart the three frames lie that they see.
///
/// Source: Wang and others, "CAM++", 2023, table 1.
pub const BLOCKS: [(usize, usize); 3] = [(12, 1), (24, 2), (16, 2)];

/// Channels behind the last block.
pub const LAST: usize = 512;

/// Values of a voice.
pub const DIMENSIONS: usize = 192;

/// Largest weight that is believed; the published ones stay below 1,041 (a variance).
const WEIGHT_ABS_MAX: f32 = 10_000.0;

/// Guard of the variances.
///
/// Source: PyTorch's default for batch norms.
const NORM_EPSILON: f64 = 1e-5;

/// Returns the tensors of the network, by name and shape.
///
/// Source: `campplus_cn_en_common.pt` of 3D-Speaker, without its counters of batches.
pub fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    list.head();
    list.tensor("xvector.tdnn.linear.weight", &[NARROW, HEAD, TAPS]);
    list.norm("xvector.tdnn.nonlinear.batchnorm", NARROW);
    let mut channels = NARROW;
    for (block, (layers, _)) in BLOCKS.into_iter().enumerate() {
        for layer in 0..layers {
            list.layer(&format!("xvector.block{}.tdnnd{}", block + 1, layer + 1), channels);
            channels += GROWTH;
        }
        list.norm(&format!("xvector.transit{}.nonlinear.batchnorm", block + 1), channels);
        list.tensor(&format!("xvector.transit{}.linear.weight", block + 1), &[channels / 2, channels, 1]);
        channels /= 2;
    }
    list.norm("xvector.out_nonlinear.batchnorm", LAST);
    list.tensor("xvector.dense.linear.weight", &[DIMENSIONS, 2 * LAST, 1]);
    list.tensor("xvector.dense.nonlinear.batchnorm.running_mean", &[DIMENSIONS]);
    list.tensor("xvector.dense.nonlinear.batchnorm.running_var", &[DIMENSIONS]);
    list.0
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn tensor(&mut self, name: &str, shape: &[usize]) {
        self.0.push((name.to_owned(), shape.to_vec()));
    }

    fn norm(&mut self, name: &str, channels: usize) {
        for kind in ["weight", "bias", "running_mean", "running_var"] {
            self.tensor(&format!("{name}.{kind}"), &[channels]);
        }
    }

    fn head(&mut self) {
        self.tensor("head.conv1.weight", &[PLANES, 1, 3, 3]);
        self.norm("head.bn1", PLANES);
        for layer in 1..=2 {
            for block in 0..2 {
                let name = format!("head.layer{layer}.{block}");
                for part in 1..=2 {
                    self.tensor(&format!("{name}.conv{part}.weight"), &[PLANES, PLANES, 3, 3]);
                    self.norm(&format!("{name}.bn{part}"), PLANES);
                }
                if block == 0 {
                    self.tensor(&format!("{name}.shortcut.0.weight"), &[PLANES, PLANES, 1, 1]);
                    self.norm(&format!("{name}.shortcut.1"), PLANES);
                }
            }
        }
        self.tensor("head.conv2.weight", &[PLANES, PLANES, 3, 3]);
        self.norm("head.bn2", PLANES);
    }

    fn layer(&mut self, name: &str, channels: usize) {
        self.norm(&format!("{name}.nonlinear1.batchnorm"), channels);
        self.tensor(&format!("{name}.linear1.weight"), &[NARROW, channels, 1]);
        self.norm(&format!("{name}.nonlinear2.batchnorm"), NARROW);
        self.tensor(&format!("{name}.cam_layer.linear_local.weight"), &[GROWTH, NARROW, 3]);
        self.tensor(&format!("{name}.cam_layer.linear1.weight"), &[MASK, NARROW, 1]);
        self.tensor(&format!("{name}.cam_layer.linear1.bias"), &[MASK]);
        self.tensor(&format!("{name}.cam_layer.linear2.weight"), &[GROWTH, MASK, 1]);
        self.tensor(&format!("{name}.cam_layer.linear2.bias"), &[GROWTH]);
    }
}

/// Parses the bytes of a safetensors file.
///
/// Errors: [`VoiceError::Weights`] says which tensor differs from what the network needs.
pub(super) fn parse(bytes: &[u8]) -> Result<Tensors, VoiceError> {
    Tensors::parse(bytes, &tensors(), WEIGHT_ABS_MAX).map_err(VoiceError::Weights)
}

/// A batch norm with what training learned of the data: for each channel a factor and a shift.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Norm {
    /// Reads a norm that has weights of its own.
    pub fn of(weights: &Tensors, name: &str) -> Self {
        let tensor = |kind: &str| weights.get(&format!("{name}.{kind}"));
        Self::from_parts(tensor("weight"), tensor("bias"), tensor("running_mean"), tensor("running_var"))
    }

    /// Reads a norm that has none.
    pub fn plain(weights: &Tensors, name: &str) -> Self {
        let tensor = |kind: &str| weights.get(&format!("{name}.{kind}"));
        let (mean, variance) = (tensor("running_mean"), tensor("running_var"));
        Self::from_parts(&vec![1.0; mean.len()], &vec![0.0; mean.len()], mean, variance)
    }

    fn from_parts(gain: &[f32], bias: &[f32], mean: &[f32], variance: &[f32]) -> Self {
        let factor = |(gain, variance): (&f32, &f32)| {
            f64::from(*gain) / (f64::from(*variance).max(0.0) + NORM_EPSILON).sqrt()
        };
        let factors: Vec<f64> = gain.iter().zip(variance).map(factor).collect();
        let shifts = bias.iter().zip(mean).zip(&factors);
        let shift =
            shifts.map(|((bias, mean), factor)| (f64::from(*bias) - f64::from(*mean) * factor) as f32);
        Self { shift: shift.collect(), scale: factors.iter().map(|factor| *factor as f32).collect() }
    }

    /// Multiplies the norm into the rows of the matrix in front of it; what it adds becomes the bias.
    pub fn into_rows(self, mut rows: Vec<f32>) -> (Vec<f32>, Vec<f32>) {
        let width = rows.len() / self.scale.len();
        for (row, scale) in rows.chunks_exact_mut(width).zip(&self.scale) {
            row.iter_mut().for_each(|value| *value *= scale);
        }
        (rows, self.shift)
    }

    /// Applies the norm to frames and drops what is negative.
    pub fn rectified(&self, x: &[f32], out: &mut [f32]) {
        let width = self.scale.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for (((out, x), scale), shift) in out.iter_mut().zip(x).zip(&self.scale).zip(&self.shift) {
                *out = (x * scale + shift).max(0.0);
            }
        }
    }
}
