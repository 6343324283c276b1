//! AMX: products on tiles of 16 rows × 64 bytes. Everything else is the AVX-512 level's.
//!
//! - **In**: what the safe faces above have checked: lengths, packing, the level itself.
//! - **Out**: the same sums as the portable level, within the bounds its tests state.
//! - **Never**: is called on a processor without these instructions.
#![expect(unsafe_code, reason = "tile instructions; every public item is safe and checks lengths first")]

mod peak;
mod product;
mod scores;
mod tiles;

use super::avx512;
use super::buffer::{Aligned, Scratch};
use super::engine::{Engine, Finish, Step, TILE_ROWS, Tile, blocked};
use super::flash::{Gathered, Scores, Softmax, score_panels};
use super::halves::{Halves, Split};
use super::keys::View;
use super::packed::PANEL;
use tiles::Session;

pub(super) use peak::burn;
pub(super) use tiles::is_available;

/// Weights that stay in the first-level cache (48 KB) while operands pass by.
const PANEL_BYTES: usize = 32 << 10;

/// Products of bf16.
pub(super) struct Bf16;
/// Products of int8.
pub(super) struct Int8;

impl Engine for Bf16 {
    type X = u16;
    type W = u16;
    type Session = Session;
    const INTEGER: bool = false;
    const ROWS: usize = TILE_ROWS;
    const DEPTH: usize = PANEL_BYTES / PANEL / size_of::<Self::W>();

    fn enter(rows: usize) -> Session {
        Session::new(rows)
    }

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<u16>, &mut Aligned<f32>) {
        (&mut scratch.halves, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [u16], _: &mut [f32]) {
        avx512::round(x, k, out, |row, column| blocked::<16, 32>(row, column, k));
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<16, 32>(row, column, k)
    }

    fn sums(session: &Session, step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_bf16(session, step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        avx512::finish(sums, out);
    }
}

impl Engine for Int8 {
    type X = u8;
    type W = i8;
    type Session = Session;
    const INTEGER: bool = true;
    const ROWS: usize = TILE_ROWS;
    const DEPTH: usize = PANEL_BYTES / PANEL / size_of::<Self::W>();

    fn enter(rows: usize) -> Session {
        Session::new(rows)
    }

    fn operands(scratch: &mut Scratch) -> (&mut Aligned<u8>, &mut Aligned<f32>) {
        (&mut scratch.bytes, &mut scratch.scales)
    }

    fn pack(x: View<'_>, k: usize, out: &mut [u8], scales: &mut [f32]) {
        avx512::quantise(x, k, out, scales, 0, |row, column| blocked::<16, 64>(row, column, k));
    }

    fn place(row: usize, column: usize, k: usize) -> usize {
        blocked::<16, 64>(row, column, k)
    }

    fn sums(session: &Session, step: &Step<'_, Self>, tile: &mut Tile) {
        product::sums_int8(session, step, tile);
    }

    fn finish(sums: &Finish<'_>, out: &mut [f32]) {
        avx512::finish(sums, out);
    }
}

impl Softmax for Bf16 {
    fn scores(session: &Session, scores: &Scores<'_, Self>, tiles: &mut [Tile]) {
        if scores.rows > 16 {
            scores::scores_32(session, scores, tiles);
        } else {
            score_panels(session, scores, tiles);
        }
    }

    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, _: &[f32], weights: &mut [u16]) {
        avx512::weigh_bf16::<Self>(tiles, rows, gathered, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        avx512::gather(products, rows, gathered);
    }
}

impl Split for Int8 {
    fn split(
        x: View<'_>,
        k: usize,
        out: &mut [u8],
        scales: &mut [f32],
        places: impl Fn(usize) -> [usize; 2],
    ) {
        avx512::split::<Self>(x, k, (out, scales), 0, places);
    }

    fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) {
        avx512::join(tile, rows, scales);
    }
}

impl Softmax for Halves<Int8> {
    fn weigh(tiles: &[Tile], rows: usize, gathered: &mut Gathered, scales: &[f32], weights: &mut [u8]) {
        avx512::weigh_signed::<Self>(tiles, rows, gathered, scales, weights);
    }

    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered) {
        avx512::gather(products, rows, gathered);
    }
}
