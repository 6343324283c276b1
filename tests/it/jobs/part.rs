//! A stretch of a recording that alone is recognised again.

use gijiroku::speech::transcript::Word;
use serde_json::json;

use super::{Desk, weights};
use crate::support::{meeting_sound, write_wav};

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_is_recognised_again_and_the_rest_of_the_transcript_stays() {
    let desk = Desk::open().await;
    let file = desk.office.folder.path().join("sound.wav");
    write_wav(&file, &meeting_sound(90));
    desk.bring(&file, "sound").await;
    let job = desk.recognise().await;
    let (stop, running) = desk.start(&weights(), 2);
    desk.seen(&job, |job| job["state"] == "done").await;
    let body = json!({ "stretch": { "from_ms": 20_000, "until_ms": 40_000 } });
    let again = desk.owner.post(&format!("/v1/meetings/{}/recognitions", desk.meeting), body).await.json;
    let done = desk.seen(&again, |job| job["finished_at"].is_i64()).await;
    assert_eq!((&done["state"], &done["stretch"]["from_ms"]), (&json!("done"), &json!(20_000)), "{done}");
    let store = &desk.office.store;
    let mut heard = Vec::new();
    for version in [1, 2] {
        let transcript =
            store.transcript(desk.meeting, version).await.expect("answers").expect("it was kept");
        assert_eq!(transcript.duration_ms, 90_000);
        transcript.check().expect("the promises of the format are kept");
        let words: Vec<_> = transcript.segments.into_iter().flat_map(|segment| segment.words).collect();
        heard.push(words);
    }
    let part = |words: &[Word], inside: bool| -> String {
        let is_inside = |word: &&Word| (20_000..40_000).contains(&word.start_ms.midpoint(word.end_ms));
        words.iter().filter(|word| is_inside(word) == inside).map(|word| word.text.as_str()).collect()
    };
    assert_eq!(part(&heard[0], false), part(&heard[1], false), "outside of the stretch nothing was asked");
    let (before, after) = (part(&heard[0], true).chars().count(), part(&heard[1], true).chars().count());
    assert!(before > 20 && after * 2 > before && after < before * 2, "{before} and {after} characters");
    stop.cancel();
    running.await.expect("the worker ends politely");
}
