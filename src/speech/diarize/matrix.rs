//! The little linear algebra that is needed: symmetric matrices of a few hundred rows, in double precision.

/// A square matrix, row after row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Square {
    pub size: usize,
    pub values: Vec<f64>,
}

impl Square {
    /// Makes a matrix of zeros.
    pub fn zero(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    /// Returns a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.size..][..self.size]
    }

    /// Adds `weight` times the product of a vector with itself.
    pub fn add_outer(&mut self, vector: &[f64], weight: f64) {
        for (row, left) in self.values.chunks_exact_mut(self.size).zip(vector) {
            let left = weight * left;
            for (sum, right) in row.iter_mut().zip(vector) {
                *sum += left * right;
            }
        }
    }

    /// Multiplies every value.
    pub fn scale(&mut self, factor: f64) {
        self.values.iter_mut().for_each(|value| *value *= factor);
    }

    /// Adds to every value of the diagonal.
    pub fn add_diagonal(&mut self, value: f64) {
        (0..self.size).for_each(|index| self.values[index * self.size + index] += value);
    }

    /// Returns the sum of the diagonal.
    pub fn trace(&self) -> f64 {
        (0..self.size).map(|index| self.values[index * self.size + index]).sum()
    }

    /// Returns the lower triangle whose product with its mirror this matrix is; nothing if there is none.
    ///
    /// Source: Cholesky.
    pub fn root(&self) -> Option<Self> {
        let mut root = Self::zero(self.size);
        for row in 0..self.size {
            for column in 0..=row {
                let sum = dot(&root.row(row)[..column], &root.row(column)[..column]);
                let rest = self.row(row)[column] - sum;
                root.values[row * self.size + column] = if row == column {
                    // Written so that no number is refused too.
                    if rest > 0.0 { rest.sqrt() } else { return None }
                } else {
                    rest / root.row(column)[column]
                };
            }
        }
        Some(root)
    }

    /// Solves `L·x = vector` for a lower triangle L.
    pub fn forward(&self, vector: &mut [f64]) {
        for row in 0..self.size {
            let sum = dot(&self.row(row)[..row], &vector[..row]);
            vector[row] = (vector[row] - sum) / self.row(row)[row];
        }
    }

    /// Solves `Lᵀ·x = vector` for a lower triangle L.
    pub fn backward(&self, vector: &mut [f64]) {
        for row in (0..self.size).rev() {
            vector[row] /= self.row(row)[row];
            let value = vector[row];
            for (earlier, weight) in vector[..row].iter_mut().zip(self.row(row)) {
                *earlier -= weight * value;
            }
        }
    }

    /// Returns the product with a vector.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.values.chunks_exact(self.size).map(|row| dot(row, vector)).collect()
    }

    /// Finds the directions in which this symmetric matrix is largest, and how large; the largest first.
    ///
    /// Shape: as many pairs of value and direction of length 1 as asked for.
    /// Source: subspace iteration; a few directions more than asked for are followed, so that the last ones converge.
    pub fn largest(&self, count: usize) -> Vec<(f64, Vec<f64>)> {
        /// Directions followed beside those asked for.
        const SPARE: usize = 8;
        /// Rounds: what is three quarters as large as the last direction asked for has then gone below 10⁻¹².
        const ROUNDS: usize = 100;
        let followed = (count + SPARE).min(self.size);
        let mut directions: Vec<Vec<f64>> = (0..followed).map(|index| start(index, self.size)).collect();
        for _ in 0..ROUNDS {
            directions = directions.iter().map(|direction| self.times(direction)).collect();
            orthogonalise(&mut directions);
        }
        let value = |direction: Vec<f64>| (dot(&self.times(&direction), &direction), direction);
        let mut found: Vec<(f64, Vec<f64>)> = directions.into_iter().map(value).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(count);
        found
    }
}

/// Returns the sum of products.
pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (lefts, left_rest) = left.as_chunks::<LANES>();
    let (rights, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in lefts.iter().zip(rights) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum::<f64>() + left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum::<f64>()
}

/// Returns directions that are the same on every machine and have a part in every other.
fn start(index: usize, size: usize) -> Vec<f64> {
    (0..size).map(|row| ((row * (2 * index + 1) + 7 * index + 1) as f64).sin()).collect()
}

/// Makes each direction square to those before it, and of length 1.
fn orthogonalise(directions: &mut [Vec<f64>]) {
    for index in 0..directions.len() {
        let (before, from) = directions.split_at_mut(index);
        let Some(direction) = from.first_mut() else { return };
        // Twice: after one time what is left may still lean on the others.
        for other in before.iter().chain(before.iter()) {
            let part = dot(direction, other);
            direction.iter_mut().zip(other).for_each(|(value, other)| *value -= part * other);
        }
        let length = dot(direction, direction).sqrt();
        let factor = if length > 1e-300 { 1.0 / length } else { 0.0 };
        direction.iter_mut().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Square {
        let mut matrix = Square::zero(6);
        for index in 0..9 {
            let vector: Vec<f64> = (0..6).map(|row| ((row * row + 3 * index) as f64 * 0.7).cos()).collect();
            matrix.add_outer(&vector, 1.0 + index as f64);
        }
        matrix.add_diagonal(0.5);
        matrix
    }

    #[test]
    fn the_root_times_its_mirror_is_the_matrix_and_solves_it() {
        let (matrix, vector) = (sample(), [1.0, -2.0, 0.5, 3.0, 0.0, 1.5]);
        let root = matrix.root().expect("it is positive");
        let mut solved = vector;
        root.forward(&mut solved);
        root.backward(&mut solved);
        for (found, wanted) in matrix.times(&solved).iter().zip(vector) {
            assert!((found - wanted).abs() < 1e-9, "{found} instead of {wanted}");
        }
    }

    #[test]
    fn the_largest_directions_are_only_stretched_by_the_matrix() {
        let matrix = sample();
        let found = matrix.largest(3);
        assert!(found.is_sorted_by(|a, b| a.0 >= b.0));
        for (value, direction) in &found {
            for (stretched, part) in matrix.times(direction).iter().zip(direction) {
                assert!((stretched - value * part).abs() < 1e-6, "{stretched} instead of {}", value * part);
            }
        }
        assert!(dot(&found[0].1, &found[1].1).abs() < 1e-9);
    }

    #[test]
    fn a_matrix_that_is_not_positive_has_no_root() {
        let mut matrix = Square::zero(3);
        assert_eq!(matrix.root(), None);
        matrix.add_diagonal(f64::NAN);
        assert_eq!(matrix.root(), None);
    }
}
