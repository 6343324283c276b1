//! The licence: a signed file that says who may use how many seats from which day to which.
//!
//! ```text
//! order ─► issue ─► file ─► open (signature, form, limits) ─► accept (older? foreign? over?) ─► installed
//!                                                    installed + day + host ─► standing: seats, refusals, notices
//! ```
//!
//! A file that is bad, old or foreign changes nothing. The end of a licence ends no lease: it only stops new ones.

pub mod day;
mod error;
pub mod host;
mod jws;
pub mod keys;
pub mod receipt;
pub mod request;
pub mod shown;
pub mod standing;
pub mod terms;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use day::Day;
use host::{Bind, HostHash};
use keys::{KeyRing, SigningKey};
use standing::Installed;

pub use error::LicenceError;

/// Largest licence file, so that it fits a printed QR code. Units: bytes.
pub const LICENCE_BYTES_MAX: usize = 2_047;
/// Most files installed at a time; those that are over can be put away.
pub const FILES_MAX: usize = 64;
/// Longest name of a customer, in characters.
pub const CUSTOMER_CHARS_MAX: usize = 100;
/// Longest name of a licence or of a kind of seats, in characters.
pub const NAME_CHARS_MAX: usize = 40;
/// Most kinds of seats in one file.
pub const POOLS_MAX: usize = 16;
/// Most seats of one kind in one file.
pub const SEATS_MAX: u32 = 100_000;
/// Most files that one file replaces.
pub const SUPERSEDES_MAX: usize = 8;
/// Largest factor of a burst.
pub const BURST_X_MAX: u32 = 10;
/// Longest time of new seats after the end, and most days of burst a year.
pub const DAYS_MAX: u32 = 366;
/// Most hosts of one licence.
pub const HOSTS_MAX: u8 = 4;

/// The name of a licence: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LicenceId(String);

impl LicenceId {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LicenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LicenceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_name(&text) { Ok(Self(text)) } else { Err(format!("no name of a licence: {text:?}")) }
    }
}

impl From<LicenceId> for String {
    fn from(id: LicenceId) -> Self {
        id.0
    }
}

fn is_name(text: &str) -> bool {
    let is_fit = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '_' | '.');
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.chars().all(is_fit)
}

/// What a licence is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 評価用
    Evaluation,
    /// 契約
    Contract,
}

impl Kind {
    /// Returns the word that users see.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Evaluation => "評価用",
            Self::Contract => "契約",
        }
    }
}

/// Extra seats for disasters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// How many times the seats there are while it is open; 2 to 10.
    pub x: u32,
    /// On how many days a year it may be open.
    pub days: u32,
}

/// Seats of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolTerms {
    /// The kind of seats: `standard`.
    pub feature: String,
    /// How many.
    pub seats: u32,
    /// Extra seats for disasters, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
}

/// The only calendar of a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    /// Days of Japan: UTC+9 throughout the year.
    #[serde(rename = "Asia/Tokyo")]
    Tokyo,
}

/// What a licence file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// Its name; a file of the same name and a higher number replaces it.
    pub id: LicenceId,
    /// Whose it is.
    pub customer: String,
    /// Which of the customer's files it is: each is numbered higher than those before.
    pub seq: u32,
    /// The day it was signed.
    pub issued: Day,
    /// What it is for.
    pub kind: Kind,
    /// Its seats.
    pub pools: Vec<PoolTerms>,
    /// Its first and its last day, both included.
    pub valid: [Day; 2],
    /// Whose days these are.
    pub tz: Zone,
    /// For how many days after the last one new seats are still given.
    pub grace_days: u32,
    /// The host it is bound to; bound to the organisation alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Bind>,
    /// On how many hosts it may be installed.
    #[serde(default = "one_host", skip_serializing_if = "is_one_host")]
    pub hosts: u8,
    /// Files that it replaces from its first day on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<LicenceId>,
}

const fn one_host() -> u8 {
    1
}

// Serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_one_host(hosts: &u8) -> bool {
    *hosts == 1
}

impl Licence {
    /// Returns the first day.
    pub fn first(&self) -> Day {
        self.valid[0]
    }

    /// Returns the last day.
    pub fn last(&self) -> Day {
        self.valid[1]
    }

    /// Returns the last day on which new seats are given.
    pub fn grace_until(&self) -> Day {
        self.last().plus(self.grace_days)
    }

    /// Returns the terms of one kind of seats.
    pub fn pool(&self, feature: &str) -> Option<&PoolTerms> {
        self.pools.iter().find(|pool| pool.feature == feature)
    }

    /// Tells whether this file replaces another on a day: from its own first day on, so that it can be installed early.
    pub fn replaces(&self, other: &Self, day: Day) -> bool {
        let names = self.id == other.id || self.supersedes.contains(&other.id);
        names && self.seq > other.seq && self.first() <= day
    }

    /// Reads a licence file and believes it if a known key signed it.
    ///
    /// Errors: why it is no licence; nothing of it may be used then.
    pub fn open(text: &str, keys: &KeyRing) -> Result<Self, LicenceError> {
        let licence: Self =
            jws::open(text.trim(), LICENCE_BYTES_MAX, |parts| keys.find(&parts.kid).cloned())?;
        licence.check()?;
        Ok(licence)
    }

    /// Signs a licence.
    ///
    /// Errors: [`LicenceError::Terms`] if no server would accept it, [`LicenceError::TooLarge`].
    pub fn issue(&self, key: &SigningKey) -> Result<String, LicenceError> {
        self.check()?;
        let text = jws::sign(self, key);
        match text.len() {
            bytes if bytes > LICENCE_BYTES_MAX => {
                Err(LicenceError::TooLarge { bytes, bytes_max: LICENCE_BYTES_MAX })
            }
            _ => Ok(text),
        }
    }

    /// Tells whether a file can be installed beside those that are.
    ///
    /// Errors: why not; nothing changes then.
    pub fn accept(&self, installed: &[Installed], host: &[HostHash], today: Day) -> Result<(), LicenceError> {
        let others = || installed.iter().map(|file| &file.licence);
        if others().any(|other| other.id == self.id && other.seq == self.seq) {
            return Err(LicenceError::AlreadyInstalled { id: self.id.clone() });
        }
        // An office that got a new name brings a file that replaces all the old ones.
        let is_foreign = |other: &&Self| {
            other.customer != self.customer
                && !self.replaces(other, self.first())
                && !is_replaced(other, installed)
        };
        if let Some(other) = others().find(is_foreign) {
            let (customer, here) = (self.customer.clone(), other.customer.clone());
            return Err(LicenceError::OtherCustomer { customer, here });
        }
        if let Some(newest) = others().map(|other| other.seq).max().filter(|newest| *newest >= self.seq) {
            return Err(LicenceError::Older { seq: self.seq, newest });
        }
        if self.grace_until() < today {
            return Err(LicenceError::Over { last: self.last() });
        }
        if let Some(bind) = self.bind.as_ref().filter(|bind| !bind.fits(host)) {
            return Err(LicenceError::OtherHost { matched: bind.matched(host), k: bind.k, n: bind.n });
        }
        if installed.len() >= FILES_MAX {
            return Err(LicenceError::TooMany { files_max: FILES_MAX });
        }
        Ok(())
    }

    /// Looks at what the types alone do not say.
    fn check(&self) -> Result<(), LicenceError> {
        let wrong = |what: String| Err(LicenceError::Terms { what });
        let chars = self.customer.chars().count();
        if !(1..=CUSTOMER_CHARS_MAX).contains(&chars) || self.customer.chars().any(char::is_control) {
            return wrong(format!("customer of {chars} characters"));
        }
        if self.seq == 0 {
            return wrong("seq 0".to_owned());
        }
        if self.first() > self.last() {
            return wrong(format!("valid from {} to {}", self.first(), self.last()));
        }
        if self.grace_days > DAYS_MAX {
            return wrong(format!("grace_days {}", self.grace_days));
        }
        if !(1..=HOSTS_MAX).contains(&self.hosts) {
            return wrong(format!("hosts {}", self.hosts));
        }
        if self.supersedes.len() > SUPERSEDES_MAX {
            return wrong(format!("supersedes {} files", self.supersedes.len()));
        }
        self.check_pools()?;
        self.bind.as_ref().map_or(Ok(()), |bind| bind.check(self.hosts))
    }

    fn check_pools(&self) -> Result<(), LicenceError> {
        let wrong = |what: String| Err(LicenceError::Terms { what });
        if !(1..=POOLS_MAX).contains(&self.pools.len()) {
            return wrong(format!("{} pools", self.pools.len()));
        }
        for (index, pool) in self.pools.iter().enumerate() {
            let name = &pool.feature;
            if !is_name(name) {
                return wrong(format!("feature {name:?}"));
            }
            if self.pools[..index].iter().any(|other| other.feature == *name) {
                return wrong(format!("feature {name} twice"));
            }
            if !(1..=SEATS_MAX).contains(&pool.seats) {
                return wrong(format!("{} seats", pool.seats));
            }
            let is_fit =
                |burst: Burst| (2..=BURST_X_MAX).contains(&burst.x) && (1..=DAYS_MAX).contains(&burst.days);
            if let Some(burst) = pool.burst.filter(|burst| !is_fit(*burst)) {
                return wrong(format!("burst of {} times on {} days", burst.x, burst.days));
            }
        }
        Ok(())
    }
}

/// Tells whether an installed file is replaced by another, now or once that one begins.
fn is_replaced(file: &Licence, installed: &[Installed]) -> bool {
    installed.iter().any(|other| other.licence.replaces(file, other.licence.first()))
}
