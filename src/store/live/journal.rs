//! The journal of one microphone: its frames as they came, one behind the other, each with its own checksum.
//!
//! ```text
//! GJRL │ rate_hz u32 │ first_sample u64 │ frame │ frame │ frame …          little-endian; frames as on the wire
//! ```
//!
//! After a power cut the file may end in the middle of a frame, or in bytes that were never written: everything behind
//! the last whole frame is cut off. What was synced before is whole, for it is only ever appended to.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::staging;
use crate::audio::frames::{Frame, HEADER_BYTES};
use crate::store::StoreError;

const MAGIC: &[u8; 4] = b"GJRL";
/// Bytes before the first frame.
const HEAD_BYTES: u64 = 16;
/// Where a frame says how many samples it holds.
const COUNT_AT: usize = 16;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: Arc<File>,
    path: PathBuf,
    bytes: u64,
    end: u64,
    durable: u64,
}

impl Journal {
    /// Opens a journal to go on at its end, or begins one; a torn end is cut off.
    ///
    /// Errors: [`StoreError::Damaged`] if it belongs to another microphone; [`StoreError::Io`], [`StoreError::Full`].
    pub async fn open(path: &Path, rate_hz: u32, first_sample: u64) -> Result<Self, StoreError> {
        let path = path.to_owned();
        staging::on_disk(move || {
            let io = |error| StoreError::io(&path, error);
            let (file, bytes) = staging::open(&path).map_err(io)?;
            if bytes < HEAD_BYTES {
                file.set_len(0).map_err(io)?;
                file.write_all_at(&head(rate_hz, first_sample), 0).map_err(io)?;
                file.sync_data().map_err(io)?;
            }
            let mut reader = Reader::open(&path)?;
            if (reader.rate_hz, reader.end) != (rate_hz, first_sample) {
                let what = format!("the journal {} is of another microphone", path.display());
                return Err(StoreError::Damaged { what });
            }
            while reader.next_frame()?.is_some() {}
            let (whole, end) = (reader.bytes, reader.end);
            if whole < bytes {
                file.set_len(whole).map_err(io)?;
            }
            // What a run before left unsynced counts only from here on.
            file.sync_data().map_err(io)?;
            Ok(Self { file: Arc::new(file), path, bytes: whole, end, durable: end })
        })
        .await
    }

    /// Returns the place behind the last sample that was written.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the place behind the last sample that survives a power cut.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Writes a frame that begins where the journal ends.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`]; what was written before is still there, and the same frame can
    /// be written again.
    pub async fn append(&mut self, frame: &Frame) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let (file, path, at, length) =
            (Arc::clone(&self.file), self.path.clone(), self.bytes, bytes.len() as u64);
        staging::on_disk(move || file.write_all_at(&bytes, at).map_err(|error| StoreError::io(&path, error)))
            .await?;
        self.bytes += length;
        self.end = frame.end();
        Ok(())
    }

    /// Brings everything written onto the disk.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`]; what was durable before still is.
    pub async fn sync(&mut self) -> Result<(), StoreError> {
        if self.durable == self.end {
            return Ok(());
        }
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        staging::on_disk(move || file.sync_data().map_err(|error| StoreError::io(&path, error))).await?;
        self.durable = self.end;
        Ok(())
    }
}

fn head(rate_hz: u32, first_sample: u64) -> [u8; HEAD_BYTES as usize] {
    let mut head = [0; HEAD_BYTES as usize];
    head[..4].copy_from_slice(MAGIC);
    head[4..8].copy_from_slice(&rate_hz.to_le_bytes());
    head[8..].copy_from_slice(&first_sample.to_le_bytes());
    head
}

/// Reads a journal from its beginning, also one that still grows.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    /// Samples per second.
    pub rate_hz: u32,
    /// The place behind the last frame that was read.
    pub end: u64,
    /// Bytes up to there.
    bytes: u64,
}

impl Reader {
    /// Opens a journal.
    ///
    /// Errors: [`StoreError::Damaged`] if it is none; [`StoreError::Io`].
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(path, error);
        let mut file = File::open(path).map_err(io)?;
        let mut head = [0; HEAD_BYTES as usize];
        file.read_exact(&mut head).map_err(io)?;
        if &head[..4] != MAGIC {
            return Err(StoreError::Damaged { what: format!("{} is no journal", path.display()) });
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let end = u64::from(word(8)) | u64::from(word(12)) << 32;
        let file = BufReader::with_capacity(64 << 10, file);
        Ok(Self { file, path: path.to_owned(), rate_hz: word(4), end, bytes: HEAD_BYTES })
    }

    /// Returns the next frame; nothing where whole frames end, and then asks again from there.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, StoreError> {
        let frame = self.try_next().map_err(|error| StoreError::io(&self.path, error))?;
        match &frame {
            Some(frame) => {
                self.end = frame.end();
                self.bytes += (HEADER_BYTES + 2 * frame.samples.len()) as u64;
            }
            None => {
                let seek = self.file.seek(SeekFrom::Start(self.bytes));
                seek.map_err(|error| StoreError::io(&self.path, error))?;
            }
        }
        Ok(frame)
    }

    fn try_next(&mut self) -> std::io::Result<Option<Frame>> {
        let mut bytes = vec![0; HEADER_BYTES];
        if !filled(&mut self.file, &mut bytes)? {
            return Ok(None);
        }
        let count = &bytes[COUNT_AT..COUNT_AT + 4];
        let count = u32::from_le_bytes([count[0], count[1], count[2], count[3]]);
        if count == 0 || count > self.rate_hz {
            return Ok(None);
        }
        bytes.resize(HEADER_BYTES + 2 * count as usize, 0);
        if !filled(&mut self.file, &mut bytes[HEADER_BYTES..])? {
            return Ok(None);
        }
        let frame = Frame::decode(&bytes, self.rate_hz).ok();
        Ok(frame.filter(|frame| frame.first_sample == self.end))
    }
}

/// Fills the buffer; false if the file ends before.
fn filled(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests damage files, as the world does")]
mod tests {
    use super::*;

    fn frame(first_sample: u64, samples: &[i16]) -> Frame {
        Frame { number: 0, first_sample, hole_before: false, samples: samples.to_vec() }
    }

    fn samples_in(path: &Path) -> Vec<i16> {
        let mut reader = Reader::open(path).expect("it is a journal");
        let mut all = Vec::new();
        while let Some(frame) = reader.next_frame().expect("it can be read") {
            all.extend(frame.samples);
        }
        all
    }

    async fn written(path: &Path) {
        let mut journal = Journal::open(path, 16_000, 0).await.expect("there is room");
        journal.append(&frame(0, &[1, 2, 3])).await.expect("there is room");
        journal.append(&frame(3, &[4, 5])).await.expect("there is room");
        assert_eq!((journal.end(), journal.durable()), (5, 0));
        journal.sync().await.expect("there is room");
        assert_eq!(journal.durable(), 5);
    }

    #[tokio::test]
    async fn wherever_the_file_is_torn_whole_frames_stay_and_it_goes_on_behind_them() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("journal");
        written(&path).await;
        let whole = std::fs::read(&path).expect("it is there");
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("there is room");
            let mut journal = Journal::open(&path, 16_000, 0).await.expect("it goes on");
            let kept = if length < 16 + 30 { 0 } else { 3 };
            assert_eq!(journal.end(), kept, "torn at {length}");
            journal.append(&frame(kept, &[9])).await.expect("there is room");
            let expected: &[i16] = if kept == 0 { &[9] } else { &[1, 2, 3, 9] };
            assert_eq!(samples_in(&path), expected, "torn at {length}");
        }
    }

    #[tokio::test]
    async fn bytes_that_never_reached_the_disk_are_cut_off_by_their_checksum() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("journal");
        written(&path).await;
        let mut bytes = std::fs::read(&path).expect("it is there");
        // A file system that knew the length before the content leaves zeros.
        let at = bytes.len() - 2;
        bytes[at..].fill(0);
        bytes.extend([0; 4_096]);
        std::fs::write(&path, &bytes).expect("there is room");
        let journal = Journal::open(&path, 16_000, 0).await.expect("it goes on");
        assert_eq!((journal.end(), samples_in(&path)), (3, vec![1, 2, 3]));
    }

    #[tokio::test]
    async fn who_reads_while_it_grows_hears_every_sample_once() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, 16_000, 7).await.expect("there is room");
        let mut reader = Reader::open(&path).expect("it is a journal");
        assert_eq!(reader.next_frame().expect("it can be read"), None);
        for place in 7..40 {
            journal.append(&frame(place, &[place as i16])).await.expect("there is room");
            let heard = reader.next_frame().expect("it can be read").expect("there is more");
            assert_eq!(heard.samples, [place as i16]);
            assert_eq!(reader.next_frame().expect("it can be read"), None);
        }
    }

    #[tokio::test]
    async fn a_journal_of_another_microphone_is_refused() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("journal");
        written(&path).await;
        let found = Journal::open(&path, 48_000, 0).await;
        assert!(matches!(found, Err(StoreError::Damaged { .. })));
    }
}
