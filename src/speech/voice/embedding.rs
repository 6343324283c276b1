//! One voice as a direction.

use std::fmt;

/// Numbers of an embedding.
pub const DIMENSIONS: usize = 256;

/// A voice as GE2E hears it: what names are remembered by.
pub type Embedding = Direction<DIMENSIONS>;

/// A voice as a network of `N` outputs hears it: two of the same speaker point in nearly the same direction.
///
/// Range: finite, of length 1.
#[derive(Clone, PartialEq)]
pub struct Direction<const N: usize>(Box<[f32; N]>);

impl<const N: usize> Direction<N> {
    /// Takes a direction of any length and makes it 1; nothing if it has none or is no direction.
    ///
    /// Range: exactly `N` finite numbers, not all of them zero.
    pub fn new(values: &[f32]) -> Option<Self> {
        let mut values: Box<[f32; N]> = Box::new(values.try_into().ok()?);
        let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length <= f64::from(f32::MIN_POSITIVE) {
            return None;
        }
        for value in values.iter_mut() {
            *value = (f64::from(*value) / length) as f32;
        }
        Some(Self(values))
    }

    /// Returns the direction of the sum, which is the middle of several voices; nothing without any.
    pub fn middle<'a>(voices: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        Self::weighted(voices.into_iter().map(|voice| (voice, 1.0)))
    }

    /// Returns the middle of voices that count differently; nothing if nothing counts.
    pub fn weighted<'a>(voices: impl IntoIterator<Item = (&'a Self, f32)>) -> Option<Self> {
        let mut sum = [0.0; N];
        for (voice, weight) in voices {
            for (sum, value) in sum.iter_mut().zip(voice.0.iter()) {
                *sum += value * weight;
            }
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
    pub fn values(&self) -> &[f32; N] {
        &self.0
    }
}

/// A voice is personal data: it must not get into a log by way of `{:?}`.
impl<const N: usize> fmt::Debug for Direction<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Direction(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(index: usize) -> Embedding {
        let mut values = [0.0; DIMENSIONS];
        values[index] = 3.0;
        Embedding::new(&values).expect("an axis is a direction")
    }

    #[test]
    fn a_voice_equals_itself_and_differs_from_one_at_a_right_angle() {
        assert_eq!(axis(3).cosine(&axis(3)), 1.0);
        assert_eq!(axis(3).cosine(&axis(4)), 0.0);
    }

    #[test]
    fn the_middle_of_two_voices_is_as_far_from_the_one_as_from_the_other() {
        let middle = Embedding::middle([&axis(0), &axis(1)]).expect("two voices have a middle");
        assert!((middle.cosine(&axis(0)) - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(middle.cosine(&axis(0)), middle.cosine(&axis(1)));
        assert_eq!(Embedding::middle([]), None);
    }

    #[test]
    fn what_counts_more_pulls_the_middle_of_two_voices_towards_it() {
        let middle =
            Embedding::weighted([(&axis(0), 2.0), (&axis(1), 1.0)]).expect("two voices have a middle");
        assert!((middle.cosine(&axis(0)) - 2.0 / 5.0_f32.sqrt()).abs() < 1e-6);
        assert_eq!(Embedding::weighted([(&axis(0), 0.0)]), None);
    }

    #[test]
    fn what_is_no_direction_is_no_voice() {
        assert_eq!(Embedding::new(&[0.0; DIMENSIONS]), None);
        assert_eq!(Embedding::new(&[1.0; DIMENSIONS - 1]), None);
        let mut broken = [1.0; DIMENSIONS];
        for value in [f32::NAN, f32::INFINITY] {
            broken[7] = value;
            assert_eq!(Embedding::new(&broken), None);
        }
    }

    #[test]
    fn a_voice_is_never_printed() {
        assert_eq!(format!("{:?}", axis(0)), "Direction(…)");
    }
}
