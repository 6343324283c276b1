//! Speakers of minutes and the people behind them: which sound is surely one person's, and whose name a speaker gets.
//!
//! Nothing here touches what a person said: names and assignments by hand stay as they are.

use std::collections::BTreeMap;

use super::consistency::name_key;
use super::edit::Op;
use super::{BlockId, Minutes, NamedBy, Speaker, SpeakerId, Utterance};
use crate::audio::MediaSpan;

/// What is left out at both ends of an utterance: the borders of words are not exact, milliseconds.
const EDGE_MS: u64 = 150;
/// Shortest stretch in which a voice can be heard: one window of the network.
const STRETCH_MS_MIN: u64 = 1_600;
/// What was recognised with less confidence is often two people at once.
const CONFIDENCE_MIN: f32 = 0.5;

/// A name for a speaker, by the voice.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Which speaker.
    pub speaker: SpeakerId,
    /// Whose name.
    pub name: String,
    /// How sure that is, 0 to 1.
    pub confidence: f32,
}

/// Returns whether a speaker's name is a number only: nobody has named them.
pub fn is_unnamed(speaker: &Speaker) -> bool {
    let number = speaker.name.strip_prefix("話者");
    !speaker.named_by.is_hand() || number.is_some_and(|rest| rest.chars().all(char::is_numeric))
}

/// Returns the stretches in which surely this speaker and nobody else is heard, the longest first, up to `ms_max` in
/// all.
///
/// What people assigned by hand is enough if there is any; else whatever the speaker is said to have said counts.
pub fn clean_stretches(minutes: &Minutes, speaker: SpeakerId, ms_max: u64) -> Vec<MediaSpan> {
    let said: Vec<&Utterance> = minutes.utterances().filter(|said| is_clean(said, speaker)).collect();
    let has_hand = said.iter().any(|said| !said.speaker_automatic);
    let usable = said.into_iter().filter(|said| !(has_hand && said.speaker_automatic));
    let mut spans: Vec<MediaSpan> = usable.filter_map(|said| alone(minutes, said)).collect();
    spans.sort_by_key(|span| std::cmp::Reverse(span.len_ms()));
    let mut left = ms_max;
    for span in &mut spans {
        let end = span.end().min(span.start().plus_ms(left));
        *span = MediaSpan::new(span.start(), end);
        left -= span.len_ms();
    }
    spans.retain(|span| span.len_ms() >= STRETCH_MS_MIN);
    spans
}

fn is_clean(said: &Utterance, speaker: SpeakerId) -> bool {
    let is_doubtful = said.confidence < CONFIDENCE_MIN;
    said.speaker == Some(speaker) && said.hidden.is_none() && !is_doubtful
}

/// Returns an utterance without its edges, unless somebody else speaks into it.
fn alone(minutes: &Minutes, said: &Utterance) -> Option<MediaSpan> {
    let whole = MediaSpan::from_ms(said.start_ms, said.end_ms);
    let disturbs = |other: &Utterance| {
        let is_other = other.id != said.id && other.speaker != said.speaker && other.hidden.is_none();
        is_other && MediaSpan::from_ms(other.start_ms, other.end_ms).overlap_ms(whole) > 0
    };
    if minutes.utterances().any(disturbs) {
        return None;
    }
    let inner = MediaSpan::new(whole.start().plus_ms(EDGE_MS), whole.end().minus_ms(EDGE_MS));
    (inner.len_ms() >= STRETCH_MS_MIN).then_some(inner)
}

/// Tells whether a name may be given in a meeting: to whoever is expected to attend, or to everybody if the template
/// expects nobody by name; but not once a person has given it to somebody who spoke.
pub fn may_be_named(name: &str, attendees: &[Speaker], minutes: &Minutes) -> bool {
    let key = name_key(name);
    let is_expected = attendees.is_empty() || attendees.iter().any(|one| name_key(&one.name) == key);
    let has_it = |speaker: &&Speaker| speaker.named_by.is_hand() && name_key(&speaker.name) == key;
    is_expected && !minutes.speakers.iter().filter(has_it).any(|speaker| spoke(minutes, speaker.id))
}

/// Returns the edit that gives speakers the names suggested.
///
/// A speaker who has a name by hand keeps it. Somebody who is in the list already takes the speaker's utterances over:
/// nobody stands there twice.
pub fn naming(minutes: &Minutes, suggestions: &[Suggestion]) -> Vec<Op> {
    let mut ops = Vec::new();
    for suggestion in suggestions {
        let Some(speaker) = minutes.speaker(suggestion.speaker).filter(|speaker| is_unnamed(speaker)) else {
            continue;
        };
        let key = name_key(&suggestion.name);
        let listed =
            minutes.speakers.iter().find(|other| other.id != speaker.id && name_key(&other.name) == key);
        match listed {
            None => ops.push(Op::PutSpeaker { speaker: suggested(speaker, suggestion) }),
            // A person has given the name to somebody who spoke: to say that of two is not the server's business.
            Some(listed) if spoke(minutes, listed.id) => {}
            Some(listed) => ops.extend(taken_over(minutes, speaker, (listed, suggestion))),
        }
    }
    ops
}

fn suggested(speaker: &Speaker, suggestion: &Suggestion) -> Speaker {
    let (named_by, confidence) = (NamedBy::Automatic, Some(suggestion.confidence));
    Speaker { name: suggestion.name.clone(), named_by, confidence, ..speaker.clone() }
}

fn spoke(minutes: &Minutes, speaker: SpeakerId) -> bool {
    minutes.utterances().any(|said| said.speaker == Some(speaker))
}

/// Gives what a numbered speaker said to somebody of the attendee list who has said nothing yet.
fn taken_over(
    minutes: &Minutes,
    speaker: &Speaker,
    (listed, suggestion): (&Speaker, &Suggestion),
) -> Vec<Op> {
    let mut by_hand: BTreeMap<bool, Vec<BlockId>> = BTreeMap::new();
    for said in minutes.utterances().filter(|said| said.speaker == Some(speaker.id)) {
        by_hand.entry(said.speaker_automatic).or_default().push(said.id);
    }
    let moves = by_hand.into_iter();
    let moves =
        moves.map(|(automatic, blocks)| Op::SetSpeaker { blocks, speaker: Some(listed.id), automatic });
    let (named_by, confidence) = (NamedBy::Automatic, Some(suggestion.confidence));
    let marked = Op::PutSpeaker { speaker: Speaker { named_by, confidence, ..listed.clone() } };
    let has_number = speaker.named_by.is_hand();
    let left = if has_number {
        Op::RemoveSpeaker { speaker: speaker.id }
    } else {
        // Somebody of the list to whom an earlier comparison gave it: stays there, as somebody who said nothing.
        let (named_by, confidence) = (NamedBy::Hand, None);
        Op::PutSpeaker { speaker: Speaker { named_by, confidence, ..speaker.clone() } }
    };
    moves.chain([marked, left]).collect()
}

/// Returns the speakers that nobody has named by hand and who said something.
pub fn to_be_named(minutes: &Minutes) -> Vec<SpeakerId> {
    let open = minutes.speakers.iter().filter(|speaker| is_unnamed(speaker) && spoke(minutes, speaker.id));
    open.map(|speaker| speaker.id).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::minutes::edit::{apply, apply_undo};
    use crate::minutes::{Block, testing};

    fn minutes(said: &[(u64, u64, u64, bool)]) -> Minutes {
        let blocks = said.iter().enumerate().map(|(index, (speaker, start_ms, end_ms, automatic))| {
            let mut said = testing::said(index as u64 + 1, Some(*speaker), *start_ms, *end_ms, "はい。");
            (said.speaker_automatic, said.confidence) = (*automatic, 0.9);
            Arc::new(Block::Utterance(said))
        });
        let speakers = [(1, "話者1"), (2, "話者2"), (3, "山田 太郎")];
        let speakers = speakers.map(|(id, name)| Speaker::new(SpeakerId(id), name));
        Minutes { speakers: speakers.into(), blocks: blocks.collect(), ..Minutes::default() }
    }

    fn suggestion(speaker: u64, name: &str) -> Suggestion {
        Suggestion { speaker: SpeakerId(speaker), name: name.into(), confidence: 0.9 }
    }

    #[test]
    fn only_stretches_of_one_speaker_alone_are_clean_and_their_edges_are_left_out() {
        let minutes = minutes(&[
            (1, 0, 5_000, false),
            (2, 4_900, 9_000, false),
            (1, 10_000, 14_000, false),
            (1, 20_000, 20_800, false),
        ]);
        let spans = clean_stretches(&minutes, SpeakerId(1), 60_000);
        assert_eq!(spans, [MediaSpan::from_ms(10_150, 13_850)]);
    }

    #[test]
    fn what_was_assigned_by_hand_is_enough_and_the_longest_comes_first() {
        let minutes = minutes(&[
            (1, 0, 4_000, false),
            (1, 5_000, 20_000, true),
            (1, 30_000, 36_000, false),
            (2, 40_000, 50_000, true),
        ]);
        let starts = |speaker: u64, ms_max| -> Vec<u64> {
            let spans = clean_stretches(&minutes, SpeakerId(speaker), ms_max);
            spans.iter().map(|span| span.start().ms()).collect()
        };
        assert_eq!(starts(1, 60_000), [30_150, 150]);
        assert_eq!(starts(1, 6_000), [30_150]);
        assert_eq!(starts(2, 60_000), [40_150]);
    }

    #[test]
    fn a_numbered_speaker_gets_the_name_as_a_suggestion_that_can_be_taken_back() {
        let before = minutes(&[(1, 0, 4_000, true)]);
        let ops = naming(&before, &[suggestion(1, "鈴木 花子")]);
        let applied = apply(&before, &ops).expect("the speaker is there");
        let named = applied.minutes.speaker(SpeakerId(1)).expect("the speaker stays");
        assert_eq!((named.name.as_str(), named.named_by), ("鈴木 花子", NamedBy::Automatic));
        assert_eq!(named.confidence, Some(0.9));
        assert_eq!(apply_undo(&applied.minutes, &applied.undo).expect("it is its undo").minutes, before);
    }

    #[test]
    fn somebody_of_the_attendee_list_takes_the_words_over_and_stands_there_once() {
        let before = minutes(&[(1, 0, 4_000, true), (2, 5_000, 9_000, true)]);
        let applied = apply(&before, &naming(&before, &[suggestion(1, "山田太郎")])).expect("all are there");
        let said: Vec<_> =
            applied.minutes.utterances().map(|said| (said.speaker, said.speaker_automatic)).collect();
        assert_eq!(said, [(Some(SpeakerId(3)), true), (Some(SpeakerId(2)), true)]);
        assert_eq!(applied.minutes.speaker(SpeakerId(1)), None);
        let listed = applied.minutes.speaker(SpeakerId(3)).expect("the list stays");
        assert_eq!((listed.name.as_str(), listed.named_by), ("山田 太郎", NamedBy::Automatic));
        assert_eq!(apply_undo(&applied.minutes, &applied.undo).expect("it is its undo").minutes, before);
    }

    #[test]
    fn a_name_that_a_person_gave_is_never_touched_or_given_twice() {
        let minutes = minutes(&[(3, 0, 4_000, false), (1, 5_000, 9_000, true)]);
        assert_eq!(naming(&minutes, &[suggestion(3, "鈴木 花子")]), []);
        assert_eq!(naming(&minutes, &[suggestion(1, "山田 太郎")]), []);
        assert_eq!(to_be_named(&minutes), [SpeakerId(1)]);
        assert!(!may_be_named("山田太郎", &[], &minutes));
    }

    #[test]
    fn who_is_not_expected_is_not_named_and_without_a_list_everybody_may_be() {
        let minutes = minutes(&[(1, 0, 4_000, true)]);
        let attendees = [Speaker::new(SpeakerId(1), "髙橋 一郎")];
        assert!(may_be_named("高橋一郎", &attendees, &minutes));
        assert!(!may_be_named("鈴木 花子", &attendees, &minutes));
        assert!(may_be_named("鈴木 花子", &[], &minutes));
    }
}
