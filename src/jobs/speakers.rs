//! Beside the recogniser: whoever listens for voices while a recording is read, and what becomes of it.
//!
//! Nothing that goes wrong here may cost a word: whatever fails leaves a transcript without speakers and a note.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::audio::Block;
use crate::audio::vad::Silero;
use crate::speech::diarize::{
    Channels, Diarization, Listener, Settings, Speakers, Turn, Wanted, attribute, diarize,
};
use crate::speech::transcript::{AudioNote, Transcript};
use crate::speech::voice::Voice;
use crate::store::models::ModelStore;

/// Name of the speaker encoder's weights in the manifest.
pub const SPEAKER_MODEL: &str = "ge2e";

/// Said when speakers could not be told apart although that was wanted.
const NOTE: &str = "話者を区別できませんでした。文字はすべて残っています。";

/// Reads the speaker encoder; its absence costs the speakers, not the text.
pub fn voice(store: &ModelStore) -> Option<Arc<Voice>> {
    let read = store.read_speaker(SPEAKER_MODEL).inspect_err(|error| {
        let error: &dyn std::error::Error = error;
        tracing::warn!(error, "speakers cannot be told apart: the speaker encoder is not here");
    });
    let loaded = Voice::load(&read.ok()?).inspect_err(|error| {
        let error: &dyn std::error::Error = error;
        tracing::error!(error, "speakers cannot be told apart: the speaker encoder cannot be used");
    });
    loaded.ok().map(Arc::new)
}

/// Listens for voices.
pub struct Ear {
    kind: Kind,
    settings: Settings,
}

enum Kind {
    /// Nobody wants to know.
    Off,
    /// It was wanted, but cannot be done.
    Failed,
    /// By the voices of one microphone.
    Voices(Box<Listener>),
    /// By the microphone: one a person.
    Channels(Box<Channels>),
}

impl Ear {
    /// Listens as is wished; without the encoder's weights a note will say that it could not.
    pub fn of(wanted: Wanted, voice: Option<Arc<Voice>>, detector: &Arc<Silero>) -> Self {
        let voices = || voice.map_or(Kind::Failed, |voice| Kind::Voices(Box::new(Listener::new(voice))));
        let (kind, speakers) = match wanted {
            Wanted::Off => (Kind::Off, Speakers::Auto),
            Wanted::Auto => (voices(), Speakers::Auto),
            Wanted::Count(count) => (voices(), Speakers::Given(count)),
            Wanted::Channels => {
                (Kind::Channels(Box::new(Channels::new(Arc::clone(detector)))), Speakers::Auto)
            }
        };
        Self { kind, settings: Settings { speakers } }
    }

    /// Hears what was decoded, before its channels are mixed.
    pub fn hear_block(&mut self, block: &Block) {
        self.guarded(|kind| {
            if let Kind::Channels(channels) = kind {
                channels.push(block);
            }
        });
    }

    /// Hears the next stretch, mixed and at 16 kHz, with the detector's probabilities.
    pub fn hear(&mut self, samples: &[f32], probabilities: &[f32]) {
        self.guarded(|kind| {
            if let Kind::Voices(listener) = kind {
                listener.push(samples, probabilities);
            }
        });
    }

    /// Tells who spoke when, after the last stretch; nothing if that failed.
    pub fn tell(self, probabilities: &[f32]) -> Option<Diarization> {
        let settings = self.settings;
        let told = catch_unwind(AssertUnwindSafe(|| match self.kind {
            Kind::Off => Some(Diarization::default()),
            Kind::Failed => None,
            Kind::Voices(listener) => Some(diarize(&listener.finish(probabilities), &settings)),
            Kind::Channels(channels) => {
                Some(Diarization { turns: channels.finish(), ..Diarization::default() })
            }
        }));
        told.ok().flatten()
    }

    /// Gives the segments of a transcript their speakers, after the last stretch, and returns who spoke when.
    pub fn finish(self, probabilities: &[f32], transcript: &mut Transcript) -> Diarization {
        let attributed = self.tell(probabilities).and_then(|found| {
            let with_speakers = attributed(transcript.clone(), &found.turns)?;
            Some((found, with_speakers))
        });
        match attributed {
            Some((found, with_speakers)) => {
                *transcript = with_speakers;
                found
            }
            None => {
                tracing::warn!("the speakers of a recording could not be told apart; its text is whole");
                transcript.audio.get_or_insert_with(AudioNote::default).note += NOTE;
                Diarization::default()
            }
        }
    }

    /// Lets a defect in here end the listening, not the job.
    fn guarded(&mut self, hear: impl FnOnce(&mut Kind)) {
        if catch_unwind(AssertUnwindSafe(|| hear(&mut self.kind))).is_err() {
            self.kind = Kind::Failed;
        }
    }
}

/// Returns the transcript with its speakers, if it keeps the promises of its format.
fn attributed(mut transcript: Transcript, turns: &[Turn]) -> Option<Transcript> {
    catch_unwind(AssertUnwindSafe(|| {
        attribute(&mut transcript, turns);
        transcript.check().is_ok().then_some(transcript)
    }))
    .ok()
    .flatten()
}
