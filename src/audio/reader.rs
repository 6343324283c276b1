//! One recording as a stream of 16 kHz mono sound: decoded, mixed down, resampled.

use super::decode::{DecodeError, Decoder, Loss, Source};
use super::resample::Resampler;
use super::time::{MediaSpan, MediaTime};
use super::{Block, SAMPLE_RATE_HZ};

/// Below this share of the loudest channel's power the mean of the channels is taken for cancelled.
///
/// Two equal channels give 1; one loud and one silent give 1/4, one of six 1/36: `n²` is taken out before.
const CANCELLED_BELOW: f64 = 0.1;
/// Above this share the channels are trusted again; the distance keeps the choice from flickering.
const AGREED_ABOVE: f64 = 0.5;
/// Blocks quieter than this decide nothing: −60 dB of full scale, as power.
const POWER_MIN: f64 = 1e-6;
/// Most changes of the sample rate; each costs a new filter, and a hostile file has one in every packet.
const RATE_CHANGES_MAX: u32 = 1_000;

/// What became of a recording, up to where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioReport {
    /// Length of the sound given out.
    pub duration: MediaTime,
    /// Length by the container, if it announces or allows to guess one.
    pub expected: Option<MediaTime>,
    /// Sound that a header promises behind the end. Units: milliseconds.
    pub missing_ms: u64,
    /// Packets that could not be decoded and became silence.
    pub damaged_packets: u64,
    /// Everything that is missing or became silence, in order; at most about 1,000 entries.
    pub losses: Vec<Loss>,
}

/// Reads a recording as 16 kHz mono.
///
/// Shape: sample *i* is heard at *i* / 16 ms; the length is that of the recording, see [`Decoder`].
/// Bounds: holds a few seconds of sound, however long the recording is.
pub struct MonoReader {
    decoder: Decoder,
    resampler: Resampler,
    downmix: Downmix,
    mono: Vec<f32>,
    /// The stretch that alone is given out.
    only: Option<MediaSpan>,
    /// Samples heard so far, given out or not.
    heard: u64,
    given: u64,
    rate_changes: u32,
    finished: bool,
}

impl MonoReader {
    /// Recognises a recording.
    ///
    /// Errors: those of [`Decoder::open`].
    pub fn open(source: Box<dyn Source>) -> Result<Self, DecodeError> {
        let decoder = Decoder::open(source)?;
        let resampler = Resampler::new(SAMPLE_RATE_HZ).expect("16 kHz can be resampled to itself");
        Ok(Self {
            decoder,
            resampler,
            downmix: Downmix::default(),
            mono: Vec::new(),
            only: None,
            heard: 0,
            given: 0,
            rate_changes: 0,
            finished: false,
        })
    }

    /// Gives out nothing but this stretch; its first sample is then the first.
    pub fn only(mut self, span: MediaSpan) -> Self {
        self.only = Some(span);
        self
    }

    /// Reads at most so much from now on, instead of 24 hours; [`DecodeError::TooLong`] at the limit.
    pub fn limited(mut self, longest: MediaTime) -> Self {
        self.decoder.limit(longest);
        self
    }

    /// Returns the length the container announces; an estimate where it announces none.
    pub fn expected(&self) -> Option<MediaTime> {
        let whole = self.decoder.expected();
        let Some(span) = self.only else { return whole };
        let end = whole.map_or(span.end(), |whole| whole.min(span.end()));
        Some(MediaTime::from_ms(MediaSpan::new(span.start(), end).len_ms()))
    }

    /// Appends the next stretch of sound to `out`; false when there is no more.
    ///
    /// Shape: at most about three seconds a call; may append nothing and still be true.
    /// Errors: those of [`Decoder::next_block`]; what was appended before is good.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, DecodeError> {
        self.read_beside(out, &mut |_| ())
    }

    /// Appends the next stretch like [`MonoReader::read`], and shows what was decoded for it, every channel.
    ///
    /// Errors: those of [`MonoReader::read`].
    pub fn read_beside(
        &mut self,
        out: &mut Vec<f32>,
        beside: &mut dyn FnMut(&Block),
    ) -> Result<bool, DecodeError> {
        if self.finished {
            return Ok(false);
        }
        let before = out.len();
        let block = self.decoder.next_block().inspect_err(|_| self.finish(out));
        if let Ok(Some(block)) = &block {
            beside(block);
        }
        let more = block.and_then(|block| self.take(block, out));
        self.keep_only(out, before);
        self.given += (out.len() - before) as u64;
        more.map(|more| more && !self.finished)
    }

    /// Takes out of the newest samples, those behind `before`, what lies outside of the stretch that is wished for.
    fn keep_only(&mut self, out: &mut Vec<f32>, before: usize) {
        let from = self.heard;
        self.heard += (out.len() - before) as u64;
        let Some(wanted) = self.only.map(MediaSpan::samples) else { return };
        // Both lie among the newest samples, of which there are a few seconds.
        let place = |sample: u64| before + sample.clamp(from, self.heard).saturating_sub(from) as usize;
        let (first, end) = (place(wanted.start), place(wanted.end));
        out.truncate(end);
        out.drain(before..first.min(end));
        self.finished |= self.heard >= wanted.end;
    }

    /// Tells what is missing and what was repaired, up to here; complete after the last [`MonoReader::read`].
    pub fn report(&self) -> AudioReport {
        let losses = self.decoder.losses().to_vec();
        AudioReport {
            duration: MediaTime::from_sample(self.given),
            expected: self.expected(),
            missing_ms: losses.iter().map(missing_ms).sum(),
            damaged_packets: self.decoder.damaged_packets(),
            losses,
        }
    }

    fn take(&mut self, block: Option<Block>, out: &mut Vec<f32>) -> Result<bool, DecodeError> {
        let Some(block) = block else {
            self.finish(out);
            return Ok(false);
        };
        self.follow_rate(block.rate_hz, out)?;
        self.mono.clear();
        self.downmix.mix(&block, &mut self.mono);
        self.resampler.push(&self.mono, out);
        Ok(true)
    }

    /// Ends the sound at the old rate before the first block at another.
    fn follow_rate(&mut self, rate_hz: u32, out: &mut Vec<f32>) -> Result<(), DecodeError> {
        if rate_hz == self.resampler.rate_hz() {
            return Ok(());
        }
        self.resampler.finish(out);
        self.rate_changes += 1;
        if self.rate_changes > RATE_CHANGES_MAX {
            let value = u64::from(self.rate_changes);
            return Err(DecodeError::AbsurdHeader { field: "changes of the sample rate", value });
        }
        let absurd = |_| DecodeError::AbsurdHeader { field: "sample rate", value: u64::from(rate_hz) };
        self.resampler = Resampler::new(rate_hz).map_err(absurd)?;
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<f32>) {
        self.resampler.finish(out);
        self.finished = true;
    }
}

fn missing_ms(loss: &Loss) -> u64 {
    match loss {
        Loss::Cut { at, promised: Some(promised) } => promised.ms().saturating_sub(at.ms()),
        Loss::Cut { promised: None, .. } | Loss::Damaged { .. } | Loss::Hole { .. } => 0,
    }
}

/// Makes one channel of many, by their equal mean.
///
/// Equal, because in a meeting each microphone may be the one that matters, and because the mean of equals cannot
/// clip. One exception: where the channels cancel each other (one microphone wired the wrong way round) the mean is
/// next to silence, and the loudest channel is taken instead, the same one until they agree again.
#[derive(Default)]
struct Downmix {
    /// The channel that stands for all while they cancel each other.
    instead: Option<usize>,
    /// Power of each channel in the current block.
    powers: Vec<f64>,
}

impl Downmix {
    fn mix(&mut self, block: &Block, mono: &mut Vec<f32>) {
        let channels = usize::from(block.channels);
        if channels == 1 {
            mono.extend_from_slice(&block.samples);
            return;
        }
        let scale = 1.0 / channels as f32;
        mono.extend(block.samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
        self.judge(block, mono);
        if let Some(channel) = self.instead {
            mono.clear();
            mono.extend(block.samples.iter().skip(channel).step_by(channels));
        }
    }

    /// Decides whether the mean can be used.
    fn judge(&mut self, block: &Block, mean: &[f32]) {
        let channels = usize::from(block.channels);
        self.powers.clear();
        self.powers.resize(channels, 0.0);
        for frame in block.samples.chunks_exact(channels) {
            for (power, &sample) in self.powers.iter_mut().zip(frame) {
                *power += f64::from(sample) * f64::from(sample);
            }
        }
        let (loudest, power) = loudest(&self.powers);
        if power > POWER_MIN * mean.len() as f64 {
            let mean_power: f64 = mean.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
            let share = mean_power * (channels * channels) as f64 / power;
            let threshold = if self.instead.is_some() { AGREED_ABOVE } else { CANCELLED_BELOW };
            let channel = self.instead.filter(|&channel| channel < channels).unwrap_or(loudest);
            self.instead = (share < threshold).then_some(channel);
        } else {
            self.instead = self.instead.filter(|&channel| channel < channels);
        }
    }
}

/// Returns the first of the loudest channels, and its power.
fn loudest(powers: &[f64]) -> (usize, f64) {
    let louder = |best: (usize, f64), (index, &power): (usize, &f64)| {
        if power > best.1 { (index, power) } else { best }
    };
    powers.iter().enumerate().fold((0, 0.0), louder)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn mixed(channels: u16, frames: &[&[f32]]) -> Vec<f32> {
        let mut mono = Vec::new();
        let block = Block { samples: frames.concat(), rate_hz: 16_000, channels };
        Downmix::default().mix(&block, &mut mono);
        mono
    }

    #[test]
    fn channels_are_mixed_by_their_equal_mean() {
        assert_eq!(mixed(2, &[&[0.5, 0.25], &[-0.5, 0.0]]), [0.375, -0.25]);
        assert_eq!(mixed(4, &[&[0.4, 0.0, 0.0, 0.0]]), [0.1]);
    }

    #[test]
    fn one_channel_is_left_alone() {
        assert_eq!(mixed(1, &[&[0.5], &[2.0]]), [0.5, 2.0]);
    }

    #[test]
    fn a_microphone_wired_the_wrong_way_round_does_not_silence_the_meeting() {
        assert_eq!(mixed(2, &[&[0.5, -0.49], &[-0.3, 0.29], &[0.2, -0.2]]), [0.5, -0.3, 0.2]);
    }

    #[test]
    fn one_loud_and_one_silent_channel_are_not_taken_for_cancelled() {
        assert_eq!(mixed(2, &[&[0.5, 0.0], &[0.0, 0.0], &[-0.5, 0.0]]), [0.25, 0.0, -0.25]);
    }

    #[test]
    fn the_chosen_channel_stays_the_same_while_levels_change() {
        let mut downmix = Downmix::default();
        for frame in [[0.5, -0.49], [0.3, -0.31], [0.2, -0.21]] {
            let mut mono = Vec::new();
            downmix.mix(&Block { samples: frame.to_vec(), rate_hz: 16_000, channels: 2 }, &mut mono);
            assert_eq!(mono, [frame[0]]);
        }
    }

    #[test]
    fn the_choice_holds_through_silence() {
        let mut downmix = Downmix::default();
        let block = |samples: &[f32]| Block { samples: samples.to_vec(), rate_hz: 16_000, channels: 2 };
        let mut mono = Vec::new();
        downmix.mix(&block(&[0.5, -0.5]), &mut mono);
        mono.clear();
        downmix.mix(&block(&[1e-5, -1e-5]), &mut mono);
        assert_eq!(mono, [1e-5]);
    }

    #[test]
    fn a_stretch_of_a_recording_is_what_the_whole_has_there() {
        // Four seconds of speech.
        let bytes = include_bytes!("../../tests/fixtures/audio/reference.wav");
        let open = || MonoReader::open(Box::new(Cursor::new(bytes))).expect("a recording");
        let read = |mut reader: MonoReader| {
            let mut sound = Vec::new();
            while reader.read(&mut sound).expect("the recording is whole") {}
            assert_eq!(reader.report().duration.sample(), sound.len() as u64);
            sound
        };
        let whole = read(open());
        for (from, until) in [(0, 4_000), (0, 700), (1_234, 2_345), (3_000, 9_000)] {
            let span = MediaSpan::from_ms(from, until);
            let expected =
                &whole[span.samples().start as usize..(span.samples().end as usize).min(whole.len())];
            let reader = open().only(span);
            assert_eq!(reader.expected().map(MediaTime::ms), Some(until.min(4_000) - from));
            assert!(read(reader) == expected, "{from} to {until}");
        }
        assert!(read(open().only(MediaSpan::from_ms(5_000, 6_000))).is_empty());
    }

    #[test]
    fn a_recording_is_read_up_to_the_limit_that_was_set_and_no_further() {
        // Four seconds of speech.
        let bytes = include_bytes!("../../tests/fixtures/audio/reference.wav");
        let heard = |longest_ms| {
            let reader = MonoReader::open(Box::new(Cursor::new(bytes))).expect("a recording");
            let (mut reader, mut sound) = (reader.limited(MediaTime::from_ms(longest_ms)), Vec::new());
            loop {
                match reader.read(&mut sound) {
                    Ok(true) => {}
                    Ok(false) => return (sound.len(), None),
                    Err(error) => return (sound.len(), Some(error)),
                }
            }
        };
        assert!(matches!(heard(4_000), (64_000, None)));
        let (samples, error) = heard(2_500);
        assert!((1..=40_000).contains(&samples), "{samples}");
        assert!(
            matches!(error, Some(DecodeError::TooLong { longest }) if longest.ms() == 2_500),
            "{error:?}"
        );
    }
}
