//! What a department allows about voices.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry};
use crate::store::dialect::{Row, Tx, values};
use crate::store::{Id, Store, StoreError};

/// Most days that a voice is kept without the person's renewed consent: three years.
pub const KEEP_DAYS_MAX: u32 = 1_096;
/// Days for which it is kept unless the department says otherwise.
const KEEP_DAYS: u32 = 365;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether a department remembers voices, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoiceRules {
    /// Whether voices may be taken and compared with meetings.
    pub enabled: bool,
    /// Whether the server learns from meetings that people corrected and made final.
    #[serde(default)]
    pub learning: bool,
    /// For how many days a voice is kept without renewed consent, 1 to 1,096.
    #[serde(default = "keep_days")]
    pub keep_days: u32,
}

const fn keep_days() -> u32 {
    KEEP_DAYS
}

impl Default for VoiceRules {
    fn default() -> Self {
        Self { enabled: false, learning: false, keep_days: KEEP_DAYS }
    }
}

impl VoiceRules {
    /// Returns when a voice leaves to which somebody agrees now.
    pub(super) fn expiry(&self, now: UnixMs) -> UnixMs {
        now.plus(self.keep_days * DAY)
    }

    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let keep_days = u32::try_from(row.int(1)?).unwrap_or(KEEP_DAYS);
        Ok(Self { learning: row.flag(0)?, keep_days, enabled: row.int_or_none(2)?.is_none() })
    }
}

const RULES: &str = "SELECT learning, keep_days, switched_off_at FROM voice_rules WHERE department_id = $1";

impl Store {
    /// Returns what a department allows: nothing until it is switched on.
    pub async fn voice_rules(&self, department: Id) -> Result<VoiceRules, StoreError> {
        let row = self.database.row(RULES, values![department]).await?;
        row.map_or(Ok(VoiceRules::default()), |row| VoiceRules::from_row(&row))
    }

    /// Writes what a department allows. Switched off, nothing is taken or compared from this moment on; what is
    /// remembered is erased after [`SWITCHED_OFF_KEPT`](super::erase::SWITCHED_OFF_KEPT).
    pub async fn set_voice_rules(
        &self,
        department: Id,
        rules: VoiceRules,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let off_at = (!rules.enabled).then_some(now);
        tx.run(
            "INSERT INTO voice_rules (department_id, learning, keep_days, switched_off_at) VALUES ($1, $2, $3, $4) ON \
             CONFLICT (department_id) DO UPDATE SET learning = excluded.learning, keep_days = excluded.keep_days, \
             switched_off_at = CASE WHEN excluded.switched_off_at IS NULL THEN NULL ELSE \
             COALESCE(voice_rules.switched_off_at, excluded.switched_off_at) END",
            values![department, rules.learning, rules.keep_days, off_at],
        )
        .await?;
        let facts = serde_json::json!(rules);
        tx.audit(Entry::done(actor, now, "voice.rules", department).with(facts)).await?;
        tx.commit().await
    }
}

impl Tx {
    pub(super) async fn voice_rules(&mut self, department: Id) -> Result<VoiceRules, StoreError> {
        let row = self.row(RULES, values![department]).await?;
        row.map_or(Ok(VoiceRules::default()), |row| VoiceRules::from_row(&row))
    }
}
