//! マスキング一覧 of a meeting.

use super::audit::{Actor, Entry};
use super::dialect::values;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::minutes::mask::Mask;

impl Store {
    /// Returns what a published copy of a meeting's minutes must not say.
    ///
    /// Errors: [`StoreError::Damaged`] if what is stored is no list.
    pub async fn masks(&self, meeting: Id) -> Result<Vec<Mask>, StoreError> {
        let sql = "SELECT masks FROM meetings WHERE id = $1";
        let row = self.database.row(sql, values![meeting]).await?;
        let Some(text) = row.map_or(Ok(None), |row| row.text_or_none(0))? else { return Ok(Vec::new()) };
        serde_json::from_str(&text)
            .map_err(|error| StoreError::Damaged { what: format!("the masks of meeting {meeting}: {error}") })
    }

    /// Writes the list anew. The log tells how long it is, never what it holds.
    pub async fn set_masks(
        &self,
        meeting: Id,
        masks: &[Mask],
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let document = serde_json::to_string(masks)
            .map_err(|error| StoreError::Damaged { what: format!("masks to be kept: {error}") })?;
        let mut tx = self.write().await?;
        let sql = "UPDATE meetings SET masks = $2 WHERE id = $1";
        tx.run(sql, values![meeting, document]).await?;
        let detail = serde_json::json!({ "count": masks.len() });
        tx.audit(Entry::done(actor, now, "minutes.masks", meeting).on(meeting).with(detail)).await?;
        tx.commit().await
    }
}
