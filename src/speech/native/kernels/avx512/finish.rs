//! What happens after the sums: scale, bias, tail.

use std::arch::x86_64::*;

use super::super::engine::Finish;
use super::super::linear::Tail;
use super::super::packed::PANEL;
use super::lanes::{LANES, gelu, load, mask_of, store};

/// Bias, tail and store of one tile.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn finish(sums: &Finish<'_>, out: &mut [f32]) {
    let width = sums.product.columns.len();
    for half in (0..PANEL).step_by(LANES) {
        let column = sums.column + half;
        if column < width {
            finish_half(sums, half, mask_of(width - column), out);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn finish_half(sums: &Finish<'_>, half: usize, mask: __mmask16, out: &mut [f32]) {
    let product = sums.product;
    let column = sums.column + half;
    let bias = product.bias.map_or(_mm512_setzero_ps(), |bias| load(bias, column, mask));
    let scales = sums.scales.map(|(rows, columns)| (rows, load(columns, half, !0)));
    for row in 0..sums.rows {
        let bits = load_bits(sums.tile.row(row), half);
        let value = match scales {
            None => _mm512_castsi512_ps(bits),
            Some((rows, columns)) => {
                _mm512_mul_ps(_mm512_cvtepi32_ps(bits), _mm512_mul_ps(_mm512_set1_ps(rows[row]), columns))
            }
        };
        let biased = _mm512_add_ps(value, bias);
        let at = (sums.row + row) * product.columns.len() + column;
        let value = match product.tail {
            Tail::None => biased,
            Tail::Gelu => gelu(biased),
            Tail::Add(residual) => _mm512_add_ps(biased, load(residual, at, mask)),
        };
        store(out, at, mask, value);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bits(row: &[u32; PANEL], half: usize) -> __m512i {
    assert!(half <= PANEL - LANES);
    // SAFETY: 16 sums follow, by the assertion.
    unsafe { _mm512_loadu_si512(row.as_ptr().add(half).cast()) }
}
