//! Weight files: which there are, whether they are whole, and how new ones come in.
//!
//! Shape: a folder of weights; `local.toml` in it lists what was dropped in and checked here. A file is believed
//! only if its sha256 is in the shipped manifest or in that list, and it is hashed again at every load.

mod disk;
mod error;
mod manifest;
mod pack;
mod speaker;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::error::ModelStoreError;
pub use self::manifest::{Entry, Kind, Manifest, Package, Source, SourceFile};

use self::disk::{Fingerprint, Folder};
use self::manifest::{Local, LocalEntry};
use super::StoreError;
use crate::speech::model::{self, Precision, ctranslate2, ggml};

/// Largest weight file that is read whole: Whisper large in single precision has 6.2 GB.
const WEIGHTS_BYTES_MAX: u64 = 8 << 30;

/// Largest `tokenizer.json`: Whisper's has 2.2 MB.
const TOKENIZER_BYTES_MAX: u64 = 16 << 20;

/// Largest list of dropped-in models.
const LOCAL_BYTES_MAX: u64 = 1 << 20;

/// Most letters of a model's name.
const ID_LETTERS_MAX: usize = 64;

/// Name of the list of dropped-in models, inside the folder of weights.
const LOCAL_FILE: &str = "local.toml";

/// A file whose sha256 has just been computed and is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The model's name.
    pub id: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
}

/// A file that is there, and what it must hash to when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The model's name.
    pub id: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

impl Located {
    /// Reads the first bytes of the file, fewer if it is shorter: enough to tell who can read it.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn read_head(&self, bytes: u64) -> Result<Vec<u8>, StoreError> {
        disk::read_head(&self.path, bytes)
    }
}

/// How a known model is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its file is whole.
    Present,
    /// Its file is not here.
    Missing,
    /// Its file is another than it should be.
    Damaged,
}

/// One line of the list of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The model's name.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// Where its file lies or would lie.
    pub path: PathBuf,
    /// How it is doing.
    pub state: State,
    /// Size its file has or would have.
    pub bytes: u64,
    /// What it is and under which licence; for a dropped-in file, that it is one.
    pub origin: String,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// Nothing: the file was there and whole.
    AlreadyThere(Verified),
    /// A new file was made and checked.
    Made(Verified),
    /// A dropped-in file was checked and its sha256 recorded.
    Recorded(Verified),
}

/// A file to be taken in.
#[derive(Debug, Clone, Copy)]
pub struct FileImport<'a> {
    /// A ggml file, or a CTranslate2 container.
    pub path: &'a Path,
    /// The container's `tokenizer.json`; the one beside it if not given.
    pub tokenizer: Option<&'a Path>,
    /// How a container's matrices are to be stored; a ggml file stays as it is.
    pub precision: Precision,
    /// Name of the model; from the file's or folder's name if not given.
    pub id: Option<&'a str>,
}

/// The folder of weights and everything known about it.
#[derive(Debug, Clone)]
pub struct ModelStore {
    manifest: Manifest,
    local: Local,
    dir: PathBuf,
}

impl ModelStore {
    /// Opens a folder of weights; it need not exist yet.
    ///
    /// Errors: [`ModelStoreError::LocalList`], [`ModelStoreError::Store`].
    pub fn open(dir: &Path) -> Result<Self, ModelStoreError> {
        Self::with_manifest(Manifest::shipped(), dir)
    }

    fn with_manifest(manifest: Manifest, dir: &Path) -> Result<Self, ModelStoreError> {
        Ok(Self { manifest, local: read_local(dir)?, dir: dir.to_owned() })
    }

    /// Returns the list that ships with the program: what each model is, its licence, what it is made from.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Looks at every known model; hashes each file that is there.
    ///
    /// Errors: [`ModelStoreError::Store`] if a file is there but cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, ModelStoreError> {
        let shipped = self.manifest.models.iter().map(|entry| Listed {
            id: entry.id.clone(),
            kind: entry.kind,
            path: self.dir.join(&entry.file),
            state: State::Missing,
            bytes: entry.bytes,
            origin: format!("{}; languages: {}; {}", entry.derived_from, entry.languages, entry.licence),
        });
        let local = self.local.models.iter().map(|entry| Listed {
            id: entry.id.clone(),
            kind: Kind::Whisper,
            path: self.dir.join(&entry.file),
            state: State::Missing,
            bytes: entry.bytes,
            origin: "dropped in and checked here".to_owned(),
        });
        let mut list: Vec<Listed> = shipped.chain(local).collect();
        for listed in &mut list {
            let expected = self.known(&listed.id).map(|known| known.sha256);
            listed.state = match Fingerprint::of_file(&listed.path)? {
                None => State::Missing,
                Some(found) if Some(&found.sha256) == expected.as_ref() => State::Present,
                Some(_) => State::Damaged,
            };
        }
        Ok(list)
    }

    /// Finds the file of a Whisper model by its name or path. What a name stands for is not hashed here: whoever loads
    /// it does, once, and [`ModelStore::verify_known`] tells what is wrong with it.
    ///
    /// Errors: [`ModelStoreError::NotImported`] for a path with an unknown sha256; else as the variants say.
    pub fn resolve(&self, name_or_path: &str) -> Result<Located, ModelStoreError> {
        if let Some(known) = self.known(name_or_path) {
            return match known.kind {
                Kind::Whisper if disk::is_file(&known.path) => {
                    Ok(Located { id: known.id, path: known.path, sha256: known.sha256 })
                }
                Kind::Whisper => Err(missing(&known)),
                Kind::Vad | Kind::Speaker | Kind::Segmentation => {
                    Err(ModelStoreError::OtherKind { id: known.id })
                }
            };
        }
        let path = Path::new(name_or_path);
        let Some(found) = Fingerprint::of_file(path)? else { return Err(self.unknown(name_or_path)) };
        match self.whisper_by_hash(&found.sha256) {
            Some(id) => Ok(Located { id, path: path.to_owned(), sha256: found.sha256 }),
            None => Err(ModelStoreError::NotImported { path: path.to_owned(), sha256: found.sha256 }),
        }
    }

    /// Reads the weights of the speech detector; the bytes returned are those that were verified.
    ///
    /// Errors: [`ModelStoreError::Missing`], [`ModelStoreError::Damaged`], [`ModelStoreError::OtherKind`].
    pub fn read_vad(&self, id: &str) -> Result<Vec<u8>, ModelStoreError> {
        self.read_tensors(id, Kind::Vad)
    }

    fn read_tensors(&self, id: &str, kind: Kind) -> Result<Vec<u8>, ModelStoreError> {
        let known = self.known(id).ok_or_else(|| self.unknown(id))?;
        if known.kind != kind {
            return Err(ModelStoreError::OtherKind { id: known.id });
        }
        let weights = disk::read(&known.path, known.bytes)?.ok_or_else(|| missing(&known))?;
        compare(&known, Fingerprint::of(&weights))?;
        Ok(weights)
    }

    /// Makes a model of the manifest from its fetched sources, unless it is there and whole.
    ///
    /// Errors: nothing has changed on the disk after any of them.
    pub fn import_known(&self, id: &str) -> Result<Imported, ModelStoreError> {
        let known = self.known(id).ok_or_else(|| self.unknown(id))?;
        if matches!(known.kind, Kind::Speaker | Kind::Segmentation) {
            return self.import_checkpoint(&known);
        }
        let entry = self.manifest.model(id);
        let recipe = entry.and_then(|entry| Some((entry, entry.precision?, self.manifest.source(entry)?)));
        let Some((entry, precision, source)) = recipe else {
            return self.verify(&known).map(Imported::AlreadyThere);
        };
        match self.verify(&known) {
            Ok(verified) => return Ok(Imported::AlreadyThere(verified)),
            Err(ModelStoreError::Missing { .. } | ModelStoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        let no_source = || missing(&known);
        let container = self.read_source(id, source.container.as_ref().ok_or_else(no_source)?)?;
        let tokenizer = self.read_source(id, source.tokenizer.as_ref().ok_or_else(no_source)?)?;
        let folder = Folder::lock(&self.dir)?;
        let sources = Sources { container: &container, tokenizer: &tokenizer, precision };
        let made = sources.convert(&folder, &entry.file, id, Some(&entry.sha256))?;
        Ok(Imported::Made(made))
    }

    /// Finds the model made from the same source as `id` and stored as `precision`.
    ///
    /// Errors: [`ModelStoreError::Unknown`].
    pub fn variant(&self, id: &str, precision: Precision) -> Result<&str, ModelStoreError> {
        let source = self.manifest.model(id).map(|entry| &entry.source);
        let fits = |entry: &&Entry| Some(&entry.source) == source && entry.precision == Some(precision);
        let found = self.manifest.models.iter().find(fits);
        found.map(|entry| entry.id.as_str()).ok_or_else(|| self.unknown(&format!("{id} in {precision:?}")))
    }

    /// Takes in a file that is not in the manifest: a ggml file is checked and stays where it is, a container is
    /// converted. Either way the sha256 is recorded.
    ///
    /// Errors: [`ModelStoreError::Refused`], [`ModelStoreError::BadName`]; nothing has changed on the disk then.
    pub fn import_file(&mut self, import: FileImport<'_>) -> Result<Imported, ModelStoreError> {
        let weights = self.read_given(import.path, WEIGHTS_BYTES_MAX)?;
        if ctranslate2::is_container(&weights) {
            self.convert(&import, &weights)
        } else {
            self.record(&import, &weights)
        }
    }

    fn record(&mut self, import: &FileImport<'_>, weights: &[u8]) -> Result<Imported, ModelStoreError> {
        let Fingerprint { sha256, bytes } = Fingerprint::of(weights);
        let path = import.path.to_owned();
        if let Some(id) = self.whisper_by_hash(&sha256) {
            return Ok(Imported::AlreadyThere(Verified { id, path, sha256, bytes }));
        }
        check_ggml(&path, weights)?;
        let id = self.free_name(import.id.map_or_else(|| name_of_file(&path), str::to_owned))?;
        // The list must mean the same file from whatever folder it is read.
        let file = disk::absolute(&path)?.to_string_lossy().into_owned();
        let folder = Folder::lock(&self.dir)?;
        self.remember(&folder, LocalEntry { id: id.clone(), file, bytes, sha256: sha256.clone() })?;
        Ok(Imported::Recorded(Verified { id, path, sha256, bytes }))
    }

    fn convert(&mut self, import: &FileImport<'_>, container: &[u8]) -> Result<Imported, ModelStoreError> {
        let FileImport { path, tokenizer, precision, id } = *import;
        let id = self.free_name(id.map_or_else(|| name_of_folder(path), str::to_owned))?;
        let beside = path.with_file_name("tokenizer.json");
        let tokenizer = self.read_given(tokenizer.unwrap_or(&beside), TOKENIZER_BYTES_MAX)?;
        let sources = Sources { container, tokenizer: &tokenizer, precision };
        let folder = Folder::lock(&self.dir)?;
        let file = format!("ggml-{id}.bin");
        let made = sources.convert(&folder, &file, &id, None)?;
        self.remember(&folder, LocalEntry { id, file, bytes: made.bytes, sha256: made.sha256.clone() })?;
        Ok(Imported::Made(made))
    }

    fn read_given(&self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, ModelStoreError> {
        disk::read(path, bytes_max)?.ok_or_else(|| self.unknown(&path.to_string_lossy()))
    }

    /// Verifies one model by name, whatever it is for.
    ///
    /// Errors: [`ModelStoreError::Unknown`], [`ModelStoreError::Missing`], [`ModelStoreError::Damaged`].
    pub fn verify_known(&self, id: &str) -> Result<Verified, ModelStoreError> {
        self.verify(&self.known(id).ok_or_else(|| self.unknown(id))?)
    }

    fn known(&self, id: &str) -> Option<Known> {
        let shipped = self.manifest.model(id).map(|entry| Known {
            id: entry.id.clone(),
            kind: entry.kind,
            path: self.dir.join(&entry.file),
            sha256: entry.sha256.clone(),
            bytes: entry.bytes,
            remedy: match (entry.precision, entry.kind) {
                (None, Kind::Whisper | Kind::Vad) => "run models/fetch.sh".to_owned(),
                (Some(_), _) | (None, Kind::Speaker | Kind::Segmentation) => {
                    format!("run models/fetch.sh, then: gijiroku model import {id}")
                }
            },
        });
        let local = || {
            self.local.model(id).map(|entry| Known {
                id: entry.id.clone(),
                kind: Kind::Whisper,
                path: self.dir.join(&entry.file),
                sha256: entry.sha256.clone(),
                bytes: entry.bytes,
                remedy: "put the file back, or import it from where it is now".to_owned(),
            })
        };
        shipped.or_else(local)
    }

    fn verify(&self, known: &Known) -> Result<Verified, ModelStoreError> {
        let found = Fingerprint::of_file(&known.path)?.ok_or_else(|| missing(known))?;
        compare(known, found)
    }

    fn unknown(&self, name: &str) -> ModelStoreError {
        let shipped = self.manifest.models.iter().map(|entry| entry.id.as_str());
        let local = self.local.models.iter().map(|entry| entry.id.as_str());
        let known = shipped.chain(local).collect::<Vec<_>>().join(", ");
        ModelStoreError::Unknown { name: name.to_owned(), known }
    }

    fn whisper_by_hash(&self, sha256: &str) -> Option<String> {
        let shipped = self.manifest.models.iter().filter(|entry| entry.kind == Kind::Whisper);
        let mut known = shipped
            .map(|entry| (&entry.id, &entry.sha256))
            .chain(self.local.models.iter().map(|entry| (&entry.id, &entry.sha256)));
        known.find(|(_, hash)| *hash == sha256).map(|(id, _)| id.clone())
    }

    fn free_name(&self, id: String) -> Result<String, ModelStoreError> {
        let letters = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
        let reason = if self.manifest.model(&id).is_some() {
            "it is one of the program's own; give another with --name"
        } else if id.len() > ID_LETTERS_MAX || !id.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            "it has 1 to 64 letters and begins with a letter or digit"
        } else if !id.chars().all(letters) {
            "only a-z, 0-9, '.', '_' and '-' are allowed"
        } else {
            return Ok(id);
        };
        Err(ModelStoreError::BadName { id, reason })
    }

    fn read_source(&self, id: &str, source: &SourceFile) -> Result<Vec<u8>, ModelStoreError> {
        let known = Known {
            id: id.to_owned(),
            kind: Kind::Whisper,
            path: self.dir.join(&source.file),
            sha256: source.sha256.clone(),
            bytes: source.bytes,
            remedy: "run models/fetch.sh --sources".to_owned(),
        };
        let bytes = disk::read(&known.path, WEIGHTS_BYTES_MAX)?.ok_or_else(|| missing(&known))?;
        compare(&known, Fingerprint::of(&bytes))?;
        Ok(bytes)
    }

    /// Adds a model to the list; what another process has added meanwhile stays.
    fn remember(&mut self, folder: &Folder, entry: LocalEntry) -> Result<(), ModelStoreError> {
        self.write_local(folder, |local| local.replace(entry))
    }

    fn change_local(&mut self, change: impl FnOnce(&mut Local)) -> Result<(), ModelStoreError> {
        let folder = Folder::lock(&self.dir)?;
        self.write_local(&folder, change)
    }

    fn write_local(
        &mut self,
        folder: &Folder,
        change: impl FnOnce(&mut Local),
    ) -> Result<(), ModelStoreError> {
        let mut local = read_local(&self.dir)?;
        change(&mut local);
        let text = toml::to_string(&local).expect("tables of texts and numbers are always TOML");
        let io = |error| StoreError::io(&self.dir.join(LOCAL_FILE), error).into();
        folder.install(LOCAL_FILE, |out| out.write_all(text.as_bytes()).map_err(io), |_| Ok(()))?;
        self.local = local;
        Ok(())
    }
}

/// What a file must be.
struct Known {
    id: String,
    kind: Kind,
    path: PathBuf,
    sha256: String,
    bytes: u64,
    remedy: String,
}

fn missing(known: &Known) -> ModelStoreError {
    missing_file(&known.id, &known.path, &known.remedy)
}

fn missing_file(id: &str, path: &Path, remedy: &str) -> ModelStoreError {
    ModelStoreError::Missing { id: id.to_owned(), path: path.to_owned(), remedy: remedy.to_owned() }
}

fn compare(known: &Known, found: Fingerprint) -> Result<Verified, ModelStoreError> {
    let (path, expected) = (known.path.clone(), known.sha256.clone());
    if found.sha256 != expected {
        return Err(ModelStoreError::Damaged { path, found: found.sha256, expected });
    }
    Ok(Verified { id: known.id.clone(), path, sha256: found.sha256, bytes: found.bytes })
}

/// What an import reads.
struct Sources<'a> {
    container: &'a [u8],
    tokenizer: &'a [u8],
    precision: Precision,
}

impl Sources<'_> {
    /// Converts into a new file of the folder; `expected` is the sha256 the result must have, if known.
    fn convert(
        &self,
        folder: &Folder,
        file: &str,
        id: &str,
        expected: Option<&str>,
    ) -> Result<Verified, ModelStoreError> {
        let refused = |source| ModelStoreError::Refused { path: PathBuf::from(file), source };
        let mut made = Fingerprint::of(&[]);
        let path = folder.install(
            file,
            |out| {
                model::import(self.container, self.tokenizer, self.precision, out).map(drop).map_err(refused)
            },
            |written| {
                made = Fingerprint::of(written);
                check_ggml(Path::new(file), written)?;
                match expected.filter(|expected| **expected != made.sha256) {
                    None => Ok(()),
                    Some(expected) => Err(ModelStoreError::Damaged {
                        path: PathBuf::from(file),
                        found: made.sha256.clone(),
                        expected: expected.to_owned(),
                    }),
                }
            },
        )?;
        Ok(Verified { id: id.to_owned(), path, sha256: made.sha256, bytes: made.bytes })
    }
}

fn check_ggml(path: &Path, bytes: &[u8]) -> Result<(), ModelStoreError> {
    let check = ggml::Model::read(bytes).and_then(|model| model.check_for_whisper_cpp());
    check.map_err(|source| ModelStoreError::Refused { path: path.to_owned(), source })
}

/// Names a dropped-in file: `ggml-small.bin` becomes `small`.
fn name_of_file(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    stem.strip_prefix("ggml-").unwrap_or(&stem).to_owned()
}

/// Names a converted container, which is always called `model.bin`, by its folder.
fn name_of_folder(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    folder.to_string_lossy().to_lowercase()
}

fn read_local(dir: &Path) -> Result<Local, ModelStoreError> {
    let path = dir.join(LOCAL_FILE);
    let Some(bytes) = disk::read(&path, LOCAL_BYTES_MAX)? else { return Ok(Local::default()) };
    let text = String::from_utf8(bytes).map_err(|error| error.to_string());
    let parsed = text.and_then(|text| toml::from_str(&text).map_err(|error| error.to_string()));
    parsed.map_err(|reason| ModelStoreError::LocalList { path, reason })
}
