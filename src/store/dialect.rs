//! All that SQLite and PostgreSQL do differently. Every other file of this room writes one text for both.
//!
//! Shape: `$1` placeholders; BIGINT, TEXT and BYTEA only, which both have and which need no translation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use sqlx::postgres::{PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction};

use super::StoreError;

/// Connections that read while one writes (SQLite).
const READERS_MAX: u32 = 4;
/// How long a query waits for a connection before it is refused.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for another process, as a backup tool, to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A SQLite file, made if it is not there.
    File(PathBuf),
    /// A PostgreSQL server.
    Postgres {
        /// Its URL, with the password if there is one.
        url: String,
        /// Most connections held to it.
        connections_max: u32,
    },
}

/// A value handed to a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

macro_rules! value_from {
    ($($from:ty => $make:expr),* $(,)?) => {
        $(impl From<$from> for Value { fn from(value: $from) -> Self { $make(value) } })*
    };
}

value_from! {
    i64 => |value| Self::Int(Some(value)),
    i32 => |value| Self::Int(Some(i64::from(value))),
    u32 => |value| Self::Int(Some(i64::from(value))),
    // What this product counts (bytes, milliseconds, revisions) stays far below 2^63.
    u64 => |value| Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX))),
    bool => |value| Self::Int(Some(i64::from(value))),
    &str => |value: &str| Self::Text(Some(value.to_owned())),
    String => |value| Self::Text(Some(value)),
    &String => |value: &String| Self::Text(Some(value.clone())),
    Option<String> => Self::Text,
    Option<&str> => |value: Option<&str>| Self::Text(value.map(str::to_owned)),
    Option<i64> => Self::Int,
    crate::clock::UnixMs => |value: crate::clock::UnixMs| Self::Int(Some(value.ms())),
    Option<crate::clock::UnixMs> => |value: Option<crate::clock::UnixMs>| Self::Int(value.map(|at| at.ms())),
    super::Id => |value: super::Id| Self::Text(Some(value.to_string())),
    Option<super::Id> => |value: Option<super::Id>| Self::Text(value.map(|id| id.to_string())),
}

/// Makes the list of values of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::dialect::Value::from($value)),*] };
}
pub(super) use values;

/// A row that came back.
pub(super) enum Row {
    Lite(SqliteRow),
    Pg(PgRow),
}

macro_rules! column {
    ($row:expr, $index:expr, $kind:ty) => {
        match $row {
            Row::Lite(row) => row.try_get::<$kind, _>($index),
            Row::Pg(row) => row.try_get::<$kind, _>($index),
        }
        .map_err(StoreError::from)
    };
}

impl Row {
    pub(super) fn int(&self, index: usize) -> Result<i64, StoreError> {
        column!(self, index, i64)
    }

    pub(super) fn int_or_none(&self, index: usize) -> Result<Option<i64>, StoreError> {
        column!(self, index, Option<i64>)
    }

    pub(super) fn flag(&self, index: usize) -> Result<bool, StoreError> {
        Ok(self.int(index)? != 0)
    }

    /// Returns a count or a length, which is never negative.
    pub(super) fn count(&self, index: usize) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.int(index)?).unwrap_or(0))
    }

    pub(super) fn text(&self, index: usize) -> Result<String, StoreError> {
        column!(self, index, String)
    }

    pub(super) fn text_or_none(&self, index: usize) -> Result<Option<String>, StoreError> {
        column!(self, index, Option<String>)
    }

    pub(super) fn at(&self, index: usize) -> Result<crate::clock::UnixMs, StoreError> {
        Ok(crate::clock::UnixMs::from_ms(self.int(index)?))
    }

    pub(super) fn at_or_none(&self, index: usize) -> Result<Option<crate::clock::UnixMs>, StoreError> {
        Ok(self.int_or_none(index)?.map(crate::clock::UnixMs::from_ms))
    }

    pub(super) fn id(&self, index: usize) -> Result<super::Id, StoreError> {
        let text = self.text(index)?;
        text.parse().map_err(|_| StoreError::Damaged { what: format!("the name {text} is no UUID") })
    }

    pub(super) fn id_or_none(&self, index: usize) -> Result<Option<super::Id>, StoreError> {
        self.text_or_none(index)?.map_or(Ok(None), |_| self.id(index).map(Some))
    }

    /// Reads a document kept as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, index: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(index)?)
            .map_err(|error| StoreError::Damaged { what: format!("a stored document: {error}") })
    }
}

/// The database: one writer and several readers on SQLite, a pool on PostgreSQL.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Lite { write: SqlitePool, read: SqlitePool },
    Pg(PgPool),
}

/// A transaction that writes; what is not committed never happened.
pub(super) enum Tx {
    Lite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value.clone() {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Database {
    /// Opens the database and carries its tables to this program's version.
    pub(super) async fn open(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::File(path) => Self::open_file(path).await,
            Location::Postgres { url, connections_max } => {
                let pool = PgPoolOptions::new()
                    .max_connections((*connections_max).max(2))
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .connect(url)
                    .await?;
                sqlx::migrate!("src/store/migrations/postgres").run(&pool).await?;
                Ok(Self::Pg(pool))
            }
        }
    }

    async fn open_file(path: &Path) -> Result<Self, StoreError> {
        // A commit is on the disk before it is answered: what was acknowledged survives a power cut.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is erased is overwritten, not only forgotten.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            // On a full disk SQLite takes a transaction back by itself; the pool's own attempt then fails, and the
            // connection would refuse every transaction ever after.
            .before_acquire(|connection, _| {
                let is_free = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_free) })
            })
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("src/store/migrations/sqlite").run(&write).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self::Lite { write, read })
    }

    /// Begins a transaction that may write. On SQLite it has the one writer from its first moment.
    pub(super) async fn write(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Lite { write, .. } => Tx::Lite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Pg(pool) => Tx::Pg(pool.begin().await?),
        })
    }

    /// Begins a transaction that reads one state of everything, whatever is written meanwhile.
    pub(super) async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Lite { read, .. } => Tx::Lite(read.begin().await?),
            Self::Pg(pool) => {
                Tx::Pg(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// Makes the file as short as what is in it: nothing that was deleted stays in the journal (SQLite).
    pub(super) async fn tidy(&self) -> Result<(), StoreError> {
        if let Self::Lite { write, .. } = self {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(write).await?;
        }
        Ok(())
    }

    /// Asks without writing.
    pub(super) async fn rows(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Lite { read, .. } => {
                bound!(sql, values).fetch_all(read).await?.into_iter().map(Row::Lite).collect()
            }
            Self::Pg(pool) => bound!(sql, values).fetch_all(pool).await?.into_iter().map(Row::Pg).collect(),
        })
    }

    /// Asks without writing, for at most one row.
    pub(super) async fn row(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Lite { read, .. } => bound!(sql, values).fetch_optional(read).await?.map(Row::Lite),
            Self::Pg(pool) => bound!(sql, values).fetch_optional(pool).await?.map(Row::Pg),
        })
    }

    /// Chooses between the two statements that search, each with its own way to write a query.
    pub(super) fn search(
        &self,
        lite: &'static str,
        pg: &'static str,
        lite_query: String,
        pg_query: String,
    ) -> (&'static str, String) {
        match self {
            Self::Lite { .. } => (lite, lite_query),
            Self::Pg(_) => (pg, pg_query),
        }
    }

    /// Closes every connection, after what is under way.
    pub(super) async fn close(&self) {
        match self {
            Self::Lite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn run(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Lite(tx) => bound!(sql, values).execute(&mut **tx).await?.rows_affected(),
            Self::Pg(tx) => bound!(sql, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Asks inside the transaction.
    pub(super) async fn rows(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Lite(tx) => {
                bound!(sql, values).fetch_all(&mut **tx).await?.into_iter().map(Row::Lite).collect()
            }
            Self::Pg(tx) => {
                bound!(sql, values).fetch_all(&mut **tx).await?.into_iter().map(Row::Pg).collect()
            }
        })
    }

    /// Asks inside the transaction, for at most one row.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Lite(tx) => bound!(sql, values).fetch_optional(&mut **tx).await?.map(Row::Lite),
            Self::Pg(tx) => bound!(sql, values).fetch_optional(&mut **tx).await?.map(Row::Pg),
        })
    }

    /// Runs a statement whose text was put together from names of tables and columns, never from values.
    pub(super) async fn run_composed(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Lite(tx) => bound!(AssertSqlSafe(sql), values).execute(&mut **tx).await?.rows_affected(),
            Self::Pg(tx) => bound!(AssertSqlSafe(sql), values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Hands the first column of every row, a text, to `take`, one row at a time. The statement is composed as in
    /// [`Tx::run_composed`].
    pub(super) async fn each_text<E: From<StoreError>>(
        &mut self,
        sql: &str,
        values: &[Value],
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        macro_rules! each {
            ($tx:expr) => {{
                let mut rows = bound!(AssertSqlSafe(sql), values).fetch(&mut **$tx);
                while let Some(row) = rows.next().await {
                    let row = row.map_err(StoreError::from)?;
                    take(row.try_get::<&str, _>(0).map_err(StoreError::from)?)?;
                }
            }};
        }
        match self {
            Self::Lite(tx) => each!(tx),
            Self::Pg(tx) => each!(tx),
        }
        Ok(())
    }

    /// Chooses between the two texts of a statement that cannot be one.
    pub(super) fn either(&self, lite: &'static str, pg: &'static str) -> &'static str {
        match self {
            Self::Lite(_) => lite,
            Self::Pg(_) => pg,
        }
    }

    /// Makes everything since the beginning true at once.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Lite(tx) => tx.commit().await?,
            Self::Pg(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// SQLite's codes for a full disk and for a file that cannot be written, and PostgreSQL's for a full disk.
const FULL: [&str; 2] = ["13", "53100"];
/// PostgreSQL's codes for two transactions that got in each other's way.
const AGAIN: [&str; 2] = ["40001", "40P01"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => Self::Taken,
            sqlx::Error::Database(cause) if has_code(cause.as_ref(), &FULL) => Self::Full,
            sqlx::Error::Database(cause) if has_code(cause.as_ref(), &AGAIN) => {
                Self::Unreachable(Box::new(error))
            }
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_) => Self::Unreachable(Box::new(error)),
            _ => Self::Database(Box::new(error)),
        }
    }
}

fn has_code(cause: &dyn sqlx::error::DatabaseError, codes: &[&str]) -> bool {
    cause.code().is_some_and(|code| codes.contains(&code.as_ref()))
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Database(Box::new(error))
    }
}
