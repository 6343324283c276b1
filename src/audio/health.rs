//! Is the microphone set well? Level and clipping of the last half minute become one piece of advice.
//!
//! Advice is about speech, so it needs some: a quiet room is neither too low nor good. Speech is told from the room by
//! being well above its floor, which needs no detector and works on the smallest machine.

use serde::{Deserialize, Serialize};

/// What people do about the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// 小さすぎる: go nearer, or raise the level.
    TooLow,
    /// 適正: leave it.
    Good,
    /// 大きすぎる: go farther away, or lower the level.
    TooLoud,
    /// 音割れ: what was cut off is lost; lower the level at once.
    Clipping,
}

impl Advice {
    /// Returns the word that people are shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLow => "小さすぎる",
            Self::Good => "適正",
            Self::TooLoud => "大きすぎる",
            Self::Clipping => "大きすぎる (音割れ)",
        }
    }
}

/// Blocks that are remembered: half a minute, long enough for somebody to have spoken.
const BLOCKS_MAX: usize = 300;
/// Blocks a second.
const BLOCKS_PER_SECOND: u32 = 10;
/// A second of sound is the least that anything can be said about.
const BLOCKS_MIN: usize = 10;
/// Speech stands this far above the room. Source: start value; a whisper beside a fan.
const SPEECH_OVER_ROOM_DB: f32 = 8.0;
/// The loudest tenth of good speech is louder than this.
///
/// Source: start value: 16-bit sound 40 dB below full scale keeps 56 dB over its own rounding noise.
const LOW_DBFS: f32 = -42.0;
/// The loudest tenth of good speech is not louder than this. Source: its peaks lie some 12 dB higher.
const LOUD_DBFS: f32 = -12.0;
/// A sample so near full scale was cut off if its neighbours were, too.
const CLIP: u16 = 32_700;
/// Neighbours at full scale that make a cut. Source: two may be a true peak.
const CLIP_RUN: u32 = 3;
/// Cuts are told for five seconds.
const CLIP_BLOCKS: u64 = 50;
/// Other advice must stand this long before it replaces what was told: two seconds.
const STEADY_BLOCKS: u32 = 20;
/// What digital silence counts as.
pub const SILENCE_DBFS: f32 = -96.0;

/// Level of the newest tenth of a second.
///
/// Units: dB below full scale, a square wave at full scale being 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Its mean power.
    pub rms_dbfs: f32,
    /// Its greatest sample.
    pub peak_dbfs: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Filling {
    samples: u32,
    power: f64,
    peak: u16,
    clipped: bool,
}

/// Listens to a microphone.
#[derive(Debug, Clone)]
pub struct Health {
    block_samples: u32,
    filling: Filling,
    /// Consecutive samples at full scale, across blocks.
    clip_run: u32,
    /// Power of the last blocks in dBFS, the newest at `blocks % BLOCKS_MAX - 1`.
    levels: Vec<f32>,
    blocks: u64,
    clipped_at: Option<u64>,
    newest: Level,
    told: Option<Advice>,
    other: Option<Advice>,
    other_blocks: u32,
}

impl Health {
    /// Begins to listen to a microphone with `rate_hz`.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            block_samples: (rate_hz / BLOCKS_PER_SECOND).max(1),
            filling: Filling::default(),
            clip_run: 0,
            levels: Vec::with_capacity(BLOCKS_MAX),
            blocks: 0,
            clipped_at: None,
            newest: Level { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS },
            told: None,
            other: None,
            other_blocks: 0,
        }
    }

    /// Hears samples, in the order of time.
    pub fn hear(&mut self, samples: &[i16]) {
        for sample in samples {
            let size = sample.unsigned_abs();
            self.clip_run = if size >= CLIP { self.clip_run + 1 } else { 0 };
            self.filling.clipped |= self.clip_run >= CLIP_RUN;
            self.filling.power += f64::from(size) * f64::from(size);
            self.filling.peak = self.filling.peak.max(size);
            self.filling.samples += 1;
            if self.filling.samples == self.block_samples {
                self.end_block();
            }
        }
    }

    /// Returns the level of the newest tenth of a second.
    pub fn level(&self) -> Level {
        self.newest
    }

    /// Returns what to do; nothing while nobody has spoken.
    pub fn advice(&self) -> Option<Advice> {
        self.told
    }

    /// Tells whether half a minute was nothing but zeros: the microphone is muted or not plugged in.
    pub fn is_mute(&self) -> bool {
        self.levels.len() == BLOCKS_MAX && self.levels.iter().all(|level| *level <= SILENCE_DBFS)
    }

    fn end_block(&mut self) {
        let Filling { samples, power, peak, clipped } = std::mem::take(&mut self.filling);
        let rms = (power / f64::from(samples)).sqrt();
        self.newest = Level { rms_dbfs: dbfs(rms), peak_dbfs: dbfs(f64::from(peak)) };
        let place = (self.blocks % BLOCKS_MAX as u64) as usize;
        match self.levels.get_mut(place) {
            Some(level) => *level = self.newest.rms_dbfs,
            None => self.levels.push(self.newest.rms_dbfs),
        }
        self.blocks += 1;
        if clipped {
            self.clipped_at = Some(self.blocks);
        }
        self.settle();
    }

    /// Replaces the advice when another has stood long enough; a cut is told at once.
    fn settle(&mut self) {
        let now = self.judged();
        self.other_blocks = if now == self.other { self.other_blocks + 1 } else { 1 };
        self.other = now;
        if now == Some(Advice::Clipping) || (now.is_some() && self.other_blocks >= STEADY_BLOCKS) {
            self.told = now;
        }
    }

    fn judged(&self) -> Option<Advice> {
        if self.clipped_at.is_some_and(|at| self.blocks - at < CLIP_BLOCKS) {
            return Some(Advice::Clipping);
        }
        if self.levels.len() < BLOCKS_MIN {
            return None;
        }
        let mut sorted = self.levels.clone();
        sorted.sort_by(f32::total_cmp);
        let (room, speech) = (sorted[sorted.len() / 10], sorted[sorted.len() - 1 - sorted.len() / 10]);
        if speech - room < SPEECH_OVER_ROOM_DB {
            return None;
        }
        Some(match speech {
            speech if speech < LOW_DBFS => Advice::TooLow,
            speech if speech > LOUD_DBFS => Advice::TooLoud,
            _ => Advice::Good,
        })
    }
}

fn dbfs(size: f64) -> f32 {
    ((20.0 * (size / 32_768.0).log10()) as f32).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const RATE_HZ: u32 = 16_000;

    /// Sound like speech: half a second of a tone, half a second of a quiet room.
    fn speech(seconds: u32, peak: f64) -> Vec<i16> {
        let sample = |index: u32| {
            let speaks = (index / (RATE_HZ / 2)).is_multiple_of(2);
            let wave = (f64::from(index) * 0.13).sin() * if speaks { peak } else { peak / 300.0 };
            (wave * 32_768.0) as i16
        };
        (0..seconds * RATE_HZ).map(sample).collect()
    }

    fn advice(sound: &[i16]) -> Option<Advice> {
        let mut health = Health::new(RATE_HZ);
        health.hear(sound);
        health.advice()
    }

    #[test]
    fn advice_follows_the_loudness_of_speech() {
        assert_eq!(advice(&speech(10, 0.003)), Some(Advice::TooLow));
        assert_eq!(advice(&speech(10, 0.1)), Some(Advice::Good));
        assert_eq!(advice(&speech(10, 0.9)), Some(Advice::TooLoud));
        assert_eq!(advice(&speech(10, 1.5)), Some(Advice::Clipping));
    }

    #[test]
    fn nothing_is_said_about_a_room_in_which_nobody_speaks() {
        let fan: Vec<i16> = (0..RATE_HZ * 10).map(|index| (index * 7919 % 61) as i16 - 30).collect();
        assert_eq!(advice(&fan), None);
        assert_eq!(advice(&vec![0; RATE_HZ as usize * 10]), None);
    }

    #[test]
    fn a_full_scale_peak_is_no_cut_but_three_in_a_row_are() {
        let mut sound = speech(10, 0.1);
        let middle = sound.len() - 100;
        sound[middle..middle + 2].fill(i16::MAX);
        assert_eq!(advice(&sound), Some(Advice::Good));
        sound[middle..middle + 3].fill(i16::MIN);
        assert_eq!(advice(&sound), Some(Advice::Clipping));
    }

    #[test]
    fn a_cut_is_forgotten_after_some_seconds_of_good_sound() {
        let mut health = Health::new(RATE_HZ);
        health.hear(&[i16::MAX; 5]);
        health.hear(&speech(4, 0.1));
        assert_eq!(health.advice(), Some(Advice::Clipping));
        health.hear(&speech(5, 0.1));
        assert_eq!(health.advice(), Some(Advice::Good));
    }

    #[test]
    fn a_microphone_that_gives_only_zeros_is_called_mute_after_half_a_minute() {
        let mut health = Health::new(RATE_HZ);
        health.hear(&vec![0; RATE_HZ as usize * 29]);
        assert!(!health.is_mute());
        health.hear(&vec![0; RATE_HZ as usize]);
        assert!(health.is_mute());
        health.hear(&[1; 1600]);
        assert!(!health.is_mute());
    }

    #[test]
    fn one_shout_does_not_change_the_advice() {
        let mut health = Health::new(RATE_HZ);
        health.hear(&speech(20, 0.1));
        health.hear(&speech(1, 0.9));
        assert_eq!(health.advice(), Some(Advice::Good));
    }

    proptest! {
        #[test]
        fn the_size_of_the_pieces_does_not_matter(cuts in vec(1..5_000_usize, 1..40)) {
            let sound = speech(3, 0.05);
            let (mut whole, mut pieces) = (Health::new(RATE_HZ), Health::new(RATE_HZ));
            whole.hear(&sound);
            let mut rest = sound.as_slice();
            for cut in cuts.into_iter().cycle() {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.hear(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(whole.level(), pieces.level());
            prop_assert_eq!(whole.advice(), pieces.advice());
        }
    }
}
