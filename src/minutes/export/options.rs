//! What a person chooses before a file is written.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ExportError;
use crate::minutes::{HeaderField, ItemKind, Minutes};

/// Most fields for a signature.
const SIGNATURES_MAX: usize = 8;

/// Most characters of a signature's title and of an edition's name.
const LABEL_CHARACTERS_MAX: usize = 20;

/// Most characters of text that one file holds: more than a day of speech.
const TEXT_CHARACTERS_MAX: usize = 2_000_000;

/// Most blocks, speakers and items together.
const PARTS_MAX: usize = 200_000;

/// How the minutes become a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What kind of file.
    pub format: Format,
    /// Where the speaker stands beside the words.
    pub layout: SpeakerLayout,
    /// 同一話者の発言をまとめる
    pub merge: bool,
    /// 句点で改行する
    pub break_sentences: bool,
    /// The fields of the header, in the order in which they are shown; fields that are left out are not written.
    pub header: Vec<HeaderField>,
    /// Whether the time of each utterance is shown.
    pub times: bool,
    /// Whether the marks of the utterances are shown.
    pub marks: bool,
    /// Whether decisions, issues and to-dos are listed.
    pub items: bool,
    /// Whether the headings of the agenda are shown.
    pub headings: bool,
    /// Whether the number of hidden utterances is told.
    pub hidden_count: bool,
    /// 西暦 or 和暦.
    pub era: Era,
    /// 24 h or 午前・午後.
    pub clock: Clock,
    /// The encoding of txt, csv and srt; the other formats have only one.
    pub encoding: Encoding,
    /// 公開用: names are replaced by what a published copy calls people.
    pub public_names: bool,
    /// 署名欄, one title each; at most eight.
    pub signatures: Vec<String>,
    /// The font a Word file names.
    pub font: FontChoice,
    /// 版, as it stands in the file's name; by itself 原本 or 公開用. At most twenty characters.
    pub edition: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::Docx,
            layout: SpeakerLayout::Line,
            merge: true,
            break_sentences: false,
            header: HeaderField::ALL.to_vec(),
            times: false,
            marks: false,
            items: true,
            headings: true,
            hidden_count: false,
            era: Era::Japanese,
            clock: Clock::Halves,
            encoding: Encoding::Utf8Bom,
            public_names: false,
            signatures: Vec::new(),
            font: FontChoice::BizUdMincho,
            edition: String::new(),
        }
    }
}

impl Options {
    /// Refuses choices and minutes that are larger than a file may become.
    pub(super) fn check(&self, minutes: &Minutes) -> Result<(), ExportError> {
        let text = minutes.blocks.iter().map(|block| match block.as_ref() {
            crate::minutes::Block::Utterance(utterance) => utterance.text.chars().count(),
            crate::minutes::Block::Heading(heading) => heading.text.chars().count(),
            crate::minutes::Block::Gap(_) => 0,
        });
        let items = minutes.items.iter().map(|item| item.text.chars().count());
        let header = minutes.header.values().map(|value| value.chars().count());
        let parts = minutes.blocks.len() + minutes.speakers.len() + minutes.items.len();
        let edition = self.edition.chars().count();
        let signature = self.signatures.iter().map(|title| title.chars().count()).max().unwrap_or(0);
        let bounds = [
            ("本文の文字数", text.chain(items).chain(header).sum(), TEXT_CHARACTERS_MAX),
            ("発言などの件数", parts, PARTS_MAX),
            ("会議情報の項目数", self.header.len(), HeaderField::ALL.len()),
            ("署名欄の数", self.signatures.len(), SIGNATURES_MAX),
            ("署名欄の文字数", signature, LABEL_CHARACTERS_MAX),
            ("版の文字数", edition, LABEL_CHARACTERS_MAX),
        ];
        for (what, count, count_max) in bounds {
            if count > count_max {
                return Err(ExportError::TooMuch { what, count, count_max });
            }
        }
        Ok(())
    }

    /// Returns the name of the edition.
    pub(super) fn edition(&self) -> &str {
        match (self.edition.trim(), self.public_names) {
            ("", true) => "公開用",
            ("", false) => "原本",
            (edition, _) => edition,
        }
    }
}

/// What kind of file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Word
    Docx,
    /// Excel
    Xlsx,
    /// Comma-separated values
    Csv,
    /// Plain text
    Txt,
    /// Markdown
    Md,
    /// SubRip captions
    Srt,
    /// WebVTT captions
    Vtt,
    /// The whole document, hidden utterances included, to be read by a program
    Json,
    /// PDF
    Pdf,
}

impl Format {
    /// Returns the end of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Docx => "docx",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Txt => "txt",
            Self::Md => "md",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Json => "json",
            Self::Pdf => "pdf",
        }
    }
}

/// Where the speaker stands beside the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpeakerLayout {
    /// 改行: above the words.
    Line,
    /// 全角スペース: before the words.
    Space,
    /// 表: in a column of its own.
    Table,
}

/// How years are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Era {
    /// 西暦
    Western,
    /// 和暦
    Japanese,
}

/// How hours are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// 24 時間
    Day,
    /// 午前・午後
    Halves,
}

/// How characters become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// UTF-8 with a byte order mark: what Excel opens without asking.
    Utf8Bom,
    /// UTF-8.
    Utf8,
    /// CP932, the Shift_JIS of Windows.
    Cp932,
}

/// The font a Word file names; none is embedded there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FontChoice {
    /// BIZ UD明朝
    BizUdMincho,
    /// BIZ UDゴシック
    BizUdGothic,
    /// 游明朝
    YuMincho,
    /// 游ゴシック
    YuGothic,
    /// ＭＳ 明朝
    MsMincho,
    /// ＭＳ ゴシック
    MsGothic,
}

impl FontChoice {
    /// Returns the family's name as Japanese Windows lists it.
    pub const fn family(self) -> &'static str {
        match self {
            Self::BizUdMincho => "BIZ UD明朝 Medium",
            Self::BizUdGothic => "BIZ UDゴシック",
            Self::YuMincho => "游明朝",
            Self::YuGothic => "游ゴシック",
            Self::MsMincho => "ＭＳ 明朝",
            Self::MsGothic => "ＭＳ ゴシック",
        }
    }

    /// Returns the name other systems know the family by.
    pub(super) const fn other_name(self) -> &'static str {
        match self {
            Self::BizUdMincho => "BIZ UDMincho",
            Self::BizUdGothic => "BIZ UDGothic",
            Self::YuMincho => "Yu Mincho",
            Self::YuGothic => "Yu Gothic",
            Self::MsMincho => "MS Mincho",
            Self::MsGothic => "MS Gothic",
        }
    }

    /// Returns whether the family is of the mincho kind.
    pub(super) const fn is_mincho(self) -> bool {
        matches!(self, Self::BizUdMincho | Self::YuMincho | Self::MsMincho)
    }
}

/// Returns the word for a kind of item on paper.
pub(super) const fn item_label(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Decision => "決定",
        ItemKind::Issue => "課題",
        ItemKind::Todo => "ToDo",
    }
}
