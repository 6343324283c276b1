//! One microphone that is listened to: its journal in, a session's questions and captions out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audio::resample::{Resampler, output_len};
use crate::audio::vad::Silero;
use crate::clock::Mono;
use crate::speech::live::{LiveSettings, Session, Start, UtteranceId};
use crate::store::StoreError;
use crate::store::live::event::Phase;
use crate::store::live::{Reader, Room, Stream};

/// Sound that is caught up with when listening begins; what lies farther back gets its text after the meeting.
const CATCH_UP_S: u64 = 60;
/// Sound taken from the journal at a time, at most: the other rooms want to be heard, too.
const FRAMES_AT_ONCE: usize = 100;

/// One microphone that is listened to.
pub(super) struct Ear {
    pub room: Arc<Room>,
    pub stream: Arc<Stream>,
    pub session: Session,
    reader: Reader,
    resampler: Resampler,
    /// Sound at 16 kHz that the session did not take yet.
    waiting: Vec<f32>,
    /// Numbers of sentences, by utterance.
    lines: BTreeMap<UtteranceId, u64>,
    /// Which list of words it listens for; none was loaded yet if absent.
    pub words: Option<u64>,
    pub lag_ms: u64,
    has_ended: bool,
}

impl Ear {
    /// Begins to listen behind the last sentence that was told, or a minute ago, whichever is later.
    ///
    /// Errors: the journal cannot be read (yet).
    pub fn open(
        (room, stream): (&Arc<Room>, &Arc<Stream>),
        net: Arc<Silero>,
        settings: LiveSettings,
    ) -> Result<Self, StoreError> {
        let rate_hz = stream.origin.rate_hz;
        let unusable = |_| StoreError::Damaged { what: format!("{rate_hz} Hz") };
        let mut reader = stream.read()?;
        let mut resampler = Resampler::new(rate_hz).map_err(unusable)?;
        let begin = begin(room, stream);
        let mut waiting = Vec::new();
        let mut first = stream.origin.first_sample;
        while reader.end < begin {
            let Some(frame) = reader.next_frame()? else { break };
            first = frame.first_sample;
            if frame.end() > begin {
                push(&mut resampler, &frame.samples, &mut waiting);
                break;
            }
            first = frame.end();
        }
        let sample = output_len(first - stream.origin.first_sample, rate_hz);
        let session = Session::new(net, settings, Start { sample, utterance: 0 });
        Ok(Self {
            room: Arc::clone(room),
            stream: Arc::clone(stream),
            session,
            reader,
            resampler,
            waiting,
            lines: BTreeMap::new(),
            words: None,
            lag_ms: 0,
            has_ended: false,
        })
    }

    /// Hears what is new in the journal; tells whether there was anything.
    ///
    /// Errors: the journal cannot be read.
    pub fn hear(&mut self, now: Mono) -> Result<bool, StoreError> {
        let mut heard = false;
        for _ in 0..FRAMES_AT_ONCE {
            if !self.waiting.is_empty() {
                let taken = self.session.push(&self.waiting, now);
                self.waiting.drain(..taken);
                heard |= taken > 0;
            }
            if !self.waiting.is_empty() || !self.session.wants_sound() || !self.is_behind() {
                break;
            }
            let Some(frame) = self.reader.next_frame()? else { break };
            push(&mut self.resampler, &frame.samples, &mut self.waiting);
        }
        self.end_if_over(now);
        Ok(heard)
    }

    /// Returns the speaker whose microphone this is, where several stand side by side: there it is one a person.
    pub fn own_speaker(&self) -> Option<u16> {
        let own = u16::try_from(self.stream.origin.number).unwrap_or(u16::MAX).saturating_add(1);
        self.room.is_one_a_person().then_some(own)
    }

    fn is_behind(&self) -> bool {
        self.reader.end < self.stream.progress().written
    }

    /// Ends the session once the microphone has sent all it has.
    fn end_if_over(&mut self, now: Mono) {
        let progress = self.stream.progress();
        // What was sealed is waited for no longer.
        let is_whole = progress.end.is_some_and(|end| progress.written >= end);
        let is_over = is_whole || self.room.phase() == Phase::Sealed;
        if self.has_ended || !is_over || self.is_behind() || !self.waiting.is_empty() {
            return;
        }
        self.has_ended = true;
        self.resampler.finish(&mut self.waiting);
        // What does not fit now is the silence of a filter's tail.
        let _ = self.session.push(&self.waiting, now);
        self.waiting.clear();
        self.session.end();
    }

    /// Returns the number of an utterance's sentence.
    pub fn line(&mut self, utterance: UtteranceId) -> u64 {
        let room = &self.room;
        let line = *self.lines.entry(utterance).or_insert_with(|| room.new_line());
        // Utterances end in their order, and none comes back.
        while self.lines.len() > 256 {
            self.lines.pop_first();
        }
        line
    }
}

/// Returns the place from which on it is listened.
fn begin(room: &Room, stream: &Stream) -> u64 {
    let rate = u64::from(stream.origin.rate_hz);
    let place = |ms: u64| stream.origin.first_sample + ms * rate / 1_000;
    let offset_ms = room.offset_ms(stream);
    let told = room.last_line(stream.origin.number).map_or(0, |line| line.end_ms.saturating_sub(offset_ms));
    let written = stream.progress().written;
    place(told).max(written.saturating_sub(CATCH_UP_S * rate)).min(written)
}

fn push(resampler: &mut Resampler, samples: &[i16], out: &mut Vec<f32>) {
    let samples: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    resampler.push(&samples, out);
}
