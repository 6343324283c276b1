//! How loud sound is made before the network hears it: its spectrum is not logarithmic, so loudness matters.

/// The level that speech is raised to, decibels below full scale.
///
/// Source: the reference package, `audio_norm_target_dBFS`.
pub const LEVEL_DBFS: f32 = -30.0;

/// Returns the factor that raises sound to [`LEVEL_DBFS`]; 1 for sound that is louder, and for silence.
///
/// Source: the reference package never lowers a level, `increase_only`.
pub fn raised(samples: &[f32]) -> f32 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let rms = (power / samples.len().max(1) as f64).sqrt();
    let wanted = 10_f64.powf(f64::from(LEVEL_DBFS) / 20.0);
    if rms > 0.0 && rms.is_finite() { (wanted / rms).max(1.0) as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_sound_is_raised_and_loud_sound_stays() {
        let quiet = [0.001, -0.001, 0.001, -0.001];
        assert!((raised(&quiet) - 31.622_776).abs() < 1e-4);
        assert_eq!(raised(&[0.5, -0.5]), 1.0);
        assert_eq!(raised(&[]), 1.0);
        assert_eq!(raised(&[0.0; 8]), 1.0);
    }
}
