//! `Upload-Metadata`: what the client says about a file. Nothing of it is believed further than shown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use unicode_normalization::UnicodeNormalization as _;

use super::{HEADER_BYTES_MAX, TusError};

const HEADER: &str = "Upload-Metadata";
/// Most pairs read.
const PAIRS_MAX: usize = 16;
/// Longest key.
const KEY_BYTES_MAX: usize = 64;
/// Longest value, decoded.
const VALUE_BYTES_MAX: usize = 1_024;
/// Longest name of a file: with an ending it still fits the 255 bytes of common file systems.
const NAME_BYTES_MAX: usize = 240;

/// The pairs of `Upload-Metadata`, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Reads the header; an absent or empty one holds no pairs.
    ///
    /// Range: at most 16 pairs, keys of 64 bytes, values of 1,024 bytes of UTF-8, 4 KiB in all.
    /// Errors: [`TusError::Malformed`]; a key given twice is refused, too.
    pub fn parse(header: Option<&str>) -> Result<Self, TusError> {
        let value = header.unwrap_or_default();
        let malformed = |reason| TusError::malformed(HEADER, value, reason);
        if value.len() > HEADER_BYTES_MAX {
            return Err(malformed("is too long"));
        }
        let mut pairs = Self::default();
        for pair in value.split(',').map(str::trim).filter(|_| !value.trim().is_empty()) {
            let (key, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
            let bytes = STANDARD.decode(encoded).map_err(|_| malformed("has a value that is not base64"))?;
            if bytes.len() > VALUE_BYTES_MAX {
                return Err(malformed("has a value that is too long"));
            }
            let text = String::from_utf8(bytes).map_err(|_| malformed("has a value that is not UTF-8"))?;
            pairs.insert(key, text).map_err(malformed)?;
        }
        Ok(pairs)
    }

    /// Adds a pair that came in another way than by the header, within the same limits.
    ///
    /// Errors: what is wrong with it, as the end of a sentence about the whole.
    pub fn insert(&mut self, key: &str, value: String) -> Result<(), &'static str> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has a key that is none");
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err("has a value that is too long");
        }
        if self.0.insert(key.to_owned(), value).is_some() {
            return Err("has a key twice");
        }
        if self.0.len() > PAIRS_MAX { Err("has too many pairs") } else { Ok(()) }
    }

    /// Returns one value.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns the name of the file, from `filename` or `name`; `None` if nothing of it can be shown.
    pub fn file_name(&self) -> Option<FileName> {
        FileName::cleaned(self.value("filename").or_else(|| self.value("name"))?)
    }

    /// Returns the media type, from `filetype` or `type`; `None` if it is none.
    pub fn media_type(&self) -> Option<MediaType> {
        MediaType::checked(self.value("filetype").or_else(|| self.value("type"))?)
    }
}

/// A file's name that is safe to show and to offer for download: one line, no folder.
///
/// Range: 1 to 240 bytes; no control or direction character, no character that a common file system refuses, no dot
/// or space at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    fn cleaned(raw: &str) -> Option<Self> {
        let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
        // macOS sends が as か and a mark; composed, it is found by a search.
        let shown: String = last.nfc().filter(|ch| !is_unshown(*ch)).map(replaced).collect();
        let trimmed = shown.trim_matches([' ', '.', '\u{3000}']);
        let mut end = trimmed.len().min(NAME_BYTES_MAX);
        while !trimmed.is_char_boundary(end) {
            end -= 1;
        }
        let name = trimmed[..end].trim_end_matches([' ', '.', '\u{3000}']);
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that are invisible or turn the text around them.
fn is_unshown(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn replaced(ch: char) -> char {
    if matches!(ch, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { ch }
}

/// A media type in lower case and without parameters, such as `audio/mpeg`; it decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType(String);

impl MediaType {
    fn checked(raw: &str) -> Option<Self> {
        let essence = raw.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_token = |part: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            (1..=63).contains(&part.len()) && part.bytes().all(is_allowed)
        };
        let (kind, subtype) = essence.split_once('/')?;
        (is_token(kind) && is_token(subtype)).then_some(Self(essence))
    }

    /// Returns the type.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
