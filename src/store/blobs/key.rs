//! Names of blobs.

use std::fmt;
use std::str::FromStr;

use super::BlobError;

/// Longest key.
const KEY_BYTES_MAX: usize = 200;
/// Longest part of a key.
const PART_BYTES_MAX: usize = 64;
/// Most parts of a key.
const PARTS_MAX: usize = 4;

/// The name of a blob: parts of lower-case letters, digits, `-`, `_` and `.`, with `/` between them.
///
/// Range: at most 4 parts of 64 bytes; a part begins with a letter or digit, so that none is hidden and none leads
/// out of the folder.
/// Example: `audio/0199c0de-8b5e-7c3a-9a41-2f6d1e0b7c55`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobKey {
    type Err = BlobError;

    fn from_str(text: &str) -> Result<Self, BlobError> {
        let is_key = text.len() <= KEY_BYTES_MAX
            && text.split('/').take(PARTS_MAX + 1).count() <= PARTS_MAX
            && text.split('/').all(is_part);
        let refused = || BlobError::BadKey { text: text.chars().take(PART_BYTES_MAX).collect() };
        if is_key { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }
}

fn is_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    part.len() <= PART_BYTES_MAX
        && part.bytes().next().is_some_and(is_word)
        && part.bytes().all(|byte| is_word(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
