//! 会議テンプレート of the office and of its departments, each perhaps with a Word file of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::meetings::NewMeeting;
use super::minutes::text;
use super::words::CHOSEN_MAX;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::minutes::dictionary::Day;
use crate::minutes::template::Template;

/// Most templates of one list: an office has some dozens, a department some more.
pub const TEMPLATES_MAX: usize = 1_000;

/// A template as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct KeptTemplate {
    /// Its name inside the product.
    pub id: Id,
    /// The department it is for; the whole office if absent.
    pub department: Option<Id>,
    /// The template.
    pub template: Template,
    /// Whether it has a Word file of its own.
    pub has_word: bool,
    /// When it last changed.
    #[schema(value_type = i64)]
    pub updated_at: UnixMs,
    /// Since when it is offered no more; meetings made from it keep it.
    #[schema(value_type = Option<i64>)]
    pub removed_at: Option<UnixMs>,
}

macro_rules! select_template {
    ($rest:literal) => {
        concat!(
            "SELECT id, department_id, document, CAST(CASE WHEN word IS NULL THEN 0 ELSE 1 END AS BIGINT), \
             updated_at, removed_at FROM templates ",
            $rest
        )
    };
}

impl KeptTemplate {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            department: row.id_or_none(1)?,
            template: row.json(2)?,
            has_word: row.flag(3)?,
            updated_at: row.at(4)?,
            removed_at: row.at_or_none(5)?,
        })
    }
}

impl Tx {
    /// Gives a new meeting what its template says beside the text: when its audio goes, which words it uses.
    pub(super) async fn begin_from_template(
        &mut self,
        meeting: Id,
        new: &NewMeeting,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let Some(template) = new.template else { return Ok(()) };
        let row = self.row("SELECT document FROM templates WHERE id = $1", values![template]).await?;
        let Some(row) = row else { return Ok(()) };
        let template: Template = row.json(0)?;
        let day = Day::parse(&new.held_on).unwrap_or_else(|_| Day::in_japan(now));
        if let Some(until) = template.retention_days.and_then(|days| day.end_in_japan(days)) {
            self.run("UPDATE meetings SET audio_until = $2 WHERE id = $1", values![meeting, until]).await?;
        }
        if template.word_groups.is_empty() {
            return Ok(());
        }
        let sql = "SELECT id, name FROM word_groups WHERE meeting_id IS NULL AND \
                   (department_id IS NULL OR department_id = $1) ORDER BY name, id LIMIT $2";
        let mut chosen = Vec::new();
        for row in self.rows(sql, values![new.department, limit()]).await? {
            if template.word_groups.contains(&row.text(1)?) && chosen.len() < CHOSEN_MAX {
                chosen.push(row.id(0)?);
            }
        }
        let sql = "INSERT INTO word_choices (meeting_id, chosen) VALUES ($1, $2)";
        self.run(sql, values![meeting, text(&chosen)]).await.map(drop)
    }
}

impl Store {
    /// Returns the templates of the office and of one department, or of every department, by name.
    ///
    /// Range: at most [`TEMPLATES_MAX`].
    pub async fn templates(&self, department: Option<Id>) -> Result<Vec<KeptTemplate>, StoreError> {
        let sql = select_template!(
            "WHERE removed_at IS NULL AND (department_id IS NULL OR department_id = $1 OR $1 = '') \
             ORDER BY name, id LIMIT $2"
        );
        let department = department.map_or_else(String::new, |id| id.to_string());
        let rows = self.database.rows(sql, values![department, limit()]).await?;
        rows.iter().map(KeptTemplate::from_row).collect()
    }

    /// Returns a template, also one that is offered no more.
    pub async fn template(&self, id: Id) -> Result<Option<KeptTemplate>, StoreError> {
        let row = self.database.row(select_template!("WHERE id = $1"), values![id]).await?;
        row.map(|row| KeptTemplate::from_row(&row)).transpose()
    }

    /// Keeps a new template.
    pub async fn add_template(
        &self,
        department: Option<Id>,
        template: &Template,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<KeptTemplate, StoreError> {
        let id = Id::new();
        let mut tx = self.write().await?;
        tx.run(
            "INSERT INTO templates (id, department_id, name, document, updated_at) VALUES ($1, $2, $3, $4, $5)",
            values![id, department, &template.name, text(template), now],
        )
        .await?;
        let facts = serde_json::json!({ "department": department });
        tx.audit(Entry::done(actor, now, "template.create", id).with(facts)).await?;
        tx.commit().await?;
        let template = template.clone();
        Ok(KeptTemplate { id, department, template, has_word: false, updated_at: now, removed_at: None })
    }

    /// Writes a template anew; tells whether it was there.
    pub async fn change_template(
        &self,
        id: Id,
        template: &Template,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE templates SET name = $2, document = $3, updated_at = $4 \
                   WHERE id = $1 AND removed_at IS NULL";
        let changed = tx.run(sql, values![id, &template.name, text(template), now]).await?;
        tx.audit(Entry::done(actor, now, "template.change", id)).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Offers a template no more; meetings that were made from it go on with it.
    pub async fn remove_template(&self, id: Id, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "UPDATE templates SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
        let changed = tx.run(sql, values![id, now]).await?;
        tx.audit(Entry::done(actor, now, "template.delete", id)).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Keeps the Word file of a template, or takes it away; whoever calls has checked it.
    pub async fn set_template_word(
        &self,
        id: Id,
        word: Option<&[u8]>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let changed = tx
            .run(
                "UPDATE templates SET word = $2, updated_at = $3 WHERE id = $1 AND removed_at IS NULL",
                values![id, word.map(|bytes| STANDARD.encode(bytes)), now],
            )
            .await?;
        let facts = serde_json::json!({ "bytes": word.map_or(0, <[u8]>::len) });
        tx.audit(Entry::done(actor, now, "template.word", id).with(facts)).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Returns the Word file of a template, if it has one.
    ///
    /// Errors: [`StoreError::Damaged`] if what is stored is no file.
    pub async fn template_word(&self, id: Id) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT word FROM templates WHERE id = $1";
        let Some(row) = self.database.row(sql, values![id]).await? else { return Ok(None) };
        let Some(word) = row.text_or_none(0)? else { return Ok(None) };
        let damaged = |_| StoreError::Damaged { what: format!("the Word file of template {id}") };
        STANDARD.decode(word).map(Some).map_err(damaged)
    }
}

fn limit() -> u64 {
    u64::try_from(TEMPLATES_MAX).unwrap_or(u64::MAX)
}
