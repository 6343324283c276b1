//! The network's tensors: which there are, and how a file of them is read.

use super::{CLASSES, SegmentationError};
use crate::speech::model::tensors::Tensors;

/// Layers of memory.
pub const LAYERS: usize = 4;

/// Units of a layer, in each direction.
pub const UNITS: usize = 128;

/// Gates of a direction: input, forget, candidate and output of every unit, in this order.
pub const GATES: usize = 4 * UNITS;

/// Band-pass filters: each stands for an even and an odd one.
pub const BANDS: usize = 40;

/// Samples of half a filter, without its middle.
pub const HALF: usize = 125;

/// Channels behind the first convolution, and behind each other one.
pub const CHANNELS: [usize; 3] = [2 * BANDS, 60, 60];

/// Frames that the second and the third convolution see at once.
pub const TAPS: usize = 5;

/// Largest weight that is believed; the published ones stay below 7,500 (a frequency).
const WEIGHT_ABS_MAX: f32 = 20_000.0;

/// Returns the tensors of the network, by name and shape.
///
/// Source: the `state_dict` of pyannote segmentation-3.0.
pub fn tensors() -> Vec<(String, Vec<usize>)> {
    let sinc = |name: &str, shape: &[usize]| (format!("sincnet.{name}"), shape.to_vec());
    let mut list = vec![
        sinc("wav_norm1d.weight", &[1]),
        sinc("wav_norm1d.bias", &[1]),
        sinc("conv1d.0.filterbank.low_hz_", &[BANDS, 1]),
        sinc("conv1d.0.filterbank.band_hz_", &[BANDS, 1]),
        sinc("conv1d.0.filterbank.window_", &[HALF]),
        sinc("conv1d.0.filterbank.n_", &[1, HALF]),
        sinc("conv1d.1.weight", &[CHANNELS[1], CHANNELS[0], TAPS]),
        sinc("conv1d.1.bias", &[CHANNELS[1]]),
        sinc("conv1d.2.weight", &[CHANNELS[2], CHANNELS[1], TAPS]),
        sinc("conv1d.2.bias", &[CHANNELS[2]]),
    ];
    for (index, channels) in CHANNELS.into_iter().enumerate() {
        list.push(sinc(&format!("norm1d.{index}.weight"), &[channels]));
        list.push(sinc(&format!("norm1d.{index}.bias"), &[channels]));
    }
    for layer in 0..LAYERS {
        let inputs = if layer == 0 { CHANNELS[2] } else { 2 * UNITS };
        for direction in ["", "_reverse"] {
            let memory =
                |kind: &str, shape: &[usize]| (format!("lstm.{kind}_l{layer}{direction}"), shape.to_vec());
            list.push(memory("weight_ih", &[GATES, inputs]));
            list.push(memory("weight_hh", &[GATES, UNITS]));
            list.push(memory("bias_ih", &[GATES]));
            list.push(memory("bias_hh", &[GATES]));
        }
    }
    for (name, inputs, outputs) in
        [("linear.0", 2 * UNITS, UNITS), ("linear.1", UNITS, UNITS), ("classifier", UNITS, CLASSES)]
    {
        list.push((format!("{name}.weight"), vec![outputs, inputs]));
        list.push((format!("{name}.bias"), vec![outputs]));
    }
    list
}

/// Parses the bytes of a safetensors file.
///
/// Errors: [`SegmentationError::Weights`] says which tensor differs from what the network needs.
pub(super) fn parse(bytes: &[u8]) -> Result<Tensors, SegmentationError> {
    Tensors::parse(bytes, &tensors(), WEIGHT_ABS_MAX).map_err(SegmentationError::Weights)
}
