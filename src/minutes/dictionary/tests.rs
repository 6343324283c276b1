use super::*;
use crate::clock::UnixMs;
use crate::minutes::testing::{accepted, four_hours, minutes_of, quick, said};

fn entry(written: &str, reading: &str, sources: &[&str]) -> Entry {
    let sources = sources.iter().map(|source| (*source).to_owned()).collect();
    Entry { written: written.to_owned(), reading: reading.to_owned(), sources, ..Entry::default() }
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day of the test")
}

fn repaired(text: &str, entries: &[Entry]) -> String {
    let entries: Vec<&Entry> = entries.iter().collect();
    let mut minutes = minutes_of(vec![said(1, None, 0, 900, text)]);
    let proposals = propose(&minutes, &entries);
    accepted(&mut minutes, &proposals);
    assert_eq!(propose(&minutes, &entries), [], "{text}");
    minutes.utterances().map(|utterance| utterance.text.clone()).collect()
}

#[test]
fn what_is_recognised_wrongly_is_replaced_and_what_is_right_stays() {
    let entries = [
        entry("県庁舎", "けんちょうしゃ", &["県庁", "県庁社"]),
        entry("佐々木", "ささき", &["笹木", "佐佐木"]),
        entry("USBキー", "ゆーえすびーきー", &["ユーエス美キー", "ユーエスビーキー"]),
        entry("議事録", "ぎじろく", &["疑似録", "議事六"]),
        entry("議事録作成支援システム", "", &["議事録作成システム"]),
        entry("𠮷野", "よしの", &["吉野"]),
    ];
    for (text, written) in [
        ("県庁の件です。", "県庁舎の件です。"),
        ("県庁舎の件です。", "県庁舎の件です。"),
        ("県庁社の件です。", "県庁舎の件です。"),
        ("笹木委員と佐佐木課長です。", "佐々木委員と佐々木課長です。"),
        ("ユーエスビーキーが要ります。", "USBキーが要ります。"),
        ("ユーエス美キーが要ります。", "USBキーが要ります。"),
        ("疑似録です。", "議事録です。"),
        ("議事録作成システムです。", "議事録作成支援システムです。"),
        ("議事録作成支援システムです。", "議事録作成支援システムです。"),
        ("吉野町です。", "𠮷野町です。"),
        ("𠮷野町の吉野です。", "𠮷野町の𠮷野です。"),
        ("「笹木」と読みます。", "「佐々木」と読みます。"),
        ("佐々木です。", "佐々木です。"),
        ("笹の木です。", "笹の木です。"),
        ("県民です。", "県民です。"),
        ("議事です。", "議事です。"),
        ("吉田です。", "吉田です。"),
        ("", ""),
    ] {
        assert_eq!(repaired(text, &entries), written, "{text}");
    }
}

#[test]
fn candidates_have_the_same_reading_or_name_the_word() {
    let entries = [
        entry("周知", "しゅうち", &["羞恥"]),
        entry("衆知", "シュウチ", &[]),
        entry("予算", "よさん", &[]),
        entry("衆智", "", &[]),
    ];
    let entries: Vec<&Entry> = entries.iter().collect();
    assert_eq!(candidates(&entries, "周知"), ["衆知"]);
    assert_eq!(candidates(&entries, "羞恥"), ["周知"]);
    assert_eq!(candidates(&entries, "しゅうち"), ["周知", "衆知"]);
    assert_eq!(candidates(&entries, "可決"), Vec::<&str>::new());
}

#[test]
fn the_nearest_group_wins_and_what_has_ended_is_not_in_force() {
    let office =
        Entry { note: "全庁".into(), valid_until: Some(day("2026-03-31")), ..entry("情報課", "", &[]) };
    let shared = Entry { note: "全庁".into(), ..entry("周知", "", &[]) };
    let own = Entry { note: "会議".into(), ..entry("周知", "", &[]) };
    let groups = [
        Group { name: "全庁".into(), scope: Scope::Office, entries: vec![office, shared] },
        Group { name: "会議".into(), scope: Scope::Meeting, entries: vec![own] },
    ];
    let notes = |on| in_force(&groups, day(on)).iter().map(|entry| entry.note.clone()).collect::<Vec<_>>();
    assert_eq!(notes("2026-03-31"), ["会議", "全庁"]);
    assert_eq!(notes("2026-04-01"), ["会議"]);
}

#[test]
fn the_hint_takes_attendees_then_the_agenda_then_the_most_recent_as_far_as_it_fits() {
    let entries =
        [entry("最近の語", "", &[]), entry("下水道", "げすいどう", &["下水同"]), entry("古い語", "", &[])];
    let entries: Vec<&Entry> = entries.iter().collect();
    let attendees = ["佐々木".to_owned(), String::new()];
    let meeting = Meeting { attendees: &attendees, agenda: "１ 下水道事業について" };
    assert_eq!(hint(&entries, meeting, 10, 100), ["佐々木", "下水道", "最近の語", "古い語"]);
    assert_eq!(hint(&entries, meeting, 2, 100), ["佐々木", "下水道"]);
    assert_eq!(hint(&entries, meeting, 10, 11), ["佐々木", "下水道", "古い語"]);
    assert_eq!(hint(&entries, meeting, 10, 0), Vec::<String>::new());
    let list = vocabulary_text(&hint(&entries, meeting, 2, 100), &entries);
    assert_eq!(list, "佐々木\n下水道\n下水同 => 下水道");
    assert!(crate::speech::vocabulary::Vocabulary::parse(&list).is_ok());
}

#[test]
fn a_file_is_read_back_as_it_was_written() {
    let guarded = ["=SUM(A1)", "＋81", "'=x", "@a", "'普通"]
        .map(|note| Entry { note: note.to_owned(), ..entry(&format!("語{note}"), "", &[]) });
    let full = Entry {
        kind: Kind::Person,
        note: "改行\r\nと、\"引用\",コンマ".into(),
        valid_from: Some(day("2026-04-01")),
        valid_until: Some(day("2027-03-31")),
        ..entry("髙橋", "たかはし", &["高橋", "孝橋"])
    };
    let entries: Vec<Entry> = guarded.into_iter().chain([full, entry("=危険", "", &["-a"])]).collect();
    for charset in [Charset::Utf8Bom, Charset::Cp932] {
        let exported = export(&entries, charset);
        assert_eq!(exported.unmapped, []);
        let imported = import(&exported.bytes).expect("our own file");
        assert_eq!(imported.entries, entries);
        assert_eq!((imported.problems, imported.duplicates), (vec![], vec![]));
    }
    let text = String::from_utf8(export(&entries, Charset::Utf8Bom).bytes).expect("UTF-8");
    assert!(text.starts_with("\u{feff}表記,よみ,種別,置換元,メモ,有効開始日,有効終了日\r\n"));
    assert!(text.contains("'=SUM(A1)") && text.contains("\r\n'=危険,") && text.contains("高橋;孝橋"));
}

#[test]
fn what_cp932_lacks_is_told_with_its_line() {
    let exported =
        export(&[entry("〜−—‖", "", &[]), entry("𠮷野", "", &[]), entry("①髙﨑", "", &[])], Charset::Cp932);
    assert_eq!(exported.unmapped, [(3, '𠮷')]);
    let imported = import(&exported.bytes).expect("our own file");
    assert_eq!(
        imported.entries.iter().map(|entry| entry.written.as_str()).collect::<Vec<_>>(),
        ["～－―∥", "〓野", "①髙﨑"]
    );
}

#[test]
fn wrong_lines_are_told_and_the_others_taken() {
    let file = "よみ,表記,種別,有効開始日\nささき,佐々木,人名,2026/4/1\n,,,\nよみだけ,,用語,\nあ,語,部品,\nい,日,用語,明日\nささき,佐々木,人名,\n\"う,閉じない,用語,\n";
    let imported = import(file.as_bytes()).expect("a file with a header");
    assert_eq!(imported.entries.len(), 1);
    assert_eq!(imported.entries[0].valid_from, Some(day("2026-04-01")));
    let lines: Vec<usize> = imported.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [4, 5, 6, 8]);
    assert_eq!(imported.problems[0].message, "4行目：表記が空です。");
    assert_eq!(imported.duplicates[0].message, "7行目：表記「佐々木」は2行目にもあります。");
    assert_eq!(imported.left_out_count, 5);
}

#[test]
fn a_file_that_is_none_is_refused() {
    assert_eq!(import(b"a,b\r\n1,2\r\n"), Err(CsvError::NoHeader));
    assert_eq!(import(b""), Err(CsvError::NoHeader));
    let mut damaged = encoding_rs::SHIFT_JIS.encode("表記\n").0.into_owned();
    damaged.extend(b"\xff\xff\n");
    assert_eq!(import(&damaged), Err(CsvError::Undecodable { line: 2 }));
    assert_eq!(import(&vec![b'a'; (16 << 20) + 1]), Err(CsvError::TooLong { bytes: (16 << 20) + 1 }));
}

#[test]
fn days_are_days() {
    for text in ["2026-02-30", "2026-13-01", "2026", "", "明日", "2026-1-1-1"] {
        assert!(Day::parse(text).is_err(), "{text}");
    }
    assert_eq!(String::from(day("2026/4/1")), "2026-04-01");
}

#[test]
fn an_entry_that_cannot_be_is_told_why() {
    assert_eq!(entry("語", "", &["誤"]).problem(), None);
    assert!(entry(" ", "", &[]).problem().is_some());
    assert!(entry("語", "", &["語"]).problem().is_some());
    assert!(entry(&"語".repeat(101), "", &[]).problem().is_some());
    let reversed = Entry {
        valid_from: Some(day("2026-04-01")),
        valid_until: Some(day("2026-03-31")),
        ..entry("語", "", &[])
    };
    assert!(reversed.problem().is_some());
}

#[test]
fn ten_thousand_entries_are_read_and_applied_at_once() {
    let entries: Vec<Entry> =
        (0..10_000).map(|n| entry(&format!("正語{n}番"), "", &[&format!("誤語{n}番")])).collect();
    let file = export(&entries, Charset::Utf8Bom).bytes;
    let imported = quick("import of 10,000 entries", || import(&file)).expect("our own file");
    assert_eq!(imported.entries.len(), 10_000);
    let minutes = four_hours("本日は誤語123番について説明をいたします");
    let entries: Vec<&Entry> = imported.entries.iter().collect();
    let proposals = quick("dictionary of 10,000 entries", || propose(&minutes, &entries));
    assert_eq!((proposals.len(), proposals[0].after.as_str()), (4000, "正語123番"));
}

#[test]
fn a_day_begins_and_ends_as_clocks_in_japan_say() {
    let evening = UnixMs::from_ms(1_774_969_200_000 - 1);
    assert_eq!(String::from(Day::in_japan(evening)), "2026-03-31");
    assert_eq!(String::from(Day::in_japan(evening.plus(std::time::Duration::from_millis(1)))), "2026-04-01");
    let march = Day::parse("2026-03-30").expect("there is such a day");
    assert_eq!(march.end_in_japan(1), Some(UnixMs::from_ms(1_774_969_200_000)));
}
