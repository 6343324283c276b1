//! What somebody wishes to know about the speakers of a recording.

use std::fmt;
use std::str::FromStr;

use super::SPEAKERS_MAX;

/// Whether speakers are told apart, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Wanted {
    /// They are not.
    Off,
    /// By their voices, as many as are heard.
    #[default]
    Auto,
    /// By their voices; there are so many, 1 to [`SPEAKERS_MAX`].
    Count(u8),
    /// By the channel: one microphone a person.
    Channels,
}

/// A wish that nobody can fulfil.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("speakers {0:?}: auto, off, channels or a number from 1 to {SPEAKERS_MAX}")]
pub struct UnknownWish(String);

impl FromStr for Wanted {
    type Err = UnknownWish;

    fn from_str(text: &str) -> Result<Self, UnknownWish> {
        match text {
            "off" => Ok(Self::Off),
            "auto" => Ok(Self::Auto),
            "channels" => Ok(Self::Channels),
            number => number
                .parse()
                .ok()
                .filter(|count| (1..=SPEAKERS_MAX).contains(count))
                .map(Self::Count)
                .ok_or_else(|| UnknownWish(number.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::Auto => out.write_str("auto"),
            Self::Count(count) => count.fmt(out),
            Self::Channels => out.write_str("channels"),
        }
    }
}

impl TryFrom<String> for Wanted {
    type Error = UnknownWish;

    fn try_from(text: String) -> Result<Self, UnknownWish> {
        text.parse()
    }
}

impl From<Wanted> for String {
    fn from(wanted: Wanted) -> Self {
        wanted.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_survives_being_written_and_read() {
        for wanted in [Wanted::Off, Wanted::Auto, Wanted::Channels, Wanted::Count(1), Wanted::Count(20)] {
            assert_eq!(wanted.to_string().parse(), Ok(wanted));
        }
    }

    #[test]
    fn nobody_can_wish_for_no_speaker_or_for_too_many() {
        for text in ["0", "21", "-1", "", "all", "3.5"] {
            assert_eq!(text.parse::<Wanted>(), Err(UnknownWish(text.to_owned())));
        }
    }
}
