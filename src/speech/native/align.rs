//! When each token was spoken, read off the heads of the decoder that follow the sound.
//!
//! Source: Whisper's `timing.py`: weights of the alignment heads, normalised over the tokens, smoothed by a median,
//! averaged, and crossed by the cheapest path (dynamic time warping).

use crate::speech::model::layout::Dims;

/// Frames the median looks at.
const MEDIAN_FRAMES: usize = 7;

/// Milliseconds per encoder position.
pub const POSITION_MS: u64 = 20;

/// A head of the decoder: layer and number.
pub type Head = (usize, usize);

/// Returns the heads known to follow the sound; for unknown sizes all of the upper half.
///
/// Source: the table published with Whisper; large is taken for large-v2 or v3, by its mel bands.
pub fn heads(dims: Dims) -> Vec<Head> {
    match (dims.audio_layers, dims.text_layers, dims.mels) {
        (4, 4, 80) => vec![(2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)],
        (6, 6, 80) => vec![(3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)],
        (12, 12, 80) => {
            vec![(5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5)]
        }
        (24, 24, 80) => vec![(13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)],
        (32, 32, 80) => LARGE_V2.to_vec(),
        (32, 32, 128) => {
            vec![(7, 0), (10, 17), (12, 18), (13, 12), (16, 1), (17, 14), (19, 11), (21, 4), (24, 1), (25, 6)]
        }
        (32, 4, 128) => vec![(2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)],
        _ => upper_half(dims),
    }
}

const LARGE_V2: [Head; 23] = [
    (10, 12),
    (13, 17),
    (16, 11),
    (16, 12),
    (16, 13),
    (17, 15),
    (17, 16),
    (18, 4),
    (18, 11),
    (18, 19),
    (19, 11),
    (21, 2),
    (21, 3),
    (22, 3),
    (22, 9),
    (22, 12),
    (23, 5),
    (23, 7),
    (23, 13),
    (25, 5),
    (26, 1),
    (26, 12),
    (27, 15),
];

fn upper_half(dims: Dims) -> Vec<Head> {
    let layers = dims.text_layers / 2..dims.text_layers;
    layers.flat_map(|layer| (0..dims.heads()).map(move |head| (layer, head))).collect()
}

/// What the alignment heads looked at while the decoder read a text.
///
/// Shape: `weights` is heads × tokens × positions.
#[derive(Debug, Clone)]
pub struct Glances {
    /// Attention weights.
    pub weights: Vec<f32>,
    /// Tokens read.
    pub tokens: usize,
    /// Positions of the sound that count: silence behind it is cut off.
    pub positions: usize,
}

/// Returns when each of the tokens `first..` begins, in milliseconds; never going back.
pub fn begins_ms(mut glances: Glances, first: usize) -> Vec<u64> {
    let (tokens, positions) = (glances.tokens, glances.positions);
    if first >= tokens || positions == 0 {
        return Vec::new();
    }
    let mut mean = vec![0.0; tokens * positions];
    for head in glances.weights.chunks_exact_mut(tokens * positions) {
        normalise(head, positions);
        for row in head.chunks_exact_mut(positions) {
            smooth(row);
        }
        mean.iter_mut().zip(head).for_each(|(sum, value)| *sum += *value);
    }
    let begins = path(&mean[first * positions..], positions);
    begins.into_iter().map(|position| position as u64 * POSITION_MS).collect()
}

/// Makes each token's weights sum to 1 over the sound, then gives each position mean 0 and deviation 1 over the tokens.
fn normalise(head: &mut [f32], positions: usize) {
    let rows = head.len() / positions;
    for row in head.chunks_exact_mut(positions) {
        let sum = row.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|value| *value /= sum);
    }
    for position in 0..positions {
        let column = || (0..rows).map(|row| row * positions + position);
        let mean = column().map(|at| head[at]).sum::<f32>() / rows as f32;
        let variance = column().map(|at| (head[at] - mean).powi(2)).sum::<f32>() / rows as f32;
        let scale = 1.0 / variance.sqrt().max(1e-12);
        for at in column() {
            head[at] = (head[at] - mean) * scale;
        }
    }
}

/// Replaces each value by the median around it; the ends are mirrored.
fn smooth(row: &mut [f32]) {
    let half = MEDIAN_FRAMES / 2;
    if row.len() <= half {
        return;
    }
    let last = row.len() - 1;
    let mirrored = |index: isize| {
        let index = index.unsigned_abs();
        if index > last { 2 * last - index } else { index }
    };
    let source = row.to_vec();
    for (index, value) in row.iter_mut().enumerate() {
        let mut around = [0.0_f32; MEDIAN_FRAMES];
        for (offset, slot) in around.iter_mut().enumerate() {
            *slot = source[mirrored(index as isize + offset as isize - half as isize)];
        }
        around.sort_by(f32::total_cmp);
        *value = around[half];
    }
}

/// Finds the path of the highest sum that moves to the next token, the next position or both; returns where each
/// token begins.
fn path(values: &[f32], positions: usize) -> Vec<usize> {
    let rows = values.len() / positions;
    let mut above = vec![f32::INFINITY; positions + 1];
    above[0] = 0.0;
    let mut steps = vec![Step::Both; values.len()];
    for row in 0..rows {
        let mut line = vec![f32::INFINITY; positions + 1];
        for position in 0..positions {
            let choices = [
                (above[position], Step::Both),
                (above[position + 1], Step::Token),
                (line[position], Step::Position),
            ];
            let [both, token, _] = choices.map(|(cost, _)| cost);
            // Among equals the path stays with its token.
            let chosen = match [both < line[position], token < line[position]] {
                [true, _] if both < token => 0,
                [_, true] if token < both => 1,
                _ => 2,
            };
            let (cost, step) = choices[chosen];
            line[position + 1] = cost - values[row * positions + position];
            steps[row * positions + position] = step;
        }
        above = line;
    }
    walk_back(&steps, rows, positions)
}

/// How the path came to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Both,
    Token,
    Position,
}

fn walk_back(steps: &[Step], rows: usize, positions: usize) -> Vec<usize> {
    let mut begins = vec![0; rows];
    let (mut row, mut position) = (rows - 1, positions - 1);
    loop {
        begins[row] = position;
        if (row, position) == (0, 0) {
            return begins;
        }
        match steps[row * positions + position] {
            Step::Both => {
                row = row.saturating_sub(1);
                position = position.saturating_sub(1);
            }
            Step::Token => row = row.saturating_sub(1),
            Step::Position => position = position.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One head that looks at position `at[token]` and a little around it.
    fn glances(at: &[usize], positions: usize) -> Glances {
        let near = |token: usize, position: usize| at[token].abs_diff(position) <= 4;
        let mut weights = Vec::new();
        for token in 0..at.len() {
            weights.extend((0..positions).map(|position| if near(token, position) { 1.0 } else { 0.01 }));
        }
        Glances { weights, tokens: at.len(), positions }
    }

    #[test]
    fn tokens_begin_where_their_head_looks() {
        let found = begins_ms(glances(&[5, 20, 40, 60], 80), 1);
        assert_eq!(found.len(), 3);
        for (found, [before, own]) in found.iter().skip(1).zip([[20, 40], [40, 60]]) {
            assert!((before * POSITION_MS..=own * POSITION_MS).contains(found), "{found}");
        }
        assert!(found.is_sorted());
    }

    #[test]
    fn nothing_to_align_gives_nothing() {
        assert!(begins_ms(glances(&[1, 2], 10), 2).is_empty());
        assert!(begins_ms(Glances { weights: vec![], tokens: 3, positions: 0 }, 0).is_empty());
    }

    #[test]
    fn more_tokens_than_positions_still_have_an_order() {
        let found = begins_ms(glances(&[0, 0, 1, 1, 2, 2, 2, 2], 4), 0);
        assert_eq!(found.len(), 8);
        assert!(found.is_sorted());
    }

    #[test]
    fn every_published_size_has_heads_that_exist() {
        let sizes =
            [(384, 4, 4, 80), (512, 6, 6, 80), (768, 12, 12, 80), (1024, 24, 24, 80), (1280, 32, 32, 80)];
        for (state, audio_layers, text_layers, mels) in
            sizes.into_iter().chain([(1280, 32, 32, 128), (1280, 32, 4, 128)])
        {
            let dims = Dims {
                vocab: 51_865,
                audio_ctx: 1500,
                state,
                audio_layers,
                text_ctx: 448,
                text_layers,
                mels,
            };
            assert!(
                heads(dims).iter().all(|(layer, head)| *layer < text_layers && *head < dims.heads()),
                "{dims:?}"
            );
        }
    }
}
