//! The nouns of minutes: header, speakers, blocks in their order, and what was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::speech::transcript::Word;

/// The number of the stored format that this program writes; older ones are carried over one step at a time.
pub const MINUTES_VERSION: u32 = 1;

/// Names a block of one document; given by whoever adds the block.
///
/// Range: 1 to 2^53 - 1, so that a browser can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct BlockId(pub u64);

/// Names a speaker of one document.
///
/// Range: 1 to 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SpeakerId(pub u64);

/// Names a decision, an issue or a to-do of one document.
///
/// Range: 1 to 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ItemId(pub u64);

/// The minutes of one meeting.
///
/// Shape: blocks stand in the order in which they are read; every speaker and source that something names exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Minutes {
    /// The number of the stored format.
    pub version: u32,
    /// Name, date, place and the like.
    #[schema(value_type = BTreeMap<String, String>)]
    pub header: Header,
    /// Who spoke, in the order of the attendee list.
    pub speakers: Vec<Speaker>,
    /// What is read. Shared, so that a revision costs what it changes.
    #[schema(value_type = Vec<Block>)]
    pub blocks: Vec<Arc<Block>>,
    /// Decisions, issues and to-dos, each with the block it comes from.
    pub items: Vec<Item>,
}

impl Default for Minutes {
    fn default() -> Self {
        Self {
            version: MINUTES_VERSION,
            header: Header::new(),
            speakers: Vec::new(),
            blocks: Vec::new(),
            items: Vec::new(),
        }
    }
}

/// What stands above the minutes; a field that is absent is empty.
pub type Header = BTreeMap<HeaderField, String>;

/// A field of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeaderField {
    /// 会議名
    Title,
    /// 開催日, as `2026-11-22`
    HeldOn,
    /// 開始時刻, as `13:30`
    StartsAt,
    /// 終了時刻, as `15:00`
    EndsAt,
    /// 開催場所
    Place,
    /// 公開・非公開の別
    Openness,
    /// 非公開の理由
    ClosedReason,
    /// 出席者, one a line
    Present,
    /// 欠席者, one a line
    Absent,
    /// 出席職員, one a line
    Staff,
    /// 傍聴者数
    Audience,
    /// 議題, one a line
    Agenda,
    /// 会議資料, one a line
    Materials,
    /// 決定・結果
    Result,
    /// 作成方針 (全文・要点)
    Policy,
    /// 録音・録画の有無
    Recording,
    /// 会議録の公開区分
    Disclosure,
    /// 主管課
    Office,
    /// 作成者
    Author,
    /// 次回予定
    NextMeeting,
    /// 備考
    Notes,
}

impl HeaderField {
    /// Every field, in the order in which a header shows them.
    pub const ALL: [Self; 21] = [
        Self::Title,
        Self::HeldOn,
        Self::StartsAt,
        Self::EndsAt,
        Self::Place,
        Self::Openness,
        Self::ClosedReason,
        Self::Present,
        Self::Absent,
        Self::Staff,
        Self::Audience,
        Self::Agenda,
        Self::Materials,
        Self::Result,
        Self::Policy,
        Self::Recording,
        Self::Disclosure,
        Self::Office,
        Self::Author,
        Self::NextMeeting,
        Self::Notes,
    ];

    /// Returns the name that stands beside the field in a document.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Title => "会議名",
            Self::HeldOn => "開催日",
            Self::StartsAt => "開始時刻",
            Self::EndsAt => "終了時刻",
            Self::Place => "開催場所",
            Self::Openness => "公開・非公開の別",
            Self::ClosedReason => "非公開の理由",
            Self::Present => "出席者",
            Self::Absent => "欠席者",
            Self::Staff => "出席職員",
            Self::Audience => "傍聴者数",
            Self::Agenda => "議題",
            Self::Materials => "会議資料",
            Self::Result => "決定・結果",
            Self::Policy => "作成方針",
            Self::Recording => "録音・録画の有無",
            Self::Disclosure => "公開区分",
            Self::Office => "主管課",
            Self::Author => "作成者",
            Self::NextMeeting => "次回予定",
            Self::Notes => "備考",
        }
    }
}

/// Who gave a speaker the name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// A person.
    #[default]
    Hand,
    /// The server, by the voice: shown as a suggestion until a person writes the speaker anew.
    Automatic,
}

impl NamedBy {
    /// Tells whether a person gave the name.
    pub fn is_hand(&self) -> bool {
        *self == Self::Hand
    }
}

/// Somebody who spoke.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Speaker {
    /// Its name inside the document.
    pub id: SpeakerId,
    /// What is shown, as 話者1 or a person's name.
    pub name: String,
    /// 役職; empty if unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// How a published copy calls the person, as 委員; empty if as shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub public_name: String,
    /// Who gave the name; a person if absent.
    #[serde(default, skip_serializing_if = "NamedBy::is_hand")]
    pub named_by: NamedBy,
    /// How sure a name is that a person has not confirmed, 0 to 1; absent beside a name given by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

impl Speaker {
    /// Returns a speaker to whom a person gave the name.
    pub fn new(id: SpeakerId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            role: String::new(),
            public_name: String::new(),
            named_by: NamedBy::Hand,
            confidence: None,
        }
    }
}

/// One piece of the minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Block {
    /// 発言
    Utterance(Utterance),
    /// 議題の見出し
    Heading(Heading),
    /// 未認識
    Gap(Gap),
}

impl Block {
    /// Returns the block's name.
    pub const fn id(&self) -> BlockId {
        match self {
            Self::Utterance(utterance) => utterance.id,
            Self::Heading(heading) => heading.id,
            Self::Gap(gap) => gap.id,
        }
    }

    /// Returns the utterance, if it is one.
    pub const fn utterance(&self) -> Option<&Utterance> {
        match self {
            Self::Utterance(utterance) => Some(utterance),
            Self::Heading(_) | Self::Gap(_) => None,
        }
    }
}

/// What somebody said in one go.
///
/// Units: milliseconds since the recording began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Utterance {
    /// Its name inside the document.
    pub id: BlockId,
    /// Who said it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<SpeakerId>,
    /// Whether only the recogniser says who spoke: a person who assigns the speaker ends it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub speaker_automatic: bool,
    /// Start.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// The text as it is edited.
    pub text: String,
    /// The words as they were recognised: they tie text to sound and are never edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// How sure the recogniser is, 0 to 1.
    pub confidence: f32,
    /// Why a person should look at it, as stable words of the recogniser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// What people marked it with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<Mark>,
    /// Why it is not shown (無音・繰り返し, ケバ取り, a person's wish), as a stable word; shown if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// Whether a person changed the text since it was recognised.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
}

/// A heading of the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heading {
    /// Its name inside the document.
    pub id: BlockId,
    /// Depth, 1 to 3.
    pub level: u8,
    /// The text.
    pub text: String,
    /// When the item began, in milliseconds since the recording began, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
}

/// A stretch that nobody could recognise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// Its name inside the document.
    pub id: BlockId,
    /// Start, in milliseconds since the recording began.
    pub start_ms: u64,
    /// End, never before the start.
    pub end_ms: u64,
    /// Why, as a stable word.
    pub reason: String,
}

/// What a person marks an utterance with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// 決定
    Decision,
    /// 課題
    Issue,
    /// ToDo
    Todo,
    /// 重要
    Important,
    /// 要確認
    Check,
    /// 聴取不能
    Inaudible,
}

impl Mark {
    /// Returns the word on screen and on paper.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Decision => "決定",
            Self::Issue => "課題",
            Self::Todo => "ToDo",
            Self::Important => "重要",
            Self::Check => "要確認",
            Self::Inaudible => "聴取不能",
        }
    }
}

/// A decision, an issue or a to-do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Its name inside the document.
    pub id: ItemId,
    /// What it is.
    pub kind: ItemKind,
    /// The text.
    pub text: String,
    /// The block it comes from: nothing is written that was not said.
    pub source: BlockId,
    /// 担当; empty if nobody yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub assignee: String,
    /// 期限, as `2026-11-22`; empty if none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub due: String,
    /// Whether it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// What an item of the minutes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// 決定
    Decision,
    /// 課題
    Issue,
    /// ToDo
    Todo,
}

impl Minutes {
    /// Returns where a block stands.
    pub fn position(&self, id: BlockId) -> Option<usize> {
        self.blocks.iter().position(|block| block.id() == id)
    }

    /// Returns a block by its name.
    pub fn block(&self, id: BlockId) -> Option<&Block> {
        self.blocks.iter().find(|block| block.id() == id).map(AsRef::as_ref)
    }

    /// Returns a speaker by its name.
    pub fn speaker(&self, id: SpeakerId) -> Option<&Speaker> {
        self.speakers.iter().find(|speaker| speaker.id == id)
    }

    /// Walks over what was said, in order, hidden utterances included.
    pub fn utterances(&self) -> impl Iterator<Item = &Utterance> {
        self.blocks.iter().filter_map(|block| block.utterance())
    }
}
