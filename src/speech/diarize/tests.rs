use super::testing::voice;
use super::*;

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
