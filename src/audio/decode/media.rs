//! Names a recording's kind by its first bytes, for whoever hands the file on. Decodes nothing.

/// Longest distance into an EBML header at which its document type is looked for. Units: bytes.
const DOC_TYPE_BYTES: usize = 64;

/// Returns the media type that the first bytes of a file show; nothing if they are of no kind known here.
///
/// Range: a few hundred bytes are enough; fewer tell less, never something wrong by themselves.
/// Source: the registered media types; the forms with `x-` are those that browsers play.
pub fn media_type(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    if [b"RIFF", b"RF64", b"BW64"].iter().any(|mark| at(0, *mark)) && at(8, b"WAVE") {
        return Some("audio/wav");
    }
    if at(4, b"ftyp") {
        return Some(match head.get(8..12) {
            Some(b"M4A " | b"M4B ") => "audio/mp4",
            Some(b"qt  ") => "video/quicktime",
            _ => "video/mp4",
        });
    }
    if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        return Some("audio/aiff");
    }
    if at(0, b"\x1A\x45\xDF\xA3") {
        let header = &head[..head.len().min(DOC_TYPE_BYTES)];
        let is_webm = header.windows(4).any(|found| found == b"webm");
        return Some(if is_webm { "video/webm" } else { "video/x-matroska" });
    }
    let plain: [(&[u8], &str); 9] = [
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"caff", "audio/x-caf"),
        (b"ID3", "audio/mpeg"),
        (b"#!AMR-WB", "audio/amr-wb"),
        (b"#!AMR", "audio/amr"),
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "video/x-ms-asf"),
        (b"\x0B\x77", "audio/ac3"),
        (b"wvpk", "audio/x-wavpack"),
    ];
    let found = plain.iter().find(|(mark, _)| at(0, mark)).map(|(_, kind)| *kind);
    found.or_else(|| frame_type(head))
}

/// MPEG audio has no header in front: its frames begin with eleven or twelve set bits.
fn frame_type(head: &[u8]) -> Option<&'static str> {
    let (&[0xFF, second, third, ..], true) = (head, head.len() >= 3) else { return None };
    match second {
        // ADTS: layer 00.
        second if second & 0xF6 == 0xF0 => Some("audio/aac"),
        // A version, layer II or III (all bits set is the mark of UTF-16), a bit rate and a sampling rate that exist.
        second if second & 0xE0 == 0xE0 && second & 0x18 != 0x08 && matches!(second & 0x06, 2 | 4) => {
            (third & 0xF0 != 0xF0 && third & 0x0C != 0x0C).then_some("audio/mpeg")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        let cases: [(&[u8], &str); 10] = [
            (b"RIFF\x01\x02\x03\x04WAVEfmt ", "audio/wav"),
            (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
            (b"\0\0\0\x20ftypisom", "video/mp4"),
            (b"FORM\0\0\0\0AIFC", "audio/aiff"),
            (b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
            (b"OggS\0\x02", "audio/ogg"),
            (b"ID3\x04", "audio/mpeg"),
            (b"\xFF\xFB\x90\x64", "audio/mpeg"),
            (b"\xFF\xF1\x50\x80", "audio/aac"),
            (b"\xFF\xF9\x50\x80", "audio/aac"),
        ];
        for (head, expected) in cases {
            assert_eq!(media_type(head), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn what_is_no_recording_has_no_kind() {
        for head in
            [&b""[..], b"\xFF", b"\xFF\xD8\xFF\xE0", b"<html><script>", b"\xFF\xFE\x41\0", b"PK\x03\x04"]
        {
            assert_eq!(media_type(head), None, "{head:?}");
        }
    }

    #[test]
    fn every_beginning_of_a_file_can_be_asked_about() {
        let head = b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm";
        for len in 0..=head.len() {
            media_type(&head[..len]);
        }
    }
}
