//! The cheapest way to turn one text into another, character by character, for texts of a whole meeting.

use std::collections::HashMap;
use std::ops::Range;

/// One step of an alignment: an index into the reference, into the hypothesis, or into both.
///
/// Shape: both = match or substitution, reference only = deletion, hypothesis only = insertion; never neither.
pub type Pair = (Option<usize>, Option<usize>);

/// Rows that one machine word carries.
const WORD_ROWS: usize = 64;

/// Below this many cells the plain table is faster than another split.
const TABLE_CELLS_MAX: usize = 4_096;

/// Aligns two runs of characters with the fewest substitutions, deletions and insertions.
///
/// Shape: every index of both sides appears exactly once, in rising order. Among equally cheap alignments the choice
/// is unspecified but always the same for the same input.
/// Range: memory grows with the sum of the lengths, time with their product / 64: 60,000 × 60,000 takes about a second.
/// Source: bit vectors of G. Myers (J. ACM 46, 1999) with horizontal differences as of H. Hyyrö (2003), split in the
/// middle after D. Hirschberg (CACM 18, 1975).
pub fn align(reference: &[char], hypothesis: &[char]) -> Vec<Pair> {
    let mut numbers = HashMap::new();
    let rows = numbered(reference, &mut numbers);
    let columns = numbered(hypothesis, &mut numbers);
    let mut aligner =
        Aligner { masks: vec![0; numbers.len()], rows: &rows, columns: &columns, pairs: Vec::new() };
    aligner.solve(0..rows.len(), 0..columns.len());
    aligner.pairs
}

/// Replaces characters by small numbers, so that masks can live in a plain list.
fn numbered(chars: &[char], numbers: &mut HashMap<char, usize>) -> Vec<usize> {
    let mut out = Vec::with_capacity(chars.len());
    for &ch in chars {
        let next = numbers.len();
        out.push(*numbers.entry(ch).or_insert(next));
    }
    out
}

struct Aligner<'a> {
    /// For each character: in which rows of the current block it stands. All zero between blocks.
    masks: Vec<u64>,
    rows: &'a [usize],
    columns: &'a [usize],
    pairs: Vec<Pair>,
}

impl Aligner<'_> {
    /// Appends the alignment of a rectangle. Each call halves the columns, so the depth stays below 64.
    fn solve(&mut self, rows: Range<usize>, columns: Range<usize>) {
        if columns.len() <= 1 || (rows.len() + 1) * (columns.len() + 1) <= TABLE_CELLS_MAX {
            return self.solve_by_table(rows, columns);
        }
        let middle = columns.start + columns.len() / 2;
        let split = self.best_row(rows.clone(), columns.clone(), middle);
        self.solve(rows.start..split, columns.start..middle);
        self.solve(split..rows.end, middle..columns.end);
    }

    /// Finds the row in which a cheapest path crosses the middle column.
    fn best_row(&mut self, rows: Range<usize>, columns: Range<usize>, middle: usize) -> usize {
        let (row_text, column_text) = (self.rows, self.columns);
        let before = self.last_column(&row_text[rows.clone()], &column_text[columns.start..middle]);
        let rows_back: Vec<usize> = row_text[rows.clone()].iter().rev().copied().collect();
        let columns_back: Vec<usize> = column_text[middle..columns.end].iter().rev().copied().collect();
        let after = self.last_column(&rows_back, &columns_back);
        let costs = before.iter().zip(after.iter().rev()).map(|(a, b)| a + b);
        let (offset, _) =
            costs.enumerate().min_by_key(|&(_, cost)| cost).expect("a column has at least the row zero");
        rows.start + offset
    }

    /// Returns the distance of every prefix of `rows` to the whole of `columns`.
    ///
    /// Works through 64 rows at a time over all columns; what a block hands down is one difference for each column.
    fn last_column(&mut self, rows: &[usize], columns: &[usize]) -> Vec<usize> {
        let mut handed_down = vec![1_i8; columns.len()];
        let mut distances = Vec::with_capacity(rows.len() + 1);
        let mut distance = columns.len();
        distances.push(distance);
        for block in rows.chunks(WORD_ROWS) {
            for (row, &symbol) in block.iter().enumerate() {
                self.masks[symbol] |= 1 << row;
            }
            let mut vertical = Vertical { plus: !0, minus: 0 };
            for (step, &symbol) in handed_down.iter_mut().zip(columns) {
                *step = vertical.advance(self.masks[symbol], *step, block.len());
            }
            for (row, &symbol) in block.iter().enumerate() {
                self.masks[symbol] = 0;
                // A row is one dearer or one cheaper than the row above, never both.
                distance =
                    distance + (vertical.plus >> row & 1) as usize - (vertical.minus >> row & 1) as usize;
                distances.push(distance);
            }
        }
        distances
    }

    /// Aligns a small rectangle by the plain table, and reads the path backwards.
    fn solve_by_table(&mut self, rows: Range<usize>, columns: Range<usize>) {
        let table = Table::filled(&self.rows[rows.clone()], &self.columns[columns.clone()]);
        let first = self.pairs.len();
        let (mut r, mut c) = (rows.len(), columns.len());
        while r > 0 || c > 0 {
            let (up, left) = (r > 0, c > 0);
            let differs = up && left && self.rows[rows.start + r - 1] != self.columns[columns.start + c - 1];
            let here = table.at(r, c);
            if up && left && here == table.at(r - 1, c - 1) + usize::from(differs) {
                (r, c) = (r - 1, c - 1);
                self.pairs.push((Some(rows.start + r), Some(columns.start + c)));
            } else if up && here == table.at(r - 1, c) + 1 {
                r -= 1;
                self.pairs.push((Some(rows.start + r), None));
            } else {
                c -= 1;
                self.pairs.push((None, Some(columns.start + c)));
            }
        }
        self.pairs[first..].reverse();
    }
}

/// Differences between neighbouring rows of one column, a bit for each row.
struct Vertical {
    plus: u64,
    minus: u64,
}

impl Vertical {
    /// Moves one column to the right; takes and returns the difference to the left column, above and in the last row.
    fn advance(&mut self, equal: u64, above: i8, rows: usize) -> i8 {
        let (negative, positive) = (u64::from(above < 0), u64::from(above > 0));
        let diagonal = equal | self.minus;
        let equal = equal | negative;
        let carried = (((equal & self.plus).wrapping_add(self.plus)) ^ self.plus) | equal;
        let plus = self.minus | !(carried | self.plus);
        let minus = self.plus & carried;
        let last = rows - 1;
        let below = (plus >> last & 1) as i8 - (minus >> last & 1) as i8;
        let (plus, minus) = (plus << 1 | positive, minus << 1 | negative);
        self.plus = minus | !(diagonal | plus);
        self.minus = plus & diagonal;
        below
    }
}

/// Distances of all pairs of prefixes.
struct Table {
    width: usize,
    cells: Vec<usize>,
}

impl Table {
    fn filled(rows: &[usize], columns: &[usize]) -> Self {
        let width = columns.len() + 1;
        let mut cells: Vec<usize> = (0..width).collect();
        cells.reserve(rows.len() * width);
        for (r, row) in rows.iter().enumerate() {
            cells.push(r + 1);
            for (c, column) in columns.iter().enumerate() {
                let diagonal = cells[r * width + c] + usize::from(row != column);
                let up = cells[r * width + c + 1] + 1;
                let left = cells[(r + 1) * width + c] + 1;
                cells.push(diagonal.min(up).min(left));
            }
        }
        Self { width, cells }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        self.cells[row * self.width + column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn cost(reference: &[char], hypothesis: &[char], pairs: &[Pair]) -> usize {
        let is_match = |pair: &&Pair| matches!(**pair, (Some(r), Some(h)) if reference[r] == hypothesis[h]);
        pairs.len() - pairs.iter().filter(is_match).count()
    }

    /// A made-up meeting: words from a small list, so that repetitions tempt the aligner.
    fn speech(length: usize, seed: u64) -> Vec<char> {
        let list = chars("会議は議事録を作成します予算の要求について報告利用状況端末更新");
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % list.len()
        };
        (0..length).map(|_| list[next()]).collect()
    }

    #[test]
    fn equal_texts_are_aligned_one_to_one() {
        let text = chars("議事録");
        assert_eq!(align(&text, &text), [(Some(0), Some(0)), (Some(1), Some(1)), (Some(2), Some(2))]);
    }

    #[test]
    fn an_empty_side_gives_deletions_or_insertions_only() {
        assert_eq!(align(&chars("ab"), &[]), [(Some(0), None), (Some(1), None)]);
        assert_eq!(align(&[], &chars("ab")), [(None, Some(0)), (None, Some(1))]);
        assert_eq!(align(&[], &[]), []);
    }

    #[test]
    fn a_dropped_stretch_does_not_shift_what_follows() {
        let reference = speech(3_000, 1);
        let hypothesis = [&reference[..1_000], &reference[1_300..]].concat();
        let pairs = align(&reference, &hypothesis);
        assert_eq!(cost(&reference, &hypothesis, &pairs), 300);
        assert!(pairs.ends_with(&[(Some(2_999), Some(2_699))]));
    }

    #[test]
    fn a_meeting_of_three_hours_is_aligned_in_bounded_time() {
        let reference = speech(60_000, 2);
        let mut hypothesis = reference.clone();
        for index in (0..hypothesis.len()).step_by(10) {
            hypothesis[index] = '誤';
        }
        let pairs = align(&reference, &hypothesis);
        assert_eq!(cost(&reference, &hypothesis, &pairs), 6_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_split_alignment_costs_what_the_plain_table_says(
            reference in proptest::collection::vec(prop::char::range('a', 'd'), 0..200),
            hypothesis in proptest::collection::vec(prop::char::range('a', 'd'), 0..200),
        ) {
            let mut numbers = HashMap::new();
            let rows = numbered(&reference, &mut numbers);
            let columns = numbered(&hypothesis, &mut numbers);
            let pairs = align(&reference, &hypothesis);
            let table = Table::filled(&rows, &columns);
            prop_assert_eq!(cost(&reference, &hypothesis, &pairs), table.at(rows.len(), columns.len()));
            let seen: Vec<usize> = pairs.iter().filter_map(|pair| pair.0).collect();
            prop_assert_eq!(seen, (0..reference.len()).collect::<Vec<_>>());
            let seen: Vec<usize> = pairs.iter().filter_map(|pair| pair.1).collect();
            prop_assert_eq!(seen, (0..hypothesis.len()).collect::<Vec<_>>());
        }
    }
}
