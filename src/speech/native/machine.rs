//! Known amounts of work on all threads, for whoever holds a clock: what a processor could do at best.

use super::kernels::{Level, burn};
use super::team::Team;

/// Multiplies in registers alone on every thread, `rounds` times; returns the operations done.
///
/// Units: floating-point operations, a multiplication and an addition being two. Panics if the machine lacks `level`.
pub fn multiply(level: Level, threads: usize, rounds: u64) -> f64 {
    let mut done = vec![0.0; threads];
    Team::new(threads).share(done.iter_mut(), |done, _| *done = burn(level, rounds));
    done.iter().sum()
}

/// Reads `values` from front to back, a part on every thread; returns the bytes read.
pub fn read(threads: usize, values: &[u64]) -> f64 {
    let part = values.len().div_ceil(threads.max(1)).max(1);
    Team::new(threads).share(values.chunks(part), |values, _| {
        std::hint::black_box(values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value)));
    });
    size_of_val(values) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_rounds_and_twice_the_threads_are_twice_the_work_on_every_level() {
        for level in Level::available() {
            let one = multiply(level, 1, 10);
            assert!(one > 0.0);
            assert_eq!(multiply(level, 1, 20), 2.0 * one);
            assert_eq!(multiply(level, 2, 10), 2.0 * one);
        }
    }

    #[test]
    fn every_byte_is_read() {
        assert_eq!(read(3, &[1; 1000]), 8000.0);
    }
}
