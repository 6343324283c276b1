//! Memory that vector loads like: aligned to a cache line, reused between calls.

use std::any::Any;

use super::engine::Tile;

/// Bytes in a cache line, and in the widest vector.
const LINE_BYTES: usize = 64;

/// A vector whose first element lies on a cache line.
#[derive(Debug, Default)]
pub(super) struct Aligned<T> {
    storage: Vec<T>,
    offset: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Makes a buffer of `len` default values.
    pub fn new(len: usize) -> Self {
        let mut buffer = Self { storage: Vec::new(), offset: 0, len: 0 };
        buffer.grow(len);
        buffer
    }

    /// Returns `len` elements whose values are whatever an earlier use left; grows when needed.
    pub fn take(&mut self, len: usize) -> &mut [T] {
        if len > self.len {
            self.grow(len);
        }
        &mut self.storage[self.offset..self.offset + len]
    }

    /// Returns all elements.
    pub fn as_slice(&self) -> &[T] {
        &self.storage[self.offset..self.offset + self.len]
    }

    /// Returns all elements, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.storage[self.offset..self.offset + self.len]
    }

    fn grow(&mut self, len: usize) {
        let spare = LINE_BYTES / size_of::<T>();
        self.storage = vec![T::default(); len + spare];
        self.offset = self.storage.as_ptr().align_offset(LINE_BYTES).min(spare);
        self.len = len;
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

/// Working memory of the kernels; one per thread, kept between calls.
///
/// Range: grows to the largest call seen (base encoder: about 4 MB for 1500 rows) and stays there.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) floats: Aligned<f32>,
    pub(super) halves: Aligned<u16>,
    pub(super) bytes: Aligned<u8>,
    pub(super) integers: Aligned<i8>,
    pub(super) scales: Aligned<f32>,
    pub(super) tiles: Vec<Tile>,
    /// One piece for each kind of attention: about 100 KB, which would be cleared in every call.
    kept: Vec<Box<dyn Any + Send>>,
}

impl Scratch {
    /// Makes empty working memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the piece of this type, made at the first call; what an earlier call left is still in it.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn kept<T: Any + Send>(&mut self, make: impl FnOnce() -> T) -> &mut T {
        let place = self.kept.iter().position(|piece| piece.is::<T>()).unwrap_or_else(|| {
            self.kept.push(Box::new(make()));
            self.kept.len() - 1
        });
        self.kept[place].downcast_mut().expect("the piece at this place has the type")
    }
}
