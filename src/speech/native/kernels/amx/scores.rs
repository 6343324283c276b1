//! Scores of attention: queries stay in four tiles while all keys of a block pass by.

use std::arch::asm;

use super::super::engine::{TILE_ROWS, TILE_STRIDE, Tile};
use super::super::flash::Scores;
use super::super::keys::HEAD;
use super::super::packed::PANEL;
use super::Bf16;
use super::tiles::Session;

/// Bytes of a panel of keys: 32 pairs × 32 positions × 2 × 2 bytes.
const PANEL_BYTES: usize = PANEL * HEAD * 2;

/// Multiplies 17 to 32 queries with whole panels of keys, 16 positions at a time.
pub(super) fn scores_32(session: &Session, scores: &Scores<'_, Bf16>, tiles: &mut [Tile]) {
    assert!(session.rows() == 16 && scores.queries.len() >= TILE_ROWS * HEAD);
    let panels = check(scores, tiles);
    // SAFETY: 32 packed queries, `panels` panels and as many tiles are there, by the assertions; every tile register
    // is written before it is read; the guard-page test notices an access beyond.
    unsafe {
        asm!(
            "tileloadd tmm2, [{queries} + {dense}*1]",
            "tileloadd tmm3, [{queries} + {dense}*1 + 1024]",
            "tileloadd tmm4, [{queries} + {dense}*1 + 2048]",
            "tileloadd tmm5, [{queries} + {dense}*1 + 3072]",
            "2:",
            "tileloadd tmm6, [{keys} + {wide}*1]",
            "tileloadd tmm7, [{keys} + {wide}*1 + 2048]",
            "tilezero tmm0",
            "tilezero tmm1",
            "tdpbf16ps tmm0, tmm2, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tdpbf16ps tmm0, tmm3, tmm7",
            "tdpbf16ps tmm1, tmm5, tmm7",
            "tilestored [{tile} + {apart}*1], tmm0",
            "tilestored [{tile} + {apart}*1 + 4096], tmm1",
            "tileloadd tmm6, [{keys} + {wide}*1 + 64]",
            "tileloadd tmm7, [{keys} + {wide}*1 + 2112]",
            "tilezero tmm0",
            "tilezero tmm1",
            "tdpbf16ps tmm0, tmm2, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tdpbf16ps tmm0, tmm3, tmm7",
            "tdpbf16ps tmm1, tmm5, tmm7",
            "tilestored [{tile} + {apart}*1 + 64], tmm0",
            "tilestored [{tile} + {apart}*1 + 4160], tmm1",
            "add {keys}, {panel_bytes}",
            "add {tile}, {tile_bytes}",
            "dec {panels}",
            "jnz 2b",
            queries = in(reg) scores.queries.as_ptr(),
            keys = inout(reg) scores.keys.as_ptr() => _,
            tile = inout(reg) tiles.as_mut_ptr() => _,
            panels = inout(reg) panels => _,
            dense = in(reg) 64usize,
            wide = in(reg) 128usize,
            apart = in(reg) TILE_STRIDE * 4,
            panel_bytes = const PANEL_BYTES,
            tile_bytes = const size_of::<Tile>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// Returns the number of panels. Panics if it is zero or the tiles are too few.
fn check(scores: &Scores<'_, Bf16>, tiles: &[Tile]) -> usize {
    let panels = scores.keys.len() / (PANEL * HEAD);
    assert!(panels > 0 && scores.keys.len() == panels * PANEL * HEAD && tiles.len() >= panels);
    panels
}
