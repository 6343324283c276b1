//! Speakers that were told apart anew, for utterances to which nobody gave a speaker by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{Op, bounds};
use super::{BlockId, Minutes, Speaker, SpeakerId, Utterance};
use crate::audio::MediaSpan;
use crate::speech::diarize;
use crate::speech::transcript::Transcript;

/// Returns the operations that give utterances the speakers of `after`.
///
/// Shape: first new speakers, then who said what; empty if nothing would change. An utterance whose speaker somebody
/// assigned by hand is left alone. A voice keeps the speaker, and so the name, under whom most of what it says stands now.
pub fn relabelled(minutes: &Minutes, after: &Transcript) -> Vec<Op> {
    let labels = Labels::of(minutes, after);
    let (mut speakers, mut ops) = (labels.speakers_now(minutes), Vec::new());
    for voice in labels.voices() {
        if !speakers.contains_key(&voice)
            && let Some(speaker) = new_speaker(minutes, &ops)
        {
            speakers.insert(voice, speaker.id);
            ops.push(Op::PutSpeaker { speaker });
        }
    }
    let is_by_hand = |said: &Utterance| said.speaker.is_some() && !said.speaker_automatic;
    let mut given: BTreeMap<SpeakerId, Vec<BlockId>> = BTreeMap::new();
    for said in minutes.utterances().filter(|said| !is_by_hand(said)) {
        let speaker = labels.voice_of.get(&said.id).and_then(|voice| speakers.get(voice));
        if let Some(speaker) = speaker.filter(|speaker| said.speaker != Some(**speaker)) {
            given.entry(*speaker).or_default().push(said.id);
        }
    }
    let to = |(speaker, blocks)| Op::SetSpeaker { blocks, speaker: Some(speaker), automatic: true };
    ops.extend(given.into_iter().map(to));
    if ops.iter().all(|op| matches!(op, Op::PutSpeaker { .. })) { Vec::new() } else { ops }
}

/// Which voice of a transcript says which utterance.
struct Labels {
    voice_of: BTreeMap<BlockId, diarize::SpeakerId>,
    /// For each voice and speaker of the minutes, how long the voice says what stands under the speaker.
    together_ms: BTreeMap<(diarize::SpeakerId, SpeakerId), u64>,
}

impl Labels {
    fn of(minutes: &Minutes, transcript: &Transcript) -> Self {
        let (mut voice_of, mut together_ms) = (BTreeMap::new(), BTreeMap::new());
        for said in minutes.utterances() {
            let span = MediaSpan::from_ms(said.start_ms, said.end_ms);
            let Some(voice) = voice_in(transcript, span) else { continue };
            voice_of.insert(said.id, voice);
            if let Some(speaker) = said.speaker {
                *together_ms.entry((voice, speaker)).or_insert(0) += span.len_ms().max(1);
            }
        }
        Self { voice_of, together_ms }
    }

    fn voices(&self) -> BTreeSet<diarize::SpeakerId> {
        self.voice_of.values().copied().collect()
    }

    /// Pairs voices with the speakers there are, those first who agree on most; each at most once.
    fn speakers_now(&self, minutes: &Minutes) -> BTreeMap<diarize::SpeakerId, SpeakerId> {
        let mut pairs: Vec<_> = self.together_ms.iter().map(|(pair, ms)| (*ms, *pair)).collect();
        pairs.sort_by_key(|(ms, pair)| (std::cmp::Reverse(*ms), *pair));
        let mut free: BTreeSet<SpeakerId> = minutes.speakers.iter().map(|speaker| speaker.id).collect();
        let mut paired = BTreeMap::new();
        for (_, (voice, speaker)) in pairs {
            if !paired.contains_key(&voice) && free.remove(&speaker) {
                paired.insert(voice, speaker);
            }
        }
        paired
    }
}

/// Returns the voice that says most in a span.
fn voice_in(transcript: &Transcript, span: MediaSpan) -> Option<diarize::SpeakerId> {
    let behind = transcript.segments.partition_point(|segment| segment.start_ms < span.end().ms());
    let mut spoken: BTreeMap<diarize::SpeakerId, u64> = BTreeMap::new();
    for segment in &transcript.segments[..behind] {
        let shared_ms = MediaSpan::from_ms(segment.start_ms, segment.end_ms).overlap_ms(span);
        if let Some(voice) = segment.speaker.filter(|_| shared_ms > 0) {
            *spoken.entry(voice).or_insert(0) += shared_ms;
        }
    }
    spoken.into_iter().max_by_key(|(_, ms)| *ms).map(|(voice, _)| voice)
}

/// Makes a speaker whom the minutes do not have yet, called 話者1, 話者2 …; nobody if there may be no more.
fn new_speaker(minutes: &Minutes, ops: &[Op]) -> Option<Speaker> {
    let added: Vec<&Speaker> = ops
        .iter()
        .filter_map(|op| if let Op::PutSpeaker { speaker } = op { Some(speaker) } else { None })
        .collect();
    let known: Vec<&Speaker> = minutes.speakers.iter().chain(added).collect();
    if known.len() >= bounds::SPEAKERS_MAX {
        return None;
    }
    let id = SpeakerId(known.iter().map(|speaker| speaker.id.0).max().unwrap_or(0) + 1);
    let names = (1..).map(|number| format!("話者{number}"));
    let name = names.into_iter().find(|name| known.iter().all(|speaker| speaker.name != *name))?;
    Some(Speaker::new(id, name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Block;
    use super::super::testing::said;
    use super::*;
    use crate::minutes::edit::apply;
    use crate::speech::transcript::Segment;

    /// Returns what was heard in stretches of a second, each by a voice.
    fn heard(voices: &[u16]) -> Transcript {
        let segment = |(second, voice): (u64, &u16)| Segment {
            start_ms: second * 1_000,
            end_ms: second * 1_000 + 900,
            text: "はい。".into(),
            confidence: 0.5,
            speaker: Some(diarize::SpeakerId(*voice)),
            flags: Vec::new(),
            words: Vec::new(),
        };
        Transcript { segments: (0..).zip(voices).map(segment).collect(), ..Transcript::default() }
    }

    /// Returns minutes of one utterance a second, under these speakers.
    fn minutes(speakers: &[Option<u64>]) -> Minutes {
        let names = [(1, "山田"), (2, "話者2")];
        let speaker = |(id, name): (u64, &str)| Speaker::new(SpeakerId(id), name);
        let block = |(second, speaker): (u64, &Option<u64>)| {
            let start_ms = second * 1_000;
            let said = said(second + 1, *speaker, start_ms, start_ms + 900, "はい。");
            Arc::new(Block::Utterance(Utterance { speaker_automatic: speaker.is_some(), ..said }))
        };
        Minutes {
            speakers: names.map(speaker).into(),
            blocks: (0..).zip(speakers).map(block).collect(),
            ..Minutes::default()
        }
    }

    fn after(minutes: &Minutes, ops: &[Op]) -> Vec<Option<u64>> {
        let changed = apply(minutes, ops).expect("the operations fit").minutes;
        changed.utterances().map(|said| said.speaker.map(|id| id.0)).collect()
    }

    #[test]
    fn utterances_nobody_assigned_follow_the_new_voices_and_names_stay_with_theirs() {
        let now = minutes(&[1, 1, 2, 2, 1].map(Some));
        let ops = relabelled(&now, &heard(&[5, 5, 7, 5, 5]));
        assert_eq!(after(&now, &ops), [1, 1, 2, 1, 1].map(Some));
        assert_eq!(ops.len(), 1);
    }

    #[test]
    fn what_somebody_assigned_by_hand_stays() {
        // The third was heard as the first voice, and somebody said that it is the second speaker.
        let heard_first = minutes(&[1, 1, 1, 2, 1].map(Some));
        let by_hand =
            Op::SetSpeaker { blocks: vec![BlockId(3)], speaker: Some(SpeakerId(2)), automatic: false };
        let now = apply(&heard_first, &[by_hand]).expect("both are there").minutes;
        let ops = relabelled(&now, &heard(&[1, 1, 1, 1, 1]));
        assert_eq!(after(&now, &ops)[2], Some(2));
        assert_eq!(after(&now, &ops)[3], Some(1));
    }

    #[test]
    fn utterances_without_a_speaker_get_one_and_new_voices_become_speakers() {
        let now = minutes(&[Some(1), None, None, Some(1)]);
        let ops = relabelled(&now, &heard(&[1, 1, 2, 1]));
        assert!(matches!(&ops[0], Op::PutSpeaker { speaker } if speaker.name == "話者1"));
        assert_eq!(after(&now, &ops), [1, 1, 3, 1].map(Some));
    }

    #[test]
    fn the_same_voices_change_nothing() {
        let now = minutes(&[1, 2, 2, 1].map(Some));
        assert_eq!(relabelled(&now, &heard(&[2, 1, 1, 2])), []);
        assert_eq!(relabelled(&now, &Transcript::default()), []);
    }
}
