//! Register-tiled sums: up to 6 rows × 16 columns in 12 of the 16 vector registers, twice per panel.

use std::arch::x86_64::*;

use super::super::engine::{Step, TILE_STRIDE, Tile};
use super::super::packed::PANEL;
use super::{Bf16, F32, Int8};

/// Rows of a full block: 6 × 2 sums, 2 weights, 1 operand and 1 spare.
pub(super) const ROWS: usize = 6;
/// Elements of a row that lie together in packed operands.
const CHUNK: usize = 32;
/// The same for bytes.
const INT8_CHUNK: usize = 64;
/// Columns of one pass over a panel.
const HALF: usize = 16;

/// Checks the lengths that the unsafe kernels below rely on, then calls the one for this number of rows.
macro_rules! by_rows {
    ($kernel:ident, $step:expr, $chunk:ident, $tile:expr) => {{
        let (step, tile): (&Step<'_, _>, &mut Tile) = ($step, $tile);
        let chunks = step.panel.len() / ($chunk * PANEL);
        assert!(step.panel.len() == chunks * $chunk * PANEL && step.k.is_multiple_of($chunk));
        assert!(step.from == 0 && chunks * $chunk <= step.k && !step.resume);
        assert!(step.row.is_multiple_of(ROWS) && step.x.len() >= (step.row + ROWS) * step.k);
        let x = step.x[step.row * step.k..].as_ptr();
        for half in [0, HALF] {
            // SAFETY: 6 rows of operands, all weights and 6 × 32 sums are there by the assertions; valgrind and the
            // guard-page test notice an access beyond. Engines are used only after their level was detected.
            unsafe {
                let (panel, tile) = (step.panel.as_ptr(), tile.0.as_mut_ptr().add(half));
                match step.rows {
                    1 => $kernel::<1>(chunks, x, panel, half, tile),
                    2 => $kernel::<2>(chunks, x, panel, half, tile),
                    3 => $kernel::<3>(chunks, x, panel, half, tile),
                    4 => $kernel::<4>(chunks, x, panel, half, tile),
                    5 => $kernel::<5>(chunks, x, panel, half, tile),
                    6 => $kernel::<6>(chunks, x, panel, half, tile),
                    rows => unreachable!("a step has 1 to {ROWS} rows, not {rows}"),
                }
            }
        }
    }};
}

/// f32 operands, f32 weights.
pub(super) fn sums_f32(step: &Step<'_, F32>, tile: &mut Tile) {
    by_rows!(kernel_f32, step, CHUNK, tile);
}

/// f32 operands, bf16 weights widened on the way.
pub(super) fn sums_widened(step: &Step<'_, Bf16>, tile: &mut Tile) {
    by_rows!(kernel_widened, step, CHUNK, tile);
}

/// int8 operands, int8 weights.
pub(super) fn sums_int8(step: &Step<'_, Int8>, tile: &mut Tile) {
    by_rows!(kernel_int8, step, INT8_CHUNK, tile);
}

/// Reads chunks × \[6\]\[32\] operands (R rows of them), the columns half…half + 16 of the panel, writes tile[R × 32] there.
#[target_feature(enable = "avx2,fma")]
unsafe fn kernel_f32<const R: usize>(
    chunks: usize,
    x: *const f32,
    panel: *const f32,
    half: usize,
    tile: *mut u32,
) {
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    for i in 0..chunks * CHUNK {
        // SAFETY: i < chunks × 32, r < R, within what the caller promises.
        unsafe {
            let x = x.add(i / CHUNK * (ROWS * CHUNK) + i % CHUNK);
            let weights = panel.add(i * PANEL + half);
            let (left, right) = (_mm256_loadu_ps(weights), _mm256_loadu_ps(weights.add(8)));
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = _mm256_set1_ps(*x.add(r * CHUNK));
                *sum = [_mm256_fmadd_ps(value, left, sum[0]), _mm256_fmadd_ps(value, right, sum[1])];
            }
        }
    }
    // SAFETY: the tile has room for R rows.
    unsafe { store(&sums, tile) }
}

/// Reads chunks × \[6\]\[32\] operands (R rows of them), the columns half…half + 16 of the panel, writes tile[R × 32] there.
#[target_feature(enable = "avx2,fma")]
unsafe fn kernel_widened<const R: usize>(
    chunks: usize,
    x: *const f32,
    panel: *const u16,
    half: usize,
    tile: *mut u32,
) {
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    for i in (0..chunks * CHUNK).step_by(2) {
        // SAFETY: i + 1 < chunks × 32, r < R, within what the caller promises.
        unsafe {
            let x = x.add(i / CHUNK * (ROWS * CHUNK) + i % CHUNK);
            let weights = panel.add(i * PANEL + half * 2);
            let left = _mm256_loadu_si256(weights.cast());
            let right = _mm256_loadu_si256(weights.add(HALF).cast());
            // The first of a pair is the low half; a bf16 in the upper half of 32 bits is that f32.
            let low_left = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(left));
            let low_right = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(right));
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = _mm256_set1_ps(*x.add(r * CHUNK));
                *sum = [_mm256_fmadd_ps(value, low_left, sum[0]), _mm256_fmadd_ps(value, low_right, sum[1])];
            }
            let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            let high_left = _mm256_castsi256_ps(_mm256_and_si256(left, upper));
            let high_right = _mm256_castsi256_ps(_mm256_and_si256(right, upper));
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = _mm256_set1_ps(*x.add(r * CHUNK + 1));
                *sum =
                    [_mm256_fmadd_ps(value, high_left, sum[0]), _mm256_fmadd_ps(value, high_right, sum[1])];
            }
        }
    }
    // SAFETY: the tile has room for R rows.
    unsafe { store(&sums, tile) }
}

/// Reads chunks × \[6\]\[64\] operands (R rows of them), the columns half…half + 16 of the panel, writes tile[R × 32] there.
#[target_feature(enable = "avx2,fma")]
unsafe fn kernel_int8<const R: usize>(
    chunks: usize,
    x: *const i8,
    panel: *const i8,
    half: usize,
    tile: *mut u32,
) {
    let ones = _mm256_set1_epi16(1);
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    for i in (0..chunks * INT8_CHUNK).step_by(4) {
        // SAFETY: i + 3 < chunks × 64, r < R, within what the caller promises.
        unsafe {
            let x = x.add(i / INT8_CHUNK * (ROWS * INT8_CHUNK) + i % INT8_CHUNK);
            let weights = panel.add(i * PANEL + half * 4);
            let left = _mm256_loadu_si256(weights.cast());
            let right = _mm256_loadu_si256(weights.add(32).cast());
            for (r, sum) in sums.iter_mut().enumerate() {
                let four = _mm256_set1_epi32(x.add(r * INT8_CHUNK).cast::<i32>().read_unaligned());
                // |x|·(w with the sign of x): as no factor exceeds 127, two products fit 16 bits and nothing saturates.
                let size = _mm256_abs_epi8(four);
                let left = _mm256_maddubs_epi16(size, _mm256_sign_epi8(left, four));
                let right = _mm256_maddubs_epi16(size, _mm256_sign_epi8(right, four));
                *sum = [
                    _mm256_add_epi32(sum[0], _mm256_madd_epi16(left, ones)),
                    _mm256_add_epi32(sum[1], _mm256_madd_epi16(right, ones)),
                ];
            }
        }
    }
    for (r, [left, right]) in sums.iter().enumerate() {
        // SAFETY: the tile has room for R rows.
        unsafe {
            _mm256_storeu_si256(tile.add(r * TILE_STRIDE).cast(), *left);
            _mm256_storeu_si256(tile.add(r * TILE_STRIDE + 8).cast(), *right);
        }
    }
}

/// Writes 16 columns of R rows.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store<const R: usize>(sums: &[[__m256; 2]; R], tile: *mut u32) {
    for (r, [left, right]) in sums.iter().enumerate() {
        // SAFETY: the caller promises R rows of 32 places, of which these are 16.
        unsafe {
            _mm256_storeu_ps(tile.add(r * TILE_STRIDE).cast(), *left);
            _mm256_storeu_ps(tile.add(r * TILE_STRIDE + 8).cast(), *right);
        }
    }
}
