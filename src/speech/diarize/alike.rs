//! What a voice must offer to be grouped with others, whichever network heard it.

use crate::speech::voice::Direction;

/// A voice as a direction.
pub(super) trait Alike: Clone {
    /// Returns the direction.
    fn numbers(&self) -> &[f32];

    /// Returns how alike two voices are: the cosine of their angle, at most 1.
    fn cosine(&self, other: &Self) -> f32;

    /// Returns the middle of voices that count differently; nothing if nothing counts.
    fn weighted<'a>(voices: impl IntoIterator<Item = (&'a Self, f32)>) -> Option<Self>
    where
        Self: 'a;
}

impl<const N: usize> Alike for Direction<N> {
    fn numbers(&self) -> &[f32] {
        self.values()
    }

    fn cosine(&self, other: &Self) -> f32 {
        self.cosine(other)
    }

    fn weighted<'a>(voices: impl IntoIterator<Item = (&'a Self, f32)>) -> Option<Self> {
        Self::weighted(voices)
    }
}
