//! What is shown, corrected and marked while people speak; what of it is kept, and what the minutes get of it.

use super::Live;
use super::event::{AGENDA, Event, Line, Note};
use super::room::Room;
use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry};
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// What people did in a live meeting, for the minutes of its recording.
///
/// Units: milliseconds since the recording began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Marks and headings, by their place.
    pub notes: Vec<Note>,
    /// Sentences that were corrected.
    pub corrected: Vec<Line>,
}

impl Live {
    /// Keeps a sentence that is over, then tells it; only told if its text is not to be kept.
    ///
    /// Errors: the database; the sentence is told all the same.
    pub async fn show(&self, room: &Room, line: Line) -> Result<(), StoreError> {
        let kept = if room.kind.wish.no_store { Ok(()) } else { self.keep_line(room, &line).await };
        room.tell(Event::Final(line));
        kept
    }

    async fn keep_line(&self, room: &Room, line: &Line) -> Result<(), StoreError> {
        let mut tx = self.0.store.write().await?;
        let sql = "INSERT INTO live_lines (live_id, line, stream, start_ms, end_ms, text) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let Line { line, stream, start_ms, end_ms, text, .. } = line;
        tx.run(sql, values![room.kind.id, *line, *stream, *start_ms, *end_ms, text]).await?;
        tx.commit().await
    }

    /// Corrects a sentence where it stands; false if it is not known.
    ///
    /// Errors: the database; nothing is changed then.
    pub async fn correct(
        &self,
        room: &Room,
        (line, text): (u64, String),
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        if room.line(line).is_none() {
            return Ok(false);
        }
        if !room.kind.wish.no_store {
            let mut tx = self.0.store.write().await?;
            let sql = "UPDATE live_lines SET corrected = $3 WHERE live_id = $1 AND line = $2";
            tx.run(sql, values![room.kind.id, line, &text]).await?;
            let detail = serde_json::json!({ "line": line });
            tx.audit(
                Entry::done(actor, now, "live.correct", room.kind.id).on(room.kind.meeting).with(detail),
            )
            .await?;
            tx.commit().await?;
        }
        room.tell(Event::Corrected { line, text });
        Ok(true)
    }

    /// Sets a mark or goes on to the next item of the agenda, at the place where the recording is now.
    ///
    /// Errors: the database; nothing is set then.
    pub async fn note(
        &self,
        room: &Room,
        (what, text): (&str, String),
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Note, StoreError> {
        let note = Note { id: Id::new(), what: what.to_owned(), at_ms: room.ms_at(now), text };
        let mut tx = self.0.store.write().await?;
        let sql = "INSERT INTO live_notes (id, live_id, kind, at_ms, text, user_id, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let user = actor.user.unwrap_or(room.kind.user);
        tx.run(sql, values![note.id, room.kind.id, what, note.at_ms, &note.text, user, now]).await?;
        let detail = serde_json::json!({ "what": what, "at_ms": note.at_ms });
        tx.audit(Entry::done(actor, now, "live.note", room.kind.id).on(room.kind.meeting).with(detail))
            .await?;
        tx.commit().await?;
        let event = if what == AGENDA { Event::Agenda(note.clone()) } else { Event::Mark(note.clone()) };
        room.tell(event);
        Ok(note)
    }
}

impl Store {
    /// Returns what people did while a recording was made; nothing if it was not recorded live.
    ///
    /// Errors: the database.
    pub async fn carried(&self, recording: Id) -> Result<Carried, StoreError> {
        let sql = "SELECT l.id FROM recordings r JOIN lives l ON l.id = r.upload_id WHERE r.id = $1";
        let row = self.database.row(sql, values![recording]).await?;
        let Some(live) = row.map(|row| row.id(0)).transpose()? else { return Ok(Carried::default()) };
        let notes = self.live_notes(live).await?;
        let lines = self.live_lines(live).await?;
        Ok(Carried { notes, corrected: lines.into_iter().filter(|line| line.heard.is_some()).collect() })
    }
}
