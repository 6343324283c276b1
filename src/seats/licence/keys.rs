//! Keys: who may sign, and whose signature counts.
//!
//! A key's name (`kid`) is made from the key, so a name can never stand for another key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::LicenceError;

/// The vendor's keys, newest first. A key leaves the list when no licence that it signed is in force any more.
///
/// This one is for development; its other half is in no repository, and a release puts the vendor's own in its place.
pub const VENDOR_KEYS: [&str; 1] = ["G_7_rQdGAd7LQsN6NP0AbtQ6kCqjsH9-Ky4wJW5PJJA"];
/// Most keys believed at a time.
pub const KEYS_MAX: usize = 16;
/// What a file with a private key begins with, so that nobody takes it for something harmless.
const FILE_PREFIX: &str = "gijiroku-private-key:";
/// What the key of the host's hashes is made with.
const BINDING: &[u8] = b"gijiroku licence binding";
/// Bytes of a key's digest that make its name.
const KID_BYTES: usize = 8;

/// A private key. It is wiped from memory when dropped, and no message shows it.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a key from 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads a key from its file.
    ///
    /// Errors: [`LicenceError::KeyFile`]; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, LicenceError> {
        let wrong = || LicenceError::KeyFile;
        let code = text.trim().strip_prefix(FILE_PREFIX).ok_or_else(wrong)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(code).map_err(|_| wrong())?);
        let seed: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| wrong())?;
        Ok(Self::from_seed(seed))
    }

    /// Returns the text of the key's file.
    pub fn file_text(&self) -> Zeroizing<String> {
        let code = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_bytes()));
        Zeroizing::new(format!("{FILE_PREFIX}{}\n", *code))
    }

    /// Returns the other half, which verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Returns the key of the host's hashes: without it nobody can try serial numbers against them.
    pub fn binding_key(&self) -> Zeroizing<[u8; 32]> {
        let digest = Sha256::new().chain_update(BINDING).chain_update(self.0.as_bytes()).finalize();
        Zeroizing::new(digest.into())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().kid())
    }
}

/// A public key, written as 43 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a key.
    ///
    /// Errors: [`LicenceError::PublicKey`], also for keys with which a signature would prove nothing.
    pub fn parse(text: &str) -> Result<Self, LicenceError> {
        let wrong = || LicenceError::PublicKey { text: text.chars().take(60).collect() };
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| wrong())?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())?;
        if key.is_weak() { Err(wrong()) } else { Ok(Self(key)) }
    }

    /// Returns the key's name: 16 hexadecimal digits of its digest.
    pub fn kid(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().take(KID_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl TryFrom<String> for PublicKey {
    // An administrator reads it, beside the line of the settings it is about.
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|error| error.sentence())
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// The keys whose licences are believed.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<PublicKey>);

impl KeyRing {
    /// Returns the vendor's keys.
    pub fn vendor() -> Self {
        let read = |text: &&str| PublicKey::parse(text).expect("a test reads every key of the list");
        Self(VENDOR_KEYS.iter().map(read).collect())
    }

    /// Adds keys.
    ///
    /// Errors: [`LicenceError::TooManyKeys`].
    pub fn with(mut self, keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, LicenceError> {
        for key in keys {
            if self.0.len() == KEYS_MAX {
                return Err(LicenceError::TooManyKeys { keys_max: KEYS_MAX });
            }
            self.0.push(key);
        }
        Ok(self)
    }

    /// Returns the key of a name.
    pub fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.kid() == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_vendor_can_be_read() {
        assert_eq!(KeyRing::vendor().0.len(), VENDOR_KEYS.len());
    }

    #[test]
    fn a_private_key_comes_back_from_its_file_and_is_never_shown() {
        let key = SigningKey::from_seed(&[7; 32]);
        let text = key.file_text();
        let back = SigningKey::parse(&text).expect("it is a key's file");
        assert_eq!(back.public(), key.public());
        let code = text.trim().trim_start_matches(FILE_PREFIX);
        assert!(!format!("{key:?}").contains(code));
        for text in ["", "x", "gijiroku-private-key:", "gijiroku-private-key:AAAA", code] {
            assert!(matches!(SigningKey::parse(text), Err(LicenceError::KeyFile)), "{text:?}");
        }
    }

    #[test]
    fn a_weak_or_damaged_public_key_is_refused() {
        // The neutral point: every signature could be made to fit it.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        for text in
            [URL_SAFE_NO_PAD.encode(neutral), URL_SAFE_NO_PAD.encode([2; 32]), "abc".into(), String::new()]
        {
            assert!(matches!(PublicKey::parse(&text), Err(LicenceError::PublicKey { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_ring_has_a_limit_and_finds_by_name() {
        let key = |number| SigningKey::from_seed(&[number; 32]).public();
        let ring = KeyRing::default().with((0..16).map(key)).expect("sixteen are allowed");
        assert_eq!(ring.find(&key(3).kid()), Some(&key(3)));
        assert_eq!(ring.find(&key(99).kid()), None);
        assert!(matches!(ring.with([key(99)]), Err(LicenceError::TooManyKeys { .. })));
    }
}
