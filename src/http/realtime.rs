//! The door that other programs know for live sound: `GET /v1/realtime?intent=transcription`, a WebSocket as OpenAI's
//! clients speak it. Sound is recognised as that of a room is, with the caller's seat; nothing of it is kept.

mod words;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use utoipa::IntoParams;

use super::auth::{Caller, Query};
use super::error::{Code, Problem};
use super::seats::live::is_same_origin;
use super::{Shared, access};
use crate::audio::frames::Frame;
use crate::store::Id;
use crate::store::live::event::Recognition;
use crate::store::live::{Door, Pen, Stream};
use crate::store::sessions::Scope;
use words::{RATE_HZ, Said, Session, committed, completed, delta, error};

/// Longest message: half a minute of sound in base64.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// Samples of one item at most: two hours.
const SAMPLES_MAX: u64 = 2 * 3600 * RATE_HZ as u64;
/// How often it is looked whether an item is done.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the client may take to read.
const SEND_MAX: Duration = Duration::from_secs(10);
/// Items that wait for their text.
const WAITING_MAX: usize = 64;

/// What is asked for.
#[derive(Deserialize, IntoParams)]
pub struct RealtimeQuery {
    /// `transcription`, the only thing there is.
    intent: Option<String>,
    /// Any name: the office's own model is used.
    #[expect(dead_code, reason = "clients say it; the office's own model is used")]
    model: Option<String>,
}

/// Opens a socket for sound that is recognised while it comes.
#[utoipa::path(get, path = "/v1/realtime", tag = "live", params(RealtimeQuery),
    responses((status = 101, description = "The socket is open"), (status = 403, body = Problem),
        (status = 422, body = Problem), (status = 426, body = Problem), (status = 429, body = Problem)))]
pub async fn realtime(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<RealtimeQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Write)?;
    if !access::may_sit(&caller.user) {
        return Err(Code::NotAllowed.into());
    }
    if query.intent.is_some_and(|intent| intent != "transcription") {
        return Err(Problem::new(Code::Invalid).about("intent: transcription"));
    }
    let upgrade = upgrade.map_err(|_| Code::NoSocket)?;
    if !is_same_origin(&headers, &caller.proof) {
        return Err(Code::OriginForeign.into());
    }
    let door = app.live.open_door(caller.user.id, app.now()).ok_or(Code::TooManyDoors)?;
    let upgrade = upgrade.protocols(["realtime"]).max_message_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.max_frame_size(MESSAGE_BYTES_MAX).on_upgrade(move |mut socket| async move {
        let mut client = Client::new(&app, door);
        let (code, reason) = client.serve(&mut socket).await;
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        timeout(SEND_MAX, socket.send(Message::Close(Some(frame)))).await.ok();
    }))
}

/// Why a socket ends.
type End = (u16, &'static str);

/// Sound that becomes one item, or one after the other if the server finds the turns.
struct Stretch {
    stream: Arc<Stream>,
    pen: Pen,
    number: u32,
}

/// A stretch that the client has committed.
struct Waiting {
    stream: Arc<Stream>,
    number: u32,
    item: String,
    text: String,
}

/// What was told of a sentence.
#[derive(Default)]
struct Sentence {
    told: String,
}

struct Client {
    app: Shared,
    door: Door,
    news: watch::Receiver<u64>,
    seen: u64,
    session: Session,
    stretch: Option<Stretch>,
    stretches: u32,
    waiting: VecDeque<Waiting>,
    sentences: HashMap<u64, Sentence>,
    previous: Option<String>,
    events: u64,
    recognition: Recognition,
}

impl Client {
    fn new(app: &Shared, door: Door) -> Self {
        let news = door.room.follow();
        Self {
            app: Arc::clone(app),
            door,
            news,
            seen: 0,
            session: Session::new(format!("sess_{}", Id::new())),
            stretch: None,
            stretches: 0,
            waiting: VecDeque::new(),
            sentences: HashMap::new(),
            previous: None,
            events: 0,
            recognition: Recognition::Starting,
        }
    }

    async fn serve(&mut self, socket: &mut WebSocket) -> End {
        match self.run(socket).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn run(&mut self, socket: &mut WebSocket) -> Result<End, End> {
        let created = json!({ "type": "session.created", "session": self.session.told() });
        self.tell(socket, created).await?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                        Ok(said) => self.obey(socket, said).await?,
                        Err(_) => self.tell(socket, error("unknown_event", "the event is not understood")).await?,
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_))) => return Ok((close_code::UNSUPPORTED, "text only")),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok((close_code::NORMAL, "")),
                },
                changed = self.news.changed() => {
                    changed.map_err(|_| (close_code::AWAY, ""))?;
                    self.pass_on(socket).await?;
                }
                _ = looks.tick() => self.complete(socket).await?,
            }
        }
    }

    async fn obey(&mut self, socket: &mut WebSocket, said: Said) -> Result<(), End> {
        match said {
            Said::Update { session } => match self.session.update(&session) {
                Ok(()) => {
                    let updated = json!({ "type": "session.updated", "session": self.session.told() });
                    self.tell(socket, updated).await
                }
                Err(what) => self.tell(socket, error("invalid_value", &what)).await,
            },
            Said::Append { audio } => match words::samples(&audio) {
                Some(samples) => self.append(socket, &samples).await,
                None => self.tell(socket, error("invalid_audio", "audio is no 16-bit sound in base64")).await,
            },
            Said::Commit => self.commit(socket).await,
            Said::Clear => {
                if let Some(Stretch { stream, pen, .. }) = self.stretch.take() {
                    drop(pen);
                    self.door.forget(&stream).await.map_err(|error| trouble(&error))?;
                }
                self.tell(socket, json!({ "type": "input_audio_buffer.cleared" })).await
            }
        }
    }

    async fn append(&mut self, socket: &mut WebSocket, samples: &[i16]) -> Result<(), End> {
        let now = self.app.now();
        if self.stretch.is_none() {
            let (stream, number) = (self.door.begin(self.stretches, RATE_HZ), self.stretches);
            self.stretches += 1;
            let pen = stream.take_pen().await.map_err(|error| trouble(&error))?;
            self.stretch = Some(Stretch { stream, pen, number });
        }
        let Some(stretch) = &mut self.stretch else { return Ok(()) };
        if stretch.pen.written() + samples.len() as u64 > SAMPLES_MAX {
            return self
                .tell(socket, error("buffer_full", "an item holds two hours of sound: commit it"))
                .await;
        }
        for piece in samples.chunks(RATE_HZ as usize) {
            let first_sample = stretch.pen.written();
            let frame = Frame { number: 0, first_sample, hole_before: false, samples: piece.to_vec() };
            stretch.pen.take(frame, now).await.map_err(|error| trouble(&error))?;
        }
        Ok(())
    }

    async fn commit(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let Some(Stretch { stream, pen, number }) = self.stretch.take() else {
            return self.tell(socket, error("input_audio_buffer_commit_empty", "there is no sound")).await;
        };
        drop(pen);
        self.door.end(&stream);
        let item = format!("item_s{number}");
        if !self.session.finds_turns {
            self.tell_committed(socket, &item).await?;
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err((close_code::POLICY, "too many items wait for their text"));
        }
        self.waiting.push_back(Waiting { stream, number, item, text: String::new() });
        Ok(())
    }

    /// Passes on what was heard.
    async fn pass_on(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        self.news.mark_unchanged();
        for (seq, json) in self.door.room.since(Some(self.seen)) {
            self.seen = seq;
            let event: Value = serde_json::from_str(&json).unwrap_or(Value::Null);
            match event["kind"].as_str() {
                Some("tentative") if self.session.finds_turns => {
                    let text = event["committed"].as_str().unwrap_or_default();
                    self.grow(socket, &event, text).await?;
                }
                Some("final") => self.end_sentence(socket, &event).await?,
                Some("withdrawn") if self.session.finds_turns => {
                    let line = event["line"].as_u64().unwrap_or(0);
                    if self.sentences.remove(&line).is_some() {
                        self.tell(socket, completed(&item_of(line), "", 0.0)).await?;
                    }
                }
                Some("state") => self.tell_state(socket).await?,
                Some("snapshot") => self.tell_state(socket).await?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Tells what is certain of a sentence and was not told yet.
    async fn grow(&mut self, socket: &mut WebSocket, event: &Value, text: &str) -> Result<(), End> {
        let (line, start_ms) = (event["line"].as_u64().unwrap_or(0), event["start_ms"].as_u64().unwrap_or(0));
        let item = item_of(line);
        let is_new = !self.sentences.contains_key(&line);
        if is_new {
            let started = json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": start_ms,
                "item_id": item });
            self.tell(socket, started).await?;
        }
        let sentence = self.sentences.entry(line).or_default();
        let Some(more) = text.strip_prefix(sentence.told.as_str()).filter(|more| !more.is_empty()) else {
            return Ok(());
        };
        let more = more.to_owned();
        text.clone_into(&mut sentence.told);
        self.tell(socket, delta(&item, &more)).await
    }

    async fn end_sentence(&mut self, socket: &mut WebSocket, event: &Value) -> Result<(), End> {
        let (number, text) = (event["stream"].as_u64(), event["text"].as_str().unwrap_or_default());
        if !self.session.finds_turns {
            let waits = |waiting: &&mut Waiting| Some(u64::from(waiting.number)) == number;
            let item = match self.waiting.iter_mut().find(waits) {
                Some(waiting) => {
                    waiting.text.push_str(text);
                    waiting.item.clone()
                }
                // Heard before it was committed.
                None => {
                    let item = format!("item_s{}", number.unwrap_or(0));
                    let sentence = self.sentences.entry(number.unwrap_or(0)).or_default();
                    sentence.told.push_str(text);
                    item
                }
            };
            return self.tell(socket, delta(&item, text)).await;
        }
        self.grow(socket, event, text).await?;
        let line = event["line"].as_u64().unwrap_or(0);
        self.sentences.remove(&line);
        let (item, end_ms) = (item_of(line), event["end_ms"].as_u64().unwrap_or(0));
        let seconds = end_ms.saturating_sub(event["start_ms"].as_u64().unwrap_or(0)) as f64 / 1_000.0;
        let stopped =
            json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": end_ms, "item_id": item });
        self.tell(socket, stopped).await?;
        self.tell_committed(socket, &item).await?;
        self.tell(socket, completed(&item, text, seconds)).await
    }

    /// Completes items all of whose sound was heard.
    async fn complete(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        while self.waiting.front().is_some_and(|waiting| waiting.stream.progress().is_told) {
            self.pass_on(socket).await?;
            let Some(Waiting { stream, number, item, text }) = self.waiting.pop_front() else { break };
            let before = self.sentences.remove(&u64::from(number)).filter(|_| !self.session.finds_turns);
            let text = before.map_or_else(String::new, |sentence| sentence.told) + &text;
            let seconds = stream.length_ms() as f64 / 1_000.0;
            self.door.forget(&stream).await.map_err(|error| trouble(&error))?;
            if !self.session.finds_turns {
                self.tell(socket, completed(&item, &text, seconds)).await?;
            }
        }
        Ok(())
    }

    /// Tells when nothing can be heard now, and why.
    async fn tell_state(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let status = self.door.room.status();
        if status.recognition == self.recognition {
            return Ok(());
        }
        self.recognition = status.recognition;
        match status.recognition {
            Recognition::Running | Recognition::Starting | Recognition::Resting => Ok(()),
            Recognition::NoSeat
            | Recognition::SeatRefused
            | Recognition::NoRoom
            | Recognition::EngineDown
            | Recognition::ModelMissing => {
                self.tell(
                    socket,
                    error(status.recognition.word(), "the sound is not recognised now; it waits"),
                )
                .await
            }
        }
    }

    async fn tell_committed(&mut self, socket: &mut WebSocket, item: &str) -> Result<(), End> {
        let previous = self.previous.replace(item.to_owned());
        for event in committed(item, previous.as_deref()) {
            self.tell(socket, event).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, socket: &mut WebSocket, mut event: Value) -> Result<(), End> {
        self.events += 1;
        event["event_id"] = words::event_id(self.events).into();
        match timeout(SEND_MAX, socket.send(Message::Text(event.to_string().into()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err((close_code::AWAY, "")),
            Err(_) => Err((close_code::AGAIN, "too slow")),
        }
    }
}

fn item_of(line: u64) -> String {
    format!("item_{line}")
}

fn trouble(error: &crate::store::StoreError) -> End {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, "the sound of a program cannot be taken now");
    (close_code::AGAIN, "the sound cannot be taken now")
}
