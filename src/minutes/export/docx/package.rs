//! The parts of a Word file, and the archive around them.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::styles;
use super::xml::{NAMESPACE, Writer, escaped};
use crate::minutes::export::ExportError;
use crate::minutes::export::options::{FontChoice, Format, Options};
use crate::minutes::export::view::View;

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

/// A4 portrait, margins of 25 mm, page numbers in the middle below, 18 points a line.
const SECTION: &str = r#"<w:sectPr><w:footerReference w:type="default" r:id="rId4"/><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1418" w:right="1418" w:bottom="1418" w:left="1418" w:header="851" w:footer="680" w:gutter="0"/><w:cols w:space="425"/><w:docGrid w:type="lines" w:linePitch="360"/></w:sectPr>"#;

const CONTENT_TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/><Override PartName="/word/settings.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.settings+xml"/><Override PartName="/word/fontTable.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.fontTable+xml"/><Override PartName="/word/footer1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/><Override PartName="/docProps/app.xml" ContentType="application/vnd.openxmlformats-officedocument.extended-properties+xml"/></Types>"#;

const PACKAGE_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/extended-properties" Target="docProps/app.xml"/></Relationships>"#;

const DOCUMENT_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/settings" Target="settings.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/fontTable" Target="fontTable.xml"/><Relationship Id="rId4" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer" Target="footer1.xml"/></Relationships>"#;

const SETTINGS: &str = r#"<w:zoom w:percent="100"/><w:defaultTabStop w:val="840"/><w:characterSpacingControl w:val="compressPunctuation"/><w:compat><w:adjustLineHeightInTable/><w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/></w:compat><w:themeFontLang w:val="en-US" w:eastAsia="ja-JP"/><w:decimalSymbol w:val="."/><w:listSeparator w:val=","/>"#;

/// A part of a package: its name and what it holds.
pub(super) type Part = (&'static str, String);

/// Returns the parts of our own document.
pub(super) fn parts(view: &View, options: &Options, body: &str) -> Vec<Part> {
    let document = format!(
        r#"{DECLARATION}<w:document xmlns:w="{NAMESPACE}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><w:body>{body}{SECTION}</w:body></w:document>"#
    );
    vec![
        ("[Content_Types].xml", format!("{DECLARATION}{CONTENT_TYPES}")),
        ("_rels/.rels", format!("{DECLARATION}{PACKAGE_RELATIONS}")),
        ("word/document.xml", document),
        ("word/_rels/document.xml.rels", format!("{DECLARATION}{DOCUMENT_RELATIONS}")),
        ("word/styles.xml", styles::part(options.font)),
        (
            "word/settings.xml",
            format!(r#"{DECLARATION}<w:settings xmlns:w="{NAMESPACE}">{SETTINGS}</w:settings>"#),
        ),
        ("word/fontTable.xml", font_table(options.font)),
        ("word/footer1.xml", footer(options.font)),
        ("docProps/core.xml", core(&view.headline())),
        ("docProps/app.xml", app()),
    ]
}

/// Returns properties that tell the title and nobody's name.
pub(super) fn core(title: &str) -> String {
    format!(
        r#"{DECLARATION}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{}</dc:title><dc:language>ja-JP</dc:language></cp:coreProperties>"#,
        escaped(title)
    )
}

/// Returns properties that tell no company and no manager.
pub(super) fn app() -> String {
    format!(
        r#"{DECLARATION}<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Application>gijiroku</Application></Properties>"#
    )
}

fn font_table(font: FontChoice) -> String {
    let (family, pitch) = if font.is_mincho() { ("roman", "fixed") } else { ("modern", "fixed") };
    format!(
        r#"{DECLARATION}<w:fonts xmlns:w="{NAMESPACE}"><w:font w:name="{}"><w:altName w:val="{}"/><w:charset w:val="80"/><w:family w:val="{family}"/><w:pitch w:val="{pitch}"/></w:font></w:fonts>"#,
        font.family(),
        font.other_name()
    )
}

fn footer(font: FontChoice) -> String {
    let writer = Writer::new(Some(font));
    let field = |inner: &str| format!("<w:r>{inner}</w:r>");
    let runs = [
        writer.run("- ", None),
        field(r#"<w:fldChar w:fldCharType="begin"/>"#),
        field(r#"<w:instrText xml:space="preserve"> PAGE </w:instrText>"#),
        field(r#"<w:fldChar w:fldCharType="separate"/>"#),
        writer.run("1", None),
        field(r#"<w:fldChar w:fldCharType="end"/>"#),
        writer.run(" -", None),
    ];
    let paragraph = writer.paragraph(styles::PAGE, &runs.concat());
    format!(r#"{DECLARATION}<w:ftr xmlns:w="{NAMESPACE}">{paragraph}</w:ftr>"#)
}

/// Returns how every part is stored: squeezed, and without a date, so that the same input gives the same bytes.
pub(super) fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
}

/// Puts parts into an archive.
pub(super) fn pack(parts: &[Part]) -> Result<Vec<u8>, ExportError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, stored()).map_err(refused)?;
        archive.write_all(content.as_bytes()).map_err(refused)?;
    }
    Ok(archive.finish().map_err(refused)?.into_inner())
}

/// Returns the error for an archive that could not be written.
pub(super) fn refused(error: impl std::fmt::Display) -> ExportError {
    ExportError::Writer { format: Format::Docx, why: error.to_string() }
}
