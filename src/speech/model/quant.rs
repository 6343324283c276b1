//! Number formats of weights: f16, bf16, f32, and blocks of eight-bit integers with a common scale.

/// Values that share one scale in every block format.
pub const BLOCK_VALUES: usize = 32;

/// Bytes of one q8_0 block: an f16 scale and 32 signed bytes.
pub const Q8_0_BLOCK_BYTES: usize = 34;

/// How the values of one tensor are stored.
///
/// The q4 and q5 formats are only measured, never decoded: whisper.cpp reads them from dropped-in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// Blocks of 32: f16 scale, 32 × i8.
    Q8_0,
    /// Blocks of 32: f16 scale, 32 × 4 bits.
    Q4_0,
    /// Blocks of 32: f16 scale and minimum, 32 × 4 bits.
    Q4_1,
    /// Blocks of 32: f16 scale, 32 × 5 bits.
    Q5_0,
    /// Blocks of 32: f16 scale and minimum, 32 × 5 bits.
    Q5_1,
}

impl Format {
    /// Returns the size of `values` stored values.
    ///
    /// Units: bytes. Range: `None` if block formats do not divide `values`, or the size has no `usize`.
    pub fn bytes(self, values: usize) -> Option<usize> {
        match self {
            Self::F32 => values.checked_mul(4),
            Self::F16 | Self::Bf16 => values.checked_mul(2),
            Self::Q8_0 => blocks(values)?.checked_mul(Q8_0_BLOCK_BYTES),
            Self::Q4_0 => blocks(values)?.checked_mul(18),
            Self::Q4_1 => blocks(values)?.checked_mul(20),
            Self::Q5_0 => blocks(values)?.checked_mul(22),
            Self::Q5_1 => blocks(values)?.checked_mul(24),
        }
    }

    /// Decodes stored bytes to single precision, appended to `out`.
    ///
    /// Shape: `bytes` holds whole values or blocks; a rest is ignored.
    /// Errors: returns false, with `out` unchanged, for the q4 and q5 formats.
    pub fn decode(self, bytes: &[u8], out: &mut Vec<f32>) -> bool {
        match self {
            Self::F32 => out.extend(bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four))),
            Self::F16 => out.extend(halves(bytes).map(f32_from_f16)),
            Self::Bf16 => out.extend(halves(bytes).map(f32_from_bf16)),
            Self::Q8_0 => bytes.as_chunks().0.iter().for_each(|block| out.extend(dequantise_q8_0(block))),
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => return false,
        }
        true
    }

    /// Encodes single precision values, appended to `out`.
    ///
    /// Shape: for q8_0 a multiple of [`BLOCK_VALUES`]; a rest is ignored.
    /// Errors: returns false, with `out` unchanged, for the q4 and q5 formats.
    pub fn encode(self, values: &[f32], out: &mut Vec<u8>) -> bool {
        match self {
            Self::F32 => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::F16 => values.iter().for_each(|value| out.extend(f16_from_f32(*value).to_le_bytes())),
            Self::Bf16 => values.iter().for_each(|value| out.extend(bf16_from_f32(*value).to_le_bytes())),
            Self::Q8_0 => values.as_chunks().0.iter().for_each(|block| out.extend(quantise_q8_0(block))),
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => return false,
        }
        true
    }
}

fn blocks(values: usize) -> Option<usize> {
    values.is_multiple_of(BLOCK_VALUES).then_some(values / BLOCK_VALUES)
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|two| u16::from_le_bytes(*two))
}

/// Widens a half-precision number; exact.
///
/// Source: IEEE 754-2019, binary16 and binary32.
pub fn f32_from_f16(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    match exponent {
        // Zero and subnormals: fraction × 2^-24, which single precision holds exactly.
        0 => f32::from_bits(sign | (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Narrows to half precision, to nearest, ties to even; too large becomes infinite.
///
/// Source: IEEE 754-2019, binary16 and binary32.
pub fn f16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    // 65,520 is halfway between the largest half and the next power of two: from there up it is infinite.
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    // Below 2^-14 the result is subnormal: adding 0.5 lets the adder round at the 2^-24 digit.
    if magnitude < 0x3880_0000 {
        return sign | (f32::from_bits(magnitude) + 0.5).to_bits() as u16;
    }
    let even = magnitude >> 13 & 1;
    sign | ((magnitude - (112 << 23) + 0xfff + even) >> 13) as u16
}

/// Widens a bf16 number; exact.
pub fn f32_from_bf16(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// Narrows to bf16, to nearest, ties to even.
pub fn bf16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let even = bits >> 16 & 1;
    ((bits + 0x7fff + even) >> 16) as u16
}

/// Stores 32 values as an f16 scale and signed bytes.
///
/// Source: ggml's q8_0: scale = largest magnitude / 127, values rounded half away from zero.
pub fn quantise_q8_0(values: &[f32; BLOCK_VALUES]) -> [u8; Q8_0_BLOCK_BYTES] {
    let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut block = [0; Q8_0_BLOCK_BYTES];
    block[..2].copy_from_slice(&f16_from_f32(scale).to_le_bytes());
    for (byte, value) in block[2..].iter_mut().zip(values) {
        *byte = ((value * inverse).round() as i8).cast_unsigned();
    }
    block
}

/// Widens one q8_0 block.
pub fn dequantise_q8_0(block: &[u8; Q8_0_BLOCK_BYTES]) -> [f32; BLOCK_VALUES] {
    let scale = f32_from_f16(u16::from_le_bytes([block[0], block[1]]));
    std::array::from_fn(|index| scale * f32::from(block[2 + index].cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_half_survives_the_way_through_single_precision() {
        for half in 0..=u16::MAX {
            let wide = f32_from_f16(half);
            if wide.is_nan() {
                assert!(f32_from_f16(f16_from_f32(wide)).is_nan());
            } else {
                assert_eq!(f16_from_f32(wide), half, "{half:#06x}");
            }
        }
    }

    #[test]
    fn halves_have_their_published_values() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2f32.powi(-24)), (0x8000, -0.0)];
        for (half, value) in cases {
            assert_eq!(f32_from_f16(half).to_bits(), f32::to_bits(value));
        }
    }

    #[test]
    fn ties_go_to_the_even_half() {
        assert_eq!(f16_from_f32(1.0 + 2f32.powi(-11)), 0x3c00);
        assert_eq!(f16_from_f32(1.0 + 3.0 * 2f32.powi(-11)), 0x3c02);
        assert_eq!(f16_from_f32(65519.0), 0x7bff);
        assert_eq!(f16_from_f32(65520.0), 0x7c00);
        assert_eq!(f16_from_f32(2f32.powi(-25)), 0);
        assert_eq!(f16_from_f32(1.5 * 2f32.powi(-25)), 1);
    }

    #[test]
    fn ties_go_to_the_even_bf16() {
        assert_eq!(bf16_from_f32(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(bf16_from_f32(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(bf16_from_f32(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert!(f32_from_bf16(bf16_from_f32(f32::NAN)).is_nan());
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        assert_eq!(quantise_q8_0(&[0.0; 32]), [0; 34]);
        assert_eq!(dequantise_q8_0(&[0; 34]), [0.0; 32]);
    }

    #[test]
    fn blocks_have_the_published_sizes() {
        let sizes =
            [Format::Q8_0, Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q5_1].map(|it| it.bytes(64));
        assert_eq!(sizes, [Some(68), Some(36), Some(40), Some(44), Some(48)]);
        assert_eq!(Format::Q8_0.bytes(33), None);
        assert_eq!(Format::F32.bytes(usize::MAX), None);
    }

    proptest! {
        #[test]
        fn a_narrowed_value_is_the_nearest_half(value in -65_504f32..65_504.0, shift in 0_i32..30) {
            let value = value * 2f32.powi(-shift);
            let half = f16_from_f32(value);
            let error = (f32_from_f16(half) - value).abs();
            // Of the two neighbours one may be a NaN, on the other side of infinity or zero: never nearer.
            for other in [half.wrapping_sub(1), half.wrapping_add(1)].map(f32_from_f16) {
                prop_assert!(error <= (other - value).abs() || other.is_nan());
            }
        }

        #[test]
        fn q8_0_errs_by_at_most_half_a_step(values in proptest::array::uniform32(-4f32..4.0)) {
            let step = values.iter().fold(0f32, |largest, value| largest.max(value.abs())) / 127.0;
            for (back, value) in dequantise_q8_0(&quantise_q8_0(&values)).iter().zip(values) {
                // The scale itself is rounded to 11 bits: up to 127 steps × 2^-11 on top.
                prop_assert!((back - value).abs() <= step * (0.5 + 127.0 / 2048.0) + 1e-6);
            }
        }
    }
}
