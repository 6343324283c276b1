//! The space in which one recording's speakers lie apart, learned from the recording itself.
//!
//! Two windows a moment apart are mostly of one speaker: how they differ shows what changes within a voice (sounds,
//! noise, the room). What differs more over the whole recording than within such moments tells speakers apart.

use super::Voiced;
use super::alike::Alike;
use super::matrix::{Square, dot};

/// Directions that are kept.
const DIRECTIONS: usize = 24;

/// Two windows so far apart share little sound, milliseconds.
const MOMENT_MS_MIN: u64 = 800;
/// Two windows further apart may be of two speakers, milliseconds.
const MOMENT_MS_MAX: u64 = 2_000;

/// Share of the moments that are left out because their two windows differ most: there the speaker changes.
const CHANGES: f64 = 0.1;

/// Fewer moments than this say nothing about a voice.
const MOMENTS_MIN: usize = 30;

/// Most moments looked at; of a longer recording evenly spread ones.
const MOMENTS_MAX: usize = 20_000;

/// Share of all differences that is taken for differences within a voice when there are too few moments.
const WITHIN_SHARE: f64 = 0.3;

/// What is added to the differences within a voice in every direction, so that none counts that was hardly seen.
///
/// Source: own bench, 36 recordings with 1 to 8 speakers; see benches/README.md.
const SMOOTHING: f64 = 0.3 / 20.0;

/// Windows as points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Points {
    /// One point a window; within a voice they scatter by about 1 in every direction.
    pub points: Vec<Vec<f64>>,
    /// How far the voices scatter in each direction, as a variance: the largest first.
    pub between: Vec<f64>,
}

impl Points {
    /// Learns the space of a recording; nothing if its windows do not differ at all.
    pub fn of<V: Alike>(windows: &[Voiced<V>]) -> Option<Self> {
        let centred = centred(windows);
        let dimensions = centred.first()?.len();
        let mut whole = Square::zero(dimensions);
        for vector in &centred {
            whole.add_outer(vector, 1.0 / centred.len() as f64);
        }
        let mut within = within(windows, &centred).unwrap_or_else(|| {
            let mut share = whole.clone();
            share.scale(WITHIN_SHARE);
            share
        });
        within.add_diagonal(SMOOTHING * within.trace());
        let root = within.root()?;
        let found = whitened(&whole, &root).largest(DIRECTIONS);
        let (mut between, mut directions) = (Vec::new(), Vec::new());
        for (value, mut direction) in found {
            root.backward(&mut direction);
            between.push((value - 1.0).max(1e-3));
            directions.push(direction);
        }
        let point = |vector: &Vec<f64>| directions.iter().map(|direction| dot(direction, vector)).collect();
        Some(Self { points: centred.iter().map(point).collect(), between })
    }
}

/// Returns the voices with their middle taken away.
fn centred<V: Alike>(windows: &[Voiced<V>]) -> Vec<Vec<f64>> {
    let dimensions = windows.first().map_or(0, |window| window.voice.numbers().len());
    let mut middle = vec![0.0; dimensions];
    for window in windows {
        for (sum, value) in middle.iter_mut().zip(window.voice.numbers()) {
            *sum += f64::from(*value) / windows.len() as f64;
        }
    }
    let centre = |window: &Voiced<V>| {
        window.voice.numbers().iter().zip(&middle).map(|(value, middle)| f64::from(*value) - middle).collect()
    };
    windows.iter().map(centre).collect()
}

/// Returns how windows differ that are a moment apart; nothing if there are too few.
fn within<V: Alike>(windows: &[Voiced<V>], centred: &[Vec<f64>]) -> Option<Square> {
    let mut moments = Vec::new();
    for (first, window) in windows.iter().enumerate() {
        for (second, other) in windows.iter().enumerate().skip(first + 1) {
            // A stretch shorter than a window reaches back, perhaps before the window in front of it.
            let apart_ms = other.span.start().ms().saturating_sub(window.span.start().ms());
            if apart_ms > MOMENT_MS_MAX {
                break;
            }
            // What lies behind a pause is of another stretch, and may be of another speaker.
            if apart_ms >= MOMENT_MS_MIN && other.stretch == window.stretch {
                moments.push((first, second));
            }
        }
    }
    let every = moments.len().div_ceil(MOMENTS_MAX).max(1);
    let difference = |(first, second): &(usize, usize)| -> Vec<f64> {
        centred[*first].iter().zip(&centred[*second]).map(|(a, b)| a - b).collect()
    };
    let differences = moments.iter().step_by(every).map(difference);
    let mut sized: Vec<(f64, Vec<f64>)> = differences.map(|one| (dot(&one, &one), one)).collect();
    if sized.len() < MOMENTS_MIN {
        return None;
    }
    sized.sort_by(|a, b| a.0.total_cmp(&b.0));
    sized.truncate((sized.len() as f64 * (1.0 - CHANGES)).ceil() as usize);
    let mut within = Square::zero(centred.first()?.len());
    for (_, difference) in &sized {
        // Half: both windows scatter.
        within.add_outer(difference, 0.5 / sized.len() as f64);
    }
    Some(within)
}

/// Returns `L⁻¹·matrix·L⁻ᵀ`.
fn whitened(matrix: &Square, root: &Square) -> Square {
    let mut rows = matrix.clone();
    for row in rows.values.chunks_exact_mut(matrix.size) {
        root.forward(row);
    }
    let mut turned = Square::zero(matrix.size);
    for row in 0..matrix.size {
        for column in 0..matrix.size {
            turned.values[column * matrix.size + row] = rows.values[row * matrix.size + column];
        }
    }
    for row in turned.values.chunks_exact_mut(matrix.size) {
        root.forward(row);
    }
    turned
}
