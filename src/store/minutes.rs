//! Minutes as they are now, every revision that led here, and the named editions.
//!
//! A revision is the list of its operations and of those that undo it: `edit::apply` is pure, so a document is a
//! snapshot and what came after it, on every machine alike. Now and then a snapshot is written so that reading stays
//! short; no revision is ever removed but by an erasure.

mod cache;
mod drafts;
mod editions;
mod history;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::seats::Fence;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::minutes::edit::{self, Applied, Conflict, EditError, Op, Past};
use crate::minutes::{Minutes, migrate, workflow};

pub use cache::Documents;
pub use drafts::{DRAFT_LIFE, Draft};
pub use editions::{Edition, EditionKind};
pub use history::{Revision, Step, redoable, undoable};

/// Revisions from one snapshot to the next: replaying them takes a few milliseconds.
const SNAPSHOT_EVERY: u64 = 200;
/// Most revisions an edit may be behind: who is further behind loads the minutes anew.
pub const BEHIND_MAX: u64 = 2_000;

/// A document at a revision.
#[derive(Debug, Clone)]
pub struct Document {
    /// Counts every accepted change; 1 is the first draft.
    pub revision: u64,
    /// The document.
    pub minutes: Arc<Minutes>,
}

/// Why a revision was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// The first draft.
    Draft,
    /// A person edited.
    Edit,
    /// A person undid a revision of theirs.
    Undo {
        /// Which one.
        revision: u64,
    },
    /// A person took an undo back.
    Redo {
        /// The revision that was the undo.
        revision: u64,
    },
}

/// An edit as it arrives.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    /// Names the attempt: sent twice, it is carried out once.
    pub request: &'a str,
    /// The revision the person saw.
    pub base: u64,
    /// What they did.
    pub ops: &'a [Op],
    /// Why.
    pub cause: Cause,
    /// The seat of who edits; none if they have lost it.
    pub seat: Option<Fence>,
}

/// What became of an edit that could be judged.
#[derive(Debug, Clone)]
pub enum Edited {
    /// It is kept.
    Done(Done),
    /// It cannot be together with what others did since.
    Conflict {
        /// What clashes.
        conflict: Conflict,
        /// The document as it is now.
        now: Document,
    },
    /// It cannot be at all.
    Refused {
        /// Why.
        error: EditError,
        /// The document as it is now.
        now: Document,
    },
    /// The person is too far behind, or ahead of what exists.
    Behind {
        /// The revision as it is now.
        revision: u64,
    },
    /// The minutes are with somebody who reads them to agree, or final.
    Frozen,
    /// There are no minutes yet.
    Missing,
    /// The seat is not the writer's any more; nothing was changed.
    SeatLost,
}

/// An edit that is kept.
#[derive(Debug, Clone)]
pub struct Done {
    /// The document with it.
    pub document: Document,
    /// What others did since the base.
    pub since: Vec<Op>,
    /// The edit, carried over that.
    pub ops: Vec<Op>,
}

impl Tx {
    /// Writes a revision down, and that the meeting changed.
    async fn add_revision(
        &mut self,
        (meeting, revision): (Id, u64),
        edit: &Edit<'_>,
        (ops, undo): (&[Op], &[Op]),
        (actor, now): (&Actor, UnixMs),
    ) -> Result<(), StoreError> {
        let user = actor.user.map_or_else(String::new, |id| id.to_string());
        self.run(
            "INSERT INTO revisions (meeting_id, revision, user_id, at, cause, request_id, ops, undo) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            values![meeting, revision, user, now, text(&edit.cause), edit.request, text(&ops), text(&undo)],
        )
        .await?;
        let sql = "UPDATE minutes SET revision = $2, updated_at = $3 WHERE meeting_id = $1";
        self.run(sql, values![meeting, revision, now]).await?;
        self.run("UPDATE meetings SET updated_at = $2 WHERE id = $1", values![meeting, now]).await?;
        Ok(())
    }

    /// Writes revision 1 of a meeting and the edition that keeps it; tells whether there were no minutes yet.
    pub(super) async fn begin_minutes(
        &mut self,
        meeting: Id,
        (minutes, kind): (&Minutes, EditionKind),
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let made = self
            .run(
                "INSERT INTO minutes (meeting_id, revision, updated_at) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING",
                values![meeting, now],
            )
            .await?;
        if made == 0 {
            return Ok(false);
        }
        self.run(
            "INSERT INTO snapshots (meeting_id, revision, document) VALUES ($1, 1, $2)",
            values![meeting, text(minutes)],
        )
        .await?;
        self.index(meeting, None, minutes).await?;
        self.add_edition(meeting, kind, (1, minutes), actor, now).await?;
        Ok(true)
    }

    /// Returns the revision as it is now, and keeps others from changing it until the transaction ends.
    async fn lock_minutes(&mut self, meeting: Id) -> Result<Option<u64>, StoreError> {
        let sql = self.either(
            "SELECT revision FROM minutes WHERE meeting_id = $1",
            "SELECT revision FROM minutes WHERE meeting_id = $1 FOR UPDATE",
        );
        self.row(sql, values![meeting]).await?.map(|row| row.count(0)).transpose()
    }

    async fn revisions_since(&mut self, meeting: Id, revision: u64) -> Result<Vec<Past>, StoreError> {
        let sql = "SELECT revision, cause, ops, undo FROM revisions WHERE meeting_id = $1 AND revision > $2 ORDER BY \
                   revision";
        let past = |row: &Row| {
            let takes_back = match row.json::<Cause>(1)? {
                Cause::Draft | Cause::Edit => None,
                Cause::Undo { revision } | Cause::Redo { revision } => Some(revision),
            };
            Ok(Past { revision: row.count(0)?, takes_back, ops: row.json(2)?, undo: row.json(3)? })
        };
        self.rows(sql, values![meeting, revision]).await?.iter().map(past).collect()
    }
}

impl Store {
    /// Takes in minutes that were made elsewhere, checked by the caller; nothing if the meeting has minutes already.
    pub async fn import_minutes(
        &self,
        meeting: Id,
        minutes: &Minutes,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Option<Document>, StoreError> {
        let mut tx = self.write().await?;
        if !tx.begin_minutes(meeting, (minutes, EditionKind::Kept), actor, now).await? {
            return Ok(None);
        }
        tx.run("UPDATE meetings SET updated_at = $2 WHERE id = $1", values![meeting, now]).await?;
        let facts = serde_json::json!({ "blocks": minutes.blocks.len() });
        tx.audit(Entry::done(actor, now, "minutes.import", meeting).on(meeting).with(facts)).await?;
        tx.commit().await?;
        self.notices.tell(meeting);
        Ok(Some(Document { revision: 1, minutes: Arc::new(minutes.clone()) }))
    }

    /// Returns the minutes of a meeting as they are now.
    pub async fn document(&self, meeting: Id) -> Result<Option<Document>, StoreError> {
        let sql = "SELECT revision FROM minutes WHERE meeting_id = $1";
        let Some(row) = self.database.row(sql, values![meeting]).await? else { return Ok(None) };
        self.document_at(meeting, row.count(0)?).await
    }

    /// Returns the minutes of a meeting at a revision.
    pub async fn document_at(&self, meeting: Id, revision: u64) -> Result<Option<Document>, StoreError> {
        let known = self.documents.near(meeting, revision);
        let start = match known {
            Some(document) if document.revision == revision => return Ok(Some(document)),
            Some(document) => document,
            None => match self.snapshot_before(meeting, revision).await? {
                Some(document) => document,
                None => return Ok(None),
            },
        };
        let sql = "SELECT revision, ops FROM revisions WHERE meeting_id = $1 AND revision > $2 AND revision <= $3 \
                   ORDER BY revision";
        let rows = self.database.rows(sql, values![meeting, start.revision, revision]).await?;
        let mut document = start;
        for row in rows {
            let applied = edit::apply_undo(&document.minutes, &row.json::<Vec<Op>>(1)?);
            let applied = applied.map_err(|error| StoreError::Damaged {
                what: format!("revision {} of meeting {meeting}: {error}", document.revision + 1),
            })?;
            document = Document { revision: row.count(0)?, minutes: Arc::new(applied.minutes) };
        }
        if document.revision != revision {
            return Ok(None);
        }
        self.documents.keep(meeting, &document);
        Ok(Some(document))
    }

    async fn snapshot_before(&self, meeting: Id, revision: u64) -> Result<Option<Document>, StoreError> {
        let sql = "SELECT revision, document FROM snapshots WHERE meeting_id = $1 AND revision <= $2 \
                   ORDER BY revision DESC LIMIT 1";
        let Some(row) = self.database.row(sql, values![meeting, revision]).await? else { return Ok(None) };
        let minutes = Arc::new(read(&row.text(1)?)?);
        Ok(Some(Document { revision: row.count(0)?, minutes }))
    }

    /// Carries out an edit: rebased over what others did since, or told why not. Nothing is kept in half.
    ///
    /// Errors: the database does not answer; an edit that cannot be is no error but an [`Edited`].
    pub async fn edit(
        &self,
        meeting: Id,
        edit: Edit<'_>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Edited, StoreError> {
        let mut tx = self.write().await?;
        let Some(head) = tx.lock_minutes(meeting).await? else { return Ok(Edited::Missing) };
        if let Some(done) = self.repeated(&mut tx, meeting, &edit).await? {
            return Ok(Edited::Done(done));
        }
        match edit.seat {
            Some(fence) if tx.is_seated(fence).await? => {}
            _ => return Ok(Edited::SeatLost),
        }
        if !tx.may_edit(meeting).await? {
            return Ok(Edited::Frozen);
        }
        if edit.base > head || head - edit.base > BEHIND_MAX {
            return Ok(Edited::Behind { revision: head });
        }
        let current = self.document_at(meeting, head).await?.ok_or_else(|| missing(meeting, head))?;
        let past = tx.revisions_since(meeting, edit.base).await?;
        let since: Vec<Op> = past.iter().flat_map(|past| past.ops.iter().cloned()).collect();
        // An undo leads back exactly where what was taken back since is left out first.
        let exact = match edit.cause {
            Cause::Undo { .. } | Cause::Redo { .. } => self.settled(meeting, &current, &edit, &past).await?,
            Cause::Edit | Cause::Draft => None,
        };
        let (ops, applied) = match exact.map_or_else(|| carried_out(&current, &edit, &since), Ok) {
            Ok(done) => done,
            Err(Unfit::Conflict(conflict)) => match self.settled(meeting, &current, &edit, &past).await? {
                Some(done) => done,
                None => return Ok(Edited::Conflict { conflict, now: current }),
            },
            Err(Unfit::Refused(error)) => return Ok(Edited::Refused { error, now: current }),
        };
        let document = Document { revision: head + 1, minutes: Arc::new(applied.minutes) };
        tx.add_revision((meeting, document.revision), &edit, (&ops, &applied.undo), (actor, now)).await?;
        tx.index(meeting, Some(&current.minutes), &document.minutes).await?;
        let facts = serde_json::json!({ "revision": document.revision, "ops": ops.len() });
        tx.audit(Entry::done(actor, now, "minutes.edit", meeting).on(meeting).with(facts)).await?;
        tx.commit().await?;
        self.documents.keep(meeting, &document);
        self.notices.tell(meeting);
        if document.revision.is_multiple_of(SNAPSHOT_EVERY) {
            self.snapshot(meeting, &document).await?;
        }
        Ok(Edited::Done(Done { document, since, ops }))
    }

    /// Carries an edit out past what somebody did and took back since; nothing if that cannot be told apart.
    async fn settled(
        &self,
        meeting: Id,
        current: &Document,
        edit: &Edit<'_>,
        past: &[Past],
    ) -> Result<Option<(Vec<Op>, Applied)>, StoreError> {
        if past.iter().all(|past| past.takes_back.is_none()) {
            return Ok(None);
        }
        let Some(base) = self.document_at(meeting, edit.base).await? else { return Ok(None) };
        let ops = edit::rebase_settled(&base.minutes, &current.minutes, past, edit.ops);
        Ok(ops.and_then(|ops| {
            let applied = applier(edit.cause)(&current.minutes, &ops).ok()?;
            Some((ops, applied))
        }))
    }

    /// Returns the outcome of an attempt that was carried out before.
    async fn repeated(&self, tx: &mut Tx, meeting: Id, edit: &Edit<'_>) -> Result<Option<Done>, StoreError> {
        let sql = "SELECT revision, ops FROM revisions WHERE meeting_id = $1 AND request_id = $2";
        let Some(row) = tx.row(sql, values![meeting, edit.request]).await? else { return Ok(None) };
        let revision = row.count(0)?;
        let document =
            self.document_at(meeting, revision).await?.ok_or_else(|| missing(meeting, revision))?;
        let sql = "SELECT ops FROM revisions WHERE meeting_id = $1 AND revision > $2 AND revision < $3 ORDER BY revision";
        let mut since = Vec::new();
        for row in tx.rows(sql, values![meeting, edit.base, revision]).await? {
            since.extend(row.json::<Vec<Op>>(0)?);
        }
        Ok(Some(Done { document, since, ops: row.json(1)? }))
    }

    async fn snapshot(&self, meeting: Id, document: &Document) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run(
            "INSERT INTO snapshots (meeting_id, revision, document) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            values![meeting, document.revision, text(document.minutes.as_ref())],
        )
        .await?;
        tx.commit().await
    }
}

impl Tx {
    /// Tells whether the minutes stand where they may be edited.
    async fn may_edit(&mut self, meeting: Id) -> Result<bool, StoreError> {
        let row = self.row("SELECT state FROM meetings WHERE id = $1", values![meeting]).await?;
        let Some(row) = row else { return Ok(false) };
        Ok(state(&row.text(0)?)?.may_edit())
    }
}

/// Reads the stable word of a state of the workflow.
pub(super) fn state(word: &str) -> Result<workflow::State, StoreError> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|_| StoreError::Damaged { what: format!("the state {word}") })
}

enum Unfit {
    Conflict(Conflict),
    Refused(EditError),
}

fn carried_out(current: &Document, edit: &Edit<'_>, since: &[Op]) -> Result<(Vec<Op>, Applied), Unfit> {
    let carry = match edit.cause {
        Cause::Edit | Cause::Draft => edit::rebase,
        Cause::Undo { .. } | Cause::Redo { .. } => edit::undo_of,
    };
    let ops = carry(edit.ops, since).map_err(Unfit::Conflict)?;
    let applied = applier(edit.cause)(&current.minutes, &ops).map_err(Unfit::Refused)?;
    Ok((ops, applied))
}

/// Returns what carries out operations of a cause: an undo may be longer than what a person sends.
fn applier(cause: Cause) -> fn(&Minutes, &[Op]) -> Result<Applied, EditError> {
    match cause {
        Cause::Edit | Cause::Draft => edit::apply,
        Cause::Undo { .. } | Cause::Redo { .. } => edit::apply_undo,
    }
}

fn missing(meeting: Id, revision: u64) -> StoreError {
    StoreError::Damaged { what: format!("revision {revision} of meeting {meeting} is not there") }
}

/// Reads stored minutes of any version.
pub(super) fn read(json: &str) -> Result<Minutes, StoreError> {
    migrate::read(json).map_err(|error| StoreError::Damaged { what: format!("stored minutes: {error}") })
}

/// Writes a value as JSON.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structs of text and numbers are always JSON")
}
