//! People before a running server: over HTTP with connections that stay open, and over sockets.

use std::sync::Arc;
use std::time::Duration;

use gijiroku::clock::Mono;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::people::{self, Person};
use crate::socket::Socket;
use crate::{setting, text, told};

/// Seats one person may take in a row before they have to wait: the server's own limit.
const TAKEN_MAX: usize = 5;
/// Connections over which seats are taken.
const CONNECTIONS: usize = 64;
/// Time over which those who come back spread.
const SPREAD: Duration = Duration::from_secs(4);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often somebody looks whether their turn has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The server that is asked.
pub struct Office {
    client: Client,
    url: String,
    meeting: String,
}

/// A seat somebody has.
#[derive(Debug, Clone)]
struct Seat {
    lease: String,
    token: String,
}

impl Seat {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().expect("a lease has it").to_owned();
        Self { lease: text("lease"), token: text("token") }
    }
}

impl Office {
    fn from_environment() -> Self {
        let url = text("SEATS_URL");
        assert!(url.starts_with("http://127.0.0.1:"), "a load goes to loopback only");
        rustls::crypto::ring::default_provider().install_default().ok();
        let client =
            Client::builder().no_proxy().timeout(PATIENCE).pool_max_idle_per_host(CONNECTIONS).build();
        Self { client: client.expect("a client needs nothing"), url, meeting: text("SEATS_MEETING") }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    async fn call(&self, person: &Person, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let answer = request.bearer_auth(&person.secret).json(body).send().await.expect("the server answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn ask(&self, person: &Person, mode: &str) -> (u16, Value) {
        let device = json!({ "id": person.id, "kind": "browser", "name": "PC" });
        let body = json!({
            "request_id": Uuid::now_v7(), "device": device, "use": { "edit": self.meeting }, "mode": mode
        });
        self.call(person, Method::POST, "/v1/seats", &body).await
    }

    async fn take(&self, person: &Person) -> Seat {
        let (status, answer) = self.ask(person, "nowait").await;
        assert!(status == 200 || status == 201, "{status} {answer}");
        Seat::of(&answer)
    }

    async fn give_back(&self, person: &Person, seat: &Seat) {
        let body = json!({ "token": seat.token, "device": person.id });
        let (status, answer) =
            self.call(person, Method::DELETE, &format!("/v1/seats/{}", seat.lease), &body).await;
        assert_eq!(status, 204, "{answer}");
    }

    async fn beat(&self, person: &Person, seat: &Seat) -> (u16, Value) {
        let path = format!("/v1/seats/{}", seat.lease);
        self.call(person, Method::PUT, &path, &json!({ "token": seat.token })).await
    }

    async fn socket(&self, person: &Person, seat: Option<&Seat>) -> Result<Socket, std::io::Error> {
        let mut socket = Socket::open(self.address(), &person.secret).await?;
        let (lease, token) = (seat.map(|seat| &seat.lease), seat.map(|seat| &seat.token));
        let hello = json!({ "say": "hello", "lease": lease, "token": token, "device": person.id });
        socket.say(&hello.to_string()).await?;
        Ok(socket)
    }

    async fn all_take(self: &Arc<Self>, people: &[Person]) -> Vec<Seat> {
        let mut seats = Vec::new();
        for person in people {
            seats.push(self.take(person).await);
        }
        seats
    }
}

/// Takes seats and gives them back over connections that stay open.
pub async fn asked() -> Value {
    let (office, people) = (Arc::new(Office::from_environment()), people::known());
    let (began, seconds) = (Mono::now(), setting("SEATS_S", 10));
    let mut working = JoinSet::new();
    for own in people.chunks(people.len().div_ceil(CONNECTIONS)) {
        let (office, own) = (Arc::clone(&office), own.to_vec());
        working.spawn(async move {
            let mut times_us = Vec::new();
            let turns = own.iter().flat_map(|person| std::iter::repeat_n(person, TAKEN_MAX));
            for person in turns {
                if Mono::now().since(began) >= Duration::from_secs(seconds) {
                    break;
                }
                let asked = Mono::now();
                let (status, answer) = office.ask(person, "nowait").await;
                // Two people whose allowance lies in the same place have it together.
                if status == 429 {
                    continue;
                }
                assert_eq!(status, 201, "{answer}");
                let seat = Seat::of(&answer);
                times_us.push(Mono::now().since(asked).as_micros() as u64);
                office.give_back(person, &seat).await;
            }
            (times_us, Mono::now())
        });
    }
    let (mut times_us, mut ended) = (Vec::new(), began);
    while let Some(done) = working.join_next().await {
        let (times, end) = done.expect("nobody fails");
        times_us.extend(times);
        ended = ended.max(end);
    }
    let per_s = times_us.len() as f64 / ended.since(began).as_secs_f64();
    json!({ "pairs": times_us.len(), "per_s": per_s, "grant_ms": told(times_us) })
}

/// Gives signs of life over sockets, four for each holder, as fast as a socket may speak.
pub async fn beaten() -> Value {
    let (office, people) = (Arc::new(Office::from_environment()), people::known());
    let people = &people[..people.len().min(500)];
    let seats = office.all_take(people).await;
    let seconds = setting("SEATS_S", 5);
    let mut working = JoinSet::new();
    let began = Mono::now();
    for (person, seat) in people.iter().zip(&seats).flat_map(|pair| std::iter::repeat_n(pair, 4)) {
        let (office, person, seat) = (Arc::clone(&office), person.clone(), seat.clone());
        working.spawn(async move {
            let mut socket = office.socket(&person, Some(&seat)).await.expect("it opens");
            socket.hear().await.expect("it answers");
            let (mut count, mut clock) = (0_u64, tokio::time::interval(Duration::from_millis(60)));
            while Mono::now().since(began) < Duration::from_secs(seconds) {
                clock.tick().await;
                socket.say(&json!({ "say": "beat", "n": count + 1 }).to_string()).await.expect("it is open");
                let answer = socket.hear().await.expect("it answers");
                assert!(answer.contains("ttl_ms"), "{answer}");
                count += 1;
            }
            count
        });
    }
    let mut count = 0;
    while let Some(done) = working.join_next().await {
        count += done.expect("nobody fails");
    }
    let took = Mono::now().since(began).as_secs_f64();
    json!({ "sockets": seats.len() * 4, "beats": count, "per_s": count as f64 / took })
}

/// Opens sockets at once, some of them by holders; then looks whether every holder still has their seat.
pub async fn storm() -> Value {
    let (office, people) = (Arc::new(Office::from_environment()), people::known());
    let sockets = setting("SEATS_SOCKETS", 10_000) as u32;
    let holders = people.len().min(500);
    let seats = office.all_take(&people[..holders]).await;
    let began = Mono::now();
    let mut opening = JoinSet::new();
    for number in 0..sockets {
        let office = Arc::clone(&office);
        let index = number as usize % people.len();
        let (person, seat) = (people[index].clone(), seats.get(number as usize).cloned());
        opening.spawn(async move {
            tokio::time::sleep(SPREAD * number / sockets).await;
            let asked = Mono::now();
            let mut socket =
                office.socket(&person, seat.as_ref()).await.map_err(|error| error.to_string())?;
            socket.say(r#"{"say":"beat","n":1}"#).await.map_err(|error| error.to_string())?;
            while !socket.hear().await.map_err(|error| error.to_string())?.contains("\"n\":1") {}
            Ok::<_, String>((socket, asked, Mono::now()))
        });
    }
    let (mut open, mut times_us, mut refused, mut last) = (Vec::new(), Vec::new(), Vec::new(), began);
    while let Some(done) = opening.join_next().await {
        match done.expect("nobody fails") {
            Ok((socket, asked, answered)) => {
                times_us.push(answered.since(asked).as_micros() as u64);
                last = last.max(answered);
                open.push(socket);
            }
            Err(error) => refused.push(error),
        }
    }
    let (mut lost, opened) = (0, open.len());
    for (person, seat) in people.iter().zip(&seats) {
        let (status, answer) = office.beat(person, seat).await;
        if status != 200 || answer["state"] != "active" {
            lost += 1;
        }
    }
    drop(open);
    json!({
        "sockets": sockets, "opened": opened, "holders": seats.len(), "leases_lost": lost,
        "seconds": last.since(began).as_secs_f64(), "open_ms": told(times_us),
        "refused": refused.len(), "first_refusal": refused.first()
    })
}

/// Waits for a seat, and returns when it came.
async fn served(office: &Office, person: &Person, ticket: &str) -> (Seat, Mono) {
    let (began, path) = (Mono::now(), format!("/v1/seats/line/{ticket}"));
    while Mono::now().since(began) < PATIENCE {
        let (status, answer) = office.call(person, Method::PUT, &path, &json!({ "attentive": true })).await;
        if status == 200 || status == 201 {
            return (Seat::of(&answer), Mono::now());
        }
        assert!(status == 202 || status == 429, "{status} {answer}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("nobody was served")
}

/// Measures how long somebody waits for a holder who closes in order, and for one who only falls silent.
///
/// The office has the five seats of an evaluation; the last sign of life is the answer to the holder's last beat.
pub async fn dead() -> Value {
    let (office, people) = (Arc::new(Office::from_environment()), people::known());
    let [closing, silent, kept @ ..] = &people[..7] else { panic!("seven people are needed") };
    let seats = office.all_take(&people[..5]).await;
    let beating = {
        let (office, kept, seats) = (Arc::clone(&office), kept[..3].to_vec(), seats.clone());
        tokio::spawn(async move {
            loop {
                for (person, seat) in kept.iter().zip(&seats[2..]) {
                    office.beat(person, seat).await;
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        })
    };
    let ticket = |answer: &Value| answer["ticket"].as_str().expect("a place has a name").to_owned();
    let mut socket = office.socket(closing, Some(&seats[0])).await.expect("it opens");
    socket.hear().await.expect("it answers");
    let (status, answer) = office.ask(&kept[3], "wait").await;
    assert_eq!(status, 202, "{answer}");
    socket.close().await.expect("it is open");
    let closed = Mono::now();
    let (_, at) = served(&office, &kept[3], &ticket(&answer)).await;
    let closed_s = at.since(closed).as_secs_f64();
    // The socket stays open, but nobody answers its pings: a PC whose power was cut.
    let (mut socket, sign) = (office.socket(silent, Some(&seats[1])).await.expect("it opens"), Mono::now());
    socket.hear().await.expect("it answers");
    let (status, answer) = office.ask(&kept[4], "wait").await;
    assert_eq!(status, 202, "{answer}");
    let (_, at) = served(&office, &kept[4], &ticket(&answer)).await;
    beating.abort();
    json!({ "closed_s": closed_s, "silent_s": at.since(sign).as_secs_f64() })
}

/// Looks whether every holder still has their seat.
pub async fn held() -> Value {
    let (office, people) = (Office::from_environment(), people::known());
    let (mut kept, mut lost) = (0, Vec::new());
    for person in &people {
        let (Some(lease), Some(token)) = (&person.lease, &person.token) else { continue };
        let (status, answer) =
            office.beat(person, &Seat { lease: lease.clone(), token: token.clone() }).await;
        if status == 200 { kept += 1 } else { lost.push(format!("{status} {answer}")) }
    }
    json!({ "kept": kept, "lost": lost.len(), "first": lost.first() })
}
