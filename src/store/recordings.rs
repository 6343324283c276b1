//! Recordings: which audio belongs to which meeting, and where it is kept.

use std::fs::File;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

/// Most recordings of one meeting that are listed.
const LIST_MAX: u32 = 1_000;

/// A recording that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Recording {
    /// Its name inside the product.
    pub id: Id,
    /// The meeting it belongs to.
    pub meeting: Option<Id>,
    /// Who brought it.
    pub user: Id,
    /// The key of its bytes in the store of audio.
    #[serde(skip)]
    pub blob: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Hash of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// What the file was called.
    pub file_name: String,
    /// What kind of file it was said to be.
    pub mime: String,
    /// How long it is, once it was decoded.
    pub duration_ms: Option<u64>,
    /// When it became durable.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
    /// Since when its audio is erased; text and record stay.
    #[schema(value_type = Option<i64>)]
    pub erased_at: Option<UnixMs>,
}

/// A recording to be added.
#[derive(Debug, Clone)]
pub struct NewRecording {
    /// The meeting it belongs to.
    pub meeting: Option<Id>,
    /// Who brought it.
    pub user: Id,
    /// The upload it came by: one upload never becomes two recordings.
    pub upload: Option<Id>,
    /// The key of its bytes in the store of audio.
    pub blob: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Hash of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// What the file was called.
    pub file_name: String,
    /// What kind of file it was said to be.
    pub mime: String,
}

macro_rules! select_recording {
    ($rest:literal) => {
        concat!(
            "SELECT id, meeting_id, user_id, blob, bytes, sha256, file_name, mime, duration_ms, created_at, erased_at \
             FROM recordings ",
            $rest
        )
    };
}

impl Recording {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let duration_ms = row.int_or_none(8)?.map(|ms| u64::try_from(ms).unwrap_or(0));
        Ok(Self {
            id: row.id(0)?,
            meeting: row.id_or_none(1)?,
            user: row.id(2)?,
            blob: row.text(3)?,
            bytes: row.count(4)?,
            sha256: row.text(5)?,
            file_name: row.text(6)?,
            mime: row.text(7)?,
            duration_ms,
            created_at: row.at(9)?,
            erased_at: row.at_or_none(10)?,
        })
    }
}

impl Tx {
    /// Adds a recording whose bytes are durable already, and returns its name.
    ///
    /// Errors: [`StoreError::Taken`] if the upload has become a recording before.
    pub(super) async fn add_recording(&mut self, new: &NewRecording, now: UnixMs) -> Result<Id, StoreError> {
        let id = Id::new();
        self.run(
            "INSERT INTO recordings (id, meeting_id, user_id, upload_id, blob, bytes, sha256, file_name, mime, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            values![
                id,
                new.meeting,
                new.user,
                new.upload,
                &new.blob,
                new.bytes,
                &new.sha256,
                &new.file_name,
                &new.mime,
                now
            ],
        )
        .await?;
        Ok(id)
    }
}

impl Store {
    /// Adds a recording whose bytes are durable already, and returns its name.
    ///
    /// Errors: [`StoreError::Taken`] if the upload has become a recording before.
    pub async fn add_recording(&self, new: &NewRecording, now: UnixMs) -> Result<Id, StoreError> {
        let mut tx = self.write().await?;
        let id = tx.add_recording(new, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Returns a recording, also one whose audio is erased.
    pub async fn recording(&self, id: Id) -> Result<Option<Recording>, StoreError> {
        let row = self.database.row(select_recording!("WHERE id = $1"), values![id]).await?;
        row.map(|row| Recording::from_row(&row)).transpose()
    }

    /// Returns the recordings of a meeting, the oldest first; at most 1,000.
    pub async fn recordings(&self, meeting: Id) -> Result<Vec<Recording>, StoreError> {
        let sql = select_recording!("WHERE meeting_id = $1 ORDER BY created_at, id LIMIT $2");
        let rows = self.database.rows(sql, values![meeting, LIST_MAX]).await?;
        rows.iter().map(Recording::from_row).collect()
    }

    /// Returns the outline of a recording, two values for each stretch; `None` if nobody has drawn it yet.
    ///
    /// Errors: [`StoreError::Damaged`] if what is stored is no outline.
    pub async fn outline(&self, recording: Id) -> Result<Option<Vec<i8>>, StoreError> {
        let sql = "SELECT outline FROM recordings WHERE id = $1";
        let row = self.database.row(sql, values![recording]).await?;
        let Some(text) = row.map_or(Ok(None), |row| row.text_or_none(0))? else { return Ok(None) };
        let bytes = STANDARD.decode(&text).map_err(|error| StoreError::Damaged {
            what: format!("the outline of recording {recording}: {error}"),
        })?;
        Ok(Some(bytes.into_iter().map(u8::cast_signed).collect()))
    }

    /// Keeps the outline of a recording; one whose audio is erased keeps none.
    pub async fn keep_outline(&self, recording: Id, peaks: &[i8]) -> Result<(), StoreError> {
        let bytes: Vec<u8> = peaks.iter().copied().map(i8::cast_unsigned).collect();
        let mut tx = self.write().await?;
        let sql = "UPDATE recordings SET outline = $2 WHERE id = $1 AND erased_at IS NULL";
        tx.run(sql, values![recording, STANDARD.encode(bytes)]).await?;
        tx.commit().await
    }

    /// Writes how long a recording is, found by decoding it.
    pub async fn set_recording_duration(&self, id: Id, duration_ms: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE recordings SET duration_ms = $2 WHERE id = $1";
        tx.run(sql, values![id, duration_ms]).await?;
        tx.commit().await
    }
}

/// Opens audio that lies in a file.
///
/// Errors: [`StoreError::Io`] if it is not there or cannot be read.
#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
pub fn open_audio(path: &Path) -> Result<File, StoreError> {
    File::open(path).map_err(|error| StoreError::io(path, error))
}
