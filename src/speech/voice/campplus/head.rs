//! The two-dimensional part: small patches of time and pitch.

use super::fbank::BANDS;
use super::weights::{HEAD, Norm, PLANES};
use crate::speech::model::tensors::Tensors;
use crate::speech::native::kernels::{Level, Packed, Precision, Scratch, Tail, linear};

/// Patches that are multiplied at once, so that they stay in cache.
const PATCHES: usize = 160;

/// Values in a channel of a patch: three by three.
const PATCH: usize = 9;

/// The convolutions.
#[derive(Debug)]
pub(super) struct Head {
    first: Conv,
    blocks: [Block; 4],
    last: Conv,
}

/// Memory of [`Head::run`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct Work {
    patches: Vec<f32>,
    sums: Vec<f32>,
    residual: Vec<f32>,
    scratch: Scratch,
    planes: [Plane; 4],
}

/// Frames of bands of channels, with zeros around time and bands, so that every patch is there.
#[derive(Debug, Default)]
struct Plane {
    values: Vec<f32>,
    frames: usize,
    bands: usize,
    channels: usize,
}

impl Plane {
    /// Makes room for frames; what lies around them is zero.
    fn shape(&mut self, frames: usize, bands: usize, channels: usize) {
        self.values.clear();
        self.values.resize((frames + 2) * (bands + 2) * channels, 0.0);
        (self.frames, self.bands, self.channels) = (frames, bands, channels);
    }

    /// Returns where a frame's first band begins, the frame in front of the first being frame 0.
    fn row(&self, frame: usize) -> usize {
        (frame * (self.bands + 2) + 1) * self.channels
    }

    fn frame(&self, frame: usize) -> &[f32] {
        &self.values[self.row(frame + 1)..][..self.bands * self.channels]
    }
}

impl Head {
    /// Takes the tensors.
    pub fn new(weights: &Tensors, level: Level) -> Self {
        let conv = |name: &str, norm: &str, step| Conv::new(weights, name, norm, step, level);
        let block = |name: &str, step| Block {
            first: conv(&format!("head.{name}.conv1"), &format!("head.{name}.bn1"), step),
            second: conv(&format!("head.{name}.conv2"), &format!("head.{name}.bn2"), 1),
            shortcut: (step > 1)
                .then(|| conv(&format!("head.{name}.shortcut.0"), &format!("head.{name}.shortcut.1"), step)),
        };
        Self {
            first: conv("head.conv1", "head.bn1", 1),
            blocks: [block("layer1.0", 2), block("layer1.1", 1), block("layer2.0", 2), block("layer2.1", 1)],
            last: conv("head.conv2", "head.bn2", 2),
        }
    }

    /// Computes frames of [`BANDS`] values to frames of [`HEAD`]: band after band, in each its channels.
    pub fn run(&self, frames: &[f32], out: &mut Vec<f32>, work: &mut Work) {
        let count = frames.len() / BANDS;
        let mut planes = std::mem::take(&mut work.planes);
        let [here, next, inner, side] = &mut planes;
        here.shape(count, BANDS, 1);
        for (index, row) in frames.chunks_exact(BANDS).enumerate() {
            let at = here.row(index + 1);
            here.values[at..at + BANDS].copy_from_slice(row);
        }
        self.first.run(here, None, true, next, work);
        std::mem::swap(here, next);
        for block in &self.blocks {
            block.first.run(here, None, true, inner, work);
            if let Some(shortcut) = &block.shortcut {
                shortcut.run(here, None, false, side, work);
                block.second.run(inner, Some(side), true, next, work);
            } else {
                block.second.run(inner, Some(here), true, next, work);
            }
            std::mem::swap(here, next);
        }
        self.last.run(here, None, true, next, work);
        out.clear();
        (0..count).for_each(|frame| out.extend_from_slice(next.frame(frame)));
        debug_assert_eq!(out.len(), count * HEAD);
        work.planes = planes;
    }
}

/// Two convolutions beside which the input goes past.
#[derive(Debug)]
struct Block {
    first: Conv,
    second: Conv,
    shortcut: Option<Conv>,
}

/// A convolution over patches of three by three, or over single places, and its norm.
#[derive(Debug)]
struct Conv {
    matrix: Packed,
    bias: Vec<f32>,
    /// Every so many bands there is a patch.
    step: usize,
    /// Places in a patch, in each direction: 3 or 1.
    reach: usize,
}

impl Conv {
    fn new(weights: &Tensors, name: &str, norm: &str, step: usize, level: Level) -> Self {
        let stored = weights.get(&format!("{name}.weight"));
        let wide = stored.len() / PLANES;
        let reach = if wide.is_multiple_of(PATCH) { 3 } else { 1 };
        let (places, channels) = (reach * reach, wide / (reach * reach));
        // Stored: channel, band, time. A patch here: time, band, channel.
        let value = |row: &[f32], at: usize| {
            let (place, channel) = (at / channels, at % channels);
            let (time, band) = (place / reach, place % reach);
            row[channel * places + band * reach + time]
        };
        let ordered = stored.chunks_exact(wide).flat_map(|row| (0..wide).map(move |at| value(row, at)));
        let (rows, bias) = Norm::of(weights, norm).into_rows(ordered.collect());
        Self { matrix: Packed::pack(level, Precision::F32, PLANES, wide, &rows), bias, step, reach }
    }

    /// Computes a plane; `residual` has its shape and is added before what is negative is dropped.
    fn run(&self, x: &Plane, residual: Option<&Plane>, rectify: bool, out: &mut Plane, work: &mut Work) {
        let bands = x.bands.div_ceil(self.step);
        out.shape(x.frames, bands, PLANES);
        let Work { patches, sums, residual: added, scratch, .. } = work;
        let frames_at_once = (PATCHES / bands).max(1);
        for first in (0..x.frames).step_by(frames_at_once) {
            let frames = first..x.frames.min(first + frames_at_once);
            let rows = frames.len() * bands;
            patches.clear();
            frames.clone().for_each(|frame| self.gather(x, frame, bands, patches));
            added.clear();
            if let Some(residual) = residual {
                frames.clone().for_each(|frame| added.extend_from_slice(residual.frame(frame)));
            }
            let tail = if residual.is_some() { Tail::Add(added) } else { Tail::None };
            sums.resize(rows * PLANES, 0.0);
            linear(patches, rows, &self.matrix, Some(&self.bias), tail, sums, scratch);
            if rectify {
                sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
            }
            for (frame, sums) in frames.zip(sums.chunks_exact(bands * PLANES)) {
                let at = out.row(frame + 1);
                out.values[at..at + sums.len()].copy_from_slice(sums);
            }
        }
    }

    fn gather(&self, x: &Plane, frame: usize, bands: usize, patches: &mut Vec<f32>) {
        let half = self.reach / 2;
        let width = self.reach * x.channels;
        for band in 0..bands {
            for time in 0..self.reach {
                let at = x.row(frame + 1 + time - half) + band * self.step * x.channels - half * x.channels;
                patches.extend_from_slice(&x.values[at..at + width]);
            }
        }
    }
}
