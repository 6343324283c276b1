//! The outline of a sound, as a waveform shows it: for each stretch its lowest and its highest sample.

/// Most stretches of an outline: a screen has fewer columns.
const STRETCHES_MAX: usize = 4_096;
/// Samples of a stretch at first: a tenth of a second at 16 kHz.
const STRETCH_SAMPLES: u64 = 1_600;

/// An outline that grows with its sound: when it has become too fine it is made half as fine, so its size is bounded.
///
/// Units: 8 bit, 127 being full scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    pairs: Vec<(i8, i8)>,
    stretch: u64,
    /// The stretch under way, and how many samples it has.
    open: (i8, i8),
    open_samples: u64,
}

impl Default for Outline {
    fn default() -> Self {
        Self { pairs: Vec::new(), stretch: STRETCH_SAMPLES, open: (0, 0), open_samples: 0 }
    }
}

impl Outline {
    /// Takes in what follows of the sound.
    pub fn push(&mut self, samples: &[f32]) {
        let mut rest = samples;
        while !rest.is_empty() {
            let room = usize::try_from(self.stretch - self.open_samples).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            for &sample in now {
                // A sample that is no number is silence.
                let level = (sample.clamp(-1.0, 1.0) * 127.0).round() as i8;
                self.open = (self.open.0.min(level), self.open.1.max(level));
            }
            self.open_samples += now.len() as u64;
            if self.open_samples == self.stretch {
                self.close();
            }
            rest = later;
        }
    }

    /// Returns the outline as lowest, highest, lowest, highest …
    ///
    /// Shape: at most twice 4,096 values; the last stretch may be shorter than the others.
    pub fn finish(mut self) -> Vec<i8> {
        if self.open_samples > 0 {
            self.close();
        }
        self.pairs.into_iter().flat_map(|(low, high)| [low, high]).collect()
    }

    fn close(&mut self) {
        self.pairs.push(std::mem::take(&mut self.open));
        self.open_samples = 0;
        if self.pairs.len() == STRETCHES_MAX {
            let both = |pair: &[(i8, i8)]| (pair[0].0.min(pair[1].0), pair[0].1.max(pair[1].1));
            self.pairs = self.pairs.chunks_exact(2).map(both).collect();
            self.stretch *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_its_lowest_and_its_highest_sample() {
        let mut outline = Outline::default();
        outline.push(&[0.0; 1_600]);
        outline.push(&[0.5, -1.0, 2.0, f32::NAN]);
        assert_eq!(outline.finish(), [0, 0, -127, 127]);
    }

    #[test]
    fn how_the_sound_comes_in_makes_no_difference() {
        let sound: Vec<f32> = (0..40_000).map(|at| (at as f32 * 0.01).sin()).collect();
        let mut whole = Outline::default();
        whole.push(&sound);
        let mut pieces = Outline::default();
        sound.chunks(777).for_each(|piece| pieces.push(piece));
        assert_eq!(whole.finish(), pieces.finish());
    }

    #[test]
    fn a_long_sound_is_drawn_coarser_and_loses_no_peak() {
        let mut outline = Outline::default();
        for second in 0..4_000 {
            let mut sound = vec![0.0; 16_000];
            if second == 3_999 {
                sound[15_999] = 1.0;
            }
            outline.push(&sound);
        }
        let drawn = outline.finish();
        assert!(drawn.len() <= 2 * STRETCHES_MAX && drawn.len() > STRETCHES_MAX / 2, "{}", drawn.len());
        assert_eq!(drawn.last(), Some(&127));
    }
}
