//! A server that speaks the protocol of live sound and nothing else, and a cable to it that can be cut.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use gijiroku::audio::frames::{Frame, FrameError};
use gijiroku::audio::record::{ClientSays, ServerSays};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::repository;

/// What one microphone told.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Its place in the meeting.
    pub number: usize,
    /// Samples per second.
    pub rate_hz: u32,
    /// What came.
    pub sound: Vec<i16>,
    /// How much of it would survive the loss of the server.
    pub durable: usize,
    /// First samples behind holes.
    pub holes: Vec<u64>,
    /// Where it said that it ends.
    pub end: Option<u64>,
}

/// All that came.
#[derive(Debug, Default)]
pub struct Books {
    /// What was wished with each new session.
    pub wishes: Vec<Value>,
    /// By which tokens.
    pub tokens: Vec<String>,
    /// How often a microphone said who it is.
    pub hellos: usize,
    by_name: HashMap<String, Stream>,
    /// Meetings that microphones went to.
    lives: BTreeSet<String>,
    /// Answers to wishes that are still to be lost on their way.
    lost: usize,
    paused: bool,
    ended: bool,
}

impl Books {
    /// Returns the meetings that microphones went to.
    pub fn lives(&self) -> Vec<&str> {
        self.lives.iter().map(String::as_str).collect()
    }

    /// Returns how many microphones came.
    pub fn streams(&self) -> usize {
        self.by_name.len()
    }

    /// Returns the microphone with this place; an empty one before it came.
    pub fn stream(&self, number: usize) -> &Stream {
        static NONE: std::sync::LazyLock<Stream> = std::sync::LazyLock::new(Stream::default);
        self.by_name.values().find(|stream| stream.number == number).unwrap_or(&NONE)
    }

    /// Returns what it told.
    pub fn heard(&self, number: usize) -> &[i16] {
        &self.stream(number).sound
    }

    /// Returns how much of it was confirmed.
    pub fn stored(&self, number: usize) -> u64 {
        self.stream(number).durable as u64
    }

    /// Returns every recording that was ended.
    pub fn whole(&self) -> Vec<&[i16]> {
        let ended = self.by_name.values().filter(|stream| stream.end.is_some());
        ended.map(|stream| stream.sound.as_slice()).collect()
    }
}

#[derive(Debug, Default)]
struct Shelf {
    books: Mutex<Books>,
    news: Notify,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        let done = work(&mut self.lock());
        self.news.notify_waiters();
        done
    }
}

/// The server.
pub struct Desk {
    shelf: Arc<Shelf>,
    address: SocketAddr,
    /// Dropped, it breaks every connection.
    present: Option<(watch::Sender<()>, JoinHandle<()>)>,
}

impl Desk {
    /// Opens it on a free port.
    pub async fn open() -> Self {
        let address = "127.0.0.1:0".parse().expect("it is an address");
        let mut desk = Self { shelf: Arc::default(), address, present: None };
        desk.come_back().await;
        desk
    }

    /// Returns what a client is told.
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, refuses new ones, and forgets what it had not confirmed.
    pub async fn go_away(&mut self) {
        let Some((present, server)) = self.present.take() else { return };
        drop(present);
        server.abort();
        // The port is free once the task is gone.
        server.await.ok();
        self.shelf.change(|books| {
            for stream in books.by_name.values_mut() {
                stream.sound.truncate(stream.durable);
                let durable = stream.durable as u64;
                stream.holes.retain(|hole| *hole < durable);
            }
        });
    }

    /// Answers again, where it did before.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is free");
        self.address = listener.local_addr().expect("a bound socket has an address");
        let (present, presence) = watch::channel(());
        let router = Router::new()
            .route("/v1/live", post(begin))
            .route("/v1/live/{id}/record", get(record))
            .with_state((Arc::clone(&self.shelf), presence));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it listens") });
        self.present = Some((present, server));
    }

    /// Loses the next answers to wishes: who wished does not learn that it was heard.
    pub fn lose_answers(&self, count: usize) {
        self.shelf.change(|books| books.lost = count);
    }

    /// Ends the meeting, as somebody at the console does.
    pub fn end_all(&self) {
        self.shelf.change(|books| books.ended = true);
    }

    /// Pauses the meeting or goes on with it, as somebody at the console does.
    pub fn pause(&self, paused: bool) {
        self.shelf.change(|books| books.paused = paused);
    }

    /// Looks into the books.
    pub fn look<T>(&self, work: impl FnOnce(&Books) -> T) -> T {
        work(&self.shelf.lock())
    }

    /// Waits a while for something to stand in the books; false if it never did.
    pub async fn soon(&self, within: Duration, is_so: impl Fn(&Books) -> bool) -> bool {
        let waiting = async {
            loop {
                let news = self.shelf.news.notified();
                if is_so(&self.shelf.lock()) {
                    return;
                }
                // Several microphones tell at once; one look in a while is enough.
                tokio::time::timeout(Duration::from_millis(200), news).await.ok();
            }
        };
        tokio::time::timeout(within, waiting).await.is_ok()
    }

    /// Waits until something stands in the books.
    pub async fn until(&self, is_so: impl Fn(&Books) -> bool) {
        if !self.soon(Duration::from_secs(90), is_so).await {
            let told = self.look(|books| {
                let streams: Vec<_> = books.by_name.values().collect();
                let told = |stream: &&Stream| {
                    (stream.number, stream.sound.len(), stream.durable, stream.holes.clone())
                };
                format!("{} wishes, {:?}", books.wishes.len(), streams.iter().map(told).collect::<Vec<_>>())
            });
            panic!("not within a minute and a half: {told}");
        }
    }
}

type Place = (Arc<Shelf>, watch::Receiver<()>);

async fn begin(
    State((shelf, _)): State<Place>,
    headers: HeaderMap,
    Json(wish): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let token = headers["authorization"].to_str().expect("it is text").to_owned();
    let (number, is_lost) = shelf.change(|books| {
        books.tokens.push(token);
        // The same wish has the same meeting.
        let known = books.wishes.iter().position(|before| before["request_id"] == wish["request_id"]);
        let number = known.unwrap_or(books.wishes.len()) + 1;
        books.wishes.push(wish);
        let is_lost = books.lost > 0;
        books.lost = books.lost.saturating_sub(1);
        (number, is_lost)
    });
    if is_lost { Err(StatusCode::BAD_GATEWAY) } else { Ok(Json(json!({ "live": format!("live-{number}") }))) }
}

async fn record(
    State((shelf, mut presence)): State<Place>,
    Path(live): Path<String>,
    Query(query): Query<HashMap<String, usize>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let number = query["stream"];
    shelf.change(|books| books.lives.insert(live));
    upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            _ = presence.changed() => {}
            _ = serve(&shelf, number, socket) => {}
        }
    })
}

async fn say(socket: &mut WebSocket, says: ServerSays) -> Option<()> {
    let text = serde_json::to_string(&says).expect("it is plain");
    socket.send(Message::text(text)).await.ok()
}

async fn serve(shelf: &Shelf, number: usize, mut socket: WebSocket) -> Option<()> {
    let Message::Text(hello) = socket.recv().await?.ok()? else { return None };
    let Ok(ClientSays::Hello { stream: name, rate_hz, protocol: 1 }) = serde_json::from_str(&hello) else {
        return None;
    };
    let stored = shelf.change(|books| {
        books.hellos += 1;
        let stream = books.by_name.entry(name.clone()).or_insert_with(|| Stream {
            number,
            rate_hz,
            ..Stream::default()
        });
        stream.durable as u64
    });
    say(&mut socket, ServerSays::Welcome { stored }).await?;
    let mut syncs = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            message = socket.recv() => match message?.ok()? {
                Message::Binary(bytes) => {
                    if let Some(from) = take(shelf, &name, Frame::decode(&bytes, rate_hz)) {
                        say(&mut socket, ServerSays::Resend { from }).await?;
                    }
                }
                Message::Text(text) => {
                    let Ok(ClientSays::End { samples }) = serde_json::from_str(&text) else { return None };
                    shelf.change(|books| books.by_name.get_mut(&name).expect("it said hello").end = Some(samples));
                    sync(shelf, &name, &mut socket).await?;
                }
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) => {}
            },
            _ = syncs.tick() => sync(shelf, &name, &mut socket).await?,
        }
    }
}

/// Writes a frame down; returns from where it is wanted instead.
fn take(shelf: &Shelf, name: &str, frame: Result<Frame, FrameError>) -> Option<u64> {
    shelf.change(|books| {
        let stream = books.by_name.get_mut(name).expect("it said hello");
        let here = stream.sound.len() as u64;
        let Ok(frame) = frame else { return Some(here) };
        if frame.first_sample != here {
            return (frame.first_sample > here).then_some(here);
        }
        if frame.hole_before {
            stream.holes.push(here);
        }
        stream.sound.extend(frame.samples);
        None
    })
}

async fn sync(shelf: &Shelf, name: &str, socket: &mut WebSocket) -> Option<()> {
    let state = if shelf.lock().paused { "paused" } else { "recording" };
    say(socket, ServerSays::State { state: state.into() }).await?;
    let (samples, is_over) = shelf.change(|books| {
        let stream = books.by_name.get_mut(name).expect("it said hello");
        stream.durable = stream.sound.len();
        let samples = stream.durable as u64;
        (samples, books.ended || stream.end == Some(samples))
    });
    say(socket, ServerSays::Stored { samples }).await?;
    if is_over {
        say(socket, ServerSays::Ended).await?;
    }
    Some(())
}

/// A cable between a client and the server.
pub struct Cable {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    /// How many lines were tried while it was cut.
    refused: Arc<watch::Sender<usize>>,
}

impl Cable {
    /// Lays one.
    pub async fn to(server: SocketAddr) -> Self {
        Self::lay(server, None).await
    }

    /// Lays one that begins with TLS, as `localhost`.
    pub async fn with_tls(server: SocketAddr) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let (certificate, key) =
            (repository("tests/fixtures/tls/server.pem"), repository("tests/fixtures/tls/server.key"));
        let chain = vec![CertificateDer::from_pem_file(certificate).expect("it is in the repository")];
        let key = PrivateKeyDer::from_pem_file(key).expect("it is in the repository");
        let config = config.expect("ring knows them").with_no_client_auth().with_single_cert(chain, key);
        Self::lay(server, Some(TlsAcceptor::from(Arc::new(config.expect("they belong together"))))).await
    }

    async fn lay(server: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (whole, state) = watch::channel(true);
        let refused = Arc::new(watch::Sender::new(0));
        let counter = Arc::clone(&refused);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (mut state, tls) = (state.clone(), tls.clone());
                if !*state.borrow() {
                    counter.send_modify(|refused| *refused += 1);
                }
                tokio::spawn(async move {
                    if *state.borrow_and_update() {
                        tokio::select! {
                            _ = state.wait_for(|whole| !whole) => {}
                            _ = join(near, tls, server) => {}
                        }
                    }
                });
            }
        });
        Self { address, whole, refused }
    }

    /// Returns the port of its near end.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns what a client is told.
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection and lets none stand.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Waits until so many more lines were tried in vain.
    pub async fn refuses(&self, times: usize) {
        let until = *self.refused.borrow() + times;
        self.refused.subscribe().wait_for(|refused| *refused >= until).await.expect("the cable is there");
    }

    /// Lets connections stand again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn join(near: TcpStream, tls: Option<TlsAcceptor>, server: SocketAddr) -> std::io::Result<()> {
    let mut far = TcpStream::connect(server).await?;
    match tls {
        Some(tls) => tokio::io::copy_bidirectional(&mut tls.accept(near).await?, &mut far).await?,
        None => tokio::io::copy_bidirectional(&mut { near }, &mut far).await?,
    };
    Ok(())
}
