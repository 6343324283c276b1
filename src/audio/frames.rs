//! Live audio on the wire: numbered, checked frames of 16-bit mono at the microphone's own rate.
//!
//! ```text
//! kind u8 = 1 │ flags u8 │ reserved u16 = 0 │ number u32 │ first_sample u64 │ samples u32 │ crc32 u32 │ s16le …
//! ```
//!
//! All numbers are little-endian. The checksum (IEEE) covers the 20 bytes before it and the samples after it.
//! Sample numbers never jump: where the microphone had a hole, the client puts in silence of the same length and flags
//! the frame behind it, so that a place in the recording stays a time of the meeting.

/// Bytes before the samples.
pub const HEADER_BYTES: usize = 24;
/// The most bytes of one frame: a second at the highest rate a microphone may have.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES + 2 * RATE_HZ_MAX as usize;
/// The lowest rate a microphone may have.
pub const RATE_HZ_MIN: u32 = 8_000;
/// The highest rate a microphone may have.
pub const RATE_HZ_MAX: u32 = 192_000;

const KIND_AUDIO: u8 = 1;
const FLAG_HOLE: u8 = 1;
const CRC_AT: usize = 20;

/// A run of samples on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counts the frames of one connection from 0; wraps.
    pub number: u32,
    /// Place of the first sample in the recording of this microphone.
    pub first_sample: u64,
    /// The microphone gave nothing for a while just before this frame; silence stands there.
    pub hole_before: bool,
    /// 16-bit mono, from one sample to one second.
    pub samples: Vec<i16>,
}

/// Why bytes are no frame; each variant is another thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes changed on their way or are cut short: ask for them again, from what is stored.
    #[error("a frame of {bytes} bytes is damaged")]
    Damaged {
        /// Bytes that came.
        bytes: usize,
    },
    /// The bytes came as they were sent, but this program does not speak that way: close, asking again is of no use.
    #[error("the frame is not of this protocol: {what}")]
    Foreign {
        /// What is not as it must be.
        what: &'static str,
    },
}

impl Frame {
    /// Returns the place behind the last sample.
    pub fn end(&self) -> u64 {
        self.first_sample.saturating_add(self.samples.len() as u64)
    }

    /// Writes the frame, clearing what was in `out`.
    ///
    /// Range: callers keep to one second of samples; the other side refuses more.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(HEADER_BYTES + 2 * self.samples.len());
        out.extend([KIND_AUDIO, if self.hole_before { FLAG_HOLE } else { 0 }, 0, 0]);
        out.extend(self.number.to_le_bytes());
        out.extend(self.first_sample.to_le_bytes());
        out.extend((self.samples.len() as u32).to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let crc = checksum(out);
        out[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a frame of a microphone with `rate_hz`.
    ///
    /// Errors: [`FrameError`]; hostile bytes cost no more memory than they are long.
    pub fn decode(bytes: &[u8], rate_hz: u32) -> Result<Self, FrameError> {
        let damaged = FrameError::Damaged { bytes: bytes.len() };
        if bytes.len() < HEADER_BYTES || word(bytes, CRC_AT) != checksum(bytes) {
            return Err(damaged);
        }
        let foreign = |what| Err(FrameError::Foreign { what });
        if bytes[0] != KIND_AUDIO {
            return foreign("its kind is unknown");
        }
        if bytes[1] & !FLAG_HOLE != 0 || bytes[2..4] != [0, 0] {
            return foreign("it has flags that are unknown");
        }
        let (count, payload) = (word(bytes, 16), &bytes[HEADER_BYTES..]);
        if payload.len() as u64 != 2 * u64::from(count) {
            return foreign("it is not as long as it says");
        }
        if count == 0 || count > rate_hz {
            return foreign("it does not hold one sample to one second");
        }
        let first_sample = u64::from(word(bytes, 8)) | u64::from(word(bytes, 12)) << 32;
        if first_sample.checked_add(u64::from(count)).is_none() {
            return foreign("its place is beyond every recording");
        }
        Ok(Self {
            number: word(bytes, 4),
            first_sample,
            hole_before: bytes[1] & FLAG_HOLE != 0,
            samples: payload.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(),
        })
    }
}

/// Reads four bytes of a header that is whole.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Returns the checksum of a frame without the place where the checksum stands.
fn checksum(frame: &[u8]) -> u32 {
    !crc(crc(!0, &frame[..CRC_AT]), &frame[HEADER_BYTES..])
}

fn crc(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// Remainders of every byte by the reversed polynomial of IEEE 802.3.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ 0xEDB8_8320 } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const RATE_HZ: u32 = 48_000;

    fn frame(samples: Vec<i16>) -> Frame {
        Frame { number: 7, first_sample: 0x1_0000_0002, hole_before: true, samples }
    }

    fn encoded(frame: &Frame) -> Vec<u8> {
        let mut bytes = vec![9; 3];
        frame.encode(&mut bytes);
        bytes
    }

    /// Puts the right checksum on bytes that were changed on purpose.
    fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
        let crc = checksum(&bytes);
        bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn changed(at: usize, value: u8) -> Vec<u8> {
        let mut bytes = encoded(&frame(vec![1, -2]));
        bytes[at] = value;
        signed(bytes)
    }

    #[test]
    fn the_bytes_of_a_frame_are_those_of_the_protocol() {
        let bytes = encoded(&frame(vec![1, -2]));
        let head = [1, 1, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(bytes[..20], head);
        assert_eq!(bytes[24..], [1, 0, 0xFE, 0xFF]);
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        // The check value of CRC-32/ISO-HDLC in every catalogue.
        assert_eq!(!crc(!0, b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn what_is_no_frame_of_this_protocol_is_told_from_damage() {
        for (at, value) in [(0, 2), (1, 2), (2, 1), (3, 1), (16, 3), (16, 0), (19, 0x80)] {
            let found = Frame::decode(&changed(at, value), RATE_HZ);
            assert!(matches!(found, Err(FrameError::Foreign { .. })), "{at}: {found:?}");
        }
        assert_eq!(Frame::decode(&[], RATE_HZ), Err(FrameError::Damaged { bytes: 0 }));
        assert_eq!(Frame::decode(&[1; 23], RATE_HZ), Err(FrameError::Damaged { bytes: 23 }));
    }

    #[test]
    fn a_frame_holds_one_second_and_not_a_sample_more() {
        assert!(Frame::decode(&encoded(&frame(vec![0; 48_000])), RATE_HZ).is_ok());
        assert!(Frame::decode(&encoded(&frame(vec![0; 48_001])), RATE_HZ).is_err());
        assert!(Frame::decode(&encoded(&frame(Vec::new())), RATE_HZ).is_err());
    }

    #[test]
    fn a_place_beyond_every_recording_is_refused() {
        let late = Frame { first_sample: u64::MAX - 1, ..frame(vec![1, 2]) };
        assert!(Frame::decode(&encoded(&late), RATE_HZ).is_err());
        let last = Frame { first_sample: u64::MAX - 2, ..frame(vec![1, 2]) };
        assert_eq!(Frame::decode(&encoded(&last), RATE_HZ), Ok(last));
    }

    proptest! {
        #[test]
        fn a_frame_comes_back_as_it_went(
            number: u32,
            first_sample in 0..1_u64 << 50,
            hole_before: bool,
            samples in vec(any::<i16>(), 1..2_000),
        ) {
            let frame = Frame { number, first_sample, hole_before, samples };
            prop_assert_eq!(Frame::decode(&encoded(&frame), RATE_HZ), Ok(frame));
        }

        #[test]
        fn any_changed_bit_is_noticed(samples in vec(any::<i16>(), 1..200), place: usize) {
            let mut bytes = encoded(&frame(samples));
            let bit = place % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let damaged = FrameError::Damaged { bytes: bytes.len() };
            prop_assert_eq!(Frame::decode(&bytes, RATE_HZ), Err(damaged));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..100)) {
            let _ = Frame::decode(&bytes, RATE_HZ);
            if bytes.len() >= HEADER_BYTES {
                let _ = Frame::decode(&signed(bytes), RATE_HZ);
            }
        }
    }
}
