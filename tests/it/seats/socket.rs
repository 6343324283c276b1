//! The socket of a page: what is pushed, to whom, and what a close means.

use futures_util::{SinkExt as _, StreamExt as _};
use gijiroku::store::audit::Actor;
use gijiroku::store::sessions::{Scope, Token};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

/// A page with its socket open.
struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn token_of(office: &Office, clerk: &Clerk) -> String {
    let secret = format!("gjr_{}", gijiroku::http::secret::random());
    let now = office.now();
    let token = Token::new("a", vec![Scope::Write], Some(now.plus(Duration::from_secs(36_000))), now);
    let digest = gijiroku::http::secret::digest(&secret);
    let made = office.store.add_token(clerk.person.id(), &token, &digest, 20, &Actor::server(), now).await;
    assert!(made.expect("tokens can be made"));
    secret
}

impl Page {
    /// Opens a socket, or tells the status it was refused with.
    async fn open(office: &Office, token: &str, origin: Option<&str>) -> Result<Self, u16> {
        let url = format!("ws://{}/v1/seats/live", office.address);
        let mut request = url.into_client_request().expect("it is an address");
        let header = |text: &str| text.parse().expect("it is a header");
        request.headers_mut().insert("authorization", header(&format!("Bearer {token}")));
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", header(origin));
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the socket is open");
    }

    /// Reads until a message that fits comes; pings are answered on the way.
    async fn hear(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let message = self.0.next().await.expect("the socket is open").expect("it is whole");
                let Message::Text(text) = message else { continue };
                let value: Value = serde_json::from_str(&text).expect("messages are JSON");
                if fits(&value) {
                    return value;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("it comes soon")
    }

    /// Reads until a message that fits comes; returns it and all that came before it.
    async fn hear_all(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut heard = vec![self.hear(|_| true).await];
        while !heard.last().is_some_and(&fits) {
            heard.push(self.hear(|_| true).await);
        }
        heard
    }

    /// Reads until the server closes; returns its code.
    async fn closed(&mut self) -> u16 {
        let end = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return 0,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), end).await.expect("it ends soon")
    }
}

fn hello(clerk: &Clerk, proof: Option<&Proof>) -> Value {
    match proof {
        Some(Proof { lease, token }) => {
            json!({ "say": "hello", "lease": lease, "token": token, "device": clerk.device })
        }
        None => json!({ "say": "hello", "device": clerk.device }),
    }
}

#[tokio::test]
async fn a_page_that_closes_gives_its_seat_to_the_next_within_seconds() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let (held, _) = (a.sit().await, b.wait().await);
    let mut holder = Page::open(&office, &token_of(&office, &a).await, None).await.expect("it may");
    let mut waiter = Page::open(&office, &token_of(&office, &b).await, None).await.expect("it may");
    holder.say(hello(&a, Some(&held))).await;
    let greeted = holder.hear(|message| message["n"] == 0).await;
    assert_eq!((greeted["ttl_ms"].as_u64(), greeted["state"].as_str()), (Some(45_000), Some("active")));
    waiter.say(hello(&b, None)).await;
    let place = waiter.hear(|message| message["push"] == "queue").await;
    assert_eq!(place["place"]["position"], 1);
    holder.say(json!({ "say": "beat", "n": 7 })).await;
    holder.hear(|message| message["n"] == 7).await;
    holder.say(json!({ "say": "bye" })).await;
    assert_eq!(holder.closed().await, 1000);
    pass(&office, 2);
    let offer = waiter.hear(|message| message["push"] == "offer").await;
    assert_eq!(offer["sentence"], "席が空きました。利用を開始してください。");
    let text = |name: &str| offer[name].as_str().expect("numbers are decimal strings").to_owned();
    let offered = Proof { lease: text("lease"), token: text("token") };
    assert_eq!(b.act(&offered, "accept").await.status, 200);
}

#[tokio::test]
async fn what_is_pushed_reaches_its_holder_and_nobody_else() {
    let (office, administrator) = office_with(2).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let b = Clerk::of(&office, "b", administrator.department()).await;
    let (of_a, of_b) = (a.sit().await, b.sit().await);
    let mut first = Page::open(&office, &token_of(&office, &a).await, None).await.expect("it may");
    let mut second = Page::open(&office, &token_of(&office, &b).await, None).await.expect("it may");
    first.say(hello(&a, Some(&of_a))).await;
    first.hear(|message| message["n"] == 0).await;
    second.say(hello(&b, Some(&of_b))).await;
    second.hear(|message| message["n"] == 0).await;
    let revoke = format!("/v1/seats/{}/revoke", of_a.lease);
    assert_eq!(administrator.post(&revoke, json!({ "reason": "閉庁" })).await.status, 204);
    let mut told = first.hear_all(|message| message["push"] == "revoked").await;
    assert_eq!(told.last().expect("it was heard")["sentence"], "管理者が席を返却しました(理由: 閉庁)。");
    second.say(json!({ "say": "beat", "n": 1 })).await;
    let next = second.hear(|_| true).await;
    assert_eq!(next["n"], 1, "nothing of somebody else came before it");
    first.say(json!({ "say": "beat", "n": 2 })).await;
    told.extend(first.hear_all(|message| message["n"] == 2).await);
    // Its answer to the server's ping is a beat, too: the first of both after the loss is refused.
    let refused: Vec<_> = told.iter().filter(|message| message["push"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{told:?}");
    assert_eq!(refused[0]["code"], "seat_lost");
}

#[tokio::test]
async fn a_page_of_another_site_a_flood_and_a_fifth_page_are_refused() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    let token = token_of(&office, &a).await;
    assert_eq!(Page::open(&office, &token, Some("https://evil.example")).await.err(), Some(403));
    let own = format!("http://{}", office.address);
    let mut pages = Vec::new();
    for _ in 0..4 {
        pages.push(Page::open(&office, &token, Some(&own)).await.expect("four may"));
    }
    assert_eq!(Page::open(&office, &token, Some(&own)).await.err(), Some(429));
    let mut flood = pages.pop().expect("there are four");
    for n in 0..40 {
        if flood.0.send(Message::text(json!({ "say": "beat", "n": n }).to_string())).await.is_err() {
            break;
        }
    }
    assert_eq!(flood.closed().await, 1008);
    let mut large = pages.pop().expect("there are three");
    large.0.send(Message::text("x".repeat(9_000))).await.ok();
    assert_ne!(large.closed().await, 1000);
    let mut odd = pages.pop().expect("there are two");
    odd.say(json!({ "say": "what" })).await;
    assert_eq!(odd.closed().await, 1007);
}

#[tokio::test]
async fn an_address_for_sockets_says_so_to_a_plain_request() {
    let (office, administrator) = office_with(1).await;
    let a = Clerk::of(&office, "a", administrator.department()).await;
    assert_eq!(code(&a.person.get("/v1/seats/live").await), (426, "no_socket"));
}
