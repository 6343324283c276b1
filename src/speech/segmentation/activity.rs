//! What the network says of a window, and what it means.

/// Speakers that one window can tell apart.
pub const SPEAKERS: usize = 3;

/// Combinations of speakers that the network knows.
pub const CLASSES: usize = 7;

/// Who speaks in each class.
///
/// Source: the powerset of three speakers of whom at most two speak at once, in the order of the published network.
const POWERSET: [[bool; SPEAKERS]; CLASSES] = [
    [false, false, false],
    [true, false, false],
    [false, true, false],
    [false, false, true],
    [true, true, false],
    [true, false, true],
    [false, true, true],
];

/// Returns which speakers speak in a class.
///
/// Range: panics from [`CLASSES`] on.
pub fn speakers_of(class: usize) -> [bool; SPEAKERS] {
    POWERSET[class]
}

/// What the network says of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Log-probabilities of nobody, 1, 2, 3, 1 and 2, 1 and 3, 2 and 3, frame after frame.
    pub frames: Vec<[f32; CLASSES]>,
}

impl Activity {
    /// Returns who speaks in each frame: the likeliest combination.
    pub fn speakers(&self) -> Vec<[bool; SPEAKERS]> {
        self.frames.iter().map(|frame| POWERSET[likeliest(frame)]).collect()
    }

    /// Returns how likely each speaker speaks in each frame, alone or with another: three tracks.
    ///
    /// Range: 0 to 1.
    pub fn probabilities(&self) -> Vec<[f32; SPEAKERS]> {
        self.frames.iter().map(marginal).collect()
    }
}

fn likeliest(frame: &[f32; CLASSES]) -> usize {
    (1..CLASSES).fold(0, |best, class| if frame[class] > frame[best] { class } else { best })
}

fn marginal(frame: &[f32; CLASSES]) -> [f32; SPEAKERS] {
    let mut tracks = [0.0; SPEAKERS];
    for (log, class) in frame.iter().zip(&POWERSET) {
        let probability = log.exp();
        for (track, speaks) in tracks.iter_mut().zip(class) {
            *track += if *speaks { probability } else { 0.0 };
        }
    }
    tracks.map(|track| track.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(class: usize) -> [f32; CLASSES] {
        let mut frame = [-20.0; CLASSES];
        frame[class] = 0.0;
        frame
    }

    #[test]
    fn each_class_stands_for_another_combination_and_never_for_three_speakers() {
        for class in 0..CLASSES {
            let activity = Activity { frames: vec![certain(class)] };
            assert_eq!(activity.speakers(), [speakers_of(class)]);
            assert!((class + 1..CLASSES).all(|other| speakers_of(other) != speakers_of(class)));
            assert!(speakers_of(class).iter().filter(|speaks| **speaks).count() <= 2);
            let tracks = activity.probabilities()[0];
            for (track, speaks) in tracks.iter().zip(speakers_of(class)) {
                assert_eq!(*track > 0.5, speaks, "class {class}");
            }
        }
    }

    #[test]
    fn a_speaker_is_as_likely_as_the_classes_with_them_together() {
        let even = [(1.0_f32 / 7.0).ln(); CLASSES];
        let tracks = Activity { frames: vec![even] }.probabilities();
        assert!(tracks[0].iter().all(|track| (track - 3.0 / 7.0).abs() < 1e-6), "{tracks:?}");
    }
}
