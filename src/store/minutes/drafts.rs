//! 下書き: edits whose writer had lost the seat. Kept for them; whoever sits again sends them as an ordinary edit.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::UnixMs;
use crate::minutes::edit::Op;
use crate::store::audit::{Actor, Entry};
use crate::store::dialect::{Row, values};
use crate::store::{Id, Store, StoreError};

/// How long a draft is kept.
pub const DRAFT_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most drafts of one person in one meeting.
pub const DRAFTS_MAX: u64 = 200;

/// An edit that waits for its writer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Draft {
    /// Its name.
    pub id: Id,
    /// The attempt it was.
    pub request_id: String,
    /// The revision its writer saw.
    pub base_revision: u64,
    /// What they did.
    pub ops: Vec<Op>,
    /// When it was kept, in milliseconds since 1970 (UTC).
    #[schema(value_type = i64)]
    pub kept_at: UnixMs,
}

impl Draft {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            request_id: row.text(1)?,
            base_revision: row.count(2)?,
            ops: row.json(3)?,
            kept_at: row.at(4)?,
        })
    }
}

impl Store {
    /// Keeps an edit for its writer and returns its name; the same attempt is kept once. None if they have as many as
    /// may be: the edit is then still with them.
    pub async fn keep_draft(
        &self,
        meeting: Id,
        user: Id,
        (request, base, ops): (&str, u64, &[Op]),
        now: UnixMs,
    ) -> Result<Option<Id>, StoreError> {
        let text = |error| StoreError::Damaged { what: format!("a draft to be kept: {error}") };
        let ops = serde_json::to_string(ops).map_err(text)?;
        let mut tx = self.write().await?;
        let sql = "SELECT id FROM drafts WHERE meeting_id = $1 AND user_id = $2 AND request_id = $3";
        if let Some(row) = tx.row(sql, values![meeting, user, request]).await? {
            return row.id(0).map(Some);
        }
        let sql = "SELECT COUNT(*) FROM drafts WHERE meeting_id = $1 AND user_id = $2";
        let count = tx.row(sql, values![meeting, user]).await?.map(|row| row.count(0)).transpose()?;
        if count.unwrap_or(0) >= DRAFTS_MAX {
            return Ok(None);
        }
        let id = Id::new();
        tx.run(
            "INSERT INTO drafts (id, meeting_id, user_id, request_id, base_revision, ops, kept_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            values![id, meeting, user, request, base, ops, now],
        )
        .await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    /// Returns somebody's drafts in a meeting, the oldest first.
    pub async fn drafts(&self, meeting: Id, user: Id) -> Result<Vec<Draft>, StoreError> {
        let sql = "SELECT id, request_id, base_revision, ops, kept_at FROM drafts \
                   WHERE meeting_id = $1 AND user_id = $2 ORDER BY kept_at, id LIMIT $3";
        let rows = self.database.rows(sql, values![meeting, user, DRAFTS_MAX]).await?;
        rows.iter().map(Draft::from_row).collect()
    }

    /// Throws one of somebody's drafts away; false if there is none of that name.
    pub async fn discard_draft(
        &self,
        meeting: Id,
        draft: Id,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "DELETE FROM drafts WHERE id = $1 AND meeting_id = $2 AND user_id = $3";
        if tx.run(sql, values![draft, meeting, actor.user]).await? == 0 {
            return Ok(false);
        }
        tx.audit(Entry::done(actor, now, "draft.discard", draft).on(meeting)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Throws away what nobody came back for, and returns how many those were.
    pub async fn forget_drafts(&self, before: UnixMs) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let count = tx.run("DELETE FROM drafts WHERE kept_at < $1", values![before]).await?;
        tx.commit().await?;
        Ok(count)
    }
}
