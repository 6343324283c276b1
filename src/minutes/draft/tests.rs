use proptest::prelude::*;

use super::*;
use crate::minutes::{HeaderField, Speaker, SpeakerId, migrate};

fn word(start_ms: u64, end_ms: u64, text: &str) -> Word {
    Word { start_ms, end_ms, text: text.into(), confidence: 0.5 }
}

fn segment(words: Vec<Word>) -> Segment {
    Segment {
        start_ms: words.first().map_or(0, |word| word.start_ms),
        end_ms: words.iter().map(|word| word.end_ms).max().unwrap_or(0),
        text: words.iter().map(|word| word.text.as_str()).collect(),
        confidence: 0.25,
        speaker: None,
        flags: Vec::new(),
        words,
    }
}

fn transcript(segments: Vec<Segment>) -> Transcript {
    Transcript { duration_ms: 100_000, model: "test".into(), segments, ..Transcript::default() }
}

fn texts(transcript: &Transcript) -> Vec<String> {
    draft(transcript, &Template::default()).utterances().map(|said| said.text.clone()).collect()
}

#[test]
fn a_silence_of_one_second_begins_a_new_utterance_and_a_shorter_one_does_not() {
    let words = |pause: u64| vec![word(0, 1_000, "会議です。"), word(1_000 + pause, 3_000, "はい。")];
    assert_eq!(texts(&transcript(vec![segment(words(999))])), ["会議です。はい。"]);
    assert_eq!(texts(&transcript(vec![segment(words(1_000))])), ["会議です。", "はい。"]);
}

#[test]
fn segments_of_the_recogniser_are_no_utterances() {
    let first = segment(vec![word(0, 1_000, "本日の")]);
    let second = segment(vec![word(1_200, 2_000, "会議です。")]);
    let minutes = draft(&transcript(vec![first, second]), &Template::default());
    let said = minutes.utterances().next().expect("one utterance");
    assert_eq!((said.text.as_str(), said.start_ms, said.end_ms), ("本日の会議です。", 0, 2_000));
    assert_eq!(said.words.len(), 2);
    assert!((said.confidence - 0.5).abs() < 1e-6);
}

#[test]
fn after_ten_seconds_a_short_pause_at_a_sentence_end_is_enough() {
    let words = |end: u64, text| vec![word(0, end, text), word(end + 400, end + 1_000, "次です。")];
    assert_eq!(texts(&transcript(vec![segment(words(10_000, "長い話です。"))])).len(), 2);
    assert_eq!(texts(&transcript(vec![segment(words(9_900, "長い話です。"))])).len(), 1);
    assert_eq!(texts(&transcript(vec![segment(words(10_000, "長い話が"))])).len(), 1);
}

#[test]
fn no_utterance_of_several_words_is_longer_than_twenty_seconds_and_sentences_stay_whole() {
    let words: Vec<Word> = (0..60)
        .map(|n| word(n * 1_000, n * 1_000 + 1_000, if n % 7 == 6 { "です。" } else { "話は" }))
        .collect();
    let minutes = draft(&transcript(vec![segment(words)]), &Template::default());
    assert!(minutes.utterances().all(|said| said.end_ms - said.start_ms <= 20_000));
    let whole = minutes.utterances().filter(|said| said.text.ends_with("です。")).count();
    assert_eq!((whole, minutes.blocks.len()), (3, 4), "only the end of the recording is cut");
}

#[test]
fn gaps_and_removed_text_stand_in_the_order_of_time() {
    let mut heard = transcript(vec![
        segment(vec![word(0, 1_000, "前です")]),
        segment(vec![word(1_500, 2_500, "後です")]),
    ]);
    heard.gaps = vec![GapRecord { start_ms: 1_100, end_ms: 1_400, reason: "recognizer_failed".into() }];
    let removed =
        |start_ms| Removed { start_ms, end_ms: start_ms, text: "ご視聴".into(), reason: "silence".into() };
    heard.removed = vec![removed(1_200), removed(9_000)];
    let minutes = draft(&heard, &Template::default());
    let ids: Vec<u64> = minutes.blocks.iter().map(|block| block.id().0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert!(matches!(&*minutes.blocks[1], Block::Gap(gap) if gap.reason == "recognizer_failed"));
    let hidden: Vec<bool> =
        minutes.utterances().map(|said| said.hidden.as_deref() == Some("silence")).collect();
    assert_eq!(hidden, [false, true, false, true]);
    assert_eq!(migrate::check(&minutes), Ok(()));
}

#[test]
fn the_template_gives_header_and_attendees() {
    let attendee = Speaker { role: "会長".into(), ..Speaker::new(SpeakerId(4), "山田") };
    let template = Template { attendees: vec![attendee.clone()], ..Template::default() };
    let minutes = draft(&transcript(Vec::new()), &template);
    assert_eq!(minutes.speakers, [attendee]);
    assert_eq!(minutes.header[&HeaderField::Policy], "全文記録");
    assert!(minutes.blocks.is_empty());
}

#[test]
fn voices_become_speakers_behind_the_attendees_and_each_change_begins_an_utterance() {
    let said = |speaker: Option<u16>, start_ms: u64, text: &str| Segment {
        speaker: speaker.map(diarize::SpeakerId),
        ..segment(vec![word(start_ms, start_ms + 400, text)])
    };
    let heard = transcript(vec![
        said(Some(1), 0, "始めます。"),
        said(Some(2), 450, "はい。"),
        said(Some(2), 900, "どうぞ。"),
        said(None, 1_350, "ええ。"),
    ]);
    let attendee = Speaker::new(SpeakerId(4), "山田");
    let minutes = draft(&heard, &Template { attendees: vec![attendee], ..Template::default() });
    let names: Vec<&str> = minutes.speakers.iter().map(|speaker| speaker.name.as_str()).collect();
    assert_eq!(names, ["山田", "話者1", "話者2"]);
    let who: Vec<(Option<SpeakerId>, &str)> =
        minutes.utterances().map(|said| (said.speaker, said.text.as_str())).collect();
    let wanted = [(Some(5), "始めます。"), (Some(6), "はい。どうぞ。"), (None, "ええ。")];
    assert_eq!(who, wanted.map(|(id, text)| (id.map(SpeakerId), text)));
    assert_eq!(migrate::check(&minutes), Ok(()));
}

#[test]
fn more_voices_than_minutes_may_have_speakers_leave_some_utterances_without() {
    let words = (0..=bounds::SPEAKERS_MAX as u64).map(|index| word(index * 500, index * 500 + 400, "はい。"));
    let segments = words
        .zip(1..)
        .map(|(word, speaker)| Segment { speaker: Some(diarize::SpeakerId(speaker)), ..segment(vec![word]) });
    let minutes = draft(&transcript(segments.collect()), &Template::default());
    assert_eq!(minutes.speakers.len(), bounds::SPEAKERS_MAX);
    assert_eq!(minutes.utterances().filter(|said| said.speaker.is_none()).count(), 1);
    assert_eq!(migrate::check(&minutes), Ok(()));
}

#[test]
fn a_segment_without_words_or_of_monstrous_length_loses_nothing() {
    let text = "あ".repeat(bounds::TEXT_CHARS_MAX * 2 + 7);
    let whole = Segment { text: text.clone(), words: Vec::new(), end_ms: 5_000, ..segment(Vec::new()) };
    let minutes = draft(&transcript(vec![whole]), &Template::default());
    assert_eq!(minutes.utterances().map(|said| said.text.as_str()).collect::<String>(), text);
    assert_eq!(migrate::check(&minutes), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_character_of_a_transcript_is_lost(
        words in proptest::collection::vec((0_u64..1_500, 1_u64..6_000, "[会議です。、a]{0,5}", any::<bool>()), 0..40),
        added in "[。、」]{0,2}",
    ) {
        let (mut at_ms, mut segments, mut current) = (0, Vec::new(), Vec::new());
        for (pause, length, text, ends) in words {
            current.push(word(at_ms + pause, at_ms + pause + length, &text));
            at_ms += pause + length;
            if ends {
                segments.push(segment(std::mem::take(&mut current)));
            }
        }
        // Marks that the recogniser's words do not have, as a restoration of punctuation adds them.
        segments.iter_mut().for_each(|segment| segment.text.push_str(&added));
        let heard = transcript(segments);
        let minutes = draft(&heard, &Template::default());
        let expected: String = heard.segments.iter().map(|segment| segment.text.as_str()).collect();
        let found: String = minutes.utterances().map(|said| said.text.as_str()).collect();
        prop_assert_eq!(found.replace(' ', ""), expected);
        let words = minutes.utterances().map(|said| said.words.len()).sum::<usize>();
        prop_assert_eq!(words, heard.segments.iter().map(|segment| segment.words.len()).sum::<usize>());
        prop_assert_eq!(migrate::check(&minutes), Ok(()));
    }
}
