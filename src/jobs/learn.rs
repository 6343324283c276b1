//! Once an hour: what people corrected and made final teaches the voices that the department remembers.
//!
//! Only where the department allows it and the person agreed; only clean stretches of a speaker whom a person named; and
//! only if the voice is the one remembered: a wrong name in one meeting must not spoil the next.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::audio::reader::MonoReader;
use crate::clock::UnixMs;
use crate::minutes::consistency::name_key;
use crate::minutes::voices::clean_stretches;
use crate::minutes::{Minutes, SpeakerId};
use crate::speech::enrol::{self, EXCERPT_MS_MAX};
use crate::speech::voice::{Embedding, Voice};
use crate::speech::voiceprint::Piece;
use crate::store::audit::Actor;
use crate::store::blobs::{BlobKey, Blobs};
use crate::store::models::ModelStore;
use crate::store::recordings::open_audio;
use crate::store::voices::{Lesson, VOICE_MODEL};
use crate::store::{Id, Store, StoreError};

/// How often.
const EVERY: Duration = Duration::from_secs(3600);
/// Most meetings of one pass.
const LESSONS_MAX: usize = 100;
/// What is less like the remembered voice than this is not believed to be the same person's.
///
/// Source: `benches/naming.rs`, below nearly every pair of one person's recordings, above most pairs of two.
const SAME_PERSON_MIN: f32 = 0.80;

/// What lessons are taken from.
#[derive(Debug, Clone)]
pub struct Lessons {
    /// The tables.
    pub store: Store,
    /// The recordings.
    pub blobs: Blobs,
    /// The folder of weights.
    pub models: PathBuf,
    /// A folder for copies of audio that does not lie in files here.
    pub scratch: PathBuf,
}

/// A voice that a meeting may teach.
struct Pupil {
    voice: Id,
    speaker: SpeakerId,
    known: Embedding,
}

impl Lessons {
    /// Learns from every meeting that waits; returns how many voices learned something.
    ///
    /// Errors: the database does not answer. A meeting whose sound cannot be used is passed over for good.
    pub async fn pass(&self, now: UnixMs) -> Result<usize, StoreError> {
        let mut learned = 0;
        for _ in 0..LESSONS_MAX {
            let Some(lesson) = self.store.next_lesson().await? else { break };
            learned += self.study(lesson, now).await?;
            self.store.lesson_done(lesson.meeting, now).await?;
        }
        Ok(learned)
    }

    async fn study(&self, lesson: Lesson, now: UnixMs) -> Result<usize, StoreError> {
        let Some(document) = self.store.document(lesson.meeting).await? else { return Ok(0) };
        let known = self.store.voiceprints(lesson.department, VOICE_MODEL, now).await?;
        let named = document.minutes.speakers.iter().filter(|speaker| speaker.named_by.is_hand());
        let pupils: Vec<Pupil> = named
            .filter_map(|speaker| {
                let key = name_key(&speaker.name);
                let (voice, print) = known.iter().find(|(voice, _)| name_key(&voice.name) == key)?;
                Some(Pupil { voice: voice.id, speaker: speaker.id, known: print.voice() })
            })
            .collect();
        if pupils.is_empty() {
            return Ok(0);
        }
        let Some(pieces) = self.hear(lesson.meeting, &document.minutes, &pupils).await? else { return Ok(0) };
        let (server, mut learned) = (Actor::server(), 0);
        for (pupil, piece) in pupils.iter().zip(pieces) {
            let Some(piece) = piece.filter(|piece| piece.voice.cosine(&pupil.known) >= SAME_PERSON_MIN)
            else {
                continue;
            };
            learned += usize::from(self.store.learn_voice(pupil.voice, piece, None, (&server, now)).await?);
        }
        Ok(learned)
    }

    /// Hears the pupils in the meeting's recording; nothing if it cannot be heard any more.
    async fn hear(
        &self,
        meeting: Id,
        minutes: &Minutes,
        pupils: &[Pupil],
    ) -> Result<Option<Vec<Option<Piece>>>, StoreError> {
        // Minutes tell the times of the recording that they were first made from.
        let Some(first) = self.store.transcripts(meeting).await?.pop() else { return Ok(None) };
        let recording = self.store.recording(first.recording).await?;
        let Some(recording) = recording.filter(|recording| recording.erased_at.is_none()) else {
            return Ok(None);
        };
        let Ok(key) = recording.blob.parse::<BlobKey>() else { return Ok(None) };
        let audio = match self.blobs.fetch(&key, &self.scratch).await {
            Ok(audio) => audio,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, meeting.id = %meeting, "a corrected meeting cannot be heard");
                return Ok(None);
            }
        };
        let wanted: Vec<_> =
            pupils.iter().map(|pupil| clean_stretches(minutes, pupil.speaker, EXCERPT_MS_MAX)).collect();
        let models = self.models.clone();
        let heard = spawn_blocking(move || {
            let network = network(&models)?;
            let file = open_audio(audio.path()).map_err(|error| error.to_string())?;
            let mut reader = MonoReader::open(Box::new(file)).map_err(|error| error.to_string())?;
            enrol::speakers(&mut reader, &wanted, &network).map_err(|error| error.to_string())
        });
        match heard.await {
            Ok(Ok(pieces)) => Ok(Some(pieces)),
            Ok(Err(error)) => {
                tracing::warn!(error, meeting.id = %meeting, "a corrected meeting cannot be heard");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }
}

fn network(models: &Path) -> Result<Voice, String> {
    let models = ModelStore::open(models).map_err(|error| error.to_string())?;
    let weights = models.read_speaker(VOICE_MODEL).map_err(|error| error.to_string())?;
    Voice::load(&weights).map_err(|error| error.to_string())
}

/// Does a pass now and once an hour, until told to stop.
pub async fn run(lessons: Lessons, clock: impl Fn() -> UnixMs, stop: CancellationToken) {
    let mut hours = tokio::time::interval(EVERY);
    hours.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(hours.tick()).await.is_some() {
        match lessons.pass(clock()).await {
            Ok(0) => {}
            Ok(learned) => tracing::info!(learned, "{learned} voices learned from corrected meetings"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "learning from corrected meetings broke off and will be tried again");
            }
        }
    }
}
