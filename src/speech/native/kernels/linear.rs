//! y = tail(x·Wᵀ + b).

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::engine::{Weights, multiply};
#[cfg(target_arch = "x86_64")]
use super::halves::Halves;
#[cfg(target_arch = "x86_64")]
use super::packed::Int8Panels;
use super::packed::Panels;
#[cfg(target_arch = "x86_64")]
use super::pages::{Number, Piece};
use super::{Level, PANEL, Packed, Scratch, portable};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx2, avx512};

/// What is done to each sum before it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Tail<'a> {
    /// Nothing.
    None,
    /// Exact (erf) GELU.
    Gelu,
    /// Adds the residual; same shape as the output.
    Add(&'a [f32]),
}

/// One checked product: what every level's kernel gets.
pub(super) struct Product<'a> {
    /// rows × k, dense.
    pub x: &'a [f32],
    pub rows: usize,
    /// First column is a multiple of [`PANEL`].
    pub columns: Range<usize>,
    /// Of the columns above.
    pub bias: Option<&'a [f32]>,
    /// Residual has the shape of the output.
    pub tail: Tail<'a>,
}

/// Computes `out[rows × n] = tail(x[rows × k]·Wᵀ + bias)`.
///
/// Shape: rows are dense; to split over threads give each a chunk of the rows of `x`, `out` and the residual.
/// Range: any number of rows, zero included.
/// Panics if a length does not fit.
pub fn linear(
    x: &[f32],
    rows: usize,
    w: &Packed,
    bias: Option<&[f32]>,
    tail: Tail<'_>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    linear_columns(x, rows, w, 0..w.n, bias, tail, out, scratch);
}

/// Computes the output columns `columns` only; `out` and a residual are `rows × columns.len()`, dense.
///
/// For few rows and many columns, where threads share the columns. `bias` has all n values.
/// Range: `columns` starts at a multiple of [`PANEL`].
/// Panics if a length does not fit.
#[expect(clippy::too_many_arguments, reason = "the operands of one product; a struct would only rename them")]
pub fn linear_columns(
    x: &[f32],
    rows: usize,
    w: &Packed,
    columns: Range<usize>,
    bias: Option<&[f32]>,
    tail: Tail<'_>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    assert!(columns.start.is_multiple_of(PANEL) && columns.start <= columns.end && columns.end <= w.n);
    assert_eq!(x.len(), rows * w.k, "x is rows × k");
    assert_eq!(out.len(), rows * columns.len(), "out is rows × columns");
    if let Tail::Add(residual) = tail {
        assert_eq!(residual.len(), out.len(), "the residual has the shape of the output");
    }
    let bias = bias.map(|bias| {
        assert_eq!(bias.len(), w.n, "bias has n values");
        &bias[columns.clone()]
    });
    if rows == 0 || columns.is_empty() {
        return;
    }
    choose(&Product { x, rows, columns, bias, tail }, w, out, scratch);
}

/// Calls the kernels of the level and precision for which the weights are packed.
fn choose(product: &Product<'_>, w: &Packed, out: &mut [f32], scratch: &mut Scratch) {
    match w.level {
        Level::Portable => plainly(product, w, out, scratch),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 | Level::Amx => with_vectors(product, w, out, scratch),
        #[cfg(not(target_arch = "x86_64"))]
        level @ (Level::Avx2 | Level::Avx512 | Level::Amx) => level.is_missing(),
    }
}

fn plainly(product: &Product<'_>, w: &Packed, out: &mut [f32], scratch: &mut Scratch) {
    match &w.panels {
        Panels::F32(panels) => {
            portable::linear_f32(product, w.k, panels.as_slice(), out);
        }
        Panels::Bf16(panels) => {
            portable::linear_bf16(product, w.k, panels.as_slice(), out, scratch);
        }
        Panels::Int8(panels) => {
            portable::linear_int8(product, w.k, panels, out, scratch);
        }
        Panels::Weights8(panels) => {
            portable::linear_weights8(product, w.k, panels, out, scratch);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn with_vectors(product: &Product<'_>, w: &Packed, out: &mut [f32], scratch: &mut Scratch) {
    match (w.level, &w.panels) {
        (Level::Amx, Panels::Bf16(panels)) => multiply::<amx::Bf16>(product, plain(w, panels), out, scratch),
        (Level::Amx, Panels::Int8(panels)) => multiply::<amx::Int8>(product, scaled(w, panels), out, scratch),
        (Level::Amx | Level::Avx512, Panels::F32(panels)) => {
            multiply::<avx512::F32>(product, plain(w, panels), out, scratch);
        }
        (Level::Avx512, Panels::Bf16(panels)) if avx512::has_fast_bf16() => {
            multiply::<avx512::Bf16>(product, plain(w, panels), out, scratch);
        }
        (Level::Avx512, Panels::Bf16(panels)) => {
            multiply::<avx512::Widened>(product, plain(w, panels), out, scratch);
        }
        (Level::Avx512, Panels::Int8(panels)) => {
            multiply::<avx512::Int8>(product, scaled(w, panels), out, scratch);
        }
        (Level::Avx2, Panels::F32(panels)) => {
            multiply::<avx2::F32>(product, plain(w, panels), out, scratch);
        }
        (Level::Avx2, Panels::Bf16(panels)) => {
            multiply::<avx2::Bf16>(product, plain(w, panels), out, scratch);
        }
        (Level::Avx2, Panels::Int8(panels)) => {
            multiply::<avx2::Int8>(product, scaled(w, panels), out, scratch);
        }
        (Level::Amx, Panels::Weights8(panels)) => {
            multiply::<Halves<amx::Int8>>(product, scaled(w, panels), out, scratch);
        }
        (Level::Avx512, Panels::Weights8(panels)) => {
            multiply::<Halves<avx512::Int8>>(product, scaled(w, panels), out, scratch);
        }
        (Level::Avx2, Panels::Weights8(panels)) => {
            multiply::<Halves<avx2::Int8>>(product, scaled(w, panels), out, scratch);
        }
        (Level::Portable, _) => unreachable!("the caller looked at the level"),
    }
}

#[cfg(target_arch = "x86_64")]
fn plain<'a, W: Number>(w: &Packed, panels: &'a Piece<W>) -> Weights<'a, W> {
    Weights { panels: panels.as_slice(), k: w.precision().padded(w.k), scales: &[], sums: &[] }
}

#[cfg(target_arch = "x86_64")]
fn scaled<'a>(w: &Packed, panels: &'a Int8Panels) -> Weights<'a, i8> {
    Weights {
        panels: panels.weights.as_slice(),
        k: w.precision().padded(w.k),
        scales: panels.scales.as_slice(),
        sums: panels.sums.as_slice(),
    }
}
