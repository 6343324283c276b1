//! Tells by the first bytes what is no recording, or one of a kind that cannot be read, and names it.

use super::DecodeError;
use super::source::Recording;

/// As much as is looked at. Units: bytes.
const HEAD_BYTES: usize = 4_096;
/// As much as is looked at before zeros are taken for all there is. Units: bytes.
const ZERO_BYTES: usize = 1 << 20;
/// Length of the size and version fields in front of an ID3v2 tag's content.
const ID3_HEADER_BYTES: u64 = 10;

/// Container families that need a closer look before a demuxer sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// RIFF WAVE and its 64-bit forms.
    Wave,
    /// MP4, M4A, MOV, 3GP.
    IsoMp4,
    /// Core Audio Format.
    Caf,
    /// Matroska and WebM.
    Matroska,
    /// Everything else that is not refused.
    Other,
}

enum Verdict {
    /// No recording; what it looks like.
    Other(&'static str),
    /// A recording of an unsupported kind; its name.
    Unsupported(&'static str),
}

struct Magic {
    offset: usize,
    bytes: &'static [u8],
    verdict: Verdict,
}

const fn other(bytes: &'static [u8], looks_like: &'static str) -> Magic {
    Magic { offset: 0, bytes, verdict: Verdict::Other(looks_like) }
}

const fn unsupported(offset: usize, bytes: &'static [u8], codec: &'static str) -> Magic {
    Magic { offset, bytes, verdict: Verdict::Unsupported(codec) }
}

/// First bytes as their makers document them; several contain by chance what looks like a frame of MP3.
const MAGICS: [Magic; 38] = [
    other(b"PK\x03\x04", "a zip archive or an office document"),
    other(b"PK\x05\x06", "a zip archive"),
    other(b"%PDF", "a PDF document"),
    other(b"\xFF\xD8\xFF", "a JPEG picture"),
    other(b"\x89PNG", "a PNG picture"),
    other(b"GIF8", "a GIF picture"),
    other(b"BM", "a bitmap picture"),
    other(b"II*\0", "a TIFF picture"),
    other(b"MM\0*", "a TIFF picture"),
    other(b"\x7FELF", "a program"),
    other(b"MZ", "a Windows program"),
    other(b"\x1F\x8B", "a gzip archive"),
    other(b"BZh", "a bzip2 archive"),
    other(b"\xFD7zXZ", "an xz archive"),
    other(b"\x28\xB5\x2F\xFD", "a zstd archive"),
    other(b"7z\xBC\xAF", "a 7-Zip archive"),
    other(b"Rar!", "a RAR archive"),
    other(b"\xD0\xCF\x11\xE0", "an older office document"),
    other(b"SQLite format 3", "a database"),
    other(b"MThd", "a MIDI score"),
    unsupported(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "WMA or another in an ASF file"),
    unsupported(0, b"#!AMR-WB", "AMR-WB"),
    unsupported(0, b"#!AMR", "AMR"),
    unsupported(0, b"#!EVS", "EVS"),
    unsupported(0, b"\x0B\x77", "AC-3"),
    unsupported(0, b"\x7F\xFE\x80\x01", "DTS"),
    unsupported(0, b"wvpk", "WavPack"),
    unsupported(0, b"MAC ", "Monkey's Audio"),
    unsupported(0, b"\x02dss", "DSS of a dictation recorder"),
    unsupported(0, b"\x03ds2", "DS2 of a dictation recorder"),
    unsupported(0, b"MS_VOICE", "MSV of a dictation recorder"),
    unsupported(0, b".RMF", "RealMedia"),
    unsupported(0, b".ra\xFD", "RealAudio"),
    unsupported(0, b"FLV", "Flash video"),
    unsupported(0, b"\0\0\x01\xBA", "an MPEG program stream"),
    unsupported(8, b"AVI ", "an AVI film"),
    unsupported(28, b"Speex   ", "Speex"),
    unsupported(0, b"ea3\x03", "ATRAC"),
];

/// Refuses what is recognised as something else; tells the family of the rest.
pub(super) fn recognise(recording: &Recording) -> Result<Family, DecodeError> {
    if recording.len() == 0 {
        return Err(DecodeError::Empty);
    }
    let head = recording.bytes(0, HEAD_BYTES).map_err(DecodeError::Read)?;
    refuse_zeros(recording, &head)?;
    refuse_text(&head)?;
    let start = tag_len(&head);
    let head =
        if start == 0 { head } else { recording.bytes(start, HEAD_BYTES).map_err(DecodeError::Read)? };
    for magic in &MAGICS {
        if head.get(magic.offset..).is_some_and(|rest| rest.starts_with(magic.bytes)) {
            return Err(magic.verdict.refusal());
        }
    }
    refuse_transport_stream(&head)?;
    Ok(if start == 0 { family(&head) } else { Family::Other })
}

impl Verdict {
    fn refusal(&self) -> DecodeError {
        match self {
            Self::Other(looks_like) => DecodeError::NotAudio { looks_like },
            Self::Unsupported(codec) => DecodeError::UnsupportedCodec { codec: (*codec).to_owned() },
        }
    }
}

fn family(head: &[u8]) -> Family {
    match (head.get(..4), head.get(4..8), head.get(8..12)) {
        (Some(b"RIFF" | b"RF64" | b"BW64"), _, Some(b"WAVE")) => Family::Wave,
        (Some(b"caff"), _, _) => Family::Caf,
        (_, Some(b"ftyp"), _) => Family::IsoMp4,
        (Some(b"\x1A\x45\xDF\xA3"), _, _) => Family::Matroska,
        _ => Family::Other,
    }
}

/// A preallocated file that was never written to; no demuxer looks further than this either.
fn refuse_zeros(recording: &Recording, head: &[u8]) -> Result<(), DecodeError> {
    let is_zero = |byte: &u8| *byte == 0;
    let empty = head.iter().all(is_zero) && {
        let more = recording.bytes(0, ZERO_BYTES).map_err(DecodeError::Read)?;
        more.iter().all(is_zero)
    };
    if empty { Err(DecodeError::NotAudio { looks_like: "nothing but zeros" }) } else { Ok(()) }
}

/// Text is recognised by having no control characters: UTF-8, Shift_JIS, EUC-JP and UTF-16 with its mark.
fn refuse_text(head: &[u8]) -> Result<(), DecodeError> {
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B);
    let utf16 = head.starts_with(b"\xFF\xFE") && head.get(3) == Some(&0) || head.starts_with(b"\xFE\xFF\0");
    if utf16 || (!head.iter().any(is_control) && mostly_letters(head)) {
        return Err(DecodeError::NotAudio { looks_like: "a text" });
    }
    Ok(())
}

/// Letters of ASCII, or bytes of Japanese text: a run of samples at one level has no variety.
fn mostly_letters(head: &[u8]) -> bool {
    let plain = head.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
    std::str::from_utf8(&head[..head.len().min(HEAD_BYTES - 4)]).is_ok() || plain * 4 >= head.len()
}

/// A broadcast recording repeats its mark every 188 bytes.
fn refuse_transport_stream(head: &[u8]) -> Result<(), DecodeError> {
    let marks = [0, 188, 376, 564];
    if marks.iter().all(|&at| head.get(at) == Some(&0x47)) {
        return Err(DecodeError::UnsupportedCodec { codec: "an MPEG transport stream".to_owned() });
    }
    Ok(())
}

/// Returns how many bytes an ID3v2 tag takes in front of the recording.
fn tag_len(head: &[u8]) -> u64 {
    let (Some(b"ID3"), Some(size)) = (head.get(..3), head.get(6..10)) else { return 0 };
    let content = size.iter().fold(0, |sum, &byte| (sum << 7) | u64::from(byte & 0x7F));
    content + ID3_HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn recognised(bytes: &[u8]) -> Result<Family, DecodeError> {
        let source = Cursor::new(bytes.to_vec());
        recognise(&Recording::new(Box::new(source)).expect("memory can be measured"))
    }

    fn padded(bytes: &[u8]) -> Vec<u8> {
        let mut padded = bytes.to_vec();
        padded.resize(2_000, 0x01);
        padded
    }

    #[test]
    fn everything_in_the_table_is_refused() {
        for magic in &MAGICS {
            let mut bytes = vec![0x01; magic.offset];
            bytes.extend_from_slice(magic.bytes);
            let refusal = recognised(&padded(&bytes)).expect_err("listed");
            let named =
                matches!(refusal, DecodeError::NotAudio { .. } | DecodeError::UnsupportedCodec { .. });
            assert!(named, "{:?}", magic.bytes);
        }
    }

    #[test]
    fn texts_are_told_from_recordings() {
        for text in ["議事録\n第一回", "plain text, nothing else\r\n", "{\"a\": 1}", "<html>"] {
            assert!(matches!(recognised(text.as_bytes()), Err(DecodeError::NotAudio { .. })), "{text}");
        }
        let shift_jis = b"\x8B\x63\x8E\x96\x98\x5E\x82\xCC 2026 abc def\r\n";
        assert!(matches!(recognised(shift_jis), Err(DecodeError::NotAudio { .. })));
    }

    #[test]
    fn the_families_of_recordings_are_told_apart() {
        let cases: [(&[u8], Family); 5] = [
            (b"RIFF\x01\x02\x03\x04WAVE", Family::Wave),
            (b"RF64\xFF\xFF\xFF\xFFWAVE", Family::Wave),
            (b"\0\0\0\x20ftypM4A ", Family::IsoMp4),
            (b"\x1A\x45\xDF\xA3\x01", Family::Matroska),
            (b"OggS\0\x02", Family::Other),
        ];
        for (bytes, family) in cases {
            assert_eq!(recognised(&padded(bytes)).expect("a recording"), family);
        }
    }

    #[test]
    fn what_stands_behind_a_tag_is_what_counts() {
        let mut bytes = b"ID3\x04\0\0\0\0\0\x10".to_vec();
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(b"wvpk");
        assert!(matches!(recognised(&padded(&bytes)), Err(DecodeError::UnsupportedCodec { .. })));
    }

    #[test]
    fn zeros_and_nothing_are_no_recording() {
        assert!(matches!(recognised(&[]), Err(DecodeError::Empty)));
        assert!(matches!(recognised(&[0; 9_000]), Err(DecodeError::NotAudio { .. })));
    }
}
