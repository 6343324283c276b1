//! Reductions over long rows, written so that the compiler uses vector instructions.
//!
//! No fused multiply-add and a fixed order of sums: every machine gets the same bits, whatever its vectors' width.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "a function compiled for more instructions than the caller")
)]

/// Values reduced side by side.
const LANES: usize = 16;

/// Values whose largest is compared before any is looked at alone.
const BLOCK: usize = 64;

/// Calls a body as compiled for the widest vectors that the processor has.
macro_rules! widest {
    ($body:ident($($argument:ident: $type:ty),*) -> $result:ty) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn with_avx512($($argument: $type),*) -> $result {
                $body($($argument),*)
            }
            #[target_feature(enable = "avx2")]
            fn with_avx2($($argument: $type),*) -> $result {
                $body($($argument),*)
            }
            if super::avx512::is_available() {
                // SAFETY: the instructions are there, by the condition.
                return unsafe { with_avx512($($argument),*) };
            }
            if super::avx2::is_available() {
                // SAFETY: the instructions are there, by the condition.
                return unsafe { with_avx2($($argument),*) };
            }
        }
        $body($($argument),*)
    }};
}

/// Returns the largest value; negative infinity for an empty row.
pub fn largest(values: &[f32]) -> f32 {
    widest!(largest_value(values: &[f32]) -> f32)
}

/// Returns the logarithm of the sum of exponentials; negative infinity if all are impossible.
pub fn log_sum_exp(values: &[f32]) -> f32 {
    widest!(log_sum(values: &[f32]) -> f32)
}

/// Returns the indices of the `count` largest values, the largest first; equal values in the order of indices.
///
/// Range: fewer if fewer values are above negative infinity.
pub fn largest_indices(values: &[f32], count: usize) -> Vec<usize> {
    widest!(indices(values: &[f32], count: usize) -> Vec<usize>)
}

#[inline(always)]
fn largest_value(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |top, value| if *value > top { *value } else { top })
}

#[inline(always)]
fn log_sum(values: &[f32]) -> f32 {
    let top = largest_value(values);
    if top == f32::NEG_INFINITY {
        return top;
    }
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += exp_of_negative(*value - top);
        }
    }
    let sum = lanes.iter().sum::<f32>() + rest.iter().map(|value| exp_of_negative(*value - top)).sum::<f32>();
    top + sum.ln()
}

/// Computes the exponential of a number that is not positive; below −87 it is about 1e-38.
///
/// Range: relative error below 3e-7. Source: Cody and Waite's reduction, Taylor to the sixth power.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    /// Adding and subtracting it rounds to an integer: 1.5 × 2^23.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts: the first has few digits, so that its multiples are exact.
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0));
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * tail)));
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    series * power
}

#[inline(always)]
fn indices(values: &[f32], count: usize) -> Vec<usize> {
    let mut best: Vec<(f32, usize)> = Vec::with_capacity(count + 1);
    let mut bar = f32::NEG_INFINITY;
    for (block, chunk) in values.chunks(BLOCK).enumerate() {
        if largest_value(chunk) <= bar {
            continue;
        }
        for (index, &value) in chunk.iter().enumerate().filter(|(_, value)| **value > f32::NEG_INFINITY) {
            if best.len() == count && value <= bar {
                continue;
            }
            let place = best.partition_point(|(known, _)| *known >= value);
            best.insert(place, (value, block * BLOCK + index));
            best.truncate(count);
            if best.len() == count {
                bar = best.last().map_or(bar, |(value, _)| *value);
            }
        }
    }
    best.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        (0..length).map(|_| next() * 30.0 - 20.0).collect()
    }

    #[test]
    fn the_exponential_is_close_for_every_argument() {
        for step in 0..87_000 {
            let x = -(step as f32) / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_of_negative(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "{x}: {error}");
        }
        assert!(exp_of_negative(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn the_sum_equals_double_precision() {
        for length in [1, 15, 16, 17, 1501, 51_865] {
            let values = noise(length);
            let exact = values.iter().map(|value| f64::from(*value).exp()).sum::<f64>().ln();
            assert!((f64::from(log_sum_exp(&values)) - exact).abs() < 1e-5, "{length}");
        }
        assert_eq!(log_sum_exp(&[f32::NEG_INFINITY; 20]), f32::NEG_INFINITY);
    }

    #[test]
    fn the_largest_come_in_order_and_ties_by_index() {
        let mut values = noise(1_000);
        values[700] = 50.0;
        values[300] = 50.0;
        values[999] = 60.0;
        assert_eq!(largest_indices(&values, 3), [999, 300, 700]);
        assert_eq!(largest(&values), 60.0);
        let mut sorted: Vec<usize> = (0..values.len()).collect();
        sorted.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
        assert_eq!(largest_indices(&values, 40), sorted[..40]);
    }

    #[test]
    fn impossible_values_are_never_among_the_largest() {
        let mut values = vec![f32::NEG_INFINITY; 200];
        values[150] = 1.0;
        assert_eq!(largest_indices(&values, 5), [150]);
    }

    #[test]
    fn wider_vectors_give_the_same_bits() {
        let row = noise(5_003);
        assert_eq!(log_sum_exp(&row).to_bits(), log_sum(&row).to_bits());
        assert_eq!(largest(&row), largest_value(&row));
        assert_eq!(largest_indices(&row, 7), indices(&row, 7));
    }
}
