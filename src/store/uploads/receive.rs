//! Bytes come in: written, brought onto the disk, and only then counted.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::Upload;
use crate::clock::UnixMs;
use crate::store::staging::{Hold, Part, Staging};
use crate::store::{Store, StoreError};

/// Bytes gathered before they are written.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes after which those before are brought onto the disk and counted: as much is lost at most by a crash.
const STEP_BYTES: u64 = 16 << 20;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// What the bytes of a part should hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// How a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client sent all it wanted to.
    Whole,
    /// The connection broke, or nothing came for a minute.
    Broken,
    /// Another request goes on with the upload.
    TakenOver,
    /// The part is longer than the upload has room.
    TooLong,
    /// The bytes are not what the client hashed: none of them is kept.
    Mismatch,
    /// The disk is full.
    Full,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Where the upload is now: every byte before this is durable.
    pub offset: u64,
    /// How the part ended.
    pub end: End,
}

/// Computes what a part should hash to, while it passes.
enum Hashing {
    Nothing,
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl Hashing {
    fn towards(expected: Option<Digest>) -> Self {
        match expected {
            None => Self::Nothing,
            Some(Digest::Sha1(expected)) => Self::Sha1(Sha1::new(), expected),
            Some(Digest::Sha256(expected)) => Self::Sha256(Sha256::new(), expected),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Sha1(sha1, _) => sha1.update(bytes),
            Self::Sha256(sha256, _) => sha256.update(bytes),
        }
    }

    fn fits(self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Sha1(sha1, expected) => <[u8; 20]>::from(sha1.finalize()) == expected,
            Self::Sha256(sha256, expected) => <[u8; 32]>::from(sha256.finalize()) == expected,
        }
    }
}

impl Store {
    /// Takes a part of an upload that begins where the upload is.
    ///
    /// `counted` is told every number of bytes that has become durable, and stores it.
    /// What arrived before a connection broke is kept, unless a digest was announced that it cannot fit.
    ///
    /// Bounds: holds a megabyte, however long the part is.
    /// Errors: the disk or the database; every byte counted before is kept.
    pub async fn receive<E: Display>(
        &self,
        staging: &Staging,
        hold: &Hold,
        upload: &Upload,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        expected: Option<Digest>,
        time: impl Fn() -> (UnixMs, UnixMs) + Send,
    ) -> Result<Received, StoreError> {
        let begin = upload.bytes_stored;
        let part = staging.append(hold, begin).await?;
        let mut intake = Intake {
            part,
            buffer: Vec::with_capacity(CHUNK_BYTES),
            bytes_max: upload.bytes_total,
            hashing: Hashing::towards(expected),
        };
        let mut body = pin!(body);
        let mut end = loop {
            let bytes = match next(hold, &mut body).await {
                Ok(bytes) => bytes,
                Err(end) => break end,
            };
            match intake.take(bytes).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(StoreError::Full) => break End::Full,
                Err(error) => return Err(error),
            }
            let steps = expected.is_none() && intake.part.bytes() >= intake.part.durable() + STEP_BYTES;
            if steps && !upload.is_at_once() {
                match intake.part.sync().await {
                    Ok(()) => {}
                    Err(StoreError::Full) => break End::Full,
                    Err(error) => return Err(error),
                }
                let (now, expires_at) = time();
                self.set_upload_offset(upload.id, intake.part.durable(), expires_at, now).await?;
            }
        };
        match intake.flush().await {
            Ok(()) => {}
            Err(StoreError::Full) => end = End::Full,
            Err(error) => return Err(error),
        }
        let Intake { mut part, hashing, .. } = intake;
        if end == End::Whole && !hashing.fits() {
            end = End::Mismatch;
        }
        if expected.is_some() && end != End::Whole {
            part.cut(begin).await?;
            return Ok(Received { offset: begin, end });
        }
        end = settle(&mut part, end).await?;
        if !upload.is_at_once() {
            let (now, expires_at) = time();
            self.set_upload_offset(upload.id, part.durable(), expires_at, now).await?;
        }
        Ok(Received { offset: part.durable(), end })
    }
}

/// Waits for bytes; or says why none come any more.
async fn next<E: Display>(
    hold: &Hold,
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Bytes, End> {
    let waited = tokio::select! {
        biased;
        () = hold.wanted() => return Err(End::TakenOver),
        waited = tokio::time::timeout(SILENCE, body.next()) => waited,
    };
    match waited {
        Ok(Some(Ok(bytes))) => Ok(bytes),
        Ok(None) => Err(End::Whole),
        Ok(Some(Err(error))) => {
            tracing::info!(upload = %hold.id(), %error, "the connection of an upload broke");
            Err(End::Broken)
        }
        Err(_) => Err(End::Broken),
    }
}

/// Brings what was written onto the disk; a disk that notices only now that it is full keeps what was durable before.
async fn settle(part: &mut Part, end: End) -> Result<End, StoreError> {
    match part.sync().await {
        Ok(()) => Ok(end),
        Err(StoreError::Full) => {
            part.cut(part.durable()).await?;
            Ok(End::Full)
        }
        Err(error) => Err(error),
    }
}

struct Intake {
    part: Part,
    buffer: Vec<u8>,
    bytes_max: u64,
    hashing: Hashing,
}

impl Intake {
    async fn take(&mut self, bytes: Bytes) -> Result<Option<End>, StoreError> {
        let rest = self.bytes_max - self.part.bytes() - self.buffer.len() as u64;
        if bytes.len() as u64 > rest {
            return Ok(Some(End::TooLong));
        }
        self.hashing.update(&bytes);
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush().await?;
        }
        Ok(None)
    }

    /// Writes what was gathered; what the disk does not take is forgotten, and the file ends before it.
    async fn flush(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let end = self.part.bytes();
        match self.part.write(std::mem::take(&mut self.buffer)).await {
            Ok(buffer) => {
                self.buffer = buffer;
                Ok(())
            }
            Err(error) => {
                self.part.cut(end).await?;
                Err(error)
            }
        }
    }
}
