//! What breaks around a live meeting: the network, the recogniser, the server's disk. No sample is lost that was heard.

use std::time::Duration;

use gijiroku::store::Id;
use serde_json::{Value, json};

use super::lossy::Lossy;
use super::microphone::{Line, noise};
use super::{House, bytes_of, text, wait};
use crate::capture::desk::Cable;
use crate::faults::served::{Watched, signal};
use crate::support::meeting_sound;

/// Samples that the server has on its disk of the only microphone.
fn stored(view: &Value) -> u64 {
    view["streams"][0]["stored"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn a_network_that_is_cut_in_the_middle_costs_no_sample() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 300));
    let (view, server) = (format!("/v1/live/{id}"), house.served.root.replace("http://", ""));
    let cable = Cable::to(server.parse().expect("it is an address")).await;
    let root = cable.root();
    let place = (root.as_str(), format!("/v1/live/{id}/record"), house.token.as_str());
    let cuts = async {
        let mut before = 0;
        for _ in 0..2 {
            let found = wait(&view, &house.person, |view| stored(view) > before + 16_000).await;
            cable.cut();
            // It tries again and again, with longer and longer pauses, and goes on hearing.
            cable.refuses(3).await;
            cable.mend();
            before = stored(&found);
        }
    };
    let (faults, ()) = tokio::join!(Lossy::steady(place, &sound).record(), cuts);
    assert_eq!((faults.damaged, faults.cut), (0, 0), "it was the network alone: {faults:?}");
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    assert!(house.recordings(&meeting, 1).await[0] == bytes_of(&sound));
}

#[tokio::test]
async fn an_engine_that_is_killed_costs_no_sample_and_captions_go_on() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), true).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting) = (text(&live, "live"), text(&live, "meeting"));
    let sound: Vec<i16> = meeting_sound(70).iter().map(|sample| (sample * 32_767.0) as i16).collect();
    let samples = sound.len() as u64;
    let path = format!("/v1/live/{id}/captions");
    let mut captions =
        Line::open(&house.served.root, &path, Some(&house.token)).await.expect("they may be read");
    let mut microphone = house.microphone(&id, Id::new(), 16_000).await;
    let patience = Duration::from_secs(120);
    let (mut killed, mut at) = (0, 0);
    // The sample meeting has pauses that end an utterance at 20, 55 and 66 seconds.
    for until in [16_000 * 22, 16_000 * 58] {
        microphone.send_all(&sound, at, until).await;
        let heard_until = at * 1_000 / 16_000;
        let is_new = |event: &Value| event["kind"] == "final" && event["end_ms"].as_u64() > Some(heard_until);
        captions.hear_within(patience, is_new).await;
        for engine in house.served.engines() {
            signal("KILL", engine);
            killed += 1;
        }
        at = until;
    }
    assert!(killed >= 2, "{killed} engines were killed");
    microphone.send_all(&sound, at, samples).await;
    let is_last = |event: &Value| event["kind"] == "final" && event["start_ms"].as_u64() > Some(55_000);
    let last = captions.hear_within(patience, is_last).await;
    assert!(text(&last, "text").chars().count() > 2, "{last}");
    microphone.end(samples).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    assert!(house.recordings(&meeting, 1).await[0] == bytes_of(&sound));
}

#[tokio::test]
async fn on_a_full_disk_the_microphone_is_told_and_what_was_acknowledged_is_there() {
    let folder = tempfile::tempdir().expect("there is room");
    let watched = Watched::build(folder.path());
    let mut house = House::watched(folder.path(), &watched).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 8));
    let (name, mut acknowledged) = (Id::new(), 0);
    for (round, is_killed) in [(1, false), (2, true)] {
        let mut microphone = house.microphone(&id, name, 16_000).await;
        assert!(microphone.stored >= acknowledged, "{} of {acknowledged}", microphone.stored);
        let (from, until) = (microphone.stored, round * 32_000);
        microphone.send_all(&sound, from, until).await;
        microphone.stored(until).await;
        acknowledged = until;
        watched.control(0, true);
        microphone.send_all(&sound, until, until + 16_000).await;
        let told =
            microphone.line.hear(|said| said["state"] == "not_stored" || said["type"] == "stored").await;
        assert_eq!(told["state"], "not_stored", "nothing is acknowledged that was not written: {told}");
        assert!(text(&told, "sentence").contains("端末に残り"), "{told}");
        assert_eq!(microphone.line.next().await, None, "the line is closed until there is room");
        if is_killed {
            house = house.kill().await;
        }
        watched.control(0, false);
    }
    let mut microphone = house.microphone(&id, name, 16_000).await;
    assert!(microphone.stored >= acknowledged, "{} of {acknowledged}", microphone.stored);
    let from = microphone.stored;
    microphone.send_all(&sound, from, sound.len() as u64).await;
    microphone.end(sound.len() as u64).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    assert!(house.recordings(&meeting, 1).await[0] == bytes_of(&sound), "no hole, nothing twice");
}
