//! Who is signed in: sessions of browsers and tokens of programs, both kept by their hash only.

mod touches;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, values};
use super::users::User;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

pub(super) use touches::Touches;

/// A signed-in browser.
#[derive(Debug, Clone)]
pub struct Session {
    /// sha256 of what the browser holds.
    pub sha256: String,
    /// Who.
    pub user: User,
    /// What a changing request must carry beside the cookie.
    pub csrf: String,
    /// When it was last used, to the minute.
    pub seen_at: UnixMs,
    /// When what the browser holds was last changed.
    pub rotated_at: UnixMs,
    /// When it ends, used or not.
    pub expires_at: UnixMs,
}

/// What a program may do with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read meetings and export them.
    Read,
    /// Upload, recognise and edit, too.
    Write,
    /// Whatever the person's role allows.
    Administer,
}

/// A program's token, without the secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Token {
    /// Its name inside the product.
    pub id: Id,
    /// What the person calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
    /// When it ends.
    #[schema(value_type = Option<i64>)]
    pub expires_at: Option<UnixMs>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<i64>)]
    pub used_at: Option<UnixMs>,
}

const SESSION: &str = "SELECT s.sha256, s.csrf, s.seen_at, s.rotated_at, s.expires_at, u.id, u.login, u.name, \
                       u.department_id, u.role, u.password_expired, u.locked_until, u.disabled_at, u.room FROM sessions s \
                       JOIN users u ON u.id = s.user_id WHERE s.sha256 = $1";

impl Store {
    /// Signs a person in: failures are forgotten, the session begins.
    pub async fn begin_session(
        &self,
        session: &Session,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run(
            "INSERT INTO sessions (sha256, user_id, csrf, address, created_at, seen_at, rotated_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $5, $5, $6)",
            values![
                &session.sha256,
                session.user.id,
                &session.csrf,
                &actor.address,
                now,
                session.expires_at
            ],
        )
        .await?;
        tx.run("UPDATE users SET failures = 0, locked_until = NULL WHERE id = $1", values![session.user.id])
            .await?;
        // What ended long ago is swept here: there is no better moment, and nothing depends on it.
        tx.run("DELETE FROM sessions WHERE expires_at < $1", values![now]).await?;
        tx.audit(Entry::done(actor, now, "session.begin", session.user.id)).await?;
        tx.commit().await
    }

    /// Returns a session with its person; the caller judges whether it still counts.
    pub async fn session(&self, sha256: &str) -> Result<Option<Session>, StoreError> {
        let row = self.database.row(SESSION, values![sha256]).await?;
        row.map(|row| {
            Ok(Session {
                sha256: row.text(0)?,
                csrf: row.text(1)?,
                seen_at: row.at(2)?,
                rotated_at: row.at(3)?,
                expires_at: row.at(4)?,
                user: User::from_row(&row, 5)?,
            })
        })
        .transpose()
    }

    /// Gives a session a new secret; the old one works until `grace_until`, for requests that are under way.
    pub async fn rotate_session(
        &self,
        old: &str,
        new: &str,
        grace_until: UnixMs,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run(
            "INSERT INTO sessions (sha256, user_id, csrf, address, created_at, seen_at, rotated_at, expires_at) \
             SELECT $2, user_id, csrf, address, created_at, $3, $3, expires_at FROM sessions WHERE sha256 = $1",
            values![old, new, now],
        )
        .await?;
        tx.run(
            "UPDATE sessions SET expires_at = $2, rotated_at = $3 WHERE sha256 = $1",
            values![old, grace_until, now],
        )
        .await?;
        tx.commit().await
    }

    /// Signs out.
    pub async fn end_session(&self, session: &Session, actor: &Actor, now: UnixMs) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.run(
            "DELETE FROM sessions WHERE user_id = $1 AND csrf = $2",
            values![session.user.id, &session.csrf],
        )
        .await?;
        tx.audit(Entry::done(actor, now, "session.end", session.user.id)).await?;
        tx.commit().await
    }

    /// Makes a program's token, unless the person has `tokens_max` that work; tells whether it was made.
    pub async fn add_token(
        &self,
        user: Id,
        token: &Token,
        sha256: &str,
        tokens_max: u32,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let scopes = serde_json::json!(token.scopes).to_string();
        let mut tx = self.write().await?;
        let sql = "SELECT COUNT(*) FROM tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2";
        let count = tx.row(sql, values![user, now]).await?.map_or(Ok(0), |row| row.count(0))?;
        if count >= u64::from(tokens_max) {
            return Ok(false);
        }
        tx.run(
            "INSERT INTO tokens (id, user_id, name, sha256, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, \
             $5, $6, $7)",
            values![token.id, user, &token.name, sha256, &scopes, now, token.expires_at],
        )
        .await?;
        let detail = serde_json::json!({ "scopes": token.scopes });
        tx.audit(Entry::done(actor, now, "token.create", token.id).with(detail)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns a person's tokens that were not revoked, newest first.
    pub async fn tokens(&self, user: Id) -> Result<Vec<Token>, StoreError> {
        let sql = "SELECT id, name, scopes, created_at, expires_at, used_at FROM tokens WHERE user_id = $1 AND \
                   revoked_at IS NULL ORDER BY created_at DESC LIMIT 1000";
        let rows = self.database.rows(sql, values![user]).await?;
        rows.iter().map(|row| token(row, 0)).collect()
    }

    /// Returns the token with this hash and its person, unless it was revoked.
    pub async fn token(&self, sha256: &str) -> Result<Option<(Token, User)>, StoreError> {
        let sql = "SELECT t.id, t.name, t.scopes, t.created_at, t.expires_at, t.used_at, u.id, u.login, u.name, \
                   u.department_id, u.role, u.password_expired, u.locked_until, u.disabled_at, u.room FROM tokens t JOIN \
                   users u ON u.id = t.user_id WHERE t.sha256 = $1 AND t.revoked_at IS NULL";
        let row = self.database.row(sql, values![sha256]).await?;
        row.map(|row| Ok((token(&row, 0)?, User::from_row(&row, 6)?))).transpose()
    }

    /// Revokes a person's token; tells whether there was one.
    pub async fn revoke_token(
        &self,
        user: Id,
        id: Id,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let changed = tx
            .run(
                "UPDATE tokens SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
                values![id, user, now],
            )
            .await?;
        if changed > 0 {
            tx.audit(Entry::done(actor, now, "token.revoke", id)).await?;
            tx.commit().await?;
        }
        Ok(changed > 0)
    }
}

fn token(row: &Row, first: usize) -> Result<Token, StoreError> {
    Ok(Token {
        id: row.id(first)?,
        name: row.text(first + 1)?,
        scopes: row.json(first + 2)?,
        created_at: row.at(first + 3)?,
        expires_at: row.at_or_none(first + 4)?,
        used_at: row.at_or_none(first + 5)?,
    })
}

impl Token {
    /// Makes a token that is about to be kept.
    pub fn new(name: &str, scopes: Vec<Scope>, expires_at: Option<UnixMs>, now: UnixMs) -> Self {
        Self { id: Id::new(), name: name.to_owned(), scopes, created_at: now, expires_at, used_at: None }
    }
}
