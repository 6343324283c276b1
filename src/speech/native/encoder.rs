//! The encoder: log-mel frames to a sequence of states, and those to the keys and values the decoder looks at.

use super::kernels::{KeyValues, Level, Scratch, Tail, View, attention, linear};
use super::mel::Mel;
use super::team::Team;
use super::weights::{Linear, Norm, Source};
use super::{LoadError, Precisions};

/// Rows of states worked on at a time, so that what lies between two products stays in the cache.
const ROWS: usize = 128;

/// One layer: attention over all positions, then two linear layers, each added to its input.
struct Layer {
    attention_norm: Norm,
    query_key_value: Linear,
    attention_out: Linear,
    feed_norm: Norm,
    feed_in: Linear,
    feed_out: Linear,
}

/// Keys and values of one decoder layer, from the encoder's output.
struct Cross {
    key_value: Linear,
}

/// The encoder's weights.
pub struct Encoder {
    level: Level,
    precisions: Precisions,
    width: usize,
    convolutions: [Linear; 2],
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    cross: Vec<Cross>,
}

/// What the decoder hears: keys and values for each of its layers.
pub struct Heard {
    /// One per decoder layer.
    pub layers: Vec<KeyValues>,
}

/// Sound on its way through the encoder: it can be left between two stages, and gone on with later.
pub struct Hearing {
    mel: Mel,
    /// Nothing before the first stage.
    states: Vec<f32>,
    joined: Vec<f32>,
    /// Stages done: the front, then the layers.
    done: usize,
}

impl Hearing {
    /// Begins with nothing computed.
    pub fn new(mel: Mel) -> Self {
        Self { mel, states: Vec::new(), joined: Vec::new(), done: 0 }
    }
}

impl Encoder {
    /// Reads the encoder and the decoder's key and value layers.
    pub(super) fn read(source: &Source<'_>, precisions: Precisions) -> Result<Self, LoadError> {
        let dims = source.model.dims;
        let convolution =
            |number: u32| source.convolution(&format!("encoder.conv{number}"), precisions.convolution);
        let layer = |index| Layer::read(source, &format!("encoder.blocks.{index}"), precisions);
        let cross = |index| Cross::read(source, &format!("decoder.blocks.{index}.cross_attn"), precisions);
        Ok(Self {
            level: source.level,
            precisions,
            width: dims.state,
            convolutions: [convolution(1)?, convolution(2)?],
            positions: source.values("encoder.positional_embedding")?,
            layers: (0..dims.audio_layers).map(layer).collect::<Result<_, _>>()?,
            norm: source.norm("encoder.ln_post")?,
            cross: (0..dims.text_layers).map(cross).collect::<Result<_, _>>()?,
        })
    }

    /// Does one stage more, about one layer; returns keys and values for the decoder after the last.
    pub fn advance(&self, hearing: &mut Hearing, team: &mut Team) -> Option<Heard> {
        match hearing.done {
            0 => hearing.states = self.front(&hearing.mel, team),
            done if done <= self.layers.len() => {
                let Hearing { states, joined, .. } = hearing;
                self.layers[done - 1].apply(states, joined, self, team);
            }
            _ => return Some(self.heard(&self.normal(&hearing.states, team), team)),
        }
        hearing.done += 1;
        None
    }

    /// Returns the states behind all layers, one row per position.
    pub fn encode(&self, mel: Mel, team: &mut Team) -> Vec<f32> {
        let mut hearing = Hearing::new(mel);
        while hearing.done <= self.layers.len() {
            self.advance(&mut hearing, team);
        }
        self.normal(&hearing.states, team)
    }

    fn normal(&self, states: &[f32], team: &mut Team) -> Vec<f32> {
        let mut out = vec![0.0; states.len()];
        let chunk = ROWS * self.width;
        team.share(states.chunks(chunk).zip(out.chunks_mut(chunk)), |(x, out), _| self.norm.apply(x, out));
        out
    }

    fn heard(&self, states: &[f32], team: &mut Team) -> Heard {
        let mut layers: Vec<Option<KeyValues>> = self.cross.iter().map(|_| None).collect();
        team.share(layers.iter_mut().zip(&self.cross), |(slot, cross), scratch| {
            *slot = Some(cross.key_values(states, self, scratch));
        });
        Heard { layers: layers.into_iter().flatten().collect() }
    }

    /// Two convolutions, the second of which halves the number of frames, and the positions.
    fn front(&self, mel: &Mel, team: &mut Team) -> Vec<f32> {
        let [first, second] = &self.convolutions;
        let (width, bands) = (self.width, mel.bands);
        // A frame of zeros on both sides, as in the mel frames.
        let mut middle = vec![0.0; (mel.frames + 2) * width];
        let body = &mut middle[width..(mel.frames + 1) * width];
        team.share(body.chunks_mut(2 * ROWS * width).enumerate(), |(part, out), scratch| {
            let from = &mel.values[part * 2 * ROWS * bands..];
            convolve(first, from, bands, 1, out, scratch);
        });
        let mut states = vec![0.0; mel.frames / 2 * width];
        let positions = self.positions.chunks(ROWS * width);
        let parts = states.chunks_mut(ROWS * width).zip(positions).enumerate();
        team.share(parts, |(part, (out, positions)), scratch| {
            convolve(second, &middle[part * 2 * ROWS * width..], width, 2, out, scratch);
            for (value, position) in out.iter_mut().zip(positions) {
                *value += position;
            }
        });
        states
    }
}

/// Computes a convolution over three frames and GELU; `from` begins one frame before the first output's.
fn convolve(
    layer: &Linear,
    from: &[f32],
    channels: usize,
    stride: usize,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let rows = out.len() / layer.weight.n();
    let mut taps = Vec::with_capacity(rows * 3 * channels);
    for row in 0..rows {
        taps.extend_from_slice(&from[row * stride * channels..][..3 * channels]);
    }
    linear(&taps, rows, &layer.weight, layer.bias.as_deref(), Tail::Gelu, out, scratch);
}

impl Layer {
    fn read(source: &Source<'_>, block: &str, precisions: Precisions) -> Result<Self, LoadError> {
        let linear = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("{block}.{name}")).collect();
            source.linear(&names, precisions.encoder)
        };
        Ok(Self {
            attention_norm: source.norm(&format!("{block}.attn_ln"))?,
            query_key_value: linear(&["attn.query", "attn.key", "attn.value"])?,
            attention_out: linear(&["attn.out"])?,
            feed_norm: source.norm(&format!("{block}.mlp_ln"))?,
            feed_in: linear(&["mlp.0"])?,
            feed_out: linear(&["mlp.2"])?,
        })
    }

    /// `joined` is room for queries, keys and values, kept from layer to layer.
    fn apply(&self, states: &mut [f32], joined: &mut Vec<f32>, encoder: &Encoder, team: &mut Team) {
        let width = encoder.width;
        let chunk = ROWS * width;
        joined.resize(states.len() * 3, 0.0);
        team.share(states.chunks(chunk).zip(joined.chunks_mut(3 * chunk)), |(x, out), scratch| {
            let mut normal = vec![0.0; x.len()];
            self.attention_norm.apply(x, &mut normal);
            self.query_key_value.apply(&normal, Tail::None, out, scratch);
        });
        let joined = View::new(joined, 3 * width);
        let keys = pack_heads(joined, encoder, team);
        team.share(states.chunks_mut(chunk).enumerate(), |(part, x), scratch| {
            let rows = part * ROWS..part * ROWS + x.len() / width;
            self.attend_and_feed(joined.columns(0..width).rows(rows), &keys, x, scratch);
        });
    }

    /// Computes the rest of the layer for some rows `x`, whose queries are `q`.
    fn attend_and_feed(&self, q: View<'_>, keys: &[KeyValues], x: &mut [f32], scratch: &mut Scratch) {
        let mut seen = vec![0.0; x.len()];
        attention(q, keys, &mut seen, scratch);
        let mut added = vec![0.0; x.len()];
        self.attention_out.apply(&seen, Tail::Add(x), &mut added, scratch);
        self.feed_norm.apply(&added, &mut seen);
        let rows = q.height();
        let mut wide = vec![0.0; rows * self.feed_in.weight.n()];
        self.feed_in.apply(&seen, Tail::Gelu, &mut wide, scratch);
        self.feed_out.apply(&wide, Tail::Add(&added), x, scratch);
    }
}

/// Packs keys and values head by head, so that threads can share the heads.
fn pack_heads(joined: View<'_>, encoder: &Encoder, team: &mut Team) -> Vec<KeyValues> {
    let width = encoder.width;
    let head = super::kernels::HEAD;
    let mut parts: Vec<Option<KeyValues>> = (0..width / head).map(|_| None).collect();
    team.share(parts.iter_mut().enumerate(), |(index, part), _| {
        let key = joined.columns(width + index * head..width + (index + 1) * head);
        let value = joined.columns(2 * width + index * head..2 * width + (index + 1) * head);
        *part = Some(KeyValues::pack(encoder.level, encoder.precisions.attention, key, value));
    });
    parts.into_iter().flatten().collect()
}

impl Cross {
    fn read(source: &Source<'_>, block: &str, precisions: Precisions) -> Result<Self, LoadError> {
        let names = [format!("{block}.key"), format!("{block}.value")];
        Ok(Self { key_value: source.linear(&names, precisions.encoder)? })
    }

    fn key_values(&self, states: &[f32], encoder: &Encoder, scratch: &mut Scratch) -> KeyValues {
        let width = encoder.width;
        let mut joined = vec![0.0; states.len() * 2];
        self.key_value.apply(states, Tail::None, &mut joined, scratch);
        let joined = View::new(&joined, 2 * width);
        let (key, value) = (joined.columns(0..width), joined.columns(width..2 * width));
        KeyValues::pack(encoder.level, encoder.precisions.cross, key, value)
    }
}
