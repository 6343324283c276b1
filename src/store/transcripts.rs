//! 認識結果: what the recogniser heard, version after version; never changed once written.

use serde::Serialize;
use utoipa::ToSchema;

use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::speech::transcript::Transcript;

/// Most versions of one meeting that are listed.
const LIST_MAX: u32 = 1_000;

/// A version of what was heard, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Version {
    /// Its number within the meeting, from 1.
    pub version: u64,
    /// The job that wrote it.
    pub job: Id,
    /// The recording it was heard in.
    pub recording: Id,
    /// When.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
}

impl Version {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { version: row.count(0)?, job: row.id(1)?, recording: row.id(2)?, created_at: row.at(3)? })
    }
}

impl Tx {
    /// Adds the next version of what was heard and returns its number; whoever calls holds the meeting's row.
    pub(super) async fn add_transcript(
        &mut self,
        meeting: Option<Id>,
        job: Id,
        transcript: &Transcript,
        now: UnixMs,
    ) -> Result<u64, StoreError> {
        let sql = "SELECT COALESCE(MAX(version), 0) FROM transcripts WHERE meeting_id = $1";
        let last = self.row(sql, values![meeting]).await?;
        let version = last.map_or(Ok(0), |row| row.count(0))? + 1;
        let document = serde_json::to_string(transcript)
            .map_err(|error| StoreError::Damaged { what: format!("a transcript to be kept: {error}") })?;
        self.run(
            "INSERT INTO transcripts (id, meeting_id, job_id, version, document, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            values![Id::new(), meeting, job, version, document, now],
        )
        .await?;
        Ok(version)
    }
}

impl Store {
    /// Lists what was heard of a meeting, the newest version first; at most 1,000.
    pub async fn transcripts(&self, meeting: Id) -> Result<Vec<Version>, StoreError> {
        let sql = "SELECT t.version, t.job_id, j.recording_id, t.created_at FROM transcripts t \
                   JOIN jobs j ON j.id = t.job_id WHERE t.meeting_id = $1 ORDER BY t.version DESC LIMIT $2";
        let rows = self.database.rows(sql, values![meeting, LIST_MAX]).await?;
        rows.iter().map(Version::from_row).collect()
    }

    /// Returns what a job has heard.
    ///
    /// Errors: [`StoreError::Damaged`] if what is stored is no transcript.
    pub async fn transcript_of_job(&self, job: Id) -> Result<Option<Transcript>, StoreError> {
        let sql = "SELECT document FROM transcripts WHERE job_id = $1";
        let row = self.database.row(sql, values![job]).await?;
        row.map(|row| read(&row.text(0)?)).transpose()
    }

    /// Returns one version of what was heard of a meeting.
    ///
    /// Errors: [`StoreError::Damaged`] if what is stored is no transcript.
    pub async fn transcript(&self, meeting: Id, version: u64) -> Result<Option<Transcript>, StoreError> {
        let sql = "SELECT document FROM transcripts WHERE meeting_id = $1 AND version = $2";
        let row = self.database.row(sql, values![meeting, version]).await?;
        row.map(|row| read(&row.text(0)?)).transpose()
    }
}

fn read(json: &str) -> Result<Transcript, StoreError> {
    Transcript::from_json(json)
        .map_err(|error| StoreError::Damaged { what: format!("a stored transcript: {error}") })
}
