//! 単語登録: groups of words of the office, of a department and of a meeting, and which of them a meeting uses.

mod list;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry as Line};
use super::dialect::{Row, values};
use super::meetings::Meeting;
use super::minutes::text;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::minutes::HeaderField;
use crate::minutes::dictionary::{self, Day, Entry, Group, Scope};

pub use list::{Registered, Word, WordsChange};

/// Most groups of one list.
pub const GROUPS_MAX: usize = 1_000;
/// Most groups that a meeting chooses.
pub const CHOSEN_MAX: usize = 100;
/// Most words offered to the recogniser; it takes as many from the top as its prompt has room for.
const HINT_WORDS_MAX: usize = 500;
/// Most characters of them.
const HINT_CHARS_MAX: usize = 5_000;

/// 単語グループ, without its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WordGroup {
    /// Its name inside the product.
    pub id: Id,
    /// Its name on screen.
    pub name: String,
    /// Whose words they are.
    pub scope: Scope,
    /// The department, if they are a department's.
    pub department: Option<Id>,
    /// The meeting, if they are a meeting's.
    pub meeting: Option<Id>,
    /// How many words are in it.
    pub count: u64,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
}

/// Whose words a new group holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// 全庁
    Office,
    /// 部署
    Department(Id),
    /// 会議
    Meeting(Id),
}

/// Which groups a meeting uses beside its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// These; every group of the office and of the meeting's department if absent.
    pub groups: Option<Vec<Id>>,
}

macro_rules! select_group {
    ($rest:literal) => {
        concat!(
            "SELECT g.id, g.name, g.department_id, g.meeting_id, g.created_at, \
             (SELECT COUNT(*) FROM words w WHERE w.group_id = g.id) FROM word_groups g ",
            $rest
        )
    };
}

impl WordGroup {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (department, meeting) = (row.id_or_none(2)?, row.id_or_none(3)?);
        let scope = match (department, meeting) {
            (_, Some(_)) => Scope::Meeting,
            (Some(_), None) => Scope::Department,
            (None, None) => Scope::Office,
        };
        let count = row.count(5)?;
        Ok(Self {
            id: row.id(0)?,
            name: row.text(1)?,
            scope,
            department,
            meeting,
            count,
            created_at: row.at(4)?,
        })
    }
}

impl Store {
    /// Returns the groups of the office and of one department (or of every one), by name; with those of a meeting.
    ///
    /// Range: at most [`GROUPS_MAX`].
    pub async fn word_groups(
        &self,
        department: Option<Id>,
        meeting: Option<Id>,
    ) -> Result<Vec<WordGroup>, StoreError> {
        let sql = select_group!(
            "WHERE (g.meeting_id IS NULL AND (g.department_id IS NULL OR g.department_id = $1 OR $1 = '')) \
             OR g.meeting_id = $2 ORDER BY g.name, g.id LIMIT $3"
        );
        let name = |id: Option<Id>| id.map_or_else(String::new, |id| id.to_string());
        let rows =
            self.database.rows(sql, values![name(department), name(meeting), bound(GROUPS_MAX)]).await?;
        rows.iter().map(WordGroup::from_row).collect()
    }

    /// Returns a group.
    pub async fn word_group(&self, id: Id) -> Result<Option<WordGroup>, StoreError> {
        let row = self.database.row(select_group!("WHERE g.id = $1"), values![id]).await?;
        row.map(|row| WordGroup::from_row(&row)).transpose()
    }

    /// Makes a group without words.
    pub async fn add_word_group(
        &self,
        name: &str,
        owner: Owner,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<WordGroup, StoreError> {
        let id = Id::new();
        let (department, meeting, scope) = match owner {
            Owner::Office => (None, None, Scope::Office),
            Owner::Department(id) => (Some(id), None, Scope::Department),
            Owner::Meeting(id) => (None, Some(id), Scope::Meeting),
        };
        let mut tx = self.write().await?;
        tx.run(
            "INSERT INTO word_groups (id, department_id, meeting_id, name, created_at) VALUES ($1, $2, $3, $4, $5)",
            values![id, department, meeting, name, now],
        )
        .await?;
        let mut line = Line::done(actor, now, "word_group.create", id);
        line.meeting = meeting;
        tx.audit(line.with(serde_json::json!({ "scope": scope, "department": department }))).await?;
        tx.commit().await?;
        Ok(WordGroup { id, name: name.to_owned(), scope, department, meeting, count: 0, created_at: now })
    }

    /// Renames a group.
    pub async fn rename_word_group(
        &self,
        id: Id,
        name: &str,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let changed = tx.run("UPDATE word_groups SET name = $2 WHERE id = $1", values![id, name]).await?;
        tx.audit(Line::done(actor, now, "word_group.change", id)).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Takes a group away with all its words.
    pub async fn remove_word_group(&self, id: Id, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let words = tx.run("DELETE FROM words WHERE group_id = $1", values![id]).await?;
        let removed = tx.run("DELETE FROM word_groups WHERE id = $1", values![id]).await?;
        let facts = serde_json::json!({ "removed": words });
        tx.audit(Line::done(actor, now, "word_group.delete", id).with(facts)).await?;
        tx.commit().await?;
        Ok(removed > 0)
    }

    /// Returns which groups a meeting chose.
    pub async fn word_choice(&self, meeting: Id) -> Result<Choice, StoreError> {
        let sql = "SELECT chosen FROM word_choices WHERE meeting_id = $1";
        let row = self.database.row(sql, values![meeting]).await?;
        let groups = row.map(|row| row.json(0)).transpose()?;
        Ok(Choice { groups })
    }

    /// Keeps which groups a meeting uses.
    pub async fn choose_words(
        &self,
        meeting: Id,
        choice: &Choice,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run("DELETE FROM word_choices WHERE meeting_id = $1", values![meeting]).await?;
        if let Some(groups) = &choice.groups {
            let sql = "INSERT INTO word_choices (meeting_id, chosen) VALUES ($1, $2)";
            tx.run(sql, values![meeting, text(groups)]).await?;
        }
        tx.audit(Line::done(actor, now, "words.choose", meeting).on(meeting).with(serde_json::json!(choice)))
            .await?;
        tx.commit().await
    }

    /// Returns the words in force for a meeting on a day, the nearest first: its own, its department's, the office's.
    ///
    /// Shape: of entries with the same 表記 only the nearest is there.
    /// Range: at most [`dictionary::ENTRIES_MAX`]; none for a meeting that does not exist.
    pub async fn words_of_meeting(&self, meeting: Id, day: Day) -> Result<Vec<Entry>, StoreError> {
        let Some(meeting) = self.meeting(meeting).await? else { return Ok(Vec::new()) };
        let groups = self.groups_of_meeting(&meeting).await?;
        Ok(dictionary::in_force(&groups, day).into_iter().cloned().collect())
    }

    /// Returns the list that [`Vocabulary::parse`](crate::speech::vocabulary::Vocabulary::parse) reads for a meeting:
    /// expected speakers, words of the agenda, recent words, and every replacement.
    ///
    /// `today` is taken for a meeting without a date.
    pub async fn vocabulary_of_meeting(&self, meeting: Id, today: Day) -> Result<String, StoreError> {
        let Some(known) = self.meeting(meeting).await? else { return Ok(String::new()) };
        let entries = self.words_of_meeting(meeting, Day::parse(&known.held_on).unwrap_or(today)).await?;
        let entries: Vec<&Entry> = entries.iter().collect();
        let template = self.template_of_meeting(meeting).await?.unwrap_or_default();
        let attendees: Vec<String> = template.attendees.iter().map(|speaker| speaker.name.clone()).collect();
        let agenda = template.header.get(&HeaderField::Agenda).map_or("", String::as_str);
        let about = format!("{}\n{agenda}", known.title);
        let known = dictionary::Meeting { attendees: &attendees, agenda: &about };
        let hint = dictionary::hint(&entries, known, HINT_WORDS_MAX, HINT_CHARS_MAX);
        Ok(dictionary::vocabulary_text(&hint, &entries))
    }

    async fn groups_of_meeting(&self, meeting: &Meeting) -> Result<Vec<Group>, StoreError> {
        let choice = self.word_choice(meeting.id).await?;
        let all = self.word_groups(Some(meeting.department), Some(meeting.id)).await?;
        // A group that was chosen before the meeting moved to another department is none of its own any more.
        let chosen = |group: &WordGroup| {
            group.meeting.is_some() || choice.groups.as_ref().is_none_or(|groups| groups.contains(&group.id))
        };
        let mut groups = Vec::new();
        for group in all.into_iter().filter(chosen) {
            let entries = self.entries(group.id).await?;
            groups.push(Group { name: group.name, scope: group.scope, entries });
        }
        Ok(groups)
    }
}

fn bound(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
