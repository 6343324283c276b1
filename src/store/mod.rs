//! What is remembered.
//!
//! - **In**: finished work of the core rooms; people, meetings, recordings and edits; the time, as an argument.
//! - **Out**: the same, after a crash, a power cut or another day; weights whose sha256 was checked.
//! - **Never**: decides what a result means or who may see it, or says something is kept before it is on the disk.
//!
//! One transaction holds what must be true together, and with it the line of the audit log that says so.

pub mod audit;
pub mod backup;
pub mod blobs;
mod dialect;
pub mod figures;
pub mod folder;
pub mod instance;
pub mod jobs;
pub mod licences;
mod links;
pub mod live;
pub mod masks;
pub mod meetings;
pub mod minutes;
pub mod models;
pub mod notices;
pub mod pulse;
pub mod recordings;
pub mod retention;
pub mod sample;
pub mod search;
pub mod seats;
pub mod sessions;
pub mod staging;
pub mod templates;
pub mod transcripts;
pub mod transfers;
pub mod uploads;
pub mod users;
pub mod voices;
pub mod windows;
pub mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use dialect::{Database, Tx};
use uuid::Uuid;

pub use dialect::Location;

/// Names a person, a meeting, a recording and so on.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// The name that sorts after every other.
    pub const LAST: Self = Self(Uuid::max());

    /// Makes a name that nothing had before; later ones sort after earlier ones.
    #[expect(clippy::new_without_default, reason = "a name that differs each time is no default")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns the name as rooms know it that have no store.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process works on the same thing: wait for it, or end it.
    #[error("{} is in use by another process", path.display())]
    Busy {
        /// The file both want.
        path: PathBuf,
    },
    /// The disk refused: look at free space and permissions.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file it was about.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The disk is full: make room, then do it again; what was kept before is still there.
    #[error("no space is left on the disk")]
    Full,
    /// Something of this name is there already: choose another.
    #[error("the name is taken")]
    Taken,
    /// The audio it is about was erased: only the text is left.
    #[error("the audio was erased")]
    Erased,
    /// The database does not answer, or two writers got in each other's way: do it again later.
    #[error("the database cannot be reached now")]
    Unreachable(#[source] Box<sqlx::Error>),
    /// What was stored cannot be read back: restore it from a backup.
    #[error("what is stored is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The database refused the statement: a defect of this program.
    #[error("the database refused")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            // ENOSPC, EDQUOT and EFBIG: with more room the same write succeeds.
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}

/// Everything that is remembered, by the tables' side.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    /// Documents that people work on now.
    documents: minutes::Documents,
    /// Where changes are told.
    pub notices: notices::Notices,
    pulse: Arc<pulse::Pulse>,
    periods: Arc<retention::InForce>,
    backups: Arc<backup::Board>,
    touches: Arc<sessions::Touches>,
    vault: Arc<std::sync::OnceLock<voices::Vault>>,
}

impl Store {
    /// Opens the database and carries its tables to this program's version.
    ///
    /// Errors: [`StoreError::Unreachable`] if it does not answer; [`StoreError::Database`] if its tables are newer.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        let database = Database::open(location).await?;
        let (documents, notices) = (minutes::Documents::default(), notices::Notices::default());
        let (pulse, periods, backups) = (Arc::default(), Arc::default(), Arc::default());
        let (touches, vault) = (Arc::default(), Arc::default());
        Ok(Self { database, documents, notices, pulse, periods, backups, touches, vault })
    }

    /// Returns where the worker of this process leaves its signs of life.
    pub fn pulse(&self) -> &pulse::Pulse {
        &self.pulse
    }

    /// Returns where nightly backups of this process are told.
    pub fn backups(&self) -> &backup::Board {
        &self.backups
    }

    /// Closes the database after what is under way.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Tells whether the database answers.
    ///
    /// Errors: why it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.row("SELECT 1", &[]).await.map(drop)
    }

    async fn write(&self) -> Result<Tx, StoreError> {
        self.database.write().await
    }
}
