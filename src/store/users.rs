//! People, departments, roles, and the one-time links by which a password is set.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

/// What a person may do in the product as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 職員: own meetings, and those they are a member of.
    Staff,
    /// 部署の管理者: people and meetings of the own department.
    DepartmentAdministrator,
    /// 管理者: everything but the content of meetings they do not belong to.
    Administrator,
    /// 監査者: reads records, changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] =
        [Self::Staff, Self::DepartmentAdministrator, Self::Administrator, Self::Auditor];

    /// Returns the stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::DepartmentAdministrator => "department_administrator",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }

    /// Reads the stable word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// Its name inside the product.
    pub id: Id,
    /// What the person types to sign in.
    pub login: String,
    /// 氏名
    pub name: String,
    /// The department.
    pub department: Id,
    /// The role.
    pub role: Role,
    /// Whether the password must be changed before anything else.
    pub password_expired: bool,
    /// Until when signing in is refused after too many failures.
    #[schema(value_type = Option<i64>)]
    pub locked_until: Option<UnixMs>,
    /// Since when the account cannot be used; its history stays.
    #[schema(value_type = Option<i64>)]
    pub disabled_at: Option<UnixMs>,
    /// Whether it is a meeting room's: what is recorded with it takes the room's seat.
    pub room: bool,
}

const USER: &str = "SELECT id, login, name, department_id, role, password_expired, locked_until, disabled_at, \
                    room FROM users WHERE id = $1";
pub(super) const USERS: &str = "SELECT id, login, name, department_id, role, password_expired, locked_until, disabled_at, \
                     room FROM users WHERE login > $1 ORDER BY login LIMIT $2";

const USERS_OF: &str = "SELECT id, login, name, department_id, role, password_expired, locked_until, disabled_at, \
                        room FROM users WHERE login > $1 AND department_id = $3 ORDER BY login LIMIT $2";
pub(super) const DEPARTMENTS: &str =
    "SELECT id, name, parent_id, closed_at FROM departments ORDER BY name LIMIT 10000";

impl User {
    pub(super) fn from_row(row: &Row, first: usize) -> Result<Self, StoreError> {
        let role = row.text(first + 4)?;
        Ok(Self {
            id: row.id(first)?,
            login: row.text(first + 1)?,
            name: row.text(first + 2)?,
            department: row.id(first + 3)?,
            role: Role::from_word(&role)
                .ok_or_else(|| StoreError::Damaged { what: format!("the role {role}") })?,
            password_expired: row.flag(first + 5)?,
            locked_until: row.at_or_none(first + 6)?,
            disabled_at: row.at_or_none(first + 7)?,
            room: row.flag(first + 8)?,
        })
    }
}

/// 部署
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Department {
    /// Its name inside the product.
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// The department it belongs to.
    pub parent: Option<Id>,
    /// Since when it is closed; its meetings stay.
    #[schema(value_type = Option<i64>)]
    pub closed_at: Option<UnixMs>,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// What the person types to sign in.
    pub login: String,
    /// 氏名
    pub name: String,
    /// The department.
    pub department: Id,
    /// The role.
    pub role: Role,
    /// The hashed password, if there is one yet.
    pub password: Option<String>,
    /// Whether it must be changed at the first sign-in.
    pub password_expired: bool,
    /// Whether it is a meeting room's account.
    pub room: bool,
}

/// What is needed to judge a password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub user: User,
    /// The hashed password, if there is one.
    pub password: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first administrator of a new installation.
    Setup,
    /// A password set anew.
    Password,
}

impl Purpose {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Password => "password",
        }
    }
}

impl Store {
    /// Tells whether anybody has an account yet.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        Ok(self.database.row("SELECT 1 FROM users LIMIT 1", &[]).await?.is_some())
    }

    /// Returns a person.
    pub async fn user(&self, id: Id) -> Result<Option<User>, StoreError> {
        let row = self.database.row(USER, values![id]).await?;
        row.map(|row| User::from_row(&row, 0)).transpose()
    }

    /// Returns at most `limit` people whose login sorts after `after`; of one department if one is named.
    pub async fn users(
        &self,
        after: &str,
        limit: u32,
        department: Option<Id>,
    ) -> Result<Vec<User>, StoreError> {
        let rows = match department {
            Some(department) => self.database.rows(USERS_OF, values![after, limit, department]).await?,
            None => self.database.rows(USERS, values![after, limit]).await?,
        };
        rows.iter().map(|row| User::from_row(row, 0)).collect()
    }

    /// Returns what is needed to judge a password.
    pub async fn credentials(&self, login: &str) -> Result<Option<Credentials>, StoreError> {
        let row = self
            .database
            .row(
                "SELECT id, login, name, department_id, role, password_expired, locked_until, disabled_at, room, password, \
                 failures FROM users WHERE login = $1",
                values![login],
            )
            .await?;
        row.map(|row| {
            Ok(Credentials {
                user: User::from_row(&row, 0)?,
                password: row.text_or_none(9)?,
                failures: u32::try_from(row.int(10)?).unwrap_or(0),
            })
        })
        .transpose()
    }

    /// Makes an account.
    ///
    /// Errors: [`StoreError::Taken`] if the login is in use.
    pub async fn add_user(&self, new: &NewUser, actor: &Actor, now: UnixMs) -> Result<User, StoreError> {
        let mut tx = self.write().await?;
        let id = tx.insert_user(new, actor, now).await?;
        tx.commit().await?;
        Ok(User {
            id,
            login: new.login.clone(),
            name: new.name.clone(),
            department: new.department,
            role: new.role,
            password_expired: new.password_expired,
            locked_until: None,
            disabled_at: None,
            room: new.room,
        })
    }

    /// Changes name, department, role, and whether the account can be used; a disabled person is
    /// signed out at once, for good loses the tokens, goes on no transfer, and is remembered by no voice.
    pub async fn change_user(&self, user: &User, actor: &Actor, now: UnixMs) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let changed = tx.update_user(user, actor, now).await?;
        tx.commit().await?;
        self.destroy_voice_keys(now).await?;
        Ok(changed)
    }

    /// Sets a password; every session of the person but `keep` ends, and failures are forgotten.
    pub async fn set_password(
        &self,
        user: Id,
        password: &str,
        keep: Option<&str>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.write_password(user, password, keep, now).await?;
        tx.audit(Entry::done(actor, now, "user.password", user)).await?;
        tx.commit().await
    }

    /// Remembers a failed sign-in; from `failures_max` on the account is locked until `locked_until`.
    pub async fn sign_in_failed(
        &self,
        user: Id,
        failures_max: u32,
        locked_until: UnixMs,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run(
            "UPDATE users SET failures = failures + 1, locked_until = CASE WHEN failures + 1 >= $2 THEN $3 ELSE \
             locked_until END WHERE id = $1",
            values![user, failures_max, locked_until],
        )
        .await?;
        let row = tx.row("SELECT failures FROM users WHERE id = $1", values![user]).await?;
        let failures = row.map_or(Ok(0), |row| row.count(0))?;
        tx.audit(Entry::done(actor, now, "session.refused", user).refused()).await?;
        if failures == u64::from(failures_max) {
            tx.audit(Entry::done(actor, now, "user.lock", user)).await?;
        }
        tx.commit().await
    }

    /// Adds a department.
    ///
    /// Errors: [`StoreError::Taken`] if one of this name exists.
    pub async fn add_department(
        &self,
        name: &str,
        parent: Option<Id>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Department, StoreError> {
        let mut tx = self.write().await?;
        let department = Department { id: Id::new(), name: name.to_owned(), parent, closed_at: None };
        tx.insert_department(&department, actor, now).await?;
        tx.commit().await?;
        Ok(department)
    }

    /// Renames, moves, closes or opens a department.
    pub async fn change_department(
        &self,
        department: &Department,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let changed = tx
            .run(
                "UPDATE departments SET name = $2, parent_id = $3, closed_at = $4 WHERE id = $1",
                values![department.id, &department.name, department.parent, department.closed_at],
            )
            .await?;
        tx.audit(Entry::done(actor, now, "department.change", department.id)).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Returns every department, by name. An office has some hundreds.
    pub async fn departments(&self) -> Result<Vec<Department>, StoreError> {
        let rows = self.database.rows(DEPARTMENTS, &[]).await?;
        rows.iter().map(Department::from_row).collect()
    }
}

impl Department {
    pub(super) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            name: row.text(1)?,
            parent: row.id_or_none(2)?,
            closed_at: row.at_or_none(3)?,
        })
    }
}

impl Tx {
    pub(super) async fn insert_department(
        &mut self,
        new: &Department,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO departments (id, name, parent_id, created_at) VALUES ($1, $2, $3, $4)",
            values![new.id, &new.name, new.parent, now],
        )
        .await?;
        self.audit(Entry::done(actor, now, "department.create", new.id)).await
    }

    pub(super) async fn insert_user(
        &mut self,
        new: &NewUser,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Id, StoreError> {
        let id = Id::new();
        self.run(
            "INSERT INTO users (id, login, name, department_id, role, password, password_expired, \
             password_changed_at, created_at, room) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
            values![
                id,
                &new.login,
                &new.name,
                new.department,
                new.role.word(),
                new.password.as_deref(),
                new.password_expired,
                now,
                new.room
            ],
        )
        .await?;
        let detail = serde_json::json!({ "role": new.role, "department": new.department, "room": new.room });
        self.audit(Entry::done(actor, now, "user.create", id).with(detail)).await?;
        Ok(id)
    }

    pub(super) async fn update_user(
        &mut self,
        user: &User,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let changed = self
            .run(
                "UPDATE users SET name = $2, department_id = $3, role = $4, disabled_at = $5, room = $6 WHERE id = $1",
                values![user.id, &user.name, user.department, user.role.word(), user.disabled_at, user.room],
            )
            .await?;
        if user.disabled_at.is_some() {
            self.run("DELETE FROM sessions WHERE user_id = $1", values![user.id]).await?;
            self.run(
                "UPDATE tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL",
                values![user.id, now],
            )
            .await?;
            self.run("DELETE FROM transfers WHERE user_id = $1 AND done_at IS NULL", values![user.id])
                .await?;
            self.erase_voices_of(user.id, actor, now).await?;
        }
        let detail = serde_json::json!({
            "role": user.role, "department": user.department, "disabled": user.disabled_at.is_some(),
            "room": user.room
        });
        self.audit(Entry::done(actor, now, "user.change", user.id).with(detail)).await?;
        Ok(changed > 0)
    }

    pub(super) async fn write_password(
        &mut self,
        user: Id,
        password: &str,
        keep: Option<&str>,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE users SET password = $2, password_expired = 0, password_changed_at = $3, failures = 0, \
             locked_until = NULL WHERE id = $1",
            values![user, password, now],
        )
        .await?;
        self.run(
            "DELETE FROM sessions WHERE user_id = $1 AND sha256 <> $2",
            values![user, keep.unwrap_or_default()],
        )
        .await
        .map(drop)
    }
}
