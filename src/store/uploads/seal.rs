//! An upload that is whole becomes a recording: once, whatever breaks off in between.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{State, Upload};
use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry, hex};
use crate::store::blobs::{BlobError, BlobKey, Blobs, Sealed};
use crate::store::dialect::{Row, Tx, values};
use crate::store::jobs::{NewJob, Priority};
use crate::store::meetings::NewMeeting;
use crate::store::recordings::NewRecording;
use crate::store::staging::{Hold, Staging};
use crate::store::{Id, Store, StoreError};

/// As much of a recording as its kind is told by.
const HEAD_BYTES: u64 = 4_096;
/// What an unknown kind is called.
const UNKNOWN: &str = "application/octet-stream";

/// What an upload has become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// The meeting, made for it or there before.
    pub meeting: Option<Id>,
    /// The recording.
    pub recording: Id,
    /// The job that recognises it.
    pub job: Option<Id>,
    /// Hash of its bytes, lower-case hexadecimal.
    pub sha256: String,
}

/// Why an upload could not be sealed now; its bytes are where they were.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The database or the folder of uploads.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store of audio.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

const RECORDED: &str = "SELECT r.meeting_id, r.id, \
     (SELECT j.id FROM jobs j WHERE j.recording_id = r.id ORDER BY j.created_at, j.id LIMIT 1), r.sha256 \
     FROM recordings r WHERE r.upload_id = $1";

impl Recorded {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            meeting: row.id_or_none(0)?,
            recording: row.id(1)?,
            job: row.id_or_none(2)?,
            sha256: row.text(3)?,
        })
    }
}

impl Store {
    /// Returns what an upload has become; nothing if it is not done.
    pub async fn recorded(&self, upload: Id) -> Result<Option<Recorded>, StoreError> {
        let row = self.database.row(RECORDED, values![upload]).await?;
        row.map(|row| Recorded::from_row(&row)).transpose()
    }

    /// Makes a recording of an upload that is whole: its bytes move into the store of audio, then recording, meeting
    /// and job are written in one transaction. Doing it again after any interruption finds what was done.
    ///
    /// Errors: see [`SealError`]; the upload stays whole and can be sealed later.
    pub async fn seal_upload(
        &self,
        staging: &Staging,
        blobs: &Blobs,
        hold: &Hold,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Recorded, SealError> {
        if let Some(recorded) = self.recorded(hold.id()).await? {
            return Ok(recorded);
        }
        let upload = self.upload(hold.id()).await?.filter(|upload| upload.state == State::Sealing);
        let upload = upload.ok_or_else(|| damaged(hold.id(), "is not whole"))?;
        let key: BlobKey = format!("audio/{}", upload.id).parse()?;
        let sealed = blobs.seal(&staging.path(upload.id), &key, None).await?;
        if sealed.bytes != upload.bytes_total {
            return Err(damaged(upload.id, "has another length on the disk").into());
        }
        let mime = media_type(blobs, &key).await?;
        Ok(self.record(&upload, &key, sealed, mime, actor, now).await?)
    }

    async fn record(
        &self,
        upload: &Upload,
        key: &BlobKey,
        sealed: Sealed,
        mime: &str,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Recorded, StoreError> {
        let mut tx = self.write().await?;
        let meeting = match upload.meeting {
            Some(meeting) => tx.touch_meeting(meeting, now).await?,
            None => tx.add_meeting(&new_meeting(upload), actor, now).await?,
        };
        let new = NewRecording {
            meeting: Some(meeting),
            user: upload.user,
            upload: Some(upload.id),
            blob: key.to_string(),
            bytes: sealed.bytes,
            sha256: hex(&sealed.sha256),
            file_name: upload.file_name.clone(),
            mime: mime.to_owned(),
        };
        // Whoever comes second breaks here, on the upload's name, and changes nothing.
        let recording = tx.add_recording(&new, now).await?;
        let job = NewJob {
            meeting: Some(meeting),
            recording,
            user: upload.user,
            settings: upload.plan.settings,
            priority: Priority::Normal,
        };
        let job = tx.enqueue(&job, actor, now).await?;
        let sql = "UPDATE uploads SET state = 'done', meeting_id = $2, touched_at = $3 WHERE id = $1";
        tx.run(sql, values![upload.id, meeting, now]).await?;
        let detail = serde_json::json!({ "upload": upload.id, "bytes": new.bytes, "sha256": new.sha256 });
        tx.audit(Entry::done(actor, now, "recording.create", recording).on(meeting).with(detail)).await?;
        tx.commit().await?;
        Ok(Recorded { meeting: Some(meeting), recording, job: Some(job), sha256: new.sha256 })
    }

    /// Goes on where the server before was interrupted: what is whole is sealed, what came in one request that broke
    /// off is given up, and files of uploads that were given up are removed.
    ///
    /// Errors: the database or the folder; an upload that cannot be sealed now is told in the log and stays.
    pub async fn resume_sealing(
        &self,
        staging: &Staging,
        blobs: &Blobs,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        for upload in self.uploads_in(State::AtOnce, UnixMs::from_ms(i64::MAX)).await? {
            // One that is held comes to this server at this moment.
            if let Some(hold) = staging.hold(upload.id) {
                self.remove_upload(upload.id, &Actor::server(), now).await?;
                staging.remove(&hold).await?;
            }
        }
        for id in staging.list().await? {
            let Some(hold) = staging.hold(id) else { continue };
            match self.upload(id).await?.map(|upload| upload.state) {
                Some(State::Removed) => staging.remove(&hold).await?,
                Some(_) => {}
                None => {
                    tracing::warn!(upload = %id, "a file among the uploads belongs to none; it is left alone")
                }
            }
        }
        for upload in self.unsealed_uploads().await? {
            let Some(hold) = staging.hold(upload.id) else { continue };
            let actor = Actor { user: Some(upload.user), ..Actor::server() };
            if let Err(error) = self.seal_upload(staging, blobs, &hold, &actor, now).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(upload = %upload.id, error, "an upload cannot be sealed now; its bytes are kept");
            }
        }
        Ok(())
    }

    /// Gives up uploads that are not whole and rested since before `rested_since`, and returns how many.
    ///
    /// The mark 期限切れ removes nothing; this is for whoever keeps the rules of retention, a long time after it.
    pub async fn remove_rested_uploads(
        &self,
        staging: &Staging,
        rested_since: UnixMs,
        now: UnixMs,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        for upload in self.uploads_in(State::Receiving, rested_since).await? {
            let Some(hold) = staging.hold(upload.id) else { continue };
            if self.remove_upload(upload.id, &Actor::server(), now).await? {
                staging.remove(&hold).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Tx {
    /// Moves a meeting up in the lists.
    async fn touch_meeting(&mut self, meeting: Id, now: UnixMs) -> Result<Id, StoreError> {
        self.run("UPDATE meetings SET updated_at = $2 WHERE id = $1", values![meeting, now]).await?;
        Ok(meeting)
    }
}

fn new_meeting(upload: &Upload) -> NewMeeting {
    let plan = &upload.plan;
    NewMeeting {
        title: plan.title.clone(),
        department: plan.department,
        owner: upload.user,
        sensitivity: plan.sensitivity,
        held_on: plan.held_on.clone(),
        template: plan.template,
        sample: false,
    }
}

fn damaged(id: Id, what: &str) -> StoreError {
    StoreError::Damaged { what: format!("the upload {id} {what}") }
}

/// Tells what kind of file a blob is by its first bytes; what the client said decides nothing.
async fn media_type(blobs: &Blobs, key: &BlobKey) -> Result<&'static str, BlobError> {
    use futures_util::StreamExt as _;
    let mut head = Vec::new();
    let mut reading = blobs.read(key, Some(0..HEAD_BYTES)).await?;
    while let Some(piece) = reading.pieces.next().await {
        head.extend_from_slice(&piece?);
    }
    Ok(crate::audio::decode::media_type(&head).unwrap_or(UNKNOWN))
}
