use super::*;
use crate::minutes::export::{Assets, Format, Options, export};
use crate::minutes::testing::{minutes_of, said};
use crate::minutes::{BlockId, HeaderField, ItemId, ItemKind, SpeakerId};
use crate::speech::transcript::Word;

fn mask(text: &str, with: &str) -> Mask {
    Mask { text: text.to_owned(), with: with.to_owned() }
}

/// A meeting in which 山田 太郎 (会長) and 鈴木 speak of somebody from outside.
fn minutes() -> Minutes {
    let mut first = said(1, Some(1), 0, 4_000, "佐藤一郎さんの電話は０３－１２３４－５６７８です。");
    first.words = vec![Word { start_ms: 0, end_ms: 4_000, text: first.text.clone(), confidence: 0.9 }];
    let second = said(2, Some(2), 5_000, 9_000, "佐藤さんには山田会長から a.sato@example.jp へ。");
    let mut minutes = minutes_of(vec![first, second]);
    let mut chair = Speaker::new(SpeakerId(1), "山田 太郎");
    chair.role = "会長".to_owned();
    minutes.speakers = vec![chair, Speaker::new(SpeakerId(2), "鈴木")];
    minutes.header.insert(HeaderField::Present, "委員　佐藤一郎\n鈴木".to_owned());
    let item = |id, text: &str, assignee: &str| Item {
        id: ItemId(id),
        kind: ItemKind::Todo,
        text: text.to_owned(),
        source: BlockId(1),
        assignee: assignee.to_owned(),
        due: String::new(),
        done: false,
    };
    minutes.items = vec![item(1, "佐藤一郎さんへ連絡", "山田 太郎"), item(2, "返事", "鈴木")];
    minutes
}

#[test]
fn a_masked_text_is_in_no_file_of_any_format() {
    let masks = [
        mask("佐藤一郎", "住民Ａ"),
        mask("佐藤", ""),
        mask("０３－１２３４－５６７８", "（電話番号）"),
        mask("鈴木", "事務局"),
    ];
    let copy = masked(&minutes(), &masks);
    for format in [Format::Txt, Format::Md, Format::Csv, Format::Srt, Format::Vtt] {
        let options = Options { format, public_names: true, times: true, ..Options::default() };
        let file = export(&copy, &options, &Assets::default()).expect("the file can be written");
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        for gone in ["佐藤", "鈴木", "１２３４"] {
            assert!(!text.contains(gone), "{gone} in {format:?}: {text}");
        }
        assert!(text.contains("住民Ａ"), "{format:?}: {text}");
    }
    assert!(copy.utterances().next().is_some_and(|said| said.words.is_empty()), "words hold the text, too");
    assert_eq!(copy.items[0].assignee, "山田 太郎", "whom the copy calls by a role is found by the name");
    assert_eq!(copy.items[1].assignee, "事務局");
}

#[test]
fn of_texts_that_lie_in_each_other_the_longest_counts() {
    let masks = [mask("佐藤", ""), mask("佐藤一郎", "住民Ａ")];
    let texts = |minutes: &Minutes| minutes.utterances().map(|said| said.text.clone()).collect::<Vec<_>>();
    let copy = masked(&minutes(), &masks);
    assert!(texts(&copy)[0].starts_with("住民Ａさん") && texts(&copy)[1].starts_with("■■■さん"), "{copy:?}");
    // The list of attendees, an utterance and an item; the other utterance.
    assert_eq!(counts(&minutes(), masks.iter().map(|mask| mask.text.as_str())), [1, 3]);
    assert_eq!(masked(&minutes(), &[]), minutes());
}

#[test]
fn names_numbers_and_addresses_are_suggested_where_they_stand() {
    let found = suggestions(&minutes(), &["佐藤 一郎", "高橋"]);
    let found: Vec<_> =
        found.iter().map(|one| (one.reason, one.text.as_str(), one.with.as_str(), one.count)).collect();
    assert_eq!(
        found,
        [
            (MaskReason::Speaker, "山田", "会長", 1),
            (MaskReason::Speaker, "鈴木", "", 3),
            (MaskReason::Attendee, "佐藤一郎", "委員", 3),
            (MaskReason::Dictionary, "佐藤", "", 1),
            (MaskReason::Phone, "０３－１２３４－５６７８", "", 1),
            (MaskReason::Mail, "a.sato@example.jp", "", 1),
        ]
    );
}

#[test]
fn numbers_that_are_none_of_a_telephone_are_not_suggested() {
    let texts = ["予算は1234567890円です。", "令和8年11月22日", "03-1234", "0120-123-456", "A@B と a@b"];
    let utterances = texts.iter().zip(1..).map(|(text, id)| said(id, None, id, id, text)).collect();
    let found: Vec<String> =
        suggestions(&minutes_of(utterances), &[]).into_iter().map(|one| one.text).collect();
    assert_eq!(found, ["0120-123-456"]);
}

#[test]
fn a_list_that_hides_nothing_is_refused() {
    assert_eq!(check(&[mask("佐藤", ""), mask("鈴木", "委員")]), Ok(()));
    let long = "長".repeat(MASK_CHARS_MAX + 1);
    for refused in [
        vec![mask(" ", "")],
        vec![mask(&long, "")],
        vec![mask("佐藤", &long)],
        vec![mask("佐藤\n", "")],
        vec![mask("佐藤", ""), mask("佐藤", "委員")],
        vec![mask("佐藤", "佐藤委員")],
        (0..=MASKS_MAX).map(|index| mask(&index.to_string(), "")).collect(),
    ] {
        assert!(check(&refused).is_err(), "{:?}", refused.first());
    }
}
