//! The folder in which nightly backups stand, one a night, each under its date.
//!
//! ```text
//! sealed ─► NAME.unchecked ─read back─► gijiroku-20261122-020000.backup, or …-gaps.backup ─► old ones go
//! ```
//!
//! Only what was read back to its end gets a name that counts. What others put into the folder is never touched.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, offset};
use tokio_util::sync::CancellationToken;

use super::{BackupError, FlawKind, Key, Source, backup, read_through};
use crate::clock::UnixMs;
use crate::store::audit::{Actor, Entry};

/// The time of the offices this is made for; it never changes with the season.
const JST: Offset = offset(9);
const NAME: &str = "gijiroku-%Y%m%d-%H%M%S";
const ENDING: &str = ".backup";
/// Stands before the ending of a backup that lacks recordings.
const GAPS: &str = "-gaps";
/// Ends the name of a backup that was not read back yet.
const UNCHECKED: &str = ".unchecked";
/// How old an unfinished file must be before it is one that a crash has left.
const LEFT_AGE_MIN: Duration = Duration::from_secs(48 * 3600);
/// Most entries of the folder that are looked at.
const ENTRIES_MAX: usize = 100_000;

/// Where nightly backups stand, and how many.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The folder. It is never made: a disk that is not mounted would be taken for an empty one.
    pub folder: PathBuf,
    /// How many of the newest stay.
    pub keep: usize,
}

/// A backup on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// When it was begun, to the second.
    pub at: UnixMs,
    /// Whether it has every recording.
    pub is_whole: bool,
}

impl Shelved {
    /// Returns its file's name.
    pub fn name(&self) -> String {
        let at = Timestamp::from_millisecond(self.at.ms()).unwrap_or(Timestamp::UNIX_EPOCH);
        let gaps = if self.is_whole { "" } else { GAPS };
        format!("{}{gaps}{ENDING}", at.to_zoned(TimeZone::fixed(JST)).strftime(NAME))
    }

    /// Reads a file's name; `None` if it is none of ours.
    pub fn from_name(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(ENDING)?;
        let (date, is_whole) = stem.strip_suffix(GAPS).map_or((stem, true), |date| (date, false));
        let at = DateTime::strptime(NAME, date).ok()?.to_zoned(TimeZone::fixed(JST)).ok()?;
        let found = Self { at: UnixMs::from_ms(at.timestamp().as_millisecond()), is_whole };
        (found.name() == name).then_some(found)
    }
}

/// Returns which backups are to go: all but the newest `keep`, and never the newest that is whole.
pub fn superfluous(mut backups: Vec<Shelved>, keep: usize) -> Vec<Shelved> {
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.at));
    let last_whole = backups.iter().position(|backup| backup.is_whole);
    let old = backups.into_iter().enumerate().skip(keep.max(1));
    old.filter(|(index, _)| Some(*index) != last_whole).map(|(_, backup)| backup).collect()
}

impl Shelf {
    /// Returns what stands here, in no order.
    ///
    /// Errors: [`BackupError::File`] if the folder is not there or cannot be read.
    pub fn list(&self) -> Result<Vec<Shelved>, BackupError> {
        Ok(self.names()?.iter().filter_map(|name| Shelved::from_name(name)).collect())
    }

    /// Makes a backup, reads it back, gives it its name, and removes what is superfluous then.
    ///
    /// Errors: those of [`backup`]; [`BackupError::Stopped`] if `stop` came. Older backups are then all still there.
    pub async fn add(
        &self,
        source: &Source<'_>,
        key: &Key,
        now: UnixMs,
        stop: &CancellationToken,
    ) -> Result<Shelved, BackupError> {
        let server = Actor::server();
        self.clear_up(now)?;
        let mut made = Shelved { at: now, is_whole: true };
        let unchecked = self.folder.join(format!("{}{UNCHECKED}", made.name()));
        let checked = async {
            let making = backup(source, &unchecked, key, &server, now);
            stop.run_until_cancelled(making).await.ok_or(BackupError::Stopped)??;
            read_through(&unchecked, key, || stop.is_cancelled())
        };
        let manifest = match checked.await {
            Ok(manifest) => manifest,
            Err(error) => {
                remove(&unchecked)?;
                return Err(error);
            }
        };
        made.is_whole = manifest.flaws.iter().all(|flaw| flaw.kind == FlawKind::Erased);
        self.name(&unchecked, &made)?;
        for old in superfluous(self.list()?, self.keep) {
            remove(&self.folder.join(old.name()))?;
            source.store.note(Entry::done(&server, now, "backup.remove", old.name())).await?;
        }
        Ok(made)
    }

    /// Gives a backup the name under which it counts.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    fn name(&self, unchecked: &Path, made: &Shelved) -> Result<(), BackupError> {
        let named = self.folder.join(made.name());
        let file = |error| BackupError::file(&named, error);
        fs::rename(unchecked, &named).map_err(file)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(file)
    }

    /// Removes what a crash has left half-written.
    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    fn clear_up(&self, now: UnixMs) -> Result<(), BackupError> {
        for name in self.names()? {
            let unchecked = name.strip_suffix(UNCHECKED).and_then(Shelved::from_name).is_some();
            let part = name.starts_with(super::PART_BEGINS) && name.ends_with(super::PART_ENDS);
            if !unchecked && !part {
                continue;
            }
            let path = self.folder.join(&name);
            let written = fs::metadata(&path).and_then(|about| about.modified());
            let written = written.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let written_ms = written.and_then(|at| i64::try_from(at.as_millis()).ok());
            if written_ms.is_some_and(|ms| ms < now.minus(LEFT_AGE_MIN).ms()) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
    fn names(&self) -> Result<Vec<String>, BackupError> {
        let file = |error| BackupError::file(&self.folder, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(file)?.take(ENTRIES_MAX) {
            names.extend(entry.map_err(file)?.file_name().into_string().ok());
        }
        Ok(names)
    }
}

#[expect(clippy::disallowed_methods, reason = "the store is where files are kept")]
fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(BackupError::file(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is told of nightly backups: whoever makes them writes it, the figures read it. In memory only.
#[derive(Debug, Default)]
pub struct Board(Mutex<Option<Told>>);

/// How nightly backups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When the last one with every recording was begun.
    pub last_whole: Option<UnixMs>,
    /// Whether the last try gave none, or one with gaps.
    pub is_failing: bool,
}

impl Board {
    /// Tells how they go from now on.
    pub fn tell(&self, told: Told) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    /// Returns what was told last; `None` where none are made.
    pub fn told(&self) -> Option<Told> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelved(day: i64, is_whole: bool) -> Shelved {
        Shelved { at: UnixMs::from_ms(day * 86_400_000), is_whole }
    }

    #[test]
    fn a_name_tells_the_time_in_japan_and_whether_something_is_missing() {
        let mut backup = Shelved { at: UnixMs::from_ms(1_795_280_400_000), is_whole: true };
        assert_eq!(backup.name(), "gijiroku-20261122-020000.backup");
        assert_eq!(Shelved::from_name(&backup.name()), Some(backup.clone()));
        backup.is_whole = false;
        assert_eq!(backup.name(), "gijiroku-20261122-020000-gaps.backup");
        assert_eq!(Shelved::from_name(&backup.name()), Some(backup));
    }

    #[test]
    fn what_is_not_named_by_us_is_none_of_ours() {
        for name in [
            "office.backup",
            "gijiroku-20261122-020000.backup.unchecked",
            "gijiroku-20261122-020000.backup.gz",
            "gijiroku-20261322-020000.backup",
            "gijiroku-2026112-020000.backup",
            "gijiroku- 20261122-020000.backup",
            ".gijiroku-a.part",
            "",
        ] {
            assert_eq!(Shelved::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_newest_stay_and_the_only_whole_one_is_never_superfluous() {
        let days = |backups: Vec<Shelved>| {
            backups.iter().map(|backup| backup.at.ms() / 86_400_000).collect::<Vec<_>>()
        };
        let whole = |list: &[i64]| list.iter().map(|day| shelved(*day, true)).collect::<Vec<_>>();
        assert_eq!(days(superfluous(whole(&[3, 1, 2]), 2)), [1]);
        assert_eq!(days(superfluous(whole(&[1, 2]), 2)), [0_i64; 0]);
        assert_eq!(days(superfluous(whole(&[1, 2]), 0)), [1]);
        let gaps = vec![shelved(1, true), shelved(2, true), shelved(3, false), shelved(4, false)];
        assert_eq!(days(superfluous(gaps.clone(), 2)), [1]);
        assert_eq!(days(superfluous(gaps[1..].to_vec(), 1)), [3]);
    }
}
