//! After a recognition: speakers of the first draft get the names of voices that the department remembers.
//!
//! Names are a help: whatever fails here, the text is kept, and its speakers stay numbers.

use crate::clock::UnixMs;
use crate::minutes::edit::apply;
use crate::minutes::template::Template;
use crate::minutes::voices::{Suggestion, is_unnamed, may_be_named, naming};
use crate::minutes::{Minutes, SpeakerId};
use crate::speech::diarize::Speaker;
use crate::speech::naming::{Heard, Named, name};
use crate::speech::voice::Embedding;
use crate::store::meetings::Meeting;
use crate::store::voices::VOICE_MODEL;
use crate::store::{Id, Store, StoreError};

/// Returns the draft with names for those of its speakers whose voice is remembered; as it is if it cannot be told.
pub async fn named(store: &Store, meeting: &Meeting, draft: Minutes, heard: &[Speaker]) -> Minutes {
    match suggestions(store, meeting, &draft, heard, UnixMs::now()).await {
        Ok(suggestions) => {
            let ops = naming(&draft, &suggestions);
            apply(&draft, &ops).map_or(draft, |applied| applied.minutes)
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, meeting.id = %meeting.id, "speakers cannot be named by voice");
            draft
        }
    }
}

async fn suggestions(
    store: &Store,
    meeting: &Meeting,
    draft: &Minutes,
    heard: &[Speaker],
    now: UnixMs,
) -> Result<Vec<Suggestion>, StoreError> {
    let mut known = store.voiceprints(meeting.department, VOICE_MODEL, now).await?;
    if known.is_empty() || heard.is_empty() {
        return Ok(Vec::new());
    }
    let template: Template = store.template_of_meeting(meeting.id).await?.unwrap_or_default();
    known.retain(|(voice, _)| may_be_named(&voice.name, &template.attendees, draft));
    let speakers: Vec<Option<SpeakerId>> = heard.iter().map(|speaker| in_draft(draft, speaker)).collect();
    let voices: Vec<Heard> = heard
        .iter()
        .map(|speaker| Heard { voice: speaker.voice.clone(), speech_ms: speaker.speech_ms })
        .collect();
    let prints: Vec<Embedding> = known.iter().map(|(_, print)| print.voice()).collect();
    let named = name(&voices, &prints);
    let compared: Vec<Id> = known.iter().map(|(voice, _)| voice.id).collect();
    store.voices_compared(meeting.id, &compared, named.len(), now).await?;
    let suggestion = |named: &Named| {
        let (speaker, name) = (speakers[named.heard]?, known[named.known].0.name.clone());
        Some(Suggestion { speaker, name, confidence: named.confidence })
    };
    Ok(named.iter().filter_map(suggestion).collect())
}

/// Returns the speaker of the draft that stands for one who was heard: 話者 and the number.
fn in_draft(draft: &Minutes, heard: &Speaker) -> Option<SpeakerId> {
    let name = format!("話者{}", heard.id.0);
    draft
        .speakers
        .iter()
        .find(|speaker| speaker.name == name && is_unnamed(speaker))
        .map(|speaker| speaker.id)
}
