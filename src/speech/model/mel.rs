//! Whisper's mel filter bank, computed instead of shipped.

/// Frequency bins of a 400-point transform: 0 Hz to 8 kHz in steps of 40 Hz.
pub const BINS: usize = 201;

/// Distance of two bins: 16,000 samples/s over 400 points.
const BIN_HZ: f64 = 40.0;

/// Highest frequency of the bank.
const TOP_HZ: f64 = 8_000.0;

/// Slaney's scale is linear up to here and logarithmic above.
const KNEE_HZ: f64 = 1_000.0;

/// Mel at the knee: 1,000 Hz × 3/200.
const KNEE_MEL: f64 = 15.0;

/// Natural logarithm per mel above the knee: ln 6.4 over 27 mel.
const LOG_STEP: f64 = 1.856_297_990_365_626_3 / 27.0;

/// Computes the triangular filters from power spectrum to mel bands.
///
/// Shape: `rows` × [`BINS`], row-major; Whisper uses 80 rows, large-v3 and turbo 128.
/// Range: every weight is at least 0; about 2 % are not zero.
/// Source: Slaney's scale with area norm, as in Whisper's published table (equal within 4e-9).
pub fn filterbank(rows: usize) -> Vec<f32> {
    let top = mel_from_hz(TOP_HZ);
    let edge_hz = |index: usize| hz_from_mel(top * index as f64 / (rows + 1) as f64);
    let mut weights = Vec::with_capacity(rows * BINS);
    for row in 0..rows {
        let [low, centre, high] = [edge_hz(row), edge_hz(row + 1), edge_hz(row + 2)];
        for bin in 0..BINS {
            let hz = bin as f64 * BIN_HZ;
            let rise = (hz - low) / (centre - low);
            let fall = (high - hz) / (high - centre);
            weights.push((rise.min(fall).max(0.0) * 2.0 / (high - low)) as f32);
        }
    }
    weights
}

fn mel_from_hz(hz: f64) -> f64 {
    if hz < KNEE_HZ { hz * 3.0 / 200.0 } else { KNEE_MEL + (hz / KNEE_HZ).ln() / LOG_STEP }
}

fn hz_from_mel(mel: f64) -> f64 {
    if mel < KNEE_MEL { mel * 200.0 / 3.0 } else { KNEE_HZ * ((mel - KNEE_MEL) * LOG_STEP).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bank_has_the_published_number_of_weights() {
        for (rows, expected) in [(80, 391), (128, 394)] {
            let bank = filterbank(rows);
            assert_eq!(bank.len(), rows * BINS);
            assert_eq!(bank.iter().filter(|weight| **weight != 0.0).count(), expected);
        }
    }

    #[test]
    fn the_first_weights_equal_the_published_table() {
        let bank = filterbank(80);
        assert!((bank[1] - 0.024_862_594).abs() < 3e-9);
        assert!((bank[BINS + 1] - 0.001_990_822).abs() < 3e-9);
    }

    #[test]
    fn both_halves_of_the_scale_meet_at_the_knee() {
        assert!((mel_from_hz(KNEE_HZ) - KNEE_MEL).abs() < 1e-12);
        assert!((hz_from_mel(mel_from_hz(6_400.0)) - 6_400.0).abs() < 1e-9);
        assert!((mel_from_hz(6_400.0) - 42.0).abs() < 1e-12);
    }
}
