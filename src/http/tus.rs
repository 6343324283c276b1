//! The words of the resumable upload protocol tus 1.0: headers in, types that cannot be wrong out.
//!
//! Pure: no socket, no file, no clock. A deferred length (`Upload-Defer-Length`) is refused: the length is checked
//! against the limits before the first byte is taken, and a recording that is still growing comes by another way.
//!
//! Source: the tus resumable upload protocol, version 1.0.0.

mod metadata;

#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use metadata::{FileName, MediaType, Metadata};

/// The one version spoken.
pub const VERSION: &str = "1.0.0";
/// What is offered beside the core of the protocol.
pub const EXTENSIONS: &str = "creation,creation-with-upload,checksum,termination,expiration";
/// The checksums understood.
pub const CHECKSUM_ALGORITHMS: &str = "sha1,sha256";
/// Media type of a part of a file.
pub const PART_MEDIA_TYPE: &str = "application/offset+octet-stream";
/// Status of a part whose checksum does not match, as the protocol defines it.
pub const STATUS_CHECKSUM_MISMATCH: u16 = 460;

/// Longest header value read.
pub(super) const HEADER_BYTES_MAX: usize = 4 << 10;
/// Longest number of bytes: what a signed column of a database holds.
const BYTES_MAX: u64 = i64::MAX as u64;

/// Why a request does not speak the protocol; nothing was stored for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TusError {
    /// Another version: answer 412 with `Tus-Version`.
    #[error("tus version {asked:?} is not spoken, only {VERSION}")]
    OtherVersion {
        /// What was asked for; empty if nothing was.
        asked: String,
    },
    /// A header that must be there is not: answer 400.
    #[error("header {header} is missing")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A header that does not say what it should: answer 400.
    #[error("header {header}: {value:?} {reason}")]
    Malformed {
        /// Its name.
        header: &'static str,
        /// The beginning of its value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The length is to be told later, which is not offered: answer 400.
    #[error("a deferred length is not supported: send Upload-Length")]
    DeferredLength,
    /// More bytes than may be uploaded: answer 413 with `Tus-Max-Size`.
    #[error("an upload of {bytes} bytes is more than the {bytes_max} allowed")]
    TooLarge {
        /// What was announced.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A body of another media type than a part of a file: answer 415.
    #[error("content type {found:?} is not {PART_MEDIA_TYPE}")]
    OtherMediaType {
        /// What came; empty if nothing did.
        found: String,
    },
    /// The part does not begin where the upload ends: answer 409, the client asks where to resume.
    #[error("the part begins at {found}, the upload is at {expected}")]
    OffsetMismatch {
        /// Where the upload is.
        expected: u64,
        /// Where the part begins.
        found: u64,
    },
    /// The part reaches past the announced length: answer 413.
    #[error("a part of {part_bytes} bytes at {offset} reaches past the length {length}")]
    PastEnd {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        part_bytes: u64,
        /// The announced length.
        length: u64,
    },
    /// A checksum that cannot be computed here: answer 400.
    #[error("checksum {found:?} is not known, only {CHECKSUM_ALGORITHMS}")]
    OtherChecksum {
        /// Its name.
        found: String,
    },
}

impl TusError {
    fn malformed(header: &'static str, value: &str, reason: &'static str) -> Self {
        Self::Malformed { header, value: shortened(value), reason }
    }
}

/// Keeps messages short whatever was sent.
fn shortened(value: &str) -> String {
    value.chars().take(80).collect()
}

/// Checks `Tus-Resumable`.
///
/// Errors: [`TusError::OtherVersion`] for anything but 1.0.0, nothing included.
pub fn check_version(resumable: Option<&str>) -> Result<(), TusError> {
    match resumable {
        Some(VERSION) => Ok(()),
        other => Err(TusError::OtherVersion { asked: shortened(other.unwrap_or_default()) }),
    }
}

/// How long an upload will be, within the limit.
///
/// Units: bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u64);

impl Length {
    /// Reads `Upload-Length`, refusing `Upload-Defer-Length`.
    ///
    /// Errors: [`TusError::DeferredLength`], [`TusError::Missing`], [`TusError::Malformed`], [`TusError::TooLarge`].
    pub fn parse(length: Option<&str>, deferred: Option<&str>, bytes_max: u64) -> Result<Self, TusError> {
        const HEADER: &str = "Upload-Length";
        if deferred.is_some() {
            return Err(TusError::DeferredLength);
        }
        let bytes = number(HEADER, length.ok_or(TusError::Missing { header: HEADER })?)?;
        if bytes > bytes_max {
            return Err(TusError::TooLarge { bytes, bytes_max });
        }
        Ok(Self(bytes))
    }

    /// Takes a length that was accepted before and kept.
    pub fn accepted(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// Where a part begins.
///
/// Units: bytes from the beginning of the upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(u64);

impl Offset {
    /// Reads `Upload-Offset`.
    ///
    /// Errors: [`TusError::Missing`], [`TusError::Malformed`].
    pub fn parse(offset: Option<&str>) -> Result<Self, TusError> {
        const HEADER: &str = "Upload-Offset";
        number(HEADER, offset.ok_or(TusError::Missing { header: HEADER })?).map(Self)
    }

    /// Returns the bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Checks that a part continues the upload: it begins at `stored_bytes` and does not reach past `length`.
    ///
    /// `part_bytes` is what the request announces, if it does; the number of bytes that may still come is returned,
    /// and whoever reads the body stops there.
    ///
    /// Errors: [`TusError::OffsetMismatch`], [`TusError::PastEnd`].
    pub fn check_part(
        self,
        stored_bytes: u64,
        part_bytes: Option<u64>,
        length: Length,
    ) -> Result<u64, TusError> {
        if self.0 != stored_bytes {
            return Err(TusError::OffsetMismatch { expected: stored_bytes, found: self.0 });
        }
        let rest = length.0.saturating_sub(self.0);
        match part_bytes {
            Some(part_bytes) if part_bytes > rest => {
                Err(TusError::PastEnd { offset: self.0, part_bytes, length: length.0 })
            }
            _ => Ok(rest),
        }
    }
}

/// Reads a number as the protocol writes it: digits only.
fn number(header: &'static str, value: &str) -> Result<u64, TusError> {
    let malformed = |reason| TusError::malformed(header, value, reason);
    // The standard library would take a sign, too.
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("is not a number of bytes"));
    }
    let bytes: u64 = value.parse().map_err(|_| malformed("is too large"))?;
    if bytes > BYTES_MAX { Err(malformed("is too large")) } else { Ok(bytes) }
}

/// Checks that the body is a part of a file.
///
/// Errors: [`TusError::OtherMediaType`].
pub fn check_part_media_type(content_type: Option<&str>) -> Result<(), TusError> {
    let found = content_type.unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(PART_MEDIA_TYPE) {
        return Ok(());
    }
    Err(TusError::OtherMediaType { found: shortened(found) })
}

/// What the bytes of a part should hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-1: guards against damage on the way, not against an attacker.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Checksum {
    /// Reads `Upload-Checksum`: the algorithm, one space, the digest in base64; nothing if the header is absent.
    ///
    /// Errors: [`TusError::OtherChecksum`], [`TusError::Malformed`].
    pub fn parse(checksum: Option<&str>) -> Result<Option<Self>, TusError> {
        let Some(value) = checksum else { return Ok(None) };
        let malformed = |reason| TusError::malformed("Upload-Checksum", value, reason);
        let (algorithm, digest) =
            value.split_once(' ').ok_or(malformed("is not an algorithm and a digest"))?;
        if !matches!(algorithm, "sha1" | "sha256") {
            return Err(TusError::OtherChecksum { found: shortened(algorithm) });
        }
        // A digest of 32 bytes has 44 characters.
        let digest = digest.get(..digest.len().min(45)).unwrap_or_default();
        let bytes = STANDARD.decode(digest).map_err(|_| malformed("is not base64"))?;
        let wrong_length = |_| malformed("has not the digest's length");
        let parsed = match algorithm {
            "sha1" => Self::Sha1(bytes.try_into().map_err(wrong_length)?),
            _ => Self::Sha256(bytes.try_into().map_err(wrong_length)?),
        };
        Ok(Some(parsed))
    }
}

/// Formats `Upload-Expires`.
///
/// Units: milliseconds since 1970; parts of a second are dropped.
/// Source: IMF-fixdate of RFC 7231, section 7.1.1.1.
pub fn expires(unix_ms: i64) -> String {
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX);
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The headers that answer OPTIONS: what this server speaks.
pub fn capabilities(bytes_max: u64) -> [(&'static str, String); 5] {
    [
        ("Tus-Resumable", VERSION.into()),
        ("Tus-Version", VERSION.into()),
        ("Tus-Extension", EXTENSIONS.into()),
        ("Tus-Max-Size", bytes_max.to_string()),
        ("Tus-Checksum-Algorithm", CHECKSUM_ALGORITHMS.into()),
    ]
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
