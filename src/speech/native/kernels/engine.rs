//! What a level must offer, and the loops that are the same for all of them.

use std::ops::Range;

use super::buffer::{Aligned, Scratch};
use super::keys::View;
use super::linear::Product;
use super::packed::PANEL;

/// Rows of the largest block that a kernel sums at once.
pub(super) const TILE_ROWS: usize = 32;

/// Distance between the rows of a tile: twice their length.
pub(super) const TILE_STRIDE: usize = 2 * PANEL;

/// Sums of a block of rows and one panel: bits of f32, or of i32 where products are integers.
///
/// Shape: rows of [`PANEL`] sums, [`TILE_STRIDE`] apart, and the odd length makes neighbours in an array lie in each
/// other's gaps: addresses that agree in their last 12 bits make a load wait for an earlier store, and one tile is
/// read while its neighbour is being stored.
#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile(pub [u32; TILE_ROWS * TILE_STRIDE + PANEL]);

impl Tile {
    pub const ZERO: Self = Self([0; TILE_ROWS * TILE_STRIDE + PANEL]);

    /// Returns one row of sums.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[u32; PANEL] {
        &self.0.as_chunks::<PANEL>().0[2 * row]
    }

    /// Returns one row of sums, to be written.
    #[inline(always)]
    pub fn row_mut(&mut self, row: usize) -> &mut [u32; PANEL] {
        &mut self.0.as_chunks_mut::<PANEL>().0[2 * row]
    }
}

/// Weights of a product, whole panels; `scales` and `sums` (of a column's integers) exist for int8 only.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a, W> {
    pub panels: &'a [W],
    /// Padded reduction length: elements of a panel = `k` × [`PANEL`].
    pub k: usize,
    pub scales: &'a [f32],
    pub sums: &'a [i32],
}

/// Memory that is needed soon. It is only prefetched, so it need not be ours.
#[derive(Clone, Copy)]
pub(super) struct Soon {
    pub at: *const u8,
    pub bytes: usize,
}

impl Soon {
    pub const NONE: Self = Self { at: std::ptr::null(), bytes: 0 };

    /// As much as `now`, `distance` elements behind its beginning; the end of an allocation does not matter.
    pub fn behind<W>(now: &[W], distance: usize) -> Self {
        Self { at: now.as_ptr().wrapping_add(distance).cast(), bytes: size_of_val(now) }
    }

    /// One of several equal shares, of whole cache lines.
    pub fn share(self, index: usize, count: usize) -> Self {
        let bytes = self.bytes.div_ceil(count).next_multiple_of(64);
        Self { at: self.at.wrapping_add(index * bytes), bytes }
    }
}

/// One call of a level's innermost kernel: up to [`Engine::ROWS`] rows against one panel.
pub(super) struct Step<'a, E: Engine> {
    /// Packed operands, rows of `k` elements.
    pub x: &'a [E::X],
    pub k: usize,
    /// First row, a multiple of [`Engine::ROWS`], and number of rows.
    pub row: usize,
    pub rows: usize,
    /// First element of each row; as many follow as `panel` has rows.
    pub from: usize,
    /// Weights, `[depth][PANEL]` in the packed order.
    pub panel: &'a [E::W],
    /// Column sums of the panel's integers (int8), or empty.
    pub sums: &'a [i32],
    /// Weights that are needed soon, to be brought nearer.
    pub soon: Soon,
    /// Adds to the tile's sums instead of starting at zero.
    pub resume: bool,
}

/// One level's kernels for one precision. A type is used only after its level was detected.
pub(super) trait Engine: Sized {
    /// Element of the operand as the kernels read it.
    type X: Copy + Default + Send;
    /// Element of the weights.
    type W: Copy + Default;
    /// State of the processor that [`Engine::sums`] needs, held while it exists.
    type Session;
    /// Whether a [`Tile`] holds i32 that have scales.
    const INTEGER: bool;
    /// Rows that [`Engine::sums`] takes at once without waste.
    const ROWS: usize;
    /// Packed rows that stand for [`Engine::ROWS`] rows.
    const PACKED_ROWS: usize = Self::ROWS;
    /// Elements of a row that are summed before the next rows are taken, so that the weights stay in cache.
    const DEPTH: usize;

    /// Prepares the processor for steps of at most `rows` rows.
    fn enter(rows: usize) -> Self::Session;

    /// Returns the memory for operands and their scales.
    fn operands(scratch: &mut Scratch) -> (&mut Aligned<Self::X>, &mut Aligned<f32>);

    /// Converts the rows of `x` to `out`, rows of `k` elements (a multiple of the padding), and their scales.
    fn pack(x: View<'_>, k: usize, out: &mut [Self::X], scales: &mut [f32]);

    /// Where element `column` (a multiple of 32) of `row` lies in packed operands; 32 elements lie together.
    fn place(row: usize, column: usize, k: usize) -> usize;

    /// Sums one step into `tile`.
    fn sums(session: &Self::Session, step: &Step<'_, Self>, tile: &mut Tile);

    /// Turns the integers of a tile into finished f32, where [`Engine::finish`] is not to do it.
    ///
    /// Returns whether it did.
    fn scale(_: &mut Tile, _rows: usize, _scales: (&[f32], &[f32])) -> bool {
        false
    }

    /// Turns a tile into output.
    fn finish(sums: &Finish<'_>, out: &mut [f32]);
}

/// Place in operands that lie block by block: `ROWS` rows × `CHUNK` elements, then the next elements of these rows.
///
/// So a kernel reads on in one direction, and rows whose length is a power of two do not meet in one set of the cache.
#[inline(always)]
pub(super) fn blocked<const ROWS: usize, const CHUNK: usize>(row: usize, column: usize, k: usize) -> usize {
    (row / ROWS * (k / CHUNK) + column / CHUNK) * (ROWS * CHUNK) + row % ROWS * CHUNK + column % CHUNK
}

/// A tile that waits for bias, tail and its place in the output.
pub(super) struct Finish<'a> {
    pub product: &'a Product<'a>,
    pub tile: &'a Tile,
    /// First row and number of rows, of the product.
    pub row: usize,
    pub rows: usize,
    /// First column, relative to the product's columns.
    pub column: usize,
    /// Row and column scales of an integer tile, from the tile's first row and column on.
    pub scales: Option<(&'a [f32], &'a [f32])>,
}

/// Bytes of packed operands that may lie in the second-level cache (2 MB here, 1 MB on Zen) beside a panel.
const BLOCK_BYTES: usize = 800 << 10;
/// Bytes of panels that stay in the second-level cache while all rows of a block pass by.
const GROUP_BYTES: usize = 256 << 10;
const GROUP_MAX: usize = 8;
/// Up to so many rows the time goes into fetching panels: each is met by all rows before the next one is.
const FEW_ROWS: usize = 64;

/// Computes a product: blocks of rows that stay in cache, all panels against each.
pub(super) fn multiply<E: Engine>(
    product: &Product<'_>,
    weights: Weights<'_, E::W>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let depth = product.x.len() / product.rows;
    let row_bytes = (weights.k * size_of::<E::X>()).max(1);
    let passes = (product.rows * row_bytes).div_ceil(BLOCK_BYTES);
    let block = product.rows.div_ceil(passes).next_multiple_of(E::ROWS);
    let session = E::enter(product.rows);
    let mut tiles = std::mem::take(&mut scratch.tiles);
    tiles.resize(GROUP_MAX, Tile::ZERO);
    let (operands, scales) = E::operands(scratch);
    for first in (0..product.rows).step_by(block) {
        let span = first..product.rows.min(first + block);
        let operands = operands.take(span.len().div_ceil(E::ROWS) * E::PACKED_ROWS * weights.k);
        let scales = scales.take(span.len().next_multiple_of(E::ROWS));
        E::pack(View::new(product.x, depth).rows(span.clone()), weights.k, operands, scales);
        Block::<E> { product, weights, operands, scales, span, session: &session }.multiply(&mut tiles, out);
    }
    scratch.tiles = tiles;
}

/// Packed rows that are multiplied with all panels.
struct Block<'a, E: Engine> {
    product: &'a Product<'a>,
    weights: Weights<'a, E::W>,
    operands: &'a [E::X],
    scales: &'a [f32],
    span: Range<usize>,
    session: &'a E::Session,
}

impl<E: Engine> Block<'_, E> {
    fn multiply(&self, tiles: &mut [Tile], out: &mut [f32]) {
        let width = self.product.columns.len();
        let step = self.group() * PANEL;
        for first in (0..width).step_by(step) {
            let columns = first..width.min(first + step);
            for row in self.span.clone().step_by(E::ROWS) {
                self.multiply_group(row, columns.clone(), tiles, out);
            }
        }
    }

    /// Panels that one block of rows meets in turn: its operands stay in the first-level cache, the panels in the
    /// second, and what is written to a row of the output lies together.
    fn group(&self) -> usize {
        if self.span.len() <= FEW_ROWS {
            return 1;
        }
        let panel_bytes = (self.weights.k * PANEL * size_of::<E::W>()).max(1);
        (GROUP_BYTES / panel_bytes).clamp(1, GROUP_MAX)
    }

    /// Sums stretch by stretch; the last stretch of a tile is followed by the end of the tile before it, so that
    /// the processor can still work on one while it finishes the other.
    fn multiply_group(&self, row: usize, columns: Range<usize>, tiles: &mut [Tile], out: &mut [f32]) {
        // As few tiles as possible: they share the first-level cache with the operands.
        let count = if self.weights.k <= E::DEPTH { 2 } else { GROUP_MAX };
        for from in (0..self.weights.k).step_by(E::DEPTH) {
            let is_last = from + E::DEPTH >= self.weights.k;
            for (turn, column) in columns.clone().step_by(PANEL).enumerate() {
                self.sum(row, column, from, &mut tiles[turn % count]);
                if is_last && turn > 0 {
                    self.finish(row, column - PANEL, &mut tiles[(turn - 1) % count], out);
                }
            }
        }
        let last = (columns.len() - 1) / PANEL;
        self.finish(row, columns.start + last * PANEL, &mut tiles[last % count], out);
    }

    fn sum(&self, row: usize, column: usize, from: usize, tile: &mut Tile) {
        let k = self.weights.k;
        let panel = (self.product.columns.start + column) / PANEL;
        let depth = E::DEPTH.min(k - from);
        let first = (panel * k + from) * PANEL;
        let stretch = &self.weights.panels[first..first + depth * PANEL];
        let step = Step {
            x: self.operands,
            k,
            row: row - self.span.start,
            rows: E::ROWS.min(self.span.end - row),
            from,
            panel: stretch,
            sums: if E::INTEGER { &self.weights.sums[panel * PANEL..][..PANEL] } else { &[] },
            soon: self.soon(row, stretch),
            resume: from > 0,
        };
        E::sums(self.session, &step, tile);
    }

    /// The weights to fetch in this step: the same stretch one group later, which the blocks of rows share. Behind
    /// the last group lie the weights of the product that is computed next, as they are packed in that order.
    fn soon(&self, row: usize, stretch: &[E::W]) -> Soon {
        let block = (row - self.span.start) / E::ROWS;
        Soon::behind(stretch, self.group() * self.weights.k * PANEL).share(block, self.blocks())
    }

    /// Blocks of rows that pass by each group of panels.
    fn blocks(&self) -> usize {
        self.span.len().div_ceil(E::ROWS)
    }

    fn finish(&self, row: usize, column: usize, tile: &mut Tile, out: &mut [f32]) {
        let columns = self.product.columns.start + column;
        let rows = E::ROWS.min(self.span.end - row);
        let scales =
            E::INTEGER.then(|| (&self.scales[row - self.span.start..], &self.weights.scales[columns..]));
        let scales = scales.filter(|scales| !E::scale(tile, rows, *scales));
        E::finish(&Finish { product: self.product, tile, row, rows, column, scales }, out);
    }
}
