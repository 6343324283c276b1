//! A small meeting with everything in it that a file must show, or must not.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::minutes::{
    Block, BlockId, Gap, HeaderField, Heading, Item, ItemId, ItemKind, Mark, Minutes, Speaker, SpeakerId,
    Utterance,
};
use crate::speech::transcript::Word;

/// What was said and is not shown.
pub(super) const HIDDEN: &str = "ご視聴ありがとうございました";

/// Returns minutes of one speaker.
pub(super) fn spoken(said: &[(u64, u64, &str)]) -> Minutes {
    let blocks = said.iter().zip(1..);
    Minutes {
        speakers: vec![speaker(1, "話者1", "", "")],
        blocks: blocks
            .map(|(&(start_ms, end_ms, text), id)| Arc::new(utterance(id, Some(1), (start_ms, end_ms), text)))
            .collect(),
        ..Minutes::default()
    }
}

/// Returns a meeting of two speakers and somebody unknown, with a heading, a gap, marks and items.
pub(super) fn meeting() -> Minutes {
    let mut minutes = Minutes {
        speakers: vec![speaker(1, "山田太郎", "会長", "会長"), speaker(2, "佐藤花子", "事務局", "")],
        blocks: vec![
            heading(10, 1, "開会"),
            Arc::new(utterance(11, Some(1), (0, 4_000), "ただいまから、総務委員会を開会します。")),
            Arc::new(utterance(12, Some(1), (4_200, 6_000), "よろしくお願いいたします。")),
            heading(13, 2, "議題(1) 予算案について"),
            Arc::new(utterance(14, Some(2), (7_000, 12_000), "=1+1 は、資料１の「3頁」を、ご覧ください。")),
            Arc::new(Block::Gap(Gap {
                id: BlockId(15),
                start_ms: 12_000,
                end_ms: 72_000,
                reason: "failed".to_owned(),
            })),
            Arc::new(utterance(16, None, (72_000, 73_000), "異議なし。")),
            Arc::new(utterance(17, Some(1), (74_000, 80_000), HIDDEN)),
            Arc::new(utterance(
                18,
                Some(1),
                (81_000, 86_000),
                "𠮷野委員の御意見は〜承りました。\n次に移ります。",
            )),
        ],
        items: vec![
            item(1, ItemKind::Decision, "予算案を原案のとおり決定した。", 16),
            item(2, ItemKind::Todo, "資料２を修正する。", 18),
            item(3, ItemKind::Todo, "隠れた宿題", 17),
        ],
        ..Minutes::default()
    };
    minutes.items[1].assignee = "佐藤花子".to_owned();
    minutes.items[1].due = "2026-12-01".to_owned();
    let fields = [
        (HeaderField::Title, "総務委員会"),
        (HeaderField::HeldOn, "2026-11-22"),
        (HeaderField::StartsAt, "13:30"),
        (HeaderField::EndsAt, "15:00"),
        (HeaderField::Place, "本庁舎 第１委員会室"),
        (HeaderField::Present, "山田太郎 会長\n鈴木一郎 委員"),
    ];
    minutes.header = fields.into_iter().map(|(field, value)| (field, value.to_owned())).collect();
    edit(&mut minutes, 17, |said| said.hidden = Some("silence".to_owned()));
    edit(&mut minutes, 18, |said| said.marks = BTreeSet::from([Mark::Decision, Mark::Important]));
    edit(&mut minutes, 16, |said| {
        said.words = vec![word(72_100, 72_500, "異議"), word(72_500, 72_900, "なし。")];
    });
    minutes
}

/// Returns a meeting of four hours: 4,000 utterances, 80,000 characters.
pub(super) fn long_meeting() -> Minutes {
    let mut minutes = meeting();
    minutes.blocks = (0..4_000_u64)
        .map(|index| {
            let text = format!("第{index:04}号の議案を、御説明いたします。よろしく。");
            let speaker = Some(index % 2 + 1);
            Arc::new(utterance(index + 1, speaker, (index * 3_600, index * 3_600 + 3_000), &text))
        })
        .collect();
    minutes.items.clear();
    minutes
}

/// Changes one utterance.
pub(super) fn edit(minutes: &mut Minutes, id: u64, change: impl FnOnce(&mut Utterance)) {
    let found = minutes.blocks.iter_mut().find(|block| block.id() == BlockId(id)).expect("the block exists");
    if let Block::Utterance(utterance) = Arc::make_mut(found) {
        change(utterance);
    }
}

fn speaker(id: u64, name: &str, role: &str, public_name: &str) -> Speaker {
    let (role, public_name) = (role.to_owned(), public_name.to_owned());
    Speaker { role, public_name, ..Speaker::new(SpeakerId(id), name) }
}

fn utterance(id: u64, speaker: Option<u64>, (start_ms, end_ms): (u64, u64), text: &str) -> Block {
    Block::Utterance(Utterance {
        id: BlockId(id),
        speaker: speaker.map(SpeakerId),
        speaker_automatic: false,
        start_ms,
        end_ms,
        text: text.to_owned(),
        words: Vec::new(),
        confidence: 0.875,
        flags: Vec::new(),
        marks: BTreeSet::new(),
        hidden: None,
        edited: false,
    })
}

fn heading(id: u64, level: u8, text: &str) -> Arc<Block> {
    Arc::new(Block::Heading(Heading { id: BlockId(id), level, text: text.to_owned(), at_ms: None }))
}

fn item(id: u64, kind: ItemKind, text: &str, source: u64) -> Item {
    Item {
        id: ItemId(id),
        kind,
        text: text.to_owned(),
        source: BlockId(source),
        assignee: String::new(),
        due: String::new(),
        done: false,
    }
}

fn word(start_ms: u64, end_ms: u64, text: &str) -> Word {
    Word { start_ms, end_ms, text: text.to_owned(), confidence: 0.9 }
}
