//! The audit log: append-only, each line carries the hash of the line before.
//!
//! Shape: `hash = sha256(previous, one line of JSON with every other field)`; whoever changes, removes or inserts a
//! line breaks every hash after it. Lines cut off the end leave a whole chain: an anchor (the last hash, written down
//! elsewhere) proves that none was. Content of meetings is never in the log.

pub mod csv;
pub mod find;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

/// What stands before the first line.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Lines read at a time while the chain is verified.
const PAGE: i64 = 1000;
/// The number under which PostgreSQL lets one writer at a time append.
const APPEND_LOCK: &str = "SELECT pg_advisory_xact_lock(7301)";

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person; none for the server itself and for people who are not known.
    pub user: Option<Id>,
    /// The network address; `local` for the server itself.
    pub address: String,
}

impl Actor {
    /// Returns the server itself.
    pub fn server() -> Self {
        Self { user: None, address: "local".to_owned() }
    }
}

/// A line to be written.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Who did it.
    pub actor: &'a Actor,
    /// When.
    pub at: UnixMs,
    /// What, as a stable word: `meeting.create`.
    pub event: &'static str,
    /// On which meeting, if on one.
    pub meeting: Option<Id>,
    /// On what else, as a name (never a title or a word spoken).
    pub subject: String,
    /// Further facts without content.
    pub detail: serde_json::Value,
    /// Whether it was done.
    pub result: Outcome,
}

impl<'a> Entry<'a> {
    /// Makes a line about something that was done.
    pub fn done(actor: &'a Actor, at: UnixMs, event: &'static str, subject: impl ToString) -> Self {
        let detail = serde_json::Value::Null;
        Self { actor, at, event, meeting: None, subject: subject.to_string(), detail, result: Outcome::Done }
    }

    /// Says on which meeting.
    pub fn on(mut self, meeting: Id) -> Self {
        self.meeting = Some(meeting);
        self
    }

    /// Adds facts.
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }

    /// Says that it was refused.
    pub fn refused(mut self) -> Self {
        self.result = Outcome::Refused;
        self
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It was tried and failed.
    Failed,
}

impl Outcome {
    /// Returns the stable word of an outcome.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A line as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Its number; the first is 1 and none is missing.
    pub seq: u64,
    /// When, in milliseconds since 1970 (UTC).
    #[schema(value_type = i64)]
    pub at: UnixMs,
    /// The person, if known.
    pub actor: Option<Id>,
    /// The network address.
    pub address: String,
    /// What.
    pub event: String,
    /// On which meeting.
    pub meeting: Option<Id>,
    /// On what else.
    pub subject: String,
    /// Further facts.
    pub detail: serde_json::Value,
    /// How it ended.
    pub result: Outcome,
    /// The hash of the line before.
    pub previous: String,
    /// The hash of this line.
    pub hash: String,
}

impl Line {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let result = serde_json::from_value(serde_json::Value::String(row.text(8)?));
        Ok(Self {
            seq: row.count(0)?,
            at: row.at(1)?,
            actor: row.id_or_none(2)?,
            address: row.text(3)?,
            event: row.text(4)?,
            meeting: row.id_or_none(5)?,
            subject: row.text(6)?,
            detail: row.json(7)?,
            result: result.map_err(|_| StoreError::Damaged { what: "an audit line's result".to_owned() })?,
            previous: row.text(9)?,
            hash: row.text(10)?,
        })
    }

    /// Computes the hash that the line must carry.
    pub fn expected_hash(&self) -> String {
        let fields = serde_json::json!([
            self.seq,
            self.at,
            self.actor,
            self.address,
            self.event,
            self.meeting,
            self.subject,
            self.detail,
            self.result
        ]);
        let mut hasher = Sha256::new();
        hasher.update(self.previous.as_bytes());
        hasher.update(fields.to_string().as_bytes());
        hex(&hasher.finalize())
    }
}

/// Writes bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What does not fit in a broken log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// The line with this number is not there.
    Missing,
    /// The line does not carry the hash of the line before: one of the two was changed or moved.
    Previous,
    /// The line is not what it was when its hash was computed.
    Changed,
    /// The line cannot be read at all.
    Unreadable,
    /// No line has the expected hash: lines were cut off the end, or all were written anew.
    AnchorMissing,
}

impl Misfit {
    /// Returns a sentence for a person.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "この番号の行がありません。",
            Self::Previous => "直前の行とつながっていません。どちらかの行が変更または移動されています。",
            Self::Changed => "この行は記録された後に変更されています。",
            Self::Unreadable => "この行を読み取れません。",
            Self::AnchorMissing => {
                "控えのハッシュと一致する行がありません。末尾の行が失われたか、記録全体が書き直されています。"
            }
        }
    }
}

/// What verifying the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every line is as it was written.
    Whole {
        /// How many lines there are.
        lines: u64,
        /// The hash of the last one: written down elsewhere, it also proves that none was cut off.
        last: String,
    },
    /// A line was changed, removed or inserted.
    Broken {
        /// The number of the first line that does not fit.
        seq: u64,
        /// What does not fit.
        reason: Misfit,
    },
}

const COLUMNS: &str = "SELECT seq, at, actor_id, address, event, meeting_id, subject, detail, result, previous, hash \
                       FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
const OF_MEETING: &str = "SELECT seq, at, actor_id, address, event, meeting_id, subject, detail, result, previous, \
                          hash FROM audit WHERE meeting_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

impl Tx {
    /// Appends a line to the audit log, in the same transaction as what it tells of.
    pub(super) async fn audit(&mut self, entry: Entry<'_>) -> Result<(), StoreError> {
        self.audit_numbered(entry).await.map(drop)
    }

    /// Appends a line and returns its number, for a record that refers to it.
    pub(super) async fn audit_numbered(&mut self, entry: Entry<'_>) -> Result<u64, StoreError> {
        let lock = self.either("SELECT 1", APPEND_LOCK);
        self.rows(lock, &[]).await?;
        let last = self.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &[]).await?;
        let (seq, previous) = match last {
            Some(row) => (row.count(0)? + 1, row.text(1)?),
            None => (1, GENESIS.to_owned()),
        };
        let mut line = Line {
            seq,
            at: entry.at,
            actor: entry.actor.user,
            address: entry.actor.address.clone(),
            event: entry.event.to_owned(),
            meeting: entry.meeting,
            subject: entry.subject,
            detail: entry.detail,
            result: entry.result,
            previous,
            hash: String::new(),
        };
        line.hash = line.expected_hash();
        self.run(
            "INSERT INTO audit (seq, at, actor_id, address, event, meeting_id, subject, detail, result, previous, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            values![
                line.seq,
                line.at,
                line.actor,
                line.address,
                line.event,
                line.meeting,
                line.subject,
                line.detail.to_string(),
                line.result.word(),
                line.previous,
                line.hash
            ],
        )
        .await?;
        Ok(seq)
    }
}

impl Store {
    /// Appends a line about something that changed nothing else.
    pub async fn note(&self, entry: Entry<'_>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.audit(entry).await?;
        tx.commit().await
    }

    /// Returns at most `limit` lines after line `after`, oldest first; of one meeting if one is named.
    pub async fn audit_lines(
        &self,
        after: u64,
        limit: u32,
        meeting: Option<Id>,
    ) -> Result<Vec<Line>, StoreError> {
        let rows = match meeting {
            Some(meeting) => self.database.rows(OF_MEETING, values![meeting, after, limit]).await?,
            None => self.database.rows(COLUMNS, values![after, limit]).await?,
        };
        rows.iter().map(Line::from_row).collect()
    }

    /// Recomputes every hash of the log; an `anchor` is a last hash written down earlier, which must still be there.
    ///
    /// Errors: the database does not answer; a broken chain is no error but a [`Verdict`].
    pub async fn audit_verify(&self, anchor: Option<&str>) -> Result<Verdict, StoreError> {
        let mut chain = Chain::new(anchor);
        loop {
            let page = self.database.rows(COLUMNS, values![chain.lines, PAGE]).await?;
            if page.is_empty() {
                return Ok(chain.end());
            }
            for row in &page {
                if let Some(broken) = chain.take(Line::from_row(row)) {
                    return Ok(broken);
                }
            }
        }
    }
}

/// The chain as far as it was verified.
struct Chain<'a> {
    lines: u64,
    last: String,
    /// The anchor, until it was met.
    wanted: Option<&'a str>,
}

impl<'a> Chain<'a> {
    fn new(anchor: Option<&'a str>) -> Self {
        // The anchor of an empty log is met before the first line.
        Self { lines: 0, last: GENESIS.to_owned(), wanted: anchor.filter(|hash| *hash != GENESIS) }
    }

    /// Adds a line; says what is broken if it does not fit.
    fn take(&mut self, line: Result<Line, StoreError>) -> Option<Verdict> {
        let seq = self.lines + 1;
        let reason = match &line {
            Err(_) => Misfit::Unreadable,
            Ok(line) if line.seq != seq => Misfit::Missing,
            Ok(line) if line.previous != self.last => Misfit::Previous,
            Ok(line) if line.hash != line.expected_hash() => Misfit::Changed,
            Ok(line) => {
                (self.lines, self.last) = (seq, line.hash.clone());
                self.wanted = self.wanted.filter(|wanted| *wanted != line.hash);
                return None;
            }
        };
        Some(Verdict::Broken { seq, reason })
    }

    fn end(self) -> Verdict {
        match self.wanted {
            Some(_) => Verdict::Broken { seq: self.lines + 1, reason: Misfit::AnchorMissing },
            None => Verdict::Whole { lines: self.lines, last: self.last },
        }
    }
}

#[cfg(test)]
mod tests;
