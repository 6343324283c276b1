//! Which bytes a player asks for, and what a file is called when it is kept. Pure.

use std::fmt::Write as _;
use std::ops::Range;

use axum::http::{HeaderMap, header};

/// Which bytes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of them; also if the question cannot be read, or names several ranges.
    Whole,
    /// Some of them.
    Part(Range<u64>),
    /// None that are there.
    Outside,
}

/// Reads `Range`, unless `If-Range` names another file.
///
/// Source: RFC 9110, sections 13.1.5 and 14.2.
pub(super) fn asked(headers: &HeaderMap, etag: &str, bytes_total: u64) -> Asked {
    let text =
        |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or_default());
    if text(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Asked::Whole;
    }
    text(header::RANGE).map_or(Asked::Whole, |range| parsed(range, bytes_total))
}

fn parsed(range: &str, bytes_total: u64) -> Asked {
    let ends = range.trim().strip_prefix("bytes=").and_then(|ends| ends.split_once('-'));
    let Some((first, last)) = ends else { return Asked::Whole };
    let range = match (digits(first), digits(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(bytes_total),
        (Some(first), None) if last.trim().is_empty() => first..bytes_total,
        (None, Some(suffix)) if first.trim().is_empty() => bytes_total.saturating_sub(suffix)..bytes_total,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Outside } else { Asked::Part(range) }
}

fn digits(text: &str) -> Option<u64> {
    let text = text.trim();
    // The standard library would take a sign, too.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Formats `Content-Disposition`: the name in ASCII for old programs, and the whole one.
///
/// Source: RFC 6266 and RFC 8187.
pub(super) fn disposition(file_name: &str, download: bool) -> String {
    let kind = if download { "attachment" } else { "inline" };
    let name = if file_name.is_empty() { "recording" } else { file_name };
    let plain: String = name.chars().map(|ch| if is_plain(ch) { ch } else { '_' }).collect();
    let mut line = format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            line.push(char::from(byte));
        } else {
            write!(line, "%{byte:02X}").expect("text grows as needed");
        }
    }
    line
}

fn is_plain(ch: char) -> bool {
    ch == ' ' || (ch.is_ascii_graphic() && !matches!(ch, '"' | '\\' | '%' | '/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let cases = [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=0-", Asked::Part(0..10)),
            ("bytes=3-5", Asked::Part(3..6)),
            ("bytes=3-99", Asked::Part(3..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=9-18446744073709551615", Asked::Part(9..10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-3", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=99999999999999999999-", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ];
        for (range, expected) in cases {
            assert_eq!(parsed(range, 10), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_file_gives_the_whole_one() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, axum::http::HeaderValue::from_static("bytes=1-2"));
        headers.insert(header::IF_RANGE, axum::http::HeaderValue::from_static("\"old\""));
        assert_eq!(asked(&headers, "\"new\"", 10), Asked::Whole);
        assert_eq!(asked(&headers, "\"old\"", 10), Asked::Part(1..3));
    }

    #[test]
    fn a_japanese_name_survives_and_ends_no_header() {
        assert_eq!(
            disposition("議事 1.m4a", true),
            "attachment; filename=\"__ 1.m4a\"; filename*=UTF-8''%E8%AD%B0%E4%BA%8B%201.m4a"
        );
        let hostile = disposition("a\"\r\nSet-Cookie: b", false);
        assert!(!hostile.contains(['\r', '\n']) && hostile.matches('"').count() == 2, "{hostile}");
    }
}
