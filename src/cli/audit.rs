//! `gijiroku audit`: is the log whole, and the log as a table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{EXIT_BROKEN, files};
use crate::clock::UnixMs;
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

/// Where the tables are.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The server's data folder
    #[arg(long, value_name = "DIR", default_value = "data", global = true)]
    pub data: PathBuf,
    /// A PostgreSQL server's URL; SQLite in the data folder if absent
    #[arg(long, value_name = "URL", global = true)]
    pub database: Option<String>,
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
        let store = open(&args.place).await?;
        let done = match args.command {
            Command::Verify { anchor } => verify(&store, anchor.as_deref()).await,
            Command::Export { to } => export(&store, to.as_deref()).await,
        };
        store.close().await;
        done
    })
}

/// Opens the tables of a server that may be running.
pub async fn open(place: &Place) -> anyhow::Result<Store> {
    Store::open(&location(place)?).await.context("データベースを開けません")
}

/// Returns where the tables are, if there are any.
pub fn location(place: &Place) -> anyhow::Result<Location> {
    if let Some(url) = &place.database {
        return Ok(Location::Postgres { url: url.clone(), connections_max: 4 });
    }
    let file = folder::database_in(&place.data);
    anyhow::ensure!(file.is_file(), "{} にデータベースがありません", place.data.display());
    Ok(Location::File(file))
}

async fn verify(store: &Store, anchor: Option<&str>) -> anyhow::Result<ExitCode> {
    let anchor = anchor.map(|text| text.trim().to_lowercase());
    let verdict = store.audit_verify(anchor.as_deref()).await?;
    let server = Actor::server();
    let entry = Entry::done(&server, UnixMs::now(), "audit.verify", "");
    store.note(entry.with(serde_json::json!(verdict))).await?;
    match verdict {
        Verdict::Whole { lines, last } => {
            println!("監査記録 {lines} 行はすべて記録されたときのままです。\n最後の行のハッシュ: {last}");
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Broken { seq, reason } => {
            println!("監査記録の {seq} 行目: {}", reason.sentence());
            Ok(ExitCode::from(EXIT_BROKEN))
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
