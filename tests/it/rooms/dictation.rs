//! Whoever dictates and loses their seat in the middle loses neither a letter nor a sample.

use gijiroku::store::Id;
use reqwest::Method;
use serde_json::{Value, json};

use super::microphone::noise;
use super::{House, bytes_of, text};
use crate::office::Answer;
use crate::papers::meeting_with;

/// What is written while it is dictated: nothing may come back normalised, trimmed or shortened.
const BEFORE: &str = "前の文　全角の空白と末尾の空白 ";
const AFTER: &str = "後の文「引用」\u{3099}か\u{3099}、𠮷野家。\u{200d}👩\u{200d}👧";

struct Dictation<'a> {
    house: &'a House,
    minutes: String,
    block: Value,
    seat: String,
}

impl Dictation<'_> {
    async fn write(&self, words: &str, base: u64) -> Answer {
        let ops = json!([{ "op": "set_text", "block": self.block, "text": words }]);
        let body = json!({ "base_revision": base, "request_id": Id::new(), "ops": ops });
        let request = self.house.person.request(Method::PATCH, &self.minutes).json(&body);
        self.house.person.send_once(request.header("seat", &self.seat)).await
    }

    async fn written(&self) -> String {
        let minutes = self.house.person.get(&self.minutes).await.json;
        text(&minutes["minutes"]["blocks"][0], "text")
    }
}

#[tokio::test]
async fn i17_a_seat_taken_back_in_the_middle_of_a_dictation_costs_no_letter_and_no_sample() {
    let folder = tempfile::tempdir().expect("there is room");
    let house = House::open(folder.path(), false).await;
    let person = &house.person;
    let live = house.begin(json!({ "title": "口述" })).await;
    let (id, recorded, sound) = (text(&live, "live"), text(&live, "meeting"), noise(16_000 * 12));
    let mut microphone = house.microphone(&id, Id::new(), 16_000).await;
    let written = meeting_with(person, &[(1, "ただいまから会議を開きます。")]).await;
    let minutes = format!("{written}/minutes");
    let block = person.get(&minutes).await.json["minutes"]["blocks"][0]["id"].clone();
    let seat = person.take_seat(&crate::papers::id(&written).to_string()).await;
    let dictation = Dictation { house: &house, minutes, block, seat };
    microphone.send_all(&sound, 0, 64_000).await;
    microphone.stored(64_000).await;
    let first = dictation.write(BEFORE, 1).await;
    assert_eq!(first.status, 200, "{:?}", first.json);

    // One person, one seat: it is the one the recording runs on, and must be named as what it is to be taken.
    let lease = dictation.seat.split('.').next().expect("a seat is two numbers").to_owned();
    let reason = json!({ "reason": "退庁後の使用" });
    let refused = person.post(&format!("/v1/seats/{lease}/revoke"), reason.clone()).await;
    assert_eq!(refused.status, 409, "{:?}", refused.json);
    microphone.send_all(&sound, 64_000, 96_000).await;
    let ended = person.post(&format!("/v1/seats/{lease}/end-recording"), reason).await;
    assert_eq!(ended.status, 204, "{:?}", ended.json);

    let lost = dictation.write(AFTER, 2).await;
    assert_eq!(
        (lost.status.as_u16(), lost.json["code"].as_str()),
        (412, Some("seat_lost")),
        "{:?}",
        lost.json
    );
    assert!(text(&lost.json, "title").contains("退庁後の使用"), "{:?}", lost.json);
    // The microphone was never asked for a seat: what is heard after it is stored like what was heard before.
    microphone.send_all(&sound, 96_000, 192_000).await;
    microphone.end(192_000).await;
    assert_eq!(person.post(&format!("/v1/live/{id}/end"), json!({})).await.status, 200);

    assert_eq!(dictation.written().await.as_bytes(), BEFORE.as_bytes());
    let drafts = person.get(&format!("{written}/drafts")).await.json;
    assert_eq!(drafts.as_array().map(Vec::len), Some(1));
    assert_eq!(text(&drafts[0]["ops"][0], "text").as_bytes(), AFTER.as_bytes());
    assert_eq!(drafts[0]["id"], lost.json["facts"]["draft"]);
    let sounds = house.recordings(&recorded, 1).await;
    assert!(sounds[0] == bytes_of(&sound), "every sample is the one that was heard");
}
