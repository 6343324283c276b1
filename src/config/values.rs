//! Types of settings that are more than a number or a text.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::speech::longform::Preset;

/// What stands wherever a secret would have been printed.
pub const SECRET_SHOWN_AS: &str = "（設定済み）";

/// Most addresses a server listens on.
const LISTEN_MAX: usize = 16;

/// A text that no message, log or listing shows; it is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text in.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the text, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET_SHOWN_AS)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SECRET_SHOWN_AS)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual message would repeat the value.
        let text = String::deserialize(deserializer);
        text.map(Self::new).map_err(|_| de::Error::custom("引用符で囲んだ文字を書いてください"))
    }
}

/// Where the server listens: one address, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(Vec<SocketAddr>);

impl Listen {
    /// Returns the addresses; at least one, at most 16, none twice.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }

    fn checked<E: de::Error>(texts: &[String]) -> Result<Self, E> {
        let mut addresses = Vec::with_capacity(texts.len());
        for text in texts {
            let address = text.parse().map_err(|_| {
                E::custom(format!(
                    "{text:?} はアドレスではありません。\"127.0.0.1:8080\" のように書いてください"
                ))
            })?;
            if addresses.contains(&address) {
                return Err(E::custom(format!("{text:?} が二度書かれています")));
            }
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(E::custom("アドレスを一つ以上書いてください"));
        }
        Ok(Self(addresses))
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)])
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenVisitor)
    }
}

struct ListenVisitor;

impl<'de> Visitor<'de> for ListenVisitor {
    type Value = Listen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"127.0.0.1:8080\" のようなアドレス、またはその並び")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
        Listen::checked(&[text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listen, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            if texts.len() == LISTEN_MAX {
                return Err(de::Error::custom(format!("アドレスは {LISTEN_MAX} 個までです")));
            }
            texts.push(text);
        }
        Listen::checked(&texts)
    }
}

/// Where recordings lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioStore {
    /// In the data folder.
    Local,
    /// In an S3-compatible store.
    S3,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a collector.
    Json,
}

/// How hard the recogniser tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trying {
    /// The fewest errors.
    Accurate,
    /// The least time.
    Fast,
}

impl From<Trying> for Preset {
    fn from(trying: Trying) -> Self {
        match trying {
            Trying::Accurate => Self::Accurate,
            Trying::Fast => Self::Fast,
        }
    }
}
