//! Beside the recogniser: whoever listens for voices while a recording is read, and what becomes of it.
//!
//! Nothing that goes wrong here may cost a word: whatever fails leaves a transcript without speakers and a note.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::audio::Block;
use crate::audio::vad::Silero;
#[cfg(feature = "diarize-pack")]
use crate::speech::diarize::pack::{self, Pack};
use crate::speech::diarize::{
    Channels, Diarization, Listener, Networks, Scene, Settings, Speakers, Turn, Wanted, attribute, diarize,
    together, voices_of,
};
use crate::speech::segmentation::Segmenter;
use crate::speech::transcript::{AudioNote, Transcript};
use crate::speech::voice::Voice;
use crate::speech::voice::campplus::Campplus;
use crate::store::models::ModelStore;

/// Name of the speaker encoder's weights in the manifest.
pub const SPEAKER_MODEL: &str = "ge2e";

/// Names of the weights with which two who speak at once are heard; without them the speaker encoder does it alone.
const SCENE_MODELS: (&str, &str) = ("segmentation-3", "campplus");

/// Said when speakers could not be told apart although that was wanted.
const NOTE: &str = "話者を区別できませんでした。文字はすべて残っています。";

/// What voices are told apart with; its absence costs the speakers, not the text.
#[derive(Debug, Clone, Default)]
pub struct Encoders {
    voice: Option<Arc<Voice>>,
    scene: Option<Networks>,
    #[cfg(feature = "diarize-pack")]
    pack: Option<std::path::PathBuf>,
}

impl Encoders {
    /// Reads what is there.
    pub fn of(store: &ModelStore) -> Self {
        Self {
            voice: voice(store),
            scene: scene(store),
            #[cfg(feature = "diarize-pack")]
            pack: store.speaker_pack(),
        }
    }

    /// Returns what voices are told apart with, if its weights are there.
    pub fn voice(&self) -> Option<Arc<Voice>> {
        self.voice.clone()
    }
}

fn voice(store: &ModelStore) -> Option<Arc<Voice>> {
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

fn scene(store: &ModelStore) -> Option<Networks> {
    let tell = |error: &(dyn std::error::Error + 'static)| {
        tracing::warn!(error, "speakers are told apart by the speaker encoder alone");
    };
    let segmenter = store.read_segmentation(SCENE_MODELS.0).inspect_err(|error| tell(error)).ok()?;
    let timbre = store.read_speaker(SCENE_MODELS.1).inspect_err(|error| tell(error)).ok()?;
    let segmenter = Segmenter::open(&segmenter).inspect_err(|error| tell(error)).ok()?;
    let timbre = Campplus::load(&timbre).inspect_err(|error| tell(error)).ok()?;
    Some(Networks { segmenter: Arc::new(segmenter), timbre: Arc::new(timbre) })
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
    /// By what is seen of the whole scene, also of two at once; the listener knows the voices that names are looked up by.
    Scene {
        /// Who speaks when.
        scene: Box<Scene>,
        /// The voices.
        listener: Option<Box<Listener>>,
    },
    /// By the microphone: one a person.
    Channels(Box<Channels>),
    /// By the pack; the listener knows the voices, and tells speakers of a recording too long for the pack.
    #[cfg(feature = "diarize-pack")]
    Pack {
        /// The pack.
        pack: Box<Pack>,
        /// The built-in way.
        listener: Box<Listener>,
        /// The whole recording, as long as it fits.
        samples: Vec<f32>,
    },
}

impl Ear {
    /// Listens as is wished; without the encoder's weights a note will say that it could not.
    pub fn of(wanted: Wanted, encoders: &Encoders, detector: &Arc<Silero>) -> Self {
        let listener = encoders.voice.clone().map(|voice| Box::new(Listener::new(voice)));
        let voices = || match (encoders.scene.clone(), listener) {
            (Some(networks), listener) => Kind::Scene { scene: Box::new(Scene::new(networks)), listener },
            (None, Some(listener)) => Kind::Voices(listener),
            (None, None) => Kind::Failed,
        };
        let (kind, speakers) = match wanted {
            Wanted::Off => (Kind::Off, Speakers::Auto),
            Wanted::Auto => (voices(), Speakers::Auto),
            Wanted::Count(count) => (voices(), Speakers::Given(count)),
            Wanted::Channels => {
                (Kind::Channels(Box::new(Channels::new(Arc::clone(detector)))), Speakers::Auto)
            }
        };
        Self { kind, settings: Settings { speakers } }.with_pack(encoders)
    }

    /// Without the feature there is no pack.
    #[cfg(not(feature = "diarize-pack"))]
    fn with_pack(self, _: &Encoders) -> Self {
        self
    }

    /// Takes the pack for the built-in way, where it is there and nobody counted the speakers: it counts itself.
    #[cfg(feature = "diarize-pack")]
    fn with_pack(self, encoders: &Encoders) -> Self {
        let Some(folder) = encoders.pack.as_ref().filter(|_| self.settings.speakers == Speakers::Auto) else {
            return self;
        };
        let loaded = Pack::load(folder).inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, "the speaker pack cannot be used; the built-in way takes its place");
        });
        match (self.kind, loaded) {
            (Kind::Voices(listener) | Kind::Scene { listener: Some(listener), .. }, Ok(pack)) => {
                let kind = Kind::Pack { pack: Box::new(pack), listener, samples: Vec::new() };
                Self { kind, ..self }
            }
            (kind, _) => Self { kind, ..self },
        }
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
        self.guarded(|kind| match kind {
            Kind::Off | Kind::Failed | Kind::Channels(_) => {}
            Kind::Voices(listener) => listener.push(samples, probabilities),
            Kind::Scene { scene, listener } => {
                scene.push(samples);
                if let Some(listener) = listener {
                    listener.push(samples, probabilities);
                }
            }
            #[cfg(feature = "diarize-pack")]
            Kind::Pack { listener, samples: kept, .. } => {
                listener.push(samples, probabilities);
                let room = (pack::SAMPLES_MAX + 1).saturating_sub(kept.len());
                kept.extend_from_slice(&samples[..samples.len().min(room)]);
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
            Kind::Scene { scene, listener } => {
                let turns = together(&scene.finish(), &settings);
                let voices = listener.map(|listener| listener.finish(probabilities)).unwrap_or_default();
                Some(voices_of(&voices, turns))
            }
            Kind::Channels(channels) => {
                Some(Diarization { turns: channels.finish(), ..Diarization::default() })
            }
            #[cfg(feature = "diarize-pack")]
            Kind::Pack { mut pack, listener, samples } => {
                let voices = listener.finish(probabilities);
                let told = (samples.len() <= pack::SAMPLES_MAX).then(|| pack.turns(&samples));
                Some(match told {
                    Some(Ok(turns)) => voices_of(&voices, turns),
                    Some(Err(_)) | None => diarize(&voices, &settings),
                })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::transcript::Segment;

    fn ear(kind: Kind) -> Ear {
        Ear { kind, settings: Settings::default() }
    }

    fn transcript() -> Transcript {
        let segment = Segment {
            start_ms: 0,
            end_ms: 900,
            text: "始めます。".into(),
            confidence: 0.5,
            speaker: None,
            flags: Vec::new(),
            words: Vec::new(),
        };
        Transcript { segments: vec![segment], duration_ms: 1_000, ..Transcript::default() }
    }

    #[test]
    fn without_the_encoder_the_text_is_whole_and_a_note_says_so() {
        let mut heard = transcript();
        assert_eq!(ear(Kind::Failed).finish(&[], &mut heard), Diarization::default());
        assert_eq!(heard.segments, transcript().segments);
        assert_eq!(heard.audio.map(|audio| audio.note), Some(NOTE.to_owned()));
    }

    #[test]
    fn a_defect_while_listening_costs_the_speakers_and_not_the_text() {
        let mut broken = ear(Kind::Off);
        broken.guarded(|_| panic!("a defect"));
        let mut heard = transcript();
        broken.finish(&[], &mut heard);
        assert_eq!(heard.segments, transcript().segments);
        assert_eq!(heard.audio.map(|audio| audio.note), Some(NOTE.to_owned()));
    }

    #[test]
    fn who_wants_no_speakers_gets_the_text_as_it_is() {
        let mut heard = transcript();
        ear(Kind::Off).finish(&[], &mut heard);
        assert_eq!(heard, transcript());
    }
}
