//! Who speaks in a live meeting: a guess while it goes on, and afterwards by the microphone where there was one a person.

use std::time::Duration;

use gijiroku::store::Id;
use serde_json::{Value, json};

use super::microphone::{Line, Microphone};
use super::{House, text, wait};
use crate::support::meeting_sound;

const RATE_HZ: u64 = 16_000;

fn is_listened_to(event: &Value) -> bool {
    event["recognition"] == "running" || event["status"]["recognition"] == "running"
}

async fn captions(house: &House, id: &str) -> Line {
    let path = format!("/v1/live/{id}/captions");
    let mut line =
        Line::open(&house.served.root, &path, Some(&house.token)).await.expect("captions may be read");
    line.hear_within(Duration::from_secs(120), is_listened_to).await;
    line
}

fn pcm(sound: &[f32]) -> Vec<i16> {
    sound.iter().map(|sample| (sample * 32_767.0) as i16).collect()
}

#[tokio::test]
async fn sentences_bear_a_provisional_speaker_while_the_meeting_goes_on() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), true).await;
    let id = text(&house.begin(json!({ "title": "定例会" })).await, "live");
    let sound = pcm(&meeting_sound(20));
    let mut microphone = house.microphone(&id, Id::new(), 16_000).await;
    let mut captions = captions(&house, &id).await;
    microphone.send_all(&sound, 0, sound.len() as u64).await;
    let is_said_by = |event: &Value| event["kind"] == "final" && event["speaker"].is_u64();
    let first = captions.hear_within(Duration::from_secs(120), is_said_by).await;
    assert_eq!(first["speaker"], 1, "who speaks first is the first: {first}");
    let lines = house.person.get(&format!("/v1/live/{id}/lines")).await.json;
    let lines = lines.as_array().expect("a list");
    let again = lines.iter().find(|line| line["line"] == first["line"]).expect("it is kept");
    assert_eq!(again["speaker"], 1);
}

/// Lets two people speak one after the other, each into a microphone of their own that hears the other one softly.
async fn two_people(house: &House, id: &str) -> [Vec<i16>; 2] {
    let said = meeting_sound(30);
    let half = said.len() / 2;
    let softly = |place: usize, own: bool| if (place < half) == own { 1.0 } else { 0.1 };
    let heard = |own: bool| {
        let at = |(place, sample): (usize, &f32)| sample * softly(place, own);
        pcm(&said.iter().enumerate().map(at).collect::<Vec<_>>())
    };
    let sounds = [heard(true), heard(false)];
    let mut microphones = Vec::new();
    // Both programs call their only microphone the first.
    let path = format!("/v1/live/{id}/record?stream=0");
    for _ in &sounds {
        microphones.push(Microphone::on(&house.served.root, &path, &house.token, (Id::new(), 16_000)).await);
    }
    // A second at a time from both, so that both begin at the same moment.
    let samples = said.len() as u64;
    for from in (0..samples).step_by(RATE_HZ as usize) {
        for (microphone, sound) in microphones.iter_mut().zip(&sounds) {
            microphone.send_all(sound, from, (from + RATE_HZ).min(samples)).await;
        }
    }
    for microphone in &mut microphones {
        microphone.end(samples).await;
    }
    sounds
}

#[tokio::test]
async fn with_one_microphone_a_person_the_channel_is_the_speaker_and_what_a_neighbour_hears_does_not_count() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), true).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting) = (text(&live, "live"), text(&live, "meeting"));
    let sounds = two_people(&house, &id).await;
    let view = house.person.get(&format!("/v1/live/{id}")).await.json;
    let streams = view["streams"].as_array().expect("a list").iter();
    assert_eq!(streams.map(|stream| stream["stream"].clone()).collect::<Vec<_>>(), [json!(0), json!(1)]);
    let of_both = |lines: &Value| {
        let lines = lines.as_array().expect("a list");
        (0..2).all(|stream| lines.iter().any(|line| line["stream"] == stream))
    };
    let lines = wait(&format!("/v1/live/{id}/lines"), &house.person, of_both).await;
    for line in lines.as_array().expect("a list") {
        assert_eq!(line["speaker"].as_u64(), line["stream"].as_u64().map(|stream| stream + 1), "{line}");
    }
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    let recorded = house.recordings(&meeting, 1).await;
    let frames = recorded[0].len() / 4;
    assert!(frames.abs_diff(sounds[0].len()) < 2 * RATE_HZ as usize, "two channels, side by side: {frames}");
    let jobs = house.person.get(&format!("/v1/meetings/{meeting}/jobs")).await.json;
    assert_eq!(jobs[0]["speakers"], "channels");
    let minutes = wait(&format!("/v1/meetings/{meeting}/minutes"), &house.person, |json| {
        json["minutes"]["blocks"].is_array()
    })
    .await;
    let document = &minutes["minutes"];
    let names = document["speakers"].as_array().expect("minutes list their speakers").iter();
    let names: Vec<&Value> = names.map(|speaker| &speaker["name"]).collect();
    assert_eq!(names, [&json!("話者1"), &json!("話者2")]);
    let said = document["blocks"].as_array().expect("minutes have blocks").iter();
    let said: Vec<&Value> = said.filter(|block| block["kind"] == "utterance").collect();
    let first = document["speakers"][0]["id"].clone();
    let half_ms = 15_000;
    for utterance in &said {
        let (start, end) = (utterance["start_ms"].as_u64(), utterance["end_ms"].as_u64());
        let (start, end) = (start.expect("it begins"), end.expect("it ends"));
        if end + 500 < half_ms || start > half_ms + 500 {
            let is_first = utterance["speaker"] == first;
            assert_eq!(is_first, end < half_ms, "{utterance}");
        }
    }
    assert!(said.len() > 2, "{}", said.len());
}

#[tokio::test]
async fn a_microphone_that_took_over_from_a_closed_page_is_no_further_person() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let live = house.begin(json!({ "title": "定例会" })).await;
    let (id, meeting) = (text(&live, "live"), text(&live, "meeting"));
    let sound = pcm(&meeting_sound(2));
    let mut first = house.microphone(&id, Id::new(), 16_000).await;
    first.send_all(&sound, 0, 16_000).await;
    first.end(16_000).await;
    // The other one begins when the first has heard nothing for a while.
    let mut second = house.microphone(&id, Id::new(), 16_000).await;
    let is_later = |view: &Value| view["recorded_ms"].as_u64() >= Some(2_500);
    wait(&format!("/v1/live/{id}"), &house.person, is_later).await;
    second.send_all(&sound, 0, 16_000).await;
    second.end(16_000).await;
    house.person.post(&format!("/v1/live/{id}/end"), json!({})).await;
    house.recordings(&meeting, 1).await;
    let jobs = house.person.get(&format!("/v1/meetings/{meeting}/jobs")).await.json;
    assert_eq!(jobs[0]["speakers"], "auto");
}
