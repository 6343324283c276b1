//! Search over everything a person may see: bigrams of Japanese, so that words of two characters are found.
//!
//! Text is folded (NFKC, lower case) and cut into overlapping pairs inside runs of Japanese, into whole words of
//! Latin letters and digits; a query is cut alike and its pieces must stand next to each other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use super::dialect::{Tx, values};
use super::meetings::{Viewer, findable};
use super::{Id, Store, StoreError};
use crate::minutes::{Block, BlockId, Minutes};

/// Longest query.
pub const QUERY_CHARS_MAX: usize = 100;
/// Characters shown around what was found.
const AROUND_CHARS: usize = 40;
/// Under this number the meeting's title is indexed; blocks begin at 1.
const TITLE: i64 = 0;

/// A place that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hit {
    /// The meeting.
    pub meeting: Id,
    /// 会議名
    pub title: String,
    /// 開催日
    pub held_on: String,
    /// The block; absent if the title was found.
    pub block: Option<BlockId>,
    /// Where it is heard, in milliseconds since the recording began.
    pub at_ms: Option<u64>,
    /// The text around it.
    pub text: String,
}

/// Cuts a text into the terms under which it is found.
pub fn terms(text: &str) -> String {
    let mut terms = Vec::new();
    for (kind, run) in runs(text) {
        terms.extend(pieces(kind, &run));
        if kind == Kind::Japanese && run.len() > 1 {
            // The last character alone lets a query of one character find the end of a run.
            terms.extend(run.last().map(char::to_string));
        }
    }
    terms.join(" ")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Japanese,
    Other,
}

impl Kind {
    fn of(ch: char) -> Self {
        match ch {
            _ if ch.is_ascii_alphanumeric() => Self::Word,
            _ if ch.is_alphanumeric() || "ー々〆ヶ".contains(ch) => Self::Japanese,
            _ => Self::Other,
        }
    }
}

/// Folds a text and cuts it into its runs of words and of Japanese; what is neither stands between them.
fn runs(text: &str) -> Vec<(Kind, Vec<char>)> {
    let mut runs: Vec<(Kind, Vec<char>)> = Vec::new();
    for ch in text.nfkc().flat_map(char::to_lowercase) {
        let kind = Kind::of(ch);
        match runs.last_mut() {
            Some((last, run)) if *last == kind => run.push(ch),
            Some(_) | None => runs.push((kind, vec![ch])),
        }
    }
    runs.retain(|(kind, _)| *kind != Kind::Other);
    runs
}

/// Cuts a run: a word stays whole, Japanese becomes its overlapping pairs.
fn pieces(kind: Kind, run: &[char]) -> Vec<String> {
    if kind == Kind::Japanese && run.len() > 1 {
        return run.windows(2).map(|pair| pair.iter().collect()).collect();
    }
    vec![run.iter().collect()]
}

/// Cuts a query into phrases: pairs only, since the text's runs may go on where the query's end.
fn query_terms(query: &str) -> Vec<String> {
    runs(query).into_iter().map(|(kind, run)| pieces(kind, &run).join(" ")).collect()
}

impl Tx {
    /// Brings the index up to a document; with the document before, only what differs is written.
    pub(super) async fn index(
        &mut self,
        meeting: Id,
        before: Option<&Minutes>,
        now: &Minutes,
    ) -> Result<(), StoreError> {
        if let Some(changed) = before.and_then(|before| changed_in_place(before, now)) {
            for block in changed {
                self.index_text(meeting, number(block.id()), searchable(block)).await?;
            }
            return Ok(());
        }
        let old: HashMap<BlockId, &Arc<Block>> =
            before.into_iter().flat_map(|before| &before.blocks).map(|block| (block.id(), block)).collect();
        let same = |block: &Arc<Block>| old.get(&block.id()).is_some_and(|old| Arc::ptr_eq(old, block));
        for block in now.blocks.iter().filter(|block| !same(block)) {
            self.index_text(meeting, number(block.id()), searchable(block)).await?;
        }
        let kept: HashSet<BlockId> = now.blocks.iter().map(|block| block.id()).collect();
        for gone in old.keys().filter(|id| !kept.contains(id)) {
            self.index_text(meeting, number(*gone), "").await?;
        }
        Ok(())
    }

    /// Indexes a meeting's title.
    pub(super) async fn index_title(&mut self, meeting: Id, title: &str) -> Result<(), StoreError> {
        self.index_text(meeting, TITLE, title).await
    }

    async fn index_text(&mut self, meeting: Id, block: i64, text: &str) -> Result<(), StoreError> {
        let terms = terms(text);
        let on_lite = matches!(self, Self::Lite(_));
        if on_lite {
            let sql = "SELECT id FROM search_rows WHERE meeting_id = $1 AND block = $2";
            if let Some(row) = self.row(sql, values![meeting, block]).await? {
                self.run("DELETE FROM search_terms WHERE rowid = $1", values![row.int(0)?]).await?;
                self.run("DELETE FROM search_rows WHERE id = $1", values![row.int(0)?]).await?;
            }
            if terms.is_empty() {
                return Ok(());
            }
            let sql = "INSERT INTO search_rows (meeting_id, block) VALUES ($1, $2) RETURNING id";
            let row = self.row(sql, values![meeting, block]).await?;
            let id = row.map_or(Ok(0), |row| row.int(0))?;
            self.run("INSERT INTO search_terms (rowid, terms) VALUES ($1, $2)", values![id, terms]).await?;
        } else if terms.is_empty() {
            self.run("DELETE FROM search_rows WHERE meeting_id = $1 AND block = $2", values![meeting, block])
                .await?;
        } else {
            self.run(
                "INSERT INTO search_rows (meeting_id, block, terms) VALUES ($1, $2, to_tsvector('simple', $3)) \
                 ON CONFLICT (meeting_id, block) DO UPDATE SET terms = excluded.terms",
                values![meeting, block, terms],
            )
            .await?;
        }
        Ok(())
    }

    /// Forgets everything under which a meeting is found.
    pub(super) async fn unindex(&mut self, meeting: Id) -> Result<(), StoreError> {
        if matches!(self, Self::Lite(_)) {
            let sql =
                "DELETE FROM search_terms WHERE rowid IN (SELECT id FROM search_rows WHERE meeting_id = $1)";
            self.run(sql, values![meeting]).await?;
        }
        self.run("DELETE FROM search_rows WHERE meeting_id = $1", values![meeting]).await.map(drop)
    }
}

/// Returns the blocks that differ if each block is where it was, as after nearly every edit: then no table of names is
/// needed.
fn changed_in_place<'a>(before: &Minutes, now: &'a Minutes) -> Option<Vec<&'a Arc<Block>>> {
    let places = || before.blocks.iter().zip(&now.blocks);
    let is_in_place =
        before.blocks.len() == now.blocks.len() && places().all(|(old, new)| old.id() == new.id());
    let changed = || places().filter(|(old, new)| !Arc::ptr_eq(old, new)).map(|(_, new)| new).collect();
    is_in_place.then(changed)
}

/// What of a block is found: nothing that is hidden.
fn searchable(block: &Block) -> &str {
    match block {
        Block::Utterance(utterance) if utterance.hidden.is_some() => "",
        Block::Utterance(utterance) => &utterance.text,
        Block::Heading(heading) => &heading.text,
        Block::Gap(_) => "",
    }
}

fn number(block: BlockId) -> i64 {
    i64::try_from(block.0).expect("names of blocks are below 2^53")
}

const FIND_LITE: &str = concat!(
    "SELECT r.meeting_id, r.block, m.title, m.held_on FROM search_terms t JOIN search_rows r ON r.id = t.rowid \
     JOIN meetings m ON m.id = r.meeting_id WHERE search_terms MATCH $1 AND ",
    findable!("$2", "$3"),
    " ORDER BY m.updated_at DESC, r.meeting_id, r.block LIMIT $4"
);
const FIND_PG: &str = concat!(
    "SELECT r.meeting_id, r.block, m.title, m.held_on FROM search_rows r JOIN meetings m ON m.id = r.meeting_id \
     WHERE r.terms @@ to_tsquery('simple', $1) AND ",
    findable!("$2", "$3"),
    " ORDER BY m.updated_at DESC, r.meeting_id, r.block LIMIT $4"
);

impl Store {
    /// Finds places in what a person may read, last changed meetings first.
    ///
    /// Range: a query of at most [`QUERY_CHARS_MAX`] characters; one without a letter or digit finds nothing.
    pub async fn search(&self, viewer: Viewer, query: &str, limit: u32) -> Result<Vec<Hit>, StoreError> {
        let phrases = query_terms(query);
        if phrases.is_empty() {
            return Ok(Vec::new());
        }
        let lite: Vec<String> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
        let pg: Vec<String> =
            phrases.iter().map(|phrase| phrase.split(' ').collect::<Vec<_>>().join(" <-> ")).collect();
        let (sql, text) = self.database.search(FIND_LITE, FIND_PG, lite.join(" AND "), pg.join(" & "));
        let rows = self.database.rows(sql, values![text, viewer.user, viewer.department, limit]).await?;
        let mut hits = Vec::with_capacity(rows.len());
        for row in rows {
            let (meeting, block) = (row.id(0)?, row.count(1)?);
            let (title, held_on) = (row.text(2)?, row.text(3)?);
            let place = if block == 0 { None } else { self.place(meeting, BlockId(block), query).await? };
            hits.push(match place {
                Some((at_ms, text)) => {
                    Hit { meeting, title, held_on, block: Some(BlockId(block)), at_ms, text }
                }
                None => Hit { meeting, text: title.clone(), title, held_on, block: None, at_ms: None },
            });
        }
        Ok(hits)
    }

    async fn place(
        &self,
        meeting: Id,
        block: BlockId,
        query: &str,
    ) -> Result<Option<(Option<u64>, String)>, StoreError> {
        let Some(document) = self.document(meeting).await? else { return Ok(None) };
        let (at_ms, text) = match document.minutes.block(block) {
            Some(Block::Utterance(utterance)) => (Some(utterance.start_ms), utterance.text.as_str()),
            Some(Block::Heading(heading)) => (heading.at_ms, heading.text.as_str()),
            Some(Block::Gap(_)) | None => return Ok(None),
        };
        Ok(Some((at_ms, around(text, query))))
    }
}

/// Cuts a text to what stands around a query.
fn around(text: &str, query: &str) -> String {
    let at = text.find(query).map_or(0, |byte| text[..byte].chars().count());
    let first = at.saturating_sub(AROUND_CHARS);
    let length = query.chars().count() + 2 * AROUND_CHARS;
    text.chars().skip(first).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_is_cut_into_pairs_and_latin_into_words() {
        assert_eq!(terms("会議録"), "会議 議録 録");
        assert_eq!(terms("ＤＸ推進、2026年"), "dx 推進 進 2026 年");
        assert_eq!(terms("、。"), "");
    }

    #[test]
    fn a_query_is_a_phrase_a_run() {
        assert_eq!(query_terms("会議録"), ["会議 議録"]);
        assert_eq!(query_terms("DX 推進"), ["dx", "推進"]);
        assert_eq!(query_terms("課"), ["課"]);
        assert!(query_terms("、").is_empty());
    }

    #[test]
    fn what_is_shown_stands_around_the_query() {
        let text = "あ".repeat(100) + "予算" + &"い".repeat(100);
        assert_eq!(around(&text, "予算").chars().count(), 82);
        assert!(around(&text, "予算").contains("予算"));
    }
}
