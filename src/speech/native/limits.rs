//! What a request may ask for.

use crate::speech::model::tokenizer::Specials;
use crate::speech::{PROMPT_TOKENS_MAX, REQUEST_SAMPLES_MAX, RecognizeError, Request};

/// Fewest samples worth a call: 100 ms.
const SAMPLES_MIN: usize = 1_600;
/// Samples seen by one encoder position of 20 ms.
const SAMPLES_PER_CTX: usize = 320;
/// Smallest encoder context.
const AUDIO_CTX_MIN: u16 = 64;
/// Timestamps of a window: 0 to 30 s in steps of 20 ms.
const STAMPS: u32 = 1_501;

/// Refuses whatever breaks a limit of [`Request`]; `audio_ctx_max` is the model's.
///
/// Errors: [`RecognizeError::BadRequest`].
pub fn check(request: &Request, audio_ctx_max: usize, specials: Specials) -> Result<(), RecognizeError> {
    let Request { samples, prompt, effort, language: _, due: _ } = request;
    let audio_ctx = usize::from(effort.audio_ctx);
    if !(SAMPLES_MIN..=REQUEST_SAMPLES_MAX).contains(&samples.len()) {
        return refuse(format!("{} samples, {SAMPLES_MIN} to {REQUEST_SAMPLES_MAX} allowed", samples.len()));
    }
    if effort.audio_ctx < AUDIO_CTX_MIN || audio_ctx > audio_ctx_max {
        return refuse(format!("audio_ctx {audio_ctx}, {AUDIO_CTX_MIN} to {audio_ctx_max} allowed"));
    }
    if samples.len() > SAMPLES_PER_CTX * audio_ctx {
        return refuse(format!("{} samples do not fit audio_ctx {audio_ctx}", samples.len()));
    }
    if !samples.iter().all(|sample| sample.is_finite()) {
        return refuse("a sample is not a number".to_owned());
    }
    if prompt.len() > PROMPT_TOKENS_MAX {
        return refuse(format!("{} prompt tokens, {PROMPT_TOKENS_MAX} allowed", prompt.len()));
    }
    let stamps = specials.first_timestamp..specials.first_timestamp + STAMPS;
    if let Some(id) = prompt.iter().find(|id| **id >= specials.eot && !stamps.contains(id)) {
        return refuse(format!("prompt token {id} is neither text nor timestamp"));
    }
    effort.check()
}

fn refuse(what: String) -> Result<(), RecognizeError> {
    Err(RecognizeError::BadRequest(what))
}
