//! Many people at once on a running server, on loopback only: some read long minutes, some edit them.
//!
//! Environment: LOAD_URL (http://127.0.0.1:PORT), LOAD_TOKENS (of several accounts or programs, with commas between:
//! the people take turns at them), LOAD_MEETING (whose minutes), LOAD_READERS (200), LOAD_EDITORS (30), LOAD_S (60, at
//! most 600), LOAD_READ_EVERY_MS (5000), LOAD_EDIT_EVERY_MS (3000).
//!
//! A reader looks anew every few seconds with the ETag it has: a whole document when something changed, 304 when not.
//! An editor replaces one character of one utterance, a place of its own, on the revision it last saw. Every request
//! begins at its own moment of the clock: one that waits for the server does not slow the next one down unseen.
//! Prints one line of JSON: counts, failures, and the times in milliseconds at 50, 95, 99 and 100 per cent.
#![expect(clippy::disallowed_methods, reason = "a bench reads settings and the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gijiroku::clock::Mono;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// The longest run: a load stops by itself.
const SECONDS_MAX: u64 = 600;
/// The longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn text(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} says whom to ask"))
}

struct Target {
    client: Client,
    url: String,
    tokens: Vec<String>,
    meeting: String,
    /// What proves the seat of the person whose tokens these are.
    seat: String,
}

#[derive(Default)]
struct Tally {
    times_us: Mutex<Vec<u64>>,
    failed: AtomicU64,
    conflicts: AtomicU64,
    whole: AtomicU64,
}

impl Target {
    fn from_environment() -> Self {
        let url = text("LOAD_URL");
        assert!(url.starts_with("http://127.0.0.1:"), "a load goes to loopback only");
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().no_proxy().timeout(ANSWER_MAX).build();
        Self {
            client: client.expect("a client needs nothing"),
            url,
            tokens: text("LOAD_TOKENS").split(',').map(str::to_owned).collect(),
            meeting: text("LOAD_MEETING"),
            seat: String::new(),
        }
    }

    /// Takes the one seat that all programs of a person work on, and keeps it for as long as the load runs.
    async fn sit(&mut self) {
        let (address, token) = (format!("{}/v1/seats", self.url), self.tokens[0].clone());
        let name = || uuid::Uuid::now_v7();
        let body = json!({
            "request_id": name(), "device": { "id": name(), "kind": "browser", "name": "load" },
            "use": { "edit": self.meeting }, "mode": "nowait",
        });
        let answer = self.client.post(&address).bearer_auth(&token).json(&body).send().await;
        let lease: Value = answer.expect("the server answers").json().await.expect("a lease is JSON");
        let text = |name: &str| lease[name].as_str().expect("a lease has it").to_owned();
        let (lease, proof) = (text("lease"), text("token"));
        self.seat = format!("{lease}.{proof}");
        let (client, address) = (self.client.clone(), format!("{address}/{lease}"));
        tokio::spawn(async move {
            let mut beats = tokio::time::interval(Duration::from_secs(10));
            loop {
                beats.tick().await;
                let beat = client.put(&address).bearer_auth(&token).json(&json!({ "token": proof }));
                beat.send().await.ok();
            }
        });
    }

    fn minutes(&self, person: u64, method: Method, query: &str) -> RequestBuilder {
        let address = format!("{}/v1/meetings/{}/minutes{query}", self.url, self.meeting);
        self.client.request(method, address).bearer_auth(&self.tokens[person as usize % self.tokens.len()])
    }
}

async fn read(target: &Target, person: u64, tag: &mut String, tally: &Tally) {
    let began = Mono::now();
    let request = target.minutes(person, Method::GET, "?words=false").header("if-none-match", tag.as_str());
    // As browsers do: what crosses the wire is the compressed document.
    let request = request.header("accept-encoding", "gzip");
    let Ok(response) = request.send().await else {
        tally.failed.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let status = response.status();
    if let Some(new) = response.headers().get("etag").and_then(|value| value.to_str().ok()) {
        *tag = new.to_owned();
    }
    let bytes = response.bytes().await.map_or(0, |body| body.len());
    match status {
        StatusCode::NOT_MODIFIED => {}
        StatusCode::OK if bytes > 0 => _ = tally.whole.fetch_add(1, Ordering::Relaxed),
        _ => _ = tally.failed.fetch_add(1, Ordering::Relaxed),
    }
    tally.times_us.lock().await.push(Mono::now().since(began).as_micros() as u64);
}

/// One person who edits one utterance.
struct Editor {
    block: u64,
    revision: u64,
    turn: u64,
    name: u64,
}

impl Editor {
    async fn edit(&mut self, target: &Target, tally: &Tally) {
        self.turn += 1;
        let text = format!("負荷試験の発言 {} の {} 回目です。", self.name, self.turn);
        let body = json!({
            "base_revision": self.revision, "request_id": format!("load-{}-{}-{}", std::process::id(), self.name, self.turn),
            "ops": [{ "op": "set_text", "block": self.block, "text": text }]
        });
        let began = Mono::now();
        let answer = {
            let request = target.minutes(self.name, Method::PATCH, "").header("seat", &target.seat);
            request.json(&body).send().await
        };
        let Ok(response) = answer else {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or(Value::Null);
        tally.times_us.lock().await.push(Mono::now().since(began).as_micros() as u64);
        match status {
            StatusCode::OK => self.revision = answer["revision"].as_u64().unwrap_or(self.revision),
            StatusCode::CONFLICT => {
                tally.conflicts.fetch_add(1, Ordering::Relaxed);
                self.revision = answer["facts"]["revision"].as_u64().unwrap_or(self.revision);
            }
            _ => _ = tally.failed.fetch_add(1, Ordering::Relaxed),
        }
    }
}

fn told(mut times_us: Vec<u64>) -> Value {
    times_us.sort_unstable();
    let at = |share: f64| {
        let index = ((times_us.len() as f64 * share).ceil() as usize).clamp(1, times_us.len().max(1)) - 1;
        times_us.get(index).map_or(0.0, |us| *us as f64 / 1000.0)
    };
    json!({ "count": times_us.len(), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut target = Target::from_environment();
    target.sit().await;
    let target = Arc::new(target);
    let (readers, editors) = (setting("LOAD_READERS", 200), setting("LOAD_EDITORS", 30));
    let seconds = setting("LOAD_S", 60).min(SECONDS_MAX);
    let (read_every, edit_every) = (setting("LOAD_READ_EVERY_MS", 5000), setting("LOAD_EDIT_EVERY_MS", 3000));
    let first: Value = target
        .minutes(0, Method::GET, "?words=false")
        .send()
        .await
        .expect("the server answers")
        .json()
        .await
        .expect("minutes are JSON");
    let revision = first["revision"].as_u64().expect("minutes have a revision");
    let blocks: Vec<u64> = first["minutes"]["blocks"]
        .as_array()
        .expect("minutes have blocks")
        .iter()
        .filter(|block| block["kind"] == "utterance")
        .filter_map(|block| block["id"].as_u64())
        .collect();
    let (reading, editing) = (Arc::new(Tally::default()), Arc::new(Tally::default()));
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let mut people = tokio::task::JoinSet::new();
    for person in 0..readers {
        let (target, tally) = (Arc::clone(&target), Arc::clone(&reading));
        let offset = Duration::from_millis(person * read_every / readers);
        people.spawn(async move {
            let mut moments = tokio::time::interval_at(
                tokio::time::Instant::now() + offset,
                Duration::from_millis(read_every),
            );
            let mut tag = String::new();
            while moments.tick().await < end {
                read(&target, person, &mut tag, &tally).await;
            }
        });
    }
    for person in 0..editors {
        let (target, tally) = (Arc::clone(&target), Arc::clone(&editing));
        let block = blocks[(person as usize * 97) % blocks.len()];
        let offset = Duration::from_millis(person * edit_every / editors);
        people.spawn(async move {
            let mut moments = tokio::time::interval_at(
                tokio::time::Instant::now() + offset,
                Duration::from_millis(edit_every),
            );
            let mut editor = Editor { block, revision, turn: 0, name: person };
            while moments.tick().await < end {
                editor.edit(&target, &tally).await;
            }
        });
    }
    while people.join_next().await.is_some() {}
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let answer = json!({
        "seconds": seconds,
        "reads": told(std::mem::take(&mut *reading.times_us.lock().await)),
        "edits": told(std::mem::take(&mut *editing.times_us.lock().await)),
        "read_failures": count(&reading.failed), "edit_failures": count(&editing.failed),
        "edit_conflicts": count(&editing.conflicts), "whole_documents": count(&reading.whole),
    });
    println!("{answer}");
}
