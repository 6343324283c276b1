//! A microphone on the line: frames come in, what is on the disk is acknowledged, and the people in the room are told how
//! it stands.
//!
//! ```text
//! hello ─► welcome {stored} │ frame … ─► journal ─► (each half second) disk ─► stored │ end ─► ended
//! ```

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use utoipa::IntoParams;

use super::super::Shared;
use super::super::access::Standing;
use super::super::auth::{Caller, Path, Query};
use super::super::error::{Code, Problem};
use super::super::seats::live::is_same_origin;
use crate::audio::frames::{FRAME_BYTES_MAX, Frame, FrameError, RATE_HZ_MAX, RATE_HZ_MIN};
use crate::audio::health::{Advice, Health};
use crate::audio::record::{ClientSays, MESSAGE_BYTES_MAX, PROTOCOL, ServerSays};
use crate::clock::Mono;
use crate::store::live::event::{Phase, Status};
use crate::store::live::{Connected, Pen, Room, Stream, Taken};
use crate::store::sessions::Scope;
use crate::store::{Id, StoreError};

/// How long the first word may take.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// How often what came is brought onto the disk and acknowledged.
const SYNC_EVERY: Duration = Duration::from_millis(500);
/// How often the server asks whether somebody is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a microphone may say nothing at all.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// Both after the meeting was ended: people wait for the recording, and a line that is gone must not hold it up.
const ENDED: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(10));
/// How often it is looked whether it is time to ask.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to read what it is told.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long the microphone may take to close its end.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// The pause before the same sound is asked for once more.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Which microphone.
#[derive(Deserialize, IntoParams)]
pub struct RecordQuery {
    /// Its number in the meeting, from 0; the next free one if absent, or if another microphone has it.
    stream: Option<u32>,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything was said.
    Clean,
    /// The line broke: the microphone comes again.
    Broken,
    /// The microphone breaks the rules, or the server cannot now.
    Refused(u16, &'static str),
}

/// Takes the sound of a microphone through a socket; the protocol stands in the README.
///
/// Also after the meeting was ended: what a microphone kept becomes a further recording of it.
#[utoipa::path(get, path = "/v1/live/{id}/record", tag = "live", params(("id" = Id, Path), RecordQuery),
    responses((status = 101, description = "The socket is open"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 426, body = Problem)))]
pub async fn record(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<RecordQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    caller.require_scope(Scope::Write)?;
    let room = app.live.find(id, app.now()).await?.filter(|room| !room.kind.is_door).ok_or(Code::NotFound)?;
    caller.meeting(&app, room.kind.meeting, Standing::Edit).await?;
    let upgrade = upgrade.map_err(|_| Code::NoSocket)?;
    if !is_same_origin(&headers, &caller.proof) {
        return Err(Code::OriginForeign.into());
    }
    let upgrade = upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move { serve(&app, &room, query.stream, socket).await }))
}

async fn serve(app: &Shared, room: &Arc<Room>, number: Option<u32>, mut socket: WebSocket) {
    let end = match greet(app, room, number, &mut socket).await {
        Ok((stream, pen)) => {
            let end = Microphone::new(app, room, &stream, pen).run(&mut socket).await;
            stream.connected(false);
            // Somebody may wait for this microphone to be done.
            room.hears(app.now());
            app.live.nudge();
            end
        }
        Err(end) => end,
    };
    let (code, reason) = match end {
        End::Clean => (close_code::NORMAL, ""),
        End::Broken => return,
        End::Refused(code, reason) => (code, reason),
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    if let Ok(Ok(())) = timeout(SEND_MAX, socket.send(Message::Close(Some(frame)))).await {
        // What is still on its way here would reset the line, and take from the microphone what it was just told.
        let until_closed = async { while let Some(Ok(_)) = socket.recv().await {} };
        timeout(CLOSE_MAX, until_closed).await.ok();
    }
}

/// Hears who it is, and takes the pen for it.
async fn greet(
    app: &Shared,
    room: &Arc<Room>,
    number: Option<u32>,
    socket: &mut WebSocket,
) -> Result<(Arc<Stream>, Pen), End> {
    let hello = timeout(HELLO_MAX, socket.recv()).await.map_err(|_| End::Broken)?;
    let Some(Ok(Message::Text(text))) = hello else {
        return Err(End::Refused(close_code::INVALID, "hello is awaited"));
    };
    let said = (text.len() <= MESSAGE_BYTES_MAX).then(|| serde_json::from_str(&text).ok()).flatten();
    let Some(ClientSays::Hello { stream, rate_hz, protocol }) = said else {
        return Err(End::Refused(close_code::INVALID, "hello is awaited"));
    };
    if protocol != PROTOCOL {
        return Err(End::Refused(close_code::INVALID, "another protocol"));
    }
    if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
        return Err(End::Refused(close_code::INVALID, "the rate cannot be recorded"));
    }
    let microphone: Id =
        stream.parse().map_err(|_| End::Refused(close_code::INVALID, "stream is no UUID"))?;
    let stream = match app.live.connect(room, microphone, (number, rate_hz)).await {
        Ok(Connected::Stream(stream)) => stream,
        Ok(Connected::TooMany) => return Err(End::Refused(close_code::POLICY, "too many microphones")),
        Ok(Connected::OtherRate) => {
            return Err(End::Refused(close_code::POLICY, "the rate has changed: take another stream"));
        }
        Err(error) => return Err(trouble(&error)),
    };
    match welcome(&stream, socket).await {
        Ok(pen) => Ok((stream, pen)),
        Err(end) => {
            stream.connected(false);
            Err(end)
        }
    }
}

async fn welcome(stream: &Arc<Stream>, socket: &mut WebSocket) -> Result<Pen, End> {
    let mut pen = stream.take_pen().await.map_err(|error| trouble(&error))?;
    let stored = pen.sync().await.map_err(|error| trouble(&error))?;
    say(socket, &ServerSays::Welcome { stored }).await?;
    Ok(pen)
}

/// A microphone on the line.
struct Microphone<'a> {
    app: &'a Shared,
    room: &'a Arc<Room>,
    stream: &'a Arc<Stream>,
    pen: Pen,
    health: Health,
    advice: Option<Advice>,
    status: Option<Status>,
    /// The place that was asked for, and when.
    asked: Option<(u64, Mono)>,
    heard_at: Mono,
    /// When it was last asked whether it is there.
    pinged_at: Mono,
    /// Whether the meeting has ended, and it is asked more often.
    is_hurried: bool,
    acknowledged: u64,
    /// Whether the microphone itself has said where it ends.
    said_end: bool,
}

impl<'a> Microphone<'a> {
    fn new(app: &'a Shared, room: &'a Arc<Room>, stream: &'a Arc<Stream>, pen: Pen) -> Self {
        let acknowledged = pen.durable();
        Self {
            app,
            room,
            stream,
            pen,
            health: Health::new(stream.origin.rate_hz),
            advice: None,
            status: None,
            asked: None,
            heard_at: Mono::now(),
            pinged_at: Mono::now(),
            is_hurried: false,
            acknowledged,
            said_end: false,
        }
    }

    async fn run(&mut self, socket: &mut WebSocket) -> End {
        let mut news = self.room.follow();
        let Err(end) = self.go_on(socket, &mut news).await;
        // What came is kept, however the line ended.
        match self.sync().await {
            Ok(()) => end,
            Err(trouble) if end == End::Clean => trouble,
            Err(_) => end,
        }
    }

    async fn go_on(
        &mut self,
        socket: &mut WebSocket,
        news: &mut watch::Receiver<u64>,
    ) -> Result<Infallible, End> {
        self.tell_status(socket).await?;
        let (mut syncs, mut looks) = (every(SYNC_EVERY), every(LOOK_EVERY));
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(message)) => self.hear(socket, message).await?,
                    Some(Err(_)) | None => return Err(End::Broken),
                },
                () = self.pen.wanted() => {
                    return Err(End::Refused(close_code::AWAY, "the microphone has connected again"));
                }
                _ = syncs.tick() => self.acknowledge(socket).await?,
                _ = looks.tick() => self.look(socket, Mono::now()).await?,
                changed = news.changed() => {
                    changed.map_err(|_| End::Clean)?;
                    self.tell_status(socket).await?;
                }
            }
        }
    }

    /// Asks now and then whether somebody is there, and ends if nobody has answered for long.
    async fn look(&mut self, socket: &mut WebSocket, now: Mono) -> Result<(), End> {
        let is_open = self.room.phase().is_open();
        let (every, silence_max) = if is_open { (PING_EVERY, SILENCE_MAX) } else { ENDED };
        if !is_open && !std::mem::replace(&mut self.is_hurried, true) {
            // Nobody was asked so often before.
            self.heard_at = now;
        }
        if now.since(self.heard_at) > silence_max {
            return Err(End::Broken);
        }
        if now.since(self.pinged_at) < every {
            return Ok(());
        }
        self.pinged_at = now;
        send(socket, Message::Ping(Bytes::new())).await
    }

    async fn hear(&mut self, socket: &mut WebSocket, message: Message) -> Result<(), End> {
        self.heard_at = Mono::now();
        match message {
            Message::Binary(bytes) => self.hear_frame(socket, &bytes).await,
            Message::Text(text) if text.len() <= MESSAGE_BYTES_MAX => {
                match serde_json::from_str(&text) {
                    Ok(ClientSays::End { samples }) => {
                        self.said_end = true;
                        let end = samples.max(self.pen.written());
                        self.app
                            .live
                            .keep_stream(self.stream, Some(end))
                            .await
                            .map_err(|error| trouble(&error))?;
                        self.acknowledge(socket).await?;
                        if self.pen.written() < end {
                            self.ask(socket, self.pen.written()).await
                        } else {
                            Ok(())
                        }
                    }
                    // A second hello says nothing new.
                    Ok(ClientSays::Hello { .. } | ClientSays::Unknown) => Ok(()),
                    Err(_) => Err(End::Refused(close_code::INVALID, "not understood")),
                }
            }
            Message::Text(_) => Err(End::Refused(close_code::SIZE, "too long")),
            Message::Pong(_) | Message::Ping(_) => Ok(()),
            Message::Close(_) => Err(End::Clean),
        }
    }

    async fn hear_frame(&mut self, socket: &mut WebSocket, bytes: &[u8]) -> Result<(), End> {
        let frame = match Frame::decode(bytes, self.stream.origin.rate_hz) {
            Ok(frame) => frame,
            Err(FrameError::Damaged { .. }) => return self.ask(socket, self.pen.written()).await,
            Err(FrameError::Foreign { what }) => return Err(End::Refused(close_code::INVALID, what)),
        };
        let now = self.app.now();
        self.room.hears(now);
        let Some(frame) = self.before_end(frame) else { return Ok(()) };
        let samples = frame.samples.clone();
        match self.pen.take(frame, now).await.map_err(|error| trouble(&error)) {
            Ok(Taken::Kept) => {
                self.asked = None;
                self.health.hear(&samples);
                Ok(())
            }
            Ok(Taken::Known) => Ok(()),
            Ok(Taken::Missing { from }) => self.ask(socket, from).await,
            Err(end) => {
                let sentence =
                    "サーバーに録音を書き込めません。録音は端末に残り、書き込めるようになると送られます。";
                let state = json!({ "type": "state", "state": "not_stored", "sentence": sentence });
                send(socket, Message::Text(state.to_string().into())).await?;
                Err(end)
            }
        }
    }

    /// Cuts off what was heard after the meeting was ended: nobody wants it recorded.
    fn before_end(&self, frame: Frame) -> Option<Frame> {
        let Some(end) = self.stream.progress().end else { return Some(frame) };
        if self.said_end || frame.end() <= end {
            return Some(frame);
        }
        let kept = usize::try_from(end.saturating_sub(frame.first_sample)).unwrap_or(usize::MAX);
        let samples = frame.samples.get(..kept).unwrap_or_default().to_vec();
        (!samples.is_empty()).then_some(Frame { samples, ..frame })
    }

    /// Asks for sound from a place on, but not for every frame behind the hole.
    async fn ask(&mut self, socket: &mut WebSocket, from: u64) -> Result<(), End> {
        let now = Mono::now();
        if self.asked.is_some_and(|(place, at)| place == from && now.since(at) < ASK_AGAIN) {
            return Ok(());
        }
        self.asked = Some((from, now));
        say(socket, &ServerSays::Resend { from }).await
    }

    /// Brings what came onto the disk, then says so.
    async fn acknowledge(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        self.sync().await?;
        if let Some((from, _)) = self.asked {
            // What was sent again may have been lost again, and nothing may follow that shows it.
            self.ask(socket, from).await?;
        }
        let samples = self.pen.durable();
        if samples > self.acknowledged {
            self.acknowledged = samples;
            say(socket, &ServerSays::Stored { samples }).await?;
        }
        let advice = self.health.advice();
        if let Some(level) = advice.filter(|_| advice != self.advice) {
            self.advice = advice;
            say(socket, &ServerSays::Advice { level }).await?;
        }
        if self.stream.progress().end.is_some_and(|end| samples >= end) {
            say(socket, &ServerSays::Ended).await?;
            return Err(End::Clean);
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), End> {
        let began_at = self.stream.progress().began_at;
        let was_new =
            self.acknowledged == self.stream.origin.first_sample && self.pen.written() > self.acknowledged;
        self.pen.sync().await.map_err(|error| trouble(&error))?;
        if was_new && began_at.is_some() {
            // When it began is needed only if there is a second microphone: later corrections are kept at the end.
            self.app.live.keep_stream(self.stream, None).await.map_err(|error| trouble(&error))?;
        }
        Ok(())
    }

    /// Tells how the meeting is, if that has changed.
    async fn tell_status(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let status = self.room.status();
        if self.status.as_ref() == Some(&status) {
            return Ok(());
        }
        #[derive(Serialize)]
        struct State<'a> {
            r#type: &'static str,
            state: Phase,
            #[serde(flatten)]
            status: &'a Status,
        }
        let state = json!(State { r#type: "state", state: status.phase, status: &status });
        self.status = Some(status);
        send(socket, Message::Text(state.to_string().into())).await
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Says why nothing can be stored now; what was stored before is safe, and the microphone keeps the rest.
fn trouble(error: &StoreError) -> End {
    let told: &dyn std::error::Error = error;
    tracing::error!(error = told, "the sound of a microphone cannot be stored now; the microphone keeps it");
    match error {
        StoreError::Full => End::Refused(close_code::AGAIN, "the disk is full"),
        StoreError::Busy { .. } => End::Refused(close_code::AGAIN, "another connection holds the microphone"),
        StoreError::Io { .. }
        | StoreError::Taken
        | StoreError::Erased
        | StoreError::Unreachable(_)
        | StoreError::Damaged { .. }
        | StoreError::Database(_) => End::Refused(close_code::ERROR, "it cannot be stored now"),
    }
}

async fn say(socket: &mut WebSocket, says: &ServerSays) -> Result<(), End> {
    send(socket, Message::Text(json!(says).to_string().into())).await
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(SEND_MAX, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Broken),
    }
}
