//! `gijiroku serve`: one port, one data folder, browsers answered and recordings recognised.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::licence::hashes;
use super::{files, logging};
use crate::audio::MediaTime;
use crate::clock::UnixMs;
use crate::config::{Config, Weight};
use crate::http::limits::{Rate, Rates};
use crate::http::serve::Tls;
use crate::http::uploads::Uploads;
use crate::http::{self, App, Settings, secret, session};
use crate::jobs::nightly::Nightly;
use crate::jobs::recognise::{Bench, Workshop};
use crate::jobs::{self, learn, licence, nightly, sweep, tick_seats, worker};
use crate::seats::licence::keys::SigningKey;
use crate::speech::engine::Patience;
use crate::store::audit::Actor;
use crate::store::backup::Shelf;
use crate::store::blobs::Blobs;
use crate::store::folder::DataFolder;
use crate::store::instance;
use crate::store::licences::LicenceSite;
use crate::store::live::Live;
use crate::store::retention::Periods;
use crate::store::seats::{self, Seats};
use crate::store::staging::Staging;
use crate::store::users::Purpose;
use crate::store::{Location, Store};

/// Answers browsers and programs, and recognises what they upload.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings; ./gijiroku.toml if it is there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, instead of what the settings say
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The folder that holds everything, instead of what the settings say
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of weights; models/weights, here or where the program was built, if absent
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

/// Runs the sub-command.
///
/// Errors: a setting cannot be, the folder is in use, the database does not answer, the address is taken.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(args.config.as_deref())?.config;
    if let Some(folder) = &args.data {
        config.data.folder.clone_from(folder);
    }
    logging::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&config, &args))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config, args: &Args) -> anyhow::Result<()> {
    // The database and the object store find their TLS arithmetic here.
    rustls::crypto::ring::default_provider().install_default().ok();
    refuse_what_cannot_be(config)?;
    let folder = DataFolder::open(&config.data.folder)
        .with_context(|| format!("データフォルダー {} を開けません", config.data.folder.display()))?;
    let store = Store::open(&location(config, &folder)).await.context("データベースを開けません")?;
    // A server that slept over the first of April makes up for it before anybody signs in.
    store.apply_transfers(UnixMs::now()).await.context("人事異動を反映できません")?;
    store.set_periods(periods(config), UnixMs::now()).await.context("保存期間を設定できません")?;
    store.keep_voice_keys_in(&folder.voices()).context("声の鍵のフォルダーを用意できません")?;
    let blobs = Blobs::open(config.blobs()).await.context("録音の置き場所を開けません")?;
    let listeners = listeners(config, args)?;
    let root = root(config, &listeners)?;
    println!("議事録サーバー: {root}/");
    if !store.has_users().await? {
        println!("最初の管理者の登録: {root}/setup#{}", setup_link(&store).await?);
    }
    let stop = CancellationToken::new();
    let seats = Seats::open(&store, seats::clocks()).await.context("席の記録を開けません")?;
    let staging = Staging::open(&folder.uploads()).context("取込のフォルダーを開けません")?;
    let sweep = sweep::Sweep {
        store: store.clone(),
        blobs: blobs.clone(),
        staging: staging.clone(),
        unfinished: uploads(config).unfinished,
    };
    let lessons = lessons(args, &store, (&folder, &blobs));
    let learner = tokio::spawn(learn::run(lessons, UnixMs::now, stop.clone()));
    let sweeper = tokio::spawn(sweep::run(sweep, UnixMs::now, stop.clone()));
    let nightly = nightly(config, &store, (&folder, &blobs));
    let backups = nightly.map(|nightly| tokio::spawn(nightly::run(nightly, UnixMs::now, stop.clone())));
    let ticker = tokio::spawn(tick_seats::run(seats.clone(), stop.clone()));
    let key = instance::key_or_new(folder.path(), &rand::random()).context("サーバーの鍵を用意できません")?;
    let site = licence_site(config, &key)?;
    store.apply_licence(&site, &seats, UnixMs::now()).await.context("ライセンスを読めません")?;
    let live = Live::open(&store, &folder.live()).await.context("録音中の会議を読み込めません")?;
    let work = worker_settings(config, args, (&folder, &blobs), seats.clone())?;
    let rooms = jobs::live::Settings {
        live: live.clone(),
        workshop: work.workshop.clone(),
        blobs: blobs.clone(),
        seats: seats.clone(),
        speakers: config.recognition.live_speakers,
    };
    let rooms = tokio::spawn(jobs::live::run(store.clone(), rooms, stop.clone()));
    let worker = tokio::spawn(worker::run(store.clone(), work, stop.clone()));
    let hourly = licence::run(store.clone(), seats.clone(), site.clone(), UnixMs::now, stop.clone());
    let licences = tokio::spawn(hourly);
    let app = App::new(store.clone(), (blobs, staging, live), seats, settings(config), UnixMs::now);
    let ears = http::voices::Ears::in_folder(files::weights_folder(args.models.as_deref()));
    let app = Arc::new(app.licensed(site, Some(key)).hearing(ears));
    tokio::spawn(http::uploads::resume(Arc::clone(&app)));
    let tls = tls(config);
    let served = http::serve::serve(listeners, tls.as_ref(), http::router(app), wish_to_stop()?).await;
    stop.cancel();
    rooms.await?;
    worker.await?;
    sweeper.await?;
    learner.await?;
    ticker.await?;
    if let Some(backups) = backups {
        backups.await?;
    }
    licences.await?;
    store.close().await;
    drop(folder);
    Ok(served?)
}

fn refuse_what_cannot_be(config: &Config) -> anyhow::Result<()> {
    let stops: Vec<_> =
        config.check().into_iter().filter(|problem| problem.weight == Weight::Stops).collect();
    for problem in &stops {
        eprintln!("gijiroku: {}: {}", problem.key, problem.text);
    }
    anyhow::ensure!(
        stops.is_empty(),
        "設定に誤りがあるため起動しません (gijiroku config check で確認できます)"
    );
    Ok(())
}

fn location(config: &Config, folder: &DataFolder) -> Location {
    match &config.database.url {
        Some(url) => Location::Postgres {
            url: url.reveal().to_owned(),
            connections_max: config.database.connections_max,
        },
        None => Location::File(folder.database()),
    }
}

fn listeners(config: &Config, args: &Args) -> anyhow::Result<Vec<TcpListener>> {
    let chosen = args.listen.map(|address| vec![address]);
    let addresses = chosen.unwrap_or_else(|| config.server.listen.addresses().to_vec());
    let bind = |address: &SocketAddr| {
        TcpListener::bind(address).with_context(|| format!("{address} で待ち受けできません"))
    };
    addresses.iter().map(bind).collect()
}

/// Returns the address under which people reach the service.
fn root(config: &Config, listeners: &[TcpListener]) -> anyhow::Result<String> {
    if let Some(url) = &config.server.public_url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let scheme = if config.server.tls_certificate.is_some() { "https" } else { "http" };
    let address = listeners.first().context("待ち受けるアドレスがありません")?.local_addr()?;
    Ok(format!("{scheme}://{address}"))
}

fn tls(config: &Config) -> Option<Tls> {
    let (certificate, key) = (config.server.tls_certificate.clone()?, config.server.tls_key.clone()?);
    Some(Tls { certificate, key })
}

fn settings(config: &Config) -> Settings {
    let (sessions, accounts) = (&config.sessions, &config.accounts);
    let public_tls = config.server.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    Settings {
        secure: config.server.tls_certificate.is_some() || public_tls,
        session_idle: Duration::from_secs(u64::from(sessions.idle_minutes) * 60),
        session_absolute: Duration::from_secs(u64::from(sessions.absolute_hours) * 3600),
        password_chars_min: accounts.password_chars_min as usize,
        lockout_failures: accounts.lockout_failures,
        lockout: Duration::from_secs(u64::from(accounts.lockout_minutes) * 60),
        trusted_proxies: config.server.trusted_proxies.clone(),
        uploads: uploads(config),
        rates: rates(config),
    }
}

/// Returns whose licences count here, and what this host is.
fn licence_site(config: &Config, key: &SigningKey) -> anyhow::Result<LicenceSite> {
    let keys = config.licence_keys().map_err(|error| anyhow::anyhow!(error.sentence()))?;
    Ok(LicenceSite { keys, host: hashes(Some(key)) })
}

fn rates(config: &Config) -> Rates {
    let limits = &config.limits;
    let even = |per_minute| Rate::new(per_minute, per_minute);
    Rates {
        address: even(limits.sign_ins_per_address_minute),
        login: even(limits.sign_ins_per_login_minute),
        account: Rate::new(limits.requests_per_account_minute, limits.requests_per_account_burst),
        seat: Rate::new(limits.seat_requests_per_account_minute, Rates::default().seat.burst.get()),
        seat_calls: Rate::new(limits.seat_calls_per_account_minute, Rates::default().seat_calls.burst.get()),
    }
}

/// Returns the nightly backup, if the settings ask for one.
fn nightly(config: &Config, store: &Store, (folder, blobs): (&DataFolder, &Blobs)) -> Option<Nightly> {
    let backup = &config.backup;
    let (place, key_file) = (backup.folder.clone()?, backup.key_file.clone()?);
    Some(Nightly {
        store: store.clone(),
        blobs: blobs.clone(),
        data: folder.path().to_owned(),
        shelf: Shelf { folder: place, keep: backup.keep as usize },
        key_file,
    })
}

fn lessons(args: &Args, store: &Store, (folder, blobs): (&DataFolder, &Blobs)) -> learn::Lessons {
    learn::Lessons {
        store: store.clone(),
        blobs: blobs.clone(),
        models: files::weights_folder(args.models.as_deref()),
        scratch: folder.uploads(),
    }
}

fn periods(config: &Config) -> Periods {
    Periods { audio_days: config.retention.audio_days, minutes_days: config.retention.minutes_days }
}

fn uploads(config: &Config) -> Uploads {
    let uploads = &config.uploads;
    Uploads {
        bytes_max: uploads.bytes_max,
        hours_max: uploads.hours_max,
        per_user_bytes_max: uploads.per_user_bytes_max,
        unfinished: Duration::from_secs(u64::from(uploads.unfinished_days) * 24 * 3600),
        disk_free_bytes_min: uploads.disk_free_bytes_min,
    }
}

fn worker_settings(
    config: &Config,
    args: &Args,
    (folder, blobs): (&DataFolder, &Blobs),
    seats: Seats,
) -> anyhow::Result<worker::Settings> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64) as u16);
    let threads = match config.recognition.threads {
        0 => cores,
        chosen => u16::try_from(chosen).unwrap_or(cores),
    };
    let workshop = Workshop {
        models: files::weights_folder(args.models.as_deref()),
        model: config.recognition.model.clone(),
        program: std::env::current_exe().context("cannot find this program itself")?,
        backend: None,
        threads,
        patience: Patience::default(),
        longest: MediaTime::from_ms(u64::from(config.uploads.hours_max) * 3_600_000),
        bench: Bench::default(),
    };
    Ok(worker::Settings {
        node: node(folder.path())?,
        workshop,
        jobs_at_once: u16::try_from(config.recognition.jobs_at_once).unwrap_or(1),
        blobs: blobs.clone(),
        scratch: folder.uploads(),
        seats,
    })
}

/// Returns a name that only the server on this folder has.
fn node(folder: &Path) -> anyhow::Result<String> {
    let folder = files::absolute(folder)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(format!("{host}:{}", folder.display()))
}

/// Makes the link by which the first administrator is made; an earlier unused one stops working.
async fn setup_link(store: &Store) -> anyhow::Result<String> {
    let (secret, now) = (secret::random(), UnixMs::now());
    let expires_at = now.plus(session::SETUP_LINK_LIFE);
    store.add_link(&secret::digest(&secret), Purpose::Setup, None, expires_at, &Actor::server(), now).await?;
    Ok(secret)
}

/// Ends when somebody asks the program to stop.
fn wish_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
