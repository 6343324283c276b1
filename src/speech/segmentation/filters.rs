//! The first convolution: band-pass filters that are known by two frequencies each.

use super::weights::{BANDS, HALF};
use crate::speech::model::tensors::Tensors;

/// Samples of a filter.
pub(super) const FILTER_SAMPLES: usize = 2 * HALF + 1;

/// Lowest edge of a band, and narrowest band.
///
/// Source: the published network, `min_low_hz` and `min_band_hz`.
const HZ_MIN: f64 = 50.0;

/// Half of the sample rate: nothing lies above it.
const HZ_MAX: f64 = 8_000.0;

/// Returns the even filters, then the odd ones.
///
/// Shape: 2 × [`BANDS`] rows of [`FILTER_SAMPLES`].
/// Source: SincNet, Ravanelli and Bengio 2018, with the odd half of Pariente and others, "Filterbank design for
/// end-to-end speech separation", 2020: (sin 2πf₂t − sin 2πf₁t) / πt and (cos 2πf₁t − cos 2πf₂t) / πt under a window, over
/// twice the band's width.
pub(super) fn filters(weights: &Tensors) -> Vec<f32> {
    let tensor = |name: &str| weights.get(&format!("sincnet.conv1d.0.filterbank.{name}_"));
    let (window, times) = (tensor("window"), tensor("n"));
    let mut rows = vec![0.0; 2 * BANDS * FILTER_SAMPLES];
    let (even, odd) = rows.split_at_mut(BANDS * FILTER_SAMPLES);
    let edges = tensor("low_hz").iter().zip(tensor("band_hz"));
    let bands = even.chunks_exact_mut(FILTER_SAMPLES).zip(odd.chunks_exact_mut(FILTER_SAMPLES)).zip(edges);
    for ((even, odd), (low, width)) in bands {
        let low = HZ_MIN + f64::from(low.abs());
        let high = (low + HZ_MIN + f64::from(width.abs())).clamp(HZ_MIN, HZ_MAX);
        let last = FILTER_SAMPLES - 1;
        even[HALF] = 1.0;
        // `times` are those before the middle, 2π seconds each.
        for (at, (time, window)) in times.iter().zip(window).enumerate() {
            let (time, window) = (f64::from(*time), f64::from(*window));
            let scale = window / (time / 2.0) / (2.0 * (high - low));
            let (even_value, odd_value) = (
                ((high * time).sin() - (low * time).sin()) * scale,
                ((low * time).cos() - (high * time).cos()) * scale,
            );
            even[at] = even_value as f32;
            even[last - at] = even_value as f32;
            odd[at] = odd_value as f32;
            odd[last - at] = -odd_value as f32;
        }
    }
    rows
}
