//! `gijiroku serve`: one port, one data folder.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::UnixMs;
use crate::http::{self, App, Settings, secret, session};
use crate::store::audit::Actor;
use crate::store::folder::DataFolder;
use crate::store::users::Purpose;
use crate::store::{Location, Store};

/// Answers browsers and programs, and recognises what they upload.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The folder that holds everything
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// A PostgreSQL server's URL; SQLite in the data folder if absent
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs the sub-command.
///
/// Errors: the folder is in use, the database does not answer, the address is taken.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let folder = DataFolder::open(&args.data)
        .with_context(|| format!("データフォルダー {} を開けません", args.data.display()))?;
    let location = match args.database {
        Some(url) => Location::Postgres { url, connections_max: 10 },
        None => Location::File(folder.database()),
    };
    let store = Store::open(&location).await.context("データベースを開けません")?;
    let listener =
        TcpListener::bind(&args.listen).with_context(|| format!("{} で待ち受けできません", args.listen))?;
    let address = listener.local_addr()?;
    println!("議事録サーバー: http://{address}/");
    if !store.has_users().await? {
        println!("最初の管理者の登録: http://{address}/setup#{}", setup_link(&store).await?);
    }
    let app = App::new(store.clone(), Settings::default(), UnixMs::now);
    http::serve::serve(vec![listener], None, http::router(Arc::new(app)), wish_to_stop()?).await?;
    store.close().await;
    drop(folder);
    Ok(())
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
