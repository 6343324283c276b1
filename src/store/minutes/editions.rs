//! Named states of a document that never change: 認識結果, 確定版, and what a person chose to keep.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{Document, read, text};
use crate::clock::UnixMs;
use crate::minutes::Minutes;
use crate::minutes::workflow::{self, Action, State, WorkflowError};
use crate::store::audit::{Actor, Entry, hex};
use crate::store::dialect::{Row, Tx, values};
use crate::store::{Id, Store, StoreError};

/// What an edition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EditionKind {
    /// 認識結果: as a recognition drafted it.
    Recognised,
    /// 編集後: as a person chose to keep it.
    Kept,
    /// 確定版
    Final,
}

impl EditionKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Recognised => "recognised",
            Self::Kept => "kept",
            Self::Final => "final",
        }
    }
}

/// An edition, without its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Edition {
    /// Its name inside the product.
    pub id: Id,
    /// What it is.
    pub kind: EditionKind,
    /// Counts the editions of one kind of a meeting, from 1.
    pub number: u64,
    /// The revision it was taken at; 0 for a recognition that nobody took over.
    pub revision: u64,
    /// sha256 of the document as it is kept.
    pub sha256: String,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
}

impl Edition {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let kind = serde_json::from_value(serde_json::Value::String(row.text(1)?));
        Ok(Self {
            id: row.id(0)?,
            kind: kind.map_err(|_| StoreError::Damaged { what: "an edition's kind".to_owned() })?,
            number: row.count(2)?,
            revision: row.count(3)?,
            sha256: row.text(4)?,
            created_at: row.at(5)?,
        })
    }
}

impl Tx {
    /// Keeps a document under a name, in the same transaction as what led to it.
    pub(in crate::store) async fn add_edition(
        &mut self,
        meeting: Id,
        kind: EditionKind,
        (revision, minutes): (u64, &Minutes),
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Edition, StoreError> {
        let sql = "SELECT COUNT(*) FROM editions WHERE meeting_id = $1 AND kind = $2";
        let number = match self.row(sql, values![meeting, kind.word()]).await? {
            Some(row) => row.count(0)? + 1,
            None => 1,
        };
        let document = text(minutes);
        let sha256 = hex(&Sha256::digest(document.as_bytes()));
        let edition = Edition { id: Id::new(), kind, number, revision, sha256, created_at: now };
        let user = actor.user.map_or_else(String::new, |id| id.to_string());
        self.run(
            "INSERT INTO editions (id, meeting_id, kind, number, revision, document, sha256, user_id, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            values![edition.id, meeting, kind.word(), number, revision, document, &edition.sha256, user, now],
        )
        .await?;
        let facts = serde_json::json!({ "kind": kind, "number": number, "sha256": edition.sha256 });
        self.audit(Entry::done(actor, now, "minutes.edition", edition.id).on(meeting).with(facts)).await?;
        Ok(edition)
    }
}

impl Store {
    /// Returns the editions of a meeting, oldest first.
    pub async fn editions(&self, meeting: Id) -> Result<Vec<Edition>, StoreError> {
        let sql = "SELECT id, kind, number, revision, sha256, created_at FROM editions WHERE meeting_id = $1 \
                   ORDER BY created_at, id LIMIT 1000";
        let rows = self.database.rows(sql, values![meeting]).await?;
        rows.iter().map(Edition::from_row).collect()
    }

    /// Returns the document of an edition, if the meeting has it and it is as it was kept.
    ///
    /// Errors: [`StoreError::Damaged`] if its sha256 does not fit.
    pub async fn edition(&self, meeting: Id, id: Id) -> Result<Option<Minutes>, StoreError> {
        let sql = "SELECT document, sha256 FROM editions WHERE meeting_id = $1 AND id = $2";
        let Some(row) = self.database.row(sql, values![meeting, id]).await? else { return Ok(None) };
        let document = row.text(0)?;
        if hex(&Sha256::digest(document.as_bytes())) != row.text(1)? {
            return Err(StoreError::Damaged { what: format!("edition {id} is not as it was kept") });
        }
        read(&document).map(Some)
    }

    /// Moves minutes on or back; 確定 keeps the final edition in the same transaction.
    ///
    /// Errors: the database does not answer; a step that does not follow is the inner error.
    pub async fn step_minutes(
        &self,
        meeting: Id,
        document: &Document,
        action: &Action,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Result<(State, Option<Edition>), WorkflowError>, StoreError> {
        let mut tx = self.write().await?;
        let sql = tx.either(
            "SELECT state FROM meetings WHERE id = $1",
            "SELECT state FROM meetings WHERE id = $1 FOR UPDATE",
        );
        let row = tx.row(sql, values![meeting]).await?;
        let row = row.ok_or_else(|| StoreError::Damaged { what: format!("meeting {meeting} is gone") })?;
        let state = match workflow::step(super::state(&row.text(0)?)?, action) {
            Ok(state) => state,
            Err(error) => return Ok(Err(error)),
        };
        tx.run(
            "UPDATE meetings SET state = $2, updated_at = $3 WHERE id = $1",
            values![meeting, text(&state).trim_matches('"'), now],
        )
        .await?;
        let edition = match action {
            Action::Finalise => {
                let at = (document.revision, document.minutes.as_ref());
                Some(tx.add_edition(meeting, EditionKind::Final, at, actor, now).await?)
            }
            Action::RequestReview
            | Action::Revise
            | Action::RequestApproval
            | Action::SendBack { .. }
            | Action::Publish
            | Action::Reopen { .. } => None,
        };
        // The reason is what a person wrote about the minutes: it stays with them, not in the log.
        let facts = serde_json::json!({ "state": state, "revision": document.revision });
        tx.audit(Entry::done(actor, now, "minutes.step", meeting).on(meeting).with(facts)).await?;
        tx.commit().await?;
        self.notices.tell(meeting);
        Ok(Ok((state, edition)))
    }

    /// Keeps the document as it is now under a name.
    pub async fn keep_edition(
        &self,
        meeting: Id,
        document: &Document,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Edition, StoreError> {
        let mut tx = self.write().await?;
        let at = (document.revision, document.minutes.as_ref());
        let edition = tx.add_edition(meeting, EditionKind::Kept, at, actor, now).await?;
        tx.commit().await?;
        Ok(edition)
    }
}
