//! The common loops, compiled for this level.

use super::super::engine::Tile;
use super::super::halves;
use super::super::keys::{HEAD, View};
use super::super::lanes::Fused;
use super::super::lanewise::{self, Int8Positions};

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn layer_norm(x: &[f32], d: usize, gamma: &[f32], beta: &[f32], out: &mut [f32]) {
    lanewise::layer_norm::<Fused>(x, d, gamma, beta, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn gelu_in_place(x: &mut [f32]) {
    lanewise::gelu_in_place::<Fused>(x);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn softmax(x: &mut [f32]) {
    lanewise::softmax::<Fused>(x);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn pack_positions(k: View<'_>, v: View<'_>, keys: &mut [u16], values: [&mut [u16]; 2]) {
    lanewise::pack_positions(k, v, keys, values);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn pack_positions_int8(k: View<'_>, v: View<'_>, packed: Int8Positions<'_>) {
    lanewise::pack_positions_int8(k, v, packed);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn round_head(x: &[f32; HEAD], out: &mut [u16; HEAD]) {
    lanewise::round_head(x, out);
}

/// `flip` is xor-ed into each byte: 0x80 turns the integer into itself + 128.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn split(
    x: View<'_>,
    k: usize,
    out: (&mut [u8], &mut [f32]),
    flip: u8,
    places: impl Fn(usize) -> [usize; 2],
    place: impl Fn(usize, usize, usize) -> usize,
) {
    halves::split(x, k, out, places, place, |byte| byte as u8 ^ flip);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn join(tile: &mut Tile, rows: usize, scales: (&[f32], &[f32])) {
    halves::join(tile, rows, scales);
}
