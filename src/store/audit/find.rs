//! Looking for lines: the newest first, as a person who asks what happened wants them.

use super::{Line, Outcome};
use crate::clock::UnixMs;
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// What somebody looks for; what is absent is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only lines before the one with this number.
    pub before: Option<u64>,
    /// What happened: an event, or all events of one kind, such as `meeting`.
    pub event: Option<String>,
    /// Who did it.
    pub actor: Option<Id>,
    /// On which meeting.
    pub meeting: Option<Id>,
    /// How it ended.
    pub result: Option<Outcome>,
    /// Not earlier.
    pub from: Option<UnixMs>,
    /// Earlier than this.
    pub to: Option<UnixMs>,
}

// One text for every question: an empty text stands for a question that is not asked.
const WANTED: &str = "SELECT seq, at, actor_id, address, event, meeting_id, subject, detail, result, previous, hash FROM \
                      audit WHERE seq < $1 AND at >= $2 AND at < $3 AND ($4 = '' OR event = $4 OR \
                      substr(event, 1, length($4) + 1) = $4 || '.') AND ($5 = '' OR actor_id = $5) AND \
                      ($6 = '' OR meeting_id = $6) AND ($7 = '' OR result = $7) ORDER BY seq DESC LIMIT $8";

impl Store {
    /// Returns at most `limit` lines that are wanted, newest first.
    pub async fn find_audit_lines(&self, wanted: &Wanted, limit: u32) -> Result<Vec<Line>, StoreError> {
        let text = |id: Option<Id>| id.map(|id| id.to_string()).unwrap_or_default();
        let values = values![
            wanted.before.unwrap_or(u64::MAX),
            wanted.from.map_or(0, UnixMs::ms),
            wanted.to.map_or(i64::MAX, UnixMs::ms),
            wanted.event.as_deref().unwrap_or_default(),
            text(wanted.actor),
            text(wanted.meeting),
            wanted.result.map_or("", Outcome::word),
            limit,
        ];
        self.database.rows(WANTED, values).await?.iter().map(Line::from_row).collect()
    }
}
