//! The parts of a backup, one after the other in a sealed stream.
//!
//! Shape: a part is its head as JSON, then frames, then an empty frame; a frame is its length (u32 LE) and its bytes.
//! The last part is the manifest: every part before it with its count of frames, its bytes and its sha256.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::BackupError;
use crate::clock::UnixMs;
use crate::store::audit::hex;

/// Version of this format.
pub const FORMAT: u32 = 1;
/// Longest frame: a row with the largest document, every character of it escaped.
const FRAME_BYTES_MAX: usize = 128 << 20;
/// Longest head of a part.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most parts: one for each recording, and some.
const PARTS_MAX: usize = 2_000_000;

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// The first part: what everything after it is to be read with. It has no frames.
    Start {
        /// Version of this format.
        format: u32,
        /// Version of the tables: the number of the last migration.
        tables: i64,
        /// The product's version that wrote it.
        product: String,
        /// When it was begun.
        at: UnixMs,
    },
    /// The rows of a table, one JSON array a frame.
    Table {
        /// Its name.
        name: String,
        /// Its columns, in the order of the values.
        columns: Vec<String>,
    },
    /// A recording's bytes.
    Blob {
        /// Its key.
        key: String,
    },
    /// An unfinished upload's bytes.
    Upload {
        /// Its file's name.
        name: String,
    },
    /// The key of this installation. One frame.
    Instance,
    /// What everything before must be. One frame.
    Manifest,
}

/// What a part was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Its head.
    pub part: Part,
    /// How many frames it had; for a table, its rows.
    pub frames: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// sha256 of the frames' bytes.
    pub sha256: String,
}

/// Something the backup could not hold as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// The recording's key.
    pub key: String,
    /// What is wrong.
    pub kind: FlawKind,
}

/// What is wrong with a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    /// It was erased while the backup was made, as its date said: no loss.
    Erased,
    /// Its row is there, the recording is not.
    Missing,
    /// The recording is not what was once sealed.
    Damaged,
}

/// The last part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Every part before it.
    pub parts: Vec<Digest>,
    /// What could not be held as it should be.
    pub flaws: Vec<Flaw>,
    /// Lines of the audit log.
    pub audit_lines: u64,
    /// Hash of its last line.
    pub audit_last: String,
}

/// Counts and hashes the part under way.
struct Tally {
    digest: Digest,
    hasher: Sha256,
}

impl Tally {
    fn new(part: Part) -> Self {
        let digest = Digest { part, frames: 0, bytes: 0, sha256: String::new() };
        Self { digest, hasher: Sha256::new() }
    }

    fn add(&mut self, frame: &[u8]) {
        self.digest.frames += 1;
        self.digest.bytes += frame.len() as u64;
        self.hasher.update(frame);
    }

    fn end(mut self) -> Digest {
        self.digest.sha256 = hex(&self.hasher.finalize());
        self.digest
    }
}

/// Writes parts.
pub struct ArchiveWriter<W> {
    out: W,
    tally: Option<Tally>,
    done: Vec<Digest>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out, tally: None, done: Vec::new() }
    }

    /// Begins a part.
    pub fn begin(&mut self, part: Part) -> Result<(), BackupError> {
        if self.done.len() >= PARTS_MAX {
            return Err(BackupError::TooMany { parts_max: PARTS_MAX });
        }
        let head = serde_json::to_vec(&part).map_err(io::Error::other)?;
        self.put(&head)?;
        self.tally = Some(Tally::new(part));
        Ok(())
    }

    /// Adds a frame, which must not be empty.
    pub fn frame(&mut self, frame: &[u8]) -> Result<(), BackupError> {
        self.put(frame)?;
        if let Some(tally) = &mut self.tally {
            tally.add(frame);
        }
        Ok(())
    }

    /// Ends the part and returns what it was.
    pub fn end(&mut self) -> Result<Option<&Digest>, BackupError> {
        self.out.write_all(&0_u32.to_le_bytes())?;
        self.done.extend(self.tally.take().map(Tally::end));
        Ok(self.done.last())
    }

    /// Writes the manifest; returns it, and what everything was written to.
    pub fn finish(mut self, flaws: Vec<Flaw>, audit: (u64, String)) -> Result<(Manifest, W), BackupError> {
        let parts = std::mem::take(&mut self.done);
        let manifest = Manifest { parts, flaws, audit_lines: audit.0, audit_last: audit.1 };
        self.begin(Part::Manifest)?;
        let text = serde_json::to_vec(&manifest).map_err(io::Error::other)?;
        for piece in text.chunks(FRAME_BYTES_MAX) {
            self.frame(piece)?;
        }
        self.end()?;
        Ok((manifest, self.out))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
        }
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(bytes)?;
        Ok(())
    }
}

/// Reads parts, and compares them with the manifest at the end.
pub struct ArchiveReader<R> {
    source: R,
    tally: Option<Tally>,
    done: Vec<Digest>,
    frame: Vec<u8>,
}

impl<R: Read> ArchiveReader<R> {
    /// Begins to read.
    pub fn new(source: R) -> Self {
        Self { source, tally: None, done: Vec::new(), frame: Vec::new() }
    }

    /// Returns the next part; the one before must have been read to its end.
    pub fn begin(&mut self) -> Result<Part, BackupError> {
        if self.done.len() >= PARTS_MAX {
            return Err(BackupError::Strange { what: "too many parts".to_owned() });
        }
        self.take(HEAD_BYTES_MAX)?;
        let part: Part = serde_json::from_slice(&self.frame)
            .map_err(|error| BackupError::Strange { what: error.to_string() })?;
        self.tally = Some(Tally::new(part.clone()));
        Ok(part)
    }

    /// Returns the next frame of the part; `None` at its end.
    pub fn frame(&mut self) -> Result<Option<&[u8]>, BackupError> {
        self.take(FRAME_BYTES_MAX)?;
        if self.frame.is_empty() {
            self.done.extend(self.tally.take().map(Tally::end));
            return Ok(None);
        }
        if let Some(tally) = &mut self.tally {
            tally.add(&self.frame);
        }
        Ok(Some(&self.frame))
    }

    /// Reads the part to its end, and returns what it was.
    pub fn skip(&mut self) -> Result<Option<&Digest>, BackupError> {
        while self.frame()?.is_some() {}
        Ok(self.done.last())
    }

    /// Returns the sha256 of the part that was read last.
    pub fn last_sha256(&self) -> &str {
        self.done.last().map_or("", |digest| &digest.sha256)
    }

    /// Reads the manifest, which has just begun, compares, and expects nothing after it.
    pub fn finish(mut self) -> Result<Manifest, BackupError> {
        let parts = std::mem::take(&mut self.done);
        let mut text = Vec::new();
        while let Some(frame) = self.frame()? {
            text.extend_from_slice(frame);
        }
        let strange = |what: &str| BackupError::Strange { what: what.to_owned() };
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| BackupError::Strange { what: error.to_string() })?;
        if manifest.parts != parts {
            return Err(strange("the parts are not those of the manifest"));
        }
        let mut rest = [0];
        if self.source.read(&mut rest)? > 0 {
            return Err(strange("something follows the manifest"));
        }
        Ok(manifest)
    }

    fn take(&mut self, bytes_max: usize) -> Result<(), BackupError> {
        let mut length = [0; 4];
        self.source.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > bytes_max {
            return Err(BackupError::Strange { what: format!("a frame of {length} bytes") });
        }
        self.frame.clear();
        // Grows with what is really there, not with what a length promises.
        let read = self.source.by_ref().take(length as u64).read_to_end(&mut self.frame)?;
        if read < length { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(()) }
    }
}
