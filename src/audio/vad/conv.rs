//! A convolution over the few frames of one step, as one matrix product for each frame it puts out.

use super::gemm::{Layout, Matrix, Rows};
use super::weights::Weights;

/// Frames that one output frame sees: the one before, its own, the one behind.
const TAPS: usize = 3;

/// A convolution of width 3 with one frame of zeros on either side, followed by ReLU.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    channels_in: usize,
    bias: Vec<f32>,
    matrix: Matrix<8>,
}

/// How many frames a step has, and which of them become outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    /// Frames of one step that come in.
    pub count: usize,
    /// Distance between two frames that outputs are centred on.
    pub stride: usize,
}

impl Conv {
    /// Takes the tensors `{name}.weight` and `{name}.bias`; `channel_at` says which channel stands at a position of
    /// the incoming frames.
    pub fn new(weights: &Weights, name: &str, channel_at: impl Fn(usize) -> usize) -> Self {
        let weight = weights.tensor(&format!("{name}.weight"));
        let bias = weights.tensor(&format!("{name}.bias")).to_vec();
        let channels_in = weight.len() / bias.len() / TAPS;
        let matrix = Matrix::new(bias.len(), channels_in * TAPS, |output, input| {
            let (tap, channel) = (input / channels_in, channel_at(input % channels_in));
            weight[(output * channels_in + channel) * TAPS + tap]
        });
        Self { channels_in, bias, matrix }
    }

    /// Computes the output frames of every step.
    ///
    /// Shape: `steps` and `out` hold, for each step, its frames, and in each frame its channels.
    pub fn run(&self, steps: &[f32], frames: Frames, out: &mut Vec<f32>) {
        let step_width = frames.count * self.channels_in;
        let frames_out = frames.count.div_ceil(frames.stride);
        let count = steps.len() / step_width;
        out.clear();
        (0..count * frames_out).for_each(|_| out.extend_from_slice(&self.bias));
        for (frame_out, centre) in (0..frames.count).step_by(frames.stride).enumerate() {
            // The frames of zeros are left out of the product.
            let (first, end) = (centre.saturating_sub(1), (centre + 2).min(frames.count));
            let first_tap = first + 1 - centre;
            let inputs = first_tap * self.channels_in..(first_tap + end - first) * self.channels_in;
            let layout = Layout { first: first * self.channels_in, stride: step_width };
            let rows = Rows { data: steps, layout, count, inputs };
            let stride = frames_out * self.bias.len();
            self.matrix.add_product(&rows, out, Layout { first: frame_out * self.bias.len(), stride });
        }
        for value in out {
            *value = value.max(0.0);
        }
    }
}
