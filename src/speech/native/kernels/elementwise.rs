//! What is done to each number or each row.

use super::{Level, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Whisper's (and PyTorch's default) variance guard.
pub const LAYER_NORM_EPSILON: f32 = 1e-5;

/// Normalises each row of `d` values to mean 0 and variance 1, then scales by `gamma` and shifts by `beta`.
///
/// Panics if a length does not fit.
pub fn layer_norm(
    level: Level,
    x: &[f32],
    rows: usize,
    d: usize,
    gamma: &[f32],
    beta: &[f32],
    out: &mut [f32],
) {
    assert_eq!((x.len(), out.len()), (rows * d, rows * d), "x and out are rows × d");
    assert_eq!((gamma.len(), beta.len()), (d, d), "gamma and beta have d values");
    if d == 0 {
        return;
    }
    match level {
        Level::Portable => portable::layer_norm(x, d, gamma, beta, out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::layer_norm(x, d, gamma, beta, out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::layer_norm(x, d, gamma, beta, out),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => level.is_missing(),
    }
}

/// Applies the exact GELU, x·Φ(x), in place.
///
/// Range: absolute error at most 1e-6·max(1, |x|).
pub fn gelu(level: Level, x: &mut [f32]) {
    match level {
        Level::Portable => portable::gelu_in_place(x),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::gelu_in_place(x),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::gelu_in_place(x),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => level.is_missing(),
    }
}

/// Turns `x` into weights that sum to 1, exp(x − max), in place.
///
/// Range: relative error of each exponential at most 2e-7, plus 1e-7 × |x − max|.
pub fn softmax(level: Level, x: &mut [f32]) {
    match level {
        Level::Portable => portable::softmax(x),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::softmax(x),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => avx512::softmax(x),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => level.is_missing(),
    }
}

/// Adds `y` to `x`, in place. Panics if the lengths differ.
pub fn add(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "both have one length");
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Lays out a signal of `channels` rows × `frames` columns for a convolution of width 3, zero-padded by 1 on both sides.
///
/// Shape: `x` is `[frames][channels]`; row t of `out` is `[channels][3]`, the frames stride·t − 1, stride·t,
/// stride·t + 1 of each channel, which is the order of a (out, in, 3) weight. `frames_out` = ⌈frames / stride⌉.
/// Panics if a length does not fit or `stride` is 0.
pub fn im2col3(x: &[f32], channels: usize, frames: usize, stride: usize, out: &mut [f32]) {
    let frames_out = frames.div_ceil(stride);
    assert_eq!(x.len(), frames * channels, "x is frames × channels");
    assert_eq!(out.len(), frames_out * channels * 3, "out is ⌈frames / stride⌉ × channels × 3");
    for (t, row) in out.chunks_exact_mut((channels * 3).max(1)).enumerate() {
        for tap in 0..3 {
            let frame = (t * stride + tap).wrapping_sub(1);
            let source = x.get(frame.wrapping_mul(channels)..).and_then(|rest| rest.get(..channels));
            for channel in 0..channels {
                row[channel * 3 + tap] = source.map_or(0.0, |source| source[channel]);
            }
        }
    }
}
