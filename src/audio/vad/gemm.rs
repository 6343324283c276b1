//! A weight matrix laid out for plain Rust loops that the compiler turns into vector instructions.
//!
//! A product adds `input × weight` in the order of the inputs, whatever the number of rows computed together. That
//! fixed order is what makes streaming and offline results bit-equal.

use std::ops::Range;

/// Rows computed together, so that a weight that was loaded is used more than once.
///
/// Source: own bench (benches/vad.rs); 2 or 3 take half as long again, 6 gain nothing.
const ROWS: usize = 4;

/// Weights of one linear layer, in panels of `LANES` outputs.
///
/// Shape: `panels[panel * inputs + input]` holds the weights of that input to the panel's outputs; the last
/// panel is filled up with zeros.
#[derive(Debug, Clone)]
pub(super) struct Matrix<const LANES: usize> {
    inputs: usize,
    panels: Vec<[f32; LANES]>,
}

/// Equally spaced rows inside one slice: row `i` starts at `first + i * stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Index of the first value of row 0.
    pub first: usize,
    /// Distance between the starts of two rows.
    pub stride: usize,
}

/// The left side of a product.
#[derive(Debug, Clone)]
pub(super) struct Rows<'a> {
    /// The values of all rows.
    pub data: &'a [f32],
    /// Where the rows lie.
    pub layout: Layout,
    /// How many rows there are.
    pub count: usize,
    /// Which inputs of the matrix a row holds; the others count as zero.
    pub inputs: Range<usize>,
}

impl<const LANES: usize> Matrix<LANES> {
    /// Asks `weight(output, input)` for every weight.
    pub fn new(outputs: usize, inputs: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let or_zero = |output, input| if output < outputs { weight(output, input) } else { 0.0 };
        let panels = (0..outputs)
            .step_by(LANES)
            .flat_map(|first| (0..inputs).map(move |input| (first, input)))
            .map(|(first, input)| std::array::from_fn(|lane| or_zero(first + lane, input)))
            .collect();
        Self { inputs, panels }
    }

    /// Adds the product of every row with the matrix to the row of `out` at `layout`.
    ///
    /// Shape: a row of `out` holds the outputs, filled up to whole panels.
    pub fn add_product(&self, rows: &Rows, out: &mut [f32], layout: Layout) {
        let paired = rows.count - rows.count % ROWS;
        for (panel, weights) in self.panels.chunks_exact(self.inputs).enumerate() {
            let weights = &weights[rows.inputs.clone()];
            let layout = Layout { first: layout.first + panel * LANES, ..layout };
            for row in (0..paired).step_by(ROWS) {
                add_tile::<ROWS, LANES>(weights, rows, row, out, layout);
            }
            for row in paired..rows.count {
                add_tile::<1, LANES>(weights, rows, row, out, layout);
            }
        }
    }
}

impl Rows<'_> {
    /// Returns the values of one row.
    #[inline(always)]
    fn row(&self, row: usize) -> &[f32] {
        &self.data[self.layout.at(row)..][..self.inputs.len()]
    }
}

impl Layout {
    /// Takes rows that follow each other without a gap.
    pub fn dense(width: usize) -> Self {
        Self { first: 0, stride: width }
    }

    /// Returns where a row starts.
    fn at(self, row: usize) -> usize {
        self.first + row * self.stride
    }
}

/// Adds the products of `COUNT` rows with one panel; the sums live in registers meanwhile.
#[inline(always)]
fn add_tile<const COUNT: usize, const LANES: usize>(
    weights: &[[f32; LANES]],
    rows: &Rows,
    first: usize,
    out: &mut [f32],
    layout: Layout,
) {
    let inputs: [&[f32]; COUNT] = std::array::from_fn(|i| &rows.row(first + i)[..weights.len()]);
    let mut sums = [[0.0_f32; LANES]; COUNT];
    for (i, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&out[layout.at(first + i)..][..LANES]);
    }
    for (k, weights) in weights.iter().enumerate() {
        for (sums, input) in sums.iter_mut().zip(&inputs) {
            let input = input[k];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += input * weight;
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        out[layout.at(first + i)..][..LANES].copy_from_slice(sums);
    }
}
