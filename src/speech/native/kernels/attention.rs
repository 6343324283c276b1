//! softmax(q·kᵀ / 8)·v, head by head.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::buffer::Aligned;
use super::flash::Target;
#[cfg(target_arch = "x86_64")]
use super::flash::{Block, Softmax};
#[cfg(target_arch = "x86_64")]
use super::halves::Halves;
#[cfg(target_arch = "x86_64")]
use super::keys::Store;
use super::keys::{HEAD, KeyValues, View};
#[cfg(target_arch = "x86_64")]
use super::{Level, Scratch, portable};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx2, avx512};

/// Computes attention of many queries over all positions (encoder), without a mask.
///
/// Shape: `q` is t × (heads × 64); `parts` together hold the heads in order (one part if they were packed at
/// once, several if threads packed heads apart); `out` is dense, t × (heads × 64). Threads share rows of `q`.
/// Panics if the widths do not fit or a part is empty.
/// Source: Whisper scales q and k by 64^(−1/4) each; here the scores are scaled by 1/8.
pub fn attention(q: View<'_>, parts: &[KeyValues], out: &mut [f32], scratch: &mut Scratch) {
    let heads: usize = parts.iter().map(KeyValues::heads).sum();
    assert_eq!(q.width(), heads * HEAD, "q holds the heads of the parts");
    assert_eq!(out.len(), q.height() * q.width(), "out has the shape of q");
    let mut column = 0;
    for keys in parts {
        assert!(!keys.is_empty(), "attention needs a position");
        let width = keys.heads * HEAD;
        let mut target = Target { out, at: column, stride: heads * HEAD };
        attend_heads(q.columns(column..column + width), keys, 0..keys.heads, &mut target, scratch);
        column += width;
    }
}

/// Computes attention of a few queries (decoder): `rows` queries share the positions.
///
/// Cross-attention: the rows are the beams of one window. Self-attention: one row, after its own key was appended.
/// Shape: `q` is rows × (all heads × 64); `out` is rows × (`heads`.len() × 64), so that threads can share heads;
/// `weights`, if wanted, is `[heads.len()][rows][keys.len()]`, each row sums to 1.
/// Panics if a length does not fit or there is no position.
pub fn attend(
    q: &[f32],
    rows: usize,
    keys: &KeyValues,
    heads: Range<usize>,
    out: &mut [f32],
    weights: Option<&mut [f32]>,
    scratch: &mut Scratch,
) {
    let width = heads.len() * HEAD;
    assert!(heads.start <= heads.end && heads.end <= keys.heads, "the heads exist");
    assert_eq!(q.len(), rows * keys.heads * HEAD, "q is rows × all heads");
    assert_eq!(out.len(), rows * width, "out is rows × chosen heads");
    assert!(!keys.is_empty(), "attention needs a position");
    if let Some(weights) = &weights {
        assert_eq!(weights.len(), heads.len() * rows * keys.len, "weights are heads × rows × positions");
    }
    let all = View::new(q, keys.heads * HEAD);
    let q = all.columns(heads.start * HEAD..heads.end * HEAD);
    attend_heads(q, keys, heads.clone(), &mut Target { out, at: 0, stride: width }, scratch);
    if let Some(weights) = weights {
        weigh_heads(q, keys, heads, weights, scratch);
    }
}

/// Attends with the given heads, whose queries are the columns of `q`.
fn attend_heads(
    q: View<'_>,
    keys: &KeyValues,
    heads: Range<usize>,
    target: &mut Target<'_>,
    scratch: &mut Scratch,
) {
    match keys.level {
        Level::Portable => slow(q, keys, heads, target, scratch),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 | Level::Amx => with_vectors(q, keys, heads, target, scratch),
        #[cfg(not(target_arch = "x86_64"))]
        level @ (Level::Avx2 | Level::Avx512 | Level::Amx) => level.is_missing(),
    }
}

#[cfg(target_arch = "x86_64")]
fn with_vectors(
    q: View<'_>,
    keys: &KeyValues,
    heads: Range<usize>,
    target: &mut Target<'_>,
    scratch: &mut Scratch,
) {
    match (keys.level, &keys.store) {
        (Level::Amx, Store::Bf16 { keys: k, values: v }) => {
            fast::<amx::Bf16>(q, keys, k, v, heads, target, scratch)
        }
        (Level::Avx512, Store::Bf16 { keys: k, values: v }) if avx512::has_fast_bf16() => {
            fast::<avx512::Bf16>(q, keys, k, v, heads, target, scratch);
        }
        (Level::Avx512, Store::Bf16 { keys: k, values: v }) => {
            fast::<avx512::Widened>(q, keys, k, v, heads, target, scratch);
        }
        (Level::Amx | Level::Avx512, Store::F32 { keys: k, values: v }) => {
            fast::<avx512::F32>(q, keys, k, v, heads, target, scratch);
        }
        (Level::Avx2, Store::Bf16 { keys: k, values: v }) => {
            fast::<avx2::Bf16>(q, keys, k, v, heads, target, scratch)
        }
        (Level::Avx2, Store::F32 { keys: k, values: v }) => {
            fast::<avx2::F32>(q, keys, k, v, heads, target, scratch)
        }
        (Level::Amx, Store::Int8(store)) => {
            fast::<Halves<amx::Int8>>(q, keys, &store.keys, &store.values, heads, target, scratch)
        }
        (Level::Avx512, Store::Int8(store)) => {
            fast::<Halves<avx512::Int8>>(q, keys, &store.keys, &store.values, heads, target, scratch)
        }
        (Level::Avx2, Store::Int8(store)) => {
            fast::<Halves<avx2::Int8>>(q, keys, &store.keys, &store.values, heads, target, scratch)
        }
        (Level::Portable, _) => unreachable!("the caller looked at the level"),
    }
}

#[cfg(target_arch = "x86_64")]
fn fast<E: Softmax + 'static>(
    q: View<'_>,
    keys: &KeyValues,
    k: &Aligned<E::W>,
    v: &Aligned<E::W>,
    heads: Range<usize>,
    target: &mut Target<'_>,
    scratch: &mut Scratch,
) {
    let session = E::enter(q.height());
    let block = scratch.kept(Block::<E>::new);
    for (index, head) in heads.enumerate() {
        let q = q.columns(index * HEAD..(index + 1) * HEAD);
        let mut target = Target { out: target.out, at: target.at + index * HEAD, stride: target.stride };
        block.attend(&session, q, &keys.head(k, v, head), &mut target);
    }
}

fn slow(q: View<'_>, keys: &KeyValues, heads: Range<usize>, target: &mut Target<'_>, scratch: &mut Scratch) {
    for (index, head) in heads.enumerate() {
        let q = q.columns(index * HEAD..(index + 1) * HEAD);
        for row in 0..q.height() {
            let at = target.at + index * HEAD + row * target.stride;
            portable::attend_head(q.row(row), keys, head, &mut target.out[at..at + HEAD], scratch);
        }
    }
}

/// The softmax alone, for alignment: rare enough to be computed again in the plain way.
fn weigh_heads(
    q: View<'_>,
    keys: &KeyValues,
    heads: Range<usize>,
    weights: &mut [f32],
    scratch: &mut Scratch,
) {
    let mut rows = weights.chunks_exact_mut(keys.len);
    for (index, head) in heads.enumerate() {
        let q = q.columns(index * HEAD..(index + 1) * HEAD);
        for row in 0..q.height() {
            let softmax = portable::attend_head(q.row(row), keys, head, &mut [0.0; HEAD], scratch);
            rows.next().expect("one row per head and query").copy_from_slice(softmax);
        }
    }
}
