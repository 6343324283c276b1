//! Who has a meeting open, and where they stand in its minutes or captions. Remembered nowhere: it is over when the pages
//! close.
//!
//! A server tells only of the pages it serves itself; where several serve one office, colleagues at another one are not
//! seen here, and nothing else depends on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Shared;
use super::access::Standing;
use super::auth::{Caller, Path};
use super::error::{Code, Problem};
use super::seats::live::is_same_origin;
use crate::store::Id;
use crate::store::sessions::Scope;

/// Pages that may have one meeting open and be seen; more are refused, and edit all the same.
const PAGES_MAX: usize = 64;
/// Longest message.
const FRAME_BYTES_MAX: usize = 1 << 10;
/// How often the line is tried.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a page may take to read what it is told.
const SEND_MAX: Duration = Duration::from_secs(5);
/// How often a page is told at most: carets move with every key.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Place {
    id: Id,
    name: String,
    block: Option<u64>,
    at: u32,
    /// The sentence of the captions that is under their hands.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Whether they are at the desk where captions are corrected.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    corrects: bool,
}

/// What a page says: where its caret is.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    /// In the minutes: the block, and the character.
    Minutes { block: u64, at: u32 },
    /// At the desk where captions are corrected: the sentence, or none.
    Captions { line: Option<u64> },
}

#[derive(Debug)]
struct Room {
    places: BTreeMap<u64, Place>,
    changed: watch::Sender<u64>,
}

/// All meetings that somebody has open.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<Mutex<Rooms>>);

#[derive(Debug, Default)]
struct Rooms {
    rooms: HashMap<Id, Room>,
    next: u64,
}

/// A page's place in a meeting; dropping it tells the others.
struct Present {
    presence: Presence,
    meeting: Id,
    page: u64,
    user: Id,
}

impl Presence {
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, meeting: Id, user: Id, name: String) -> Option<(Present, watch::Receiver<u64>)> {
        let mut all = self.lock();
        all.next += 1;
        let page = all.next;
        let room = all
            .rooms
            .entry(meeting)
            .or_insert_with(|| Room { places: BTreeMap::new(), changed: watch::Sender::new(0) });
        if room.places.len() >= PAGES_MAX {
            return None;
        }
        room.places.insert(page, Place { id: user, name, block: None, at: 0, line: None, corrects: false });
        let changed = room.changed.subscribe();
        room.changed.send_modify(|version| *version += 1);
        drop(all);
        Some((Present { presence: self.clone(), meeting, page, user }, changed))
    }
}

impl Present {
    fn stand(&self, said: &Said) {
        let mut all = self.presence.lock();
        let Some(room) = all.rooms.get_mut(&self.meeting) else { return };
        if let Some(place) = room.places.get_mut(&self.page) {
            match said {
                Said::Minutes { block, at } => (place.block, place.at) = (Some(*block), *at),
                Said::Captions { line } => (place.line, place.corrects) = (*line, true),
            }
        }
        room.changed.send_modify(|version| *version += 1);
    }

    /// Returns the others, each once: who has two pages open stands where they last were.
    fn others(&self) -> Vec<Place> {
        let all = self.presence.lock();
        let Some(room) = all.rooms.get(&self.meeting) else { return Vec::new() };
        let mut out: Vec<Place> = Vec::new();
        for place in room.places.values().filter(|place| place.id != self.user) {
            match out.iter_mut().find(|known| known.id == place.id) {
                Some(known) if place.block.is_some() || place.corrects => known.clone_from(place),
                Some(_) => {}
                None => out.push(place.clone()),
            }
        }
        out
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut all = self.presence.lock();
        let Some(room) = all.rooms.get_mut(&self.meeting) else { return };
        room.places.remove(&self.page);
        room.changed.send_modify(|version| *version += 1);
        if room.places.is_empty() {
            all.rooms.remove(&self.meeting);
        }
    }
}

/// Opens the socket of a page that has a meeting open.
///
/// It says `{block, at}`, or `{line}` where captions are corrected, and is told
/// `{people: [{id, name, block, at, line, corrects}]}`.
#[utoipa::path(get, path = "/v1/meetings/{id}/presence", tag = "minutes", params(("id" = Id, Path)),
    responses((status = 101, description = "The socket is open"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 426, body = Problem), (status = 429, body = Problem)))]
pub async fn presence(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Read)?;
    caller.meeting(&app, id, Standing::Read).await?;
    let upgrade = upgrade.map_err(|_| Code::NoSocket)?;
    if !is_same_origin(&headers, &caller.proof) {
        return Err(Code::OriginForeign.into());
    }
    let entered = app.presence.enter(id, caller.user.id, caller.user.name.clone());
    let (present, changed) = entered.ok_or(Code::TooManySockets)?;
    let upgrade = upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |stream| serve(stream, present, changed)))
}

async fn serve(mut stream: WebSocket, present: Present, mut changed: watch::Receiver<u64>) {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turns = interval(TELL_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Vec<Place>> = None;
    let mut news = true;
    loop {
        let sent = tokio::select! {
            heard = stream.recv() => match heard {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(said) => { present.stand(&said); Ok(()) }
                    Err(_) => return,
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => return,
            },
            _ = changed.changed(), if !news => { news = true; Ok(()) }
            _ = turns.tick(), if news => {
                news = false;
                let others = present.others();
                let is_new = told.as_ref() != Some(&others);
                let text = json!({ "people": others }).to_string();
                told = Some(others);
                if is_new { say(&mut stream, Message::Text(text.into())).await } else { Ok(()) }
            }
            _ = pings.tick() => say(&mut stream, Message::Ping(bytes::Bytes::new())).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn say(stream: &mut WebSocket, message: Message) -> Result<(), ()> {
    match timeout(SEND_MAX, stream.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_where_others_stand_until_those_leave() {
        let (presence, meeting) = (Presence::default(), Id::new());
        let (a, b) = (Id::new(), Id::new());
        let (here, changed) = presence.enter(meeting, a, "山田".into()).expect("there is room");
        let (there, _) = presence.enter(meeting, b, "鈴木".into()).expect("there is room");
        there.stand(&Said::Minutes { block: 7, at: 3 });
        assert!(changed.has_changed().expect("the room is open"));
        let stands =
            Place { id: b, name: "鈴木".into(), block: Some(7), at: 3, line: None, corrects: false };
        assert_eq!(here.others(), [stands]);
        drop(there);
        assert!(here.others().is_empty());
        drop(here);
        assert!(presence.lock().rooms.is_empty(), "an empty room is forgotten");
    }

    #[test]
    fn two_pages_of_one_person_are_one_person_and_never_their_own_colleague() {
        let (presence, meeting) = (Presence::default(), Id::new());
        let (a, b) = (Id::new(), Id::new());
        let (here, _) = presence.enter(meeting, a, "山田".into()).expect("there is room");
        let (first, _) = presence.enter(meeting, b, "鈴木".into()).expect("there is room");
        let (_second, _) = presence.enter(meeting, b, "鈴木".into()).expect("there is room");
        first.stand(&Said::Minutes { block: 1, at: 0 });
        assert_eq!(here.others().len(), 1);
        assert_eq!(first.others().len(), 1);
    }

    #[test]
    fn who_corrects_captions_is_seen_with_the_sentence_and_without_one() {
        let said = |text: &str| serde_json::from_str::<Said>(text).expect("a page says so");
        let (presence, meeting) = (Presence::default(), Id::new());
        let (here, _) = presence.enter(meeting, Id::new(), "山田".into()).expect("there is room");
        let (there, _) = presence.enter(meeting, Id::new(), "鈴木".into()).expect("there is room");
        let seen = || here.others().pop().map(|place| (place.corrects, place.line));
        assert_eq!(seen(), Some((false, None)), "who only looks corrects nothing");
        there.stand(&said(r#"{"line":12}"#));
        assert_eq!(seen(), Some((true, Some(12))));
        there.stand(&said(r#"{"line":null}"#));
        assert_eq!(seen(), Some((true, None)));
    }

    #[test]
    fn a_meeting_has_room_for_so_many_pages() {
        let (presence, meeting) = (Presence::default(), Id::new());
        let open: Vec<_> =
            (0..PAGES_MAX).map(|_| presence.enter(meeting, Id::new(), String::new())).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(presence.enter(meeting, Id::new(), String::new()).is_none());
        assert!(
            presence.enter(Id::new(), Id::new(), String::new()).is_some(),
            "another meeting is not held up"
        );
    }
}
