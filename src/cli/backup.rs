//! `gijiroku backup` and `gijiroku restore`: everything a server keeps, out into one file and back.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::audit::{self, Place};
use super::{EXIT_BROKEN, EXIT_GAPS};
use crate::clock::UnixMs;
use crate::config::{AudioStore, Config};
use crate::store::Location;
use crate::store::audit::Actor;
use crate::store::backup::{self, Flaw, FlawKind, Key, Manifest, Source, Target};
use crate::store::blobs::Blobs;

/// Writes, checks and prepares backups.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The file to be written; it must not be there yet
    #[arg(long, value_name = "FILE", required = true)]
    to: Option<PathBuf>,
    /// The file with the key
    #[arg(long, value_name = "FILE", required = true)]
    key: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key; keep it apart from the backups: without it nobody can read them
    Keygen {
        /// The file to be written; it must not be there yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Read a backup to its end and check every part, without restoring it
    Verify {
        /// The backup
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// The file with the key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

/// Brings a backup back.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The file with the key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The new data folder: not there yet, or empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Settings of the new server, which name its database and its store of recordings, both empty; ./gijiroku.toml if
    /// it is there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A PostgreSQL server's URL, instead of what the settings say; its tables empty
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs `gijiroku backup`.
///
/// Errors: the key cannot be read, the disk is full, the database does not answer; no file is left behind.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(Command::Keygen { to }) => keygen(&to),
        Some(Command::Verify { from, key }) => verify(&from, &key),
        None => {
            let (to, key) = args.to.zip(args.key).context("--to と --key が必要です")?;
            runtime()?.block_on(back_up(&args.place.config()?, &to, &read_key(&key)?))
        }
    }
}

/// Runs `gijiroku restore`.
///
/// Errors: the file is damaged, the key is another one, the place is not empty; nothing is left behind.
pub fn run_restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let (key, config) = (read_key(&args.key)?, Config::load(args.config.as_deref())?.config);
    let configured = config.database.url.as_ref().map(|url| url.reveal().to_owned());
    let database = args.database.or(configured).map(|url| Location::Postgres { url, connections_max: 4 });
    let restored = runtime()?.block_on(async {
        let blobs = match config.audio.store {
            AudioStore::Local => None,
            AudioStore::S3 => Some(Blobs::open(config.blobs()).await?),
        };
        let target = Target { data: &args.data, database, blobs: blobs.as_ref() };
        backup::restore(&args.from, &key, &target, &Actor::server(), UnixMs::now()).await
    })?;
    println!("{} に復元しました。全員がサインインし直してください。", args.data.display());
    Ok(tell(&restored.manifest))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

async fn back_up(config: &Config, to: &Path, key: &Key) -> anyhow::Result<ExitCode> {
    let store = audit::open(config).await?;
    let blobs = Blobs::open(config.blobs()).await.context("録音の置き場所を開けません")?;
    let source = Source { store: &store, blobs: &blobs, data: &config.data.folder };
    let made = backup::backup(&source, to, key, &Actor::server(), UnixMs::now()).await;
    store.close().await;
    let manifest = made?;
    println!("{} にバックアップしました。", to.display());
    Ok(tell(&manifest))
}

fn verify(from: &Path, key: &Path) -> anyhow::Result<ExitCode> {
    match backup::verify(from, &read_key(key)?) {
        Ok(manifest) => {
            println!("{} は最後まで読め、すべての部分が一致します。", from.display());
            Ok(tell(&manifest))
        }
        Err(error) => {
            eprintln!("gijiroku: {:#}", anyhow::Error::from(error));
            Ok(ExitCode::from(EXIT_BROKEN))
        }
    }
}

/// Tells what a backup holds, and what it could not hold.
fn tell(manifest: &Manifest) -> ExitCode {
    let bytes: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
    println!(
        "部分 {} 個、{bytes} バイト、監査記録 {} 行(最後のハッシュ {})",
        manifest.parts.len(),
        manifest.audit_lines,
        manifest.audit_last
    );
    let lost = manifest.flaws.iter().filter(|flaw| flaw.kind != FlawKind::Erased).map(describe);
    let lost: Vec<String> = lost.collect();
    for line in &lost {
        eprintln!("{line}");
    }
    if lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_GAPS) }
}

fn describe(flaw: &Flaw) -> String {
    match flaw.kind {
        FlawKind::Erased => format!("録音 {} は保存期間が過ぎ、消去済みです。", flaw.key),
        FlawKind::Missing => format!("注意: 録音 {} が保存先にありません。", flaw.key),
        FlawKind::Damaged => format!("注意: 録音 {} は保存されたときの内容と違います。", flaw.key),
    }
}

fn read_key(path: &Path) -> anyhow::Result<Key> {
    Ok(Key::read(path)?)
}

#[expect(clippy::disallowed_methods, reason = "the command line is where files are opened")]
fn keygen(to: &Path) -> anyhow::Result<ExitCode> {
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        file.write_all(Key::generate().to_text().as_bytes())?;
        file.sync_all()
    };
    written().with_context(|| format!("{} に書けません", to.display()))?;
    println!(
        "{} に鍵を作りました。バックアップとは別の場所に保管してください。鍵を失うと復元できません。",
        to.display()
    );
    Ok(ExitCode::SUCCESS)
}
