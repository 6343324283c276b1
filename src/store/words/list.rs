//! The words of one group: read by page, written one at a time or as a list.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::bound;
use crate::clock::UnixMs;
use crate::minutes::dictionary::{ENTRIES_MAX, Entry};
use crate::store::audit::{Actor, Entry as Line};
use crate::store::dialect::{Row, Tx, values};
use crate::store::minutes::text;
use crate::store::{Id, Store, StoreError};

/// Words written by one statement.
const CHUNK: usize = 2_000;

/// A registered word as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RegisteredWord)]
pub struct Word {
    /// Its name inside the product.
    pub id: Id,
    /// The word.
    #[serde(flatten)]
    pub entry: Entry,
    /// When it last changed.
    #[schema(value_type = i64)]
    pub updated_at: UnixMs,
}

impl Word {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.id(0)?, entry: row.json(1)?, updated_at: row.at(2)? })
    }
}

/// What writing a list does to a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct WordsChange {
    /// Words that are new.
    pub added: usize,
    /// Words that are written otherwise than before.
    pub changed: usize,
    /// Words that are as before.
    pub unchanged: usize,
    /// Words that go.
    pub removed: usize,
}

/// What became of words that were to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered<T> {
    /// They are kept.
    Done(T),
    /// The group would have more than [`ENTRIES_MAX`] words; nothing was kept.
    TooMany,
}

/// What a list would change.
struct Plan<'a> {
    change: WordsChange,
    to_write: Vec<&'a Entry>,
    is_full: bool,
}

fn plan<'a>(before: &HashMap<String, Entry>, entries: &'a [Entry], replace: bool) -> Plan<'a> {
    let mut change = WordsChange::default();
    let mut to_write = Vec::new();
    let mut seen = HashSet::new();
    for entry in entries.iter().filter(|entry| seen.insert(entry.written.as_str())) {
        match before.get(&entry.written) {
            None => change.added += 1,
            Some(old) if old == entry => {
                change.unchanged += 1;
                continue;
            }
            Some(_) => change.changed += 1,
        }
        to_write.push(entry);
    }
    let left_alone = before.len() - change.changed - change.unchanged;
    change.removed = if replace { left_alone } else { 0 };
    let is_full = before.len() + change.added - change.removed > ENTRIES_MAX;
    Plan { change, to_write, is_full }
}

const PUT_LITE: &str = "INSERT INTO words (id, group_id, surface, entry, updated_at) \
    SELECT json_extract(value, '$.id'), $1, json_extract(value, '$.surface'), json_extract(value, '$.entry'), $2 \
    FROM json_each($3) WHERE true \
    ON CONFLICT (group_id, surface) DO UPDATE SET entry = excluded.entry, updated_at = excluded.updated_at";
const PUT_PG: &str = "INSERT INTO words (id, group_id, surface, entry, updated_at) \
    SELECT value->>'id', $1, value->>'surface', value->>'entry', $2 FROM json_array_elements(CAST($3 AS json)) \
    ON CONFLICT (group_id, surface) DO UPDATE SET entry = excluded.entry, updated_at = excluded.updated_at";
const DROP_LITE: &str =
    "DELETE FROM words WHERE group_id = $1 AND surface NOT IN (SELECT value FROM json_each($2))";
const DROP_PG: &str = "DELETE FROM words WHERE group_id = $1 AND surface NOT IN \
    (SELECT value FROM json_array_elements_text(CAST($2 AS json)))";

impl Tx {
    /// Holds a group until the transaction ends; tells whether it is there.
    async fn lock_words(&mut self, group: Id) -> Result<bool, StoreError> {
        let sql = self.either(
            "SELECT id FROM word_groups WHERE id = $1",
            "SELECT id FROM word_groups WHERE id = $1 FOR UPDATE",
        );
        Ok(self.row(sql, values![group]).await?.is_some())
    }

    async fn word_count(&mut self, group: Id) -> Result<u64, StoreError> {
        let row = self.row("SELECT COUNT(*) FROM words WHERE group_id = $1", values![group]).await?;
        row.map_or(Ok(0), |row| row.count(0))
    }

    async fn words_by_surface(&mut self, group: Id) -> Result<HashMap<String, Entry>, StoreError> {
        let rows = self.rows("SELECT surface, entry FROM words WHERE group_id = $1", values![group]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.json(1)?))).collect()
    }
}

impl Store {
    /// Returns at most `limit` words of a group whose 表記 sorts after `after`.
    pub async fn words(&self, group: Id, after: &str, limit: u32) -> Result<Vec<Word>, StoreError> {
        let sql = "SELECT id, entry, updated_at FROM words WHERE group_id = $1 AND surface > $2 \
                   ORDER BY surface LIMIT $3";
        let rows = self.database.rows(sql, values![group, after, limit]).await?;
        rows.iter().map(Word::from_row).collect()
    }

    /// Returns one word of a group.
    pub async fn word(&self, group: Id, id: Id) -> Result<Option<Word>, StoreError> {
        let sql = "SELECT id, entry, updated_at FROM words WHERE group_id = $1 AND id = $2";
        let row = self.database.row(sql, values![group, id]).await?;
        row.map(|row| Word::from_row(&row)).transpose()
    }

    /// Returns every word of a group, the most recent first.
    pub async fn entries(&self, group: Id) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT entry FROM words WHERE group_id = $1 ORDER BY updated_at DESC, id DESC LIMIT $2";
        let rows = self.database.rows(sql, values![group, bound(ENTRIES_MAX)]).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }

    /// Tells what writing a list would do, and does nothing.
    pub async fn compare_words(
        &self,
        group: Id,
        entries: &[Entry],
        replace: bool,
    ) -> Result<Registered<WordsChange>, StoreError> {
        let before = self.entries(group).await?;
        let before = before.into_iter().map(|entry| (entry.written.clone(), entry)).collect();
        let plan = plan(&before, entries, replace);
        Ok(if plan.is_full { Registered::TooMany } else { Registered::Done(plan.change) })
    }

    /// Adds a list to a group, or puts it in the place of what is there; words that stay as they are keep their date.
    ///
    /// Shape: of entries with the same 表記 the first is taken.
    pub async fn put_words(
        &self,
        group: Id,
        entries: &[Entry],
        replace: bool,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Registered<WordsChange>, StoreError> {
        let mut tx = self.write().await?;
        tx.lock_words(group).await?;
        let before = tx.words_by_surface(group).await?;
        let plan = plan(&before, entries, replace);
        if plan.is_full {
            return Ok(Registered::TooMany);
        }
        if plan.change.removed > 0 {
            let kept: Vec<&str> = entries.iter().map(|entry| entry.written.as_str()).collect();
            tx.run(tx.either(DROP_LITE, DROP_PG), values![group, text(&kept)]).await?;
        }
        let sql = tx.either(PUT_LITE, PUT_PG);
        for chunk in plan.to_write.chunks(CHUNK) {
            let rows: Vec<serde_json::Value> = chunk
                .iter()
                .map(|entry| {
                    serde_json::json!({ "id": Id::new(), "surface": entry.written, "entry": text(entry) })
                })
                .collect();
            tx.run(sql, values![group, now, text(&rows)]).await?;
        }
        let facts = serde_json::json!(plan.change);
        tx.audit(Line::done(actor, now, "words.change", group).with(facts)).await?;
        tx.commit().await?;
        Ok(Registered::Done(plan.change))
    }

    /// Registers one word.
    ///
    /// Errors: [`StoreError::Taken`] if the group has this 表記 already.
    pub async fn add_word(
        &self,
        group: Id,
        entry: &Entry,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Registered<Word>, StoreError> {
        let mut tx = self.write().await?;
        tx.lock_words(group).await?;
        if tx.word_count(group).await? >= bound(ENTRIES_MAX) {
            return Ok(Registered::TooMany);
        }
        let id = Id::new();
        tx.run(
            "INSERT INTO words (id, group_id, surface, entry, updated_at) VALUES ($1, $2, $3, $4, $5)",
            values![id, group, &entry.written, text(entry), now],
        )
        .await?;
        let facts = serde_json::json!(WordsChange { added: 1, ..WordsChange::default() });
        tx.audit(Line::done(actor, now, "words.change", group).with(facts)).await?;
        tx.commit().await?;
        Ok(Registered::Done(Word { id, entry: entry.clone(), updated_at: now }))
    }

    /// Writes one word anew; nothing if it is not there.
    ///
    /// Errors: [`StoreError::Taken`] if the group has another word of this 表記.
    pub async fn change_word(
        &self,
        group: Id,
        id: Id,
        entry: &Entry,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Option<Word>, StoreError> {
        let mut tx = self.write().await?;
        let sql =
            "UPDATE words SET surface = $3, entry = $4, updated_at = $5 WHERE group_id = $1 AND id = $2";
        if tx.run(sql, values![group, id, &entry.written, text(entry), now]).await? == 0 {
            return Ok(None);
        }
        let facts = serde_json::json!(WordsChange { changed: 1, ..WordsChange::default() });
        tx.audit(Line::done(actor, now, "words.change", group).with(facts)).await?;
        tx.commit().await?;
        Ok(Some(Word { id, entry: entry.clone(), updated_at: now }))
    }

    /// Takes one word away.
    pub async fn remove_word(
        &self,
        group: Id,
        id: Id,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let sql = "DELETE FROM words WHERE group_id = $1 AND id = $2";
        if tx.run(sql, values![group, id]).await? == 0 {
            return Ok(false);
        }
        let facts = serde_json::json!(WordsChange { removed: 1, ..WordsChange::default() });
        tx.audit(Line::done(actor, now, "words.change", group).with(facts)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(written: &str, note: &str) -> Entry {
        Entry { written: written.to_owned(), note: note.to_owned(), ..Entry::default() }
    }

    fn before(words: &[&str]) -> HashMap<String, Entry> {
        words.iter().map(|word| ((*word).to_owned(), entry(word, ""))).collect()
    }

    #[test]
    fn a_list_that_is_added_leaves_other_words_alone() {
        let list = [entry("斎藤", ""), entry("斎藤", "二度目"), entry("齋藤", "新")];
        let plan = plan(&before(&["斎藤", "高橋"]), &list, false);
        let expected = WordsChange { added: 1, changed: 0, unchanged: 1, removed: 0 };
        assert_eq!((plan.change, plan.to_write.len()), (expected, 1));
    }

    #[test]
    fn a_list_that_replaces_takes_the_others_away() {
        let list = [entry("斎藤", "課長")];
        let plan = plan(&before(&["斎藤", "高橋"]), &list, true);
        assert_eq!(plan.change, WordsChange { added: 0, changed: 1, unchanged: 0, removed: 1 });
    }

    #[test]
    fn a_group_never_grows_past_its_limit() {
        let many: Vec<Entry> = (0..ENTRIES_MAX).map(|number| entry(&format!("語{number}"), "")).collect();
        assert!(!plan(&HashMap::new(), &many, false).is_full);
        assert!(plan(&before(&["別"]), &many, false).is_full);
        assert!(!plan(&before(&["別"]), &many, true).is_full);
    }
}
