//! Reads little-endian numbers from bytes that nobody has checked yet.

use super::ModelError;

/// A place in a slice of untrusted bytes; every step forward is checked against its end.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// Starts before the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Counts the bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Borrows the next `count` bytes; `what` names them if the input ends too early.
    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], ModelError> {
        if count > self.left() {
            return Err(ModelError::Cut { what, offset: self.bytes.len() });
        }
        let taken = &self.bytes[self.offset..self.offset + count];
        self.offset += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ModelError> {
        let taken = self.take(N, what)?;
        Ok(taken.try_into().expect("take returns exactly N bytes"))
    }

    /// Reads one byte.
    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, ModelError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    /// Reads two bytes as a number.
    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, ModelError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    /// Reads four bytes as a number.
    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Reads eight bytes as a number.
    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Reads a 32-bit count and refuses one above `max`, before anything is allocated for it.
    pub(super) fn count(&mut self, what: &'static str, max: usize) -> Result<usize, ModelError> {
        let found = self.u32(what)? as usize;
        if found > max {
            return Err(ModelError::TooMany { what, found, max });
        }
        Ok(found)
    }

    /// Refuses input with anything left to read.
    pub(super) fn finish(&self) -> Result<(), ModelError> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(ModelError::Trailing { bytes }),
        }
    }
}
