use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::minutes::export::options::{Format, Options, SpeakerLayout};
use crate::minutes::export::{Assets, ExportError, Exported, Warning, export, testing};

fn options() -> Options {
    Options { format: Format::Docx, ..Options::default() }
}

fn made(options: &Options) -> Exported {
    export(&testing::meeting(), options, &Assets::default()).expect("the meeting can be exported")
}

fn part(bytes: &[u8], name: &str) -> String {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("it is an archive");
    let mut text = String::new();
    archive.by_name(name).expect("the part exists").read_to_string(&mut text).expect("the part is text");
    text
}

fn template(body: &str) -> Vec<u8> {
    let plain = made(&options()).bytes;
    let document = format!(
        r#"<?xml version="1.0"?><w:document xmlns:w="x"><w:body>{body}<w:sectPr/></w:body></w:document>"#
    );
    with(&plain, "word/document.xml", document.as_bytes())
}

fn with(package: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(package)).expect("it is an archive");
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).expect("the entry exists");
        if entry.name().expect("the name is text") != name {
            written.raw_copy_file(entry).expect("there is room");
        }
    }
    written.start_file(name, SimpleFileOptions::default()).expect("there is room");
    written.write_all(content).expect("there is room");
    written.finish().expect("there is room").into_inner()
}

fn filled(template: &[u8], options: &Options) -> Result<Exported, ExportError> {
    export(&testing::meeting(), options, &Assets { template: Some(template), ..Assets::default() })
}

fn placeholder(name: &str) -> String {
    format!("<w:p><w:r><w:t>{{{{{name}}}}}</w:t></w:r></w:p>")
}

#[test]
fn every_run_names_a_japanese_font() {
    for layout in [SpeakerLayout::Line, SpeakerLayout::Space, SpeakerLayout::Table] {
        let bytes = made(&Options { layout, times: true, marks: true, ..options() }).bytes;
        let document = part(&bytes, "word/document.xml");
        for run in document.split("<w:r>").skip(1).filter(|run| run.contains("<w:t ")) {
            assert!(run.contains(r#"w:eastAsia="BIZ UD明朝 Medium""#), "{run}");
        }
        assert!(part(&bytes, "word/styles.xml").contains(r#"w:eastAsia="ja-JP""#));
    }
}

#[test]
fn the_header_is_a_table_and_headings_are_headings() {
    let bytes = made(&Options { signatures: vec!["会長".to_owned()], ..options() }).bytes;
    let document = part(&bytes, "word/document.xml");
    assert!(
        document.find("<w:tbl>").expect("there is a table") < document.find("開催場所").expect("it is shown")
    );
    assert!(document.contains("令和８年11月22日(日)　午後１時30分から午後３時まで"));
    assert!(document.contains(r#"<w:pStyle w:val="GijirokuHeading2"/>"#));
    assert!(document.contains("<w:tblHeader/>"));
    assert!(!document.contains(testing::HIDDEN) && !document.contains("隠れた宿題"));
    assert!(part(&bytes, "word/styles.xml").contains(r#"<w:name w:val="heading 2"/>"#));
    assert!(part(&bytes, "word/footer1.xml").contains(" PAGE "));
    assert!(!part(&bytes, "docProps/core.xml").contains("creator"));
}

#[test]
fn a_template_is_filled_in() {
    let body = [
        "<w:p><w:r><w:t>題 {{会</w:t></w:r><w:r><w:t>議名}}</w:t></w:r></w:p>",
        &placeholder("開催日時"),
        &placeholder("天気"),
        "<w:tbl><w:tr><w:tc>",
        &placeholder("本文"),
        "</w:tc></w:tr></w:tbl>",
    ];
    let made = filled(&template(&body.concat()), &options()).expect("the template is good");
    let document = part(&made.bytes, "word/document.xml");
    assert!(document.contains(">題 総務委員会</w:t>"), "{document}");
    assert!(document.contains("午後１時30分から") && document.contains("異議なし。"));
    assert_eq!(document.matches("予算案を原案のとおり決定した。").count(), 1);
    assert!(!document.contains("BIZ UD"), "the template's own font stays");
    assert_eq!(made.warnings, [Warning::UnknownPlaceholder { names: vec!["天気".to_owned()] }]);
    assert!(!part(&made.bytes, "docProps/core.xml").contains("creator"));
}

#[test]
fn decisions_stand_where_the_template_has_them() {
    let body = placeholder("決定事項") + "<w:p><w:r><w:t>ここまで</w:t></w:r></w:p>" + &placeholder("本文");
    let made = filled(&template(&body), &options()).expect("the template is good");
    let document = part(&made.bytes, "word/document.xml");
    let at = |text: &str| document.find(text).expect("it is shown");
    assert!(at("予算案を原案のとおり決定した。") < at("ここまで") && at("ここまで") < at("異議なし。"));
    assert_eq!(document.matches("予算案を原案のとおり決定した。").count(), 1);
}

#[test]
fn a_template_that_cannot_be_used_is_refused_with_a_reason() {
    let good = template(&placeholder("本文"));
    let bomb = vec![b' '; 17 << 20];
    let cases: [(Vec<u8>, &str); 6] = [
        (b"not an archive".to_vec(), "Word の文書"),
        (vec![0; 9 << 20], "大きすぎます"),
        (template("<w:p/>"), "{{本文}} がありません"),
        (with(&good, "word/vbaProject.bin", b"macro"), "マクロ"),
        (with(&good, "word/header1.xml", &bomb), "大きすぎます"),
        (with(&good, "word/document.xml", b"\xff\xfe"), "Word の文書"),
    ];
    for (template, reason) in cases {
        let refused = filled(&template, &options()).expect_err("the template is bad");
        assert!(refused.told().contains(reason), "{}", refused.told());
    }
}
