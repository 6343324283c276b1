//! The request of a site: which host asks, signed with its own key, without a serial number in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::day::Day;
use super::host::{HostHash, PARTS_MAX};
use super::keys::{PublicKey, SigningKey};
use super::{LicenceError, jws};

/// Largest request. Units: bytes.
pub const REQUEST_BYTES_MAX: usize = 2_047;

/// A number used once, so that no two requests are alike: 16 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Takes 16 random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for Nonce {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| format!("no nonce: {text:?}"))
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        URL_SAFE_NO_PAD.encode(nonce.0)
    }
}

/// What a site asks with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The key of this installation.
    pub instance: PublicKey,
    /// The hashes of the host's parts; a part that the machine does not tell is absent.
    pub hashes: Vec<HostHash>,
    /// Makes it unlike every other.
    pub nonce: Nonce,
    /// The day it was made.
    pub made: Day,
}

impl Request {
    /// Signs a request.
    ///
    /// Errors: [`LicenceError::Terms`] if the key is not the one that the request names, or there are too many hashes.
    pub fn sign(&self, key: &SigningKey) -> Result<String, LicenceError> {
        if key.public() != self.instance {
            return Err(LicenceError::Terms { what: "a request of another instance".to_owned() });
        }
        self.check()?;
        Ok(jws::sign(self, key))
    }

    /// Reads a request: whoever made it has the private half of the key that it names.
    ///
    /// Errors: why it is no request.
    pub fn open(text: &str) -> Result<Self, LicenceError> {
        // The key is inside: it is taken out first, and everything is read again once the signature fits it.
        let named = |parts: &jws::Parts<'_>| {
            serde_json::from_slice::<Self>(&parts.payload).ok().map(|request| request.instance)
        };
        let request: Self = jws::open(text.trim(), REQUEST_BYTES_MAX, named)?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), LicenceError> {
        match self.hashes.len() {
            count if count > usize::from(PARTS_MAX) => {
                Err(LicenceError::Terms { what: format!("a request with {count} hashes") })
            }
            _ => Ok(()),
        }
    }
}
