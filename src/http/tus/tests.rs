use proptest::prelude::*;

use super::*;

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn name_of(raw: &str) -> Option<String> {
    let metadata = Metadata::parse(Some(&format!("filename {}", base64(raw)))).expect("well formed");
    metadata.file_name().map(|name| name.as_str().to_owned())
}

#[test]
fn only_version_1_0_0_is_spoken() {
    assert_eq!(check_version(Some("1.0.0")), Ok(()));
    for other in [None, Some(""), Some("0.2.2"), Some("1.0"), Some("1.0.0 "), Some("1.0.0,0.2.2")] {
        assert!(matches!(check_version(other), Err(TusError::OtherVersion { .. })), "{other:?}");
    }
}

#[test]
fn a_length_is_digits_within_the_limit() {
    let parse = |value| Length::parse(Some(value), None, 1_000);
    assert_eq!(parse("0").map(Length::bytes), Ok(0));
    assert_eq!(parse("1000").map(Length::bytes), Ok(1_000));
    assert_eq!(parse("1001"), Err(TusError::TooLarge { bytes: 1_001, bytes_max: 1_000 }));
    for bad in ["", "+1", "-1", "1 ", "0x1", "1e3", "１", "99999999999999999999999", "9223372036854775808"] {
        assert!(matches!(parse(bad), Err(TusError::Malformed { .. })), "{bad:?}");
    }
}

#[test]
fn a_missing_or_deferred_length_is_refused_before_anything_is_stored() {
    assert_eq!(Length::parse(None, None, 9), Err(TusError::Missing { header: "Upload-Length" }));
    assert_eq!(Length::parse(None, Some("1"), 9), Err(TusError::DeferredLength));
    assert_eq!(Length::parse(Some("5"), Some("1"), 9), Err(TusError::DeferredLength));
}

#[test]
fn a_part_must_begin_where_the_upload_ends_and_stay_within_it() {
    let length = Length::accepted(10);
    let at = |value| Offset::parse(Some(value)).expect("a number");
    assert_eq!(at("4").check_part(4, Some(6), length), Ok(6));
    assert_eq!(at("4").check_part(4, None, length), Ok(6));
    assert_eq!(at("10").check_part(10, Some(0), length), Ok(0));
    assert_eq!(at("3").check_part(4, None, length), Err(TusError::OffsetMismatch { expected: 4, found: 3 }));
    let past = TusError::PastEnd { offset: 4, part_bytes: 7, length: 10 };
    assert_eq!(at("4").check_part(4, Some(7), length), Err(past));
    assert!(matches!(Offset::parse(None), Err(TusError::Missing { .. })));
}

#[test]
fn only_a_part_of_a_file_is_taken_as_a_body() {
    assert_eq!(check_part_media_type(Some("application/offset+octet-stream")), Ok(()));
    assert_eq!(check_part_media_type(Some("Application/Offset+Octet-Stream; a=b")), Ok(()));
    for other in [None, Some("application/octet-stream"), Some("")] {
        assert!(matches!(check_part_media_type(other), Err(TusError::OtherMediaType { .. })), "{other:?}");
    }
}

#[test]
fn both_checksums_are_read() {
    let digest = STANDARD.encode([7; 20]);
    assert_eq!(Checksum::parse(Some(&format!("sha1 {digest}"))), Ok(Some(Checksum::Sha1([7; 20]))));
    let digest = STANDARD.encode([9; 32]);
    assert_eq!(Checksum::parse(Some(&format!("sha256 {digest}"))), Ok(Some(Checksum::Sha256([9; 32]))));
    assert_eq!(Checksum::parse(None), Ok(None));
}

#[test]
fn a_checksum_that_cannot_be_right_is_refused() {
    let short = STANDARD.encode([7; 19]);
    let long = STANDARD.encode([7; 33]);
    for bad in ["", "sha1", "sha1 ", "sha1 ???", &format!("sha1 {short}"), &format!("sha256 {long}")] {
        assert!(matches!(Checksum::parse(Some(bad)), Err(TusError::Malformed { .. })), "{bad:?}");
    }
    for unknown in ["md5 AAAA", "SHA1 AAAA", " AAAA"] {
        assert!(matches!(Checksum::parse(Some(unknown)), Err(TusError::OtherChecksum { .. })), "{unknown:?}");
    }
}

#[test]
fn metadata_is_pairs_of_a_key_and_base64() {
    let header = format!("filename {},filetype {}, is_secret", base64("会議.mp3"), base64("Audio/MPEG; x=1"));
    let metadata = Metadata::parse(Some(&header)).expect("well formed");
    assert_eq!(metadata.file_name().expect("named").as_str(), "会議.mp3");
    assert_eq!(metadata.media_type().expect("typed").as_str(), "audio/mpeg");
    assert_eq!((metadata.value("is_secret"), metadata.value("other")), (Some(""), None));
    assert_eq!(Metadata::parse(None), Ok(Metadata::default()));
    assert_eq!(Metadata::parse(Some("")), Ok(Metadata::default()));
}

#[test]
fn metadata_beyond_its_bounds_is_refused() {
    let long_value = format!("a {}", base64(&"x".repeat(1_025)));
    let long_key = format!("{} YQ==", "k".repeat(65));
    let many: Vec<String> = (0..17).map(|index| format!("k{index} YQ==")).collect();
    let not_utf8 = format!("a {}", STANDARD.encode([0xff]));
    for bad in [
        "a YQ==,a YQ==",
        "a !",
        "あ YQ==",
        ",",
        "a YQ==,",
        "a  YQ==",
        &"a".repeat(5_000),
        &long_value,
        &long_key,
        &many.join(","),
        &not_utf8,
    ] {
        assert!(matches!(Metadata::parse(Some(bad)), Err(TusError::Malformed { .. })), "{bad:.20}");
    }
}

#[test]
fn a_file_name_keeps_no_folder_and_nothing_invisible() {
    for (raw, clean) in [
        ("../../etc/passwd", Some("passwd")),
        ("C:\\fakepath\\録音 1.wav", Some("録音 1.wav")),
        ("a\r\nSet-Cookie: b.mp3", Some("aSet-Cookie_ b.mp3")),
        ("\u{202e}3pm.exe", Some("3pm.exe")),
        ("か\u{3099}.wav", Some("が.wav")),
        (" .hidden. ", Some("hidden")),
        ("..", None),
        ("a/", None),
        ("", None),
    ] {
        assert_eq!(name_of(raw).as_deref(), clean, "{raw:?}");
    }
    let long = name_of(&"議".repeat(300)).expect("shortened");
    assert_eq!((long.len(), long.chars().count()), (240, 80));
}

#[test]
fn a_media_type_that_is_none_is_not_shown() {
    for raw in ["audio", "audio/", "/mp3", "a b/c", "audio/mp3/x", "<script>/x", ""] {
        let header = format!("filetype {}", base64(raw));
        assert_eq!(Metadata::parse(Some(&header)).expect("well formed").media_type(), None, "{raw:?}");
    }
}

#[test]
fn a_date_is_written_as_http_wants_it() {
    assert_eq!(expires(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(expires(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert!(expires(i64::MAX).ends_with("GMT"));
}

#[test]
fn the_capabilities_name_version_extensions_and_limit() {
    let found = capabilities(20 << 30);
    assert!(found.contains(&("Tus-Max-Size", "21474836480".into())));
    assert!(found.contains(&("Tus-Version", "1.0.0".into())));
    assert!(found.iter().any(|(name, value)| *name == "Tus-Extension" && value.contains("termination")));
}

proptest! {
    #[test]
    fn no_header_makes_parsing_panic(value in "\\PC{0,80}", bytes_max: u64) {
        let _ = check_version(Some(&value));
        let _ = Length::parse(Some(&value), None, bytes_max);
        let _ = Offset::parse(Some(&value));
        let _ = Checksum::parse(Some(&value));
        let _ = Checksum::parse(Some(&format!("sha256 {value}")));
        let _ = check_part_media_type(Some(&value));
        let _ = Metadata::parse(Some(&value));
    }

    #[test]
    fn every_name_comes_out_short_and_in_one_piece(raw in "\\PC{0,250}") {
        if let Some(name) = name_of(&raw.chars().take(250).collect::<String>()) {
            prop_assert!((1..=240).contains(&name.len()));
            prop_assert!(!name.contains(['/', '\\', '\n', '\r', '"']) && !name.starts_with('.'));
        }
    }

    #[test]
    fn no_time_makes_formatting_panic(unix_ms: i64) {
        prop_assert!(expires(unix_ms).ends_with(" GMT"));
    }
}
