//! How a room is listened to, and the measured delays behind it.

use std::sync::Arc;

use crate::speech::vocabulary::Vocabulary;
use crate::speech::{Backend, Effort, Language};

/// How a room is listened to.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// Which recogniser computes: whisper.cpp loses text when long sound gets a reduced context.
    pub backend: Backend,
    /// The language spoken.
    pub language: Language,
    /// Words likely to be said, as tokens; see [`Vocabulary::prompt`].
    pub prompt: Vec<u32>,
    /// Tokens at the end of the last final that go with the next question, 0 = none.
    ///
    /// Source: own bench, base, the sample meeting clean, noisy, echoing and far: 8.5, 8.9, 9.2 and 10.9 % of characters
    /// wrong without, 6.6, 9.6, 9.0 and 10.0 % with 32, 6.7, 9.7, 8.5 and 10.6 % with 64.
    pub context_tokens: usize,
    /// What is always written otherwise; applied to final text.
    pub vocabulary: Arc<Vocabulary>,
    /// Hypotheses of a final, 1 = greedy.
    pub beam: u8,
    /// Delays.
    pub delays: Delays,
}

impl LiveSettings {
    /// Returns what suits a recogniser: our own can afford hypotheses side by side.
    pub fn of(backend: Backend, language: Language) -> Self {
        // Behind a hint without times whisper.cpp leaves text out.
        let (beam, context_tokens) = match backend {
            Backend::Native => (5, 32),
            Backend::Whisper => (1, 0),
        };
        Self {
            backend,
            language,
            prompt: Vec::new(),
            context_tokens,
            vocabulary: Arc::new(Vocabulary::default()),
            beam,
            delays: Delays::default(),
        }
    }

    /// Returns how hard to try for a guess at sound of this many samples, and for the final text.
    pub(super) fn effort(&self, samples: usize, beam: u8) -> Effort {
        let frames = samples.div_ceil(SAMPLES_PER_FRAME);
        let fitting = (frames.div_ceil(64) * 64 + 64).min(1_500);
        let audio_ctx = match self.backend {
            Backend::Whisper if samples > FITTING_SAMPLES_MAX => FULL_CTX.max(frames),
            Backend::Whisper | Backend::Native => fitting,
        };
        // Dense Japanese needs 8 tokens a second; a loop is stopped there.
        let tokens_max = (8 * samples / 16_000 + 16).min(224) as u16;
        Effort { beam, temperature: 0.0, audio_ctx: audio_ctx as u16, tokens_max }
    }
}

/// Samples of one encoder frame of 20 ms.
const SAMPLES_PER_FRAME: usize = 320;
/// The longest sound whisper.cpp may be given a reduced context for: 10 s; beyond it text is lost (CER 14–15 %, measured).
const FITTING_SAMPLES_MAX: usize = 160_000;
/// Encoder frames of a full window; 1500 is no multiple of 16 and misses whisper.cpp's fast kernels.
const FULL_CTX: usize = 1_472;

/// Delays of a session, milliseconds of sound unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// Sound of an utterance before its first guess.
    pub first_partial_ms: u64,
    /// Silence after which a sentence is believed to have ended.
    pub endpoint_ms: u64,
    /// The same, where the text so far ends like a sentence.
    pub endpoint_sentence_ms: u64,
    /// The same, where it ends in a particle or a filler.
    pub endpoint_open_ms: u64,
    /// Silence after which the final text is asked for on suspicion.
    pub speculate_ms: u64,
    /// From the end of speech to the moment its final text is due, on the clock.
    pub final_due_ms: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            first_partial_ms: 600,
            // Own bench, base, sample meeting: 500, 300 and 800 ms cut it into 76 utterances at a CER of 9.0 %, 700, 550
            // and 900 ms into 47 at 8.3 %: the model needs the context more than people need a fifth of a second.
            endpoint_ms: 700,
            endpoint_sentence_ms: 500,
            endpoint_open_ms: 900,
            speculate_ms: 200,
            final_due_ms: 1_500,
        }
    }
}
