//! What is remembered of one person's voice: a few pieces, the oldest learned one leaving first.
//!
//! A voiceprint is personal data. It is made from sound a person agreed to, travels between rooms as bytes that the
//! store seals, and stands in no log, no answer and no document.

use super::voice::{DIMENSIONS, Embedding};

/// Most pieces of one voiceprint: a person's voice is steady, rooms and microphones are not.
pub const PIECES_MAX: usize = 8;
/// Sound beyond this makes a piece no heavier, milliseconds: one long meeting shall not outweigh all others.
const WEIGHT_MS_MAX: u64 = 60_000;
/// The number of the stored form.
const FORM: u8 = 1;
/// Bytes before a piece's numbers: where it is from, and its length in milliseconds.
const PIECE_HEAD_BYTES: usize = 1 + 4;

/// Where a piece of a voiceprint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A sample that the person gave: never pushed out by what was learned.
    Sample,
    /// A meeting that people had corrected.
    Meeting,
}

/// What was heard of a person on one occasion.
#[derive(Clone, PartialEq)]
pub struct Piece {
    /// Where from.
    pub origin: Origin,
    /// How much speech it was made of, milliseconds.
    pub speech_ms: u64,
    /// The voice.
    pub voice: Embedding,
}

/// What is remembered of one person's voice.
///
/// Shape: at least one piece, the oldest first. No `Debug`: it must not get into a log by accident.
#[derive(Clone, PartialEq)]
pub struct Voiceprint {
    pieces: Vec<Piece>,
}

impl Voiceprint {
    /// Makes one from what was heard first.
    pub fn new(first: Piece) -> Self {
        Self { pieces: vec![first] }
    }

    /// Returns how many occasions it is made of.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Takes in another occasion; at [`PIECES_MAX`] the oldest learned one leaves, a new sample replaces all of them.
    pub fn learn(&mut self, piece: Piece) {
        match piece.origin {
            Origin::Sample => self.pieces.clear(),
            Origin::Meeting if self.pieces.len() < PIECES_MAX => {}
            Origin::Meeting => {
                let oldest = self.pieces.iter().position(|piece| piece.origin == Origin::Meeting);
                self.pieces.remove(oldest.unwrap_or(0));
            }
        }
        self.pieces.push(piece);
    }

    /// Returns the voice as all occasions together tell it.
    pub fn voice(&self) -> Embedding {
        let weight = |piece: &Piece| piece.speech_ms.clamp(1, WEIGHT_MS_MAX) as f32;
        let weighted = Embedding::weighted(self.pieces.iter().map(|piece| (&piece.voice, weight(piece))));
        weighted.unwrap_or_else(|| self.pieces[0].voice.clone())
    }

    /// Writes it as bytes to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        for piece in &self.pieces {
            bytes.push(match piece.origin {
                Origin::Sample => 0,
                Origin::Meeting => 1,
            });
            bytes.extend(u32::try_from(piece.speech_ms).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(piece.voice.values().iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes
    }

    /// Reads what [`Voiceprint::to_bytes`] wrote; `None` if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&form, rest) = bytes.split_first()?;
        let piece_bytes = PIECE_HEAD_BYTES + 4 * DIMENSIONS;
        let count = rest.len() / piece_bytes;
        if form != FORM || !(1..=PIECES_MAX).contains(&count) || rest.len() != count * piece_bytes {
            return None;
        }
        let pieces: Option<Vec<Piece>> = rest.chunks_exact(piece_bytes).map(piece).collect();
        Some(Self { pieces: pieces? })
    }
}

fn piece(bytes: &[u8]) -> Option<Piece> {
    let (head, numbers) = bytes.split_at(PIECE_HEAD_BYTES);
    let origin = match head[0] {
        0 => Origin::Sample,
        1 => Origin::Meeting,
        _ => return None,
    };
    let speech_ms = u64::from(u32::from_le_bytes(head[1..].try_into().ok()?));
    let numbers = numbers.chunks_exact(4).map(|four| four.try_into().ok().map(f32::from_le_bytes));
    let numbers: Option<Vec<f32>> = numbers.collect();
    Some(Piece { origin, speech_ms, voice: Embedding::new(&numbers?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(origin: Origin, axis: usize, speech_ms: u64) -> Piece {
        let mut values = [0.0; DIMENSIONS];
        values[axis] = 1.0;
        Piece { origin, speech_ms, voice: Embedding::new(&values).expect("an axis is a direction") }
    }

    #[test]
    fn a_voiceprint_is_read_back_as_it_was_written_and_nothing_else_is_read() {
        let mut print = Voiceprint::new(heard(Origin::Sample, 0, 20_000));
        print.learn(heard(Origin::Meeting, 1, 61_000));
        let bytes = print.to_bytes();
        assert!(Voiceprint::from_bytes(&bytes).is_some_and(|read| read == print));
        assert!(Voiceprint::from_bytes(&bytes[..bytes.len() - 1]).is_none());
        assert!(Voiceprint::from_bytes(&bytes[..1]).is_none());
        let mut later = bytes;
        later[0] += 1;
        assert!(Voiceprint::from_bytes(&later).is_none());
    }

    #[test]
    fn what_was_learned_leaves_in_its_order_and_the_sample_stays() {
        let mut print = Voiceprint::new(heard(Origin::Sample, 0, 20_000));
        for axis in 1..=PIECES_MAX + 3 {
            print.learn(heard(Origin::Meeting, axis, 10_000));
        }
        assert_eq!(print.pieces(), PIECES_MAX);
        let voice = print.voice();
        assert!(voice.values()[0] > 0.0 && voice.values()[PIECES_MAX + 3] > 0.0);
        assert_eq!(voice.values()[1], 0.0);
    }

    #[test]
    fn a_new_sample_takes_the_place_of_everything_before_it() {
        let mut print = Voiceprint::new(heard(Origin::Sample, 0, 20_000));
        print.learn(heard(Origin::Meeting, 1, 20_000));
        print.learn(heard(Origin::Sample, 2, 20_000));
        assert_eq!(print.pieces(), 1);
        assert_eq!(print.voice().values()[2], 1.0);
    }

    #[test]
    fn a_long_meeting_outweighs_a_short_sample_only_so_far() {
        let mut print = Voiceprint::new(heard(Origin::Sample, 0, 20_000));
        print.learn(heard(Origin::Meeting, 1, 3_600_000));
        let voice = print.voice();
        assert!((voice.values()[1] / voice.values()[0] - 3.0).abs() < 1e-3);
    }
}
