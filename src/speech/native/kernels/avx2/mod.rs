//! AVX2 with fused multiply-add: the level of almost every PC since 2013.
//!
//! - **In**: what the safe faces above have checked: lengths, packing, the level itself.
//! - **Out**: the same sums as the portable level, within the bounds its tests state.
//! - **Never**: is called on a processor without these instructions.
#![expect(unsafe_code, reason = "vector instructions; every public item is safe and checks lengths first")]

mod product;

use super::buffer::{Aligned, Scratch};
use super::engine::{Engine, Finish, Step, Tile, blocked};
use super::flash::{Gathered, Softmax};
use super::halves::{self, Halves, Split};
use super::keys::{HEAD, View};
use super::lanes::Fused;
use super::lanewise::{self, Int8Positions};
use super::packed::{PANEL, peak, quantise_to};

/// Tells whether the processor has every instruction used below.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Compiles a common loop for this level and gives it a safe face.
macro_rules! compiled {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) => $body:expr) => {
        $(#[$doc])*
        pub(super) fn $name($($argument: $type),*) {
            #[target_feature(enable = "avx2,fma")]
            fn inner($($argument: $type),*) {
                $body
            }
            assert!(is_available());
            // SAFETY: the instructions are there, by the assertion.
            unsafe { inner($($argument),*) }
        }
    };
}

compiled! {
    /// See [`super::layer_norm`].
    layer_norm(x: &[f32], d: usize, gamma: &[f32], beta: &[f32], out: &mut [f32])
        => lanewise::layer_norm::<Fused>(x, d, gamma, beta, out)
}
compiled! {
    /// See [`super::gelu`].
    gelu_in_place(x: &mut [f32]) => lanewise::gelu_in_place::<Fused>(x)
}
compiled! {
    /// See [`super::softmax`].
    softmax(x: &mut [f32]) => lanewise::softmax::<Fused>(x)
}
compiled! {
    /// See [`lanewise::pack_positions`].
    pack_positions(k: View<'_>, v: View<'_>, keys: &mut [u16], values: [&mut [u16]; 2])
        => lanewise::pack_positions(k, v, keys, values)
}
compiled! {
    /// See [`lanewise::pack_positions_int8`].
    pack_positions_int8(k: View<'_>, v: View<'_>, packed: Int8Positions<'_>)
        => lanewise::pack_positions_int8(k, v, packed)
}
compiled! {
    /// See [`lanewise::round_head`].
    round_head(x: &[f32; HEAD], out: &mut [u16; HEAD]) => lanewise::round_head(x, out)
}
compiled! {
    /// Bias, tail and store of one tile.
    finish_tile(sums: &Finish<'_>, out: &mut [f32]) => lanewise::finish::<Fused>(sums, out)
}
compiled! {
    /// See [`Softmax::weigh`].
    weigh_rows(tiles: &[Tile], rows: usize, gathered: &mut Gathered, weights: &mut [f32])
        => lanewise::weigh::<Fused>(tiles, rows, gathered, weights, |row, panel| {
            blocked::<{ product::ROWS }, 32>(row, panel * PANEL, tiles.len() * PANEL)
        })
}
compiled! {
    /// See [`Softmax::weigh`].
    weigh_halves(tiles: &[Tile], rows: usize, gathered: &mut Gathered, scales: &[f32], weights: &mut [i8])
        => lanewise::weigh_halves::<Fused>(tiles, rows, gathered, scales, weights, Int8::place)
}
compiled! {
    /// See [`Softmax::gather`].
    gather_rows(products: &[Tile; 2], rows: usize, gathered: &mut Gathered)
        => lanewise::gather::<Fused>(products, rows, gathered)
}

/// Products of f32.
pub(super) struct F32;
/// Products of f32 operands with bf16 weights.
pub(super) struct Bf16;
/// Products of int8.
pub(super) struct Int8;

/// The two engines whose operands are f32 differ only in their weights.
macro_rules! float_engine {
    ($engine:ident, $weight:ty, $sums:path) => {
        impl Engine for $engine {
            type X = f32;
            type W = $weight;
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
                $sums(step, tile);
            }

            fn finish(sums: &Finish<'_>, out: &mut [f32]) {
                finish_tile(sums, out);
            }
        }

        impl Softmax for $engine {
            fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, _: &[f32], weights: &mut [f32]) {
                weigh_rows(tiles, rows, gathered, weights);
            }

            fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
                gather_rows(products, rows, gathered);
            }
        }
    };
}

float_engine!(F32, f32, product::sums_f32);
float_engine!(Bf16, u16, product::sums_widened);

impl Engine for Int8 {
    type X = i8;
    type W = i8;
    type Session = ();
    const INTEGER: bool = true;
    const ROWS: usize = product::ROWS;
    const DEPTH: usize = usize::MAX;

    fn enter(_: usize) {}

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<i8>, &mut Aligned<f32>) {
        (&mut scratch.integers, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [i8], scales: &mut [f32]) {
        quantise_rows(x, k, out, scales);
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<{ product::ROWS }, 64>(row, column, k)
    }

    fn sums(_: &(), step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_int8(step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        finish_tile(sums, out);
    }
}

impl Split for Int8 {
    fn split(
        x: View<'_>,
        k: usize,
        out: &mut [i8],
        scales: &mut [f32],
        places: impl Fn(usize) -> [usize; 2],
    ) {
        #[target_feature(enable = "avx2,fma")]
        fn inner(x: View<'_>, k: usize, out: (&mut [i8], &mut [f32]), places: impl Fn(usize) -> [usize; 2]) {
            halves::split(x, k, out, places, Int8::place, |byte| byte);
        }
        assert!(is_available());
        // SAFETY: the instructions are there, by the assertion.
        unsafe { inner(x, k, (out, scales), places) }
    }

    fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) {
        join_tile(tile, rows, scales);
    }
}

compiled! {
    /// See [`Split::join`].
    join_tile(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) => halves::join(tile, rows, scales)
}

compiled! {
    /// See [`Engine::pack`].
    quantise_rows(x: View<'_>, k: usize, out: &mut [i8], scales: &mut [f32]) => {
        for (row, scale) in scales.iter_mut().enumerate().take(x.height()) {
            let values = x.row(row);
            let peak = peak(values);
            *scale = peak / 127.0;
            for column in (0..k).step_by(64) {
                let out = &mut out[Int8::place(row, column, k)..][..64];
                let values = values.get(column..).unwrap_or(&[]);
                let count = values.len().min(64);
                quantise_to(&values[..count], peak, &mut out[..count]);
                out[count..].fill(0);
            }
        }
    }
}

impl Softmax for Halves<Int8> {
    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, scales: &[f32], weights: &mut [i8]) {
        weigh_halves(tiles, rows, gathered, scales, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        gather_rows(products, rows, gathered);
    }
}
