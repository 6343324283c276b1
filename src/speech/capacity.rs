//! What a machine can do with which model: from a few measurements to minutes, rooms and memory. Pure arithmetic.
//!
//! Work is counted from a model's sizes; how fast the machine does such work is measured on one model and holds, as
//! far as arithmetic can tell, for the others: the encoder by its operations, the decoder by the bytes it reads.

use super::model::layout::{self, Dims, TensorSpec};

/// A published model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Its usual name.
    pub name: &'static str,
    /// Its sizes.
    pub dims: Dims,
}

/// The published models worth a choice, from the least to the most accurate.
///
/// Source: sizes of the published files; order by published error rates on read Japanese: 24.9, 14.2, about 10, 7 %.
pub const SHAPES: [Shape; 4] = [
    Shape { name: "base", dims: Dims::BASE },
    Shape { name: "small", dims: Dims { state: 768, audio_layers: 12, text_layers: 12, ..Dims::BASE } },
    Shape { name: "medium", dims: Dims { state: 1024, audio_layers: 24, text_layers: 24, ..Dims::BASE } },
    Shape {
        name: "large-v3-turbo",
        dims: Dims { vocab: 51_866, state: 1280, audio_layers: 32, text_layers: 4, mels: 128, ..Dims::BASE },
    },
];

/// Sound in an average window of a recording, seconds: windows end at pauses before 28 s.
///
/// Source: sample meeting and six made from it, 351 to 385 s of dense speech in 15 to 18 windows each.
const WINDOW_S: f64 = 20.0;
/// Silence the encoder hears behind a window, seconds: what rounding up to 64 positions adds on average, and 64 more.
const WINDOW_MORE_S: f64 = 1.92;
/// Text tokens in a second of dense Japanese. Source: design rate of the speech core; peaks are 7 to 8.
const TOKENS_PER_S: f64 = 4.5;
/// Tokens that are no text in a window: the prompt and the timestamps.
const TOKENS_BESIDE: f64 = 12.0;
/// Work done twice, because a first result looked suspect. Source: the same meetings, none to two windows each.
const RERUNS: f64 = 1.1;
/// Work besides the model: decoding, speech detection, hashing. Source: 5.3 % measured with base, less with others.
const OVERHEAD: f64 = 1.05;

/// Windows read side by side by a measurement of the decoder, and hypotheses of each.
pub const BATCH: Batch = Batch { windows: 8, hypotheses: 5 };
/// Sound of one utterance in a live room, seconds.
pub const FINAL_S: f64 = 10.0;
/// Encoder positions for such an utterance: 500, rounded up to 64, and 64 more.
pub const FINAL_CTX: usize = 576;
/// Tokens written for such an utterance.
pub const FINAL_TOKENS: usize = (TOKENS_PER_S * FINAL_S) as usize;

/// The longest an hour of meeting may take for a model to be recommended, seconds.
pub const HOUR_S_MAX: f64 = 20.0 * 60.0;
/// Share of the cores that finals of rooms may take: partial captions and the rest of the server need the other half.
const LIVE_SHARE_MAX: f64 = 0.5;
/// Share of the free memory that the engine may take.
const MEMORY_SHARE_MAX: f64 = 0.8;

/// Windows that one engine may hold in flight on each core.
const WINDOWS_PER_CORE: usize = 4;
/// What the program needs besides weights and windows, bytes. Source: sample meeting with base, 489 MB in all.
const PROGRAM_BYTES: f64 = 120e6;

/// How much is read side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Windows.
    pub windows: usize,
    /// Texts of each window.
    pub hypotheses: usize,
}

/// What was measured on one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The model's sizes.
    pub dims: Dims,
    /// One window of 30 s through the encoder with all threads, seconds.
    pub encoder_s: f64,
    /// One step of the decoder over [`BATCH`] with all threads, seconds: a token for each window.
    pub step_s: f64,
    /// One utterance of [`FINAL_S`] from sound to text, greedy, one thread on an idle core, seconds.
    pub final_s: f64,
}

/// What the machine has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Cores the engine may use.
    pub cores: usize,
    /// Memory that is free now, bytes.
    pub memory_bytes: f64,
}

/// What one model would be like on the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The model.
    pub shape: Shape,
    /// An hour in which somebody always speaks, accurate preset, seconds.
    pub hour_s: f64,
    /// From the end of an utterance of 10 s to its text on an idle core, seconds.
    pub final_s: f64,
    /// Rooms with live captions at once.
    pub rooms: usize,
    /// Memory of all processes, bytes.
    pub memory_bytes: f64,
    /// Whether that much is free.
    pub fits: bool,
}

/// Counts the operations of the encoder for `audio_ctx` positions, the decoder's keys and values included.
///
/// Units: floating-point operations, a multiplication and an addition being two.
pub fn encoder_flop(dims: Dims, audio_ctx: usize) -> f64 {
    let [d, t, m] = [dims.state, audio_ctx, dims.mels].map(|size| size as f64);
    let (layers, text_layers) = (dims.audio_layers as f64, dims.text_layers as f64);
    let encoder = layers * (24.0 * t * d * d + 4.0 * t * t * d);
    // The first convolution runs on twice as many frames.
    let convolutions = 12.0 * t * m * d + 6.0 * t * d * d;
    encoder + convolutions + 4.0 * text_layers * t * d * d
}

/// Counts the operations of one step of the decoder over `batch`.
pub fn step_flop(dims: Dims, batch: Batch, audio_ctx: usize) -> f64 {
    let rows = (batch.windows * batch.hypotheses) as f64;
    let attention = 4.0 * (dims.text_layers * dims.state) as f64 * (audio_ctx + dims.text_ctx / 4) as f64;
    rows * (2.0 * decoder_values(dims) + attention)
}

/// Counts the bytes one step of the decoder over `batch` must read: its weights once, the sound of each window once.
///
/// Range: two bytes a value, as bf16 has.
pub fn step_bytes(dims: Dims, batch: Batch, audio_ctx: usize) -> f64 {
    2.0 * decoder_values(dims) + batch.windows as f64 * sound_bytes(dims, audio_ctx)
}

/// Values of the decoder that a step multiplies with: its layers and the token table.
fn decoder_values(dims: Dims) -> f64 {
    let d = dims.state as f64;
    14.0 * dims.text_layers as f64 * d * d + dims.vocab as f64 * d
}

/// Bytes of the keys and values of one window's sound.
fn sound_bytes(dims: Dims, audio_ctx: usize) -> f64 {
    2.0 * 2.0 * (dims.text_layers * audio_ctx * dims.state) as f64
}

/// Estimates every published model from what was measured on one.
pub fn estimates(measured: &Measured, machine: Machine) -> Vec<Estimate> {
    SHAPES.iter().map(|shape| estimate(*shape, measured, machine)).collect()
}

/// Returns the most accurate model that is fast enough and fits into memory.
pub fn recommended(estimates: &[Estimate]) -> Option<&Estimate> {
    estimates.iter().rev().find(|estimate| estimate.fits && estimate.hour_s <= HOUR_S_MAX)
}

fn estimate(shape: Shape, measured: &Measured, machine: Machine) -> Estimate {
    let final_s = measured.final_s * final_work(shape.dims, measured) / final_work(measured.dims, measured);
    let memory_bytes = memory_bytes(shape.dims, machine.cores);
    Estimate {
        shape,
        hour_s: sound_s(shape.dims, measured, 3600.0),
        final_s,
        rooms: (LIVE_SHARE_MAX * machine.cores as f64 * FINAL_S / final_s) as usize,
        memory_bytes,
        fits: memory_bytes <= MEMORY_SHARE_MAX * machine.memory_bytes,
    }
}

/// Returns how long `speech_s` seconds of uninterrupted speech take with all threads, accurate preset.
pub fn sound_s(dims: Dims, measured: &Measured, speech_s: f64) -> f64 {
    let windows = speech_s / WINDOW_S;
    let audio_ctx = ((WINDOW_S + WINDOW_MORE_S) * 50.0) as usize;
    let encoder = windows * encoder_flop(dims, audio_ctx) / encoder_speed(measured);
    let tokens = speech_s * TOKENS_PER_S + windows * TOKENS_BESIDE;
    let steps = tokens / BATCH.windows as f64;
    let decoder = steps * step_bytes(dims, BATCH, audio_ctx) / step_speed(measured);
    RERUNS * OVERHEAD * (encoder + decoder)
}

/// Operations per second of the encoder with all threads.
fn encoder_speed(measured: &Measured) -> f64 {
    encoder_flop(measured.dims, measured.dims.audio_ctx) / measured.encoder_s
}

/// Bytes per second of the decoder with all threads, as counted by [`step_bytes`].
fn step_speed(measured: &Measured) -> f64 {
    step_bytes(measured.dims, BATCH, measured.dims.audio_ctx) / measured.step_s
}

/// Work of one utterance in units of time at the speeds of the encoder and of a lone text: only ratios have a meaning.
fn final_work(dims: Dims, measured: &Measured) -> f64 {
    let alone = Batch { windows: 1, hypotheses: 1 };
    let encoder = encoder_flop(dims, FINAL_CTX) / encoder_speed(measured);
    encoder + FINAL_TOKENS as f64 * step_bytes(dims, alone, FINAL_CTX) / step_speed(measured)
}

/// Counts the memory all processes need with `cores` workers, bf16 weights.
///
/// Range: the larger of loading (file, packed weights, one matrix in single precision) and working.
pub fn memory_bytes(dims: Dims, cores: usize) -> f64 {
    let values: f64 = layout::tensors(dims).iter().map(TensorSpec::values).sum::<usize>() as f64;
    let table = (dims.vocab * dims.state) as f64;
    // The table is kept twice: packed for the product, and as in the file for reading single rows.
    let weights = 2.0 * (values + table);
    let loading = 2.0 * values + 4.0 * table;
    let windows = (cores * WINDOWS_PER_CORE) as f64;
    let texts = (BATCH.hypotheses * 2 * 2 * dims.text_layers * dims.text_ctx * dims.state) as f64;
    let rows = (4 * BATCH.hypotheses * dims.vocab) as f64;
    let encoding = (cores * 4 * 6 * dims.audio_ctx * dims.state) as f64;
    let working = windows * (sound_bytes(dims, dims.audio_ctx) + texts + rows) + encoding;
    PROGRAM_BYTES + weights + loading.max(working)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Machine = Machine { cores: 2, memory_bytes: 64e9 };

    /// Measured on base: both speeds and the cost of an utterance, times `slowness`.
    fn measured(slowness: f64) -> Measured {
        Measured {
            dims: Dims::BASE,
            encoder_s: 0.16 * slowness,
            step_s: 0.012 * slowness,
            final_s: 0.2 * slowness,
        }
    }

    fn name(slowness: f64, machine: Machine) -> Option<&'static str> {
        recommended(&estimates(&measured(slowness), machine)).map(|estimate| estimate.shape.name)
    }

    #[test]
    fn the_encoder_of_each_model_has_its_known_work() {
        // GFLOP a window as worked out by hand from the layers.
        for (shape, expected) in SHAPES.iter().zip([96.8, 386.6, 1_289.0, 2_313.0]) {
            let found = encoder_flop(shape.dims, 1500) / 1e9;
            assert!((found / expected - 1.0).abs() < 0.02, "{}: {found}", shape.name);
        }
    }

    #[test]
    fn a_step_reads_the_weights_once_and_every_window_once() {
        let one = step_bytes(Dims::BASE, Batch { windows: 1, hypotheses: 1 }, 1500);
        let beam = step_bytes(Dims::BASE, Batch { windows: 1, hypotheses: 5 }, 1500);
        let eight = step_bytes(Dims::BASE, BATCH, 1500);
        assert!((one - 116e6).abs() < 2e6, "{one}");
        assert_eq!(one, beam);
        assert!(eight < 2.2 * one && eight > 2.0 * one - 116e6, "{eight}");
    }

    #[test]
    fn every_published_shape_passes_the_reader() {
        for shape in SHAPES {
            assert_eq!(shape.dims.checked().expect("a published size"), shape.dims);
        }
    }

    #[test]
    fn the_most_accurate_model_within_twenty_minutes_is_recommended() {
        let table = [(0.5, "large-v3-turbo"), (2.2, "medium"), (5.0, "small"), (15.0, "base")];
        for (slowness, expected) in table {
            assert_eq!(name(slowness, PLENTY), Some(expected), "{slowness}");
        }
        assert_eq!(name(1000.0, PLENTY), None);
    }

    #[test]
    fn a_model_that_does_not_fit_into_memory_is_not_recommended() {
        for (gigabytes, expected) in [(8.0, Some("large-v3-turbo")), (3.0, Some("small")), (0.2, None)] {
            let machine = Machine { memory_bytes: gigabytes * 1e9, ..PLENTY };
            assert_eq!(name(1.0, machine), expected, "{gigabytes} GB");
        }
    }

    #[test]
    fn rooms_take_half_of_the_cores_and_grow_with_them() {
        let rooms = |cores| estimates(&measured(1.0), Machine { cores, ..PLENTY })[0].rooms;
        // 0.2 s for every 10 s: half a core carries 25 rooms.
        assert_eq!((rooms(1), rooms(2), rooms(8)), (25, 50, 200));
        let slow = estimates(&measured(60.0), PLENTY);
        assert_eq!(slow[0].rooms, 0, "an utterance takes longer than it lasts");
    }

    #[test]
    fn the_measured_model_keeps_what_was_measured() {
        let base = estimates(&measured(1.0), PLENTY)[0];
        assert!((base.final_s - 0.2).abs() < 1e-9);
        assert!(base.memory_bytes > 3e8 && base.memory_bytes < 9e8, "{}", base.memory_bytes);
    }

    #[test]
    fn a_longer_wait_for_each_of_the_parts_makes_every_estimate_longer() {
        let hour = |measured: Measured| -> Vec<f64> {
            estimates(&measured, PLENTY).iter().map(|estimate| estimate.hour_s).collect()
        };
        let usual = hour(measured(1.0));
        for slower in
            [Measured { encoder_s: 0.2, ..measured(1.0) }, Measured { step_s: 0.02, ..measured(1.0) }]
        {
            assert!(hour(slower).iter().zip(&usual).all(|(slower, usual)| slower > usual));
        }
    }

    #[test]
    fn turbo_writes_faster_than_medium_because_its_decoder_is_short() {
        let [medium, turbo] = [SHAPES[2], SHAPES[3]].map(|shape| step_bytes(shape.dims, BATCH, 1500));
        assert!(turbo < medium);
    }
}
