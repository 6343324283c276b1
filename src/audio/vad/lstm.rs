//! The network's memory: one LSTM cell of 128 units.

use super::gemm::{Layout, Matrix, Rows};
use super::weights::Weights;

/// Width of the cell.
pub(super) const UNITS: usize = 128;

/// Input, forget, candidate and output gate of every unit, in this order.
const GATES: usize = 4 * UNITS;

/// Weights of the cell.
#[derive(Debug, Clone)]
pub(super) struct Lstm {
    input: Matrix<8>,
    /// Panels are wider here: a single row needs more sums at once to hide the time an addition takes.
    recurrent: Matrix<32>,
    bias: Vec<f32>,
}

/// What the cell remembers between two steps; zeros at first.
#[derive(Debug, Clone)]
pub(super) struct LstmState {
    hidden: [f32; UNITS],
    cell: [f32; UNITS],
}

impl Default for LstmState {
    fn default() -> Self {
        Self { hidden: [0.0; UNITS], cell: [0.0; UNITS] }
    }
}

impl Lstm {
    /// Takes the tensors `lstm_cell.*`.
    pub fn new(weights: &Weights) -> Self {
        let (input, recurrent) =
            (weights.tensor("lstm_cell.weight_ih"), weights.tensor("lstm_cell.weight_hh"));
        let (bias_ih, bias_hh) = (weights.tensor("lstm_cell.bias_ih"), weights.tensor("lstm_cell.bias_hh"));
        Self {
            input: Matrix::new(GATES, UNITS, |gate, unit| input[gate * UNITS + unit]),
            recurrent: Matrix::new(GATES, UNITS, |gate, unit| recurrent[gate * UNITS + unit]),
            bias: bias_ih.iter().zip(bias_hh).map(|(ih, hh)| ih + hh).collect(),
        }
    }

    /// Computes what does not depend on the state: the gates' share of every step's input.
    ///
    /// Shape: `inputs` holds 128 values a step, `gates` receives 512.
    pub fn prepare(&self, inputs: &[f32], gates: &mut Vec<f32>) {
        let count = inputs.len() / UNITS;
        gates.clear();
        (0..count).for_each(|_| gates.extend_from_slice(&self.bias));
        let rows = Rows { data: inputs, layout: Layout::dense(UNITS), count, inputs: 0..UNITS };
        self.input.add_product(&rows, gates, Layout::dense(GATES));
    }

    /// Takes one step with the prepared gates and returns the new hidden state.
    pub fn step<'a>(&self, gates: &mut [f32; GATES], state: &'a mut LstmState) -> &'a [f32; UNITS] {
        let rows = Rows { data: &state.hidden, layout: Layout::dense(UNITS), count: 1, inputs: 0..UNITS };
        self.recurrent.add_product(&rows, gates, Layout::dense(GATES));
        let ([input, forget, candidate, output], _) = gates.as_chunks::<UNITS>() else {
            unreachable!("the gates are four times the units");
        };
        for unit in 0..UNITS {
            let cell =
                sigmoid(forget[unit]) * state.cell[unit] + sigmoid(input[unit]) * tanh(candidate[unit]);
            state.cell[unit] = cell;
            state.hidden[unit] = sigmoid(output[unit]) * tanh(cell);
        }
        &state.hidden
    }
}

/// Returns `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Returns the hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exp(-2.0 * x)) - 1.0
}

/// Returns `eˣ` within 3·10⁻⁷ of its value, as arithmetic that the compiler can turn into vector instructions.
///
/// Range: `x` beyond ±87 counts as ±87, where both users of the result have long reached their limit.
/// Source: eˣ = 2ⁿ · eʳ with |r| ≤ ln 2 / 2, and the Taylor series of eʳ, whose next term is below 6·10⁻⁹.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number and leaves that number in the low bits: 1.5 · 2²³.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; the first has so few digits that its product with `n` is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = std::f64::consts::LN_2 as f32 - LN_2_HIGH;

    let x = x.clamp(-87.0, 87.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let series = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0))))));
    // 127 is the exponent's offset in an f32; the bits of ROUND itself are shifted out.
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_sigmoid_and_tanh_agree_with_the_standard_library() {
        for step in -4000..=4000 {
            let x = step as f32 / 50.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "exp({x})");
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + 1.0 / exact)).abs() < 3e-7, "sigmoid({x})");
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 3e-7, "tanh({x})");
        }
    }

    #[test]
    fn the_gates_stay_finite_for_inputs_beyond_every_limit() {
        for x in [f32::MAX, -f32::MAX, 1e20, -1e20, 0.0] {
            assert!((0.0..=1.0).contains(&sigmoid(x)), "sigmoid({x})");
            assert!((-1.0..=1.0).contains(&tanh(x)), "tanh({x})");
        }
    }
}
