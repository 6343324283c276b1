//! What happens before the sums: rounding and quantising.

use std::arch::x86_64::*;

use super::super::keys::View;
use super::super::packed::peak;

/// Values converted at once; packed rows are multiples of it.
const CHUNK: usize = 32;

/// Rounds rows to bf16, 32 values at a time, to where `place(row, column)` says; zeros behind a row's values.
///
/// Denormal values become zero, as the instruction has it.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in super::super) fn round(x: View<'_>, k: usize, out: &mut [u16], place: impl Fn(usize, usize) -> usize) {
    for row in 0..x.height() {
        for column in (0..k).step_by(CHUNK) {
            let mut padded = [0.0; CHUNK];
            let values = chunk(x.row(row), column, &mut padded);
            let out = out[place(row, column)..].first_chunk_mut::<CHUNK>().expect("rows are whole chunks");
            round_chunk(values, out);
        }
    }
}

/// Rounds 32 values to bf16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in super::super) fn round_chunk(values: &[f32; CHUNK], out: &mut [u16; CHUNK]) {
    // SAFETY: 32 f32 in, 32 bf16 out, by the array types.
    unsafe {
        let (low, high) = (_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(16)));
        let pair: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
        _mm512_storeu_si512(out.as_mut_ptr().cast(), pair);
    }
}

/// Quantises rows to int8, each with its own scale, exactly as [`super::super::packed::quantise`] does.
///
/// `flip` is xor-ed into each byte: 0x80 turns the integer into itself + 128.
#[target_feature(enable = "avx512f,avx512bw")]
pub(in super::super) fn quantise(
    x: View<'_>,
    k: usize,
    out: &mut [u8],
    scales: &mut [f32],
    flip: u8,
    place: impl Fn(usize, usize) -> usize,
) {
    for row in 0..x.height() {
        let values = x.row(row);
        let peak = peak(values);
        scales[row] = peak / 127.0;
        let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
        for column in (0..k).step_by(CHUNK) {
            let mut padded = [0.0; CHUNK];
            let values = chunk(values, column, &mut padded);
            let out = out[place(row, column)..].first_chunk_mut::<CHUNK>().expect("rows are whole chunks");
            quantise_chunk(values, inverse, flip, out);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quantise_chunk(values: &[f32; CHUNK], inverse: f32, flip: u8, out: &mut [u8; CHUNK]) {
    let inverse = _mm512_set1_ps(inverse);
    for half in 0..2 {
        // SAFETY: two times 16 values in and 16 bytes out, by the array types.
        unsafe {
            let scaled = _mm512_mul_ps(_mm512_loadu_ps(values.as_ptr().add(half * 16)), inverse);
            // The conversion rounds to nearest, ties to even.
            let bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(scaled));
            let flipped = _mm_xor_si128(bytes, _mm_set1_epi8(flip as i8));
            _mm_storeu_si128(out.as_mut_ptr().add(half * 16).cast(), flipped);
        }
    }
}

/// The 32 values from `column` on; what is missing is zero.
#[inline(always)]
fn chunk<'a>(values: &'a [f32], column: usize, padded: &'a mut [f32; CHUNK]) -> &'a [f32; CHUNK] {
    let rest = values.get(column..).unwrap_or(&[]);
    rest.first_chunk().unwrap_or_else(|| {
        padded[..rest.len()].copy_from_slice(rest);
        padded
    })
}
