//! A transcript becomes the first draft of minutes, every character of it tied to the sound.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::edit::bounds;
use super::template::{SEGMENTATION_MS_MAX, Template};
use super::{Block, BlockId, Gap, Minutes, Speaker, SpeakerId, Utterance, tie};
use crate::speech::diarize;
use crate::speech::transcript::{GapRecord, Removed, Segment, Transcript, Word};

/// Where a new utterance begins.
///
/// Units: milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Segmentation {
    /// After a silence of this length, always.
    pub pause_ms: u64,
    /// From this length on, a shorter silence at the end of a sentence is enough.
    pub long_ms: u64,
    /// That shorter silence.
    pub sentence_pause_ms: u64,
    /// An utterance that would become longer is cut at the best place before.
    pub length_ms_max: u64,
}

impl Default for Segmentation {
    // The numbers that users know from the product they have: 1, 10 and 20 s.
    fn default() -> Self {
        Self { pause_ms: 1_000, long_ms: 10_000, sentence_pause_ms: 400, length_ms_max: 20_000 }
    }
}

impl Segmentation {
    /// Passes numbers that make sense together.
    ///
    /// Errors: what is wrong, with the value.
    pub fn check(&self) -> Result<(), String> {
        let all = [self.pause_ms, self.long_ms, self.sentence_pause_ms, self.length_ms_max];
        if let Some(wrong) = all.into_iter().find(|ms| !(1..=SEGMENTATION_MS_MAX).contains(ms)) {
            return Err(format!("{wrong} ms is not within 1 to {SEGMENTATION_MS_MAX}"));
        }
        if self.long_ms > self.length_ms_max {
            return Err(format!(
                "long_ms {} is more than length_ms_max {}",
                self.long_ms, self.length_ms_max
            ));
        }
        Ok(())
    }
}

/// Makes the first draft of minutes.
///
/// Shape: blocks in the order of time, names from 1 on; text that the recogniser removed stands in hidden
/// utterances. Nothing of the transcript is lost; a space is added between Latin words of two segments.
/// Range: a transcript of more than [`bounds::BLOCKS_MAX`] utterances gives minutes that fail
/// [`check`](super::migrate::check).
pub fn draft(transcript: &Transcript, template: &Template) -> Minutes {
    let speakers = Voices::beside(&template.attendees);
    let spoken = utterances(transcript, template.segmentation, &speakers).into_iter().map(Block::Utterance);
    let gaps = transcript.gaps.iter().map(gap);
    let removed = transcript.removed.iter().flat_map(hidden).map(Block::Utterance);
    let mut blocks: Vec<Block> = spoken.chain(gaps).chain(removed).collect();
    blocks.sort_by_key(start_ms);
    for (index, block) in blocks.iter_mut().enumerate() {
        *id_mut(block) = BlockId(index as u64 + 1);
    }
    let filled = template.header.iter().filter(|(_, value)| !value.is_empty());
    Minutes {
        header: filled.map(|(field, value)| (*field, value.clone())).collect(),
        speakers: template.attendees.iter().cloned().chain(speakers.heard_in(transcript)).collect(),
        blocks: blocks.into_iter().map(Arc::new).collect(),
        ..Minutes::default()
    }
}

/// Makes speakers of the minutes of the voices that were told apart; attendees are named by people.
struct Voices {
    /// The highest name an attendee has: what is heard is named behind it.
    attendees: u64,
    /// How many more there may be.
    room: usize,
}

impl Voices {
    fn beside(attendees: &[Speaker]) -> Self {
        let highest = attendees.iter().map(|attendee| attendee.id.0).max().unwrap_or(0);
        Self { attendees: highest, room: bounds::SPEAKERS_MAX.saturating_sub(attendees.len()) }
    }

    /// Returns the name of a voice inside the document.
    fn id(&self, heard: diarize::SpeakerId) -> Option<SpeakerId> {
        (usize::from(heard.0) <= self.room).then(|| SpeakerId(self.attendees + u64::from(heard.0)))
    }

    /// Returns the speakers heard, as 話者1, 話者2 …, by number.
    fn heard_in(&self, transcript: &Transcript) -> Vec<Speaker> {
        let heard: BTreeSet<diarize::SpeakerId> =
            transcript.segments.iter().filter_map(|segment| segment.speaker).collect();
        let speaker =
            |heard: diarize::SpeakerId| Some(Speaker::new(self.id(heard)?, format!("話者{}", heard.0)));
        heard.into_iter().filter_map(speaker).collect()
    }
}

/// A run of characters that is never cut.
#[derive(Clone)]
struct Atom<'a> {
    start_ms: u64,
    end_ms: u64,
    text: String,
    word: Option<&'a Word>,
    segment: &'a Segment,
}

impl Atom<'_> {
    fn ends_sentence(&self) -> bool {
        const ENDS: [&str; 16] = [
            "。",
            "．",
            "？",
            "！",
            "?",
            "!",
            ".",
            "です",
            "ます",
            "でした",
            "ました",
            "ません",
            "ですか",
            "ますか",
            "ください",
            "でしょうか",
        ];
        let text = self.text.trim_end().trim_end_matches(['」', '』', '）', ')']);
        ENDS.iter().any(|end| text.ends_with(end))
    }
}

fn utterances(transcript: &Transcript, rules: Segmentation, voices: &Voices) -> Vec<Utterance> {
    let mut out = Vec::new();
    let mut current: Vec<Atom> = Vec::new();
    for atom in transcript.segments.iter().flat_map(atoms) {
        if begins_anew(&current, &atom, rules) || has_gap(&transcript.gaps, &current, &atom) {
            out.extend(utterance(&std::mem::take(&mut current), voices));
        }
        current.push(atom);
        while let Some(cut) = forced_cut(&current, rules) {
            let rest = current.split_off(cut);
            out.extend(utterance(&std::mem::replace(&mut current, rest), voices));
        }
    }
    out.extend(utterance(&current, voices));
    out
}

/// Cuts a segment at its words; every character of its text goes to one of them.
fn atoms(segment: &Segment) -> Vec<Atom<'_>> {
    let chars: Vec<char> = segment.text.chars().collect();
    let starts = tie::word_starts(&segment.text, &segment.words);
    let mut out = Vec::new();
    for (index, word) in segment.words.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(chars.len());
        let text = &chars[starts[index]..end];
        push_pieces(&mut out, segment, Some(word), (word.start_ms, word.end_ms), text);
    }
    if segment.words.is_empty() {
        push_pieces(&mut out, segment, None, (segment.start_ms, segment.end_ms), &chars);
    }
    out
}

/// Adds a run of characters in pieces that fit into a block; the word stays with the first one.
fn push_pieces<'a>(
    out: &mut Vec<Atom<'a>>,
    segment: &'a Segment,
    word: Option<&'a Word>,
    (start_ms, end_ms): (u64, u64),
    chars: &[char],
) {
    let (first, rest) = chars.split_at(chars.len().min(bounds::TEXT_CHARS_MAX));
    out.push(Atom { start_ms, end_ms, text: first.iter().collect(), word, segment });
    for piece in rest.chunks(bounds::TEXT_CHARS_MAX) {
        out.push(Atom { start_ms, end_ms, text: piece.iter().collect(), word: None, segment });
    }
}

/// Tells whether an utterance ends before `next`, as its silence or its speaker says.
fn begins_anew(current: &[Atom], next: &Atom, rules: Segmentation) -> bool {
    let (Some(first), Some(last)) = (current.first(), current.last()) else { return false };
    let end_ms = end_of(current);
    let silence_ms = next.start_ms.saturating_sub(end_ms);
    let is_long = end_ms.saturating_sub(first.start_ms) >= rules.long_ms;
    let is_other = last.segment.speaker != next.segment.speaker;
    is_other
        || silence_ms >= rules.pause_ms
        || is_long && silence_ms >= rules.sentence_pause_ms && last.ends_sentence()
}

/// Tells whether something unrecognised lies between: what is read in one go was said in one go.
fn has_gap(gaps: &[GapRecord], current: &[Atom], next: &Atom) -> bool {
    let Some(first) = current.first() else { return false };
    let after = gaps.partition_point(|gap| gap.start_ms <= first.start_ms);
    gaps.get(after).is_some_and(|gap| gap.start_ms <= next.start_ms)
}

/// Returns where an utterance that has become too long is cut, if it can be.
fn forced_cut(current: &[Atom], rules: Segmentation) -> Option<usize> {
    let start_ms = current.first()?.start_ms;
    let chars: usize = current.iter().map(|atom| atom.text.chars().count() + 1).sum();
    // One more character for each atom: a space may be added between two of them.
    let overfull = chars > bounds::TEXT_CHARS_MAX + 1;
    if current.len() < 2 || end_of(current).saturating_sub(start_ms) <= rules.length_ms_max && !overfull {
        return None;
    }
    if overfull {
        return Some(current.len() - 1);
    }
    let is_late = |cut: &usize| current[*cut].start_ms.saturating_sub(start_ms) * 2 >= rules.long_ms;
    let quality = |cut: &usize| (cut_quality(&current[*cut - 1], &current[*cut]), *cut);
    let best = (1..current.len()).filter(is_late).max_by_key(quality);
    best.or(Some(current.len() - 1))
}

/// Says how well a place between two atoms serves as the end of an utterance.
fn cut_quality(before: &Atom, after: &Atom) -> u8 {
    // A silence that a listener hears as a pause.
    const HEARD_PAUSE_MS: u64 = 200;
    let pause_ms = after.start_ms.saturating_sub(before.end_ms);
    if before.ends_sentence() {
        3
    } else if pause_ms >= HEARD_PAUSE_MS {
        2
    } else {
        u8::from(before.text.ends_with(['、', '，', ',']))
    }
}

fn end_of(atoms: &[Atom]) -> u64 {
    atoms.iter().map(|atom| atom.end_ms).max().unwrap_or(0)
}

fn utterance(atoms: &[Atom], voices: &Voices) -> Option<Utterance> {
    let start_ms = atoms.first()?.start_ms;
    let (mut text, mut flags): (String, Vec<String>) = Default::default();
    for (index, atom) in atoms.iter().enumerate() {
        if index > 0 && !std::ptr::eq(atoms[index - 1].segment, atom.segment) {
            text.push_str(tie::joint(&text, &atom.text));
        }
        text.push_str(&atom.text);
        let new = atom.segment.flags.iter().filter(|flag| !flags.contains(flag)).cloned();
        let new: Vec<String> = new.take(bounds::FLAGS_MAX - flags.len()).collect();
        flags.extend(new);
    }
    let sure = |atom: &Atom| {
        (atom.text.chars().count(), atom.word.map_or(atom.segment.confidence, |word| word.confidence))
    };
    let speaker = atoms.iter().find_map(|atom| atom.segment.speaker).and_then(|heard| voices.id(heard));
    Some(Utterance {
        id: BlockId(0),
        speaker,
        speaker_automatic: speaker.is_some(),
        start_ms,
        end_ms: end_of(atoms).max(start_ms),
        text,
        words: atoms.iter().filter_map(|atom| atom.word.cloned()).collect(),
        confidence: tie::weighted(atoms.iter().map(sure)).unwrap_or(0.0),
        flags,
        marks: Default::default(),
        hidden: None,
        edited: false,
    })
}

/// Returns text that is not shown as utterances that can be brought back.
fn hidden(removed: &Removed) -> Vec<Utterance> {
    let chars: Vec<char> = removed.text.chars().collect();
    let piece = |piece: &[char]| Utterance {
        id: BlockId(0),
        speaker: None,
        speaker_automatic: false,
        start_ms: removed.start_ms,
        end_ms: removed.end_ms,
        text: piece.iter().collect(),
        words: Vec::new(),
        confidence: 0.0,
        flags: Vec::new(),
        marks: Default::default(),
        hidden: Some(stable(&removed.reason)),
        edited: false,
    };
    chars.chunks(bounds::TEXT_CHARS_MAX).map(piece).collect()
}

fn gap(gap: &GapRecord) -> Block {
    let GapRecord { start_ms, end_ms, reason } = gap;
    Block::Gap(Gap { id: BlockId(0), start_ms: *start_ms, end_ms: *end_ms, reason: stable(reason) })
}

/// Returns a reason as minutes hold it: a transcript of another program may have none, or a long one.
fn stable(reason: &str) -> String {
    let short: String = reason.chars().take(bounds::WORD_CHARS_MAX).collect();
    if short.is_empty() { "unknown".into() } else { short }
}

fn start_ms(block: &Block) -> u64 {
    match block {
        Block::Utterance(utterance) => utterance.start_ms,
        Block::Heading(heading) => heading.at_ms.unwrap_or(0),
        Block::Gap(gap) => gap.start_ms,
    }
}

fn id_mut(block: &mut Block) -> &mut BlockId {
    match block {
        Block::Utterance(utterance) => &mut utterance.id,
        Block::Heading(heading) => &mut heading.id,
        Block::Gap(gap) => &mut gap.id,
    }
}

#[cfg(test)]
mod tests;
