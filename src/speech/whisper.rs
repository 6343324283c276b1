//! A [`Recognizer`] by whisper.cpp; it reads a model and computes on one, so it runs in the engine child only.
//!
//! - **In**: the path of a ggml file whose sha256 the caller has checked, then one [`Request`] after the other.
//! - **Out**: the tokens of the request, as pieces between the model's timestamps.
//! - **Never**: carries text from one request to the next, falls back to other settings by itself, splits UTF-8.
//!
//! A request is one pass of the encoder, nearly always. A model that hears a sentence begin and not end writes two
//! timestamps in a row and stops: "from here on, ask again". Of 15 windows of 22–24 s three ended so, each with more
//! real speech behind, and leaving it out cost 2 points of CER; of 38 windows of up to 10 s none did. whisper.cpp has a
//! loop for this that encodes again after any other ending too. Here each pass is asked for as a single segment: every
//! token comes back, text behind the last timestamp is kept, and only sound behind such a pair is heard again.
//! [`Recognition::passes`] says how often the encoder ran.

use std::ffi::{c_int, c_void};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use whisper_rs::whisper_rs_sys::{whisper_context, whisper_state};
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState,
};

use super::{
    Answer, Effort, Language, PROMPT_TOKENS_MAX, Piece, REQUEST_SAMPLES_MAX, Recognition, RecognizeError,
    Recognizer, Request, Token,
};
use crate::audio::MediaTime;

/// Fewest samples worth a call: whisper.cpp answers nothing below 100 ms.
const SAMPLES_MIN: usize = 1_600;
/// Shorter sound is padded with silence to 1 s: below 201 samples whisper.cpp 1.8.3 reads out of bounds.
const PADDED_SAMPLES_MIN: usize = 16_000;
/// Samples seen by one encoder frame of 20 ms.
const SAMPLES_PER_CTX: usize = 320;
/// Smallest encoder context; still holds the padded second.
const AUDIO_CTX_MIN: u16 = 64;
/// Sound behind a closing pair of timestamps that is worth one more pass: the padding of a span is shorter.
const REST_SAMPLES_MIN: usize = 8_000;
/// Most passes over one request; what is behind the last pair then stays unheard, as with any other ending.
const PASSES_MAX: u32 = 4;
/// Lowest logarithm of a probability handed out: minus infinity and not-a-number cannot cross to the parent as JSON.
const LOG_PROB_MIN: f32 = -100.0;
/// A timestamp token counts steps of 20 ms, that is 2 centiseconds.
const CS_PER_STEP: u64 = 2;

/// Why a model could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file is missing or no ggml model of whisper.cpp: choose another file.
    #[error("model could not be loaded: {0}")]
    Model(String),
    /// There is no memory for one more worker: use fewer slots.
    #[error("no state for a worker: {0}")]
    State(String),
}

/// Returns what whisper.cpp says about the machine and its own build, one line.
pub fn system_info() -> &'static str {
    whisper_rs::print_system_info()
}

/// Tells whether the register-tiled matrix products are compiled in; without them an encode takes twice as long.
///
/// Source: own bench, base model, one 30 s window: 0.82 s without, 0.40–0.49 s with.
pub fn has_fast_kernels() -> bool {
    system_info().contains("LLAMAFILE = 1")
}

/// One loaded model, shared by all workers.
pub struct Whisper {
    context: Arc<WhisperContext>,
    threads: u16,
}

impl Whisper {
    /// Loads a ggml model; `threads` is per worker, 1 being the fastest per core.
    ///
    /// Errors: [`LoadError::Model`]. A damaged header can crash the process: check the sha256 first.
    pub fn load(path: &Path, threads: u16) -> Result<Self, LoadError> {
        whisper_rs::install_logging_hooks(); // without a log feature they swallow every line of the C library
        let mut params = WhisperContextParameters::new();
        params.flash_attn(false); // slower on a CPU, and with a reduced context it reads rows of earlier requests
        let context = WhisperContext::new_with_params(path, params)
            .map_err(|error| LoadError::Model(format!("{} ({error})", path.display())))?;
        Ok(Self { context: Arc::new(context), threads: threads.max(1) })
    }

    /// Makes one worker, about 220 MB for the base model.
    ///
    /// Errors: [`LoadError::State`].
    pub fn worker(&self) -> Result<Worker, LoadError> {
        let state = self.context.create_state().map_err(|error| LoadError::State(error.to_string()))?;
        Ok(Worker {
            context: Arc::clone(&self.context),
            state: Some(state),
            threads: c_int::from(self.threads),
            params: Vec::new(),
            cancel: Arc::new(AtomicBool::new(false)),
            next: None,
        })
    }
}

/// One state of the model: recognises one request at a time.
pub struct Worker {
    context: Arc<WhisperContext>,
    /// `None` only after whisper.cpp refused a new state; the next request tries again.
    state: Option<WhisperState>,
    threads: c_int,
    params: Vec<(ParamsKey, FullParams<'static, 'static>)>,
    cancel: Arc<AtomicBool>,
    next: Option<(u64, Request)>,
}

/// What decides which prepared parameters fit a call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ParamsKey {
    language: &'static str,
    beam: u8,
}

impl Worker {
    /// Returns the flag that ends the current request early once set; whoever sets it also clears it.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancel)
    }

    /// Returns a row of logits behind each of `tokens`, read one at a time over the whole encoder: for comparisons.
    ///
    /// Errors: [`RecognizeError::Failed`] with whisper.cpp's reason.
    pub fn logits(&self, samples: &[f32], tokens: &[u32]) -> Result<Vec<Vec<f32>>, RecognizeError> {
        let threads = usize::try_from(self.threads).expect("a positive number of threads");
        // A state of its own: this one remembers the encoder context of the request before.
        let mut state = self.context.create_state().map_err(failed)?;
        state.pcm_to_mel(&padded(samples), threads).map_err(failed)?;
        state.encode(0, threads).map_err(failed)?;
        let mut rows = Vec::with_capacity(tokens.len());
        for (past, &token) in tokens.iter().enumerate() {
            let token =
                c_int::try_from(token).map_err(|_| RecognizeError::Failed(format!("token {token}")))?;
            state.decode(&[token], past, threads).map_err(failed)?;
            rows.push(state.get_logits().map_err(failed)?.to_vec());
        }
        Ok(rows)
    }

    /// Returns parameters for a language and a beam, made once: `set_language` leaks a string on every call.
    fn params(&mut self, key: &ParamsKey) -> FullParams<'static, 'static> {
        if let Some((_, params)) = self.params.iter().find(|(known, _)| known == key) {
            return params.clone();
        }
        let params = prepared(key, self.threads);
        self.params.push((key.clone(), params.clone()));
        params
    }

    /// Makes the state fit for one more request.
    ///
    /// Sampling draws from a random source inside the state: a fresh one gives equal requests equal answers.
    fn ready_state(&mut self, effort: &Effort) -> Result<(), RecognizeError> {
        if effort.temperature > 0.0 {
            self.state = None;
        }
        if self.state.is_none() {
            self.state = Some(self.context.create_state().map_err(failed)?);
        }
        Ok(())
    }

    fn hear(&mut self, request: &Request) -> Result<Recognition, RecognizeError> {
        self.ready_state(&request.effort)?;
        let tokens = request.prompt.iter();
        let prompt: Vec<c_int> =
            tokens.map(|&id| c_int::try_from(id).expect("checked against the vocabulary")).collect();
        let call = Call { language: "ja", prompt: &prompt, effort: &request.effort };
        match request.language {
            Language::Ja => self.hear_all(&call, &request.samples, 0),
            Language::En => self.hear_all(&Call { language: "en", ..call }, &request.samples, 0),
            Language::Auto => {
                let language = self.heard_language(&call, &request.samples)?;
                self.hear_all(&Call { language, ..call }, &request.samples, 1)
            }
        }
    }

    /// Hears the whole sound, in as many passes as the model asks for.
    fn hear_all(
        &mut self,
        call: &Call<'_>,
        samples: &[f32],
        passes_before: u32,
    ) -> Result<Recognition, RecognizeError> {
        let end_ms = MediaTime::from_sample(samples.len() as u64).ms();
        let mut pieces = Vec::new();
        let mut from = 0;
        let mut passes = 0;
        while passes < PASSES_MAX {
            self.full(call, &samples[from..], 1)?;
            passes += 1;
            let marks = self.marks()?;
            let rest = rest(&marks, samples.len() - from);
            cut(marks, MediaTime::from_sample(from as u64).ms(), end_ms, &mut pieces);
            let Some(heard) = rest else { break };
            from += heard;
        }
        Ok(Recognition { language: call.language.to_owned(), pieces, passes: passes_before + passes })
    }

    /// Runs whisper.cpp once with at most `encodes_max` encoder passes, and leaves the result in the state.
    fn full(&mut self, call: &Call<'_>, samples: &[f32], encodes_max: u32) -> Result<(), RecognizeError> {
        let key = ParamsKey { language: call.language, beam: beam(call.effort) };
        let gate = Gate { cancel: Arc::clone(&self.cancel), encodes_max, encodes: AtomicU32::new(0) };
        let mut params: FullParams<'_, '_> = self.params(&key);
        params.set_tokens(call.prompt);
        params.set_audio_ctx(c_int::from(call.effort.audio_ctx));
        params.set_max_tokens(c_int::from(call.effort.tokens_max));
        params.set_temperature(call.effort.temperature);
        gate.attach(&mut params);
        let state = self.state.as_mut().expect("ready_state made one");
        let outcome = state.full(params, &padded(samples));
        if self.cancel.load(Ordering::Relaxed) {
            return Err(RecognizeError::Cancelled);
        }
        outcome.map_err(failed)
    }

    /// Hears which language is spoken; costs one more encode.
    ///
    /// whisper.cpp detects with the encoder context of the call *before*; a call that may not encode sets it first.
    fn heard_language(&mut self, call: &Call<'_>, samples: &[f32]) -> Result<&'static str, RecognizeError> {
        self.full(call, samples, 0)?;
        let threads = usize::try_from(self.threads).expect("a positive number of threads");
        let state = self.state.as_ref().expect("ready_state made one");
        let (id, _) = state.lang_detect(0, threads).map_err(failed)?;
        whisper_rs::get_lang_str(id).ok_or_else(|| RecognizeError::Failed(format!("language number {id}")))
    }

    /// Reads every token of the last call, in order.
    fn marks(&self) -> Result<Vec<Mark>, RecognizeError> {
        let state = self.state.as_ref().expect("ready_state made one");
        let first_stamp = self.context.token_beg();
        let end_of_text = self.context.token_eot();
        let mut marks = Vec::new();
        for segment in state.as_iter() {
            for index in 0..segment.n_tokens() {
                let token = segment.get_token(index).expect("index is below the number of tokens");
                let data = token.token_data();
                if data.id >= first_stamp {
                    marks.push(Mark::Stamp(stamp_ms(data.id - first_stamp)));
                } else if data.id < end_of_text {
                    let bytes = token.to_bytes().map_err(failed)?.to_vec();
                    let id = u32::try_from(data.id).expect("text tokens are not negative");
                    marks.push(Mark::Text(Token { id, bytes, log_prob: log_prob(data.plog) }));
                }
            }
        }
        Ok(marks)
    }
}

impl Recognizer for Worker {
    /// One at a time: whisper.cpp cannot go on with two.
    fn has_room(&self, _: &Request) -> bool {
        self.next.is_none()
    }

    fn join(&mut self, id: u64, request: Request) -> Result<(), RecognizeError> {
        check(&request, self.context.token_eot(), self.context.n_audio_ctx())?;
        self.next = Some((id, request));
        Ok(())
    }

    fn leave(&mut self, id: u64) -> bool {
        self.next.take_if(|(next, _)| *next == id).is_some()
    }

    fn is_idle(&self) -> bool {
        self.next.is_none()
    }

    /// Recognises the whole window: it cannot be left on the way.
    fn advance(&mut self) -> Vec<Answer> {
        let Some((id, request)) = self.next.take() else { return Vec::new() };
        vec![(id, self.hear(&request))]
    }
}

/// What all passes over one request have in common.
struct Call<'a> {
    prompt: &'a [c_int],
    language: &'static str,
    effort: &'a Effort,
}

/// What whisper.cpp asks while it works: may I encode, shall I stop?
struct Gate {
    cancel: Arc<AtomicBool>,
    encodes_max: u32,
    encodes: AtomicU32,
}

impl Gate {
    /// Points the callbacks of `params` here; the gate must outlive every call with these parameters.
    #[expect(unsafe_code, reason = "callbacks into C have no safe form that is sound: the safe setters leak")]
    fn attach(&self, params: &mut FullParams<'_, '_>) {
        let data = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: both functions have the signature whisper.cpp declares, read `data` as the `Gate` it is, and never
        // unwind. `full` keeps gate and parameters on one stack frame and drops both when whisper.cpp has returned;
        // whisper.cpp calls back only before it returns. Test: tests/it/engine.rs, cancelling and repeated calls.
        unsafe {
            params.set_start_encoder_callback(Some(may_encode));
            params.set_start_encoder_callback_user_data(data);
            params.set_abort_callback(Some(shall_stop));
            params.set_abort_callback_user_data(data);
        }
    }

    fn allows_encode(&self) -> bool {
        !self.cancel.load(Ordering::Relaxed)
            && self.encodes.fetch_add(1, Ordering::Relaxed) < self.encodes_max
    }
}

/// Called by whisper.cpp before each encode; `false` ends the call and keeps what was heard.
#[expect(unsafe_code, reason = "a callback that C calls")]
unsafe extern "C" fn may_encode(_: *mut whisper_context, _: *mut whisper_state, data: *mut c_void) -> bool {
    // SAFETY: `data` is the pointer `Gate::attach` set, alive for the whole call, only ever read.
    unsafe { &*data.cast::<Gate>() }.allows_encode()
}

/// Called by whisper.cpp between graphs; `true` ends the call with an error. An encode is not interrupted.
#[expect(unsafe_code, reason = "a callback that C calls")]
unsafe extern "C" fn shall_stop(data: *mut c_void) -> bool {
    // SAFETY: as in `may_encode`.
    unsafe { &*data.cast::<Gate>() }.cancel.load(Ordering::Relaxed)
}

/// One token as the model wrote it: text, or a point in time.
#[derive(Debug, Clone, PartialEq)]
enum Mark {
    Text(Token),
    Stamp(u64),
}

fn stamp_ms(steps: c_int) -> u64 {
    MediaTime::from_cs(CS_PER_STEP * u64::try_from(steps).expect("at or above the first timestamp")).ms()
}

fn log_prob(plog: f32) -> f32 {
    if plog.is_nan() { LOG_PROB_MIN } else { plog.clamp(LOG_PROB_MIN, 0.0) }
}

/// Returns how many samples were heard to the end, if the model stopped there with speech left.
fn rest(marks: &[Mark], samples: usize) -> Option<usize> {
    let [.., Mark::Stamp(_), Mark::Stamp(ms)] = marks else { return None };
    let heard = usize::try_from(MediaTime::from_ms(*ms).sample()).ok()?;
    (heard > 0 && heard + REST_SAMPLES_MIN <= samples).then_some(heard)
}

/// Cuts the stream of tokens at its timestamps; text behind the last one ends with the sound.
///
/// A model may write a time behind the end of the sound: times are kept inside, and in order.
fn cut(marks: Vec<Mark>, from_ms: u64, end_ms: u64, pieces: &mut Vec<Piece>) {
    let mut start_ms = from_ms;
    let mut tokens = Vec::new();
    for mark in marks {
        match mark {
            Mark::Text(token) => tokens.push(token),
            Mark::Stamp(ms) => {
                let stamp_ms = (from_ms + ms).min(end_ms).max(start_ms);
                if !tokens.is_empty() {
                    pieces.push(Piece { start_ms, end_ms: stamp_ms, tokens: std::mem::take(&mut tokens) });
                }
                start_ms = stamp_ms;
            }
        }
    }
    if !tokens.is_empty() {
        pieces.push(Piece { start_ms, end_ms: end_ms.max(start_ms), tokens });
    }
}

/// Builds the parameters shared by all calls of one key.
fn prepared(key: &ParamsKey, threads: c_int) -> FullParams<'static, 'static> {
    let mut params = FullParams::new(match key.beam {
        0 | 1 => SamplingStrategy::Greedy { best_of: 1 },
        beam => SamplingStrategy::BeamSearch { beam_size: c_int::from(beam), patience: -1.0 },
    });
    params.set_language(Some(key.language));
    params.set_n_threads(threads);
    params.set_translate(false);
    params.set_no_context(true); // carried text spreads loops from one window to the next
    params.set_no_timestamps(false); // without stamps text at the edges is lost: CER 47–55 % (own bench)
    params.set_single_segment(true); // all tokens of the pass, timestamps included; cut in `pieces`
    params.set_temperature_inc(0.0); // no hidden second attempts: the caller decides
    params.set_suppress_blank(true);
    params.set_suppress_nst(true); // ♪, brackets and the like, as other recognisers do by default
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

/// The beam really used: a sampled call (`temperature` above 0) keeps one hypothesis.
fn beam(effort: &Effort) -> u8 {
    if effort.temperature > 0.0 { 1 } else { effort.beam }
}

/// Refuses whatever would make whisper.cpp read out of bounds, throw, or silently drop sound.
fn check(request: &Request, end_of_text: c_int, audio_ctx_max: c_int) -> Result<(), RecognizeError> {
    let Request { samples, prompt, effort, language: _, due: _ } = request;
    let refuse = |what: String| Err(RecognizeError::BadRequest(what));
    if !(SAMPLES_MIN..=REQUEST_SAMPLES_MAX).contains(&samples.len()) {
        return refuse(format!("{} samples, {SAMPLES_MIN} to {REQUEST_SAMPLES_MAX} allowed", samples.len()));
    }
    if effort.audio_ctx < AUDIO_CTX_MIN || c_int::from(effort.audio_ctx) > audio_ctx_max {
        return refuse(format!("audio_ctx {}, {AUDIO_CTX_MIN} to {audio_ctx_max} allowed", effort.audio_ctx));
    }
    if samples.len() > SAMPLES_PER_CTX * usize::from(effort.audio_ctx) {
        return refuse(format!("{} samples do not fit audio_ctx {}", samples.len(), effort.audio_ctx));
    }
    if !samples.iter().all(|sample| sample.is_finite()) {
        return refuse("a sample is not a number".to_owned());
    }
    if prompt.len() > PROMPT_TOKENS_MAX {
        return refuse(format!("{} prompt tokens, {PROMPT_TOKENS_MAX} allowed", prompt.len()));
    }
    if let Some(id) = prompt.iter().find(|&&id| i64::from(id) >= i64::from(end_of_text)) {
        return refuse(format!("prompt token {id} is no text token"));
    }
    effort.check()
}

/// Returns the sound with silence behind it, at least a second long.
fn padded(samples: &[f32]) -> std::borrow::Cow<'_, [f32]> {
    if samples.len() >= PADDED_SAMPLES_MIN {
        return samples.into();
    }
    let mut longer = samples.to_vec();
    longer.resize(PADDED_SAMPLES_MIN, 0.0);
    longer.into()
}

fn failed(error: WhisperError) -> RecognizeError {
    RecognizeError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
