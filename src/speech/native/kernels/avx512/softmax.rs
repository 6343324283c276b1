//! The exponentials of attention.

use std::arch::x86_64::*;

use super::super::engine::Tile;
use super::super::flash::{BLOCK, Gathered, SLACK, SUM_LANES};
use super::super::halves::OPERAND_MAX;
use super::super::packed::PANEL;
use super::lanes::{LANES, exp2, exp2_short, load, store};

const ALL: __mmask16 = !0;

/// See [`super::super::flash::Softmax::weigh`]; `place(row, panel)` is where 32 weights of bf16 go.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bf16")]
pub(super) fn weigh_bf16(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    weights: &mut [u16],
    place: impl Fn(usize, usize) -> usize,
) {
    for row in 0..rows {
        refer(tiles, row, gathered);
        let reference = _mm512_set1_ps(gathered.reference[row]);
        let mut sum = load(&gathered.sums[row], 0, ALL);
        for (panel, tile) in tiles.iter().enumerate() {
            let [low, high] = scores(tile, row);
            let low = exp2_short(_mm512_sub_ps(low, reference));
            let high = exp2_short(_mm512_sub_ps(high, reference));
            sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
            let out =
                weights[place(row, panel)..].first_chunk_mut::<PANEL>().expect("operands are whole chunks");
            // SAFETY: 32 bf16 fit, by the array type.
            unsafe {
                let pair: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
                _mm512_storeu_si512(out.as_mut_ptr().cast(), pair);
            }
        }
        store(&mut gathered.sums[row], 0, ALL, sum);
    }
}

/// See [`super::super::flash::Softmax::weigh`]; `place(row, panel)` is where 32 weights of f32 go.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn weigh_f32(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    weights: &mut [f32],
    place: impl Fn(usize, usize) -> usize,
) {
    for row in 0..rows {
        refer(tiles, row, gathered);
        let reference = _mm512_set1_ps(gathered.reference[row]);
        let mut sum = load(&gathered.sums[row], 0, ALL);
        for (panel, tile) in tiles.iter().enumerate() {
            let [low, high] = scores(tile, row);
            let low = exp2(_mm512_sub_ps(low, reference));
            let high = exp2(_mm512_sub_ps(high, reference));
            sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
            let at = place(row, panel);
            store(weights, at, ALL, low);
            store(weights, at + LANES, ALL, high);
        }
        store(&mut gathered.sums[row], 0, ALL, sum);
    }
}

/// See [`super::super::flash::Softmax::weigh`]; `place(row, column, k)` is where 32 weights lie.
///
/// The low byte of a weight is read as signed if `carry` is 0x80, which then is added before the high byte is taken.
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn weigh_halves(
    tiles: &[Tile],
    rows: usize,
    gathered: &mut Gathered,
    scales: &[f32],
    weights: &mut [u8],
    place: impl Fn(usize, usize, usize) -> usize,
    carry: i32,
) {
    let (depth, carry) = (tiles.len() * PANEL, _mm512_set1_epi32(carry));
    let mut plain = [0.0; BLOCK];
    for row in 0..rows {
        refer(tiles, row, gathered);
        let reference = _mm512_set1_ps(gathered.reference[row]);
        let mut sum = load(&gathered.sums[row], 0, ALL);
        let mut peak = _mm512_setzero_ps();
        for (panel, tile) in tiles.iter().enumerate() {
            for (i, score) in scores(tile, row).into_iter().enumerate() {
                let at = panel * PANEL + i * LANES;
                let weight = exp2(_mm512_sub_ps(score, reference));
                sum = _mm512_add_ps(sum, weight);
                let weight = _mm512_mul_ps(weight, load(scales, at, ALL));
                peak = _mm512_max_ps(peak, weight);
                store(&mut plain, at, ALL, weight);
            }
        }
        store(&mut gathered.sums[row], 0, ALL, sum);
        let peak = _mm512_reduce_max_ps(peak);
        gathered.scale[row] = peak / OPERAND_MAX;
        let inverse = _mm512_set1_ps(if peak > 0.0 { OPERAND_MAX / peak } else { 0.0 });
        for column in (0..depth).step_by(PANEL) {
            let highs = place(row, column, depth);
            let lows = place(rows + row, column, depth);
            for i in 0..2 {
                let weight = _mm512_mul_ps(load(&plain, column + i * LANES, ALL), inverse);
                // The conversion rounds to nearest, ties to even.
                let whole = _mm512_cvtps_epi32(weight);
                let high = _mm512_srli_epi32::<8>(_mm512_add_epi32(whole, carry));
                put(weights, highs + i * LANES, high);
                put(weights, lows + i * LANES, whole);
            }
        }
    }
}

/// Writes the lowest byte of each lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn put(out: &mut [u8], at: usize, lanes: __m512i) {
    let out = out[at..].first_chunk_mut::<LANES>().expect("operands are whole chunks");
    // SAFETY: 16 bytes fit, by the array type.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(lanes)) }
}

/// Raises the row's reference if a score lies far above it, and scales its sum accordingly.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn refer(tiles: &[Tile], row: usize, gathered: &mut Gathered) {
    let mut peak = _mm512_set1_ps(f32::NEG_INFINITY);
    for tile in tiles {
        let [low, high] = scores(tile, row);
        peak = _mm512_max_ps(peak, _mm512_max_ps(low, high));
    }
    gathered.factor[row] = 1.0;
    let bound = gathered.reference[row] + SLACK;
    if _mm512_cmp_ps_mask::<_CMP_GT_OQ>(peak, _mm512_set1_ps(bound)) == 0 {
        return;
    }
    let reference = _mm512_reduce_max_ps(peak);
    let factor = (gathered.reference[row] - reference).exp2();
    gathered.reference[row] = reference;
    gathered.factor[row] = factor;
    for sum in &mut gathered.sums[row][..SUM_LANES] {
        *sum *= factor;
    }
}

/// See [`super::super::flash::Softmax::gather`].
#[target_feature(enable = "avx512f")]
pub(super) fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
    for row in 0..rows {
        let factor = _mm512_set1_ps(gathered.factor[row]);
        let values = &mut gathered.values[row];
        for (half, tile) in products.iter().enumerate() {
            for (i, product) in scores(tile, row).into_iter().enumerate() {
                let at = half * PANEL + i * LANES;
                let value = _mm512_fmadd_ps(load(values, at, ALL), factor, product);
                store(values, at, ALL, value);
            }
        }
    }
}

/// One row of a tile of f32.
#[inline]
#[target_feature(enable = "avx512f")]
fn scores(tile: &Tile, row: usize) -> [__m512; 2] {
    let row = tile.row(row).as_ptr();
    // SAFETY: a row of a tile has 32 numbers.
    unsafe { [_mm512_loadu_ps(row.cast()), _mm512_loadu_ps(row.add(LANES).cast())] }
}
