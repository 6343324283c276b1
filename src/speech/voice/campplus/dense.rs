//! The one-dimensional part: layers that each see all that the layers before them found, under a mask of their own.

use super::weights::{BLOCKS, GROWTH, HEAD, LAST, MASK, NARROW, Norm, TAPS};
use crate::audio::vad::sigmoid;
use crate::speech::model::tensors::Tensors;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// Frames that share a mask: a second.
///
/// Source: the published network, `seg_len`.
const SEGMENT_FRAMES: usize = 100;

/// The layers.
#[derive(Debug)]
pub(super) struct Dense {
    first: Matrix,
    blocks: Vec<Block>,
}

/// Memory of [`Dense::run`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct Work {
    rows: Vec<f32>,
    found: Vec<f32>,
    narrow: Vec<f32>,
    added: Vec<f32>,
    scratch: Scratch,
}

/// A matrix and what is added.
#[derive(Debug)]
struct Matrix {
    packed: Packed,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Block {
    layers: Vec<Layer>,
    norm: Norm,
    transit: Matrix,
}

/// A layer: narrows all channels, looks at three frames, and masks what it sees by what the second and the whole sound like.
#[derive(Debug)]
struct Layer {
    norm: Norm,
    narrow: Matrix,
    local: Matrix,
    dilation: usize,
    hidden: Plain,
    mask: Plain,
}

/// A small matrix for single rows.
#[derive(Debug)]
struct Plain {
    rows: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    /// Takes the tensors.
    pub fn new(weights: &Tensors, level: Level) -> Self {
        let block = |(index, (layers, dilation)): (usize, (usize, usize))| {
            Block::new(weights, index + 1, layers, dilation, level)
        };
        Self { first: first(weights, level), blocks: BLOCKS.into_iter().enumerate().map(block).collect() }
    }

    /// Computes frames of [`HEAD`] values to half as many of [`LAST`].
    pub fn run(&self, x: &[f32], out: &mut Vec<f32>, work: &mut Work) {
        let frames = (x.len() / HEAD).div_ceil(2);
        self.begin(x, frames, out, work);
        for block in &self.blocks {
            block.run(out, frames, work);
        }
        rectify(out);
    }

    /// Looks at five frames at once, at every second one.
    fn begin(&self, x: &[f32], frames: usize, out: &mut Vec<f32>, work: &mut Work) {
        let half = TAPS / 2 * HEAD;
        let mut padded = vec![0.0; half];
        padded.extend_from_slice(x);
        padded.resize(padded.len() + half + HEAD, 0.0);
        work.rows.clear();
        for frame in 0..frames {
            work.rows.extend_from_slice(&padded[2 * frame * HEAD..][..TAPS * HEAD]);
        }
        self.first.run(&work.rows, frames, out, &mut work.scratch);
        rectify(out);
    }
}

fn first(weights: &Tensors, level: Level) -> Matrix {
    // Stored: channel and band, tap. A row here: tap, band, channel.
    let (planes, bands) = (super::weights::PLANES, HEAD / super::weights::PLANES);
    let value = |row: &[f32], at: usize| {
        let (tap, band, plane) = (at / HEAD, at % HEAD / planes, at % planes);
        row[(plane * bands + band) * TAPS + tap]
    };
    let stored = weights.get("xvector.tdnn.linear.weight").chunks_exact(HEAD * TAPS);
    let rows = stored.flat_map(|row| (0..HEAD * TAPS).map(move |at| value(row, at))).collect();
    Matrix::normed(rows, Norm::of(weights, "xvector.tdnn.nonlinear.batchnorm"), level)
}

impl Matrix {
    fn new(rows: &[f32], bias: Vec<f32>, level: Level) -> Self {
        let packed = Packed::pack(level, Precision::F32, bias.len(), rows.len() / bias.len(), rows);
        Self { packed, bias }
    }

    /// Takes a matrix with the norm behind it.
    fn normed(rows: Vec<f32>, norm: Norm, level: Level) -> Self {
        let (rows, bias) = norm.into_rows(rows);
        Self::new(&rows, bias, level)
    }

    fn run(&self, x: &[f32], rows: usize, out: &mut Vec<f32>, scratch: &mut Scratch) {
        out.resize(rows * self.packed.n(), 0.0);
        linear(x, rows, &self.packed, Some(&self.bias), Tail::None, out, scratch);
    }
}

fn rectify(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = value.max(0.0));
}

impl Block {
    fn new(weights: &Tensors, index: usize, layers: usize, dilation: usize, level: Level) -> Self {
        let layer = |at: usize| {
            Layer::new(weights, &format!("xvector.block{index}.tdnnd{}", at + 1), dilation, level)
        };
        let rows = weights.get(&format!("xvector.transit{index}.linear.weight"));
        let norm = Norm::of(weights, &format!("xvector.transit{index}.nonlinear.batchnorm"));
        let transit = if index == BLOCKS.len() {
            Matrix::normed(rows.to_vec(), Norm::of(weights, "xvector.out_nonlinear.batchnorm"), level)
        } else {
            Matrix::new(rows, vec![0.0; norm.scale.len() / 2], level)
        };
        Self { layers: (0..layers).map(layer).collect(), norm, transit }
    }

    /// Lets the frames grow by what each layer adds, then halves their channels.
    fn run(&self, x: &mut Vec<f32>, frames: usize, work: &mut Work) {
        for layer in &self.layers {
            layer.run(x, frames, work);
        }
        work.found.resize(x.len(), 0.0);
        self.norm.rectified(x, &mut work.found);
        self.transit.run(&work.found, frames, x, &mut work.scratch);
    }
}

impl Layer {
    fn new(weights: &Tensors, name: &str, dilation: usize, level: Level) -> Self {
        let tensor = |kind: &str| weights.get(&format!("{name}.{kind}"));
        // Stored: channel, tap. A row here: tap, channel.
        let stored = tensor("cam_layer.linear_local.weight").chunks_exact(3 * NARROW);
        let local: Vec<f32> =
            stored.flat_map(|row| (0..3 * NARROW).map(|at| row[at % NARROW * 3 + at / NARROW])).collect();
        let narrow = Norm::of(weights, &format!("{name}.nonlinear2.batchnorm"));
        let plain = |kind: &str| Plain {
            rows: tensor(&format!("cam_layer.{kind}.weight")).to_vec(),
            bias: tensor(&format!("cam_layer.{kind}.bias")).to_vec(),
        };
        Self {
            norm: Norm::of(weights, &format!("{name}.nonlinear1.batchnorm")),
            narrow: Matrix::normed(tensor("linear1.weight").to_vec(), narrow, level),
            local: Matrix::new(&local, vec![0.0; GROWTH], level),
            dilation,
            hidden: plain("linear1"),
            mask: plain("linear2"),
        }
    }

    fn run(&self, x: &mut Vec<f32>, frames: usize, work: &mut Work) {
        let Work { rows, found, narrow, added, scratch } = work;
        found.resize(x.len(), 0.0);
        self.norm.rectified(x, found);
        self.narrow.run(found, frames, narrow, scratch);
        rectify(narrow);
        self.beside_each_other(narrow, frames, rows);
        self.local.run(rows, frames, added, scratch);
        self.masked(narrow, added);
        append(x, added, frames);
    }

    /// Lays each frame between the ones before and behind it; outside of the sound there is nothing.
    fn beside_each_other(&self, narrow: &[f32], frames: usize, rows: &mut Vec<f32>) {
        rows.clear();
        for frame in 0..frames {
            for place in [frame.checked_sub(self.dilation), Some(frame), Some(frame + self.dilation)] {
                match place.filter(|place| *place < frames) {
                    Some(place) => rows.extend_from_slice(&narrow[place * NARROW..][..NARROW]),
                    None => rows.extend_from_slice(&[0.0; NARROW]),
                }
            }
        }
    }

    fn masked(&self, narrow: &[f32], added: &mut [f32]) {
        let whole = mean(narrow);
        let seconds = narrow.chunks(SEGMENT_FRAMES * NARROW).zip(added.chunks_mut(SEGMENT_FRAMES * GROWTH));
        for (second, added) in seconds {
            let context: Vec<f32> = mean(second).iter().zip(&whole).map(|(own, whole)| own + whole).collect();
            let (mut hidden, mut mask) = ([0.0; MASK], [0.0; GROWTH]);
            self.hidden.run(&context, &mut hidden);
            rectify(&mut hidden);
            self.mask.run(&hidden, &mut mask);
            mask = mask.map(sigmoid);
            for frame in added.chunks_exact_mut(GROWTH) {
                frame.iter_mut().zip(&mask).for_each(|(value, mask)| *value *= mask);
            }
        }
    }
}

impl Plain {
    fn run(&self, x: &[f32], out: &mut [f32]) {
        for ((out, row), bias) in out.iter_mut().zip(self.rows.chunks_exact(x.len())).zip(&self.bias) {
            *out = bias + row.iter().zip(x).map(|(weight, x)| weight * x).sum::<f32>();
        }
    }
}

/// Returns the mean of frames of [`NARROW`] values.
fn mean(frames: &[f32]) -> [f32; NARROW] {
    let mut sums = [0.0; NARROW];
    for frame in frames.chunks_exact(NARROW) {
        sums.iter_mut().zip(frame).for_each(|(sum, value)| *sum += value);
    }
    let count = (frames.len() / NARROW).max(1) as f32;
    sums.map(|sum| sum / count)
}

/// Makes each frame longer by what a layer found.
fn append(x: &mut Vec<f32>, added: &[f32], frames: usize) {
    let (before, after) = (x.len() / frames, x.len() / frames + GROWTH);
    x.resize(frames * after, 0.0);
    for frame in (0..frames).rev() {
        x.copy_within(frame * before..(frame + 1) * before, frame * after);
        x[frame * after + before..][..GROWTH].copy_from_slice(&added[frame * GROWTH..][..GROWTH]);
    }
}

/// Returns mean and spread of each channel over all frames.
///
/// Range: the spread over a single frame is taken for 0.01, as in the published network.
pub(super) fn statistics(frames: &[f32]) -> Vec<f32> {
    let count = frames.len() / LAST;
    let mut out = vec![0.0; 2 * LAST];
    let (means, spreads) = out.split_at_mut(LAST);
    for channel in 0..LAST {
        let values = || frames.iter().skip(channel).step_by(LAST).map(|value| f64::from(*value));
        let mean = values().sum::<f64>() / count.max(1) as f64;
        let square: f64 = values().map(|value| (value - mean).powi(2)).sum();
        means[channel] = mean as f32;
        spreads[channel] = if count > 1 { (square / (count - 1) as f64).sqrt() as f32 } else { 0.01 };
    }
    out
}
