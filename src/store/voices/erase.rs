//! Voices erased, and the proof of it.
//!
//! The row goes and the record is written in one transaction; then the key is destroyed, and the record is complete.
//! Whoever was interrupted destroys the key again: that is harmless.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{SEALED_ONE, Voice};
use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry, hex};
use crate::store::dialect::{Row, Tx, values};
use crate::store::{Id, Store, StoreError};

/// How long voices wait after their department was switched off: somebody may have switched the wrong one.
pub const SWITCHED_OFF_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How a voice is destroyed, as the record says it.
const METHOD: &str = "暗号鍵の廃棄とデータベースの上書き消去(バックアップ内の写しも復号できません)";
/// Most voices erased in one pass.
const ERASED_MAX: u32 = 500;

/// Why a voice was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasedBecause {
    /// Somebody asked for it.
    Asked,
    /// It was kept for as long as the person agreed to.
    Expired,
    /// The person's account was closed.
    Left,
    /// The department was switched off.
    SwitchedOff,
}

/// The proof that a voice was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoiceErasure {
    /// 管理番号
    pub id: Id,
    /// The voice.
    pub voice: Id,
    /// The department that remembered it.
    pub department: Id,
    /// 氏名
    pub name: String,
    /// The account of the person, if they had one.
    pub user: Option<Id>,
    /// Why.
    pub because: ErasedBecause,
    /// Bytes that were erased, encrypted as they were.
    pub bytes: u64,
    /// sha256 of them.
    pub sha256: String,
    /// 方式
    pub method: String,
    /// 実施者; none if the server did it by itself.
    pub by: Option<Id>,
    /// When it was begun.
    #[schema(value_type = i64)]
    pub begun_at: UnixMs,
    /// Number of the line of the audit log that says so.
    pub audit_seq: u64,
    /// When its key was destroyed; none while that waits for the disk.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub erased_at: Option<UnixMs>,
}

/// Who erases, when and why.
#[derive(Clone, Copy)]
pub(in crate::store) struct Wish<'a> {
    pub(in crate::store) because: ErasedBecause,
    pub(in crate::store) actor: &'a Actor,
    pub(in crate::store) now: UnixMs,
}

const RECORDS: &str = "SELECT record, erased_at FROM voice_erasures WHERE department_id = $1 ORDER BY begun_at DESC, id \
                       DESC LIMIT 1000";

impl VoiceErasure {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { erased_at: row.at_or_none(1)?, ..row.json(0)? })
    }
}

impl Store {
    /// Erases a voice and returns the proof; `None` if it is not remembered.
    pub async fn erase_voice(
        &self,
        id: Id,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Option<VoiceErasure>, StoreError> {
        let mut tx = self.write().await?;
        let wish = Wish { because: ErasedBecause::Asked, actor, now };
        let Some(erasure) = tx.erase_voice(id, wish).await? else { return Ok(None) };
        tx.commit().await?;
        self.destroy_voice_keys(now).await?;
        let sql = "SELECT record, erased_at FROM voice_erasures WHERE id = $1";
        let row = self.database.row(sql, values![erasure.id]).await?;
        row.map(|row| VoiceErasure::from_row(&row)).transpose()
    }

    /// Erases what is due: what expired, and what a department no longer remembers. Returns how many.
    pub async fn erase_due_voices(&self, now: UnixMs) -> Result<u32, StoreError> {
        let sql = "SELECT v.id, CAST(CASE WHEN v.expires_at <= $1 THEN 1 ELSE 0 END AS BIGINT) FROM voices v LEFT JOIN voice_rules r ON \
                   r.department_id = v.department_id WHERE v.expires_at <= $1 OR r.switched_off_at <= $2 ORDER BY \
                   v.expires_at, v.id LIMIT $3";
        let due = self.database.rows(sql, values![now, now.minus(SWITCHED_OFF_KEPT), ERASED_MAX]).await?;
        let (server, mut erased) = (Actor::server(), 0);
        for row in due {
            let because = if row.flag(1)? { ErasedBecause::Expired } else { ErasedBecause::SwitchedOff };
            let mut tx = self.write().await?;
            let wish = Wish { because, actor: &server, now };
            erased += u32::from(tx.erase_voice(row.id(0)?, wish).await?.is_some());
            tx.commit().await?;
        }
        self.destroy_voice_keys(now).await?;
        Ok(erased)
    }

    /// Destroys the keys of erased voices that are still there, and completes the proofs; a program that was not told
    /// where keys are leaves both to the server.
    pub async fn destroy_voice_keys(&self, now: UnixMs) -> Result<(), StoreError> {
        let Some(vault) = self.vault.get() else { return Ok(()) };
        let sql =
            "SELECT id, voice_id FROM voice_erasures WHERE erased_at IS NULL ORDER BY begun_at LIMIT $1";
        let rows = self.database.rows(sql, values![ERASED_MAX]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            vault.destroy(row.id(1)?)?;
            let mut tx = self.write().await?;
            let sql = "UPDATE voice_erasures SET erased_at = $2 WHERE id = $1 AND erased_at IS NULL";
            tx.run(sql, values![row.id(0)?, now]).await?;
            tx.commit().await?;
        }
        self.database.tidy().await
    }

    /// Returns the proofs of a department's erased voices, the newest first; at most 1,000.
    pub async fn voice_erasures(&self, department: Id) -> Result<Vec<VoiceErasure>, StoreError> {
        let rows = self.database.rows(RECORDS, values![department]).await?;
        rows.iter().map(VoiceErasure::from_row).collect()
    }
}

impl Tx {
    /// Removes a voice's row and writes the record; the key is destroyed after the commit.
    pub(in crate::store) async fn erase_voice(
        &mut self,
        id: Id,
        wish: Wish<'_>,
    ) -> Result<Option<VoiceErasure>, StoreError> {
        let Some(row) = self.row(SEALED_ONE, values![id]).await? else { return Ok(None) };
        let (voice, sealed) = (Voice::from_row(&row)?, row.text(10)?);
        if self.run("DELETE FROM voices WHERE id = $1", values![id]).await? == 0 {
            return Ok(None);
        }
        let facts = serde_json::json!({ "because": wish.because, "department": voice.department });
        let line = Entry::done(wish.actor, wish.now, "voice.erase", id).with(facts);
        let audit_seq = self.audit_numbered(line).await?;
        let erasure = VoiceErasure {
            id: Id::new(),
            voice: id,
            department: voice.department,
            name: voice.name,
            user: voice.user,
            because: wish.because,
            bytes: sealed.len() as u64,
            sha256: hex(&Sha256::digest(sealed.as_bytes())),
            method: METHOD.to_owned(),
            by: wish.actor.user,
            begun_at: wish.now,
            audit_seq,
            erased_at: None,
        };
        let sql = "INSERT INTO voice_erasures (id, voice_id, department_id, record, begun_at) VALUES ($1, $2, $3, $4, $5)";
        let record = serde_json::json!(erasure).to_string();
        self.run(sql, values![erasure.id, id, voice.department, record, wish.now]).await?;
        Ok(Some(erasure))
    }

    /// Removes the voices of a person whose account is closed.
    pub(in crate::store) async fn erase_voices_of(
        &mut self,
        user: Id,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let wish = Wish { because: ErasedBecause::Left, actor, now };
        for row in self.rows("SELECT id FROM voices WHERE user_id = $1 ORDER BY id", values![user]).await? {
            self.erase_voice(row.id(0)?, wish).await?;
        }
        Ok(())
    }
}
