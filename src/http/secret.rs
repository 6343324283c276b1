//! Secrets: passwords are hashed with argon2id, everything else is random and kept by its sha256 only.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::error::{Code, Problem};
use crate::store::audit::hex;

/// Passwords hashed at a time: each takes 19 MiB and tens of milliseconds of a core.
const HASHING_MAX: usize = 2;
/// Longest password that is looked at.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Makes a secret of 256 random bits.
pub fn random() -> String {
    hex(&rand::random::<[u8; 32]>())
}

/// Returns what of a secret is kept.
pub fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Compares two secrets in a time that does not depend on where they differ.
pub fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |different, (left, right)| different | (left ^ right)) == 0
}

/// Hashes and checks passwords on threads of their own, a few at a time.
pub struct Hasher {
    places: Semaphore,
    /// A hash that no password fits: an unknown person takes as long to refuse as a known one.
    nobody: String,
}

impl Default for Hasher {
    fn default() -> Self {
        let nobody = hashed(&random()).expect("a random password of 64 characters can be hashed");
        Self { places: Semaphore::new(HASHING_MAX), nobody }
    }
}

fn hashed(password: &str) -> Result<String, argon2::password_hash::Error> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
}

fn fits(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

impl Hasher {
    /// Hashes a password.
    ///
    /// Errors: the server ends.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        let hash = self.apart(move || hashed(&password)).await?;
        hash.map_err(|_| Problem::new(Code::Internal))
    }

    /// Tells whether a password fits a hash; with no hash it takes as long and says no.
    ///
    /// Errors: the server ends.
    pub async fn check(&self, password: String, hash: Option<String>) -> Result<bool, Problem> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        Ok(self.apart(move || fits(&password, &hash)).await? && known)
    }

    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.places.acquire().await.map_err(|_| Problem::new(Code::Unavailable))?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::new(Code::Internal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = Hasher::default();
        let hash = hasher.hash("correct horse battery".to_owned()).await.expect("hashing works");
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            hasher.check("correct horse battery".to_owned(), Some(hash.clone())).await.expect("it works")
        );
        assert!(!hasher.check("correct horse".to_owned(), Some(hash)).await.expect("it works"));
        assert!(!hasher.check("anything".to_owned(), None).await.expect("it works"));
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd"));
        assert!(!same("abc", "abcd"));
    }
}
