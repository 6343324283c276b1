//! Sound of which every place can be told, and what of it is in a recording.

use super::pulse::RATE_HZ;

/// Sound without two equal stretches and without a zero, so that every place of it can be told.
pub fn sound(seconds: f64, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 19) as i16 - 4_096).max(1 - 4_096) | 1
    };
    (0..(seconds * f64::from(RATE_HZ)) as usize).map(|_| sample()).collect()
}

/// A hundredth of a second.
pub const PIECE: usize = RATE_HZ as usize / 100;

/// Returns where a sound begins in a recording; nothing if its first tenth of a second is not there.
pub fn place(recording: &[i16], sound: &[i16]) -> Option<usize> {
    sound.chunks_exact(PIECE).take(10).find_map(|piece| find(recording, piece))
}

/// Returns where a piece stands in a recording.
pub fn find(recording: &[i16], piece: &[i16]) -> Option<usize> {
    recording.windows(piece.len()).position(|window| window[0] == piece[0] && window == piece)
}

/// Tells whether a recording holds a sound, in order and to the sample, but for a twentieth of its pieces.
///
/// The loudspeaker of a busy machine stumbles now and then, and gives less to hear than it was given to play.
pub fn holds(recording: &[i16], sound: &[i16]) -> bool {
    let pieces = sound.chunks_exact(PIECE);
    let (mut at, mut may_miss) = (0, pieces.len() / 20);
    for piece in pieces {
        let rest = &recording[at..];
        match if rest.starts_with(piece) { Some(0) } else { find(rest, piece) } {
            Some(behind) => at += behind + piece.len(),
            None if may_miss == 0 => return false,
            None => may_miss -= 1,
        }
    }
    true
}

/// Tells whether two recordings of one loudspeaker are the same, as long as a sound was played.
pub fn agree(one: &[i16], other: &[i16], sound: &[i16]) -> bool {
    let stretch = |recording: &[i16]| {
        let from = place(recording, sound)?;
        recording.get(from..from + sound.len()).map(<[i16]>::to_vec)
    };
    stretch(one).is_some_and(|stretch_of_one| Some(stretch_of_one) == stretch(other))
}
