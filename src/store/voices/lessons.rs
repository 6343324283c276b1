//! Corrected meetings that can teach voices: each is looked at once.

use crate::clock::UnixMs;
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// A meeting that people corrected and made final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lesson {
    /// The meeting.
    pub meeting: Id,
    /// Its department, which allows learning.
    pub department: Id,
}

impl Store {
    /// Returns the next final meeting that was not learned from, of a department that allows it and knows voices.
    pub async fn next_lesson(&self) -> Result<Option<Lesson>, StoreError> {
        let sql = "SELECT m.id, m.department_id FROM meetings m JOIN voice_rules r ON r.department_id = m.department_id \
                   WHERE m.state IN ('final', 'published') AND m.deleted_at IS NULL AND m.sample = 0 AND \
                   r.switched_off_at IS NULL AND r.learning = 1 AND EXISTS (SELECT 1 FROM voices v WHERE v.department_id \
                   = m.department_id) AND EXISTS (SELECT 1 FROM recordings k WHERE k.meeting_id = m.id AND k.erased_at IS \
                   NULL) AND NOT EXISTS (SELECT 1 FROM voice_lessons l WHERE l.meeting_id = m.id) ORDER BY m.updated_at, \
                   m.id LIMIT 1";
        let row = self.database.row(sql, &[]).await?;
        row.map(|row| Ok(Lesson { meeting: row.id(0)?, department: row.id(1)? })).transpose()
    }

    /// Writes down that a meeting was learned from, or had nothing to teach.
    pub async fn lesson_done(&self, meeting: Id, now: UnixMs) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let sql = "INSERT INTO voice_lessons (meeting_id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.run(sql, values![meeting, now]).await?;
        tx.commit().await
    }
}
