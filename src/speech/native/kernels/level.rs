//! Which instructions this machine offers.

#[cfg(target_arch = "x86_64")]
use super::{amx, avx2, avx512};

/// An instruction level; each level includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Plain Rust, any processor.
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 with the BF16 and VNNI extensions.
    Avx512,
    /// AMX tiles for bf16 and int8, on top of [`Level::Avx512`].
    Amx,
}

/// How weights and operands are stored; sums are always f32 (or exact i32 for int8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16: 8 bits of mantissa.
    Bf16,
    /// 8-bit integers in −127…127 with a scale per output column and per activation row.
    ///
    /// Keys and values have a scale per position; the queries and weights they meet are of 16 bits.
    Int8,
    /// Weights as [`Precision::Int8`], but activations of 16 bits; keys and values, being no weights, are bf16.
    Weights8,
}

impl Level {
    /// Every level in ascending order, whether this machine has it or not.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx];

    /// Returns the highest level this machine offers.
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|level| level.is_available()).unwrap_or(Self::Portable)
    }

    /// Returns the levels this machine offers, ascending; [`Level::Portable`] is always the first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.is_available()).collect()
    }

    /// Stops where a level is used that this machine lacks: it was refused when weights were packed.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn is_missing(self) -> ! {
        unreachable!("this machine has no {}", self.name())
    }

    /// Returns the name for logs and measurements.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// Tells whether this machine offers the level.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 | Self::Amx => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::is_available(),
        }
    }
}
