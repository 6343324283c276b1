//! The network's memory: layers that read a window from both ends, for many windows side by side.

use super::weights::{GATES, UNITS};
use crate::audio::vad::{sigmoid, tanh};
use crate::speech::model::tensors::Tensors;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// Frames whose inputs are multiplied at once, so that they are still in cache when the memory reads them.
const STRIDE_FRAMES: usize = 16;

/// One layer: what reads from the beginning and what reads from the end.
#[derive(Debug)]
pub(super) struct Layer([Direction; 2]);

#[derive(Debug)]
struct Direction {
    input: Packed,
    recurrent: Packed,
    bias: Vec<f32>,
}

/// Working memory of [`Layer::run`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct Work {
    prepared: Vec<f32>,
    gates: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
    pub scratch: Scratch,
}

impl Layer {
    /// Takes the tensors of layer `index`, whose inputs are `inputs` wide.
    pub fn new(weights: &Tensors, index: usize, inputs: usize, level: Level) -> Self {
        let direction = |suffix: &str| {
            let tensor = |kind: &str| weights.get(&format!("lstm.{kind}_l{index}{suffix}"));
            let pack = |kind: &str, k: usize| Packed::pack(level, Precision::F32, GATES, k, tensor(kind));
            let biases = tensor("bias_ih").iter().zip(tensor("bias_hh"));
            Direction {
                input: pack("weight_ih", inputs),
                recurrent: pack("weight_hh", UNITS),
                bias: biases.map(|(input, hidden)| input + hidden).collect(),
            }
        };
        Self([direction(""), direction("_reverse")])
    }

    /// Reads all frames and writes what the layer says of each.
    ///
    /// Shape: `inputs` holds frame after frame, in each the row of every window; `outputs` likewise, of 2 × [`UNITS`]: what
    /// was read from the beginning, then what was read from the end.
    pub fn run(&self, inputs: &[f32], windows: usize, outputs: &mut Vec<f32>, work: &mut Work) {
        let [forward, backward] = &self.0;
        let frame = windows * forward.input.k();
        outputs.resize(inputs.len() / forward.input.k() * 2 * UNITS, 0.0);
        let stretches = || inputs.chunks(STRIDE_FRAMES * frame).enumerate();
        work.begin(windows);
        for (index, inputs) in stretches() {
            forward.prepare(inputs, work);
            for at in 0..inputs.len() / frame {
                let rows = (index * STRIDE_FRAMES + at) * windows;
                forward.step(at, work, &mut outputs[rows * 2 * UNITS..]);
            }
        }
        work.begin(windows);
        for (index, inputs) in stretches().rev() {
            backward.prepare(inputs, work);
            for at in (0..inputs.len() / frame).rev() {
                let rows = (index * STRIDE_FRAMES + at) * windows;
                backward.step(at, work, &mut outputs[rows * 2 * UNITS + UNITS..]);
            }
        }
    }
}

impl Work {
    /// Forgets everything.
    fn begin(&mut self, windows: usize) {
        for memory in [&mut self.hidden, &mut self.cell] {
            memory.clear();
            memory.resize(windows * UNITS, 0.0);
        }
        self.gates.resize(windows * GATES, 0.0);
    }
}

impl Direction {
    /// Multiplies what does not depend on the frame before: one product for all frames.
    fn prepare(&self, inputs: &[f32], work: &mut Work) {
        let rows = inputs.len() / self.input.k();
        work.prepared.resize(rows * GATES, 0.0);
        let Work { prepared, scratch, .. } = work;
        linear(inputs, rows, &self.input, Some(&self.bias), Tail::None, prepared, scratch);
    }

    /// Takes frame `at` of the prepared ones, and writes to every second [`UNITS`] of `outputs`.
    fn step(&self, at: usize, work: &mut Work, outputs: &mut [f32]) {
        let Work { prepared, gates, hidden, cell, scratch } = work;
        let windows = cell.len() / UNITS;
        let tail = Tail::Add(&prepared[at * gates.len()..][..gates.len()]);
        linear(hidden, windows, &self.recurrent, None, tail, gates, scratch);
        let memory = hidden.chunks_exact_mut(UNITS).zip(cell.chunks_exact_mut(UNITS));
        let rows = memory.zip(gates.chunks_exact(GATES)).zip(outputs.chunks_mut(2 * UNITS));
        for (((hidden, cell), gates), out) in rows {
            let ([input, forget, candidate, output], _) = gates.as_chunks::<UNITS>() else {
                unreachable!("the gates are four times the units");
            };
            for unit in 0..UNITS {
                let kept = sigmoid(forget[unit]) * cell[unit];
                cell[unit] = kept + sigmoid(input[unit]) * tanh(candidate[unit]);
                hidden[unit] = sigmoid(output[unit]) * tanh(cell[unit]);
            }
            out[..UNITS].copy_from_slice(hidden);
        }
    }
}
