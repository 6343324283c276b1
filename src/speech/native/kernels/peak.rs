//! The instruction the encoder lives on, alone: the most a processor could do.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "vector instructions behind a check of the level")
)]

use std::hint::black_box;

use super::Level;
#[cfg(target_arch = "x86_64")]
use super::{amx, avx512};

/// Sums kept apart, so that no instruction waits for the one before: four cycles of latency, two a cycle, and spare.
const SUMS: usize = 12;

/// Repeats the multiplication of bf16 (or f32, where that is what the level computes with) `rounds` times on
/// registers; returns the operations done. Panics if the machine lacks `level`.
pub fn burn(level: Level, rounds: u64) -> f64 {
    assert!(level.is_available(), "this machine has no {}", level.name());
    let lanes = match level {
        Level::Portable => portable(rounds),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level is there, by the assertion.
        Level::Avx2 => unsafe { fused_256(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; the level includes bf16.
        Level::Avx512 if avx512::has_fast_bf16() => unsafe { bf16_512(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { fused_512(rounds) },
        #[cfg(target_arch = "x86_64")]
        Level::Amx => return amx::burn(rounds),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 | Level::Amx => unreachable!("not available, by the assertion"),
    };
    (rounds * SUMS as u64) as f64 * 2.0 * lanes as f64
}

/// Plain Rust, as the compiler makes it for any processor; returns products per instruction.
fn portable(rounds: u64) -> usize {
    const LANES: usize = 4;
    let (a, b) = (black_box([0.999_f32; LANES]), black_box([1e-3_f32; LANES]));
    let mut sums = [[0.0_f32; LANES]; SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            for lane in 0..LANES {
                sum[lane] = sum[lane] * a[lane] + b[lane];
            }
        }
    }
    black_box(sums);
    LANES
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fused_256(rounds: u64) -> usize {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    let (a, b) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(1e-3)));
    let mut sums = [b; SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, a, b);
        }
    }
    black_box(sums);
    8
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn fused_512(rounds: u64) -> usize {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps};
    let (a, b) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(1e-3)));
    let mut sums = [b; SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, a, b);
        }
    }
    black_box(sums);
    16
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16_512(rounds: u64) -> usize {
    use std::arch::x86_64::{__m512bh, _mm512_dpbf16_ps, _mm512_set1_epi16, _mm512_setzero_ps};
    // 0x3f80 is 1.0.
    let ones = _mm512_set1_epi16(black_box(0x3f80));
    // SAFETY: both are 64 bytes in which every pattern is valid.
    let ones = unsafe { std::mem::transmute::<std::arch::x86_64::__m512i, __m512bh>(ones) };
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, ones, ones);
        }
    }
    black_box(sums);
    32
}
