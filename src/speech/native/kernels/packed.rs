//! Weights of a linear layer in the order in which the kernels read them.

use super::buffer::Aligned;
use super::pages::{Number, Piece};
use super::{Level, Precision};

/// Output columns that lie together in a packed panel.
pub const PANEL: usize = 32;

/// Weights of y = x·Wᵀ + b, packed once at load.
///
/// Shape: panels of [`PANEL`] output columns; inside a panel `[k][32]` f32, `[k/2][32][2]` bf16 or
/// `[k/4][32][4]` int8. k is padded with zeros to a multiple of 32 (int8: 64), n to a whole panel.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) level: Level,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) panels: Panels,
}

#[derive(Clone, Debug)]
pub(super) enum Panels {
    F32(Piece<f32>),
    Bf16(Piece<u16>),
    Int8(Int8Panels),
    Weights8(Int8Panels),
}

#[derive(Clone, Debug)]
pub(super) struct Int8Panels {
    pub weights: Piece<i8>,
    /// One per column: weight = scale × integer.
    pub scales: Aligned<f32>,
    /// Sum of the integers of a column, for kernels that multiply x + 128 instead of x.
    pub sums: Aligned<i32>,
}

impl Packed {
    /// Packs `weights`, n rows of k values as in the model file.
    ///
    /// Panics if `weights` has not n × k values or the machine lacks `level`.
    pub fn pack(level: Level, precision: Precision, n: usize, k: usize, weights: &[f32]) -> Self {
        assert_eq!(weights.len(), n * k, "weights have n × k values");
        assert!(level.is_available(), "this machine has no {}", level.name());
        let panels = match precision {
            Precision::F32 => Panels::F32(interleave(n, k, 1, |row, column| weights[row * k + column])),
            Precision::Bf16 => {
                Panels::Bf16(interleave(n, k, 2, |row, column| bf16_from_f32(weights[row * k + column])))
            }
            Precision::Int8 => Panels::Int8(pack_int8(n, k, weights)),
            Precision::Weights8 => Panels::Weights8(pack_int8(n, k, weights)),
        };
        Self { level, n, k, panels }
    }

    /// Returns the number of output columns.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Returns the number of input columns.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Returns the level whose kernels read these weights.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns how the weights are stored.
    pub fn precision(&self) -> Precision {
        match self.panels {
            Panels::F32(_) => Precision::F32,
            Panels::Bf16(_) => Precision::Bf16,
            Panels::Int8(_) => Precision::Int8,
            Panels::Weights8(_) => Precision::Weights8,
        }
    }
}

impl Precision {
    /// Returns k rounded up to what the kernels read at once; packed weights and operands have rows of this length.
    pub(super) fn padded(self, k: usize) -> usize {
        match self {
            Self::F32 | Self::Bf16 => k.next_multiple_of(32),
            Self::Int8 | Self::Weights8 => k.next_multiple_of(64),
        }
    }
}

/// Writes `[panel][k/group][PANEL][group]`; whatever lies outside n × k stays zero.
fn interleave<T: Number>(n: usize, k: usize, group: usize, value: impl Fn(usize, usize) -> T) -> Piece<T> {
    let k_padded = match group {
        1 => Precision::F32.padded(k),
        2 => Precision::Bf16.padded(k),
        _ => Precision::Int8.padded(k),
    };
    let mut packed = Piece::new(n.next_multiple_of(PANEL) * k_padded);
    let target = packed.as_mut_slice();
    for row in 0..n {
        let panel = row / PANEL * PANEL * k_padded;
        for column in 0..k {
            let at = panel + (column / group * PANEL + row % PANEL) * group + column % group;
            target[at] = value(row, column);
        }
    }
    packed
}

fn pack_int8(n: usize, k: usize, weights: &[f32]) -> Int8Panels {
    let columns = n.next_multiple_of(PANEL);
    let (mut scales, mut sums) = (Aligned::new(columns), Aligned::new(columns));
    let mut quantised = vec![0i8; n * k];
    for row in 0..n {
        let span = row * k..(row + 1) * k;
        scales.as_mut_slice()[row] = quantise(&weights[span.clone()], &mut quantised[span.clone()]);
        sums.as_mut_slice()[row] = quantised[span].iter().map(|&w| i32::from(w)).sum();
    }
    let weights = interleave(n, k, 4, |row, column| quantised[row * k + column]);
    Int8Panels { weights, scales, sums }
}

/// Writes x / scale rounded to the nearest integer (ties to even) and returns the scale, max|x| / 127.
///
/// Every level does exactly these operations, so that the integers are the same everywhere.
#[inline(always)]
pub(super) fn quantise(x: &[f32], out: &mut [i8]) -> f32 {
    let peak = peak(x);
    quantise_to(x, peak, out);
    peak / 127.0
}

/// Largest magnitude; a NaN counts as nothing.
#[inline(always)]
pub(super) fn peak(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut peaks = [0.0f32; 16];
    for chunk in chunks {
        for (peak, value) in peaks.iter_mut().zip(chunk) {
            *peak = if value.abs() > *peak { value.abs() } else { *peak };
        }
    }
    peaks.iter().chain(rest).fold(0.0, |peak, value| peak.max(value.abs()))
}

/// 1.5·2²³: what is added to it is rounded to an integer, ties to even, which then is the low end of the mantissa.
const ROUND: f32 = 12_582_912.0;

/// Writes x · 127 / peak, rounded; zeros for a peak of zero.
#[inline(always)]
pub(super) fn quantise_to(x: &[f32], peak: f32, out: &mut [i8]) {
    let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
    for (integer, value) in out.iter_mut().zip(x) {
        *integer = ((value * inverse) + ROUND).to_bits() as i8;
    }
}

/// Rounds to the nearest bfloat16, ties to even; a NaN stays a NaN.
#[inline(always)]
pub(super) fn bf16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Widens a bfloat16; exact.
pub(super) fn f32_from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
