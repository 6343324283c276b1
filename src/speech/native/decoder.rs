//! The decoder: many texts of many windows go one step further together, so that its weights are read once.

use crate::speech::model::quant::Format;

use super::align::{Glances, Head};
use super::encoder::Heard;
use super::kernels::{HEAD, KeyValues, Level, Packed, Precision, Scratch, Tail, View, attend, linear};
use super::weights::{Linear, Norm, Source};
use super::{LoadError, Precisions};

/// Embeddings of all tokens, and weights of the head.
const TOKEN_TABLE: &str = "decoder.token_embedding.weight";

/// One layer: attention over the own past, attention over the sound, two linear layers.
struct Layer {
    past_norm: Norm,
    query_key_value: Linear,
    past_out: Linear,
    sound_norm: Norm,
    sound_query: Linear,
    sound_out: Linear,
    feed_norm: Norm,
    feed_in: Linear,
    feed_out: Linear,
}

/// All layers of a decoder.
pub(super) struct Layers(Vec<Layer>);

/// The table of token embeddings, left in the file's format: only a few rows are read per step.
struct Embeddings {
    format: Format,
    row_bytes: usize,
    bytes: Vec<u8>,
}

/// The decoder's weights.
pub struct Decoder {
    level: Level,
    precisions: Precisions,
    width: usize,
    embeddings: Embeddings,
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    head: Packed,
}

/// Keys and values of what one text consists of so far.
#[derive(Clone)]
pub struct Past {
    layers: Vec<KeyValues>,
    tokens: Vec<u32>,
}

/// One token to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Index of the text it continues.
    pub past: usize,
    /// The token.
    pub token: u32,
    /// Whether the logits behind it are wanted.
    pub logits: bool,
}

/// The share of one window in a step.
pub struct Feed<'a> {
    /// What the window sounds like.
    pub heard: &'a Heard,
    /// Its texts.
    pub pasts: &'a mut [Past],
    /// The tokens to read; those of one text in order.
    pub rows: &'a [Row],
}

/// Buffers of one step, kept from step to step.
#[derive(Default)]
pub struct Work {
    states: Vec<f32>,
    normal: Vec<f32>,
    joined: Vec<f32>,
    wide: Vec<f32>,
    watch: Option<Watch>,
    /// Logits of the rows that wanted them, in the order of feeds and rows; behind them, what earlier steps left.
    pub logits: Vec<f32>,
}

/// Heads whose attention over the sound is written down.
struct Watch {
    heads: Vec<Head>,
    /// Per head: rows × positions.
    weights: Vec<Vec<f32>>,
}

impl Past {
    /// Returns how many tokens it has read.
    pub fn length(&self) -> usize {
        self.tokens.len()
    }

    /// Becomes a copy of another text; the common beginning is left as it is.
    pub fn follow(&mut self, other: &Self) {
        let common = self.tokens.iter().zip(&other.tokens).take_while(|(own, other)| own == other).count();
        for (own, other) in self.layers.iter_mut().zip(&other.layers) {
            own.copy_tail(other, common);
        }
        self.tokens.truncate(common);
        self.tokens.extend_from_slice(&other.tokens[common..]);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.tokens.clear();
        for layer in &mut self.layers {
            layer.truncate(0);
        }
    }
}

impl Decoder {
    /// Reads the layers, but for keys and values over the sound, which are the encoder's.
    pub(super) fn read_layers(source: &Source<'_>, precisions: Precisions) -> Result<Layers, LoadError> {
        let layer = |index| Layer::read(source, &format!("decoder.blocks.{index}"), precisions);
        (0..source.model.dims.text_layers).map(layer).collect::<Result<_, _>>().map(Layers)
    }

    /// Reads what is small, and joins it with the two parts that take long.
    pub(super) fn read(
        source: &Source<'_>,
        precisions: Precisions,
        Layers(layers): Layers,
        head: Packed,
    ) -> Result<Self, LoadError> {
        let dims = source.model.dims;
        Ok(Self {
            level: source.level,
            precisions,
            width: dims.state,
            embeddings: Embeddings::read(source, TOKEN_TABLE)?,
            positions: source.values("decoder.positional_embedding")?,
            layers,
            norm: source.norm("decoder.ln")?,
            head,
        })
    }

    /// Packs the token table as the last linear layer, half of all weights the decoder reads in a step.
    pub(super) fn read_head(source: &Source<'_>, precision: Precision) -> Result<Packed, LoadError> {
        let dims = source.model.dims;
        Ok(Packed::pack(source.level, precision, dims.vocab, dims.state, &source.values(TOKEN_TABLE)?))
    }

    /// Makes an empty text that can grow to `capacity` tokens.
    pub fn past(&self, capacity: usize) -> Past {
        let heads = self.width / HEAD;
        let store = || KeyValues::new(self.level, self.precisions.past, capacity, heads);
        Past {
            layers: (0..self.layers.len()).map(|_| store()).collect(),
            tokens: Vec::with_capacity(capacity),
        }
    }

    /// Returns how many tokens a text may have, its prompt included.
    pub fn positions(&self) -> usize {
        self.positions.len() / self.width
    }

    /// Returns the number of logits per row.
    pub fn vocabulary(&self) -> usize {
        self.head.n()
    }

    /// Reads all rows of all feeds; the logits asked for are in `work` afterwards.
    ///
    /// Range: a row's result depends on nothing but its own window and past.
    pub fn step(&self, feeds: &mut [Feed<'_>], work: &mut Work, scratch: &mut Scratch) {
        self.embed(feeds, work);
        let rows = work.states.len() / self.width;
        work.normal.resize(rows * self.width, 0.0);
        work.joined.resize(rows * self.width * 3, 0.0);
        work.wide.resize(rows * self.width * 4, 0.0);
        for (index, layer) in self.layers.iter().enumerate() {
            layer.look_back(index, feeds, work, scratch);
            layer.listen(index, feeds, work, scratch);
            layer.feed_forward(work, scratch);
        }
        for feed in feeds.iter_mut() {
            for row in feed.rows {
                feed.pasts[row.past].tokens.push(row.token);
            }
        }
        self.head(feeds, work, scratch);
    }

    /// Reads a whole text of one window and returns what `heads` looked at meanwhile.
    ///
    /// Range: the first `positions` positions of the sound; the rest is silence behind it.
    pub fn glances(
        &self,
        heard: &Heard,
        text: &[u32],
        heads: &[Head],
        positions: usize,
        scratch: &mut Scratch,
    ) -> Glances {
        let rows: Vec<Row> = text.iter().map(|token| Row { past: 0, token: *token, logits: false }).collect();
        let watch = Watch { heads: heads.to_vec(), weights: vec![Vec::new(); heads.len()] };
        let mut work = Work { watch: Some(watch), ..Work::default() };
        let mut pasts = [self.past(text.len())];
        self.step(&mut [Feed { heard, pasts: &mut pasts, rows: &rows }], &mut work, scratch);
        let all = heard.layers.first().map_or(0, KeyValues::len);
        let positions = positions.min(all);
        let seen = work.watch.into_iter().flat_map(|watch| watch.weights);
        let weights = seen.flat_map(|head| cut_columns(&head, all, positions)).collect();
        Glances { weights, tokens: text.len(), positions }
    }

    /// Fills the states with embeddings and positions.
    fn embed(&self, feeds: &[Feed<'_>], work: &mut Work) {
        work.states.clear();
        for feed in feeds {
            let mut lengths: Vec<usize> = feed.pasts.iter().map(Past::length).collect();
            for row in feed.rows {
                let start = work.states.len();
                self.embeddings.append(row.token, &mut work.states);
                let position = &self.positions[lengths[row.past] * self.width..][..self.width];
                work.states[start..]
                    .iter_mut()
                    .zip(position)
                    .for_each(|(value, position)| *value += position);
                lengths[row.past] += 1;
            }
        }
    }

    /// Computes the logits of the rows that want them.
    fn head(&self, feeds: &[Feed<'_>], work: &mut Work, scratch: &mut Scratch) {
        let rows = feeds.iter().flat_map(|feed| feed.rows);
        let wanted = rows.zip(work.states.chunks_exact(self.width)).filter(|(row, _)| row.logits);
        let chosen: Vec<f32> = wanted.flat_map(|(_, state)| state).copied().collect();
        let normal = &mut work.normal[..chosen.len()];
        self.norm.apply(&chosen, normal);
        let rows = chosen.len() / self.width; // none while a text is only read
        let count = rows * self.head.n();
        if work.logits.len() < count {
            work.logits.resize(count, 0.0);
        }
        linear(normal, rows, &self.head, None, Tail::None, &mut work.logits[..count], scratch);
    }
}

impl Layer {
    fn read(source: &Source<'_>, block: &str, precisions: Precisions) -> Result<Self, LoadError> {
        let linear = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("{block}.{name}")).collect();
            source.linear(&names, precisions.decoder)
        };
        Ok(Self {
            past_norm: source.norm(&format!("{block}.attn_ln"))?,
            query_key_value: linear(&["attn.query", "attn.key", "attn.value"])?,
            past_out: linear(&["attn.out"])?,
            sound_norm: source.norm(&format!("{block}.cross_attn_ln"))?,
            sound_query: linear(&["cross_attn.query"])?,
            sound_out: linear(&["cross_attn.out"])?,
            feed_norm: source.norm(&format!("{block}.mlp_ln"))?,
            feed_in: linear(&["mlp.0"])?,
            feed_out: linear(&["mlp.2"])?,
        })
    }

    /// Attention over the own past, the row itself included.
    fn look_back(&self, index: usize, feeds: &mut [Feed<'_>], work: &mut Work, scratch: &mut Scratch) {
        let width = self.past_out.weight.n();
        self.past_norm.apply(&work.states, &mut work.normal);
        self.query_key_value.apply(&work.normal, Tail::None, &mut work.joined, scratch);
        let mut joined = work.joined.chunks_exact(3 * width);
        let mut outs = work.normal.chunks_exact_mut(width);
        for feed in feeds {
            let heads = 0..width / HEAD;
            for (row, (joined, out)) in feed.rows.iter().zip(joined.by_ref().zip(outs.by_ref())) {
                let keys = &mut feed.pasts[row.past].layers[index];
                keys.extend(
                    View::new(&joined[width..2 * width], width),
                    View::new(&joined[2 * width..], width),
                );
                attend(&joined[..width], 1, keys, heads.clone(), out, None, scratch);
            }
        }
        add(&self.past_out, work, scratch);
    }

    /// Attention over the sound: all rows of a window read its keys and values once.
    fn listen(&self, index: usize, feeds: &[Feed<'_>], work: &mut Work, scratch: &mut Scratch) {
        let width = self.sound_out.weight.n();
        self.sound_norm.apply(&work.states, &mut work.normal);
        let queries = &mut work.joined[..work.normal.len()];
        self.sound_query.apply(&work.normal, Tail::None, queries, scratch);
        let mut start = 0;
        for feed in feeds {
            let end = start + feed.rows.len() * width;
            let (q, rows, keys) = (&queries[start..end], feed.rows.len(), &feed.heard.layers[index]);
            attend(q, rows, keys, 0..width / HEAD, &mut work.normal[start..end], None, scratch);
            if let Some(watch) = &mut work.watch {
                watch.look(index, q, rows, keys, scratch);
            }
            start = end;
        }
        add(&self.sound_out, work, scratch);
    }

    fn feed_forward(&self, work: &mut Work, scratch: &mut Scratch) {
        self.feed_norm.apply(&work.states, &mut work.normal);
        self.feed_in.apply(&work.normal, Tail::Gelu, &mut work.wide, scratch);
        let out = &mut work.joined[..work.states.len()];
        self.feed_out.apply(&work.wide, Tail::Add(&work.states), out, scratch);
        work.states.copy_from_slice(out);
    }
}

impl Watch {
    /// Writes down the weights of the watched heads of one layer.
    fn look(&mut self, layer: usize, q: &[f32], rows: usize, keys: &KeyValues, scratch: &mut Scratch) {
        let mut out = vec![0.0; rows * HEAD];
        for (&(_, head), weights) in
            self.heads.iter().zip(&mut self.weights).filter(|((of, _), _)| *of == layer)
        {
            weights.resize(rows * keys.len(), 0.0);
            attend(q, rows, keys, head..head + 1, &mut out, Some(weights), scratch);
        }
    }
}

/// Keeps the first `kept` columns of rows of `columns`.
fn cut_columns(values: &[f32], columns: usize, kept: usize) -> Vec<f32> {
    values.chunks_exact(columns.max(1)).flat_map(|row| &row[..kept]).copied().collect()
}

/// Adds a layer over `normal` to the states.
fn add(layer: &Linear, work: &mut Work, scratch: &mut Scratch) {
    let out = &mut work.joined[..work.states.len()];
    layer.apply(&work.normal, Tail::Add(&work.states), out, scratch);
    work.states.copy_from_slice(out);
}

impl Embeddings {
    fn read(source: &Source<'_>, name: &str) -> Result<Self, LoadError> {
        let tensor = source.model.tensor(name)?;
        let row_bytes = tensor.data.len() / source.model.dims.vocab;
        Ok(Self { format: tensor.format, row_bytes, bytes: tensor.data.to_vec() })
    }

    fn append(&self, token: u32, out: &mut Vec<f32>) {
        let start = token as usize * self.row_bytes;
        self.format.decode(&self.bytes[start..start + self.row_bytes], out);
    }
}
