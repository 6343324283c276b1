use super::scene::{Held, Track};
use super::testing::{timbre, voice};
use super::*;
use crate::speech::segmentation::FRAME_STEP_SAMPLES;

/// Returns windows every 0.4 s of speakers who take turns of `windows` windows, a pause after each.
fn meeting(order: &[usize], windows: u64, spread: f32) -> Voices {
    let mut voices = Voices::default();
    let mut at_ms = 1_000;
    for (stretch, speaker) in order.iter().enumerate() {
        let length_ms = 1_600 + (windows - 1) * 400;
        voices.spans.push(MediaSpan::from_ms(at_ms, at_ms + length_ms));
        for index in 0..windows {
            let start_ms = at_ms + index * 400;
            let span = MediaSpan::from_ms(start_ms, start_ms + 1_600);
            let voice = voice(*speaker, start_ms, spread);
            voices.windows.push(Voiced { span, voice, stretch: stretch as u32 });
        }
        at_ms += length_ms + 700;
    }
    voices
}

fn heard(voices: &Voices, speakers: Speakers) -> Vec<u16> {
    let found = diarize(voices, &Settings { speakers });
    found.turns.iter().map(|turn| turn.speaker.0).collect()
}

const ORDER: [usize; 12] = [3, 1, 3, 0, 1, 0, 3, 1, 0, 1, 3, 0];

#[test]
fn speakers_are_found_and_numbered_in_the_order_in_which_they_first_speak() {
    let voices = meeting(&ORDER, 8, 0.6);
    assert_eq!(heard(&voices, Speakers::Auto), [1, 2, 1, 3, 2, 3, 1, 2, 3, 2, 1, 3]);
    assert_eq!(heard(&voices, Speakers::Given(3)), [1, 2, 1, 3, 2, 3, 1, 2, 3, 2, 1, 3]);
}

#[test]
fn one_speaker_stays_one() {
    let turns = heard(&meeting(&[2; 10], 8, 0.6), Speakers::Auto);
    assert!(turns.iter().all(|speaker| *speaker == 1), "{turns:?}");
    assert_eq!(heard(&meeting(&ORDER, 8, 0.6), Speakers::Given(1)).iter().max(), Some(&1));
}

#[test]
fn the_voice_of_each_speaker_is_returned_with_how_long_they_spoke() {
    let found = diarize(&meeting(&ORDER, 8, 0.6), &Settings::default());
    assert_eq!(found.speakers.len(), 3);
    for (speaker, true_voice) in found.speakers.iter().zip([3, 1, 0]) {
        assert!(speaker.voice.cosine(&voice(true_voice, 7, 0.0)) > 0.95);
        assert_eq!(speaker.speech_ms, 4 * 4_400);
    }
}

#[test]
fn a_recording_without_voices_has_no_turns() {
    assert_eq!(diarize(&Voices::default(), &Settings::default()), Diarization::default());
}

#[test]
fn hardly_any_voice_is_one_speaker() {
    for windows in 1..6 {
        let turns = heard(&meeting(&[0], windows, 0.3), Speakers::Auto);
        assert_eq!(turns, [1], "{windows} windows");
    }
}

#[test]
fn the_same_voices_give_the_same_turns() {
    let voices = meeting(&ORDER, 8, 0.9);
    assert_eq!(diarize(&voices, &Settings::default()), diarize(&voices, &Settings::default()));
}

/// Returns what is seen of 20 s in which two people speak in turn for 5 s each, and both in the last half second of each.
fn scene(hears_overlap: bool) -> (Seen, usize) {
    let frames = 20 * 16_000 / FRAME_STEP_SAMPLES;
    let seconds = |frame: usize| (frame * FRAME_STEP_SAMPLES) as f64 / 16_000.0;
    let speaker = |frame: usize| (seconds(frame) / 5.0) as usize % 2;
    let is_both = |frame: usize| hears_overlap && seconds(frame) % 5.0 >= 4.5;
    let mut seen = Seen::default();
    for frame in 0..frames {
        let mut classes = [0; 7];
        classes[if is_both(frame) { 4 } else { 1 + speaker(frame) }] = 255;
        seen.held.push(Held { speech: true, overlap: is_both(frame) });
        if frame == 0 {
            seen.tracks.push(Track { first: 0, likely: Vec::new() });
        }
        seen.tracks[0].likely.push(classes);
    }
    for index in 0..46 {
        let (start_ms, middle) = (index * 400, (index * 400 + 800) as usize * 16 / FRAME_STEP_SAMPLES);
        let voice = timbre(speaker(middle), index, 0.3);
        seen.windows.push(Voiced { span: MediaSpan::from_ms(start_ms, start_ms + 1_600), voice, stretch: 1 });
    }
    (seen, frames)
}

#[test]
fn two_who_speak_at_once_are_both_there_and_marked() {
    let (seen, _) = scene(true);
    for speakers in [Speakers::Auto, Speakers::Given(2)] {
        let turns = together(&seen, &Settings { speakers });
        let both: Vec<&Turn> = turns.iter().filter(|turn| turn.overlap).collect();
        assert_eq!(turns.iter().map(|turn| turn.speaker.0).max(), Some(2), "{turns:?}");
        for end_ms in [5_000, 10_000, 15_000] {
            let near =
                |turn: &&&Turn| turn.span.overlap_ms(MediaSpan::from_ms(end_ms - 450, end_ms - 50)) >= 300;
            let mut who: Vec<u16> = both.iter().filter(near).map(|turn| turn.speaker.0).collect();
            who.sort_unstable();
            assert_eq!(who, [1, 2], "before {end_ms} ms: {turns:?}");
        }
    }
}

#[test]
fn nobody_overlaps_where_one_speaks_and_one_speaker_never_does() {
    let alone = together(&scene(false).0, &Settings::default());
    assert!(alone.iter().all(|turn| !turn.overlap), "{alone:?}");
    assert_eq!(alone.iter().map(|turn| turn.speaker.0).collect::<Vec<_>>(), [1, 2, 1, 2]);
    let one = together(&scene(true).0, &Settings { speakers: Speakers::Given(1) });
    assert_eq!(one.iter().map(|turn| (turn.speaker.0, turn.overlap)).collect::<Vec<_>>(), [(1, false)]);
}

#[test]
fn a_change_is_cut_where_the_segmentation_hears_it() {
    let turns = together(&scene(false).0, &Settings::default());
    for (turn, start_ms) in turns.iter().zip([0_u64, 5_000, 10_000, 15_000]) {
        assert!(turn.span.start().ms().abs_diff(start_ms) <= 150, "{turns:?}");
    }
}

#[test]
fn speech_without_a_timbre_is_of_one_speaker_and_silence_of_nobody() {
    let (mut seen, frames) = scene(true);
    seen.windows.clear();
    assert!(together(&seen, &Settings::default()).iter().all(|turn| turn.speaker.0 == 1));
    seen.held = vec![Held::default(); frames];
    assert!(together(&seen, &Settings::default()).is_empty());
    assert!(together(&Seen::default(), &Settings { speakers: Speakers::Given(3) }).is_empty());
}
