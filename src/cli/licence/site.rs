//! The site's half: ask for a licence, look at one, install one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{Place, host, qr};
use crate::cli::{EXIT_BROKEN, files};
use crate::clock::UnixMs;
use crate::config::Config;
use crate::seats::licence::day::Day;
use crate::seats::licence::keys::KeyRing;
use crate::seats::licence::request::{Nonce, Request};
use crate::seats::licence::shown;
use crate::seats::licence::standing::standing;
use crate::seats::licence::{Licence, LicenceError};
use crate::store::audit::Actor;
use crate::store::licences::{NewFile, believed};
use crate::store::{Location, Store, folder, instance};

/// The settings, as far as a licence is concerned.
struct Site {
    data: PathBuf,
    database: Option<String>,
    keys: KeyRing,
    today: Day,
}

impl Site {
    fn open(place: &Place) -> anyhow::Result<Self> {
        let config = Config::load(place.config.as_deref())?.config;
        let keys = config.licence_keys().map_err(|error| anyhow::anyhow!(error.sentence()))?;
        Ok(Self {
            data: place.data.clone().unwrap_or(config.data.folder),
            database: config.database.url.as_ref().map(|url| url.reveal().to_owned()),
            keys,
            today: Day::in_japan(UnixMs::now()),
        })
    }

    /// Opens the tables if there are any; a mistyped folder would otherwise become a new, empty database.
    async fn store(&self) -> anyhow::Result<Option<Store>> {
        let location = match &self.database {
            Some(url) => Location::Postgres { url: url.clone(), connections_max: 2 },
            None => Location::File(folder::database_in(&self.data)),
        };
        if matches!(&location, Location::File(path) if !path.is_file()) {
            return Ok(None);
        }
        // The database finds its TLS arithmetic here.
        rustls::crypto::ring::default_provider().install_default().ok();
        Store::open(&location).await.context("データベースを開けません").map(Some)
    }

    fn without_data(&self) -> String {
        format!("{} にデータベースがありません (--data でデータフォルダーを指定します)", self.data.display())
    }
}

/// Writes a request, and shows it as a QR code.
pub fn request(place: &Place, to: &Path) -> anyhow::Result<ExitCode> {
    let site = Site::open(place)?;
    anyhow::ensure!(site.data.is_dir(), "{} がありません", site.data.display());
    let key = instance::key_or_new(&site.data, &rand::random())?;
    let hashes = host::hashes(Some(&key));
    let count = hashes.len();
    let request =
        Request { instance: key.public(), hashes, nonce: Nonce::new(rand::random()), made: site.today };
    let signed = request.sign(&key).map_err(|error| anyhow::anyhow!(error.sentence()))?;
    files::write(Some(to), &format!("{signed}\n"))?;
    println!("{}", qr(&signed)?);
    println!(
        "{} に申請を書きました(サーバを見分ける{count}項目。製造番号などは含みません)。\n\
         このファイルか上の QR コードを発行元に渡してください。",
        to.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Says what a file grants and whether it would be accepted here.
pub fn inspect(place: &Place, text: &str) -> anyhow::Result<ExitCode> {
    let site = Site::open(place)?;
    let licence = match Licence::open(text, &site.keys) {
        Ok(licence) => licence,
        Err(error) => {
            let Ok(request) = Request::open(text) else { return Ok(refused(&error)) };
            println!("{}", shown::request(&request));
            return Ok(ExitCode::SUCCESS);
        }
    };
    println!("{}", shown::licence(&licence));
    runtime()?.block_on(async {
        let Some(store) = site.store().await? else {
            println!("判定: 署名は正しいです。{}", site.without_data());
            return Ok(ExitCode::SUCCESS);
        };
        let files = store.licence_files().await;
        store.close().await;
        let installed = believed(&files?, &site.keys);
        let host = host::hashes(instance::key(&site.data)?.as_ref());
        match licence.accept(&installed, &host, site.today) {
            Ok(()) => println!("判定: 受け付けられます。gijiroku licence install で登録してください。"),
            Err(LicenceError::AlreadyInstalled { .. }) => {
                let today = standing(site.today, &installed, &host);
                let is_it = |file: &&_| is_file(file, &licence);
                let status = today.files.iter().find(is_it).map(|file| shown::status(&file.status));
                println!("判定: {}", status.unwrap_or_default());
            }
            Err(error) => return Ok(refused(&error)),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn is_file(file: &crate::seats::licence::standing::FileStanding, licence: &Licence) -> bool {
    file.id == licence.id && file.seq == licence.seq
}

/// Verifies a file, keeps it, and says what there is now.
pub fn install(place: &Place, text: &str) -> anyhow::Result<ExitCode> {
    let site = Site::open(place)?;
    runtime()?.block_on(async {
        let store = site.store().await?.with_context(|| site.without_data())?;
        let done = keep(&site, &store, text).await;
        store.close().await;
        done
    })
}

async fn keep(site: &Site, store: &Store, text: &str) -> anyhow::Result<ExitCode> {
    let host = host::hashes(instance::key(&site.data)?.as_ref());
    let file = NewFile { text, keys: &site.keys, host: &host, today: site.today };
    match store.install_licence(file, &Actor::server(), UnixMs::now()).await? {
        Err(error) => Ok(refused(&error)),
        Ok(licence) => {
            let installed = believed(&store.licence_files().await?, &site.keys);
            println!("{}\n登録しました。", shown::licence(&licence));
            println!("{}", shown::standing(&standing(site.today, &installed, &host)));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Tells why a file is not accepted.
fn refused(error: &LicenceError) -> ExitCode {
    eprintln!("判定: 受け付けられません。{}", error.sentence());
    ExitCode::from(EXIT_BROKEN)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
