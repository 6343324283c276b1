//! One voice within a recording.

use std::fmt;

use super::weights::DIMENSIONS;

/// A voice as the network hears it: two of the same speaker point in nearly the same direction.
///
/// Range: finite, of length 1.
#[derive(Clone, PartialEq)]
pub struct Timbre(Box<[f32; DIMENSIONS]>);

impl Timbre {
    /// Takes a direction of any length and makes it 1; nothing if it has none or is no direction.
    ///
    /// Range: exactly 192 finite numbers, not all of them zero.
    pub fn new(values: &[f32]) -> Option<Self> {
        let mut values: Box<[f32; DIMENSIONS]> = Box::new(values.try_into().ok()?);
        let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length <= f64::from(f32::MIN_POSITIVE) {
            return None;
        }
        values.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        Some(Self(values))
    }

    /// Returns the middle of voices that count differently; nothing if nothing counts.
    pub fn weighted<'a>(voices: impl IntoIterator<Item = (&'a Self, f32)>) -> Option<Self> {
        let mut sum = [0.0; DIMENSIONS];
        for (voice, weight) in voices {
            sum.iter_mut().zip(voice.0.iter()).for_each(|(sum, value)| *sum += value * weight);
        }
        Self::new(&sum)
    }

    /// Returns how alike two voices are: the cosine of their angle, at most 1.
    pub fn cosine(&self, other: &Self) -> f32 {
        const LANES: usize = 16;
        let (ours, _) = self.0.as_chunks::<LANES>();
        let (theirs, _) = other.0.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for (ours, theirs) in ours.iter().zip(theirs) {
            for ((sum, our), their) in sums.iter_mut().zip(ours).zip(theirs) {
                *sum += our * their;
            }
        }
        sums.iter().sum::<f32>().clamp(-1.0, 1.0)
    }

    /// Returns the direction.
    pub fn values(&self) -> &[f32; DIMENSIONS] {
        &self.0
    }
}

/// A voice is personal data: it must not get into a log by way of `{:?}`.
impl fmt::Debug for Timbre {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Timbre(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(index: usize) -> Timbre {
        let mut values = [0.0; DIMENSIONS];
        values[index] = 3.0;
        Timbre::new(&values).expect("an axis is a direction")
    }

    #[test]
    fn what_counts_more_pulls_the_middle_of_two_voices_towards_it() {
        let middle = Timbre::weighted([(&axis(0), 2.0), (&axis(1), 1.0)]).expect("two voices have a middle");
        assert!((middle.cosine(&axis(0)) - 2.0 / 5.0_f32.sqrt()).abs() < 1e-6);
        assert_eq!(Timbre::weighted([(&axis(0), 0.0)]), None);
    }

    #[test]
    fn what_is_no_direction_is_no_voice_and_no_voice_is_printed() {
        assert_eq!(Timbre::new(&[0.0; DIMENSIONS]), None);
        assert_eq!(Timbre::new(&[f32::NAN; DIMENSIONS]), None);
        assert_eq!(Timbre::new(&[1.0; DIMENSIONS - 1]), None);
        assert_eq!(format!("{:?}", axis(0)), "Timbre(…)");
    }
}
