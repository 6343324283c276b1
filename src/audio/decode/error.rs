//! What can be wrong with a recording, each with the step that follows.

use std::io;

use crate::audio::MediaTime;

/// Why a recording gives no sound, or no more of it.
///
/// Sound delivered before an error is good and may be kept.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The source has no bytes; the caller asks for the file again, the upload or the copy went wrong.
    #[error("the file is empty")]
    Empty,
    /// The bytes are something else; the caller says what they look like and asks for the recording.
    #[error("the file is not a recording, it looks like {looks_like}")]
    NotAudio {
        /// What the first bytes look like, in words.
        looks_like: &'static str,
    },
    /// The sound is locked; the caller asks for a copy without protection, nothing here can open it.
    #[error("the recording is protected by {scheme}")]
    Encrypted {
        /// The kind of protection.
        scheme: &'static str,
    },
    /// The sound is written in a way this product cannot read; the caller converts it and tries again.
    #[error("the codec {codec} is not supported")]
    UnsupportedCodec {
        /// The codec's or the container's usual name.
        codec: String,
    },
    /// A film, a picture or a text without sound; the caller asks for the right file.
    #[error("the {container} file has no sound track")]
    NoAudioTrack {
        /// The container's usual name.
        container: &'static str,
    },
    /// A sound track is announced but nothing in it can be heard; the caller asks for another copy.
    #[error("the sound track gives no sound ({damaged} unreadable packets)")]
    NoSound {
        /// Packets that were there but could not be decoded.
        damaged: u64,
    },
    /// The recorder stopped before it wrote the index; the caller repairs it on the recorder, or uses another copy.
    #[error("the recording was never finished, its index is missing")]
    Unfinished,
    /// A header promises what no recording can be; the caller treats the file as damaged or hostile.
    #[error("the header says {field} = {value}")]
    AbsurdHeader {
        /// The field of the header.
        field: &'static str,
        /// What it says.
        value: u64,
    },
    /// The structure cannot be followed; the caller asks for another copy.
    #[error("the recording is damaged: {cause}")]
    Damaged {
        /// What the reader stumbled over, for the log.
        cause: String,
    },
    /// The recording is longer than any meeting; the caller keeps what came before and cuts the file.
    #[error("the recording is longer than {} s", longest.seconds())]
    TooLong {
        /// The limit.
        longest: MediaTime,
    },
    /// The source failed; the caller may retry, the recording itself may be whole.
    #[error("the recording could not be read")]
    Read(#[source] io::Error),
}

impl DecodeError {
    /// Tells whether the cause may be a missing end, which another way of reading gets around.
    pub(super) fn may_be_missing_end(&self) -> bool {
        match self {
            Self::NoSound { .. } | Self::Damaged { .. } | Self::NoAudioTrack { .. } => true,
            Self::Empty
            | Self::NotAudio { .. }
            | Self::Encrypted { .. }
            | Self::UnsupportedCodec { .. }
            | Self::Unfinished
            | Self::AbsurdHeader { .. }
            | Self::TooLong { .. }
            | Self::Read(_) => false,
        }
    }
}
