//! Microphones that are not there when their meeting ends, and what they bring when they come back.

use std::time::{Duration, Instant};

use gijiroku::store::Id;
use serde_json::{Value, json};

use super::microphone::noise;
use super::{House, bytes_of, text, wait};

#[tokio::test]
async fn a_microphone_that_vanished_holds_the_recording_up_for_seconds_and_what_it_kept_comes_behind() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 120));
    let name = Id::new();
    let mut microphone = house.microphone(&id, name, 16_000).await;
    microphone.send_all(&sound, 0, 16_000).await;
    microphone.stored(16_000).await;
    drop(microphone);
    // It goes on hearing, with nobody to tell.
    let is_later = |view: &Value| view["recorded_ms"].as_u64() >= Some(3_000);
    wait(&format!("/v1/live/{id}"), &house.person, is_later).await;
    let ended = Instant::now();
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    let sounds = house.recordings(&meeting, 1).await;
    assert!(ended.elapsed() < Duration::from_secs(60), "{:?}", ended.elapsed());
    assert!(sounds[0] == bytes_of(&sound[..16_000]), "what had come is whole");

    // It knows nothing of the end, and has two minutes by now.
    let mut microphone = house.microphone(&id, name, 16_000).await;
    assert_eq!(microphone.stored, 16_000);
    microphone.send_all(&sound, 16_000, sound.len() as u64).await;
    microphone.line.hear_type("ended").await;
    let sounds = house.recordings(&meeting, 2).await;
    let late = &sounds[1];
    assert!(*late == bytes_of(&sound[16_000..])[..late.len()], "it goes on where the first one ended");
    let seconds = late.len() as f64 / 32_000.0;
    assert!((1.5..60.0).contains(&seconds), "up to the end of the meeting, and no further: {seconds} s");
}

#[tokio::test]
async fn a_microphone_that_came_back_and_said_nothing_may_come_back_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 2));
    let (name, view) = (Id::new(), format!("/v1/live/{id}"));
    let mut microphone = house.microphone(&id, name, 16_000).await;
    microphone.send_all(&sound, 0, 16_000).await;
    microphone.end(16_000).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    house.recordings(&meeting, 1).await;
    for _ in 0..2 {
        drop(house.microphone(&id, name, 16_000).await);
        wait(&view, &house.person, |view| view["streams"] == json!([])).await;
    }
    let mut microphone = house.microphone(&id, name, 16_000).await;
    microphone.send_all(&sound, 16_000, 32_000).await;
    microphone.end(32_000).await;
    let sounds = house.recordings(&meeting, 2).await;
    assert!(sounds[1] == bytes_of(&sound[16_000..]));
}
