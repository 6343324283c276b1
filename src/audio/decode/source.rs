//! Bytes of one recording, looked at through as many views as the attempts to read it need.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symphonia::core::io::MediaSource;

/// Where a recording's bytes come from: a file, an object in a store, memory.
pub trait Source: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> Source for T {}

/// One recording, shared by all views of it.
#[derive(Clone)]
pub(super) struct Recording {
    shared: Arc<Mutex<Shared>>,
    len: u64,
}

struct Shared {
    source: Box<dyn Source>,
    /// Where the source stands, so that reading on needs no seek.
    at: u64,
    /// The first failure of the source itself; the demuxers use I/O errors for damage as well.
    fault: Option<io::Error>,
}

impl Recording {
    /// Takes a source and measures it.
    ///
    /// Errors: those of seeking in the source.
    pub(super) fn new(mut source: Box<dyn Source>) -> io::Result<Self> {
        let len = source.seek(SeekFrom::End(0))?;
        let shared = Shared { source, at: len, fault: None };
        Ok(Self { shared: Arc::new(Mutex::new(shared)), len })
    }

    /// Returns the length. Units: bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads up to `len` bytes at `pos`; fewer only at the end.
    pub(super) fn bytes(&self, pos: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.read_at(pos + filled as u64, &mut bytes[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Takes the failure of the source, if it failed since the last call.
    pub(super) fn take_fault(&self) -> Option<io::Error> {
        self.lock().fault.take()
    }

    fn read_at(&self, pos: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.lock();
        shared.read_at(pos, buffer).inspect_err(|error| {
            shared.fault = Some(io::Error::new(error.kind(), error.to_string()));
        })
    }

    /// A panic of a demuxer while it reads leaves the source where it was: the lock stays usable.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn read_at(&mut self, pos: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at != pos {
            self.at = self.source.seek(SeekFrom::Start(pos))?;
        }
        loop {
            match self.source.read(buffer) {
                Ok(count) => {
                    self.at += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a demuxer may jump about, or must take the bytes as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Needed when the index stands at the end.
    Seekable,
    /// Gives all that is there of a recording whose end is missing.
    ForwardOnly,
}

/// A part of what a demuxer is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes put in place of damaged ones.
    Bytes(Vec<u8>),
    /// Bytes of the recording.
    Range(Range<u64>),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// A recording as one demuxer sees it: pieces, one after the other.
pub(super) struct View {
    recording: Recording,
    pieces: Vec<Piece>,
    access: Access,
    pos: u64,
}

impl View {
    /// Shows `pieces` of a recording as one run of bytes.
    pub(super) fn new(recording: &Recording, pieces: Vec<Piece>, access: Access) -> Self {
        Self { recording: recording.clone(), pieces, access, pos: 0 }
    }

    fn total(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut offset = self.pos;
        let Some(piece) = self.pieces.iter().find(|piece| {
            let inside = offset < piece.len();
            offset -= if inside { 0 } else { piece.len() };
            inside
        }) else {
            return Ok(0);
        };
        let count = buffer.len().min(usize::try_from(piece.len() - offset).unwrap_or(usize::MAX));
        let count = match piece {
            Piece::Bytes(bytes) => {
                let start = offset as usize;
                buffer[..count].copy_from_slice(&bytes[start..start + count]);
                count
            }
            Piece::Range(range) => self.recording.read_at(range.start + offset, &mut buffer[..count])?,
        };
        self.pos += count as u64;
        Ok(count)
    }
}

impl Seek for View {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, delta) = match to {
            SeekFrom::Start(pos) => (pos, 0),
            SeekFrom::End(delta) => (self.total(), delta),
            SeekFrom::Current(delta) => (self.pos, delta),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "seek before the first byte");
        self.pos = base.checked_add_signed(delta).ok_or_else(outside)?;
        Ok(self.pos)
    }
}

impl MediaSource for View {
    fn is_seekable(&self) -> bool {
        self.access == Access::Seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.is_seekable().then(|| self.total())
    }
}
