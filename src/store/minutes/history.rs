//! What was done to a document, by whom and when; what can be undone.

use serde::Serialize;
use utoipa::ToSchema;

use super::Cause;
use crate::clock::UnixMs;
use crate::minutes::edit::Op;
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// How many of their own revisions a person can step back through at a time.
const STEPS_MAX: i64 = 1_000;

/// One change of a document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// Who made it.
    pub user: Option<Id>,
    /// When.
    #[schema(value_type = i64)]
    pub at: UnixMs,
    /// Why.
    pub cause: Cause,
    /// What was done.
    pub ops: Vec<Op>,
}

/// A revision of one person, as far as undoing is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub revision: u64,
    /// Why it was made.
    pub cause: Cause,
}

/// Returns the last revision of a person that is not undone.
///
/// Shape: `steps` are theirs, oldest first.
pub fn undoable(steps: &[Step]) -> Option<u64> {
    stacks(steps).0.pop()
}

/// Returns the last undo of a person that can be taken back: a new edit ends what can be redone.
pub fn redoable(steps: &[Step]) -> Option<u64> {
    stacks(steps).1.pop()
}

fn stacks(steps: &[Step]) -> (Vec<u64>, Vec<u64>) {
    let (mut undo, mut redo) = (Vec::new(), Vec::new());
    for step in steps {
        match step.cause {
            Cause::Draft => {}
            Cause::Edit => {
                undo.push(step.revision);
                redo.clear();
            }
            Cause::Undo { revision } => {
                undo.retain(|done| *done != revision);
                redo.push(step.revision);
            }
            Cause::Redo { revision } => {
                redo.retain(|undone| *undone != revision);
                undo.push(step.revision);
            }
        }
    }
    (undo, redo)
}

impl Store {
    /// Returns at most `limit` changes after a revision, oldest first.
    pub async fn revisions(&self, meeting: Id, after: u64, limit: u32) -> Result<Vec<Revision>, StoreError> {
        let sql = "SELECT revision, user_id, at, cause, ops FROM revisions WHERE meeting_id = $1 AND revision > $2 \
                   ORDER BY revision LIMIT $3";
        let rows = self.database.rows(sql, values![meeting, after, limit]).await?;
        let revision = |row: &super::super::dialect::Row| {
            Ok(Revision {
                revision: row.count(0)?,
                user: row.text(1)?.parse().ok(),
                at: row.at(2)?,
                cause: row.json(3)?,
                ops: row.json(4)?,
            })
        };
        rows.iter().map(revision).collect()
    }

    /// Returns what undoes a revision, if there is such a one.
    pub async fn undo_ops(&self, meeting: Id, revision: u64) -> Result<Option<Vec<Op>>, StoreError> {
        let sql = "SELECT undo FROM revisions WHERE meeting_id = $1 AND revision = $2";
        self.database.row(sql, values![meeting, revision]).await?.map(|row| row.json(0)).transpose()
    }

    /// Returns a person's latest steps, oldest first.
    pub async fn steps(&self, meeting: Id, user: Id) -> Result<Vec<Step>, StoreError> {
        let sql = "SELECT revision, cause FROM revisions WHERE meeting_id = $1 AND user_id = $2 \
                   ORDER BY revision DESC LIMIT $3";
        let rows = self.database.rows(sql, values![meeting, user, STEPS_MAX]).await?;
        let step =
            |row: &super::super::dialect::Row| Ok(Step { revision: row.count(0)?, cause: row.json(1)? });
        rows.iter().rev().map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(causes: &[Cause]) -> Vec<Step> {
        causes.iter().zip(2..).map(|(cause, revision)| Step { revision, cause: *cause }).collect()
    }

    #[test]
    fn undo_steps_back_one_revision_at_a_time() {
        let two = steps(&[Cause::Edit, Cause::Edit]);
        assert_eq!(undoable(&two), Some(3));
        let one_back = steps(&[Cause::Edit, Cause::Edit, Cause::Undo { revision: 3 }]);
        assert_eq!((undoable(&one_back), redoable(&one_back)), (Some(2), Some(4)));
    }

    #[test]
    fn a_redo_can_be_undone_again() {
        let again = steps(&[Cause::Edit, Cause::Undo { revision: 2 }, Cause::Redo { revision: 3 }]);
        assert_eq!((undoable(&again), redoable(&again)), (Some(4), None));
    }

    #[test]
    fn a_new_edit_ends_what_can_be_redone() {
        let moved_on = steps(&[Cause::Edit, Cause::Undo { revision: 2 }, Cause::Edit]);
        assert_eq!((undoable(&moved_on), redoable(&moved_on)), (Some(4), None));
    }

    #[test]
    fn nothing_can_be_undone_before_anything_was_done() {
        assert_eq!((undoable(&[]), redoable(&steps(&[Cause::Draft]))), (None, None));
    }
}
