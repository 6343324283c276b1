//! 人事異動: many people written at once from a list, and changes that wait for their day.

use serde::Serialize;
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::users::{Department, NewUser, Role, User};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

/// Most accounts that a list is compared with; the largest office has a fiftieth of it.
pub const PEOPLE_MAX: u32 = 500_000;
/// Most waiting changes in one answer.
const TRANSFERS_MAX: u32 = 20_000;
/// Changes made in one transaction, so that others may write in between.
const PAGE: u32 = 200;

/// What becomes of a person on a day to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// 異動: another department, another role, or both.
    To {
        /// The department to come.
        department: Id,
        /// The role to come.
        role: Role,
    },
    /// 退職: the account is closed; its history stays.
    Leave,
}

/// A change that waits for its day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transfer {
    /// Its name inside the product.
    pub id: Id,
    /// Who.
    pub user: Id,
    /// What the person types to sign in.
    pub login: String,
    /// 氏名
    pub name: String,
    /// The department until then.
    pub from: Id,
    /// The department to come; none for somebody who leaves.
    pub department: Option<Id>,
    /// The role to come; none for somebody who leaves.
    pub role: Option<Role>,
    /// 発令日: when it is made.
    #[schema(value_type = i64)]
    pub effective_at: UnixMs,
}

/// Who is there already.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// Every department, closed ones too.
    pub departments: Vec<Department>,
    /// Every account, closed ones too.
    pub users: Vec<User>,
}

/// One thing to be done.
#[derive(Debug, Clone)]
pub enum Step {
    /// Make an account.
    Create(NewUser),
    /// Write an account as it is to be.
    Change(User),
    /// Let a change wait for its day; it takes the place of one of the same person and day.
    Schedule {
        /// Whose.
        user: Id,
        /// What.
        change: Move,
        /// When.
        effective_at: UnixMs,
    },
}

/// All that is to be done, together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Departments to be made.
    pub departments: Vec<Department>,
    /// What becomes of people, in this order.
    pub steps: Vec<Step>,
}

/// Whether a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is made and told, and nothing is changed.
    Dry,
    /// It is carried out.
    Real,
}

const WAITING: &str = "SELECT t.id, u.id, u.login, u.name, u.department_id, t.department_id, t.role, t.effective_at \
                       FROM transfers t JOIN users u ON u.id = t.user_id WHERE t.done_at IS NULL ORDER BY \
                       t.effective_at, u.login LIMIT $1";
const DUE: &str = "SELECT t.id, t.department_id, t.role, u.id, u.login, u.name, u.department_id, u.role, \
                   u.password_expired, u.locked_until, u.disabled_at, u.room FROM transfers t JOIN users u ON u.id = \
                   t.user_id WHERE t.done_at IS NULL AND t.effective_at <= $1 ORDER BY t.effective_at, t.id LIMIT 1";

impl Transfer {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            user: row.id(1)?,
            login: row.text(2)?,
            name: row.text(3)?,
            from: row.id(4)?,
            department: row.id_or_none(5)?,
            role: role_or_none(row, 6)?,
            effective_at: row.at(7)?,
        })
    }
}

fn role_or_none(row: &Row, index: usize) -> Result<Option<Role>, StoreError> {
    let Some(word) = row.text_or_none(index)? else { return Ok(None) };
    let damaged = || StoreError::Damaged { what: format!("the role {word}") };
    Role::from_word(&word).ok_or_else(damaged).map(Some)
}

impl Store {
    /// Plans with everybody who is there, and carries the plan out in the same transaction.
    ///
    /// Errors: what `plan` refuses, or why nothing could be written; nothing was changed then.
    pub async fn reorganise<E: From<StoreError>>(
        &self,
        plan: impl FnOnce(&Present) -> Result<Plan, E>,
        run: Run,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Plan, E> {
        let mut tx = self.write().await?;
        let present = tx.present().await?;
        let plan = plan(&present)?;
        if run == Run::Real {
            tx.carry_out(&plan, actor, now).await?;
            tx.commit().await?;
        }
        Ok(plan)
    }

    /// Returns the changes that wait for their day, the next one first.
    pub async fn transfers(&self) -> Result<Vec<Transfer>, StoreError> {
        let rows = self.database.rows(WAITING, values![TRANSFERS_MAX]).await?;
        rows.iter().map(Transfer::from_row).collect()
    }

    /// Returns a change that waits for its day.
    pub async fn transfer(&self, id: Id) -> Result<Option<Transfer>, StoreError> {
        let sql = "SELECT t.id, u.id, u.login, u.name, u.department_id, t.department_id, t.role, t.effective_at FROM \
                   transfers t JOIN users u ON u.id = t.user_id WHERE t.id = $1 AND t.done_at IS NULL";
        let row = self.database.row(sql, values![id]).await?;
        row.map(|row| Transfer::from_row(&row)).transpose()
    }

    /// Gives up a change that waits for its day; tells whether there was one.
    pub async fn cancel_transfer(&self, id: Id, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let gone = tx.run("DELETE FROM transfers WHERE id = $1 AND done_at IS NULL", values![id]).await?;
        if gone > 0 {
            tx.audit(Entry::done(actor, now, "transfer.cancel", id)).await?;
            tx.commit().await?;
        }
        Ok(gone > 0)
    }

    /// Makes every change whose day has come; returns how many.
    ///
    /// It may be called at any time and any number of times: what was made once is not made again.
    pub async fn apply_transfers(&self, now: UnixMs) -> Result<u64, StoreError> {
        let mut made = 0;
        loop {
            let mut tx = self.write().await?;
            let before = made;
            for _ in 0..PAGE {
                // One at a time: a person may have two that are due, and the second builds on the first.
                let Some(row) = tx.row(DUE, values![now]).await? else { break };
                tx.transfer(&row, now).await?;
                made += 1;
            }
            tx.commit().await?;
            if made - before < u64::from(PAGE) {
                return Ok(made);
            }
        }
    }
}

impl Tx {
    async fn present(&mut self) -> Result<Present, StoreError> {
        let departments = self.rows(super::users::DEPARTMENTS, &[]).await?;
        let users = self.rows(super::users::USERS, values!["", PEOPLE_MAX]).await?;
        Ok(Present {
            departments: departments.iter().map(Department::from_row).collect::<Result<_, _>>()?,
            users: users.iter().map(|row| User::from_row(row, 0)).collect::<Result<_, _>>()?,
        })
    }

    async fn carry_out(&mut self, plan: &Plan, actor: &Actor, now: UnixMs) -> Result<(), StoreError> {
        for department in &plan.departments {
            self.insert_department(department, actor, now).await?;
        }
        for step in &plan.steps {
            match step {
                Step::Create(new) => self.insert_user(new, actor, now).await.map(drop)?,
                Step::Change(user) => self.update_user(user, actor, now).await.map(drop)?,
                Step::Schedule { user, change, effective_at } => {
                    self.schedule(*user, *change, *effective_at, actor, now).await?;
                }
            }
        }
        let detail = serde_json::json!({ "departments": plan.departments.len(), "steps": plan.steps.len() });
        self.audit(Entry::done(actor, now, "people.import", "").with(detail)).await
    }

    async fn schedule(
        &mut self,
        user: Id,
        change: Move,
        effective_at: UnixMs,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (department, role) = match change {
            Move::To { department, role } => (Some(department), Some(role)),
            Move::Leave => (None, None),
        };
        self.run(
            "DELETE FROM transfers WHERE user_id = $1 AND effective_at = $2 AND done_at IS NULL",
            values![user, effective_at],
        )
        .await?;
        self.run(
            "INSERT INTO transfers (id, user_id, department_id, role, effective_at, created_at) VALUES ($1, $2, $3, \
             $4, $5, $6)",
            values![Id::new(), user, department, role.map(Role::word), effective_at, now],
        )
        .await?;
        let detail =
            serde_json::json!({ "department": department, "role": role, "effective_at": effective_at });
        self.audit(Entry::done(actor, now, "transfer.schedule", user).with(detail)).await
    }

    /// Makes one change whose day has come; a row of [`DUE`].
    async fn transfer(&mut self, row: &Row, now: UnixMs) -> Result<(), StoreError> {
        let id = row.id(0)?;
        let mut user = User::from_row(row, 3)?;
        match (row.id_or_none(1)?, role_or_none(row, 2)?) {
            (Some(department), Some(role)) => (user.department, user.role) = (department, role),
            _ => user.disabled_at = user.disabled_at.or(Some(now)),
        }
        self.run("UPDATE transfers SET done_at = $2 WHERE id = $1", values![id, now]).await?;
        let server = Actor::server();
        self.audit(Entry::done(&server, now, "transfer.apply", id)).await?;
        self.update_user(&user, &server, now).await.map(drop)
    }
}
