//! Where uploads are begun, received and sealed, by tus and by plain requests alike.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;

use super::super::Shared;
use super::super::auth::Caller;
use super::super::error::{Code, Problem};
use super::super::tus::{self, Checksum};
use super::wish::Wish;
use super::{UPLOAD_EXPIRES, UPLOAD_OFFSET, number};
use crate::store::staging::Hold;
use crate::store::uploads::{
    Begun, Digest, End, NewUpload, Received, Recorded, State, UNFINISHED_MAX, Upload,
};

/// For how long an upload that moved is believed to come at full length.
const MOVING: Duration = Duration::from_secs(3600);

/// Lets an upload begin if the disk has room for it and for those under way.
///
/// Errors: [`Code::StorageFull`].
pub(crate) async fn admit(app: &Shared, bytes: u64) -> Result<(), Problem> {
    let floor = app.settings.uploads.disk_free_bytes_min;
    if floor == 0 {
        return Ok(());
    }
    let free = app.staging.free_bytes()?.min(app.blobs.free_bytes()?.unwrap_or(u64::MAX));
    let to_come = app.store.bytes_to_come(app.now().minus(MOVING)).await?;
    if free < floor.saturating_add(to_come).saturating_add(bytes) {
        return Err(Problem::new(Code::StorageFull).with(serde_json::json!({ "bytes": bytes })));
    }
    Ok(())
}

/// Begins an upload.
///
/// Errors: [`Code::QuotaReached`].
pub(crate) async fn begin(
    app: &Shared,
    caller: &Caller,
    wish: Wish,
    bytes_total: u64,
    metadata: String,
    at_once: bool,
) -> Result<Upload, Problem> {
    let (now, limits) = (app.now(), &app.settings.uploads);
    let new = NewUpload {
        user: caller.user.id,
        meeting: wish.meeting,
        bytes_total,
        file_name: wish.file_name,
        mime: wish.mime,
        metadata,
        plan: wish.plan,
        at_once,
        expires_at: now.plus(limits.unfinished),
    };
    match app.store.add_upload(&new, limits.per_user_bytes_max, &caller.actor, now).await? {
        Begun::Upload(upload) => Ok(*upload),
        Begun::OverQuota { bytes_used } => {
            let facts = serde_json::json!({
                "bytes": bytes_total, "bytes_used": bytes_used, "bytes_max": limits.per_user_bytes_max
            });
            Err(Problem::new(Code::QuotaReached).with(facts))
        }
        Begun::TooMany => {
            Err(Problem::new(Code::QuotaReached).about(format!("途中の取込は {UNFINISHED_MAX} 件まで")))
        }
    }
}

/// Returns the upload with as many bytes as its file really has, should the disk have lost some.
pub(super) async fn true_offset(app: &Shared, hold: &Hold, mut upload: Upload) -> Result<Upload, Problem> {
    if upload.state != State::Receiving {
        return Ok(upload);
    }
    let there = app.staging.bytes(upload.id).await?;
    if there < upload.bytes_stored {
        tracing::error!(upload = %hold.id(), there, stored = upload.bytes_stored, "the disk lost bytes of an upload");
        app.store.set_upload_offset(upload.id, there, upload.expires_at, app.now()).await?;
        upload.bytes_stored = there;
    }
    Ok(upload)
}

/// Receives a part in a task of its own, and seals the upload after its last byte.
///
/// Errors: what became of the part, if not all of it was taken; what was taken is stored.
pub(super) async fn receive(
    app: &Shared,
    caller: &Caller,
    hold: Hold,
    upload: Upload,
    body: Body,
    checksum: Option<Checksum>,
) -> Result<HeaderMap, Problem> {
    let expected = checksum.map(|checksum| match checksum {
        Checksum::Sha1(sha1) => Digest::Sha1(sha1),
        Checksum::Sha256(sha256) => Digest::Sha256(sha256),
    });
    let (app, caller) = (app.clone(), caller.clone());
    let receiving = tokio::spawn(async move {
        let time = || (app.now(), app.now().plus(app.settings.uploads.unfinished));
        let body = body.into_data_stream();
        let received = app.store.receive(&app.staging, &hold, &upload, body, expected, time).await?;
        if received.offset == upload.bytes_total {
            seal(&app, &caller, &hold).await?;
        } else {
            refuse(received)?;
        }
        let mut answer = HeaderMap::new();
        answer.insert(UPLOAD_OFFSET, number(received.offset));
        if received.offset < upload.bytes_total {
            answer.insert(UPLOAD_EXPIRES, number(tus::expires(time().1.ms())));
        }
        Ok(answer)
    });
    receiving.await.map_err(|_| Problem::new(Code::Internal))?
}

/// Says why a part was not taken as a whole.
pub(crate) fn refuse(received: Received) -> Result<(), Problem> {
    let code = match received.end {
        End::Whole => return Ok(()),
        End::Broken => Code::UploadStalled,
        End::TakenOver => Code::UploadLocked,
        End::TooLong => Code::UploadTooLarge,
        End::Mismatch => Code::ChecksumMismatch,
        End::Full => Code::StorageFull,
    };
    Err(Problem::new(code).with(serde_json::json!({ "offset": received.offset })))
}

/// Makes a recording of an upload that is whole, in a task of its own.
///
/// Errors: why not now; its bytes are kept, and it is tried again when somebody asks or the server starts.
pub(crate) async fn sealed(app: &Shared, caller: &Caller, hold: Hold) -> Result<Recorded, Problem> {
    let (app, caller) = (app.clone(), caller.clone());
    let sealing = tokio::spawn(async move { seal(&app, &caller, &hold).await });
    sealing.await.map_err(|_| Problem::new(Code::Internal))?
}

async fn seal(app: &Shared, caller: &Caller, hold: &Hold) -> Result<Recorded, Problem> {
    Ok(app.store.seal_upload(&app.staging, &app.blobs, hold, &caller.actor, app.now()).await?)
}

/// Takes up the sealing of an upload that is whole, if nobody is at it.
pub(super) fn go_on_sealing(app: &Shared, caller: &Caller, upload: &Upload) {
    if upload.state != State::Sealing {
        return;
    }
    let Some(hold) = app.staging.hold(upload.id) else { return };
    let (app, caller) = (app.clone(), caller.clone());
    tokio::spawn(async move {
        // Why it failed is in the log; the upload stays whole.
        seal(&app, &caller, &hold).await.ok();
    });
}

/// Goes on with what the server before could not finish.
pub async fn resume(app: Shared) {
    if let Err(error) = app.store.resume_sealing(&app.staging, &app.blobs, app.now()).await {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "uploads of the run before could not be finished");
    }
}
