//! The first convolution: band-pass filters that are known by two frequencies each.

use super::weights::{BANDS, HALF};
use crate::speech::model::tensors::Tensors;

/// Samples of a filter.
pub(super) const FILTER_SAMPLES: usize = 2 * HALF + 1;

/// Lowest edge of a band, and narrowest band.
///
/// Source: the published network, `min_low_hz` and `min_band_hz`.
const HZ_MIN: f32 = 50.0;

/// Half of the sample rate: nothing lies above it.
const HZ_MAX: f32 = 8_000.0;

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
    // In single precision, as the network was trained: angles of hundreds are rounded, and the filters with them.
    for ((even, odd), (low, width)) in bands {
        let low = HZ_MIN + low.abs();
        let high = (low + HZ_MIN + width.abs()).clamp(HZ_MIN, HZ_MAX);
        let (band, last) = (2.0 * (high - low), FILTER_SAMPLES - 1);
        even[HALF] = 1.0;
        // `times` are those before the middle, 2π seconds each.
        for (at, (time, window)) in times.iter().zip(window).enumerate() {
            let ((low_sin, low_cos), (high_sin, high_cos)) =
                ((low * time).sin_cos(), (high * time).sin_cos());
            even[at] = (high_sin - low_sin) / (time / 2.0) * window / band;
            odd[at] = (low_cos - high_cos) / (time / 2.0) * window / band;
            even[last - at] = even[at];
            odd[last - at] = -odd[at];
        }
    }
    rows
}
