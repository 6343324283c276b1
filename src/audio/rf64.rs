//! The head of a WAV file of any length, channels and rate, for sound that is written behind it.
//!
//! Source: Multimedia Programming Interface 1.0 (RIFF); EBU Tech 3306 (RF64) where 32 bits are too few.

/// Bytes of a sample.
const SAMPLE_BYTES: u64 = 2;
/// Bytes of the `fmt ` chunk, its name and length included.
const FORMAT_BYTES: u64 = 24;
/// Bytes of the `ds64` chunk without its name and length.
const LONG_BYTES: u32 = 28;
/// What stands where a length does not fit.
const ELSEWHERE: u32 = u32::MAX;

/// Returns the head of 16-bit sound: `frames` samples of each channel follow it, the channels taking turns.
pub fn head(channels: u16, rate_hz: u32, frames: u64) -> Vec<u8> {
    let data = frames * u64::from(channels) * SAMPLE_BYTES;
    // "WAVE", the format, the name and length of the data, the data.
    let riff = 4 + FORMAT_BYTES + 8 + data;
    match (u32::try_from(riff), u32::try_from(data)) {
        (Ok(riff), Ok(data)) => [
            &b"RIFF"[..],
            &riff.to_le_bytes(),
            b"WAVE",
            &format(channels, rate_hz),
            b"data",
            &data.to_le_bytes(),
        ]
        .concat(),
        (Err(_), _) | (_, Err(_)) => {
            let riff = riff + u64::from(LONG_BYTES) + 8;
            let long =
                [&riff.to_le_bytes()[..], &data.to_le_bytes(), &frames.to_le_bytes(), &[0; 4]].concat();
            let elsewhere = ELSEWHERE.to_le_bytes();
            [
                &b"RF64"[..],
                &elsewhere,
                b"WAVE",
                b"ds64",
                &LONG_BYTES.to_le_bytes(),
                &long,
                &format(channels, rate_hz),
                b"data",
                &elsewhere,
            ]
            .concat()
        }
    }
}

fn format(channels: u16, rate_hz: u32) -> Vec<u8> {
    let frame_bytes = channels * SAMPLE_BYTES as u16;
    let byte_rate = rate_hz * u32::from(frame_bytes);
    let mut chunk = b"fmt ".to_vec();
    chunk.extend(16_u32.to_le_bytes());
    // PCM.
    chunk.extend(1_u16.to_le_bytes());
    chunk.extend(channels.to_le_bytes());
    chunk.extend(rate_hz.to_le_bytes());
    chunk.extend(byte_rate.to_le_bytes());
    chunk.extend(frame_bytes.to_le_bytes());
    chunk.extend(16_u16.to_le_bytes());
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::reader::MonoReader;
    use std::io::Cursor;

    #[test]
    fn what_is_written_behind_the_head_is_heard() {
        let mut file = head(2, 16_000, 3_200);
        file.extend((0..6_400_u32).flat_map(|at| (if at % 2 == 0 { 8_192_i16 } else { 0 }).to_le_bytes()));
        let mut reader = MonoReader::open(Box::new(Cursor::new(file))).expect("it is a recording");
        let mut heard = Vec::new();
        while reader.read(&mut heard).expect("it can be decoded") {}
        assert_eq!(heard.len(), 3_200);
        assert!(heard.iter().all(|sample| (sample - 0.125).abs() < 1e-4), "both channels count");
    }

    #[test]
    fn sound_of_more_than_four_gigabytes_says_its_length_in_64_bits() {
        let head = head(1, 48_000, 3 << 30);
        assert_eq!((&head[..4], &head[12..16]), (&b"RF64"[..], &b"ds64"[..]));
        assert_eq!(u64::from_le_bytes(head[28..36].try_into().expect("eight bytes")), 6 << 30);
        assert_eq!(head.len(), 80);
    }
}
