use super::*;
use crate::minutes::testing::{four_hours, minutes_of, quick, said};
use crate::minutes::{HeaderField, Item, ItemId, ItemKind, Speaker, SpeakerId};

/// Lines, registered words, what is found, its suggestion and its first place.
type Case = (&'static [&'static str], &'static [&'static str], FindingKind, &'static str, &'static str);

fn findings(lines: &[&str], words: &[&str]) -> Vec<Finding> {
    let utterances =
        lines.iter().zip(1..).map(|(text, id)| said(id, None, id * 1000, id * 1000 + 900, text)).collect();
    check(&minutes_of(utterances), words)
}

#[test]
fn what_is_written_in_two_ways_is_found_with_a_suggestion() {
    use FindingKind::{CommaStyle, DigitWidth, NearDictionary, Style, VariantCharacter};
    let cases: &[Case] = &[
        (&["斉藤委員です。", "斉藤です。", "齋藤課長です。"], &[], VariantCharacter, "斉藤", "齋藤"),
        (
            &["斉藤委員です。", "斉藤です。", "齋藤課長です。"],
            &["齋藤一郎"],
            VariantCharacter,
            "齋藤",
            "斉藤",
        ),
        (&["渡辺と渡邊と渡辺です。"], &[], VariantCharacter, "渡辺", "渡邊"),
        (&["高橋、髙橋、高橋"], &[], VariantCharacter, "高橋", "髙橋"),
        (&["山崎、山﨑、山崎"], &[], VariantCharacter, "山崎", "山﨑"),
        (&["中島、中嶋、中島"], &[], VariantCharacter, "中島", "中嶋"),
        (&["金沢、金澤、金沢"], &[], VariantCharacter, "金沢", "金澤"),
        (&["横浜、横濱、横浜"], &[], VariantCharacter, "横浜", "横濱"),
        (&["３人と4人と５人です。"], &[], DigitWidth, "１桁の全角", "4"),
        (&["12人と34人と５６人です。"], &[], DigitWidth, "２桁以上の半角", "５６"),
        (&["賛成です。", "反対だ。", "終わりました。"], &[], Style, "です・ます", "だ"),
        (&["賛成である。", "反対だ。", "終わりました。"], &[], Style, "だ・である", "ました"),
        (&["市長、副市長、局長，部長"], &[], CommaStyle, "「、」", "，"),
        (
            &["議事録作成支緩システムです。"],
            &["議事録作成支援システム"],
            NearDictionary,
            "議事録作成支援システム",
            "議事録作成支緩システム",
        ),
        (&["下水道事業と下水同事業です。"], &["下水道事業"], NearDictionary, "下水道事業", "下水同事業"),
    ];
    for (lines, words, kind, suggestion, place) in cases {
        let found = findings(lines, words);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.kind, one.suggestion.as_str(), one.places[0].text.as_str()))
            .collect();
        assert_eq!(told, [(*kind, *suggestion, *place)], "{lines:?}");
    }
}

#[test]
fn what_is_written_in_one_way_is_not_found() {
    for (lines, words) in [
        (&["斉藤委員です。", "斉藤課長です。"][..], &[][..]),
        (&["高橋と高島と高齢者です。"], &[]),
        (&["３人と12人と345人です。"], &[]),
        (&["賛成です。", "異議なし。", "以上。"], &[]),
        (&["市長、副市長が3,500円，"], &["市長"]),
        (&["第二委員会です。"], &["第一委員会"]),
        (&["北小学校です。"], &["南小学校"]),
        (&["下水道事業です。"], &["下水道事業"]),
        (&["予算案です。"], &["予算書"]),
        (&["上下水道です。"], &["下水道事業"]),
        (&[""], &[""]),
    ] {
        let found: Vec<Finding> =
            findings(lines, words).into_iter().filter(|one| one.kind != FindingKind::CommaStyle).collect();
        assert_eq!(found, [], "{lines:?}");
    }
    assert_eq!(findings(&["3，500円、4，000円です。"], &[]), []);
}

#[test]
fn names_of_speakers_are_looked_at() {
    let mut minutes = minutes_of(vec![]);
    for (id, name) in [(1, "高橋 一郎"), (2, "髙橋一郎"), (3, "話者3"), (4, "佐々木")] {
        minutes.speakers.push(Speaker::new(SpeakerId(id), name));
    }
    let messages: Vec<String> = check(&minutes, &[]).into_iter().map(|finding| finding.message).collect();
    assert_eq!(
        messages,
        ["同じ方と思われる話者があります（高橋 一郎、髙橋一郎）。", "「話者3」の氏名が入っていません。"]
    );
}

#[test]
fn what_nobody_is_responsible_for_and_what_was_decided_without_a_line_is_found() {
    let mut minutes = minutes_of(vec![
        said(1, None, 1_000, 2_000, "原案は可決されました。"),
        said(2, None, 3_000, 4_000, "予算も承認されました。"),
        said(3, None, 5_000, 6_000, "昨年に決定した事項です。"),
    ]);
    let item = |id, kind, source, assignee: &str, due: &str| Item {
        id: ItemId(id),
        kind,
        text: "報告書を直す".to_owned(),
        source: BlockId(source),
        assignee: assignee.to_owned(),
        due: due.to_owned(),
        done: false,
    };
    minutes.items = vec![
        item(1, ItemKind::Decision, 2, "", ""),
        item(2, ItemKind::Todo, 3, "", "2026-11-01"),
        item(3, ItemKind::Todo, 3, "山田", "2026-12-01"),
        item(4, ItemKind::Todo, 3, "山田", ""),
    ];
    let header = [
        (HeaderField::HeldOn, "2026-11-22"),
        (HeaderField::StartsAt, "14:00"),
        (HeaderField::EndsAt, "9:30"),
    ];
    minutes.header.extend(header.map(|(field, value)| (field, value.to_owned())));
    let found: Vec<_> = check(&minutes, &[])
        .into_iter()
        .map(|one| (one.kind, one.message, one.places.first().map(|place| (place.block.0, place.at))))
        .collect();
    let told = |kind, message: &str, place| (kind, message.to_owned(), place);
    let expected = [
        told(FindingKind::OpenItem, "ToDo「報告書を直す」の担当が入っていません。", Some((3, 0))),
        told(FindingKind::OpenItem, "ToDo「報告書を直す」の期限が入っていません。", Some((3, 0))),
        told(
            FindingKind::Decision,
            "決定の一覧にない、決定と思われる発言が 1 件あります（決定の印 0 件）。",
            Some((1, 3)),
        ),
        told(FindingKind::Times, "終了時刻（9:30）が開始時刻（14:00）より前です。", None),
        told(FindingKind::Times, "「報告書を直す」の期限（2026-11-01）が開催日より前です。", Some((3, 0))),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_finding_says_how_often_and_where() {
    let found = findings(&["３人と4人と５人です。", "6人"], &[]);
    assert_eq!(found[0].message, "数字の全角・半角の混在があります（１桁の全角 2 件、１桁の半角 2 件）。");
    assert_eq!(
        found[0].places,
        [
            Place { block: BlockId(1), at: 3, text: "4".into() },
            Place { block: BlockId(2), at: 0, text: "6".into() },
        ]
    );
}

#[test]
fn four_hours_are_checked_against_ten_thousand_words_at_once() {
    let minutes = four_hours("下水同事業特別会計予算、渡邊委員12");
    let words: Vec<String> = (0..10_000)
        .map(|n: u32| {
            let ch = |shift: u32| char::from_u32(0x4e00 + (n * 7 + shift * 131) % 20_000).unwrap_or('漢');
            [ch(1), ch(2), ch(3), ch(4), ch(5)].iter().collect()
        })
        .chain(["下水道事業".to_owned()])
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let found = quick("consistency", || check(&minutes, &words));
    assert!(
        found.iter().any(|finding| finding.suggestion == "下水道事業" && finding.places.len() == PLACES_MAX)
    );
}
