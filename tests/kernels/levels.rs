//! Every level against the portable one at odd sizes, and with memory that ends where the operands end.

use gijiroku::speech::native::kernels::*;
use proptest::prelude::*;

use crate::noise;

const ALL_PRECISIONS: [Precision; 4] =
    [Precision::F32, Precision::Bf16, Precision::Int8, Precision::Weights8];

/// Levels above portable; one that the machine lacks is reported, not silently passed.
fn fast_levels() -> Vec<Level> {
    for level in Level::ALL {
        if !level.is_available() {
            eprintln!("skipped: this machine has no {}", level.name());
        }
    }
    Level::available().into_iter().filter(|level| *level != Level::Portable).collect()
}

/// Values that end with the page; the next page must not be touched.
struct Guarded {
    base: *mut std::ffi::c_void,
    mapped_bytes: usize,
    len: usize,
}

impl Guarded {
    fn new(values: &[f32]) -> Self {
        let page = rustix::param::page_size();
        let bytes = size_of_val(values).next_multiple_of(page);
        let mapped_bytes = bytes + page;
        let all = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
        #[expect(unsafe_code, reason = "a page without access needs the operating system")]
        // SAFETY: a fresh mapping of our own, whose last page is then closed; the copy stays inside the open part.
        let base = unsafe {
            let flags = rustix::mm::MapFlags::PRIVATE;
            let base =
                rustix::mm::mmap_anonymous(std::ptr::null_mut(), mapped_bytes, all, flags).expect("maps");
            rustix::mm::mprotect(base.byte_add(bytes), page, rustix::mm::MprotectFlags::empty())
                .expect("closes");
            let start = base.byte_add(bytes - size_of_val(values)).cast::<f32>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len());
            base
        };
        Self { base, mapped_bytes, len: values.len() }
    }

    fn values(&mut self) -> &mut [f32] {
        let page = rustix::param::page_size();
        let end = self.mapped_bytes - page;
        #[expect(unsafe_code, reason = "see new")]
        // SAFETY: the last `len` values of the open part, borrowed with self.
        unsafe {
            std::slice::from_raw_parts_mut(self.base.byte_add(end - self.len * 4).cast(), self.len)
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "see new")]
        // SAFETY: our own mapping, no longer borrowed.
        unsafe {
            rustix::mm::munmap(self.base, self.mapped_bytes).expect("unmaps");
        }
    }
}

/// One product with every slice ending at a page without access.
fn product(
    level: Level,
    precision: Precision,
    shape: (usize, usize, usize),
    tail: u8,
    seed: u64,
) -> Vec<f32> {
    let (rows, n, k) = shape;
    let packed = Packed::pack(level, precision, n, k, &noise(seed, n * k));
    let mut x = Guarded::new(&noise(seed + 1, rows * k));
    let mut bias = Guarded::new(&noise(seed + 2, n));
    let mut residual = Guarded::new(&noise(seed + 3, rows * n));
    let mut out = Guarded::new(&vec![f32::NAN; rows * n]);
    let bias = (tail & 1 == 0).then(|| &*bias.values());
    let tail = match tail / 2 {
        0 => Tail::None,
        1 => Tail::Gelu,
        _ => Tail::Add(residual.values()),
    };
    linear(x.values(), rows, &packed, bias, tail, out.values(), &mut Scratch::new());
    out.values().to_vec()
}

fn furthest(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter()
        .zip(right)
        .map(|(l, r)| if l == r { 0.0 } else { (l - r).abs() })
        .fold(0.0, |far, off| if off.is_nan() { f32::INFINITY } else { far.max(off) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn products_of_int8_weights_are_bit_equal_at_every_level(
        rows in 1usize..66, n in 1usize..66, k in 1usize..140, add in any::<bool>(), seed in 1u64..1000,
    ) {
        let tail = if add { 4 } else { 0 };
        for precision in [Precision::Int8, Precision::Weights8] {
            let want = product(Level::Portable, precision, (rows, n, k), tail, seed);
            for level in fast_levels() {
                let got = product(level, precision, (rows, n, k), tail, seed);
                prop_assert_eq!(&got, &want, "{} {:?}", level.name(), precision);
            }
        }
    }

    #[test]
    fn float_products_stay_within_their_bound(
        rows in 1usize..66, n in 1usize..66, k in 1usize..140, tail in 0u8..6, seed in 1u64..1000,
    ) {
        for (precision, bound) in [(Precision::F32, 2e-6), (Precision::Bf16, 4e-3), (Precision::Int8, 1e-6)] {
            let want = product(Level::Portable, precision, (rows, n, k), tail, seed);
            for level in fast_levels() {
                let got = product(level, precision, (rows, n, k), tail, seed);
                let off = furthest(&got, &want);
                prop_assert!(off <= bound * (k as f32).sqrt() + 2e-6, "{} {precision:?}: off by {off}", level.name());
            }
        }
    }

    #[test]
    fn attention_stays_within_its_bound(
        t_q in 1usize..66, t_k in 1usize..600, heads in 1usize..3, gain in 0.1f32..12.0, seed in 1u64..1000,
    ) {
        let d = heads * HEAD;
        let scaled = |seed, len| noise(seed, len).into_iter().map(|value| value * gain).collect::<Vec<f32>>();
        for (precision, bound) in [(Precision::F32, 2e-5), (Precision::Bf16, 2e-2), (Precision::Int8, 1e-4)] {
            let mut want = None;
            for level in Level::available() {
                let mut k = Guarded::new(&scaled(seed, t_k * d));
                let mut v = Guarded::new(&noise(seed + 1, t_k * d));
                let keys = KeyValues::pack(level, precision, View::new(k.values(), d), View::new(v.values(), d));
                let mut q = Guarded::new(&noise(seed + 2, t_q * d));
                let mut out = Guarded::new(&vec![f32::NAN; t_q * d]);
                let q = View::new(q.values(), d);
                attention(q, std::slice::from_ref(&keys), out.values(), &mut Scratch::new());
                let want = want.get_or_insert_with(|| out.values().to_vec());
                let off = furthest(out.values(), want);
                prop_assert!(off <= bound * gain.max(1.0), "{} {precision:?}: off by {off}", level.name());
            }
        }
    }

    #[test]
    fn columns_computed_apart_equal_those_computed_together(
        rows in 1usize..8, panels in 1usize..4, n in 100usize..140, k in 1usize..100, seed in 1u64..1000,
    ) {
        let (x, w) = (noise(seed, rows * k), noise(seed + 1, n * k));
        for level in Level::available() {
            for precision in ALL_PRECISIONS {
                let packed = Packed::pack(level, precision, n, k, &w);
                let mut scratch = Scratch::new();
                let mut whole = vec![0.0; rows * n];
                linear(&x, rows, &packed, None, Tail::Gelu, &mut whole, &mut scratch);
                let columns = panels * PANEL - PANEL..n;
                let mut part = Guarded::new(&vec![f32::NAN; rows * columns.len()]);
                linear_columns(
                    &x, rows, &packed, columns.clone(), None, Tail::Gelu, part.values(), &mut scratch,
                );
                for row in 0..rows {
                    let part = &part.values()[row * columns.len()..][..columns.len()];
                    prop_assert_eq!(part, &whole[row * n..][columns.clone()]);
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others(
        rows in 2usize..40, n in 1usize..70, k in 1usize..700, seed in 1u64..1000,
    ) {
        let (x, w) = (noise(seed, rows * k), noise(seed + 1, n * k));
        let (q, keys, values) = (noise(seed, rows * HEAD), noise(seed + 2, k * HEAD), noise(seed + 3, k * HEAD));
        let mut scratch = Scratch::new();
        for level in Level::available() {
            for precision in ALL_PRECISIONS {
                let packed = Packed::pack(level, precision, n, k, &w);
                let (mut whole, mut alone) = (vec![0.0; rows * n], vec![0.0; n]);
                linear(&x, rows, &packed, None, Tail::Gelu, &mut whole, &mut scratch);
                let row = rows / 2;
                linear(&x[row * k..][..k], 1, &packed, None, Tail::Gelu, &mut alone, &mut scratch);
                prop_assert_eq!(&alone, &whole[row * n..][..n]);
                let keys = KeyValues::pack(level, precision, View::new(&keys, HEAD), View::new(&values, HEAD));
                let (mut whole, mut alone) = (vec![0.0; rows * HEAD], vec![0.0; HEAD]);
                attend(&q, rows, &keys, 0..1, &mut whole, None, &mut scratch);
                attend(&q[row * HEAD..][..HEAD], 1, &keys, 0..1, &mut alone, None, &mut scratch);
                prop_assert_eq!(&alone, &whole[row * HEAD..][..HEAD]);
            }
        }
    }

    #[test]
    fn layer_norm_stays_within_its_bound(rows in 1usize..5, d in 1usize..140, seed in 1u64..1000) {
        let (gamma, beta) = (noise(seed, d), noise(seed + 1, d));
        let mut want = None;
        for level in Level::available() {
            let mut x = Guarded::new(&noise(seed + 2, rows * d));
            let mut out = Guarded::new(&vec![f32::NAN; rows * d]);
            layer_norm(level, x.values(), rows, d, &gamma, &beta, out.values());
            let want = want.get_or_insert_with(|| out.values().to_vec());
            prop_assert!(furthest(out.values(), want) < 1e-4, "{}", level.name());
        }
    }

    #[test]
    fn softmax_sums_to_one_and_agrees(len in 1usize..200, gain in 0.1f32..90.0, seed in 1u64..1000) {
        let x: Vec<f32> = noise(seed, len).into_iter().map(|value| value * gain).collect();
        let peak = x.iter().fold(f32::MIN, |peak, value| peak.max(*value));
        let exact: Vec<f64> = x.iter().map(|value| f64::from(value - peak).exp()).collect();
        let total: f64 = exact.iter().sum();
        for level in Level::available() {
            let mut got = Guarded::new(&x);
            softmax(level, got.values());
            for (got, exact) in got.values().iter().zip(&exact) {
                let want = exact / total;
                let bound = want * (3e-7 * f64::from(gain) + 5e-7) + 1e-37;
                prop_assert!((f64::from(*got) - want).abs() <= bound, "{} {got} {want}", level.name());
            }
        }
    }
}

/// Φ(x) by the series and continued fraction of erfc would be its own test subject; Simpson's rule in f64 is exact
/// enough (1e-12) and plain.
fn normal(x: f64) -> f64 {
    const STEPS: usize = 4000;
    let h = x / STEPS as f64;
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let weight = if i == 0 || i == STEPS {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            };
            weight * density(i as f64 * h)
        })
        .sum();
    0.5 + sum * h / 3.0
}

#[test]
fn gelu_is_exact_to_a_millionth() {
    let x: Vec<f32> = (-1200..=1200).map(|i| i as f32 / 100.0).collect();
    for level in Level::available() {
        let mut got = x.clone();
        gelu(level, &mut got);
        let mut worst = 0.0f64;
        for (x, got) in x.iter().zip(&got) {
            let want = f64::from(*x) * normal(f64::from(*x));
            worst = worst.max((f64::from(*got) - want).abs() / f64::from(x.abs()).max(1.0));
        }
        assert!(worst <= 1e-6, "{}: {worst}", level.name());
    }
}

#[test]
fn long_rows_are_summed_in_stretches_without_loss() {
    for (rows, n, k) in [(70, 70, 2048), (33, 300, 1500), (1, 40, 5120)] {
        let want = product(Level::Portable, Precision::Int8, (rows, n, k), 4, 7);
        let wide = product(Level::Portable, Precision::Weights8, (rows, n, k), 4, 7);
        let float = product(Level::Portable, Precision::Bf16, (rows, n, k), 4, 7);
        for level in fast_levels() {
            assert_eq!(product(level, Precision::Int8, (rows, n, k), 4, 7), want, "{}", level.name());
            assert_eq!(product(level, Precision::Weights8, (rows, n, k), 4, 7), wide, "{}", level.name());
            let off = furthest(&product(level, Precision::Bf16, (rows, n, k), 4, 7), &float);
            assert!(off < 0.3, "{}: off by {off}", level.name());
        }
    }
}

#[test]
fn positions_far_below_the_peak_and_equal_positions_are_weighed_right() {
    let mut scratch = Scratch::new();
    for level in Level::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            // The peak comes last, 100 above the rest: everything gathered before must vanish.
            let t = 600;
            let mut k = vec![0.0; t * HEAD];
            k[(t - 1) * HEAD] = 100.0;
            let v: Vec<f32> = (0..t * HEAD).map(|i| if i / HEAD == t - 1 { 2.0 } else { 1.0 }).collect();
            let keys = KeyValues::pack(level, precision, View::new(&k, HEAD), View::new(&v, HEAD));
            let mut q = vec![0.0; 2 * HEAD];
            q[0] = 8.0;
            let mut out = vec![0.0; 2 * HEAD];
            attend(&q, 2, &keys, 0..1, &mut out, None, &mut scratch);
            assert!(
                out[..HEAD].iter().all(|value| (value - 2.0).abs() < 1e-3),
                "{} {:?}",
                level.name(),
                &out[..4]
            );
            let mean = 1.0 + 1.0 / t as f32;
            assert!(out[HEAD..].iter().all(|value| (value - mean).abs() < 1e-2), "{}", level.name());
        }
    }
}
