//! The whole document, to be read by a program: what was hidden, words with their times, and a sum to check it by.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ExportError, Format};
use crate::minutes::Minutes;

/// The number of this file's schema; it changes when an old reader would read something wrong.
pub const JSON_VERSION: u32 = 1;

/// What a json file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Whole<'a> {
    /// Always `gijiroku-minutes`.
    pub format: Cow<'a, str>,
    /// The number of the schema, [`JSON_VERSION`].
    pub version: u32,
    /// The sha256 of `minutes` as compact json with its keys in the order of this file, in hexadecimal digits.
    pub minutes_sha256: String,
    /// The minutes, hidden utterances and recognised words included.
    pub minutes: Cow<'a, Minutes>,
}

/// Writes the whole document.
pub(super) fn write(minutes: &Minutes) -> Result<Vec<u8>, ExportError> {
    let refused =
        |error: serde_json::Error| ExportError::Writer { format: Format::Json, why: error.to_string() };
    let compact = serde_json::to_vec(minutes).map_err(refused)?;
    let digest = Sha256::digest(&compact);
    let whole = Whole {
        format: Cow::Borrowed("gijiroku-minutes"),
        version: JSON_VERSION,
        minutes_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        minutes: Cow::Borrowed(minutes),
    };
    let mut bytes = serde_json::to_vec_pretty(&whole).map_err(refused)?;
    bytes.push(b'\n');
    Ok(bytes)
}
