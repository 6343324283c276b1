//! The portable kernels against a textbook computation in f64, at every level the same face.

use gijiroku::speech::native::kernels::*;

use crate::noise;

fn product(x: &[f32], w: &[f32], rows: usize, n: usize, k: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows * n];
    for r in 0..rows {
        for c in 0..n {
            out[r * n + c] = (0..k).map(|i| f64::from(x[r * k + i]) * f64::from(w[c * k + i])).sum();
        }
    }
    out
}

fn tolerance(precision: Precision, k: usize) -> f64 {
    let k = k as f64;
    match precision {
        Precision::F32 => 1e-6 * k,
        Precision::Bf16 => 1e-2 * k.sqrt(),
        Precision::Int8 => 2e-2 * k.sqrt(),
        Precision::Weights8 => 1e-2 * k.sqrt(),
    }
}

#[test]
fn a_linear_layer_is_close_to_the_exact_product() {
    let mut scratch = Scratch::new();
    for level in Level::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8, Precision::Weights8] {
            for (rows, n, k) in [(1, 1, 1), (3, 33, 65), (5, 64, 80), (2, 100, 240), (17, 96, 512)] {
                let (x, w) = (noise(1, rows * k), noise(2, n * k));
                let (bias, residual) = (noise(3, n), noise(4, rows * n));
                let packed = Packed::pack(level, precision, n, k, &w);
                let mut out = vec![f32::NAN; rows * n];
                linear(&x, rows, &packed, Some(&bias), Tail::Add(&residual), &mut out, &mut scratch);
                let exact = product(&x, &w, rows, n, k);
                for at in 0..rows * n {
                    let want = exact[at] + f64::from(bias[at % n]) + f64::from(residual[at]);
                    let off = (f64::from(out[at]) - want).abs();
                    assert!(
                        off < tolerance(precision, k),
                        "{level:?} {precision:?} {rows}x{n}x{k}: off by {off}"
                    );
                }
            }
        }
    }
}

#[test]
fn operands_of_16_bits_lose_nothing_that_int8_weights_keep() {
    // Weights that are whole numbers of their scale, and an operand whose peak hides the rest from 8 bits.
    let (n, k) = (40, 512);
    let w: Vec<f32> = noise(1, n * k)
        .iter()
        .enumerate()
        .map(|(i, w)| if i % k == 0 { 127.0 } else { (w * 127.0).round() })
        .collect();
    let x: Vec<f32> = noise(2, k).iter().enumerate().map(|(i, x)| if i == 7 { 60.0 } else { *x }).collect();
    let exact = product(&x, &w, 1, n, k);
    for level in Level::available() {
        let packed = Packed::pack(level, Precision::Weights8, n, k, &w);
        let mut out = vec![0.0; n];
        linear(&x, 1, &packed, None, Tail::None, &mut out, &mut Scratch::new());
        for (got, want) in out.iter().zip(&exact) {
            // Half a step of 60 / 32639 per operand, times weights of about 73, over 512 of them.
            assert!((f64::from(*got) - want).abs() < 5.0, "{level:?}: {got} instead of {want}");
        }
    }
}

#[test]
fn attention_is_close_to_the_exact_one() {
    let mut scratch = Scratch::new();
    let (t, heads) = (70, 2);
    let d = heads * HEAD;
    let (q, k, v) = (noise(1, t * d), noise(2, t * d), noise(3, t * d));
    for level in Level::available() {
        for (precision, bound) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2), (Precision::Int8, 2e-2)] {
            let keys = KeyValues::pack(level, precision, View::new(&k, d), View::new(&v, d));
            let mut out = vec![f32::NAN; t * d];
            attention(View::new(&q, d), std::slice::from_ref(&keys), &mut out, &mut scratch);
            for row in 0..t {
                for head in 0..heads {
                    let at = |r: usize| r * d + head * HEAD..r * d + (head + 1) * HEAD;
                    let dot = |r: usize| -> f64 {
                        q[at(row)].iter().zip(&k[at(r)]).map(|(a, b)| f64::from(a * b)).sum::<f64>() / 8.0
                    };
                    let weights: Vec<f64> = (0..t).map(|r| dot(r).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    for i in 0..HEAD {
                        let want: f64 = (0..t).map(|r| weights[r] / total * f64::from(v[at(r)][i])).sum();
                        let off = (f64::from(out[at(row)][i]) - want).abs();
                        assert!(off < bound, "{level:?} {precision:?} row {row} head {head}: off by {off}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_growing_store_attends_like_a_packed_one_and_forgets_what_is_truncated() {
    let mut scratch = Scratch::new();
    let (heads, t) = (2, 75);
    let d = heads * HEAD;
    let (q, k, v) = (noise(1, d), noise(2, t * d), noise(3, t * d));
    for level in Level::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8, Precision::Weights8] {
            let whole = KeyValues::pack(level, precision, View::new(&k, d), View::new(&v, d));
            let mut grown = KeyValues::new(level, precision, 448, heads);
            grown.extend(View::new(&v, d), View::new(&k, d));
            grown.truncate(0);
            for row in 0..t {
                let at = row * d..(row + 1) * d;
                grown.extend(View::new(&k[at.clone()], d), View::new(&v[at], d));
            }
            let mut copy = KeyValues::new(level, precision, 448, heads);
            copy.copy_from(&grown);
            let mut tail = KeyValues::new(level, precision, 448, heads);
            tail.copy_from(&grown);
            tail.truncate(7);
            tail.extend(View::new(&v[..20 * d], d), View::new(&k[..20 * d], d));
            tail.copy_tail(&grown, 7);
            let mut results = Vec::new();
            for keys in [&whole, &grown, &copy, &tail] {
                let (mut out, mut weights) = (vec![0.0; HEAD], vec![0.0; t]);
                attend(&q, 1, keys, 1..2, &mut out, Some(&mut weights), &mut scratch);
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                results.push((out, weights));
            }
            assert_eq!(results[0], results[1]);
            assert_eq!(results[0], results[2]);
            assert_eq!(results[0], results[3]);
        }
    }
}

#[test]
fn im2col3_lays_out_the_neighbours_of_each_frame() {
    let x = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
    let mut out = [9.0; 12];
    im2col3(&x, 2, 3, 2, &mut out);
    assert_eq!(out, [0.0, 1.0, 2.0, 0.0, 10.0, 20.0, 2.0, 3.0, 0.0, 20.0, 30.0, 0.0]);
}
