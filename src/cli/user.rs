//! `gijiroku user`: accounts from the server machine itself, for the day on which no administrator can sign in.
//!
//! It works beside a running server: it takes no lock of the data folder, and the server reads accounts anew each time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::clock::UnixMs;
use crate::config::Config;
use crate::http::import::role_label;
use crate::http::{people, secret, session};
use crate::store::audit::Actor;
use crate::store::folder;
use crate::store::users::{NewUser, Purpose, Role, User};
use crate::store::{Location, Store};

/// Lists, adds and closes accounts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings; ./gijiroku.toml if it is there, else the defaults
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The folder that holds everything, instead of what the settings say
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print every account
    List,
    /// Make an account, and a link by which its password is set
    Add {
        /// What the person types to sign in
        login: String,
        /// Their name
        #[arg(long)]
        name: String,
        /// Their department; it is made if nobody knows it
        #[arg(long)]
        department: String,
        /// What they may do
        #[arg(long, value_enum, default_value = "administrator")]
        role: Wanted,
    },
    /// Make a link by which a person sets a new password; a closed account is opened again
    ResetLink {
        /// What the person types to sign in
        login: String,
    },
    /// Close an account; its history stays
    Disable {
        /// What the person types to sign in
        login: String,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Wanted {
    Staff,
    DepartmentAdministrator,
    Administrator,
    Auditor,
}

impl From<Wanted> for Role {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Staff => Self::Staff,
            Wanted::DepartmentAdministrator => Self::DepartmentAdministrator,
            Wanted::Administrator => Self::Administrator,
            Wanted::Auditor => Self::Auditor,
        }
    }
}

/// Runs the sub-command.
///
/// Errors: there is no database, nobody has that login, the login is taken.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(args.config.as_deref())?.config;
    if let Some(folder) = &args.data {
        config.data.folder.clone_from(folder);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The database finds its TLS arithmetic here.
        rustls::crypto::ring::default_provider().install_default().ok();
        let store = Store::open(&location(&config)?).await.context("データベースを開けません")?;
        let done = work(&store, &args.verb).await;
        store.close().await;
        done
    })?;
    Ok(ExitCode::SUCCESS)
}

fn location(config: &Config) -> anyhow::Result<Location> {
    if let Some(url) = &config.database.url {
        return Ok(Location::Postgres { url: url.reveal().to_owned(), connections_max: 2 });
    }
    let path = folder::database_in(&config.data.folder);
    // A mistyped folder would otherwise become a new, empty database.
    anyhow::ensure!(
        is_file(&path),
        "{} がありません (--data でデータフォルダーを指定します)",
        path.display()
    );
    Ok(Location::File(path))
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

async fn work(store: &Store, verb: &Verb) -> anyhow::Result<()> {
    match verb {
        Verb::List => list(store).await,
        Verb::Add { login, name, department, role } => {
            add(store, login, name, department, (*role).into()).await
        }
        Verb::ResetLink { login } => {
            let mut user = known(store, login).await?;
            if user.disabled_at.take().is_some() {
                store.change_user(&user, &Actor::server(), UnixMs::now()).await?;
            }
            link(store, &user).await
        }
        Verb::Disable { login } => {
            let user = User { disabled_at: Some(UnixMs::now()), ..known(store, login).await? };
            store.change_user(&user, &Actor::server(), UnixMs::now()).await?;
            println!("{} を停止しました。", user.login);
            Ok(())
        }
    }
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let departments = store.departments().await?;
    for user in store.users("", u32::MAX, None).await? {
        let department = departments.iter().find(|department| department.id == user.department);
        let department = department.map_or("", |department| &department.name);
        let state = if user.disabled_at.is_some() { "停止" } else { "在職" };
        println!("{}\t{}\t{department}\t{}\t{state}", user.login, user.name, role_label(user.role));
    }
    Ok(())
}

async fn add(store: &Store, login: &str, name: &str, department: &str, role: Role) -> anyhow::Result<()> {
    let (server, now) = (Actor::server(), UnixMs::now());
    let login =
        session::checked_login(login).map_err(|_| anyhow::anyhow!("利用者名 {login} は使えません"))?;
    let name = session::checked_name(name).map_err(|_| anyhow::anyhow!("氏名を確認してください"))?;
    let department =
        session::checked_name(department).map_err(|_| anyhow::anyhow!("部署を確認してください"))?;
    let department = match store.departments().await?.into_iter().find(|known| known.name == department) {
        Some(known) => known,
        None => store.add_department(&department, None, &server, now).await?,
    };
    let new = NewUser {
        login,
        name,
        department: department.id,
        role,
        password: None,
        password_expired: true,
        room: false,
    };
    let user = store.add_user(&new, &server, now).await.context("利用者を登録できません")?;
    link(store, &user).await
}

async fn known(store: &Store, login: &str) -> anyhow::Result<User> {
    let found = store.credentials(&login.trim().to_lowercase()).await?;
    Ok(found.with_context(|| format!("利用者名 {login} は登録されていません"))?.user)
}

/// Prints the page on which the person sets a password.
async fn link(store: &Store, user: &User) -> anyhow::Result<()> {
    let (secret, now) = (secret::random(), UnixMs::now());
    let (digest, expires_at) = (secret::digest(&secret), now.plus(people::PASSWORD_LINK_LIFE));
    store.add_link(&digest, Purpose::Password, Some(user.id), expires_at, &Actor::server(), now).await?;
    println!(
        "{} のパスワード設定 (3日間有効): サーバーのアドレスに続けて {}",
        user.login,
        people::link_path(&secret)
    );
    Ok(())
}
