//! What became of each window of a running transcription, so that a killed run continues where it was.
//!
//! Shape: a text file; the first line says which question the answers belong to, each further line is one
//! [`Outcome`] as JSON. A line is durable before [`Checkpoint::append`] returns; a torn last line is passed over.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::speech::longform::Outcome;

/// Number of the file's format.
const VERSION: u32 = 1;
/// Longest line believed: an outcome holds the words of at most 28 s.
const LINE_BYTES_MAX: usize = 1 << 20;

/// What the answers in a checkpoint depend on, besides the sound itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// sha256 of the model's file.
    pub model_sha256: String,
    /// The product's version: a newer one may cut or judge otherwise.
    pub product: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    #[serde(flatten)]
    question: Question,
}

/// An open checkpoint; only one process at a time has it.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: File,
}

impl Checkpoint {
    /// Begins a new checkpoint at `path`; what was there is gone.
    ///
    /// Errors: [`StoreError::Busy`] if another process has it, [`StoreError::Io`] if it cannot be written.
    pub fn create(path: &Path, question: &Question) -> Result<Self, StoreError> {
        let mut checkpoint = Self::lock(path)?;
        checkpoint.begin(question)?;
        Ok(checkpoint)
    }

    /// Continues the checkpoint at `path` and returns what is done; begins a new one if its question was another.
    ///
    /// Errors: as [`Checkpoint::create`].
    pub fn resume(path: &Path, question: &Question) -> Result<(Self, Vec<Outcome>), StoreError> {
        let mut checkpoint = Self::lock(path)?;
        match checkpoint.read(question).map_err(|error| StoreError::io(path, error))? {
            Some((outcomes, good_bytes)) => {
                checkpoint.cut_after(good_bytes)?;
                Ok((checkpoint, outcomes))
            }
            None => {
                checkpoint.begin(question)?;
                Ok((checkpoint, Vec::new()))
            }
        }
    }

    /// Adds an outcome; it is on the disk when this returns.
    ///
    /// Errors: [`StoreError::Io`]; the outcome is then not in the file, earlier ones are.
    pub fn append(&mut self, outcome: &Outcome) -> Result<(), StoreError> {
        self.write_line(outcome)
    }

    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    fn lock(path: &Path) -> Result<Self, StoreError> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.map_err(|error| StoreError::io(path, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Busy { path: path.to_owned() }),
            Err(error) => Err(StoreError::io(path, error.into())),
        }
    }

    fn begin(&mut self, question: &Question) -> Result<(), StoreError> {
        self.cut_after(0)?;
        self.write_line(&Header { version: VERSION, question: question.clone() })
    }

    fn cut_after(&mut self, bytes: u64) -> Result<(), StoreError> {
        let cut = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        cut.map(drop).map_err(|error| StoreError::io(&self.path, error))
    }

    fn write_line(&mut self, value: &impl Serialize) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(value).expect("plain structs of text and numbers are always JSON");
        line.push(b'\n');
        let write = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        write.map_err(|error| StoreError::io(&self.path, error))
    }

    /// Returns the outcomes and the length of the good part; `None` if the file answers another question.
    fn read(&mut self, question: &Question) -> Result<Option<(Vec<Outcome>, u64)>, std::io::Error> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        let Some((line, mut good_bytes)) = whole_line(&mut reader)? else { return Ok(None) };
        let same = serde_json::from_slice::<Header>(&line)
            .is_ok_and(|header| header.version == VERSION && header.question == *question);
        if !same {
            return Ok(None);
        }
        let mut outcomes = Vec::new();
        while let Some((line, bytes)) = whole_line(&mut reader)? {
            let Ok(outcome) = serde_json::from_slice(&line) else { break };
            outcomes.push(outcome);
            good_bytes += bytes;
        }
        Ok(Some((outcomes, good_bytes)))
    }
}

/// Returns the next line that ends in a line feed, and its length with it.
fn whole_line(reader: &mut impl BufRead) -> Result<Option<(Vec<u8>, u64)>, std::io::Error> {
    let mut line = Vec::new();
    let mut limited = std::io::Read::take(reader, LINE_BYTES_MAX as u64);
    match limited.read_until(b'\n', &mut line) {
        Ok(bytes) if line.last() == Some(&b'\n') => Ok(Some((line, bytes as u64))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests damage real files")]
mod tests {
    use super::*;
    use crate::speech::longform::WindowKey;

    fn question() -> Question {
        Question { model_sha256: "aa".into(), product: "0.1.0".into() }
    }

    fn outcome(until_ms: u64) -> Outcome {
        let key: WindowKey = serde_json::from_str(&format!("\"{until_ms}\"")).expect("a key is a text");
        Outcome {
            key,
            until_ms,
            language: Some("ja".into()),
            segments: vec![],
            gaps: vec![],
            removed: vec![],
            reruns: 0,
            overlaps_previous: false,
        }
    }

    /// Writes two outcomes and returns the folder and the file.
    fn two_done() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("out.json.checkpoint");
        let mut checkpoint = Checkpoint::create(&path, &question()).expect("nothing is in the way");
        checkpoint.append(&outcome(1_000)).expect("there is room");
        checkpoint.append(&outcome(2_000)).expect("there is room");
        (folder, path)
    }

    #[test]
    fn what_was_kept_comes_back() {
        let (_folder, path) = two_done();
        let (_, outcomes) = Checkpoint::resume(&path, &question()).expect("the file is good");
        assert_eq!(outcomes, [outcome(1_000), outcome(2_000)]);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_what_follows_is_kept() {
        let (_folder, path) = two_done();
        let mut file = OpenOptions::new().append(true).open(&path).expect("the file is there");
        file.write_all(b"{\"key\":\"3000\",\"until").expect("there is room");
        let (mut checkpoint, outcomes) =
            Checkpoint::resume(&path, &question()).expect("the good part is good");
        assert_eq!(outcomes.len(), 2);
        checkpoint.append(&outcome(3_000)).expect("there is room");
        drop(checkpoint);
        let (_, outcomes) = Checkpoint::resume(&path, &question()).expect("the file is good");
        assert_eq!(outcomes.len(), 3);
    }

    #[test]
    fn another_model_gets_no_old_answer() {
        let (_folder, path) = two_done();
        let other = Question { model_sha256: "bb".into(), ..question() };
        let (_, outcomes) = Checkpoint::resume(&path, &other).expect("a new one is begun");
        assert_eq!(outcomes, []);
    }

    #[test]
    fn two_runs_never_share_a_checkpoint() {
        let (_folder, path) = two_done();
        let _held = Checkpoint::resume(&path, &question()).expect("the first has it");
        let second = Checkpoint::resume(&path, &question());
        assert!(matches!(second, Err(StoreError::Busy { .. })));
    }

    #[test]
    fn a_file_that_is_no_checkpoint_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("odd");
        std::fs::write(&path, b"\xff\xfe not a checkpoint").expect("there is room");
        let (_, outcomes) = Checkpoint::resume(&path, &question()).expect("begun anew");
        assert_eq!(outcomes, []);
    }
}
