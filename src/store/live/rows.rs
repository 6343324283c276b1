//! Live meetings as the tables hold them.

use super::event::{Line, Note, Phase};
use super::room::Kind;
use super::stream::Origin;
use super::{NUMBERS, NewLive};
use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry};
use crate::store::dialect::{Row, values};
use crate::store::{Id, Store, StoreError};

/// Most sentences that are taken up after a restart.
const LINES_MAX: u32 = 20_000;
/// Most notes.
const NOTES_MAX: u32 = 2_000;
/// Most streams of a meeting that are looked at, parts included.
const PARTS_MAX: u32 = 1_000;

/// A row of a live meeting.
#[derive(Debug, Clone)]
pub struct LiveRow {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it stands.
    pub(super) phase: Phase,
    /// The secret part of the caption link.
    pub(super) code: Option<String>,
    /// Event numbers below this one may have been given away.
    pub(super) numbers_until: u64,
    /// When it was ended.
    pub(super) ended_at: Option<UnixMs>,
}

macro_rules! select_live {
    ($rest:literal) => {
        concat!(
            "SELECT id, meeting_id, user_id, room, wish, began_at, phase, code, numbers_until, ended_at FROM lives ",
            $rest
        )
    };
}

impl LiveRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let kind = Kind {
            id: row.id(0)?,
            meeting: row.id(1)?,
            user: row.id(2)?,
            room: row.text(3)?,
            wish: row.json(4)?,
            began_at: row.at(5)?,
            is_door: false,
        };
        let phase = Phase::from_word(&row.text(6)?)?;
        let (code, numbers_until, ended_at) = (row.text_or_none(7)?, row.count(8)?, row.at_or_none(9)?);
        Ok(Self { kind, phase, code, numbers_until, ended_at })
    }
}

impl Store {
    /// Returns the live meetings that are not sealed, and those that hold sound which is not.
    pub(super) async fn open_lives(&self) -> Result<Vec<LiveRow>, StoreError> {
        let sql = select_live!(
            "WHERE phase <> 'sealed' OR id IN (SELECT live_id FROM live_streams WHERE sealed = 0) ORDER BY id"
        );
        let rows = self.database.rows(sql, &[]).await?;
        rows.iter().map(LiveRow::from_row).collect()
    }

    /// Returns a live meeting, also one that was sealed long ago.
    pub(super) async fn live(&self, id: Id) -> Result<Option<LiveRow>, StoreError> {
        let row = self.database.row(select_live!("WHERE id = $1"), values![id]).await?;
        row.map(|row| LiveRow::from_row(&row)).transpose()
    }

    pub(super) async fn add_live(
        &self,
        new: &NewLive,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<LiveRow, StoreError> {
        let NewLive { id, meeting, user, room, wish, code } = new.clone();
        let kind = Kind { id, meeting, user, room, wish, began_at: now, is_door: false };
        let mut tx = self.write().await?;
        let sql = "INSERT INTO lives (id, meeting_id, user_id, room, phase, wish, code, numbers_until, began_at) \
                   VALUES ($1, $2, $3, $4, 'recording', $5, $6, $7, $8)";
        let words = serde_json::json!(kind.wish);
        tx.run(sql, values![id, meeting, user, &kind.room, words.to_string(), code.as_deref(), NUMBERS, now])
            .await?;
        tx.run("UPDATE meetings SET updated_at = $2 WHERE id = $1", values![meeting, now]).await?;
        tx.audit(Entry::done(actor, now, "live.begin", id).on(meeting).with(words)).await?;
        tx.commit().await?;
        // The first run has every number from 1 on; they are reserved already.
        Ok(LiveRow { kind, phase: Phase::Recording, code, numbers_until: 1, ended_at: None })
    }

    pub(super) async fn add_live_stream(&self, live: Id, origin: &Origin) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let sql = "INSERT INTO live_streams (id, live_id, number, microphone, rate_hz, first_sample) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let Origin { id, number, microphone, rate_hz, first_sample } = *origin;
        tx.run(sql, values![id, live, number, microphone, rate_hz, first_sample]).await?;
        tx.commit().await
    }

    /// Returns the streams of a live meeting that are sealed, or those that are not: what each is, where it ends and
    /// when it began.
    pub(super) async fn live_streams(
        &self,
        live: Id,
        sealed: bool,
    ) -> Result<Vec<(Origin, Option<u64>, Option<UnixMs>)>, StoreError> {
        let sql = "SELECT id, number, microphone, rate_hz, first_sample, samples_end, began_at FROM live_streams \
                   WHERE live_id = $1 AND sealed = $2 ORDER BY number, id LIMIT $3";
        let rows = self.database.rows(sql, values![live, sealed, PARTS_MAX]).await?;
        let stream = |row: &Row| {
            let small = |index: usize| Ok(u32::try_from(row.count(index)?).unwrap_or(u32::MAX));
            let (number, rate_hz): (Result<u32, StoreError>, Result<u32, StoreError>) = (small(1), small(3));
            let origin = Origin {
                id: row.id(0)?,
                number: number?,
                microphone: row.id(2)?,
                rate_hz: rate_hz?,
                first_sample: row.count(4)?,
            };
            let end = row.int_or_none(5)?.and_then(|end| u64::try_from(end).ok());
            Ok((origin, end, row.at_or_none(6)?))
        };
        rows.iter().map(stream).collect()
    }

    /// Tells whether a stream is sealed, so that its journal is needed no more.
    pub(super) async fn is_sealed_stream(&self, stream: Id) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM live_streams WHERE id = $1 AND sealed = 1";
        Ok(self.database.row(sql, values![stream]).await?.is_some())
    }

    /// Returns where the sealed sound of a microphone ends; 0 if there is none.
    pub(super) async fn live_stream_end(&self, live: Id, microphone: Id) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(COALESCE(MAX(samples_end), 0) AS BIGINT) FROM live_streams \
                   WHERE live_id = $1 AND microphone = $2 AND sealed = 1";
        let row = self.database.row(sql, values![live, microphone]).await?;
        row.map_or(Ok(0), |row| row.count(0))
    }

    /// Returns the latest sentences of a live meeting, in their order.
    pub(super) async fn live_lines(&self, live: Id) -> Result<Vec<Line>, StoreError> {
        let sql = "SELECT line, stream, start_ms, end_ms, text, corrected FROM live_lines WHERE live_id = $1 \
                   ORDER BY line DESC LIMIT $2";
        let rows = self.database.rows(sql, values![live, LINES_MAX]).await?;
        let line = |row: &Row| {
            let (heard, corrected) = (row.text(4)?, row.text_or_none(5)?);
            let (text, heard) = match corrected {
                Some(text) => (text, Some(heard)),
                None => (heard, None),
            };
            let stream = u32::try_from(row.count(1)?).unwrap_or(0);
            let (line, start_ms, end_ms) = (row.count(0)?, row.count(2)?, row.count(3)?);
            // Who speaks is in memory only: it was a guess.
            Ok(Line { line, stream, start_ms, end_ms, text, speaker: None, heard })
        };
        let mut lines = rows.iter().map(line).collect::<Result<Vec<_>, StoreError>>()?;
        lines.reverse();
        Ok(lines)
    }

    /// Returns the marks and headings of a live meeting, by their place.
    pub(super) async fn live_notes(&self, live: Id) -> Result<Vec<Note>, StoreError> {
        let sql =
            "SELECT id, kind, at_ms, text FROM live_notes WHERE live_id = $1 ORDER BY at_ms, id LIMIT $2";
        let rows = self.database.rows(sql, values![live, NOTES_MAX]).await?;
        let note = |row: &Row| {
            Ok(Note { id: row.id(0)?, what: row.text(1)?, at_ms: row.count(2)?, text: row.text(3)? })
        };
        rows.iter().map(note).collect()
    }
}
