//! Sound kept on this machine until the server has it: one folder a recording, one a microphone in it.
//!
//! ```text
//! SPOOL/lock                       one program at a time
//! SPOOL/<recording>/recording.json title, server, the server's name for it once it has one
//! SPOOL/<recording>/<n>/stream.json  name, rate, device    holes   first samples behind holes, one a line
//!                       <sample>.s16 16-bit mono from that sample on, a minute each       end   there is no more
//! ```
//!
//! What was written survives the death of this program at once, and the loss of power but for the last second. A piece is
//! deleted when the server has all of it, and for no other reason.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::audio::frames::{RATE_HZ_MAX, RATE_HZ_MIN};
use crate::clock::UnixMs;

/// Sound of one file. Source: a minute at 48 kHz is 5.8 MB; the server's confirmations free them one by one.
const PIECE_SECONDS: u64 = 60;
/// The longest small file that is read.
const NOTE_BYTES_MAX: u64 = 4 << 20;
/// Recordings that are looked at.
const RECORDINGS_MAX: usize = 10_000;

/// What is known of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The server's address.
    pub server: String,
    /// The title of the meeting.
    pub title: String,
    /// The meeting it belongs to, if somebody said so.
    pub meeting: Option<String>,
    /// The name of the room.
    #[serde(default)]
    pub room: String,
    /// When it began.
    pub began_at: UnixMs,
    /// The server's name for it; none while the server has not answered.
    pub live: Option<String>,
}

/// What is known of a microphone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its name in this recording, a UUID.
    pub name: String,
    /// Samples per second.
    pub rate_hz: u32,
    /// The device.
    pub device: String,
    /// The device as it was asked for.
    #[serde(default)]
    pub wanted: Option<String>,
    /// Its place among the microphones of the recording.
    pub number: usize,
}

/// The folder of all recordings; nobody else uses it meanwhile.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    _lock: File,
}

/// The folder of one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingFolder(PathBuf);

/// The folder of one microphone, for whoever sends it: reads, and deletes what the server has.
#[derive(Debug, Clone)]
pub struct Kept {
    folder: PathBuf,
    /// What is known of it.
    pub stream: Stream,
}

/// What a microphone left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// The first sample that is still here.
    pub from: u64,
    /// Behind the last.
    pub until: u64,
    /// First samples behind holes.
    pub holes: Vec<u64>,
    /// It was closed, and is whole.
    pub ended: bool,
}

/// The folder of one microphone, for whoever records.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    piece_samples: u64,
    piece: Option<(u64, File)>,
    holes: File,
    recorded: u64,
}

impl Spool {
    /// Opens the folder, making it if it is not there.
    ///
    /// Errors: it cannot be made or written, or another `gijiroku capture` uses it.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let told = || format!("録音の一時保存フォルダー {} を用意できません", folder.display());
        std::fs::create_dir_all(folder).with_context(told)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.with_context(told)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("{} は別の gijiroku capture が使っています", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// Begins a recording.
    ///
    /// Errors: the disk.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn begin(&self, recording: &Recording) -> anyhow::Result<RecordingFolder> {
        let folder = RecordingFolder(self.folder.join(uuid::Uuid::now_v7().to_string()));
        std::fs::create_dir(&folder.0)?;
        folder.keep(recording)?;
        sync_folder(&self.folder)?;
        Ok(folder)
    }

    /// Returns the recordings that are here, the oldest first; what cannot be understood is left where it is.
    ///
    /// Errors: the folder cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn recordings(&self) -> anyhow::Result<Vec<(RecordingFolder, Recording)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)?.take(RECORDINGS_MAX) {
            let folder = RecordingFolder(entry?.path());
            match note(&folder.0.join("recording.json")) {
                Ok(Some(recording)) => found.push((folder, recording)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(folder = %folder.0.display(), %error, "a recording cannot be read")
                }
            }
        }
        found.sort_by(|(one, _), (other, _)| one.0.cmp(&other.0));
        Ok(found)
    }

    /// Returns the bytes that others can still write on this disk.
    ///
    /// Errors: the disk cannot be asked.
    pub fn free_bytes(folder: &Path) -> anyhow::Result<u64> {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

impl RecordingFolder {
    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the name of the recording, a UUID.
    pub fn name(&self) -> Option<&str> {
        let name = self.0.file_name()?.to_str()?;
        uuid::Uuid::parse_str(name).ok().map(|_| name)
    }

    /// Keeps what is known of the recording; the former note stays until the new one is whole.
    ///
    /// Errors: the disk.
    pub fn keep(&self, recording: &Recording) -> anyhow::Result<()> {
        write_note(&self.0.join("recording.json"), &serde_json::to_vec(recording)?)
    }

    /// Returns its microphones.
    ///
    /// Errors: a folder or a note cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn streams(&self) -> anyhow::Result<Vec<Kept>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let folder = entry?.path();
            let Some(stream) = note::<Stream>(&folder.join("stream.json"))? else { continue };
            let range = RATE_HZ_MIN..=RATE_HZ_MAX;
            anyhow::ensure!(range.contains(&stream.rate_hz), "{} Hz is no rate", stream.rate_hz);
            found.push(Kept { folder, stream });
        }
        found.sort_by_key(|kept| kept.stream.number);
        Ok(found)
    }

    /// Deletes the folder once nothing is in it any more.
    ///
    /// Errors: the disk.
    pub fn remove_if_empty(&self) -> anyhow::Result<bool> {
        let is_empty = self.streams()?.is_empty();
        if is_empty {
            remove(&self.0)?;
        }
        Ok(is_empty)
    }
}

impl Kept {
    /// Begins to keep a microphone.
    ///
    /// Errors: the disk.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn begin(recording: &RecordingFolder, stream: Stream) -> anyhow::Result<(Self, Writer)> {
        let folder = recording.0.join(stream.number.to_string());
        std::fs::create_dir(&folder)?;
        write_note(&folder.join("stream.json"), &serde_json::to_vec(&stream)?)?;
        sync_folder(&recording.0)?;
        let writer = Writer::open(&folder, stream.rate_hz, 0)?;
        Ok((Self { folder, stream }, writer))
    }

    /// Goes on keeping a microphone that an earlier run began.
    ///
    /// Errors: the disk.
    pub fn reopen(&self) -> anyhow::Result<(Extent, Writer)> {
        let extent = self.extent()?;
        let writer = Writer::open(&self.folder, self.stream.rate_hz, extent.until)?;
        Ok((extent, writer))
    }

    /// Returns what is here, putting right what a loss of power left: half a sample, a piece shorter than it was.
    ///
    /// Errors: the disk.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn extent(&self) -> anyhow::Result<Extent> {
        let pieces = pieces(&self.folder)?;
        let mut until = pieces.first().copied().unwrap_or(0);
        for (index, first) in pieces.iter().enumerate() {
            let file = OpenOptions::new().write(true).open(piece_path(&self.folder, *first))?;
            let there = file.metadata()?.len() / 2;
            let samples = pieces.get(index + 1).map_or(there, |next| next - first);
            file.set_len(samples * 2)?;
            until = first + samples;
        }
        let holes = read_small(&self.folder.join("holes"))?.unwrap_or_default();
        let holes = String::from_utf8_lossy(&holes).lines().filter_map(|line| line.parse().ok()).collect();
        let end = read_small(&self.folder.join("end"))?;
        let end = end.and_then(|text| String::from_utf8_lossy(&text).trim().parse::<u64>().ok());
        if pieces.is_empty() {
            // Everything was confirmed and deleted: the end mark alone knows how far it went.
            until = end.unwrap_or(0);
        }
        let from = pieces.first().copied().unwrap_or(until);
        Ok(Extent { from, until, holes, ended: end.is_some() })
    }

    /// Returns when sound was last written; nothing if none ever was.
    ///
    /// Errors: the disk.
    pub fn written_at(&self) -> anyhow::Result<Option<UnixMs>> {
        use std::os::unix::fs::MetadataExt as _;
        let Some(newest) = pieces(&self.folder)?.pop() else { return Ok(None) };
        let metadata = piece_path(&self.folder, newest).metadata()?;
        Ok(Some(UnixMs::from_ms(metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000)))
    }

    /// Reads samples into `out`, in place of what was there.
    ///
    /// Errors: they are not all here, or the disk.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    pub fn read(&self, first: u64, samples: u32, out: &mut Vec<i16>) -> anyhow::Result<()> {
        out.clear();
        let piece_samples = piece_samples(self.stream.rate_hz);
        let end = first + u64::from(samples);
        let mut bytes = Vec::new();
        let mut at = first;
        while at < end {
            let piece = at / piece_samples * piece_samples;
            let until = end.min(piece + piece_samples);
            bytes.resize((until - at) as usize * 2, 0);
            let file = File::open(piece_path(&self.folder, piece))?;
            file.read_exact_at(&mut bytes, (at - piece) * 2)?;
            out.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            at = until;
        }
        Ok(())
    }

    /// Deletes every piece that lies wholly before this sample. The newest stays: it is being written.
    ///
    /// Errors: the disk.
    #[expect(clippy::disallowed_methods, reason = "what the server has is deleted here")]
    pub fn forget(&self, before: u64) -> anyhow::Result<()> {
        let pieces = pieces(&self.folder)?;
        for pair in pieces.windows(2) {
            if pair[1] <= before {
                std::fs::remove_file(piece_path(&self.folder, pair[0]))?;
            }
        }
        Ok(())
    }

    /// Deletes the microphone: the server has all of it.
    ///
    /// Errors: the disk.
    pub fn remove(&self) -> anyhow::Result<()> {
        remove(&self.folder)
    }

    /// Marks that the server takes nothing more of it, so that later runs leave it in peace.
    ///
    /// Errors: the disk.
    pub fn set_aside(&self) -> anyhow::Result<()> {
        write_note(&self.folder.join("refused"), b"")
    }

    /// Tells whether the server takes nothing more of it.
    ///
    /// Errors: the disk.
    pub fn is_set_aside(&self) -> anyhow::Result<bool> {
        Ok(read_small(&self.folder.join("refused"))?.is_some())
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Writer {
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    fn open(folder: &Path, rate_hz: u32, recorded: u64) -> anyhow::Result<Self> {
        let holes = OpenOptions::new().create(true).append(true).open(folder.join("holes"))?;
        let piece_samples = piece_samples(rate_hz);
        Ok(Self { folder: folder.to_owned(), piece_samples, piece: None, holes, recorded })
    }

    /// Returns how many samples there are, from the beginning.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Notes that something is missing just before the next sample.
    ///
    /// Errors: the disk.
    pub fn mark_hole(&mut self) -> anyhow::Result<()> {
        Ok(writeln!(self.holes, "{}", self.recorded)?)
    }

    /// Writes samples behind the last.
    ///
    /// Errors: the disk; [`Self::recorded`] tells how much of it is there, and the rest may be silence.
    pub fn append(&mut self, samples: &[i16]) -> anyhow::Result<()> {
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.room()?;
            let (now, later) = rest.split_at(rest.len().min(room as usize));
            let bytes: Vec<u8> = now.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let (first, file) = self.piece.as_mut().context("a piece was just opened")?;
            file.write_all_at(&bytes, (self.recorded - *first) * 2)?;
            self.recorded += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Puts silence behind the last sample. It takes no room on the disk.
    ///
    /// Errors: the disk.
    pub fn append_silence(&mut self, samples: u64) -> anyhow::Result<()> {
        let mut rest = samples;
        while rest > 0 {
            let now = rest.min(self.room()?);
            let (first, file) = self.piece.as_mut().context("a piece was just opened")?;
            file.set_len((self.recorded + now - *first) * 2)?;
            self.recorded += now;
            rest -= now;
        }
        Ok(())
    }

    /// Waits until everything is on the disk itself.
    ///
    /// Errors: the disk.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        if let Some((_, file)) = &self.piece {
            file.sync_data()?;
        }
        Ok(self.holes.sync_data()?)
    }

    /// Says that there is no more.
    ///
    /// Errors: the disk.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.sync()?;
        write_note(&self.folder.join("end"), self.recorded.to_string().as_bytes())?;
        Ok(self.recorded)
    }

    /// Returns how many samples the newest piece still takes, beginning the next when it is full.
    #[expect(clippy::disallowed_methods, reason = "the client's own folder")]
    fn room(&mut self) -> anyhow::Result<u64> {
        let first = self.recorded / self.piece_samples * self.piece_samples;
        if self.piece.as_ref().is_none_or(|(now, _)| *now != first) {
            self.sync()?;
            let path = piece_path(&self.folder, first);
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            sync_folder(&self.folder)?;
            self.piece = Some((first, file));
        }
        Ok(first + self.piece_samples - self.recorded)
    }
}

fn piece_samples(rate_hz: u32) -> u64 {
    u64::from(rate_hz) * PIECE_SECONDS
}

fn piece_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:015}.s16"))
}

/// Returns the first samples of the pieces, in order.
#[expect(clippy::disallowed_methods, reason = "the client's own folder")]
fn pieces(folder: &Path) -> anyhow::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let first: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".s16")).and_then(|first| first.parse().ok());
        found.extend(first);
    }
    found.sort_unstable();
    Ok(found)
}

fn note<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let Some(text) = read_small(path)? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&text)?))
}

#[expect(clippy::disallowed_methods, reason = "the client's own folder")]
fn read_small(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    file.take(NOTE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(Some(text))
}

#[expect(clippy::disallowed_methods, reason = "the client's own folder")]
fn write_note(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&new)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

#[expect(clippy::disallowed_methods, reason = "the client's own folder")]
fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    Ok(File::open(folder)?.sync_all()?)
}

#[expect(clippy::disallowed_methods, reason = "what the server has is deleted here")]
fn remove(folder: &Path) -> anyhow::Result<()> {
    Ok(std::fs::remove_dir_all(folder)?)
}
