//! Whatever dies, never more people work than there are seats, and nobody loses a seat they were given.
//!
//! The real server is killed without a word again and again while 64 people ask for its five seats, edit a meeting
//! under them and give them back. What is believed is not the server's list of seats, but which edits it accepted.
//! `SEATS_KILLS` says how often the server dies.

mod book;
mod people;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use serde_json::{Value, json};

use crate::faults::served::{Served, Start};
use crate::faults::{data_in, from_environment};
use crate::office::Person;
use people::{Day, add_people};

/// How often the server dies, unless the environment says otherwise.
const KILLS: usize = 50;
/// People who want a seat.
const PEOPLE: u64 = 64;
/// Seats of an office without a licence.
const SEATS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn relay_r13_no_seat_is_given_twice_and_none_is_lost_however_often_the_server_is_killed() {
    let kills = from_environment("SEATS_KILLS", KILLS);
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let data = data_in(folder.path());
    let (mut served, secret) = start(&data, 0).expect("a server starts in an empty folder");
    let port = served.port();
    let administrator = served.person(secret.as_deref()).await.expect("the setup link works");
    let meeting = long_meeting(&administrator).await;
    let people = add_people(&data, &administrator, PEOPLE).await;
    let day = Arc::new(Day::new(meeting));
    let working: Vec<_> =
        (0..).zip(people).map(|(who, person)| tokio::spawn(Arc::clone(&day).work(who, person))).collect();
    let mut held_over = 0;
    for _ in 0..kills {
        let wait = Duration::from_millis(rand::rng().random_range(300..1_800));
        tokio::time::timeout(wait, std::future::pending::<()>()).await.ok();
        served.signal("KILL");
        held_over += day.book.seated();
        served.buried();
        served = start(&data, port).expect("a server starts on what another has left").0;
    }
    day.evening();
    for person in working {
        person.await.expect("nobody fails");
    }
    let found = day.book.found();
    println!(
        "seats_kill kills={kills} people={PEOPLE} held_over={held_over} grants={} fenced={} at_once_max={} \
         tokens_back={} lost={}",
        found.grants,
        found.accepted,
        found.at_once_max,
        found.tokens_back,
        found.lost.len()
    );
    assert_eq!(found.lost, Vec::<String>::new());
    assert!(found.at_once_max <= SEATS, "{found:?}");
    assert_eq!(found.tokens_back, 0, "{found:?}");
    assert!(found.accepted > kills * SEATS && held_over > kills, "people were at work: {found:?}");
}

fn start(data: &Path, port: u16) -> Option<(Served, Option<String>)> {
    Served::start(&Start { data, port, models: None, watched: None })
}

/// Makes a meeting with something to edit for everybody, and returns its path.
async fn long_meeting(administrator: &Person) -> String {
    let made = administrator.post("/v1/meetings", json!({ "title": "席の争い" })).await;
    assert_eq!(made.status, 201, "{:?}", made.json);
    let path = format!("/v1/meetings/{}", made.json["id"].as_str().expect("a meeting has a name"));
    let blocks: Vec<Value> = (1..=PEOPLE)
        .map(|id| {
            let start_ms = id * 1_000;
            json!({
                "kind": "utterance", "id": id, "speaker": 1, "start_ms": start_ms, "end_ms": start_ms + 900,
                "text": "はじめます。", "words": [], "confidence": 0.9
            })
        })
        .collect();
    let minutes = json!({
        "version": 1, "header": { "title": "席の争い" }, "speakers": [{ "id": 1, "name": "議長" }],
        "blocks": blocks, "items": []
    });
    let file = json!({ "format": "gijiroku-minutes", "version": 1, "minutes": minutes });
    let brought = administrator.post(&format!("{path}/minutes"), file).await;
    assert!(brought.status.is_success(), "{:?}", brought.json);
    path
}
