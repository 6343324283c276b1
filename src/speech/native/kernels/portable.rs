//! The kernels in plain Rust: the definition against which the other levels are tested.

use super::buffer::Scratch;
use super::halves::{OPERAND_MAX, joined, split_row};
use super::keys::{HEAD, KeyValues, Store};
use super::lanes::{Separate, gelu};
use super::lanewise;
use super::linear::{Product, Tail};
use super::packed::{Int8Panels, bf16_from_f32, f32_from_bf16, peak, quantise};
use super::{PANEL, Precision};

/// See [`super::linear()`]; `panels` as in [`super::Packed`].
pub(super) fn linear_f32(product: &Product<'_>, k: usize, panels: &[f32], out: &mut [f32]) {
    let k_padded = Precision::F32.padded(k);
    for row in 0..product.rows {
        let x = &product.x[row * k..(row + 1) * k];
        each_panel(product, row, k_padded, panels, out, |panel, sums| dot_panel(x, panel, sums));
    }
}

/// See [`super::linear()`]; operands are rounded to bf16, products and sums are f32.
pub(super) fn linear_bf16(
    product: &Product<'_>,
    k: usize,
    panels: &[u16],
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let k_padded = Precision::Bf16.padded(k);
    let x = scratch.floats.take(k_padded);
    for row in 0..product.rows {
        x.fill(0.0);
        for (rounded, value) in x.iter_mut().zip(&product.x[row * k..(row + 1) * k]) {
            *rounded = f32_from_bf16(bf16_from_f32(*value));
        }
        each_panel(product, row, k_padded, panels, out, |panel, sums| {
            for (pair, weights) in x.chunks_exact(2).zip(panel.chunks_exact(2 * PANEL)) {
                for (sum, w) in sums.iter_mut().zip(weights.chunks_exact(2)) {
                    *sum += pair[0] * f32_from_bf16(w[0]) + pair[1] * f32_from_bf16(w[1]);
                }
            }
        });
    }
}

/// See [`super::linear()`]; x is quantised per row, sums are exact integers.
pub(super) fn linear_int8(
    product: &Product<'_>,
    k: usize,
    panels: &Int8Panels,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let k_padded = Precision::Int8.padded(k);
    let x = scratch.integers.take(k_padded);
    for row in 0..product.rows {
        x.fill(0);
        let scale = quantise(&product.x[row * k..(row + 1) * k], x);
        let mut column = product.columns.start;
        each_panel(product, row, k_padded, panels.weights.as_slice(), out, |panel, sums| {
            let mut integers = [0i32; PANEL];
            for (four, weights) in x.chunks_exact(4).zip(panel.chunks_exact(4 * PANEL)) {
                for (sum, w) in integers.iter_mut().zip(weights.chunks_exact(4)) {
                    *sum += (0..4).map(|i| i32::from(four[i]) * i32::from(w[i])).sum::<i32>();
                }
            }
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = integers[i] as f32 * (scale * panels.scales.as_slice()[column + i]);
            }
            column += PANEL;
        });
    }
}

/// See [`super::linear()`]; x is quantised per row to 16 bits, sums of each half are exact integers.
pub(super) fn linear_weights8(
    product: &Product<'_>,
    k: usize,
    panels: &Int8Panels,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let k_padded = Precision::Weights8.padded(k);
    let halves = scratch.integers.take(2 * k_padded);
    for row in 0..product.rows {
        let x = &product.x[row * k..(row + 1) * k];
        let peak = peak(x);
        let scale = peak / OPERAND_MAX;
        split_row::<4>(x, k_padded, peak, |column, high, low| {
            halves[2 * column..2 * column + 4].copy_from_slice(high);
            halves[2 * column + 4..2 * column + 8].copy_from_slice(low);
        });
        let mut column = product.columns.start;
        each_panel(product, row, k_padded, panels.weights.as_slice(), out, |panel, sums| {
            let mut integers = [[0i32; 2]; PANEL];
            for (eight, weights) in halves.chunks_exact(8).zip(panel.chunks_exact(4 * PANEL)) {
                for ([high, low], w) in integers.iter_mut().zip(weights.chunks_exact(4)) {
                    *high += (0..4).map(|i| i32::from(eight[i]) * i32::from(w[i])).sum::<i32>();
                    *low += (0..4).map(|i| i32::from(eight[4 + i]) * i32::from(w[i])).sum::<i32>();
                }
            }
            for (i, sum) in sums.iter_mut().enumerate() {
                let [high, low] = integers[i];
                *sum = joined(high, low) * (scale * panels.scales.as_slice()[column + i]);
            }
            column += PANEL;
        });
    }
}

/// Calls `sum_panel` for each panel of the wanted columns and stores its sums through bias and tail.
fn each_panel<T>(
    product: &Product<'_>,
    row: usize,
    k_padded: usize,
    panels: &[T],
    out: &mut [f32],
    mut sum_panel: impl FnMut(&[T], &mut [f32; PANEL]),
) {
    let width = product.columns.len();
    let first = product.columns.start * k_padded;
    for (index, panel) in panels[first..].chunks_exact(PANEL * k_padded.max(1)).enumerate() {
        let column = index * PANEL;
        if column >= width {
            break;
        }
        let mut sums = [0.0; PANEL];
        sum_panel(panel, &mut sums);
        let count = PANEL.min(width - column);
        store(product, row * width + column, column, &sums[..count], out);
    }
}

/// Stores finished sums: bias, then tail. `at` is the place in `out`, `column` the place in the bias.
fn store(product: &Product<'_>, at: usize, column: usize, sums: &[f32], out: &mut [f32]) {
    let out = &mut out[at..at + sums.len()];
    for (i, sum) in sums.iter().enumerate() {
        let biased = sum + product.bias.map_or(0.0, |bias| bias[column + i]);
        out[i] = match product.tail {
            Tail::None => biased,
            Tail::Gelu => gelu::<Separate>(biased),
            Tail::Add(residual) => biased + residual[at + i],
        };
    }
}

fn dot_panel(x: &[f32], panel: &[f32], sums: &mut [f32; PANEL]) {
    for (value, weights) in x.iter().zip(panel.chunks_exact(PANEL)) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += value * weight;
        }
    }
}

/// One query, one head; returns the softmax over the positions.
pub(super) fn attend_head<'s>(
    q: &[f32],
    keys: &KeyValues,
    head: usize,
    out: &mut [f32],
    scratch: &'s mut Scratch,
) -> &'s [f32] {
    let first = head * keys.capacity;
    let scores = scratch.floats.take(keys.len);
    score(q, keys, first, scores);
    for score in scores.iter_mut() {
        *score *= 0.125;
    }
    softmax(scores);
    out.fill(0.0);
    for (position, weight) in scores.iter().enumerate() {
        add_value(*weight, keys, first, position, out);
    }
    scores
}

fn score(q: &[f32], keys: &KeyValues, first: usize, scores: &mut [f32]) {
    let key_at = |position: usize, i: usize, group: usize| {
        (first + position / PANEL * PANEL) * HEAD + (i / group * PANEL + position % PANEL) * group + i % group
    };
    let (mut highs, mut lows) = ([0i8; HEAD], [0i8; HEAD]);
    let peak = peak(q);
    let scale = peak / OPERAND_MAX;
    split_row::<HEAD>(q, HEAD, peak, |_, high, low| (highs, lows) = (*high, *low));
    for (position, score) in scores.iter_mut().enumerate() {
        *score = match &keys.store {
            Store::F32 { keys, .. } => {
                (0..HEAD).map(|i| q[i] * keys.as_slice()[key_at(position, i, 1)]).sum()
            }
            Store::Bf16 { keys, .. } => (0..HEAD)
                .map(|i| {
                    f32_from_bf16(bf16_from_f32(q[i]))
                        * f32_from_bf16(keys.as_slice()[key_at(position, i, 2)])
                })
                .sum(),
            Store::Int8(store) => {
                let key = |i| i32::from(store.keys.as_slice()[key_at(position, i, 4)]);
                let dot = |half: &[i8; HEAD]| (0..HEAD).map(|i| i32::from(half[i]) * key(i)).sum();
                joined(dot(&highs), dot(&lows)) * (scale * store.key_scales.as_slice()[first + position])
            }
        };
    }
}

fn add_value(weight: f32, keys: &KeyValues, first: usize, position: usize, out: &mut [f32]) {
    let value_at = |i: usize, group: usize| {
        let row = first * HEAD + (i / PANEL * keys.capacity + position / group * group) * PANEL;
        row + i % PANEL * group + position % group
    };
    for (i, out) in out.iter_mut().enumerate() {
        *out += match &keys.store {
            Store::F32 { values, .. } => weight * values.as_slice()[value_at(i, 1)],
            Store::Bf16 { values, .. } => weight * f32_from_bf16(values.as_slice()[value_at(i, 2)]),
            Store::Int8(store) => {
                let scale = store.value_scales.as_slice()[first + position];
                weight * scale * f32::from(store.values.as_slice()[value_at(i, 4)])
            }
        };
    }
}

/// See [`super::layer_norm`].
pub(super) fn layer_norm(x: &[f32], d: usize, gamma: &[f32], beta: &[f32], out: &mut [f32]) {
    lanewise::layer_norm::<Separate>(x, d, gamma, beta, out);
}

/// See [`super::gelu`].
pub(super) fn gelu_in_place(x: &mut [f32]) {
    lanewise::gelu_in_place::<Separate>(x);
}

/// See [`super::softmax`].
pub(super) fn softmax(x: &mut [f32]) {
    lanewise::softmax::<Separate>(x);
}
