//! 16-bit 16 kHz mono WAV, the form in which sound leaves and enters the product for people and tests.

use std::io::{Read, Seek, Write};

use super::SAMPLE_RATE_HZ;

/// The most samples one WAV holds: its sizes are 32 bits of bytes, less the header.
const SAMPLES_MAX: u64 = (u32::MAX as u64 - 64) / 2;

/// Why a WAV could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The other side failed or the file is damaged; the caller reports the cause.
    #[error("the wav file could not be written or read")]
    File(#[source] hound::Error),
    /// Another kind of WAV; the caller decodes it as any recording instead.
    #[error("the wav file has {channels} channels of {bits} bits at {rate_hz} Hz, not one of 16 at 16000")]
    OtherFormat {
        /// Samples per frame.
        channels: u16,
        /// Bits per sample.
        bits: u16,
        /// Frames per second.
        rate_hz: u32,
    },
    /// More sound than a WAV can hold (about 37 hours); the caller splits it.
    #[error("{samples} samples do not fit into one wav file")]
    TooLong {
        /// Samples given.
        samples: u64,
    },
}

/// Writes a recording as WAV, piece by piece.
///
/// Errors: [`WavError`]; a file left after an error has a header of the length written so far.
pub struct WavWriter<W: Write + Seek> {
    writer: hound::WavWriter<W>,
    written: u64,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Writes the header.
    pub fn new(sink: W) -> Result<Self, WavError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let writer = hound::WavWriter::new(sink, spec).map_err(WavError::File)?;
        Ok(Self { writer, written: 0 })
    }

    /// Appends 16 kHz mono samples; what lies outside [-1, 1] is clipped, what is no number is silence.
    pub fn write(&mut self, samples: &[f32]) -> Result<(), WavError> {
        let total = self.written + samples.len() as u64;
        if total > SAMPLES_MAX {
            return Err(WavError::TooLong { samples: total });
        }
        for &sample in samples {
            self.writer.write_sample(to_s16(sample)).map_err(WavError::File)?;
        }
        self.written = total;
        Ok(())
    }

    /// Completes the header; without this call a reader finds no sound.
    pub fn finish(self) -> Result<(), WavError> {
        self.writer.finalize().map_err(WavError::File)
    }
}

/// Reads a WAV written by [`WavWriter`].
///
/// Shape: 16 kHz mono in [-1, 1).
/// Errors: [`WavError::OtherFormat`] for any other kind of WAV.
pub fn read(source: impl Read) -> Result<Vec<f32>, WavError> {
    let mut reader = hound::WavReader::new(source).map_err(WavError::File)?;
    let spec = reader.spec();
    let expected = spec.channels == 1
        && spec.bits_per_sample == 16
        && spec.sample_rate == SAMPLE_RATE_HZ
        && spec.sample_format == hound::SampleFormat::Int;
    if !expected {
        let (channels, bits, rate_hz) = (spec.channels, spec.bits_per_sample, spec.sample_rate);
        return Err(WavError::OtherFormat { channels, bits, rate_hz });
    }
    let mut samples = Vec::new();
    for sample in reader.samples::<i16>() {
        samples.push(f32::from(sample.map_err(WavError::File)?) / 32_768.0);
    }
    Ok(samples)
}

/// Full scale is 32,768, as in the decoders, so that what was read is written back unchanged.
fn to_s16(sample: f32) -> i16 {
    // A cast saturates and makes 0 of what is no number.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn written(samples: &[f32]) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file).expect("memory can be written");
        writer.write(samples).expect("memory can be written");
        writer.finish().expect("memory can be written");
        file.into_inner()
    }

    #[test]
    fn every_16_bit_value_survives_writing_and_reading() {
        let samples: Vec<f32> = (i16::MIN..=i16::MAX).map(|value| f32::from(value) / 32_768.0).collect();
        assert_eq!(read(written(&samples).as_slice()).expect("just written"), samples);
    }

    #[test]
    fn samples_outside_the_range_are_clipped_and_no_number_is_silence() {
        let back = read(written(&[2.0, -2.0, f32::NAN, f32::INFINITY]).as_slice()).expect("just written");
        assert_eq!(back, [32_767.0 / 32_768.0, -1.0, 0.0, 32_767.0 / 32_768.0]);
    }

    #[test]
    fn a_wav_of_another_rate_is_refused_by_its_numbers() {
        let mut file = written(&[0.0; 8]);
        // Rate and bytes per second, which have to agree.
        file[24..28].copy_from_slice(&8_000_u32.to_le_bytes());
        file[28..32].copy_from_slice(&16_000_u32.to_le_bytes());
        assert!(matches!(read(file.as_slice()), Err(WavError::OtherFormat { rate_hz: 8_000, .. })));
    }
}
