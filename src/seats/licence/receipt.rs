//! The receipt of a seat: what the server granted, signed with its instance key, kept by the client.
//!
//! After a restore from an old copy the receipts of the clients tell what the copy does not know.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::jws;
use super::keys::{PublicKey, SigningKey};

/// Largest receipt. Units: bytes.
pub const RECEIPT_BYTES_MAX: usize = 1_024;
/// Longest text in a receipt, in bytes.
const TEXT_BYTES_MAX: usize = 100;
/// Tokens and epochs are BIGINT in the database.
const TOKEN_MAX: u64 = i64::MAX as u64;

/// What was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The lease.
    pub lease: String,
    /// Who holds it.
    pub holder: String,
    /// Of which kind of seats.
    pub pool: String,
    /// The number that proves the lease; on the wire a decimal string, as it exceeds 2^53.
    #[serde(serialize_with = "token_to_text", deserialize_with = "token_from_text")]
    pub token: u64,
    /// The number of the server start that granted it.
    pub epoch: u32,
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is no receipt of this server: the holder asks for a seat like everybody else.
    #[error("the receipt is not signed by this instance")]
    Foreign,
    /// It says more than a receipt may: do not sign it.
    #[error("the receipt is larger than allowed")]
    TooLarge,
}

/// Signs a receipt.
///
/// Errors: [`ReceiptError::TooLarge`] if a name is longer than 100 bytes or the token larger than 2^63 - 1.
pub fn sign(receipt: &Receipt, key: &SigningKey) -> Result<String, ReceiptError> {
    if receipt.is_fit() { Ok(jws::sign(receipt, key)) } else { Err(ReceiptError::TooLarge) }
}

/// Reads a receipt that this instance signed.
///
/// Errors: [`ReceiptError::Foreign`]: damaged, changed, or another instance's.
pub fn verify(text: &str, instance: &PublicKey) -> Result<Receipt, ReceiptError> {
    let receipt: Result<Receipt, _> = jws::open(text, RECEIPT_BYTES_MAX, |_| Some(instance.clone()));
    receipt.ok().filter(Receipt::is_fit).ok_or(ReceiptError::Foreign)
}

impl Receipt {
    fn is_fit(&self) -> bool {
        let texts = [&self.lease, &self.holder, &self.pool];
        texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX) && self.token <= TOKEN_MAX
    }
}

// Serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn token_to_text<S: Serializer>(token: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(token)
}

fn token_from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let token: u64 = text.parse().map_err(D::Error::custom)?;
    // One token has one text: no sign, no zeros in front.
    if token.to_string() == text { Ok(token) } else { Err(D::Error::custom("a token in another form")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[3; 32])
    }

    fn receipt() -> Receipt {
        Receipt {
            lease: "0199c0de-0000-7000-8000-000000000001".into(),
            holder: "sato".into(),
            pool: "standard".into(),
            token: (5 << 40) + 9_007_199_254_740_993,
            epoch: 5,
        }
    }

    #[test]
    fn a_receipt_comes_back_with_every_digit_of_its_token() {
        let text = sign(&receipt(), &key()).expect("it is small");
        assert!(text.len() <= RECEIPT_BYTES_MAX);
        assert_eq!(verify(&text, &key().public()), Ok(receipt()));
    }

    #[test]
    fn a_receipt_of_another_instance_or_with_one_changed_byte_is_not_believed() {
        let text = sign(&receipt(), &key()).expect("it is small");
        let other = SigningKey::from_seed(&[4; 32]);
        assert_eq!(verify(&text, &other.public()), Err(ReceiptError::Foreign));
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1;
            let changed = String::from_utf8(bytes).expect("the lowest bit keeps it ASCII");
            assert_eq!(verify(&changed, &key().public()), Err(ReceiptError::Foreign), "byte {index}");
        }
    }

    #[test]
    fn a_token_has_one_text_only() {
        for token in [r#""007""#, r#""+7""#, "7", r#"" 7""#, r#""""#, r#""18446744073709551616""#] {
            let json = format!(r#"{{"lease":"a","holder":"b","pool":"c","token":{token},"epoch":1}}"#);
            assert!(serde_json::from_str::<Receipt>(&json).is_err(), "{token}");
        }
    }

    #[test]
    fn a_receipt_larger_than_allowed_is_not_signed() {
        let long = Receipt { holder: "s".repeat(101), ..receipt() };
        assert_eq!(sign(&long, &key()), Err(ReceiptError::TooLarge));
        let high = Receipt { token: u64::MAX, ..receipt() };
        assert_eq!(sign(&high, &key()), Err(ReceiptError::TooLarge));
    }
}
