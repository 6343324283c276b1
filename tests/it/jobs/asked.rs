//! Who may ask for a recognition, and of what.

use gijiroku::store::retention::What;
use gijiroku::store::users::Role;
use gijiroku::store::{Id, audit};
use serde_json::json;

use super::Desk;
use crate::support::repository;

#[tokio::test]
async fn who_may_only_read_sees_recognitions_and_starts_or_stops_none() {
    let desk = Desk::open().await;
    desk.bring(&repository("README.md"), "text").await;
    let job = desk.recognise().await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("a name"));
    let list = format!("/v1/meetings/{}/jobs", desk.meeting);
    let again = format!("/v1/meetings/{}/recognitions", desk.meeting);
    let reader = desk.office.person("tanaka", Role::Staff, desk.owner.department()).await;
    assert_eq!(reader.get(&path).await.status, 200);
    assert_eq!(reader.get(&list).await.json.as_array().map(Vec::len), Some(1));
    for refused in [
        reader.delete(&path).await,
        reader.post(&format!("{path}/retry"), json!({})).await,
        reader.post(&again, json!({})).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.json["code"].as_str()), (403, Some("not_allowed")));
    }
    let elsewhere = desk.office.department("税務課").await;
    let stranger = desk.office.person("sato", Role::Staff, elsewhere).await;
    for path in [path.clone(), format!("{path}/events"), list] {
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
        assert_eq!(desk.office.stranger().get(&path).await.status, 401, "{path}");
    }
    assert_eq!(desk.seen(&job, |_| true).await["state"], "waiting", "nothing was changed");
}

#[tokio::test]
async fn a_meeting_without_a_recording_cannot_be_recognised() {
    let desk = Desk::open().await;
    let path = format!("/v1/meetings/{}/recognitions", desk.meeting);
    let refused = desk.owner.post(&path, json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.json["code"].as_str()), (409, Some("no_recording")));
    let unknown = desk.owner.post(&path, json!({ "recording": Id::new() })).await;
    assert_eq!(unknown.json["code"], "no_recording");
    let odd = desk.owner.post(&path, json!({ "preset": "magic" })).await;
    assert_eq!(odd.status, 422);
}

/// Erases the meeting's audio, as on its date.
async fn erase(desk: &Desk) {
    let path = format!("/v1/meetings/{}", desk.meeting);
    let dated = desk.owner.patch(&path, json!({ "audio_until": desk.office.now().ms() })).await;
    assert_eq!(dated.status, 200, "{:?}", dated.json);
    let (server, now) = (audit::Actor::server(), desk.office.now());
    let begun = desk.office.store.begin_erasure(desk.meeting, What::Audio, &server, now).await;
    let begun = begun.expect("the database answers").expect("it is due");
    desk.office.store.finish_erasure(begun.id, &server, now).await.expect("the database answers");
}

#[tokio::test]
async fn a_recording_whose_audio_was_erased_is_neither_recognised_nor_tried_again() {
    let desk = Desk::open().await;
    desk.bring(&repository("README.md"), "text").await;
    let job = desk.recognise().await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("a name"));
    assert_eq!(desk.owner.delete(&path).await.status, 200);
    erase(&desk).await;
    let again = format!("/v1/meetings/{}/recognitions", desk.meeting);
    for refused in [
        desk.owner.post(&format!("{path}/retry"), json!({})).await,
        desk.owner.post(&again, json!({})).await,
        desk.owner.post(&again, json!({ "recording": job["recording"] })).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.json["code"].as_str()), (410, Some("audio_erased")));
        assert!(
            refused.json["title"].as_str().is_some_and(|title| title.contains("消去")),
            "{:?}",
            refused.json
        );
    }
    assert_eq!(desk.seen(&job, |_| true).await["state"], "cancelled", "nothing was changed");
    let unknown = desk.owner.post(&again, json!({ "recording": Id::new() })).await;
    assert_eq!(unknown.json["code"], "no_recording");

    desk.bring(&repository("README.md"), "other").await;
    let newer = desk.recognise().await;
    assert_ne!(newer["recording"], job["recording"], "what can still be heard is taken");
}
