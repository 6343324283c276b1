//! The tile product alone; see [`super::super::peak`].

use std::arch::asm;

use super::tiles::Session;

/// Operations of one product of full tiles of bf16: 16 × 16 sums of 32 products.
const TILE_OPERATIONS: u64 = 2 * 16 * 16 * 32;

/// Multiplies tiles of zeros, four at a time, `rounds` times; returns the operations done.
pub(in super::super) fn burn(rounds: u64) -> f64 {
    if rounds == 0 {
        return 0.0;
    }
    let session = Session::new(16);
    // SAFETY: the session shapes the tiles, and nobody holds values in them; `rounds` is not zero.
    unsafe {
        asm!("2:",
            "tdpbf16ps tmm0, tmm4, tmm6", "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6", "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {rounds}", "jnz 2b",
            rounds = inout(reg) rounds => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, options(nostack, nomem));
    }
    drop(session);
    (rounds * 4 * TILE_OPERATIONS) as f64
}
