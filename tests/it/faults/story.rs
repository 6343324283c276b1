//! What an office does all day: recordings come in, minutes are edited, recognitions are watched.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gijiroku::store::Id;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::ledger::{Ledger, Told};
use crate::office::Person;
use crate::support::meeting_sound;
use crate::uploads::{metadata, part, sha256, tus};

/// Longest sound that is uploaded, in seconds.
const SOUND_SECONDS: usize = 100;
/// Recognitions that are not done yet, beyond which only short noise is uploaded.
const OPEN_JOBS_MAX: usize = 2;

/// What goes wrong for the one who asks: nothing came back, or something that was not expected.
#[derive(Debug)]
pub struct NoAnswer;

/// People at work; what they have begun outlives the server they began it on.
pub struct Office {
    /// What they were told.
    pub ledger: Ledger,
    /// The sound they upload pieces of: 16 kHz mono.
    sound: Vec<f32>,
    state: Mutex<State>,
    /// Answers that no server should give.
    odd: Mutex<Vec<String>>,
}

struct State {
    rng: StdRng,
    sample: String,
    /// What is being uploaded.
    upload: Option<(String, Arc<Vec<u8>>)>,
    /// The revision the editor saw.
    revision: u64,
    /// Texts that can be edited.
    blocks: Vec<u64>,
    /// An edit that was sent and not answered.
    edit: Option<Value>,
    edits: u64,
    /// Recognitions that are not known to be done.
    jobs: BTreeMap<String, u64>,
    /// What proves the editor's seat.
    seat: Option<String>,
}

impl Office {
    /// Makes people whose choices follow from a number.
    pub fn new(ledger: Ledger, seed: u64) -> Self {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            sample: String::new(),
            upload: None,
            revision: 0,
            blocks: Vec::new(),
            edit: None,
            edits: 0,
            jobs: BTreeMap::new(),
            seat: None,
        };
        let (state, odd) = (Mutex::new(state), Mutex::default());
        Self { ledger, sound: meeting_sound(SOUND_SECONDS), state, odd }
    }

    fn state<T>(&self, see: impl FnOnce(&mut State) -> T) -> T {
        see(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the answers that no server should have given.
    pub fn odd(&self) -> Vec<String> {
        self.odd.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns which meeting is the sample.
    pub async fn meet(&self, person: &Person) {
        let list = person.get("/v1/meetings").await.json;
        let sample = list[0]["id"].as_str().expect("a new office has the sample").to_owned();
        let sample = format!("/v1/meetings/{sample}");
        let minutes = person.get(&format!("{sample}/minutes?words=false")).await.json;
        let blocks = minutes["minutes"]["blocks"].as_array().expect("minutes have blocks");
        let spoken = blocks.iter().filter(|block| block.to_string().contains("\"utterance\""));
        let blocks: Vec<_> = spoken.filter_map(|block| block["id"].as_u64()).collect();
        assert!(!blocks.is_empty(), "{minutes}");
        self.ledger.note(Told::Ready { sample: sample.clone() });
        self.state(|state| {
            state.revision = minutes["revision"].as_u64().expect("minutes have a revision");
            (state.sample, state.blocks) = (sample, blocks);
        });
    }

    async fn ask(
        &self,
        request: RequestBuilder,
    ) -> Result<(StatusCode, reqwest::header::HeaderMap, Value), NoAnswer> {
        loop {
            let request = request.try_clone().expect("its body is in memory");
            let response = request.send().await.map_err(|_| NoAnswer)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.bytes().await.map_err(|_| NoAnswer)?;
            if status != 429 {
                return Ok((status, headers, serde_json::from_slice(&body).unwrap_or(Value::Null)));
            }
            // People click more slowly; a machine has to be told so.
            pause(Duration::from_millis(300)).await;
        }
    }

    fn is_odd(&self, what: &str, status: StatusCode, body: &Value) -> NoAnswer {
        self.odd.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what}: {status} {body}"));
        NoAnswer
    }

    /// Works until the server does not answer.
    pub async fn work(self: Arc<Self>, person: Arc<Person>) {
        tokio::join!(
            async {
                while self.upload(&person).await.is_ok() {
                    pause(Duration::from_millis(self.state(|state| state.rng.random_range(1..500)))).await;
                }
            },
            async { while self.edit(&person).await.is_ok() {} },
            async {
                let mut looks = tokio::time::interval(Duration::from_millis(150));
                while self.watch(&person).await.is_ok() {
                    looks.tick().await;
                }
            },
        );
    }

    /// Brings one recording, or the rest of the one that was broken off.
    pub async fn upload(&self, person: &Person) -> Result<(), NoAnswer> {
        let begun = self.state(|state| state.upload.clone());
        let (path, sound, mut at) = match begun {
            Some((path, sound)) => {
                let (status, headers, body) = self.ask(tus(person, Method::HEAD, &path)).await?;
                let said = headers.get("upload-offset").and_then(|value| value.to_str().ok()?.parse().ok());
                let at = said.ok_or_else(|| self.is_odd("HEAD of an upload", status, &body))?;
                (path, sound, at)
            }
            None => {
                let sound = self.recording();
                let request = tus(person, Method::POST, "/v1/uploads").header("Upload-Length", sound.len());
                let named = metadata(&[("filename", "会議.wav"), ("title", "委員会"), ("preset", "fast")]);
                let (status, headers, body) = self.ask(request.header("Upload-Metadata", named)).await?;
                let path = headers.get("location").and_then(|value| value.to_str().ok());
                let path = path.ok_or_else(|| self.is_odd("an upload", status, &body))?.to_owned();
                self.ledger.note(Told::Upload { path: path.clone() });
                self.state(|state| state.upload = Some((path.clone(), Arc::clone(&sound))));
                (path, sound, 0)
            }
        };
        while at < sound.len() {
            let bytes = self.state(|state| state.rng.random_range(1..200_000)).min(sound.len() - at);
            let sent = sound[at..at + bytes].to_vec();
            let checksum = format!("sha256 {}", STANDARD.encode(Sha256::digest(&sent)));
            let request = part(person, &path, at as u64, sent).header("Upload-Checksum", checksum);
            let (status, _, body) = self.ask(request).await?;
            if status != 204 {
                return Err(self.is_odd("a part", status, &body));
            }
            at += bytes;
            self.ledger.note(Told::Offset { path: path.clone(), bytes: at as u64 });
        }
        self.recorded(person, path, &sound).await
    }

    async fn recorded(&self, person: &Person, path: String, sound: &[u8]) -> Result<(), NoAnswer> {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let (status, _, body) = self.ask(person.request(Method::GET, &path)).await?;
            if let Some(job) = body["recorded"]["job"].as_str() {
                let job = format!("/v1/jobs/{job}");
                self.state(|state| {
                    state.jobs.insert(job, 0);
                    state.upload = None;
                });
                self.ledger.note(Told::Recorded { path, sha256: sha256(sound) });
                return Ok(());
            }
            if body["state"] != "sealing" {
                return Err(self.is_odd("a whole upload", status, &body));
            }
        }
    }

    /// Cuts a recording: some seconds of the meeting, or noise so soft that nobody speaks in it.
    fn recording(&self) -> Arc<Vec<u8>> {
        let (speech, seconds, begin, seed) = self.state(|state| {
            let speech = state.jobs.len() < OPEN_JOBS_MAX;
            let seconds = if speech { state.rng.random_range(12..40) } else { state.rng.random_range(1..9) };
            (speech, seconds, state.rng.random_range(0..SOUND_SECONDS - 40), state.rng.random())
        });
        let mut rng = StdRng::seed_from_u64(seed);
        let piece = &self.sound[begin * 16_000..][..seconds * 16_000];
        let mut bytes = Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("memory takes everything");
        for sample in piece {
            let sample = if speech { (sample * 32_767.0) as i16 } else { rng.random_range(-3..=3) };
            writer.write_sample(sample).expect("memory takes everything");
        }
        writer.finalize().expect("memory takes everything");
        Arc::new(bytes.into_inner())
    }

    /// Takes a seat, as a browser does that has none any more.
    async fn sit(&self, person: &Person, meeting: &str) -> Result<String, NoAnswer> {
        let device = json!({ "id": person.id(), "kind": "browser", "name": "PC" });
        let body = json!({ "request_id": Id::new(), "device": device, "use": { "edit": meeting }, "mode": "nowait" });
        let (status, _, lease) = self.ask(person.request(Method::POST, "/v1/seats").json(&body)).await?;
        match (lease["lease"].as_str(), lease["token"].as_str()) {
            (Some(lease), Some(token)) => {
                let seat = format!("{lease}.{token}");
                self.state(|state| state.seat = Some(seat.clone()));
                Ok(seat)
            }
            // A server that has just started, or whose disk is full, serves no seats for a moment.
            _ if status == 503 => Err(NoAnswer),
            _ => Err(self.is_odd("a seat", status, &lease)),
        }
    }

    /// Makes one edit, or the one again that was not answered.
    pub async fn edit(&self, person: &Person) -> Result<(), NoAnswer> {
        let (sample, edit) = self.state(|state| {
            let edit = state.edit.clone().unwrap_or_else(|| state.new_edit());
            state.edit = Some(edit.clone());
            (state.sample.clone(), edit)
        });
        let request = || person.request(Method::PATCH, &format!("{sample}/minutes")).json(&edit);
        let seat = self.state(|state| state.seat.clone());
        let first = seat.into_iter().fold(request(), |request, seat| request.header("seat", seat));
        let (mut status, _, mut body) = self.ask(first).await?;
        if [410, 412, 428].contains(&status.as_u16()) {
            let seat = self.sit(person, sample.rsplit('/').next().unwrap_or_default()).await?;
            (status, _, body) = self.ask(request().header("seat", seat)).await?;
        }
        let Some(revision) = body["revision"].as_u64().filter(|_| status == 200) else {
            return Err(self.is_odd("an edit", status, &body));
        };
        self.state(|state| (state.revision, state.edit) = (revision, None));
        self.ledger.note(Told::Revision { number: revision, ops: body["ops"].clone() });
        pause(Duration::from_millis(self.state(|state| state.rng.random_range(1..80)))).await;
        Ok(())
    }

    /// Looks at every recognition that is not done.
    pub async fn watch(&self, person: &Person) -> Result<(), NoAnswer> {
        // Also who waits for nothing notices when nobody answers.
        self.ask(person.request(Method::GET, "/v1/session")).await?;
        for (path, before_ms) in self.state(|state| state.jobs.clone()) {
            let (status, _, body) = self.ask(person.request(Method::GET, &path)).await?;
            let Some(settled_ms) = body["settled_ms"].as_u64() else {
                return Err(self.is_odd("a recognition", status, &body));
            };
            let state = body["state"].as_str().unwrap_or_default().to_owned();
            if settled_ms > before_ms || state == "done" {
                self.ledger.note(Told::Job { path: path.clone(), settled_ms, state: state.clone() });
            }
            self.state(|known| match state.as_str() {
                "done" => drop(known.jobs.remove(&path)),
                _ => drop(known.jobs.insert(path.clone(), settled_ms)),
            });
            if state == "failed" {
                self.odd
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(format!("{path} failed: {body}"));
                self.ask(person.request(Method::POST, &format!("{path}/retry")).json(&json!({}))).await?;
            }
        }
        Ok(())
    }

    /// Waits until every recording is recognised.
    pub async fn finish(&self, person: &Person) {
        if self.state(|state| state.upload.is_some()) {
            self.upload(person).await.expect("nobody disturbs the last upload");
        }
        let mut looks = tokio::time::interval(Duration::from_millis(200));
        while !self.state(|state| state.jobs.is_empty()) {
            looks.tick().await;
            self.watch(person).await.expect("nobody disturbs the last recognitions");
        }
    }
}

/// Lets an office work for a while.
pub async fn pause(time: Duration) {
    tokio::time::timeout(time, std::future::pending::<()>()).await.ok();
}

impl State {
    fn new_edit(&mut self) -> Value {
        self.edits += 1;
        let text = format!("{}回目の変更です。", self.edits);
        let block = self.blocks[self.rng.random_range(0..self.blocks.len())];
        let op = match self.rng.random_range(0..3) {
            0 => json!({ "op": "set_header", "field": "place", "value": text }),
            _ => json!({ "op": "set_text", "block": block, "text": text }),
        };
        let request = format!("{}-{}", self.edits, self.rng.random::<u32>());
        json!({ "base_revision": self.revision, "request_id": request, "ops": [op] })
    }
}
