//! Attention of few queries over int8 keys and values (cross-attention of the decoder): read once, half the bytes.

use super::buffer::Aligned;
use super::engine::{Engine, Soon, Step, TILE_ROWS, Tile};
use super::flash::{SCALE, Target};
use super::keys::{HEAD, Int8Store, View};
use super::packed::PANEL;

/// The part that is not a product of integers, per level.
pub(super) trait Average: Engine<W = i8> {
    /// Turns scores (in powers of two, −∞ where there is no position) into the weighted mean of the values.
    fn average(scores: &mut [f32], values: &Values<'_>, out: &mut [f32; HEAD]);
}

/// One head's values: two panels of 32 columns, `capacity` rows each, and a scale per row.
pub(super) struct Values<'a> {
    pub panels: &'a [i8],
    pub scales: &'a [f32],
}

/// Keys and values of one head.
pub(super) struct Int8Head<'a> {
    keys: &'a [i8],
    key_scales: &'a [f32],
    key_sums: &'a [i32],
    values: Values<'a>,
    len: usize,
}

impl<'a> Int8Head<'a> {
    /// Cuts the head at `first` out of the store.
    pub fn new(store: &'a Int8Store, first: usize, capacity: usize, len: usize) -> Self {
        let (positions, bytes) = (first..first + capacity, first * HEAD..(first + capacity) * HEAD);
        let scales = &store.value_scales.as_slice()[positions.clone()];
        Self {
            keys: &store.keys.as_slice()[bytes.clone()],
            key_scales: &store.key_scales.as_slice()[positions.clone()],
            key_sums: &store.key_sums.as_slice()[positions],
            values: Values { panels: &store.values.as_slice()[bytes], scales },
            len,
        }
    }
}

/// Computes attention of all rows of `q` (64 wide) over one head; `scores` is working memory.
pub(super) fn attend_head<E: Average>(
    session: &E::Session,
    q: View<'_>,
    head: &Int8Head<'_>,
    target: &mut Target<'_>,
    scores: &mut Aligned<f32>,
) {
    let padded = head.len.next_multiple_of(PANEL);
    for first in (0..q.height()).step_by(E::ROWS) {
        let rows = E::ROWS.min(q.height() - first);
        let scores = scores.take(rows * padded);
        score::<E>(session, q.rows(first..first + rows), head, scores);
        for (row, scores) in scores.chunks_exact_mut(padded).enumerate() {
            scores[head.len..].fill(f32::NEG_INFINITY);
            let at = target.at + (first + row) * target.stride;
            let out = target.out[at..].first_chunk_mut().expect("the target has all rows");
            E::average(scores, &head.values, out);
        }
    }
}

/// Writes scores, rows of whole panels.
fn score<E: Average>(session: &E::Session, q: View<'_>, head: &Int8Head<'_>, scores: &mut [f32]) {
    let mut queries = [E::X::default(); TILE_ROWS * HEAD];
    let mut scales = [0.0; TILE_ROWS];
    E::pack(q, HEAD, &mut queries, &mut scales);
    let padded = scores.len() / q.height();
    let mut tile = Tile::ZERO;
    for first in (0..padded).step_by(PANEL) {
        let step = Step {
            x: &queries,
            k: HEAD,
            row: 0,
            rows: q.height(),
            from: 0,
            panel: &head.keys[first * HEAD..(first + PANEL) * HEAD],
            sums: &head.key_sums[first..first + PANEL],
            soon: Soon::NONE,
            resume: false,
        };
        E::sums(session, &step, &mut tile);
        for row in 0..q.height() {
            let scale = scales[row] * SCALE;
            let out = &mut scores[row * padded + first..][..PANEL];
            for (i, out) in out.iter_mut().enumerate() {
                *out = tile.row(row)[i] as i32 as f32 * (scale * head.key_scales[first + i]);
            }
        }
    }
}
