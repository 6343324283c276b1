//! Memory for weights: on large pages, one piece right behind another.
//!
//! A decoder step walks through tens of megabytes: on pages of 4 KB each of them costs a walk through the page table,
//! and the processor's own prefetching stops at its end.
#![expect(
    unsafe_code,
    reason = "pages are asked for from the operating system, and pieces of them are typed"
)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of a large page on x86-64, and of a likely one on other processors.
const PAGE_BYTES: usize = 2 << 20;
/// Bytes asked for at once; what is not used of them is never touched.
const STRETCH_BYTES: usize = 32 << 20;
/// Bytes in a cache line.
const LINE_BYTES: usize = 64;

/// Many pieces' memory, freed with the last of them.
#[derive(Debug)]
struct Stretch {
    base: NonNull<u8>,
    layout: Layout,
    used: AtomicUsize,
}

// SAFETY: the stretch itself hands out addresses only, each byte once.
unsafe impl Send for Stretch {}
// SAFETY: see above; the count of used bytes is atomic.
unsafe impl Sync for Stretch {}

impl Stretch {
    fn new(bytes: usize) -> Self {
        let size = bytes.max(STRETCH_BYTES).next_multiple_of(PAGE_BYTES);
        let layout =
            Layout::from_size_align(size, PAGE_BYTES).expect("a model's weights fit the address space");
        // SAFETY: the size is not zero.
        let base = unsafe { alloc(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        advise(base, size);
        Self { base, layout, used: AtomicUsize::new(0) }
    }

    /// Returns the beginning of `bytes` bytes that nobody else has, or nothing if they do not fit.
    fn take(&self, bytes: usize) -> Option<NonNull<u8>> {
        let bytes = bytes.next_multiple_of(LINE_BYTES);
        let size = self.layout.size();
        let next = |used: usize| used.checked_add(bytes).filter(|end| *end <= size);
        let start = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        // SAFETY: start + bytes lies inside the stretch.
        Some(unsafe { self.base.add(start) })
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and no piece is left.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

/// Asks for large pages. They are a matter of speed: a refusal changes nothing else.
#[cfg(target_os = "linux")]
fn advise(base: NonNull<u8>, bytes: usize) {
    use rustix::mm::{Advice, madvise};
    // SAFETY: the range is our own, and the advice does not change what it holds.
    let _refused = unsafe { madvise(base.as_ptr().cast(), bytes, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: NonNull<u8>, _: usize) {}

/// Numbers, all bits of which may be zero.
pub(super) trait Number: Copy + Default + Send + Sync {}
impl Number for f32 {}
impl Number for u16 {}
impl Number for i8 {}

/// A piece of a stretch: begins on a cache line, right behind the piece taken before it.
#[derive(Debug)]
pub(super) struct Piece<T> {
    at: NonNull<T>,
    len: usize,
    _stretch: Arc<Stretch>,
}

// SAFETY: a piece owns its numbers, as a vector does.
unsafe impl<T: Number> Send for Piece<T> {}
// SAFETY: see above.
unsafe impl<T: Number> Sync for Piece<T> {}

impl<T: Number> Piece<T> {
    /// Takes `len` zeros.
    pub fn new(len: usize) -> Self {
        /// The stretch that has room left.
        static LATEST: Mutex<Weak<Stretch>> = Mutex::new(Weak::new());
        let bytes = len.checked_mul(size_of::<T>()).expect("a model's weights fit the address space");
        let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        let found = latest.upgrade().and_then(|stretch| Some((stretch.take(bytes)?, stretch)));
        let (at, stretch) = found.unwrap_or_else(|| {
            let stretch = Arc::new(Stretch::new(bytes));
            *latest = Arc::downgrade(&stretch);
            (stretch.take(bytes).expect("a new stretch is long enough"), stretch)
        });
        let at = at.cast::<T>();
        // SAFETY: len numbers, aligned to a cache line, that nobody else has.
        unsafe { at.as_ptr().write_bytes(0, len) };
        Self { at, len, _stretch: stretch }
    }

    /// Returns all numbers.
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: len numbers, zeroed by new, borrowed with self, in memory that lives as long as the stretch.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }

    /// Returns all numbers, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: see as_slice; nobody else has this piece.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}

impl<T: Number> Clone for Piece<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_zero_begin_on_a_cache_line_and_never_share_a_byte() {
        let mut pieces: Vec<Piece<u16>> = (1..200).map(|i| Piece::new(i * 1_001)).collect();
        pieces.push(Piece::new(STRETCH_BYTES));
        for (index, piece) in pieces.iter_mut().enumerate() {
            assert!(piece.as_slice().as_ptr().addr().is_multiple_of(LINE_BYTES));
            assert!(piece.as_slice().iter().all(|value| *value == 0));
            piece.as_mut_slice().fill(index as u16 + 1);
        }
        let copies = pieces.clone();
        pieces.truncate(3);
        for (index, piece) in pieces.iter().chain(&copies[3..]).enumerate() {
            assert!(piece.as_slice().iter().all(|value| usize::from(*value) == index + 1));
        }
    }

    #[test]
    fn an_empty_piece_is_empty() {
        assert_eq!(Piece::<f32>::new(0).as_slice(), [0.0; 0]);
    }
}
