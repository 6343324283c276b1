//! Meetings, who belongs to them, and what of them a person may find.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::users::Role;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

/// 機密区分
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// 公開: everybody with an account may read.
    Public,
    /// 庁内限り: the department may read.
    Internal,
    /// 関係者限り: owner and members only.
    Restricted,
}

impl Sensitivity {
    /// Every one, from open to closed.
    pub const ALL: [Self; 3] = [Self::Public, Self::Internal, Self::Restricted];

    const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Restricted => "restricted",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|sensitivity| sensitivity.word() == word);
        found.ok_or_else(|| StoreError::Damaged { what: format!("the sensitivity {word}") })
    }
}

/// A meeting, without what was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Meeting {
    /// Its name inside the product.
    pub id: Id,
    /// 会議名
    pub title: String,
    /// The department it belongs to.
    pub department: Id,
    /// Who is responsible.
    pub owner: Id,
    /// 機密区分
    pub sensitivity: Sensitivity,
    /// Where the minutes stand on their way, as a stable word of the workflow.
    pub state: String,
    /// 開催日, as `2026-11-22`; empty if unknown.
    pub held_on: String,
    /// The template it was made from.
    pub template: Option<Id>,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
    /// When anything of it last changed.
    #[schema(value_type = i64)]
    pub updated_at: UnixMs,
    /// Since when it is in the bin; it can be brought back for 30 days.
    #[schema(value_type = Option<i64>)]
    pub deleted_at: Option<UnixMs>,
    /// When its audio is erased.
    #[schema(value_type = Option<i64>)]
    pub audio_until: Option<UnixMs>,
    /// When its minutes are erased.
    #[schema(value_type = Option<i64>)]
    pub minutes_until: Option<UnixMs>,
    /// 法的保留: nothing is erased while it is set.
    pub legal_hold: bool,
    /// Whether it is the sample that came with the product.
    pub sample: bool,
}

/// Somebody who belongs to a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Who.
    pub user: Id,
    /// Whether they may edit, or read only.
    pub can_edit: bool,
}

/// A meeting to be made.
#[derive(Debug, Clone)]
pub struct NewMeeting {
    /// 会議名
    pub title: String,
    /// The department it belongs to.
    pub department: Id,
    /// Who is responsible.
    pub owner: Id,
    /// 機密区分
    pub sensitivity: Sensitivity,
    /// 開催日; empty if unknown.
    pub held_on: String,
    /// The template it is made from.
    pub template: Option<Id>,
    /// Whether it is the sample that comes with the product.
    pub sample: bool,
}

/// Whose eyes a list is for.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    /// Who.
    pub user: Id,
    /// Of which department.
    pub department: Id,
    /// With which role.
    pub role: Role,
}

macro_rules! meeting_columns {
    () => {
        "m.id, m.title, m.department_id, m.owner_id, m.sensitivity, m.state, m.held_on, m.template_id, m.created_at, \
         m.updated_at, m.deleted_at, m.audio_until, m.minutes_until, m.legal_hold, m.sample"
    };
}

const MEETING: &str = concat!("SELECT ", meeting_columns!(), " FROM meetings m WHERE m.id = $1");

/// Which meetings `m` a person of a department may find: those they may read, by the same rule as `http::access`
/// applies to one meeting; a list of titles says which `further` ones may be known.
macro_rules! findable {
    ($person:literal, $department:literal $(, or $further:literal)?) => {
        concat!(
            "m.deleted_at IS NULL AND (m.owner_id = ",
            $person,
            " OR EXISTS (SELECT 1 FROM members b WHERE b.meeting_id = m.id AND b.user_id = ",
            $person,
            ") OR m.sensitivity = 'public' OR (m.sensitivity = 'internal' AND m.department_id = ",
            $department,
            ")",
            $(" OR ", $further,)?
            ")"
        )
    };
}
pub(super) use findable;

/// $3: 1 for who may know of every meeting, 2 for who may know of those of their department.
const VISIBLE: &str = concat!(
    "SELECT ",
    meeting_columns!(),
    " FROM meetings m WHERE (m.updated_at < $4 OR (m.updated_at = $4 AND m.id < $5)) AND ",
    findable!("$1", "$2", or "$3 = 1 OR ($3 = 2 AND m.department_id = $2)"),
    " ORDER BY m.updated_at DESC, m.id DESC LIMIT $6"
);

impl Meeting {
    pub(super) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            title: row.text(1)?,
            department: row.id(2)?,
            owner: row.id(3)?,
            sensitivity: Sensitivity::from_word(&row.text(4)?)?,
            state: row.text(5)?,
            held_on: row.text(6)?,
            template: row.id_or_none(7)?,
            created_at: row.at(8)?,
            updated_at: row.at(9)?,
            deleted_at: row.at_or_none(10)?,
            audio_until: row.at_or_none(11)?,
            minutes_until: row.at_or_none(12)?,
            legal_hold: row.flag(13)?,
            sample: row.flag(14)?,
        })
    }
}

impl Tx {
    /// Makes a meeting and returns its name.
    pub(super) async fn add_meeting(
        &mut self,
        new: &NewMeeting,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Id, StoreError> {
        let id = Id::new();
        self.run(
            "INSERT INTO meetings (id, title, department_id, owner_id, sensitivity, state, held_on, template_id, \
             created_at, updated_at, sample) VALUES ($1, $2, $3, $4, $5, 'drafting', $6, $7, $8, $8, $9)",
            values![
                id,
                &new.title,
                new.department,
                new.owner,
                new.sensitivity.word(),
                &new.held_on,
                new.template,
                now,
                new.sample
            ],
        )
        .await?;
        self.begin_from_template(id, new, now).await?;
        self.index_title(id, &new.title).await?;
        let detail = serde_json::json!({ "sensitivity": new.sensitivity, "department": new.department });
        self.audit(Entry::done(actor, now, "meeting.create", id).on(id).with(detail)).await?;
        Ok(id)
    }
}

impl Store {
    /// Makes a meeting.
    pub async fn add_meeting(
        &self,
        new: &NewMeeting,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Meeting, StoreError> {
        let mut tx = self.write().await?;
        let id = tx.add_meeting(new, actor, now).await?;
        tx.commit().await?;
        self.meeting(id)
            .await?
            .ok_or_else(|| StoreError::Damaged { what: "a meeting just made is gone".to_owned() })
    }

    /// Returns a meeting, also one in the bin.
    pub async fn meeting(&self, id: Id) -> Result<Option<Meeting>, StoreError> {
        let row = self.database.row(MEETING, values![id]).await?;
        row.map(|row| Meeting::from_row(&row)).transpose()
    }

    /// Returns the meetings a person may find, last changed first, older than the place `before`.
    pub async fn meetings(
        &self,
        viewer: Viewer,
        before: Option<(UnixMs, Id)>,
        limit: u32,
    ) -> Result<Vec<Meeting>, StoreError> {
        let (at, id) = before.unwrap_or((UnixMs::from_ms(i64::MAX), Id::LAST));
        let reach = match viewer.role {
            Role::Staff => 0,
            Role::Administrator | Role::Auditor => 1,
            Role::DepartmentAdministrator => 2,
        };
        let values = values![viewer.user, viewer.department, reach, at, id, limit];
        let rows = self.database.rows(VISIBLE, values).await?;
        rows.iter().map(Meeting::from_row).collect()
    }

    /// Writes everything about a meeting that people may change.
    pub async fn change_meeting(
        &self,
        meeting: &Meeting,
        event: &'static str,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let changed = tx
            .run(
                "UPDATE meetings SET title = $2, department_id = $3, owner_id = $4, sensitivity = $5, state = $6, \
                 held_on = $7, updated_at = $8, deleted_at = $9, audio_until = $10, minutes_until = $11, \
                 legal_hold = $12 WHERE id = $1",
                values![
                    meeting.id,
                    &meeting.title,
                    meeting.department,
                    meeting.owner,
                    meeting.sensitivity.word(),
                    &meeting.state,
                    &meeting.held_on,
                    now,
                    meeting.deleted_at,
                    meeting.audio_until,
                    meeting.minutes_until,
                    meeting.legal_hold
                ],
            )
            .await?;
        tx.index_title(meeting.id, &meeting.title).await?;
        let detail = serde_json::json!({
            "sensitivity": meeting.sensitivity, "department": meeting.department, "owner": meeting.owner,
            "state": meeting.state, "audio_until": meeting.audio_until, "minutes_until": meeting.minutes_until,
            "legal_hold": meeting.legal_hold,
        });
        tx.audit(Entry::done(actor, now, event, meeting.id).on(meeting.id).with(detail)).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Returns who belongs to a meeting besides its owner.
    pub async fn members(&self, meeting: Id) -> Result<Vec<Member>, StoreError> {
        let sql = "SELECT user_id, can_edit FROM members WHERE meeting_id = $1 ORDER BY user_id LIMIT 1000";
        let rows = self.database.rows(sql, values![meeting]).await?;
        rows.iter().map(|row| Ok(Member { user: row.id(0)?, can_edit: row.flag(1)? })).collect()
    }

    /// Returns what a person may do in a meeting as its member; nothing if they are none.
    pub async fn membership(&self, meeting: Id, user: Id) -> Result<Option<Member>, StoreError> {
        let sql = "SELECT can_edit FROM members WHERE meeting_id = $1 AND user_id = $2";
        let row = self.database.row(sql, values![meeting, user]).await?;
        row.map(|row| Ok(Member { user, can_edit: row.flag(0)? })).transpose()
    }

    /// Writes the list of members anew.
    pub async fn set_members(
        &self,
        meeting: Id,
        members: &[Member],
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run("DELETE FROM members WHERE meeting_id = $1", values![meeting]).await?;
        for member in members {
            tx.run(
                "INSERT INTO members (meeting_id, user_id, can_edit) VALUES ($1, $2, $3)",
                values![meeting, member.user, member.can_edit],
            )
            .await?;
        }
        let detail = serde_json::json!({ "members": members });
        tx.audit(Entry::done(actor, now, "meeting.members", meeting).on(meeting).with(detail)).await?;
        tx.commit().await
    }
}
