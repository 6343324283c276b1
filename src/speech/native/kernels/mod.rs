//! The arithmetic of the native Whisper engine, once per instruction level.
//!
//! - **In**: slices of f32 and packed weights.
//! - **Out**: slices of f32.
//! - **Never**: starts a thread, allocates while it computes (a [`Scratch`] is the caller's), looks at a model file.
//!
//! ```text
//!  Packed, KeyValues                  layout is the same at every level
//!        │
//!  linear · attention · elementwise   safe faces: check shapes, choose the level
//!        │
//!  engine · halves · flash            the loops, written once against the trait `Engine`
//!        │
//!  avx2 │ avx512 │ amx                innermost kernels: the only unsafe code;  portable: the definition
//! ```
//!
//! Work is split over threads by the caller: rows of a product with `chunks_mut`, columns of a product with
//! few rows with [`linear_columns`], attention by rows of the query or by heads of the keys.

#![cfg_attr(
    not(target_arch = "x86_64"),
    expect(
        dead_code,
        reason = "other processors have the portable level only, not the loops of faster ones"
    )
)]

#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod elementwise;
mod engine;
mod flash;
mod halves;
mod keys;
mod lanes;
mod lanewise;
mod level;
mod linear;
mod packed;
mod pages;
mod peak;
mod portable;
mod rows;

pub use attention::{attend, attention};
pub use buffer::Scratch;
pub use elementwise::{LAYER_NORM_EPSILON, add, gelu, im2col3, layer_norm, softmax};
pub use keys::{HEAD, KeyValues, View};
pub use level::{Level, Precision};
pub use linear::{Tail, linear, linear_columns};
pub use packed::{PANEL, Packed};
pub use peak::burn;
pub use rows::{largest, largest_indices, log_sum_exp};
