//! Files to hand in, read by the programs that other people have.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gijiroku::minutes::Minutes;
use gijiroku::minutes::export::{
    Assets, Encoding, Exported, Format, Options, SpeakerLayout, Warning, export,
};

use crate::support::{repository, text};

const HIDDEN: &str = "ご視聴ありがとうございました";

fn meeting() -> Minutes {
    let json =
        std::fs::read_to_string(repository("tests/fixtures/export/meeting.json")).expect("it is there");
    serde_json::from_str(&json).expect("the meeting keeps the stored format")
}

/// Returns the folder in which files stay to be looked at.
fn kept() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export");
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    folder
}

fn made(minutes: &Minutes, options: &Options) -> Exported {
    export(minutes, options, &Assets::default()).expect("the meeting can be exported")
}

fn full(format: Format, layout: SpeakerLayout) -> Options {
    let signatures = vec!["会長".to_owned(), "署名委員".to_owned()];
    Options {
        format,
        layout,
        times: layout == SpeakerLayout::Table,
        marks: true,
        signatures,
        ..Options::default()
    }
}

/// Runs a program that must be there, and returns what it wrote on standard output.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is needed, see .ci/setup.sh: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it writes UTF-8")
}

/// Converts files with an office program that knows no earlier settings.
fn converted(files: &[PathBuf], kind: &str, folder: &Path) {
    let home = tempfile::tempdir().expect("there is room");
    let installation = format!("-env:UserInstallation=file://{}", text(home.path()));
    let mut arguments =
        vec![installation.as_str(), "--headless", "--convert-to", kind, "--outdir", text(folder)];
    arguments.extend(files.iter().map(|file| text(file)));
    run("soffice", &arguments);
}

fn solid(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace() && *character != '\u{feff}').collect()
}

/// What a reader must find, in this order: the header's values, then every utterance that is shown.
fn expected(minutes: &Minutes) -> Vec<String> {
    let header = [
        "第３回総務委員会",
        "令和８年11月22日(日)",
        "第１委員会室",
        "高橋次郎（委員）",
        "資料２主要事業一覧",
    ];
    let shown = minutes.utterances().filter(|spoken| spoken.hidden.is_none());
    header.iter().map(|&value| solid(value)).chain(shown.map(|spoken| solid(&spoken.text))).collect()
}

fn holds_in_order(text: &str, wanted: &[String], name: &str) {
    let text = solid(text);
    let mut at = 0;
    for wanted in wanted {
        let found = text[at..].find(wanted.as_str());
        at += found.unwrap_or_else(|| panic!("{name} lacks {wanted} behind {at}: {text}")) + wanted.len();
    }
    assert!(!text.contains(HIDDEN), "{name} shows what is hidden");
}

/// Returns what `pdftotext` reads, without page numbers.
fn read_pdf(file: &Path) -> String {
    let text = run("pdftotext", &["-layout", "-enc", "UTF-8", text(file), "-"]);
    let number = |line: &&str| line.trim().starts_with("- ") && line.trim().ends_with(" -");
    text.lines().filter(|line| !number(line)).collect::<Vec<_>>().join("\n")
}

/// Puts names into a document of ours, as an office would into its own.
pub fn own_template() -> Vec<u8> {
    let plain = made(&meeting(), &full(Format::Docx, SpeakerLayout::Line)).bytes;
    let mut archive = zip::ZipArchive::new(Cursor::new(plain)).expect("it is an archive");
    let mut written = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).expect("the entry exists");
        if entry.name().expect("the name is text") != "word/document.xml" {
            written.raw_copy_file(entry).expect("there is room");
        }
    }
    let paragraph = |runs: &[&str]| {
        let runs: String = runs.iter().map(|run| format!("<w:r><w:t>{run}</w:t></w:r>")).collect();
        format!("<w:p>{runs}</w:p>")
    };
    let body = [
        paragraph(&["様式第１号　{", "{会議", "名}}"]),
        paragraph(&["とき：{{開催日時}}"]),
        paragraph(&["ところ：{{開催場所}}"]),
        paragraph(&["出席：{{出席者}}"]),
        paragraph(&["資料：{{会議資料}}"]),
        paragraph(&["{{本文}}"]),
    ];
    let document = format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}<w:sectPr><w:pgSz w:w="11906" w:h="16838"/></w:sectPr></w:body></w:document>"#,
        body.concat()
    );
    written.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).expect("there is room");
    written.write_all(document.as_bytes()).expect("there is room");
    written.finish().expect("there is room").into_inner()
}

#[test]
fn an_office_program_reads_every_layout_of_a_word_file() {
    let (minutes, folder) = (meeting(), kept());
    let layouts =
        [("line", SpeakerLayout::Line), ("space", SpeakerLayout::Space), ("table", SpeakerLayout::Table)];
    let mut files = Vec::new();
    for (name, layout) in layouts {
        let file = folder.join(format!("word_{name}.docx"));
        let options = Options { merge: false, ..full(Format::Docx, layout) };
        std::fs::write(&file, made(&minutes, &options).bytes).expect("there is room");
        files.push(file);
    }
    let template = own_template();
    let assets = Assets { template: Some(&template), ..Assets::default() };
    let options = full(Format::Docx, SpeakerLayout::Line);
    let filled = export(&minutes, &options, &assets).expect("the template is good");
    assert_eq!(filled.warnings, []);
    let file = folder.join("word_template.docx");
    std::fs::write(&file, filled.bytes).expect("there is room");
    files.push(file);
    converted(&files, "txt:Text (encoded):UTF8", &folder);
    converted(&files, "pdf", &folder);
    for file in files {
        let name = text(&file);
        let read = std::fs::read_to_string(file.with_extension("txt")).expect("the office program wrote it");
        holds_in_order(&read, &expected(&minutes), name);
        let printed = solid(&read_pdf(&file.with_extension("pdf")));
        assert!(printed.contains("令和８年11月22日(日)"), "{name}");
        assert!(!printed.contains("{{"), "{name}");
    }
}

#[test]
fn a_pdf_is_read_in_order_and_carries_its_fonts() {
    let (minutes, folder) = (meeting(), kept());
    for (name, layout) in [("line", SpeakerLayout::Line), ("space", SpeakerLayout::Space)] {
        let file = folder.join(format!("pdf_{name}.pdf"));
        let options = Options { merge: false, ..full(Format::Pdf, layout) };
        let made = made(&minutes, &options);
        std::fs::write(&file, made.bytes).expect("there is room");
        let read = read_pdf(&file);
        // The font lacks this form of 吉; the warning says so.
        let wanted: Vec<String> = expected(&minutes).iter().map(|said| said.replace('𠮷', "〓")).collect();
        holds_in_order(&read, &wanted, name);
        assert!(
            matches!(&made.warnings[..], [Warning::NoGlyph { count: 1, characters }] if characters == &['𠮷'])
        );
    }
    let file = folder.join("pdf_table.pdf");
    std::fs::write(&file, made(&minutes, &full(Format::Pdf, SpeakerLayout::Table)).bytes)
        .expect("there is room");
    let raw = run("pdftotext", &["-raw", "-enc", "UTF-8", text(&file), "-"]);
    holds_in_order(
        &raw,
        &[solid("個人市民税の増などにより"), solid("以上で、本日の議事は全て終了しました。")],
        "table",
    );
    let fonts = run("pdffonts", &[text(&file)]);
    let listed: Vec<&str> = fonts.lines().skip(2).collect();
    assert_eq!(listed.len(), 2, "{fonts}");
    for font in listed {
        let words: Vec<&str> = font.split_whitespace().collect();
        // Embedded, a subset, with what its glyphs mean.
        assert!(font.contains("BIZUDGothic"), "{fonts}");
        assert_eq!(words[words.len() - 5..words.len() - 2], ["yes", "yes", "yes"], "{fonts}");
    }
    assert!(
        run("pdfinfo", &[text(&file)])
            .lines()
            .any(|line| line.starts_with("Tagged:") && line.ends_with("yes"))
    );
}

#[test]
fn files_of_text_are_what_they_were() {
    let (minutes, folder) = (meeting(), kept());
    let plain = |format| Options {
        format,
        encoding: Encoding::Utf8Bom,
        marks: true,
        times: true,
        ..Options::default()
    };
    let files = [
        ("line.txt", plain(Format::Txt)),
        ("space.txt", Options { layout: SpeakerLayout::Space, times: false, ..plain(Format::Txt) }),
        ("cp932.txt", Options { encoding: Encoding::Cp932, break_sentences: true, ..plain(Format::Txt) }),
        ("public.txt", Options { public_names: true, hidden_count: true, ..plain(Format::Txt) }),
        ("line.md", plain(Format::Md)),
        ("table.md", Options { layout: SpeakerLayout::Table, ..plain(Format::Md) }),
        ("meeting.csv", plain(Format::Csv)),
        ("meeting.srt", plain(Format::Srt)),
        ("meeting.vtt", plain(Format::Vtt)),
        ("meeting.json", plain(Format::Json)),
    ];
    let mut changed = Vec::new();
    for (name, options) in files {
        let bytes = made(&minutes, &options).bytes;
        let name = format!("{name}.golden");
        std::fs::write(folder.join(&name), &bytes).expect("there is room");
        let golden = std::fs::read(repository("tests/fixtures/export").join(&name)).unwrap_or_default();
        if golden != bytes {
            changed.push(name);
        }
    }
    assert!(changed.is_empty(), "{changed:?} differ, see tests/fixtures/export/README.md");
}

#[test]
fn four_hours_are_written_at_once() {
    let mut minutes = meeting();
    let spoken = minutes.blocks[1].clone();
    minutes.blocks = (0..4_000_u64)
        .map(|index| {
            let mut block = spoken.as_ref().clone();
            if let gijiroku::minutes::Block::Utterance(said) = &mut block {
                said.id = gijiroku::minutes::BlockId(index + 1);
                said.speaker = Some(gijiroku::minutes::SpeakerId(index % 3 + 1));
                said.text = format!("第{index:04}号の議案を、御説明いたします。以上。");
                (said.start_ms, said.end_ms) = (index * 3_600, index * 3_600 + 3_000);
            }
            block.into()
        })
        .collect();
    minutes.items.clear();
    for format in [Format::Docx, Format::Pdf, Format::Xlsx, Format::Srt, Format::Json, Format::Txt] {
        for layout in [SpeakerLayout::Line, SpeakerLayout::Table] {
            let begun = Instant::now();
            let bytes = made(&minutes, &full(format, layout)).bytes.len();
            let took = begun.elapsed();
            eprintln!("{format:?} {layout:?}: {} ms, {bytes} bytes", took.as_millis());
            // A second on a quiet machine; tests share theirs.
            assert!(took < Duration::from_secs(5), "{format:?} {layout:?} took {took:?}");
        }
    }
}
