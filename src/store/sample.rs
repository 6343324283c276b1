//! The meeting that comes with the product: a newcomer sees finished minutes with their sound at once.

use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::audit::{Actor, Entry, hex};
use super::blobs::{BlobKey, Blobs};
use super::dialect::values;
use super::minutes::EditionKind;
use super::recordings::NewRecording;
use super::users::User;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;

/// Six minutes with five synthetic voices, see models/sample/README.md.
const AUDIO: &[u8] = include_bytes!("../../tests/fixtures/audio/sample_meeting.ogg");
const MINUTES: &str = include_str!("../../models/sample/minutes.json");
/// How long it is.
const DURATION_MS: u64 = 351_000;

impl Store {
    /// Gives a person the sample meeting, its audio sealed by way of the folder `staging`; returns its name.
    ///
    /// Errors: the disk or the database refuses; the person then simply has no sample.
    pub async fn add_sample(
        &self,
        (blobs, staging): (&Blobs, &Path),
        user: &User,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Id, StoreError> {
        let minutes = super::minutes::read(MINUTES)?;
        let meeting = Id::new();
        let key = format!("sample-{meeting}.ogg");
        seal(blobs, &key, staging).await?;
        let field = |field| minutes.header.get(&field).cloned().unwrap_or_default();
        let title = field(crate::minutes::HeaderField::Title);
        let mut tx = self.write().await?;
        tx.run(
            "INSERT INTO meetings (id, title, department_id, owner_id, sensitivity, state, held_on, created_at, \
             updated_at, sample) VALUES ($1, $2, $3, $4, 'internal', 'drafting', $5, $6, $6, 1)",
            values![
                meeting,
                &title,
                user.department,
                user.id,
                field(crate::minutes::HeaderField::HeldOn),
                now
            ],
        )
        .await?;
        tx.index_title(meeting, &title).await?;
        let new = NewRecording {
            meeting: Some(meeting),
            user: user.id,
            upload: None,
            blob: key,
            bytes: AUDIO.len() as u64,
            sha256: hex(&Sha256::digest(AUDIO)),
            file_name: "見本の会議.ogg".to_owned(),
            mime: "audio/ogg".to_owned(),
        };
        let recording = tx.add_recording(&new, now).await?;
        let sql = "UPDATE recordings SET duration_ms = $2 WHERE id = $1";
        tx.run(sql, values![recording, DURATION_MS]).await?;
        tx.begin_minutes(meeting, (&minutes, EditionKind::Kept), actor, now).await?;
        tx.audit(Entry::done(actor, now, "meeting.create", meeting).on(meeting)).await?;
        tx.commit().await?;
        Ok(meeting)
    }
}

/// Puts the sample's audio where all audio is.
async fn seal(blobs: &Blobs, key: &str, staging: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::io(staging, error);
    let mut staged = tempfile::NamedTempFile::new_in(staging).map_err(io)?;
    staged.write_all(AUDIO).map_err(io)?;
    let staged = staged.into_temp_path();
    let key: BlobKey = key.parse().expect("a UUID and an ending are a key");
    let sealed = blobs.seal(&staged, &key, None).await;
    sealed.map(drop).map_err(|error| StoreError::Database(Box::new(error)))
}
