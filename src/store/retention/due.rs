//! What is to be erased by when.

use serde::Serialize;
use utoipa::ToSchema;

use super::{BIN_LIFE, InForce, What};
use crate::clock::UnixMs;
use crate::store::dialect::{Row, Tx, Value};
use crate::store::{Id, Store, StoreError};

/// Something that is erased on a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Due {
    /// Of which meeting.
    pub meeting: Id,
    /// 会議名
    pub title: String,
    /// 部署
    pub department: Id,
    /// What of it.
    pub what: What,
    /// When.
    #[schema(value_type = i64)]
    pub at: UnixMs,
    /// How many recordings it has.
    pub recordings: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether a job works on it: it is erased after that.
    pub busy: bool,
}

/// $1: by when something must be due; $2: since when it must have been in the bin for that. What is in the bin waits
/// there for all of it, unless it has an earlier date of its own; what is due twice is told twice.
/// $4: of this meeting only, or empty.
/// $5, $6: for how long audio and minutes are kept that have no date, 0 for ever; $7: before when that erases nothing.
/// The sample is nobody's record, and what is in the bin can be brought back: neither is touched by these.
const DUE: &str = "SELECT m.id, m.title, m.department_id, d.what, d.at, (SELECT COUNT(*) FROM recordings r WHERE \
    r.meeting_id = m.id AND r.erased_at IS NULL), (SELECT CAST(COALESCE(SUM(r.bytes), 0) AS BIGINT) FROM recordings r \
    WHERE r.meeting_id = m.id AND r.erased_at IS NULL), (SELECT COUNT(*) FROM jobs j WHERE j.meeting_id = m.id AND \
    j.finished_at IS NULL) FROM meetings m JOIN (\
    SELECT a.id, 'audio' AS what, a.at FROM (SELECT id, COALESCE(audio_until, CASE WHEN $5 = 0 OR sample = 1 OR \
    deleted_at IS NOT NULL THEN NULL WHEN updated_at + $5 < $7 THEN $7 ELSE updated_at + $5 END) AS at FROM meetings) a \
    WHERE a.at <= $1 AND EXISTS (SELECT 1 FROM recordings r WHERE r.meeting_id = a.id AND r.erased_at IS NULL) \
    UNION ALL SELECT a.id, 'minutes', a.at FROM (SELECT id, COALESCE(minutes_until, CASE WHEN $6 = 0 OR sample = 1 OR \
    deleted_at IS NOT NULL THEN NULL WHEN updated_at + $6 < $7 THEN $7 ELSE updated_at + $6 END) AS at FROM meetings) a \
    WHERE a.at <= $1 AND (EXISTS (SELECT 1 FROM transcripts t WHERE t.meeting_id = a.id) OR EXISTS (SELECT 1 FROM \
    snapshots s WHERE s.meeting_id = a.id) OR EXISTS (SELECT 1 FROM minutes n WHERE n.meeting_id = a.id)) \
    UNION ALL SELECT id, 'everything', deleted_at FROM meetings WHERE deleted_at <= $2 AND NOT EXISTS (SELECT 1 FROM \
    erasures e WHERE e.meeting_id = meetings.id AND e.what = 'everything')) d ON d.id = m.id \
    WHERE m.legal_hold = 0 AND ($4 = '' OR m.id = $4) AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.meeting_id = m.id \
    AND e.erased_at IS NULL) ORDER BY d.at, m.id, d.what LIMIT $3";

/// Returns the values of [`DUE`], for one meeting or for all.
fn questions(by: UnixMs, limit: u32, meeting: Option<Id>, in_force: &InForce) -> [Value; 7] {
    let (periods, from) = in_force.read();
    let [audio_ms, minutes_ms] = periods.ms();
    let meeting = meeting.map(|id| id.to_string()).unwrap_or_default();
    [
        by.into(),
        by.minus(BIN_LIFE).into(),
        limit.into(),
        meeting.into(),
        audio_ms.into(),
        minutes_ms.into(),
        from.into(),
    ]
}

impl Due {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let what = What::from_word(&row.text(3)?)?;
        let at = row.at(4)?;
        Ok(Self {
            meeting: row.id(0)?,
            title: row.text(1)?,
            department: row.id(2)?,
            what,
            at: if what == What::Everything { at.plus(BIN_LIFE) } else { at },
            recordings: row.count(5)?,
            bytes: row.count(6)?,
            busy: row.flag(7)?,
        })
    }
}

impl Store {
    /// Returns at most `limit` things that are to be erased by `by`, those due first first. What is under 法的保留 is
    /// none of them.
    pub async fn due(&self, by: UnixMs, limit: u32) -> Result<Vec<Due>, StoreError> {
        let rows = self.database.rows(DUE, &questions(by, limit, None, &self.periods)).await?;
        rows.iter().map(Due::from_row).collect()
    }
}

impl Tx {
    /// Returns what of a meeting is to be erased now.
    pub(super) async fn due_of(
        &mut self,
        meeting: Id,
        in_force: &InForce,
        now: UnixMs,
    ) -> Result<Vec<Due>, StoreError> {
        let rows = self.rows(DUE, &questions(now, 10, Some(meeting), in_force)).await?;
        rows.iter().map(Due::from_row).collect()
    }
}
