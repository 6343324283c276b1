//! Products of 8-bit weights with 16-bit operands, made of two int8 products.
//!
//! ```text
//! x ≈ scale·(256·high + low)      x·w = scale·(256·Σ high·w + Σ low·w), both sums exact integers
//! ```
//! A decoder with few rows waits for its weights: these are half of bf16's bytes, and the two halves of the operands
//! only add rows to a product that is not short of arithmetic.

use std::marker::PhantomData;

use super::buffer::{Aligned, Scratch};
use super::engine::{Engine, Finish, Step, Tile};
use super::keys::View;
use super::packed::PANEL;

/// Largest magnitude of an operand: both its halves then fit 8 bits.
pub(super) const OPERAND_MAX: f32 = 32_639.0;

/// What a level adds to its int8 engine.
pub(super) trait Split: Engine<W = i8> {
    /// Writes the halves of the rows of `x` to the packed rows `places(row)`, high first, and the rows' scales.
    fn split(
        x: View<'_>,
        k: usize,
        out: &mut [Self::X],
        scales: &mut [f32],
        places: impl Fn(usize) -> [usize; 2],
    );

    /// Makes `rows` rows of (256·high + low)·scales as f32 from all high ones followed by all low ones.
    fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32]));
}

/// The engine of two int8 products.
pub(super) struct Halves<E>(PhantomData<E>);

impl<E: Split> Engine for Halves<E> {
    type X = E::X;
    type W = i8;
    type Session = E::Session;
    const INTEGER: bool = true;
    const ROWS: usize = E::ROWS / 2;
    const PACKED_ROWS: usize = E::ROWS;
    const DEPTH: usize = E::DEPTH;

    fn enter(rows: usize) -> E::Session {
        E::enter(2 * rows)
    }

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<E::X>, &mut Aligned<f32>) {
        E::operands(scratch)
    }

    /// A block of rows is followed by the same rows' low halves, with nothing between them.
    fn pack(x: View<'_>, k: usize, out: &mut [E::X], scales: &mut [f32]) {
        let height = x.height();
        E::split(x, k, out, scales, |row| {
            let first = row / Self::ROWS * Self::ROWS;
            let high = first + row;
            [high, high + Self::ROWS.min(height - first)]
        });
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        E::place(row, column, k)
    }

    fn sums(session: &E::Session, step: &Step<'_, Self>, tile: &mut Tile) {
        let step = Step {
            x: step.x,
            k: step.k,
            row: 2 * step.row,
            rows: 2 * step.rows,
            from: step.from,
            panel: step.panel,
            sums: step.sums,
            soon: step.soon,
            resume: step.resume,
        };
        E::sums(session, &step, tile);
    }

    fn scale(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) -> bool {
        E::join(tile, rows, scales);
        true
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        E::finish(sums, out);
    }
}

/// Quantises one row as every level does and hands on its values' halves, `CHUNK` at a time; zeros behind its values.
#[inline(always)]
pub(super) fn split_row<const CHUNK: usize>(
    x: &[f32],
    k: usize,
    peak: f32,
    mut write: impl FnMut(usize, &[i8; CHUNK], &[i8; CHUNK]),
) {
    /// 1.5·2²³: what is added to it is rounded to an integer, ties to even, which then is the low end of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let inverse = if peak > 0.0 { OPERAND_MAX / peak } else { 0.0 };
    for column in (0..k).step_by(CHUNK) {
        let rest = x.get(column..).unwrap_or(&[]);
        let mut padded = [0.0; CHUNK];
        let values = rest.first_chunk().unwrap_or_else(|| {
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        });
        let (mut high, mut low) = ([0; CHUNK], [0; CHUNK]);
        for i in 0..CHUNK {
            let whole = (values[i] * inverse + ROUND).to_bits() as i16;
            low[i] = whole as i8;
            high[i] = ((i32::from(whole) - i32::from(low[i])) >> 8) as i8;
        }
        write(column, &high, &low);
    }
}

/// One sum of the two halves'; exact but for the last rounding.
#[inline(always)]
pub(super) fn joined(high: i32, low: i32) -> f32 {
    high as f32 * 256.0 + low as f32
}

/// See [`Split::join`].
#[inline(always)]
pub(super) fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) {
    let columns: &[f32; PANEL] = scales.1.first_chunk().expect("panels are whole");
    for row in 0..rows {
        let low = *tile.row(rows + row);
        let high = tile.row_mut(row);
        for i in 0..PANEL {
            let sum = joined(high[i] as i32, low[i] as i32);
            high[i] = (sum * (scales.0[row] * columns[i])).to_bits();
        }
    }
}

/// See [`Split::split`]; `place` is the engine's, `flip` is xor-ed into each byte.
#[inline(always)]
pub(super) fn split<T: Copy>(
    x: View<'_>,
    k: usize,
    (out, scales): (&mut [T], &mut [f32]),
    places: impl Fn(usize) -> [usize; 2],
    place: impl Fn(usize, usize, usize) -> usize,
    convert: impl Fn(i8) -> T,
) {
    for (row, scale) in scales.iter_mut().enumerate().take(x.height()) {
        let peak = super::packed::peak(x.row(row));
        *scale = peak / OPERAND_MAX;
        let rows = places(row);
        split_row::<32>(x.row(row), k, peak, |column, high, low| {
            for (row, half) in rows.into_iter().zip([high, low]) {
                let out = &mut out[place(row, column, k)..][..32];
                for (out, byte) in out.iter_mut().zip(half) {
                    *out = convert(*byte);
                }
            }
        });
    }
}
