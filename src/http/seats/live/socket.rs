//! One open socket, from its first word to its last.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::super::super::Shared;
use super::super::super::auth::Caller;
use super::super::own;
use super::super::words::PlaceAnswer;
use super::words::{Beaten, Said, pushed, refused};
use crate::clock::Mono;
use crate::seats::request::Held;
use crate::seats::{DeviceId, Holder, PoolId, Push, Pushed, Reply, Request};

/// How often the server asks whether somebody is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Pings in a row that may stay unanswered.
const UNANSWERED_MAX: u32 = 3;
/// Pings after which it is looked whether the account can still be used.
const LOOK_EVERY: u32 = 4;
/// How often somebody who waits is told their place, if it may have changed: in the morning rush the line moves with
/// every request, and thousands look at it.
const PLACE_EVERY: Duration = Duration::from_secs(5);
/// How long a page may take to read what it is told.
const SEND_MAX: Duration = Duration::from_secs(5);
/// Messages a page may send within a second.
const MESSAGES_MAX: u32 = 20;
/// Messages that are still read after the end.
const LAST_WORDS_MAX: usize = 1_000;
const SECOND: Duration = Duration::from_secs(1);

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The page said so: its seat is free a moment later, unless it comes back.
    Clean,
    /// The line broke: silence decides.
    Broken,
    /// The page breaks the rules, or is too slow.
    Refused(u16, &'static str),
}

/// One open socket.
pub(super) struct Socket {
    app: Shared,
    caller: Caller,
    holder: Holder,
    pool: PoolId,
    held: Option<Held>,
    device: Option<DeviceId>,
    nonce: [u8; 8],
    pings: u32,
    unanswered: u32,
    second: Mono,
    messages: u32,
    /// The line moved since the page was last told its place.
    line_moved: bool,
}

impl Socket {
    pub fn new(app: &Shared, caller: &Caller, holder: Holder) -> Self {
        Self {
            app: Arc::clone(app),
            caller: caller.clone(),
            holder,
            pool: PoolId::standard(),
            held: None,
            device: None,
            nonce: [0; 8],
            pings: 0,
            unanswered: 0,
            second: Mono::now(),
            messages: 0,
            line_moved: false,
        }
    }

    /// Serves the socket until it ends.
    pub async fn run(mut self, mut stream: WebSocket) {
        let mut pushes = self.app.seats.listen();
        let end = self.serve(&mut stream, &mut pushes).await;
        if end == End::Clean
            && let (Some(held), Some(device)) = (self.held, self.device)
        {
            // If it cannot be said now, silence says it a minute later.
            self.app.seats.ask(Request::SocketClosed { held, device }).await.ok();
        }
        let frame = match end {
            End::Clean => CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::from_static("") },
            End::Broken => return,
            End::Refused(code, reason) => CloseFrame { code, reason: Utf8Bytes::from_static(reason) },
        };
        timeout(SEND_MAX, close(stream, frame)).await.ok();
    }

    async fn serve(&mut self, stream: &mut WebSocket, pushes: &mut broadcast::Receiver<Arc<Push>>) -> End {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut places = interval(PLACE_EVERY);
        places.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                message = stream.recv() => match message {
                    Some(Ok(message)) => self.hear(stream, message).await,
                    Some(Err(_)) | None => Err(End::Broken),
                },
                push = pushes.recv() => match push {
                    Ok(push) => self.pass_on(stream, &push).await,
                    // It has missed something: a new socket begins with how things are.
                    Err(_) => Err(End::Refused(close_code::AGAIN, "too slow")),
                },
                _ = pings.tick() => self.ping(stream).await,
                _ = places.tick(), if self.line_moved => {
                    self.line_moved = false;
                    self.tell_place(stream).await
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn ping(&mut self, stream: &mut WebSocket) -> Result<(), End> {
        if self.unanswered >= UNANSWERED_MAX {
            return Err(End::Broken);
        }
        self.pings += 1;
        if self.pings.is_multiple_of(LOOK_EVERY) {
            let user = self.app.store.user(self.caller.user.id).await;
            if let Ok(None) = user {
                return Err(End::Refused(close_code::POLICY, "signed out"));
            }
            if user.is_ok_and(|user| user.is_some_and(|user| user.disabled_at.is_some())) {
                return Err(End::Refused(close_code::POLICY, "signed out"));
            }
        }
        self.unanswered += 1;
        self.nonce = rand::random();
        send(stream, Message::Ping(Bytes::copy_from_slice(&self.nonce))).await
    }

    async fn hear(&mut self, stream: &mut WebSocket, message: Message) -> Result<(), End> {
        let now = Mono::now();
        if now.since(self.second) >= SECOND {
            (self.second, self.messages) = (now, 0);
        }
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            return Err(End::Refused(close_code::POLICY, "too many messages"));
        }
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(said) => self.obey(stream, said).await,
                Err(_) => Err(End::Refused(close_code::INVALID, "not understood")),
            },
            Message::Pong(bytes) if bytes[..] == self.nonce => {
                self.unanswered = 0;
                self.is_alive(stream).await
            }
            // A pong that nobody asked for is allowed, and proves nothing.
            Message::Pong(_) | Message::Ping(_) => Ok(()),
            Message::Close(_) => Err(End::Clean),
            Message::Binary(_) => Err(End::Refused(close_code::UNSUPPORTED, "text only")),
        }
    }

    /// A pong came back: whoever holds a seat or waits is still there.
    async fn is_alive(&mut self, stream: &mut WebSocket) -> Result<(), End> {
        let request = match self.held {
            Some(held) => Request::Beat(held),
            None => match self.app.seats.look(|pools, _| pools.waiting(&self.pool, self.holder)) {
                Some(ticket) => Request::BeatWaiting { ticket, attentive: false },
                None => return Ok(()),
            },
        };
        match self.app.seats.ask(request).await {
            Ok(Reply::Refused(refusal)) => {
                self.held = None;
                say(stream, &refused(&refusal, None)).await
            }
            // Seats that start anew hear of it with the next pong.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn obey(&mut self, stream: &mut WebSocket, said: Said) -> Result<(), End> {
        match said {
            Said::Hello { lease, token, device } => {
                self.device = Some(DeviceId(device));
                self.held = None;
                if let (Some(lease), Some(token)) = (lease, token)
                    && let Ok(held) = own(&self.app, &self.caller, lease, token)
                {
                    self.pool = self.app.seats.look(|pools, now| {
                        pools.lease(lease, now).map_or_else(PoolId::standard, |(found, _)| found.pool.clone())
                    });
                    self.held = Some(held);
                    return self.beat(stream, 0).await;
                }
                self.tell_place(stream).await
            }
            Said::Beat { n } => self.beat(stream, n).await,
            Said::Activity => self.ask(Request::Activity).await,
            Said::Sleep => self.ask(Request::Sleep).await,
            Said::Attentive => {
                let ticket = self.app.seats.look(|pools, _| pools.waiting(&self.pool, self.holder));
                if let Some(ticket) = ticket {
                    self.app.seats.ask(Request::BeatWaiting { ticket, attentive: true }).await.ok();
                }
                Ok(())
            }
            Said::Bye => Err(End::Clean),
        }
    }

    async fn ask(&self, request: fn(Held) -> Request) -> Result<(), End> {
        if let Some(held) = self.held {
            // A seat that was lost is told with the next beat.
            self.app.seats.ask(request(held)).await.ok();
        }
        Ok(())
    }

    async fn beat(&mut self, stream: &mut WebSocket, n: u64) -> Result<(), End> {
        let Some(held) = self.held else { return say(stream, &json!({ "n": n })).await };
        match self.app.seats.ask(Request::Beat(held)).await {
            Ok(Reply::Beating { ttl_ms, state }) => say(stream, &json!(Beaten { n, ttl_ms, state })).await,
            Ok(Reply::Refused(refusal)) => {
                self.held = None;
                say(stream, &refused(&refusal, Some(n))).await
            }
            // Not answered: the page then believes less than the server, as it should.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Passes on what concerns this holder at this device, and nothing else.
    async fn pass_on(&mut self, stream: &mut WebSocket, push: &Push) -> Result<(), End> {
        if matches!(push.what, Pushed::Queue) {
            self.line_moved |= push.pool == self.pool;
            return Ok(());
        }
        let is_theirs = match push.to {
            Some(holder) => holder == self.holder,
            None => {
                push.pool == self.pool
                    && self.app.seats.look(|pools, _| pools.waiting(&self.pool, self.holder).is_some())
            }
        };
        let is_here =
            push.devices.is_empty() || self.device.is_some_and(|device| push.devices.contains(&device));
        if !is_theirs || !is_here {
            return Ok(());
        }
        let office = self.app.seats.look(|_, now| now.office);
        say(stream, &pushed(&push.what, office)).await
    }

    /// Tells somebody who waits where they stand.
    async fn tell_place(&self, stream: &mut WebSocket) -> Result<(), End> {
        let place = self.app.seats.look(|pools, now| {
            let place = pools.place(pools.waiting(&self.pool, self.holder)?, now)?;
            let counts = pools.counts(&self.pool);
            Some(PlaceAnswer::of(&place, (counts.live, counts.capacity)))
        });
        match place {
            Some(place) => say(stream, &json!({ "push": "queue", "place": place })).await,
            None => Ok(()),
        }
    }
}

/// Says why the socket ends, and reads what is still on its way: a line that is cut with words unread loses the reason.
async fn close(mut stream: WebSocket, frame: CloseFrame) {
    if stream.send(Message::Close(Some(frame))).await.is_ok() {
        for _ in 0..LAST_WORDS_MAX {
            if !matches!(stream.recv().await, Some(Ok(_))) {
                return;
            }
        }
    }
}

async fn say(stream: &mut WebSocket, message: &Value) -> Result<(), End> {
    send(stream, Message::Text(message.to_string().into())).await
}

async fn send(stream: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(SEND_MAX, stream.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Broken),
        Err(_) => Err(End::Refused(close_code::AGAIN, "too slow")),
    }
}
