use super::*;
use crate::minutes::HeaderField;

const ALL: [Format; 9] = [
    Format::Docx,
    Format::Xlsx,
    Format::Csv,
    Format::Txt,
    Format::Md,
    Format::Srt,
    Format::Vtt,
    Format::Json,
    Format::Pdf,
];

fn made(minutes: &Minutes, options: &Options) -> Exported {
    export(minutes, options, &Assets::default()).expect("the meeting can be exported")
}

fn text(minutes: &Minutes, options: &Options) -> String {
    String::from_utf8(made(minutes, options).bytes).expect("the file is UTF-8")
}

#[test]
fn the_same_minutes_give_the_same_bytes() {
    for format in ALL {
        let options = Options { format, times: true, marks: true, ..Options::default() };
        assert!(made(&testing::meeting(), &options) == made(&testing::meeting(), &options), "{format:?}");
    }
}

#[test]
fn what_is_hidden_stays_hidden_with_what_was_drawn_from_it() {
    for format in [Format::Csv, Format::Txt, Format::Md, Format::Srt, Format::Vtt] {
        let options = Options { format, encoding: Encoding::Utf8, hidden_count: true, ..Options::default() };
        let text = text(&testing::meeting(), &options);
        assert!(!text.contains(testing::HIDDEN), "{format:?}");
        assert!(!text.contains("隠れた宿題"), "{format:?}");
    }
}

#[test]
fn json_is_the_whole_document_and_is_read_back() {
    let minutes = testing::meeting();
    let json = text(&minutes, &Options { format: Format::Json, ..Options::default() });
    let whole: Whole = serde_json::from_str(&json).expect("what is written can be read");
    assert_eq!(whole.version, JSON_VERSION);
    assert_eq!(*whole.minutes, minutes);
    assert_eq!(whole.minutes_sha256.len(), 64);
}

#[test]
fn a_published_copy_names_roles_and_tells_what_is_left() {
    let mut minutes = testing::meeting();
    testing::edit(&mut minutes, 14, |said| said.text.push_str("山田太郎会長に伺います。"));
    for format in [Format::Csv, Format::Txt, Format::Md, Format::Srt, Format::Vtt] {
        let header = vec![HeaderField::Title];
        let options = Options {
            format,
            header,
            public_names: true,
            times: true,
            encoding: Encoding::Utf8,
            ..Options::default()
        };
        let made = made(&minutes, &options);
        let text = String::from_utf8(made.bytes).expect("the file is UTF-8");
        assert!(!text.contains("佐藤花子"), "{format:?}: {text}");
        assert_eq!(text.matches("山田太郎").count(), 1, "{format:?}");
        assert!(text.contains("事務局"), "{format:?}");
        assert_eq!(
            made.warnings,
            [Warning::NamesInText { count: 1, names: vec!["山田太郎".to_owned()] }],
            "{format:?}"
        );
        assert!(made.file_name.starts_with("総務委員会_20261122_公開用."));
    }
}

#[test]
fn a_name_without_a_public_one_is_told() {
    let mut minutes = testing::meeting();
    minutes.speakers[1].role.clear();
    let options = Options { format: Format::Txt, public_names: true, ..Options::default() };
    let warnings = made(&minutes, &options).warnings;
    assert!(warnings.contains(&Warning::NamesShown { names: vec!["佐藤花子".to_owned()] }), "{warnings:?}");
    assert!(warnings[0].told().contains("佐藤花子"));
}

#[test]
fn the_whole_document_is_never_published() {
    let options = Options { format: Format::Json, public_names: true, ..Options::default() };
    let refused = export(&testing::meeting(), &options, &Assets::default());
    assert!(matches!(refused, Err(ExportError::NotForPublication)));
}

#[test]
fn cp932_tells_what_it_lacks() {
    let options = Options { format: Format::Txt, encoding: Encoding::Cp932, ..Options::default() };
    let made = made(&testing::meeting(), &options);
    let Some(Warning::Unencodable { count: 1, misfits }) = made.warnings.first() else {
        panic!("{:?}", made.warnings)
    };
    assert_eq!(misfits[0].character, '𠮷');
    let (text, _, damaged) = encoding_rs::SHIFT_JIS.decode(&made.bytes);
    assert!(!damaged && text.contains("〓野委員の御意見は～承りました。\r\n次に移ります。"));
}

#[test]
fn a_switch_that_is_off_leaves_its_part_out() {
    let minutes = testing::meeting();
    let plain = Options {
        format: Format::Txt,
        header: Vec::new(),
        items: false,
        headings: false,
        merge: false,
        ..Options::default()
    };
    let text = text(&minutes, &plain);
    for absent in ["開催場所", "■", "予算案を原案", "[00:", "【"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    assert_eq!(text.matches("山田太郎\r\n").count(), 3);
}

#[test]
fn neighbours_of_one_speaker_are_merged_and_those_of_nobody_are_not() {
    let mut minutes = testing::spoken(&[(0, 1, "一"), (1, 2, "二"), (2, 3, "三")]);
    let options = Options { format: Format::Csv, encoding: Encoding::Utf8, ..Options::default() };
    assert!(text(&minutes, &options).contains("一二三"));
    for id in 1..=3 {
        testing::edit(&mut minutes, id, |said| said.speaker = None);
    }
    assert_eq!(text(&minutes, &options).lines().count(), 4);
}

#[test]
fn what_is_too_much_is_refused_with_a_sentence() {
    let signatures = vec!["議長".to_owned(); 9];
    let long = Options { signatures, ..Options::default() };
    let refused = export(&testing::meeting(), &long, &Assets::default()).expect_err("nine are too many");
    assert!(refused.told().contains("署名欄の数"), "{refused}");
    let title = testing::spoken(&[(0, 1, &"あ".repeat(2_000_001))]);
    assert!(export(&title, &Options::default(), &Assets::default()).is_err());
}

#[test]
fn characters_that_no_file_may_hold_are_left_out() {
    let minutes = testing::spoken(&[(0, 1_000, "あ\u{0}い\u{b}う\u{202e}え\u{feff}\u{ffff}お\t。")]);
    for format in [Format::Txt, Format::Md, Format::Csv] {
        let options = Options { format, encoding: Encoding::Utf8, ..Options::default() };
        assert!(text(&minutes, &options).contains("あいうえお 。"), "{format:?}");
    }
}

#[test]
fn options_are_read_with_what_is_left_out_filled_in() {
    let options: Options =
        serde_json::from_str(r#"{"format":"pdf","layout":"table"}"#).expect("they are options");
    assert_eq!(options, Options { format: Format::Pdf, layout: SpeakerLayout::Table, ..Options::default() });
    assert!(serde_json::from_str::<Options>(r#"{"formt":"pdf"}"#).is_err());
}

#[test]
fn four_hours_fit_into_every_file() {
    let minutes = testing::long_meeting();
    for format in ALL {
        let options = Options { format, times: true, ..Options::default() };
        let made = made(&minutes, &options);
        assert!((20_000..4_000_000).contains(&made.bytes.len()), "{format:?}: {}", made.bytes.len());
    }
}

#[test]
fn a_workbook_has_three_sheets_with_text_that_is_text() {
    let bytes = made(&testing::meeting(), &Options { format: Format::Xlsx, ..Options::default() }).bytes;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("it is an archive");
    let mut part = |name: &str| {
        let mut text = String::new();
        let mut entry = archive.by_name(name).expect("the part exists");
        std::io::Read::read_to_string(&mut entry, &mut text).expect("the part is text");
        text
    };
    let book = part("xl/workbook.xml");
    for sheet in ["会議情報", "発言", "決定・ToDo"] {
        assert!(book.contains(&format!("name=\"{sheet}\"")), "{book}");
    }
    let sheet = part("xl/worksheets/sheet2.xml");
    assert!(sheet.contains("state=\"frozen\"") && sheet.contains("<autoFilter"));
    assert!(!sheet.contains("<f>"), "what somebody said is never calculated");
    assert!(part("xl/sharedStrings.xml").contains("=1+1 は"));
    assert!(part("docProps/core.xml").contains("2000-01-01"));
}
