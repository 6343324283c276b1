//! `gijiroku audit`: is the log whole, and the log as a table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{EXIT_BROKEN, files};
use crate::clock::UnixMs;
use crate::config::{Config, Secret};
use crate::store::audit::{Actor, Entry, Verdict, csv};
use crate::store::{Location, Store, folder};

/// Lines read at a time.
const PAGE: u32 = 1000;

/// Verifies and exports the audit log.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the tables and the recordings are.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Settings; ./gijiroku.toml if it is there, else the defaults
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The server's data folder, instead of what the settings say
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// A PostgreSQL server's URL, instead of what the settings say
    #[arg(long, value_name = "URL", global = true)]
    database: Option<String>,
}

impl Place {
    /// Returns the settings, with what the command line says instead.
    ///
    /// Errors: the settings cannot be read.
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?.config;
        if let Some(folder) = &self.data {
            config.data.folder.clone_from(folder);
        }
        if let Some(url) = &self.database {
            config.database.url = Some(Secret::new(url.clone()));
        }
        Ok(config)
    }
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Recompute every hash of the log; the exit code tells whether it is whole
    Verify {
        /// A last hash that was written down earlier: proves that nothing was cut off since
        #[arg(long, value_name = "HASH")]
        anchor: Option<String>,
    },
    /// Write the log as a table for a spreadsheet
    Export {
        /// The file; standard output if absent
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// Runs the sub-command.
///
/// Errors: there is no such database, or it does not answer.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = open(&args.place.config()?).await?;
        let done = match args.command {
            Command::Verify { anchor } => verify(&store, anchor.as_deref()).await,
            Command::Export { to } => export(&store, to.as_deref()).await,
        };
        store.close().await;
        done
    })
}

/// Opens the tables of a server that may be running.
pub async fn open(config: &Config) -> anyhow::Result<Store> {
    Store::open(&location(config)?).await.context("データベースを開けません")
}

/// Returns where the tables are, if there are any.
pub fn location(config: &Config) -> anyhow::Result<Location> {
    if let Some(url) = &config.database.url {
        return Ok(Location::Postgres { url: url.reveal().to_owned(), connections_max: 4 });
    }
    let file = folder::database_in(&config.data.folder);
    anyhow::ensure!(file.is_file(), "{} にデータベースがありません", config.data.folder.display());
    Ok(Location::File(file))
}

async fn verify(store: &Store, anchor: Option<&str>) -> anyhow::Result<ExitCode> {
    let anchor = anchor.map(|text| text.trim().to_lowercase());
    let verdict = store.audit_verify(anchor.as_deref()).await?;
    let server = Actor::server();
    let entry = Entry::done(&server, UnixMs::now(), "audit.verify", "");
    store.note(entry.with(serde_json::json!(verdict))).await?;
    let are_whole = [("監査記録", verdict), ("席の記録", store.seat_verify().await?)]
        .map(|(log, verdict)| tell(log, &verdict));
    Ok(if are_whole == [true; 2] { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BROKEN) })
}

/// Tells what verifying a log found, and whether it is whole.
fn tell(log: &str, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Whole { lines, last } => {
            println!("{log} {lines} 行はすべて記録されたときのままです。\n最後の行のハッシュ: {last}");
            true
        }
        Verdict::Broken { seq, reason } => {
            println!("{log}の {seq} 行目: {}", reason.sentence());
            false
        }
    }
}

async fn export(store: &Store, to: Option<&Path>) -> anyhow::Result<ExitCode> {
    store.note(Entry::done(&Actor::server(), UnixMs::now(), "audit.export", "")).await?;
    let (mut text, mut after) = (csv::head(), 0);
    loop {
        let lines = store.audit_lines(after, PAGE, None).await?;
        let Some(last) = lines.last() else { break };
        after = last.seq;
        text.extend(lines.iter().map(csv::row));
    }
    files::write(to, &text)?;
    Ok(ExitCode::SUCCESS)
}
