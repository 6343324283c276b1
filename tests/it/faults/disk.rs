//! What a disk may hold after the power was cut: a log of everything done to it, replayed to any moment.
//!
//! The model is harder than ext4 or XFS in practice:
//! - bytes of a file are on the disk after a sync of that file; of those not synced any sectors of 512 bytes may be
//!   there, in any mixture, and a changed length may or may not;
//! - a name (made, renamed, removed) is on the disk after a sync of its folder; of those not synced the first few of
//!   each folder may be there;
//! - a rename never loses the file, but both names may be there until both folders are synced.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use rand::rngs::StdRng;

/// What a disk writes whole.
const SECTOR: u64 = 512;
/// Bytes of a record before its name.
const HEAD: usize = 32;

/// One thing done to the disk, or said to a person.
#[derive(Debug, Clone)]
pub enum Record {
    /// A file came to be.
    Created { file: u64, path: String },
    /// A folder came to be.
    Folder { path: String },
    /// Bytes of a file changed.
    Written { file: u64, at: u64, bytes: Vec<u8> },
    /// A file has another length.
    Length { file: u64, bytes: u64 },
    /// A file has another name.
    Renamed { from: String, to: String },
    /// A file has a second name.
    Linked { from: String, to: String },
    /// A name is gone.
    Removed { path: String },
    /// The bytes of a file are on the disk.
    Synced { file: u64 },
    /// The names in a folder are on the disk; these are they.
    NamesSynced { path: String, names: BTreeMap<String, u64> },
    /// Somebody was told something.
    Told,
}

/// Returns the record by which the test itself says that somebody was told something.
pub fn told() -> Vec<u8> {
    let mut record = vec![0; HEAD];
    record[..4].copy_from_slice(&(HEAD as u32).to_ne_bytes());
    record[4..8].copy_from_slice(&u32::from(b'A').to_ne_bytes());
    record
}

/// Reads a log, and puts in the renames that only show in the listings.
pub fn read_log(path: &Path) -> Vec<Record> {
    let log = std::fs::read(path).expect("the program wrote its log");
    let mut records = Vec::new();
    let mut names = Names::default();
    let mut rest = &log[..];
    while rest.len() >= HEAD {
        let length = number(rest, 0, 4) as usize;
        assert!(length >= HEAD && length <= rest.len(), "the log is whole");
        let record = read(&rest[..length]);
        rest = &rest[length..];
        for hidden in names.hidden_before(&record) {
            names.note(&hidden);
            records.push(hidden);
        }
        names.note(&record);
        records.push(record);
    }
    records
}

fn number(bytes: &[u8], at: usize, count: usize) -> u64 {
    let mut whole = [0; 8];
    whole[..count].copy_from_slice(&bytes[at..at + count]);
    u64::from_le_bytes(whole)
}

fn read(bytes: &[u8]) -> Record {
    let (kind, file, at) = (number(bytes, 4, 4) as u8, number(bytes, 8, 8), number(bytes, 16, 8));
    let name_end = HEAD + number(bytes, 24, 4) as usize;
    let path = String::from_utf8_lossy(&bytes[HEAD..name_end]).into_owned();
    let data = &bytes[name_end..];
    let two = || path.split_once('\0').map(|(from, to)| (from.to_owned(), to.to_owned())).expect("two names");
    match kind {
        b'C' => Record::Created { file, path },
        b'M' => Record::Folder { path },
        b'W' => Record::Written { file, at, bytes: data.to_vec() },
        b'T' => Record::Length { file, bytes: at },
        b'R' => Record::Renamed { from: two().0, to: two().1 },
        b'L' => Record::Linked { from: two().0, to: two().1 },
        b'U' => Record::Removed { path },
        b'S' => Record::Synced { file },
        b'D' => Record::NamesSynced { path, names: listing(data) },
        b'A' => Record::Told,
        other => panic!("a record of kind {other}"),
    }
}

fn listing(data: &[u8]) -> BTreeMap<String, u64> {
    let words: Vec<_> = data.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    words.chunks_exact(2).map(|pair| (pair[0].to_string(), pair[1].parse().expect("a number"))).collect()
}

fn split(path: &str) -> (String, String) {
    let (folder, name) = path.rsplit_once('/').expect("paths are absolute");
    (folder.to_owned(), name.to_owned())
}

/// The names as a program sees them, whatever is on the disk.
#[derive(Default)]
struct Names(BTreeMap<String, u64>);

impl Names {
    fn note(&mut self, record: &Record) {
        match record {
            Record::Created { file, path } => drop(self.0.insert(path.clone(), *file)),
            Record::Folder { path } => drop(self.0.insert(path.clone(), 0)),
            Record::Removed { path } => drop(self.0.remove(path)),
            Record::Renamed { from, to } => {
                let file = self.0.remove(from).expect("what is renamed is there");
                self.0.insert(to.clone(), file);
            }
            Record::Linked { from, to } => drop(self.0.insert(to.clone(), self.0[from])),
            _ => {}
        }
    }

    /// Finds what went to the kernel past the C library before the names of a folder were synced.
    fn hidden_before(&self, record: &Record) -> Vec<Record> {
        let Record::NamesSynced { path: folder, names } = record else { return Vec::new() };
        let mut hidden = Vec::new();
        for (name, file) in names {
            let to = format!("{folder}/{name}");
            if self.0.contains_key(&to) {
                continue;
            }
            let known = self.0.iter().find(|(path, known)| *known == file && !is_there(names, folder, path));
            let from = known.unwrap_or_else(|| panic!("{to} came from nowhere")).0.clone();
            hidden.push(Record::Renamed { from, to });
        }
        hidden
    }
}

fn is_there(names: &BTreeMap<String, u64>, folder: &str, path: &str) -> bool {
    let (of, name) = split(path);
    of == folder && names.contains_key(&name)
}

/// A file, whatever its names.
#[derive(Default)]
struct Content {
    /// What is on the disk.
    durable: Vec<u8>,
    /// What may be.
    pending: Vec<Change>,
}

enum Change {
    Written { at: u64, bytes: Vec<u8> },
    Length(u64),
}

impl Change {
    fn apply(&self, found: &mut Vec<u8>) {
        match self {
            Self::Written { at, bytes } => put(found, *at, bytes),
            Self::Length(bytes) => found.resize(*bytes as usize, 0),
        }
    }
}

impl Content {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    /// Returns what a disk may hold of it.
    fn after_a_cut(&self, rng: &mut StdRng) -> Vec<u8> {
        let mut found = self.durable.clone();
        // Nothing of it, all of it, or some of it.
        let share = [0.0, 0.5, 0.9, 1.0][rng.random_range(0..4)];
        for change in &self.pending {
            match change {
                Change::Length(bytes) if rng.random_bool(share) => found.resize(*bytes as usize, 0),
                Change::Length(_) => {}
                Change::Written { at, bytes } => {
                    let mut begin = 0;
                    while begin < bytes.len() {
                        let sector_end = (at + begin as u64) / SECTOR * SECTOR + SECTOR - at;
                        let end = bytes.len().min(sector_end as usize);
                        if rng.random_bool(share) {
                            put(&mut found, at + begin as u64, &bytes[begin..end]);
                        }
                        begin = end;
                    }
                }
            }
        }
        found
    }
}

fn put(found: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let end = at as usize + bytes.len();
    if found.len() < end {
        found.resize(end, 0);
    }
    found[at as usize..end].copy_from_slice(bytes);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Folder,
    File(usize),
}

/// A change of the names in a folder; the two halves of a rename have the same number.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    to: Option<Thing>,
    half_of: Option<usize>,
}

#[derive(Default, Clone)]
struct Folder {
    durable: BTreeMap<String, Thing>,
    pending: Vec<Step>,
}

impl Folder {
    fn apply(&mut self, step: &Step) {
        match step.to {
            Some(thing) => drop(self.durable.insert(step.name.clone(), thing)),
            None => drop(self.durable.remove(&step.name)),
        }
    }
}

/// A disk as it fills.
pub struct Disk {
    root: String,
    contents: Vec<Content>,
    /// Which content an inode has now: numbers are used again.
    living: HashMap<u64, usize>,
    folders: BTreeMap<String, Folder>,
    /// The names as the program sees them.
    seen: BTreeMap<String, Thing>,
    renames: usize,
}

impl Disk {
    /// Makes an empty folder.
    pub fn new(root: &Path) -> Self {
        let root = root.to_str().expect("the test's paths are UTF-8").to_owned();
        let folders = BTreeMap::from([(root.clone(), Folder::default())]);
        let (contents, living) = (Vec::new(), HashMap::new());
        Self { root, contents, living, folders, seen: BTreeMap::new(), renames: 0 }
    }

    /// Does what a record says.
    pub fn replay(&mut self, record: &Record) {
        match record {
            Record::Created { file, path } => {
                self.living.insert(*file, self.contents.len());
                self.name(path, Some(Thing::File(self.contents.len())), None);
                self.contents.push(Content::default());
            }
            Record::Folder { path } => {
                self.folders.insert(path.clone(), Folder::default());
                self.name(path, Some(Thing::Folder), None);
            }
            Record::Written { file, at, bytes } => {
                self.content(*file).pending.push(Change::Written { at: *at, bytes: bytes.clone() });
            }
            Record::Length { file, bytes } => self.content(*file).pending.push(Change::Length(*bytes)),
            Record::Renamed { from, to } => {
                self.renames += 1;
                let thing = self.seen[from];
                self.name(to, Some(thing), Some(self.renames));
                self.name(from, None, Some(self.renames));
            }
            Record::Linked { from, to } => self.name(to, Some(self.seen[from]), None),
            Record::Removed { path } => self.name(path, None, None),
            Record::Synced { file } => self.content(*file).sync(),
            Record::NamesSynced { path, .. } => self.sync_names(path),
            Record::Told => {}
        }
    }

    fn content(&mut self, file: u64) -> &mut Content {
        let known = self.living.get(&file).expect("a file is made before it is written");
        &mut self.contents[*known]
    }

    fn name(&mut self, path: &str, to: Option<Thing>, half_of: Option<usize>) {
        match to {
            Some(thing) => drop(self.seen.insert(path.to_owned(), thing)),
            None => drop(self.seen.remove(path)),
        }
        let (folder, name) = split(path);
        let folder = self.folders.get_mut(&folder).expect("a folder is made before what is in it");
        folder.pending.push(Step { name, to, half_of });
    }

    fn sync_names(&mut self, path: &str) {
        let pending = std::mem::take(&mut self.folders.get_mut(path).expect("it was made").pending);
        settle(&mut self.folders, path, &pending);
    }

    /// Writes what a disk may hold into an empty folder.
    pub fn after_a_cut(&self, rng: &mut StdRng, into: &Path) {
        let mut folders = self.folders.clone();
        let paths: Vec<_> = folders.keys().cloned().collect();
        for path in paths {
            let folder = folders.get_mut(&path).expect("it is one of them");
            let kept = rng.random_range(0..=folder.pending.len());
            let happened: Vec<_> = folder.pending.drain(..kept).collect();
            settle(&mut folders, &path, &happened);
        }
        self.write(&folders, &self.root, into, rng);
    }

    /// Lists the files in which the log and the folder itself disagree: what was done behind the library's back.
    ///
    /// The memory that readers of the database share is no part of it: it is made anew from the journal.
    pub fn missed(&self) -> Vec<String> {
        let as_program = |content: &Content| {
            let mut bytes = content.durable.clone();
            for change in &content.pending {
                change.apply(&mut bytes);
            }
            bytes
        };
        let differs = |(path, thing): &(&String, &Thing)| match thing {
            Thing::Folder => !Path::new(path).is_dir(),
            Thing::File(content) if !path.ends_with("-shm") => {
                std::fs::read(path).ok() != Some(as_program(&self.contents[*content]))
            }
            Thing::File(_) => false,
        };
        let known = self.seen.iter().filter(differs).map(|(path, _)| path.clone());
        known.chain(self.unknown(&self.root)).collect()
    }

    fn unknown(&self, folder: &str) -> Vec<String> {
        let mut unknown = Vec::new();
        for entry in std::fs::read_dir(folder).expect("it is there").flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match self.seen.get(&path) {
                Some(Thing::Folder) => unknown.extend(self.unknown(&path)),
                Some(Thing::File(_)) => {}
                None => unknown.push(path),
            }
        }
        unknown
    }

    fn write(&self, folders: &BTreeMap<String, Folder>, path: &str, into: &Path, rng: &mut StdRng) {
        std::fs::create_dir_all(into).expect("there is room");
        for (name, thing) in &folders[path].durable {
            let target: PathBuf = into.join(name);
            match thing {
                Thing::Folder => self.write(folders, &format!("{path}/{name}"), &target, rng),
                Thing::File(content) => {
                    let bytes = self.contents[*content].after_a_cut(rng);
                    std::fs::write(&target, bytes).expect("there is room");
                }
            }
        }
    }
}

/// Brings steps of a folder onto the disk; with the removal of an old name goes the new one.
fn settle(folders: &mut BTreeMap<String, Folder>, path: &str, steps: &[Step]) {
    for step in steps {
        folders.get_mut(path).expect("it was made").apply(step);
        let (None, Some(rename)) = (step.to, step.half_of) else { continue };
        for folder in folders.values_mut() {
            let other = folder.pending.iter().position(|other| other.half_of == Some(rename));
            if let Some(other) = other {
                let other = folder.pending.remove(other);
                folder.apply(&other);
            }
        }
    }
}
