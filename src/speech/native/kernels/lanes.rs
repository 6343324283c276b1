//! Functions of one number without branches, written so that the compiler turns a loop over them into vectors.
//!
//! Each level compiles them again with its own instructions; only the multiply-add differs in rounding.

/// a·b + c, either in two roundings (any processor) or in one (the processor has it).
pub(super) trait MulAdd {
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// Rounds twice: without the instruction `f32::mul_add` is a slow library call.
pub(super) struct Separate;
/// Rounds once.
pub(super) struct Fused;

impl MulAdd for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

impl MulAdd for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

#[inline(always)]
fn polynomial<M: MulAdd, const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut value = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        value = M::mul_add(value, x, coefficients[i]);
    }
    value
}

/// Beyond it Φ(x) differs from 0 or 1 by less than 8e-8.
pub(super) const GELU_EDGE: f32 = 5.25;

/// (Φ(x) − ½) / x as a polynomial in 2·(x / 5.25)² − 1.
///
/// Source: own minimax fit (Remez exchange in 40 digits), absolute error of x·Φ(x) 2e-7 before rounding.
pub(super) const GELU: [f32; 14] = [
    0.134_659_35,
    -0.067_126_593,
    0.049_645_194,
    -0.039_771_219,
    0.032_045_26,
    -0.024_965_424,
    0.018_425_433,
    -0.013_090_511,
    0.008_839_716,
    -0.004_827_077,
    0.002_112_107_6,
    -0.001_619_676_6,
    0.001_362_165_8,
    -0.000_450_653_01,
];

/// x·Φ(x), absolute error at most 1e-6·max(1, |x|).
#[inline(always)]
pub(super) fn gelu<M: MulAdd>(x: f32) -> f32 {
    let inside = x.clamp(-GELU_EDGE, GELU_EDGE);
    let place = M::mul_add(inside * inside, 2.0 / (GELU_EDGE * GELU_EDGE), -1.0);
    x * M::mul_add(inside, polynomial::<M, 14>(&GELU, place), 0.5)
}

/// 2^f for f in 0…1. Source: own minimax fit, relative error 7.5e-8 before rounding.
pub(super) const EXP2: [f32; 6] =
    [0.999_999_93, 0.693_153_1, 0.240_153_62, 0.055_826_318, 0.008_989_34, 0.001_877_576_7];

/// The same with relative error 7.5e-5, for results that are rounded to bf16 (4e-3).
pub(super) const EXP2_SHORT: [f32; 4] = [0.999_925_2, 0.695_833_54, 0.226_067_16, 0.078_024_52];

/// 2^x; x at most 127. Relative error at most 2e-7; 0 below −126.
#[inline(always)]
pub(super) fn exp2<M: MulAdd>(x: f32) -> f32 {
    let x = x.max(-127.0);
    let whole = x.floor();
    let power = polynomial::<M, 6>(&EXP2, x - whole);
    // The exponent field alone: −127 gives the pattern of zero.
    let scale = f32::from_bits(((whole as i32 + 127) as u32) << 23);
    power * scale
}
