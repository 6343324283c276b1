//! The network's memory: a layer of 256 LSTM cells, for many windows side by side.

use super::weights::{GATES, UNITS, Weights};
use crate::audio::vad::{sigmoid, tanh};
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    input: Packed,
    recurrent: Packed,
    bias: Vec<f32>,
}

/// What a layer remembers of each window between two frames; zeros at first.
#[derive(Debug)]
pub(super) struct State {
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

/// Working memory of [`Layer::advance`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct Work {
    prepared: Vec<f32>,
    gates: Vec<f32>,
    scratch: Scratch,
}

impl State {
    /// Begins `windows` windows.
    pub fn new(windows: usize) -> Self {
        Self { hidden: vec![0.0; windows * UNITS], cell: vec![0.0; windows * UNITS] }
    }

    /// Returns what the layer says of each window now.
    pub fn hidden(&self) -> &[f32] {
        &self.hidden
    }
}

impl Layer {
    /// Takes the tensors of layer `index`, whose inputs are `inputs` wide.
    pub fn new(weights: &Weights, index: usize, inputs: usize, level: Level) -> Self {
        let tensor = |kind: &str| weights.tensor(&format!("lstm.{kind}_l{index}"));
        let pack = |kind: &str, k: usize| Packed::pack(level, Precision::F32, GATES, k, tensor(kind));
        let biases = tensor("bias_ih").iter().zip(tensor("bias_hh"));
        Self {
            input: pack("weight_ih", inputs),
            recurrent: pack("weight_hh", UNITS),
            bias: biases.map(|(input, hidden)| input + hidden).collect(),
        }
    }

    /// Takes some frames of every window and writes what the layer says after each of them.
    ///
    /// Shape: `inputs` holds frame after frame, in each the row of every window; `outputs` likewise, of [`UNITS`].
    pub fn advance(&self, inputs: &[f32], state: &mut State, outputs: &mut Vec<f32>, work: &mut Work) {
        let rows = inputs.len() / self.input.k();
        let windows = state.cell.len() / UNITS;
        let Work { prepared, gates, scratch } = work;
        // What does not depend on the frame before is one product for all frames.
        prepared.resize(rows * GATES, 0.0);
        linear(inputs, rows, &self.input, Some(&self.bias), Tail::None, prepared, scratch);
        gates.resize(windows * GATES, 0.0);
        outputs.clear();
        for prepared in prepared.chunks_exact(windows * GATES) {
            let tail = Tail::Add(prepared);
            linear(&state.hidden, windows, &self.recurrent, None, tail, gates, scratch);
            state.step(gates);
            outputs.extend_from_slice(&state.hidden);
        }
    }
}

impl State {
    fn step(&mut self, gates: &[f32]) {
        let rows = self.hidden.chunks_exact_mut(UNITS).zip(self.cell.chunks_exact_mut(UNITS));
        for ((hidden, cell), gates) in rows.zip(gates.chunks_exact(GATES)) {
            let ([input, forget, candidate, output], _) = gates.as_chunks::<UNITS>() else {
                unreachable!("the gates are four times the units");
            };
            for unit in 0..UNITS {
                let kept = sigmoid(forget[unit]) * cell[unit];
                cell[unit] = kept + sigmoid(input[unit]) * tanh(candidate[unit]);
                hidden[unit] = sigmoid(output[unit]) * tanh(cell[unit]);
            }
        }
    }
}
