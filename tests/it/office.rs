//! An office with its own server: a fresh database, the real router on a loopback port, a clock that tests can turn.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gijiroku::clock::{Mono, UnixMs};
use gijiroku::http::{self, App, Settings, secret};
use gijiroku::seats::licence::keys::SigningKey;
use gijiroku::store::audit::Actor;
use gijiroku::store::blobs::{self, Blobs};
use gijiroku::store::folder::DataFolder;
use gijiroku::store::live::Live;
use gijiroku::store::seats::{Clocks, Seats};
use gijiroku::store::staging::Staging;
use gijiroku::store::users::{NewUser, Purpose, Role, User};
use gijiroku::store::{Location, Store};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::repository;

/// A password that every person of the office has.
pub const PASSWORD: &str = "correct horse battery staple";

/// A server that answers until the value is dropped.
pub struct Office {
    /// What it remembers.
    pub store: Store,
    /// Where that is kept.
    pub location: Location,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data folder.
    pub folder: tempfile::TempDir,
    /// Its seats.
    pub seats: Seats,
    clock: Arc<AtomicI64>,
    server: tokio::task::JoinHandle<()>,
}

/// Somebody at a browser or with a token.
pub struct Person {
    /// Who, if signed in.
    pub user: Option<User>,
    client: reqwest::Client,
    csrf: Option<String>,
    token: Option<String>,
    root: String,
    /// What proves the person's seat, as soon as they needed one; on all their devices.
    seat: Arc<tokio::sync::Mutex<Option<String>>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body, if it is JSON.
    pub json: Value,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Office {
    /// Opens an office with nobody in it: on SQLite, or on PostgreSQL if the environment says so.
    pub async fn open() -> Self {
        Self::open_with(Settings::default()).await
    }

    /// Opens an office with these settings.
    pub async fn open_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        // `make test` runs the same tests a second time with this set.
        let location = match std::env::var("OFFICE_DATABASE").as_deref() {
            Ok("postgres") => crate::postgres::database(),
            Ok(other) => panic!("OFFICE_DATABASE={other}: only postgres is known"),
            Err(_) => Location::File(folder.path().join("gijiroku.sqlite")),
        };
        Self::open_at(folder, &location, settings).await
    }

    /// Opens an office on a database.
    pub async fn open_at(folder: tempfile::TempDir, location: &Location, settings: Settings) -> Self {
        let store = Store::open(location).await.expect("a fresh database can be opened");
        let clock = Arc::new(AtomicI64::new(UnixMs::now().ms()));
        let hands = Arc::clone(&clock);
        let data = DataFolder::open(folder.path()).expect("nobody else works in a fresh folder");
        store.keep_voice_keys_in(&data.voices()).expect("a fresh folder can hold keys");
        let blobs = Blobs::open(blobs::Settings::Local { folder: data.audio() }).await;
        let staging = Staging::open(&data.uploads()).expect("a fresh folder can hold uploads");
        let live = Live::open(&store, &data.live()).await.expect("a fresh folder can hold journals");
        let kept = (blobs.expect("a fresh folder can hold audio"), staging, live);
        let (hands_of_seats, opened) = (Arc::clone(&clock), clock.load(Ordering::SeqCst));
        let clocks_of_seats: Clocks = Arc::new(move || {
            let wall = hands_of_seats.load(Ordering::SeqCst);
            (Mono::from_ms(u64::try_from(wall - opened).unwrap_or(0)), UnixMs::from_ms(wall))
        });
        let seats = Seats::open(&store, clocks_of_seats).await.expect("a fresh database has no seats yet");
        // A restart keeps what was licensed.
        if seats.look(|pools, _| pools.licence().pools.is_empty()) {
            crate::seating::license(&seats, crate::seating::PLENTY).await;
        }
        let clock_of_app = move || UnixMs::from_ms(hands.load(Ordering::SeqCst));
        let app = App::new(store.clone(), kept, seats.clone(), settings, clock_of_app);
        let instance = SigningKey::from_seed(&[9; 32]);
        let ears = http::voices::Ears::in_folder(repository("models/weights"));
        let app = app.licensed(crate::seating::site(), Some(instance)).hearing(ears);
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let app = Arc::new(app);
        http::uploads::resume(Arc::clone(&app)).await;
        let router = http::router(app);
        let server = tokio::spawn(async move {
            let served = http::serve::serve(vec![listener], None, router, std::future::pending()).await;
            served.expect("the server listens");
        });
        Self { store, location: location.clone(), address, folder, seats, clock, server }
    }

    /// Ends the server without a word and starts another one on the same folder.
    pub async fn restart(self, settings: Settings) -> Self {
        self.server.abort();
        self.store.close().await;
        let location = self.location;
        Self::open_at(self.folder, &location, settings).await
    }

    /// Returns the time in the office.
    pub fn now(&self) -> UnixMs {
        UnixMs::from_ms(self.clock.load(Ordering::SeqCst))
    }

    /// Turns the clock on.
    pub fn pass(&self, time: Duration) {
        self.clock
            .fetch_add(i64::try_from(time.as_millis()).expect("tests pass days, not ages"), Ordering::SeqCst);
    }

    /// Returns somebody who is not signed in.
    pub fn stranger(&self) -> Person {
        Person::at(format!("http://{}", self.address))
    }

    /// Signs in the first administrator of a new office, by the setup link.
    pub async fn administrator(&self) -> Person {
        let (secret, now) = (secret::random(), self.now());
        let expires_at = now.plus(Duration::from_secs(3600));
        let (digest, server) = (secret::digest(&secret), Actor::server());
        let link = self.store.add_link(&digest, Purpose::Setup, None, expires_at, &server, now);
        link.await.expect("a link can be made");
        let mut person = self.stranger();
        person.set_up(&secret).await;
        person
    }

    /// Makes a person and signs them in.
    pub async fn person(&self, login: &str, role: Role, department: gijiroku::store::Id) -> Person {
        let hash = secret::Hasher::default().hash(PASSWORD.to_owned()).await.expect("hashing works");
        let new = NewUser {
            login: login.to_owned(),
            name: format!("職員 {login}"),
            department,
            role,
            password: Some(hash),
            password_expired: false,
            room: false,
        };
        self.store.add_user(&new, &Actor::server(), self.now()).await.expect("the login is free");
        let mut person = self.stranger();
        let answer = person.sign_in(login, PASSWORD).await;
        assert_eq!(answer.status, 201, "{:?}", answer.json);
        person
    }

    /// Makes a department.
    pub async fn department(&self, name: &str) -> gijiroku::store::Id {
        let made = self.store.add_department(name, None, &Actor::server(), self.now()).await;
        made.expect("the name is free").id
    }
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("the answer is whole").to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, json, bytes }
    }
}

/// Tells whether a request changes minutes, for which it takes a seat.
fn is_edit(request: &reqwest::Request) -> bool {
    let path = request.url().path();
    let steps = ["/minutes/undo", "/minutes/redo", "/proposals/accept"];
    (request.method() == Method::PATCH && path.ends_with("/minutes"))
        || steps.iter().any(|step| path.ends_with(step))
}

/// Returns the meeting a request is about.
fn meeting_of(request: &reqwest::Request) -> &str {
    request.url().path().split('/').nth(3).expect("the path names a meeting")
}

impl Person {
    /// Returns somebody who is not signed in, before a server.
    pub fn at(root: String) -> Self {
        // The client's TLS wants to know whose arithmetic it uses; the server chooses the same.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().cookie_store(true).no_proxy().build();
        let client = client.expect("a client needs nothing");
        Self { user: None, client, csrf: None, token: None, root, seat: Arc::default() }
    }

    /// Becomes the first administrator, by the secret of the setup link.
    pub async fn set_up(&mut self, secret: &str) {
        let body = json!({
            "secret": secret, "department": "総務課", "login": "admin", "name": "管理 太郎", "password": PASSWORD
        });
        let answer = self.post("/v1/setup", body).await;
        assert_eq!(answer.status, 201, "{:?}", answer.json);
        self.signed_in(&answer).await;
    }

    /// Signs in.
    pub async fn sign_in(&mut self, login: &str, password: &str) -> Answer {
        let answer = self.post("/v1/session", json!({ "login": login, "password": password })).await;
        if answer.status == 201 {
            self.signed_in(&answer).await;
        }
        answer
    }

    async fn signed_in(&mut self, answer: &Answer) {
        self.csrf = answer.json["csrf"].as_str().map(str::to_owned);
        let user = &answer.json["user"];
        let text = |name: &str| user[name].as_str().expect("a person has it").to_owned();
        self.user = Some(User {
            id: text("id").parse().expect("names are UUIDs"),
            login: text("login"),
            name: text("name"),
            department: text("department").parse().expect("names are UUIDs"),
            role: Role::from_word(&text("role")).expect("roles are known"),
            password_expired: false,
            locked_until: None,
            disabled_at: None,
            room: false,
        });
    }

    /// Uses a token instead of a session.
    pub fn with_token(&self, token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client needs nothing");
        Self {
            user: self.user.clone(),
            client,
            csrf: None,
            token: Some(token.to_owned()),
            root: self.root.clone(),
            seat: Arc::clone(&self.seat),
        }
    }

    /// Forgets the CSRF token, as a page of another site would not have it.
    pub fn without_csrf(&mut self) {
        self.csrf = None;
    }

    /// Returns the person's name inside the product.
    pub fn id(&self) -> gijiroku::store::Id {
        self.user.as_ref().expect("the person is signed in").id
    }

    /// Returns the person's department.
    pub fn department(&self) -> gijiroku::store::Id {
        self.user.as_ref().expect("the person is signed in").department
    }

    /// Begins a request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.root));
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request
    }

    /// Sends a request and reads the whole answer; whoever edits takes a seat if they have none, as a browser does.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let again = request.try_clone().and_then(|request| request.build().ok());
        let edits = again.filter(is_edit);
        let Some(again) = edits else { return self.send_once(request).await };
        let mut seat = self.seat.lock().await;
        if let Some(seat) = seat.as_deref() {
            let answer = self.send_once(request.header("seat", seat)).await;
            if ![410, 412, 428].contains(&answer.status.as_u16()) {
                return answer;
            }
        } else {
            let answer = self.send_once(request).await;
            if answer.status != 428 {
                return answer;
            }
        }
        let taken = self.take_seat(meeting_of(&again)).await;
        let mut again = again;
        again.headers_mut().insert("seat", taken.parse().expect("numbers are a header"));
        *seat = Some(taken);
        let response = self.client.execute(again).await.expect("the server answers");
        Answer::read(response).await
    }

    /// Takes a seat at this person's PC to edit a meeting, and returns what proves it.
    pub async fn take_seat(&self, meeting: &str) -> String {
        let device = json!({ "id": self.id(), "kind": "browser", "name": "PC" });
        let body = json!({
            "request_id": gijiroku::store::Id::new(), "device": device, "mode": "nowait",
            "use": { "edit": meeting },
        });
        let answer = self.send_once(self.request(Method::POST, "/v1/seats").json(&body)).await;
        assert!(answer.status.is_success(), "{:?}", answer.json);
        let text = |name: &str| answer.json[name].as_str().expect("a lease has it").to_owned();
        format!("{}.{}", text("lease"), text("token"))
    }

    /// Sends a request as it is and reads the whole answer.
    pub async fn send_once(&self, request: RequestBuilder) -> Answer {
        // A connection that was kept open may be closed in the moment it is used again: who only reads asks anew.
        let again = request.try_clone().filter(|request| {
            let built = request.try_clone().and_then(|request| request.build().ok());
            built.is_some_and(|request| [Method::GET, Method::HEAD].contains(request.method()))
        });
        let response = match (request.send().await, again) {
            (Err(_), Some(again)) => again.send().await,
            (answered, _) => answered,
        };
        Answer::read(response.expect("the server answers")).await
    }

    /// GET
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// GET with values behind the path, of any characters.
    pub async fn get_with(&self, path: &str, values: &[(&str, &str)]) -> Answer {
        let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let pairs: Vec<_> = values.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        self.get(&format!("{path}?{}", pairs.join("&"))).await
    }

    /// POST
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// PUT
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// PATCH
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// DELETE
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }
}
