//! The office's own Word file, filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Write};

use zip::{ZipArchive, ZipWriter};

use super::body::Body;
use super::package::{app, core, refused, stored};
use super::placeholders::{Values, fill};
use super::styles;
use crate::minutes::export::options::Options;
use crate::minutes::export::view::View;
use crate::minutes::export::{ExportError, Warning};

/// Largest file.
const TEMPLATE_BYTES_MAX: usize = 8 << 20;

/// Most parts in it.
const PARTS_MAX: usize = 1_000;

/// Most bytes that one part, and all parts we read together, unpack to.
const PART_BYTES_MAX: u64 = 16 << 20;
const UNPACKED_BYTES_MAX: u64 = 32 << 20;

/// Most unknown names that are told.
const UNKNOWN_MAX: usize = 100;

/// The names that stand for paragraphs and tables.
const TEXT: &str = "本文";
const ITEMS: &str = "決定事項";
const SIGNATURES: &str = "署名欄";
const HEADER: &str = "会議情報";

const NOT_WORD: &str =
    "Word の文書（.docx）ではないか、壊れています。Word で開き、.docx で保存し直してください。";
const TOO_LARGE: &str =
    "ファイルが大きすぎます（8MBまで、展開後は1部品16MBまで）。画像を小さくしてください。";

/// Fills the template in; parts that hold no names are copied as they are.
pub(in crate::minutes::export) fn filled(
    view: &View,
    options: &Options,
    template: &[u8],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<u8>, ExportError> {
    let mut archive = opened(template).map_err(|why| ExportError::Template { why })?;
    let parts = read(&mut archive).map_err(|why| ExportError::Template { why })?;
    let changed = changed(view, options, &parts, warnings).map_err(|why| ExportError::Template { why })?;
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(refused)?;
        let name = entry.name().map_err(refused)?.into_owned();
        if let Some(content) = changed.get(&name) {
            drop(entry);
            written.start_file(name, stored()).map_err(refused)?;
            written.write_all(content.as_bytes()).map_err(refused)?;
        } else {
            written.raw_copy_file(entry).map_err(refused)?;
        }
    }
    Ok(written.finish().map_err(refused)?.into_inner())
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

fn opened(template: &[u8]) -> Result<Archive<'_>, &'static str> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    let archive = ZipArchive::new(Cursor::new(template)).map_err(|_| NOT_WORD)?;
    if archive.len() > PARTS_MAX {
        return Err(TOO_LARGE);
    }
    if archive.has_duplicate_names() {
        return Err(NOT_WORD);
    }
    Ok(archive)
}

/// Returns the parts that are changed, by their names.
fn read(archive: &mut Archive) -> Result<BTreeMap<String, String>, &'static str> {
    let (mut parts, mut unpacked) = (BTreeMap::new(), 0);
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            Some(Err(_)) | None => return Err(NOT_WORD),
        };
        if name.to_ascii_lowercase().ends_with("vbaproject.bin") {
            return Err("マクロを含む文書は使えません。マクロのない .docx で保存し直してください。");
        }
        if !is_changed(&name) {
            continue;
        }
        let entry = archive.by_index(index).map_err(|_| NOT_WORD)?;
        let (mut bytes, bytes_max) = (Vec::new(), PART_BYTES_MAX.min(UNPACKED_BYTES_MAX - unpacked));
        // What the archive says about sizes is not believed.
        entry.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|_| NOT_WORD)?;
        unpacked += bytes.len() as u64;
        if bytes.len() as u64 > bytes_max {
            return Err(TOO_LARGE);
        }
        parts.insert(name, String::from_utf8(bytes).map_err(|_| NOT_WORD)?);
    }
    if parts.contains_key("word/document.xml") { Ok(parts) } else { Err(NOT_WORD) }
}

fn is_changed(name: &str) -> bool {
    let numbered = ["word/header", "word/footer"].iter().any(|start| name.starts_with(start));
    let known = ["word/document.xml", "word/styles.xml", "docProps/core.xml", "docProps/app.xml"];
    known.contains(&name) || (numbered && name.ends_with(".xml") && !name.contains("footnotes"))
}

fn changed(
    view: &View,
    options: &Options,
    parts: &BTreeMap<String, String>,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<String, String>, &'static str> {
    let empty = BTreeMap::from([TEXT, ITEMS, SIGNATURES, HEADER].map(|name| (name, String::new())));
    let mut values = Values { texts: texts(view, options), blocks: empty };
    let (mut changed, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    // Once to see what has its place, and once to put it there.
    let placed = fill(&parts["word/document.xml"], &values)?.placed;
    values.blocks = blocks(view, options, &placed);
    let document = fill(&parts["word/document.xml"], &values)?;
    if !document.placed.contains(TEXT) {
        return Err("{{本文}} がありません。発言を入れたい所に、{{本文}} だけの段落を置いてください。");
    }
    unknown.extend(document.unknown);
    changed.insert("word/document.xml".to_owned(), document.xml);
    values.blocks.clear();
    for (name, part) in parts {
        let content = match name.as_str() {
            "word/document.xml" => continue,
            "word/styles.xml" => match part.rsplit_once("</w:styles>") {
                Some((before, after)) => {
                    format!("{before}{}</w:styles>{after}", styles::definitions(None, part))
                }
                None => return Err(NOT_WORD),
            },
            "docProps/core.xml" => core(&view.headline()),
            "docProps/app.xml" => app(),
            _ => {
                let filled = fill(part, &values)?;
                unknown.extend(filled.unknown);
                filled.xml
            }
        };
        changed.insert(name.clone(), content);
    }
    if !unknown.is_empty() {
        warnings.push(Warning::UnknownPlaceholder { names: unknown.into_iter().take(UNKNOWN_MAX).collect() });
    }
    Ok(changed)
}

fn texts(view: &View, options: &Options) -> BTreeMap<String, String> {
    let fields = view.fields.iter().chain(view.rows.iter().filter(|row| row.label == "開催日時"));
    let mut texts: BTreeMap<String, String> =
        fields.map(|row| (row.label.to_owned(), row.value.clone())).collect();
    texts.insert("版".to_owned(), options.edition().to_owned());
    texts.insert("表題".to_owned(), view.headline());
    texts.entry("開催日時".to_owned()).or_default();
    texts
}

/// Returns the blocks; what has no place of its own in the template follows the text.
fn blocks(view: &View, options: &Options, placed: &BTreeSet<&str>) -> BTreeMap<&'static str, String> {
    let block = |write: &dyn Fn(&mut Body)| {
        let mut body = Body::new(None);
        write(&mut body);
        body.into_xml()
    };
    let text = block(&|body| {
        body.pieces(view, options);
        match (placed.contains(ITEMS), placed.contains(SIGNATURES)) {
            (false, false) => body.end(view, options),
            (true, false) => body.signatures(options),
            (false, true) => body.end(view, &Options { signatures: Vec::new(), ..options.clone() }),
            (true, true) => {}
        }
    });
    let items = block(&|body| body.items(view));
    let signatures = block(&|body| body.signatures(options));
    let header = block(&|body| body.header(view));
    BTreeMap::from([(TEXT, text), (ITEMS, items), (SIGNATURES, signatures), (HEADER, header)])
}
