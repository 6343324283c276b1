//! Register-tiled sums: up to 12 rows × 32 columns in 24 of the 32 vector registers.

use std::arch::x86_64::*;

use super::super::engine::{Step, TILE_STRIDE, Tile};
use super::super::packed::PANEL;
use super::{Bf16, F32, Int8, Widened};

/// Rows of a full block: 12 × 2 sums, 4 weights (bf16 as read and widened), 1 operand, 1 mask; 14 rows spill.
pub(super) const ROWS: usize = 12;

/// Elements of a row that lie together in packed operands.
const CHUNK: usize = 32;
/// The same for bytes.
const INT8_CHUNK: usize = 64;

/// Bytes by which few-row products, which wait for memory, ask for weights in advance.
const AHEAD_BYTES: usize = 4096;

/// Checks the lengths that the unsafe kernels below rely on, then calls the one for this number of rows.
macro_rules! by_rows {
    ($kernel:ident, $step:expr, $chunk:ident, $tile:expr) => {{
        let (step, tile): (&Step<'_, _>, &mut Tile) = ($step, $tile);
        let chunks = step.panel.len() / ($chunk * PANEL);
        assert!(step.panel.len() == chunks * $chunk * PANEL && step.k.is_multiple_of($chunk));
        assert!(step.from == 0 && chunks * $chunk <= step.k && !step.resume);
        assert!(step.row.is_multiple_of(ROWS) && step.x.len() >= (step.row + ROWS) * step.k);
        let x = step.x[step.row * step.k..].as_ptr();
        let (panel, tile) = (step.panel.as_ptr(), tile.0.as_mut_ptr());
        // SAFETY: 12 rows of operands, all weights and 12 × 32 sums are there by the assertions; the
        // guard-page test notices an access beyond. Engines are used only after their level was detected.
        unsafe {
            match step.rows {
                1 => $kernel::<1>(chunks, x, panel, step.sums, tile),
                2 => $kernel::<2>(chunks, x, panel, step.sums, tile),
                3 => $kernel::<3>(chunks, x, panel, step.sums, tile),
                4 => $kernel::<4>(chunks, x, panel, step.sums, tile),
                5 => $kernel::<5>(chunks, x, panel, step.sums, tile),
                6 => $kernel::<6>(chunks, x, panel, step.sums, tile),
                7 => $kernel::<7>(chunks, x, panel, step.sums, tile),
                8 => $kernel::<8>(chunks, x, panel, step.sums, tile),
                9 => $kernel::<9>(chunks, x, panel, step.sums, tile),
                10 => $kernel::<10>(chunks, x, panel, step.sums, tile),
                11 => $kernel::<11>(chunks, x, panel, step.sums, tile),
                12 => $kernel::<12>(chunks, x, panel, step.sums, tile),
                rows => unreachable!("a step has 1 to {ROWS} rows, not {rows}"),
            }
        }
    }};
}

/// f32 operands, f32 weights.
pub(super) fn sums_f32(step: &Step<'_, F32>, tile: &mut Tile) {
    by_rows!(kernel_f32, step, CHUNK, tile);
}

/// bf16 operands, bf16 weights, with the dot-product instruction.
pub(super) fn sums_bf16(step: &Step<'_, Bf16>, tile: &mut Tile) {
    by_rows!(kernel_bf16, step, CHUNK, tile);
}

/// f32 operands, bf16 weights widened on the way: where the dot-product instruction is slower than this.
pub(super) fn sums_widened(step: &Step<'_, Widened>, tile: &mut Tile) {
    by_rows!(kernel_widened, step, CHUNK, tile);
}

/// Operands + 128 as unsigned bytes, int8 weights.
pub(super) fn sums_int8(step: &Step<'_, Int8>, tile: &mut Tile) {
    assert!(step.sums.len() == PANEL);
    by_rows!(kernel_int8, step, INT8_CHUNK, tile);
}

/// Asks for the weights that follow, where few rows leave the processor waiting for memory.
#[inline(always)]
fn fetch_ahead<const R: usize, W>(weights: *const W) {
    if R <= 4 {
        // SAFETY: a prefetch reads nothing and may name any address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(weights.cast::<i8>().wrapping_add(AHEAD_BYTES));
            _mm_prefetch::<_MM_HINT_T0>(weights.cast::<i8>().wrapping_add(AHEAD_BYTES + 64));
        }
    }
}

/// Reads chunks × \[12\]\[32\] operands (R rows of them) and chunks × 32 × 32 weights, writes tile[R × 32].
#[target_feature(enable = "avx512f")]
unsafe fn kernel_f32<const R: usize>(
    chunks: usize,
    x: *const f32,
    panel: *const f32,
    _: &[i32],
    tile: *mut u32,
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for i in 0..chunks * CHUNK {
        // SAFETY: i < chunks × 32, r < R, within what the caller promises.
        unsafe {
            let x = x.add(i / CHUNK * (ROWS * CHUNK) + i % CHUNK);
            let weights = panel.add(i * PANEL);
            fetch_ahead::<R, f32>(weights);
            let (left, right) = (_mm512_loadu_ps(weights), _mm512_loadu_ps(weights.add(16)));
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*x.add(r * CHUNK));
                *sum = [_mm512_fmadd_ps(value, left, sum[0]), _mm512_fmadd_ps(value, right, sum[1])];
            }
        }
    }
    // SAFETY: the tile has room for R rows.
    unsafe { store_f32(&sums, tile) }
}

/// Reads chunks × \[12\]\[32\] operands (R rows of them) and chunks × 32 × 32 weights, writes tile[R × 32].
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn kernel_bf16<const R: usize>(
    chunks: usize,
    x: *const u16,
    panel: *const u16,
    _: &[i32],
    tile: *mut u32,
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for i in (0..chunks * CHUNK).step_by(2) {
        // SAFETY: i + 1 < chunks × 32, r < R, within what the caller promises; any bits are valid bf16.
        unsafe {
            let x = x.add(i / CHUNK * (ROWS * CHUNK) + i % CHUNK);
            let weights = panel.add(i * PANEL);
            fetch_ahead::<R, u16>(weights);
            let left = bf16(_mm512_loadu_si512(weights.cast()));
            let right = bf16(_mm512_loadu_si512(weights.add(32).cast()));
            for (r, sum) in sums.iter_mut().enumerate() {
                let pair = bf16(_mm512_set1_epi32(x.add(r * CHUNK).cast::<i32>().read_unaligned()));
                *sum = [_mm512_dpbf16_ps(sum[0], pair, left), _mm512_dpbf16_ps(sum[1], pair, right)];
            }
        }
    }
    // SAFETY: the tile has room for R rows.
    unsafe { store_f32(&sums, tile) }
}

/// Reads chunks × \[12\]\[32\] operands (R rows of them) and chunks × 32 × 32 weights, writes tile[R × 32].
#[target_feature(enable = "avx512f")]
unsafe fn kernel_widened<const R: usize>(
    chunks: usize,
    x: *const f32,
    panel: *const u16,
    _: &[i32],
    tile: *mut u32,
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    for i in (0..chunks * CHUNK).step_by(2) {
        // SAFETY: i + 1 < chunks × 32, r < R, within what the caller promises.
        unsafe {
            let x = x.add(i / CHUNK * (ROWS * CHUNK) + i % CHUNK);
            let weights = panel.add(i * PANEL);
            fetch_ahead::<R, u16>(weights);
            let left = _mm512_loadu_si512(weights.cast());
            let right = _mm512_loadu_si512(weights.add(32).cast());
            // The first of a pair is the low half; a bf16 in the upper half of 32 bits is that f32.
            let first = [
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(left)),
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(right)),
            ];
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*x.add(r * CHUNK));
                *sum = [_mm512_fmadd_ps(value, first[0], sum[0]), _mm512_fmadd_ps(value, first[1], sum[1])];
            }
            let second = [
                _mm512_castsi512_ps(_mm512_and_si512(left, upper)),
                _mm512_castsi512_ps(_mm512_and_si512(right, upper)),
            ];
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*x.add(r * CHUNK + 1));
                *sum = [_mm512_fmadd_ps(value, second[0], sum[0]), _mm512_fmadd_ps(value, second[1], sum[1])];
            }
        }
    }
    // SAFETY: the tile has room for R rows.
    unsafe { store_f32(&sums, tile) }
}

/// Reads chunks × \[12\]\[64\] operands (R rows of them), chunks × 64 × 32 weights and 32 column sums, writes tile[R × 32].
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn kernel_int8<const R: usize>(
    chunks: usize,
    x: *const u8,
    panel: *const i8,
    column_sums: &[i32],
    tile: *mut u32,
) {
    // Σ(x + 128)·w − 128·Σw = Σx·w, exactly.
    let column_sums = column_sums.as_ptr();
    // SAFETY: 32 column sums are there.
    let (left, right) =
        unsafe { (_mm512_loadu_si512(column_sums.cast()), _mm512_loadu_si512(column_sums.add(16).cast())) };
    let zero = _mm512_setzero_si512();
    let start = [
        _mm512_sub_epi32(zero, _mm512_slli_epi32::<7>(left)),
        _mm512_sub_epi32(zero, _mm512_slli_epi32::<7>(right)),
    ];
    let mut sums = [start; R];
    for i in (0..chunks * INT8_CHUNK).step_by(4) {
        // SAFETY: i + 3 < chunks × 64, r < R, within what the caller promises.
        unsafe {
            let x = x.add(i / INT8_CHUNK * (ROWS * INT8_CHUNK) + i % INT8_CHUNK);
            let weights = panel.add(i * PANEL);
            fetch_ahead::<R, i8>(weights);
            let left = _mm512_loadu_si512(weights.cast());
            let right = _mm512_loadu_si512(weights.add(64).cast());
            for (r, sum) in sums.iter_mut().enumerate() {
                let four = _mm512_set1_epi32(x.add(r * INT8_CHUNK).cast::<i32>().read_unaligned());
                *sum = [_mm512_dpbusd_epi32(sum[0], four, left), _mm512_dpbusd_epi32(sum[1], four, right)];
            }
        }
    }
    for (r, [left, right]) in sums.iter().enumerate() {
        // SAFETY: the tile has room for R rows.
        unsafe {
            _mm512_storeu_si512(tile.add(r * TILE_STRIDE).cast(), *left);
            _mm512_storeu_si512(tile.add(r * TILE_STRIDE + 16).cast(), *right);
        }
    }
}

/// Writes tile[R × 32].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store_f32<const R: usize>(sums: &[[__m512; 2]; R], tile: *mut u32) {
    for (r, [left, right]) in sums.iter().enumerate() {
        // SAFETY: the caller promises R × 32 places.
        unsafe {
            _mm512_storeu_ps(tile.add(r * TILE_STRIDE).cast(), *left);
            _mm512_storeu_ps(tile.add(r * TILE_STRIDE + 16).cast(), *right);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits without invalid patterns.
    unsafe { std::mem::transmute(bits) }
}
