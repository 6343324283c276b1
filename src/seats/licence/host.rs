//! The host a licence is bound to: k of n hashes must be this machine's.
//!
//! Serial numbers never leave the site: each is hashed with a key that only the site has.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{HOSTS_MAX, LicenceError};

/// Bytes of a hash that are kept: enough that no two machines meet, few enough for a printed QR code.
const HASH_BYTES: usize = 16;
/// Most parts of a host.
pub const PARTS_MAX: u8 = 8;
/// For how many days a host that no longer fits has full service.
pub const UNBOUND_DAYS: u32 = 30;
/// Length of a block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// A part of a host that tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The name the operating system got when it was installed.
    Machine,
    /// The serial number of the board.
    Board,
    /// The disk the system runs from.
    Disk,
    /// The address of a network card.
    Network,
    /// The key of this installation.
    Instance,
}

impl Part {
    /// Returns the word that is hashed with the value, so that equal values of two parts differ.
    const fn word(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Board => "board",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Instance => "instance",
        }
    }
}

/// A keyed hash of a part of a host, written as 22 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostHash([u8; HASH_BYTES]);

impl HostHash {
    /// Hashes a part; letter case and space around a serial number do not matter.
    pub fn of(key: &[u8; 32], part: Part, value: &str) -> Self {
        let message = format!("{}\0{}", part.word(), value.trim().to_lowercase());
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(&hmac(key, message.as_bytes())[..HASH_BYTES]);
        Self(hash)
    }
}

/// Source: RFC 2104, with SHA-256; the key is shorter than a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK_BYTES];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

impl fmt::Display for HostHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl TryFrom<String> for HostHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| format!("no hash of a host: {text:?}"))
    }
}

impl From<HostHash> for String {
    fn from(hash: HostHash) -> Self {
        hash.to_string()
    }
}

/// What a licence is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// How many hashes must be the host's.
    pub k: u8,
    /// How many one host has.
    pub n: u8,
    /// The hashes: `n` of a host, those of a standby after them.
    pub hashes: Vec<HostHash>,
}

impl Bind {
    /// Counts the hashes that are this host's.
    pub fn matched(&self, host: &[HostHash]) -> u8 {
        let count = self.hashes.iter().filter(|hash| host.contains(hash)).count();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Tells whether enough of them are.
    pub fn fits(&self, host: &[HostHash]) -> bool {
        self.matched(host) >= self.k
    }

    pub(super) fn check(&self, hosts: u8) -> Result<(), LicenceError> {
        let wrong = |what: String| Err(LicenceError::Terms { what });
        let (k, n, hashes) = (self.k, self.n, self.hashes.len());
        if k == 0 || k > n || n > PARTS_MAX {
            return wrong(format!("bind {k} of {n}"));
        }
        let hashes_max = usize::from(n) * usize::from(hosts.min(HOSTS_MAX));
        if !(usize::from(n)..=hashes_max).contains(&hashes) {
            return wrong(format!("bind with {hashes} hashes"));
        }
        // A hash that counts twice would make k smaller than it looks.
        let is_twice = |index: usize| self.hashes[..index].contains(&self.hashes[index]);
        if (1..hashes).any(is_twice) {
            return wrong("bind with a hash twice".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_hmac() {
        // Source: RFC 4231, test case 2, with the key filled to 32 bytes with zeros, which HMAC does by itself.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let hash = hmac(&key, b"what do ya want for nothing?");
        assert_eq!(hash[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }

    #[test]
    fn a_hash_depends_on_key_part_and_value_but_not_on_letter_case() {
        let hash = HostHash::of(&[1; 32], Part::Network, "AA:bb");
        assert_eq!(hash, HostHash::of(&[1; 32], Part::Network, "aa:BB\n"));
        assert_ne!(hash, HostHash::of(&[2; 32], Part::Network, "aa:bb"));
        assert_ne!(hash, HostHash::of(&[1; 32], Part::Board, "aa:bb"));
        assert_ne!(hash, HostHash::of(&[1; 32], Part::Network, "aa:bc"));
        assert_eq!(HostHash::try_from(hash.to_string()), Ok(hash));
    }
}
