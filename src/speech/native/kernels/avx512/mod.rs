//! AVX-512 with VNNI and BF16: the vector level of current servers.
//!
//! - **In**: what the safe faces above have checked: lengths, packing, the level itself.
//! - **Out**: the same sums as the portable level, within the bounds its tests state.
//! - **Never**: is called on a processor without these instructions.
#![expect(unsafe_code, reason = "vector instructions; every public item is safe and checks lengths first")]

mod elementwise;
mod finish;
mod lanes;
mod operands;
mod product;
mod softmax;

use std::sync::OnceLock;

use super::buffer::{Aligned, Scratch};
use super::engine::{Engine, Finish, Step, Tile, blocked};
use super::flash::{Gathered, Softmax};
use super::halves::{Halves, Split};
use super::keys::{HEAD, View};
use super::lanewise::{self, Int8Positions};
use super::packed::PANEL;

/// Tells whether the processor has every instruction used below.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("fma")
}

/// Tells whether the bf16 dot product is faster than widening bf16 weights to f32.
///
/// Source: own measurement: on AMD (Zen 5) it does twice the f32 rate, on Intel (Sapphire Rapids) half of it.
pub(super) fn has_fast_bf16() -> bool {
    static FAST: OnceLock<bool> = OnceLock::new();
    *FAST.get_or_init(|| {
        let maker = std::arch::x86_64::__cpuid(0);
        [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    })
}

/// Rounds rows to bf16; see the private function of that name.
pub(super) fn round(x: View<'_>, k: usize, out: &mut [u16], place: impl Fn(usize, usize) -> usize) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { operands::round(x, k, out, place) }
}

/// Quantises rows to int8; see the private function of that name.
pub(super) fn quantise(
    x: View<'_>,
    k: usize,
    out: &mut [u8],
    scales: &mut [f32],
    flip: u8,
    place: impl Fn(usize, usize) -> usize,
) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { operands::quantise(x, k, out, scales, flip, place) }
}

/// Quantises rows to halves; see [`Split::split`].
pub(super) fn split<E: Split<X = u8>>(
    x: View<'_>,
    k: usize,
    out: (&mut [u8], &mut [f32]),
    flip: u8,
    places: impl Fn(usize) -> [usize; 2],
) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { elementwise::split(x, k, out, flip, places, E::place) }
}

/// Joins the sums of halves; see [`Split::join`].
pub(super) fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { elementwise::join(tile, rows, scales) }
}

/// Turns a tile into output.
pub(super) fn finish(sums: &Finish<'_>, out: &mut [f32]) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { finish::finish(sums, out) }
}

/// Exponentials of bf16 attention; see [`Softmax::weigh`].
pub(super) fn weigh_bf16<E: Engine>(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    weights: &mut [u16],
) {
    let depth = tiles.len() * PANEL;
    let place = |row, panel| E::place(row, panel * PANEL, depth);
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { softmax::weigh_bf16(tiles, rows, gathered, weights, place) }
}

/// Exponentials of f32 attention; see [`Softmax::weigh`].
fn weigh_f32<E: Engine>(tiles: &[Tile], rows: usize, gathered: &mut Gathered, weights: &mut [f32]) {
    let depth = tiles.len() * PANEL;
    let place = |row, panel| E::place(row, panel * PANEL, depth);
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { softmax::weigh_f32(tiles, rows, gathered, weights, place) }
}

/// Exponentials of attention with integers, in halves whose lower one is signed; see [`Softmax::weigh`].
pub(super) fn weigh_signed<E: Engine<X = u8>>(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    scales: &[f32],
    weights: &mut [u8],
) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { softmax::weigh_halves(tiles, rows, gathered, scales, weights, E::place, 0x80) }
}

/// Exponentials of attention with integers, in halves without sign; see [`Softmax::weigh`].
fn weigh_unsigned<E: Engine<X = u8>>(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    scales: &[f32],
    weights: &mut [u8],
) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { softmax::weigh_halves(tiles, rows, gathered, scales, weights, E::place, 0) }
}

/// Sums of attention; see [`Softmax::gather`].
pub(super) fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
    // SAFETY: called by engines, which are used only after their level was detected.
    unsafe { softmax::gather(products, rows, gathered) }
}

/// See [`super::layer_norm`].
pub(super) fn layer_norm(x: &[f32], d: usize, gamma: &[f32], beta: &[f32], out: &mut [f32]) {
    assert!(is_available());
    // SAFETY: the instructions are there, by the assertion.
    unsafe { elementwise::layer_norm(x, d, gamma, beta, out) }
}

/// See [`lanewise::pack_positions`].
pub(super) fn pack_positions(k: View<'_>, v: View<'_>, keys: &mut [u16], values: [&mut [u16]; 2]) {
    assert!(is_available());
    // SAFETY: the instructions are there, by the assertion.
    unsafe { elementwise::pack_positions(k, v, keys, values) }
}

/// See [`lanewise::pack_positions_int8`].
pub(super) fn pack_positions_int8(k: View<'_>, v: View<'_>, packed: Int8Positions<'_>) {
    assert!(is_available());
    // SAFETY: the instructions are there, by the assertion.
    unsafe { elementwise::pack_positions_int8(k, v, packed) }
}

/// See [`lanewise::round_head`].
pub(super) fn round_head(x: &[f32; HEAD], out: &mut [u16; HEAD]) {
    assert!(is_available());
    // SAFETY: the instructions are there, by the assertion.
    unsafe { elementwise::round_head(x, out) }
}

/// See [`super::gelu`].
pub(super) fn gelu_in_place(x: &mut [f32]) {
    assert!(is_available());
    // SAFETY: the instructions are there, by the assertion.
    unsafe { elementwise::gelu_in_place(x) }
}

/// See [`super::softmax`].
pub(super) fn softmax(x: &mut [f32]) {
    assert!(is_available());
    // SAFETY: the instructions are there, by the assertion.
    unsafe { elementwise::softmax(x) }
}

/// Products of f32.
pub(super) struct F32;
/// Products of bf16 with the dot-product instruction.
pub(super) struct Bf16;
/// Products of f32 operands with bf16 weights.
pub(super) struct Widened;
/// Products of int8.
pub(super) struct Int8;

impl Engine for F32 {
    type X = f32;
    type W = f32;
    type Session = ();
    const INTEGER: bool = false;
    const ROWS: usize = product::ROWS;
    const DEPTH: usize = usize::MAX;

    fn enter(_: usize) {}

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<f32>, &mut Aligned<f32>) {
        (&mut scratch.floats, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [f32], _: &mut [f32]) {
        lanewise::copy(x, k, out, |row, column| Self::place(row, column, k));
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<{ product::ROWS }, 32>(row, column, k)
    }

    fn sums(_: &(), step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_f32(step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        finish(sums, out);
    }
}

impl Engine for Bf16 {
    type X = u16;
    type W = u16;
    type Session = ();
    const INTEGER: bool = false;
    const ROWS: usize = product::ROWS;
    const DEPTH: usize = usize::MAX;

    fn enter(_: usize) {}

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<u16>, &mut Aligned<f32>) {
        (&mut scratch.halves, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [u16], _: &mut [f32]) {
        round(x, k, out, |row, column| Self::place(row, column, k));
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<{ product::ROWS }, 32>(row, column, k)
    }

    fn sums(_: &(), step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_bf16(step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        finish(sums, out);
    }
}

impl Engine for Widened {
    type X = f32;
    type W = u16;
    type Session = ();
    const INTEGER: bool = false;
    const ROWS: usize = product::ROWS;
    const DEPTH: usize = usize::MAX;

    fn enter(_: usize) {}

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<f32>, &mut Aligned<f32>) {
        (&mut scratch.floats, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [f32], _: &mut [f32]) {
        lanewise::copy(x, k, out, |row, column| Self::place(row, column, k));
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<{ product::ROWS }, 32>(row, column, k)
    }

    fn sums(_: &(), step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_widened(step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        finish(sums, out);
    }
}

impl Engine for Int8 {
    type X = u8;
    type W = i8;
    type Session = ();
    const INTEGER: bool = true;
    const ROWS: usize = product::ROWS;
    const DEPTH: usize = usize::MAX;

    fn enter(_: usize) {}

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<u8>, &mut Aligned<f32>) {
        (&mut scratch.bytes, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [u8], scales: &mut [f32]) {
        quantise(x, k, out, scales, 0x80, |row, column| Self::place(row, column, k));
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<{ product::ROWS }, 64>(row, column, k)
    }

    fn sums(_: &(), step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_int8(step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        finish(sums, out);
    }
}

impl Softmax for F32 {
    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, _: &[f32], weights: &mut [f32]) {
        weigh_f32::<Self>(tiles, rows, gathered, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        gather(products, rows, gathered);
    }
}

impl Softmax for Widened {
    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, _: &[f32], weights: &mut [f32]) {
        weigh_f32::<Self>(tiles, rows, gathered, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        gather(products, rows, gathered);
    }
}

impl Softmax for Bf16 {
    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, _: &[f32], weights: &mut [u16]) {
        weigh_bf16::<Self>(tiles, rows, gathered, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        gather(products, rows, gathered);
    }
}

impl Split for Int8 {
    fn split(
        x: View<'_>,
        k: usize,
        out: &mut [u8],
        scales: &mut [f32],
        places: impl Fn(usize) -> [usize; 2],
    ) {
        split::<Self>(x, k, (out, scales), 0x80, places);
    }

    fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) {
        join(tile, rows, scales);
    }
}

impl Softmax for Halves<Int8> {
    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, scales: &[f32], weights: &mut [u8]) {
        weigh_unsigned::<Self>(tiles, rows, gathered, scales, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        gather(products, rows, gathered);
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{Weights, multiply};
    use super::super::linear::{Product, Tail};
    use super::*;

    fn run<E: Engine<W = u16>>(k: usize, panels: &[u16], x: &[f32]) -> Vec<f32> {
        let rows = x.len() / k;
        let product = Product { x, rows, columns: 0..40, bias: None, tail: Tail::None };
        let mut out = vec![0.0; rows * 40];
        let weights = Weights { panels, k: k.next_multiple_of(32), scales: &[], sums: &[] };
        multiply::<E>(&product, weights, &mut out, &mut Scratch::new());
        out
    }

    /// A machine uses only one of the two, so the public tests reach only one.
    #[test]
    fn both_ways_to_multiply_bf16_agree() {
        if !is_available() {
            eprintln!("skipped: this machine has no avx512");
            return;
        }
        let k = 70;
        // Small integers are exact in bf16, so that nothing but the order of sums could differ, and sums are exact too.
        let x: Vec<f32> = (0..29 * k).map(|i| (i * 7 % 31) as f32 - 15.0).collect();
        let value = |i: usize| super::super::packed::bf16_from_f32((i * 11 % 29) as f32 - 14.0);
        let panels: Vec<u16> = (0..2 * 96 * PANEL).map(value).collect();
        assert_eq!(run::<Bf16>(k, &panels, &x), run::<Widened>(k, &panels, &x));
    }
}
