//! Minutes leave as files.
//!
//! - **In**: minutes, what a person chose, fonts and perhaps the office's own Word file.
//! - **Out**: the bytes of one file, its name, and what a person should know before handing it in.
//! - **Never**: shows what is hidden (only json, which is the whole document, holds it); replaces a character without
//!   saying so; writes other bytes for the same input.
//!
//! ```text
//! Minutes + Options ─view─► what is shown ─┬─ txt md csv xlsx docx pdf
//!                   └─ captions ───────────┴─ srt vtt          json: all of it
//! ```

mod captions;
mod csv;
mod dates;
mod docx;
mod encode;
mod file_name;
mod json;
mod kinsoku;
mod md;
mod options;
mod pdf;
mod sentences;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod txt;
mod view;
mod xlsx;

use serde::Serialize;
use utoipa::ToSchema;

use crate::minutes::Minutes;
pub use encode::Misfit;
pub use json::{JSON_VERSION, Whole};
pub use options::{Clock, Encoding, Era, FontChoice, Format, Options, SpeakerLayout};
use view::View;

/// What files are made with, besides the minutes.
#[derive(Clone, Copy)]
pub struct Assets<'a> {
    /// The font of a PDF.
    pub regular: &'static [u8],
    /// Its bold companion.
    pub bold: &'static [u8],
    /// The office's own Word file with `{{会議名}}` and `{{本文}}`; used for docx only.
    pub template: Option<&'a [u8]>,
}

impl Default for Assets<'_> {
    /// Returns the fonts the program brings along; see models/fonts/README.md.
    fn default() -> Self {
        Self {
            regular: include_bytes!("../../../models/fonts/BIZUDGothic-Regular.ttf"),
            bold: include_bytes!("../../../models/fonts/BIZUDGothic-Bold.ttf"),
            template: None,
        }
    }
}

/// A file to hand in.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// What the file holds.
    pub bytes: Vec<u8>,
    /// `会議名_YYYYMMDD_版.ext`, at most 100 characters, none that Windows forbids.
    pub file_name: String,
    /// The media type.
    pub mime: &'static str,
    /// What a person should know before handing the file in.
    pub warnings: Vec<Warning>,
}

/// What a person should know before handing a file in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// The chosen encoding lacks characters: 〓 stands in their place.
    Unencodable {
        /// How many.
        count: usize,
        /// Where the first hundred are.
        misfits: Vec<Misfit>,
    },
    /// The font of the PDF lacks characters: 〓 stands in their place.
    NoGlyph {
        /// How many.
        count: usize,
        /// The first hundred different ones.
        characters: Vec<char>,
    },
    /// A published copy shows these names, for neither 公開時の表記 nor 役職 is known.
    NamesShown {
        /// The first hundred names.
        names: Vec<String>,
    },
    /// Names of speakers are still written in the text of a published copy.
    NamesInText {
        /// How often.
        count: usize,
        /// The first hundred names.
        names: Vec<String>,
    },
    /// The template asks for something that minutes do not have; it was left as it stood.
    UnknownPlaceholder {
        /// The first hundred names.
        names: Vec<String>,
    },
}

impl Warning {
    /// Returns the sentence that people read.
    pub fn told(&self) -> String {
        match self {
            Self::Unencodable { count, .. } => {
                format!("CP932 で表せない文字が {count} 件あります（〓に置換／UTF-8 で出力）。")
            }
            Self::NoGlyph { count, .. } => {
                format!("PDF の書体にない文字が {count} 件あります（〓に置換）。Word で出力すると残ります。")
            }
            Self::NamesShown { names } => {
                format!("公開時の表記がない話者は氏名のまま出力しました：{}", names.join("、"))
            }
            Self::NamesInText { count, names } => {
                format!("公開用の文中に話者の氏名が {count} か所残っています：{}", names.join("、"))
            }
            Self::UnknownPlaceholder { names } => {
                format!("ひな形に知らない差込み名があります（そのまま残しました）：{}", names.join("、"))
            }
        }
    }
}

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Something is larger than a file may become: export less, or choose less.
    #[error("{what}: {count} is more than {count_max}")]
    TooMuch {
        /// What is too much, as people call it.
        what: &'static str,
        /// How much it is.
        count: usize,
        /// How much is allowed.
        count_max: usize,
    },
    /// json is the whole document with names and hidden words: choose another format for a published copy.
    #[error("json is never written for publication")]
    NotForPublication,
    /// The template cannot be used: choose another, or repair it in Word.
    #[error("the template cannot be used: {why}")]
    Template {
        /// Why, as people read it.
        why: &'static str,
    },
    /// A font of the program is damaged: install the program again.
    #[error("the font cannot be used: {why}")]
    Font {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file's writer refused: this is a fault of the program.
    #[error("{format:?} could not be written: {why}")]
    Writer {
        /// Which file.
        format: Format,
        /// What the writer said.
        why: String,
    },
}

impl ExportError {
    /// Returns the sentence that people read.
    pub fn told(&self) -> String {
        match self {
            Self::TooMuch { what, count, count_max } => {
                format!(
                    "出力できません。{what}が上限（{count_max}）を超えています（{count}）。議事録は保存済みです。"
                )
            }
            Self::NotForPublication => {
                "JSON は氏名と非表示の発言を含む原本の記録です。公開用には別の形式を選んでください。"
                    .to_owned()
            }
            Self::Template { why } => format!("ひな形を使えません。{why}"),
            Self::Font { .. } => {
                "PDF の書体を読めません。議事録は保存済みです。情報担当へお問い合わせください。".to_owned()
            }
            Self::Writer { .. } => {
                "ファイルを作れませんでした。議事録は保存済みです。情報担当へお問い合わせください。"
                    .to_owned()
            }
        }
    }
}

/// Writes the minutes as a file.
///
/// Shape: the same input gives the same bytes. Hidden utterances are left out, except in json.
/// Errors: [`ExportError`], each with a sentence for a person.
pub fn export(minutes: &Minutes, options: &Options, assets: &Assets) -> Result<Exported, ExportError> {
    options.check(minutes)?;
    let view = View::new(minutes, options);
    let mut warnings = view.warnings();
    let bytes = match options.format {
        Format::Docx => match assets.template {
            Some(template) => docx::filled(&view, options, template, &mut warnings)?,
            None => docx::document(&view, options)?,
        },
        Format::Xlsx => xlsx::workbook(&view, options)?,
        Format::Pdf => pdf::document(&view, options, assets, &mut warnings)?,
        Format::Json if options.public_names => return Err(ExportError::NotForPublication),
        Format::Json => json::write(minutes)?,
        Format::Md => md::text(&view, options).into_bytes(),
        Format::Vtt => captions::vtt(minutes, options).into_bytes(),
        Format::Srt => encoded(&captions::srt(minutes, options), options, &mut warnings),
        Format::Txt => encoded(&txt::text(&view, options), options, &mut warnings),
        Format::Csv => encoded(&csv::table(&view, options), options, &mut warnings),
    };
    Ok(Exported { bytes, file_name: file_name::file_name(minutes, options), mime: mime(options), warnings })
}

fn encoded(text: &str, options: &Options, warnings: &mut Vec<Warning>) -> Vec<u8> {
    let (bytes, warning) = encode::encode(text, options.encoding);
    warnings.extend(warning);
    bytes
}

const fn mime(options: &Options) -> &'static str {
    let windows = matches!(options.encoding, Encoding::Cp932);
    match options.format {
        Format::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Format::Csv if windows => "text/csv; charset=Windows-31J",
        Format::Csv => "text/csv; charset=utf-8",
        Format::Txt if windows => "text/plain; charset=Windows-31J",
        Format::Txt => "text/plain; charset=utf-8",
        Format::Md => "text/markdown; charset=utf-8",
        Format::Srt => "application/x-subrip",
        Format::Vtt => "text/vtt; charset=utf-8",
        Format::Json => "application/json",
        Format::Pdf => "application/pdf",
    }
}
