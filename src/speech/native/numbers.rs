//! Reductions over long rows of logits.
//!
//! No fused multiply-add and a fixed order of sums: every machine gets the same bits.

pub use super::kernels::{largest, largest_indices, log_sum_exp};
