//! Bodies that a level compiles again with its own instructions: plain loops which become vectors there.

use super::elementwise::LAYER_NORM_EPSILON;
use super::engine::{Finish, Tile};
use super::flash::{BLOCK, Gathered, SLACK, SUM_LANES};
use super::halves::{OPERAND_MAX, split_row};
use super::keys::{HEAD, View};
use super::lanes::{MulAdd, exp2, gelu};
use super::linear::Tail;
use super::packed::{PANEL, bf16_from_f32, peak, quantise};

/// Numbers that are handled side by side.
const LANES: usize = 16;
/// Elements of a row that lie together in packed operands.
const CHUNK: usize = 32;

/// Copies rows, 32 values at a time, to where `place(row, column)` says; zeros behind a row's values.
#[inline(always)]
pub(super) fn copy(x: View<'_>, k: usize, out: &mut [f32], place: impl Fn(usize, usize) -> usize) {
    for row in 0..x.height() {
        let values = x.row(row);
        for column in (0..k).step_by(CHUNK) {
            let out = &mut out[place(row, column)..][..CHUNK];
            let rest = values.get(column..).unwrap_or(&[]);
            if let Some(whole) = rest.first_chunk::<CHUNK>() {
                out.copy_from_slice(whole);
            } else {
                out[..rest.len()].copy_from_slice(rest);
                out[rest.len()..].fill(0.0);
            }
        }
    }
}

/// Bias, tail and store of one tile.
#[inline(always)]
pub(super) fn finish<M: MulAdd>(finish: &Finish<'_>, out: &mut [f32]) {
    let product = finish.product;
    let width = product.columns.len();
    let count = PANEL.min(width - finish.column);
    let mut bias = [0.0; PANEL];
    if let Some(all) = product.bias {
        bias[..count].copy_from_slice(&all[finish.column..][..count]);
    }
    for row in 0..finish.rows {
        let at = (finish.row + row) * width + finish.column;
        let mut sums = scaled_row(finish, row);
        for i in 0..PANEL {
            sums[i] += bias[i];
        }
        let out = &mut out[at..at + count];
        if let Ok(out) = <&mut [f32; PANEL]>::try_from(&mut *out) {
            // The common case has a constant width, so that the loops become whole vectors.
            end_row::<M>(&sums, product.tail, at, out);
        } else {
            end_row::<M>(&sums[..count], product.tail, at, out);
        }
    }
}

#[inline(always)]
fn scaled_row(finish: &Finish<'_>, row: usize) -> [f32; PANEL] {
    let bits = finish.tile.row(row);
    let mut sums = [0.0; PANEL];
    match finish.scales {
        None => {
            for i in 0..PANEL {
                sums[i] = f32::from_bits(bits[i]);
            }
        }
        Some((rows, columns)) => {
            let (scale, columns) = (rows[row], &columns[..PANEL]);
            for i in 0..PANEL {
                sums[i] = bits[i] as i32 as f32 * (scale * columns[i]);
            }
        }
    }
    sums
}

#[inline(always)]
fn end_row<M: MulAdd>(sums: &[f32], tail: Tail<'_>, at: usize, out: &mut [f32]) {
    match tail {
        Tail::None => out.copy_from_slice(sums),
        Tail::Gelu => {
            for i in 0..out.len() {
                out[i] = gelu::<M>(sums[i]);
            }
        }
        Tail::Add(residual) => {
            let residual = &residual[at..at + out.len()];
            for i in 0..out.len() {
                out[i] = sums[i] + residual[i];
            }
        }
    }
}

/// See [`super::flash::Softmax::weigh`]; `place(row, panel)` is where 32 weights of f32 go.
#[inline(always)]
pub(super) fn weigh<M: MulAdd>(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    weights: &mut [f32],
    place: impl Fn(usize, usize) -> usize,
) {
    for row in 0..rows {
        refer(tiles, row, gathered);
        let reference = gathered.reference[row];
        let mut sums = gathered.sums[row];
        for (panel, tile) in tiles.iter().enumerate() {
            let out =
                weights[place(row, panel)..].first_chunk_mut::<PANEL>().expect("operands are whole chunks");
            for (out, bits) in out.iter_mut().zip(tile.row(row)) {
                *out = exp2::<M>(f32::from_bits(*bits) - reference);
            }
            for half in out.as_chunks::<SUM_LANES>().0 {
                for (sum, weight) in sums.iter_mut().zip(half) {
                    *sum += weight;
                }
            }
        }
        gathered.sums[row] = sums;
    }
}

/// See [`super::flash::Softmax::weigh`], for integers; `place(row, column, k)` is where 32 weights lie.
#[inline(always)]
pub(super) fn weigh_halves<M: MulAdd>(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    scales: &[f32],
    weights: &mut [i8],
    place: impl Fn(usize, usize, usize) -> usize,
) {
    let depth = tiles.len() * PANEL;
    let mut plain = [0.0; BLOCK];
    for row in 0..rows {
        refer(tiles, row, gathered);
        let reference = gathered.reference[row];
        let mut sums = gathered.sums[row];
        let lanes = plain.as_chunks_mut::<LANES>().0.iter_mut().zip(scales.as_chunks::<LANES>().0);
        let scores = tiles.iter().flat_map(|tile| tile.row(row).as_chunks::<LANES>().0);
        for ((plain, scales), scores) in lanes.zip(scores) {
            for i in 0..LANES {
                let weight = exp2::<M>(f32::from_bits(scores[i]) - reference);
                sums[i] += weight;
                plain[i] = weight * scales[i];
            }
        }
        gathered.sums[row] = sums;
        let peak = peak(&plain[..depth]);
        gathered.scale[row] = peak / OPERAND_MAX;
        split_row::<PANEL>(&plain[..depth], depth, peak, |column, high, low| {
            weights[place(row, column, depth)..][..PANEL].copy_from_slice(high);
            weights[place(rows + row, column, depth)..][..PANEL].copy_from_slice(low);
        });
    }
}

/// Raises the row's reference if a score lies far above it, and scales its sum accordingly.
#[inline(always)]
fn refer(tiles: &[Tile], row: usize, gathered: &mut Gathered) {
    let mut peaks = [f32::NEG_INFINITY; LANES];
    for tile in tiles {
        for half in tile.row(row).as_chunks::<LANES>().0 {
            for (peak, bits) in peaks.iter_mut().zip(half) {
                let score = f32::from_bits(*bits);
                *peak = if score > *peak { score } else { *peak };
            }
        }
    }
    let peak = peaks.iter().fold(f32::NEG_INFINITY, |peak, other| peak.max(*other));
    gathered.factor[row] = 1.0;
    if peak > gathered.reference[row] + SLACK {
        let factor = (gathered.reference[row] - peak).exp2();
        gathered.reference[row] = peak;
        gathered.factor[row] = factor;
        gathered.sums[row].iter_mut().for_each(|sum| *sum *= factor);
    }
}

/// See [`super::flash::Softmax::gather`].
#[inline(always)]
pub(super) fn gather<M: MulAdd>(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
    for row in 0..rows {
        let factor = gathered.factor[row];
        let values: &mut [f32; HEAD] = &mut gathered.values[row];
        for (half, tile) in values.as_chunks_mut::<PANEL>().0.iter_mut().zip(products) {
            for (value, bits) in half.iter_mut().zip(tile.row(row)) {
                *value = M::mul_add(*value, factor, f32::from_bits(*bits));
            }
        }
    }
}

/// Packs 32 positions of one head as bf16: `keys` and the two halves of `values` are whole panels or parts of them.
///
/// Shape: `k` and `v` are 32 × 64, `keys` is `[32 pairs][32 positions][2]`, each half `[16 pairs][32 columns][2]`.
#[inline(always)]
pub(super) fn pack_positions(k: View<'_>, v: View<'_>, keys: &mut [u16], values: [&mut [u16]; 2]) {
    for position in 0..PANEL {
        let row: &[f32; HEAD] = k.row(position).first_chunk().expect("a head has 64 columns");
        let rounded = row.map(bf16_from_f32);
        for (pair, two) in rounded.as_chunks::<2>().0.iter().enumerate() {
            let at = (pair * PANEL + position) * 2;
            keys[at..at + 2].copy_from_slice(two);
        }
    }
    for (half, values) in values.into_iter().enumerate() {
        let columns = v.columns(half * PANEL..(half + 1) * PANEL);
        for (pair, out) in values.as_chunks_mut::<{ 2 * PANEL }>().0.iter_mut().enumerate() {
            let first: &[f32; PANEL] = columns.row(2 * pair).first_chunk().expect("a half has 32 columns");
            let second: &[f32; PANEL] =
                columns.row(2 * pair + 1).first_chunk().expect("a half has 32 columns");
            for i in 0..PANEL {
                out[2 * i] = bf16_from_f32(first[i]);
                out[2 * i + 1] = bf16_from_f32(second[i]);
            }
        }
    }
}

/// Integers, scales and sums of 32 positions of one head.
pub(super) struct Int8Positions<'a> {
    /// `[16][32 positions][4]`.
    pub keys: &'a mut [i8],
    pub key_scales: &'a mut [f32],
    pub key_sums: &'a mut [i32],
    /// Two halves, `[8][32 columns][4 positions]`.
    pub values: [&'a mut [i8]; 2],
    pub value_scales: &'a mut [f32],
}

/// Packs 32 positions of one head as int8, each with its own scales.
#[inline(always)]
pub(super) fn pack_positions_int8(k: View<'_>, v: View<'_>, mut packed: Int8Positions<'_>) {
    for position in 0..PANEL {
        let mut row = [0i8; HEAD];
        let key: &[f32; HEAD] = k.row(position).first_chunk().expect("a head has 64 columns");
        packed.key_scales[position] = quantise(key, &mut row);
        packed.key_sums[position] = row.iter().map(|&x| i32::from(x)).sum();
        for (group, four) in row.as_chunks::<4>().0.iter().enumerate() {
            let at = (group * PANEL + position) * 4;
            packed.keys[at..at + 4].copy_from_slice(four);
        }
    }
    for first in (0..PANEL).step_by(4) {
        let mut rows = [[0i8; HEAD]; 4];
        for (i, row) in rows.iter_mut().enumerate() {
            let value: &[f32; HEAD] = v.row(first + i).first_chunk().expect("a head has 64 columns");
            packed.value_scales[first + i] = quantise(value, row);
        }
        for (half, out) in packed.values.iter_mut().enumerate() {
            let out = out[first * PANEL..].first_chunk_mut::<{ 4 * PANEL }>().expect("halves are whole");
            for (i, four) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *four = rows.map(|row| row[half * PANEL + i]);
            }
        }
    }
}

/// Rounds to bf16.
#[inline(always)]
pub(super) fn round_head(x: &[f32; HEAD], out: &mut [u16; HEAD]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = bf16_from_f32(*x);
    }
}

/// Normalises rows of `d` values; see [`super::layer_norm`].
#[inline(always)]
pub(super) fn layer_norm<M: MulAdd>(x: &[f32], d: usize, gamma: &[f32], beta: &[f32], out: &mut [f32]) {
    for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        let mean = sum(x, |value| value) / d as f32;
        let variance = sum(x, |value| (value - mean) * (value - mean)) / d as f32;
        let scale = 1.0 / (variance + LAYER_NORM_EPSILON).sqrt();
        for i in 0..d {
            out[i] = M::mul_add((x[i] - mean) * scale, gamma[i], beta[i]);
        }
    }
}

/// Σ f(x), in lanes.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            sums[i] += f(chunk[i]);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| f(*value)).sum::<f32>()
}

/// Applies GELU in place; see [`super::gelu`].
#[inline(always)]
pub(super) fn gelu_in_place<M: MulAdd>(x: &mut [f32]) {
    for value in x {
        *value = gelu::<M>(*value);
    }
}

/// Exponentials that sum to 1, in place; see [`super::softmax`].
#[inline(always)]
pub(super) fn softmax<M: MulAdd>(x: &mut [f32]) {
    let peak = x.iter().fold(f32::NEG_INFINITY, |peak, value| if *value > peak { *value } else { peak });
    for value in x.iter_mut() {
        *value = exp2::<M>((*value - peak) * std::f32::consts::LOG2_E);
    }
    let scale = 1.0 / sum(x, |value| value);
    for value in x {
        *value *= scale;
    }
}
