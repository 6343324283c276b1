//! Loads, stores and functions of 16 numbers.

use std::arch::x86_64::*;

use super::super::lanes::{EXP2, EXP2_SHORT, GELU, GELU_EDGE};

/// Numbers in a vector.
pub(super) const LANES: usize = 16;

/// Selects the first `count` lanes, all from 16 on.
#[inline]
pub(super) fn mask_of(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// The selected values from `at` on, 0 elsewhere. Panics if one lies outside.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(values: &[f32], at: usize, mask: __mmask16) -> __m512 {
    assert!(at + LANES <= values.len() + mask.leading_zeros() as usize);
    // SAFETY: the selected lanes lie inside by the assertion; the others are not touched.
    unsafe { _mm512_maskz_loadu_ps(mask, values.as_ptr().wrapping_add(at)) }
}

/// Writes the selected lanes from `at` on. Panics if one lies outside.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(values: &mut [f32], at: usize, mask: __mmask16, lanes: __m512) {
    assert!(at + LANES <= values.len() + mask.leading_zeros() as usize);
    // SAFETY: the selected lanes lie inside by the assertion; the others are not touched.
    unsafe { _mm512_mask_storeu_ps(values.as_mut_ptr().wrapping_add(at), mask, lanes) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: __m512) -> __m512 {
    let mut value = _mm512_set1_ps(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        value = _mm512_fmadd_ps(value, x, _mm512_set1_ps(coefficients[i]));
    }
    value
}

/// See [`super::super::lanes::gelu`].
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn gelu(x: __m512) -> __m512 {
    let edge = _mm512_set1_ps(GELU_EDGE);
    let inside = _mm512_max_ps(_mm512_min_ps(x, edge), _mm512_sub_ps(_mm512_setzero_ps(), edge));
    let factor = _mm512_set1_ps(2.0 / (GELU_EDGE * GELU_EDGE));
    let place = _mm512_fmadd_ps(_mm512_mul_ps(inside, inside), factor, _mm512_set1_ps(-1.0));
    let half = _mm512_set1_ps(0.5);
    _mm512_mul_ps(x, _mm512_fmadd_ps(inside, polynomial(&GELU, place), half))
}

/// 2^x; relative error at most 2e-7. Any x up to 127, −∞ gives 0.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn exp2(x: __m512) -> __m512 {
    _mm512_scalef_ps(polynomial(&EXP2, fraction(x)), x)
}

/// 2^x for results that are rounded to bf16; relative error at most 8e-5.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn exp2_short(x: __m512) -> __m512 {
    _mm512_scalef_ps(polynomial(&EXP2_SHORT, fraction(x)), x)
}

/// x − ⌊x⌋; 0 for −∞. `scalef` in turn scales by 2^⌊x⌋.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn fraction(x: __m512) -> __m512 {
    _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x)
}
