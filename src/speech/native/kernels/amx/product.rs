//! Sums of 32 × 32 in four tiles, or of up to 16 × 32 in two.

use std::arch::asm;

use super::super::engine::{Step, TILE_ROWS, TILE_STRIDE, Tile};
use super::tiles::Session;
use super::{Bf16, Int8};

/// Bytes of a full tile, and of the packed operands of 16 rows × 64 bytes.
const TILE_BYTES: usize = 1024;
/// Bytes of weights that one step of 64 operand bytes needs: two tiles side by side.
const STEP_BYTES: usize = 2 * TILE_BYTES;

/// Chooses the kernel for the number of rows and of lines to prefetch in each step.
macro_rules! by_lines {
    ($half:ident, $full:ident, $rows:expr, $call:expr) => {{
        let call: &Call = $call;
        // SAFETY: the call was checked; the session shapes the tiles.
        unsafe {
            match ($rows <= 16, call.lines) {
                (true, 0) => $half::<0>(call),
                (true, _) => $half::<32>(call),
                (false, 0) => $full::<0>(call),
                (false, 1..=2) => $full::<2>(call),
                (false, 3..=8) => $full::<8>(call),
                (false, 9..=16) => $full::<16>(call),
                (false, _) => $full::<32>(call),
            }
        }
    }};
}

/// bf16 operands (tile by tile), bf16 weights.
pub(super) fn sums_bf16(session: &Session, step: &Step<'_, Bf16>, tile: &mut Tile) {
    assert!(step.k.is_multiple_of(32) && step.from.is_multiple_of(32));
    let call = Call::new(step, session, tile);
    by_lines!(bf16_16, bf16_32, step.rows, &call);
}

/// int8 operands (tile by tile), int8 weights.
pub(super) fn sums_int8(session: &Session, step: &Step<'_, Int8>, tile: &mut Tile) {
    assert!(step.k.is_multiple_of(64) && step.from.is_multiple_of(64));
    let call = Call::new(step, session, tile);
    by_lines!(int8_16, int8_32, step.rows, &call);
}

/// Bytes in a cache line.
const LINE_BYTES: usize = 64;

/// Checked pointers of one step.
struct Call {
    /// Operand tiles of the first 16 rows, `steps` of them to be read, and of the next 16 rows.
    upper: *const u8,
    lower: *const u8,
    steps: usize,
    panel: *const u8,
    sums: *mut u32,
    resume: usize,
    /// Only prefetched: need not be readable. Cache lines that fall to each step.
    soon: *const u8,
    lines: usize,
}

impl Call {
    /// Panics if operands, weights or tile are too short for what the kernels read and write.
    fn new<E: super::Engine>(step: &Step<'_, E>, session: &Session, tile: &mut Tile) -> Self {
        let row_bytes = step.k * size_of::<E::X>();
        let from_bytes = step.from * size_of::<E::X>();
        let steps = size_of_val(step.panel) / STEP_BYTES;
        assert!(steps > 0 && size_of_val(step.panel) == steps * STEP_BYTES);
        assert!(step.rows <= TILE_ROWS && (step.rows <= session.rows() || session.rows() == 16));
        assert!(step.row.is_multiple_of(16) && from_bytes + steps * 64 <= row_bytes);
        let rows = step.rows.next_multiple_of(16);
        assert!(size_of_val(step.x) >= (step.row + rows) * row_bytes);
        // SAFETY: row × row_bytes lies inside the operands, by the assertion.
        let upper = unsafe { step.x.as_ptr().cast::<u8>().add(step.row * row_bytes + from_bytes * 16) };
        Self {
            upper,
            lower: upper.wrapping_add(16 * row_bytes),
            steps,
            panel: step.panel.as_ptr().cast(),
            sums: tile.0.as_mut_ptr(),
            resume: usize::from(step.resume),
            soon: step.soon.at,
            lines: step.soon.bytes.div_ceil(steps * LINE_BYTES),
        }
    }
}

/// Defines the kernels of one product instruction.
macro_rules! kernels {
    ($full:ident, $half:ident, $product:literal) => {
        /// Reads 2 × steps operand tiles and a panel of steps × 16 rows of 128 bytes, writes 32 × 32 sums.
        unsafe fn $full<const LINES: usize>(call: &Call) {
            // SAFETY: the caller checked the lengths; every tile is written before it is read.
            unsafe {
                asm!(
                    "test {resume}, {resume}",
                    "jnz 3f",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "jmp 2f",
                    "3:",
                    "tileloadd tmm0, [{sums} + {apart}*1]",
                    "tileloadd tmm1, [{sums} + {apart}*1 + 64]",
                    "tileloadd tmm2, [{sums} + {apart}*1 + 4096]",
                    "tileloadd tmm3, [{sums} + {apart}*1 + 4160]",
                    "2:",
                    // Weights pass by: they must not push the operands out of the first-level cache.
                    "tileloaddt1 tmm6, [{panel} + {wide}*1]",
                    "tileloadd tmm4, [{upper} + {dense}*1]",
                    concat!($product, " tmm0, tmm4, tmm6"),
                    "tileloaddt1 tmm7, [{panel} + {wide}*1 + 64]",
                    concat!($product, " tmm1, tmm4, tmm7"),
                    "tileloadd tmm5, [{lower} + {dense}*1]",
                    concat!($product, " tmm2, tmm5, tmm6"),
                    ".set line, 0",
                    ".rept {lines}",
                    "prefetcht1 [{soon} + 64 * line]",
                    ".set line, line + 1",
                    ".endr",
                    concat!($product, " tmm3, tmm5, tmm7"),
                    "add {upper}, 1024",
                    "add {lower}, 1024",
                    "add {panel}, 2048",
                    "add {soon}, {lines} * 64",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {apart}*1], tmm0",
                    "tilestored [{sums} + {apart}*1 + 64], tmm1",
                    "tilestored [{sums} + {apart}*1 + 4096], tmm2",
                    "tilestored [{sums} + {apart}*1 + 4160], tmm3",
                    upper = inout(reg) call.upper => _,
                    lower = inout(reg) call.lower => _,
                    panel = inout(reg) call.panel => _,
                    soon = inout(reg) call.soon => _,
                    steps = inout(reg) call.steps => _,
                    lines = const LINES,
                    sums = in(reg) call.sums,
                    resume = in(reg) call.resume,
                    wide = in(reg) 128usize,
                    apart = in(reg) TILE_STRIDE * 4,
                    dense = in(reg) 64usize,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }

        /// Reads steps operand tiles and a panel of steps × 16 rows of 128 bytes, writes 16 × 32 sums.
        unsafe fn $half<const LINES: usize>(call: &Call) {
            // SAFETY: the caller checked the lengths; every tile is written before it is read.
            unsafe {
                asm!(
                    "test {resume}, {resume}",
                    "jnz 3f",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "jmp 2f",
                    "3:",
                    "tileloadd tmm0, [{sums} + {apart}*1]",
                    "tileloadd tmm1, [{sums} + {apart}*1 + 64]",
                    "2:",
                    "tileloadd tmm4, [{upper} + {dense}*1]",
                    "tileloadd tmm6, [{panel} + {wide}*1]",
                    concat!($product, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{panel} + {wide}*1 + 64]",
                    ".set line, 0",
                    ".rept {lines}",
                    "prefetcht1 [{soon} + 64 * line]",
                    ".set line, line + 1",
                    ".endr",
                    concat!($product, " tmm1, tmm4, tmm7"),
                    "add {upper}, 1024",
                    "add {panel}, 2048",
                    "add {soon}, {lines} * 64",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {apart}*1], tmm0",
                    "tilestored [{sums} + {apart}*1 + 64], tmm1",
                    upper = inout(reg) call.upper => _,
                    panel = inout(reg) call.panel => _,
                    soon = inout(reg) call.soon => _,
                    steps = inout(reg) call.steps => _,
                    lines = const LINES,
                    sums = in(reg) call.sums,
                    resume = in(reg) call.resume,
                    wide = in(reg) 128usize,
                    apart = in(reg) TILE_STRIDE * 4,
                    dense = in(reg) 64usize,
                    out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

kernels!(bf16_32, bf16_16, "tdpbf16ps");
kernels!(int8_32, int8_16, "tdpbssd");
