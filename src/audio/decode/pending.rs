//! Sound on its way out: silence that stands in for a loss, then what a packet became.

use symphonia::core::audio::GenericAudioBufferRef;

use crate::audio::Block;

/// Decoded sound not yet handed out.
#[derive(Default)]
pub(super) struct Pending {
    silence: Silence,
    samples: Vec<f32>,
    /// Samples already handed out or skipped.
    given: usize,
    pub(super) rate_hz: u32,
    pub(super) channels: u16,
}

#[derive(Default)]
struct Silence {
    frames: u64,
    rate_hz: u32,
    channels: u16,
}

impl Pending {
    /// Puts a decoded packet in place of the one handed out.
    pub(super) fn replace(&mut self, sound: &GenericAudioBufferRef<'_>) {
        sound.copy_to_vec_interleaved(&mut self.samples);
        self.samples.iter_mut().for_each(|sample| *sample = in_range(*sample));
        self.given = 0;
        self.rate_hz = sound.spec().rate();
        self.channels = u16::try_from(sound.spec().channels().count()).unwrap_or(u16::MAX);
    }

    /// Forgets the packet, after a failure that may have left half of it.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.given = 0;
    }

    /// Drops up to `frames` at the front of the packet and returns how many.
    pub(super) fn skip(&mut self, frames: u64) -> u64 {
        let skipped = frames.min(self.frames());
        self.given += skipped as usize * usize::from(self.channels);
        skipped
    }

    /// Keeps no more than `frames` of the packet.
    pub(super) fn shorten(&mut self, frames: u64) {
        let kept = frames.min(self.frames()) as usize * usize::from(self.channels);
        self.samples.truncate(self.given + kept);
    }

    /// Returns the frames of the packet still inside.
    pub(super) fn frames(&self) -> u64 {
        let samples = self.samples.len() - self.given;
        samples.checked_div(usize::from(self.channels)).unwrap_or(0) as u64
    }

    /// Adds silence before the packet.
    pub(super) fn add_silence(&mut self, frames: u64, rate_hz: u32, channels: u16) {
        self.silence.frames += frames;
        self.silence.rate_hz = rate_hz;
        self.silence.channels = channels;
    }

    /// Takes the next block of at most one second.
    pub(super) fn next_block(&mut self) -> Option<Block> {
        self.silence.next_block().or_else(|| self.next_sound())
    }

    fn next_sound(&mut self) -> Option<Block> {
        let frames = self.frames().min(u64::from(self.rate_hz)) as usize;
        let end = self.given + frames * usize::from(self.channels);
        if frames == 0 {
            return None;
        }
        let samples = self.samples[self.given..end].to_vec();
        self.given = end;
        Some(Block { samples, rate_hz: self.rate_hz, channels: self.channels })
    }
}

impl Silence {
    fn next_block(&mut self) -> Option<Block> {
        let frames = self.frames.min(u64::from(self.rate_hz));
        if frames == 0 {
            return None;
        }
        self.frames -= frames;
        let samples = vec![0.0; frames as usize * usize::from(self.channels)];
        Some(Block { samples, rate_hz: self.rate_hz, channels: self.channels })
    }
}

/// Keeps the promise of [`Block`]: float recordings hold louder samples, and such that are no number.
fn in_range(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}
