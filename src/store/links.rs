//! One-time links: the first administrator, and a password set anew.

use super::audit::{Actor, Entry};
use super::dialect::values;
use super::users::{Purpose, User};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

impl Store {
    /// Makes a one-time link; earlier unused ones for the same purpose and person stop working.
    pub async fn add_link(
        &self,
        sha256: &str,
        purpose: Purpose,
        user: Option<Id>,
        expires_at: UnixMs,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run(
            "DELETE FROM links WHERE purpose = $1 AND used_at IS NULL AND (user_id = $2 OR user_id IS NULL)",
            values![purpose.word(), user],
        )
        .await?;
        tx.run(
            "INSERT INTO links (sha256, purpose, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
            values![sha256, purpose.word(), user, now, expires_at],
        )
        .await?;
        let subject = user.map_or_else(String::new, |id| id.to_string());
        tx.audit(Entry::done(actor, now, "link.create", subject)).await?;
        tx.commit().await
    }

    /// Returns the person whose password a link sets, if it still works.
    pub async fn link_user(&self, sha256: &str, now: UnixMs) -> Result<Option<User>, StoreError> {
        let sql = "SELECT u.id, u.login, u.name, u.department_id, u.role, u.password_expired, u.locked_until, \
                   u.disabled_at, u.room FROM links l JOIN users u ON u.id = l.user_id WHERE l.sha256 = $1 AND l.purpose = \
                   'password' AND l.used_at IS NULL AND l.expires_at > $2";
        let row = self.database.row(sql, values![sha256, now]).await?;
        row.map(|row| User::from_row(&row, 0)).transpose()
    }

    /// Uses a link up and sets the person's password, together; every session of the person ends.
    ///
    /// Returns whether the link still worked; nothing was changed if not.
    pub async fn set_password_by_link(
        &self,
        sha256: &str,
        user: Id,
        password: &str,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let used = tx
            .run(
                "UPDATE links SET used_at = $3 WHERE sha256 = $1 AND purpose = 'password' AND user_id = $2 AND \
                 used_at IS NULL AND expires_at > $3",
                values![sha256, user, now],
            )
            .await?;
        if used == 0 {
            return Ok(false);
        }
        tx.write_password(user, password, None, now).await?;
        tx.audit(Entry::done(actor, now, "user.password", user)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Uses a one-time link up; returns the person it was made for, or nothing if it does not work any more.
    pub async fn use_link(
        &self,
        sha256: &str,
        purpose: Purpose,
        now: UnixMs,
    ) -> Result<Option<Option<Id>>, StoreError> {
        let mut tx = self.write().await?;
        let used = tx
            .run(
                "UPDATE links SET used_at = $3 WHERE sha256 = $1 AND purpose = $2 AND used_at IS NULL AND \
                 expires_at > $3",
                values![sha256, purpose.word(), now],
            )
            .await?;
        let row = tx.row("SELECT user_id FROM links WHERE sha256 = $1", values![sha256]).await?;
        tx.commit().await?;
        match row {
            Some(row) if used == 1 => Ok(Some(row.id_or_none(0)?)),
            Some(_) | None => Ok(None),
        }
    }
}
