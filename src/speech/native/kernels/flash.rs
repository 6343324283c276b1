//! Attention of one head, block by block of positions, so that scores never leave the cache.
//!
//! ```text
//! q (up to 32 rows) × 256 keys → scores → 2^(score − peak) → × 256 values → added to the rows' sums
//! ```
//! When a row's peak rises by much, what it has gathered so far is scaled down.
//! Source: Dao et al. 2022 (online softmax); the scores carry log2(e), so that 2^x replaces e^x.

use std::ops::Range;

use super::engine::{Engine, Soon, Step, TILE_ROWS, Tile};
use super::keys::{HEAD, View};
use super::packed::PANEL;

/// Panels of 32 keys in a block: 32 × 256 scores are 32 KB.
const BLOCK_PANELS: usize = 8;
/// Positions of a block.
pub(super) const BLOCK: usize = BLOCK_PANELS * PANEL;
/// Hypotheses of one window, not positions of the encoder.
const FEW_ROWS: usize = 16;
/// 64^(−1/2), Whisper's scale, times log2(e).
pub(super) const SCALE: f32 = 0.125 * std::f32::consts::LOG2_E;
/// A row's reference may lie this far (in powers of two) below its peak: no precision is lost, few rows are rescaled.
pub(super) const SLACK: f32 = 8.0;
/// Lanes in which a row's sum is kept until the end.
pub(super) const SUM_LANES: usize = 16;

/// Keys and values of one head, `[len/32]` panels of 64 × 32 and two panels of `capacity` × 32.
pub(super) struct Head<'a, W> {
    pub keys: &'a [W],
    pub values: &'a [W],
    pub len: usize,
    pub scales: Scales<'a>,
}

/// What integers must be multiplied with, per position; empty where keys and values are floats.
#[derive(Clone, Copy, Default)]
pub(super) struct Scales<'a> {
    pub keys: &'a [f32],
    pub values: &'a [f32],
    /// Sums of a key's integers.
    pub sums: &'a [i32],
}

impl Scales<'_> {
    /// Narrows the scales to some positions.
    fn of(&self, positions: Range<usize>) -> Self {
        if self.keys.is_empty() {
            return *self;
        }
        Self {
            keys: &self.keys[positions.clone()],
            values: &self.values[positions.clone()],
            sums: &self.sums[positions],
        }
    }
}

impl<W> Head<'_, W> {
    /// Returns the values' two panels of 32 columns.
    fn halves(&self) -> [&[W]; 2] {
        let (left, right) = self.values.split_at(self.values.len() / 2);
        [left, right]
    }
}

/// What up to 32 rows have gathered from the blocks so far.
pub(super) struct Gathered {
    /// Reference exponent of each row.
    pub reference: [f32; TILE_ROWS],
    /// What the earlier blocks must be multiplied with.
    pub factor: [f32; TILE_ROWS],
    /// Scale of this block's weights, where these are integers.
    pub scale: [f32; TILE_ROWS],
    /// Σ 2^(score − reference), in lanes.
    pub sums: [[f32; SUM_LANES]; TILE_ROWS],
    /// Σ 2^(score − reference)·value.
    pub values: [[f32; HEAD]; TILE_ROWS],
}

impl Gathered {
    fn new() -> Self {
        Self {
            reference: [f32::NEG_INFINITY; TILE_ROWS],
            factor: [0.0; TILE_ROWS],
            scale: [0.0; TILE_ROWS],
            sums: [[0.0; SUM_LANES]; TILE_ROWS],
            values: [[0.0; HEAD]; TILE_ROWS],
        }
    }

    /// Forgets the first `rows` rows.
    fn reset(&mut self, rows: usize) {
        self.reference[..rows].fill(f32::NEG_INFINITY);
        self.sums[..rows].fill([0.0; SUM_LANES]);
        self.values[..rows].fill([0.0; HEAD]);
    }
}

/// Queries and the keys they are multiplied with.
pub(super) struct Scores<'a, E: Engine> {
    /// Packed rows of 64 and their scales.
    pub queries: &'a [E::X],
    pub query_scales: &'a [f32],
    pub rows: usize,
    /// Whole panels of 64 × 32.
    pub keys: &'a [E::W],
    pub scales: Scales<'a>,
    /// The two halves of these positions' values, which are needed next.
    pub soon: [Soon; 2],
}

/// The part of attention that is not a product, per level.
pub(super) trait Softmax: Engine {
    /// Computes the scores of a block, a tile for each panel of keys.
    fn scores(session: &Self::Session, scores: &Scores<'_, Self>, tiles: &mut [Tile]) {
        score_panels::<Self>(session, scores, tiles);
    }

    /// Turns the scores of a block into packed operands (rows of `tiles.len()` × 32) and notes sums and factors.
    ///
    /// Integer operands contain the scales of the values they will meet.
    fn weigh(
        tiles: &[Tile],
        rows: usize,
        gathered: &mut Gathered,
        value_scales: &[f32],
        weights: &mut [Self::X],
    );

    /// Adds the block's products with the values.
    fn gather(products: &[Tile; 2], rows: usize, gathered: &mut Gathered);
}

/// Where results go: rows `stride` apart, the first one's 64 columns at `at`.
pub(super) struct Target<'a> {
    pub out: &'a mut [f32],
    pub at: usize,
    pub stride: usize,
}

/// Working memory, used for one block of rows after the other.
pub(super) struct Block<E: Engine> {
    scores: [Tile; BLOCK_PANELS],
    products: [Tile; 2],
    queries: [E::X; TILE_ROWS * HEAD],
    query_scales: [f32; TILE_ROWS],
    weights: [E::X; TILE_ROWS * BLOCK_PANELS * PANEL],
    gathered: Gathered,
}

impl<E: Softmax> Block<E> {
    pub fn new() -> Self {
        Self {
            scores: [Tile::ZERO; BLOCK_PANELS],
            products: [Tile::ZERO; 2],
            queries: [E::X::default(); TILE_ROWS * HEAD],
            query_scales: [0.0; TILE_ROWS],
            weights: [E::X::default(); TILE_ROWS * BLOCK_PANELS * PANEL],
            gathered: Gathered::new(),
        }
    }

    /// Computes attention of all rows of `q` (64 wide) over one head.
    pub fn attend(
        &mut self,
        session: &E::Session,
        q: View<'_>,
        head: &Head<'_, E::W>,
        target: &mut Target<'_>,
    ) {
        for first in (0..q.height()).step_by(E::ROWS) {
            let rows = E::ROWS.min(q.height() - first);
            pack_queries::<E>(q.rows(first..first + rows), &mut self.queries, &mut self.query_scales);
            self.gathered.reset(rows);
            for start in (0..head.len).step_by(BLOCK_PANELS * PANEL) {
                self.score(session, head, start, rows);
                self.weigh(session, head, start, rows);
            }
            deliver(&self.gathered, rows, first, target);
        }
    }

    fn score(&mut self, session: &E::Session, head: &Head<'_, E::W>, start: usize, rows: usize) {
        let panels = panels_of::<E>(head.len - start);
        let keys = &head.keys[start * HEAD..(start + panels * PANEL) * HEAD];
        let soon = head.halves().map(|half| soon(&half[start * PANEL..][..panels * PANEL * PANEL], 0, rows));
        let scores = Scores {
            queries: &self.queries,
            query_scales: &self.query_scales,
            rows,
            keys,
            scales: head.scales.of(start..start + panels * PANEL),
            soon,
        };
        E::scores(session, &scores, &mut self.scores[..panels]);
        let left = head.len - start;
        for (index, tile) in self.scores[..panels].iter_mut().enumerate().skip(left / PANEL) {
            hide(tile, rows, left.saturating_sub(index * PANEL));
        }
    }

    fn weigh(&mut self, session: &E::Session, head: &Head<'_, E::W>, start: usize, rows: usize) {
        let panels = panels_of::<E>(head.len - start);
        let depth = panels * PANEL;
        let scales = head.scales.of(start..start + depth).values;
        E::weigh(&self.scores[..panels], rows, &mut self.gathered, scales, &mut self.weights);
        // Behind the last block lie the keys of the next head.
        let next = soon(&head.keys[start * HEAD..][..depth * HEAD], depth * HEAD, rows);
        for (index, (half, tile)) in head.halves().into_iter().zip(&mut self.products).enumerate() {
            let panel = &half[start * PANEL..(start + depth) * PANEL];
            let x = &self.weights;
            let step = Step {
                x,
                k: depth,
                row: 0,
                rows,
                from: 0,
                panel,
                // Weights are not negative: no level needs to shift them.
                sums: &[0; PANEL],
                soon: next.share(index, 2),
                resume: false,
            };
            E::sums(session, &step, tile);
            if E::INTEGER {
                E::scale(tile, rows, (&self.gathered.scale, &[1.0; PANEL]));
            }
        }
        E::gather(&self.products, rows, &mut self.gathered);
    }
}

/// Computes scores panel by panel, as any product.
pub(super) fn score_panels<E: Engine>(session: &E::Session, scores: &Scores<'_, E>, tiles: &mut [Tile]) {
    let panels = tiles.len();
    for (index, (panel, tile)) in scores.keys.chunks_exact(PANEL * HEAD).zip(tiles).enumerate() {
        let (x, rows) = (scores.queries, scores.rows);
        let soon = scores.soon[2 * index / panels].share(index % panels.div_ceil(2), panels.div_ceil(2));
        let positions = scores.scales.of(index * PANEL..(index + 1) * PANEL);
        let sums = positions.sums;
        let step = Step { x, k: HEAD, row: 0, rows, from: 0, panel, sums, soon, resume: false };
        E::sums(session, &step, tile);
        if E::INTEGER {
            E::scale(tile, rows, (scores.query_scales, positions.keys));
        }
    }
}

/// Panels of the block that begins `left` positions before the end; integers are read by twos.
fn panels_of<E: Engine>(left: usize) -> usize {
    let panels = left.div_ceil(PANEL);
    BLOCK_PANELS.min(if E::INTEGER { panels.next_multiple_of(2) } else { panels })
}

/// What to fetch `distance` elements behind the beginning of `now`: with few rows the kernels wait for memory, with many
/// the keys stay near.
fn soon<W>(now: &[W], distance: usize, rows: usize) -> Soon {
    if rows <= FEW_ROWS { Soon::behind(now, distance) } else { Soon::NONE }
}

fn pack_queries<E: Engine>(q: View<'_>, out: &mut [E::X], scales: &mut [f32]) {
    let mut scaled = [0.0; TILE_ROWS * HEAD];
    for row in 0..q.height() {
        for (scaled, value) in scaled[row * HEAD..][..HEAD].iter_mut().zip(q.row(row)) {
            *scaled = value * SCALE;
        }
    }
    E::pack(View::new(&scaled[..q.height() * HEAD], HEAD), HEAD, out, scales);
}

/// Takes the positions that do not exist out of the softmax.
fn hide(tile: &mut Tile, rows: usize, len: usize) {
    for row in 0..rows {
        tile.row_mut(row)[len..].fill(f32::NEG_INFINITY.to_bits());
    }
}

fn deliver(gathered: &Gathered, rows: usize, first: usize, target: &mut Target<'_>) {
    for row in 0..rows {
        let scale = 1.0 / gathered.sums[row].iter().sum::<f32>();
        let out = &mut target.out[target.at + (first + row) * target.stride..][..HEAD];
        for (out, value) in out.iter_mut().zip(&gathered.values[row]) {
            *out = value * scale;
        }
    }
}
