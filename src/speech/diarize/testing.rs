//! Voices that nobody has, for tests.

use crate::speech::voice::campplus::{Timbre, weights};
use crate::speech::voice::{DIMENSIONS, Embedding};

/// Returns a voice of one of several speakers: a direction of their own, and `spread` of chance around it.
pub(super) fn voice(speaker: usize, seed: u64, spread: f32) -> Embedding {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(speaker as u64 + 1);
    let mut chance = || {
        // Multiplier and increment of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut values = [0.0; DIMENSIONS];
    for (index, value) in values.iter_mut().enumerate() {
        // All voices of the network lie in one corner of the space.
        let own = if index % 8 == speaker % 8 { 1.0 } else { 0.3 };
        *value = (own + spread * chance()).max(0.0);
    }
    Embedding::new(&values).expect("some value is above zero")
}

/// Returns the timbre of one of several speakers: a direction of their own, and `spread` of chance around it.
pub(super) fn timbre(speaker: usize, seed: u64, spread: f32) -> Timbre {
    let heard = voice(0, seed.wrapping_add(1_000), 1.0);
    let own = |index: usize| if index % 8 == speaker % 8 { 1.0 } else { 0.0 };
    // All values of a heard voice are above zero: their middle is taken away.
    let chance = heard.values().iter().map(|value| spread * (16.0 * value - 0.8));
    let values: Vec<f32> =
        chance.take(weights::DIMENSIONS).enumerate().map(|(at, value)| own(at) + value).collect();
    Timbre::new(&values).expect("some value is not zero")
}
