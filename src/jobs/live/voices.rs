//! Whose sentence it is, as long as the meeting goes on: voices are heard beside the recogniser, while it writes the text.
//!
//! Nobody waits for a voice: a sentence whose voice is not known when its text comes has no speaker. The whole recording is
//! told apart anew after the meeting.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use crate::audio::MediaSpan;
use crate::clock::Mono;
use crate::speech::diarize::{Online, SpeakerId};
use crate::speech::live::Ask;
use crate::speech::schedule::Urgency;
use crate::speech::schedule::house::RoomId;
use crate::speech::voice::{Embedding, Voice};
use crate::store::Id;

/// Sentences that are heard at once, in all rooms; a further one has no speaker.
const HEARD_AT_ONCE: usize = 4;
/// A sentence that goes on is heard again until so much of it was.
const ENOUGH_MS: u64 = 4_000;
/// Sentences whose voice waits for their text; the oldest are forgotten.
const KEPT_MAX: usize = 256;

/// Hears voices, and remembers those of each meeting until it is over.
pub(super) struct Voices {
    runtime: Runtime,
    meetings: HashMap<Id, Online>,
    /// What is known of sentences without text, by their beginning.
    sentences: BTreeMap<(RoomId, u64), Sentence>,
    under_way: usize,
    told: Receiver<Heard>,
    teller: SyncSender<Heard>,
}

struct Sentence {
    heard_ms: u64,
    /// None while it is being heard.
    voices: Vec<Embedding>,
}

/// What was heard of a sentence.
struct Heard {
    room: RoomId,
    span: MediaSpan,
    voices: Vec<Embedding>,
    took: Duration,
}

/// What hearing a voice took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effort {
    /// Seconds of one processor.
    pub took: Duration,
    /// How much sound it was, milliseconds.
    pub sound_ms: u64,
}

impl Voices {
    pub fn new(runtime: Runtime) -> Self {
        let (teller, told) = sync_channel(HEARD_AT_ONCE);
        let (meetings, sentences) = (HashMap::new(), BTreeMap::new());
        Self { runtime, meetings, sentences, under_way: 0, told, teller }
    }

    /// Hears the sound of a final that is being asked for, unless enough of its sentence was heard or there is no time.
    pub fn listen(&mut self, room: RoomId, ask: &Ask, voice: &Arc<Voice>, clock: fn() -> Mono) {
        let (span, key) = (ask.span, (room, ask.span.start().ms()));
        let heard_ms = self.sentences.get(&key).map_or(0, |sentence| sentence.heard_ms);
        let is_enough = heard_ms >= ENOUGH_MS.min(span.len_ms());
        if ask.urgency() != Urgency::Final || is_enough || self.under_way >= HEARD_AT_ONCE {
            return;
        }
        self.sentences.insert(key, Sentence { heard_ms: span.len_ms(), voices: Vec::new() });
        while self.sentences.len() > KEPT_MAX {
            self.sentences.pop_first();
        }
        self.under_way += 1;
        let (samples, voice, teller) = (ask.request.samples.clone(), Arc::clone(voice), self.teller.clone());
        self.runtime.spawn_blocking(move || {
            let since = clock();
            let voices = voice.embed(&samples).into_iter().map(|(_, voice)| voice).collect();
            // Whoever listened may have ended meanwhile.
            teller.send(Heard { room, span, voices, took: clock().since(since) }).ok();
        });
    }

    /// Takes what was heard meanwhile; returns what that took.
    pub fn take(&mut self) -> Vec<Effort> {
        let mut efforts = Vec::new();
        while let Ok(Heard { room, span, voices, took }) = self.told.try_recv() {
            self.under_way -= 1;
            efforts.push(Effort { took, sound_ms: span.len_ms() });
            let sentence = self.sentences.get_mut(&(room, span.start().ms()));
            if let Some(sentence) = sentence.filter(|sentence| sentence.heard_ms == span.len_ms()) {
                sentence.voices = voices;
            }
        }
        efforts
    }

    /// Tells whose the sentence is that begins there and has its text now; nobody if its voice is not known.
    pub fn speaker(&mut self, meeting: Id, room: RoomId, start_ms: u64) -> Option<SpeakerId> {
        let sentence = self.sentences.remove(&(room, start_ms))?;
        self.meetings.entry(meeting).or_default().label(&sentence.voices, sentence.heard_ms)
    }

    /// Forgets a microphone.
    pub fn close(&mut self, room: RoomId) {
        self.sentences.retain(|(of, _), _| *of != room);
    }

    /// Forgets the voices of meetings that are over.
    pub fn keep(&mut self, is_open: impl Fn(&Id) -> bool) {
        self.meetings.retain(|meeting, _| is_open(meeting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::voice::DIMENSIONS;

    fn voices(runtime: &tokio::runtime::Runtime) -> Voices {
        Voices::new(runtime.handle().clone())
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().expect("a thread can be had")
    }

    /// Somebody says a sentence from `start_ms` on, and it was heard so.
    fn hear(voices: &mut Voices, axis: usize, span: MediaSpan) {
        let (room, key) = (RoomId(1), (RoomId(1), span.start().ms()));
        voices.sentences.insert(key, Sentence { heard_ms: span.len_ms(), voices: Vec::new() });
        voices.under_way += 1;
        let mut values = [0.0; DIMENSIONS];
        values[axis] = 1.0;
        let heard = vec![Embedding::new(&values).expect("an axis is a direction")];
        let took = Duration::from_millis(20);
        voices.teller.send(Heard { room, span, voices: heard, took }).expect("somebody listens");
    }

    #[test]
    fn sentences_of_one_meeting_have_the_number_of_whoever_says_them() {
        let (runtime, meeting) = (runtime(), Id::new());
        let mut voices = voices(&runtime);
        let mut numbers = Vec::new();
        for (place, axis) in [3, 3, 7, 3].into_iter().enumerate() {
            let start_ms = place as u64 * 10_000;
            hear(&mut voices, axis, MediaSpan::from_ms(start_ms, start_ms + 3_000));
            assert_eq!(voices.take(), [Effort { took: Duration::from_millis(20), sound_ms: 3_000 }]);
            numbers.push(voices.speaker(meeting, RoomId(1), start_ms).map(|speaker| speaker.0));
        }
        assert_eq!(numbers, [1, 1, 2, 1].map(Some));
        assert_eq!(voices.under_way, 0);
    }

    #[test]
    fn a_sentence_whose_voice_is_not_known_in_time_has_no_speaker_and_teaches_nothing() {
        let (runtime, meeting) = (runtime(), Id::new());
        let mut voices = voices(&runtime);
        hear(&mut voices, 3, MediaSpan::from_ms(0, 3_000));
        assert_eq!(voices.speaker(meeting, RoomId(1), 0), None, "nobody has looked what was heard");
        voices.take();
        assert_eq!(voices.speaker(meeting, RoomId(1), 0), None, "its text has come before");
        hear(&mut voices, 7, MediaSpan::from_ms(5_000, 8_000));
        voices.take();
        assert_eq!(voices.speaker(meeting, RoomId(1), 5_000), Some(SpeakerId(1)));
    }

    #[test]
    fn what_a_shorter_guess_heard_does_not_take_the_place_of_the_longer_one() {
        let (runtime, meeting) = (runtime(), Id::new());
        let mut voices = voices(&runtime);
        hear(&mut voices, 3, MediaSpan::from_ms(0, 1_000));
        hear(&mut voices, 7, MediaSpan::from_ms(0, 3_000));
        voices.take();
        let speaker = voices.speaker(meeting, RoomId(1), 0);
        assert_eq!(speaker, Some(SpeakerId(1)), "three seconds of it were heard");
        voices.keep(|_| false);
        assert!(voices.meetings.is_empty(), "voices of a meeting that is over are gone");
    }
}
