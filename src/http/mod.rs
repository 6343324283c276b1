//! What the outside may ask, and what it is answered.
//!
//! - **In**: HTTP requests from browsers, programs and monitors.
//! - **Out**: JSON, files and events; every refusal as a problem with a stable code and a sentence for a person.
//! - **Never**: computes something slow inside a request, decides what minutes mean, or talks to `jobs` but through
//!   `store`.
//!
//! ```text
//! request ─auth (who?)─► access (may they?) ─► resource ─► store ─► answer
//! ```

pub mod access;
pub mod audit;
pub mod auth;
pub mod drafts;
pub mod error;
pub mod exports;
pub mod health;
pub mod heavy;
pub mod import;
pub mod jobs;
pub mod licence;
pub mod limits;
pub mod live;
pub mod masks;
pub mod meetings;
pub mod metrics;
pub mod minutes;
pub mod offers;
pub mod openapi;
pub mod outline;
pub mod outlook;
pub mod people;
pub mod presence;
pub mod proposals;
pub mod realtime;
pub mod recordings;
pub mod rendered;
pub mod retention;
pub mod search;
pub mod seated;
pub mod seats;
pub mod secret;
pub mod serve;
pub mod session;
pub mod setbacks;
pub mod templates;
pub mod tokens;
pub mod transcriptions;
pub mod transfers;
pub mod tus;
pub mod uploads;
pub mod voices;
pub mod web;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderName;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock::UnixMs;
use crate::seats::licence::keys::SigningKey;
use crate::store::Store;
use crate::store::blobs::Blobs;
use crate::store::licences::LicenceSite;
use crate::store::live::Live;
use crate::store::seats::Seats;
use crate::store::staging::Staging;

/// Longest body of a request that carries no recording.
const BODY_BYTES_MAX: usize = 12 << 20;

/// What an administrator sets about the service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether browsers reach the service by TLS only: cookies are then bound to it.
    pub secure: bool,
    /// How long a session lasts that nobody uses.
    pub session_idle: Duration,
    /// How long a session lasts at most.
    pub session_absolute: Duration,
    /// Fewest characters of a password.
    pub password_chars_min: usize,
    /// Failed sign-ins in a row after which an account is locked.
    pub lockout_failures: u32,
    /// How long it is locked.
    pub lockout: Duration,
    /// Proxies whose word about the client's address is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// How much may be uploaded.
    pub uploads: uploads::Uploads,
    /// How often something may be asked.
    pub rates: limits::Rates,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secure: false,
            session_idle: Duration::from_secs(8 * 3600),
            session_absolute: Duration::from_secs(24 * 3600),
            password_chars_min: 12,
            lockout_failures: 5,
            lockout: Duration::from_secs(15 * 60),
            trusted_proxies: Vec::new(),
            uploads: uploads::Uploads::default(),
            rates: limits::Rates::default(),
        }
    }
}

/// What every request can reach.
pub struct App {
    /// What is remembered.
    pub store: Store,
    /// Where audio is kept.
    pub blobs: Blobs,
    /// Where uploads grow until they are whole.
    pub staging: Staging,
    /// What is being recorded now.
    pub live: Live,
    /// Who may work now.
    pub seats: Seats,
    /// What an administrator set.
    pub settings: Settings,
    /// The calendar's clock.
    pub clock: Box<dyn Fn() -> UnixMs + Send + Sync>,
    /// The shop where passwords are hashed, a few at a time.
    pub hasher: secret::Hasher,
    /// What was asked lately.
    pub limits: limits::Limits,
    /// What licences are judged by.
    pub site: LicenceSite,
    /// The key that receipts are signed with; without it there are none.
    pub instance: Option<SigningKey>,
    /// Who has sockets open.
    pub sockets: seats::live::Sockets,
    /// Minutes as they cross the wire.
    pub rendered: rendered::Cached,
    /// What hears the voices of people.
    pub ears: voices::Ears,
    /// What waveforms are drawn from.
    pub outlines: outline::Outlines,
    /// Who has which meeting open.
    pub presence: presence::Presence,
    /// What the days before were like, for 混雑予報.
    pub forecasts: seats::forecast::Folded,
}

impl App {
    /// Makes a service on a store, with audio in `blobs`, unfinished files in `staging`, and what is recorded in `live`.
    pub fn new(
        store: Store,
        (blobs, staging, live): (Blobs, Staging, Live),
        seats: Seats,
        settings: Settings,
        clock: impl Fn() -> UnixMs + Send + Sync + 'static,
    ) -> Self {
        let hasher = secret::Hasher::default();
        let limits = limits::Limits::new(&settings.rates);
        let rendered = rendered::cache();
        let (site, sockets) = (LicenceSite::default(), seats::live::Sockets::default());
        let clock = Box::new(clock);
        Self {
            store,
            blobs,
            staging,
            live,
            seats,
            settings,
            clock,
            hasher,
            limits,
            site,
            instance: None,
            sockets,
            rendered,
            ears: voices::Ears::default(),
            outlines: outline::Outlines::default(),
            presence: presence::Presence::default(),
            forecasts: seats::forecast::Folded::default(),
        }
    }

    /// Believes these licences, and signs receipts with the key of the installation.
    pub fn licensed(mut self, site: LicenceSite, instance: Option<SigningKey>) -> Self {
        (self.site, self.instance) = (site, instance);
        self
    }

    /// Hears the voices of people with the networks of this folder.
    pub fn hearing(mut self, ears: voices::Ears) -> Self {
        self.ears = ears;
        self
    }

    /// Reads the calendar's clock.
    pub fn now(&self) -> UnixMs {
        (self.clock)()
    }
}

/// What handlers get.
pub type Shared = Arc<App>;

/// The table of contents of the product, with the document that describes it.
pub fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(health::health))
        .routes(routes!(metrics::figures))
        .routes(routes!(audit::lines))
        .routes(routes!(audit::find))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::table))
        .routes(routes!(retention::due))
        .routes(routes!(retention::newest))
        .routes(routes!(retention::erasures))
        .routes(routes!(retention::erasure))
        .routes(routes!(retention::erasure_text))
        .routes(routes!(session::setup))
        .routes(routes!(session::sign_in, session::who_am_i, session::sign_out))
        .routes(routes!(session::change_password))
        .routes(routes!(session::set_password))
        .routes(routes!(people::departments, people::add_department))
        .routes(routes!(people::change_department))
        .routes(routes!(people::users, people::add_user))
        .routes(routes!(people::change_user))
        .routes(routes!(people::password_link))
        .routes(routes!(transfers::import_people))
        .routes(routes!(transfers::export_people))
        .routes(routes!(transfers::transfers))
        .routes(routes!(transfers::cancel))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(meetings::list, meetings::create))
        .routes(routes!(meetings::read, meetings::change, meetings::discard))
        .routes(routes!(meetings::restore))
        .routes(routes!(meetings::members, meetings::set_members))
        .routes(routes!(minutes::read, minutes::edit))
        .routes(routes!(drafts::list))
        .routes(routes!(drafts::discard))
        .routes(routes!(minutes::undo))
        .routes(routes!(minutes::redo))
        .routes(routes!(minutes::revisions))
        .routes(routes!(minutes::events))
        .routes(routes!(presence::presence))
        .routes(routes!(minutes::editions, minutes::keep_edition))
        .routes(routes!(minutes::differences))
        .routes(routes!(minutes::step))
        .routes(routes!(search::search))
        .routes(routes!(jobs::recognise))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::read, jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::events))
        .merge(uploads::routes())
        .merge(recordings::routes())
        .routes(routes!(outline::peaks))
        .merge(transcriptions::routes())
        .merge(voices::routes())
        .merge(seats::routes())
        .merge(live::routes())
        .routes(routes!(realtime::realtime))
        .routes(routes!(licence::standing, licence::install))
        .routes(routes!(licence::inspect))
        .merge(text())
}

/// Recordings are compressed already, and a browser jumps around in them by their bytes.
fn worth_compressing() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("audio/"))
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("application/octet-stream"))
}

/// Everything about minutes that is work on text: templates, words, proposals, files.
fn text() -> OpenApiRouter<Shared> {
    // A file of minutes with every word's time is longer than what else is sent.
    let whole = OpenApiRouter::new()
        .routes(routes!(exports::take_in))
        .layer(DefaultBodyLimit::max(exports::WHOLE_BYTES_MAX));
    OpenApiRouter::new()
        .merge(whole)
        .routes(routes!(templates::list, templates::add))
        .routes(routes!(templates::read, templates::change, templates::remove))
        .routes(routes!(templates::word, templates::set_word, templates::remove_word))
        .routes(routes!(words::groups, words::add_group))
        .routes(routes!(words::change_group, words::remove_group))
        .routes(routes!(words::words, words::put_words, words::add_word))
        .routes(routes!(words::change_word, words::remove_word))
        .routes(routes!(words::import_words))
        .routes(routes!(words::export_words))
        .routes(routes!(words::choice, words::choose))
        .routes(routes!(words::candidates))
        .routes(routes!(proposals::propose))
        .routes(routes!(proposals::take))
        .routes(routes!(proposals::find))
        .routes(routes!(proposals::consistency))
        .routes(routes!(offers::offers))
        .routes(routes!(exports::export))
        .routes(routes!(exports::check))
        .routes(routes!(masks::masks, masks::set_masks))
        .routes(routes!(masks::masks_table))
}

/// Makes the whole service.
pub fn router(app: Shared) -> Router {
    let (routes, document) = api().split_for_parts();
    let request_id = HeaderName::from_static("x-request-id");
    let document = openapi::serve(&document);
    routes
        .merge(document)
        .fallback(web::page)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CompressionLayer::new().compress_when(worth_compressing()))
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("x-content-type-options"),
            axum::http::HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("referrer-policy"),
            axum::http::HeaderValue::from_static("same-origin"),
        ))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(axum::middleware::from_fn(metrics::observe))
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
        .with_state(app)
}
