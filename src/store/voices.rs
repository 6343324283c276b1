//! Voices of people who agreed that the server remembers them: off until an administrator switches a department on.
//!
//! A voiceprint is personal data. Its row holds ciphertext; its key lies in the vault, outside of every backup. It is
//! erased by destroying the key: on a person's wish, when it expires, when the account is closed, and a while after the
//! department was switched off. The record of that stays.
//!
//! ```text
//! voiceprint ─key of its own─► row (in backups)         erase: row removed + record ─► key destroyed ─► erased_at
//!                 └──────────► vault (in no backup)
//! ```

mod erase;
mod lessons;
mod rules;
mod vault;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::minutes::consistency::name_key;
use crate::speech::voiceprint::{Piece, Voiceprint};

pub use erase::{ErasedBecause, VoiceErasure};
pub use lessons::Lesson;
pub use rules::{KEEP_DAYS_MAX, VoiceRules};
pub(super) use vault::Vault;

/// Name of the network whose voices are kept, in the manifest of models.
pub const VOICE_MODEL: &str = "ge2e";
/// Most voices of one department.
pub const VOICES_MAX: u64 = 500;

/// How a person agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentWay {
    /// The person themselves, signed in.
    InPerson,
    /// 書面: a colleague confirms that the signed paper is kept.
    Paper,
}

/// That a person agreed, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// The version of the words they agreed to.
    pub wording: String,
    /// How.
    pub way: ConsentWay,
    /// Who wrote it down.
    pub recorded_by: Id,
    /// When.
    #[schema(value_type = i64)]
    pub at: UnixMs,
}

/// A voice that is remembered, without the voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Voice {
    /// Its name inside the product.
    pub id: Id,
    /// The department that remembers it.
    pub department: Id,
    /// The account of the person, if they have one.
    pub user: Option<Id>,
    /// 氏名, as it is written into minutes.
    pub name: String,
    /// That the person agreed.
    pub consent: Consent,
    /// On how many occasions it was heard.
    pub pieces: u64,
    /// When it was first taken.
    #[schema(value_type = i64)]
    pub created_at: UnixMs,
    /// When something was last learned from a corrected meeting.
    #[schema(value_type = Option<i64>)]
    pub learned_at: Option<UnixMs>,
    /// When it was last compared with a meeting.
    #[schema(value_type = Option<i64>)]
    pub used_at: Option<UnixMs>,
    /// When it is erased unless the person agrees anew.
    #[schema(value_type = i64)]
    pub expires_at: UnixMs,
}

/// A voice to be remembered.
pub struct NewVoice<'a> {
    /// The department.
    pub department: Id,
    /// The account of the person, if they have one.
    pub user: Option<Id>,
    /// 氏名
    pub name: &'a str,
    /// That the person agreed.
    pub consent: Consent,
    /// The network that heard it: voices of another one cannot be compared.
    pub model: &'a str,
    /// The voice.
    pub print: &'a Voiceprint,
}

/// What became of a wish to remember a voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// It is remembered.
    Done(Voice),
    /// The department remembers no voices.
    Off,
    /// The department remembers as many as may be.
    Full,
}

const VOICE: &str = "SELECT id, department_id, user_id, name, consent, pieces, created_at, learned_at, used_at, expires_at \
                     FROM voices WHERE id = $1";
const VOICES: &str = "SELECT id, department_id, user_id, name, consent, pieces, created_at, learned_at, used_at, \
                      expires_at FROM voices WHERE department_id = $1 ORDER BY name, id LIMIT 1000";
const SEALED: &str = "SELECT id, department_id, user_id, name, consent, pieces, created_at, learned_at, used_at, \
                      expires_at, sealed FROM voices WHERE department_id = $1 AND model = $2 AND expires_at > $3 ORDER BY \
                      name, id LIMIT 1000";
pub(super) const SEALED_ONE: &str = "SELECT id, department_id, user_id, name, consent, pieces, created_at, learned_at, \
                                     used_at, expires_at, sealed FROM voices WHERE id = $1";

impl Voice {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id(0)?,
            department: row.id(1)?,
            user: row.id_or_none(2)?,
            name: row.text(3)?,
            consent: row.json(4)?,
            pieces: row.count(5)?,
            created_at: row.at(6)?,
            learned_at: row.at_or_none(7)?,
            used_at: row.at_or_none(8)?,
            expires_at: row.at(9)?,
        })
    }
}

/// What a sealed voice is bound to: in another row, or under another department, it does not open.
fn bound(voice: Id, department: Id) -> Vec<u8> {
    format!("gijiroku voice {voice} {department}").into_bytes()
}

fn no_vault() -> StoreError {
    StoreError::Damaged { what: "the keys of voices have no folder".to_owned() }
}

fn no_seal() -> StoreError {
    StoreError::Damaged { what: "a voice cannot be sealed".to_owned() }
}

impl Store {
    /// Says where the keys of voices are kept; asked once, before anybody's voice is.
    ///
    /// Errors: the folder cannot be made.
    pub fn keep_voice_keys_in(&self, folder: &Path) -> Result<(), StoreError> {
        // A second answer would be the same folder: the first one stays.
        self.vault.set(Vault::open(folder)?).ok();
        Ok(())
    }

    /// Remembers a voice.
    ///
    /// Errors: [`StoreError::Taken`] if the department remembers somebody of this name.
    pub async fn add_voice(
        &self,
        new: &NewVoice<'_>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Enrolled, StoreError> {
        let vault = self.vault.get().ok_or_else(no_vault)?;
        let mut tx = self.write().await?;
        let rules = tx.voice_rules(new.department).await?;
        if !rules.enabled {
            return Ok(Enrolled::Off);
        }
        let sql = "SELECT COUNT(*) FROM voices WHERE department_id = $1";
        let count = tx.row(sql, values![new.department]).await?.map_or(Ok(0), |row| row.count(0))?;
        if count >= VOICES_MAX {
            return Ok(Enrolled::Full);
        }
        let voice = Voice {
            id: Id::new(),
            department: new.department,
            user: new.user,
            name: new.name.to_owned(),
            consent: new.consent.clone(),
            pieces: new.print.pieces() as u64,
            created_at: now,
            learned_at: None,
            used_at: None,
            expires_at: rules.expiry(now),
        };
        let key = vault.make(voice.id)?;
        let sealed = key.seal(&new.print.to_bytes(), &bound(voice.id, voice.department));
        let sealed = BASE64.encode(sealed.ok_or_else(no_seal)?);
        let kept = tx.insert_voice(&voice, new.model, &sealed, (actor, now)).await;
        let kept = match kept {
            Ok(()) => tx.commit().await,
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            vault.destroy(voice.id)?;
            return Err(error);
        }
        Ok(Enrolled::Done(voice))
    }

    /// Returns the voices that a department remembers, by name.
    pub async fn voices(&self, department: Id) -> Result<Vec<Voice>, StoreError> {
        let rows = self.database.rows(VOICES, values![department]).await?;
        rows.iter().map(Voice::from_row).collect()
    }

    /// Returns a voice that is remembered.
    pub async fn voice(&self, id: Id) -> Result<Option<Voice>, StoreError> {
        let row = self.database.row(VOICE, values![id]).await?;
        row.map(|row| Voice::from_row(&row)).transpose()
    }

    /// Returns the voices of a department that can be compared with those of a meeting: none if it is switched off.
    ///
    /// What cannot be opened is left out: its key stayed behind when a backup was restored, or it was tampered with.
    pub async fn voiceprints(
        &self,
        department: Id,
        model: &str,
        now: UnixMs,
    ) -> Result<Vec<(Voice, Voiceprint)>, StoreError> {
        if !self.voice_rules(department).await?.enabled {
            return Ok(Vec::new());
        }
        let rows = self.database.rows(SEALED, values![department, model, now]).await?;
        let mut found = Vec::new();
        for row in rows {
            let voice = Voice::from_row(&row)?;
            match self.opened(&voice, &row.text(10)?)? {
                Some(print) => found.push((voice, print)),
                None => tracing::warn!(voice.id = %voice.id, "a voice cannot be opened and is not compared"),
            }
        }
        Ok(found)
    }

    /// Writes down that voices were compared with a meeting's speakers, and how many of them were found.
    pub async fn voices_compared(
        &self,
        meeting: Id,
        compared: &[Id],
        named: usize,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for voice in compared {
            tx.run("UPDATE voices SET used_at = $2 WHERE id = $1", values![*voice, now]).await?;
        }
        let server = Actor::server();
        let facts = serde_json::json!({ "compared": compared.len(), "named": named });
        tx.audit(Entry::done(&server, now, "voice.use", meeting).on(meeting).with(facts)).await?;
        tx.commit().await
    }

    /// Adds what was heard of a person in a corrected meeting, or a new sample of theirs with their new consent. False
    /// if the voice is not remembered any more, or cannot be opened.
    pub async fn learn_voice(
        &self,
        id: Id,
        piece: Piece,
        consent: Option<&Consent>,
        (actor, now): (&Actor, UnixMs),
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        // Two that learn at once come one after the other.
        tx.run("UPDATE voices SET pieces = pieces WHERE id = $1", values![id]).await?;
        let Some(row) = tx.row(SEALED_ONE, values![id]).await? else { return Ok(false) };
        let voice = Voice::from_row(&row)?;
        let rules = tx.voice_rules(voice.department).await?;
        let is_allowed = rules.enabled && (consent.is_some() || rules.learning);
        let vault = self.vault.get().ok_or_else(no_vault)?;
        let (Some(mut print), true) = (self.opened(&voice, &row.text(10)?)?, is_allowed) else {
            return Ok(false);
        };
        print.learn(piece);
        let key = vault.key(id)?.ok_or_else(no_seal)?;
        let sealed = key.seal(&print.to_bytes(), &bound(id, voice.department)).ok_or_else(no_seal)?;
        let sql = "UPDATE voices SET sealed = $2, pieces = $3, learned_at = $4, consent = $5, expires_at = $6 WHERE \
                   id = $1";
        let agreed = serde_json::json!(consent.unwrap_or(&voice.consent)).to_string();
        // What the server learns by itself prolongs nothing: only the person's word does.
        let expires_at = consent.map_or(voice.expires_at, |_| rules.expiry(now));
        let pieces = print.pieces() as u64;
        tx.run(sql, values![id, BASE64.encode(sealed), pieces, now, agreed, expires_at]).await?;
        let event = if consent.is_some() { "voice.renew" } else { "voice.learn" };
        tx.audit(Entry::done(actor, now, event, id).with(serde_json::json!({ "pieces": pieces }))).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Opens a sealed voice; `None` if its key is not here or it does not open.
    fn opened(&self, voice: &Voice, sealed: &str) -> Result<Option<Voiceprint>, StoreError> {
        let vault = self.vault.get().ok_or_else(no_vault)?;
        let Some(key) = vault.key(voice.id)? else { return Ok(None) };
        let bytes = BASE64.decode(sealed).ok();
        let opened = bytes.and_then(|bytes| key.open(&bytes, &bound(voice.id, voice.department)));
        Ok(opened.and_then(|bytes| Voiceprint::from_bytes(&bytes)))
    }
}

impl Tx {
    async fn insert_voice(
        &mut self,
        voice: &Voice,
        model: &str,
        sealed: &str,
        (actor, now): (&Actor, UnixMs),
    ) -> Result<(), StoreError> {
        let consent = serde_json::json!(voice.consent).to_string();
        self.run(
            "INSERT INTO voices (id, department_id, user_id, name, name_key, consent, model, pieces, sealed, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            values![
                voice.id,
                voice.department,
                voice.user,
                &voice.name,
                name_key(&voice.name),
                consent,
                model,
                voice.pieces,
                sealed,
                voice.created_at,
                voice.expires_at
            ],
        )
        .await?;
        let facts = serde_json::json!({
            "department": voice.department, "user": voice.user, "wording": voice.consent.wording,
            "way": voice.consent.way, "expires_at": voice.expires_at
        });
        self.audit(Entry::done(actor, now, "voice.enrol", voice.id).with(facts)).await
    }
}
