//! Whoever reads captions: each gets what is new, and whoever was away what they missed.
//!
//! Nothing is kept for anybody: a reader says the last number they have seen, and a slow one gets everything at once.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::response::sse::{Event, KeepAlive, Sse};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::super::error::{Code, Problem};
use crate::store::live::Room;

/// Most that read the captions of one meeting.
const VIEWERS_MAX: usize = 1_000;
/// How often the server asks whether somebody is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Pings in a row that may stay unanswered.
const UNANSWERED_MAX: u32 = 3;
/// How long a reader may take to read what they are told.
const SEND_MAX: Duration = Duration::from_secs(5);
/// Messages that a reader may send, who has nothing to say.
const MESSAGES_MAX: u32 = 1_000;

/// Somebody who reads captions.
pub struct Viewer {
    room: Arc<Room>,
    news: watch::Receiver<u64>,
    seen: Option<u64>,
    pending: VecDeque<(u64, Arc<str>)>,
    /// Whether a look at what is there is due.
    is_due: bool,
    /// The secret part of the link they came by; they go when it changes.
    code: Option<String>,
}

impl Viewer {
    /// Lets somebody in who has seen the event `after` before.
    ///
    /// Errors: [`Code::TooManyViewers`].
    pub fn new(room: Arc<Room>, after: Option<u64>, code: Option<String>) -> Result<Self, Problem> {
        if room.listeners() >= VIEWERS_MAX {
            return Err(Code::TooManyViewers.into());
        }
        let news = room.follow();
        Ok(Self { room, news, seen: after, pending: VecDeque::new(), is_due: true, code })
    }

    /// Returns the next event; nothing if they may see no more.
    async fn next(&mut self) -> Option<(u64, Arc<str>)> {
        loop {
            if self.code.is_some() && self.room.code() != self.code {
                return None;
            }
            if let Some(event) = self.pending.pop_front() {
                self.seen = Some(event.0);
                return Some(event);
            }
            if self.is_due {
                self.is_due = false;
                self.news.mark_unchanged();
                self.pending = self.room.since(self.seen).into();
                continue;
            }
            self.news.changed().await.ok()?;
            self.is_due = true;
        }
    }

    /// Tells events as server-sent events, each with its number.
    pub fn sse(self) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let events = stream::unfold(self, |mut viewer| async move {
            let (seq, json) = viewer.next().await?;
            Some((Ok(Event::default().id(seq.to_string()).data(&*json)), viewer))
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    }

    /// Tells events through a socket until it ends.
    pub async fn serve(mut self, mut socket: WebSocket) {
        let reason = match self.run(&mut socket).await {
            Some(reason) => reason,
            None => return,
        };
        let frame = CloseFrame { code: reason.0, reason: Utf8Bytes::from_static(reason.1) };
        timeout(SEND_MAX, socket.send(Message::Close(Some(frame)))).await.ok();
    }

    /// Returns what is said at the end; nothing if the line broke.
    async fn run(&mut self, socket: &mut WebSocket) -> Option<(u16, &'static str)> {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut unanswered, mut messages) = (0, 0);
        loop {
            let message = tokio::select! {
                event = self.next() => match event {
                    Some((_, json)) => Message::Text(Utf8Bytes::from(&*json)),
                    None => return Some((close_code::NORMAL, "the link was closed")),
                },
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Close(_))) => return Some((close_code::NORMAL, "")),
                    Some(Ok(Message::Pong(_))) => {
                        unanswered = 0;
                        continue;
                    }
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_))) => {
                        messages += 1;
                        if messages > MESSAGES_MAX {
                            return Some((close_code::POLICY, "too many messages"));
                        }
                        continue;
                    }
                    Some(Err(_)) | None => return None,
                },
                _ = pings.tick() => {
                    if unanswered >= UNANSWERED_MAX {
                        return None;
                    }
                    unanswered += 1;
                    Message::Ping(Bytes::new())
                }
            };
            match timeout(SEND_MAX, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                // It comes again with the number it has seen.
                Err(_) => return Some((close_code::AGAIN, "too slow")),
            }
        }
    }
}
