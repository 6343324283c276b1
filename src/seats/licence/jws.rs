//! Compact JWS with one algorithm: what is signed is exactly what is read.
//!
//! Source: RFC 7515 (compact serialisation), RFC 8037 (EdDSA). Deliberately absent: every other header field, every
//! other algorithm, white space, padding. The header is compared byte by byte, so there is nothing to be lenient about.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::LicenceError;
use super::keys::{PublicKey, SigningKey};

/// Longest name of a key.
const KID_CHARS_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
}

impl Header {
    fn of(kid: &str) -> Self {
        Self { alg: "EdDSA".to_owned(), kid: kid.to_owned() }
    }
}

/// A signed text, taken apart; nothing of it is believed yet.
pub struct Parts<'a> {
    /// Which key it says signed it.
    pub kid: String,
    /// What it says.
    pub payload: Vec<u8>,
    signed: &'a str,
    signature: [u8; 64],
}

/// Signs a payload.
pub fn sign<T: Serialize>(payload: &T, key: &SigningKey) -> String {
    let code = |json: Result<Vec<u8>, serde_json::Error>| {
        URL_SAFE_NO_PAD.encode(json.expect("our own payloads have a form in JSON"))
    };
    let header = serde_json::to_vec(&Header::of(&key.public().kid()));
    let signed = format!("{}.{}", code(header), code(serde_json::to_vec(payload)));
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Verifies a signed text with the key that `find` returns, and only then reads its payload.
///
/// Errors: in this order: too large, damaged, header, unknown key, signature, payload.
pub fn open<T: DeserializeOwned>(
    text: &str,
    bytes_max: usize,
    find: impl FnOnce(&Parts<'_>) -> Option<PublicKey>,
) -> Result<T, LicenceError> {
    let parts = parts(text, bytes_max)?;
    let key = find(&parts).ok_or_else(|| LicenceError::UnknownKey { kid: parts.kid.clone() })?;
    // A key is looked up by name, and its name must be its own also where the lookup was another.
    if key.kid() != parts.kid || !key.verifies(parts.signed.as_bytes(), &parts.signature) {
        return Err(LicenceError::Signature);
    }
    serde_json::from_slice(&parts.payload).map_err(|error| LicenceError::Terms { what: error.to_string() })
}

fn parts(text: &str, bytes_max: usize) -> Result<Parts<'_>, LicenceError> {
    if text.len() > bytes_max {
        return Err(LicenceError::TooLarge { bytes: text.len(), bytes_max });
    }
    let damaged = |_| LicenceError::Damaged;
    let (signed, signature) = text.rsplit_once('.').ok_or(LicenceError::Damaged)?;
    let (header, payload) = signed.split_once('.').ok_or(LicenceError::Damaged)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(damaged)?;
    let signature = signature.try_into().map_err(|_| LicenceError::Damaged)?;
    let header = URL_SAFE_NO_PAD.decode(header).map_err(damaged)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(damaged)?;
    Ok(Parts { kid: kid(&header)?, payload, signed, signature })
}

/// Returns the key's name from a header that is ours to the byte.
fn kid(header: &[u8]) -> Result<String, LicenceError> {
    let read: Header = serde_json::from_slice(header).map_err(|_| LicenceError::Header)?;
    let own = serde_json::to_vec(&Header::of(&read.kid)).map_err(|_| LicenceError::Header)?;
    let is_name =
        read.kid.len() <= KID_CHARS_MAX && read.kid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if own == header && is_name { Ok(read.kid) } else { Err(LicenceError::Header) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn opened(text: &str) -> Result<serde_json::Value, LicenceError> {
        open(text, 4_000, |_| Some(key().public()))
    }

    /// Signs any header and payload, as a hand that has the key could.
    fn signed(header: &str, payload: &str) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key().sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    #[test]
    fn what_was_signed_is_what_is_read() {
        let payload = serde_json::json!({ "a": 1 });
        assert_eq!(opened(&sign(&payload, &key())), Ok(payload));
    }

    #[test]
    fn every_other_header_is_refused_even_if_the_signature_is_right() {
        let kid = key().public().kid();
        assert!(opened(&signed(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), "{}")).is_ok());
        for header in [
            format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"eddsa","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"Ed25519","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["b64"],"b64":false}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"{kid}"}}"#),
            format!(r#"{{"kid":"{kid}","alg":"EdDSA"}}"#),
            format!(r#"{{"alg":"EdDSA", "kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "a".repeat(65)),
            r#"{"alg":"EdDSA","kid":"../../etc"}"#.to_owned(),
            r#"{"alg":"EdDSA"}"#.to_owned(),
            r#"["EdDSA"]"#.to_owned(),
            String::new(),
        ] {
            assert_eq!(opened(&signed(&header, "{}")), Err(LicenceError::Header), "{header}");
        }
    }

    #[test]
    fn another_key_under_the_same_lookup_is_no_signature() {
        let text = sign(&1, &SigningKey::from_seed(&[2; 32]));
        assert_eq!(opened(&text), Err(LicenceError::Signature));
    }

    #[test]
    fn more_or_fewer_parts_padding_and_stray_bits_are_damage() {
        let text = sign(&1, &key());
        let (signed, signature) = text.rsplit_once('.').expect("it has three parts");
        // The last character of 64 bytes carries four bits; the two beneath must be zero.
        let stray = format!("{signed}.{}", signature[..85].to_owned() + "B");
        for text in [
            &text[..20],
            signed,
            "..",
            "",
            &format!("{text}=="),
            &format!("{text}.a"),
            &format!(".{text}"),
            &stray,
        ] {
            assert_eq!(opened(text), Err(LicenceError::Damaged), "{text}");
        }
    }
}
