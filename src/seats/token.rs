//! Numbers that only grow: epochs, tokens, and the names of leases and places in the line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bits of a token below its epoch.
const COUNTER_BITS: u32 = 40;

/// The highest counter of one epoch.
const COUNTER_MAX: u64 = (1 << COUNTER_BITS) - 1;

/// The number of a server start; 23 bits, so that a token fits a BIGINT.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(u32);

impl Epoch {
    /// The highest epoch: one start a minute reaches it after fifteen years.
    pub const MAX: Self = Self((1 << 23) - 1);

    /// Takes a number, at most [`Epoch::MAX`].
    pub const fn new(number: u32) -> Self {
        if number > Self::MAX.0 { Self::MAX } else { Self(number) }
    }

    /// Returns the number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns the next epoch; none after the last.
    pub const fn next(self) -> Option<Self> {
        if self.0 >= Self::MAX.0 { None } else { Some(Self(self.0 + 1)) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Proof that a lease is still yours: grows with each grant, re-attachment and hand-over.
///
/// Shape: `epoch << 40 | counter`; a decimal string in JSON, for it exceeds what JavaScript counts exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// Names a lease for its whole life: a number drawn like a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(u64);

/// Names a place in the line: a number drawn like a token, so the earlier comer has the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(u64);

/// A text that is no number of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no number of a seat")]
pub struct NotANumber(String);

macro_rules! drawn_number {
    ($name:ident) => {
        impl $name {
            /// Puts a number together.
            ///
            /// Range: `counter` below 2^40; higher bits are cut off.
            pub const fn new(epoch: Epoch, counter: u64) -> Self {
                Self((epoch.0 as u64) << COUNTER_BITS | counter & COUNTER_MAX)
            }

            /// Returns the epoch it was drawn in.
            pub const fn epoch(self) -> Epoch {
                Epoch((self.0 >> COUNTER_BITS) as u32)
            }

            /// Returns the number as the database keeps it.
            pub const fn number(self) -> i64 {
                self.0 as i64
            }

            /// Takes the number as the database keeps it; none if it is negative.
            pub fn from_number(number: i64) -> Option<Self> {
                u64::try_from(number).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotANumber;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let number = text.parse::<i64>().ok().and_then(Self::from_number);
                number.ok_or_else(|| NotANumber(text.chars().take(40).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

drawn_number!(Token);
drawn_number!(LeaseId);
drawn_number!(TicketId);

/// Where numbers are drawn: one counter for all three kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The epoch of the numbers drawn now.
    pub epoch: Epoch,
    /// How many were drawn in it.
    pub drawn: u64,
}

/// Numbers kept back, so that a step that needs several never stops half-way.
const KEPT_BACK: u64 = 1 << 20;

impl Counter {
    /// Starts counting in an epoch.
    pub const fn in_epoch(epoch: Epoch) -> Self {
        Self { epoch, drawn: 0 }
    }

    /// Tells whether a new epoch has to be opened before anything more is granted.
    pub const fn is_used_up(self) -> bool {
        self.drawn >= COUNTER_MAX - KEPT_BACK
    }

    /// Returns the counter `ahead` numbers further on.
    pub(super) const fn peek(self, ahead: u64) -> u64 {
        self.drawn + ahead
    }

    /// Notes that a number was used; numbers of other epochs were drawn elsewhere.
    pub(super) fn note(&mut self, number: u64) {
        if (number >> COUNTER_BITS) as u32 == self.epoch.0 {
            self.drawn = self.drawn.max(number & COUNTER_MAX);
        }
    }
}
